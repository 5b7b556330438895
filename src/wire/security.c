/* security.c - signatures, their input, and the security block. */
#include "base/assert.h"
#include "wire/contents.h"
#include "wire/internal.h"

enum { CERT_X509 = 0 };

const struct rf_signature rf_signature_none = {.identity = {.type = RF_IDENTITY_NONE}};

bool rf_signature_is_none(const struct rf_signature *signature)
{
    return signature->hash_alg == 0 && signature->sig_alg == 0 &&
           signature->identity.type == RF_IDENTITY_NONE && signature->value.len == 0;
}

int rf_signer_identity_decode(struct rf_view *in, struct rf_signer_identity *out)
{
    struct rf_view at = *in, value;
    struct rf_signer_identity identity = {0};
    int error;

    if ((error = rf_view_u8(&at, &identity.type)) != 0 || (error = rf_view_v(&at, 2, &value)) != 0)
        return error;
    switch (identity.type) {
    case RF_IDENTITY_CERT_HASH:
    case RF_IDENTITY_CERT_HASH_NODE_ID:
        if (rf_view_u8(&value, &identity.hash_alg) != 0 || rf_view_v(&value, 1, &identity.hash) != 0)
            return RF_ELENGTH;
        break;
    case RF_IDENTITY_NONE:
        break;
    default:
        return RF_EUNKNOWN;
    }
    if ((error = wire_end(value)) != 0)
        return error;
    identity.raw = rf_view_of(in->p, (size_t)(at.p - in->p));
    *in = at;
    *out = identity;
    return 0;
}

void rf_signer_identity_encode(const struct rf_signer_identity *identity, struct rf_buf *out)
{
    size_t mark;

    rf_buf_u8(out, identity->type);
    mark = rf_buf_open(out, 2);
    if (identity->type != RF_IDENTITY_NONE) {
        rf_buf_u8(out, identity->hash_alg);
        rf_buf_v(out, 1, identity->hash);
    }
    rf_buf_close(out, mark, 2);
}

int rf_signature_decode(struct rf_view *in, struct rf_signature *out)
{
    struct rf_view at = *in;
    struct rf_signature signature;
    int error;

    if ((error = rf_view_u8(&at, &signature.hash_alg)) != 0 ||
        (error = rf_view_u8(&at, &signature.sig_alg)) != 0 ||
        (error = rf_signer_identity_decode(&at, &signature.identity)) != 0 ||
        (error = rf_view_v(&at, 2, &signature.value)) != 0)
        return error;
    *in = at;
    *out = signature;
    return 0;
}

void rf_signature_encode(const struct rf_signature *signature, struct rf_buf *out)
{
    rf_buf_u8(out, signature->hash_alg);
    rf_buf_u8(out, signature->sig_alg);
    rf_signer_identity_encode(&signature->identity, out);
    rf_buf_v(out, 2, signature->value);
}

void rf_signed_message(uint32_t overlay, uint64_t transaction_id, struct rf_view contents,
                       struct rf_signed *out)
{
    struct rf_buf head;

    rf_buf_fixed(&head, out->head, sizeof out->head);
    rf_buf_u32(&head, overlay);
    rf_buf_u64(&head, transaction_id);
    out->parts[0] = rf_buf_view(&head);
    out->parts[1] = contents;
    out->part_count = 2;
}

void rf_signed_put(const struct rf_signed *input, struct rf_view signer_identity, struct rf_buf *out)
{
    for (size_t i = 0; i < input->part_count; i++)
        rf_buf_view_put(out, input->parts[i]);
    rf_buf_view_put(out, signer_identity);
}

int rf_security_decode(struct rf_view in, struct rf_security *out)
{
    struct rf_view list;
    int error;

    out->cert_count = 0;
    if ((error = rf_view_v(&in, 2, &list)) != 0)
        return error;
    while (list.len > 0) {
        uint8_t type;
        struct rf_view der;
        if (rf_view_u8(&list, &type) != 0 || rf_view_v(&list, 2, &der) != 0)
            return RF_ELENGTH;
        if (type != CERT_X509)
            return RF_EUNKNOWN;
        if (out->cert_count == RF_MESSAGE_MAX_CERTS)
            return RF_ELIMIT;
        out->certs[out->cert_count++] = der;
    }
    if ((error = rf_signature_decode(&in, &out->signature)) != 0)
        return error;
    return wire_end(in);
}

void rf_certs_encode(const struct rf_view *certs, size_t cert_count, struct rf_buf *out)
{
    size_t mark = rf_buf_open(out, 2);

    for (size_t i = 0; i < cert_count; i++) {
        rf_buf_u8(out, CERT_X509);
        rf_buf_v(out, 2, certs[i]);
    }
    rf_buf_close(out, mark, 2);
}

void rf_security_encode(const struct rf_security *security, struct rf_buf *out)
{
    rf_certs_encode(security->certs, security->cert_count, out);
    rf_signature_encode(&security->signature, out);
}
