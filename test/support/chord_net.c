/* chord_net.c - the virtual network: clock, links, messages, and the overlay's functions as a plugin calls them. */
#include "support/chord_net.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

#define OVERHEAD    430 /* header, certificate and signature of a message */
#define TTL         100
#define RTO_US      NET_S
#define SILENCE_US  (30 * NET_S)
#define LIFETIME_US (15 * NET_S)

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

static const struct rf_topology_ops *ops(void)
{
    return &rf_topology_chord;
}

static uint64_t now(const struct net *net)
{
    return net->now.mono_us;
}

static void *need(void *p)
{
    assert_non_null(p);
    return p;
}

static void *fresh(size_t size)
{
    return need(calloc(1, size));
}

/* ---- messages ---- */

static struct message *message_copy(const struct message *from)
{
    struct message *copy = fresh(sizeof(*copy));
    *copy = *from;
    copy->body = fresh(from->body_len + 1);
    if (from->body_len)
        memcpy(copy->body, from->body, from->body_len);
    return copy;
}

static void message_free(struct message *message)
{
    if (message)
        free(message->body);
    free(message);
}

/* ---- events ---- */

static void event_free(struct event *event)
{
    rf_timer_stop(&event->net->timers, &event->timer);
    rf_list_remove(&event->list);
    message_free(event->message);
    free(event);
}

static void event_fire(struct rf_timer *timer, void *arg);

static struct event *event_at(struct net *net, enum event_kind kind, size_t node, uint64_t at_us)
{
    struct event *event = fresh(sizeof(*event));
    event->net = net;
    event->kind = kind;
    event->node = node;
    event->incarnation = net->nodes[node].incarnation;
    rf_timer_init(&event->timer, event_fire, event);
    assert_int_equal(rf_timer_set(&net->timers, &event->timer, at_us), 0);
    rf_list_push_back(&net->events, &event->list);
    return event;
}

/* ---- links ---- */

static struct net_link *link_get(const struct net *net, uint64_t id)
{
    return id > 0 && id <= net->link_count ? net->links[id - 1] : NULL;
}

static size_t other_end(const struct net_link *link, size_t node)
{
    return link->ends[0] == node ? link->ends[1] : link->ends[0];
}

static struct net_link *link_between(const struct net *net, size_t a, size_t b)
{
    for (size_t i = net->nodes[a].link_count; i > 0; i--) { /* the newest of several */
        struct net_link *link = link_get(net, net->nodes[a].links[i - 1]);
        if (other_end(link, a) == b)
            return link;
    }
    return NULL;
}

bool net_linked(const struct net *net, size_t a, size_t b)
{
    return link_between(net, a, b) != NULL;
}

size_t net_links_of(const struct net *net, size_t node)
{
    return net->nodes[node].link_count;
}

static void link_put(struct rf_overlay *node, uint64_t id)
{
    if (node->link_count == node->link_cap) {
        node->link_cap = node->link_cap ? 2 * node->link_cap : 16;
        node->links = need(realloc(node->links, node->link_cap * sizeof(node->links[0])));
    }
    node->links[node->link_count++] = id;
}

static void link_take(struct rf_overlay *node, uint64_t id)
{
    for (size_t i = 0; i < node->link_count; i++)
        if (node->links[i] == id) {
            memmove(&node->links[i], &node->links[i + 1], (--node->link_count - i) * sizeof(node->links[0]));
            return;
        }
}

static bool reachable(const struct net *net, size_t a, size_t b)
{
    return net->nodes[a].alive && net->nodes[b].alive && net->nodes[a].group == net->nodes[b].group;
}

static struct rf_conn conn_of(const struct net *net, const struct net_link *link, size_t node)
{
    return (struct rf_conn){.link = link->id,
                            .node = net->nodes[other_end(link, node)].id,
                            .outgoing = link->ends[0] == node,
                            .suspect = false};
}

static struct net_link *link_make(struct net *net, size_t from, size_t to)
{
    if (net->link_count == net->link_cap) {
        net->link_cap = net->link_cap ? 2 * net->link_cap : 256;
        net->links = need(realloc(net->links, net->link_cap * sizeof(net->links[0])));
    }
    struct net_link *link = fresh(sizeof(*link));
    link->id = net->link_count + 1;
    link->ends[0] = from;
    link->ends[1] = to;
    link->up = true;
    link->latency_us = rf_rng_between(&net->rng.rng, net->config.latency_low_us, net->config.latency_high_us);
    net->links[net->link_count++] = link;
    link_put(&net->nodes[from], link->id);
    link_put(&net->nodes[to], link->id);
    return link;
}

