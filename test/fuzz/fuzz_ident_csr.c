/* fuzz_ident_csr.c - certificate requests: only what the key's owner signed is accepted. */
#include "crypto/openssl/openssl.h"
#include "fuzz/fuzz_ident_patch.h"

static struct rf_crypto *crypto;
static struct rf_buf sample, bytes;

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    struct rf_key *key;

    (void)argc;
    (void)argv;
    RF_ASSERT((crypto = rf_crypto_openssl_new(rf_mem_system())) != NULL);
    rf_buf_init(&sample, rf_mem_system(), 1 << 16);
    rf_buf_init(&bytes, rf_mem_system(), 1 << 16);
    RF_ASSERT(crypto->ops->key_generate(crypto, RF_KEY_P256, &key) == 0);
    RF_ASSERT(crypto->ops->csr_create(crypto, key, rf_view_str("alice@example.org"), &sample) == 0);
    crypto->ops->key_free(crypto, key);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct rf_csr csr;

    patch_apply(rf_view_of(data, len), rf_buf_view(&sample), &bytes);
    if (crypto->ops->csr_decode(crypto, rf_buf_view(&bytes), &csr) == 0) {
        RF_ASSERT(patch_inside(csr.spki, csr.der) && patch_inside(csr.email, csr.der));
        /* the fuzzer may own a key; ours it does not */
        RF_ASSERT(data[0] % 2 == 0 || rf_view_equal(csr.der, rf_buf_view(&sample)));
        crypto->ops->csr_deinit(crypto, &csr);
    }
    return 0;
}
