/*
 * chord.h - the topology plugin CHORD-RELOAD (reload.md section 5): its object, and what its files use of each other.
 *
 * A peer's life. IDLE -> start -> JOINING (join.c) -> an Update of the admitting peer names us its predecessor -> JOINED -> leave ->
 * LEAVING -> IDLE. Losing all other peers of a ring that had several leads from JOINED back to JOINING.
 * A client's life (client.c). JOINING -> linked with the peer in charge of our Node-ID -> JOINED; all supernodes lost -> JOINING.
 *
 * What is known. `conns` mirrors the Connection Table (link_up, link_down). `ring` holds those of them that are peers: they sent an
 * Update or were admitted by us; the neighbor and finger tables are read off it. `candidates` are nodes named by others.
 * Every event ends in chord_settle, which compares the neighbor tables with what they were and does all that follows from a change:
 * Updates owed, storage told, state changed. What is unfinished (wanted neighbors without a link) is pursued by chord_pursue.
 *
 * Who does what: conns.c links, calls and attaches under way; tables.c settle; update.c Updates and RouteQuery; join.c the joiner,
 * admit.c the admitting peer, leave.c both sides of leaving; pursue.c wanted neighbors; check.c liveness and agreement of neighbors;
 * maintain.c periodic work; client.c the client; route.c routing decisions.
 */
#ifndef RF_OVERLAY_CHORD_CHORD_H
#define RF_OVERLAY_CHORD_CHORD_H

#include "base/assert.h"
#include "base/error.h"
#include "base/list.h"
#include "base/map.h"
#include "overlay/chord/candidates.h"
#include "overlay/chord/ring.h"
#include "overlay/topology.h"

#define CHORD_MS ((uint64_t)1000)
#define CHORD_S  ((uint64_t)1000000)

/* ---- numbers; why they are so: docs/decisions/0008-topology.md and 0012-fingers-and-routing.md ---- */
#define CHORD_ROUND_US (200 * CHORD_MS) /* at most one reactive round of Updates in that time */
/* The nearest CHORD_NEAR per side, and clients, are told of every change; all others get at most one Update in CHORD_FAR_ROUND_US, unless
 * CHORD_HECTIC neighbors were lost within CHORD_HECTIC_US: then nobody waits, and neighbors are asked sooner. */
#define CHORD_NEAR          3
#define CHORD_FAR_ROUND_US  (5 * CHORD_S)
#define CHORD_HECTIC        3
#define CHORD_HECTIC_US     (5 * CHORD_S)
#define CHORD_BATCH_COUNT   64 /* Updates sent at once; the next batch follows */
#define CHORD_BATCH_US      (20 * CHORD_MS)
#define CHORD_CHECK_LOW_US  (10 * CHORD_S) /* neighbors show that they live at a random time from .. to */
#define CHORD_CHECK_HIGH_US (15 * CHORD_S)
#define CHORD_QUIET_US      (8 * CHORD_S)  /* heard of more recently: no keep-alive */
#define CHORD_WATCHED       2              /* nearest per side that get a keep-alive at each check */
#define CHORD_AGREE_LOW_US  (60 * CHORD_S) /* ... and asked how they see the ring from .. to */
#define CHORD_AGREE_HIGH_US (120 * CHORD_S)
#define CHORD_AGREE_SOON_US                                                                                  \
    (10 * CHORD_S) /* after a change of the neighbor tables, half of it more or less */
