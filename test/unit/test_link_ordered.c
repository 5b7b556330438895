/* test_link_ordered.c - an application's stream over datagrams: where its places wrap, and pieces of a liar. */
#include "link_net.h"
#include "test_link.h"

#include <string.h>
#include "link/table.h"

#define NEAR_END (UINT32_MAX - 2999) /* three thousand bytes before the places begin anew */

static struct world w;
static struct net net;
static rf_link_id sender;
static struct rf_link *receiver;

/* Node 0 and node 1 have a stream, whose next byte has this place. */
static void begin(void **state, uint32_t place)
{
    world_init(&w, &rf_engine_plain);
    net_init(&net, &w, *state);
    net.delay_us = 20000;
    world_node(&w, 0, NULL);
    world_node(&w, 1, NULL);
    sender = net_attach(&net, RF_LINK_APP, 5060, 0);
    world_pass(&w, RF_US_PER_S);
    assert_int_equal(w.node[0].ups + w.node[1].ups, 2);
    receiver = link_find(w.node[1].links, w.node[1].up.id);
    assert_true(link_is_ordered(receiver));
    link_find(w.node[0].links, sender)->datagrams->ordered->out_place = place;
    receiver->datagrams->ordered->in_place = place;
}

static void test_wrap(void **state)
{
    static uint8_t bytes[20000];
    begin(state, NEAR_END);
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i ^ i >> 8);
    net.loss = 10;
    net.jitter_us = 15000;
    assert_int_equal(rf_links_app_send(w.node[0].links, sender, rf_view_of(bytes, sizeof bytes)), 0);
    world_pass(&w, 20 * RF_US_PER_S);
    assert_int_equal(w.node[1].received.len, sizeof bytes);
    assert_memory_equal(w.node[1].received.p, bytes, sizeof bytes);
    assert_true(receiver->datagrams->ordered->in_place < NEAR_END);
    world_deinit(&w);
}

/* A piece comes, whose first byte lies `at` bytes behind `base`. */
static void piece(uint32_t base, uint32_t at, const char *text)
{
    uint8_t bytes[64];
    struct rf_buf buf;
    rf_buf_fixed(&buf, bytes, sizeof bytes);
    rf_buf_u32(&buf, base + at);
    rf_buf_put(&buf, text, strlen(text));
    ordered_input(w.node[1].links, receiver, rf_buf_view(&buf));
    report_ended(w.node[1].links);
}

/* Pieces that overlap: nobody honest sends them. What comes in its turn is handed up once, the others go, and nothing is kept of them. */
static void test_overlapping(void **state)
{
    const uint32_t base = UINT32_MAX - 9;
    begin(state, base);
    piece(base, 8, "ijklm"); /* early, across the end of the places */
    piece(base, 8, "IJ");    /* the same place again */
    piece(base, 10, "klmno");
    piece(base, 3, "defgh");
    piece(base, 13, "n");
    piece(base, 0, "");    /* asks for nothing */
    piece(base, 0, "abc"); /* then d..h, i..m, n; k..o is over */
    assert_int_equal(w.node[1].received.len, 14);
    assert_memory_equal(w.node[1].received.p, "abcdefghijklmn", 14);
    piece(base, 0, "abcdefghijklmnopq"); /* had, most of it */
    assert_int_equal(w.node[1].received.len, 14);
    piece(base, 14, "o");
    assert_int_equal(w.node[1].received.len, 15);
    assert_int_equal(receiver->datagrams->ordered->early_len, 0);
    assert_true(rf_list_empty(&receiver->datagrams->ordered->early));
    assert_int_equal(w.node[1].downs, 0);
    world_deinit(&w);
}

/* Early pieces of a byte each, which never get their turn: the link ends before they cost much memory, or time to find their place. */
static void test_tiny(void **state)
{
    unsigned sent = 0;
    begin(state, 0);
    while (w.node[1].downs == 0 && sent < 20000)
        piece(0, 60000 - 2 * sent++, "x");
    assert_int_equal(w.node[1].downs, 1);
    assert_int_equal(w.node[1].reason, RF_ELIMIT);
    assert_in_range(sent, 1000, 5000);
    world_deinit(&w);
}

int test_link_ordered(void)
{
    const struct CMUnitTest tests[] = {
        both_datagram_engines(test_wrap),
        both_datagram_engines(test_overlapping),
        both_datagram_engines(test_tiny),
    };
    return cmocka_run_group_tests_name("link: ordered", tests, NULL, NULL);
}
