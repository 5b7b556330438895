/* test_wire_vectors.c - every vector decodes fully and comes out again as the same bytes; cut anywhere, it is refused. */
#include <stdio.h>
#include "base/assert.h"
#include "support/vector.h"
#include "support/wire_again.h"
#include "test_wire.h"
#include "wire/frame.h"

static void test_again(void **state)
{
    (void)state;
    for (size_t i = 0; i < wire_message_count; i++) {
        struct wire_again again = {.id_len = ID_LEN, .region = wire_region(), .strict = true};
        struct rf_view message = wire_vector(wire_messages[i]);
        struct rf_buf out;
        int error;

        rf_buf_init(&out, rf_mem_system(), 1 << 20);
        error = wire_again_message(&again, message, &out);
        if (error != 0)
            print_message("%s: %s\n", wire_messages[i], rf_error_text(error));
        assert_int_equal(error, 0);
        assert_int_equal(rf_buf_error(&out), 0);
        wire_assert_bytes(rf_buf_view(&out), message);
        assert_false(again.lossy);
        rf_buf_deinit(&out);
        wire_pool_reset();
    }
}

/* The frame around the message, too. */
static void test_frames(void **state)
{
    static const char *const others[] = {"ack", "ack_mask", "fragment_1", "fragment_2"};

    (void)state;
    for (size_t i = 0; i < wire_message_count + RF_COUNT(others); i++) {
        struct rf_buf bytes, out;
        struct rf_frame frame;
        struct rf_view in;

        rf_buf_init(&bytes, rf_mem_system(), 1 << 20);
        rf_buf_init(&out, rf_mem_system(), 1 << 20);
        rf_vector_read(i < wire_message_count ? wire_messages[i] : others[i - wire_message_count], &bytes);
        in = rf_buf_view(&bytes);
        assert_int_equal(rf_frame_next(&in, 5000, &frame), 0);
        rf_frame_encode(&frame, &out);
        assert_int_equal(in.len, 0);
        wire_assert_bytes(rf_buf_view(&out), rf_buf_view(&bytes));
        for (size_t len = 0; len < bytes.len; len++) {
            struct rf_view cut = rf_view_of(bytes.p, len);
            assert_int_equal(rf_frame_next(&cut, 5000, &frame), RF_ESHORT);
            assert_int_equal(cut.len, len);
        }
        rf_buf_deinit(&bytes);
        rf_buf_deinit(&out);
    }
}

/* fix_length writes the header's length field anew. */
static void fix_length(uint8_t *message, size_t len)
{
    message[16] = (uint8_t)(len >> 24);
    message[17] = (uint8_t)(len >> 16);
    message[18] = (uint8_t)(len >> 8);
    message[19] = (uint8_t)len;
}

/* A message cut at any byte is refused, with the length field as it was and with one that fits. Exact copies on the heap, so
 * that a read beyond the cut is seen. */
static void test_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < wire_message_count; i++) {
        struct rf_view message = wire_vector(wire_messages[i]);
        struct rf_message decoded;

        for (size_t len = 0; len < message.len; len++) {
            uint8_t *copy = rf_memdup(rf_mem_system(), message.p, len);
            int error = rf_message_decode(rf_view_of(copy, len), ID_LEN, &decoded);
            assert_int_equal(error, RF_ESHORT);
            if (len >= 20) {
                fix_length(copy, len);
                assert_int_not_equal(rf_message_decode(rf_view_of(copy, len), ID_LEN, &decoded), 0);
            }
            rf_free(rf_mem_system(), copy);
        }
        wire_pool_reset();
    }
}

/* A body cut at any byte, or with a byte more, is refused by its own decoder. */
static void test_cut_body(void **state)
{
    (void)state;
    for (size_t i = 0; i < wire_message_count; i++) {
        struct wire_again again = {.id_len = ID_LEN, .region = wire_region(), .strict = true};
        struct rf_message m;
        uint8_t *copy;
        struct rf_buf out;

        assert_int_equal(rf_message_decode(wire_vector(wire_messages[i]), ID_LEN, &m), 0);
        rf_buf_init(&out, rf_mem_system(), 1 << 20);
        for (size_t len = 0; len < m.body.len; len++) {
            copy = rf_memdup(rf_mem_system(), m.body.p, len);
            assert_int_not_equal(wire_again_body(&again, m.code, rf_view_of(copy, len), &out), 0);
            rf_free(rf_mem_system(), copy);
        }
        copy = rf_zalloc(rf_mem_system(), m.body.len + 1);
        if (m.body.len > 0)
            memcpy(copy, m.body.p, m.body.len);
        assert_int_not_equal(wire_again_body(&again, m.code, rf_view_of(copy, m.body.len + 1), &out), 0);
        rf_free(rf_mem_system(), copy);
        rf_buf_deinit(&out);
        wire_pool_reset();
    }
}

/* Every allocation of a decoder may be refused: RF_ENOMEM, nothing else, and nothing stays behind. A region asks for its
 * first chunk only when an array is needed, so one refusal reaches each decoder's first array. */
static void test_no_memory(void **state)
{
    size_t refused_count = 0;

    (void)state;
    for (size_t i = 0; i < wire_message_count; i++) {
        struct rf_view message = wire_vector(wire_messages[i]);
        for (size_t limit = 0; limit < 2; limit++) { /* no memory; a region with a limit */
            struct rf_mem_test mem;
            struct rf_region region;
            struct wire_again again = {.id_len = ID_LEN, .region = &region, .strict = true};
            struct rf_buf out;
            int error;

            rf_mem_test_init(&mem);
            mem.allowed = limit == 0 ? 0 : SIZE_MAX;
            rf_region_init(&region, &mem.mem, limit == 0 ? 1 << 20 : 3);
            rf_buf_init(&out, rf_mem_system(), 1 << 20);
            error = wire_again_message(&again, message, &out);
            assert_true(error == 0 || error == RF_ENOMEM);
            refused_count += error == RF_ENOMEM;
            rf_region_deinit(&region);
            assert_int_equal(mem.live_count, 0);
            rf_buf_deinit(&out);
        }
    }
    /* all but the bodies without an array: ping, join, route_query, update_ans, ... */
    assert_int_equal(refused_count, 2 * 29);
}

int test_wire_vectors(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_again, wire_setup, wire_teardown),
        cmocka_unit_test_setup_teardown(test_frames, wire_setup, wire_teardown),
        cmocka_unit_test_setup_teardown(test_cut, wire_setup, wire_teardown),
        cmocka_unit_test_setup_teardown(test_cut_body, wire_setup, wire_teardown),
        cmocka_unit_test_setup_teardown(test_no_memory, wire_setup, wire_teardown),
    };
    return cmocka_run_group_tests_name("wire vectors", tests, NULL, NULL);
}
