/*
 * bench_media.c - calls whose media two nodes carry, in one process on loopback: what the anchors add to a packet's way, and what a call costs.
 *
 * usage: bench_media [CALLS [SECONDS]]; prints "NAME VALUE" lines.
 *
 * The SIP thread's loop holds both ends of each call (phone - node ~ node - phone): per packet two receives and sends at plain sockets and one pair between the nodes,
 * one seal_close and one seal_open. This thread is all phones: 50 packets of 172 bytes a second each way, spread evenly, each with the time at which it left. Two things are measured
 * in the same way first: "direct", packets that go from socket to socket without nodes, and "bare", a thread between as many sockets that only waits, receives and sends: what the kernel alone costs.
 */
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>
#include "base/error.h"
#include "harness.h"
#include "crypto/openssl/openssl.h"
#include "sip/dtls.h"
#include "sip/stream.h"
#include "sip/ways.h"

#define MAX_CALLS 200
#define PACKET    172 /* 20 ms of G.711 */
#define RATE      50  /* packets a second, each way */

struct side {
    struct stream *stream;
    int phone;             /* its socket */
    struct sockaddr_in to; /* where its node listens */
    struct call *call;
    bool ready;
};

struct call {
    struct side sides[2];
};

static struct core cores[2];
static struct rf_sip_counters counters[2];
static struct call calls[MAX_CALLS];
static size_t call_count = 20, flowing;
static double seconds = 5, *delays;
static size_t delay_count, delay_max;
static pthread_t loop;
static bool failed;

/* core.h's: nobody reads a log here */
void core_log(struct core *core, enum rf_log_level level, const char *format, ...)
{
    (void)core, (void)level, (void)format;
}

static int plain_socket(struct sockaddr_in *at)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    socklen_t len = sizeof(*at);
    *at = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (fd < 0 || bind(fd, (struct sockaddr *)at, len) != 0 ||
        getsockname(fd, (struct sockaddr *)at, &len) != 0)
        must(RF_ESYSTEM, "a socket");
    return fd;
}

/* ---- nodes that do nothing ---- */

/* Who gets what comes to a socket, and from which. */
struct hop {
    int in, out;
    struct sockaddr_in to;
};

static bool bare_ends;

static void *run_bare(void *arg)
{
    struct hop *hops = arg; /* of each side: from its phone, from the other node */
    struct epoll_event events[64];
    uint8_t packet[2048];
    int set = epoll_create1(0);
    for (size_t i = 0; i < 4 * call_count; i++) {
        struct epoll_event e = {.events = EPOLLIN, .data.ptr = &hops[i]};
        must(epoll_ctl(set, EPOLL_CTL_ADD, hops[i].in, &e) == 0 ? 0 : RF_ESYSTEM, "epoll");
    }
    while (!__atomic_load_n(&bare_ends, __ATOMIC_SEQ_CST)) {
        int count = epoll_wait(set, events, (int)RF_COUNT(events), 100);
        for (int i = 0; i < count; i++) {
            const struct hop *h = events[i].data.ptr;
            ssize_t n = recv(h->in, packet, sizeof(packet), MSG_DONTWAIT);
            if (n > 0)
                (void)sendto(h->out, packet, (size_t)n, MSG_DONTWAIT, (const struct sockaddr *)&h->to,
                             sizeof(h->to));
        }
    }
    close(set);
    return NULL;
}

/* phones: two of each call; to: where each of them sends. */
static void open_hops(struct hop *hops, struct pollfd *phones, struct sockaddr_in *to)
{
    for (size_t c = 0; c < call_count; c++) {
        struct hop *h = &hops[4 * c];
        struct sockaddr_in phone[2], inner[2];
        for (size_t i = 0; i < 2; i++) {
            phones[2 * c + i] = (struct pollfd){.fd = plain_socket(&phone[i]), .events = POLLIN};
            h[2 * i].in = h[2 * i + 1].out = plain_socket(&to[2 * c + i]);
            h[2 * i].out = h[2 * i + 1].in = plain_socket(&inner[i]);
        }
        for (size_t i = 0; i < 2; i++) {
            h[2 * i].to = inner[1 - i];
            h[2 * i + 1].to = phone[i];
        }
    }
}

/* ---- the nodes ---- */

/* What one side's SDP says, read by the other one. */
static void tell(struct side *from, struct side *to, bool offer)
{
    static const char text[] = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\n";
    struct sdp_stand_in s = {0};
    struct sdp_facts facts;
    struct rf_buf out;
    rf_buf_init(&out, rf_mem_system(), 65536);
    must(stream_stand_in(from->stream, offer, &s), "our half");
    must(sdp_rewrite(rf_view_str(text), &s, 1, &out), "an SDP");
    must(sdp_read(rf_buf_view(&out), &facts), "an SDP");
    must(stream_remote(to->stream, rf_buf_view(&out), 0, &facts.media[0], offer), "their half");
    rf_buf_deinit(&out);
}

