/* world.c - whole nodes on one loop: the daemon's shell in small, for many nodes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "harness.h"
#include "io/clock.h"
#include "io/random.h"
#include "world.h"

#define IN_FLIGHT 64

/* flow numbers of the shell: which node, which link */
static uint64_t flow_of(size_t index, rf_link_id link)
{
    return (uint64_t)index << 40 | link;
}
static struct world_node *node_of(struct world *w, uint64_t flow)
{
    return &w->nodes[flow >> 40];
}
static rf_link_id link_of(uint64_t flow)
{
    return flow & ((UINT64_C(1) << 40) - 1);
}

struct rf_now world_now(const struct world *world)
{
    return *rf_loop_now(world->loop);
}

static void set_timer(struct world_node *n)
{
    uint64_t at = rf_node_deadline(n->node);
    if (at == RF_NEVER)
        rf_timer_stop(&n->world->timers, &n->timer);
    else if (!rf_timer_is_set(&n->timer) || n->timer.at_us != at)
        must(rf_timer_set(&n->world->timers, &n->timer, at), "timer");
}

void world_touch(struct world_node *n)
{
    if (rf_list_empty(&n->dirty))
        rf_list_push_back(&n->world->dirty, &n->dirty);
    set_timer(n);
}

static int on_accept(void *ctx, const struct rf_addr *remote, const struct rf_addr *local, uint64_t *flow)
{
    struct world *w = ctx;
    size_t i = 0;
    rf_link_id link;
    while (i + 1 < w->count && w->nodes[i].listen.port != local->port)
        i++;
    if (w->nodes[i].node == NULL)
        return RF_ECLOSED;
    int error = rf_node_accept(w->nodes[i].node, remote, local, world_now(w), &link);
    if (error == 0)
        *flow = flow_of(i, link);
    world_touch(&w->nodes[i]);
    return error;
}

static void on_connected(void *ctx, uint64_t flow, const struct rf_addr *local)
{
    struct world *w = ctx;
    rf_node_connected(node_of(w, flow)->node, link_of(flow), local, world_now(w));
    world_touch(node_of(w, flow));
}

static void on_closed(void *ctx, uint64_t flow, int reason)
{
    struct world *w = ctx;
    rf_node_closed(node_of(w, flow)->node, link_of(flow), reason, world_now(w));
    world_touch(node_of(w, flow));
}

static void on_input(void *ctx, uint64_t flow, struct rf_view bytes)
{
    struct world *w = ctx;
    if (w->on_input != NULL)
        w->on_input(w);
    rf_node_input(node_of(w, flow)->node, link_of(flow), bytes, world_now(w));
    world_touch(node_of(w, flow));
}

static struct rf_view on_output(void *ctx, uint64_t flow)
{
    return rf_node_output(node_of(ctx, flow)->node, link_of(flow));
}

static void on_output_done(void *ctx, uint64_t flow, size_t len)
{
    rf_node_output_done(node_of(ctx, flow)->node, link_of(flow), len);
}

static void take_event(struct world_node *n, const struct rf_node_out *out)
{
    if (out->event.type == RF_NODE_EVENT_JOINED && !n->joined) {
        n->joined = true;
        n->world->joined++;
    }
    if (out->event.type == RF_NODE_EVENT_REGISTERED && !n->registered) {
        n->registered = true;
        n->world->registered++;
    }
}

/* false: this node has nothing more */
static bool node_order(struct world_node *n, struct rf_flow_order *order)
{
    struct rf_node_out out;
    while (rf_node_next(n->node, &out)) {
        if (out.type == RF_NODE_OUT_PERSIST)
            rf_node_persisted(n->node, out.token, 0, world_now(n->world));
        else if (out.type == RF_NODE_OUT_EVENT)
            take_event(n, &out);
        if (out.type != RF_NODE_OUT_FLOW)
            continue;
        order->type = out.flow.type == RF_FLOW_CONNECT  ? RF_FLOW_ORDER_CONNECT
                      : out.flow.type == RF_FLOW_OUTPUT ? RF_FLOW_ORDER_OUTPUT
                                                        : RF_FLOW_ORDER_CLOSE;
        order->flow = flow_of((size_t)(n - n->world->nodes), out.flow.flow);
        order->addr = out.flow.addr;
        return true;
    }
    return false;
}