/* Tells both ends, at the moment when each hears of it. */
static void link_break(struct net *net, struct net_link *link, size_t silent_for)
{
    if (!link->up)
        return;
    link->up = false;
    for (size_t i = 0; i < 2; i++)
        link_take(&net->nodes[link->ends[i]], link->id);
    for (size_t i = 0; i < 2; i++) {
        if (!net->nodes[link->ends[i]].alive || link->lost[i] || link->ends[i] == silent_for)
            continue;
        event_at(net, EV_LINK_DOWN, link->ends[i], now(net) + link->latency_us)->link = link->id;
    }
}

void net_cut(struct net *net, size_t a, size_t b)
{
    struct net_link *link = link_between(net, a, b);
    assert_non_null(link);
    link_break(net, link, SIZE_MAX);
}

/* Something went into a link whose other end does not answer: suspicion, then the end of the link. */
static void into_the_void(struct net *net, struct net_link *link, size_t from)
{
    if (link->unacked_us)
        return;
    link->unacked_us = now(net);
    event_at(net, EV_SUSPECT, from, now(net) + RTO_US)->link = link->id;
    struct event *down = event_at(net, EV_LINK_DOWN, from, now(net) + RTO_US + SILENCE_US);
    down->link = link->id;
    down->flag = true;
}

static void link_send(struct net *net, size_t from, struct net_link *link, struct message *message)
{
    size_t to = other_end(link, from), end = link->ends[0] == from ? 0 : 1;
    struct net_counts *counts = &net->nodes[from].counts;
    counts->messages++;
    counts->bytes += OVERHEAD + message->body_len + 18 * (message->dest_count + message->path_count);
    if (link->lost[1 - end] && reachable(net, from, to)) { /* it started anew and resets the connection */
        link_break(net, link, SIZE_MAX);
        message_free(message);
        return;
    }
    if (!reachable(net, from, to)) {
        into_the_void(net, link, from);
        message_free(message);
        return;
    }
    link->unacked_us = 0;
    if (rf_rng_below(&net->rng.rng, 1000) < net->config.loss_permille) {
        message_free(message);
        return;
    }
    uint64_t at = now(net) + link->latency_us;
    if (at <= link->last_us[end])
        at = link->last_us[end] + 1;
    link->last_us[end] = at;
    struct event *event = event_at(net, EV_MESSAGE, to, at);
    event->link = link->id;
    event->message = message;
}

/* ---- routing, as reload.md 1.2 and 1.3 say; takes the message ---- */

static void deliver(struct rf_overlay *self, struct message *message, struct net_link *link);

static bool next_link(struct rf_overlay *self, const struct rf_dest *dest, struct net_link **out)
{
    struct net *net = self->net;
    struct rf_id hop;
    size_t to = net_find(net, &dest->id);
    if (dest->type == RF_DEST_NODE && to < net->node_count) {
        *out = link_between(net, self->number, to);
        if (*out)
            return true;
        if (ops()->in_range(self->topology, &dest->id))
            return false;
    }
    if (!ops()->next_hop(self->topology, &dest->id, &hop))
        return false;
    to = net_find(net, &hop);
    *out = to < net->node_count ? link_between(net, self->number, to) : NULL;
    return *out != NULL;
}

static void pop_dest(struct message *message)
{
    memmove(&message->dests[0], &message->dests[1], (message->dest_count - 1) * sizeof(message->dests[0]));
    message->dest_count--;
}

static void forward(struct rf_overlay *self, struct message *message, struct net_link *from)
{
    struct net *net = self->net;
    struct net_link *link = NULL;
    while (message->dest_count > 1 && message->dests[0].type == RF_DEST_NODE &&
           rf_id_equal(&message->dests[0].id, &self->id))
        pop_dest(message);
    const struct rf_dest *dest = &message->dests[0];
    bool mine = dest->type == RF_DEST_NODE ? rf_id_equal(&dest->id, &self->id)
                                           : ops()->responsible(self->topology, &dest->id);
    if (mine) {
        if (message->dest_count == 1)
            deliver(self, message, from);
        else
            message_free(message);
        return;
    }
    bool transit = from != NULL;
    if ((transit && self->role == RF_ROLE_CLIENT) || message->ttl == 0 || !next_link(self, dest, &link)) {
        if (message->ttl == 0)
            net->looped++;
        else
            net->lost_routes++;
        message_free(message);
        return;
    }
    message->ttl--;
    if (transit)
        message->path[message->path_count++] = other_end(from, self->number);
    link_send(net, self->number, link, message);
}

