/* text.c - hex, base64, UTF-8 and the rules for names. */
#include "base/text.h"

#include "base/assert.h"
#include "base/error.h"

#define NAME_MAX_LEN   254 /* RFC 5321 section 4.5.3.1.3, less the angle brackets */
#define DOMAIN_MAX_LEN 253 /* RFC 1035 section 2.3.4, as text without the final dot */
#define LABEL_MAX_LEN  63

/* undo leaves `out` as it was at `start`, so that a decoder appends all or nothing. */
static int undo(struct rf_buf *out, size_t start, int error)
{
    out->len = start;
    return error;
}

void rf_hex_put(struct rf_buf *out, struct rf_view bytes)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < bytes.len; i++) {
        rf_buf_u8(out, (uint8_t)digits[bytes.p[i] >> 4]);
        rf_buf_u8(out, (uint8_t)digits[bytes.p[i] & 15]);
    }
}

static int hex_value(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

int rf_hex_decode(struct rf_view text, struct rf_buf *out)
{
    size_t start = out->len;
    if (text.len % 2 != 0)
        return RF_EFORMAT;
    for (size_t i = 0; i < text.len; i += 2) {
        int high = hex_value(text.p[i]), low = hex_value(text.p[i + 1]);
        if (high < 0 || low < 0)
            return undo(out, start, RF_EFORMAT);
        rf_buf_u8(out, (uint8_t)(high << 4 | low));
    }
    return rf_buf_error(out);
}

void rf_base64_put(struct rf_buf *out, struct rf_view bytes)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < bytes.len; i += 3) {
        size_t have = bytes.len - i < 3 ? bytes.len - i : 3;
        uint32_t group = (uint32_t)bytes.p[i] << 16;
        if (have > 1)
            group |= (uint32_t)bytes.p[i + 1] << 8;
        if (have > 2)
            group |= bytes.p[i + 2];
        rf_buf_u8(out, (uint8_t)digits[group >> 18]);
        rf_buf_u8(out, (uint8_t)digits[group >> 12 & 63]);
        rf_buf_u8(out, have > 1 ? (uint8_t)digits[group >> 6 & 63] : '=');
        rf_buf_u8(out, have > 2 ? (uint8_t)digits[group & 63] : '=');
    }
}

static int base64_value(uint8_t c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* put_group appends the bytes of four digits, the last `padding` (0..2) of which are '='. */
static int put_group(struct rf_buf *out, uint32_t group, int padding)
{
    if ((padding == 1 && (group & 0xff) != 0) || (padding == 2 && (group & 0xffff) != 0))
        return RF_EFORMAT; /* RFC 4648 section 3.5: bits that nobody reads must be zero */
    rf_buf_u8(out, (uint8_t)(group >> 16));
    if (padding < 2)
        rf_buf_u8(out, (uint8_t)(group >> 8));
    if (padding < 1)
        rf_buf_u8(out, (uint8_t)group);
    return 0;
}

int rf_base64_decode(struct rf_view text, struct rf_buf *out)
{
    size_t start = out->len;
    uint32_t group = 0;
    int have = 0, padding = 0;
    bool ended = false; /* after padding nothing may come */
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.p[i];
        if (is_blank(c))
            continue;
        int value = base64_value(c);
        bool pad = c == '=' && have >= 2;
        if (ended || (value < 0 && !pad) || (value >= 0 && padding > 0))
            return undo(out, start, RF_EFORMAT);
        group = group << 6 | (pad ? 0 : (uint32_t)value);
        padding += pad;
        if (++have < 4)
            continue;
        if (put_group(out, group, padding) != 0)
            return undo(out, start, RF_EFORMAT);
        ended = padding > 0;
        group = 0;
        have = 0;
    }
    if (have != 0)
        return undo(out, start, RF_EFORMAT);
    return rf_buf_error(out);
}

