/*
 * x509.h - certificates and certificate requests, written once for all backends: DER is read and written
 * here, keys and signatures come from the backend's table. A backend puts these functions into its
 * rf_crypto_ops; nobody else calls them.
 *
 * Why not the backend's own decoder: views into one buffer are wanted, the public key must be decoded once
 * only (with OpenSSL 3.0 key decoding is most of the cost of a certificate: 200 us against 8 us here), and
 * the simulator's backend must speak the same certificates.
 */
#ifndef RF_CRYPTO_X509_H
#define RF_CRYPTO_X509_H

#include "crypto/crypto.h"

int rf_x509_decode(struct rf_crypto *c, struct rf_view der, struct rf_x509 *out);
void rf_x509_deinit(struct rf_crypto *c, struct rf_x509 *cert);
int rf_x509_verify(struct rf_crypto *c, const struct rf_x509 *cert, const struct rf_x509 *issuer);
int rf_x509_issue(struct rf_crypto *c, const struct rf_x509_spec *spec, struct rf_view spki,
                  const struct rf_x509 *issuer, const struct rf_key *key, struct rf_buf *out);
int rf_csr_create(struct rf_crypto *c, const struct rf_key *key, struct rf_view email, struct rf_buf *out);
int rf_csr_decode(struct rf_crypto *c, struct rf_view der, struct rf_csr *out);
void rf_csr_deinit(struct rf_crypto *c, struct rf_csr *csr);

/* ---- pieces that certificates and requests share ---- */

/* rf_x509_alg_take takes an AlgorithmIdentifier of a signature. Errors: RF_EFORMAT, RF_EUNKNOWN. */
int rf_x509_alg_take(struct rf_view *in, enum rf_sig_alg *out);
void rf_x509_alg_put(struct rf_buf *out, enum rf_sig_alg alg);
/* rf_x509_sign appends SEQUENCE { tbs, algorithm, signature }, what certificates and requests are. */
int rf_x509_sign(struct rf_crypto *c, const struct rf_key *key, struct rf_view tbs, struct rf_buf *out);
/* rf_spki_type tells a SubjectPublicKeyInfo's key type and the key's own bytes: the point, RSAPublicKey, or
 * the 32 bytes. Errors: RF_EFORMAT, RF_EUNKNOWN. */
int rf_spki_type(struct rf_view spki, enum rf_key_type *type, struct rf_view *key);

struct rf_x509_extension {
    struct rf_view oid;
    bool critical;
    struct rf_view value; /* the OCTET STRING's content */
};
/* rf_x509_extension_take takes one Extension. */
int rf_x509_extension_take(struct rf_view *in, struct rf_x509_extension *out);
bool rf_x509_oid_is(struct rf_view oid, const char *bytes, size_t len);
#define RF_OID_IS(oid, literal) rf_x509_oid_is((oid), (literal), sizeof(literal) - 1)
#define RF_OID_SUBJECT_ALT_NAME "\x55\x1d\x11"
#define RF_OID_SUBJECT_KEY_ID   "\x55\x1d\x0e"

#endif
