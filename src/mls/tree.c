/* tree.c - the ratchet tree: nodes, changes, resolutions. */
#include "mls/tree.h"

#include "base/assert.h"
#include "base/error.h"
#include "mls/bytes.h"

/* ---- lists of nodes ---- */

void mls_nodes_deinit(struct mls_nodes *nodes)
{
    rf_free(nodes->mem, nodes->at);
    mls_nodes_init(nodes, nodes->mem);
}

int mls_nodes_add(struct mls_nodes *nodes, uint32_t node)
{
    if (nodes->count == nodes->cap) {
        size_t cap = nodes->cap > 0 ? nodes->cap * 2 : 16;
        uint32_t *at = rf_resize(nodes->mem, nodes->at, cap * sizeof(*at));

        if (at == NULL)
            return RF_ENOMEM;
        nodes->at = at;
        nodes->cap = cap;
    }
    nodes->at[nodes->count++] = node;
    return 0;
}

bool mls_nodes_has(const struct mls_nodes *nodes, uint32_t node)
{
    for (size_t i = 0; i < nodes->count; i++)
        if (nodes->at[i] == node)
            return true;
    return false;
}

/* ---- memory ---- */

static void leaf_release(struct mls_tree *tree, struct mls_tree_leaf *leaf)
{
    if (leaf == NULL || --leaf->refs > 0)
        return;
    tree->crypto->ops->pubkey_free(tree->crypto, leaf->signer);
    rf_free(tree->mem, leaf);
}

static void parent_release(struct rf_mem *mem, struct mls_tree_parent *parent)
{
    if (parent != NULL && --parent->refs == 0)
        rf_free(mem, parent);
}

/* resize makes the arrays fit `leaf_count` leaves; what is new is blank, what goes was released before. */
static int resize(struct mls_tree *tree, uint32_t leaf_count)
{
    size_t nodes = mls_node_count(leaf_count),
           old_nodes = tree->leaf_count > 0 ? mls_node_count(tree->leaf_count) : 0;
    uint32_t old = tree->leaf_count;
    void *p;

    if (leaf_count > MLS_LEAVES_MAX)
        return RF_ELIMIT;
    if ((p = rf_resize(tree->mem, tree->leaves, leaf_count * sizeof(*tree->leaves))) == NULL)
        return RF_ENOMEM;
    tree->leaves = p;
    if ((p = rf_resize(tree->mem, tree->parents, leaf_count * sizeof(*tree->parents))) == NULL)
        return RF_ENOMEM;
    tree->parents = p;
    if ((p = rf_resize(tree->mem, tree->hashes, nodes * MLS_HASH_LEN)) == NULL)
        return RF_ENOMEM;
    tree->hashes = p;
    if ((p = rf_resize(tree->mem, tree->hashed, nodes)) == NULL)
        return RF_ENOMEM;
    tree->hashed = p;
    tree->leaf_count = leaf_count;
    if (leaf_count <= old)
        return 0;
    memset(tree->leaves + old, 0, (leaf_count - old) * sizeof(*tree->leaves));
    memset(tree->parents + (old > 0 ? old - 1 : 0), 0,
           (leaf_count - (old > 0 ? old - 1 : 0)) * sizeof(*tree->parents));
    memset(tree->hashed + old_nodes, 0, nodes - old_nodes);
    return 0;
}

int mls_tree_init(struct mls_tree *tree, const struct mls_kit *kit)
{
    int r;

    *tree = (struct mls_tree){.mem = kit->mem, .crypto = kit->crypto, .public_len = kit->suite->public_len};
    if ((r = resize(tree, 1)) != 0)
        mls_tree_deinit(tree);
    return r;
}

void mls_tree_deinit(struct mls_tree *tree)
{
    for (uint32_t i = 0; i < tree->leaf_count; i++) {
        leaf_release(tree, tree->leaves[i]);
        if (i + 1 < tree->leaf_count)
            parent_release(tree->mem, tree->parents[i]);
    }
    if (tree->mem != NULL) {
        rf_free(tree->mem, tree->leaves);
        rf_free(tree->mem, tree->parents);
        rf_free(tree->mem, tree->hashes);
        rf_free(tree->mem, tree->hashed);
    }
    *tree = (struct mls_tree){.mem = tree->mem};
}

int mls_tree_copy(const struct mls_tree *from, struct mls_tree *out)
{
    int r;

    *out = (struct mls_tree){.mem = from->mem, .crypto = from->crypto, .public_len = from->public_len};
    if ((r = resize(out, from->leaf_count)) != 0) {
        out->leaf_count = 0;
        mls_tree_deinit(out);
        return r;
    }
    for (uint32_t i = 0; i < from->leaf_count; i++) {
        if ((out->leaves[i] = from->leaves[i]) != NULL)
            out->leaves[i]->refs++;
        if (i + 1 < from->leaf_count && (out->parents[i] = from->parents[i]) != NULL)
            out->parents[i]->refs++;
    }
    memcpy(out->hashes, from->hashes, (size_t)mls_node_count(from->leaf_count) * MLS_HASH_LEN);
    memcpy(out->hashed, from->hashed, mls_node_count(from->leaf_count));
    return 0;
}

