/* secret_tree.c - message keys. */
#include "mls/secret_tree.h"

#include "base/assert.h"
#include "mls/bytes.h"

int mls_secret_tree_init(struct mls_secret_tree *tree, struct rf_mem *mem, uint32_t leaf_count,
                         const uint8_t encryption[MLS_HASH_LEN])
{
    size_t nodes = mls_node_count(leaf_count);
    uint32_t root = mls_root(leaf_count);

    *tree = (struct mls_secret_tree){.mem = mem, .leaf_count = leaf_count};
    tree->secrets = rf_zalloc(mem, nodes * MLS_HASH_LEN);
    tree->has = rf_zalloc(mem, nodes);
    tree->ratchets = rf_zalloc(mem, leaf_count * sizeof(struct mls_sender_ratchets *));
    if (tree->secrets == NULL || tree->has == NULL || tree->ratchets == NULL) {
        mls_secret_tree_deinit(tree);
        return RF_ENOMEM;
    }
    if (encryption != NULL) {
        memcpy(tree->secrets + (size_t)root * MLS_HASH_LEN, encryption, MLS_HASH_LEN);
        tree->has[root] = 1;
    }
    return 0;
}

static void ratchets_free(struct rf_mem *mem, struct mls_sender_ratchets *ratchets)
{
    if (ratchets == NULL)
        return;
    for (int kind = 0; kind < 2; kind++)
        rf_free_secret(mem, ratchets->kind[kind].skipped, RF_MLS_SKIPPED_MAX * sizeof(struct mls_skipped));
    rf_free_secret(mem, ratchets, sizeof(*ratchets));
}

void mls_secret_tree_deinit(struct mls_secret_tree *tree)
{
    if (tree->mem == NULL)
        return;
    for (uint32_t i = 0; i < tree->leaf_count && tree->ratchets != NULL; i++)
        ratchets_free(tree->mem, tree->ratchets[i]);
    rf_free(tree->mem, tree->ratchets);
    if (tree->leaf_count > 0)
        rf_free_secret(tree->mem, tree->secrets, (size_t)mls_node_count(tree->leaf_count) * MLS_HASH_LEN);
    rf_free(tree->mem, tree->has);
    *tree = (struct mls_secret_tree){.mem = NULL};
}

static uint8_t *secret_of(const struct mls_secret_tree *tree, uint32_t node)
{
    return tree->secrets + (size_t)node * MLS_HASH_LEN;
}

static int derive_children(const struct mls_kit *kit, const uint8_t secret[MLS_HASH_LEN],
                           uint8_t left[MLS_HASH_LEN], uint8_t right[MLS_HASH_LEN])
{
    int r = mls_expand(kit, secret, "tree", rf_view_str("left"), left, MLS_HASH_LEN);

    return r != 0 ? r : mls_expand(kit, secret, "tree", rf_view_str("right"), right, MLS_HASH_LEN);
}

/* nearest: the level of the lowest node at or above the leaf whose secret is there. */
static bool nearest(const struct mls_secret_tree *tree, uint32_t leaf, unsigned *level)
{
    for (*level = 0; *level <= mls_root_level(tree->leaf_count); (*level)++)
        if (tree->has[mls_ancestor(leaf, *level)])
            return true;
    return false;
}

/* leaf_secret walks down to a leaf; with `keep` what it derives stays in the tree and what it derived from goes. */
static int leaf_secret(const struct mls_kit *kit, struct mls_secret_tree *tree, uint32_t leaf, bool keep,
                       uint8_t out[MLS_HASH_LEN])
{
    uint8_t left[MLS_HASH_LEN], right[MLS_HASH_LEN];
    unsigned level;
    int r = 0;

    if (!nearest(tree, leaf, &level))
        return RF_ENOTFOUND;
    memcpy(out, secret_of(tree, mls_ancestor(leaf, level)), MLS_HASH_LEN);
    for (; level > 0 && r == 0; level--) {
        uint32_t node = mls_ancestor(leaf, level), below = mls_ancestor(leaf, level - 1);

        if ((r = derive_children(kit, out, left, right)) != 0)
            break;
        memcpy(out, below == mls_left(node) ? left : right, MLS_HASH_LEN);
        if (!keep)
            continue;
        memcpy(secret_of(tree, mls_left(node)), left, MLS_HASH_LEN);
        memcpy(secret_of(tree, mls_right(node)), right, MLS_HASH_LEN);
        tree->has[mls_left(node)] = tree->has[mls_right(node)] = 1;
        rf_wipe(secret_of(tree, node), MLS_HASH_LEN);
        tree->has[node] = 0;
    }
    rf_wipe(left, sizeof(left));
    rf_wipe(right, sizeof(right));
    return r;
}

