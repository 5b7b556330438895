/* peer.c - connections of the scripted peers with the node: wire bytes, the channel, frames and their acknowledgements. */
#include "replay/world.h"

#include <stdlib.h>

#include "base/assert.h"

struct conn {
    struct conn *next;
    struct peer *peer;
    rf_link_id flow;
    struct rf_channel *channel;
    struct rf_buf to_node, to_peer; /* wire bytes under way */
    bool confirm;                   /* the node's dialling succeeded and it is not told yet */
    bool refuse, closing;           /* the node is to be told that it is gone */
    bool over;                      /* either side has closed it */
    struct rf_frame_reader reader;
    struct rf_ack_log acks;
    uint32_t sequence; /* of our next data frame */
};

static const char *const alpn[] = {"reload"};

static struct conn *conn_new(struct peer *p, bool server, rf_link_id flow)
{
    struct conn *c = calloc(1, sizeof(*c));

    RF_ASSERT(c != NULL);
    c->peer = p;
    c->flow = flow;
    RF_ASSERT(rf_engine_plain.channel_new(p->engine, server, alpn, 1, rf_view_str(""), &c->channel) == 0);
    rf_buf_init(&c->to_node, rf_mem_system(), 1 << 24);
    rf_buf_init(&c->to_peer, rf_mem_system(), 1 << 24);
    rf_frame_reader_init(&c->reader, rf_mem_system(), 1 << 20);
    c->next = p->world->conns;
    p->world->conns = c;
    p->conn = c;
    return c;
}

static void conn_free(struct conn *c)
{
    struct world *w = c->peer->world;
    struct conn **at = &w->conns;

    while (*at != c)
        at = &(*at)->next;
    *at = c->next;
    if (c->peer->conn == c) { /* an older one may still stand */
        c->peer->conn = NULL;
        for (struct conn *other = w->conns; other != NULL && c->peer->conn == NULL; other = other->next)
            if (other->peer == c->peer && !other->over)
                c->peer->conn = other;
    }
    rf_engine_plain.channel_free(c->channel);
    rf_buf_deinit(&c->to_node);
    rf_buf_deinit(&c->to_peer);
    rf_frame_reader_deinit(&c->reader);
    free(c);
}

void conns_free(struct world *w)
{
    while (w->conns != NULL)
        conn_free(w->conns);
}

static struct conn *conn_find(struct world *w, rf_link_id flow)
{
    for (struct conn *c = w->conns; c != NULL; c = c->next)
        if (c->flow == flow && !c->over)
            return c;
    return NULL;
}

/* ---- the inbox ---- */

void item_free(struct item *item)
{
    rf_buf_deinit(&item->message);
    free(item);
}

struct item *inbox_pop(struct peer *p)
{
    struct item *item = p->inbox;

    if (item != NULL)
        p->inbox = item->next;
    return item;
}

static void inbox_put(struct peer *p, struct rf_view message)
{
    struct item *item = calloc(1, sizeof(*item)), **at = &p->inbox;

    RF_ASSERT(item != NULL);
    rf_buf_init(&item->message, rf_mem_system(), 1 << 20);
    rf_buf_view_put(&item->message, message);
    while (*at != NULL)
        at = &(*at)->next;
    *at = item;
}

/* ---- bytes ---- */

static void write_plain(struct conn *c, struct rf_view bytes)
{
    if (!c->over && rf_engine_plain.channel_state(c->channel) == RF_CHANNEL_UP)
        RF_ASSERT(rf_engine_plain.channel_write(c->channel, bytes, &c->to_node) == 0);
}

static void write_frame(struct conn *c, const struct rf_frame *frame)
{
    struct rf_buf out;

    rf_buf_init(&out, rf_mem_system(), 1 << 20);
    rf_frame_encode(frame, &out);
    RF_ASSERT(rf_buf_error(&out) == 0);
    write_plain(c, rf_buf_view(&out));
    rf_buf_deinit(&out);
}

bool peer_frame(struct peer *p, struct rf_view message)
{
    struct conn *c = p->conn;

    if (c == NULL || c->over || rf_engine_plain.channel_state(c->channel) != RF_CHANNEL_UP)
        return world_fail(p->world, "%s has no link with the node", p->name);
    write_frame(c, &(struct rf_frame){.type = RF_FRAME_DATA, .sequence = c->sequence++, .message = message});
    return true;
}

static void take_frame(struct conn *c, const struct rf_frame *frame)
{
    struct rf_frame ack;

    if (frame->type != RF_FRAME_DATA)
        return;
    rf_ack_log_add(&c->acks, frame->sequence, &ack);
    if (!c->peer->silent)
        write_frame(c, &ack);
    if (!message_auto(c->peer, frame->message))
        inbox_put(c->peer, frame->message);
}

