/* bytes.c - lengths of variable size. */
#include "mls/bytes.h"

#include "base/error.h"

#define ONE_MAX  ((size_t)63)
#define TWO_MAX  ((size_t)16383)
#define FOUR_MAX ((size_t)1073741823)

static int short_is_malformed(int r)
{
    return r == 0 ? 0 : RF_EFORMAT;
}

int mls_take_u8(struct rf_view *in, uint8_t *out)
{
    return short_is_malformed(rf_view_u8(in, out));
}

int mls_take_u16(struct rf_view *in, uint16_t *out)
{
    return short_is_malformed(rf_view_u16(in, out));
}

int mls_take_u32(struct rf_view *in, uint32_t *out)
{
    return short_is_malformed(rf_view_u32(in, out));
}

int mls_take_u64(struct rf_view *in, uint64_t *out)
{
    return short_is_malformed(rf_view_u64(in, out));
}

int mls_take_optional(struct rf_view *in, bool *present)
{
    return short_is_malformed(rf_view_bool(in, present));
}

int mls_take_bytes(struct rf_view *in, void *to, size_t len)
{
    struct rf_view v;

    if (rf_view_take(in, len, &v) != 0)
        return RF_EFORMAT;
    memcpy(to, v.p, len);
    return 0;
}

int mls_take_v(struct rf_view *in, struct rf_view *out)
{
    uint8_t first, more;
    size_t len, width;

    if (rf_view_u8(in, &first) != 0 || first >> 6 == 3)
        return RF_EFORMAT;
    width = (size_t)1 << (first >> 6);
    len = first & 0x3f;
    for (size_t i = 1; i < width; i++) {
        if (rf_view_u8(in, &more) != 0)
            return RF_EFORMAT;
        len = len << 8 | more;
    }
    if ((width == 2 && len <= ONE_MAX) || (width == 4 && len <= TWO_MAX))
        return RF_EFORMAT; /* there is a shorter form */
    return short_is_malformed(rf_view_take(in, len, out));
}

size_t mls_len_bytes(uint8_t out[MLS_LEN_MAX], size_t len)
{
    if (len <= ONE_MAX) {
        out[0] = (uint8_t)len;
        return 1;
    }
    if (len <= TWO_MAX) {
        out[0] = (uint8_t)(0x40 | len >> 8);
        out[1] = (uint8_t)len;
        return 2;
    }
    out[0] = (uint8_t)(0x80 | (len >> 24 & 0x3f));
    out[1] = (uint8_t)(len >> 16);
    out[2] = (uint8_t)(len >> 8);
    out[3] = (uint8_t)len;
    return 4;
}

void mls_len_put(struct rf_buf *out, size_t len)
{
    uint8_t bytes[MLS_LEN_MAX];

    if (len > FOUR_MAX)
        rf_buf_fail(out, RF_ELENGTH);
    else
        rf_buf_put(out, bytes, mls_len_bytes(bytes, len));
}

void mls_put_v(struct rf_buf *out, struct rf_view v)
{
    mls_len_put(out, v.len);
    rf_buf_view_put(out, v);
}

size_t mls_open(struct rf_buf *out)
{
    return out->len;
}

void mls_close(struct rf_buf *out, size_t mark)
{
    uint8_t bytes[MLS_LEN_MAX];
    size_t len, width;

    if (rf_buf_error(out) != 0)
        return;
    len = out->len - mark;
    if (len > FOUR_MAX) {
        rf_buf_fail(out, RF_ELENGTH);
        return;
    }
    width = mls_len_bytes(bytes, len);
    if (rf_buf_reserve(out, width) == NULL)
        return;
    memmove(out->p + mark + width, out->p + mark, len);
    memcpy(out->p + mark, bytes, width);
}
