/* internal.h - the node's inside, shared by the files of this folder only. */
#ifndef RF_NODE_INTERNAL_H
#define RF_NODE_INTERNAL_H

#include "base/list.h"
#include "base/map.h"
#include "ice/ice.h"
#include "node/node.h"
#include "usage/turn.h"
#include "usage/usages.h"
#include "wire/admit.h"
#include "wire/attach.h"
#include "wire/path.h"
#include "wire/role.h"

#define NODE_MAX_LISTEN      8
#define NODE_MAX_PEERS       32   /* remembered supernodes */
#define NODE_CLIENTS_DEFAULT 4000 /* of a supernode */
#define FLOWS_DEFAULT        20
#define FLOWS_MIN            3 /* home, another one while home moves, and somebody to speak with */
#define NODE_MAX_APPS        4
#define NODE_MAX_DIALS       256 /* under way for others' Attaches */
#define NODE_MAX_TODO        64  /* addresses that one round of bootstrapping tries */
#define NODE_QUIET_HOME                                                                                      \
    2 /* times as long a client's link with its home may be silent, if it has a reserve, */
#define NODE_QUIET_RESERVE  3 /* ... and that with its reserve */
#define NODE_APP_TIMEOUT_US (12 * RF_US_PER_S)
#define NODE_APP_AGAIN_US   (4 * RF_US_PER_S)

/* One entry of the queue to the shell; memory for its borrowed parts lives in `region`. */
struct node_out {
    struct rf_list list;
    struct rf_node_out out;
    struct rf_region region;
};

/*
 * One Attach or AppAttach of ours. States: CALLING (request sent, not answered) -> EXPECTING (answered: the answerer connects to us) ->
 * gone (link up, or failed). An Error_In_Progress moves CALLING to EXPECTING as well: the other side's own Attach makes the link.
 * A client may make the connection itself meanwhile: outward.c. With ICE it is GATHERING first: path.c. WAITING: before all that, for room for
 * another connection: cap.c.
 */
enum attach_state { ATTACH_CALLING = 1, ATTACH_EXPECTING, ATTACH_GATHERING, ATTACH_WAITING, ATTACH_STANDING };
struct attach {
    struct rf_list list; /* in node->attaches */
    struct rf_node *node;
    enum attach_state state;
    struct rf_id target; /* Node-ID, or Resource-ID */
    bool resource;
    bool send_update;
    enum rf_admit_wish wish; /* of a client: to be admitted */
    bool promised;           /* EXPECTING: the answer said that they dial */
    bool yields;             /* EXPECTING: theirs is served instead */
    bool owes_update;        /* their own Attach, which gave way to this one, asked for an Update */
    struct rf_id peer;       /* who answered; unset while CALLING a resource */
    uint16_t application;    /* 0: overlay link */
    struct rf_view user;  /* owned copy: AppAttach only, the name the certificate must carry; may be empty */
    struct rf_view route; /* owned copy: AppAttach only, the way to the target; may be empty */
    struct rf_id via;     /* Attach only: who told us of the target; unset: it is routed */
    uint64_t over;        /* Attach only: the link that it leaves by, 0: any */
    bool again;           /* AppAttach only: asked for the second time */
    bool relayed;        /* AppAttach only: a path with a relay was looked for since there was none without */
    rf_link_id standing; /* STANDING: the connection that is being asked */
    struct path *path;   /* the one that is being made, NULL: without ICE */
    bool iced;           /* Attach only: asked with ICE already */
    bool uncome;         /* Attach only: they were to dial us, and did not come */
    bool outward;        /* a client's: the request says that we dial, */
    bool passive;        /* ... and the answer that they do not */
    bool dialled;        /* EXPECTING: we have dialled them ourselves, */
    rf_link_id dial;     /* ... which is under way, 0: it is not */
    struct rf_addr *addrs; /* owned; a client's, whom it answered: where they listen */
    size_t addr_count;
    uint64_t called_us; /* when the request was sent */
    rf_call_id call;
    struct rf_timer timer;                               /* EXPECTING: the connection is due */
    void (*done)(void *arg, int error, rf_link_id conn); /* AppAttach */
    void *arg;
};

/* A way that ICE finds, and the link over it; see path.c and path_restart.c. */
enum path_state { PATH_WAITING = 1, PATH_GATHERING, PATH_SIGNALLING, PATH_CHECKING };
struct path {
    struct rf_list list; /* in paths->all */
    struct rf_map_node by_session, by_link;
    struct rf_node *node;
    rf_ice_id session; /* 0: WAITING */
    rf_link_id link;   /* 0: none yet */
    enum path_state state;
    uint64_t begun_us;
    bool server;                /* the request was ours */
    uint16_t idle_s;            /* agreed: it may be idle for so long; 0: as long as any */
    bool owes_update;           /* theirs, an Attach: it asked for an Update once the link is up */
    bool up;                    /* its link was, or is */
    struct rf_id peer;          /* ours to a Resource-ID: that, until it is answered */
    uint16_t application;       /* 0: overlay link */
    struct attach *attach;      /* ours, until its link is up */
    struct rf_request *request; /* theirs, deferred, until it is answered */
    /* path_restart.c */
    uint8_t name[RF_PATH_NAME_MAX]; /* the ufrag of the request that it began with */
    uint8_t name_len;               /* 0: theirs was too long */
    bool asks;                      /* a restart of ours: it is not answered yet */
    bool wanted;                    /* a restart is to be tried again when the timer runs */
    uint8_t tries;                  /* in vain */
    uint64_t asked_us, served_us;   /* when we, when they began one last; 0: never */
    rf_call_id call;
    struct rf_view route; /* owned copy: the way to the peer, may be empty */
    struct rf_timer timer;
};

