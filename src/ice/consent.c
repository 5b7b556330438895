/*
 * consent.c - keep-alives by Binding indications (RFC 8445, section 11) and consent by Binding requests (RFC 7675).
 *
 * A session over which we have sent nothing since the last keep-alive was due is idle, and needs no consent (section 5.1): its requests are the keep-alives then, one before each would be due, and
 * after one that is not answered they follow each other as ever, so that the end of a way is noticed as soon.
 */
#include "ice/internal.h"

#define ANSWER_US (5 * RF_US_PER_S)

/* 0.8 to 1.2 times the interval (RFC 7675, section 5.1) */
static uint64_t consent_next(const struct rf_ice_session *s)
{
    uint64_t fifth_us = s->consent_us / 5;
    return ice_now(s->ice) + s->consent_us - fifth_us + rf_rng_below(s->ice->env->jitter, 2 * fifth_us + 1);
}

static bool is_idle(const struct rf_ice_session *s)
{
    return ice_now(s->ice) - s->path.data_us >= s->keepalive_us && s->keepalive_us > s->consent_us;
}

static bool answered(struct ice_txn *txn, const struct ice_in *in, const struct rf_stun_msg *msg)
{
    struct rf_ice_session *s = txn->owner;
    struct rf_ice *ice = s->ice;
    enum rf_hash alg = msg->integrity_at != 0 ? RF_HASH_SHA1 : RF_HASH_SHA256;
    if (in->way != txn->way || !rf_addr_equal(&in->from, &txn->to))
        return false;
    if (rf_stun_verify(ice->crypto, msg, alg, rf_view_str(s->path.creds->remote_pass)) != 0) {
        ice->counters.wrong_integrity++;
        return false;
    }
    if (msg->class == RF_STUN_SUCCESS) {
        uint64_t rtt_us = ice_now(ice) - txn->sent_us;
        s->path.consent_us = s->path.heard_us = ice_now(ice);
        s->path.rtt_us = s->path.rtt_us == 0 ? rtt_us : (7 * s->path.rtt_us + rtt_us) / 8;
        if (s->consent_at != 0 && is_idle(s)) {
            s->consent_at = ice_now(s->ice) + s->keepalive_us -
                            rf_rng_below(s->ice->env->jitter, s->keepalive_us / 5 + 1);
            ice_session_wake(s);
        }
    }
    ice_txn_free(txn);
    return true;
}

static void timed_out(struct ice_txn *txn)
{
    ice_txn_free(txn);
}

static const struct ice_txn_ops consent_ops = {answered, timed_out};

void ice_consent_ask(struct rf_ice_session *s)
{
    struct rf_ice *ice = s->ice;
    uint8_t id[RF_STUN_TXN_LEN];
    struct rf_buf out;
    struct ice_txn_start start = {.ops = &consent_ops,
                                  .owner = s,
                                  .list = &s->consents,
                                  .to = s->path.remote,
                                  .rto_us = ANSWER_US,
                                  .way = s->path.way,
                                  .once = true};
    if (!s->path.set)
        return;
    ice->counters.consents++;
    ice_txn_begin(ice, &out, RF_STUN_BINDING, id);
    ice_check_put(s, &out, s->path.creds, s->path.way, false);
    (void)ice_txn_send(ice, &start, &out, id);
    s->path.sent_us = ice_now(ice);
}

void ice_consent_begin(struct rf_ice_session *s)
{
    s->keep_at = ice_now(s->ice) + s->keepalive_us;
    s->consent_at = s->consent_us != 0 ? consent_next(s) : 0;
}

void ice_consent_fire(struct rf_ice_session *s)
{
    if (!s->path.set)
        return;
    if (ice_now(s->ice) - s->path.consent_us >= ICE_CONSENT_END_US) {
        ice_session_fail(s, RF_EEXPIRED);
        return;
    }
    ice_consent_ask(s);
    uint64_t end_us = s->path.consent_us + ICE_CONSENT_END_US;
    s->consent_at = consent_next(s);
    if (s->consent_at > end_us)
        s->consent_at = end_us;
}

void ice_keep_fire(struct rf_ice_session *s)
{
    struct rf_ice *ice = s->ice;
    uint8_t id[RF_STUN_TXN_LEN];
    struct rf_buf out;
    if (!s->path.set)
        return;
    if (ice_now(ice) - s->path.sent_us >= s->keepalive_us) {
        rf_rng_fill(ice->env->jitter, id, sizeof(id));
        rf_buf_fixed(&out, ice->build, sizeof(ice->build));
        rf_stun_begin(&out, RF_STUN_INDICATION, RF_STUN_BINDING, id);
        rf_stun_put_fingerprint(&out);
        if (rf_stun_end(&out) == 0)
            ice_emit(ice, s->path.way, &s->path.remote, rf_buf_view(&out));
        ice->counters.keepalives++;
        s->path.sent_us = ice_now(ice);
    }
    s->keep_at = s->path.sent_us + s->keepalive_us;
}
