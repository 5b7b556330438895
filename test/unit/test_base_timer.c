/* test_base_timer.c - deadlines fire in order, equal ones in the order in which they were set. */
#include "test_base.h"

#include "base/error.h"
#include "base/rng.h"
#include "base/timer.h"

#define TIMER_COUNT 300

struct log {
    int fired[2 * TIMER_COUNT];
    size_t count;
};

struct item {
    struct rf_timer timer;
    struct log *log;
    int number;
    /* what the callback does */
    struct rf_timers *timers;
    struct item *stops, *sets;
    uint64_t sets_at_us;
};

static void note(struct rf_timer *timer, void *arg)
{
    struct item *item = arg;
    assert_false(rf_timer_is_set(timer));
    assert_ptr_equal(timer, &item->timer);
    item->log->fired[item->log->count++] = item->number;
    if (item->stops != NULL)
        rf_timer_stop(item->timers, &item->stops->timer);
    if (item->sets != NULL)
        assert_int_equal(rf_timer_set(item->timers, &item->sets->timer, item->sets_at_us), 0);
}

static void init_items(struct item *items, size_t count, struct rf_timers *timers, struct log *log)
{
    *log = (struct log){.count = 0};
    for (size_t i = 0; i < count; i++) {
        items[i] = (struct item){.log = log, .number = (int)i, .timers = timers};
        rf_timer_init(&items[i].timer, note, &items[i]);
    }
}

static void earlier_first_and_equal_in_order(void **state)
{
    static struct item items[TIMER_COUNT];
    static struct log log;
    struct rf_timers timers;
    (void)state;
    rf_timers_init(&timers, rf_mem_system());
    assert_true(rf_timers_next(&timers) == RF_NEVER);
    init_items(items, TIMER_COUNT, &timers, &log);
    for (int i = 0; i < TIMER_COUNT; i++) /* ten deadlines of thirty timers each */
        assert_int_equal(rf_timer_set(&timers, &items[i].timer, 1000 - 100 * (uint64_t)(i % 10)), 0);
    assert_true(rf_timers_next(&timers) == 100);
    assert_int_equal(rf_timers_run(&timers, 99, 1000), 0);
    assert_int_equal(rf_timers_run(&timers, 100, 1000), 30);
    assert_true(rf_timers_next(&timers) == 200);
    assert_int_equal(rf_timers_run(&timers, UINT64_MAX - 1, 7), 7); /* the limit */
    assert_int_equal(rf_timers_run(&timers, UINT64_MAX - 1, 1000), TIMER_COUNT - 37);
    assert_true(rf_timers_next(&timers) == RF_NEVER);
    for (int i = 0; i < TIMER_COUNT; i++)
        assert_int_equal(log.fired[i], 9 - i / 30 + 10 * (i % 30));
    rf_timers_deinit(&timers);
}

static void setting_again_moves_a_timer(void **state)
{
    struct item items[3];
    struct log log;
    struct rf_timers timers;
    (void)state;
    rf_timers_init(&timers, rf_mem_system());
    init_items(items, 3, &timers, &log);
    for (int i = 0; i < 3; i++)
        assert_int_equal(rf_timer_set(&timers, &items[i].timer, 10), 0);
    assert_int_equal(rf_timer_set(&timers, &items[0].timer, 10), 0); /* now the last of the three */
    assert_int_equal(rf_timer_set(&timers, &items[2].timer, 5), 0);
    assert_int_equal(timers.count, 3);
    rf_timers_run(&timers, 10, 10);
    assert_int_equal(log.count, 3);
    assert_int_equal(log.fired[0], 2);
    assert_int_equal(log.fired[1], 1);
    assert_int_equal(log.fired[2], 0);
    rf_timers_deinit(&timers);
}

