/* treekem.c - paths: made, sent, received. */
#include "mls/treekem.h"

#include "base/assert.h"
#include "mls/bytes.h"

void mls_keys_set(struct mls_keys *keys, unsigned level, const uint8_t key[RF_DH_PRIVATE_LEN])
{
    keys->has |= (uint32_t)1 << level;
    memcpy(keys->key[level], key, RF_DH_PRIVATE_LEN);
}

void mls_keys_drop(struct mls_keys *keys, unsigned level)
{
    for (; level < MLS_LEVELS_MAX; level++) {
        keys->has &= ~((uint32_t)1 << level);
        rf_wipe(keys->key[level], RF_DH_PRIVATE_LEN);
    }
}

void mls_keys_follow(struct mls_keys *keys, const struct mls_tree *tree, uint32_t leaf)
{
    for (unsigned level = 1; level < MLS_LEVELS_MAX; level++)
        if (level > mls_root_level(tree->leaf_count) ||
            mls_tree_parent(tree, mls_ancestor(leaf, level)) == NULL) {
            keys->has &= ~((uint32_t)1 << level);
            rf_wipe(keys->key[level], RF_DH_PRIVATE_LEN);
        }
}

/* node_pair: the key pair of a node whose path secret this is. */
static int node_pair(const struct mls_kit *kit, const uint8_t path_secret[MLS_HASH_LEN],
                     struct rf_hpke_pair *out)
{
    uint8_t secret[MLS_HASH_LEN];
    int r = mls_derive(kit, path_secret, "node", secret);

    if (r == 0)
        r = mls_derive_pair(kit, secret, out);
    rf_wipe(secret, sizeof(secret));
    return r;
}

/* set_parent_hashes: from the top of a path down, section 7.9; gives the one for the leaf. All nodes of the path have keys. */
static int set_parent_hashes(const struct mls_kit *kit, struct mls_tree *tree, const struct mls_path *path,
                             uint8_t hash[MLS_HASH_LEN], size_t *hash_len)
{
    int r = 0;

    *hash_len = 0;
    for (unsigned i = path->count; i-- > 0 && r == 0;) {
        uint8_t key[RF_DH_PUBLIC_MAX_LEN];
        const struct mls_tree_parent *parent = mls_tree_parent(tree, path->node[i]);
        size_t key_len = parent->key_len;

        memcpy(key, parent->key, key_len); /* the parent goes when it is replaced */
        r = mls_tree_set_parent(tree, path->node[i], rf_view_of(key, key_len), rf_view_of(hash, *hash_len));
        if (r == 0)
            r = mls_tree_parent_hash(kit, tree, path->node[i], path->copath[i], hash);
        *hash_len = MLS_HASH_LEN;
    }
    return r;
}

/* draw: secrets and keys of all nodes of the draft's path. */
static int draw(const struct mls_kit *kit, struct mls_tree *tree, struct mls_keys *keys,
                struct mls_path_draft *d)
{
    uint8_t secret[MLS_HASH_LEN];
    struct rf_hpke_pair pair;
    int r = 0;

    rf_rng_fill(kit->rng, secret, sizeof(secret));
    for (unsigned i = 0; i < d->path.count && r == 0; i++) {
        memcpy(d->secret[i], secret, sizeof(secret));
        r = node_pair(kit, secret, &pair);
        if (r == 0)
            r = mls_tree_set_parent(tree, d->path.node[i], mls_pair_public(&pair), rf_view_of(NULL, 0));
        if (r == 0)
            mls_keys_set(keys, mls_level(d->path.node[i]), pair.private);
        if (r == 0)
            r = mls_derive(kit, secret, "path", secret);
    }
    memcpy(d->commit_secret, secret,
           sizeof(secret)); /* one step behind the last; without a path the first one */
    rf_wipe(secret, sizeof(secret));
    rf_wipe(&pair, sizeof(pair));
    return r;
}

int mls_path_make(const struct mls_kit *kit, struct mls_tree *tree, uint32_t leaf,
                  const struct mls_leaf *fields, struct rf_view group_id, const struct rf_key *key,
                  struct mls_keys *keys, struct mls_path_draft *out)
{
    struct mls_place place = {group_id, leaf};
    uint8_t hash[MLS_HASH_LEN];
    struct mls_leaf made = *fields;
    struct rf_hpke_pair pair;
    struct rf_buf encoded;
    size_t hash_len;
    int r;

    mls_tree_blank_path(tree, leaf);
    mls_keys_drop(keys, 0);
    rf_buf_init(&encoded, kit->mem, RF_MLS_MESSAGE_MAX_LEN);
    if ((r = mls_tree_filtered_path(tree, leaf, &out->path)) != 0 || (r = draw(kit, tree, keys, out)) != 0 ||
        (r = set_parent_hashes(kit, tree, &out->path, hash, &hash_len)) != 0 ||
        (r = mls_new_pair(kit, &pair)) != 0)
        goto out;
    mls_keys_set(keys, 0, pair.private);
    made.encryption_key = mls_pair_public(&pair);
    made.source = MLS_SOURCE_COMMIT;
    made.parent_hash = rf_view_of(hash, hash_len);
    r = mls_leaf_sign(kit, key, &made, &place, &encoded);
    if (r == 0)
        r = mls_tree_set_leaf(tree, leaf, rf_buf_view(&encoded));
    rf_wipe(&pair, sizeof(pair));
out:
    rf_buf_deinit(&encoded);
    return r;
}

