/* test_crypto_contract.c - what every backend owes: the same tests for the one of OpenSSL and for the simulator's. */
#include "test_crypto.h"

#define MADE_MS UINT64_C(1750000000000)
#define YEAR_MS (UINT64_C(365) * 86400000)

static const enum rf_key_type types[] = {RF_KEY_P256, RF_KEY_RSA2048, RF_KEY_ED25519};
static const enum rf_sig_alg algs[] = {RF_SIG_ECDSA_SHA256, RF_SIG_RSA_SHA256, RF_SIG_ED25519};

/* One key: what it signs in pieces verifies in other pieces; whatever is changed does not. */
static void check_signatures(struct rf_crypto *c, enum rf_key_type type, enum rf_sig_alg alg)
{
    static uint8_t message[5000];
    struct rf_key *key, *other_key;
    struct rf_pubkey *pub, *other;
    uint8_t bytes[RF_SIGNATURE_MAX_LEN];
    struct rf_buf signature;
    struct rf_view whole = rf_view_of(message, sizeof(message)), sig;

    assert_int_equal(c->ops->key_generate(c, type, &key), 0);
    assert_int_equal(c->ops->key_generate(c, type, &other_key), 0);
    assert_int_equal(c->ops->key_type(key), type);
    pub = crypto_public_of(c, key);
    other = crypto_public_of(c, other_key);
    for (size_t cut = 0; cut <= sizeof(message); cut += 1000) {
        struct rf_view parts[3] = {{message, cut}, {NULL, 0}, {message + cut, sizeof(message) - cut}};

        rf_buf_fixed(&signature, bytes, sizeof(bytes));
        assert_int_equal(c->ops->sign(c, key, parts, 3, &signature), 0);
        sig = rf_buf_view(&signature);
        assert_int_equal(c->ops->verify(c, pub, alg, &whole, 1, sig), 0);
        assert_int_equal(c->ops->verify(c, pub, alg, parts, 3, sig), 0);
        assert_int_equal(c->ops->verify(c, pub, alg, parts, 2, sig),
                         cut == sizeof(message) ? 0 : RF_ESIGNATURE);
        assert_int_equal(c->ops->verify(c, other, alg, &whole, 1, sig), RF_ESIGNATURE);
    }
    for (size_t i = 0; i < sig.len; i++) {
        bytes[i] ^= 1;
        assert_int_equal(c->ops->verify(c, pub, alg, &whole, 1, sig), RF_ESIGNATURE);
        bytes[i] ^= 1;
        assert_int_equal(c->ops->verify(c, pub, alg, &whole, 1, rf_view_of(bytes, i)), RF_ESIGNATURE);
    }
    rf_buf_u8(&signature, 0); /* a byte too many */
    assert_int_equal(c->ops->verify(c, pub, alg, &whole, 1, rf_buf_view(&signature)), RF_ESIGNATURE);
    message[777] ^= 1;
    assert_int_equal(c->ops->verify(c, pub, alg, &whole, 1, sig), RF_ESIGNATURE);
    message[777] ^= 1;
    assert_int_equal(c->ops->verify(c, pub, alg, &whole, 1, sig), 0); /* the scratch contexts still work */
    for (size_t i = 0; i < 3; i++)
        if (algs[i] != alg)
            assert_int_equal(c->ops->verify(c, pub, algs[i], &whole, 1, sig), RF_EUNKNOWN);
    c->ops->pubkey_free(c, pub);
    c->ops->pubkey_free(c, other);
    c->ops->key_free(c, key);
    c->ops->key_free(c, other_key);
}

static void signatures_verify_and_forgeries_do_not(void **state)
{
    struct fixture *f = *state;

    for (size_t i = 0; i < 3; i++)
        check_signatures(f->c, types[i], algs[i]);
}

