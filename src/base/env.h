/*
 * env.h - what every state machine is given: memory, timers, the time, randomness, a log. All borrowed, and so is the struct itself: whoever
 * is given one keeps the pointer for its whole life.
 */
#ifndef RF_BASE_ENV_H
#define RF_BASE_ENV_H

#include "base/clock.h"
#include "base/counter.h"
#include "base/intern.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/scratch.h"
#include "base/timer.h"

struct rf_env {
    struct rf_mem *mem;
    struct rf_timers *timers; /* run by the one object (node/) that owns them */
    const struct rf_now *now; /* set by the one object at each of its doors; constant while a call runs */
    struct rf_rng *secret;    /* keys, transaction IDs, nonces */
    struct rf_rng *jitter;    /* everything else */
    struct rf_log *log;       /* may be NULL */
    struct rf_scratch
        *scratch; /* shared by all who live in this thread; NULL: each object that needs one has its own */
    struct rf_counter_set *counters; /* shared by many objects; NULL: each has its own */
    struct rf_intern *values;        /* bytes of stored values, shared likewise; NULL: each has its own */
    uint64_t seed[2];                /* keys hash tables */
};

/* The counters of one who was given `env`; see counter.h. */
static inline void *rf_env_counters(const struct rf_env *env, const struct rf_counter_desc *descs,
                                    size_t size)
{
    return rf_counters_open(env->counters, env->mem, descs, size);
}
static inline void rf_env_counters_close(const struct rf_env *env, void *counters)
{
    rf_counters_close(env->counters, env->mem, counters);
}

/* rf_env_timer_in (re)sets `timer` to now + delay_us. Errors: RF_ENOMEM. */
static inline int rf_env_timer_in(const struct rf_env *env, struct rf_timer *timer, uint64_t delay_us)
{
    return rf_timer_set(env->timers, timer, env->now->mono_us + delay_us);
}

#endif
