/*
 * bare_forward.c - what forwarding of datagrams costs without a protocol: recvmmsg and sendmmsg between clients and one peer.
 *
 *     bare_forward PEER_PORT      prints its port
 *
 * A client's datagram begins with its number (four bytes); by it what comes back finds the client.
 */
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "harness.h"
#include "io/sockaddr.h"

#define BATCH   64
#define LEN     2048
#define CLIENTS 4096

static struct mmsghdr msgs[BATCH];
static struct iovec iovecs[BATCH];
static uint8_t bytes[BATCH][LEN];
static struct sockaddr_in addrs[BATCH], clients[CLIENTS], peer;

static int udp(void)
{
    struct rf_addr any;
    struct sockaddr_storage sa;
    int size = 4 << 20, fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    must(rf_addr_parse("127.0.0.1", 0, &any), "address");
    socklen_t len = sockaddr_from_addr(&any, &sa);
    if (fd < 0 || bind(fd, (struct sockaddr *)&sa, len) != 0)
        must(RF_ESYSTEM, "a socket");
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
    return fd;
}

static void forward(int from, int to, bool outward)
{
    for (size_t i = 0; i < BATCH; i++) {
        iovecs[i] = (struct iovec){bytes[i], LEN};
        msgs[i].msg_hdr = (struct msghdr){
            .msg_name = &addrs[i], .msg_namelen = sizeof(addrs[i]), .msg_iov = &iovecs[i], .msg_iovlen = 1};
    }
    int n = recvmmsg(from, msgs, BATCH, MSG_DONTWAIT, NULL);
    for (int i = 0; i < n; i++) {
        uint32_t number;
        memcpy(&number, bytes[i], 4);
        number %= CLIENTS;
        if (outward)
            clients[number] = addrs[i];
        addrs[i] = outward ? peer : clients[number];
        iovecs[i].iov_len = msgs[i].msg_len;
    }
    for (int done = 0; done < n;) {
        int k = sendmmsg(to, msgs + done, (unsigned)(n - done), 0);
        done += k > 0 ? k : 1;
    }
}

int main(int argc, char **argv)
{
    struct sockaddr_in own;
    struct rf_addr addr;
    socklen_t len = sizeof(own);
    if (argc != 2)
        return 2;
    int a = udp(), b = udp();
    must(rf_addr_parse("127.0.0.1", (uint16_t)atoi(argv[1]), &addr), "PEER_PORT");
    struct sockaddr_storage sa;
    (void)sockaddr_from_addr(&addr, &sa);
    memcpy(&peer, &sa, sizeof(peer));
    if (getsockname(a, (struct sockaddr *)&own, &len) != 0)
        return 1;
    printf("%d\n", ntohs(own.sin_port));
    fflush(stdout);
    for (struct pollfd p[2] = {{.fd = a, .events = POLLIN}, {.fd = b, .events = POLLIN}};;) {
        (void)poll(p, 2, -1);
        if (p[0].revents != 0)
            forward(a, b, true);
        if (p[1].revents != 0)
            forward(b, a, false);
    }
}
