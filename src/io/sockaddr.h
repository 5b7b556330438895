/* sockaddr.h - our addresses as the system's, and back. IPv4-mapped IPv6 addresses become IPv4. */
#ifndef RF_IO_SOCKADDR_H
#define RF_IO_SOCKADDR_H

#include <sys/socket.h>
#include "base/addr.h"

/* sockaddr_from_addr returns the length, 0 for an address without family. `out` is written no further than that length. */
socklen_t sockaddr_from_addr(const struct rf_addr *addr, struct sockaddr_storage *out);
/* sockaddr_to_addr: family 0 for anything but IP. */
void sockaddr_to_addr(const struct sockaddr_storage *from, struct rf_addr *out);
/* sockaddr_local tells where a socket is bound. Errors: RF_ESYSTEM; then family 0. */
int sockaddr_local(int fd, struct rf_addr *out);
/* sockaddr_error_of turns errno into one of our numbers. */
int sockaddr_error_of(int number);

#endif
