/*
 * certs.c - decoded certificates, each in memory once. In one process that plays a million nodes the same certificate is known to many
 * of them; all share its bytes, its key and the views into it.
 */
#include "crypto/fake/backend.h"

#include "crypto/x509.h"

struct shared_cert {
    struct rf_map_node node;
    size_t refs;
    uint8_t hash[MIX_OUT_LEN];
    struct rf_x509 x509;
};

static struct rf_view cert_key(const struct rf_map_node *node)
{
    const struct shared_cert *cert =
        (const struct shared_cert *)((const char *)node - offsetof(struct shared_cert, node));

    return rf_view_of(cert->hash, sizeof(cert->hash));
}

void certs_init(struct backend *b)
{
    rf_map_init(&b->certs, b->crypto.mem, b->config.seed, cert_key);
}

void certs_deinit(struct backend *b)
{
    RF_ASSERT(b->certs.count == 0); /* a certificate outlives its backend */
    rf_map_deinit(&b->certs);
}

static void hash_der(struct rf_view der, uint8_t out[MIX_OUT_LEN])
{
    struct mix m;

    mix_init(&m, MIX_SHA256, 0);
    mix_put(&m, der);
    mix_end(&m, out);
}

static struct shared_cert *find(struct backend *b, const uint8_t hash[MIX_OUT_LEN])
{
    struct rf_map_node *node = rf_map_find(&b->certs, rf_view_of(hash, MIX_OUT_LEN));

    return node != NULL ? RF_CONTAINER(node, struct shared_cert, node) : NULL;
}

static int decode_first(struct rf_crypto *c, struct rf_view der, const uint8_t hash[MIX_OUT_LEN],
                        struct shared_cert **out)
{
    struct backend *b = backend_of(c);
    struct shared_cert *cert = rf_zalloc(c->mem, sizeof(*cert));
    int r;

    if (cert == NULL)
        return RF_ENOMEM;
    memcpy(cert->hash, hash, sizeof(cert->hash));
    if ((r = rf_x509_decode(c, der, &cert->x509)) == 0 && (r = rf_map_insert(&b->certs, &cert->node)) != 0)
        rf_x509_deinit(c, &cert->x509);
    if (r != 0) {
        rf_free(c->mem, cert);
        return r;
    }
    *out = cert;
    return 0;
}

int fake_x509_decode(struct rf_crypto *c, struct rf_view der, struct rf_x509 *out)
{
    struct backend *b = backend_of(c);
    uint8_t hash[MIX_OUT_LEN];
    struct shared_cert *cert;
    int r;

    if (der.len > RF_X509_MAX_LEN)
        return RF_ELIMIT;
    b->counts.certs_decoded++;
    charge(b, b->config.costs.x509_decode_ns);
    hash_der(der, hash);
    if ((cert = find(b, hash)) != NULL) {
        b->counts.certs_shared++;
        charge(b, b->config.costs.key_decode_ns);
    } else if ((r = decode_first(c, der, hash, &cert)) != 0) {
        return r;
    }
    cert->refs++;
    *out = cert->x509;
    return 0;
}

void fake_x509_deinit(struct rf_crypto *c, struct rf_x509 *x509)
{
    struct backend *b = backend_of(c);
    uint8_t hash[MIX_OUT_LEN];
    struct shared_cert *cert;

    if (x509->der.p != NULL) {
        hash_der(x509->der, hash);
        cert = find(b, hash);
        RF_ASSERT(cert != NULL && cert->refs > 0);
        if (--cert->refs == 0) {
            rf_map_remove(&b->certs, &cert->node);
            rf_x509_deinit(c, &cert->x509);
            rf_free(c->mem, cert);
        }
    }
    *x509 = (struct rf_x509){.path_len = -1};
}
