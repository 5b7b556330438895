/* der.c - the strict DER reader and the writer. */
#include "crypto/der.h"

#include "base/civil.h"
#include "base/error.h"

#define DER_TIME_END_MS UINT64_C(253402300800000) /* the year 10000 */

/* take_length reads the length octets: short form, or the fewest of 1..4 long-form ones. */
static int take_length(struct rf_view *in, size_t *out)
{
    uint8_t first, next;
    size_t n, len = 0;

    if (rf_view_u8(in, &first) != 0)
        return RF_EFORMAT;
    if (first < 0x80) {
        *out = first;
        return 0;
    }
    n = first & 0x7f;
    if (n == 0 || n > 4)
        return RF_EFORMAT;
    for (size_t i = 0; i < n; i++) {
        if (rf_view_u8(in, &next) != 0 || (i == 0 && next == 0))
            return RF_EFORMAT;
        len = len << 8 | next;
    }
    if (len < 0x80)
        return RF_EFORMAT;
    *out = len;
    return 0;
}

int rf_der_any(struct rf_view *in, uint8_t *tag, struct rf_view *whole, struct rf_view *body)
{
    struct rf_view at = *in, content;
    uint8_t found;
    size_t len;

    if (rf_view_u8(&at, &found) != 0 || (found & 0x1f) == 0x1f)
        return RF_EFORMAT;
    if (take_length(&at, &len) != 0 || rf_view_take(&at, len, &content) != 0)
        return RF_EFORMAT;
    *tag = found;
    if (whole != NULL)
        *whole = rf_view_of(in->p, in->len - at.len);
    if (body != NULL)
        *body = content;
    *in = at;
    return 0;
}

int rf_der_take(struct rf_view *in, uint8_t tag, struct rf_view *body)
{
    struct rf_view at = *in, content;
    uint8_t found;

    if (rf_der_any(&at, &found, NULL, &content) != 0 || found != tag)
        return RF_EFORMAT;
    *in = at;
    *body = content;
    return 0;
}

bool rf_der_next_is(struct rf_view in, uint8_t tag)
{
    return in.len > 0 && in.p[0] == tag;
}

int rf_der_bool(struct rf_view *in, bool *out)
{
    struct rf_view at = *in, body;

    if (rf_der_take(&at, RF_DER_BOOLEAN, &body) != 0 || body.len != 1 ||
        (body.p[0] != 0 && body.p[0] != 0xff))
        return RF_EFORMAT;
    *in = at;
    *out = body.p[0] != 0;
    return 0;
}

int rf_der_uint(struct rf_view *in, struct rf_view *magnitude)
{
    struct rf_view at = *in, body;

    if (rf_der_take(&at, RF_DER_INTEGER, &body) != 0 || body.len == 0 || (body.p[0] & 0x80) != 0)
        return RF_EFORMAT;
    if (body.p[0] == 0) {
        if (body.len > 1 && (body.p[1] & 0x80) == 0)
            return RF_EFORMAT;
        body = rf_view_of(body.p + 1, body.len - 1);
    }
    *in = at;
    *magnitude = body;
    return 0;
}

int rf_der_bits(struct rf_view *in, struct rf_view *out)
{
    struct rf_view at = *in, body;

    if (rf_der_take(&at, RF_DER_BIT_STRING, &body) != 0 || body.len == 0 || body.p[0] != 0)
        return RF_EFORMAT;
    *in = at;
    *out = rf_view_of(body.p + 1, body.len - 1);
    return 0;
}

/* digits reads `n` decimal digits from the front. */
static int digits(struct rf_view *in, size_t n, int *out)
{
    struct rf_view text;
    int value = 0;

    if (rf_view_take(in, n, &text) != 0)
        return RF_EFORMAT;
    for (size_t i = 0; i < n; i++) {
        if (text.p[i] < '0' || text.p[i] > '9')
            return RF_EFORMAT;
        value = value * 10 + (text.p[i] - '0');
    }
    *out = value;
    return 0;
}

