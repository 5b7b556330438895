/* test_crypto_hpke.c - key agreement, AES-128-GCM, HKDF and HPKE: the vectors of RFC 9180, and what both backends owe. */
#include "test_crypto.h"

#include "base/text.h"
#include "crypto/hkdf.h"
#include "crypto/hpke.h"
#include "support/json_vector.h"

static const enum rf_dh_group groups[] = {RF_DH_P256, RF_DH_X25519};
static struct fixture *now; /* of the vectors' check */

/* A generator that gives certain bytes. */
struct given {
    struct rf_rng rng;
    struct rf_view bytes;
};
static void given_fill(void *ctx, void *out, size_t len)
{
    struct given *g = ctx;

    assert_int_equal(len, g->bytes.len);
    memcpy(out, g->bytes.p, len);
}

static void assert_view(const void *p, size_t len, struct rf_view expected)
{
    assert_int_equal(len, expected.len);
    assert_memory_equal(p, expected.p, len);
}

static void check_messages(const json_t *one, struct rf_hpke *send, struct rf_hpke *receive)
{
    const json_t *messages = json_object_get(one, "encryptions"), *exports = json_object_get(one, "exports");
    struct rf_buf out;

    rf_buf_init(&out, &now->mem.mem, 4096);
    assert_true(json_array_size(messages) >= 10);
    for (size_t i = 0; i < json_array_size(messages); i++) {
        const json_t *m = json_array_get(messages, i);
        struct rf_view aad = rf_json_hex(m, "aad"), pt = rf_json_hex(m, "pt"), ct = rf_json_hex(m, "ct");

        rf_buf_reset(&out);
        assert_int_equal(rf_hpke_seal(now->c, send, aad, pt, &out), 0);
        assert_view(out.p, out.len, ct);
        rf_buf_reset(&out);
        assert_int_equal(rf_hpke_open(now->c, receive, aad, rf_view_of(ct.p, ct.len - 1), &out), RF_EAUTH);
        assert_int_equal(rf_hpke_open(now->c, receive, aad, ct, &out), 0);
        assert_view(out.p, out.len, pt);
    }
    for (size_t i = 0; i < json_array_size(exports); i++) {
        const json_t *e = json_array_get(exports, i);
        uint8_t value[64];
        size_t len = (size_t)rf_json_number(e, "L");

        assert_int_equal(rf_hpke_export(now->c, receive, rf_json_hex(e, "exporter_context"), value, len), 0);
        assert_view(value, len, rf_json_hex(e, "exported_value"));
    }
    rf_buf_deinit(&out);
}

static void check_hpke(const json_t *one)
{
    enum rf_dh_group kem = (enum rf_dh_group)rf_json_number(one, "kem_id");
    struct rf_hpke_pair pair;
    struct rf_hpke send, receive;
    struct rf_hpke_psk psk = {rf_json_hex(one, "psk"), rf_json_hex(one, "psk_id")};
    const struct rf_hpke_psk *mode = rf_json_number(one, "mode") == 1 ? &psk : NULL;
    struct given given = {{given_fill, &given}, rf_json_hex(one, "ikmE")};
    struct rf_view info = rf_json_hex(one, "info"), enc = rf_json_hex(one, "enc");
    uint8_t made[RF_DH_PUBLIC_MAX_LEN];

    assert_int_equal(rf_hpke_derive_pair(now->c, kem, rf_json_hex(one, "ikmR"), &pair), 0);
    assert_view(pair.private, 32, rf_json_hex(one, "skRm"));
    assert_view(pair.public, pair.public_len, rf_json_hex(one, "pkRm"));
    assert_int_equal(rf_hpke_send(now->c, kem, &given.rng, rf_json_hex(one, "pkRm"), info, mode, &send, made),
                     0);
    assert_view(made, rf_dh_public_len(kem), enc);
    assert_int_equal(rf_hpke_receive(now->c, kem, enc, pair.private, rf_view_of(pair.public, pair.public_len),
                                     info, mode, &receive),
                     0);
    assert_memory_equal(&send, &receive, sizeof(send));
    assert_view(send.key, 16, rf_json_hex(one, "key"));
    assert_view(send.base_nonce, 12, rf_json_hex(one, "base_nonce"));
    assert_view(send.exporter, 32, rf_json_hex(one, "exporter_secret"));
    check_messages(one, &send, &receive);
    psk.id.len = 0;
    if (mode != NULL)
        assert_int_equal(rf_hpke_receive(now->c, kem, enc, pair.private,
                                         rf_view_of(pair.public, pair.public_len), info, &psk, &receive),
                         RF_EINVAL);
}

static void vectors_of_rfc_9180(void **state)
{
    now = *state;
    assert_int_equal(rf_json_vector_run("hpke/rfc9180-base-psk", check_hpke), 4);
}

