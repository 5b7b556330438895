/*
 * ident.h - who is who: RELOAD certificates, Node-IDs, trust, and the signatures of messages and stored values.
 *
 *   rf_cert      one decoded certificate: user name, Node-IDs, validity, public key. Decoded once, shared by reference count: whoever decodes
 *                one that is in memory already gets that one.
 *   rf_trust     what an overlay trusts: roots or the self-signed rule, bad nodes; with a cache of certificates already checked.
 *   rf_identity  this node: private key, certificate, chosen Node-ID; makes signatures.
 */
#ifndef RF_IDENT_IDENT_H
#define RF_IDENT_IDENT_H

#include "base/clock.h"
#include "base/counter.h"
#include "base/id.h"
#include "base/map.h"
#include "crypto/crypto.h"
#include "wire/contents.h"

#define RF_CERT_MAX_NODE_IDS 8
#define RF_CERT_MAX_LEN      4096 /* bytes of DER */
#define RF_CERT_MAX_CHAIN    3    /* intermediate certificates between it and the root */

struct rf_cert {
    struct rf_map_node node; /* in crypto->certs, by sha256 */
    size_t refs;
    struct rf_crypto *crypto;      /* borrowed */
    struct rf_x509 x509;           /* owned; x509.der is the certificate */
    uint8_t sha256[RF_SHA256_LEN]; /* of the DER */
    struct rf_view user;           /* user name, e.g. alice@example.org; into x509.der */
    bool pooled;                   /* in crypto->certs */
    uint8_t chain_count;           /* at most RF_CERT_MAX_CHAIN */
    struct rf_view *chain;   /* intermediates (DER) over which it was trusted, its issuer's first; owned */
    size_t node_id_count;    /* >= 1 */
    struct rf_id node_ids[]; /* only as many as there are: certificates are kept by the thousand */
};

/*
 * rf_cert_decode decodes a node certificate strictly (reload.md 2.9): exactly one rfc822Name, 1..8 RELOAD URIs of one node
 * destination each, all for `overlay`, no other names. Trust is not checked.
 * der borrowed; id_len the overlay's node-id-length; out receives one reference.
 * Errors: RF_EFORMAT, RF_ELIMIT, RF_EMISMATCH (another overlay's name), RF_EUNKNOWN key type, RF_ENOMEM.
 */
int rf_cert_decode(struct rf_crypto *crypto, struct rf_view der, struct rf_view overlay, uint8_t id_len,
                   struct rf_cert **out);
struct rf_cert *rf_cert_hold(struct rf_cert *cert);
void rf_cert_release(struct rf_cert *cert); /* NULL allowed */
/* rf_cert_has_node_id: the certificate names this Node-ID. */
bool rf_cert_has_node_id(const struct rf_cert *cert, const struct rf_id *id);

/*
 * rf_cert_issue appends a node certificate (2.9): an enrolment server's, or a self-signed one.
 * issuer  NULL: self-signed by `key`, whose own the spki is; node_ids are then those of rf_node_id_derive
 * spki    DER SubjectPublicKeyInfo of the node's key
 * serial  16 bytes as two numbers, not both 0
 * Errors: RF_EINVAL, RF_ELIMIT, RF_ECRYPTO, RF_ENOMEM.
 */
struct rf_cert_spec {
    struct rf_view user, overlay;
    const struct rf_id *node_ids;
    size_t node_id_count; /* 1..RF_CERT_MAX_NODE_IDS */
    uint64_t not_before_ms, not_after_ms;
    uint64_t serial_hi, serial_lo;
};
int rf_cert_issue(struct rf_crypto *crypto, const struct rf_cert_spec *spec, struct rf_view spki,
                  const struct rf_x509 *issuer, const struct rf_key *key, struct rf_buf *out);

/* The RELOAD URI of a node, "reload://0110...@example.org/" (reload.md 2.10). rf_reload_uri_parse takes one node entry only and
 * accepts a missing slash (D6). Errors: RF_EFORMAT, RF_EMISMATCH. */
