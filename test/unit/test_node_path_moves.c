/* test_node_path_moves.c - the way of a path changes under a link that stands: nothing of what it carries is lost, twice or out of order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include "test_node_path.h"

static unsigned lines;

/* Both send a numbered line every 20 ms. */
static void talk_on(size_t a, size_t b, uint64_t us)
{
    const size_t ends[] = {a, b};
    for (uint64_t at_us = 0; at_us < us; at_us += 20000, lines++) {
        char line[16];
        snprintf(line, sizeof(line), "%07u\n", lines);
        for (size_t i = 0; i < 2; i++) {
            assert_int_equal(
                rf_node_app_send(net.nodes[ends[i]].node, talks[ends[i]].conn, rf_view_str(line), net.now),
                0);
            node_net_settle(&net, ends[i]);
        }
        node_net_run(&net, 20000);
    }
}

static void talk_begin(size_t a, size_t b)
{
    lines = 0;
    rf_buf_init(&talks[a].kept, rf_mem_system(), 1 << 20);
    rf_buf_init(&talks[b].kept, rf_mem_system(), 1 << 20);
}

/* Each line came once, and in its turn; the connection is the one of before. */
static void talk_end(size_t a, size_t b)
{
    const size_t ends[] = {a, b};
    node_net_run(&net, 5 * S);
    for (size_t i = 0; i < 2; i++) {
        struct talk *t = &talks[ends[i]];
        assert_int_equal(t->ups, 1);
        assert_int_equal(t->downs, 0);
        assert_int_equal(t->kept.len, lines * 8);
        for (unsigned k = 0; k < lines; k++)
            assert_int_equal(strtoul((const char *)t->kept.p + (size_t)8 * k, NULL, 10), k);
        rf_buf_deinit(&t->kept);
        t->kept = (struct rf_buf){0};
    }
}

static size_t allocations(void)
{
    return node_relay_allocations(&net, 0) + node_relay_allocations(&net, 1) +
           node_relay_allocations(&net, 2);
}

/* Two behind NATs that have a path, over one of the relays if `shunned`. */
static void path_with(size_t relays, uint64_t seed, enum net_nat a, enum net_nat b, bool shunned,
                      size_t *alice, size_t *bob)
{
    path_start_net(seed, 3);
    for (size_t i = 0; i < relays; i++)
        node_relay_start(&net, i);
    *alice = path_add("a", 0, RF_NODE_CLIENT, a);
    *bob = path_add("b", 0, RF_NODE_CLIENT, b);
    assert_true(node_net_until(&net, 90 * S, node_net_all_joined, NULL));
    node_net_run(&net, 5 * S);
    net.nodes[*alice].shuns = shunned ? &net.nodes[*bob].addr : NULL;
    assert_int_equal(path_attach(*alice, *bob), 0);
    node_net_run(&net, S);
    assert_true(path_link_of(*alice).datagrams);
    talk_begin(*alice, *bob);
}

static void path_between(uint64_t seed, enum net_nat a, enum net_nat b, bool shunned, size_t *alice,
                         size_t *bob)
{
    path_with(3, seed, a, b, shunned, alice, bob);
}

/* What was in the way goes, before ice/ has given up on direct pairs, and long after: the path becomes direct, no line is lost, and the relay is given back. */
void test_upgrade(void **state)
{
    static const uint64_t blocked_s[] = {10, 55};
    size_t alice, bob;
    (void)state;
    for (size_t i = 0; i < RF_COUNT(blocked_s); i++) {
        path_between(20 + i, NET_NAT_PORT, NET_NAT_PORT, true, &alice, &bob);
        talk_on(alice, bob, blocked_s[i] * S);
        assert_int_equal(node_net_counter(&net, alice, "ice", "upgraded"), 0);
        net.nodes[alice].shuns = NULL;
        talk_on(alice, bob, 40 * S);
        assert_int_equal(node_net_counter(&net, alice, "ice", "upgraded"), 1);
        assert_int_equal(node_net_counter(&net, alice, "node", "paths_restarted"), i);
        uint64_t relayed = path_relayed();
        talk_on(alice, bob, 5 * S);
        assert_true(path_relayed() - relayed < 10);
        talk_end(alice, bob);
        node_net_run(&net, 60 * S);
        assert_int_equal(allocations(), 0);
        node_net_deinit(&net);
    }
}

/* This node's NAT gives it another port, and forgets what it had; its computer has another address inside. */
void path_move(size_t i)
{
    struct net_node *n = &net.nodes[i];
    n->mapping_count = 0;
    n->mapping_first = (uint16_t)(n->mapping_first != 0 ? n->mapping_first + 1000 : 41000);
    n->inside.ip[3]++;
    assert_int_equal(rf_node_base(n->node, 0, &n->inside, net.now), 0);
    node_net_settle(&net, i);
}

