/* ringfolk_enrol_certs.c - the certificates that the operator needs: CA, configuration-signer, HTTPS server. */
#include <stdio.h>
#include <string.h>
#include "apps/ringfolk_enrol.h"
#include "base/addr.h"
#include "io/random.h"

#define BACKDATE_MS  ((uint64_t)3600 * 1000) /* clocks behind ours */
#define TLS_RENEW_MS (30 * ENROL_DAY_MS)
#define SIGNER_NAME  "config"
#define CERT_MAX_LEN 4096

static struct rf_x509_spec spec_for(uint64_t wall_ms, uint64_t days)
{
    struct rf_rng *rng = rf_random_system();
    return (struct rf_x509_spec){.not_before_ms = (wall_ms - BACKDATE_MS) / 1000 * 1000,
                                 .not_after_ms = (wall_ms + days * ENROL_DAY_MS) / 1000 * 1000,
                                 .serial_hi = rf_rng_u64(rng) >> 1 | 1,
                                 .serial_lo = rf_rng_u64(rng)};
}

/* write_pair writes NAME.key (0600) and NAME.pem. The key first: a certificate without its key is of no use. */
static int write_pair(const struct enrol_data *data, const char *name, const struct rf_key *key,
                      struct rf_view der, unsigned cert_mode)
{
    char file[32];
    struct rf_buf pem;
    rf_buf_init(&pem, data->mem, 16384);
    int status = ENROL_FAILED;
    if (data->crypto->ops->key_to_pem(data->crypto, key, &pem) != RF_OK) {
        enrol_fail(name, "the key cannot be written as PEM");
        goto out;
    }
    snprintf(file, sizeof(file), "%s.key", name);
    status = data_write(data, file, rf_buf_view(&pem), 0600);
    if (pem.p)
        rf_wipe(pem.p, pem.cap);
    rf_buf_reset(&pem);
    if (status != ENROL_OK)
        goto out;
    rf_pem_put(&pem, "CERTIFICATE", der);
    snprintf(file, sizeof(file), "%s.pem", name);
    status = rf_buf_error(&pem) == RF_OK ? data_write(data, file, rf_buf_view(&pem), cert_mode)
                                         : enrol_fail(name, "out of memory");
out:
    rf_buf_deinit(&pem);
    return status;
}

/* make_key makes a P-256 key and its SubjectPublicKeyInfo. */
static int make_key(struct enrol_data *data, struct rf_key **key, struct rf_buf *spki)
{
    int e = data->crypto->ops->key_generate(data->crypto, RF_KEY_P256, key);
    if (e == RF_OK)
        e = data->crypto->ops->key_spki(data->crypto, *key, spki);
    return e == RF_OK ? ENROL_OK : enrol_fail("a key cannot be made", rf_error_text(e));
}

int certs_make_ca(struct enrol_data *data, const char *overlay, uint64_t wall_ms)
{
    char name[64];
    struct rf_buf spki, der;
    struct rf_x509_spec spec = spec_for(wall_ms, ENROL_CA_DAYS);
    snprintf(name, sizeof(name), "%.56s CA", overlay); /* a common name has at most 64 characters */
    spec.common_name = rf_view_str(name);
    spec.is_ca = true;
    rf_buf_init(&spki, data->mem, CERT_MAX_LEN);
    rf_buf_init(&der, data->mem, CERT_MAX_LEN);
    int status = make_key(data, &data->ca_key, &spki);
    if (status == ENROL_OK) {
        int e =
            data->crypto->ops->x509_issue(data->crypto, &spec, rf_buf_view(&spki), NULL, data->ca_key, &der);
        if (e == RF_OK)
            e = data->crypto->ops->x509_decode(data->crypto, rf_buf_view(&der), &data->ca);
        data->has_ca = e == RF_OK;
        status = e == RF_OK ? write_pair(data, "ca", data->ca_key, rf_buf_view(&der), 0644)
                            : enrol_fail("the CA's certificate cannot be made", rf_error_text(e));
    }
    rf_buf_deinit(&der);
    rf_buf_deinit(&spki);
    return status;
}

/* choose_node_id: derived from the key in a self-signed overlay, else random. */
static int choose_node_id(struct enrol_data *data, bool self_signed, struct rf_view spki, struct rf_id *out)
{
    uint8_t random[RF_ID_MIN_LEN];
    if (self_signed)
        return rf_node_id_derive(data->crypto, RF_DIGEST_SHA256, spki, 0, RF_ID_MIN_LEN, out);
    rf_rng_fill(rf_random_system(), random, sizeof(random));
    return rf_id_from(rf_view_of(random, sizeof(random)), out);
}

/* issue_signer appends the signer's certificate to `der`. */
static int issue_signer(struct enrol_data *data, const char *overlay, bool self_signed, struct rf_view spki,
                        const struct rf_key *key, uint64_t wall_ms, struct rf_buf *der)
{
    char name[300], uri[400];
    struct rf_buf text;
    struct rf_id node_id;
    struct rf_x509_spec spec = spec_for(wall_ms, ENROL_CA_DAYS);
    int e = choose_node_id(data, self_signed, spki, &node_id);
    if (e != RF_OK)
        return e;
    rf_buf_fixed(&text, uri, sizeof(uri));
    rf_reload_uri_put(&text, &node_id, rf_view_str(overlay));
    struct rf_view uri_view = rf_buf_view(&text);
    snprintf(name, sizeof(name), SIGNER_NAME "@%s", overlay);
    spec.email = rf_view_str(name);
    spec.uris = &uri_view;
    spec.uri_count = 1;
    if (self_signed)
        return data->crypto->ops->x509_issue(data->crypto, &spec, spki, NULL, key, der);
    spec.not_after_ms = data->ca.not_after_ms;
    return data->crypto->ops->x509_issue(data->crypto, &spec, spki, &data->ca, data->ca_key, der);
}

