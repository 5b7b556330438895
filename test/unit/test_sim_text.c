/* test_sim_text.c - scenario texts: what is read, what --set changes, what is refused and where. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/assert.h"
#include "base/error.h"
#include "sim/expr.h"
#include "sim/scenario.h"

static struct rf_sim_text *text; /* large */
static char why[256];

static int parse(const char *lines, const char *const *overrides, size_t count)
{
    why[0] = 0;
    return rf_sim_text_parse("test", rf_view_str(lines), overrides, count, text, why, sizeof(why));
}

static int parse_with(const char *lines, const char *override)
{
    return parse(lines, &override, override != NULL ? 1 : 0);
}

static const struct rf_sim_option *option(const char *name)
{
    for (size_t i = 0; i < text->option_count; i++)
        if (strcmp(text->options[i].name, name) == 0)
            return &text->options[i];
    fail_msg("no option %s", name);
    return NULL;
}

static bool two_names(void *ctx, struct rf_view name, double *out)
{
    (void)ctx;
    *out = name.len == 1 ? 7 : 1000;
    return rf_view_equal(name, rf_view_str("x")) || rf_view_equal(name, rf_view_str("many_2.a"));
}

static void expressions_have_values(void **state)
{
    static const struct {
        const char *text;
        int error;
        double value;
    } cases[] = {
        {"0", 0, 0},
        {"27%", 0, 0.27},
        {"1.5h", 0, 5400},
        {"10m", 0, 600},
        {"250ms", 0, 0.25},
        {"5us", 0, 5e-6},
        {"2d", 0, 172800},
        {"3k", 0, 3000},
        {"2M", 0, 2e6},
        {"1G", 0, 1e9},
        {"x", 0, 7},
        {"many_2.a/x", 0, 1000.0 / 7},
        {"1+2*3", 0, 7},
        {"(1+2)*3", 0, 9},
        {"8/2/2", 0, 2},
        {"5-2-1", 0, 2},
        {"-3+x", 0, 4},
        {"2*-3", 0, -6},
        {"((((1))))", 0, 1},
        {"", RF_EFORMAT, 0},
        {"1+", RF_EFORMAT, 0},
        {"(1", RF_EFORMAT, 0},
        {"1)", RF_EFORMAT, 0},
        {"1 2", RF_EFORMAT, 0},
        {"1.", RF_EFORMAT, 0},
        {".5", RF_EFORMAT, 0},
        {"10minutes", RF_EFORMAT, 0},
        {"10%%", RF_EFORMAT, 0},
        {"y", RF_ENOTFOUND, 0},
        {"1/0", RF_EINVAL, 0},
        {"0/0", RF_EINVAL, 0},
        {"((((((((((((((((((((1))))))))))))))))))))", RF_ELIMIT, 0},
    };
    (void)state;
    for (size_t i = 0; i < RF_COUNT(cases); i++) {
        struct rf_view bad;
        double value = 12345;

        assert_int_equal(sim_expr(rf_view_str(cases[i].text), two_names, NULL, &value, &bad), cases[i].error);
        assert_true(fabs(value - (cases[i].error == 0 ? cases[i].value : 12345)) < 1e-9);
    }
}

static const char good[] =
    "title  A day in the life\n"
    "# a comment\n"
    "about  One line\n"
    "about  and another.   # no comment here\n"
    "\n"
    "supernodes = 100\r\n"
    "clients = supernodes*2   # a comment\n"
    "duration = 1h\n"
    "loss = 1%\n"
    "option share = 30%  of those that crash\n"
    "choice policy = calm wild\n"
    "at 20m kill supernodes fraction=share over=2m pause=exponential:30s power spare-bootstraps as=crash\n"
    "at 0 start all over=10m\n"
    "at 10m work lookup clients rate=clients/100\n"
    "at 10m work ping all rate=1\n"
    "at 30m churn supernodes session=pareto:1h:1.2 pause=5m\n"
    "at 40m heal every=5m until=50m\n"
    "if policy=wild at 45m mark\n"
    "check right lookup.right_share >= 99% from 11m to 19m\n"
    "check soon ring.heal_s <= 60 from 30m\n";

