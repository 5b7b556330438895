/* send.c - what goes out: messages of our own packed and signed, responses on their way back, fragments, and what we send to ourselves. */
#include "overlay/internal.h"
#include "wire/method.h"

#define HEADER_LENGTH_AT 16 /* of length in a message */

static int count_sent(struct rf_overlay *o, int error)
{
    if (error == RF_EAGAIN)
        o->counters->dropped_backlog++;
    else if (error == RF_ELIMIT)
        o->counters->dropped_too_large++;
    else if (error != 0)
        o->counters->dropped_no_route++;
    return error;
}

bool send_can_cut(const struct conn *conn, size_t len, size_t header_len)
{
    size_t max = conn->max_message;
    return max == 0 || len <= max || header_len + 2 * RF_FRAGMENT_MIN_LEN <= max;
}

/*
 * How long fragments may be. The via list of a request grows on the next hops: what left no room for that would be cut again by each of them (1.7). A
 * response's does not, and what is for the other end of the link has no next hop. Of a later fragment nobody knows which it is.
 */
static size_t fragment_len(const struct conn *conn, uint8_t id_len, const struct rf_header *header,
                           struct rf_view rest)
{
    size_t max = conn->max_message, spare = max / 8 > 32 ? max / 8 : 32;
    struct rf_dest dest;
    if (rf_code_is_response(forward_code(header, rest)))
        return max;
    if (header->dest_count == 1 && rf_dest_list_last(header->dests, id_len, &dest) == 0 &&
        dest.type == RF_DEST_NODE && rf_id_equal(&dest.id, &conn->info.node))
        return max;
    return max > spare ? max - spare : max;
}

static int send_in_fragments(struct rf_overlay *o, const struct conn *conn, struct rf_view message)
{
    uint64_t link = conn->info.link;
    struct rf_view rest = message;
    struct rf_header header;
    struct rf_split split;
    int error = rf_header_decode(&rest, overlay_id_len(o), &header);
    if (error == 0)
        error = rf_split_start(&split, &header, rest, fragment_len(conn, overlay_id_len(o), &header, rest));
    if (error == RF_ELIMIT)
        error = rf_split_start(&split, &header, rest, conn->max_message);
    if (error == RF_ELIMIT) /* too little data would go into each: the layers below may fragment (1.7) */
        return o->host.send(o->host.ctx, link, message);
    while (error == 0) {
        rf_buf_reset(&o->scratch->piece);
        if (!rf_split_next(&split, &o->scratch->piece))
            break;
        error = rf_buf_error(&o->scratch->piece);
        if (error == 0)
            error = o->host.send(o->host.ctx, link, rf_buf_view(&o->scratch->piece));
        o->counters->fragments_sent += error == 0;
    }
    return error;
}

int send_on(struct rf_overlay *o, const struct conn *conn, struct rf_view message)
{
    if (conn->max_message != 0 && message.len > conn->max_message)
        return count_sent(o, send_in_fragments(o, conn, message));
    return count_sent(o, o->host.send(o->host.ctx, conn->info.link, message));
}

int rf_overlay_resend(struct rf_overlay *o, uint64_t link, struct rf_view message)
{
    struct conn *conn = conns_find(o, link);
    return conn != NULL ? send_on(o, conn, message) : RF_ENOTFOUND;
}

int rf_overlay_reroute(struct rf_overlay *o, uint64_t link, struct rf_view message)
{
    struct rf_header header;
    struct rf_dest dest;
    struct rf_view rest = message;
    int error = rf_header_decode(&rest, overlay_id_len(o), &header);
    if (error == 0)
        error = rf_dest_next(&header.dests, overlay_id_len(o), &dest);
    if (error != 0)
        return error;
    struct conn *conn = dest.type == RF_DEST_NODE ? route_next_hop(o, &dest) : NULL;
    return conn != NULL && conn->info.link != link ? send_on(o, conn, message) : RF_EUNREACHABLE;
}

/* ---- without certificates that the other end has ---- */

static bool is_ours(const struct rf_cert *cert, struct rf_view der)
{
    if (rf_view_equal(der, cert->x509.der))
        return true;
    for (size_t i = 0; i < cert->chain_count; i++)
        if (rf_view_equal(der, cert->chain[i]))
            return true;
    return false;
}

