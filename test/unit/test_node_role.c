/* test_node_role.c - role auto: clients become supernodes when those are short of room, and clients again; what liars can do about it. */
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

#define S        RF_US_PER_S
#define UPTIME   60
#define INTERVAL 20
#define IDLE     120
#define ROOM     16

static struct node_net net;

/* ---- the arithmetic ---- */

static void test_load(void **state)
{
    static const struct {
        size_t homes, clients, max;
        uint8_t load;
    } cases[] = {
        {0, 0, 100, 0},       {50, 50, 100, 128}, {35, 70, 100, 89},         {10, 75, 100, 96},
        {100, 100, 100, 255}, {1, 1, 0, 255},     {1000, 1000, SIZE_MAX, 0}, {1, 2, 8, 32},
    };
    (void)state;
    for (size_t i = 0; i < RF_COUNT(cases); i++)
        assert_int_equal(role_load(cases[i].homes, cases[i].clients, cases[i].max), cases[i].load);
}

/* What is lacking is shared among the candidates; at most as many as there are supernodes in one interval. */
static void test_chance(void **state)
{
    static const struct {
        uint8_t load;
        uint16_t candidates;
        double least, most;
    } cases[] = {
        {0, 1, 0, 0},   {88, 1, 0, 0},  {89, 1, 0.39, 0.40},    {89, 10, 0.039, 0.040},
        {128, 1, 1, 1}, {255, 1, 1, 1}, {255, 100, 0.01, 0.01}, {255, 0, 1, 1},
    };
    (void)state;
    for (size_t i = 0; i < RF_COUNT(cases); i++) {
        double chance = role_chance(cases[i].load, cases[i].candidates);
        assert_true(chance >= cases[i].least && chance <= cases[i].most);
    }
    assert_true(role_is_needed(89, 51));
    assert_false(role_is_needed(89, 50)); /* others are idle: its word is not enough */
    assert_false(role_is_needed(88, 255));
    assert_true(role_is_idle(32, 25));
    assert_false(role_is_idle(33, 25));
    assert_false(role_is_idle(0, 26));
    assert_true(role_absorbs(64));
    assert_false(role_absorbs(65));
}

/* Nobody who is asked to go makes others short of room: the thresholds keep apart. */
static void test_no_swing(void **state)
{
    (void)state;
    for (unsigned own = 0; own < 256; own++)
        for (unsigned mean = 0; mean < 256; mean++)
            if (role_is_idle((uint8_t)own, mean)) {
                assert_true(role_chance((uint8_t)own, 1) <= 0);
                /* of few supernodes, eight, one goes: the others share what it had */
                assert_true(mean + own / 7.0 < 89);
            }
}

static void test_scope(void **state)
{
    static const struct {
        const char *addr;
        int scope;
    } cases[] = {{"127.0.0.1", 0},  {"127.255.0.1", 0}, {"10.1.2.3", 1},     {"172.16.0.1", 1},
                 {"172.32.0.1", 2}, {"192.168.1.1", 1}, {"192.169.1.1", 2},  {"169.254.1.1", 1},
                 {"100.64.0.1", 1}, {"100.128.0.1", 2}, {"8.8.8.8", 2},      {"[::1]", 0},
                 {"[fd00::1]", 1},  {"[fe80::1]", 1},   {"[2001:db8::1]", 2}};
    (void)state;
    for (size_t i = 0; i < RF_COUNT(cases); i++) {
        struct rf_addr addr;
        char text[64];
        snprintf(text, sizeof(text), "%s:1", cases[i].addr);
        assert_int_equal(rf_addr_parse(text, 0, &addr), 0);
        if (role_scope(&addr) != cases[i].scope)
            fail_msg("%s", cases[i].addr);
    }
}

/* ---- the world ---- */

static size_t add(const char *kind, size_t number, enum rf_node_role role, size_t max_clients)
{
    char name[32];
    snprintf(name, sizeof(name), "%s%zu", kind, number);
    size_t i = node_net_add(&net, name, role);
    struct net_node *n = &net.nodes[i];
    n->max_clients = max_clients;
    n->auto_uptime_s = UPTIME;
    n->auto_interval_s = INTERVAL;
    n->auto_idle_s = IDLE;
    n->auto_min_ring = 2;
    node_net_start(&net, i);
    rf_node_register(n->node, true, net.now);
    node_net_settle(&net, i);
    return i;
}

