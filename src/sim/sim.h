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
#include "sim/nat.h"
#include "sim/net.h"

#define RF_SIM_NAME_LEN   48
#define RF_SIM_MAX_STEPS  256
#define RF_SIM_MAX_CHECKS 64
#define RF_SIM_MAX_SHARDS 16
#define RF_SIM_NAT_HOSTS  250

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
    RF_SIM_OP_STORE,  /* of the user's single value; right: acknowledged */
    RF_SIM_OP_FETCH, /* of a single value that was acknowledged, or its removal; right: that version or a newer one */
    RF_SIM_OP_CALL, /* whois of a registered user, then a Ping along the way that his registration names; right: he answered */
    RF_SIM_OP_REMOVE, /* of the user's single value or of an entry of his dictionary; right: acknowledged */
    RF_SIM_OP_PUT,    /* of an entry of the user's dictionary; right: acknowledged */
    RF_SIM_OP_APPEND, /* to the user's list; right: acknowledged */
    RF_SIM_OP_READ, /* of a whole list or dictionary, anybody's; right: answered, what it shows is for the history */
    RF_SIM_OP_TRESPASS, /* a write of somebody else's value, entry or list; right: forbidden */
    RF_SIM_OP_COUNT,
};
const char *rf_sim_op_name(enum rf_sim_op_type type); /* "lookup", "ping", "store", "fetch", "call" */

/* What liars do; any of these at once. docs/simulator.md says it in words. */
enum rf_sim_lie {
    RF_SIM_LIE_DROP = 1,
    RF_SIM_LIE_MISROUTE = 2,
    RF_SIM_LIE_ANSWER = 4,
    RF_SIM_LIE_FORGE = 8,
    RF_SIM_LIE_REPLAY = 16,
    RF_SIM_LIE_FLOOD = 32,
    RF_SIM_LIE_CLAIM = 64,
    RF_SIM_LIE_ALL = 127,
};

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
    RF_SIM_STEP_CORRUPT, /* `count` or `fraction` of the supernodes tell `lies` from now on; `rate`, `together` */
    RF_SIM_STEP_DUPLICATE, /* `fraction` of all deliveries comes twice */
    RF_SIM_STEP_REORDER, /* `fraction` of all deliveries is overtaken: comes net.reorder_us late in the mean */
    RF_SIM_STEP_NAT_RESET, /* NAT boxes of `count` (0: `fraction`) of the group restart; new_address: and get another outside address */
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
    bool new_address;      /* NAT_RESET */
    struct rf_sim_dist session, pause;
    double factor;
    enum rf_sim_op_type op;
    double rate;
    unsigned lies;   /* CORRUPT: enum rf_sim_lie; its rate: of floods, per second and liar, 0: 500 */
    size_t together; /* CORRUPT: how many liars claim Node-IDs at one victim; 0: 1 */
};

/* A check passes if the metric (below) over [from_us, to_us] is at most (at_least: at least) the limit. A metric without data fails. */
struct rf_sim_check {
    char name[RF_SIM_NAME_LEN], metric[RF_SIM_NAME_LEN];
    bool at_least;
    double limit;
    uint64_t from_us, to_us; /* to_us 0: the end */
};

/* The NAT boxes of a scenario. Kinds are drawn by their weights; a box without a forwarded port lets nobody dial its clients. */
struct rf_sim_nats {
    double weights[SIM_NAT_KINDS]; /* of kinds; SIM_NAT_OPEN's is not used */
    size_t hosts;                  /* clients that share a box, 1 .. RF_SIM_NAT_HOSTS */
    double forwarded;        /* fraction of boxes that forward the listening port to their first client */
    uint32_t timeout_s;      /* of TCP bindings that idle */
    uint32_t flows, block_s; /* of hotels: the limit, and how long who exceeds it is cut off */
};

struct rf_sim_scenario {
    char name[RF_SIM_NAME_LEN];
    char about[256];
    size_t supernodes, clients;
    size_t bootstraps; /* the first supernodes; default 4 */
    size_t registered; /* of each group so many nodes register a user; SIZE_MAX: all */
    size_t devices;    /* nodes per user; default 1 */
    uint64_t duration_us;
    uint64_t sample_us; /* series interval, default 10 s */
    uint64_t probe_us;  /* ring check interval, default 10 s; 0: only at the end and after marks */
    double zipf;        /* popularity exponent of looked-up users; 0: uniform */
    uint32_t update_interval_s, ping_interval_s; /* of the document; 0: its defaults */
    bool self_tuning;                            /* the document's topology is CHORD-SELF-TUNING */
    bool disk;                                   /* supernodes have disks that survive kills; default true */
    uint32_t disk_us;                            /* a commit takes that long; default 5 ms */
    double drift_ppm;                            /* wall clocks drift by up to +- that much */
    double auto_share;                           /* fraction of clients with role auto */
    uint32_t auto_uptime_s, auto_interval_s, auto_idle_s; /* rf_node_config; 0: its defaults */
    size_t auto_min_ring;                                 /* likewise */
    double natted;                                        /* fraction of clients that are behind NAT boxes */
    struct rf_sim_nats nats;
    size_t max_links;   /* per supernode, 0: the node's default */
    size_t max_clients; /* likewise, and the next two; SIZE_MAX: no limit */
    size_t handshakes_per_s, requests_per_s;
    uint64_t
        backoff_us; /* longest random wait before the overlay is looked for again; 0: the node's default */
    /* Share of a core that a supernode may use: it is somebody's computer. Bootstrap nodes have all of one, and their handshakes_per_s and requests_per_s
     * are so many times larger. */
    double super_cpu;
    double mega,
        mega_factor; /* that share of supernodes has budgets, CPU and bandwidth so many times larger */
    /* A supernode shuts down by itself when in shutdown_over_us its CPU was busier than this share, it had more connections, or its input waited longer;
     * 0: never. It is back after shutdown_pause_us (median, exponential). */
    double shutdown_cpu;
    size_t shutdown_links;
    uint64_t shutdown_queue_us, shutdown_over_us, shutdown_pause_us;
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
    /* What nodes allocate comes from an arena of each shard (slab.h): less memory, better for caches, but AddressSanitizer sees little. */
    bool arenas;
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
    size_t asleep;                      /* clients that are packed between two events (den.h) */
    uint64_t asleep_bytes;              /* what they take */
    size_t connections;
};
void rf_sim_figures(const struct rf_sim *sim, struct rf_sim_figures *out);

