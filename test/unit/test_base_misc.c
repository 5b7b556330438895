/* test_base_misc.c - error texts, log lines, counters and lists. */
#include "test_base.h"

#include <string.h>
#include "base/counter.h"
#include "base/error.h"
#include "base/list.h"
#include "base/log.h"

static void every_error_has_its_own_text(void **state)
{
    static const int errors[] = {
#define X(name, number, text) name,
        RF_ERRORS(X)
#undef X
    };
    (void)state;
    for (size_t i = 0; i < RF_COUNT(errors); i++) {
        assert_int_equal(errors[i], -(int)i); /* no hole, nothing twice */
        assert_string_not_equal(rf_error_text(errors[i]), "unknown error");
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(rf_error_text(errors[i]), rf_error_text(errors[k]));
    }
    assert_string_equal(rf_error_text(1), "unknown error");
    assert_string_equal(rf_error_text(-(int)RF_COUNT(errors)), "unknown error");
}

struct heard {
    int count;
    enum rf_log_level level;
    char room[16];
    char text[600];
};

static void hear(void *ctx, enum rf_log_level level, const char *room, const char *text)
{
    struct heard *heard = ctx;
    heard->count++;
    heard->level = level;
    strncpy(heard->room, room, sizeof heard->room - 1);
    strncpy(heard->text, text, sizeof heard->text - 1);
}

static void log_lines_are_filtered_cut_and_cleaned(void **state)
{
    struct heard heard = {0};
    struct rf_log log = {hear, &heard, RF_LOG_INFO};
    (void)state;
    rf_log_write(&log, RF_LOG_DEBUG, "link", "not heard");
    assert_int_equal(heard.count, 0);
    rf_log_write(&log, RF_LOG_INFO, "link", "%s has %d", "alice", 3);
    assert_int_equal(heard.count, 1);
    assert_int_equal(heard.level, RF_LOG_INFO);
    assert_string_equal(heard.room, "link");
    assert_string_equal(heard.text, "alice has 3");
    rf_log_write(&log, RF_LOG_ERROR, "link", "a%cb\x7f%s", '\n', "\x1b[31m\xc3\xa9");
    assert_string_equal(heard.text, "a?b??[31m\xc3\xa9");
    rf_log_write(&log, RF_LOG_WARN, "link", "%600d", 5);
    assert_int_equal(strlen(heard.text), 511);
    rf_log_write(NULL, RF_LOG_ERROR, "link", "nobody listens");
    log.line = NULL;
    rf_log_write(&log, RF_LOG_ERROR, "link", "nobody listens");
    assert_int_equal(heard.count, 3);
}

#define SAMPLE_COUNTERS(X) X(sent, "messages sent") X(dropped, "messages dropped")
RF_COUNTERS(sample, SAMPLE_COUNTERS)
#define SAMPLE_ROW(name, help) {#name, help, offsetof(struct rf_sample_counters, name)},
RF_COUNTERS_DEFINE(sample, SAMPLE_COUNTERS, SAMPLE_ROW)

static void counters_are_found_by_their_description(void **state)
{
    struct rf_sample_counters counters = {.sent = 5, .dropped = 7};
    (void)state;
    assert_int_equal(rf_sample_counter_count, 2);
    assert_string_equal(rf_sample_counter_descs[0].name, "sent");
    assert_string_equal(rf_sample_counter_descs[1].help, "messages dropped");
    assert_int_equal(rf_counter_get(&counters, &rf_sample_counter_descs[0]), 5);
    assert_int_equal(rf_counter_get(&counters, &rf_sample_counter_descs[1]), 7);
}

static void counters_are_shared_within_a_set(void **state)
{
    struct rf_mem_test mem;
    struct rf_counter_set set;
    struct rf_sample_counters *a, *b, *own;
    static const struct rf_counter_desc others[RF_COUNTER_ROOMS + 1];
    (void)state;
    rf_mem_test_init(&mem);
    rf_counter_set_init(&set, &mem.mem);
    a = rf_counters_open(&set, rf_mem_system(), rf_sample_counter_descs, sizeof(*a));
    b = rf_counters_open(&set, rf_mem_system(), rf_sample_counter_descs, sizeof(*b));
    own = rf_counters_open(NULL, &mem.mem, rf_sample_counter_descs, sizeof(*own));
    assert_non_null(a);
    assert_ptr_equal(a, b);
    assert_int_equal(a->sent, 0);
    assert_int_equal(own->dropped, 0);
    assert_ptr_not_equal(a, own);
    for (size_t i = 0; i < RF_COUNTER_ROOMS; i++) /* each has its own, as long as there is room */
        assert_int_equal(rf_counters_open(&set, rf_mem_system(), &others[i], 8) != NULL,
                         i + 1 < RF_COUNTER_ROOMS);
    rf_counters_close(&set, rf_mem_system(), a);
    rf_counters_close(NULL, &mem.mem, own);
    rf_counter_set_deinit(&set);
    assert_int_equal(mem.live_count, 0);
    mem.allowed = 0;
    assert_null(rf_counters_open(&set, &mem.mem, rf_sample_counter_descs, sizeof(*a)));
}

struct element {
    int number;
    struct rf_list link;
};

static int number_of(struct rf_list *l)
{
    return RF_LIST_ENTRY(l, struct element, link)->number;
}

static void lists_keep_their_order(void **state)
{
    struct element e[6];
    struct rf_list head;
    int expected;
    (void)state;
    rf_list_init(&head);
    assert_true(rf_list_empty(&head));
    for (int i = 0; i < 6; i++) {
        e[i].number = i;
        rf_list_init(&e[i].link);
    }
    for (int i = 3; i < 6; i++)
        rf_list_push_back(&head, &e[i].link);
    for (int i = 2; i >= 0; i--)
        rf_list_push_front(&head, &e[i].link);
    expected = 0;
    RF_LIST_EACH(&head, it)
    assert_int_equal(number_of(it), expected++);
    assert_int_equal(expected, 6);
    RF_LIST_EACH_SAFE(&head, it)
    if (number_of(it) % 2 == 0)
        rf_list_remove(it);
    expected = 1;
    RF_LIST_EACH(&head, it)
    {
        assert_int_equal(number_of(it), expected);
        expected += 2;
    }
    assert_int_equal(expected, 7);
    rf_list_remove(&e[0].link); /* once more does no harm */
    assert_true(rf_list_empty(&e[0].link));
    RF_LIST_EACH_SAFE(&head, it)
    rf_list_remove(it);
    assert_true(rf_list_empty(&head));
}

int test_base_misc(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_error_has_its_own_text),
        cmocka_unit_test(log_lines_are_filtered_cut_and_cleaned),
        cmocka_unit_test(counters_are_found_by_their_description),
        cmocka_unit_test(counters_are_shared_within_a_set),
        cmocka_unit_test(lists_keep_their_order),
    };
    return cmocka_run_group_tests_name("base/error, log, counter, list", tests, NULL, NULL);
}
