/*
 * worker.h - rf_worker: one thread that does what would block the loop (disk, database), in the order posted; completions come back into the
 * loop's thread, in the same order.
 */
#ifndef RF_IO_WORKER_H
#define RF_IO_WORKER_H

#include "io/loop.h"

struct rf_worker; /* opaque, owned */

struct rf_work {
    struct rf_loop_job job; /* this and the next: the worker's own */
    struct rf_worker *worker;
    void (*run)(struct rf_work *work); /* in the worker's thread */
    void (*done)(
        struct rf_work *work); /* in the loop's thread afterwards; may free the struct, may post again */
};

/* rf_worker_new starts the thread. name: shown by the system's tools, at most 15 bytes. Errors: RF_ENOMEM, RF_ESYSTEM. */
int rf_worker_new(struct rf_mem *mem, struct rf_loop *loop, const char *name, struct rf_worker **out);
/* rf_worker_free finishes everything posted, calls what is left of the completions, and ends the thread. In the loop's thread only. */
void rf_worker_free(struct rf_worker *worker);
/* rf_worker_post hands over `work`, borrowed until done is called. In the loop's thread only; after rf_worker_free began (from a
 * completion) it is run at once. */
void rf_worker_post(struct rf_worker *worker, struct rf_work *work);
/* rf_worker_count is how many were posted and are not done yet. */
size_t rf_worker_count(const struct rf_worker *worker);

#endif
