/*
 * treemath.h - the tree as an array: leaf i is node 2i, parents are odd, the root of n leaves (a power of two) is node n - 1. RFC 9420,
 * appendix C. Numbers of leaves up to MLS_LEAVES_MAX, so nothing overflows.
 */
#ifndef RF_MLS_TREEMATH_H
#define RF_MLS_TREEMATH_H

#include <stdbool.h>
#include <stdint.h>

#define MLS_LEAVES_MAX ((uint32_t)1 << 16)
#define MLS_LEVELS_MAX 17 /* levels of a tree of that many leaves */

/* mls_level: 0 for a leaf. */
static inline unsigned mls_level(uint32_t x)
{
    return (unsigned)__builtin_ctz(~x);
}
static inline bool mls_is_leaf(uint32_t x)
{
    return (x & 1) == 0;
}
static inline uint32_t mls_root(uint32_t leaf_count)
{
    return leaf_count - 1;
}
static inline uint32_t mls_node_count(uint32_t leaf_count)
{
    return 2 * leaf_count - 1;
}
/* mls_left, mls_right: of a parent only. */
static inline uint32_t mls_left(uint32_t x)
{
    return x ^ (uint32_t)1 << (mls_level(x) - 1);
}
static inline uint32_t mls_right(uint32_t x)
{
    return x ^ (uint32_t)3 << (mls_level(x) - 1);
}
/* mls_parent, mls_sibling: of any node but the root. */
static inline uint32_t mls_parent(uint32_t x)
{
    unsigned k = mls_level(x);

    return (x | (uint32_t)1 << k) & ~((uint32_t)1 << (k + 1));
}
static inline uint32_t mls_sibling(uint32_t x)
{
    uint32_t parent = mls_parent(x);

    return x < parent ? mls_right(parent) : mls_left(parent);
}
/* mls_below: y is x or below it. */
static inline bool mls_below(uint32_t y, uint32_t x)
{
    uint32_t half = ((uint32_t)1 << mls_level(x)) - 1;

    return y >= x - half && y <= x + half;
}
/* mls_first_leaf, mls_leaves_end: leaf indices under x, the end not included. */
static inline uint32_t mls_first_leaf(uint32_t x)
{
    return (x - (((uint32_t)1 << mls_level(x)) - 1)) / 2;
}
static inline uint32_t mls_leaves_end(uint32_t x)
{
    return mls_first_leaf(x) + ((uint32_t)1 << mls_level(x));
}
/* mls_ancestor: the node of this level above (or at) leaf `leaf`. */
static inline uint32_t mls_ancestor(uint32_t leaf, unsigned level)
{
    uint32_t x = 2 * leaf;

    return level == 0 ? x : ((x >> (level + 1)) << (level + 1)) + ((uint32_t)1 << level) - 1;
}
/* mls_common_level: the level of the lowest common ancestor of two leaves. */
static inline unsigned mls_common_level(uint32_t a, uint32_t b)
{
    return a == b ? 0 : 32 - (unsigned)__builtin_clz(a ^ b);
}
/* mls_levels: of a tree with this many leaves; the root's level. */
static inline unsigned mls_root_level(uint32_t leaf_count)
{
    return (unsigned)__builtin_ctz(leaf_count);
}

#endif
