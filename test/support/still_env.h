/* still_env.h - an environment in which nothing happens by itself: memory that is counted, a clock that the test moves, random from a seed, and a crypto backend. */
#ifndef RF_TEST_SUPPORT_STILL_ENV_H
#define RF_TEST_SUPPORT_STILL_ENV_H

#include "base/clock.h"
#include "base/env.h"
#include "base/mem.h"
#include "crypto/openssl/openssl.h"

struct still_env {
    struct rf_mem_test mem;
    struct rf_rng_seeded rng;
    struct rf_timers timers;
    struct rf_now now;
    struct rf_env env;
    struct rf_crypto *crypto; /* owned */
};

/* still_env_init: `s` stays where it is. timers: memory for the timers' heap, NULL: the counted one. */
static inline void still_env_init(struct still_env *s, uint64_t seed, struct rf_mem *timers)
{
    rf_mem_test_init(&s->mem);
    rf_rng_seeded_init(&s->rng, seed);
    rf_timers_init(&s->timers, timers != NULL ? timers : &s->mem.mem);
    s->now = (struct rf_now){.mono_us = 1000000000, .wall_ms = UINT64_C(1800000000000)};
    s->env = (struct rf_env){.mem = &s->mem.mem,
                             .timers = &s->timers,
                             .now = &s->now,
                             .secret = &s->rng.rng,
                             .jitter = &s->rng.rng};
    s->crypto = rf_crypto_openssl_new(rf_mem_system());
    assert_non_null(s->crypto);
}

#endif
