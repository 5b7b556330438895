/* test_link_dtls_engine.c - the engines of datagrams by themselves: one client and one server channel, and a network between them that loses, repeats and mixes up. */
#include "link_pair.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/assert.h"

#define FLYING 4096

struct flying {
    struct rf_view bytes; /* owned */
};

static struct link_pair p;

/* The network between them. */
static struct {
    struct rf_rng_seeded dice;
    struct flying flying[2][FLYING];
    size_t flying_count[2]; /* to 0, to 1 */
    unsigned loss, twice;   /* percent */
    bool mix;
    size_t longest, sent[2];
    unsigned greeted, cookies, bad_cookies;
    bool stateless; /* the server asks for a cookie */
    struct rf_addr from;
} n;

static void start(const struct rf_engine_ops *ops, enum rf_key_type client, enum rf_key_type server)
{
    pair_init(&p, ops, client, server);
    memset(&n, 0, sizeof n);
    rf_rng_seeded_init(&n.dice, 8);
    n.from = (struct rf_addr){.family = 4, .port = 7000, .ip = {192, 0, 2, 9}};
}

static bool chance(unsigned percent)
{
    return rf_rng_below(&n.dice.rng, 100) < percent;
}

/* One datagram more on its way to side i. */
static void fly(int i, struct rf_view bytes)
{
    assert_true(n.flying_count[i] < FLYING);
    n.flying[i][n.flying_count[i]++].bytes =
        rf_view_of(rf_memdup(rf_mem_system(), bytes.p, bytes.len), bytes.len);
}

/* What the call left in p.wire[0] sets out from side i. */
static void set_out(int i)
{
    struct rf_view all = rf_buf_view(&p.wire[0]), one;

    while (rf_view_v(&all, 2, &one) == 0) {
        n.longest = one.len > n.longest ? one.len : n.longest;
        n.sent[i]++;
        if (chance(n.loss))
            continue;
        fly(!i, one);
        if (chance(n.twice))
            fly(!i, one);
    }
    assert_int_equal(all.len, 0);
    rf_buf_reset(&p.wire[0]);
}

static struct rf_view take(int i)
{
    size_t at = n.mix ? rf_rng_below(&n.dice.rng, n.flying_count[i]) : 0;
    struct rf_view bytes = n.flying[i][at].bytes;

    memmove(&n.flying[i][at], &n.flying[i][at + 1], (n.flying_count[i] - at - 1) * sizeof n.flying[i][0]);
    n.flying_count[i]--;
    return bytes;
}

static void drop_flying(void)
{
    for (int i = 0; i < 2; i++)
        while (n.flying_count[i] > 0)
            rf_free(rf_mem_system(), (void *)(uintptr_t)take(i).p);
}

static const char *const reload_sip[] = {"reload", "sip/2"};

static void server_new(void)
{
    assert_int_equal(p.ops->channel_new(p.engine[1], true, reload_sip, 2, rf_view_str(""), &p.channel[1]), 0);
}

static void channels(const char *const *client_alpn, size_t client_count, const char *resume_key)
{
    pair_reset(&p);
    memset(n.sent, 0, sizeof n.sent);
    drop_flying();
    n.longest = 0;
    if (!n.stateless)
        server_new();
    assert_int_equal(p.ops->channel_new(p.engine[0], false, client_alpn, client_count,
                                        rf_view_str(resume_key), &p.channel[0]),
                     0);
    assert_int_equal(p.ops->channel_start(p.channel[0], &p.wire[0]), 0);
    set_out(0);
}

/* A datagram for a server that knows nobody. */
static void stranger(struct rf_view bytes)
{
    struct rf_hello hello = {0};
    struct rf_view peer = rf_view_of(&n.from, sizeof n.from);
    size_t before = p.mem.live_count;
    int err = p.ops->hello(p.engine[1], peer, bytes, &hello, &p.wire[0]);

    if (err == RF_EAGAIN) {
        struct rf_view answer = rf_buf_view(&p.wire[0]);
        assert_true(answer.len - 2 <= bytes.len);
        n.cookies++;
        n.bad_cookies += hello.bad_cookie;
        assert_true(p.mem.live_count <= before + 1); /* p.wire[0] */
    } else if (err == 0) {
        n.greeted++;
        server_new();
        p.ops->channel_greet(p.channel[1], &hello);
        p.error[1] = p.ops->channel_input(p.channel[1], bytes, &p.plain[1], &p.wire[0]);
    }
    set_out(1);
}

