/* test_wire_fragment.c - messages cut into fragments and put together again. */
#include "base/assert.h"
#include "support/vector.h"
#include "test_wire.h"
#include "wire/contents.h"
#include "wire/method.h"

/* The two fragments of the vectors make one PingReq. */
static void test_vectors(void **state)
{
    static const char *const names[] = {"fragment_1", "fragment_2"};
    struct rf_message m;
    struct rf_piece piece;
    struct rf_buf data;
    struct rf_view padding;

    (void)state;
    rf_buf_init(&data, rf_mem_system(), 5000);
    for (size_t i = 0; i < 2; i++) {
        struct rf_view message = wire_vector(names[i]), rest = message;
        assert_int_equal(rf_message_decode(message, ID_LEN, &m), RF_EAGAIN);
        assert_int_equal(rf_header_decode(&rest, ID_LEN, &m.header), 0);
        assert_false(rf_header_is_whole(&m.header));
        assert_int_equal(rf_piece_of(&m.header, rest, &piece), 0);
        assert_int_equal(piece.offset, i == 0 ? 0 : 600);
        assert_int_equal(piece.last, i == 1);
        assert_int_equal(piece.data.len, i == 0 ? 600 : 599);
        assert_int_equal(data.len, piece.offset);
        rf_buf_view_put(&data, piece.data);
    }
    assert_int_equal(rf_message_decode_rest(rf_buf_view(&data), &m), 0);
    assert_int_equal(m.code, RF_CODE_PING_REQ);
    assert_int_equal(rf_ping_req_decode(m.body, &padding), 0);
    assert_int_equal(padding.len, 768);
    rf_buf_deinit(&data);
}

/* join puts the fragments of one buffer together; they lie back to back, each as long as its length field says. */
static size_t join(struct rf_view fragments, size_t max_len, bool last_expected, struct rf_buf *data)
{
    size_t count = 0;
    bool last = false;

    while (fragments.len > 0) {
        struct rf_header h;
        struct rf_piece piece;
        struct rf_view one, rest;
        size_t len = (size_t)fragments.p[16] << 24 | (size_t)fragments.p[17] << 16 |
                     (size_t)fragments.p[18] << 8 | fragments.p[19];
        assert_true(len <= max_len);
        assert_int_equal(rf_view_take(&fragments, len, &one), 0);
        rest = one;
        assert_int_equal(rf_header_decode(&rest, ID_LEN, &h), 0);
        assert_int_equal(rf_piece_of(&h, rest, &piece), 0);
        assert_int_equal(piece.offset, data->len);
        assert_false(last);
        last = piece.last;
        rf_buf_view_put(data, piece.data);
        count++;
    }
    assert_int_equal(last, last_expected);
    return count;
}

static void test_split(void **state)
{
    static const struct {
        size_t max_len, count;
    } cases[] = {{5000, 1}, {1200 + 56, 1}, {1199 + 56, 2}, {700, 2}, {600, 3}, {56 + 400, 3}, {56 + 399, 4}};
    struct rf_header h = {.ttl = 9, .fragment = RF_FRAGMENT_WHOLE, .transaction_id = 7};
    uint8_t rest[1200];

    (void)state;
    h.dests = wire_hex("0110b0b00000000000000000000000000002");
    for (size_t i = 0; i < sizeof rest; i++)
        rest[i] = (uint8_t)(i * 7 + i / 256);
    for (size_t i = 0; i < RF_COUNT(cases); i++) {
        struct rf_split split;
        struct rf_buf out, data;

        rf_buf_init(&out, rf_mem_system(), 1 << 16);
        rf_buf_init(&data, rf_mem_system(), 1 << 16);
        assert_int_equal(rf_split_start(&split, &h, rf_view_of(rest, sizeof rest), cases[i].max_len), 0);
        while (rf_split_next(&split, &out)) {
        }
        assert_int_equal(rf_buf_error(&out), 0);
        assert_int_equal(join(rf_buf_view(&out), cases[i].max_len, true, &data), cases[i].count);
        wire_assert_bytes(rf_buf_view(&data), rf_view_of(rest, sizeof rest));
        rf_buf_deinit(&out);
        rf_buf_deinit(&data);
    }
}

/* A fragment is cut again: offsets add, "last" stays on the last piece of the last one. */
static void test_split_again(void **state)
{
    static const char *const names[] = {"fragment_1", "fragment_2"};
    struct rf_buf out, data, whole;

    (void)state;
    rf_buf_init(&out, rf_mem_system(), 1 << 16);
    rf_buf_init(&data, rf_mem_system(), 1 << 16);
    rf_buf_init(&whole, rf_mem_system(), 1 << 16);
    for (size_t i = 0; i < 2; i++) {
        struct rf_view rest = wire_vector(names[i]);
        struct rf_header h;
        struct rf_split split;
        assert_int_equal(rf_header_decode(&rest, ID_LEN, &h), 0);
        rf_buf_view_put(&whole, rest);
        assert_int_equal(rf_split_start(&split, &h, rest, 400), 0);
        while (rf_split_next(&split, &out)) {
        }
    }
    assert_int_equal(join(rf_buf_view(&out), 400, true, &data), 4);
    wire_assert_bytes(rf_buf_view(&data), rf_buf_view(&whole));
    rf_buf_deinit(&out);
    rf_buf_deinit(&data);
    rf_buf_deinit(&whole);
}

static void test_limits(void **state)
{
    struct rf_header h = {.fragment = RF_FRAGMENT_WHOLE};
    struct rf_split split;
    struct rf_piece piece;
    uint8_t rest[1200] = {0};

    (void)state;
    /* 255 bytes in a piece are too few, and so are two pieces for 257..511 bytes */
    assert_int_equal(rf_split_start(&split, &h, rf_view_of(rest, 1200), 38 + 255), RF_ELIMIT);
    assert_int_equal(rf_split_start(&split, &h, rf_view_of(rest, 1200), 20), RF_ELIMIT);
    assert_int_equal(rf_split_start(&split, &h, rf_view_of(rest, 400), 38 + 300), RF_ELIMIT);
    assert_int_equal(rf_split_start(&split, &h, rf_view_of(rest, 255), 38 + 255), 0);
    assert_int_equal(rf_split_start(&split, &h, rf_view_of(rest, 0), 5000), RF_ELENGTH);
    h.fragment = RF_FRAGMENT_ALWAYS | 0xfffff0;
    assert_int_equal(rf_piece_of(&h, rf_view_of(rest, 15), &piece), 0);
    assert_false(piece.last);
    assert_int_equal(rf_piece_of(&h, rf_view_of(rest, 16), &piece), RF_ELENGTH);
}

int test_wire_fragment(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_vectors, wire_setup, wire_teardown),
        cmocka_unit_test_setup_teardown(test_split, wire_setup, wire_teardown),
        cmocka_unit_test_setup_teardown(test_split_again, wire_setup, wire_teardown),
        cmocka_unit_test(test_limits),
    };
    return cmocka_run_group_tests_name("wire fragments", tests, NULL, NULL);
}
