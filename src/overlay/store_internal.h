/*
 * store_internal.h - the storage's inside, shared by store*.c only.
 *
 *   store.c        the object, its configuration, loading, expiry
 *   store_index.c  the memory                     store_tree.c   its order
 *   store_check.c  the checks of an incoming Store, in the reference's order
 *   store_write.c  applied -> disk and replicas -> acknowledged, or taken back
 *   store_read.c   Fetch, Stat, Find              store_pull.c   a new home looks at the former one first
 *   store_pass.c   values to one other peer, piece by piece
 *   store_sync.c   who needs what when the ring changes   store_log.c  elements of logs that stand at two indexes
 *   store_client.c, store_put.c  fetching and storing, for any node   store_lookup.c  asking more than one   store_seen.c  rollback detection
 */
#ifndef RF_OVERLAY_STORE_INTERNAL_H
#define RF_OVERLAY_STORE_INTERNAL_H

#include "overlay/overlay.h"
#include "overlay/policy.h"
#include "overlay/store.h"
#include "overlay/store_index.h"
#include "wire/method.h"
#include "wire/store.h"

/* What a message carries besides its body and the signers' certificates: header, lists, our own certificate, signature. */
#define STORE_MESSAGE_RESERVE 1200
#define STORE_REPLICAS        2 /* copies besides ours (5.4) */
#define STORE_FALLBACK        4 /* how far back a copy may come from when nearer replicas fail */
#define STORE_MAX_SUCCESSORS  8
#define STORE_MAX_FOLLOWERS   4 /* further requests that wait for the same Store */
#define STORE_MAX_WHY         160
#define STORE_MAX_ITEMS       512 /* values in one Store */
#define STORE_DEAD_BATCH      128
#define STORE_DEAD_CLIENT     4 /* of a client, which stores nothing for others */

/* ---- an incoming Store while it is checked (store_check.c) ---- */

struct store_item {
    const struct rf_kind_def *kind;
    size_t kind_at; /* in req.kinds */
    struct rf_stored stored;
    struct rf_stored_data data;
    struct rf_signer signer; /* one reference, when verified */
    uint8_t index_bytes[4];
    struct rf_view slot;     /* the real one, also of appended elements */
    struct store_value *old; /* that lives in the slot, or (same) holds these very bytes; NULL */
    bool
        follows; /* a replica's: an element of a log at its home's index; where else it stands here, it goes */
    bool same;   /* byte-identical to old (D9): nothing to do */
    bool relabel; /* the index in its bytes is not its real one */
    uint64_t expires_ms;
};

struct store_job {
    struct rf_store *store;
    struct rf_region *region;       /* for decoding */
    const struct rf_signer *writer; /* who signed the request */
    const struct rf_view *bucket;   /* certificates that came along */
    size_t bucket_count;
    bool copy;   /* a replica or handed over, not the writer's own Store */
    bool direct; /* it came over the signer's own link */
    uint8_t replica_number;
    bool merge; /* fetched by ourselves from a peer that has newer data: no request */
    struct rf_id resource;
    struct rf_store_req req;
    const struct rf_kind_def **kinds; /* one per req.kinds */
    struct store_item *items;
    size_t item_count;
    struct policy_acl_item *acl; /* loaded when first needed */
    size_t acl_count;
    bool acl_loaded;
    bool
        unknown_variant; /* a value has a SignerIdentity of a type unknown to us: dropped without a response (2.1) */
    uint16_t error_code; /* why it was refused, and the error_info */
    char why[STORE_MAX_WHY];
    struct rf_view info; /* instead of `why`, in the region */
};

/* store_check runs the checks 2-8 of 4.3 on job->req. 0, or RF_EREMOTE with error_code and info in the job. */
int store_check(struct store_job *job);
/* store_may_pass_on: may job->writer, as far as we can see, pass on what is at job->resource? */
bool store_may_pass_on(struct store_job *job);
void store_job_deinit(struct store_job *job);
int store_job_refuse(struct store_job *job, uint16_t error_code, const char *why); /* RF_EREMOTE */
/* store_acl_load lists the resource's access control list for policies. */
int store_acl_load(struct rf_store *store, const struct rf_id *resource, struct rf_region *region,
                   struct policy_acl_item **out, size_t *count);
