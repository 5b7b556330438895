/* turn_tcp.c - a TCP connection to a relay. */
#include "sip/turn_tcp.h"
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>
#include "base/error.h"
#include "stun/stun.h"

struct turn_tcp {
    struct rf_mem *mem;
    struct turn_tcp_handler handler;
    uint32_t number;
    int fd;
    bool up;
    struct tmr down; /* tells from the loop */
    size_t in_len, out_len;
    _Alignas(8) uint8_t in[2 * TURN_TCP_MAX];
    uint8_t out[TURN_TCP_WAITING];
};

static void on_down(void *arg)
{
    struct turn_tcp *t = arg;
    t->handler.down(t->handler.arg, t->number);
}

static void fail(struct turn_tcp *t)
{
    if (t->fd >= 0) {
        fd_close(t->fd);
        close(t->fd);
    }
    t->fd = -1;
    t->up = false;
    tmr_start(&t->down, 0, on_down, t);
}

/* ---- out ---- */

static void on_event(int flags, void *arg);

static void flush(struct turn_tcp *t)
{
    ssize_t n = t->out_len > 0 ? send(t->fd, t->out, t->out_len, MSG_DONTWAIT | MSG_NOSIGNAL) : 0;
    if (n < 0 && errno != EAGAIN && errno != EINTR) {
        fail(t);
        return;
    }
    if (n > 0) {
        t->out_len -= (size_t)n;
        memmove(t->out, t->out + n, t->out_len);
    }
    (void)fd_listen(t->fd, t->out_len > 0 ? FD_READ | FD_WRITE : FD_READ, on_event, t);
}

int turn_tcp_send(struct turn_tcp *t, const uint8_t *bytes, size_t len)
{
    if (!t->up || len > sizeof(t->out) - t->out_len)
        return RF_EAGAIN;
    memcpy(t->out + t->out_len, bytes, len);
    t->out_len += len;
    if (t->out_len == len) /* else it waits for the socket already */
        flush(t);
    return 0;
}

/* ---- in ---- */

static int frame(struct rf_view in, size_t *len)
{
    return rf_turn_is_channel(in) ? rf_turn_channel_frame(in, len) : rf_stun_frame(in, len);
}

/* Hands out what is whole. false: it was freed meanwhile. */
static bool take(struct turn_tcp *t)
{
    size_t at = 0, len;
    int error = 0;
    while (t->fd >= 0 && (error = frame(rf_view_of(t->in + at, t->in_len - at), &len)) == 0 &&
           len <= t->in_len - at) {
        if (!t->handler.message(t->handler.arg, t->number, t->in + at, len))
            return false;
        at += len;
    }
    t->in_len -= at;
    memmove(t->in, t->in + at, t->in_len);
    if (t->fd >= 0 && ((error != 0 && error != RF_ESHORT) || (error == 0 && len > TURN_TCP_MAX)))
        fail(t);
    return true;
}

static void read_some(struct turn_tcp *t)
{
    for (int i = 0; i < 8 && t->fd >= 0; i++) {
        ssize_t n = recv(t->fd, t->in + t->in_len, sizeof(t->in) - t->in_len, MSG_DONTWAIT);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (n <= 0) {
            fail(t);
            return;
        }
        t->in_len += (size_t)n;
        if (!take(t))
            return;
    }
}

static void on_event(int flags, void *arg)
{
    struct turn_tcp *t = arg;
    int error = 0;
    socklen_t len = sizeof(error);
    if (!t->up) {
        if (getsockopt(t->fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0 || error != 0) {
            fail(t);
            return;
        }
        t->up = true;
        (void)fd_listen(t->fd, FD_READ, on_event, t);
        t->handler.up(t->handler.arg, t->number);
        return;
    }
    if ((flags & FD_WRITE) != 0)
        flush(t);
    if ((flags & FD_READ) != 0 && t->fd >= 0)
        read_some(t);
}

/* ---- life ---- */

int turn_tcp_new(struct rf_mem *mem, uint32_t number, const struct rf_addr *to,
                 const struct turn_tcp_handler *handler, struct turn_tcp **out)
{
    struct sockaddr_storage ss;
    socklen_t len = ways_sockaddr(to, &ss);
    int on = 1;
    struct turn_tcp *t = rf_zalloc(mem, sizeof(*t));
    if (t == NULL)
        return RF_ENOMEM;
    t->mem = mem;
    t->handler = *handler;
    t->number = number;
    tmr_init(&t->down);
    t->fd = socket(ss.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (t->fd >= 0)
        (void)setsockopt(t->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (t->fd < 0 || (connect(t->fd, (struct sockaddr *)&ss, len) != 0 && errno != EINPROGRESS) ||
        fd_listen(t->fd, FD_WRITE, on_event, t) != 0) {
        if (t->fd >= 0)
            close(t->fd);
        rf_free(mem, t);
        return RF_ESYSTEM;
    }
    *out = t;
    return 0;
}

void turn_tcp_free(struct turn_tcp *t)
{
    if (t == NULL)
        return;
    tmr_cancel(&t->down);
    if (t->fd >= 0) {
        fd_close(t->fd);
        close(t->fd);
    }
    rf_free(t->mem, t);
}

uint32_t turn_tcp_number(const struct turn_tcp *t)
{
    return t->number;
}
