/* relay.c - the TURN client's allocation: made, refreshed, given back, lost (states in relay.h). */
#include "ice/relay.h"

#define TRANSPORT_UDP (UINT32_C(17) << 24)
#define LIFETIME_S    600
#define EARLY_US      (60 * RF_US_PER_S)
#define RETRY_US      (2 * RF_US_PER_S)
#define OLD_US        (5 * RF_US_PER_S)
#define MAX_TRIES     4

/* ---- requests and their answers ---- */

struct ice_txn *ice_relay_request(struct ice_relay *relay, const struct ice_txn_ops *ops, void *owner,
                                  uint16_t arg, struct rf_buf *out, const uint8_t id[RF_STUN_TXN_LEN])
{
    struct ice_txn_start start = {.ops = ops,
                                  .owner = owner,
                                  .list = &relay->txns,
                                  .to = relay->server.addr,
                                  .rto_us = relay->ice->config.rto_us,
                                  .stream = relay->server.stream ? relay->stream : 0,
                                  .way = relay->server.stream ? ice_way_of(relay) : relay->base,
                                  .arg = arg};
    ice_login_put(relay, out);
    return ice_txn_send(relay->ice, &start, out, id);
}

bool ice_relay_code(struct ice_relay *relay, struct ice_txn *txn, const struct ice_in *in,
                    const struct rf_stun_msg *msg, uint8_t *tries, int *code)
{
    *code = 0;
    if (in->way != txn->way || !rf_addr_equal(&in->from, &txn->to))
        return false;
    if (msg->class == RF_STUN_SUCCESS) {
        bool good = ice_login_verify(relay, msg);
        if (good)
            relay->answered_us = ice_now(relay->ice);
        relay->ice->counters.wrong_integrity += !good;
        return good;
    }
    if (rf_stun_error_code(msg, code, NULL) != 0)
        *code = RF_STUN_SERVER_ERROR;
    /* the first time: without credentials, or for a realm and a nonce of before */
    bool first = *code == RF_STUN_UNAUTHENTICATED && *tries == 0;
    if ((first || *code == RF_STUN_STALE_NONCE) && ++*tries <= MAX_TRIES && ice_login_learn(relay, msg) == 0)
        *code = ICE_AGAIN;
    return true;
}

/* ---- Allocate ---- */

static void give_back_stream(struct ice_relay *relay)
{
    struct rf_ice_out out = {.type = RF_ICE_OUT_DISCONNECT, .stream = relay->stream};
    if (relay->stream != 0)
        ice_push(relay->ice, &out, rf_view_of(NULL, 0));
    relay->stream = 0;
}

static void settle(struct ice_relay *relay, uint8_t state)
{
    struct rf_ice *ice = relay->ice;
    relay->state = state;
    if (state == ICE_RELAY_FAILED) {
        ice->counters.allocations_failed++;
        relay->failed_us = ice_now(ice);
        give_back_stream(relay);
    }
    ice_relay_wake(relay);
    ice_session_gathered(ice);
}

/* Whoever gave us its credentials may know another one. */
static void unserved(struct ice_relay *relay, int error)
{
    struct rf_ice_out out = {.type = RF_ICE_OUT_UNSERVED, .server = relay->index, .error = error};
    (void)ice_push(relay->ice, &out, rf_view_of(NULL, 0));
}

static void allocate(struct ice_relay *relay);

static void refresh_by(struct ice_relay *relay, const struct rf_stun_msg *msg)
{
    uint32_t lifetime_s = LIFETIME_S;
    (void)rf_stun_u32(msg, RF_TURN_LIFETIME, &lifetime_s);
    uint64_t us = lifetime_s * RF_US_PER_S;
    relay->refresh_at = ice_now(relay->ice) + (us > 2 * EARLY_US ? us - EARLY_US : us / 2 + 1);
    ice_relay_wake(relay);
}

