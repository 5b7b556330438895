/* test_io_loop.c - the loop, its tasks, jobs from other threads, the worker thread, signals, clocks and randomness. */
#include "test_io.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>
#include "base/error.h"
#include "io/clock.h"
#include "io/listener.h"
#include "io/loop.h"
#include "io/random.h"
#include "io/signals.h"
#include "io/worker.h"

static struct rf_loop *new_loop(void)
{
    struct rf_loop *loop;
    assert_int_equal(rf_loop_new(rf_mem_system(), &loop), 0);
    return loop;
}

/* ---- descriptors ---- */

struct seen {
    struct rf_loop *loop;
    int calls, last_fd, kill_fd;
    unsigned last_events;
};

static void note(void *arg, int fd, unsigned events)
{
    struct seen *seen = arg;
    seen->calls++;
    seen->last_fd = fd;
    seen->last_events = events;
    if (seen->kill_fd >= 0)
        rf_loop_unwatch(seen->loop, seen->kill_fd == fd ? -1 : seen->kill_fd);
}

static void test_events(void **state)
{
    struct rf_loop *loop = new_loop();
    struct seen seen = {.loop = loop, .kill_fd = -1};
    int pipe_fd[2];

    (void)state;
    assert_int_equal(pipe(pipe_fd), 0);
    assert_int_equal(rf_loop_watch(loop, pipe_fd[0], RF_LOOP_READ, note, &seen), 0);
    assert_int_equal(rf_loop_watch(loop, pipe_fd[0], RF_LOOP_READ, note, &seen), RF_EEXIST);
    assert_int_equal(rf_loop_watch(loop, -1, RF_LOOP_READ, note, &seen), RF_EINVAL);
    assert_int_equal(rf_loop_once(loop, 0), 0);
    assert_int_equal(seen.calls, 0);
    assert_int_equal(write(pipe_fd[1], "x", 1), 1);
    assert_int_equal(rf_loop_once(loop, RF_US_PER_S), 0);
    assert_int_equal(seen.calls, 1);
    assert_int_equal(seen.last_fd, pipe_fd[0]);
    assert_int_equal(seen.last_events, RF_LOOP_READ);
    /* unread bytes stay ready, unless nobody asks for them */
    assert_int_equal(rf_loop_rewatch(loop, pipe_fd[0], 0), 0);
    assert_int_equal(rf_loop_once(loop, 0), 0);
    assert_int_equal(seen.calls, 1);
    rf_loop_unwatch(loop, pipe_fd[0]);
    rf_loop_unwatch(loop, pipe_fd[0]); /* harmless */
    assert_int_equal(rf_loop_rewatch(loop, pipe_fd[0], RF_LOOP_READ), RF_EINVAL);
    close(pipe_fd[0]);
    close(pipe_fd[1]);
    rf_loop_free(loop);
}

/* Two descriptors are ready in the same turn; the first one's function unwatches the other: it must not be called. */
static void test_unwatch_in_same_turn(void **state)
{
    struct rf_loop *loop = new_loop();
    struct seen a = {.loop = loop}, b = {.loop = loop};
    int pa[2], pb[2];

    (void)state;
    assert_int_equal(pipe(pa) + pipe(pb), 0);
    a.kill_fd = pb[0];
    b.kill_fd = pa[0];
    assert_int_equal(rf_loop_watch(loop, pa[0], RF_LOOP_READ, note, &a), 0);
    assert_int_equal(rf_loop_watch(loop, pb[0], RF_LOOP_READ, note, &b), 0);
    assert_int_equal(write(pa[1], "x", 1) + write(pb[1], "x", 1), 2);
    assert_int_equal(rf_loop_once(loop, RF_US_PER_S), 0);
    assert_int_equal(a.calls + b.calls, 1);
    rf_loop_free(loop);
    for (int i = 0; i < 2; i++) {
        close(pa[i]);
        close(pb[i]);
    }
}

/* ---- tasks ---- */

struct counted {
    struct rf_loop *loop;
    struct rf_loop_task task;
    int turns, stop_after;
    uint64_t first_us, step_us;
};

static uint64_t counted_turn(void *arg)
{
    struct counted *counted = arg;
    uint64_t now = rf_loop_now(counted->loop)->mono_us;

    if (!counted->first_us)
        counted->first_us = now;
    if (now < counted->first_us + (uint64_t)counted->turns * counted->step_us)
        return counted->first_us + (uint64_t)counted->turns * counted->step_us;
    if (++counted->turns == counted->stop_after)
        rf_loop_stop(counted->loop);
    return counted->first_us + (uint64_t)counted->turns * counted->step_us;
}

