/*
 * mix.h - a fast hash of 256 bits that is no cryptographic one. Four words of state; each block of 32 bytes is folded in by a step that
 * can be undone, so that two inputs of one length meet by chance only; rounds at the end spread every bit over all of the result.
 */
#ifndef RF_CRYPTO_FAKE_MIX_H
#define RF_CRYPTO_FAKE_MIX_H

#include "base/view.h"

#define MIX_OUT_LEN   32
#define MIX_BLOCK_LEN 32

struct mix {
    uint64_t s[4];
    uint64_t len; /* bytes put so far */
    uint8_t held[MIX_BLOCK_LEN];
};

/* What a mix is for: results of different purposes have nothing to do with each other. */
enum mix_purpose {
    MIX_SHA1 = 1,
    MIX_SHA256,
    MIX_HMAC,
    MIX_PUBLIC,
    MIX_EXPAND,
    MIX_SIGNING_KEY,
    MIX_SIGNATURE,
    MIX_MD5,
    MIX_SHARED,
    MIX_STREAM,
    MIX_TAG
};

void mix_init(struct mix *m, enum mix_purpose purpose, uint64_t number);
void mix_put(struct mix *m, struct rf_view bytes);
void mix_end(struct mix *m, uint8_t out[MIX_OUT_LEN]);
/* mix_expand writes `len` bytes that follow from `seed` (MIX_OUT_LEN bytes). */
void mix_expand(const uint8_t seed[MIX_OUT_LEN], uint8_t *out, size_t len);

#endif
