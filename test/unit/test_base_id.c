/* test_base_id.c - the ring: arithmetic, intervals, and the answers of spec section 8.2. */
#include "test_base.h"

#include "base/error.h"
#include "base/id.h"

/* parsed reads hex and fills up with zeros to 16 bytes: "41" is 41000... */
static struct rf_id parsed(const char *hex)
{
    char text[33];
    struct rf_id id;
    memset(text, '0', 32);
    text[32] = '\0';
    memcpy(text, hex, strlen(hex));
    assert_int_equal(rf_id_parse(text, &id), 0);
    return id;
}

static void assert_id(struct rf_id id, const char *hex)
{
    struct rf_id expected = parsed(hex);
    char text[RF_ID_TEXT_LEN], wanted[RF_ID_TEXT_LEN];
    assert_string_equal(rf_id_text(&id, text), rf_id_text(&expected, wanted));
}

static void text_and_bytes(void **state)
{
    static const char *const broken[] = {
        "g1ce0000000000000000000000000001",
        "a11ce 00000000000000000000000001",
        "0xa1ce0000000000000000000000001",
    };
    static const char *const wrong_length[] = {
        "",
        "00",
        "a11ce00000000000000000000000000",
        "a11ce00000000000000000000000001",
        "a11ce000000000000000000000000000000000000000",
        "a11ce00000000000000000000000000000000000a",
    };
    struct rf_id id, again;
    char text[RF_ID_TEXT_LEN];
    (void)state;
    assert_int_equal(rf_id_parse("A11CE000000000000000000000000001", &id), 0);
    assert_string_equal(rf_id_text(&id, text), "a11ce000000000000000000000000001");
    assert_int_equal(id.len, 16);
    assert_int_equal(rf_id_from(rf_id_view(&id), &again), 0);
    assert_true(rf_id_equal(&id, &again));
    assert_int_equal(rf_id_parse("0123456789abcdef0123456789abcdef01234567", &id), 0);
    assert_int_equal(id.len, 20);
    assert_string_equal(rf_id_text(&id, text), "0123456789abcdef0123456789abcdef01234567");
    again = id;
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++)
        assert_int_equal(rf_id_parse(broken[i], &id), RF_EFORMAT);
    for (size_t i = 0; i < sizeof wrong_length / sizeof wrong_length[0]; i++)
        assert_int_equal(rf_id_parse(wrong_length[i], &id), RF_ELENGTH);
    assert_int_equal(rf_id_from(rf_view_of(again.b, 15), &id), RF_ELENGTH);
    assert_int_equal(rf_id_from(rf_view_of("123456789012345678901", 21), &id), RF_ELENGTH);
    assert_true(rf_id_equal(&id, &again));
}

static void arithmetic_wraps(void **state)
{
    static const struct {
        const char *a, *b, *sum, *difference;
    } rows[] = {
        {"00", "00", "00", "00"},
        {"ffffffffffffffffffffffffffffffff", "00000000000000000000000000000001", "00",
         "fffffffffffffffffffffffffffffffe"},
        {"00", "00000000000000000000000000000001", "00000000000000000000000000000001",
         "ffffffffffffffffffffffffffffffff"},
        {"80", "80", "00", "00"},
        {"10", "c0", "d0", "50"},
        {"00000000000000000000ffffffffffff", "00000000000000000000000000000001",
         "00000000000000000001000000000000", "00000000000000000000fffffffffffe"},
        {"ffffffffffffffffffffffffffffffff", "ffffffffffffffffffffffffffffffff",
         "fffffffffffffffffffffffffffffffe", "00"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct rf_id a = parsed(rows[i].a), b = parsed(rows[i].b);
        assert_id(rf_id_add(&a, &b), rows[i].sum);
        assert_id(rf_id_sub(&a, &b), rows[i].difference);
    }
    struct rf_id top = rf_id_wildcard(16);
    assert_id(rf_id_add_small(&top, 1), "00");
    assert_id(rf_id_add_small(&top, 0xffffffff), "000000000000000000000000fffffffe");
    assert_id(rf_id_pow2(16, 0), "00000000000000000000000000000001");
    assert_id(rf_id_pow2(16, 127), "80");
    assert_id(rf_id_pow2(16, 69), "00000000000000200000000000000000");
    assert_int_equal(rf_id_pow2(20, 159).b[0], 0x80);
    assert_int_equal(rf_id_pow2(20, 0).b[19], 1);
}

static void lower_bounds(void **state)
{
    struct {
        int before;
        struct rf_id id;
    } sorted[] = {{0, parsed("10")}, {0, parsed("20")}, {0, parsed("20")}, {0, parsed("c0")}};
    static const struct {
        const char *wanted;
        size_t at;
    } table[] = {{"00", 0}, {"10", 0}, {"1f", 1}, {"20", 1}, {"21", 3}, {"c0", 3}, {"c1", 4}};
    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct rf_id wanted = parsed(table[i].wanted);
        assert_int_equal(rf_id_lower_bound(&sorted[0].id, 4, sizeof(sorted[0]), &wanted), table[i].at);
        assert_int_equal(rf_id_lower_bound(&sorted[0].id, 0, sizeof(sorted[0]), &wanted), 0);
    }
}

