/* reference.c - references: bytes, and which names are good. */
#include "files/reference.h"

#include "base/assert.h"
#include "base/text.h"

enum form { FORM_FETCH = 1, FORM_SMALL = 2 };
#define VERSION 1

/* ---- names ---- */

/* Takes a character of text that is valid UTF-8. */
static uint32_t next_character(struct rf_view *text, struct rf_view *bytes)
{
    uint8_t first = text->p[0];
    size_t len = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    uint32_t c = len == 1 ? first : first & (0x7fu >> len);
    for (size_t i = 1; i < len; i++)
        c = c << 6 | (text->p[i] & 0x3fu);
    *bytes = rf_view_of(text->p, len);
    *text = rf_view_of(text->p + len, text->len - len);
    return c;
}

/* Ranges of what is not seen, or turns around what is. */
static const struct {
    uint32_t first, last;
} hidden[] = {
    {0x0000, 0x001f},    {0x007f, 0x009f}, /* controls */
    {0x00ad, 0x00ad},                      /* soft hyphen */
    {0x034f, 0x034f},                      /* grapheme joiner */
    {0x061c, 0x061c},                      /* Arabic letter mark */
    {0x115f, 0x1160},                      /* Hangul fillers */
    {0x17b4, 0x17b5},    {0x180b, 0x180f}, /* Khmer and Mongolian ones without a glyph */
    {0x200b, 0x200b}, /* zero width space; its joiners beside it are needed by languages */
    {0x200e, 0x200f}, /* direction marks */
    {0x2028, 0x202e}, /* line and paragraph ends, embeddings, overrides */
    {0x2060, 0x206f}, /* word joiner, isolates, deprecated formats */
    {0x3164, 0x3164},    {0xfeff, 0xfeff},                       /* fillers, byte order mark */
    {0xffa0, 0xffa0},    {0xfff0, 0xffff},                       /* specials */
    {0xd800, 0xf8ff},                                            /* surrogates, private use */
    {0x1bca0, 0x1bca3},  {0x1d173, 0x1d17a}, {0xe0000, 0xe0fff}, /* formats, tags */
    {0xf0000, 0x10ffff},                                         /* private use */
};

static bool is_bad(uint32_t c)
{
    if (c < 0x80 && c != 0 && strchr("/\\:\"<>|?*", (int)c) != NULL)
        return true;
    for (size_t i = 0; i < RF_COUNT(hidden); i++)
        if (c >= hidden[i].first && c <= hidden[i].last)
            return true;
    return false;
}

static bool bad_first(uint8_t c)
{
    return c == '.' || c == '-' || c == ' ';
}

static bool bad_last(uint8_t c)
{
    return c == '.' || c == ' ';
}

bool rf_file_name_valid(struct rf_view name)
{
    struct rf_view bytes;
    if (name.len == 0 || name.len > RF_FILE_MAX_NAME || !rf_utf8_valid(name) || bad_first(name.p[0]) ||
        bad_last(name.p[name.len - 1]))
        return false;
    while (name.len > 0)
        if (is_bad(next_character(&name, &bytes)))
            return false;
    return true;
}

/* What follows the last dot, if that looks like an extension. */
static struct rf_view extension_of(struct rf_view name)
{
    for (size_t i = 1; i <= name.len && i <= 16; i++)
        if (name.p[name.len - i] == '.')
            return rf_view_of(name.p + name.len - i, i);
    return rf_view_of(NULL, 0);
}

static size_t clean_into(struct rf_view text, uint8_t *to, size_t room)
{
    size_t len = 0;
    struct rf_view bytes;
    while (text.len > 0) {
        if (is_bad(next_character(&text, &bytes)))
            bytes = rf_view_str("_");
        if (bytes.len > room - len)
            break;
        memcpy(to + len, bytes.p, bytes.len);
        len += bytes.len;
    }
    return len;
}