#define CHORD_AGREE_QUIET_US  (45 * CHORD_S) /* heard of more recently: not asked, unless after a change */
#define CHORD_CHECK_TRY_US    (1 * CHORD_S)  /* a check's transmissions: 4, a second apart */
#define CHORD_CHECK_TRIES     4
#define CHORD_PULL_US         (5 * CHORD_S) /* a node is asked for its Update at most that often */
#define CHORD_PURSUE_US       (1 * CHORD_S)
#define CHORD_REATTACH_US     (2 * CHORD_S) /* rest of a node whose link broke, before we try it again */
#define CHORD_ATTACH_RATE     5 /* Attaches per second that Updates can make us send, and at once: */
#define CHORD_ATTACH_BURST    24
#define CHORD_MAX_ATTACHES    48             /* under way */
#define CHORD_ATTACH_US       (30 * CHORD_S) /* an Attach that the host never ended */
#define CHORD_SWEEP_US        (15 * CHORD_S)
#define CHORD_GRACE_US        (60 * CHORD_S) /* a link of ours that no table needs is kept that long */
#define CHORD_MAX_BAD_HINTS   24 /* candidates of one informer that failed; halves with every sweep */
#define CHORD_HANDOVER_US     (3 * CHORD_S) /* a joiner gets its place at the latest after that */
#define CHORD_HANDOVER_TRY_US (50 * CHORD_MS)
#define CHORD_LEAVE_US        (2 * CHORD_S)
#define CHORD_BACKOFF_US      (1 * CHORD_S) /* join retries: random in 0 .. that * 2^n, at most: */
#define CHORD_BACKOFF_MAX_US  (60 * CHORD_S)
#define CHORD_REFUSED_MAX     8 /* JoinReqs refused in a row before backing off */
#define CHORD_RESUME_TRIES    3 /* bootstraps that fail before a peer that was in the ring goes on alone */
#define CHORD_CROWD_US        (60 * CHORD_S) /* several peers lost that fast: we fell out of the ring */
#define CHORD_FINGER_LOW_US   (5 * CHORD_S)  /* finger search: from that, doubling while nothing is found */
#define CHORD_FINGER_PINGS    4              /* per search */
/* another node is tried for a finger slot: from that on, doubling after so many, up to chord-update-interval */
#define CHORD_NEARER_US       (30 * CHORD_S)
#define CHORD_NEARER_TRIES    4
#define CHORD_ALONE_US        (5 * CHORD_S) /* partition check of a lone peer: from that, doubling */
#define CHORD_CLIENT_CHECK_US (60 * CHORD_S)
#define CHORD_CLIENT_GRACE_US (10 * CHORD_S) /* likewise, of a client: others wait for the place */

#define CHORD_COUNTERS(X)                                                                                    \
    X(joins, "times this node came into the ring or to a supernode")                                         \
    X(rejoins, "times it lost everybody and joined again")                                                   \
    X(join_retries, "joins that were tried again")                                                           \
    X(joins_accepted, "JoinReqs accepted")                                                                   \
    X(joins_refused, "JoinReqs refused")                                                                     \
    X(leaves_received, "Leaves accepted")                                                                    \
    X(updates_sent, "Updates sent")                                                                          \
    X(updates_received, "Updates accepted")                                                                  \
    X(updates_refused, "Updates malformed or from a node without a link")                                    \
    X(hints_ignored, "nodes named by informers whose earlier hints failed, or beyond what is wanted")        \
    X(route_queries, "RouteQueries answered")                                                                \
    X(checks, "checks of neighbors sent")                                                                    \
    X(checks_failed, "checks that nobody answered")                                                          \
    X(checks_disagreed, "neighbors that saw the ring differently")                                           \
    X(attaches, "Attaches asked for")                                                                        \
    X(attaches_failed, "Attaches that failed")                                                               \
    X(attaches_limited, "Attaches put off: too many per second")                                             \
    X(fingers_tried, "nodes tried as nearer fingers")                                                        \
    X(finger_pings, "Pings in search of fingers")                                                            \
    X(partition_checks, "partition checks")                                                                  \
    X(partitions_found, "partition checks that found another ring")                                          \
    X(neighbors_lost, "neighbors that failed or left")                                                       \
    X(range_changes, "changes of the range we are responsible for")                                          \
    X(links_released, "links given up: no table needed them")                                                \
    X(homes_changed, "client: changes of the supernode")                                                     \
    X(refusals, "client: times a supernode had no room for us")                                              \
    X(guests, "client: times we became the guest of a supernode that is not in charge of us")                \
    X(failovers, "client: times the supernode in reserve took over")                                         \
    X(no_memory, "events lost for want of memory")
RF_COUNTERS(chord, CHORD_COUNTERS)

