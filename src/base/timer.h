/*
 * timer.h - rf_timers: deadlines in a heap with intrusive nodes. Equal deadlines fire in the order in which
 * they were set. A timer that fires is no longer set; its callback may set it again or set and stop others.
 */
#ifndef RF_BASE_TIMER_H
#define RF_BASE_TIMER_H

#include <stdbool.h>
#include "base/mem.h"
#include "base/view.h"

#define RF_NEVER UINT64_MAX

struct rf_timer {
    uint64_t at_us;
    uint32_t order; /* of setting, as long as no two that are set are 2^31 apart */
    uint32_t slot;  /* 1-based place in the heap, 0 = not set */
    void (*fire)(struct rf_timer *timer, void *arg);
    void *arg;
};

/* A place of the heap: the deadline stands in it, so that most comparisons look at no timer. */
struct rf_timer_place {
    uint64_t at_us;
    struct rf_timer *timer;
};

struct rf_timers {
    struct rf_mem *mem;
    struct rf_timer_place *heap; /* four children each; 1-based: the first place is unused */
    size_t count, cap;
    uint32_t order;
};

void rf_timers_init(struct rf_timers *timers, struct rf_mem *mem);
void rf_timers_deinit(struct rf_timers *timers); /* forgets what is still set */
/* rf_timer_init prepares a timer that is not set. */
void rf_timer_init(struct rf_timer *timer, void (*fire)(struct rf_timer *timer, void *arg), void *arg);
/* rf_timer_set (re)sets `timer` to `at_us`. Errors: RF_ENOMEM (then it is not set). Never fails for one that
 * is set. */
int rf_timer_set(struct rf_timers *timers, struct rf_timer *timer, uint64_t at_us);
void rf_timer_stop(struct rf_timers *timers, struct rf_timer *timer); /* harmless when not set */
static inline bool rf_timer_is_set(const struct rf_timer *timer)
{
    return timer->slot != 0;
}
/* rf_timers_next returns the earliest deadline, RF_NEVER if none. */
uint64_t rf_timers_next(const struct rf_timers *timers);
/* rf_timers_run fires everything due at `now_us`, at most `limit` timers; returns how many. */
size_t rf_timers_run(struct rf_timers *timers, uint64_t now_us, size_t limit);

#endif
