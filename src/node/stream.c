/*
 * stream.c - connections to relays, for nodes whose datagrams do not get out: flows of the shell that carry framed STUN messages and ChannelData
 * (RFC 8656, section 12.5); over TLS where the relay is one by TLS (stream_tls.c): then ice/ hears of the connection when that is up.
 *
 * A stream is CONNECTING until the shell says that it is connected, then UP, then CLOSING: what was sent goes out first, for CLOSE_US at most. One that does not lead anywhere (no connection
 * or, with TLS, no relay that is the right one) CONNECT_US after it was asked for has failed; so has one whose TLS cannot write. STREAMS_MAX are not CLOSING; of those
 * that are the oldest goes when there are as many again. One that leaves from an address that is gone ends at once, and ice/ makes another. Its flow's number is its own
 * with NODE_FLOW_STREAM set, a bit that no link's number has. What a connection does not take fast enough is dropped datagram by datagram, as a network
 * would; answers and requests of ours are few and have room of their own.
 */
#include "node/internal.h"
#include "stun/stun.h"

#define STREAMS_MAX  8
#define CONNECT_US   (5 * RF_US_PER_S)
#define CLOSE_US     (5 * RF_US_PER_S)
#define OUT_DATA_MAX 131072 /* relayed data that may wait */
#define OUT_MAX      (OUT_DATA_MAX + 65536)
#define IN_MAX       66000 /* one message */
#define TLS_ROOM     1024  /* what TLS adds to one */
#define PLAIN_MAX    ((size_t)1 << 20)

enum stream_state { STREAM_CONNECTING = 1, STREAM_UP, STREAM_CLOSING };
struct stream {
    struct rf_list list;
    struct rf_node *node;
    struct rf_timer timer; /* CLOSING, and until it leads somewhere */
    uint32_t number;
    enum stream_state state;
    struct rf_addr addr, local; /* local: UP */
    bool want_connect, want_output, want_close;
    bool is_tls, heard;     /* heard: a whole message came */
    struct stream_tls *tls; /* is_tls: from the connection on */
    struct rf_buf in;       /* the beginning of a message */
    struct rf_buf out;      /* from `sent` on it waits */
    size_t sent;
};

static struct stream *stream_find(const struct rf_node *node, uint32_t number)
{
    if (node->paths == NULL)
        return NULL;
    RF_LIST_EACH(&node->paths->streams, it)
    {
        struct stream *s = RF_LIST_ENTRY(it, struct stream, list);
        if (s->number == number)
            return s;
    }
    return NULL;
}

static struct stream *stream_of_flow(const struct rf_node *node, rf_link_id flow)
{
    return (flow & NODE_FLOW_STREAM) != 0 ? stream_find(node, (uint32_t)flow) : NULL;
}

static void stream_free(struct rf_node *node, struct stream *s)
{
    rf_list_remove(&s->list);
    rf_timer_stop(&node->timers, &s->timer);
    node->paths->stream_count -= s->state != STREAM_CLOSING;
    stream_tls_free(s->tls);
    rf_buf_deinit(&s->in);
    rf_buf_deinit(&s->out);
    rf_free(node->env.mem, s);
}

/* Nobody reads what is still to go out: the shell closes it at once. */
static void stream_cut(struct stream *s)
{
    rf_buf_reset(&s->out);
    s->sent = 0;
    s->want_output = false;
    s->want_close = true;
}

static void stream_close(struct rf_node *node, struct stream *s)
{
    size_t closing = 0;
    struct stream *oldest = NULL;
    s->state = STREAM_CLOSING;
    s->want_close = true;
    node->paths->stream_count--;
    rf_list_remove(&s->list);
    rf_list_push_back(&node->paths->streams, &s->list);
    RF_LIST_EACH(&node->paths->streams, it)
    {
        struct stream *other = RF_LIST_ENTRY(it, struct stream, list);
        if (other->state != STREAM_CLOSING)
            continue;
        oldest = closing++ == 0 ? other : oldest;
    }
    if (closing > STREAMS_MAX)
        stream_cut(oldest);
    if (rf_env_timer_in(&node->env, &s->timer, CLOSE_US) != 0)
        stream_cut(s);
}

