/* test_node_hostile.c - one enrolled node that wants to harm another: it cannot have it dial without end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "base/assert.h"
#include "node/internal.h"
#include "support/node_net.h"
#include "wire/attach.h"

#define S RF_US_PER_S

struct answers {
    size_t good, in_progress, other;
};

static void answered(void *arg, const struct rf_reply *reply)
{
    struct answers *a = arg;
    if (reply->error == 0)
        a->good++;
    else if (reply->error == RF_EREMOTE && reply->error_code == RF_ERROR_IN_PROGRESS)
        a->in_progress++;
    else
        a->other++;
}

/* an AppAttach whose only candidate is `addr` */
static void app_attach(struct node_net *net, size_t from, size_t to, const struct rf_addr *addr,
                       struct answers *a)
{
    struct rf_ice_candidate candidate = {.addr = *addr,
                                         .overlay_link = RF_OVERLAY_LINK_TLS_TCP_FH_NO_ICE,
                                         .foundation = rf_view_str("1"),
                                         .priority = 1,
                                         .type = RF_ICE_HOST};
    struct rf_app_attach body = {.application = 5060,
                                 .role = rf_view_str(RF_ATTACH_PASSIVE),
                                 .candidates = &candidate,
                                 .candidate_count = 1};
    struct rf_buf bytes;
    rf_call_id id;
    rf_buf_init(&bytes, rf_mem_system(), 4096);
    rf_app_attach_encode(&body, &bytes);
    struct rf_call call = {
        .code = RF_CODE_APP_ATTACH_REQ, .body = rf_buf_view(&bytes), .done = answered, .arg = a};
    rf_call_to_node(&call, &net->nodes[to].identity.node_id);
    assert_int_equal(rf_overlay_call(net->nodes[from].node->overlay, &call, &id), 0);
    rf_buf_deinit(&bytes);
    node_net_settle(net, from);
}

static void count_link(void *arg, const struct rf_link_info *info)
{
    (void)info;
    ++*(size_t *)arg;
}

/* Thirty AppAttaches to the same node: three dials to an address where nobody is; four connections where somebody is. */
static void test_dials(void **state)
{
    (void)state;
    struct node_net net;
    struct answers dead = {0}, alive = {0};
    node_net_init(&net, 6, 1, &rf_engine_plain, NULL, NULL);
    node_net_add(&net, "s0", RF_NODE_SUPERNODE);
    node_net_add(&net, "s1", RF_NODE_SUPERNODE);
    for (size_t i = 0; i < 2; i++) {
        node_net_start(&net, i);
        assert_true(node_net_until(&net, 60 * S, node_net_all_joined, NULL));
        assert_int_equal(rf_node_set_app(net.nodes[i].node, 5060, &node_net_deaf_app), 0);
    }
    node_net_run(&net, 40 * S);
    size_t before = 0, after = 0;
    rf_links_each(net.nodes[0].node->links, count_link, &before);
    /* the network answers a connection to nobody only after the latency: until then all of these are under way */
    struct rf_addr nobody = net.nodes[0].addr;
    nobody.ip[3] = 77;
    net.latency_us = 200000;
    for (size_t i = 0; i < 30; i++)
        app_attach(&net, 1, 0, &nobody, &dead);
    node_net_run(&net, 250000);
    rf_links_each(net.nodes[0].node->links, count_link, &after);
    assert_int_equal(after - before, 3);
    node_net_run(&net, 60 * S);
    assert_int_equal(dead.good, 3);
    assert_int_equal(dead.in_progress, 27);
    assert_int_equal(dead.other, 0);
    /* those dials are over: there is room again, until four connections stand */
    for (size_t i = 0; i < 30; i++) {
        assert_int_equal(
            rf_links_expect(net.nodes[1].node->links, &net.nodes[0].identity.node_id, RF_LINK_APP, 5060), 0);
        app_attach(&net, 1, 0, &net.nodes[1].addr, &alive);
        node_net_run(&net, 5 * S);
    }
    assert_int_equal(alive.good, 4);
    assert_int_equal(alive.in_progress, 26);
    size_t conns = 0;
    RF_LIST_EACH(&net.nodes[0].node->app_conns, it)
    {
        conns++;
    }
    assert_int_equal(conns, 4);
    node_net_deinit(&net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_dials)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
