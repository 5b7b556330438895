/*
 * sim.h - the simulator's public face: a scenario in memory, a run, its checks, series and figures.
 *
 * The simulator drives the very same rf_node_* objects as the daemon over a virtual network and clock. It is pure: no I/O, no clock, no file,
 * no thread. Its main reads scenario texts, shows progress, writes reports, and may run the shards on threads of its own:
 *
 *     rf_sim_new(&config, &scenario, &sim);
 *     while (rf_sim_plan(sim, &until_us))                 one thread: faults, workload, probes, mail between shards
 *         for each shard i: rf_sim_run_shard(sim, i, until_us);    may run at the same time, each shard on one thread
 *     rf_sim_finish(sim);                                 evaluates the checks
 *
 * One seed decides everything. Every node has streams of its own for its inside and for its network, so neither the number of shards nor the
 * order in which they run changes anything: rf_sim_trace_hash is the same.
 *
 * Times in scenarios are microseconds of virtual time since the beginning.
 */
#ifndef RF_SIM_SIM_H
#define RF_SIM_SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/log.h"
#include "base/mem.h"
#include "crypto/crypto.h"
#include "sim/net.h"

#define RF_SIM_NAME_LEN   48
#define RF_SIM_MAX_STEPS  256
#define RF_SIM_MAX_CHECKS 64
#define RF_SIM_MAX_SHARDS 16

/* ---- the scenario: sizes, then steps in time (workload and faults), then checks ---- */

enum rf_sim_group { RF_SIM_SUPERNODES = 1, RF_SIM_CLIENTS = 2, RF_SIM_ALL = 3 };

/* How long something lasts. FIXED: median_s always. PARETO: shape is alpha (heavy tails: 1.1 to 2). */
enum rf_sim_dist_type {
    RF_SIM_FIXED = 0,
    RF_SIM_UNIFORM /* 0 .. 2 median */,
    RF_SIM_EXPONENTIAL,
    RF_SIM_PARETO
};
struct rf_sim_dist {
    enum rf_sim_dist_type type;
    double median_s; /* 0: never / none, see the step */
    double shape;
};

enum rf_sim_op_type {
    RF_SIM_OP_LOOKUP, /* whois of a registered user (Zipf); right: his Node-ID is among the answers */
    RF_SIM_OP_PING,   /* of a random joined supernode's Node-ID over the overlay; right: answered */
    RF_SIM_OP_STORE, /* a value of the user's own (SIP-REGISTRATION of a second device name); right: acknowledged */
    RF_SIM_OP_FETCH, /* of a value that an OP_STORE had acknowledged; right: that value or a newer one */
    RF_SIM_OP_COUNT,
};
const char *rf_sim_op_name(enum rf_sim_op_type type); /* "lookup", "ping", "store", "fetch" */

enum rf_sim_step_type {
    RF_SIM_STEP_START =
        1, /* start nodes of `group` that were never started: `count` (0: `fraction` of the group), spread over over_us */
    RF_SIM_STEP_KILL, /* kill -9 of running nodes, spread over over_us; they come back after `pause` (median 0: never) */
    RF_SIM_STEP_LEAVE,   /* the same, politely */
    RF_SIM_STEP_RESTART, /* start again nodes that are down, spread over over_us */
    RF_SIM_STEP_CHURN, /* from now on sessions of `group` last `session` and pauses `pause`; session.median_s 0: churn ends; fraction: share of sessions that end with a Leave */
    RF_SIM_STEP_PARTITION, /* a random `fraction` of `group` (with the clients' supernodes unknown: by coin) cannot reach the rest */
    RF_SIM_STEP_HEAL,  /* all partitions, cuts, slow nodes, loss and skews end */
    RF_SIM_STEP_CUT,   /* one-way: nothing that a random `fraction` of `group` sends arrives */
    RF_SIM_STEP_SLOW,  /* a random `fraction` of `group`: CPU `factor` times slower */
    RF_SIM_STEP_LOSS,  /* `fraction` of all deliveries is lost (delays on connections) */
    RF_SIM_STEP_CLOCK, /* a random `fraction` of `group`: wall clock off by +-factor seconds */
    RF_SIM_STEP_WORK, /* from now on `rate` operations of type `op` per second in all by nodes of `group`; 0: none */
    RF_SIM_STEP_MARK, /* names this moment for checks: metrics ring.heal_s and others count from the last mark */
};
struct rf_sim_step {
    enum rf_sim_step_type type;
    uint64_t at_us, over_us;
    enum rf_sim_group group;
    size_t count;
    double fraction;
    bool spare_bootstraps; /* KILL, LEAVE, CHURN: bootstrap nodes stay */
    bool power;            /* KILL, CHURN: the host goes silent instead of resetting connections */
    bool wipe;             /* KILL: the disk is lost, too */
    struct rf_sim_dist session, pause;
    double factor;
    enum rf_sim_op_type op;
    double rate;
};

