/*
 * sim_threads.c - runs the shards of one window at the same time. The main thread takes shard 0 itself. Windows are short (often some ten
 * microseconds), so everybody first waits by looking at a number; who waits for longer, because the cores are busy with other things, sleeps.
 */
#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "apps/sim_main.h"

#define LOOKS_BEFORE_SLEEP 500 /* some ten microseconds */

struct worker {
    struct sim_threads *threads;
    size_t shard;
    pthread_t thread;
};

/* A number that others wait for. The order of all its operations is one (seq_cst): who goes to sleep has counted itself before, who
 * changes the number looks for sleepers after; and the kernel puts nobody to sleep who waits for a number that is gone. */
struct gate {
    atomic_uint number;
    atomic_uint sleepers;
};

struct sim_threads {
    struct rf_sim *sim;
    size_t count;        /* workers that were started */
    struct gate window;  /* number of the window that may run */
    struct gate running; /* workers that have not finished it */
    atomic_bool stop;
    uint64_t until_us; /* written before `window` is raised */
    struct worker workers[RF_SIM_MAX_SHARDS];
};

static void gate_wake(struct gate *gate)
{
    if (atomic_load(&gate->sleepers) > 0)
        syscall(SYS_futex, &gate->number, FUTEX_WAKE_PRIVATE, RF_SIM_MAX_SHARDS, NULL, NULL, 0);
}

/* gate_wait returns once the number is another one than `seen`. */
static void gate_wait(struct gate *gate, unsigned seen)
{
    for (int looks = 0; looks < LOOKS_BEFORE_SLEEP; looks++) {
        if (atomic_load_explicit(&gate->number, memory_order_acquire) != seen)
            return;
#if defined(__x86_64__)
        __builtin_ia32_pause();
#endif
    }
    atomic_fetch_add(&gate->sleepers, 1);
    while (atomic_load(&gate->number) == seen)
        syscall(SYS_futex, &gate->number, FUTEX_WAIT_PRIVATE, seen, NULL, NULL, 0);
    atomic_fetch_sub(&gate->sleepers, 1);
}

static void *work(void *arg)
{
    struct worker *worker = arg;
    struct sim_threads *t = worker->threads;

    for (unsigned seen = 0;; seen++) {
        gate_wait(&t->window, seen);
        if (atomic_load(&t->stop))
            return NULL;
        rf_sim_run_shard(t->sim, worker->shard, t->until_us);
        if (atomic_fetch_sub(&t->running.number, 1) == 1)
            gate_wake(&t->running);
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
    unsigned running;

    t->until_us = until_us;
    atomic_store(&t->running.number, (unsigned)t->count);
    atomic_fetch_add(&t->window.number, 1);
    gate_wake(&t->window);
    rf_sim_run_shard(t->sim, 0, until_us);
    while ((running = atomic_load(&t->running.number)) > 0)
        gate_wait(&t->running, running);
}

void sim_threads_stop(struct sim_threads *t)
{
    if (t == NULL)
        return;
    atomic_store(&t->stop, true);
    atomic_fetch_add(&t->window.number, 1);
    gate_wake(&t->window);
    for (size_t i = 0; i < t->count; i++)
        pthread_join(t->workers[i].thread, NULL);
    free(t);
}
