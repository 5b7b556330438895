/* bridge.c - joins application connections of the node to libre's overlay stack. */
#include "sip/bridge.h"
#include <netinet/in.h>
#include <netinet/tcp.h>
#include "base/error.h"
#include "sip/call.h"
#include "sip/find.h"
#include "sip/frame.h"
#include "sip/side.h"
#include "sip/sip.h"

enum { WAITING, OPENING, PROVING, UP };

#define OPENING_AT_ONCE 4 /* libre listens with a queue of 5 */

struct bridge {
    struct rf_list conns;
    size_t count;
    struct tmr tick, release;
};

#define HELD_MS 500 /* so often it is seen whether calls still live on connections */

static void start_waiting(struct core *core);
static void tick(void *arg);

int bridge_new(struct core *core, struct bridge **out)
{
    struct bridge *bridge = rf_zalloc(core->mem, sizeof(*bridge));
    if (bridge == NULL)
        return RF_ENOMEM;
    rf_list_init(&bridge->conns);
    tmr_init(&bridge->tick);
    tmr_init(&bridge->release);
    tmr_start(&bridge->tick, (uint64_t)core->limits.keepalive_s * 1000, tick, core);
    *out = bridge;
    return 0;
}

/* Out of every table first: what it is told then must not find it again. */
static void conn_free(struct bridge_conn *conn)
{
    struct core *core = conn->core;
    rf_list_remove(&conn->list);
    core->bridge->count--;
    mem_deref(conn->tc);
    mem_deref(conn->early);
    framer_deinit(conn->in);
    framer_deinit(conn->out);
    rf_free(core->mem, conn->in);
    rf_free(core->mem, conn->out);
    rf_free(core->mem, conn);
}

void bridge_free(struct core *core, struct bridge *bridge)
{
    if (bridge == NULL)
        return;
    tmr_cancel(&bridge->tick);
    tmr_cancel(&bridge->release);
    RF_LIST_EACH_SAFE(&bridge->conns, it)
    {
        conn_free(RF_LIST_ENTRY(it, struct bridge_conn, list));
    }
    rf_free(core->mem, bridge);
}

static struct bridge_conn *conn_of(struct core *core, rf_link_id id)
{
    RF_LIST_EACH(&core->bridge->conns, it)
    {
        struct bridge_conn *conn = RF_LIST_ENTRY(it, struct bridge_conn, list);
        if (conn->id == id)
            return conn;
    }
    return NULL;
}

const struct bridge_conn *bridge_at(struct core *core, const struct sa *src)
{
    RF_LIST_EACH(&core->bridge->conns, it)
    {
        struct bridge_conn *conn = RF_LIST_ENTRY(it, struct bridge_conn, list);
        if (conn->state >= PROVING && sa_cmp(&conn->local, src, SA_ALL))
            return conn;
    }
    return NULL;
}

int bridge_ready(struct core *core, rf_link_id id, struct flow *out)
{
    struct bridge_conn *conn = conn_of(core, id);
    if (conn == NULL)
        return RF_ECLOSED;
    if (conn->state != UP)
        return RF_EAGAIN;
    conn->used_ms = tmr_jiffies();
    *out = (struct flow){.overlay = true,
                         .sips = conn->application == RF_SIPS_APPLICATION,
                         .tp = SIP_TRANSP_TCP,
                         .addr = conn->local,
                         .conn = id,
                         .node = conn->node};
    return 0;
}

/* The end of a connection, whoever ended it. */
static void conn_end(struct bridge_conn *conn, bool tell_node)
{
    struct core *core = conn->core;
    rf_link_id id = conn->id;

    if (tell_node)
        side_conn_close(core, id);
    conn_free(conn);
    find_conn_changed(core, id);
    calls_conn_lost(core, id);
    start_waiting(core);
}

static void release(void *arg);

/* The node must not give up what a call lives on, although nothing may go over it for long. */
static void hold(struct bridge_conn *conn)
{
    bool held = calls_use_conn(conn->core, conn->id);
    if (held != conn->held)
        side_conn_hold(conn->core, conn->id, held);
    conn->held = held;
    if (held && !tmr_isrunning(&conn->core->bridge->release))
        tmr_start(&conn->core->bridge->release, HELD_MS, release, conn->core);
}

/* A call ends with its last message, or some time after it. */
static void release(void *arg)
{
    struct core *core = arg;
    RF_LIST_EACH(&core->bridge->conns, it)
    {
        hold(RF_LIST_ENTRY(it, struct bridge_conn, list));
    }
}

/* ---- libre -> overlay ---- */

