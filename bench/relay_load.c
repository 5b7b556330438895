/*
 * relay_load.c - load for a relay: allocations with a channel each, whose datagrams an echo on this side of it sends back. The same for our relay, for
 * coturn, and for a bare forwarder, which stands for what the system's calls cost alone.
 *
 *     relay_load turn|bare SERVER PEER_PORT PID REALM USER PASSWORD ALLOCATIONS OUTSTANDING LENGTH BURST SECONDS RATE
 *
 *     relay_load hold SERVER PEER_PORT PID REALM USER PASSWORD ALLOCATIONS FIRST
 *
 * hold: allocations only; how the memory of process PID, and that of the kernel, grows from the first FIRST of them to the last, for each.
 * RATE 0: a closed loop with OUTSTANDING datagrams on their way per allocation. Else so many datagrams a second in all. BURST: datagrams of one flow that
 * leave joined (1: none). Prints NAME VALUE lines; a datagram there and back counts as two.
 */
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "harness.h"
#include "crypto/openssl/openssl.h"
#include "io/sockaddr.h"
#include "stun/stun.h"

#define BATCH          64
#define BUFFER         65536
#define MAX_FLOWS      20000
#define RTTS           (1 << 20)
#define HEAD           RF_TURN_CHANNEL_HEADER_LEN
#define LOST_AFTER     0.3
#define SOL_UDP_NO     17
#define UDP_SEGMENT_NO 103
#define UDP_GRO_NO     104

struct flow {
    int fd;
    uint32_t outstanding;
    double heard;
};

static struct {
    bool bare, hold;
    struct rf_addr server, peer;
    const char *realm, *user, *password;
    size_t flows, outstanding, length, burst;
    double seconds, rate;
    int pid, epoll, echo;
    struct rf_crypto *crypto;
    struct flow flow[MAX_FLOWS];
    uint64_t back, lost, sent;
    uint32_t rtt_us[RTTS];
    size_t rtt_count;
} L;

static int udp(struct rf_addr at, const struct rf_addr *to)
{
    struct sockaddr_storage sa;
    socklen_t len = sockaddr_from_addr(&at, &sa);
    int size = 4 << 20, on = 1, fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&sa, len) != 0)
        must(RF_ESYSTEM, "a socket");
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
    if (L.burst > 1)
        setsockopt(fd, SOL_UDP_NO, UDP_GRO_NO, &on, sizeof(on));
    if (to != NULL) {
        len = sockaddr_from_addr(to, &sa);
        if (connect(fd, (struct sockaddr *)&sa, len) != 0)
            must(RF_ESYSTEM, "connect");
    }
    return fd;
}

/* ---- setting up ---- */

static int ask(int fd, struct rf_buf *out, uint8_t *in, struct rf_stun_msg *m)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    int code = 0;
    must(rf_stun_end(out), "a request");
    for (int tries = 0; (p.revents & POLLIN) == 0; tries++)
        if (tries == 20 || send(fd, out->p, out->len, 0) < 0 || poll(&p, 1, 250) < 0)
            must(RF_ETIMEOUT, "the relay's answer");
    ssize_t n = recv(fd, in, BUFFER, 0);
    must(n > 0 ? rf_stun_decode(rf_view_of(in, (size_t)n), m) : RF_ESYSTEM, "the relay's answer");
    if (m->class == RF_STUN_ERROR)
        must(rf_stun_error_code(m, &code, NULL), "the relay's error");
    return code;
}

static void request(int fd, uint16_t method, size_t number, const char *nonce, struct rf_stun_msg *m,
                    int *code)
{
    static uint8_t in[BUFFER];
    uint8_t bytes[600], key[RF_STUN_KEY_MAX],
        txn[RF_STUN_TXN_LEN] = {(uint8_t)method, (uint8_t)(nonce[0] != 0)};
    struct rf_buf out;
    size_t len;
    memcpy(txn + 4, &number, sizeof(number));
    rf_buf_fixed(&out, bytes, sizeof(bytes));
    rf_stun_begin(&out, RF_STUN_REQUEST, method, txn);
    if (method == RF_TURN_ALLOCATE) {
        rf_stun_put_u32(&out, RF_TURN_REQUESTED_TRANSPORT, UINT32_C(17) << 24);
    } else {
        rf_stun_put_u32(&out, RF_TURN_CHANNEL_NUMBER, UINT32_C(0x4000) << 16);
        rf_stun_put_address(&out, RF_TURN_XOR_PEER_ADDRESS, true, &L.peer);
    }
    if (nonce[0] != '\0') {
        struct rf_view user = rf_view_str(L.user), realm = rf_view_str(L.realm);
        rf_stun_put(&out, RF_STUN_USERNAME, user);
        rf_stun_put(&out, RF_STUN_REALM, realm);
        rf_stun_put(&out, RF_STUN_NONCE, rf_view_str(nonce));
        must(rf_stun_long_key(L.crypto, RF_HASH_MD5, user, realm, rf_view_str(L.password), key, &len),
             "the key");
        rf_stun_put_integrity(&out, L.crypto, RF_HASH_SHA1, rf_view_of(key, len));
    }
    *code = ask(fd, &out, in, m);
}

