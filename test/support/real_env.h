/* real_env.h - an environment for programs that run links by themselves: the machine's memory and random. */
#ifndef RF_TEST_SUPPORT_REAL_ENV_H
#define RF_TEST_SUPPORT_REAL_ENV_H

#include "base/env.h"
#include "io/random.h"

/* real_env starts `timers` and seeds `jitter`; all three stay borrowed. */
static inline struct rf_env real_env(struct rf_timers *timers, const struct rf_now *now,
                                     struct rf_rng_seeded *jitter)
{
    rf_timers_init(timers, rf_mem_system());
    rf_random_seed(jitter);
    return (struct rf_env){.mem = rf_mem_system(),
                           .timers = timers,
                           .now = now,
                           .secret = rf_random_system(),
                           .jitter = &jitter->rng,
                           .seed = {5, 6}};
}

#endif
