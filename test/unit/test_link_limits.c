/* test_link_limits.c - limits: connections in all, from one address, handshakes at once, output that nobody takes. */
#include "test_link.h"

#include <string.h>
#include "link/table.h"

static struct world w;

static int accept_from(uint8_t a, uint8_t b, rf_link_id *id)
{
    struct rf_addr remote = {.family = 4, .port = 4711, .ip = {203, 0, a, b}}, local = world_addr(0);
    return rf_links_accept(w.node[0].links, &remote, &local, id);
}

static int accept_from6(uint8_t net, uint8_t host)
{
    struct rf_addr remote = {
        .family = 6, .port = 1, .ip = {0x20, 1, 0xd, 0xb8, 0, 0, 0, net, 9, 9, 9, 9, 9, 9, 9, host}};
    struct rf_addr local = world_addr(0);
    rf_link_id id;
    return rf_links_accept(w.node[0].links, &remote, &local, &id);
}

static void test_limit_all(void **state)
{
    rf_link_id id, dialled;
    struct rf_addr addr = world_addr(3);

    (void)state;
    world_init(&w, &rf_engine_plain);
    w.config.max_links = 10;
    w.config.reserved_links = 3;
    world_node(&w, 0, NULL);
    for (int i = 0; i < 7; i++)
        assert_int_equal(accept_from(1, (uint8_t)i, &id), 0);
    assert_int_equal(accept_from(1, 8, &id), RF_ELIMIT);
    assert_int_equal(counters(&w.node[0])->refused_limit, 1);
    for (int i = 0; i < 3; i++)
        assert_int_equal(rf_links_connect(w.node[0].links, &addr, 1, NULL, RF_LINK_OVERLAY, 0, &dialled), 0);
    assert_int_equal(rf_links_connect(w.node[0].links, &addr, 1, NULL, RF_LINK_OVERLAY, 0, &dialled),
                     RF_ELIMIT);
    assert_int_equal(rf_links_connect(w.node[0].links, &addr, 0, NULL, RF_LINK_OVERLAY, 0, &dialled),
                     RF_EINVAL);
    /* places become free again */
    rf_links_closed(w.node[0].links, id, RF_ECLOSED);
    rf_links_closed(w.node[0].links, 1, RF_ECLOSED);
    world_run(&w); /* the three that were dialled found nobody */
    assert_int_equal(accept_from(1, 8, &id), 0);
    world_deinit(&w);
}

/* A small table keeps at most half of itself for what it dials. */
static void test_small_table(void **state)
{
    rf_link_id id;

    (void)state;
    world_init(&w, &rf_engine_plain);
    w.config.max_links = 10;
    w.config.reserved_links = 256;
    world_node(&w, 0, NULL);
    for (int i = 0; i < 5; i++)
        assert_int_equal(accept_from(1, (uint8_t)i, &id), 0);
    assert_int_equal(accept_from(1, 8, &id), RF_ELIMIT);
    world_deinit(&w);
}

static void test_limit_handshakes(void **state)
{
    rf_link_id id, first;

    (void)state;
    world_init(&w, &rf_engine_plain);
    w.config.max_handshakes = 5;
    world_node(&w, 0, NULL);
    assert_int_equal(accept_from(1, 0, &first), 0);
    for (int i = 1; i < 5; i++)
        assert_int_equal(accept_from(1, (uint8_t)i, &id), 0);
    assert_int_equal(accept_from(1, 9, &id), RF_ELIMIT);
    assert_int_equal(counters(&w.node[0])->refused_handshakes, 1);
    rf_links_closed(w.node[0].links, first, RF_ECLOSED);
    assert_int_equal(accept_from(1, 9, &id), 0);
    world_deinit(&w);
}