/* ---- looking ---- */

const struct mls_leaf *mls_tree_leaf(const struct mls_tree *tree, uint32_t leaf)
{
    return leaf < tree->leaf_count && tree->leaves[leaf] != NULL ? &tree->leaves[leaf]->leaf : NULL;
}

const struct mls_tree_parent *mls_tree_parent(const struct mls_tree *tree, uint32_t node)
{
    return !mls_is_leaf(node) && node < mls_node_count(tree->leaf_count) ? tree->parents[node / 2] : NULL;
}

bool mls_tree_key(const struct mls_tree *tree, uint32_t node, struct rf_view *key)
{
    const struct mls_leaf *leaf;
    const struct mls_tree_parent *parent;

    if (mls_is_leaf(node)) {
        if ((leaf = mls_tree_leaf(tree, node / 2)) == NULL)
            return false;
        *key = leaf->encryption_key;
        return true;
    }
    if ((parent = mls_tree_parent(tree, node)) == NULL)
        return false;
    *key = rf_view_of(parent->key, parent->key_len);
    return true;
}

int mls_tree_verify(const struct mls_kit *kit, const struct mls_tree *tree, uint32_t leaf, const char *label,
                    const struct rf_view *parts, size_t part_count, struct rf_view signature)
{
    struct mls_tree_leaf *of = leaf < tree->leaf_count ? tree->leaves[leaf] : NULL;
    int r;

    if (of == NULL)
        return RF_ENOTFOUND;
    if (of->signer == NULL &&
        (r = rf_pubkey_from_raw(kit->crypto, kit->suite->key_type, of->leaf.signature_key, &of->signer)) != 0)
        return r;
    return mls_verify_with(kit, of->signer, label, parts, part_count, signature);
}

/* ---- changes ---- */

/* touch forgets the hashes of a node and of all above it. */
static void touch(struct mls_tree *tree, uint32_t node)
{
    for (;; node = mls_parent(node)) {
        tree->hashed[node] = 0;
        if (node == mls_root(tree->leaf_count))
            return;
    }
}

int mls_tree_set_leaf(struct mls_tree *tree, uint32_t leaf, struct rf_view encoded)
{
    struct mls_tree_leaf *made = rf_alloc(tree->mem, sizeof(*made) + encoded.len);
    struct rf_view bytes;
    int r;

    RF_ASSERT(leaf < tree->leaf_count);
    if (made == NULL)
        return RF_ENOMEM;
    made->refs = 1;
    made->signer = NULL;
    memcpy(made->bytes, encoded.p, encoded.len);
    bytes = rf_view_of(made->bytes, encoded.len);
    r = mls_leaf_decode(&bytes, &made->leaf);
    if (r == 0 && bytes.len != 0)
        r = RF_EFORMAT;
    if (r != 0) {
        rf_free(tree->mem, made);
        return r;
    }
    leaf_release(tree, tree->leaves[leaf]);
    tree->leaves[leaf] = made;
    touch(tree, 2 * leaf);
    return 0;
}

void mls_tree_share_leaf(struct mls_tree *tree, const struct mls_tree *from, uint32_t leaf)
{
    struct mls_tree_leaf *shared = leaf < from->leaf_count ? from->leaves[leaf] : NULL;

    if (shared != NULL)
        shared->refs++;
    leaf_release(tree, tree->leaves[leaf]);
    tree->leaves[leaf] = shared;
    touch(tree, 2 * leaf);
}

static void set_parent(struct mls_tree *tree, uint32_t node, struct mls_tree_parent *parent)
{
    parent_release(tree->mem, tree->parents[node / 2]);
    tree->parents[node / 2] = parent;
}

static struct mls_tree_parent *parent_new(struct mls_tree *tree, struct rf_view key,
                                          struct rf_view parent_hash, size_t unmerged_count)
{
    struct mls_tree_parent *parent = rf_alloc(tree->mem, sizeof(*parent) + unmerged_count * sizeof(uint32_t));

    if (parent == NULL)
        return NULL;
    RF_ASSERT(key.len <= sizeof(parent->key) && parent_hash.len <= sizeof(parent->parent_hash));
    parent->refs = 1;
    parent->key_len = key.len;
    memcpy(parent->key, key.p, key.len);
    parent->parent_hash_len = parent_hash.len;
    if (parent_hash.len > 0)
        memcpy(parent->parent_hash, parent_hash.p, parent_hash.len);
    parent->unmerged_count = unmerged_count;
    return parent;
}

