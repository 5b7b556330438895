/* store_net.c - the doubles of store_net.h: transport, topology, disk. */
#include "support/store_net_internal.h"

#define SN_TRIES       5
#define SN_INTERVAL_US (3 * RF_US_PER_S)

/* ---- messages ---- */

static struct rf_mem *mem_of(struct sn_net *net)
{
    return &net->mem.mem;
}

static void encode(struct sn_node *from, uint16_t code, struct rf_view body, const struct rf_view *certs,
                   size_t cert_count, uint64_t transaction, uint32_t max_response, struct rf_buf *out)
{
    struct rf_buf contents, security, dests;
    struct rf_mem *mem = rf_mem_system();
    rf_buf_init(&contents, mem, 1 << 20);
    rf_buf_init(&security, mem, 1 << 20);
    rf_buf_init(&dests, mem, 1 << 10);
    rf_contents_encode(code, body, rf_view_of(NULL, 0), &contents);
    assert_int_equal(rf_identity_security_block(&from->identity, from->net->pki.conf->overlay_hash,
                                                transaction, rf_buf_view(&contents), certs, cert_count,
                                                &security),
                     0);
    struct rf_dest self = rf_dest_node(&from->identity.node_id);
    rf_dest_encode(&self, &dests);
    struct rf_header header = {.overlay = from->net->pki.conf->overlay_hash,
                               .config_sequence = from->net->pki.conf->sequence,
                               .ttl = 10,
                               .fragment = RF_FRAGMENT_WHOLE,
                               .transaction_id = transaction,
                               .max_response_len = max_response,
                               .dests = rf_buf_view(&dests)};
    rf_message_encode(&header, rf_buf_view(&contents), rf_buf_view(&security), out);
    assert_int_equal(rf_buf_error(out), 0);
    rf_buf_deinit(&contents);
    rf_buf_deinit(&security);
    rf_buf_deinit(&dests);
}

static void message_init(struct sn_net *net, struct sn_message *m, const uint8_t *bytes, size_t len)
{
    m->bytes = rf_memdup(rf_mem_system(), bytes, len);
    m->len = len;
    rf_region_init(&m->region, rf_mem_system(), 1 << 20);
    assert_int_equal(rf_message_decode(rf_view_of(m->bytes, len), net->pki.conf->id_len, &m->decoded), 0);
}

static void message_deinit(struct sn_message *m)
{
    rf_region_deinit(&m->region);
    rf_free(rf_mem_system(), m->bytes);
}

/* ---- ring ---- */

bool sn_in_ring(const struct sn_node *n)
{
    return n->alive && n->peer && !n->joining;
}

static bool sees(const struct sn_node *a, const struct sn_node *b)
{
    return a == b || (a->alive && b->alive && a->side == b->side);
}

/* The members that `n` knows, in ring order from n's successor on; returns how many. */
static size_t members(const struct sn_node *n, const struct sn_node *out[SN_MAX_NODES])
{
    struct sn_net *net = n->net;
    size_t count = 0;
    for (size_t i = 0; i < net->count; i++) {
        const struct sn_node *m = &net->nodes[i];
        if (m == n || !sn_in_ring(m) || !sees(n, m))
            continue;
        struct rf_id away = rf_id_sub(&m->identity.node_id, &n->identity.node_id);
        size_t at = count++;
        for (; at > 0; at--) {
            struct rf_id other = rf_id_sub(&out[at - 1]->identity.node_id, &n->identity.node_id);
            if (rf_id_compare(&other, &away) < 0)
                break;
            out[at] = out[at - 1];
        }
        out[at] = m;
    }
    return count;
}

struct sn_node *sn_owner(struct sn_net *net, const struct rf_id *id, int side)
{
    struct sn_node *best = NULL;
    struct rf_id best_away = {.len = 0};
    for (size_t i = 0; i < net->count; i++) {
        struct sn_node *m = &net->nodes[i];
        if (!sn_in_ring(m) || m->side != side)
            continue;
        struct rf_id away = rf_id_sub(&m->identity.node_id, id);
        if (best == NULL || rf_id_compare(&away, &best_away) < 0) {
            best = m;
            best_away = away;
        }
    }
    return best;
}

