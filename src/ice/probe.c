/*
 * probe.c - STUN servers: each is asked from each base what our address is (RFC 8445, section 5.1.1.2). What they say serves all sessions for FRESH_US.
 */
#include "ice/internal.h"

#define FRESH_US (10 * RF_US_PER_S)
#define KEEP_US  (15 * RF_US_PER_S)

static void told(struct ice_probe *p, uint8_t state)
{
    ice_txn_free(p->txn);
    p->txn = NULL;
    p->state = state;
    p->silent = state == ICE_PROBE_FAILED;
    p->ice->counters.probes_failed += state == ICE_PROBE_FAILED;
    ice_session_gathered(p->ice);
}

static bool answered(struct ice_txn *txn, const struct ice_in *in, const struct rf_stun_msg *msg)
{
    struct ice_probe *p = txn->owner;
    struct rf_addr mapped;
    if (in->way != txn->way || !rf_addr_equal(&in->from, &txn->to))
        return false;
    bool good = msg->class == RF_STUN_SUCCESS &&
                (rf_stun_address(msg, RF_STUN_XOR_MAPPED_ADDRESS, true, &mapped) == 0 ||
                 rf_stun_address(msg, RF_STUN_MAPPED_ADDRESS, false, &mapped) == 0) &&
                mapped.family == txn->to.family && mapped.port != 0;
    if (good) {
        p->mapped = mapped;
        p->answered_us = ice_now(p->ice);
        if (txn->retry.sent == 1)
            p->rtt_us = p->answered_us - txn->sent_us;
    }
    told(p, good ? ICE_PROBE_DONE : ICE_PROBE_FAILED);
    return true;
}

static void timed_out(struct ice_txn *txn)
{
    told(txn->owner, ICE_PROBE_FAILED);
}

static const struct ice_txn_ops probe_ops = {answered, timed_out};

static void run(struct ice_job *job)
{
    struct ice_probe *p = RF_CONTAINER(job, struct ice_probe, job);
    struct rf_ice *ice = p->ice;
    uint8_t id[RF_STUN_TXN_LEN];
    struct rf_buf out;
    struct ice_txn_start start = {.ops = &probe_ops,
                                  .owner = p,
                                  .to = ice->stuns[p->server]->addr,
                                  .rto_us = ice->config.rto_us,
                                  .way = p->base};
    ice->counters.probes++;
    p->state = ICE_PROBE_ASKED;
    ice_txn_begin(ice, &out, RF_STUN_BINDING, id);
    p->txn = ice_txn_send(ice, &start, &out, id);
    if (p->txn == NULL)
        told(p, ICE_PROBE_FAILED);
}

bool ice_probe_suits(const struct ice_probe *p, uint16_t mask)
{
    return (mask >> p->base & 1) != 0 &&
           p->ice->bases[p->base].addr.family == p->ice->stuns[p->server]->addr.family;
}

enum which { STALE, KNOWN, ALL }; /* to be asked: what is not known freshly, what is known, all */
static void want(struct rf_ice *ice, uint16_t mask, enum which which)
{
    for (size_t i = 0; i < RF_ICE_MAX_STUN; i++)
        for (size_t b = 0; ice->stuns[i] != NULL && b < RF_ICE_MAX_BASES; b++) {
            struct ice_probe *p = &ice->stuns[i]->probes[b];
            bool known = p->state == ICE_PROBE_DONE,
                 fresh = known && ice_now(ice) - p->answered_us < FRESH_US;
            if (!ice_probe_suits(p, mask) || p->state == ICE_PROBE_QUEUED || p->state == ICE_PROBE_ASKED ||
                (which == STALE && fresh) || (which == KNOWN && !known))
                continue;
            p->state = ICE_PROBE_QUEUED;
            ice_job_queue(ice, &p->job);
        }
}

void ice_probe_want(struct rf_ice *ice, uint16_t mask)
{
    want(ice, mask, STALE);
}

static void keep_fired(struct rf_timer *timer, void *arg)
{
    struct rf_ice *ice = arg;
    (void)timer;
    bool needed = false;
    RF_LIST_EACH(&ice->all, it)
    needed = needed || RF_LIST_ENTRY(it, struct rf_ice_session, all)->state < RF_ICE_CONNECTED;
    if (!needed)
        return;
    want(ice, UINT16_MAX, KNOWN);
    ice_probe_keep(ice);
}

void ice_probe_init(struct ice_stun *stun, struct rf_ice *ice, uint8_t server)
{
    if (ice->keep.fire == NULL)
        rf_timer_init(&ice->keep, keep_fired, ice);
    for (uint8_t i = 0; i < RF_ICE_MAX_BASES; i++) {
        struct ice_probe *p = &stun->probes[i];
        *p = (struct ice_probe){.job.run = run, .ice = ice, .base = i, .server = server};
        rf_list_init(&p->job.at);
    }
}

void ice_probe_drop(struct ice_probe *p)
{
    rf_list_remove(&p->job.at);
    ice_txn_free(p->txn);
    p->txn = NULL;
    p->state = ICE_PROBE_NONE;
    p->silent = false;
    p->mapped = (struct rf_addr){0};
}

bool ice_probe_pending(const struct rf_ice *ice, uint16_t mask)
{
    for (size_t i = 0; i < RF_ICE_MAX_STUN; i++)
        for (size_t b = 0; ice->stuns[i] != NULL && b < RF_ICE_MAX_BASES; b++) {
            const struct ice_probe *p = &ice->stuns[i]->probes[b];
            /* one that is asked again is known already */
            if (ice_probe_suits(p, mask) && (p->state == ICE_PROBE_QUEUED || p->state == ICE_PROBE_ASKED) &&
                p->mapped.family == 0)
                return true;
        }
    return false;
}

void ice_probe_keep(struct rf_ice *ice)
{
    if (ice->keep.fire != NULL && !rf_timer_is_set(&ice->keep))
        (void)rf_env_timer_in(ice->env, &ice->keep, KEEP_US);
}

void rf_ice_probe(struct rf_ice *ice)
{
    want(ice, UINT16_MAX, ALL);
}
