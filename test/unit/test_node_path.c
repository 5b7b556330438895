/* test_node_path.c - application connections in an overlay with ICE: nodes behind NATs of every kind reach each other by datagrams where that is possible. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include "test_node_path.h"

struct node_net net;

struct talk talks[NET_MAX_NODES];

void path_on_up(void *ctx, rf_link_id conn, const struct rf_id *node_id, struct rf_view user, bool outgoing)
{
    struct talk *t = ctx;
    (void)node_id, (void)user, (void)outgoing;
    t->ups++;
    t->conn = conn;
}

void path_on_data(void *ctx, rf_link_id conn, struct rf_view bytes)
{
    struct talk *t = ctx;
    (void)conn;
    if (t->kept.max > 0)
        rf_buf_view_put(&t->kept, bytes);
    snprintf(t->got, sizeof(t->got), "%.*s", (int)bytes.len, (const char *)bytes.p);
}

void path_on_down(void *ctx, rf_link_id conn, int reason)
{
    (void)conn, (void)reason;
    ((struct talk *)ctx)->downs++;
}

void path_on_attached(void *arg, int error, rf_link_id conn)
{
    struct talk *t = arg;
    t->done = true;
    t->error = error;
    t->conn = conn;
}

static void with_ice(struct rf_conf *draft, void *arg)
{
    (void)arg;
    draft->no_ice = false;
}

size_t path_add(const char *kind, size_t number, enum rf_node_role role, enum net_nat nat)
{
    char name[32];
    snprintf(name, sizeof(name), "%s%zu", kind, number);
    size_t i = node_net_add(&net, name, role);
    struct rf_node_app app = {.ctx = &talks[i], .up = path_on_up, .data = path_on_data, .down = path_on_down};
    net.nodes[i].nat = nat;
    net.nodes[i].natted = nat != NET_NAT_NONE;
    talks[i] = (struct talk){.node = i};
    node_net_start(&net, i);
    RF_ASSERT(rf_node_set_app(net.nodes[i].node, APP, &app) == 0);
    return i;
}

void path_start_net(uint64_t seed, size_t supers)
{
    node_net_init(&net, seed, 2, &rf_engine_plain, with_ice, NULL);
    net.datagram_ops = &rf_engine_plain_datagram;
    for (size_t i = 0; i < supers; i++) {
        path_add("s", i, RF_NODE_SUPERNODE, NET_NAT_NONE);
        assert_true(node_net_until(&net, 60 * S, node_net_all_joined, NULL));
    }
    node_net_run(&net, 20 * S);
}

bool path_is_done(struct node_net *n, void *arg)
{
    (void)n;
    return ((struct talk *)arg)->done;
}

int path_attach(size_t from, size_t to)
{
    struct talk *t = &talks[from];
    struct rf_app_target target = {.node_id = net.nodes[to].identity.node_id, .application = APP};
    t->done = false;
    RF_ASSERT(rf_node_app_attach(net.nodes[from].node, &target, net.now, path_on_attached, t) == 0);
    node_net_settle(&net, from);
    if (!node_net_until(&net, 60 * S, path_is_done, t))
        return RF_EAGAIN;
    return t->error;
}

struct rf_link_info path_link_of(size_t i)
{
    struct rf_link_info info = {0};
    RF_ASSERT(rf_links_info(net.nodes[i].node->links, talks[i].conn, &info) == 0);
    return info;
}

void path_say(size_t from, size_t to, const char *text)
{
    assert_int_equal(rf_node_app_send(net.nodes[from].node, talks[from].conn, rf_view_str(text), net.now), 0);
    node_net_settle(&net, from);
    node_net_run(&net, S);
    assert_string_equal(talks[to].got, text);
}

/* Of all pairs of NATs: by datagrams, both ways, where the kinds allow it; otherwise not at all, and it says so. */
static void test_matrix(void **state)
{
    static const char *const names[] = {"none", "cone", "port", "symmetric", "blocked"};
    (void)state;
    for (size_t a = 0; a <= NET_NAT_BLOCKED; a++)
        for (size_t b = 0; b <= NET_NAT_BLOCKED; b++) {
            path_start_net(7, 3);
            size_t alice = path_add("a", 0, RF_NODE_CLIENT, (enum net_nat)a);
            size_t bob = path_add("b", 0, RF_NODE_CLIENT, (enum net_nat)b);
            assert_true(node_net_until(&net, 90 * S, node_net_all_joined, NULL));
            node_net_run(&net, 5 * S);
            bool hard = a == NET_NAT_SYMMETRIC || b == NET_NAT_SYMMETRIC;
            bool direct = a != NET_NAT_BLOCKED && b != NET_NAT_BLOCKED &&
                          (!hard || a <= NET_NAT_CONE || b <= NET_NAT_CONE);
            bool tcp = a == NET_NAT_NONE || b == NET_NAT_NONE; /* bob dials her, or she him */
            uint64_t before_us = net.now.mono_us;
            int error = path_attach(alice, bob);
            uint64_t took_us = net.now.mono_us - before_us;
            if (getenv("PATH_TIMES"))
                printf("%s %s: %u ms %s\n", names[a], names[b], (unsigned)(took_us / 1000),
                       rf_error_text(error));
            if ((error == 0) != (direct || tcp))
                fail_msg("%s to %s: %s", names[a], names[b], rf_error_text(error));
            if (error == 0) {
                if (path_link_of(alice).datagrams != direct)
                    fail_msg("%s to %s: datagrams %d", names[a], names[b], path_link_of(alice).datagrams);
                if (direct && took_us > 600000)
                    fail_msg("%s to %s took %u ms", names[a], names[b], (unsigned)(took_us / 1000));
                path_say(alice, bob, "hello");
                path_say(bob, alice, "yes?");
                rf_node_app_close(net.nodes[alice].node, talks[alice].conn, net.now);
                node_net_settle(&net, alice);
                node_net_run(&net, 20 * S);
                assert_int_equal(talks[bob].downs, 1);
                assert_int_equal(net.nodes[alice].node->paths->count, 0);
                assert_int_equal(net.nodes[bob].node->paths->count, 0);
            }
            node_net_deinit(&net);
        }
}

