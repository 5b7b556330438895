/* test_crypto_keys.c - private and public keys, signatures. */
#include "test_crypto.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include "base/text.h"
#include "crypto/der.h"

static const enum rf_key_type types[] = {RF_KEY_P256, RF_KEY_RSA2048, RF_KEY_ED25519};
static const enum rf_sig_alg algs[] = {RF_SIG_ECDSA_SHA256, RF_SIG_RSA_SHA256, RF_SIG_ED25519};

static void unhex(const char *text, struct rf_buf *out)
{
    rf_buf_reset(out);
    assert_int_equal(rf_hex_decode(rf_view_str(text), out), 0);
}

/* RFC 8032 section 7.1 TEST 2; RFC 6979 appendix A.2.5 (P-256, SHA-256, "sample"), the latter as DER */
static void published_signatures_verify(void **state)
{
    static const char p256_head[] = "3059301306072a8648ce3d020106082a8648ce3d030107034200";
    struct fixture f;
    struct rf_buf spki, sig, raw;
    struct rf_pubkey *pub;
    struct rf_key *key;
    struct rf_view message = VIEW("\x72"), sample = VIEW("sample");
    char text[512];
    (void)state;
    fixture_init(&f);
    rf_buf_init(&spki, &f.mem.mem, 1024);
    rf_buf_init(&sig, &f.mem.mem, 1024);
    rf_buf_init(&raw, &f.mem.mem, 1024);
    unhex("302a300506032b65700321003d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", &spki);
    unhex("92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c"
          "387b2eaeb4302aeeb00d291612bb0c00",
          &sig);
    assert_int_equal(f.c->ops->pubkey_from_spki(f.c, rf_buf_view(&spki), &pub), 0);
    assert_int_equal(f.c->ops->verify(f.c, pub, RF_SIG_ED25519, &message, 1, rf_buf_view(&sig)), 0);
    f.c->ops->pubkey_free(f.c, pub);
    unhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb", &raw);
    assert_int_equal(f.c->ops->key_from_raw(f.c, RF_KEY_ED25519, rf_buf_view(&raw), &key), 0);
    rf_buf_reset(&raw);
    assert_int_equal(f.c->ops->sign(f.c, key, &message, 1, &raw), 0);
    assert_true(rf_view_equal(rf_buf_view(&raw), rf_buf_view(&sig))); /* Ed25519 is deterministic */
    f.c->ops->key_free(f.c, key);

    snprintf(text, sizeof(text), "%s%s%s%s", p256_head, "04",
             "60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6",
             "7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299");
    unhex(text, &spki);
    unhex("3046022100efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716"
          "022100f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8",
          &sig);
    assert_int_equal(f.c->ops->pubkey_from_spki(f.c, rf_buf_view(&spki), &pub), 0);
    assert_int_equal(f.c->ops->verify(f.c, pub, RF_SIG_ECDSA_SHA256, &sample, 1, rf_buf_view(&sig)), 0);
    f.c->ops->pubkey_free(f.c, pub);
    unhex("c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721", &raw);
    assert_int_equal(f.c->ops->key_from_raw(f.c, RF_KEY_P256, rf_buf_view(&raw), &key), 0);
    rf_buf_reset(&sig);
    assert_int_equal(f.c->ops->key_spki(f.c, key, &sig), 0);
    assert_true(rf_view_equal(rf_buf_view(&sig), rf_buf_view(&spki)));
    f.c->ops->key_free(f.c, key);
    rf_buf_deinit(&spki);
    rf_buf_deinit(&sig);
    rf_buf_deinit(&raw);
    fixture_deinit(&f);
}