static const char *label_of(enum mls_ratchet_kind kind)
{
    return kind == MLS_HANDSHAKE ? "handshake" : "application";
}

/* begin makes both ratchets of a leaf and deletes the leaf's secret. */
static int begin(const struct mls_kit *kit, struct mls_secret_tree *tree, uint32_t leaf)
{
    struct mls_sender_ratchets *made;
    uint8_t secret[MLS_HASH_LEN];
    int r;

    if (leaf >= tree->leaf_count)
        return RF_ENOTFOUND;
    if (tree->ratchets[leaf] != NULL)
        return 0;
    if ((made = rf_zalloc(tree->mem, sizeof(*made))) == NULL)
        return RF_ENOMEM;
    r = leaf_secret(kit, tree, leaf, true, secret);
    for (int kind = 0; kind < 2 && r == 0; kind++)
        r = mls_derive(kit, secret, label_of((enum mls_ratchet_kind)kind), made->kind[kind].secret);
    rf_wipe(secret, sizeof(secret));
    if (r != 0) {
        ratchets_free(tree->mem, made);
        return r;
    }
    rf_wipe(secret_of(tree, 2 * leaf), MLS_HASH_LEN);
    tree->has[2 * leaf] = 0;
    tree->ratchets[leaf] = made;
    return 0;
}

static int key_of(const struct mls_kit *kit, const uint8_t secret[MLS_HASH_LEN], uint32_t generation,
                  struct mls_message_key *out)
{
    int r = mls_derive_tree(kit, secret, "nonce", generation, out->nonce, sizeof(out->nonce));

    return r != 0 ? r : mls_derive_tree(kit, secret, "key", generation, out->key, sizeof(out->key));
}

/* step derives the secret of the next generation in place. */
static int step(const struct mls_kit *kit, uint8_t secret[MLS_HASH_LEN], uint32_t generation)
{
    return mls_derive_tree(kit, secret, "secret", generation, secret, MLS_HASH_LEN);
}

static struct mls_skipped *find_skipped(const struct mls_ratchet *ratchet, uint32_t generation)
{
    for (uint32_t i = 0; i < ratchet->skipped_count; i++)
        if (ratchet->skipped[i].generation == generation)
            return &ratchet->skipped[i];
    return NULL;
}

int mls_secret_find(const struct mls_kit *kit, const struct mls_secret_tree *tree, uint32_t leaf,
                    enum mls_ratchet_kind kind, uint32_t generation, struct mls_message_key *out)
{
    const struct mls_ratchet *ratchet = NULL;
    const struct mls_skipped *skipped;
    uint8_t secret[MLS_HASH_LEN];
    uint32_t at = 0;
    int r;

    if (leaf >= tree->leaf_count)
        return RF_ENOTFOUND;
    if (tree->ratchets[leaf] != NULL) {
        ratchet = &tree->ratchets[leaf]->kind[kind];
        at = ratchet->next;
        if (generation < at) {
            if ((skipped = find_skipped(ratchet, generation)) == NULL)
                return RF_EDUPLICATE;
            *out = skipped->key;
            return 0;
        }
    }
    if (generation - at > RF_MLS_FORWARD_MAX || generation == UINT32_MAX)
        return RF_ELIMIT;
    if (ratchet != NULL) {
        memcpy(secret, ratchet->secret, sizeof(secret));
        r = 0;
    } else if ((r = leaf_secret(kit, (struct mls_secret_tree *)(uintptr_t)tree, leaf, false, secret)) == 0) {
        r = mls_derive(kit, secret, label_of(kind), secret);
    }
    for (; at < generation && r == 0; at++)
        r = step(kit, secret, at);
    if (r == 0)
        r = key_of(kit, secret, generation, out);
    rf_wipe(secret, sizeof(secret));
    return r;
}

