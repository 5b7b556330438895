/* test_io_flows.c - rf_flows between a small core and the kernel's TCP on loopback. */
#include "test_io.h"

#include <string.h>
#include <sys/resource.h>
#include "base/buf.h"
#include "base/error.h"
#include "io/flows.h"
#include "io/sockets.h"

#define FLOWS_MAX 400

/* A core: what it accepts it echoes; "q" closes; what it connects to it sends `to_send` to and counts what comes back. */
struct core {
    struct rf_loop *loop;
    struct rf_flows *flows;
    uint64_t last_id;
    size_t limit; /* connections it accepts at all */
    struct {
        bool alive, client, told;
        struct rf_buf out;
        size_t out_off, received;
        int closed; /* reason */
    } flow[FLOWS_MAX];
    struct rf_flow_order orders[2 * FLOWS_MAX];
    size_t order_first, order_count;
    size_t to_send;
};

static void order(struct core *core, enum rf_flow_order_type type, uint64_t flow, const struct rf_addr *addr)
{
    struct rf_flow_order *slot = &core->orders[(core->order_first + core->order_count++) % (2 * FLOWS_MAX)];
    assert_true(core->order_count < 2 * FLOWS_MAX);
    *slot = (struct rf_flow_order){.type = type, .flow = flow};
    if (addr)
        slot->addr = *addr;
}

static void put(struct core *core, uint64_t id, const void *p, size_t len)
{
    rf_buf_put(&core->flow[id].out, p, len);
    assert_int_equal(rf_buf_error(&core->flow[id].out), 0);
    if (!core->flow[id].told)
        order(core, RF_FLOW_ORDER_OUTPUT, id, NULL);
    core->flow[id].told = true;
}

static uint64_t new_flow(struct core *core, bool client)
{
    uint64_t id = ++core->last_id;
    assert_true(id < FLOWS_MAX);
    core->flow[id].alive = true;
    core->flow[id].client = client;
    rf_buf_init(&core->flow[id].out, rf_mem_system(), (size_t)64 << 20);
    return id;
}

static int core_accept(void *ctx, const struct rf_addr *remote, const struct rf_addr *local, uint64_t *flow)
{
    struct core *core = ctx;
    assert_true(rf_addr_is_loopback(remote) && rf_addr_is_loopback(local));
    if (core->last_id >= core->limit)
        return RF_ELIMIT;
    *flow = new_flow(core, false);
    return 0;
}

static void core_connected(void *ctx, uint64_t flow, const struct rf_addr *local)
{
    struct core *core = ctx;
    static char chunk[1000];
    assert_true(rf_addr_is_loopback(local));
    for (size_t done = 0; done < core->to_send; done += sizeof chunk)
        put(core, flow, chunk, sizeof chunk);
}

static void core_closed(void *ctx, uint64_t flow, int reason)
{
    struct core *core = ctx;
    assert_true(core->flow[flow].alive);
    core->flow[flow].alive = false;
    core->flow[flow].closed = reason;
    rf_buf_deinit(&core->flow[flow].out);
    core->flow[flow].out_off = 0;
}

static void core_input(void *ctx, uint64_t flow, struct rf_view bytes)
{
    struct core *core = ctx;
    assert_true(core->flow[flow].alive && bytes.len > 0);
    core->flow[flow].received += bytes.len;
    if (core->flow[flow].client)
        return;
    put(core, flow, bytes.p, bytes.len);
    if (bytes.p[bytes.len - 1] == 'q')
        order(core, RF_FLOW_ORDER_CLOSE, flow, NULL);
}

static void core_next(void *ctx, struct rf_flow_order *out)
{
    struct core *core = ctx;
    *out = (struct rf_flow_order){.type = RF_FLOW_ORDER_NONE};
    if (core->order_count == 0)
        return;
    *out = core->orders[core->order_first];
    core->order_first = (core->order_first + 1) % (2 * FLOWS_MAX);
    core->order_count--;
}

