/* test_link_dtls_send.c - messages over links of datagrams arrive, once, in spite of the network; how fast, and what happens when none does. */
#include "link_net.h"
#include "test_link.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/assert.h"

static struct world w;
static struct net net;

/* ---- once ---- */

#define MANY     10000 /* without protection; 1000 with DTLS, which changes nothing for what is counted here */
#define NUMBERED 40

static void number(uint32_t n, uint8_t out[NUMBERED])
{
    memset(out, 0x55, NUMBERED);
    memcpy(out, &n, sizeof n);
}

/* Messages of both directions arrive, all but `most` of them once; `loss` percent of the datagrams do not, others come twice or late. */
static void exchange(unsigned loss, unsigned twice, uint64_t jitter_us, uint32_t many, uint32_t most)
{
    rf_link_id id[2];
    uint32_t sent[2] = {0, 0};
    uint8_t message[NUMBERED];

    id[0] = net_pair(&net);
    id[1] = w.node[1].up.id;
    net.loss = loss;
    net.twice = twice;
    net.jitter_us = jitter_us;
    for (int steps = 0; (w.node[0].messages < many || w.node[1].messages < many) && steps < 100000; steps++) {
        for (int i = 0; i < 2; i++)
            for (int k = 0; k < 8 && sent[i] < many; k++) {
                number(sent[i], message);
                if (rf_links_send(w.node[i].links, id[i], rf_view_of(message, sizeof message)) == 0)
                    sent[i]++;
            }
        world_pass(&w, 10000);
        assert_int_equal(w.node[0].downs + w.node[1].downs, 0);
    }
    net.loss = 0;
    world_pass(&w, 30 * RF_US_PER_S);
    for (int i = 0; i < 2; i++) {
        uint8_t *seen = calloc(many, 1);
        uint32_t count = (uint32_t)(w.node[i].received.len / NUMBERED), different = 0;
        for (uint32_t k = 0; k < count; k++) {
            uint32_t n;
            memcpy(&n, w.node[i].received.p + (size_t)k * NUMBERED, sizeof n);
            assert_true(n < many);
            different += !seen[n];
            seen[n] = 1;
        }
        free(seen);
        assert_int_equal(different, many);
        assert_true(count - many <= most);
        assert_int_equal(counters(&w.node[i])->messages_given_up, 0);
    }
}

static uint32_t how_many(const void *engine)
{
    return engine == &rf_engine_plain_datagram ? MANY : MANY / 10;
}

static void test_loss(void **state)
{
    net_begin(&net, &w, *state);
    const uint32_t many = how_many(*state);
    exchange(10, 0, 0, many, 0);
    assert_true(counters(&w.node[0])->frames_again > many / 20);
    world_deinit(&w);
}

static void test_all_evils(void **state)
{
    net_begin(&net, &w, *state);
    exchange(15, 10, 15000, 2000, 2);
    world_deinit(&w);
}

/* Without loss nothing is sent twice, however much is on its way. */
static void test_no_loss(void **state)
{
    net_begin(&net, &w, *state);
    exchange(0, 0, 0, how_many(*state), 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(counters(&w.node[i])->frames_again, 0);
        assert_int_equal(counters(&w.node[i])->messages_twice, 0);
        assert_int_equal(counters(&w.node[i])->records_dropped, 0);
    }
    world_deinit(&w);
}

/* ---- how fast ---- */

/* Messages of 1000 bytes that arrive within that time over a round trip of 40 ms. */
static unsigned throughput(unsigned loss, uint32_t seconds)
{
    static uint8_t message[1000];
    rf_link_id id = net_pair(&net);
    struct rf_link_info info;

    net.loss = loss;
    for (uint32_t n = 0, steps = 0; steps < 100 * seconds; steps++) {
        for (int k = 0; k < 1000; k++) {
            memcpy(message, &n, sizeof n);
            if (rf_links_send(w.node[0].links, id, rf_view_of(message, sizeof message)))
                break;
            n++;
        }
        rf_buf_reset(&w.node[1].received);
        world_pass(&w, 10000);
    }
    assert_int_equal(rf_links_info(w.node[0].links, id, &info), 0);
    if (getenv("RF_TEST_FIGURES"))
        fprintf(stderr, "%u%% loss: %u messages/s, window %u\n", loss, w.node[1].messages / seconds,
                info.window);
    return w.node[1].messages;
}

