/* civil.h - calendar dates as milliseconds since 1970 UTC and back, without the C library's clock, zone or locale. */
#ifndef RF_BASE_CIVIL_H
#define RF_BASE_CIVIL_H

#include <stdbool.h>
#include <stdint.h>

struct rf_civil {
    int year;                 /* 1970..9999 */
    int month, day;           /* from 1 */
    int hour, minute, second; /* second 0..59 */
};

/* rf_civil_valid: the date exists (Gregorian calendar) and the time is one of 86400 seconds. */
static inline bool rf_civil_valid(const struct rf_civil *c)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = c->year % 4 == 0 && (c->year % 100 != 0 || c->year % 400 == 0);

    if (c->year < 1970 || c->year > 9999 || c->month < 1 || c->month > 12 || c->day < 1)
        return false;
    if (c->day > days[c->month - 1] + (leap && c->month == 2))
        return false;
    return c->hour >= 0 && c->hour < 24 && c->minute >= 0 && c->minute < 60 && c->second >= 0 &&
           c->second < 60;
}

/* rf_civil_ms turns a valid date into milliseconds. Years are counted from March, so that the leap day comes last. */
static inline uint64_t rf_civil_ms(const struct rf_civil *c)
{
    int64_t y = c->month <= 2 ? c->year - 1 : c->year;
    int64_t m = (c->month + 9) % 12;
    int64_t days = y * 365 + y / 4 - y / 100 + y / 400 + (m * 306 + 5) / 10 + c->day - 1 - 719468;

    return (uint64_t)(((days * 24 + c->hour) * 60 + c->minute) * 60 + c->second) * 1000;
}

/* rf_civil_from_ms is the inverse (whole seconds, cut). `ms` before the year 10000. */
static inline struct rf_civil rf_civil_from_ms(uint64_t ms)
{
    int64_t seconds = (int64_t)(ms / 1000), days = seconds / 86400 + 719468, rest = seconds % 86400;
    int64_t era = days / 146097, day_of_era = days % 146097;
    int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t m = (5 * day_of_year + 2) / 153;
    struct rf_civil c = {.day = (int)(day_of_year - (153 * m + 2) / 5 + 1),
                         .month = (int)(m < 10 ? m + 3 : m - 9),
                         .hour = (int)(rest / 3600),
                         .minute = (int)(rest / 60 % 60),
                         .second = (int)(rest % 60)};

    c.year = (int)(year_of_era + era * 400 + (c.month <= 2));
    return c;
}

#endif
