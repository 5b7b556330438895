/* https_work.c - worker threads with a bounded queue. */
#include "io/https_work.h"

#include <string.h>
#include "base/error.h"

static void *pool_thread(void *arg)
{
    struct https_pool *pool = arg;
    pthread_mutex_lock(&pool->lock);
    for (;;) {
        while (rf_list_empty(&pool->waiting) && !(pool->stopping && pool->taken == 0))
            pthread_cond_wait(&pool->more, &pool->lock);
        if (rf_list_empty(&pool->waiting))
            break;
        struct https_job *job = RF_LIST_ENTRY(pool->waiting.next, struct https_job, link);
        rf_list_remove(&job->link);
        pthread_mutex_unlock(&pool->lock);
        job->work(job->arg);
        job->done(job);
        pthread_mutex_lock(&pool->lock);
        if (--pool->taken == 0)
            pthread_cond_broadcast(&pool->idle);
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

int https_pool_init(struct https_pool *pool, struct rf_mem *mem, size_t workers, size_t queue_max)
{
    memset(pool, 0, sizeof(*pool));
    pool->mem = mem;
    pool->threads = rf_alloc(mem, workers * sizeof(*pool->threads));
    if (!pool->threads)
        return RF_ENOMEM;
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->more, NULL);
    pthread_cond_init(&pool->idle, NULL);
    rf_list_init(&pool->waiting);
    pool->taken_max = workers + queue_max;
    for (; pool->thread_count < workers; pool->thread_count++)
        if (pthread_create(&pool->threads[pool->thread_count], NULL, pool_thread, pool) != 0) {
            https_pool_deinit(pool);
            return RF_ESYSTEM;
        }
    return RF_OK;
}

void https_pool_drain(struct https_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    pool->stopping = true;
    while (pool->taken > 0)
        pthread_cond_wait(&pool->idle, &pool->lock);
    pthread_cond_broadcast(&pool->more);
    pthread_mutex_unlock(&pool->lock);
}

void https_pool_deinit(struct https_pool *pool)
{
    if (!pool->threads)
        return;
    https_pool_drain(pool);
    for (size_t i = 0; i < pool->thread_count; i++)
        pthread_join(pool->threads[i], NULL);
    pthread_cond_destroy(&pool->more);
    pthread_cond_destroy(&pool->idle);
    pthread_mutex_destroy(&pool->lock);
    rf_free(pool->mem, pool->threads);
    pool->threads = NULL;
}

int https_pool_promise(struct https_pool *pool)
{
    int e = RF_EBUSY;
    pthread_mutex_lock(&pool->lock);
    if (!pool->stopping && pool->taken < pool->taken_max) {
        pool->taken++;
        e = RF_OK;
    }
    pthread_mutex_unlock(&pool->lock);
    return e;
}

void https_pool_run(struct https_pool *pool, struct https_job *job)
{
    pthread_mutex_lock(&pool->lock);
    rf_list_push_back(&pool->waiting, &job->link);
    pthread_cond_signal(&pool->more);
    pthread_mutex_unlock(&pool->lock);
}
