/*
 * flows.c - the doorway of a core on TCP sockets.
 *
 * A flow is CONNECTING (waits for writability), OPEN, or CLOSING (the core wants it closed; what output is left
 * is sent first, nothing is read any more). It watches for writability only while the socket did not take all
 * output. Each event reads once, so that one busy connection does not starve the others.
 */
#include "io/flows.h"

#include <fcntl.h>
#include <unistd.h>
#include "base/assert.h"
#include "base/error.h"
#include "base/map.h"
#include "io/listener.h"
#include "io/sockets.h"

#define READ_LEN       65536
#define ACCEPT_BURST   64
#define LISTENERS_MAX  64
#define SEND_ROUND_MAX 16 /* sends in a row for one flow */

enum flow_state { FLOW_CONNECTING, FLOW_OPEN, FLOW_CLOSING };

struct flow {
    struct rf_map_node node;
    uint64_t id;
    struct rf_flows *flows;
    int fd;
    enum flow_state state;
    bool fresh; /* accepted, and nothing has come yet */
};

struct rf_flows {
    struct rf_mem *mem;
    struct rf_loop *loop;
    struct rf_flow_doorway door;
    struct rf_log *log;
    struct rf_flows_counters counters;
    struct rf_map map;
    struct listening {
        struct rf_listener listener;
        struct rf_flows *flows;
    } listeners[LISTENERS_MAX];
    size_t listener_count;
    int spare_fd; /* given up for a moment to accept and drop a connection when descriptors run out */
    bool draining;
    struct rf_flow_foreign foreign; /* is NULL: nobody */
    uint8_t *buffer;                /* READ_LEN */
};

#define X(name, help) {#name, help, offsetof(struct rf_flows_counters, name)},
RF_COUNTERS_DEFINE(flows, RF_FLOWS_COUNTERS, X)
#undef X

static void flow_event(void *arg, int fd, unsigned events);

/* ---- table ---- */

static struct rf_view flow_key(const struct rf_map_node *node)
{
    const struct flow *flow = RF_CONTAINER(node, struct flow, node);
    return rf_view_of(&flow->id, sizeof flow->id);
}

static struct flow *flow_find(const struct rf_flows *flows, uint64_t id)
{
    struct rf_map_node *node = rf_map_find(&flows->map, rf_view_of(&id, sizeof id));
    return node ? RF_CONTAINER(node, struct flow, node) : NULL;
}

/* flow_add takes `fd`, also on failure. */
static int flow_add(struct rf_flows *flows, uint64_t id, int fd, enum flow_state state)
{
    struct flow *flow = rf_zalloc(flows->mem, sizeof *flow);
    int err = RF_ENOMEM;

    if (!flow)
        goto fail;
    *flow = (struct flow){.id = id, .flows = flows, .fd = fd, .state = state, .fresh = state == FLOW_OPEN};
    err = rf_map_insert(&flows->map, &flow->node);
    if (err)
        goto fail;
    err = rf_loop_watch(flows->loop, fd, state == FLOW_CONNECTING ? RF_LOOP_WRITE : RF_LOOP_READ, flow_event,
                        flow);
    if (err) {
        rf_map_remove(&flows->map, &flow->node);
        goto fail;
    }
    return 0;
fail:
    rf_socket_close(fd);
    rf_free(flows->mem, flow);
    return err;
}

static void flow_drop(struct flow *flow)
{
    struct rf_flows *flows = flow->flows;

    rf_map_remove(&flows->map, &flow->node);
    rf_loop_unwatch(flows->loop, flow->fd);
    rf_socket_close(flow->fd);
    rf_free(flows->mem, flow);
}

/* The connection broke or was refused: the core is told. */
static void flow_broken(struct flow *flow, int reason)
{
    struct rf_flows *flows = flow->flows;
    uint64_t id = flow->id;

    if (flow->state == FLOW_CONNECTING)
        flows->counters.connects_failed++;
    else
        flows->counters.closed++;
    flow_drop(flow);
    flows->door.closed(flows->door.ctx, id, reason);
}

/* ---- bytes ---- */

