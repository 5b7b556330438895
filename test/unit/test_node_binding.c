/* test_node_binding.c - clients that learn how long their NAT keeps what is idle, with the help of their homes, and use it: whole nodes behind NATs that forget. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>
#include "base/assert.h"
#include "base/error.h"
#include "node/binding.h"
#include "support/node_net.h"

#define S      RF_US_PER_S
#define T      (RF_US_PER_S / 10) /* a second, ten times as fast: keepalive_s is 6 instead of 60 */
#define MINUTE (60 * T)
#define SUPERS 2
#define ALICE  SUPERS /* she learns */
#define CAROL  (SUPERS + 1)
#define MOST_S 60 /* 600 T */

static struct node_net net;

static void with_ice(struct rf_conf *draft, void *arg)
{
    (void)arg;
    draft->no_ice = false;
}

static void add_all(uint64_t seed, uint64_t tcp_keeps_us)
{
    char name[16];
    node_net_init(&net, seed, 2, &rf_engine_plain, with_ice, NULL);
    net.datagram_ops = &rf_engine_plain_datagram;
    for (size_t i = 0; i < SUPERS + 2; i++) {
        snprintf(name, sizeof(name), "n%zu", i);
        node_net_add(&net, name, i < SUPERS ? RF_NODE_SUPERNODE : RF_NODE_CLIENT);
        net.nodes[i].natted = i >= SUPERS;
        net.nodes[i].keepalive_s = 6;
        net.nodes[i].nat = i >= SUPERS ? NET_NAT_PORT : NET_NAT_NONE;
    }
    net.nodes[ALICE].tcp_keeps_us = tcp_keeps_us;
    net.nodes[ALICE].keepalive_max_s = MOST_S;
}

static void start_all(void)
{
    for (size_t i = 0; i < net.count; i++) {
        node_net_start(&net, i);
        assert_true(node_net_until(&net, 60 * S, node_net_all_joined, NULL));
    }
}

static struct rf_node_bindings learned(void)
{
    struct rf_node_bindings out;
    rf_node_bindings(net.nodes[ALICE].node, &out);
    return out;
}

static uint64_t counter(size_t i, const char *name)
{
    return node_net_counter(&net, i, "node", name);
}

static uint64_t of_supers(const char *name)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < SUPERS; i++)
        sum += counter(i, name);
    return sum;
}

static uint64_t keepalives(void)
{
    uint64_t sum = node_net_counter(&net, ALICE, "link", "keepalives_out");
    for (size_t i = 0; i < SUPERS; i++)
        sum += node_net_counter(&net, i, "link", "keepalives_out");
    return sum;
}

static bool is_done(struct node_net *n, void *arg)
{
    (void)n, (void)arg;
    struct rf_node_bindings b = learned();
    return b.known && !b.learning && b.silent_us != 0;
}

/* ---- pings ---- */

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

static bool is_answered(struct node_net *n, void *arg)
{
    (void)n;
    return ((struct question *)arg)->done;
}

/* How long until Carol has an answer from Alice. */
static uint64_t ask_alice(void)
{
    static struct question q;
    q = (struct question){.asked_us = net.now.mono_us};
    assert_int_equal(
        rf_node_ping(net.nodes[CAROL].node, &net.nodes[ALICE].identity.node_id, net.now, answered, &q), 0);
    node_net_settle(&net, CAROL);
    assert_true(node_net_until(&net, 30 * S, is_answered, &q));
    return q.error == 0 ? q.took_us : UINT64_MAX;
}

/* ---- tests ---- */

