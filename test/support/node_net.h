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

/* What stands between a node and the others' datagrams (RFC 4787). Its private address is 192.168.i.2:6084, its public one that of `addr`. */
enum net_nat {
    NET_NAT_NONE,
    NET_NAT_CONE,      /* mapping and filtering do not depend on the other end */
    NET_NAT_PORT,      /* filtering by address and port */
    NET_NAT_SYMMETRIC, /* mapping as well */
    NET_NAT_BLOCKED,   /* datagrams do not pass at all */
};
#define NET_NAT_MAPPINGS 32

/* Something else that listens for datagrams at a node's address. datagram: false: it is not for it. */
struct net_extra {
    void *ctx; /* NULL: nothing */
    bool (*datagram)(void *ctx, uint16_t port, const struct rf_addr *source, struct rf_view bytes);
    void (*free)(void *ctx);
};

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
    bool natted; /* it reaches the others, and who dials it gets no answer at all */
    enum net_nat nat;
    struct rf_addr inside; /* its base: private if there is a NAT */
    struct {
        uint16_t port;         /* outside */
        uint8_t base;          /* inside */
        struct rf_addr remote; /* SYMMETRIC: whom the mapping is for; PORT: who may answer */
        uint64_t used_us;      /* last, outwards */
    } mappings[NET_NAT_MAPPINGS];
    size_t mapping_count;
    uint16_t mapping_first; /* port of the first one, 0: 40000; changed when a test gives it another NAT */
    const struct rf_addr *shuns; /* no datagrams between it and this IP address; NULL: none */
    struct net_extra extra;      /* freed with the net */
    size_t max_clients;          /* for its next life; 0: the default */
    size_t max_flows;            /* likewise */
    bool no_reserve;             /* likewise */
    /* How long its NAT keeps an idle connection, or an idle mapping, 0: for ever. Of a connection that it has forgotten nothing comes in; what goes out then is reset, or, `forgiving`, makes the binding
     * anew, and what the other end sent comes when it is sent again. */
    uint64_t tcp_keeps_us, udp_keeps_us;
    bool forgiving;
    uint32_t keepalive_s, keepalive_max_s; /* for its next life */
    bool spare;                            /* likewise: base 1 is for rf_node_spare */
    struct rf_node_network networks[8];    /* as kept; given to its next life */
    size_t network_count;
    uint32_t auto_uptime_s, auto_interval_s, auto_idle_s, auto_min_ring; /* likewise, role AUTO */
};

struct node_net {
    struct rf_pki pki;
    const struct rf_engine_ops *engine_ops,
        *datagram_ops;     /* datagram_ops: NULL, or set before the first start */
    unsigned loss_percent; /* of datagrams */
    uint64_t datagrams;    /* that arrived */
    struct rf_now now;
    uint64_t latency_us,
        jitter_us;    /* each delivery takes latency + 0..jitter; a connection keeps its order */
    uint64_t disk_us; /* how long a commit takes */
    struct rf_rng_seeded rng;
    struct rf_timers events;
    struct rf_scratch scratch; /* of all nodes */
    struct net_node nodes[NET_MAX_NODES];
    size_t count;
    struct net_pipe *pipes;
    struct rf_log log;    /* lines go to stderr when NODE_NET_LOG is set in the environment */
    uint64_t connections; /* made so far */
    uint64_t unanswered;  /* tries so far to dial somebody who is natted */
    struct rf_addr dead;  /* connections to this address get no answer at all; family 0: none */
    bool partitioned;     /* nodes of odd and even index do not reach each other */
};

/* node_net_datagram sends head, bytes and pad zero bytes as one datagram, from a public address. */
void node_net_datagram(struct node_net *net, const struct rf_addr *source, const struct rf_addr *dest,
                       struct rf_view head, struct rf_view bytes, size_t pad);
/* node_net_init: overlay example.org with `bootstrap_count` supernodes named as bootstrap nodes (the first added ones). */
void node_net_init(struct node_net *net, uint64_t seed, size_t bootstrap_count,
                   const struct rf_engine_ops *engine_ops, void (*adjust)(struct rf_conf *draft, void *arg),
                   void *arg);
void node_net_deinit(struct node_net *net);
/* node_net_add makes a node (not started) and returns its index; node i listens on 10.0.0.(i+1):6084. */
size_t node_net_add(struct node_net *net, const char *user, enum rf_node_role role);
void node_net_start(struct node_net *net, size_t i); /* new, load, start */
void node_net_kill(struct node_net *net, size_t i);  /* kill -9 */
void node_net_leave(struct node_net *net, size_t i); /* politely; runs until it has left */
/* node_net_unplug: its connections lead nowhere any more, which nobody is told, and its NAT has forgotten its mappings: the gateway was switched off and on. node_net_move: it goes
 * to another network, and is told so. Its address becomes 10.network.0.x, its private one, if there is a NAT, 192.168.x.network. */
void node_net_unplug(struct node_net *net, size_t i);
void node_net_move(struct node_net *net, size_t i, uint8_t network);
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
