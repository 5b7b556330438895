/* node.c - making and ending the one object, and what it tells about itself. */
#include "chat/chat.h"
#include "crypto/der.h"
#include "node/internal.h"

#define TRUST_CACHE_COUNT 16384 /* more than links: a link's certificate is looked up at each resumption */
#define LEAVE_TIME_US     (3 * RF_US_PER_S)
#define KEEPALIVE_S       60
#define SILENCE_MAX       10 /* times keepalive_us: of those who learn nothing themselves */

#define X(name, help) {#name, help, offsetof(struct rf_node_counters, name)},
RF_COUNTERS_DEFINE(node, RF_NODE_COUNTERS, X)
#undef X

/* ---- new ---- */

int node_own_cert(struct rf_node *node, struct rf_view der, struct rf_cert **out)
{
    struct rf_view cert, others[RF_CERT_MAX_CHAIN];
    size_t count = 0;
    uint8_t tag;
    int error = rf_der_any(&der, &tag, &cert, NULL);
    while (error == 0 && der.len > 0)
        error = count == RF_CERT_MAX_CHAIN ? RF_ELIMIT : rf_der_any(&der, &tag, &others[count++], NULL);
    return error != 0 ? error : rf_trust_cert(node->trust, cert, others, count, node->now.wall_ms, out);
}

size_t node_shown_certs(const struct rf_cert *cert, struct rf_view out[RF_ENGINE_CERTS_MAX])
{
    _Static_assert(RF_ENGINE_CERTS_MAX >= 1 + RF_CERT_MAX_CHAIN, "a whole chain is shown");
    out[0] = cert->x509.der;
    for (size_t i = 0; i < cert->chain_count; i++)
        out[1 + i] = cert->chain[i];
    return 1 + cert->chain_count;
}

static int init_identity(struct rf_node *node, const struct rf_node_config *config)
{
    struct rf_crypto *c = config->crypto;
    struct rf_cert *cert = NULL;
    struct rf_key *key = NULL;
    int error = node_own_cert(node, config->cert_der, &cert);
    if (error == 0)
        error = c->ops->key_from_pem(c, config->key_pem, &key);
    if (error == 0 && cert->node_id_count != 1)
        error = RF_EUNSUPPORTED; /* several Node-IDs in one certificate: one daemon is one node */
    if (error == 0)
        error = rf_identity_init(&node->identity, c, key, cert, &cert->node_ids[0]);
    if (error != 0)
        c->ops->key_free(c, key);
    rf_cert_release(cert);
    return error;
}

static int init_links(struct rf_node *node)
{
    struct rf_link_config config;
    struct rf_link_host host;
    rf_link_config_default(&config);
    config.engine_ops = node->engine_ops;
    config.trust = node->trust;
    config.self = node->identity.node_id;
    config.overlay_hash = node->conf->overlay_hash;
    config.max_message_len = node->conf->max_message_size;
    config.keepalive_us = node->keepalive_us;
    if (node->role == RF_NODE_SUPERNODE) /* sooner than its clients */
        config.keepalive_us = node->keepalive_us / 10 * 9;
    if (node->max_links != 0)
        config.max_links = node->max_links;
    if (node->max_links_per_address != 0)
        config.max_per_address = node->max_links_per_address;
    if (node->max_links_per_address == SIZE_MAX)
        config.max_per_address = config.accept_per_s_per_address = 0;
    if (node->handshakes_per_s != 0)
        config.handshakes_per_s = node->handshakes_per_s == SIZE_MAX ? 0 : node->handshakes_per_s;
    if (node->handshakes_per_s == SIZE_MAX)
        config.max_handshakes = 0;
    struct rf_view certs[RF_ENGINE_CERTS_MAX];
    size_t cert_count = node_shown_certs(node->identity.cert, certs);
    int error = node->engine_ops->engine_new(&node->env, certs, cert_count, node->key_pem, &config.engine);
    if (error != 0)
        return error;
    config.datagram_ops = node->datagram_ops;
    if (node->datagram_ops != NULL)
        error = node->datagram_ops->engine_new(&node->env, certs, cert_count, node->key_pem,
                                               &config.datagram_engine);
    if (error == 0)
        error = rf_links_new(&node->env, &config, node_link_host(node, &host), &node->links);
    node->engine = error == 0 ? config.engine : NULL;
    if (error != 0) {
        node->engine_ops->engine_free(config.engine);
        if (config.datagram_engine != NULL)
            node->datagram_ops->engine_free(config.datagram_engine);
    }
    return error;
}

