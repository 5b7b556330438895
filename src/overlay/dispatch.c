/*
 * dispatch.c - requests that reached us: budget, duplicates, signature, configuration sequence, options and extensions, then the
 * method's handler. What is cheap comes before what is dear: a duplicate is known before its signature is verified.
 */
#include "overlay/internal.h"
#include "wire/admit.h"
#include "wire/method.h"

/* ---- the budgets: per link and in all, maintenance of the overlay first ---- */

/* A Store that a neighbor sends as a copy: replica_number follows the Resource-ID (4.3). */
static bool is_replica_store(const struct rf_message *message)
{
    struct rf_view body = message->body, resource;
    uint8_t replica_number = 0;
    return message->code == RF_CODE_STORE_REQ && message->header.via_count == 0 &&
           rf_view_v(&body, 1, &resource) == 0 && rf_view_u8(&body, &replica_number) == 0 &&
           replica_number > 0;
}

static bool is_maintenance(const struct rf_message *message)
{
    switch (message->code) {
    case RF_CODE_JOIN_REQ:
    case RF_CODE_LEAVE_REQ:
    case RF_CODE_UPDATE_REQ:
    case RF_CODE_PING_REQ:
    case RF_CODE_CONFIG_UPDATE_REQ:
        return true;
    default:
        return is_replica_store(message);
    }
}

/* What keeps the ring together, or makes it: that of peers, and Attaches of nodes that do not say they are clients. */
static bool is_of_the_ring(const struct rf_overlay *o, const struct conn *conn,
                           const struct rf_message *message)
{
    if (message->code == RF_CODE_ATTACH_REQ)
        return rf_admit_wish_of(message->extensions) == RF_ADMIT_NONE;
    if (message->code == RF_CODE_ROUTE_QUERY_REQ)
        return rf_overlay_is_peer(o, &conn->info.node);
    return is_maintenance(message) && message->code != RF_CODE_PING_REQ;
}

/* The budget in all: the ring first, then those whom we serve, then those who would like to be served. */
static bool admit_in_all(struct rf_overlay *o, const struct conn *conn, const struct rf_message *message)
{
    uint64_t rate = o->config.max_requests_per_s_total, now_us = overlay_now(o);
    uint64_t keep = message->code == RF_CODE_ATTACH_REQ ? rate / 2 : 0;
    if (rate == 0)
        return true;
    if (is_of_the_ring(o, conn, message)) {
        (void)bucket_take(&o->requests, now_us, rate, rate);
        return true;
    }
    return bucket_take_above(&o->requests, now_us, rate, rate, keep);
}

/* Maintenance has a budget of its own as large as that of everything, and may use both. */
static bool admit(struct rf_overlay *o, struct conn *conn, const struct rf_message *message)
{
    uint64_t rate = o->config.max_requests_per_s, now_us = overlay_now(o);
    if (conn == NULL || rate == 0)
        return true;
    if (!admit_in_all(o, conn, message))
        return false;
    if (is_maintenance(message) && bucket_take(&conn->maintenance, now_us, rate, rate))
        return true;
    return bucket_take(&conn->requests, now_us, rate, rate);
}

/* ---- duplicates ---- */

static void answer_again(struct rf_overlay *o, const struct arrival *a, const struct rf_message *message,
                         const struct kept_answer *kept)
{
    struct way way = {.link = a->link, .link_node = a->link_node, .header = &message->header};
    if (!kept->answered) {
        o->counters->dropped_being_answered++;
        return;
    }
    o->counters->answered_from_cache++;
    (void)send_response(o, &way, rf_view_of(kept->rest, kept->rest_len)); /* counted there */
}

/* ---- what a request may ask of us ---- */

static bool options_understood(struct rf_overlay *o, struct request *request)
{
    struct rf_view list = request->pub.message->header.options;
    struct rf_option option;
    while (list.len > 0 && rf_option_next(&list, &option) == 0) {
        /* who asks for a direct response is to be told that we give none, critical or not; by an Error of its own (D13) */
        bool direct = option.type == RF_OPTION_EXTENSIVE_ROUTING_MODE;
        if (!direct && (option.flags & RF_OPTION_DESTINATION_CRITICAL) == 0)
            continue;
        o->counters->dropped_option++;
        rf_overlay_refuse_text(o, &request->pub,
                               direct ? RF_ERROR_UNKNOWN_EXTENSION : RF_ERROR_UNSUPPORTED_FORWARDING_OPTION,
                               direct ? "no direct responses here" : "critical forwarding option");
        return false;
    }
    return true;
}

