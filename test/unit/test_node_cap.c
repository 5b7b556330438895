/* test_node_cap.c - max_flows: never more connections at once, who gets one, who waits, who goes for others, and one in quiet times. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>
#include "base/assert.h"
#include "base/error.h"
#include "node/internal.h"
#include "support/node_net.h"

#define S      RF_US_PER_S
#define SUPERS 3
#define OTHERS 6 /* clients to speak with */
#define GUEST  SUPERS
#define APP    5060

static struct node_net net;

/* ---- the guest's application connections ---- */

static struct {
    size_t up, down, most_flows;
    struct {
        bool done;
        int error;
        rf_link_id conn;
    } asked[OTHERS];
} seen;

static void app_up(void *ctx, rf_link_id conn, const struct rf_id *node_id, struct rf_view user,
                   bool outgoing)
{
    (void)ctx, (void)conn, (void)node_id, (void)user, (void)outgoing;
    seen.up++;
}

static void app_data(void *ctx, rf_link_id conn, struct rf_view bytes)
{
    (void)ctx, (void)conn, (void)bytes;
}

static void app_down(void *ctx, rf_link_id conn, int reason)
{
    (void)ctx, (void)conn, (void)reason;
    seen.down++;
}

static const struct rf_node_app guests_app = {NULL, app_up, app_data, app_down};

static void attached(void *arg, int error, rf_link_id conn)
{
    size_t i = (size_t)(uintptr_t)arg;
    seen.asked[i].done = true;
    seen.asked[i].error = error;
    seen.asked[i].conn = conn;
}

static void ask(size_t i)
{
    struct rf_app_target target = {.node_id = net.nodes[GUEST + 1 + i].identity.node_id, .application = APP};
    seen.asked[i].done = false;
    assert_int_equal(
        rf_node_app_attach(net.nodes[GUEST].node, &target, net.now, attached, (void *)(uintptr_t)i), 0);
    node_net_settle(&net, GUEST);
}

static void ask_of(size_t from)
{
    struct rf_app_target target = {.node_id = net.nodes[GUEST].identity.node_id, .application = APP};
    assert_int_equal(rf_node_app_attach(net.nodes[GUEST + 1 + from].node, &target, net.now, attached,
                                        (void *)(uintptr_t)from),
                     0);
    node_net_settle(&net, GUEST + 1 + from);
}

static struct rf_node_status status(void)
{
    struct rf_node_status status;
    rf_node_status(net.nodes[GUEST].node, &status);
    return status;
}

/* Runs until `count` of the attempts have ended; sees whether there were ever too many connections. */
static bool ended(struct node_net *n, void *count)
{
    size_t ends = 0, flows = status().flow_count;
    (void)n;
    if (flows > seen.most_flows)
        seen.most_flows = flows;
    for (size_t i = 0; i < OTHERS; i++)
        ends += seen.asked[i].done;
    return ends >= *(size_t *)count;
}

static void run(uint64_t us)
{
    size_t never = SIZE_MAX;
    (void)node_net_until(&net, us, ended, &never);
}

static void run_until_ended(size_t count)
{
    assert_true(node_net_until(&net, 40 * S, ended, &count));
}

static uint64_t counter(const char *name)
{
    return node_net_counter(&net, GUEST, "node", name);
}

static void start(uint64_t seed, size_t max_flows, bool no_reserve)
{
    char name[32];
    memset(&seen, 0, sizeof(seen));
    node_net_init(&net, seed, 2, &rf_engine_plain, NULL, NULL);
    for (size_t i = 0; i < SUPERS + 1 + OTHERS; i++) {
        snprintf(name, sizeof(name), "n%zu", i);
        node_net_add(&net, name, i < SUPERS ? RF_NODE_SUPERNODE : RF_NODE_CLIENT);
    }
    net.nodes[GUEST].max_flows = max_flows;
    net.nodes[GUEST].no_reserve = no_reserve;
    for (size_t i = 0; i < net.count; i++) {
        if (i == GUEST)
            continue;
        node_net_start(&net, i);
        if (i > GUEST)
            assert_int_equal(rf_node_set_app(net.nodes[i].node, APP, &node_net_deaf_app), 0);
        assert_true(node_net_until(&net, 60 * S, node_net_all_joined, NULL));
    }
    node_net_start(&net, GUEST);
    assert_int_equal(rf_node_set_app(net.nodes[GUEST].node, APP, &guests_app), 0);
    run(60 * S);
    assert_true(node_net_joined(&net, GUEST));
}