/* An end moves, the other one's NAT does not let it in from there: the path is looked for anew, by either side, and by both at once; the link and what it carries stay. */
void test_moved(void **state)
{
    size_t alice, bob;
    (void)state;
    for (unsigned who = 1; who <= 3; who++) {
        path_between(30 + who, NET_NAT_PORT, NET_NAT_PORT, false, &alice, &bob);
        talk_on(alice, bob, S);
        for (size_t times = 0; times < 2; times++) {
            if (who & 1)
                path_move(alice);
            if (who & 2)
                path_move(bob);
            talk_on(alice, bob, 10 * S);
        }
        if ((who & 1) != 0)
            assert_true(node_net_counter(&net, alice, "node", "paths_restarted") >= 1);
        if (who == 2)
            assert_int_equal(node_net_counter(&net, bob, "node", "paths_restarted"), 2);
        assert_int_equal(net.nodes[alice].node->paths->count, 1);
        assert_int_equal(net.nodes[bob].node->paths->count, 1);
        talk_end(alice, bob);
        node_net_deinit(&net);
    }
}

/* The same through loss, and between NATs where it takes a relay. */
void test_moved_relayed(void **state)
{
    size_t alice, bob;
    (void)state;
    path_between(40, NET_NAT_SYMMETRIC, NET_NAT_PORT, false, &alice, &bob);
    net.loss_percent = 5;
    for (size_t times = 0; times < 4; times++) {
        talk_on(alice, bob, 5 * S);
        path_move(times % 2 == 0 ? alice : bob);
        talk_on(alice, bob, 15 * S);
    }
    net.loss_percent = 0;
    talk_on(alice, bob, 5 * S);
    talk_end(alice, bob);
    node_net_deinit(&net);
}

/* An end moves, and for some seconds nothing passes between the two at all: it is tried again, and they find each other before consent is over. */
void test_moved_in_vain(void **state)
{
    size_t alice, bob;
    (void)state;
    for (size_t who = 0; who < 2; who++) {
        path_with(0, 43 + who, NET_NAT_PORT, NET_NAT_PORT, false, &alice, &bob);
        talk_on(alice, bob, S);
        net.nodes[alice].shuns = &net.nodes[bob].addr;
        path_move(who == 0 ? alice : bob);
        talk_on(alice, bob, 12 * S);
        net.nodes[alice].shuns = NULL;
        talk_on(alice, bob, 8 * S);
        assert_true(node_net_counter(&net, alice, "node", "paths_restarted") +
                        node_net_counter(&net, bob, "node", "paths_restarted") >=
                    2);
        talk_end(alice, bob);
        node_net_deinit(&net);
    }
}

static size_t home_of(size_t i)
{
    struct rf_node_status status;
    rf_node_status(net.nodes[i].node, &status);
    for (size_t k = 0; k < 3; k++)
        if (rf_id_equal(&net.nodes[k].identity.node_id, &status.supernode))
            return k;
    return SIZE_MAX;
}

/* What it says of its way is taken only if it leads to it. */
static void check_route(struct path *p, const struct rf_dest *dests, size_t count, bool good)
{
    uint8_t bytes[512];
    struct rf_buf buf;
    rf_buf_fixed(&buf, bytes, sizeof(bytes));
    rf_path_route_put(dests, count, &buf);
    assert_int_equal(rf_buf_error(&buf), 0);
    path_route_take(p, rf_buf_view(&buf));
    assert_int_equal(p->route.len > 0, good);
    for (size_t cut = 0; good && cut < buf.len; cut++) {
        path_route_take(p, rf_view_of(buf.p, cut));
        assert_int_equal(p->route.len, 0);
    }
}

static void check_routes(struct path *p)
{
    struct rf_dest dests[RF_CALL_MAX_DESTS + 1];
    struct rf_dest peer = rf_dest_node(&p->peer), place = rf_dest_resource(&p->peer);
    struct rf_id id = p->peer;
    for (size_t i = 0; i < RF_COUNT(dests); i++) {
        id.b[0]++;
        dests[i] = rf_dest_node(&id);
    }
    dests[RF_CALL_MAX_DESTS] = dests[RF_CALL_MAX_DESTS - 1] = dests[1] = peer;
    check_route(p, dests, 2, true);
    check_route(p, &peer, 1, true);
    check_route(p, dests, 1, false);                 /* to somebody else */
    check_route(p, dests, 0, false);                 /* to nobody */
    check_route(p, dests, RF_CALL_MAX_DESTS, false); /* twice by it */
    check_route(p, dests + 2, RF_CALL_MAX_DESTS - 2, true);
    dests[1] = dests[RF_CALL_MAX_DESTS - 1] = dests[0];
    dests[1].id.b[1]++;
    dests[RF_CALL_MAX_DESTS - 1].id.b[2]++;
    check_route(p, dests, RF_CALL_MAX_DESTS + 1, false); /* too long a way */
    dests[1] = place;
    check_route(p, dests, 2, false);
}

