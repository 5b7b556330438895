/* node_net.c - whole nodes in one process on a virtual clock. */
#include <stdio.h>
#include <stdlib.h>
#include "base/assert.h"
#include "link/engine.h"
#include "support/node_net.h"
#include "wire/dump.h"

struct net_record {
    struct net_record *next;
    struct rf_record record;
    uint8_t *bytes;
};

struct net_end {
    struct net_node *node; /* NULL: gone */
    rf_link_id flow;
};
struct net_pipe {
    struct net_pipe *next;
    struct net_end end[2]; /* 0 dialled, 1 accepted */
    struct rf_addr addr[2];
    uint64_t last_us[2]; /* when the newest delivery to that end comes */
    bool open, closing;
    uint64_t passed_us; /* when something last did, and a NAT saw it */
    bool cut;           /* nothing comes through any more, and neither end hears of that */
};

enum net_event_type { EV_CONNECT, EV_CONNECTED, EV_DATA, EV_CLOSE, EV_PERSISTED, EV_DATAGRAM };
struct net_event {
    struct rf_timer timer;
    struct node_net *net;
    enum net_event_type type;
    struct net_pipe *pipe;
    int to; /* which end */
    struct net_node *node;
    struct rf_node *instance; /* the life of the node it is meant for */
    uint64_t token;
    int error;
    uint8_t *bytes;
    size_t len;
    struct rf_addr source, dest; /* DATAGRAM */
};

static void net_log(void *ctx, enum rf_log_level level, const char *room, const char *text)
{
    struct node_net *net = ctx;
    fprintf(stderr, "%10.3f %d %s: %s\n", (double)net->now.mono_us / 1e6, level, room, text);
}

static void net_tap(void *ctx, bool outgoing, const struct rf_addr *remote, const struct rf_addr *local,
                    struct rf_view message, uint64_t wall_ms)
{
    (void)local, (void)wall_ms;
    struct net_node *n = ctx;
    uint8_t bytes[600];
    char addr[RF_ADDR_TEXT_LEN];
    struct rf_buf line;
    struct rf_message decoded;
    rf_buf_fixed(&line, bytes, sizeof(bytes) - 1);
    if (rf_message_decode(message, 16, &decoded) == 0)
        rf_dump_line(&decoded, &line);
    fprintf(stderr, "%10.4f %s %s %s %.*s\n", (double)n->net->now.mono_us / 1e6, n->user,
            outgoing ? "->" : "<-", rf_addr_ip_text(remote, addr), (int)line.len, (const char *)bytes);
}

static bool reachable(const struct node_net *net, const struct net_node *a, const struct net_node *b)
{
    return !net->partitioned || a->index % 2 == b->index % 2;
}

/* ---- events ---- */

static void event_fire(struct rf_timer *timer, void *arg);

static struct net_event *event_new(struct node_net *net, enum net_event_type type, uint64_t delay_us)
{
    struct net_event *e = calloc(1, sizeof(*e));
    RF_ASSERT(e != NULL);
    e->net = net;
    e->type = type;
    rf_timer_init(&e->timer, event_fire, e);
    RF_ASSERT(rf_timer_set(&net->events, &e->timer, net->now.mono_us + delay_us) == 0);
    return e;
}

/* How long the next delivery to an end of the pipe takes: never so short that it would overtake. */
static uint64_t pipe_delay(struct node_net *net, struct net_pipe *pipe, int to)
{
    uint64_t at_us = net->now.mono_us + net->latency_us;
    if (net->jitter_us > 0)
        at_us += rf_rng_below(&net->rng.rng, net->jitter_us);
    if (at_us < pipe->last_us[to])
        at_us = pipe->last_us[to];
    pipe->last_us[to] = at_us;
    return at_us - net->now.mono_us;
}

/* NULL: there is none that has forgotten it. */
static struct net_node *forgotten_by(const struct node_net *net, const struct net_pipe *pipe)
{
    for (int i = 0; i < 2; i++) {
        struct net_node *n = pipe->end[i].node;
        if (n != NULL && pipe->open && n->tcp_keeps_us != 0 &&
            net->now.mono_us - pipe->passed_us > n->tcp_keeps_us)
            return n;
    }
    return NULL;
}

