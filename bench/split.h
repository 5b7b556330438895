/* split.h - what the bytes are that nodes send: taps on them, and the counters of their links, told as figures per node and minute. */
#ifndef RF_BENCH_SPLIT_H
#define RF_BENCH_SPLIT_H

#include "crypto/crypto.h"
#include "world.h"

/* split_begin counts from now on what all nodes of the world send. */
void split_begin(struct world *world);
/* split_end tells, per node and minute of `seconds`: "ring.idle_<part>_bytes", then "ring.idle_<message>_bytes" of the largest. */
void split_end(struct world *world, double seconds);
/* split_signatures counts the signatures that are made and checked with `crypto` from now on, and their time. */
void split_signatures(struct rf_crypto *crypto);
/* split_signatures_told: "ring.<what>_signed", "_checked" and "_signatures_ms", per each of `count` since the last one or the beginning. */
void split_signatures_told(const char *what, size_t count);

#endif
