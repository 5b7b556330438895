/* addresses.h - the addresses of this computer, and when they change (netlink). */
#ifndef RF_IO_ADDRESSES_H
#define RF_IO_ADDRESSES_H

#include "base/addr.h"
#include "io/loop.h"

struct rf_addresses {
    struct rf_loop *loop;
    int fd; /* -1: not started, or the system cannot tell */
    void (*changed)(void *arg);
    void *arg;
};

/* rf_addresses_watch has `changed` called in the loop after addresses came or went, or the way out is another one. Errors: RF_EUNSUPPORTED the system cannot tell, RF_ENOMEM. */
int rf_addresses_watch(struct rf_addresses *addresses, struct rf_loop *loop, void (*changed)(void *arg),
                       void *arg);
void rf_addresses_stop(struct rf_addresses *addresses);
/* rf_addresses_list gives those of all interfaces that are up, without ports; returns how many, at most `max`; SIZE_MAX: the system does not say. */
size_t rf_addresses_list(struct rf_addr *out, size_t max);
/* rf_addresses_way_out gives the local address, port 0, that datagrams to `remote` would leave from now; nothing is sent. Errors: RF_EUNREACHABLE there is no way, RF_ESYSTEM. */
int rf_addresses_way_out(const struct rf_addr *remote, struct rf_addr *out);

#endif
