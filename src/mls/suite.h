/*
 * suite.h - the cipher suites 0x0001 and 0x0002 and the functions of RFC 9420, section 5, that are made of them. Both use SHA-256,
 * HKDF-SHA256 and AES-128-GCM, so every hash, MAC and secret has 32 bytes. "MLS 1.0 " is put in front of labels here, but for reference hashes.
 */
#ifndef RF_MLS_SUITE_H
#define RF_MLS_SUITE_H

#include "base/rng.h"
#include "crypto/crypto.h"
#include "crypto/hpke.h"

#define MLS_HASH_LEN  32 /* Nh: hashes, MACs, secrets */
#define MLS_KEY_LEN   RF_AEAD_KEY_LEN
#define MLS_NONCE_LEN RF_AEAD_NONCE_LEN
#define MLS_PARTS_MAX 6 /* pieces that a message may be signed in */

struct mls_suite {
    uint16_t id;
    enum rf_dh_group kem;
    enum rf_key_type key_type; /* of signatures */
    enum rf_sig_alg sig_alg;
    size_t public_len; /* of HPKE's and of signature keys alike: 32 or 65 */
};

/* mls_suite_of: NULL where we do not have it. */
const struct mls_suite *mls_suite_of(uint16_t id);

/* What every function with secrets is given. All borrowed. */
struct mls_kit {
    struct rf_mem *mem; /* wipes what it frees (base/secret_mem.h) */
    struct rf_crypto *crypto;
    struct rf_rng *rng;
    const struct mls_suite *suite;
};

int mls_hash(const struct mls_kit *kit, const struct rf_view *parts, size_t part_count,
             uint8_t out[MLS_HASH_LEN]);
int mls_mac(const struct mls_kit *kit, const uint8_t key[MLS_HASH_LEN], const struct rf_view *parts,
            size_t part_count, uint8_t out[MLS_HASH_LEN]);
/* mls_extract: KDF.Extract. `out` may be `salt` or `ikm`. */
int mls_extract(const struct mls_kit *kit, const uint8_t salt[MLS_HASH_LEN], struct rf_view ikm,
                uint8_t out[MLS_HASH_LEN]);
/* mls_expand: ExpandWithLabel. `out` may be `secret` when len is MLS_HASH_LEN. */
int mls_expand(const struct mls_kit *kit, const uint8_t secret[MLS_HASH_LEN], const char *label,
               struct rf_view context, uint8_t *out, size_t len);
/* mls_derive: DeriveSecret. mls_derive_tree: DeriveTreeSecret. */
int mls_derive(const struct mls_kit *kit, const uint8_t secret[MLS_HASH_LEN], const char *label,
               uint8_t out[MLS_HASH_LEN]);
int mls_derive_tree(const struct mls_kit *kit, const uint8_t secret[MLS_HASH_LEN], const char *label,
                    uint32_t generation, uint8_t *out, size_t len);
/* mls_ref_hash: RefHash; `label` is complete. */
int mls_ref_hash(const struct mls_kit *kit, const char *label, struct rf_view value,
                 uint8_t out[MLS_HASH_LEN]);
/* mls_sign: SignWithLabel over the concatenation of up to MLS_PARTS_MAX parts; appends the signature. */
int mls_sign(const struct mls_kit *kit, const struct rf_key *key, const char *label,
             const struct rf_view *parts, size_t part_count, struct rf_buf *out);
/* mls_verify: VerifyWithLabel. Errors: RF_ESIGNATURE, RF_EFORMAT `public` is no key of this suite, RF_ENOMEM, RF_ECRYPTO. */
int mls_verify(const struct mls_kit *kit, struct rf_view public, const char *label,
               const struct rf_view *parts, size_t part_count, struct rf_view signature);
/* mls_verify_with: by a key that was decoded before. */
int mls_verify_with(const struct mls_kit *kit, const struct rf_pubkey *key, const char *label,
                    const struct rf_view *parts, size_t part_count, struct rf_view signature);
/* mls_encrypt: EncryptWithLabel; appends kem_output and ciphertext, each with its length, as an HPKECiphertext holds them. Errors: RF_EFORMAT
 * `public` is no key. */
int mls_encrypt(const struct mls_kit *kit, struct rf_view public, const char *label, struct rf_view context,
                struct rf_view plain, struct rf_buf *out);
/* mls_decrypt: DecryptWithLabel; appends the plaintext. Errors: RF_EAUTH, RF_EFORMAT `kem_output` is no key. */
int mls_decrypt(const struct mls_kit *kit, const struct rf_hpke_pair *pair, const char *label,
                struct rf_view context, struct rf_view kem_output, struct rf_view ciphertext,
                struct rf_buf *out);
/* mls_derive_pair: DeriveKeyPair of the suite's KEM. mls_new_pair: from fresh random bytes. */
int mls_derive_pair(const struct mls_kit *kit, const uint8_t secret[MLS_HASH_LEN], struct rf_hpke_pair *out);
int mls_new_pair(const struct mls_kit *kit, struct rf_hpke_pair *out);
/* mls_pair_public: a pair's public key, borrowed. */
static inline struct rf_view mls_pair_public(const struct rf_hpke_pair *pair)
{
    return rf_view_of(pair->public, pair->public_len);
}
/* mls_public_good: `public` is a key of the suite's KEM: length and form alone, where it was examined before. */
bool mls_public_good(const struct mls_suite *suite, struct rf_view public);
/* mls_public_check: a secret can be agreed on with its owner, so that nobody who must encrypt to it fails later. Costs one agreement. Errors: RF_EFORMAT,
 * RF_ECRYPTO. */
int mls_public_check(const struct mls_kit *kit, struct rf_view public);

#endif
