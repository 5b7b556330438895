/*
 * answer.c - Binding requests: checks of other agents (RFC 8445, section 7.3), and, if we serve, of strangers who want to know their address.
 *
 * Cheap things first: a check whose user name names no session of ours is dropped before anything is computed. No answer is longer than its request, but those to
 * strangers (by 20 bytes, at most 50 of them a second to each network).
 */
#include "ice/internal.h"

#define STRANGER_COST_US (RF_US_PER_S / 50)

struct request {
    struct rf_ice *ice;
    const struct ice_in *in;
    const struct rf_stun_msg *msg;
    struct rf_ice_session *s;
    struct ice_creds *creds;
    struct rf_buf out;
    bool verified;
};

/* ---- answers ---- */

static void begin(struct request *r, enum rf_stun_class class)
{
    rf_buf_fixed(&r->out, r->ice->build, sizeof(r->ice->build));
    rf_stun_begin(&r->out, class, RF_STUN_BINDING, r->msg->txn);
}

static void finish(struct request *r)
{
    if (r->verified) {
        bool sha1 = r->msg->integrity_at != 0;
        rf_stun_put_integrity(&r->out, r->ice->crypto, sha1 ? RF_HASH_SHA1 : RF_HASH_SHA256,
                              rf_view_str(r->creds->pass));
    }
    rf_stun_put_fingerprint(&r->out);
    if (rf_stun_end(&r->out) == 0)
        ice_emit(r->ice, r->in->way, &r->in->from, rf_buf_view(&r->out));
}

static void refuse(struct request *r, int code)
{
    begin(r, RF_STUN_ERROR);
    rf_stun_put_error(&r->out, code);
    finish(r);
}

static void mapped(struct request *r)
{
    begin(r, RF_STUN_SUCCESS);
    rf_stun_put_address(&r->out, RF_STUN_XOR_MAPPED_ADDRESS, true, &r->in->from);
    finish(r);
}

/* ---- strangers ---- */

static void stranger(struct request *r)
{
    struct rf_ice *ice = r->ice;
    const struct rf_addr *from = &r->in->from;
    struct rf_view net = rf_view_of(from->ip, from->family == 4 ? 4 : 8);
    uint64_t *full_us = &ice->askers[rf_hash64(ice->env->seed, net) % RF_COUNT(ice->askers)];
    uint64_t now_us = ice_now(ice), from_us = *full_us > now_us ? *full_us : now_us;
    uint16_t unknown[RF_STUN_MAX_UNKNOWN];
    if (!ice->config.serve || !ice_is_base(r->in->way) || from_us + STRANGER_COST_US > now_us + RF_US_PER_S ||
        rf_stun_unknown(r->msg, NULL, 0, unknown) > 0) {
        ice->counters.bindings_dropped++;
        return;
    }
    *full_us = from_us + STRANGER_COST_US;
    ice->counters.bindings++;
    mapped(r);
}

/* ---- checks ---- */

/* Whose it is: USERNAME is our ufrag, a colon, theirs. */
static bool find_session(struct request *r, struct rf_view user)
{
    if (user.len < ICE_UFRAG_LEN + 1 || user.p[ICE_UFRAG_LEN] != ':')
        return false;
    struct rf_map_node *node = rf_map_find(&r->ice->ufrags, rf_view_of(user.p, ICE_UFRAG_LEN));
    if (node == NULL)
        return false;
    r->creds = RF_CONTAINER(node, struct ice_creds, node);
    r->s = r->creds->session;
    struct rf_view theirs = rf_view_of(user.p + ICE_UFRAG_LEN + 1, user.len - ICE_UFRAG_LEN - 1);
    return r->s->state != RF_ICE_FAILED &&
           (r->creds->remote_ufrag == NULL || rf_view_equal(theirs, rf_view_str(r->creds->remote_ufrag)));
}

static bool verify(struct request *r)
{
    enum rf_hash alg = r->msg->integrity_at != 0 ? RF_HASH_SHA1 : RF_HASH_SHA256;
    r->verified = rf_stun_verify(r->ice->crypto, r->msg, alg, rf_view_str(r->creds->pass)) == 0;
    if (r->verified)
        return true;
    r->ice->counters.wrong_integrity++;
    refuse(r, r->msg->integrity_at == 0 && r->msg->integrity256_at == 0 ? RF_STUN_BAD_REQUEST
                                                                        : RF_STUN_UNAUTHENTICATED);
    return false;
}

static bool all_known(struct request *r)
{
    static const uint16_t known[] = {RF_STUN_USERNAME, RF_STUN_MESSAGE_INTEGRITY,
                                     RF_STUN_MESSAGE_INTEGRITY_SHA256, RF_ICE_PRIORITY, RF_ICE_USE_CANDIDATE};
    uint16_t unknown[RF_STUN_MAX_UNKNOWN];
    size_t count = rf_stun_unknown(r->msg, known, RF_COUNT(known), unknown);
    if (count == 0)
        return true;
    r->ice->counters.bad_requests++;
    begin(r, RF_STUN_ERROR);
    rf_stun_put_error(&r->out, RF_STUN_UNKNOWN_ATTRIBUTE);
    rf_stun_put_unknown(&r->out, unknown, count);
    finish(r);
    return false;
}

/* false: answered with 487 (section 7.3.1.1). */
static bool roles_agree(struct request *r)
{
    struct rf_ice_session *s = r->s;
    uint64_t theirs;
    uint16_t same = s->controlling ? RF_ICE_CONTROLLING : RF_ICE_CONTROLLED;
    if (rf_stun_u64(r->msg, same, &theirs) != 0)
        return true;
    bool we_keep = s->tie_breaker >= theirs;
    if (s->controlling == we_keep && r->creds == s->creds) {
        s->ice->counters.role_conflicts++;
        refuse(r, RF_ICE_ROLE_CONFLICT);
        return false;
    }
    if (r->creds == s->creds)
        ice_switch_role(s);
    return true;
}

static void check(struct request *r)
{
    struct rf_view flag;
    uint32_t priority;
    if (!verify(r) || !all_known(r))
        return;
    if (rf_stun_u32(r->msg, RF_ICE_PRIORITY, &priority) != 0) {
        r->ice->counters.bad_requests++;
        refuse(r, RF_STUN_BAD_REQUEST);
        return;
    }
    if (!roles_agree(r))
        return;
    r->ice->counters.checks_answered++;
    mapped(r);
    bool nominated = rf_stun_find(r->msg, RF_ICE_USE_CANDIDATE, &flag);
    struct rf_ice_session *s = r->s;
    if (r->creds == s->creds)
        ice_peer_check(s, r->in->way, &r->in->from, priority, nominated);
    else if (s->path.set && s->path.way == r->in->way && rf_addr_equal(&s->path.remote, &r->in->from))
        s->path.heard_us = ice_now(r->ice); /* the generation before the restart: it only lives on */
}

void ice_answer(struct rf_ice *ice, const struct ice_in *in, const struct rf_stun_msg *msg)
{
    struct request r = {.ice = ice, .in = in, .msg = msg};
    struct rf_view user;
    if (!rf_stun_find(msg, RF_STUN_USERNAME, &user)) {
        stranger(&r);
        return;
    }
    if (!find_session(&r, user)) {
        ice->counters.unknown_ufrag++;
        return;
    }
    check(&r);
}
