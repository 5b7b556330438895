/*
 * crypto.h - the crypto interface: one table of operations, so that a node runs on libcrypto (crypto/openssl)
 * or, in the simulator, on a cheap stand-in (crypto/fake). Everything is synchronous and without global state
 * visible to callers. Randomness for keys and signatures is the backend's own (the kernel's for openssl, a
 * seeded stream for fake).
 */
#ifndef RF_CRYPTO_CRYPTO_H
#define RF_CRYPTO_CRYPTO_H

#include "base/buf.h"
#include "base/error.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/view.h"

/* HashAlgorithm numbers of TLS 1.2 (reload.md 2.7). */
enum rf_hash {
    RF_HASH_NONE = 0,
    RF_HASH_MD5 = 1, /* only for keys of STUN's long-term credentials (RFC 8489, section 9.2.2); no hmac */
    RF_HASH_SHA1 = 2,
    RF_HASH_SHA256 = 4,
    RF_HASH_INTRINSIC = 8
};
#define RF_MD5_LEN      16
#define RF_SHA1_LEN     20
#define RF_SHA256_LEN   32
#define RF_HASH_MAX_LEN 32

/* SignatureAndHashAlgorithm, hash in the high byte (reload.md 2.7). */
enum rf_sig_alg {
    RF_SIG_NONE = 0x0000,
    RF_SIG_RSA_SHA256 = 0x0401,   /* RSASSA-PKCS1-v1_5 */
    RF_SIG_ECDSA_SHA256 = 0x0403, /* P-256, DER */
    RF_SIG_ED25519 = 0x0807,      /* 64 raw bytes */
};
#define RF_SIGNATURE_MAX_LEN 512
#define RF_X509_MAX_LEN      16384 /* bytes of DER; longer is RF_ELIMIT */

enum rf_key_type { RF_KEY_P256 = 1, RF_KEY_RSA2048 = 2, RF_KEY_ED25519 = 3 };

/* Groups for key agreement, by their KEM numbers in HPKE (RFC 9180, section 7.1). Keys are bytes: a private key is 32 of them. */
enum rf_dh_group { RF_DH_P256 = 0x0010, RF_DH_X25519 = 0x0020 };
#define RF_DH_PRIVATE_LEN    32 /* X25519: any 32 bytes; P-256: a number in 1 .. order - 1 */
#define RF_DH_PUBLIC_MAX_LEN 65 /* X25519: 32; P-256: 65, the uncompressed point */
#define RF_DH_SHARED_LEN     32

/* AES-128-GCM */
#define RF_AEAD_KEY_LEN   16
#define RF_AEAD_NONCE_LEN 12
#define RF_AEAD_TAG_LEN   16

struct rf_key;    /* a private key; owned, freed with key_free */
struct rf_pubkey; /* a decoded public key; owned, freed with pubkey_free; decode once, verify often */

/* Bits of keyUsage (RFC 5280, section 4.2.1.3). */
#define RF_KEY_USAGE_SIGN      0x80 /* digitalSignature */
#define RF_KEY_USAGE_CERT_SIGN 0x04 /* keyCertSign */

#define RF_X509_MAX_EMAILS 4 /* more: decoding fails with RF_ELIMIT */
#define RF_X509_MAX_URIS   16

/* A decoded X.509 certificate's fields. All views point into `der`, which the struct owns. */
struct rf_x509 {
    struct rf_view der;
    struct rf_view tbs; /* signed part */
    enum rf_sig_alg signature_alg;
    struct rf_view signature;
    struct rf_view spki;            /* SubjectPublicKeyInfo */
    struct rf_view issuer, subject; /* DER Names */
    struct rf_view serial;
    bool subject_empty;
    bool is_ca;        /* basicConstraints cA */
    int path_len;      /* pathLenConstraint, -1 = none */
    uint8_t key_usage; /* RF_KEY_USAGE_...; 0xff without the extension: everything */
    struct rf_view
        subject_key_id;     /* what certificates below this one call its key; empty without the extension */
    uint64_t not_before_ms; /* since 1970 UTC */
    uint64_t not_after_ms;
    struct rf_view *
        emails; /* rfc822Name of subjectAltName; owned, only as many as there are: certificates are kept by the thousand */
    size_t email_count;
    struct rf_view *uris; /* uniformResourceIdentifier; in the same memory */
    size_t uri_count;
    bool other_names; /* subjectAltName holds names of further types, or unknown critical extensions stand
                         there */
    bool unknown_critical; /* unknown critical extensions stand there */
    struct rf_pubkey *pubkey;
    enum rf_key_type key_type;
};

