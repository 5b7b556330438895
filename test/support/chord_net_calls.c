/* chord_net_calls.c - the virtual network: routing, requests and answers, the overlay's functions as a plugin calls them. */
#include "support/chord_net_internal.h"

/* ---- routing, as reload.md 1.2 and 1.3 say; takes the message ---- */

static bool next_link(struct rf_overlay *self, const struct rf_dest *dest, struct net_link **out)
{
    struct net *net = self->net;
    struct rf_id hop;
    size_t to = net_find(net, &dest->id);
    if (dest->type == RF_DEST_NODE && to < net->node_count) {
        *out = cn_link_between(net, self->number, to);
        if (*out)
            return true;
        if (cn_ops()->in_range(self->topology, &dest->id))
            return false;
    }
    if (!cn_ops()->next_hop(self->topology, &dest->id, &hop))
        return false;
    to = net_find(net, &hop);
    *out = to < net->node_count ? cn_link_between(net, self->number, to) : NULL;
    return *out != NULL;
}

static void pop_dest(struct message *message)
{
    memmove(&message->dests[0], &message->dests[1], (message->dest_count - 1) * sizeof(message->dests[0]));
    message->dest_count--;
}

void cn_forward(struct rf_overlay *self, struct message *message, struct net_link *from)
{
    struct net *net = self->net;
    struct net_link *link = NULL;
    while (message->dest_count > 1 && message->dests[0].type == RF_DEST_NODE &&
           rf_id_equal(&message->dests[0].id, &self->id))
        pop_dest(message);
    const struct rf_dest *dest = &message->dests[0];
    bool mine = dest->type == RF_DEST_NODE ? rf_id_equal(&dest->id, &self->id)
                                           : cn_ops()->responsible(self->topology, &dest->id);
    if (mine) {
        if (message->dest_count == 1)
            cn_deliver(self, message, from);
        else
            cn_message_free(message);
        return;
    }
    bool transit = from != NULL;
    if ((transit && self->role == RF_ROLE_CLIENT) || message->ttl == 0 || !next_link(self, dest, &link)) {
        if (message->ttl == 0)
            net->looped++;
        else
            net->lost_routes++;
        cn_message_free(message);
        return;
    }
    message->ttl--;
    if (transit)
        message->path[message->path_count++] = cn_other_end(from, self->number);
    cn_link_send(net, self->number, link, message);
}

/* The way back of a response: the request's path, from its end. */
void cn_send_back(struct rf_overlay *self, struct message *response)
{
    struct net *net = self->net;
    size_t to = response->path_count ? response->path[response->path_count - 1] : response->origin;
    if (response->path_count)
        response->path_count--;
    struct net_link *link = cn_link_between(net, self->number, to);
    if (link)
        cn_link_send(net, self->number, link, response);
    else {
        net->lost_routes++;
        cn_message_free(response);
    }
}

static struct seen *seen_find(struct rf_overlay *self, const struct message *message)
{
    RF_LIST_EACH(&self->seen, it)
    {
        struct seen *seen = RF_LIST_ENTRY(it, struct seen, list);
        if (seen->origin == message->origin && seen->txn == message->txn)
            return seen;
    }
    return NULL;
}

void cn_seen_forget(struct rf_overlay *self, uint64_t before_us)
{
    RF_LIST_EACH_SAFE(&self->seen, it)
    {
        struct seen *seen = RF_LIST_ENTRY(it, struct seen, list);
        if (seen->at_us >= before_us)
            return;
        rf_list_remove(&seen->list);
        cn_message_free(seen->answer);
        free(seen);
    }
}

