/* group.h - what the files of a group share. See mls.h for the states. */
#ifndef RF_MLS_GROUP_H
#define RF_MLS_GROUP_H

#include "base/secret_mem.h"
#include "mls/frame.h"

/* A proposal of this epoch, seen or made. */
struct mls_cached {
    uint8_t ref[MLS_HASH_LEN];     /* ProposalRef */
    uint8_t message[MLS_HASH_LEN]; /* hash of the MLSMessage */
    struct mls_sender sender;
    bool own;                            /* made by us */
    bool seen;                           /* it stood in the log: may be committed by reference */
    bool has_leaf_key;                   /* an Update of ours */
    uint8_t leaf_key[RF_DH_PRIVATE_LEN]; /* its private key */
    struct mls_proposal proposal;        /* into bytes */
    size_t len;
    uint8_t bytes[];
};

/* A Commit of ours that was not seen in the log yet. */
struct mls_pending {
    uint8_t message[MLS_HASH_LEN]; /* hash of the MLSMessage */
    uint64_t epoch;                /* that it ends */
    struct mls_epoch *next;
    struct rf_buf welcome;           /* MLSMessage; empty: nobody was added */
    struct mls_nodes added, removed; /* leaves */
    bool closes;                     /* holds a ReInit */
};

struct mls_resumption {
    uint64_t epoch;
    uint8_t secret[MLS_HASH_LEN];
};

struct rf_mls {
    const struct rf_mls_env *env; /* borrowed */
    struct rf_secret_mem secret;  /* all of the group's memory comes from here */
    struct mls_kit kit;
    const struct rf_key *key; /* borrowed */
    enum rf_mls_state state;
    struct rf_buf id;
    struct mls_epoch *now;                      /* NULL: joining */
    struct mls_epoch *past[RF_MLS_PAST_EPOCHS]; /* the last one first */
    struct mls_cached **cached;
    size_t cached_count, cached_cap;
    struct mls_pending *pending;
    uint8_t dropped[RF_MLS_DROPPED_MAX][MLS_HASH_LEN]; /* hashes of this epoch's Commits that were dropped */
    uint32_t dropped_count;
    struct rf_buf welcome;                                     /* of the Commit that was accepted last */
    struct mls_resumption resumptions[RF_MLS_RESUMPTIONS_MAX]; /* a ring, by epoch */
    struct mls_nodes added, removed;                           /* what the last event points into, */
    struct mls_frame opened; /* too */                         /* what the last event points into */
};

/* ---- group.c ---- */

/* mls_group_new: without an epoch. Errors: RF_EUNKNOWN suite, RF_ENOMEM. */
int mls_group_new(const struct rf_mls_env *env, uint16_t suite, const struct rf_key *key,
                  struct rf_mls **out);
static inline struct rf_mem *mls_mem(struct rf_mls *group)
{
    return &group->secret.mem;
}
/* mls_group_works: 0, or the error of a state in which nothing can be done. */
int mls_group_works(const struct rf_mls *group);
/* mls_group_enter makes `next` the current epoch (taken): the old one becomes a past one, in which leaves of `removed` are forgotten; proposals and
 * a pending Commit go. Errors, then nothing has changed: RF_ENOMEM, RF_ECRYPTO. */
int mls_group_enter(struct rf_mls *group, struct mls_epoch *next, const struct mls_nodes *removed);
void mls_group_leave(struct rf_mls *group, enum rf_mls_state state);
void mls_cached_clear(struct rf_mls *group);
/* mls_cache_room: may a proposal of `len` bytes stand in the log besides those that do? All members must say the same, so nothing else counts. Errors:
 * RF_ELIMIT. */
int mls_cache_room(const struct rf_mls *group, size_t len);
/* mls_cache_add keeps a proposal. Errors: RF_EDUPLICATE, RF_ENOMEM. */
int mls_cache_add(struct rf_mls *group, const struct mls_frame *frame, struct rf_view message,
                  struct mls_cached **out);
struct mls_cached *mls_cache_find(const struct rf_mls *group, struct rf_view ref);
void mls_pending_free(struct rf_mls *group, struct mls_pending *pending);
int mls_message_hash(const struct mls_kit *kit, struct rf_view message, uint8_t out[MLS_HASH_LEN]);

#endif