/* Sends what the core has for the flow. The flow may be gone afterwards. */
static void flow_send(struct flow *flow)
{
    struct rf_flows *flows = flow->flows;
    unsigned events = flow->state == FLOW_CLOSING ? 0 : RF_LOOP_READ;

    for (int round = 0;; round++) {
        struct rf_view bytes = flows->door.output(flows->door.ctx, flow->id);
        size_t sent;
        int err;

        if (bytes.len == 0) {
            if (flow->state == FLOW_CLOSING) {
                rf_socket_finish(flow->fd);
                flow_drop(flow);
                return;
            }
            break;
        }
        err = round < SEND_ROUND_MAX ? rf_socket_send(flow->fd, bytes, &sent) : RF_EAGAIN;
        if (err == RF_EAGAIN) {
            events |= RF_LOOP_WRITE;
            break;
        }
        if (err) {
            flow_broken(flow, err);
            return;
        }
        flows->counters.bytes_out += sent;
        flows->door.output_done(flows->door.ctx, flow->id, sent);
    }
    if (rf_loop_rewatch(flows->loop, flow->fd, events))
        flow_broken(flow, RF_ESYSTEM);
}

/* The first bytes of a connection, which may be for somebody else than the core; true: it is gone. */
static bool give_away(struct flow *flow, struct rf_view bytes)
{
    struct rf_flows *flows = flow->flows;
    const struct rf_flow_foreign *foreign = &flows->foreign;
    uint64_t id = flow->id;
    struct rf_addr remote;
    bool fresh = flow->fresh;

    flow->fresh = false;
    if (!fresh || !foreign->is || !foreign->is(foreign->ctx, bytes) ||
        rf_socket_remote(flow->fd, &remote) != 0)
        return false;
    rf_loop_unwatch(flows->loop, flow->fd);
    rf_map_remove(&flows->map, &flow->node);
    foreign->take(foreign->ctx, flow->fd, &remote, bytes);
    rf_free(flows->mem, flow);
    flows->counters.given_away++;
    flows->door.closed(flows->door.ctx, id, RF_ECLOSED);
    return true;
}

static void flow_read(struct flow *flow)
{
    struct rf_flows *flows = flow->flows;
    size_t len;
    int err = rf_socket_recv(flow->fd, flows->buffer, READ_LEN, &len);

    if (err == RF_EAGAIN)
        return;
    if (err) {
        flow_broken(flow, err);
        return;
    }
    flows->counters.bytes_in += len;
    if (give_away(flow, rf_view_of(flows->buffer, len)))
        return;
    flows->door.input(flows->door.ctx, flow->id, rf_view_of(flows->buffer, len));
}

static void flow_connected(struct flow *flow)
{
    struct rf_flows *flows = flow->flows;
    struct rf_addr local;
    int err = rf_socket_connected(flow->fd, &local);

    if (!err)
        err = rf_loop_rewatch(flows->loop, flow->fd, RF_LOOP_READ);
    if (err) {
        flow_broken(flow, err);
        return;
    }
    flow->state = FLOW_OPEN;
    flows->door.connected(flows->door.ctx, flow->id, &local);
}

static void flow_event(void *arg, int fd, unsigned events)
{
    struct flow *flow = arg;
    struct rf_flows *flows = flow->flows;
    uint64_t id = flow->id;

    (void)fd;
    if (flow->state == FLOW_CONNECTING) {
        flow_connected(flow);
    } else {
        if ((events & RF_LOOP_READ) && flow->state == FLOW_OPEN)
            flow_read(flow);
        if ((events & RF_LOOP_WRITE) && flow_find(flows, id) == flow)
            flow_send(flow);
    }
    rf_flows_drain(flows);
}

/* ---- listening ---- */