static void pipe_cut(struct node_net *net, struct net_pipe *pipe, int from)
{
    if (pipe->end[1 - from].node != NULL && !pipe->closing && !pipe->cut) {
        struct net_event *e = event_new(net, EV_CLOSE, pipe_delay(net, pipe, 1 - from));
        e->pipe = pipe;
        e->to = 1 - from;
    }
    pipe->closing = true;
    pipe->end[from].node = NULL;
}

static void do_connect(struct net_event *e)
{
    struct node_net *net = e->net;
    struct net_pipe *pipe = e->pipe;
    struct net_node *from = pipe->end[0].node;
    if (from == NULL || from->node == NULL || pipe->cut || rf_addr_equal(&net->dead, &pipe->addr[1]))
        return;
    struct net_node *to = NULL;
    for (size_t i = 0; i < net->count; i++)
        if (rf_addr_equal(&net->nodes[i].addr, &pipe->addr[1]))
            to = &net->nodes[i];
    if (to != NULL && to->natted) {
        net->unanswered++;
        return;
    }
    int error = to == NULL || to->node == NULL || !reachable(net, from, to) ? RF_EUNREACHABLE : 0;
    if (error == 0)
        error = rf_node_accept(to->node, &pipe->addr[0], &pipe->addr[1], net->now, &pipe->end[1].flow);
    if (error != 0) {
        rf_link_id flow = pipe->end[0].flow;
        pipe->end[0].node = NULL;
        pipe->closing = true;
        rf_node_closed(from->node, flow, RF_EUNREACHABLE, net->now);
        node_net_settle(net, from->index);
        return;
    }
    net->connections++;
    pipe->end[1].node = to;
    pipe->open = true;
    pipe->passed_us = net->now.mono_us;
    node_net_settle(net, to->index);
    struct net_event *back = event_new(net, EV_CONNECTED, pipe_delay(net, pipe, 0));
    back->pipe = pipe;
}

/* ---- datagrams ---- */

/* The address that others see it send from; false: it does not get out. */
static bool nat_out(struct net_node *n, uint8_t base, const struct rf_addr *dest, struct rf_addr *source)
{
    size_t i = 0;
    *source = n->addr;
    source->port = (uint16_t)(source->port + base);
    if (n->nat == NET_NAT_NONE)
        return true;
    while (i < n->mapping_count && (n->mappings[i].base != base ||
                                    (n->nat != NET_NAT_CONE && !rf_addr_equal(&n->mappings[i].remote, dest))))
        i++;
    if (n->nat == NET_NAT_BLOCKED || i == NET_NAT_MAPPINGS)
        return false;
    if (i == n->mapping_count) {
        n->mappings[i].remote = *dest;
        n->mappings[i].base = base;
        n->mappings[i].port = (uint16_t)((n->mapping_first != 0 ? n->mapping_first : 40000) + 1000 * base +
                                         (n->nat == NET_NAT_SYMMETRIC ? 7 * i : 0));
        n->mapping_count++;
    }
    n->mappings[i].used_us = n->net->now.mono_us;
    source->port = n->mappings[i].port;
    return true;
}

/* Does what came for this public address get in? To which base? */
static bool nat_in(const struct net_node *n, const struct rf_addr *source, uint16_t port, uint8_t *base)
{
    *base = port == n->addr.port + 1;
    if (n->nat == NET_NAT_NONE)
        return port == n->addr.port || (n->spare && *base == 1);
    for (size_t i = 0; i < n->mapping_count; i++) {
        uint64_t idle_us = n->net->now.mono_us - n->mappings[i].used_us;
        *base = n->mappings[i].base;
        if (n->mappings[i].port == port && (n->udp_keeps_us == 0 || idle_us <= n->udp_keeps_us) &&
            (n->nat == NET_NAT_CONE || rf_addr_equal(&n->mappings[i].remote, source)))
            return true;
    }
    return false;
}