static struct rf_view core_output(void *ctx, uint64_t flow)
{
    struct core *core = ctx;
    return rf_view_of(core->flow[flow].out.p + core->flow[flow].out_off,
                      core->flow[flow].out.len - core->flow[flow].out_off);
}

static void core_output_done(void *ctx, uint64_t flow, size_t len)
{
    struct core *core = ctx;
    core->flow[flow].out_off += len;
    if (core->flow[flow].out_off < core->flow[flow].out.len)
        return;
    rf_buf_deinit(&core->flow[flow].out);
    core->flow[flow].out_off = 0;
    core->flow[flow].told = false;
}

static struct core *core_new(size_t limit)
{
    static struct core core;
    const uint64_t seed[2] = {1, 2};
    const struct rf_flow_doorway door = {.ctx = &core,
                                         .accept = core_accept,
                                         .connected = core_connected,
                                         .closed = core_closed,
                                         .input = core_input,
                                         .next_action = core_next,
                                         .output = core_output,
                                         .output_done = core_output_done};

    memset(&core, 0, sizeof core);
    core.limit = limit;
    assert_int_equal(rf_loop_new(rf_mem_system(), &core.loop), 0);
    assert_int_equal(rf_flows_new(rf_mem_system(), core.loop, &door, NULL, seed, &core.flows), 0);
    return &core;
}

static void core_free(struct core *core)
{
    rf_flows_free(core->flows);
    rf_loop_free(core->loop);
    for (size_t i = 0; i < FLOWS_MAX; i++)
        if (core->flow[i].out.mem)
            rf_buf_deinit(&core->flow[i].out);
}

static struct rf_addr core_listen(struct core *core)
{
    struct rf_addr at = {.family = 4, .ip = {127, 0, 0, 1}}, bound;
    assert_int_equal(rf_flows_listen(core->flows, &at, &bound), 0);
    return bound;
}

static uint64_t core_connect(struct core *core, const struct rf_addr *to)
{
    uint64_t id = new_flow(core, true);
    order(core, RF_FLOW_ORDER_CONNECT, id, to);
    rf_flows_drain(core->flows);
    return id;
}

#define TURN_UNTIL(core, condition)                                                                          \
    for (int turns_ = 0; !(condition); turns_++) {                                                           \
        assert_true(turns_ < 20000);                                                                         \
        assert_int_equal(rf_loop_once((core)->loop, RF_US_PER_S), 0);                                        \
    }

/* Three megabytes there and back: more than the socket buffers hold, so writability is waited for on both sides. */
static void test_echo(void **state)
{
    struct core *core = core_new(FLOWS_MAX);
    struct rf_addr at = core_listen(core);
    uint64_t id;

    (void)state;
    core->to_send = 3000000;
    id = core_connect(core, &at);
    TURN_UNTIL(core, core->flow[id].received >= core->to_send);
    assert_int_equal(core->flow[id].received, core->to_send);
    assert_int_equal(rf_flows_count(core->flows), 2);
    assert_int_equal(rf_flows_counters(core->flows)->bytes_in, 2 * core->to_send);
    assert_int_equal(rf_flows_counters(core->flows)->bytes_out, 2 * core->to_send);
    core_free(core);
}

/* CLOSE while much output waits: all of it arrives, then the end. */
static void test_close_sends_rest(void **state)
{
    struct core *core = core_new(FLOWS_MAX);
    struct rf_addr at = core_listen(core), remote;
    static uint8_t blob[2000001];
    uint64_t id;

    (void)state;
    (void)remote;
    id = core_connect(core, &at);
    TURN_UNTIL(core, core->last_id == 2 && core->flow[2].alive);
    memset(blob, 'x', sizeof blob - 1);
    blob[sizeof blob - 1] = 'q';
    put(core, id, blob, sizeof blob);
    rf_flows_drain(core->flows);
    TURN_UNTIL(core, core->flow[id].closed);
    assert_int_equal(core->flow[id].closed, RF_ECLOSED);
    assert_int_equal(core->flow[id].received, sizeof blob);
    assert_int_equal(core->flow[2].closed, 0); /* who ordered the close is not told */
    assert_int_equal(rf_flows_count(core->flows), 0);
    core_free(core);
}