/* A check passes if the metric (below) over [from_us, to_us] is at most (at_least: at least) the limit. A metric without data fails. */
struct rf_sim_check {
    char name[RF_SIM_NAME_LEN], metric[RF_SIM_NAME_LEN];
    bool at_least;
    double limit;
    uint64_t from_us, to_us; /* to_us 0: the end */
};

struct rf_sim_scenario {
    char name[RF_SIM_NAME_LEN];
    char about[256];
    size_t supernodes, clients;
    size_t bootstraps; /* the first supernodes; default 4 */
    size_t registered; /* of each group so many nodes register a user; SIZE_MAX: all */
    uint64_t duration_us;
    uint64_t sample_us; /* series interval, default 10 s */
    uint64_t probe_us;  /* ring check interval, default 10 s; 0: only at the end and after marks */
    double zipf;        /* popularity exponent of looked-up users; 0: uniform */
    uint32_t update_interval_s, ping_interval_s; /* of the document; 0: its defaults */
    bool disk;                                   /* supernodes have disks that survive kills; default true */
    uint32_t disk_us;                            /* a commit takes that long; default 5 ms */
    double drift_ppm;                            /* wall clocks drift by up to +- that much */
    double natted;      /* fraction of clients that nobody can dial (NAT kinds of datagrams come with ICE) */
    size_t max_links;   /* per supernode, 0: the node's default */
    size_t max_clients; /* likewise */
    struct rf_sim_net_config net;
    struct rf_sim_step steps[RF_SIM_MAX_STEPS];
    size_t step_count;
    struct rf_sim_check checks[RF_SIM_MAX_CHECKS];
    size_t check_count;
};
/* rf_sim_scenario_default fills sizes, defaults and net; no steps, no checks. */
void rf_sim_scenario_default(struct rf_sim_scenario *scenario);

/* ---- the run ---- */

/*
 * Crypto: every shard makes its own backend. `make` NULL: crypto/fake, which charges the node that runs for every operation. Another backend (for
 * a run with real crypto) calls `charge` with the CPU time of an operation if it can. Keys come from key_from_raw with bytes of
 * the node's own stream.
 */
struct rf_sim_crypto {
    void *arg;
    struct rf_crypto *(*make)(void *arg, struct rf_mem *mem, void (*charge)(void *ctx, uint64_t ns),
                              void *ctx);
    void (*release)(void *arg, struct rf_crypto *crypto);
    enum rf_key_type key_type; /* 0: P-256 */
};

struct rf_sim_config {
    struct rf_mem *mem; /* borrowed; used by all shards at once */
    size_t (*block_size)(
        void *
            block); /* bytes really used by a block of mem (malloc_usable_size); NULL: memory is not counted */
    struct rf_log *log; /* may be NULL; lines of all nodes, prefixed by their number */
    size_t log_node;    /* only this node's; SIZE_MAX: all */
    struct rf_sim_crypto crypto;
    uint64_t seed;
    size_t shards; /* 1 .. RF_SIM_MAX_SHARDS; 0: 1 */
    bool trace;    /* keep the trace hash (costs a few percent) */
};

struct rf_sim;
/* rf_sim_new copies scenario and config. Errors: RF_EINVAL, RF_ENOMEM, those of the crypto backend. */
int rf_sim_new(const struct rf_sim_config *config, const struct rf_sim_scenario *scenario,
               struct rf_sim **out);
void rf_sim_free(struct rf_sim *sim);
size_t rf_sim_shards(const struct rf_sim *sim);
/* rf_sim_plan does what concerns all shards and says until when (exclusive) they may run now; false: the end. */
bool rf_sim_plan(struct rf_sim *sim, uint64_t *until_us);
void rf_sim_run_shard(struct rf_sim *sim, size_t shard, uint64_t until_us);
void rf_sim_finish(struct rf_sim *sim);