/* NATs of all times, forgiving ones and those that reset: learned, used, and she is reached at any moment, from the beginning on. */
static void test_learned(void **state)
{
    static const uint64_t keeps[] = {70, 250, 7440};
    (void)state;
    for (size_t i = 0; i < RF_COUNT(keeps); i++) {
        uint64_t keeps_us = keeps[i] * T;
        add_all(i + 1, keeps_us);
        net.nodes[ALICE].forgiving = i % 2 == 0;
        start_all();
        for (uint64_t end = net.now.mono_us + 50 * MINUTE; net.now.mono_us < end;) {
            node_net_run(
                &net, rf_rng_between(&net.rng.rng, S, 2 * keeps_us < MOST_S * S ? 2 * keeps_us : MOST_S * S));
            assert_true(ask_alice() < S);
        }
        assert_true(node_net_until(&net, 30 * MINUTE, is_done, NULL));
        struct rf_node_bindings b = learned();
        uint64_t most_us = keeps_us < MOST_S * S ? keeps_us : MOST_S * S;
        assert_true(b.tcp_kept_us <= most_us && b.tcp_kept_us >= most_us * 3 / 4);
        assert_true(keeps_us > MOST_S * S ? b.tcp_lost_us == 0 : b.tcp_lost_us >= keeps_us);
        assert_true(b.silent_us < keeps_us && b.silent_us >= b.tcp_kept_us * 3 / 4);
        assert_int_equal(counter(ALICE, "bindings_broken"), 0);
        assert_int_equal(node_net_counter(&net, ALICE, "link", "keepalives_late"), 0);
        assert_int_equal(of_supers("bindings_malformed") + of_supers("bindings_strangers"), 0);
        assert_int_equal(rf_links_count(net.nodes[ALICE].node->links, RF_LINK_UP),
                         1); /* nothing is tried any more */
        uint64_t before = keepalives(), hour_us = 60 * MINUTE;
        node_net_run(&net, hour_us);
        /* Carol's and the supernodes' own, and one per silent_us */
        assert_true(keepalives() - before <= 3 * hour_us / (4 * S) + hour_us / (b.silent_us - S) + 2);
        assert_true(ask_alice() < S);
        node_net_deinit(&net);
    }
}

/* One that keeps a connection shorter than usual: without learning she is lost again and again, with it after the first minutes never. */
static void test_short(void **state)
{
    (void)state;
    for (int learns = 0; learns < 2; learns++) {
        unsigned late = 0;
        add_all(20, 33 * T);
        net.nodes[ALICE].forgiving = true;
        net.nodes[ALICE].keepalive_max_s = learns ? MOST_S : 0;
        start_all();
        node_net_run(&net, 20 * MINUTE);
        for (unsigned i = 0; i < 25; i++) {
            node_net_run(&net, 36 * T);
            late += ask_alice() > S;
        }
        if (learns)
            assert_int_equal(late, 0);
        else
            assert_true(late > 10);
        node_net_deinit(&net);
    }
}

/* It keeps less from some moment on: home's sign of life is lost, hers shows it; halved at once, home is told, and learned anew. */
static void test_changes(void **state)
{
    (void)state;
    add_all(30, 500 * T);
    net.nodes[ALICE].forgiving = true;
    start_all();
    assert_true(node_net_until(&net, 150 * MINUTE, is_done, NULL));
    uint64_t before_us = learned().silent_us;
    assert_true(before_us >= 300 * T);
    net.nodes[ALICE].tcp_keeps_us = 100 * T;
    node_net_run(&net, 3 * before_us);
    assert_true(counter(ALICE, "bindings_broken") >= 1);
    struct rf_node_bindings b = learned();
    assert_true(b.silent_us <= before_us / 2);
    node_net_run(&net, 150 * MINUTE);
    b = learned();
    assert_true(b.silent_us < 100 * T && b.silent_us >= 40 * T);
    for (unsigned i = 0; i < 8; i++) {
        node_net_run(&net, 105 * T);
        assert_true(ask_alice() < S);
    }
    node_net_deinit(&net);
}

/* It is restarted: she notices when home's sign of life does not come, not later than it is due. */
static void test_restarted(void **state)
{
    (void)state;
    add_all(40, 7440 * T);
    start_all();
    assert_true(node_net_until(&net, 150 * MINUTE, is_done, NULL));
    assert_int_equal(learned().silent_us, 480 * T);
    node_net_unplug(&net, ALICE);
    node_net_run(&net, 530 * T);
    assert_true(ask_alice() < S);
    assert_int_equal(counter(ALICE, "bindings_broken"), 1);
    node_net_run(&net, 200 * MINUTE);
    assert_int_equal(learned().silent_us, 480 * T);
    node_net_deinit(&net);
}