static void allocated(struct ice_relay *relay, const struct rf_stun_msg *msg)
{
    uint8_t family = relay->server.family;
    if (rf_stun_address(msg, RF_TURN_XOR_RELAYED_ADDRESS, true, &relay->relayed) != 0 ||
        relay->relayed.family != family || relay->relayed.port == 0) {
        settle(relay, ICE_RELAY_FAILED);
        return;
    }
    if (rf_stun_address(msg, RF_STUN_XOR_MAPPED_ADDRESS, true, &relay->mapped) != 0)
        relay->mapped = (struct rf_addr){0};
    relay->ice->counters.allocations++;
    refresh_by(relay, msg);
    settle(relay, ICE_RELAY_READY);
}

/* 300: another server of the same kind, once (RFC 8489, section 10). */
static bool redirect(struct ice_relay *relay, const struct rf_stun_msg *msg)
{
    struct rf_addr other;
    if (relay->redirected || relay->server.stream ||
        rf_stun_address(msg, RF_STUN_ALTERNATE_SERVER, false, &other) != 0 ||
        other.family != relay->server.addr.family || other.port == 0)
        return false;
    relay->redirected = true;
    relay->server.addr = other;
    ice_login_forget(relay);
    return true;
}

static bool ignore_answer(struct ice_txn *txn, const struct ice_in *in, const struct rf_stun_msg *msg)
{
    (void)in;
    (void)msg;
    ice_txn_free(txn);
    return true;
}
static void ignore_timeout(struct ice_txn *txn)
{
    ice_txn_free(txn);
}
static const struct ice_txn_ops ignore_ops = {ignore_answer, ignore_timeout};

static bool refresh_answered(struct ice_txn *txn, const struct ice_in *in, const struct rf_stun_msg *msg);
static void refresh_timed_out(struct ice_txn *txn);
static const struct ice_txn_ops refresh_ops = {refresh_answered, refresh_timed_out};

static void send_refresh(struct ice_relay *relay, const struct ice_txn_ops *ops, uint32_t lifetime_s)
{
    uint8_t id[RF_STUN_TXN_LEN];
    struct rf_buf out;
    ice_txn_begin(relay->ice, &out, RF_TURN_REFRESH, id);
    rf_stun_put_u32(&out, RF_TURN_LIFETIME, lifetime_s);
    if (ice_relay_request(relay, ops, relay, 0, &out, id) == NULL)
        relay->refresh_at = ice_now(relay->ice) + RETRY_US;
}

static bool allocate_answered(struct ice_txn *txn, const struct ice_in *in, const struct rf_stun_msg *msg)
{
    struct ice_relay *relay = txn->owner;
    int code;
    if (!ice_relay_code(relay, txn, in, msg, &relay->tries, &code))
        return false;
    ice_txn_free(txn);
    if (code == RF_TURN_ALLOCATION_MISMATCH && !relay->cleared) {
        relay->cleared = true; /* from our port there is one of before: end it, try once more */
        send_refresh(relay, &ignore_ops, 0);
        code = ICE_AGAIN;
    }
    if (code == ICE_AGAIN || (code == RF_STUN_TRY_ALTERNATE && redirect(relay, msg)))
        allocate(relay);
    else if (code == 0)
        allocated(relay, msg);
    else {
        unserved(relay, code == RF_STUN_UNAUTHENTICATED ? RF_EAUTH : RF_ELIMIT);
        settle(relay, ICE_RELAY_FAILED);
    }
    return true;
}

static void allocate_timed_out(struct ice_txn *txn)
{
    struct ice_relay *relay = txn->owner;
    ice_txn_free(txn);
    unserved(relay, RF_EUNREACHABLE);
    settle(relay, ICE_RELAY_FAILED);
}

static const struct ice_txn_ops allocate_ops = {allocate_answered, allocate_timed_out};

static void allocate(struct ice_relay *relay)
{
    uint8_t id[RF_STUN_TXN_LEN];
    struct rf_buf out;
    relay->state = ICE_RELAY_ALLOCATING;
    ice_txn_begin(relay->ice, &out, RF_TURN_ALLOCATE, id);
    rf_stun_put_u32(&out, RF_TURN_REQUESTED_TRANSPORT, TRANSPORT_UDP);
    if (relay->server.family == 6)
        rf_stun_put_u32(&out, RF_TURN_REQUESTED_ADDRESS_FAMILY, UINT32_C(2) << 24);
    if (ice_relay_request(relay, &allocate_ops, relay, 0, &out, id) == NULL)
        settle(relay, ICE_RELAY_FAILED);
}

