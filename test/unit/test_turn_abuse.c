/* test_turn_abuse.c - what strangers, liars and the greedy get. */
#include "test_turn.h"

static void no_or_wrong_credentials(void **state)
{
    struct turn_world w;
    (void)state;
    turn_world_init(&w);
    turn_world_start(&w);
    turn_begin_request(&w, RF_TURN_ALLOCATE);
    assert_int_equal(turn_send_request(&w), RF_STUN_UNAUTHENTICATED);
    w.credentials.password[3] ^= 1;
    assert_int_equal(turn_allocate(&w), RF_STUN_UNAUTHENTICATED);
    w.credentials.password[3] ^= 1;
    w.credentials.user[0] ^= 1; /* another time of expiry: another password */
    assert_int_equal(turn_allocate(&w), RF_STUN_UNAUTHENTICATED);
    strcpy(w.credentials.user, "no colon");
    assert_int_equal(turn_allocate(&w), RF_STUN_UNAUTHENTICATED);
    assert_int_equal(
        rf_turn_credentials(w.e.crypto, w.config.secret, "alice", w.e.now.wall_ms - 1000, &w.credentials), 0);
    assert_int_equal(turn_allocate(&w), RF_STUN_UNAUTHENTICATED); /* expired */
    assert_int_equal(turn_counters(&w)->refused_credentials, 4);
    assert_int_equal(w.opened, 0);
    turn_world_deinit(&w);
}

/* What the secret before made is good, what the one before that made is not; an allocation is kept with what made it as long as that is good. */
static void rotation(void **state)
{
    static const uint8_t second[RF_TURN_SECRET_LEN] = "the second", third[RF_TURN_SECRET_LEN] = "the third";
    struct turn_world w;
    (void)state;
    turn_world_init(&w);
    turn_world_start(&w);
    struct rf_turn_credentials old = w.credentials;
    assert_int_equal(turn_allocate(&w), 0);
    rf_turn_rotate(w.turn, second);
    assert_int_equal(turn_refresh(&w, 600), 0); /* its nonce is good, too */
    w.from.addr.port++;
    assert_int_equal(turn_allocate(&w), RF_STUN_STALE_NONCE);
    assert_int_equal(turn_allocate(&w), 0);
    assert_int_equal(
        rf_turn_credentials(w.e.crypto, second, "alice", w.e.now.wall_ms + 3600000, &w.credentials), 0);
    w.from.addr.port++;
    assert_int_equal(turn_allocate(&w), RF_STUN_STALE_NONCE);
    assert_int_equal(turn_allocate(&w), 0);
    rf_turn_rotate(w.turn, third);
    assert_int_equal(turn_refresh(&w, 600), 0);
    w.credentials = old;
    w.from.addr.port++;
    assert_int_equal(turn_allocate(&w), RF_STUN_STALE_NONCE);
    assert_int_equal(turn_allocate(&w), RF_STUN_UNAUTHENTICATED);
    turn_world_deinit(&w);
}

static void nonces(void **state)
{
    struct turn_world w;
    (void)state;
    turn_world_init(&w);
    turn_world_start(&w);
    assert_int_equal(turn_refresh(&w, 0), RF_STUN_UNAUTHENTICATED);
    w.from.addr.port++; /* somebody else's */
    assert_int_equal(turn_allocate(&w), RF_STUN_STALE_NONCE);
    assert_int_equal(turn_allocate(&w), 0);
    turn_pass(&w, 590 * RF_US_PER_S);
    assert_int_equal(turn_refresh(&w, 600), 0);
    turn_pass(&w, 20 * RF_US_PER_S);
    assert_int_equal(turn_refresh(&w, 600), RF_STUN_STALE_NONCE);
    assert_int_equal(turn_refresh(&w, 600), 0);
    for (size_t i = 13; i < strlen(w.nonce); i++) { /* any byte of it */
        char old = w.nonce[i];
        turn_pass(&w, RF_US_PER_S);
        w.nonce[i] = old == '0' ? '1' : '0';
        char made_up[64];
        strcpy(made_up, w.nonce);
        made_up[i] = old;
        assert_int_equal(turn_refresh(&w, 600), RF_STUN_STALE_NONCE);
        strcpy(w.nonce, made_up);
    }
    turn_world_deinit(&w);
}

/* Somebody on the way takes SHA-256 out of the offer: the client's echo shows it. */
static void bid_down(void **state)
{
    static const uint8_t md5_only[4] = {0, 1, 0, 0};
    struct turn_world w;
    (void)state;
    turn_world_init(&w);
    turn_world_start(&w);
    assert_int_equal(turn_refresh(&w, 0), RF_STUN_UNAUTHENTICATED);
    for (int i = 0; i < 2; i++) {
        turn_begin_request(&w, RF_TURN_ALLOCATE);
        rf_stun_put_u32(&w.out, RF_TURN_REQUESTED_TRANSPORT, UINT32_C(17) << 24);
        if (i == 0)
            rf_stun_put(&w.out, RF_STUN_PASSWORD_ALGORITHMS, rf_view_of(md5_only, 4));
        rf_stun_put(&w.out, RF_STUN_PASSWORD_ALGORITHM, rf_view_of(md5_only, 4));
        assert_int_equal(turn_send_request(&w), RF_STUN_BAD_REQUEST);
    }
    turn_world_deinit(&w);
}

