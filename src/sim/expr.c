/* expr.c - numbers with units, names and the four operations; a reader of recursive descent. */
#include "sim/expr.h"

#include <math.h>
#include "base/assert.h"
#include "base/error.h"

#define DEPTH_MAX 16

struct reader {
    struct rf_view in;
    sim_expr_find *find;
    void *ctx;
    int depth;
    int error;
    struct rf_view bad;
};

static double fail(struct reader *r, int error, struct rf_view bad)
{
    if (r->error == 0) {
        r->error = error;
        r->bad = bad;
    }
    return 0;
}

static bool next_is(const struct reader *r, char c)
{
    return r->in.len > 0 && r->in.p[0] == (uint8_t)c;
}

static void skip(struct reader *r)
{
    r->in.p++;
    r->in.len--;
}

static bool digit_follows(const struct reader *r)
{
    return r->in.len > 0 && r->in.p[0] >= '0' && r->in.p[0] <= '9';
}

static bool letter_follows(const struct reader *r)
{
    return r->in.len > 0 &&
           ((r->in.p[0] >= 'a' && r->in.p[0] <= 'z') || (r->in.p[0] >= 'A' && r->in.p[0] <= 'Z'));
}

static double take_unit(struct reader *r)
{
    static const struct {
        const char *name;
        double factor;
    } units[] = {{"us", 1e-6}, {"ms", 1e-3}, {"s", 1},   {"m", 60}, {"h", 3600},
                 {"d", 86400}, {"k", 1e3},   {"M", 1e6}, {"G", 1e9}};
    struct rf_view from = r->in;

    if (next_is(r, '%')) {
        skip(r);
        return 0.01;
    }
    while (letter_follows(r))
        skip(r);
    from.len -= r->in.len;
    if (from.len == 0)
        return 1;
    for (size_t i = 0; i < RF_COUNT(units); i++)
        if (rf_view_equal(from, rf_view_str(units[i].name)))
            return units[i].factor;
    return fail(r, RF_EFORMAT, from);
}

static double take_number(struct reader *r)
{
    double value = 0, place = 1;

    for (; digit_follows(r); skip(r))
        value = 10 * value + (r->in.p[0] - '0');
    if (next_is(r, '.')) {
        skip(r);
        if (!digit_follows(r))
            return fail(r, RF_EFORMAT, r->in);
        for (; digit_follows(r); skip(r)) {
            value = 10 * value + (r->in.p[0] - '0');
            place *= 10;
        }
    }
    return value / place * take_unit(r);
}

static double take_name(struct reader *r)
{
    struct rf_view name = r->in;
    double value;

    while (letter_follows(r) || digit_follows(r) || next_is(r, '_') || next_is(r, '.'))
        skip(r);
    name.len -= r->in.len;
    return r->find(r->ctx, name, &value) ? value : fail(r, RF_ENOTFOUND, name);
}

static double take_sum(struct reader *r);

static double take_factor(struct reader *r)
{
    double value;

    if (digit_follows(r))
        return take_number(r);
    if (letter_follows(r))
        return take_name(r);
    if (!next_is(r, '(') && !next_is(r, '-'))
        return fail(r, RF_EFORMAT, r->in);
    if (++r->depth > DEPTH_MAX)
        return fail(r, RF_ELIMIT, r->in);
    if (next_is(r, '-')) {
        skip(r);
        value = -take_factor(r);
    } else {
        skip(r);
        value = take_sum(r);
        if (!next_is(r, ')'))
            return fail(r, RF_EFORMAT, r->in);
        skip(r);
    }
    r->depth--;
    return value;
}

static double take_product(struct reader *r)
{
    double value = take_factor(r);

    while (r->error == 0 && (next_is(r, '*') || next_is(r, '/'))) {
        bool times = next_is(r, '*');
        double other;

        skip(r);
        other = take_factor(r);
        value = times ? value * other : value / other;
    }
    return value;
}

static double take_sum(struct reader *r)
{
    double value = take_product(r);

    while (r->error == 0 && (next_is(r, '+') || next_is(r, '-'))) {
        bool plus = next_is(r, '+');
        double other;

        skip(r);
        other = take_product(r);
        value = plus ? value + other : value - other;
    }
    return value;
}

int sim_expr(struct rf_view text, sim_expr_find *find, void *ctx, double *out, struct rf_view *bad)
{
    struct reader r = {.in = text, .find = find, .ctx = ctx};
    double value = take_sum(&r);

    if (r.error == 0 && r.in.len > 0)
        fail(&r, RF_EFORMAT, r.in);
    if (r.error == 0 && !isfinite(value))
        fail(&r, RF_EINVAL, text);
    if (r.error != 0) {
        *bad = r.bad;
        return r.error;
    }
    *out = value;
    return 0;
}