uint64_t path_relayed(void)
{
    return node_relay_count(&net, 0) + node_relay_count(&net, 1) + node_relay_count(&net, 2);
}

/* With relays at the supernodes everybody reaches everybody whose datagrams pass; relayed only where it has to be. */
static void test_relayed(void **state)
{
    (void)state;
    for (size_t a = NET_NAT_PORT; a <= NET_NAT_SYMMETRIC; a++)
        for (size_t b = NET_NAT_PORT; b <= NET_NAT_SYMMETRIC; b++) {
            path_start_net(11, 3);
            for (size_t i = 0; i < 3; i++)
                node_relay_start(&net, i);
            size_t alice = path_add("a", 0, RF_NODE_CLIENT, (enum net_nat)a);
            size_t bob = path_add("b", 0, RF_NODE_CLIENT, (enum net_nat)b);
            assert_true(node_net_until(&net, 90 * S, node_net_all_joined, NULL));
            node_net_run(&net, 5 * S);
            bool direct = a == NET_NAT_PORT && b == NET_NAT_PORT;
            uint64_t before_us = net.now.mono_us;
            assert_int_equal(path_attach(alice, bob), 0);
            uint64_t took_us = net.now.mono_us - before_us;
            if (getenv("PATH_TIMES"))
                printf("relay %u %u: %u ms, %u relayed\n", (unsigned)a, (unsigned)b,
                       (unsigned)(took_us / 1000), (unsigned)path_relayed());
            assert_true(took_us < 800000);
            uint64_t relayed = path_relayed();
            for (size_t i = 0; i < 5; i++) {
                path_say(alice, bob, "hello");
                path_say(bob, alice, "yes?");
            }
            assert_int_equal(path_relayed() > relayed + 9, !direct);
            assert_true(path_link_of(alice).datagrams);
            /* the second time the credentials are at hand */
            rf_node_app_close(net.nodes[alice].node, talks[alice].conn, net.now);
            node_net_settle(&net, alice);
            node_net_run(&net, 10 * S);
            assert_int_equal(path_attach(bob, alice), 0);
            node_net_run(&net, S); /* the last of a handshake reaches her later than him */
            path_say(alice, bob, "again");
            assert_int_equal(node_net_counter(&net, alice, "node", "relay_asked") > 0,
                             a == NET_NAT_SYMMETRIC);
            assert_int_equal(node_net_counter(&net, bob, "node", "relay_asked") > 0, b == NET_NAT_SYMMETRIC);
            node_net_deinit(&net);
        }
}