#define NODE_PATH_STUN 2
/* What the shell sends and receives by datagrams, and streams to relays; NULL in a node that has none. */
struct paths {
    struct rf_ice *ice;
    struct rf_list all;
    struct rf_map by_session, by_link;
    size_t count;
    uint16_t bases;                      /* bit per base that there is */
    struct rf_addr stun[NODE_PATH_STUN]; /* supernodes that are asked how they see us */
    size_t stun_count;
    uint64_t asked_us; /* since when */
    struct {
        struct rf_addr addr;
        bool stream, tls;
        struct rf_id node;     /* whose it is */
        uint8_t number;        /* of ice/ */
        uint64_t user;         /* hash of what it logs in with */
        bool unserved;         /* it made no allocation with that */
    } relays[RF_ICE_MAX_TURN]; /* path_relay.c */
    size_t relay_count;
    bool relay_asked, unrelayed;      /* unrelayed: nobody has one, for now */
    uint64_t unrelayed_us, failed_us; /* failed: when ICE found no way last, 0: it did not */
    struct rf_timer relay_timer;      /* whoever waits has waited long enough */
    struct rf_ice_wrap wrap;
    struct rf_list streams; /* stream.c */
    size_t stream_count;    /* of those that are not being closed */
    uint8_t stream_way; /* RF_RELAY_TCP or RF_RELAY_TLS: the sort that leads anywhere, or may; 0: unknown */
};
#define NODE_FLOW_STREAM (UINT64_C(1) << 62) /* in the flow numbers of streams */

/* What an Attach or AppAttach says about one end of a path; views borrowed from ice/. */
struct path_params {
    struct rf_view ufrag, password;
    struct rf_ice_candidate candidates[RF_ICE_MAX_LOCAL];
    size_t count;
};

/* The body of an Attach (application 0) or AppAttach; borrowed from its region. */
struct offer {
    uint16_t application;
    struct rf_view ufrag, password, role;
    const struct rf_ice_candidate *candidates;
    size_t candidate_count;
    bool send_update;
};

/* One connection that is being made for somebody's Attach or AppAttach, until it is up or has failed. */
struct dial {
    struct rf_list list; /* in node->dials */
    struct rf_id peer;
    uint16_t application;
    bool owes_update; /* the Attach asked for an Update once it is up */
    bool client;      /* it is one that says so */
    rf_link_id link;
};

/* A node that a supernode is linked with, or has promised to be; see admit.c. */
enum visitor_kind { VISITOR_NEW, VISITOR_HOME, VISITOR_RESERVE, VISITOR_PEER, VISITOR_KINDS };
struct visitor {
    struct rf_map_node by_node;
    struct rf_id node;
    enum visitor_kind kind;
    size_t links;        /* 0: promised */
    uint64_t since_us;   /* of this kind */
    uint64_t dialled_us; /* when we dialled it back last; 0: never */
    bool asked_away;
    bool owes_update; /* it is to dial us, and its Attach asked for an Update once it has */
};
struct admission {
    struct rf_map visitors;
    size_t counts[VISITOR_KINDS];
    size_t promised; /* of these have no link yet */
    unsigned sweeps;
    struct rf_timer timer;
    bool closed; /* we are about to be a client: nobody is admitted any more */
};

/* Role AUTO; see role.c. What supernodes need to answer stands here, too, whatever their role. */
#define ROLE_APPLICATION                                                                                     \
    1 /* of the links that only show that a node can be reached; no port number of anybody */
#define ROLE_WITNESSES 2
#define ROLE_SEEN      4
#define ROLE_SAMPLES   8
#define ROLE_PROBE_US  (15 * RF_US_PER_S) /* who is asked to dial is there after that, or not */
enum role_step {
    ROLE_FIXED, /* role is not AUTO */
    ROLE_WAITING,
    ROLE_PROBING,
    ROLE_READY,
    ROLE_CHOSEN,
    ROLE_JOINING,
    ROLE_SERVING,
    ROLE_MOVING,
    ROLE_RETIRING
};
struct auto_role {
    enum role_step step;
    struct rf_timer timer;
    uint64_t uptime_us, interval_us, idle_us;
    uint32_t min_ring;
    struct {
        struct rf_id node;
        uint64_t at_us;
    } seen[ROLE_SEEN]; /* supernodes that connected with us */
    size_t seen_count;
    rf_link_id
        way; /* a link made to be dialled back from its other end, or that an Attach of ours asked for, 0: none */
    bool called;       /* that Attach is under way */
    size_t sought;     /* such links so far */
    struct rf_id home; /* as it answered last: */
    uint8_t home_load;
    uint16_t candidates;
    uint32_t ring_size;
    uint8_t samples[ROLE_SAMPLES]; /* load of others */
    size_t sample_count;           /* in all */
    unsigned redraws;
    bool needed, asked_again, half_granted, returning;
    uint64_t deadline_us;   /* JOINING, MOVING, RETIRING */
    uint64_t low_since_us;  /* SERVING: there is too little to do since then, 0: there is not */
    uint64_t not_before_us; /* no supernode again before */
    /* as a supernode */
    uint16_t asked[2]; /* candidates in the last window and in this one, which began at */
    uint64_t window_us;
    size_t dials; /* back, under way */
    struct rf_id granted_to;
    uint64_t granted_until_us;
};

/* Who takes the connections of one application. */
struct node_app {
    uint16_t application;
    struct rf_node_app app;
};

/* One application connection that is up. */
struct app_conn {
    struct rf_list list;
    rf_link_id link;
    struct rf_id node_id;
    uint16_t application;
    bool outgoing;    /* we asked for it */
    bool held;        /* somebody needs it even while nothing goes over it */
    uint64_t used_us; /* when more than a keep-alive went over it last */
};