static void test_refusals(void **state)
{
    struct core *core = core_new(2);
    struct rf_addr at = core_listen(core), nobody;
    uint64_t a, b, c;
    int fd;

    (void)state;
    a = core_connect(core, &at);
    TURN_UNTIL(core, core->last_id == 2);
    b = core_connect(core, &at); /* the core has enough */
    TURN_UNTIL(core, core->flow[b].closed);
    assert_int_equal(core->flow[b].closed, RF_ECLOSED);
    assert_int_equal(rf_flows_counters(core->flows)->refused, 1);
    assert_true(core->flow[a].alive);
    /* a port on which nobody listens */
    nobody = (struct rf_addr){.family = 4, .ip = {127, 0, 0, 1}};
    assert_int_equal(rf_socket_listen(&nobody, &fd, &nobody), 0);
    rf_socket_close(fd);
    c = core_connect(core, &nobody);
    TURN_UNTIL(core, core->flow[c].closed);
    assert_int_equal(core->flow[c].closed, RF_EUNREACHABLE);
    assert_int_equal(rf_flows_counters(core->flows)->connects_failed, 1);
    /* closing one that is still connecting */
    c = core_connect(core, &at);
    order(core, RF_FLOW_ORDER_CLOSE, c, NULL);
    rf_flows_drain(core->flows);
    assert_int_equal(rf_flows_count(core->flows), 2);
    core_free(core);
}

static void test_many(void **state)
{
    struct core *core = core_new(FLOWS_MAX);
    struct rf_addr at = core_listen(core);
    size_t done = 0;

    (void)state;
    core->to_send = 5000;
    for (int i = 0; i < 150; i++)
        core_connect(core, &at);
    while (done < 150) {
        done = 0;
        for (size_t i = 1; i <= core->last_id; i++)
            done += core->flow[i].client && core->flow[i].received == 5000;
        assert_int_equal(rf_loop_once(core->loop, RF_US_PER_S), 0);
    }
    assert_int_equal(rf_flows_count(core->flows), 300);
    core_free(core);
}

/* Descriptors run out: the listener drops what it cannot take instead of turning in circles, and later works again. */
static void test_descriptors_out(void **state)
{
    struct core *core = core_new(FLOWS_MAX);
    struct rf_addr at = core_listen(core);
    struct rlimit before, tight;
    uint64_t a, b;
    int probe;

    (void)state;
    assert_int_equal(rf_socket_connect(&at, &probe), 0); /* waits in the backlog */
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    tight = before;
    tight.rlim_cur = (rlim_t)probe + 1; /* no descriptor is free */
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
    TURN_UNTIL(core, rf_flows_counters(core->flows)->descriptors_out == 1);
    a = core_connect(core, &at);
    assert_int_equal(core->flow[a].closed, RF_ELIMIT);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    b = core_connect(core, &at);
    TURN_UNTIL(core, rf_flows_counters(core->flows)->accepted == 1);
    assert_true(core->flow[b].alive);
    rf_socket_close(probe);
    core_free(core);
}

/* While the listener drops one, somebody else takes the descriptor that it keeps for that: it gets one again, and drops the next. */
static void test_spare_descriptor_taken(void **state)
{
    struct core *core = core_new(FLOWS_MAX);
    struct rf_addr at = core_listen(core);
    struct rlimit before, tight;
    int probe, last;

    (void)state;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(rf_socket_connect(&at, &probe), 0); /* waits in the backlog */
    tight = before;
    tight.rlim_cur = 3; /* what is closed does not come back */
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
    TURN_UNTIL(core, rf_flows_counters(core->flows)->listener_rests == 1);
    assert_int_equal(rf_flows_counters(core->flows)->descriptors_out, 0);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    TURN_UNTIL(core, rf_flows_counters(core->flows)->accepted == 1);
    assert_int_equal(rf_socket_connect(&at, &last), 0);
    tight.rlim_cur = (rlim_t)last + 1; /* no descriptor is free */
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
    TURN_UNTIL(core, rf_flows_counters(core->flows)->descriptors_out == 1);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    rf_socket_close(last);
    rf_socket_close(probe);
    core_free(core);
}

