/* fuzz_ident_cert.c - certificates: decoded without harm, and trusted only if nobody changed them. */
#include "fuzz/fuzz_ident_patch.h"
#include "support/pki.h"

static struct rf_pki pki;
static struct rf_identity node;
static struct rf_trust *trust, *open_trust; /* the overlay's, and one that permits self-signed certificates */
static struct rf_buf bytes;

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    struct rf_id ids[2] = {{.len = 16, .b = {1}}, {.len = 16, .b = {2}}};
    struct rf_trust_config config = {
        .overlay = rf_view_str("example.org"), .id_len = 16, .self_signed = RF_DIGEST_SHA256};

    (void)argc;
    (void)argv;
    RF_ASSERT(rf_pki_init(&pki, &(struct rf_pki_config){.overlay = "example.org"}) == 0);
    RF_ASSERT(rf_pki_node_multi(&pki, "alice@example.org", ids, 2, RF_KEY_P256, &node) == 0);
    RF_ASSERT(rf_pki_trust(&pki, 4, &trust) == 0 && rf_pki_trust(&pki, 4, &open_trust) == 0);
    RF_ASSERT(rf_trust_configure(open_trust, &config) == 0);
    rf_buf_init(&bytes, rf_mem_system(), 1 << 16);
    return 0;
}

static void check_fields(const struct rf_cert *cert)
{
    const struct rf_x509 *x = &cert->x509;

    RF_ASSERT(patch_inside(x->tbs, x->der) && patch_inside(x->spki, x->der) &&
              patch_inside(x->signature, x->der));
    RF_ASSERT(patch_inside(x->issuer, x->der) && patch_inside(x->serial, x->der) &&
              patch_inside(cert->user, x->der));
    RF_ASSERT(cert->node_id_count >= 1 && cert->node_id_count <= RF_CERT_MAX_NODE_IDS);
    for (size_t i = 0; i < cert->node_id_count; i++)
        RF_ASSERT(cert->node_ids[i].len == 16);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct rf_view sample = node.cert->x509.der, ca = pki.ca.der, der;
    struct rf_cert *cert;

    patch_apply(rf_view_of(data, len), sample, &bytes);
    der = rf_buf_view(&bytes);
    if (rf_cert_decode(pki.crypto, der, rf_view_str("example.org"), 16, &cert) == 0) {
        check_fields(cert);
        rf_cert_release(cert);
    }
    if (rf_trust_cert(trust, der, &ca, 1, pki.wall_ms, &cert) == 0) {
        RF_ASSERT(rf_view_equal(der, sample) || rf_view_equal(der, pki.signer.cert->x509.der));
        rf_cert_release(cert);
    }
    /* as an intermediate, and where self-signed ones are good */
    if (rf_trust_cert(trust, sample, &der, 1, pki.wall_ms, &cert) == 0)
        rf_cert_release(cert);
    if (rf_trust_cert(open_trust, der, &ca, 1, pki.wall_ms, &cert) == 0)
        rf_cert_release(cert);
    return 0;
}
