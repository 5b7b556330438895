/* test_ice_abuse.c - what strangers, liars and broken networks send: dropped and counted, answered without amplification, others unaffected. */
#include "ice_world.h"

#include "crypto/openssl/openssl.h"

static struct ice_world w;
static struct world_host *a, *b;
static uint8_t room[2000];
static struct rf_buf out;

static int setup(void **state)
{
    (void)state;
    world_init(&w, 1);
    w.config.serve = true;
    a = world_host(&w, WORLD_OUTSIDE, true, false);
    b = world_host(&w, WORLD_OUTSIDE, true, false);
    assert_true(world_connect(a, b) > 0);
    world_pass(&w, 10 * RF_US_PER_S);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    w.tap = NULL;
    world_talk(a, b); /* whatever came: they still hear each other */
    assert_int_equal(a->failed + b->failed, 0);
    world_deinit(&w);
    return 0;
}

static void begin(enum rf_stun_class class, uint16_t method)
{
    uint8_t txn[RF_STUN_TXN_LEN];
    rf_rng_fill(&w.e.rng.rng, txn, sizeof(txn));
    rf_buf_fixed(&out, room, sizeof(room));
    rf_stun_begin(&out, class, method, txn);
}

/* Sends what stands in `out` to a, from some stranger; the answer's bytes, empty if none. */
static struct rf_view answer_to(const struct rf_addr *from)
{
    static uint8_t answer[2000];
    struct rf_ice_out got;
    rf_ice_id session;
    struct rf_view data;
    size_t len = 0;
    rf_stun_put_fingerprint(&out);
    assert_int_equal(rf_stun_end(&out), 0);
    assert_int_equal(rf_ice_input(a->ice, 0, from, rf_buf_view(&out), &session, &data), RF_ICE_IN_DONE);
    while (rf_ice_next(a->ice, &got)) {
        assert_int_equal(got.type, RF_ICE_OUT_DATAGRAM);
        assert_int_equal(len, 0);
        assert_true(rf_addr_equal(&got.remote, from));
        memcpy(answer, got.bytes.p, len = got.bytes.len);
    }
    return rf_view_of(answer, len);
}

static int code_of(struct rf_view bytes)
{
    struct rf_stun_msg m;
    int code = 0;
    if (bytes.len == 0)
        return -1;
    assert_int_equal(rf_stun_decode(bytes, &m), 0);
    (void)rf_stun_error_code(&m, &code, NULL);
    return code;
}

/* A session that waits: what to name in a check of it. */
static struct rf_ice_params waiting(rf_ice_id *id)
{
    struct rf_ice_session_config config = {.controlling = true};
    struct rf_ice_params params;
    assert_int_equal(rf_ice_open(a->ice, &config, id), 0);
    world_pass(&w, RF_US_PER_S);
    assert_int_equal(rf_ice_local(a->ice, *id, &params), 0);
    return params;
}

static void put_user(const struct rf_ice_params *params, const char *theirs)
{
    char user[64];
    snprintf(user, sizeof(user), "%.*s:%s", (int)params->ufrag.len, (const char *)params->ufrag.p, theirs);
    rf_stun_put(&out, RF_STUN_USERNAME, rf_view_str(user));
}

