/*
 * auth.c - long-term credentials (RFC 8489, section 9.2.4) over names that say themselves until when they are good.
 *
 * A nonce says itself until when it is good, too, and for whom: nothing is remembered of those who only ask. Each source address has a budget
 * of answers that need no credentials, so that nobody is flooded through us.
 */
#include <stdio.h>

#include "base/text.h"
#include "turn/internal.h"

#define NONCE_COOKIE     "obMatJos2AAAB" /* with the feature "password algorithms" (section 9.2; erratum 6290) */
#define NONCE_COOKIE_LEN 13
#define NONCE_MAC_LEN    12
#define REFUSAL_COST_US  (RF_US_PER_S / 20)

/* PASSWORD-ALGORITHMS: SHA-256, MD5, both without parameters. */
static const uint8_t algorithms[8] = {0, 2, 0, 0, 0, 1, 0, 0};

/* ---- nonces ---- */

static int nonce_mac(struct turn_request *r, struct rf_view expiry, uint8_t out[RF_SHA256_LEN])
{
    const struct rf_addr *addr = &r->from->addr;
    uint8_t port[2] = {(uint8_t)(addr->port >> 8), (uint8_t)addr->port};
    struct rf_view parts[4] = {rf_view_str("nonce:"), expiry,
                               rf_view_of(addr->ip, addr->family == 4 ? 4 : 16), rf_view_of(port, 2)};
    struct rf_crypto *c = r->turn->crypto;
    return c->ops->hmac(c, RF_HASH_SHA256, rf_view_of(r->turn->nonce_key, RF_TURN_SECRET_LEN), parts, 4, out);
}

static int nonce_make(struct turn_request *r, char out[TURN_NONCE_LEN + 1])
{
    uint8_t mac[RF_SHA256_LEN];
    struct rf_buf buf;
    uint64_t until_s = (r->turn->env->now->wall_ms + TURN_NONCE_MS) / 1000;
    snprintf(out, TURN_NONCE_LEN + 1, NONCE_COOKIE "%08x", (unsigned)(until_s & UINT32_MAX));
    int error = nonce_mac(r, rf_view_of(out, NONCE_COOKIE_LEN + 8), mac);
    rf_buf_fixed(&buf, out + NONCE_COOKIE_LEN + 8, 2 * NONCE_MAC_LEN);
    rf_hex_put(&buf, rf_view_of(mac, NONCE_MAC_LEN));
    return error != 0 ? error : rf_buf_error(&buf);
}

static bool nonce_good(struct turn_request *r, struct rf_view nonce)
{
    uint8_t mac[RF_SHA256_LEN], raw[NONCE_MAC_LEN], expiry[4];
    struct rf_buf buf;
    if (nonce.len != TURN_NONCE_LEN || memcmp(nonce.p, NONCE_COOKIE, NONCE_COOKIE_LEN) != 0)
        return false;
    rf_buf_fixed(&buf, raw, sizeof(raw));
    if (rf_hex_decode(rf_view_of(nonce.p + NONCE_COOKIE_LEN + 8, (size_t)2 * NONCE_MAC_LEN), &buf) != 0 ||
        nonce_mac(r, rf_view_of(nonce.p, NONCE_COOKIE_LEN + 8), mac) != 0 ||
        !rf_view_equal_secret(rf_view_of(mac, NONCE_MAC_LEN), rf_view_of(raw, NONCE_MAC_LEN)))
        return false;
    rf_buf_fixed(&buf, expiry, sizeof(expiry));
    if (rf_hex_decode(rf_view_of(nonce.p + NONCE_COOKIE_LEN, 8), &buf) != 0)
        return false;
    uint32_t until_s =
        (uint32_t)expiry[0] << 24 | (uint32_t)expiry[1] << 16 | (uint32_t)expiry[2] << 8 | expiry[3];
    return (int32_t)(until_s - (uint32_t)(r->turn->env->now->wall_ms / 1000)) >= 0;
}

/* ---- refusals ---- */

bool turn_may_ask(struct turn_request *r, uint64_t cost_us)
{
    const struct rf_env *env = r->turn->env;
    if (rf_stun_may_ask(&r->turn->askers, env->seed, &r->from->addr, env->now->mono_us, cost_us))
        return true;
    r->turn->counters.unauthenticated_dropped++;
    r->silent = true;
    return false;
}