/* Appends to `out` what follows the header, the certificates of `cert` left out. Errors: RF_EUNSUPPORTED not for this method; others: it is no message. */
static int put_without(struct rf_view rest, const struct rf_cert *cert, struct rf_buf *out)
{
    struct rf_view whole = rest, body, extensions, list, der;
    uint16_t code;
    uint8_t type;
    int error = rf_view_u16(&rest, &code);
    if (error == 0 && (code == RF_CODE_STORE_REQ || code == RF_CODE_FETCH_ANS))
        return RF_EUNSUPPORTED; /* values inside may need it, and longer than this message */
    if (error == 0)
        error = rf_view_v(&rest, 4, &body);
    if (error == 0)
        error = rf_view_v(&rest, 4, &extensions);
    size_t contents_len = whole.len - rest.len;
    if (error == 0)
        error = rf_view_v(&rest, 2, &list);
    rf_buf_view_put(out, rf_view_of(whole.p, contents_len));
    size_t mark = rf_buf_open(out, 2);
    while (error == 0 && list.len > 0) {
        error = rf_view_u8(&list, &type);
        if (error == 0)
            error = rf_view_v(&list, 2, &der);
        if (error == 0 && !is_ours(cert, der)) {
            rf_buf_u8(out, type);
            rf_buf_v(out, 2, der);
        }
    }
    rf_buf_close(out, mark, 2);
    rf_buf_view_put(out, rest);
    return error != 0 ? error : rf_buf_error(out);
}

/* The message for the node at the other end and nobody else, shortened into o->scratch->brief; false: it goes as it is. */
static bool make_brief(struct rf_overlay *o, const struct conn *conn, struct rf_view message)
{
    struct rf_view rest = message;
    struct rf_header header;
    struct rf_dest dest;
    if (conn->ours != o->config.identity->cert || conn->ours == NULL ||
        rf_header_decode(&rest, overlay_id_len(o), &header) != 0 || header.dest_count != 1 ||
        header.via.len != 0 || rf_dest_list_last(header.dests, overlay_id_len(o), &dest) != 0)
        return false;
    if (dest.type != RF_DEST_NODE || !rf_id_equal(&dest.id, &conn->info.node))
        return false;
    rf_buf_reset(&o->scratch->brief);
    rf_buf_view_put(&o->scratch->brief, rf_view_of(message.p, message.len - rest.len));
    size_t head_len = o->scratch->brief.len;
    if (put_without(rest, conn->ours, &o->scratch->brief) != 0)
        return false;
    struct rf_buf length;
    rf_buf_fixed(&length, o->scratch->brief.p + HEADER_LENGTH_AT, 4);
    rf_buf_u32(&length, (uint32_t)o->scratch->brief.len);
    return o->scratch->brief.len > head_len;
}

int send_own(struct rf_overlay *o, struct conn *conn, struct rf_view message)
{
    if (!make_brief(o, conn, message))
        return send_on(o, conn, message);
    o->counters->sent_brief++;
    return send_on(o, conn, rf_buf_view(&o->scratch->brief));
}

/* ---- to ourselves ---- */

int send_loop(struct rf_overlay *o, struct rf_view message)
{
    struct looped *item = NULL;
    if (o->looped_count >= OVERLAY_MAX_LOOPED)
        return count_sent(o, RF_EAGAIN);
    if (rf_timer_is_set(&o->loop_timer) || rf_env_timer_in(o->env, &o->loop_timer, 0) == 0)
        item = rf_alloc(o->env->mem, sizeof(*item) + message.len);
    if (item == NULL) {
        o->counters->dropped_memory++;
        return RF_ENOMEM;
    }
    item->len = message.len;
    memcpy(item->bytes, message.p, message.len);
    rf_list_push_back(&o->looped, &item->list);
    o->looped_count++;
    o->counters->looped_back++;
    return 0;
}

void send_loop_fired(struct rf_timer *timer, void *arg)
{
    struct rf_overlay *o = arg;
    (void)timer;
    /* what these cause is queued behind them, for the next tick */
    for (size_t n = o->looped_count; n > 0 && !rf_list_empty(&o->looped); n--) {
        struct looped *item = RF_LIST_ENTRY(o->looped.next, struct looped, list);
        struct arrival a = {.link_node = o->self, .message = rf_view_of(item->bytes, item->len)};
        rf_list_remove(&item->list);
        o->looped_count--;
        forward_arrival(o, &a);
        rf_free(o->env->mem, item);
    }
    if (!rf_list_empty(&o->looped) && !rf_timer_is_set(&o->loop_timer))
        (void)rf_env_timer_in(o->env, &o->loop_timer,
                              0); /* if refused, the next message to ourselves sets it */
}

void send_loop_deinit(struct rf_overlay *o)
{
    rf_timer_stop(o->env->timers, &o->loop_timer);
    RF_LIST_EACH_SAFE(&o->looped, it)
    rf_free(o->env->mem, RF_LIST_ENTRY(it, struct looped, list));
    rf_list_init(&o->looped);
    o->looped_count = 0;
}

/* ---- packing ---- */

