/*
 * relay.h - rf_relay: the relay's threads and sockets around turn/.
 *
 * Each thread has a loop, a UDP socket (and a listening TCP socket) on the common port (the kernel spreads the clients over them by address), a socket per allocation, and a
 * struct rf_turn of its own: threads share nothing but the secret. Datagrams are read and sent in batches; nothing is allocated and nothing
 * is locked on their way.
 */
#ifndef RF_IO_RELAY_H
#define RF_IO_RELAY_H

#include "turn/turn.h"

struct rf_relay; /* opaque, owned */

#define RF_RELAY_COUNTERS(X)                                                                                 \
    X(streams, "clients that came by TCP or TLS")                                                            \
    X(streams_refused,                                                                                       \
      "... and were turned away: too many of them, or too many TLS handshakes in this second")               \
    X(handshakes, "TLS handshakes done")                                                                     \
    X(handshakes_failed, "TLS handshakes that failed")
RF_COUNTERS(relay, RF_RELAY_COUNTERS)

#define RF_RELAY_MAX_THREADS 16

struct rf_relay_config {
    struct rf_mem *mem;    /* borrowed; used by all threads at once */
    struct rf_addr listen; /* port 0: the kernel chooses */
    struct rf_addr tcp,
        tls; /* where clients may come by TCP and by TLS; family 0: nowhere; port 0: the kernel chooses */
    struct rf_view tls_chain, tls_key; /* PEM, own certificate first; copied */
    struct rf_addr relayed
        [2]; /* addresses (without port) that peers reach us at, one a family; must be this machine's; none: that of listen */
    struct rf_addr told
        [2]; /* what is told instead, if the machine is behind a 1:1 NAT that leaves ports alone; family 0: the same */
    uint16_t port_low, port_high; /* of allocations; 0: the kernel chooses */
    size_t threads;               /* 1 .. RF_RELAY_MAX_THREADS; 0: 1 */
    /* what turn/ is told; crypto and host are filled in here, budgets are divided by the threads */
    struct rf_turn_config turn;
    struct rf_rng *secret; /* borrowed; seeds hash tables */
    /*
     * Who has the port, too (io/udp.h); NULL: nobody. It is given what comes here and is not the relay's, in the relay's threads: copied by it.
     */
    void (*stray)(void *ctx, const struct rf_addr *from, struct rf_view bytes);
    void *stray_ctx;
    /* crypto_new makes a backend for one thread, crypto_free ends it */
    struct rf_crypto *(*crypto_new)(struct rf_mem *mem);
    void (*crypto_free)(struct rf_crypto *crypto);
};

/* rf_relay_new opens the sockets and starts the threads. Errors: RF_EINVAL (threads, ports, no relayed address), RF_EFORMAT certificate or key, RF_ENOMEM, RF_ESYSTEM, those of opening a socket (io/sockets.h). */
int rf_relay_new(const struct rf_relay_config *config, struct rf_relay **out);
/* rf_relay_free ends all allocations and threads. */
void rf_relay_free(struct rf_relay *relay);
/*
 * rf_relay_take gives it a TCP connection that somebody else accepted, with the bytes that were read from it already (copied). It takes the descriptor in any case. For TURN that comes to a port which is
 * not the relay's alone.
 */
void rf_relay_take(struct rf_relay *relay, int fd, const struct rf_addr *remote, struct rf_view bytes);
/* rf_relay_address: where it listens; borrowed. rf_relay_tcp, rf_relay_tls: the same; family 0: it does not. */
const struct rf_addr *rf_relay_address(const struct rf_relay *relay);
const struct rf_addr *rf_relay_tcp(const struct rf_relay *relay);
const struct rf_addr *rf_relay_tls(const struct rf_relay *relay);
/* rf_relay_rotate gives all threads a new secret (rf_turn_rotate); waits for them. */
void rf_relay_rotate(struct rf_relay *relay, const uint8_t secret[RF_TURN_SECRET_LEN]);
/* rf_relay_status asks every thread and adds up; waits for them (microseconds). counters: of the streams; may be NULL. */
void rf_relay_status(struct rf_relay *relay, struct rf_turn_status *out, struct rf_relay_counters *counters);

#endif