/* 401 and 438 say what is needed to do better. */
static bool challenge(struct turn_request *r, int code)
{
    char nonce[TURN_NONCE_LEN + 1];
    if (!turn_may_ask(r, REFUSAL_COST_US))
        return false;
    r->turn->counters.unauthenticated++;
    if (nonce_make(r, nonce) != 0) {
        r->silent = true;
        return false;
    }
    turn_begin(r, RF_STUN_ERROR);
    rf_stun_put_error(&r->out, code);
    rf_stun_put(&r->out, RF_STUN_REALM, rf_view_str(r->turn->realm));
    rf_stun_put(&r->out, RF_STUN_NONCE, rf_view_of(nonce, TURN_NONCE_LEN));
    rf_stun_put(&r->out, RF_STUN_PASSWORD_ALGORITHMS, rf_view_of(algorithms, sizeof(algorithms)));
    return false;
}

static bool bad_request(struct turn_request *r)
{
    if (turn_may_ask(r, REFUSAL_COST_US))
        turn_refuse(r, RF_STUN_BAD_REQUEST);
    return false;
}

/* Which key the client uses; false: it names none of ours, or somebody took SHA-256 out of our offer. */
static bool choose_key(struct turn_request *r, enum rf_hash *alg)
{
    struct rf_view offered, chosen;
    bool has_offered = rf_stun_find(r->msg, RF_STUN_PASSWORD_ALGORITHMS, &offered);
    bool has_chosen = rf_stun_find(r->msg, RF_STUN_PASSWORD_ALGORITHM, &chosen);
    *alg = RF_HASH_MD5;
    if (!has_offered && !has_chosen)
        return true;
    if (!has_offered || !has_chosen || !rf_view_equal(offered, rf_view_of(algorithms, sizeof(algorithms))) ||
        chosen.len < 4 || chosen.p[0] != 0 || (chosen.p[1] != 1 && chosen.p[1] != 2))
        return false;
    if (chosen.p[1] == 2)
        *alg = RF_HASH_SHA256;
    return true;
}

static bool make_key(struct turn_request *r, const uint8_t secret[RF_TURN_SECRET_LEN], enum rf_hash alg)
{
    char password[RF_TURN_PASSWORD_LEN + 1];
    struct rf_turn *turn = r->turn;
    return rf_turn_password(turn->crypto, secret, r->user, password) == 0 &&
           rf_stun_long_key(turn->crypto, alg, r->user, rf_view_str(turn->realm),
                            rf_view_of(password, RF_TURN_PASSWORD_LEN), r->key, &r->key_len) == 0;
}

/* By the newest secret, or else by the one before: r->key is the one that fits. */
static bool fits(struct turn_request *r, enum rf_hash alg, enum rf_hash integrity)
{
    for (size_t i = 0; i < r->turn->secret_count; i++)
        if (make_key(r, r->turn->secrets[i], alg) &&
            rf_stun_verify(r->turn->crypto, r->msg, integrity, rf_view_of(r->key, r->key_len)) == 0)
            return true;
    return false;
}

static bool wrong_credentials(struct turn_request *r)
{
    r->turn->counters.refused_credentials++;
    return challenge(r, RF_STUN_UNAUTHENTICATED);
}

static bool verify(struct turn_request *r, enum rf_hash alg)
{
    enum rf_hash integrity = r->msg->integrity256_at != 0 ? RF_HASH_SHA256 : RF_HASH_SHA1;
    uint64_t expires_s;
    if (!rf_turn_user(r->user, &expires_s, &r->name))
        return wrong_credentials(r);
    /* an allocation that stands may be kept with what made it */
    if (r->alloc == NULL && expires_s * 1000 <= r->turn->env->now->wall_ms)
        return wrong_credentials(r);
    if (!fits(r, alg, integrity))
        return wrong_credentials(r);
    r->integrity = integrity;
    if (r->alloc != NULL && !rf_view_equal(r->user, rf_view_str(r->alloc->user_name))) {
        turn_refuse(r, RF_TURN_WRONG_CREDENTIALS);
        return false;
    }
    return true;
}

bool turn_authenticate(struct turn_request *r)
{
    struct rf_view realm, nonce;
    enum rf_hash alg;
    if (r->msg->integrity_at == 0 && r->msg->integrity256_at == 0)
        return challenge(r, RF_STUN_UNAUTHENTICATED);
    if (!rf_stun_find(r->msg, RF_STUN_USERNAME, &r->user) || !rf_stun_find(r->msg, RF_STUN_REALM, &realm) ||
        !rf_stun_find(r->msg, RF_STUN_NONCE, &nonce) || !choose_key(r, &alg))
        return bad_request(r);
    if (!nonce_good(r, nonce))
        return challenge(r, RF_STUN_STALE_NONCE);
    return verify(r, alg);
}