/* store_verify: 0 when the value's signature is good; `bucket` as in rf_verify. */
int store_verify(struct rf_store *store, const struct rf_id *resource, uint32_t kind,
                 const struct rf_stored_data *data, const struct rf_view *bucket, size_t bucket_count,
                 struct rf_signer *out);
/* store_value_trusted checks a loaded value's signature at its first use; false: it is bad (the caller forgets it). */
bool store_value_trusted(struct rf_store *store, struct store_value *value);
/* store_roster: the roster at a resource, verified; empty: none. Borrowed until something changes. */
struct rf_view store_roster(struct rf_store *store, struct rf_view resource);

/* ---- applied Stores (store_write.c) ---- */

struct store_change {
    struct store_write *write;
    struct store_value *fresh; /* in the index, or kept by a later change, or NULL: gone already */
    struct store_value *old;   /* owned, to be put back; NULL: the slot was empty */
};

/* A value by its place; lives as long as what it is in. */
struct store_ref {
    uint32_t kind;
    struct rf_view slot;
};

/* Who waits for the end of a Store, and what to tell. */
struct store_waiter {
    struct rf_request *request; /* deferred; NULL: answered */
    bool copy;                  /* needs the disk only */
    struct rf_store_ans_kind *kinds;
    size_t kind_count;
};

/* One replica of a Store under way. */
struct store_copy {
    struct store_write *write;
    struct rf_id node;
    uint8_t number; /* 1, 2; more: stands in for a replica that does not answer */
    enum { STORE_COPY_SENT = 1, STORE_COPY_CONFIRMED, STORE_COPY_FAILED } state;
};

/*
 * One applied Store. Goes on in two lines at once: the disk (disk_done) and, for a writer's own Store, the replicas (replica_done).
 * Both done: the writer is answered. It is freed when both lines have ended, whatever the answer.
 */
struct store_write {
    struct rf_list list; /* in store->writes, in the order of the tokens */
    struct rf_store *store;
    uint64_t token;
    struct rf_id resource;
    struct rf_region region; /* the arrays below */
    struct store_change *changes;
    size_t change_count;
    struct store_ref *refs; /* what the replicas need: everything that was in the request */
    size_t ref_count;
    struct store_waiter waiters[STORE_MAX_FOLLOWERS];
    size_t waiter_count;
    bool original; /* needs a replica */
    bool fresh;    /* nothing was at the resource before */
    bool disk_done, replica_done, gave_up;
    bool told; /* who watches was */
    int error; /* of the disk */
    struct store_copy copies[STORE_MAX_SUCCESSORS];
    size_t copy_count, sent_count; /* tried; under way */
    struct rf_timer timer;         /* replicas: try again, or give up */
    uint64_t deadline_us;
};

/*
 * store_apply makes a checked job true in memory and starts the rest. request: the deferred request to answer in the end, taken on
 * success; NULL: nobody waits. Errors: RF_ENOMEM, RF_EDATABASE: nothing changed.
 */
int store_apply(struct store_job *job, struct rf_request *request);
void store_write_persisted(struct rf_store *store, uint64_t token, int error);
/* The replica set changed: writes that wait for a replica try at once. */
void store_writes_retry(struct rf_store *store);
void store_writes_deinit(struct rf_store *store);
/* Persists removals of values in batches; see store.c. */
void store_forget(struct rf_store *store, struct store_value *value);
void store_forget_flush(struct rf_store *store);

/* ---- passing values on (store_pass.c) ---- */

typedef void (*store_pass_fn)(void *arg, int error, size_t refused_count);
struct store_pass_spec {
    struct rf_id resource;
    bool to_node; /* to `node`, else to whoever is in charge of the resource */
    struct rf_id node;
    uint8_t replica_number;
    const struct store_ref *refs; /* copied; NULL: everything at the resource */
    size_t ref_count;
    unsigned max_transmissions; /* 0 = default */
    bool probe;                 /* without refs: ask first what is there already */
    store_pass_fn done;
    void *arg;
};
/* store_pass_start sends the values, one message after another; done is called exactly once, never from inside (but with
 * RF_ECANCELLED from store_passes_deinit). Errors: RF_ENOMEM, RF_ELIMIT. */