static void test_limit_per_address(void **state)
{
    rf_link_id id, first;

    (void)state;
    world_init(&w, &rf_engine_plain);
    w.config.max_per_address = 3;
    w.config.accept_per_s_per_address = 0;
    world_node(&w, 0, NULL);
    assert_int_equal(accept_from(1, 1, &first), 0);
    assert_int_equal(accept_from(1, 1, &id), 0);
    assert_int_equal(accept_from(1, 1, &id), 0);
    assert_int_equal(accept_from(1, 1, &id), RF_ELIMIT);
    assert_int_equal(counters(&w.node[0])->refused_address, 1);
    assert_int_equal(accept_from(1, 2, &id), 0); /* a neighbour is another address */
    rf_links_closed(w.node[0].links, first, RF_ECLOSED);
    assert_int_equal(accept_from(1, 1, &id), 0);
    for (uint8_t i = 0; i < 3; i++) /* IPv6: a /64 counts as one address */
        assert_int_equal(accept_from6(1, i), 0);
    assert_int_equal(accept_from6(1, 77), RF_ELIMIT);
    assert_int_equal(accept_from6(2, 77), 0);
    world_deinit(&w);
}

static void test_limit_rate(void **state)
{
    rf_link_id id;
    unsigned accepted = 0;

    (void)state;
    world_init(&w, &rf_engine_plain);
    w.config.accept_per_s_per_address = 10;
    w.config.max_per_address = 0;
    world_node(&w, 0, NULL);
    for (int i = 0; i < 30; i++)
        accepted += accept_from(1, 1, &id) == 0;
    assert_int_equal(accepted, 10); /* the bucket holds a second's worth */
    assert_int_equal(accept_from(1, 2, &id), 0);
    w.now.mono_us += 250 * RF_US_PER_MS;
    accepted = 0;
    for (int i = 0; i < 30; i++)
        accepted += accept_from(1, 1, &id) == 0;
    assert_int_equal(accepted, 2);
    w.now.mono_us += 100 * RF_US_PER_S;
    accepted = 0;
    for (int i = 0; i < 30; i++)
        accepted += accept_from(1, 1, &id) == 0;
    assert_int_equal(accepted, 10);
    world_deinit(&w);
}

static size_t accept_many(size_t count)
{
    size_t accepted = 0;
    rf_link_id id;

    for (size_t i = 0; i < count; i++)
        accepted += accept_from(2, (uint8_t)i, &id) == 0;
    return accepted;
}

static bool is_known(void *ctx, const struct rf_addr *remote)
{
    (void)ctx;
    return remote->ip[2] == 3;
}

/* Handshakes in all: a second's worth at once, then so many each second; a little more for whom we wait for, more for whom we know. */
static void test_limit_handshake_rate(void **state)
{
    struct rf_id expected = {.len = 16, .b[0] = 9};
    rf_link_id id;

    (void)state;
    world_init(&w, &rf_engine_plain);
    w.config.handshakes_per_s = 20;
    world_node(&w, 0, NULL);
    w.node[0].links->host.known = is_known;
    assert_true(rf_links_handshake_room(w.node[0].links));
    assert_int_equal(accept_many(50), 20);
    assert_false(rf_links_handshake_room(w.node[0].links));
    assert_int_equal(counters(&w.node[0])->refused_budget, 30);
    w.now.mono_us += RF_US_PER_S / 4;
    assert_true(rf_links_handshake_room(w.node[0].links));
    assert_int_equal(accept_many(50), 5);
    assert_int_equal(rf_links_expect(w.node[0].links, &expected, RF_LINK_OVERLAY, 0), 0);
    assert_int_equal(accept_many(50), 5);
    for (uint8_t i = 0; i < 30; i++) /* never more than two seconds' worth */
        assert_int_equal(accept_from(3, i, &id), i < 15 ? 0 : RF_ELIMIT);
    w.now.mono_us += 100 * RF_US_PER_S;
    assert_int_equal(accept_many(50), 20);
    world_deinit(&w);
}

