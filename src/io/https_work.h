/*
 * https_work.h - the worker threads of rf_https: a bounded queue of computations, each handed back through `done` in the worker's thread.
 */
#ifndef RF_IO_HTTPS_WORK_H
#define RF_IO_HTTPS_WORK_H

#include <pthread.h>
#include "base/list.h"
#include "base/mem.h"

struct https_job {
    struct rf_list link;
    void (*work)(void *arg);
    void *arg;
    void (*done)(struct https_job *job); /* after work; the job may be freed in it */
};

struct https_pool {
    struct rf_mem *mem;
    pthread_mutex_t lock;
    pthread_cond_t more, idle;
    struct rf_list waiting;
    size_t taken; /* promised, waiting or running */
    size_t taken_max;
    bool stopping;
    pthread_t *threads;
    size_t thread_count;
};

/* https_pool_init starts `workers` threads. Errors: RF_ENOMEM, RF_ESYSTEM. */
int https_pool_init(struct https_pool *pool, struct rf_mem *mem, size_t workers, size_t queue_max);
/* https_pool_drain refuses what is new and waits until all that was promised is done; https_pool_deinit ends the threads. */
void https_pool_drain(struct https_pool *pool);
void https_pool_deinit(struct https_pool *pool);
/* https_pool_promise keeps a place; every promise is followed by one https_pool_run. Errors: RF_EBUSY. */
int https_pool_promise(struct https_pool *pool);
void https_pool_run(struct https_pool *pool, struct https_job *job);

#endif
