/* dh.c - key agreement: X25519, and P-256 as OpenSSL's own ECDH computes it, without its key objects, which cost more than the product. */
#include "crypto/openssl/backend.h"

#include <openssl/bn.h>
#include <openssl/ec.h>

#define P256_LEN 32

static EVP_PKEY *x25519_private(const uint8_t private[RF_DH_PRIVATE_LEN])
{
    return EVP_PKEY_new_raw_private_key_ex(NULL, "X25519", NULL, private, RF_DH_PRIVATE_LEN);
}

static int x25519_public(const uint8_t private[RF_DH_PRIVATE_LEN], uint8_t *out)
{
    EVP_PKEY *key = x25519_private(private);
    size_t len = 32;
    int r = key != NULL && EVP_PKEY_get_raw_public_key(key, out, &len) == 1 ? 0 : RF_ECRYPTO;

    EVP_PKEY_free(key);
    return r;
}

static int x25519(const uint8_t private[RF_DH_PRIVATE_LEN], struct rf_view public, uint8_t *out)
{
    EVP_PKEY *key, *peer;
    EVP_PKEY_CTX *ctx = NULL;
    size_t len = RF_DH_SHARED_LEN;
    int r = RF_ECRYPTO;

    if (public.len != 32)
        return RF_EFORMAT;
    key = x25519_private(private);
    peer = EVP_PKEY_new_raw_public_key_ex(NULL, "X25519", NULL, public.p, public.len);
    if (key != NULL && peer != NULL && (ctx = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL)) != NULL &&
        EVP_PKEY_derive_init(ctx) == 1 && EVP_PKEY_derive_set_peer_ex(ctx, peer, 0) == 1)
        r = EVP_PKEY_derive(ctx, out, &len) == 1 ? 0 : RF_EFORMAT; /* refuses a result of zeros */
    EVP_PKEY_CTX_free(ctx);
    EVP_PKEY_free(peer);
    EVP_PKEY_free(key);
    return r;
}

/* scalar_of reads a private key. NULL: not in 1 .. order - 1, or out of memory. */
static BIGNUM *scalar_of(const EC_GROUP *group, const uint8_t private[RF_DH_PRIVATE_LEN])
{
    BIGNUM *scalar = BN_secure_new();

    if (scalar != NULL && BN_bin2bn(private, RF_DH_PRIVATE_LEN, scalar) != NULL && !BN_is_zero(scalar) &&
        BN_cmp(scalar, EC_GROUP_get0_order(group)) < 0) {
        BN_set_flags(scalar, BN_FLG_CONSTTIME);
        return scalar;
    }
    BN_clear_free(scalar);
    return NULL;
}

static int p256_public(struct backend *b, const uint8_t private[RF_DH_PRIVATE_LEN], uint8_t *out)
{
    BIGNUM *scalar = scalar_of(b->group, private);
    EC_POINT *point = EC_POINT_new(b->group);
    int r = RF_EFORMAT;

    if (scalar != NULL && point != NULL)
        r = EC_POINT_mul(b->group, point, scalar, NULL, NULL, b->numbers) == 1 &&
                    EC_POINT_point2oct(b->group, point, POINT_CONVERSION_UNCOMPRESSED, out, 65, b->numbers) ==
                        65
                ? 0
                : RF_ECRYPTO;
    EC_POINT_free(point);
    BN_clear_free(scalar);
    return r;
}

static int p256(struct backend *b, const uint8_t private[RF_DH_PRIVATE_LEN], struct rf_view public,
                uint8_t *out)
{
    EC_POINT *peer, *product;
    BIGNUM *scalar, *x = BN_secure_new();
    int r = RF_EFORMAT;

    scalar = scalar_of(b->group, private);
    peer = EC_POINT_new(b->group);
    product = EC_POINT_new(b->group);
    if (scalar != NULL && x != NULL && peer != NULL && product != NULL && public.len == 65 &&
        public.p[0] == POINT_CONVERSION_UNCOMPRESSED &&
        EC_POINT_oct2point(b->group, peer, public.p, public.len, b->numbers) == 1) /* checks the curve */
        r = EC_POINT_mul(b->group, product, NULL, peer, scalar, b->numbers) == 1 &&
                    EC_POINT_get_affine_coordinates(b->group, product, x, NULL, b->numbers) == 1 &&
                    BN_bn2binpad(x, out, P256_LEN) == P256_LEN
                ? 0
                : RF_ECRYPTO;
    EC_POINT_clear_free(product);
    EC_POINT_free(peer);
    BN_clear_free(scalar);
    BN_clear_free(x);
    return r;
}

int backend_dh_public(struct rf_crypto *c, enum rf_dh_group group, const uint8_t private[RF_DH_PRIVATE_LEN],
                      uint8_t *out)
{
    int r;

    if (rf_dh_public_len(group) == 0)
        return RF_EUNKNOWN;
    errors_begin();
    r = group == RF_DH_X25519 ? x25519_public(private, out) : p256_public(backend_of(c), private, out);
    errors_end();
    return r;
}

int backend_dh(struct rf_crypto *c, enum rf_dh_group group, const uint8_t private[RF_DH_PRIVATE_LEN],
               struct rf_view public, uint8_t out[RF_DH_SHARED_LEN])
{
    int r;

    if (rf_dh_public_len(group) == 0)
        return RF_EUNKNOWN;
    errors_begin();
    r = group == RF_DH_X25519 ? x25519(private, public, out) : p256(backend_of(c), private, public, out);
    errors_end();
    return r;
}
