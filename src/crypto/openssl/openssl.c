/* openssl.c - the backend's object and its table. */
#include "crypto/openssl/openssl.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/params.h>
#include "crypto/openssl/backend.h"
#include "crypto/x509.h"

static const struct rf_crypto_ops ops = {
    .hash = backend_hash,
    .hmac = backend_hmac,
    .key_generate = backend_key_generate,
    .key_from_pem = backend_key_from_pem,
    .key_to_pem = backend_key_to_pem,
    .key_from_raw = backend_key_from_raw,
    .key_free = backend_key_free,
    .key_type = backend_key_type,
    .key_spki = backend_key_spki,
    .sign = backend_sign,
    .verify = backend_verify,
    .pubkey_from_spki = backend_pubkey_from_spki,
    .pubkey_free = backend_pubkey_free,
    .dh_public = backend_dh_public,
    .dh = backend_dh,
    .aead_seal = backend_aead_seal,
    .aead_open = backend_aead_open,
    .x509_decode = rf_x509_decode,
    .x509_deinit = rf_x509_deinit,
    .x509_verify = rf_x509_verify,
    .x509_issue = rf_x509_issue,
    .csr_create = rf_csr_create,
    .csr_decode = rf_csr_decode,
    .csr_deinit = rf_csr_deinit,
};

/* hmac_ctx makes a MAC context that has its digest already and only wants a key. */
static EVP_MAC_CTX *hmac_ctx(EVP_MAC *mac, const char *digest)
{
    char name[16];
    OSSL_PARAM params[2];
    EVP_MAC_CTX *ctx = EVP_MAC_CTX_new(mac);

    (void)OPENSSL_strlcpy(name, digest, sizeof(name));
    params[0] = OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name, 0);
    params[1] = OSSL_PARAM_construct_end();
    if (ctx != NULL && EVP_MAC_CTX_set_params(ctx, params) == 1)
        return ctx;
    EVP_MAC_CTX_free(ctx);
    return NULL;
}

static bool backend_init(struct backend *b)
{
    EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);

    b->md5 = EVP_MD_fetch(NULL, "MD5", NULL);
    b->sha1 = EVP_MD_fetch(NULL, "SHA1", NULL);
    b->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    b->sha1_ctx = EVP_MD_CTX_new();
    b->sha256_ctx = EVP_MD_CTX_new();
    if (mac != NULL) {
        b->hmac_sha1 = hmac_ctx(mac, "SHA1");
        b->hmac_sha256 = hmac_ctx(mac, "SHA256");
        EVP_MAC_free(mac);
    }
    rf_list_init(&b->ready);
    b->p256 = EVP_EC_gen("P-256");
    b->group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
    b->numbers = BN_CTX_secure_new();
    b->aes128_gcm = EVP_CIPHER_fetch(NULL, "AES-128-GCM", NULL);
    b->cipher_ctx = EVP_CIPHER_CTX_new();
    if (b->group == NULL || b->numbers == NULL || b->aes128_gcm == NULL || b->cipher_ctx == NULL)
        return false;
    b->rsa_data = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    if (b->rsa_data == NULL || EVP_PKEY_fromdata_init(b->rsa_data) != 1)
        return false;
    return b->sha1 != NULL && b->sha256 != NULL && b->sha1_ctx != NULL && b->sha256_ctx != NULL &&
           b->hmac_sha1 != NULL && b->hmac_sha256 != NULL && b->p256 != NULL;
}

struct rf_crypto *rf_crypto_openssl_new(struct rf_mem *mem)
{
    struct backend *b = rf_zalloc(mem, sizeof(*b));
    bool good;

    if (b == NULL)
        return NULL;
    b->crypto = (struct rf_crypto){.ops = &ops, .mem = mem, .ctx = b};
    errors_begin();
    good = backend_init(b);
    errors_end();
    if (good)
        return &b->crypto;
    rf_crypto_openssl_free(&b->crypto);
    return NULL;
}

void rf_crypto_openssl_free(struct rf_crypto *crypto)
{
    struct backend *b;

    if (crypto == NULL)
        return;
    b = backend_of(crypto);
    EVP_MD_free(b->md5);
    EVP_MD_free(b->sha1);
    EVP_MD_free(b->sha256);
    EVP_MD_CTX_free(b->sha1_ctx);
    EVP_MD_CTX_free(b->sha256_ctx);
    EVP_MAC_CTX_free(b->hmac_sha1);
    EVP_MAC_CTX_free(b->hmac_sha256);
    EVP_PKEY_free(b->p256);
    EC_GROUP_free(b->group);
    BN_CTX_free(b->numbers);
    EVP_CIPHER_free(b->aes128_gcm);
    EVP_CIPHER_CTX_free(b->cipher_ctx);
    EVP_PKEY_CTX_free(b->rsa_data);
    rf_free(crypto->mem, b);
}