int certs_make_signer(struct enrol_data *data, const char *overlay, bool self_signed, uint64_t wall_ms)
{
    struct rf_buf spki, der;
    struct rf_key *key = NULL;
    struct rf_cert *cert = NULL;
    rf_buf_init(&spki, data->mem, CERT_MAX_LEN);
    rf_buf_init(&der, data->mem, CERT_MAX_LEN);
    int status = make_key(data, &key, &spki);
    if (status != ENROL_OK)
        goto out;
    int e = issue_signer(data, overlay, self_signed, rf_buf_view(&spki), key, wall_ms, &der);
    if (e == RF_OK)
        e = rf_cert_decode(data->crypto, rf_buf_view(&der), rf_view_str(overlay), RF_ID_MIN_LEN, &cert);
    status = e == RF_OK ? write_pair(data, "signer", key, rf_buf_view(&der), 0600)
                        : enrol_fail("the signer's certificate cannot be made", rf_error_text(e));
    if (status == ENROL_OK) {
        e = rf_identity_init(&data->signer, data->crypto, key, cert, &cert->node_ids[0]);
        data->has_signer = e == RF_OK;
        if (e == RF_OK)
            key = NULL;
        else
            status = enrol_fail("the signer cannot be used", rf_error_text(e));
    }
out:
    rf_cert_release(cert);
    data->crypto->ops->key_free(data->crypto, key);
    rf_buf_deinit(&der);
    rf_buf_deinit(&spki);
    return status;
}

/* ---- the HTTPS server's ---- */

/* add_name puts an address or a DNS name into the certificate; the same one twice counts once. */
static void add_name(struct rf_x509_spec *spec, const char *name, struct rf_addr *addr)
{
    if (rf_addr_parse(name, 0, addr) != RF_OK) {
        struct rf_view dns = rf_view_str(name);
        for (size_t i = 0; i < spec->dns_name_count; i++)
            if (rf_view_equal(spec->dns_names[i], dns))
                return;
        if (spec->dns_name_count < 4)
            spec->dns_names[spec->dns_name_count++] = dns;
        return;
    }
    struct rf_view ip = rf_view_of(addr->ip, addr->family == 6 ? 16 : 4);
    for (size_t i = 0; i < spec->ip_address_count; i++)
        if (rf_view_equal(spec->ip_addresses[i], ip))
            return;
    if (spec->ip_address_count < 4)
        spec->ip_addresses[spec->ip_address_count++] = ip;
}

int certs_make_tls(struct enrol_data *data, const char *const *names, size_t count, uint64_t wall_ms)
{
    struct rf_addr addrs[8];
    struct rf_buf spki, der;
    struct rf_key *key = NULL;
    struct rf_x509_spec spec = spec_for(wall_ms, ENROL_TLS_DAYS);
    if (count > 8)
        count = 8;
    for (size_t i = 0; i < count; i++)
        add_name(&spec, names[i], &addrs[i]);
    spec.common_name = rf_view_str(strlen(names[0]) <= 64 ? names[0] : "localhost");
    rf_buf_init(&spki, data->mem, CERT_MAX_LEN);
    rf_buf_init(&der, data->mem, CERT_MAX_LEN);
    int status = make_key(data, &key, &spki);
    if (status == ENROL_OK) {
        int e = data->crypto->ops->x509_issue(data->crypto, &spec, rf_buf_view(&spki), &data->ca,
                                              data->ca_key, &der);
        status = e == RF_OK ? write_pair(data, "tls", key, rf_buf_view(&der), 0600)
                            : enrol_fail("the HTTPS certificate cannot be made", rf_error_text(e));
    }
    data->crypto->ops->key_free(data->crypto, key);
    rf_buf_deinit(&der);
    rf_buf_deinit(&spki);
    return status;
}

bool certs_tls_old(const struct enrol_data *data, uint64_t wall_ms)
{
    struct rf_buf pem, der;
    struct rf_x509 cert;
    bool old = true;
    rf_buf_init(&pem, data->mem, 65536);
    rf_buf_init(&der, data->mem, 65536);
    if (data_read(data, "tls.pem", &pem) == ENROL_OK) {
        struct rf_view rest = rf_buf_view(&pem);
        if (rf_pem_next(&rest, "CERTIFICATE", &der) == RF_OK &&
            data->crypto->ops->x509_decode(data->crypto, rf_buf_view(&der), &cert) == RF_OK) {
            bool ours = data->crypto->ops->x509_verify(data->crypto, &cert, &data->ca) == RF_OK;
            old = ours && cert.not_after_ms < wall_ms + TLS_RENEW_MS;
            data->crypto->ops->x509_deinit(data->crypto, &cert);
        } else
            old = false; /* some other sort of certificate that somebody put there: GnuTLS will judge it */
    }
    rf_buf_deinit(&der);
    rf_buf_deinit(&pem);
    return old;
}