/* What was learned is there in the next life, in the same network; in another one it is learned anew, and known when she comes back. */
static void test_remembered(void **state)
{
    (void)state;
    add_all(50, 7440 * T);
    start_all();
    assert_true(node_net_until(&net, 150 * MINUTE, is_done, NULL));
    assert_int_equal(net.nodes[ALICE].network_count, 1);
    node_net_leave(&net, ALICE);
    node_net_start(&net, ALICE);
    assert_true(node_net_until(&net, 60 * S, is_done, NULL));
    assert_int_equal(learned().silent_us, 480 * T);
    assert_int_equal(counter(ALICE, "bindings_tried"), 0);
    node_net_move(&net, ALICE, 9);
    node_net_run(&net, 20 * S);
    assert_int_equal(learned().silent_us, 0);
    assert_true(ask_alice() < S);
    net.nodes[ALICE].tcp_keeps_us = 250 * T;
    assert_true(node_net_until(&net, 150 * MINUTE, is_done, NULL));
    assert_true(learned().silent_us < 250 * T);
    node_net_move(&net, ALICE, 0);
    node_net_run(&net, 20 * S);
    assert_int_equal(learned().silent_us, 480 * T);
    assert_int_equal(net.nodes[ALICE].network_count, 2);
    node_net_deinit(&net);
}

/* She, or her home, is out of memory for a while, from the k-th allocation on, in whatever is going on just then: what is not learned then is learned later, and nothing is held. */
static void test_no_memory(void **state)
{
    (void)state;
    for (size_t who = 0; who < 2; who++) {
        struct rf_mem_test mem[SUPERS + 1];
        add_all(65, 250 * T);
        net.nodes[ALICE].udp_keeps_us = 130 * T;
        net.nodes[ALICE].spare = true;
        for (size_t i = 0; i <= ALICE; i++) {
            rf_mem_test_init(&mem[i]);
            mem[i].allowed = SIZE_MAX;
            net.nodes[i].mem = &mem[i].mem;
        }
        start_all();
        for (size_t k = 0; k < 60; k++) {
            node_net_run(&net, rf_rng_between(&net.rng.rng, S, 12 * S));
            for (size_t i = 0; i <= ALICE; i++)
                mem[i].allowed = (i == ALICE) == (who == 0) ? k % 12 : SIZE_MAX;
            node_net_run(&net, 3 * S);
            for (size_t i = 0; i <= ALICE; i++)
                mem[i].allowed = SIZE_MAX;
        }
        assert_true(node_net_until(&net, 400 * MINUTE, is_done, NULL));
        struct rf_node_bindings b = learned();
        assert_true(b.tcp_kept_us > 0 && b.tcp_kept_us <= 250 * T);
        assert_true(ask_alice() < S);
        node_net_deinit(&net);
        for (size_t i = 0; i <= ALICE; i++)
            assert_int_equal(mem[i].live_count, 0);
    }
}

static bool udp_done(struct node_net *n, void *arg)
{
    (void)n, (void)arg;
    struct rf_node_bindings b = learned();
    return b.udp_kept_us != 0 && b.udp_lost_us != 0 && !b.learning;
}

