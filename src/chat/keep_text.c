/* keep_text.c - a history for reading elsewhere: JSON lines, and a text for people. */
#include "base/civil.h"
#include "base/text.h"
#include "chat/keep.h"

#define TIME_MAX_MS UINT64_C(253402300799999) /* the end of the year 9999 */

/* ---- JSON (RFC 8259) ---- */

/* The length of the well-formed UTF-8 sequence at the beginning; 0: there is none. */
static size_t utf8_len(struct rf_view in)
{
    for (size_t len = 1; len <= 4 && len <= in.len; len++)
        if (in.p[0] != 0 && rf_utf8_valid(rf_view_of(in.p, len)))
            return len;
    return 0;
}

/* A string in quotes; what is no UTF-8 becomes U+FFFD. */
static void json_string(struct rf_buf *out, struct rf_view in)
{
    size_t len;

    rf_buf_u8(out, '"');
    for (; in.len > 0; in = rf_view_of(in.p + len, in.len - len)) {
        uint8_t c = in.p[0];
        len = 1;
        if (c == '"' || c == '\\') {
            rf_buf_u8(out, '\\');
            rf_buf_u8(out, c);
        } else if (c == '\n') {
            rf_buf_str(out, "\\n");
        } else if (c < 0x20 || c == 0x7f) {
            rf_buf_printf(out, "\\u%04x", c);
        } else if ((len = utf8_len(in)) > 0) {
            rf_buf_put(out, in.p, len);
        } else {
            rf_buf_str(out, "\xef\xbf\xbd");
            len = 1;
        }
    }
    rf_buf_u8(out, '"');
}

static void json_key(struct rf_buf *out, const char *key)
{
    rf_buf_printf(out, ",\"%s\":", key);
}

static void json_time(struct rf_buf *out, const char *key, uint64_t ms)
{
    struct rf_civil c = rf_civil_from_ms(ms < TIME_MAX_MS ? ms : TIME_MAX_MS);

    json_key(out, key);
    rf_buf_printf(out, "\"%04d-%02d-%02dT%02d:%02d:%02d.%03uZ\"", c.year, c.month, c.day, c.hour, c.minute,
                  c.second, (unsigned)(ms % 1000));
}

static void json_name(struct rf_buf *out, const struct rf_keep_name *name)
{
    char text[RF_ID_TEXT_LEN];

    rf_buf_printf(out, "\"device\":\"%s\",\"sequence\":%llu", rf_id_text(&name->device, text),
                  (unsigned long long)name->sequence);
}

static void json_reactions(struct rf_buf *out, const struct rf_keep_entry *entry)
{
    json_key(out, "reactions");
    for (size_t i = 0; i < entry->reaction_count; i++) {
        const struct rf_keep_reaction *r = &entry->reactions[i];
        rf_buf_str(out, i == 0 ? "[{\"from\":" : ",{\"from\":");
        json_string(out, r->sender);
        json_key(out, "reaction");
        json_string(out, r->reaction);
        json_time(out, "time", r->time_ms);
        rf_buf_u8(out, '}');
    }
    rf_buf_u8(out, ']');
}

void rf_keep_export_json(const struct rf_keep_entry *entry, const char *kind_name, struct rf_buf *out)
{
    if (entry->index == RF_KEEP_PENDING)
        rf_buf_str(out, "{\"index\":null,");
    else
        rf_buf_printf(out, "{\"index\":%llu,", (unsigned long long)entry->index);
    json_name(out, &entry->name);
    json_key(out, "kind");
    if (kind_name != NULL)
        json_string(out, rf_view_str(kind_name));
    else
        rf_buf_printf(out, "%u", entry->kind);
    json_key(out, "from");
    json_string(out, entry->sender);
    json_time(out, "time", entry->sent_ms);
    json_time(out, "received", entry->received_ms);
    if (entry->reply_to.device.len > 0) {
        rf_buf_str(out, ",\"reply_to\":{");
        json_name(out, &entry->reply_to);
        rf_buf_u8(out, '}');
    }
    if (entry->deleted_ms != 0) {
        json_time(out, "deleted", entry->deleted_ms);
        json_key(out, "deleted_by");
        json_string(out, entry->deleted_by);
    } else {
        json_key(out, "text");
        json_string(out, entry->text);
    }
    if (entry->edited_ms != 0)
        json_time(out, "edited", entry->edited_ms);
    if (entry->reaction_count > 0)
        json_reactions(out, entry);
    rf_buf_str(out, "}\n");
}

/* ---- text ---- */

/* What would move the cursor or colours of a terminal is shown as U+FFFD, as is what is no UTF-8; later lines are indented. */
static void plain(struct rf_buf *out, struct rf_view in, bool one_line)
{
    size_t len;

    for (; in.len > 0; in = rf_view_of(in.p + len, in.len - len)) {
        len = utf8_len(in);
        bool control = len == 1 && (in.p[0] < 0x20 || in.p[0] == 0x7f) && in.p[0] != '\t';
        bool c1 = len == 2 && in.p[0] == 0xc2 && in.p[1] < 0xa0;
        if (len == 1 && in.p[0] == '\n' && !one_line) {
            rf_buf_str(out, "\n    ");
        } else if (len > 0 && !control && !c1) {
            rf_buf_put(out, in.p, len);
        } else {
            rf_buf_str(out, "\xef\xbf\xbd");
            len = len > 0 ? len : 1;
        }
    }
}

static void time_text(struct rf_buf *out, uint64_t ms, int zone_min)
{
    int64_t shifted = (int64_t)(ms < TIME_MAX_MS ? ms : TIME_MAX_MS) + (int64_t)zone_min * 60000;
    if (shifted < 0)
        shifted = 0;
    if ((uint64_t)shifted > TIME_MAX_MS)
        shifted = (int64_t)TIME_MAX_MS;
    struct rf_civil c = rf_civil_from_ms((uint64_t)shifted);
    rf_buf_printf(out, "%04d-%02d-%02d %02d:%02d:%02d", c.year, c.month, c.day, c.hour, c.minute, c.second);
}

void rf_keep_export_text(const struct rf_keep_entry *entry, const char *kind_name, int zone_min,
                         struct rf_buf *out)
{
    rf_buf_u8(out, '[');
    time_text(out, entry->sent_ms, zone_min);
    rf_buf_str(out, "] ");
    plain(out, entry->sender, true);
    rf_buf_str(out, ": ");
    if (entry->deleted_ms != 0) {
        rf_buf_str(out, "(deleted by ");
        plain(out, entry->deleted_by, true);
        rf_buf_u8(out, ')');
    } else {
        if (kind_name != NULL)
            rf_buf_printf(out, entry->text.len > 0 ? "(%s) " : "(%s)", kind_name);
        plain(out, entry->text, false);
        if (entry->edited_ms != 0)
            rf_buf_str(out, " (edited)");
    }
    rf_buf_u8(out, '\n');
    for (size_t i = 0; i < entry->reaction_count; i++) {
        rf_buf_str(out, "    ");
        plain(out, entry->reactions[i].reaction, true);
        rf_buf_str(out, " by ");
        plain(out, entry->reactions[i].sender, true);
        rf_buf_u8(out, '\n');
    }
}
