/*
 * bench_link.c - what links of TLS cost a server: memory per idle link, handshakes, frames.
 *
 *     bench_link [LINKS [FRAMES]]     default 500 links, 20,000 frames
 *
 * The server is this process: rf_links behind rf_flows on loopback. The load comes from a child process in which every link is a node of its
 * own with its own certificate, so that nothing of the server's memory is shared between links. CPU is the server's (getrusage). A frame is
 * received, acknowledged and echoed. Memory per link includes the process's warming up, which shows when there are few.
 */
#include <stdlib.h>
#include "io/flows.h"
#include "links.h"

static struct rf_loop *loop;
static struct rf_loop_task task;
static struct rf_flows *flows;

static struct rf_flow_order *orders; /* ring of what nodes want */
static size_t order_first, order_count, order_cap;

static void drain(struct links_node *node)
{
    struct rf_flow_action action;

    for (;;) {
        rf_links_next_action(node->links, &action);
        if (action.type == RF_FLOW_NONE)
            return;
        if (order_count == order_cap)
            must(RF_ELIMIT, "order ring");
        orders[(order_first + order_count++) % order_cap] = (struct rf_flow_order){
            (enum rf_flow_order_type)action.type, (uint64_t)node->index << 32 | action.flow, action.addr};
    }
}

static struct links_node *node_of(uint64_t flow)
{
    return &nodes[flow >> 32];
}

static int door_accept(void *ctx, const struct rf_addr *remote, const struct rf_addr *local, uint64_t *flow)
{
    (void)ctx;
    return rf_links_accept(nodes[0].links, remote, local, flow);
}
static void door_connected(void *ctx, uint64_t flow, const struct rf_addr *local)
{
    (void)ctx;
    rf_links_connected(node_of(flow)->links, flow & UINT32_MAX, local);
    drain(node_of(flow));
}
static void door_closed(void *ctx, uint64_t flow, int reason)
{
    (void)ctx;
    rf_links_closed(node_of(flow)->links, flow & UINT32_MAX, reason);
    drain(node_of(flow));
}
static void door_input(void *ctx, uint64_t flow, struct rf_view bytes)
{
    (void)ctx;
    rf_links_input(node_of(flow)->links, flow & UINT32_MAX, bytes);
    drain(node_of(flow));
}
static void door_next(void *ctx, struct rf_flow_order *out)
{
    (void)ctx;
    *out = (struct rf_flow_order){.type = RF_FLOW_ORDER_NONE};
    if (order_count == 0)
        return;
    *out = orders[order_first];
    order_first = (order_first + 1) % order_cap;
    order_count--;
}
static struct rf_view door_output(void *ctx, uint64_t flow)
{
    (void)ctx;
    return rf_links_output(node_of(flow)->links, flow & UINT32_MAX);
}
static void door_output_done(void *ctx, uint64_t flow, size_t len)
{
    (void)ctx;
    rf_links_output_done(node_of(flow)->links, flow & UINT32_MAX, len);
}

static uint64_t turn(void *arg)
{
    (void)arg;
    rf_timers_run(&links_timers, rf_loop_now(loop)->mono_us, 1000);
    rf_flows_drain(flows);
    return rf_timers_next(&links_timers);
}

static const struct rf_now *start(void)
{
    const struct rf_flow_doorway door = {NULL,       door_accept, door_connected, door_closed,
                                         door_input, door_next,   door_output,    door_output_done};
    const uint64_t seed[2] = {3, 4};

    order_cap = 200000;
    order_first = order_count = 0;
    orders = calloc(order_cap, sizeof *orders);
    must(orders ? 0 : RF_ENOMEM, "orders");
    must(rf_loop_new(rf_mem_system(), &loop), "loop");
    must(rf_flows_new(rf_mem_system(), loop, &door, NULL, seed, &flows), "flows");
    task = (struct rf_loop_task){.turn = turn};
    rf_loop_task_add(loop, &task);
    return rf_loop_now(loop);
}

static uint16_t start_listening(void)
{
    struct rf_addr at = {.family = 4, .ip = {127, 0, 0, 1}};

    must(rf_flows_listen(flows, &at, &at), "listen");
    return at.port;
}

static void readable(void *arg, int fd, unsigned events)
{
    (void)arg;
    (void)fd;
    (void)events;
}

static void watch(int fd)
{
    must(rf_loop_watch(loop, fd, RF_LOOP_READ, readable, NULL), "watch");
}

static void ready(void)
{
}

static int dial(struct links_node *node, uint16_t port)
{
    const struct rf_addr at = {.family = 4, .port = port, .ip = {127, 0, 0, 1}};
    rf_link_id id;

    return rf_links_connect(node->links, &at, 1, NULL, RF_LINK_OVERLAY, 0, &id);
}

static void once(void)
{
    rf_flows_drain(flows);
    must(rf_loop_once(loop, 100000), "loop");
}

static void rest(void)
{
    while (links_downs < node_count || rf_flows_count(flows) > 0)
        once();
}

int main(int argc, char **argv)
{
    const struct links_bench bench = {
        .engine = {{"plain", &rf_engine_plain}, {"gnutls", &rf_engine_gnutls}},
        .start = start,
        .listen = start_listening,
        .watch = watch,
        .ready = ready,
        .dial = dial,
        .drain = drain,
        .once = once,
        .rest = rest,
    };
    return links_main(argc, argv, &bench);
}