/* RFC 5869, test cases 1 and 3 */
static void hkdf_of_rfc_5869(void **state)
{
    struct fixture *f = *state;
    uint8_t ikm[22], salt[13], info[10], prk[32], okm[42];
    static const uint8_t okm1[] = {0x3c, 0xb2, 0x5f, 0x25, 0xfa, 0xac, 0xd5, 0x7a, 0x90, 0x43, 0x4f,
                                   0x64, 0xd0, 0x36, 0x2f, 0x2a, 0x2d, 0x2d, 0x0a, 0x90, 0xcf, 0x1a,
                                   0x5a, 0x4c, 0x5d, 0xb0, 0x2d, 0x56, 0xec, 0xc4, 0xc5, 0xbf, 0x34,
                                   0x00, 0x72, 0x08, 0xd5, 0xb8, 0x87, 0x18, 0x58, 0x65};
    static const uint8_t okm3[] = {0x8d, 0xa4, 0xe7, 0x75, 0xa5, 0x63, 0xc1, 0x8f, 0x71, 0x5f, 0x80,
                                   0x2a, 0x06, 0x3c, 0x5a, 0x31, 0xb8, 0xa1, 0x1f, 0x5c, 0x5e, 0xe1,
                                   0x87, 0x9e, 0xc3, 0x45, 0x4e, 0x5f, 0x3c, 0x73, 0x8d, 0x2d, 0x9d,
                                   0x20, 0x13, 0x95, 0xfa, 0xa4, 0xb6, 0x1a, 0x96, 0xc8};
    struct rf_view secret = rf_view_of(ikm, sizeof(ikm)), text = rf_view_of(info, sizeof(info));

    memset(ikm, 0x0b, sizeof(ikm));
    for (size_t i = 0; i < sizeof(salt); i++)
        salt[i] = (uint8_t)i;
    for (size_t i = 0; i < sizeof(info); i++)
        info[i] = (uint8_t)(0xf0 + i);
    assert_int_equal(rf_hkdf_extract(f->c, rf_view_of(salt, sizeof(salt)), &secret, 1, prk), 0);
    assert_int_equal(rf_hkdf_expand(f->c, prk, &text, 1, okm, sizeof(okm)), 0);
    assert_memory_equal(okm, okm1, sizeof(okm));
    assert_int_equal(rf_hkdf_extract(f->c, rf_view_of(NULL, 0), &secret, 1, prk), 0);
    assert_int_equal(rf_hkdf_expand(f->c, prk, NULL, 0, okm, sizeof(okm)), 0);
    assert_memory_equal(okm, okm3, sizeof(okm));
    assert_int_equal(rf_hkdf_expand(f->c, prk, NULL, 0, okm, 0), RF_EINVAL);
    assert_int_equal(rf_hkdf_expand(f->c, prk, NULL, 0, okm, 255 * 32 + 1), RF_EINVAL);
}

static void both_sides_share_a_secret(void **state)
{
    struct fixture *f = *state;

    for (size_t g = 0; g < 2; g++) {
        uint8_t private[2][32], public[2][RF_DH_PUBLIC_MAX_LEN + 1], shared[2][32];
        size_t len = rf_dh_public_len(groups[g]);

        for (int i = 0; i < 2; i++) {
            memset(private[i], 0x11 * (i + 1), 32);
            assert_int_equal(f->c->ops->dh_public(f->c, groups[g], private[i], public[i]), 0);
        }
        for (int i = 0; i < 2; i++)
            assert_int_equal(
                f->c->ops->dh(f->c, groups[g], private[i], rf_view_of(public[1 - i], len), shared[i]), 0);
        assert_memory_equal(shared[0], shared[1], 32);
        assert_memory_not_equal(public[0], public[1], len);
        assert_int_equal(f->c->ops->dh(f->c, groups[g], private[0], rf_view_of(public[0], len), shared[1]),
                         0);
        assert_memory_not_equal(shared[0], shared[1], 32);
        assert_int_equal(
            f->c->ops->dh(f->c, groups[g], private[0], rf_view_of(public[1], len - 1), shared[0]),
            RF_EFORMAT);
        assert_int_equal(
            f->c->ops->dh(f->c, groups[g], private[0], rf_view_of(public[1], len + 1), shared[0]),
            RF_EFORMAT);
    }
    assert_int_equal(f->c->ops->dh_public(f->c, (enum rf_dh_group)0x11, (const uint8_t *)"", NULL),
                     RF_EUNKNOWN);
}

static void points_that_are_none(void **state)
{
    struct fixture *f = *state;
    uint8_t private[32], public[65], shared[32], zero[32] = {0};

    memset(private, 5, sizeof(private));
    assert_int_equal(f->c->ops->dh_public(f->c, RF_DH_P256, zero, public), RF_EFORMAT);
    assert_int_equal(f->c->ops->dh_public(f->c, RF_DH_P256, private, public), 0);
    public[64] ^= 1; /* off the curve */
    assert_int_equal(f->c->ops->dh(f->c, RF_DH_P256, private, rf_view_of(public, 65), shared), RF_EFORMAT);
    public[64] ^= 1;
    public[0] = (uint8_t)(6 | (public[64] & 1)); /* hybrid */
    assert_int_equal(f->c->ops->dh(f->c, RF_DH_P256, private, rf_view_of(public, 65), shared), RF_EFORMAT);
    public[0] = (uint8_t)(2 | (public[64] & 1)); /* compressed */
    assert_int_equal(f->c->ops->dh(f->c, RF_DH_P256, private, rf_view_of(public, 33), shared), RF_EFORMAT);
    if (f->fake)
        return;
    assert_int_equal(f->c->ops->dh(f->c, RF_DH_X25519, private, rf_view_of(zero, 32), shared), RF_EFORMAT);
    memset(private, 0xff, sizeof(private)); /* above the order */
    assert_int_equal(f->c->ops->dh_public(f->c, RF_DH_P256, private, public), RF_EFORMAT);
}

