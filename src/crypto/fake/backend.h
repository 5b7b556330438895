/* backend.h - what the files of the fake backend share. */
#ifndef RF_CRYPTO_FAKE_BACKEND_H
#define RF_CRYPTO_FAKE_BACKEND_H

#include "base/assert.h"
#include "base/map.h"
#include "crypto/fake/fake.h"
#include "crypto/fake/mix.h"

#define RAW_LEN 32 /* bytes of a private key's value */

struct backend {
    struct rf_crypto crypto;
    struct rf_crypto_fake_config config;
    struct rf_crypto_fake_counts counts;
};

struct rf_key {
    enum rf_key_type type;
    uint8_t raw[RAW_LEN];         /* what a real private key would be */
    uint8_t signing[MIX_OUT_LEN]; /* follows from it by way of the public key */
};

struct rf_pubkey {
    enum rf_key_type type;
    uint8_t signing[MIX_OUT_LEN];
};

static inline struct backend *backend_of(struct rf_crypto *c)
{
    return c->ctx;
}

static inline void charge(struct backend *b, uint64_t ns)
{
    if (b->config.charge != NULL)
        b->config.charge(b->config.charge_ctx, ns);
}

/* charge_hash: one hash of `len` bytes. */
static inline void charge_hash(struct backend *b, uint64_t len)
{
    charge(b, b->config.costs.hash_ns + (uint64_t)b->config.costs.hash_block_ns * (len / 64 + 1));
}

/* key.c */
int fake_key_generate(struct rf_crypto *c, enum rf_key_type type, struct rf_key **out);
int fake_key_from_pem(struct rf_crypto *c, struct rf_view pem, struct rf_key **out);
int fake_key_to_pem(struct rf_crypto *c, const struct rf_key *key, struct rf_buf *out);
int fake_key_from_raw(struct rf_crypto *c, enum rf_key_type type, struct rf_view raw, struct rf_key **out);
void fake_key_free(struct rf_crypto *c, struct rf_key *key);
enum rf_key_type fake_key_type(const struct rf_key *key);
int fake_key_spki(struct rf_crypto *c, const struct rf_key *key, struct rf_buf *out);
int fake_pubkey_from_spki(struct rf_crypto *c, struct rf_view spki, struct rf_pubkey **out);
void fake_pubkey_free(struct rf_crypto *c, struct rf_pubkey *key);
/* fake_public_of writes the bytes of a private key's public one, P-256's or Ed25519's; fake_public_good: `public`, of the right length, is
 * such bytes. */
void fake_public_of(enum rf_key_type type, const uint8_t raw[RAW_LEN], uint8_t *out);
bool fake_public_good(enum rf_key_type type, struct rf_view public);
/* seal.c */
int fake_dh_public(struct rf_crypto *c, enum rf_dh_group group, const uint8_t private[RF_DH_PRIVATE_LEN],
                   uint8_t *out);
int fake_dh(struct rf_crypto *c, enum rf_dh_group group, const uint8_t private[RF_DH_PRIVATE_LEN],
            struct rf_view public, uint8_t out[RF_DH_SHARED_LEN]);
int fake_aead_seal(struct rf_crypto *c, const uint8_t key[RF_AEAD_KEY_LEN],
                   const uint8_t nonce[RF_AEAD_NONCE_LEN], struct rf_view aad, struct rf_view plain,
                   struct rf_buf *out);
int fake_aead_open(struct rf_crypto *c, const uint8_t key[RF_AEAD_KEY_LEN],
                   const uint8_t nonce[RF_AEAD_NONCE_LEN], struct rf_view aad, struct rf_view sealed,
                   struct rf_buf *out);
/* sign.c */
int fake_sign(struct rf_crypto *c, const struct rf_key *key, const struct rf_view *parts, size_t part_count,
              struct rf_buf *out);
int fake_verify(struct rf_crypto *c, const struct rf_pubkey *key, enum rf_sig_alg alg,
                const struct rf_view *parts, size_t part_count, struct rf_view signature);
/* certs.c */
int fake_x509_decode(struct rf_crypto *c, struct rf_view der, struct rf_x509 *out);
void fake_x509_again(struct rf_crypto *c);

#endif
