/* issue.c - writing certificates. */
#include "crypto/x509.h"

#include "crypto/der.h"

#define OID_COMMON_NAME "\x55\x04\x03"
/* whole Extensions: they never vary */
#define EXT_CA        "\x30\x0f\x06\x03\x55\x1d\x13\x01\x01\xff\x04\x05\x30\x03\x01\x01\xff"
#define EXT_CA_NO_SUB "\x30\x12\x06\x03\x55\x1d\x13\x01\x01\xff\x04\x08\x30\x06\x01\x01\xff\x02\x01\x00"
#define EXT_USAGE_CA  "\x30\x0e\x06\x03\x55\x1d\x0f\x01\x01\xff\x04\x04\x03\x02\x01\x86"
#define EXT_USAGE_SERVER                                                                                     \
    "\x30\x13\x06\x03\x55\x1d\x25\x04\x0c\x30\x0a\x06\x08\x2b\x06\x01\x05\x05\x07\x03\x01"

#define OID_AUTHORITY_KEY_ID "\x55\x1d\x23"

#define TBS_MAX_LEN ((size_t)RF_X509_MAX_LEN)

static void put_literal(struct rf_buf *out, const char *bytes, size_t len)
{
    rf_buf_put(out, bytes, len);
}
#define PUT_LITERAL(out, literal) put_literal((out), (literal), sizeof(literal) - 1)

/* put_name writes a Name of one commonName, or the empty Name. */
static void put_name(struct rf_buf *out, struct rf_view common_name)
{
    size_t name = rf_der_open(out, RF_DER_SEQUENCE);

    if (common_name.len > 0) {
        size_t set = rf_der_open(out, RF_DER_SET), attribute = rf_der_open(out, RF_DER_SEQUENCE);

        rf_der_put(out, RF_DER_OID, rf_view_of(OID_COMMON_NAME, sizeof(OID_COMMON_NAME) - 1));
        rf_der_put(out, RF_DER_UTF8_STRING, common_name);
        rf_der_close(out, attribute);
        rf_der_close(out, set);
    }
    rf_der_close(out, name);
}

static bool has_alt_names(const struct rf_x509_spec *spec)
{
    return spec->email.len > 0 || spec->uri_count + spec->dns_name_count + spec->ip_address_count > 0;
}

/* put_alt_names writes the subjectAltName extension: URIs, address, DNS names, IP addresses. */
static void put_alt_names(struct rf_buf *out, const struct rf_x509_spec *spec)
{
    size_t extension = rf_der_open(out, RF_DER_SEQUENCE), value, names;

    rf_der_put(out, RF_DER_OID, rf_view_of(RF_OID_SUBJECT_ALT_NAME, sizeof(RF_OID_SUBJECT_ALT_NAME) - 1));
    if (spec->common_name.len == 0) /* the only name there is */
        PUT_LITERAL(out, "\x01\x01\xff");
    value = rf_der_open(out, RF_DER_OCTET_STRING);
    names = rf_der_open(out, RF_DER_SEQUENCE);
    for (size_t i = 0; i < spec->uri_count; i++)
        rf_der_put(out, RF_DER_CONTEXT(6), spec->uris[i]);
    if (spec->email.len > 0)
        rf_der_put(out, RF_DER_CONTEXT(1), spec->email);
    for (size_t i = 0; i < spec->dns_name_count; i++)
        rf_der_put(out, RF_DER_CONTEXT(2), spec->dns_names[i]);
    for (size_t i = 0; i < spec->ip_address_count; i++)
        rf_der_put(out, RF_DER_CONTEXT(7), spec->ip_addresses[i]);
    rf_der_close(out, names);
    rf_der_close(out, value);
    rf_der_close(out, extension);
}

/* key_hash is the usual name of a key: SHA-1 of its own bytes (RFC 5280, section 4.2.1.2, method 1). */
static int key_hash(struct rf_crypto *c, struct rf_view spki, uint8_t out[RF_SHA1_LEN])
{
    enum rf_key_type type;
    struct rf_view key;
    int r = rf_spki_type(spki, &type, &key);

    return r == 0 ? rf_sha1(c, key, out) : r;
}

/*
 * put_key_id writes the name of a key: of a CA's own key (subjectKeyIdentifier), or of the key that signs (authorityKeyIdentifier), as the
 * issuer's certificate has it. RFC 5280 wants both; a node's certificate leaves its own key unnamed: nothing is issued below it, and it
 * travels in every message.
 */
static void put_key_id(struct rf_buf *out, const char *oid, size_t oid_len, uint8_t tag, bool inside,
                       struct rf_view id)
{
    size_t extension = rf_der_open(out, RF_DER_SEQUENCE), value, sequence = 0;

    rf_der_put(out, RF_DER_OID, rf_view_of(oid, oid_len));
    value = rf_der_open(out, RF_DER_OCTET_STRING);
    if (inside)
        sequence = rf_der_open(out, RF_DER_SEQUENCE);
    rf_der_put(out, tag, id);
    if (inside)
        rf_der_close(out, sequence);
    rf_der_close(out, value);
    rf_der_close(out, extension);
}

