/* key.c - private keys: made, read, written. */
#include "crypto/openssl/backend.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/obj_mac.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include "crypto/x509.h"

#define KEY_DER_MAX_LEN 4096
#define P256_LEN        32

/* key_wrap takes `pkey` (also when it fails) and prepares it for signing. */
static int key_wrap(struct rf_crypto *c, enum rf_key_type type, EVP_PKEY *pkey, struct rf_key **out)
{
    struct rf_key *key;
    bool good;

    if (pkey == NULL)
        return RF_ECRYPTO;
    if ((key = rf_zalloc(c->mem, sizeof(*key))) == NULL) {
        EVP_PKEY_free(pkey);
        return RF_ENOMEM;
    }
    key->type = type;
    key->pkey = pkey;
    if (type == RF_KEY_ED25519) {
        key->one_shot = EVP_MD_CTX_new();
        good = key->one_shot != NULL;
    } else {
        key->sign = EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL);
        good = key->sign != NULL && EVP_PKEY_sign_init(key->sign) == 1;
        if (good && type == RF_KEY_RSA2048)
            good = EVP_PKEY_CTX_set_rsa_padding(key->sign, RSA_PKCS1_PADDING) == 1;
        if (good)
            good = EVP_PKEY_CTX_set_signature_md(key->sign, backend_of(c)->sha256) == 1;
    }
    if (!good) {
        backend_key_free(c, key);
        return RF_ECRYPTO;
    }
    *out = key;
    return 0;
}

int backend_key_generate(struct rf_crypto *c, enum rf_key_type type, struct rf_key **out)
{
    EVP_PKEY *pkey;
    int r;

    if (type != RF_KEY_P256 && type != RF_KEY_RSA2048 && type != RF_KEY_ED25519)
        return RF_EUNKNOWN;
    errors_begin();
    if (type == RF_KEY_P256)
        pkey = EVP_EC_gen("P-256");
    else if (type == RF_KEY_RSA2048)
        pkey = EVP_RSA_gen(2048);
    else
        pkey = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    r = key_wrap(c, type, pkey, out);
    errors_end();
    return r;
}

/* pkey_type tells which of our types a key is: by the SubjectPublicKeyInfo that it will show to others. */
static int pkey_type(EVP_PKEY *pkey, enum rf_key_type *type)
{
    struct rf_view key;
    uint8_t *der = NULL;
    int len = i2d_PUBKEY(pkey, &der), r;

    if (len <= 0)
        return RF_EUNKNOWN;
    r = rf_spki_type(rf_view_of(der, (size_t)len), type, &key);
    OPENSSL_free(der);
    if (r == 0 && *type == RF_KEY_RSA2048 && EVP_PKEY_get_bits(pkey) != 2048)
        r = RF_EUNKNOWN;
    return r == 0 ? 0 : RF_EUNKNOWN;
}

static int key_from_der(struct rf_crypto *c, struct rf_view der, struct rf_key **out)
{
    const unsigned char *p = der.p;
    PKCS8_PRIV_KEY_INFO *info = d2i_PKCS8_PRIV_KEY_INFO(NULL, &p, (long)der.len);
    enum rf_key_type type;
    EVP_PKEY *pkey;
    int r;

    if (info == NULL || p != der.p + der.len) {
        PKCS8_PRIV_KEY_INFO_free(info);
        return RF_EFORMAT;
    }
    pkey = EVP_PKCS82PKEY(info);
    PKCS8_PRIV_KEY_INFO_free(info);
    if (pkey == NULL)
        return RF_EFORMAT;
    if ((r = pkey_type(pkey, &type)) != 0) {
        EVP_PKEY_free(pkey);
        return r;
    }
    return key_wrap(c, type, pkey, out);
}

int backend_key_from_pem(struct rf_crypto *c, struct rf_view pem, struct rf_key **out)
{
    uint8_t bytes[KEY_DER_MAX_LEN];
    struct rf_buf der;
    int r;

    rf_buf_fixed(&der, bytes, sizeof(bytes));
    if (rf_pem_next(&pem, "PRIVATE KEY", &der) != 0) {
        r = RF_EFORMAT;
    } else {
        errors_begin();
        r = key_from_der(c, rf_buf_view(&der), out);
        errors_end();
    }
    rf_wipe(bytes, sizeof(bytes));
    return r;
}