void rf_file_name_clean(struct rf_view name, struct rf_buf *out)
{
    uint8_t text[RF_FILE_MAX_NAME];
    if (name.len == 0 || !rf_utf8_valid(name)) {
        rf_buf_str(out, "file");
        return;
    }
    struct rf_view extension = name.len > RF_FILE_MAX_NAME ? extension_of(name) : rf_view_of(NULL, 0);
    size_t len =
        clean_into(rf_view_of(name.p, name.len - extension.len), text, RF_FILE_MAX_NAME - extension.len);
    len += clean_into(extension, text + len, RF_FILE_MAX_NAME - len);
    if (bad_first(text[0]))
        text[0] = '_';
    if (bad_last(text[len - 1]))
        text[len - 1] = '_';
    rf_buf_put(out, text, len);
}

/* ---- types ---- */

static size_t token_len(struct rf_view text)
{
    size_t len = 0;
    for (; len < text.len; len++) {
        uint8_t c = text.p[len];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!letter && (len == 0 || c == 0 || c >= 0x80 || strchr("!#$&-^_.+", c) == NULL))
            break;
    }
    return len;
}

bool rf_file_type_valid(struct rf_view type)
{
    if (type.len == 0)
        return true;
    size_t main_len = token_len(type);
    if (type.len > RF_FILE_MAX_TYPE || main_len == 0 || main_len == type.len || type.p[main_len] != '/')
        return false;
    struct rf_view sub = rf_view_of(type.p + main_len + 1, type.len - main_len - 1);
    return sub.len > 0 && token_len(sub) == sub.len;
}

/* ---- bytes ---- */

static int check(const struct rf_file_reference *r)
{
    if (!rf_file_name_valid(r->name) || !rf_file_type_valid(r->type))
        return RF_EFORMAT;
    if (r->small)
        return r->bytes.len != r->shape.size ? RF_ELENGTH : r->bytes.len > RF_FILE_MAX_SMALL ? RF_ELIMIT : 0;
    return rf_file_shape_valid(&r->shape) ? 0 : RF_ELIMIT;
}

void rf_file_reference_encode(const struct rf_file_reference *r, struct rf_buf *out)
{
    if (check(r) != 0) {
        rf_buf_fail(out, RF_EINVAL);
        return;
    }
    rf_buf_u8(out, VERSION);
    rf_buf_u8(out, r->small ? FORM_SMALL : FORM_FETCH);
    rf_buf_u64(out, r->shape.size);
    rf_buf_v(out, 1, r->name);
    rf_buf_v(out, 1, r->type);
    if (r->small) {
        rf_buf_v(out, 2, r->bytes);
        return;
    }
    rf_buf_u8(out, r->shape.chunk_bits);
    rf_buf_put(out, r->id, sizeof(r->id));
    rf_buf_put(out, r->secret, sizeof(r->secret));
}

static int take_hash(struct rf_view *in, uint8_t out[32])
{
    struct rf_view bytes;
    int error = rf_view_take(in, 32, &bytes);
    if (error == 0)
        memcpy(out, bytes.p, 32);
    return error;
}

int rf_file_reference_decode(struct rf_view in, struct rf_file_reference *out)
{
    uint8_t version, form;
    struct rf_file_reference r = {0};
    if (rf_view_u8(&in, &version) != 0)
        return RF_ESHORT;
    if (version != VERSION)
        return RF_EVERSION;
    if (rf_view_u8(&in, &form) != 0 || rf_view_u64(&in, &r.shape.size) != 0 ||
        rf_view_v(&in, 1, &r.name) != 0 || rf_view_v(&in, 1, &r.type) != 0)
        return RF_ESHORT;
    if (form != FORM_FETCH && form != FORM_SMALL)
        return RF_EUNKNOWN;
    r.small = form == FORM_SMALL;
    if (r.small) {
        if (rf_view_v(&in, 2, &r.bytes) != 0)
            return RF_ESHORT;
    } else if (rf_view_u8(&in, &r.shape.chunk_bits) != 0 || take_hash(&in, r.id) != 0 ||
               take_hash(&in, r.secret) != 0) {
        return RF_ESHORT;
    }
    int error = in.len > 0 ? RF_ELENGTH : check(&r);
    if (error == 0)
        *out = r;
    return error;
}
