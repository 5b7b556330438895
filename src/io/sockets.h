/*
 * sockets.h - sockets with our addresses and error numbers. All are non-blocking and close on exec. IPv4-mapped
 * IPv6 addresses appear as IPv4.
 */
#ifndef RF_IO_SOCKETS_H
#define RF_IO_SOCKETS_H

#include "base/addr.h"

/*
 * rf_socket_listen opens a listening socket with the longest backlog. `[::]` serves IPv4 as well; where the machine has no IPv6 it falls
 * back to 0.0.0.0. port 0: the kernel chooses.
 * bound  what it became (may be NULL)
 * Errors: RF_EEXIST the address is in use, RF_EUNREACHABLE no such address here, RF_EFORBIDDEN, RF_ELIMIT no descriptors, RF_ESYSTEM.
 */
int rf_socket_listen(const struct rf_addr *addr, int *fd, struct rf_addr *bound);
/* rf_socket_listen_shared: one of several sockets of ours that listen at one port (not 0), each in a thread of its own; no fallback. Errors: as above. */
int rf_socket_listen_shared(const struct rf_addr *addr, int *fd);
/*
 * rf_socket_udp opens a UDP socket. shared: other sockets of ours may have the port, too (SO_REUSEPORT). buffer: bytes that the system is to keep for it each way; it may give
 * less. `[::]` serves IPv4 as well. Errors: as rf_socket_listen, RF_EUNSUPPORTED family.
 */
int rf_socket_udp(const struct rf_addr *addr, bool shared, int buffer, int *fd);
/*
 * rf_socket_accept takes the next connection, tuned (see below).
 * Errors: RF_EAGAIN none waits, RF_ECLOSED it was gone again (try the next), RF_ELIMIT no descriptors or memory, RF_ESYSTEM.
 */
int rf_socket_accept(int listener, int *fd, struct rf_addr *remote, struct rf_addr *local);
/* rf_socket_remote: who is at the other end of a connection. Errors: RF_ECLOSED. */
int rf_socket_remote(int fd, struct rf_addr *out);
/* rf_socket_connect begins a connection; wait until the socket is writable, then ask rf_socket_connected. Errors: RF_EUNREACHABLE,
 * RF_EINVAL, RF_ELIMIT, RF_ESYSTEM. */
int rf_socket_connect(const struct rf_addr *to, int *fd);
/* rf_socket_connected: did it work? `local` is filled on success. Errors: RF_EUNREACHABLE, RF_ETIMEOUT, RF_ESYSTEM. */
int rf_socket_connected(int fd, struct rf_addr *local);
/*
 * rf_socket_tune: no Nagle, kernel keep-alive after two hours of silence, and the connection breaks when sent bytes stay unacknowledged for
 * user_timeout_ms (RFC 5482; 0: the kernel's default of about 15 minutes). Accepted and connecting sockets have 30 s already.
 */
void rf_socket_tune(int fd, unsigned user_timeout_ms);

/* rf_descriptors_raise raises this process's limit of open files as far as it may, to 65536 at most; returns how many it may use. */
size_t rf_descriptors_raise(void);

/* rf_socket_send sends what fits. Errors: RF_EAGAIN nothing fits now, RF_ECLOSED, RF_ETIMEOUT. */
int rf_socket_send(int fd, struct rf_view bytes, size_t *sent);
/* rf_socket_recv receives 1..cap bytes. Errors: RF_EAGAIN, RF_ECLOSED (end of stream too), RF_ETIMEOUT. */
int rf_socket_recv(int fd, void *out, size_t cap, size_t *len);
/* rf_socket_finish ends our direction and throws away what came and was not read, so that the last bytes sent are not lost in a reset. */
void rf_socket_finish(int fd);
void rf_socket_close(int fd);

#endif
