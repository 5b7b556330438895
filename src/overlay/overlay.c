/* overlay.c - the object: made, configured, freed; and the doors to node/ above and the topology plugin beside it. */
#include "overlay/internal.h"

#define X(name, help) {#name, help, offsetof(struct rf_overlay_counters, name)},
RF_COUNTERS_DEFINE(overlay, RF_OVERLAY_COUNTERS, X)
#undef X

void rf_overlay_config_default(struct rf_overlay_config *config)
{
    *config = (struct rf_overlay_config){
        .role = RF_ROLE_CLIENT,
        .max_calls = 4096,
        .max_deferred = 4096,
        .max_cached_answers = 8192,
        .max_fragment_bytes = (size_t)4 * 1024 * 1024,
        .max_requests_per_s = 500,
        .max_requests_per_s_total = 4000,
        .software = "ringfolk",
    };
}

/* ---- what the topology asks for goes to node/ ---- */

static void wish_attach(void *ctx, const struct rf_id *target, bool resource, const struct rf_id *via,
                        uint64_t link, bool send_update)
{
    struct rf_overlay *o = ctx;
    if (o->host.attach != NULL)
        o->host.attach(o->host.ctx, target, resource, via, link, send_update);
}

static void wish_admit(void *ctx, const struct rf_id *target, bool resource, const struct rf_id *via,
                       uint64_t link, bool reserve)
{
    struct rf_overlay *o = ctx;
    if (o->host.admit != NULL)
        o->host.admit(o->host.ctx, target, resource, via, link, reserve);
    else
        wish_attach(ctx, target, resource, via, link, true);
}

static void tell_homed(void *ctx, const struct rf_id *home, bool guest)
{
    struct rf_overlay *o = ctx;
    if (!o->closing && o->host.homed != NULL)
        o->host.homed(o->host.ctx, home, guest);
}

static bool ask_reserve(void *ctx)
{
    struct rf_overlay *o = ctx;
    return o->host.reserve == NULL || o->host.reserve(o->host.ctx);
}

static int wish_redial(void *ctx, const struct rf_id *node)
{
    struct rf_overlay *o = ctx;
    return o->host.redial(o->host.ctx, node);
}

static void wish_bootstrap(void *ctx)
{
    struct rf_overlay *o = ctx;
    if (o->host.bootstrap != NULL)
        o->host.bootstrap(o->host.ctx);
}

static bool tell_outside(void *ctx)
{
    struct rf_overlay *o = ctx;
    return o->host.outside != NULL && o->host.outside(o->host.ctx);
}

static void wish_disconnect(void *ctx, uint64_t link)
{
    struct rf_overlay *o = ctx;
    if (o->host.disconnect != NULL)
        o->host.disconnect(o->host.ctx, link);
}

static void wish_keepalive(void *ctx, uint64_t link, uint64_t quiet_us)
{
    struct rf_overlay *o = ctx;
    o->host.keepalive(o->host.ctx, link, quiet_us);
}

static uint32_t ask_rtt(void *ctx, uint64_t link)
{
    struct rf_overlay *o = ctx;
    return o->host.rtt(o->host.ctx, link);
}

static void tell_state(void *ctx, enum rf_topology_state state)
{
    struct rf_overlay *o = ctx;
    if (o->closing)
        return;
    if (state == RF_TOPOLOGY_JOINED)
        calls_joined(o);
    if (o->host.state != NULL)
        o->host.state(o->host.ctx, state);
}

static void tell_range_changed(void *ctx)
{
    struct rf_overlay *o = ctx;
    if (!o->closing && o->host.range_changed != NULL)
        o->host.range_changed(o->host.ctx);
}

static void tell_neighbor_lost(void *ctx, const struct rf_id *node)
{
    struct rf_overlay *o = ctx;
    if (!o->closing && o->host.neighbor_lost != NULL)
        o->host.neighbor_lost(o->host.ctx, node);
}

static size_t ask_handover_pending(void *ctx)
{
    struct rf_overlay *o = ctx;
    return o->host.handover_pending != NULL ? o->host.handover_pending(o->host.ctx) : 0;
}

static struct rf_topology_params topology_params(const struct rf_overlay *o)
{
    const struct rf_conf *conf = o->config.conf;
    return (struct rf_topology_params){
        .self = o->self,
        .role = o->config.role,
        .update_interval_us = conf->chord_update_interval_s * RF_US_PER_S,
        .ping_interval_us = conf->chord_ping_interval_s * RF_US_PER_S,
        .reactive = conf->chord_reactive,
        .self_tuning = conf->self_tuning,
        .peers_to_probe = conf->peers_to_probe,
        .successor_count = 3,
        .predecessor_count = 3,
        .finger_count = 16,
        .hold_down_us = 30 * RF_US_PER_S,
        .backoff_max_us = o->config.backoff_max_us,
    };
}

static int create_topology(struct rf_overlay *o)
{
    struct rf_topology_params params = topology_params(o);
    struct rf_topology_host host = {
        .overlay = o,
        .ctx = o,
        .attach = wish_attach,
        .admit = wish_admit,
        .homed = tell_homed,
        .reserve = ask_reserve,
        .redial = o->host.redial != NULL ? wish_redial : NULL,
        .bootstrap = wish_bootstrap,
        .outside = tell_outside,
        .disconnect = wish_disconnect,
        .keepalive = o->host.keepalive != NULL ? wish_keepalive : NULL,
        .rtt = o->host.rtt != NULL ? ask_rtt : NULL,
        .state = tell_state,
        .range_changed = tell_range_changed,
        .neighbor_lost = tell_neighbor_lost,
        .handover_pending = o->host.handover_pending != NULL ? ask_handover_pending : NULL,
    };
    struct rf_topology *topology = NULL;
    int error = o->ops->create(o->env, &params, &host, &topology);
    o->topology = topology;
    return error;
}

