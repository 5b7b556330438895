/* x509.c - reading and checking certificates. */
#include "crypto/x509.h"

#include "base/assert.h"
#include "crypto/der.h"

#define EXTENSIONS_MAX 32

#define OID_EC_PUBLIC_KEY     "\x2a\x86\x48\xce\x3d\x02\x01"
#define OID_PRIME256V1        "\x2a\x86\x48\xce\x3d\x03\x01\x07"
#define OID_RSA_ENCRYPTION    "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01"
#define OID_ED25519           "\x2b\x65\x70"
#define OID_KEY_USAGE         "\x55\x1d\x0f"
#define OID_BASIC_CONSTRAINTS "\x55\x1d\x13"
#define OID_EXT_KEY_USAGE     "\x55\x1d\x25"

/* Signature algorithms: the AlgorithmIdentifier as a whole, parameters included, since only one form is right
 * for each. */
static const struct {
    enum rf_sig_alg alg;
    enum rf_key_type key;
    const char *body;
    size_t len;
} algorithms[] = {
    {RF_SIG_ECDSA_SHA256, RF_KEY_P256, "\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02", 10},
    {RF_SIG_RSA_SHA256, RF_KEY_RSA2048, "\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b\x05\x00", 13},
    {RF_SIG_ED25519, RF_KEY_ED25519, "\x06\x03\x2b\x65\x70", 5},
};

bool rf_x509_oid_is(struct rf_view oid, const char *bytes, size_t len)
{
    return rf_view_equal(oid, rf_view_of(bytes, len));
}

int rf_x509_alg_take(struct rf_view *in, enum rf_sig_alg *out)
{
    struct rf_view at = *in, body;

    if (rf_der_take(&at, RF_DER_SEQUENCE, &body) != 0)
        return RF_EFORMAT;
    for (size_t i = 0; i < RF_COUNT(algorithms); i++)
        if (rf_x509_oid_is(body, algorithms[i].body, algorithms[i].len)) {
            *out = algorithms[i].alg;
            *in = at;
            return 0;
        }
    return RF_EUNKNOWN;
}

void rf_x509_alg_put(struct rf_buf *out, enum rf_sig_alg alg)
{
    for (size_t i = 0; i < RF_COUNT(algorithms); i++)
        if (algorithms[i].alg == alg) {
            rf_der_put(out, RF_DER_SEQUENCE, rf_view_of(algorithms[i].body, algorithms[i].len));
            return;
        }
    rf_buf_fail(out, RF_EUNKNOWN);
}

enum rf_sig_alg rf_sig_alg_of(enum rf_key_type type)
{
    for (size_t i = 0; i < RF_COUNT(algorithms); i++)
        if (algorithms[i].key == type)
            return algorithms[i].alg;
    return RF_SIG_NONE;
}

int rf_spki_type(struct rf_view spki, enum rf_key_type *type, struct rf_view *key)
{
    struct rf_view body, algorithm, oid, curve, bits;

    if (rf_der_take(&spki, RF_DER_SEQUENCE, &body) != 0 || spki.len != 0 ||
        rf_der_take(&body, RF_DER_SEQUENCE, &algorithm) != 0 || rf_der_bits(&body, &bits) != 0 ||
        body.len != 0 || rf_der_take(&algorithm, RF_DER_OID, &oid) != 0)
        return RF_EFORMAT;
    if (RF_OID_IS(oid, OID_EC_PUBLIC_KEY)) {
        if (rf_der_take(&algorithm, RF_DER_OID, &curve) != 0 || !RF_OID_IS(curve, OID_PRIME256V1))
            return RF_EUNKNOWN;
        /* RFC 5480 lets points be compressed, nobody does: one key has one form, so that derived Node-IDs are
         * unique */
        if (algorithm.len != 0 || bits.len != 65 || bits.p[0] != 0x04)
            return RF_EFORMAT;
        *type = RF_KEY_P256;
    } else if (RF_OID_IS(oid, OID_ED25519)) {
        if (algorithm.len != 0 || bits.len != 32)
            return RF_EFORMAT;
        *type = RF_KEY_ED25519;
    } else if (RF_OID_IS(oid, OID_RSA_ENCRYPTION)) {
        if (!rf_x509_oid_is(algorithm, "\x05\x00", 2))
            return RF_EFORMAT;
        *type = RF_KEY_RSA2048;
    } else {
        return RF_EUNKNOWN;
    }
    *key = bits;
    return 0;
}