int store_pass_start(struct rf_store *store, const struct store_pass_spec *spec);
void store_passes_deinit(struct rf_store *store);

/* ---- following the ring (store_sync.c) ---- */

#define STORE_SYNC_PARALLEL 8 /* passes at once */
#define STORE_SYNC_TARGETS  16
struct store_target { /* a peer that holds copies of ours, and its number in store_resource.confirmed */
    struct rf_id node;
    uint32_t number;
    bool replica;           /* one of the two, now */
    bool returning;         /* it was lost before, and may have kept what it had */
    uint64_t held_until_us; /* replaced a failed one: wait that long */
};
enum store_queue { STORE_QUEUE_NONE, STORE_QUEUE_TODO, STORE_QUEUE_LATER, STORE_QUEUE_OFFERS }; /* .queue */
enum store_duty { STORE_DUTY_NONE, STORE_DUTY_HAND_OVER, STORE_DUTY_OFFER };                    /* .duty */
struct store_sync {
    struct rf_list todo;   /* store_resource.work: something must be sent */
    struct rf_list later;  /* failed: after the pause */
    struct rf_list offers; /* after the ring has been quiet for a while */
    size_t todo_count, handover_count;
    size_t running;       /* passes */
    size_t window, quick; /* so many of them at most; quick answers since it changed */
    uint64_t slow_us;     /* the last slow answer */
    uint64_t rest_until_us;
    bool sweeping;         /* the index is being looked through */
    struct rf_id cursor;   /* the last resource looked at; len 0 = start */
    struct rf_timer timer; /* next piece of work */
    struct rf_timer retry; /* later -> todo */
    struct rf_timer hold;  /* held targets are due: sweep */
    struct rf_timer offer; /* offers -> todo */
    struct rf_timer stray; /* what came though we need not hold it is due: sweep */
    uint64_t retry_pause_us;
    struct store_target *targets; /* owned; room for STORE_SYNC_TARGETS; who is a client again has none */
    size_t target_count;
    uint32_t next_number;
    uint64_t joined_us, settle_until_us; /* after joining: store_pull.c */
    uint64_t lost_us;                    /* when a neighbor was lost last; 0: never */
    struct rf_map pulled;                /* places looked for at the former home (store_pull.c) */
};
int store_sync_init(struct rf_store *store); /* RF_ENOMEM */
void store_sync_deinit(struct rf_store *store);
/* store_sync_set_peer: see rf_store_set_peer. */
int store_sync_set_peer(struct rf_store *store, bool peer);
void store_sync_ring_changed(struct rf_store *store);
/* The resource changed other than by a Store that replicates itself: see to it. */
void store_sync_touch(struct rf_store *store, struct store_resource *resource);
void store_sync_forget(struct rf_store *store, struct store_resource *resource); /* it is about to be freed */
/* `node` has (or has not) everything that is at the resource now. */
void store_sync_confirm(struct rf_store *store, struct store_resource *resource, const struct rf_id *node,
                        bool has);
/* We are in charge of it now; who else has it we do not know, unless we were before. */
void store_sync_own(struct rf_store *store, struct store_resource *resource);
/* A change goes to these peers only: what we take for our other replicas (one is held to be lost, and may be back in a moment) lacks it. */
void store_sync_sent(struct rf_store *store, struct store_resource *resource, const struct store_copy *copies,
                     size_t count);
bool store_sync_has(struct rf_store *store, const struct store_resource *resource, const struct rf_id *node);
bool store_sync_confirmed(struct rf_store *store,
                          const struct store_resource *resource); /* by one of our replicas */
/* Our successors, replicas first; returns how many. */
size_t store_successors(struct rf_store *store, struct rf_id *out, size_t max);