static void keys_survive_pem(void **state)
{
    struct fixture *f = *state;
    for (size_t i = 0; i < 3; i++) {
        struct rf_key *key, *again, *other;
        struct rf_pubkey *pub;
        struct rf_buf pem, sig;
        struct rf_view message = VIEW("hello");

        rf_buf_init(&pem, &f->mem.mem, 1 << 14);
        rf_buf_init(&sig, &f->mem.mem, 1 << 14);
        assert_int_equal(f->c->ops->key_generate(f->c, types[i], &key), 0);
        assert_int_equal(f->c->ops->key_to_pem(f->c, key, &pem), 0);
        assert_int_equal(f->c->ops->key_from_pem(f->c, rf_buf_view(&pem), &again), 0);
        assert_int_equal(f->c->ops->key_type(again), types[i]);
        assert_int_equal(f->c->ops->sign(f->c, again, &message, 1, &sig), 0);
        pub = crypto_public_of(f->c, key);
        assert_int_equal(f->c->ops->verify(f->c, pub, algs[i], &message, 1, rf_buf_view(&sig)), 0);
        pem.p[pem.len / 2] = '!';
        assert_int_equal(f->c->ops->key_from_pem(f->c, rf_buf_view(&pem), &other), RF_EFORMAT);
        f->c->ops->pubkey_free(f->c, pub);
        f->c->ops->key_free(f->c, key);
        f->c->ops->key_free(f->c, again);
        rf_buf_deinit(&pem);
        rf_buf_deinit(&sig);
    }
}

static void only_the_owner_of_the_key_can_ask(void **state)
{
    struct fixture *f = *state;
    struct rf_buf der;
    struct rf_key *key;
    struct rf_csr csr;
    rf_buf_init(&der, &f->mem.mem, 1 << 14);
    assert_int_equal(f->c->ops->key_generate(f->c, RF_KEY_ED25519, &key), 0);
    assert_int_equal(f->c->ops->csr_create(f->c, key, VIEW("alice@example.org"), &der), 0);
    for (size_t i = 0; i < der.len; i++) {
        int r;

        der.p[i] ^= 0x01;
        r = f->c->ops->csr_decode(f->c, rf_buf_view(&der), &csr);
        assert_true(r == RF_EFORMAT || r == RF_ESIGNATURE || r == RF_EUNKNOWN);
        der.p[i] ^= 0x01;
        assert_int_equal(f->c->ops->csr_decode(f->c, rf_view_of(der.p, i), &csr), RF_EFORMAT);
    }
    rf_buf_u8(&der, 0);
    assert_int_equal(f->c->ops->csr_decode(f->c, rf_buf_view(&der), &csr), RF_EFORMAT);
    f->c->ops->key_free(f->c, key);
    rf_buf_deinit(&der);
}

static void refused_memory_is_reported(void **state)
{
    struct fixture *f = *state;
    struct rf_key *key;
    assert_int_equal(f->c->ops->key_generate(f->c, RF_KEY_ED25519, &key), 0);
    for (size_t allowed = 0;; allowed++) {
        struct rf_buf der;
        struct rf_csr csr;
        int r;

        rf_buf_init(&der, &f->mem.mem, 1 << 14);
        f->mem.allowed = allowed;
        r = f->c->ops->csr_create(f->c, key, VIEW("alice@example.org"), &der);
        if (r == 0)
            r = f->c->ops->csr_decode(f->c, rf_buf_view(&der), &csr);
        if (r == 0)
            f->c->ops->csr_deinit(f->c, &csr);
        f->mem.allowed = SIZE_MAX;
        rf_buf_deinit(&der);
        if (r == 0)
            break;
        assert_int_equal(r, RF_ENOMEM);
        assert_true(allowed < 20);
    }
    f->c->ops->key_free(f->c, key);
}

