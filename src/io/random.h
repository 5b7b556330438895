/* random.h - the kernel's random numbers, for shells. */
#ifndef RF_IO_RANDOM_H
#define RF_IO_RANDOM_H

#include "base/rng.h"

/*
 * rf_random_system returns the generator over getrandom(2): a constant object, borrowed for ever, usable from any
 * thread. Good for secrets; one system call each. It ends the process when the kernel refuses.
 */
struct rf_rng *rf_random_system(void);
/* rf_random_seed starts a fast generator for jitter from the kernel's. Not for secrets. */
void rf_random_seed(struct rf_rng_seeded *out);

#endif
