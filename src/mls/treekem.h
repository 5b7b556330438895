/*
 * treekem.h - fresh secrets along a path of the tree (RFC 9420, sections 7.4 to 7.6). A committer makes new keys for all nodes from its leaf
 * up and sends the secret of each to what stands on the other side; whoever receives one derives those above.
 */
#ifndef RF_MLS_TREEKEM_H
#define RF_MLS_TREEKEM_H

#include "mls/leaf.h"
#include "mls/tree.h"

/* Private keys of a member: of its leaf (level 0) and of those of its ancestors whose secrets it was told. */
struct mls_keys {
    uint32_t has; /* bit per level */
    uint8_t key[MLS_LEVELS_MAX][RF_DH_PRIVATE_LEN];
};
static inline bool mls_keys_have(const struct mls_keys *keys, unsigned level)
{
    return (keys->has >> level & 1) != 0;
}
void mls_keys_set(struct mls_keys *keys, unsigned level, const uint8_t key[RF_DH_PRIVATE_LEN]);
/* mls_keys_drop wipes the keys of this level and of all above it. */
void mls_keys_drop(struct mls_keys *keys, unsigned level);
/* mls_keys_follow wipes the keys of nodes that are blank, or gone. */
void mls_keys_follow(struct mls_keys *keys, const struct mls_tree *tree, uint32_t leaf);

/* A path that is being made. Wipe it (rf_wipe) afterwards. */
struct mls_path_draft {
    struct mls_path path;                         /* filtered */
    uint8_t secret[MLS_LEVELS_MAX][MLS_HASH_LEN]; /* of each of its nodes */
    uint8_t commit_secret[MLS_HASH_LEN];
};

/*
 * mls_path_make puts a new path into `tree`, to which the proposals were applied: keys, parent hashes, the committer's leaf.
 * leaf     the committer's place; there is a leaf, but for one who adds itself
 * fields   of the new leaf: all but encryption_key, source, parent_hash
 * keys     become those of the new path
 * Errors: RF_ENOMEM, RF_ECRYPTO. Section 7.5, 7.9.
 */
int mls_path_make(const struct mls_kit *kit, struct mls_tree *tree, uint32_t leaf,
                  const struct mls_leaf *fields, struct rf_view group_id, const struct rf_key *key,
                  struct mls_keys *keys, struct mls_path_draft *out);
/* mls_path_encode appends the UpdatePath. added: leaf nodes that came with this Commit and get nothing. context: the provisional GroupContext. */
int mls_path_encode(const struct mls_kit *kit, const struct mls_tree *tree, uint32_t leaf,
                    const struct mls_path_draft *draft, const struct mls_nodes *added, struct rf_view context,
                    struct rf_buf *out);

/*
 * mls_path_apply puts a received path into `tree`; its leaf was checked but for what the tree says.
 * Errors: RF_EMISMATCH number of nodes or ciphertexts, parent hash; RF_EDUPLICATE a key that is there already; RF_EFORMAT no key; RF_ENOMEM; RF_ECRYPTO.
 */
int mls_path_apply(const struct mls_kit *kit, struct mls_tree *tree, uint32_t leaf,
                   const struct mls_update_path *update, const struct mls_nodes *added, struct mls_path *out);
/*
 * mls_path_open finds what was sent to us at leaf `own`, decrypts it, and derives upwards. `keys`: before and after.
 * Errors: RF_EAUTH it does not open; RF_EMISMATCH a key that does not follow from its secret; RF_ENOTFOUND we have no key for it (broken state); RF_ECRYPTO.
 */
int mls_path_open(const struct mls_kit *kit, const struct mls_tree *tree, uint32_t leaf, uint32_t own,
                  const struct mls_path *path, const struct mls_update_path *update,
                  const struct mls_nodes *added, struct rf_view context, struct mls_keys *keys,
                  uint8_t commit_secret[MLS_HASH_LEN]);
/* mls_path_join derives from the path secret of a Welcome: from the common ancestor of `own` and `signer` up. Errors: RF_EMISMATCH, RF_ECRYPTO. */
int mls_path_join(const struct mls_kit *kit, const struct mls_tree *tree, uint32_t own, uint32_t signer,
                  struct rf_view path_secret, struct mls_keys *keys);

#endif