/* The way back of a response: the request's path, from its end. */
static void send_back(struct rf_overlay *self, struct message *response)
{
    struct net *net = self->net;
    size_t to = response->path_count ? response->path[response->path_count - 1] : response->origin;
    if (response->path_count)
        response->path_count--;
    struct net_link *link = link_between(net, self->number, to);
    if (link)
        link_send(net, self->number, link, response);
    else {
        net->lost_routes++;
        message_free(response);
    }
}

static struct seen *seen_find(struct rf_overlay *self, const struct message *message)
{
    RF_LIST_EACH (&self->seen, it) {
        struct seen *seen = RF_LIST_ENTRY(it, struct seen, list);
        if (seen->origin == message->origin && seen->txn == message->txn)
            return seen;
    }
    return NULL;
}

static void seen_forget(struct rf_overlay *self, uint64_t before_us)
{
    RF_LIST_EACH_SAFE (&self->seen, it) {
        struct seen *seen = RF_LIST_ENTRY(it, struct seen, list);
        if (seen->at_us >= before_us)
            return;
        rf_list_remove(&seen->list);
        message_free(seen->answer);
        free(seen);
    }
}

static void respond(struct pending *pending, uint16_t code, uint16_t error_code, struct rf_view body)
{
    struct message *response = message_copy(pending->from);
    free(response->body);
    response->body = fresh(body.len + 1);
    response->body_len = body.len;
    if (body.len)
        memcpy(response->body, body.p, body.len);
    response->response = true;
    response->code = code;
    response->error_code = error_code;
    assert_null(pending->seen->answer);
    pending->seen->answer = response;
    pending->done = true;
}

static void deliver_request(struct rf_overlay *self, struct message *message, struct net_link *link)
{
    struct net *net = self->net;
    struct rf_region region;
    struct pending pending = {.from = message};
    seen_forget(self, now(net) > LIFETIME_US ? now(net) - LIFETIME_US : 0);
    struct seen *seen = seen_find(self, message);
    if (!seen) {
        seen = fresh(sizeof(*seen));
        seen->origin = message->origin;
        seen->txn = message->txn;
        seen->at_us = now(net);
        rf_list_push_back(&self->seen, &seen->list);
        rf_region_init(&region, &net->mem.mem, 65536);
        if (link)
            message->path[message->path_count++] = other_end(link, self->number);
        pending.seen = seen;
        pending.message.code = message->code;
        pending.message.body = rf_view_of(message->body, message->body_len);
        pending.request.message = &pending.message;
        pending.request.region = &region;
        pending.request.signer.node_id = message->signer;
        if (link) {
            pending.request.link = link->id;
            pending.request.link_node = net->nodes[other_end(link, self->number)].id;
        }
        pending.request.to_resource = message->dests[0].type == RF_DEST_RESOURCE;
        if (message->code == RF_CODE_PING_REQ)
            respond(&pending, RF_CODE_PING_ANS, 0, rf_view_of("0123456789abcdef", 16));
        else if (message->code == RF_CODE_ATTACH_REQ)
            respond(&pending, RF_CODE_ATTACH_ANS, 0, rf_view_str("an answer with some candidates of ours"));
        else {
            assert_true(message->code < 64 && self->handlers[message->code].fn);
            self->handlers[message->code].fn(self->handlers[message->code].arg, &pending.request);
        }
        assert_true(pending.done); /* "must answer, refuse, defer or ignore before it returns": chord never ignores */
        rf_region_deinit(&region);
    }
    if (seen->answer) {
        struct message *response = message_copy(seen->answer);
        response->signer = self->id;
        if (response->origin == self->number && response->path_count == 0)
            deliver(self, response, NULL);
        else
            send_back(self, response);
    }
    message_free(message);
}

int rf_overlay_answer_ext(struct rf_overlay *overlay, struct rf_request *request, struct rf_view body,
                          struct rf_view extensions, const struct rf_view *certs, size_t cert_count)
{
    struct pending *pending = RF_CONTAINER(request, struct pending, request);
    (void)overlay;
    (void)extensions;
    (void)certs;
    (void)cert_count;
    respond(pending, (uint16_t)(request->message->code + 1), 0, body);
    return 0;
}

int rf_overlay_answer(struct rf_overlay *overlay, struct rf_request *request, struct rf_view body,
                      const struct rf_view *certs, size_t cert_count)
{
    return rf_overlay_answer_ext(overlay, request, body, rf_view_of(NULL, 0), certs, cert_count);
}

int rf_overlay_refuse(struct rf_overlay *overlay, struct rf_request *request, uint16_t error_code, struct rf_view info)
{
    (void)overlay;
    respond(RF_CONTAINER(request, struct pending, request), RF_CODE_ERROR, error_code, info);
    return 0;
}

