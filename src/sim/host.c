/*
 * host.c - a node's shell: makes and ends the rf_node, gives it what arrives, drains its queue, charges its CPU.
 *
 * Whatever needs the CPU waits in the node's queue while it is busy; a RUN event takes the next out when it is free. Flow control of
 * connections (windows) bounds the bytes there, QUEUE_DIALS the dials.
 */
#include "base/assert.h"
#include "sim/world.h"

#define TYPICAL_PAUSE_US (10 * RF_US_PER_S) /* who waits for that long looks as most do */
#define QUEUE_DIALS      1024 /* events in the queue from which on further dials are not heard (listen backlog) */

struct sim_out {
    enum rf_flow_action_type type;
    rf_link_id flow;
    struct rf_addr addr;
};

/* ---- memory and randomness of a node ---- */

/* What a block takes, heads included. */
static int64_t taken(const struct sim_node *n, void *ptr)
{
    const struct rf_sim_config *config = &n->shard->sim->config;
    if (n->sleeps)
        return (int64_t)sim_den_size(&n->shard->den, ptr);
    return config->arenas ? (int64_t)sim_slab_size(ptr) : (int64_t)config->block_size(ptr) + 8;
}

static void *host_resize(void *ctx, void *ptr, size_t size)
{
    struct sim_node *n = ctx;
    const struct rf_sim_config *config = &n->shard->sim->config;
    int64_t before = config->block_size != NULL && ptr != NULL ? taken(n, ptr) : 0;
    struct rf_mem *mem = n->sleeps ? &n->shard->den.mem : n->shard->mem;
    void *p = mem->resize(mem->ctx, ptr, size);
    if (config->block_size == NULL || (p == NULL && size > 0))
        return p;
    int64_t added = (size > 0 ? taken(n, p) : 0) - before;
    n->held += added;
    *(sim_is_super(n) ? &n->shard->super_held : &n->shard->client_held) += added;
    return p;
}

static void host_fill(void *ctx, void *out, size_t len)
{
    struct sim_node *n = ctx;
    for (uint8_t *p = out; len > 0;) {
        uint64_t v = sim_draw(&n->inside);
        size_t part = len < sizeof(v) ? len : sizeof(v);
        memcpy(p, &v, part);
        p += part;
        len -= part;
    }
}

struct sim_node *sim_host_of_rng(const struct rf_rng *rng)
{
    return rng->ctx;
}

/* ---- CPU ---- */

void sim_charge(void *shard, uint64_t ns)
{
    ((struct sim_shard *)shard)->cost_ns += ns;
}

static void trace(struct sim_node *n, uint64_t now_us, const struct sim_event *e)
{
    if (!n->shard->sim->config.trace)
        return;
    uint64_t h = n->trace ^ sim_mix(now_us * 64 + e->type) ^ (uint64_t)e->src << 40;
    if (e->type == SIM_EVENT_DATA) {
        uint64_t word;
        for (size_t i = 0; i < e->len; i += sizeof(word)) {
            word = e->len - i < 8 ? e->len - i : 0;
            memcpy(&word, e->bytes + i, e->len - i < sizeof(word) ? e->len - i : sizeof(word));
            h = (h ^ word) * 0x9fb21c651e98df25;
            h ^= h >> 29;
        }
    }
    n->trace = sim_mix(h + 1);
}

static void fall_asleep(struct sim_shard *s)
{
    struct sim_node *n = s->awake;
    s->awake = NULL;
    if (n == NULL)
        return;
    n->asleep = sim_den_sleep(&s->den, n->registered && n->wake_us > s->now_us + TYPICAL_PAUSE_US);
    RF_ASSERT(n->asleep != NULL);
    s->packed += (int64_t)sim_den_packed(n->asleep);
    s->asleep++;
}

void sim_host_rouse(struct sim_node *n)
{
    struct sim_shard *s = n->shard;
    if (!n->sleeps || s->awake == n)
        return;
    RF_ASSERT(s->current == NULL);
    fall_asleep(s);
    if (n->asleep != NULL) {
        s->packed -= (int64_t)sim_den_packed(n->asleep);
        s->asleep--;
        sim_den_wake(&s->den, n->asleep);
        n->asleep = NULL;
    } else {
        sim_den_clear(&s->den);
    }
    s->awake = n;
}