/*
 * Series: one value per sample_us, NaN where there is nothing to tell. Names, units:
 *   supernodes.up, supernodes.joined, clients.up, clients.joined, registered            nodes
 *   links.mean, links.max                                                               per supernode
 *   cpu.mean, cpu.p99, cpu.max                                                          % of what they may use of a core (super_cpu), supernodes
 *   bytes.mean, bytes.max                                                               byte/s sent per supernode, TCP payload
 *   messages.mean, messages.max                                                         RELOAD messages sent/s per supernode
 *   maintenance.bytes, maintenance.messages   per supernode and second: join, leave, update, route_query, attach, probe, ping, config_update, keep-alives, acks
 *   client.bytes                                                                        byte/s sent per client that is up
 *   method.<name>.bytes                       byte/s sent in all by message code ("method.update_req.bytes"), requests and answers
 *   <op>.count, <op>.right, <op>.wrong, <op>.failed, <op>.p50_ms, <op>.p99_ms           per interval; <op> as rf_sim_op_name
 *   ring.wrong                                                                          supernodes whose successors or predecessors are not right,
 *                                                                                       those left out who joined less than 5 s ago or are about to
 *   nat.dropped                                                                         deliveries/s that boxes dropped, either way
 *   nat.reset                                                                           connections/s reset because a box gave them a new port
 *   queue.max                                                                           ms that the busiest node's input waits
 *   users.reachable, survivors.reachable     % of the running clients' users whose registration leads to them now; of those that no kill has hit since the last one began
 *   outsiders                                nodes that have been running for a minute and are not joined (of very many clients: estimated)
 *   budget.clients, budget.handshakes        % of its budget used by the supernode that uses most; clients.max: clients of the one that has most
 *   supernodes.over_budget                   supernodes above a budget
 *   shutdowns                                supernodes that shut down for their load, per interval
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
 *   <series>:mean | :max | :min | :last | :sum   of a series
 *   <series>:settle_s                         from the last mark at or before from_us until it was down to 1.5 times its mean of before (at most 5
 *                                             minutes; half a minute's mean each) and stayed so until to_us
 *   <op>.right_share                          right / all that ended, 0..1;   <op>.ended  how many
 *   <op>.mean_ms, <op>.p50_ms, <op>.p95_ms, <op>.p99_ms   latency of those that were right
 *   hops.mean, hops.p99, hops.max             overlay hops of Fetch answers on their way back (the hop to a client's supernode counts)
 *   messages_per_lookup                       Fetch frames sent over links / lookups and fetches ended
 *   ring.wrong_last                           at the last probe
 *   ring.heal_s                               from the last mark at or before from_us until the ring was right and stayed so until to_us
 *   joined.heal_s                             the same, until 99% of running nodes were joined again
 *   supernodes.heal_s            the same, until every running supernode was joined: among many clients one that stays out would not show
 *   reachable.heal_s, reachable.heal999_s     after each wave of kills that ended in from_us .. to_us, until 99% (99.9%) of the survivors' users were
 *                                             reachable, and stayed so until the next wave or to_us: the longest
 *   reachable.all_heal_s                      the same of all users, with those that came back
 *   memory.super_bytes, memory.client_bytes   per node that is up, now
 *   forged                                    results with a value that its owner never wrote and that passed for genuine, count
 *   killed_by_nobody                          supernodes that left the overlay though nobody stopped them (RF_NODE_EVENT_LOST), count
 */
int rf_sim_metric(const struct rf_sim *sim, const char *name, uint64_t from_us, uint64_t to_us, double *out);
struct rf_sim_check_result {
    const struct rf_sim_check *check;
    bool pass;
    double value; /* NaN: no data */
};
/* What the history of stored values (history.h) found wrong, after rf_sim_finish; the first hundred. False: no such. Borrowed. */
struct rf_sim_violation {
    const char *kind; /* "lost", "rolled_back", "vanished", "order", "trespasses" */
    uint64_t at_us;
    const char *text; /* who read and wrote what when, and what failed meanwhile */
};
bool rf_sim_violation(const struct rf_sim *sim, size_t i, struct rf_sim_violation *out);
size_t rf_sim_check_count(const struct rf_sim *sim);
void rf_sim_check_result(const struct rf_sim *sim, size_t i,
                         struct rf_sim_check_result *out); /* after rf_sim_finish */
bool rf_sim_passed(const struct rf_sim *sim);

#endif
