/* test_apps_options.c - the words behind a program's name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "apps/options.h"
#include "base/assert.h"

static const struct app_option table[] = {
    {"NAME", NULL, "a word: never found as an option", "name", 's'},
    {"--flag", NULL, "a flag", "flag", 'b'},
    {"--value", "V", "an option with a value", "value", 's'},
    {"--value-more", "V", "whose name begins like another's", "more", 's'},
};

#define WORDS_MAX 8
/* what is read: "row=value" or "word:text" or "!sentence", one per line */
static const struct {
    const char *argv[WORDS_MAX];
    const char *read;
} cases[] = {
    {{NULL}, ""},
    {{"bob"}, "word:bob\n"},
    {{"--flag", "bob", "--value", "7"}, "1=\nword:bob\n2=7\n"},
    {{"--value=7", "--value-more=8", "--value="}, "2=7\n3=8\n2=\n"},
    {{"--value", "--flag"}, "2=--flag\n"},
    {{"--", "--flag", "--", "x"}, "word:--flag\nword:--\nword:x\n"},
    {{"-5 degrees", "-", "", "-5", "- x", "--- x"},
     "word:-5 degrees\nword:-\nword:\nword:-5\nword:- x\nword:--- x\n"},
    {{"--value"}, "!--value lacks its value: --value V\n"},
    {{"--flag=yes"}, "!--flag takes no value\n"},
    {{"--valu", "7"}, "!there is no option --valu\n"},
    {{"--values=7"}, "!there is no option --values\n"},
    {{"-f"}, "!there is no option -f\n"},
    {{"NAME", "--name"}, "word:NAME\n!there is no option --name\n"},
};

/* main's are not const; nobody writes into them */
static char **words(const char *const *argv)
{
    return (char **)(uintptr_t)argv;
}

static void test_next(void **state)
{
    (void)state;
    for (size_t i = 0; i < RF_COUNT(cases); i++) {
        struct app_words read_from = {.argv = words(cases[i].argv)};
        char read[400] = "";
        int row = 0;
        while (read_from.argc < WORDS_MAX && cases[i].argv[read_from.argc] != NULL)
            read_from.argc++;
        while (row != APP_WRONG && (row = app_next(&read_from, table, RF_COUNT(table))) != APP_END) {
            char *end = read + strlen(read);
            size_t left = sizeof(read) - strlen(read);
            if (row >= 0)
                snprintf(end, left, "%d=%s\n", row, read_from.value != NULL ? read_from.value : "");
            else
                snprintf(end, left, "%s%s\n", row == APP_WORD ? "word:" : "!",
                         row == APP_WORD ? read_from.value : read_from.wrong);
        }
        assert_string_equal(read, cases[i].read);
    }
}

static void test_globals(void **state)
{
    static const struct app_option globals[] = {{"--home", "DIR", NULL, NULL, 0},
                                                {"--json", NULL, NULL, NULL, 0}};
    const char *argv[] = {"ringfolk", "--home", "a", "call", "--json", "bob",
                          "--home=b", "--for",  "1", "--",   "--json", NULL};
    const char *values[2] = {NULL}, *left[] = {"ringfolk", "call", "bob", "--for", "1", "--", "--json"};
    char wrong[APP_WRONG_SIZE];
    (void)state;
    assert_int_equal(app_globals(11, words(argv), globals, 2, values, wrong), RF_COUNT(left));
    for (size_t i = 0; i < RF_COUNT(left); i++)
        assert_string_equal(argv[i], left[i]);
    assert_null(argv[RF_COUNT(left)]);
    assert_string_equal(values[0], "b");
    assert_string_equal(values[1], "");
    const char *lacks[] = {"ringfolk", "status", "--home", NULL};
    assert_int_equal(app_globals(3, words(lacks), globals, 2, values, wrong), -1);
    assert_string_equal(wrong, "--home lacks its value: --home DIR");
}

static void test_wants_help(void **state)
{
    const char *yes[] = {"bob", "-h"}, *no[] = {"bob", "--", "--help"};
    (void)state;
    assert_true(app_wants_help(2, words(yes)));
    assert_false(app_wants_help(1, words(yes)));
    assert_false(app_wants_help(3, words(no)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_next), cmocka_unit_test(test_globals),
                                       cmocka_unit_test(test_wants_help)};
    return cmocka_run_group_tests_name("apps options", tests, NULL, NULL);
}
