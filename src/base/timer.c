/* timer.c - the heap of deadlines. */
#include "base/timer.h"

#include "base/assert.h"
#include "base/error.h"

#define HEAP_FIRST_CAP ((size_t)8)
#define HEAP_CHILDREN  ((size_t)4)

void rf_timers_init(struct rf_timers *timers, struct rf_mem *mem)
{
    *timers = (struct rf_timers){.mem = mem};
}

void rf_timers_deinit(struct rf_timers *timers)
{
    for (size_t i = 1; i <= timers->count; i++)
        timers->heap[i].timer->slot = 0;
    rf_free(timers->mem, timers->heap);
    rf_timers_init(timers, timers->mem);
}

void rf_timer_init(struct rf_timer *timer, void (*fire)(struct rf_timer *timer, void *arg), void *arg)
{
    *timer = (struct rf_timer){.fire = fire, .arg = arg};
}

static bool earlier(struct rf_timer_place a, struct rf_timer_place b)
{
    return a.at_us != b.at_us ? a.at_us < b.at_us : (int32_t)(a.timer->order - b.timer->order) < 0;
}

static void put(struct rf_timers *timers, struct rf_timer_place place, size_t slot)
{
    timers->heap[slot] = place;
    place.timer->slot = (uint32_t)slot;
}

static size_t parent_of(size_t slot)
{
    return (slot + HEAP_CHILDREN - 2) / HEAP_CHILDREN;
}

static size_t first_child_of(size_t slot)
{
    return HEAP_CHILDREN * (slot - 1) + 2;
}

/* sift moves `timer` from the free place `slot` up or down to where it belongs. */
static void sift(struct rf_timers *timers, struct rf_timer *timer, size_t slot)
{
    const struct rf_timer_place place = {timer->at_us, timer};
    while (slot > 1 && earlier(place, timers->heap[parent_of(slot)])) {
        put(timers, timers->heap[parent_of(slot)], slot);
        slot = parent_of(slot);
    }
    for (size_t first; (first = first_child_of(slot)) <= timers->count;) {
        size_t best = first,
               end = first + HEAP_CHILDREN - 1 < timers->count ? first + HEAP_CHILDREN - 1 : timers->count;
        for (size_t child = first + 1; child <= end; child++)
            if (earlier(timers->heap[child], timers->heap[best]))
                best = child;
        if (!earlier(timers->heap[best], place))
            break;
        put(timers, timers->heap[best], slot);
        slot = best;
    }
    put(timers, place, slot);
}

int rf_timer_set(struct rf_timers *timers, struct rf_timer *timer, uint64_t at_us)
{
    RF_ASSERT(timer->fire != NULL);
    if (timer->slot == 0) {
        if (timers->count + 1 >= timers->cap) { /* place 0 stays empty */
            size_t cap = timers->cap == 0 ? HEAP_FIRST_CAP : timers->cap * 2;
            struct rf_timer_place *heap = rf_resize(timers->mem, timers->heap, cap * sizeof *heap);
            if (heap == NULL)
                return RF_ENOMEM;
            timers->heap = heap;
            timers->cap = cap;
        }
        timer->slot = (uint32_t)++timers->count;
    }
    RF_ASSERT(timer->slot <= timers->count);
    timer->at_us = at_us;
    timer->order = timers->order++;
    sift(timers, timer, timer->slot);
    return 0;
}

void rf_timer_stop(struct rf_timers *timers, struct rf_timer *timer)
{
    size_t slot = timer->slot;
    if (slot == 0)
        return;
    RF_ASSERT(slot <= timers->count && timers->heap[slot].timer == timer);
    struct rf_timer *last = timers->heap[timers->count--].timer;
    timer->slot = 0;
    if (last != timer)
        sift(timers, last, slot);
}

uint64_t rf_timers_next(const struct rf_timers *timers)
{
    return timers->count == 0 ? RF_NEVER : timers->heap[1].at_us;
}

size_t rf_timers_run(struct rf_timers *timers, uint64_t now_us, size_t limit)
{
    size_t fired = 0;
    while (fired < limit && timers->count > 0 && timers->heap[1].at_us <= now_us) {
        struct rf_timer *timer = timers->heap[1].timer;
        rf_timer_stop(timers, timer);
        timer->fire(timer, timer->arg); /* may free `timer` */
        fired++;
    }
    return fired;
}
