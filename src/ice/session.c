/* session.c - a session's life: opened, gathered, started, restarted, moved, failed, closed; and its one timer. */
#include "ice/internal.h"

#define KEEPALIVE_US (15 * RF_US_PER_S)

struct rf_view ice_key_of_session(const struct rf_map_node *node)
{
    const struct rf_ice_session *s = RF_CONTAINER(node, const struct rf_ice_session, node);
    return rf_view_of(&s->id, sizeof(s->id));
}

struct rf_view ice_key_of_ufrag(const struct rf_map_node *node)
{
    return rf_view_of(RF_CONTAINER(node, const struct ice_creds, node)->ufrag, ICE_UFRAG_LEN);
}

/* ---- credentials ---- */

static void random_text(struct rf_ice *ice, char *out, size_t len)
{
    static const char chars[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint8_t raw[ICE_PASS_LEN];
    RF_ASSERT(len <= sizeof(raw));
    rf_rng_fill(ice->env->secret, raw, len);
    for (size_t i = 0; i < len; i++)
        out[i] = chars[raw[i] & 63];
    out[len] = '\0';
    rf_wipe(raw, sizeof(raw));
}

static struct ice_creds *creds_new(struct rf_ice_session *s)
{
    struct rf_ice *ice = s->ice;
    struct ice_creds *c = rf_zalloc(ice->env->mem, sizeof(*c));
    if (c == NULL)
        return NULL;
    c->session = s;
    random_text(ice, c->pass, ICE_PASS_LEN);
    for (int tries = 0; tries < 4; tries++) {
        random_text(ice, c->ufrag, ICE_UFRAG_LEN);
        int error = rf_map_insert(&ice->ufrags, &c->node);
        if (error == 0)
            return c;
        if (error != RF_EEXIST)
            break;
    }
    rf_free_secret(ice->env->mem, c, sizeof(*c));
    return NULL;
}

static void creds_free(struct rf_ice *ice, struct ice_creds *c)
{
    if (c == NULL)
        return;
    rf_map_remove(&ice->ufrags, &c->node);
    if (c->remote_pass != NULL)
        rf_free_secret(ice->env->mem, c->remote_pass, strlen(c->remote_pass));
    rf_free(ice->env->mem, c->remote_ufrag);
    rf_free_secret(ice->env->mem, c, sizeof(*c));
}

void ice_session_free_old(struct rf_ice_session *s)
{
    creds_free(s->ice, s->old_creds);
    s->old_creds = NULL;
}

/* ice-char, section 5.3 of RFC 8839; at least 4 and 22 of them */
static bool good_text(struct rf_view text, size_t least)
{
    if (text.len < least || text.len > RF_ICE_TEXT_MAX)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.p[i];
        if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') && c != '+' &&
            c != '/')
            return false;
    }
    return true;
}

static char *copy_text(struct rf_mem *mem, struct rf_view text)
{
    char *copy = rf_alloc(mem, text.len + 1);
    if (copy != NULL) {
        memcpy(copy, text.p, text.len);
        copy[text.len] = '\0';
    }
    return copy;
}

/* ---- the timer ---- */

void ice_session_wake(struct rf_ice_session *s)
{
    const uint64_t at[] = {s->gather_at,  s->gather_relay_at, s->connect_at, s->grace_at, s->keep_at,
                           s->consent_at, s->old_path_at,     s->move_at,    s->doubt_at};
    uint64_t first_us = RF_NEVER;
    for (size_t i = 0; i < RF_COUNT(at); i++)
        if (at[i] != 0 && at[i] < first_us)
            first_us = at[i];
    if (first_us == RF_NEVER)
        rf_timer_stop(s->ice->env->timers, &s->timer);
    else
        (void)rf_timer_set(s->ice->env->timers, &s->timer, first_us);
}

static bool due(struct rf_ice_session *s, uint64_t *at)
{
    if (*at == 0 || *at > ice_now(s->ice))
        return false;
    *at = 0;
    return true;
}

static bool is_gathered(struct rf_ice_session *s);

