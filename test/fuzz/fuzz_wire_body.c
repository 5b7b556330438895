/*
 * fuzz_wire_body.c - one body of the method that the first byte names, or an extension's contents: what decodes is encoded again to
 * the same bytes. Memory is refused after as many allocations as the second byte says.
 */
#include <stdint.h>
#include "base/assert.h"
#include "base/error.h"
#include "support/wire_again.h"
#include "wire/code.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rf_view body = {data, size};
    struct rf_mem_test mem;
    struct rf_region region;
    struct wire_again again = {.id_len = 16, .region = &region};
    struct rf_buf out;
    uint8_t code, allowed;
    int error;

    if (rf_view_u8(&body, &code) != 0 || rf_view_u8(&body, &allowed) != 0)
        return 0;
    rf_mem_test_init(&mem);
    mem.allowed = allowed < 8 ? allowed : SIZE_MAX;
    rf_region_init(&region, &mem.mem, 1 << 22);
    rf_buf_init(&out, rf_mem_system(), 1 << 24);
    if (code == 0xfe)
        error = wire_again_diag_req(&again, body, &out);
    else if (code == 0xfd)
        error = wire_again_diag_ans(&again, body, &out);
    else
        error = wire_again_body(&again, code == 0xff ? RF_CODE_ERROR : code, body, &out);
    if (error == 0) {
        RF_ASSERT(rf_buf_error(&out) == 0);
        RF_ASSERT(again.lossy || rf_view_equal(rf_buf_view(&out), body));
    } else {
        RF_ASSERT(error != RF_EMISMATCH);
    }
    rf_buf_deinit(&out);
    rf_region_deinit(&region);
    RF_ASSERT(mem.live_count == 0);
    return 0;
}