int rf_overlay_refuse_text(struct rf_overlay *overlay, struct rf_request *request, uint16_t error_code, const char *text)
{
    return rf_overlay_refuse(overlay, request, error_code, rf_view_str(text));
}

int rf_overlay_handle(struct rf_overlay *overlay, uint16_t code, rf_request_fn fn, void *arg)
{
    assert_true(code < 64);
    overlay->handlers[code].fn = fn;
    overlay->handlers[code].arg = arg;
    return 0;
}

/* ---- calls ---- */

void rf_call_to_node(struct rf_call *call, const struct rf_id *id)
{
    call->dests[0] = rf_dest_node(id);
    call->dest_count = 1;
}

void rf_call_to_resource(struct rf_call *call, const struct rf_id *id)
{
    call->dests[0] = rf_dest_resource(id);
    call->dest_count = 1;
}

void rf_call_via(struct rf_call *call, const struct rf_id *via)
{
    assert_true(call->dest_count > 0 && call->dest_count < RF_CALL_MAX_DESTS);
    call->dests[call->dest_count] = call->dests[call->dest_count - 1];
    call->dests[call->dest_count - 1] = rf_dest_node(via);
    call->dest_count++;
}

static void call_end(struct call *call, const struct rf_reply *reply)
{
    rf_timer_stop(&call->owner->net->timers, &call->timer);
    rf_list_remove(&call->list);
    if (call->done)
        call->done(call->arg, reply);
    message_free(call->request);
    free(call);
}

static void call_send(struct rf_timer *timer, void *arg)
{
    struct call *call = arg;
    struct rf_overlay *self = call->owner;
    (void)timer;
    if (call->left == 0) {
        call_end(call, &(struct rf_reply){.error = RF_ETIMEOUT, .transmissions = call->sent});
        return;
    }
    call->left--;
    call->sent++;
    assert_int_equal(rf_timer_set(&self->net->timers, &call->timer, now(self->net) + call->interval_us), 0);
    struct message *copy = message_copy(call->request);
    if (copy->code < 64)
        self->counts.requests[copy->code]++;
    struct net_link *link = link_get(self->net, call->link);
    if (call->link == 0)
        forward(self, copy, NULL);
    else if (link && link->up && (link->ends[0] == self->number || link->ends[1] == self->number))
        link_send(self->net, self->number, link, copy);
    else {
        message_free(copy);
        call_end(call, &(struct rf_reply){.error = RF_EUNREACHABLE, .transmissions = call->sent});
    }
}

int rf_overlay_call(struct rf_overlay *overlay, const struct rf_call *call, rf_call_id *out)
{
    struct net *net = overlay->net;
    assert_true(call->dest_count > 0);
    struct message request = {.txn = ++net->next_txn, .origin = overlay->number, .code = call->code, .ttl = TTL};
    struct call *mine = fresh(sizeof(*mine));
    memcpy(request.dests, call->dests, sizeof(request.dests));
    request.dest_count = call->dest_count;
    request.signer = overlay->id;
    request.body = (uint8_t *)(uintptr_t)call->body.p;
    request.body_len = call->body.len;
    mine->request = message_copy(&request);
    mine->owner = overlay;
    mine->id = request.txn;
    mine->link = call->link;
    mine->left = call->max_transmissions ? call->max_transmissions : 5;
    mine->interval_us = call->interval_us ? call->interval_us : 3 * NET_S;
    mine->any_responder = call->any_responder;
    mine->done = call->done;
    mine->arg = call->arg;
    rf_timer_init(&mine->timer, call_send, mine);
    assert_int_equal(rf_timer_set(&net->timers, &mine->timer, now(net)), 0); /* never from inside */
    rf_list_push_back(&overlay->calls, &mine->list);
    *out = mine->id;
    return 0;
}

void rf_overlay_cancel(struct rf_overlay *overlay, rf_call_id id)
{
    RF_LIST_EACH (&overlay->calls, it) {
        struct call *call = RF_LIST_ENTRY(it, struct call, list);
        if (call->id == id) {
            call_end(call, &(struct rf_reply){.error = RF_ECANCELLED, .transmissions = call->sent});
            return;
        }
    }
}

