/* test_sim_slab.c - the simulator's allocator: sizes, contents, memory that goes back, memory that runs out */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "base/rng.h"
#include "sim/slab.h"

static void test_sizes(void **state)
{
    static const struct {
        size_t size, takes;
    } rows[] = {{1, 8},         {8, 8},         {9, 16},        {416, 416},      {1023, 1024}, {1024, 1024},
                {1025, 1032},   {1152, 1152},   {4095, 4096},   {4096, 4096},    {4097, 4608}, {8192, 8192},
                {16385, 18432}, {32768, 32768}, {32769, 32769}, {200000, 200000}};
    struct rf_mem_test test;
    struct sim_slab slab;
    (void)state;
    rf_mem_test_init(&test);
    sim_slab_init(&slab, &test.mem);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        void *block = rf_alloc(&slab.mem, rows[i].size);
        assert_non_null(block);
        assert_int_equal(sim_slab_size(block), rows[i].takes);
        assert_int_equal((uintptr_t)block % SLAB_ALIGN, 0);
        memset(block, 0xa5, rows[i].size);
        rf_free(&slab.mem, block);
    }
    assert_int_equal(slab.live_count, 0);
    assert_int_equal(sim_slab_deinit(&slab), 0);
    assert_int_equal(test.live_count, 0);
}

/* Blocks come, move and go by chance; each holds what was written to it. */
static void test_churn(void **state)
{
    enum { BLOCKS = 3000, ROUNDS = 60000 };
    static struct {
        uint8_t *p;
        size_t len;
        uint8_t mark;
    } blocks[BLOCKS];
    struct rf_rng_seeded rng;
    struct rf_mem_test test;
    struct sim_slab slab;
    size_t live = 0;
    (void)state;
    rf_rng_seeded_init(&rng, 11);
    rf_mem_test_init(&test);
    sim_slab_init(&slab, &test.mem);
    for (size_t round = 0; round < ROUNDS; round++) {
        size_t i = rf_rng_below(&rng.rng, BLOCKS), len = 1 + rf_rng_below(&rng.rng, 700);
        if (rf_rng_below(&rng.rng, 100) == 0)
            len *= 60; /* large ones, too */
        for (size_t k = 0; k < blocks[i].len; k++)
            assert_int_equal(blocks[i].p[k], blocks[i].mark);
        if (blocks[i].p != NULL && round % 3 == 0) {
            rf_free(&slab.mem, blocks[i].p);
            blocks[i].p = NULL;
            blocks[i].len = 0;
            live--;
            continue;
        }
        size_t kept = blocks[i].len < len ? blocks[i].len : len;
        live += blocks[i].p == NULL;
        blocks[i].p = rf_resize(&slab.mem, blocks[i].p, len);
        assert_non_null(blocks[i].p);
        for (size_t k = 0; k < kept; k++)
            assert_int_equal(blocks[i].p[k], blocks[i].mark);
        blocks[i].mark = (uint8_t)round;
        blocks[i].len = len;
        memset(blocks[i].p, blocks[i].mark, len);
    }
    assert_int_equal(slab.live_count, live);
    for (size_t i = 0; i < BLOCKS; i++)
        rf_free(&slab.mem, blocks[i].p);
    assert_int_equal(sim_slab_deinit(&slab), 0);
    assert_int_equal(test.live_count, 0);
}

/* What blocks of one size have left serves those of another. */
static void test_pages_change_size(void **state)
{
    enum { BLOCKS = 20000 };
    static void *blocks[BLOCKS];
    struct sim_slab slab;
    size_t chunks = 0;
    (void)state;
    sim_slab_init(&slab, rf_mem_system());
    for (size_t size = 100; size <= 400; size += 100) {
        size_t count = BLOCKS * 100 / size;
        for (size_t i = 0; i < count; i++)
            assert_non_null(blocks[i] = rf_alloc(&slab.mem, size));
        for (size_t i = 0; i < count; i++)
            rf_free(&slab.mem, blocks[i]);
        if (size == 100)
            chunks = slab.chunk_count;
        assert_int_equal(slab.chunk_count, chunks);
    }
    assert_int_equal(sim_slab_deinit(&slab), 0);
}

static void test_refused(void **state)
{
    struct rf_mem_test test;
    struct sim_slab slab;
    (void)state;
    rf_mem_test_init(&test);
    sim_slab_init(&slab, &test.mem);
    for (size_t allowed = 0; allowed < 2; allowed++) { /* the list of chunks, then the chunk */
        test.allowed = allowed;
        assert_null(rf_alloc(&slab.mem, 100));
    }
    test.allowed = 1;
    char *block = rf_alloc(&slab.mem, 100);
    assert_non_null(block);
    strcpy(block, "kept");
    test.allowed = 0;
    assert_null(rf_resize(&slab.mem, block, 100000));
    assert_string_equal(block, "kept");
    assert_int_equal(slab.live_count, 1);
    assert_null(rf_alloc(&slab.mem, SIZE_MAX));
    assert_int_equal(sim_slab_deinit(&slab), 1); /* it tells of what was forgotten */
    assert_int_equal(test.live_count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_churn),
        cmocka_unit_test(test_pages_change_size),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
