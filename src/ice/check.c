/* check.c - connectivity checks that we send, and what their answers mean (RFC 8445, sections 7.1, 7.2). */
#include "ice/internal.h"

#define USE_CANDIDATE   1
#define WAS_CONTROLLING 2

/* ---- sending ---- */

void ice_check_put(struct rf_ice_session *s, struct rf_buf *out, const struct ice_creds *creds, uint8_t way,
                   bool use_candidate)
{
    char user[RF_ICE_TEXT_MAX + ICE_UFRAG_LEN + 2];
    size_t len = strlen(creds->remote_ufrag);
    memcpy(user, creds->remote_ufrag, len);
    user[len] = ':';
    memcpy(user + len + 1, creds->ufrag, ICE_UFRAG_LEN);
    rf_stun_put(out, RF_STUN_USERNAME, rf_view_of(user, len + 1 + ICE_UFRAG_LEN));
    rf_stun_put_u32(out, RF_ICE_PRIORITY, ice_prflx_priority(s->ice, way));
    rf_stun_put_u64(out, s->controlling ? RF_ICE_CONTROLLING : RF_ICE_CONTROLLED, s->tie_breaker);
    if (use_candidate)
        rf_stun_put(out, RF_ICE_USE_CANDIDATE, rf_view_of(NULL, 0));
    rf_stun_put_integrity(out, s->ice->crypto, RF_HASH_SHA1, rf_view_str(creds->remote_pass));
}

static bool check_answered(struct ice_txn *txn, const struct ice_in *in, const struct rf_stun_msg *msg);

static void check_timed_out(struct ice_txn *txn)
{
    struct ice_pair *pair = txn->owner;
    bool cancelled = txn->cancelled;
    ice_txn_free(txn);
    if (!cancelled && (pair->state == ICE_IN_PROGRESS || pair->session->nominating == pair))
        ice_pair_dead(pair);
}

static const struct ice_txn_ops check_ops = {check_answered, check_timed_out};

/* Section 14.3: the more checks, the longer each is waited for. */
static uint64_t rto_of(const struct rf_ice_session *s)
{
    uint64_t count = 0, sessions = 0;
    RF_LIST_EACH(&s->pairs, it)
    {
        enum ice_pair_state state = RF_LIST_ENTRY(it, const struct ice_pair, order)->state;
        count += state == ICE_WAITING || state == ICE_IN_PROGRESS;
    }
    RF_LIST_EACH(&s->ice->active, it)
    sessions++;
    uint64_t rto_us = s->ice->config.ta_us * count * sessions;
    return rto_us > s->ice->config.rto_us ? rto_us : s->ice->config.rto_us;
}

void ice_check_send(struct ice_pair *pair)
{
    struct rf_ice_session *s = pair->session;
    struct rf_ice *ice = s->ice;
    bool use_candidate = s->controlling && pair->nominate;
    uint8_t id[RF_STUN_TXN_LEN];
    struct rf_buf out;
    struct ice_txn_start start = {
        .ops = &check_ops,
        .owner = pair,
        .list = &pair->txns,
        .to = pair->remote,
        .rto_us = rto_of(s),
        .way = pair->way,
        .arg = (uint16_t)((use_candidate ? USE_CANDIDATE : 0) | (s->controlling ? WAS_CONTROLLING : 0))};
    ice->counters.checks++;
    pair->state = ICE_IN_PROGRESS;
    if (pair->first_sent_us == 0)
        pair->first_sent_us = ice_now(ice);
    ice_txn_begin(ice, &out, RF_STUN_BINDING, id);
    ice_check_put(s, &out, s->creds, pair->way, use_candidate);
    if (s->grace_at != 0) { /* what is waited for has changed */
        s->grace_at = ice_now(ice);
        ice_session_wake(s);
    }
    if (ice_txn_send(ice, &start, &out, id) == NULL)
        ice_pair_dead(pair);
}

/* ---- answers ---- */

void ice_switch_role(struct rf_ice_session *s)
{
    s->ice->counters.role_conflicts++;
    s->controlling = !s->controlling;
    s->tie_breaker = rf_rng_u64(s->ice->env->secret);
    s->nominating = NULL;
    RF_LIST_EACH(&s->pairs, it)
    RF_LIST_ENTRY(it, struct ice_pair, order)->nominate = false;
    ice_pairs_roles(s);
    if (s->controlling) { /* what has succeeded may be nominated: as soon as whoever called us is done */
        s->grace_at = ice_now(s->ice);
        ice_session_wake(s);
    }
}