static void deliver_response(struct rf_overlay *self, struct message *message, struct net_link *link)
{
    struct call *found = NULL;
    RF_LIST_EACH (&self->calls, it) {
        struct call *call = RF_LIST_ENTRY(it, struct call, list);
        if (call->id == message->txn)
            found = call;
    }
    if (found) {
        const struct rf_dest *dest = &found->request->dests[found->request->dest_count - 1];
        bool may = dest->type == RF_DEST_NODE
                       ? rf_id_equal(&dest->id, &message->signer)
                       : found->any_responder || ops()->as_close(self->topology, &message->signer, &dest->id);
        struct rf_region region;
        struct rf_message decoded = {.code = message->code, .body = rf_view_of(message->body, message->body_len)};
        struct rf_signer signer = {.node_id = message->signer};
        struct rf_reply reply = {.message = &decoded, .signer = &signer, .region = &region};
        rf_region_init(&region, &self->net->mem.mem, 65536);
        reply.body = decoded.body;
        reply.link = link ? link->id : 0;
        reply.transmissions = found->sent;
        if (message->code == RF_CODE_ERROR) {
            reply.error = RF_EREMOTE;
            reply.error_code = message->error_code;
        }
        if (may)
            call_end(found, &reply);
        rf_region_deinit(&region);
    }
    message_free(message);
}

static void deliver(struct rf_overlay *self, struct message *message, struct net_link *link)
{
    if (message->response)
        deliver_response(self, message, link);
    else
        deliver_request(self, message, link);
}

/* ---- what the plugin asks of its host ---- */

struct attaching {
    struct rf_overlay *self;
    struct rf_id target;
    bool send_update;
};

/* The handshake takes three one-way times; then both sides have the link. */
static void connect_later(struct net *net, size_t from, size_t to, bool bootstrap, const struct rf_id *target,
                          bool send_update)
{
    uint64_t latency = rf_rng_between(&net->rng.rng, net->config.latency_low_us, net->config.latency_high_us);
    struct event *event = event_at(net, EV_LINK_UP, from, now(net) + 3 * latency);
    event->flag = bootstrap;
    event->found = net->nodes[to].id;
    event->error = send_update;
    if (target)
        event->target = *target;
}

static void attach_answered(void *arg, const struct rf_reply *reply)
{
    struct attaching *attaching = arg;
    struct rf_overlay *self = attaching->self;
    struct net *net = self->net;
    if (reply->error == RF_ECANCELLED) {
        free(attaching);
        return;
    }
    if (reply->error || !reply->signer) {
        struct event *event = event_at(net, EV_ATTACHED, self->number, now(net));
        event->target = attaching->target;
        event->error = reply->error ? reply->error : RF_ETIMEOUT;
    } else
        connect_later(net, self->number, net_find(net, &reply->signer->node_id), false, &attaching->target,
                      attaching->send_update);
    free(attaching);
}

static void host_attach(void *ctx, const struct rf_id *target, bool resource, const struct rf_id *via, uint64_t link,
                        bool send_update)
{
    struct rf_overlay *self = ctx;
    struct rf_call call = {.code = RF_CODE_ATTACH_REQ, .link = link, .done = attach_answered};
    struct attaching *attaching = fresh(sizeof(*attaching));
    rf_call_id id;
    attaching->self = self;
    attaching->target = *target;
    attaching->send_update = send_update;
    call.arg = attaching;
    call.body = rf_view_of("attach-request-with-some-candidates-in-it", 40);
    if (resource)
        rf_call_to_resource(&call, target);
    else
        rf_call_to_node(&call, target);
    if (via)
        rf_call_via(&call, via);
    assert_int_equal(rf_overlay_call(self, &call, &id), 0);
}

static void host_bootstrap(void *ctx)
{
    struct rf_overlay *self = ctx;
    struct net *net = self->net;
    size_t n = 0, usable[8];
    for (size_t i = 0; i < net->boot_count; i++)
        if (net->boots[i] != self->number && reachable(net, self->number, net->boots[i]))
            usable[n++] = net->boots[i];
    if (n == 0)
        event_at(net, EV_BOOT_FAILED, self->number, now(net) + NET_S);
    else
        connect_later(net, self->number, usable[rf_rng_below(&net->rng.rng, n)], true, NULL, false);
}

static void host_disconnect(void *ctx, uint64_t id)
{
    struct rf_overlay *self = ctx;
    struct net_link *link = link_get(self->net, id);
    if (link)
        link_break(self->net, link, self->number);
}

static void host_state(void *ctx, enum rf_topology_state state)
{
    struct rf_overlay *self = ctx;
    self->state = state;
    self->state_us = now(self->net);
    if (state == RF_TOPOLOGY_JOINED)
        self->joined_us = now(self->net);
    assert_int_equal(self->topology ? ops()->state(self->topology) : state, state);
}

