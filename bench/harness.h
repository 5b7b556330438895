/*
 * harness.h - what the benchmarks share: clocks of this process, its memory, its core, and how a figure is printed.
 *
 * Every benchmark prints lines "NAME VALUE"; run.py sets them beside their aims and limits.
 */
#ifndef RF_BENCH_HARNESS_H
#define RF_BENCH_HARNESS_H

#include <stdint.h>

/* must ends the program with a sentence when err is an error. */
void must(int err, const char *what);
/* figure prints one line; the name is made like by printf. */
void figure(double value, const char *name, ...) __attribute__((format(printf, 2, 3)));
double wall_s(void);    /* monotonic seconds */
double cpu_s(void);     /* user and system time of this process, seconds */
double rss_bytes(void); /* its resident memory */
/* pin keeps this process on one core; where the machine has fewer cores nothing happens. */
void pin(int core);

#endif
