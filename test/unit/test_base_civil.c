/* test_base_civil.c - calendar dates against known instants, and every day there and back. */
#include "test_base.h"

#include "base/assert.h"
#include "base/civil.h"

static void known_instants(void **state)
{
    static const struct {
        struct rf_civil date;
        uint64_t ms;
    } rows[] = {
        {{1970, 1, 1, 0, 0, 0}, 0},
        {{1999, 12, 31, 23, 59, 59}, 946684799000},
        {{2000, 2, 29, 12, 0, 0}, 951825600000},
        {{2010, 12, 22, 16, 0, 0}, 1293033600000},
        {{2038, 1, 19, 3, 14, 8}, 2147483648000},
        {{2100, 3, 1, 0, 0, 0}, 4107542400000},
        {{9999, 12, 31, 23, 59, 59}, 253402300799000},
    };
    (void)state;
    for (size_t i = 0; i < RF_COUNT(rows); i++) {
        assert_true(rf_civil_valid(&rows[i].date));
        assert_true(rf_civil_ms(&rows[i].date) == rows[i].ms);
        struct rf_civil back = rf_civil_from_ms(rows[i].ms + 999); /* parts of a second are cut */
        assert_memory_equal(&back, &rows[i].date, sizeof back);
    }
}

static void every_day_there_and_back(void **state)
{
    uint64_t count = 0;
    (void)state;
    for (int year = 1970; year <= 2405; year++)
        for (int month = 1; month <= 12; month++)
            for (int day = 1; day <= 31; day++) {
                struct rf_civil date = {year, month, day, 23, 59, 58}, back;
                if (!rf_civil_valid(&date))
                    continue;
                assert_true(rf_civil_ms(&date) ==
                            (count++ * 86400 + 86398) * 1000); /* no gap, nothing twice */
                back = rf_civil_from_ms(rf_civil_ms(&date));
                assert_memory_equal(&back, &date, sizeof back);
            }
    assert_int_equal(count, 436 * 365 + 106);
}

static void broken_dates(void **state)
{
    static const struct rf_civil rows[] = {
        {1969, 12, 31, 0, 0, 0}, {10000, 1, 1, 0, 0, 0}, {2000, 0, 1, 0, 0, 0},  {2000, 13, 1, 0, 0, 0},
        {2000, 1, 0, 0, 0, 0},   {2000, 1, 32, 0, 0, 0}, {2001, 2, 29, 0, 0, 0}, {2100, 2, 29, 0, 0, 0},
        {2000, 2, 30, 0, 0, 0},  {2000, 4, 31, 0, 0, 0}, {2000, 1, 1, 24, 0, 0}, {2000, 1, 1, 0, 60, 0},
        {2000, 1, 1, 0, 0, 60},  {2000, 1, 1, -1, 0, 0}, {2000, 1, 1, 0, -1, 0}, {2000, 1, 1, 0, 0, -1},
    };
    (void)state;
    for (size_t i = 0; i < RF_COUNT(rows); i++)
        assert_false(rf_civil_valid(&rows[i]));
}

int test_base_civil(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_instants),
        cmocka_unit_test(every_day_there_and_back),
        cmocka_unit_test(broken_dates),
    };
    return cmocka_run_group_tests_name("base/civil", tests, NULL, NULL);
}
