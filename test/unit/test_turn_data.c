/* test_turn_data.c - permissions, channels, and what is relayed. */
#include "test_turn.h"

#define PEER  "198.51.100.1:7000"
#define OTHER "198.51.100.2:7000"

static void begin(struct turn_world *w)
{
    turn_world_init(w);
    turn_world_start(w);
    assert_int_equal(turn_allocate(w), 0);
}

static void assert_to_peer(struct turn_world *w, const char *peer, const char *text)
{
    struct rf_addr addr = turn_addr(peer);
    assert_int_equal(w->act.type, RF_TURN_TO_PEER);
    assert_true(rf_addr_equal(&w->act.peer, &addr));
    assert_true(rf_view_equal(w->act.bytes, rf_view_str(text)));
    assert_ptr_equal(w->act.socket, (void *)1);
}

static void send_and_data(void **state)
{
    struct turn_world w;
    struct rf_stun_msg m;
    struct rf_view packet, v;
    struct rf_addr from, peer = turn_addr(PEER);
    (void)state;
    begin(&w);
    turn_send_data(&w, PEER, "hello");
    assert_int_equal(w.act.type, RF_TURN_NOTHING);
    assert_false(turn_from_peer(&w, PEER, "hello", &packet));
    assert_int_equal(turn_counters(&w)->no_permission, 2);
    assert_int_equal(turn_permit_peer(&w, PEER), 0);
    turn_send_data(&w, PEER, "hello");
    assert_to_peer(&w, PEER, "hello");
    turn_send_data(&w, "198.51.100.1:9", "any port of that address");
    assert_to_peer(&w, "198.51.100.1:9", "any port of that address");
    static const char *const texts[] = {"", "a", "abcd", "hello"};
    for (size_t i = 0; i < 4; i++) {
        assert_true(turn_from_peer(&w, PEER, texts[i], &packet));
        assert_int_equal(rf_stun_decode(packet, &m), 0);
        assert_int_equal(m.class, RF_STUN_INDICATION);
        assert_int_equal(m.method, RF_TURN_DATA);
        assert_int_equal(rf_stun_address(&m, RF_TURN_XOR_PEER_ADDRESS, true, &from), 0);
        assert_true(rf_addr_equal(&from, &peer));
        assert_true(rf_stun_find(&m, RF_TURN_DATA_ATTR, &v));
        assert_true(rf_view_equal(v, rf_view_str(texts[i])));
    }
    assert_false(turn_from_peer(&w, OTHER, "hello", &packet));
    assert_int_equal(turn_counters(&w)->to_client, 4);
    assert_int_equal(turn_counters(&w)->to_peer_bytes, 5 + 24);
    turn_world_deinit(&w);
}

/* An indication to a peer of IPv6 needs the most room in front. */
static void ipv6_data(void **state)
{
    static const uint8_t v6[4] = {2};
    struct turn_world w;
    struct rf_stun_msg m;
    struct rf_view packet;
    (void)state;
    turn_world_init(&w);
    turn_world_start(&w);
    assert_int_equal(turn_refresh(&w, 0), RF_STUN_UNAUTHENTICATED);
    turn_begin_request(&w, RF_TURN_ALLOCATE);
    rf_stun_put_u32(&w.out, RF_TURN_REQUESTED_TRANSPORT, UINT32_C(17) << 24);
    rf_stun_put(&w.out, RF_TURN_REQUESTED_ADDRESS_FAMILY, rf_view_of(v6, 4));
    assert_int_equal(turn_send_request(&w), 0);
    assert_int_equal(turn_permit_peer(&w, PEER), RF_TURN_PEER_ADDRESS_FAMILY_MISMATCH);
    assert_int_equal(turn_permit_peer(&w, "[2001:db8::5]:1"), 0);
    assert_true(turn_from_peer(&w, "[2001:db8::5]:1", "abc", &packet));
    assert_int_equal(rf_stun_decode(packet, &m), 0);
    turn_world_deinit(&w);
}

static void channels(void **state)
{
    struct turn_world w;
    struct rf_view packet;
    (void)state;
    begin(&w);
    turn_send_channel(&w, 0x4000, "early");
    assert_int_equal(w.act.type, RF_TURN_NOTHING);
    assert_int_equal(turn_bind_peer(&w, 0x4000, PEER), 0);
    turn_send_channel(&w, 0x4000, "voice");
    assert_to_peer(&w, PEER, "voice");
    assert_true(turn_from_peer(&w, PEER, "voice", &packet));
    assert_int_equal(packet.len, 9);
    assert_memory_equal(packet.p, "\x40\x00\x00\x05voice", 9);
    assert_int_equal(turn_bind_peer(&w, 0x4000, PEER), 0); /* renewed */
    assert_int_equal(turn_bind_peer(&w, 0x4000, OTHER), RF_STUN_BAD_REQUEST);
    assert_int_equal(turn_bind_peer(&w, 0x4001, PEER), RF_STUN_BAD_REQUEST);
    assert_int_equal(turn_bind_peer(&w, 0x3fff, OTHER), RF_STUN_BAD_REQUEST);
    assert_int_equal(turn_bind_peer(&w, 0x8000, OTHER), RF_STUN_BAD_REQUEST);
    assert_int_equal(turn_bind_peer(&w, 0x7fff, OTHER), 0);
    turn_send_channel(&w, 0x7fff, "x");
    assert_to_peer(&w, OTHER, "x");
    w.from.addr.port++; /* nobody's */
    turn_send_channel(&w, 0x4000, "voice");
    assert_int_equal(w.act.type, RF_TURN_NOTHING);
    turn_world_deinit(&w);
}

