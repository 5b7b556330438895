/* backend.h - what the files of the OpenSSL backend share. Only they include OpenSSL's headers. */
#ifndef RF_CRYPTO_OPENSSL_BACKEND_H
#define RF_CRYPTO_OPENSSL_BACKEND_H

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>

#include "base/list.h"
#include "crypto/crypto.h"

/*
 * Everything that OpenSSL 3.0 looks up by name is looked up once, here: a fetch per call costs more than
 * hashing a message.
 */
struct backend {
    struct rf_crypto crypto;
    EVP_MD *md5, *sha1, *sha256;          /* md5 may be NULL: forbidden here */
    EVP_MD_CTX *sha1_ctx, *sha256_ctx;    /* scratch */
    EVP_MAC_CTX *hmac_sha1, *hmac_sha256; /* each with its digest set */
    EVP_PKEY *p256;                       /* a key that new P-256 public keys copy the curve from */
    EC_GROUP *group;                      /* P-256, for key agreement */
    BN_CTX *numbers;                      /* scratch, in memory that is wiped */
    EVP_CIPHER *aes128_gcm;
    EVP_CIPHER_CTX *cipher_ctx; /* scratch; empty between two calls */
    EVP_PKEY_CTX *rsa_data;     /* makes RSA public keys from numbers */
    struct rf_list ready;       /* public keys that OpenSSL has decoded, last used in front */
    size_t ready_count;
};

/* A private key. `sign` is ready to sign a digest (P-256, RSA); `one_shot` signs messages (Ed25519). */
struct rf_key {
    enum rf_key_type type;
    EVP_PKEY *pkey;
    EVP_PKEY_CTX *sign;
    EVP_MD_CTX *one_shot;
};

/*
 * A public key. What OpenSSL makes of it is twenty times as large as the key (2.6 kB), and a supernode remembers the certificates of
 * thousands of idle clients: so only the READY_MAX keys used last are held in OpenSSL's form, the others are decoded again (10 us) when
 * they verify something (60 us).
 */
#define READY_MAX 512
struct rf_pubkey {
    enum rf_key_type type;
    struct rf_list ready; /* in backend->ready as long as pkey is there */
    EVP_PKEY *pkey;       /* NULL: to be made from `bytes` */
    EVP_PKEY_CTX *verify; /* P-256, RSA: made with the first verification after pkey */
    EVP_MD_CTX *one_shot; /* Ed25519: the same */
    size_t len;
    uint8_t bytes[]; /* as rf_spki_type gives them; good, since pkey was made from them once */
};

static inline struct backend *backend_of(struct rf_crypto *c)
{
    return c->ctx;
}

/* Whatever OpenSSL puts into its error queue between these two is taken out again. */
static inline void errors_begin(void)
{
    ERR_set_mark();
}
static inline void errors_end(void)
{
    ERR_pop_to_mark();
}

/* hash.c */
int backend_hash(struct rf_crypto *c, enum rf_hash alg, const struct rf_view *parts, size_t part_count,
                 uint8_t *out);
int backend_hmac(struct rf_crypto *c, enum rf_hash alg, struct rf_view key, const struct rf_view *parts,
                 size_t part_count, uint8_t *out);
/* key.c */
int backend_key_generate(struct rf_crypto *c, enum rf_key_type type, struct rf_key **out);
int backend_key_from_pem(struct rf_crypto *c, struct rf_view pem, struct rf_key **out);
int backend_key_to_pem(struct rf_crypto *c, const struct rf_key *key, struct rf_buf *out);
int backend_key_from_raw(struct rf_crypto *c, enum rf_key_type type, struct rf_view raw, struct rf_key **out);
void backend_key_free(struct rf_crypto *c, struct rf_key *key);
enum rf_key_type backend_key_type(const struct rf_key *key);
int backend_key_spki(struct rf_crypto *c, const struct rf_key *key, struct rf_buf *out);
/* pubkey.c */
/* pubkey_use makes sure that key->pkey is there. Errors: RF_ENOMEM (what else OpenSSL may say was ruled out when the key was read). */
int pubkey_use(struct backend *b, struct rf_pubkey *key);
int backend_pubkey_from_spki(struct rf_crypto *c, struct rf_view spki, struct rf_pubkey **out);
void backend_pubkey_free(struct rf_crypto *c, struct rf_pubkey *key);
/* dh.c, aead.c */
int backend_dh_public(struct rf_crypto *c, enum rf_dh_group group, const uint8_t private[RF_DH_PRIVATE_LEN],
                      uint8_t *out);
int backend_dh(struct rf_crypto *c, enum rf_dh_group group, const uint8_t private[RF_DH_PRIVATE_LEN],
               struct rf_view public, uint8_t out[RF_DH_SHARED_LEN]);
int backend_aead_seal(struct rf_crypto *c, const uint8_t key[RF_AEAD_KEY_LEN],
                      const uint8_t nonce[RF_AEAD_NONCE_LEN], struct rf_view aad, struct rf_view plain,
                      struct rf_buf *out);
int backend_aead_open(struct rf_crypto *c, const uint8_t key[RF_AEAD_KEY_LEN],
                      const uint8_t nonce[RF_AEAD_NONCE_LEN], struct rf_view aad, struct rf_view sealed,
                      struct rf_buf *out);
/* sign.c */
int backend_sign(struct rf_crypto *c, const struct rf_key *key, const struct rf_view *parts,
                 size_t part_count, struct rf_buf *out);
int backend_verify(struct rf_crypto *c, const struct rf_pubkey *key, enum rf_sig_alg alg,
                   const struct rf_view *parts, size_t part_count, struct rf_view signature);

#endif