/* Where a message is cut does not matter, what it says does. */
static void hashes_are_of_the_whole(void **state)
{
    static const enum rf_hash hashes[] = {RF_HASH_SHA1, RF_HASH_SHA256};
    struct fixture *f = *state;
    uint8_t bytes[200], whole[RF_HASH_MAX_LEN], again[RF_HASH_MAX_LEN];

    memset(bytes, 7, sizeof(bytes));
    for (size_t i = 0; i < 2; i++)
        for (size_t cut = 0; cut <= sizeof(bytes); cut++) {
            struct rf_view all = rf_view_of(bytes, sizeof(bytes));
            struct rf_view parts[3] = {{bytes, cut}, {NULL, 0}, {bytes + cut, sizeof(bytes) - cut}};
            size_t len = hashes[i] == RF_HASH_SHA1 ? RF_SHA1_LEN : RF_SHA256_LEN;

            assert_int_equal(f->c->ops->hash(f->c, hashes[i], &all, 1, whole), 0);
            assert_int_equal(f->c->ops->hash(f->c, hashes[i], parts, 3, again), 0);
            assert_memory_equal(whole, again, len);
            assert_int_equal(f->c->ops->hash(f->c, hashes[i], parts, 2, again), 0);
            assert_true((memcmp(whole, again, len) == 0) == (cut == sizeof(bytes)));
            assert_int_equal(f->c->ops->hmac(f->c, hashes[i], VIEW("key"), parts, 3, whole), 0);
            assert_int_equal(f->c->ops->hmac(f->c, hashes[i], VIEW("key"), &all, 1, again), 0);
            assert_memory_equal(whole, again, len);
            assert_int_equal(f->c->ops->hmac(f->c, hashes[i], VIEW("kez"), &all, 1, again), 0);
            assert_memory_not_equal(whole, again, len);
        }
    assert_int_equal(f->c->ops->hash(f->c, RF_HASH_NONE, NULL, 0, whole), RF_EUNKNOWN);
    assert_int_equal(f->c->ops->hmac(f->c, RF_HASH_INTRINSIC, VIEW("k"), NULL, 0, whole), RF_EUNKNOWN);
}

/* make_cert writes a certificate for `key`, signed by `issuer_key`; `issuer` NULL: by itself, as a CA. */
static void make_cert(struct rf_crypto *c, const struct rf_key *key, const struct rf_x509 *issuer,
                      const struct rf_key *issuer_key, struct rf_buf *der)
{
    struct rf_view uri = VIEW("reload://0110000102030405060708090a0b0c0d0e0f@example.org/");
    struct rf_x509_spec spec = {.serial_lo = 9, .not_before_ms = MADE_MS, .not_after_ms = MADE_MS + YEAR_MS};
    uint8_t bytes[1024];
    struct rf_buf spki;

    if (issuer == NULL) {
        spec.common_name = VIEW("a CA");
        spec.is_ca = true;
    } else {
        spec.email = VIEW("alice@example.org");
        spec.uris = &uri;
        spec.uri_count = 1;
    }
    rf_buf_fixed(&spki, bytes, sizeof(bytes));
    assert_int_equal(c->ops->key_spki(c, key, &spki), 0);
    rf_buf_reset(der);
    assert_int_equal(c->ops->x509_issue(c, &spec, rf_buf_view(&spki), issuer, issuer_key, der), 0);
}

static void certificates_verify_with_their_issuer_only(void **state)
{
    struct fixture *f = *state;
    struct rf_crypto *c = f->c;
    struct rf_key *ca_key, *key;
    struct rf_x509 ca, cert, again;
    struct rf_buf der;

    rf_buf_init(&der, &f->mem.mem, 4096);
    assert_int_equal(c->ops->key_generate(c, RF_KEY_P256, &ca_key), 0);
    assert_int_equal(c->ops->key_generate(c, RF_KEY_P256, &key), 0);
    make_cert(c, ca_key, NULL, ca_key, &der);
    assert_int_equal(c->ops->x509_decode(c, rf_buf_view(&der), &ca), 0);
    assert_true(ca.is_ca);
    make_cert(c, key, &ca, ca_key, &der);
    assert_int_equal(c->ops->x509_decode(c, rf_buf_view(&der), &cert), 0);
    assert_int_equal(c->ops->x509_decode(c, rf_buf_view(&der), &again), 0);
    assert_true(rf_view_equal(cert.der, rf_buf_view(&der)));
    assert_true(rf_view_equal(cert.emails[0], VIEW("alice@example.org")));
    assert_int_equal(c->ops->x509_verify(c, &ca, &ca), 0);
    assert_int_equal(c->ops->x509_verify(c, &cert, &ca), 0);
    assert_int_equal(c->ops->x509_verify(c, &cert, &cert), RF_ESIGNATURE);
    c->ops->x509_deinit(c, &cert);
    assert_int_equal(c->ops->x509_verify(c, &again, &ca), 0); /* each decoding stands by itself */
    c->ops->x509_deinit(c, &again);
    for (size_t i = 0; i < der.len; i += 3) { /* no byte of it may be another */
        int r;

        der.p[i] ^= 1;
        r = c->ops->x509_decode(c, rf_buf_view(&der), &cert);
        der.p[i] ^= 1;
        if (r != 0)
            continue;
        assert_int_not_equal(c->ops->x509_verify(c, &cert, &ca), 0);
        c->ops->x509_deinit(c, &cert);
    }
    c->ops->x509_deinit(c, &ca);
    c->ops->key_free(c, ca_key);
    c->ops->key_free(c, key);
    rf_buf_deinit(&der);
}