/* The node is gone: nobody is awake. */
static void end_node(struct sim_node *n)
{
    struct sim_shard *s = n->shard;
    if (n->node == NULL)
        return;
    sim_host_rouse(n);
    rf_node_free(n->node);
    n->node = NULL;
    if (!n->sleeps)
        return;
    RF_ASSERT(sim_den_empty(&s->den));
    s->awake = NULL;
}

void sim_host_enter(struct sim_node *n)
{
    sim_host_rouse(n);
    n->shard->current = n;
    n->shard->cost_ns = SIM_CPU_EVENT_NS;
    n->shard->billed_ns = 0;
    n->shard->out_count = 0;
}

/* ---- what the node says ---- */

static void set_joined(struct sim_node *n, bool joined)
{
    struct sim_shard *s = n->shard;
    if (n->joined == joined)
        return;
    n->joined = joined;
    *(sim_is_super(n) ? &s->super_joined : &s->client_joined) += joined ? 1 : (size_t)-1;
    sim_record_life(n, joined ? SIM_LIFE_JOINED : SIM_LIFE_LEFT);
    if (joined)
        n->joined_us = s->now_us;
}

static void set_registered(struct sim_node *n, bool registered)
{
    if (n->registered == registered)
        return;
    n->registered = registered;
    n->shard->registered += registered ? 1 : (size_t)-1;
    n->registered_us = n->shard->now_us;
}

/* From one kind to the other; joined is told anew when it has its place there. */
static void set_promoted(struct sim_node *n, bool promoted)
{
    struct sim_shard *s = n->shard;
    if (n->super || n->promoted == promoted)
        return;
    set_joined(n, false);
    *(promoted ? &s->client_up : &s->super_up) -= 1;
    *(promoted ? &s->super_up : &s->client_up) += 1;
    *(promoted ? &s->client_held : &s->super_held) -= n->held;
    *(promoted ? &s->super_held : &s->client_held) += n->held;
    n->promoted = promoted;
    *(promoted ? &s->tally.promotions : &s->tally.demotions) += 1;
}

static void take_event(struct sim_node *n, const struct rf_node_out *out)
{
    if (out->event.type == RF_NODE_EVENT_JOINED) {
        set_joined(n, true);
    } else if (out->event.type == RF_NODE_EVENT_LOST) {
        n->shard->tally.lost += sim_is_super(n) && !n->leaving && n->liar == NULL;
        set_joined(n, false);
    } else if (out->event.type == RF_NODE_EVENT_ROLE) {
        set_promoted(n, out->event.number == RF_NODE_SUPERNODE);
    } else if (out->event.type == RF_NODE_EVENT_REGISTERED) {
        set_registered(n, true);
    }
}

static void take_peers(struct sim_node *n, const struct rf_node_out *out)
{
    n->peer_count = 0;
    for (size_t i = 0; i < out->peer_count && n->peer_count < SIM_PEERS; i++) {
        const struct sim_node *peer = sim_node_at(n, &out->peers[i]);
        if (peer != NULL)
            n->peers[n->peer_count++] = peer->index;
    }
}

static void take_persist(struct sim_node *n, const struct rf_node_out *out)
{
    struct sim_shard *s = n->shard;
    struct sim_event *e = sim_event_new(s, SIM_EVENT_PERSISTED);
    uint64_t at = n->disk_free_us > s->now_us ? n->disk_free_us : s->now_us;
    /* group commit: whatever comes while one commit runs goes with the next */
    e->commit = sim_disk_prepare(n, out->ops, out->op_count, out->token);
    e->life = n->life;
    at += s->sim->scenario.disk_us;
    if (at > n->disk_free_us + s->sim->scenario.disk_us / 2)
        n->disk_free_us = at - s->sim->scenario.disk_us / 2;
    sim_event_post(n, e, n->index, at);
}

static void remember_out(struct sim_node *n, const struct rf_flow_action *action)
{
    struct sim_shard *s = n->shard;
    if (s->out_count == s->out_cap) {
        s->out_cap = s->out_cap == 0 ? 64 : 2 * s->out_cap;
        s->outs = rf_resize(s->sim->config.mem, s->outs, s->out_cap * sizeof(s->outs[0]));
        RF_ASSERT(s->outs != NULL);
    }
    s->outs[s->out_count++] = (struct sim_out){action->type, action->flow, action->addr};
    if (action->type == RF_FLOW_OUTPUT)
        s->cost_ns +=
            SIM_CPU_EVENT_NS + SIM_CPU_BYTE_NS * (uint64_t)rf_node_output(n->node, action->flow).len;
    else
        s->cost_ns += SIM_CPU_EVENT_NS;
}