static void judge(void)
{
    if (pair_admit(&p, &p.wire[0]))
        set_out(1);
}

static bool deliver(int i)
{
    struct rf_view bytes, copy;

    if (n.flying_count[i] == 0)
        return false;
    bytes = take(i);
    copy = rf_view_of(malloc(bytes.len), bytes.len); /* exactly as long */
    memcpy((void *)(uintptr_t)copy.p, bytes.p, bytes.len);
    rf_free(rf_mem_system(), (void *)(uintptr_t)bytes.p);
    if (!p.channel[i]) {
        stranger(copy);
    } else if (!p.error[i]) {
        p.error[i] = p.ops->channel_input(p.channel[i], copy, &p.plain[i], &p.wire[0]);
        set_out(i);
    }
    judge();
    free((void *)(uintptr_t)copy.p);
    return true;
}

static void carry(void)
{
    for (bool any = true; any;) {
        any = false;
        for (int i = 0; i < 2; i++)
            any |= deliver(i);
    }
}

/* Half a second passes. */
static void tick(void)
{
    p.now.mono_us += RF_US_PER_S / 2;
    for (int i = 0; i < 2; i++)
        if (p.channel[i] && !p.error[i]) {
            p.error[i] = p.ops->channel_tick(p.channel[i], &p.wire[0]);
            set_out(i);
        }
}

static bool is_up(int i)
{
    return p.channel[i] && p.ops->channel_state(p.channel[i]) == RF_CHANNEL_UP;
}

/* How many times half a second passed until both were up. */
static int settle(int most)
{
    for (int ticks = 0; ticks <= most; ticks++) {
        carry();
        assert_int_equal(p.error[0], 0);
        assert_int_equal(p.error[1], 0);
        if (is_up(0) && is_up(1))
            return ticks;
        tick();
    }
    fail_msg("the handshake does not end");
    return 0;
}

static void finish(void)
{
    drop_flying();
    pair_deinit(&p);
}

static void write_to(int i, const void *bytes, size_t len)
{
    assert_int_equal(p.ops->channel_write(p.channel[i], rf_view_of(bytes, len), &p.wire[0]), 0);
    set_out(i);
}

/* Side i got exactly this record, and nothing since. */
static void assert_got(int i, const char *text)
{
    struct rf_view all = rf_buf_view(&p.plain[i]), one;

    assert_int_equal(rf_view_v(&all, 2, &one), 0);
    assert_view(one, text);
    assert_int_equal(all.len, 0);
    rf_buf_reset(&p.plain[i]);
}

/* A record each way. */
static void assert_talk(void)
{
    write_to(0, "one", 3);
    write_to(1, "two", 3);
    carry();
    assert_got(1, "one");
    assert_got(0, "two");
}

static void test_up(void **state)
{
    static const enum rf_key_type keys[][2] = {{RF_KEY_P256, RF_KEY_P256},
                                               {RF_KEY_ED25519, RF_KEY_P256},
                                               {RF_KEY_P256, RF_KEY_RSA2048},
                                               {RF_KEY_RSA2048, RF_KEY_ED25519}};

    for (size_t i = 0; i < RF_COUNT(keys); i++) {
        start(*state, keys[i][0], keys[i][1]);
        for (int stateless = 0; stateless < 2; stateless++) {
            n.stateless = stateless;
            channels(reload_sip, 1, "");
            assert_int_equal(settle(0), 0);
            pair_assert_shows(&p, 0);
            assert_string_equal(p.ops->channel_alpn(p.channel[0]), "reload");
            assert_string_equal(p.ops->channel_alpn(p.channel[1]), "reload");
            assert_int_equal(n.cookies, stateless);
            assert_int_equal(n.greeted, stateless);
            assert_true(n.longest <= 1200);
            assert_talk();
        }
        finish();
    }
}