struct chord_call;

enum chord_owe { OWE_NOTHING, OWE_READY, OWE_NEIGHBORS, OWE_FULL }; /* ordered: what includes more is later */

/* What a client is to a supernode that it asked. */
enum chord_admitted { ADMITTED_NOT, ADMITTED_RESERVE, ADMITTED_HOME };

/* A node we are linked with. */
struct chord_conn {
    struct rf_map_node by_node;
    struct rf_list list;
    struct rf_id node;
    uint64_t link;
    bool peer;     /* in the ring: sent an Update, or we admitted it */
    bool wanted;   /* the link was made at our wish and is ours to release */
    bool attached; /* ... by an Attach, which asked for an Update */
    enum chord_admitted admitted;
    bool suspect;
    bool left;     /* sent a Leave */
    bool handover; /* admitted; its place is told when its data are there */
    bool told;     /* got an Update of ours over this link */
    enum chord_owe owe;
    uint64_t up_us, heard_us, needed_us, told_us, pulled_us, handover_us;
    unsigned pulls;         /* unanswered by an Update */
    unsigned failed_checks; /* in a row */
    unsigned bad_hints;
    uint32_t uptime_s;                 /* as of its last Update */
    struct rf_id successor;            /* the nearest that its last Update named; len 0: none */
    uint32_t rtt_us;                   /* of calls over this link, 0: not measured */
    struct chord_call *update, *check; /* under way, borrowed */
};

/* A call of ours that is under way. */
struct chord_call {
    struct rf_list list;
    struct rf_topology *t;
    rf_call_id id;
    struct rf_id node; /* whom it asks, len 0: a Resource-ID */
    uint64_t link;     /* over which, 0: routed */
    uint64_t sent_us;
    struct rf_id key;
    int kind;
    void (*done)(struct chord_call *call, const struct rf_reply *reply); /* not after destroy has begun */
};

enum chord_purpose { FOR_NEIGHBOR, FOR_FINGER, FOR_PARTITION, FOR_PLACE, FOR_GUEST, FOR_RESERVE };
struct chord_attach {
    struct rf_id target;
    struct rf_id informer; /* who named it, len 0: nobody */
    enum chord_purpose purpose;
    uint64_t start_us, deadline_us;
    bool resource;
    bool routed;   /* through the informer */
    bool answered; /* told to have succeeded, the link is still to come */
};

struct chord_tables {
    struct rf_id succ[RING_MAX_NEIGHBORS], pred[RING_MAX_NEIGHBORS]; /* nearest first */
    size_t succ_count, pred_count;
};

enum chord_alarm {
    ALARM_FLUSH,     /* send the Updates owed */
    ALARM_PURSUE,    /* attach to wanted neighbors */
    ALARM_CHECK,     /* neighbors alive */
    ALARM_AGREE,     /* ... and agreed */
    ALARM_STABILIZE, /* the periodic Update to the next neighbor */
    ALARM_FINGERS,
    ALARM_NEARER, /* try another finger for a slot */
    ALARM_PARTITION,
    ALARM_SWEEP, /* release links */
    ALARM_JOIN,  /* the joiner's or client's step took too long, or its back-off ended */
    ALARM_HOLD,  /* the hold-down after a successor's failure is over */
    ALARM_HANDOVER,
    ALARM_LEAVE,
    ALARM_COUNT
};

/* The joiner, and the client looking for its supernode. Steps in join.c and client.c. */
enum chord_step {
    STEP_NONE,
    STEP_WAIT,
    STEP_BOOTSTRAP,
    STEP_LOCATE,
    STEP_REDIRECTED,
    STEP_INFORM,
    STEP_NEIGHBORS,
    STEP_REQUEST,
    STEP_PLACE,
    STEP_SETTLE
};
struct chord_join {
    enum chord_step step;
    struct rf_id boot; /* bootstrap node, len 0: none */
    uint64_t boot_link;
    struct rf_id admitting;  /* AP, len 0: unknown */
    struct chord_call *call; /* JoinReq, RouteQuery or Ping under way, borrowed */
    unsigned attempts;       /* failed in a row */
    unsigned boot_failures;  /* in a row */
    unsigned refused;        /* JoinReqs in a row */
    unsigned chain;          /* nodes found by the chain of Pings */
    unsigned asked;          /* times the present step was repeated */
};

