/*
 * loop.h - rf_loop: one thread's epoll loop: descriptors, tasks with deadlines, functions posted by other threads.
 *
 * One turn: wait until a descriptor is ready, a task's deadline has come or something was posted; read the clock; run posted jobs; call the
 * descriptors' functions; let every task take its turn. Tasks come last, so that a core hears what arrived before it judges who is silent.
 * Everything but rf_loop_post and rf_loop_stop belongs to the thread that runs the loop.
 */
#ifndef RF_IO_LOOP_H
#define RF_IO_LOOP_H

#include "base/clock.h"
#include "base/list.h"
#include "base/mem.h"
#include "base/timer.h"

struct rf_loop; /* opaque, owned */

#define RF_LOOP_READ  1u
#define RF_LOOP_WRITE 2u

/* events: RF_LOOP_READ, _WRITE; an error or hang-up shows as both of those that were asked for (read or write, and it will tell). */
typedef void (*rf_loop_fn)(void *arg, int fd, unsigned events);

/* Errors: RF_ENOMEM, RF_ESYSTEM. */
int rf_loop_new(struct rf_mem *mem, struct rf_loop **out);
void rf_loop_free(struct rf_loop *loop); /* closes no descriptor of others; runs what was posted */

/* rf_loop_watch begins to watch `fd`. Errors: RF_EEXIST, RF_ENOMEM, RF_ESYSTEM. */
int rf_loop_watch(struct rf_loop *loop, int fd, unsigned events, rf_loop_fn fn, void *arg);
/* rf_loop_rewatch changes the events of a watched descriptor; no system call when nothing changes. Errors: RF_ESYSTEM. */
int rf_loop_rewatch(struct rf_loop *loop, int fd, unsigned events);
/* rf_loop_unwatch must come before close(2). `fn` is not called again, not even for events of the running turn. */
void rf_loop_unwatch(struct rf_loop *loop, int fd);

/* rf_loop_now is the time at which this turn began to work; borrowed, constant during a turn. */
const struct rf_now *rf_loop_now(const struct rf_loop *loop);

/*
 * A task, e.g. a core that is driven: `turn` is called once each turn, does what is due at rf_loop_now, hands on what came of it, and returns
 * its next deadline (mono_us; RF_NEVER). The struct stays with its owner until rf_loop_task_remove; during a turn a task may remove
 * itself, but no other.
 */
struct rf_loop_task {
    struct rf_list list;
    uint64_t (*turn)(void *arg);
    void *arg;
};
void rf_loop_task_add(struct rf_loop *loop, struct rf_loop_task *task);
void rf_loop_task_remove(struct rf_loop_task *task);

/* A function to be run in the loop's thread, soon and once; the struct must stay until `run` is called, which may free it. */
struct rf_loop_job {
    struct rf_list list;
    void (*run)(struct rf_loop_job *job);
};
void rf_loop_post(struct rf_loop *loop, struct rf_loop_job *job); /* any thread */

/* rf_loop_run turns until rf_loop_stop. Errors: RF_ESYSTEM. rf_loop_once makes one turn that waits at most max_wait_us. */
int rf_loop_run(struct rf_loop *loop);
int rf_loop_once(struct rf_loop *loop, uint64_t max_wait_us);
/* rf_loop_run_posted runs what was posted until now, without a turn. */
void rf_loop_run_posted(struct rf_loop *loop);
void rf_loop_stop(struct rf_loop *loop); /* any thread; also a signal handler's */

#endif