/* receivers: to whom the secret of a path's node is sent, in order: the resolution of its copath child but for what was just added. */
static int receivers(const struct mls_tree *tree, uint32_t copath, const struct mls_nodes *added,
                     struct mls_nodes *out)
{
    size_t kept = 0;
    int r;

    out->count = 0;
    if ((r = mls_tree_resolution(tree, copath, out)) != 0)
        return r;
    for (size_t i = 0; i < out->count; i++)
        if (!mls_nodes_has(added, out->at[i]))
            out->at[kept++] = out->at[i];
    out->count = kept;
    return 0;
}

int mls_path_encode(const struct mls_kit *kit, const struct mls_tree *tree, uint32_t leaf,
                    const struct mls_path_draft *draft, const struct mls_nodes *added, struct rf_view context,
                    struct rf_buf *out)
{
    struct mls_nodes to;
    struct rf_view key;
    size_t nodes, secrets;
    int r = 0;

    mls_nodes_init(&to, kit->mem);
    rf_buf_view_put(out, mls_tree_leaf(tree, leaf)->whole);
    nodes = mls_open(out);
    for (unsigned i = 0; i < draft->path.count && r == 0; i++) {
        (void)mls_tree_key(tree, draft->path.node[i], &key);
        mls_put_v(out, key);
        secrets = mls_open(out);
        r = receivers(tree, draft->path.copath[i], added, &to);
        for (size_t k = 0; k < to.count && r == 0; k++) {
            (void)mls_tree_key(tree, to.at[k], &key);
            r = mls_encrypt(kit, key, "UpdatePathNode", context, rf_view_of(draft->secret[i], MLS_HASH_LEN),
                            out);
        }
        mls_close(out, secrets);
    }
    mls_close(out, nodes);
    mls_nodes_deinit(&to);
    return r != 0 ? r : rf_buf_error(out);
}

/* check_path: shape and keys of what was received, before it is put into the tree. */
static int check_path(const struct mls_kit *kit, const struct mls_tree *tree, const struct mls_path *path,
                      const struct mls_update_path *update, const struct mls_nodes *added)
{
    struct rf_view nodes = update->nodes, keys[MLS_LEVELS_MAX + 1];
    struct mls_hpke_ciphertext secret;
    struct mls_path_node node;
    struct mls_nodes to;
    int r = 0;

    mls_nodes_init(&to, kit->mem);
    keys[0] = update->leaf.encryption_key;
    for (unsigned i = 0; i < path->count && r == 0; i++) {
        size_t count = 0;

        if (!mls_next_path_node(&nodes, &node)) {
            r = RF_EMISMATCH;
            break;
        }
        while (mls_next_hpke_ciphertext(&node.secrets, &secret))
            count++;
        keys[i + 1] = node.encryption_key;
        r = mls_public_check(kit, node.encryption_key);
        for (unsigned k = 0; k <= i && r == 0; k++)
            if (rf_view_equal(keys[k], node.encryption_key))
                r = RF_EDUPLICATE;
        if (r == 0 && mls_tree_has_key(tree, node.encryption_key))
            r = RF_EDUPLICATE;
        if (r == 0 && (r = receivers(tree, path->copath[i], added, &to)) == 0 && to.count != count)
            r = RF_EMISMATCH;
    }
    if (r == 0 && nodes.len != 0)
        r = RF_EMISMATCH;
    mls_nodes_deinit(&to);
    return r;
}

int mls_path_apply(const struct mls_kit *kit, struct mls_tree *tree, uint32_t leaf,
                   const struct mls_update_path *update, const struct mls_nodes *added, struct mls_path *out)
{
    struct rf_view nodes = update->nodes;
    uint8_t hash[MLS_HASH_LEN];
    struct mls_path_node node;
    size_t hash_len;
    int r;

    if (mls_tree_has_key(tree, update->leaf.encryption_key)) /* also the leaf's old one */
        return RF_EDUPLICATE;
    if ((r = mls_tree_filtered_path(tree, leaf, out)) != 0 ||
        (r = check_path(kit, tree, out, update, added)) != 0)
        return r;
    mls_tree_blank_path(tree, leaf);
    for (unsigned i = 0; i < out->count && r == 0; i++) {
        (void)mls_next_path_node(&nodes, &node);
        r = mls_tree_set_parent(tree, out->node[i], node.encryption_key, rf_view_of(NULL, 0));
    }
    if (r != 0 || (r = set_parent_hashes(kit, tree, out, hash, &hash_len)) != 0)
        return r;
    if (!rf_view_equal(update->leaf.parent_hash, rf_view_of(hash, hash_len)))
        return RF_EMISMATCH;
    return mls_tree_set_leaf(tree, leaf, update->leaf.whole);
}