struct chord_client {
    struct rf_id home, reserve; /* len 0: none */
    struct rf_id target;        /* to become home when its link is up, len 0: none */
    struct rf_id *list;         /* named by home: its successors, then its predecessors; owned */
    size_t list_count;
    bool informed;             /* home's Update was here */
    bool guest;                /* home is not in charge of our Node-ID */
    bool target_guest;         /* target will not be */
    unsigned refusals;         /* of homes, in a row */
    unsigned reserve_refusals; /* in a row */
    uint64_t reserve_after_us; /* no reserve is asked before */
    struct chord_call *locate; /* borrowed */
    unsigned checks;
};

struct rf_topology {
    struct rf_env env;
    struct rf_topology_params params;
    struct rf_topology_host host;
    enum rf_topology_state state;
    bool first, was_joined, closing;
    uint64_t start_us;
    uint64_t crowd_us; /* when we last knew two other peers or more */

    struct rf_map conns;      /* chord_conn by Node-ID */
    struct rf_list conn_list; /* the same, in the order in which they came */
    struct rf_list calls;
    struct chord_attach *attaches; /* owned; at most CHORD_MAX_ATTACHES */
    size_t attach_count, attach_cap;
    uint64_t token_us; /* when the attach budget was last filled */
    double tokens;

    struct ring ring;
    struct chord_tables tables; /* as of the last settle */
    struct candidates candidates;

    struct rf_timer timer; /* wakes for the earliest alarm */
    uint64_t alarm_us[ALARM_COUNT];
    uint64_t flushed_us;
    size_t handover_count;
    size_t stabilize_turn, check_turn;
    unsigned nearer_tries;
    uint64_t lost_us[CHORD_HECTIC]; /* when the last neighbors were lost, latest first */
    bool agree_soon;                /* the tables changed since neighbors were asked */
    uint64_t finger_wait_us, alone_wait_us;
    bool partition_waiting; /* a bootstrap link was asked for to check for a partition */
    size_t leaves;          /* LeaveReqs unanswered */

    struct chord_join join;
    struct chord_client client;
    struct rf_chord_counters counters;
};

/* ---- chord.c ---- */
static inline uint64_t chord_now(const struct rf_topology *t)
{
    return t->env.now->mono_us;
}
void chord_alarm_in(struct rf_topology *t, enum chord_alarm alarm, uint64_t delay_us);
/* chord_alarm_soon sets it only if it is not set or later. */
void chord_alarm_soon(struct rf_topology *t, enum chord_alarm alarm, uint64_t delay_us);
void chord_alarm_stop(struct rf_topology *t, enum chord_alarm alarm);
uint64_t chord_about(struct rf_topology *t, uint64_t us);         /* random in 3/4 .. 5/4 of it */
uint64_t chord_backoff(struct rf_topology *t, unsigned attempts); /* full jitter */
void chord_set_state(struct rf_topology *t, enum rf_topology_state state);
#define chord_log(t, level, ...) rf_log_write((t)->env.log, RF_LOG_##level, "chord", __VA_ARGS__)

/* ---- conns.c ---- */
void chord_conns_init(struct rf_topology *t);
void chord_conns_deinit(struct rf_topology *t);
struct chord_conn *chord_conn_find(const struct rf_topology *t,
                                   const struct rf_id *node); /* NULL: not linked */
/* chord_conn_touch finds or makes the record; NULL: no memory. */
struct chord_conn *chord_conn_touch(struct rf_topology *t, const struct rf_id *node, uint64_t link);
void chord_conn_free(struct rf_topology *t, struct chord_conn *conn); /* cancels its calls */
/* chord_conn_release gives the link back to the host and forgets it. */
void chord_conn_release(struct rf_topology *t, struct chord_conn *conn);

