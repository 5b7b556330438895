/* cert.c - node certificates: decoded strictly, shared by reference count. */
#include "ident/cert.h"

#include "base/assert.h"
#include "base/text.h"

/* read_names checks the names of a certificate (2.9) and takes user and Node-IDs out of them. */
static int read_names(struct rf_cert *cert, struct rf_view overlay, uint8_t id_len)
{
    const struct rf_x509 *x = &cert->x509;
    int r;

    if (!x->subject_empty || x->other_names || x->email_count != 1 || x->uri_count == 0)
        return RF_EFORMAT;
    if ((x->key_usage & RF_KEY_USAGE_SIGN) == 0 || !rf_name_valid(x->emails[0]))
        return RF_EFORMAT;
    cert->user = x->emails[0];
    for (size_t i = 0; i < x->uri_count; i++) {
        struct rf_id id;

        if ((r = rf_reload_uri_parse(x->uris[i], overlay, id_len, &id)) != 0)
            return r;
        if (rf_cert_has_node_id(cert, &id))
            return RF_EFORMAT;
        cert->node_ids[cert->node_id_count++] = id;
    }
    return 0;
}

/* ---- the certificates in memory: each once for all who use the backend ---- */

static struct rf_view pool_key(const struct rf_map_node *node)
{
    const struct rf_cert *cert =
        (const struct rf_cert *)((const char *)node - offsetof(struct rf_cert, node));

    return rf_view_of(cert->sha256, RF_SHA256_LEN);
}

/* pool_find: NULL also if it is one of another overlay. */
static struct rf_cert *pool_find(struct rf_crypto *crypto, const uint8_t sha256[RF_SHA256_LEN],
                                 struct rf_view overlay, uint8_t id_len)
{
    struct rf_map_node *node =
        crypto->certs.key != NULL ? rf_map_find(&crypto->certs, rf_view_of(sha256, RF_SHA256_LEN)) : NULL;
    struct rf_cert *cert = node != NULL ? RF_CONTAINER(node, struct rf_cert, node) : NULL;
    struct rf_id id;

    return cert != NULL && rf_reload_uri_parse(cert->x509.uris[0], overlay, id_len, &id) == 0 ? cert : NULL;
}

static void pool_put(struct rf_cert *cert)
{
    struct rf_crypto *crypto = cert->crypto;
    const uint64_t seed[2] = {(uint64_t)(uintptr_t)crypto, (uint64_t)(uintptr_t)crypto->mem};

    if (crypto->certs.key == NULL)
        rf_map_init(&crypto->certs, crypto->mem, seed, pool_key);
    cert->pooled = rf_map_insert(&crypto->certs, &cert->node) == 0; /* without memory it is decoded anew */
}

static void pool_take(struct rf_cert *cert)
{
    struct rf_crypto *crypto = cert->crypto;

    if (!cert->pooled)
        return;
    rf_map_remove(&crypto->certs, &cert->node);
    if (crypto->certs.count > 0)
        return;
    rf_map_deinit(&crypto->certs);
    crypto->certs.key = NULL;
}

int cert_decode(struct rf_crypto *crypto, struct rf_view der, const uint8_t sha256[RF_SHA256_LEN],
                struct rf_view overlay, uint8_t id_len, struct rf_cert **out)
{
    struct rf_cert *cert;
    struct rf_x509 x509;
    int r;

    if (der.len > RF_CERT_MAX_LEN)
        return RF_ELIMIT;
    if ((cert = pool_find(crypto, sha256, overlay, id_len)) != NULL) {
        if (crypto->ops->x509_again != NULL)
            crypto->ops->x509_again(crypto);
        *out = rf_cert_hold(cert);
        return 0;
    }
    if ((r = crypto->ops->x509_decode(crypto, der, &x509)) != 0)
        return r;
    r = x509.uri_count > RF_CERT_MAX_NODE_IDS ? RF_ELIMIT : RF_ENOMEM;
    cert = r == RF_ELIMIT
               ? NULL
               : rf_zalloc(crypto->mem, sizeof(*cert) + x509.uri_count * sizeof(cert->node_ids[0]));
    if (cert == NULL) {
        crypto->ops->x509_deinit(crypto, &x509);
        return r;
    }
    cert->refs = 1;
    cert->crypto = crypto;
    cert->x509 = x509;
    memcpy(cert->sha256, sha256, RF_SHA256_LEN);
    if ((r = read_names(cert, overlay, id_len)) != 0) {
        rf_cert_release(cert);
        return r;
    }
    pool_put(cert);
    *out = cert;
    return 0;
}