static void checks(void **state)
{
    (void)state;
    rf_ice_id id;
    struct rf_ice_params p = waiting(&id);
    struct rf_addr from = world_addr("198.18.0.1:4000");
    const struct rf_ice_counters *c = rf_ice_counters(a->ice);

    begin(RF_STUN_REQUEST, RF_STUN_BINDING); /* of no session: silence, and nothing is computed */
    rf_stun_put(&out, RF_STUN_USERNAME, rf_view_str("ABCDEFGH:abcd"));
    rf_stun_put_integrity(&out, w.e.crypto, RF_HASH_SHA1, p.password);
    assert_int_equal(code_of(answer_to(&from)), -1);
    assert_int_equal(c->unknown_ufrag, 1);

    begin(RF_STUN_REQUEST, RF_STUN_BINDING);
    put_user(&p, "abcd");
    rf_stun_put_integrity(&out, w.e.crypto, RF_HASH_SHA1, rf_view_str("wrong"));
    struct rf_view answer = answer_to(&from);
    assert_int_equal(code_of(answer), RF_STUN_UNAUTHENTICATED);
    assert_in_range(answer.len, 20, out.len); /* no amplification */
    assert_int_equal(c->wrong_integrity, 1);

    begin(RF_STUN_REQUEST, RF_STUN_BINDING);
    put_user(&p, "abcd");
    assert_int_equal(code_of(answer_to(&from)), RF_STUN_BAD_REQUEST); /* no integrity at all */

    begin(RF_STUN_REQUEST, RF_STUN_BINDING);
    put_user(&p, "abcd");
    rf_stun_put_u32(&out, 0x0077, 1);
    rf_stun_put_integrity(&out, w.e.crypto, RF_HASH_SHA1, p.password);
    assert_int_equal(code_of(answer_to(&from)), RF_STUN_UNKNOWN_ATTRIBUTE);

    begin(RF_STUN_REQUEST, RF_STUN_BINDING);
    put_user(&p, "abcd");
    rf_stun_put_integrity(&out, w.e.crypto, RF_HASH_SHA1, p.password);
    assert_int_equal(code_of(answer_to(&from)), RF_STUN_BAD_REQUEST); /* no PRIORITY */

    for (int i = 0; i < 20;
         i++) { /* good ones, before we know of the other agent: only a few are remembered */
        begin(RF_STUN_REQUEST, RF_STUN_BINDING);
        put_user(&p, "abcd");
        rf_stun_put_u32(&out, RF_ICE_PRIORITY, 1);
        rf_stun_put_u64(&out, RF_ICE_CONTROLLED, 1);
        rf_stun_put_integrity(&out, w.e.crypto, i % 2 == 0 ? RF_HASH_SHA1 : RF_HASH_SHA256, p.password);
        from.port++;
        assert_int_equal(code_of(answer_to(&from)), 0);
    }
    assert_int_equal(c->limited, 12);
    rf_ice_close(a->ice, id);
}

static void conflicts(void **state)
{
    (void)state;
    rf_ice_id id;
    struct rf_ice_params p = waiting(&id);
    struct rf_addr from = world_addr("198.18.0.1:4000");
    begin(RF_STUN_REQUEST, RF_STUN_BINDING); /* both control, and our tie-breaker is larger */
    put_user(&p, "abcd");
    rf_stun_put_u32(&out, RF_ICE_PRIORITY, 1);
    rf_stun_put_u64(&out, RF_ICE_CONTROLLING, 0);
    rf_stun_put_integrity(&out, w.e.crypto, RF_HASH_SHA1, p.password);
    assert_int_equal(code_of(answer_to(&from)), RF_ICE_ROLE_CONFLICT);
    begin(RF_STUN_REQUEST, RF_STUN_BINDING); /* theirs is */
    put_user(&p, "abcd");
    rf_stun_put_u32(&out, RF_ICE_PRIORITY, 1);
    rf_stun_put_u64(&out, RF_ICE_CONTROLLING, UINT64_MAX);
    rf_stun_put_integrity(&out, w.e.crypto, RF_HASH_SHA1, p.password);
    assert_int_equal(code_of(answer_to(&from)), 0);
    struct rf_ice_info info;
    assert_int_equal(rf_ice_info(a->ice, id, &info), 0);
    assert_false(info.controlling);
    begin(RF_STUN_REQUEST, RF_STUN_BINDING); /* both are controlled, and theirs is larger */
    put_user(&p, "abcd");
    rf_stun_put_u32(&out, RF_ICE_PRIORITY, 1);
    rf_stun_put_u64(&out, RF_ICE_CONTROLLED, UINT64_MAX);
    rf_stun_put_integrity(&out, w.e.crypto, RF_HASH_SHA1, p.password);
    assert_int_equal(code_of(answer_to(&from)), RF_ICE_ROLE_CONFLICT);
    rf_ice_close(a->ice, id);
}

