/* test_base_mem.c - allocators and regions. */
#include "test_base.h"

#include "base/region.h"

static void helpers_allocate_and_copy(void **state)
{
    struct rf_mem_test mem;
    (void)state;
    rf_mem_test_init(&mem);
    uint8_t *p = rf_zalloc(&mem.mem, 100);
    for (int i = 0; i < 100; i++)
        assert_int_equal(p[i], 0);
    p[0] = 7;
    p = rf_resize(&mem.mem, p, 10000);
    assert_int_equal(p[0], 7);
    char *text = rf_strdup(&mem.mem, "hello");
    assert_string_equal(text, "hello");
    void *copy = rf_memdup(&mem.mem, "xyz", 3);
    assert_memory_equal(copy, "xyz", 3);
    void *empty = rf_memdup(&mem.mem, NULL, 0);
    assert_non_null(empty);
    assert_int_equal(mem.live_count, 4);
    rf_free(&mem.mem, NULL);
    rf_free_secret(&mem.mem, NULL, 5);
    rf_free(&mem.mem, p);
    rf_free_secret(&mem.mem, text, 6);
    rf_free(&mem.mem, copy);
    rf_free(&mem.mem, empty);
    assert_int_equal(mem.live_count, 0);
}

static void the_test_allocator_refuses_in_time(void **state)
{
    struct rf_mem_test mem;
    (void)state;
    rf_mem_test_init(&mem);
    mem.allowed = 2;
    void *a = rf_alloc(&mem.mem, 1), *b = rf_alloc(&mem.mem, 1);
    assert_non_null(a);
    assert_non_null(b);
    assert_null(rf_alloc(&mem.mem, 1));
    assert_null(rf_zalloc(&mem.mem, 1));
    assert_null(rf_resize(&mem.mem, a, 2)); /* and leaves a alone */
    assert_null(rf_strdup(&mem.mem, "x"));
    rf_free(&mem.mem, a);
    rf_free(&mem.mem, b);
    assert_int_equal(mem.live_count, 0);
    assert_null(rf_alloc(&mem.mem, 1)); /* freeing does not buy another one */
}

/* last_secret looks at a block in the moment it is freed */
struct peek {
    struct rf_mem mem;
    uint8_t block[8];
    bool wiped;
};

static void *peek_resize(void *ctx, void *ptr, size_t size)
{
    static const uint8_t zero[8];
    struct peek *peek = ctx;
    if (size == 0 && ptr == peek->block)
        peek->wiped = memcmp(ptr, zero, sizeof zero) == 0;
    return NULL;
}

static void secrets_are_wiped_before_they_are_freed(void **state)
{
    struct peek peek = {.block = "secret!"};
    (void)state;
    peek.mem = (struct rf_mem){peek_resize, &peek};
    rf_free(&peek.mem, peek.block);
    assert_false(peek.wiped);
    rf_free_secret(&peek.mem, peek.block, sizeof peek.block);
    assert_true(peek.wiped);
}

static void a_region_hands_out_zeroed_aligned_memory(void **state)
{
    struct rf_mem_test mem;
    struct rf_region region;
    uint8_t *before[300];
    (void)state;
    rf_mem_test_init(&mem);
    rf_region_init(&region, &mem.mem, 1 << 20);
    for (int round = 0; round < 3; round++) {
        size_t used = 0;
        for (size_t i = 0; i < 300; i++) {
            size_t size = i * 7 % 400 + 1;
            uint8_t *p = rf_region_alloc(&region, size);
            assert_non_null(p);
            assert_int_equal((uintptr_t)p % _Alignof(max_align_t), 0);
            for (size_t k = 0; k < size; k++)
                assert_int_equal(p[k], 0);
            memset(p, (int)(i & 0xff), size);
            before[i] = p;
            used += size;
        }
        for (size_t i = 0; i < 300; i++) /* nobody wrote into anybody else's */
            for (size_t k = 0; k < i * 7 % 400 + 1; k++)
                assert_int_equal(before[i][k], i & 0xff);
        assert_int_equal(region.used_len, used);
        assert_true(round > 0 || mem.live_count > 1); /* later the one chunk that was kept suffices */
        rf_region_reset(&region);
        assert_int_equal(region.used_len, 0);
        assert_int_equal(mem.live_count, 1);
    }
    rf_region_deinit(&region);
    assert_int_equal(mem.live_count, 0);
}

static void a_region_keeps_its_limit(void **state)
{
    struct rf_mem_test mem;
    struct rf_region region;
    (void)state;
    rf_mem_test_init(&mem);
    rf_region_init(&region, &mem.mem, 100000);
    assert_null(rf_region_alloc(&region, 100001));
    assert_null(rf_region_alloc(&region, SIZE_MAX));
    assert_null(rf_region_array(&region, SIZE_MAX / 2, 3));
    assert_int_equal(mem.live_count, 0);
    assert_non_null(rf_region_alloc(&region, 0));
    assert_non_null(rf_region_array(&region, 10, 10));
    assert_non_null(rf_region_array(&region, 99, 1000)); /* larger than any usual chunk */
    assert_non_null(rf_region_alloc(&region, 900));
    assert_null(rf_region_alloc(&region, 1));
    assert_non_null(rf_region_alloc(&region, 0));
    struct rf_view v = rf_region_copy(&region, rf_view_str("x"));
    assert_null(v.p);
    rf_region_deinit(&region);
    rf_region_init(&region, &mem.mem, 10);
    v = rf_region_copy(&region, rf_view_str("ten bytes!"));
    assert_true(rf_view_equal(v, rf_view_str("ten bytes!")));
    rf_region_deinit(&region);
    assert_int_equal(mem.live_count, 0);
}

static void a_region_survives_refused_memory(void **state)
{
    (void)state;
    for (size_t allowed = 0; allowed < 4; allowed++) {
        struct rf_mem_test mem;
        struct rf_region region;
        size_t count = 0;
        rf_mem_test_init(&mem);
        mem.allowed = allowed;
        rf_region_init(&region, &mem.mem, 1 << 20);
        while (count < 1000 && rf_region_alloc(&region, 100) != NULL)
            count++;
        assert_true(count < 1000);
        assert_int_equal(mem.live_count, allowed);
        assert_int_equal(region.used_len, count * 100);
        rf_region_deinit(&region);
        assert_int_equal(mem.live_count, 0);
    }
}

int test_base_mem(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(helpers_allocate_and_copy),
        cmocka_unit_test(the_test_allocator_refuses_in_time),
        cmocka_unit_test(secrets_are_wiped_before_they_are_freed),
        cmocka_unit_test(a_region_hands_out_zeroed_aligned_memory),
        cmocka_unit_test(a_region_keeps_its_limit),
        cmocka_unit_test(a_region_survives_refused_memory),
    };
    return cmocka_run_group_tests_name("base/mem, base/region", tests, NULL, NULL);
}
