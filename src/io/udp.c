/* udp.c - a node's UDP sockets in its loop. */
#include "io/udp.h"

#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "io/sockaddr.h"
#include "io/sockets.h"

#define X(name, help) {#name, help, offsetof(struct rf_udp_counters, name)},
RF_COUNTERS_DEFINE(udp, RF_UDP_COUNTERS, X)
#undef X

#define BATCH        32
#define HANDED_MAX   64
#define SYSTEM_QUEUE (1 << 20) /* bytes; the system may give less */

struct base {
    struct rf_udp *udp;
    unsigned number;
    int fd;
};

/* What relay threads hand over: filled under the lock, taken by the loop. */
struct handed {
    struct rf_addr remote;
    unsigned base;
    size_t len;
    uint8_t bytes[RF_UDP_MAX_LEN];
};

/* Datagrams to leave by one base. */
struct outgoing {
    struct mmsghdr msgs[BATCH];
    struct iovec iovecs[BATCH];
    struct sockaddr_storage addrs[BATCH];
    unsigned base;
    size_t count;
};

struct rf_udp {
    struct rf_mem *mem;
    struct rf_loop *loop;
    struct rf_udp_doorway door;
    struct base bases[RF_UDP_BASES]; /* udp NULL: not open */
    struct rf_udp_counters counters;
    uint8_t *in, *out_bytes; /* BATCH of RF_UDP_MAX_LEN */
    struct outgoing out;
    pthread_mutex_t lock;
    struct rf_loop_job job;
    bool posted;
    struct handed *handed; /* HANDED_MAX; made when it is first needed */
    size_t handed_count;
    uint64_t hand_dropped;
};

static void drain(struct rf_udp *udp);

/* ---- in ---- */

static void udp_ready(void *arg, int fd, unsigned events)
{
    struct base *base = arg;
    struct rf_udp *udp = base->udp;
    struct mmsghdr msgs[BATCH];
    struct iovec iovecs[BATCH];
    struct sockaddr_storage addrs[BATCH];
    (void)events;
    memset(msgs, 0, sizeof(msgs));
    for (size_t i = 0; i < BATCH; i++) {
        iovecs[i] = (struct iovec){.iov_base = udp->in + i * RF_UDP_MAX_LEN, .iov_len = RF_UDP_MAX_LEN};
        msgs[i].msg_hdr.msg_name = &addrs[i];
        msgs[i].msg_hdr.msg_namelen = sizeof(addrs[i]);
        msgs[i].msg_hdr.msg_iov = &iovecs[i];
        msgs[i].msg_hdr.msg_iovlen = 1;
    }
    int n = recvmmsg(fd, msgs, BATCH, MSG_DONTWAIT, NULL);
    for (int i = 0; i < n; i++) {
        struct rf_addr remote;
        sockaddr_to_addr(&addrs[i], &remote);
        udp->counters.received++;
        udp->counters.received_bytes += msgs[i].msg_len;
        if ((msgs[i].msg_hdr.msg_flags & MSG_TRUNC) != 0)
            udp->counters.too_long++;
        else
            udp->door.input(udp->door.ctx, base->number, &remote,
                            rf_view_of(udp->in + (size_t)i * RF_UDP_MAX_LEN, msgs[i].msg_len));
    }
    drain(udp);
}

/* ---- out ---- */

void rf_udp_flush(struct rf_udp *udp)
{
    struct outgoing *o = &udp->out;
    for (size_t done = 0; done < o->count;) {
        int n = sendmmsg(udp->bases[o->base].fd, o->msgs + done, (unsigned)(o->count - done), MSG_DONTWAIT);
        for (int i = 0; i < n; i++) {
            udp->counters.sent++;
            udp->counters.sent_bytes += o->iovecs[done + (size_t)i].iov_len;
        }
        if (n > 0) {
            done += (size_t)n;
        } else if (errno != EINTR) { /* sendmmsg stops at the first that fails: that one is lost */
            udp->counters.send_failed++;
            done++;
        }
    }
    o->count = 0;
}

void rf_udp_send(struct rf_udp *udp, unsigned base, const struct rf_addr *to, struct rf_view head,
                 struct rf_view bytes, size_t pad)
{
    struct outgoing *o = &udp->out;
    size_t len = head.len + bytes.len + pad;
    if (o->count == BATCH || (o->count > 0 && o->base != base))
        rf_udp_flush(udp);
    size_t i = o->count;
    socklen_t to_len = sockaddr_from_addr(to, &o->addrs[i]);
    if (to_len == 0 || len > RF_UDP_MAX_LEN || base >= RF_UDP_BASES || udp->bases[base].udp == NULL) {
        udp->counters.send_failed++;
        return;
    }
    uint8_t *p = udp->out_bytes + i * RF_UDP_MAX_LEN;
    if (head.len > 0)
        memcpy(p, head.p, head.len);
    if (bytes.len > 0)
        memcpy(p + head.len, bytes.p, bytes.len);
    memset(p + head.len + bytes.len, 0, pad);
    o->iovecs[i] = (struct iovec){.iov_base = p, .iov_len = len};
    o->msgs[i] = (struct mmsghdr){
        .msg_hdr = {
            .msg_name = &o->addrs[i], .msg_namelen = to_len, .msg_iov = &o->iovecs[i], .msg_iovlen = 1}};
    o->base = base;
    o->count++;
}