/* Both call at once: one connection, and both have it. */
static void test_crossing(void **state)
{
    (void)state;
    path_start_net(8, 3);
    size_t alice = path_add("a", 0, RF_NODE_CLIENT, NET_NAT_PORT),
           bob = path_add("b", 0, RF_NODE_CLIENT, NET_NAT_PORT);
    assert_true(node_net_until(&net, 90 * S, node_net_all_joined, NULL));
    struct rf_app_target target = {.node_id = net.nodes[alice].identity.node_id, .application = APP};
    assert_int_equal(rf_node_app_attach(net.nodes[bob].node, &target, net.now, path_on_attached, &talks[bob]),
                     0);
    node_net_settle(&net, bob);
    assert_int_equal(path_attach(alice, bob), 0);
    assert_true(node_net_until(&net, 20 * S, path_is_done, &talks[bob]));
    assert_int_equal(talks[bob].error, 0);
    node_net_run(&net, 20 * S);
    assert_int_equal(talks[alice].ups - talks[alice].downs, 1);
    assert_int_equal(talks[bob].ups - talks[bob].downs, 1);
    assert_int_equal(net.nodes[alice].node->paths->count, 1);
    assert_int_equal(net.nodes[bob].node->paths->count, 1);
    node_net_deinit(&net);
}

/* A fifth of the datagrams is lost, and it takes longer. */
static void test_loss(void **state)
{
    (void)state;
    path_start_net(9, 3);
    size_t alice = path_add("a", 0, RF_NODE_CLIENT, NET_NAT_PORT),
           bob = path_add("b", 0, RF_NODE_CLIENT, NET_NAT_CONE);
    assert_true(node_net_until(&net, 90 * S, node_net_all_joined, NULL));
    net.loss_percent = 20;
    for (size_t i = 0; i < 20; i++) {
        assert_int_equal(path_attach(alice, bob), 0);
        rf_node_app_close(net.nodes[alice].node, talks[alice].conn, net.now);
        node_net_settle(&net, alice);
        node_net_run(&net, 60 * S);
    }
    node_net_deinit(&net);
}

/* A stream both ways through loss: every byte, once, in order. */
static void test_stream(void **state)
{
    enum { SIZE = 300000 };
    static uint8_t sent[SIZE];
    (void)state;
    path_start_net(12, 3);
    size_t alice = path_add("a", 0, RF_NODE_CLIENT, NET_NAT_PORT),
           bob = path_add("b", 0, RF_NODE_CLIENT, NET_NAT_CONE);
    assert_true(node_net_until(&net, 90 * S, node_net_all_joined, NULL));
    assert_int_equal(path_attach(alice, bob), 0);
    node_net_run(&net, S);
    for (size_t i = 0; i < SIZE; i++)
        sent[i] = (uint8_t)(i ^ i >> 8 ^ i >> 16);
    net.loss_percent = 10;
    for (size_t k = 0; k < 2; k++) {
        size_t from = k == 0 ? alice : bob, to = k == 0 ? bob : alice;
        struct rf_buf *kept = &talks[to].kept;
        rf_buf_init(kept, rf_mem_system(), SIZE);
        for (size_t at = 0, len; at < SIZE; at += len) { /* pieces of all sizes */
            len = at % 7000 + 1 < SIZE - at ? at % 7000 + 1 : SIZE - at;
            assert_int_equal(
                rf_node_app_send(net.nodes[from].node, talks[from].conn, rf_view_of(sent + at, len), net.now),
                0);
            node_net_settle(&net, from);
        }
        for (int i = 0; i < 120 && kept->len < SIZE; i++)
            node_net_run(&net, S);
        assert_int_equal(kept->len, SIZE);
        assert_memory_equal(kept->p, sent, SIZE);
        rf_buf_deinit(kept);
        *kept = (struct rf_buf){0};
    }
    assert_int_equal(talks[alice].downs + talks[bob].downs, 0);
    node_net_deinit(&net);
}

