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
 * maintain.c periodic work; tuning.c how much is worth while; selftune.c RFC 7363; lost.c neighbors that vanished; client.c the client;
 * role.c the change from one to the other; route.c routing decisions.
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
/* Of a change of our tables those hear who learn something by it (tables.c): the next neighbor on the other side, at most once in CHORD_NEXT_ROUND_US;
 * clients at once when our range changed, other peers at most once in CHORD_FAR_ROUND_US. */
#define CHORD_NEXT_ROUND_US (1 * CHORD_S)
#define CHORD_FAR_ROUND_US  (300 * CHORD_S)
/* When CHORD_HECTIC neighbors were lost within CHORD_HECTIC_US, neighbors are asked sooner whether they agree. */
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
#define CHORD_AGREE_QUIET_US (45 * CHORD_S) /* heard of more recently: not asked, unless after a change */
#define CHORD_CHECK_TRY_US   (1 * CHORD_S)  /* a check's transmissions: 4, a second apart */
#define CHORD_CHECK_TRIES    4
#define CHORD_QUIET_CALL_US  (2 * CHORD_S) /* after that an Update has arrived, or its link is found broken */
#define CHORD_PULL_US        (5 * CHORD_S) /* a node is asked for its Update at most that often */
#define CHORD_PURSUE_US      (1 * CHORD_S)
#define CHORD_REATTACH_US    (1 * CHORD_S) /* a node whose link broke is tried again if it is named after that */
#define CHORD_YIELD_US                                                                                       \
    (3 * CHORD_S) /* so long a new predecessor may take to attach to us, before we attach to it */
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
#define CHORD_RETIRE_US       (60 * CHORD_S) /* a peer that is to be a client hands over so long at most */
#define CHORD_RETIRE_TRY_US   (100 * CHORD_MS)
#define CHORD_BACKOFF_US      (1 * CHORD_S) /* join retries: random in 0 .. that * 2^n, at most: */
#define CHORD_BACKOFF_MAX_US  (60 * CHORD_S)
#define CHORD_REFUSED_MAX     8 /* JoinReqs refused in a row before backing off */
#define CHORD_RESUME_TRIES    3 /* bootstraps that fail before a peer that was in the ring goes on alone */
#define CHORD_CROWD_US        (60 * CHORD_S) /* several peers lost that fast: we fell out of the ring */
#define CHORD_FINGER_LOW_US   (5 * CHORD_S)  /* finger search: from that, doubling while nothing is found */
#define CHORD_FINGER_PINGS    4              /* per search */
#define CHORD_FINGER_SURE     4              /* peers in a slot by estimate: no Ping before the Attach */
/* another node is tried for a finger slot: from that on, doubling after so many, up to chord-update-interval */
#define CHORD_NEARER_US     (30 * CHORD_S)
#define CHORD_NEARER_TRIES  4
#define CHORD_NEARER_LIFE_S 1200 /* only where peers live that long */
/* So many links a node keeps for each second of the mean life of peers: their making then costs about the same, whatever the life (measured:
 * docs/decisions/0014-upkeep-under-churn.md). Never fewer than CHORD_LINKS_LEAST. */
#define CHORD_LINKS_PER_S 0.105
#define CHORD_LINKS_LEAST 12
#define CHORD_LOSSES      32            /* that are remembered */
#define CHORD_HEARD       16            /* estimates of others */
#define CHORD_ALONE_US    (5 * CHORD_S) /* partition check of a lone peer: from that, doubling */
/* ---- two rings become one: docs/decisions/0015-merging-rings.md ---- */
#define CHORD_PARTITION_US    (60 * CHORD_S)  /* so often all peers together make about ... */
#define CHORD_PARTITION_COUNT 4               /* ... so many partition checks */
#define CHORD_LOST_MAX        32              /* lost neighbors that are remembered */
#define CHORD_WAVE_US         (150 * CHORD_S) /* within that time ... */
#define CHORD_WAVE_PART       4               /* ... one of so many neighbors lost is a wave */
#define CHORD_REDIAL_US       (5 * CHORD_S)   /* between dials to those: from that, doubling, */
#define CHORD_REDIAL_MAX_US   (60 * CHORD_S)  /* ... to that */
#define CHORD_LOST_KEEP_US    (3600 * CHORD_S)
#define CHORD_CLIENT_CHECK_US                                                                                \
    (60 * CHORD_S) /* a client asks its home who is in charge of it: after that, doubling up to */