/* Datagrams: by a socket of its own; some are lost. */
static void test_datagrams(void **state)
{
    static const uint64_t keeps[] = {60, 299};
    (void)state;
    for (size_t i = 0; i < RF_COUNT(keeps); i++) {
        add_all(60 + i, 7440 * T);
        net.nodes[ALICE].udp_keeps_us = keeps[i] * T;
        net.nodes[ALICE].spare = true;
        net.nodes[ALICE].nat = i == 1 ? NET_NAT_SYMMETRIC : NET_NAT_PORT;
        net.loss_percent = 5;
        start_all();
        assert_true(node_net_until(&net, 400 * MINUTE, udp_done, NULL));
        struct rf_node_bindings b = learned();
        assert_true(b.udp_kept_us <= keeps[i] * T && b.udp_kept_us >= keeps[i] * T / 2);
        assert_true(node_binding_idle_s(net.nodes[ALICE].node) * S < keeps[i] * T);
        assert_int_equal(of_supers("bindings_strangers") + of_supers("bindings_malformed"), 0);
        assert_int_equal(node_binding_flows(net.nodes[ALICE].node), 0);
        node_net_deinit(&net);
    }
}

/* Where datagrams do not pass nothing is learned of them, and it ends. */
static void test_no_datagrams(void **state)
{
    (void)state;
    add_all(70, 7440 * T);
    net.nodes[ALICE].spare = true;
    net.nodes[ALICE].nat = NET_NAT_BLOCKED;
    start_all();
    assert_true(node_net_until(&net, 150 * MINUTE, is_done, NULL));
    assert_int_equal(learned().udp_kept_us + learned().udp_lost_us, 0);
    node_net_deinit(&net);
}

/* Where flows are few nothing is tried; what was learned before is used. */
static void test_few_flows(void **state)
{
    (void)state;
    add_all(80, 7440 * T);
    net.nodes[ALICE].max_flows = 4;
    start_all();
    node_net_run(&net, 60 * MINUTE);
    assert_int_equal(counter(ALICE, "bindings_tried"), 0);
    assert_int_equal(learned().silent_us, 0);
    node_net_leave(&net, ALICE);
    net.nodes[ALICE].max_flows = 0;
    node_net_start(&net, ALICE);
    assert_true(node_net_until(&net, 150 * MINUTE, is_done, NULL));
    node_net_leave(&net, ALICE);
    net.nodes[ALICE].max_flows = 4;
    node_net_start(&net, ALICE);
    node_net_run(&net, 60 * S);
    assert_int_equal(learned().silent_us, 480 * T);
    assert_int_equal(counter(ALICE, "bindings_tried"), 0);
    node_net_deinit(&net);
}

/* Home dies while she learns, and again: another one helps. */
static void test_home_dies(void **state)
{
    (void)state;
    add_all(90, 250 * T);
    start_all();
    node_net_run(&net, 5 * MINUTE);
    for (size_t i = 0; i < SUPERS; i++) {
        node_net_kill(&net, i);
        node_net_run(&net, 2 * MINUTE);
        node_net_start(&net, i);
        node_net_run(&net, 5 * MINUTE);
    }
    assert_true(node_net_until(&net, 150 * MINUTE, is_done, NULL));
    assert_true(learned().silent_us < 250 * T && learned().silent_us >= 150 * T);
    assert_true(ask_alice() < S);
    node_net_deinit(&net);
}

static void attached(void *arg, int error, rf_link_id conn)
{
    (void)conn;
    *(int *)arg = error;
}

/* Alice and, if `both`, Carol know how long their NATs keep datagrams. */
static void start_knowing(uint64_t seed, bool both)
{
    add_all(seed, 0);
    for (size_t i = ALICE; i <= CAROL; i++) {
        net.nodes[i].networks[0] = (struct rf_node_network){.seen = net.nodes[i].addr,
                                                            .local = net.nodes[i].addr,
                                                            .tcp_kept_ms = 600000,
                                                            .udp_kept_ms = i == ALICE ? 60000 : 50000,
                                                            .udp_lost_ms = 62000};
        net.nodes[i].network_count = 1;
        net.nodes[i].udp_keeps_us = 61 * S;
        net.nodes[i].keepalive_s = 60;
        net.nodes[i].keepalive_max_s = i == ALICE || both ? 600 : 0;
    }
    start_all();
    for (size_t i = ALICE; i <= CAROL; i++)
        assert_int_equal(rf_node_set_app(net.nodes[i].node, 5060, &node_net_deaf_app), 0);
    node_net_run(&net, 60 * S);
    assert_int_equal(node_binding_idle_s(net.nodes[ALICE].node), 48);
}