int rf_der_time(struct rf_view *in, uint64_t *ms)
{
    struct rf_view at = *in, text;
    struct rf_civil c;
    uint8_t tag;

    if (rf_der_any(&at, &tag, NULL, &text) != 0 || (tag != RF_DER_UTC_TIME && tag != RF_DER_TIME))
        return RF_EFORMAT;
    if (digits(&text, tag == RF_DER_TIME ? 4 : 2, &c.year) != 0)
        return RF_EFORMAT;
    if (tag == RF_DER_UTC_TIME)
        c.year += c.year < 50 ? 2000 : 1900;
    if (digits(&text, 2, &c.month) != 0 || digits(&text, 2, &c.day) != 0 || digits(&text, 2, &c.hour) != 0 ||
        digits(&text, 2, &c.minute) != 0 || digits(&text, 2, &c.second) != 0)
        return RF_EFORMAT;
    if (text.len != 1 || text.p[0] != 'Z' || !rf_civil_valid(&c))
        return RF_EFORMAT;
    *ms = rf_civil_ms(&c);
    *in = at;
    return 0;
}

size_t rf_der_open(struct rf_buf *out, uint8_t tag)
{
    rf_buf_u8(out, tag);
    rf_buf_u8(out, 0);
    return out->len;
}

void rf_der_close(struct rf_buf *out, size_t mark)
{
    size_t len, extra = 0;

    if (rf_buf_error(out) != 0)
        return;
    len = out->len - mark;
    if (len >= 0x80) {
        for (size_t rest = len; rest != 0; rest >>= 8)
            extra++;
        if (rf_buf_reserve(out, extra) == NULL)
            return;
        memmove(out->p + mark + extra, out->p + mark, len);
        for (size_t i = 0; i < extra; i++)
            out->p[mark + i] = (uint8_t)(len >> 8 * (extra - 1 - i));
    }
    out->p[mark - 1] = (uint8_t)(extra != 0 ? 0x80 | extra : len);
}

void rf_der_put(struct rf_buf *out, uint8_t tag, struct rf_view body)
{
    size_t mark = rf_der_open(out, tag);

    rf_buf_view_put(out, body);
    rf_der_close(out, mark);
}

void rf_der_put_uint(struct rf_buf *out, struct rf_view magnitude)
{
    size_t mark = rf_der_open(out, RF_DER_INTEGER);

    while (magnitude.len > 0 && magnitude.p[0] == 0)
        magnitude = rf_view_of(magnitude.p + 1, magnitude.len - 1);
    if (magnitude.len == 0 || (magnitude.p[0] & 0x80) != 0)
        rf_buf_u8(out, 0);
    rf_buf_view_put(out, magnitude);
    rf_der_close(out, mark);
}

void rf_der_put_bits(struct rf_buf *out, struct rf_view bits)
{
    size_t mark = rf_der_open(out, RF_DER_BIT_STRING);

    rf_buf_u8(out, 0);
    rf_buf_view_put(out, bits);
    rf_der_close(out, mark);
}

void rf_der_put_time(struct rf_buf *out, uint64_t ms)
{
    struct rf_civil c = rf_civil_from_ms(ms < DER_TIME_END_MS ? ms : 0);
    bool utc = c.year < 2050;
    size_t mark = rf_der_open(out, utc ? RF_DER_UTC_TIME : RF_DER_TIME);

    if (ms >= DER_TIME_END_MS)
        rf_buf_fail(out, RF_EINVAL);
    if (utc)
        rf_buf_printf(out, "%02d", c.year % 100);
    else
        rf_buf_printf(out, "%04d", c.year);
    rf_buf_printf(out, "%02d%02d%02d%02d%02dZ", c.month, c.day, c.hour, c.minute, c.second);
    rf_der_close(out, mark);
}
