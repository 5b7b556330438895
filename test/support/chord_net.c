/* chord_net.c - the virtual network: what plugins ask of their host, what happens to nodes, the clock. */
#include "support/chord_net_internal.h"

/* ---- what the plugin asks of its host ---- */

struct attaching {
    struct rf_overlay *self;
    struct rf_id target;
    bool send_update;
};

/* The handshake takes three one-way times; then both sides have the link. */
static void connect_later(struct net *net, size_t from, size_t to, bool bootstrap, const struct rf_id *target,
                          bool send_update)
{
    uint64_t latency = rf_rng_between(&net->rng.rng, net->config.latency_low_us, net->config.latency_high_us);
    struct event *event = cn_event_at(net, EV_LINK_UP, from, cn_now(net) + 3 * latency);
    event->flag = bootstrap;
    event->found = net->nodes[to].id;
    event->error = send_update;
    if (target)
        event->target = *target;
}

static void attach_answered(void *arg, const struct rf_reply *reply)
{
    struct attaching *attaching = arg;
    struct rf_overlay *self = attaching->self;
    struct net *net = self->net;
    if (reply->error == RF_ECANCELLED) {
        free(attaching);
        return;
    }
    if (reply->error || !reply->signer) {
        struct event *event = cn_event_at(net, EV_ATTACHED, self->number, cn_now(net));
        event->target = attaching->target;
        event->error = reply->error ? reply->error : RF_ETIMEOUT;
    } else
        connect_later(net, self->number, net_find(net, &reply->signer->node_id), false, &attaching->target,
                      attaching->send_update);
    free(attaching);
}

static void host_attach(void *ctx, const struct rf_id *target, bool resource, const struct rf_id *via,
                        uint64_t link, bool send_update)
{
    struct rf_overlay *self = ctx;
    struct rf_call call = {.code = RF_CODE_ATTACH_REQ, .link = link, .done = attach_answered};
    struct attaching *attaching = cn_fresh(sizeof(*attaching));
    rf_call_id id;
    attaching->self = self;
    attaching->target = *target;
    attaching->send_update = send_update;
    call.arg = attaching;
    call.body = rf_view_of("attach-request-with-some-candidates-in-it", 40);
    if (resource)
        rf_call_to_resource(&call, target);
    else
        rf_call_to_node(&call, target);
    if (via)
        rf_call_via(&call, via);
    assert_int_equal(rf_overlay_call(self, &call, &id), 0);
}

static void host_bootstrap(void *ctx)
{
    struct rf_overlay *self = ctx;
    struct net *net = self->net;
    size_t n = 0, usable[8];
    for (size_t i = 0; i < net->boot_count; i++)
        if (net->boots[i] != self->number && cn_reachable(net, self->number, net->boots[i]))
            usable[n++] = net->boots[i];
    if (n == 0)
        cn_event_at(net, EV_BOOT_FAILED, self->number, cn_now(net) + NET_S);
    else
        connect_later(net, self->number, usable[rf_rng_below(&net->rng.rng, n)], true, NULL, false);
}

/* Everybody knows where everybody is. A dial takes as long as a handshake, or a second to fail. */
static int host_redial(void *ctx, const struct rf_id *node)
{
    struct rf_overlay *self = ctx;
    struct net *net = self->net;
    size_t to = net_find(net, node);
    self->redials++;
    if (cn_reachable(net, self->number, to)) {
        connect_later(net, self->number, to, false, node, false);
        return 0;
    }
    struct event *event = cn_event_at(net, EV_ATTACHED, self->number, cn_now(net) + NET_S);
    event->target = *node;
    event->error = RF_ETIMEOUT;
    return 0;
}

static void host_disconnect(void *ctx, uint64_t id)
{
    struct rf_overlay *self = ctx;
    struct net_link *link = cn_link_get(self->net, id);
    if (link)
        cn_link_break(self->net, link, self->number);
}

static void host_keepalive(void *ctx, uint64_t id, uint64_t quiet_us)
{
    struct rf_overlay *self = ctx;
    struct net_link *link = cn_link_get(self->net, id);
    if (link)
        cn_link_keepalive(self->net, self->number, link, quiet_us);
}

static void host_state(void *ctx, enum rf_topology_state state)
{
    struct rf_overlay *self = ctx;
    self->state = state;
    self->net->watch_changes = true;
    self->state_us = cn_now(self->net);
    if (state == RF_TOPOLOGY_JOINED)
        self->joined_us = cn_now(self->net);
    assert_int_equal(self->topology ? cn_ops()->state(self->topology) : state, state);
}

static void host_range_changed(void *ctx)
{
    ((struct rf_overlay *)ctx)->range_changes++;
    ((struct rf_overlay *)ctx)->net->watch_changes = true;
}

