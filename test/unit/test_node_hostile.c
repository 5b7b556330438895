/* test_node_hostile.c - one enrolled node that wants to harm another: it cannot have it dial without end, nor fill its links. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "base/assert.h"
#include "node/internal.h"
#include "support/node_net.h"
#include "wire/admit.h"
#include "wire/attach.h"

#define S RF_US_PER_S

struct answers {
    size_t good, refused, other;
};

static void answered(void *arg, const struct rf_reply *reply)
{
    struct answers *a = arg;
    if (reply->error == 0)
        a->good++;
    else if (reply->error == RF_EREMOTE && reply->error_code == RF_ERROR_FORBIDDEN)
        a->refused++;
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
    assert_int_equal(dead.refused, 27);
    assert_int_equal(dead.other, 0);
    /* those dials are over: there is room again, until four connections stand */
    for (size_t i = 0; i < 30; i++) {
        assert_int_equal(
            rf_links_expect(net.nodes[1].node->links, &net.nodes[0].identity.node_id, RF_LINK_APP, 5060), 0);
        app_attach(&net, 1, 0, &net.nodes[1].addr, &alive);
        node_net_run(&net, 5 * S);
    }
    assert_int_equal(alive.good, 4);
    assert_int_equal(alive.refused, 26);
    size_t conns = 0;
    RF_LIST_EACH(&net.nodes[0].node->app_conns, it)
    {
        conns++;
    }
    assert_int_equal(conns, 4);
    node_net_deinit(&net);
}

/* ---- links ---- */

#define VICTIM 2 /* a supernode, whose links the client means to fill */
#define CLIENT 3

struct links_of {
    const struct rf_id *node;
    size_t count;
};

static void count_overlay_link(void *arg, const struct rf_link_info *info)
{
    struct links_of *of = arg;
    of->count += info->state == RF_LINK_UP && info->purpose == RF_LINK_OVERLAY &&
                 rf_id_equal(&info->node_id, of->node);
}

/* How many links the victim has with the client. */
static size_t links_held(const struct node_net *net)
{
    struct links_of of = {.node = &net->nodes[CLIENT].identity.node_id};
    rf_links_each(net->nodes[VICTIM].node->links, count_overlay_link, &of);
    return of.count;
}

static size_t home_of_client(const struct node_net *net)
{
    struct rf_node_status status;
    rf_node_status(net->nodes[CLIENT].node, &status);
    for (size_t i = 0; i < CLIENT; i++)
        if (rf_id_equal(&net->nodes[i].identity.node_id, &status.supernode))
            return i;
    return SIZE_MAX;
}

/* Three supernodes, and a client that has its home at another one than the victim, and no reserve. */
static void with_client(struct node_net *net)
{
    for (uint64_t seed = 1;; seed++) {
        node_net_init(net, seed, 1, &rf_engine_plain, NULL, NULL);
        for (size_t i = 0; i <= CLIENT; i++) {
            node_net_add(net, i == CLIENT ? "client" : "super",
                         i == CLIENT ? RF_NODE_CLIENT : RF_NODE_SUPERNODE);
            net->nodes[i].no_reserve = true;
            node_net_start(net, i);
            assert_true(node_net_until(net, 60 * S, node_net_all_joined, NULL));
        }
        node_net_run(net, 60 * S);
        if (home_of_client(net) != VICTIM)
            return;
        node_net_deinit(net);
    }
}

/* The client asks the victim over its home to dial it, as one that has lost its link does. */
static void attach_over_home(struct node_net *net, struct answers *a)
{
    struct rf_node *client = net->nodes[CLIENT].node;
    struct rf_ice_candidate candidate = {.addr = net->nodes[CLIENT].addr,
                                         .overlay_link = RF_OVERLAY_LINK_TLS_TCP_FH_NO_ICE,
                                         .foundation = rf_view_str("1"),
                                         .priority = 1,
                                         .type = RF_ICE_HOST};
    struct rf_attach body = {
        .role = rf_view_str(RF_ATTACH_PASSIVE), .candidates = &candidate, .candidate_count = 1};
    struct rf_buf bytes, wish;
    rf_call_id id;
    rf_buf_init(&bytes, rf_mem_system(), 4096);
    rf_buf_init(&wish, rf_mem_system(), 64);
    rf_attach_encode(&body, &bytes);
    rf_admit_wish_put(RF_ADMIT_HOME, false, &wish);
    size_t home = home_of_client(net);
    assert_true(home != VICTIM && home != SIZE_MAX);
    struct rf_call call = {.code = RF_CODE_ATTACH_REQ,
                           .body = rf_buf_view(&bytes),
                           .extensions = rf_buf_view(&wish),
                           .link = rf_overlay_link_of(client->overlay, &net->nodes[home].identity.node_id),
                           .done = answered,
                           .arg = a};
    rf_call_to_node(&call, &net->nodes[VICTIM].identity.node_id);
    assert_int_equal(rf_overlay_call(client->overlay, &call, &id), 0);
    rf_buf_deinit(&bytes);
    rf_buf_deinit(&wish);
    node_net_settle(net, CLIENT);
}

