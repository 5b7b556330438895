/*
 * link_world.h - a little network for tests of link/: a few nodes, each with its own rf_links, on one virtual clock. Connections are byte
 * pipes that cut what goes through them into random pieces; a pipe can be blocked, cut, or have bytes slipped in.
 *
 * Node i is reachable at 192.0.2.1:(1000 + i); as a client it comes from 192.0.2.1, too, unless `from` says otherwise.
 */
#ifndef RF_TEST_LINK_WORLD_H
#define RF_TEST_LINK_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "base/error.h"
#include "link/link.h"
#include "support/pki.h"

#define WORLD_NODES  4
#define WORLD_CONNS  600
#define OVERLAY_HASH UINT32_C(0x4e38fc3f)

struct world;

struct world_node {
    struct world *world;
    struct rf_pki *pki; /* NULL: the world's */
    struct rf_identity identity;
    struct rf_trust *trust;
    struct rf_links *links;
    bool alive, deaf; /* deaf: connection attempts get no answer at all */
    struct rf_addr from;
    /* what host told */
    unsigned ups, downs, messages, suspects, unsuspects, too_large;
    struct rf_link_info up, down; /* the last ones; cert is not valid any more */
    int reason;
    rf_link_id last_link; /* of the last message */
    struct rf_buf
        received; /* all messages, fronts of too large ones, and application bytes, one after the other */
    /* what to do inside a callback */
    bool echo, close_on_message;
};

struct world_end {
    struct world_node *node;
    rf_link_id flow;
    bool open;        /* the node has this connection */
    bool closing;     /* the node wants it closed when its output is empty */
    struct rf_buf to; /* bytes on their way to this end */
    size_t to_off;
};
struct world_conn {
    struct world_end end[2]; /* 0 dialled, 1 accepted */
    bool connected, used;
    bool blocked[2];  /* nothing is taken from end i */
    size_t budget[2]; /* bytes that end i may still send; then it counts as blocked */
};

struct world {
    struct rf_mem_test mem;
    struct rf_pki pki;
    struct rf_now now;
    struct rf_timers timers;
    struct rf_rng_seeded rng;
    struct rf_env env;
    const struct rf_engine_ops *engine;
    const struct rf_engine_ops *datagram_engine; /* NULL: no links of datagrams */
    void (*datagram)(struct world_node *node, const struct rf_flow_action *action); /* what a node sends */
    void (*end)(struct world *w); /* the network goes; NULL: there is none */
    struct rf_link_config config; /* what the next node gets */
    struct world_node node[WORLD_NODES];
    struct world_conn conn[WORLD_CONNS];
    size_t conn_count;
    bool whole; /* do not cut pieces */
    /* what connections made from now on begin with */
    bool fresh_blocked[2];
    size_t fresh_budget[2];
};

void world_init(struct world *w, const struct rf_engine_ops *engine);
/* A world without checks of leaks and with the test's own certificates for nodes. */
void world_deinit(struct world *w);
/* world_node starts node i with a certificate of the world's authority (of `pki` if not NULL). */
struct world_node *world_node(struct world *w, size_t i, struct rf_pki *pki);
/* The same, returning errors instead of failing the test (out of memory). */
int world_node_try(struct world *w, size_t i, const struct rf_identity *identity);
struct rf_addr world_addr(size_t i);
/* world_connect dials node `to`; NULL expect: whoever is there. */
rf_link_id world_connect(struct world *w, size_t from, size_t to, const struct rf_id *expect);
/* Everything that can happen without time passing. */
void world_run(struct world *w);
/* Time passes, in steps from deadline to deadline. */
void world_pass(struct world *w, uint64_t us);
/* Two nodes, 0 and 1, and a link from 0 to 1 that is UP. */
rf_link_id world_pair(struct world *w);
/* A connection to node `i` by a stranger who is no node: returns it; he reads end[0].to and writes with world_stranger_send. */
struct world_conn *world_stranger(struct world *w, size_t i);
void world_stranger_send(struct world *w, struct world_conn *conn, struct rf_view bytes);
/* world_inject slips bytes into what is on its way to end `end` of connection `conn`. */
void world_inject(struct world *w, size_t conn, size_t end, struct rf_view bytes);
void world_cut(struct world *w, size_t conn); /* the connection breaks, both ends are told */

static inline const struct rf_link_counters *counters(const struct world_node *node)
{
    return rf_links_counters(node->links);
}

#define assert_view(v, text) assert_true(rf_view_equal(v, rf_view_str(text)))

#endif