/* Stop and wait would be 25 a second, and 20 with the reference's pause of 10 ms. */
static void test_fast(void **state)
{
    static const struct {
        unsigned loss, seconds, least;
    } rows[] = {{0, 1, 4000}, {1, 5, 1000}, {5, 5, 350}, {10, 5, 200}};

    for (size_t i = 0; i < RF_COUNT(rows); i++) {
        net_begin(&net, &w, *state);
        unsigned got = throughput(rows[i].loss, rows[i].seconds);
        assert_true(got >= rows[i].least);
        world_deinit(&w);
    }
}

/* ---- none arrives ---- */

static uint64_t sent_at[64];
static size_t sent_count;

static bool note_time(struct net *n, size_t from, struct rf_view bytes)
{
    (void)bytes;
    if (from == 0 && sent_count < 64 && (!sent_count || sent_at[sent_count - 1] != n->world->now.mono_us))
        sent_at[sent_count++] = n->world->now.mono_us;
    return true;
}

/* The reference's times: 0, 500, 1500, 3500, 7500 ms; suspect when the fourth was in vain, the end after the fifth. */
static void test_silence(void **state)
{
    static const uint64_t due_ms[] = {0, 500, 1500, 3500, 7500};
    uint64_t from;

    net_begin(&net, &w, *state);
    rf_link_id id = net_pair(&net);
    net.tap = note_time;
    net.blocked[0] = true;
    sent_count = 0;
    from = w.now.mono_us;
    assert_int_equal(rf_links_send(w.node[0].links, id, rf_view_str("anybody there")), 0);
    world_pass(&w, 7400 * 1000);
    assert_int_equal(sent_count, 4);
    assert_int_equal(w.node[0].suspects, 0);
    world_pass(&w, 200 * 1000);
    assert_int_equal(w.node[0].suspects, 1);
    assert_int_equal(sent_count, 5);
    for (size_t i = 0; i < 5; i++)
        assert_int_equal((sent_at[i] - from) / 1000, due_ms[i]);
    world_pass(&w, 7800 * 1000);
    assert_int_equal(w.node[0].downs, 0);
    world_pass(&w, 200 * 1000);
    assert_int_equal(w.node[0].downs, 1);
    assert_int_equal(w.node[0].reason, RF_ETIMEOUT);
    assert_int_equal(counters(&w.node[0])->closed_silent, 1);
    world_deinit(&w);
}

/* A short way that breaks is given fifteen seconds, too; and one that comes back in time is no longer suspect. */
static void test_back_in_time(void **state)
{
    net_begin(&net, &w, *state);
    rf_link_id id = net_pair(&net);
    for (int i = 0; i < 20; i++) {
        char text[32];
        snprintf(text, sizeof text, "warm up %d", i);
        assert_int_equal(rf_links_send(w.node[0].links, id, rf_view_str(text)), 0);
        world_pass(&w, 100000);
    }
    struct rf_link_info info;
    assert_int_equal(rf_links_info(w.node[0].links, id, &info), 0);
    assert_true(info.rtt_us >= 39000 && info.rtt_us <= 41000);
    net.blocked[0] = true;
    assert_int_equal(rf_links_send(w.node[0].links, id, rf_view_str("late")), 0);
    world_pass(&w, 7500 * 1000);
    assert_int_equal(w.node[0].suspects, 1);
    assert_int_equal(w.node[0].downs, 0);
    net.blocked[0] = false;
    world_pass(&w, 1000 * 1000);
    assert_int_equal(w.node[0].downs, 0);
    assert_int_equal(w.node[0].unsuspects, 1);
    assert_int_equal(w.node[1].messages, 21);
    world_deinit(&w);
}

/* Only the acknowledgements are lost: the message is handed up once. */
static void test_acks_lost(void **state)
{
    net_begin(&net, &w, *state);
    rf_link_id id = net_pair(&net);
    for (int i = 0; i < 10; i++) { /* the round trip is known: it is repeated soon */
        char text[32];
        snprintf(text, sizeof text, "warm up %d", i);
        assert_int_equal(rf_links_send(w.node[0].links, id, rf_view_str(text)), 0);
        world_pass(&w, 100000);
    }
    net.blocked[1] = true;
    assert_int_equal(rf_links_send(w.node[0].links, id, rf_view_str("once")), 0);
    world_pass(&w, 500 * 1000);
    assert_int_equal(w.node[1].messages, 11);
    assert_true(counters(&w.node[1])->messages_twice >= 1);
    net.blocked[1] = false;
    /* the same bytes, later: a retransmission of whoever made the message, and handed up */
    world_pass(&w, 3000 * 1000);
    assert_int_equal(rf_links_send(w.node[0].links, id, rf_view_str("once")), 0);
    world_pass(&w, 500 * 1000);
    assert_int_equal(w.node[1].messages, 12);
    world_deinit(&w);
}