/* store_sync_stray: something came that we need not hold, most likely because a replica did not answer. It stays for a while, then it is offered
 * to its home and goes. */
void store_sync_stray(struct rf_store *store, const struct store_resource *resource);

/* store_sync_answered: an answer within a pass of ours took so long. */
void store_sync_answered(struct rf_store *store, uint64_t took_us);

/* ---- logs (store_log.c) ---- */

bool store_log(const struct rf_store *store, uint32_t kind); /* is it one? */
/* The bytes of a StoredData but for its lifetime and, in arrays, its index. */
bool store_same_bytes(const struct store_value *old, const struct rf_stored_data *data);
/* store_log_find: the array's element of these bytes, whatever its index, the last one if there are several; NULL: none among the newest 4096. */
struct store_value *store_log_find(const struct store_set *set, const struct rf_stored_data *data);
/* store_log_retains: does the Kind let its oldest elements go for new ones? store_log_retain lets them go. */
bool store_log_retains(const struct rf_store *store, uint32_t kind);
void store_log_retain(struct rf_store *store, const struct rf_id *resource, uint32_t kind);
/* store_log_follow: a replica has the item, which its home sent, in its slot; at other indexes it is forgotten. */
void store_log_follow(struct rf_store *store, const struct rf_id *resource, const struct store_item *item);
/*
 * store_log_untwin: we are the home: of elements that stand twice in a log the first stays, and our replicas count as lacking something if any went.
 * False: a first one is not on disk yet (or memory is short); try again later.
 */
bool store_log_untwin(struct rf_store *store, struct store_resource *resource);

/* ---- who watches (watch*.c) ---- */

struct store_watch;
struct watch_client;
/* store_watch_changed: what was acknowledged, or came from another holder, is to be told. store_watch_ring: the ring changed. */
void store_watch_changed(struct rf_store *store, const struct rf_id *resource, uint32_t kind);
void store_watch_ring(struct rf_store *store);
void store_watch_free(struct rf_store *store);

/* ---- requests (store_read.c, store_pull.c) ---- */

void store_on_store(void *arg, struct rf_request *request);
void store_on_fetch(void *arg, struct rf_request *request);
void store_on_stat(void *arg, struct rf_request *request);
void store_on_find(void *arg, struct rf_request *request);
void store_refuse(struct rf_store *store, struct rf_request *request, uint16_t error_code, const char *why);

/*
 * store_pull_first: shortly after joining, what the request is about may still be at the former home. True: the request was deferred
 * (or refused) and `again` is called with it when that home was asked. kinds: what the request is about. deferred: it was already; what was
 * looked for then may have been forgotten since, because the ring changed.
 */
bool store_pull_first(struct rf_store *store, struct rf_request *request, bool deferred,
                      const struct rf_id *resource, const uint32_t *kinds, size_t kind_count,
                      void (*again)(struct rf_store *store, struct rf_request *request));
/* store_settle_on: something that we lacked was handed to us, so that we may lack more. */
void store_settle_on(struct rf_store *store);
/* store_unsettled: the ring changed a moment ago, so that copies that we should hold may not have come yet. */
bool store_unsettled(const struct rf_store *store);
/* store_pulls_forget: what was looked for elsewhere is looked for again. */
void store_pulls_forget(struct rf_store *store);
void store_pulls_init(struct rf_store *store);
void store_pulls_deinit(struct rf_store *store);

/* ---- fetching and storing (store_client.c) ---- */

