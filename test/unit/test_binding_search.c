/* test_binding_search.c - the search for the time that a NAT keeps what is idle, against NATs of all sorts, on a virtual clock. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "base/rng.h"
#include "base/timer.h"
#include "node/binding_search.h"

#define S     UINT64_C(1000000)
#define LEAST (15 * S)
#define MOST  (600 * S)
#define USUAL (60 * S)

/* A NAT that looks at its table every `sweep_us`, keeps what is idle for keeps_us, other_us from `changes_us` on, and loses `loss` percent of what is sent. */
struct nat {
    uint64_t keeps_us, sweep_us, changes_us, other_us;
    unsigned loss;
    uint64_t now_us;
    struct rf_rng_seeded rng;
};

static bool keeps(struct nat *nat, uint64_t idle_us)
{
    nat->now_us += idle_us;
    uint64_t us = nat->changes_us != 0 && nat->now_us >= nat->changes_us ? nat->other_us : nat->keeps_us;
    if (nat->sweep_us != 0) /* gone with the first look after its time */
        us += rf_rng_below(&nat->rng.rng, nat->sweep_us);
    return idle_us < us && rf_rng_below(&nat->rng.rng, 100) >= nat->loss;
}

/* Tries until enough is known; returns how many tries it took. */
static unsigned learn(struct binding_search *s, struct nat *nat)
{
    unsigned tries = 0;
    for (uint64_t us; (us = binding_next(s)) != 0; tries++) {
        assert_true(tries < 60);
        assert_true(us >= LEAST && us <= MOST);
        if (keeps(nat, us))
            binding_kept(s, us);
        else
            binding_lost(s, us);
    }
    return tries;
}

static void nat_init(struct nat *nat, uint64_t keeps_us)
{
    memset(nat, 0, sizeof(*nat));
    nat->keeps_us = keeps_us;
    rf_rng_seeded_init(&nat->rng, keeps_us);
}

/* Every time from less than the least to more than the most: what is used is less, and not much less. */
static void test_all_times(void **state)
{
    (void)state;
    for (uint64_t keeps_us = 5 * S; keeps_us < 900 * S; keeps_us += 7 * S / 3) {
        struct nat nat;
        nat_init(&nat, keeps_us);
        struct binding_search s;
        binding_search_init(&s, LEAST, MOST, USUAL);
        assert_int_equal(binding_safe(&s), 0);
        assert_true(learn(&s, &nat) <= 12);
        assert_true(nat.now_us < 3600 * S);
        uint64_t safe_us = binding_safe(&s);
        if (keeps_us > LEAST) {
            assert_true(safe_us < keeps_us);
            uint64_t limit_us = keeps_us < MOST ? keeps_us : MOST;
            assert_true(safe_us >= limit_us / 2); /* 4/5 of at least 4/5 of it */
            assert_true(safe_us >= limit_us * 63 / 100);
        } else { /* it is worse than any: as good as can be */
            assert_true(safe_us > 0 && safe_us <= LEAST / 2);
        }
        assert_true(s.kept_us < keeps_us);
        assert_true(s.lost_us == 0 || s.lost_us >= keeps_us);
    }
}

/* While it learns it never uses more than what was kept. */
static void test_meanwhile(void **state)
{
    (void)state;
    for (uint64_t keeps_us = 20 * S; keeps_us < 700 * S; keeps_us += 11 * S) {
        struct nat nat;
        nat_init(&nat, keeps_us);
        struct binding_search s;
        binding_search_init(&s, LEAST, MOST, USUAL);
        for (uint64_t us; (us = binding_next(&s)) != 0;) {
            if (keeps(&nat, us))
                binding_kept(&s, us);
            else
                binding_lost(&s, us);
            if (s.kept_us != 0) /* else the usual was too long, and half of what was lost is the best guess */
                assert_true(binding_safe(&s) < keeps_us);
        }
    }
}

/* One that sweeps now and then: the shortest that it may keep counts, but for luck; used is four fifths of what was kept. */
static void test_sweeps(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 100; seed++) {
        struct nat nat;
        nat_init(&nat, 120 * S);
        nat.sweep_us = 20 * S;
        rf_rng_seeded_init(&nat.rng, seed);
        struct binding_search s;
        binding_search_init(&s, LEAST, MOST, USUAL);
        learn(&s, &nat);
        assert_true(binding_safe(&s) < 120 * S && binding_safe(&s) >= 90 * S);
    }
}

