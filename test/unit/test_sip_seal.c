/* test_sip_seal.c - the DTLS handshake over a lossy wire in memory, the keys that come out, SRTP with them. */
#include "test_sip_media.h"
#include <stdio.h>
#include <string.h>
#include <time.h>
#include "base/error.h"
#include "base/rng.h"
#include "sip/seal.h"
#include "sip/seal_gcm.h"

#define WIRE_MAX 64

struct end {
    struct dtls *dtls;
    struct end *other;
    struct rf_rng *draw; /* NULL: nothing is lost */
    unsigned lost_of_8;
    size_t count, sent;
    struct {
        size_t len;
        uint8_t bytes[DTLS_MAX_LEN];
    } in[WIRE_MAX];
};

static void send_to_other(void *arg, struct rf_view datagram)
{
    struct end *end = arg, *to = end->other;
    end->sent++;
    assert_true(datagram.len <= 1200);
    assert_in_range(datagram.p[0], 20, 63); /* RFC 7983 */
    if ((end->draw != NULL && rf_rng_below(end->draw, 8) < end->lost_of_8) || to->count >= WIRE_MAX)
        return;
    to->in[to->count].len = datagram.len;
    memcpy(to->in[to->count++].bytes, datagram.p, datagram.len);
}

struct pair {
    struct dtls_identity *ids[2];
    struct end ends[2];
    struct rf_rng_seeded draw;
};

static struct sdp_print print_of(const struct dtls_identity *id)
{
    struct sdp_print p = {.hash = SDP_SHA256, .len = SDP_PRINT_LEN};
    memcpy(p.bytes, dtls_identity_print(id), SDP_PRINT_LEN);
    return p;
}

/* [0] is active. wrong: that end was told another fingerprint. */
static struct pair *pair_new(unsigned lost_of_8, uint64_t seed, int wrong, const uint16_t profiles[2])
{
    struct pair *p = calloc(1, sizeof(*p));
    assert_non_null(p);
    rf_rng_seeded_init(&p->draw, seed);
    for (int i = 0; i < 2; i++)
        assert_int_equal(dtls_identity_new(rf_mem_system(), &p->ids[i]), 0);
    for (int i = 0; i < 2; i++) {
        struct end *end = &p->ends[i];
        *end = (struct end){.other = &p->ends[1 - i], .draw = &p->draw.rng, .lost_of_8 = lost_of_8};
        struct dtls_config config = {.mem = rf_mem_system(),
                                     .identity = p->ids[i],
                                     .active = i == 0,
                                     .print = print_of(p->ids[1 - i]),
                                     .again_ms = 5,
                                     .only_profile = profiles != NULL ? profiles[i] : 0,
                                     .send = send_to_other,
                                     .arg = end};
        config.print.bytes[7] ^= wrong == i;
        assert_int_equal(dtls_new(&config, &end->dtls), 0);
    }
    return p;
}

static void pair_free(struct pair *p)
{
    for (int i = 0; i < 2; i++) {
        dtls_free(p->ends[i].dtls);
        dtls_identity_free(rf_mem_system(), p->ids[i]);
    }
    free(p);
}

static enum dtls_state deliver(struct end *end)
{
    enum dtls_state state = dtls_tick(end->dtls);
    while (end->count > 0) {
        struct rf_view first = rf_view_of(end->in[0].bytes, end->in[0].len);
        state = dtls_input(end->dtls, first);
        memmove(end->in, end->in + 1, --end->count * sizeof(end->in[0]));
    }
    return state;
}

/* Until both have ended, one way or the other. */
static void run(struct pair *p, enum dtls_state out[2])
{
    const struct timespec pause = {.tv_nsec = 1000000};
    out[0] = dtls_start(p->ends[0].dtls);
    out[1] = dtls_start(p->ends[1].dtls);
    for (int turns = 0; turns < 5000 && (out[0] == DTLS_HANDSHAKE || out[1] == DTLS_HANDSHAKE); turns++) {
        bool quiet = p->ends[0].count == 0 && p->ends[1].count == 0;
        if (quiet)
            nanosleep(&pause, NULL); /* GnuTLS looks at a clock of its own */
        for (int i = 0; i < 2; i++)
            out[i] = deliver(&p->ends[i]);
    }
}