static void drop_skipped(struct mls_ratchet *ratchet, struct mls_skipped *one)
{
    size_t behind = (size_t)(ratchet->skipped + ratchet->skipped_count - one) - 1;

    memmove(one, one + 1, behind * sizeof(*one));
    ratchet->skipped_count--;
    rf_wipe(&ratchet->skipped[ratchet->skipped_count], sizeof(*one));
}

/* skip moves a ratchet on to `generation`, and keeps the keys of the last RF_MLS_SKIPPED_MAX that it passes. */
static int skip(const struct mls_kit *kit, struct mls_secret_tree *tree, struct mls_ratchet *ratchet,
                uint32_t generation)
{
    int r = 0;

    if (ratchet->next < generation && ratchet->skipped == NULL &&
        (ratchet->skipped = rf_zalloc(tree->mem, RF_MLS_SKIPPED_MAX * sizeof(*ratchet->skipped))) == NULL)
        return RF_ENOMEM;
    while (ratchet->next < generation && r == 0) {
        struct mls_skipped *one;

        if (ratchet->skipped_count == RF_MLS_SKIPPED_MAX)
            drop_skipped(ratchet, ratchet->skipped);
        one = &ratchet->skipped[ratchet->skipped_count];
        one->generation = ratchet->next;
        if ((r = key_of(kit, ratchet->secret, ratchet->next, &one->key)) != 0)
            break;
        ratchet->skipped_count++;
        r = step(kit, ratchet->secret, ratchet->next);
        ratchet->next++;
    }
    return r;
}

int mls_secret_accept(const struct mls_kit *kit, struct mls_secret_tree *tree, uint32_t leaf,
                      enum mls_ratchet_kind kind, uint32_t generation)
{
    struct mls_ratchet *ratchet;
    int r = begin(kit, tree, leaf);

    if (r != 0)
        return r;
    ratchet = &tree->ratchets[leaf]->kind[kind];
    if (generation < ratchet->next) {
        struct mls_skipped *one = find_skipped(ratchet, generation);

        if (one == NULL)
            return RF_EDUPLICATE;
        drop_skipped(ratchet, one);
        return 0;
    }
    if ((r = skip(kit, tree, ratchet, generation)) != 0 ||
        (r = step(kit, ratchet->secret, ratchet->next)) != 0)
        return r;
    ratchet->next++;
    return 0;
}

int mls_secret_next(const struct mls_kit *kit, struct mls_secret_tree *tree, uint32_t leaf,
                    enum mls_ratchet_kind kind, uint32_t *generation, struct mls_message_key *out)
{
    struct mls_ratchet *ratchet;
    int r = begin(kit, tree, leaf);

    if (r != 0)
        return r;
    ratchet = &tree->ratchets[leaf]->kind[kind];
    if (ratchet->next == UINT32_MAX)
        return RF_ELIMIT;
    if ((r = key_of(kit, ratchet->secret, ratchet->next, out)) != 0 ||
        (r = step(kit, ratchet->secret, ratchet->next)) != 0)
        return r;
    *generation = ratchet->next++;
    return 0;
}

int mls_secret_forget(const struct mls_kit *kit, struct mls_secret_tree *tree, uint32_t leaf)
{
    int r;

    if (leaf >= tree->leaf_count)
        return 0;
    if ((r = begin(kit, tree, leaf)) != 0 && r != RF_ENOTFOUND)
        return r;
    ratchets_free(tree->mem, tree->ratchets[leaf]);
    tree->ratchets[leaf] = NULL;
    return 0;
}

uint32_t mls_secret_used(const struct mls_secret_tree *tree, uint32_t leaf, enum mls_ratchet_kind kind)
{
    return leaf < tree->leaf_count && tree->ratchets[leaf] != NULL ? tree->ratchets[leaf]->kind[kind].next
                                                                   : 0;
}

/* ---- saved ---- */

