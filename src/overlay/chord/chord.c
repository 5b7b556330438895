/* chord.c - the topology plugin's object: its life, its alarms, and the events that the overlay tells it. */
#include "overlay/chord/chord.h"

#define CHORD_ROW(name, help) {#name, help, offsetof(struct rf_chord_counters, name)},
RF_COUNTERS_DEFINE(chord, CHORD_COUNTERS, CHORD_ROW)

/* ---- alarms: one timer of the overlay's heap wakes for the earliest ---- */

static void arm(struct rf_topology *t)
{
    uint64_t next = RF_NEVER;
    for (size_t i = 0; i < ALARM_COUNT; i++)
        if (t->alarm_us[i] < next)
            next = t->alarm_us[i];
    if (!rf_timer_is_set(&t->timer) || t->timer.at_us != next)
        rf_timer_set(t->env->timers, &t->timer, next); /* set since create: cannot fail */
}

void chord_alarm_in(struct rf_topology *t, enum chord_alarm alarm, uint64_t delay_us)
{
    t->alarm_us[alarm] = chord_now(t) + delay_us;
    arm(t);
}

void chord_alarm_soon(struct rf_topology *t, enum chord_alarm alarm, uint64_t delay_us)
{
    if (t->alarm_us[alarm] > chord_now(t) + delay_us)
        chord_alarm_in(t, alarm, delay_us);
}

void chord_alarm_stop(struct rf_topology *t, enum chord_alarm alarm)
{
    t->alarm_us[alarm] = RF_NEVER;
}

uint64_t chord_about(struct rf_topology *t, uint64_t us)
{
    return rf_rng_between(t->env->jitter, us - us / 4, us + us / 4);
}

uint64_t chord_wait(struct rf_topology *t, uint64_t us)
{
    uint64_t most_us = t->params.backoff_max_us ? t->params.backoff_max_us : CHORD_BACKOFF_MAX_US;
    return rf_rng_below(t->env->jitter, us < most_us ? us : most_us);
}

uint64_t chord_backoff(struct rf_topology *t, unsigned attempts)
{
    return 50 * CHORD_MS + chord_wait(t, attempts < 6 ? CHORD_BACKOFF_US << attempts : CHORD_BACKOFF_MAX_US);
}

static void pursue_alarm(struct rf_topology *t)
{
    chord_attaches_expire(t);
    if (t->params.role == RF_ROLE_CLIENT) {
        chord_client_pursue(t);
        return;
    }
    chord_pursue(t);
    chord_join_step(t);
}

static void join_alarm(struct rf_topology *t)
{
    if (t->params.role == RF_ROLE_CLIENT)
        chord_client_alarm(t);
    else if (t->state == RF_TOPOLOGY_JOINING)
        chord_join_alarm(t);
}

static void hold_alarm(struct rf_topology *t)
{
    t->host.range_changed(t->host.ctx);
}

static void fire(struct rf_timer *timer, void *arg)
{
    static void (*const alarms[ALARM_COUNT])(struct rf_topology * t) = {
        [ALARM_FLUSH] = chord_flush,
        [ALARM_PURSUE] = pursue_alarm,
        [ALARM_CHECK] = chord_check_round,
        [ALARM_AGREE] = chord_agree_round,
        [ALARM_STABILIZE] = chord_stabilize,
        [ALARM_FINGERS] = chord_fingers_search,
        [ALARM_NEARER] = chord_fingers_nearer,
        [ALARM_PARTITION] = chord_partition_check,
        [ALARM_LOST] = chord_lost_look,
        [ALARM_SWEEP] = chord_sweep,
        [ALARM_JOIN] = join_alarm,
        [ALARM_HOLD] = hold_alarm,
        [ALARM_HANDOVER] = chord_handover_poll,
        [ALARM_LEAVE] = chord_leave_done,
    };
    struct rf_topology *t = arg;
    rf_timer_set(t->env->timers, timer, RF_NEVER); /* takes its old place again, so it needs no memory */
    for (size_t i = 0; i < ALARM_COUNT; i++) {
        if (t->alarm_us[i] > chord_now(t))
            continue;
        t->alarm_us[i] = RF_NEVER;
        alarms[i](t);
    }
    arm(t);
}

/* ---- life ---- */

static int handle_all(struct rf_topology *t)
{
    static const struct {
        uint16_t code;
        rf_request_fn fn;
    } handlers[] = {{RF_CODE_JOIN_REQ, chord_on_join},
                    {RF_CODE_LEAVE_REQ, chord_on_leave},
                    {RF_CODE_UPDATE_REQ, chord_on_update},
                    {RF_CODE_ROUTE_QUERY_REQ, chord_on_route_query}};
    for (size_t i = 0; i < RF_COUNT(handlers); i++) {
        int error = rf_overlay_handle(t->host.overlay, handlers[i].code, handlers[i].fn, t);
        if (error)
            return error;
    }
    return 0;
}

