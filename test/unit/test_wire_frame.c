/* test_wire_frame.c - frames out of records and out of streams cut anywhere; the mask of acks. */
#include "base/assert.h"
#include "support/vector.h"
#include "test_wire.h"
#include "wire/frame.h"

static void test_ack(void **state)
{
    struct rf_frame frame;
    struct rf_buf bytes;
    struct rf_view in;

    (void)state;
    rf_buf_init(&bytes, rf_mem_system(), 100);
    rf_vector_read("ack_mask", &bytes);
    rf_vector_read("ack", &bytes); /* two frames in one record */
    in = rf_buf_view(&bytes);
    assert_int_equal(rf_frame_next(&in, 0, &frame), 0);
    assert_int_equal(frame.type, RF_FRAME_ACK);
    assert_int_equal(frame.sequence, 34);
    assert_int_equal(frame.received, 6);
    assert_int_equal(rf_frame_next(&in, 0, &frame), 0);
    assert_int_equal(frame.sequence, 0);
    assert_int_equal(frame.received, 0);
    assert_int_equal(in.len, 0);
    rf_buf_deinit(&bytes);
}

static void test_broken(void **state)
{
    static const struct {
        const char *hex;
        int error;
    } cases[] = {
        {"", RF_ESHORT},
        {"7f 00000000 000001 00", RF_EUNKNOWN},
        {"82 00000000 00000000", RF_EUNKNOWN},
        {"00", RF_EUNKNOWN},
        {"80 00000000 0000", RF_ESHORT},
        {"80 00000000 000003 0102", RF_ESHORT},
        {"80 00000000 000005", RF_ELIMIT}, /* told before the bytes are there */
        {"80 00000000 ffffff", RF_ELIMIT},
        {"81 00000000 000000", RF_ESHORT},
        {"80 00000000 000004 01020304", 0},
        {"80 00000000 000000", 0},
    };
    (void)state;
    for (size_t i = 0; i < RF_COUNT(cases); i++) {
        struct rf_view bytes = wire_hex(cases[i].hex), in = bytes;
        struct rf_frame_reader reader;
        struct rf_frame frame;

        assert_int_equal(rf_frame_next(&in, 4, &frame), cases[i].error);
        assert_int_equal(in.len, cases[i].error == 0 ? 0 : bytes.len);
        rf_frame_reader_init(&reader, rf_mem_system(), 4);
        assert_int_equal(rf_frame_reader_next(&reader, &bytes, &frame), cases[i].error);
        rf_frame_reader_deinit(&reader);
    }
}

/* Some frames back to back, given to the reader in chunks of every length. */
static void test_stream(void **state)
{
    static const char *const names[] = {"ping_req", "ack", "update_ans", "ack_mask", "ack", "fragment_2"};
    struct rf_buf stream;

    (void)state;
    rf_buf_init(&stream, rf_mem_system(), 1 << 16);
    for (size_t i = 0; i < RF_COUNT(names); i++)
        rf_vector_read(names[i], &stream);
    for (size_t chunk = 1; chunk <= stream.len; chunk++) {
        struct rf_view all = rf_buf_view(&stream), part;
        struct rf_frame_reader reader;
        struct rf_frame frame;
        struct rf_buf again;

        rf_frame_reader_init(&reader, rf_mem_system(), 1000);
        rf_buf_init(&again, rf_mem_system(), 1 << 16);
        while (all.len > 0) {
            int error;
            assert_int_equal(rf_view_take(&all, chunk < all.len ? chunk : all.len, &part), 0);
            while ((error = rf_frame_reader_next(&reader, &part, &frame)) == 0)
                rf_frame_encode(&frame, &again);
            assert_int_equal(error, RF_ESHORT);
            assert_int_equal(part.len, 0);
        }
        wire_assert_bytes(rf_buf_view(&again), rf_buf_view(&stream));
        rf_frame_reader_deinit(&reader);
        rf_buf_deinit(&again);
    }
    rf_buf_deinit(&stream);
}