/* The only one that something here reads, and only there: Diagnostic_Ping (7.5). */
static bool extensions_understood(struct rf_overlay *o, struct request *request)
{
    struct rf_view list = request->pub.message->extensions;
    bool ping = request->pub.message->code == RF_CODE_PING_REQ;
    struct rf_extension extension;
    while (list.len > 0 && rf_extension_next(&list, &extension) == 0) {
        if (!extension.critical || (ping && extension.type == RF_EXTENSION_DIAGNOSTIC_PING))
            continue;
        rf_overlay_refuse_text(o, &request->pub, RF_ERROR_UNKNOWN_EXTENSION, "critical extension");
        return false;
    }
    return true;
}

/* ---- the handler ---- */

static const struct handler *handler_of(const struct rf_overlay *o, uint16_t code)
{
    for (size_t i = 0; i < o->handler_count; i++)
        if (o->handlers[i].code == code)
            return &o->handlers[i];
    return NULL;
}

int rf_overlay_handle(struct rf_overlay *o, uint16_t code, rf_request_fn fn, void *arg)
{
    if (!rf_code_is_request(code) || code > OVERLAY_MAX_CODE || fn == NULL)
        return RF_EINVAL;
    if (handler_of(o, code) != NULL)
        return RF_EEXIST;
    struct handler *more = rf_resize(o->env->mem, o->handlers, (o->handler_count + 1) * sizeof(*more));
    if (more == NULL)
        return RF_ENOMEM;
    o->handlers = more;
    more[o->handler_count++] = (struct handler){code, fn, arg};
    return 0;
}

static void handle(struct rf_overlay *o, struct request *request, uint64_t print)
{
    const struct rf_message *message = request->pub.message;
    const struct handler *handler = handler_of(o, message->code);
    if (!overlay_config_check(o, request) || !options_understood(o, request) ||
        !extensions_understood(o, request))
        return;
    if (handler == NULL) {
        rf_overlay_refuse_text(o, &request->pub, RF_ERROR_INVALID_MESSAGE, "unknown method");
        return;
    }
    o->counters->delivered_requests++;
    request->keep_answer = true;
    answers_begin(o, message->header.transaction_id, &request->pub.signer.node_id, print);
    handler->fn(handler->arg, &request->pub);
}

void dispatch_request(struct rf_overlay *o, const struct arrival *a, const struct rf_message *message)
{
    struct request request = {
        .pub = {.link = a->link,
                .link_node = a->link_node,
                .message = message,
                .to_resource = a->dest.type == RF_DEST_RESOURCE,
                .to_wildcard = a->dest.type == RF_DEST_NODE && rf_id_is_wildcard(&a->dest.id),
                .region = &request.region},
        .rest = a->rest,
    };
    uint64_t transaction_id = message->header.transaction_id;
    if (request.pub.to_resource)
        request.pub.resource = a->dest.id;
    if (!admit(o, a->conn, message)) {
        o->counters->refused_overload++;
        send_path_error(o, a->conn, &message->header, RF_ERROR_REQUEST_TIMEOUT,
                        "overloaded: try again later");
        return;
    }
    uint64_t print = answers_print(o, message, a->rest);
    const struct kept_answer *kept = answers_find_print(o, print);
    if (kept != NULL) {
        answer_again(o, a, message, kept);
        return;
    }
    if (conns_verify(o, a->conn, message, &request.pub.signer) != 0) {
        o->counters->dropped_signature++;
        return;
    }
    rf_region_init(&request.region, o->env->mem, OVERLAY_REGION_LEN(a->rest.len));
    kept = answers_find(o, transaction_id, &request.pub.signer.node_id);
    if (kept != NULL)
        answer_again(o, a, message, kept);
    else
        handle(o, &request, print);
    rf_region_deinit(&request.region);
    rf_signer_deinit(&request.pub.signer);
}