/* One node announces the same again and again: it is expected once, for longer each time, and another is not forgotten. */
static void test_expected_again(void **state)
{
    struct rf_id other = {.len = 16, .b[0] = 9}, one = {.len = 16, .b[0] = 10};
    struct rf_links *links;

    (void)state;
    world_init(&w, &rf_engine_plain);
    world_node(&w, 0, NULL);
    links = w.node[0].links;
    assert_int_equal(rf_links_expect(links, &other, RF_LINK_APP, 5060), 0);
    for (int i = 0; i < 2 * EXPECT_MAX; i++)
        assert_int_equal(rf_links_expect(links, &one, RF_LINK_APP, 5060), 0);
    assert_int_equal(links->expected_count, 2);
    assert_true(rf_id_equal(&RF_LIST_ENTRY(links->expected.next, struct link_expect, list)->node, &other));
    /* another purpose or application is something else */
    assert_int_equal(rf_links_expect(links, &one, RF_LINK_APP, 7000), 0);
    assert_int_equal(rf_links_expect(links, &one, RF_LINK_OVERLAY, 0), 0);
    assert_int_equal(links->expected_count, 4);
    w.now.mono_us += w.config.app_expect_us / 2;
    assert_int_equal(rf_links_expect(links, &other, RF_LINK_APP, 5060), 0);
    w.now.mono_us += w.config.app_expect_us / 2;
    assert_true(expects_any(links));
    assert_int_equal(links->expected_count, 1);
    assert_true(rf_id_equal(&RF_LIST_ENTRY(links->expected.next, struct link_expect, list)->node, &other));
    w.now.mono_us += w.config.app_expect_us / 2;
    assert_false(expects_any(links));
    world_deinit(&w);
}

/* A hundred thousand addresses come once: what is remembered about them is bounded. */
static void test_addresses_bounded(void **state)
{
    size_t before;
    rf_link_id id;

    (void)state;
    world_init(&w, &rf_engine_plain);
    w.config.handshakes_per_s = 0;
    world_node(&w, 0, NULL);
    before = w.mem.live_count;
    for (unsigned i = 0; i < 20000; i++) {
        assert_int_equal(accept_from((uint8_t)(i >> 8), (uint8_t)i, &id), 0);
        rf_links_closed(w.node[0].links, id, RF_ECLOSED);
    }
    assert_true(w.mem.live_count - before <= 4096 + 16);
    world_deinit(&w);
}

/* ---- output ---- */

static void test_backlog(void **state)
{
    static uint8_t message[1000], large[5001];
    struct rf_link_info info;
    unsigned sent = 0;
    rf_link_id id;

    world_init(&w, *state);
    w.config.max_backlog_len = 50000;
    id = world_pair(&w);
    w.conn[0].blocked[0] = true;
    while (rf_links_send(w.node[0].links, id, rf_view_of(message, sizeof message)) == 0)
        assert_true(++sent < 1000);
    assert_in_range(sent, 45, 50);
    assert_int_equal(rf_links_send(w.node[0].links, id, rf_view_of(message, sizeof message)), RF_EAGAIN);
    assert_int_equal(counters(&w.node[0])->dropped_backlog, 2);
    assert_int_equal(rf_links_info(w.node[0].links, id, &info), 0);
    assert_true(info.backlog_len > 40000 && info.backlog_len <= 51000 + 30 * sent);
    w.conn[0].blocked[0] = false;
    world_run(&w);
    assert_int_equal(w.node[1].messages, sent); /* what was taken arrives, whole */
    assert_int_equal(w.node[1].received.len, sent * sizeof message);
    assert_int_equal(rf_links_send(w.node[0].links, id, rf_view_of(message, sizeof message)), 0);
    assert_int_equal(rf_links_send(w.node[0].links, id, rf_view_of(large, sizeof large)), RF_ELIMIT);
    assert_int_equal(rf_links_send(w.node[0].links, id, rf_view_of(large, sizeof large - 1)), 0);
    world_deinit(&w);
}

/* All links together hold too much: each may still have a little, so that none starves another. */
static void test_backlog_total(void **state)
{
    static uint8_t message[1000];
    unsigned sent[2] = {0, 0};
    rf_link_id id[2];

    (void)state;
    world_init(&w, &rf_engine_plain);
    w.config.max_backlog_total_len = 100000;
    id[0] = world_pair(&w);
    id[1] = world_connect(&w, 0, 1, NULL);
    world_run(&w);
    w.conn[0].blocked[0] = w.conn[1].blocked[0] = true;
    for (int i = 0; i < 2; i++)
        while (rf_links_send(w.node[0].links, id[i], rf_view_of(message, sizeof message)) == 0)
            assert_true(++sent[i] < 1000);
    assert_in_range(sent[0], 95, 100);
    assert_in_range(sent[1], 14, 17);
    world_deinit(&w);
}

