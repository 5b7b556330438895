/* hkdf.h - HKDF with SHA-256 (RFC 5869) on a backend's HMAC. */
#ifndef RF_CRYPTO_HKDF_H
#define RF_CRYPTO_HKDF_H

#include "crypto/crypto.h"

#define RF_HKDF_MAX_PARTS 12 /* of info */

/* rf_hkdf_extract: HMAC with `salt` as the key (empty counts as 32 zeros) over the concatenation of `parts`. `out` may be one of them.
 * Errors: the backend's. RFC 5869, section 2.2. */
int rf_hkdf_extract(struct rf_crypto *c, struct rf_view salt, const struct rf_view *parts, size_t part_count,
                    uint8_t out[RF_SHA256_LEN]);
/* rf_hkdf_expand writes `len` bytes, 1 to 255 * 32, out of the key `prk` and the concatenation of up to RF_HKDF_MAX_PARTS `parts`.
 * Errors: RF_EINVAL lengths, the backend's. RFC 5869, section 2.3. */
int rf_hkdf_expand(struct rf_crypto *c, const uint8_t prk[RF_SHA256_LEN], const struct rf_view *parts,
                   size_t part_count, uint8_t *out, size_t len);

#endif
