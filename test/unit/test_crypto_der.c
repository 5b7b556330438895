/* test_crypto_der.c - the strict DER reader, the writer, and civil dates. */
#include "test_crypto.h"

#include "base/civil.h"
#include "base/text.h"
#include "crypto/der.h"

/* unhex decodes into a static buffer: good until the next call. */
static struct rf_view unhex(const char *text)
{
    static uint8_t bytes[512];
    struct rf_buf out;

    rf_buf_fixed(&out, bytes, sizeof(bytes));
    assert_int_equal(rf_hex_decode(rf_view_str(text), &out), 0);
    return rf_buf_view(&out);
}

static void what_is_not_der_is_refused(void **state)
{
    static const char *const broken[] = {
        "",                 /* nothing */
        "30",               /* no length */
        "3080",             /* indefinite length */
        "30800000",         /* indefinite length with its end */
        "308105",           /* long form of a short length, no bytes */
        "3081050102030405", /* long form of a short length */
        "30820003010203",   /* leading zero in the length */
        "300401",           /* cut short */
        "1f0100",           /* tag in several bytes */
        "30850000000001ff", /* five length bytes */
        "30ff",
    };
    (void)state;
    for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
        struct rf_view in = unhex(broken[i]), before = in, body;

        assert_int_equal(rf_der_take(&in, RF_DER_SEQUENCE, &body), RF_EFORMAT);
        assert_ptr_equal(in.p, before.p);
        assert_int_equal(in.len, before.len);
    }
    struct rf_view in = unhex("3003010203ff00"), body;
    assert_int_equal(rf_der_take(&in, RF_DER_SET, &body), RF_EFORMAT);
    assert_int_equal(rf_der_take(&in, RF_DER_SEQUENCE, &body), 0);
    assert_int_equal(body.len, 3);
    assert_int_equal(in.len, 2);
}

static void integers_are_shortest_and_not_negative(void **state)
{
    static const struct {
        const char *der;
        int error;
        size_t len;
    } cases[] = {
        {"020100", 0, 0},
        {"02017f", 0, 1},
        {"02020080", 0, 1},
        {"0200", RF_EFORMAT, 0},
        {"020180", RF_EFORMAT, 0},
        {"02020001", RF_EFORMAT, 0},
        {"0202ff7f", RF_EFORMAT, 0},
        {"030100", RF_EFORMAT, 0},
    };
    struct rf_view in, number;
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        in = unhex(cases[i].der);
        assert_int_equal(rf_der_uint(&in, &number), cases[i].error);
        if (cases[i].error == 0)
            assert_int_equal(number.len, cases[i].len);
    }
}

static void booleans_and_bits_have_one_form(void **state)
{
    struct rf_view in, bits;
    bool value = false;
    (void)state;
    in = unhex("0101ff");
    assert_int_equal(rf_der_bool(&in, &value), 0);
    assert_true(value);
    in = unhex("010101");
    assert_int_equal(rf_der_bool(&in, &value), RF_EFORMAT);
    in = unhex("0100");
    assert_int_equal(rf_der_bool(&in, &value), RF_EFORMAT);
    in = unhex("030300abcd");
    assert_int_equal(rf_der_bits(&in, &bits), 0);
    assert_int_equal(bits.len, 2);
    in = unhex("030201ab");
    assert_int_equal(rf_der_bits(&in, &bits), RF_EFORMAT);
    in = unhex("0300");
    assert_int_equal(rf_der_bits(&in, &bits), RF_EFORMAT);
}

static void times_are_read(void **state)
{
    static const struct {
        uint8_t tag;
        const char *text;
        uint64_t ms;
        int error;
    } cases[] = {
        {RF_DER_UTC_TIME, "250101000000Z", UINT64_C(1735689600000), 0},
        {RF_DER_UTC_TIME, "491231235959Z", UINT64_C(2524607999000), 0},
        {RF_DER_UTC_TIME, "700101000000Z", 0, 0},
        {RF_DER_TIME, "20500101000000Z", UINT64_C(2524608000000), 0},
        {RF_DER_TIME, "99991231235959Z", UINT64_C(253402300799000), 0},
        {RF_DER_TIME, "20240229120000Z", UINT64_C(1709208000000), 0},
        {RF_DER_TIME, "20230229120000Z", 0, RF_EFORMAT},
        {RF_DER_TIME, "21000229120000Z", 0, RF_EFORMAT},
        {RF_DER_TIME, "20241301000000Z", 0, RF_EFORMAT},
        {RF_DER_TIME, "20240100000000Z", 0, RF_EFORMAT},
        {RF_DER_TIME, "20240101240000Z", 0, RF_EFORMAT},
        {RF_DER_TIME, "20240101000060Z", 0, RF_EFORMAT},
        {RF_DER_TIME, "20240101000000", 0, RF_EFORMAT},
        {RF_DER_TIME, "20240101000000.5Z", 0, RF_EFORMAT},
        {RF_DER_TIME, "20240101000000+0100", 0, RF_EFORMAT},
        {RF_DER_UTC_TIME, "2501010000Z", 0, RF_EFORMAT},
        {RF_DER_UTC_TIME, "25010100000-Z", 0, RF_EFORMAT},
        {RF_DER_UTC_TIME, "691231235959Z", 0, RF_EFORMAT}, /* before 1970 */
        {RF_DER_OCTET_STRING, "250101000000Z", 0, RF_EFORMAT},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint8_t bytes[64];
        struct rf_buf out;
        struct rf_view in;
        uint64_t ms = 1;

        rf_buf_fixed(&out, bytes, sizeof(bytes));
        rf_der_put(&out, cases[i].tag, rf_view_str(cases[i].text));
        in = rf_buf_view(&out);
        assert_int_equal(rf_der_time(&in, &ms), cases[i].error);
        if (cases[i].error == 0)
            assert_int_equal(ms, cases[i].ms);
    }
}

