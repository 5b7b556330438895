/* test_turn_requests.c - Binding, credentials, Allocate, Refresh: what is answered how. */
#include "test_turn.h"

static void binding(void **state)
{
    static const char *const froms[] = {"192.0.2.77:1234", "[2001:db8::1]:99"};
    struct turn_world w;
    struct rf_addr mapped;
    (void)state;
    turn_world_init(&w);
    turn_world_start(&w);
    for (size_t i = 0; i < 2; i++) {
        w.from.addr = turn_addr(froms[i]);
        turn_begin_request(&w, RF_STUN_BINDING);
        assert_int_equal(turn_send_request(&w), 0);
        assert_int_equal(rf_stun_address(&w.answer, RF_STUN_XOR_MAPPED_ADDRESS, true, &mapped), 0);
        assert_true(rf_addr_equal(&mapped, &w.from.addr));
    }
    turn_world_deinit(&w);
}

static void allocate_with(enum rf_hash alg)
{
    struct turn_world w;
    struct rf_addr addr;
    uint32_t lifetime;
    turn_world_init(&w);
    turn_world_start(&w);
    w.alg = alg;
    assert_int_equal(turn_allocate(&w), 0);
    assert_int_equal(rf_stun_address(&w.answer, RF_TURN_XOR_RELAYED_ADDRESS, true, &addr), 0);
    assert_int_equal(addr.port, 50002);
    assert_int_equal(rf_stun_address(&w.answer, RF_STUN_XOR_MAPPED_ADDRESS, true, &addr), 0);
    assert_true(rf_addr_equal(&addr, &w.from.addr));
    assert_int_equal(rf_stun_u32(&w.answer, RF_TURN_LIFETIME, &lifetime), 0);
    assert_int_equal(lifetime, 600);
    /* the answer is signed with the same key and the same kind of MAC */
    assert_int_equal(w.answer.integrity_at != 0, alg == RF_HASH_MD5);
    assert_int_equal(w.answer.integrity256_at != 0, alg == RF_HASH_SHA256);
    uint8_t key[RF_STUN_KEY_MAX];
    size_t len;
    assert_int_equal(rf_stun_long_key(w.e.crypto, alg, rf_view_str(w.credentials.user),
                                      rf_view_str("example.org"), rf_view_str(w.credentials.password), key,
                                      &len),
                     0);
    assert_int_equal(rf_stun_verify(w.e.crypto, &w.answer, alg == RF_HASH_MD5 ? RF_HASH_SHA1 : RF_HASH_SHA256,
                                    rf_view_of(key, len)),
                     0);
    assert_int_equal(w.open, 1);
    turn_world_deinit(&w);
}

static void allocate_md5(void **state)
{
    (void)state;
    allocate_with(RF_HASH_MD5);
}

static void allocate_sha256(void **state)
{
    (void)state;
    allocate_with(RF_HASH_SHA256);
}

/* The same request again gets the same answer; another one a refusal. */
static void allocate_twice(void **state)
{
    struct turn_world w;
    (void)state;
    turn_world_init(&w);
    turn_world_start(&w);
    assert_int_equal(turn_allocate(&w), 0);
    w.txn--;
    assert_int_equal(turn_allocate(&w), 0);
    assert_int_equal(turn_allocate(&w), RF_TURN_ALLOCATION_MISMATCH);
    assert_int_equal(w.open, 1);
    w.from.addr.port++; /* another 5-tuple */
    w.nonce[0] = '\0';
    assert_int_equal(turn_allocate(&w), 0);
    assert_int_equal(w.open, 2);
    turn_world_deinit(&w);
}

static int allocate_asking(struct turn_world *w, uint16_t type, const void *value, size_t len)
{
    turn_begin_request(w, RF_TURN_ALLOCATE);
    rf_stun_put_u32(&w->out, RF_TURN_REQUESTED_TRANSPORT, UINT32_C(17) << 24);
    rf_stun_put(&w->out, type, rf_view_of(value, len));
    return turn_send_request(w);
}