static void strangers(void **state)
{
    (void)state;
    struct rf_addr from = world_addr("198.18.0.1:4000"), other = world_addr("198.19.0.1:4000"), seen;
    unsigned answered = 0;
    for (int i = 0; i < 1000; i++) {
        begin(RF_STUN_REQUEST, RF_STUN_BINDING);
        struct rf_view answer = answer_to(&from);
        answered += answer.len > 0;
        if (i > 0)
            continue;
        struct rf_stun_msg m;
        assert_int_equal(rf_stun_decode(answer, &m), 0);
        assert_int_equal(rf_stun_address(&m, RF_STUN_XOR_MAPPED_ADDRESS, true, &seen), 0);
        assert_true(rf_addr_equal(&seen, &from));
    }
    assert_int_equal(answered, 50);
    begin(RF_STUN_REQUEST, RF_STUN_BINDING);
    assert_true(answer_to(&other).len > 0); /* others are answered all the same */
    begin(RF_STUN_REQUEST, RF_TURN_ALLOCATE);
    assert_int_equal(answer_to(&other).len, 0);
    assert_int_equal(rf_ice_counters(a->ice)->bindings_dropped, 950);
}

static void strays(void **state)
{
    (void)state;
    const struct rf_ice_counters *c = rf_ice_counters(a->ice);
    struct rf_addr from = world_addr("198.18.0.1:4000");
    rf_ice_id session;
    struct rf_view data;
    uint64_t before = c->stray_responses; /* to checks that the selection made needless */
    for (enum rf_stun_class class = RF_STUN_SUCCESS; class <= RF_STUN_ERROR; class ++) {
        begin(class, RF_STUN_BINDING);
        assert_int_equal(answer_to(&from).len, 0);
    }
    assert_int_equal(c->stray_responses, before + 2);
    begin(RF_STUN_INDICATION, RF_TURN_DATA);
    assert_int_equal(answer_to(&from).len, 0);
    begin(RF_STUN_INDICATION, RF_STUN_BINDING);
    assert_int_equal(answer_to(&from).len, 0);
    assert_int_equal(c->stray_indications, 1);
    const uint8_t channel[8] = {0x40, 0, 0, 4, 1, 2, 3, 4}, dtls[8] = {22, 254, 253}, short_stun[8] = {0, 1};
    assert_int_equal(rf_ice_input(a->ice, 0, &from, rf_view_of(channel, 8), &session, &data), RF_ICE_IN_DONE);
    assert_int_equal(c->stray_channels, 1);
    assert_int_equal(rf_ice_input(a->ice, 0, &from, rf_view_of(dtls, 8), &session, &data), RF_ICE_IN_OTHER);
    assert_int_equal(rf_ice_input(a->ice, 0, &from, rf_view_of(short_stun, 8), &session, &data),
                     RF_ICE_IN_DONE);
    assert_int_equal(rf_ice_input(a->ice, 0, &from, rf_view_of(dtls, 0), &session, &data), RF_ICE_IN_DONE);
    assert_int_equal(c->malformed, 2);
    assert_int_equal(rf_ice_input(a->ice, 3, &from, rf_view_of(dtls, 8), &session, &data), RF_ICE_IN_OTHER);
    assert_int_equal(rf_ice_stream_input(a->ice, 9, rf_view_of(channel, 8), &session, &data), RF_ICE_IN_DONE);
    assert_int_equal(rf_ice_stream_input(a->ice, 0, rf_view_of(channel, 8), &session, &data), RF_ICE_IN_DONE);
    rf_ice_stream_up(a->ice, 9);
    rf_ice_stream_down(a->ice, 9);
}

static struct rf_addr liar;
static bool from_elsewhere(struct ice_world *world, struct world_host *to, const struct rf_addr *from,
                           struct rf_view bytes)
{
    struct rf_stun_msg m;
    (void)world;
    (void)from;
    if (to != a || rf_stun_decode(bytes, &m) != 0 || m.class != RF_STUN_SUCCESS || from->port != WORLD_PORT)
        return true;
    world_inject(to, &liar, bytes);
    return false;
}

