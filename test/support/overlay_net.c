/* overlay_net.c - overlays on a virtual clock, with a fixed topology. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/assert.h"
#include "base/error.h"
#include "overlay/internal.h"
#include "support/overlay_net.h"

#define START_US (1000 * RF_US_PER_S)

/* ---- the fixed topology ---- */

struct rf_topology {
    struct onet_node *node;
};

static size_t owner_of(const struct onet *net, const struct rf_id *key)
{
    for (size_t i = 0; i < net->peer_count; i++)
        if (rf_id_compare(&net->nodes[i].identity.node_id, key) >= 0)
            return i;
    return 0;
}

static int fixed_create(const struct rf_env *env, const struct rf_topology_params *params,
                        const struct rf_topology_host *host, struct rf_topology **out)
{
    (void)params;
    struct rf_topology *t = rf_zalloc(env->mem, sizeof(*t));
    if (t != NULL) { /* the environment tells which node it is */
        t->node = RF_CONTAINER(env->jitter, struct onet_node, jitter.rng);
        t->node->host = *host;
    }
    *out = t;
    return t != NULL ? 0 : RF_ENOMEM;
}

static void fixed_destroy(struct rf_topology *t)
{
    rf_free(t->node->env.mem, t);
}

static void fixed_configure(struct rf_topology *t, const struct rf_topology_params *params)
{
    assert_int_equal(params->self.len, 16);
    t->node->reconfigured++;
}

static void fixed_start(struct rf_topology *t, bool first)
{
    t->node->starts += first;
}

static void fixed_leave(struct rf_topology *t)
{
    t->node->leaves++;
}

static void fixed_link_up(struct rf_topology *t, const struct rf_conn *conn, bool bootstrap)
{
    (void)bootstrap;
    t->node->link_ups++;
    t->node->last_link_up = conn->link;
}

static void fixed_link_down(struct rf_topology *t, const struct rf_conn *conn, int reason)
{
    (void)conn, (void)reason;
    t->node->link_downs++;
}

static void fixed_link_suspect(struct rf_topology *t, const struct rf_conn *conn)
{
    t->node->suspects += conn->suspect;
}

static void fixed_attached(struct rf_topology *t, const struct rf_id *target, const struct rf_id *node,
                           int error)
{
    (void)target, (void)node;
    t->node->attached += error == 0;
}

static void fixed_bootstrap_failed(struct rf_topology *t)
{
    t->node->bootstrap_failed++;
}

static void fixed_update_wanted(struct rf_topology *t, const struct rf_id *node)
{
    (void)node;
    t->node->updates_wanted++;
}

static void fixed_unresponsive(struct rf_topology *t, const struct rf_id *node)
{
    t->node->unresponsive++;
    t->node->last_unresponsive = *node;
}

static bool fixed_responsible(const struct rf_topology *t, const struct rf_id *key)
{
    return t->node->role == RF_ROLE_PEER && !t->node->stranger &&
           owner_of(t->node->net, key) == t->node->index;
}

static bool fixed_next_hop(const struct rf_topology *t, const struct rf_id *key, struct rf_id *out)
{
    const struct onet_node *node = t->node;
    const struct onet *net = node->net;
    size_t to = owner_of(net, key), next = to;
    if (node->stranger && node->detour == 0)
        return false;
    if (node->role == RF_ROLE_CLIENT) {
        *out = *onet_id(net, node->supernode);
        return true;
    }
    for (size_t i = net->peer_count; i < net->count; i++)
        if (rf_id_equal(onet_id(net, i), key))
            next = to = net->nodes[i].supernode;
    if (to == node->index && node->detour == 0)
        return false;
    if (net->shape == ONET_LINE)
        next = to > node->index ? node->index + 1 : node->index - 1;
    else if (net->shape == ONET_RING)
        next = (node->index + 1) % net->peer_count;
    if (node->detour != 0)
        next = node->detour - 1;
    *out = *onet_id(net, next);
    return true;
}

