/* test_conf_value.c - the texts of the document as values; registered Kinds and their names. */
#include "test_conf.h"

#include "conf/value.h"

static void times_are_read(void **state)
{
    static const struct {
        const char *text;
        uint64_t ms;
        int error;
    } cases[] = {
        {"2045-01-01T00:00:00Z", UINT64_C(2366841600000), 0},
        {" \n2045-01-01T00:00:00Z\t", UINT64_C(2366841600000), 0},
        {"2045-01-01t00:00:00z", UINT64_C(2366841600000), 0},
        {"1970-01-01T00:00:00Z", 0, 0},
        {"2025-06-15T15:06:40.123Z", UINT64_C(1750000000123), 0},
        {"2025-06-15T15:06:40.1234567Z", UINT64_C(1750000000123), 0},
        {"2025-06-15T15:06:40.5Z", UINT64_C(1750000000500), 0},
        {"2025-06-15T17:06:40+02:00", UINT64_C(1750000000000), 0},
        {"2025-06-14T20:06:40-19:00", UINT64_C(1750000000000), 0},
        {"2025-06-15T15:06:40+00:00", UINT64_C(1750000000000), 0},
        {"2016-12-31T23:59:60Z", UINT64_C(1483228799000), 0}, /* a leap second */
        {"2024-02-29T00:00:00Z", UINT64_C(1709164800000), 0},
        {"2025-02-29T00:00:00Z", 0, RF_EFORMAT},
        {"2025-06-15T15:06:40", 0, RF_EFORMAT}, /* local time of nobody knows where */
        {"2025-06-15 15:06:40Z", 0, RF_EFORMAT},
        {"2025-06-15T15:06Z", 0, RF_EFORMAT},
        {"2025-06-15T24:00:00Z", 0, RF_EFORMAT},
        {"2025-06-15T15:06:61Z", 0, RF_EFORMAT},
        {"2025-06-15T15:06:40.Z", 0, RF_EFORMAT},
        {"2025-06-15T15:06:40+2:00", 0, RF_EFORMAT},
        {"2025-06-15T15:06:40+02:60", 0, RF_EFORMAT},
        {"2025-06-15T15:06:40+24:00", 0, RF_EFORMAT},
        {"2025-06-15T15:06:40ZZ", 0, RF_EFORMAT},
        {"1970-01-01T00:00:00+01:00", 0, RF_EFORMAT}, /* before 1970 */
        {"1969-12-31T23:59:59Z", 0, RF_EFORMAT},
        {"25-06-15T15:06:40Z", 0, RF_EFORMAT},
        {"+025-06-15T15:06:40Z", 0, RF_EFORMAT},
        {"", 0, RF_EFORMAT},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint64_t ms = 7;
        int r = value_time(rf_view_str(cases[i].text), &ms);

        if (r != cases[i].error || ms != (r == 0 ? cases[i].ms : 7))
            fail_msg("%s: %d %llu", cases[i].text, r, (unsigned long long)ms);
    }
}

static void numbers_have_ranges(void **state)
{
    static const struct {
        const char *text;
        uint64_t min, max, value;
        int error;
    } cases[] = {
        {"5", 0, 10, 5, 0},
        {" 5\n", 0, 10, 5, 0},
        {"+5", 0, 10, 5, 0},
        {"005", 0, 10, 5, 0},
        {"10", 0, 10, 10, 0},
        {"11", 0, 10, 0, RF_EFORMAT},
        {"0", 1, 10, 0, RF_EFORMAT},
        {"-1", 0, 10, 0, RF_EFORMAT},
        {"", 0, 10, 0, RF_EFORMAT},
        {"+", 0, 10, 0, RF_EFORMAT},
        {"1 2", 0, 99, 0, RF_EFORMAT},
        {"0x5", 0, 10, 0, RF_EFORMAT},
        {"5.0", 0, 10, 0, RF_EFORMAT},
        {"18446744073709551616", 0, UINT64_MAX, 0, RF_EFORMAT},
        {"4294967295", 0, UINT32_MAX, UINT32_MAX, 0},
        {"4294967296", 0, UINT32_MAX, 0, RF_EFORMAT},
        {"99999999999999999999999999", 0, UINT64_MAX, 0, RF_EFORMAT},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint64_t value = 77;

        assert_int_equal(value_uint(rf_view_str(cases[i].text), cases[i].min, cases[i].max, &value),
                         cases[i].error);
        assert_int_equal(value, cases[i].error == 0 ? cases[i].value : 77);
    }
}