static void impossible_raw_keys_are_refused(void **state)
{
    static const char *const scalars[] = {
        "0000000000000000000000000000000000000000000000000000000000000000",
        "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551", /* n */
        "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    };
    struct fixture f;
    struct rf_buf raw;
    struct rf_key *key;
    (void)state;
    fixture_init(&f);
    rf_buf_init(&raw, &f.mem.mem, 64);
    for (size_t i = 0; i < sizeof(scalars) / sizeof(scalars[0]); i++) {
        unhex(scalars[i], &raw);
        assert_int_equal(f.c->ops->key_from_raw(f.c, RF_KEY_P256, rf_buf_view(&raw), &key), RF_EFORMAT);
    }
    assert_int_equal(f.c->ops->key_from_raw(f.c, RF_KEY_P256, VIEW("short"), &key), RF_EFORMAT);
    assert_int_equal(f.c->ops->key_from_raw(f.c, RF_KEY_RSA2048, rf_buf_view(&raw), &key), RF_EUNKNOWN);
    assert_int_equal(f.c->ops->key_generate(f.c, (enum rf_key_type)9, &key), RF_EUNKNOWN);
    rf_buf_deinit(&raw);
    fixture_deinit(&f);
}

/* pem_of writes a key that OpenSSL made. */
static void pem_of(EVP_PKEY *pkey, struct rf_buf *out)
{
    PKCS8_PRIV_KEY_INFO *info = EVP_PKEY2PKCS8(pkey);
    uint8_t *der = NULL;
    int len = i2d_PKCS8_PRIV_KEY_INFO(info, &der);

    rf_buf_reset(out);
    rf_pem_put(out, "PRIVATE KEY", rf_view_of(der, (size_t)len));
    OPENSSL_free(der);
    PKCS8_PRIV_KEY_INFO_free(info);
    EVP_PKEY_free(pkey);
}

static void keys_of_other_types_are_unknown(void **state)
{
    struct fixture f;
    struct rf_key *key;
    struct rf_buf pem;
    (void)state;
    fixture_init(&f);
    rf_buf_init(&pem, &f.mem.mem, 1 << 14);
    pem_of(EVP_EC_gen("P-384"), &pem);
    assert_int_equal(f.c->ops->key_from_pem(f.c, rf_buf_view(&pem), &key), RF_EUNKNOWN);
    pem_of(EVP_RSA_gen(1024), &pem);
    assert_int_equal(f.c->ops->key_from_pem(f.c, rf_buf_view(&pem), &key), RF_EUNKNOWN);
    pem_of(EVP_PKEY_Q_keygen(NULL, NULL, "X25519"), &pem);
    assert_int_equal(f.c->ops->key_from_pem(f.c, rf_buf_view(&pem), &key), RF_EUNKNOWN);
    assert_int_equal(f.c->ops->key_from_pem(f.c, VIEW(""), &key), RF_EFORMAT);
    rf_buf_reset(&pem);
    rf_pem_put(&pem, "PRIVATE KEY", VIEW("not a key"));
    assert_int_equal(f.c->ops->key_from_pem(f.c, rf_buf_view(&pem), &key), RF_EFORMAT);
    rf_buf_deinit(&pem);
    fixture_deinit(&f);
}

static void broken_public_keys_are_refused(void **state)
{
#define P256_HEAD "3059301306072a8648ce3d020106082a8648ce3d030107034200"
#define GX        "6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
#define GY        "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5"
    static const struct {
        const char *spki;
        int error;
    } cases[] = {
        {P256_HEAD "04" GX GY, 0},
        {P256_HEAD "04" GX GX, RF_EFORMAT},                                        /* not on the curve */
        {P256_HEAD "06" GX GY, RF_EFORMAT},                                        /* hybrid form */
        {P256_HEAD "04" GX GY "00", RF_EFORMAT},                                   /* a byte behind */
        {"3039301306072a8648ce3d020106082a8648ce3d03010703220003" GX, RF_EFORMAT}, /* compressed */
        {"302a300506032b656e032100" GX, RF_EUNKNOWN},                              /* X25519 */
        {"302a300506032b6570032100" GX, 0}, /* Ed25519 takes any 32 bytes */
        {"3029300506032b6570032000"
         "17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296",
         RF_EFORMAT},
        {"302c300706032b65700500032100" GX, RF_EFORMAT}, /* parameters where none belong */
        {"", RF_EFORMAT},
        {"3000", RF_EFORMAT},
    };
    struct fixture f;
    struct rf_buf spki;
    (void)state;
    fixture_init(&f);
    rf_buf_init(&spki, &f.mem.mem, 1024);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct rf_pubkey *pub = NULL;

        unhex(cases[i].spki, &spki);
        assert_int_equal(f.c->ops->pubkey_from_spki(f.c, rf_buf_view(&spki), &pub), cases[i].error);
        f.c->ops->pubkey_free(f.c, pub);
    }
    rf_buf_deinit(&spki);
    fixture_deinit(&f);
}

static void rsa_public_keys_have_limits(void **state)
{
    static const int bits[] = {1024, 2048, 3072, 4096, 8192};
    struct fixture f;
    (void)state;
    fixture_init(&f);
    for (size_t i = 0; i < sizeof(bits) / sizeof(bits[0]); i++) {
        static uint8_t n[1024];
        uint8_t bytes[2048], key_bytes[2048];
        struct rf_pubkey *pub = NULL;
        struct rf_buf b, key;
        size_t mark;

        memset(n, 0xab, sizeof(n));
        rf_buf_fixed(&key, key_bytes, sizeof(key_bytes));
        mark = rf_der_open(&key, RF_DER_SEQUENCE);
        rf_der_put_uint(&key, rf_view_of(n, (size_t)bits[i] / 8));
        rf_der_put_uint(&key, VIEW("\x01\x00\x01"));
        rf_der_close(&key, mark);
        rf_buf_fixed(&b, bytes, sizeof(bytes));
        mark = rf_der_open(&b, RF_DER_SEQUENCE);
        rf_buf_put(&b, "\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00",
                   15); /* rsaEncryption */
        rf_der_put_bits(&b, rf_buf_view(&key));
        rf_der_close(&b, mark);
        assert_int_equal(rf_buf_error(&b), 0);
        assert_int_equal(f.c->ops->pubkey_from_spki(f.c, rf_buf_view(&b), &pub),
                         bits[i] >= 2048 && bits[i] <= 4096 ? 0 : RF_EUNKNOWN);
        f.c->ops->pubkey_free(f.c, pub);
        pub = NULL;
        bytes[b.len - 1] = 0; /* an even exponent */
        assert_int_equal(f.c->ops->pubkey_from_spki(f.c, rf_buf_view(&b), &pub), RF_EFORMAT);
    }
    fixture_deinit(&f);
}