static void on_ready(void *arg)
{
    struct side *side = arg;
    struct call *call = side->call;
    side->ready = true;
    if (!call->sides[0].ready || !call->sides[1].ready)
        return;
    tell(&call->sides[0], &call->sides[1], true);
    tell(&call->sides[1], &call->sides[0], false);
    must(stream_start(call->sides[1].stream), "a start");
    must(stream_start(call->sides[0].stream), "a start");
}

static void on_flows(void *arg)
{
    (void)arg;
    __atomic_add_fetch(&flowing, 1, __ATOMIC_SEQ_CST);
}

static void on_failed(void *arg, const char *why)
{
    (void)arg;
    fprintf(stderr, "bench_media: %s\n", why);
    __atomic_store_n(&failed, true, __ATOMIC_SEQ_CST);
}

static void open_side(struct call *call, size_t i, const struct rf_id *other)
{
    struct side *side = &call->sides[i];
    const struct stream_handler handler = {
        .ready = on_ready, .flows = on_flows, .failed = on_failed, .arg = side};
    struct rf_addr phone = {.family = 4, .ip = {127, 0, 0, 1}}, none = {0};
    struct sockaddr_in at;
    uint16_t port;
    side->call = call;
    side->phone = plain_socket(&at);
    phone.port = ntohs(at.sin_port);
    must(stream_open(&cores[i], other, i == 0, &handler, &side->stream), "a stream");
    must(stream_listen(side->stream, AF_INET, &port), "a port");
    stream_phone(side->stream, &phone, &none, &phone);
    side->to = at;
    side->to.sin_port = htons(port);
}

static void stop(int id, void *data, void *arg)
{
    (void)id, (void)data, (void)arg;
    re_cancel();
}

static struct mqueue *queue;

static void *run_nodes(void *arg)
{
    struct rf_crypto *crypto[2];
    (void)arg;
    must(re_thread_init() == 0 && mqueue_alloc(&queue, stop, NULL) == 0 ? 0 : RF_ESYSTEM, "libre");
    for (size_t i = 0; i < 2; i++) {
        cores[i] = (struct core){.mem = rf_mem_system(), .counters = &counters[i], .seed = {1, 2}};
        crypto[i] = rf_crypto_openssl_new(rf_mem_system());
        must(dtls_identity_new(cores[i].mem, &cores[i].identity), "a certificate");
        must(ways_new(&cores[i], crypto[i], true, &cores[i].ways), "ICE");
    }
    for (size_t c = 0; c < call_count; c++)
        for (size_t i = 0; i < 2; i++) { /* all between the same two devices: a slot for each */
            struct rf_id other = {.len = 16, .b = {(uint8_t)i}};
            open_side(&calls[c], i, &other);
        }
    (void)re_main(NULL);
    for (size_t c = 0; c < call_count; c++)
        for (size_t i = 0; i < 2; i++)
            stream_free(calls[c].sides[i].stream);
    for (size_t i = 0; i < 2; i++) {
        ways_free(cores[i].ways);
        dtls_identity_free(cores[i].mem, cores[i].identity);
        rf_crypto_openssl_free(crypto[i]);
    }
    mem_deref(queue);
    re_thread_close();
    return NULL;
}