/* Nothing is longer than the MTU, and what does not fit is refused. */
static void test_mtu(void **state)
{
    static const uint8_t blob[20000];

    start(*state, RF_KEY_P256, RF_KEY_P256);
    for (size_t mtu = 256; mtu <= 4096; mtu *= 4) {
        for (int i = 0; i < 2; i++)
            p.ops->engine_set_mtu(p.engine[i], mtu);
        channels(reload_sip, 1, "");
        settle(0);
        assert_true(n.longest <= mtu);
        size_t room = p.ops->channel_room(p.channel[0]);
        assert_true(room < mtu && room > mtu - 50);
        write_to(0, blob, room);
        assert_true(n.longest == mtu);
        carry();
        assert_int_equal(p.plain[1].len, 2 + room);
        assert_int_equal(p.ops->channel_write(p.channel[0], rf_view_of(blob, room + 1), &p.wire[0]),
                         RF_ELIMIT);
        assert_int_equal(p.ops->channel_state(p.channel[0]), RF_CHANNEL_UP);
        assert_int_equal(p.wire[0].len, 0);
    }
    finish();
}

/* Flights are lost, come twice and in any order; both ends come up all the same, and then data get through. */
static void test_bad_network(void **state)
{
    int ticks = 0;

    start(*state, RF_KEY_P256, RF_KEY_P256);
    for (int round = 0; round < 60; round++) {
        n.loss = 30;
        n.twice = 20;
        n.mix = true;
        n.stateless = round & 1;
        channels(reload_sip, 1, round % 3 ? "him" : "");
        ticks += settle(100);
        n.loss = n.twice = 0;
        carry();
        assert_talk();
    }
    assert_true(ticks > 60);
    finish();
}

/* Every datagram of the handshake is the one that is lost, once. */
static void test_each_lost(void **state)
{
    size_t total[2] = {100, 100};

    for (int resumed = 0; resumed < 2; resumed++)
        for (int side = 0; side < 2; side++)
            for (size_t lost = 0; lost < total[side]; lost++) {
                size_t seen = 0;
                start(*state, RF_KEY_P256, RF_KEY_P256);
                if (resumed) {
                    channels(reload_sip, 1, "him");
                    settle(0);
                    assert_int_equal(p.ops->channel_admit(p.channel[0], &p.wire[0]), 0);
                }
                channels(reload_sip, 1, "him");
                for (int ticks = 0; ticks < 4 && !(is_up(0) && is_up(1)); ticks++) {
                    for (bool any = true; any;) {
                        any = false;
                        for (int i = 0; i < 2; i++) {
                            if (i != side && n.flying_count[i] > 0 && seen++ == lost) {
                                rf_free(rf_mem_system(), (void *)(uintptr_t)take(i).p);
                                any = true;
                            }
                            any |= deliver(i);
                        }
                    }
                    if (!(is_up(0) && is_up(1)))
                        tick();
                }
                assert_true(is_up(0) && is_up(1));
                total[side] = n.sent[side];
                p.now.mono_us += RF_US_PER_S;
                assert_talk();
                finish();
            }
}

/* Records that come again, late or damaged are dropped and counted; the channel lives on. */
static void test_replay(void **state)
{
    uint8_t *copies[80];
    size_t len = 0;
    char text[16];

    start(*state, RF_KEY_P256, RF_KEY_P256);
    channels(reload_sip, 1, "");
    settle(0);
    for (int i = 0; i < 80; i++) {
        snprintf(text, sizeof text, "m%04d", i);
        write_to(0, text, 5);
        len = n.flying[1][n.flying_count[1] - 1].bytes.len;
        copies[i] = rf_memdup(rf_mem_system(), n.flying[1][n.flying_count[1] - 1].bytes.p, len);
    }
    n.mix = false;
    struct rf_view first = take(1), second = take(1); /* held back */
    carry();
    assert_int_equal(p.plain[1].len, 78 * 7);
    rf_buf_reset(&p.plain[1]);
    uint32_t dropped = p.ops->channel_dropped(p.channel[1]);
    for (int i = 2; i < 80; i++)
        fly(1, rf_view_of(copies[i], len));
    fly(1, first); /* more than 64 behind */
    copies[79][len - 1] ^= 1;
    copies[79][10] = 200; /* a number that never came */
    if (p.ops != &rf_engine_plain_datagram)
        fly(1, rf_view_of(copies[79], len));
    carry();
    assert_int_equal(p.plain[1].len, 0);
    assert_true(p.ops->channel_dropped(p.channel[1]) >= dropped + 79);
    assert_int_equal(p.error[1], 0);
    write_to(0, "on", 2);
    carry();
    assert_got(1, "on");
    rf_free(rf_mem_system(), (void *)(uintptr_t)first.p);
    rf_free(rf_mem_system(), (void *)(uintptr_t)second.p);
    for (int i = 0; i < 80; i++)
        rf_free(rf_mem_system(), copies[i]);
    finish();
}

