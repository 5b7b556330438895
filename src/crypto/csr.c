/* csr.c - PKCS#10 certificate requests (RFC 2986): an empty subject, the wanted user name in the
 * extensionRequest (D26). */
#include "crypto/x509.h"

#include "crypto/der.h"

#define OID_EXTENSION_REQUEST "\x2a\x86\x48\x86\xf7\x0d\x01\x09\x0e"
#define CSR_MAX_LEN           ((size_t)RF_X509_MAX_LEN)

/* put_attributes writes [0] { extensionRequest { subjectAltName { rfc822Name } } }. */
static void put_attributes(struct rf_buf *out, struct rf_view email)
{
    size_t attributes = rf_der_open(out, RF_DER_CONTEXT_CONSTRUCTED(0));

    if (email.len > 0) {
        size_t attribute = rf_der_open(out, RF_DER_SEQUENCE), set, list, extension, value, names;

        rf_der_put(out, RF_DER_OID, rf_view_of(OID_EXTENSION_REQUEST, sizeof(OID_EXTENSION_REQUEST) - 1));
        set = rf_der_open(out, RF_DER_SET);
        list = rf_der_open(out, RF_DER_SEQUENCE);
        extension = rf_der_open(out, RF_DER_SEQUENCE);
        rf_der_put(out, RF_DER_OID, rf_view_of(RF_OID_SUBJECT_ALT_NAME, sizeof(RF_OID_SUBJECT_ALT_NAME) - 1));
        value = rf_der_open(out, RF_DER_OCTET_STRING);
        names = rf_der_open(out, RF_DER_SEQUENCE);
        rf_der_put(out, RF_DER_CONTEXT(1), email);
        rf_der_close(out, names);
        rf_der_close(out, value);
        rf_der_close(out, extension);
        rf_der_close(out, list);
        rf_der_close(out, set);
        rf_der_close(out, attribute);
    }
    rf_der_close(out, attributes);
}

int rf_csr_create(struct rf_crypto *c, const struct rf_key *key, struct rf_view email, struct rf_buf *out)
{
    struct rf_buf info;
    size_t whole;
    int r;

    rf_buf_init(&info, c->mem, CSR_MAX_LEN);
    whole = rf_der_open(&info, RF_DER_SEQUENCE);
    rf_der_put_uint(&info, rf_view_of(NULL, 0)); /* version 1 is 0 */
    rf_der_put(&info, RF_DER_SEQUENCE, rf_view_of(NULL, 0));
    r = c->ops->key_spki(c, key, &info);
    put_attributes(&info, email);
    rf_der_close(&info, whole);
    if (r == 0)
        r = rf_buf_error(&info);
    if (r == 0)
        r = rf_x509_sign(c, key, rf_buf_view(&info), out);
    rf_buf_deinit(&info);
    return r;
}

/* read_email finds the one rfc822Name in a subjectAltName; other names are not asked for by RELOAD and are
 * ignored. */
static int read_email(struct rf_view value, struct rf_view *email)
{
    struct rf_view names, name;
    uint8_t tag;

    if (rf_der_take(&value, RF_DER_SEQUENCE, &names) != 0 || value.len != 0)
        return RF_EFORMAT;
    while (names.len > 0) {
        if (rf_der_any(&names, &tag, NULL, &name) != 0)
            return RF_EFORMAT;
        if (tag != RF_DER_CONTEXT(1))
            continue;
        if (email->len > 0 || name.len == 0)
            return RF_EFORMAT;
        for (size_t i = 0; i < name.len; i++)
            if (name.p[i] <= 0x20 || name.p[i] >= 0x7f)
                return RF_EFORMAT;
        *email = name;
    }
    return 0;
}

static int read_attributes(struct rf_view attributes, struct rf_view *email)
{
    struct rf_view attribute, oid, set, list;
    struct rf_x509_extension e;
    bool seen = false;

    while (attributes.len > 0) {
        if (rf_der_take(&attributes, RF_DER_SEQUENCE, &attribute) != 0 ||
            rf_der_take(&attribute, RF_DER_OID, &oid) != 0 ||
            rf_der_take(&attribute, RF_DER_SET, &set) != 0 || attribute.len != 0)
            return RF_EFORMAT;
        if (!RF_OID_IS(oid, OID_EXTENSION_REQUEST))
            continue;
        if (seen || rf_der_take(&set, RF_DER_SEQUENCE, &list) != 0 || set.len != 0)
            return RF_EFORMAT;
        seen = true;
        while (list.len > 0) {
            if (rf_x509_extension_take(&list, &e) != 0)
                return RF_EFORMAT;
            if (RF_OID_IS(e.oid, RF_OID_SUBJECT_ALT_NAME) && read_email(e.value, email) != 0)
                return RF_EFORMAT;
        }
    }
    return 0;
}

/* read_info reads CertificationRequestInfo. */
static int read_info(struct rf_view in, struct rf_csr *out)
{
    struct rf_view version, subject, attributes;
    uint8_t tag;

    if (rf_der_uint(&in, &version) != 0 || version.len != 0)
        return RF_EFORMAT;
    if (rf_der_take(&in, RF_DER_SEQUENCE, &subject) != 0)
        return RF_EFORMAT;
    out->subject_empty = subject.len == 0;
    if (rf_der_any(&in, &tag, &out->spki, NULL) != 0 || tag != RF_DER_SEQUENCE)
        return RF_EFORMAT;
    if (rf_der_take(&in, RF_DER_CONTEXT_CONSTRUCTED(0), &attributes) != 0 || in.len != 0)
        return RF_EFORMAT;
    return read_attributes(attributes, &out->email);
}

static int read_and_verify(struct rf_crypto *c, struct rf_csr *csr)
{
    struct rf_view der = csr->der, body, tbs, info, signature, key_bytes;
    struct rf_pubkey *key = NULL;
    enum rf_sig_alg alg;
    uint8_t tag;
    int r;

    if (rf_der_take(&der, RF_DER_SEQUENCE, &body) != 0 || der.len != 0 ||
        rf_der_any(&body, &tag, &tbs, &info) != 0 || tag != RF_DER_SEQUENCE)
        return RF_EFORMAT;
    if ((r = rf_x509_alg_take(&body, &alg)) != 0)
        return r;
    if (rf_der_bits(&body, &signature) != 0 || body.len != 0)
        return RF_EFORMAT;
    if ((r = read_info(info, csr)) != 0 || (r = rf_spki_type(csr->spki, &csr->key_type, &key_bytes)) != 0)
        return r;
    if ((r = c->ops->pubkey_from_spki(c, csr->spki, &key)) != 0)
        return r;
    r = c->ops->verify(c, key, alg, &tbs, 1, signature);
    c->ops->pubkey_free(c, key);
    return r;
}

int rf_csr_decode(struct rf_crypto *c, struct rf_view der, struct rf_csr *out)
{
    struct rf_csr csr = {.subject_empty = false};
    uint8_t *copy;
    int r;

    if (der.len == 0 || der.len > CSR_MAX_LEN)
        return RF_EFORMAT;
    if ((copy = rf_memdup(c->mem, der.p, der.len)) == NULL)
        return RF_ENOMEM;
    csr.der = rf_view_of(copy, der.len);
    if ((r = read_and_verify(c, &csr)) != 0) {
        rf_free(c->mem, copy);
        return r;
    }
    *out = csr;
    return 0;
}

void rf_csr_deinit(struct rf_crypto *c, struct rf_csr *csr)
{
    rf_free(c->mem, (void *)(uintptr_t)csr->der.p);
    *csr = (struct rf_csr){.subject_empty = false};
}
