/*
 * world.h - the inside of the simulator, shared by the files of this folder only.
 *
 *   world.c    birth and death of the world: overlay document, nodes, shards
 *   slab.c     memory of many small blocks
 *   den.c      where clients sleep between their events
 *   shard.c    the event loop of a shard: heap of events, heap of wake-ups, who may run until when
 *   host.c     a node's shell: starts and stops it, gives it events, drains its queue, charges its CPU
 *   conns.c    connections: dialling, order, windows, bandwidth, cuts
 *   net.c      latency model
 *   nat.c      NAT boxes, border.c puts them between nodes and the network
 *   engine.c   the link engine: handshake of the size and cost of TLS 1.3, records, message counts
 *   disk.c     virtual disks
 *   plan.c     steps of the scenario: starts, faults, churn; everything between two windows
 *   work.c     operations and their outcomes
 *   values.c   operations on stored values
 *   record.c   what the history (history.h) is told of the world
 *   replicas.c what those in charge of a resource hold
 *   liar.c     supernodes that misbehave on purpose, lies.c: what they do with a message
 *   probe.c    the ring as it should be, and as it is
 *   reach.c    which users can be reached
 *   capacity.c budgets of supernodes, and limits at which they shut down
 *   stats.c    series, metrics, checks
 *
 * Ownership and threads. A node belongs to one shard, with its connection ends, events, disk. A shard is an arc of the ring (behind a NAT box: that of its
 * first client): so most clients are in the shard of their supernodes, and the replicas of a value, whose bytes a shard has once, mostly in one.
 * While shards run, a shard touches its own nodes only and reads what the plan set (faults, users); what goes to a node of
 * another shard is put into shard->mail[that shard] and handed over between two windows. A window ends at most net.min_latency_us after
 * the earliest event, so mail always comes in time.
 *
 * Order. Events of one node are handled in the order (time, source node, the source's sequence number); a wake-up comes after the events of its
 * time. Nothing else decides, so sharding changes no node's history.
 *
 * CPU. Each node has one core. Handling an event costs time (crypto, engine, a price per message and byte); until that is over
 * (busy_until_us) whatever comes waits in its queue, and what it sends leaves at the end of it.
 */
#ifndef RF_SIM_WORLD_H
#define RF_SIM_WORLD_H

#include "base/list.h"
#include "base/map.h"
#include "node/node.h"
#include "sim/den.h"
#include "sim/history.h"
#include "sim/sim.h"
#include "sim/slab.h"
#include "sim/stream.h"

#define SIM_EPOCH_MS        UINT64_C(1800000000000) /* wall clock at time 0 */
#define SIM_MONO_BASE_US    UINT64_C(1000000)
#define SIM_PORT            6084
#define SIM_PEERS           16
#define SIM_END_CHUNK       4096
#define SIM_KIND_VALUE      0xf0000101u /* SINGLE, USER-MATCH, as all three */
#define SIM_KIND_DICTIONARY 0xf0000102u
#define SIM_KIND_LIST       0xf0000103u /* ARRAY, a log */
#define SIM_CODES           48          /* message codes counted; the last is everything else */
#define SIM_HOPS            32
#define SIM_BUCKETS         256 /* of a latency histogram */

/*
 * What the CPU of a node is charged. The crypto backend charges its own operations, checking the peer's certificate after a handshake among them
 * (180 us): a full handshake comes to 800 us at the server then and a resumed one to 290, as bench_link measures (docs/benchmarks.md). That
 * program measures servers; clients are taken to cost four fifths of it.
 */
#define SIM_CPU_EVENT_NS            4000 /* a read or write of the system, epoll included */
#define SIM_CPU_MESSAGE_NS          3000 /* a RELOAD message in or out without its signatures */
#define SIM_CPU_BYTE_NS             3    /* per byte sent or received: copies, AES-GCM */
#define SIM_CPU_HANDSHAKE_CLIENT_US 480
#define SIM_CPU_HANDSHAKE_SERVER_US 590
#define SIM_CPU_RESUMED_US          260 /* each side */

