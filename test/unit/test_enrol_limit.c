/* test_enrol_limit.c - leaky buckets on a virtual clock. */
#include "test_enrol.h"

#include <stdio.h>
#include "enrol/limit.h"

static const uint64_t seed[2] = {1, 2};

static void test_burst_and_refill(void **state)
{
    struct rf_mem_test mem;
    struct rf_limit limit;
    uint64_t wait_us = 0;
    struct rf_view a = rf_view_str("a"), b = rf_view_str("b");
    (void)state;
    rf_mem_test_init(&mem);
    rf_limit_init(&limit, &mem.mem, seed, 8, 3, 1000);
    for (int i = 0; i < 3; i++)
        assert_int_equal(rf_limit_take(&limit, a, 1, 5000, &wait_us), RF_OK);
    assert_int_equal(rf_limit_take(&limit, a, 1, 5000, &wait_us), RF_ELIMIT);
    assert_int_equal(wait_us, 1000);
    assert_int_equal(rf_limit_take(&limit, b, 3, 5000, &wait_us), RF_OK); /* another key is not touched */
    assert_int_equal(rf_limit_take(&limit, a, 1, 5999, &wait_us), RF_ELIMIT);
    assert_int_equal(wait_us, 1);
    assert_int_equal(rf_limit_take(&limit, a, 1, 6000, &wait_us), RF_OK);
    assert_int_equal(rf_limit_take(&limit, a, 2, 7000, &wait_us), RF_ELIMIT);
    assert_int_equal(wait_us, 1000);
    /* a long silence fills the bucket, and no more than that */
    assert_int_equal(rf_limit_take(&limit, a, 3, 1000000, &wait_us), RF_OK);
    assert_int_equal(rf_limit_take(&limit, a, 1, 1000000, &wait_us), RF_ELIMIT);
    rf_limit_deinit(&limit);
    assert_int_equal(mem.live_count, 0);
}

static void test_give_back(void **state)
{
    struct rf_limit limit;
    uint64_t wait_us = 0;
    struct rf_view a = rf_view_str("a");
    (void)state;
    rf_limit_init(&limit, rf_mem_system(), seed, 8, 3, 1000);
    rf_limit_give(&limit, a, 3, 10); /* nobody of that name: no error, no gain */
    assert_int_equal(rf_limit_take(&limit, a, 3, 10, &wait_us), RF_OK);
    rf_limit_give(&limit, a, 2, 10);
    assert_int_equal(rf_limit_take(&limit, a, 2, 10, &wait_us), RF_OK);
    assert_int_equal(rf_limit_take(&limit, a, 1, 10, &wait_us), RF_ELIMIT);
    rf_limit_give(&limit, a, 100, 10); /* never above the burst */
    assert_int_equal(rf_limit_take(&limit, a, 3, 10, &wait_us), RF_OK);
    assert_int_equal(rf_limit_take(&limit, a, 1, 10, &wait_us), RF_ELIMIT);
    rf_limit_deinit(&limit);
}

/* A flood of other keys throws out who was silent longest, and never grows the table. */
static void test_bounded(void **state)
{
    struct rf_mem_test mem;
    struct rf_limit limit;
    uint64_t wait_us = 0;
    char key[16];
    (void)state;
    rf_mem_test_init(&mem);
    rf_limit_init(&limit, &mem.mem, seed, 4, 1, 1000000);
    for (int i = 0; i < 50; i++) {
        snprintf(key, sizeof(key), "key %d", i);
        assert_int_equal(rf_limit_take(&limit, rf_view_str(key), 1, 10, &wait_us), RF_OK);
        assert_true(limit.map.count <= 4);
    }
    assert_int_equal(rf_limit_take(&limit, rf_view_str("key 49"), 1, 10, &wait_us), RF_ELIMIT);
    assert_int_equal(rf_limit_take(&limit, rf_view_str("key 46"), 1, 10, &wait_us), RF_ELIMIT);
    /* once all are full again, they are forgotten by the next newcomers */
    for (int i = 0; i < 3; i++) {
        snprintf(key, sizeof(key), "new %d", i);
        assert_int_equal(rf_limit_take(&limit, rf_view_str(key), 1, 5000000, &wait_us), RF_OK);
    }
    assert_true(limit.map.count <= 3);
    rf_limit_deinit(&limit);
    assert_int_equal(mem.live_count, 0);
}

static void test_no_memory(void **state)
{
    struct rf_mem_test mem;
    struct rf_limit limit;
    uint64_t wait_us = 0;
    (void)state;
    for (size_t allowed = 0; allowed < 4; allowed++) {
        rf_mem_test_init(&mem);
        mem.allowed = allowed;
        rf_limit_init(&limit, &mem.mem, seed, 4, 1, 1000);
        int e = rf_limit_take(&limit, rf_view_str("a"), 1, 10, &wait_us);
        assert_true(e == (allowed < 2 ? RF_ENOMEM : RF_OK)); /* a bucket, and the table's array */
        rf_limit_deinit(&limit);
        assert_int_equal(mem.live_count, 0);
    }
}

int test_enrol_limit(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_burst_and_refill),
        cmocka_unit_test(test_give_back),
        cmocka_unit_test(test_bounded),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests_name("enrol limit", tests, NULL, NULL);
}