static void host_neighbor_lost(void *ctx, const struct rf_id *node)
{
    struct rf_overlay *self = ctx;
    assert_false(rf_id_equal(node, &self->id));
    self->neighbors_lost++;
}

static size_t host_handover_pending(void *ctx)
{
    struct rf_overlay *self = ctx;
    if (self->handover_pending > 0)
        self->handover_pending--;
    return self->handover_pending;
}

/* ---- events happen ---- */

static void make_link(struct net *net, struct event *event)
{
    size_t from = event->node, to = net_find(net, &event->found);
    struct rf_overlay *self = &net->nodes[from], *peer = &net->nodes[to];
    if (!cn_reachable(net, from, to)) {
        if (event->flag)
            cn_ops()->bootstrap_failed(self->topology);
        else
            cn_ops()->attached(self->topology, &event->target, NULL, RF_ETIMEOUT);
        return;
    }
    struct net_link *link = from == to ? NULL : cn_link_between(net, from, to);
    bool fresh_link = !link && from != to;
    bool attached_first = rf_rng_below(&net->rng.rng, 2);
    if (fresh_link)
        link = cn_link_make(net, from, to);
    if (!event->flag && attached_first)
        cn_ops()->attached(self->topology, &event->target, &event->found, 0);
    if (link && (fresh_link || event->flag)) {
        struct rf_conn mine = cn_conn_of(net, link, from);
        cn_ops()->link_up(self->topology, &mine, event->flag);
    }
    if (fresh_link) {
        struct rf_conn theirs = cn_conn_of(net, link, to);
        cn_ops()->link_up(peer->topology, &theirs, false);
        if (event->error) /* send_update; a repeated Attach would be refused (D19), so not then */
            cn_ops()->update_wanted(peer->topology, &self->id);
    }
    if (!event->flag && !attached_first)
        cn_ops()->attached(self->topology, &event->target, &event->found, 0);
}

static void tell_link(struct net *net, struct event *event, bool down)
{
    struct net_link *link = cn_link_get(net, event->link);
    struct rf_overlay *self = &net->nodes[event->node];
    if (event->flag) { /* silence: only if nothing was heard meanwhile */
        if (!link->up || link->unacked_us == 0)
            return;
        cn_link_break(net, link, event->node);
    }
    struct rf_conn conn = cn_conn_of(net, link, event->node);
    if (down) {
        cn_ops()->link_down(self->topology, &conn, RF_ECLOSED);
        return;
    }
    conn.suspect = true;
    if (link->up && link->unacked_us)
        cn_ops()->link_suspect(self->topology, &conn);
}

static void gone(struct net *net, size_t node)
{
    struct rf_overlay *self = &net->nodes[node];
    RF_LIST_EACH_SAFE(&self->calls, it)
    cn_call_end(RF_LIST_ENTRY(it, struct call, list), &(struct rf_reply){.error = RF_ECANCELLED});
    cn_ops()->destroy(self->topology);
    self->topology = NULL;
    cn_seen_forget(self, UINT64_MAX);
    assert_true(rf_list_empty(&self->calls));
}

void cn_event_fire(struct rf_timer *timer, void *arg)
{
    struct event *event = arg;
    struct net *net = event->net;
    struct rf_overlay *self = &net->nodes[event->node];
    struct net_link *link;
    (void)timer;
    if (self->alive && event->incarnation == self->incarnation)
        switch (event->kind) {
        case EV_MESSAGE:
            link = cn_link_get(net, event->link);
            if (!link->up)
                break;
            if (event->message->response &&
                (event->message->origin != event->node || event->message->path_count > 0)) {
                cn_send_back(self, event->message);
            } else if (event->message->response)
                cn_deliver(self, event->message, link);
            else
                cn_forward(self, event->message, link);
            event->message = NULL;
            break;
        case EV_LINK_UP:
            make_link(net, event);
            break;
        case EV_LINK_DOWN:
            tell_link(net, event, true);
            break;
        case EV_SUSPECT:
            tell_link(net, event, false);
            break;
        case EV_BOOT_FAILED:
            cn_ops()->bootstrap_failed(self->topology);
            break;
        case EV_ATTACHED:
            cn_ops()->attached(self->topology, &event->target, NULL, event->error);
            break;
        case EV_GONE:
            net_crash(net, event->node, false);
            break;
        }
    cn_event_free(event);
}

/* ---- the world ---- */

void net_config_default(struct net_config *config)
{
    *config = (struct net_config){
        .max_nodes = NET_MAX_NODES, .seed = 1, .latency_low_us = 10 * NET_MS, .latency_high_us = 80 * NET_MS};
    config->params = (struct rf_topology_params){.update_interval_us = 600 * NET_S,
                                                 .ping_interval_us = 3600 * NET_S,
                                                 .reactive = true,
                                                 .successor_count = 3,
                                                 .predecessor_count = 3,
                                                 .finger_count = 16,
                                                 .hold_down_us = 30 * NET_S};
}