static void times_written_are_read_again(void **state)
{
    (void)state;
    for (uint64_t ms = 0; ms < UINT64_C(253402300800000); ms += UINT64_C(86400000) * 13 + 12345000) {
        struct rf_civil c = rf_civil_from_ms(ms);
        uint8_t bytes[32];
        struct rf_buf out;
        struct rf_view in;
        uint64_t again;

        assert_true(rf_civil_valid(&c));
        assert_int_equal(rf_civil_ms(&c), ms);
        rf_buf_fixed(&out, bytes, sizeof(bytes));
        rf_der_put_time(&out, ms);
        in = rf_buf_view(&out);
        assert_int_equal(in.p[0], ms < UINT64_C(2524608000000) ? RF_DER_UTC_TIME : RF_DER_TIME);
        assert_int_equal(rf_der_time(&in, &again), 0);
        assert_int_equal(again, ms);
    }
}

static void the_year_10000_is_not_written(void **state)
{
    uint8_t bytes[32];
    struct rf_buf out;
    (void)state;
    rf_buf_fixed(&out, bytes, sizeof(bytes));
    rf_der_put_time(&out, UINT64_C(253402300800000));
    assert_int_equal(rf_buf_error(&out), RF_EINVAL);
}

static void lengths_of_every_width_are_written(void **state)
{
    static const size_t lens[] = {0, 1, 127, 128, 255, 256, 65535, 65536};
    struct rf_buf out;
    (void)state;
    rf_buf_init(&out, rf_mem_system(), 1 << 20);
    for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
        size_t outer, inner;
        struct rf_view in, body, content;
        uint8_t *p;

        rf_buf_reset(&out);
        outer = rf_der_open(&out, RF_DER_SEQUENCE);
        inner = rf_der_open(&out, RF_DER_OCTET_STRING);
        p = rf_buf_reserve(&out, lens[i]);
        for (size_t k = 0; k < lens[i]; k++)
            p[k] = (uint8_t)(k * 7);
        rf_der_close(&out, inner);
        rf_der_close(&out, outer);
        assert_int_equal(rf_buf_error(&out), 0);
        in = rf_buf_view(&out);
        assert_int_equal(rf_der_take(&in, RF_DER_SEQUENCE, &body), 0);
        assert_int_equal(in.len, 0);
        assert_int_equal(rf_der_take(&body, RF_DER_OCTET_STRING, &content), 0);
        assert_int_equal(body.len, 0);
        assert_int_equal(content.len, lens[i]);
        for (size_t k = 0; k < lens[i]; k++)
            assert_int_equal(content.p[k], (uint8_t)(k * 7));
    }
    rf_buf_deinit(&out);
}

static void a_full_buffer_stays_in_its_bounds(void **state)
{
    uint8_t bytes[140];
    (void)state;
    for (size_t cap = 0; cap < sizeof(bytes); cap++) {
        struct rf_buf out;
        size_t mark;
        uint8_t *p;

        rf_buf_fixed(&out, bytes, cap);
        mark = rf_der_open(&out, RF_DER_SEQUENCE);
        if ((p = rf_buf_reserve(&out, 130)) != NULL)
            memset(p, 1, 130);
        rf_der_close(&out, mark);
        assert_int_equal(rf_buf_error(&out), cap < 133 ? RF_ELIMIT : 0);
    }
}

int test_crypto_der(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_not_der_is_refused),
        cmocka_unit_test(integers_are_shortest_and_not_negative),
        cmocka_unit_test(booleans_and_bits_have_one_form),
        cmocka_unit_test(times_are_read),
        cmocka_unit_test(times_written_are_read_again),
        cmocka_unit_test(the_year_10000_is_not_written),
        cmocka_unit_test(lengths_of_every_width_are_written),
        cmocka_unit_test(a_full_buffer_stays_in_its_bounds),
    };
    return cmocka_run_group_tests_name("der", tests, NULL, NULL);
}