static void allocate_wishes(void **state)
{
    static const uint8_t token[8] = {1}, v4[4] = {1}, v6[4] = {2}, v9[4] = {9}, even[1] = {0},
                         pair[1] = {0x80};
    const struct {
        uint16_t type;
        const uint8_t *value;
        size_t len;
        int code;
    } cases[] = {
        {RF_TURN_REQUESTED_ADDRESS_FAMILY, v4, 4, 0},
        {RF_TURN_REQUESTED_ADDRESS_FAMILY, v6, 4, 0},
        {RF_TURN_REQUESTED_ADDRESS_FAMILY, v9, 4, RF_TURN_ADDRESS_FAMILY_NOT_SUPPORTED},
        {RF_TURN_EVEN_PORT, even, 1, 0},
        {RF_TURN_EVEN_PORT, pair, 1, RF_TURN_INSUFFICIENT_CAPACITY},
        {RF_TURN_EVEN_PORT, token, 2, RF_STUN_BAD_REQUEST},
        {RF_TURN_RESERVATION_TOKEN, token, 8, RF_TURN_INSUFFICIENT_CAPACITY},
        {RF_TURN_DONT_FRAGMENT, token, 0, RF_STUN_UNKNOWN_ATTRIBUTE},
        {0x7eee, token, 4, RF_STUN_UNKNOWN_ATTRIBUTE},
        {0xfeee, token, 4, 0},
        {RF_TURN_ADDITIONAL_ADDRESS_FAMILY, v6, 4, 0},
    };
    struct turn_world w;
    struct rf_addr relayed;
    struct rf_view v;
    (void)state;
    turn_world_init(&w);
    turn_world_start(&w);
    assert_int_equal(turn_refresh(&w, 0), RF_STUN_UNAUTHENTICATED);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        w.asked_even = false;
        assert_int_equal(allocate_asking(&w, cases[i].type, cases[i].value, cases[i].len), cases[i].code);
        if (cases[i].code == 0) {
            assert_int_equal(w.asked_even, cases[i].value == even);
            assert_int_equal(rf_stun_address(&w.answer, RF_TURN_XOR_RELAYED_ADDRESS, true, &relayed), 0);
            assert_int_equal(relayed.family, cases[i].value == v6 && cases[i].type < 0x8000 ? 6 : 4);
            assert_int_equal(rf_stun_find(&w.answer, RF_TURN_ADDRESS_ERROR_CODE, &v),
                             cases[i].type == RF_TURN_ADDITIONAL_ADDRESS_FAMILY);
            assert_int_equal(turn_refresh(&w, 0), 0);
        } else if (cases[i].code == RF_STUN_UNKNOWN_ATTRIBUTE) {
            assert_true(rf_stun_find(&w.answer, RF_STUN_UNKNOWN_ATTRIBUTES, &v));
            assert_int_equal(v.p[0] << 8 | v.p[1], cases[i].type);
        }
        assert_int_equal(w.open, 0);
    }
    turn_begin_request(&w, RF_TURN_ALLOCATE);
    assert_int_equal(turn_send_request(&w), RF_STUN_BAD_REQUEST); /* no transport */
    turn_begin_request(&w, RF_TURN_ALLOCATE);
    rf_stun_put_u32(&w.out, RF_TURN_REQUESTED_TRANSPORT, UINT32_C(6) << 24);
    assert_int_equal(turn_send_request(&w), RF_TURN_UNSUPPORTED_TRANSPORT);
    turn_world_deinit(&w);
}

static void lifetimes(void **state)
{
    static const uint32_t asked[] = {1, 600, 601, 3600, 100000}, given[] = {600, 600, 601, 3600, 3600};
    struct turn_world w;
    uint32_t s;
    (void)state;
    turn_world_init(&w);
    turn_world_start(&w);
    assert_int_equal(turn_allocate(&w), 0);
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(turn_refresh(&w, asked[i]), 0);
        assert_int_equal(rf_stun_u32(&w.answer, RF_TURN_LIFETIME, &s), 0);
        assert_int_equal(s, given[i]);
    }
    turn_pass(&w, 3599 * RF_US_PER_S);
    assert_int_equal(w.open, 1);
    turn_pass(&w, 2 * RF_US_PER_S);
    assert_int_equal(w.open, 0);
    assert_int_equal(turn_counters(&w)->expired, 1);
    assert_int_equal(turn_refresh(&w, 600), RF_STUN_STALE_NONCE);
    assert_int_equal(turn_refresh(&w, 600), RF_STUN_UNAUTHENTICATED); /* the credentials are an hour old */
    turn_world_deinit(&w);
}