/* Another user at the same 5-tuple, with good credentials of his own, has no part in the allocation. */
static void other_user(void **state)
{
    struct turn_world w;
    (void)state;
    turn_world_init(&w);
    turn_world_start(&w);
    assert_int_equal(turn_allocate(&w), 0);
    assert_int_equal(rf_turn_credentials(w.e.crypto, w.config.secret, "mallory", w.e.now.wall_ms + 3600000,
                                         &w.credentials),
                     0);
    assert_int_equal(turn_refresh(&w, 0), RF_TURN_WRONG_CREDENTIALS);
    assert_int_equal(turn_permit_peer(&w, "198.51.100.1:1"), RF_TURN_WRONG_CREDENTIALS);
    assert_int_equal(w.open, 1);
    turn_world_deinit(&w);
}

static void peers(void **state)
{
    static const struct {
        const char *peer;
        bool good, good_if_private;
    } cases[] = {
        {"198.51.100.1:5", true, true},
        {"127.0.0.1:5", false, true},
        {"127.8.9.10:5", false, true},
        {"10.0.0.1:5", false, true},
        {"172.16.0.1:5", false, true},
        {"172.32.0.1:5", true, true},
        {"192.168.1.1:5", false, true},
        {"100.64.0.1:5", false, true},
        {"169.254.169.254:80", false, true},
        {"0.0.0.0:5", false, false},
        {"0.1.2.3:5", false, false},
        {"224.0.0.1:5", false, false},
        {"240.0.0.1:5", false, false},
        {"255.255.255.255:5", false, false},
        {"[2600::1]:5", true, true},
        {"[::1]:5", false, true},
        {"[::]:5", false, false},
        {"[fe80::1]:5", false, true},
        {"[fd00::1]:5", false, true},
        {"[ff02::1]:5", false, false},
        {"[::ffff:127.0.0.1]:5", false, true},
        {"[::ffff:198.51.100.1]:5", true, true},
        {"[::ffff:224.0.0.1]:5", false, false},
        {"[::127.0.0.1]:5", false, true},
        {"[64:ff9b::10.0.0.1]:5", false, true},
        {"[2002:7f00:1::1]:5", false, true},
        {"[2002:c633:6401::1]:5", true, true},
    };
    static const uint8_t v6[4] = {2};
    struct turn_world w;
    (void)state;
    for (int private_peers = 0; private_peers < 2; private_peers++) {
        turn_world_init(&w);
        w.config.private_peers = private_peers != 0;
        turn_world_start(&w);
        assert_int_equal(turn_allocate(&w), 0);
        struct rf_turn_from four = w.from;
        w.from.addr.port++;
        w.nonce[0] = '\0';
        assert_int_equal(turn_refresh(&w, 0), RF_STUN_UNAUTHENTICATED);
        struct rf_turn_from six = w.from;
        turn_begin_request(&w, RF_TURN_ALLOCATE);
        rf_stun_put_u32(&w.out, RF_TURN_REQUESTED_TRANSPORT, UINT32_C(17) << 24);
        rf_stun_put(&w.out, RF_TURN_REQUESTED_ADDRESS_FAMILY, rf_view_of(v6, 4));
        assert_int_equal(turn_send_request(&w), 0);
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
            bool good = private_peers ? cases[i].good_if_private : cases[i].good;
            w.from = cases[i].peer[0] == '[' ? six : four;
            (void)turn_refresh(&w, 600); /* the nonce of this one */
            turn_pass(&w, RF_US_PER_S);
            assert_int_equal(turn_permit_peer(&w, cases[i].peer), good ? 0 : RF_TURN_FORBIDDEN);
            assert_int_equal(turn_bind_peer(&w, (uint16_t)(0x4000 + i), cases[i].peer),
                             good ? 0 : RF_TURN_FORBIDDEN);
        }
        turn_world_deinit(&w);
    }
}

static void quotas(void **state)
{
    struct turn_world w;
    (void)state;
    turn_world_init(&w);
    w.config.max_allocations = 3;
    w.config.max_per_user = 2;
    turn_world_start(&w);
    for (int i = 0; i < 3; i++) {
        w.nonce[0] = '\0';
        w.from.addr.port++;
        assert_int_equal(turn_allocate(&w), i < 2 ? 0 : RF_TURN_ALLOCATION_QUOTA_REACHED);
    }
    for (int i = 0; i < 2; i++) {
        assert_int_equal(rf_turn_credentials(w.e.crypto, w.config.secret, i == 0 ? "bob" : "carol",
                                             w.e.now.wall_ms + 3600000, &w.credentials),
                         0);
        w.nonce[0] = '\0';
        w.from.addr.port++;
        assert_int_equal(turn_allocate(&w), i == 0 ? 0 : RF_TURN_INSUFFICIENT_CAPACITY);
    }
    assert_int_equal(w.open, 3);
    turn_pass(&w, 601 * RF_US_PER_S);
    struct rf_turn_status status;
    rf_turn_status(w.turn, &status);
    assert_int_equal(status.allocations + status.users, 0);
    w.open_error = RF_ELIMIT; /* no port */
    w.nonce[0] = '\0';
    assert_int_equal(turn_allocate(&w), RF_TURN_INSUFFICIENT_CAPACITY);
    w.open_error = RF_EUNSUPPORTED;
    assert_int_equal(turn_allocate(&w), RF_TURN_ADDRESS_FAMILY_NOT_SUPPORTED);
    turn_world_deinit(&w);
}

