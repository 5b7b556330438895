/* store_net_internal.h - what store_net.c (transport, topology) and store_net_node.c (disk, nodes) share. */
#ifndef RF_TEST_SUPPORT_STORE_NET_INTERNAL_H
#define RF_TEST_SUPPORT_STORE_NET_INTERNAL_H

#include "support/store_net.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include "base/assert.h"

/* One way of a message, as bytes; decoded anew at its end. */
struct sn_message {
    struct rf_message decoded;
    struct rf_region region;
    uint8_t *bytes;
    size_t len;
};

struct rf_overlay {
    struct sn_node *node;
    struct {
        rf_request_fn fn;
        void *arg;
    } handlers[128];
    struct rf_list calls;
    struct rf_list requests; /* struct sn_incoming, not answered yet */
    rf_call_id next_call;
};

struct sn_call {
    struct rf_list list;
    rf_call_id id;
    struct sn_node *from;
    struct rf_dest dest;
    uint16_t code;
    uint8_t *bytes; /* the whole message */
    size_t len;
    unsigned tries, max_tries;
    struct rf_timer timer;
    rf_reply_fn done;
    void *arg;
    struct sn_node *fixed; /* sn_request: straight to that node */
};

/* A delivery under way. */
struct sn_event {
    struct rf_timer timer;
    struct sn_net *net;
    struct sn_node *from, *to;
    uint8_t *bytes;
    size_t len;
    rf_call_id call;
    bool answer;
    struct rf_dest dest;
};

/* A request at its destination. */
struct sn_incoming {
    struct rf_request request; /* first: found again from it */
    struct rf_list list;
    struct sn_message message;
    struct sn_node *at, *from;
    rf_call_id call;
    bool deferred, answered;
};

bool sn_in_ring(const struct sn_node *n);
void sn_incoming_free(struct sn_incoming *in);

#endif
