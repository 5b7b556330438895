/* worker.c - one thread for what blocks. */
#include "io/worker.h"

#include <pthread.h>
#include <signal.h>
#include "base/error.h"

struct rf_worker {
    struct rf_mem *mem;
    struct rf_loop *loop;
    pthread_t thread;
    pthread_mutex_t lock; /* guards todo and ending */
    pthread_cond_t cond;
    struct rf_list todo;
    bool ending;
    bool joined; /* this and count: only in the loop's thread */
    size_t count;
};

static struct rf_work *take(struct rf_worker *worker)
{
    struct rf_list *first = NULL;

    pthread_mutex_lock(&worker->lock);
    while (rf_list_empty(&worker->todo) && !worker->ending)
        pthread_cond_wait(&worker->cond, &worker->lock);
    if (!rf_list_empty(&worker->todo)) {
        first = worker->todo.next;
        rf_list_remove(first);
    }
    pthread_mutex_unlock(&worker->lock);
    return first ? RF_LIST_ENTRY(first, struct rf_work, job.list) : NULL;
}

static void *thread_main(void *arg)
{
    struct rf_worker *worker = arg;
    struct rf_work *work;

    while ((work = take(worker)) != NULL) {
        work->run(work);
        rf_loop_post(worker->loop, &work->job);
    }
    return NULL;
}

static void completed(struct rf_loop_job *job)
{
    struct rf_work *work = RF_CONTAINER(job, struct rf_work, job);

    work->worker->count--;
    work->done(work);
}

/* Signals are the main thread's business. */
static int start_thread(struct rf_worker *worker, const char *name)
{
    sigset_t all, before;
    int failed;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    failed = pthread_create(&worker->thread, NULL, thread_main, worker);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed)
        return RF_ESYSTEM;
    (void)pthread_setname_np(worker->thread, name);
    return 0;
}

int rf_worker_new(struct rf_mem *mem, struct rf_loop *loop, const char *name, struct rf_worker **out)
{
    struct rf_worker *worker = rf_zalloc(mem, sizeof *worker);
    int err;

    if (!worker)
        return RF_ENOMEM;
    worker->mem = mem;
    worker->loop = loop;
    rf_list_init(&worker->todo);
    pthread_mutex_init(&worker->lock, NULL);
    pthread_cond_init(&worker->cond, NULL);
    err = start_thread(worker, name);
    if (err) {
        pthread_cond_destroy(&worker->cond);
        pthread_mutex_destroy(&worker->lock);
        rf_free(mem, worker);
        return err;
    }
    *out = worker;
    return 0;
}

void rf_worker_free(struct rf_worker *worker)
{
    if (!worker)
        return;
    pthread_mutex_lock(&worker->lock);
    worker->ending = true;
    pthread_cond_signal(&worker->cond);
    pthread_mutex_unlock(&worker->lock);
    pthread_join(worker->thread, NULL);
    worker->joined = true;
    while (worker->count > 0)
        rf_loop_run_posted(worker->loop);
    pthread_cond_destroy(&worker->cond);
    pthread_mutex_destroy(&worker->lock);
    rf_free(worker->mem, worker);
}

void rf_worker_post(struct rf_worker *worker, struct rf_work *work)
{
    rf_list_init(&work->job.list);
    work->job.run = completed;
    work->worker = worker;
    worker->count++;
    if (worker->joined) {
        work->run(work);
        rf_loop_post(worker->loop, &work->job);
        return;
    }
    pthread_mutex_lock(&worker->lock);
    rf_list_push_back(&worker->todo, &work->job.list);
    pthread_cond_signal(&worker->cond);
    pthread_mutex_unlock(&worker->lock);
}

size_t rf_worker_count(const struct rf_worker *worker)
{
    return worker->count;
}
