/*
 * chord_net.h - many topology plugin objects on one virtual network, for tests: one virtual clock, one seed, messages at the level of method
 * bodies. It stands in for the overlay: it implements the functions of overlay/message.h that a plugin calls, routes every message hop
 * by hop with the plugins' own next_hop, makes links by Attach and bootstrap, and breaks them.
 *
 * Two runs with the same seed and the same calls are equal in every message.
 */
#ifndef RF_TEST_SUPPORT_CHORD_NET_H
#define RF_TEST_SUPPORT_CHORD_NET_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/list.h"
#include "base/map.h"
#include "base/mem.h"
#include "overlay/topology.h"

#define NET_S         ((uint64_t)1000000)
#define NET_MS        ((uint64_t)1000)
#define NET_MAX_NODES 1200
#define NET_MAX_PATH  110

struct net_link {
    uint64_t id;
    size_t ends[2]; /* node numbers; ends[0] asked for it */
    bool up;
    bool lost[2]; /* ends[i] crashed silently: it knows nothing of the link any more */
    uint64_t latency_us;
    uint64_t active_us;  /* when something was last sent, either way */
    uint64_t last_us[2]; /* arrival of the last message from ends[i]: a link keeps the order */
    uint64_t unacked_us; /* the first message that went into the void, 0 = none */
};

struct net_counts {
    uint64_t messages, bytes; /* sent by this node, forwarded ones included */
    uint64_t requests[64];    /* of its own, by request code; retransmissions included */
};

struct rf_overlay { /* one node, as the plugin sees it */
    struct rf_env env;
    struct net *net;
    struct rf_map_node by_id;
    size_t number;
    struct rf_id id;
    bool alive;     /* false: crashed, left or not started */
    unsigned group; /* nodes of different groups do not reach each other */
    enum rf_topology_role role;
    enum rf_topology_state state; /* last one told */
    struct rf_topology *topology;
    struct {
        rf_request_fn fn;
        void *arg;
    } handlers[64];
    uint64_t *links; /* numbers of those that are up */
    size_t link_count, link_cap;
    struct rf_list calls;
    struct rf_list seen; /* requests delivered lately */
    struct net_counts counts;
    size_t range_changes, neighbors_lost, redials;
    size_t handover_pending; /* what the plugin is told */
    uint64_t joined_us, state_us;
    unsigned incarnation;
};

struct net_config {
    uint64_t seed;
    size_t max_nodes;                         /* that can be added, at most NET_MAX_NODES */
    uint64_t latency_low_us, latency_high_us; /* of a link, one way */
    unsigned loss_permille;                   /* of a message on one hop */
    struct rf_topology_params params;         /* self and role are filled in */
    bool use_handover;                        /* plugins get host.handover_pending */
    bool no_keepalive;                        /* plugins get no host.keepalive */
    bool no_redial;                           /* ... and no host.redial */
};

struct net {
    struct net_config config;
    struct rf_mem_test mem;
    struct rf_now now;
    struct rf_timers timers;
    struct rf_rng_seeded rng;
    struct rf_overlay *nodes; /* max_nodes */
    size_t node_count;
    struct rf_map by_id;
    struct net_link **links;
    size_t link_count, link_cap;
    struct rf_list events;
    size_t boots[8];
    size_t boot_count;
    uint64_t next_txn;
    uint64_t lost_routes; /* messages that found no way */
    uint64_t looped;      /* ... that ran out of hops */
    uint64_t watch_us,
        watch_next_us;     /* two linked peers may claim the same key for that long; 0 = not watched */
    bool watch_changes;    /* a range, a link or a state has changed since all pairs were looked at; */
    uint64_t watch_all_us; /* ... without that they are once a second */
    struct {
        size_t a, b;
        uint64_t since_us;
    } claims[64];
    size_t claim_count;
    uint64_t worst_claim_us;
    size_t exact_rank; /* net_ideal looks at neighbors up to this rank; default: all */
};

/* ---- the world ---- */
void net_config_default(struct net_config *config);
void net_init(struct net *net, const struct net_config *config);
void net_deinit(struct net *net); /* asserts that all memory came back */
/* net_add makes a node with a random Node-ID (or `id`), not started. Returns its number. */
size_t net_add(struct net *net, enum rf_topology_role role, const struct rf_id *id);
void net_boot(struct net *net, size_t node); /* it is a bootstrap node from now on */
void net_start(struct net *net, size_t node, bool first);
/* net_crash: `silent`: the others see nothing but silence; else their links break at once. net_start brings it back. */
void net_crash(struct net *net, size_t node, bool silent);
void net_leave(struct net *net, size_t node); /* Leave, then gone a second later (when it is IDLE) */
void net_run(struct net *net, uint64_t duration_us);
/* net_cut breaks the link between two nodes that both stay alive. */
void net_cut(struct net *net, size_t a, size_t b);
bool net_linked(const struct net *net, size_t a, size_t b);
size_t net_links_of(const struct net *net, size_t node);
size_t net_find(const struct net *net, const struct rf_id *id); /* node_count: unknown */

/*
 * net_forge sends a request from `from` to the node `to` over their link, as if the plugin of `from` had sent it, signed by `signer` (NULL: from).
 * Returns 0, the error code that the answer carried, or -1 without an answer within 2 s. The answer's body goes into `body` (may be NULL).
 */
int net_forge(struct net *net, size_t from, size_t to, const struct rf_id *signer, uint16_t code,
              struct rf_view request, struct rf_buf *body);
/* net_link links two nodes as if `from` had attached to `to`, without any plugin having asked for it. */
void net_link(struct net *net, size_t from, size_t to);

/* ---- what must hold ---- */
/* Peers that are alive and started, by ascending Node-ID. */
size_t net_peers(const struct net *net, size_t out[NET_MAX_NODES]);
/* net_ideal: are all tables right, and is everybody responsible for the right range? why (may be NULL): the first fault in words. */
bool net_ideal(const struct net *net, char *why, size_t why_len);
/* net_converge runs until the ring is ideal. Returns the time it took, or UINT64_MAX after `limit_us` (then it printed why). */
uint64_t net_converge(struct net *net, uint64_t limit_us);
/* net_lookup follows next_hop from `from`: hops to the responsible peer, or -1. */
int net_lookup(const struct net *net, size_t from, const struct rf_id *key, size_t *end);
/* net_clients_ideal: every client is linked with the peer in charge of it and has a second supernode. */
bool net_clients_ideal(const struct net *net, char *why, size_t why_len);
void net_random_id(struct net *net, struct rf_id *out);
struct net_counts net_totals(const struct net *net);

#endif
