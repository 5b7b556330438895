/*
 * calls.c - our requests: signed, sent, sent again, ended (1.4).
 *
 * States. WAITING: sent, or waiting for a way out; its timer sends it again at a constant interval with the same transaction ID, at most
 * max_transmissions times, and then ends it. EXCHANGING: the right node told us that its configuration document (or a Kind) is not
 * ours; the exchange is under way, and when it ends, or the timer, the request goes out anew under a new transaction ID (the old one's
 * answer is remembered there). FAILED: there is no way; ends at the next tick, because nobody is called from inside rf_overlay_call.
 *
 * Events. An answer: reply.c. The link that took the last transmission breaks: sent again at once by another way, at most twice, not
 * counted. The topology has joined: what found no way since goes out. Cancelled: ends at once.
 */
#include "overlay/internal.h"
#include "wire/quiet.h"

#define DEFAULT_TRANSMISSIONS 5
#define MAX_REROUTES          2
#define REROUTE_SPREAD_US     (200 * RF_US_PER_MS) /* so that a broken link does not make a burst */
#define HEADER_SEQUENCE_AT    8                    /* of configuration_sequence in a message */

static struct rf_view txid_key(const struct rf_map_node *node)
{
    const struct call *call = RF_CONTAINER(node, struct call, by_txid);
    return rf_view_of(&call->transaction_id, sizeof(call->transaction_id));
}

static struct rf_view id_key(const struct rf_map_node *node)
{
    const struct call *call = RF_CONTAINER(node, struct call, by_id);
    return rf_view_of(&call->id, sizeof(call->id));
}

void calls_init(struct rf_overlay *o)
{
    rf_map_init(&o->calls.by_txid, o->env->mem, o->env->seed, txid_key);
    rf_map_init(&o->calls.by_id, o->env->mem, o->env->seed, id_key);
    rf_list_init(&o->calls.list);
}

struct call *calls_find(const struct rf_overlay *o, uint64_t transaction_id)
{
    struct rf_map_node *node =
        rf_map_find(&o->calls.by_txid, rf_view_of(&transaction_id, sizeof(transaction_id)));
    return node != NULL ? RF_CONTAINER(node, struct call, by_txid) : NULL;
}

/* ---- the end ---- */

static void call_free(struct call *call)
{
    struct rf_overlay *o = call->overlay;
    rf_free(o->env->mem, call->message);
    rf_free(o->env->mem, call);
}

/* Takes it out of all tables first: done may do what it likes, also with this call's id. */
void calls_end(struct call *call, const struct rf_reply *reply)
{
    struct rf_overlay *o = call->overlay;
    rf_timer_stop(o->env->timers, &call->timer);
    rf_map_remove(&o->calls.by_txid, &call->by_txid);
    rf_map_remove(&o->calls.by_id, &call->by_id);
    rf_list_remove(&call->list);
    o->calls.count--;
    if (call->done != NULL)
        call->done(call->arg, reply);
    call_free(call);
}

struct rf_id calls_hop(const struct call *call)
{
    struct conn *conn = call->last_link != 0 ? conns_find(call->overlay, call->last_link) : NULL;
    return conn != NULL ? conn->info.node : (struct rf_id){.len = 0};
}

static void call_end_error(struct call *call, int error)
{
    struct rf_region region;
    struct rf_reply reply = {.error = error,
                             .error_code = call->error_code,
                             .transmissions = call->transmissions,
                             .hop = calls_hop(call),
                             .doubted = call->doubts > 0,
                             .region = &region};
    if (error == RF_ETIMEOUT && call->error_final)
        reply.error = RF_EREMOTE;
    rf_region_init(&region, call->overlay->env->mem, 1);
    calls_end(call, &reply);
    rf_region_deinit(&region);
}

void calls_deinit(struct rf_overlay *o)
{
    while (!rf_list_empty(&o->calls.list))
        call_end_error(RF_LIST_ENTRY(o->calls.list.next, struct call, list), RF_ECANCELLED);
    rf_map_deinit(&o->calls.by_txid);
    rf_map_deinit(&o->calls.by_id);
}

void rf_overlay_cancel(struct rf_overlay *o, rf_call_id id)
{
    struct rf_map_node *node = rf_map_find(&o->calls.by_id, rf_view_of(&id, sizeof(id)));
    if (node != NULL)
        call_end_error(RF_CONTAINER(node, struct call, by_id), RF_ECANCELLED);
}

/* ---- sending ---- */

