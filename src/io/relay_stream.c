/*
 * relay_stream.c - clients of the relay that came by TCP or TLS.
 *
 * A stream is open until its client or we close it: for a message that is none of ours or too long, or because it has no allocation after IDLE_US. What it
 * sends is read into a buffer of the batch, like datagrams; the beginning of a message that is not there whole is kept. What it does not take is kept up to
 * BACKLOG_MAX; more is dropped, as by a full queue on the way. A thread begins at most HANDSHAKES_PER_S TLS handshakes in a second: each holds up the data path for about a
 * millisecond.
 */
#include <string.h>

#include "base/error.h"
#include "io/relay_thread.h"
#include "io/sockaddr.h"
#include "io/sockets.h"

#define IDLE_US          (30 * RF_US_PER_S)
#define MESSAGE_MAX      16384
#define BACKLOG_MAX      ((size_t)256 << 10)
#define KEPT_OUT         4096 /* memory that an emptied stream keeps */
#define ACCEPT_BURST     64
#define READ_BURST       8 /* records of one stream in one turn */
#define HANDSHAKES_PER_S 50

static void stream_close(struct relay_stream *s)
{
    struct relay_thread *t = s->thread;
    t->streams[s->from.flow % STREAM_SLOTS] = NULL;
    t->stream_count--;
    rf_list_remove(&s->list);
    rf_timer_stop(&t->timers, &s->timer);
    rf_turn_gone(t->turn, &s->from);
    if (s->tls != NULL && !relay_tls_is_up(s->tls))
        t->counters.handshakes_failed++;
    relay_tls_free(s->tls);
    rf_loop_unwatch(t->loop, s->fd);
    rf_socket_close(s->fd);
    rf_buf_deinit(&s->in);
    rf_buf_deinit(&s->out);
    rf_free(t->env.mem, s);
}

static struct relay_stream *stream_of(struct relay_thread *t, uint32_t flow)
{
    struct relay_stream *s = t->streams[flow % STREAM_SLOTS];
    return s != NULL && s->from.flow == flow ? s : NULL;
}

/* ---- out ---- */

/* By TLS one message after the other, each in a record of its own: there are clients that take a record for a message. */
static int stream_send(struct relay_stream *s, struct rf_view bytes, size_t *sent)
{
    if (s->tls == NULL)
        return rf_socket_send(s->fd, bytes, sent);
    if (s->record_left == 0 && rf_turn_frame(bytes, &s->record_left) != 0)
        return RF_EFORMAT; /* we wrote it */
    bytes.len = s->record_left < bytes.len ? s->record_left : bytes.len;
    int error = relay_tls_send(s->tls, bytes, sent);
    if (error == 0)
        s->record_left -= *sent;
    return error;
}

static void watch(struct relay_stream *s)
{
    bool write = s->out.len > 0 || (s->tls != NULL && relay_tls_wants_write(s->tls));
    (void)rf_loop_rewatch(s->thread->loop, s->fd, write ? RF_LOOP_READ | RF_LOOP_WRITE : RF_LOOP_READ);
}

/* false: the stream is gone */
static bool push(struct relay_stream *s)
{
    while (s->sent < s->out.len) {
        size_t n;
        int error = stream_send(s, rf_view_of(s->out.p + s->sent, s->out.len - s->sent), &n);
        if (error == RF_EAGAIN)
            break;
        if (error != 0) {
            stream_close(s);
            return false;
        }
        s->sent += n;
    }
    if (s->sent == s->out.len) {
        s->sent = 0;
        if (s->out.cap > KEPT_OUT) {
            rf_buf_deinit(&s->out);
            rf_buf_init(&s->out, s->thread->env.mem, BACKLOG_MAX);
        } else {
            rf_buf_reset(&s->out);
        }
    }
    watch(s);
    return true;
}

void relay_stream_send(struct relay_thread *t, const struct rf_turn_from *to, const struct rf_turn_wrap *wrap,
                       struct rf_view payload)
{
    static const uint8_t zeros[3];
    struct relay_stream *s = stream_of(t, to->flow);
    size_t len = payload.len + (wrap != NULL ? (size_t)wrap->head_len + wrap->pad : 0);
    if (s == NULL)
        return;
    if (s->sent > 0 && s->out.len + len > BACKLOG_MAX) { /* what has gone makes room */
        memmove(s->out.p, s->out.p + s->sent, s->out.len - s->sent);
        s->out.len -= s->sent;
        s->sent = 0;
    }
    uint8_t *p = s->out.len + len <= BACKLOG_MAX ? rf_buf_reserve(&s->out, len) : NULL;
    if (p == NULL) {
        s->out.error = 0; /* the next one may find room */
        rf_turn_slow(t->turn);
        return;
    }
    if (wrap != NULL) {
        memcpy(p, wrap->head, wrap->head_len);
        p += wrap->head_len;
    }
    memcpy(p, payload.p, payload.len);
    if (wrap != NULL)
        memcpy(p + payload.len, zeros, wrap->pad);
    if (rf_list_empty(&s->list))
        rf_list_push_back(&t->streams_ready, &s->list);
}