struct bootstrap {
    bool active;        /* a round is under way */
    size_t round_count; /* rounds that failed in a row */
    size_t wish_count;  /* links asked for since we were joined */
    size_t linked,
        outside; /* in this round: links that came up, and nodes at their ends that are not in the ring */
    uint64_t started_us;  /* first round since the node started or was lost */
    uint64_t round_us;    /* this round */
    struct rf_addr first; /* tried before all others until we are joined again; family 0: none */
    struct rf_addr *todo; /* during a round; owned */
    size_t todo_count, todo_next;
    rf_link_id dialling; /* 0 = none */
    int last_error;
    struct rf_addr last_addr;
};

/* Where a peer listens that we are or were linked with. */
struct contact {
    struct rf_id node;
    struct rf_addr addr;
};

struct redial {
    struct contact *contacts; /* owned; no order */
    size_t count, cap, next;
    rf_link_id dialling; /* 0 = none */
    struct rf_id target;
    struct rf_timer timer; /* a client's: home's link is suspect */
};

/*
 * What a node has to do with relays, see relay.c; made when it is first needed.
 */
#define RELAY_CANDIDATES 8
struct relay_texts {
    char user[RF_RELAY_TEXT_MAX + 1], password[RF_RELAY_TEXT_MAX + 1], realm[RF_RELAY_TEXT_MAX + 1];
    char names[RF_RELAY_SERVERS][RF_RELAY_TEXT_MAX + 1];
};
struct node_relay {
    struct rf_node *node;
    /* as a supernode */
    bool serving, quiet;
    uint8_t secret[RF_TURN_SECRET_LEN];
    uint8_t name_key[RF_SHA256_LEN]; /* makes names of users into what budgets go by */
    uint32_t lifetime_s;
    struct rf_relay_said offer; /* realm and servers */
    struct relay_texts offer_texts;
    struct rf_turnreg *turnreg; /* our entries; NULL: there never were any */
    /* as one who needs one */
    bool given;
    struct rf_id giver;
    struct rf_relay_said lease;
    struct relay_texts lease_texts;
    uint64_t given_us, expires_us;
    struct rf_list waiters; /* struct relay_waiter */
    struct rf_timer timer;  /* tells waiters what is at hand */
    bool searching;
    struct rf_id candidates[RELAY_CANDIDATES]; /* asked, from the front on, and to be asked */
    size_t candidate_count, candidate_next;
    unsigned looks;
    struct rf_id avoided; /* it did not serve us: not asked until avoid_us */
    uint64_t avoid_us;
};

struct rf_node {
    struct rf_env env;
    struct rf_timers timers;
    struct rf_now now;
    struct rf_crypto *crypto;
    const struct rf_engine_ops *engine_ops, *datagram_ops;
    struct rf_engine *engine; /* of streams; borrowed from links */
    struct rf_conf *conf;
    struct rf_trust *trust;
    struct rf_identity identity;
    struct rf_view key_pem; /* owned, wiped */
    enum rf_node_role role;
    struct rf_addr *listen; /* owned */
    size_t listen_count;
    char *software;
    size_t max_links, max_links_per_address, max_store_bytes, max_clients, handshakes_per_s, requests_per_s;
    uint64_t backoff_max_us;
    size_t max_flows; /* as a client; see cap.c */
    bool no_reserve;

    struct rf_node_counters counters;
    struct rf_links *links;
    struct rf_overlay *overlay;
    struct rf_store *store;
    struct rf_usages *usages;
    struct rf_chat *chat; /* owned; NULL: it has none; see chat.c */

    struct rf_list outs;      /* struct node_out */
    struct node_out *current; /* that rf_node_next gave last */
    struct rf_list attaches;
    size_t attach_count;
    struct rf_list dials;
    size_t dial_count;
    struct paths *paths; /* owned; NULL: no datagrams */
    struct rf_list app_conns;
    struct node_app *apps; /* owned */
    size_t app_count;

    struct admission admission;
    uint64_t undialled_us;       /* when it showed that nobody can dial us, 0: it did not; see outward.c */
    struct auto_role *auto_role; /* owned; NULL: a client by configuration */
    struct node_relay *relay;    /* owned; NULL: it had to do with none so far */
    struct returns *returns;     /* owned; NULL: no client lost its link so far; see returns.c */
    struct checkup *checkup;     /* under way, or NULL */
    uint64_t keepalive_us,
        silence_max_us;      /* silence_max: a link may be silent for so long, if both ends want it */
    struct binding *binding; /* owned; NULL: it learns nothing of NATs; see binding.c */
    struct binding_help *binding_help; /* owned; NULL: nobody wanted help to learn */
    struct bootstrap bootstrap;
    struct redial redial;
    struct rf_addr *peers; /* newest first; owned */
    size_t peer_count;
    bool peers_dirty;

    struct rf_timer upkeep_timer; /* certificate, remembered peers, links */
    uint64_t rechecked_us;
    bool twins;        /* two links with one node came about */
    struct rf_id home; /* a client's, while it is joined */
    struct rf_timer leave_timer;
    uint64_t started_us;
    bool started, leaving, left, joined, revoked, expired_told, expiring_told, clock_told;
    bool register_on, registered, guest;
    struct rf_node_tap tap;
};

/* queue.c */
struct node_out *node_out_new(struct rf_node *node, enum rf_node_out_type type);
/* node_out_free: for an entry that could not be filled; NULL is fine */
void node_out_free(struct rf_node *node, struct node_out *o);
/* node_event queues news; returns it for further fields, or NULL: out of memory. */
struct node_out *node_event(struct rf_node *node, enum rf_node_event_type type, const struct rf_id *id,
                            const struct rf_addr *addr, int error, const char *format, ...)
    __attribute__((format(printf, 6, 7)));