static void host_range_changed(void *ctx)
{
    ((struct rf_overlay *)ctx)->range_changes++;
}

static void host_neighbor_lost(void *ctx, const struct rf_id *node)
{
    struct rf_overlay *self = ctx;
    assert_false(rf_id_equal(node, &self->id));
    self->neighbors_lost++;
}

static size_t host_handover_pending(void *ctx)
{
    struct rf_overlay *self = ctx;
    if (self->handover_pending > 0)
        self->handover_pending--;
    return self->handover_pending;
}

/* ---- events happen ---- */

static void make_link(struct net *net, struct event *event)
{
    size_t from = event->node, to = net_find(net, &event->found);
    struct rf_overlay *self = &net->nodes[from], *peer = &net->nodes[to];
    if (!reachable(net, from, to)) {
        if (event->flag)
            ops()->bootstrap_failed(self->topology);
        else
            ops()->attached(self->topology, &event->target, NULL, RF_ETIMEOUT);
        return;
    }
    struct net_link *link = from == to ? NULL : link_between(net, from, to);
    bool fresh_link = !link && from != to;
    bool attached_first = rf_rng_below(&net->rng.rng, 2);
    if (fresh_link)
        link = link_make(net, from, to);
    if (!event->flag && attached_first)
        ops()->attached(self->topology, &event->target, &event->found, 0);
    if (link && (fresh_link || event->flag)) {
        struct rf_conn mine = conn_of(net, link, from);
        ops()->link_up(self->topology, &mine, event->flag);
    }
    if (fresh_link) {
        struct rf_conn theirs = conn_of(net, link, to);
        ops()->link_up(peer->topology, &theirs, false);
        if (event->error) /* send_update; a repeated Attach would be refused (D19), so not then */
            ops()->update_wanted(peer->topology, &self->id);
    }
    if (!event->flag && !attached_first)
        ops()->attached(self->topology, &event->target, &event->found, 0);
}

static void tell_link(struct net *net, struct event *event, bool down)
{
    struct net_link *link = link_get(net, event->link);
    struct rf_overlay *self = &net->nodes[event->node];
    if (event->flag) { /* silence: only if nothing was heard meanwhile */
        if (!link->up || link->unacked_us == 0)
            return;
        link_break(net, link, event->node);
    }
    struct rf_conn conn = conn_of(net, link, event->node);
    if (down) {
        ops()->link_down(self->topology, &conn, RF_ECLOSED);
        return;
    }
    conn.suspect = true;
    if (link->up && link->unacked_us)
        ops()->link_suspect(self->topology, &conn);
}

static void gone(struct net *net, size_t node)
{
    struct rf_overlay *self = &net->nodes[node];
    RF_LIST_EACH_SAFE (&self->calls, it)
        call_end(RF_LIST_ENTRY(it, struct call, list), &(struct rf_reply){.error = RF_ECANCELLED});
    ops()->destroy(self->topology);
    self->topology = NULL;
    seen_forget(self, UINT64_MAX);
    assert_true(rf_list_empty(&self->calls));
}

static void event_fire(struct rf_timer *timer, void *arg)
{
    struct event *event = arg;
    struct net *net = event->net;
    struct rf_overlay *self = &net->nodes[event->node];
    struct net_link *link;
    (void)timer;
    if (self->alive && event->incarnation == self->incarnation)
        switch (event->kind) {
        case EV_MESSAGE:
            link = link_get(net, event->link);
            if (!link->up)
                break;
            if (event->message->response &&
                (event->message->origin != event->node || event->message->path_count > 0)) {
                send_back(self, event->message);
            } else if (event->message->response)
                deliver(self, event->message, link);
            else
                forward(self, event->message, link);
            event->message = NULL;
            break;
        case EV_LINK_UP:
            make_link(net, event);
            break;
        case EV_LINK_DOWN:
            tell_link(net, event, true);
            break;
        case EV_SUSPECT:
            tell_link(net, event, false);
            break;
        case EV_BOOT_FAILED:
            ops()->bootstrap_failed(self->topology);
            break;
        case EV_ATTACHED:
            ops()->attached(self->topology, &event->target, NULL, event->error);
            break;
        case EV_GONE:
            net_crash(net, event->node, false);
            break;
        }
    event_free(event);
}

/* ---- the world ---- */

void net_config_default(struct net_config *config)
{
    *config = (struct net_config){.seed = 1, .latency_low_us = 10 * NET_MS, .latency_high_us = 80 * NET_MS};
    config->params = (struct rf_topology_params){.update_interval_us = 600 * NET_S,
                                                .ping_interval_us = 3600 * NET_S,
                                                .reactive = true,
                                                .successor_count = 3,
                                                .predecessor_count = 3,
                                                .finger_count = 16,
                                                .hold_down_us = 30 * NET_S};
}

