/* relay_path.c - the relay's data path: batches in, turn/, batches out. */
#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "io/relay_thread.h"
#include "io/sockaddr.h"
#include "io/udp.h"

#define CONTROL_LEN CMSG_SPACE(sizeof(int))
#define IOVECS      (3 * BATCH)

struct batch {
    struct mmsghdr msgs[BATCH];
    struct iovec iovecs[IOVECS];
    struct sockaddr_storage addrs[BATCH];
    union {
        uint8_t bytes[CONTROL_LEN];
        struct cmsghdr align;
    } control[BATCH];
};

int relay_path_open(struct relay_thread *t)
{
    t->buffers = rf_alloc(t->env.mem, (size_t)BATCH * BUFFER_LEN);
    t->replies = rf_alloc(t->env.mem, (size_t)BATCH * REPLY_LEN);
    t->outs = rf_alloc(t->env.mem, OUT_MAX * sizeof(*t->outs));
    t->joins = true;
    rf_list_init(&t->lines);
    relay_line_init(&t->clients);
    return t->buffers != NULL && t->replies != NULL && t->outs != NULL ? 0 : RF_ENOMEM;
}

void relay_path_close(struct relay_thread *t)
{
    rf_free(t->env.mem, t->buffers);
    rf_free(t->env.mem, t->replies);
    rf_free(t->env.mem, t->outs);
}

/* ---- lines ---- */

void relay_line_init(struct relay_line *line)
{
    line->first = line->last = OUT_NONE;
    line->noted = false;
    rf_list_init(&line->list);
}

void relay_forget(struct relay_socket *s)
{
    rf_list_remove(&s->line.list);
    relay_line_init(&s->line);
}

static void send_noted(struct relay_thread *t);

/* A place in the line for one datagram. */
static struct relay_out *note(struct relay_thread *t, struct relay_line *line)
{
    if (t->out_count == OUT_MAX)
        send_noted(t);
    uint16_t i = (uint16_t)t->out_count++;
    if (line->first == OUT_NONE)
        line->first = i;
    else
        t->outs[line->last].next = i;
    line->last = i;
    t->outs[i].next = OUT_NONE;
    if (!line->noted && line != &t->clients) {
        line->noted = true;
        rf_list_push_back(&t->lines, &line->list);
    }
    return &t->outs[i];
}

/* ---- out ---- */

static size_t whole_len(const struct relay_out *o)
{
    return o->head_len + o->len + o->pad;
}

/* joinable: may `b` go behind what began with `a`, `count` datagrams and `bytes` bytes long so far? */
static bool joinable(const struct relay_out *a, const struct relay_out *b, size_t count, size_t bytes)
{
    return count < JOINED_MAX && whole_len(b) <= whole_len(a) && bytes + whole_len(b) <= JOINED_BYTES &&
           rf_addr_equal(&a->to, &b->to);
}

static size_t put_iovecs(const struct relay_out *o, struct iovec *v)
{
    static const uint8_t zeros[4];
    size_t n = 0;
    if (o->head_len > 0)
        v[n++] = (struct iovec){.iov_base = (void *)(uintptr_t)o->head, .iov_len = o->head_len};
    v[n++] = (struct iovec){.iov_base = (void *)(uintptr_t)o->payload, .iov_len = o->len};
    if (o->pad > 0)
        v[n++] = (struct iovec){.iov_base = (void *)(uintptr_t)zeros, .iov_len = o->pad};
    return n;
}

static void put_segment_size(struct msghdr *m, void *control, size_t size)
{
    uint16_t segment = (uint16_t)size;
    m->msg_control = control;
    m->msg_controllen = CMSG_SPACE(sizeof(segment));
    struct cmsghdr *c = CMSG_FIRSTHDR(m);
    c->cmsg_level = SOL_UDP;
    c->cmsg_type = UDP_SEGMENT;
    c->cmsg_len = CMSG_LEN(sizeof(segment));
    memcpy(CMSG_DATA(c), &segment, sizeof(segment));
}

