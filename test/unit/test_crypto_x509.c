/* test_crypto_x509.c - certificates: the vectors', our own, OpenSSL's, and broken ones. */
#include "test_crypto.h"

#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include "crypto/der.h"
#include "crypto/x509.h"
#include "support/vector.h"

#define ISSUED_MS UINT64_C(1750000000000)
#define YEAR_MS   (UINT64_C(365) * 86400000)

static void vector_certificates_are_read(void **state)
{
    static const struct {
        const char *name, *email, *uri;
        size_t uri_count;
        enum rf_key_type type;
        bool is_ca;
    } cases[] = {
        {"cert_ca", NULL, NULL, 0, RF_KEY_P256, true},
        {"cert_alice", "alice@example.org", "reload://0110a11ce000000000000000000000000001@example.org/", 1,
         RF_KEY_ED25519, false},
        {"cert_bob", "bob@example.org", "reload://0110b0b00000000000000000000000000002@example.org/", 1,
         RF_KEY_P256, false},
        {"cert_dave", "dave@example.org", "reload://0110da5e0000000000000000000000000003@example.org/", 2,
         RF_KEY_ED25519, false},
    };
    struct fixture f;
    struct rf_x509 ca, cert;
    struct rf_buf der;
    (void)state;
    fixture_init(&f);
    rf_buf_init(&der, &f.mem.mem, 1 << 14);
    rf_vector_read("cert_ca", &der);
    assert_int_equal(f.c->ops->x509_decode(f.c, rf_buf_view(&der), &ca), 0);
    assert_int_equal(ca.path_len, 0);
    assert_int_equal(ca.key_usage, 0x86);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        rf_buf_reset(&der);
        rf_vector_read(cases[i].name, &der);
        assert_int_equal(f.c->ops->x509_decode(f.c, rf_buf_view(&der), &cert), 0);
        assert_true(rf_view_equal(cert.der, rf_buf_view(&der)));
        assert_true(cert.is_ca == cases[i].is_ca);
        assert_true(cert.subject_empty == !cases[i].is_ca);
        assert_int_equal(cert.key_type, cases[i].type);
        assert_int_equal(cert.not_before_ms, UINT64_C(1735689600000));
        assert_int_equal(cert.not_after_ms, UINT64_C(2366841600000));
        assert_false(cert.other_names);
        assert_int_equal(cert.uri_count, cases[i].uri_count);
        if (cases[i].uri != NULL) {
            assert_int_equal(cert.email_count, 1);
            assert_true(rf_view_equal(cert.emails[0], rf_view_str(cases[i].email)));
            assert_true(rf_view_equal(cert.uris[0], rf_view_str(cases[i].uri)));
        }
        assert_int_equal(f.c->ops->x509_verify(f.c, &cert, &ca), 0);
        if (!cert.is_ca)
            assert_int_equal(f.c->ops->x509_verify(f.c, &cert, &cert),
                             cert.key_type == RF_KEY_P256 ? RF_ESIGNATURE : RF_EUNKNOWN);
        f.c->ops->x509_deinit(f.c, &cert);
    }
    f.c->ops->x509_deinit(f.c, &ca);
    rf_buf_deinit(&der);
    fixture_deinit(&f);
}

static void spki_of(struct rf_crypto *c, const struct rf_key *key, struct rf_buf *out)
{
    rf_buf_reset(out);
    assert_int_equal(c->ops->key_spki(c, key, out), 0);
}