static void test_reader_no_memory(void **state)
{
    struct rf_view bytes = wire_hex("80 00000000 000004 010203");
    struct rf_frame_reader reader;
    struct rf_mem_test mem;
    struct rf_frame frame;

    (void)state;
    rf_mem_test_init(&mem);
    mem.allowed = 0;
    rf_frame_reader_init(&reader, &mem.mem, 4);
    assert_int_equal(rf_frame_reader_next(&reader, &bytes, &frame), RF_ENOMEM);
    rf_frame_reader_deinit(&reader);
    assert_int_equal(mem.live_count, 0);
}

static void test_encode_too_long(void **state)
{
    struct rf_frame frame = {.type = RF_FRAME_DATA, .message = {(const uint8_t *)"", 1 << 24}};
    struct rf_buf out;
    uint8_t space[64];

    (void)state;
    rf_buf_fixed(&out, space, sizeof space);
    rf_frame_encode(&frame, &out);
    assert_int_equal(rf_buf_error(&out), RF_ELENGTH);
}

static void test_ack_log(void **state)
{
    static const struct {
        uint32_t sequence, received;
    } cases[] = {
        {0, 0},           {1, 0x2}, {2, 0x6}, {4, 0x1c}, /* 2, 1, 0 are 2, 3, 4 before it */
        {3, 0x0e},                                       /* late: 4 lies after it */
        {4, 0x1e},                                       /* a duplicate does not count itself */
        {40, 0},                                         /* nothing within 31 */
        {35, 0x80000000},                                /* 4 is 31 before it */
    };
    struct rf_ack_log log = {0};
    struct rf_frame ack;

    (void)state;
    for (size_t i = 0; i < RF_COUNT(cases); i++) {
        rf_ack_log_add(&log, cases[i].sequence, &ack);
        assert_int_equal(ack.type, RF_FRAME_ACK);
        assert_int_equal(ack.sequence, cases[i].sequence);
        assert_int_equal(ack.received, cases[i].received);
    }
    /* the vector: 32 and 33, then 34 */
    log = (struct rf_ack_log){0};
    for (uint32_t n = 32; n <= 34; n++)
        rf_ack_log_add(&log, n, &ack);
    assert_int_equal(ack.received, 6);
    /* numbers wrap, and the log forgets */
    log = (struct rf_ack_log){0};
    for (uint32_t n = 0; n < 100; n++)
        rf_ack_log_add(&log, UINT32_MAX - 49 + n, &ack);
    assert_int_equal(ack.sequence, 49);
    assert_true(ack.received == 0xfffffffe);
    rf_ack_log_add(&log, 80, &ack); /* 49 is 31 before it */
    assert_true(ack.received == 0x80000000);
    rf_ack_log_add(&log, 80 - 64, &ack); /* far back, or far ahead: unknown is never a lie */
    assert_int_equal(ack.received, 0);
    rf_ack_log_add(&log, 80 - 63, &ack);
    assert_int_equal(ack.received, 2);
    rf_ack_log_add(&log, 1000, &ack);
    assert_int_equal(ack.received, 0);
    rf_ack_log_add(&log, 1000 - 63, &ack); /* noted, and before it nothing */
    assert_int_equal(ack.received, 0);
    rf_ack_log_add(&log, 1000 - 62, &ack);
    assert_int_equal(ack.received, 2);
}

int test_wire_frame(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_ack, wire_setup, wire_teardown),
        cmocka_unit_test_setup_teardown(test_broken, wire_setup, wire_teardown),
        cmocka_unit_test_setup_teardown(test_stream, wire_setup, wire_teardown),
        cmocka_unit_test_setup_teardown(test_reader_no_memory, wire_setup, wire_teardown),
        cmocka_unit_test(test_encode_too_long),
        cmocka_unit_test(test_ack_log),
    };
    return cmocka_run_group_tests_name("wire frames", tests, NULL, NULL);
}