/* ---- */

static void test_quiet(void **state)
{
    (void)state;
    start(1, 0, false);
    assert_int_equal(status().max_flows, 20);
    assert_int_equal(status().flow_count, 2); /* others can dial it: home and reserve */
    node_net_deinit(&net);
    start(2, 4, true);
    assert_int_equal(status().max_flows, 4);
    assert_int_equal(status().flow_count, 1);
    run(3600 * S);
    assert_int_equal(status().flow_count, 1);
    assert_true(seen.most_flows <= 4);
    node_net_deinit(&net);
}

/* More want to be spoken with at once than there may be: they take turns, since nobody keeps a connection that he does not use. */
static void test_turns(void **state)
{
    (void)state;
    start(3, 4, true);
    for (size_t i = 0; i < OTHERS; i++)
        ask(i);
    run_until_ended(OTHERS);
    for (size_t i = 0; i < OTHERS; i++)
        assert_int_equal(seen.asked[i].error, 0);
    assert_int_equal(seen.up, OTHERS);
    assert_true(seen.down >= OTHERS - 2);
    assert_int_equal(seen.most_flows, 3); /* one is kept for a home that moves */
    assert_int_equal(counter("flows_waited"), OTHERS - 2);
    assert_true(counter("flows_closed") >= OTHERS - 2);
    assert_int_equal(counter("flows_refused"), 0);
    node_net_deinit(&net);
}

/* Who is in use stays: others wait in vain and are told; others' requests are refused at once. */
static void test_held(void **state)
{
    (void)state;
    start(4, 8, true); /* two calls with their sound, home, and what a home that moves needs */
    for (size_t i = 0; i < 2; i++) {
        ask(i);
        run_until_ended(i + 1);
        assert_int_equal(seen.asked[i].error, 0);
        rf_node_app_hold(net.nodes[GUEST].node, seen.asked[i].conn, true, net.now);
    }
    ask(2);
    run(25 * S);
    assert_true(seen.asked[2].done);
    assert_int_equal(seen.asked[2].error, RF_ELIMIT);
    assert_int_equal(counter("flows_refused"), 1);
    ask_of(3);
    run(2 * S);
    assert_true(seen.asked[3].done);
    assert_int_equal(seen.asked[3].error, RF_EREMOTE);
    assert_int_equal(counter("flows_refused"), 2);
    assert_int_equal(seen.down, 0);
    rf_node_app_hold(net.nodes[GUEST].node, seen.asked[0].conn, false, net.now);
    run(5 * S);
    ask(2);
    run_until_ended(4);
    assert_int_equal(seen.asked[2].error, 0);
    assert_int_equal(seen.down, 0); /* one call less is room enough */
    assert_int_equal(seen.most_flows, 7);
    node_net_deinit(&net);
}

/* Keep-alives are no use of a connection, messages are. */
static void test_used(void **state)
{
    struct rf_node *guest;
    (void)state;
    start(5, 4, true);
    guest = net.nodes[GUEST].node;
    ask(0);
    ask(1);
    run_until_ended(2);
    for (size_t i = 0; i < 10; i++) {
        assert_int_equal(rf_node_app_send(guest, seen.asked[0].conn, rf_view_str("\r\n\r\n"), net.now), 0);
        assert_int_equal(rf_node_app_send(guest, seen.asked[1].conn, rf_view_str("MESSAGE"), net.now), 0);
        node_net_settle(&net, GUEST);
        run(S);
    }
    ask(2);
    run_until_ended(3);
    assert_int_equal(seen.asked[2].error, 0);
    assert_int_equal(rf_node_app_send(guest, seen.asked[0].conn, rf_view_str("x"), net.now), RF_ENOTFOUND);
    assert_int_equal(rf_node_app_send(guest, seen.asked[1].conn, rf_view_str("x"), net.now), 0);
    node_net_settle(&net, GUEST);
    node_net_deinit(&net);
}