void node_net_datagram(struct node_net *net, const struct rf_addr *source, const struct rf_addr *dest,
                       struct rf_view head, struct rf_view bytes, size_t pad)
{
    if (rf_rng_below(&net->rng.rng, 100) < net->loss_percent)
        return;
    struct net_event *e = event_new(net, EV_DATAGRAM, net->latency_us);
    e->source = *source;
    e->dest = *dest;
    e->len = head.len + bytes.len + pad;
    e->bytes = calloc(1, e->len + 1);
    RF_ASSERT(e->bytes != NULL);
    if (head.len > 0)
        memcpy(e->bytes, head.p, head.len);
    memcpy(e->bytes + head.len, bytes.p, bytes.len);
}

static void datagram_send(struct net_node *n, const struct rf_node_out *out)
{
    struct rf_addr source;
    if (n->shuns != NULL && rf_addr_same_ip(n->shuns, &out->datagram.remote))
        return;
    if (nat_out(n, out->datagram.base, &out->datagram.remote, &source))
        node_net_datagram(n->net, &source, &out->datagram.remote, out->datagram.head, out->datagram.bytes,
                          out->datagram.pad);
}

static struct net_node *datagram_arrives(struct net_event *e)
{
    struct node_net *net = e->net;
    for (size_t i = 0; i < net->count; i++) {
        struct net_node *n = &net->nodes[i];
        struct rf_addr ip = e->dest;
        ip.port = n->addr.port;
        if (n->node == NULL || !rf_addr_equal(&ip, &n->addr))
            continue;
        if (n->extra.ctx != NULL &&
            n->extra.datagram(n->extra.ctx, e->dest.port, &e->source, rf_view_of(e->bytes, e->len)))
            return NULL;
        uint8_t base;
        if (!nat_in(n, &e->source, e->dest.port, &base))
            continue;
        net->datagrams++;
        rf_node_datagram(n->node, base, &e->source, rf_view_of(e->bytes, e->len), net->now);
        return n;
    }
    return NULL;
}

/* What comes from outside after the NAT has forgotten the connection waits for the binding to be made anew, as TCP sends it again; true: it does. */
static bool waits_outside(struct net_event *e)
{
    struct node_net *net = e->net;
    if (e->type != EV_DATA)
        return false;
    struct net_node *gate = forgotten_by(net, e->pipe);
    if (gate == NULL)
        e->pipe->passed_us = net->now.mono_us;
    if (gate == NULL || e->pipe->cut || gate != e->pipe->end[e->to].node)
        return false;
    uint64_t again_us = net->now.mono_us + RF_US_PER_S;
    if (again_us > e->pipe->last_us[e->to])
        e->pipe->last_us[e->to] = again_us;
    RF_ASSERT(rf_timer_set(&net->events, &e->timer, again_us) == 0);
    return true;
}

static void event_fire(struct rf_timer *timer, void *arg)
{
    (void)timer;
    struct net_event *e = arg;
    struct node_net *net = e->net;
    struct net_node *n = NULL;
    if (waits_outside(e))
        return;
    if (e->type == EV_CONNECT) {
        do_connect(e);
    } else if (e->type == EV_DATAGRAM) {
        n = datagram_arrives(e);
    } else if (e->type == EV_PERSISTED) {
        n = e->node;
        if (n->node != NULL && n->node == e->instance)
            rf_node_persisted(n->node, e->token, e->error, net->now);
        else
            n = NULL;
    } else if (!e->pipe->cut && (n = e->pipe->end[e->to].node) != NULL && n->node != NULL) {
        struct net_end *end = &e->pipe->end[e->to];
        if (e->type == EV_CONNECTED)
            rf_node_connected(n->node, end->flow, &e->pipe->addr[0], net->now);
        else if (e->type == EV_DATA)
            rf_node_input(n->node, end->flow, rf_view_of(e->bytes, e->len), net->now);
        else {
            rf_link_id flow = end->flow;
            end->node = NULL;
            rf_node_closed(n->node, flow, RF_ECLOSED, net->now);
        }
    }
    if (n != NULL)
        node_net_settle(net, n->index);
    free(e->bytes);
    free(e);
}

