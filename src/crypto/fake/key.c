/* key.c - private and public keys in the shapes of real ones. */
#include "crypto/fake/backend.h"

#include "crypto/der.h"
#include "crypto/x509.h"

#define PUBLIC_MAX_LEN 320 /* the longest is an RSAPublicKey of 270 bytes */
#define RSA_LEN        256
#define PEM_MAX_LEN    2048 /* bytes of DER: a real RSA key shall be read as far as saying that it is one */

/* AlgorithmIdentifiers of SubjectPublicKeyInfo, without their SEQUENCE */
static const struct algorithm {
    enum rf_key_type type;
    const char *body;
    size_t len;
} algorithms[] = {
    {RF_KEY_P256, "\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07", 19},
    {RF_KEY_RSA2048, "\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00", 13},
    {RF_KEY_ED25519, "\x06\x03\x2b\x65\x70", 5},
};

static const struct algorithm *algorithm_of(enum rf_key_type type)
{
    for (size_t i = 0; i < RF_COUNT(algorithms); i++)
        if (algorithms[i].type == type)
            return &algorithms[i];
    return NULL;
}

/*
 * public_put writes the key's own bytes as SubjectPublicKeyInfo holds them. All of them follow from `x`, the 32 bytes that a mix made of
 * the private key: the point (x, y) where y is a mix of x, a modulus that is one, or x itself.
 */
static void public_put(enum rf_key_type type, const uint8_t x[MIX_OUT_LEN], struct rf_buf *out)
{
    uint8_t more[RSA_LEN];

    if (type == RF_KEY_ED25519) {
        rf_buf_put(out, x, MIX_OUT_LEN);
    } else if (type == RF_KEY_P256) {
        mix_expand(x, more, MIX_OUT_LEN);
        rf_buf_u8(out, 4);
        rf_buf_put(out, x, MIX_OUT_LEN);
        rf_buf_put(out, more, MIX_OUT_LEN);
    } else {
        size_t whole = rf_der_open(out, RF_DER_SEQUENCE);

        mix_expand(x, more, sizeof(more));
        memcpy(more, x, MIX_OUT_LEN);
        more[RSA_LEN - 1] |= 1;
        rf_der_put_uint(out, rf_view_of(more, sizeof(more)));
        rf_der_put_uint(out, rf_view_of("\x01\x00\x01", 3));
        rf_der_close(out, whole);
    }
}

/* x_of finds the 32 bytes in a public key that may come from a stranger, and checks that the others follow from them. */
static int x_of(enum rf_key_type type, struct rf_view key, uint8_t x[MIX_OUT_LEN])
{
    uint8_t bytes[PUBLIC_MAX_LEN];
    struct rf_view at = key, body, modulus;
    struct rf_buf again;

    if (type == RF_KEY_RSA2048) {
        if (rf_der_take(&at, RF_DER_SEQUENCE, &body) != 0 || rf_der_uint(&body, &modulus) != 0)
            return RF_EFORMAT;
        if (modulus.len != RSA_LEN)
            return RF_EUNKNOWN;
        at = modulus;
    } else if (type == RF_KEY_P256) {
        at.p++; /* rf_spki_type saw to the lengths */
        at.len--;
    }
    memcpy(x, at.p, MIX_OUT_LEN);
    rf_buf_fixed(&again, bytes, sizeof(bytes));
    public_put(type, x, &again);
    return rf_view_equal(rf_buf_view(&again), key) ? 0 : RF_EFORMAT;
}

/* x_from_raw: the way from a private key to its public one, which nobody walks back. */
static void x_from_raw(enum rf_key_type type, const uint8_t raw[RAW_LEN], uint8_t x[MIX_OUT_LEN])
{
    struct mix m;

    mix_init(&m, MIX_PUBLIC, (uint64_t)type);
    mix_put(&m, rf_view_of(raw, RAW_LEN));
    mix_end(&m, x);
    x[0] |= 0x80; /* the modulus of an RSA key has all its bits */
}

void fake_public_of(enum rf_key_type type, const uint8_t raw[RAW_LEN], uint8_t *out)
{
    uint8_t x[MIX_OUT_LEN];
    struct rf_buf public;

    rf_buf_fixed(&public, out, type == RF_KEY_P256 ? 65 : 32);
    x_from_raw(type, raw, x);
    public_put(type, x, &public);
}

bool fake_public_good(enum rf_key_type type, struct rf_view public)
{
    uint8_t x[MIX_OUT_LEN];

    return x_of(type, public, x) == 0;
}

static void signing_from_x(const struct backend *b, enum rf_key_type type, const uint8_t x[MIX_OUT_LEN],
                           uint8_t out[MIX_OUT_LEN])
{
    struct mix m;

    mix_init(&m, MIX_SIGNING_KEY, b->config.seed[0] ^ (uint64_t)type);
    mix_put(&m, rf_view_of(&b->config.seed[1], sizeof(b->config.seed[1])));
    mix_put(&m, rf_view_of(x, MIX_OUT_LEN));
    mix_end(&m, out);
}

static int key_make(struct rf_crypto *c, enum rf_key_type type, const uint8_t raw[RAW_LEN],
                    struct rf_key **out)
{
    uint8_t x[MIX_OUT_LEN];
    struct rf_key *key = rf_alloc(c->mem, sizeof(*key));

    if (key == NULL)
        return RF_ENOMEM;
    key->type = type;
    memcpy(key->raw, raw, RAW_LEN);
    x_from_raw(type, raw, x);
    signing_from_x(backend_of(c), type, x, key->signing);
    *out = key;
    return 0;
}

