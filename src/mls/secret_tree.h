/*
 * secret_tree.h - the keys of an epoch's messages (RFC 9420, section 9): a tree of secrets of the shape of the ratchet tree, whose leaves are
 * the beginnings of two ratchets for each member. What was derived from is deleted, what is used is deleted.
 *
 * A key for a received message is looked up without changing anything (mls_secret_find) and taken only when the message has proved to be
 * genuine (mls_secret_accept): forged messages move nothing.
 */
#ifndef RF_MLS_SECRET_TREE_H
#define RF_MLS_SECRET_TREE_H

#include "mls/mls.h"
#include "mls/suite.h"
#include "mls/treemath.h"

enum mls_ratchet_kind { MLS_HANDSHAKE = 0, MLS_APPLICATION_DATA = 1 };

struct mls_message_key {
    uint8_t key[MLS_KEY_LEN];
    uint8_t nonce[MLS_NONCE_LEN];
};

struct mls_skipped {
    uint32_t generation;
    struct mls_message_key key;
};

struct mls_ratchet {
    uint8_t secret[MLS_HASH_LEN]; /* of generation `next` */
    uint32_t next;
    uint32_t skipped_count;
    struct mls_skipped *skipped; /* oldest first, at most RF_MLS_SKIPPED_MAX; NULL: none ever */
};

/* Both ratchets of a leaf. */
struct mls_sender_ratchets {
    struct mls_ratchet kind[2];
};

struct mls_secret_tree {
    struct rf_mem *mem; /* wipes what it frees */
    uint32_t leaf_count;
    uint8_t *secrets;                      /* MLS_HASH_LEN for each node */
    uint8_t *has;                          /* for each node: its secret is there */
    struct mls_sender_ratchets **ratchets; /* for each leaf; NULL: not begun, or its secrets are gone */
};

/* mls_secret_tree_init begins with the encryption secret. Errors: RF_ENOMEM. mls_secret_tree_deinit wipes. */
int mls_secret_tree_init(struct mls_secret_tree *tree, struct rf_mem *mem, uint32_t leaf_count,
                         const uint8_t encryption[MLS_HASH_LEN]);
void mls_secret_tree_deinit(struct mls_secret_tree *tree);

/*
 * mls_secret_find derives the key of a message, changing nothing.
 * Errors: RF_ENOTFOUND the leaf is not there or was forgotten; RF_EDUPLICATE the generation was used or dropped; RF_ELIMIT more than
 * RF_MLS_FORWARD_MAX ahead; RF_ECRYPTO.
 */
int mls_secret_find(const struct mls_kit *kit, const struct mls_secret_tree *tree, uint32_t leaf,
                    enum mls_ratchet_kind kind, uint32_t generation, struct mls_message_key *out);
/* mls_secret_accept: the message of this generation was genuine: its key is gone, those before it are kept as skipped. Errors: RF_ENOMEM,
 * RF_ECRYPTO; then nothing has changed but that secrets were derived. */
int mls_secret_accept(const struct mls_kit *kit, struct mls_secret_tree *tree, uint32_t leaf,
                      enum mls_ratchet_kind kind, uint32_t generation);
/* mls_secret_next takes the next key of our own ratchet. Errors: RF_ELIMIT all generations are used; as above. */
int mls_secret_next(const struct mls_kit *kit, struct mls_secret_tree *tree, uint32_t leaf,
                    enum mls_ratchet_kind kind, uint32_t *generation, struct mls_message_key *out);
/* mls_secret_forget deletes all of a leaf: nothing of its sender will be read in this epoch. Errors: RF_ENOMEM, RF_ECRYPTO. */
int mls_secret_forget(const struct mls_kit *kit, struct mls_secret_tree *tree, uint32_t leaf);
/* mls_secret_used: generations of a leaf's ratchet so far; 0 when it was not begun. */
uint32_t mls_secret_used(const struct mls_secret_tree *tree, uint32_t leaf, enum mls_ratchet_kind kind);

/* mls_secret_tree_save, _load: for store.c. Errors of loading: RF_EFORMAT, RF_ENOMEM. */
void mls_secret_tree_save(const struct mls_secret_tree *tree, struct rf_buf *out);
int mls_secret_tree_load(struct mls_secret_tree *tree, struct rf_mem *mem, struct rf_view *in);

#endif