/* What is lost on its way now and then makes it end below, never above. */
static void test_losses(void **state)
{
    (void)state;
    unsigned low = 0;
    for (uint64_t seed = 1; seed <= 1000; seed++) {
        struct nat nat;
        nat_init(&nat, 300 * S);
        nat.loss = 2;
        rf_rng_seeded_init(&nat.rng, seed);
        struct binding_search s;
        binding_search_init(&s, LEAST, MOST, USUAL);
        learn(&s, &nat);
        assert_true(binding_safe(&s) < 300 * S);
        low += binding_safe(&s) < 150 * S;
    }
    assert_in_range(low, 0, 40); /* of a thousand: nearly always the second look tells */
}

/* It changes its mind while it is being learned. */
static void test_changes(void **state)
{
    (void)state;
    for (uint64_t at_us = 30 * S; at_us < 2400 * S; at_us += 90 * S) {
        struct nat nat;
        nat_init(&nat, 400 * S);
        nat.changes_us = at_us;
        nat.other_us = 50 * S;
        struct binding_search s;
        binding_search_init(&s, LEAST, MOST, USUAL);
        learn(&s, &nat);
        uint64_t safe_us = binding_safe(&s);
        if (safe_us < 50 * S)
            continue;
        nat.now_us = nat.now_us < at_us ? at_us : nat.now_us;
        /* it had learned more before: in use that breaks, is halved at once each time, and learned anew */
        unsigned breaks = 0;
        while (safe_us >= 50 * S) {
            binding_broken(&s, safe_us);
            assert_int_equal(binding_safe(&s), safe_us / 2);
            safe_us = binding_safe(&s);
            assert_true(++breaks < 5);
        }
        learn(&s, &nat);
        assert_true(binding_safe(&s) < 50 * S && binding_safe(&s) >= 25 * S);
    }
}

/* It was restarted, and is as it was: halved, learned anew, and back where it was. */
static void test_restarted(void **state)
{
    (void)state;
    struct nat nat;
    nat_init(&nat, 300 * S);
    struct binding_search s;
    binding_search_init(&s, LEAST, MOST, USUAL);
    learn(&s, &nat);
    uint64_t safe_us = binding_safe(&s);
    binding_broken(&s, safe_us);
    assert_int_equal(binding_safe(&s), safe_us / 2);
    assert_int_equal(binding_next(&s), safe_us / 2);
    learn(&s, &nat);
    assert_true(binding_safe(&s) < 300 * S && binding_safe(&s) >= safe_us * 4 / 5);
    for (unsigned i = 0; i < 20; i++) /* again and again: never below the least half */
        binding_broken(&s, binding_safe(&s));
    assert_true(binding_next(&s) >= LEAST);
}

/* Halved and lost once more: it goes down, not up. */
static void test_halved_and_lost(void **state)
{
    (void)state;
    struct binding_search s;
    binding_search_init(&s, LEAST, MOST, USUAL);
    binding_kept(&s, 400 * S);
    binding_broken(&s, 320 * S);
    assert_int_equal(binding_safe(&s), 160 * S);
    binding_lost(&s, 160 * S);
    assert_int_equal(binding_safe(&s), 64 * S);
    binding_lost(&s, 80 * S);
    assert_int_equal(binding_safe(&s), 32 * S);
    binding_kept(&s, 40 * S);
    assert_int_equal(binding_safe(&s), 32 * S);
}

/* What was lost once and is kept then was an accident. */
static void test_accident(void **state)
{
    (void)state;
    struct binding_search s;
    binding_search_init(&s, LEAST, MOST, 100 * S);
    binding_kept(&s, 100 * S);
    binding_lost(&s, 200 * S);
    binding_kept(&s, 150 * S);
    binding_kept(&s, 175 * S);
    assert_int_equal(binding_next(&s), 200 * S);
    binding_kept(&s, 200 * S);
    assert_int_equal(s.lost_us, 0);
    assert_int_equal(binding_next(&s), 400 * S);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_times),       cmocka_unit_test(test_meanwhile),
        cmocka_unit_test(test_sweeps),          cmocka_unit_test(test_losses),
        cmocka_unit_test(test_changes),         cmocka_unit_test(test_restarted),
        cmocka_unit_test(test_halved_and_lost), cmocka_unit_test(test_accident),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