static void run(struct ice_job *job)
{
    struct ice_relay *relay = RF_CONTAINER(job, struct ice_relay, job);
    if (relay->state == ICE_RELAY_QUEUED)
        allocate(relay);
}

static void begin(struct ice_relay *relay)
{
    struct rf_ice *ice = relay->ice;
    relay->tries = 0;
    relay->cleared = false;
    if (relay->server.stream) {
        struct rf_ice_out out = {
            .type = RF_ICE_OUT_CONNECT, .server = relay->index, .remote = relay->server.addr};
        relay->state = ICE_RELAY_CONNECTING;
        relay->stream = out.stream = ++ice->last_stream;
        if (!ice_push(ice, &out, rf_view_of(NULL, 0)))
            relay->state = ICE_RELAY_FAILED;
        return;
    }
    for (relay->base = 0; relay->base < RF_ICE_MAX_BASES; relay->base++)
        if (ice->bases[relay->base].addr.family == relay->server.addr.family)
            break;
    relay->state = relay->base < RF_ICE_MAX_BASES ? ICE_RELAY_QUEUED : ICE_RELAY_FAILED;
    relay->failed_us = ice_now(ice);
    if (relay->state == ICE_RELAY_QUEUED)
        ice_job_queue(ice, &relay->job);
}

/* ---- Refresh ---- */

static bool refresh_answered(struct ice_txn *txn, const struct ice_in *in, const struct rf_stun_msg *msg)
{
    struct ice_relay *relay = txn->owner;
    int code;
    if (!ice_relay_code(relay, txn, in, msg, &relay->tries, &code))
        return false;
    ice_txn_free(txn);
    if (code == ICE_AGAIN) {
        send_refresh(relay, &refresh_ops, LIFETIME_S);
    } else if (code != 0) {
        ice_relay_lost(relay, true);
    } else {
        relay->tries = 0;
        relay->verifying = false;
        refresh_by(relay, msg);
        ice_session_gathered(relay->ice);
    }
    return true;
}

static void refresh_timed_out(struct ice_txn *txn)
{
    struct ice_relay *relay = txn->owner;
    ice_txn_free(txn);
    ice_relay_lost(relay, true);
}

/* ---- the timer ---- */

void ice_relay_wake(struct ice_relay *relay)
{
    uint64_t at_us = RF_NEVER, grants_us = ice_grants_next(relay);
    if (relay->state == ICE_RELAY_READY && relay->refresh_at != 0)
        at_us = relay->refresh_at;
    if (relay->idle_at != 0 && relay->idle_at < at_us)
        at_us = relay->idle_at;
    if (grants_us < at_us)
        at_us = grants_us;
    if (at_us == RF_NEVER)
        rf_timer_stop(relay->ice->env->timers, &relay->timer);
    else
        (void)rf_timer_set(relay->ice->env->timers, &relay->timer, at_us);
}

static void fired(struct rf_timer *timer, void *arg)
{
    struct ice_relay *relay = arg;
    uint64_t now_us = ice_now(relay->ice);
    (void)timer;
    if (relay->idle_at != 0 && relay->idle_at <= now_us) {
        relay->idle_at = 0;
        ice_relay_end(relay);
        return;
    }
    if (relay->state == ICE_RELAY_READY && relay->refresh_at != 0 && relay->refresh_at <= now_us) {
        relay->refresh_at = 0;
        send_refresh(relay, &refresh_ops, LIFETIME_S);
    }
    ice_grants_renew(relay);
    ice_relay_wake(relay);
}

/* ---- the end ---- */

/* Everything that the allocation was. */
static void clear(struct ice_relay *relay)
{
    rf_list_remove(&relay->job.at);
    ice_txn_free_all(&relay->txns);
    ice_grants_drop(relay);
    relay->relayed = relay->mapped = (struct rf_addr){0};
    relay->refresh_at = 0;
    relay->verifying = false;
    relay->state = ICE_RELAY_IDLE;
}