static void callbacks_set_and_stop(void **state)
{
    struct item items[4];
    struct log log;
    struct rf_timers timers;
    (void)state;
    rf_timers_init(&timers, rf_mem_system());
    init_items(items, 4, &timers, &log);
    items[0].stops = &items[1]; /* is due in the same run */
    items[0].sets = &items[0];  /* itself, later */
    items[0].sets_at_us = 50;
    items[2].sets = &items[3]; /* due at once */
    items[2].sets_at_us = 0;
    for (int i = 0; i < 3; i++)
        assert_int_equal(rf_timer_set(&timers, &items[i].timer, 10), 0);
    assert_int_equal(rf_timers_run(&timers, 20, 100), 3);
    assert_int_equal(log.fired[0], 0);
    assert_int_equal(log.fired[1], 2);
    assert_int_equal(log.fired[2], 3);
    assert_true(rf_timer_is_set(&items[0].timer));
    assert_false(rf_timer_is_set(&items[1].timer));
    assert_int_equal(rf_timers_run(&timers, 1000, 5), 5); /* one that is always due again ends at the limit */
    rf_timers_deinit(&timers);
    assert_false(rf_timer_is_set(&items[0].timer));
    rf_timer_stop(&timers, &items[0].timer); /* harmless */
}

/* random sets, moves and stops against a plain table */
static void a_random_history_fires_like_a_table(void **state)
{
    static struct item items[TIMER_COUNT];
    static struct log log;
    uint64_t at_us[TIMER_COUNT], last_us = 0;
    struct rf_rng_seeded rng;
    struct rf_timers timers;
    (void)state;
    rf_rng_seeded_init(&rng, 11);
    rf_timers_init(&timers, rf_mem_system());
    init_items(items, TIMER_COUNT, &timers, &log);
    memset(at_us, 0xff, sizeof at_us);
    for (int step = 0; step < 5000; step++) {
        size_t i = rf_rng_below(&rng.rng, TIMER_COUNT);
        if (rf_rng_below(&rng.rng, 3) == 0) {
            rf_timer_stop(&timers, &items[i].timer);
            at_us[i] = RF_NEVER;
        } else {
            at_us[i] = rf_rng_below(&rng.rng, 1000);
            assert_int_equal(rf_timer_set(&timers, &items[i].timer, at_us[i]), 0);
        }
        uint64_t earliest = RF_NEVER;
        for (size_t k = 0; k < TIMER_COUNT; k++)
            earliest = at_us[k] < earliest ? at_us[k] : earliest;
        assert_true(rf_timers_next(&timers) == earliest);
    }
    rf_timers_run(&timers, 1000, SIZE_MAX);
    for (size_t i = 0; i < log.count; i++) {
        assert_true(at_us[log.fired[i]] != RF_NEVER && at_us[log.fired[i]] >= last_us);
        last_us = at_us[log.fired[i]];
        at_us[log.fired[i]] = RF_NEVER;
    }
    for (size_t k = 0; k < TIMER_COUNT; k++)
        assert_true(at_us[k] == RF_NEVER);
    rf_timers_deinit(&timers);
}

static void refused_memory_leaves_a_timer_unset(void **state)
{
    static struct item items[TIMER_COUNT];
    static struct log log;
    (void)state;
    for (size_t allowed = 0; allowed < 3; allowed++) {
        struct rf_mem_test mem;
        struct rf_timers timers;
        size_t set = 0;
        rf_mem_test_init(&mem);
        mem.allowed = allowed;
        rf_timers_init(&timers, &mem.mem);
        init_items(items, TIMER_COUNT, &timers, &log);
        while (set < TIMER_COUNT && rf_timer_set(&timers, &items[set].timer, set) == 0)
            set++;
        assert_true(set < TIMER_COUNT);
        assert_int_equal(rf_timer_set(&timers, &items[set].timer, 0), RF_ENOMEM);
        assert_false(rf_timer_is_set(&items[set].timer));
        if (set > 0) /* one that is set never fails */
            assert_int_equal(rf_timer_set(&timers, &items[0].timer, 1000), 0);
        assert_int_equal(rf_timers_run(&timers, 1000, SIZE_MAX), set);
        rf_timers_deinit(&timers);
        assert_int_equal(mem.live_count, 0);
    }
}

int test_base_timer(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(earlier_first_and_equal_in_order),
        cmocka_unit_test(setting_again_moves_a_timer),
        cmocka_unit_test(callbacks_set_and_stop),
        cmocka_unit_test(a_random_history_fires_like_a_table),
        cmocka_unit_test(refused_memory_leaves_a_timer_unset),
    };
    return cmocka_run_group_tests_name("base/timer", tests, NULL, NULL);
}
