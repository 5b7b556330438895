/* test_node_admit.c - supernodes at their budgets: clients are sent on and are reached as guests; what liars say costs little. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>
#include "base/assert.h"
#include "base/error.h"
#include "node/internal.h"
#include "overlay/internal.h"
#include "support/node_net.h"
#include "wire/admit.h"

#define S       RF_US_PER_S
#define SUPERS  5
#define CLIENTS 10

static const size_t budgets[SUPERS] = {1, 1, 1, 8, 8}; /* any four are enough for all */

static struct node_net net;

/* ---- a call to each client: found by name, connected with, written to ---- */

static size_t texts; /* that clients got */

static void app_up(void *ctx, rf_link_id conn, const struct rf_id *node_id, struct rf_view user,
                   bool outgoing)
{
    (void)ctx, (void)conn, (void)node_id, (void)user, (void)outgoing;
}

static void app_data(void *ctx, rf_link_id conn, struct rf_view bytes)
{
    (void)ctx, (void)conn;
    texts += rf_view_equal(bytes, rf_view_str("hello"));
}

static void app_down(void *ctx, rf_link_id conn, int reason)
{
    (void)ctx, (void)conn, (void)reason;
}

struct found {
    bool done;
    size_t count;
    struct rf_device device;
    uint8_t route[256];
};

static void on_found(void *arg, const struct rf_whois *w)
{
    struct found *f = arg;
    f->done = true;
    f->count = w->device_count;
    if (w->device_count == 0)
        return;
    f->device = w->devices[0];
    memcpy(f->route, f->device.route.p, f->device.route.len);
    f->device.route.p = f->route;
}

struct attached {
    bool done;
    int error;
    rf_link_id conn;
};

static void on_attached(void *arg, int error, rf_link_id conn)
{
    *(struct attached *)arg = (struct attached){true, error, conn};
}

static bool flag(struct node_net *n, void *arg)
{
    (void)n;
    return *(bool *)arg;
}

/* 0; or how far it came */
static int reach(size_t from, size_t to)
{
    struct found f = {.done = false};
    struct attached a = {.done = false};
    size_t before = texts;
    RF_ASSERT(rf_node_whois(net.nodes[from].node, rf_view_str(net.nodes[to].user), net.now, on_found, &f) ==
              0);
    node_net_settle(&net, from);
    if (!node_net_until(&net, 40 * S, flag, &f.done) || f.count != 1)
        return 1;
    const struct rf_app_target target = {
        .node_id = f.device.node_id, .route = f.device.route, .application = f.device.application};
    if (rf_node_app_attach(net.nodes[from].node, &target, net.now, on_attached, &a) != 0)
        return 2;
    node_net_settle(&net, from);
    if (!node_net_until(&net, 30 * S, flag, &a.done) || a.error != 0)
        return 3;
    node_net_run(&net, S);
    if (rf_node_app_send(net.nodes[from].node, a.conn, rf_view_str("hello"), net.now) != 0)
        return 4;
    node_net_settle(&net, from);
    node_net_run(&net, S);
    rf_node_app_close(net.nodes[from].node, a.conn, net.now);
    node_net_settle(&net, from);
    node_net_run(&net, S);
    return texts == before + 1 ? 0 : 5;
}

/* ---- the world ---- */

static void add_client(size_t i, const char *name)
{
    const struct rf_node_app app = {&net, app_up, app_data, app_down};
    size_t index = node_net_add(&net, name, RF_NODE_CLIENT);
    assert_int_equal(index, i);
    node_net_start(&net, i);
    assert_int_equal(rf_node_set_app(net.nodes[i].node, 5060, &app), 0);
    rf_node_register(net.nodes[i].node, true, net.now);
    node_net_settle(&net, i);
}

