/* signals.h - Unix signals as loop events (signalfd). */
#ifndef RF_IO_SIGNALS_H
#define RF_IO_SIGNALS_H

#include "io/loop.h"

struct rf_signals {
    struct rf_loop *loop;
    int fd;
    void (*fn)(void *arg, int number);
    void *arg;
};

/*
 * rf_signals_start blocks the given signals in this thread and has `fn` called in the loop for each; call it before other threads start, for
 * they inherit the block. SIGPIPE is ignored from then on.
 * numbers  SIGINT, SIGTERM, ...; `count` of them
 * Errors: RF_ESYSTEM, RF_ENOMEM.
 */
int rf_signals_start(struct rf_signals *signals, struct rf_loop *loop, const int *numbers, size_t count,
                     void (*fn)(void *arg, int number), void *arg);
void rf_signals_stop(struct rf_signals *signals); /* the signals stay blocked */

#endif