static void test_deadlines(void **state)
{
    struct rf_loop *loop = new_loop();
    struct counted counted = {.loop = loop, .stop_after = 5, .step_us = 3000};
    struct rf_now before, after;

    (void)state;
    counted.task = (struct rf_loop_task){.turn = counted_turn, .arg = &counted};
    rf_loop_task_add(loop, &counted.task);
    rf_clock_read(&before);
    assert_int_equal(rf_loop_run(loop), 0);
    rf_clock_read(&after);
    assert_int_equal(counted.turns, 5);
    assert_true(after.mono_us - before.mono_us >= 4 * 3000); /* never early */
    rf_loop_task_remove(&counted.task);
    rf_loop_free(loop);
}

/* ---- other threads ---- */

struct poster {
    struct rf_loop *loop;
    struct rf_loop_job job[100];
    pthread_t self;
    int ran, in_order;
};
static struct poster *poster; /* of the running test */

static void posted_run(struct rf_loop_job *job)
{
    assert_true(pthread_equal(pthread_self(), poster->self));
    if (job == &poster->job[poster->ran])
        poster->in_order++;
    if (++poster->ran == 100)
        rf_loop_stop(poster->loop);
}

static void *poster_main(void *arg)
{
    (void)arg;
    for (int i = 0; i < 100; i++)
        rf_loop_post(poster->loop, &poster->job[i]);
    return NULL;
}

static void test_post(void **state)
{
    struct poster p = {.loop = new_loop(), .self = pthread_self()};
    pthread_t thread;

    (void)state;
    poster = &p;
    for (int i = 0; i < 100; i++)
        p.job[i].run = posted_run;
    assert_int_equal(pthread_create(&thread, NULL, poster_main, NULL), 0);
    assert_int_equal(rf_loop_run(p.loop), 0);
    pthread_join(thread, NULL);
    assert_int_equal(p.ran, 100);
    assert_int_equal(p.in_order, 100);
    rf_loop_free(p.loop);
}

static void post_next(struct rf_loop_job *job)
{
    (void)job;
    poster->ran++;
    if (poster->ran < 3)
        rf_loop_post(poster->loop, &poster->job[poster->ran]);
}

/* A job posted while jobs run is run in the next turn, which must not sleep before it. */
static void test_post_while_jobs_run(void **state)
{
    struct poster p = {.loop = new_loop()};
    struct rf_now before, after;

    (void)state;
    poster = &p;
    for (int i = 0; i < 3; i++)
        p.job[i].run = post_next;
    rf_loop_post(p.loop, &p.job[0]);
    rf_clock_read(&before);
    for (int i = 1; i <= 3; i++) {
        assert_int_equal(rf_loop_once(p.loop, 5 * RF_US_PER_S), 0);
        assert_int_equal(p.ran, i);
    }
    rf_clock_read(&after);
    assert_true(after.mono_us - before.mono_us < 4 * RF_US_PER_S);
    rf_loop_free(p.loop);
}

struct task {
    struct rf_work work;
    struct rf_worker *worker;
    pthread_t ran_in;
    int *order, number, again;
};

static void task_run(struct rf_work *work)
{
    struct task *task = RF_CONTAINER(work, struct task, work);
    task->ran_in = pthread_self();
}

static void task_done(struct rf_work *work)
{
    struct task *task = RF_CONTAINER(work, struct task, work);

    *task->order = *task->order * 10 + task->number;
    if (task->again-- > 0)
        rf_worker_post(task->worker, work);
}

static void test_worker(void **state)
{
    struct rf_loop *loop = new_loop();
    struct rf_worker *worker;
    struct task tasks[3];
    int order = 0;

    (void)state;
    assert_int_equal(rf_worker_new(rf_mem_system(), loop, "test", &worker), 0);
    for (int i = 0; i < 3; i++) {
        tasks[i] = (struct task){
            .work = {.run = task_run, .done = task_done}, .worker = worker, .order = &order, .number = i + 1};
        rf_worker_post(worker, &tasks[i].work);
    }
    assert_int_equal(rf_worker_count(worker), 3);
    for (int i = 0; i < 1000 && rf_worker_count(worker) > 0; i++)
        assert_int_equal(rf_loop_once(loop, RF_US_PER_S), 0);
    assert_int_equal(order, 123);
    assert_false(pthread_equal(tasks[0].ran_in, pthread_self()));
    rf_worker_free(worker);
    rf_loop_free(loop);
}

/* What is posted when the worker is freed is still done, also what a completion then posts. */
static void test_worker_finishes(void **state)
{
    struct rf_loop *loop = new_loop();
    struct rf_worker *worker;
    struct task task;
    int order = 0;

    (void)state;
    assert_int_equal(rf_worker_new(rf_mem_system(), loop, "test", &worker), 0);
    task = (struct task){.work = {.run = task_run, .done = task_done},
                         .worker = worker,
                         .order = &order,
                         .number = 7,
                         .again = 1};
    rf_worker_post(worker, &task.work);
    rf_worker_free(worker);
    assert_int_equal(order, 77);
    rf_loop_free(loop);
}

