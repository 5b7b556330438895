/* test_crypto.c - runs every group of the crypto room's tests. */
#include "test_crypto.h"

#include <openssl/err.h>

void fixture_init(struct fixture *f)
{
    f->fake = false;
    rf_mem_test_init(&f->mem);
    f->c = rf_crypto_openssl_new(&f->mem.mem);
    assert_non_null(f->c);
}

void fixture_init_fake(struct fixture *f)
{
    struct rf_crypto_fake_config config = {.seed = {1, 2}, .rng = &f->rng.rng};

    f->fake = true;
    rf_mem_test_init(&f->mem);
    rf_rng_seeded_init(&f->rng, 3);
    f->c = rf_crypto_fake_new(&f->mem.mem, &config);
    assert_non_null(f->c);
}

void fixture_deinit(struct fixture *f)
{
    if (f->fake)
        rf_crypto_fake_free(f->c);
    else
        rf_crypto_openssl_free(f->c);
    assert_int_equal(f->mem.live_count, 0);
    assert_int_equal(ERR_peek_error(), 0);
}

struct rf_pubkey *crypto_public_of(struct rf_crypto *c, const struct rf_key *key)
{
    uint8_t bytes[1024];
    struct rf_buf spki;
    struct rf_pubkey *out = NULL;

    rf_buf_fixed(&spki, bytes, sizeof(bytes));
    assert_int_equal(c->ops->key_spki(c, key, &spki), 0);
    assert_int_equal(c->ops->pubkey_from_spki(c, rf_buf_view(&spki), &out), 0);
    return out;
}

int main(void)
{
    int failed = test_crypto_der() + test_crypto_hash() + test_crypto_keys() + test_crypto_x509() +
                 test_crypto_csr() + test_crypto_contract() + test_crypto_fake() + test_crypto_hpke();

    return failed == 0 ? 0 : 1;
}
