/* sockaddr.c - addresses and errors of the system. */
#include "io/sockaddr.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include "base/error.h"

socklen_t sockaddr_from_addr(const struct rf_addr *addr, struct sockaddr_storage *out)
{
    memset(out, 0, sizeof *out);
    if (addr->family == 4) {
        struct sockaddr_in *in = (struct sockaddr_in *)out;
        in->sin_family = AF_INET;
        in->sin_port = htons(addr->port);
        memcpy(&in->sin_addr, addr->ip, 4);
        return sizeof *in;
    }
    if (addr->family == 6) {
        struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;
        in6->sin6_family = AF_INET6;
        in6->sin6_port = htons(addr->port);
        memcpy(&in6->sin6_addr, addr->ip, 16);
        return sizeof *in6;
    }
    return 0;
}

void sockaddr_to_addr(const struct sockaddr_storage *from, struct rf_addr *out)
{
    memset(out, 0, sizeof *out);
    if (from->ss_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)from;
        out->family = 4;
        out->port = ntohs(in->sin_port);
        memcpy(out->ip, &in->sin_addr, 4);
    } else if (from->ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)from;
        out->port = ntohs(in6->sin6_port);
        if (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr)) {
            out->family = 4;
            memcpy(out->ip, in6->sin6_addr.s6_addr + 12, 4);
        } else {
            out->family = 6;
            memcpy(out->ip, &in6->sin6_addr, 16);
        }
    }
}

int sockaddr_local(int fd, struct rf_addr *out)
{
    struct sockaddr_storage addr = {0};
    socklen_t len = sizeof addr;

    memset(out, 0, sizeof *out);
    if (getsockname(fd, (struct sockaddr *)&addr, &len) != 0)
        return RF_ESYSTEM;
    sockaddr_to_addr(&addr, out);
    return 0;
}

int sockaddr_error_of(int number)
{
    switch (number) {
    case 0:
        return 0;
    case EAGAIN:
    case EINPROGRESS:
        return RF_EAGAIN;
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
        return RF_ELIMIT;
    case EADDRINUSE:
        return RF_EEXIST;
    case EACCES:
    case EPERM:
        return RF_EFORBIDDEN;
    case ETIMEDOUT:
        return RF_ETIMEOUT;
    case ECONNREFUSED:
    case EHOSTUNREACH:
    case ENETUNREACH:
    case EHOSTDOWN:
    case ENETDOWN:
    case EADDRNOTAVAIL:
        return RF_EUNREACHABLE;
    case ECONNRESET:
    case ECONNABORTED:
    case EPIPE:
    case ENOTCONN:
        return RF_ECLOSED;
    default:
        return RF_ESYSTEM;
    }
}