struct store_fetch_spec {
    struct rf_id resource;
    uint32_t kind;
    const struct rf_view *slots; /* ARRAY: 4 bytes each */
    size_t slot_count;
    bool ranged; /* ARRAY: first..last instead of slots */
    uint32_t first, last;
    bool to_node; /* ask this node, whoever is in charge */
    struct rf_id node;
    bool aside; /* send it to whoever is in charge of `at`, who may hold a copy */
    struct rf_id at;
    struct rf_id avoid[RF_CALL_MAX_AVOID]; /* as in rf_call */
    size_t avoid_count;
    struct rf_id distrust[RF_CALL_MAX_AVOID]; /* likewise */
    struct rf_id via;                         /* source-routed through that node; len 0: not */
    unsigned max_transmissions;
    bool merge;           /* put what is newer than ours into our storage; values are not told */
    bool signatures_only; /* do not ask policy and usage */
    rf_fetched_fn done;
    void *arg;
};
int store_fetch_start(struct rf_store *store, const struct store_fetch_spec *spec);
void store_clients_deinit(struct rf_store *store);
void store_lookups_cancel(struct rf_store *store, const void *arg); /* arg NULL: all (store_lookup.c) */
void store_puts_cancel(struct rf_store *store, const void *arg);    /* arg NULL: all (store_put.c) */

/* ---- rollback detection (store_seen.c): the newest storage_time seen per place, of the places read last ---- */

#define STORE_SEEN_MAX 4096
struct store_seen {
    struct rf_map map;
    struct rf_list order; /* newest first */
    size_t count;
};
void store_seen_deinit(struct rf_store *store);
/* Notes it; true: an older one than seen before. */
bool store_seen_older(struct rf_store *store, const struct rf_id *resource, uint32_t kind,
                      struct rf_view slot, uint64_t storage_time_ms);

/* ---- the object ---- */

struct store_dead {
    struct store_value *value;
    struct rf_id resource;
    uint32_t kind;
};

struct rf_store {
    const struct rf_env *env; /* borrowed */
    struct rf_store_config config;
    struct rf_conf *conf; /* held */
    struct rf_overlay *overlay;
    struct rf_store_host host;
    struct rf_store_counters *counters;
    const struct rf_usage_kind **kinds; /* owned, of borrowed ones */
    size_t kind_count;
    struct store_index index;
    struct rf_timer expiry_timer;
    struct store_dead *dead; /* dead_cap of them, owned */
    size_t dead_count, dead_cap;
    struct rf_list writes;
    uint64_t next_token;
    struct rf_list passes;
    struct store_sync *sync; /* owned; NULL: it was no peer yet */
    struct rf_list pulls;
    struct rf_list fetches, stores; /* of store_client.c */
    struct rf_list lookups;
    uint64_t wary_until_us;  /* a lie was seen not long before */
    struct store_seen *seen; /* owned; NULL: nothing was read yet */
    uint64_t last_time_ms;
    struct store_watch *watch;   /* owned; NULL: nobody ever watched something here */
    struct watch_client *places; /* owned; what we watch; NULL: nothing yet */
    bool online;                 /* rf_watch_online */
    struct rf_watch_way way;     /* rf_watch_set_way */
    bool freeing;
};

static inline uint64_t store_wall_ms(const struct rf_store *store)
{
    return store->env->now->wall_ms;
}
/* Our own message limit for values and certificates. */
static inline size_t store_room(const struct rf_store *store)
{
    size_t max = store->conf->max_message_size;
    return max > 2 * STORE_MESSAGE_RESERVE ? max - STORE_MESSAGE_RESERVE : max / 2;
}
const struct rf_usage_kind *store_usage(const struct rf_store *store,
                                        uint32_t kind); /* NULL: none registered it */
bool store_responsible(const struct rf_store *store, const struct rf_id *resource);
bool store_single(const struct rf_store *store); /* we are the ring */
enum rf_topology_state store_ring_state(const struct rf_store *store);
/* (Re)starts the expiry timer for the earliest end. */
void store_expiry_arm(struct rf_store *store);
void store_expire(struct rf_timer *timer, void *arg); /* store_value.expiry */

/* The certificates of the values in one message, once each. */
struct store_bucket {
    struct rf_view certs[RF_MESSAGE_MAX_CERTS];
    const struct store_cert *seen[RF_MESSAGE_MAX_CERTS];
    size_t count;
    size_t bytes; /* as they stand in a message */
};
/* store_bucket_add: RF_ELIMIT when it is full. */
int store_bucket_add(struct store_bucket *bucket, const struct store_cert *cert);
bool store_bucket_has(const struct store_bucket *bucket, const struct store_cert *cert);

#endif
