/* listener.c - a listening descriptor that rests when nothing can be accepted. */
#include "io/listener.h"

static uint64_t turn(void *arg)
{
    struct rf_listener *listener = arg;
    const uint64_t now_us = rf_loop_now(listener->loop)->mono_us;

    if (listener->rest_until_us > now_us)
        return listener->rest_until_us;
    /* a failure would leave it deaf: then it tries again */
    listener->rest_until_us = rf_loop_rewatch(listener->loop, listener->fd, RF_LOOP_READ) == 0
                                  ? RF_NEVER
                                  : now_us + RF_LISTENER_REST_US;
    return listener->rest_until_us;
}

int rf_listener_start(struct rf_listener *listener, struct rf_loop *loop, int fd, const char *name,
                      struct rf_log *log, rf_loop_fn fn, void *arg)
{
    int err = rf_loop_watch(loop, fd, RF_LOOP_READ, fn, arg);

    *listener = (struct rf_listener){.fd = -1};
    if (err)
        return err;
    *listener = (struct rf_listener){.loop = loop,
                                     .log = log,
                                     .name = name,
                                     .fd = fd,
                                     .task = {.turn = turn, .arg = listener},
                                     .rest_until_us = RF_NEVER};
    rf_loop_task_add(loop, &listener->task);
    return 0;
}

void rf_listener_rest(struct rf_listener *listener)
{
    const uint64_t now_us = rf_loop_now(listener->loop)->mono_us;

    listener->rests++;
    if (now_us >= listener->say_at_us) {
        rf_log_write(listener->log, RF_LOG_WARN, listener->name,
                     "no descriptors or memory left for new connections (%llu times): they wait or are "
                     "dropped; raise the limit of open files (ulimit -n)",
                     (unsigned long long)(listener->rests - listener->said));
        listener->said = listener->rests;
        listener->say_at_us = now_us + RF_LISTENER_SAY_US;
    }
    if (rf_loop_rewatch(listener->loop, listener->fd, 0) == 0)
        listener->rest_until_us = now_us + RF_LISTENER_REST_US;
}

void rf_listener_stop(struct rf_listener *listener)
{
    if (!listener->loop)
        return;
    rf_loop_unwatch(listener->loop, listener->fd);
    rf_loop_task_remove(&listener->task);
    *listener = (struct rf_listener){.fd = -1};
}