static struct rf_view id_of(const struct rf_map_node *node)
{
    return rf_id_view(&RF_CONTAINER(node, struct rf_overlay, by_id)->id);
}

void net_init(struct net *net, const struct net_config *config)
{
    *net = (struct net){.config = *config, .exact_rank = SIZE_MAX};
    rf_mem_test_init(&net->mem);
    net->now = (struct rf_now){.mono_us = 1000 * NET_S, .wall_ms = 1700000000000};
    rf_timers_init(&net->timers, rf_mem_system());
    rf_rng_seeded_init(&net->rng, config->seed);
    rf_list_init(&net->events);
    rf_map_init(&net->by_id, rf_mem_system(), (const uint64_t[2]){1, 2}, id_of);
    net->nodes = fresh(NET_MAX_NODES * sizeof(net->nodes[0]));
}

void net_deinit(struct net *net)
{
    for (size_t i = 0; i < net->node_count; i++)
        if (net->nodes[i].alive)
            gone(net, i);
    while (!rf_list_empty(&net->events))
        event_free(RF_LIST_ENTRY(net->events.next, struct event, list));
    for (size_t i = 0; i < net->link_count; i++)
        free(net->links[i]);
    free(net->links);
    for (size_t i = 0; i < net->node_count; i++)
        free(net->nodes[i].links);
    rf_map_deinit(&net->by_id);
    free(net->nodes);
    rf_timers_deinit(&net->timers);
    assert_int_equal(net->mem.live_count, 0);
}

void net_random_id(struct net *net, struct rf_id *out)
{
    *out = (struct rf_id){.len = 16};
    rf_rng_fill(&net->rng.rng, out->b, 16);
}

size_t net_add(struct net *net, enum rf_topology_role role, const struct rf_id *id)
{
    assert_true(net->node_count < NET_MAX_NODES);
    struct rf_overlay *self = &net->nodes[net->node_count];
    self->net = net;
    self->number = net->node_count++;
    self->role = role;
    if (id)
        self->id = *id;
    else
        net_random_id(net, &self->id);
    assert_int_equal(rf_map_insert(&net->by_id, &self->by_id), 0);
    rf_list_init(&self->calls);
    rf_list_init(&self->seen);
    return self->number;
}

void net_boot(struct net *net, size_t node)
{
    assert_true(net->boot_count < 8);
    net->boots[net->boot_count++] = node;
}

void net_start(struct net *net, size_t node, bool first)
{
    struct rf_overlay *self = &net->nodes[node];
    struct rf_topology_params params = net->config.params;
    struct rf_env env = {.mem = &net->mem.mem,
                         .timers = &net->timers,
                         .now = &net->now,
                         .secret = &net->rng.rng,
                         .jitter = &net->rng.rng,
                         .seed = {7, node}};
    struct rf_topology_host host = {.overlay = self,
                                    .ctx = self,
                                    .attach = host_attach,
                                    .bootstrap = host_bootstrap,
                                    .disconnect = host_disconnect,
                                    .state = host_state,
                                    .range_changed = host_range_changed,
                                    .neighbor_lost = host_neighbor_lost,
                                    .handover_pending = net->config.use_handover ? host_handover_pending : NULL};
    assert_false(self->alive);
    params.self = self->id;
    params.role = self->role;
    self->alive = true;
    self->incarnation++;
    self->state = RF_TOPOLOGY_IDLE;
    assert_int_equal(ops()->create(&env, &params, &host, &self->topology), 0);
    ops()->start(self->topology, first);
}

void net_crash(struct net *net, size_t node, bool silent)
{
    struct rf_overlay *self = &net->nodes[node];
    assert_true(self->alive);
    self->alive = false;
    self->state = RF_TOPOLOGY_IDLE;
    gone(net, node);
    while (silent && self->link_count > 0) { /* the others' ends stay until somebody notices */
        struct net_link *link = link_get(net, self->links[0]);
        link->lost[link->ends[0] == node ? 0 : 1] = true;
        link_take(self, link->id);
    }
    while (self->link_count > 0)
        link_break(net, link_get(net, self->links[0]), node);
}

void net_leave(struct net *net, size_t node)
{
    ops()->leave(net->nodes[node].topology);
    event_at(net, EV_GONE, node, now(net) + 3 * NET_S);
}

