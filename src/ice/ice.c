/* ice.c - the agent's birth and death, its bases, its queue. */
#include "ice/relay.h"

#define ROW(name, help) {#name, help, offsetof(struct rf_ice_counters, name)},
RF_COUNTERS_DEFINE(ice, RF_ICE_COUNTERS, ROW)

/* ---- birth and death ---- */

void rf_ice_config_default(struct rf_ice_config *config)
{
    *config = (struct rf_ice_config){
        .ta_us = 10 * RF_US_PER_MS,
        .rto_us = RF_STUN_RTO_US,
        .gather_us = 500 * RF_US_PER_MS,
        .gather_relay_us = 3 * RF_US_PER_S,
        .direct_grace_us = 20 * RF_US_PER_MS,
        .relay_grace_us = 150 * RF_US_PER_MS,
        .connect_us = 15 * RF_US_PER_S,
        .restart_us = 8 * RF_US_PER_S,
        .move_us = RF_US_PER_S,
        .relay_idle_us = 30 * RF_US_PER_S,
        .max_sessions = 4096,
        .max_queued = 4096,
    };
}

static struct rf_view key_of_tuple(const struct rf_map_node *node)
{
    const struct ice_tuple *t = RF_CONTAINER(node, const struct ice_tuple, node);
    return rf_view_of(t->key, t->key_len);
}

int rf_ice_new(const struct rf_env *env, const struct rf_ice_config *config, struct rf_ice **out)
{
    if (config->crypto == NULL || config->ta_us < ICE_MIN_US || config->rto_us < RF_STUN_RTO_US)
        return RF_EINVAL;
    struct rf_ice *ice = rf_zalloc(env->mem, sizeof(*ice));
    if (ice == NULL)
        return RF_ENOMEM;
    ice->env = env;
    ice->config = *config;
    ice->crypto = config->crypto;
    rf_map_init(&ice->sessions, env->mem, env->seed, ice_key_of_session);
    rf_map_init(&ice->ufrags, env->mem, env->seed, ice_key_of_ufrag);
    rf_map_init(&ice->tuples, env->mem, env->seed, key_of_tuple);
    rf_map_init(&ice->txns, env->mem, env->seed, ice_key_of_txn);
    rf_list_init(&ice->all);
    rf_list_init(&ice->active);
    rf_list_init(&ice->gathering);
    rf_list_init(&ice->jobs);
    rf_list_init(&ice->queue);
    ice_pace_init(ice);
    *out = ice;
    return 0;
}

static void stun_free(struct rf_ice *ice, size_t server)
{
    if (ice->stuns[server] == NULL)
        return;
    for (size_t i = 0; i < RF_ICE_MAX_BASES; i++)
        ice_probe_drop(&ice->stuns[server]->probes[i]);
    rf_free(ice->env->mem, ice->stuns[server]);
    ice->stuns[server] = NULL;
}

void rf_ice_free(struct rf_ice *ice)
{
    if (ice == NULL)
        return;
    struct rf_mem *mem = ice->env->mem;
    RF_LIST_EACH_SAFE(&ice->all, it)
    ice_session_free(RF_LIST_ENTRY(it, struct rf_ice_session, all));
    for (size_t i = 0; i < RF_ICE_MAX_TURN; i++)
        ice_relay_free(ice->relays[i]);
    for (size_t i = 0; i < RF_ICE_MAX_STUN; i++)
        stun_free(ice, i);
    RF_LIST_EACH_SAFE(&ice->queue, it)
    rf_free(mem, RF_LIST_ENTRY(it, struct ice_out, at));
    rf_free(mem, ice->borrowed);
    rf_timer_stop(ice->env->timers, &ice->pace);
    rf_timer_stop(ice->env->timers, &ice->keep);
    rf_map_deinit(&ice->sessions);
    rf_map_deinit(&ice->ufrags);
    rf_map_deinit(&ice->tuples);
    rf_map_deinit(&ice->txns);
    rf_free(mem, ice);
}

const struct rf_ice_counters *rf_ice_counters(const struct rf_ice *ice)
{
    return &ice->counters;
}

/* ---- bases and servers ---- */

static void base_gone(struct rf_ice *ice, uint8_t base)
{
    for (size_t i = 0; i < RF_ICE_MAX_STUN; i++)
        if (ice->stuns[i] != NULL)
            ice_probe_drop(&ice->stuns[i]->probes[base]);
    ice_relay_base_gone(ice, base);
    RF_LIST_EACH_SAFE(&ice->all, it)
    ice_session_base_moved(RF_LIST_ENTRY(it, struct rf_ice_session, all), base);
}

