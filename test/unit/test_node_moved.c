/* test_node_moved.c - clients whose address changes, or whose gateway forgets them: they are back in a moment, and who asked them something meanwhile is answered then. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include "base/assert.h"
#include "base/error.h"
#include "node/internal.h"
#include "support/node_net.h"

#define S      RF_US_PER_S
#define MS     RF_US_PER_MS
#define SUPERS 5
#define ALICE  SUPERS /* she moves */
#define CAROL  (SUPERS + 1)

static struct node_net net;

static void start(uint64_t seed)
{
    char name[16];
    node_net_init(&net, seed, 2, &rf_engine_plain, NULL, NULL);
    for (size_t i = 0; i < SUPERS + 2; i++) {
        snprintf(name, sizeof(name), "%c%zu", i < SUPERS ? 's' : 'c', i);
        node_net_add(&net, name, i < SUPERS ? RF_NODE_SUPERNODE : RF_NODE_CLIENT);
        net.nodes[i].natted = i >= SUPERS;
        node_net_start(&net, i);
        assert_true(node_net_until(&net, 60 * S, node_net_all_joined, NULL));
    }
    node_net_run(&net, 60 * S);
}

/* ---- questions ---- */

struct question {
    uint64_t asked_us, took_us;
    int error;
    bool done;
};

static void answered(void *arg, int error, uint64_t rtt_us, uint64_t their_wall_ms)
{
    struct question *q = arg;
    (void)rtt_us, (void)their_wall_ms;
    q->done = true;
    q->error = error;
    q->took_us = net.now.mono_us - q->asked_us;
}

static void ask(struct question *q, size_t from, size_t to)
{
    *q = (struct question){.asked_us = net.now.mono_us};
    assert_int_equal(
        rf_node_ping(net.nodes[from].node, &net.nodes[to].identity.node_id, net.now, answered, q), 0);
    node_net_settle(&net, from);
}

static bool is_done(struct node_net *n, void *arg)
{
    (void)n;
    return ((struct question *)arg)->done;
}

/* Asks until there is an answer; how long that took in all. */
static uint64_t ask_until(size_t from, size_t to)
{
    uint64_t begun_us = net.now.mono_us;
    for (;;) {
        struct question q;
        ask(&q, from, to);
        assert_true(node_net_until(&net, 60 * S, is_done, &q));
        if (q.error == 0)
            return net.now.mono_us - begun_us;
        assert_true(net.now.mono_us - begun_us < 120 * S);
    }
}

static size_t home_of(size_t i)
{
    struct rf_node_status status;
    rf_node_status(net.nodes[i].node, &status);
    for (size_t k = 0; k < SUPERS; k++)
        if (rf_id_equal(&net.nodes[k].identity.node_id, &status.supernode))
            return k;
    return SIZE_MAX;
}

static void count_one(void *arg, struct rf_view message)
{
    (void)message;
    ++*(size_t *)arg;
}

/* How many messages the home of `i` keeps for her. */
static size_t kept_for(size_t i)
{
    struct rf_node *home = net.nodes[home_of(i)].node;
    size_t count = 0;
    rf_links_kept(home->links, rf_overlay_link_of(home->overlay, &net.nodes[i].identity.node_id), count_one,
                  &count);
    return count;
}

static uint64_t total(const char *name)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < SUPERS; i++)
        sum += node_net_counter(&net, i, "node", name);
    return sum;
}

/* ---- tests ---- */

/* She goes to another network: her own questions and others', also one that was lost on its way to where she was. */
static void test_moved(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 6; seed++) {
        struct question lost, own, others;
        start(seed);
        assert_int_equal(kept_for(ALICE), 0);
        size_t home = home_of(ALICE);
        node_net_unplug(&net, ALICE);
        ask(&lost, CAROL, ALICE);
        node_net_run(&net, 100 * MS);
        if (home != home_of(CAROL))
            assert_true(kept_for(ALICE) > 0);
        node_net_move(&net, ALICE, 9);
        ask(&own, ALICE, CAROL);
        ask(&others, CAROL, ALICE);
        node_net_run(&net, S / 2);
        assert_true(own.done && own.error == 0);
        assert_true(others.done && others.error == 0);
        assert_true(lost.done && lost.error == 0);
        assert_int_equal(home_of(ALICE), home);
        assert_int_equal(total("returns_given"), total("returns_kept") + 2);
        node_net_run(&net, 60 * S);
        assert_int_equal(rf_links_count(net.nodes[ALICE].node->links, RF_LINK_UP), 1);
        assert_int_equal(kept_for(ALICE), 0);
        node_net_deinit(&net);
    }
}