static void respond(struct pending *pending, uint16_t code, uint16_t error_code, struct rf_view body)
{
    struct message *response = cn_message_copy(pending->from);
    free(response->body);
    response->body = cn_fresh(body.len + 1);
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
    cn_seen_forget(self, cn_now(net) > LIFETIME_US ? cn_now(net) - LIFETIME_US : 0);
    struct seen *seen = seen_find(self, message);
    if (!seen) {
        seen = cn_fresh(sizeof(*seen));
        seen->origin = message->origin;
        seen->txn = message->txn;
        seen->at_us = cn_now(net);
        rf_list_push_back(&self->seen, &seen->list);
        rf_region_init(&region, &net->mem.mem, 65536);
        if (link)
            message->path[message->path_count++] = cn_other_end(link, self->number);
        pending.seen = seen;
        pending.message.code = message->code;
        pending.message.body = rf_view_of(message->body, message->body_len);
        pending.request.message = &pending.message;
        pending.request.region = &region;
        pending.request.signer.node_id = message->signer;
        if (link) {
            pending.request.link = link->id;
            pending.request.link_node = net->nodes[cn_other_end(link, self->number)].id;
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
        assert_true(
            pending.done); /* "must answer, refuse, defer or ignore before it returns": chord never ignores */
        rf_region_deinit(&region);
    }
    if (seen->answer) {
        struct message *response = cn_message_copy(seen->answer);
        response->signer = self->id;
        if (response->origin == self->number && response->path_count == 0)
            cn_deliver(self, response, NULL);
        else
            cn_send_back(self, response);
    }
    cn_message_free(message);
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

int rf_overlay_refuse(struct rf_overlay *overlay, struct rf_request *request, uint16_t error_code,
                      struct rf_view info)
{
    (void)overlay;
    respond(RF_CONTAINER(request, struct pending, request), RF_CODE_ERROR, error_code, info);
    return 0;
}

int rf_overlay_refuse_text(struct rf_overlay *overlay, struct rf_request *request, uint16_t error_code,
                           const char *text)
{
    return rf_overlay_refuse(overlay, request, error_code, rf_view_str(text));
}

void rf_overlay_refuse_malformed(struct rf_overlay *overlay, struct rf_request *request, int error,
                                 const char *text)
{
    if (error == RF_EUNKNOWN)
        RF_CONTAINER(request, struct pending, request)->done = true; /* no response */
    else
        rf_overlay_refuse_text(overlay, request, RF_ERROR_INVALID_MESSAGE, text);
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

void cn_call_end(struct call *call, const struct rf_reply *reply)
{
    rf_timer_stop(&call->owner->net->timers, &call->timer);
    rf_list_remove(&call->list);
    if (call->done)
        call->done(call->arg, reply);
    cn_message_free(call->request);
    free(call);
}

static void call_send(struct rf_timer *timer, void *arg)
{
    struct call *call = arg;
    struct rf_overlay *self = call->owner;
    (void)timer;
    if (call->left == 0) {
        cn_call_end(call, &(struct rf_reply){.error = RF_ETIMEOUT, .transmissions = call->sent});
        return;
    }
    call->left--;
    call->sent++;
    assert_int_equal(rf_timer_set(&self->net->timers, &call->timer, cn_now(self->net) + call->interval_us),
                     0);
    struct message *copy = cn_message_copy(call->request);
    if (copy->code < 64)
        self->counts.requests[copy->code]++;
    struct net_link *link = cn_link_get(self->net, call->link);
    if (call->link == 0)
        cn_forward(self, copy, NULL);
    else if (link && link->up && (link->ends[0] == self->number || link->ends[1] == self->number))
        cn_link_send(self->net, self->number, link, copy);
    else {
        cn_message_free(copy);
        cn_call_end(call, &(struct rf_reply){.error = RF_EUNREACHABLE, .transmissions = call->sent});
    }
}

int rf_overlay_call(struct rf_overlay *overlay, const struct rf_call *call, rf_call_id *out)
{
    struct net *net = overlay->net;
    assert_true(call->dest_count > 0);
    struct message request = {
        .txn = ++net->next_txn, .origin = overlay->number, .code = call->code, .ttl = TTL};
    struct call *mine = cn_fresh(sizeof(*mine));
    memcpy(request.dests, call->dests, sizeof(request.dests));
    request.dest_count = call->dest_count;
    request.signer = overlay->id;
    request.body = (uint8_t *)(uintptr_t)call->body.p;
    request.body_len = call->body.len;
    mine->request = cn_message_copy(&request);
    mine->owner = overlay;
    mine->id = request.txn;
    mine->link = call->link;
    mine->left = call->max_transmissions ? call->max_transmissions : 5;
    mine->interval_us = call->interval_us ? call->interval_us : 3 * NET_S;
    mine->any_responder = call->any_responder;
    mine->done = call->done;
    mine->arg = call->arg;
    rf_timer_init(&mine->timer, call_send, mine);
    assert_int_equal(rf_timer_set(&net->timers, &mine->timer, cn_now(net)), 0); /* never from inside */
    rf_list_push_back(&overlay->calls, &mine->list);
    *out = mine->id;
    return 0;
}

void rf_overlay_cancel(struct rf_overlay *overlay, rf_call_id id)
{
    RF_LIST_EACH(&overlay->calls, it)
    {
        struct call *call = RF_LIST_ENTRY(it, struct call, list);
        if (call->id == id) {
            cn_call_end(call, &(struct rf_reply){.error = RF_ECANCELLED, .transmissions = call->sent});
            return;
        }
    }
}

static void deliver_response(struct rf_overlay *self, struct message *message, struct net_link *link)
{
    struct call *found = NULL;
    RF_LIST_EACH(&self->calls, it)
    {
        struct call *call = RF_LIST_ENTRY(it, struct call, list);
        if (call->id == message->txn)
            found = call;
    }
    if (found) {
        const struct rf_dest *dest = &found->request->dests[found->request->dest_count - 1];
        bool may =
            dest->type == RF_DEST_NODE
                ? rf_id_equal(&dest->id, &message->signer)
                : found->any_responder || cn_ops()->as_close(self->topology, &message->signer, &dest->id);
        struct rf_region region;
        struct rf_message decoded = {.code = message->code,
                                     .body = rf_view_of(message->body, message->body_len)};
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
            cn_call_end(found, &reply);
        rf_region_deinit(&region);
    }
    cn_message_free(message);
}

void cn_deliver(struct rf_overlay *self, struct message *message, struct net_link *link)
{
    if (message->response)
        deliver_response(self, message, link);
    else
        deliver_request(self, message, link);
}
