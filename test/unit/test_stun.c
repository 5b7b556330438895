/* test_stun.c - STUN messages: the vectors of RFC 5769 and RFC 8489, broken ones, built ones, ChannelData, retransmissions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "base/error.h"
#include "base/text.h"
#include "crypto/openssl/openssl.h"
#include "stun/binding.h"
#include "stun/stun.h"

#define PASSWORD "VOkJxbRl1RmTxUk/WvJxBt"
#define REQUEST                                                                                              \
    "000100582112a442b7e7a701bc34d686fa87dfae802200105354554e207465737420636c69656e74"                       \
    "002400046e0001ff80290008932ff9b151263b36000600096576746a3a68367659202020"                               \
    "000800149aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a280280004e57a3bcf"
#define RESPONSE_4                                                                                           \
    "0101003c2112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220"                               \
    "002000080001a147e112a643000800142b91f599fd9e90c38c7489f92af9ba53f06be7d780280004c07d4c96"
#define RESPONSE_6                                                                                           \
    "010100482112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220"                               \
    "002000140002a1470113a9faa5d3f179bc25f4b5bed2b9d900080014a382954e4be67bf11784c97c8292c275bfe3ed41"       \
    "80280004c8fb0b4c"
#define LONG_TERM                                                                                            \
    "000100602112a44278ad3433c6ad72c029da412e00060012e3839ee38388e383aae38383e382afe382b90000"               \
    "0015001c662f2f3439396b39353464364f4c33346f4c39465354767936347341"                                       \
    "0014000b6578616d706c652e6f72670000080014f67024656dd64a3e02b8e0712e85c9a28ca89666"
/* RFC 8489, appendix B.1, as mended by its erratum 6268 */
#define LONG_TERM_256                                                                                        \
    "000100902112a44278ad3433c6ad72c029da412e"                                                               \
    "001e00204a3cf38fef6992bda952c6780417da0f24819415569e60b205c46e41407f1704"                               \
    "001500296f624d61744a6f733241414143662f2f3439396b39353464364f4c33346f4c39465354767936347341000000"       \
    "0014000b6578616d706c652e6f726700001d000400020000"                                                       \
    "001c0020b5c7bf005b6c52a21c51c5e892f81924136296cb927c43149309278cc6518e65"

struct bytes {
    uint8_t p[512];
    size_t len;
};

static struct rf_view unhex(const char *hex, struct bytes *out)
{
    struct rf_buf buf;
    rf_buf_fixed(&buf, out->p, sizeof(out->p));
    for (size_t i = 0; hex[i] != 0; i += 2) {
        unsigned byte;
        assert_int_equal(sscanf(hex + i, "%2x", &byte), 1);
        rf_buf_u8(&buf, (uint8_t)byte);
    }
    assert_int_equal(rf_buf_error(&buf), 0);
    out->len = buf.len;
    return rf_buf_view(&buf);
}

static void assert_text(struct rf_view v, const char *text)
{
    assert_int_equal(v.len, strlen(text));
    assert_memory_equal(v.p, text, v.len);
}

static struct rf_crypto *crypto;

static int set_up(void **state)
{
    (void)state;
    crypto = rf_crypto_openssl_new(rf_mem_system());
    return crypto == NULL;
}

static int tear_down(void **state)
{
    (void)state;
    rf_crypto_openssl_free(crypto);
    return 0;
}

/* ---- what others wrote ---- */

static void sample_request(void **state)
{
    struct bytes b;
    struct rf_stun_msg m;
    struct rf_view v;
    uint32_t priority;
    uint64_t tie;
    (void)state;
    assert_int_equal(rf_stun_decode(unhex(REQUEST, &b), &m), 0);
    assert_int_equal(m.class, RF_STUN_REQUEST);
    assert_int_equal(m.method, RF_STUN_BINDING);
    assert_true(rf_stun_find(&m, RF_STUN_SOFTWARE, &v));
    assert_text(v, "STUN test client");
    assert_true(rf_stun_find(&m, RF_STUN_USERNAME, &v));
    assert_text(v, "evtj:h6vY");
    assert_int_equal(rf_stun_u32(&m, RF_ICE_PRIORITY, &priority), 0);
    assert_int_equal(priority, 0x6e0001ff);
    assert_int_equal(rf_stun_u64(&m, RF_ICE_CONTROLLED, &tie), 0);
    assert_true(tie == UINT64_C(0x932ff9b151263b36));
    assert_int_equal(rf_stun_verify(crypto, &m, RF_HASH_SHA1, rf_view_str(PASSWORD)), 0);
    assert_int_equal(rf_stun_verify(crypto, &m, RF_HASH_SHA1, rf_view_str("other")), RF_EAUTH);
    assert_int_equal(rf_stun_verify(crypto, &m, RF_HASH_SHA256, rf_view_str(PASSWORD)), RF_ENOTFOUND);
    assert_true(m.fingerprint_at != 0);
}