static void a_text_becomes_a_scenario(void **state)
{
    const struct rf_sim_scenario *s = &text->scenario;
    const struct rf_sim_step *kill = &s->steps[3];
    (void)state;

    assert_int_equal(parse_with(good, NULL), 0);
    assert_string_equal(text->title, "A day in the life");
    assert_string_equal(text->about, "One line and another.   # no comment here");
    assert_string_equal(s->name, "test");
    assert_int_equal(s->supernodes, 100);
    assert_int_equal(s->clients, 200);
    assert_int_equal(s->duration_us, UINT64_C(3600000000));
    assert_true(fabs(s->net.loss - 0.01) < 1e-12);
    assert_int_equal(s->step_count, 8); /* heal three times, no mark */
    assert_int_equal(s->steps[0].type, RF_SIM_STEP_START);
    assert_int_equal(s->steps[0].group, RF_SIM_ALL);
    assert_true(s->steps[0].fraction == 1);
    assert_int_equal(s->steps[1].op, RF_SIM_OP_LOOKUP);
    assert_true(s->steps[1].rate == 2);
    assert_int_equal(s->steps[2].op, RF_SIM_OP_PING);
    assert_int_equal(kill->type, RF_SIM_STEP_KILL);
    assert_int_equal(kill->at_us, UINT64_C(1200000000));
    assert_int_equal(kill->over_us, 120000000);
    assert_true(fabs(kill->fraction - 0.3) < 1e-12);
    assert_int_equal(kill->pause.type, RF_SIM_EXPONENTIAL);
    assert_true(kill->pause.median_s == 30);
    assert_true(kill->power && kill->spare_bootstraps && !kill->wipe);
    assert_int_equal(s->steps[4].session.type, RF_SIM_PARETO);
    assert_true(s->steps[4].session.shape == 1.2);
    assert_int_equal(s->steps[7].at_us, UINT64_C(3000000000));
    assert_string_equal(
        text->events[3].text,
        "kill supernodes fraction=share over=2m pause=exponential:30s power spare-bootstraps as=crash");
    assert_int_equal(s->check_count, 2);
    assert_true(s->checks[0].at_least && !s->checks[1].at_least);
    assert_true(fabs(s->checks[0].limit - 0.99) < 1e-12);
    assert_int_equal(s->checks[0].from_us, 660000000);
    assert_int_equal(s->checks[0].to_us, 1140000000);
    assert_int_equal(s->checks[1].to_us, 0);
    assert_string_equal(option("share")->meaning, "of those that crash");
    assert_string_equal(option("clients")->text, "supernodes*2");
    assert_true(isnan(option("policy")->value));
}

static void what_is_set_counts(void **state)
{
    const struct rf_sim_scenario *s = &text->scenario;
    const char *const two[] = {"supernodes=10", "supernodes=20"};
    (void)state;

    assert_int_equal(parse_with(good, "supernodes=10"), 0);
    assert_int_equal(s->supernodes, 10);
    assert_int_equal(s->clients, 20); /* what follows from it follows */
    assert_true(s->steps[1].rate == 0.2);
    assert_true(option("supernodes")->overridden && !option("clients")->overridden);
    assert_int_equal(parse(good, two, 2), 0);
    assert_int_equal(s->supernodes, 20);
    assert_int_equal(parse_with(good, "nodes=30"), 0);
    assert_int_equal(s->supernodes, 30);
    assert_int_equal(parse_with(good, "probe=20s"), 0); /* a setting that the text does not name */
    assert_int_equal(s->probe_us, 20000000);
    assert_int_equal(parse_with(good, "share=60%"), 0);
    assert_true(fabs(s->steps[3].fraction - 0.6) < 1e-12);
    assert_int_equal(parse_with(good, "crash.fraction=0.5"), 0);
    assert_true(s->steps[3].fraction == 0.5);
    assert_non_null(strstr(text->events[3].text, " fraction=0.5"));
    assert_int_equal(parse_with(good, "crash.at=25m"), 0);
    assert_int_equal(s->steps[3].at_us, UINT64_C(1500000000));
    assert_int_equal(parse_with(good, "crash.power=0"), 0);
    assert_false(s->steps[3].power);
    assert_int_equal(parse_with(good, "work2.rate=9"), 0); /* the second line of that verb */
    assert_true(s->steps[2].rate == 9);
    assert_int_equal(parse_with(good, "check.right=50%"), 0);
    assert_true(s->checks[0].limit == 0.5);
    assert_int_equal(parse_with(good, "policy=wild"), 0);
    assert_int_equal(s->step_count, 9);
}

static void overrides_of_nothing_are_refused(void **state)
{
    static const char *const cases[] = {
        "nosuch=1",         "supernodes=",      "supernodes=-1", "supernodes=many",
        "supernodes=1e9",   "disk=2",           "disk=0.5",      "crash.nosuch=1",
        "crash.fraction=2", "crash.pause=soon", "heal.over=1m",  "check.nosuch=1",
        "check.right=x",    "policy=mad",       "policy=",       "mark.at=1m" /* not in */,
        "clients",
    };
    (void)state;
    for (size_t i = 0; i < RF_COUNT(cases); i++) {
        assert_int_equal(parse_with(good, cases[i]), RF_EINVAL);
        assert_non_null(strstr(why, "--set: "));
    }
}

