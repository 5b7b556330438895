/* integrity.c - keys and HMACs (RFC 8489, sections 9.1.1, 9.2.2, 14.5, 14.6). */
#include "stun/internal.h"

int stun_mac(struct rf_crypto *crypto, enum rf_hash alg, struct rf_view key, struct rf_view before,
             size_t len, uint8_t out[RF_HASH_MAX_LEN])
{
    uint8_t head[4] = {before.p[0], before.p[1], (uint8_t)(len >> 8), (uint8_t)len};
    struct rf_view parts[2] = {rf_view_of(head, 4), rf_view_of(before.p + 4, before.len - 4)};
    if (alg != RF_HASH_SHA1 && alg != RF_HASH_SHA256)
        return RF_EUNKNOWN;
    return crypto->ops->hmac(crypto, alg, key, parts, 2, out);
}

int rf_stun_long_key(struct rf_crypto *crypto, enum rf_hash alg, struct rf_view user, struct rf_view realm,
                     struct rf_view password, uint8_t key[RF_STUN_KEY_MAX], size_t *len)
{
    struct rf_view colon = rf_view_str(":");
    struct rf_view parts[5] = {user, colon, realm, colon, password};
    if (alg != RF_HASH_MD5 && alg != RF_HASH_SHA256)
        return RF_EUNKNOWN;
    *len = alg == RF_HASH_MD5 ? RF_MD5_LEN : RF_SHA256_LEN;
    return crypto->ops->hash(crypto, alg, parts, 5, key);
}

int rf_stun_verify(struct rf_crypto *crypto, const struct rf_stun_msg *msg, enum rf_hash alg,
                   struct rf_view key)
{
    uint8_t mac[RF_HASH_MAX_LEN];
    size_t at = alg == RF_HASH_SHA1 ? msg->integrity_at : msg->integrity256_at;
    if (alg != RF_HASH_SHA1 && alg != RF_HASH_SHA256)
        return RF_EUNKNOWN;
    if (at == 0)
        return RF_ENOTFOUND;
    size_t len = stun_u16(msg->raw.p + at + 2);
    bool fits = alg == RF_HASH_SHA1 ? len == RF_SHA1_LEN : len >= 16 && len <= RF_SHA256_LEN && len % 4 == 0;
    if (!fits)
        return RF_ELENGTH;
    size_t until = at + ATTR_HEADER_LEN + len - RF_STUN_HEADER_LEN;
    int error = stun_mac(crypto, alg, key, rf_view_of(msg->raw.p, at), until, mac);
    if (error != 0)
        return error;
    struct rf_view theirs = rf_view_of(msg->raw.p + at + ATTR_HEADER_LEN, len);
    return rf_view_equal_secret(rf_view_of(mac, len), theirs) ? 0 : RF_EAUTH;
}
