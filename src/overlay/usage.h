/*
 * usage.h - what a usage sees of the storage: how it tells of its Kinds, and the writer's and reader's side (Store, Fetch) that works
 * on clients and supernodes alike. overlay/ knows no usage by name: usage/ registers rf_usage_kind.
 */
#ifndef RF_OVERLAY_USAGE_H
#define RF_OVERLAY_USAGE_H

#include "conf/conf.h"
#include "wire/conversation.h"
#include "wire/event.h"
#include "wire/stored.h"

struct rf_store;

/* What a usage may look at when a value is about to be stored, or was fetched. */
struct rf_usage_value {
    const struct rf_conf *conf;
    const struct rf_kind_def *kind;
    struct rf_crypto *crypto;
    struct rf_id resource;
    const struct rf_stored_data *data; /* decoded: key/index, exists, value */
    const struct rf_signer *signer;    /* of the value */
};

/* Who may be told of changes (overlay/watch.h). */
enum rf_watch_rule {
    RF_WATCH_BY_NOBODY,
    RF_WATCH_BY_MEMBERS /* of the roster */,
    RF_WATCH_BY_OWNER,
    RF_WATCH_BY_ANYBODY
};

struct rf_usage_kind {
    uint32_t kind;
    const char *name;
    bool findable; /* answers Find */
    /*
     * append_only (ARRAY): what stands at an index is never replaced, only removed. When two sides of a partition gave one index to different
     * elements, both are kept: the home's stays, the other is appended. For logs; readers tell elements apart by their bytes.
     */
    bool append_only;
    size_t
        max_bytes; /* append_only: beyond that, and beyond max-count, the oldest elements go; 0: then new ones are refused */
    uint32_t max_lifetime_s; /* longer ones are cut; 0: as long as the storage allows */
    enum rf_watch_rule watch;
    /*
     * check: is the value well formed and allowed beyond the access policy (e.g. the SIP domain restriction)? Returns 0, RF_EFORBIDDEN or
     * RF_EFORMAT. NULL: every value is. Removals (exists = false) are not shown to it. why: a sentence of at most why_len bytes with NUL.
     */
    int (*check)(void *arg, const struct rf_usage_value *value, char *why, size_t why_len);
    void *arg;
};
int rf_store_add_kind(struct rf_store *store,
                      const struct rf_usage_kind *kind); /* borrowed for good; RF_EEXIST */

/* ---- conversations (docs/protocol/conversations.md) ---- */

/* rf_principal: who a signer is: the user's name, or, where names are only claims, the Node-ID. Borrowed from the signer. What he stores is charged to it. */
struct rf_view rf_principal(const struct rf_signer *signer);
/* The id of the conversation that `creator` (a principal) made with that nonce; a principal's tag in its roster; where it lives. Errors: RF_ECRYPTO. */
int rf_conversation_id(struct rf_crypto *crypto, struct rf_view nonce, struct rf_view creator,
                       uint8_t out[RF_CONVERSATION_LEN]);
int rf_conversation_tag(struct rf_crypto *crypto, const uint8_t conversation[RF_CONVERSATION_LEN],
                        struct rf_view principal, uint8_t out[RF_ROSTER_TAG_LEN]);
int rf_conversation_resource(struct rf_crypto *crypto, const uint8_t conversation[RF_CONVERSATION_LEN],
                             uint8_t id_len, struct rf_id *out);
/* rf_roster_tag_of is the tag that the signer would have in that roster. Errors: RF_ECRYPTO. */
int rf_roster_tag_of(struct rf_crypto *crypto, const struct rf_roster *roster, const struct rf_signer *signer,
                     uint8_t out[RF_ROSTER_TAG_LEN]);

/* ---- the writer's and reader's side, for any node ---- */

/*
 * rf_stored_value_put encodes and signs one StoredData for a Store request: appended to `out`.
 * slot as in rf_record (ARRAY: index, 0xffffffff appends). Errors: RF_EINVAL, RF_ENOMEM, RF_ECRYPTO. reload.md 4.2, 2.6.
 */
int rf_stored_value_put(struct rf_identity *identity, const struct rf_id *resource,
                        const struct rf_kind_def *kind, struct rf_view slot, bool exists,
                        struct rf_view value, uint64_t storage_time_ms, uint32_t lifetime_s,
                        struct rf_buf *out);
