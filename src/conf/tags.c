/* tags.c - finds where each element of a document begins and ends, comments, CDATA and quotes regarded. */
#include "conf/xml.h"

#include "base/error.h"

struct scan {
    struct rf_view doc;
    size_t at;
    struct conf_error *e;
    struct xml_span *spans;
    size_t count;
    size_t open[XML_MAX_DEPTH]; /* spans not ended yet */
    unsigned depth;
};

static bool is_space(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool starts_with(const struct scan *s, const char *text)
{
    size_t len = strlen(text);

    return s->doc.len - s->at >= len && memcmp(s->doc.p + s->at, text, len) == 0;
}

/* skip moves behind the next `end`, beginning the search `from` bytes further on. */
static int skip(struct scan *s, size_t from, const char *end)
{
    size_t len = strlen(end);
    const uint8_t *p;

    if (s->doc.len - s->at < from)
        return conf_fail(s->e, RF_EFORMAT, "the document ends inside markup");
    p = memmem(s->doc.p + s->at + from, s->doc.len - s->at - from, end, len);
    if (p == NULL)
        return conf_fail(s->e, RF_EFORMAT, "the document ends inside markup");
    s->at = (size_t)(p - s->doc.p) + len;
    return 0;
}

/* take_name takes a tag's name, up to white space, `/` or `>`. */
static struct rf_view take_name(struct scan *s)
{
    size_t begin = s->at;

    while (s->at < s->doc.len && !is_space(s->doc.p[s->at]) && s->doc.p[s->at] != '/' &&
           s->doc.p[s->at] != '>')
        s->at++;
    return rf_view_of(s->doc.p + begin, s->at - begin);
}

/* attributes moves to the `>` that ends a start tag; quoted ones do not. */
static int attributes(struct scan *s, bool *empty)
{
    size_t count = 0;
    uint8_t quote = 0, last = 0;

    for (; s->at < s->doc.len; s->at++) {
        uint8_t c = s->doc.p[s->at];

        if (quote != 0) {
            if (c == '<')
                break;
            if (c == quote)
                quote = 0;
        } else if (c == '"' || c == '\'') {
            quote = c;
            if (++count > XML_MAX_ATTRIBUTES)
                return conf_fail(s->e, RF_ELIMIT, "an element has more than %d attributes",
                                 XML_MAX_ATTRIBUTES);
        } else if (c == '>') {
            *empty = last == '/';
            s->at++;
            return 0;
        } else if (c == '<') {
            break;
        }
        last = c;
    }
    return conf_fail(s->e, RF_EFORMAT, "a tag does not end");
}

static int start_tag(struct scan *s)
{
    struct xml_span *span = &s->spans[s->count];
    bool empty = false;
    int r;

    if (s->count == XML_MAX_ELEMENTS || s->depth == XML_MAX_DEPTH)
        return conf_fail(s->e, RF_ELIMIT, "too many elements, or nested too deeply");
    if (s->count > 0 && s->depth == 0)
        return conf_fail(s->e, RF_EFORMAT, "more than one root element");
    span->begin = s->at++;
    span->depth = s->depth;
    span->name = take_name(s);
    if ((r = attributes(s, &empty)) != 0)
        return r;
    if (empty)
        span->end = s->at;
    else
        s->open[s->depth++] = s->count;
    s->count++;
    return 0;
}

static int end_tag(struct scan *s)
{
    struct xml_span *span;
    struct rf_view name;

    s->at += 2;
    name = take_name(s);
    while (s->at < s->doc.len && is_space(s->doc.p[s->at]))
        s->at++;
    if (s->at == s->doc.len || s->doc.p[s->at] != '>' || s->depth == 0)
        return conf_fail(s->e, RF_EFORMAT, "an end tag without its start, or without its end");
    s->at++;
    span = &s->spans[s->open[--s->depth]];
    if (!rf_view_equal(span->name, name))
        return conf_fail(s->e, RF_EFORMAT, "<%.*s> is ended by </%.*s>", (int)(span->name.len & 0xff),
                         (const char *)span->name.p, (int)(name.len & 0xff), (const char *)name.p);
    span->end = s->at;
    return 0;
}

/* declaration skips <?...?>. The document's own may name an encoding, which must be UTF-8. */
static int declaration(struct scan *s)
{
    size_t begin = s->at;
    struct rf_view text;
    const uint8_t *p;
    int r = skip(s, 2, "?>");

    if (r != 0 || begin != 0)
        return r;
    text = rf_view_of(s->doc.p, s->at);
    if ((p = memmem(text.p, text.len, "encoding", 8)) == NULL)
        return 0;
    for (p += 8; p < text.p + text.len && (is_space(*p) || *p == '='); p++)
        ;
    if (text.p + text.len - p < 7 || (p[0] != '"' && p[0] != '\'') || p[6] != p[0] ||
        (memcmp(p + 1, "UTF-8", 5) != 0 && memcmp(p + 1, "utf-8", 5) != 0))
        return conf_fail(s->e, RF_EFORMAT, "the encoding is not UTF-8");
    return 0;
}

static int markup(struct scan *s)
{
    if (starts_with(s, "<!--"))
        return skip(s, 4, "-->");
    if (starts_with(s, "<![CDATA["))
        return skip(s, 9, "]]>");
    if (starts_with(s, "<!"))
        return conf_fail(s->e, RF_EFORMAT, "a document type or entity is declared");
    if (starts_with(s, "<?"))
        return declaration(s);
    return starts_with(s, "</") ? end_tag(s) : start_tag(s);
}

int xml_spans(struct rf_view document, struct rf_region *region, struct xml_span **out, size_t *count,
              struct conf_error *e)
{
    struct scan s = {.doc = document, .e = e};
    size_t starts = 1;
    int r = 0;

    /* room for as many elements as there are start tags at most */
    for (size_t i = 0; i + 1 < document.len; i++)
        starts += document.p[i] == '<' && document.p[i + 1] != '/';
    if (starts > XML_MAX_ELEMENTS)
        starts = XML_MAX_ELEMENTS + 1;
    if ((s.spans = rf_region_array(region, starts, sizeof(*s.spans))) == NULL)
        return conf_fail(e, RF_ENOMEM, "out of memory");
    while (r == 0 && s.at < document.len) {
        const uint8_t *p = memchr(document.p + s.at, '<', document.len - s.at);

        if (p == NULL)
            break;
        s.at = (size_t)(p - document.p);
        r = markup(&s);
    }
    if (r == 0 && (s.count == 0 || s.depth != 0))
        r = conf_fail(e, RF_EFORMAT, "the document is not whole");
    *out = s.spans;
    *count = s.count;
    return r;
}
