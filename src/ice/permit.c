/* permit.c - permissions and channels of an allocation (RFC 8656, sections 9 to 12). */
#include "ice/relay.h"

#define PERMIT_US  (300 * RF_US_PER_S)
#define CHANNEL_US (600 * RF_US_PER_S)
#define EARLY_US   (60 * RF_US_PER_S)
#define RETRY_US   (5 * RF_US_PER_S)
#define CHANNEL_AGE                                                                                          \
    (300 * RF_US_PER_S) /* after its end a number is not given to another peer for so long (section 12) */

static bool is_channel(const struct ice_grant *g)
{
    return g->number != 0;
}

/* ---- asking ---- */

static void refused(struct ice_grant *g)
{
    struct ice_relay *relay = g->relay;
    struct rf_ice *ice = relay->ice;
    uint8_t place = (uint8_t)(g - relay->permits);
    g->state = ICE_GRANT_REFUSED;
    g->until_us = ice_now(ice) + RETRY_US; /* who wants it again before then is told so at once */
    g->renew_us = 0;
    ice->counters.permissions_refused++;
    RF_LIST_EACH(&ice->all, it)
    {
        struct rf_ice_session *s = RF_LIST_ENTRY(it, struct rf_ice_session, all);
        RF_LIST_EACH_SAFE(&s->pairs, pair_at)
        {
            struct ice_pair *pair = RF_LIST_ENTRY(pair_at, struct ice_pair, order);
            if (pair->way == ice_way_of(relay) && pair->permit == place && pair->state != ICE_PAIR_FAILED &&
                s->state == RF_ICE_CHECKING)
                ice_pair_dead(pair);
        }
    }
}

static void granted(struct ice_grant *g)
{
    uint64_t us = is_channel(g) ? CHANNEL_US : PERMIT_US, now_us = ice_now(g->relay->ice);
    g->state = ICE_GRANT_OK;
    g->tries = 0;
    g->until_us = now_us + us;
    g->renew_us = now_us + us - EARLY_US;
    ice_relay_wake(g->relay);
    ice_pace_kick(g->relay->ice);
}

/* No: a channel is done without, a permission that stands lasts until its end. */
static void denied(struct ice_grant *g, bool final)
{
    uint64_t now_us = ice_now(g->relay->ice);
    if (is_channel(g)) {
        g->state = g->state == ICE_GRANT_OK && g->until_us > now_us ? ICE_GRANT_OK : ICE_GRANT_NONE;
        g->relay->ice->counters.permissions_refused++;
    } else if (final || g->state != ICE_GRANT_OK || g->until_us <= now_us) {
        refused(g);
    } else {
        g->renew_us = now_us + RETRY_US;
    }
    ice_relay_wake(g->relay);
}

static bool grant_answered(struct ice_txn *txn, const struct ice_in *in, const struct rf_stun_msg *msg)
{
    struct ice_grant *g = txn->owner;
    int code;
    if (!ice_relay_code(g->relay, txn, in, msg, &g->tries, &code))
        return false;
    ice_txn_free(txn);
    if (code == ICE_AGAIN)
        g->job.run(&g->job);
    else if (code == 0)
        granted(g);
    else if (code == RF_TURN_ALLOCATION_MISMATCH)
        ice_relay_lost(g->relay, true); /* it does not know our allocation any more */
    else
        denied(g, code == RF_TURN_FORBIDDEN);
    return true;
}

static void grant_timed_out(struct ice_txn *txn)
{
    struct ice_grant *g = txn->owner;
    ice_txn_free(txn);
    denied(g, false);
}

static const struct ice_txn_ops grant_ops = {grant_answered, grant_timed_out};

static void run(struct ice_job *job)
{
    struct ice_grant *g = RF_CONTAINER(job, struct ice_grant, job);
    uint8_t id[RF_STUN_TXN_LEN];
    struct rf_buf out;
    ice_txn_begin(g->relay->ice, &out, is_channel(g) ? RF_TURN_CHANNEL_BIND : RF_TURN_CREATE_PERMISSION, id);
    if (is_channel(g))
        rf_stun_put_u32(&out, RF_TURN_CHANNEL_NUMBER, (uint32_t)g->number << 16);
    rf_stun_put_address(&out, RF_TURN_XOR_PEER_ADDRESS, true, &g->addr);
    if (ice_relay_request(g->relay, &grant_ops, g, 0, &out, id) == NULL)
        denied(g, false);
}

static void ask(struct ice_grant *g)
{
    g->renew_us = 0;
    if (g->state != ICE_GRANT_OK)
        g->state = ICE_GRANT_ASKED;
    ice_job_queue(g->relay->ice, &g->job);
}

/* ---- the tables ---- */

static void grants_init(struct ice_relay *relay, struct ice_grant *grants, size_t count, uint16_t number)
{
    for (size_t i = 0; i < count; i++) {
        grants[i] = (struct ice_grant){.relay = relay, .job.run = run};
        grants[i].number = number != 0 ? (uint16_t)(number + i) : 0;
        rf_list_init(&grants[i].job.at);
    }
}

void ice_grants_init(struct ice_relay *relay)
{
    grants_init(relay, relay->permits, ICE_MAX_PERMITS, 0);
    grants_init(relay, relay->channels, ICE_MAX_CHANNELS, RF_TURN_CHANNEL_MIN);
}

