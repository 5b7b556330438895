/*
 * flow.c - the shell's doorway. Connections come and go, bytes go in and out; what the shell shall do is asked by
 * rf_links_next_action. A link with something to do stands in `todo` once; its want_ flags say what, and are
 * answered in the order close, connect, output.
 */
#include "link/table.h"

#include "base/assert.h"
#include "base/error.h"

#define OUT_COMPACT_LEN                                                                                      \
    65536 /* sent bytes in front of a buffer that are moved away before more is appended */

/* ---- output ---- */

struct rf_buf *out_begin(struct rf_links *links, struct rf_link *link, size_t *mark)
{
    struct rf_buf *out = &link->out;

    if (link->is_datagrams) {
        rf_buf_reset(&links->wire);
        *mark = 0;
        return &links->wire;
    }
    if (link->out_off > 0 && (link->out_off >= OUT_COMPACT_LEN || link->out_off >= out->len / 2)) {
        memmove(out->p, out->p + link->out_off, out->len - link->out_off);
        out->len -= link->out_off;
        link->out_off = 0;
    }
    *mark = out->len;
    return out;
}

void out_end(struct rf_links *links, struct rf_link *link, size_t mark)
{
    size_t added;

    if (link->is_datagrams) {
        datagrams_flush(links, link);
        return;
    }
    added = link->out.len - mark;
    if (added == 0)
        return;
    if (mark == link->out_off)
        link->progress_us = links_now(links);
    links->backlog_total += added;
    if (!link->output_told && link->flow_open) {
        link->want_output = true;
        link_want(links, link);
    }
}

void out_discard(struct rf_links *links, struct rf_link *link)
{
    links->backlog_total -= link_backlog(link);
    rf_buf_deinit(&link->out);
    link->out_off = 0;
    link->want_output = false;
    link->output_told = false;
}

struct rf_view rf_links_output(struct rf_links *links, rf_link_id flow)
{
    const struct rf_link *link = link_find(links, flow);

    if (!link || link_backlog(link) == 0)
        return rf_view_of(NULL, 0);
    return rf_view_of(link->out.p + link->out_off, link_backlog(link));
}

void rf_links_output_done(struct rf_links *links, rf_link_id flow, size_t len)
{
    struct rf_link *link = link_find(links, flow);

    if (!link || len == 0)
        return;
    RF_ASSERT(len <= link_backlog(link));
    links->counters->bytes_out += len;
    links->backlog_total -= len;
    link->bytes_out += len;
    link->out_off += len;
    link->progress_us = links_now(links);
    if (link_backlog(link) == 0)
        out_discard(links, link);
    ack_pay(links, link);
    if (link_backlog(link) > 0)
        return;
    if (link->state == RF_LINK_UP)
        watch(links, link);
    else if (link->state == RF_LINK_CLOSING && link->down_told && !link->want_close)
        link_free(links, link);
}

/* ---- actions ---- */

void link_want(struct rf_links *links, struct rf_link *link)
{
    if ((link->want_close || link->want_connect || link->want_output) && rf_list_empty(&link->todo))
        rf_list_push_back(&links->todo, &link->todo);
}

/* Answers one wish of the link. True: `out` is filled in. The link may be gone afterwards. */
static bool take_action(struct rf_links *links, struct rf_link *link, struct rf_flow_action *out)
{
    rf_list_remove(&link->todo);
    *out = (struct rf_flow_action){.flow = link->id};
    if (link->want_close) {
        out->type = RF_FLOW_CLOSE;
        link->want_close = false;
        if (link->state != RF_LINK_CLOSING) { /* the next address follows */
            link->flow_open = false;
        } else if (link_backlog(link) == 0) {
            link_free(links, link);
            return true;
        }
        link->want_output = false;
    } else if (link->want_connect) {
        out->type = RF_FLOW_CONNECT;
        out->addr = link->remote;
        link->want_connect = false;
        link->flow_open = true;
    } else if (link->want_output) {
        link->want_output = false;
        if (link_backlog(link) == 0)
            return false;
        out->type = RF_FLOW_OUTPUT;
        link->output_told = true;
    } else {
        return false;
    }
    link_want(links, link);
    return true;
}

void rf_links_next_action(struct rf_links *links, struct rf_flow_action *out)
{
    RF_ASSERT(!links->ack_link);
    report_ended(links);
    if (queue_take(links, out))
        return;
    while (!rf_list_empty(&links->todo))
        if (take_action(links, RF_LIST_ENTRY(links->todo.next, struct rf_link, todo), out))
            return;
    *out = (struct rf_flow_action){.type = RF_FLOW_NONE};
}

/* ---- connections ---- */

int link_accept(struct rf_links *links, const struct rf_addr *remote, const struct rf_addr *local,
                struct rf_link **out)
{
    const struct rf_link_config *config = &links->config;
    struct link_address *address;
    struct rf_link *link;
    int err;

