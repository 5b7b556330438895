/*
 * seal.c - key agreement and encryption that are worth nothing, with the sizes and the failures of real ones. The shared secret is a mix of
 * both public keys and the backend's own secret: the same from both sides, and through the interface only for who has a private key. A
 * ciphertext is the plaintext under a stream made of key and nonce; its tag is a mix of everything.
 */
#include "crypto/fake/backend.h"

#define STREAM_LEN MIX_OUT_LEN

static enum rf_key_type shape_of(enum rf_dh_group group)
{
    return group == RF_DH_P256 ? RF_KEY_P256 : RF_KEY_ED25519; /* a point, or 32 bytes */
}

int fake_dh_public(struct rf_crypto *c, enum rf_dh_group group, const uint8_t private[RF_DH_PRIVATE_LEN],
                   uint8_t *out)
{
    static const uint8_t zero[RF_DH_PRIVATE_LEN];
    struct backend *b = backend_of(c);

    if (rf_dh_public_len(group) == 0)
        return RF_EUNKNOWN;
    if (group == RF_DH_P256 && memcmp(private, zero, sizeof(zero)) == 0)
        return RF_EFORMAT;
    charge(b, b->config.costs.key_generate_ns);
    fake_public_of(shape_of(group), private, out);
    return 0;
}

int fake_dh(struct rf_crypto *c, enum rf_dh_group group, const uint8_t private[RF_DH_PRIVATE_LEN],
            struct rf_view public, uint8_t out[RF_DH_SHARED_LEN])
{
    struct backend *b = backend_of(c);
    uint8_t own[RF_DH_PUBLIC_MAX_LEN];
    size_t len = rf_dh_public_len(group);
    const uint8_t *first = own, *second = public.p;
    struct mix m;

    if (len == 0)
        return RF_EUNKNOWN;
    if (public.len != len || !fake_public_good(shape_of(group), public))
        return RF_EFORMAT;
    charge(b, b->config.costs.key_generate_ns);
    fake_public_of(shape_of(group), private, own);
    if (memcmp(first, second, len) > 0) {
        first = public.p;
        second = own;
    }
    mix_init(&m, MIX_SHARED, b->config.seed[0] ^ (uint64_t)group);
    mix_put(&m, rf_view_of(&b->config.seed[1], sizeof(b->config.seed[1])));
    mix_put(&m, rf_view_of(first, len));
    mix_put(&m, rf_view_of(second, len));
    mix_end(&m, out);
    return 0;
}

/* stream passes `len` bytes through what follows from key and nonce. */
static void stream(const uint8_t *key, const uint8_t *nonce, const uint8_t *in, uint8_t *out, size_t len)
{
    uint8_t some[STREAM_LEN];
    struct mix m;

    for (uint64_t number = 0; len > 0; number++) {
        size_t take = len < sizeof(some) ? len : sizeof(some);

        mix_init(&m, MIX_STREAM, number);
        mix_put(&m, rf_view_of(key, RF_AEAD_KEY_LEN));
        mix_put(&m, rf_view_of(nonce, RF_AEAD_NONCE_LEN));
        mix_end(&m, some);
        for (size_t i = 0; i < take; i++)
            out[i] = in[i] ^ some[i];
        in += take;
        out += take;
        len -= take;
    }
}

static void tag_of(struct backend *b, const uint8_t *key, const uint8_t *nonce, struct rf_view aad,
                   struct rf_view sealed, uint8_t tag[RF_AEAD_TAG_LEN])
{
    uint8_t sum[MIX_OUT_LEN];
    struct mix m;

    mix_init(&m, MIX_TAG, aad.len);
    mix_put(&m, rf_view_of(key, RF_AEAD_KEY_LEN));
    mix_put(&m, rf_view_of(nonce, RF_AEAD_NONCE_LEN));
    if (aad.len > 0)
        mix_put(&m, aad);
    if (sealed.len > 0)
        mix_put(&m, sealed);
    mix_end(&m, sum);
    memcpy(tag, sum, RF_AEAD_TAG_LEN);
    charge_hash(b, sealed.len);
}

int fake_aead_seal(struct rf_crypto *c, const uint8_t key[RF_AEAD_KEY_LEN],
                   const uint8_t nonce[RF_AEAD_NONCE_LEN], struct rf_view aad, struct rf_view plain,
                   struct rf_buf *out)
{
    uint8_t *to = rf_buf_reserve(out, plain.len + RF_AEAD_TAG_LEN);

    if (to == NULL)
        return rf_buf_error(out);
    stream(key, nonce, plain.p, to, plain.len);
    tag_of(backend_of(c), key, nonce, aad, rf_view_of(to, plain.len), to + plain.len);
    return 0;
}

int fake_aead_open(struct rf_crypto *c, const uint8_t key[RF_AEAD_KEY_LEN],
                   const uint8_t nonce[RF_AEAD_NONCE_LEN], struct rf_view aad, struct rf_view sealed,
                   struct rf_buf *out)
{
    uint8_t tag[RF_AEAD_TAG_LEN], *to;
    struct rf_view cipher = rf_view_of(sealed.p, sealed.len - RF_AEAD_TAG_LEN);

    if (sealed.len < RF_AEAD_TAG_LEN)
        return RF_EAUTH;
    tag_of(backend_of(c), key, nonce, aad, cipher, tag);
    if (memcmp(tag, sealed.p + cipher.len, sizeof(tag)) != 0)
        return RF_EAUTH;
    if ((to = rf_buf_reserve(out, cipher.len)) == NULL)
        return rf_buf_error(out);
    stream(key, nonce, cipher.p, to, cipher.len);
    return 0;
}