static bool fixed_other_hop(const struct rf_topology *t, const struct rf_id *key, const struct rf_id *tried,
                            size_t tried_count, struct rf_rng *rng, struct rf_id *out)
{
    const struct onet *net = t->node->net;
    (void)key, (void)rng;
    for (size_t i = 0; i < net->peer_count && net->other_ways; i++) {
        bool is_tried = i == t->node->index;
        for (size_t k = 0; k < tried_count; k++)
            is_tried = is_tried || rf_id_equal(&tried[k], onet_id(net, i));
        if (is_tried || onet_link_of(net, t->node->index, i) == 0)
            continue;
        *out = *onet_id(net, i);
        return true;
    }
    return false;
}

static bool fixed_as_close(const struct rf_topology *t, const struct rf_id *signer, const struct rf_id *key)
{
    return t->node->net->anybody || rf_id_equal(signer, onet_id(t->node->net, owner_of(t->node->net, key)));
}

static enum rf_topology_state fixed_state(const struct rf_topology *t)
{
    (void)t;
    return RF_TOPOLOGY_JOINED;
}

static size_t fixed_status(const struct rf_topology *t, struct rf_topology_status_entry *out, size_t max)
{
    size_t count = 0; /* every other peer, the first of them twice */
    for (size_t i = 0; i < t->node->net->peer_count && count < max; i++)
        if (i != t->node->index)
            out[count++] =
                (struct rf_topology_status_entry){.node = *onet_id(t->node->net, i), .relation = 'f'};
    if (count > 0 && count < max) {
        out[count] = out[0];
        out[count++].relation = 's';
    }
    return count;
}

static double fixed_share(const struct rf_topology *t)
{
    return t->node->role == RF_ROLE_PEER ? 0.25 : 0;
}

static const struct rf_topology_ops fixed_ops = {
    .name = "FIXED",
    .create = fixed_create,
    .destroy = fixed_destroy,
    .configure = fixed_configure,
    .start = fixed_start,
    .leave = fixed_leave,
    .link_up = fixed_link_up,
    .link_down = fixed_link_down,
    .link_suspect = fixed_link_suspect,
    .attached = fixed_attached,
    .bootstrap_failed = fixed_bootstrap_failed,
    .update_wanted = fixed_update_wanted,
    .unresponsive = fixed_unresponsive,
    .responsible = fixed_responsible,
    .in_range = fixed_responsible,
    .next_hop = fixed_next_hop,
    .other_hop = fixed_other_hop,
    .as_close = fixed_as_close,
    .state = fixed_state,
    .status = fixed_status,
    .share = fixed_share,
};

/* ---- links ---- */

struct flying {
    struct rf_timer timer;
    struct onet *net;
    size_t to;
    uint64_t link; /* number at the receiver */
    size_t len;
    uint8_t *bytes;
};

static void flying_land(struct rf_timer *timer, void *arg)
{
    struct flying *f = arg;
    (void)timer;
    rf_overlay_receive(f->net->nodes[f->to].overlay, f->link, rf_view_of(f->bytes, f->len));
    free(f->bytes);
    free(f);
}

static void fly(struct onet *net, size_t to, uint64_t link, struct rf_view message)
{
    struct flying *f = calloc(1, sizeof(*f));
    uint64_t delay_us = net->latency_us;
    assert_non_null(f);
    if (net->jitter_us > 0)
        delay_us += rf_rng_below(&net->rng.rng, net->jitter_us);
    /* an exact copy, so that reading beyond its end is seen */
    *f =
        (struct flying){.net = net, .to = to, .link = link, .len = message.len, .bytes = malloc(message.len)};
    assert_non_null(f->bytes);
    memcpy(f->bytes, message.p, message.len);
    rf_timer_init(&f->timer, flying_land, f);
    assert_int_equal(rf_timer_set(&net->timers, &f->timer, net->now.mono_us + delay_us), 0);
}

/* The link that has this number at `node`. */
static struct onet_link *link_at(struct onet *net, size_t node, uint64_t number)
{
    for (size_t i = 0; i < net->link_count; i++) {
        struct onet_link *l = &net->links[i];
        if ((l->a == node && l->at_a == number) || (l->b == node && l->at_b == number))
            return number != 0 ? l : NULL;
    }
    return NULL;
}

