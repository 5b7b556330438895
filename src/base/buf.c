/* buf.c - the growing builder of bytes. */
#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include "base/assert.h"
#include "base/error.h"

#define BUF_FIRST_CAP ((size_t)64)

void rf_buf_init(struct rf_buf *buf, struct rf_mem *mem, size_t max)
{
    *buf = (struct rf_buf){.mem = mem, .max = max};
}

void rf_buf_fixed(struct rf_buf *buf, void *p, size_t cap)
{
    *buf = (struct rf_buf){.p = p, .cap = cap, .max = cap};
}

void rf_buf_deinit(struct rf_buf *buf)
{
    if (buf->mem != NULL)
        rf_free(buf->mem, buf->p);
    *buf = (struct rf_buf){.mem = buf->mem, .max = buf->mem != NULL ? buf->max : 0};
}

void rf_buf_reset(struct rf_buf *buf)
{
    buf->len = 0;
    buf->error = 0;
}

int rf_buf_error(const struct rf_buf *buf)
{
    return buf->error;
}

void rf_buf_fail(struct rf_buf *buf, int error)
{
    if (buf->error == 0)
        buf->error = error;
}

struct rf_view rf_buf_view(const struct rf_buf *buf)
{
    return rf_view_of(buf->p, buf->len);
}

uint8_t *rf_buf_steal(struct rf_buf *buf, size_t *len)
{
    uint8_t *p = buf->p;
    RF_ASSERT(buf->mem != NULL);
    *len = buf->len;
    rf_buf_init(buf, buf->mem, buf->max);
    return p;
}

/* grow makes room for `more` bytes behind those written. */
static int grow(struct rf_buf *buf, size_t more)
{
    if (more > buf->max - buf->len)
        return RF_ELIMIT;
    size_t need = buf->len + more;
    if (need <= buf->cap)
        return 0;
    size_t cap = buf->cap < BUF_FIRST_CAP ? BUF_FIRST_CAP : buf->cap;
    while (cap < need)
        cap = cap > buf->max / 2 ? buf->max : cap * 2;
    if (cap > buf->max)
        cap = buf->max;
    uint8_t *p = rf_resize(buf->mem, buf->p, cap);
    if (p == NULL)
        return RF_ENOMEM;
    buf->p = p;
    buf->cap = cap;
    return 0;
}

uint8_t *rf_buf_reserve(struct rf_buf *buf, size_t len)
{
    static const uint8_t nothing[1]; /* what zero bytes of an empty builder point at */
    if (buf->error != 0)
        return NULL;
    rf_buf_fail(buf, grow(buf, len));
    if (buf->error != 0)
        return NULL;
    if (buf->p == NULL)
        return (uint8_t *)nothing;
    uint8_t *p = buf->p + buf->len;
    buf->len += len;
    return p;
}

static void write_uint(uint8_t *p, uint64_t v, int width)
{
    for (int i = width - 1; i >= 0; i--) {
        p[i] = (uint8_t)v;
        v >>= 8;
    }
}

static void put_uint(struct rf_buf *buf, uint64_t v, int width)
{
    uint8_t *p = rf_buf_reserve(buf, (size_t)width);
    if (p != NULL)
        write_uint(p, v, width);
}

void rf_buf_u8(struct rf_buf *buf, uint8_t v)
{
    put_uint(buf, v, 1);
}

void rf_buf_u16(struct rf_buf *buf, uint16_t v)
{
    put_uint(buf, v, 2);
}

void rf_buf_u24(struct rf_buf *buf, uint32_t v)
{
    if (v > 0xffffff)
        rf_buf_fail(buf, RF_ELENGTH);
    put_uint(buf, v, 3);
}

void rf_buf_u32(struct rf_buf *buf, uint32_t v)
{
    put_uint(buf, v, 4);
}

void rf_buf_u64(struct rf_buf *buf, uint64_t v)
{
    put_uint(buf, v, 8);
}

void rf_buf_bool(struct rf_buf *buf, bool v)
{
    put_uint(buf, v ? 1 : 0, 1);
}

void rf_buf_put(struct rf_buf *buf, const void *p, size_t len)
{
    uint8_t *to = rf_buf_reserve(buf, len);
    if (to != NULL && len > 0)
        memcpy(to, p, len);
}

void rf_buf_view_put(struct rf_buf *buf, struct rf_view v)
{
    rf_buf_put(buf, v.p, v.len);
}

void rf_buf_str(struct rf_buf *buf, const char *s)
{
    rf_buf_put(buf, s, strlen(s));
}

void rf_buf_printf(struct rf_buf *buf, const char *format, ...)
{
    va_list args;
    char small[256];
    if (buf->error != 0)
        return;
    va_start(args, format);
    int len = vsnprintf(small, sizeof small, format, args);
    va_end(args);
    if (len < 0) {
        rf_buf_fail(buf, RF_EFORMAT);
    } else if ((size_t)len < sizeof small) {
        rf_buf_put(buf, small, (size_t)len);
    } else if (rf_buf_reserve(buf, (size_t)len + 1) !=
               NULL) { /* room for vsnprintf's NUL, given back at once */
        buf->len -= (size_t)len + 1;
        va_start(args, format);
        vsnprintf((char *)buf->p + buf->len, (size_t)len + 1, format, args);
        va_end(args);
        buf->len += (size_t)len;
    }
}

static bool fits_width(size_t len, int width)
{
    return (uint64_t)len <= ((uint64_t)1 << (8 * width)) - 1;
}

void rf_buf_v(struct rf_buf *buf, int width, struct rf_view v)
{
    RF_ASSERT(width >= 1 && width <= 4);
    if (!fits_width(v.len, width)) {
        rf_buf_fail(buf, RF_ELENGTH);
        return;
    }
    put_uint(buf, v.len, width);
    rf_buf_view_put(buf, v);
}

size_t rf_buf_open(struct rf_buf *buf, int width)
{
    size_t mark = buf->len;
    RF_ASSERT(width >= 1 && width <= 4);
    put_uint(buf, 0, width);
    return mark;
}

void rf_buf_close(struct rf_buf *buf, size_t mark, int width)
{
    RF_ASSERT(width >= 1 && width <= 4);
    if (buf->error != 0)
        return;
    RF_ASSERT(mark <= buf->len && buf->len - mark >= (size_t)width);
    size_t len = buf->len - mark - (size_t)width;
    if (!fits_width(len, width))
        rf_buf_fail(buf, RF_ELENGTH);
    else
        write_uint(buf->p + mark, len, width);
}