static void refused_memory_is_reported(void **state)
{
    static uint8_t message[5000];
    struct rf_view parts[2] = {{message, 3000}, {message + 3000, 2000}};
    struct rf_mem_test mem;
    (void)state;
    rf_mem_test_init(&mem);
    mem.allowed = 0;
    assert_null(rf_crypto_openssl_new(&mem.mem));
    for (size_t allowed = 0;; allowed++) {
        struct fixture f;
        struct rf_key *key = NULL;
        struct rf_buf sig;
        uint8_t bytes[128];
        int r;

        fixture_init(&f);
        rf_buf_fixed(&sig, bytes, sizeof(bytes));
        f.mem.allowed = allowed;
        r = f.c->ops->key_generate(f.c, RF_KEY_ED25519, &key);
        if (r == 0)
            r = f.c->ops->sign(f.c, key, parts, 2, &sig);
        f.c->ops->key_free(f.c, key);
        fixture_deinit(&f);
        if (r == 0) {
            assert_int_equal(allowed, 2);
            break;
        }
        assert_int_equal(r, RF_ENOMEM);
    }
}

static void errors_of_others_stay_in_the_queue(void **state)
{
    struct fixture f;
    struct rf_pubkey *pub;
    struct rf_key *key;
    (void)state;
    fixture_init(&f);
    ERR_raise(ERR_LIB_USER, 77); /* somebody else's, e.g. of a TLS library */
    assert_int_equal(f.c->ops->key_from_pem(
                         f.c, VIEW("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"), &key),
                     RF_EFORMAT);
    assert_int_equal(f.c->ops->pubkey_from_spki(f.c, VIEW("0"), &pub), RF_EFORMAT);
    assert_int_equal(ERR_GET_REASON(ERR_peek_last_error()), 77);
    assert_int_equal(ERR_GET_REASON(ERR_get_error()), 77);
    fixture_deinit(&f); /* and nothing else */
}

/* More public keys than the backend holds in OpenSSL's form: each verifies what its own private key signed, and nothing else. */
static void more_public_keys_than_are_held_ready_verify(void **state)
{
    static struct rf_pubkey *pubs[3000];
    static const char text[] = "the same message for all of them";
    struct rf_view message = VIEW(text);
    struct rf_key *keys[3];
    uint8_t bytes[3][RF_SIGNATURE_MAX_LEN];
    struct rf_buf signatures[3];
    struct fixture f;

    (void)state;
    fixture_init(&f);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(f.c->ops->key_generate(f.c, types[i], &keys[i]), 0);
        rf_buf_fixed(&signatures[i], bytes[i], sizeof(bytes[i]));
        assert_int_equal(f.c->ops->sign(f.c, keys[i], &message, 1, &signatures[i]), 0);
    }
    for (size_t i = 0; i < 3000; i++)
        pubs[i] = crypto_public_of(f.c, keys[i % 3]);
    for (size_t round = 0; round < 2; round++)
        for (size_t i = 0; i < 3000; i += 1 + 97 * round) {
            struct rf_view good = rf_buf_view(&signatures[i % 3]);
            struct rf_view bad = rf_view_of("the other message, as long as it", message.len);

            assert_int_equal(f.c->ops->verify(f.c, pubs[i], algs[i % 3], &message, 1, good), 0);
            assert_int_equal(f.c->ops->verify(f.c, pubs[i], algs[i % 3], &bad, 1, good), RF_ESIGNATURE);
        }
    for (size_t i = 0; i < 3000; i += 2) /* holes, then the rest */
        f.c->ops->pubkey_free(f.c, pubs[i]);
    for (size_t i = 1; i < 3000; i += 2) {
        struct rf_view good = rf_buf_view(&signatures[i % 3]);

        if (i % 101 == 0)
            assert_int_equal(f.c->ops->verify(f.c, pubs[i], algs[i % 3], &message, 1, good), 0);
        f.c->ops->pubkey_free(f.c, pubs[i]);
    }
    for (size_t i = 0; i < 3; i++)
        f.c->ops->key_free(f.c, keys[i]);
    fixture_deinit(&f);
}

int test_crypto_keys(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_signatures_verify),
        cmocka_unit_test(impossible_raw_keys_are_refused),
        cmocka_unit_test(keys_of_other_types_are_unknown),
        cmocka_unit_test(broken_public_keys_are_refused),
        cmocka_unit_test(rsa_public_keys_have_limits),
        cmocka_unit_test(refused_memory_is_reported),
        cmocka_unit_test(errors_of_others_stay_in_the_queue),
        cmocka_unit_test(more_public_keys_than_are_held_ready_verify),
    };
    return cmocka_run_group_tests_name("keys", tests, NULL, NULL);
}