static size_t host_max_message(void *ctx, uint64_t number)
{
    struct onet_node *node = ctx;
    const struct onet_link *l = link_at(node->net, node->index, number);
    return l != NULL ? l->max_message : 0;
}

static struct rf_cert *host_kept_cert(void *ctx, uint64_t number, bool *ours)
{
    struct onet_node *node = ctx;
    const struct onet_link *l = link_at(node->net, node->index, number);
    *ours = !(node->net->renewed && node->index == 0);
    if (!node->net->brief || l == NULL)
        return NULL;
    return node->net->nodes[l->a == node->index ? l->b : l->a].identity.cert;
}

static int host_send(void *ctx, uint64_t number, struct rf_view message)
{
    struct onet_node *node = ctx;
    struct onet *net = node->net;
    struct onet_link *l = link_at(net, node->index, number);
    if (l == NULL)
        return RF_ENOTFOUND;
    if (l->full)
        return RF_EAGAIN;
    if (l->max_message != 0 && message.len > l->max_message)
        return RF_ELIMIT;
    size_t to = l->a == node->index ? l->b : l->a;
    uint64_t at_to = l->a == node->index ? l->at_b : l->at_a;
    uint8_t *copy = malloc(message.len);
    struct rf_view changed = rf_view_of(copy, message.len);
    assert_non_null(copy);
    memcpy(copy, message.p, message.len);
    net->messages++;
    bool lost = net->loss_percent > 0 && rf_rng_below(&net->rng.rng, 100) < net->loss_percent;
    bool twice = net->duplicate_percent > 0 && rf_rng_below(&net->rng.rng, 100) < net->duplicate_percent;
    if (net->tap != NULL && !net->tap(net->tap_arg, node->index, to, &changed))
        lost = true;
    for (int copies = twice ? 2 : 1; copies > 0 && !lost; copies--)
        fly(net, to, at_to, changed);
    free(copy);
    return 0;
}

size_t onet_connect(struct onet *net, size_t a, size_t b)
{
    size_t place = net->link_count++;
    struct onet_link *l = &net->links[place];
    assert_true(place < ONET_MAX_LINKS);
    *l = (struct onet_link){.a = a, .b = b, .max_message = net->max_message};
    l->at_a = ++net->last_number;
    l->at_b = ++net->last_number;
    rf_overlay_link_up(net->nodes[a].overlay, l->at_a, onet_id(net, b), true, false);
    rf_overlay_link_up(net->nodes[b].overlay, l->at_b, onet_id(net, a), false, false);
    return place;
}

void onet_cut(struct onet *net, size_t link)
{
    struct onet_link *l = &net->links[link];
    uint64_t at_a = l->at_a, at_b = l->at_b;
    l->at_a = l->at_b = 0;
    rf_overlay_link_down(net->nodes[l->a].overlay, at_a, RF_ECLOSED);
    rf_overlay_link_down(net->nodes[l->b].overlay, at_b, RF_ECLOSED);
}

uint64_t onet_link_of(const struct onet *net, size_t from, size_t to)
{
    for (size_t i = net->link_count; i > 0; i--) {
        const struct onet_link *l = &net->links[i - 1];
        if (l->at_a != 0 && l->a == from && l->b == to)
            return l->at_a;
        if (l->at_b != 0 && l->b == from && l->a == to)
            return l->at_b;
    }
    return 0;
}

void onet_send_raw(struct onet *net, size_t from, size_t to, struct rf_view message)
{
    uint64_t at_to = onet_link_of(net, to, from);
    assert_true(at_to != 0);
    fly(net, to, at_to, message);
}

/* ---- nodes ---- */

static void host_disconnect(void *ctx, uint64_t link)
{
    (void)link;
    ((struct onet_node *)ctx)->disconnects++;
}

