/* test_crypto_hash.c - digests, MACs and PEM. */
#include "test_crypto.h"

#include "base/text.h"

static void assert_hex(const uint8_t *bytes, size_t len, const char *hex)
{
    uint8_t text[2 * RF_HASH_MAX_LEN + 1];
    struct rf_buf out;

    rf_buf_fixed(&out, text, sizeof(text));
    rf_hex_put(&out, rf_view_of(bytes, len));
    rf_buf_u8(&out, 0);
    assert_string_equal((const char *)text, hex);
}

/* FIPS 180-4 examples */
static void digests_are_right(void **state)
{
    static const struct {
        enum rf_hash alg;
        const char *text, *hex;
    } cases[] = {
        {RF_HASH_MD5, "abc", "900150983cd24fb0d6963f7d28e17f72"}, /* RFC 1321, A.5 */
        {RF_HASH_MD5, "", "d41d8cd98f00b204e9800998ecf8427e"},
        {RF_HASH_SHA1, "abc", "a9993e364706816aba3e25717850c26c9cd0d89d"},
        {RF_HASH_SHA1, "", "da39a3ee5e6b4b0d3255bfef95601890afd80709"},
        {RF_HASH_SHA256, "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {RF_HASH_SHA256, "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
    };
    struct fixture f;
    (void)state;
    fixture_init(&f);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        size_t len = strlen(cases[i].text);
        uint8_t out[RF_HASH_MAX_LEN];

        for (size_t cut = 0; cut <= len; cut++) {
            struct rf_view parts[3] = {
                rf_view_of(cases[i].text, cut), {NULL, 0}, rf_view_of(cases[i].text + cut, len - cut)};

            assert_int_equal(f.c->ops->hash(f.c, cases[i].alg, parts, 3, out), 0);
            assert_hex(out, strlen(cases[i].hex) / 2, cases[i].hex);
        }
    }
    fixture_deinit(&f);
}

static void shorthands_and_unknown_algorithms(void **state)
{
    struct fixture f;
    uint8_t out[RF_HASH_MAX_LEN];
    (void)state;
    fixture_init(&f);
    assert_int_equal(rf_sha1(f.c, VIEW("example.org"), out), 0);
    assert_memory_equal(out + 16, "\x4e\x38\xfc\x3f", 4); /* reload.md 8.1 */
    assert_int_equal(rf_sha256(f.c, VIEW("abc"), out), 0);
    assert_int_equal(f.c->ops->hash(f.c, RF_HASH_NONE, NULL, 0, out), RF_EUNKNOWN);
    assert_int_equal(f.c->ops->hash(f.c, RF_HASH_INTRINSIC, NULL, 0, out), RF_EUNKNOWN);
    assert_int_equal(f.c->ops->hmac(f.c, RF_HASH_MD5, VIEW("k"), NULL, 0, out), RF_EUNKNOWN);
    assert_int_equal(f.c->ops->hmac(f.c, RF_HASH_NONE, VIEW("k"), NULL, 0, out), RF_EUNKNOWN);
    fixture_deinit(&f);
}