static void keys_from_raw_values_are_the_same_keys(void **state)
{
    static const uint8_t raw[32] = {1, 2, 3}, zero[32];
    struct fixture *f = *state;
    struct rf_crypto *c = f->c;
    struct rf_key *key, *again;

    for (size_t i = 0; i < 3; i += 2) {
        uint8_t bytes[2][256];
        struct rf_buf spki[2];

        assert_int_equal(c->ops->key_from_raw(c, types[i], rf_view_of(raw, 32), &key), 0);
        assert_int_equal(c->ops->key_from_raw(c, types[i], rf_view_of(raw, 32), &again), 0);
        rf_buf_fixed(&spki[0], bytes[0], sizeof(bytes[0]));
        rf_buf_fixed(&spki[1], bytes[1], sizeof(bytes[1]));
        assert_int_equal(c->ops->key_spki(c, key, &spki[0]), 0);
        assert_int_equal(c->ops->key_spki(c, again, &spki[1]), 0);
        assert_true(rf_view_equal(rf_buf_view(&spki[0]), rf_buf_view(&spki[1])));
        c->ops->key_free(c, key);
        c->ops->key_free(c, again);
        assert_int_equal(c->ops->key_from_raw(c, types[i], rf_view_of(raw, 31), &key), RF_EFORMAT);
    }
    assert_int_equal(c->ops->key_from_raw(c, RF_KEY_P256, rf_view_of(zero, 32), &key), RF_EFORMAT);
    assert_int_equal(c->ops->key_from_raw(c, RF_KEY_RSA2048, rf_view_of(raw, 32), &key), RF_EUNKNOWN);
    assert_int_equal(c->ops->key_generate(c, (enum rf_key_type)9, &key), RF_EUNKNOWN);
    c->ops->key_free(c, NULL);
    c->ops->pubkey_free(c, NULL);
}

static int setup_openssl(void **state)
{
    static struct fixture f;

    fixture_init(&f);
    *state = &f;
    return 0;
}

static int setup_fake(void **state)
{
    static struct fixture f;

    fixture_init_fake(&f);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    fixture_deinit(*state);
    return 0;
}

#define FOR_BOTH(test)                                                                                       \
    {#test " (openssl)", test, setup_openssl, teardown, NULL},                                               \
    {                                                                                                        \
#test " (fake)", test, setup_fake, teardown, NULL                                                    \
    }

int test_crypto_contract(void)
{
    static const struct CMUnitTest tests[] = {
        FOR_BOTH(signatures_verify_and_forgeries_do_not),
        FOR_BOTH(keys_survive_pem),
        FOR_BOTH(keys_from_raw_values_are_the_same_keys),
        FOR_BOTH(hashes_are_of_the_whole),
        FOR_BOTH(certificates_verify_with_their_issuer_only),
        FOR_BOTH(only_the_owner_of_the_key_can_ask),
        FOR_BOTH(refused_memory_is_reported),
    };
    return cmocka_run_group_tests_name("contract", tests, NULL, NULL);
}
