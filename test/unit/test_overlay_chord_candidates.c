/* test_overlay_chord_candidates.c - nodes that others named: bounds, rests after failures, who is given up. */
#include "test_overlay_chord.h"

#include "base/rng.h"
#include "overlay/chord/candidates.h"

#define S ((uint64_t)1000000)

static struct rf_id small(uint32_t n)
{
    struct rf_id zero = {.len = 16};
    return rf_id_add_small(&zero, n);
}

static void notes_and_failures(void **state)
{
    struct candidates c;
    struct rf_mem_test mem;
    struct rf_id self = small(1000), node = small(2000), informer = small(3000), other = small(4000);
    (void)state;
    rf_mem_test_init(&mem);
    candidates_init(&c, &mem.mem, &self, CANDIDATES_MAX);
    assert_null(candidates_find(&c, &node));
    candidates_note(&c, &node, &informer, 10 * S);
    candidates_note(&c, &self, &informer, 10 * S);
    const struct candidate *it = candidates_find(&c, &node);
    assert_non_null(it);
    assert_int_equal(c.count, 1);
    assert_true(candidate_usable(it, 10 * S));
    assert_true(rf_id_equal(&it->informer, &informer));

    candidates_failed(&c, &node, 20 * S); /* rests 15 s */
    assert_false(candidate_usable(it, 34 * S));
    assert_int_equal(candidate_usable_at(it, 20 * S), 35 * S);
    assert_true(candidate_usable(it, 35 * S));
    candidates_failed(&c, &node, 35 * S); /* a second time: only if it is named again, and after 30 s */
    assert_true(candidate_usable_at(it, 36 * S) == UINT64_MAX);
    candidates_note(&c, &node, &other, 40 * S);
    assert_true(rf_id_equal(&it->informer, &other));
    assert_int_equal(candidate_usable_at(it, 41 * S), 65 * S);
    candidates_alive(&c, &node);
    assert_true(candidate_usable(it, 41 * S));
    for (int i = 0; i < 40; i++)
        candidates_failed(&c, &node, 50 * S);
    candidates_note(&c, &node, &other, 60 * S);
    assert_int_equal(candidate_usable_at(it, 60 * S), (50 + (15 << CANDIDATE_REST_MAX)) * S);

    candidates_rest(&c, &other, 10 * S, 12 * S);
    it = candidates_find(&c, &other);
    assert_false(candidate_usable(it, 11 * S));
    assert_true(candidate_usable(it, 12 * S));
    assert_false(candidate_usable(it, 10 * S + CANDIDATE_KEEP_US + 1));
    candidates_deinit(&c);
    assert_int_equal(mem.live_count, 0);
}

/* A node whose link broke is tried again when somebody names it after that, and not before. */
static void lost(void **state)
{
    struct candidates c;
    struct rf_mem_test mem;
    struct rf_id self = small(1000), node = small(2000), informer = small(3000);
    (void)state;
    rf_mem_test_init(&mem);
    candidates_init(&c, &mem.mem, &self, CANDIDATES_MAX);
    candidates_note(&c, &node, &informer, 10 * S);
    candidates_lost(&c, &node, 20 * S, 21 * S);
    const struct candidate *it = candidates_find(&c, &node);
    assert_false(candidate_usable(it, 60 * S));
    assert_true(candidate_usable_at(it, 60 * S) == UINT64_MAX);
    candidates_note(&c, &node, &informer, 20 * S + S / 2); /* sent before it was known */
    assert_false(candidate_usable(it, 60 * S));
    candidates_note(&c, &node, &informer, 22 * S);
    assert_true(candidate_usable(it, 22 * S));
    /* how long it has been wanted as predecessor, anew after a minute */
    assert_int_equal(candidates_wanted(&c, &node, 100 * S), 0);
    assert_int_equal(candidates_wanted(&c, &node, 103 * S), 3 * S);
    assert_int_equal(candidates_wanted(&c, &node, 200 * S), 0);
    candidates_deinit(&c);
    assert_int_equal(mem.live_count, 0);
}

static void refuses_what_is_no_node(void **state)
{
    struct candidates c;
    struct rf_mem_test mem;
    struct rf_id self = small(1000), zero = {.len = 16}, all = rf_id_wildcard(16), longer = rf_id_pow2(20, 3);
    (void)state;
    rf_mem_test_init(&mem);
    candidates_init(&c, &mem.mem, &self, CANDIDATES_MAX);
    candidates_note(&c, &zero, &self, S);
    candidates_note(&c, &all, &self, S);
    candidates_note(&c, &longer, &self, S);
    candidates_failed(&c, &self, S);
    assert_int_equal(c.count, 0);
    candidates_deinit(&c);
}

