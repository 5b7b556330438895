/* link_net.c - a network of datagrams for tests of link/. */
#include "link_net.h"

#include <stdlib.h>
#include <string.h>

struct flying {
    struct rf_timer timer;
    struct rf_list list; /* in net->flying */
    struct world_node *to;
    rf_link_id flow; /* 0: by address */
    struct rf_addr from;
    struct net_path *path;
    size_t len;
    uint8_t bytes[];
};

static struct net *the_net;

static bool chance(struct net *net, unsigned percent)
{
    return percent > 0 && rf_rng_below(&net->dice.rng, 100) < percent;
}

static void arrive(struct rf_timer *timer, void *arg)
{
    struct flying *f = (struct flying *)(void *)timer;

    (void)arg;
    if (f->to->alive && !(f->path && f->path->broken)) {
        uint8_t *copy = malloc(f->len); /* exactly as long: reading beyond is seen */
        memcpy(copy, f->bytes, f->len);
        if (f->flow)
            rf_links_datagram(f->to->links, f->flow, rf_view_of(copy, f->len));
        else
            rf_links_datagram_from(f->to->links, BASE, &f->from, rf_view_of(copy, f->len));
        free(copy);
    }
    rf_list_remove(&f->list);
    free(f);
}

static void end(struct world *w)
{
    (void)w;
    while (!rf_list_empty(&the_net->flying)) {
        struct flying *f = RF_LIST_ENTRY(the_net->flying.next, struct flying, list);
        rf_timer_stop(&the_net->world->timers, &f->timer);
        rf_list_remove(&f->list);
        free(f);
    }
}

static void fly(struct net *net, struct world_node *to, rf_link_id flow, const struct rf_addr *from,
                struct net_path *path, struct rf_view bytes)
{
    struct flying *f = malloc(sizeof *f + bytes.len);
    uint64_t delay = net->delay_us + (net->jitter_us ? rf_rng_below(&net->dice.rng, net->jitter_us) : 0);

    *f = (struct flying){.to = to, .flow = flow, .path = path, .len = bytes.len};
    rf_list_init(&f->list);
    if (from)
        f->from = *from;
    memcpy(f->bytes, bytes.p, bytes.len);
    rf_timer_init(&f->timer, arrive, NULL);
    if (rf_timer_set(&net->world->timers, &f->timer, net->world->now.mono_us + delay))
        free(f); /* no memory: lost */
    else
        rf_list_push_back(&net->flying, &f->list);
}

static void send_one(struct net *net, struct world_node *node, const struct rf_flow_action *action)
{
    struct rf_addr from = world_addr((size_t)(node - net->world->node));

    if (action->addr.family) {
        size_t to = (size_t)action->addr.port - 1000;
        assert_int_equal(action->base, BASE);
        if (to < WORLD_NODES)
            fly(net, &net->world->node[to], 0, &from, NULL, action->bytes);
        return;
    }
    for (size_t i = 0; i < net->path_count; i++)
        for (int e = 0; e < 2; e++)
            if (net->path[i].node[e] == node && net->path[i].flow[e] == action->flow)
                fly(net, net->path[i].node[!e], net->path[i].flow[!e], NULL, &net->path[i], action->bytes);
}

static void datagram(struct world_node *node, const struct rf_flow_action *action)
{
    struct net *net = the_net;
    size_t from = (size_t)(node - net->world->node);

    net->sent++;
    net->longest = action->bytes.len > net->longest ? action->bytes.len : net->longest;
    assert_true(action->bytes.len > 0 && action->bytes.len <= net->world->config.mtu);
    if ((net->tap && !net->tap(net, from, action->bytes)) || net->blocked[from] || chance(net, net->loss) ||
        (net->mtu && action->bytes.len > net->mtu)) {
        net->lost++;
        return;
    }
    send_one(net, node, action);
    if (chance(net, net->twice))
        send_one(net, node, action);
}

void net_init(struct net *net, struct world *w, const struct rf_engine_ops *engine)
{
    memset(net, 0, sizeof *net);
    net->world = w;
    rf_rng_seeded_init(&net->dice, 4711);
    w->datagram_engine = engine;
    w->datagram = datagram;
    w->end = end;
    rf_list_init(&net->flying);
    the_net = net;
}

void net_begin(struct net *net, struct world *w, const struct rf_engine_ops *engine)
{
    world_init(w, &rf_engine_plain);
    net_init(net, w, engine);
    net->delay_us = 20000;
}

rf_link_id net_dial(struct net *net, size_t from, size_t to, const struct rf_id *expect,
                    enum rf_link_purpose purpose, uint16_t application)
{
    const struct rf_link_way way = {.addr = world_addr(to), .datagrams = true, .base = BASE};
    rf_link_id id;

    assert_int_equal(rf_links_dial(net->world->node[from].links, &way, 1, expect, purpose, application, &id),
                     0);
    return id;
}

rf_link_id net_attach(struct net *net, enum rf_link_purpose purpose, uint16_t application, uint64_t rtt_us)
{
    struct net_path *path = &net->path[net->path_count++];

    assert_true(net->path_count <= NET_PATHS);
    *path = (struct net_path){.node = {&net->world->node[0], &net->world->node[1]}};
    for (int i = 1; i >= 0; i--) {
        const struct rf_link_path way = {.server = i == 1,
                                         .expect = &path->node[!i]->identity.node_id,
                                         .purpose = purpose,
                                         .application = application,
                                         .rtt_us = rtt_us};
        assert_int_equal(rf_links_attach_path(path->node[i]->links, &way, &path->flow[i]), 0);
    }
    return path->flow[0];
}

rf_link_id net_pair(struct net *net)
{
    struct world *w = net->world;
    rf_link_id id;

    world_node(w, 0, NULL);
    world_node(w, 1, NULL);
    id = net_dial(net, 0, 1, &w->node[1].identity.node_id, RF_LINK_OVERLAY, 0);
    world_pass(w, 5 * RF_US_PER_S);
    assert_int_equal(w->node[0].ups, 1);
    assert_int_equal(w->node[1].ups, 1);
    return id;
}

void net_slip(struct net *net, size_t to, const struct rf_addr *from, struct rf_view bytes)
{
    uint8_t *copy = malloc(bytes.len);

    memcpy(copy, bytes.p, bytes.len);
    rf_links_datagram_from(net->world->node[to].links, BASE, from, rf_view_of(copy, bytes.len));
    free(copy);
    world_run(net->world);
}