static int spare_open(void)
{
    return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

/* Drops what waits, so that who is there asks another node at once instead of waiting for us; the rest waits until we rested. */
static void drop_waiting(struct rf_flows *flows, int fd)
{
    struct rf_addr remote, local;
    int dropped;

    for (int i = 0; i < ACCEPT_BURST && flows->spare_fd >= 0; i++) {
        close(flows->spare_fd);
        int err = rf_socket_accept(fd, &dropped, &remote, &local);
        if (err == 0)
            rf_socket_close(dropped);
        flows->spare_fd = spare_open();
        if (err != 0)
            return;
        flows->counters.descriptors_out++;
    }
}

static void accepted(struct rf_flows *flows, int fd, const struct rf_addr *remote,
                     const struct rf_addr *local)
{
    uint64_t id;
    int err = flows->door.accept(flows->door.ctx, remote, local, &id);

    if (err) {
        flows->counters.refused++;
        rf_socket_close(fd);
        return;
    }
    flows->counters.accepted++;
    err = flow_add(flows, id, fd, FLOW_OPEN);
    if (err)
        flows->door.closed(flows->door.ctx, id, err);
}

static void listener_event(void *arg, int fd, unsigned events)
{
    struct listening *listening = arg;
    struct rf_flows *flows = listening->flows;
    struct rf_addr remote, local;
    int made;

    (void)events;
    if (flows->spare_fd < 0) /* another thread was faster when drop_waiting wanted it back */
        flows->spare_fd = spare_open();
    for (int i = 0; i < ACCEPT_BURST; i++) {
        int err = rf_socket_accept(fd, &made, &remote, &local);
        if (err == 0) {
            accepted(flows, made, &remote, &local);
        } else if (err == RF_ELIMIT) {
            drop_waiting(flows, fd);
            rf_listener_rest(&listening->listener);
            flows->counters.listener_rests++;
            break;
        } else if (err != RF_ECLOSED) {
            break;
        }
    }
    rf_flows_drain(flows);
}

int rf_flows_listen(struct rf_flows *flows, const struct rf_addr *addr, struct rf_addr *bound)
{
    struct listening *listening = &flows->listeners[flows->listener_count];
    int err, fd;

    if (flows->listener_count >= LISTENERS_MAX)
        return RF_ELIMIT;
    err = rf_socket_listen(addr, &fd, bound);
    if (err)
        return err;
    listening->flows = flows;
    err = rf_listener_start(&listening->listener, flows->loop, fd, "link", flows->log, listener_event,
                            listening);
    if (err) {
        rf_socket_close(fd);
        return err;
    }
    flows->listener_count++;
    return 0;
}

/* ---- orders ---- */

static void order_connect(struct rf_flows *flows, const struct rf_flow_order *order)
{
    int fd, err;

    flows->counters.connects++;
    RF_ASSERT(!flow_find(flows, order->flow));
    err = rf_socket_connect(&order->addr, &fd);
    if (!err)
        err = flow_add(flows, order->flow, fd, FLOW_CONNECTING);
    if (!err)
        return;
    flows->counters.connects_failed++;
    flows->counters.descriptors_out += err == RF_ELIMIT;
    flows->door.closed(flows->door.ctx, order->flow, err);
}

static void order_close(struct flow *flow)
{
    if (flow->state == FLOW_CONNECTING) {
        flow_drop(flow);
        return;
    }
    flow->state = FLOW_CLOSING;
    flow_send(flow);
}

void rf_flows_set_foreign(struct rf_flows *flows, const struct rf_flow_foreign *foreign)
{
    flows->foreign = foreign ? *foreign : (struct rf_flow_foreign){0};
}

void rf_flows_drain(struct rf_flows *flows)
{
    struct rf_flow_order order;
    struct flow *flow;

    if (flows->draining)
        return;
    flows->draining = true;
    for (;;) {
        flows->door.next_action(flows->door.ctx, &order);
        if (order.type == RF_FLOW_ORDER_NONE)
            break;
        flow = flow_find(flows, order.flow);
        if (order.type == RF_FLOW_ORDER_CONNECT)
            order_connect(flows, &order);
        else if (flow && order.type == RF_FLOW_ORDER_CLOSE)
            order_close(flow);
        else if (flow && order.type == RF_FLOW_ORDER_OUTPUT && flow->state != FLOW_CONNECTING)
            flow_send(flow);
    }
    flows->draining = false;
}

/* ---- life ---- */

int rf_flows_new(struct rf_mem *mem, struct rf_loop *loop, const struct rf_flow_doorway *doorway,
                 struct rf_log *log, const uint64_t seed[2], struct rf_flows **out)
{
    struct rf_flows *flows = rf_zalloc(mem, sizeof *flows);

    if (!flows)
        return RF_ENOMEM;
    flows->buffer = rf_alloc(mem, READ_LEN);
    if (!flows->buffer) {
        rf_free(mem, flows);
        return RF_ENOMEM;
    }
    flows->mem = mem;
    flows->loop = loop;
    flows->door = *doorway;
    flows->log = log;
    flows->spare_fd = spare_open();
    rf_map_init(&flows->map, mem, seed, flow_key);
    *out = flows;
    return 0;
}

void rf_flows_free(struct rf_flows *flows)
{
    struct rf_map_node *node;

    if (!flows)
        return;
    while ((node = rf_map_next(&flows->map, NULL)) != NULL)
        flow_drop(RF_CONTAINER(node, struct flow, node));
    rf_map_deinit(&flows->map);
    for (size_t i = 0; i < flows->listener_count; i++) {
        int fd = flows->listeners[i].listener.fd;
        rf_listener_stop(&flows->listeners[i].listener);
        rf_socket_close(fd);
    }
    rf_socket_close(flows->spare_fd);
    rf_free(flows->mem, flows->buffer);
    rf_free(flows->mem, flows);
}

size_t rf_flows_count(const struct rf_flows *flows)
{
    return flows->map.count;
}

const struct rf_flows_counters *rf_flows_counters(const struct rf_flows *flows)
{
    return &flows->counters;
}