/* issue makes a CA of one key type and a node certificate of another; both must be read by us and by OpenSSL. */
static void issue(struct fixture *f, enum rf_key_type ca_type, enum rf_key_type type)
{
    struct rf_view uris[2] = {VIEW("reload://0110a1@x/"), VIEW("reload://0110a2@x/")};
    struct rf_x509_spec ca_spec = {.common_name = VIEW("a CA"),
                                   .is_ca = true,
                                   .no_sub_ca = true,
                                   .serial_lo = 1,
                                   .not_before_ms = ISSUED_MS,
                                   .not_after_ms = ISSUED_MS + 30 * YEAR_MS};
    struct rf_x509_spec spec = {.email = VIEW("a@x"),
                                .uris = uris,
                                .uri_count = 2,
                                .serial_hi = UINT64_C(0x8000000000000000),
                                .serial_lo = 5,
                                .not_before_ms = ISSUED_MS,
                                .not_after_ms = ISSUED_MS + YEAR_MS};
    struct rf_crypto *c = f->c;
    struct rf_key *ca_key, *key;
    struct rf_buf spki, ca_der, der;
    struct rf_x509 ca, cert;
    X509 *ossl_ca, *ossl;
    const uint8_t *p;

    rf_buf_init(&spki, &f->mem.mem, 1 << 14);
    rf_buf_init(&ca_der, &f->mem.mem, 1 << 14);
    rf_buf_init(&der, &f->mem.mem, 1 << 14);
    assert_int_equal(c->ops->key_generate(c, ca_type, &ca_key), 0);
    assert_int_equal(c->ops->key_generate(c, type, &key), 0);
    spki_of(c, ca_key, &spki);
    assert_int_equal(c->ops->x509_issue(c, &ca_spec, rf_buf_view(&spki), NULL, ca_key, &ca_der), 0);
    assert_int_equal(c->ops->x509_decode(c, rf_buf_view(&ca_der), &ca), 0);
    assert_true(ca.is_ca && ca.path_len == 0 && (ca.key_usage & RF_KEY_USAGE_CERT_SIGN) != 0);
    spki_of(c, key, &spki);
    assert_int_equal(c->ops->x509_issue(c, &spec, rf_buf_view(&spki), &ca, ca_key, &der), 0);
    assert_int_equal(c->ops->x509_decode(c, rf_buf_view(&der), &cert), 0);
    assert_true(rf_view_equal(cert.spki, rf_buf_view(&spki)));
    assert_true(rf_view_equal(cert.issuer, ca.subject));
    assert_true(cert.subject_empty && !cert.is_ca && cert.path_len == -1 && cert.key_usage == 0xff);
    assert_int_equal(cert.uri_count, 2);
    assert_true(rf_view_equal(cert.uris[1], uris[1]));
    assert_true(rf_view_equal(cert.emails[0], spec.email));
    assert_int_equal(cert.not_before_ms, spec.not_before_ms);
    assert_int_equal(cert.not_after_ms, spec.not_after_ms);
    assert_int_equal(cert.serial.len, 16);
    assert_int_equal(c->ops->x509_verify(c, &cert, &ca), 0);
    assert_int_equal(c->ops->x509_verify(c, &ca, &ca), 0);

    p = ca_der.p;
    ossl_ca = d2i_X509(NULL, &p, (long)ca_der.len);
    p = der.p;
    ossl = d2i_X509(NULL, &p, (long)der.len);
    assert_non_null(ossl);
    assert_int_equal(X509_verify(ossl, X509_get0_pubkey(ossl_ca)), 1);
    assert_int_equal(X509_check_issued(ossl_ca, ossl), X509_V_OK);
    assert_int_equal(X509_check_ca(ossl_ca), 1);
    assert_int_equal(X509_get_pathlen(ossl_ca), 0);
    assert_int_equal(X509_check_email(ossl, "a@x", 0, 0), 1);
    assert_true((X509_get_extension_flags(ossl) & (EXFLAG_INVALID | EXFLAG_SAN_CRITICAL)) ==
                EXFLAG_SAN_CRITICAL);
    X509_free(ossl);
    X509_free(ossl_ca);
    c->ops->x509_deinit(c, &ca);
    c->ops->x509_deinit(c, &cert);
    c->ops->key_free(c, ca_key);
    c->ops->key_free(c, key);
    rf_buf_deinit(&spki);
    rf_buf_deinit(&ca_der);
    rf_buf_deinit(&der);
}

static void issued_certificates_are_good_for_others(void **state)
{
    struct fixture f;
    (void)state;
    fixture_init(&f);
    issue(&f, RF_KEY_P256, RF_KEY_ED25519);
    issue(&f, RF_KEY_ED25519, RF_KEY_P256);
    issue(&f, RF_KEY_RSA2048, RF_KEY_RSA2048);
    fixture_deinit(&f);
}