/* A message that never gets through, of a link over which others do, is given up; the link stays. */
static void test_given_up(void **state)
{
    static const uint8_t large[1000] = {9};

    net_begin(&net, &w, *state);
    rf_link_id id = net_pair(&net);
    net.mtu = 600;
    assert_int_equal(rf_links_send(w.node[0].links, id, rf_view_of(large, sizeof large)), 0);
    for (int i = 0; i < 600; i++) {
        char text[32];
        snprintf(text, sizeof text, "small %d", i);
        world_pass(&w, 50000);
        assert_int_equal(rf_links_send(w.node[0].links, id, rf_view_str(text)), 0);
        world_pass(&w, 50000);
    }
    world_pass(&w, 10 * RF_US_PER_S);
    assert_int_equal(w.node[0].downs, 0);
    assert_int_equal(w.node[1].messages, 600);
    assert_int_equal(counters(&w.node[0])->messages_given_up, 1);
    world_deinit(&w);
}

/* More than a link may hold is refused, and its limit is what is not acknowledged. */
static void test_backlog(void **state)
{
    static uint8_t large[1000];
    int err = 0;
    uint32_t n = 0;

    net_begin(&net, &w, *state);
    w.config.max_backlog_len = 100000;
    rf_link_id id = net_pair(&net);
    net.blocked[0] = true;
    for (; n < 1000 && !err; n++) {
        memcpy(large, &n, sizeof n);
        err = rf_links_send(w.node[0].links, id, rf_view_of(large, sizeof large));
    }
    assert_int_equal(err, RF_EAGAIN);
    assert_int_equal(n, 101);
    assert_int_equal(counters(&w.node[0])->dropped_backlog, 1);
    net.blocked[0] = false;
    world_pass(&w, 20 * RF_US_PER_S);
    assert_int_equal(w.node[1].messages, 100);
    assert_int_equal(rf_links_send(w.node[0].links, id, rf_view_of(large, sizeof large)), 0);
    world_deinit(&w);
}

/* The way broke and leads elsewhere now: what was under way is there at once. */
static void test_path_changed(void **state)
{
    net_begin(&net, &w, *state);
    world_node(&w, 0, NULL);
    world_node(&w, 1, NULL);
    rf_link_id id = net_attach(&net, RF_LINK_OVERLAY, 0, 40000);
    world_pass(&w, RF_US_PER_S);
    net.path[0].broken = true;
    for (int i = 0; i < 3; i++) {
        char text[32];
        snprintf(text, sizeof text, "message %d", i);
        assert_int_equal(rf_links_send(w.node[0].links, id, rf_view_str(text)), 0);
    }
    world_pass(&w, 6 * RF_US_PER_S);
    assert_int_equal(w.node[1].messages, 0);
    assert_int_equal(w.node[0].suspects, 1);
    net.path[0].broken = false;
    struct rf_addr there = {.family = 4, .port = 9, .ip = {203, 0, 113, 1}};
    rf_links_path_changed(w.node[0].links, id, &there, NULL, 100000);
    world_pass(&w, 30000);
    assert_int_equal(w.node[1].messages, 3);
    world_pass(&w, 30000);
    assert_int_equal(w.node[0].unsuspects, 1);
    struct rf_link_info info;
    assert_int_equal(rf_links_info(w.node[0].links, id, &info), 0);
    assert_true(rf_addr_equal(&info.remote, &there));
    world_deinit(&w);
}

/* ---- signs of life ---- */

static void test_keepalive(void **state)
{
    net_begin(&net, &w, *state);
    rf_link_id id = net_pair(&net);
    world_pass(&w, 100 * RF_US_PER_S);
    assert_in_range(counters(&w.node[0])->keepalives_out, 4, 6);
    assert_int_equal(counters(&w.node[1])->keepalives_out, 0);
    assert_int_equal(w.node[1].messages, 0);
    rf_links_keepalive(w.node[1].links, w.node[1].up.id, 0);
    world_pass(&w, RF_US_PER_S);
    assert_int_equal(counters(&w.node[0])->keepalives_in, 1);
    net.blocked[1] = true; /* the peer is gone: found without a message */
    world_pass(&w, 45 * RF_US_PER_S);
    assert_int_equal(w.node[0].downs, 1);
    (void)id;
    world_deinit(&w);
}

/* ---- frames and records, written by an application on one side of a path, read as RELOAD on the other ---- */