static void host_state(void *ctx, enum rf_topology_state state)
{
    (void)state;
    ((struct onet_node *)ctx)->states++;
}

static void host_attach(void *ctx, const struct rf_id *target, bool resource, const struct rf_id *via,
                        uint64_t link, bool send_update)
{
    (void)target, (void)resource, (void)via, (void)link, (void)send_update;
    ((struct onet_node *)ctx)->wishes++;
}

static void host_bootstrap(void *ctx)
{
    ((struct onet_node *)ctx)->wishes++;
}

static void host_range_changed(void *ctx)
{
    ((struct onet_node *)ctx)->ranges++;
}

static void host_neighbor_lost(void *ctx, const struct rf_id *id)
{
    (void)id;
    ((struct onet_node *)ctx)->lost++;
}

static size_t host_handover_pending(void *ctx)
{
    (void)ctx;
    return 42;
}

static void host_configured(void *ctx, struct rf_conf *conf)
{
    struct onet_node *node = ctx;
    node->configured++;
    if (node->refuses_documents)
        return;
    assert_int_equal(rf_conf_trust(conf, node->trust), 0);
    rf_overlay_configure(node->overlay, conf);
    rf_conf_release(node->conf);
    node->conf = rf_conf_hold(conf);
}

static struct rf_id peer_id(size_t i)
{
    struct rf_id id = {.len = 16};
    id.b[0] = (uint8_t)(0x08 * (i + 1) - 4); /* 04, 0c, 14 ... */
    id.b[15] = (uint8_t)(i + 1);
    return id;
}

/* Clients lie in the range of their supernode. */
static struct rf_id client_id(const struct onet *net, size_t supernode, size_t i)
{
    struct rf_id id = *onet_id(net, supernode);
    id.b[0] -= 1;
    id.b[1] = 0xc1;
    id.b[15] = (uint8_t)(i + 1);
    return id;
}

static size_t add_node(struct onet *net, const struct rf_id *id, enum rf_topology_role role, size_t supernode)
{
    size_t i = net->count++;
    struct onet_node *node = &net->nodes[i];
    char user[32];
    assert_true(i < ONET_MAX_NODES);
    snprintf(user, sizeof(user), "user%zu@example.org", i);
    *node = (struct onet_node){.net = net, .index = i, .role = role, .supernode = supernode};
    node->conf = rf_conf_hold(net->pki.conf);
    assert_int_equal(rf_pki_node(&net->pki, user, id, net->key_type != 0 ? net->key_type : RF_KEY_ED25519,
                                 &node->identity),
                     0);
    assert_int_equal(rf_pki_trust(&net->pki, 256, &node->trust), 0);
    rf_rng_seeded_init(&node->secret, rf_rng_u64(&net->rng.rng));
    rf_rng_seeded_init(&node->jitter, rf_rng_u64(&net->rng.rng));
    node->env = (struct rf_env){.mem = &net->mem.mem,
                                .timers = &net->timers,
                                .now = &net->now,
                                .secret = &node->secret.rng,
                                .jitter = &node->jitter.rng,
                                .seed = {i, 7}};
    struct rf_overlay_config config;
    struct rf_overlay_host host = {.ctx = node,
                                   .send = host_send,
                                   .max_message = host_max_message,
                                   .kept_cert = host_kept_cert,
                                   .attach = host_attach,
                                   .bootstrap = host_bootstrap,
                                   .range_changed = host_range_changed,
                                   .neighbor_lost = host_neighbor_lost,
                                   .handover_pending = host_handover_pending,
                                   .disconnect = host_disconnect,
                                   .state = host_state,
                                   .configured = host_configured};
    rf_overlay_config_default(&config);
    config.conf = net->pki.conf;
    config.crypto = net->pki.crypto;
    config.trust = node->trust;
    config.identity = &node->identity;
    config.role = role;
    config.topology = &fixed_ops;
    config.software = "test 1";
    if (net->max_requests_per_s != 0)
        config.max_requests_per_s = net->max_requests_per_s;
    if (net->adjust_overlay != NULL)
        net->adjust_overlay(&config);
    assert_int_equal(rf_overlay_new(&node->env, &config, &host, &node->overlay), 0);
    return i;
}