static int init_overlay(struct rf_node *node)
{
    struct rf_overlay_config config;
    struct rf_overlay_host host;
    rf_overlay_config_default(&config);
    config.conf = node->conf;
    config.crypto = node->crypto;
    config.trust = node->trust;
    config.identity = &node->identity;
    config.role = node->role == RF_NODE_SUPERNODE ? RF_ROLE_PEER : RF_ROLE_CLIENT;
    config.topology = &rf_topology_chord;
    config.software = node->software;
    config.backoff_max_us = node->backoff_max_us;
    if (node->requests_per_s == SIZE_MAX)
        config.max_requests_per_s = config.max_requests_per_s_total = 0;
    else if (node->requests_per_s != 0)
        config.max_requests_per_s_total =
            node->requests_per_s < UINT32_MAX ? (uint32_t)node->requests_per_s : UINT32_MAX;
    return rf_overlay_new(&node->env, &config, node_overlay_host(node, &host), &node->overlay);
}

static int init_store(struct rf_node *node)
{
    struct rf_store_config config;
    struct rf_store_host host;
    rf_store_config_default(&config);
    config.conf = node->conf;
    config.crypto = node->crypto;
    config.trust = node->trust;
    config.self = node->identity.node_id;
    config.peer = node->role == RF_NODE_SUPERNODE;
    if (node->max_store_bytes != 0)
        config.max_bytes = node->max_store_bytes;
    return rf_store_new(&node->env, &config, node->overlay, node_store_host(node, &host), &node->store);
}

static void registered_changed(void *arg, bool registered)
{
    struct rf_node *node = arg;
    if (registered && !node->registered)
        node_event(node, RF_NODE_EVENT_REGISTERED, &node->identity.node_id, NULL, 0, NULL);
    node->registered = registered;
}

static int init_usages(struct rf_node *node)
{
    struct rf_usages_config config = {
        .store = node->store,
        .identity = &node->identity,
        .crypto = node->crypto,
        .trust = node->trust,
        .conf = node->conf,
        .registered = registered_changed,
        .arg = node,
    };
    return rf_usages_new(&node->env, &config, &node->usages);
}

static void init_env(struct rf_node *node, const struct rf_node_config *config)
{
    rf_timers_init(&node->timers, config->mem);
    node->env = (struct rf_env){
        .mem = config->mem,
        .timers = &node->timers,
        .now = &node->now,
        .secret = config->secret,
        .jitter = config->jitter,
        .log = config->log,
        .scratch = config->scratch,
        .counters = config->counters,
        .values = config->values,
        .seed = {rf_rng_u64(config->secret), rf_rng_u64(config->secret)},
    };
    rf_list_init(&node->outs);
    rf_list_init(&node->attaches);
    rf_list_init(&node->dials);
    rf_list_init(&node->app_conns);
    node_admit_init(node);
}