static void connect_carol(void)
{
    int error = 1;
    struct rf_app_target target = {.node_id = net.nodes[CAROL].identity.node_id, .application = 5060};
    assert_int_equal(rf_node_app_attach(net.nodes[ALICE].node, &target, net.now, attached, &error), 0);
    node_net_settle(&net, ALICE);
    node_net_run(&net, 60 * S);
    assert_int_equal(error, 0);
}

/* How often Alice asks for consent in that time. */
static uint64_t consents_in(uint64_t us)
{
    uint64_t before = node_net_counter(&net, ALICE, "ice", "consents");
    node_net_run(&net, us);
    return node_net_counter(&net, ALICE, "ice", "consents") - before;
}

/* Two who know how long their NATs keep datagrams, behind ones that keep them for that long: a connection between them rests as long as the shorter one allows, and stands. Where one does not know, as ever. */
static void test_paths(void **state)
{
    (void)state;
    for (int both = 0; both < 2; both++) {
        start_knowing(95, both);
        connect_carol();
        uint64_t asked = consents_in(200 * S);
        assert_true(both ? asked >= 4 && asked <= 7 : asked >= 11);
        assert_int_equal(rf_links_count(net.nodes[ALICE].node->links, RF_LINK_UP), 2);
        assert_int_equal(rf_links_count(net.nodes[CAROL].node->links, RF_LINK_UP), 2);
        node_net_deinit(&net);
    }
}

/* What a path may do is taken back when what it relied on is not known any more: it is kept alive as often as ever, and stands. */
static void test_paths_doubted(void **state)
{
    (void)state;
    start_knowing(96, true);
    connect_carol();
    assert_true(consents_in(100 * S) <= 3);
    rf_node_tick(net.nodes[ALICE].node, net.now);
    node_binding_doubt(net.nodes[ALICE].node);
    node_net_settle(&net, ALICE);
    assert_true(consents_in(120 * S) >= 7);
    assert_int_equal(rf_links_count(net.nodes[ALICE].node->links, RF_LINK_UP), 2);
    node_net_deinit(&net);
}

/* How long the path to Carol may rest; 0: as long as any, or there is none any more. */
static uint16_t path_rests_s(void)
{
    uint16_t longest_s = 0;
    RF_LIST_EACH(&net.nodes[ALICE].node->paths->all, it)
    {
        const struct path *p = RF_LIST_ENTRY(it, struct path, list);
        longest_s = p->idle_s > longest_s ? p->idle_s : longest_s;
    }
    return longest_s;
}

/* She comes to another router that gives her the same address, as routers do: no base of ICE's has moved, and yet nothing that was agreed holds. */
static void test_paths_elsewhere(void **state)
{
    (void)state;
    start_knowing(97, true);
    connect_carol();
    assert_int_equal(path_rests_s(), 40);
    struct net_node *alice = &net.nodes[ALICE];
    node_net_unplug(&net, ALICE);
    alice->addr.ip[1] = 9;
    struct rf_addr addrs[] = {alice->inside, alice->addr};
    rf_node_moved(alice->node, addrs, RF_COUNT(addrs), net.now);
    node_net_settle(&net, ALICE);
    node_net_run(&net, 25 * S);
    assert_int_equal(node_binding_idle_s(alice->node), 0);
    assert_int_equal(path_rests_s(), 0);
    node_net_deinit(&net);
}

/* Over another link, which did not come from where the old one did. */
static bool has_come_home(struct node_net *n, void *arg)
{
    const struct net_node *alice = &n->nodes[ALICE];
    struct rf_link_info link;
    (void)arg;
    return rf_links_info(alice->node->links, rf_overlay_link_of(alice->node->overlay, &alice->node->home),
                         &link) == 0 &&
           rf_addr_same_ip(&link.local, &alice->addr);
}

