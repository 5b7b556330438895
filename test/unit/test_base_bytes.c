/* test_base_bytes.c - reading views and building bytes. */
#include "test_base.h"

#include "base/buf.h"
#include "base/error.h"

static void readers_take_big_endian(void **state)
{
    static const uint8_t bytes[] = {0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0a,
                                    0xf1, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8, 0x01, 0x00};
    struct rf_view in = {bytes, sizeof bytes};
    uint8_t u8;
    uint16_t u16;
    uint32_t u24, u32;
    uint64_t u64;
    bool yes, no;
    (void)state;
    assert_int_equal(rf_view_u8(&in, &u8), 0);
    assert_int_equal(rf_view_u16(&in, &u16), 0);
    assert_int_equal(rf_view_u24(&in, &u24), 0);
    assert_int_equal(rf_view_u32(&in, &u32), 0);
    assert_int_equal(rf_view_u64(&in, &u64), 0);
    assert_int_equal(rf_view_bool(&in, &yes), 0);
    assert_int_equal(rf_view_bool(&in, &no), 0);
    assert_int_equal(u8, 0x01);
    assert_int_equal(u16, 0x0203);
    assert_int_equal(u24, 0x040506);
    assert_int_equal(u32, 0x0708090a);
    assert_true(u64 == 0xf1f2f3f4f5f6f7f8);
    assert_true(yes);
    assert_false(no);
    assert_int_equal(in.len, 0);
}

static void short_input_changes_nothing(void **state)
{
    static const uint8_t bytes[7] = {1, 2, 3, 4, 5, 6, 7};
    uint64_t u64 = 77;
    uint32_t u32 = 77;
    uint16_t u16 = 77;
    uint8_t u8 = 77;
    bool b = true;
    (void)state;
    struct rf_view in = {bytes, 7};
    assert_int_equal(rf_view_u64(&in, &u64), RF_ESHORT);
    in.len = 3;
    assert_int_equal(rf_view_u32(&in, &u32), RF_ESHORT);
    in.len = 2;
    assert_int_equal(rf_view_u24(&in, &u32), RF_ESHORT);
    in.len = 1;
    assert_int_equal(rf_view_u16(&in, &u16), RF_ESHORT);
    in.len = 0;
    assert_int_equal(rf_view_u8(&in, &u8), RF_ESHORT);
    assert_int_equal(rf_view_bool(&in, &b), RF_ESHORT);
    assert_ptr_equal(in.p, bytes);
    assert_true(u64 == 77 && u32 == 77 && u16 == 77 && u8 == 77 && b);
    in.len = 2;
    in.p = bytes + 1; /* 2 is no bool */
    assert_int_equal(rf_view_bool(&in, &b), RF_EFORMAT);
    assert_int_equal(in.len, 2);
}

