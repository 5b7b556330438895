/*
 * store.h - the storage of a supernode: Resource-ID -> Kind -> values, with the methods Store, Fetch, Stat, Find.
 *
 * A Store with replica_number 0 runs so: checked (4.3, order of the reference) -> applied in memory, counter up -> written to disk
 * (host.persist, ended by rf_store_persisted) and at the same time sent to the replicas -> acknowledged to the writer when the disk has
 * it and one replica confirmed, or the ring has no other peer. Until then reads do show it (they may see what is not yet
 * acknowledged; never the reverse). If the disk fails: Error_Request_Timeout to the writer, the change is taken back. If no replica
 * confirms: the next successor is tried; after 4.5 overlay-reliability-timers the writer gets Error_Request_Timeout and the data stay (he
 * may repeat). Handover (5.5, 5.7), expiry, merge after partitions (4.3) live in store_*.c of this folder; docs/protocol/storage.md
 * says what of it others can see.
 */
#ifndef RF_OVERLAY_STORE_H
#define RF_OVERLAY_STORE_H

#include "base/counter.h"
#include "conf/conf.h"
#include "overlay/message.h"
#include "overlay/persist.h"
#include "overlay/topology.h"
#include "overlay/usage.h"

#define RF_STORE_COUNTERS(X)                                                                                 \
    X(stores, "Store requests accepted")                                                                     \
    X(stores_acknowledged, "Stores acknowledged to the writer")                                              \
    X(stores_refused, "Store requests refused")                                                              \
    X(replica_stores, "replica Stores accepted")                                                             \
    X(replica_confirmed, "replica Stores of ours that were confirmed")                                       \
    X(replica_failed, "replica Stores of ours that failed")                                                  \
    X(lookups_doubted, "lookups of ours that asked a second node, because the first had nothing")            \
    X(lookups_saved, "of these: what was looked for was found there")                                        \
    X(fetches, "Fetch requests answered")                                                                    \
    X(stats, "Stat requests answered")                                                                       \
    X(finds, "Find requests answered")                                                                       \
    X(refused_forbidden, "refused: signature or access policy")                                              \
    X(refused_unknown_kind, "refused: unknown Kind")                                                         \
    X(refused_too_large, "refused: size or count limit")                                                     \
    X(refused_generation, "refused: generation counter")                                                     \
    X(refused_too_old, "refused: storage_time not newer")                                                    \
    X(refused_not_responsible, "refused: not responsible")                                                   \
    X(refused_quota, "refused: the user's or the node's quota")                                              \
    X(duplicates, "byte-identical repeats answered as success")                                              \
    X(expired, "values that reached their lifetime")                                                         \
    X(retired, "elements of full logs that went for newer ones")                                             \
    X(handed_over, "resources handed to another peer")                                                       \
    X(dropped_foreign, "copies dropped that we need not hold")                                               \
    X(persist_failed, "writes that the disk refused")                                                        \
    X(watches, "places that were watched anew or again")                                                     \
    X(watches_refused, "places that were not: no right, or a limit")                                         \
    X(watches_ended, "leases that ended")                                                                    \
    X(watchers_dropped, "watchers that did not answer any more")                                             \
    X(leases_given, "leases given to replicas and new homes")                                                \
    X(leases_taken, "leases taken from other homes")                                                         \
    X(leases_refused, "leases not taken: by who may not give them, or a limit")                              \
    X(leases_pushed_out, "leases taken from other homes that made room for what is asked for")               \
    X(events, "Events sent to watchers")                                                                     \
    X(events_failed, "Events that were not acknowledged")                                                    \
    X(events_taken, "Events about places that we watch")                                                     \
    X(events_doubted, "Events by others than the home, or about places that we do not watch")                \
    X(watch_requests, "Watch requests of ours")
RF_COUNTERS(store, RF_STORE_COUNTERS)

struct rf_store;

struct rf_store_host {
    void *ctx;
    /*
     * persist: make these changes durable, all or none; the views are borrowed during the call. The end is told by rf_store_persisted with
     * the same token, in the order of the calls and never from inside one. Returns 0 or RF_ENOMEM/RF_EDATABASE (then nothing follows).
     * NULL: there is no disk, everything is durable at once.
     */
    int (*persist)(void *ctx, uint64_t token, const struct rf_persist_op *ops, size_t op_count);
};