void node_outs_deinit(struct rf_node *node);

/* doorway.c: the first act of every rf_node_* that is given the time; then what the node is to the rooms below it */
struct rf_node *node_enter(struct rf_node *node, struct rf_now now);
const struct rf_link_host *node_link_host(struct rf_node *node, struct rf_link_host *host);
const struct rf_overlay_host *node_overlay_host(struct rf_node *node, struct rf_overlay_host *host);
const struct rf_store_host *node_store_host(struct rf_node *node, struct rf_store_host *host);

/* attach.c */
int node_attach_init(struct rf_node *node); /* registers the methods Attach and AppAttach */
void node_attach_deinit(struct rf_node *node);
void node_attach_wish(void *ctx, const struct rf_id *target, bool resource, const struct rf_id *via,
                      uint64_t link, bool send_update); /* rf_overlay_host.attach */
/* standing: a connection with it that must be asked whether it still leads there, 0: there is none. */
int node_attach_app(struct rf_node *node, const struct rf_app_target *target, rf_link_id standing,
                    void (*done)(void *arg, int error, rf_link_id conn), void *arg);
/* rf_overlay_host.admit */
void node_attach_admit(void *ctx, const struct rf_id *target, bool resource, const struct rf_id *via,
                       uint64_t link, bool reserve);
/* node_attach_for_client: did we dial this link for a node that says it is a client? */
bool node_attach_for_client(const struct rf_node *node, rf_link_id link);
void node_attach_link_up(struct rf_node *node, const struct rf_link_info *link);
/* node_attach_link_down: this one is not being made any more. up: because it is up. */
void node_attach_link_down(struct rf_node *node, rf_link_id link, bool up);

/* node_attach_gathered: the candidates of a->path are known: the request goes out. node_attach_pathless: a->path came to nothing. */
int node_attach_gathered(struct attach *a);
void node_attach_pathless(struct attach *a, int error);
/* node_attach_answer_path answers a deferred AppAttach with our end of the path. */
int node_attach_answer_path(struct rf_node *node, struct rf_request *request, const struct path *p);
/* attach_end ends an attach of ours, and tells whoever wanted it; `a` is gone after that. attach_expect: the connection is due in time_us. */
void attach_end(struct attach *a, int error, const struct rf_id *peer, rf_link_id conn);
void attach_expect(struct attach *a, uint64_t time_us);
/* attach_call sends its request. Errors: RF_EINVAL, RF_ELIMIT: of its route; those of rf_overlay_call. */
int attach_call(struct attach *a);
/* attach_ice: an Attach is asked with ICE, if it was not yet; what was begun goes on. False: that cannot be. */
bool attach_ice(struct attach *a);
/* attach_new: CALLING, NULL: too many or no memory. attach_twin: another of ours for the same target and purpose. attach_cancel ends the call, if one is under way. */
struct attach *attach_new(struct rf_node *node, const struct rf_id *target, bool resource,
                          uint16_t application);
struct attach *attach_twin(struct rf_node *node, const struct rf_id *target, bool resource,
                           uint16_t application);
void attach_cancel(struct attach *a);
void attach_free(struct attach *a);

/* attach_app.c */
int attach_app_begin(struct attach *a); /* there is room for its connection; errors as attach_call */
void attach_app_ready(struct attach *a, rf_link_id link, const struct rf_id *peer); /* attach.c */
bool attach_app_due(struct attach *a); /* its timer fired; false: there is nothing more to try */
uint64_t
attach_patience_us(const struct attach *a); /* how long their connection is waited for after the answer */
/* node_attach_must_ask: does nobody know whether a connection that stands still leads anywhere? */
bool node_attach_must_ask(const struct rf_node *node, const struct rf_link_info *link);

/* attach_theirs.c */
/* attach_answer answers theirs. */
int attach_answer(struct rf_node *node, struct rf_request *request, uint16_t application, const char *role,
                  const struct path *path);
/* attach_enough: has this node had us dial, or connected with us, as often as it may? attach_refuse_more says so. */
bool attach_enough(struct rf_node *node, const struct rf_id *them, uint16_t application);
void attach_refuse_more(struct rf_node *node, struct rf_request *request);
/* attach_give_way: theirs was accepted, ours wait for their connection. attach_theirs_over: that did not come about: ours are asked anew. */
void attach_give_way(struct rf_node *node, const struct rf_id *them, uint16_t application);
void attach_theirs_over(struct rf_node *node, const struct rf_id *them, uint16_t application);
/* An overlay link with this node is up. attach_update_owed: is it sent an Update? attach_drop_other_dials: other connections that we are still making to it would be twins. */
bool attach_update_owed(struct rf_node *node, const struct rf_id *peer);
void attach_drop_other_dials(struct rf_node *node, const struct rf_id *peer, rf_link_id link);
void attach_theirs_deinit(struct rf_node *node);

/* offer.c */
#define NODE_OFFER_ADDRS 8 /* of theirs that we try */
/* node_offer_put writes the body of an Attach (application 0) or AppAttach. path: of an AppAttach with ICE, NULL: without. Errors: RF_ENOMEM, those of node_path_put. */
int node_offer_put(const struct rf_node *node, uint16_t application, const char *role, bool send_update,
                   const struct path *path, struct rf_buf *out);
/* node_offer_get reads one: of an Attach, or an AppAttach. Errors: those of rf_attach_decode, rf_app_attach_decode. */
int node_offer_get(bool app, struct rf_view body, struct rf_region *region, struct offer *out);
/* node_offer_addrs: their addresses that we can dial, best first. */
size_t node_offer_addrs(const struct rf_ice_candidate *candidates, size_t count,
                        struct rf_addr out[NODE_OFFER_ADDRS]);