/* A connection that leads nowhere any more is not used for the next call: it is asked, and another one is made. */
static void test_standing(void **state)
{
    (void)state;
    path_start_net(13, 3);
    for (size_t i = 0; i < 3; i++)
        node_relay_start(&net, i);
    size_t alice = path_add("a", 0, RF_NODE_CLIENT, NET_NAT_PORT),
           bob = path_add("b", 0, RF_NODE_CLIENT, NET_NAT_PORT);
    assert_true(node_net_until(&net, 90 * S, node_net_all_joined, NULL));
    assert_int_equal(path_attach(alice, bob), 0);
    rf_link_id first = talks[alice].conn;
    node_net_run(&net, 10 * S);
    uint64_t before_us = net.now.mono_us;
    assert_int_equal(path_attach(alice, bob), 0); /* it lives: the same */
    assert_true(talks[alice].conn == first && net.now.mono_us - before_us < 100000);
    net.nodes[bob].mapping_count = 0; /* his gateway forgets */
    node_net_run(&net, 2 * S);
    before_us = net.now.mono_us;
    assert_int_equal(path_attach(alice, bob), 0);
    assert_true(talks[alice].conn != first && net.now.mono_us - before_us < 3 * S);
    node_net_run(&net, S);
    path_say(alice, bob, "still there?");
    node_net_deinit(&net);
}

/* A firewall between them that neither sees beforehand: over a relay, a little later. */
static void test_firewall(void **state)
{
    (void)state;
    path_start_net(14, 3);
    for (size_t i = 0; i < 3; i++)
        node_relay_start(&net, i);
    size_t alice = path_add("a", 0, RF_NODE_CLIENT, NET_NAT_PORT),
           bob = path_add("b", 0, RF_NODE_CLIENT, NET_NAT_PORT);
    assert_true(node_net_until(&net, 90 * S, node_net_all_joined, NULL));
    node_net_run(&net, 5 * S);
    net.nodes[alice].shuns = &net.nodes[bob].addr;
    uint64_t before_us = net.now.mono_us;
    assert_int_equal(path_attach(alice, bob), 0);
    uint64_t took_us = net.now.mono_us - before_us;
    if (getenv("PATH_TIMES"))
        printf("firewall: %u ms\n", (unsigned)(took_us / 1000));
    assert_true(took_us < 4 * S);
    path_say(alice, bob, "hello");
    assert_true(path_relayed() > 0);
    /* much later the credentials of then are worth nothing, and alice asks for none beforehand */
    rf_node_app_close(net.nodes[alice].node, talks[alice].conn, net.now);
    node_net_settle(&net, alice);
    node_net_run(&net, 4000 * S);
    uint64_t relayed = path_relayed();
    before_us = net.now.mono_us;
    assert_int_equal(path_attach(alice, bob), 0);
    took_us = net.now.mono_us - before_us;
    if (getenv("PATH_TIMES"))
        printf("firewall, much later: %u ms\n", (unsigned)(took_us / 1000));
    assert_true(took_us < 6 * S);
    path_say(alice, bob, "hello again");
    assert_true(path_relayed() > relayed);
    node_net_deinit(&net);
}