static void sample_responses(void **state)
{
    static const struct {
        const char *hex, *addr;
    } cases[] = {{RESPONSE_4, "192.0.2.1:32853"},
                 {RESPONSE_6, "[2001:db8:1234:5678:11:2233:4455:6677]:32853"}};
    char text[RF_ADDR_TEXT_LEN];
    struct rf_addr addr;
    struct rf_stun_msg m;
    struct bytes b;
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(rf_stun_decode(unhex(cases[i].hex, &b), &m), 0);
        assert_int_equal(m.class, RF_STUN_SUCCESS);
        assert_int_equal(rf_stun_address(&m, RF_STUN_XOR_MAPPED_ADDRESS, true, &addr), 0);
        assert_string_equal(rf_addr_text(&addr, text), cases[i].addr);
        assert_int_equal(rf_stun_verify(crypto, &m, RF_HASH_SHA1, rf_view_str(PASSWORD)), 0);
    }
}

static void long_term_credentials(void **state)
{
    static const char user[] = "\xe3\x83\x9e\xe3\x83\x88\xe3\x83\xaa\xe3\x83\x83\xe3\x82\xaf\xe3\x82\xb9";
    uint8_t key[RF_STUN_KEY_MAX];
    struct rf_stun_msg m;
    struct rf_view realm;
    struct bytes b;
    size_t len;
    (void)state;
    assert_int_equal(rf_stun_decode(unhex(LONG_TERM, &b), &m), 0);
    assert_true(rf_stun_find(&m, RF_STUN_REALM, &realm));
    assert_int_equal(
        rf_stun_long_key(crypto, RF_HASH_MD5, rf_view_str(user), realm, rf_view_str("TheMatrIX"), key, &len),
        0);
    assert_int_equal(len, RF_MD5_LEN);
    assert_int_equal(rf_stun_verify(crypto, &m, RF_HASH_SHA1, rf_view_of(key, len)), 0);

    assert_int_equal(rf_stun_decode(unhex(LONG_TERM_256, &b), &m), 0);
    assert_true(rf_stun_find(&m, RF_STUN_REALM, &realm));
    assert_int_equal(rf_stun_long_key(crypto, RF_HASH_SHA256, rf_view_str(user), realm,
                                      rf_view_str("TheMatrIX"), key, &len),
                     0);
    assert_int_equal(len, RF_SHA256_LEN);
    assert_int_equal(rf_stun_verify(crypto, &m, RF_HASH_SHA256, rf_view_of(key, len)), 0);
    b.p[30] ^= 1;
    assert_int_equal(rf_stun_verify(crypto, &m, RF_HASH_SHA256, rf_view_of(key, len)), RF_EAUTH);
    assert_int_equal(rf_stun_long_key(crypto, RF_HASH_SHA1, realm, realm, realm, key, &len), RF_EUNKNOWN);
}

/* Every bit counts: with one flipped it is no STUN, or has a wrong fingerprint, or none. */
static void damaged(void **state)
{
    struct bytes b;
    struct rf_stun_msg m;
    (void)state;
    struct rf_view good = unhex(REQUEST, &b);
    for (size_t i = 0; i < good.len * 8; i++) {
        b.p[i / 8] ^= (uint8_t)(1 << i % 8);
        assert_true(rf_stun_decode(good, &m) != 0 || m.fingerprint_at == 0);
        b.p[i / 8] ^= (uint8_t)(1 << i % 8);
    }
    for (size_t len = 0; len < good.len; len++)
        assert_int_equal(rf_stun_decode(rf_view_of(good.p, len), &m), RF_EFORMAT);
    assert_int_equal(rf_stun_decode(good, &m), 0);
}