void onet_prepare(struct onet *net, uint64_t seed, void (*adjust)(struct rf_conf *draft, void *arg),
                  void *arg)
{
    struct rf_pki_config config = {.no_ice = true, .adjust = adjust, .adjust_arg = arg};
    *net = (struct onet){.latency_us = 10 * RF_US_PER_MS};
    assert_int_equal(rf_pki_init(&net->pki, &config), 0);
    rf_mem_test_init(&net->mem);
    rf_timers_init(&net->timers, rf_mem_system());
    rf_rng_seeded_init(&net->rng, seed);
    net->now = (struct rf_now){.mono_us = START_US, .wall_ms = RF_PKI_WALL_MS};
}

void onet_start(struct onet *net, size_t peer_count, enum onet_shape shape)
{
    net->shape = shape;
    net->peer_count = peer_count;
    for (size_t i = 0; i < peer_count; i++) {
        struct rf_id id = peer_id(i);
        add_node(net, &id, RF_ROLE_PEER, 0);
    }
    for (size_t i = 0; i < peer_count; i++)
        for (size_t k = i + 1; k < peer_count; k++)
            if (shape == ONET_MESH || k == i + 1 || (shape == ONET_RING && i == 0 && k == peer_count - 1))
                onet_connect(net, i, k);
}

void onet_init(struct onet *net, uint64_t seed, size_t peer_count, enum onet_shape shape,
               void (*adjust)(struct rf_conf *draft, void *arg), void *arg)
{
    onet_prepare(net, seed, adjust, arg);
    onet_start(net, peer_count, shape);
}

size_t onet_add_client(struct onet *net, size_t supernode)
{
    struct rf_id id = client_id(net, supernode, net->count);
    size_t i = add_node(net, &id, RF_ROLE_CLIENT, supernode);
    onet_connect(net, i, supernode);
    return i;
}

void onet_deinit(struct onet *net)
{
    for (size_t i = 0; i < net->count; i++) {
        struct onet_node *node = &net->nodes[i];
        rf_overlay_free(node->overlay);
        rf_identity_deinit(&node->identity);
        rf_trust_free(node->trust);
        rf_conf_release(node->conf);
    }
    /* what is left now are messages in the air */
    while (net->timers.count > 0) {
        struct flying *f = net->timers.heap[1].timer->arg;
        assert_ptr_equal(net->timers.heap[1].timer->fire, flying_land);
        rf_timer_stop(&net->timers, &f->timer);
        free(f->bytes);
        free(f);
    }
    rf_timers_deinit(&net->timers);
    assert_int_equal(net->mem.live_count, 0);
    rf_pki_deinit(&net->pki);
}

void onet_run(struct onet *net, uint64_t us)
{
    uint64_t end_us = net->now.mono_us + us;
    for (uint64_t next; (next = rf_timers_next(&net->timers)) <= end_us;) {
        uint64_t past_us = next > net->now.mono_us ? next - net->now.mono_us : 0;
        net->now.mono_us += past_us;
        net->now.wall_ms = RF_PKI_WALL_MS + (net->now.mono_us - START_US) / RF_US_PER_MS;
        rf_timers_run(&net->timers, net->now.mono_us, 1);
    }
    net->now.mono_us = end_us;
    net->now.wall_ms = RF_PKI_WALL_MS + (end_us - START_US) / RF_US_PER_MS;
}

const struct rf_id *onet_id(const struct onet *net, size_t i)
{
    return &net->nodes[i].identity.node_id;
}

struct rf_id onet_key(const struct onet *net, size_t i)
{
    struct rf_id key = *onet_id(net, i);
    key.b[0] -= 2;
    key.b[2] = 0x77;
    return key;
}

size_t onet_fragments(const struct onet *net, size_t i, size_t *bytes)
{
    const struct fragments *fragments = net->nodes[i].overlay->fragments;
    if (bytes != NULL)
        *bytes = fragments != NULL ? fragments->byte_count : 0;
    return fragments != NULL ? fragments->map.count : 0;
}