/* 1,000 bytes a second for the user, both ways together; they come back with time. */
static void bandwidth(void **state)
{
    struct turn_world w;
    struct rf_view packet;
    char text[101];
    size_t through = 0;
    (void)state;
    memset(text, 'x', 100);
    text[100] = '\0';
    turn_world_init(&w);
    w.config.user_bytes_per_s = 1000;
    turn_world_start(&w);
    assert_int_equal(turn_allocate(&w), 0);
    assert_int_equal(turn_bind_peer(&w, 0x4000, "198.51.100.1:1"), 0);
    for (int i = 0; i < 20; i++) {
        turn_send_channel(&w, 0x4000, text);
        through += w.act.type == RF_TURN_TO_PEER;
        through += turn_from_peer(&w, "198.51.100.1:1", text, &packet);
    }
    assert_int_equal(through, 10);
    assert_int_equal(turn_counters(&w)->over_budget, 30);
    turn_pass(&w, RF_US_PER_S / 2);
    for (through = 0; turn_from_peer(&w, "198.51.100.1:1", text, &packet);)
        through++;
    assert_int_equal(through, 5);
    turn_world_deinit(&w);
}

/* Answers to those who show no credentials are few and small: nobody is flooded through us. */
static void no_amplifier(void **state)
{
    struct turn_world w;
    size_t sent = 0, came = 0, answers = 0;
    (void)state;
    turn_world_init(&w);
    turn_world_start(&w);
    for (int i = 0; i < 1000; i++) {
        turn_begin_request(&w, RF_TURN_ALLOCATE);
        w.nonce[0] = '\0';
        w.from.addr.port = (uint16_t)(1000 + i);
        answers += turn_send_request(&w) == RF_STUN_UNAUTHENTICATED;
        sent += w.out.len;
        came += w.act.type == RF_TURN_REPLY ? w.act.bytes.len : 0;
    }
    assert_in_range(answers, 15, 20);
    assert_true(came < sent);
    assert_int_equal(turn_counters(&w)->unauthenticated_dropped, 1000 - answers);
    w.from.addr = turn_addr("203.0.113.200:1"); /* others are not affected */
    assert_int_equal(turn_allocate(&w), 0);
    turn_pass(&w, RF_US_PER_S);
    w.from.addr = turn_addr("192.0.2.1:1");
    w.nonce[0] = '\0';
    assert_int_equal(turn_allocate(&w), 0);
    turn_world_deinit(&w);
}

static void nonsense(void **state)
{
    struct turn_world w;
    uint8_t bytes[200];
    struct rf_turn_act act;
    (void)state;
    turn_world_init(&w);
    turn_world_start(&w);
    assert_int_equal(turn_allocate(&w), 0);
    for (int i = 0; i < 20000; i++) {
        size_t len = rf_rng_below(&w.e.rng.rng, sizeof(bytes));
        rf_rng_fill(&w.e.rng.rng, bytes, len);
        rf_turn_client(w.turn, &w.from, rf_view_of(bytes, len), &act);
        assert_int_equal(act.type, RF_TURN_NOTHING);
    }
    uint8_t txn[RF_STUN_TXN_LEN] = {9};
    for (unsigned c = 1; c < 4; c++) { /* responses and unknown indications */
        rf_buf_fixed(&w.out, w.request, sizeof(w.request));
        rf_stun_begin(&w.out, (enum rf_stun_class)c, RF_TURN_ALLOCATE, txn);
        assert_int_equal(rf_stun_end(&w.out), 0);
        rf_turn_client(w.turn, &w.from, rf_buf_view(&w.out), &act);
        assert_int_equal(act.type, RF_TURN_NOTHING);
    }
    assert_int_equal(turn_counters(&w)->unsolicited, 3);
    turn_begin_request(&w, 0x123);
    assert_int_equal(turn_send_request(&w), RF_STUN_BAD_REQUEST);
    assert_int_equal(w.open, 1);
    turn_world_deinit(&w);
}

int test_turn_abuse(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_or_wrong_credentials),
        cmocka_unit_test(rotation),
        cmocka_unit_test(nonces),
        cmocka_unit_test(bid_down),
        cmocka_unit_test(other_user),
        cmocka_unit_test(peers),
        cmocka_unit_test(quotas),
        cmocka_unit_test(bandwidth),
        cmocka_unit_test(no_amplifier),
        cmocka_unit_test(nonsense),
    };
    return cmocka_run_group_tests_name("turn abuse", tests, NULL, NULL);
}