#define CHORD_CLIENT_CALM_US  (1920 * CHORD_S)
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
    X(redials, "neighbors lost in a wave that were dialled")                                                 \
    X(redials_answered, "... that answered")                                                                 \
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
    struct rf_list owed; /* in t->owed_list while it is owed something, and perhaps a moment longer */
    struct rf_id node;
    uint8_t admitted; /* enum chord_admitted */
    uint8_t owe;      /* enum chord_owe */
    bool peer;        /* in the ring: sent an Update, or we admitted it */
    bool wanted;      /* the link was made at our wish and is ours to release */
    bool attached;    /* ... by an Attach, which asked for an Update */
    bool suspect;
    bool left;     /* sent a Leave */
    bool spare;    /* of a client: not needed since needed_us */
    bool handover; /* admitted; its place is told when its data are there */
    bool told;     /* got an Update of ours over this link */
    bool unnamed;  /* its last Update should have named us, and did not: it did not know us */
    uint64_t link;
    uint64_t owe_us; /* when that is sent at the latest */
    uint64_t up_us, heard_us, needed_us, told_us, pulled_us, handover_us;
    uint64_t named_us;  /* when an Update of its last named us among its neighbors, 0: the last one did not */
    uint64_t agreed_us; /* when its Update last named us as its neighbor beside it */
    struct rf_id missed_by; /* who did not name it: told of it when it has shown to live; len 0: nobody */
    unsigned pulls;         /* unanswered by an Update */
    unsigned failed_checks; /* in a row */
    unsigned bad_hints;
    uint32_t
        told_tables; /* t->tables_count when our last Update with lists went there, 0: none did over this link */
    uint32_t uptime_s;                 /* as of its last Update, */
    uint64_t uptime_us;                /* ... which came then, 0: none */
    uint8_t succ_named, pred_named;    /* how many neighbors its last Update named, 0: none was here */
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

enum chord_purpose { FOR_NEIGHBOR, FOR_FINGER, FOR_PARTITION, FOR_LOST, FOR_PLACE, FOR_GUEST, FOR_RESERVE };
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
    ALARM_LOST,  /* dial a lost neighbor */
    ALARM_SWEEP, /* release links */
    ALARM_JOIN,  /* the joiner's or client's step took too long, or its back-off ended */
    ALARM_HOLD, /* storage is told: the hold-down after a successor's failure is over, or a neighbor came anew */
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
    unsigned
        outside; /* bootstrap nodes that were not in the ring, and no other was left: up to what counts */
    unsigned refused; /* JoinReqs in a row */
    unsigned chain;   /* nodes found by the chain of Pings */
    unsigned asked;   /* times the present step was repeated */
};

struct chord_client {
    struct rf_id home, reserve; /* len 0: none */
    struct rf_id target;        /* to become home when its link is up, len 0: none */
    struct rf_id *list;         /* named by home: its successors, then its predecessors; owned */
    size_t list_count;
    bool informed;     /* home's Update was here */
    bool guest;        /* home is not in charge of our Node-ID */
    bool target_guest; /* target will not be */
    uint8_t failures,
        reserve_failures;      /* Attaches to our place, and of reserves, that came to nothing, in a row */
    uint8_t refusals;          /* of homes, in a row */
    uint8_t reserve_refusals;  /* in a row */
    uint64_t reserve_after_us; /* no reserve is asked before */
    struct chord_call *locate; /* borrowed */
    unsigned checks;
    uint64_t check_us; /* until the next check, about */
    uint64_t moved_us; /* when this computer moved last; 0: it did not */
};

/* Losses of peers, for the estimate of how long they live. */
struct chord_tuning {
    uint64_t lost_us[CHORD_LOSSES]; /* a ring */
    size_t lost_count;              /* in all */
    struct rf_self_tuning
        heard[CHORD_HEARD]; /* estimates of others since the last period (selftune.c): a ring */
    size_t heard_count;
};

struct rf_topology {
    const struct rf_env *env; /* borrowed */
    struct rf_topology_params params;
    struct rf_topology_host host;
    enum rf_topology_state state;
    bool first, was_joined, closing;
    uint64_t start_us;
    uint64_t crowd_us; /* when we last knew two other peers or more */

    struct rf_map conns;      /* chord_conn by Node-ID */
    struct rf_list conn_list; /* the same, in the order in which they came */
    struct rf_list owed_list; /* those that are owed an Update, in the order in which they came to be */
    struct rf_list calls;
    struct chord_attach *attaches; /* owned; at most CHORD_MAX_ATTACHES */
    size_t attach_count, attach_cap;
    uint64_t token_us; /* when the attach budget was last filled */
    double tokens;