/* Without a network for a while: looked for as soon as there is one again, however long she has waited in vain. */
static void test_away(void **state)
{
    (void)state;
    start(20);
    static const struct rf_addr nowhere = {.family = 4, .ip = {10, 250, 0, 1}, .port = 1};
    net.partitioned = (ALICE % 2) == 1; /* nobody with an even number is reached */
    node_net_unplug(&net, ALICE);
    rf_node_moved(net.nodes[ALICE].node, &nowhere, 1, net.now);
    node_net_settle(&net, ALICE);
    for (size_t i = 0; i < SUPERS; i++)
        net.nodes[i].natted = true;
    node_net_run(&net, 400 * S);
    assert_false(node_net_joined(&net, ALICE));
    for (size_t i = 0; i < SUPERS; i++)
        net.nodes[i].natted = false;
    net.partitioned = false;
    node_net_move(&net, ALICE, 9);
    assert_true(ask_until(ALICE, CAROL) < 6 * S); /* one try of before may have to end */
    node_net_deinit(&net);
}

/* Her gateway is switched off and on, and nobody is told: a question of hers shows it; her home learns of it from her, whoever she comes back over. */
static void test_gateway_forgets(void **state)
{
    (void)state;
    for (uint64_t seed = 30; seed < 38; seed++) {
        start(seed);
        node_net_unplug(&net, ALICE);
        uint64_t own_us = ask_until(ALICE, CAROL), others_us = ask_until(CAROL, ALICE);
        if (getenv("MOVED_TIMES") != NULL)
            printf("gateway forgets: own %u ms, others' after that %u ms\n", (unsigned)(own_us / MS),
                   (unsigned)(others_us / MS));
        assert_true(own_us < 2 * S);
        assert_true(others_us < S);
        node_net_deinit(&net);
    }
}

static void close_link(void *arg, const struct rf_link_info *info)
{
    rf_links_close(arg, info->id, RF_ETIMEOUT);
}

static bool at_home(struct node_net *n, void *home)
{
    return node_net_joined(n, ALICE) && home_of(ALICE) == *(size_t *)home;
}

/* She has lost her link and her home has not: she comes over any supernode, and is not told that she is linked already. */
static void test_over_another(void **state)
{
    (void)state;
    for (uint64_t seed = 60; seed < 68; seed++) {
        start(seed);
        size_t home = home_of(ALICE);
        node_net_unplug(&net, ALICE);
        rf_links_each(net.nodes[ALICE].node->links, close_link, net.nodes[ALICE].node->links);
        node_net_settle(&net, ALICE);
        assert_false(node_net_joined(&net, ALICE));
        assert_true(node_net_until(&net, 3 * S, at_home, &home));
        assert_true(ask_until(CAROL, ALICE) < S);
        node_net_deinit(&net);
    }
}

static size_t links_of(size_t i)
{
    return rf_links_count(net.nodes[i].node->links, RF_LINK_UP);
}

static bool has_two_links(struct node_net *n, void *arg)
{
    (void)arg;
    return node_net_joined(n, ALICE) && links_of(ALICE) == 2;
}

/*
 * She has come back in over a supernode that is not her home, and her gateway forgets her again while that link stands. Nobody at its other end is told, but what passes there finds her by way of her home, which is
 * told when she dials it anew.
 */
static void test_leftover(void **state)
{
    size_t found = 0;
    (void)state;
    for (uint64_t seed = 90; seed < 102; seed++) {
        struct question own, others[SUPERS + 1];
        start(seed);
        size_t home = home_of(ALICE);
        node_net_unplug(&net, ALICE);
        rf_links_each(net.nodes[ALICE].node->links, close_link, net.nodes[ALICE].node->links);
        node_net_settle(&net, ALICE);
        if (node_net_until(&net, 2 * S, has_two_links, NULL) && home_of(ALICE) == home) {
            found++;
            node_net_unplug(&net, ALICE);
            ask(&own, ALICE, CAROL);
            for (size_t i = 0; i < SUPERS + 1; i++)
                ask(&others[i], i < SUPERS ? i : CAROL, ALICE);
            node_net_run(&net, 5 * S / 2);
            assert_true(own.done && own.error == 0);
            for (size_t i = 0; i < SUPERS + 1; i++)
                assert_true(others[i].done && others[i].error == 0);
        }
        node_net_deinit(&net);
    }
    assert_true(found >= 4);
}