/* The core has got what there was. */
static void drain(struct rf_udp *udp)
{
    if (udp->door.drain != NULL)
        udp->door.drain(udp->door.ctx);
    rf_udp_flush(udp);
}

/* ---- handed over by other threads ---- */

static void take_handed(struct rf_loop_job *job)
{
    struct rf_udp *udp = RF_CONTAINER(job, struct rf_udp, job);
    pthread_mutex_lock(&udp->lock);
    struct handed *handed = udp->handed;
    size_t count = udp->handed_count;
    udp->handed = NULL;
    udp->handed_count = 0;
    udp->posted = false;
    udp->counters.hand_dropped = udp->hand_dropped;
    pthread_mutex_unlock(&udp->lock);
    for (size_t i = 0; i < count; i++) {
        udp->counters.handed++;
        udp->door.input(udp->door.ctx, handed[i].base, &handed[i].remote,
                        rf_view_of(handed[i].bytes, handed[i].len));
    }
    rf_free(udp->mem, handed);
    drain(udp);
}

void rf_udp_hand(struct rf_udp *udp, unsigned base, const struct rf_addr *remote, struct rf_view bytes)
{
    pthread_mutex_lock(&udp->lock);
    if (udp->handed == NULL)
        udp->handed = rf_alloc(udp->mem, HANDED_MAX * sizeof(*udp->handed));
    bool room = udp->handed != NULL && udp->handed_count < HANDED_MAX && bytes.len <= RF_UDP_MAX_LEN;
    if (room) {
        struct handed *h = &udp->handed[udp->handed_count++];
        h->remote = *remote;
        h->base = base;
        h->len = bytes.len;
        memcpy(h->bytes, bytes.p, bytes.len);
    } else {
        udp->hand_dropped++;
    }
    bool post = room && !udp->posted;
    udp->posted |= post;
    pthread_mutex_unlock(&udp->lock);
    if (post)
        rf_loop_post(udp->loop, &udp->job);
}

/* ---- birth and death ---- */

int rf_udp_new(struct rf_mem *mem, struct rf_loop *loop, const struct rf_udp_doorway *doorway,
               struct rf_udp **out)
{
    struct rf_udp *udp = rf_zalloc(mem, sizeof(*udp));
    if (udp == NULL)
        return RF_ENOMEM;
    udp->mem = mem;
    udp->loop = loop;
    udp->door = *doorway;
    udp->job.run = take_handed;
    pthread_mutex_init(&udp->lock, NULL);
    udp->in = rf_alloc(mem, (size_t)BATCH * RF_UDP_MAX_LEN);
    udp->out_bytes = rf_alloc(mem, (size_t)BATCH * RF_UDP_MAX_LEN);
    if (udp->in == NULL || udp->out_bytes == NULL) {
        rf_udp_free(udp);
        return RF_ENOMEM;
    }
    *out = udp;
    return 0;
}

void rf_udp_free(struct rf_udp *udp)
{
    if (udp == NULL)
        return;
    if (udp->posted)
        rf_loop_run_posted(udp->loop);
    for (unsigned i = 0; i < RF_UDP_BASES; i++)
        rf_udp_close(udp, i);
    pthread_mutex_destroy(&udp->lock);
    rf_free(udp->mem, udp->handed);
    rf_free(udp->mem, udp->in);
    rf_free(udp->mem, udp->out_bytes);
    rf_free(udp->mem, udp);
}

int rf_udp_open(struct rf_udp *udp, const struct rf_addr *addr, unsigned *base, struct rf_addr *bound)
{
    unsigned number = 0;
    while (number < RF_UDP_BASES && udp->bases[number].udp != NULL)
        number++;
    if (number == RF_UDP_BASES)
        return RF_ELIMIT;
    struct base *b = &udp->bases[number];
    int error = rf_socket_udp(addr, true, SYSTEM_QUEUE, &b->fd);
    if (error != 0)
        return error;
    *b = (struct base){.udp = udp, .number = number, .fd = b->fd};
    error = bound != NULL ? sockaddr_local(b->fd, bound) : 0;
    if (error == 0)
        error = rf_loop_watch(udp->loop, b->fd, RF_LOOP_READ, udp_ready, b);
    if (error != 0) {
        close(b->fd);
        b->udp = NULL;
        return error;
    }
    *base = number;
    return 0;
}

void rf_udp_close(struct rf_udp *udp, unsigned base)
{
    if (base >= RF_UDP_BASES || udp->bases[base].udp == NULL)
        return;
    rf_udp_flush(udp);
    rf_loop_unwatch(udp->loop, udp->bases[base].fd);
    close(udp->bases[base].fd);
    udp->bases[base].udp = NULL;
}

int rf_udp_share(struct rf_udp *udp, unsigned base, size_t threads)
{
    return rf_udp_steer(udp->bases[base].fd, threads);
}

const struct rf_udp_counters *rf_udp_counters(const struct rf_udp *udp)
{
    return &udp->counters;
}