/* Which sort of stream leads anywhere: the first over which something came, or the other one when nothing did over this. */
static void note_way(struct stream *s)
{
    uint8_t *way = &s->node->paths->stream_way;
    uint8_t own = s->is_tls ? RF_RELAY_TLS : RF_RELAY_TCP, other = s->is_tls ? RF_RELAY_TCP : RF_RELAY_TLS;
    if (s->heard && *way == 0)
        *way = own;
    else if (!s->heard && (*way == 0 || *way == own))
        *way = *way == own && s->is_tls ? 0 : other;
}

/* ---- what ice/ wants ---- */

static void due(struct rf_timer *timer, void *arg);

void node_stream_connect(struct rf_node *node, uint32_t number, const struct rf_addr *addr)
{
    struct stream *s = node->paths->stream_count < STREAMS_MAX ? rf_zalloc(node->env.mem, sizeof(*s)) : NULL;
    if (s != NULL)
        rf_timer_init(&s->timer, due, s);
    if (s == NULL || rf_env_timer_in(&node->env, &s->timer, CONNECT_US) != 0) {
        rf_free(node->env.mem, s);
        rf_ice_stream_down(node->paths->ice, number);
        return;
    }
    s->node = node;
    s->number = number;
    s->state = STREAM_CONNECTING;
    s->addr = *addr;
    s->is_tls = node_path_relay_tls(node, addr) != NULL;
    s->want_connect = true;
    rf_buf_init(&s->in, node->env.mem, IN_MAX);
    rf_buf_init(&s->out, node->env.mem, OUT_MAX);
    rf_list_push_back(&node->paths->streams, &s->list);
    node->paths->stream_count++;
}

void node_stream_disconnect(struct rf_node *node, uint32_t number)
{
    struct stream *s = stream_find(node, number);
    if (s == NULL || s->state == STREAM_CLOSING)
        return;
    note_way(s);
    if (s->want_connect) { /* the shell does not know it yet */
        stream_free(node, s);
        return;
    }
    stream_close(node, s);
}

/* It ends, and ice/ hears of it. */
static void fail(struct stream *s)
{
    struct rf_node *node = s->node;
    uint32_t number = s->number;
    node_stream_disconnect(node, number);
    rf_ice_stream_down(node->paths->ice, number);
}

static void due(struct rf_timer *timer, void *arg)
{
    struct stream *s = arg;
    (void)timer;
    if (s->state == STREAM_CLOSING)
        stream_cut(s);
    else
        fail(s);
}

/* It leads to the relay. */
static void stream_ready(struct stream *s)
{
    rf_timer_stop(&s->node->timers, &s->timer);
    rf_ice_stream_up(s->node->paths->ice, s->number);
}

static bool has_moved(const struct stream *s, const struct rf_addr *addrs, size_t count)
{
    if (rf_addr_ip_among(&s->local, addrs, count))
        return false;
    return s->state == STREAM_UP ? s->local.family != 0 : s->state == STREAM_CONNECTING && !s->want_connect;
}

void node_streams_moved(struct rf_node *node, const struct rf_addr *addrs, size_t count)
{
    for (bool again = node->paths != NULL; again;) { /* one that is closed is put elsewhere */
        again = false;
        RF_LIST_EACH(&node->paths->streams, it)
        {
            struct stream *s = RF_LIST_ENTRY(it, struct stream, list);
            if (!has_moved(s, addrs, count))
                continue;
            stream_close(node, s);
            stream_cut(s);
            rf_ice_stream_down(node->paths->ice, s->number);
            again = true;
            break;
        }
    }
}

/* What was sent already makes room. */
static void stream_tidy(struct stream *s)
{
    if (s->sent == 0)
        return;
    memmove(s->out.p, s->out.p + s->sent, s->out.len - s->sent);
    s->out.len -= s->sent;
    s->sent = 0;
}

void node_stream_put(struct rf_node *node, uint32_t number, struct rf_view message)
{
    struct stream *s = stream_find(node, number);
    if (s == NULL || s->state != STREAM_UP)
        return;
    stream_tidy(s);
    if (s->out.len + message.len + TLS_ROOM > OUT_MAX)
        return;
    int error = 0;
    if (s->tls != NULL)
        error = stream_tls_write(s->tls, message, &s->out);
    else
        rf_buf_view_put(&s->out, message);
    s->out.error = 0; /* without memory it is lost, and sent again */
    s->want_output = true;
    if (error != 0 && error != RF_EAGAIN)
        fail(s);
}