/* What is known of a network is promised to nobody before home has said that she is there, nor by a supernode. */
static void test_promised_when_sure(void **state)
{
    (void)state;
    start_knowing(98, true);
    struct rf_node *alice = net.nodes[ALICE].node;
    node_net_move(&net, ALICE, 9);
    assert_true(node_net_until(&net, 30 * S, has_come_home, NULL));
    for (size_t i = 0; i < 40; i++) { /* from when she is back until home has said it, and longer */
        assert_int_equal(node_binding_idle_s(alice), 0);
        node_net_run(&net, S);
    }
    node_net_move(&net, ALICE, 0);
    node_net_run(&net, 40 * S);
    assert_int_equal(node_binding_idle_s(alice), 48);
    alice->role = RF_NODE_SUPERNODE;
    assert_int_equal(node_binding_idle_s(alice), 0);
    alice->role = RF_NODE_CLIENT;
    node_net_deinit(&net);
}

/* ---- who helps, and what others can make of that ---- */

static struct {
    int error;
    uint16_t code;
    bool done;
    struct rf_binding_said said;
} reply_seen;

static void on_reply(void *arg, const struct rf_reply *reply)
{
    (void)arg;
    reply_seen.done = true;
    reply_seen.error = reply->error;
    reply_seen.code = reply->error_code;
    if (reply->error == 0)
        assert_int_equal(rf_binding_said_decode(reply->body, &reply_seen.said), 0);
}

/* Asks `to` in `from`'s name over whatever way leads there. */
static void ask_as(size_t from, size_t to, struct rf_view body)
{
    struct rf_call call = {.code = RF_CODE_EXP_A_REQ, .body = body, .done = on_reply};
    memset(&reply_seen, 0, sizeof(reply_seen));
    rf_call_to_node(&call, &net.nodes[to].identity.node_id);
    assert_int_equal(rf_overlay_call(net.nodes[from].node->overlay, &call, NULL), 0);
    node_net_settle(&net, from);
    node_net_run(&net, 5 * S);
    assert_true(reply_seen.done);
}

static struct rf_view asking(uint8_t wants, uint32_t silent_ms)
{
    static uint8_t bytes[32];
    struct rf_binding_ask ask = {.wants = wants, .silent_ms = silent_ms};
    struct rf_buf buf;
    rf_buf_fixed(&buf, bytes, sizeof(bytes));
    rf_binding_ask_encode(&ask, &buf);
    return rf_buf_view(&buf);
}

static size_t home_of(size_t i)
{
    for (size_t s = 0; s < SUPERS; s++)
        if (rf_id_equal(&net.nodes[i].node->home, &net.nodes[s].identity.node_id))
            return s;
    return SIZE_MAX;
}

/* Whoever is not its client, and what is no question, is refused. */
static void test_refused(void **state)
{
    (void)state;
    add_all(100, 0);
    net.nodes[ALICE].keepalive_max_s = 0;
    start_all();
    node_net_run(&net, 30 * S);
    size_t home = home_of(ALICE), other = 1 - home;
    ask_as(ALICE, home, asking(RF_BINDING_NOTHING, 50000));
    assert_int_equal(reply_seen.error, 0);
    assert_int_equal(reply_seen.said.silent_ms, 50000);
    assert_true(rf_addr_same_ip(&reply_seen.said.seen, &net.nodes[ALICE].addr));
    ask_as(ALICE, other, asking(RF_BINDING_DATAGRAM, 50000)); /* over her home */
    assert_int_equal(reply_seen.code, RF_ERROR_FORBIDDEN);
    ask_as(ALICE, CAROL, asking(RF_BINDING_DATAGRAM, 50000)); /* no supernode */
    assert_int_equal(reply_seen.code, RF_ERROR_FORBIDDEN);
    ask_as(other, home, asking(RF_BINDING_DATAGRAM, 50000)); /* a peer */
    assert_int_equal(reply_seen.code, RF_ERROR_FORBIDDEN);
    ask_as(ALICE, home, rf_view_str("RFbq"));
    assert_int_equal(reply_seen.code, RF_ERROR_FORBIDDEN);
    assert_int_equal(of_supers("bindings_refused"), 3);
    node_net_deinit(&net);
}