static rf_link_id raw_path(struct net_path **out)
{
    struct net_path *path = &net.path[net.path_count++];

    *path = (struct net_path){.node = {&w.node[0], &w.node[1]}};
    for (int i = 1; i >= 0; i--) {
        const struct rf_link_path way = {.server = i == 1,
                                         .expect = &w.node[!i].identity.node_id,
                                         .purpose = i ? RF_LINK_OVERLAY : RF_LINK_APP,
                                         .application = i ? 0 : 4711};
        assert_int_equal(rf_links_attach_path(w.node[i].links, &way, &path->flow[i]), 0);
    }
    world_pass(&w, RF_US_PER_S);
    *out = path;
    return path->flow[0];
}

static void raw(rf_link_id id, const void *bytes, size_t len)
{
    assert_int_equal(rf_links_app_send(w.node[0].links, id, rf_view_of(bytes, len)), 0);
    world_pass(&w, RF_US_PER_S);
}

static void test_records(void **state)
{
    static const uint8_t two[] = {128, 0, 0, 0, 5, 0, 0, 2, 'a', 'b', 128, 0, 0, 0, 7, 0, 0, 1, 'c'};
    static const uint8_t acks[] = {129, 0, 0, 0, 5, 0, 0, 0, 0, 129, 0, 0, 0, 7, 0, 0, 0, 4};
    static const uint8_t strange_ack[] = {129, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    static const struct {
        uint8_t bytes[16];
        size_t len;
        int reason;
    } bad[] = {{{128, 0, 0, 0, 0, 0, 0, 5, 'c', 'u', 't'}, 11, RF_EFORMAT},
               {{128, 0, 0, 0}, 4, RF_EFORMAT},
               {{127, 0, 0, 0, 0, 0, 0, 0}, 8, RF_EUNKNOWN},
               {{128, 0, 0, 0, 0, 1, 0, 0, 'x'}, 9, RF_EFORMAT}};
    struct net_path *path;

    net_begin(&net, &w, *state);
    w.config.app_records = true; /* its application is our hand at raw records */
    world_node(&w, 0, NULL);
    world_node(&w, 1, NULL);
    w.config.app_idle_us = 0;
    rf_link_id id = raw_path(&path);
    raw(id, two, sizeof two);
    assert_view(rf_buf_view(&w.node[1].received), "abc");
    assert_int_equal(w.node[0].received.len, sizeof acks);
    assert_memory_equal(w.node[0].received.p, acks, sizeof acks);
    raw(id, strange_ack, sizeof strange_ack);
    assert_int_equal(w.node[1].downs, 0);
    /* the header of one that is too large is shown, then the link ends */
    uint8_t large[1000] = {128, 0, 0, 0, 9, 0, 3, 0xe0, 0xd2, 'E', 'L', 'O'};
    memcpy(large + 8 + 32, (const uint8_t[]){0, 0, 0, 18, 0, 0}, 6); /* lists: destinations only */
    large[8 + 10] = 0x0a;                                            /* the version */
    rf_links_set_max_message(w.node[1].links, 500);
    raw(id, large, sizeof large);
    assert_int_equal(w.node[1].too_large, 1);
    assert_int_equal(counters(&w.node[1])->message_too_large, 1);
    assert_int_equal(w.node[1].downs, 1);
    rf_links_set_max_message(w.node[1].links, 5000);
    id = raw_path(&path);
    for (size_t i = 0; i < RF_COUNT(bad); i++) {
        raw(id, bad[i].bytes, bad[i].len);
        assert_int_equal(w.node[1].downs, i + 2);
        assert_int_equal(w.node[1].reason, bad[i].reason);
        assert_int_equal(counters(&w.node[1])->frames_bad, i + 1);
        if (i < RF_COUNT(bad) - 1)
            id = raw_path(&path);
    }
    world_deinit(&w);
}

int test_link_dtls_send(void)
{
    const struct CMUnitTest tests[] = {
        both_datagram_engines(test_loss),      both_datagram_engines(test_all_evils),
        both_datagram_engines(test_no_loss),   both_datagram_engines(test_fast),
        both_datagram_engines(test_silence),   both_datagram_engines(test_back_in_time),
        both_datagram_engines(test_acks_lost), both_datagram_engines(test_given_up),
        both_datagram_engines(test_backlog),   both_datagram_engines(test_path_changed),
        both_datagram_engines(test_keepalive), both_datagram_engines(test_records),
    };
    return cmocka_run_group_tests_name("datagram links: messages", tests, NULL, NULL);
}
