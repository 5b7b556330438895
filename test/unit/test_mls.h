/* test_mls.h - the groups of the mls room's test program; each returns how many of its tests failed. */
#ifndef RF_TEST_MLS_H
#define RF_TEST_MLS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/secret_mem.h"
#include "crypto/openssl/openssl.h"
#include "mls/mls.h"
#include "mls/suite.h"
#include "support/json_vector.h"

int test_mls_codec(void);
int test_mls_tree(void);
int test_mls_passive(void);
int test_mls_group(void);
int test_mls_away(void);
int test_mls_reject(void);
int test_mls_store(void);

/* What the tests work with: a backend over a counting allocator that wipes, a seeded generator. */
struct mls_fixture {
    struct rf_mem_test counting;
    struct rf_secret_mem secret;
    struct rf_mem *mem;
    struct rf_rng_seeded rng;
    struct rf_crypto *crypto;
    struct mls_kit kit[2]; /* of suites 1 and 2 */
    struct rf_mls_env env;
};
/* The one fixture of the program; set up and torn down by each group of tests. */
extern struct mls_fixture mls;
int mls_set_up(void **state);
int mls_tear_down(void **state); /* also checks that no memory is left */

/* mls_kit_of: the kit of the case's cipher_suite. */
const struct mls_kit *mls_kit_of(const json_t *one);
/* mls_assert_view: these bytes are expected. */
void mls_assert_view(struct rf_view got, struct rf_view expected);

#define VIEW(literal) rf_view_of((literal), sizeof(literal) - 1)
#define OK(call)      assert_int_equal((call), 0)
#define NOTHING       rf_view_of(NULL, 0)

#endif