/* Several records in one datagram, one of them cut or torn. */
static void test_packed(void **state)
{
    uint8_t glued[400];
    size_t len = 0;

    start(*state, RF_KEY_P256, RF_KEY_P256);
    channels(reload_sip, 1, "");
    settle(0);
    for (int i = 0; i < 3; i++) {
        write_to(0, "abc", 3);
        struct rf_view one = take(1);
        memcpy(glued + len, one.p, one.len);
        len += one.len;
        rf_free(rf_mem_system(), (void *)(uintptr_t)one.p);
    }
    fly(1, rf_view_of(glued, len - 1)); /* the third is cut */
    carry();
    assert_int_equal(p.plain[1].len, 2 * 5);
    assert_int_equal(p.ops->channel_dropped(p.channel[1]), 1);
    rf_buf_reset(&p.plain[1]);
    fly(1, rf_view_of(glued, len)); /* the third comes whole, the others again */
    carry();
    assert_got(1, "abc");
    assert_int_equal(p.error[1], 0);
    for (size_t cut = 1; cut < 30; cut++)
        fly(1, rf_view_of(glued, cut));
    carry();
    assert_int_equal(p.plain[1].len, 0);
    assert_int_equal(p.error[1], 0);
    assert_true(is_up(1));
    finish();
}

/* A cookie is good for its address only, and for two minutes at most. */
static void test_cookies(void **state)
{
    start(*state, RF_KEY_P256, RF_KEY_P256);
    for (int row = 0; row < 4; row++) {
        static const uint64_t wait_s[] = {0, 59, 121, 100000};
        n.stateless = true;
        n.greeted = n.cookies = n.bad_cookies = 0;
        channels(reload_sip, 1, "");
        deliver(1); /* the hello */
        assert_int_equal(n.cookies, 1);
        deliver(0); /* the cookie */
        p.now.mono_us += wait_s[row] * RF_US_PER_S;
        struct rf_view good = n.flying[1][0].bytes;
        struct rf_addr from = n.from;
        n.from.port++; /* somebody else shows it */
        stranger(good);
        assert_int_equal(n.greeted, 0);
        assert_int_equal(n.bad_cookies, 1);
        drop_flying();
        n.from = from;
        tick();
        deliver(1);
        assert_int_equal(n.greeted, row < 2);
        assert_int_equal(n.bad_cookies, 1 + (row >= 2));
        settle(4);
        assert_int_equal(n.greeted, 1);
    }
    finish();
}

/* Nothing that is no hello gets an answer, cut at any length or with any bit turned. */
static void test_no_hello(void **state)
{
    uint8_t bytes[1500];
    struct rf_hello hello;

    start(*state, RF_KEY_P256, RF_KEY_P256);
    channels(reload_sip, 1, "");
    struct rf_view first = n.flying[1][0].bytes;
    memcpy(bytes, first.p, first.len);
    for (size_t len = 0; len < first.len; len++)
        assert_int_equal(
            p.ops->hello(p.engine[1], rf_view_str("x"), rf_view_of(bytes, len), &hello, &p.wire[0]),
            RF_EFORMAT);
    for (size_t bit = 0; bit < first.len * 8; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        int err =
            p.ops->hello(p.engine[1], rf_view_str("x"), rf_view_of(bytes, first.len), &hello, &p.wire[0]);
        assert_true(err == RF_EFORMAT || err == RF_EAGAIN);
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        rf_buf_reset(&p.wire[0]);
    }
    finish();
}

