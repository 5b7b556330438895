/* test_base_rng.c - the seeded generator against published numbers, and numbers within bounds. */
#include "test_base.h"

#include <stdbool.h>
#include "base/assert.h"
#include "base/rng.h"

/* first outputs of splitmix64 seeded with 1234567 and of xoshiro256** with the state 1, 2, 3, 4, as its ports
 * test them */
static void generators_as_published(void **state)
{
    static const uint64_t splitmix[4] = {6457827717110365317u, 3203168211198807973u, 9817491932198370423u,
                                         4593380528125082431u};
    static const uint64_t xoshiro[] = {11520u, 0u, 1509978240u, 1215971899390074240u, 1216172134540287360u};
    struct rf_rng_seeded rng;
    (void)state;
    rf_rng_seeded_init(&rng, 1234567);
    for (int i = 0; i < 4; i++)
        assert_true(rng.s[i] == splitmix[i]);
    for (int i = 0; i < 4; i++)
        rng.s[i] = (uint64_t)i + 1;
    for (size_t i = 0; i < RF_COUNT(xoshiro); i++)
        assert_true(rf_rng_u64(&rng.rng) == xoshiro[i]);
}

static void the_seed_decides_everything(void **state)
{
    struct rf_rng_seeded a, b, c;
    uint8_t x[100], y[100], z[100];
    (void)state;
    rf_rng_seeded_init(&a, 5);
    rf_rng_seeded_init(&b, 5);
    rf_rng_seeded_init(&c, 6);
    rf_rng_fill(&a.rng, x, sizeof x);
    rf_rng_fill(&b.rng, y, sizeof y);
    rf_rng_fill(&c.rng, z, sizeof z);
    assert_memory_equal(x, y, sizeof x);
    assert_memory_not_equal(x, z, sizeof x);
    rf_rng_fill(&a.rng, NULL, 0);
    assert_true(rf_rng_u64(&a.rng) == rf_rng_u64(&b.rng));
}

static void numbers_stay_within_bounds(void **state)
{
    struct rf_rng_seeded rng;
    unsigned hits[6] = {0};
    bool low = false, high = false;
    (void)state;
    rf_rng_seeded_init(&rng, 1);
    for (int i = 0; i < 60000; i++)
        hits[rf_rng_below(&rng.rng, 6)]++;
    for (int i = 0; i < 6; i++)
        assert_in_range(hits[i], 9500, 10500);
    assert_int_equal(rf_rng_below(&rng.rng, 1), 0);
    for (int i = 0; i < 200; i++) {
        uint64_t v = rf_rng_between(&rng.rng, 10, 13);
        assert_in_range(v, 10, 13);
        low |= v == 10;
        high |= v == 13;
    }
    assert_true(low && high);
    assert_int_equal(rf_rng_between(&rng.rng, 7, 7), 7);
    assert_true(rf_rng_between(&rng.rng, UINT64_MAX, UINT64_MAX) == UINT64_MAX);
    assert_true(rf_rng_between(&rng.rng, 0, UINT64_MAX) != rf_rng_between(&rng.rng, 0, UINT64_MAX));
}

/* a generator that replays given numbers shows which of them are thrown away */
static void replay_fill(void *ctx, void *out, size_t len)
{
    const uint64_t **next = ctx;
    uint64_t v = *(*next)++;
    for (size_t i = 0; i < len; i++)
        ((uint8_t *)out)[i] = (uint8_t)(v >> 8 * i);
}

static void the_surplus_is_thrown_away(void **state)
{
    /* 2^64 mod 10 is 6: 0..5 are drawn again, 6 is the first that counts */
    static const uint64_t numbers[] = {0, 5, 6, UINT64_MAX};
    const uint64_t *next = numbers;
    struct rf_rng rng = {replay_fill, &next};
    (void)state;
    assert_int_equal(rf_rng_below(&rng, 10), 6);
    assert_ptr_equal(next, numbers + 3);
    assert_int_equal(rf_rng_below(&rng, 10), UINT64_MAX % 10);
    assert_ptr_equal(next, numbers + 4);
}

int test_base_rng(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(generators_as_published),
        cmocka_unit_test(the_seed_decides_everything),
        cmocka_unit_test(numbers_stay_within_bounds),
        cmocka_unit_test(the_surplus_is_thrown_away),
    };
    return cmocka_run_group_tests_name("base/rng", tests, NULL, NULL);
}