static int copy_config(struct rf_node *node, const struct rf_node_config *config)
{
    if (config->conf != NULL && !config->conf->no_ice && config->datagram_ops == NULL)
        return RF_EUNSUPPORTED;
    if (config->conf != NULL && !config->conf->clients_permitted && config->role != RF_NODE_SUPERNODE)
        return RF_EFORBIDDEN;
    if (config->listen_count > NODE_MAX_LISTEN || config->conf == NULL || config->engine_ops == NULL)
        return RF_EINVAL;
    node->crypto = config->crypto;
    node->engine_ops = config->engine_ops;
    node->datagram_ops = config->datagram_ops;
    node->role = config->role == RF_NODE_AUTO ? RF_NODE_CLIENT : config->role; /* see role.c */
    node->max_links = config->max_links;
    node->max_links_per_address = config->max_links_per_address;
    node->max_store_bytes = config->max_store_bytes;
    node->max_clients = config->max_clients != 0 ? config->max_clients : NODE_CLIENTS_DEFAULT;
    node->handshakes_per_s = config->handshakes_per_s;
    node->requests_per_s = config->requests_per_s;
    node->backoff_max_us = config->backoff_max_us;
    node->max_flows = config->max_flows != 0 ? config->max_flows : FLOWS_DEFAULT;
    node->max_flows = node->max_flows < FLOWS_MIN ? FLOWS_MIN : node->max_flows;
    node->no_reserve = config->no_reserve;
    node->keepalive_us = (config->keepalive_s != 0 ? config->keepalive_s : KEEPALIVE_S) * RF_US_PER_S;
    node->silence_max_us = config->keepalive_max_s != 0 ? config->keepalive_max_s * RF_US_PER_S
                                                        : SILENCE_MAX * node->keepalive_us;
    if (config->listen_count > 0) {
        node->listen = rf_memdup(config->mem, config->listen, config->listen_count * sizeof(*node->listen));
        if (node->listen == NULL)
            return RF_ENOMEM;
    }
    node->listen_count = config->listen_count;
    node->conf = rf_conf_hold(config->conf);
    node->software = rf_strdup(config->mem, config->software != NULL ? config->software : "ringfolk");
    uint8_t *pem = rf_memdup(config->mem, config->key_pem.p, config->key_pem.len);
    node->key_pem = rf_view_of(pem, pem != NULL ? config->key_pem.len : 0);
    return node->software == NULL || pem == NULL ? RF_ENOMEM : 0;
}

int rf_node_new(const struct rf_node_config *config, struct rf_now now, struct rf_node **out)
{
    struct rf_node *node = rf_zalloc(config->mem, sizeof(*node));
    if (node == NULL)
        return RF_ENOMEM;
    node->now = now;
    init_env(node, config);
    int error = copy_config(node, config);
    if (error == 0)
        error = node_role_init(node, config);
    if (error == 0)
        error = rf_trust_new(node->crypto, config->mem, node->env.seed, TRUST_CACHE_COUNT, &node->trust);
    if (error == 0)
        error = rf_conf_trust(node->conf, node->trust);
    if (error == 0)
        error = init_identity(node, config);
    if (error == 0)
        error = init_links(node);
    if (error == 0 && node->datagram_ops != NULL)
        error = node_paths_init(node);
    if (error == 0)
        error = init_overlay(node);
    if (error == 0)
        error = init_store(node);
    if (error == 0)
        error = init_usages(node);
    if (error == 0)
        error = node_attach_init(node);
    if (error == 0)
        error = node_role_handle(node);
    if (error == 0)
        error = node_binding_init(node, config);
    if (error == 0)
        node_upkeep_init(node);
    if (error != 0) {
        rf_node_free(node);
        return error;
    }
    *out = node;
    return 0;
}

void rf_node_free(struct rf_node *node)
{
    if (node == NULL)
        return;
    struct rf_mem *mem = node->env.mem;
    node->leaving = true;
    node_checkup_deinit(node);
    node_attach_deinit(node);
    node_relay_stop(node);
    rf_chat_free(node->chat);
    rf_usages_free(node->usages);
    rf_store_free(node->store);
    rf_overlay_free(node->overlay);
    node_paths_deinit(node);
    rf_links_free(node->links);
    node_app_deinit(node);
    node_role_deinit(node);
    node_returns_deinit(node);
    node_admit_deinit(node);
    node_binding_deinit(node);
    node_bootstrap_deinit(node);
    node_redial_deinit(node);
    node_relay_deinit(node);
    rf_free(mem, node->listen);
    node_outs_deinit(node);
    rf_identity_deinit(&node->identity);
    rf_trust_free(node->trust);
    rf_conf_release(node->conf);
    rf_free_secret(mem, (void *)(uintptr_t)node->key_pem.p, node->key_pem.len);
    rf_free(mem, node->software);
    rf_timers_deinit(&node->timers);
    rf_free(mem, node);
}

