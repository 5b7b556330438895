/*
 * fuzz_ident_patch.h - structure without a grammar: the input is either taken as it is, or as a list of small changes to a sample
 * that is good. So the fuzzer gets behind checksums and nested lengths at once.
 */
#ifndef RF_FUZZ_IDENT_PATCH_H
#define RF_FUZZ_IDENT_PATCH_H

#include <stdlib.h>

#include "base/assert.h"
#include "base/buf.h"

/* patch_apply fills `out` (emptied first): first byte even: the rest of the input; odd: the sample, with each further 4 bytes
 * (offset u16, operation u8, value u8) changing, removing or inserting bytes. */
static inline void patch_apply(struct rf_view input, struct rf_view sample, struct rf_buf *out)
{
    uint16_t offset;
    uint8_t mode, operation, value;

    rf_buf_reset(out);
    if (rf_view_u8(&input, &mode) != 0)
        return;
    if (mode % 2 == 0) {
        rf_buf_view_put(out, input);
        return;
    }
    rf_buf_view_put(out, sample);
    while (rf_view_u16(&input, &offset) == 0 && rf_view_u8(&input, &operation) == 0 &&
           rf_view_u8(&input, &value) == 0) {
        size_t at, n;

        if (out->len == 0)
            return;
        at = offset % out->len;
        n = operation >> 2;
        if (operation % 4 < 2) {
            out->p[at] = operation % 4 == 0 ? value : out->p[at] ^ value;
        } else if (operation % 4 == 2) {
            n = n < out->len - at ? n : out->len - at;
            memmove(out->p + at, out->p + at + n, out->len - at - n);
            out->len -= n;
        } else if (rf_buf_reserve(out, n) != NULL) {
            memmove(out->p + at + n, out->p + at, out->len - n - at);
            memset(out->p + at, value, n);
        }
    }
}

/* inside: `v` lies in `in`, or is empty. */
static inline bool patch_inside(struct rf_view v, struct rf_view in)
{
    return v.len == 0 || (v.p >= in.p && v.p + v.len <= in.p + in.len);
}

#endif
