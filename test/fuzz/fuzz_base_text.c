/* fuzz_base_text.c - texts from outside: what a reader accepts, the writer writes and the reader reads again the same. */
#include <stdint.h>
#include <stdlib.h>
#include "base/addr.h"
#include "base/assert.h"
#include "base/id.h"
#include "base/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_codec(struct rf_view text, int (*decode)(struct rf_view text, struct rf_buf *out),
                        void (*put)(struct rf_buf *out, struct rf_view bytes))
{
    struct rf_buf bytes, again, bytes_again;
    rf_buf_init(&bytes, rf_mem_system(), 1 << 20);
    rf_buf_init(&again, rf_mem_system(), 1 << 20);
    rf_buf_init(&bytes_again, rf_mem_system(), 1 << 20);
    if (decode(text, &bytes) == 0) {
        put(&again, rf_buf_view(&bytes));
        RF_ASSERT(again.len <= text.len); /* the writer leaves out blanks at most */
        RF_ASSERT(decode(rf_buf_view(&again), &bytes_again) == 0);
        RF_ASSERT(rf_view_equal(rf_buf_view(&bytes), rf_buf_view(&bytes_again)));
    } else {
        RF_ASSERT(bytes.len == 0);
    }
    rf_buf_deinit(&bytes);
    rf_buf_deinit(&again);
    rf_buf_deinit(&bytes_again);
}

static void check_strings(const char *text)
{
    struct rf_addr addr, addr_again;
    struct rf_id id, id_again;
    char addr_text[RF_ADDR_TEXT_LEN], id_text[RF_ID_TEXT_LEN];
    if (rf_addr_parse(text, 1, &addr) == 0) {
        RF_ASSERT(rf_addr_parse(rf_addr_text(&addr, addr_text), 2, &addr_again) == 0);
        RF_ASSERT(rf_addr_equal(&addr, &addr_again));
    }
    if (rf_id_parse(text, &id) == 0) {
        RF_ASSERT(rf_id_parse(rf_id_text(&id, id_text), &id_again) == 0);
        RF_ASSERT(rf_id_equal(&id, &id_again));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rf_view text = {data, size};
    char *string = malloc(size + 1);
    if (string == NULL)
        return 0;
    memcpy(string, data, size);
    string[size] = '\0';
    check_strings(string);
    free(string);
    check_codec(text, rf_hex_decode, rf_hex_put);
    check_codec(text, rf_base64_decode, rf_base64_put);
    if (rf_name_valid(text)) {
        RF_ASSERT(rf_utf8_valid(text));
        RF_ASSERT(rf_domain_valid(rf_name_domain(text)));
    }
    return 0;
}