static const struct sn_node *node_of(const struct rf_topology *t)
{
    return (const struct sn_node *)(const void *)t;
}
static bool t_responsible(const struct rf_topology *t, const struct rf_id *key)
{
    const struct sn_node *n = node_of(t);
    return sn_in_ring(n) && !n->unaware && sn_owner(n->net, key, n->side) == n;
}
static size_t t_replicas(const struct rf_topology *t, struct rf_id *out, size_t max)
{
    const struct sn_node *list[SN_MAX_NODES];
    size_t count = members(node_of(t), list);
    count = count < 2 ? count : 2;
    count = count < max ? count : max;
    for (size_t i = 0; i < count; i++)
        out[i] = list[i]->identity.node_id;
    return count;
}
static bool t_single(const struct rf_topology *t)
{
    const struct sn_node *list[SN_MAX_NODES];
    return members(node_of(t), list) == 0;
}
/* How many members lie between key and node going up: 0 = it is responsible. */
static size_t rank(const struct sn_node *viewer, const struct rf_id *node, const struct rf_id *key)
{
    const struct sn_node *list[SN_MAX_NODES];
    size_t count = members(viewer, list);
    list[count] = viewer; /* room: a net has at most SN_MAX_NODES with us */
    count++;
    struct rf_id away = rf_id_sub(node, key);
    size_t nearer = 0;
    for (size_t i = 0; i < count; i++) {
        if (!sn_in_ring(list[i]))
            continue;
        struct rf_id other = rf_id_sub(&list[i]->identity.node_id, key);
        nearer += rf_id_compare(&other, &away) < 0;
    }
    return nearer;
}
static bool t_may_replicate(const struct rf_topology *t, const struct rf_id *sender, const struct rf_id *key)
{
    const struct sn_node *n = node_of(t);
    return !n->unaware && rank(n, sender, key) == 0 && rank(n, &n->identity.node_id, key) <= 2;
}
static bool t_should_hold(const struct rf_topology *t, const struct rf_id *key)
{
    const struct sn_node *n = node_of(t);
    return rank(n, &n->identity.node_id, key) <= 2;
}
static bool t_owner(const struct rf_topology *t, const struct rf_id *key, struct rf_id *out)
{
    const struct sn_node *n = node_of(t);
    struct sn_node *owner = sn_owner(n->net, key, n->side);
    if (owner == NULL || owner == n)
        return false;
    *out = owner->identity.node_id;
    return true;
}
static enum rf_topology_state t_state(const struct rf_topology *t)
{
    const struct sn_node *n = node_of(t);
    return n->joining ? RF_TOPOLOGY_JOINING : RF_TOPOLOGY_JOINED;
}
/* Three successors, three predecessors. */
static size_t t_status(const struct rf_topology *t, struct rf_topology_status_entry *out, size_t max)
{
    const struct sn_node *list[SN_MAX_NODES];
    size_t count = members(node_of(t), list), at = 0;
    for (unsigned i = 0; i < count && i < 3; i++) {
        assert_true(at + 2 <= max);
        out[at++] = (struct rf_topology_status_entry){
            .node = list[i]->identity.node_id, .relation = 's', .rank = i + 1};
        out[at++] = (struct rf_topology_status_entry){
            .node = list[count - 1 - i]->identity.node_id, .relation = 'p', .rank = i + 1};
    }
    return at;
}

static const struct rf_topology_ops sn_topology = {
    .name = "double",
    .responsible = t_responsible,
    .replicas = t_replicas,
    .ring_is_single = t_single,
    .may_replicate = t_may_replicate,
    .should_hold = t_should_hold,
    .owner = t_owner,
    .state = t_state,
    .status = t_status,
};

/* ---- what the storage calls ---- */

const struct rf_topology_ops *rf_overlay_topology(const struct rf_overlay *overlay, struct rf_topology **t)
{
    *t = (struct rf_topology *)(void *)overlay->node;
    return &sn_topology;
}

void rf_call_to_node(struct rf_call *call, const struct rf_id *id)
{
    call->dests[call->dest_count++] = rf_dest_node(id);
}

void rf_call_to_resource(struct rf_call *call, const struct rf_id *id)
{
    call->dests[call->dest_count++] = rf_dest_resource(id);
}

int rf_overlay_handle(struct rf_overlay *overlay, uint16_t code, rf_request_fn fn, void *arg)
{
    if (overlay->handlers[code].fn != NULL)
        return RF_EEXIST;
    overlay->handlers[code].fn = fn;
    overlay->handlers[code].arg = arg;
    return 0;
}

static void on_event(struct rf_timer *timer, void *arg);

