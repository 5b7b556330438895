/* test_node_outward.c - clients that nobody can dial: they dial their supernodes, and whom they cannot dial they ask ever more seldom. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>
#include "base/assert.h"
#include "base/error.h"
#include "node/internal.h"
#include "overlay/chord/chord.h"
#include "overlay/internal.h"
#include "support/node_net.h"
#include "wire/attach.h"

#define S       RF_US_PER_S
#define SUPERS  4
#define CLIENTS 8

static struct node_net net;

static struct handler *attach_handler(size_t i)
{
    struct rf_overlay *overlay = net.nodes[i].node->overlay;
    for (size_t k = 0; k < overlay->handler_count; k++)
        if (overlay->handlers[k].code == RF_CODE_ATTACH_REQ)
            return &overlay->handlers[k];
    fail_msg("no handler");
    return NULL;
}

/* ---- a node that knows only the RFCs: it does not see our extension ---- */

static rf_request_fn real_on_attach;

static void attach_plainly(void *arg, struct rf_request *request)
{
    const struct rf_message *message = request->message;
    struct rf_message plain = *message;
    plain.extensions = rf_view_of(NULL, 0);
    request->message = &plain;
    real_on_attach(arg, request);
    request->message = message;
}

/* ---- a node that promises to dial, does not, and says that it listens where nobody answers ---- */

static void promise(void *arg, struct rf_request *request)
{
    struct rf_node *node = arg;
    struct rf_ice_candidate candidate = {.addr = net.dead,
                                         .overlay_link = RF_OVERLAY_LINK_TLS_TCP_FH_NO_ICE,
                                         .foundation = rf_view_str("1"),
                                         .priority = 1,
                                         .type = RF_ICE_HOST};
    struct rf_attach body = {
        .role = rf_view_str(RF_ATTACH_ACTIVE), .candidates = &candidate, .candidate_count = 1};
    struct rf_buf bytes;
    rf_buf_init(&bytes, rf_mem_system(), 4096);
    rf_attach_encode(&body, &bytes);
    assert_int_equal(rf_overlay_answer(node->overlay, request, rf_buf_view(&bytes), NULL, 0), 0);
    rf_buf_deinit(&bytes);
}

/* ---- the world ---- */

static void start(uint64_t seed, size_t clients, bool natted)
{
    char name[32];
    node_net_init(&net, seed, 2, &rf_engine_plain, NULL, NULL);
    for (size_t i = 0; i < SUPERS + clients; i++) {
        snprintf(name, sizeof(name), "%c%zu", i < SUPERS ? 's' : 'c', i);
        node_net_add(&net, name, i < SUPERS ? RF_NODE_SUPERNODE : RF_NODE_CLIENT);
        net.nodes[i].natted = natted && i >= SUPERS;
    }
    for (size_t i = 0; i < SUPERS; i++) {
        node_net_start(&net, i);
        assert_true(node_net_until(&net, 60 * S, node_net_all_joined, NULL));
    }
    node_net_run(&net, 20 * S);
}

static void start_clients(void)
{
    for (size_t i = SUPERS; i < net.count; i++)
        node_net_start(&net, i);
    assert_true(node_net_until(&net, 30 * S, node_net_all_joined, NULL));
    node_net_run(&net, 60 * S);
}

/* Every client is where it belongs and has that many links, which count at both ends. */
static void assert_all_at_home(size_t links, bool counted)
{
    size_t clients = 0, reserves = 0, guests = 0;
    for (size_t i = 0; i < net.count; i++) {
        struct rf_node_status status;
        if (net.nodes[i].node == NULL)
            continue;
        rf_node_status(net.nodes[i].node, &status);
        assert_true(node_net_joined(&net, i));
        assert_false(status.guest);
        clients += status.client_count;
        reserves += status.reserve_count;
        guests += status.guest_count;
        if (i >= SUPERS)
            assert_int_equal(rf_links_count(net.nodes[i].node->links, RF_LINK_UP), links);
    }
    if (!counted)
        return;
    assert_int_equal(clients, links * CLIENTS);
    assert_int_equal(reserves, (links - 1) * CLIENTS);
    assert_int_equal(guests, 0);
}

static uint64_t dialled(void)
{
    uint64_t total = 0;
    for (size_t i = SUPERS; i < net.count; i++)
        total += node_net_counter(&net, i, "node", "attaches_dialled");
    return total;
}

static uint64_t asked(void)
{
    uint64_t total = 0;
    for (size_t i = SUPERS; i < net.count; i++) {
        struct rf_topology *t;
        (void)rf_overlay_topology(net.nodes[i].node->overlay, &t);
        total += t->counters->attaches;
    }
    return total;
}

/* Whoever can be dialled is dialled. */
static void test_open(void **state)
{
    (void)state;
    start(40, CLIENTS, false);
    start_clients();
    assert_all_at_home(2, true);
    assert_int_equal(dialled(), 0);
    node_net_deinit(&net);
}

/* Nobody can: home all the same, and one connection in all. Once a client knows it no supernode dials it in vain, and nothing is asked again and again. */
static void test_natted(void **state)
{
    (void)state;
    start(41, CLIENTS, true);
    start_clients();
    assert_all_at_home(1, true);
    assert_true(dialled() >= CLIENTS);
    for (size_t i = SUPERS; i < net.count; i++)
        assert_true(node_outward(net.nodes[i].node));
    uint64_t in_vain = net.unanswered, attaches = asked();
    assert_true(in_vain >= CLIENTS);
    node_net_run(&net, 10 * 60 * S);
    assert_int_equal(asked(), attaches);
    for (size_t round = 0; round < 2; round++) { /* its clients move, and then move back */
        if (round == 0)
            node_net_kill(&net, SUPERS - 1);
        else
            node_net_start(&net, SUPERS - 1);
        node_net_run(&net, 180 * S);
        assert_all_at_home(1, true);
        assert_true(asked() > attaches);
        attaches = asked();
    }
    assert_int_equal(net.unanswered, in_vain);
    node_net_deinit(&net);
}