/* printable: an IA5String of visible characters, as addresses and URIs are. */
static bool printable(struct rf_view text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.p[i] <= 0x20 || text.p[i] >= 0x7f)
            return false;
    return text.len > 0;
}

static int read_alt_names(struct rf_view value, struct rf_x509 *out)
{
    struct rf_view names, name;
    uint8_t tag;

    if (rf_der_take(&value, RF_DER_SEQUENCE, &names) != 0 || value.len != 0 || names.len == 0)
        return RF_EFORMAT;
    while (names.len > 0) {
        if (rf_der_any(&names, &tag, NULL, &name) != 0)
            return RF_EFORMAT;
        if (tag == RF_DER_CONTEXT(1)) { /* rfc822Name */
            if (out->email_count == RF_X509_MAX_EMAILS)
                return RF_ELIMIT;
            out->emails[out->email_count++] = name;
        } else if (tag == RF_DER_CONTEXT(6)) { /* uniformResourceIdentifier */
            if (out->uri_count == RF_X509_MAX_URIS)
                return RF_ELIMIT;
            out->uris[out->uri_count++] = name;
        } else {
            out->other_names = true;
            continue;
        }
        if (!printable(name))
            return RF_EFORMAT;
    }
    return 0;
}

static int read_basic_constraints(struct rf_view value, struct rf_x509 *out)
{
    struct rf_view body, number;

    if (rf_der_take(&value, RF_DER_SEQUENCE, &body) != 0 || value.len != 0)
        return RF_EFORMAT;
    /* cA is FALSE by default, and DER never writes a default */
    if (rf_der_next_is(body, RF_DER_BOOLEAN) && (rf_der_bool(&body, &out->is_ca) != 0 || !out->is_ca))
        return RF_EFORMAT;
    if (body.len == 0)
        return 0;
    if (!out->is_ca || rf_der_uint(&body, &number) != 0 || body.len != 0 || number.len > 1)
        return RF_EFORMAT;
    out->path_len = number.len == 0 ? 0 : number.p[0];
    return 0;
}

static int read_key_usage(struct rf_view value, struct rf_x509 *out)
{
    struct rf_view bits;

    /* a named bit list: 1 or 2 bytes (decipherOnly is the ninth bit) behind the count of unused bits */
    if (rf_der_take(&value, RF_DER_BIT_STRING, &bits) != 0 || value.len != 0 || bits.len < 2 ||
        bits.len > 3 || bits.p[0] > 7)
        return RF_EFORMAT;
    out->key_usage = bits.p[1];
    return 0;
}

static int read_subject_key_id(struct rf_view value, struct rf_x509 *out)
{
    if (rf_der_take(&value, RF_DER_OCTET_STRING, &out->subject_key_id) != 0 || value.len != 0 ||
        out->subject_key_id.len == 0)
        return RF_EFORMAT;
    return 0;
}

int rf_x509_extension_take(struct rf_view *in, struct rf_x509_extension *out)
{
    struct rf_view at = *in, body;
    struct rf_x509_extension e = {.critical = false};

    if (rf_der_take(&at, RF_DER_SEQUENCE, &body) != 0 || rf_der_take(&body, RF_DER_OID, &e.oid) != 0)
        return RF_EFORMAT;
    if (rf_der_next_is(body, RF_DER_BOOLEAN) && (rf_der_bool(&body, &e.critical) != 0 || !e.critical))
        return RF_EFORMAT;
    if (rf_der_take(&body, RF_DER_OCTET_STRING, &e.value) != 0 || body.len != 0)
        return RF_EFORMAT;
    *out = e;
    *in = at;
    return 0;
}