static void take_params(struct rf_topology *t, const struct rf_topology_params *params)
{
    t->params = *params;
    if (t->params.self_tuning)
        t->params.reactive = false;
    if (t->params.update_interval_us < CHORD_S)
        t->params.update_interval_us = params->update_interval_us ? CHORD_S : 600 * CHORD_S;
    if (t->params.ping_interval_us < CHORD_S)
        t->params.ping_interval_us = params->ping_interval_us ? CHORD_S : 3600 * CHORD_S;
}

static int chord_create(const struct rf_env *env, const struct rf_topology_params *params,
                        const struct rf_topology_host *host, struct rf_topology **out)
{
    struct rf_topology *t = rf_zalloc(env->mem, sizeof(*t));
    if (!t)
        return RF_ENOMEM;
    t->env = env;
    t->host = *host;
    take_params(t, params);
    t->state = RF_TOPOLOGY_IDLE;
    t->tables_count = 1;
    t->tokens = CHORD_ATTACH_BURST;
    t->token_us = chord_now(t);
    for (size_t i = 0; i < ALARM_COUNT; i++)
        t->alarm_us[i] = RF_NEVER;
    chord_conns_init(t);
    ring_init(&t->ring, env->mem, &params->self, params->successor_count ? params->successor_count : 3,
              params->predecessor_count ? params->predecessor_count : 3,
              params->finger_count ? params->finger_count : 16);
    t->ring.waits = true;
    candidates_init(&t->candidates, env->mem, &params->self,
                    params->role == RF_ROLE_CLIENT ? CANDIDATES_NEAR : CANDIDATES_MAX);
    t->candidates.failed_only = params->role == RF_ROLE_CLIENT;
    rf_timer_init(&t->timer, fire, t);
    t->counters = rf_env_counters(env, rf_chord_counter_descs, sizeof(*t->counters));
    int error = t->counters ? rf_timer_set(env->timers, &t->timer, RF_NEVER) : RF_ENOMEM;
    if (!error)
        error = chord_tables_set(t, params->role == RF_ROLE_PEER);
    if (!error)
        error = handle_all(t);
    if (error) {
        rf_timer_stop(env->timers, &t->timer);
        (void)chord_tables_set(t, false); /* which does not fail */
        rf_env_counters_close(env, t->counters);
        rf_free(env->mem, t);
        return error;
    }
    *out = t;
    return 0;
}

static void chord_destroy(struct rf_topology *t)
{
    if (!t)
        return;
    t->closing = true;
    rf_timer_stop(t->env->timers, &t->timer);
    chord_conns_deinit(t);
    chord_lost_deinit(t);
    candidates_deinit(&t->candidates);
    ring_deinit(&t->ring);
    rf_free(t->env->mem, t->client.list);
    rf_free(t->env->mem, t->tuning);
    (void)chord_tables_set(t, false); /* which does not fail */
    rf_env_counters_close(t->env, t->counters);
    rf_free(t->env->mem, t);
}

static void chord_configure(struct rf_topology *t, const struct rf_topology_params *params)
{
    enum rf_topology_role role = t->params.role;
    struct rf_id self = t->params.self;
    take_params(t, params);
    t->params.role = role; /* a node that changes its role begins a new life */
    t->params.self = self;
    if (t->state == RF_TOPOLOGY_JOINED && role == RF_ROLE_PEER) {
        chord_alarm_soon(t, ALARM_STABILIZE, t->params.update_interval_us);
        chord_alarm_soon(t, ALARM_PARTITION, t->params.update_interval_us);
        chord_alarm_soon(t, ALARM_FINGERS, t->params.ping_interval_us);
    }
}

void chord_set_state(struct rf_topology *t, enum rf_topology_state state)
{
    t->state = state;
    t->host.state(t->host.ctx, state);
}

static void chord_start(struct rf_topology *t, bool first)
{
    if (first && t->state == RF_TOPOLOGY_JOINING && t->params.role == RF_ROLE_PEER) {
        t->first = true; /* nobody else is there, as the host found out meanwhile */
        chord_alone(t);
        return;
    }
    if (t->state != RF_TOPOLOGY_IDLE)
        return;
    t->first = first;
    t->start_us = chord_now(t);
    chord_alarm_in(t, ALARM_SWEEP, chord_about(t, CHORD_SWEEP_US));
    if (first && t->params.role == RF_ROLE_PEER) {
        chord_alone(t);
        return;
    }
    chord_set_state(t, RF_TOPOLOGY_JOINING);
    if (t->params.role == RF_ROLE_CLIENT)
        chord_client_start(t);
    else
        chord_join_start(t, 0);
}

static enum rf_topology_state chord_state(const struct rf_topology *t)
{
    return t->state;
}

static const void *chord_counters(const struct rf_topology *t, const struct rf_counter_desc **descs,
                                  size_t *count)
{
    *descs = rf_chord_counter_descs;
    *count = rf_chord_counter_count;
    return t->counters;
}

/* ---- links ---- */