/* ---- a node's outputs ---- */

static struct net_pipe *pipe_of(struct node_net *net, const struct net_node *n, rf_link_id flow, int *end)
{
    for (struct net_pipe *p = net->pipes; p != NULL; p = p->next)
        for (int i = 0; i < 2; i++)
            if (p->end[i].node == n && p->end[i].flow == flow) {
                *end = i;
                return p;
            }
    return NULL;
}

static void flow_connect(struct net_node *n, const struct rf_flow_action *action)
{
    struct net_pipe *p = calloc(1, sizeof(*p));
    RF_ASSERT(p != NULL);
    p->end[0] = (struct net_end){n, action->flow};
    p->addr[0] = n->addr;
    p->addr[0].port = (uint16_t)(30000 + rf_rng_below(&n->net->rng.rng, 30000));
    p->addr[1] = action->addr;
    p->next = n->net->pipes;
    n->net->pipes = p;
    struct net_event *e = event_new(n->net, EV_CONNECT, pipe_delay(n->net, p, 1));
    e->pipe = p;
}

static void flow_output(struct net_node *n, rf_link_id flow)
{
    int end = 0;
    struct net_pipe *p = pipe_of(n->net, n, flow, &end);
    struct rf_view v = rf_node_output(n->node, flow);
    if (p == NULL || v.len == 0)
        return;
    if (forgotten_by(n->net, p) == n && n->forgiving) {
        p->passed_us = n->net->now.mono_us;
    } else if (forgotten_by(n->net, p) == n && !p->closing && !p->cut) { /* reset */
        struct net_event *e = event_new(n->net, EV_CLOSE, pipe_delay(n->net, p, end));
        e->pipe = p;
        e->to = end;
        p->closing = true;
        p->end[1 - end].node = NULL; /* which has not heard of anything */
    }
    if (!p->closing) {
        struct net_event *e = event_new(n->net, EV_DATA, pipe_delay(n->net, p, 1 - end));
        e->pipe = p;
        e->to = 1 - end;
        e->bytes = malloc(v.len);
        RF_ASSERT(e->bytes != NULL);
        memcpy(e->bytes, v.p, v.len);
        e->len = v.len;
    }
    rf_node_output_done(n->node, flow, v.len);
}

static void flow_close(struct net_node *n, rf_link_id flow)
{
    int end = 0;
    flow_output(n, flow);
    struct net_pipe *p = pipe_of(n->net, n, flow, &end);
    if (p != NULL)
        pipe_cut(n->net, p, end);
}

static struct net_record *disk_find(struct net_node *n, const struct rf_record *r, struct net_record ***where)
{
    for (struct net_record **at = &n->disk; *at != NULL; at = &(*at)->next) {
        struct rf_record *have = &(*at)->record;
        if (have->kind == r->kind && rf_view_equal(have->resource, r->resource) &&
            rf_view_equal(have->slot, r->slot)) {
            *where = at;
            return *at;
        }
    }
    return NULL;
}

static struct rf_view take_bytes(uint8_t **at, struct rf_view v)
{
    struct rf_view copy = {*at, v.len};
    if (v.len > 0)
        memcpy(*at, v.p, v.len);
    *at += v.len;
    return copy;
}

static void disk_apply(struct net_node *n, const struct rf_persist_op *op)
{
    struct net_record **where;
    struct net_record *old = disk_find(n, &op->record, &where);
    if (old != NULL) {
        *where = old->next;
        free(old->bytes);
        free(old);
    }
    if (op->type == RF_PERSIST_DELETE)
        return;
    const struct rf_record *r = &op->record;
    struct net_record *row = calloc(1, sizeof(*row));
    RF_ASSERT(row != NULL);
    uint8_t *at = row->bytes = malloc(r->resource.len + r->slot.len + r->stored_data.len + r->cert.len + 1);
    RF_ASSERT(at != NULL);
    row->record = *r;
    row->record.resource = take_bytes(&at, r->resource);
    row->record.slot = take_bytes(&at, r->slot);
    row->record.stored_data = take_bytes(&at, r->stored_data);
    row->record.cert = take_bytes(&at, r->cert);
    row->next = n->disk;
    n->disk = row;
}

