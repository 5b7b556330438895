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
#include "io/sockaddr.h"

#define BACKLOG         4096
#define USER_TIMEOUT_MS 30000
#define KEEPIDLE_S                                                                                           \
    7440 /* RFC 1122, section 4.2.3.6: no less than two hours. Who has to notice an end sooner speaks himself */
#define DESCRIPTORS_MAX 65536 /* libre's table of descriptors is no longer (sip/stack.c) */

/* ---- options ---- */

static void set(int fd, int level, int option, int value)
{
    (void)setsockopt(fd, level, option, &value, sizeof value);
}

void rf_socket_tune(int fd, unsigned user_timeout_ms)
{
    set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    set(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    set(fd, IPPROTO_TCP, TCP_KEEPIDLE, KEEPIDLE_S);
    set(fd, IPPROTO_TCP, TCP_KEEPINTVL, 15);
    set(fd, IPPROTO_TCP, TCP_KEEPCNT, 4);
    set(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, (int)user_timeout_ms);
}

/* ---- opening ---- */

/* A socket for `addr`, and that as the system writes it. */
static int open_for(const struct rf_addr *addr, int type, struct sockaddr_storage *sa, socklen_t *len,
                    int *out)
{
    *len = sockaddr_from_addr(addr, sa);
    if (*len == 0)
        return RF_EINVAL;
    *out = socket(sa->ss_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    return *out >= 0 ? 0 : errno == EAFNOSUPPORT ? RF_EUNSUPPORTED : sockaddr_error_of(errno);
}

/* ---- listening ---- */

/* shared: the port, with other sockets of ours */
static int listen_on(const struct rf_addr *addr, bool shared, int *out)
{
    struct sockaddr_storage sa;
    socklen_t len;
    int fd, err = open_for(addr, SOCK_STREAM, &sa, &len, &fd);

    if (err)
        return err;
    set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (shared)
        set(fd, SOL_SOCKET, SO_REUSEPORT, 1);
    if (addr->family == 6)
        set(fd, IPPROTO_IPV6, IPV6_V6ONLY, !rf_addr_is_any(addr));
    if (bind(fd, (struct sockaddr *)&sa, len) < 0 || listen(fd, BACKLOG) < 0) {
        err = sockaddr_error_of(errno);
        close(fd);
        return err;
    }
    *out = fd;
    return 0;
}

int rf_socket_listen(const struct rf_addr *addr, int *fd, struct rf_addr *bound)
{
    int err = listen_on(addr, false, fd);

    if ((err == RF_EUNSUPPORTED || err == RF_EUNREACHABLE) && addr->family == 6 && rf_addr_is_any(addr)) {
        struct rf_addr v4 = {.family = 4, .port = addr->port};
        err = listen_on(&v4, false, fd);
    }
    if (!err && bound)
        (void)sockaddr_local(*fd, bound);
    return err;
}

int rf_socket_listen_shared(const struct rf_addr *addr, int *fd)
{
    return listen_on(addr, true, fd);
}

int rf_socket_udp(const struct rf_addr *addr, bool shared, int buffer, int *out)
{
    struct sockaddr_storage sa;
    socklen_t len;
    int fd, err = open_for(addr, SOCK_DGRAM, &sa, &len, &fd);

    if (err)
        return err;
    if (addr->family == 6)
        set(fd, IPPROTO_IPV6, IPV6_V6ONLY, !rf_addr_is_any(addr));
    if (shared)
        set(fd, SOL_SOCKET, SO_REUSEPORT, 1);
    set(fd, SOL_SOCKET, SO_RCVBUF, buffer);
    set(fd, SOL_SOCKET, SO_SNDBUF, buffer);
    if (bind(fd, (struct sockaddr *)&sa, len) != 0) {
        err = sockaddr_error_of(errno);
        close(fd);
        return err;
    }
    *out = fd;
    return 0;
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
        int err = sockaddr_error_of(errno);
        /* accept(2) also hands over network errors of the new connection */
        return err == RF_EAGAIN || err == RF_ELIMIT                     ? err
               : errno == EBADF || errno == EINVAL || errno == ENOTSOCK ? RF_ESYSTEM
                                                                        : RF_ECLOSED;
    }
    sockaddr_to_addr(&addr, remote);
    (void)sockaddr_local(accepted, local);
    rf_socket_tune(accepted, USER_TIMEOUT_MS);
    *fd = accepted;
    return 0;
}

/* ---- connecting ---- */

int rf_socket_remote(int fd, struct rf_addr *out)
{
    struct sockaddr_storage sa;
    socklen_t len = sizeof sa;

    if (getpeername(fd, (struct sockaddr *)&sa, &len) != 0)
        return RF_ECLOSED;
    sockaddr_to_addr(&sa, out);
    return 0;
}

int rf_socket_connect(const struct rf_addr *to, int *fd)
{
    struct sockaddr_storage sa;
    socklen_t len;
    int made, err = open_for(to, SOCK_STREAM, &sa, &len, &made);

    if (err)
        return err == RF_EUNSUPPORTED ? RF_EUNREACHABLE : err;
    rf_socket_tune(made, USER_TIMEOUT_MS);
    err = connect(made, (struct sockaddr *)&sa, len) < 0 ? sockaddr_error_of(errno) : 0;
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
        int err = sockaddr_error_of(number);
        return err == RF_ECLOSED || err == RF_EFORBIDDEN ? RF_EUNREACHABLE : err;
    }
    (void)sockaddr_local(fd, local);
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
    switch (sockaddr_error_of(errno)) {
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
    switch (sockaddr_error_of(errno)) {
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