void ice_relay_lost(struct ice_relay *relay, bool again)
{
    struct rf_ice *ice = relay->ice;
    bool had = relay->state == ICE_RELAY_READY;
    clear(relay);
    give_back_stream(relay);
    if (had) {
        ice->counters.allocations_lost++;
        RF_LIST_EACH_SAFE(&ice->all, it)
        ice_session_relay_gone(RF_LIST_ENTRY(it, struct rf_ice_session, all), ice_way_of(relay), again);
    }
    relay->failed_us = ice_now(ice);
    if (again && had && relay->users > 0) {
        begin(relay);
    } else {
        relay->state = had ? ICE_RELAY_IDLE : ICE_RELAY_FAILED;
        if (!had)
            unserved(relay, RF_EUNREACHABLE);
    }
    ice_relay_wake(relay);
    ice_session_gathered(ice);
}

void ice_relay_end(struct ice_relay *relay)
{
    struct rf_ice *ice = relay->ice;
    bool had = relay->state == ICE_RELAY_READY;
    clear(relay);
    if (had) {
        send_refresh(relay, &ignore_ops, 0);
        RF_LIST_EACH_SAFE(&ice->all, it)
        ice_session_relay_gone(RF_LIST_ENTRY(it, struct rf_ice_session, all), ice_way_of(relay), false);
    }
    if (relay->stream != 0)
        ice_txn_free_all(&relay->txns);
    give_back_stream(relay);
    relay->refresh_at = 0;
    ice_relay_wake(relay);
}

void ice_relay_base_gone(struct rf_ice *ice, uint8_t base)
{
    for (size_t i = 0; i < RF_ICE_MAX_TURN; i++) {
        struct ice_relay *relay = ice->relays[i];
        if (relay == NULL || relay->server.stream || relay->base != base || relay->state == ICE_RELAY_IDLE)
            continue;
        ice_login_forget(relay); /* nonces may be good for one address only */
        if (relay->state == ICE_RELAY_READY) {
            ice_relay_lost(relay, true);
            continue;
        }
        clear(relay);
        begin(relay);
    }
}

/* ---- streams ---- */

static struct ice_relay *by_stream(struct rf_ice *ice, uint32_t stream)
{
    for (size_t i = 0; i < RF_ICE_MAX_TURN; i++)
        if (ice->relays[i] != NULL && stream != 0 && ice->relays[i]->stream == stream)
            return ice->relays[i];
    return NULL;
}

void rf_ice_stream_up(struct rf_ice *ice, uint32_t stream)
{
    struct ice_relay *relay = by_stream(ice, stream);
    if (relay == NULL || relay->state != ICE_RELAY_CONNECTING)
        return;
    ice_login_forget(relay);
    relay->state = ICE_RELAY_QUEUED;
    ice_job_queue(ice, &relay->job);
}

void rf_ice_stream_down(struct rf_ice *ice, uint32_t stream)
{
    struct ice_relay *relay = by_stream(ice, stream);
    if (relay == NULL)
        return;
    ice->counters.allocations_failed += relay->state != ICE_RELAY_READY;
    relay->stream = 0; /* it is gone already */
    ice_relay_lost(relay, true);
}

/* ---- for sessions ---- */

int ice_relay_login(struct ice_relay *relay, const char *user, const char *pass)
{
    struct rf_mem *mem = relay->ice->env->mem;
    char *new_user = rf_strdup(mem, user), *new_pass = rf_strdup(mem, pass);
    if (new_user == NULL || new_pass == NULL) {
        rf_free(mem, new_user);
        rf_free(mem, new_pass);
        return RF_ENOMEM;
    }
    rf_free(mem, relay->server.user);
    if (relay->server.pass != NULL)
        rf_free_secret(mem, relay->server.pass, strlen(relay->server.pass));
    relay->server.user = new_user;
    relay->server.pass = new_pass;
    if (relay->state == ICE_RELAY_FAILED)
        relay->state = ICE_RELAY_IDLE; /* with these it may be another matter */
    if (relay->state != ICE_RELAY_READY)
        ice_login_forget(relay); /* what stands is kept with what made it (RFC 8656, section 5) */
    return 0;
}

