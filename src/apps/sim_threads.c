/*
 * sim_threads.c - runs the shards of one window at the same time. The main thread takes shard 0 itself. Windows are short (often some ten
 * microseconds), so everybody waits by looking at a number, and gives the core away only after a while.
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include "apps/sim_main.h"

#define LOOKS_BEFORE_YIELD 4000

struct worker {
    struct sim_threads *threads;
    size_t shard;
    pthread_t thread;
};

struct sim_threads {
    struct rf_sim *sim;
    size_t count; /* workers that were started */
    atomic_uint window;
    atomic_size_t running;
    atomic_bool stop;
    uint64_t until_us; /* written before `window` is raised */
    struct worker workers[RF_SIM_MAX_SHARDS];
};

static void wait_a_little(unsigned *looks)
{
    if (++*looks < LOOKS_BEFORE_YIELD) {
#if defined(__x86_64__)
        __builtin_ia32_pause();
#endif
        return;
    }
    sched_yield();
}

static void *work(void *arg)
{
    struct worker *worker = arg;
    struct sim_threads *t = worker->threads;

    for (unsigned seen = 0;; seen++) {
        unsigned looks = 0;

        while (atomic_load_explicit(&t->window, memory_order_acquire) == seen)
            wait_a_little(&looks);
        if (atomic_load(&t->stop))
            return NULL;
        rf_sim_run_shard(t->sim, worker->shard, t->until_us);
        atomic_fetch_sub_explicit(&t->running, 1, memory_order_release);
    }
}

struct sim_threads *sim_threads_start(struct rf_sim *sim)
{
    struct sim_threads *t = calloc(1, sizeof(*t));

    if (t == NULL)
        return NULL;
    t->sim = sim;
    for (size_t i = 1; i < rf_sim_shards(sim); i++) {
        struct worker *worker = &t->workers[t->count];

        worker->threads = t;
        worker->shard = i;
        if (pthread_create(&worker->thread, NULL, work, worker) != 0) {
            sim_threads_stop(t);
            return NULL;
        }
        t->count++;
    }
    return t;
}

void sim_threads_run(struct sim_threads *t, uint64_t until_us)
{
    unsigned looks = 0;

    t->until_us = until_us;
    atomic_store_explicit(&t->running, t->count, memory_order_relaxed);
    atomic_fetch_add_explicit(&t->window, 1, memory_order_release);
    rf_sim_run_shard(t->sim, 0, until_us);
    while (atomic_load_explicit(&t->running, memory_order_acquire) > 0)
        wait_a_little(&looks);
}

void sim_threads_stop(struct sim_threads *t)
{
    if (t == NULL)
        return;
    atomic_store(&t->stop, true);
    atomic_fetch_add(&t->window, 1);
    for (size_t i = 0; i < t->count; i++)
        pthread_join(t->workers[i].thread, NULL);
    free(t);
}
