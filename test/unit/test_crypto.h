/* test_crypto.h - the groups of the crypto room's test program; each returns how many of its tests failed. */
#ifndef RF_TEST_CRYPTO_H
#define RF_TEST_CRYPTO_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "crypto/fake/fake.h"
#include "crypto/openssl/openssl.h"

int test_crypto_der(void);
int test_crypto_hash(void);
int test_crypto_keys(void);
int test_crypto_x509(void);
int test_crypto_csr(void);
int test_crypto_contract(void);
int test_crypto_fake(void);
int test_crypto_hpke(void);

/* A backend over a counting allocator. */
struct fixture {
    struct rf_mem_test mem;
    struct rf_rng_seeded rng; /* the fake one's keys */
    bool fake;
    struct rf_crypto *c;
};
/* fixture_init makes the one of OpenSSL, fixture_init_fake the other, without costs. */
void fixture_init(struct fixture *f);
void fixture_init_fake(struct fixture *f);
/* fixture_deinit also checks that nothing is left behind: memory, or entries in OpenSSL's error queue. */
void fixture_deinit(struct fixture *f);

/* crypto_public_of decodes the public half of a private key. */
struct rf_pubkey *crypto_public_of(struct rf_crypto *c, const struct rf_key *key);

#define VIEW(literal) rf_view_of((literal), sizeof(literal) - 1)

#endif