static void broken(void **state)
{
    static const struct {
        const char *hex;
        int error;
    } cases[] = {
        {"000100002112a442000000000000000000000000", 0},
        {"800100002112a442000000000000000000000000", RF_EFORMAT},     /* not STUN: RTP */
        {"000100002112a443000000000000000000000000", RF_EFORMAT},     /* cookie */
        {"000100022112a4420000000000000000000000000000", RF_EFORMAT}, /* length no multiple of 4 */
        {"000100042112a4420000000000000000000000000006000400", RF_EFORMAT},
        {"000100042112a44200000000000000000000000000060001", RF_ELENGTH}, /* value not there */
        {"000100082112a442000000000000000000000000000600056162636465000000", RF_EFORMAT},
        {"000100082112a44200000000000000000000000000060005616263"
         "64",
         RF_ELENGTH},
        {"0001000c2112a4420000000000000000000000008028000400000000"
         "00060000",
         RF_EFORMAT}, /* behind FINGERPRINT */
        {"000100082112a4420000000000000000000000008028000400000000", RF_EMISMATCH},
        {"000100042112a44200000000000000000000000080280000", RF_ELENGTH},
    };
    struct rf_stun_msg m;
    struct bytes b;
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_int_equal(rf_stun_decode(unhex(cases[i].hex, &b), &m), cases[i].error);
}

/* ---- what we write ---- */

static const uint8_t txn[RF_STUN_TXN_LEN] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};

static void built_and_read(void **state)
{
    static const uint16_t methods[] = {RF_STUN_BINDING, RF_TURN_ALLOCATE, RF_TURN_CHANNEL_BIND, 0xfff};
    uint8_t p[256];
    struct rf_buf out;
    struct rf_stun_msg m;
    (void)state;
    for (unsigned c = 0; c < 4; c++)
        for (size_t i = 0; i < 4; i++) {
            rf_buf_fixed(&out, p, sizeof(p));
            rf_stun_begin(&out, (enum rf_stun_class)c, methods[i], txn);
            rf_stun_put(&out, RF_STUN_USERNAME, rf_view_str("alice"));
            rf_stun_put_integrity(&out, crypto, RF_HASH_SHA1, rf_view_str("k"));
            rf_stun_put_integrity(&out, crypto, RF_HASH_SHA256, rf_view_str("k"));
            rf_stun_put_fingerprint(&out);
            assert_int_equal(rf_stun_end(&out), 0);
            assert_int_equal(rf_stun_decode(rf_buf_view(&out), &m), 0);
            assert_int_equal(m.class, c);
            assert_int_equal(m.method, methods[i]);
            assert_memory_equal(m.txn, txn, sizeof(txn));
            assert_int_equal(rf_stun_verify(crypto, &m, RF_HASH_SHA1, rf_view_str("k")), 0);
            assert_int_equal(rf_stun_verify(crypto, &m, RF_HASH_SHA256, rf_view_str("k")), 0);
        }
}

/* The request of RFC 5769 comes out byte for byte, but for the padding that the RFC filled with blanks. */
static void built_as_the_sample(void **state)
{
    struct bytes b;
    struct rf_stun_msg m;
    uint8_t p[256];
    struct rf_buf out;
    (void)state;
    struct rf_view sample = unhex(REQUEST, &b);
    assert_int_equal(rf_stun_decode(sample, &m), 0);
    rf_buf_fixed(&out, p, sizeof(p));
    rf_stun_begin(&out, RF_STUN_REQUEST, RF_STUN_BINDING, m.txn);
    rf_stun_put(&out, RF_STUN_SOFTWARE, rf_view_str("STUN test client"));
    rf_stun_put_u32(&out, RF_ICE_PRIORITY, 0x6e0001ff);
    rf_stun_put_u64(&out, RF_ICE_CONTROLLED, UINT64_C(0x932ff9b151263b36));
    rf_stun_put(&out, RF_STUN_USERNAME, rf_view_str("evtj:h6vY"));
    memset(p + out.len - 3, ' ', 3);
    rf_stun_put_integrity(&out, crypto, RF_HASH_SHA1, rf_view_str(PASSWORD));
    rf_stun_put_fingerprint(&out);
    assert_int_equal(rf_stun_end(&out), 0);
    assert_true(rf_view_equal(rf_buf_view(&out), sample));
}