/* Who says that it may be silent for hours, and vanishes, has its place no longer than home itself would have kept it silent. */
static void test_vanished(void **state)
{
    (void)state;
    add_all(105, 0);
    for (size_t i = 0; i < SUPERS; i++)
        net.nodes[i].keepalive_max_s = MOST_S;
    net.nodes[ALICE].keepalive_max_s = 0;
    start_all();
    node_net_run(&net, 30 * S);
    size_t home = home_of(ALICE);
    ask_as(ALICE, home, asking(RF_BINDING_NOTHING, 7440000));
    assert_int_equal(reply_seen.said.silent_ms, MOST_S * 1000);
    struct rf_node *node = net.nodes[home].node;
    assert_non_null(node_admit_visitor(node, &net.nodes[ALICE].identity.node_id));
    node_net_unplug(&net, ALICE);
    node_net_kill(&net, ALICE);
    node_net_run(&net, 2 * MOST_S * S);
    assert_null(node_admit_visitor(node, &net.nodes[ALICE].identity.node_id));
    node_net_deinit(&net);
}

static uint8_t piece_bytes[RF_BINDING_QUESTION_LEN];

static struct rf_view piece(uint8_t kind, const uint8_t *token, uint32_t wait_ms, size_t len)
{
    struct rf_binding_piece p = {.kind = kind, .wait_ms = wait_ms};
    struct rf_buf buf;
    memset(piece_bytes, 0, sizeof(piece_bytes));
    memcpy(p.token, token, sizeof(p.token));
    rf_buf_fixed(&buf, piece_bytes, RF_BINDING_PIECE_LEN);
    rf_binding_piece_encode(&p, &buf);
    return rf_view_of(piece_bytes, len);
}

static uint64_t sent_before;

/* How many datagrams arrived anywhere since then. */
static uint64_t datagrams_since(void)
{
    return net.datagrams - sent_before;
}

static void datagram_to(size_t home, const struct rf_addr *from, struct rf_view bytes)
{
    sent_before = net.datagrams;
    node_net_datagram(&net, from, &net.nodes[home].addr, rf_view_of(NULL, 0), bytes, 0);
    node_net_run(&net, S / 10);
}

/* Datagrams: only with a token, only from where the client's link comes from, never more than came in. */
static void test_no_reflector(void **state)
{
    (void)state;
    uint8_t none[RF_BINDING_TOKEN_LEN] = {1, 2, 3};
    add_all(110, 0);
    net.nodes[ALICE].keepalive_max_s = 0;
    net.nodes[ALICE].nat = NET_NAT_NONE;
    start_all();
    node_net_run(&net, 60 * S);
    size_t home = home_of(ALICE);
    struct rf_addr own = net.nodes[ALICE].addr, carols = net.nodes[CAROL].addr;
    ask_as(ALICE, home, asking(RF_BINDING_DATAGRAM, 50000));
    assert_int_equal(reply_seen.said.outcome, RF_BINDING_GIVEN);
    const uint8_t *token = reply_seen.said.token;
    datagram_to(home, &own, piece(RF_BINDING_QUESTION, none, 1000, RF_BINDING_QUESTION_LEN));
    datagram_to(home, &carols, piece(RF_BINDING_QUESTION, token, 1000, RF_BINDING_QUESTION_LEN));
    datagram_to(home, &own, piece(RF_BINDING_QUESTION, token, 1000, RF_BINDING_QUESTION_LEN - 1));
    assert_int_equal(counter(home, "bindings_strangers"), 3);
    datagram_to(home, &own, piece(RF_BINDING_LAST, token, 1000, RF_BINDING_QUESTION_LEN));
    assert_int_equal(counter(home, "bindings_strangers"), 4);
    datagram_to(home, &own, piece(9, token, 1000, RF_BINDING_QUESTION_LEN));
    assert_int_equal(counter(home, "bindings_malformed"), 1);
    assert_int_equal(counter(home, "bindings_shown"), 0);
    /* a good one: noted at once, said three times; heard: not again */
    datagram_to(home, &own, piece(RF_BINDING_QUESTION, token, 2000, RF_BINDING_QUESTION_LEN));
    assert_int_equal(datagrams_since(), 2);
    node_net_run(&net, 20 * S);
    assert_int_equal(datagrams_since(), 2 + RF_BINDING_ANSWERS);
    assert_true((1 + RF_BINDING_ANSWERS) * (RF_BINDING_PIECE_LEN + 28) <= RF_BINDING_QUESTION_LEN + 28);
    datagram_to(home, &own, piece(RF_BINDING_QUESTION, token, 2000, RF_BINDING_QUESTION_LEN));
    node_net_run(&net, 5 * S / 2);
    datagram_to(home, &own, piece(RF_BINDING_QUESTION, token, 0, RF_BINDING_QUESTION_LEN));
    node_net_run(&net, 20 * S);
    assert_int_equal(datagrams_since(), 1);
    /* it ends by itself */
    node_net_run(&net, 60 * S);
    datagram_to(home, &own, piece(RF_BINDING_QUESTION, token, 1000, RF_BINDING_QUESTION_LEN));
    assert_int_equal(counter(home, "bindings_strangers"), 5);
    node_net_deinit(&net);
}

