/* clock.c - the machine's clocks. */
#include "io/clock.h"

#include <time.h>
#include "base/assert.h"

void rf_clock_read(struct rf_now *out)
{
    struct timespec mono, wall;

    RF_ASSERT(clock_gettime(CLOCK_BOOTTIME, &mono) == 0);
    RF_ASSERT(clock_gettime(CLOCK_REALTIME, &wall) == 0);
    out->mono_us = (uint64_t)mono.tv_sec * RF_US_PER_S + (uint64_t)mono.tv_nsec / 1000;
    out->wall_ms = (uint64_t)wall.tv_sec * RF_MS_PER_S + (uint64_t)wall.tv_nsec / 1000000;
}
