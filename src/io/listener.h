/*
 * listener.h - rf_listener: a listening descriptor in a loop that rests when nothing can be accepted for want of descriptors or memory.
 *
 * The waiting connection keeps such a descriptor readable, so a loop that went on asking would spin until somebody else closes something. A
 * listener is WATCHED or RESTING: rf_listener_rest takes it from the first to the second, its deadline of RF_LISTENER_REST_US back. Who rests
 * is counted, and said in the log at most once a minute.
 */
#ifndef RF_IO_LISTENER_H
#define RF_IO_LISTENER_H

#include "base/log.h"
#include "io/loop.h"

#define RF_LISTENER_REST_US (100 * RF_US_PER_MS)
#define RF_LISTENER_SAY_US  (60 * RF_US_PER_S)

struct rf_listener {
    struct rf_loop *loop;
    struct rf_log *log;
    const char *name; /* "link", for the log */
    int fd;           /* -1: not started */
    struct rf_loop_task task;
    uint64_t rest_until_us; /* RF_NEVER: watched */
    uint64_t say_at_us;     /* not before that is it said again */
    uint64_t rests, said;   /* how often it rested, and up to which rest the log knows */
};

/*
 * rf_listener_start watches `fd` (borrowed; closed by its owner after rf_listener_stop).
 * name   borrowed while it lives; log may be NULL
 * fn     called when a connection waits; accepts, and calls rf_listener_rest when that failed for want of descriptors or memory
 * Errors: those of rf_loop_watch; then it is not started.
 */
int rf_listener_start(struct rf_listener *listener, struct rf_loop *loop, int fd, const char *name,
                      struct rf_log *log, rf_loop_fn fn, void *arg);
/* rf_listener_rest stops watching for RF_LISTENER_REST_US. */
void rf_listener_rest(struct rf_listener *listener);
void rf_listener_stop(
    struct rf_listener *listener); /* harmless when not started, if it is zero or was stopped */

#endif
