/* frame.c - cuts a byte stream into SIP messages and edits what leaves for the overlay. */
#include "sip/frame.h"
#include <ctype.h>
#include <strings.h>
#include "base/error.h"

void framer_init(struct framer *f, struct rf_mem *mem)
{
    *f = (struct framer){0};
    rf_buf_init(&f->buf, mem, FRAME_MAX_HEADER + FRAME_MAX_BODY + (size_t)64 * 1024);
}

void framer_deinit(struct framer *f)
{
    rf_buf_deinit(&f->buf);
}

/* forgets what was handed out */
static void shift(struct framer *f)
{
    if (f->taken == 0)
        return;
    memmove(f->buf.p, f->buf.p + f->taken, f->buf.len - f->taken);
    f->buf.len -= f->taken;
    f->taken = 0;
}

int framer_put(struct framer *f, struct rf_view bytes)
{
    shift(f);
    rf_buf_view_put(&f->buf, bytes);
    return rf_buf_error(&f->buf);
}

/* ---- header lines ---- */

struct line {
    struct rf_view name, value; /* value without the blanks around it */
};

static bool blank(uint8_t c)
{
    return c == ' ' || c == '\t';
}

/* next header line from the front of `in`, without its CR LF; false at the empty line or the end */
static bool next_line(struct rf_view *in, struct rf_view *line)
{
    const uint8_t *end = in->len > 0 ? memmem(in->p, in->len, "\r\n", 2) : NULL;
    if (end == NULL || end == in->p)
        return false;
    *line = rf_view_of(in->p, (size_t)(end - in->p));
    *in = rf_view_of(end + 2, in->len - line->len - 2);
    return true;
}

static bool split_line(struct rf_view line, struct line *out)
{
    const uint8_t *colon = line.len > 0 ? memchr(line.p, ':', line.len) : NULL;
    if (colon == NULL)
        return false;
    out->name = rf_view_of(line.p, (size_t)(colon - line.p));
    while (out->name.len > 0 && blank(out->name.p[out->name.len - 1]))
        out->name.len--;
    out->value = rf_view_of(colon + 1, line.len - (size_t)(colon + 1 - line.p));
    while (out->value.len > 0 && blank(out->value.p[0]))
        out->value = rf_view_of(out->value.p + 1, out->value.len - 1);
    while (out->value.len > 0 && blank(out->value.p[out->value.len - 1]))
        out->value.len--;
    return true;
}

static bool is_named(struct rf_view name, const char *full, char compact)
{
    return (name.len == strlen(full) && strncasecmp((const char *)name.p, full, name.len) == 0) ||
           (name.len == 1 && tolower(name.p[0]) == compact);
}

static int read_length(struct rf_view value, size_t *out)
{
    size_t n = 0;
    if (value.len == 0 || value.len > 9)
        return RF_EFORMAT;
    for (size_t i = 0; i < value.len; i++) {
        if (value.p[i] < '0' || value.p[i] > '9')
            return RF_EFORMAT;
        n = n * 10 + (size_t)(value.p[i] - '0');
    }
    if (n > FRAME_MAX_BODY)
        return RF_ELIMIT;
    *out = n;
    return 0;
}

/* every CR is followed by LF, every LF preceded by CR, no NUL: libre and we must agree on where a line ends */
static bool clean_lines(struct rf_view header)
{
    for (size_t i = 0; i < header.len; i++) {
        uint8_t c = header.p[i];
        if (c == '\0' || (c == '\r' && (i + 1 == header.len || header.p[i + 1] != '\n')) ||
            (c == '\n' && (i == 0 || header.p[i - 1] != '\r')))
            return false;
    }
    return true;
}

static int read_header(struct framer *f, struct rf_view header)
{
    struct rf_view line;
    bool seen = false;

    if (!clean_lines(header) || !next_line(&header, &line)) /* the start line */
        return RF_EFORMAT;
    while (next_line(&header, &line)) {
        struct line parts;
        if (blank(line.p[0]))
            continue; /* folded: belongs to the line before, which is none that we read */
        if (!split_line(line, &parts))
            return RF_EFORMAT;
        if (!is_named(parts.name, "Content-Length", 'l'))
            continue;
        bool folded = header.len > 0 && blank(header.p[0]);
        int error = seen || folded ? RF_EFORMAT : read_length(parts.value, &f->body_len);
        if (error != 0)
            return error;
        seen = true;
    }
    return seen ? 0 : RF_EFORMAT;
}