static void put_sequence(struct call *call)
{
    const struct rf_overlay *o = call->overlay;
    struct rf_buf buf;
    call->sequence = o->config.conf->sequence;
    rf_buf_fixed(&buf, call->message + HEADER_SEQUENCE_AT, 2);
    rf_buf_u16(&buf, call->config_any ? RF_CONFIG_SEQUENCE_ANY : call->sequence);
}

/* The link for the next transmission: *loop, or NULL if there is none. */
static struct conn *call_way(struct call *call, bool *loop)
{
    struct rf_overlay *o = call->overlay;
    struct rf_view rest = rf_view_of(call->message, call->message_len);
    struct rf_header header;
    struct route route;
    *loop = false;
    if (call->link != 0) {
        struct conn *conn = conns_find(o, call->link);
        return conn != NULL ? conn : conns_best(o, &call->link_node);
    }
    if (rf_header_decode(&rest, overlay_id_len(o), &header) != 0)
        return NULL;
    route_find(o, header.dests, header.dest_count, true, &route);
    *loop = route.type == ROUTE_DELIVER;
    return route.type == ROUTE_FORWARD ? detour_way(call, &route) : NULL;
}

/* RF_EUNREACHABLE: there is no way now; others: the link did not take it. */
static int call_transmit(struct call *call)
{
    struct rf_overlay *o = call->overlay;
    bool loop;
    put_sequence(call);
    struct rf_view message = rf_view_of(call->message, call->message_len);
    struct conn *conn = call_way(call, &loop);
    if (conn == NULL && !loop)
        return RF_EUNREACHABLE;
    uint64_t link = loop ? 0 : conn->info.link; /* sending may end it */
    int error = loop ? send_loop(o, message) : send_own(o, conn, message);
    if (error != 0)
        return error;
    call->sent_us = overlay_now(o);
    call->last_link = link;
    return 0;
}

/* Sends it once more and sets the timer for what comes then. */
static void call_send(struct call *call, bool counted)
{
    struct rf_overlay *o = call->overlay;
    uint64_t delay_us = call->interval_us;
    if (counted && call->transmissions++ > 0)
        o->counters->retransmissions++;
    if (call_transmit(call) == RF_EUNREACHABLE && call->link != 0) {
        call->state = CALL_FAILED; /* the caller wanted this link and no other */
        call->error = RF_EUNREACHABLE;
        delay_us = 0;
    }
    if (rf_env_timer_in(o->env, &call->timer, delay_us) != 0)
        call_end_error(call, RF_ENOMEM);
}

/* A new transaction ID for the same contents; RF_ENOMEM, RF_ECRYPTO: unchanged. */
static int call_renew(struct call *call)
{
    struct rf_overlay *o = call->overlay;
    struct rf_view message = rf_view_of(call->message, call->message_len), rest;
    struct rf_message *old = rf_alloc(o->env->mem, sizeof(*old));
    struct rf_buf out;
    size_t len;
    int error = old != NULL ? rf_message_decode(message, overlay_id_len(o), old) : RF_ENOMEM;
    rf_buf_init(&out, o->env->mem, call->message_len + 256); /* signatures differ a little in length */
    if (error == 0) {
        uint64_t transaction_id = rf_rng_u64(o->env->secret);
        struct pack pack = {transaction_id,  old->code,           old->body,
                            old->extensions, old->security.certs, old->security.cert_count};
        error = send_pack(o, &pack, &rest);
        old->header.transaction_id = transaction_id;
        rf_header_encode(&old->header, rest.len, &out);
        rf_buf_view_put(&out, rest);
        if (error == 0)
            error = rf_buf_error(&out);
        if (error == 0) {
            rf_map_remove(&o->calls.by_txid, &call->by_txid);
            call->transaction_id = transaction_id;
            error = rf_map_insert(&o->calls.by_txid, &call->by_txid);
            RF_ASSERT(error == 0); /* the buckets are there, and nobody guesses 64 bits twice */
            rf_free(o->env->mem, call->message);
            call->message = rf_buf_steal(&out, &len);
            call->message_len = len;
        }
    }
    rf_buf_deinit(&out);
    rf_free(o->env->mem, old);
    return error;
}

static void call_give_up(struct call *call)
{
    struct rf_overlay *o = call->overlay;
    struct rf_id node = call->target.id;
    bool tell = call->target.type == RF_DEST_NODE && !rf_id_is_wildcard(&node) && call->sent_us != 0;
    o->counters->timeouts++;
    call_end_error(call, call->sent_us == 0 ? RF_EUNREACHABLE : RF_ETIMEOUT);
    if (tell && o->topology != NULL)
        o->ops->unresponsive(o->topology, &node);
}