/* As one record: its parts are put together first. Without memory for that it is lost. Errors: those of stream_tls_write. */
static int send_tls(struct stream *s, const struct rf_ice_wrap *wrap, struct rf_view bytes)
{
    static const uint8_t zero[4];
    struct rf_buf whole;
    int error = 0;
    rf_buf_init(&whole, s->node->env.mem, IN_MAX);
    rf_buf_put(&whole, wrap->head, wrap->head_len);
    rf_buf_view_put(&whole, bytes);
    rf_buf_put(&whole, zero, wrap->pad);
    if (rf_buf_error(&whole) == 0)
        error = stream_tls_write(s->tls, rf_buf_view(&whole), &s->out);
    rf_buf_deinit(&whole);
    return error;
}

void node_stream_send(struct rf_node *node, const struct rf_ice_wrap *wrap, struct rf_view bytes)
{
    static const uint8_t zero[4];
    struct stream *s = stream_find(node, wrap->stream);
    if (s == NULL || s->state != STREAM_UP)
        return;
    stream_tidy(s);
    size_t before = s->out.len;
    if (before + wrap->head_len + bytes.len + wrap->pad > OUT_DATA_MAX)
        return;
    int error = 0;
    if (s->tls != NULL) {
        error = send_tls(s, wrap, bytes);
    } else {
        rf_buf_put(&s->out, wrap->head, wrap->head_len);
        rf_buf_view_put(&s->out, bytes);
        rf_buf_put(&s->out, zero, wrap->pad);
    }
    if (rf_buf_error(&s->out) != 0) {
        s->out.len = before;
        s->out.error = 0;
    }
    s->want_output = true;
    if (error != 0 && error != RF_EAGAIN)
        fail(s);
}

/* ---- the shell's side ---- */

static int begin_tls(struct stream *s)
{
    const struct rf_id *relay = node_path_relay_tls(s->node, &s->addr);
    int error = relay == NULL ? RF_ENOTFOUND : stream_tls_new(s->node, relay, &s->out, &s->tls);
    s->want_output = true;
    return error;
}

bool node_stream_connected(struct rf_node *node, rf_link_id flow, const struct rf_addr *local)
{
    struct stream *s = stream_of_flow(node, flow);
    if (s == NULL || s->state != STREAM_CONNECTING)
        return (flow & NODE_FLOW_STREAM) != 0;
    s->state = STREAM_UP;
    s->local = *local;
    if (!s->is_tls)
        stream_ready(s);
    else if (begin_tls(s) != 0)
        fail(s);
    return (flow & NODE_FLOW_STREAM) != 0;
}

bool node_stream_closed(struct rf_node *node, rf_link_id flow)
{
    struct stream *s = stream_of_flow(node, flow);
    if (s != NULL) {
        bool ours = s->state == STREAM_CLOSING;
        uint32_t number = s->number;
        if (!ours)
            note_way(s);
        stream_free(node, s);
        if (!ours)
            rf_ice_stream_down(node->paths->ice, number);
    }
    return (flow & NODE_FLOW_STREAM) != 0;
}

/* How long the message at the front is; 0: not known yet. Errors: RF_EFORMAT. */
static int message_len(struct rf_view bytes, size_t *len)
{
    int error =
        bytes.len > 0 && bytes.p[0] >= 64 ? rf_turn_channel_frame(bytes, len) : rf_stun_frame(bytes, len);
    if (error == RF_ESHORT)
        *len = 0;
    return error == RF_ESHORT ? 0 : error == 0 && *len > IN_MAX ? RF_EFORMAT : error;
}

