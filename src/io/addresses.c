/* addresses.c - the addresses of this computer, from getifaddrs; their changes, from a netlink socket. */
#include "io/addresses.h"

#include <errno.h>
#include <ifaddrs.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "io/sockaddr.h"

/* What is told does not matter: all addresses are looked at then. */
static void readable(void *arg, int fd, unsigned events)
{
    struct rf_addresses *a = arg;
    uint8_t bytes[8192];
    ssize_t n;

    (void)events;
    do
        n = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT);
    while (n > 0 || (n < 0 && (errno == EINTR || errno == ENOBUFS)));
    a->changed(a->arg);
}

int rf_addresses_watch(struct rf_addresses *a, struct rf_loop *loop, void (*changed)(void *arg), void *arg)
{
    struct sockaddr_nl local = {.nl_family = AF_NETLINK,
                                .nl_groups = RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | RTMGRP_IPV4_ROUTE};
    int err = RF_EUNSUPPORTED;

    *a = (struct rf_addresses){.loop = loop, .changed = changed, .arg = arg};
    a->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, NETLINK_ROUTE);
    if (a->fd < 0)
        return err;
    if (bind(a->fd, (struct sockaddr *)&local, sizeof local) == 0)
        err = rf_loop_watch(loop, a->fd, RF_LOOP_READ, readable, a);
    if (err) {
        close(a->fd);
        a->fd = -1;
    }
    return err;
}

void rf_addresses_stop(struct rf_addresses *a)
{
    if (a->loop == NULL || a->fd < 0)
        return;
    rf_loop_unwatch(a->loop, a->fd);
    close(a->fd);
    a->fd = -1;
}

size_t rf_addresses_list(struct rf_addr *out, size_t max)
{
    struct ifaddrs *all;
    size_t count = 0;

    if (getifaddrs(&all) != 0)
        return SIZE_MAX;
    for (const struct ifaddrs *it = all; it != NULL && count < max; it = it->ifa_next) {
        struct sockaddr_storage sa = {0};
        const int family = it->ifa_addr != NULL ? it->ifa_addr->sa_family : AF_UNSPEC;

        if ((family != AF_INET && family != AF_INET6) || (it->ifa_flags & IFF_UP) == 0)
            continue;
        memcpy(&sa, it->ifa_addr,
               family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6));
        sockaddr_to_addr(&sa, &out[count]);
        out[count++].port = 0;
    }
    freeifaddrs(all);
    return count;
}

int rf_addresses_way_out(const struct rf_addr *remote, struct rf_addr *out)
{
    struct sockaddr_storage sa = {0};
    const socklen_t len = sockaddr_from_addr(remote, &sa);
    const int fd = socket(sa.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int err = fd < 0 ? RF_ESYSTEM : 0;

    if (!err && connect(fd, (struct sockaddr *)&sa, len) != 0)
        err = RF_EUNREACHABLE;
    if (!err)
        err = sockaddr_local(fd, out);
    if (!err)
        out->port = 0;
    if (fd >= 0)
        close(fd);
    return err;
}