/* path.c */
int node_paths_init(struct rf_node *node);
void node_paths_deinit(struct rf_node *node);
bool node_path_usable(const struct rf_node *node);
/* node_path_ask begins a path for an AppAttach of ours; node_attach_gathered follows, later. Errors: RF_ELIMIT, RF_ENOMEM. */
int node_path_ask(struct attach *a);
/* node_paths_look: perhaps there is another supernode now that can be asked how others see us; node_paths_lost: those of before may be gone. */
void node_paths_look(struct rf_node *node);
void node_paths_lost(struct rf_node *node);
/* node_paths_probe asks them once more. node_path_fares: how datagrams fare, and at which address others see them (family 0: unknown). */
void node_paths_probe(struct rf_node *node);
enum rf_node_datagrams node_path_fares(const struct rf_node *node, struct rf_addr *seen);
/* node_path_open: the relay's credentials are there, or not worth waiting for any more: sessions of all that wait are opened. */
void node_paths_open(struct rf_node *node);
/* node_path_stuck: no way without a relay. node_path_relay_known: have paths one, with credentials that are good now? */
void node_path_stuck(struct rf_node *node);
bool node_path_relay_known(const struct rf_node *node);
/* node_path_put gives what the request or the answer says. Errors: RF_EAGAIN. */
int node_path_put(const struct path *p, struct path_params *out);
/* node_path_answered: ours was answered. Errors: those of rf_ice_start and rf_links_attach_path. */
int node_path_answered(struct attach *a, const struct offer *answer, struct rf_view extensions);
void node_path_drop(struct attach *a); /* `a` ends; a link that is up stays */
/* node_path_offered: does it have candidates for ICE? node_path_asked: theirs, with such candidates; it is settled later. False: it was refused. */
bool node_path_offered(const struct offer *offer);
/* node_path_make_room ends, if as many as `max` of this node's are being looked for, the oldest of them, unless it is young. */
void node_path_make_room(struct rf_node *node, const struct rf_id *peer, uint16_t application, size_t max);
bool node_path_asked(struct rf_node *node, struct rf_request *request, uint16_t application);
/* node_path_owe: their Attach asked for an Update; node_path_owes: did one? */
void node_path_owe(struct rf_node *node, const struct rf_id *peer);
bool node_path_owes(const struct rf_node *node, const struct rf_id *peer);
/* node_path_count: how many of theirs there are from this node that are not made. */
size_t node_path_count(const struct rf_node *node, const struct rf_id *peer, uint16_t application);
void node_path_link_up(struct rf_node *node, rf_link_id link);
void node_path_link_down(struct rf_node *node, rf_link_id link, int reason);
/* node_paths_configure: there is a new document: without ICE there are no paths. */
void node_paths_configure(struct rf_node *node);
/* node_path_action: one of link/'s that may concern a path or be a datagram; false: it is done. node_path_next: one of ice/'s. */
bool node_path_action(struct rf_node *node, struct rf_node_out *out);
bool node_path_next(struct rf_node *node, struct rf_node_out *out);
/* node_path_stream_message: a whole one came by a stream. */
void node_path_stream_message(struct rf_node *node, uint32_t stream, struct rf_view message);

/* path_end: it failed; its link ends with it, and its attach hears of it. path_open begins its session, or begins it anew. path_start hands theirs to ice/, path_answer answers p->request as well. */
void path_end(struct rf_node *node, struct path *p, int error);
int path_open(struct rf_node *node, struct path *p);
int path_start(struct path *p, const struct offer *offer);
int path_answer(struct rf_node *node, struct path *p);

/* path_restart.c */
/* path_restart looks for the way of a path whose link is up anew; errors are dealt with. path_restart_failed: it cannot go on. */
void path_restart(struct path *p);
void path_restart_failed(struct path *p, int error);
void path_restart_vain(struct path *p); /* the checks led to nothing */
/* path_route_put appends how we are reached if our Node-ID alone does not lead to us; path_route_take notes what the other end says of that. */
void path_route_put(const struct rf_node *node, struct rf_buf *out);
void path_route_take(struct path *p, struct rf_view extensions);
void path_restart_gathered(struct path *p);
/* path_restart_watch: a pair was selected: is it one to do better than? path_restart_init, _stop: the path begins, ends. */
void path_restart_init(struct path *p);
void path_restart_watch(struct path *p, const struct rf_ice_info *info);
void path_restart_stop(struct path *p);
/* path_name: it is called by this ufrag from now on. path_name_of: empty: it has none. */
void path_name(struct path *p, struct rf_view ufrag);
struct rf_view path_name_of(const struct path *p);
/* node_path_restart_asked takes the request if it is about a path that stands; false: it is about none. */
bool node_path_restart_asked(struct rf_node *node, struct rf_request *request, uint16_t application);

/* path_relay.c */
/* node_path_thrifty: flows are few, so paths are relayed, over one flow. node_path_flows: how many paths need beside their links; thrifty: in place of them. */
bool node_path_thrifty(const struct rf_node *node);
size_t node_path_flows(const struct rf_node *node);
/* node_path_made: is its link up? */
bool node_path_made(const struct rf_node *node, const struct path *p);
/* node_path_relay_tls: whose relay is spoken with by TLS at that address; NULL: none. */
const struct rf_id *node_path_relay_tls(const struct rf_node *node, const struct rf_addr *addr);
/* node_path_relays_forget: there are no paths any more. */
void node_path_relays_forget(struct rf_node *node);
/* node_path_relay_unserved: this server of ice/ has made no allocation; error as RF_ICE_OUT_UNSERVED. */
void node_path_relay_unserved(struct rf_node *node, uint8_t number, int error);
/* node_path_relay_hoped: might somebody have one for us? */
bool node_path_relay_hoped(const struct rf_node *node);
/* node_path_relay: is what can be known of relays known to ice/? False: it is being asked for, node_paths_open follows. */
bool node_path_relay(struct rf_node *node);

