/* test_mls.c - runs the groups of the mls room's tests: all of them, or the one that is named. */
#include "test_mls.h"

#include <stdio.h>
#include <openssl/err.h>

struct mls_fixture mls;

int mls_set_up(void **state)
{
    (void)state;
    rf_mem_test_init(&mls.counting);
    rf_secret_mem_init(&mls.secret, &mls.counting.mem);
    mls.mem = &mls.secret.mem;
    rf_rng_seeded_init(&mls.rng, 9420);
    mls.crypto = rf_crypto_openssl_new(&mls.counting.mem);
    assert_non_null(mls.crypto);
    for (uint16_t i = 0; i < 2; i++)
        mls.kit[i] = (struct mls_kit){mls.mem, mls.crypto, &mls.rng.rng, mls_suite_of((uint16_t)(i + 1))};
    mls.env = (struct rf_mls_env){.mem = mls.mem, .crypto = mls.crypto, .rng = &mls.rng.rng};
    return 0;
}

int mls_tear_down(void **state)
{
    (void)state;
    rf_crypto_openssl_free(mls.crypto);
    assert_int_equal(mls.counting.live_count, 0);
    assert_int_equal(ERR_peek_error(), 0);
    return 0;
}

const struct mls_kit *mls_kit_of(const json_t *one)
{
    uint64_t suite = rf_json_number(one, "cipher_suite");

    assert_true(suite == 1 || suite == 2);
    return &mls.kit[suite - 1];
}

void mls_assert_view(struct rf_view got, struct rf_view expected)
{
    assert_int_equal(got.len, expected.len);
    if (expected.len > 0)
        assert_memory_equal(got.p, expected.p, expected.len);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(void);
    } groups[] = {
        {"codec", test_mls_codec}, {"tree", test_mls_tree}, {"passive", test_mls_passive},
        {"group", test_mls_group}, {"away", test_mls_away}, {"reject", test_mls_reject},
        {"store", test_mls_store},
    };
    int failed = 0;
    bool found = argc < 2;

    for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++)
        if (argc < 2 || strcmp(argv[1], groups[i].name) == 0) {
            failed += groups[i].run();
            found = true;
        }
    if (!found)
        fprintf(stderr, "no such group: %s\n", argv[1]);
    return failed == 0 && found ? 0 : 1;
}