enum sim_event_type {
    SIM_EVENT_DIAL = 1,  /* SYN arrives at dst */
    SIM_EVENT_ACCEPTED,  /* SYN-ACK arrives back */
    SIM_EVENT_REFUSED,   /* RST to a dial */
    SIM_EVENT_DATA,      /* bytes for an end */
    SIM_EVENT_CLOSE,     /* FIN or RST for an end */
    SIM_EVENT_CREDIT,    /* the other side has read `number` bytes */
    SIM_EVENT_RETRY,     /* own: an end tries again what a cut held back */
    SIM_EVENT_PERSISTED, /* own: a commit is done */
    SIM_EVENT_RUN,       /* own: the CPU is free again */
    SIM_EVENT_START,     /* own: a planned start, stop, operation (plan.c and host.c draw them) */
    SIM_EVENT_STOP,
    SIM_EVENT_OP,
    SIM_EVENT_LIE,  /* a liar's next flood */
    SIM_EVENT_WAKE, /* in a node's queue only: its deadline passed while the CPU was busy */
};

enum sim_mark {
    SIM_MARK_INSIDE = 1 /* the receiver's box let it in */,
    SIM_MARK_TWICE = 2,
    SIM_MARK_RESENT = 4
};

/* A reference to a connection end in its shard's table; gen 0: none. */
struct sim_ref {
    uint32_t slot, gen;
};

struct sim_event {
    uint64_t at_us;
    uint32_t dst, src, seq;
    uint8_t type;
    uint8_t flag; /* STOP: enum sim_stop; OP: enum rf_sim_op_type; CLOSE: the host is alive (reset) */
    union {
        uint16_t life;  /* own events: of which life of the node (START: any) */
        uint16_t marks; /* of connections: enum sim_mark */
    };
    struct sim_ref end, peer; /* dst's end, src's end */
    union {
        uint32_t len;    /* DATA: bytes that follow the struct */
        uint32_t number; /* CREDIT, OP */
    };
    uint16_t from_port,
        to_port; /* of connections, as the network sees them; to_port: the host's once its box let it in */
    struct sim_event *next; /* in a node's queue, a free list, mail */
    union {
        uint8_t *bytes;            /* DATA: owned */
        struct sim_commit *commit; /* PERSISTED: owned */
        uint64_t expect;           /* OP */
    };
};

enum sim_end_state {
    SIM_END_FREE = 0,
    SIM_END_DIALLING,
    SIM_END_OPEN,
    SIM_END_DRAINING /* node said close, bytes are held */
};
/* One end of a connection. Slots are reused with another gen. */
struct sim_end {
    uint32_t gen;
    uint32_t node, peer_node;
    struct sim_ref peer;                            /* its end, once known */
    uint32_t next_hash, next_of_node, prev_of_node; /* slot + 1; 0: none */
    rf_link_id flow;
    uint64_t last_us; /* when the newest delivery to the peer comes */
    uint32_t latency_us;
    uint32_t sent_len; /* sent and not known to be read */
    uint32_t read_len; /* read by us and not told to the peer */
    uint8_t state : 3, tries : 5;
    bool retrying : 1; /* a RETRY event is under way */
    bool output : 1;   /* the node has output that did not fit the window */
    bool
        dialled : 1; /* by us, from `port` to the peer's SIM_PORT; else from the peer's `port` to our SIM_PORT */
    bool talking : 1; /* a liar's: it is up, frames have come over it */
    uint16_t port;
};

/* ---- disk.c ---- */

struct sim_disk {
    struct rf_map rows; /* struct sim_row */
};
struct sim_commit {
    uint64_t token;
    size_t count;
    struct sim_row **rows; /* owned; a row without data: delete */
};

/* ---- nodes ---- */

enum sim_stop { SIM_STOP_KILL = 1, SIM_STOP_POWER, SIM_STOP_LEAVE, SIM_STOP_WIPE = 8 };

