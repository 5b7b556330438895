/* test_sim_den.c - where simulated clients sleep: whoever wakes finds all as he left it, at the same addresses; what does not fit; memory that runs out */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "base/rng.h"
#include "sim/den.h"
#include "sim/slab.h"

enum { DWELLERS = 40, BLOCKS = 60, ROUNDS = 4000 };

struct dweller {
    uint8_t *blocks[BLOCKS];
    size_t lens[BLOCKS];
    uint8_t *copies[BLOCKS]; /* of the contents, outside */
    void *asleep;
};

/* What a client does between two naps: some blocks come, go, move, and change here and there. */
static void live(struct dweller *d, struct sim_den *den, struct rf_rng *rng)
{
    for (size_t n = rf_rng_below(rng, 12); n > 0; n--) {
        size_t i = rf_rng_below(rng, BLOCKS);
        if (d->blocks[i] != NULL && rf_rng_below(rng, 3) == 0) {
            rf_free(&den->mem, d->blocks[i]);
            free(d->copies[i]);
            d->blocks[i] = d->copies[i] = NULL;
            d->lens[i] = 0;
            continue;
        }
        size_t len = 1 + rf_rng_below(rng, i % 9 == 0 ? 40000 : 400), old = d->lens[i];
        d->blocks[i] = rf_resize(&den->mem, d->blocks[i], len);
        d->copies[i] = realloc(d->copies[i], len);
        assert_non_null(d->blocks[i]);
        if (len > old) {
            memset(d->blocks[i] + old, 0, len - old);
            memset(d->copies[i] + old, 0, len - old);
        }
        d->lens[i] = len;
        for (size_t k = rf_rng_below(rng, 20); k > 0; k--) {
            size_t at = rf_rng_below(rng, (uint32_t)len);
            d->blocks[i][at] = d->copies[i][at] = (uint8_t)rf_rng_below(rng, 256);
        }
    }
}

static void check(const struct dweller *d)
{
    for (size_t i = 0; i < BLOCKS; i++)
        if (d->blocks[i] != NULL)
            assert_memory_equal(d->blocks[i], d->copies[i], d->lens[i]);
}

static void leave(struct dweller *d, struct sim_den *den)
{
    for (size_t i = 0; i < BLOCKS; i++) {
        rf_free(&den->mem, d->blocks[i]);
        free(d->copies[i]);
    }
    memset(d, 0, sizeof(*d));
}

/* Many take turns. What one processor has packed, another that can do less unpacks, and the other way round. */
static void test_turns(void **state)
{
    static struct dweller dwellers[DWELLERS];
    struct rf_rng_seeded rng;
    struct rf_mem_test test;
    struct sim_slab slab;
    struct sim_den den;
    struct dweller *awake = NULL;
    (void)state;
    rf_rng_seeded_init(&rng, 12);
    rf_mem_test_init(&test);
    sim_slab_init(&slab, &test.mem);
    assert_int_equal(sim_den_init(&den, &slab.mem), 0);
    const struct packer *best = den.packer;
    for (size_t round = 0; round < ROUNDS; round++) {
        struct dweller *d = &dwellers[rf_rng_below(&rng.rng, DWELLERS)];
        if (rf_rng_below(&rng.rng, 2) == 0)
            sim_den_plainly(&den);
        else
            den.packer = best;
        if (awake != NULL && awake != d)
            assert_non_null(awake->asleep = sim_den_sleep(&den, round % 7 == 0));
        if (d->asleep != NULL)
            sim_den_wake(&den, d->asleep);
        else if (d != awake)
            sim_den_clear(&den);
        d->asleep = NULL;
        awake = d;
        check(d);
        live(d, &den, &rng.rng);
        check(d);
        if (rf_rng_below(&rng.rng, 50) == 0) {
            leave(d, &den);
            assert_true(sim_den_empty(&den));
            awake = NULL;
        }
    }
    assert_true(den.typical > 0 && den.patterns[1] != NULL);
    for (size_t i = 0; i < DWELLERS; i++) {
        if (dwellers[i].asleep != NULL) {
            if (awake != NULL)
                leave(awake, &den);
            awake = NULL;
            sim_den_wake(&den, dwellers[i].asleep);
            check(&dwellers[i]);
            leave(&dwellers[i], &den);
        }
    }
    sim_den_deinit(&den);
    assert_int_equal(sim_slab_deinit(&slab), 0);
    assert_int_equal(test.live_count, 0);
}

