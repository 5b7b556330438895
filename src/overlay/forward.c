/*
 * forward.c - what comes in from links: header checks (1.2), then on to the next hop, or to us.
 *
 * Most messages end here. A message that only passes allocates nothing and is copied once, into o->scratch->out. Its signature is not looked at.
 */
#include "overlay/internal.h"

uint16_t forward_code(const struct rf_header *header, struct rf_view rest)
{
    uint16_t code = 0;
    if ((header->fragment & RF_FRAGMENT_OFFSET_MASK) == 0)
        (void)rf_view_u16(&rest, &code);
    return code;
}

/* A request is told why it goes no further. */
static void refuse(struct rf_overlay *o, const struct arrival *a, uint16_t error_code, const char *text)
{
    if (error_code != 0 && rf_code_is_request(forward_code(&a->header, a->rest)))
        send_path_error(o, a->conn, &a->header, error_code, text);
}

/* Drops a message, and says so if there is something to tell. */
static void drop(struct rf_overlay *o, const struct arrival *a, uint64_t *counter, uint16_t error_code,
                 const char *text)
{
    (*counter)++;
    refuse(o, a, error_code, text);
}

/* A forwarder must understand options that are marked so (2.4). The routing mode asks nothing of it. */
static bool options_understood(const struct rf_header *header)
{
    struct rf_view list = header->options;
    struct rf_option option;
    while (list.len > 0 && rf_option_next(&list, &option) == 0)
        if ((option.flags & RF_OPTION_FORWARD_CRITICAL) != 0 &&
            option.type != RF_OPTION_EXTENSIVE_ROUTING_MODE)
            return false;
    return true;
}

static bool state_forbidden(const struct rf_header *header)
{
    struct rf_view list = header->options;
    struct rf_option option;
    while (list.len > 0 && rf_option_next(&list, &option) == 0)
        if ((option.flags & RF_OPTION_IGNORE_STATE_KEEPING) != 0)
            return true;
    return false;
}

/* May its via list be kept here? Not that of a piece: the pieces of one message must keep the same first via entry. */
static bool may_be_kept(const struct arrival *a)
{
    return rf_header_is_whole(&a->header) && !state_forbidden(&a->header) && a->header.via_count > 0;
}

/*
 * The message with the way it came appended to its via list, or, if that makes it too large or its header too long for the link, with the list
 * kept here. RF_ELIMIT: it is too large all the same.
 */
static int encode_forwarded(struct rf_overlay *o, const struct arrival *a, struct rf_forwarding *how,
                            const struct conn *to, bool response)
{
    struct rf_dest from = rf_dest_node(&a->link_node), opaque;
    size_t max_len = o->config.conf->max_message_size;
    /* a later piece does not tell whether it is of a request: if it is not, the via list does no harm (1.7) */
    how->via = response ? NULL : &from;
    rf_buf_reset(&o->scratch->out);
    int error = rf_header_forward(a->message, &a->header, how, &o->scratch->out);
    size_t len = o->scratch->out.len;
    if (error == 0 && len > max_len)
        error = RF_ELIMIT;
    bool too_long = error == RF_ELIMIT || (error == 0 && !send_can_cut(to, len, len - a->rest.len));
    if (!too_long || response || !may_be_kept(a))
        return error;
    error = opaque_keep(o, a->header.via, &a->link_node, &opaque);
    if (error != 0)
        return error;
    o->counters->vias_compressed++;
    how->via = &opaque;
    how->replace_via = true;
    rf_buf_reset(&o->scratch->out);
    error = rf_header_forward(a->message, &a->header, how, &o->scratch->out);
    return error == 0 && o->scratch->out.len > max_len ? RF_ELIMIT : error;
}

static void forward_to(struct rf_overlay *o, const struct arrival *a, const struct route *route)
{
    uint16_t code = forward_code(&a->header, a->rest);
    bool response = rf_code_is_response(code);
    if (a->header.ttl == 0) {
        drop(o, a, &o->counters->dropped_ttl,
             code == RF_CODE_PATH_TRACK_REQ ? RF_ERROR_TTL_HOPS_EXCEEDED : RF_ERROR_TTL_EXCEEDED,
             "ttl ran out");
        return;
    }
    if (!response && rf_dest_list_visits(a->header.via, &o->self) >= OVERLAY_MAX_VISITS) {
        drop(o, a, &o->counters->dropped_loop, RF_ERROR_LOOP_DETECTED, "it has been here several times");
        return;
    }
    if (!options_understood(&a->header)) {
        drop(o, a, &o->counters->dropped_option, RF_ERROR_UNSUPPORTED_FORWARDING_OPTION, "critical option");
        return;
    }
    /* back where it came from, without a source route that asks for it: our tables and theirs disagree */
    if (a->conn != NULL && route->conn->peer == a->conn->peer && route->drop_count == 0) {
        drop(o, a, &o->counters->dropped_loop, RF_ERROR_UPSTREAM_MISROUTING, "the way leads back to you");
        return;
    }
    struct rf_forwarding how = {.drop_count = route->drop_count, .prepend = route->prepend};
    int error;
    if (a->conn == NULL) { /* our own, that was ours to answer a moment ago */
        error = send_on(o, route->conn, a->message);
        o->counters->forwarded += error == 0;
        return;
    }
    error = encode_forwarded(o, a, &how, route->conn, response);
    if (error == RF_ELIMIT) {
        drop(o, a, &o->counters->dropped_too_large, RF_ERROR_MESSAGE_TOO_LARGE, "grew too large on the way");
        return;
    }
    if (error != 0) {
        o->counters->dropped_memory++;
        return;
    }
    error = send_on(o, route->conn, rf_buf_view(&o->scratch->out));
    o->counters->forwarded += error == 0;
    if (error == RF_ELIMIT)
        refuse(o, a, RF_ERROR_MESSAGE_TOO_LARGE, "its header is too long for the next link");
}

