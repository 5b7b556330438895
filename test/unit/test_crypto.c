/* test_crypto.c - runs every group of the crypto room's tests. */
#include "test_crypto.h"

#include <openssl/err.h>

void fixture_init(struct fixture *f)
{
    rf_mem_test_init(&f->mem);
    f->c = rf_crypto_openssl_new(&f->mem.mem);
    assert_non_null(f->c);
}

void fixture_deinit(struct fixture *f)
{
    rf_crypto_openssl_free(f->c);
    assert_int_equal(f->mem.live_count, 0);
    assert_int_equal(ERR_peek_error(), 0);
}

int main(void)
{
    int failed =
        test_crypto_der() + test_crypto_hash() + test_crypto_keys() + test_crypto_x509() + test_crypto_csr();

    return failed == 0 ? 0 : 1;
}