void rf_reload_uri_put(struct rf_buf *out, const struct rf_id *node_id, struct rf_view overlay);
int rf_reload_uri_parse(struct rf_view uri, struct rf_view overlay, uint8_t id_len, struct rf_id *out);

/* rf_node_id_derive: the Node-ID of a self-signed overlay (2.9). index 0: the only Node-ID; from 1: one of several. */
enum rf_digest_rule { RF_DIGEST_SHA1 = 1, RF_DIGEST_SHA256 = 2 };
int rf_node_id_derive(struct rf_crypto *crypto, enum rf_digest_rule rule, struct rf_view spki, uint32_t index,
                      uint8_t id_len, struct rf_id *out);

/* rf_overlay_hash: H(x), the first id_len bytes of SHA-1 (5.2), of the concatenated parts. */
int rf_overlay_hash(struct rf_crypto *crypto, const struct rf_view *parts, size_t part_count, uint8_t id_len,
                    struct rf_id *out);
/* rf_overlay_hash32: the header's overlay field, last 4 bytes of SHA-1(name) (2.3). */
int rf_overlay_hash32(struct rf_crypto *crypto, struct rf_view overlay, uint32_t *out);

/* ---- trust ---- */

#define RF_IDENT_COUNTERS(X)                                                                                 \
    X(cert_cache_hits, "certificates found already checked")                                                 \
    X(cert_decoded, "certificates decoded and checked")                                                      \
    X(cert_rejected, "certificates refused: malformed, untrusted, expired, revoked or of another overlay")   \
    X(signatures_verified, "signatures that verified")                                                       \
    X(signatures_bad, "signatures that did not verify")                                                      \
    X(signer_unknown, "signatures whose certificate is nowhere")
RF_COUNTERS(ident, RF_IDENT_COUNTERS)

struct rf_trust; /* opaque, owned; rf_trust_free */

/* rf_trust_new: nothing is trusted yet. `cache_count` is how many checked certificates are remembered (least recently used
 * goes first; those somebody holds stay alive by their reference). `seed` keys the cache's hash table. */
int rf_trust_new(struct rf_crypto *crypto, struct rf_mem *mem, const uint64_t seed[2], size_t cache_count,
                 struct rf_trust **out);
void rf_trust_free(struct rf_trust *trust);
/*
 * rf_trust_configure replaces everything that comes from the configuration document and empties the cache; all is copied.
 * roots: DER of root-certs. self_signed: 0 not permitted. bad_nodes: revoked Node-IDs.
 * Errors: RF_EFORMAT a root is broken, RF_EUNTRUSTED it is no CA, RF_EUNKNOWN its key type, RF_ENOMEM; nothing changes then.
 */
struct rf_trust_config {
    struct rf_view overlay;
    uint8_t id_len;
    const struct rf_view *roots;
    size_t root_count;
    int self_signed; /* 0 or enum rf_digest_rule */
    const struct rf_id *bad_nodes;
    size_t bad_node_count;
};
int rf_trust_configure(struct rf_trust *trust, const struct rf_trust_config *config);
/*
 * rf_trust_cert decodes (or finds in the cache) and checks a certificate at wall_ms: validity, no bad node among its Node-IDs,
 * chain to a root through `others` (intermediates, DER, may be empty), or self-signature and derivation.
 * Others that are no CAs are passed over, so a message's whole bucket may be given. At most 8 signatures are tried.
 * out: one reference. Errors: those of rf_cert_decode, RF_EEXPIRED, RF_ENOTYET, RF_EREVOKED, RF_EUNTRUSTED (no chain, or a
 * self-signed certificate whose Node-IDs are not derived from its key), RF_ESIGNATURE.
 */
int rf_trust_cert(struct rf_trust *trust, struct rf_view der, const struct rf_view *others,
                  size_t other_count, uint64_t wall_ms, struct rf_cert **out);