/* strictly verifies as `openssl verify -x509_strict` does; returns OpenSSL's error. */
static int strictly(X509 *root, X509 *cert)
{
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    X509_STORE_add_cert(store, root);
    X509_STORE_set_flags(store, X509_V_FLAG_X509_STRICT);
    assert_int_equal(X509_STORE_CTX_init(ctx, store, cert, NULL), 1);
    X509_STORE_CTX_set_time(ctx, 0, (time_t)(ISSUED_MS / 1000 + 1));
    (void)X509_verify_cert(ctx);
    int error = X509_STORE_CTX_get_error(ctx);
    X509_STORE_CTX_free(ctx);
    X509_STORE_free(store);
    return error;
}

static X509 *issued_for(struct fixture *f, const struct rf_x509_spec *spec, const struct rf_x509 *issuer,
                        const struct rf_key *ca_key, struct rf_buf *der)
{
    struct rf_buf spki;
    const uint8_t *p;
    rf_buf_init(&spki, &f->mem.mem, 1 << 14);
    spki_of(f->c, ca_key, &spki);
    rf_buf_reset(der);
    assert_int_equal(f->c->ops->x509_issue(f->c, spec, rf_buf_view(&spki), issuer, ca_key, der), 0);
    rf_buf_deinit(&spki);
    p = der->p;
    return d2i_X509(NULL, &p, (long)der->len);
}

/* What a strict reader of RFC 5280 wants: keys have names, and certificates say which one signed them. */
static void certificates_are_strictly_good(void **state)
{
    struct rf_view uri = VIEW("reload://0110a1@x/"), other = VIEW("another name of that key");
    struct rf_x509_spec ca_spec = {.common_name = VIEW("a CA"),
                                   .is_ca = true,
                                   .serial_lo = 1,
                                   .not_before_ms = ISSUED_MS,
                                   .not_after_ms = ISSUED_MS + YEAR_MS};
    struct rf_x509_spec spec = {.email = VIEW("a@x"),
                                .uris = &uri,
                                .uri_count = 1,
                                .serial_lo = 5,
                                .not_before_ms = ISSUED_MS,
                                .not_after_ms = ISSUED_MS + YEAR_MS};
    struct fixture f;
    struct rf_key *key;
    struct rf_buf der;
    struct rf_x509 ca;
    (void)state;
    fixture_init(&f);
    rf_buf_init(&der, &f.mem.mem, 1 << 14);
    assert_int_equal(f.c->ops->key_generate(f.c, RF_KEY_P256, &key), 0);
    X509 *root = issued_for(&f, &ca_spec, NULL, key, &der);
    assert_int_equal(f.c->ops->x509_decode(f.c, rf_buf_view(&der), &ca), 0);
    assert_int_equal(ca.subject_key_id.len, RF_SHA1_LEN);
    assert_int_equal(strictly(root, root), X509_V_OK);
    struct rf_view own = ca.subject_key_id,
                   ids[] = {own, {0}, other}; /* its name; a CA of old, without; another */
    for (size_t i = 0; i < 3; i++) {
        struct rf_view wanted = i == 2 ? other : own;
        ca.subject_key_id = ids[i];
        X509 *leaf = issued_for(&f, &spec, &ca, key, &der);
        const ASN1_OCTET_STRING *names = X509_get0_authority_key_id(leaf);
        assert_non_null(names);
        assert_true(rf_view_equal(rf_view_of(ASN1_STRING_get0_data(names), (size_t)ASN1_STRING_length(names)),
                                  wanted));
        if (i < 2)
            assert_int_equal(strictly(root, leaf), X509_V_OK);
        X509_free(leaf);
    }
    X509_free(root);
    f.c->ops->x509_deinit(f.c, &ca);
    f.c->ops->key_free(f.c, key);
    rf_buf_deinit(&der);
    fixture_deinit(&f);
}