/* chord_call sends; NULL: could not. Fields of `call` but dests, code, body, link and the transmissions are filled here. */
struct chord_call *chord_call(struct rf_topology *t, struct rf_call *call,
                              void (*done)(struct chord_call *call, const struct rf_reply *reply));
void chord_call_cancel(struct chord_call *call);
/* chord_call_ping asks the peer in charge of `key` who it is: over `link` (0: routed), through `via` unless NULL. */
struct chord_call *chord_call_ping(struct rf_topology *t, const struct rf_id *key, const struct rf_id *via,
                                   uint64_t link,
                                   void (*done)(struct chord_call *call, const struct rf_reply *reply));
/* chord_call_route_query asks a linked node for its next hop to `dest`, with CHORD_CHECK_TRY_US between transmissions. */
struct chord_call *chord_call_route_query(struct rf_topology *t, const struct chord_conn *conn,
                                          const struct rf_dest *dest, bool send_update, unsigned tries,
                                          void (*done)(struct chord_call *call,
                                                       const struct rf_reply *reply));

/* chord_attach asks for a link; false: at a limit (then try again later). `rated`: it counts against the budget. */
bool chord_attach(struct rf_topology *t, const struct rf_id *target, bool resource,
                  const struct rf_id *informer, uint64_t link, enum chord_purpose purpose, bool rated);
uint64_t chord_attach_age(const struct rf_topology *t, const struct rf_id *target); /* 0: none under way */
void chord_attach_forget(struct rf_topology *t,
                         const struct rf_id *target); /* how it ends is of no interest any more */
void chord_attaches_lost(struct rf_topology *t,
                         const struct rf_id *informer); /* its link is gone, so are those through it */
bool chord_attaching(const struct rf_topology *t, const struct rf_id *target);
/* chord_attach_claim: a link is there; was it asked for? admitted: as what, set if so. */
bool chord_attach_claim(struct rf_topology *t, const struct rf_id *node, enum chord_admitted *admitted);
void chord_attaches_expire(struct rf_topology *t);
void chord_on_refused(struct rf_topology *t, const struct rf_id *target, const struct rf_redirect *redirect);
void chord_on_attached(struct rf_topology *t, const struct rf_id *target, const struct rf_id *node,
                       int error);

/* ---- tables.c ---- */
/* chord_settle draws the consequences of a changed ring. */
enum chord_loss { NO_LOSS, LOSS_BY_FAILURE, LOSS_BY_LEAVE };
void chord_settle(struct rf_topology *t, enum chord_loss loss);
/* chord_peer_up: a linked node has shown to be a peer. */
void chord_peer_up(struct rf_topology *t, struct chord_conn *conn);
enum chord_lost { LOST_LINK, LOST_DEAD, LOST_LEFT, LOST_DEMOTED };
/* chord_peer_lost takes a node out of the ring; LINK and DEAD free `conn`. */
void chord_peer_lost(struct rf_topology *t, struct chord_conn *conn, enum chord_lost how);
/* chord_joined: we have our place. Tells everybody and starts the maintenance. */
void chord_joined(struct rf_topology *t);
void chord_alone(struct rf_topology *t);
void chord_maintain_start(struct rf_topology *t);
void chord_maintain_stop(struct rf_topology *t);

/* ---- update.c ---- */
void chord_owe(struct rf_topology *t, struct chord_conn *conn, enum chord_owe what);
void chord_owe_neighbors(struct rf_topology *t);
void chord_owe_all(struct rf_topology *t);
void chord_flush(struct rf_topology *t);
void chord_update_send(struct rf_topology *t, struct chord_conn *conn, enum chord_owe what);
void chord_on_update(void *arg, struct rf_request *request);
void chord_on_route_query(void *arg, struct rf_request *request);
void chord_pull(struct rf_topology *t, struct chord_conn *conn); /* ask it for its full Update */
/* The lists of an Update as we use them: sorted from the sender outwards, cut. */
struct chord_news {
    struct rf_id succ[RING_MAX_NEIGHBORS], pred[RING_MAX_NEIGHBORS];
    size_t succ_count, pred_count;
    const struct rf_id_list *fingers;
    bool lists; /* not peer_ready */
};

