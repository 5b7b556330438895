/* test_link_engine.c - the engines by themselves: one client and one server channel, wired by hand. */
#include "link_pair.h"

#include <stdio.h>
#include <string.h>
#include "base/assert.h"
#include "link/saved.h"

static struct link_pair p;

static void channels(const char *const *client_alpn, size_t client_count, const char *const *server_alpn,
                     size_t server_count, const char *resume_key)
{
    pair_reset(&p);
    assert_int_equal(p.ops->channel_new(p.engine[0], false, client_alpn, client_count,
                                        rf_view_str(resume_key), &p.channel[0]),
                     0);
    assert_int_equal(
        p.ops->channel_new(p.engine[1], true, server_alpn, server_count, rf_view_str(""), &p.channel[1]), 0);
    assert_int_equal(p.ops->channel_start(p.channel[0], &p.wire[0]), 0);
}

/* Carries bytes to and fro, `step` at a time, until none are left. */
static void carry(size_t step)
{
    while (p.wire[0].len + p.wire[1].len > 0) {
        for (int i = 0; i < 2; i++) {
            struct rf_buf taken = p.wire[i];
            rf_buf_init(&p.wire[i], &p.mem.mem, (size_t)1 << 24);
            for (size_t at = 0; at < taken.len && !p.error[!i]; at += step) {
                size_t len = taken.len - at < step ? taken.len - at : step;
                p.error[!i] = p.ops->channel_input(p.channel[!i], rf_view_of(taken.p + at, len), &p.plain[!i],
                                                   &p.wire[!i]);
                if (!i)
                    (void)pair_admit(&p, &p.wire[1]);
            }
            rf_buf_deinit(&taken);
        }
    }
}

static void assert_up(void)
{
    for (int i = 0; i < 2; i++) {
        assert_int_equal(p.error[i], 0);
        assert_int_equal(p.ops->channel_state(p.channel[i]), RF_CHANNEL_UP);
    }
    pair_assert_shows(&p, 0);
}

static const char *const reload_sip[] = {"reload", "sip/2"};

/* Bytes one by one, in pieces and all at once. */
static void come_up(void)
{
    static const size_t steps[] = {1, 100, 100000};

    for (int k = 0; k < 3; k++) {
        channels(reload_sip, 1, reload_sip, 2, "");
        carry(steps[k]);
        assert_up();
        assert_string_equal(p.ops->channel_alpn(p.channel[0]), "reload");
        assert_string_equal(p.ops->channel_alpn(p.channel[1]), "reload");
    }
}

static void test_up(void **state)
{
    pair_init(&p, *state, RF_KEY_P256, RF_KEY_P256);
    come_up();
    pair_deinit(&p);
}

/* Every type of key in either role. */
static void test_keys(void **state)
{
    static const enum rf_key_type keys[][2] = {
        {RF_KEY_ED25519, RF_KEY_P256}, {RF_KEY_P256, RF_KEY_RSA2048}, {RF_KEY_RSA2048, RF_KEY_ED25519}};

    (void)state;
    for (int i = 0; i < 3; i++) {
        pair_init(&p, &rf_engine_gnutls, keys[i][0], keys[i][1]);
        come_up();
        pair_deinit(&p);
    }
}

static void test_data(void **state)
{
    static const size_t lens[] = {1, 100, 16383, 16384, 16385, 70000, 300000};
    static uint8_t blob[300000];

    pair_init(&p, *state, RF_KEY_P256, RF_KEY_P256);
    channels(reload_sip, 1, reload_sip, 2, "");
    carry(1000);
    assert_up();
    rf_rng_fill(&p.rng.rng, blob, sizeof blob);
    for (size_t i = 0; i < sizeof lens / sizeof *lens; i++) {
        for (int side = 0; side < 2; side++) {
            rf_buf_reset(&p.plain[!side]);
            assert_int_equal(p.ops->channel_write(p.channel[side], rf_view_of(blob, lens[i]), &p.wire[side]),
                             0);
            carry(1 + rf_rng_below(&p.rng.rng, 5000));
            assert_int_equal(p.error[!side], 0);
            assert_int_equal(p.plain[!side].len, lens[i]);
            assert_memory_equal(p.plain[!side].p, blob, lens[i]);
        }
    }
    /* the good-bye of one side */
    assert_int_equal(p.ops->channel_close(p.channel[0], &p.wire[0]), 0);
    carry(1000);
    assert_int_equal(p.error[1], 0);
    assert_int_equal(p.ops->channel_state(p.channel[1]), RF_CHANNEL_CLOSED);
    pair_deinit(&p);
}

struct alpn_row {
    const char *client[2];
    size_t client_count;
    const char *got; /* NULL: refused */
};
static const struct alpn_row alpn_rows[] = {
    {{NULL, NULL}, 0, ""},
    {{"sip/2", NULL}, 1, "sip/2"},
    {{"h2", "reload"}, 2, "reload"},
    {{"h2", NULL}, 1, NULL},
};

static void test_alpn(void **state)
{
    pair_init(&p, *state, RF_KEY_P256, RF_KEY_P256);
    for (size_t i = 0; i < sizeof alpn_rows / sizeof *alpn_rows; i++) {
        channels(alpn_rows[i].client, alpn_rows[i].client_count, reload_sip, 2, "");
        carry(1000);
        if (alpn_rows[i].got) {
            assert_up();
            assert_string_equal(p.ops->channel_alpn(p.channel[0]), alpn_rows[i].got);
            assert_string_equal(p.ops->channel_alpn(p.channel[1]), alpn_rows[i].got);
        } else {
            assert_true(p.error[1] < 0);
            assert_int_equal(p.ops->channel_state(p.channel[1]), RF_CHANNEL_FAILED);
        }
    }
    pair_deinit(&p);
}