static void persist(struct net_node *n, const struct rf_node_out *out)
{
    struct net_event *e = event_new(n->net, EV_PERSISTED, n->net->disk_us);
    e->node = n;
    e->instance = n->node;
    e->token = out->token;
    e->error = n->disk_fails ? RF_EDATABASE : 0;
    for (size_t i = 0; i < out->op_count && !n->disk_fails; i++)
        disk_apply(n, &out->ops[i]);
}

static void take_event(struct net_node *n, const struct rf_node_out *out)
{
    RF_ASSERT((size_t)out->event.type < RF_COUNT(n->events));
    n->events[out->event.type]++;
    snprintf(n->last_text[out->event.type], sizeof(n->last_text[0]), "%s", out->event.text);
    if (n->net->log.line != NULL)
        rf_log_write(&n->net->log, RF_LOG_DEBUG, n->user, "event %s %s", rf_node_event_name(out->event.type),
                     out->event.text);
}

void node_net_settle(struct node_net *net, size_t i)
{
    struct net_node *n = &net->nodes[i];
    struct rf_node_out out;
    while (n->node != NULL && rf_node_next(n->node, &out)) {
        if (out.type == RF_NODE_OUT_PERSIST)
            persist(n, &out);
        else if (out.type == RF_NODE_OUT_EVENT)
            take_event(n, &out);
        else if (out.type == RF_NODE_OUT_LEFT)
            n->left = true;
        else if (out.type == RF_NODE_OUT_DATAGRAM)
            datagram_send(n, &out);
        else if (out.type == RF_NODE_OUT_CONF) {
            rf_buf_reset(&n->conf_xml);
            rf_buf_view_put(&n->conf_xml, out.xml);
            rf_buf_reset(&n->conf_kinds);
            rf_buf_view_put(&n->conf_kinds, out.kinds);
        } else if (out.type == RF_NODE_OUT_NETWORKS) {
            n->network_count = out.network_count;
            memcpy(n->networks, out.networks, out.network_count * sizeof(n->networks[0]));
        } else if (out.type == RF_NODE_OUT_PEERS) {
            n->peer_count = out.peer_count;
            memcpy(n->peers, out.peers, out.peer_count * sizeof(n->peers[0]));
        } else if (out.flow.type == RF_FLOW_CONNECT)
            flow_connect(n, &out.flow);
        else if (out.flow.type == RF_FLOW_OUTPUT)
            flow_output(n, out.flow.flow);
        else if (out.flow.type == RF_FLOW_CLOSE)
            flow_close(n, out.flow.flow);
    }
}

/* ---- time ---- */

static uint64_t next_time(const struct node_net *net)
{
    uint64_t at = rf_timers_next(&net->events);
    for (size_t i = 0; i < net->count; i++)
        if (net->nodes[i].node != NULL && rf_node_deadline(net->nodes[i].node) < at)
            at = rf_node_deadline(net->nodes[i].node);
    return at;
}

static void step_to(struct node_net *net, uint64_t at)
{
    if (at > net->now.mono_us) {
        net->now.wall_ms += (at - net->now.mono_us) / 1000;
        net->now.mono_us = at;
    }
    rf_timers_run(&net->events, net->now.mono_us, SIZE_MAX);
    for (size_t i = 0; i < net->count; i++) {
        struct net_node *n = &net->nodes[i];
        if (n->node == NULL || rf_node_deadline(n->node) > net->now.mono_us)
            continue;
        rf_node_tick(n->node, net->now);
        node_net_settle(net, i);
    }
}

