/* fuzz_wire_frame.c - a stream of frames in any cuts gives the same frames as in one piece, and they encode to the same bytes. */
#include <stdint.h>
#include "base/assert.h"
#include "base/error.h"
#include "wire/frame.h"

#define MAX_MESSAGE_LEN 300

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* whole reads all frames of one piece; returns the error that ended it. */
static int whole(struct rf_view stream, struct rf_buf *out)
{
    struct rf_frame frame;
    int error;

    while ((error = rf_frame_next(&stream, MAX_MESSAGE_LEN, &frame)) == 0)
        rf_frame_encode(&frame, out);
    return error;
}

/* cut reads them in chunks whose lengths come from `cuts`, over and over. */
static int cut(struct rf_view stream, struct rf_view cuts, struct rf_buf *out)
{
    struct rf_frame_reader reader;
    struct rf_frame frame;
    int error = RF_ESHORT;

    rf_frame_reader_init(&reader, rf_mem_system(), MAX_MESSAGE_LEN);
    for (size_t i = 0; error == RF_ESHORT && stream.len > 0; i++) {
        size_t len = 1 + (size_t)(cuts.len > 0 ? cuts.p[i % cuts.len] : 0);
        struct rf_view chunk;
        RF_ASSERT(rf_view_take(&stream, len < stream.len ? len : stream.len, &chunk) == 0);
        while ((error = rf_frame_reader_next(&reader, &chunk, &frame)) == 0)
            rf_frame_encode(&frame, out);
        RF_ASSERT(error != RF_ESHORT || chunk.len == 0);
        RF_ASSERT(reader.pending.len <= RF_FRAME_DATA_LEN + MAX_MESSAGE_LEN);
    }
    rf_frame_reader_deinit(&reader);
    return error;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rf_view stream = {data, size}, cuts;
    struct rf_buf a, b;
    uint8_t cuts_len;
    int error_a, error_b;

    if (rf_view_u8(&stream, &cuts_len) != 0 || rf_view_take(&stream, cuts_len % 16, &cuts) != 0)
        return 0;
    rf_buf_init(&a, rf_mem_system(), 1 << 20);
    rf_buf_init(&b, rf_mem_system(), 1 << 20);
    error_a = whole(stream, &a);
    error_b = cut(stream, cuts, &b);
    RF_ASSERT(error_a == error_b);
    RF_ASSERT(rf_view_equal(rf_buf_view(&a), rf_buf_view(&b)));
    RF_ASSERT(a.len <= stream.len && (a.len == 0 || memcmp(a.p, stream.p, a.len) == 0));
    rf_buf_deinit(&a);
    rf_buf_deinit(&b);
    return 0;
}