/* Supernodes that do not know our extension dial in vain, and take the connection that comes. */
static void test_natted_among_strangers(void **state)
{
    (void)state;
    start(42, CLIENTS, true);
    for (size_t i = 0; i < SUPERS; i++) {
        struct handler *handler = attach_handler(i);
        real_on_attach = handler->fn;
        handler->fn = attach_plainly;
    }
    start_clients();
    assert_all_at_home(1, false);
    uint64_t attaches = asked();
    node_net_run(&net, 10 * 60 * S);
    assert_all_at_home(1, false);
    assert_int_equal(asked(), attaches);
    node_net_deinit(&net);
}

/* A client that moves to where it can be dialled notices at the first connection. */
static void test_notices(void **state)
{
    (void)state;
    start(43, 1, true);
    start_clients();
    struct rf_node *client = net.nodes[SUPERS].node;
    assert_true(node_outward(client));
    net.nodes[SUPERS].natted = false;
    node_net_run(&net, 3600 * S); /* what it knows is old by then */
    assert_false(node_outward(client));
    uint64_t before = dialled();
    for (size_t i = 0; i < SUPERS; i++) /* it has to look for others */
        if (i >= 2 && rf_overlay_link_of(client->overlay, &net.nodes[i].identity.node_id) != 0)
            node_net_kill(&net, i);
    node_net_run(&net, 60 * S);
    assert_true(node_net_joined(&net, SUPERS));
    assert_int_equal(dialled(), before);
    node_net_deinit(&net);
}

/* Whoever is in charge of a client promises and does not come: the client is a guest, and asks for its place ever more seldom. */
static void test_back_off(void **state)
{
    struct rf_node_status status;
    (void)state;
    start(47, 1, true);
    net.dead = net.nodes[0].addr;
    net.dead.port++;
    for (size_t i = 0; i < SUPERS; i++)
        attach_handler(i)->fn = promise;
    start_clients();
    rf_node_status(net.nodes[SUPERS].node, &status);
    assert_true(status.guest);
    uint64_t attaches = asked();
    node_net_run(&net, 5 * 60 * S);
    assert_in_range(asked() - attaches, 2, 15);
    node_net_run(&net, 5 * 60 * S);
    attaches = asked();
    node_net_run(&net, 10 * 60 * S);
    assert_in_range(asked() - attaches, 1, 10);
    rf_node_status(net.nodes[SUPERS].node, &status);
    assert_true(status.guest && node_net_joined(&net, SUPERS));
    node_net_deinit(&net);
}

/* ---- application connections ---- */

struct asked_app {
    bool done;
    int error;
};

static void app_done(void *arg, int error, rf_link_id conn)
{
    (void)conn;
    *(struct asked_app *)arg = (struct asked_app){true, error};
}

static bool app_is_done(struct node_net *n, void *arg)
{
    (void)n;
    return ((struct asked_app *)arg)->done;
}

/* How long it took client `from` to get a connection with client `to`; it ends with `error`. */
static uint64_t connect_app(size_t from, size_t to, int error)
{
    struct asked_app a = {0};
    struct rf_app_target target = {.node_id = net.nodes[SUPERS + to].identity.node_id, .application = 5060};
    uint64_t begun = net.now.mono_us;
    assert_int_equal(rf_node_app_attach(net.nodes[SUPERS + from].node, &target, net.now, app_done, &a), 0);
    node_net_settle(&net, SUPERS + from);
    assert_true(node_net_until(&net, 60 * S, app_is_done, &a));
    assert_int_equal(a.error, error);
    return net.now.mono_us - begun;
}

/* Clients 0 and 1 stand behind NATs, 2 and 3 do not: all reach each other but those two. */
static void test_apps(void **state)
{
    (void)state;
    start(48, 4, true);
    net.nodes[SUPERS + 2].natted = net.nodes[SUPERS + 3].natted = false;
    start_clients();
    for (size_t i = SUPERS; i < net.count; i++)
        assert_int_equal(rf_node_set_app(net.nodes[i].node, 5060, &node_net_deaf_app), 0);
    uint64_t in_vain = net.unanswered;
    assert_in_range(connect_app(0, 2, 0), 1, S); /* who is behind one dials */
    assert_in_range(connect_app(2, 1, 0), 1, S); /* and so he does when he is asked */
    assert_in_range(connect_app(2, 3, 0), 1, S);
    assert_in_range(connect_app(0, 1, RF_EREMOTE), 1, S); /* which is said at once */
    assert_int_equal(net.unanswered, in_vain);
    net.nodes[SUPERS].node->undialled_us = 0; /* one that does not know it finds out */
    assert_in_range(connect_app(0, 3, 0), 4 * S, 6 * S);
    assert_true(net.unanswered > in_vain);
    assert_true(node_outward(net.nodes[SUPERS].node));
    node_net_deinit(&net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_open),
        cmocka_unit_test(test_natted),
        cmocka_unit_test(test_natted_among_strangers),
        cmocka_unit_test(test_notices),
        cmocka_unit_test(test_back_off),
        cmocka_unit_test(test_apps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