/* ---- life ---- */

int rf_node_load(struct rf_node *node, const struct rf_record *record)
{
    return rf_store_load(node->store, record);
}

void rf_node_start(struct rf_node *node, struct rf_now now)
{
    node_enter(node, now);
    node->started = true;
    node->started_us = node->now.mono_us;
    node_upkeep_start(node);
    node_role_start(node);
    (void)node_admit_start(node); /* without memory for a timer nothing else works either */
    rf_overlay_start(node->overlay, false);
}

static void left(struct rf_node *node)
{
    if (node->left)
        return;
    node->left = true;
    rf_timer_stop(&node->timers, &node->leave_timer);
    node_out_new(node, RF_NODE_OUT_LEFT);
}

static void leave_fired(struct rf_timer *timer, void *arg)
{
    (void)timer;
    left(arg);
}

static void leave_overlay(void *arg, int error)
{
    (void)error; /* a registration that could not be removed ends with its lifetime */
    struct rf_node *node = arg;
    if (!node->left)
        rf_overlay_leave(node->overlay);
}

void rf_node_leave(struct rf_node *node, struct rf_now now)
{
    node_enter(node, now);
    if (node->leaving)
        return;
    node->leaving = true;
    node_upkeep_stop(node);
    node_relay_leave(node);
    rf_timer_init(&node->leave_timer, leave_fired, node);
    if (rf_env_timer_in(&node->env, &node->leave_timer, LEAVE_TIME_US) != 0) {
        left(node);
        return;
    }
    bool joined = node->started && node_state(node) == RF_TOPOLOGY_JOINED;
    if (!joined)
        left(node);
    else if (!node->registered || rf_sipreg_remove(rf_usages_sipreg(node->usages), leave_overlay, node) != 0)
        leave_overlay(node, 0);
}

enum rf_topology_state node_state(const struct rf_node *node)
{
    struct rf_topology *t;
    const struct rf_topology_ops *ops = rf_overlay_topology(node->overlay, &t);
    return ops->state(t);
}

/* the topology says it has left: what was handed to the links still goes out */
void node_left_overlay(struct rf_node *node)
{
    if (node->leaving)
        left(node);
}

void rf_node_set_tap(struct rf_node *node, const struct rf_node_tap *tap)
{
    node->tap = tap != NULL ? *tap : (struct rf_node_tap){0};
}

/* ---- what the node knows ---- */

static char relation_of(const struct rf_topology_status_entry *entries, size_t count, const struct rf_id *id,
                        bool peer)
{
    for (size_t i = 0; i < count; i++)
        if (rf_id_equal(&entries[i].node, id))
            return entries[i].relation;
    return peer ? 'c' : '-';
}

struct link_walk {
    struct rf_node_status *status;
    void (*fn)(void *arg, const struct rf_link_info *info, char relation);
    void *arg;
    struct rf_topology_status_entry entries[256];
    size_t entry_count;
    bool peer;
};

static void walk_link(void *arg, const struct rf_link_info *info)
{
    struct link_walk *walk = arg;
    if (info->state != RF_LINK_UP)
        return;
    char relation = info->purpose == RF_LINK_APP
                        ? '-'
                        : relation_of(walk->entries, walk->entry_count, &info->node_id, walk->peer);
    if (walk->status != NULL) {
        walk->status->link_count++;
    }
    if (walk->fn != NULL)
        walk->fn(walk->arg, info, relation);
}

static void walk_links(const struct rf_node *node, struct link_walk *walk)
{
    walk->entry_count = rf_node_ring(node, walk->entries, RF_COUNT(walk->entries));
    walk->peer = node->role == RF_NODE_SUPERNODE;
    rf_links_each(node->links, walk_link, walk);
}

