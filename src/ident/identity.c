/* identity.c - the node's own key and certificate, and the signatures made with them. */
#include "ident/cert.h"

#include "base/assert.h"

#define PARTS_MAX 16 /* with the SignerIdentity */

/* name_signer writes the SignerIdentity: by the certificate's hash if it has one Node-ID, else by the hash with the Node-ID. */
static int name_signer(struct rf_identity *identity)
{
    uint8_t hash[RF_SHA256_LEN];
    struct rf_signer_identity name = {.type = RF_IDENTITY_CERT_HASH, .hash_alg = RF_HASH_SHA256};
    struct rf_buf out;
    int r;

    memcpy(hash, identity->cert->sha256, sizeof(hash));
    if (identity->cert->node_id_count > 1) {
        name.type = RF_IDENTITY_CERT_HASH_NODE_ID;
        if ((r = cert_node_hash(identity->cert, &identity->node_id, hash)) != 0)
            return r;
    }
    name.hash = rf_view_of(hash, sizeof(hash));
    rf_buf_fixed(&out, identity->signer_identity, sizeof(identity->signer_identity));
    rf_signer_identity_encode(&name, &out);
    identity->signer_identity_len = out.len;
    return rf_buf_error(&out);
}

int rf_identity_init(struct rf_identity *identity, struct rf_crypto *crypto, struct rf_key *key,
                     struct rf_cert *cert, const struct rf_id *node_id)
{
    struct rf_identity made = {.crypto = crypto, .key = key, .cert = cert, .node_id = *node_id};
    struct rf_buf spki;
    int r;

    if (!rf_cert_has_node_id(cert, node_id))
        return RF_EINVAL;
    rf_buf_init(&spki, crypto->mem, RF_CERT_MAX_LEN);
    r = crypto->ops->key_spki(crypto, key, &spki);
    if (r == 0 && !rf_view_equal(rf_buf_view(&spki), cert->x509.spki))
        r = RF_EMISMATCH;
    rf_buf_deinit(&spki);
    if (r == 0)
        r = name_signer(&made);
    if (r != 0)
        return r;
    rf_cert_hold(cert);
    *identity = made;
    return 0;
}

void rf_identity_deinit(struct rf_identity *identity)
{
    if (identity->crypto != NULL)
        identity->crypto->ops->key_free(identity->crypto, identity->key);
    rf_cert_release(identity->cert);
    *identity = (struct rf_identity){.crypto = NULL};
}

int rf_identity_sign(struct rf_identity *identity, const struct rf_view *parts, size_t part_count,
                     struct rf_buf *out)
{
    struct rf_view name = rf_view_of(identity->signer_identity, identity->signer_identity_len);
    enum rf_sig_alg alg = rf_sig_alg_of(identity->crypto->ops->key_type(identity->key));
    struct rf_signature signature = {.hash_alg = (uint8_t)(alg >> 8), .sig_alg = (uint8_t)alg};
    struct rf_view input[PARTS_MAX], rest = name;
    uint8_t bytes[RF_SIGNATURE_MAX_LEN];
    struct rf_buf value;
    int r;

    if (part_count >= PARTS_MAX)
        return RF_ELIMIT;
    if (part_count > 0)
        memcpy(input, parts, part_count * sizeof(*parts));
    input[part_count] = name;
    rf_buf_fixed(&value, bytes, sizeof(bytes));
    if ((r = identity->crypto->ops->sign(identity->crypto, identity->key, input, part_count + 1, &value)) !=
        0)
        return r;
    r = rf_signer_identity_decode(&rest, &signature.identity);
    RF_ASSERT(r == 0);
    signature.value = rf_buf_view(&value);
    rf_signature_encode(&signature, out);
    identity->signatures_made++;
    return rf_buf_error(out);
}

/* add puts a certificate into the list unless it is there. */
static int add(struct rf_view *certs, size_t *count, struct rf_view der)
{
    for (size_t i = 0; i < *count; i++)
        if (rf_view_equal(certs[i], der))
            return 0;
    if (*count == RF_MESSAGE_MAX_CERTS)
        return RF_ELIMIT;
    certs[(*count)++] = der;
    return 0;
}

static int put_bucket(const struct rf_cert *cert, const struct rf_view *extra, size_t extra_count,
                      struct rf_buf *out)
{
    struct rf_view certs[RF_MESSAGE_MAX_CERTS];
    size_t count = 0;
    int r = add(certs, &count, cert->x509.der);

    for (size_t i = 0; i < cert->chain_count && r == 0; i++)
        r = add(certs, &count, cert->chain[i]);
    for (size_t i = 0; i < extra_count && r == 0; i++)
        r = add(certs, &count, extra[i]);
    if (r == 0)
        rf_certs_encode(certs, count, out);
    return r != 0 ? r : rf_buf_error(out);
}

int rf_identity_security_block(struct rf_identity *identity, uint32_t overlay, uint64_t transaction_id,
                               struct rf_view contents, const struct rf_view *extra, size_t extra_count,
                               struct rf_buf *out)
{
    struct rf_signed input;
    int r = put_bucket(identity->cert, extra, extra_count, out);

    if (r != 0)
        return r;
    rf_signed_message(overlay, transaction_id, contents, &input);
    return rf_identity_sign(identity, input.parts, input.part_count, out);
}

int rf_identity_sign_blob(struct rf_identity *identity, struct rf_view blob, struct rf_buf *out)
{
    int r = put_bucket(identity->cert, NULL, 0, out);

    return r != 0 ? r : rf_identity_sign(identity, &blob, 1, out);
}