/* Where she came in she is not linked any longer than she has to be. */
static void test_leftover_ends(void **state)
{
    (void)state;
    for (uint64_t seed = 90; seed < 96; seed++) {
        start(seed);
        size_t home = home_of(ALICE);
        node_net_unplug(&net, ALICE);
        rf_links_each(net.nodes[ALICE].node->links, close_link, net.nodes[ALICE].node->links);
        node_net_settle(&net, ALICE);
        assert_true(node_net_until(&net, 3 * S, at_home, &home));
        node_net_run(&net, 5 * S / 2);
        assert_int_equal(links_of(ALICE), 1);
        assert_true(ask_until(CAROL, ALICE) < S);
        node_net_deinit(&net);
    }
}

/* Her link ends and she does not come back: what waits for her is limited, and dropped in the end; then she is as absent as anybody. */
static void test_limits(void **state)
{
    static struct question questions[48];
    (void)state;
    start(40);
    size_t home = home_of(ALICE);
    node_net_kill(&net, ALICE);
    node_net_run(&net, S);
    for (size_t i = 0; i < RF_COUNT(questions); i++)
        ask(&questions[i], home == 0 ? 1 : 0, ALICE);
    node_net_run(&net, 2 * S);
    assert_int_equal(total("returns_kept"), 32);
    node_net_run(&net, 20 * S);
    assert_int_equal(total("returns_given"), 0);
    for (size_t i = 0; i < RF_COUNT(questions); i++)
        assert_int_equal(questions[i].error, RF_ETIMEOUT);
    uint64_t before = total("returns_kept");
    ask(&questions[0], CAROL, ALICE);
    node_net_run(&net, 20 * S);
    assert_int_equal(total("returns_kept"), before);
    node_net_deinit(&net);
}

/* She is killed and started again at once: who asked meanwhile is answered by her next life. */
static void test_restart(void **state)
{
    struct question q;
    (void)state;
    start(50);
    node_net_kill(&net, ALICE);
    node_net_run(&net, S / 10);
    ask(&q, home_of(CAROL), ALICE);
    node_net_run(&net, S / 10);
    assert_true(total("returns_kept") > 0 || home_of(CAROL) == SIZE_MAX || !q.done);
    node_net_start(&net, ALICE);
    node_net_run(&net, 5 * S);
    assert_true(q.done && q.error == 0);
    node_net_deinit(&net);
}

static void with_ice(struct rf_conf *draft, void *arg)
{
    (void)arg;
    draft->no_ice = false;
}

/* A connection to a relay that leaves from an address that is gone ends at once; any other stays. */
static void test_stream(void **state)
{
    (void)state;
    node_net_init(&net, 70, 1, &rf_engine_plain, with_ice, NULL);
    net.datagram_ops = &rf_engine_plain_datagram;
    node_net_add(&net, "s0", RF_NODE_SUPERNODE);
    node_net_add(&net, "c1", RF_NODE_CLIENT);
    for (size_t i = 0; i < 2; i++) {
        node_net_start(&net, i);
        assert_true(node_net_until(&net, 60 * S, node_net_all_joined, NULL));
    }
    struct rf_node *node = net.nodes[1].node;
    struct rf_addr here = net.nodes[1].addr;
    node_stream_connect(node, 77, &net.nodes[0].addr);
    node_net_settle(&net, 1);
    node_net_run(&net, S);
    rf_node_moved(node, &here, 1, net.now);
    node_net_settle(&net, 1);
    assert_int_equal(node->paths->stream_count, 1);
    node_net_move(&net, 1, 9);
    assert_int_equal(node->paths->stream_count, 0);
    assert_true(rf_list_empty(&node->paths->streams));
    node_net_deinit(&net);
}

#define FLOW (NODE_FLOW_STREAM | 77)

/* What the client's stream has to say goes to the relay's end, and the answer back. */
static void pass(struct rf_channel *relay, struct rf_buf *plain)
{
    struct rf_node *client = net.nodes[1].node;
    struct rf_view out;
    struct rf_buf wire;
    rf_buf_init(&wire, rf_mem_system(), 65536);
    assert_true(node_stream_output(client, FLOW, &out));
    (void)rf_engine_plain.channel_input(relay, out, plain, &wire);
    (void)node_stream_output_done(client, FLOW, out.len);
    if (wire.len > 0)
        (void)node_stream_input(client, FLOW, rf_buf_view(&wire));
    rf_buf_deinit(&wire);
}