struct rf_store_config {
    struct rf_conf *conf; /* held */
    struct rf_crypto *crypto;
    struct rf_trust *trust;
    struct rf_id self;
    bool peer;               /* clients refuse everything */
    size_t max_bytes;        /* of values and certificates in all, default 256 MiB */
    size_t max_user_bytes;   /* per signing user at this node, default 1 MiB */
    uint32_t max_lifetime_s; /* longer ones are cut, default 30 days */
};
void rf_store_config_default(struct rf_store_config *config);

/* rf_store_new registers its methods at `overlay` and uses topology through it. Errors: RF_ENOMEM. */
int rf_store_new(const struct rf_env *env, const struct rf_store_config *config, struct rf_overlay *overlay,
                 const struct rf_store_host *host, struct rf_store **out);
void rf_store_free(struct rf_store *store);
int rf_store_configure(struct rf_store *store,
                       struct rf_conf *conf); /* a new document: revoked signers' values go */
const struct rf_store_counters *rf_store_counters(const struct rf_store *store);

/*
 * rf_store_load puts back a record read from disk before the node joins; its signature is verified at its first use.
 * Errors: RF_EEXPIRED (ignore it), RF_EUNKNOWN Kind, RF_EFORMAT, those of rf_trust_cert for its certificate, RF_ENOMEM.
 */
int rf_store_load(struct rf_store *store, const struct rf_record *record);
void rf_store_persisted(struct rf_store *store, uint64_t token, int error);
/* rf_store_range_changed: the topology says so: hand over, replicate anew, drop. */
void rf_store_range_changed(struct rf_store *store);
/* rf_store_joined / rf_store_neighbor_lost follow the topology's events of the same names. */
void rf_store_joined(struct rf_store *store);
void rf_store_neighbor_lost(struct rf_store *store, const struct rf_id *node);
/* rf_store_handover_pending: how many resources still wait to be handed to others (a leaving node waits for 0). */
size_t rf_store_handover_pending(const struct rf_store *store);
/*
 * rf_store_set_peer: the node goes on as a peer, which stores for others, or (false) as a client, which does not: what is here goes, in memory and on
 * disk; it was handed over (rf_store_handover_pending is 0), or others have it. Errors: RF_ENOMEM, nothing changed.
 */
int rf_store_set_peer(struct rf_store *store, bool peer);

/* For status, Probe and diagnostics. */
struct rf_store_stats {
    size_t resource_count, value_count, bytes;
    size_t own_count; /* resources that we are responsible for */
};
void rf_store_stats(const struct rf_store *store, struct rf_store_stats *out);
/* rf_store_peek: what we hold ourselves in that slot, in charge of it or not; value: DataValue's bytes, borrowed until something changes. False:
 * nothing, or it does not exist any more. */
bool rf_store_peek(const struct rf_store *store, const struct rf_id *resource, uint32_t kind,
                   struct rf_view slot, struct rf_view *value);
/* A value that we hold, in charge of it or not; removed ones as well. Views are borrowed during the call. */
struct rf_store_held {
    struct rf_id resource;
    uint32_t kind;
    struct rf_view slot; /* as in rf_record */
    struct rf_view value;
    struct rf_id signer;
    uint64_t generation, storage_time_ms;
    bool exists;
};
/* rf_store_each calls fn for every value of a Kind that we hold, in the order of their Resource-IDs and slots. fn changes nothing here. */
void rf_store_each(const struct rf_store *store, uint32_t kind,
                   void (*fn)(void *arg, const struct rf_store_held *held), void *arg);

/* The writer's and reader's side, rf_store_client_*, and rf_store_add_kind stand in overlay/usage.h. */

/* The last storage_time that this node used as a writer: kept by node/ over restarts so that a clock that stepped back does no harm. */
uint64_t rf_store_last_time(const struct rf_store *store);
void rf_store_set_last_time(struct rf_store *store, uint64_t storage_time_ms);

#endif
