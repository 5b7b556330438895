/*
 * sign.c - signatures. P-256 and RSA sign a digest, which takes the parts one after another; Ed25519 passes
 * over the message twice and needs it in one piece, so it is joined (on the stack if it is small).
 */
#include "crypto/openssl/backend.h"

#include <openssl/rsa.h>

#define JOIN_STACK_LEN 2048

struct joined {
    struct rf_view bytes;
    uint8_t *heap;
    uint8_t stack[JOIN_STACK_LEN];
};

static int join(struct rf_mem *mem, const struct rf_view *parts, size_t part_count, struct joined *j)
{
    uint8_t *p = j->stack;
    size_t len = 0, at = 0;

    j->heap = NULL;
    if (part_count == 1) {
        j->bytes = parts[0];
        return 0;
    }
    for (size_t i = 0; i < part_count; i++)
        len += parts[i].len;
    if (len > sizeof(j->stack) && (p = j->heap = rf_alloc(mem, len)) == NULL)
        return RF_ENOMEM;
    for (size_t i = 0; i < part_count; i++)
        if (parts[i].len > 0) {
            memcpy(p + at, parts[i].p, parts[i].len);
            at += parts[i].len;
        }
    j->bytes = rf_view_of(p, len);
    return 0;
}

static int sign_one_shot(struct rf_crypto *c, const struct rf_key *key, const struct rf_view *parts,
                         size_t part_count, uint8_t *signature, size_t *len)
{
    struct joined j;
    int r = join(c->mem, parts, part_count, &j);

    if (r != 0)
        return r;
    if (EVP_DigestSignInit_ex(key->one_shot, NULL, NULL, NULL, NULL, key->pkey, NULL) != 1 ||
        EVP_DigestSign(key->one_shot, signature, len, j.bytes.p, j.bytes.len) != 1)
        r = RF_ECRYPTO;
    rf_free(c->mem, j.heap);
    return r;
}

int backend_sign(struct rf_crypto *c, const struct rf_key *key, const struct rf_view *parts,
                 size_t part_count, struct rf_buf *out)
{
    uint8_t signature[RF_SIGNATURE_MAX_LEN], digest[RF_SHA256_LEN];
    size_t len = sizeof(signature);
    int r;

    errors_begin();
    if (key->type == RF_KEY_ED25519) {
        r = sign_one_shot(c, key, parts, part_count, signature, &len);
    } else {
        r = backend_hash(c, RF_HASH_SHA256, parts, part_count, digest);
        if (r == 0 && EVP_PKEY_sign(key->sign, signature, &len, digest, sizeof(digest)) != 1)
            r = RF_ECRYPTO;
    }
    errors_end();
    if (r != 0)
        return r;
    rf_buf_put(out, signature, len);
    return rf_buf_error(out);
}

static int verify_one_shot(struct rf_crypto *c, struct rf_pubkey *key, const struct rf_view *parts,
                           size_t part_count, struct rf_view signature)
{
    struct joined j;
    int r;

    if (key->one_shot == NULL && (key->one_shot = EVP_MD_CTX_new()) == NULL)
        return RF_ENOMEM;
    if ((r = join(c->mem, parts, part_count, &j)) != 0)
        return r;
    if (EVP_DigestVerifyInit_ex(key->one_shot, NULL, NULL, NULL, NULL, key->pkey, NULL) != 1)
        r = RF_ECRYPTO;
    else if (EVP_DigestVerify(key->one_shot, signature.p, signature.len, j.bytes.p, j.bytes.len) != 1)
        r = RF_ESIGNATURE;
    rf_free(c->mem, j.heap);
    return r;
}

/* prepare makes the verification context of a P-256 or RSA key. */
static int prepare(struct backend *b, struct rf_pubkey *key)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, key->pkey, NULL);

    if (ctx == NULL)
        return RF_ENOMEM;
    if (EVP_PKEY_verify_init(ctx) != 1 ||
        (key->type == RF_KEY_RSA2048 && EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) != 1) ||
        EVP_PKEY_CTX_set_signature_md(ctx, b->sha256) != 1) {
        EVP_PKEY_CTX_free(ctx);
        return RF_ECRYPTO;
    }
    key->verify = ctx;
    return 0;
}

static int verify_digest(struct rf_crypto *c, struct rf_pubkey *key, const struct rf_view *parts,
                         size_t part_count, struct rf_view signature)
{
    uint8_t digest[RF_SHA256_LEN];
    int r;

    if (key->verify == NULL && (r = prepare(backend_of(c), key)) != 0)
        return r;
    if ((r = backend_hash(c, RF_HASH_SHA256, parts, part_count, digest)) != 0)
        return r;
    /* 0 and negative alike: a signature that is malformed is one that does not verify */
    return EVP_PKEY_verify(key->verify, signature.p, signature.len, digest, sizeof(digest)) == 1
               ? 0
               : RF_ESIGNATURE;
}

int backend_verify(struct rf_crypto *c, const struct rf_pubkey *const_key, enum rf_sig_alg alg,
                   const struct rf_view *parts, size_t part_count, struct rf_view signature)
{
    /* the contexts inside are scratch space, the key stays what it is */
    struct rf_pubkey *key = (struct rf_pubkey *)(uintptr_t)const_key;
    static const enum rf_sig_alg fits[] = {[RF_KEY_P256] = RF_SIG_ECDSA_SHA256,
                                           [RF_KEY_RSA2048] = RF_SIG_RSA_SHA256,
                                           [RF_KEY_ED25519] = RF_SIG_ED25519};
    int r;

    if (alg != fits[key->type])
        return RF_EUNKNOWN;
    if (signature.len == 0 || signature.len > RF_SIGNATURE_MAX_LEN)
        return RF_ESIGNATURE;
    errors_begin();
    r = pubkey_use(backend_of(c), key);
    if (r == 0 && key->type == RF_KEY_ED25519)
        r = verify_one_shot(c, key, parts, part_count, signature);
    else if (r == 0)
        r = verify_digest(c, key, parts, part_count, signature);
    errors_end();
    return r;
}