static void server_certificates_name_hosts(void **state)
{
    struct rf_x509_spec spec = {.common_name = VIEW("enrol.example.org"),
                                .serial_lo = 7,
                                .not_before_ms = ISSUED_MS,
                                .not_after_ms = ISSUED_MS + YEAR_MS,
                                .dns_names = {VIEW("enrol.example.org")},
                                .dns_name_count = 1,
                                .ip_addresses = {VIEW("\x7f\x00\x00\x01")},
                                .ip_address_count = 1};
    struct fixture f;
    struct rf_key *key;
    struct rf_buf spki, der;
    const uint8_t *p;
    X509 *ossl;
    (void)state;
    fixture_init(&f);
    rf_buf_init(&spki, &f.mem.mem, 1 << 14);
    rf_buf_init(&der, &f.mem.mem, 1 << 14);
    assert_int_equal(f.c->ops->key_generate(f.c, RF_KEY_P256, &key), 0);
    spki_of(f.c, key, &spki);
    assert_int_equal(f.c->ops->x509_issue(f.c, &spec, rf_buf_view(&spki), NULL, key, &der), 0);
    p = der.p;
    ossl = d2i_X509(NULL, &p, (long)der.len);
    assert_non_null(ossl);
    assert_int_equal(X509_check_host(ossl, "enrol.example.org", 0, 0, NULL), 1);
    assert_int_equal(X509_check_host(ossl, "other.example.org", 0, 0, NULL), 0);
    assert_int_equal(X509_check_ip_asc(ossl, "127.0.0.1", 0), 1);
    assert_int_equal(X509_check_purpose(ossl, X509_PURPOSE_SSL_SERVER, 0), 1);
    assert_int_equal(X509_verify(ossl, X509_get0_pubkey(ossl)), 1);
    X509_free(ossl);
    spec.serial_lo = 0;
    assert_int_equal(f.c->ops->x509_issue(f.c, &spec, rf_buf_view(&spki), NULL, key, &der), RF_EINVAL);
    spec = (struct rf_x509_spec){.serial_lo = 1}; /* no name at all */
    assert_int_equal(f.c->ops->x509_issue(f.c, &spec, rf_buf_view(&spki), NULL, key, &der), RF_EINVAL);
    f.c->ops->key_free(f.c, key);
    rf_buf_deinit(&spki);
    rf_buf_deinit(&der);
    fixture_deinit(&f);
}

/* ---- broken certificates: a TBSCertificate from pieces, each of which a case may replace ---- */

struct pieces {
    const char *version, *serial, *alg, *issuer, *validity, *subject, *outer_alg, *behind;
    struct rf_view extensions;
    int error;
    const char *what;
};

#define EXT(s)                                                                                               \
    {                                                                                                        \
        (const uint8_t *)(s), sizeof(s) - 1                                                                  \
    }
#define LIT(s)   s, sizeof(s) - 1
#define ALG_ED   "\x30\x05\x06\x03\x2b\x65\x70"
#define SAN_HEAD "\x30"
#define EXT_SAN  "\x30\x0e\x06\x03\x55\x1d\x11\x01\x01\xff\x04\x04\x30\x02\x81\x00"
#define EXT_SAN_AX                                                                                           \
    "\x30\x11\x06\x03\x55\x1d\x11\x01\x01\xff\x04\x07\x30\x05\x81\x03"                                       \
    "a@x"
#define VALID                                                                                                \
    "250101000000Z"                                                                                          \
    "350101000000Z"

static void put_piece(struct rf_buf *out, const char *given, const char *otherwise, size_t len)
{
    if (given != NULL)
        rf_buf_str(out, given); /* replacements hold no NUL */
    else
        rf_buf_put(out, otherwise, len);
}