static void drain(struct sim_node *n)
{
    struct rf_node_out out;
    while (rf_node_next(n->node, &out)) {
        switch (out.type) {
        case RF_NODE_OUT_FLOW:
            remember_out(n, &out.flow);
            break;
        case RF_NODE_OUT_PERSIST:
            take_persist(n, &out);
            break;
        case RF_NODE_OUT_PEERS:
            take_peers(n, &out);
            break;
        case RF_NODE_OUT_EVENT:
            take_event(n, &out);
            break;
        case RF_NODE_OUT_LEFT:
            n->left = true;
            break;
        case RF_NODE_OUT_CONF:
        case RF_NODE_OUT_NETWORKS: /* nothing is learned of them */
        case RF_NODE_OUT_DATAGRAM: /* there are none: the network here knows connections only */
        case RF_NODE_OUT_NONE:
            break;
        }
    }
}

static uint64_t bill(struct sim_node *n)
{
    struct sim_shard *s = n->shard;
    uint64_t ns = (uint64_t)((double)s->cost_ns * (double)n->slow / sim_cpu_power(n));
    n->now.cpu_ns += ns - s->billed_ns;
    n->watch.cpu_ns += ns - s->billed_ns;
    s->billed_ns = ns;
    n->busy_until_us = s->now_us + (ns + 999) / 1000;
    return n->busy_until_us;
}

static void act(struct sim_node *n, const struct sim_out *out, uint64_t at_us)
{
    if (out->type == RF_FLOW_CONNECT)
        sim_conn_dial(n, out->flow, &out->addr, at_us);
    else if (out->type == RF_FLOW_OUTPUT)
        sim_conn_output(n, out->flow, at_us);
    else if (out->type == RF_FLOW_CLOSE)
        sim_conn_close(n, out->flow, at_us);
}

static void set_run(struct sim_node *n)
{
    if (n->run_set || n->queue == NULL)
        return;
    struct sim_event *e = sim_event_new(n->shard, SIM_EVENT_RUN);
    e->life = n->life;
    n->run_set = true;
    sim_event_post(n, e, n->index, n->busy_until_us);
}

static void set_wake(struct sim_node *n)
{
    if (n->wake_queued)
        return;
    uint64_t at = rf_node_deadline(n->node);
    if (at != RF_NEVER) {
        at = at > SIM_MONO_BASE_US ? at - SIM_MONO_BASE_US : 0;
        /* behind what waits already, but not behind all that still comes: the daemon's loop looks at its timers in each round */
        uint64_t first = n->queue != NULL ? n->shard->now_us : n->busy_until_us;
        if (at < first)
            at = first;
    }
    sim_wake_set(n, at);
}

static void host_gone(struct sim_node *n, uint64_t now_us);

void sim_host_leave(struct sim_node *n)
{
    struct sim_shard *s = n->shard;
    uint64_t at = 0;
    do {
        s->out_count = 0;
        drain(n);
        at = bill(n);
        /* conns.c takes the output; nothing that it calls adds to s->outs */
        for (size_t i = 0; i < s->out_count; i++)
            act(n, &s->outs[i], at);
    } while (s->out_count > 0);
    s->current = NULL;
    if (n->left) {
        host_gone(n, s->now_us);
        return;
    }
    sim_watch_look(n, s->now_us);
    set_wake(n);
    set_run(n);
}

/* ---- life ---- */

int sim_host_cert(struct sim_node *n, struct rf_buf *pem, struct rf_buf *der)
{
    struct sim_shard *s = n->shard;
    struct rf_crypto *c = s->crypto;
    struct sim_stream keys = sim_stream_of(s->sim->config.seed, 'k', n->index);
    uint64_t raw[4] = {sim_draw(&keys), sim_draw(&keys), sim_draw(&keys), sim_draw(&keys)};
    struct rf_key *key;
    struct rf_id id = sim_id_of(s->sim, n->index);
    struct rf_buf spki;
    char user[48];
    enum rf_key_type type = s->sim->config.crypto.key_type;
    int error = c->ops->key_from_raw(c, type, rf_view_of(raw, sizeof(raw)), &key);
    if (error != 0)
        return error;
    sim_user_of(n, user);
    rf_buf_init(&spki, s->sim->config.mem, RF_CERT_MAX_LEN);
    struct rf_cert_spec spec = {.user = rf_view_str(user),
                                .overlay = s->conf->overlay,
                                .node_ids = &id,
                                .node_id_count = 1,
                                .not_before_ms = SIM_EPOCH_MS - 86400000,
                                .not_after_ms = SIM_EPOCH_MS + UINT64_C(86400000) * 365,
                                .serial_lo = n->index + 1};
    error = c->ops->key_spki(c, key, &spki);
    if (error == 0)
        error = rf_cert_issue(c, &spec, rf_buf_view(&spki), &s->ca, s->ca_key, der);
    if (error == 0)
        error = c->ops->key_to_pem(c, key, pem);
    c->ops->key_free(c, key);
    rf_buf_deinit(&spki);
    return error;
}

