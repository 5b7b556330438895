/* pki.c - makes an overlay's keys and its document. */
#include "support/pki.h"

#include "base/text.h"

#include <stdio.h>

#include "crypto/openssl/openssl.h"

#define DAY_MS  (UINT64_C(86400) * 1000)
#define YEAR_MS (365 * DAY_MS)

/* The multiplier spreads consecutive serial numbers over the ring: the golden ratio of 2^64. */
static struct rf_id next_node_id(const struct rf_pki *pki, uint32_t serial)
{
    uint64_t place = serial * UINT64_C(0x9e3779b97f4a7c15);
    struct rf_id id = {.len = pki->config.id_len};

    for (int i = 0; i < 8; i++)
        id.b[i] = (uint8_t)(place >> (56 - 8 * i));
    id.b[id.len - 1] = (uint8_t)serial;
    return id;
}

/* issuer: NULL for the root */
static int make_ca(struct rf_pki *pki, const struct rf_x509 *issuer, const struct rf_key *issuer_key,
                   struct rf_key **key, struct rf_x509 *out)
{
    struct rf_crypto *c = pki->crypto;
    char name[32] = "test CA";
    struct rf_x509_spec spec = {.is_ca = true,
                                .not_before_ms = pki->wall_ms - DAY_MS,
                                .not_after_ms = pki->wall_ms + 10 * YEAR_MS,
                                .serial_lo = ++pki->serial};
    struct rf_buf spki, der;
    int r;

    if (issuer != NULL)
        snprintf(name, sizeof(name), "test CA %u", (unsigned)pki->serial);
    spec.common_name = rf_view_str(name);
    r = c->ops->key_generate(c, RF_KEY_P256, key);
    if (r != 0)
        return r;
    rf_buf_init(&spki, pki->mem, RF_CERT_MAX_LEN);
    rf_buf_init(&der, pki->mem, RF_CERT_MAX_LEN);
    r = c->ops->key_spki(c, *key, &spki);
    if (r == 0)
        r = c->ops->x509_issue(c, &spec, rf_buf_view(&spki), issuer, issuer == NULL ? *key : issuer_key,
                               &der);
    if (r == 0)
        r = c->ops->x509_decode(c, rf_buf_view(&der), out);
    rf_buf_deinit(&spki);
    rf_buf_deinit(&der);
    return r;
}

int rf_pki_below(struct rf_pki *pki)
{
    struct rf_x509 ca;
    struct rf_key *key = NULL;
    struct rf_buf chain;
    int r = make_ca(pki, &pki->ca, pki->ca_key, &key, &ca);

    if (r != 0) {
        pki->crypto->ops->key_free(pki->crypto, key);
        return r;
    }
    rf_buf_init(&chain, pki->mem, (RF_CERT_MAX_CHAIN + 1) * (size_t)RF_CERT_MAX_LEN);
    rf_buf_view_put(&chain, ca.der);
    rf_buf_view_put(&chain, rf_buf_view(&pki->below));
    rf_buf_deinit(&pki->below);
    pki->crypto->ops->x509_deinit(pki->crypto, &pki->ca);
    pki->crypto->ops->key_free(pki->crypto, pki->ca_key);
    pki->below = chain;
    pki->ca = ca;
    pki->ca_key = key;
    return rf_buf_error(&chain);
}