/* The peer's side of what arrived there. */
static void conn_input(struct conn *c)
{
    struct rf_buf wire = c->to_peer, plain;
    struct rf_frame frame;
    struct rf_view in;

    rf_buf_init(&c->to_peer, rf_mem_system(), 1 << 24);
    rf_buf_init(&plain, rf_mem_system(), 1 << 24);
    if (c->peer->listens != LISTENS_MUTE)
        (void)rf_engine_plain.channel_input(c->channel, rf_buf_view(&wire), &plain, &c->to_node);
    in = rf_buf_view(&plain);
    while (in.len > 0 && rf_frame_reader_next(&c->reader, &in, &frame) == 0)
        take_frame(c, &frame);
    rf_buf_deinit(&plain);
    rf_buf_deinit(&wire);
}

/* One thing that waits at a connection. A connection that is over goes away. */
static bool conn_deliver(struct conn *c)
{
    struct world *w = c->peer->world;
    rf_link_id flow = c->flow;

    if (c->confirm) {
        c->confirm = false;
        rf_node_connected(w->node, flow, &w->addr, w->now);
    } else if (c->to_peer.len > 0) {
        conn_input(c);
    } else if (c->to_node.len > 0 && !c->over) {
        struct rf_buf bytes = c->to_node;
        rf_buf_init(&c->to_node, rf_mem_system(), 1 << 24);
        rf_node_input(w->node, flow, rf_buf_view(&bytes), w->now);
        rf_buf_deinit(&bytes);
    } else if (c->closing) {
        bool refuse = c->refuse;
        conn_free(c);
        rf_node_closed(w->node, flow, refuse ? RF_EUNREACHABLE : RF_ECLOSED, w->now);
    } else if (c->over) {
        conn_free(c);
    } else {
        return false;
    }
    return true;
}

bool peer_deliver(struct world *w)
{
    for (struct conn *c = w->conns; c != NULL; c = c->next)
        if (conn_deliver(c))
            return true;
    return false;
}

/* ---- the node's side ---- */

void peer_take(struct world *w, rf_link_id flow)
{
    struct conn *c = conn_find(w, flow);
    struct rf_view v = rf_node_output(w->node, flow);

    if (c != NULL)
        rf_buf_view_put(&c->to_peer, v);
    if (v.len > 0)
        rf_node_output_done(w->node, flow, v.len);
}

void peer_flow_closed(struct world *w, rf_link_id flow)
{
    struct conn *c = conn_find(w, flow);

    peer_take(w, flow);
    if (c != NULL)
        c->over = true;
}

void peer_dialled(struct world *w, const struct rf_flow_action *action)
{
    struct peer *p = NULL;
    struct conn *c;

    for (size_t i = 0; i < w->peer_count; i++)
        if (rf_addr_equal(&w->peers[i].addr, &action->addr))
            p = &w->peers[i];
    RF_ASSERT(p != NULL); /* no scenario has the node dial anybody else */
    p->dialled++;
    c = conn_new(p, true, action->flow);
    c->confirm = p->listens != LISTENS_NO;
    c->closing = c->refuse = p->listens == LISTENS_NO;
}

/* ---- what the text says ---- */

bool peer_greet(struct peer *p)
{
    if (p->conn == NULL || p->conn->over)
        return world_fail(p->world, "%s has no connection", p->name);
    RF_ASSERT(rf_engine_plain.channel_start(p->conn->channel, &p->conn->to_node) == 0);
    return true;
}

bool peer_dial(struct peer *p, bool greet)
{
    struct world *w = p->world;
    struct rf_addr from = p->addr;
    rf_link_id flow;
    int error;

    from.port = 40000;
    error = rf_node_accept(w->node, &from, &w->addr, w->now, &flow);
    if (error != 0)
        return world_fail(w, "the node takes no connection: %s", rf_error_text(error));
    conn_new(p, false, flow);
    return greet ? peer_greet(p) : true;
}

bool peer_close(struct peer *p)
{
    if (p->conn == NULL || p->conn->over)
        return world_fail(p->world, "%s has no connection", p->name);
    p->conn->closing = p->conn->over = true;
    p->conn = NULL;
    return true;
}

bool peer_raw(struct peer *p, struct rf_view bytes, bool inside)
{
    if (p->conn == NULL || p->conn->over)
        return world_fail(p->world, "%s has no connection", p->name);
    if (inside)
        write_plain(p->conn, bytes);
    else
        rf_buf_view_put(&p->conn->to_node, bytes);
    return true;
}

bool peer_closed(const struct peer *p)
{
    return p->conn == NULL || p->conn->over;
}

void peer_deinit(struct peer *p)
{
    struct item *item;

    while ((item = inbox_pop(p)) != NULL)
        item_free(item);
    rf_engine_plain.engine_free(p->engine);
    rf_identity_deinit(&p->identity);
    rf_buf_deinit(&p->got);
    rf_buf_deinit(&p->sent);
    rf_buf_deinit(&p->kept);
}
