/* sdp.c - SDP: what it says about where media go, and the same text with other places in it. */
#include "sip/sdp.h"
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include "base/error.h"

#define LEVEL_SESSION SIZE_MAX

/* ---- lines and words ---- */

struct line {
    char type;
    struct rf_view value;
};

/* Takes one line. 0, RF_ESHORT at the end, RF_EFORMAT. */
static int next_line(struct rf_view *text, struct line *out)
{
    while (text->len > 0 && (text->p[0] == '\r' || text->p[0] == '\n')) {
        text->p++;
        text->len--;
    }
    if (text->len == 0)
        return RF_ESHORT;
    const uint8_t *end = memchr(text->p, '\n', text->len);
    size_t len = end != NULL ? (size_t)(end - text->p) : text->len;
    struct rf_view line = rf_view_of(text->p, len);
    text->p += len;
    text->len -= len;
    if (line.len > 0 && line.p[line.len - 1] == '\r')
        line.len--;
    if (line.len < 2 || line.p[1] != '=' || line.p[0] < 'a' || line.p[0] > 'z' ||
        memchr(line.p, '\0', line.len) != NULL || memchr(line.p, '\r', line.len) != NULL)
        return RF_EFORMAT;
    *out = (struct line){(char)line.p[0], rf_view_of(line.p + 2, line.len - 2)};
    return 0;
}

static struct rf_view word(struct rf_view *in)
{
    while (in->len > 0 && in->p[0] == ' ') {
        in->p++;
        in->len--;
    }
    const uint8_t *end = in->len > 0 ? memchr(in->p, ' ', in->len) : NULL;
    struct rf_view out = rf_view_of(in->p, end != NULL ? (size_t)(end - in->p) : in->len);
    in->p += out.len;
    in->len -= out.len;
    return out;
}

static bool is(struct rf_view word_, const char *text)
{
    return word_.len == strlen(text) && strncasecmp((const char *)word_.p, text, word_.len) == 0;
}

/* The value of attribute `name`; true if this line is it. */
static bool attribute(struct rf_view value, const char *name, struct rf_view *out)
{
    size_t len = strlen(name);
    if (value.len < len || strncasecmp((const char *)value.p, name, len) != 0 ||
        (value.len > len && value.p[len] != ':'))
        return false;
    *out = value.len > len ? rf_view_of(value.p + len + 1, value.len - len - 1) : rf_view_of(value.p, 0);
    return true;
}

static bool number(struct rf_view text, uint32_t max, uint32_t *out)
{
    uint64_t n = 0;
    if (text.len == 0 || text.len > 10)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.p[i] < '0' || text.p[i] > '9')
            return false;
        n = n * 10 + (uint64_t)(text.p[i] - '0');
    }
    *out = (uint32_t)n;
    return n <= max;
}

/* An address as text; a name or nonsense: family 0. */
static struct rf_addr address(struct rf_view text, uint16_t port)
{
    char copy[RF_ADDR_TEXT_LEN];
    struct rf_addr addr = {0};
    const uint8_t *ttl = text.len > 0 ? memchr(text.p, '/', text.len) : NULL;
    if (ttl != NULL)
        text.len = (size_t)(ttl - text.p);
    if (text.len == 0 || text.len > 45)
        return addr;
    bool v6 = memchr(text.p, ':', text.len) != NULL;
    snprintf(copy, sizeof(copy), v6 ? "[%.*s]:1" : "%.*s:1", (int)text.len, (const char *)text.p);
    if (rf_addr_parse(copy, 1, &addr) != 0)
        return (struct rf_addr){0};
    addr.port = port;
    return addr;
}

/* ---- reading ---- */

static enum sdp_proto proto_of(struct rf_view text)
{
    static const struct {
        const char *text;
        enum sdp_proto proto;
    } names[] = {{"RTP/AVP", SDP_AVP},
                 {"RTP/AVPF", SDP_AVPF},
                 {"UDP/TLS/RTP/SAVP", SDP_SAVP},
                 {"UDP/TLS/RTP/SAVPF", SDP_SAVPF}};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (is(text, names[i].text))
            return names[i].proto;
    return SDP_OTHER;
}