static bool is_tried(struct node_net *n, void *arg)
{
    (void)n, (void)arg;
    return counter(ALICE, "bindings_tried") > 0;
}

struct tried {
    rf_link_id link;
};

static void find_tried(void *arg, const struct rf_link_info *info)
{
    struct tried *t = arg;
    if (info->purpose == RF_LINK_APP && info->application == BINDING_APPLICATION)
        t->link = info->id;
}

/* Nonsense over the connection that is tried ends that connection at home's end, is counted at hers, and harms nobody. */
static void test_nonsense(void **state)
{
    (void)state;
    add_all(120, 250 * T);
    start_all();
    assert_true(node_net_until(&net, 20 * MINUTE, is_tried, NULL));
    size_t home = home_of(ALICE);
    struct tried hers = {0}, homes = {0};
    rf_links_each(net.nodes[ALICE].node->links, find_tried, &hers);
    rf_links_each(net.nodes[home].node->links, find_tried, &homes);
    assert_true(hers.link != 0 && homes.link != 0);
    static const uint8_t junk[40] = {0xf2, 0x52};
    assert_int_equal(rf_links_app_send(net.nodes[home].node->links, homes.link, rf_view_of(junk, 40)), 0);
    node_net_settle(&net, home);
    node_net_run(&net, S);
    assert_int_equal(counter(ALICE, "bindings_malformed"), 1);
    assert_int_equal(rf_links_app_send(net.nodes[ALICE].node->links, hers.link, rf_view_of(junk, 40)), 0);
    node_net_settle(&net, ALICE);
    node_net_run(&net, S);
    assert_int_equal(counter(home, "bindings_malformed"), 1);
    assert_int_equal(rf_links_count(net.nodes[ALICE].node->links, RF_LINK_UP), 1);
    assert_true(node_net_until(&net, 150 * MINUTE, is_done, NULL));
    node_net_deinit(&net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_learned),
        cmocka_unit_test(test_short),
        cmocka_unit_test(test_changes),
        cmocka_unit_test(test_restarted),
        cmocka_unit_test(test_remembered),
        cmocka_unit_test(test_datagrams),
        cmocka_unit_test(test_no_datagrams),
        cmocka_unit_test(test_few_flows),
        cmocka_unit_test(test_home_dies),
        cmocka_unit_test(test_paths),
        cmocka_unit_test(test_paths_doubted),
        cmocka_unit_test(test_paths_elsewhere),
        cmocka_unit_test(test_promised_when_sure),
        cmocka_unit_test(test_vanished),
        cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_no_reflector),
        cmocka_unit_test(test_nonsense),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
