/*
 * multipart.c - multipart/form-data over a complete body.
 *
 *   --boundary CRLF  headers  CRLF CRLF  value  CRLF --boundary CRLF ... CRLF --boundary-- anything
 */
#include "enrol/multipart.h"

#include <stdio.h>

#define HEADERS_MAX_LEN 2048

static bool is_space(uint8_t c)
{
    return c == ' ' || c == '\t';
}

static uint8_t lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c - 'A' + 'a') : c;
}

static bool equal_nocase(struct rf_view v, const char *s)
{
    size_t len = strlen(s);
    if (v.len != len)
        return false;
    for (size_t i = 0; i < len; i++)
        if (lower(v.p[i]) != (uint8_t)s[i])
            return false;
    return true;
}

static void skip(struct rf_view *v, size_t len)
{
    v->p += len;
    v->len -= len;
}

static struct rf_view trim(struct rf_view v)
{
    while (v.len > 0 && is_space(v.p[0]))
        skip(&v, 1);
    while (v.len > 0 && is_space(v.p[v.len - 1]))
        v.len--;
    return v;
}

/* cut takes what stands before the first `c` out of `v` and moves v behind it; without a `c` it takes all. */
static struct rf_view cut(struct rf_view *v, char c)
{
    const uint8_t *at = v->len > 0 ? memchr(v->p, c, v->len) : NULL;
    struct rf_view head = {v->p, at ? (size_t)(at - v->p) : v->len};
    skip(v, at ? head.len + 1 : head.len);
    return head;
}

/*
 * next_param reads one `; key=value` or `; key="value"` of a header (RFC 2045, section 5.1). A quoted value may hold semicolons; one with
 * a backslash is refused instead of unescaped: no name of ours has one. Errors: RF_ENOTFOUND at the end, RF_EFORMAT.
 */
static int next_param(struct rf_view *v, struct rf_view *key, struct rf_view *value)
{
    *v = trim(*v);
    if (v->len == 0)
        return RF_ENOTFOUND;
    if (v->p[0] != ';')
        return RF_EFORMAT;
    skip(v, 1);
    *v = trim(*v);
    if (v->len == 0)
        return RF_ENOTFOUND; /* a lone semicolon at the end */
    const uint8_t *eq = memchr(v->p, '=', v->len);
    if (!eq)
        return RF_EFORMAT;
    *key = trim(cut(v, '='));
    *v = trim(*v);
    if (v->len > 0 && v->p[0] == '"') {
        skip(v, 1);
        if (v->len == 0 || !memchr(v->p, '"', v->len))
            return RF_EFORMAT;
        *value = cut(v, '"');
        return value->len > 0 && memchr(value->p, '\\', value->len) ? RF_EFORMAT : RF_OK;
    }
    size_t len = 0;
    while (len < v->len && v->p[len] != ';')
        len++;
    *value = trim(rf_view_of(v->p, len));
    skip(v, len);
    return RF_OK;
}

/* boundary_valid: RFC 2046, section 5.1.1; without it a CR or LF could be smuggled into the delimiter. */
static bool boundary_valid(struct rf_view b)
{
    if (b.len == 0 || b.len > RF_MULTIPART_BOUNDARY_MAX || b.p[b.len - 1] == ' ')
        return false;
    for (size_t i = 0; i < b.len; i++) {
        uint8_t c = b.p[i];
        bool alnum = (c >= '0' && c <= '9') || (lower(c) >= 'a' && lower(c) <= 'z');
        if (!alnum && (c == 0 || !strchr("'()+_,-./:=? ", c)))
            return false;
    }
    return true;
}

int rf_multipart_init(struct rf_multipart *m, struct rf_view content_type, struct rf_view body)
{
    struct rf_view rest = content_type, key, value, boundary = {0};
    size_t type_len = 0;
    while (type_len < rest.len && rest.p[type_len] != ';')
        type_len++;
    struct rf_view type = trim(rf_view_of(rest.p, type_len));
    if (!equal_nocase(type, "multipart/form-data"))
        return RF_EUNSUPPORTED;
    skip(&rest, type_len);
    int e;
    while ((e = next_param(&rest, &key, &value)) == RF_OK)
        if (equal_nocase(key, "boundary")) {
            if (boundary.len > 0)
                return RF_EFORMAT;
            boundary = value;
        }
    if (e != RF_ENOTFOUND || !boundary_valid(boundary))
        return RF_EFORMAT;
    memset(m, 0, sizeof(*m));
    memcpy(m->delimiter, "\r\n--", 4);
    memcpy(m->delimiter + 4, boundary.p, boundary.len);
    m->delimiter_len = 4 + boundary.len;
    m->rest = body;
    m->first = true;
    return RF_OK;
}

/* find_delimiter returns the place of the next delimiter in `v`, or NULL. */
static const uint8_t *find_delimiter(const struct rf_multipart *m, struct rf_view v)
{
    return v.len < m->delimiter_len ? NULL : memmem(v.p, v.len, m->delimiter, m->delimiter_len);
}

