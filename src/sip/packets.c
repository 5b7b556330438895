/* packets.c - reading several datagrams with one call. */
#include "sip/packets.h"

size_t packets_read(struct packets *p, int fd)
{
    for (size_t i = 0; i < PACKETS_MAX; i++) {
        p->iovecs[i] = (struct iovec){packets_bytes(p, i), WAYS_MAX_PACKET};
        p->heads[i].msg_hdr = (struct msghdr){.msg_name = &p->from[i],
                                              .msg_namelen = sizeof(p->from[i]),
                                              .msg_iov = &p->iovecs[i],
                                              .msg_iovlen = 1};
    }
    int n = recvmmsg(fd, p->heads, PACKETS_MAX, MSG_DONTWAIT | MSG_TRUNC, NULL);
    return n > 0 ? (size_t)n : 0;
}