/*
 * take_code_point reads one code point of well-formed UTF-8 (RFC 3629 section 4: shortest form, no
 * surrogates, at most U+10FFFF). RF_EFORMAT otherwise.
 */
static int take_code_point(struct rf_view *in, uint32_t *out)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    uint8_t first = in->p[0];
    size_t len = first < 0x80 ? 1 : first >> 5 == 6 ? 2 : first >> 4 == 14 ? 3 : first >> 3 == 30 ? 4 : 0;
    if (len == 0 || in->len < len)
        return RF_EFORMAT;
    uint32_t c = len == 1 ? first : first & (0x7fu >> len);
    for (size_t i = 1; i < len; i++) {
        if (in->p[i] >> 6 != 2)
            return RF_EFORMAT;
        c = c << 6 | (in->p[i] & 0x3f);
    }
    if (c < least[len] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
        return RF_EFORMAT;
    in->p += len;
    in->len -= len;
    *out = c;
    return 0;
}

bool rf_utf8_valid(struct rf_view text)
{
    while (text.len > 0) {
        uint32_t c;
        if (take_code_point(&text, &c) != 0 || c == 0)
            return false;
    }
    return true;
}

/*
 * What must not stand in a name although it is well-formed: controls, every kind of space, characters without
 * a width, direction marks (all of them make two different names look the same), private use, noncharacters.
 */
static bool is_unprintable(uint32_t c)
{
    static const struct {
        uint32_t first, last;
    } ranges[] = {
        {0x0000, 0x0020}, {0x007f, 0x00a0},    {0x00ad, 0x00ad}, {0x034f, 0x034f}, {0x061c, 0x061c},
        {0x115f, 0x1160}, {0x1680, 0x1680},    {0x17b4, 0x17b5}, {0x180b, 0x180f}, {0x2000, 0x200f},
        {0x2028, 0x202f}, {0x205f, 0x206f},    {0x2800, 0x2800}, {0x3000, 0x3000}, {0x3164, 0x3164},
        {0xe000, 0xf8ff}, {0xfdd0, 0xfdef},    {0xfe00, 0xfe0f}, {0xfeff, 0xfeff}, {0xffa0, 0xffa0},
        {0xfff0, 0xffff}, {0xe0000, 0x10ffff},
    };
    for (size_t i = 0; i < RF_COUNT(ranges); i++)
        if (c >= ranges[i].first && c <= ranges[i].last)
            return true;
    return (c & 0xfffe) == 0xfffe;
}

bool rf_name_valid(struct rf_view name)
{
    struct rf_view domain = rf_name_domain(name);
    if (name.len > NAME_MAX_LEN || domain.len == 0 || domain.len + 1 >= name.len || !rf_domain_valid(domain))
        return false;
    struct rf_view local = {name.p, name.len - domain.len - 1};
    while (local.len > 0) {
        uint32_t c;
        if (take_code_point(&local, &c) != 0 || is_unprintable(c))
            return false;
    }
    return true;
}

static bool is_letter_or_digit(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool rf_domain_valid(struct rf_view domain)
{
    size_t label_len = 0;
    if (domain.len < 1 || domain.len > DOMAIN_MAX_LEN)
        return false;
    for (size_t i = 0; i <= domain.len; i++) {
        uint8_t c = i < domain.len ? domain.p[i] : '.';
        if (c == '.') {
            if (label_len == 0 || label_len > LABEL_MAX_LEN || domain.p[i - 1] == '-')
                return false;
            label_len = 0;
        } else if (is_letter_or_digit(c) || (c == '-' && label_len > 0)) {
            label_len++;
        } else {
            return false;
        }
    }
    return true;
}

struct rf_view rf_name_domain(struct rf_view name)
{
    for (size_t i = 0; i < name.len; i++)
        if (name.p[i] == '@')
            return rf_view_of(name.p + i + 1, name.len - i - 1);
    return rf_view_of(NULL, 0);
}