static void connect_timeout(struct rf_ice_session *s)
{
    if (!s->path.set) {
        ice_session_fail(s, RF_EUNREACHABLE);
        return;
    }
    bool dead = s->path.heard_us < s->started_us;
    ice_session_strip(s); /* a restart that led to nothing: the old way is still there */
    s->state = RF_ICE_CONNECTED;
    ice_session_relays(s);
    if (dead)
        ice_event(s, RF_ICE_OUT_RESTART, RF_EAGAIN);
}

static void fired(struct rf_timer *timer, void *arg)
{
    struct rf_ice_session *s = arg;
    (void)timer;
    bool gather = due(s, &s->gather_at);
    gather = due(s, &s->gather_relay_at) || gather;
    if (gather)
        is_gathered(s);
    if (due(s, &s->connect_at))
        connect_timeout(s);
    if (due(s, &s->grace_at))
        ice_nominate_look(s);
    if (due(s, &s->doubt_at))
        ice_doubt_over(s);
    if (due(s, &s->move_at))
        ice_event(s, RF_ICE_OUT_RESTART, RF_ETIMEOUT);
    if (due(s, &s->old_path_at)) {
        ice_path_drop(s, &s->old_path);
        ice_session_relays(s);
    }
    if (due(s, &s->consent_at))
        ice_consent_fire(s);
    if (due(s, &s->keep_at))
        ice_keep_fire(s);
    ice_session_wake(s);
}

/* ---- gathering ---- */

static bool relays_pending(const struct rf_ice_session *s)
{
    const struct rf_ice *ice = s->ice;
    bool pending = false, ready = false;
    for (size_t i = 0; i < RF_ICE_MAX_TURN; i++) {
        if ((s->relays >> i & 1) == 0 || ice->relays[i] == NULL)
            continue;
        pending = pending || ice_relay_pending(ice->relays[i]);
        ready = ready || ice_relay_ready(ice->relays[i]);
    }
    return pending && (ready ? s->gather_at != 0 : s->gather_relay_at != 0);
}

static bool is_gathered(struct rf_ice_session *s)
{
    struct rf_ice *ice = s->ice;
    bool asking = s->gather_at != 0 && s->relaying != RF_ICE_RELAY_ONLY && ice_probe_pending(ice, s->bases);
    if (s->state != RF_ICE_GATHERING || asking || relays_pending(s))
        return false;
    s->gather_at = s->gather_relay_at = 0;
    rf_list_remove(&s->active);
    ice_gather(s);
    s->state = RF_ICE_READY;
    ice_event(s, RF_ICE_OUT_GATHERED, 0);
    return true;
}

void ice_session_gathered(struct rf_ice *ice)
{
    RF_LIST_EACH_SAFE(&ice->gathering, it)
    {
        struct rf_ice_session *s = RF_LIST_ENTRY(it, struct rf_ice_session, active);
        if (is_gathered(s))
            ice_session_wake(s);
    }
}

static void gather_begin(struct rf_ice_session *s)
{
    struct rf_ice *ice = s->ice;
    s->state = RF_ICE_GATHERING;
    rf_list_remove(&s->active);
    rf_list_push_back(&ice->gathering, &s->active);
    s->gather_at = ice_now(ice) + (s->unanswered ? 0 : ice->config.gather_us);
    s->gather_relay_at = ice_now(ice) + ice->config.gather_relay_us;
    if (s->relaying != RF_ICE_RELAY_NEVER)
        ice_relay_hold(s);
    if (s->relaying != RF_ICE_RELAY_ONLY)
        ice_probe_want(ice, s->bases);
    ice_probe_keep(ice);
    is_gathered(s);
    ice_session_wake(s);
}

/* ---- opening ---- */

static void lists_init(struct rf_ice_session *s)
{
    rf_list_init(&s->all);
    rf_list_init(&s->active);
    rf_list_init(&s->pairs);
    rf_list_init(&s->triggered);
    rf_list_init(&s->consents);
    rf_timer_init(&s->timer, fired, s);
}