/* A relay, node 0, and a client that is told of it: by TLS or not, as another node or as the right one. */
static struct rf_node *start_relay(uint64_t seed, bool tls, bool right)
{
    node_net_init(&net, seed, 1, &rf_engine_plain, with_ice, NULL);
    net.datagram_ops = &rf_engine_plain_datagram;
    node_net_add(&net, "s0", RF_NODE_SUPERNODE);
    node_net_add(&net, "c1", RF_NODE_CLIENT);
    for (size_t i = 0; i < 2; i++) {
        node_net_start(&net, i);
        assert_true(node_net_until(&net, 60 * S, node_net_all_joined, NULL));
    }
    struct paths *paths = net.nodes[1].node->paths;
    paths->relay_count = 1;
    paths->relays[0].addr = net.nodes[0].addr;
    paths->relays[0].stream = true;
    paths->relays[0].tls = tls;
    paths->relays[0].node = net.nodes[right ? 0 : 1].identity.node_id;
    return net.nodes[1].node;
}

static struct rf_channel *relay_channel(void)
{
    static const char *const alpn[] = {"stun.turn"};
    struct rf_channel *relay;
    assert_int_equal(
        rf_engine_plain.channel_new(net.nodes[0].node->engine, true, alpn, 1, rf_view_of(NULL, 0), &relay),
        0);
    return relay;
}

static void connect_stream(struct rf_node *client)
{
    struct rf_flow_action action;
    node_stream_connect(client, 77, &net.nodes[0].addr);
    assert_true(node_stream_next(client, &action));
    assert_int_equal(action.type, RF_FLOW_CONNECT);
}

/* To a relay by TLS: that it is the node that gave us the credentials is checked before anything else goes there. */
static void test_stream_tls(void **state)
{
    static const uint8_t indication[20] = {0, 0x11, 0, 0, 0x21, 0x12, 0xa4, 0x42};
    (void)state;
    for (size_t right = 0; right < 2; right++) {
        struct rf_node *client = start_relay(71 + right, true, right != 0);
        struct paths *paths = client->paths;
        struct rf_channel *relay = relay_channel();
        struct rf_buf plain;
        rf_buf_init(&plain, rf_mem_system(), 65536);
        connect_stream(client);
        (void)node_stream_connected(client, FLOW, &net.nodes[1].addr);
        pass(relay, &plain);
        assert_int_equal(node_net_counter(&net, 1, "node", "relays_refused"), 1 - right);
        assert_int_equal(paths->stream_count, right);
        assert_int_equal(paths->stream_way, right != 0 ? 0 : RF_RELAY_TCP);
        if (right != 0) {
            struct rf_buf wire;
            rf_buf_init(&wire, rf_mem_system(), 65536);
            pass(relay, &plain); /* the rest of the handshake */
            node_stream_put(client, 77, rf_view_str("hello"));
            pass(relay, &plain);
            assert_true(rf_view_equal(rf_buf_view(&plain), rf_view_str("hello")));
            assert_int_equal(
                rf_engine_plain.channel_write(relay, rf_view_of(indication, sizeof(indication)), &wire), 0);
            (void)node_stream_input(client, FLOW, rf_buf_view(&wire));
            rf_buf_deinit(&wire);
            node_stream_disconnect(client, 77);
            assert_int_equal(paths->stream_way, RF_RELAY_TLS);
        }
        rf_engine_plain.channel_free(relay);
        rf_buf_deinit(&plain);
        node_net_deinit(&net);
    }
}