static void allocate(size_t i)
{
    struct rf_stun_msg m;
    struct rf_view v;
    char nonce[256] = "";
    int code, fd = L.flow[i].fd;
    for (int tries = 0; tries < 200; tries++) {
        request(fd, RF_TURN_ALLOCATE, i, nonce, &m, &code);
        if (code == 0)
            break;
        if (!rf_stun_find(&m, RF_STUN_NONCE, &v) || v.len >= sizeof(nonce))
            must(RF_EREMOTE, "Allocate");
        memcpy(nonce, v.p, v.len);
        nonce[v.len] = '\0';
    }
    must(code == 0 ? 0 : RF_EREMOTE, "Allocate");
    request(fd, RF_TURN_CHANNEL_BIND, i, nonce, &m, &code);
    must(code == 0 ? 0 : RF_EREMOTE, "ChannelBind");
}

static void set_up(size_t first, size_t last)
{
    struct rf_addr from;
    struct epoll_event e = {.events = EPOLLIN};
    must(rf_addr_parse("127.0.0.1", 0, &from), "address");
    for (size_t i = first; i < last; i++) {
        from.ip[2] =
            (uint8_t)((i + 1) >>
                      8); /* an address each: a source is answered without credentials so often only */
        from.ip[3] = (uint8_t)(i + 1);
        L.flow[i].fd = udp(from, &L.server);
        if (!L.bare)
            allocate(i);
        e.data.u64 = i;
        epoll_ctl(L.epoll, EPOLL_CTL_ADD, L.flow[i].fd, &e);
    }
}

static void open_echo(void)
{
    struct epoll_event e = {.events = EPOLLIN, .data.u64 = MAX_FLOWS};
    L.epoll = epoll_create1(0);
    L.echo = udp(L.peer, NULL);
    epoll_ctl(L.epoll, EPOLL_CTL_ADD, L.echo, &e);
}

/* ---- memory ---- */

/* The number in kilobytes behind `name`, in bytes. */
static double number_in(const char *path, const char *name)
{
    char line[200];
    double value = -1;
    FILE *f = fopen(path, "r");
    while (f != NULL && value < 0 && fgets(line, sizeof(line), f) != NULL)
        if (strncmp(line, name, strlen(name)) == 0)
            value = atof(line + strlen(name));
    if (f != NULL)
        fclose(f);
    must(value >= 0 ? 0 : RF_ESYSTEM, path);
    return value * 1024;
}

/* Of what the kernel has for both ends each half is the relay's: a socket here for each there, roughly. */
static void hold(size_t first)
{
    char path[40];
    double more = (double)(L.flows - first);
    snprintf(path, sizeof(path), "/proc/%d/status", L.pid);
    set_up(0, first);
    double rss = number_in(path, "VmRSS:"), kernel = number_in("/proc/meminfo", "SUnreclaim:");
    set_up(first, L.flows);
    figure((number_in(path, "VmRSS:") - rss) / more, "relay_load.bytes_per_allocation");
    figure((number_in("/proc/meminfo", "SUnreclaim:") - kernel) / more / 2,
           "relay_load.kernel_bytes_per_allocation");
}

/* ---- datagrams ---- */

/* The payload says which flow it is and when it left. */
static void put_payload(uint8_t *p, size_t flow, uint64_t now_ns)
{
    uint32_t number = (uint32_t)flow;
    memcpy(p, &number, 4);
    memcpy(p + 4, &now_ns, 8);
}

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void set_segment(struct msghdr *m, uint8_t *control, size_t size)
{
    uint16_t segment = (uint16_t)size;
    m->msg_control = control;
    m->msg_controllen = CMSG_SPACE(2);
    struct cmsghdr *c = CMSG_FIRSTHDR(m);
    c->cmsg_level = SOL_UDP_NO;
    c->cmsg_type = UDP_SEGMENT_NO;
    c->cmsg_len = CMSG_LEN(2);
    memcpy(CMSG_DATA(c), &segment, 2);
}