int rf_ice_open(struct rf_ice *ice, const struct rf_ice_session_config *config, rf_ice_id *out)
{
    if (ice->sessions.count >= ice->config.max_sessions)
        return RF_ELIMIT;
    struct rf_ice_session *s = rf_zalloc(ice->env->mem, sizeof(*s));
    if (s == NULL)
        return RF_ENOMEM;
    s->ice = ice;
    s->id = ++ice->last_id;
    s->controlling = config->controlling;
    s->relaying = (uint8_t)config->relaying;
    s->unanswered = config->unanswered;
    s->bases = config->bases != 0 ? config->bases : UINT16_MAX;
    s->keepalive_us = config->keepalive_us != 0 ? config->keepalive_us : KEEPALIVE_US;
    s->consent_us = config->consent_us;
    s->tie_breaker = rf_rng_u64(ice->env->secret);
    lists_init(s);
    s->creds = creds_new(s);
    if (s->creds == NULL || rf_map_insert(&ice->sessions, &s->node) != 0) {
        creds_free(ice, s->creds);
        rf_free(ice->env->mem, s);
        return RF_ENOMEM;
    }
    rf_list_push_back(&ice->all, &s->all);
    ice->counters.sessions++;
    *out = s->id;
    gather_begin(s);
    return 0;
}

/* ---- the end ---- */

void ice_session_strip(struct rf_ice_session *s)
{
    struct rf_mem *mem = s->ice->env->mem;
    RF_LIST_EACH_SAFE(&s->pairs, it)
    ice_pair_free(RF_LIST_ENTRY(it, struct ice_pair, order));
    rf_list_remove(&s->active);
    rf_free(mem, s->locals);
    rf_free(mem, s->told);
    rf_free(mem, s->remotes);
    rf_free(mem, s->early);
    s->locals = NULL;
    s->told = NULL;
    s->remotes = NULL;
    s->early = NULL;
    s->local_count = s->remote_count = s->early_count = 0;
    s->first_valid_us = 0;
    s->gather_at = s->gather_relay_at = s->connect_at = s->grace_at = s->move_at = s->doubt_at = 0;
    s->moving = false;
    s->again_count = 0;
}

static void session_end(struct rf_ice_session *s)
{
    ice_session_strip(s);
    ice_path_drop(s, &s->path);
    ice_path_drop(s, &s->old_path);
    ice_txn_free_all(&s->consents);
    ice_relay_release(s);
    s->keep_at = s->consent_at = s->old_path_at = 0;
    ice_session_wake(s);
}

void ice_session_fail(struct rf_ice_session *s, int error)
{
    if (s->state == RF_ICE_FAILED)
        return;
    if (s->path.set)
        s->ice->counters.lost++;
    else
        s->ice->counters.failed++;
    session_end(s);
    s->state = RF_ICE_FAILED;
    ice_event(s, RF_ICE_OUT_FAILED, error);
}

void ice_session_free(struct rf_ice_session *s)
{
    struct rf_ice *ice = s->ice;
    session_end(s);
    rf_timer_stop(ice->env->timers, &s->timer);
    ice_session_free_old(s);
    creds_free(ice, s->creds);
    if (ice->last == s)
        ice->last = NULL;
    rf_list_remove(&s->all);
    rf_map_remove(&ice->sessions, &s->node);
    rf_free(ice->env->mem, s);
}

void rf_ice_close(struct rf_ice *ice, rf_ice_id id)
{
    struct rf_ice_session *s = ice_find(ice, id);
    if (s != NULL)
        ice_session_free(s);
}

/* ---- the two sides' parameters ---- */

int rf_ice_local(struct rf_ice *ice, rf_ice_id id, struct rf_ice_params *out)
{
    struct rf_ice_session *s = ice_find(ice, id);
    if (s == NULL)
        return RF_ENOTFOUND;
    if (s->state == RF_ICE_GATHERING)
        return RF_EAGAIN;
    rf_free(ice->env->mem, s->told);
    s->told = rf_alloc(ice->env->mem, (s->local_count + (size_t)1) * sizeof(*s->told));
    if (s->told == NULL)
        return RF_ENOMEM;
    size_t count = 0;
    for (size_t i = 0; i < s->local_count; i++)
        if (s->locals[i].cand.kind != RF_ICE_KIND_PRFLX)
            s->told[count++] = s->locals[i].cand;
    *out = (struct rf_ice_params){.ufrag = rf_view_str(s->creds->ufrag),
                                  .password = rf_view_str(s->creds->pass),
                                  .candidates = s->told,
                                  .candidate_count = count};
    return 0;
}

