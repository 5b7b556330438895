/* crypto.c - the shorthands over any backend. */
#include "crypto/crypto.h"

int rf_sha1(struct rf_crypto *c, struct rf_view bytes, uint8_t out[RF_SHA1_LEN])
{
    return c->ops->hash(c, RF_HASH_SHA1, &bytes, 1, out);
}

int rf_sha256(struct rf_crypto *c, struct rf_view bytes, uint8_t out[RF_SHA256_LEN])
{
    return c->ops->hash(c, RF_HASH_SHA256, &bytes, 1, out);
}