int rf_cert_decode(struct rf_crypto *crypto, struct rf_view der, struct rf_view overlay, uint8_t id_len,
                   struct rf_cert **out)
{
    uint8_t sha256[RF_SHA256_LEN];
    int r = rf_sha256(crypto, der, sha256);

    return r != 0 ? r : cert_decode(crypto, der, sha256, overlay, id_len, out);
}

struct rf_cert *rf_cert_hold(struct rf_cert *cert)
{
    cert->refs++;
    return cert;
}

static void drop_chain(struct rf_cert *cert)
{
    for (size_t i = 0; i < cert->chain_count; i++)
        rf_free(cert->crypto->mem, (void *)(uintptr_t)cert->chain[i].p);
    rf_free(cert->crypto->mem, cert->chain);
    cert->chain = NULL;
    cert->chain_count = 0;
}

void rf_cert_release(struct rf_cert *cert)
{
    if (cert == NULL)
        return;
    RF_ASSERT(cert->refs > 0);
    if (--cert->refs > 0)
        return;
    pool_take(cert);
    drop_chain(cert);
    cert->crypto->ops->x509_deinit(cert->crypto, &cert->x509);
    rf_free(cert->crypto->mem, cert);
}

int cert_set_chain(struct rf_cert *cert, const struct rf_view *chain, size_t chain_count)
{
    struct rf_mem *mem = cert->crypto->mem;
    struct rf_view *copies = NULL;
    size_t count = 0;

    RF_ASSERT(chain_count <= RF_CERT_MAX_CHAIN);
    /* copied before the old ones go: they may be the same */
    if (chain_count > 0)
        copies = rf_alloc(mem, chain_count * sizeof(*copies));
    for (; copies != NULL && count < chain_count; count++) {
        copies[count] = rf_view_of(rf_memdup(mem, chain[count].p, chain[count].len), chain[count].len);
        if (copies[count].p == NULL)
            break;
    }
    drop_chain(cert);
    cert->chain = copies;
    cert->chain_count = (uint8_t)count;
    if (count == chain_count)
        return 0;
    drop_chain(cert);
    return RF_ENOMEM;
}

bool rf_cert_has_node_id(const struct rf_cert *cert, const struct rf_id *id)
{
    for (size_t i = 0; i < cert->node_id_count; i++)
        if (rf_id_equal(&cert->node_ids[i], id))
            return true;
    return false;
}

int cert_node_hash(const struct rf_cert *cert, const struct rf_id *node_id, uint8_t out[RF_SHA256_LEN])
{
    struct rf_view parts[2] = {rf_id_view(node_id), cert->x509.der};

    return cert->crypto->ops->hash(cert->crypto, RF_HASH_SHA256, parts, 2, out);
}

int rf_cert_issue(struct rf_crypto *crypto, const struct rf_cert_spec *spec, struct rf_view spki,
                  const struct rf_x509 *issuer, const struct rf_key *key, struct rf_buf *out)
{
    struct rf_x509_spec x = {.email = spec->user,
                             .not_before_ms = spec->not_before_ms,
                             .not_after_ms = spec->not_after_ms,
                             .serial_hi = spec->serial_hi,
                             .serial_lo = spec->serial_lo};
    struct rf_view uris[RF_CERT_MAX_NODE_IDS];
    struct rf_buf text;
    int r;

    if (spec->node_id_count == 0 || spec->node_id_count > RF_CERT_MAX_NODE_IDS ||
        !rf_name_valid(spec->user) || !rf_domain_valid(spec->overlay))
        return RF_EINVAL;
    rf_buf_init(&text, crypto->mem, 4096);
    for (size_t i = 0; i < spec->node_id_count; i++)
        rf_reload_uri_put(&text, &spec->node_ids[i], spec->overlay);
    if ((r = rf_buf_error(&text)) == 0) {
        /* all URIs of one overlay are equally long */
        size_t len = text.len / spec->node_id_count;

        for (size_t i = 0; i < spec->node_id_count; i++)
            uris[i] = rf_view_of(text.p + i * len, len);
        x.uris = uris;
        x.uri_count = spec->node_id_count;
        r = crypto->ops->x509_issue(crypto, &x, spki, issuer, key, out);
    }
    rf_buf_deinit(&text);
    return r;
}