static void take_early(struct rf_ice_session *s)
{
    for (size_t i = 0; i < s->early_count; i++) {
        const struct ice_early e = s->early[i];
        ice_peer_check(s, e.way, &e.from, e.priority, e.nominated);
    }
    rf_free(s->ice->env->mem, s->early);
    s->early = NULL;
    s->early_count = 0;
}

int rf_ice_start(struct rf_ice *ice, rf_ice_id id, const struct rf_ice_params *remote)
{
    struct rf_ice_session *s = ice_find(ice, id);
    if (s == NULL)
        return RF_ENOTFOUND;
    if (s->state != RF_ICE_READY)
        return s->state == RF_ICE_GATHERING ? RF_EAGAIN : RF_EBUSY;
    if (!good_text(remote->ufrag, 4) || !good_text(remote->password, 22))
        return RF_EINVAL;
    s->creds->remote_ufrag = copy_text(ice->env->mem, remote->ufrag);
    s->creds->remote_pass = copy_text(ice->env->mem, remote->password);
    if (s->creds->remote_ufrag == NULL || s->creds->remote_pass == NULL) {
        rf_free(ice->env->mem, s->creds->remote_ufrag);
        rf_free(ice->env->mem, s->creds->remote_pass);
        s->creds->remote_ufrag = s->creds->remote_pass = NULL;
        return RF_ENOMEM;
    }
    for (size_t i = 0; i < remote->candidate_count; i++)
        if (remote->candidates[i].kind != RF_ICE_KIND_PRFLX)
            ice_remote_add(s, &remote->candidates[i]);
    s->state = RF_ICE_CHECKING;
    s->started_us = ice_now(ice);
    s->connect_at = s->started_us + (s->path.set ? ice->config.restart_us : ice->config.connect_us);
    ice_consent_ask(s); /* does the old way, if there is one, lead somewhere? */
    ice_pairs_form(s);
    take_early(s);
    ice_session_wake(s);
    ice_pace_kick(ice);
    return 0;
}

int rf_ice_add_remote(struct rf_ice *ice, rf_ice_id id, const struct rf_ice_cand *candidate)
{
    struct rf_ice_session *s = ice_find(ice, id);
    if (s == NULL)
        return RF_ENOTFOUND;
    if (s->state != RF_ICE_CHECKING)
        return RF_EAGAIN;
    if (candidate->kind == RF_ICE_KIND_PRFLX)
        return RF_EINVAL;
    if (s->remote_count >= RF_ICE_MAX_REMOTE)
        return RF_ELIMIT;
    const struct rf_ice_cand *remote = ice_remote_add(s, candidate);
    if (remote == NULL)
        return RF_EINVAL;
    ice_pairs_with(s, remote);
    ice_pace_kick(ice);
    return 0;
}

int rf_ice_restart(struct rf_ice *ice, rf_ice_id id)
{
    struct rf_ice_session *s = ice_find(ice, id);
    if (s == NULL)
        return RF_ENOTFOUND;
    struct ice_creds *creds = creds_new(s);
    if (creds == NULL)
        return RF_ENOMEM;
    ice_session_strip(s);
    if (s->path.set && s->path.creds == s->creds) {
        ice_session_free_old(s);
        s->old_creds = s->creds;
    } else {
        creds_free(ice, s->creds);
    }
    s->creds = creds;
    gather_begin(s);
    return 0;
}

/* ---- roaming ---- */

/* Another base that could do what `base` did: itself, if it still is one. */
static uint8_t stand_in(const struct rf_ice_session *s, uint8_t base, uint8_t family)
{
    const struct rf_ice *ice = s->ice;
    if (ice->bases[base].addr.family == family)
        return base;
    for (uint8_t b = 0; b < RF_ICE_MAX_BASES; b++)
        if (ice->bases[b].addr.family == family && (s->bases >> b & 1) != 0)
            return b;
    return RF_ICE_NO_BASE;
}