static void what_was_sealed_opens_only_so(void **state)
{
    struct fixture *f = *state;
    uint8_t key[16] = {1}, nonce[12] = {2}, plain[100], sealed[116], opened[100];

    memset(plain, 9, sizeof(plain));
    for (size_t len = 0; len <= sizeof(plain); len += 50) {
        struct rf_view aad = VIEW("aad"), all;
        struct rf_buf out;

        rf_buf_fixed(&out, sealed, sizeof(sealed));
        assert_int_equal(f->c->ops->aead_seal(f->c, key, nonce, aad, rf_view_of(plain, len), &out), 0);
        assert_int_equal(out.len, len + 16);
        all = rf_buf_view(&out);
        rf_buf_fixed(&out, opened, sizeof(opened));
        for (size_t i = 0; i < all.len; i++) {
            sealed[i] ^= 1;
            assert_int_equal(f->c->ops->aead_open(f->c, key, nonce, aad, all, &out), RF_EAUTH);
            sealed[i] ^= 1;
            assert_int_equal(f->c->ops->aead_open(f->c, key, nonce, aad, rf_view_of(sealed, i), &out),
                             RF_EAUTH);
        }
        assert_int_equal(f->c->ops->aead_open(f->c, key, nonce, VIEW("aae"), all, &out), RF_EAUTH);
        nonce[11] ^= 1;
        assert_int_equal(f->c->ops->aead_open(f->c, key, nonce, aad, all, &out), RF_EAUTH);
        nonce[11] ^= 1;
        assert_int_equal(out.len, 0);
        assert_int_equal(f->c->ops->aead_open(f->c, key, nonce, aad, all, &out), 0);
        assert_view(opened, out.len, rf_view_of(plain, len));
    }
}

static void raw_public_keys(void **state)
{
    static const enum rf_key_type types[] = {RF_KEY_P256, RF_KEY_ED25519};
    struct fixture *f = *state;
    struct rf_view message = VIEW("hello");

    for (size_t i = 0; i < 2; i++) {
        uint8_t raw[65], bytes[128];
        struct rf_buf public, signature;
        struct rf_pubkey *pub;
        struct rf_key *key;

        rf_buf_fixed(&public, raw, sizeof(raw));
        rf_buf_fixed(&signature, bytes, sizeof(bytes));
        assert_int_equal(f->c->ops->key_generate(f->c, types[i], &key), 0);
        assert_int_equal(rf_key_public(f->c, key, &public), 0);
        assert_int_equal(public.len, i == 0 ? 65 : 32);
        assert_int_equal(rf_pubkey_from_raw(f->c, types[i], rf_view_of(raw, public.len - 1), &pub),
                         RF_EFORMAT);
        assert_int_equal(rf_pubkey_from_raw(f->c, types[1 - i], rf_buf_view(&public), &pub), RF_EFORMAT);
        assert_int_equal(rf_pubkey_from_raw(f->c, types[i], rf_buf_view(&public), &pub), 0);
        assert_int_equal(f->c->ops->sign(f->c, key, &message, 1, &signature), 0);
        assert_int_equal(
            f->c->ops->verify(f->c, pub, rf_sig_alg_of(types[i]), &message, 1, rf_buf_view(&signature)), 0);
        f->c->ops->pubkey_free(f->c, pub);
        f->c->ops->key_free(f->c, key);
    }
}

static int set_up(void **state)
{
    static struct fixture f;

    fixture_init(&f);
    *state = &f;
    return 0;
}

static int set_up_fake(void **state)
{
    static struct fixture f;

    fixture_init_fake(&f);
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    fixture_deinit(*state);
    return 0;
}

int test_crypto_hpke(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors_of_rfc_9180),
        cmocka_unit_test(hkdf_of_rfc_5869),
    };
    const struct CMUnitTest contract[] = {
        cmocka_unit_test(both_sides_share_a_secret),
        cmocka_unit_test(points_that_are_none),
        cmocka_unit_test(what_was_sealed_opens_only_so),
        cmocka_unit_test(raw_public_keys),
    };

    return cmocka_run_group_tests_name("crypto_hpke", tests, set_up, tear_down) +
           cmocka_run_group_tests_name("crypto_agreement_openssl", contract, set_up, tear_down) +
           cmocka_run_group_tests_name("crypto_agreement_fake", contract, set_up_fake, tear_down);
}