/* What another node than the relay says together with its handshake is not taken: no way has been found so. */
static void test_stream_unjudged(void **state)
{
    static const uint8_t indication[20] = {0, 0x11, 0, 0, 0x21, 0x12, 0xa4, 0x42};
    (void)state;
    for (size_t right = 0; right < 2; right++) {
        struct rf_node *client = start_relay(73 + right, true, right != 0);
        struct rf_channel *relay = relay_channel();
        struct rf_buf plain, wire;
        struct rf_view out;
        rf_buf_init(&plain, rf_mem_system(), 65536);
        rf_buf_init(&wire, rf_mem_system(), 65536);
        connect_stream(client);
        (void)node_stream_connected(client, FLOW, &net.nodes[1].addr);
        assert_true(node_stream_output(client, FLOW, &out));
        assert_int_equal(rf_engine_plain.channel_input(relay, out, &plain, &wire), 0);
        assert_int_equal(
            rf_engine_plain.channel_write(relay, rf_view_of(indication, sizeof(indication)), &wire), 0);
        (void)node_stream_input(client, FLOW, rf_buf_view(&wire));
        assert_int_equal(node_net_counter(&net, 1, "node", "relays_refused"), 1 - right);
        assert_int_equal(client->paths->stream_count, right);
        if (right != 0)
            node_stream_disconnect(client, 77);
        assert_int_equal(client->paths->stream_way, right != 0 ? RF_RELAY_TLS : RF_RELAY_TCP);
        rf_engine_plain.channel_free(relay);
        rf_buf_deinit(&wire);
        rf_buf_deinit(&plain);
        node_net_deinit(&net);
    }
}

/* A firewall that takes the connection, or not even that, and says nothing: over after five seconds. One that stands stays. */
static void test_stream_deadline(void **state)
{
    static const struct {
        bool tls, connected, greeted, stays;
    } rows[] = {{false, false, false, false},
                {true, false, false, false},
                {true, true, false, false},
                {true, true, true, true},
                {false, true, false, true}};
    (void)state;
    for (size_t i = 0; i < RF_COUNT(rows); i++) {
        struct rf_node *client = start_relay(75 + i, rows[i].tls, true);
        struct rf_channel *relay = relay_channel();
        struct rf_now now = net.now;
        struct rf_buf plain;
        rf_buf_init(&plain, rf_mem_system(), 65536);
        connect_stream(client);
        if (rows[i].connected)
            (void)node_stream_connected(client, FLOW, &net.nodes[1].addr);
        if (rows[i].greeted)
            pass(relay, &plain);
        now.mono_us += 5 * S - MS;
        rf_node_tick(client, now);
        assert_int_equal(client->paths->stream_count, 1);
        now.mono_us += 2 * MS;
        rf_node_tick(client, now);
        assert_int_equal(client->paths->stream_count, rows[i].stays);
        rf_engine_plain.channel_free(relay);
        rf_buf_deinit(&plain);
        node_net_deinit(&net);
    }
}

static int write_failing(struct rf_channel *channel, struct rf_view plain, struct rf_buf *wire)
{
    (void)plain;
    assert_int_equal(rf_engine_plain.channel_state(channel), RF_CHANNEL_UP);
    rf_engine_plain.channel_refuse(channel, RF_ECRYPTO, wire); /* FAILED from now on */
    return RF_ECRYPTO;
}

/* TLS that cannot write any more is over at once, and nothing is written to it again. */
static void test_stream_write_fails(void **state)
{
    (void)state;
    for (size_t data = 0; data < 2; data++) {
        struct rf_node *client = start_relay(80 + data, true, true);
        struct rf_engine_ops failing = rf_engine_plain;
        const struct rf_engine_ops *ops = client->engine_ops;
        struct rf_channel *relay = relay_channel();
        struct rf_ice_wrap wrap = {.stream = 77, .base = RF_ICE_NO_BASE, .head_len = 4};
        struct rf_buf plain;
        failing.channel_write = write_failing;
        rf_buf_init(&plain, rf_mem_system(), 65536);
        connect_stream(client);
        (void)node_stream_connected(client, FLOW, &net.nodes[1].addr);
        pass(relay, &plain);
        client->engine_ops = &failing;
        for (size_t i = 0; i < 2; i++) {
            if (data != 0)
                node_stream_send(client, &wrap, rf_view_str("hello"));
            else
                node_stream_put(client, 77, rf_view_str("hello"));
            assert_int_equal(client->paths->stream_count, 0);
        }
        client->engine_ops = ops;
        rf_engine_plain.channel_free(relay);
        rf_buf_deinit(&plain);
        node_net_deinit(&net);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_over_another),
        cmocka_unit_test(test_moved),
        cmocka_unit_test(test_away),
        cmocka_unit_test(test_gateway_forgets),
        cmocka_unit_test(test_leftover),
        cmocka_unit_test(test_leftover_ends),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_restart),
        cmocka_unit_test(test_stream),
        cmocka_unit_test(test_stream_tls),
        cmocka_unit_test(test_stream_unjudged),
        cmocka_unit_test(test_stream_deadline),
        cmocka_unit_test(test_stream_write_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