static void booleans_and_ids_are_read(void **state)
{
    static const struct {
        const char *text;
        int value; /* -1: none */
    } cases[] = {{"true", 1},  {"1", 1},    {"false", 0}, {"0", 0}, {" true\r\n", 1},
                 {"TRUE", -1}, {"yes", -1}, {"", -1},     {"2", -1}};
    struct rf_id id;
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        bool value = false;

        assert_int_equal(value_bool(rf_view_str(cases[i].text), &value), cases[i].value < 0 ? RF_EFORMAT : 0);
        assert_int_equal(value, cases[i].value > 0);
    }
    assert_int_equal(value_id(VIEW(" b0b00000000000000000000000000002\n"), 16, &id), 0);
    assert_int_equal(id.b[15], 2);
    assert_int_equal(value_id(VIEW("B0B00000000000000000000000000002"), 16, &id), 0);
    assert_int_equal(value_id(VIEW("b0b00000000000000000000000000002"), 17, &id), RF_EFORMAT);
    assert_int_equal(value_id(VIEW("b0b0000000000000000000000000000"), 16, &id), RF_EFORMAT);
    assert_int_equal(value_id(VIEW("x0b00000000000000000000000000002"), 16, &id), RF_EFORMAT);
}

static void sequence_numbers_wrap_at_65535(void **state)
{
    static const struct {
        uint16_t a, b;
        bool newer;
    } cases[] = {
        {1, 0, true},         {0, 1, false},         {5, 5, false},     {0, 65534, true},
        {65534, 0, false},    {1, 65534, true},      {32767, 0, true},  {32768, 0, false},
        {0, 32768, true},     {100, 65434, true},    {65535, 0, false}, {65535, 65534, false},
        {40000, 10000, true}, {10000, 40000, false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        if (rf_conf_sequence_newer(cases[i].a, cases[i].b) != cases[i].newer)
            fail_msg("%u against %u", cases[i].a, cases[i].b);
    for (uint32_t a = 0; a < 65535; a += 17) /* one of two different ones is newer */
        for (uint32_t b = 0; b < 65535; b += 4099)
            if (a != b)
                assert_true(rf_conf_sequence_newer((uint16_t)a, (uint16_t)b) !=
                            rf_conf_sequence_newer((uint16_t)b, (uint16_t)a));
}

static void registered_kinds_have_names_and_limits(void **state)
{
    static const struct {
        const char *name;
        uint32_t id;
        enum rf_policy policy;
        uint32_t max_count, max_size;
    } cases[] = {
        {"SIP-REGISTRATION", 0x1, RF_POLICY_USER_NODE_MATCH, 16, 1000},
        {"TURN-SERVICE", 0x2, RF_POLICY_NODE_MULTIPLE, 1, 100},
        {"CERTIFICATE_BY_NODE", 0x3, RF_POLICY_NODE_MATCH, 8, 4096},
        {"ACCESS-CONTROL-LIST", 0x4, RF_POLICY_USER_CHAIN_ACL, 256, 500},
        {"CERTIFICATE_BY_USER", 0x10, RF_POLICY_USER_MATCH, 8, 4096},
        {"REDIR", 0x104, RF_POLICY_NODE_ID_MATCH, 1000, 500},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct rf_kind_def *def = rf_conf_kind(NULL, cases[i].id);

        assert_non_null(def);
        assert_int_equal(def->id, cases[i].id);
        assert_int_equal(def->model, rf_kind_model(cases[i].id));
        assert_int_equal(def->policy, cases[i].policy);
        assert_int_equal(def->max_count, cases[i].max_count);
        assert_int_equal(def->max_size, cases[i].max_size);
        assert_int_equal(def->max_node_multiple, cases[i].id == 2 ? 20 : 0);
        assert_string_equal(rf_conf_kind_name(cases[i].id), cases[i].name);
        assert_string_equal(rf_kind_name(cases[i].id), cases[i].name);
        assert_int_equal(rf_conf_kind_by_name(cases[i].name), cases[i].id);
    }
    assert_null(rf_conf_kind(NULL, 0xf0000001));
    assert_null(rf_conf_kind_name(0xf0000001));
    assert_int_equal(rf_conf_kind_by_name("0xf0000001"), 0xf0000001);
    assert_int_equal(rf_conf_kind_by_name("0XF0000001"), 0xf0000001);
    assert_int_equal(rf_conf_kind_by_name("4026531841"), 0xf0000001);
    assert_int_equal(rf_conf_kind_by_name("0x1f0000001"), 0);
    assert_int_equal(rf_conf_kind_by_name("0x"), 0);
    assert_int_equal(rf_conf_kind_by_name("0xg"), 0);
    assert_int_equal(rf_conf_kind_by_name("sip-registration"), 0);
    assert_int_equal(rf_conf_kind_by_name(""), 0);
}

int test_conf_value(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_are_read),
        cmocka_unit_test(numbers_have_ranges),
        cmocka_unit_test(booleans_and_ids_are_read),
        cmocka_unit_test(sequence_numbers_wrap_at_65535),
        cmocka_unit_test(registered_kinds_have_names_and_limits),
    };
    return cmocka_run_group_tests_name("value", tests, NULL, NULL);
}
