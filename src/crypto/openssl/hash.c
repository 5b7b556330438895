/* hash.c - MD5, SHA-1, SHA-256 and HMAC over scattered parts. */
#include "crypto/openssl/backend.h"

int backend_hash(struct rf_crypto *c, enum rf_hash alg, const struct rf_view *parts, size_t part_count,
                 uint8_t *out)
{
    struct backend *b = backend_of(c);
    EVP_MD_CTX *ctx = alg == RF_HASH_SHA256 ? b->sha256_ctx : b->sha1_ctx;
    EVP_MD *md = alg == RF_HASH_SHA256 ? b->sha256 : alg == RF_HASH_SHA1 ? b->sha1 : b->md5;
    int good;

    if ((alg != RF_HASH_MD5 && alg != RF_HASH_SHA1 && alg != RF_HASH_SHA256) || md == NULL)
        return RF_EUNKNOWN;
    errors_begin();
    good = EVP_DigestInit_ex2(ctx, md, NULL);
    for (size_t i = 0; i < part_count && good == 1; i++)
        if (parts[i].len > 0)
            good = EVP_DigestUpdate(ctx, parts[i].p, parts[i].len);
    if (good == 1)
        good = EVP_DigestFinal_ex(ctx, out, NULL);
    errors_end();
    return good == 1 ? 0 : RF_ECRYPTO;
}

int backend_hmac(struct rf_crypto *c, enum rf_hash alg, struct rf_view key, const struct rf_view *parts,
                 size_t part_count, uint8_t *out)
{
    struct backend *b = backend_of(c);
    EVP_MAC_CTX *ctx = alg == RF_HASH_SHA1 ? b->hmac_sha1 : b->hmac_sha256;
    size_t len = alg == RF_HASH_SHA1 ? RF_SHA1_LEN : RF_SHA256_LEN;
    int good;

    if (alg != RF_HASH_SHA1 && alg != RF_HASH_SHA256)
        return RF_EUNKNOWN;
    errors_begin();
    /* no key pointer would mean the key of before */
    good = EVP_MAC_init(ctx, key.len > 0 ? key.p : (const uint8_t *)"", key.len, NULL);
    for (size_t i = 0; i < part_count && good == 1; i++)
        if (parts[i].len > 0)
            good = EVP_MAC_update(ctx, parts[i].p, parts[i].len);
    if (good == 1)
        good = EVP_MAC_final(ctx, out, &len, len);
    errors_end();
    return good == 1 ? 0 : RF_ECRYPTO;
}
