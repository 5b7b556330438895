/*
 * usage.h - what a usage sees of the storage: how it tells of its Kinds, and the writer's and reader's side (Store, Fetch) that works
 * on clients and supernodes alike. overlay/ knows no usage by name: usage/ registers rf_usage_kind.
 */
#ifndef RF_OVERLAY_USAGE_H
#define RF_OVERLAY_USAGE_H

#include "conf/conf.h"
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

struct rf_usage_kind {
    uint32_t kind;
    const char *name;
    bool findable; /* answers Find */
    /*
     * append_only (ARRAY): what stands at an index is never replaced, only removed. When two sides of a partition gave one index to different
     * elements, both are kept: the home's stays, the other is appended. For logs; readers tell elements apart by their bytes.
     */
    bool append_only;
    /*
     * check: is the value well formed and allowed beyond the access policy (e.g. the SIP domain restriction)? Returns 0, RF_EFORBIDDEN or
     * RF_EFORMAT. NULL: every value is. Removals (exists = false) are not shown to it. why: a sentence of at most why_len bytes with NUL.
     */
    int (*check)(void *arg, const struct rf_usage_value *value, char *why, size_t why_len);
    void *arg;
};
int rf_store_add_kind(struct rf_store *store, const struct rf_usage_kind *kind); /* copied; RF_EEXIST */

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
    size_t dropped_count; /* values that did not verify: the set is partial */
    struct rf_id responder;
};
typedef void (*rf_fetched_fn)(void *arg, const struct rf_fetch_result *result);
/*
 * rf_store_client_fetch fetches one Kind at a resource (slots empty: everything) and verifies every value's signature and policy.
 * What is too large for one answer is fetched in pieces. Errors: those of rf_overlay_call, RF_EUNKNOWN Kind. done exactly once,
 * never from inside this call. reload.md 4.4.
 */
int rf_store_client_fetch(struct rf_store *store, const struct rf_id *resource, uint32_t kind,
                          const struct rf_view *slots, size_t slot_count, rf_fetched_fn done, void *arg);
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

#endif