/* Takes line ends from the front; two together are a keep-alive. Half of one stays until what follows tells which it is. */
static void skip_line_ends(struct framer *f, unsigned *pings)
{
    for (;;) {
        const uint8_t *p = f->buf.p;
        size_t len = f->buf.len;
        bool pair = len >= 2 && memcmp(p, "\r\n", 2) == 0;
        if (pair && len >= 4 && memcmp(p + 2, "\r\n", 2) == 0) {
            f->taken = 4;
            ++*pings;
        } else if (pair && len >= 3 && p[2] != '\r') {
            f->taken = 2;
        } else {
            return;
        }
        shift(f);
    }
}

int framer_next(struct framer *f, struct rf_view *message, unsigned *pings)
{
    shift(f);
    if (f->header_len == 0) {
        skip_line_ends(f, pings);
        size_t from = f->scanned > 3 ? f->scanned - 3 : 0;
        const uint8_t *end =
            f->buf.len > from ? memmem(f->buf.p + from, f->buf.len - from, "\r\n\r\n", 4) : NULL;
        f->scanned = f->buf.len;
        if (end == NULL)
            return f->buf.len > FRAME_MAX_HEADER ? RF_ELIMIT : RF_ESHORT;
        size_t len = (size_t)(end - f->buf.p) + 4;
        int error = len > FRAME_MAX_HEADER ? RF_ELIMIT : read_header(f, rf_view_of(f->buf.p, len));
        if (error != 0)
            return error;
        f->header_len = len;
    }
    if (f->buf.len < f->header_len + f->body_len)
        return RF_ESHORT;
    f->taken = f->header_len + f->body_len;
    *message = rf_view_of(f->buf.p, f->taken);
    f->header_len = f->body_len = f->scanned = 0;
    return 0;
}

/* ---- what leaves ---- */

/* copies the parameters of a Via (";a=b;c") without rport and received */
static void put_params(struct rf_buf *out, struct rf_view params)
{
    while (params.len > 0) {
        const uint8_t *next = params.len > 1 ? memchr(params.p + 1, ';', params.len - 1) : NULL;
        size_t len = next != NULL ? (size_t)(next - params.p) : params.len;
        bool drop = (len >= 6 && strncasecmp((const char *)params.p, ";rport", 6) == 0) ||
                    (len >= 9 && strncasecmp((const char *)params.p, ";received", 9) == 0);
        if (!drop)
            rf_buf_put(out, params.p, len);
        params = rf_view_of(params.p + len, params.len - len);
    }
}

static void put_via(struct rf_buf *out, struct rf_view value, bool request, const char *domain)
{
    const uint8_t *params = value.len > 0 ? memchr(value.p, ';', value.len) : NULL;
    size_t head = params != NULL ? (size_t)(params - value.p) : value.len;

    rf_buf_str(out, "Via: ");
    if (request)
        rf_buf_printf(out, "SIP/2.0/TLS %s", domain);
    else
        rf_buf_put(out, value.p, head);
    put_params(out, rf_view_of(value.p + head, value.len - head));
    rf_buf_str(out, "\r\n");
}

int frame_outgoing(struct rf_view message, const char *domain, struct rf_buf *out)
{
    bool request = message.len < 8 || memcmp(message.p, "SIP/2.0 ", 8) != 0;
    struct rf_view rest = message, line;
    bool done = false;

    if (!next_line(&rest, &line))
        return RF_EFORMAT;
    rf_buf_put(out, message.p, line.len + 2);
    while (!done && next_line(&rest, &line)) {
        struct line parts;
        done = split_line(line, &parts) && is_named(parts.name, "Via", 'v');
        if (done)
            put_via(out, parts.value, request, domain);
        else
            rf_buf_put(out, line.p, line.len + 2);
    }
    rf_buf_view_put(out, rest);
    return done ? rf_buf_error(out) : RF_EFORMAT;
}
