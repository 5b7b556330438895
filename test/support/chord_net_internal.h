/* chord_net_internal.h - what the files of the virtual network share (see chord_net.h). */
#ifndef RF_TEST_SUPPORT_CHORD_NET_INTERNAL_H
#define RF_TEST_SUPPORT_CHORD_NET_INTERNAL_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "support/chord_net.h"

#define OVERHEAD      430 /* header, certificate and signature of a message */
#define KEEPALIVE_LEN 79  /* frame and TLS record; its acknowledgement: */
#define ACK_LEN       31
#define TTL           100
#define RTO_US        NET_S
#define SILENCE_US    (30 * NET_S)
#define LIFETIME_US   (15 * NET_S)

enum event_kind { EV_MESSAGE, EV_LINK_UP, EV_LINK_DOWN, EV_SUSPECT, EV_BOOT_FAILED, EV_ATTACHED, EV_GONE };

struct message {
    bool response;
    uint64_t txn;
    size_t origin;
    uint16_t code, error_code;
    struct rf_dest dests[RF_CALL_MAX_DESTS];
    size_t dest_count, ttl;
    size_t path[NET_MAX_PATH]; /* whom the request came from, hop by hop */
    size_t path_count;
    struct rf_id signer;
    uint8_t *body;
    size_t body_len;
};

struct event {
    struct rf_list list;
    struct rf_timer timer;
    struct net *net;
    enum event_kind kind;
    size_t node;
    unsigned incarnation;
    uint64_t link;
    struct message *message;
    struct rf_id target, found;
    int error;
    bool flag;
};

struct call {
    struct rf_list list;
    struct rf_timer timer;
    struct rf_overlay *owner;
    uint64_t id;
    uint64_t link;
    uint64_t interval_us;
    unsigned left, sent;
    bool any_responder;
    struct message *request;
    rf_reply_fn done;
    void *arg;
};

struct seen {
    struct rf_list list;
    size_t origin;
    uint64_t txn, at_us;
    struct message *answer; /* NULL: not answered (yet) */
};

struct pending { /* behind an rf_request */
    struct rf_request request;
    struct rf_message message;
    struct message *from;
    struct seen *seen;
    bool done;
};

static inline const struct rf_topology_ops *cn_ops(void)
{
    return &rf_topology_chord;
}

static inline uint64_t cn_now(const struct net *net)
{
    return net->now.mono_us;
}

static inline void *cn_need(void *p)
{
    assert_non_null(p);
    return p;
}

static inline void *cn_fresh(size_t size)
{
    return cn_need(calloc(1, size));
}

/* ---- chord_net_links.c: messages, events, links ---- */
struct message *cn_message_copy(const struct message *from);
void cn_message_free(struct message *message);
struct event *cn_event_at(struct net *net, enum event_kind kind, size_t node, uint64_t at_us);
void cn_event_free(struct event *event);
struct net_link *cn_link_get(const struct net *net, uint64_t id);
size_t cn_other_end(const struct net_link *link, size_t node);
struct net_link *cn_link_between(const struct net *net, size_t a, size_t b);
bool cn_reachable(const struct net *net, size_t a, size_t b);
struct rf_conn cn_conn_of(const struct net *net, const struct net_link *link, size_t node);
struct net_link *cn_link_make(struct net *net, size_t from, size_t to);
void cn_link_break(struct net *net, struct net_link *link, size_t silent_for); /* that end is not told */
void cn_link_take(struct rf_overlay *node, uint64_t id);
void cn_link_keepalive(struct net *net, size_t from, struct net_link *link, uint64_t quiet_us);
void cn_link_send(struct net *net, size_t from, struct net_link *link,
                  struct message *message); /* takes it */

/* ---- chord_net_calls.c: routing, requests and their answers ---- */
void cn_forward(struct rf_overlay *self, struct message *message, struct net_link *from);
void cn_send_back(struct rf_overlay *self, struct message *response);
void cn_deliver(struct rf_overlay *self, struct message *message, struct net_link *link);
void cn_seen_forget(struct rf_overlay *self, uint64_t before_us);
void cn_call_end(struct call *call, const struct rf_reply *reply);

/* ---- chord_net.c ---- */
void cn_event_fire(struct rf_timer *timer, void *arg);

#endif