static int put_key_ids(struct rf_crypto *c, struct rf_buf *out, const struct rf_x509_spec *spec,
                       struct rf_view spki, const struct rf_x509 *issuer)
{
    uint8_t hash[RF_SHA1_LEN];
    int r = 0;

    if (spec->is_ca && (r = key_hash(c, spki, hash)) == 0)
        put_key_id(out, RF_OID_SUBJECT_KEY_ID, sizeof(RF_OID_SUBJECT_KEY_ID) - 1, RF_DER_OCTET_STRING, false,
                   rf_view_of(hash, sizeof(hash)));
    if (r != 0 || issuer == NULL)
        return r;
    struct rf_view id = issuer->subject_key_id;
    if (id.len == 0 && (r = key_hash(c, issuer->spki, hash)) == 0)
        id = rf_view_of(hash, sizeof(hash));
    if (r == 0)
        put_key_id(out, OID_AUTHORITY_KEY_ID, sizeof(OID_AUTHORITY_KEY_ID) - 1, RF_DER_CONTEXT(0), true, id);
    return r;
}

static int put_extensions(struct rf_crypto *c, struct rf_buf *out, const struct rf_x509_spec *spec,
                          struct rf_view spki, const struct rf_x509 *issuer)
{
    bool server = spec->dns_name_count + spec->ip_address_count > 0;
    size_t outer, list;
    int r;

    if (!has_alt_names(spec) && !spec->is_ca && issuer == NULL)
        return 0;
    outer = rf_der_open(out, RF_DER_CONTEXT_CONSTRUCTED(3));
    list = rf_der_open(out, RF_DER_SEQUENCE);
    if (spec->is_ca) {
        if (spec->no_sub_ca)
            PUT_LITERAL(out, EXT_CA_NO_SUB);
        else
            PUT_LITERAL(out, EXT_CA);
        PUT_LITERAL(out, EXT_USAGE_CA);
    }
    if (server)
        PUT_LITERAL(out, EXT_USAGE_SERVER);
    if (has_alt_names(spec))
        put_alt_names(out, spec);
    r = put_key_ids(c, out, spec, spki, issuer);
    rf_der_close(out, list);
    rf_der_close(out, outer);
    return r;
}

static int put_tbs(struct rf_crypto *c, struct rf_buf *out, const struct rf_x509_spec *spec,
                   struct rf_view spki, const struct rf_x509 *issuer, enum rf_sig_alg alg)
{
    size_t tbs = rf_der_open(out, RF_DER_SEQUENCE), validity;
    uint8_t serial[16];
    int r;

    for (int i = 0; i < 8; i++) {
        serial[i] = (uint8_t)(spec->serial_hi >> (56 - 8 * i));
        serial[8 + i] = (uint8_t)(spec->serial_lo >> (56 - 8 * i));
    }
    PUT_LITERAL(out, "\xa0\x03\x02\x01\x02"); /* version 3 */
    rf_der_put_uint(out, rf_view_of(serial, sizeof(serial)));
    rf_x509_alg_put(out, alg);
    if (issuer != NULL)
        rf_buf_view_put(out, issuer->subject);
    else
        put_name(out, spec->common_name);
    validity = rf_der_open(out, RF_DER_SEQUENCE);
    rf_der_put_time(out, spec->not_before_ms);
    rf_der_put_time(out, spec->not_after_ms);
    rf_der_close(out, validity);
    put_name(out, spec->common_name);
    rf_buf_view_put(out, spki);
    r = put_extensions(c, out, spec, spki, issuer);
    rf_der_close(out, tbs);
    return r != 0 ? r : rf_buf_error(out);
}

int rf_x509_sign(struct rf_crypto *c, const struct rf_key *key, struct rf_view tbs, struct rf_buf *out)
{
    uint8_t bytes[RF_SIGNATURE_MAX_LEN];
    struct rf_buf signature;
    size_t whole;
    int r;

    rf_buf_fixed(&signature, bytes, sizeof(bytes));
    if ((r = c->ops->sign(c, key, &tbs, 1, &signature)) != 0)
        return r;
    whole = rf_der_open(out, RF_DER_SEQUENCE);
    rf_buf_view_put(out, tbs);
    rf_x509_alg_put(out, rf_sig_alg_of(c->ops->key_type(key)));
    rf_der_put_bits(out, rf_buf_view(&signature));
    rf_der_close(out, whole);
    return rf_buf_error(out);
}

int rf_x509_issue(struct rf_crypto *c, const struct rf_x509_spec *spec, struct rf_view spki,
                  const struct rf_x509 *issuer, const struct rf_key *key, struct rf_buf *out)
{
    struct rf_buf tbs;
    int r;

    if (spec->serial_hi == 0 && spec->serial_lo == 0)
        return RF_EINVAL;
    if (spec->not_after_ms < spec->not_before_ms || (spec->common_name.len == 0 && !has_alt_names(spec)))
        return RF_EINVAL;
    rf_buf_init(&tbs, c->mem, TBS_MAX_LEN);
    r = put_tbs(c, &tbs, spec, spki, issuer, rf_sig_alg_of(c->ops->key_type(key)));
    if (r == 0)
        r = rf_x509_sign(c, key, rf_buf_view(&tbs), out);
    rf_buf_deinit(&tbs);
    return r;
}