static int read_m(struct rf_view value, struct sdp_media *m)
{
    uint32_t port;
    struct rf_view kind = word(&value), port_text = word(&value), proto = word(&value),
                   formats = word(&value);
    if (kind.len == 0 || formats.len == 0 || proto.len == 0 || port_text.len == 0)
        return RF_EFORMAT;
    m->proto = proto_of(proto);
    if (memchr(port_text.p, '/', port_text.len) !=
        NULL) { /* several ports in a row: nobody who rings uses that */
        m->proto = SDP_OTHER;
        m->port = 1;
        return 0;
    }
    if (!number(port_text, UINT16_MAX, &port))
        return RF_EFORMAT;
    m->port = (uint16_t)port;
    return 0;
}

static int hex(uint8_t c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

static void read_print(struct rf_view value, struct sdp_print *out)
{
    struct sdp_print p = {0};
    struct rf_view name = word(&value), text = word(&value);
    size_t want = 0;
    if (is(name, "sha-256")) {
        p.hash = SDP_SHA256;
        want = 32;
    } else if (is(name, "sha-384")) {
        p.hash = SDP_SHA384;
        want = 48;
    } else if (is(name, "sha-512")) {
        p.hash = SDP_SHA512;
        want = 64;
    }
    if (want == 0 || text.len != want * 3 - 1 || p.hash <= out->hash)
        return;
    for (size_t i = 0; i < want; i++) {
        int high = hex(text.p[3 * i]), low = hex(text.p[3 * i + 1]);
        if (high < 0 || low < 0 || (i + 1 < want && text.p[3 * i + 2] != ':'))
            return;
        p.bytes[i] = (uint8_t)(high << 4 | low);
    }
    p.len = (uint8_t)want;
    *out = p;
}

static enum sdp_setup setup_of(struct rf_view value)
{
    return is(value, "actpass")    ? SDP_ACTPASS
           : is(value, "active")   ? SDP_ACTIVE
           : is(value, "passive")  ? SDP_PASSIVE
           : is(value, "holdconn") ? SDP_HOLDCONN
                                   : SDP_SETUP_NONE;
}

struct reader {
    struct sdp_facts *facts;
    struct sdp_media session; /* what holds for all that say nothing themselves */
    struct sdp_media *m;      /* where this line belongs */
    bool own_print;           /* this m= line has one itself */
};

static void read_rtcp(struct rf_view value, struct sdp_media *m)
{
    uint32_t port;
    struct rf_view port_text = word(&value);
    if (!number(port_text, UINT16_MAX, &port))
        return;
    m->rtcp.port = (uint16_t)port;
    (void)word(&value); /* IN */
    (void)word(&value); /* IP4 */
    struct rf_addr told = address(word(&value), (uint16_t)port);
    if (told.family != 0)
        m->rtcp = told;
}

static void read_a(struct reader *r, struct rf_view line)
{
    struct sdp_media *m = r->m;
    struct rf_view value;
    if (attribute(line, "ice-ufrag", &value)) {
        m->ufrag = value;
    } else if (attribute(line, "ice-pwd", &value)) {
        m->password = value;
    } else if (attribute(line, "setup", &value)) {
        m->setup = setup_of(value);
    } else if (attribute(line, "rtcp-mux", &value)) {
        m->rtcp_mux = true;
    } else if (attribute(line, "rtcp", &value)) {
        read_rtcp(value, m);
    } else if (attribute(line, "fingerprint", &value)) {
        if (m != &r->session && !r->own_print)
            m->print = (struct sdp_print){0};
        r->own_print = r->own_print || m != &r->session;
        read_print(value, &m->print);
    }
}

static void read_c(struct sdp_media *m, struct rf_view value)
{
    (void)word(&value); /* IN */
    (void)word(&value); /* IP4, IP6 */
    m->rtp = address(word(&value), 0);
}

/* Ports and addresses stand in different lines, in any order. */
static void join_places(struct sdp_facts *facts)
{
    for (size_t i = 0; i < facts->count; i++) {
        struct sdp_media *m = &facts->media[i];
        uint16_t rtcp_port = m->rtcp.port != 0 ? m->rtcp.port : (uint16_t)(m->port + 1);
        m->rtp.port = m->port;
        if (m->rtcp.family == 0)
            m->rtcp = m->rtp;
        m->rtcp.port = rtcp_port;
    }
}

int sdp_read(struct rf_view text, struct sdp_facts *out)
{
    struct reader r = {.facts = out};
    struct line line;
    int error;

    *out = (struct sdp_facts){0};
    r.m = &r.session;
    if (text.len < 3 || memcmp(text.p, "v=0", 3) != 0)
        return RF_EFORMAT;
    while ((error = next_line(&text, &line)) == 0) {
        if (line.type == 'm') {
            if (out->count >= SDP_MAX_MEDIA)
                return RF_ELIMIT;
            r.m = &out->media[out->count++];
            *r.m = r.session;
            r.own_print = false;
            if (read_m(line.value, r.m) != 0)
                return RF_EFORMAT;
        } else if (line.type == 'o') {
            (void)word(&line.value); /* name */
            (void)word(&line.value); /* number */
            if (word(&line.value).len == 0)
                return RF_EFORMAT; /* it is written anew from the three */
        } else if (line.type == 'c') {
            read_c(r.m, line.value);
        } else if (line.type == 'a') {
            read_a(&r, line.value);
        }
    }
    join_places(out);
    return error == RF_ESHORT ? 0 : error;
}

bool sdp_secure(const struct sdp_media *m)
{
    return (m->proto == SDP_SAVP || m->proto == SDP_SAVPF) && m->ufrag.len > 0 && m->password.len > 0 &&
           m->print.hash != SDP_HASH_NONE && m->rtcp_mux && m->setup != SDP_HOLDCONN;
}

/* ---- candidates (RFC 8839, section 5.1) ---- */

static bool read_candidate(struct rf_view value, struct rf_ice_cand *out)
{
    static const char *const kinds[] = {NULL, "host", "srflx", "prflx", "relay"};
    struct rf_view foundation = word(&value), component = word(&value), transport = word(&value);
    struct rf_view priority = word(&value), ip = word(&value), port_text = word(&value);
    struct rf_view typ = word(&value), kind = word(&value);
    uint32_t port;

    *out = (struct rf_ice_cand){0};
    if (foundation.len == 0 || foundation.len > RF_ICE_FOUNDATION_MAX || !is(component, "1") ||
        !is(transport, "UDP") || !is(typ, "typ") || !number(priority, UINT32_MAX, &out->priority) ||
        out->priority == 0 || !number(port_text, UINT16_MAX, &port) || port == 0)
        return false;
    memcpy(out->foundation, foundation.p, foundation.len);
    out->addr = address(ip, (uint16_t)port);
    for (uint8_t i = 1; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (is(kind, kinds[i]))
            out->kind = i;
    return out->addr.family != 0 && out->kind != 0 && out->kind != RF_ICE_KIND_PRFLX;
}

size_t sdp_candidates(struct rf_view text, size_t index, struct rf_ice_cand *out, size_t max)
{
    struct line line;
    struct rf_view value;
    size_t at = LEVEL_SESSION, count = 0;
    while (next_line(&text, &line) == 0 && count < max) {
        if (line.type == 'm')
            at++; /* from SIZE_MAX to 0 */
        else if (line.type == 'a' && at == index && attribute(line.value, "candidate", &value))
            count += read_candidate(value, &out[count]);
    }
    return count;
}

/* ---- writing ---- */

/* What says where media go and how they are protected; a=group: nothing is bundled. */
static bool left_out(struct rf_view line)
{
    static const char *const names[] = {"ice-ufrag",
                                        "ice-pwd",
                                        "ice-options",
                                        "ice-lite",
                                        "ice-mismatch",
                                        "ice-pacing",
                                        "candidate",
                                        "remote-candidates",
                                        "end-of-candidates",
                                        "fingerprint",
                                        "setup",
                                        "connection",
                                        "tls-id",
                                        "identity",
                                        "rtcp",
                                        "rtcp-mux",
                                        "rtcp-mux-only",
                                        "crypto",
                                        "group",
                                        "bundle-only"};
    struct rf_view value;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (attribute(line, names[i], &value))
            return true;
    return false;
}

static void put_line(struct rf_buf *out, const struct line *line)
{
    rf_buf_u8(out, (uint8_t)line->type);
    rf_buf_u8(out, '=');
    rf_buf_view_put(out, line->value);
    rf_buf_str(out, "\r\n");
}

/* The phone's address stays at home (RFC 8866, section 5.2: the rest makes it unique). */
static void put_o(struct rf_buf *out, struct rf_view value, unsigned later)
{
    struct rf_view name = word(&value), id = word(&value), version = word(&value);
    char renewed[24];
    uint64_t n = 0;
    size_t digits = 0;
    for (; digits < version.len && version.p[digits] >= '0' && version.p[digits] <= '9'; digits++)
        n = n * 10 + (uint64_t)(version.p[digits] - '0');
    if (later > 0 && digits == version.len && digits < 20) {
        int len = snprintf(renewed, sizeof(renewed), "%llu", (unsigned long long)(n + later));
        version = rf_view_of((const uint8_t *)renewed, (size_t)len);
    }
    rf_buf_printf(out, "o=%.*s %.*s %.*s IN IP4 127.0.0.1\r\n", (int)name.len, (const char *)name.p,
                  (int)id.len, (const char *)id.p, (int)version.len, (const char *)version.p);
}

static void put_m(struct rf_buf *out, struct rf_view value, const struct sdp_stand_in *s)
{
    struct rf_view kind = word(&value);
    (void)word(&value); /* port */
    struct rf_view proto = word(&value);
    enum sdp_proto p = proto_of(proto);
    bool feedback = p == SDP_AVPF || p == SDP_SAVPF;
    const char *name = s->secure  ? feedback ? "UDP/TLS/RTP/SAVPF" : "UDP/TLS/RTP/SAVP"
                       : feedback ? "RTP/AVPF"
                                  : "RTP/AVP";
    rf_buf_printf(out, "m=%.*s %u ", (int)kind.len, (const char *)kind.p, (unsigned)s->port);
    if (p == SDP_OTHER)
        rf_buf_view_put(out, proto);
    else
        rf_buf_str(out, name);
    rf_buf_view_put(out, value); /* begins with its blank */
    rf_buf_str(out, "\r\n");
}

static void put_c(struct rf_buf *out, const struct sdp_stand_in *s)
{
    char text[RF_ADDR_TEXT_LEN] = "0.0.0.0";
    if (s->port != 0 && s->addr.family != 0)
        rf_addr_ip_text(&s->addr, text);
    rf_buf_printf(out, "c=IN IP%c %s\r\n", s->port != 0 && s->addr.family == 6 ? '6' : '4', text);
}

static void put_candidate(struct rf_buf *out, const struct rf_ice_cand *c)
{
    static const char *const kinds[] = {"", "host", "srflx", "prflx", "relay"};
    char ip[RF_ADDR_TEXT_LEN];
    if (c->kind == 0 || c->kind > RF_ICE_KIND_RELAY)
        return;
    rf_addr_ip_text(&c->addr, ip);
    rf_buf_printf(out, "a=candidate:%s 1 UDP %u %s %u typ %s", c->foundation, (unsigned)c->priority, ip,
                  (unsigned)c->addr.port, kinds[c->kind]);
    if (c->kind !=
        RF_ICE_KIND_HOST) { /* RFC 8839, section 5.1: told, but nothing is given away that host candidates do not tell */
        rf_addr_ip_text(&c->related, ip);
        rf_buf_printf(out, " raddr %s rport %u",
                      c->related.family != 0 ? ip
                      : c->addr.family == 6  ? "::"
                                             : "0.0.0.0",
                      c->related.family != 0 ? (unsigned)c->related.port : 9U);
    }
    rf_buf_str(out, "\r\n");
}

static void put_secure(struct rf_buf *out, const struct sdp_stand_in *s)
{
    static const char *const setups[] = {"actpass", "actpass", "active", "passive", "holdconn"};
    const struct rf_ice_params *ice = &s->ice;
    rf_buf_printf(out, "a=ice-ufrag:%.*s\r\na=ice-pwd:%.*s\r\na=ice-options:ice2\r\n", (int)ice->ufrag.len,
                  (const char *)ice->ufrag.p, (int)ice->password.len, (const char *)ice->password.p);
    rf_buf_str(out, "a=fingerprint:sha-256 ");
    for (size_t i = 0; i < SDP_PRINT_LEN; i++)
        rf_buf_printf(out, i == 0 ? "%02X" : ":%02X", s->print[i]);
    rf_buf_printf(out, "\r\na=setup:%s\r\na=rtcp-mux\r\n", setups[s->setup]);
    for (size_t i = 0; i < ice->candidate_count; i++)
        put_candidate(out, &ice->candidates[i]);
}

/* What follows an m= line: its own i= comes first (RFC 8866, section 5), then c=, and ours before all other attributes. */
struct writer {
    struct rf_buf *out;
    const struct sdp_stand_in *s; /* NULL: the session's part */
    bool c_due, a_due;
};

static void put_due(struct writer *w, char next)
{
    if (w->s == NULL)
        return;
    if (w->c_due && next != 'i') {
        w->c_due = false;
        put_c(w->out, w->s);
    }
    if (w->a_due && !w->c_due && next != 'b' && next != 'i') {
        w->a_due = false;
        if (w->s->secure && w->s->port != 0)
            put_secure(w->out, w->s);
    }
}

int sdp_renew(struct rf_view text, const struct sdp_stand_in *stand_ins, size_t count, unsigned later,
              struct rf_buf *out)
{
    struct writer w = {.out = out};
    struct line line;
    size_t at = 0;
    int error;

    while ((error = next_line(&text, &line)) == 0) {
        if (line.type == 'c' || line.type == 'k' || (line.type == 'a' && left_out(line.value)))
            continue;
        put_due(&w, line.type == 'm' ? '\0' : line.type);
        if (line.type == 'm') {
            if (at >= count)
                return RF_ELENGTH;
            w = (struct writer){out, &stand_ins[at++], true, true};
            put_m(out, line.value, w.s);
        } else if (line.type == 'o') {
            put_o(out, line.value, later);
        } else {
            put_line(out, &line);
        }
    }
    put_due(&w, '\0');
    if (error != RF_ESHORT)
        return error;
    return at == count ? rf_buf_error(out) : RF_ELENGTH;
}

int sdp_rewrite(struct rf_view text, const struct sdp_stand_in *stand_ins, size_t count, struct rf_buf *out)
{
    return sdp_renew(text, stand_ins, count, 0, out);
}

/* The next line that the other side of an anchor gets to see. */
static int next_kept(struct rf_view *text, struct line *out)
{
    int error;
    while ((error = next_line(text, out)) == 0)
        if (out->type != 'c' && out->type != 'k' && !(out->type == 'a' && left_out(out->value)))
            break;
    return error;
}

static bool same_line(struct line a, struct line b)
{
    uint32_t port[2];
    if (a.type != b.type)
        return false;
    if (a.type == 'o') /* name and number: its version may be a later one */
        return rf_view_equal(word(&a.value), word(&b.value)) && rf_view_equal(word(&a.value), word(&b.value));
    if (a.type != 'm')
        return rf_view_equal(a.value, b.value);
    return rf_view_equal(word(&a.value), word(&b.value)) && number(word(&a.value), UINT16_MAX, &port[0]) &&
           number(word(&b.value), UINT16_MAX, &port[1]) && (port[0] == 0) == (port[1] == 0) &&
           rf_view_equal(a.value, b.value);
}

bool sdp_same_session(struct rf_view a, struct rf_view b)
{
    struct line in_a, in_b;
    for (;;) {
        int end_a = next_kept(&a, &in_a), end_b = next_kept(&b, &in_b);
        if (end_a != 0 || end_b != 0)
            return end_a == RF_ESHORT && end_b == RF_ESHORT;
        if (!same_line(in_a, in_b))
            return false;
    }
}

struct rf_addr sdp_default(const struct rf_ice_params *ice)
{
    const struct rf_ice_cand *best = NULL;
    for (size_t i = 0; i < ice->candidate_count; i++) {
        const struct rf_ice_cand *c = &ice->candidates[i];
        if (best == NULL || c->kind > best->kind ||
            (c->kind == best->kind &&
             (c->addr.family < best->addr.family ||
              (c->addr.family == best->addr.family && c->priority > best->priority))))
            best = c;
    }
    return best != NULL ? best->addr : (struct rf_addr){0};
}