/* stream_tls.c; wire, plain: appended to. Errors: those of the engine and of rf_trust_cert, RF_EMISMATCH another node. */
struct stream_tls; /* owned */
int stream_tls_new(struct rf_node *node, const struct rf_id *relay, struct rf_buf *wire,
                   struct stream_tls **out);
void stream_tls_free(struct stream_tls *tls);
bool stream_tls_is_up(const struct stream_tls *tls);
int stream_tls_input(struct stream_tls *tls, struct rf_view in, struct rf_buf *plain, struct rf_buf *wire);
int stream_tls_write(struct stream_tls *tls, struct rf_view plain, struct rf_buf *wire);

/* stream.c: what ice/ wants ... */
void node_stream_connect(struct rf_node *node, uint32_t number, const struct rf_addr *addr);
void node_stream_disconnect(struct rf_node *node, uint32_t number);
void node_stream_put(struct rf_node *node, uint32_t number, struct rf_view message);
void node_stream_send(struct rf_node *node, const struct rf_ice_wrap *wrap, struct rf_view bytes);
/* ... and the shell's side; true: the flow is a stream's. node_stream_next: false: there is nothing to do. */
bool node_stream_connected(struct rf_node *node, rf_link_id flow, const struct rf_addr *local);
/* node_streams_moved: this computer has these addresses now. */
void node_streams_moved(struct rf_node *node, const struct rf_addr *addrs, size_t count);
bool node_stream_closed(struct rf_node *node, rf_link_id flow);
bool node_stream_input(struct rf_node *node, rf_link_id flow, struct rf_view bytes);
bool node_stream_output(const struct rf_node *node, rf_link_id flow, struct rf_view *out);
bool node_stream_output_done(struct rf_node *node, rf_link_id flow, size_t len);
bool node_stream_next(struct rf_node *node, struct rf_flow_action *out);
void node_streams_deinit(struct rf_node *node);

/* outward.c */
/* Has the other end dialled us? A path that both looked for says nothing of that. */
static inline bool node_was_dialled(const struct rf_link_info *link)
{
    return !link->outgoing && !link->path;
}
bool node_outward(const struct rf_node *node); /* do we know that nobody can dial us? */
/* node_outward_note keeps where the one who answered this Attach of ours listens; copied. */
void node_outward_note(struct attach *a, const struct rf_addr *addrs, size_t count);
/* node_outward_expect: the answer is here: dials at once, or waits for their connection for a moment; false: we cannot dial this one. */
bool node_outward_expect(struct attach *a);
/* node_outward_due: that moment is over; false: it was not for that that the timer ran. */
bool node_outward_due(struct attach *a);
void node_outward_drop(struct attach *a); /* it ends */
/* node_outward_asked: does somebody whom nobody can dial ask? node_outward_answer answers his AppAttach; false: it was refused. */
bool node_outward_asked(const struct rf_node *node, const struct rf_request *request);
bool node_outward_answer(struct rf_node *node, struct rf_request *request, uint16_t application);
void node_outward_link_up(struct rf_node *node, const struct rf_link_info *link);
void node_outward_link_down(struct rf_node *node, rf_link_id link, int reason);

/* admit.c */
void node_admit_init(struct rf_node *node);
int node_admit_start(struct rf_node *node);
void node_admit_stop(struct rf_node *node); /* a client from now on */
void node_admit_deinit(struct rf_node *node);
/* node_admit_links: it has become a supernode: who is linked with it is a visitor. */
void node_admit_links(struct rf_node *node);
struct visitor *node_admit_visitor(const struct rf_node *node, const struct rf_id *id); /* NULL: not linked */
/* node_admit_alternatives chooses peers for somebody whom we cannot serve. */
size_t node_admit_alternatives(struct rf_node *node, const struct rf_id *them,
                               struct rf_id out[RF_ADMIT_ALTERNATIVES]);
/* node_admit_ask_away asks some of the clients that were not asked yet to move, by then; true: there is none left. */
bool node_admit_ask_away(struct rf_node *node, uint64_t until_us);
/* node_admit decides about an Attach; false: it was refused. dials: there is no link yet, we would have to make one. */
bool node_admit(struct rf_node *node, struct rf_request *request, bool dials);
/* node_admit_extension appends what the answer to that Attach carries beside its body; false: nothing. */
bool node_admit_extension(struct rf_node *node, const struct rf_request *request, struct rf_buf *out);
/* node_admit_link_up, _down: of an overlay link; false: there is no room for it. */
bool node_admit_link_up(struct rf_node *node, const struct rf_id *id);
void node_admit_link_down(struct rf_node *node, const struct rf_id *id);
/* node_admit_look: is it in the ring now? Then it is no client any more. */
void node_admit_look(struct rf_node *node, const struct rf_id *id);
/* node_admit_quiet: for rf_links_slow. */
uint8_t node_admit_quiet(const struct rf_node *node, const struct rf_id *id);
/* node_dials_full: as many connections as we may be making for others' Attaches are under way. */
bool node_dials_full(const struct rf_node *node);
void node_admit_status(const struct rf_node *node, struct rf_node_status *out);