/* build signs a certificate of these pieces with `key`. */
static void build(struct rf_crypto *c, struct rf_key *key, const struct pieces *p, struct rf_buf *out)
{
    uint8_t tbs_bytes[1024], sig_bytes[64];
    struct rf_buf tbs, sig;
    struct rf_view times = rf_view_str(p->validity != NULL ? p->validity : VALID), tbs_view;
    size_t mark, validity, whole;

    rf_buf_fixed(&tbs, tbs_bytes, sizeof(tbs_bytes));
    mark = rf_der_open(&tbs, RF_DER_SEQUENCE);
    put_piece(&tbs, p->version, LIT("\xa0\x03\x02\x01\x02"));
    put_piece(&tbs, p->serial, LIT("\x02\x01\x05"));
    put_piece(&tbs, p->alg, LIT(ALG_ED));
    put_piece(&tbs, p->issuer, LIT("\x30\x00"));
    validity = rf_der_open(&tbs, RF_DER_SEQUENCE);
    for (size_t at = 0; at + 13 <= times.len; at += 13)
        rf_der_put(&tbs, RF_DER_UTC_TIME, rf_view_of(times.p + at, 13));
    rf_der_close(&tbs, validity);
    put_piece(&tbs, p->subject, LIT("\x30\x00"));
    assert_int_equal(c->ops->key_spki(c, key, &tbs), 0);
    if (p->extensions.len > 0) {
        size_t outer = rf_der_open(&tbs, RF_DER_CONTEXT_CONSTRUCTED(3)),
               list = rf_der_open(&tbs, RF_DER_SEQUENCE);

        rf_buf_view_put(&tbs, p->extensions);
        rf_der_close(&tbs, list);
        rf_der_close(&tbs, outer);
    }
    rf_der_close(&tbs, mark);
    assert_int_equal(rf_buf_error(&tbs), 0);
    tbs_view = rf_buf_view(&tbs);
    rf_buf_fixed(&sig, sig_bytes, sizeof(sig_bytes));
    assert_int_equal(c->ops->sign(c, key, &tbs_view, 1, &sig), 0);
    rf_buf_reset(out);
    whole = rf_der_open(out, RF_DER_SEQUENCE);
    rf_buf_view_put(out, tbs_view);
    put_piece(out, p->outer_alg, LIT(ALG_ED));
    rf_der_put_bits(out, rf_buf_view(&sig));
    if (p->behind != NULL)
        rf_buf_str(out, p->behind);
    rf_der_close(out, whole);
}

static const struct pieces broken[] = {
    {.what = "good", .extensions = EXT(EXT_SAN_AX)},
    {.what = "good, no extensions"},
    {.what = "version 1 given", .version = "\xa0\x03\x02\x01\x01", .error = RF_EFORMAT},
    {.what = "no version", .version = "", .error = RF_EFORMAT},
    {.what = "negative serial", .serial = "\x02\x01\x85", .error = RF_EFORMAT},
    {.what = "serial of 21 bytes",
     .serial = "\x02\x15"
               "123456789012345678901",
     .error = RF_EFORMAT},
    {.what = "two algorithms",
     .outer_alg = "\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02",
     .error = RF_EFORMAT},
    {.what = "SHA-384",
     .alg = "\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x03",
     .outer_alg = "\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x03",
     .error = RF_EUNKNOWN},
    {.what = "issuer no SEQUENCE", .issuer = "\x31\x02\x30\x30", .error = RF_EFORMAT},
    {.what = "subject no SEQUENCE", .subject = "\x31\x02\x30\x30", .error = RF_EFORMAT},
    {.what = "one time only", .validity = "250101000000Z", .error = RF_EFORMAT},
    {.what = "three times", .validity = VALID "350101000000Z", .error = RF_EFORMAT},
    {.what = "no such day",
     .validity = "250230000000Z"
                 "350101000000Z",
     .error = RF_EFORMAT},
    {.what = "bytes behind the signature", .behind = "\x05\x01x", .error = RF_EFORMAT},
    {.what = "subjectAltName twice", .extensions = EXT(EXT_SAN_AX EXT_SAN_AX), .error = RF_EFORMAT},
    {.what = "empty address", .extensions = EXT(EXT_SAN), .error = RF_EFORMAT},
    {.what = "empty subjectAltName",
     .extensions = EXT("\x30\x09\x06\x03\x55\x1d\x11\x04\x02\x30\x00"),
     .error = RF_EFORMAT},
    {.what = "address with a NUL",
     .extensions = EXT("\x30\x0e\x06\x03\x55\x1d\x11\x04\x07\x30\x05\x81\x03"
                       "a\0x"),
     .error = RF_EFORMAT},
    {.what = "address with a space",
     .extensions = EXT("\x30\x0e\x06\x03\x55\x1d\x11\x04\x07\x30\x05\x81\x03"
                       "a x"),
     .error = RF_EFORMAT},
    {.what = "address in Latin-1",
     .extensions = EXT("\x30\x0e\x06\x03\x55\x1d\x11\x04\x07\x30\x05\x81\x03"
                       "a\xe4x"),
     .error = RF_EFORMAT},
    {.what = "five addresses",
     .extensions = EXT("\x30\x1a\x06\x03\x55\x1d\x11\x04\x13\x30\x11\x81\x01"
                       "a\x81\x01"
                       "b\x81\x01"
                       "c\x81\x01"
                       "d\x81\x03"
                       "e@e"),
     .error = RF_ELIMIT},
    {.what = "critical FALSE written out",
     .extensions = EXT("\x30\x11\x06\x03\x55\x1d\x11\x01\x01\x00\x04\x07\x30\x05\x81\x03"
                       "a@x"),
     .error = RF_EFORMAT},
    {.what = "cA FALSE written out",
     .extensions = EXT("\x30\x0c\x06\x03\x55\x1d\x13\x04\x05\x30\x03\x01\x01\x00"),
     .error = RF_EFORMAT},
    {.what = "path length without cA",
     .extensions = EXT("\x30\x0c\x06\x03\x55\x1d\x13\x04\x05\x30\x03\x02\x01\x00"),
     .error = RF_EFORMAT},
    {.what = "basicConstraints of no CA", .extensions = EXT("\x30\x09\x06\x03\x55\x1d\x13\x04\x02\x30\x00")},
    {.what = "subjectKeyIdentifier", .extensions = EXT("\x30\x0a\x06\x03\x55\x1d\x0e\x04\x03\x04\x01k")},
    {.what = "empty subjectKeyIdentifier",
     .extensions = EXT("\x30\x09\x06\x03\x55\x1d\x0e\x04\x02\x04\x00"),
     .error = RF_EFORMAT},
    {.what = "bytes behind the subjectKeyIdentifier",
     .extensions = EXT("\x30\x0b\x06\x03\x55\x1d\x0e\x04\x04\x04\x01kk"),
     .error = RF_EFORMAT},
    {.what = "extension without a value",
     .extensions = EXT("\x30\x05\x06\x03\x55\x1d\x13"),
     .error = RF_EFORMAT},
};