int fake_key_generate(struct rf_crypto *c, enum rf_key_type type, struct rf_key **out)
{
    struct backend *b = backend_of(c);
    uint8_t raw[RAW_LEN];

    if (algorithm_of(type) == NULL)
        return RF_EUNKNOWN;
    charge(b, b->config.costs.key_generate_ns);
    rf_rng_fill(b->config.rng, raw, sizeof(raw));
    return key_make(c, type, raw, out);
}

int fake_key_from_raw(struct rf_crypto *c, enum rf_key_type type, struct rf_view raw, struct rf_key **out)
{
    static const uint8_t zero[RAW_LEN];
    struct backend *b = backend_of(c);

    if (type != RF_KEY_ED25519 && type != RF_KEY_P256)
        return RF_EUNKNOWN;
    if (raw.len != RAW_LEN || (type == RF_KEY_P256 && memcmp(raw.p, zero, RAW_LEN) == 0))
        return RF_EFORMAT;
    charge(b, b->config.costs.key_generate_ns);
    return key_make(c, type, raw.p, out);
}

/* The PKCS#8 of a fake key holds its 32 bytes, whatever the type. */
int fake_key_to_pem(struct rf_crypto *c, const struct rf_key *key, struct rf_buf *out)
{
    const struct algorithm *algorithm = algorithm_of(key->type);
    uint8_t bytes[128];
    struct rf_buf der;
    size_t whole;

    (void)c;
    rf_buf_fixed(&der, bytes, sizeof(bytes));
    whole = rf_der_open(&der, RF_DER_SEQUENCE);
    rf_der_put_uint(&der, rf_view_of(NULL, 0));
    rf_der_put(&der, RF_DER_SEQUENCE, rf_view_of(algorithm->body, algorithm->len));
    rf_der_put(&der, RF_DER_OCTET_STRING, rf_view_of(key->raw, RAW_LEN));
    rf_der_close(&der, whole);
    rf_pem_put(out, "PRIVATE KEY", rf_buf_view(&der));
    rf_wipe(bytes, sizeof(bytes));
    return rf_buf_error(out);
}

int fake_key_from_pem(struct rf_crypto *c, struct rf_view pem, struct rf_key **out)
{
    struct rf_view at, body, version, algorithm, raw;
    uint8_t bytes[PEM_MAX_LEN];
    struct rf_buf der;
    int r = RF_EFORMAT;

    rf_buf_fixed(&der, bytes, sizeof(bytes));
    if (rf_pem_next(&pem, "PRIVATE KEY", &der) == 0) {
        at = rf_buf_view(&der);
        if (rf_der_take(&at, RF_DER_SEQUENCE, &body) == 0 && at.len == 0 &&
            rf_der_uint(&body, &version) == 0 && version.len == 0 &&
            rf_der_take(&body, RF_DER_SEQUENCE, &algorithm) == 0 &&
            rf_der_take(&body, RF_DER_OCTET_STRING, &raw) == 0 && body.len == 0) {
            r = RF_EUNKNOWN; /* a key of another kind, or a real one */
            for (size_t i = 0; i < RF_COUNT(algorithms) && raw.len == RAW_LEN; i++)
                if (rf_x509_oid_is(algorithm, algorithms[i].body, algorithms[i].len))
                    r = key_make(c, algorithms[i].type, raw.p, out);
        }
    }
    rf_wipe(bytes, sizeof(bytes));
    return r;
}

void fake_key_free(struct rf_crypto *c, struct rf_key *key)
{
    rf_free_secret(c->mem, key, sizeof(*key));
}

enum rf_key_type fake_key_type(const struct rf_key *key)
{
    return key->type;
}

int fake_key_spki(struct rf_crypto *c, const struct rf_key *key, struct rf_buf *out)
{
    const struct algorithm *algorithm = algorithm_of(key->type);
    uint8_t x[MIX_OUT_LEN], bytes[PUBLIC_MAX_LEN];
    struct rf_buf public;
    size_t whole;

    (void)c;
    rf_buf_fixed(&public, bytes, sizeof(bytes));
    x_from_raw(key->type, key->raw, x);
    public_put(key->type, x, &public);
    whole = rf_der_open(out, RF_DER_SEQUENCE);
    rf_der_put(out, RF_DER_SEQUENCE, rf_view_of(algorithm->body, algorithm->len));
    rf_der_put_bits(out, rf_buf_view(&public));
    rf_der_close(out, whole);
    return rf_buf_error(out);
}

int fake_pubkey_from_spki(struct rf_crypto *c, struct rf_view spki, struct rf_pubkey **out)
{
    struct backend *b = backend_of(c);
    uint8_t x[MIX_OUT_LEN];
    enum rf_key_type type;
    struct rf_view bytes;
    struct rf_pubkey *key;
    int r = rf_spki_type(spki, &type, &bytes);

    if (r == 0)
        r = x_of(type, bytes, x);
    if (r != 0)
        return r;
    if ((key = rf_alloc(c->mem, sizeof(*key))) == NULL)
        return RF_ENOMEM;
    key->type = type;
    signing_from_x(b, type, x, key->signing);
    b->counts.keys_decoded++;
    charge(b, b->config.costs.key_decode_ns);
    *out = key;
    return 0;
}

void fake_pubkey_free(struct rf_crypto *c, struct rf_pubkey *key)
{
    rf_free(c->mem, key);
}