/* An address of ours that nobody told us (section 7.2.5.3.1). */
static void learn_local(struct rf_ice_session *s, const struct ice_pair *pair, const struct rf_addr *mapped)
{
    for (size_t i = 0; i < s->local_count; i++)
        if (rf_addr_equal(&s->locals[i].cand.addr, mapped))
            return;
    const struct ice_local found = {.way = pair->way,
                                    .cand = {.addr = *mapped,
                                             .kind = RF_ICE_KIND_PRFLX,
                                             .priority = ice_prflx_priority(s->ice, pair->way),
                                             .foundation = "p"}};
    if (s->state == RF_ICE_CHECKING)
        ice_local_add(s, &found);
}

static uint8_t kind_of_mapped(const struct rf_ice_session *s, const struct ice_pair *pair,
                              const struct rf_addr *mapped)
{
    for (size_t i = 0; i < s->local_count; i++)
        if (s->locals[i].way == pair->way && rf_addr_equal(&s->locals[i].cand.addr, mapped))
            return s->locals[i].cand.kind;
    return ice_is_base(pair->way) ? RF_ICE_KIND_PRFLX : RF_ICE_KIND_RELAY;
}

static void failed(struct ice_pair *pair, struct rf_ice_session *s, uint16_t arg,
                   const struct rf_stun_msg *msg)
{
    int code = 0;
    bool was_controlling = (arg & WAS_CONTROLLING) != 0;
    if (rf_stun_error_code(msg, &code, NULL) != 0 || code != RF_ICE_ROLE_CONFLICT) {
        ice_pair_dead(pair);
        return;
    }
    if (was_controlling == s->controlling)
        ice_switch_role(s);
    pair->state = ICE_WAITING;
    ice_pair_trigger(pair);
}

static void succeeded(struct ice_pair *pair, struct rf_ice_session *s, uint16_t arg)
{
    struct rf_ice *ice = s->ice;
    pair->state = ICE_SUCCEEDED;
    if (s->nominating != pair)
        rf_list_remove(&pair->trigger);
    ice_tuple_put(&pair->tuple, s, pair->way, &pair->remote, false);
    if (s->first_valid_us == 0)
        s->first_valid_us = ice_now(ice);
    ice_pairs_unfreeze(s, pair->group);
    if (s->controlling ? (arg & USE_CANDIDATE) != 0 && (arg & WAS_CONTROLLING) != 0 : pair->peer_nominated)
        ice_select(pair);
    else
        ice_nominate_look(s);
}

static bool check_answered(struct ice_txn *txn, const struct ice_in *in, const struct rf_stun_msg *msg)
{
    struct ice_pair *pair = txn->owner;
    struct rf_ice_session *s = pair->session;
    struct rf_ice *ice = s->ice;
    struct rf_addr mapped;
    enum rf_hash alg = msg->integrity_at != 0 ? RF_HASH_SHA1 : RF_HASH_SHA256;
    if (rf_stun_verify(ice->crypto, msg, alg, rf_view_str(s->creds->remote_pass)) != 0) {
        ice->counters.wrong_integrity++;
        return false;
    }
    bool symmetric = in->way == txn->way && rf_addr_equal(&in->from, &txn->to);
    bool told = rf_stun_address(msg, RF_STUN_XOR_MAPPED_ADDRESS, true, &mapped) == 0;
    uint16_t arg = txn->arg;
    if (txn->retry.sent == 1)
        pair->rtt_us = ice_now(ice) - txn->sent_us;
    ice_txn_free(txn);
    if (!symmetric) {
        ice->counters.asymmetric++;
        ice_pair_dead(pair);
    } else if (msg->class == RF_STUN_ERROR) {
        failed(pair, s, arg, msg);
    } else if (!told) {
        ice_pair_dead(pair);
    } else {
        learn_local(s, pair, &mapped);
        pair->local_kind = kind_of_mapped(s, pair, &mapped);
        succeeded(pair, s, arg);
    }
    return true;
}