/* returns.c */
/* node_returns_absent: rf_overlay_host.absent. node_returns_admitted: this link is one of a client, or with our home (or not any more). */
bool node_returns_absent(void *ctx, const struct rf_id *id, uint64_t link, struct rf_view message);
void node_returns_admitted(struct rf_node *node, rf_link_id link, bool keep);
/* node_returns_link_up, after the overlay was told; older: the link that messages took before, 0: none. node_returns_link_down, before anybody else is told; true:
 * node_returns_stray follows, after the overlay was told, and sends what the link has not acknowledged by way of others. */
void node_returns_link_up(struct rf_node *node, const struct rf_link_info *link, rf_link_id older);
bool node_returns_link_down(struct rf_node *node, const struct rf_link_info *link);
void node_returns_stray(struct rf_node *node, rf_link_id link);
void node_returns_suspect(struct rf_node *node, rf_link_id link, bool suspect);
void node_returns_stop(struct rf_node *node); /* a client from now on, or leaving */
void node_returns_deinit(struct rf_node *node);

/* binding.c, binding_help.c */
#define BINDING_APPLICATION                                                                                  \
    2 /* of connections that only show how long they last; no port number of anybody */
int node_binding_init(struct rf_node *node, const struct rf_node_config *config);
void node_binding_deinit(struct rf_node *node);
/* node_binding_look: home, or our link with it, may be another one. node_binding_late: rf_link_host.late. node_binding_suspect: a link is suspect, or not any more. */
void node_binding_look(struct rf_node *node);
void node_binding_late(void *ctx, rf_link_id link);
void node_binding_suspect(struct rf_node *node, rf_link_id link, bool suspect);
/* True: it is about bindings, and dealt with. */
bool node_binding_link_up(struct rf_node *node, const struct rf_link_info *link);
bool node_binding_link_down(struct rf_node *node, const struct rf_link_info *link);
bool node_binding_data(struct rf_node *node, rf_link_id link, struct rf_view bytes);
bool node_binding_datagram(struct rf_node *node, uint8_t base, const struct rf_addr *remote,
                           struct rf_view bytes);
bool node_binding_asked(struct rf_node *node, struct rf_request *request); /* exp_a */
/* node_binding_flows: those of datagrams that are being tried, which node_binding_yield ends; false: there is none. */
size_t node_binding_flows(const struct rf_node *node);
bool node_binding_yield(struct rf_node *node);
/* node_binding_idle_s: how long the NAT keeps an idle mapping of datagrams, with a margin; 0: unknown, or not known to be the NAT that we are behind now. node_binding_doubt: a path that relied on it ended, perhaps for that. */
uint16_t node_binding_idle_s(const struct rf_node *node);
void node_binding_doubt(struct rf_node *node);
/* binding_path.c: what ours say, whether theirs say it, what was agreed; its link is up. */
void path_idle_put(const struct rf_node *node, struct rf_buf *out);
bool path_idle_wanted(struct rf_view extensions);
void path_idle_take(struct path *p, struct rf_view extensions);
void path_idle_up(const struct path *p);
/* path_idle_limit takes back what was agreed for paths that may be idle for longer than that; they are kept alive as often as ever from now on. */
void path_idle_limit(struct rf_node *node, uint64_t most_us);

/* cap.c */
enum flow_use { FLOW_WAY, FLOW_APP, FLOW_OTHER };
/* node_cap_room: may a connection be made for that? One that is less needed may be closed for it. node_cap_take: the same, counted: 0, RF_ELIMIT. */
bool node_cap_room(struct rf_node *node, enum flow_use use);
int node_cap_take(struct rf_node *node, enum flow_use use);
void node_cap_held(struct rf_node *node);          /* a call has begun: room for its sound */
int node_cap_accept(struct rf_node *node);         /* may one that others make be let in? Likewise */
bool node_cap_reserve(const struct rf_node *node); /* rf_overlay_host.reserve */
size_t node_cap_flows(const struct rf_node *node);
/* node_cap_wait: this AppAttach waits for room (RF_ENOMEM); node_cap_due: its timer ran: it goes on, waits on, or has failed. */
int node_cap_wait(struct attach *a);
void node_cap_due(struct attach *a);

/* checkup.c */
void node_checkup_dialled(struct rf_node *node,
                          const struct rf_id *by); /* it has connected with us, whatever for */
void node_checkup_deinit(struct rf_node *node);

/* app.c */
struct app_conn *node_app_conn(const struct rf_node *node, rf_link_id link); /* NULL: it is none, or not up */
const struct rf_node_app *node_app_find(struct rf_node *node, uint16_t application);
struct app_conn *node_app_conn_of(struct rf_node *node, const struct rf_id *target, uint16_t application);
void node_app_up(struct rf_node *node, const struct rf_link_info *link, bool outgoing);
void node_app_data(void *ctx, rf_link_id link, struct rf_view bytes);
void node_app_down(struct rf_node *node, const struct rf_link_info *link, int reason);
void node_app_deinit(struct rf_node *node);

/* bootstrap.c */
void node_bootstrap_wish(void *ctx);    /* rf_overlay_host.bootstrap */
bool node_bootstrap_outside(void *ctx); /* ... .outside */
bool node_bootstrap_link_up(struct rf_node *node,
                            const struct rf_link_info *link); /* true: it was a bootstrap link */
void node_bootstrap_link_down(struct rf_node *node, const struct rf_link_info *link, int reason);
void node_bootstrap_deinit(struct rf_node *node);
/* node_remember: a supernode lives there. hint: somebody says so; it does not displace many that we know ourselves. */
void node_remember(struct rf_node *node, const struct rf_addr *addr, bool hint);
bool node_knows(void *ctx, const struct rf_addr *remote); /* rf_link_host.known */
bool node_may_be_first(const struct rf_node *node);