static void on_next_action(void *ctx, struct rf_flow_order *order)
{
    struct world *w = ctx;
    memset(order, 0, sizeof(*order));
    while (!rf_list_empty(&w->dirty)) {
        struct world_node *n = RF_LIST_ENTRY(w->dirty.next, struct world_node, dirty);
        if (node_order(n, order))
            return;
        rf_list_remove(&n->dirty);
        set_timer(n);
    }
}

static void timer_fired(struct rf_timer *timer, void *arg)
{
    (void)timer;
    struct world_node *n = arg;
    rf_node_tick(n->node, world_now(n->world));
    world_touch(n);
}

static uint64_t turn(void *arg)
{
    struct world *w = arg;
    rf_timers_run(&w->timers, rf_loop_now(w->loop)->mono_us, SIZE_MAX);
    rf_flows_drain(w->flows);
    return rf_timers_next(&w->timers);
}

void world_init(struct world *w, struct rf_pki *pki, const struct rf_engine_ops *engine,
                const struct rf_addr *listen, enum rf_node_role role, const char *name, size_t count)
{
    const struct rf_flow_doorway door = {w,        on_accept,      on_connected, on_closed,
                                         on_input, on_next_action, on_output,    on_output_done};
    const uint64_t seed[2] = {1, 2};
    w->pki = pki;
    w->engine = engine;
    w->listen = *listen;
    w->role = role;
    w->count = count;
    w->nodes = calloc(count, sizeof(*w->nodes));
    must(w->nodes != NULL ? 0 : RF_ENOMEM, "nodes");
    rf_list_init(&w->dirty);
    rf_timers_init(&w->timers, rf_mem_system());
    rf_random_seed(&w->jitter);
    must(rf_loop_new(rf_mem_system(), &w->loop), "loop");
    must(rf_flows_new(rf_mem_system(), w->loop, &door, NULL, seed, &w->flows), "flows");
    w->task = (struct rf_loop_task){.turn = turn, .arg = w};
    rf_loop_task_add(w->loop, &w->task);
    for (size_t i = 0; i < count; i++) {
        struct world_node *n = &w->nodes[i];
        n->world = w;
        n->listen = *listen;
        rf_list_init(&n->dirty);
        rf_timer_init(&n->timer, timer_fired, n);
        snprintf(n->user, sizeof(n->user), "%s%zu@example.org", name, i);
        must(rf_pki_node(pki, n->user, NULL, RF_KEY_P256, &n->identity), "identity");
    }
}

void world_listen(struct world *w)
{
    for (size_t i = 0; i < w->count; i++) {
        w->nodes[i].listen.port = i == 0 ? w->listen.port : 0;
        must(rf_flows_listen(w->flows, &w->nodes[i].listen, &w->nodes[i].listen), "listen");
    }
}

void world_start_node(struct world *w)
{
    struct world_node *n = &w->nodes[w->started++];
    struct rf_crypto *crypto = w->pki->crypto;
    struct rf_buf pem;
    rf_buf_init(&pem, rf_mem_system(), 65536);
    must(crypto->ops->key_to_pem(crypto, n->identity.key, &pem), "key");
    struct rf_node_config config = {
        .mem = rf_mem_system(),
        .secret = rf_random_system(),
        .jitter = &w->jitter.rng,
        .crypto = crypto,
        .engine_ops = w->engine,
        .conf = w->pki->conf,
        .cert_der = n->identity.cert->x509.der,
        .key_pem = rf_buf_view(&pem),
        .role = w->role,
        .listen = &n->listen,
        .listen_count = 1,
        .max_links_per_address = SIZE_MAX,
        .max_clients = SIZE_MAX, /* what a client costs is measured, not how it is refused */
        .handshakes_per_s = SIZE_MAX,
    };
    must(rf_node_new(&config, world_now(w), &n->node), "node");
    rf_buf_deinit(&pem);
    rf_node_start(n->node, world_now(w));
    world_touch(n);
}

void world_once(struct world *world, uint64_t max_wait_us)
{
    must(rf_loop_once(world->loop, max_wait_us), "loop");
}

void world_join(struct world *world, double limit_s)
{
    double end = wall_s() + limit_s;
    while (world->joined < world->count) {
        while (world->started < world->count && world->started < world->joined + IN_FLIGHT)
            world_start_node(world);
        world_once(world, 100000);
        must(wall_s() < end ? 0 : RF_ETIMEOUT, "joining");
    }
}

void world_run(struct world *world, double seconds)
{
    double end = wall_s() + seconds;
    while (wall_s() < end)
        world_once(world, 50000);
}
