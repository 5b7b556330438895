/* sockets.c - TCP sockets. errno ends here. */
#include "io/sockets.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/error.h"

#define BACKLOG         4096
#define USER_TIMEOUT_MS 30000
#define DESCRIPTORS_MAX 65536 /* libre's table of descriptors is no longer (sip/stack.c) */

/* ---- addresses ---- */

static socklen_t to_sockaddr(const struct rf_addr *addr, struct sockaddr_storage *out)
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

static void from_sockaddr(const struct sockaddr_storage *from, struct rf_addr *out)
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

static void local_of(int fd, struct rf_addr *out)
{
    struct sockaddr_storage addr = {0};
    socklen_t len = sizeof addr;

    memset(out, 0, sizeof *out);
    if (getsockname(fd, (struct sockaddr *)&addr, &len) == 0)
        from_sockaddr(&addr, out);
}

static int error_of(int number)
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

/* ---- options ---- */

static void set(int fd, int level, int option, int value)
{
    (void)setsockopt(fd, level, option, &value, sizeof value);
}

void rf_socket_tune(int fd, unsigned user_timeout_ms)
{
    set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    set(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    set(fd, IPPROTO_TCP, TCP_KEEPIDLE, 60);
    set(fd, IPPROTO_TCP, TCP_KEEPINTVL, 15);
    set(fd, IPPROTO_TCP, TCP_KEEPCNT, 4);
    set(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, (int)user_timeout_ms);
}

/* ---- opening ---- */

/* A socket for `addr`, and that as the system writes it. */
static int open_for(const struct rf_addr *addr, struct sockaddr_storage *sa, socklen_t *len, int *out)
{
    *len = to_sockaddr(addr, sa);
    if (*len == 0)
        return RF_EINVAL;
    *out = socket(sa->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    return *out >= 0 ? 0 : errno == EAFNOSUPPORT ? RF_EUNSUPPORTED : error_of(errno);
}

/* ---- listening ---- */

static int listen_on(const struct rf_addr *addr, int *out)
{
    struct sockaddr_storage sa;
    socklen_t len;
    int fd, err = open_for(addr, &sa, &len, &fd);

    if (err)
        return err;
    set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (addr->family == 6)
        set(fd, IPPROTO_IPV6, IPV6_V6ONLY, !rf_addr_is_any(addr));
    if (bind(fd, (struct sockaddr *)&sa, len) < 0 || listen(fd, BACKLOG) < 0) {
        err = error_of(errno);
        close(fd);
        return err;
    }
    *out = fd;
    return 0;
}

int rf_socket_listen(const struct rf_addr *addr, int *fd, struct rf_addr *bound)
{
    int err = listen_on(addr, fd);

    if ((err == RF_EUNSUPPORTED || err == RF_EUNREACHABLE) && addr->family == 6 && rf_addr_is_any(addr)) {
        struct rf_addr v4 = {.family = 4, .port = addr->port};
        err = listen_on(&v4, fd);
    }
    if (!err && bound)
        local_of(*fd, bound);
    return err;
}

int rf_socket_accept(int listener, int *fd, struct rf_addr *remote, struct rf_addr *local)
{
    struct sockaddr_storage addr = {0};
    socklen_t len = sizeof addr;
    int accepted;

    do
        accepted = accept4(listener, (struct sockaddr *)&addr, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
    while (accepted < 0 && errno == EINTR);
    if (accepted < 0) {
        int err = error_of(errno);
        /* accept(2) also hands over network errors of the new connection */
        return err == RF_EAGAIN || err == RF_ELIMIT                     ? err
               : errno == EBADF || errno == EINVAL || errno == ENOTSOCK ? RF_ESYSTEM
                                                                        : RF_ECLOSED;
    }
    from_sockaddr(&addr, remote);
    local_of(accepted, local);
    rf_socket_tune(accepted, USER_TIMEOUT_MS);
    *fd = accepted;
    return 0;
}

/* ---- connecting ---- */

int rf_socket_connect(const struct rf_addr *to, int *fd)
{
    struct sockaddr_storage sa;
    socklen_t len;
    int made, err = open_for(to, &sa, &len, &made);

    if (err)
        return err == RF_EUNSUPPORTED ? RF_EUNREACHABLE : err;
    rf_socket_tune(made, USER_TIMEOUT_MS);
    err = connect(made, (struct sockaddr *)&sa, len) < 0 ? error_of(errno) : 0;
    if (err && err != RF_EAGAIN) {
        close(made);
        return err;
    }
    *fd = made;
    return 0;
}

int rf_socket_connected(int fd, struct rf_addr *local)
{
    int number = 0;
    socklen_t len = sizeof number;

    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &number, &len) < 0)
        return RF_ESYSTEM;
    if (number) {
        int err = error_of(number);
        return err == RF_ECLOSED || err == RF_EFORBIDDEN ? RF_EUNREACHABLE : err;
    }
    local_of(fd, local);
    return 0;
}

/* ---- descriptors ---- */

size_t rf_descriptors_raise(void)
{
    struct rlimit limit, more;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return 1024;
    more = limit;
    more.rlim_cur = limit.rlim_max < DESCRIPTORS_MAX ? limit.rlim_max : DESCRIPTORS_MAX;
    if (more.rlim_cur > limit.rlim_cur && setrlimit(RLIMIT_NOFILE, &more) == 0)
        limit = more;
    return limit.rlim_cur < DESCRIPTORS_MAX ? (size_t)limit.rlim_cur : DESCRIPTORS_MAX;
}

/* ---- bytes ---- */

int rf_socket_send(int fd, struct rf_view bytes, size_t *sent)
{
    ssize_t n;

    do
        n = send(fd, bytes.p, bytes.len, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    *sent = n > 0 ? (size_t)n : 0;
    if (n >= 0)
        return 0;
    switch (error_of(errno)) {
    case RF_EAGAIN:
    case RF_ELIMIT:
        return RF_EAGAIN;
    case RF_ETIMEOUT:
    case RF_EUNREACHABLE:
        return RF_ETIMEOUT;
    default:
        return RF_ECLOSED;
    }
}

int rf_socket_recv(int fd, void *out, size_t cap, size_t *len)
{
    ssize_t n;

    do
        n = recv(fd, out, cap, 0);
    while (n < 0 && errno == EINTR);
    *len = n > 0 ? (size_t)n : 0;
    if (n > 0)
        return 0;
    if (n == 0)
        return RF_ECLOSED;
    switch (error_of(errno)) {
    case RF_EAGAIN:
        return RF_EAGAIN;
    case RF_ETIMEOUT:
    case RF_EUNREACHABLE:
        return RF_ETIMEOUT;
    default:
        return RF_ECLOSED;
    }
}

void rf_socket_finish(int fd)
{
    uint8_t trash[4096];
    size_t len;

    (void)shutdown(fd, SHUT_WR);
    for (int i = 0; i < 16 && rf_socket_recv(fd, trash, sizeof trash, &len) == 0; i++)
        ;
}

void rf_socket_close(int fd)
{
    if (fd >= 0)
        close(fd);
}