static void call_fired(struct rf_timer *timer, void *arg)
{
    struct call *call = arg;
    (void)timer;
    switch (call->state) {
    case CALL_FAILED:
        call_end_error(call, call->error);
        break;
    case CALL_EXCHANGING:
        call->state = CALL_WAITING;
        call->transmissions = 0;
        if (call_renew(call) != 0) {
            call_end_error(call, RF_ENOMEM);
            break;
        }
        call->error_code = 0;
        call->error_final = false;
        call_send(call, true);
        break;
    case CALL_WAITING:
        if (call->transmissions >= call->max_transmissions && call->quiet && call->sent_us != 0)
            call_end_error(call, 0); /* nothing was to come */
        else if (call->transmissions >= call->max_transmissions)
            call_give_up(call);
        else
            call_send(call, true);
        break;
    }
}

/* ---- events ---- */

void calls_link_down(struct rf_overlay *o, uint64_t link)
{
    RF_LIST_EACH(&o->calls.list, it)
    {
        struct call *call = RF_LIST_ENTRY(it, struct call, list);
        if (call->state != CALL_WAITING || call->last_link != link || call->rerouted >= MAX_REROUTES)
            continue;
        call->last_link = 0;
        call->rerouted++;
        call->transmissions -= call->transmissions > 0; /* what went into a broken link does not count */
        o->counters->rerouted++;
        /* the timer is set: this only moves it */
        (void)rf_env_timer_in(o->env, &call->timer, rf_rng_below(o->env->jitter, REROUTE_SPREAD_US));
    }
}

void calls_joined(struct rf_overlay *o)
{
    RF_LIST_EACH(&o->calls.list, it)
    {
        struct call *call = RF_LIST_ENTRY(it, struct call, list);
        if (call->state == CALL_WAITING && call->last_link == 0) /* never sent, or over a link that broke */
            (void)rf_env_timer_in(o->env, &call->timer, rf_rng_below(o->env->jitter, REROUTE_SPREAD_US));
    }
}

void calls_configured(struct rf_overlay *o)
{
    RF_LIST_EACH(&o->calls.list, it)
    {
        struct call *call = RF_LIST_ENTRY(it, struct call, list);
        if (call->state == CALL_EXCHANGING && call->sequence != o->config.conf->sequence)
            (void)rf_env_timer_in(o->env, &call->timer, 0);
    }
}

void calls_exchanged(struct rf_overlay *o, const struct rf_id *node)
{
    RF_LIST_EACH(&o->calls.list, it)
    {
        struct call *call = RF_LIST_ENTRY(it, struct call, list);
        if (call->state == CALL_EXCHANGING && rf_id_equal(&call->exchange_with, node))
            (void)rf_env_timer_in(o->env, &call->timer, 0);
    }
}

/* ---- a new one ---- */

static void call_set_id(struct rf_call *call, size_t i, const struct rf_dest *dest)
{
    RF_ASSERT(i < RF_CALL_MAX_DESTS);
    call->dests[i] = *dest;
    if (call->dest_count <= i)
        call->dest_count = i + 1;
}

void rf_call_to_node(struct rf_call *call, const struct rf_id *id)
{
    struct rf_dest dest = rf_dest_node(id);
    call_set_id(call, call->dest_count, &dest);
}

void rf_call_to_resource(struct rf_call *call, const struct rf_id *id)
{
    struct rf_dest dest = rf_dest_resource(id);
    call_set_id(call, call->dest_count, &dest);
}

void rf_call_via(struct rf_call *call, const struct rf_id *via)
{
    struct rf_dest dest = rf_dest_node(via);
    RF_ASSERT(call->dest_count >= 1 && call->dest_count < RF_CALL_MAX_DESTS);
    call_set_id(call, call->dest_count, &call->dests[call->dest_count - 1]);
    call->dests[call->dest_count - 2] = dest;
}

/* The destination list as bytes; entries that are ourselves at the front are left out, but for the last. */
static int put_dests(const struct rf_overlay *o, const struct rf_call *from, struct rf_buf *out)
{
    size_t i = 0;
    while (i + 1 < from->dest_count && from->dests[i].type == RF_DEST_NODE &&
           rf_id_equal(&from->dests[i].id, &o->self))
        i++;
    for (; i < from->dest_count; i++)
        rf_dest_encode(&from->dests[i], out);
    return rf_buf_error(out);
}

