/*
 * fuzz_wire_message.c - a whole message: what decodes is encoded again to the same bytes, is printed, forwarded, and cut into
 * fragments that give it back. The first byte chooses id_len and what a forwarder changes; the length field is put right, or
 * almost no input would get past it.
 */
#include <stdint.h>
#include <stdlib.h>
#include "base/assert.h"
#include "base/error.h"
#include "support/wire_again.h"
#include "wire/dump.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_forward(struct rf_view message, uint8_t choice)
{
    struct rf_view rest = message, after;
    struct rf_header h, next;
    struct rf_dest via = rf_dest_compact(choice);
    struct rf_forwarding how = {
        .drop_count = choice & 3, .replace_via = (choice & 4) != 0, .via = (choice & 8) != 0 ? &via : NULL};
    struct rf_buf out;

    if (rf_header_decode(&rest, 0, &h) != 0)
        return;
    rf_buf_init(&out, rf_mem_system(), 1 << 20);
    if (rf_header_forward(message, &h, &how, &out) == 0) {
        after = rf_buf_view(&out);
        RF_ASSERT(rf_header_decode(&after, 0, &next) == 0);
        RF_ASSERT(rf_view_equal(after, rest));
        RF_ASSERT(next.ttl + 1 == h.ttl);
        RF_ASSERT(next.dest_count + how.drop_count == h.dest_count);
        RF_ASSERT(next.via_count == (how.replace_via ? 0 : h.via_count) + (how.via != NULL));
        RF_ASSERT(rf_view_equal(next.options, h.options));
    }
    rf_buf_deinit(&out);
}

static void check_split(struct rf_view message, uint8_t choice)
{
    struct rf_view rest = message;
    struct rf_header h;
    struct rf_split split;
    struct rf_buf data, one;

    if (rf_header_decode(&rest, 0, &h) != 0 ||
        rf_split_start(&split, &h, rest, h.header_len + 256 + choice) != 0)
        return;
    rf_buf_init(&data, rf_mem_system(), 1 << 20);
    rf_buf_init(&one, rf_mem_system(), 1 << 20);
    while (rf_split_next(&split, &one)) {
        struct rf_view fragment = rf_buf_view(&one);
        struct rf_header part;
        struct rf_piece piece;
        RF_ASSERT(rf_buf_error(&one) == 0 && one.len <= h.header_len + 256 + choice);
        RF_ASSERT(rf_header_decode(&fragment, 0, &part) == 0);
        RF_ASSERT(rf_piece_of(&part, fragment, &piece) == 0);
        RF_ASSERT(piece.offset == (h.fragment & RF_FRAGMENT_OFFSET_MASK) + data.len);
        rf_buf_view_put(&data, piece.data);
        RF_ASSERT(piece.last == (data.len == rest.len && (h.fragment & RF_FRAGMENT_LAST) != 0));
        rf_buf_reset(&one);
    }
    RF_ASSERT(rf_view_equal(rf_buf_view(&data), rest));
    rf_buf_deinit(&data);
    rf_buf_deinit(&one);
}

static void check_again(struct rf_view message, uint8_t id_len)
{
    struct rf_region region;
    struct wire_again again = {.id_len = id_len, .region = &region};
    struct rf_buf out;

    rf_region_init(&region, rf_mem_system(), 1 << 24);
    rf_buf_init(&out, rf_mem_system(), 1 << 24);
    if (wire_again_message(&again, message, &out) == 0) {
        RF_ASSERT(rf_buf_error(&out) == 0);
        RF_ASSERT(again.lossy || rf_view_equal(rf_buf_view(&out), message));
    }
    rf_buf_reset(&out);
    rf_dump_bytes(message, id_len, &region, &out);
    for (size_t i = 0; i < out.len; i++)
        RF_ASSERT(out.p[i] == '\n' || (out.p[i] >= ' ' && out.p[i] < 0x7f));
    rf_buf_deinit(&out);
    rf_region_deinit(&region);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *copy;
    size_t len;

    if (size < 1)
        return 0;
    len = size - 1;
    if ((copy = malloc(len > 0 ? len : 1)) == NULL)
        return 0;
    memcpy(copy, data + 1, len);
    if (len >= 20) {
        copy[16] = copy[17] = 0;
        copy[18] = (uint8_t)(len >> 8);
        copy[19] = (uint8_t)len;
    }
    if (len <= 0xffff) {
        check_again(rf_view_of(copy, len), data[0] & 0x10 ? 20 : 16);
        check_forward(rf_view_of(copy, len), data[0]);
        check_split(rf_view_of(copy, len), data[0]);
    }
    free(copy);
    return 0;
}
