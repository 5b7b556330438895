/*
 * hpke.h - HPKE (RFC 9180), modes base and psk, with the KEMs DHKEM(X25519) and DHKEM(P-256), HKDF-SHA256 and AES-128-GCM. No state but
 * the caller's context; the ephemeral key comes from the caller's random bytes.
 */
#ifndef RF_CRYPTO_HPKE_H
#define RF_CRYPTO_HPKE_H

#include "base/rng.h"
#include "crypto/crypto.h"

/* A key pair of a KEM. */
struct rf_hpke_pair {
    uint8_t private[RF_DH_PRIVATE_LEN];
    uint8_t public[RF_DH_PUBLIC_MAX_LEN];
    size_t public_len; /* rf_dh_public_len of the group */
};

/* What both sides have after the set-up; wipe it after use (rf_wipe). The two sides of one set-up count messages alike. */
struct rf_hpke {
    enum rf_dh_group kem;
    uint8_t key[RF_AEAD_KEY_LEN];
    uint8_t base_nonce[RF_AEAD_NONCE_LEN];
    uint8_t exporter[RF_SHA256_LEN];
    uint64_t sequence; /* of the next message */
};

/* Mode psk: both are set, mode base: both are empty; only one is RF_EINVAL. */
struct rf_hpke_psk {
    struct rf_view psk, id;
};

/* rf_hpke_derive_pair: DeriveKeyPair (section 7.1.3). `ikm` at least 32 bytes by the RFC; not checked. Errors: RF_EUNKNOWN group, RF_ECRYPTO. */
int rf_hpke_derive_pair(struct rf_crypto *c, enum rf_dh_group kem, struct rf_view ikm,
                        struct rf_hpke_pair *out);
/*
 * rf_hpke_send sets up the sender's side (section 5.1).
 * rng     32 bytes of it become the ephemeral key pair's ikm
 * public  the receiver's key
 * psk     NULL: mode base
 * enc     encapsulated key, rf_dh_public_len(kem) bytes
 * Errors: RF_EFORMAT `public` is none, RF_EINVAL psk, RF_EUNKNOWN, RF_ECRYPTO.
 */
int rf_hpke_send(struct rf_crypto *c, enum rf_dh_group kem, struct rf_rng *rng, struct rf_view public,
                 struct rf_view info, const struct rf_hpke_psk *psk, struct rf_hpke *out, uint8_t *enc);
/* rf_hpke_receive sets up the receiver's side. `public` is that of `private`. Errors: as above, RF_EFORMAT also for `enc`. */
int rf_hpke_receive(struct rf_crypto *c, enum rf_dh_group kem, struct rf_view enc,
                    const uint8_t private[RF_DH_PRIVATE_LEN], struct rf_view public, struct rf_view info,
                    const struct rf_hpke_psk *psk, struct rf_hpke *out);
/* rf_hpke_seal appends the next message's ciphertext and tag. Errors: RF_ECRYPTO, the builder's. Section 5.2. */
int rf_hpke_seal(struct rf_crypto *c, struct rf_hpke *hpke, struct rf_view aad, struct rf_view plain,
                 struct rf_buf *out);
/* rf_hpke_open appends the next message's plaintext; an error leaves the context where it was. Errors: RF_EAUTH, RF_ECRYPTO, the builder's. */
int rf_hpke_open(struct rf_crypto *c, struct rf_hpke *hpke, struct rf_view aad, struct rf_view sealed,
                 struct rf_buf *out);
/* rf_hpke_export writes `len` bytes, 1 to 8160. Errors: RF_EINVAL, RF_ECRYPTO. Section 5.3. */
int rf_hpke_export(struct rf_crypto *c, const struct rf_hpke *hpke, struct rf_view context, uint8_t *out,
                   size_t len);

#endif