void ice_grants_drop(struct ice_relay *relay)
{
    for (size_t i = 0; i < ICE_MAX_PERMITS; i++)
        rf_list_remove(&relay->permits[i].job.at);
    for (size_t i = 0; i < ICE_MAX_CHANNELS; i++)
        rf_list_remove(&relay->channels[i].job.at);
    ice_grants_init(relay);
}

static struct ice_grant *place_for(struct ice_grant *grants, size_t count, const struct rf_addr *addr,
                                   uint64_t now_us)
{
    struct ice_grant *free_one = NULL;
    for (size_t i = 0; i < count; i++) {
        struct ice_grant *g = &grants[i];
        if (g->addr.family != 0 && rf_addr_equal(&g->addr, addr))
            return g;
        bool old = g->until_us + (is_channel(g) ? CHANNEL_AGE : 0) <= now_us;
        if (free_one == NULL && g->refs == 0 && rf_list_empty(&g->job.at) && g->state != ICE_GRANT_ASKED &&
            (g->addr.family == 0 || old))
            free_one = g;
    }
    if (free_one != NULL) {
        free_one->addr = *addr;
        free_one->state = ICE_GRANT_NONE;
        free_one->until_us = free_one->renew_us = 0;
        free_one->tries = 0;
    }
    return free_one;
}

static uint8_t hold(struct rf_ice *ice, struct ice_relay *relay, struct ice_grant *grants, size_t count,
                    const struct rf_addr *addr)
{
    uint64_t now_us = ice_now(ice);
    if (!ice_relay_ready(relay) || addr->family != relay->relayed.family)
        return ICE_NO_PERMIT;
    struct ice_grant *g = place_for(grants, count, addr, now_us);
    if (g == NULL) {
        ice->counters.limited++;
        return ICE_NO_PERMIT;
    }
    if (g->state == ICE_GRANT_REFUSED && g->until_us > now_us)
        return ICE_NO_PERMIT;
    if (g->state == ICE_GRANT_REFUSED || (g->state == ICE_GRANT_OK && g->until_us <= now_us))
        g->state = ICE_GRANT_NONE;
    g->refs++;
    if (g->state == ICE_GRANT_NONE)
        ask(g);
    ice_relay_wake(relay);
    return (uint8_t)(g - grants);
}

uint8_t ice_permit_hold(struct rf_ice *ice, uint8_t way, const struct rf_addr *peer)
{
    struct rf_addr addr = *peer;
    struct ice_relay *relay = ice_relay_of(ice, way);
    addr.port = 0;
    return relay == NULL ? ICE_NO_PERMIT : hold(ice, relay, relay->permits, ICE_MAX_PERMITS, &addr);
}

uint8_t ice_channel_hold(struct rf_ice *ice, uint8_t way, const struct rf_addr *peer)
{
    struct ice_relay *relay = ice_relay_of(ice, way);
    return relay == NULL ? ICE_NO_PERMIT : hold(ice, relay, relay->channels, ICE_MAX_CHANNELS, peer);
}

static void release(struct ice_grant *grants, uint8_t place)
{
    if (grants[place].refs > 0)
        grants[place].refs--;
}

void ice_permit_release(struct rf_ice *ice, uint8_t way, uint8_t permit)
{
    if (permit != ICE_NO_PERMIT && ice_relay_of(ice, way) != NULL)
        release(ice_relay_of(ice, way)->permits, permit);
}

void ice_channel_release(struct rf_ice *ice, uint8_t way, uint8_t channel)
{
    if (channel != ICE_NO_PERMIT && ice_relay_of(ice, way) != NULL)
        release(ice_relay_of(ice, way)->channels, channel);
}

bool ice_permit_ready(const struct rf_ice *ice, uint8_t way, uint8_t permit)
{
    const struct ice_relay *relay = ice_relay_of(ice, way);
    return permit != ICE_NO_PERMIT && ice_relay_ready(relay) && relay->permits[permit].state == ICE_GRANT_OK;
}

bool ice_grant_for(const struct ice_relay *relay, const struct rf_addr *peer)
{
    for (size_t i = 0; i < ICE_MAX_PERMITS; i++)
        if (relay->permits[i].state == ICE_GRANT_OK && rf_addr_same_ip(&relay->permits[i].addr, peer))
            return true;
    return false;
}

/* ---- renewal ---- */

static uint64_t next_of(const struct ice_grant *grants, size_t count)
{
    uint64_t at_us = RF_NEVER;
    for (size_t i = 0; i < count; i++)
        if (grants[i].refs > 0 && grants[i].state == ICE_GRANT_OK && grants[i].renew_us != 0 &&
            grants[i].renew_us < at_us)
            at_us = grants[i].renew_us;
    return at_us;
}

uint64_t ice_grants_next(const struct ice_relay *relay)
{
    uint64_t a = next_of(relay->permits, ICE_MAX_PERMITS), b = next_of(relay->channels, ICE_MAX_CHANNELS);
    return relay->state != ICE_RELAY_READY ? RF_NEVER : a < b ? a : b;
}

static void renew(struct ice_grant *grants, size_t count, uint64_t now_us)
{
    for (size_t i = 0; i < count; i++)
        if (grants[i].refs > 0 && grants[i].state == ICE_GRANT_OK && grants[i].renew_us != 0 &&
            grants[i].renew_us <= now_us)
            ask(&grants[i]);
}

void ice_grants_renew(struct ice_relay *relay)
{
    if (relay->state != ICE_RELAY_READY)
        return;
    renew(relay->permits, ICE_MAX_PERMITS, ice_now(relay->ice));
    renew(relay->channels, ICE_MAX_CHANNELS, ice_now(relay->ice));
}