/* ---- the object ---- */

static void init_tables(struct rf_overlay *o)
{
    conns_init(o);
    calls_init(o);
    rf_list_init(&o->deferred);
    rf_list_init(&o->traces);
    rf_list_init(&o->looped);
    rf_timer_init(&o->loop_timer, send_loop_fired, o);
}

int rf_overlay_new(const struct rf_env *env, const struct rf_overlay_config *config,
                   const struct rf_overlay_host *host, struct rf_overlay **out)
{
    struct rf_overlay *o = rf_zalloc(env->mem, sizeof(*o));
    if (o == NULL)
        return RF_ENOMEM;
    o->env = env;
    o->config = *config;
    o->config.conf = rf_conf_hold(config->conf);
    o->host = *host;
    o->ops = config->topology;
    o->self = config->identity->node_id;
    o->start_us = env->now->mono_us;
    init_tables(o);
    o->scratch = rf_scratch_share(env->scratch, env->mem);
    o->counters = rf_env_counters(env, rf_overlay_counter_descs, sizeof(*o->counters));
    int error = o->scratch != NULL && o->counters != NULL ? overlay_config_init(o) : RF_ENOMEM;
    if (error == 0)
        error = overlay_ping_init(o);
    if (error == 0)
        error = overlay_diag_init(o);
    if (error == 0)
        error = create_topology(o);
    if (error != 0) {
        rf_overlay_free(o);
        return error;
    }
    *out = o;
    return 0;
}

void rf_overlay_free(struct rf_overlay *o)
{
    if (o == NULL)
        return;
    struct rf_mem *mem = o->env->mem;
    o->closing = true;
    /* the topology ends its own calls and hears of no others' */
    if (o->topology != NULL)
        o->ops->destroy(o->topology);
    o->topology = NULL;
    calls_deinit(o);
    overlay_traces_deinit(o);
    requests_deinit(o);
    send_loop_deinit(o);
    answers_deinit(o);
    fragments_deinit(o);
    opaque_deinit(o);
    conns_deinit(o);
    rf_scratch_leave(o->scratch, mem);
    rf_env_counters_close(o->env, o->counters);
    rf_free(mem, o->handlers);
    rf_free(mem, o->pushes);
    rf_conf_release(o->config.conf);
    rf_free(mem, o);
}

void rf_overlay_trim(struct rf_overlay *o)
{
    if (!o->scratch->shared)
        rf_scratch_trim(o->scratch);
}

void rf_overlay_configure(struct rf_overlay *o, struct rf_conf *conf)
{
    struct rf_conf *old = o->config.conf;
    o->config.conf = rf_conf_hold(conf);
    rf_conf_release(old);
    struct rf_topology_params params = topology_params(o);
    o->ops->configure(o->topology, &params);
    calls_configured(o);
}

void rf_overlay_start(struct rf_overlay *o, bool first)
{
    o->ops->start(o->topology, first);
}

void rf_overlay_leave(struct rf_overlay *o)
{
    o->ops->leave(o->topology);
}

void rf_overlay_retire(struct rf_overlay *o)
{
    o->ops->retire(o->topology);
}

int rf_overlay_become(struct rf_overlay *o, enum rf_topology_role role)
{
    enum rf_topology_role old = o->config.role;
    o->config.role = role; /* whoever is called meanwhile sees it */
    int error = o->ops->become(o->topology, role);
    if (error != 0)
        o->config.role = old;
    return error;
}

void rf_overlay_asked_away(struct rf_overlay *o, const struct rf_redirect *redirect)
{
    o->ops->asked_away(o->topology, redirect);
}

void rf_overlay_moved(struct rf_overlay *o)
{
    if (o->topology != NULL && o->ops->moved != NULL)
        o->ops->moved(o->topology);
}

void rf_overlay_attached(struct rf_overlay *o, const struct rf_id *target, const struct rf_id *node,
                         int error)
{
    if (o->topology != NULL)
        o->ops->attached(o->topology, target, node, error);
}

void rf_overlay_refused(struct rf_overlay *o, const struct rf_id *target, const struct rf_redirect *redirect)
{
    if (o->topology != NULL && o->ops->refused != NULL)
        o->ops->refused(o->topology, target, redirect);
    else
        rf_overlay_attached(o, target, NULL, RF_EBUSY);
}

bool rf_overlay_is_peer(const struct rf_overlay *o, const struct rf_id *node)
{
    return o->topology != NULL && o->ops->is_peer != NULL && o->ops->is_peer(o->topology, node);
}

void rf_overlay_bootstrap_failed(struct rf_overlay *o)
{
    if (o->topology != NULL)
        o->ops->bootstrap_failed(o->topology);
}

void rf_overlay_update_wanted(struct rf_overlay *o, const struct rf_id *node)
{
    if (o->topology != NULL)
        o->ops->update_wanted(o->topology, node);
}

const struct rf_overlay_counters *rf_overlay_counters(const struct rf_overlay *o)
{
    return o->counters;
}

const struct rf_topology_ops *rf_overlay_topology(const struct rf_overlay *o, struct rf_topology **t)
{
    *t = o->topology;
    return o->ops;
}

const struct rf_conf *rf_overlay_conf(const struct rf_overlay *o)
{
    return o->config.conf;
}

const struct rf_id *rf_overlay_self(const struct rf_overlay *o)
{
    return &o->self;
}