void relay_streams_flush(struct relay_thread *t)
{
    while (!rf_list_empty(&t->streams_ready)) {
        struct relay_stream *s = RF_LIST_ENTRY(t->streams_ready.next, struct relay_stream, list);
        rf_list_remove(&s->list);
        (void)push(s);
    }
}

/* ---- in ---- */

/* Hands the whole messages on; returns how many bytes they had, or an error: the stream makes no sense. */
static int take_messages(struct relay_stream *s, uint8_t *p, size_t len, size_t *taken)
{
    size_t whole;
    for (*taken = 0; *taken < len; *taken += whole) {
        int error = rf_turn_frame(rf_view_of(p + *taken, len - *taken), &whole);
        if (error == RF_ESHORT)
            return 0;
        if (error != 0 || whole > MESSAGE_MAX)
            return RF_EFORMAT;
        if (whole > len - *taken)
            return 0;
        relay_from_client(s->thread, &s->from, p + *taken, whole);
    }
    return 0;
}

static int stream_recv(struct relay_stream *s, uint8_t *out, size_t cap, size_t *len)
{
    if (s->tls == NULL)
        return rf_socket_recv(s->fd, out, cap, len);
    bool was_up = relay_tls_is_up(s->tls);
    int error = relay_tls_recv(s->tls, out, cap, len);
    if (!was_up && relay_tls_is_up(s->tls))
        s->thread->counters.handshakes++;
    watch(s);
    return error;
}

/* Hands on what stands at `p`, and keeps the beginning of what is not there whole. false: the stream is gone. */
static bool digest(struct relay_stream *s, uint8_t *p, size_t len)
{
    size_t taken;
    int error = take_messages(s, p, len, &taken);
    if (error == 0) {
        rf_buf_reset(&s->in);
        rf_buf_put(&s->in, p + taken, len - taken);
        error = rf_buf_error(&s->in);
    }
    if (error == 0 && s->in.len == 0)
        rf_buf_deinit(&s->in); /* it stands for its limits still */
    if (error != 0)
        stream_close(s);
    return error == 0;
}

/* false: there is nothing more now, or the stream is gone */
static bool read_some(struct relay_stream *s)
{
    struct relay_thread *t = s->thread;
    size_t kept = s->in.len, n;
    if (t->used == BATCH)
        relay_flush(t);
    uint8_t *p = t->buffers + t->used * BUFFER_LEN;
    if (kept > 0)
        memcpy(p, s->in.p, kept);
    int error = stream_recv(s, p + kept, BUFFER_LEN - kept, &n);
    if (error == RF_EAGAIN)
        return false;
    t->used++;
    if (error == 0)
        return digest(s, p, kept + n);
    stream_close(s);
    return false;
}

static void stream_ready(void *arg, int fd, unsigned events)
{
    struct relay_stream *s = arg;
    (void)fd;
    if ((events & RF_LOOP_WRITE) != 0 && !push(s))
        return;
    if ((events & RF_LOOP_READ) == 0 && (s->tls == NULL || relay_tls_is_up(s->tls)))
        return;
    for (int i = 0; i < READ_BURST && read_some(s) && s->tls != NULL; i++)
        continue;
}

/* ---- birth ---- */

static void idle(struct rf_timer *timer, void *arg)
{
    struct relay_stream *s = arg;
    if (rf_turn_has(s->thread->turn, &s->from))
        (void)rf_env_timer_in(&s->thread->env, timer, IDLE_US); /* it was set before: cannot fail */
    else
        stream_close(s);
}

static uint32_t free_flow(struct relay_thread *t)
{
    do
        t->stream_uses++;
    while (t->streams[t->stream_uses % STREAM_SLOTS] != NULL);
    return t->stream_uses;
}