static void to_overlay(struct bridge_conn *conn, struct rf_view bytes)
{
    struct core *core = conn->core;
    struct rf_view message;
    unsigned pings = 0;
    int error = framer_put(conn->out, bytes);

    while (error == 0 && (error = framer_next(conn->out, &message, &pings)) == 0) {
        struct rf_buf out;
        rf_buf_init(&out, core->mem, FRAME_MAX_HEADER + FRAME_MAX_BODY + 512);
        error = frame_outgoing(message, core->domain, &out);
        if (error == 0) {
            COUNT(core, overlay_messages_out);
            conn->used_ms = tmr_jiffies();
            side_conn_send(core, conn->id, rf_buf_view(&out));
            hold(conn);
        }
        rf_buf_deinit(&out);
    }
    if (error != RF_ESHORT) {
        core_log(core, RF_LOG_WARN, "our own message does not fit the bridge: %s", rf_error_text(error));
        conn_end(conn, true);
    }
}

static void on_receive(struct mbuf *mb, void *arg)
{
    struct bridge_conn *conn = arg;
    struct core *core = conn->core;
    struct rf_view bytes = {mbuf_buf(mb), mbuf_get_left(mb)};

    if (conn->state != PROVING) {
        to_overlay(conn, bytes);
        return;
    }
    conn->state = UP; /* the pong */
    rf_link_id id = conn->id;
    if (conn->early != NULL) {
        struct mbuf *early = conn->early;
        conn->early = NULL;
        early->pos = 0;
        int error = tcp_send(conn->tc, early);
        mem_deref(early);
        if (error != 0) {
            conn_end(conn, true);
            return;
        }
    }
    find_conn_changed(core, id);
    start_waiting(core);
}

static void on_close(int error, void *arg)
{
    (void)error;
    conn_end(arg, true);
}

static void on_open(void *arg)
{
    struct bridge_conn *conn = arg;
    struct mbuf *mb = mbuf_alloc(4);
    int on = 1;

    (void)setsockopt(tcp_conn_fd(conn->tc), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)); /* as in stack.c */
    conn->state = PROVING;
    bool good = mb != NULL && mbuf_write_str(mb, "\r\n\r\n") == 0;
    if (good) {
        mb->pos = 0;
        good = tcp_send(conn->tc, mb) == 0;
    }
    mem_deref(mb);
    if (!good)
        conn_end(conn, true);
}

static void start_waiting(struct core *core)
{
    size_t opening = 0;
    RF_LIST_EACH(&core->bridge->conns, it)
    {
        int state = RF_LIST_ENTRY(it, struct bridge_conn, list)->state;
        opening += state == OPENING || state == PROVING;
    }
    RF_LIST_EACH(&core->bridge->conns, it)
    {
        struct bridge_conn *conn = RF_LIST_ENTRY(it, struct bridge_conn, list);
        if (conn->state != WAITING)
            continue;
        if (opening >= OPENING_AT_ONCE)
            return;
        conn->state = OPENING;
        if (tcp_connect(&conn->tc, &core->overlay_addr, on_open, on_receive, on_close, conn) != 0 ||
            tcp_conn_local_get(conn->tc, &conn->local) != 0) {
            conn_end(conn, true); /* comes back here for the others */
            return;
        }
        opening++;
    }
}

/* ---- overlay -> libre ---- */

void bridge_up(struct core *core, rf_link_id id, const struct rf_id *node, struct rf_view user,
               uint16_t application, bool outgoing)
{
    struct bridge_conn *conn = NULL;
    if (core->bridge->count < BRIDGE_MAX_CONNS && user.len < AOR_MAX && conn_of(core, id) == NULL)
        conn = rf_zalloc(core->mem, sizeof(*conn));
    if (conn != NULL) {
        conn->in = rf_zalloc(core->mem, sizeof(*conn->in));
        conn->out = rf_zalloc(core->mem, sizeof(*conn->out));
    }
    if (conn == NULL || conn->in == NULL || conn->out == NULL) {
        if (conn != NULL) {
            rf_free(core->mem, conn->in);
            rf_free(core->mem, conn->out);
            rf_free(core->mem, conn);
        }
        side_conn_close(core, id);
        return;
    }
    framer_init(conn->in, core->mem);
    framer_init(conn->out, core->mem);
    conn->core = core;
    conn->id = id;
    conn->node = *node;
    memcpy(conn->user, user.p, user.len);
    conn->application = application;
    conn->outgoing = outgoing;
    conn->state = WAITING;
    conn->tokens = BRIDGE_BURST;
    conn->tokens_ms = conn->used_ms = tmr_jiffies();
    rf_list_push_back(&core->bridge->conns, &conn->list);
    core->bridge->count++;
    COUNT(core, overlay_connections);
    start_waiting(core);
}

void bridge_down(struct core *core, rf_link_id id)
{
    struct bridge_conn *conn = conn_of(core, id);
    if (conn != NULL)
        conn_end(conn, false);
}