/* ---- results ---- */

uint64_t rf_sim_now_us(const struct rf_sim *sim);
uint64_t rf_sim_trace_hash(const struct rf_sim *sim); /* 0 without config.trace */
struct rf_sim_figures {                               /* cheap, for progress lines */
    uint64_t now_us, duration_us;
    uint64_t events, wakeups; /* handled so far; of these timers of nodes */
    uint64_t messages, bytes; /* RELOAD messages and bytes sent over links */
    size_t supernodes_up, supernodes_joined, clients_up, clients_joined, registered;
    uint64_t super_bytes, client_bytes; /* memory held by nodes of each kind (0 if not counted) */
    uint64_t shell_bytes;               /* memory held by the simulator itself */
    size_t connections;
};
void rf_sim_figures(const struct rf_sim *sim, struct rf_sim_figures *out);

/*
 * Series: one value per sample_us, NaN where there is nothing to tell. Names, units:
 *   supernodes.up, supernodes.joined, clients.up, clients.joined, registered            nodes
 *   links.mean, links.max                                                               per supernode
 *   cpu.mean, cpu.p99, cpu.max                                                          % of one core, supernodes
 *   bytes.mean, bytes.max                                                               byte/s sent per supernode, TCP payload
 *   messages.mean, messages.max                                                         RELOAD messages sent/s per supernode
 *   maintenance.bytes, maintenance.messages   per supernode and second: join, leave, update, route_query, attach, probe, ping, config_update, keep-alives, acks
 *   client.bytes                                                                        byte/s sent per client that is up
 *   method.<name>.bytes                       byte/s sent in all by message code ("method.update_req.bytes"), requests and answers
 *   <op>.count, <op>.right, <op>.wrong, <op>.failed, <op>.p50_ms, <op>.p99_ms           per interval; <op> as rf_sim_op_name
 *   ring.wrong                                                                          supernodes whose successors or predecessors are not right
 *   queue.max                                                                           ms that the busiest node's input waits
 */
struct rf_sim_series {
    const char *name, *unit;
    const double *values;
};
size_t rf_sim_series_count(const struct rf_sim *sim);
size_t rf_sim_sample_count(const struct rf_sim *sim);
void rf_sim_series(const struct rf_sim *sim, size_t i,
                   struct rf_sim_series *out); /* borrowed until the next rf_sim_plan */

/*
 * rf_sim_metric evaluates a metric over [from_us, to_us] (to_us 0: the end). Errors: RF_ENOTFOUND no such metric, RF_ESHORT no data.
 *   <series>:mean | :max | :min | :last       of a series
 *   <op>.right_share                          right / all that ended, 0..1;   <op>.ended  how many
 *   <op>.mean_ms, <op>.p50_ms, <op>.p95_ms, <op>.p99_ms   latency of those that were right
 *   hops.mean, hops.p99, hops.max             overlay hops of Fetch answers on their way back (the hop to a client's supernode counts)
 *   messages_per_lookup                       Fetch frames sent over links / lookups and fetches ended
 *   ring.wrong_last                           at the last probe
 *   ring.heal_s                               from the last mark at or before from_us until the ring was right and stayed so until to_us
 *   joined.heal_s                             the same, until 99% of running nodes were joined again
 *   supernodes.heal_s            the same, until every running supernode was joined: among many clients one that stays out would not show
 *   memory.super_bytes, memory.client_bytes   per node that is up, now
 *   killed_by_nobody                          supernodes that left the overlay though nobody stopped them (RF_NODE_EVENT_LOST), count
 */
int rf_sim_metric(const struct rf_sim *sim, const char *name, uint64_t from_us, uint64_t to_us, double *out);
struct rf_sim_check_result {
    const struct rf_sim_check *check;
    bool pass;
    double value; /* NaN: no data */
};
size_t rf_sim_check_count(const struct rf_sim *sim);
void rf_sim_check_result(const struct rf_sim *sim, size_t i,
                         struct rf_sim_check_result *out); /* after rf_sim_finish */
bool rf_sim_passed(const struct rf_sim *sim);

#endif
