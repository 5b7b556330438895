/* tree_hash.c - tree hashes, parent hashes, and the checks of a tree that came from somebody else. */
#include <stdlib.h>

#include "base/assert.h"
#include "base/error.h"
#include "mls/bytes.h"
#include "mls/tree.h"

#define NODE_MAX_LEN ((size_t)1 << 20)

/* Leaves that a hash leaves out: rising, as they stand in a parent. */
struct without {
    const uint32_t *leaves;
    size_t count;
};

/* among: the number of those leaves under `node`, the first of them at *first. */
static size_t among(const struct without *w, uint32_t node, size_t *first)
{
    uint32_t begin = mls_first_leaf(node), end = mls_leaves_end(node);
    size_t i = 0, count = 0;

    while (i < w->count && w->leaves[i] < begin)
        i++;
    *first = i;
    while (i + count < w->count && w->leaves[i + count] < end)
        count++;
    return count;
}

static bool left_out(const struct without *w, uint32_t leaf)
{
    size_t low = 0, high = w->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (w->leaves[middle] == leaf)
            return true;
        if (w->leaves[middle] < leaf)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

static int node_hash(const struct mls_kit *kit, struct mls_tree *tree, uint32_t node, const struct without *w,
                     uint8_t out[MLS_HASH_LEN]);

static int leaf_hash(const struct mls_kit *kit, const struct mls_leaf *leaf, uint32_t index,
                     uint8_t out[MLS_HASH_LEN])
{
    uint8_t head[6] = {
        1,           (uint8_t)(index >> 24), (uint8_t)(index >> 16), (uint8_t)(index >> 8), (uint8_t)index,
        leaf != NULL};
    struct rf_view parts[2] = {rf_view_of(head, sizeof(head))};

    if (leaf != NULL)
        parts[1] = leaf->whole;
    return mls_hash(kit, parts, leaf != NULL ? 2 : 1, out);
}

static int parent_node_hash(const struct mls_kit *kit, struct mls_tree *tree, uint32_t node,
                            const struct without *w, uint8_t out[MLS_HASH_LEN])
{
    const struct mls_tree_parent *parent = tree->parents[node / 2];
    uint8_t child[MLS_HASH_LEN];
    struct rf_view all;
    struct rf_buf buf;
    size_t mark;
    int r = 0;

    rf_buf_init(&buf, tree->mem, NODE_MAX_LEN);
    rf_buf_u8(&buf, 2);
    rf_buf_bool(&buf, parent != NULL);
    if (parent != NULL) {
        mls_put_v(&buf, rf_view_of(parent->key, parent->key_len));
        mls_put_v(&buf, rf_view_of(parent->parent_hash, parent->parent_hash_len));
        mark = mls_open(&buf);
        for (size_t i = 0; i < parent->unmerged_count; i++)
            if (!left_out(w, parent->unmerged[i]))
                rf_buf_u32(&buf, parent->unmerged[i]);
        mls_close(&buf, mark);
    }
    for (int side = 0; side < 2 && r == 0; side++) {
        r = node_hash(kit, tree, side == 0 ? mls_left(node) : mls_right(node), w, child);
        mls_put_v(&buf, rf_view_of(child, sizeof(child)));
    }
    all = rf_buf_view(&buf);
    if (r == 0 && (r = rf_buf_error(&buf)) == 0)
        r = mls_hash(kit, &all, 1, out);
    rf_buf_deinit(&buf);
    return r;
}

/* node_hash: the tree hash as if the leaves of `w` were blank and nowhere unmerged. */
static int node_hash(const struct mls_kit *kit, struct mls_tree *tree, uint32_t node, const struct without *w,
                     uint8_t out[MLS_HASH_LEN])
{
    struct without here = *w;
    size_t first;
    int r;

    here.count = among(w, node, &first);
    here.leaves = here.count > 0 ? w->leaves + first : NULL;
    if (here.count == 0 && tree->hashed[node]) {
        memcpy(out, tree->hashes + (size_t)node * MLS_HASH_LEN, MLS_HASH_LEN);
        return 0;
    }
    if (mls_is_leaf(node))
        r = leaf_hash(kit, here.count > 0 ? NULL : mls_tree_leaf(tree, node / 2), node / 2, out);
    else
        r = parent_node_hash(kit, tree, node, &here, out);
    if (r == 0 && here.count == 0) {
        memcpy(tree->hashes + (size_t)node * MLS_HASH_LEN, out, MLS_HASH_LEN);
        tree->hashed[node] = 1;
    }
    return r;
}

int mls_tree_hash(const struct mls_kit *kit, struct mls_tree *tree, uint32_t node, uint8_t out[MLS_HASH_LEN])
{
    struct without nobody = {NULL, 0};

    return node_hash(kit, tree, node, &nobody, out);
}

int mls_tree_root_hash(const struct mls_kit *kit, struct mls_tree *tree, uint8_t out[MLS_HASH_LEN])
{
    return mls_tree_hash(kit, tree, mls_root(tree->leaf_count), out);
}

int mls_tree_parent_hash(const struct mls_kit *kit, struct mls_tree *tree, uint32_t node, uint32_t sibling,
                         uint8_t out[MLS_HASH_LEN])
{
    const struct mls_tree_parent *parent = tree->parents[node / 2];
    struct without unmerged = {parent->unmerged, parent->unmerged_count};
    uint8_t bytes[3 * MLS_LEN_MAX + RF_DH_PUBLIC_MAX_LEN + 2 * MLS_HASH_LEN], hash[MLS_HASH_LEN];
    struct rf_view all;
    struct rf_buf buf;
    int r = node_hash(kit, tree, sibling, &unmerged, hash);

    if (r != 0)
        return r;
    rf_buf_fixed(&buf, bytes, sizeof(bytes));
    mls_put_v(&buf, rf_view_of(parent->key, parent->key_len));
    mls_put_v(&buf, rf_view_of(parent->parent_hash, parent->parent_hash_len));
    mls_put_v(&buf, rf_view_of(hash, sizeof(hash)));
    all = rf_buf_view(&buf);
    return mls_hash(kit, &all, 1, out);
}

/* ---- a tree that was received ---- */

/* check_unmerged: each entry is a leaf that is there, below, and unmerged in every parent between that is not blank. */
static int check_unmerged(const struct mls_tree *tree, uint32_t node)
{
    const struct mls_tree_parent *parent = tree->parents[node / 2];

    for (size_t i = 0; i < parent->unmerged_count; i++) {
        uint32_t leaf = parent->unmerged[i];

        if (mls_tree_leaf(tree, leaf) == NULL || !mls_below(2 * leaf, node))
            return RF_EINVAL;
        for (unsigned level = 1; level < mls_level(node); level++) {
            const struct mls_tree_parent *between = mls_tree_parent(tree, mls_ancestor(leaf, level));
            struct without list = {NULL, 0};

            if (between != NULL)
                list = (struct without){between->unmerged, between->unmerged_count};
            if (between != NULL && !left_out(&list, leaf))
                return RF_EINVAL;
        }
    }
    return 0;
}

/* hash_of_child: the parent hash that a node holds; false: none, or of a leaf that no commit made. */
static bool hash_of_child(const struct mls_tree *tree, uint32_t node, struct rf_view *hash)
{
    const struct mls_tree_parent *parent = mls_tree_parent(tree, node);
    const struct mls_leaf *leaf = mls_is_leaf(node) ? mls_tree_leaf(tree, node / 2) : NULL;

    if (parent != NULL)
        *hash = rf_view_of(parent->parent_hash, parent->parent_hash_len);
    else if (leaf != NULL && leaf->source == MLS_SOURCE_COMMIT)
        *hash = leaf->parent_hash;
    else
        return false;
    return true;
}

/* side_matches counts the nodes D of section 7.9.2 under `child`, when `sibling` is the other child of `node`. */
static int side_matches(const struct mls_kit *kit, struct mls_tree *tree, uint32_t node, uint32_t child,
                        uint32_t sibling, unsigned *count)
{
    const struct mls_tree_parent *parent = tree->parents[node / 2];
    struct without unmerged = {parent->unmerged, parent->unmerged_count};
    struct mls_nodes resolution;
    uint8_t hash[MLS_HASH_LEN];
    struct rf_view held;
    size_t below, first, others = 0, at = 0;
    int r;

    below = among(&unmerged, child, &first);
    mls_nodes_init(&resolution, tree->mem);
    if ((r = mls_tree_resolution(tree, child, &resolution)) != 0 ||
        (r = mls_tree_parent_hash(kit, tree, node, sibling, hash)) != 0)
        goto out;
    for (size_t i = 0; i < resolution.count && below + 1 == resolution.count; i++)
        if (!mls_is_leaf(resolution.at[i]) || !left_out(&unmerged, resolution.at[i] / 2)) {
            others++;
            at = i;
        }
    *count += others == 1 && hash_of_child(tree, resolution.at[at], &held) &&
              rf_view_equal(held, rf_view_of(hash, sizeof(hash)));
out:
    mls_nodes_deinit(&resolution);
    return r;
}

static int compare_views(const void *a, const void *b)
{
    const struct rf_view *x = a, *y = b;

    return x->len != y->len ? (x->len < y->len ? -1 : 1) : memcmp(x->p, y->p, x->len);
}

static bool twice(struct rf_view *keys, size_t count)
{
    qsort(keys, count, sizeof(*keys), compare_views);
    for (size_t i = 1; i < count; i++)
        if (rf_view_equal(keys[i - 1], keys[i]))
            return true;
    return false;
}

int mls_tree_unique(const struct mls_tree *tree)
{
    struct rf_view *keys = rf_alloc(tree->mem, mls_node_count(tree->leaf_count) * sizeof(*keys));
    size_t count = 0;
    int r = 0;

    if (keys == NULL)
        return RF_ENOMEM;
    for (uint32_t node = 0; node < mls_node_count(tree->leaf_count); node++)
        if (mls_tree_key(tree, node, &keys[count]))
            count++;
    if (twice(keys, count))
        r = RF_EDUPLICATE;
    count = 0;
    for (uint32_t i = 0; i < tree->leaf_count; i++)
        if (tree->leaves[i] != NULL)
            keys[count++] = tree->leaves[i]->leaf.signature_key;
    if (twice(keys, count))
        r = RF_EDUPLICATE;
    rf_free(tree->mem, keys);
    return r;
}

int mls_tree_check(const struct mls_kit *kit, struct mls_tree *tree)
{
    int r = mls_tree_unique(tree);

    for (uint32_t node = 1; node < mls_node_count(tree->leaf_count) && r == 0; node += 2) {
        const struct mls_tree_parent *parent = tree->parents[node / 2];
        unsigned count = 0;

        if (parent == NULL)
            continue;
        if ((r = mls_public_check(kit, rf_view_of(parent->key, parent->key_len))) != 0 ||
            (r = check_unmerged(tree, node)) != 0 ||
            (r = side_matches(kit, tree, node, mls_left(node), mls_right(node), &count)) != 0 ||
            (r = side_matches(kit, tree, node, mls_right(node), mls_left(node), &count)) != 0)
            break;
        if (count != 1)
            r = RF_EMISMATCH;
    }
    return r;
}

bool mls_tree_has_key(const struct mls_tree *tree, struct rf_view key)
{
    struct rf_view one;

    for (uint32_t node = 0; node < mls_node_count(tree->leaf_count); node++)
        if (mls_tree_key(tree, node, &one) && rf_view_equal(one, key))
            return true;
    return false;
}

bool mls_tree_find_signer(const struct mls_tree *tree, struct rf_view signature_key, uint32_t *leaf)
{
    for (uint32_t i = 0; i < tree->leaf_count; i++)
        if (tree->leaves[i] != NULL && rf_view_equal(tree->leaves[i]->leaf.signature_key, signature_key)) {
            *leaf = i;
            return true;
        }
    return false;
}
