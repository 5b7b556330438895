/* hash.c - the overlay's hash, and Node-IDs that are hashes of keys. */
#include "ident/ident.h"

int rf_node_id_derive(struct rf_crypto *crypto, enum rf_digest_rule rule, struct rf_view spki, uint32_t index,
                      uint8_t id_len, struct rf_id *out)
{
    uint8_t number[4] = {(uint8_t)(index >> 24), (uint8_t)(index >> 16), (uint8_t)(index >> 8),
                         (uint8_t)index};
    struct rf_view parts[2] = {rf_view_of(number, index != 0 ? sizeof(number) : 0), spki};
    enum rf_hash alg = rule == RF_DIGEST_SHA1 ? RF_HASH_SHA1 : RF_HASH_SHA256;
    uint8_t digest[RF_HASH_MAX_LEN];
    int r;

    if (rule != RF_DIGEST_SHA1 && rule != RF_DIGEST_SHA256)
        return RF_EINVAL;
    if ((r = crypto->ops->hash(crypto, alg, parts, 2, digest)) != 0)
        return r;
    return rf_id_from(rf_view_of(digest, id_len), out);
}

int rf_overlay_hash(struct rf_crypto *crypto, const struct rf_view *parts, size_t part_count, uint8_t id_len,
                    struct rf_id *out)
{
    uint8_t digest[RF_SHA1_LEN];
    int r = crypto->ops->hash(crypto, RF_HASH_SHA1, parts, part_count, digest);

    return r != 0 ? r : rf_id_from(rf_view_of(digest, id_len), out);
}

int rf_overlay_hash32(struct rf_crypto *crypto, struct rf_view overlay, uint32_t *out)
{
    uint8_t digest[RF_SHA1_LEN];
    struct rf_view last;
    int r = rf_sha1(crypto, overlay, digest);

    if (r != 0)
        return r;
    last = rf_view_of(digest + RF_SHA1_LEN - 4, 4);
    return rf_view_u32(&last, out);
}
