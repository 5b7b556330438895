/* refresh.h - when to store again: spread over time, and less often after failures. Shared by the usages. */
#ifndef RF_USAGE_REFRESH_H
#define RF_USAGE_REFRESH_H

#include "base/env.h"

/* A random moment between `low` and `high` percent of the lifetime. */
static inline uint64_t refresh_due_us(struct rf_rng *jitter, uint32_t lifetime_s, unsigned low, unsigned high)
{
    uint64_t us = (uint64_t)lifetime_s * RF_US_PER_S;
    return rf_rng_between(jitter, us / 100 * low, us / 100 * high);
}

/* A pause that doubles from min to max; what is waited is a random half to whole of it. *pause_us 0: no failure so far. */
static inline uint64_t refresh_pause_us(struct rf_rng *jitter, uint64_t *pause_us, uint64_t min_us,
                                        uint64_t max_us)
{
    uint64_t pause = *pause_us == 0 ? min_us : *pause_us;
    *pause_us = 2 * pause < max_us ? 2 * pause : max_us;
    return rf_rng_between(jitter, pause / 2, pause);
}

#endif