/* rf_trust_cert_again re-checks one decoded earlier: validity now and bad nodes (after a new configuration: everything, with
 * the intermediates of the first time). Errors: those of rf_trust_cert. */
int rf_trust_cert_again(struct rf_trust *trust, struct rf_cert *cert, uint64_t wall_ms);
bool rf_trust_is_bad_node(const struct rf_trust *trust, const struct rf_id *id);
const struct rf_ident_counters *rf_trust_counters(const struct rf_trust *trust);

/* ---- own identity ---- */

struct rf_identity {
    struct rf_crypto *crypto;    /* borrowed */
    struct rf_key *key;          /* owned */
    struct rf_cert *cert;        /* one reference */
    struct rf_id node_id;        /* one of the certificate's */
    uint8_t signer_identity[64]; /* encoded SignerIdentity, ready to send */
    size_t signer_identity_len;
    uint64_t signatures_made;
};
/* rf_identity_init takes `key` on success, holds `cert`. Errors: RF_EMISMATCH the key is not the certificate's, RF_EINVAL the
 * certificate does not name node_id, RF_ECRYPTO, RF_ENOMEM. */
int rf_identity_init(struct rf_identity *identity, struct rf_crypto *crypto, struct rf_key *key,
                     struct rf_cert *cert, const struct rf_id *node_id);
void rf_identity_deinit(struct rf_identity *identity);

/*
 * rf_identity_sign appends a whole Signature structure (2.6) over parts ‖ SignerIdentity.
 * At most 15 parts. Errors: RF_ECRYPTO, RF_ENOMEM, RF_ELIMIT.
 */
int rf_identity_sign(struct rf_identity *identity, const struct rf_view *parts, size_t part_count,
                     struct rf_buf *out);
/* rf_identity_security_block appends the SecurityBlock of a message: the own certificate with its intermediates, `extra`
 * further ones (DER; none goes twice), and the signature over overlay ‖ transaction_id ‖ contents ‖ SignerIdentity. */
int rf_identity_security_block(struct rf_identity *identity, uint32_t overlay, uint64_t transaction_id,
                               struct rf_view contents, const struct rf_view *extra, size_t extra_count,
                               struct rf_buf *out);
/* rf_identity_sign_blob appends the SecurityBlock of a configuration document or kind block: over blob ‖ SignerIdentity (D7). */
int rf_identity_sign_blob(struct rf_identity *identity, struct rf_view blob, struct rf_buf *out);

/* A verified signer; holds one reference on cert (release it). */
struct rf_signer {
    struct rf_cert *cert;
    struct rf_id node_id; /* that the SignerIdentity names */
};
void rf_signer_deinit(struct rf_signer *signer);

/*
 * rf_verify finds the signer's certificate (in `bucket`, DER each, else in the cache), checks it as rf_trust_cert does and
 * verifies `signature` over parts ‖ SignerIdentity. out is filled on success only.
 * A certificate of one Node-ID must be named by cert_hash, one of several by cert_hash_node_id; hashes are SHA-256 (D3).
 * Errors: RF_ENOTFOUND no such certificate, RF_ESIGNATURE, RF_EUNKNOWN algorithm or identity type, RF_EMISMATCH the identity's
 * type does not fit the certificate, RF_ELIMIT more than 15 parts, those of rf_trust_cert.
 * reload.md 2.6, 2.8.
 */
int rf_verify(struct rf_trust *trust, const struct rf_view *bucket, size_t bucket_count,
              const struct rf_signature *signature, const struct rf_view *parts, size_t part_count,
              uint64_t wall_ms, struct rf_signer *out);
/* rf_verify_message does it for a decoded message (2.8 rules 1-3). */
int rf_verify_message(struct rf_trust *trust, const struct rf_message *message, uint64_t wall_ms,
                      struct rf_signer *out);

#endif
