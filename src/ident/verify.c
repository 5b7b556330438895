/* verify.c - who signed this, and does it verify (reload.md 2.6, 2.8). */
#include "ident/trust.h"

#define PARTS_MAX 16 /* with the SignerIdentity */

void rf_signer_deinit(struct rf_signer *signer)
{
    rf_cert_release(signer->cert);
    signer->cert = NULL;
}

/* The certificates at hand: what came with the signature. */
struct bucket {
    const struct rf_view *certs;
    size_t count;
    uint64_t wall_ms;
};

/* find_by_hash: cert_hash names the certificate, which must have one Node-ID. */
static int find_by_hash(struct rf_trust *trust, const struct bucket *bucket, struct rf_view hash,
                        struct rf_signer *out)
{
    struct cert_cache_entry *entry = cert_cache_find(&trust->cache, hash.p);
    uint8_t sha256[RF_SHA256_LEN];
    int r = RF_ENOTFOUND;

    if (entry != NULL)
        r = trust_cached(trust, entry, bucket->wall_ms, &out->cert);
    for (size_t i = 0; entry == NULL && i < bucket->count && r == RF_ENOTFOUND; i++) {
        if ((r = rf_sha256(trust->crypto, bucket->certs[i], sha256)) != 0)
            return r;
        r = RF_ENOTFOUND;
        if (memcmp(sha256, hash.p, RF_SHA256_LEN) == 0)
            r = rf_trust_cert(trust, bucket->certs[i], bucket->certs, bucket->count, bucket->wall_ms,
                              &out->cert);
    }
    if (r != 0)
        return r;
    if (out->cert->node_id_count != 1) {
        rf_signer_deinit(out);
        return RF_EMISMATCH;
    }
    out->node_id = out->cert->node_ids[0];
    return 0;
}

/* names_node tells which Node-ID of a certificate cert_hash_node_id means; RF_ENOTFOUND: none of this one. */
static int names_node(const struct rf_cert *cert, struct rf_view hash, struct rf_id *out)
{
    uint8_t sha256[RF_SHA256_LEN];
    int r;

    for (size_t i = 0; i < cert->node_id_count; i++) {
        if ((r = cert_node_hash(cert, &cert->node_ids[i], sha256)) != 0)
            return r;
        if (memcmp(sha256, hash.p, RF_SHA256_LEN) == 0) {
            *out = cert->node_ids[i];
            return 0;
        }
    }
    return RF_ENOTFOUND;
}

/* try_node_hash looks whether bucket->certs[i] is meant, and only then whether it is trusted. */
static int try_node_hash(struct rf_trust *trust, const struct bucket *bucket, size_t i, struct rf_view hash,
                         struct rf_signer *out)
{
    struct rf_view overlay = rf_view_of(trust->rules->overlay, trust->rules->overlay_len);
    struct rf_cert *cert;
    struct rf_id node_id;
    int r;

    if (rf_cert_decode(trust->crypto, bucket->certs[i], overlay, trust->rules->id_len, &cert) != 0)
        return RF_ENOTFOUND; /* an intermediate, or junk: not this one */
    r = names_node(cert, hash, &node_id);
    if (r == 0 && cert->node_id_count == 1)
        r = RF_EMISMATCH;
    rf_cert_release(cert);
    if (r == 0)
        r = rf_trust_cert(trust, bucket->certs[i], bucket->certs, bucket->count, bucket->wall_ms, &out->cert);
    if (r == 0)
        out->node_id = node_id;
    return r;
}

/* find_by_node_hash: cert_hash_node_id names one Node-ID of a certificate that has several. */
static int find_by_node_hash(struct rf_trust *trust, const struct bucket *bucket, struct rf_view hash,
                             struct rf_signer *out)
{
    struct cert_cache_alias *alias = cert_cache_find_alias(&trust->cache, hash.p);
    int r = RF_ENOTFOUND;

    if (alias != NULL) {
        out->node_id = alias->node_id;
        return trust_cached(trust, alias->entry, bucket->wall_ms, &out->cert);
    }
    for (size_t i = 0; i < bucket->count && r == RF_ENOTFOUND; i++)
        r = try_node_hash(trust, bucket, i, hash, out);
    return r;
}

static int find_signer(struct rf_trust *trust, const struct bucket *bucket,
                       const struct rf_signer_identity *identity, struct rf_signer *out)
{
    int r = RF_EUNKNOWN;

    if (identity->type != RF_IDENTITY_CERT_HASH && identity->type != RF_IDENTITY_CERT_HASH_NODE_ID)
        return RF_EUNKNOWN;
    if (identity->hash_alg != RF_HASH_SHA256)
        return RF_EUNKNOWN;
    if (identity->hash.len != RF_SHA256_LEN)
        r = RF_ENOTFOUND;
    else if (identity->type == RF_IDENTITY_CERT_HASH)
        r = find_by_hash(trust, bucket, identity->hash, out);
    else
        r = find_by_node_hash(trust, bucket, identity->hash, out);
    if (r == RF_ENOTFOUND)
        trust->counters.signer_unknown++;
    return r;
}

int rf_verify(struct rf_trust *trust, const struct rf_view *bucket, size_t bucket_count,
              const struct rf_signature *signature, const struct rf_view *parts, size_t part_count,
              uint64_t wall_ms, struct rf_signer *out)
{
    struct bucket certs = {bucket, bucket_count, wall_ms};
    enum rf_sig_alg alg = (enum rf_sig_alg)(signature->hash_alg << 8 | signature->sig_alg);
    struct rf_view input[PARTS_MAX];
    struct rf_signer signer = {.cert = NULL};
    int r;

    if (part_count >= PARTS_MAX)
        return RF_ELIMIT;
    if ((r = find_signer(trust, &certs, &signature->identity, &signer)) != 0)
        return r;
    if (part_count > 0)
        memcpy(input, parts, part_count * sizeof(*parts));
    input[part_count] = signature->identity.raw;
    r = trust->crypto->ops->verify(trust->crypto, signer.cert->x509.pubkey, alg, input, part_count + 1,
                                   signature->value);
    if (r != 0) {
        rf_signer_deinit(&signer);
        trust->counters.signatures_bad += r == RF_ESIGNATURE || r == RF_EUNKNOWN;
        return r;
    }
    trust->counters.signatures_verified++;
    *out = signer;
    return 0;
}

int rf_verify_message(struct rf_trust *trust, const struct rf_message *message, uint64_t wall_ms,
                      struct rf_signer *out)
{
    struct rf_signed input;

    rf_signed_message(message->header.overlay, message->header.transaction_id, message->contents, &input);
    return rf_verify(trust, message->security.certs, message->security.cert_count,
                     &message->security.signature, input.parts, input.part_count, wall_ms, out);
}
