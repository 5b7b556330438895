/*
 * store_tree.h - an ordered tree of byte strings with intrusive nodes: a treap whose priorities are made of the nodes' addresses, which nobody outside
 * knows or chooses, so that nobody can make it deep; they need no memory. Order: byte by byte, a prefix before what it begins. Used for
 * resources, Kinds, slots and Find.
 */
#ifndef RF_OVERLAY_STORE_TREE_H
#define RF_OVERLAY_STORE_TREE_H

#include "base/view.h"

struct store_tree_node {
    struct store_tree_node *left, *right, *up;
};

/* What all trees of one sort share. */
struct store_tree_class {
    struct rf_view (*key)(const struct store_tree_node *node);
};

struct store_tree {
    struct store_tree_node *root;
    size_t count;
};

struct store_tree_node *store_tree_find(const struct store_tree *tree, const struct store_tree_class *class,
                                        struct rf_view key);
/* store_tree_insert puts a node in, borrowed until removed; its key must not change meanwhile. RF_EEXIST. */
int store_tree_insert(struct store_tree *tree, const struct store_tree_class *class,
                      struct store_tree_node *node);
/* store_tree_priority: of no node smaller than its children's. */
uint64_t store_tree_priority(const struct store_tree_node *node);
void store_tree_remove(struct store_tree *tree, struct store_tree_node *node);
/* In order: NULL at the end. at_least: the first whose key is not before `key`; before: the last whose key is. */
struct store_tree_node *store_tree_first(const struct store_tree *tree);
struct store_tree_node *store_tree_last(const struct store_tree *tree);
struct store_tree_node *store_tree_next(const struct store_tree_node *node);
struct store_tree_node *store_tree_prev(const struct store_tree_node *node);
struct store_tree_node *store_tree_at_least(const struct store_tree *tree,
                                            const struct store_tree_class *class, struct rf_view key);
struct store_tree_node *store_tree_before(const struct store_tree *tree, const struct store_tree_class *class,
                                          struct rf_view key);

#endif
