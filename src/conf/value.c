/* value.c - booleans, numbers, identifiers, times and base64 as the configuration document writes them. */
#include "conf/value.h"

#include "base/civil.h"
#include "base/error.h"
#include "base/text.h"

static bool is_space(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct rf_view value_trim(struct rf_view text)
{
    while (text.len > 0 && is_space(text.p[0]))
        text = rf_view_of(text.p + 1, text.len - 1);
    while (text.len > 0 && is_space(text.p[text.len - 1]))
        text.len--;
    return text;
}

bool value_is(struct rf_view text, const char *word)
{
    return rf_view_equal(value_trim(text), rf_view_str(word));
}

int value_bool(struct rf_view text, bool *out)
{
    bool yes = value_is(text, "true") || value_is(text, "1");

    if (!yes && !value_is(text, "false") && !value_is(text, "0"))
        return RF_EFORMAT;
    *out = yes;
    return 0;
}

int value_uint(struct rf_view text, uint64_t min, uint64_t max, uint64_t *out)
{
    uint64_t value = 0;

    text = value_trim(text);
    if (text.len > 1 && text.p[0] == '+')
        text = rf_view_of(text.p + 1, text.len - 1);
    if (text.len == 0)
        return RF_EFORMAT;
    for (size_t i = 0; i < text.len; i++) {
        if (text.p[i] < '0' || text.p[i] > '9' || value > UINT64_MAX / 10 - 1)
            return RF_EFORMAT;
        value = value * 10 + (uint64_t)(text.p[i] - '0');
    }
    if (value < min || value > max)
        return RF_EFORMAT;
    *out = value;
    return 0;
}

int value_id(struct rf_view text, uint8_t id_len, struct rf_id *out)
{
    uint8_t bytes[RF_ID_MAX_LEN];
    struct rf_buf id;

    text = value_trim(text);
    rf_buf_fixed(&id, bytes, sizeof(bytes));
    if (text.len != 2 * (size_t)id_len || rf_hex_decode(text, &id) != 0)
        return RF_EFORMAT;
    return rf_id_from(rf_buf_view(&id), out) == 0 ? 0 : RF_EFORMAT;
}

/* number takes `n` digits from the front, and the byte `after` behind them if that is not 0. */
static bool number(struct rf_view *in, size_t n, char after, int *out)
{
    struct rf_view text, sign;

    *out = 0;
    if (rf_view_take(in, n, &text) != 0)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (text.p[i] < '0' || text.p[i] > '9')
            return false;
        *out = *out * 10 + (text.p[i] - '0');
    }
    return after == 0 || (rf_view_take(in, 1, &sign) == 0 && sign.p[0] == (uint8_t)after);
}

/* fraction takes ".123"; what is beyond milliseconds is cut. */
static bool fraction(struct rf_view *in, uint64_t *ms)
{
    uint64_t weight = 100;
    uint8_t c;

    *ms = 0;
    if (in->len == 0 || in->p[0] != '.')
        return true;
    (void)rf_view_u8(in, &c);
    if (in->len == 0 || in->p[0] < '0' || in->p[0] > '9')
        return false;
    while (in->len > 0 && in->p[0] >= '0' && in->p[0] <= '9') {
        (void)rf_view_u8(in, &c);
        *ms += weight * (uint64_t)(c - '0');
        weight /= 10;
    }
    return true;
}

/* offset takes "Z" or "+hh:mm" as minutes east of UTC. */
static bool offset(struct rf_view in, int64_t *minutes)
{
    uint8_t sign;
    int hour, minute;

    if (rf_view_u8(&in, &sign) != 0)
        return false;
    *minutes = 0;
    if (sign == 'Z' || sign == 'z')
        return in.len == 0;
    if ((sign != '+' && sign != '-') || !number(&in, 2, ':', &hour) || !number(&in, 2, 0, &minute) ||
        in.len != 0 || hour > 23 || minute > 59)
        return false;
    *minutes = (hour * 60 + minute) * (sign == '-' ? -1 : 1);
    return true;
}

int value_time(struct rf_view text, uint64_t *out)
{
    struct rf_view in = value_trim(text), t;
    struct rf_civil c;
    int64_t east, ms;
    uint64_t part;
    bool leap;

    if (!number(&in, 4, '-', &c.year) || !number(&in, 2, '-', &c.month) || !number(&in, 2, 0, &c.day) ||
        rf_view_take(&in, 1, &t) != 0 || (t.p[0] != 'T' && t.p[0] != 't') || !number(&in, 2, ':', &c.hour) ||
        !number(&in, 2, ':', &c.minute) || !number(&in, 2, 0, &c.second) || !fraction(&in, &part) ||
        !offset(in, &east))
        return RF_EFORMAT;
    leap = c.second == 60; /* a leap second is taken for the one before */
    c.second -= leap;
    if (!rf_civil_valid(&c))
        return RF_EFORMAT;
    ms = (int64_t)rf_civil_ms(&c) + (int64_t)part - east * 60000;
    if (ms < 0)
        return RF_EFORMAT;
    *out = (uint64_t)ms;
    return 0;
}

int value_base64(struct rf_region *region, struct rf_view text, size_t max_len, struct rf_view *out)
{
    struct rf_buf bytes;
    int r;

    rf_buf_init(&bytes, region->mem, max_len);
    r = rf_base64_decode(text, &bytes);
    if (r == 0 && bytes.len == 0)
        r = RF_EFORMAT;
    if (r == 0) {
        *out = rf_region_copy(region, rf_buf_view(&bytes));
        r = out->p == NULL ? RF_ENOMEM : 0;
    }
    rf_buf_deinit(&bytes);
    return r;
}

char *value_string(struct rf_region *region, struct rf_view text)
{
    char *copy = rf_region_alloc(region, text.len + 1); /* zeroed */

    if (copy != NULL && text.len > 0)
        memcpy(copy, text.p, text.len);
    return copy;
}

void value_put_time(struct rf_buf *out, uint64_t ms)
{
    struct rf_civil c = rf_civil_from_ms(ms);

    rf_buf_printf(out, "%04d-%02d-%02dT%02d:%02d:%02dZ", c.year, c.month, c.day, c.hour, c.minute, c.second);
}

void value_put_text(struct rf_buf *out, struct rf_view text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.p[i] == '&')
            rf_buf_str(out, "&amp;");
        else if (text.p[i] == '<')
            rf_buf_str(out, "&lt;");
        else if (text.p[i] == '>')
            rf_buf_str(out, "&gt;");
        else if (text.p[i] == '"')
            rf_buf_str(out, "&quot;");
        else
            rf_buf_u8(out, text.p[i]);
    }
}