static void addresses_and_errors(void **state)
{
    static const char *const texts[] = {"192.0.2.7:1", "[2001:db8::ffff:1]:65535"};
    char text[RF_ADDR_TEXT_LEN];
    struct rf_addr addr, back;
    struct rf_stun_msg m;
    struct rf_view reason;
    uint8_t p[256];
    struct rf_buf out;
    int code;
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(rf_addr_parse(texts[i / 2], 0, &addr), 0);
        rf_buf_fixed(&out, p, sizeof(p));
        rf_stun_begin(&out, RF_STUN_ERROR, RF_TURN_ALLOCATE, txn);
        rf_stun_put_address(&out, RF_TURN_XOR_PEER_ADDRESS, i % 2 != 0, &addr);
        rf_stun_put_error(&out, RF_STUN_STALE_NONCE);
        assert_int_equal(rf_stun_end(&out), 0);
        assert_int_equal(rf_stun_decode(rf_buf_view(&out), &m), 0);
        assert_int_equal(rf_stun_address(&m, RF_TURN_XOR_PEER_ADDRESS, i % 2 != 0, &back), 0);
        assert_string_equal(rf_addr_text(&back, text), texts[i / 2]);
        assert_int_equal(rf_stun_error_code(&m, &code, &reason), 0);
        assert_int_equal(code, 438);
        assert_text(reason, "Stale Nonce");
    }
    assert_int_equal(rf_stun_address(&m, RF_STUN_MAPPED_ADDRESS, false, &back), RF_ENOTFOUND);
    assert_string_equal(rf_stun_reason(999), "");
}

static void unknown_and_order(void **state)
{
    static const uint16_t known[] = {RF_STUN_USERNAME};
    uint16_t unknown[RF_STUN_MAX_UNKNOWN];
    struct rf_stun_msg m;
    struct rf_view v;
    uint8_t p[256];
    struct rf_buf out;
    (void)state;
    rf_buf_fixed(&out, p, sizeof(p));
    rf_stun_begin(&out, RF_STUN_REQUEST, RF_STUN_BINDING, txn);
    rf_stun_put(&out, RF_STUN_USERNAME, rf_view_str("first"));
    rf_stun_put(&out, RF_STUN_USERNAME, rf_view_str("second"));
    rf_stun_put(&out, 0x7abc, rf_view_str("?"));
    rf_stun_put(&out, 0x7abc, rf_view_str("?"));
    rf_stun_put(&out, 0xfabc, rf_view_str("?"));
    rf_stun_put_integrity(&out, crypto, RF_HASH_SHA256, rf_view_str("k"));
    rf_stun_put(&out, RF_ICE_USE_CANDIDATE, (struct rf_view){0}); /* added by somebody on the way */
    rf_stun_put(&out, 0x7abd, rf_view_str("?"));
    assert_int_equal(rf_stun_end(&out), 0);
    assert_int_equal(rf_stun_decode(rf_buf_view(&out), &m), 0);
    assert_true(rf_stun_find(&m, RF_STUN_USERNAME, &v));
    assert_text(v, "first");
    assert_false(rf_stun_find(&m, RF_ICE_USE_CANDIDATE, &v));
    assert_int_equal(rf_stun_unknown(&m, known, 1, unknown), 1);
    assert_int_equal(unknown[0], 0x7abc);
    assert_int_equal(rf_stun_verify(crypto, &m, RF_HASH_SHA256, rf_view_str("k")), 0);
}