int rf_ice_base_set(struct rf_ice *ice, uint8_t base, const struct rf_addr *addr, uint16_t preference)
{
    if (base >= RF_ICE_MAX_BASES || (addr->family != 4 && addr->family != 6) || addr->port == 0 ||
        rf_addr_is_any(addr))
        return RF_EINVAL;
    struct ice_base *b = &ice->bases[base];
    bool moved = b->addr.family != 0 && !rf_addr_equal(&b->addr, addr);
    *b = (struct ice_base){.addr = *addr, .preference = preference};
    if (moved)
        base_gone(ice, base);
    return 0;
}

void rf_ice_base_remove(struct rf_ice *ice, uint8_t base)
{
    if (base >= RF_ICE_MAX_BASES || ice->bases[base].addr.family == 0)
        return;
    ice->bases[base] = (struct ice_base){0};
    base_gone(ice, base);
}

static int stun_place(const struct rf_ice *ice, const struct rf_addr *addr)
{
    for (int i = 0; i < RF_ICE_MAX_STUN; i++)
        if (ice->stuns[i] != NULL && rf_addr_equal(&ice->stuns[i]->addr, addr))
            return i;
    return -1;
}

int rf_ice_stun_add(struct rf_ice *ice, const struct rf_addr *server)
{
    if ((server->family != 4 && server->family != 6) || server->port == 0)
        return RF_EINVAL;
    if (stun_place(ice, server) >= 0)
        return 0;
    for (uint8_t i = 0; i < RF_ICE_MAX_STUN; i++) {
        if (ice->stuns[i] != NULL)
            continue;
        ice->stuns[i] = rf_zalloc(ice->env->mem, sizeof(struct ice_stun));
        if (ice->stuns[i] == NULL)
            return RF_ENOMEM;
        ice->stuns[i]->addr = *server;
        ice_probe_init(ice->stuns[i], ice, i);
        return 0;
    }
    return RF_ELIMIT;
}

void rf_ice_stun_remove(struct rf_ice *ice, const struct rf_addr *server)
{
    int place = stun_place(ice, server);
    if (place < 0)
        return;
    stun_free(ice, (size_t)place);
    ice_session_gathered(ice);
}

int rf_ice_turn_add(struct rf_ice *ice, const struct rf_ice_turn *turn, uint8_t *server)
{
    if ((turn->addr.family != 4 && turn->addr.family != 6) || turn->addr.port == 0 || turn->user == NULL ||
        turn->pass == NULL || (turn->family != 0 && turn->family != 4 && turn->family != 6))
        return RF_EINVAL;
    for (uint8_t i = 0; i < RF_ICE_MAX_TURN; i++) {
        if (ice->relays[i] != NULL)
            continue;
        *server = i;
        return ice_relay_new(ice, turn, i);
    }
    return RF_ELIMIT;
}

int rf_ice_turn_login(struct rf_ice *ice, uint8_t server, const char *user, const char *pass)
{
    if (server >= RF_ICE_MAX_TURN || ice->relays[server] == NULL)
        return RF_ENOTFOUND;
    return ice_relay_login(ice->relays[server], user, pass);
}

void rf_ice_turn_remove(struct rf_ice *ice, uint8_t server)
{
    if (server >= RF_ICE_MAX_TURN || ice->relays[server] == NULL)
        return;
    ice_relay_end(ice->relays[server]);
    ice_relay_free(ice->relays[server]);
    ice_session_gathered(ice);
}

/* ---- the queue ---- */

bool ice_push(struct rf_ice *ice, const struct rf_ice_out *out, struct rf_view bytes)
{
    bool data = out->type == RF_ICE_OUT_DATAGRAM || out->type == RF_ICE_OUT_STREAM;
    struct ice_out *o = NULL;
    if (!data || ice->queued < ice->config.max_queued)
        o = rf_alloc(ice->env->mem, sizeof(*o) + bytes.len);
    if (o == NULL) {
        ice->counters.no_room++;
        return false;
    }
    o->out = *out;
    if (bytes.len > 0)
        memcpy(o->bytes, bytes.p, bytes.len);
    o->out.bytes = rf_view_of(o->bytes, bytes.len);
    rf_list_push_back(&ice->queue, &o->at);
    ice->queued += data;
    return true;
}