/* The same where nobody has a relay: that is asked for, and not tried; then it goes without ICE, and the second time nobody is asked. */
static void test_firewall_unrelayed(void **state)
{
    (void)state;
    path_start_net(14, 3);
    size_t alice = path_add("a", 0, RF_NODE_CLIENT, NET_NAT_NONE),
           bob = path_add("b", 0, RF_NODE_CLIENT, NET_NAT_NONE);
    assert_true(node_net_until(&net, 90 * S, node_net_all_joined, NULL));
    node_net_run(&net, 5 * S);
    net.nodes[alice].shuns = &net.nodes[bob].addr;
    for (size_t i = 0; i < 2; i++) {
        uint64_t before_us = net.now.mono_us;
        assert_int_equal(path_attach(alice, bob), 0);
        uint64_t took_us = net.now.mono_us - before_us;
        if (getenv("PATH_TIMES"))
            printf("firewall, no relay: %u ms\n", (unsigned)(took_us / 1000));
        assert_false(path_link_of(alice).datagrams);
        assert_true(took_us < 3 * S);
        rf_node_app_close(net.nodes[alice].node, talks[alice].conn, net.now);
        node_net_settle(&net, alice);
        node_net_run(&net, 20 * S);
    }
    assert_int_equal(node_net_counter(&net, alice, "node", "attaches_pathless"),
                     1); /* the relay that is not there; the second time the timer was enough */
    node_net_deinit(&net);
}

/* A document that switches ICE off while there are paths: those that stand end, those that are being made are asked for without, and later ones, too. */
static void test_document_without_ice(void **state)
{
    (void)state;
    path_start_net(17, 3);
    size_t alice = path_add("a", 0, RF_NODE_CLIENT, NET_NAT_NONE),
           bob = path_add("b", 0, RF_NODE_CLIENT, NET_NAT_NONE),
           carol = path_add("c", 0, RF_NODE_CLIENT, NET_NAT_NONE);
    struct rf_conf *plain;
    assert_true(node_net_until(&net, 90 * S, node_net_all_joined, NULL));
    node_net_run(&net, 5 * S);
    assert_int_equal(path_attach(alice, bob), 0);
    assert_true(path_link_of(alice).datagrams);
    node_net_run(&net, S);
    struct rf_app_target target = {.node_id = net.nodes[carol].identity.node_id, .application = APP};
    talks[alice].done = false;
    assert_int_equal(
        rf_node_app_attach(net.nodes[alice].node, &target, net.now, path_on_attached, &talks[alice]), 0);
    assert_int_equal(net.nodes[alice].node->paths->count, 2);
    assert_int_equal(rf_pki_document(&net.pki, 2, NULL, NULL, &plain), 0);
    for (size_t i = 0; i < net.count; i++)
        assert_int_equal(rf_node_offer_conf(net.nodes[i].node, plain->xml, true, net.now), 0);
    for (size_t i = 0; i < net.count; i++)
        node_net_settle(&net, i);
    assert_true(node_net_until(&net, 5 * S, path_is_done, &talks[alice]));
    assert_int_equal(talks[alice].error, 0);
    assert_false(path_link_of(alice).datagrams);
    node_net_run(&net, S);
    assert_int_equal(talks[bob].downs, 1);
    for (size_t i = 0; i < net.count; i++)
        assert_int_equal(net.nodes[i].node->paths->count, 0);
    assert_int_equal(net.nodes[alice].node->paths->stun_count, 0);
    assert_int_equal(path_attach(bob, alice), 0);
    assert_false(path_link_of(bob).datagrams);
    rf_conf_release(plain);
    node_net_deinit(&net);
}

static void drain(struct rf_node *node, rf_link_id flow, size_t *closes)
{
    struct rf_node_out out;
    while (rf_node_next(node, &out))
        *closes += out.type == RF_NODE_OUT_FLOW && out.flow.type == RF_FLOW_CLOSE && out.flow.flow == flow;
}