static void log_line(void *ctx, enum rf_log_level level, const char *room, const char *text)
{
    struct sim_node *n = ctx;
    struct rf_log *log = n->shard->sim->config.log;
    rf_log_write(log, level, room, "%.6f node %u: %s", (double)n->shard->now_us / 1e6, n->index, text);
}

/* A line for each RELOAD message of a node whose log is read. */
static void log_frame(void *ctx, bool outgoing, const struct rf_addr *remote, const struct rf_addr *local,
                      struct rf_view message, uint64_t wall_ms)
{
    (void)local, (void)wall_ms;
    struct sim_node *n = ctx;
    const uint8_t *p = message.p;
    char addr[RF_ADDR_TEXT_LEN];
    const char *name = "keep-alive";
    if (message.len >= 40) {
        size_t at =
            38u + ((size_t)p[32] << 8) + p[33] + ((size_t)p[34] << 8) + p[35] + ((size_t)p[36] << 8) + p[37];
        if (at + 2 <= message.len)
            name = rf_code_name((uint16_t)(p[at] << 8 | p[at + 1]));
    }
    struct rf_addr listening = *remote; /* who dialled us came from another port */
    listening.port = SIM_PORT;
    const struct sim_node *peer = sim_node_at(n, &listening);
    rf_log_write(n->log, RF_LOG_DEBUG, "frame", "%s %s (node %d) %s, %zu bytes, ttl %u",
                 outgoing ? "to" : "from", rf_addr_ip_text(remote, addr),
                 peer != NULL ? (int)peer->index : -1, name, message.len, message.len > 11 ? p[11] : 0u);
}

static int make_node(struct sim_node *n, const struct rf_buf *pem, const struct rf_buf *der)
{
    struct sim_shard *s = n->shard;
    const struct rf_sim_config *c = &s->sim->config;
    struct rf_addr addr = sim_listen_addr(n);
    bool logs = c->log != NULL && (c->log_node == SIZE_MAX || c->log_node == n->index);
    if (logs && n->log == NULL) {
        n->log = rf_alloc(c->mem, sizeof(*n->log));
        RF_ASSERT(n->log != NULL);
        *n->log = (struct rf_log){log_line, n, c->log->level};
    }
    struct rf_node_config config = {
        .mem = &n->mem,
        .log = logs ? n->log : NULL,
        .scratch = &s->scratch,
        .counters = &s->counters,
        .values = &s->values,
        .secret = &n->rng,
        .jitter = &n->rng,
        .crypto = s->crypto,
        .engine_ops = &sim_engine,
        .conf = s->conf,
        .cert_der = rf_buf_view(der),
        .key_pem = rf_buf_view(pem),
        .role = n->super ? RF_NODE_SUPERNODE
                : n->may ? RF_NODE_AUTO
                         : RF_NODE_CLIENT,
        .listen = &addr,
        .listen_count = 1,
        .software = "ringfolk-sim",
    };
    sim_capacity_config(n, &config);
    int error = rf_node_new(&config, sim_node_now(n, s->now_us), &n->node);
    if (error == 0 && logs && c->log->level >= RF_LOG_DEBUG && c->log_node != SIZE_MAX)
        rf_node_set_tap(n->node, &(struct rf_node_tap){.ctx = n, .frame = log_frame});
    return error;
}

static const struct rf_usage_kind list_kind = {
    .kind = SIM_KIND_LIST, .name = "SIMULATED-LIST", .append_only = true};