/* Packed is what differs: of somebody who is as the pattern nearly nothing, of one who holds 8 kB of his own that and a little. Both ways are the same. */
static void test_packed(void **state)
{
    struct rf_rng_seeded rng;
    struct sim_slab slab;
    struct sim_den dens[2];
    void *first[2], *like[2], *own[2];
    uint8_t noise[8192];
    (void)state;
    rf_rng_seeded_init(&rng, 3);
    rf_rng_fill(&rng.rng, noise, sizeof(noise));
    sim_slab_init(&slab, rf_mem_system());
    for (size_t i = 0; i < 2; i++) {
        struct sim_den *den = &dens[i];
        uint8_t *a, *b, *c;
        assert_int_equal(sim_den_init(den, &slab.mem), 0);
        if (i == 1)
            sim_den_plainly(den);
        assert_non_null(a = rf_alloc(&den->mem, 100));
        assert_non_null(b = rf_alloc(&den->mem, 8000));
        memcpy(a, noise, 100);
        memcpy(b, noise, 8000);
        assert_non_null(first[i] = sim_den_sleep(den, true));
        sim_den_clear(den);
        assert_ptr_equal(rf_alloc(&den->mem, 100), a); /* at the same place as for the one before */
        assert_ptr_equal(rf_alloc(&den->mem, 8000), b);
        memcpy(a, noise, 100);
        memcpy(b, noise, 8000);
        b[77]++;
        assert_non_null(like[i] = sim_den_sleep(den, false));
        assert_true(sim_den_packed(like[i]) <= 128);
        sim_den_clear(den);
        assert_non_null(c = rf_alloc(&den->mem, sizeof(noise)));
        for (size_t k = 0; k < sizeof(noise); k++)
            c[k] = noise[k] ^ 0xff;
        assert_non_null(own[i] = sim_den_sleep(den, false));
        assert_in_range(sim_den_packed(own[i]), 8192, 9216);
    }
    const uint32_t *len = own[0];
    assert_memory_equal(own[0], own[1], 2 * sizeof(*len) + *len);
    len = like[0];
    assert_memory_equal(like[0], like[1], 2 * sizeof(*len) + *len);
    for (size_t i = 0; i < 2; i++) {
        rf_free(&slab.mem, first[i]);
        rf_free(&slab.mem, like[i]);
        rf_free(&slab.mem, own[i]);
        sim_den_deinit(&dens[i]);
    }
    assert_int_equal(sim_slab_deinit(&slab), 0);
}

/* Whoever slept first is no good pattern if all others are different: one of them is chosen, and the old one forgotten when nobody is packed by it. */
static void test_chosen(void **state)
{
    struct rf_rng_seeded rng;
    struct rf_mem_test test;
    struct sim_slab slab;
    struct sim_den den;
    size_t packed = 0, patterns = 0;
    (void)state;
    rf_rng_seeded_init(&rng, 5);
    rf_mem_test_init(&test);
    sim_slab_init(&slab, &test.mem);
    assert_int_equal(sim_den_init(&den, &slab.mem), 0);
    for (size_t i = 0; i < 2000; i++) {
        uint8_t *block = rf_alloc(&den.mem, 4000);
        assert_non_null(block);
        memset(block, i == 0 ? 1 : 2, 4000);
        rf_rng_fill(&rng.rng, block + 100, 50);
        void *asleep = sim_den_sleep(&den, true);
        assert_non_null(asleep);
        packed = sim_den_packed(asleep);
        assert_true(i != 1 || packed > 4000); /* nothing is as it was in the first one */
        sim_den_wake(&den, asleep);
        rf_free(&den.mem, block);
    }
    assert_true(packed < 200);
    for (size_t i = 0; i < DEN_PATTERNS; i++)
        patterns += den.patterns[i] != NULL;
    assert_in_range(patterns, 1, 2);
    sim_den_deinit(&den);
    assert_int_equal(sim_slab_deinit(&slab), 0);
    assert_int_equal(test.live_count, 0);
}

