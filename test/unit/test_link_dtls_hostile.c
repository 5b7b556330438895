/* test_link_dtls_hostile.c - strangers and their datagrams: they cost no memory, and links that stand do not notice. */
#include "link_net.h"
#include "test_link.h"

#include <stdlib.h>
#include <string.h>
#include "base/assert.h"

static struct world w;
static struct net net;

/* ---- datagrams of a dial, kept ---- */

#define KEPT  64
#define FLOOD 20000

static struct {
    uint8_t bytes[1500];
    size_t len, from;
} kept[KEPT];
static size_t kept_count;

static bool keep(struct net *n, size_t from, struct rf_view bytes)
{
    (void)n;
    if (kept_count < KEPT) {
        memcpy(kept[kept_count].bytes, bytes.p, bytes.len);
        kept[kept_count].len = bytes.len;
        kept[kept_count++].from = from;
    }
    return true;
}

static struct rf_view kept_view(size_t i)
{
    return rf_view_of(kept[i].bytes, kept[i].len);
}

static struct rf_addr stranger(uint32_t i)
{
    return (struct rf_addr){
        .family = 4, .port = 60000, .ip = {198, 51, (uint8_t)(i >> 8), (uint8_t)i}}; /* port: of no node */
}

/* 20,000 hellos from as many addresses and ports. */
static void test_flood(void **state)
{
    net_begin(&net, &w, *state);
    kept_count = 0;
    net.tap = keep;
    rf_link_id id = net_pair(&net);
    net.tap = NULL;
    struct rf_view hello = kept_view(0);
    world_pass(&w, RF_US_PER_S);
    rf_links_trim(w.node[1].links);
    size_t live = w.mem.live_count, sent = net.sent;
    for (uint32_t i = 0; i < FLOOD; i++) {
        struct rf_addr from = stranger(i);
        from.port = (uint16_t)(50000 + i / 65536);
        rf_links_datagram_from(w.node[1].links, BASE, &from, hello);
        if (i % 64 == 0)
            world_run(&w);
        assert_true(w.mem.live_count <= live + 3); /* queue and scratch, however many come */
    }
    world_run(&w);
    rf_links_trim(w.node[1].links);
    assert_true(w.mem.live_count <= live);
    assert_int_equal(counters(&w.node[1])->cookies_out, FLOOD + 1);
    assert_int_equal(net.sent - sent, FLOOD);
    assert_int_equal(rf_links_count(w.node[1].links, RF_LINK_HANDSHAKE), 0);
    assert_int_equal(rf_links_send(w.node[0].links, id, rf_view_str("still here")), 0);
    world_pass(&w, RF_US_PER_S);
    assert_view(rf_buf_view(&w.node[1].received), "still here");
    world_deinit(&w);
}

/* Answers that the shell does not take are lost, not kept. */
static void test_queue_full(void **state)
{
    net_begin(&net, &w, *state);
    kept_count = 0;
    net.tap = keep;
    w.config.max_datagram_queue_len = 10000;
    net_pair(&net);
    for (uint32_t i = 0; i < 1000; i++) {
        struct rf_addr from = stranger(i);
        rf_links_datagram_from(w.node[1].links, BASE, &from, kept_view(0));
    }
    assert_true(counters(&w.node[1])->datagrams_lost > 800);
    world_run(&w);
    assert_int_equal(w.node[1].downs, 0);
    world_deinit(&w);
}

/* A good cookie of somebody else's, or of an earlier time, gets a new one and nothing more. */
static void test_stolen_cookie(void **state)
{
    struct rf_addr thief = stranger(1);

    net_begin(&net, &w, *state);
    kept_count = 0;
    net.tap = keep;
    net_pair(&net);
    size_t with = 2; /* hello, cookie, hello with it */
    assert_int_equal(kept[with].from, 0);
    net_slip(&net, 1, &thief, kept_view(with));
    assert_int_equal(counters(&w.node[1])->cookies_bad, 1);
    assert_int_equal(counters(&w.node[1])->accepted, 1);
    thief = world_addr(0);
    thief.port++;
    net_slip(&net, 1, &thief, kept_view(with));
    assert_int_equal(counters(&w.node[1])->cookies_bad, 2);
    w.now.mono_us += 180 * RF_US_PER_S;
    rf_links_close(w.node[0].links, w.node[0].up.id, RF_ECANCELLED);
    world_pass(&w, 30 * RF_US_PER_S);
    struct rf_addr old = world_addr(0);
    net_slip(&net, 1, &old, kept_view(with));
    assert_int_equal(counters(&w.node[1])->accepted, 1);
    world_deinit(&w);
}