/* A success from another address than the check went to: the pair fails (RFC 8445, section 7.2.5.2.1), over which nothing is sent. */
static void asymmetric(void **state)
{
    struct ice_world other;
    (void)state;
    struct ice_world *saved = &other;
    world_init(saved, 2);
    struct world_host *old_a = a, *x = world_host(saved, WORLD_OUTSIDE, false, false),
                      *y = world_host(saved, WORLD_OUTSIDE, false, false);
    liar = world_addr("198.18.0.9:1234");
    a = x;
    saved->tap = from_elsewhere;
    assert_int_equal(world_connect(x, y), 0);
    assert_true(rf_ice_counters(x->ice)->asymmetric > 0);
    assert_int_equal(x->failed, 1);
    a = old_a;
    world_deinit(saved);
}

/* ---- everything that two agents said to each other, once more and broken ---- */

#define RECORDS 120
static struct {
    struct rf_addr from;
    size_t to, len;
    uint8_t bytes[400];
} records[RECORDS];
static size_t record_count;

static bool record(struct ice_world *world, struct world_host *to, const struct rf_addr *from,
                   struct rf_view bytes)
{
    (void)world;
    if (record_count < RECORDS && bytes.len <= sizeof(records[0].bytes)) {
        records[record_count].from = *from;
        records[record_count].to = to->index;
        records[record_count].len = bytes.len;
        memcpy(records[record_count++].bytes, bytes.p, bytes.len);
    }
    return true;
}

static void replay(bool fresh_fingerprint)
{
    for (size_t i = 0; i < record_count; i++)
        for (size_t at = 0; at < records[i].len; at++) {
            uint8_t copy[400];
            memcpy(copy, records[i].bytes, records[i].len);
            copy[at] ^= (uint8_t)(1 + rf_rng_below(&w.e.rng.rng, 255));
            size_t len = records[i].len;
            struct rf_stun_msg m;
            if (fresh_fingerprint && len > 28 && rf_stun_is(rf_view_of(copy, len))) {
                rf_buf_fixed(&out, room, sizeof(room));
                rf_buf_put(&out, copy, len - 8);
                rf_stun_put_fingerprint(&out);
                (void)rf_stun_decode(rf_buf_view(&out), &m);
                memcpy(copy, room, len);
            }
            struct world_host *h = &w.hosts[records[i].to];
            rf_ice_id session;
            struct rf_view data;
            if (rf_ice_input(h->ice, 0, &records[i].from, rf_view_of(copy, len), &session, &data) ==
                RF_ICE_IN_DATA)
                assert_in_range(data.len, 0, len);
            (void)rf_ice_input(h->ice, 0, &records[i].from, rf_view_of(copy, at), &session, &data);
            world_drain(h);
        }
}

static void broken_messages(void **state)
{
    (void)state;
    record_count = 0;
    w.tap = record;
    struct world_host *x = world_host(&w, world_nat(&w, SIM_NAT_SYMMETRIC, WORLD_OUTSIDE), true, false);
    struct world_host *y = world_host(&w, world_nat(&w, SIM_NAT_SYMMETRIC, WORLD_OUTSIDE), true, false);
    assert_true(world_connect(x, y) > 0);
    world_talk(x, y);
    w.tap = NULL;
    assert_in_range(record_count, 20, RECORDS);
    replay(false);
    replay(true);
    a->data_count = b->data_count = x->data_count = y->data_count = 0;
    world_pass(&w, RF_US_PER_S);
    assert_int_equal(x->failed + y->failed, 0);
    assert_int_equal(world_info(x).state, RF_ICE_CONNECTED);
    assert_true(rf_ice_counters(x->ice)->malformed > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(checks, setup, teardown),
        cmocka_unit_test_setup_teardown(conflicts, setup, teardown),
        cmocka_unit_test_setup_teardown(strangers, setup, teardown),
        cmocka_unit_test_setup_teardown(strays, setup, teardown),
        cmocka_unit_test_setup_teardown(asymmetric, setup, teardown),
        cmocka_unit_test_setup_teardown(broken_messages, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
