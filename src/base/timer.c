/* timer.c - the heap of deadlines. */
#include "base/timer.h"

#include "base/assert.h"
#include "base/error.h"

#define HEAP_FIRST_CAP ((size_t)16)

void rf_timers_init(struct rf_timers *timers, struct rf_mem *mem)
{
    *timers = (struct rf_timers){.mem = mem};
}

void rf_timers_deinit(struct rf_timers *timers)
{
    for (size_t i = 1; i <= timers->count; i++)
        timers->heap[i]->slot = 0;
    rf_free(timers->mem, timers->heap);
    rf_timers_init(timers, timers->mem);
}

void rf_timer_init(struct rf_timer *timer, void (*fire)(struct rf_timer *timer, void *arg), void *arg)
{
    *timer = (struct rf_timer){.fire = fire, .arg = arg};
}

static bool earlier(const struct rf_timer *a, const struct rf_timer *b)
{
    return a->at_us != b->at_us ? a->at_us < b->at_us : a->order < b->order;
}

static void place(struct rf_timers *timers, struct rf_timer *timer, size_t slot)
{
    timers->heap[slot] = timer;
    timer->slot = slot;
}

/* sift moves `timer` from the free place `slot` up or down to where it belongs. */
static void sift(struct rf_timers *timers, struct rf_timer *timer, size_t slot)
{
    while (slot > 1 && earlier(timer, timers->heap[slot / 2])) {
        place(timers, timers->heap[slot / 2], slot);
        slot /= 2;
    }
    while (slot * 2 <= timers->count) {
        size_t child = slot * 2;
        if (child < timers->count && earlier(timers->heap[child + 1], timers->heap[child]))
            child++;
        if (!earlier(timers->heap[child], timer))
            break;
        place(timers, timers->heap[child], slot);
        slot = child;
    }
    place(timers, timer, slot);
}

int rf_timer_set(struct rf_timers *timers, struct rf_timer *timer, uint64_t at_us)
{
    RF_ASSERT(timer->fire != NULL);
    if (timer->slot == 0) {
        if (timers->count + 1 >= timers->cap) { /* place 0 stays empty */
            size_t cap = timers->cap == 0 ? HEAP_FIRST_CAP : timers->cap * 2;
            struct rf_timer **heap = rf_resize(timers->mem, timers->heap, cap * sizeof *heap);
            if (heap == NULL)
                return RF_ENOMEM;
            timers->heap = heap;
            timers->cap = cap;
        }
        timer->slot = ++timers->count;
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
    RF_ASSERT(slot <= timers->count && timers->heap[slot] == timer);
    struct rf_timer *last = timers->heap[timers->count--];
    timer->slot = 0;
    if (last != timer)
        sift(timers, last, slot);
}

uint64_t rf_timers_next(const struct rf_timers *timers)
{
    return timers->count == 0 ? RF_NEVER : timers->heap[1]->at_us;
}

size_t rf_timers_run(struct rf_timers *timers, uint64_t now_us, size_t limit)
{
    size_t fired = 0;
    while (fired < limit && timers->count > 0 && timers->heap[1]->at_us <= now_us) {
        struct rf_timer *timer = timers->heap[1];
        rf_timer_stop(timers, timer);
        timer->fire(timer, timer->arg); /* may free `timer` */
        fired++;
    }
    return fired;
}