bool node_net_until(struct node_net *net, uint64_t us, bool (*done)(struct node_net *net, void *arg),
                    void *arg)
{
    uint64_t end = net->now.mono_us + us;
    for (;;) {
        if (done != NULL && done(net, arg))
            return true;
        uint64_t at = next_time(net);
        if (at > end)
            break;
        step_to(net, at);
    }
    step_to(net, end);
    return done != NULL && done(net, arg);
}

void node_net_run(struct node_net *net, uint64_t us)
{
    node_net_until(net, us, NULL, NULL);
}

/* ---- life ---- */

void node_net_init(struct node_net *net, uint64_t seed, size_t bootstrap_count,
                   const struct rf_engine_ops *engine_ops, void (*adjust)(struct rf_conf *draft, void *arg),
                   void *arg)
{
    static const char *const bootstraps[] = {"10.0.0.1:6084", "10.0.0.2:6084", "10.0.0.3:6084",
                                             "10.0.0.4:6084"};
    RF_ASSERT(bootstrap_count <= RF_COUNT(bootstraps));
    memset(net, 0, sizeof(*net));
    RF_ASSERT(rf_pki_init(&net->pki, &(struct rf_pki_config){.no_ice = true,
                                                             .bootstraps = bootstraps,
                                                             .bootstrap_count = bootstrap_count,
                                                             .adjust = adjust,
                                                             .adjust_arg = arg}) == 0);
    net->engine_ops = engine_ops;
    net->now = (struct rf_now){1000000, RF_PKI_WALL_MS};
    net->latency_us = 5000;
    net->disk_us = 2000;
    rf_rng_seeded_init(&net->rng, seed);
    rf_scratch_init(&net->scratch, rf_mem_system());
    rf_timers_init(&net->events, rf_mem_system());
    if (getenv("NODE_NET_LOG") != NULL)
        net->log = (struct rf_log){net_log, net, RF_LOG_DEBUG};
}

size_t node_net_add(struct node_net *net, const char *user, enum rf_node_role role)
{
    RF_ASSERT(net->count < NET_MAX_NODES);
    size_t i = net->count++;
    struct net_node *n = &net->nodes[i];
    struct rf_crypto *c = net->pki.crypto;
    char addr[32];
    n->net = net;
    n->index = i;
    n->role = role;
    snprintf(n->user, sizeof(n->user), "%s@example.org", user);
    snprintf(addr, sizeof(addr), "10.0.0.%zu:6084", i + 1);
    RF_ASSERT(rf_addr_parse(addr, 0, &n->addr) == 0);
    RF_ASSERT(rf_pki_node(&net->pki, n->user, NULL, RF_KEY_P256, &n->identity) == 0);
    rf_buf_init(&n->cert, rf_mem_system(), 65536);
    rf_buf_view_put(&n->cert, n->identity.cert->x509.der);
    rf_buf_view_put(&n->cert, rf_buf_view(&net->pki.below));
    rf_buf_init(&n->key_pem, rf_mem_system(), 65536);
    rf_buf_init(&n->conf_xml, rf_mem_system(), RF_CONF_MAX_LEN);
    rf_buf_init(&n->conf_kinds, rf_mem_system(), RF_CONF_MAX_LEN);
    RF_ASSERT(c->ops->key_to_pem(c, n->identity.key, &n->key_pem) == 0);
    return i;
}