static void deliver(struct sn_node *from, struct sn_node *to, const uint8_t *bytes, size_t len,
                    rf_call_id call, bool answer, const struct rf_dest *dest)
{
    struct sn_net *net = from->net;
    struct sn_event *event = calloc(1, sizeof(*event));
    *event =
        (struct sn_event){.net = net, .from = from, .to = to, .len = len, .call = call, .answer = answer};
    if (dest != NULL)
        event->dest = *dest;
    event->bytes = malloc(len);
    memcpy(event->bytes, bytes, len);
    rf_timer_init(&event->timer, on_event, event);
    assert_int_equal(rf_timer_set(&net->events, &event->timer, net->now.mono_us + net->latency_us), 0);
}

static void transmit(struct sn_call *call)
{
    struct sn_net *net = call->from->net;
    struct sn_node *to = call->fixed;
    if (!call->from->alive)
        return; /* nobody hears it */
    net->sent[call->code]++;
    if (getenv("SN_TRACE") != NULL)
        fprintf(stderr, "%.3f %zu -> %02x%s code %x try %u\n", (double)net->now.mono_us / 1e6,
                call->from->number, call->dest.id.b[0], call->dest.type == RF_DEST_NODE ? "" : "(resource)",
                call->code, call->tries);
    if (to == NULL && call->dest.type == RF_DEST_RESOURCE)
        to = sn_owner(net, &call->dest.id, call->from->side);
    for (size_t i = 0; i < net->count && to == NULL && call->dest.type == RF_DEST_NODE; i++)
        if (rf_id_equal(&net->nodes[i].identity.node_id, &call->dest.id))
            to = &net->nodes[i];
    if (to == NULL || !sees(call->from, to) ||
        (net->lose != NULL && net->lose(net->lose_arg, call->from, to, call->code)))
        return;
    deliver(call->from, to, call->bytes, call->len, call->id, false, &call->dest);
}

static void call_end(struct sn_call *call, const struct rf_reply *reply)
{
    rf_reply_fn done = call->done;
    void *arg = call->arg;
    rf_list_remove(&call->list);
    rf_timer_stop(&call->from->net->events, &call->timer);
    free(call->bytes);
    free(call);
    if (done != NULL)
        done(arg, reply);
}

static void on_call_timer(struct rf_timer *timer, void *arg)
{
    struct sn_call *call = arg;
    (void)timer;
    if (call->tries >= call->max_tries) {
        struct rf_reply reply = {.error = RF_ETIMEOUT};
        call_end(call, &reply);
        return;
    }
    call->tries++;
    transmit(call);
    assert_int_equal(
        rf_timer_set(&call->from->net->events, &call->timer, call->from->net->now.mono_us + SN_INTERVAL_US),
        0);
}

static struct sn_call *call_new(struct sn_node *from, uint16_t code, struct rf_view body,
                                const struct rf_view *certs, size_t cert_count, uint32_t max_response)
{
    struct sn_call *call = calloc(1, sizeof(*call));
    struct rf_buf bytes;
    rf_buf_init(&bytes, rf_mem_system(), 1 << 20);
    call->id = ++from->overlay->next_call;
    call->from = from;
    call->code = code;
    encode(from, code, body, certs, cert_count, call->id << 8 | from->number, max_response, &bytes);
    call->bytes = malloc(bytes.len);
    memcpy(call->bytes, bytes.p, bytes.len);
    call->len = bytes.len;
    rf_buf_deinit(&bytes);
    rf_timer_init(&call->timer, on_call_timer, call);
    rf_list_push_back(&from->overlay->calls, &call->list);
    return call;
}

int rf_overlay_call(struct rf_overlay *overlay, const struct rf_call *call, rf_call_id *out)
{
    struct sn_node *from = overlay->node;
    struct sn_net *net = from->net;
    void *probe = rf_alloc(mem_of(net), 1); /* refused allocations are felt here as well */
    if (probe == NULL)
        return RF_ENOMEM;
    rf_free(mem_of(net), probe);
    struct sn_call *c =
        call_new(from, call->code, call->body, call->certs, call->cert_count, call->max_response_len);
    if (c->len > net->pki.conf->max_message_size) {
        rf_list_remove(&c->list);
        free(c->bytes);
        free(c);
        return RF_ELIMIT;
    }
    c->dest = call->dests[call->dest_count - 1];
    c->done = call->done;
    c->arg = call->arg;
    c->max_tries = call->max_transmissions != 0 ? call->max_transmissions : SN_TRIES;
    c->tries = 1;
    transmit(c);
    assert_int_equal(rf_timer_set(&net->events, &c->timer, net->now.mono_us + SN_INTERVAL_US), 0);
    if (out != NULL)
        *out = c->id;
    return 0;
}

static struct sn_call *call_find(struct rf_overlay *overlay, rf_call_id id)
{
    RF_LIST_EACH(&overlay->calls, it)
    {
        struct sn_call *call = RF_LIST_ENTRY(it, struct sn_call, list);
        if (call->id == id)
            return call;
    }
    return NULL;
}