/* redial.c */
/* node_redial_note: the peer `id` listens there. */
void node_redial_note(struct rf_node *node, const struct rf_id *id, const struct rf_addr *addr);
int node_redial_wish(void *ctx, const struct rf_id *id); /* rf_overlay_host.redial */
/* node_redial_home_addr: where a client's home listens, that it is linked with; false: not known. node_redial_suspect: this link is suspect. */
bool node_redial_home_addr(const struct rf_node *node, struct rf_addr *out);
void node_redial_suspect(struct rf_node *node, rf_link_id link);
void node_redial_link_up(struct rf_node *node, const struct rf_link_info *link);
void node_redial_link_down(struct rf_node *node, const struct rf_link_info *link, int reason);
void node_redial_deinit(struct rf_node *node);

/* node.c */
enum rf_topology_state node_state(const struct rf_node *node);
void node_left_overlay(struct rf_node *node);
/* node_own_cert checks a certificate of ours, DER, perhaps followed by intermediates. Errors: RF_EFORMAT, RF_ELIMIT, those of rf_trust_cert. */
int node_own_cert(struct rf_node *node, struct rf_view der, struct rf_cert **out);
/* node_shown_certs lists what a handshake shows of it: itself and its intermediates; borrowed from it. */
size_t node_shown_certs(const struct rf_cert *cert, struct rf_view out[RF_ENGINE_CERTS_MAX]);

/* upkeep.c */
void node_upkeep_init(struct rf_node *node);
void node_upkeep_start(struct rf_node *node);
void node_upkeep_stop(struct rf_node *node);
/* node_upkeep_soon: there is something to do for it. */
void node_upkeep_soon(struct rf_node *node);
/* node_upkeep_link_up, before the overlay is told; node_upkeep_links: after it was told of a link up or down; node_upkeep_homed: of a client. */
void node_upkeep_links(struct rf_node *node);
void node_upkeep_link_up(struct rf_node *node, const struct rf_link_info *link);
void node_upkeep_homed(struct rf_node *node, const struct rf_id *home);
void node_at_home(struct rf_node *node); /* nobody has to go through another any more to reach us */
void node_state_changed(void *ctx, enum rf_topology_state state); /* rf_overlay_host.state */

/* decide.c */
uint8_t role_load(size_t homes, size_t clients, size_t max); /* RF_ROLE_FULL = as many as there may be */
/* role_chance: with what probability one of that many candidates of a supernode becomes one, 0..1. */
double role_chance(uint8_t load, uint16_t candidates);
bool role_is_needed(uint8_t home_load, double others_load);
bool role_is_idle(uint8_t own_load, double mean_load); /* around us, ourselves not counted */
bool role_absorbs(uint8_t load);                       /* can it take what a neighbor leaves? */
int role_scope(const struct rf_addr *addr);            /* 0 this host, 1 private network, 2 everybody */

/* role.c */
int node_role_init(struct rf_node *node, const struct rf_node_config *config);
void node_role_start(struct rf_node *node);
void node_role_deinit(struct rf_node *node);
/* node_role_link_up: true: the link is not for us to use, and being closed. node_role_link_ready: it is in use. */
bool node_role_link_up(struct rf_node *node, const struct rf_link_info *link);
void node_role_link_ready(struct rf_node *node, const struct rf_link_info *link);
void node_role_link_down(struct rf_node *node, const struct rf_link_info *link);
/* node_role_address: ours that all supernodes that we know of could dial; NULL: none. */
const struct rf_addr *node_role_address(const struct rf_node *node);
void node_role_seen(struct rf_node *node, const struct rf_id *id);
bool node_role_changes(const struct rf_node *node); /* not lost: on its way from one role to the other */

/* role_serve.c */
int node_role_handle(struct rf_node *node); /* registers the method exp_a */
void node_role_sweep(struct rf_node *node); /* of a supernode: dials that nobody closed */
uint8_t node_role_load(const struct rf_node *node);
double node_role_ring_size(const struct rf_node *node);
/* node_role_side: our predecessor ('p') or successor ('s'); node_role_neighbor: some neighbor. False: there is none. */
bool node_role_side(const struct rf_node *node, char relation, struct rf_topology_status_entry *out);
bool node_role_neighbor(struct rf_node *node, struct rf_topology_status_entry *out);
void node_role_send_move(struct rf_node *node, const struct rf_id *client, uint64_t within_us);
const char *node_role_why(const struct rf_node *node); /* in plain words; constant text */

/* relay.c */
/* node_relay_answer takes the question for a relay; false: the body is none. */
bool node_relay_answer(struct rf_node *node, struct rf_request *request);
void node_relay_changed(struct rf_node *node); /* whether it is to be advertised may have */
void node_relay_online(struct rf_node *node, bool online);
void node_relay_configure(struct rf_node *node); /* there is a new document */
void node_relay_leave(struct rf_node *node);
/* node_relay_forget: the credentials at hand whose user has this hash are of no use; avoid: neither would others be that their giver could give. */
void node_relay_forget(struct rf_node *node, uint64_t login, bool avoid);
/* node_relay_stop: before the storage goes; node_relay_deinit: when nothing calls back any more. */
void node_relay_stop(struct rf_node *node);
void node_relay_deinit(struct rf_node *node);

/* relay_find.c */
/*
 * node_relay_look looks once, at a random place: `found` for every TURN-SERVICE entry there, then done; neither from inside this call. Errors: those of
 * rf_overlay_call.
 */
int node_relay_look(struct rf_node *node, void (*found)(void *arg, const struct rf_node_found_relay *found),
                    void (*done)(void *arg, int error), void *arg);

/* document.c */
void node_configured(void *ctx, struct rf_conf *conf); /* rf_overlay_host.configured */

#endif
