/*
 * epoch.h - what a member knows in one epoch of a group. The current one, the one that a pending Commit of ours would begin, and the few
 * last ones whose application messages are still read, are objects of this kind. All memory is wiped when it is freed.
 */
#ifndef RF_MLS_EPOCH_H
#define RF_MLS_EPOCH_H

#include "mls/schedule.h"
#include "mls/secret_tree.h"
#include "mls/treekem.h"

struct mls_epoch {
    struct rf_mem *mem;
    struct rf_buf context_bytes;      /* the GroupContext, encoded */
    struct mls_group_context context; /* its views point there */
    uint8_t interim[MLS_HASH_LEN];    /* interim transcript hash */
    struct mls_tree tree;
    uint32_t own; /* our leaf */
    struct mls_keys keys;
    struct mls_secrets secrets;
    struct mls_secret_tree messages;
};

/* mls_epoch_new: an empty one; freed also when half done. NULL: out of memory. */
struct mls_epoch *mls_epoch_new(struct rf_mem *mem);
void mls_epoch_free(struct mls_epoch *epoch);
/* mls_epoch_next: the beginning of the one after `from`: its tree, keys, leaf. Errors: RF_ENOMEM. */
int mls_epoch_next(const struct mls_epoch *from, struct mls_epoch **out);
/* mls_epoch_set_context encodes a GroupContext with this tree's hash. `extensions` and `confirmed` are copied, and may be those of this epoch. */
int mls_epoch_set_context(const struct mls_kit *kit, struct mls_epoch *epoch, struct rf_view group_id,
                          uint64_t number, struct rf_view confirmed, struct rf_view extensions);
/* mls_epoch_copy_context: one that was received. Errors: codec, RF_ENOMEM. */
int mls_epoch_copy_context(struct mls_epoch *epoch, struct rf_view encoded);
/* mls_epoch_start derives all secrets from the joiner secret and begins the secret tree; the context is final. */
int mls_epoch_start(const struct mls_kit *kit, struct mls_epoch *epoch, const uint8_t joiner[MLS_HASH_LEN],
                    const uint8_t psk_secret[MLS_HASH_LEN]);
/* mls_epoch_retire wipes what an epoch that is over does not need to read its last application messages. */
void mls_epoch_retire(struct mls_epoch *epoch);

#endif