/* certify makes the certificate for a key: by the CA, or self-signed with derived Node-IDs. */
static int certify(struct rf_pki *pki, const char *user, const struct rf_id *node_ids, size_t node_id_count,
                   const struct rf_key *key, struct rf_cert **out)
{
    struct rf_view overlay = rf_view_str(pki->config.overlay);
    struct rf_cert_spec spec = {.user = rf_view_str(user),
                                .overlay = overlay,
                                .node_ids = node_ids,
                                .node_id_count = node_id_count,
                                .not_before_ms = pki->wall_ms - DAY_MS,
                                .not_after_ms = pki->wall_ms + YEAR_MS,
                                .serial_lo = pki->serial};
    bool self_signed = pki->config.self_signed != 0;
    struct rf_id derived;
    struct rf_buf spki, der;
    int r;

    rf_buf_init(&spki, pki->mem, RF_CERT_MAX_LEN);
    rf_buf_init(&der, pki->mem, RF_CERT_MAX_LEN);
    r = pki->crypto->ops->key_spki(pki->crypto, key, &spki);
    if (r == 0 && self_signed) {
        r = rf_node_id_derive(pki->crypto, (enum rf_digest_rule)pki->config.self_signed, rf_buf_view(&spki),
                              0, pki->config.id_len, &derived);
        spec.node_ids = &derived;
    }
    if (r == 0)
        r = rf_cert_issue(pki->crypto, &spec, rf_buf_view(&spki), self_signed ? NULL : &pki->ca,
                          self_signed ? key : pki->ca_key, &der);
    if (r == 0)
        r = rf_cert_decode(pki->crypto, rf_buf_view(&der), overlay, pki->config.id_len, out);
    rf_buf_deinit(&spki);
    rf_buf_deinit(&der);
    return r;
}

/* An RSA key takes a tenth of a second and more: the first that a program makes serves all. */
static int make_key(struct rf_crypto *crypto, enum rf_key_type type, struct rf_key **out)
{
    static uint8_t pem[4096];
    static size_t pem_len;
    struct rf_buf buf;
    int r;

    if (type != RF_KEY_RSA2048)
        return crypto->ops->key_generate(crypto, type, out);
    if (pem_len > 0)
        return crypto->ops->key_from_pem(crypto, rf_view_of(pem, pem_len), out);
    r = crypto->ops->key_generate(crypto, type, out);
    if (r != 0)
        return r;
    rf_buf_fixed(&buf, pem, sizeof(pem));
    if (crypto->ops->key_to_pem(crypto, *out, &buf) == 0)
        pem_len = buf.len;
    return 0;
}

int rf_pki_node_multi(struct rf_pki *pki, const char *user, const struct rf_id *node_ids,
                      size_t node_id_count, enum rf_key_type type, struct rf_identity *out)
{
    struct rf_cert *cert = NULL;
    struct rf_key *key;
    int r = make_key(pki->crypto, type, &key);

    if (r != 0)
        return r;
    pki->serial++;
    r = certify(pki, user, node_ids, node_id_count, key, &cert);
    if (r == 0)
        r = rf_identity_init(out, pki->crypto, key, cert, &cert->node_ids[0]);
    if (r != 0)
        pki->crypto->ops->key_free(pki->crypto, key);
    rf_cert_release(cert);
    return r;
}

int rf_pki_node(struct rf_pki *pki, const char *user, const struct rf_id *node_id, enum rf_key_type type,
                struct rf_identity *out)
{
    struct rf_id some = next_node_id(pki, pki->serial);

    if (node_id != NULL && pki->config.self_signed != 0)
        return RF_EINVAL;
    return rf_pki_node_multi(pki, user, node_id != NULL ? node_id : &some, 1, type, out);
}

int rf_pki_document(struct rf_pki *pki, uint16_t sequence, void (*adjust)(struct rf_conf *draft, void *arg),
                    void *arg, struct rf_conf **out)
{
    const struct rf_pki_config *config = &pki->config;
    struct rf_addr bootstraps[64];
    struct rf_conf draft;
    struct rf_buf xml;
    char why[256] = "";
    int r = 0;

    if (config->bootstrap_count > sizeof(bootstraps) / sizeof(bootstraps[0]))
        return RF_ELIMIT;
    for (size_t i = 0; i < config->bootstrap_count && r == 0; i++)
        r = rf_addr_parse(config->bootstraps[i], 6084, &bootstraps[i]);
    if (r != 0)
        return r;
    rf_conf_draft(&draft);
    draft.overlay = rf_view_str(config->overlay);
    draft.sequence = sequence;
    draft.id_len = config->id_len;
    draft.self_signed = config->self_signed;
    draft.no_ice = config->no_ice;
    draft.roots = &pki->ca.der;
    draft.root_count = config->self_signed == 0;
    draft.bootstraps = bootstraps;
    draft.bootstrap_count = config->bootstrap_count;
    draft.configuration_signers = draft.kind_signers = &pki->signer.node_id;
    draft.configuration_signer_count = draft.kind_signer_count = 1;
    draft.kinds = (struct rf_kind_def *)(uintptr_t)config->kinds;
    draft.kind_count = config->kind_count;
    if (adjust != NULL)
        adjust(&draft, arg);
    rf_buf_init(&xml, pki->mem, RF_CONF_MAX_LEN);
    r = rf_conf_write(&draft, &pki->signer, &xml);
    if (r == 0)
        r = rf_conf_parse(pki->crypto, pki->mem, rf_buf_view(&xml), draft.overlay, out, why, sizeof(why));
    rf_buf_deinit(&xml);
    return r;
}