/* A value that was fetched and verified; borrowed in the callback. */
struct rf_fetched_value {
    struct rf_view slot;
    bool exists;
    struct rf_view value;
    uint64_t storage_time_ms;
    uint32_t lifetime_s;
    const struct rf_signer *signer; /* NULL for synthesized nonexistent values */
    bool rollback;                  /* older than one that this node saw earlier in the same place */
};
struct rf_fetch_result {
    int error; /* 0 or as in rf_reply */
    uint16_t error_code;
    uint64_t generation;
    struct rf_fetched_value *values;
    size_t value_count;
    size_t dropped_count;   /* values that did not verify: the set is partial */
    struct rf_id responder; /* len 0: nobody answered */
    struct rf_id hop;       /* the neighbor over which it was asked last; len 0: none */
    bool doubted;           /* an answer on the way was not believed */
};
typedef void (*rf_fetched_fn)(void *arg, const struct rf_fetch_result *result);
/*
 * rf_store_client_fetch fetches one Kind at a resource (slots empty: everything) and verifies every value's signature and policy.
 * What is too large for one answer is fetched in pieces. Errors: those of rf_overlay_call, RF_EUNKNOWN Kind. done exactly once,
 * never from inside this call. reload.md 4.4.
 */
int rf_store_client_fetch(struct rf_store *store, const struct rf_id *resource, uint32_t kind,
                          const struct rf_view *slots, size_t slot_count, rf_fetched_fn done, void *arg);
/*
 * rf_store_client_lookup is the same for a reader who wants to be sure: that there is nothing, or nothing that verifies, or no answer, is not
 * taken from one node alone. Then the peer after the one that answered is asked for its copy, and if need be the one in charge over another way; at most five
 * Fetches. docs/decisions/0013-retries-over-other-ways.md.
 */
int rf_store_client_lookup(struct rf_store *store, const struct rf_id *resource, uint32_t kind,
                           rf_fetched_fn done, void *arg);
/* One range of an array, both ends included (0xffffffff = last element). Errors: the same, RF_EINVAL not an array. */
int rf_store_client_fetch_range(struct rf_store *store, const struct rf_id *resource, uint32_t kind,
                                uint32_t first, uint32_t last, rf_fetched_fn done, void *arg);

struct rf_store_result {
    int error;
    uint16_t error_code;
    struct rf_view error_info;
    uint64_t generation;
    uint64_t storage_time_ms; /* that the value was stored with */
    struct rf_id responder;
    struct rf_id replicas[8];
    size_t replica_count;
};
typedef void (*rf_stored_fn)(void *arg, const struct rf_store_result *result);
/* rf_store_client_store stores one value under a Kind at a resource (generation 0 = do not care). storage_time is now, made newer than
 * the last one this node used; once after Error_Data_Too_Old it is made newer than what is there. done exactly once, never from
 * inside this call. Errors: those of rf_overlay_call and rf_stored_value_put, RF_EUNKNOWN Kind. */
int rf_store_client_store(struct rf_store *store, struct rf_identity *identity, const struct rf_id *resource,
                          uint32_t kind, struct rf_view slot, bool exists, struct rf_view value,
                          uint32_t lifetime_s, rf_stored_fn done, void *arg);
/* rf_store_client_cancel ends every fetch and store that was given this `arg`: done is called with RF_ECANCELLED before it returns. */
void rf_store_client_cancel(struct rf_store *store, const void *arg);

/* ---- being told of changes, on any node; the states of a place stand in overlay/watch.h ---- */

/* What is told about a place; borrowed during the callback, which may call all of these. */
struct rf_watch_told {
    struct rf_id resource;
    uint32_t kind;
    enum rf_watch_outcome outcome; /* HELD: it differs from what is known here; else why it is not watched */
    uint64_t generation;           /* 0: nothing is there */
    uint32_t first, next;          /* as in rf_watch_state */
};
typedef void (*rf_watch_fn)(void *arg, const struct rf_watch_told *told);

#define RF_WATCH_MAX_PLACES 4096
/*
 * rf_watch_add begins to watch a place. generation, next: what is known of it, 0: nothing. `fn` is called whenever the home says that it has something else, never from
 * inside this call. Errors: RF_EEXIST, RF_ELIMIT more than RF_WATCH_MAX_PLACES, RF_ENOMEM.
 */
int rf_watch_add(struct rf_store *store, const struct rf_id *resource, uint32_t kind, uint64_t generation,
                 uint32_t next, rf_watch_fn fn, void *arg);
/* rf_watch_known: the place was read up to there. Until then the same is told once only. Unknown places are ignored. */
void rf_watch_known(struct rf_store *store, const struct rf_id *resource, uint32_t kind, uint64_t generation,
                    uint32_t next);
/* rf_watch_remove ends it; a home that holds a lease is told with the next request to it. */
void rf_watch_remove(struct rf_store *store, const struct rf_id *resource, uint32_t kind);
/* rf_watch_online: the node is in the overlay (again): everything is asked about at once; or it is not: nothing is asked. */
void rf_watch_online(struct rf_store *store, bool online);
/* rf_watch_set_way: over which nodes this one is reached (a guest's supernode). Another one than before: homes are told. */
void rf_watch_set_way(struct rf_store *store, const struct rf_watch_way *way);

#endif
