/* rng.h - where randomness comes from. An object gets one rf_rng for secrets and one for jitter. */
#ifndef RF_BASE_RNG_H
#define RF_BASE_RNG_H

#include <stddef.h>
#include <stdint.h>

struct rf_rng {
    void (*fill)(void *ctx, void *out,
                 size_t len); /* cannot fail; the shell ends the process if the system does */
    void *ctx;
};

void rf_rng_fill(struct rf_rng *rng, void *out, size_t len);
uint64_t rf_rng_u64(struct rf_rng *rng);
/* rf_rng_below returns a number in 0 .. limit-1 without bias; limit >= 1. */
uint64_t rf_rng_below(struct rf_rng *rng, uint64_t limit);
/* rf_rng_between returns a number in low .. high, both included. */
uint64_t rf_rng_between(struct rf_rng *rng, uint64_t low, uint64_t high);

/* A seeded generator (xoshiro256**) for tests and the simulator. Never for secrets of a real node. */
struct rf_rng_seeded {
    struct rf_rng rng;
    uint64_t s[4];
};
void rf_rng_seeded_init(struct rf_rng_seeded *seeded, uint64_t seed);

#endif