struct sim_node {
    struct sim_shard *shard;
    struct rf_node *node;                           /* NULL: down. To be looked at after sim_host_rouse */
    void *asleep;                                   /* of den.h; NULL: awake, or down, or it never sleeps */
    struct rf_mem mem;                              /* counts into held */
    struct rf_log *log;                             /* owned, or NULL */
    struct rf_rng rng;                              /* the node's secrets and jitter */
    struct sim_stream inside, network, life_stream; /* what rng draws; delays; sessions and pauses */
    struct sim_place place;
    uint32_t index;
    uint32_t seq;     /* of the next event it sends */
    size_t wake_slot; /* in the shard's heap of wake-ups, 0: not in */
    uint64_t wake_us;
    uint64_t busy_until_us, up_free_us, down_free_us, disk_free_us;
    uint64_t trace;
    uint32_t first_end; /* slot + 1 */
    uint32_t end_count;
    struct sim_event *queue, *queue_tail; /* input that waits for the CPU */
    uint32_t queue_len;
    uint16_t life;
    uint8_t side;                 /* of the partition it is in, 0: none */
    bool super, spare, mega, may, /* role auto */
        sleeps; /* a client for good: its memory is the den's. These never change: other shards look at them, so they share no byte with the rest */
    bool started_once : 1, joined : 1, registered : 1, leaving : 1, stopping : 1, planned : 1;
    bool cut_out : 1, run_set : 1, wake_queued : 1, left : 1,
        dark : 1;  /* dark: the host is off and answers nothing */
    bool promoted; /* role auto: it is a supernode now */
    float slow;    /* factor, 1 */
    int32_t skew_ms, drift_ppb;
    int64_t held; /* bytes of memory */
    struct sim_disk *disk;
    struct sim_liar *liar;     /* owned; NULL: honest. Set before the start and for good */
    uint16_t liar_step;        /* that it was drawn for */
    uint32_t peers[SIM_PEERS]; /* remembered over restarts: indexes */
    uint8_t peer_count;
    uint64_t started_us, joined_us, registered_us;
    struct { /* since the last look, capacity.c */
        uint64_t from_us, cpu_ns, queue_us;
    } watch;
    uint64_t acked;   /* newest acknowledged version of its user's single value that it wrote, values.c */
    uint32_t written; /* number of its last write */
    struct {          /* since the last sample */
        uint64_t cpu_ns;
        uint32_t bytes_out, messages_out, maintenance_bytes, maintenance_messages;
        uint32_t handshakes; /* accepted, in quarters: a resumed one is one */
    } now;
};

struct sim_histogram { /* of microseconds, logarithmic: 12 buckets per doubling from 100 us on */
    uint32_t count[SIM_BUCKETS];
};

/* What a shard counts between two samples; stats.c merges and clears. */
struct sim_tally {
    uint64_t method_bytes[SIM_CODES], method_messages[SIM_CODES];
    uint64_t keepalive_bytes, ack_bytes, handshake_bytes, client_bytes;
    uint64_t nat_dropped, nat_reset; /* by boxes; connections that came from a new port and were reset */
    uint64_t op_started[RF_SIM_OP_COUNT], op_right[RF_SIM_OP_COUNT], op_wrong[RF_SIM_OP_COUNT],
        op_failed[RF_SIM_OP_COUNT];
    struct sim_histogram op_latency[RF_SIM_OP_COUNT];
    uint64_t hops[SIM_HOPS];
    uint64_t forged; /* results with a value that its owner never wrote */
    uint64_t lost;   /* supernodes that fell out of the ring by themselves */
    uint64_t promotions, demotions;
    uint64_t handshakes, resumed, refused, shutdowns;
    uint64_t queue_max_us;
};

struct sim_wake {
    uint64_t at_us;
    struct sim_node *node;
};