static void start(uint64_t seed, size_t supers, size_t max_clients)
{
    node_net_init(&net, seed, supers < 2 ? supers : 2, &rf_engine_plain, NULL, NULL);
    for (size_t i = 0; i < supers; i++) {
        add("s", i, RF_NODE_SUPERNODE, max_clients);
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

static size_t supernodes(void)
{
    size_t count = 0;
    for (size_t i = 0; i < net.count; i++)
        if (net.nodes[i].node != NULL)
            count += status_of(i).role == RF_NODE_SUPERNODE && status_of(i).state == RF_TOPOLOGY_JOINED;
    return count;
}

static uint64_t sum(const char *name)
{
    uint64_t total = 0;
    for (size_t i = 0; i < net.count; i++)
        if (net.nodes[i].node != NULL)
            total += node_net_counter(&net, i, "node", name);
    return total;
}

struct found {
    bool done;
    size_t count;
    struct rf_id node;
    struct rf_dest dests[4];
    size_t dest_count;
};

static void on_found(void *arg, const struct rf_whois *w)
{
    struct found *f = arg;
    f->done = true;
    f->count = w->device_count;
    if (w->device_count == 0)
        return;
    struct rf_view route = w->devices[0].route;
    f->node = w->devices[0].node_id;
    while (route.len > 0 && f->dest_count < RF_COUNT(f->dests))
        RF_ASSERT(rf_dest_next(&route, 16, &f->dests[f->dest_count++]) == 0);
}

static void on_pinged(void *arg, const struct rf_reply *reply)
{
    struct found *f = arg;
    f->done = true;
    f->count = reply->error == 0;
}

static bool flag(struct node_net *n, void *arg)
{
    (void)n;
    return *(bool *)arg;
}

/* 0: found by name, and a message comes there along the way that its registration names. */
static int reach(size_t from, size_t to)
{
    static const uint8_t no_padding[2] = {0, 0};
    struct found f = {.done = false}, p = {.done = false};
    RF_ASSERT(rf_node_whois(net.nodes[from].node, rf_view_str(net.nodes[to].user), net.now, on_found, &f) ==
              0);
    node_net_settle(&net, from);
    if (!node_net_until(&net, 20 * S, flag, &f.done) || f.count != 1)
        return 1;
    struct rf_call call = {.code = RF_CODE_PING_REQ, .body = {no_padding, 2}, .done = on_pinged, .arg = &p};
    memcpy(call.dests, f.dests, sizeof(f.dests));
    call.dest_count = f.dest_count;
    RF_ASSERT(rf_overlay_call(net.nodes[from].node->overlay, &call, NULL) == 0);
    node_net_settle(&net, from);
    return node_net_until(&net, 20 * S, flag, &p.done) && p.count == 1 ? 0 : 2;
}

static void all_reached(void)
{
    size_t from = SIZE_MAX;
    for (size_t i = 0; i < net.count; i++)
        if (net.nodes[i].node != NULL) {
            if (from != SIZE_MAX) {
                int way = reach(from, i);
                if (way != 0)
                    fail_msg("node %zu -> %zu (%s): %d", from, i, status_of(i).role_why, way);
            }
            from = i;
        }
}

/* Lets time pass and tries now and then whether everybody is reached. */
static void pass(size_t seconds)
{
    for (size_t passed = 0; passed < seconds; passed += 20) {
        node_net_run(&net, 20 * S);
        all_reached();
    }
}

/* ---- up and down ---- */

static void test_promoted_and_back(void **state)
{
    enum { SUPERS = 2, AUTOS = 4, CLIENTS = 16 };
    (void)state;
    start(41, SUPERS, ROOM);
    for (size_t i = 0; i < AUTOS; i++)
        add("a", i, RF_NODE_AUTO, ROOM);
    node_net_run(&net, 40 * S);
    assert_string_equal(status_of(SUPERS).role_why, "client: not up for long enough");
    node_net_run(&net, 80 * S);
    for (size_t i = 0; i < AUTOS; i++) {
        struct rf_node_status s = status_of(SUPERS + i);
        assert_true(s.auto_role);
        assert_string_equal(s.role_why, "client: reachable, stable, not needed");
    }
    assert_int_equal(supernodes(), SUPERS);
    for (size_t i = 0; i < CLIENTS; i++)
        add("c", i, RF_NODE_CLIENT, 0);
    pass(300);
    size_t most = supernodes();
    assert_in_range(most, SUPERS + 1, SUPERS + AUTOS);
    assert_int_equal(sum("promotions"), most - SUPERS);
    assert_int_equal(sum("demotions"), 0);
    assert_int_equal(net.nodes[SUPERS].events[RF_NODE_EVENT_LOST], 0);
    for (size_t i = 0; i < CLIENTS; i++)
        node_net_kill(&net, SUPERS + AUTOS + i);
    pass(1200);
    assert_in_range(supernodes(), 2, most - 1);
    assert_true(sum("demotions") > 0);
    assert_int_equal(sum("demotions_failed"), 0);
    assert_int_equal(sum("promotions"), most - SUPERS); /* none twice */
    for (size_t i = 0; i < SUPERS; i++)
        assert_string_equal(status_of(i).role_why, "supernode: as configured");
    for (size_t i = 0; i < AUTOS; i++) {
        struct rf_node_status s = status_of(SUPERS + i);
        if (s.role == RF_NODE_CLIENT)
            assert_int_equal(s.store.value_count, 0);
        assert_int_equal(net.nodes[SUPERS + i].events[RF_NODE_EVENT_LOST], 0);
    }
    node_net_deinit(&net);
}

static bool is_up(struct node_net *n, void *arg)
{
    (void)n, (void)arg;
    return supernodes() == 2;
}

/* Its old home takes it for a client until it is asked how full it is, not until the sweep of the minute. */
static void test_no_load_of_the_promoted(void **state)
{
    (void)state;
    start(44, 1, 2);
    size_t promoted = add("a", 0, RF_NODE_AUTO, ROOM);
    const struct rf_id *id = &net.nodes[promoted].identity.node_id;
    node_net_run(&net, 60 * S);
    add("c", 0, RF_NODE_CLIENT, 0);
    assert_true(node_net_until(&net, 600 * S, is_up, NULL));
    node_admit_look(net.nodes[0].node, id);
    assert_int_equal(node_admit_visitor(net.nodes[0].node, id)->kind, VISITOR_PEER);
    node_net_deinit(&net);
}

static bool are_three(struct node_net *n, void *arg)
{
    (void)n, (void)arg;
    return supernodes() == 3;
}

/* Both supernodes are full, so it finds no reserve, and asks for one again and again: the other one connects with it nevertheless when it is asked to. */
static void test_without_reserve(void **state)
{
    (void)state;
    start(60, 2, 4);
    for (size_t i = 0; i < 5; i++)
        add("c", i, RF_NODE_CLIENT, 0);
    node_net_run(&net, 20 * S);
    add("a", 0, RF_NODE_AUTO, ROOM);
    assert_true(node_net_until(&net, 240 * S, are_three, NULL));
    node_net_deinit(&net);
}

/* The same, and its home is the only bootstrap node, and does not know where the other one listens. */
static void test_one_known(void **state)
{
    (void)state;
    for (int steps = 0;; steps++) { /* Node-IDs go by the serial: until home is the bootstrap node */
        assert_true(steps < 10);
        node_net_init(&net, 70, 1, &rf_engine_plain, NULL, NULL);
        for (size_t i = 0; i < 2; i++) {
            add("s", i, RF_NODE_SUPERNODE, 4);
            assert_true(node_net_until(&net, 60 * S, node_net_all_joined, NULL));
        }
        for (size_t i = 0; i < 5; i++)
            add("c", i, RF_NODE_CLIENT, 0);
        node_net_run(&net, 20 * S);
        net.pki.serial += steps;
        size_t own = add("a", 0, RF_NODE_AUTO, ROOM);
        node_net_run(&net, 5 * S);
        struct rf_node_status status = status_of(own);
        if (rf_id_equal(&status.supernode, &net.nodes[0].identity.node_id) &&
            net.nodes[own].node->peer_count == 1)
            break;
        node_net_deinit(&net);
    }
    assert_true(node_net_until(&net, 300 * S, are_three, NULL));
    pass(60);
    node_net_deinit(&net);
}

/* Home has nearly all of the ring, so that random keys lead to it: its neighbor is asked. */
static void test_uneven_ring(void **state)
{
    (void)state;
    node_net_init(&net, 44, 2, &rf_engine_plain, NULL, NULL);
    for (size_t i = 0; i < 2; i++) {
        add("s", i, RF_NODE_SUPERNODE, 4);
        assert_true(node_net_until(&net, 60 * S, node_net_all_joined, NULL));
        net.pki.serial += 143; /* Node-IDs go by it: these two are 1/322 of the ring apart (see pki.c) */
    }
    node_net_run(&net, 20 * S);
    size_t large = status_of(0).share > status_of(1).share ? 0 : 1;
    assert_true(status_of(large).share > 0.99);
    size_t i = add("a", 0, RF_NODE_AUTO, 4);
    assert_true(node_net_until(&net, 60 * S, node_net_all_joined, NULL));
    struct rf_node_status own = status_of(i), home = status_of(large);
    assert_true(rf_id_equal(&own.supernode, &home.node_id));
    for (size_t k = 0; k < 5; k++)
        add("c", k, RF_NODE_CLIENT, 0);
    node_net_run(&net, (UPTIME + 6 * INTERVAL) * S);
    assert_int_equal(supernodes(), 3);
    node_net_deinit(&net);
}

/* Nobody can connect with it: it stays what it is, and says why. */
static void test_unreachable(void **state)
{
    (void)state;
    start(42, 2, 2);
    assert_int_equal(rf_addr_parse("10.0.0.3:6084", 0, &net.dead), 0);
    size_t i = add("a", 0, RF_NODE_AUTO, 8);
    for (size_t k = 0; k < 3; k++)
        add("c", k, RF_NODE_CLIENT, 0);
    node_net_run(&net, 400 * S);
    assert_string_equal(status_of(i).role_why,
                        "client: not known to be reachable, supernodes are asked to connect");
    assert_true(node_net_joined(&net, i));
    assert_int_equal(supernodes(), 2);
    assert_true(sum("dialled_back") > 0);
    assert_in_range(sum("dialled_back"), 1, 2 * 400 / 10);
    node_net_deinit(&net);
}

static bool is_joined(struct node_net *n, void *arg)
{
    return node_net_joined(n, *(size_t *)arg);
}

static bool is_seen_by_home(struct node_net *n, void *arg)
{
    return n->nodes[*(size_t *)arg].node->auto_role->seen_count == 1;
}

static bool has_called(struct node_net *n, void *arg)
{
    return n->nodes[*(size_t *)arg].node->auto_role->called;
}

/* Its home dies while an Attach of its for a witness is under way: the link that it comes back in over is no witness's, and stays. */
static void test_home_is_no_witness(void **state)
{
    (void)state;
    start(45, 2, ROOM);
    net.nodes[net.count].no_reserve = true;
    size_t i = add("a", 0, RF_NODE_AUTO, 8);
    assert_true(node_net_until(&net, 10 * UPTIME * S, is_seen_by_home, &i));
    net.dead = net.nodes[i].addr; /* nobody else gets through to it */
    assert_true(node_net_until(&net, 10 * UPTIME * S, has_called, &i));
    struct rf_node_status own = status_of(i);
    size_t home = rf_id_equal(&own.supernode, &net.nodes[0].identity.node_id) ? 0 : 1;
    node_net_kill(&net, home);
    node_net_run(&net, S);
    assert_false(node_net_joined(&net, i));
    assert_true(node_net_until(&net, 60 * S, is_joined, &i));
    unsigned lost = net.nodes[i].events[RF_NODE_EVENT_LOST];
    node_net_run(&net, 6 * INTERVAL * S);
    assert_true(node_net_joined(&net, i));
    assert_int_equal(net.nodes[i].events[RF_NODE_EVENT_LOST], lost);
    node_net_deinit(&net);
}

/* ---- liars ---- */

static void lie_full(void *arg, struct rf_request *request)
{
    struct rf_overlay *overlay = arg;
    struct rf_role_said said = {.load = 255, .candidates = 1, .ring_size = 5};
    uint8_t bytes[32];
    struct rf_buf buf;
    rf_buf_fixed(&buf, bytes, sizeof(bytes));
    rf_role_said_encode(&said, &buf);
    (void)rf_overlay_answer(overlay, request, rf_buf_view(&buf), NULL, 0);
}

static void make_liar(size_t i)
{
    struct rf_overlay *overlay = net.nodes[i].node->overlay;
    for (size_t k = 0; k < overlay->handler_count; k++)
        if (overlay->handlers[k].code == RF_CODE_EXP_A_REQ) {
            overlay->handlers[k].fn = lie_full;
            overlay->handlers[k].arg = overlay;
        }
}

/* One supernode says that it is full: nobody believes it alone. All say so: some are promoted, which does no harm. */
static void test_liar(void **state)
{
    (void)state;
    start(43, 5, 1000);
    make_liar(0);
    for (size_t k = 0; k < 4; k++)
        add("a", k, RF_NODE_AUTO, 1000);
    node_net_run(&net, 600 * S);
    assert_int_equal(sum("promotions"), 0);
    for (size_t i = 1; i < 5; i++)
        make_liar(i);
    node_net_run(&net, 600 * S);
    assert_true(sum("promotions") > 0);
    all_reached();
    node_net_deinit(&net);
}

/* ---- dialling back ---- */

struct said {
    bool done;
    struct rf_role_said said;
    int error;
};

static void on_said(void *arg, const struct rf_reply *reply)
{
    struct said *s = arg;
    s->done = true;
    s->error = reply->error != 0 ? reply->error : rf_role_said_decode(reply->body, &s->said);
}

static struct said ask_dial(size_t from, size_t to, const char *addr, bool direct)
{
    struct said s = {.done = false};
    struct rf_role_ask ask = {.wants = RF_ROLE_DIAL};
    uint8_t bytes[64];
    struct rf_buf buf;
    struct rf_node *node = net.nodes[from].node;
    RF_ASSERT(rf_addr_parse(addr, 0, &ask.address) == 0);
    rf_buf_fixed(&buf, bytes, sizeof(bytes));
    rf_role_ask_encode(&ask, &buf);
    struct rf_call call = {.code = RF_CODE_EXP_A_REQ, .body = rf_buf_view(&buf), .done = on_said, .arg = &s};
    rf_call_to_node(&call, &net.nodes[to].identity.node_id);
    if (direct) {
        call.link = rf_overlay_link_of(node->overlay, &net.nodes[to].identity.node_id);
        RF_ASSERT(call.link != 0);
    }
    RF_ASSERT(rf_overlay_call(node->overlay, &call, NULL) == 0);
    node_net_settle(&net, from);
    if (!node_net_until(&net, 30 * S, flag, &s.done))
        fail_msg("no answer: %zu asks %zu (%d)", from, to, direct);
    return s;
}

/* Nobody knocks at others' doors for us, and at our own not often. */
static void test_dial_back(void **state)
{
    (void)state;
    start(44, 2, 100);
    size_t i = add("c", 0, RF_NODE_CLIENT, 0);
    node_net_run(&net, 30 * S);
    struct rf_topology_status_entry entries[4];
    assert_true(rf_node_ring(net.nodes[i].node, entries, 4) >= 1);
    size_t home = rf_id_equal(&entries[0].node, &net.nodes[0].identity.node_id) ? 0 : 1;
    struct said s = ask_dial(i, home, "10.0.0.2:6084", true);
    assert_int_equal(s.error, 0);
    assert_int_equal(s.said.dial, RF_ROLE_DIAL_STRANGER);
    assert_int_equal(s.said.ring_size, 2);
    uint64_t before = net.connections;
    s = ask_dial(i, home, "10.0.0.3:6084", true);
    assert_int_equal(s.said.dial, RF_ROLE_DIAL_BEGUN);
    node_net_run(&net, 2 * S);
    assert_int_equal(net.connections, before + 1);
    s = ask_dial(i, home, "10.0.0.3:6084", true);
    assert_int_equal(s.said.dial, RF_ROLE_DIAL_LATER);
    node_net_run(&net, 20 * S);
    s = ask_dial(i, home, "10.0.0.3:6084", true);
    assert_int_equal(s.said.dial, RF_ROLE_DIAL_BEGUN);
    s = ask_dial(0, 1, "10.0.0.1:6084", true); /* a peer may as well */
    assert_int_equal(s.error, 0);
    assert_int_equal(node_net_counter(&net, home, "node", "dialled_back"),
                     2 + (home == 1 && s.said.dial == RF_ROLE_DIAL_BEGUN));
    s = ask_dial(home, i, "10.0.0.1:6084", true); /* clients dial nobody */
    assert_int_equal(s.said.ring_size, 0);
    assert_int_equal(s.said.dial, RF_ROLE_DIAL_NOT);
    node_net_deinit(&net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_load),
        cmocka_unit_test(test_chance),
        cmocka_unit_test(test_no_swing),
        cmocka_unit_test(test_scope),
        cmocka_unit_test(test_dial_back),
        cmocka_unit_test(test_unreachable),
        cmocka_unit_test(test_home_is_no_witness),
        cmocka_unit_test(test_uneven_ring),
        cmocka_unit_test(test_liar),
        cmocka_unit_test(test_no_load_of_the_promoted),
        cmocka_unit_test(test_without_reserve),
        cmocka_unit_test(test_one_known),
        cmocka_unit_test(test_promoted_and_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