int backend_key_to_pem(struct rf_crypto *c, const struct rf_key *key, struct rf_buf *out)
{
    PKCS8_PRIV_KEY_INFO *info;
    uint8_t *der = NULL;
    int len = -1;

    (void)c;
    errors_begin();
    if ((info = EVP_PKEY2PKCS8(key->pkey)) != NULL)
        len = i2d_PKCS8_PRIV_KEY_INFO(info, &der);
    PKCS8_PRIV_KEY_INFO_free(info);
    if (len > 0) {
        rf_pem_put(out, "PRIVATE KEY", rf_view_of(der, (size_t)len));
        OPENSSL_clear_free(der, (size_t)len);
    }
    errors_end();
    return len > 0 ? rf_buf_error(out) : RF_ECRYPTO;
}

/* p256_point computes the public point of a private scalar; false: not in 1..n-1. */
static bool p256_point(const BIGNUM *scalar, uint8_t point[1 + 2 * P256_LEN])
{
    EC_GROUP *group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
    EC_POINT *public = group != NULL ? EC_POINT_new(group) : NULL;
    bool good = public != NULL && !BN_is_zero(scalar) && BN_cmp(scalar, EC_GROUP_get0_order(group)) < 0;

    good = good && EC_POINT_mul(group, public, scalar, NULL, NULL, NULL) == 1 &&
           EC_POINT_point2oct(group, public, POINT_CONVERSION_UNCOMPRESSED, point, 1 + 2 * P256_LEN, NULL) ==
               1 + 2 * P256_LEN;
    EC_POINT_free(public);
    EC_GROUP_free(group);
    return good;
}

static EVP_PKEY *p256_from_raw(struct rf_view raw)
{
    uint8_t point[1 + 2 * P256_LEN];
    BIGNUM *scalar = BN_secure_new();
    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    OSSL_PARAM *params = NULL;
    EVP_PKEY *pkey = NULL;

    if (scalar == NULL || builder == NULL || ctx == NULL || BN_bin2bn(raw.p, (int)raw.len, scalar) == NULL)
        goto out;
    BN_set_flags(scalar, BN_FLG_CONSTTIME);
    if (!p256_point(scalar, point))
        goto out;
    if (OSSL_PARAM_BLD_push_utf8_string(builder, OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0) != 1 ||
        OSSL_PARAM_BLD_push_octet_string(builder, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof(point)) != 1 ||
        OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_PRIV_KEY, scalar) != 1 ||
        (params = OSSL_PARAM_BLD_to_param(builder)) == NULL)
        goto out;
    if (EVP_PKEY_fromdata_init(ctx) != 1 || EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_KEYPAIR, params) != 1)
        pkey = NULL;
out:
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(builder);
    EVP_PKEY_CTX_free(ctx);
    BN_clear_free(scalar);
    return pkey;
}

int backend_key_from_raw(struct rf_crypto *c, enum rf_key_type type, struct rf_view raw, struct rf_key **out)
{
    EVP_PKEY *pkey;
    int r;

    if (type != RF_KEY_ED25519 && type != RF_KEY_P256)
        return RF_EUNKNOWN;
    if (raw.len != 32)
        return RF_EFORMAT;
    errors_begin();
    if (type == RF_KEY_ED25519)
        pkey = EVP_PKEY_new_raw_private_key_ex(NULL, "ED25519", NULL, raw.p, raw.len);
    else
        pkey = p256_from_raw(raw);
    r = pkey != NULL ? key_wrap(c, type, pkey, out) : RF_EFORMAT;
    errors_end();
    return r;
}

void backend_key_free(struct rf_crypto *c, struct rf_key *key)
{
    if (key == NULL)
        return;
    EVP_PKEY_CTX_free(key->sign);
    EVP_MD_CTX_free(key->one_shot);
    EVP_PKEY_free(key->pkey); /* OpenSSL wipes the private part */
    rf_free_secret(c->mem, key, sizeof(*key));
}

enum rf_key_type backend_key_type(const struct rf_key *key)
{
    return key->type;
}

int backend_key_spki(struct rf_crypto *c, const struct rf_key *key, struct rf_buf *out)
{
    uint8_t *der = NULL;
    int len;

    (void)c;
    errors_begin();
    len = i2d_PUBKEY(key->pkey, &der);
    errors_end();
    if (len <= 0)
        return RF_ECRYPTO;
    rf_buf_put(out, der, (size_t)len);
    OPENSSL_free(der);
    return rf_buf_error(out);
}