static void order_and_special_ids(void **state)
{
    struct rf_id low = parsed("10"), high = parsed("c0"), zero = parsed("00"), unset = {0};
    struct rf_id wildcard = rf_id_wildcard(16), longer = rf_id_wildcard(20);
    (void)state;
    assert_true(rf_id_compare(&low, &high) < 0);
    assert_true(rf_id_compare(&high, &low) > 0);
    assert_int_equal(rf_id_compare(&low, &low), 0);
    assert_true(rf_id_compare(&wildcard, &longer) < 0);
    assert_false(rf_id_equal(&wildcard, &longer));
    assert_true(rf_id_is_zero(&zero));
    assert_false(rf_id_is_zero(&low));
    assert_true(rf_id_is_wildcard(&wildcard));
    wildcard.b[15] = 0xfe;
    assert_false(rf_id_is_wildcard(&wildcard));
    assert_false(rf_id_is_zero(&unset) || rf_id_is_wildcard(&unset)); /* unset is neither */
    assert_true(rf_id_as_double(&zero) == 0.0);
    struct rf_id half = parsed("80");
    assert_true(rf_id_as_double(&half) == 0.5);
    assert_true(rf_id_as_double(&longer) < 1.0 && rf_id_as_double(&longer) > 0.999999);
}

static void intervals(void **state)
{
    static const struct {
        const char *a, *x, *b;
        bool inside;
    } rows[] = {
        {"10", "20", "40", true},  {"10", "40", "40", true},  {"10", "10", "40", false},
        {"10", "41", "40", false}, {"10", "05", "40", false}, {"c0", "05", "10", true},
        {"c0", "ff", "10", true},  {"c0", "00", "10", true},  {"c0", "10", "10", true},
        {"c0", "c0", "10", false}, {"c0", "11", "10", false}, {"c0", "bf", "10", false},
        {"40", "40", "40", true},  {"40", "41", "40", true},  {"40", "3f", "40", true},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct rf_id a = parsed(rows[i].a), x = parsed(rows[i].x), b = parsed(rows[i].b);
        if (rf_id_between(&a, &x, &b) != rows[i].inside)
            fail_msg("%s in (%s, %s] came out wrong", rows[i].x, rows[i].a, rows[i].b);
    }
    struct rf_id short_id = parsed("40"), long_id = rf_id_wildcard(20);
    assert_false(rf_id_between(&short_id, &long_id, &short_id));
    assert_false(rf_id_between(&short_id, &short_id, &long_id));
}

/* peers 10, 40, 80, c0: who is responsible is the peer whose interval (predecessor, peer] holds the resource
 */
static void responsibility_as_in_the_reference(void **state)
{
    static const char *const peers[] = {"10", "40", "80", "c0"};
    static const struct {
        const char *resource, *peer;
    } rows[] = {
        {"41", "80"}, {"40", "40"}, {"c1", "10"}, {"05", "10"}, {"10000000000000000000000000000001", "40"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct rf_id resource = parsed(rows[i].resource);
        int found = 0;
        for (int p = 0; p < 4; p++) {
            struct rf_id predecessor = parsed(peers[(p + 3) % 4]), peer = parsed(peers[p]);
            if (!rf_id_between(&predecessor, &resource, &peer))
                continue;
            assert_string_equal(peers[p], rows[i].peer);
            found++;
        }
        assert_int_equal(found, 1); /* exactly one peer is responsible for every place */
    }
}

/* fingers 1, 2, 3 of peer 10: [n + 2^(128-i), n + 2^(128-i+1) - 1], the first one of half the ring */
static void finger_ranges_as_in_the_reference(void **state)
{
    static const struct {
        unsigned finger;
        const char *first, *last;
    } rows[] = {
        {1, "90", "0fffffffffffffffffffffffffffffff"},
        {2, "50", "8fffffffffffffffffffffffffffffff"},
        {3, "30", "4fffffffffffffffffffffffffffffff"},
    };
    struct rf_id peer = parsed("10"), one = rf_id_pow2(16, 0);
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct rf_id width = rf_id_pow2(16, 128 - rows[i].finger);
        struct rf_id first = rf_id_add(&peer, &width);
        struct rf_id end = rf_id_add(&first, &width);
        assert_id(first, rows[i].first);
        assert_id(rf_id_sub(&end, &one), rows[i].last);
    }
}

int test_base_id(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_and_bytes),
        cmocka_unit_test(arithmetic_wraps),
        cmocka_unit_test(lower_bounds),
        cmocka_unit_test(order_and_special_ids),
        cmocka_unit_test(intervals),
        cmocka_unit_test(responsibility_as_in_the_reference),
        cmocka_unit_test(finger_ranges_as_in_the_reference),
    };
    return cmocka_run_group_tests_name("base/id", tests, NULL, NULL);
}
