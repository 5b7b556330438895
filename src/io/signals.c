/* signals.c - Unix signals as loop events. */
#include "io/signals.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>
#include "base/error.h"

static void readable(void *arg, int fd, unsigned events)
{
    struct rf_signals *signals = arg;
    struct signalfd_siginfo info;

    (void)events;
    while (signals->fd >= 0 && read(fd, &info, sizeof info) == (ssize_t)sizeof info)
        signals->fn(signals->arg, (int)info.ssi_signo);
}

int rf_signals_start(struct rf_signals *signals, struct rf_loop *loop, const int *numbers, size_t count,
                     void (*fn)(void *arg, int number), void *arg)
{
    sigset_t set;
    int err;

    sigemptyset(&set);
    for (size_t i = 0; i < count; i++)
        sigaddset(&set, numbers[i]);
    *signals = (struct rf_signals){.loop = loop, .fd = -1, .fn = fn, .arg = arg};
    if (pthread_sigmask(SIG_BLOCK, &set, NULL) != 0 || signal(SIGPIPE, SIG_IGN) == SIG_ERR)
        return RF_ESYSTEM;
    signals->fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (signals->fd < 0)
        return RF_ESYSTEM;
    err = rf_loop_watch(loop, signals->fd, RF_LOOP_READ, readable, signals);
    if (err) {
        close(signals->fd);
        signals->fd = -1;
    }
    return err;
}

void rf_signals_stop(struct rf_signals *signals)
{
    if (signals->fd < 0)
        return;
    rf_loop_unwatch(signals->loop, signals->fd);
    close(signals->fd);
    signals->fd = -1;
}