struct sim_shard {
    struct rf_sim *sim;
    size_t index;
    struct sim_slab slab;   /* config.arenas */
    struct rf_mem *mem;     /* of its nodes, their disks and certificates: the slab's, or the world's */
    struct sim_den den;     /* config.arenas: memory of those that sleep */
    struct sim_node *awake; /* whose it is now; NULL: nobody's */
    struct rf_crypto *crypto;
    struct rf_conf *conf;
    struct rf_key *ca_key;
    struct rf_x509 ca;
    struct rf_rng_seeded rng; /* the crypto backend's; no key is generated by it */
    uint64_t now_us;
    struct sim_node *current; /* whom work is charged to; NULL: nobody */
    struct sim_ref reading;   /* the end whose bytes the running event brought */
    uint64_t cost_ns;         /* of the running event */
    uint64_t billed_ns;       /* of it charged already */
    struct sim_event **heap;  /* 1-based, ordered by (time, dst, src, seq) */
    size_t heap_count, heap_cap;
    struct sim_wake *wakes; /* 1-based */
    size_t wake_count, wake_cap;
    struct sim_event *free_events;
    struct sim_event *mail[RF_SIM_MAX_SHARDS];
    struct sim_end **end_chunks; /* of SIM_END_CHUNK each: ends do not move */
    size_t end_slots;            /* made so far */
    size_t end_count;            /* in use */
    uint32_t free_end;           /* slot + 1 */
    uint32_t *end_hash;          /* slot + 1 by (node, flow) */
    size_t end_hash_size;
    struct rf_intern
        values;           /* bytes of stored values, in nodes and on disks; and what else rows of disks say */
    struct rf_buf record; /* scratch of disk.c */
    struct rf_scratch scratch;      /* of all its nodes */
    struct rf_counter_set counters; /* likewise */
    struct sim_out *outs;           /* scratch of host.c: what the running event sends */
    size_t out_count, out_cap;
    uint64_t events, wakeups, messages, bytes;
    int64_t super_held, client_held;
    int64_t packed; /* bytes of those asleep */
    size_t asleep;  /* how many */
    size_t super_up, super_joined, client_up, client_joined, registered;
    struct sim_op *judged;      /* operations that did not go right, see work.c */
    struct sim_history history; /* what its nodes did */
    struct sim_tally tally;
};

struct rf_sim {
    struct rf_sim_config config;
    struct rf_sim_scenario scenario;
    struct sim_node *nodes; /* supernodes first */
    size_t node_count, user_count;
    uint64_t *places; /* of supernodes: the first eight bytes of their Node-IDs */
    struct sim_shard *shards;
    size_t shard_count;
    uint8_t *shard_of;           /* by node */
    struct sim_history history;  /* all of it, at the end; splits from the beginning */
    struct sim_verdict *verdict; /* NULL: not judged yet */
    uint64_t now_us, end_us;
    struct sim_stream plan_stream, fault_stream, work_stream;
    double loss, duplicate, reorder;
    bool partitioned;
    struct sim_nat *boxes; /* NULL: none; for nats.hosts clients each, supernodes have none */
    size_t box_count;
    struct sim_nat_config nat_configs[SIM_NAT_KINDS];
    struct sim_plan *plan;   /* plan.c */
    struct sim_work *work;   /* work.c */
    struct sim_stats *stats; /* stats.c */
};

/* It serves others now. Another shard's node: only between two windows. */
static inline bool sim_is_super(const struct sim_node *n)
{
    return n->super || n->promoted;
}
/* Nodes from that index on are clients for good. */
static inline size_t sim_super_end(const struct rf_sim *sim)
{
    return sim->scenario.auto_share > 0 ? sim->node_count : sim->scenario.supernodes;
}

/* ---- what the files call of each other ---- */

/* border.c */
int sim_border_new(struct rf_sim *sim);
void sim_border_free(struct rf_sim *sim);
/* sim_border_shard: whose node `index` is (sim->shard_of keeps it). Clients of one box are of one shard. */
size_t sim_border_shard(const struct rf_sim *sim, uint32_t index);
bool sim_border_has_box(const struct sim_node *n);
void sim_border_reset(struct sim_node *n, bool new_address); /* its box restarts */
struct rf_addr sim_addr_of(const struct sim_node *n);        /* as the network sees it */
struct rf_addr sim_host_addr(const struct sim_node *n);      /* as the host itself does */
struct rf_addr
sim_listen_addr(const struct sim_node *n); /* what it tells others: the host's unless its port is forwarded */
/* sim_node_at: who has that address for `from`; NULL: nobody, or nobody whom it could reach */
struct sim_node *sim_node_at(const struct sim_node *from, const struct rf_addr *addr);
/* sim_remote_of: where `e` came from, as its receiver sees it */
struct rf_addr sim_remote_of(const struct sim_node *n, const struct sim_event *e);
/* sim_border_out takes a packet of n's host through its box and fills in e's ports. flags: enum of nat.h. False: dropped there. */
bool sim_border_out(struct sim_node *n, struct sim_event *e, uint32_t dst, uint16_t from_port,
                    uint16_t to_port, uint8_t flags);