/* The reserve makes room for those that somebody speaks with, and is there again after that. */
static void test_reserve_gives_way(void **state)
{
    (void)state;
    start(6, 8, false);
    assert_int_equal(status().flow_count, 2);
    for (size_t i = 0; i < 2; i++) {
        ask(i);
        run_until_ended(i + 1);
        rf_node_app_hold(net.nodes[GUEST].node, seen.asked[i].conn, true, net.now);
    }
    run(200 * S);
    assert_int_equal(status().flow_count, 7);
    for (size_t i = 0; i < 2; i++)
        rf_node_app_close(net.nodes[GUEST].node, seen.asked[i].conn, net.now);
    run(1200 * S);
    assert_int_equal(status().flow_count, 2);
    assert_true(seen.most_flows <= 8);
    node_net_deinit(&net);
}

/* A call needs room for its sound: connections that nobody uses go for it. */
static void test_sound(void **state)
{
    (void)state;
    start(9, 4, true);
    for (size_t i = 0; i < 2; i++) {
        ask(i);
        run_until_ended(i + 1);
    }
    run(5 * S);
    assert_int_equal(status().flow_count, 3);
    rf_node_app_hold(net.nodes[GUEST].node, seen.asked[0].conn, true, net.now);
    node_net_settle(&net, GUEST);
    run(5 * S);
    assert_int_equal(status().flow_count, 4);
    assert_int_equal(seen.down, 1);
    node_net_deinit(&net);
}

/* Home is lost while all that is left is in use: the way back is always open. */
static void test_way_back(void **state)
{
    (void)state;
    start(7, 5, true);
    ask(0);
    run_until_ended(1);
    rf_node_app_hold(net.nodes[GUEST].node, seen.asked[0].conn, true, net.now);
    struct rf_id home = status().supernode;
    for (size_t i = 0; i < SUPERS; i++)
        if (rf_id_equal(&net.nodes[i].identity.node_id, &home))
            node_net_kill(&net, i);
    run(10 * S);
    assert_true(node_net_joined(&net, GUEST));
    run(60 * S);
    assert_int_equal(status().flow_count, 4);
    assert_int_equal(seen.down, 0);
    assert_true(seen.most_flows <= 5);
    node_net_deinit(&net);
}

/* Strangers that connect with a client get no more than there is. */
static void test_strangers(void **state)
{
    struct rf_addr from;
    size_t let_in = 0;
    (void)state;
    start(8, 6, true);
    for (size_t i = 0; i < 50; i++) {
        rf_link_id flow;
        assert_int_equal(rf_addr_parse("192.0.2.1:1000", 0, &from), 0);
        from.port = (uint16_t)(1000 + i);
        let_in += rf_node_accept(net.nodes[GUEST].node, &from, &net.nodes[GUEST].addr, net.now, &flow) == 0;
    }
    assert_int_equal(let_in, 4);
    assert_int_equal(counter("flows_refused"), 46);
    ask(0); /* who only stands at the door goes first */
    run_until_ended(1);
    assert_int_equal(seen.asked[0].error, 0);
    node_net_deinit(&net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_quiet),
        cmocka_unit_test(test_turns),
        cmocka_unit_test(test_held),
        cmocka_unit_test(test_used),
        cmocka_unit_test(test_reserve_gives_way),
        cmocka_unit_test(test_sound),
        cmocka_unit_test(test_way_back),
        cmocka_unit_test(test_strangers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