/* Every datagram of a link's life comes again, from its address and from another: the link does not notice. */
static void test_replay(void **state)
{
    net_begin(&net, &w, *state);
    kept_count = 0;
    net.tap = keep;
    rf_link_id id = net_pair(&net);
    for (int i = 0; i < 3; i++) {
        const char *texts[] = {"one", "two", "three"};
        assert_int_equal(rf_links_send(w.node[0].links, id, rf_view_str(texts[i])), 0);
        assert_int_equal(rf_links_send(w.node[1].links, w.node[1].up.id, rf_view_str(texts[i])), 0);
        world_pass(&w, RF_US_PER_S);
    }
    net.tap = NULL;
    world_pass(&w, 5 * RF_US_PER_S);
    struct rf_addr home = world_addr(0), other = stranger(3);
    for (int round = 0; round < 3; round++)
        for (size_t i = 0; i < kept_count; i++) {
            net_slip(&net, 1, kept[i].from == 0 ? &home : &other, kept_view(i));
            net_slip(&net, 1, &other, kept_view(i));
            w.now.mono_us += RF_US_PER_S / 2;
        }
    world_pass(&w, RF_US_PER_S);
    assert_int_equal(w.node[1].messages, 3);
    assert_int_equal(w.node[1].downs + w.node[0].downs, 0);
    assert_true(counters(&w.node[1])->records_dropped > 0);
    assert_true(counters(&w.node[1])->datagrams_unknown > 0);
    assert_int_equal(rf_links_send(w.node[0].links, id, rf_view_str("four")), 0);
    world_pass(&w, RF_US_PER_S);
    assert_int_equal(w.node[1].messages, 4);
    world_deinit(&w);
}

/* Rubbish from a link's own address. */
static void test_rubbish(void **state)
{
    uint8_t bytes[1500];

    net_begin(&net, &w, *state);
    rf_link_id id = net_pair(&net);
    struct rf_addr home = world_addr(0);
    for (int i = 0; i < 5000; i++) {
        size_t len = 1 + rf_rng_below(&net.dice.rng, 100);
        rf_rng_fill(&net.dice.rng, bytes, len);
        bytes[0] = (uint8_t)(20 + rf_rng_below(&net.dice.rng, 44)); /* what node/ hands to link/ */
        if (i & 1 && len > 13) {                                    /* looks like a record */
            bytes[1] = 254;
            bytes[2] = 253;
            bytes[11] = 0;
            bytes[12] = (uint8_t)(len - 13);
        }
        net_slip(&net, 1, &home, rf_view_of(bytes, len));
    }
    assert_int_equal(w.node[1].downs, 0);
    assert_int_equal(rf_links_send(w.node[0].links, id, rf_view_str("clean")), 0);
    world_pass(&w, RF_US_PER_S);
    assert_view(rf_buf_view(&w.node[1].received), "clean");
    world_deinit(&w);
}

/* Handshakes that stop half-way: so many at once, so many of one address, and all end in time. */
static void half_open(uint32_t i, bool one_address)
{
    struct rf_addr from = one_address ? stranger(1000) : stranger(i);
    struct rf_flow_action action;

    from.port = (uint16_t)(20000 + i); /* no node's: what goes there is not delivered */
    rf_links_datagram_from(w.node[1].links, BASE, &from, kept_view(0));
    do
        rf_links_next_action(w.node[1].links, &action);
    while (action.type != RF_FLOW_DATAGRAM || !rf_addr_equal(&action.addr, &from));
    /* the hello again, with the cookie of the answer in it */
    uint8_t hello[1500];
    size_t at, cookie_at, cookie_len, len = kept[0].len;
    memcpy(hello, kept[0].bytes, len);
    if (hello[1] == 254) { /* DTLS: record, handshake head, version, random, session, cookie */
        at = 13 + 12 + 34;
        at += 1 + (size_t)hello[at];
        cookie_at = 13 + 12 + 3;
        cookie_len = action.bytes.len - cookie_at;
        memmove(hello + at + 1 + cookie_len, hello + at + 1, len - at - 1);
        hello[at] = (uint8_t)cookie_len;
        uint32_t body = (uint32_t)(len + cookie_len - 25);
        hello[11] = (uint8_t)((body + 12) >> 8);
        hello[12] = (uint8_t)(body + 12);
        for (size_t k = 0; k < 2; k++) {
            hello[14 + 8 * k + 1] = (uint8_t)(body >> 8);
            hello[14 + 8 * k + 2] = (uint8_t)body;
        }
        hello[18] = 1; /* the second message */
        hello[10] = 1; /* and record */
    } else {
        at = 11 + 6;
        cookie_at = 11;
        cookie_len = action.bytes.len - cookie_at;
        memmove(hello + at + 1 + cookie_len, hello + at + 1, len - at - 1);
        hello[at] = (uint8_t)cookie_len;
        uint32_t body = (uint32_t)(len + cookie_len - 11);
        hello[9] = (uint8_t)(body >> 8);
        hello[10] = (uint8_t)body;
        hello[at + 1 + cookie_len] += 4; /* the total: it is never whole */
    }
    memcpy(hello + at + 1, action.bytes.p + cookie_at, cookie_len);
    rf_links_datagram_from(w.node[1].links, BASE, &from, rf_view_of(hello, len + cookie_len));
    world_run(&w);
}

