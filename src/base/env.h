/* env.h - what every state machine is given: memory, timers, the time, randomness, a log. All borrowed. */
#ifndef RF_BASE_ENV_H
#define RF_BASE_ENV_H

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/timer.h"

struct rf_env {
    struct rf_mem *mem;
    struct rf_timers *timers; /* run by the one object (node/) that owns them */
    const struct rf_now *now; /* set by the one object at each of its doors; constant while a call runs */
    struct rf_rng *secret;    /* keys, transaction IDs, nonces */
    struct rf_rng *jitter;    /* everything else */
    struct rf_log *log;       /* may be NULL */
    uint64_t seed[2];         /* keys hash tables */
};

/* rf_env_timer_in (re)sets `timer` to now + delay_us. Errors: RF_ENOMEM. */
static inline int rf_env_timer_in(const struct rf_env *env, struct rf_timer *timer, uint64_t delay_us)
{
    return rf_timer_set(env->timers, timer, env->now->mono_us + delay_us);
}

#endif
