/* packets.h - datagrams of a socket, several read with one call, each with room before and behind it for what is put around media. */
#ifndef RF_SIP_PACKETS_H
#define RF_SIP_PACKETS_H

#include <sys/socket.h>
#include "sip/ways.h"

#define PACKETS_MAX  8
#define PACKETS_TAIL 64 /* for SRTP's tag */

/* A scratch of the SIP thread: good until the next packets_read, which nobody who is handed a packet calls. */
struct packets {
    struct mmsghdr heads[PACKETS_MAX];
    struct iovec iovecs[PACKETS_MAX];
    struct sockaddr_storage from[PACKETS_MAX];
    _Alignas(8) uint8_t bytes[PACKETS_MAX][WAYS_HEAD + WAYS_MAX_PACKET + PACKETS_TAIL];
};

/* packets_read reads what is there, at most PACKETS_MAX; 0: nothing. Fewer than that: nothing is left. */
size_t packets_read(struct packets *p, int fd);
/* One of them: its beginning, its length (more than WAYS_MAX_PACKET: it was cut), who sent it. */
static inline uint8_t *packets_bytes(struct packets *p, size_t i)
{
    return p->bytes[i] + WAYS_HEAD;
}
static inline size_t packets_len(const struct packets *p, size_t i)
{
    return p->heads[i].msg_len;
}
static inline socklen_t packets_from_len(const struct packets *p, size_t i)
{
    return p->heads[i].msg_hdr.msg_namelen;
}

#endif
