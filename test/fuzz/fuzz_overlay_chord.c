/*
 * fuzz_overlay_chord.c - a small ring with a client, in which one peer sends what it likes and things happen at bad moments.
 *
 * The first byte seeds the network. Then steps: the low nibble of a byte says what, the high one with whom. 0 to 3 a Join, Leave, Update or
 * RouteQuery with the body that follows (length u8, times 4 in an Update); 4 time passes (u8, tenths of a second); 5 a link is cut; 6 one is made;
 * 7 it becomes suspect; 8 a node crashes or comes back; 9 memory is short for a second; 10 a leave; 11 a call to it timed out.
 */
#include "support/chord_net.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PEERS  5
#define CLIENT PEERS
#define LIAR   1
#define STEPS  40

static void forge(struct net *net, size_t to, unsigned what, struct rf_view *in)
{
    static const uint16_t codes[] = {RF_CODE_JOIN_REQ, RF_CODE_LEAVE_REQ, RF_CODE_UPDATE_REQ,
                                     RF_CODE_ROUTE_QUERY_REQ};
    struct rf_view body;
    uint8_t len;
    if (rf_view_u8(in, &len) != 0)
        return;
    size_t wanted = what == 2 ? 4u * len : len;
    if (rf_view_take(in, wanted < in->len ? wanted : in->len, &body) == 0 && net->nodes[LIAR].alive &&
        net->nodes[to].alive && net_linked(net, LIAR, to))
        (void)net_forge(net, LIAR, to, NULL, codes[what], body, NULL);
}

static void suspect(struct net *net, size_t node, bool suspect)
{
    struct rf_topology_status_entry entry;
    if (rf_topology_chord.status(net->nodes[node].topology, &entry, 1) == 0 || entry.link == 0)
        return;
    struct rf_conn conn = {.link = entry.link, .node = entry.node, .suspect = suspect};
    rf_topology_chord.link_suspect(net->nodes[node].topology, &conn);
}

static void shake(struct net *net, size_t node, unsigned what, uint8_t arg)
{
    bool alive = net->nodes[node].alive;
    size_t other = arg % (PEERS + 1);
    if (what == 8 && node != 0 && node != LIAR) {
        if (alive)
            net_crash(net, node, arg & 1);
        else
            net_start(net, node, false);
    } else if (!alive)
        return;
    else if (what == 5 && other != node && net_linked(net, node, other))
        net_cut(net, node, other);
    else if (what == 6 && other != node && net->nodes[other].alive)
        net_link(net, node, other);
    else if (what == 7)
        suspect(net, node, arg & 1);
    else if (what == 10 && node > LIAR && net->nodes[node].state == RF_TOPOLOGY_JOINED)
        rf_topology_chord.leave(net->nodes[node].topology);
    else if (what == 11)
        rf_topology_chord.unresponsive(net->nodes[node].topology, &net->nodes[other].id);
}

static void step(struct net *net, uint8_t byte, struct rf_view *in)
{
    unsigned what = byte & 15;
    size_t node = (byte >> 4) % (PEERS + 1);
    uint8_t arg = 0;
    if (what < 4) {
        forge(net, node, what, in);
        return;
    }
    (void)rf_view_u8(in, &arg);
    if (what == 4)
        net_run(net, arg * 100 * NET_MS);
    else if (what == 9) {
        net->mem.allowed = arg;
        net_run(net, NET_S);
        net->mem.allowed = SIZE_MAX;
    } else
        shake(net, node, what, arg);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct net net;
    struct net_config config;
    struct rf_view in = rf_view_of(data, size);
    uint8_t byte;
    if (rf_view_u8(&in, &byte) != 0)
        return 0;
    net_config_default(&config);
    config.seed = byte;
    config.max_nodes = PEERS + 1;
    net_init(&net, &config);
    for (size_t i = 0; i <= CLIENT; i++) {
        net_add(&net, i == CLIENT ? RF_ROLE_CLIENT : RF_ROLE_PEER, NULL);
        if (i == 0)
            net_boot(&net, 0);
        net_start(&net, i, i == 0);
        net_run(&net, NET_S / 2);
    }
    for (int i = 0; i < STEPS && rf_view_u8(&in, &byte) == 0; i++)
        step(&net, byte, &in);
    net_run(&net, 20 * NET_S);
    net_deinit(&net);
    return 0;
}