    struct ring ring;
    uint32_t tables_count;       /* changes of the tables, from 1 */
    struct chord_tables *tables; /* as of the last settle; a peer's: owned, a client's: no_tables */
    struct candidates candidates;
    struct chord_tuning *tuning; /* owned; NULL: nobody was lost yet, and nobody's estimate heard */

    struct rf_timer timer; /* wakes for the earliest alarm */
    uint64_t alarm_us[ALARM_COUNT];
    uint64_t flushed_us;
    size_t handover_count;
    size_t stabilize_turn, check_turn;
    unsigned nearer_tries;
    uint64_t lost_us[CHORD_HECTIC]; /* when the last neighbors were lost, latest first */
    bool agree_soon;                /* the tables changed since neighbors were asked */
    uint64_t changed_us;            /* when they did */
    uint64_t finger_wait_us, alone_wait_us;
    bool partition_waiting;    /* a bootstrap link was asked for to check for a partition */
    struct chord_losses *lost; /* owned; NULL: no neighbor was lost yet */
    size_t leaves;             /* LeaveReqs unanswered */
    uint64_t leave_until_us;   /* LEAVING: storage may hand over until then; 0: it is not waited for */

    struct chord_join join;
    struct chord_client client;
    struct rf_chord_counters *counters;
};

/* ---- chord.c ---- */
static inline uint64_t chord_now(const struct rf_topology *t)
{
    return t->env->now->mono_us;
}
void chord_alarm_in(struct rf_topology *t, enum chord_alarm alarm, uint64_t delay_us);
/* chord_alarm_soon sets it only if it is not set or later. */
void chord_alarm_soon(struct rf_topology *t, enum chord_alarm alarm, uint64_t delay_us);
void chord_alarm_stop(struct rf_topology *t, enum chord_alarm alarm);
uint64_t chord_about(struct rf_topology *t, uint64_t us);         /* random in 3/4 .. 5/4 of it */
uint64_t chord_backoff(struct rf_topology *t, unsigned attempts); /* full jitter */
/* chord_wait: a random time below `us` and below the longest back-off of the parameters. */
uint64_t chord_wait(struct rf_topology *t, uint64_t us);
void chord_set_state(struct rf_topology *t, enum rf_topology_state state);
#define chord_log(t, level, ...) rf_log_write((t)->env->log, RF_LOG_##level, "chord", __VA_ARGS__)

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
/* chord_redial asks for a link with a node at the address where it was; false: nobody knows it, or at a limit. */
bool chord_redial(struct rf_topology *t, const struct rf_id *node);
uint64_t chord_attach_age(const struct rf_topology *t, const struct rf_id *target); /* 0: none under way */
void chord_attach_forget(struct rf_topology *t,
                         const struct rf_id *target); /* how it ends is of no interest any more */
void chord_attaches_lost(struct rf_topology *t,
                         const struct rf_id *informer); /* its link is gone, so are those through it */
bool chord_attaching(const struct rf_topology *t, const struct rf_id *target);
/* chord_attach_claim: a link is there; was it asked for? conn->admitted is set if so; lost: it was a redial. */
bool chord_attach_claim(struct rf_topology *t, struct chord_conn *conn, bool *lost);
void chord_attaches_expire(struct rf_topology *t);
void chord_on_refused(struct rf_topology *t, const struct rf_id *target, const struct rf_redirect *redirect);
void chord_on_attached(struct rf_topology *t, const struct rf_id *target, const struct rf_id *node,
                       int error);

/* ---- tables.c ---- */
/* chord_tables_set gives a peer empty tables of its own, a client none. Errors: RF_ENOMEM, of a peer: nothing changes. */
int chord_tables_set(struct rf_topology *t, bool peer);
/* chord_settle draws the consequences of a changed ring. */
enum chord_loss { NO_LOSS, LOSS_BY_FAILURE, LOSS_BY_SILENCE, LOSS_BY_LEAVE };
void chord_settle(struct rf_topology *t, enum chord_loss loss);
/* chord_peer_up: a linked node has shown to be a peer. */
void chord_peer_up(struct rf_topology *t, struct chord_conn *conn);
enum chord_lost { LOST_LINK, LOST_RELEASED, LOST_DEAD, LOST_LEFT, LOST_DEMOTED };
/* chord_peer_lost takes a node out of the ring; LINK and DEAD free `conn`. */
void chord_peer_lost(struct rf_topology *t, struct chord_conn *conn, enum chord_lost how);
/* chord_peer_anew: a peer comes over another link before the old one was seen to end: to storage a neighbor was lost, and is back. */
void chord_peer_anew(struct rf_topology *t, const struct rf_id *node);
/* chord_joined: we have our place. Tells everybody and starts the maintenance. */
void chord_joined(struct rf_topology *t);
void chord_alone(struct rf_topology *t);
void chord_maintain_start(struct rf_topology *t);
void chord_maintain_stop(struct rf_topology *t);