size_t net_find(const struct net *net, const struct rf_id *id)
{
    struct rf_map_node *found = rf_map_find(&net->by_id, rf_id_view(id));
    return found ? RF_CONTAINER(found, struct rf_overlay, by_id)->number : net->node_count;
}

/* ---- forgeries ---- */

struct forgery {
    int result;
    struct rf_buf *body;
};

static void forgery_answered(void *arg, const struct rf_reply *reply)
{
    struct forgery *forgery = arg;
    forgery->result = reply->error == RF_EREMOTE ? reply->error_code : reply->error ? -1 : 0;
    if (reply->error == 0 && forgery->body)
        rf_buf_view_put(forgery->body, reply->body);
}

int net_forge(struct net *net, size_t from, size_t to, const struct rf_id *signer, uint16_t code, struct rf_view request,
              struct rf_buf *body)
{
    struct rf_overlay *self = &net->nodes[from];
    struct forgery forgery = {.result = -2, .body = body};
    struct rf_call call = {.code = code, .body = request, .max_transmissions = 1, .interval_us = 2 * NET_S};
    struct net_link *link = link_between(net, from, to);
    rf_call_id id;
    assert_non_null(link);
    call.link = link->id;
    call.done = forgery_answered;
    call.arg = &forgery;
    rf_call_to_node(&call, &net->nodes[to].id);
    assert_int_equal(rf_overlay_call(self, &call, &id), 0);
    if (signer)
        RF_LIST_ENTRY(self->calls.prev, struct call, list)->request->signer = *signer;
    while (forgery.result == -2)
        net_run(net, NET_MS);
    return forgery.result;
}

void net_link(struct net *net, size_t from, size_t to)
{
    struct net_link *link = link_make(net, from, to);
    struct rf_conn mine = conn_of(net, link, from), theirs = conn_of(net, link, to);
    ops()->link_up(net->nodes[from].topology, &mine, false);
    ops()->link_up(net->nodes[to].topology, &theirs, false);
}

/* ---- two peers that know each other must not claim the same key for long ---- */

static bool both_claim(const struct net *net, size_t a, size_t b)
{
    const struct rf_overlay *x = &net->nodes[a], *y = &net->nodes[b];
    return x->alive && y->alive && x->group == y->group && x->topology && y->topology &&
           ops()->responsible(x->topology, &y->id) && ops()->responsible(y->topology, &y->id) &&
           net_linked(net, a, b);
}

static void note_claim(struct net *net, size_t a, size_t b)
{
    for (size_t i = 0; i < net->claim_count; i++)
        if (net->claims[i].a == a && net->claims[i].b == b)
            return;
    if (net->claim_count < 64) {
        net->claims[net->claim_count].a = a;
        net->claims[net->claim_count].b = b;
        net->claims[net->claim_count++].since_us = now(net);
    }
}

static void watch_claims(struct net *net)
{
    for (size_t i = 0; i < net->claim_count;) {
        uint64_t age = now(net) - net->claims[i].since_us;
        if (!both_claim(net, net->claims[i].a, net->claims[i].b)) {
            net->claims[i] = net->claims[--net->claim_count];
            continue;
        }
        if (age > net->worst_claim_us)
            net->worst_claim_us = age;
        if (age > net->watch_us)
            fail_msg("seed %llu: nodes %zu and %zu know each other and both claim the same keys for %llu ms",
                     (unsigned long long)net->config.seed, net->claims[i].a, net->claims[i].b,
                     (unsigned long long)(age / 1000));
        i++;
    }
    for (size_t a = 0; a < net->node_count; a++) {
        const struct rf_overlay *node = &net->nodes[a];
        if (node->state != RF_TOPOLOGY_JOINED || node->role != RF_ROLE_PEER)
            continue;
        for (size_t i = 0; i < node->link_count; i++) {
            size_t b = other_end(link_get(net, node->links[i]), a);
            if (both_claim(net, a, b))
                note_claim(net, a, b);
        }
    }
}

void net_run(struct net *net, uint64_t duration_us)
{
    uint64_t end = now(net) + duration_us;
    for (;;) {
        uint64_t next = rf_timers_next(&net->timers);
        if (net->watch_us && net->watch_next_us <= next && net->watch_next_us <= end) {
            net->now.mono_us = net->watch_next_us > now(net) ? net->watch_next_us : now(net);
            watch_claims(net);
            net->watch_next_us = now(net) + NET_S / 2;
            continue;
        }
        if (next > end)
            break;
        if (next > now(net))
            net->now.mono_us = next;
        net->now.wall_ms = 1700000000000 + net->now.mono_us / 1000;
        rf_timers_run(&net->timers, now(net), 1);
    }
    net->now.mono_us = end;
}