void node_net_start(struct node_net *net, size_t i)
{
    struct net_node *n = &net->nodes[i];
    RF_ASSERT(n->node == NULL);
    rf_rng_seeded_init(&n->rng, rf_rng_u64(&net->rng.rng));
    struct rf_conf *conf = rf_conf_hold(net->pki.conf);
    if (n->conf_xml.len > 0) {
        rf_conf_release(conf);
        RF_ASSERT(rf_conf_parse(net->pki.crypto, rf_mem_system(), rf_buf_view(&n->conf_xml), rf_view_str(""),
                                &conf, NULL, 0) == 0);
    }
    struct rf_node_config config = {
        .mem = n->mem != NULL ? n->mem : rf_mem_system(),
        .log = net->log.line != NULL ? &net->log : NULL,
        .scratch = &net->scratch,
        .secret = &n->rng.rng,
        .jitter = &n->rng.rng,
        .crypto = net->pki.crypto,
        .engine_ops = net->engine_ops,
        .datagram_ops = net->datagram_ops,
        .conf = conf,
        .cert_der = rf_buf_view(&n->cert),
        .key_pem = rf_buf_view(&n->key_pem),
        .role = n->role,
        .listen = &n->addr,
        .listen_count = 1,
        .software = "test",
        .max_clients = n->max_clients,
        .max_flows = n->max_flows,
        .no_reserve = n->no_reserve,
        .auto_uptime_s = n->auto_uptime_s,
        .auto_interval_s = n->auto_interval_s,
        .auto_idle_s = n->auto_idle_s,
        .auto_min_ring = n->auto_min_ring,
        .keepalive_s = n->keepalive_s,
        .keepalive_max_s = n->keepalive_max_s,
    };
    RF_ASSERT(rf_node_new(&config, net->now, &n->node) == 0);
    rf_conf_release(conf);
    RF_ASSERT(rf_node_load_kinds(n->node, rf_buf_view(&n->conf_kinds)) == 0);
    for (struct net_record *r = n->disk; r != NULL; r = r->next)
        (void)rf_node_load(n->node, &r->record);
    for (size_t k = n->peer_count; k > 0; k--)
        rf_node_remember(n->node, &n->peers[k - 1]);
    for (size_t k = 0; k < n->network_count; k++)
        rf_node_load_network(n->node, &n->networks[k]);
    rf_node_spare(n->node, n->spare ? 1 : -1, net->now);
    n->left = false;
    if (net->log.line != NULL)
        rf_node_set_tap(n->node, &(struct rf_node_tap){.ctx = n, .frame = net_tap});
    n->inside = n->addr;
    if (n->nat != NET_NAT_NONE) {
        char inside[32];
        snprintf(inside, sizeof(inside), "192.168.%zu.2:6084", i);
        RF_ASSERT(rf_addr_parse(inside, 0, &n->inside) == 0);
    }
    if (net->datagram_ops != NULL)
        RF_ASSERT(rf_node_base(n->node, 0, &n->inside, net->now) == 0);
    rf_node_start(n->node, net->now);
    node_net_settle(net, i);
}

static void cut_all(struct node_net *net, struct net_node *n)
{
    for (struct net_pipe *p = net->pipes; p != NULL; p = p->next)
        for (int end = 0; end < 2; end++)
            if (p->end[end].node == n)
                pipe_cut(net, p, end);
}

void node_net_kill(struct node_net *net, size_t i)
{
    struct net_node *n = &net->nodes[i];
    cut_all(net, n);
    rf_node_free(n->node);
    n->node = NULL;
}

void node_net_unplug(struct node_net *net, size_t i)
{
    for (struct net_pipe *p = net->pipes; p != NULL; p = p->next)
        p->cut |= p->end[0].node == &net->nodes[i] || p->end[1].node == &net->nodes[i];
    net->nodes[i].mapping_count = 0;
}

void node_net_move(struct node_net *net, size_t i, uint8_t network)
{
    struct net_node *n = &net->nodes[i];
    node_net_unplug(net, i);
    n->addr.ip[1] = network;
    n->inside.ip[n->nat != NET_NAT_NONE ? 3 : 1] = network;
    if (net->datagram_ops != NULL)
        RF_ASSERT(rf_node_base(n->node, 0, &n->inside, net->now) == 0);
    struct rf_addr addrs[] = {n->inside, n->addr}; /* connections leave from the public one here */
    rf_node_moved(n->node, addrs, RF_COUNT(addrs), net->now);
    node_net_settle(net, i);
}

static bool has_left(struct node_net *net, void *arg)
{
    return net->nodes[*(size_t *)arg].left;
}