static void test_handshake(void **state)
{
    static const struct {
        uint16_t profiles[2], chosen;
    } rows[] = {{{0, 0}, DTLS_AEAD_AES_128_GCM},
                {{0, DTLS_AES128_CM_SHA1_80}, DTLS_AES128_CM_SHA1_80},
                {{DTLS_AEAD_AES_128_GCM, 0}, DTLS_AEAD_AES_128_GCM}};
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct pair *p = pair_new(0, 1, -1, rows[i].profiles);
        struct dtls_keys a, b;
        enum dtls_state ended[2];
        assert_false(dtls_keys(p->ends[0].dtls, &a));
        run(p, ended);
        assert_int_equal(ended[0], DTLS_UP);
        assert_int_equal(ended[1], DTLS_UP);
        assert_true(dtls_keys(p->ends[0].dtls, &a) && dtls_keys(p->ends[1].dtls, &b));
        assert_int_equal(a.profile, rows[i].chosen);
        assert_int_equal(a.key_len, rows[i].chosen == DTLS_AEAD_AES_128_GCM ? 28 : 30);
        assert_memory_equal(a.ours, b.theirs, a.key_len);
        assert_memory_equal(a.theirs, b.ours, a.key_len);
        assert_memory_not_equal(a.ours, a.theirs, a.key_len);
        assert_int_equal(dtls_wait_ms(p->ends[0].dtls), 0);
        pair_free(p);
    }
}

static void test_loss(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct pair *p = pair_new(3, seed, -1, NULL);
        enum dtls_state ended[2];
        run(p, ended);
        assert_int_equal(ended[0], DTLS_UP);
        assert_int_equal(ended[1], DTLS_UP);
        pair_free(p);
    }
}

static void test_refusals(void **state)
{
    static const uint16_t apart[2] = {DTLS_AEAD_AES_128_GCM, DTLS_AES128_CM_SHA1_80};
    enum dtls_state ended[2];
    struct dtls_keys keys;
    (void)state;
    for (int wrong = 0; wrong < 2; wrong++) { /* somebody in between: his certificate is not what was told */
        struct pair *p = pair_new(0, 1, wrong, NULL);
        run(p, ended);
        assert_int_equal(ended[wrong], DTLS_FAILED);
        assert_false(dtls_keys(p->ends[wrong].dtls, &keys));
        assert_non_null(strstr(dtls_why(p->ends[wrong].dtls), "certificate"));
        pair_free(p);
    }
    struct pair *p = pair_new(0, 1, -1, apart);
    run(p, ended);
    assert_true(ended[0] != DTLS_UP || ended[1] != DTLS_UP);
    pair_free(p);
}

/* Noise between the datagrams costs nothing but itself. */
static void test_noise(void **state)
{
    const struct timespec pause = {.tv_nsec = 1000000};
    (void)state;
    for (uint64_t seed = 1; seed <= 10; seed++) {
        struct pair *p = pair_new(0, seed, -1, NULL);
        enum dtls_state ended[2] = {dtls_start(p->ends[0].dtls), DTLS_HANDSHAKE};
        for (int turns = 0; turns < 3000 && (ended[0] != DTLS_UP || ended[1] != DTLS_UP); turns++) {
            if (p->ends[0].count == 0 && p->ends[1].count == 0)
                nanosleep(&pause, NULL); /* as in run() */
            for (int i = 0; i < 2; i++) {
                uint8_t noise[200];
                size_t len = 1 + rf_rng_below(&p->draw.rng, sizeof(noise));
                rf_rng_fill(&p->draw.rng, noise, len);
                noise[0] = (uint8_t)rf_rng_between(&p->draw.rng, 20, 63);
                assert_int_not_equal(dtls_input(p->ends[i].dtls, rf_view_of(noise, len)), DTLS_FAILED);
                ended[i] = deliver(&p->ends[i]);
            }
        }
        assert_int_equal(ended[0], DTLS_UP);
        assert_int_equal(ended[1], DTLS_UP);
        pair_free(p);
    }
}

/* ---- SRTP ---- */

struct seals {
    struct seal *a, *b;
};

static struct seals seals_new(uint16_t profile)
{
    struct dtls_keys a = {.profile = profile, .key_len = profile == DTLS_AEAD_AES_128_GCM ? 28 : 30}, b;
    struct seals s;
    for (uint8_t i = 0; i < a.key_len; i++) {
        a.ours[i] = i;
        a.theirs[i] = (uint8_t)(100 + i);
    }
    b = a;
    memcpy(b.ours, a.theirs, sizeof(b.ours));
    memcpy(b.theirs, a.ours, sizeof(b.theirs));
    assert_int_equal(seal_new(rf_mem_system(), &a, &s.a), 0);
    assert_int_equal(seal_new(rf_mem_system(), &b, &s.b), 0);
    return s;
}

static void seals_free(struct seals s)
{
    seal_free(rf_mem_system(), s.a);
    seal_free(rf_mem_system(), s.b);
}