static void refresh_ends(void **state)
{
    struct turn_world w;
    (void)state;
    turn_world_init(&w);
    turn_world_start(&w);
    assert_int_equal(turn_allocate(&w), 0);
    assert_int_equal(turn_refresh(&w, 0), 0);
    assert_int_equal(w.open, 0);
    assert_int_equal(turn_refresh(&w, 600), RF_TURN_ALLOCATION_MISMATCH);
    assert_int_equal(turn_permit_peer(&w, "198.51.100.1:1"), RF_TURN_ALLOCATION_MISMATCH);
    turn_world_deinit(&w);
}

/* A stream's end ends its allocation, and only that one. */
static void stream_gone(void **state)
{
    struct turn_world w;
    (void)state;
    turn_world_init(&w);
    turn_world_start(&w);
    w.from.stream = true;
    w.from.flow = 5;
    assert_int_equal(turn_allocate(&w), 0);
    struct rf_turn_from other = w.from;
    other.flow = 6;
    rf_turn_gone(w.turn, &other);
    assert_int_equal(w.open, 1);
    rf_turn_gone(w.turn, &w.from);
    assert_int_equal(w.open, 0);
    turn_world_deinit(&w);
}

static void credentials(void **state)
{
    struct rf_turn_credentials c, again, other;
    struct turn_world w;
    char name[120];
    (void)state;
    turn_world_init(&w);
    assert_int_equal(rf_turn_credentials(w.e.crypto, w.config.secret, "bob", 1800000000999, &c), 0);
    assert_string_equal(c.user, "1800000000:bob");
    assert_int_equal(strlen(c.password), RF_TURN_PASSWORD_LEN);
    assert_int_equal(rf_turn_credentials(w.e.crypto, w.config.secret, "bob", 1800000000000, &again), 0);
    assert_string_equal(c.password, again.password);
    assert_int_equal(rf_turn_credentials(w.e.crypto, w.config.secret, "bob", 1800000001000, &other), 0);
    assert_string_not_equal(c.password, other.password);
    w.config.secret[31] ^= 1;
    assert_int_equal(rf_turn_credentials(w.e.crypto, w.config.secret, "bob", 1800000000000, &other), 0);
    assert_string_not_equal(c.password, other.password);
    memset(name, 'x', sizeof(name));
    name[101] = '\0';
    assert_int_equal(rf_turn_credentials(w.e.crypto, w.config.secret, name, 1, &other), RF_EINVAL);
    assert_int_equal(rf_turn_credentials(w.e.crypto, w.config.secret, "", 1, &other), RF_EINVAL);
    assert_int_equal(rf_turn_credentials(w.e.crypto, w.config.secret, "a:b", 1, &other), RF_EINVAL);
    turn_world_deinit(&w);
}

/* Whatever memory is missing: a refusal, and nothing left behind. */
static void out_of_memory(void **state)
{
    struct turn_world w;
    int code = -1;
    (void)state;
    for (size_t n = 0; code != 0; n++) {
        turn_world_init(&w);
        turn_world_start(&w);
        assert_int_equal(turn_refresh(&w, 0), RF_STUN_UNAUTHENTICATED);
        w.e.mem.allowed = n;
        code = turn_allocate(&w);
        if (code == 0)
            code = turn_bind_peer(&w, 0x4000, "198.51.100.1:1");
        w.e.mem.allowed = SIZE_MAX;
        assert_true(code == 0 || code == RF_TURN_INSUFFICIENT_CAPACITY);
        turn_world_deinit(&w);
        assert_in_range(n, 0, 50);
    }
}

int test_turn_requests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(binding),         cmocka_unit_test(allocate_md5),
        cmocka_unit_test(allocate_sha256), cmocka_unit_test(allocate_twice),
        cmocka_unit_test(allocate_wishes), cmocka_unit_test(lifetimes),
        cmocka_unit_test(refresh_ends),    cmocka_unit_test(stream_gone),
        cmocka_unit_test(credentials),     cmocka_unit_test(out_of_memory),
    };
    return cmocka_run_group_tests_name("turn requests", tests, NULL, NULL);
}