static void start(uint64_t seed, size_t supers, bool tight)
{
    char name[32];
    texts = 0;
    node_net_init(&net, seed, 2, &rf_engine_plain, NULL, NULL);
    for (size_t i = 0; i < supers; i++) {
        snprintf(name, sizeof(name), "s%zu", i);
        node_net_add(&net, name, RF_NODE_SUPERNODE);
        net.nodes[i].max_clients = tight ? budgets[i] : 0;
        node_net_start(&net, i);
        assert_true(node_net_until(&net, 60 * S, node_net_all_joined, NULL));
    }
    node_net_run(&net, 20 * S);
}

static struct rf_node_status status_of(size_t i)
{
    struct rf_node_status status;
    rf_node_status(net.nodes[i].node, &status);
    return status;
}

/* Lets time pass, and looks that nobody is above its budget at any second of it. */
static void pass(size_t seconds)
{
    while (seconds-- > 0) {
        node_net_run(&net, S);
        for (size_t i = 0; i < net.count; i++)
            if (net.nodes[i].node != NULL && net.nodes[i].role == RF_NODE_SUPERNODE)
                assert_in_range(status_of(i).client_count, 0, budgets[i]);
    }
}

static uint64_t sum(const char *room, const char *name, enum rf_node_role role)
{
    uint64_t total = 0;
    for (size_t i = 0; i < net.count; i++)
        if (net.nodes[i].node != NULL && net.nodes[i].role == role)
            total += node_net_counter(&net, i, room, name);
    return total;
}

static size_t guests(void)
{
    size_t count = 0;
    for (size_t i = SUPERS; i < SUPERS + CLIENTS; i++)
        count += status_of(i).guest;
    return count;
}

static void all_reached(void)
{
    for (size_t i = 0; i < CLIENTS; i++) {
        size_t from = SUPERS + i, to = SUPERS + (i + 1) % CLIENTS;
        int way = reach(from, to);
        if (way != 0)
            print_message("client %zu -> %zu: %d\n", from, to, way);
        assert_int_equal(way, 0);
    }
}

/* Ten clients, five supernodes, three of which take only one; then one that has guests is killed. */
static void test_redirected(void **state)
{
    char name[32];
    (void)state;
    start(21, SUPERS, true);
    for (size_t i = 0; i < CLIENTS; i++) {
        snprintf(name, sizeof(name), "c%zu", i);
        add_client(SUPERS + i, name);
    }
    pass(60);
    assert_true(node_net_all_joined(&net, NULL));
    assert_true(sum("node", "clients_refused_full", RF_NODE_SUPERNODE) > 0);
    assert_true(sum("node", "redirects", RF_NODE_CLIENT) > 0);
    size_t as_guests = guests(), seen_as_guests = 0, victim = 0;
    assert_true(as_guests > 0);
    for (size_t i = 0; i < SUPERS; i++) {
        struct rf_node_status status = status_of(i);
        seen_as_guests += status.guest_count;
        assert_int_equal(status.max_clients, budgets[i]);
        if (status.guest_count > 0 && i >= 2)
            victim = i; /* no bootstrap node */
    }
    assert_int_equal(seen_as_guests, as_guests);
    all_reached();
    assert_true(victim > 0);
    node_net_kill(&net, victim);
    pass(60);
    assert_true(node_net_all_joined(&net, NULL));
    pass(60);
    all_reached();
    node_net_deinit(&net);
}

/* Who is not refused is at home where its Node-ID belongs, and its registration is [itself]. */
static void test_at_home(void **state)
{
    struct found f = {.done = false};
    (void)state;
    start(22, 3, false);
    add_client(3, "c0");
    add_client(4, "c1");
    node_net_run(&net, 60 * S);
    assert_true(node_net_all_joined(&net, NULL));
    assert_false(status_of(3).guest || status_of(4).guest);
    assert_int_equal(rf_node_whois(net.nodes[3].node, rf_view_str(net.nodes[4].user), net.now, on_found, &f),
                     0);
    node_net_settle(&net, 3);
    assert_true(node_net_until(&net, 40 * S, flag, &f.done));
    assert_int_equal(f.count, 1);
    assert_int_equal(f.device.route.len, 2 + 16); /* one Node-ID */
    size_t clients = 0, reserves = 0;
    for (size_t i = 0; i < 3; i++) {
        clients += status_of(i).client_count;
        reserves += status_of(i).reserve_count;
        assert_int_equal(status_of(i).guest_count, 0);
    }
    assert_int_equal(clients, 4);
    assert_int_equal(reserves, 2);
    node_net_deinit(&net);
}