/* Over a stream ChannelData is padded to 4. */
static void channel_on_stream(void **state)
{
    struct turn_world w;
    struct rf_view packet;
    size_t len;
    (void)state;
    turn_world_init(&w);
    turn_world_start(&w);
    w.from.stream = true;
    assert_int_equal(turn_allocate(&w), 0);
    assert_int_equal(turn_bind_peer(&w, 0x4000, PEER), 0);
    assert_true(turn_from_peer(&w, PEER, "voice", &packet));
    assert_int_equal(packet.len, 12);
    assert_memory_equal(packet.p, "\x40\x00\x00\x05voice\0\0\0", 12);
    assert_int_equal(rf_turn_channel_frame(packet, &len), 0);
    assert_int_equal(len, packet.len);
    turn_world_deinit(&w);
}

static void permissions_run_out(void **state)
{
    struct turn_world w;
    struct rf_view packet;
    (void)state;
    begin(&w);
    assert_int_equal(turn_refresh(&w, 3600), 0);
    assert_int_equal(turn_bind_peer(&w, 0x4000, PEER), 0);
    turn_pass(&w, 299 * RF_US_PER_S);
    assert_true(turn_from_peer(&w, PEER, "x", &packet));
    turn_pass(&w, 2 * RF_US_PER_S);
    assert_false(turn_from_peer(&w, PEER, "x", &packet));
    turn_send_channel(&w, 0x4000, "x");
    assert_int_equal(w.act.type, RF_TURN_NOTHING);
    assert_int_equal(turn_permit_peer(&w, PEER), 0);
    turn_send_channel(&w, 0x4000, "x");
    assert_to_peer(&w, PEER, "x");
    turn_pass(&w, 302 * RF_US_PER_S);
    assert_int_equal(turn_allocate(&w), RF_STUN_STALE_NONCE);
    assert_int_equal(turn_permit_peer(&w, PEER), 0);
    turn_send_channel(&w, 0x4000, "the channel has run out, the permission has not");
    assert_int_equal(w.act.type, RF_TURN_NOTHING);
    assert_true(turn_from_peer(&w, PEER, "x", &packet));
    assert_int_equal(packet.p[0], 0x00); /* an indication */
    assert_int_equal(turn_bind_peer(&w, 0x4000, OTHER), 0);
    turn_send_channel(&w, 0x4000, "y");
    assert_to_peer(&w, OTHER, "y");
    turn_world_deinit(&w);
}

/* Several peers in one request: all or none; and no more than 64. */
static void many_permissions(void **state)
{
    struct rf_addr good = turn_addr(PEER), bad = turn_addr("127.0.0.1:1");
    struct turn_world w;
    char text[32];
    (void)state;
    begin(&w);
    turn_begin_request(&w, RF_TURN_CREATE_PERMISSION);
    rf_stun_put_address(&w.out, RF_TURN_XOR_PEER_ADDRESS, true, &good);
    rf_stun_put_address(&w.out, RF_TURN_XOR_PEER_ADDRESS, true, &bad);
    assert_int_equal(turn_send_request(&w), RF_TURN_FORBIDDEN);
    turn_send_data(&w, PEER, "x");
    assert_int_equal(w.act.type, RF_TURN_NOTHING);
    turn_begin_request(&w, RF_TURN_CREATE_PERMISSION);
    assert_int_equal(turn_send_request(&w), RF_STUN_BAD_REQUEST);
    for (int i = 1; i <= 65; i++) {
        snprintf(text, sizeof(text), "198.51.100.%d:1", i);
        assert_int_equal(turn_permit_peer(&w, text), i <= 64 ? 0 : RF_TURN_INSUFFICIENT_CAPACITY);
    }
    turn_pass(&w, 301 * RF_US_PER_S); /* the old ones make room */
    assert_int_equal(turn_permit_peer(&w, "198.51.100.65:1"), 0);
    turn_world_deinit(&w);
}

static void send_without_sense(void **state)
{
    struct rf_addr peer = turn_addr(PEER);
    struct turn_world w;
    uint8_t txn[RF_STUN_TXN_LEN] = {0};
    (void)state;
    begin(&w);
    assert_int_equal(turn_permit_peer(&w, PEER), 0);
    for (int i = 0; i < 3; i++) {
        rf_buf_fixed(&w.out, w.request, sizeof(w.request));
        rf_stun_begin(&w.out, RF_STUN_INDICATION, RF_TURN_SEND, txn);
        if (i != 0)
            rf_stun_put_address(&w.out, RF_TURN_XOR_PEER_ADDRESS, true, &peer);
        if (i != 1)
            rf_stun_put(&w.out, RF_TURN_DATA_ATTR, rf_view_str("x"));
        if (i == 2)
            rf_stun_put(&w.out, RF_TURN_DONT_FRAGMENT, (struct rf_view){0});
        assert_int_equal(rf_stun_end(&w.out), 0);
        rf_turn_client(w.turn, &w.from, rf_buf_view(&w.out), &w.act);
        assert_int_equal(w.act.type, RF_TURN_NOTHING);
    }
    assert_int_equal(turn_counters(&w)->malformed, 3);
    turn_world_deinit(&w);
}

int test_turn_data(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(send_and_data),
        cmocka_unit_test(ipv6_data),
        cmocka_unit_test(channels),
        cmocka_unit_test(channel_on_stream),
        cmocka_unit_test(permissions_run_out),
        cmocka_unit_test(many_permissions),
        cmocka_unit_test(send_without_sense),
    };
    return cmocka_run_group_tests_name("turn data", tests, NULL, NULL);
}