int mls_tree_set_parent(struct mls_tree *tree, uint32_t node, struct rf_view key, struct rf_view parent_hash)
{
    struct mls_tree_parent *parent = parent_new(tree, key, parent_hash, 0);

    if (parent == NULL)
        return RF_ENOMEM;
    set_parent(tree, node, parent);
    touch(tree, node);
    return 0;
}

uint32_t mls_tree_free_place(const struct mls_tree *tree)
{
    uint32_t leaf = 0;

    while (leaf < tree->leaf_count && tree->leaves[leaf] != NULL)
        leaf++;
    return leaf;
}

int mls_tree_grow_for(struct mls_tree *tree, uint32_t leaf)
{
    int r = 0;

    while (r == 0 && leaf >= tree->leaf_count)
        r = resize(tree, tree->leaf_count * 2);
    return r;
}

/* add_unmerged puts `leaf` into the sorted list of a parent, as a new object. */
static int add_unmerged(struct mls_tree *tree, uint32_t node, uint32_t leaf)
{
    const struct mls_tree_parent *old = tree->parents[node / 2];
    struct mls_tree_parent *parent =
        parent_new(tree, rf_view_of(old->key, old->key_len),
                   rf_view_of(old->parent_hash, old->parent_hash_len), old->unmerged_count + 1);
    size_t i = 0;

    if (parent == NULL)
        return RF_ENOMEM;
    for (; i < old->unmerged_count && old->unmerged[i] < leaf; i++)
        parent->unmerged[i] = old->unmerged[i];
    parent->unmerged[i] = leaf;
    for (; i < old->unmerged_count; i++)
        parent->unmerged[i + 1] = old->unmerged[i];
    set_parent(tree, node, parent);
    return 0;
}

int mls_tree_add(struct mls_tree *tree, struct rf_view encoded, uint32_t *leaf)
{
    uint32_t at = mls_tree_free_place(tree);
    int r;

    if ((r = mls_tree_grow_for(tree, at)) != 0 || (r = mls_tree_set_leaf(tree, at, encoded)) != 0)
        return r;
    for (unsigned level = 1; level <= mls_root_level(tree->leaf_count); level++) {
        uint32_t node = mls_ancestor(at, level);

        if (tree->parents[node / 2] != NULL && (r = add_unmerged(tree, node, at)) != 0)
            return r;
    }
    *leaf = at;
    return 0;
}

void mls_tree_blank_path(struct mls_tree *tree, uint32_t leaf)
{
    for (unsigned level = 1; level <= mls_root_level(tree->leaf_count); level++)
        set_parent(tree, mls_ancestor(leaf, level), NULL);
    touch(tree, 2 * leaf);
}

int mls_tree_update(struct mls_tree *tree, uint32_t leaf, struct rf_view encoded)
{
    int r = mls_tree_set_leaf(tree, leaf, encoded);

    if (r == 0)
        mls_tree_blank_path(tree, leaf);
    return r;
}

void mls_tree_remove(struct mls_tree *tree, uint32_t leaf)
{
    leaf_release(tree, tree->leaves[leaf]);
    tree->leaves[leaf] = NULL;
    mls_tree_blank_path(tree, leaf);
}

void mls_tree_truncate(struct mls_tree *tree)
{
    uint32_t used = tree->leaf_count;

    while (used > 0 && tree->leaves[used - 1] == NULL)
        used--;
    while (tree->leaf_count > 1 && used <= tree->leaf_count / 2) {
        uint32_t half = tree->leaf_count / 2;

        for (uint32_t i = half - 1; i < tree->leaf_count - 1; i++) { /* the root and all to its right */
            parent_release(tree->mem, tree->parents[i]);
            tree->parents[i] = NULL;
        }
        tree->leaf_count = half; /* the arrays are merely too long */
    }
}

/* ---- resolutions and paths ---- */

int mls_tree_resolution(const struct mls_tree *tree, uint32_t node, struct mls_nodes *out)
{
    const struct mls_tree_parent *parent;
    int r;

    if (mls_is_leaf(node))
        return tree->leaves[node / 2] != NULL ? mls_nodes_add(out, node) : 0;
    if ((parent = tree->parents[node / 2]) == NULL) {
        r = mls_tree_resolution(tree, mls_left(node), out);
        return r != 0 ? r : mls_tree_resolution(tree, mls_right(node), out);
    }
    r = mls_nodes_add(out, node);
    for (size_t i = 0; i < parent->unmerged_count && r == 0; i++)
        r = mls_nodes_add(out, 2 * parent->unmerged[i]);
    return r;
}