void rf_overlay_cancel(struct rf_overlay *overlay, rf_call_id id)
{
    struct sn_call *call = call_find(overlay, id);
    struct rf_reply reply = {.error = RF_ECANCELLED};
    if (call != NULL)
        call_end(call, &reply);
}

/* ---- requests and answers ---- */

void sn_incoming_free(struct sn_incoming *in)
{
    rf_list_remove(&in->list);
    rf_signer_deinit(&in->request.signer);
    message_deinit(&in->message);
    free(in);
}

static void incoming_answered(struct sn_incoming *in)
{
    in->answered = true;
    if (in->deferred)
        sn_incoming_free(in);
}

size_t rf_overlay_room(struct rf_overlay *overlay, const struct rf_request *request)
{
    size_t max = overlay->node->net->pki.conf->max_message_size;
    size_t asked = request->message->header.max_response_len;
    if (asked != 0 && asked < max)
        max = asked;
    return max > 1000 ? max - 1000 : 0;
}

static void respond(struct rf_overlay *overlay, struct rf_request *request, uint16_t code,
                    struct rf_view body, const struct rf_view *certs, size_t cert_count)
{
    struct sn_incoming *in = (struct sn_incoming *)request;
    struct sn_node *from = overlay->node;
    struct rf_buf bytes, changed;
    rf_buf_init(&bytes, rf_mem_system(), 1 << 20);
    rf_buf_init(&changed, rf_mem_system(), 1 << 20);
    rf_buf_view_put(&changed, body);
    if (from->net->tamper != NULL)
        from->net->tamper(from->net->tamper_arg, from, &changed);
    assert_false(in->answered);
    encode(from, code, rf_buf_view(&changed), certs, cert_count, request->message->header.transaction_id, 0,
           &bytes);
    assert_true(bytes.len <= from->net->pki.conf->max_message_size);
    if (sees(from, in->from) &&
        (from->net->lose == NULL || !from->net->lose(from->net->lose_arg, from, in->from, code)))
        deliver(from, in->from, bytes.p, bytes.len, in->call, true, NULL);
    rf_buf_deinit(&bytes);
    rf_buf_deinit(&changed);
    incoming_answered(in);
}

int rf_overlay_answer(struct rf_overlay *overlay, struct rf_request *request, struct rf_view body,
                      const struct rf_view *certs, size_t cert_count)
{
    respond(overlay, request, (uint16_t)(request->message->code + 1), body, certs, cert_count);
    return 0;
}

int rf_overlay_refuse(struct rf_overlay *overlay, struct rf_request *request, uint16_t error_code,
                      struct rf_view info)
{
    struct rf_error_body error = {error_code, info};
    struct rf_buf body;
    rf_buf_init(&body, rf_mem_system(), 1 << 16);
    rf_error_body_encode(&error, &body);
    respond(overlay, request, RF_CODE_ERROR, rf_buf_view(&body), NULL, 0);
    rf_buf_deinit(&body);
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
    struct sn_incoming *in = (struct sn_incoming *)request;
    if (error != RF_EUNKNOWN)
        rf_overlay_refuse_text(overlay, request, RF_ERROR_INVALID_MESSAGE, text);
    else if (in->deferred)
        sn_incoming_free(in);
    else
        in->answered = true;
}

static struct sn_incoming *incoming_new(struct sn_node *at, struct sn_node *from, const uint8_t *bytes,
                                        size_t len, rf_call_id call, const struct rf_dest *dest)
{
    struct sn_incoming *in = calloc(1, sizeof(*in));
    message_init(at->net, &in->message, bytes, len);
    in->at = at;
    in->from = from;
    in->call = call;
    rf_list_push_back(&at->overlay->requests, &in->list);
    in->request = (struct rf_request){.link = 1 + from->number,
                                      .link_node = from->identity.node_id,
                                      .message = &in->message.decoded,
                                      .to_resource = dest->type == RF_DEST_RESOURCE,
                                      .resource = dest->id,
                                      .region = &in->message.region};
    assert_int_equal(
        rf_verify_message(at->trust, &in->message.decoded, at->net->now.wall_ms, &in->request.signer), 0);
    return in;
}

