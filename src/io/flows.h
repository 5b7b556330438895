/*
 * flows.h - rf_flows: joins the doorway of a core (accept, connected, closed, input; next_action, output) to TCP sockets in a loop.
 *
 * A flow is a connection and a number that the core gives: on accept it answers the number, on connect it asks for one. No buffer belongs to
 * a flow: input is read into one shared buffer, output is sent straight from the core's. Per connection there are about 100 bytes here.
 *
 * After everything that may have changed the core (its ticks and commands, too) somebody must call rf_flows_drain; rf_flows does it itself
 * after its own events.
 */
#ifndef RF_IO_FLOWS_H
#define RF_IO_FLOWS_H

#include "base/addr.h"
#include "base/counter.h"
#include "base/log.h"
#include "io/loop.h"

enum rf_flow_order_type {
    RF_FLOW_ORDER_NONE,
    RF_FLOW_ORDER_CONNECT,
    RF_FLOW_ORDER_OUTPUT,
    RF_FLOW_ORDER_CLOSE
};
struct rf_flow_order {
    enum rf_flow_order_type type;
    uint64_t flow;
    struct rf_addr addr; /* CONNECT: where to */
};

/* What a core offers; the same contract as part 1 of link/link.h. All are called in the loop's thread. */
struct rf_flow_doorway {
    void *ctx;
    /* A connection came; 0 and its number, or an error: it is closed at once. */
    int (*accept)(void *ctx, const struct rf_addr *remote, const struct rf_addr *local, uint64_t *flow);
    void (*connected)(void *ctx, uint64_t flow, const struct rf_addr *local);
    void (*closed)(void *ctx, uint64_t flow,
                   int reason); /* RF_ECLOSED, RF_EUNREACHABLE, RF_ETIMEOUT, RF_ELIMIT, RF_ESYSTEM */
    void (*input)(void *ctx, uint64_t flow, struct rf_view bytes);
    void (*next_action)(void *ctx, struct rf_flow_order *out);
    struct rf_view (*output)(void *ctx, uint64_t flow);
    void (*output_done)(void *ctx, uint64_t flow, size_t len);
};

#define RF_FLOWS_COUNTERS(X)                                                                                 \
    X(accepted, "connections accepted")                                                                      \
    X(refused, "connections closed at once because the core would not have them")                            \
    X(descriptors_out, "connections dropped or not made: no descriptors left")                               \
    X(listener_rests, "times that listening rested for that reason")                                         \
    X(connects, "connections begun")                                                                         \
    X(connects_failed, "connections that could not be made")                                                 \
    X(given_away, "connections that were not for the core: a relay's clients")                               \
    X(closed, "connections closed by the other side or broken")                                              \
    X(bytes_in, "bytes received")                                                                            \
    X(bytes_out, "bytes sent")
RF_COUNTERS(flows, RF_FLOWS_COUNTERS)

struct rf_flows; /* opaque, owned */

/* rf_flows_new: doorway is copied, the rest borrowed; log may be NULL. `seed` keys the table. Errors: RF_ENOMEM. */
int rf_flows_new(struct rf_mem *mem, struct rf_loop *loop, const struct rf_flow_doorway *doorway,
                 struct rf_log *log, const uint64_t seed[2], struct rf_flows **out);
void rf_flows_free(struct rf_flows *flows); /* closes all sockets without telling the core */
/*
 * rf_flows_listen accepts connections at `addr`; several addresses are possible (at most 64).
 * bound  where it listens (may be NULL)
 * Errors: those of rf_socket_listen, RF_ELIMIT.
 */
int rf_flows_listen(struct rf_flows *flows, const struct rf_addr *addr, struct rf_addr *bound);
/*
 * Connections at our port that are not for the core: `is` looks at the first bytes of every accepted connection; if it says so, `take` gets the descriptor for good, with these
 * bytes (borrowed), and the core hears that the flow is closed.
 */
struct rf_flow_foreign {
    void *ctx;
    bool (*is)(void *ctx, struct rf_view bytes);
    void (*take)(void *ctx, int fd, const struct rf_addr *remote, struct rf_view bytes);
};
void rf_flows_set_foreign(struct rf_flows *flows,
                          const struct rf_flow_foreign *foreign); /* copied; NULL: none any more */
/* rf_flows_drain does what the core wants done now. */
void rf_flows_drain(struct rf_flows *flows);
size_t rf_flows_count(const struct rf_flows *flows);
const struct rf_flows_counters *rf_flows_counters(const struct rf_flows *flows);

#endif
