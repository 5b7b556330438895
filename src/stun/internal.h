/* internal.h - what the files of stun/ share. */
#ifndef RF_STUN_INTERNAL_H
#define RF_STUN_INTERNAL_H

#include "base/error.h"
#include "stun/stun.h"

#define ATTR_HEADER_LEN 4

static inline size_t stun_padded(size_t len)
{
    return (len + 3) & ~(size_t)3;
}
static inline uint16_t stun_u16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}
static inline uint32_t stun_u32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}
/* stun_mac: the HMAC over `before` (header and attributes) as if the header's length were `len`. */
int stun_mac(struct rf_crypto *crypto, enum rf_hash alg, struct rf_view key, struct rf_view before,
             size_t len, uint8_t out[RF_HASH_MAX_LEN]);

#endif
