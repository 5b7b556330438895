/*
 * loop.c - the epoll loop. A watched descriptor has a slot in a table indexed by its number; the event carries
 * number and generation, so that what was unwatched in the same turn is recognized as gone.
 */
#include "io/loop.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <string.h>
#include <unistd.h>
#include "base/error.h"
#include "io/clock.h"

#define EVENTS_MAX  256
#define MAX_WAIT_MS 3600000

struct slot {
    rf_loop_fn fn; /* NULL: not watched */
    void *arg;
    uint32_t generation;
    uint32_t events;
};

struct rf_loop {
    struct rf_mem *mem;
    int epoll_fd, wake_fd;
    struct slot *slots;
    size_t slot_count;
    uint32_t generation;
    struct rf_now now;
    struct rf_list tasks;
    pthread_mutex_t lock; /* guards posted */
    struct rf_list posted;
    atomic_bool stop;
};

/* ---- life ---- */

/* its work is done by take_wakeup, before the jobs */
static void woken(void *arg, int fd, unsigned events)
{
    (void)arg;
    (void)fd;
    (void)events;
}

int rf_loop_new(struct rf_mem *mem, struct rf_loop **out)
{
    struct rf_loop *loop = rf_zalloc(mem, sizeof *loop);
    int err = RF_ESYSTEM;

    if (!loop)
        return RF_ENOMEM;
    loop->mem = mem;
    rf_list_init(&loop->tasks);
    rf_list_init(&loop->posted);
    pthread_mutex_init(&loop->lock, NULL);
    atomic_init(&loop->stop, false);
    rf_clock_read(&loop->now);
    loop->wake_fd = -1;
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (loop->epoll_fd < 0)
        goto fail;
    loop->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (loop->wake_fd < 0)
        goto fail;
    err = rf_loop_watch(loop, loop->wake_fd, RF_LOOP_READ, woken, loop);
    if (err)
        goto fail;
    *out = loop;
    return 0;
fail:
    rf_loop_free(loop);
    return err;
}

void rf_loop_free(struct rf_loop *loop)
{
    if (!loop)
        return;
    rf_loop_run_posted(loop);
    if (loop->wake_fd >= 0)
        close(loop->wake_fd);
    if (loop->epoll_fd >= 0)
        close(loop->epoll_fd);
    pthread_mutex_destroy(&loop->lock);
    rf_free(loop->mem, loop->slots);
    rf_free(loop->mem, loop);
}

const struct rf_now *rf_loop_now(const struct rf_loop *loop)
{
    return &loop->now;
}

/* ---- descriptors ---- */

static int slots_reach(struct rf_loop *loop, int fd)
{
    size_t count = loop->slot_count ? loop->slot_count : 64;
    struct slot *slots;

    if ((size_t)fd < loop->slot_count)
        return 0;
    while (count <= (size_t)fd)
        count *= 2;
    slots = rf_resize(loop->mem, loop->slots, count * sizeof *slots);
    if (!slots)
        return RF_ENOMEM;
    memset(slots + loop->slot_count, 0, (count - loop->slot_count) * sizeof *slots);
    loop->slots = slots;
    loop->slot_count = count;
    return 0;
}

static int control(struct rf_loop *loop, int op, int fd)
{
    const struct slot *slot = &loop->slots[fd];
    struct epoll_event event = {.data.u64 = (uint64_t)slot->generation << 32 | (uint32_t)fd};

    if (slot->events & RF_LOOP_READ)
        event.events |= EPOLLIN;
    if (slot->events & RF_LOOP_WRITE)
        event.events |= EPOLLOUT;
    if (epoll_ctl(loop->epoll_fd, op, fd, &event) == 0)
        return 0;
    return errno == ENOMEM || errno == ENOSPC ? RF_ENOMEM : RF_ESYSTEM;
}

int rf_loop_watch(struct rf_loop *loop, int fd, unsigned events, rf_loop_fn fn, void *arg)
{
    int err;

    if (fd < 0)
        return RF_EINVAL;
    err = slots_reach(loop, fd);
    if (err)
        return err;
    if (loop->slots[fd].fn)
        return RF_EEXIST;
    loop->slots[fd] = (struct slot){.fn = fn, .arg = arg, .generation = ++loop->generation, .events = events};
    err = control(loop, EPOLL_CTL_ADD, fd);
    if (err)
        loop->slots[fd].fn = NULL;
    return err;
}

int rf_loop_rewatch(struct rf_loop *loop, int fd, unsigned events)
{
    struct slot *slot;

    if (fd < 0 || (size_t)fd >= loop->slot_count || !loop->slots[fd].fn)
        return RF_EINVAL;
    slot = &loop->slots[fd];
    if (slot->events == events)
        return 0;
    slot->events = events;
    return control(loop, EPOLL_CTL_MOD, fd);
}

void rf_loop_unwatch(struct rf_loop *loop, int fd)
{
    if (fd < 0 || (size_t)fd >= loop->slot_count || !loop->slots[fd].fn)
        return;
    loop->slots[fd].fn = NULL;
    (void)epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
}

