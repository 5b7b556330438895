/*
 * clock.c - the time of libre's timers. Up to 2.x (Debian 12 has 1.1.0) its tmr_jiffies reads the wall clock: when that is set back by an hour, no
 * timer fires for an hour; set forward, every call, transaction and registration ends at once. libre calls the function through the dynamic
 * linker, so the one that is defined in the program counts, for all of libre. Later versions do what this one does.
 */
#include <time.h>
#include "sip/re.h"

uint64_t tmr_jiffies(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}
