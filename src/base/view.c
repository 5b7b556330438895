/* view.c - the readers of rf_view. */
#include "base/view.h"

#include "base/assert.h"
#include "base/error.h"

bool rf_view_equal_secret(struct rf_view a, struct rf_view b)
{
    volatile uint8_t different = 0; /* volatile: the loop must not be cut short */
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++)
        different |= a.p[i] ^ b.p[i];
    return different == 0;
}

/* take_uint reads `width` bytes as one big-endian number. */
static int take_uint(struct rf_view *in, int width, uint64_t *out)
{
    uint64_t v = 0;
    if (in->len < (size_t)width)
        return RF_ESHORT;
    for (int i = 0; i < width; i++)
        v = v << 8 | in->p[i];
    in->p += width;
    in->len -= (size_t)width;
    *out = v;
    return 0;
}

int rf_view_u8(struct rf_view *in, uint8_t *out)
{
    uint64_t v;
    int error = take_uint(in, 1, &v);
    if (error == 0)
        *out = (uint8_t)v;
    return error;
}

int rf_view_u16(struct rf_view *in, uint16_t *out)
{
    uint64_t v;
    int error = take_uint(in, 2, &v);
    if (error == 0)
        *out = (uint16_t)v;
    return error;
}

int rf_view_u24(struct rf_view *in, uint32_t *out)
{
    uint64_t v;
    int error = take_uint(in, 3, &v);
    if (error == 0)
        *out = (uint32_t)v;
    return error;
}

int rf_view_u32(struct rf_view *in, uint32_t *out)
{
    uint64_t v;
    int error = take_uint(in, 4, &v);
    if (error == 0)
        *out = (uint32_t)v;
    return error;
}

int rf_view_u64(struct rf_view *in, uint64_t *out)
{
    return take_uint(in, 8, out);
}

int rf_view_bool(struct rf_view *in, bool *out)
{
    if (in->len < 1)
        return RF_ESHORT;
    if (in->p[0] > 1)
        return RF_EFORMAT;
    *out = in->p[0] == 1;
    in->p++;
    in->len--;
    return 0;
}

int rf_view_take(struct rf_view *in, size_t len, struct rf_view *out)
{
    if (in->len < len)
        return RF_ESHORT;
    struct rf_view taken = {in->p, len};
    if (len > 0)
        in->p += len;
    in->len -= len;
    *out = taken;
    return 0;
}

int rf_view_v(struct rf_view *in, int width, struct rf_view *out)
{
    struct rf_view rest = *in;
    uint64_t len;
    RF_ASSERT(width >= 1 && width <= 4);
    if (take_uint(&rest, width, &len) != 0 || rf_view_take(&rest, (size_t)len, out) != 0)
        return RF_ESHORT;
    *in = rest;
    return 0;
}