static void test_half_open(void **state)
{
    net_begin(&net, &w, *state);
    w.config.max_handshakes = 50;
    w.config.handshakes_per_s = 0;
    w.config.max_per_address = 20;
    w.config.accept_per_s_per_address = 0;
    kept_count = 0;
    net.tap = keep;
    rf_link_id id = net_pair(&net);
    net.tap = NULL;
    for (uint32_t i = 0; i < 200; i++)
        half_open(i, true);
    assert_int_equal(rf_links_count(w.node[1].links, RF_LINK_HANDSHAKE), 20);
    assert_int_equal(counters(&w.node[1])->refused_address, 180);
    for (uint32_t i = 0; i < 200; i++)
        half_open(i, false);
    assert_int_equal(rf_links_count(w.node[1].links, RF_LINK_HANDSHAKE), 50);
    assert_int_equal(counters(&w.node[1])->refused_handshakes, 170);
    assert_int_equal(rf_links_send(w.node[0].links, id, rf_view_str("as before")), 0);
    world_pass(&w, 11 * RF_US_PER_S);
    assert_view(rf_buf_view(&w.node[1].received), "as before");
    assert_int_equal(rf_links_count(w.node[1].links, RF_LINK_HANDSHAKE), 0);
    assert_int_equal(rf_links_count(w.node[1].links, RF_LINK_UP), 1);
    assert_int_equal(w.node[1].downs, 50);
    world_deinit(&w);
}

/* Too many handshakes in a second are refused before they begin. */
static void test_budget(void **state)
{
    net_begin(&net, &w, *state);
    w.config.handshakes_per_s = 10;
    w.config.accept_per_s_per_address = 0;
    kept_count = 0;
    net.tap = keep;
    net_pair(&net);
    net.tap = NULL;
    world_pass(&w, 2 * RF_US_PER_S);
    for (uint32_t i = 0; i < 30; i++)
        half_open(i, false);
    assert_int_equal(rf_links_count(w.node[1].links, RF_LINK_HANDSHAKE), 10);
    assert_int_equal(counters(&w.node[1])->refused_budget, 20);
    world_deinit(&w);
}

/* The peer lost his memory and dials again from the same address: the new link takes the place of the old one. */
static void test_begins_anew(void **state)
{
    struct rf_addr home = world_addr(0);

    net_begin(&net, &w, *state);
    kept_count = 0;
    net.tap = keep;
    net_pair(&net);
    /* a hello alone, whoever it is from, does not end the link; nor does the old one with its cookie */
    net_slip(&net, 1, &home, kept_view(0));
    net_slip(&net, 1, &home, kept_view(2));
    assert_int_equal(w.node[1].downs, 0);
    net.blocked[0] = true; /* node 0 dies without a word */
    rf_links_close(w.node[0].links, w.node[0].up.id, RF_ECANCELLED);
    world_pass(&w, RF_US_PER_S);
    net.blocked[0] = false;
    net_dial(&net, 0, 1, NULL, RF_LINK_OVERLAY, 0);
    world_pass(&w, RF_US_PER_S);
    assert_int_equal(w.node[1].downs, 1);
    assert_int_equal(w.node[1].reason, RF_ECLOSED);
    assert_int_equal(counters(&w.node[1])->replaced, 1);
    assert_int_equal(w.node[1].ups, 2);
    assert_int_equal(rf_links_count(w.node[1].links, RF_LINK_UP), 1);
    assert_int_equal(rf_links_send(w.node[0].links, w.node[0].up.id, rf_view_str("new")), 0);
    world_pass(&w, RF_US_PER_S);
    assert_view(rf_buf_view(&w.node[1].received), "new");
    world_deinit(&w);
}