static int encode_call(struct rf_overlay *o, struct call *call, const struct rf_call *from,
                       struct rf_view dests, struct rf_view extensions)
{
    struct pack pack = {call->transaction_id, from->code,  from->body,
                        extensions,           from->certs, from->cert_count};
    struct rf_header header = {
        .overlay = o->config.conf->overlay_hash,
        .ttl = o->config.conf->initial_ttl,
        .fragment = RF_FRAGMENT_WHOLE,
        .transaction_id = call->transaction_id,
        .max_response_len = from->max_response_len,
        .dests = dests,
    };
    struct rf_buf out;
    struct rf_view rest;
    int error = rf_dest_list_last(dests, overlay_id_len(o), &call->target);
    if (error != 0)
        return RF_EINVAL;
    call->target.bytes = rf_view_of(NULL, 0);
    error = send_pack(o, &pack, &rest);
    if (error != 0)
        return error;
    rf_buf_init(&out, o->env->mem, o->config.conf->max_message_size);
    rf_header_encode(&header, rest.len, &out);
    rf_buf_view_put(&out, rest);
    error = rf_buf_error(&out);
    if (error == 0)
        call->message = rf_buf_steal(&out, &call->message_len);
    rf_buf_deinit(&out);
    return error;
}

static int call_insert(struct rf_overlay *o, struct call *call)
{
    int error = rf_map_insert(&o->calls.by_txid, &call->by_txid);
    if (error != 0)
        return error;
    error = rf_map_insert(&o->calls.by_id, &call->by_id);
    if (error != 0)
        goto out_txid;
    error = rf_env_timer_in(o->env, &call->timer, 0); /* from here on setting it cannot fail */
    if (error != 0)
        goto out_id;
    rf_list_push_back(&o->calls.list, &call->list);
    o->calls.count++;
    return 0;
out_id:
    rf_map_remove(&o->calls.by_id, &call->by_id);
out_txid:
    rf_map_remove(&o->calls.by_txid, &call->by_txid);
    return error;
}

static void call_fill(struct rf_overlay *o, struct call *call, const struct rf_call *from)
{
    struct conn *conn = from->link != 0 ? conns_find(o, from->link) : NULL;
    call->overlay = o;
    call->state = CALL_WAITING;
    call->transaction_id = rf_rng_u64(o->env->secret);
    call->id = ++o->calls.last_id;
    call->code = from->code;
    call->link = from->link;
    if (conn != NULL)
        call->link_node = conn->info.node;
    call->max_transmissions = from->max_transmissions != 0 ? from->max_transmissions : DEFAULT_TRANSMISSIONS;
    call->interval_us =
        from->interval_us != 0 ? from->interval_us : o->config.conf->reliability_timer_ms * RF_US_PER_MS;
    call->config_any = from->config_sequence_any;
    call->any_responder = from->any_responder;
    call->quiet = from->quiet;
    memcpy(call->distrust, from->distrust, sizeof(call->distrust));
    for (size_t i = 0; i < from->avoid_count && i < CALL_MAX_TRIED; i++)
        call->tried[call->tried_count++] = from->avoid[i];
    call->done = from->done;
    call->arg = from->arg;
    rf_timer_init(&call->timer, call_fired, call);
}

int calls_start(struct rf_overlay *o, const struct rf_call *from, struct rf_view dests, bool unlimited,
                rf_call_id *out)
{
    struct rf_buf lists, extensions;
    if (o->closing)
        return RF_ECLOSED;
    if (!rf_code_is_request(from->code) || from->dest_count > RF_CALL_MAX_DESTS)
        return RF_EINVAL;
    if (!unlimited && o->calls.count >= o->config.max_calls)
        return RF_ELIMIT;
    struct call *call = rf_zalloc(o->env->mem, sizeof(*call));
    if (call == NULL)
        return RF_ENOMEM;
    call_fill(o, call, from);
    rf_buf_init(&lists, o->env->mem, UINT16_MAX);
    int error = 0;
    if (dests.len == 0) {
        error = put_dests(o, from, &lists);
        dests = rf_buf_view(&lists);
    }
    rf_buf_init(&extensions, o->env->mem, from->extensions.len + RF_QUIET_LEN);
    if (from->quiet) {
        rf_buf_view_put(&extensions, from->extensions);
        rf_quiet_put(&extensions);
        error = error ? error : rf_buf_error(&extensions);
    }
    if (error == 0)
        error = encode_call(o, call, from, dests, from->quiet ? rf_buf_view(&extensions) : from->extensions);
    rf_buf_deinit(&extensions);
    rf_buf_deinit(&lists);
    if (error == 0)
        error = call_insert(o, call);
    if (error != 0) {
        call_free(call);
        return error;
    }
    o->counters->sent_requests++;
    if (out != NULL)
        *out = call->id;
    call_send(call, true);
    return 0;
}

int rf_overlay_call(struct rf_overlay *o, const struct rf_call *call, rf_call_id *out)
{
    return calls_start(o, call, rf_view_of(NULL, 0), false, out);
}