static void plain_input(struct stream *s, struct rf_view bytes)
{
    struct rf_node *node = s->node;
    uint32_t number = s->number;
    while (bytes.len > 0 && s != NULL) {
        size_t len = 0, take = bytes.len;
        struct rf_view front = bytes;
        if (s->in.len > 0) { /* a message was cut: byte by byte until its length is known, then all of it */
            int error = message_len(rf_buf_view(&s->in), &len);
            take = error != 0 || len == 0 ? 1 : len - s->in.len < bytes.len ? len - s->in.len : bytes.len;
            rf_buf_put(&s->in, bytes.p, take);
            front = rf_buf_view(&s->in);
        }
        int error = rf_buf_error(&s->in) != 0 ? rf_buf_error(&s->in) : message_len(front, &len);
        if (error != 0) {
            fail(s);
            return;
        }
        bool whole = len > 0 && front.len >= len;
        if (s->in.len == 0) {
            take = whole ? len : bytes.len;
            if (!whole)
                rf_buf_put(&s->in, bytes.p, take);
        }
        bytes = rf_view_of(bytes.p + take, bytes.len - take);
        if (whole) {
            s->heard = true;
            node_path_stream_message(node, number, rf_view_of(front.p, len));
            s = stream_find(node, number);
            if (s != NULL && s->in.len > 0)
                rf_buf_reset(&s->in);
        }
    }
}

static void tls_input(struct stream *s, struct rf_view bytes)
{
    struct rf_node *node = s->node;
    struct rf_buf plain;
    uint32_t number = s->number;
    bool was_up = stream_tls_is_up(s->tls);
    rf_buf_init(&plain, node->env.mem, PLAIN_MAX);
    stream_tidy(s);
    int error = stream_tls_input(s->tls, bytes, &plain, &s->out);
    s->want_output = s->want_output || s->out.len > s->sent;
    if (!was_up && stream_tls_is_up(s->tls))
        stream_ready(s);
    if (plain.len > 0 && stream_tls_is_up(s->tls)) /* of nobody else */
        plain_input(s, rf_buf_view(&plain));
    rf_buf_deinit(&plain);
    s = stream_find(node, number);
    if (error != 0 && s != NULL && s->state == STREAM_UP)
        fail(s);
}

bool node_stream_input(struct rf_node *node, rf_link_id flow, struct rf_view bytes)
{
    struct stream *s = stream_of_flow(node, flow);
    if (s == NULL || s->state != STREAM_UP || node->left || node->revoked)
        return (flow & NODE_FLOW_STREAM) != 0;
    if (s->tls != NULL)
        tls_input(s, bytes);
    else
        plain_input(s, bytes);
    return true;
}

bool node_stream_next(struct rf_node *node, struct rf_flow_action *out)
{
    if (node->paths == NULL)
        return false;
    RF_LIST_EACH(&node->paths->streams, it)
    {
        struct stream *s = RF_LIST_ENTRY(it, struct stream, list);
        enum rf_flow_action_type type = s->want_connect  ? RF_FLOW_CONNECT
                                        : s->want_output ? RF_FLOW_OUTPUT
                                        : s->want_close  ? RF_FLOW_CLOSE
                                                         : RF_FLOW_NONE;
        if (type == RF_FLOW_NONE)
            continue;
        *out = (struct rf_flow_action){.type = type, .flow = NODE_FLOW_STREAM | s->number, .addr = s->addr};
        if (type == RF_FLOW_CONNECT)
            s->want_connect = false;
        else if (type == RF_FLOW_OUTPUT)
            s->want_output = false;
        else if (s->out.len > 0)
            s->want_close = false; /* it goes when that is out */
        else
            stream_free(node, s);
        return true;
    }
    return false;
}

bool node_stream_output(const struct rf_node *node, rf_link_id flow, struct rf_view *out)
{
    const struct stream *s = stream_of_flow(node, flow);
    bool waits = s != NULL && s->sent < s->out.len; /* else there may be no memory at all */
    *out = waits ? rf_view_of(s->out.p + s->sent, s->out.len - s->sent) : rf_view_of(NULL, 0);
    return (flow & NODE_FLOW_STREAM) != 0;
}

bool node_stream_output_done(struct rf_node *node, rf_link_id flow, size_t len)
{
    struct stream *s = stream_of_flow(node, flow);
    if (s != NULL) {
        s->sent += len;
        if (s->sent == s->out.len) {
            rf_buf_reset(&s->out);
            s->sent = 0;
            if (s->state == STREAM_CLOSING && !s->want_close)
                stream_free(node, s);
        }
    }
    return (flow & NODE_FLOW_STREAM) != 0;
}

void node_streams_deinit(struct rf_node *node)
{
    RF_LIST_EACH_SAFE(&node->paths->streams, it)
    {
        stream_free(node, RF_LIST_ENTRY(it, struct stream, list));
    }
}