static void send_flow(size_t i, size_t count)
{
    static uint8_t bytes[BATCH][BUFFER], control[BATCH][64] __attribute__((aligned(8)));
    struct mmsghdr msgs[BATCH];
    struct iovec v[BATCH];
    size_t head = L.bare ? 0 : HEAD, one = head + L.length;
    uint64_t now = now_ns();
    while (count > 0) {
        unsigned n = 0;
        size_t out = 0;
        for (; n < BATCH && count > 0; n++) {
            size_t joined = count < L.burst ? count : L.burst;
            for (size_t k = 0; k < joined; k++) {
                uint8_t *p = bytes[n] + k * one;
                if (head > 0)
                    memcpy(p, (uint8_t[]){0x40, 0, (uint8_t)(L.length >> 8), (uint8_t)L.length}, HEAD);
                put_payload(p + head, i, now);
            }
            v[n] = (struct iovec){bytes[n], joined * one};
            msgs[n].msg_hdr = (struct msghdr){.msg_iov = &v[n], .msg_iovlen = 1};
            if (joined > 1)
                set_segment(&msgs[n].msg_hdr, control[n], one);
            count -= joined;
            out += joined;
        }
        (void)!sendmmsg(L.flow[i].fd, msgs, n, 0);
        L.flow[i].outstanding += (uint32_t)out;
        L.sent += out;
    }
}

static struct mmsghdr rx[BATCH];
static uint8_t rx_bytes[BATCH][BUFFER];
static struct sockaddr_storage rx_addr[BATCH];
static uint8_t rx_control[BATCH][64] __attribute__((aligned(8)));

static int receive(int fd)
{
    static struct iovec v[BATCH];
    for (size_t i = 0; i < BATCH; i++) {
        v[i] = (struct iovec){rx_bytes[i], BUFFER};
        rx[i].msg_hdr = (struct msghdr){.msg_name = &rx_addr[i],
                                        .msg_namelen = sizeof(rx_addr[i]),
                                        .msg_iov = &v[i],
                                        .msg_iovlen = 1,
                                        .msg_control = rx_control[i],
                                        .msg_controllen = sizeof(rx_control[i])};
    }
    return recvmmsg(fd, rx, BATCH, MSG_DONTWAIT, NULL);
}

static size_t segment_of(size_t i)
{
    int size = 0;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&rx[i].msg_hdr); c != NULL; c = CMSG_NXTHDR(&rx[i].msg_hdr, c))
        if (c->cmsg_level == SOL_UDP_NO && c->cmsg_type == UDP_GRO_NO)
            memcpy(&size, CMSG_DATA(c), sizeof(size));
    return size > 0 ? (size_t)size : rx[i].msg_len;
}

/* The peer: everything goes back, joined as it came. */
static void echo(void)
{
    int n = receive(L.echo);
    for (int i = 0; i < n; i++) {
        size_t size = segment_of((size_t)i);
        rx[i].msg_hdr.msg_iov->iov_len = rx[i].msg_len;
        rx[i].msg_hdr.msg_control = NULL;
        rx[i].msg_hdr.msg_controllen = 0;
        if (size < rx[i].msg_len)
            set_segment(&rx[i].msg_hdr, rx_control[i], size);
    }
    for (int done = 0; done < n;) {
        int k = sendmmsg(L.echo, rx + done, (unsigned)(n - done), 0);
        done += k > 0 ? k : 1;
    }
}

static size_t came_back(size_t flow)
{
    size_t head = L.bare ? 0 : HEAD, count = 0;
    uint64_t now = now_ns(), then;
    int n = receive(L.flow[flow].fd);
    for (int i = 0; i < n; i++) {
        size_t size = segment_of((size_t)i);
        for (size_t at = 0; at + head + 12 <= rx[i].msg_len; at += size) {
            memcpy(&then, rx_bytes[i] + at + head + 4, 8);
            L.rtt_us[L.rtt_count++ % RTTS] = (uint32_t)((now - then) / 1000);
            count++;
        }
    }
    return count;
}

/* ---- the run ---- */

/* CPU seconds of all threads of the process that is measured. */
static double server_cpu_s(void)
{
    char path[300];
    double sum = 0;
    snprintf(path, sizeof(path), "/proc/%d/task", L.pid);
    DIR *dir = opendir(path);
    for (struct dirent *e; dir != NULL && (e = readdir(dir)) != NULL;) {
        unsigned long long ns;
        if (e->d_name[0] == '.') /* the directory above tells of the first thread again */
            continue;
        snprintf(path, sizeof(path), "/proc/%d/task/%.20s/schedstat", L.pid, e->d_name);
        FILE *f = fopen(path, "r");
        if (f != NULL && fscanf(f, "%llu", &ns) == 1)
            sum += (double)ns / 1e9;
        if (f != NULL)
            fclose(f);
    }
    if (dir != NULL)
        closedir(dir);
    return sum;
}