static void on_signal(void *arg, int number)
{
    *(int *)arg = number;
}

static void test_signals(void **state)
{
    struct rf_loop *loop = new_loop();
    struct rf_signals signals;
    const int numbers[] = {SIGUSR1, SIGTERM};
    int got = 0;

    (void)state;
    assert_int_equal(rf_signals_start(&signals, loop, numbers, 2, on_signal, &got), 0);
    raise(SIGUSR1);
    assert_int_equal(rf_loop_once(loop, RF_US_PER_S), 0);
    assert_int_equal(got, SIGUSR1);
    rf_signals_stop(&signals);
    rf_signals_stop(&signals);
    rf_loop_free(loop);
}

static void test_clock_and_random(void **state)
{
    struct rf_now a, b;
    struct rf_rng_seeded seeded[2];
    uint8_t x[40] = {0}, y[40] = {0};

    (void)state;
    rf_clock_read(&a);
    rf_clock_read(&b);
    assert_true(b.mono_us >= a.mono_us);
    assert_true(a.wall_ms > UINT64_C(1700000000000));
    rf_rng_fill(rf_random_system(), x, sizeof x);
    rf_rng_fill(rf_random_system(), y, sizeof y);
    assert_memory_not_equal(x, y, sizeof x);
    rf_random_seed(&seeded[0]);
    rf_random_seed(&seeded[1]);
    assert_true(rf_rng_u64(&seeded[0].rng) != rf_rng_u64(&seeded[1].rng));
}

/* ---- listeners that rest ---- */

struct door {
    struct rf_listener listener;
    int calls;
    bool refuse;
};

static void door_ready(void *arg, int fd, unsigned events)
{
    struct door *door = arg;
    char byte;
    (void)events;
    door->calls++;
    if (door->refuse)
        rf_listener_rest(&door->listener);
    else
        assert_int_equal(read(fd, &byte, 1), 1);
}

static void count_line(void *ctx, enum rf_log_level level, const char *room, const char *text)
{
    assert_int_equal(level, RF_LOG_WARN);
    assert_string_equal(room, "door");
    assert_non_null(strstr(text, "ulimit -n"));
    ++*(int *)ctx;
}

/* What stays ready is asked for ten times a second, not all the time; it is said once; and it goes on when there is room again. */
static void test_listener_rests(void **state)
{
    struct rf_loop *loop = new_loop();
    struct door door = {.refuse = true};
    int pipe_fd[2], lines = 0;
    struct rf_log log = {.line = count_line, .ctx = &lines, .level = RF_LOG_DEBUG};
    uint64_t begin_us = rf_loop_now(loop)->mono_us, turns = 0;

    (void)state;
    assert_int_equal(pipe(pipe_fd), 0);
    assert_int_equal(rf_listener_start(&door.listener, loop, pipe_fd[0], "door", &log, door_ready, &door), 0);
    assert_int_equal(write(pipe_fd[1], "x", 1), 1);
    while (door.calls < 4) {
        assert_int_equal(rf_loop_once(loop, 50 * RF_US_PER_MS), 0);
        assert_true(++turns < 100);
    }
    assert_true(rf_loop_now(loop)->mono_us - begin_us >= 3 * RF_LISTENER_REST_US);
    assert_int_equal(door.listener.rests, 4);
    assert_int_equal(lines, 1);
    door.refuse = false;
    while (door.calls < 5)
        assert_int_equal(rf_loop_once(loop, 50 * RF_US_PER_MS), 0);
    assert_int_equal(rf_loop_once(loop, 0), 0);
    assert_int_equal(door.calls, 5);
    rf_listener_stop(&door.listener);
    rf_listener_stop(&door.listener);
    assert_int_equal(write(pipe_fd[1], "x", 1), 1);
    assert_int_equal(rf_loop_once(loop, 0), 0);
    assert_int_equal(door.calls, 5);
    close(pipe_fd[0]);
    close(pipe_fd[1]);
    rf_loop_free(loop);
}

int test_io_loop(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_events),
        cmocka_unit_test(test_unwatch_in_same_turn),
        cmocka_unit_test(test_deadlines),
        cmocka_unit_test(test_post),
        cmocka_unit_test(test_post_while_jobs_run),
        cmocka_unit_test(test_worker),
        cmocka_unit_test(test_worker_finishes),
        cmocka_unit_test(test_signals),
        cmocka_unit_test(test_listener_rests),
        cmocka_unit_test(test_clock_and_random),
    };
    return cmocka_run_group_tests_name("io loop", tests, NULL, NULL);
}