    if (links->map.count + config->reserved_links >= config->max_links) {
        links->counters->refused_limit++;
        return RF_ELIMIT;
    }
    if (config->max_handshakes && links->accepting >= config->max_handshakes) {
        links->counters->refused_handshakes++;
        return RF_ELIMIT;
    }
    err = address_admit(links, remote, &address);
    if (err) {
        links->counters->refused_address += err == RF_ELIMIT;
        return err;
    }
    if (!budget_take(links, remote)) {
        links->counters->refused_budget++;
        address_leave(links, address);
        return RF_ELIMIT;
    }
    err = link_new(links, &link);
    if (err) {
        address_leave(links, address);
        return err;
    }
    link->address = address;
    link->remote = *remote;
    link->local = *local;
    link_set_state(links, link, RF_LINK_HANDSHAKE);
    err = watch_deadline(links, link, config->handshake_timeout_us);
    if (err) {
        link_free(links, link);
        return err;
    }
    links->counters->accepted++;
    *out = link;
    return 0;
}

int rf_links_accept(struct rf_links *links, const struct rf_addr *remote, const struct rf_addr *local,
                    rf_link_id *flow)
{
    struct rf_link *link;
    int err = link_accept(links, remote, local, &link);

    if (err)
        return err;
    link->flow_open = true;
    *flow = link->id;
    return 0;
}

void rf_links_connected(struct rf_links *links, rf_link_id flow, const struct rf_addr *local)
{
    struct rf_link *link = link_find(links, flow);
    struct rf_buf *wire;
    size_t mark;
    int err;

    if (!link || link->state != RF_LINK_CONNECTING || !link->flow_open || link->want_close)
        return;
    links->counters->connected++;
    budget_charge(links);
    link->local = *local;
    link_set_state(links, link, RF_LINK_HANDSHAKE);
    err = watch_deadline(links, link, links->config.handshake_timeout_us);
    if (!err)
        err = channel_open(links, link);
    if (!err) {
        wire = out_begin(links, link, &mark);
        err = link_ops(links, link)->channel_start(link->channel, wire);
        out_end(links, link, mark);
    }
    if (err)
        link_fail(links, link, err);
    report_ended(links);
}

void rf_links_closed(struct rf_links *links, rf_link_id flow, int reason)
{
    struct rf_link *link = link_find(links, flow);

    if (!link || !link->flow_open)
        return;
    link->flow_open = false;
    if (link->want_close && link->state != RF_LINK_CLOSING) { /* that of the address before this one */
        link->want_close = false;
        return;
    }
    link->want_close = false;
    out_discard(links, link);
    if (link->state == RF_LINK_CLOSING) {
        if (link->down_told)
            link_free(links, link);
    } else if (link->state == RF_LINK_UP) {
        link_end(links, link, reason, false);
    } else {
        if (link->state == RF_LINK_CONNECTING)
            links->counters->connect_failed++;
        else
            links->counters->handshake_failed++;
        link_fail(links, link, reason);
    }
    report_ended(links);
}

/* Plain bytes of a link that is UP, and what the channel's state means for it. */
static void deliver(struct rf_links *links, struct rf_link *link, int err)
{
    frames_input(links, link, rf_buf_view(&links->scratch->plain));
    acks_flush(links, link);
    if (err)
        link_end(links, link, err, false);
    else if (link->channel && link_ops(links, link)->channel_state(link->channel) == RF_CHANNEL_CLOSED)
        link_end(links, link, RF_EGOODBYE, true);
}

static void channel_feed(struct rf_links *links, struct rf_link *link, struct rf_view bytes)
{
    const struct rf_engine_ops *ops = link_ops(links, link);
    struct rf_buf *wire;
    size_t mark;
    int err;

    rf_buf_reset(&links->scratch->plain);
    wire = out_begin(links, link, &mark);
    err = ops->channel_input(link->channel, bytes, &links->scratch->plain, wire);
    out_end(links, link, mark);
    if (link->state == RF_LINK_HANDSHAKE) {
        enum rf_channel_state state = ops->channel_state(link->channel);
        if (err || state == RF_CHANNEL_CLOSED) {
            links->counters->handshake_failed++;
            link_fail(links, link, err ? err : RF_ECLOSED);
            return;
        }
        if (state == RF_CHANNEL_UP)
            link_up(links, link);
    }
    if (link->state == RF_LINK_UP)
        deliver(links, link, err);
}

void rf_links_input(struct rf_links *links, rf_link_id flow, struct rf_view bytes)
{
    struct rf_link *link = link_find(links, flow);

    RF_ASSERT(!links->ack_link);
    if (!link || bytes.len == 0 || !link->flow_open || link->want_close || link->is_datagrams)
        return;
    links->counters->bytes_in += bytes.len;
    if (link->state != RF_LINK_HANDSHAKE && link->state != RF_LINK_UP)
        return;
    link->bytes_in += bytes.len;
    if (!channel_ensure(links, link))
        return;
    links->ack_link = link;
    channel_feed(links, link, bytes);
    links->ack_link = NULL;
    rf_buf_reset(&links->scratch->acks);
    if (link->state == RF_LINK_UP) {
        watch(links, link);
        quiet_active(links);
    } else if (link->state == RF_LINK_CLOSING) {
        reader_drop(links, link);
    }
    report_ended(links);
}