/* resolves_to_nothing: the resolution is empty. A parent that is not blank resolves to itself at least. */
static bool resolves_to_nothing(const struct mls_tree *tree, uint32_t node)
{
    if (mls_is_leaf(node))
        return tree->leaves[node / 2] == NULL;
    return tree->parents[node / 2] == NULL && resolves_to_nothing(tree, mls_left(node)) &&
           resolves_to_nothing(tree, mls_right(node));
}

int mls_tree_filtered_path(const struct mls_tree *tree, uint32_t leaf, struct mls_path *out)
{
    out->count = 0;
    for (unsigned level = 1; level <= mls_root_level(tree->leaf_count); level++) {
        uint32_t copath = mls_sibling(mls_ancestor(leaf, level - 1));

        if (resolves_to_nothing(tree, copath))
            continue;
        out->node[out->count] = mls_ancestor(leaf, level);
        out->copath[out->count] = copath;
        out->count++;
    }
    return 0;
}

/* ---- on the wire ---- */

static int take_parent(struct mls_tree *tree, struct rf_view *in, uint32_t node)
{
    struct rf_view key, parent_hash, list;
    struct mls_tree_parent *parent;
    uint32_t last = 0;
    int r;

    if ((r = mls_take_v(in, &key)) != 0 || (r = mls_take_v(in, &parent_hash)) != 0 ||
        (r = mls_take_v(in, &list)) != 0)
        return r;
    if (list.len % 4 != 0)
        return RF_EFORMAT;
    if (key.len != tree->public_len || (parent_hash.len != 0 && parent_hash.len != MLS_HASH_LEN))
        return RF_EINVAL;
    if ((parent = parent_new(tree, key, parent_hash, list.len / 4)) == NULL)
        return RF_ENOMEM;
    set_parent(tree, node, parent);
    for (size_t i = 0; i < parent->unmerged_count; i++) {
        (void)rf_view_u32(&list, &parent->unmerged[i]);
        if (i > 0 && parent->unmerged[i] <= last)
            return RF_EINVAL;
        last = parent->unmerged[i];
    }
    return 0;
}

static int take_node(struct mls_tree *tree, struct rf_view *in, uint32_t node)
{
    struct mls_leaf leaf;
    uint8_t type;
    int r;

    if ((r = mls_take_u8(in, &type)) != 0)
        return r;
    if (type != 1 && type != 2)
        return RF_EUNKNOWN;
    if ((type == 1) != mls_is_leaf(node))
        return RF_EINVAL;
    if ((r = mls_tree_grow_for(tree, node / 2 + (node & 1))) != 0)
        return r;
    if (type == 2)
        return take_parent(tree, in, node);
    if ((r = mls_leaf_decode(in, &leaf)) != 0)
        return r;
    return mls_tree_set_leaf(tree, node / 2, leaf.whole);
}

int mls_tree_decode(const struct mls_kit *kit, struct rf_view in, struct mls_tree *out)
{
    bool present = false;
    struct rf_view list;
    uint32_t node = 0;
    int r;

    if ((r = mls_tree_init(out, kit)) != 0)
        return r;
    r = mls_take_v(&in, &list);
    if (r == 0 && in.len != 0)
        r = RF_EFORMAT;
    for (; r == 0 && list.len > 0; node++) {
        if (node >= 2 * MLS_LEAVES_MAX)
            r = RF_ELIMIT;
        else if ((r = mls_take_optional(&list, &present)) == 0 && present)
            r = take_node(out, &list, node);
    }
    if (r == 0 && !present)
        r = RF_EINVAL; /* no nodes, or the last one blank */
    if (r != 0)
        mls_tree_deinit(out);
    return r;
}

static void put_parent(const struct mls_tree_parent *parent, struct rf_buf *out)
{
    rf_buf_u8(out, 2);
    mls_put_v(out, rf_view_of(parent->key, parent->key_len));
    mls_put_v(out, rf_view_of(parent->parent_hash, parent->parent_hash_len));
    mls_len_put(out, parent->unmerged_count * 4);
    for (size_t i = 0; i < parent->unmerged_count; i++)
        rf_buf_u32(out, parent->unmerged[i]);
}

void mls_tree_encode(const struct mls_tree *tree, struct rf_buf *out)
{
    uint32_t count = mls_node_count(tree->leaf_count);
    struct rf_view key;
    size_t mark = mls_open(out);

    while (count > 0 && !mls_tree_key(tree, count - 1, &key))
        count--;
    for (uint32_t node = 0; node < count; node++) {
        bool present = mls_tree_key(tree, node, &key);

        rf_buf_bool(out, present);
        if (present && mls_is_leaf(node)) {
            rf_buf_u8(out, 1);
            rf_buf_view_put(out, tree->leaves[node / 2]->leaf.whole);
        } else if (present) {
            put_parent(tree->parents[node / 2], out);
        }
    }
    mls_close(out, mark);
}
