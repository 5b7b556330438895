/* hkdf.c - HKDF: written on HMAC, since OpenSSL's limits the length of info, and MLS's holds a whole GroupContext. */
#include "crypto/hkdf.h"

int rf_hkdf_extract(struct rf_crypto *c, struct rf_view salt, const struct rf_view *parts, size_t part_count,
                    uint8_t out[RF_SHA256_LEN])
{
    static const uint8_t zeros[RF_SHA256_LEN];

    if (salt.len == 0)
        salt = rf_view_of(zeros, sizeof(zeros));
    return c->ops->hmac(c, RF_HASH_SHA256, salt, parts, part_count, out);
}

int rf_hkdf_expand(struct rf_crypto *c, const uint8_t prk[RF_SHA256_LEN], const struct rf_view *parts,
                   size_t part_count, uint8_t *out, size_t len)
{
    struct rf_view all[RF_HKDF_MAX_PARTS + 2];
    uint8_t block[RF_SHA256_LEN], number = 0;
    int r = 0;

    if (len == 0 || len > 255 * RF_SHA256_LEN || part_count > RF_HKDF_MAX_PARTS)
        return RF_EINVAL;
    for (size_t i = 0; i < part_count; i++)
        all[1 + i] = parts[i];
    all[1 + part_count] = rf_view_of(&number, 1);
    while (len > 0 && r == 0) {
        size_t take = len < sizeof(block) ? len : sizeof(block);

        all[0] = rf_view_of(block, number > 0 ? sizeof(block) : 0);
        number++;
        if ((r = c->ops->hmac(c, RF_HASH_SHA256, rf_view_of(prk, RF_SHA256_LEN), all, part_count + 2,
                              block)) == 0)
            memcpy(out, block, take);
        out += take;
        len -= take;
    }
    rf_wipe(block, sizeof(block));
    return r;
}