static double cpu_of(pthread_t thread)
{
    clockid_t id;
    struct timespec t;
    if (pthread_getcpuclockid(thread, &id) != 0 || clock_gettime(id, &t) != 0)
        return 0;
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* ---- the phones ---- */

static void send_packet(int fd, const struct sockaddr_in *to, uint16_t seq)
{
    uint8_t packet[PACKET] = {0x80, 0, (uint8_t)(seq >> 8), (uint8_t)seq, [11] = 7};
    double now = wall_s();
    memcpy(packet + 12, &now, sizeof(now));
    (void)sendto(fd, packet, sizeof(packet), 0, (const struct sockaddr *)to, sizeof(*to));
}

static void take(int fd)
{
    uint8_t packet[2048];
    ssize_t n;
    while ((n = recv(fd, packet, sizeof(packet), 0)) > 0) {
        double left;
        memcpy(&left, packet + 12, sizeof(left));
        if (n == PACKET && delay_count < delay_max)
            delays[delay_count++] = wall_s() - left;
    }
}

static void look(struct pollfd *fds, size_t count, double until)
{
    do {
        double left = until - wall_s();
        struct timespec wait = {.tv_nsec = left > 0 ? (long)(left * 1e9) : 0};
        if (ppoll(fds, count, &wait, NULL) > 0)
            for (size_t i = 0; i < count; i++)
                if ((fds[i].revents & POLLIN) != 0)
                    take(fds[i].fd);
    } while (wall_s() < until);
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static void report(const char *name, double sent)
{
    qsort(delays, delay_count, sizeof(*delays), by_size);
    if (delay_count == 0)
        must(RF_ETIMEOUT, "packets");
    figure(delays[delay_count / 2] * 1e6, "%s_p50_us", name);
    figure(delays[delay_count * 99 / 100] * 1e6, "%s_p99_us", name);
    figure((sent - (double)delay_count) / sent * 100, "%s_lost_percent", name);
    delay_count = 0;
}

/* Packets of all `count` senders, spread evenly over each 20 ms. */
static double play(struct pollfd *fds, size_t count, const struct sockaddr_in *to, double duration)
{
    double begun = wall_s(), step = 1.0 / RATE / (double)count, sent = 0;
    for (uint16_t seq = 1; wall_s() < begun + duration; seq++)
        for (size_t i = 0; i < count; i++) {
            look(fds, count, begun + sent * step);
            send_packet(fds[i].fd, &to[i], seq);
            sent++;
        }
    look(fds, count, wall_s() + 0.1);
    return sent;
}

/* All phones play; what the thread between them needs for it. */
static void measure(const char *name, pthread_t between, struct pollfd *phones, const struct sockaddr_in *to)
{
    double cpu = cpu_of(between), wall = wall_s();
    double sent = play(phones, 2 * call_count, to, seconds);
    cpu = cpu_of(between) - cpu;
    wall = wall_s() - wall;
    report(name, sent);
    figure(cpu / sent * 1e6, "%s_cpu_us_per_packet", name);                               /* both nodes */
    figure(cpu / wall / (double)call_count / 2 * 1e3, "%s_cpu_ms_per_call_second", name); /* of one node */
}

static void start_between(pthread_t *thread, void *(*run)(void *arg), void *arg)
{
    pin(0); /* it inherits that */
    must(pthread_create(thread, NULL, run, arg) == 0 ? 0 : RF_ESYSTEM, "a thread");
    pin(1);
}

static void bare(struct pollfd *phones, struct sockaddr_in *to)
{
    struct hop *hops = calloc(4 * call_count, sizeof(*hops));
    pthread_t thread;
    must(hops != NULL ? 0 : RF_ENOMEM, "memory");
    open_hops(hops, phones, to);
    start_between(&thread, run_bare, hops);
    measure("bare", thread, phones, to);
    __atomic_store_n(&bare_ends, true, __ATOMIC_SEQ_CST);
    pthread_join(thread, NULL);
    for (size_t i = 0; i < 4 * call_count; i++)
        close(hops[i].in);
    for (size_t i = 0; i < 2 * call_count; i++)
        close(phones[i].fd);
    free(hops);
}

static void anchored(struct pollfd *phones, struct sockaddr_in *to)
{
    double begun = wall_s();
    start_between(&loop, run_nodes, NULL);
    while (__atomic_load_n(&flowing, __ATOMIC_SEQ_CST) < 2 * call_count && !failed && wall_s() < begun + 30)
        usleep(1000);
    must(flowing == 2 * call_count ? 0 : RF_ETIMEOUT, "calls");
    figure((wall_s() - begun) * 1e3 / (double)call_count, "setup_ms_per_call");
    figure(cpu_of(loop) * 1e3 / (double)call_count, "setup_cpu_ms_per_call"); /* both nodes */
    for (size_t c = 0; c < call_count; c++)
        for (size_t i = 0; i < 2; i++) {
            phones[2 * c + i] = (struct pollfd){.fd = calls[c].sides[i].phone, .events = POLLIN};
            to[2 * c + i] = calls[c].sides[i].to;
        }
    measure("anchored", loop, phones, to);
    (void)mqueue_push(queue, 0, NULL);
    pthread_join(loop, NULL);
}

int main(int argc, char **argv)
{
    static struct pollfd fds[2 * MAX_CALLS];
    static struct sockaddr_in to[2 * MAX_CALLS], plain[2];
    call_count = argc > 1 ? strtoul(argv[1], NULL, 10) : call_count;
    seconds = argc > 2 ? strtod(argv[2], NULL) : seconds;
    if (call_count < 1 || call_count > MAX_CALLS || seconds <= 0)
        must(RF_EINVAL, "usage: bench_media [CALLS [SECONDS]]");
    delay_max = (size_t)((seconds + 1) * 2 * RATE * (double)call_count);
    delays = calloc(delay_max, sizeof(*delays));
    must(delays != NULL && libre_init() == 0 ? 0 : RF_ENOMEM, "memory");
    for (size_t i = 0; i < 2; i++)
        fds[i] = (struct pollfd){.fd = plain_socket(&plain[i]), .events = POLLIN};
    to[0] = plain[1];
    to[1] = plain[0];
    report("direct", play(fds, 2, to, 1));
    bare(fds, to);
    anchored(fds, to);
    libre_close();
    return 0;
}
