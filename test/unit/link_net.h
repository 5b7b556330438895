/*
 * link_net.h - a network of datagrams under the nodes of link_world.h: it loses, repeats, delays and mixes up. Node i has one socket, base BASE,
 * at 192.0.2.1:(1000 + i). A path joins two flows without addresses, as ICE would.
 */
#ifndef RF_TEST_LINK_NET_H
#define RF_TEST_LINK_NET_H

#include "base/list.h"
#include "link_world.h"

#define BASE      7
#define NET_PATHS 8

struct net_path {
    struct world_node *node[2];
    rf_link_id flow[2];
    bool broken; /* nothing gets through */
};

struct net {
    struct world *world;
    struct rf_rng_seeded dice;
    unsigned loss, twice; /* percent */
    uint64_t delay_us, jitter_us;
    size_t mtu;                /* longer ones are lost; 0: none are */
    bool blocked[WORLD_NODES]; /* nothing from that node gets through */
    struct net_path path[NET_PATHS];
    size_t path_count;
    struct rf_list flying; /* datagrams on their way */
    /* what went by */
    size_t sent, lost, longest;
    /* sees every datagram from a node; false: it is lost. May be NULL. */
    bool (*tap)(struct net *net, size_t from, struct rf_view bytes);
    void *tap_arg;
};

/* net_init puts the network under a world that has no nodes yet. One at a time. */
void net_init(struct net *net, struct world *w, const struct rf_engine_ops *engine);
/* net_begin: a new world over such a network whose round trip takes 40 ms. */
void net_begin(struct net *net, struct world *w, const struct rf_engine_ops *engine);
/* net_dial: node `from` dials node `to` by datagrams. */
rf_link_id net_dial(struct net *net, size_t from, size_t to, const struct rf_id *expect,
                    enum rf_link_purpose purpose, uint16_t application);
/* net_attach joins nodes 0 (client) and 1 (server) by a path, as after an Attach. Returns the client's flow. */
rf_link_id net_attach(struct net *net, enum rf_link_purpose purpose, uint16_t application, uint64_t rtt_us);
/* net_pair: nodes 0 and 1 with an OVERLAY link from 0 to 1 that is UP. */
rf_link_id net_pair(struct net *net);
/* net_slip brings node `to` a datagram at once that says it comes from `from`. */
void net_slip(struct net *net, size_t to, const struct rf_addr *from, struct rf_view bytes);

#endif