static void vectors_carry_their_length(void **state)
{
    static const struct {
        int width;
        uint8_t bytes[8];
        size_t len;
        int error;
        size_t taken_len;
    } rows[] = {
        {1, {0}, 1, 0, 0},
        {1, {2, 0xa, 0xb, 0xc}, 4, 0, 2},
        {2, {0, 3, 1, 2, 3}, 5, 0, 3},
        {3, {0, 0, 1, 9}, 4, 0, 1},
        {4, {0, 0, 0, 2, 9, 9}, 6, 0, 2},
        {1, {0}, 0, RF_ESHORT, 0},
        {1, {3, 1, 2}, 3, RF_ESHORT, 0},
        {2, {0}, 1, RF_ESHORT, 0},
        {4, {0xff, 0xff, 0xff, 0xff, 1}, 5, RF_ESHORT, 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct rf_view in = {rows[i].bytes, rows[i].len}, out = {NULL, 99};
        assert_int_equal(rf_view_v(&in, rows[i].width, &out), rows[i].error);
        if (rows[i].error == 0) {
            assert_int_equal(out.len, rows[i].taken_len);
            assert_ptr_equal(out.p, rows[i].bytes + rows[i].width);
            assert_int_equal(in.len, rows[i].len - (size_t)rows[i].width - rows[i].taken_len);
        } else {
            assert_int_equal(out.len, 99);
            assert_int_equal(in.len, rows[i].len);
            assert_ptr_equal(in.p, rows[i].bytes);
        }
    }
}

static void take_and_equality(void **state)
{
    struct rf_view in = rf_view_str("abcdef"), out, none = {NULL, 0};
    (void)state;
    assert_int_equal(rf_view_take(&in, 4, &out), 0);
    assert_true(rf_view_equal(out, rf_view_str("abcd")));
    assert_true(rf_view_equal(in, rf_view_str("ef")));
    assert_int_equal(rf_view_take(&in, 3, &out), RF_ESHORT);
    assert_int_equal(rf_view_take(&none, 0, &out), 0);
    assert_true(rf_view_equal(none, rf_view_str("")));
    assert_true(rf_view_equal_secret(rf_view_str("key"), rf_view_str("key")));
    assert_false(rf_view_equal_secret(rf_view_str("key"), rf_view_str("kex")));
    assert_false(rf_view_equal_secret(rf_view_str("key"), rf_view_str("ley")));
    assert_false(rf_view_equal_secret(rf_view_str("key"), rf_view_str("keys")));
    assert_true(rf_view_equal_secret(none, none));
}

static void builder_writes_what_readers_read(void **state)
{
    static const uint8_t expected[] = {
        0xff, 0x12, 0x34, 0x12, 0x34, 0x56, 0x12, 0x34, 0x56, 0x78, 1,   2, 3, 4, 5,   6,   7,   8,  1,
        0,    'a',  'b',  'x',  '=',  '4',  '2',  0,    2,    'h',  'i', 0, 0, 4, 'l', 'o', 'n', 'g'};
    struct rf_mem_test mem;
    struct rf_buf buf;
    (void)state;
    rf_mem_test_init(&mem);
    rf_buf_init(&buf, &mem.mem, 1000);
    rf_buf_u8(&buf, 0xff);
    rf_buf_u16(&buf, 0x1234);
    rf_buf_u24(&buf, 0x123456);
    rf_buf_u32(&buf, 0x12345678);
    rf_buf_u64(&buf, 0x0102030405060708);
    rf_buf_bool(&buf, true);
    rf_buf_bool(&buf, false);
    rf_buf_put(&buf, "ab", 2);
    rf_buf_printf(&buf, "x=%d", 42);
    rf_buf_v(&buf, 2, rf_view_str("hi"));
    size_t mark = rf_buf_open(&buf, 3);
    rf_buf_str(&buf, "long");
    rf_buf_close(&buf, mark, 3);
    assert_int_equal(rf_buf_error(&buf), 0);
    assert_int_equal(buf.len, sizeof expected);
    assert_memory_equal(buf.p, expected, sizeof expected);
    size_t len;
    uint8_t *p = rf_buf_steal(&buf, &len);
    assert_int_equal(len, sizeof expected);
    assert_int_equal(rf_buf_view(&buf).len, 0);
    rf_buf_u8(&buf, 1); /* usable again */
    assert_int_equal(rf_buf_view(&buf).len, 1);
    rf_free(&mem.mem, p);
    rf_buf_deinit(&buf);
    assert_int_equal(mem.live_count, 0);
}

static void limits_hold_and_stick(void **state)
{
    struct rf_mem_test mem;
    struct rf_buf buf;
    uint8_t fixed[4] = {0};
    (void)state;
    rf_mem_test_init(&mem);
    rf_buf_init(&buf, &mem.mem, 100);
    for (int i = 0; i < 100; i++)
        rf_buf_u8(&buf, (uint8_t)i);
    assert_int_equal(rf_buf_error(&buf), 0);
    rf_buf_u16(&buf, 1);
    assert_int_equal(rf_buf_error(&buf), RF_ELIMIT);
    assert_int_equal(buf.len, 100);
    rf_buf_fail(&buf, RF_EFORMAT);
    assert_int_equal(rf_buf_error(&buf), RF_ELIMIT); /* the first error stays */
    assert_null(rf_buf_reserve(&buf, 0));
    rf_buf_reset(&buf);
    assert_int_equal(rf_buf_error(&buf), 0);
    rf_buf_put(&buf, "x", SIZE_MAX); /* refused before it is read */
    assert_int_equal(rf_buf_error(&buf), RF_ELIMIT);
    rf_buf_deinit(&buf);

    rf_buf_fixed(&buf, fixed, sizeof fixed);
    rf_buf_u32(&buf, 0x01020304);
    assert_int_equal(rf_buf_error(&buf), 0);
    rf_buf_u8(&buf, 5);
    assert_int_equal(rf_buf_error(&buf), RF_ELIMIT);
    assert_int_equal(fixed[3], 4);
    rf_buf_deinit(&buf);
    assert_int_equal(mem.live_count, 0);
}

static void lengths_must_fit_their_width(void **state)
{
    static const uint8_t big[70000];
    struct rf_buf buf;
    (void)state;
    rf_buf_init(&buf, rf_mem_system(), 1 << 20);
    rf_buf_v(&buf, 1, rf_view_of(big, 255));
    assert_int_equal(rf_buf_error(&buf), 0);
    rf_buf_v(&buf, 1, rf_view_of(big, 256));
    assert_int_equal(rf_buf_error(&buf), RF_ELENGTH);
    rf_buf_reset(&buf);
    size_t mark = rf_buf_open(&buf, 2);
    rf_buf_put(&buf, big, 65535);
    rf_buf_close(&buf, mark, 2);
    assert_int_equal(rf_buf_error(&buf), 0);
    assert_int_equal(buf.p[0] << 8 | buf.p[1], 65535);
    mark = rf_buf_open(&buf, 2);
    rf_buf_put(&buf, big, 65536);
    rf_buf_close(&buf, mark, 2);
    assert_int_equal(rf_buf_error(&buf), RF_ELENGTH);
    rf_buf_reset(&buf);
    rf_buf_u24(&buf, 0x1000000);
    assert_int_equal(rf_buf_error(&buf), RF_ELENGTH);
    rf_buf_deinit(&buf);
}

static void long_texts_are_formatted_whole(void **state)
{
    struct rf_buf buf;
    (void)state;
    for (int width = 254; width <= 258; width++) { /* around the size of the small buffer inside */
        rf_buf_init(&buf, rf_mem_system(), 1000);
        rf_buf_printf(&buf, "%*d|", width, 7);
        assert_int_equal(rf_buf_error(&buf), 0);
        assert_int_equal(buf.len, width + 1);
        assert_memory_equal(buf.p + width - 1, "7|", 2);
        assert_int_equal(buf.p[0], ' ');
        rf_buf_deinit(&buf);
    }
}

static void refused_memory_is_an_error(void **state)
{
    struct rf_mem_test mem;
    (void)state;
    for (size_t allowed = 0; allowed < 3; allowed++) {
        struct rf_buf buf;
        rf_mem_test_init(&mem);
        mem.allowed = allowed;
        rf_buf_init(&buf, &mem.mem, 10000);
        for (int i = 0; i < 1000; i++)
            rf_buf_u8(&buf, (uint8_t)i);
        rf_buf_close(&buf, 999, 4); /* must not look at what was never written */
        assert_int_equal(rf_buf_error(&buf), RF_ENOMEM);
        assert_true(buf.len <= buf.cap);
        rf_buf_deinit(&buf);
        assert_int_equal(mem.live_count, 0);
    }
}

int test_base_bytes(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(readers_take_big_endian),          cmocka_unit_test(short_input_changes_nothing),
        cmocka_unit_test(vectors_carry_their_length),       cmocka_unit_test(take_and_equality),
        cmocka_unit_test(builder_writes_what_readers_read), cmocka_unit_test(limits_hold_and_stick),
        cmocka_unit_test(lengths_must_fit_their_width),     cmocka_unit_test(long_texts_are_formatted_whole),
        cmocka_unit_test(refused_memory_is_an_error),
    };
    return cmocka_run_group_tests_name("base/view, base/buf", tests, NULL, NULL);
}
