/* internal.h - the node's inside, shared by the files of this folder only. */
#ifndef RF_NODE_INTERNAL_H
#define RF_NODE_INTERNAL_H

#include "base/list.h"
#include "base/map.h"
#include "node/node.h"
#include "usage/usages.h"
#include "wire/admit.h"

#define NODE_MAX_LISTEN      8
#define NODE_MAX_PEERS       32   /* remembered supernodes */
#define NODE_CLIENTS_DEFAULT 4000 /* of a supernode */
#define NODE_MAX_APPS        4
#define NODE_MAX_DIALS       256 /* under way for others' Attaches */
#define NODE_MAX_TODO        64  /* addresses that one round of bootstrapping tries */
#define NODE_APP_TIMEOUT_US  (12 * RF_US_PER_S)
#define NODE_APP_AGAIN_US    (4 * RF_US_PER_S)

/* One entry of the queue to the shell; memory for its borrowed parts lives in `region`. */
struct node_out {
    struct rf_list list;
    struct rf_node_out out;
    struct rf_region region;
};

/*
 * One Attach or AppAttach of ours. States: CALLING (request sent, not answered) -> EXPECTING (answered: the answerer connects to us) ->
 * gone (link up, or failed). An Error_In_Progress moves CALLING to EXPECTING as well: the other side's own Attach makes the link.
 */
enum attach_state { ATTACH_CALLING = 1, ATTACH_EXPECTING };
struct attach {
    struct rf_list list; /* in node->attaches */
    struct rf_node *node;
    enum attach_state state;
    struct rf_id target; /* Node-ID, or Resource-ID */
    bool resource;
    bool send_update;
    enum rf_admit_wish wish; /* of a client: to be admitted */
    bool promised;           /* EXPECTING: the answer said that they dial */
    bool owes_update;        /* their own Attach, which gave way to this one, asked for an Update */
    struct rf_id peer;       /* who answered; unset while CALLING a resource */
    uint16_t application;    /* 0: overlay link */
    struct rf_view user;  /* owned copy: AppAttach only, the name the certificate must carry; may be empty */
    struct rf_view route; /* owned copy: AppAttach only, the way to the target; may be empty */
    bool again;           /* AppAttach only: asked for the second time */
    uint64_t called_us;   /* when the request was sent */
    rf_call_id call;
    struct rf_timer timer;                               /* EXPECTING: the connection is due */
    void (*done)(void *arg, int error, rf_link_id conn); /* AppAttach */
    void *arg;
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
    size_t links;      /* 0: promised */
    uint64_t since_us; /* of this kind */
};
struct admission {
    struct rf_map visitors;
    size_t counts[VISITOR_KINDS];
    struct rf_timer timer;
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
    bool outgoing; /* we asked for it */
};

struct bootstrap {
    bool active;          /* a round is under way */
    size_t round_count;   /* rounds that failed in a row */
    size_t wish_count;    /* links asked for since we were joined */
    uint64_t started_us;  /* first round since the node started or was lost */
    struct rf_addr *todo; /* during a round; owned */
    size_t todo_count, todo_next;
    rf_link_id dialling; /* 0 = none */
    int last_error;
    struct rf_addr last_addr;
};

struct rf_node {
    struct rf_env env;
    struct rf_timers timers;
    struct rf_now now;
    struct rf_crypto *crypto;
    const struct rf_engine_ops *engine_ops;
    struct rf_conf *conf;
    struct rf_trust *trust;
    struct rf_identity identity;
    struct rf_view key_pem; /* owned, wiped */
    enum rf_node_role role;
    struct rf_addr *listen; /* owned */
    size_t listen_count;
    char *software;
    size_t max_links, max_links_per_address, max_store_bytes, max_clients, handshakes_per_s;

    struct rf_node_counters counters;
    struct rf_links *links;
    struct rf_overlay *overlay;
    struct rf_store *store;
    struct rf_usages *usages;

    struct rf_list outs;      /* struct node_out */
    struct node_out *current; /* that rf_node_next gave last */
    struct rf_list attaches;
    size_t attach_count;
    struct rf_list dials;
    size_t dial_count;
    struct rf_list app_conns;
    struct node_app *apps; /* owned */
    size_t app_count;

    struct admission admission;
    struct bootstrap bootstrap;
    struct rf_addr *peers; /* newest first; owned */
    size_t peer_count;
    bool peers_dirty;

    struct rf_timer upkeep_timer; /* certificate, remembered peers, clock */
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
int node_attach_app(struct rf_node *node, const struct rf_app_target *target,
                    void (*done)(void *arg, int error, rf_link_id conn), void *arg);
/* rf_overlay_host.admit */
void node_attach_admit(void *ctx, const struct rf_id *target, bool resource, const struct rf_id *via,
                       uint64_t link, bool reserve);
/* node_attach_for_client: did we dial this link for a node that says it is a client? */
bool node_attach_for_client(const struct rf_node *node, rf_link_id link);
void node_attach_link_up(struct rf_node *node, const struct rf_link_info *link);
void node_attach_link_down(struct rf_node *node,
                           rf_link_id link); /* one that came up, or one that never did */

/* admit.c */
void node_admit_init(struct rf_node *node);
int node_admit_start(struct rf_node *node);
void node_admit_deinit(struct rf_node *node);
/* node_admit decides about an Attach; false: it was refused. dials: there is no link yet, we would have to make one. */
bool node_admit(struct rf_node *node, struct rf_request *request, bool dials);
/* node_admit_extension appends what the answer to that Attach carries beside its body; false: nothing. */
bool node_admit_extension(struct rf_node *node, const struct rf_request *request, struct rf_buf *out);
/* node_admit_link_up, _down: of an overlay link; false: there is no room for it. */
bool node_admit_link_up(struct rf_node *node, const struct rf_id *id);
void node_admit_link_down(struct rf_node *node, const struct rf_id *id);
void node_admit_status(const struct rf_node *node, struct rf_node_status *out);

/* app.c */
const struct rf_node_app *node_app_find(struct rf_node *node, uint16_t application);
struct app_conn *node_app_conn_of(struct rf_node *node, const struct rf_id *target, uint16_t application);
void node_app_up(struct rf_node *node, const struct rf_link_info *link, bool outgoing);
void node_app_data(void *ctx, rf_link_id link, struct rf_view bytes);
void node_app_down(struct rf_node *node, const struct rf_link_info *link, int reason);
void node_app_deinit(struct rf_node *node);

/* bootstrap.c */
void node_bootstrap_wish(void *ctx); /* rf_overlay_host.bootstrap */
bool node_bootstrap_link_up(struct rf_node *node,
                            const struct rf_link_info *link); /* true: it was a bootstrap link */
void node_bootstrap_link_down(struct rf_node *node, const struct rf_link_info *link, int reason);
void node_bootstrap_deinit(struct rf_node *node);
/* node_remember: a supernode lives there. hint: somebody says so; it does not displace many that we know ourselves. */
void node_remember(struct rf_node *node, const struct rf_addr *addr, bool hint);
bool node_knows(void *ctx, const struct rf_addr *remote); /* rf_link_host.known */
bool node_may_be_first(const struct rf_node *node);

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
void node_state_changed(void *ctx, enum rf_topology_state state); /* rf_overlay_host.state */

/* document.c */
void node_configured(void *ctx, struct rf_conf *conf); /* rf_overlay_host.configured */

#endif