static int read_extension(const struct rf_x509_extension *e, struct rf_x509 *out)
{
    if (RF_OID_IS(e->oid, RF_OID_SUBJECT_ALT_NAME))
        return read_alt_names(e->value, out);
    if (RF_OID_IS(e->oid, OID_BASIC_CONSTRAINTS))
        return read_basic_constraints(e->value, out);
    if (RF_OID_IS(e->oid, OID_KEY_USAGE))
        return read_key_usage(e->value, out);
    if (RF_OID_IS(e->oid, RF_OID_SUBJECT_KEY_ID) && !e->critical) /* it must not be (RFC 5280) */
        return read_subject_key_id(e->value, out);
    /* extKeyUsage speaks of TLS, which checks it itself */
    if (e->critical && !RF_OID_IS(e->oid, OID_EXT_KEY_USAGE))
        out->unknown_critical = out->other_names = true;
    return 0;
}

static int read_extensions(struct rf_view list, struct rf_x509 *out)
{
    struct rf_view oids[EXTENSIONS_MAX];
    struct rf_x509_extension e;
    size_t count = 0;
    int r;

    if (list.len == 0)
        return RF_EFORMAT;
    while (list.len > 0) {
        if (rf_x509_extension_take(&list, &e) != 0)
            return RF_EFORMAT;
        if (count == EXTENSIONS_MAX)
            return RF_ELIMIT;
        for (size_t i = 0; i < count; i++)
            if (rf_view_equal(oids[i], e.oid))
                return RF_EFORMAT;
        oids[count++] = e.oid;
        if ((r = read_extension(&e, out)) != 0)
            return r;
    }
    return 0;
}

/* take_name takes a Name: its type is SEQUENCE, what it says is compared as bytes only. */
static int take_name(struct rf_view *in, struct rf_view *whole, bool *empty)
{
    struct rf_view body;
    uint8_t tag;

    if (rf_der_any(in, &tag, whole, &body) != 0 || tag != RF_DER_SEQUENCE)
        return RF_EFORMAT;
    *empty = body.len == 0;
    return 0;
}

static int take_validity(struct rf_view *in, struct rf_x509 *out)
{
    struct rf_view body;

    if (rf_der_take(in, RF_DER_SEQUENCE, &body) != 0 || rf_der_time(&body, &out->not_before_ms) != 0 ||
        rf_der_time(&body, &out->not_after_ms) != 0 || body.len != 0)
        return RF_EFORMAT;
    return 0;
}

/* read_tbs reads TBSCertificate, RFC 5280 section 4.1: version 3 only. */
static int read_tbs(struct rf_view in, enum rf_sig_alg *alg, struct rf_x509 *out)
{
    struct rf_view version, number, body, list;
    bool issuer_empty;
    uint8_t tag;
    int r;

    if (rf_der_take(&in, RF_DER_CONTEXT_CONSTRUCTED(0), &version) != 0 ||
        rf_der_uint(&version, &number) != 0 || version.len != 0 || number.len != 1 || number.p[0] != 2)
        return RF_EFORMAT;
    if (rf_der_uint(&in, &out->serial) != 0 || out->serial.len > 20)
        return RF_EFORMAT;
    if ((r = rf_x509_alg_take(&in, alg)) != 0)
        return r;
    if (take_name(&in, &out->issuer, &issuer_empty) != 0 || take_validity(&in, out) != 0 ||
        take_name(&in, &out->subject, &out->subject_empty) != 0)
        return RF_EFORMAT;
    if (rf_der_any(&in, &tag, &out->spki, NULL) != 0 || tag != RF_DER_SEQUENCE)
        return RF_EFORMAT;
    for (uint8_t n = 1; n <= 2; n++) /* issuerUniqueID, subjectUniqueID: nobody's business */
        if (rf_der_next_is(in, RF_DER_CONTEXT(n)) && rf_der_take(&in, RF_DER_CONTEXT(n), &body) != 0)
            return RF_EFORMAT;
    if (in.len == 0)
        return 0;
    if (rf_der_take(&in, RF_DER_CONTEXT_CONSTRUCTED(3), &body) != 0 || in.len != 0 ||
        rf_der_take(&body, RF_DER_SEQUENCE, &list) != 0 || body.len != 0)
        return RF_EFORMAT;
    return read_extensions(list, out);
}