/* sim_border_in: does n's box let the packet in? */
bool sim_border_in(struct sim_node *n, struct sim_event *e);

/* net.c: see net.h. world.c */
uint32_t sim_user_number(const struct sim_node *n);
void sim_user_of(const struct sim_node *n, char out[48]);         /* "u17@example.org" */
struct rf_id sim_id_of(const struct rf_sim *sim, uint32_t index); /* its Node-ID */
struct rf_now sim_node_now(const struct sim_node *n, uint64_t now_us);

/* shard.c */
struct sim_event *sim_event_new(struct sim_shard *shard, enum sim_event_type type);
void sim_event_free(struct sim_shard *shard, struct sim_event *e);
/* sim_event_post fills in source and sequence and delivers at at_us: into the own heap, or as mail. */
void sim_event_post(struct sim_node *src, struct sim_event *e, uint32_t dst, uint64_t at_us);
void sim_heap_push(struct sim_shard *shard, struct sim_event *e);
void sim_wake_set(struct sim_node *n, uint64_t at_us); /* RF_NEVER: none */
uint64_t sim_shard_next(struct sim_shard *shard);

/* host.c */
int sim_host_start(struct sim_node *n, uint64_t now_us);
void sim_host_stop(struct sim_node *n, enum sim_stop how, uint64_t now_us);
void sim_host_free(struct sim_node *n);                       /* at the end of the world: tells nobody */
void sim_host_event(struct sim_node *n, struct sim_event *e); /* takes e */
void sim_host_wake(struct sim_node *n);
void sim_charge(void *shard, uint64_t ns); /* rf_sim_crypto's charge */
/* sim_host_rouse wakes a node that may be asleep, so that n->node can be used; whoever was awake before may sleep then. Not while one is running. */
void sim_host_rouse(struct sim_node *n);
void sim_host_enter(struct sim_node *n);
void sim_host_leave(struct sim_node *n); /* drains, sends, sets busy and wake */
struct sim_node *sim_host_of_rng(const struct rf_rng *rng);
int sim_host_cert(struct sim_node *n, struct rf_buf *pem, struct rf_buf *der); /* its key and certificate */

/* conns.c */
void sim_conn_dial(struct sim_node *n, rf_link_id flow, const struct rf_addr *addr, uint64_t at_us);
void sim_conn_output(struct sim_node *n, rf_link_id flow, uint64_t at_us);
void sim_conn_close(struct sim_node *n, rf_link_id flow, uint64_t at_us);
void sim_conn_cut_all(struct sim_node *n, bool silent, uint64_t at_us); /* the process is gone */
void sim_conn_event(struct sim_node *n, struct sim_event *e);           /* DIAL .. RETRY; borrowed */
/* sim_conn_linked: an open connection leads from n to that node */
bool sim_conn_linked(const struct sim_node *n, uint32_t peer);
/* sim_conn_by_kernel: the event needs nothing of the node (a CREDIT that frees no output) */
bool sim_conn_by_kernel(const struct sim_node *n, const struct sim_event *e);
struct sim_end *sim_end_at(const struct sim_shard *shard, struct sim_ref ref); /* NULL: gone */
/* sim_conn_inject sends bytes between what the node itself sends; false: its own are held back, or the end is gone. */
bool sim_conn_inject(struct sim_node *n, struct sim_ref end, struct rf_view bytes);
size_t sim_conn_talking(const struct sim_node *n, struct sim_ref *out,
                        size_t max); /* ends that are `talking` */

/* disk.c */
/* sim_cert_get: the certificate, decoded, of which all who know it in this shard have the same one; one reference. Nobody is charged. */
struct rf_cert *sim_cert_get(struct sim_shard *shard, struct rf_view der);
struct sim_commit *sim_disk_prepare(struct sim_node *n, const struct rf_persist_op *ops, size_t count,
                                    uint64_t token);
void sim_disk_commit(struct sim_node *n, struct sim_commit *commit); /* takes the rows */
void sim_commit_free(struct sim_node *n, struct sim_commit *commit);
void sim_disk_load(struct sim_node *n);
void sim_disk_wipe(struct sim_node *n);