/* A relay's stream: who has left or was revoked hears nothing of it; one that is being closed takes no place, and is over after a while even if nobody reads. */
static void test_streams(void **state)
{
    static const uint8_t data[] = {0x40, 0, 0, 4, 'd', 'a', 't', 'a'}; /* ChannelData */
    static const uint8_t bad[20] = {0, 1, 0, 3};
    (void)state;
    path_start_net(18, 1);
    struct rf_node *node = net.nodes[0].node;
    struct rf_now now = net.now;
    const rf_link_id flow = NODE_FLOW_STREAM | 77;
    size_t closes = 0;
    node_stream_connect(node, 77, &net.nodes[0].addr);
    drain(node, flow, &closes);
    rf_node_connected(node, flow, &net.nodes[0].addr, now);
    node_stream_put(node, 77, rf_view_of(data, sizeof(data)));
    node->left = true;
    rf_node_input(node, flow, rf_view_of(bad, sizeof(bad)), now);
    node->left = false;
    node->revoked = true;
    rf_node_input(node, flow, rf_view_of(bad, sizeof(bad)), now);
    node->revoked = false;
    assert_int_equal(node->paths->stream_count, 1);
    rf_node_input(node, flow, rf_view_of(bad, sizeof(bad)), now);
    assert_int_equal(node->paths->stream_count, 0);
    drain(node, flow, &closes);
    assert_int_equal(closes, 1);
    assert_int_equal(rf_node_output(node, flow).len, sizeof(data));
    now.mono_us += 6 * S;
    rf_node_tick(node, now);
    drain(node, flow, &closes);
    assert_int_equal(closes, 2);
    assert_int_equal(rf_node_output(node, flow).len, 0);
    assert_true(rf_list_empty(&node->paths->streams));
    node_net_deinit(&net);
}

/* Few flows: whatever a guest does, with whomever, his gateway sees one flow of datagrams, to his relay; home is the only other one. */
static void test_few_flows(void **state)
{
    static const enum net_nat nats[] = {NET_NAT_NONE, NET_NAT_PORT, NET_NAT_SYMMETRIC, NET_NAT_CONE};
    size_t others[RF_COUNT(nats)];
    struct rf_node_status status;
    (void)state;
    path_start_net(15, 3);
    for (size_t i = 0; i < 3; i++)
        node_relay_start(&net, i);
    net.nodes[3].max_flows = 4;
    net.nodes[3].no_reserve = true;
    size_t guest =
        path_add("g", 0, RF_NODE_CLIENT, NET_NAT_SYMMETRIC); /* a mapping for each whom it sends to */
    assert_int_equal(guest, 3);
    for (size_t i = 0; i < RF_COUNT(nats); i++)
        others[i] = path_add("o", i, RF_NODE_CLIENT, nats[i]);
    assert_true(node_net_until(&net, 90 * S, node_net_all_joined, NULL));
    node_net_run(&net, 120 * S);
    rf_node_status(net.nodes[guest].node, &status);
    assert_int_equal(status.flow_count, 1);
    assert_int_equal(net.nodes[guest].mapping_count, 0); /* nobody is asked beforehand */
    for (size_t i = 0; i < RF_COUNT(nats) - 1; i++) {
        bool theirs = i % 2 != 0;
        assert_int_equal(theirs ? path_attach(others[i], guest) : path_attach(guest, others[i]), 0);
        node_net_run(&net, S);
        path_say(theirs ? others[i] : guest, theirs ? guest : others[i], "hello");
        rf_node_status(net.nodes[guest].node, &status);
        assert_int_equal(status.flow_count, 2);
        assert_int_equal(net.nodes[guest].mapping_count, 1);
    }
    assert_int_equal(net.nodes[guest].node->paths->count, RF_COUNT(nats) - 1);
    assert_true(path_relayed() > 2 * RF_COUNT(nats));
    assert_int_equal(node_net_counter(&net, guest, "node", "flows_waited"), 0);
    rf_node_app_hold(net.nodes[guest].node, talks[guest].conn, true,
                     net.now); /* a call: its sound are two more */
    node_net_settle(&net, guest);
    rf_node_status(net.nodes[guest].node, &status);
    assert_int_equal(status.flow_count, 4);
    assert_int_not_equal(path_attach(others[RF_COUNT(nats) - 1], guest), 0);
    node_net_deinit(&net);
}