static size_t rtp(uint8_t out[256], uint32_t ssrc, uint16_t seq)
{
    static const char text[] = "the payload of a packet of audio";
    const uint8_t head[12] = {0x80,
                              0,
                              (uint8_t)(seq >> 8),
                              (uint8_t)seq,
                              0,
                              0,
                              0,
                              1,
                              (uint8_t)(ssrc >> 24),
                              (uint8_t)(ssrc >> 16),
                              (uint8_t)(ssrc >> 8),
                              (uint8_t)ssrc};
    memcpy(out, head, sizeof(head));
    memcpy(out + sizeof(head), text, sizeof(text));
    return sizeof(head) + sizeof(text);
}

static void test_packets(void **state)
{
    static const uint16_t profiles[] = {DTLS_AES128_CM_SHA1_80, DTLS_AEAD_AES_128_GCM};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct seals s = seals_new(profiles[i]);
        _Alignas(8) uint8_t p[256], plain[256], sent[256];
        size_t len = rtp(p, 7, 1), plain_len = rtp(plain, 7, 1), sent_len;
        assert_int_equal(seal_close(s.a, p, &len, false), 0);
        assert_true(len > plain_len && len <= plain_len + SEAL_EXTRA);
        assert_memory_equal(p, plain, 12); /* the header stays readable */
        assert_memory_not_equal(p + 12, plain + 12, plain_len - 12);
        memcpy(sent, p, sent_len = len);
        p[len - 1] ^= 1; /* changed under way */
        assert_int_equal(seal_open(s.b, p, &len, false), RF_EAUTH);
        memcpy(p, sent, len = sent_len);
        assert_int_equal(seal_open(s.b, p, &len, false), 0);
        assert_int_equal(len, plain_len);
        assert_memory_equal(p, plain, plain_len);
        memcpy(p, sent, len = sent_len); /* a second time */
        assert_int_equal(seal_open(s.b, p, &len, false), RF_EDUPLICATE);
        memcpy(p, sent, len = sent_len); /* its own packet thrown back at the sender */
        assert_int_equal(seal_open(s.a, p, &len, false), RF_EAUTH);
        seals_free(s);
    }
}

/* libsrtp takes it only after its own known answers and ours; it is in use already, since the tests before made seals. */
static void test_gcm_is_good(void **state)
{
    (void)state;
    assert_true(seal_gcm_use());
}

static void test_rtcp(void **state)
{
    static const uint8_t report[28] = {0x80, 200, 0, 6, 0, 0, 0, 7};
    _Alignas(8) uint8_t p[64];
    (void)state;
    struct seals s = seals_new(DTLS_AEAD_AES_128_GCM);
    size_t len = sizeof(report);
    memcpy(p, report, len);
    assert_true(seal_is_rtcp(p));
    assert_int_equal(seal_close(s.b, p, &len, true), 0);
    assert_true(len > sizeof(report) && len <= sizeof(report) + SEAL_EXTRA);
    assert_int_equal(seal_open(s.a, p, &len, true), 0);
    assert_int_equal(len, sizeof(report));
    assert_memory_equal(p, report, len);
    seals_free(s);
}

static void test_limits(void **state)
{
    _Alignas(8) uint8_t p[256];
    size_t len;
    (void)state;
    struct seals s = seals_new(DTLS_AES128_CM_SHA1_80);
    for (uint32_t ssrc = 1; ssrc <= SEAL_MAX_SSRCS; ssrc++) {
        len = rtp(p, ssrc, 1);
        assert_int_equal(seal_close(s.a, p, &len, false), 0);
    }
    len = rtp(p, 99, 1);
    assert_int_equal(seal_close(s.a, p, &len, false), RF_ELIMIT);
    len = rtp(p, 3, 2); /* one that is known goes on */
    assert_int_equal(seal_close(s.a, p, &len, false), 0);
    for (uint32_t ssrc = 1; ssrc <= 100; ssrc++) { /* noise takes no place */
        len = rtp(p, ssrc, 1);
        assert_int_equal(seal_open(s.b, p, &len, false), RF_EAUTH);
    }
    for (size_t short_len = 0; short_len < 12; short_len++) {
        len = short_len;
        assert_int_equal(seal_open(s.b, p, &len, false), RF_EFORMAT);
    }
    const struct dtls_keys other = {.profile = 5};
    struct seal *none;
    assert_int_equal(seal_new(rf_mem_system(), &other, &none), RF_EUNSUPPORTED);
    seals_free(s);
}

int test_sip_seal(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_handshake), cmocka_unit_test(test_loss),        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_noise),     cmocka_unit_test(test_packets),     cmocka_unit_test(test_rtcp),
        cmocka_unit_test(test_limits),    cmocka_unit_test(test_gcm_is_good),
    };
    return cmocka_run_group_tests_name("sip seal", tests, NULL, NULL);
}
