/* clock.h - the machine's clocks, for shells. */
#ifndef RF_IO_CLOCK_H
#define RF_IO_CLOCK_H

#include "base/clock.h"

/*
 * rf_clock_read reads both clocks. mono_us goes on while the machine is suspended (CLOCK_BOOTTIME), so that
 * deadlines passed in a laptop's sleep are due when it wakes. wall_ms is UTC and may jump.
 */
void rf_clock_read(struct rf_now *out);

#endif