int sim_host_start(struct sim_node *n, uint64_t now_us)
{
    struct sim_shard *s = n->shard;
    const struct rf_sim *sim = s->sim;
    struct rf_buf pem, der;
    if (n->node != NULL)
        return RF_EEXIST;
    n->mem = (struct rf_mem){host_resize, n};
    n->rng = (struct rf_rng){host_fill, n};
    n->inside = sim_stream_of(sim->config.seed, 'i', ((uint64_t)n->index << 16) + n->life);
    n->dark = n->left = n->leaving = n->stopping = false;
    n->busy_until_us = n->started_us = now_us;
    sim_watch_begin(n, now_us);
    rf_buf_init(&pem, sim->config.mem, 65536);
    rf_buf_init(&der, sim->config.mem, RF_CERT_MAX_LEN);
    int error = sim_host_cert(n, &pem, &der);
    sim_host_enter(n);
    if (error == 0)
        error = make_node(n, &pem, &der);
    rf_buf_deinit(&pem);
    rf_buf_deinit(&der);
    if (error != 0)
        return error;
    error = rf_node_add_kind(n->node, &list_kind);
    if (error != 0)
        return error;
    sim_disk_load(n);
    for (size_t k = n->peer_count; k > 0; k--) {
        struct rf_addr addr = sim_addr_of(&sim->nodes[n->peers[k - 1]]);
        rf_node_remember(n->node, &addr);
    }
    n->started_once = true;
    *(sim_is_super(n) ? &s->super_up : &s->client_up) += 1;
    size_t number = n->super ? n->index : n->index - sim->scenario.supernodes;
    rf_node_start(n->node, sim_node_now(n, now_us));
    if (number < sim->scenario.registered)
        rf_node_register(n->node, true, sim_node_now(n, now_us));
    sim_plan_started(n, now_us);
    sim_host_leave(n);
    return 0;
}

static void queue_drop(struct sim_node *n)
{
    while (n->queue != NULL) {
        struct sim_event *e = n->queue;
        n->queue = e->next;
        if (e->type == SIM_EVENT_PERSISTED)
            sim_commit_free(n, e->commit);
        sim_event_free(n->shard, e);
    }
    n->queue_tail = NULL;
    n->queue_len = 0;
    n->run_set = n->wake_queued = false;
}

void sim_host_free(struct sim_node *n)
{
    queue_drop(n);
    end_node(n);
}

/* The process is gone, whatever the reason: connections have been dealt with. */
static void host_gone(struct sim_node *n, uint64_t now_us)
{
    struct sim_shard *s = n->shard;
    sim_conn_cut_all(n, n->dark, now_us);
    queue_drop(n);
    sim_wake_set(n, RF_NEVER);
    set_joined(n, false);
    set_registered(n, false);
    end_node(n);
    n->life++;
    *(sim_is_super(n) ? &s->super_up : &s->client_up) -= 1;
    n->promoted = false;
    sim_plan_stopped(n, now_us);
}

void sim_host_stop(struct sim_node *n, enum sim_stop how, uint64_t now_us)
{
    if (n->node == NULL)
        return;
    if ((how & ~SIM_STOP_WIPE) == SIM_STOP_LEAVE) {
        n->leaving = true;
        sim_host_enter(n);
        rf_node_leave(n->node, sim_node_now(n, now_us));
        sim_host_leave(n);
        return;
    }
    n->dark = (how & ~SIM_STOP_WIPE) == SIM_STOP_POWER;
    sim_record_life(n, (how & SIM_STOP_WIPE) != 0 || !n->shard->sim->scenario.disk ? SIM_LIFE_WIPED
                                                                                   : SIM_LIFE_FAILED);
    host_gone(n, now_us);
    if ((how & SIM_STOP_WIPE) != 0)
        sim_disk_wipe(n);
}

/* ---- events ---- */

/* Runs one event on the CPU, which is free. */
static void run(struct sim_node *n, struct sim_event *e)
{
    struct sim_shard *s = n->shard;
    struct rf_now now = sim_node_now(n, s->now_us);
    sim_host_enter(n);
    trace(n, s->now_us, e);
    if (e->type == SIM_EVENT_WAKE) {
        n->wake_queued = false;
        rf_node_tick(n->node, now);
    } else if (e->type == SIM_EVENT_PERSISTED) {
        uint64_t token = e->commit->token;
        sim_disk_commit(n, e->commit);
        rf_node_persisted(n->node, token, 0, now);
    } else if (e->type == SIM_EVENT_OP) {
        sim_work_begin(n, (enum rf_sim_op_type)e->flag, e->number, e->expect);
    } else if (e->type == SIM_EVENT_LIE) {
        sim_liar_wake(n);
    } else {
        if (e->type == SIM_EVENT_DATA)
            s->cost_ns += SIM_CPU_BYTE_NS * (uint64_t)e->len;
        sim_conn_event(n, e);
    }
    sim_host_leave(n);
    sim_event_free(s, e);
}