/* One message for the datagrams from *at on that may leave together; *at moves behind them. Returns how many iovecs it took, 0: no room. */
static size_t put_message(struct relay_thread *t, struct batch *b, size_t m, size_t iovec, uint16_t *at)
{
    const struct relay_out *first = &t->outs[*at];
    size_t size = whole_len(first), bytes = 0, count = 0, used = 0;
    struct msghdr *h = &b->msgs[m].msg_hdr;
    if (IOVECS - iovec < 3)
        return 0;
    for (; *at != OUT_NONE && IOVECS - iovec - used >= 3; *at = t->outs[*at].next) {
        const struct relay_out *o = &t->outs[*at];
        if (count > 0 && (!t->joins || !joinable(first, o, count, bytes)))
            break;
        used += put_iovecs(o, &b->iovecs[iovec + used]);
        bytes += whole_len(o);
        count++;
        if (whole_len(o) < size || size == 0) { /* a shorter one is the last */
            *at = o->next;
            break;
        }
    }
    *h = (struct msghdr){.msg_name = &b->addrs[m],
                         .msg_namelen = sockaddr_from_addr(&first->to, &b->addrs[m]),
                         .msg_iov = &b->iovecs[iovec],
                         .msg_iovlen = used};
    if (count > 1)
        put_segment_size(h, b->control[m].bytes, size);
    return used;
}

/* sendmmsg stops at the first message that fails: that one is lost, the others go on. */
static void send_all(int fd, struct batch *b, size_t count, bool *joins)
{
    for (size_t done = 0; done < count;) {
        int n = sendmmsg(fd, b->msgs + done, (unsigned)(count - done), MSG_DONTWAIT);
        if (n > 0) {
            done += (size_t)n;
            continue;
        }
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EIO || errno == EINVAL) && b->msgs[done].msg_hdr.msg_controllen > 0)
            *joins = false; /* this way out cannot split: from now on one by one */
        done++;
    }
}

static void flush_line(struct relay_thread *t, struct relay_line *line, int fd)
{
    struct batch b;
    uint16_t at = line->first;
    while (at != OUT_NONE) {
        size_t messages = 0, iovec = 0, used;
        while (at != OUT_NONE && messages < BATCH && (used = put_message(t, &b, messages, iovec, &at)) > 0) {
            iovec += used;
            messages++;
        }
        send_all(fd, &b, messages, &t->joins);
    }
    rf_list_remove(&line->list);
    relay_line_init(line);
}

static void send_noted(struct relay_thread *t)
{
    flush_line(t, &t->clients, t->fd);
    while (!rf_list_empty(&t->lines)) {
        struct relay_socket *s = RF_CONTAINER(t->lines.next, struct relay_socket, line.list);
        flush_line(t, &s->line, s->fd);
    }
    t->out_count = 0;
    t->reply_count = 0;
}

void relay_flush(struct relay_thread *t)
{
    send_noted(t);
    t->used = 0;
}

/* ---- in ---- */

static uint8_t *buffer(struct relay_thread *t, size_t i)
{
    return t->buffers + i * BUFFER_LEN;
}

/* Reads into all free buffers, the first of which is *first. Returns how many were filled. */
static size_t receive(struct relay_thread *t, int fd, struct batch *b, size_t *first)
{
    if (t->used == BATCH)
        relay_flush(t);
    size_t count = BATCH - t->used;
    *first = t->used;
    for (size_t i = 0; i < count; i++) {
        b->iovecs[i] = (struct iovec){.iov_base = buffer(t, t->used + i), .iov_len = BUFFER_LEN};
        b->msgs[i].msg_hdr = (struct msghdr){.msg_name = &b->addrs[i],
                                             .msg_namelen = sizeof(b->addrs[i]),
                                             .msg_iov = &b->iovecs[i],
                                             .msg_iovlen = 1,
                                             .msg_control = b->control[i].bytes,
                                             .msg_controllen = sizeof(b->control[i].bytes)};
    }
    int n = recvmmsg(fd, b->msgs, (unsigned)count, MSG_DONTWAIT, NULL);
    if (n <= 0) /* errors of a UDP socket are those of earlier datagrams; they are gone now */
        return 0;
    t->used += (size_t)n;
    return (size_t)n;
}