/* A client's: who is named is not put in, who failed is, and is named again. */
static void failed_only(void **state)
{
    struct candidates c;
    struct rf_id self = small(1000), informer = small(3000), node = small(2000);
    (void)state;
    candidates_init(&c, rf_mem_system(), &self, CANDIDATES_NEAR);
    c.failed_only = true;
    candidates_note(&c, &node, &informer, S);
    assert_int_equal(c.count, 0);
    candidates_failed(&c, &node, 2 * S);
    assert_int_equal(c.count, 1);
    candidates_note(&c, &node, &informer, 900 * S);
    assert_true(candidate_usable(candidates_find(&c, &node), 901 * S));
    assert_true(candidate_usable(candidates_find(&c, &node), 1700 * S));
    candidates_deinit(&c);
}

/* Without memory it is empty, with too little it makes do. */
static void little_memory(void **state)
{
    struct candidates c;
    struct rf_mem_test mem;
    struct rf_id self = small(1000), informer = small(3000);
    (void)state;
    rf_mem_test_init(&mem);
    candidates_init(&c, &mem.mem, &self, CANDIDATES_MAX);
    mem.allowed = 0;
    candidates_note(&c, &informer, &informer, S);
    candidates_failed(&c, &informer, S);
    assert_int_equal(c.count, 0);
    mem.allowed = 1;
    for (uint32_t i = 0; i < 20; i++) {
        struct rf_id node = small(2000 + i);
        candidates_note(&c, &node, &informer, (2 + i) * S);
        assert_non_null(candidates_find(&c, &node));
    }
    assert_int_equal(c.count, 2);
    candidates_deinit(&c);
    assert_int_equal(mem.live_count, 0);
}

/* However many are named: the table is bounded, and those nearest to us stay. */
static void flood(void **state)
{
    struct candidates c;
    struct rf_mem_test mem;
    struct rf_rng_seeded seeded;
    struct rf_id self = small(100000), informer = small(1), node = {.len = 16};
    (void)state;
    rf_mem_test_init(&mem);
    rf_rng_seeded_init(&seeded, 3);
    candidates_init(&c, &mem.mem, &self, CANDIDATES_MAX);
    for (uint32_t i = 1; i <= 10; i++) {
        struct rf_id above = small(100000 + i), below = small(100000 - i);
        candidates_note(&c, &above, &informer, S);
        candidates_note(&c, &below, &informer, S);
    }
    for (int i = 0; i < 5000; i++) {
        rf_rng_fill(&seeded.rng, node.b, 16);
        candidates_note(&c, &node, &informer, (2 + (uint64_t)i / 100) * S);
    }
    assert_int_equal(c.count, CANDIDATES_MAX);
    for (uint32_t i = 1; i <= 10; i++) {
        struct rf_id above = small(100000 + i), below = small(100000 - i);
        assert_non_null(candidates_find(&c, &above));
        assert_non_null(candidates_find(&c, &below));
    }
    assert_non_null(candidates_find(&c, &node)); /* the newest is in */
    candidates_deinit(&c);
}

/* The table stays in order, and finds who is in it, whoever is put in and given up. */
static void in_order(void **state)
{
    struct candidates c;
    struct rf_mem_test mem;
    struct rf_rng_seeded rng;
    struct rf_id self = small(1000);
    (void)state;
    rf_mem_test_init(&mem);
    rf_rng_seeded_init(&rng, 1);
    candidates_init(&c, &mem.mem, &self, CANDIDATES_MAX);
    for (uint32_t i = 0; i < 1000; i++) {
        struct rf_id node = small(rf_rng_below(&rng.rng, 2000) + 1);
        candidates_note(&c, &node, &self, i * S);
        assert_true(rf_id_equal(&node, &self) || candidates_find(&c, &node) != NULL);
        for (size_t k = 1; k < c.count; k++)
            assert_true(rf_id_compare(&c.list[k - 1].distance, &c.list[k].distance) < 0);
    }
    assert_int_equal(c.count, CANDIDATES_MAX);
    candidates_deinit(&c);
    assert_int_equal(mem.live_count, 0);
}

int test_overlay_chord_candidates(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(notes_and_failures),      cmocka_unit_test(lost),  cmocka_unit_test(in_order),
        cmocka_unit_test(refuses_what_is_no_node), cmocka_unit_test(flood), cmocka_unit_test(failed_only),
        cmocka_unit_test(little_memory),
    };
    return cmocka_run_group_tests_name("overlay_chord_candidates", tests, NULL, NULL);
}