static void broken_certificates_are_refused(void **state)
{
    struct fixture f;
    struct rf_buf der;
    struct rf_key *key;
    (void)state;
    fixture_init(&f);
    rf_buf_init(&der, &f.mem.mem, 1 << 14);
    assert_int_equal(f.c->ops->key_generate(f.c, RF_KEY_ED25519, &key), 0);
    for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
        struct rf_x509 cert;
        int r;

        build(f.c, key, &broken[i], &der);
        assert_int_equal(rf_buf_error(&der), 0);
        r = f.c->ops->x509_decode(f.c, rf_buf_view(&der), &cert);
        if (r != broken[i].error)
            fail_msg("%s: %d", broken[i].what, r);
        if (r == 0) {
            assert_int_equal(f.c->ops->x509_verify(f.c, &cert, &cert), 0);
            f.c->ops->x509_deinit(f.c, &cert);
        }
    }
    f.c->ops->key_free(f.c, key);
    rf_buf_deinit(&der);
    fixture_deinit(&f);
}

static void unknown_critical_extensions_are_told(void **state)
{
    static const struct pieces cases[] = {
        {.what = "unknown",
         .extensions = EXT("\x30\x07\x06\x01\x2a\x04\x02"
                           "ab"),
         .error = 0},
        {.what = "unknown and critical",
         .extensions = EXT("\x30\x0a\x06\x01\x2a\x01\x01\xff\x04\x02"
                           "ab"),
         .error = 3},
        {.what = "a critical subjectKeyIdentifier",
         .extensions = EXT("\x30\x0d\x06\x03\x55\x1d\x0e\x01\x01\xff\x04\x03\x04\x01k"),
         .error = 3},
        {.what = "a DNS name",
         .extensions = EXT("\x30\x0e\x06\x03\x55\x1d\x11\x04\x07\x30\x05\x82\x03"
                           "abc"),
         .error = 1},
    };
    struct fixture f;
    struct rf_buf der;
    struct rf_key *key;
    (void)state;
    fixture_init(&f);
    rf_buf_init(&der, &f.mem.mem, 1 << 14);
    assert_int_equal(f.c->ops->key_generate(f.c, RF_KEY_ED25519, &key), 0);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct rf_x509 cert;

        build(f.c, key, &cases[i], &der);
        assert_int_equal(f.c->ops->x509_decode(f.c, rf_buf_view(&der), &cert), 0);
        assert_int_equal(cert.other_names, (cases[i].error & 1) != 0);
        assert_int_equal(cert.unknown_critical, (cases[i].error & 2) != 0);
        f.c->ops->x509_deinit(f.c, &cert);
    }
    f.c->ops->key_free(f.c, key);
    rf_buf_deinit(&der);
    fixture_deinit(&f);
}