static int read_certificate(struct rf_view der, struct rf_x509 *out)
{
    enum rf_sig_alg inner;
    struct rf_view body, tbs;
    uint8_t tag;
    int r;

    if (rf_der_take(&der, RF_DER_SEQUENCE, &body) != 0 || der.len != 0)
        return RF_EFORMAT;
    if (rf_der_any(&body, &tag, &out->tbs, &tbs) != 0 || tag != RF_DER_SEQUENCE)
        return RF_EFORMAT;
    if ((r = rf_x509_alg_take(&body, &out->signature_alg)) != 0)
        return r;
    if (rf_der_bits(&body, &out->signature) != 0 || body.len != 0)
        return RF_EFORMAT;
    if ((r = read_tbs(tbs, &inner, out)) != 0)
        return r;
    return inner == out->signature_alg ? 0 : RF_EFORMAT;
}

/* own_names moves the names that were found from the decoder's stack to memory of the certificate. */
static int own_names(struct rf_mem *mem, struct rf_x509 *cert)
{
    size_t count = cert->email_count + cert->uri_count;
    struct rf_view *names = NULL;

    if (count > 0) {
        if ((names = rf_alloc(mem, count * sizeof(*names))) == NULL)
            return RF_ENOMEM;
        memcpy(names, cert->emails, cert->email_count * sizeof(*names));
        memcpy(names + cert->email_count, cert->uris, cert->uri_count * sizeof(*names));
    }
    cert->emails = names;
    cert->uris = names != NULL ? names + cert->email_count : NULL;
    return 0;
}

int rf_x509_decode(struct rf_crypto *c, struct rf_view der, struct rf_x509 *out)
{
    struct rf_view emails[RF_X509_MAX_EMAILS], uris[RF_X509_MAX_URIS], key;
    struct rf_x509 cert = {.path_len = -1, .key_usage = 0xff, .emails = emails, .uris = uris};
    uint8_t *copy;
    int r;

    if (der.len > RF_X509_MAX_LEN)
        return RF_ELIMIT;
    if (der.len == 0)
        return RF_EFORMAT;
    if ((copy = rf_memdup(c->mem, der.p, der.len)) == NULL)
        return RF_ENOMEM;
    cert.der = rf_view_of(copy, der.len);
    r = read_certificate(cert.der, &cert);
    if (r == 0)
        r = rf_spki_type(cert.spki, &cert.key_type, &key);
    if (r == 0)
        r = c->ops->pubkey_from_spki(c, cert.spki, &cert.pubkey);
    if (r == 0 && (r = own_names(c->mem, &cert)) != 0)
        c->ops->pubkey_free(c, cert.pubkey);
    if (r != 0) {
        rf_free(c->mem, copy);
        return r;
    }
    *out = cert;
    return 0;
}

void rf_x509_deinit(struct rf_crypto *c, struct rf_x509 *cert)
{
    c->ops->pubkey_free(c, cert->pubkey);
    rf_free(c->mem, cert->emails);
    rf_free(c->mem, (void *)(uintptr_t)cert->der.p);
    *cert = (struct rf_x509){.path_len = -1};
}

int rf_x509_verify(struct rf_crypto *c, const struct rf_x509 *cert, const struct rf_x509 *issuer)
{
    return c->ops->verify(c, issuer->pubkey, cert->signature_alg, &cert->tbs, 1, cert->signature);
}