static struct rf_view id_of(const struct rf_map_node *node)
{
    return rf_id_view(&RF_CONTAINER(node, struct rf_overlay, by_id)->id);
}

void net_init(struct net *net, const struct net_config *config)
{
    *net = (struct net){.config = *config, .exact_rank = SIZE_MAX};
    rf_mem_test_init(&net->mem);
    net->now = (struct rf_now){.mono_us = 1000 * NET_S, .wall_ms = 1700000000000};
    rf_timers_init(&net->timers, rf_mem_system());
    rf_rng_seeded_init(&net->rng, config->seed);
    rf_list_init(&net->events);
    rf_map_init(&net->by_id, rf_mem_system(), (const uint64_t[2]){1, 2}, id_of);
    net->nodes = cn_fresh(config->max_nodes * sizeof(net->nodes[0]));
}

void net_deinit(struct net *net)
{
    for (size_t i = 0; i < net->node_count; i++)
        if (net->nodes[i].alive)
            gone(net, i);
    while (!rf_list_empty(&net->events))
        cn_event_free(RF_LIST_ENTRY(net->events.next, struct event, list));
    for (size_t i = 0; i < net->link_count; i++)
        free(net->links[i]);
    free(net->links);
    for (size_t i = 0; i < net->node_count; i++)
        free(net->nodes[i].links);
    rf_map_deinit(&net->by_id);
    free(net->nodes);
    rf_timers_deinit(&net->timers);
    assert_int_equal(net->mem.live_count, 0);
}

void net_random_id(struct net *net, struct rf_id *out)
{
    *out = (struct rf_id){.len = 16};
    rf_rng_fill(&net->rng.rng, out->b, 16);
}

size_t net_add(struct net *net, enum rf_topology_role role, const struct rf_id *id)
{
    assert_true(net->node_count < net->config.max_nodes);
    struct rf_overlay *self = &net->nodes[net->node_count];
    self->net = net;
    self->number = net->node_count++;
    self->role = role;
    if (id)
        self->id = *id;
    else
        net_random_id(net, &self->id);
    assert_int_equal(rf_map_insert(&net->by_id, &self->by_id), 0);
    rf_list_init(&self->calls);
    rf_list_init(&self->seen);
    return self->number;
}

void net_boot(struct net *net, size_t node)
{
    assert_true(net->boot_count < 8);
    net->boots[net->boot_count++] = node;
}

void net_start(struct net *net, size_t node, bool first)
{
    struct rf_overlay *self = &net->nodes[node];
    struct rf_topology_params params = net->config.params;
    self->env = (struct rf_env){.mem = &net->mem.mem,
                                .timers = &net->timers,
                                .now = &net->now,
                                .secret = &net->rng.rng,
                                .jitter = &net->rng.rng,
                                .seed = {7, node}};
    struct rf_topology_host host = {.overlay = self,
                                    .ctx = self,
                                    .attach = host_attach,
                                    .redial = net->config.no_redial ? NULL : host_redial,
                                    .bootstrap = host_bootstrap,
                                    .disconnect = host_disconnect,
                                    .keepalive = net->config.no_keepalive ? NULL : host_keepalive,
                                    .state = host_state,
                                    .range_changed = host_range_changed,
                                    .neighbor_lost = host_neighbor_lost,
                                    .handover_pending =
                                        net->config.use_handover ? host_handover_pending : NULL};
    assert_false(self->alive);
    params.self = self->id;
    params.role = self->role;
    self->alive = true;
    self->incarnation++;
    self->state = RF_TOPOLOGY_IDLE;
    assert_int_equal(cn_ops()->create(&self->env, &params, &host, &self->topology), 0);
    cn_ops()->start(self->topology, first);
}

void net_crash(struct net *net, size_t node, bool silent)
{
    struct rf_overlay *self = &net->nodes[node];
    assert_true(self->alive);
    self->alive = false;
    self->state = RF_TOPOLOGY_IDLE;
    gone(net, node);
    while (silent && self->link_count > 0) { /* the others' ends stay until somebody notices */
        struct net_link *link = cn_link_get(net, self->links[0]);
        link->lost[link->ends[0] == node ? 0 : 1] = true;
        cn_link_take(self, link->id);
    }
    while (self->link_count > 0)
        cn_link_break(net, cn_link_get(net, self->links[0]), node);
}

void net_leave(struct net *net, size_t node)
{
    cn_ops()->leave(net->nodes[node].topology);
    cn_event_at(net, EV_GONE, node, cn_now(net) + 3 * NET_S);
}

size_t net_find(const struct net *net, const struct rf_id *id)
{
    struct rf_map_node *found = rf_map_find(&net->by_id, rf_id_view(id));
    return found ? RF_CONTAINER(found, struct rf_overlay, by_id)->number : net->node_count;
}

