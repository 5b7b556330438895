/* clock.h - time as an argument: the shells read clocks, the core is told. */
#ifndef RF_BASE_CLOCK_H
#define RF_BASE_CLOCK_H

#include <stdint.h>

struct rf_now {
    uint64_t mono_us; /* monotonic, for deadlines and intervals */
    uint64_t wall_ms; /* milliseconds since 1970-01-01 UTC, for storage_time and validity */
};

#define RF_US_PER_MS ((uint64_t)1000)
#define RF_US_PER_S  ((uint64_t)1000000)
#define RF_MS_PER_S  ((uint64_t)1000)

#endif
