/* aead.c - AES-128-GCM with the tag behind the ciphertext. */
#include "crypto/openssl/backend.h"

#include <limits.h>

/* begin sets key and nonce and takes the additional data in. */
static bool begin(struct backend *b, int encrypt, const uint8_t *key, const uint8_t *nonce,
                  struct rf_view aad)
{
    int len;

    return aad.len <= INT_MAX &&
           EVP_CipherInit_ex2(b->cipher_ctx, b->aes128_gcm, key, nonce, encrypt, NULL) == 1 &&
           (aad.len == 0 || EVP_CipherUpdate(b->cipher_ctx, NULL, &len, aad.p, (int)aad.len) == 1);
}

/* pass runs `in` through the cipher; `to` has room for as many bytes. */
static bool pass(struct backend *b, struct rf_view in, uint8_t *to)
{
    int len = 0;

    return in.len == 0 ||
           (EVP_CipherUpdate(b->cipher_ctx, to, &len, in.p, (int)in.len) == 1 && (size_t)len == in.len);
}

int backend_aead_seal(struct rf_crypto *c, const uint8_t key[RF_AEAD_KEY_LEN],
                      const uint8_t nonce[RF_AEAD_NONCE_LEN], struct rf_view aad, struct rf_view plain,
                      struct rf_buf *out)
{
    struct backend *b = backend_of(c);
    size_t before = out->len;
    uint8_t *to, rest[16];
    bool good;
    int len;

    if (plain.len > INT_MAX - RF_AEAD_TAG_LEN)
        return RF_ELIMIT;
    if ((to = rf_buf_reserve(out, plain.len + RF_AEAD_TAG_LEN)) == NULL)
        return rf_buf_error(out);
    errors_begin();
    good = begin(b, 1, key, nonce, aad) && pass(b, plain, to) &&
           EVP_CipherFinal_ex(b->cipher_ctx, rest, &len) == 1 &&
           EVP_CIPHER_CTX_ctrl(b->cipher_ctx, EVP_CTRL_AEAD_GET_TAG, RF_AEAD_TAG_LEN, to + plain.len) == 1;
    (void)EVP_CIPHER_CTX_reset(b->cipher_ctx); /* wipes the key */
    errors_end();
    if (!good)
        out->len = before;
    return good ? 0 : RF_ECRYPTO;
}

int backend_aead_open(struct rf_crypto *c, const uint8_t key[RF_AEAD_KEY_LEN],
                      const uint8_t nonce[RF_AEAD_NONCE_LEN], struct rf_view aad, struct rf_view sealed,
                      struct rf_buf *out)
{
    struct backend *b = backend_of(c);
    uint8_t tag[RF_AEAD_TAG_LEN], rest[16], *to;
    size_t before = out->len, plain_len = sealed.len - RF_AEAD_TAG_LEN;
    int r = RF_ECRYPTO, len;

    if (sealed.len < RF_AEAD_TAG_LEN)
        return RF_EAUTH;
    if (sealed.len > INT_MAX)
        return RF_ELIMIT;
    if ((to = rf_buf_reserve(out, plain_len)) == NULL && rf_buf_error(out) != 0)
        return rf_buf_error(out);
    memcpy(tag, sealed.p + plain_len, sizeof(tag));
    errors_begin();
    if (begin(b, 0, key, nonce, aad) && pass(b, rf_view_of(sealed.p, plain_len), to) &&
        EVP_CIPHER_CTX_ctrl(b->cipher_ctx, EVP_CTRL_AEAD_SET_TAG, sizeof(tag), tag) == 1)
        r = EVP_CipherFinal_ex(b->cipher_ctx, rest, &len) == 1 ? 0 : RF_EAUTH;
    (void)EVP_CIPHER_CTX_reset(b->cipher_ctx);
    errors_end();
    if (r != 0) {
        if (plain_len > 0)
            rf_wipe(to, plain_len);
        out->len = before;
    }
    return r;
}