bool rf_ice_next(struct rf_ice *ice, struct rf_ice_out *out)
{
    rf_free(ice->env->mem, ice->borrowed);
    ice->borrowed = NULL;
    if (rf_list_empty(&ice->queue))
        return false;
    struct ice_out *o = RF_LIST_ENTRY(ice->queue.next, struct ice_out, at);
    rf_list_remove(&o->at);
    ice->borrowed = o;
    *out = o->out;
    ice->queued -= out->type == RF_ICE_OUT_DATAGRAM || out->type == RF_ICE_OUT_STREAM;
    return true;
}

void ice_event(struct rf_ice_session *s, enum rf_ice_out_type type, int error)
{
    struct rf_ice_out out = {.type = type, .session = s->id, .error = error};
    ice_push(s->ice, &out, rf_view_of(NULL, 0));
}

void ice_emit(struct rf_ice *ice, uint8_t way, const struct rf_addr *to, struct rf_view bytes)
{
    if (!ice_is_base(way)) {
        ice_relay_emit(ice, way, to, bytes);
        return;
    }
    if (ice->bases[way].addr.family == 0)
        return; /* it is gone */
    struct rf_ice_out out = {.type = RF_ICE_OUT_DATAGRAM, .base = way, .remote = *to};
    ice_push(ice, &out, bytes);
}

/* ---- data ---- */

struct rf_ice_session *ice_find(const struct rf_ice *ice, rf_ice_id id)
{
    struct rf_map_node *node = rf_map_find(&ice->sessions, rf_view_of(&id, sizeof(id)));
    return node == NULL ? NULL : RF_CONTAINER(node, struct rf_ice_session, node);
}

int rf_ice_send(struct rf_ice *ice, rf_ice_id id, size_t len, struct rf_ice_wrap *out)
{
    struct rf_ice_session *s = ice->last;
    if (s == NULL || s->id != id)
        s = ice->last = ice_find(ice, id);
    if (s == NULL)
        return RF_ENOTFOUND;
    if (!s->path.set || (ice_is_base(s->path.way) && ice->bases[s->path.way].addr.family == 0))
        return RF_EAGAIN;
    if (len > RF_ICE_MAX_PAYLOAD)
        return RF_ELENGTH;
    s->path.sent_us = s->path.data_us = ice_now(ice);
    if (s->idle_us != 0)
        ice_consent_used(s);
    if (!ice_is_base(s->path.way)) {
        ice_relay_wrap(ice, s->path.way, &s->path.remote, s->path.channel, len, out);
        return 0;
    }
    out->base = s->path.way;
    out->head_len = out->pad = 0;
    out->remote = s->path.remote;
    return 0;
}

static uint8_t tuple_key(uint8_t way, const struct rf_addr *remote, uint8_t key[ICE_KEY_MAX])
{
    size_t ip_len = remote->family == 4 ? 4 : 16;
    key[0] = way;
    key[1] = remote->family;
    memcpy(key + 2, &remote->port, 2);
    memcpy(key + 4, remote->ip, ip_len);
    return (uint8_t)(4 + ip_len);
}

struct ice_tuple *ice_tuple_find(const struct rf_ice *ice, uint8_t way, const struct rf_addr *remote)
{
    uint8_t key[ICE_KEY_MAX], len = tuple_key(way, remote, key);
    struct rf_map_node *node = rf_map_find(&ice->tuples, rf_view_of(key, len));
    return node == NULL ? NULL : RF_CONTAINER(node, struct ice_tuple, node);
}

void ice_tuple_put(struct ice_tuple *tuple, struct rf_ice_session *s, uint8_t way,
                   const struct rf_addr *remote, bool force)
{
    struct rf_ice *ice = s->ice;
    if (tuple->session != NULL)
        return;
    struct ice_tuple *other = ice_tuple_find(ice, way, remote);
    if (other != NULL && !force)
        return;
    if (other != NULL) {
        struct rf_ice_session *loser = other->session;
        bool lost = loser != s && other == &loser->path.tuple;
        ice_tuple_drop(other, ice);
        if (lost) {
            ice->counters.taken_over++;
            ice_session_fail(loser, RF_EDUPLICATE);
        }
    }
    tuple->key_len = tuple_key(way, remote, tuple->key);
    if (rf_map_insert(&ice->tuples, &tuple->node) == 0)
        tuple->session = s;
}

void ice_tuple_drop(struct ice_tuple *tuple, struct rf_ice *ice)
{
    if (tuple->session == NULL)
        return;
    rf_map_remove(&ice->tuples, &tuple->node);
    tuple->session = NULL;
}
