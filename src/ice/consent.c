/*
 * consent.c - keep-alives by Binding indications (RFC 8445, section 11) and consent by Binding requests (RFC 7675).
 *
 * A session over which we have sent nothing since the last keep-alive was due is idle, and needs no consent (section 5.1): its requests are the keep-alives then, one before each would be due, and
 * after one that is not answered they follow each other as ever, so that the end of a way is noticed as soon.
 *
 * If both ends agreed on a longer time (rf_ice_idle), an idle session is silent that long. Consent is older than RFC 7675 has it then: it is asked for as soon as something is sent again, and the
 * way ends when there is no answer 30 s after the first question.
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

/* How long nothing may go over it. */
static uint64_t rest_us(const struct rf_ice_session *s)
{
    return s->idle_us > s->keepalive_us ? s->idle_us : s->keepalive_us;
}

/* Since when consent is missing: it counts from the last time that it was given, or from the first question since. */
static uint64_t missing_since_us(const struct rf_ice_session *s)
{
    if (s->idle_us <= s->keepalive_us)
        return s->path.consent_us;
    return s->path.asked_us != 0 ? s->path.asked_us : ice_now(s->ice);
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
        s->path.asked_us = 0;
        s->path.rtt_us = s->path.rtt_us == 0 ? rtt_us : (7 * s->path.rtt_us + rtt_us) / 8;
        if (s->consent_at != 0 && is_idle(s)) {
            s->consent_at =
                ice_now(s->ice) + rest_us(s) - rf_rng_below(s->ice->env->jitter, rest_us(s) / 5 + 1);
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
    if (s->path.asked_us == 0)
        s->path.asked_us = ice_now(ice);
}

void rf_ice_ask(struct rf_ice *ice, rf_ice_id id)
{
    struct rf_ice_session *s = ice_find(ice, id);
    if (s != NULL)
        ice_consent_ask(s);
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
    if (ice_now(s->ice) - missing_since_us(s) >= ICE_CONSENT_END_US) {
        ice_session_fail(s, RF_EEXPIRED);
        return;
    }
    ice_consent_ask(s);
    uint64_t end_us = missing_since_us(s) + ICE_CONSENT_END_US;
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
    if (ice_now(ice) - s->path.sent_us >= rest_us(s)) {
        rf_rng_fill(ice->env->jitter, id, sizeof(id));
        rf_buf_fixed(&out, ice->build, sizeof(ice->build));
        rf_stun_begin(&out, RF_STUN_INDICATION, RF_STUN_BINDING, id);
        rf_stun_put_fingerprint(&out);
        if (rf_stun_end(&out) == 0)
            ice_emit(ice, s->path.way, &s->path.remote, rf_buf_view(&out));
        ice->counters.keepalives++;
        s->path.sent_us = ice_now(ice);
    }
    s->keep_at = s->path.sent_us + rest_us(s);
}

void rf_ice_idle(struct rf_ice *ice, rf_ice_id id, uint64_t idle_us)
{
    struct rf_ice_session *s = ice_find(ice, id);
    if (s == NULL || s->consent_us == 0)
        return;
    if (idle_us == 0)
        ice_consent_as_ever(s);
    s->idle_us = idle_us;
}

/* It may have been silent for too long by now: 30 s from here on. */
void ice_consent_as_ever(struct rf_ice_session *s)
{
    if (s->idle_us == 0)
        return;
    s->idle_us = 0;
    if (!s->path.set)
        return;
    s->path.consent_us = ice_now(s->ice);
    s->consent_at = ice_now(s->ice);
    s->keep_at = ice_now(s->ice) + s->keepalive_us;
    ice_session_wake(s);
}

void ice_consent_used(struct rf_ice_session *s)
{
    if (s->consent_at <= ice_now(s->ice) + 2 * s->consent_us)
        return;
    s->consent_at = ice_now(s->ice);
    ice_session_wake(s);
}