static void broken_lines_are_named(void **state)
{
    static const struct {
        const char *line, *piece;
    } cases[] = {
        {"nonsense", "nonsense"},
        {"nosuch = 1", "nosuch"},
        {"supernodes = 1 2", "KEY = VALUE"},
        {"supernodes = 0", "from 1"},
        {"supernodes = clients*x", "x"},
        {"option", "option NAME"},
        {"option supernodes = 1", "taken"},
        {"option 9lives = 1", "9lives"},
        {"option a = 1/0", "finite"},
        {"choice c", "choice NAME"},
        {"if nosuch=1 mark", "nosuch"},
        {"if clients=1 at 1m mark", "clients"},
        {"at 1m", "at TIME"},
        {"at noon heal", "noon"},
        {"at -1 heal", "-1"},
        {"at 1m explode all", "explode"},
        {"at 1m kill supernodes", "fraction"},
        {"at 1m kill fraction=1", "supernodes, clients"},
        {"at 1m kill supernodes count=0", "nobody"},
        {"at 1m kill supernodes fraction=101%", "101%"},
        {"at 1m kill supernodes fraction=1 rate=1", "rate"},
        {"at 1m heal supernodes", "supernodes"},
        {"at 1m work all rate=1", "operation"},
        {"at 1m slow all fraction=1", "factor="},
        {"at 1m churn all session=exponential:1h:2", "2"},
        {"at 1m corrupt supernodes fraction=5%", "behaviour="},
        {"at 1m corrupt supernodes fraction=5% behaviour=kind", "kind"},
        {"at 1m corrupt clients fraction=5% behaviour=drop", "only supernodes"},
        {"at 1m churn all session=soon", "soon"},
        {"at 1m heal as=x\nat 1m heal as=x", "taken"},
        {"at 1m heal every=1ms until=1h", "too many"},
        {"check a b", "check NAME"},
        {"check a b = 1", "="},
        {"check a b <= 1 from", "time"},
        {"check a b <= 1 at 1m", "at"},
        {"check a b <= 1\ncheck a b <= 1", "taken"},
    };
    char lines[512], place[16];
    (void)state;
    for (size_t i = 0; i < RF_COUNT(cases); i++) {
        snprintf(lines, sizeof(lines), "title t\n\n%s\n", cases[i].line);
        assert_true(parse_with(lines, NULL) != 0);
        snprintf(place, sizeof(place), "line %d: ", strchr(cases[i].line, '\n') != NULL ? 4 : 3);
        if (strncmp(why, place, strlen(place)) != 0 || strstr(why, cases[i].piece) == NULL)
            fail_msg("%s: %s", cases[i].line, why);
    }
    assert_int_equal(parse_with("supernodes = 3\n", NULL), RF_EFORMAT);
    assert_string_equal(why, "the title is missing");
}

static void long_texts_and_lines_are_refused(void **state)
{
    char *lines = malloc(RF_SIM_TEXT_MAX_LEN + 2);
    size_t len = (size_t)sprintf(lines, "title t\n");
    (void)state;

    assert_non_null(lines);
    for (int i = 0; i <= RF_SIM_MAX_CHECKS; i++)
        len += (size_t)sprintf(lines + len, "check c%d x <= 1\n", i);
    assert_int_equal(parse_with(lines, NULL), RF_ELIMIT);
    len = (size_t)sprintf(lines, "title t\n");
    for (int i = 0; i <= RF_SIM_MAX_OPTIONS; i++)
        len += (size_t)sprintf(lines + len, "option o%d = 1\n", i);
    assert_int_equal(parse_with(lines, NULL), RF_ELIMIT);
    memset(lines, ' ', RF_SIM_TEXT_MAX_LEN + 1);
    lines[RF_SIM_TEXT_MAX_LEN + 1] = 0;
    assert_int_equal(parse_with(lines, NULL), RF_ELIMIT);
    len = (size_t)sprintf(lines, "title t\nat 1m");
    for (int i = 0; i < 40; i++)
        len += (size_t)sprintf(lines + len, " word");
    assert_int_equal(parse_with(lines, NULL), RF_ELIMIT);
    free(lines);
}

static void titles_are_found(void **state)
{
    char title[16];
    (void)state;

    rf_sim_text_title(rf_view_str("# x\n title   One of us  \nabout y\n"), title, sizeof(title));
    assert_string_equal(title, "One of us");
    rf_sim_text_title(rf_view_str("title A title longer than its place"), title, sizeof(title));
    assert_string_equal(title, "A title longer ");
    rf_sim_text_title(rf_view_str("about nothing"), title, sizeof(title));
    assert_string_equal(title, "");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(expressions_have_values), cmocka_unit_test(a_text_becomes_a_scenario),
        cmocka_unit_test(what_is_set_counts),      cmocka_unit_test(overrides_of_nothing_are_refused),
        cmocka_unit_test(broken_lines_are_named),  cmocka_unit_test(long_texts_and_lines_are_refused),
        cmocka_unit_test(titles_are_found),
    };
    int failed;

    text = malloc(sizeof(*text));
    failed = cmocka_run_group_tests_name("sim text", tests, NULL, NULL);
    free(text);
    return failed;
}
