/* fuzz_sip_frame.c - SIP messages cut out of a stream: any cut gives the same messages; what leaves still has one Via on top. */
#include <stdint.h>
#include <stdlib.h>
#include "base/error.h"
#include "sip/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
    size_t count, bytes;
    unsigned pings;
    int error;
};

static struct seen run(const uint8_t *data, size_t size, size_t step)
{
    struct framer f;
    struct seen s = {.error = RF_ESHORT};

    framer_init(&f, rf_mem_system());
    for (size_t at = 0; at < size && s.error == RF_ESHORT; at += step) {
        struct rf_view message;
        s.error = framer_put(&f, rf_view_of(data + at, size - at < step ? size - at : step));
        while (s.error == 0 && (s.error = framer_next(&f, &message, &s.pings)) == 0) {
            struct rf_buf out;
            s.count++;
            s.bytes += message.len;
            rf_buf_init(&out, rf_mem_system(), FRAME_MAX_HEADER + FRAME_MAX_BODY + 512);
            if (frame_outgoing(message, "example.org", &out) == 0 && out.len > message.len + 64)
                abort();
            rf_buf_deinit(&out);
        }
    }
    framer_deinit(&f);
    return s;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct seen whole = run(data, size, size > 0 ? size : 1);
    struct seen pieces = run(data, size, 1 + size % 7);
    if (whole.count != pieces.count || whole.bytes != pieces.bytes || whole.pings != pieces.pings ||
        (whole.error != pieces.error && whole.error != RF_ELIMIT && pieces.error != RF_ELIMIT))
        abort();
    return 0;
}