struct rf_request *rf_overlay_defer(struct rf_overlay *overlay, struct rf_request *request)
{
    struct sn_incoming *in = (struct sn_incoming *)request;
    void *probe = rf_alloc(mem_of(overlay->node->net), 1);
    assert_false(in->deferred);
    if (probe == NULL) {
        rf_overlay_refuse_text(overlay, request, RF_ERROR_REQUEST_TIMEOUT, "no memory");
        return NULL;
    }
    rf_free(mem_of(overlay->node->net), probe);
    struct rf_dest dest = request->to_resource ? rf_dest_resource(&request->resource)
                                               : rf_dest_node(&overlay->node->identity.node_id);
    struct sn_incoming *copy =
        incoming_new(in->at, in->from, in->message.bytes, in->message.len, in->call, &dest);
    copy->deferred = true;
    in->answered = true; /* by the copy */
    return &copy->request;
}

void rf_overlay_drop(struct rf_overlay *overlay, struct rf_request *deferred)
{
    (void)overlay;
    sn_incoming_free((struct sn_incoming *)deferred);
}

static void arrive_request(struct sn_event *event)
{
    struct sn_node *to = event->to;
    struct sn_incoming *in =
        incoming_new(to, event->from, event->bytes, event->len, event->call, &event->dest);
    uint16_t code = in->message.decoded.code;
    if (to->net->see != NULL)
        to->net->see(to->net->see_arg, to, &in->request);
    assert_true(code < 128 && to->overlay->handlers[code].fn != NULL);
    to->overlay->handlers[code].fn(to->overlay->handlers[code].arg, &in->request);
    assert_true(in->answered); /* or deferred */
    sn_incoming_free(in);
}

static void arrive_answer(struct sn_event *event)
{
    struct sn_call *call = call_find(event->to->overlay, event->call);
    if (call == NULL)
        return;
    struct sn_message m;
    struct rf_signer signer;
    message_init(event->net, &m, event->bytes, event->len);
    assert_int_equal(rf_verify_message(event->to->trust, &m.decoded, event->net->now.wall_ms, &signer), 0);
    struct rf_reply reply = {
        .body = m.decoded.body, .message = &m.decoded, .signer = &signer, .region = &m.region};
    if (m.decoded.code == RF_CODE_ERROR) {
        struct rf_error_body body;
        assert_int_equal(rf_error_body_decode(m.decoded.body, &body), 0);
        reply.error = RF_EREMOTE;
        reply.error_code = body.code;
        reply.error_info = body.info;
    }
    if (reply.error_code != RF_ERROR_REQUEST_TIMEOUT || call->fixed != NULL) /* that one is retransmitted */
        call_end(call, &reply);
    rf_signer_deinit(&signer);
    message_deinit(&m);
}

static void on_event(struct rf_timer *timer, void *arg)
{
    struct sn_event *event = arg;
    (void)timer;
    if (event->to->alive && event->to->overlay != NULL && sees(event->from, event->to)) {
        if (event->answer)
            arrive_answer(event);
        else
            arrive_request(event);
    }
    free(event->bytes);
    free(event);
}

/* ---- raw requests ---- */

static void on_raw(void *arg, const struct rf_reply *reply)
{
    struct sn_reply *out = arg;
    out->done = true;
    out->error = reply->error;
    out->error_code = reply->error_code;
    out->info_len = reply->error_info.len;
    assert_true(reply->error_info.len <= sizeof(out->info) && reply->body.len <= sizeof(out->body));
    if (reply->error_info.len > 0)
        memcpy(out->info, reply->error_info.p, reply->error_info.len);
    out->body_len = reply->body.len;
    if (reply->body.len > 0)
        memcpy(out->body, reply->body.p, reply->body.len);
    if (reply->message != NULL)
        out->cert_count = reply->message->security.cert_count;
}

void sn_request_start(struct sn_net *net, const struct sn_raw *raw, struct sn_reply *reply)
{
    memset(reply, 0, sizeof(*reply));
    struct sn_call *call =
        call_new(raw->from, raw->code, raw->body, raw->certs, raw->cert_count, raw->max_response_len);
    call->fixed = raw->to;
    call->dest = raw->to_node ? rf_dest_node(&raw->to->identity.node_id) : rf_dest_resource(&raw->resource);
    call->done = on_raw;
    call->arg = reply;
    call->max_tries = 1;
    call->tries = 1;
    transmit(call);
    assert_int_equal(rf_timer_set(&net->events, &call->timer, net->now.mono_us + 20 * RF_US_PER_S), 0);
}

void sn_request(struct sn_net *net, const struct sn_raw *raw, struct sn_reply *reply)
{
    sn_request_start(net, raw, reply);
    for (int i = 0; i < 25000 && !reply->done; i++)
        sn_run(net, 1000);
    assert_true(reply->done);
}