/* engine.c */
extern const struct rf_engine_ops sim_engine;
/* sim_engine_record appends what a channel that is up would send for one message. Errors: those of out. */
int sim_engine_record(struct sim_node *n, struct rf_view message, uint32_t sequence, struct rf_buf *out);

/* plan.c */
int sim_plan_new(struct rf_sim *sim);
void sim_plan_free(struct rf_sim *sim);
/* sim_plan_stop_holds: a planned stop is still meant (churn may have changed) */
bool sim_plan_stop_holds(const struct sim_node *n, const struct sim_event *e);
uint64_t sim_plan_next(const struct rf_sim *sim);            /* when the plan wants to be asked again */
void sim_plan_run(struct rf_sim *sim);                       /* everything due at sim->now_us */
void sim_plan_started(struct sim_node *n, uint64_t now_us);  /* churn draws the session's end */
void sim_plan_stopped(struct sim_node *n, uint64_t now_us);  /* and the pause's */
void sim_plan_shutdown(struct sim_node *n, uint64_t now_us); /* it ends now, by itself, and comes back */

/* liar.c */
int sim_liars_new(struct rf_sim *sim); /* draws those of all `corrupt` steps */
void sim_liar_free(struct sim_node *n);
bool sim_liar_id(const struct sim_node *n, struct rf_id *out); /* a Node-ID that it claimed; false: none */
void sim_liars_begin(struct rf_sim *sim, size_t step);
void sim_liars_heal(struct rf_sim *sim);
void sim_liar_wake(struct sim_node *n); /* SIM_EVENT_LIE */
/* sim_liar_in appends to `plain` what a liar's node gets of a record; sim_liar_out what its links get; false: `in` as it is. */
void sim_liar_in(struct sim_node *n, struct rf_view in, struct rf_buf *plain);
bool sim_liar_out(struct sim_node *n, struct rf_view in, struct rf_buf *plain);

/* work.c */
int sim_work_new(struct rf_sim *sim);
void sim_work_free(struct rf_sim *sim);
void sim_work_rate(struct rf_sim *sim, enum rf_sim_op_type op, enum rf_sim_group group, double rate);
void sim_work_plan(struct rf_sim *sim, uint64_t until_us); /* posts the operations until then */
void sim_work_begin(struct sim_node *n, enum rf_sim_op_type type, uint32_t target, uint64_t expect);
void sim_work_judge(struct rf_sim *sim);

/* replicas.c: how many resources those in charge do not agree about; and all that nodes hold, for the history */
struct sim_ring;
size_t sim_replicas_disagree(const struct rf_sim *sim, const struct sim_ring *ring);
void sim_replicas_audit(const struct rf_sim *sim, struct sim_history *h);

/* record.c */
void sim_record_life(struct sim_node *n, enum sim_life_type type);
void sim_record_split(struct rf_sim *sim); /* as the nodes' sides are now */
void sim_record_heal(struct rf_sim *sim);
void sim_record_ring(struct rf_sim *sim, bool right); /* what a probe found */
void sim_record_judge(struct rf_sim *sim);
int sim_record_metric(const struct rf_sim *sim, const char *what, uint64_t from_us, uint64_t to_us,
                      double *out);

/* capacity.c */
double sim_power(const struct sim_node *n);     /* of an ordinary node 1 */
double sim_cpu_power(const struct sim_node *n); /* likewise, its CPU: of a supernode super_cpu */
void sim_capacity_config(const struct sim_node *n, struct rf_node_config *config);
void sim_watch_begin(struct sim_node *n, uint64_t now_us);
void sim_watch_waited(struct sim_node *n, uint64_t us);
void sim_watch_look(struct sim_node *n, uint64_t now_us); /* it may shut down now */

/* stats.c */
int sim_stats_new(struct rf_sim *sim);
void sim_stats_free(struct rf_sim *sim);
void sim_stats_sample(struct rf_sim *sim);
void sim_stats_probe(struct rf_sim *sim);
void sim_stats_mark(struct rf_sim *sim);
void sim_stats_wave(struct rf_sim *sim, uint64_t end_us); /* nodes are killed from now until then */
void sim_histogram_add(struct sim_histogram *h, uint64_t us);

#endif