/* Both remember the session; a refused client's is forgotten. */
static void test_resume(void **state)
{
    (void)state;
    start(&rf_engine_gnutls_dtls, RF_KEY_P256, RF_KEY_P256);
    for (int round = 0; round < 4; round++) {
        n.stateless = round & 1;
        channels(reload_sip, 1, "him");
        settle(0);
        assert_int_equal(p.ops->channel_resumed(p.channel[0]), round > 0);
        assert_int_equal(p.ops->channel_resumed(p.channel[1]), round > 0);
        pair_assert_shows(&p, 0);
        pair_assert_shows(&p, 1);
        assert_true(n.longest <= 1200);
        if (round < 3)
            assert_int_equal(p.ops->channel_admit(p.channel[0], &p.wire[0]), 0);
    }
    p.ops->channel_refuse(p.channel[1], RF_EREVOKED, &p.wire[0]);
    set_out(1);
    carry();
    assert_int_equal(p.error[0], RF_EREMOTE);
    channels(reload_sip, 1, "him");
    settle(0);
    assert_false(p.ops->channel_resumed(p.channel[0]));
    finish();
}

static void test_refuse_and_bye(void **state)
{
    start(*state, RF_KEY_P256, RF_KEY_P256);
    channels(reload_sip, 1, "");
    settle(0);
    p.ops->channel_refuse(p.channel[1], RF_EEXPIRED, &p.wire[0]);
    set_out(1);
    carry();
    assert_int_equal(p.error[0], RF_EREMOTE);
    assert_int_equal(p.ops->channel_state(p.channel[1]), RF_CHANNEL_FAILED);
    channels(reload_sip, 1, "");
    settle(0);
    assert_int_equal(p.ops->channel_close(p.channel[0], &p.wire[0]), 0);
    set_out(0);
    carry();
    assert_int_equal(p.error[1], 0);
    assert_int_equal(p.ops->channel_state(p.channel[1]), RF_CHANNEL_CLOSED);
    finish();
}

static void test_alpn(void **state)
{
    static const char *const strange[] = {"h2"};

    start(*state, RF_KEY_P256, RF_KEY_P256);
    channels(NULL, 0, "");
    settle(0);
    assert_string_equal(p.ops->channel_alpn(p.channel[1]), "");
    channels(reload_sip + 1, 1, "");
    settle(0);
    assert_string_equal(p.ops->channel_alpn(p.channel[1]), "sip/2");
    channels(strange, 1, "");
    carry();
    assert_true(p.error[1] < 0);
    finish();
}

/* A stranger who repeats the datagrams of a handshake at the server is not answered each time. */
static void test_no_amplifier(void **state)
{
    uint8_t hello[1500];

    start(*state, RF_KEY_P256, RF_KEY_P256);
    channels(reload_sip, 1, "");
    struct rf_view first = n.flying[1][0].bytes;
    memcpy(hello, first.p, first.len);
    deliver(1);
    size_t flight = n.sent[1];
    for (int i = 0; i < 1000; i++) {
        fly(1, rf_view_of(hello, first.len));
        deliver(1);
    }
    assert_true(n.sent[1] <= 2 * flight);
    finish();
}

int test_link_dtls_engine(void)
{
    const struct CMUnitTest tests[] = {
        both_datagram_engines(test_up),          both_datagram_engines(test_mtu),
        both_datagram_engines(test_bad_network), both_datagram_engines(test_each_lost),
        both_datagram_engines(test_replay),      both_datagram_engines(test_packed),
        both_datagram_engines(test_cookies),     both_datagram_engines(test_no_hello),
        cmocka_unit_test(test_resume),           both_datagram_engines(test_refuse_and_bye),
        both_datagram_engines(test_alpn),        both_datagram_engines(test_no_amplifier),
    };
    return cmocka_run_group_tests_name("datagram engines", tests, NULL, NULL);
}