static bool within_rate(struct bridge_conn *conn)
{
    uint64_t now = tmr_jiffies();
    if (now > conn->tokens_ms)
        conn->tokens += (double)(now - conn->tokens_ms) * BRIDGE_RATE / 1000.0;
    conn->tokens = conn->tokens > BRIDGE_BURST ? BRIDGE_BURST : conn->tokens;
    conn->tokens_ms = now;
    conn->used_ms = now;
    if (conn->tokens < 1)
        return false;
    conn->tokens -= 1;
    return true;
}

/* false: the connection is lost */
static bool to_libre(struct bridge_conn *conn, struct rf_view message)
{
    struct mbuf *mb = conn->state == UP ? mbuf_alloc(message.len) : conn->early;
    int error;

    COUNT(conn->core, overlay_messages_in);
    if (conn->state != UP) {
        if (mb == NULL)
            mb = conn->early = mbuf_alloc(message.len);
        return mb != NULL && mb->end + message.len <= 2 * (FRAME_MAX_HEADER + FRAME_MAX_BODY) &&
               mbuf_write_mem(mb, message.p, message.len) == 0;
    }
    if (mb == NULL)
        return false;
    error = mbuf_write_mem(mb, message.p, message.len);
    mb->pos = 0;
    if (error == 0)
        error = tcp_send(conn->tc, mb);
    mem_deref(mb);
    return error == 0;
}

void bridge_data(struct core *core, rf_link_id id, struct rf_view bytes)
{
    struct bridge_conn *conn = conn_of(core, id);
    struct rf_view message;
    unsigned pings = 0;

    if (conn == NULL)
        return;
    conn->heard_ms = tmr_jiffies();
    int error = framer_put(conn->in, bytes);
    while (error == 0 && (error = framer_next(conn->in, &message, &pings)) == 0) {
        if (!within_rate(conn)) {
            COUNT(core, overlay_flood);
            error = RF_EBUSY;
        } else if (!to_libre(conn, message)) {
            error = RF_ECLOSED;
        }
    }
    if (pings > 0)
        side_conn_send(core, id, rf_view_of("\r\n", 2));
    if (error == RF_ESHORT)
        return;
    if (error == RF_ELIMIT)
        COUNT(core, overlay_oversize);
    if (error == RF_EFORMAT)
        COUNT(core, overlay_malformed);
    core_log(core, RF_LOG_WARN, "connection of %s closed: %s", conn->user, rf_error_text(error));
    conn_end(conn, true);
}

/* ---- keep-alive ---- */

/* What nobody has used for long, and no call lives on. Who made it closes it; the other side only much later. */
static bool is_idle(struct bridge_conn *conn)
{
    uint64_t limit_s = conn->outgoing ? BRIDGE_IDLE_S : 5 * BRIDGE_IDLE_S;
    return conn->state == UP && tmr_jiffies() > conn->used_ms + limit_s * 1000 &&
           !calls_use_conn(conn->core, conn->id);
}

/* A stranger need not answer (RFC 5626, 3.5.1 is for those who agreed on it): only who has done so before is missed. */
static bool is_dead(const struct bridge_conn *conn)
{
    return conn->state == UP && conn->answers && conn->asked_ms > conn->heard_ms;
}

static void close_idle(struct core *core)
{
    for (bool again = true; again;) { /* the list is another one after each end */
        again = false;
        RF_LIST_EACH(&core->bridge->conns, it)
        {
            struct bridge_conn *conn = RF_LIST_ENTRY(it, struct bridge_conn, list);
            again = is_idle(conn) || is_dead(conn);
            if (again) {
                conn_end(conn, true);
                break;
            }
        }
    }
}

static void tick(void *arg)
{
    struct core *core = arg;

    tmr_start(&core->bridge->tick, (uint64_t)core->limits.keepalive_s * 1000, tick, core);
    close_idle(core);
    RF_LIST_EACH_SAFE(&core->bridge->conns, it)
    {
        struct bridge_conn *conn = RF_LIST_ENTRY(it, struct bridge_conn, list);
        if (conn->state != UP)
            continue;
        hold(conn);
        struct mbuf *mb = mbuf_alloc(4);
        if (mb != NULL && mbuf_write_str(mb, "\r\n\r\n") == 0) {
            mb->pos = 0;
            (void)tcp_send(conn->tc, mb); /* libre drops a connection that is silent for 15 minutes */
        }
        mem_deref(mb);
        conn->answers = conn->answers || (conn->asked_ms != 0 && conn->heard_ms >= conn->asked_ms);
        conn->asked_ms = tmr_jiffies();
        side_conn_send(core, conn->id, rf_view_of("\r\n\r\n", 4));
    }
}