static void dispatch(struct rf_loop *loop, const struct epoll_event *event)
{
    uint32_t fd = (uint32_t)event->data.u64, generation = (uint32_t)(event->data.u64 >> 32);
    unsigned events = 0;
    struct slot slot;

    if (fd >= loop->slot_count)
        return;
    slot = loop->slots[fd]; /* a copy: fn may move the table */
    if (!slot.fn || slot.generation != generation)
        return;
    if (event->events & EPOLLIN)
        events |= RF_LOOP_READ;
    if (event->events & EPOLLOUT)
        events |= RF_LOOP_WRITE;
    if (event->events & (EPOLLERR | EPOLLHUP))
        events |= slot.events ? slot.events : RF_LOOP_READ;
    slot.fn(slot.arg, (int)fd, events);
}

/* ---- tasks and jobs ---- */

void rf_loop_task_add(struct rf_loop *loop, struct rf_loop_task *task)
{
    rf_list_push_back(&loop->tasks, &task->list);
}

void rf_loop_task_remove(struct rf_loop_task *task)
{
    rf_list_remove(&task->list);
}

static void wake(struct rf_loop *loop)
{
    uint64_t one = 1;

    while (write(loop->wake_fd, &one, sizeof one) < 0 && errno == EINTR)
        ; /* EAGAIN: it is awake anyway */
}

void rf_loop_post(struct rf_loop *loop, struct rf_loop_job *job)
{
    bool first;

    pthread_mutex_lock(&loop->lock);
    first = rf_list_empty(&loop->posted);
    rf_list_push_back(&loop->posted, &job->list);
    pthread_mutex_unlock(&loop->lock);
    if (first)
        wake(loop);
}

void rf_loop_stop(struct rf_loop *loop)
{
    atomic_store(&loop->stop, true);
    wake(loop);
}

static struct rf_loop_job *take_posted(struct rf_loop *loop, const struct rf_list *last)
{
    struct rf_list *first;

    pthread_mutex_lock(&loop->lock);
    first = last ? loop->posted.next : NULL;
    if (first)
        rf_list_remove(first);
    pthread_mutex_unlock(&loop->lock);
    return first ? RF_LIST_ENTRY(first, struct rf_loop_job, list) : NULL;
}

void rf_loop_run_posted(struct rf_loop *loop)
{
    const struct rf_list *last;

    /* what is posted meanwhile waits for the next time */
    pthread_mutex_lock(&loop->lock);
    last = rf_list_empty(&loop->posted) ? NULL : loop->posted.prev;
    pthread_mutex_unlock(&loop->lock);
    while (last) {
        struct rf_loop_job *job = take_posted(loop, last);
        if (&job->list == last)
            last = NULL;
        job->run(job);
    }
}

/* ---- turning ---- */

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t run_tasks(struct rf_loop *loop)
{
    uint64_t deadline = RF_NEVER;

    RF_LIST_EACH_SAFE(&loop->tasks, it)
    {
        struct rf_loop_task *task = RF_LIST_ENTRY(it, struct rf_loop_task, list);
        deadline = earlier(deadline, task->turn(task->arg));
    }
    return deadline;
}

static int wait_ms(uint64_t until_us)
{
    struct rf_now now;
    uint64_t ms;

    if (until_us == RF_NEVER)
        return -1;
    rf_clock_read(&now);
    if (until_us <= now.mono_us)
        return 0;
    ms = (until_us - now.mono_us + 999) / 1000;
    return ms < MAX_WAIT_MS ? (int)ms : MAX_WAIT_MS;
}

/*
 * The wake-up is taken before the jobs that it announced. Taken after them it would swallow the one for a job posted in between, which would
 * then wait for the next deadline.
 */
static void take_wakeup(struct rf_loop *loop, const struct epoll_event *events, int count)
{
    uint64_t ignored;

    for (int i = 0; i < count; i++)
        if ((int)(uint32_t)events[i].data.u64 == loop->wake_fd)
            while (read(loop->wake_fd, &ignored, sizeof ignored) < 0 && errno == EINTR)
                ;
}

/* Waits until `until_us` at most, then works; returns in *deadline when the tasks want to be called next. */
static int turn(struct rf_loop *loop, uint64_t until_us, uint64_t *deadline)
{
    struct epoll_event events[EVENTS_MAX];
    int count = epoll_wait(loop->epoll_fd, events, EVENTS_MAX, wait_ms(until_us));

    if (count < 0 && errno != EINTR)
        return RF_ESYSTEM;
    rf_clock_read(&loop->now);
    take_wakeup(loop, events, count);
    rf_loop_run_posted(loop);
    for (int i = 0; i < count; i++)
        dispatch(loop, &events[i]);
    *deadline = run_tasks(loop);
    return 0;
}

int rf_loop_once(struct rf_loop *loop, uint64_t max_wait_us)
{
    struct rf_now now;
    uint64_t deadline;

    rf_clock_read(&now);
    return turn(loop, now.mono_us + max_wait_us, &deadline);
}

int rf_loop_run(struct rf_loop *loop)
{
    uint64_t deadline = 0;
    int err = 0;

    while (!err && !atomic_load(&loop->stop))
        err = turn(loop, deadline, &deadline);
    atomic_store(&loop->stop, false);
    return err;
}