const struct rf_overlay_counters *onet_counters(const struct onet *net, size_t i)
{
    return rf_overlay_counters(net->nodes[i].overlay);
}

/* ---- calls and the echo ---- */

static size_t copy_view(struct rf_view v, uint8_t *out, size_t max)
{
    size_t len = v.len < max ? v.len : max;
    if (len > 0)
        memcpy(out, v.p, len);
    return len;
}

void onet_done(void *arg, const struct rf_reply *reply)
{
    struct onet_result *r = arg;
    r->done++;
    r->error = reply->error;
    r->error_code = reply->error_code;
    r->body_len = copy_view(reply->body, r->body, sizeof(r->body));
    r->info_len = copy_view(reply->error_info, r->info, sizeof(r->info));
    r->link = reply->link;
    r->rtt_us = reply->rtt_us;
    r->transmissions = reply->transmissions;
    if (reply->signer != NULL)
        r->signer = reply->signer->node_id;
    if (reply->message != NULL) {
        r->header = reply->message->header;
        r->dests_len = copy_view(reply->message->header.dests, r->dests, sizeof(r->dests));
        r->extension = reply->message->extension_count > 0;
    }
}

int onet_call(struct onet *net, size_t from, struct rf_call *call, struct onet_result *result)
{
    memset(result, 0, sizeof(*result));
    if (call->code == 0)
        call->code = RF_CODE_EXP_A_REQ;
    call->done = onet_done;
    call->arg = result;
    int error = rf_overlay_call(net->nodes[from].overlay, call, &result->id);
    assert_int_equal(result->done, 0); /* never from inside */
    return error;
}

int onet_call_node(struct onet *net, size_t from, size_t to, struct rf_view body, struct onet_result *result)
{
    struct rf_call call = {.body = body};
    rf_call_to_node(&call, onet_id(net, to));
    return onet_call(net, from, &call, result);
}

int onet_call_key(struct onet *net, size_t from, const struct rf_id *key, struct rf_view body,
                  struct onet_result *result)
{
    struct rf_call call = {.body = body};
    rf_call_to_resource(&call, key);
    return onet_call(net, from, &call, result);
}

static void echo(void *arg, struct rf_request *request)
{
    struct onet_echo *e = arg;
    const struct rf_message *m = request->message;
    e->count++;
    e->header = m->header;
    e->via_len = copy_view(m->header.via, e->via, sizeof(e->via));
    e->signer = request->signer.node_id;
    e->to_resource = request->to_resource;
    e->to_wildcard = request->to_wildcard;
    e->link = request->link;
    e->room = rf_overlay_room(e->overlay, request);
    if (e->defer) {
        struct rf_request *deferred = rf_overlay_defer(e->overlay, request);
        if (deferred != NULL)
            e->deferred[e->deferred_count++] = deferred;
    } else if (e->refuse != 0) {
        e->last_error = rf_overlay_refuse_text(e->overlay, request, e->refuse, "as the test wants");
    } else if (e->answer_len != 0) {
        uint8_t *body = calloc(1, e->answer_len);
        e->last_error = rf_overlay_answer(e->overlay, request, rf_view_of(body, e->answer_len), NULL, 0);
        free(body);
    } else {
        e->last_error = rf_overlay_answer(e->overlay, request, m->body, NULL, 0);
    }
}

void onet_echo_init(struct onet *net, size_t i, struct onet_echo *e)
{
    *e = (struct onet_echo){.overlay = net->nodes[i].overlay};
    assert_int_equal(rf_overlay_handle(e->overlay, RF_CODE_EXP_A_REQ, echo, e), 0);
}

void onet_line_init(struct onet *net, size_t peer_count, void (*adjust)(struct rf_conf *draft, void *arg),
                    struct onet_echo *echo)
{
    onet_init(net, 1, peer_count, ONET_LINE, adjust, NULL);
    onet_echo_init(net, peer_count - 1, echo);
}