/* Ten Attaches of a client that says each time that it has lost its link, one after the other and at once: three links. Most of those end soon. */
static void test_links(void **state)
{
    (void)state;
    for (int at_once = 0; at_once < 2; at_once++) {
        struct node_net net;
        struct answers a = {0};
        with_client(&net);
        for (size_t i = 0; i < 10; i++) {
            attach_over_home(&net, &a);
            node_net_run(&net, at_once ? 0 : S / 2);
            assert_true(links_held(&net) <= 3);
        }
        node_net_run(&net, 2 * S);
        assert_in_range(links_held(&net), 1, 3);
        assert_int_equal(a.good, 3);
        assert_int_equal(a.refused, 7);
        node_net_run(&net, 60 * S);
        assert_true(links_held(&net) <= 1);
        node_net_deinit(&net);
    }
}

/* It dials again and again: what is beyond two ends at the next look, although the newest is always new. */
static void test_dialled_links(void **state)
{
    struct node_net net;
    rf_link_id id;
    (void)state;
    with_client(&net);
    for (size_t i = 0; i < 40; i++) {
        assert_int_equal(rf_links_connect(net.nodes[CLIENT].node->links, &net.nodes[VICTIM].addr, 1, NULL,
                                          RF_LINK_OVERLAY, 0, &id),
                         0);
        node_net_settle(&net, CLIENT);
        node_net_run(&net, 3 * S);
        assert_true(links_held(&net) <= 2 + 7);
    }
    node_net_run(&net, 60 * S);
    assert_true(links_held(&net) <= 1);
    node_net_deinit(&net);
}

/* It dials anew before two links have stood for as long as it takes to choose between those of both sides: of its own the older ones go all the same. */
static void test_renewed_links(void **state)
{
    struct node_net net;
    rf_link_id id;
    size_t alone = 0;
    (void)state;
    with_client(&net);
    for (size_t i = 0; i < 300; i++) {
        if (i % 15 == 0) {
            rf_node_tick(net.nodes[CLIENT].node, net.now); /* which tells it the time */
            assert_int_equal(rf_links_connect(net.nodes[CLIENT].node->links, &net.nodes[VICTIM].addr, 1, NULL,
                                              RF_LINK_OVERLAY, 0, &id),
                             0);
            node_net_settle(&net, CLIENT);
        }
        node_net_run(&net, S);
        alone += links_held(&net) == 1;
        assert_in_range(links_held(&net), 1, 3);
    }
    assert_true(alone > 60); /* the first 15 seconds are */
    node_net_deinit(&net);
}

static bool is_linked(struct node_net *net, void *arg)
{
    (void)arg;
    return rf_overlay_link_of(net->nodes[CLIENT].node->overlay, &net->nodes[VICTIM].identity.node_id) != 0;
}

/* Its two links are silently gone, and the victim does not know: it gets another one at once. */
static void test_return(void **state)
{
    struct node_net net;
    struct answers a = {0};
    (void)state;
    with_client(&net);
    for (size_t i = 0; i < 2; i++) {
        attach_over_home(&net, &a);
        node_net_run(&net, S);
    }
    assert_int_equal(links_held(&net), 2);
    node_net_unplug(&net, CLIENT);
    node_net_kill(&net, CLIENT);
    node_net_start(&net, CLIENT);
    assert_true(node_net_until(&net, 5 * S, node_net_all_joined, NULL));
    assert_int_equal(links_held(&net), 2);
    assert_false(is_linked(&net, NULL));
    attach_over_home(&net, &a);
    assert_true(node_net_until(&net, S, is_linked, NULL));
    assert_int_equal(a.good, 3);
    node_net_deinit(&net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dials),         cmocka_unit_test(test_links),
        cmocka_unit_test(test_dialled_links), cmocka_unit_test(test_renewed_links),
        cmocka_unit_test(test_return),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