/* What a certificate request (PKCS#10) or a new certificate says. */
struct rf_x509_spec {
    struct rf_view email;       /* rfc822Name; empty: none */
    const struct rf_view *uris; /* uniformResourceIdentifiers */
    size_t uri_count;
    struct rf_view common_name;  /* only for CAs and TLS servers; empty: empty subject, SAN critical */
    struct rf_view dns_names[4]; /* only for TLS servers */
    size_t dns_name_count;
    struct rf_view ip_addresses[4]; /* 4 or 16 raw bytes each, only for TLS servers */
    size_t ip_address_count;
    bool is_ca;
    bool no_sub_ca; /* a CA whose certificates may be no CAs (pathLenConstraint 0) */
    uint64_t not_before_ms, not_after_ms;
    uint64_t serial_hi, serial_lo; /* 128-bit positive serial number */
};

/* A decoded PKCS#10 request; self-signature already checked. */
struct rf_csr {
    struct rf_view der;   /* owned copy */
    struct rf_view spki;  /* into der */
    struct rf_view email; /* requested rfc822Name (extensionRequest), empty if none; into der */
    bool subject_empty;
    enum rf_key_type key_type;
};

/*
 * A backend. One thread at a time may use it and the keys made by it: it keeps scratch contexts. Threads that
 * need crypto each have a backend of their own.
 */
struct rf_crypto {
    const struct rf_crypto_ops *ops;
    struct rf_mem *mem; /* borrowed */
    void *ctx;
    struct rf_map certs; /* of ident/: those that are in memory decoded; empty when it is freed */
    void *rules;         /* of ident/: what is trusted by those who use it; NULL when it is freed */
};

struct rf_crypto_ops {
    /* hash writes 16 (MD5), 20 (SHA1) or 32 (SHA256) bytes of the concatenation of `parts`. Errors: RF_EUNKNOWN (MD5 also where
     * the system's policy forbids it), RF_ECRYPTO. */
    int (*hash)(struct rf_crypto *c, enum rf_hash alg, const struct rf_view *parts, size_t part_count,
                uint8_t *out);
    int (*hmac)(struct rf_crypto *c, enum rf_hash alg, struct rf_view key, const struct rf_view *parts,
                size_t part_count, uint8_t *out);

    int (*key_generate)(struct rf_crypto *c, enum rf_key_type type, struct rf_key **out);
    /* PKCS#8 PEM, unencrypted. Errors: RF_EFORMAT, RF_EUNKNOWN key type, RF_ENOMEM. */
    int (*key_from_pem)(struct rf_crypto *c, struct rf_view pem, struct rf_key **out);
    int (*key_to_pem)(struct rf_crypto *c, const struct rf_key *key, struct rf_buf *out);
    /* raw private value: Ed25519 seed or P-256 scalar, 32 bytes (test vectors, derived keys). */
    int (*key_from_raw)(struct rf_crypto *c, enum rf_key_type type, struct rf_view raw, struct rf_key **out);
    void (*key_free)(struct rf_crypto *c, struct rf_key *key); /* wipes; NULL allowed */
    enum rf_key_type (*key_type)(const struct rf_key *key);
    int (*key_spki)(struct rf_crypto *c, const struct rf_key *key,
                    struct rf_buf *out); /* DER SubjectPublicKeyInfo */

    /* sign appends the signature_value over the concatenation of `parts` with the algorithm that fits the
     * key. */
    int (*sign)(struct rf_crypto *c, const struct rf_key *key, const struct rf_view *parts, size_t part_count,
                struct rf_buf *out);
    /* verify: 0, RF_ESIGNATURE, RF_EUNKNOWN (algorithm does not fit the key), RF_ECRYPTO. */
    int (*verify)(struct rf_crypto *c, const struct rf_pubkey *key, enum rf_sig_alg alg,
                  const struct rf_view *parts, size_t part_count, struct rf_view signature);
    int (*pubkey_from_spki)(struct rf_crypto *c, struct rf_view spki, struct rf_pubkey **out);
    void (*pubkey_free)(struct rf_crypto *c, struct rf_pubkey *key);

