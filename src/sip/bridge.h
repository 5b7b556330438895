/*
 * bridge.h - joins application connections of the node to libre's overlay stack. libre takes streams only from sockets, so each connection
 * gets a loopback TCP socket of ours into the stack's listener; its local port stands for the verified user and device at the other end,
 * and a message from any other port is nobody's (stack.c refuses it).
 *
 * States of a connection: WAITING (others are being made; the listener's queue is short) -> OPENING (connect) -> PROVING (CR LF CR LF sent:
 * libre's pong tells that it has accepted us, so that it will find this very connection for requests) -> UP -> gone.
 * Events: up, data, down from the node; readable, closed from the socket. Timer: every keepalive_s a keep-alive in both directions; when
 * nothing has come since the last one, of somebody who answered earlier ones, the connection is dead. After BRIDGE_IDLE_S without a message and without a call a connection that we made is closed, five times later also one that others made.
 */
#ifndef RF_SIP_BRIDGE_H
#define RF_SIP_BRIDGE_H

#include "sip/core.h"

#define BRIDGE_IDLE_S    120
#define BRIDGE_MAX_CONNS 512
#define BRIDGE_BURST     200 /* messages at once from one device ... */
#define BRIDGE_RATE      100 /* ... and so many more each second */

struct bridge;

struct bridge_conn {
    struct rf_list list;
    struct core *core;
    rf_link_id id;
    struct rf_id node;
    char user[AOR_MAX]; /* from the certificate */
    uint16_t application;
    bool outgoing;
    /* the rest is bridge.c's */
    int state;
    struct tcp_conn *tc;
    struct sa local; /* our end: what libre sees as the peer */
    struct framer *in, *out;
    struct mbuf *early; /* from the overlay before we are UP */
    double tokens;
    uint64_t tokens_ms, used_ms;
    uint64_t asked_ms, heard_ms; /* our last keep-alive; their last byte. 0: none */
    bool held;                   /* a call lives on it: the node knows */
    bool answers;                /* a keep-alive was followed by something of theirs, once at least */
};

int bridge_new(struct core *core, struct bridge **out);
void bridge_free(struct core *core, struct bridge *bridge);

/* From the node. */
void bridge_up(struct core *core, rf_link_id id, const struct rf_id *node, struct rf_view user,
               uint16_t application, bool outgoing);
void bridge_data(struct core *core, rf_link_id id, struct rf_view bytes);
void bridge_down(struct core *core, rf_link_id id);

/* bridge_at tells whose message came from `src`; NULL: a stranger. */
const struct bridge_conn *bridge_at(struct core *core, const struct sa *src);
/* bridge_ready: 0 and the flow when connection `id` is UP, RF_EAGAIN not yet, RF_ECLOSED gone. find.c is told of changes by find_conn_changed. */
int bridge_ready(struct core *core, rf_link_id id, struct flow *out);

#endif