/* RFC 2202 cases 2 and 6, RFC 4231 case 2, and the empty key */
static void macs_are_right(void **state)
{
    static uint8_t long_key[80];
    struct fixture f;
    struct rf_view text = VIEW("what do ya want for nothing?"),
                   halves[2] = {{text.p, 10}, {text.p + 10, text.len - 10}};
    struct rf_view larger = VIEW("Test Using Larger Than Block-Size Key - Hash Key First");
    uint8_t out[RF_HASH_MAX_LEN];
    (void)state;
    memset(long_key, 0xaa, sizeof(long_key));
    fixture_init(&f);
    assert_int_equal(f.c->ops->hmac(f.c, RF_HASH_SHA1, VIEW("Jefe"), halves, 2, out), 0);
    assert_hex(out, RF_SHA1_LEN, "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
    assert_int_equal(f.c->ops->hmac(f.c, RF_HASH_SHA1, rf_view_of(long_key, 80), &larger, 1, out), 0);
    assert_hex(out, RF_SHA1_LEN, "aa4ae5e15272d00e95705637ce8a3b55ed402112");
    assert_int_equal(f.c->ops->hmac(f.c, RF_HASH_SHA256, VIEW("Jefe"), halves, 2, out), 0);
    assert_hex(out, RF_SHA256_LEN, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    /* an empty key is an empty key, not the one of before */
    assert_int_equal(f.c->ops->hmac(f.c, RF_HASH_SHA256, rf_view_of(NULL, 0), NULL, 0, out), 0);
    assert_hex(out, RF_SHA256_LEN, "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
    fixture_deinit(&f);
}

static void pem_blocks_come_back(void **state)
{
    struct rf_buf text, der;
    (void)state;
    rf_buf_init(&text, rf_mem_system(), 1 << 16);
    rf_buf_init(&der, rf_mem_system(), 1 << 16);
    for (size_t len = 1; len < 200; len += 13) {
        uint8_t bytes[200];
        struct rf_view in;

        for (size_t i = 0; i < len; i++)
            bytes[i] = (uint8_t)(i * 31 + len);
        rf_buf_reset(&text);
        rf_buf_str(&text, "a comment in front\n");
        rf_pem_put(&text, "THING", rf_view_of(bytes, len));
        rf_pem_put(&text, "OTHER", rf_view_of("x", 1));
        rf_pem_put(&text, "THING", rf_view_of(bytes, 1));
        in = rf_buf_view(&text);
        rf_buf_reset(&der);
        assert_int_equal(rf_pem_next(&in, "THING", &der), 0);
        assert_int_equal(der.len, len);
        assert_memory_equal(der.p, bytes, len);
        assert_int_equal(rf_pem_next(&in, "THING", &der), 0);
        assert_int_equal(der.len, len + 1);
        assert_int_equal(rf_pem_next(&in, "THING", &der), RF_ENOTFOUND);
    }
    rf_buf_deinit(&text);
    rf_buf_deinit(&der);
}

static void pem_lines_are_64_long(void **state)
{
    static const uint8_t zeros[49];
    struct rf_buf text;
    (void)state;
    rf_buf_init(&text, rf_mem_system(), 1 << 16);
    rf_pem_put(&text, "X", rf_view_of(zeros, sizeof(zeros)));
    rf_buf_u8(&text, 0);
    assert_string_equal(
        (const char *)text.p,
        "-----BEGIN X-----\n"
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\nAA==\n-----END X-----\n");
    rf_buf_deinit(&text);
}

static void broken_pem_is_refused(void **state)
{
    static const struct {
        const char *text;
        int error;
    } cases[] = {
        {"", RF_ENOTFOUND},
        {"-----BEGIN X-----", RF_EFORMAT},
        {"-----BEGIN X-----\nAAAA\n-----END Y-----\n", RF_EFORMAT},
        {"-----BEGIN X-----\nA!AA\n-----END X-----\n", RF_EFORMAT},
        {"-----BEGIN X-----\nProc-Type: 4,ENCRYPTED\n\nAAAA\n-----END X-----\n", RF_EFORMAT},
        {"-----BEGIN X-----\n-----END X-----\n", RF_EFORMAT},
        {"-----BEGIN Y-----\nAAAA\n-----END Y-----\n", RF_ENOTFOUND},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct rf_view in = rf_view_str(cases[i].text), before = in;
        uint8_t bytes[64];
        struct rf_buf out;

        rf_buf_fixed(&out, bytes, sizeof(bytes));
        rf_buf_u8(&out, 9);
        assert_int_equal(rf_pem_next(&in, "X", &out), cases[i].error);
        assert_int_equal(out.len, 1);
        assert_ptr_equal(in.p, before.p);
    }
}

int test_crypto_hash(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(digests_are_right),     cmocka_unit_test(shorthands_and_unknown_algorithms),
        cmocka_unit_test(macs_are_right),        cmocka_unit_test(pem_blocks_come_back),
        cmocka_unit_test(pem_lines_are_64_long), cmocka_unit_test(broken_pem_is_refused),
    };
    return cmocka_run_group_tests_name("hash and pem", tests, NULL, NULL);
}