/* It is for us, whole. */
static void deliver_whole(struct rf_overlay *o, const struct arrival *a)
{
    struct rf_message message = {.header = a->header};
    if (rf_message_decode_rest(a->rest, &message) != 0)
        o->counters->dropped_malformed++;
    else if (rf_code_is_request(message.code))
        dispatch_request(o, a, &message);
    else
        reply_take(o, a, &message);
}

static void deliver(struct rf_overlay *o, struct arrival *a)
{
    if (rf_header_is_whole(&a->header)) {
        deliver_whole(o, a);
        return;
    }
    struct assembly *assembly = fragments_add(o, a);
    if (assembly == NULL)
        return;
    deliver_whole(o, a);
    assembly_free(o, assembly);
}

static bool is_kept(struct rf_overlay *o, const struct arrival *a, const struct rf_dest *dest)
{
    return o->host.absent != NULL && a->conn != NULL && dest->type == RF_DEST_NODE &&
           o->host.absent(o->host.ctx, &dest->id, a->link, a->message);
}

static void route_arrival(struct rf_overlay *o, struct arrival *a)
{
    struct route route;
    route_find(o, a->header.dests, a->header.dest_count, a->conn == NULL, &route);
    switch (route.type) {
    case ROUTE_DELIVER:
        a->dest = route.dest;
        deliver(o, a);
        break;
    case ROUTE_FORWARD:
        forward_to(o, a, &route);
        break;
    case ROUTE_REPEATS:
        drop(o, a, &o->counters->dropped_bad_destination, RF_ERROR_INVALID_MESSAGE, "an entry stands twice");
        break;
    case ROUTE_BAD:
        if (is_kept(o, a, &route.dest))
            o->counters->absent++;
        else
            o->counters->dropped_bad_destination++;
        break;
    case ROUTE_NOWHERE:
        /* a peer that is not in the ring yet says so: a joiner that began with it need not wait for a time-out */
        drop(o, a, &o->counters->dropped_no_route,
             overlay_is_peer(o) && route.dest.type == RF_DEST_RESOURCE ? RF_ERROR_NOT_FOUND : 0,
             "no way there from here");
        break;
    }
}

/* a->message and the link are set. */
void forward_arrival(struct rf_overlay *o, struct arrival *a)
{
    const struct rf_conf *conf = o->config.conf;
    a->rest = a->message;
    int error = rf_header_decode(&a->rest, overlay_id_len(o), &a->header);
    if (error == RF_EVERSION)
        o->counters->dropped_overlay++; /* where an answer would go is not known in another version */
    else if (error != 0)
        o->counters->dropped_malformed++;
    else if (a->header.overlay != conf->overlay_hash)
        drop(o, a, &o->counters->dropped_overlay, RF_ERROR_INCOMPATIBLE_WITH_OVERLAY, "another overlay");
    else if (a->message.len > conf->max_message_size)
        drop(o, a, &o->counters->dropped_too_large, RF_ERROR_MESSAGE_TOO_LARGE,
             "larger than max-message-size");
    else if (a->header.ttl > conf->initial_ttl)
        drop(o, a, &o->counters->dropped_ttl, RF_ERROR_TTL_EXCEEDED, "ttl above initial-ttl");
    else if (rf_dest_list_has(a->header.via, RF_DEST_RESOURCE))
        o->counters->dropped_via++; /* silently: there is no way back over such a list (1.3) */
    else
        route_arrival(o, a);
}

void rf_overlay_too_large(struct rf_overlay *o, uint64_t link, struct rf_view front)
{
    struct conn *conn = conns_find(o, link);
    if (conn == NULL) {
        o->counters->dropped_unknown_link++;
        return;
    }
    struct arrival a = {
        .conn = conn, .link = link, .link_node = conn->info.node, .message = front, .rest = front};
    if (rf_header_decode_front(&a.rest, overlay_id_len(o), &a.header) != 0)
        o->counters->dropped_malformed++;
    else if (a.header.overlay != o->config.conf->overlay_hash)
        o->counters->dropped_overlay++;
    else
        drop(o, &a, &o->counters->dropped_too_large, RF_ERROR_MESSAGE_TOO_LARGE,
             "larger than max-message-size");
}

void rf_overlay_receive(struct rf_overlay *o, uint64_t link, struct rf_view message)
{
    struct conn *conn = conns_find(o, link);
    o->counters->received++;
    if (conn == NULL) {
        o->counters->dropped_unknown_link++;
        return;
    }
    struct arrival a = {.conn = conn, .link = link, .link_node = conn->info.node, .message = message};
    forward_arrival(o, &a);
}
