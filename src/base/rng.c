/* rng.c - numbers out of an rf_rng, and the seeded generator xoshiro256** of the tests and the simulator. */
#include "base/rng.h"

#include "base/assert.h"

void rf_rng_fill(struct rf_rng *rng, void *out, size_t len)
{
    if (len > 0)
        rng->fill(rng->ctx, out, len);
}

uint64_t rf_rng_u64(struct rf_rng *rng)
{
    uint8_t b[8];
    uint64_t v = 0;
    rf_rng_fill(rng, b, sizeof b);
    for (int i = 7; i >= 0; i--) /* little-endian on every machine: one seed, one trace */
        v = v << 8 | b[i];
    return v;
}

uint64_t rf_rng_below(struct rf_rng *rng, uint64_t limit)
{
    RF_ASSERT(limit >= 1);
    uint64_t skip =
        (0 - limit) % limit; /* 2^64 mod limit: these lowest values would be drawn once too often */
    uint64_t v;
    do
        v = rf_rng_u64(rng);
    while (v < skip);
    return v % limit;
}

uint64_t rf_rng_between(struct rf_rng *rng, uint64_t low, uint64_t high)
{
    RF_ASSERT(low <= high);
    if (high - low == UINT64_MAX)
        return rf_rng_u64(rng);
    return low + rf_rng_below(rng, high - low + 1);
}

static uint64_t rotl(uint64_t v, int bits)
{
    return v << bits | v >> (64 - bits);
}

/* xoshiro256** 1.0, Blackman and Vigna */
static uint64_t xoshiro_next(uint64_t s[4])
{
    uint64_t result = rotl(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotl(s[3], 45);
    return result;
}

static void seeded_fill(void *ctx, void *out, size_t len)
{
    struct rf_rng_seeded *seeded = ctx;
    uint8_t *p = out;
    while (len > 0) {
        uint64_t v = xoshiro_next(seeded->s);
        for (int i = 0; i < 8 && len > 0; i++, len--) {
            *p++ = (uint8_t)v;
            v >>= 8;
        }
    }
}

/* splitmix64, which the authors of xoshiro recommend for seeding */
static uint64_t splitmix_next(uint64_t *x)
{
    uint64_t z = *x += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

void rf_rng_seeded_init(struct rf_rng_seeded *seeded, uint64_t seed)
{
    seeded->rng.fill = seeded_fill;
    seeded->rng.ctx = seeded;
    for (int i = 0; i < 4; i++)
        seeded->s[i] = splitmix_next(&seed);
}
