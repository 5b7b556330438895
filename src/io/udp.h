/*
 * udp.h - rf_udp: a core's UDP sockets in a loop.
 *
 * A base is one socket, and the number that it has here. Datagrams are read in batches into one shared buffer and handed to the core one by one; those to be sent are gathered
 * (rf_udp_send) and leave in batches, when a batch is full or somebody calls rf_udp_flush. What the system does not take at once is lost, as on the way: UDP.
 *
 * One port for a node and its relay (io/relay.h): both bind it with SO_REUSEPORT, the base first, and rf_udp_share gives the kernel a small program that looks at the first bytes of each
 * datagram: TURN requests, indications and ChannelData go to the relay's threads, a client always to the same one; all else (DTLS, Binding, what nobody knows) goes to the base.
 * Datagrams that the kernel joined on their way (GRO) are steered by the first of them: a relay thread hands over what is not its own by rf_udp_hand.
 */
#ifndef RF_IO_UDP_H
#define RF_IO_UDP_H

#include "base/addr.h"
#include "base/counter.h"
#include "base/log.h"
#include "io/loop.h"

#define RF_UDP_BASES   5
#define RF_UDP_MAX_LEN 4096 /* of a datagram, both ways; larger ones are dropped */

/* What a core offers; called in the loop's thread. drain: some datagrams have come, what came of them may be sent now; may be NULL. */
struct rf_udp_doorway {
    void *ctx;
    void (*input)(void *ctx, unsigned base, const struct rf_addr *remote, struct rf_view bytes);
    void (*drain)(void *ctx);
};

#define RF_UDP_COUNTERS(X)                                                                                   \
    X(received, "datagrams received")                                                                        \
    X(received_bytes, "bytes of them")                                                                       \
    X(sent, "datagrams sent")                                                                                \
    X(sent_bytes, "bytes of them")                                                                           \
    X(too_long, "datagrams dropped: longer than any of ours")                                                \
    X(send_failed, "datagrams that the system did not take: no room, no way there")                          \
    X(handed, "datagrams that came joined to others of the relay and were handed over by it")                \
    X(hand_dropped, "... and were dropped: too many at once")
RF_COUNTERS(udp, RF_UDP_COUNTERS)

struct rf_udp; /* opaque, owned */

/* rf_udp_new: doorway is copied, the rest borrowed. Errors: RF_ENOMEM. */
int rf_udp_new(struct rf_mem *mem, struct rf_loop *loop, const struct rf_udp_doorway *doorway,
               struct rf_udp **out);
void rf_udp_free(struct rf_udp *udp);
/*
 * rf_udp_open opens a base at `addr` (port 0: the kernel chooses). base, bound (may be NULL): which, and where it is.
 * Errors: RF_EEXIST the port is another program's, RF_EUNREACHABLE no such address here, RF_EFORBIDDEN, RF_ELIMIT, RF_EUNSUPPORTED family, RF_ESYSTEM.
 */
int rf_udp_open(struct rf_udp *udp, const struct rf_addr *addr, unsigned *base, struct rf_addr *bound);
/* rf_udp_close ends a base; its number may be given again. Unknown: nothing. */
void rf_udp_close(struct rf_udp *udp, unsigned base);
/*
 * rf_udp_share: from now on a relay of that many threads has the port of `base`, too; call it before the relay binds. It stays so when the relay is gone: then all goes to the
 * base. Errors: RF_EUNSUPPORTED the kernel cannot do that: let the relay have a port of its own.
 */
int rf_udp_share(struct rf_udp *udp, unsigned base, size_t threads);
/* rf_udp_send sends head, bytes and `pad` zero bytes as one datagram; copied. */
void rf_udp_send(struct rf_udp *udp, unsigned base, const struct rf_addr *to, struct rf_view head,
                 struct rf_view bytes, size_t pad);
void rf_udp_flush(struct rf_udp *udp);
/* rf_udp_hand: from any thread: this came for `base`. Copied; more than 64 at once are dropped. */
void rf_udp_hand(struct rf_udp *udp, unsigned base, const struct rf_addr *remote, struct rf_view bytes);
const struct rf_udp_counters *rf_udp_counters(const struct rf_udp *udp);

/* ---- udp_steer.c: where the kernel's program sends what ---- */

/* rf_udp_is_relays: is a datagram with these first bytes one for a relay? At least the first two must be there; none: no. */
bool rf_udp_is_relays(struct rf_view datagram);
/* rf_udp_thread_of: which of so many threads of the relay a client's datagrams go to, 0 .. threads - 1. */
size_t rf_udp_thread_of(const struct rf_addr *client, size_t threads);
/* rf_udp_steer attaches the program to a socket that the others are to share a port with. Errors: RF_EUNSUPPORTED. */
int rf_udp_steer(int fd, size_t threads);

#endif
