/* fuzz_ident_verify.c - signatures of messages: hostile buckets and signer identities, and no forgery passes. */
#include "fuzz/fuzz_ident_patch.h"
#include "support/pki.h"

static struct rf_pki pki;
static struct rf_identity one, several;
static struct rf_trust *trust;
static struct rf_buf samples[2], bytes; /* samples: contents v16, security block */
static const char contents[] = "the contents of a message";

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void make_sample(struct rf_identity *identity, struct rf_buf *out)
{
    struct rf_view extra = pki.signer.cert->x509.der;

    rf_buf_init(out, rf_mem_system(), 1 << 16);
    rf_buf_v(out, 2, rf_view_str(contents));
    RF_ASSERT(rf_identity_security_block(identity, 7, 8, rf_view_str(contents), &extra, 1, out) == 0);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    struct rf_id ids[2] = {{.len = 16, .b = {1}}, {.len = 16, .b = {2}}};

    (void)argc;
    (void)argv;
    RF_ASSERT(rf_pki_init(&pki, &(struct rf_pki_config){.overlay = "example.org"}) == 0);
    RF_ASSERT(rf_pki_node(&pki, "a@example.org", NULL, RF_KEY_ED25519, &one) == 0);
    RF_ASSERT(rf_pki_node_multi(&pki, "b@example.org", ids, 2, RF_KEY_P256, &several) == 0);
    RF_ASSERT(rf_pki_trust(&pki, 2, &trust) == 0);
    make_sample(&one, &samples[0]);
    make_sample(&several, &samples[1]);
    rf_buf_init(&bytes, rf_mem_system(), 1 << 16);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct rf_message m = {.header = {.overlay = 7, .transaction_id = 8}};
    struct rf_signer signer;
    struct rf_view in;

    if (len == 0)
        return 0;
    patch_apply(rf_view_of(data, len), rf_buf_view(&samples[data[0] / 2 % 2]), &bytes);
    in = rf_buf_view(&bytes);
    if (rf_view_v(&in, 2, &m.contents) != 0 || rf_security_decode(in, &m.security) != 0)
        return 0;
    if (rf_verify_message(trust, &m, pki.wall_ms, &signer) == 0) {
        RF_ASSERT(rf_view_equal(m.contents, rf_view_str(contents)));
        RF_ASSERT(rf_cert_has_node_id(signer.cert, &signer.node_id));
        rf_signer_deinit(&signer);
    }
    return 0;
}