/* after_delimiter moves behind a delimiter's line: "--" ends the body, else a line break must follow. */
static int after_delimiter(struct rf_multipart *m)
{
    if (m->rest.len >= 2 && m->rest.p[0] == '-' && m->rest.p[1] == '-') {
        m->ended = true;
        return RF_OK;
    }
    while (m->rest.len > 0 && is_space(m->rest.p[0]))
        skip(&m->rest, 1);
    if (m->rest.len < 2 || m->rest.p[0] != '\r' || m->rest.p[1] != '\n')
        return RF_EFORMAT;
    skip(&m->rest, 2);
    return RF_OK;
}

/* to_first moves behind the first delimiter, which may stand at the very beginning or after a preamble. */
static int to_first(struct rf_multipart *m)
{
    m->first = false;
    size_t dash_len = m->delimiter_len - 2;
    if (m->rest.len >= dash_len && memcmp(m->rest.p, m->delimiter + 2, dash_len) == 0) {
        skip(&m->rest, dash_len);
        return after_delimiter(m);
    }
    const uint8_t *at = find_delimiter(m, m->rest);
    if (!at)
        return RF_EFORMAT;
    skip(&m->rest, (size_t)(at - m->rest.p) + m->delimiter_len);
    return after_delimiter(m);
}

static int read_disposition(struct rf_view value, struct rf_part *out)
{
    struct rf_view key, param;
    size_t len = 0;
    while (len < value.len && value.p[len] != ';')
        len++;
    if (!equal_nocase(trim(rf_view_of(value.p, len)), "form-data"))
        return RF_EFORMAT;
    skip(&value, len);
    int e;
    while ((e = next_param(&value, &key, &param)) == RF_OK)
        if (equal_nocase(key, "name")) {
            if (out->name.len > 0)
                return RF_EFORMAT;
            out->name = param;
        }
    return e == RF_ENOTFOUND ? RF_OK : e;
}

static int read_header(struct rf_view line, struct rf_part *out)
{
    if (!memchr(line.p, ':', line.len))
        return RF_EFORMAT;
    struct rf_view name = cut(&line, ':'), value = trim(line);
    if (equal_nocase(name, "content-disposition"))
        return read_disposition(value, out);
    if (equal_nocase(name, "content-type"))
        out->content_type = trim(cut(&value, ';'));
    else if (equal_nocase(name, "content-transfer-encoding") && !equal_nocase(value, "binary") &&
             !equal_nocase(value, "8bit") && !equal_nocase(value, "7bit"))
        return RF_EUNSUPPORTED;
    return RF_OK;
}

/* read_headers reads the header lines up to the empty one. They end at HEADERS_MAX_LEN. */
static int read_headers(struct rf_multipart *m, struct rf_part *out)
{
    struct rf_view head = {m->rest.p, m->rest.len < HEADERS_MAX_LEN ? m->rest.len : HEADERS_MAX_LEN};
    for (;;) {
        const uint8_t *end = head.len >= 2 ? memmem(head.p, head.len, "\r\n", 2) : NULL;
        if (!end)
            return m->rest.len > HEADERS_MAX_LEN ? RF_ELIMIT : RF_EFORMAT;
        struct rf_view line = {head.p, (size_t)(end - head.p)};
        skip(&head, line.len + 2);
        if (line.len == 0)
            break;
        int e = read_header(line, out);
        if (e != RF_OK)
            return e;
    }
    skip(&m->rest, (size_t)(head.p - m->rest.p));
    return out->name.len > 0 ? RF_OK : RF_EFORMAT;
}

int rf_multipart_next(struct rf_multipart *m, struct rf_part *out)
{
    int e = m->first ? to_first(m) : RF_OK;
    if (e != RF_OK)
        return e;
    if (m->ended)
        return RF_ENOTFOUND;
    memset(out, 0, sizeof(*out));
    e = read_headers(m, out);
    if (e != RF_OK)
        return e;
    /* an empty value has the delimiter right behind the empty line, whose CRLF belongs to the delimiter then */
    struct rf_view from = {m->rest.p - 2, m->rest.len + 2};
    const uint8_t *at = find_delimiter(m, from);
    if (!at)
        return RF_EFORMAT;
    size_t len = at < m->rest.p ? 0 : (size_t)(at - m->rest.p);
    out->value = rf_view_of(m->rest.p, len);
    skip(&m->rest, (size_t)(at + m->delimiter_len - m->rest.p));
    return after_delimiter(m);
}

void rf_multipart_put(struct rf_buf *out, const char *boundary, const char *name, const char *content_type,
                      struct rf_view value)
{
    rf_buf_printf(out, "--%s\r\nContent-Disposition: form-data; name=\"%s\"", boundary, name);
    if (content_type)
        rf_buf_printf(out, "; filename=\"%s\"\r\nContent-Type: %s\r\nContent-Transfer-Encoding: binary", name,
                      content_type);
    rf_buf_str(out, "\r\n\r\n");
    rf_buf_view_put(out, value);
    rf_buf_str(out, "\r\n");
}

void rf_multipart_end(struct rf_buf *out, const char *boundary)
{
    rf_buf_printf(out, "--%s--\r\n", boundary);
}