/* Blocks that are too large, or too many of a size, come from below. */
static void test_outside(void **state)
{
    static void *blocks[DEN_BLOCKS + 10];
    struct sim_slab slab;
    struct sim_den den;
    (void)state;
    sim_slab_init(&slab, rf_mem_system());
    assert_int_equal(sim_den_init(&den, &slab.mem), 0);
    size_t before = slab.live_count;
    char *large = rf_alloc(&den.mem, DEN_ROOM_LEN + 1), *moved;
    assert_non_null(large);
    assert_int_equal(slab.live_count, before + 1);
    assert_true(sim_den_size(&den, large) >= DEN_ROOM_LEN + 1);
    strcpy(large, "kept");
    assert_non_null(moved = rf_resize(&den.mem, large, 100));
    assert_string_equal(moved, "kept");
    rf_free(&den.mem, moved);
    char *small = rf_alloc(&den.mem, 30);
    assert_int_equal(sim_den_size(&den, small), 32);
    strcpy(small, "grows");
    assert_non_null(large = rf_resize(&den.mem, small, DEN_ROOM_LEN + 100));
    assert_string_equal(large, "grows");
    assert_true(sim_den_empty(&den));
    rf_free(&den.mem, large);
    assert_int_equal(slab.live_count, before);
    for (size_t i = 0; i < DEN_BLOCKS + 10; i++)
        assert_non_null(blocks[i] = rf_alloc(&den.mem, 16));
    assert_int_equal(slab.live_count, before + 10);
    for (size_t i = 0; i < DEN_BLOCKS + 10; i++)
        rf_free(&den.mem, blocks[i]);
    assert_int_equal(slab.live_count, before);
    assert_true(sim_den_empty(&den));
    sim_den_deinit(&den);
    assert_int_equal(sim_slab_deinit(&slab), 0);
}

static void test_refused(void **state)
{
    struct rf_mem_test test;
    struct sim_den den;
    (void)state;
    rf_mem_test_init(&test);
    for (size_t allowed = 0; allowed < 3; allowed++) {
        test.allowed = allowed;
        assert_int_not_equal(sim_den_init(&den, &test.mem), 0);
        assert_int_equal(test.live_count, 0);
    }
    test.allowed = 3;
    assert_int_equal(sim_den_init(&den, &test.mem), 0);
    char *block = rf_alloc(&den.mem, 200);
    assert_non_null(block); /* there is room */
    strcpy(block, "kept");
    assert_null(rf_resize(&den.mem, block, DEN_ROOM_LEN + 1));
    assert_null(sim_den_sleep(&den, true)); /* no pattern */
    test.allowed = 1;
    assert_null(sim_den_sleep(&den, true)); /* nowhere to be packed */
    assert_string_equal(block, "kept");
    test.allowed = 1;
    void *asleep = sim_den_sleep(&den, true);
    assert_non_null(asleep);
    sim_den_clear(&den);
    sim_den_wake(&den, asleep);
    assert_string_equal(block, "kept");
    rf_free(&den.mem, block);
    assert_true(sim_den_empty(&den));
    sim_den_deinit(&den);
    assert_int_equal(test.live_count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_turns),   cmocka_unit_test(test_packed),  cmocka_unit_test(test_chosen),
        cmocka_unit_test(test_outside), cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