int send_pack(struct rf_overlay *o, const struct pack *pack, struct rf_view *rest)
{
    struct rf_buf *contents = &o->scratch->contents, *out = &o->scratch->rest;
    rf_buf_reset(contents);
    rf_buf_reset(out);
    rf_contents_encode(pack->code, pack->body, pack->extensions, contents);
    rf_buf_view_put(out, rf_buf_view(contents));
    int error = rf_buf_error(contents) != 0 ? rf_buf_error(contents) : rf_buf_error(out);
    if (error == 0)
        error =
            rf_identity_security_block(o->config.identity, o->config.conf->overlay_hash, pack->transaction_id,
                                       rf_buf_view(contents), pack->certs, pack->cert_count, out);
    if (error == 0)
        error = rf_buf_error(out);
    *rest = rf_buf_view(out);
    return error;
}

/* ---- responses ---- */

void send_way_put(struct rf_overlay *o, const struct way *way, struct rf_buf *out)
{
    rf_dest_list_way_back(way->header->via, way->link != 0 ? &way->link_node : &o->self, out);
}

/* Options that the request wants copied into the response, their flags cleared (2.4). */
static void copied_options_put(const struct rf_header *header, struct rf_buf *out)
{
    struct rf_view list = header->options;
    struct rf_option option;
    while (list.len > 0 && rf_option_next(&list, &option) == 0) {
        if ((option.flags & RF_OPTION_RESPONSE_COPY) == 0)
            continue;
        option.flags &= (uint8_t) ~(RF_OPTION_FORWARD_CRITICAL | RF_OPTION_DESTINATION_CRITICAL |
                                    RF_OPTION_RESPONSE_COPY);
        rf_option_encode(&option, out);
    }
}

/* Fills the response's header; its lists lie in o->scratch->lists. */
static int response_header(struct rf_overlay *o, const struct way *way, struct rf_header *out)
{
    struct rf_buf *lists = &o->scratch->lists;
    rf_buf_reset(lists);
    send_way_put(o, way, lists);
    size_t dests_len = lists->len;
    copied_options_put(way->header, lists);
    *out = (struct rf_header){
        .overlay = o->config.conf->overlay_hash,
        .config_sequence = o->config.conf->sequence,
        .ttl = o->config.conf->initial_ttl,
        .fragment = RF_FRAGMENT_WHOLE,
        .transaction_id = way->header->transaction_id,
        .dests = rf_view_of(lists->p, dests_len),
        .options = rf_view_of(lists->p + dests_len, lists->len - dests_len),
    };
    return rf_buf_error(lists);
}

size_t send_response_header_len(const struct rf_overlay *o, const struct way *way)
{
    struct rf_view list = way->header->options;
    struct rf_option option;
    size_t len = RF_HEADER_MIN_LEN + 2 + o->self.len + way->header->via.len;
    while (list.len > 0 && rf_option_next(&list, &option) == 0)
        len += (option.flags & RF_OPTION_RESPONSE_COPY) != 0 ? 4 + option.data.len : 0;
    return len;
}

int send_response(struct rf_overlay *o, const struct way *way, struct rf_view rest)
{
    struct rf_header header;
    int error = response_header(o, way, &header);
    rf_buf_reset(&o->scratch->out);
    if (error == 0) {
        rf_header_encode(&header, rest.len, &o->scratch->out);
        rf_buf_view_put(&o->scratch->out, rest);
        error = rf_buf_error(&o->scratch->out);
    }
    if (error != 0) {
        o->counters->dropped_memory++;
        return error;
    }
    if (way->link == 0)
        return send_loop(o, rf_buf_view(&o->scratch->out));
    struct rf_dest sender = rf_dest_node(&way->link_node);
    struct conn *conn = conns_find(o, way->link);
    if (conn == NULL) /* gone meanwhile: perhaps there is another way to that node */
        conn = route_next_hop(o, &sender);
    if (conn == NULL) {
        o->counters->dropped_no_route++;
        return RF_EUNREACHABLE;
    }
    return send_own(o, conn, rf_buf_view(&o->scratch->out));
}

void send_path_error(struct rf_overlay *o, struct conn *conn, const struct rf_header *header,
                     uint16_t error_code, const char *text)
{
    uint8_t body[128];
    struct rf_buf buf;
    struct rf_view rest;
    if (conn == NULL)
        return;
    if (!bucket_take(&conn->errors, overlay_now(o), OVERLAY_ERRORS_PER_S, OVERLAY_ERRORS_PER_S * 2)) {
        o->counters->errors_limited++;
        return;
    }
    struct rf_error_body error = {.code = error_code, .info = rf_view_str(text)};
    rf_buf_fixed(&buf, body, sizeof(body));
    rf_error_body_encode(&error, &buf);
    struct pack pack = {
        .transaction_id = header->transaction_id, .code = RF_CODE_ERROR, .body = rf_buf_view(&buf)};
    struct way way = {.link = conn->info.link, .link_node = conn->info.node, .header = header};
    if (rf_buf_error(&buf) == 0 && send_pack(o, &pack, &rest) == 0 && send_response(o, &way, rest) == 0)
        o->counters->errors_sent++;
}