/* ---- update.c ---- */
/* chord_owe: an Update is to be sent to it, at once. chord_owe_within: at most one in `round_us`, so that more changes go with it. */
void chord_owe(struct rf_topology *t, struct chord_conn *conn, enum chord_owe what);
void chord_owe_within(struct rf_topology *t, struct chord_conn *conn, enum chord_owe what, uint64_t round_us);
void chord_owe_neighbors(struct rf_topology *t);
/* chord_owe_range: our range changed; clients and peers that are no neighbors hear of it. */
void chord_owe_range(struct rf_topology *t);
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

/* ---- tuning.c ---- */
void chord_tuning_lost(struct rf_topology *t);                /* a peer failed or left */
struct chord_tuning *chord_tuning_own(struct rf_topology *t); /* makes it at first need; NULL: no memory */
size_t chord_tuning_losses(const struct rf_topology *t);
/* chord_tuning_ages: how long linked peers have been up, seconds, as far as they told; chord_tuning_sort: the least first. */
size_t chord_tuning_ages(const struct rf_topology *t, double *out, size_t max);
void chord_tuning_sort(double *values, size_t count);
double chord_life_s(const struct rf_topology *t); /* estimated mean of peers' lives */
void chord_tune(struct rf_topology *t);           /* says how many links are wanted; before ring_tune */

/* ---- selftune.c ---- */
void chord_selftune(struct rf_topology *t); /* the period of stabilization is over */
bool chord_tuning_tell(const struct rf_topology *t, struct rf_self_tuning *out);
void chord_tuning_hear(struct rf_topology *t, const struct rf_self_tuning *data);

/* ---- lost.c ---- */
void chord_lost_deinit(struct rf_topology *t);
void chord_lost_note(struct rf_topology *t, const struct rf_id *node); /* a neighbor, without a Leave */
void chord_lost_back(struct rf_topology *t, const struct rf_id *node); /* it is a peer of ours (again) */
void chord_lost_look(struct rf_topology *t);
void chord_lost_found(struct rf_topology *t, struct chord_conn *conn); /* a redial made this link */

/* ---- join.c ---- */
void chord_join_start(struct rf_topology *t, uint64_t delay_us);
void chord_join_stop(struct rf_topology *t);
/* chord_join_through: from the place search on, by way of a peer that we are linked with. */
void chord_join_through(struct rf_topology *t, const struct chord_conn *through);
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

/* ---- role.c: of rf_topology_ops ---- */
void chord_retire(struct rf_topology *t);
bool chord_retire_waits(struct rf_topology *t); /* storage has not handed over everything */
int chord_become(struct rf_topology *t, enum rf_topology_role role);

/* ---- client.c ---- */
void chord_client_start(struct rf_topology *t);
void chord_client_stop(struct rf_topology *t);
void chord_client_asked_away(struct rf_topology *t, const struct rf_redirect *redirect);
void chord_client_moved(struct rf_topology *t);
void chord_client_alarm(struct rf_topology *t);
void chord_client_check(struct rf_topology *t);
void chord_client_sweep(struct rf_topology *t);
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
bool chord_other_hop(const struct rf_topology *t, const struct rf_id *key, const struct rf_id *tried,
                     size_t tried_count, struct rf_rng *rng, struct rf_id *out);
bool chord_as_close(const struct rf_topology *t, const struct rf_id *signer, const struct rf_id *key);
size_t chord_replicas(const struct rf_topology *t, struct rf_id *out, size_t max);
bool chord_is_peer(const struct rf_topology *t, const struct rf_id *node);
bool chord_ring_is_single(const struct rf_topology *t);
bool chord_may_replicate(const struct rf_topology *t, const struct rf_id *sender, const struct rf_id *key);
bool chord_should_hold(const struct rf_topology *t, const struct rf_id *key);
bool chord_owner(const struct rf_topology *t, const struct rf_id *key, struct rf_id *out);
size_t chord_status(const struct rf_topology *t, struct rf_topology_status_entry *out, size_t max);
double chord_share(const struct rf_topology *t);
double chord_size(const struct rf_topology *t);

#endif