/* Alice is the guest of a supernode that is not bob's home. False: not with this seed. */
static bool with_guest(uint64_t seed, size_t *alice, size_t *bob)
{
    struct rf_node_status status;
    path_start_net(seed, 3);
    *alice = path_add("a", 0, RF_NODE_CLIENT, NET_NAT_PORT);
    *bob = path_add("b", 0, RF_NODE_CLIENT, NET_NAT_PORT);
    assert_true(node_net_until(&net, 90 * S, node_net_all_joined, NULL));
    size_t full = home_of(*alice);
    node_net_leave(&net, *alice);
    net.nodes[full].node->max_clients = home_of(*bob) == full;
    node_net_start(&net, *alice);
    struct rf_node_app app = {
        .ctx = &talks[*alice], .up = path_on_up, .data = path_on_data, .down = path_on_down};
    assert_int_equal(rf_node_set_app(net.nodes[*alice].node, APP, &app), 0);
    assert_true(node_net_until(&net, 90 * S, node_net_all_joined, NULL));
    node_net_run(&net, 60 * S);
    rf_node_status(net.nodes[*alice].node, &status);
    assert_true(status.guest);
    assert_int_equal(rf_overlay_link_of(net.nodes[full].node->overlay, &net.nodes[*alice].identity.node_id),
                     0);
    if (home_of(*alice) != home_of(*bob))
        return true;
    node_net_deinit(&net);
    return false;
}

/* Who has called is a guest, whom nobody finds by the Node-ID alone, and the one who was called moves: the restart that this one asks for goes over the guest's home. */
void test_moved_guests_friend(void **state)
{
    size_t alice, bob, tries = 0;
    (void)state;
    while (!with_guest(47 + tries, &alice, &bob))
        assert_true(++tries < 10);
    assert_int_equal(path_attach(alice, bob), 0);
    node_net_run(&net, S);
    talk_begin(alice, bob);
    talk_on(alice, bob, S);
    path_move(bob);
    talk_on(alice, bob, 3 * S);
    assert_int_equal(node_net_counter(&net, bob, "node", "paths_restarted"), 1);
    assert_true(node_net_counter(&net, bob, "ice", "selected_direct") >= 2);
    talk_end(alice, bob);
    check_routes(RF_LIST_ENTRY(net.nodes[bob].node->paths->all.next, struct path, list));
    node_net_deinit(&net);
}

/* A node that asks for one restart after the other gets one in half a second, and hurts only itself. */
void test_restart_flood(void **state)
{
    size_t alice, bob;
    (void)state;
    path_between(42, NET_NAT_PORT, NET_NAT_PORT, false, &alice, &bob);
    struct path *p = RF_LIST_ENTRY(net.nodes[alice].node->paths->all.next, struct path, list);
    uint64_t asked = 0, gathered = node_net_counter(&net, bob, "ice", "checks");
    for (size_t i = 0; i < 100; i++) {
        p->asked_us = 0;
        p->state = PATH_CHECKING;
        path_restart(p);
        node_net_settle(&net, alice);
        asked += p->asks;
        talk_on(alice, bob, 40000);
    }
    assert_int_equal(asked, 100);
    assert_true(node_net_counter(&net, bob, "ice", "checks") - gathered < 200);
    assert_int_equal(net.nodes[bob].node->paths->count, 1);
    talk_on(alice, bob, 20 * S);
    talk_end(alice, bob);
    /* both end while one is under way */
    path_restart(p);
    node_net_settle(&net, alice);
    node_net_run(&net, 12000);
    assert_true(p->call != 0);
    node_net_deinit(&net);
}

/* Who does not know the path says so, and it ends: bob has begun anew. */
void test_moved_from_nobody(void **state)
{
    size_t alice, bob;
    (void)state;
    path_between(41, NET_NAT_PORT, NET_NAT_PORT, false, &alice, &bob);
    rf_buf_deinit(&talks[alice].kept);
    rf_buf_deinit(&talks[bob].kept);
    node_net_kill(&net, bob);
    node_net_start(&net, bob);
    struct rf_node_app app = {
        .ctx = &talks[bob], .up = path_on_up, .data = path_on_data, .down = path_on_down};
    assert_int_equal(rf_node_set_app(net.nodes[bob].node, APP, &app), 0);
    assert_true(node_net_until(&net, 20 * S, node_net_all_joined, NULL));
    assert_int_equal(talks[alice].downs, 0);
    path_move(alice);
    node_net_run(&net, 4 * S);
    assert_int_equal(talks[alice].downs, 1);
    assert_int_equal(net.nodes[alice].node->paths->count, 0);
    assert_int_equal(net.nodes[bob].node->paths->count, 0);
    node_net_deinit(&net);
}