/* ---- what is not for the core ---- */

struct taken {
    int fd;
    struct rf_addr remote;
    char bytes[16];
    size_t len, count;
};

static bool begins_with_a(void *ctx, struct rf_view bytes)
{
    (void)ctx;
    return bytes.len > 0 && bytes.p[0] == 'a';
}

static void take(void *ctx, int fd, const struct rf_addr *remote, struct rf_view bytes)
{
    struct taken *t = ctx;
    t->fd = fd;
    t->remote = *remote;
    t->len = bytes.len;
    t->count++;
    assert_true(bytes.len <= sizeof t->bytes);
    memcpy(t->bytes, bytes.p, bytes.len);
}

static int dial_with(struct core *core, const struct rf_addr *at, const char *text)
{
    struct rf_addr local;
    size_t sent;
    int fd, err;
    assert_int_equal(rf_socket_connect(at, &fd), 0);
    TURN_UNTIL(core, (err = rf_socket_connected(fd, &local)) == 0);
    assert_int_equal(rf_socket_send(fd, rf_view_str(text), &sent), 0);
    assert_int_equal(sent, strlen(text));
    return fd;
}

/* The first bytes decide, and only these, and only of connections that were accepted; the one who takes it has the descriptor, and the core hears that it is over. */
static void test_foreign(void **state)
{
    struct core *core = core_new(FLOWS_MAX);
    struct rf_addr at = core_listen(core);
    struct taken t = {.fd = -1};
    const struct rf_flow_foreign foreign = {.ctx = &t, .is = begins_with_a, .take = take};
    char back[16];
    size_t len;

    (void)state;
    rf_flows_set_foreign(core->flows, &foreign);
    int ours = dial_with(core, &at, "b, then");
    TURN_UNTIL(core, core->flow[core->last_id].received == 7);
    assert_int_equal(rf_socket_send(ours, rf_view_str("a"), &len), 0);
    TURN_UNTIL(core, core->flow[core->last_id].received == 8);
    int theirs = dial_with(core, &at, "allocate");
    TURN_UNTIL(core, t.count == 1);
    assert_int_equal(t.len, 8);
    assert_memory_equal(t.bytes, "allocate", 8);
    assert_true(rf_addr_is_loopback(&t.remote));
    assert_false(core->flow[core->last_id].alive);
    assert_int_equal(core->flow[core->last_id].closed, RF_ECLOSED);
    assert_int_equal(core->flow[core->last_id].received, 0);
    assert_int_equal(rf_flows_count(core->flows), 1);
    assert_int_equal(rf_flows_counters(core->flows)->given_away, 1);
    assert_int_equal(rf_socket_send(t.fd, rf_view_str("yours"), &len), 0); /* it is open, and nobody else's */
    int err;
    TURN_UNTIL(core, (err = rf_socket_recv(theirs, back, sizeof back, &len)) == 0);
    assert_int_equal(len, 5);
    rf_flows_set_foreign(core->flows, NULL);
    int after = dial_with(core, &at, "a");
    TURN_UNTIL(core, core->flow[core->last_id].received == 1);
    assert_int_equal(t.count, 1);
    rf_socket_close(t.fd);
    rf_socket_close(ours);
    rf_socket_close(theirs);
    rf_socket_close(after);
    core_free(core);
}

int test_io_flows(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_echo),
        cmocka_unit_test(test_close_sends_rest),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_descriptors_out),
        cmocka_unit_test(test_spare_descriptor_taken),
        cmocka_unit_test(test_foreign),
    };
    return cmocka_run_group_tests_name("io flows", tests, NULL, NULL);
}
