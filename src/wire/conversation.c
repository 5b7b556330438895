/* conversation.c - the codec of conversation.h. */
#include "wire/conversation.h"

#include "wire/internal.h"

#define VERSION 1

static int take_version(struct rf_view *in)
{
    uint8_t version;
    int error = rf_view_u8(in, &version);
    return error != 0 ? error : version == VERSION ? 0 : RF_EVERSION;
}

/* ---- roster ---- */

/* Whole tags, each larger than the one before it. */
static int check_tags(struct rf_view tags)
{
    if (tags.len % RF_ROSTER_TAG_LEN != 0)
        return RF_ELENGTH;
    for (size_t at = RF_ROSTER_TAG_LEN; at < tags.len; at += RF_ROSTER_TAG_LEN)
        if (memcmp(tags.p + at - RF_ROSTER_TAG_LEN, tags.p + at, RF_ROSTER_TAG_LEN) >= 0)
            return RF_EFORMAT;
    return 0;
}

/* Both lists are in order: whoever stands in both is met when they are gone through side by side. */
static int check_apart(struct rf_view a, struct rf_view b)
{
    while (a.len > 0 && b.len > 0) {
        int order = memcmp(a.p, b.p, RF_ROSTER_TAG_LEN);
        if (order == 0)
            return RF_EFORMAT;
        struct rf_view *less = order < 0 ? &a : &b;
        *less = rf_view_of(less->p + RF_ROSTER_TAG_LEN, less->len - RF_ROSTER_TAG_LEN);
    }
    return 0;
}

static int check_lists(const struct rf_roster *roster)
{
    int error = check_tags(roster->admins);
    if (error == 0)
        error = check_tags(roster->members);
    if (error == 0 && (roster->creator.len == 0 || roster->admins.len == 0))
        error = RF_EFORMAT;
    if (error == 0 && roster->admins.len + roster->members.len > RF_ROSTER_MAX_TAGS * RF_ROSTER_TAG_LEN)
        error = RF_ELIMIT;
    return error != 0 ? error : check_apart(roster->admins, roster->members);
}

int rf_roster_decode(struct rf_view value, struct rf_roster *out)
{
    *out = (struct rf_roster){.sequence = 0};
    int error = take_version(&value);
    if (error == 0)
        error = rf_view_take(&value, RF_CONVERSATION_NONCE_LEN, &out->nonce);
    if (error == 0)
        error = rf_view_v(&value, 1, &out->creator);
    if (error == 0)
        error = rf_view_u32(&value, &out->sequence);
    if (error == 0)
        error = rf_view_take(&value, RF_ROSTER_HASH_LEN, &out->previous);
    if (error == 0)
        error = rf_view_v(&value, 2, &out->admins);
    if (error == 0)
        error = rf_view_v(&value, 2, &out->members);
    return error != 0 ? error : check_lists(out);
}

void rf_roster_encode(const struct rf_roster *roster, struct rf_buf *out)
{
    if (roster->nonce.len != RF_CONVERSATION_NONCE_LEN || roster->previous.len != RF_ROSTER_HASH_LEN ||
        check_lists(roster) != 0)
        rf_buf_fail(out, RF_EINVAL);
    rf_buf_u8(out, VERSION);
    rf_buf_view_put(out, roster->nonce);
    rf_buf_v(out, 1, roster->creator);
    rf_buf_u32(out, roster->sequence);
    rf_buf_view_put(out, roster->previous);
    rf_buf_v(out, 2, roster->admins);
    rf_buf_v(out, 2, roster->members);
}

bool rf_roster_has(struct rf_view tags, const uint8_t tag[RF_ROSTER_TAG_LEN])
{
    size_t low = 0, high = tags.len / RF_ROSTER_TAG_LEN;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        int order = memcmp(tag, tags.p + mid * RF_ROSTER_TAG_LEN, RF_ROSTER_TAG_LEN);
        if (order == 0)
            return true;
        if (order < 0)
            high = mid;
        else
            low = mid + 1;
    }
    return false;
}

/* ---- entries and notes ---- */

int rf_entry_decode(struct rf_view value, struct rf_entry *out)
{
    *out = (struct rf_entry){.sequence = 0};
    int error = take_version(&value);
    if (error == 0)
        error = rf_view_u64(&value, &out->sequence);
    if (error == 0 && value.len == 0)
        error = RF_ESHORT;
    if (error == 0 && out->sequence == 0)
        error = RF_EFORMAT;
    out->content = value;
    return error;
}

void rf_entry_encode(const struct rf_entry *entry, struct rf_buf *out)
{
    rf_buf_u8(out, VERSION);
    rf_buf_u64(out, entry->sequence);
    rf_buf_view_put(out, entry->content);
}

int rf_note_decode(struct rf_view value, struct rf_view *content)
{
    int error = take_version(&value);
    *content = value;
    return error != 0 ? error : value.len > 0 ? 0 : RF_ESHORT;
}

void rf_note_encode(struct rf_view content, struct rf_buf *out)
{
    rf_buf_u8(out, VERSION);
    rf_buf_view_put(out, content);
}