/* ---- liars: supernodes that refuse every Attach with what they like ---- */

enum lie { LIE_TEXT, LIE_SHORT, LIE_NOBODY, LIE_ITSELF, LIE_YOU, LIE_THOUSANDS, LIES };
static enum lie lie;
static size_t lies_told;

static void lie_put(struct rf_overlay *overlay, const struct rf_request *request, struct rf_buf *out)
{
    struct rf_admit_busy busy = {.retry_after_ms = UINT32_MAX, .alternative_count = 3};
    for (uint8_t i = 0; i < 3; i++) {
        busy.alternatives[i] = (struct rf_id){.len = 16, .b[0] = i, .b[5] = 77};
        if (lie == LIE_ITSELF)
            busy.alternatives[i] = overlay->self;
        if (lie == LIE_YOU)
            busy.alternatives[i] = request->signer.node_id;
    }
    if (lie == LIE_TEXT) {
        rf_buf_view_put(out, rf_view_str("overloaded"));
        return;
    }
    if (lie != LIE_THOUSANDS) {
        rf_admit_busy_encode(&busy, out);
        out->len -= lie == LIE_SHORT;
        return;
    }
    rf_buf_u32(out, UINT32_C(0x5246627a));
    rf_buf_u32(out, 0);
    size_t mark = rf_buf_open(out, 2);
    for (unsigned i = 0; i < 100; i++) {
        rf_buf_u64(out, i + 1);
        rf_buf_u64(out, i * UINT64_C(0x9e3779b97f4a7c15));
    }
    rf_buf_close(out, mark, 2);
    rf_buf_u16(out, 0);
}

static void on_attach(void *arg, struct rf_request *request)
{
    struct rf_overlay *overlay = arg;
    struct rf_buf info;
    rf_buf_init(&info, rf_mem_system(), 4096);
    lie_put(overlay, request, &info);
    RF_ASSERT(rf_buf_error(&info) == 0);
    lies_told++;
    rf_overlay_refuse(overlay, request, RF_ERROR_EXP_A, rf_buf_view(&info));
    rf_buf_deinit(&info);
}

static void make_liar(size_t i)
{
    struct rf_overlay *overlay = net.nodes[i].node->overlay;
    for (size_t k = 0; k < overlay->handler_count; k++)
        if (overlay->handlers[k].code == RF_CODE_ATTACH_REQ) {
            overlay->handlers[k].fn = on_attach;
            overlay->handlers[k].arg = overlay;
        }
}

/* One liar: the client comes in elsewhere. All lie: what the client asks is little, and less and less. */
static void test_liars(void **state)
{
    (void)state;
    for (lie = LIE_TEXT; lie < LIES; lie++) {
        start(30 + (uint64_t)lie, 3, false);
        make_liar(0);
        lies_told = 0;
        add_client(3, "c0");
        if (!node_net_until(&net, 180 * S, node_net_all_joined, NULL))
            fail_msg("lie %d: not joined, %zu told", (int)lie, lies_told);
        for (size_t i = 0; i < 3; i++)
            make_liar(i);
        node_net_kill(&net, 3);
        lies_told = 0;
        node_net_start(&net, 3);
        node_net_run(&net, 60 * S);
        assert_false(node_net_joined(&net, 3));
        assert_in_range(lies_told, 1, 40);
        node_net_run(&net, 9 * 60 * S);
        lies_told = 0;
        node_net_run(&net, 5 * 60 * S);
        assert_in_range(lies_told, 1, 5 * 15);
        assert_int_equal(net.nodes[3].node->attach_count <= 3, 1);
        node_net_deinit(&net);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_redirected),
        cmocka_unit_test(test_at_home),
        cmocka_unit_test(test_liars),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