void ice_session_base_moved(struct rf_ice_session *s, uint8_t base)
{
    if ((s->bases >> base & 1) == 0 || s->state == RF_ICE_FAILED)
        return;
    ice_consent_as_ever(s); /* it is another NAT */
    RF_LIST_EACH_SAFE(&s->pairs, it)
    {
        struct ice_pair *pair = RF_LIST_ENTRY(it, struct ice_pair, order);
        if (pair->way == base)
            ice_pair_free(pair);
    }
    if (s->state == RF_ICE_GATHERING)
        return;
    if (s->state != RF_ICE_CONNECTED) {
        ice_event(s, RF_ICE_OUT_RESTART, RF_EUNREACHABLE); /* what was told about us is wrong now */
        return;
    }
    if (s->path.way != base)
        return;
    uint8_t way = stand_in(s, base, s->path.remote.family);
    const struct rf_ice_cand remote = {
        .addr = s->path.remote, .kind = s->path.remote_kind, .priority = s->path.remote_priority};
    struct ice_pair *pair =
        way == RF_ICE_NO_BASE
            ? NULL
            : ice_pair_new(s, way, RF_ICE_KIND_HOST,
                           ice_priority(RF_ICE_KIND_HOST, s->ice->bases[way].preference), "m", &remote);
    s->moving = true;
    s->move_at = ice_now(s->ice) + (pair != NULL ? s->ice->config.move_us : 0);
    if (pair != NULL) {
        pair->nominate = s->controlling;
        ice_tuple_drop(&s->path.tuple, s->ice);
        ice_tuple_put(&s->path.tuple, s, way, &s->path.remote, false);
        s->path.way = way; /* data go on from there: the other agent takes them once it has seen the check */
        ice_pair_trigger(pair);
    }
    ice_session_wake(s);
}

/* Does the other agent know a candidate of ours on this way, and wants to use it? */
static bool told_way(const struct rf_ice_session *s, uint8_t way)
{
    for (size_t i = 0; i < s->local_count; i++)
        if (s->locals[i].way == way && (s->state == RF_ICE_READY || s->state == RF_ICE_CHECKING))
            return true;
    return false;
}

void ice_session_relay_gone(struct rf_ice_session *s, uint8_t way, bool again)
{
    RF_LIST_EACH_SAFE(&s->pairs, it)
    {
        struct ice_pair *pair = RF_LIST_ENTRY(it, struct ice_pair, order);
        if (pair->way == way)
            ice_pair_free(pair);
    }
    if (s->old_path.set && s->old_path.way == way)
        ice_path_drop(s, &s->old_path);
    if (!s->path.set || s->path.way != way) {
        if (again && told_way(s, way))
            ice_event(s, RF_ICE_OUT_RESTART, RF_ECLOSED);
        return;
    }
    if (!again) {
        ice_session_fail(s, RF_ECLOSED);
        return;
    }
    s->path.permit = s->path.channel = ICE_NO_PERMIT; /* they were the old allocation's */
    s->moving = true;
    s->move_at = ice_now(s->ice);
    ice_session_wake(s);
}

void ice_session_relays(struct rf_ice_session *s)
{
    bool relayed =
        (s->path.set && !ice_is_base(s->path.way)) || (s->old_path.set && !ice_is_base(s->old_path.way));
    if (s->state == RF_ICE_CONNECTED && !relayed)
        ice_relay_release(s);
}

/* ---- what it knows ---- */

int rf_ice_info(const struct rf_ice *ice, rf_ice_id id, struct rf_ice_info *out)
{
    const struct rf_ice_session *s = ice_find(ice, id);
    if (s == NULL)
        return RF_ENOTFOUND;
    const struct ice_path *p = &s->path;
    *out = (struct rf_ice_info){.state = s->state,
                                .controlling = s->controlling,
                                .selected = p->set,
                                .relayed =
                                    p->set && (!ice_is_base(p->way) || p->remote_kind == RF_ICE_KIND_RELAY),
                                .local_kind = p->local_kind,
                                .remote_kind = p->remote_kind,
                                .base = ice_is_base(p->way) ? p->way : RF_ICE_NO_BASE,
                                .remote = p->remote,
                                .rtt_us = p->rtt_us,
                                .heard_us = p->heard_us,
                                .pair_count = s->pair_count};
    return 0;
}