/* ---- forgeries ---- */

struct forgery {
    int result;
    struct rf_buf *body;
};

static void forgery_answered(void *arg, const struct rf_reply *reply)
{
    struct forgery *forgery = arg;
    forgery->result = reply->error == RF_EREMOTE ? reply->error_code : reply->error ? -1 : 0;
    if (reply->error == 0 && forgery->body)
        rf_buf_view_put(forgery->body, reply->body);
}

int net_forge(struct net *net, size_t from, size_t to, const struct rf_id *signer, uint16_t code,
              struct rf_view request, struct rf_buf *body)
{
    struct rf_overlay *self = &net->nodes[from];
    struct forgery forgery = {.result = -2, .body = body};
    struct rf_call call = {.code = code, .body = request, .max_transmissions = 1, .interval_us = 2 * NET_S};
    struct net_link *link = cn_link_between(net, from, to);
    rf_call_id id;
    assert_non_null(link);
    call.link = link->id;
    call.done = forgery_answered;
    call.arg = &forgery;
    rf_call_to_node(&call, &net->nodes[to].id);
    assert_int_equal(rf_overlay_call(self, &call, &id), 0);
    if (signer)
        RF_LIST_ENTRY(self->calls.prev, struct call, list)->request->signer = *signer;
    while (forgery.result == -2)
        net_run(net, NET_MS);
    return forgery.result;
}

void net_link(struct net *net, size_t from, size_t to)
{
    struct net_link *link = cn_link_make(net, from, to);
    struct rf_conn mine = cn_conn_of(net, link, from), theirs = cn_conn_of(net, link, to);
    cn_ops()->link_up(net->nodes[from].topology, &mine, false);
    cn_ops()->link_up(net->nodes[to].topology, &theirs, false);
}

/* ---- two peers that know each other must not claim the same key for long ---- */

static bool both_claim(const struct net *net, size_t a, size_t b)
{
    const struct rf_overlay *x = &net->nodes[a], *y = &net->nodes[b];
    return x->alive && y->alive && x->group == y->group && x->topology && y->topology &&
           cn_ops()->responsible(x->topology, &y->id) && cn_ops()->responsible(y->topology, &y->id) &&
           net_linked(net, a, b);
}

static void note_claim(struct net *net, size_t a, size_t b)
{
    for (size_t i = 0; i < net->claim_count; i++)
        if (net->claims[i].a == a && net->claims[i].b == b)
            return;
    if (net->claim_count < 64) {
        net->claims[net->claim_count].a = a;
        net->claims[net->claim_count].b = b;
        net->claims[net->claim_count++].since_us = cn_now(net);
    }
}

static void watch_claims(struct net *net)
{
    for (size_t i = 0; i < net->claim_count;) {
        uint64_t age = cn_now(net) - net->claims[i].since_us;
        if (!both_claim(net, net->claims[i].a, net->claims[i].b)) {
            net->claims[i] = net->claims[--net->claim_count];
            continue;
        }
        if (age > net->worst_claim_us)
            net->worst_claim_us = age;
        if (age > net->watch_us)
            fail_msg("seed %llu: nodes %zu and %zu know each other and both claim the same keys for %llu ms",
                     (unsigned long long)net->config.seed, net->claims[i].a, net->claims[i].b,
                     (unsigned long long)(age / 1000));
        i++;
    }
    if (!net->watch_changes && cn_now(net) < net->watch_all_us)
        return;
    for (size_t a = 0; a < net->node_count; a++) {
        const struct rf_overlay *node = &net->nodes[a];
        if (node->state != RF_TOPOLOGY_JOINED || node->role != RF_ROLE_PEER)
            continue;
        for (size_t i = 0; i < node->link_count; i++) {
            size_t b = cn_other_end(cn_link_get(net, node->links[i]), a);
            if (both_claim(net, a, b))
                note_claim(net, a, b);
        }
    }
    net->watch_changes = false;
    net->watch_all_us = cn_now(net) + NET_S;
}

void net_run(struct net *net, uint64_t duration_us)
{
    uint64_t end = cn_now(net) + duration_us;
    for (;;) {
        uint64_t next = rf_timers_next(&net->timers);
        if (net->watch_us && net->watch_next_us <= next && net->watch_next_us <= end) {
            net->now.mono_us = net->watch_next_us > cn_now(net) ? net->watch_next_us : cn_now(net);
            watch_claims(net);
            net->watch_next_us = cn_now(net) + NET_S / 10;
            continue;
        }
        if (next > end)
            break;
        if (next > cn_now(net))
            net->now.mono_us = next;
        net->now.wall_ms = 1700000000000 + net->now.mono_us / 1000;
        rf_timers_run(&net->timers, cn_now(net), 1);
    }
    net->now.mono_us = end;
}
