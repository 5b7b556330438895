/*
 * bench_dtls.c - what links of datagrams cost a server: memory per idle link, handshakes, frames.
 *
 *     bench_dtls [LINKS [FRAMES]]     default 500 links, 20,000 frames
 *
 * The server is this process: rf_links behind one UDP socket on loopback, read and written in batches. The load comes from a child process in
 * which every link is a node of its own with its own certificate and socket. CPU is the server's (getrusage), system calls included. A frame
 * is received, acknowledged, echoed, and the echo's acknowledgement received.
 */
#include <arpa/inet.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include "io/clock.h"
#include "links.h"

#define BATCH    64
#define DATAGRAM 2048
#define BUFFER   (8 << 20) /* of the server's socket */

static struct rf_now now;
static int epoll_fd;

static uint8_t in_bytes[BATCH][DATAGRAM], out_bytes[BATCH][DATAGRAM];
static struct sockaddr_in in_from[BATCH], out_to[BATCH];
static struct iovec in_iov[BATCH], out_iov[BATCH];
static struct mmsghdr in_head[BATCH], out_head[BATCH];

/* ---- the socket ---- */

static void send_batch(int fd, unsigned count)
{
    for (unsigned sent = 0; sent < count;) {
        int n = sendmmsg(fd, out_head + sent, count - sent, 0);
        if (n <= 0)
            return; /* lost */
        sent += (unsigned)n;
    }
}

static void drain(struct links_node *node)
{
    struct rf_flow_action action;
    unsigned count = 0;

    for (rf_links_next_action(node->links, &action); action.type != RF_FLOW_NONE;
         rf_links_next_action(node->links, &action)) {
        if (action.type != RF_FLOW_DATAGRAM)
            continue;
        memcpy(out_bytes[count], action.bytes.p, action.bytes.len);
        out_iov[count] = (struct iovec){out_bytes[count], action.bytes.len};
        out_to[count] = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(action.addr.port)};
        memcpy(&out_to[count].sin_addr, action.addr.ip, 4);
        out_head[count].msg_hdr = (struct msghdr){.msg_name = &out_to[count],
                                                  .msg_namelen = sizeof out_to[count],
                                                  .msg_iov = &out_iov[count],
                                                  .msg_iovlen = 1};
        if (++count == BATCH) {
            send_batch(node->fd, count);
            count = 0;
        }
    }
    send_batch(node->fd, count);
}

static void receive(struct links_node *node)
{
    int count;

    do {
        for (int i = 0; i < BATCH; i++) {
            in_iov[i] = (struct iovec){in_bytes[i], DATAGRAM};
            in_head[i].msg_hdr = (struct msghdr){.msg_name = &in_from[i],
                                                 .msg_namelen = sizeof in_from[i],
                                                 .msg_iov = &in_iov[i],
                                                 .msg_iovlen = 1};
        }
        count = recvmmsg(node->fd, in_head, BATCH, MSG_DONTWAIT, NULL);
        for (int i = 0; i < count; i++) {
            struct rf_addr from = {.family = 4, .port = ntohs(in_from[i].sin_port)};
            memcpy(from.ip, &in_from[i].sin_addr, 4);
            rf_links_datagram_from(node->links, 0, &from, rf_view_of(in_bytes[i], in_head[i].msg_len));
        }
        drain(node);
    } while (count == BATCH);
}

static void once(void)
{
    struct epoll_event events[64];
    int count = epoll_wait(epoll_fd, events, 64, 10);

    rf_clock_read(&now);
    for (int i = 0; i < count; i++)
        if (events[i].data.ptr)
            receive(events[i].data.ptr);
    if (rf_timers_run(&links_timers, now.mono_us, 1000) > 0)
        for (size_t i = 0; i < node_count; i++)
            drain(&nodes[i]);
}

static uint16_t open_socket(struct links_node *node)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = node};
    socklen_t at_len = sizeof at;
    const int len = BUFFER;

    node->fd = socket(AF_INET, SOCK_DGRAM, 0);
    if (node->fd < 0 || bind(node->fd, (struct sockaddr *)&at, at_len) ||
        getsockname(node->fd, (struct sockaddr *)&at, &at_len) ||
        epoll_ctl(epoll_fd, EPOLL_CTL_ADD, node->fd, &event))
        must(RF_ESYSTEM, "socket");
    (void)setsockopt(node->fd, SOL_SOCKET, SO_RCVBUFFORCE, &len, sizeof len);
    return ntohs(at.sin_port);
}

static const struct rf_now *start(void)
{
    epoll_fd = epoll_create1(0);
    rf_clock_read(&now);
    return &now;
}

static uint16_t open_server(void)
{
    return open_socket(&nodes[0]);
}

static void watch(int fd)
{
    struct epoll_event event = {.events = EPOLLIN};

    must(epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) ? RF_ESYSTEM : 0, "epoll");
}

static void open_all(void)
{
    for (size_t i = 0; i < node_count; i++)
        open_socket(&nodes[i]);
}

static int dial(struct links_node *node, uint16_t port)
{
    const struct rf_link_way way = {.datagrams = true,
                                    .addr = {.family = 4, .port = port, .ip = {127, 0, 0, 1}}};
    rf_link_id id;

    return rf_links_dial(node->links, &way, 1, NULL, RF_LINK_OVERLAY, 0, &id);
}

static void rest(void)
{
    for (int i = 0; i < 20; i++)
        once();
}

int main(int argc, char **argv)
{
    const struct links_bench bench = {
        .datagrams = true,
        .engine = {{"dtls", &rf_engine_gnutls_dtls}, {"plain", &rf_engine_plain_datagram}},
        .start = start,
        .listen = open_server,
        .watch = watch,
        .ready = open_all,
        .dial = dial,
        .drain = drain,
        .once = once,
        .rest = rest,
        .touch = true,
    };
    return links_main(argc, argv, &bench);
}