static void wait_and_take(int wait_ms, double now)
{
    struct epoll_event e[BATCH];
    int n = epoll_wait(L.epoll, e, BATCH, wait_ms);
    for (int i = 0; i < n; i++) {
        if (e[i].data.u64 == MAX_FLOWS) {
            echo();
            continue;
        }
        struct flow *f = &L.flow[e[i].data.u64];
        size_t count = came_back(e[i].data.u64);
        L.back += count;
        f->outstanding -= count < f->outstanding ? (uint32_t)count : f->outstanding;
        f->heard = now;
        if (L.rate == 0 && count > 0)
            send_flow(e[i].data.u64, count);
    }
}

static void revive(double now)
{
    for (size_t i = 0; i < L.flows; i++) {
        struct flow *f = &L.flow[i];
        if (L.rate != 0 || now - f->heard < LOST_AFTER)
            continue;
        L.lost += f->outstanding;
        f->outstanding = 0;
        f->heard = now;
        send_flow(i, L.outstanding);
    }
}

static void run(double seconds)
{
    double begin = wall_s(), now, revived = 0;
    uint64_t due, sent = 0;
    size_t next = 0;
    while ((now = wall_s()) - begin < seconds) {
        if (now - revived > LOST_AFTER / 3) {
            revive(now);
            revived = now;
        }
        for (due = (uint64_t)((now - begin) * L.rate); sent + L.burst <= due; sent += L.burst)
            send_flow(next++ % L.flows, L.burst);
        wait_and_take(L.rate > 0 ? 0 : 10, now);
    }
}

static int by_value(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

int main(int argc, char **argv)
{
    L.bare = argc > 1 && strcmp(argv[1], "bare") == 0;
    L.hold = argc > 1 && strcmp(argv[1], "hold") == 0;
    if (argc != (L.hold ? 10 : 14)) {
        fprintf(stderr, "usage: see the file\n");
        return 2;
    }
    must(rf_addr_parse(argv[2], 0, &L.server), "SERVER");
    must(rf_addr_parse("127.0.0.1", (uint16_t)atoi(argv[3]), &L.peer), "PEER_PORT");
    L.pid = atoi(argv[4]);
    L.realm = argv[5];
    L.user = argv[6];
    L.password = argv[7];
    L.flows = (size_t)atoi(argv[8]);
    must(L.flows >= 1 && L.flows < MAX_FLOWS ? 0 : RF_EINVAL, "ALLOCATIONS");
    L.crypto = rf_crypto_openssl_new(rf_mem_system());
    open_echo();
    if (L.hold) {
        must((size_t)atoi(argv[9]) < L.flows ? 0 : RF_EINVAL, "FIRST");
        hold((size_t)atoi(argv[9]));
        rf_crypto_openssl_free(L.crypto);
        return 0;
    }
    L.outstanding = (size_t)atoi(argv[9]);
    L.length = (size_t)atoi(argv[10]);
    L.burst = (size_t)atoi(argv[11]);
    L.seconds = atof(argv[12]);
    L.rate = atof(argv[13]);
    must(L.length >= 12 && L.length <= 1400 && L.burst >= 1 && L.burst <= 40 ? 0 : RF_EINVAL, "numbers");
    set_up(0, L.flows);
    run(L.seconds / 4); /* warm */
    L.back = L.lost = L.sent = 0;
    L.rtt_count = 0;
    double wall = wall_s(), cpu = server_cpu_s();
    run(L.seconds);
    wall = wall_s() - wall;
    cpu = server_cpu_s() - cpu;
    size_t rtts = L.rtt_count < RTTS ? L.rtt_count : RTTS;
    qsort(L.rtt_us, rtts, sizeof(L.rtt_us[0]), by_value);
    figure(2 * (double)L.back / wall, "relay_load.pps");
    figure(2 * (double)L.back / cpu, "relay_load.packets_per_cpu_s");
    figure(100 * cpu / wall, "relay_load.cpu_percent");
    figure(L.sent > 0 ? 100.0 * (double)L.lost / (double)L.sent : 0, "relay_load.lost_percent");
    figure(rtts > 0 ? L.rtt_us[rtts / 2] : 0, "relay_load.rtt_p50_us");
    figure(rtts > 0 ? L.rtt_us[rtts * 99 / 100] : 0, "relay_load.rtt_p99_us");
    rf_crypto_openssl_free(L.crypto);
    return 0;
}