    /* dh_public writes the public key, rf_dh_public_len(group) bytes, of a private one. Errors: RF_EUNKNOWN group, RF_EFORMAT the
     * private key is out of range, RF_ECRYPTO. */
    int (*dh_public)(struct rf_crypto *c, enum rf_dh_group group, const uint8_t private[RF_DH_PRIVATE_LEN],
                     uint8_t *out);
    /* dh writes the secret shared with the owner of `public`: X25519's result, or the X coordinate. Errors: RF_EUNKNOWN group,
     * RF_EFORMAT a key that is none (length, form, not on the curve, or a result of zeros), RF_ECRYPTO. */
    int (*dh)(struct rf_crypto *c, enum rf_dh_group group, const uint8_t private[RF_DH_PRIVATE_LEN],
              struct rf_view public, uint8_t out[RF_DH_SHARED_LEN]);
    /* aead_seal appends the ciphertext and its tag: RF_AEAD_TAG_LEN bytes more than `plain`. Errors: RF_ECRYPTO, the builder's. */
    int (*aead_seal)(struct rf_crypto *c, const uint8_t key[RF_AEAD_KEY_LEN],
                     const uint8_t nonce[RF_AEAD_NONCE_LEN], struct rf_view aad, struct rf_view plain,
                     struct rf_buf *out);
    /* aead_open appends what was sealed, or nothing. Errors: RF_EAUTH it is not what was sealed with these, RF_ECRYPTO, the
     * builder's. */
    int (*aead_open)(struct rf_crypto *c, const uint8_t key[RF_AEAD_KEY_LEN],
                     const uint8_t nonce[RF_AEAD_NONCE_LEN], struct rf_view aad, struct rf_view sealed,
                     struct rf_buf *out);

    /* x509_decode copies `der` and decodes strictly. Errors: RF_EFORMAT, RF_ELIMIT, RF_EUNKNOWN key type,
     * RF_ENOMEM. */
    int (*x509_decode)(struct rf_crypto *c, struct rf_view der, struct rf_x509 *out);
    void (*x509_deinit)(struct rf_crypto *c, struct rf_x509 *cert);
    /* x509_again: somebody wanted one decoded that is in memory. A backend that plays many nodes charges as for decoding. NULL: nothing. */
    void (*x509_again)(struct rf_crypto *c);
    /* x509_verify checks cert's signature with the issuer's key only (names and times are ident's business).
     */
    int (*x509_verify)(struct rf_crypto *c, const struct rf_x509 *cert, const struct rf_x509 *issuer);
    /*
     * x509_issue appends a DER certificate for `spki`, signed by `key`. `issuer` NULL: self-signed (spki must
     * be key's own). Certificates that are no CA and have no common name: empty subject, critical
     * subjectAltName (reload.md 2.9). CAs get a subjectKeyIdentifier, what has an issuer an authorityKeyIdentifier (RFC 5280, section
     * 4.2.1.1); OpenSSL's -x509_strict accepts all but self-signed node certificates, whose issuer RELOAD wants to be empty.
     */
    int (*x509_issue)(struct rf_crypto *c, const struct rf_x509_spec *spec, struct rf_view spki,
                      const struct rf_x509 *issuer, const struct rf_key *key, struct rf_buf *out);

    /* csr_create appends DER PKCS#10: empty subject, extensionRequest with subjectAltName rfc822Name = email
     * (D26). */
    int (*csr_create)(struct rf_crypto *c, const struct rf_key *key, struct rf_view email,
                      struct rf_buf *out);
    /* csr_decode checks the request's own signature too. Errors: RF_EFORMAT, RF_ESIGNATURE, RF_EUNKNOWN,
     * RF_ENOMEM. */
    int (*csr_decode)(struct rf_crypto *c, struct rf_view der, struct rf_csr *out);
    void (*csr_deinit)(struct rf_crypto *c, struct rf_csr *csr);
};

/* Shorthands. */
/* rf_sig_alg_of: the algorithm that a key of this type signs with. */
enum rf_sig_alg rf_sig_alg_of(enum rf_key_type type);
/* rf_dh_public_len: bytes of a public key of this group; 0: no such group. */
size_t rf_dh_public_len(enum rf_dh_group group);
/* rf_key_public appends a private key's public one as protocols carry it that name the type elsewhere: Ed25519's 32 bytes or P-256's
 * 65 bytes. rf_pubkey_from_raw reads such. Errors: RF_EUNKNOWN another type; RF_EFORMAT no such key. */
int rf_key_public(struct rf_crypto *c, const struct rf_key *key, struct rf_buf *out);
int rf_pubkey_from_raw(struct rf_crypto *c, enum rf_key_type type, struct rf_view raw,
                       struct rf_pubkey **out);
int rf_sha1(struct rf_crypto *c, struct rf_view bytes, uint8_t out[RF_SHA1_LEN]);
int rf_sha256(struct rf_crypto *c, struct rf_view bytes, uint8_t out[RF_SHA256_LEN]);
/* rf_pem_put appends -----BEGIN label----- ...; rf_pem_next decodes the next block of that label from `in`
 * (moved on) into DER appended to `out`. Errors: RF_ENOTFOUND no further block, RF_EFORMAT. */
void rf_pem_put(struct rf_buf *out, const char *label, struct rf_view der);
int rf_pem_next(struct rf_view *in, const char *label, struct rf_buf *out);

#endif