int rf_pki_document_with(struct rf_pki *pki, uint16_t sequence, const char *elements, struct rf_buf *xml)
{
    static const char end[] = "</configuration>";
    struct rf_conf *conf;
    struct rf_buf block;
    int r = rf_pki_document(pki, sequence, NULL, NULL, &conf);

    if (r != 0)
        return r;
    rf_buf_put(xml, conf->xml.p, (size_t)(conf->blob.p - conf->xml.p));
    size_t from = xml->len;
    rf_buf_put(xml, conf->blob.p, conf->blob.len - strlen(end));
    rf_buf_printf(xml, "%s%s", elements, end);
    rf_buf_init(&block, pki->mem, 1 << 16);
    r = rf_buf_error(xml);
    if (r == 0)
        r = rf_identity_sign_blob(&pki->signer, rf_view_of(xml->p + from, xml->len - from), &block);
    rf_buf_str(xml, "<signature>");
    rf_base64_put(xml, rf_buf_view(&block));
    rf_buf_str(xml, "</signature></overlay>");
    rf_buf_deinit(&block);
    rf_conf_release(conf);
    return r != 0 ? r : rf_buf_error(xml);
}

int rf_pki_init(struct rf_pki *pki, const struct rf_pki_config *config)
{
    char user[300] = "config@";
    int r;

    *pki = (struct rf_pki){.mem = config->mem != NULL ? config->mem : rf_mem_system(), .config = *config};
    pki->wall_ms = config->wall_ms != 0 ? config->wall_ms : RF_PKI_WALL_MS;
    if (pki->config.overlay == NULL)
        pki->config.overlay = "example.org";
    if (pki->config.id_len == 0)
        pki->config.id_len = 16;
    if (strlen(pki->config.overlay) > 253)
        return RF_EINVAL;
    strcat(user, pki->config.overlay);
    if ((pki->crypto = rf_crypto_openssl_new(pki->mem)) == NULL)
        return RF_ENOMEM;
    rf_buf_init(&pki->below, pki->mem, 0);
    r = make_ca(pki, NULL, NULL, &pki->ca_key, &pki->ca);
    if (r == 0)
        r = rf_pki_node(pki, user, NULL, RF_KEY_ED25519, &pki->signer);
    if (r == 0)
        r = rf_pki_document(pki, config->sequence != 0 ? config->sequence : 1, config->adjust,
                            config->adjust_arg, &pki->conf);
    if (r != 0)
        rf_pki_deinit(pki);
    return r;
}

void rf_pki_deinit(struct rf_pki *pki)
{
    if (pki->crypto == NULL)
        return;
    rf_conf_release(pki->conf);
    rf_identity_deinit(&pki->signer);
    pki->crypto->ops->x509_deinit(pki->crypto, &pki->ca);
    pki->crypto->ops->key_free(pki->crypto, pki->ca_key);
    rf_buf_deinit(&pki->below);
    rf_crypto_openssl_free(pki->crypto);
    *pki = (struct rf_pki){.crypto = NULL};
}

int rf_pki_trust(struct rf_pki *pki, size_t cache_count, struct rf_trust **out)
{
    static const uint64_t seed[2] = {1, 2};
    int r = rf_trust_new(pki->crypto, pki->mem, seed, cache_count, out);

    if (r == 0 && (r = rf_conf_trust(pki->conf, *out)) != 0) {
        rf_trust_free(*out);
        *out = NULL;
    }
    return r;
}