void rf_node_each_link(const struct rf_node *node,
                       void (*fn)(void *arg, const struct rf_link_info *info, char relation), void *arg)
{
    struct link_walk walk = {.fn = fn, .arg = arg};
    walk_links(node, &walk);
}

void rf_node_status(const struct rf_node *node, struct rf_node_status *out)
{
    struct rf_topology *t;
    const struct rf_topology_ops *ops = rf_overlay_topology(node->overlay, &t);
    *out = (struct rf_node_status){
        .node_id = node->identity.node_id,
        .user = node->identity.cert->user,
        .overlay = node->conf->overlay,
        .role = node->role,
        .auto_role = node->auto_role != NULL && node->auto_role->step != ROLE_FIXED,
        .role_why = node_role_why(node),
        .state = ops->state(t),
        .uptime_s = node->started ? (node->now.mono_us - node->started_us) / RF_US_PER_S : 0,
        .conf_sequence = node->conf->sequence,
        .cert_not_after_ms = node->identity.cert->x509.not_after_ms,
        .cert_life_ms = node->identity.cert->x509.not_after_ms - node->identity.cert->x509.not_before_ms,
        .share = node->role == RF_NODE_SUPERNODE ? ops->share(t) : 0,
        .registered = node->registered,
    };
    struct link_walk walk = {.status = out};
    walk_links(node, &walk);
    for (size_t i = 0; i < walk.entry_count; i++)
        if (walk.entries[i].relation == 'a')
            out->supernode = walk.entries[i].node;
    out->guest = node->guest;
    out->flow_count = node_cap_flows(node);
    out->max_flows = node->role == RF_NODE_SUPERNODE ? SIZE_MAX : node->max_flows;
    node_admit_status(node, out);
    rf_store_stats(node->store, &out->store);
}

const struct rf_conf *rf_node_conf(const struct rf_node *node)
{
    return node->conf;
}

size_t rf_node_ring(const struct rf_node *node, struct rf_topology_status_entry *out, size_t max)
{
    struct rf_topology *t;
    const struct rf_topology_ops *ops = rf_overlay_topology(node->overlay, &t);
    return ops->status(t, out, max);
}

static void
each_counter(const char *room, const void *counters, const struct rf_counter_desc *descs, size_t count,
             void (*fn)(void *arg, const char *room, const char *name, const char *help, uint64_t value),
             void *arg)
{
    for (size_t i = 0; i < count; i++)
        fn(arg, room, descs[i].name, descs[i].help, rf_counter_get(counters, &descs[i]));
}

void rf_node_counters(const struct rf_node *node,
                      void (*fn)(void *arg, const char *room, const char *name, const char *help,
                                 uint64_t value),
                      void *arg)
{
    const struct rf_counter_desc *descs;
    struct rf_topology *t;
    size_t count;
    const struct rf_topology_ops *topology = rf_overlay_topology(node->overlay, &t);
    const void *counters = topology->counters(t, &descs, &count);
    each_counter("node", &node->counters, rf_node_counter_descs, rf_node_counter_count, fn, arg);
    each_counter("link", rf_links_counters(node->links), rf_link_counter_descs, rf_link_counter_count, fn,
                 arg);
    if (node->paths != NULL)
        each_counter("ice", rf_ice_counters(node->paths->ice), rf_ice_counter_descs, rf_ice_counter_count, fn,
                     arg);
    each_counter("ident", rf_trust_counters(node->trust), rf_ident_counter_descs, rf_ident_counter_count, fn,
                 arg);
    each_counter("overlay", rf_overlay_counters(node->overlay), rf_overlay_counter_descs,
                 rf_overlay_counter_count, fn, arg);
    each_counter("topology", counters, descs, count, fn, arg);
    each_counter("store", rf_store_counters(node->store), rf_store_counter_descs, rf_store_counter_count, fn,
                 arg);
}