void node_net_leave(struct node_net *net, size_t i)
{
    rf_node_leave(net->nodes[i].node, net->now);
    node_net_settle(net, i);
    RF_ASSERT(node_net_until(net, 10 * RF_US_PER_S, has_left, &i));
    node_net_kill(net, i);
}

void node_net_partition(struct node_net *net, bool on)
{
    net->partitioned = on;
    for (struct net_pipe *p = net->pipes; p != NULL && on; p = p->next) {
        struct net_node *a = p->end[0].node, *b = p->end[1].node;
        if (a == NULL || b == NULL || reachable(net, a, b))
            continue;
        rf_link_id fa = p->end[0].flow, fb = p->end[1].flow;
        p->end[0].node = p->end[1].node = NULL;
        p->closing = true;
        rf_node_closed(a->node, fa, RF_ETIMEOUT, net->now);
        node_net_settle(net, a->index);
        rf_node_closed(b->node, fb, RF_ETIMEOUT, net->now);
        node_net_settle(net, b->index);
    }
}

static void event_free(struct node_net *net)
{
    while (net->events.count > 0) {
        struct net_event *e = net->events.heap[1].timer->arg;
        rf_timer_stop(&net->events, &e->timer);
        free(e->bytes);
        free(e);
    }
}

void node_net_deinit(struct node_net *net)
{
    for (size_t i = 0; i < net->count; i++) {
        struct net_node *n = &net->nodes[i];
        if (n->node != NULL)
            node_net_kill(net, i);
        if (n->extra.ctx != NULL)
            n->extra.free(n->extra.ctx);
        while (n->disk != NULL) {
            struct net_record *r = n->disk;
            n->disk = r->next;
            free(r->bytes);
            free(r);
        }
        rf_identity_deinit(&n->identity);
        rf_buf_deinit(&n->cert);
        rf_buf_deinit(&n->key_pem);
        rf_buf_deinit(&n->conf_xml);
        rf_buf_deinit(&n->conf_kinds);
    }
    event_free(net);
    rf_timers_deinit(&net->events);
    rf_scratch_trim(&net->scratch);
    while (net->pipes != NULL) {
        struct net_pipe *p = net->pipes;
        net->pipes = p->next;
        free(p);
    }
    rf_pki_deinit(&net->pki);
}

/* ---- questions ---- */

bool node_net_joined(const struct node_net *net, size_t i)
{
    struct rf_node_status status;
    if (net->nodes[i].node == NULL)
        return false;
    rf_node_status(net->nodes[i].node, &status);
    return status.state == RF_TOPOLOGY_JOINED;
}

bool node_net_all_joined(struct node_net *net, void *arg)
{
    (void)arg;
    for (size_t i = 0; i < net->count; i++)
        if (net->nodes[i].node != NULL && !node_net_joined(net, i))
            return false;
    return true;
}

struct counter_wanted {
    const char *room, *name;
    uint64_t value;
};

static void take_counter(void *arg, const char *room, const char *name, const char *help, uint64_t value)
{
    (void)help;
    struct counter_wanted *w = arg;
    if (strcmp(room, w->room) == 0 && strcmp(name, w->name) == 0)
        w->value = value;
}

uint64_t node_net_counter(const struct node_net *net, size_t i, const char *room, const char *name)
{
    struct counter_wanted w = {room, name, UINT64_MAX};
    rf_node_counters(net->nodes[i].node, take_counter, &w);
    RF_ASSERT(w.value != UINT64_MAX);
    return w.value;
}

/* ---- an application ---- */

static void deaf_up(void *ctx, rf_link_id conn, const struct rf_id *node_id, struct rf_view user,
                    bool outgoing)
{
    (void)ctx, (void)conn, (void)node_id, (void)user, (void)outgoing;
}

static void deaf_data(void *ctx, rf_link_id conn, struct rf_view bytes)
{
    (void)ctx, (void)conn, (void)bytes;
}

static void deaf_down(void *ctx, rf_link_id conn, int reason)
{
    (void)ctx, (void)conn, (void)reason;
}

const struct rf_node_app node_net_deaf_app = {NULL, deaf_up, deaf_data, deaf_down};