/* Node 0 sends 20000 messages and does not read what node 1 says. */
static void send_without_reading(void)
{
    rf_link_id id;

    world_init(&w, &rf_engine_plain);
    id = world_pair(&w);
    w.conn[0].blocked[1] = true;
    for (int i = 0; i < 20000; i++) {
        (void)rf_links_send(w.node[0].links, id, rf_view_str("x"));
        if (i % 100 == 0)
            world_run(&w);
    }
    world_run(&w);
}

/* Our acknowledgements stop at 64 KiB, and after 30 s without progress the link ends. */
static void test_peer_does_not_read(void **state)
{
    (void)state;
    send_without_reading();
    {
        struct rf_link_info info;
        assert_int_equal(rf_links_info(w.node[1].links, w.node[1].up.id, &info), 0);
        assert_in_range(info.backlog_len, 60000, 70000);
    }
    assert_int_equal(w.node[1].messages, 20000);
    world_pass(&w, 31 * RF_US_PER_S);
    assert_int_equal(w.node[1].downs, 1);
    assert_int_equal(w.node[1].reason, RF_ETIMEOUT);
    world_deinit(&w);
}

/* When it reads again, it is told what had arrived: the link lives. */
static void test_peer_reads_again(void **state)
{
    (void)state;
    send_without_reading();
    world_pass(&w, 10 * RF_US_PER_S);
    assert_int_equal(w.node[0].suspects, 1);
    w.conn[0].blocked[1] = false;
    world_pass(&w, RF_US_PER_S);
    assert_int_equal(w.node[0].unsuspects, 1);
    assert_int_equal(w.node[1].messages, 20000);
    assert_true(counters(&w.node[1])->acks_out < 8000);
    assert_int_equal(counters(&w.node[0])->acks_in, counters(&w.node[1])->acks_out);
    world_pass(&w, 100 * RF_US_PER_S); /* keep-alives included, nothing is unacknowledged */
    assert_int_equal(w.node[0].suspects, 1);
    assert_int_equal(w.node[0].downs + w.node[1].downs, 0);
    world_deinit(&w);
}

/* Many links, one of them broken: the others do not notice. */
static void test_one_broken_among_many(void **state)
{
    rf_link_id id[20];

    world_init(&w, *state);
    world_node(&w, 0, NULL);
    world_node(&w, 1, NULL);
    for (int i = 0; i < 20; i++)
        id[i] = world_connect(&w, 0, 1, NULL);
    world_run(&w);
    assert_int_equal(rf_links_count(w.node[1].links, RF_LINK_UP), 20);
    world_inject(&w, 7, 1, rf_view_of("\x17\x03\x03\x00\x08nonsense", 13));
    for (int i = 0; i < 20; i++)
        assert_int_equal(rf_links_send(w.node[0].links, id[i], rf_view_str("m")), 0);
    world_run(&w);
    assert_int_equal(rf_links_count(w.node[1].links, RF_LINK_UP), 19);
    assert_int_equal(w.node[1].messages, 19);
    assert_int_equal(w.node[0].downs, 1);
    world_deinit(&w);
}

int test_link_limits(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_limit_all),         cmocka_unit_test(test_small_table),
        cmocka_unit_test(test_limit_handshakes),  cmocka_unit_test(test_limit_per_address),
        cmocka_unit_test(test_limit_rate),        cmocka_unit_test(test_limit_handshake_rate),
        cmocka_unit_test(test_addresses_bounded), both_engines(test_backlog),
        cmocka_unit_test(test_backlog_total),     cmocka_unit_test(test_peer_does_not_read),
        cmocka_unit_test(test_peer_reads_again),  both_engines(test_one_broken_among_many),
        cmocka_unit_test(test_expected_again),
    };
    return cmocka_run_group_tests_name("link limits", tests, NULL, NULL);
}