static bool handshake_room(struct relay_thread *t)
{
    uint64_t now_us = t->env.now->mono_us, from_us = t->handshakes_full_us;
    if (from_us < now_us)
        from_us = now_us;
    if (from_us + RF_US_PER_S / HANDSHAKES_PER_S > now_us + RF_US_PER_S)
        return false;
    t->handshakes_full_us = from_us + RF_US_PER_S / HANDSHAKES_PER_S;
    return true;
}

static int stream_new(struct relay_thread *t, int fd, const struct rf_addr *remote, bool tls,
                      struct relay_stream **out)
{
    if (t->stream_count == STREAM_SLOTS || (tls && !handshake_room(t)))
        return RF_ELIMIT;
    struct relay_stream *s = rf_zalloc(t->env.mem, sizeof(*s));
    if (s == NULL)
        return RF_ENOMEM;
    *s = (struct relay_stream){.thread = t, .fd = fd};
    s->from = (struct rf_turn_from){.addr = *remote, .flow = free_flow(t), .stream = true};
    rf_buf_init(&s->in, t->env.mem, MESSAGE_MAX);
    rf_buf_init(&s->out, t->env.mem, BACKLOG_MAX);
    rf_list_init(&s->list);
    rf_timer_init(&s->timer, idle, s);
    int error = rf_env_timer_in(&t->env, &s->timer, IDLE_US);
    if (error == 0 && tls)
        error = relay_tls_new(t->tls_context, fd, &s->tls);
    if (error == 0)
        error = rf_loop_watch(t->loop, fd, RF_LOOP_READ, stream_ready, s);
    if (error != 0) {
        rf_timer_stop(&t->timers, &s->timer);
        relay_tls_free(s->tls);
        rf_free(t->env.mem, s);
        return error;
    }
    t->streams[s->from.flow % STREAM_SLOTS] = s;
    t->stream_count++;
    *out = s;
    return 0;
}

/* NULL: there is no room; the descriptor is closed. */
static struct relay_stream *take_stream(struct relay_thread *t, int fd, const struct rf_addr *remote,
                                        bool tls)
{
    struct relay_stream *s = NULL;
    t->counters.streams++;
    if (stream_new(t, fd, remote, tls, &s) == 0)
        return s;
    t->counters.streams_refused++;
    rf_socket_close(fd);
    return NULL;
}

static void listener_ready(void *arg, int listener, unsigned events)
{
    struct relay_thread *t = arg;
    struct rf_addr remote, local;
    int fd;
    (void)events;
    for (int i = 0; i < ACCEPT_BURST; i++) {
        int error = rf_socket_accept(listener, &fd, &remote, &local);
        if (error == RF_ECLOSED)
            continue;
        if (error == RF_ELIMIT)
            rf_listener_rest(listener == t->tls.fd ? &t->tls : &t->tcp);
        if (error != 0)
            return;
        (void)take_stream(t, fd, &remote, listener == t->tls.fd);
    }
}

void relay_stream_take(struct relay_thread *t, int fd, const struct rf_addr *remote, struct rf_view bytes)
{
    struct relay_stream *s = take_stream(t, fd, remote, false);
    if (s == NULL)
        return;
    if (t->used == BATCH)
        relay_flush(t);
    uint8_t *p = t->buffers + t->used++ * BUFFER_LEN;
    size_t len = bytes.len < BUFFER_LEN ? bytes.len : BUFFER_LEN;
    memcpy(p, bytes.p, len);
    (void)digest(s, p, len);
}

int relay_streams_open(struct relay_thread *t, bool tls, struct rf_addr *addr)
{
    struct rf_listener *listener = tls ? &t->tls : &t->tcp;
    int fd, error = rf_socket_listen_shared(addr, &fd);
    if (error != 0)
        return error;
    error = sockaddr_local(fd, addr); /* the port that the other threads share */
    if (error == 0)
        error = rf_listener_start(listener, t->loop, fd, "relay", NULL, listener_ready, t);
    if (error != 0)
        rf_socket_close(fd);
    return error;
}

void relay_streams_close(struct relay_thread *t)
{
    struct rf_listener *listeners[] = {&t->tcp, &t->tls};
    for (size_t i = 0; i < STREAM_SLOTS; i++)
        if (t->streams[i] != NULL)
            stream_close(t->streams[i]);
    for (size_t i = 0; i < 2; i++) {
        int fd = listeners[i]->fd;
        if (fd >= 0) {
            rf_listener_stop(listeners[i]);
            rf_socket_close(fd);
        }
    }
}