/* The size of each but the last of the datagrams that the kernel joined. */
static size_t segment_size(struct msghdr *h, size_t len)
{
    int size = 0;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c != NULL; c = CMSG_NXTHDR(h, c))
        if (c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_GRO && c->cmsg_len >= CMSG_LEN(sizeof(size)))
            memcpy(&size, CMSG_DATA(c), sizeof(size));
    return size > 0 && (size_t)size < len ? (size_t)size : len;
}

/* The answer stands in turn/'s only until the next call. */
static const uint8_t *keep_reply(struct relay_thread *t, struct rf_view bytes)
{
    if (t->reply_count == BATCH)
        send_noted(t);
    uint8_t *p = t->replies + t->reply_count++ * REPLY_LEN;
    memcpy(p, bytes.p, bytes.len);
    return p;
}

void relay_from_client(struct relay_thread *t, const struct rf_turn_from *from, uint8_t *bytes, size_t len)
{
    struct rf_turn_act act;
    struct relay_out *o;
    rf_turn_client(t->turn, from, rf_view_of(bytes, len), &act);
    if (act.type == RF_TURN_REPLY && from->stream) {
        relay_stream_send(t, from, NULL, act.bytes);
        return;
    }
    if (act.type == RF_TURN_REPLY && act.bytes.len <= REPLY_LEN) {
        const uint8_t *kept = keep_reply(t, act.bytes);
        o = note(t, &t->clients);
        o->to = from->addr;
        o->payload = kept;
    } else if (act.type == RF_TURN_TO_PEER) {
        o = note(t, &((struct relay_socket *)act.socket)->line);
        o->to = act.peer;
        o->payload = act.bytes.p;
    } else {
        return;
    }
    o->head_len = o->pad = 0;
    o->len = (uint32_t)act.bytes.len;
}

/* Of datagrams that were joined the first was ours; the others need not be. */
static void from_udp(struct relay_thread *t, const struct rf_turn_from *from, uint8_t *bytes, size_t len)
{
    if (t->shares && !rf_udp_is_relays(rf_view_of(bytes, len)))
        relay_stray(t, &from->addr, rf_view_of(bytes, len));
    else
        relay_from_client(t, from, bytes, len);
}

void relay_clients_ready(void *arg, int fd, unsigned events)
{
    struct relay_thread *t = arg;
    struct batch b;
    size_t first, n = receive(t, fd, &b, &first);
    (void)events;
    for (size_t i = 0; i < n; i++) {
        struct rf_turn_from from = {.flow = 0};
        size_t len = b.msgs[i].msg_len, size = segment_size(&b.msgs[i].msg_hdr, len);
        sockaddr_to_addr(&b.addrs[i], &from.addr);
        for (size_t at = 0; at < len; at += size)
            from_udp(t, &from, buffer(t, first + i) + at, len - at < size ? len - at : size);
    }
}

static void from_peer(struct relay_socket *s, const struct rf_addr *peer, const uint8_t *bytes, size_t len)
{
    struct relay_thread *t = s->thread;
    struct rf_turn_wrap wrap;
    if (!rf_turn_peer(t->turn, s->alloc, peer, len, &wrap))
        return;
    if (wrap.to->stream) {
        relay_stream_send(t, wrap.to, &wrap, rf_view_of(bytes, len));
        return;
    }
    struct relay_out *o = note(t, &t->clients);
    o->to = wrap.to->addr;
    o->head_len = wrap.head_len;
    o->pad = wrap.pad;
    memcpy(o->head, wrap.head, wrap.head_len);
    o->payload = bytes;
    o->len = (uint32_t)len;
}

void relay_peers_ready(void *arg, int fd, unsigned events)
{
    struct relay_socket *s = arg;
    struct relay_thread *t = s->thread;
    struct batch b;
    size_t first, n = receive(t, fd, &b, &first);
    (void)events;
    for (size_t i = 0; i < n; i++) {
        struct rf_addr peer;
        size_t len = b.msgs[i].msg_len, size = segment_size(&b.msgs[i].msg_hdr, len);
        sockaddr_to_addr(&b.addrs[i], &peer);
        for (size_t at = 0; at < len || len == 0; at += size) {
            from_peer(s, &peer, buffer(t, first + i) + at, len - at < size ? len - at : size);
            if (len == 0)
                break;
        }
    }
}
