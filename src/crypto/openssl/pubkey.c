/* pubkey.c - public keys out of SubjectPublicKeyInfo, without OpenSSL's slow decoders. */
#include "crypto/openssl/backend.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/param_build.h>
#include "crypto/der.h"
#include "crypto/x509.h"

#define RSA_MIN_LEN          256 /* bytes of the modulus: 2048 bits */
#define RSA_MAX_LEN          RF_SIGNATURE_MAX_LEN
#define RSA_EXPONENT_MAX_LEN 8 /* a longer one only costs the verifier time */

/* p256_public copies the curve from a key at hand: a third of the time of naming it. The point is checked to
 * be on it. */
static EVP_PKEY *p256_public(struct backend *b, struct rf_view point)
{
    EVP_PKEY *pkey = EVP_PKEY_new();

    if (pkey != NULL && EVP_PKEY_copy_parameters(pkey, b->p256) == 1 &&
        EVP_PKEY_set1_encoded_public_key(pkey, point.p, point.len) == 1)
        return pkey;
    EVP_PKEY_free(pkey);
    return NULL;
}

static EVP_PKEY *rsa_public(struct backend *b, struct rf_view modulus, struct rf_view exponent)
{
    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    BIGNUM *n = BN_bin2bn(modulus.p, (int)modulus.len, NULL);
    BIGNUM *e = BN_bin2bn(exponent.p, (int)exponent.len, NULL);
    OSSL_PARAM *params = NULL;
    EVP_PKEY *pkey = NULL;

    if (builder != NULL && n != NULL && e != NULL &&
        OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, n) == 1 &&
        OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, e) == 1 &&
        (params = OSSL_PARAM_BLD_to_param(builder)) != NULL &&
        EVP_PKEY_fromdata(b->rsa_data, &pkey, EVP_PKEY_PUBLIC_KEY, params) != 1)
        pkey = NULL;
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(builder);
    BN_free(n);
    BN_free(e);
    return pkey;
}

/* rsa_parts reads RSAPublicKey and checks the sizes. */
static int rsa_parts(struct rf_view key, struct rf_view *modulus, struct rf_view *exponent)
{
    struct rf_view body;

    if (rf_der_take(&key, RF_DER_SEQUENCE, &body) != 0 || key.len != 0 || rf_der_uint(&body, modulus) != 0 ||
        rf_der_uint(&body, exponent) != 0 || body.len != 0)
        return RF_EFORMAT;
    if (exponent->len == 0 || (exponent->p[exponent->len - 1] & 1) == 0 ||
        (exponent->len == 1 && exponent->p[0] == 1) || modulus->len == 0 ||
        (modulus->p[modulus->len - 1] & 1) == 0)
        return RF_EFORMAT;
    if (modulus->len < RSA_MIN_LEN || modulus->len > RSA_MAX_LEN || (modulus->p[0] & 0x80) == 0 ||
        exponent->len > RSA_EXPONENT_MAX_LEN)
        return RF_EUNKNOWN;
    return 0;
}

/* make has OpenSSL decode the key's bytes, which may be those of a stranger. */
static EVP_PKEY *make(struct backend *b, enum rf_key_type type, struct rf_view bytes)
{
    struct rf_view modulus, exponent;

    if (type == RF_KEY_P256)
        return p256_public(b, bytes);
    if (type == RF_KEY_ED25519)
        return EVP_PKEY_new_raw_public_key_ex(NULL, "ED25519", NULL, bytes.p, bytes.len);
    return rsa_parts(bytes, &modulus, &exponent) == 0 ? rsa_public(b, modulus, exponent) : NULL;
}

/* put_away leaves of a key only its bytes. */
static void put_away(struct backend *b, struct rf_pubkey *key)
{
    EVP_PKEY_CTX_free(key->verify);
    EVP_MD_CTX_free(key->one_shot);
    EVP_PKEY_free(key->pkey);
    key->verify = NULL;
    key->one_shot = NULL;
    key->pkey = NULL;
    rf_list_remove(&key->ready);
    b->ready_count--;
}

static void put_ready(struct backend *b, struct rf_pubkey *key)
{
    rf_list_push_front(&b->ready, &key->ready);
    if (++b->ready_count > READY_MAX)
        put_away(b, RF_LIST_ENTRY(b->ready.prev, struct rf_pubkey, ready));
}

int pubkey_use(struct backend *b, struct rf_pubkey *key)
{
    if (key->pkey != NULL) {
        rf_list_remove(&key->ready);
        rf_list_push_front(&b->ready, &key->ready);
        return 0;
    }
    if ((key->pkey = make(b, key->type, rf_view_of(key->bytes, key->len))) == NULL)
        return RF_ENOMEM;
    put_ready(b, key);
    return 0;
}

int backend_pubkey_from_spki(struct rf_crypto *c, struct rf_view spki, struct rf_pubkey **out)
{
    struct rf_view bytes, modulus, exponent;
    struct rf_pubkey *key;
    enum rf_key_type type;
    int r = rf_spki_type(spki, &type, &bytes);

    if (r == 0 && type == RF_KEY_RSA2048)
        r = rsa_parts(bytes, &modulus, &exponent);
    if (r != 0)
        return r;
    if ((key = rf_zalloc(c->mem, sizeof(*key) + bytes.len)) == NULL)
        return RF_ENOMEM;
    key->type = type;
    key->len = bytes.len;
    memcpy(key->bytes, bytes.p, bytes.len);
    errors_begin();
    key->pkey = make(backend_of(c), type, bytes);
    errors_end();
    if (key->pkey == NULL) {
        rf_free(c->mem, key);
        return RF_EFORMAT;
    }
    put_ready(backend_of(c), key);
    *out = key;
    return 0;
}

void backend_pubkey_free(struct rf_crypto *c, struct rf_pubkey *key)
{
    if (key == NULL)
        return;
    if (key->pkey != NULL)
        put_away(backend_of(c), key);
    rf_free(c->mem, key);
}