/* Records of a link from a new address say nothing about whose they are: dropped. The peer finds out, dials anew and resumes. */
static void test_address_changes(void **state)
{
    net_begin(&net, &w, *state);
    kept_count = 0;
    rf_link_id id = net_pair(&net);
    net.tap = keep;
    assert_int_equal(rf_links_send(w.node[0].links, id, rf_view_str("first")), 0);
    world_pass(&w, RF_US_PER_S);
    struct rf_addr moved = world_addr(0);
    moved.port = 999;
    uint64_t unknown = counters(&w.node[1])->datagrams_unknown;
    net_slip(&net, 1, &moved, kept_view(0));
    assert_int_equal(counters(&w.node[1])->datagrams_unknown, unknown + 1);
    assert_int_equal(w.node[1].messages, 1);
    struct rf_link_info info;
    assert_int_equal(rf_links_info(w.node[1].links, w.node[1].up.id, &info), 0);
    struct rf_addr home = world_addr(0);
    assert_true(rf_addr_equal(&info.remote, &home));
    world_deinit(&w);
}

/* ---- memory runs out ---- */

/* A conversation in which the allocator stops giving after `allowed` blocks: whatever fails, nothing leaks and nothing breaks. */
static bool conversation(void **state, size_t allowed)
{
    bool good;

    net_begin(&net, &w, *state);
    world_node(&w, 0, NULL);
    world_node(&w, 1, NULL);
    w.mem.allowed = allowed;
    struct rf_link_way way = {.addr = world_addr(1), .datagrams = true, .base = BASE};
    const struct rf_link_path client = {.expect = &w.node[1].identity.node_id, .purpose = RF_LINK_OVERLAY};
    const struct rf_link_path server = {
        .server = true, .expect = &w.node[0].identity.node_id, .purpose = RF_LINK_OVERLAY};
    struct net_path *path = &net.path[net.path_count++];
    rf_link_id id = 0;
    *path = (struct net_path){.node = {&w.node[0], &w.node[1]}};
    int err = rf_links_attach_path(w.node[1].links, &server, &path->flow[1]);
    if (!err)
        err = rf_links_attach_path(w.node[0].links, &client, &path->flow[0]);
    if (!err)
        err = rf_links_dial(w.node[0].links, &way, 1, NULL, RF_LINK_OVERLAY, 0, &id);
    w.node[1].echo = true;
    world_pass(&w, RF_US_PER_S);
    for (int i = 0; i < 6 && !err; i++) {
        (void)rf_links_send(w.node[0].links, path->flow[0], rf_view_str("over the path"));
        (void)rf_links_send(w.node[0].links, id, rf_view_str("to the address"));
        if (i == 2)
            rf_links_path_changed(w.node[0].links, path->flow[0], NULL, NULL, 1000);
    }
    world_pass(&w, RF_US_PER_S);
    good = !err && w.node[0].ups == 2 && w.node[1].ups == 2 && w.node[0].messages >= 2;
    w.mem.allowed = SIZE_MAX;
    world_pass(&w, 60 * RF_US_PER_S);
    world_deinit(&w);
    return good;
}

static void test_no_memory(void **state)
{
    size_t allowed = 0;

    while (!conversation(state, allowed))
        assert_true(++allowed < 500);
    assert_true(allowed > 10);
}

int test_link_dtls_hostile(void)
{
    const struct CMUnitTest tests[] = {
        both_datagram_engines(test_flood),           both_datagram_engines(test_queue_full),
        both_datagram_engines(test_stolen_cookie),   both_datagram_engines(test_replay),
        both_datagram_engines(test_rubbish),         both_datagram_engines(test_half_open),
        both_datagram_engines(test_budget),          both_datagram_engines(test_begins_anew),
        both_datagram_engines(test_address_changes), both_datagram_engines(test_no_memory),
    };
    return cmocka_run_group_tests_name("datagram links: strangers", tests, NULL, NULL);
}
