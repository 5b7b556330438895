/*
 * node_net.h - whole nodes in one process: virtual clock, virtual TCP with latency, virtual disks; one seed decides everything.
 *
 * A connection delivers in order after `latency_us`. A killed node's connections are reset at the other ends after the latency; what it had
 * not been told to be durable is not on its disk. Nothing here sleeps; nothing is retried.
 */
#ifndef RF_TEST_SUPPORT_NODE_NET_H
#define RF_TEST_SUPPORT_NODE_NET_H

#include "base/rng.h"
#include "node/node.h"
#include "support/pki.h"

#define NET_MAX_NODES 64

struct net_record; /* one row of a virtual disk */
struct net_pipe;   /* one connection */

struct net_node {
    struct node_net *net;
    size_t index;
    struct rf_node *node; /* NULL: not running */
    struct rf_mem *mem;   /* for its next life; NULL: rf_mem_system() */
    char user[64];
    enum rf_node_role role;
    struct rf_addr addr;
    struct rf_identity identity;
    struct rf_buf cert, key_pem;        /* cert: with the intermediates it needs */
    struct net_record *disk;            /* list */
    bool disk_fails;                    /* every write from now on is refused */
    struct rf_buf conf_xml, conf_kinds; /* what RF_NODE_OUT_CONF gave last; used at restart */
    struct rf_addr peers[32];
    size_t peer_count;
    struct rf_rng_seeded rng;
    unsigned events[32]; /* RF_NODE_EVENT_... counted */
    char last_text[32][256];
    bool left;
    size_t max_clients; /* for its next life; 0: the default */
};

struct node_net {
    struct rf_pki pki;
    const struct rf_engine_ops *engine_ops;
    struct rf_now now;
    uint64_t latency_us,
        jitter_us;    /* each delivery takes latency + 0..jitter; a connection keeps its order */
    uint64_t disk_us; /* how long a commit takes */
    struct rf_rng_seeded rng;
    struct rf_timers events;
    struct net_node nodes[NET_MAX_NODES];
    size_t count;
    struct net_pipe *pipes;
    struct rf_log log;    /* lines go to stderr when NODE_NET_LOG is set in the environment */
    uint64_t connections; /* made so far */
    struct rf_addr dead;  /* connections to this address get no answer at all; family 0: none */
    bool partitioned;     /* nodes of odd and even index do not reach each other */
};

/* node_net_init: overlay example.org with `bootstrap_count` supernodes named as bootstrap nodes (the first added ones). */
void node_net_init(struct node_net *net, uint64_t seed, size_t bootstrap_count,
                   const struct rf_engine_ops *engine_ops, void (*adjust)(struct rf_conf *draft, void *arg),
                   void *arg);
void node_net_deinit(struct node_net *net);
/* node_net_add makes a node (not started) and returns its index; node i listens on 10.0.0.(i+1):6084. */
size_t node_net_add(struct node_net *net, const char *user, enum rf_node_role role);
void node_net_start(struct node_net *net, size_t i);  /* new, load, start */
void node_net_kill(struct node_net *net, size_t i);   /* kill -9 */
void node_net_leave(struct node_net *net, size_t i);  /* politely; runs until it has left */
void node_net_run(struct node_net *net, uint64_t us); /* lets that much time pass */
/* node_net_until runs until `done` or `us` have passed; returns whether it was done. */
bool node_net_until(struct node_net *net, uint64_t us, bool (*done)(struct node_net *net, void *arg),
                    void *arg);
/* node_net_settle: call after any rf_node_* call made by a test, so that its outputs are drained. */
void node_net_settle(struct node_net *net, size_t i);
bool node_net_joined(const struct node_net *net, size_t i);
bool node_net_all_joined(struct node_net *net, void *arg);
uint64_t node_net_counter(const struct node_net *net, size_t i, const char *room, const char *name);
void node_net_partition(struct node_net *net, bool on); /* cuts all connections between odd and even */
/* An application that takes connections and does nothing with them. */
extern const struct rf_node_app node_net_deaf_app;

#endif