static void test_refuse(void **state)
{
    static const int reasons[] = {RF_EEXPIRED, RF_EREVOKED,  RF_EUNTRUSTED,
                                  RF_EFORMAT,  RF_EMISMATCH, RF_ENOMEM};

    pair_init(&p, *state, RF_KEY_P256, RF_KEY_P256);
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++) {
        channels(reload_sip, 1, reload_sip, 2, "");
        carry(1000);
        assert_up();
        p.ops->channel_refuse(p.channel[1], reasons[i], &p.wire[1]);
        assert_true(p.wire[1].len > 0);
        carry(1000);
        assert_int_equal(p.error[0], RF_EREMOTE);
        assert_int_equal(p.ops->channel_state(p.channel[0]), RF_CHANNEL_FAILED);
        assert_int_equal(p.ops->channel_state(p.channel[1]), RF_CHANNEL_FAILED);
    }
    pair_deinit(&p);
}

/* The output buffer has no room: the channel fails instead of losing bytes. */
static void test_no_room(void **state)
{
    static uint8_t blob[5000];
    struct rf_buf small;
    int err;

    pair_init(&p, *state, RF_KEY_P256, RF_KEY_P256);
    channels(reload_sip, 1, reload_sip, 2, "");
    carry(1000);
    rf_buf_init(&small, &p.mem.mem, 1000);
    err = p.ops->channel_write(p.channel[0], rf_view_of(blob, sizeof blob), &small);
    assert_int_equal(err, RF_ELIMIT);
    assert_int_equal(p.ops->channel_state(p.channel[0]), RF_CHANNEL_FAILED);
    rf_buf_deinit(&small);
    pair_deinit(&p);
}

/* What a client remembers: as many sessions as may be, the least recently used go first. */
static void test_session_cache(void **state)
{
    const uint64_t seed[2] = {1, 2};
    struct saved_set set;
    struct rf_mem_test mem;
    char key[16];

    (void)state;
    rf_mem_test_init(&mem);
    saved_init(&set, &mem.mem, seed, 256);
    for (int i = 0; i < 257; i++) {
        snprintf(key, sizeof key, "node %d", i);
        saved_put(&set, rf_view_str(key), rf_view_str(key));
        if (i == 200) /* node 0 is used again */
            assert_view(saved_find(&set, rf_view_str("node 0")), "node 0");
    }
    assert_int_equal(saved_find(&set, rf_view_str("node 1")).len, 0);
    assert_view(saved_find(&set, rf_view_str("node 0")), "node 0");
    assert_view(saved_find(&set, rf_view_str("node 2")), "node 2");
    saved_drop(&set, rf_view_str("node 2"));
    assert_int_equal(saved_find(&set, rf_view_str("node 2")).len, 0);
    saved_deinit(&set);
    assert_int_equal(mem.live_count, 0);
}

/* One session per peer: those of others do not touch it. */
static void test_session_of_each(void **state)
{
    static const char *const keys[] = {"node 0", "node 1", "node 2"};

    (void)state;
    pair_init(&p, &rf_engine_gnutls, RF_KEY_P256, RF_KEY_P256);
    for (int round = 0; round < 2; round++)
        for (size_t i = 0; i < RF_COUNT(keys); i++) {
            channels(reload_sip, 1, reload_sip, 2, keys[i]);
            carry(100000);
            assert_up();
            assert_int_equal(p.ops->channel_resumed(p.channel[0]), round);
            assert_int_equal(p.ops->channel_resumed(p.channel[1]), round);
        }
    pair_deinit(&p);
}

/* A peer with no certificate at all does not come up, on neither side. */
static void test_broken_identity(void **state)
{
    struct rf_engine *engine;

    (void)state;
    pair_init(&p, &rf_engine_gnutls, RF_KEY_P256, RF_KEY_P256);
    const struct rf_view none = rf_view_str("no certificate");
    const struct rf_view many[RF_ENGINE_CERTS_MAX + 1] = {none};
    assert_int_equal(p.ops->engine_new(&p.env, &none, 1, rf_view_str("no key"), &engine), RF_ECRYPTO);
    assert_int_equal(p.ops->engine_new(&p.env, many, 0, rf_view_str("no key"), &engine), RF_EINVAL);
    assert_int_equal(p.ops->engine_new(&p.env, many, RF_COUNT(many), rf_view_str("no key"), &engine),
                     RF_EINVAL);
    {
        struct rf_buf pem; /* the key of another */
        rf_buf_init(&pem, rf_mem_system(), 65536);
        assert_int_equal(p.identity[1].crypto->ops->key_to_pem(p.identity[1].crypto, p.identity[1].key, &pem),
                         0);
        assert_int_equal(
            p.ops->engine_new(&p.env, &p.identity[0].cert->x509.der, 1, rf_buf_view(&pem), &engine),
            RF_ECRYPTO);
        rf_buf_deinit(&pem);
    }
    pair_deinit(&p);
}

int test_link_engine(void)
{
    const struct CMUnitTest tests[] = {
        both_engines(test_up),
        cmocka_unit_test(test_keys),
        both_engines(test_data),
        both_engines(test_alpn),
        both_engines(test_refuse),
        both_engines(test_no_room),
        cmocka_unit_test(test_session_cache),
        cmocka_unit_test(test_session_of_each),
        cmocka_unit_test(test_broken_identity),
    };
    return cmocka_run_group_tests_name("link engine", tests, NULL, NULL);
}