/* The link to a node that we knew over another one: it may have started anew in between. */
static void replace_link(struct rf_topology *t, struct chord_conn *conn, uint64_t link)
{
    if (conn->update)
        chord_call_cancel(conn->update);
    if (conn->check)
        chord_call_cancel(conn->check);
    conn->link = link;
    conn->up_us = chord_now(t);
    conn->left = conn->told = false;
    conn->told_tables = 0;
    conn->failed_checks = 0;
    if (conn->peer) {
        chord_peer_anew(t, &conn->node);
        chord_owe(t, conn, OWE_READY);
        chord_check(t, conn);
    }
}

static void bootstrapped(struct rf_topology *t, struct chord_conn *conn)
{
    if (t->params.role == RF_ROLE_CLIENT)
        chord_client_bootstrap(t, conn);
    else if (t->state == RF_TOPOLOGY_JOINING)
        chord_join_bootstrap(t, conn);
    else if (t->state == RF_TOPOLOGY_JOINED && t->partition_waiting) {
        if (conn)
            chord_partition_link(t, conn);
        t->partition_waiting = false;
    }
}

static void chord_link_up(struct rf_topology *t, const struct rf_conn *info, bool bootstrap)
{
    struct chord_conn *conn = chord_conn_touch(t, &info->node, info->link);
    if (!conn) { /* a link that we cannot keep in mind would never be released */
        t->host.disconnect(t->host.ctx, info->link);
        return;
    }
    if (conn->link != info->link)
        replace_link(t, conn, info->link);
    conn->suspect = info->suspect;
    conn->heard_us = chord_now(t);
    candidates_alive(&t->candidates, &info->node);
    bool lost = false;
    conn->attached = chord_attach_claim(t, conn, &lost);
    if (lost)
        chord_lost_found(t, conn);
    if (conn->attached || (bootstrap && conn->up_us == chord_now(t)))
        conn->wanted = true;
    if (t->params.role == RF_ROLE_CLIENT)
        chord_client_link(t, conn);
    if (bootstrap)
        bootstrapped(t, conn);
    chord_pursue(t);
    chord_join_step(t);
}

static void chord_link_down(struct rf_topology *t, const struct rf_conn *info, int reason)
{
    struct chord_conn *conn = chord_conn_find(t, &info->node);
    if (conn && conn->link == info->link)
        chord_peer_lost(t, conn, reason == RF_EGOODBYE ? LOST_RELEASED : LOST_LINK);
}

static void chord_link_suspect(struct rf_topology *t, const struct rf_conn *info)
{
    struct chord_conn *conn = chord_conn_find(t, &info->node);
    if (!conn || conn->link != info->link)
        return;
    conn->suspect = info->suspect;
    struct ring_peer *peer = ring_find(&t->ring, &info->node);
    if (peer)
        peer->avoid = info->suspect;
    bool of_use =
        peer || rf_id_equal(&info->node, &t->client.home) || rf_id_equal(&info->node, &t->client.reserve);
    if (info->suspect && of_use)
        chord_check(t, conn);
}

static void chord_bootstrap_failed(struct rf_topology *t)
{
    bootstrapped(t, NULL);
}

static void chord_update_wanted(struct rf_topology *t, const struct rf_id *node)
{
    struct chord_conn *conn = chord_conn_find(t, node);
    if (!conn || t->params.role != RF_ROLE_PEER)
        return;
    conn->left = false; /* a peer that left and is a client now */
    chord_owe(t, conn, OWE_FULL);
    if (t->state == RF_TOPOLOGY_JOINED && !conn->handover)
        chord_update_send(t, conn, OWE_FULL);
}

static void chord_unresponsive(struct rf_topology *t, const struct rf_id *node)
{
    struct chord_conn *conn = chord_conn_find(t, node);
    if (conn &&
        (conn->peer || t->params.role == RF_ROLE_CLIENT)) /* a client of ours may be as silent as it likes */
        chord_check(t, conn);
}

const struct rf_topology_ops rf_topology_chord = {
    .name = "CHORD-RELOAD",
    .create = chord_create,
    .destroy = chord_destroy,
    .configure = chord_configure,
    .start = chord_start,
    .leave = chord_leave,
    .retire = chord_retire,
    .become = chord_become,
    .asked_away = chord_client_asked_away,
    .moved = chord_client_moved,
    .size = chord_size,
    .link_up = chord_link_up,
    .link_down = chord_link_down,
    .link_suspect = chord_link_suspect,
    .attached = chord_on_attached,
    .refused = chord_on_refused,
    .bootstrap_failed = chord_bootstrap_failed,
    .update_wanted = chord_update_wanted,
    .unresponsive = chord_unresponsive,
    .responsible = chord_responsible,
    .in_range = chord_in_range,
    .next_hop = chord_next_hop,
    .other_hop = chord_other_hop,
    .as_close = chord_as_close,
    .replicas = chord_replicas,
    .ring_is_single = chord_ring_is_single,
    .may_replicate = chord_may_replicate,
    .should_hold = chord_should_hold,
    .owner = chord_owner,
    .is_peer = chord_is_peer,
    .state = chord_state,
    .status = chord_status,
    .share = chord_share,
    .tuning = chord_tuning_tell,
    .tuned = chord_tuning_hear,
    .counters = chord_counters,
};