/* ---- pursue.c ---- */
/* chord_pursue attaches to the nodes that belong into the neighbor tables; returns how many are still to come. */
size_t chord_pursue(struct rf_topology *t);

/* ---- check.c ---- */
void chord_check(struct rf_topology *t, struct chord_conn *conn);
void chord_check_round(struct rf_topology *t);
void chord_agree_round(struct rf_topology *t);
void chord_agree_soon(struct rf_topology *t);
bool chord_hectic(const struct rf_topology *t); /* several neighbors were lost a moment ago */

/* ---- maintain.c ---- */
void chord_stabilize(struct rf_topology *t);
void chord_fingers_search(struct rf_topology *t);
void chord_fingers_nearer(struct rf_topology *t);
void chord_partition_check(struct rf_topology *t);
void chord_partition_link(struct rf_topology *t, struct chord_conn *boot);
void chord_sweep(struct rf_topology *t);

/* ---- join.c ---- */
void chord_join_start(struct rf_topology *t, uint64_t delay_us);
void chord_join_stop(struct rf_topology *t);
void chord_join_alarm(struct rf_topology *t);
void chord_join_bootstrap(struct rf_topology *t, struct chord_conn *boot); /* NULL: failed */
void chord_join_attached(struct rf_topology *t, const struct rf_id *node, int error);
void chord_join_news(struct rf_topology *t, struct chord_conn *from, const struct chord_news *news);
void chord_join_lost(struct rf_topology *t, const struct rf_id *node);
void chord_join_step(struct rf_topology *t); /* something happened that may let it go on */

/* ---- admit.c, leave.c ---- */
void chord_on_join(void *arg, struct rf_request *request);
void chord_handover_poll(struct rf_topology *t);
void chord_on_leave(void *arg, struct rf_request *request);
void chord_leave(struct rf_topology *t);
void chord_leave_done(struct rf_topology *t);

/* ---- client.c ---- */
void chord_client_start(struct rf_topology *t);
void chord_client_alarm(struct rf_topology *t);
void chord_client_check(struct rf_topology *t);
void chord_client_checked(struct rf_topology *t, struct chord_conn *conn, const struct rf_id *named);
void chord_client_pursue(struct rf_topology *t);
void chord_client_bootstrap(struct rf_topology *t, struct chord_conn *boot); /* NULL: failed */
void chord_client_attached(struct rf_topology *t, const struct rf_id *target, const struct rf_id *node,
                           int error, enum chord_purpose purpose);
void chord_client_refused(struct rf_topology *t, const struct rf_redirect *redirect,
                          enum chord_purpose purpose);
void chord_client_link(struct rf_topology *t, struct chord_conn *conn);
void chord_client_lost(struct rf_topology *t, const struct rf_id *node);
void chord_client_news(struct rf_topology *t, struct chord_conn *from, const struct chord_news *news);

/* ---- route.c: the questions of rf_topology_ops ---- */
bool chord_responsible(const struct rf_topology *t, const struct rf_id *key);
bool chord_in_range(const struct rf_topology *t, const struct rf_id *key);
bool chord_next_hop(const struct rf_topology *t, const struct rf_id *key, struct rf_id *out);
bool chord_as_close(const struct rf_topology *t, const struct rf_id *signer, const struct rf_id *key);
size_t chord_replicas(const struct rf_topology *t, struct rf_id *out, size_t max);
bool chord_is_peer(const struct rf_topology *t, const struct rf_id *node);
bool chord_ring_is_single(const struct rf_topology *t);
bool chord_may_replicate(const struct rf_topology *t, const struct rf_id *sender, const struct rf_id *key);
bool chord_should_hold(const struct rf_topology *t, const struct rf_id *key);
bool chord_owner(const struct rf_topology *t, const struct rf_id *key, struct rf_id *out);
size_t chord_status(const struct rf_topology *t, struct rf_topology_status_entry *out, size_t max);
double chord_share(const struct rf_topology *t);

#endif