/* Few flows and nobody relays: connections as without ICE. */
static void test_few_flows_unrelayed(void **state)
{
    (void)state;
    path_start_net(16, 3);
    net.nodes[3].max_flows = 4;
    net.nodes[3].no_reserve = true;
    size_t guest = path_add("g", 0, RF_NODE_CLIENT, NET_NAT_SYMMETRIC),
           bob = path_add("b", 0, RF_NODE_CLIENT, NET_NAT_NONE);
    assert_true(node_net_until(&net, 90 * S, node_net_all_joined, NULL));
    assert_int_equal(path_attach(guest, bob), 0);
    assert_false(path_link_of(guest).datagrams);
    rf_node_app_close(net.nodes[guest].node, talks[guest].conn, net.now);
    node_net_settle(&net, guest);
    node_net_run(&net, 10 * S);
    assert_int_equal(path_attach(bob, guest), 0);
    assert_false(path_link_of(bob).datagrams);
    assert_int_equal(net.nodes[guest].mapping_count, 0);
    node_net_deinit(&net);
}

/* Bob dies without a word: alice's end goes, and nothing stays behind. */
static void test_gone(void **state)
{
    (void)state;
    path_start_net(10, 3);
    size_t alice = path_add("a", 0, RF_NODE_CLIENT, NET_NAT_PORT),
           bob = path_add("b", 0, RF_NODE_CLIENT, NET_NAT_PORT);
    assert_true(node_net_until(&net, 90 * S, node_net_all_joined, NULL));
    assert_int_equal(path_attach(alice, bob), 0);
    node_net_kill(&net, bob);
    node_net_run(&net, 60 * S);
    assert_int_equal(talks[alice].downs, 1);
    assert_int_equal(net.nodes[alice].node->paths->count, 0);
    node_net_deinit(&net);
}

/* Bob is out of memory from his k-th allocation on when alice has asked him, for a second: alice hears something, and he holds nothing of it. */
static void test_no_memory(void **state)
{
    (void)state;
    for (size_t k = 0; k < 40; k++) {
        struct rf_mem_test mem;
        path_start_net(15, 2);
        size_t alice = path_add("a", 0, RF_NODE_CLIENT, NET_NAT_PORT);
        rf_mem_test_init(&mem);
        mem.allowed = SIZE_MAX;
        size_t bob = node_net_add(&net, "b", RF_NODE_CLIENT);
        struct rf_node_app app = {
            .ctx = &talks[bob], .up = path_on_up, .data = path_on_data, .down = path_on_down};
        talks[bob] = (struct talk){.node = bob};
        net.nodes[bob].mem = &mem.mem;
        node_net_start(&net, bob);
        assert_int_equal(rf_node_set_app(net.nodes[bob].node, APP, &app), 0);
        assert_true(node_net_until(&net, 90 * S, node_net_all_joined, NULL));
        struct rf_app_target target = {.node_id = net.nodes[bob].identity.node_id, .application = APP};
        talks[alice].done = false;
        assert_int_equal(
            rf_node_app_attach(net.nodes[alice].node, &target, net.now, path_on_attached, &talks[alice]), 0);
        node_net_settle(&net, alice);
        mem.allowed = k;
        node_net_run(&net, S);
        mem.allowed = SIZE_MAX;
        assert_true(node_net_until(&net, 60 * S, path_is_done, &talks[alice]));
        if (talks[alice].error == 0)
            rf_node_app_close(net.nodes[alice].node, talks[alice].conn, net.now);
        node_net_settle(&net, alice);
        node_net_run(&net, 60 * S);
        if (net.nodes[bob].node->overlay->deferred_count != 0)
            fail_msg("%zu allocations: a request is held for ever", k);
        assert_int_equal(net.nodes[bob].node->paths->count, 0);
        assert_int_equal(net.nodes[alice].node->paths->count, 0);
        node_net_deinit(&net);
        assert_int_equal(mem.live_count, 0);
    }
}