static void init(struct ice_relay *relay, struct rf_ice *ice, const struct rf_ice_turn *turn, uint8_t server)
{
    relay->ice = ice;
    relay->index = server;
    relay->server.addr = turn->addr;
    relay->server.stream = turn->stream;
    relay->server.family = turn->family != 0 ? turn->family : 4;
    relay->job.run = run;
    rf_list_init(&relay->job.at);
    rf_list_init(&relay->txns);
    rf_timer_init(&relay->timer, fired, relay);
    ice_grants_init(relay);
}

int ice_relay_new(struct rf_ice *ice, const struct rf_ice_turn *turn, uint8_t server)
{
    struct ice_relay *relay = rf_zalloc(ice->env->mem, sizeof(*relay));
    if (relay == NULL)
        return RF_ENOMEM;
    init(relay, ice, turn, server);
    int error = ice_relay_login(relay, turn->user, turn->pass);
    if (error != 0) {
        rf_free(ice->env->mem, relay);
        return error;
    }
    ice->relays[server] = relay;
    return 0;
}

void ice_relay_free(struct ice_relay *relay)
{
    if (relay == NULL)
        return;
    struct rf_ice *ice = relay->ice;
    RF_LIST_EACH(&ice->all, it)
    RF_LIST_ENTRY(it, struct rf_ice_session, all)->relays &= (uint16_t) ~(1u << relay->index);
    clear(relay);
    ice_login_forget(relay);
    rf_timer_stop(ice->env->timers, &relay->timer);
    rf_free(ice->env->mem, relay->server.user);
    rf_free_secret(ice->env->mem, relay->server.pass, strlen(relay->server.pass));
    ice->relays[relay->index] = NULL;
    rf_free(ice->env->mem, relay);
}

void ice_relay_hold(struct rf_ice_session *s)
{
    struct rf_ice *ice = s->ice;
    for (size_t i = 0; i < RF_ICE_MAX_TURN; i++) {
        struct ice_relay *relay = ice->relays[i];
        if (relay == NULL)
            continue;
        if ((s->relays >> i & 1) == 0)
            relay->users++;
        s->relays |= (uint16_t)(1u << i);
        relay->idle_at = 0;
        bool retry = relay->state == ICE_RELAY_FAILED && ice_now(ice) - relay->failed_us >= RETRY_US;
        if (relay->state == ICE_RELAY_IDLE || retry)
            begin(relay);
        bool old = relay->state == ICE_RELAY_READY && ice_now(ice) - relay->answered_us >= OLD_US;
        if (old &&
            !relay
                 ->verifying) { /* before its address is told to somebody: a server that was restarted has forgotten us */
            relay->verifying = true;
            relay->refresh_at = 0;
            send_refresh(relay, &refresh_ops, LIFETIME_S);
        }
        ice_relay_wake(relay);
    }
}

void ice_relay_release(struct rf_ice_session *s)
{
    struct rf_ice *ice = s->ice;
    for (size_t i = 0; i < RF_ICE_MAX_TURN; i++) {
        struct ice_relay *relay = ice->relays[i];
        if ((s->relays >> i & 1) == 0 || relay == NULL)
            continue;
        if (--relay->users > 0)
            continue;
        relay->idle_at = ice_now(ice) + ice->config.relay_idle_us;
        ice_relay_wake(relay);
    }
    s->relays = 0;
}

bool ice_relay_pending(const struct ice_relay *relay)
{
    return relay->state == ICE_RELAY_QUEUED || relay->state == ICE_RELAY_CONNECTING ||
           relay->state == ICE_RELAY_ALLOCATING || relay->verifying;
}

bool ice_relay_ready(const struct ice_relay *relay)
{
    return relay != NULL && relay->state == ICE_RELAY_READY;
}

bool ice_relay_up(const struct rf_ice *ice, uint8_t way)
{
    return ice_relay_ready(ice_relay_of(ice, way));
}

void ice_relay_addrs(const struct ice_relay *relay, struct rf_addr *relayed, struct rf_addr *mapped,
                     uint8_t *base)
{
    *relayed = relay->relayed;
    *mapped = relay->mapped;
    *base = relay->server.stream ? RF_ICE_NO_BASE : relay->base;
}