static void cut_and_bent_certificates_never_verify(void **state)
{
    struct fixture f;
    struct rf_buf der, ca_der;
    struct rf_x509 ca, cert;
    (void)state;
    fixture_init(&f);
    rf_buf_init(&der, &f.mem.mem, 1 << 14);
    rf_buf_init(&ca_der, &f.mem.mem, 1 << 14);
    rf_vector_read("cert_ca", &ca_der);
    rf_vector_read("cert_dave", &der);
    assert_int_equal(f.c->ops->x509_decode(f.c, rf_buf_view(&ca_der), &ca), 0);
    for (size_t len = 0; len < der.len; len++)
        assert_int_equal(f.c->ops->x509_decode(f.c, rf_view_of(der.p, len), &cert), RF_EFORMAT);
    for (size_t i = 0; i < der.len; i++) {
        for (int bit = 0; bit < 8; bit += 7) {
            der.p[i] ^= (uint8_t)(1 << bit);
            if (f.c->ops->x509_decode(f.c, rf_buf_view(&der), &cert) == 0) {
                assert_int_equal(f.c->ops->x509_verify(f.c, &cert, &ca), RF_ESIGNATURE);
                f.c->ops->x509_deinit(f.c, &cert);
            }
            der.p[i] ^= (uint8_t)(1 << bit);
        }
    }
    rf_buf_u8(&der, 0);
    assert_int_equal(f.c->ops->x509_decode(f.c, rf_buf_view(&der), &cert), RF_EFORMAT);
    f.c->ops->x509_deinit(f.c, &ca);
    rf_buf_deinit(&der);
    rf_buf_deinit(&ca_der);
    fixture_deinit(&f);
}

static void refused_memory_is_reported(void **state)
{
    struct fixture f;
    struct rf_buf der;
    struct rf_x509 cert;
    static uint8_t long_one[RF_X509_MAX_LEN + 1];
    (void)state;
    fixture_init(&f);
    rf_buf_init(&der, rf_mem_system(), 1 << 14);
    rf_vector_read("cert_alice", &der);
    for (size_t allowed = 0; allowed < 3; allowed++) {
        f.mem.allowed = allowed;
        assert_int_equal(f.c->ops->x509_decode(f.c, rf_buf_view(&der), &cert), RF_ENOMEM);
    }
    f.mem.allowed = 3;
    assert_int_equal(f.c->ops->x509_decode(f.c, rf_buf_view(&der), &cert), 0);
    f.c->ops->x509_deinit(f.c, &cert);
    assert_int_equal(f.c->ops->x509_decode(f.c, rf_view_of(long_one, sizeof(long_one)), &cert), RF_ELIMIT);
    rf_buf_deinit(&der);
    fixture_deinit(&f);
}

int test_crypto_x509(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(vector_certificates_are_read),
        cmocka_unit_test(issued_certificates_are_good_for_others),
        cmocka_unit_test(certificates_are_strictly_good),
        cmocka_unit_test(server_certificates_name_hosts),
        cmocka_unit_test(broken_certificates_are_refused),
        cmocka_unit_test(unknown_critical_extensions_are_told),
        cmocka_unit_test(cut_and_bent_certificates_never_verify),
        cmocka_unit_test(refused_memory_is_reported),
    };
    return cmocka_run_group_tests_name("x509", tests, NULL, NULL);
}