static void ratchet_save(const struct mls_ratchet *ratchet, struct rf_buf *out)
{
    rf_buf_put(out, ratchet->secret, MLS_HASH_LEN);
    rf_buf_u32(out, ratchet->next);
    rf_buf_u32(out, ratchet->skipped_count);
    for (uint32_t i = 0; i < ratchet->skipped_count; i++) {
        rf_buf_u32(out, ratchet->skipped[i].generation);
        rf_buf_put(out, ratchet->skipped[i].key.key, MLS_KEY_LEN);
        rf_buf_put(out, ratchet->skipped[i].key.nonce, MLS_NONCE_LEN);
    }
}

void mls_secret_tree_save(const struct mls_secret_tree *tree, struct rf_buf *out)
{
    uint32_t nodes = mls_node_count(tree->leaf_count);

    rf_buf_u32(out, tree->leaf_count);
    for (uint32_t node = 0; node < nodes; node++)
        if (tree->has[node]) {
            rf_buf_u32(out, node);
            rf_buf_put(out, secret_of(tree, node), MLS_HASH_LEN);
        }
    rf_buf_u32(out, UINT32_MAX);
    for (uint32_t leaf = 0; leaf < tree->leaf_count; leaf++)
        if (tree->ratchets[leaf] != NULL) {
            rf_buf_u32(out, leaf);
            for (int kind = 0; kind < 2; kind++)
                ratchet_save(&tree->ratchets[leaf]->kind[kind], out);
        }
    rf_buf_u32(out, UINT32_MAX);
}

static int ratchet_load(struct rf_mem *mem, struct mls_ratchet *ratchet, struct rf_view *in)
{
    uint32_t count;
    int r;

    if ((r = mls_take_bytes(in, ratchet->secret, MLS_HASH_LEN)) != 0 ||
        (r = mls_take_u32(in, &ratchet->next)) != 0 || (r = mls_take_u32(in, &count)) != 0)
        return r;
    if (count > RF_MLS_SKIPPED_MAX)
        return RF_EFORMAT;
    if (count > 0 &&
        (ratchet->skipped = rf_zalloc(mem, RF_MLS_SKIPPED_MAX * sizeof(*ratchet->skipped))) == NULL)
        return RF_ENOMEM;
    for (uint32_t i = 0; i < count; i++) {
        struct mls_skipped *one = &ratchet->skipped[i];

        if ((r = mls_take_u32(in, &one->generation)) != 0 ||
            (r = mls_take_bytes(in, one->key.key, MLS_KEY_LEN)) != 0 ||
            (r = mls_take_bytes(in, one->key.nonce, MLS_NONCE_LEN)) != 0)
            return r;
        ratchet->skipped_count = i + 1;
    }
    return 0;
}

static int load_ratchets(struct mls_secret_tree *tree, struct rf_view *in, uint32_t leaf)
{
    struct mls_sender_ratchets *made;
    int r = 0;

    if (leaf >= tree->leaf_count || tree->ratchets[leaf] != NULL)
        return RF_EFORMAT;
    if ((made = rf_zalloc(tree->mem, sizeof(*made))) == NULL)
        return RF_ENOMEM;
    tree->ratchets[leaf] = made;
    for (int kind = 0; kind < 2 && r == 0; kind++)
        r = ratchet_load(tree->mem, &made->kind[kind], in);
    return r;
}

int mls_secret_tree_load(struct mls_secret_tree *tree, struct rf_mem *mem, struct rf_view *in)
{
    uint32_t leaf_count, at;
    int r;

    if ((r = mls_take_u32(in, &leaf_count)) != 0)
        return r;
    if (leaf_count == 0 || leaf_count > MLS_LEAVES_MAX || (leaf_count & (leaf_count - 1)) != 0)
        return RF_EFORMAT;
    if ((r = mls_secret_tree_init(tree, mem, leaf_count, NULL)) != 0)
        return r;
    while ((r = mls_take_u32(in, &at)) == 0 && at != UINT32_MAX) {
        if (at >= mls_node_count(leaf_count) ||
            (r = mls_take_bytes(in, secret_of(tree, at), MLS_HASH_LEN)) != 0)
            return RF_EFORMAT;
        tree->has[at] = 1;
    }
    while (r == 0 && (r = mls_take_u32(in, &at)) == 0 && at != UINT32_MAX)
        r = load_ratchets(tree, in, at);
    return r;
}