static void queue_push(struct sim_node *n, struct sim_event *e)
{
    e->next = NULL;
    if (n->queue == NULL)
        n->queue = e;
    else
        n->queue_tail->next = e;
    n->queue_tail = e;
    n->queue_len++;
}

/* The CPU is free again: one event of the queue; more when that one is done. */
static void run_queued(struct sim_node *n)
{
    n->run_set = false;
    while (n->queue != NULL && n->node != NULL && n->busy_until_us <= n->shard->now_us) {
        struct sim_event *e = n->queue;
        n->queue = e->next;
        if (n->queue == NULL)
            n->queue_tail = NULL;
        n->queue_len--;
        uint64_t waited = n->shard->now_us - e->at_us;
        if (sim_is_super(n) && waited > n->shard->tally.queue_max_us)
            n->shard->tally.queue_max_us = waited;
        sim_watch_waited(n, waited);
        run(n, e);
    }
    if (n->node != NULL)
        set_run(n);
}

static void drop(struct sim_node *n, struct sim_event *e)
{
    if (e->type == SIM_EVENT_PERSISTED)
        sim_commit_free(n, e->commit);
    sim_event_free(n->shard, e);
}

/* Bytes arrive one after the other through the access link. True: they have to wait, e is in the heap again. */
static bool downlink(struct sim_node *n, struct sim_event *e)
{
    struct sim_shard *s = n->shard;
    const struct rf_sim_net_config *net = &s->sim->scenario.net;
    if (e->flag != 0 && e->type == SIM_EVENT_DATA)
        return false; /* has waited already */
    uint64_t at = n->down_free_us > s->now_us ? n->down_free_us : s->now_us;
    if (e->type == SIM_EVENT_DATA) {
        uint64_t bps =
            n->super ? (uint64_t)((double)net->super_down_bps * sim_power(n)) : net->client_down_bps;
        uint64_t len = (uint64_t)e->len * ((e->marks & SIM_MARK_TWICE) != 0 ? 2 : 1);
        if ((e->marks & SIM_MARK_RESENT) != 0)
            len += SIM_SEGMENT_LEN;
        n->down_free_us = at + len * 8000000 / bps;
        e->flag = 1;
    }
    if (at == s->now_us)
        return false;
    e->at_us = at;
    sim_heap_push(s, e);
    return true;
}

static void own_event(struct sim_node *n, struct sim_event *e)
{
    struct sim_shard *s = n->shard;
    if (e->type == SIM_EVENT_START) {
        RF_ASSERT(n->node != NULL || sim_host_start(n, s->now_us) == 0);
    } else if (n->node == NULL || e->life != n->life) {
        drop(n, e);
        return;
    } else if (e->type == SIM_EVENT_STOP) {
        if (sim_plan_stop_holds(n, e))
            sim_host_stop(n, (enum sim_stop)e->flag, s->now_us);
    } else if (e->type == SIM_EVENT_RUN) {
        run_queued(n);
    } else if (n->queue != NULL || n->busy_until_us > s->now_us) {
        queue_push(n, e);
        set_run(n);
        return;
    } else {
        run(n, e);
        return;
    }
    sim_event_free(s, e);
}

void sim_host_event(struct sim_node *n, struct sim_event *e)
{
    struct sim_shard *s = n->shard;
    if (e->type >= SIM_EVENT_RETRY) {
        own_event(n, e);
    } else if (!sim_border_in(n, e)) {
        sim_event_free(s, e);
    } else if (downlink(n, e)) {
        return;
    } else if (n->node == NULL || sim_conn_by_kernel(n, e)) {
        sim_conn_event(n, e); /* the host's kernel alone deals with it */
        sim_event_free(s, e);
    } else if (n->queue != NULL || n->busy_until_us > s->now_us) {
        if (e->type == SIM_EVENT_DIAL && n->queue_len >= QUEUE_DIALS) {
            s->tally.refused++;
            sim_event_free(s, e);
            return;
        }
        queue_push(n, e);
        set_run(n);
    } else {
        run(n, e);
    }
}

void sim_host_wake(struct sim_node *n)
{
    struct sim_event *e = sim_event_new(n->shard, SIM_EVENT_WAKE);
    e->at_us = n->shard->now_us;
    e->src = e->dst = n->index;
    n->wake_queued = true;
    if (n->queue != NULL || n->busy_until_us > n->shard->now_us) {
        queue_push(n, e);
        set_run(n);
    } else {
        run(n, e);
    }
}