static void too_long(void **state)
{
    uint8_t p[40];
    struct rf_buf out;
    (void)state;
    rf_buf_fixed(&out, p, sizeof(p));
    rf_stun_begin(&out, RF_STUN_REQUEST, RF_STUN_BINDING, txn);
    rf_stun_put(&out, RF_STUN_USERNAME, rf_view_str("a name that does not fit"));
    rf_stun_put_integrity(&out, crypto, RF_HASH_SHA1, rf_view_str("k"));
    rf_stun_put_fingerprint(&out);
    assert_int_equal(rf_stun_end(&out), RF_ELIMIT);
    rf_buf_fixed(&out, p, sizeof(p));
    rf_buf_u8(&out, 0);
    rf_stun_begin(&out, RF_STUN_REQUEST, RF_STUN_BINDING, txn);
    assert_int_equal(rf_stun_end(&out), RF_EINVAL);
}

/* ---- streams, channels, time ---- */

static void frames(void **state)
{
    struct bytes b;
    struct rf_view data, v = unhex(REQUEST, &b);
    uint16_t number;
    size_t len;
    (void)state;
    for (size_t n = 0; n < 8; n++)
        assert_int_equal(rf_stun_frame(rf_view_of(v.p, n), &len), RF_ESHORT);
    assert_int_equal(rf_stun_frame(rf_view_of(v.p, 8), &len), 0);
    assert_int_equal(len, v.len);
    v = unhex("4001000561626364650000", &b);
    assert_int_equal(rf_stun_frame(v, &len), RF_EFORMAT);
    assert_int_equal(rf_turn_channel_frame(v, &len), 0);
    assert_int_equal(len, 12);
    assert_int_equal(rf_turn_channel_frame(rf_view_of(v.p, 3), &len), RF_ESHORT);
    assert_int_equal(rf_turn_channel_decode(v, &number, &data), 0);
    assert_int_equal(number, 0x4001);
    assert_text(data, "abcde");
    assert_int_equal(rf_turn_channel_decode(rf_view_of(v.p, 8), &number, &data), RF_ELENGTH);
    assert_int_equal(rf_turn_channel_decode(unhex("80010000", &b), &number, &data), RF_EFORMAT);
}

static void retransmissions(void **state)
{
    static const unsigned at_ms[] = {500, 1500, 3500, 7500, 15500, 31500, 39500};
    struct rf_stun_retry r;
    (void)state;
    rf_stun_retry_begin(&r, 1000, RF_STUN_RTO_US);
    for (size_t i = 0; i < 7; i++) {
        assert_true(r.at_us == 1000 + at_ms[i] * UINT64_C(1000));
        assert_int_equal(rf_stun_retry_fired(&r, r.at_us), i < 6);
    }
}

/* ---- answers to strangers ---- */

static size_t binding_request(uint8_t *bytes, size_t cap, uint16_t method, uint16_t extra, bool fingerprint)
{
    static const uint8_t strangers_txn[RF_STUN_TXN_LEN] = "a stranger.";
    struct rf_buf out;
    rf_buf_fixed(&out, bytes, cap);
    rf_stun_begin(&out, RF_STUN_REQUEST, method, strangers_txn);
    if (extra != 0)
        rf_stun_put_u32(&out, extra, 1);
    if (fingerprint)
        rf_stun_put_fingerprint(&out);
    assert_int_equal(rf_stun_end(&out), 0);
    return out.len;
}

