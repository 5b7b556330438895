/* login.c - long-term credentials of the TURN client (RFC 8489, section 9.2): realm and nonce from the server, SHA-256 where it is offered. */
#include "ice/relay.h"

#define COOKIE     "obMatJos2"
#define COOKIE_LEN 9
#define MD5        1
#define SHA256     2

void ice_login_forget(struct ice_relay *relay)
{
    struct rf_mem *mem = relay->ice->env->mem;
    rf_free(mem, relay->login.realm);
    rf_free(mem, relay->login.nonce);
    rf_wipe(relay->login.key, sizeof(relay->login.key));
    relay->login = (struct ice_login){0};
}

/* The feature bits of a nonce with the cookie: four characters of base64. Which end they count from is told in two ways (erratum 6290): both are taken. */
static uint32_t features(struct rf_view nonce)
{
    uint32_t bits = 0;
    if (nonce.len < COOKIE_LEN + 4 || memcmp(nonce.p, COOKIE, COOKIE_LEN) != 0)
        return 0;
    for (size_t i = 0; i < 4; i++) {
        uint8_t c = nonce.p[COOKIE_LEN + i];
        uint32_t six = c >= 'A' && c <= 'Z'   ? c - (uint32_t)'A'
                       : c >= 'a' && c <= 'z' ? c - (uint32_t)'a' + 26
                       : c >= '0' && c <= '9' ? c - (uint32_t)'0' + 52
                       : c == '+'             ? 62
                                              : 63;
        bits = bits << 6 | six;
    }
    return bits;
}

/* The best algorithm of the list that we know; 0: none. */
static int choose(struct rf_view offered)
{
    int best = 0;
    uint16_t algorithm, len;
    struct rf_view parameters;
    while (rf_view_u16(&offered, &algorithm) == 0 && rf_view_u16(&offered, &len) == 0 &&
           rf_view_take(&offered, (size_t)(len + 3) & ~(size_t)3, &parameters) == 0)
        if ((algorithm == MD5 || algorithm == SHA256) && algorithm > best)
            best = algorithm;
    return best;
}

static int key_make(struct ice_relay *relay)
{
    struct ice_login *l = &relay->login;
    struct rf_crypto *crypto = relay->ice->crypto;
    struct rf_view user = rf_view_str(relay->server.user), realm = rf_view_of(l->realm, l->realm_len);
    size_t len = 0;
    int error = rf_stun_long_key(crypto, l->sha256 ? RF_HASH_SHA256 : RF_HASH_MD5, user, realm,
                                 rf_view_str(relay->server.pass), l->key, &len);
    l->key_len = (uint8_t)len;
    if (error != 0 || !l->anonymous)
        return error;
    struct rf_view parts[3] = {user, rf_view_str(":"), realm};
    return crypto->ops->hash(crypto, RF_HASH_SHA256, parts, 3, l->user_hash);
}

int ice_login_learn(struct ice_relay *relay, const struct rf_stun_msg *msg)
{
    struct ice_login *l = &relay->login;
    struct rf_mem *mem = relay->ice->env->mem;
    struct rf_view realm, nonce, offered = {0};
    if (!rf_stun_find(msg, RF_STUN_REALM, &realm) || !rf_stun_find(msg, RF_STUN_NONCE, &nonce) ||
        realm.len == 0 || nonce.len == 0 || realm.len > ICE_MAX_NONCE || nonce.len > ICE_MAX_NONCE)
        return RF_EFORMAT;
    bool has_list = rf_stun_find(msg, RF_STUN_PASSWORD_ALGORITHMS, &offered);
    uint32_t bits = features(nonce);
    if (!has_list && (bits & (UINT32_C(1) | UINT32_C(1) << 23)) != 0)
        return RF_EAUTH; /* the nonce says that there was a list (section 9.2.5) */
    if (has_list && (offered.len > sizeof(l->offered) || choose(offered) == 0))
        return RF_EUNSUPPORTED;
    ice_login_forget(relay);
    l->realm = rf_memdup(mem, realm.p, realm.len);
    l->nonce = rf_memdup(mem, nonce.p, nonce.len);
    if (l->realm == NULL || l->nonce == NULL) {
        ice_login_forget(relay);
        return RF_ENOMEM;
    }
    l->realm_len = realm.len;
    l->nonce_len = nonce.len;
    if (has_list) {
        memcpy(l->offered, offered.p, offered.len);
        l->offered_len = (uint8_t)offered.len;
        l->sha256 = choose(offered) == SHA256;
    }
    l->anonymous = (bits & (UINT32_C(2) | UINT32_C(1) << 22)) != 0;
    return key_make(relay);
}

void ice_login_put(struct ice_relay *relay, struct rf_buf *out)
{
    const struct ice_login *l = &relay->login;
    const uint8_t chosen[4] = {0, l->sha256 ? SHA256 : MD5, 0, 0};
    if (l->realm == NULL)
        return;
    if (l->anonymous)
        rf_stun_put(out, RF_STUN_USERHASH, rf_view_of(l->user_hash, RF_SHA256_LEN));
    else
        rf_stun_put(out, RF_STUN_USERNAME, rf_view_str(relay->server.user));
    rf_stun_put(out, RF_STUN_REALM, rf_view_of(l->realm, l->realm_len));
    rf_stun_put(out, RF_STUN_NONCE, rf_view_of(l->nonce, l->nonce_len));
    if (l->offered_len > 0) {
        rf_stun_put(out, RF_STUN_PASSWORD_ALGORITHMS, rf_view_of(l->offered, l->offered_len));
        rf_stun_put(out, RF_STUN_PASSWORD_ALGORITHM, rf_view_of(chosen, sizeof(chosen)));
    }
    rf_stun_put_integrity(out, relay->ice->crypto, l->offered_len > 0 ? RF_HASH_SHA256 : RF_HASH_SHA1,
                          rf_view_of(l->key, l->key_len));
}

bool ice_login_verify(struct ice_relay *relay, const struct rf_stun_msg *msg)
{
    const struct ice_login *l = &relay->login;
    enum rf_hash alg = msg->integrity256_at != 0 ? RF_HASH_SHA256 : RF_HASH_SHA1;
    return l->realm != NULL && (l->offered_len == 0 || alg == RF_HASH_SHA256) &&
           rf_stun_verify(relay->ice->crypto, msg, alg, rf_view_of(l->key, l->key_len)) == 0;
}