/* climb derives the keys from the secret of path node `from` up. `secret` ends as the commit secret. */
static int climb(const struct mls_kit *kit, const struct mls_tree *tree, const struct mls_path *path,
                 unsigned from, uint8_t secret[MLS_HASH_LEN], struct mls_keys *keys)
{
    struct rf_hpke_pair pair;
    struct rf_view key;
    int r = 0;

    for (unsigned i = from; i < path->count && r == 0; i++) {
        if ((r = node_pair(kit, secret, &pair)) != 0)
            break;
        if (!mls_tree_key(tree, path->node[i], &key) || !rf_view_equal(key, mls_pair_public(&pair)))
            r = RF_EMISMATCH;
        mls_keys_set(keys, mls_level(path->node[i]), pair.private);
        if (r == 0)
            r = mls_derive(kit, secret, "path", secret);
    }
    rf_wipe(&pair, sizeof(pair));
    return r;
}

/* our_key: the first receiver whose private key we have, and its place among them. */
static bool our_key(const struct mls_tree *tree, const struct mls_nodes *to, uint32_t own,
                    const struct mls_keys *keys, size_t *place, struct rf_hpke_pair *pair)
{
    struct rf_view key;

    for (size_t i = 0; i < to->count; i++) {
        unsigned level = mls_level(to->at[i]);

        if (!mls_below(2 * own, to->at[i]) || !mls_keys_have(keys, level) ||
            !mls_tree_key(tree, to->at[i], &key))
            continue;
        memcpy(pair->private, keys->key[level], RF_DH_PRIVATE_LEN);
        memcpy(pair->public, key.p, key.len);
        pair->public_len = key.len;
        *place = i;
        return true;
    }
    return false;
}

int mls_path_open(const struct mls_kit *kit, const struct mls_tree *tree, uint32_t leaf, uint32_t own,
                  const struct mls_path *path, const struct mls_update_path *update,
                  const struct mls_nodes *added, struct rf_view context, struct mls_keys *keys,
                  uint8_t commit_secret[MLS_HASH_LEN])
{
    uint8_t secret[MLS_HASH_LEN + RF_AEAD_TAG_LEN];
    struct mls_hpke_ciphertext sent = {{NULL, 0}, {NULL, 0}};
    struct rf_view nodes = update->nodes;
    struct mls_path_node node;
    struct rf_hpke_pair pair;
    struct mls_nodes to;
    struct rf_buf plain;
    unsigned at = 0;
    size_t place;
    int r = RF_ENOTFOUND;

    while (at < path->count && !mls_below(2 * own, path->node[at]) && mls_next_path_node(&nodes, &node))
        at++;
    mls_nodes_init(&to, kit->mem);
    if (at == path->count || !mls_next_path_node(&nodes, &node) ||
        (r = receivers(tree, path->copath[at], added, &to)) != 0)
        goto out;
    r = RF_ENOTFOUND;
    if (!our_key(tree, &to, own, keys, &place, &pair))
        goto out;
    for (size_t i = 0; i <= place; i++)
        (void)mls_next_hpke_ciphertext(&node.secrets, &sent);
    rf_buf_fixed(&plain, secret, sizeof(secret));
    r = mls_decrypt(kit, &pair, "UpdatePathNode", context, sent.kem_output, sent.ciphertext, &plain);
    if (r == 0 && plain.len != MLS_HASH_LEN)
        r = RF_EFORMAT;
    if (r == 0) {
        mls_keys_drop(keys, mls_common_level(leaf, own));
        r = climb(kit, tree, path, at, secret, keys);
        memcpy(commit_secret, secret, MLS_HASH_LEN);
    }
    rf_wipe(&pair, sizeof(pair));
    rf_wipe(secret, sizeof(secret));
out:
    mls_nodes_deinit(&to);
    return r;
}

int mls_path_join(const struct mls_kit *kit, const struct mls_tree *tree, uint32_t own, uint32_t signer,
                  struct rf_view path_secret, struct mls_keys *keys)
{
    uint8_t secret[MLS_HASH_LEN];
    struct mls_path path = {.count = 0};
    int r;

    if (path_secret.len != MLS_HASH_LEN)
        return RF_EFORMAT;
    for (unsigned level = mls_common_level(own, signer); level <= mls_root_level(tree->leaf_count); level++)
        if (level > 0 && mls_tree_parent(tree, mls_ancestor(own, level)) != NULL)
            path.node[path.count++] = mls_ancestor(own, level);
    memcpy(secret, path_secret.p, sizeof(secret));
    r = climb(kit, tree, &path, 0, secret, keys);
    rf_wipe(secret, sizeof(secret));
    return r;
}