static void strangers(void **state)
{
    static const uint64_t seed[2] = {1, 2};
    static struct rf_stun_askers askers;
    uint8_t in[128], bytes[128];
    struct rf_addr from, seen, other;
    struct rf_stun_msg m;
    struct rf_buf out;
    int code;
    (void)state;
    assert_int_equal(rf_addr_parse("192.0.2.9:5", 0, &from), 0);
    assert_int_equal(rf_addr_parse("[2001:db8::7]:5", 0, &other), 0);
    for (int i = 0; i < 4; i++) {
        size_t len = binding_request(in, sizeof(in), RF_STUN_BINDING, 0, i % 2 == 1);
        rf_buf_fixed(&out, bytes, sizeof(bytes));
        assert_int_equal(
            rf_stun_answer_binding(&askers, seed, i < 2 ? &from : &other, 0, rf_view_of(in, len), &out), 0);
        assert_int_equal(rf_stun_decode(rf_buf_view(&out), &m), 0);
        assert_int_equal(m.class, RF_STUN_SUCCESS);
        assert_memory_equal(m.txn, "a stranger.", RF_STUN_TXN_LEN);
        assert_int_equal(rf_stun_address(&m, RF_STUN_XOR_MAPPED_ADDRESS, true, &seen), 0);
        assert_true(rf_addr_equal(&seen, i < 2 ? &from : &other));
        assert_int_equal(m.fingerprint_at != 0, i % 2 == 1);
    }
    rf_buf_fixed(&out, bytes, sizeof(bytes)); /* an attribute that must be understood */
    size_t len = binding_request(in, sizeof(in), RF_STUN_BINDING, 0x7777, false);
    assert_int_equal(rf_stun_answer_binding(&askers, seed, &from, 0, rf_view_of(in, len), &out), 0);
    assert_int_equal(rf_stun_decode(rf_buf_view(&out), &m), 0);
    assert_int_equal(rf_stun_error_code(&m, &code, NULL), 0);
    assert_int_equal(code, RF_STUN_UNKNOWN_ATTRIBUTE);
    rf_buf_fixed(&out, bytes, sizeof(bytes)); /* ICE's, TURN's, nobody's */
    len = binding_request(in, sizeof(in), RF_STUN_BINDING, RF_STUN_USERNAME, false);
    assert_int_equal(rf_stun_answer_binding(&askers, seed, &from, 0, rf_view_of(in, len), &out), RF_EUNKNOWN);
    len = binding_request(in, sizeof(in), RF_TURN_ALLOCATE, 0, false);
    assert_int_equal(rf_stun_answer_binding(&askers, seed, &from, 0, rf_view_of(in, len), &out), RF_EUNKNOWN);
    assert_int_equal(rf_stun_answer_binding(&askers, seed, &from, 0, rf_view_str("\x16\xfe\xfd"), &out),
                     RF_EUNKNOWN);
    assert_int_equal(out.len, 0);
}

/* 200 in a second for a network; another one has its own; time fills it up. */
static void strangers_in_masses(void **state)
{
    static const uint64_t seed[2] = {1, 2};
    static struct rf_stun_askers askers;
    uint8_t in[128], bytes[128];
    struct rf_addr from, beside, other;
    struct rf_buf out;
    size_t len = binding_request(in, sizeof(in), RF_STUN_BINDING, 0, false);
    (void)state;
    assert_int_equal(rf_addr_parse("[2001:db8:0:1::1]:5", 0, &from), 0);
    assert_int_equal(rf_addr_parse("[2001:db8:0:1::2]:5", 0, &beside), 0);
    assert_int_equal(rf_addr_parse("[2001:db8:0:2::1]:5", 0, &other), 0);
    for (int i = 0; i < 202; i++) {
        rf_buf_fixed(&out, bytes, sizeof(bytes));
        assert_int_equal(rf_stun_answer_binding(&askers, seed, i % 2 == 0 ? &from : &beside, RF_US_PER_S,
                                                rf_view_of(in, len), &out),
                         i < 200 ? 0 : RF_ELIMIT);
    }
    assert_int_equal(rf_stun_answer_binding(&askers, seed, &other, RF_US_PER_S, rf_view_of(in, len), &out),
                     0);
    rf_buf_fixed(&out, bytes, sizeof(bytes));
    assert_int_equal(
        rf_stun_answer_binding(&askers, seed, &from, RF_US_PER_S + 5000, rf_view_of(in, len), &out), 0);
    assert_int_equal(
        rf_stun_answer_binding(&askers, seed, &from, RF_US_PER_S + 5000, rf_view_of(in, len), &out),
        RF_ELIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sample_request),
        cmocka_unit_test(sample_responses),
        cmocka_unit_test(long_term_credentials),
        cmocka_unit_test(damaged),
        cmocka_unit_test(broken),
        cmocka_unit_test(built_and_read),
        cmocka_unit_test(built_as_the_sample),
        cmocka_unit_test(addresses_and_errors),
        cmocka_unit_test(unknown_and_order),
        cmocka_unit_test(too_long),
        cmocka_unit_test(frames),
        cmocka_unit_test(retransmissions),
        cmocka_unit_test(strangers),
        cmocka_unit_test(strangers_in_masses),
    };
    return cmocka_run_group_tests_name("stun", tests, set_up, tear_down);
}