static void (*really_asked)(void *arg, struct rf_request *request);

/* As a node without ICE does: what has candidates for it is refused. */
static void without_ice(void *arg, struct rf_request *request)
{
    struct rf_node *node = arg;
    struct offer offer;
    if (node_offer_get(true, request->message->body, request->region, &offer) == 0 &&
        node_path_offered(&offer))
        rf_overlay_refuse_text(node->overlay, request, RF_ERROR_FORBIDDEN, "no ICE here");
    else
        really_asked(arg, request);
}

static struct handler *asked_handler(struct rf_node *node)
{
    for (size_t i = 0; i < node->overlay->handler_count; i++)
        if (node->overlay->handlers[i].code == RF_CODE_APP_ATTACH_REQ)
            return &node->overlay->handlers[i];
    return NULL;
}

/* Who refuses ICE is asked without it at once: a relay would not help, and alice's own NAT is not to blame. */
static void test_refused(void **state)
{
    (void)state;
    path_start_net(16, 3);
    for (size_t i = 0; i < 3; i++)
        node_relay_start(&net, i);
    size_t alice = path_add("a", 0, RF_NODE_CLIENT, NET_NAT_NONE),
           bob = path_add("b", 0, RF_NODE_CLIENT, NET_NAT_NONE);
    assert_true(node_net_until(&net, 90 * S, node_net_all_joined, NULL));
    node_net_run(&net, 5 * S);
    struct handler *handler = asked_handler(net.nodes[bob].node);
    really_asked = handler->fn;
    handler->fn = without_ice;
    assert_int_equal(path_attach(alice, bob), 0);
    assert_false(path_link_of(alice).datagrams);
    assert_int_equal(node_net_counter(&net, alice, "node", "attaches_pathless"), 1);
    assert_int_equal(node_net_counter(&net, alice, "node", "relay_asked"), 0);
    node_net_deinit(&net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_matrix),
        cmocka_unit_test(test_relayed),
        cmocka_unit_test(test_crossing),
        cmocka_unit_test(test_loss),
        cmocka_unit_test(test_stream),
        cmocka_unit_test(test_standing),
        cmocka_unit_test(test_firewall),
        cmocka_unit_test(test_firewall_unrelayed),
        cmocka_unit_test(test_document_without_ice),
        cmocka_unit_test(test_streams),
        cmocka_unit_test(test_upgrade),
        cmocka_unit_test(test_moved),
        cmocka_unit_test(test_moved_relayed),
        cmocka_unit_test(test_moved_in_vain),
        cmocka_unit_test(test_moved_guests_friend),
        cmocka_unit_test(test_moved_from_nobody),
        cmocka_unit_test(test_restart_flood),
        cmocka_unit_test(test_path_flood),
        cmocka_unit_test(test_path_links),
        cmocka_unit_test(test_path_conns),
        cmocka_unit_test(test_path_places),
        cmocka_unit_test(test_relay_owner),
        cmocka_unit_test(test_relay_restarted),
        cmocka_unit_test(test_attach),
        cmocka_unit_test(test_attach_wire),
        cmocka_unit_test(test_attach_both),
        cmocka_unit_test(test_attach_moved),
        cmocka_unit_test(test_attach_forgotten),
        cmocka_unit_test(test_attach_ring),
        cmocka_unit_test(test_large),
        cmocka_unit_test(test_gone),
        cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_few_flows),
        cmocka_unit_test(test_few_flows_unrelayed),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
