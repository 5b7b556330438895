/* chatlog.c - what the Kinds of conversations ask of a value; who may write it is the policies' (overlay/policy_roster.c). */
#include "usage/chatlog.h"
#include <stdio.h>
#include "base/error.h"

static int bad(int error, const char *text, char *why, size_t why_len)
{
    if (error == 0)
        return 0;
    snprintf(why, why_len, "%s", text);
    return RF_EFORMAT;
}

static int check_roster(void *arg, const struct rf_usage_value *value, char *why, size_t why_len)
{
    struct rf_roster roster;
    (void)arg;
    return bad(rf_roster_decode(value->data->value, &roster), "no roster", why, why_len);
}

static int check_entry(void *arg, const struct rf_usage_value *value, char *why, size_t why_len)
{
    struct rf_entry entry;
    (void)arg;
    return bad(rf_entry_decode(value->data->value, &entry), "no entry of a log", why, why_len);
}

static int check_note(void *arg, const struct rf_usage_value *value, char *why, size_t why_len)
{
    struct rf_view content;
    (void)arg;
    return bad(rf_note_decode(value->data->value, &content), "of another version, or empty", why, why_len);
}

int rf_chatlog_kinds(struct rf_store *store)
{
    static const struct rf_usage_kind kinds[] = {
        {.kind = RF_KIND_ROSTER, .name = "ROSTER", .check = check_roster, .watch = RF_WATCH_BY_MEMBERS},
        {.kind = RF_KIND_LOG,
         .name = "LOG",
         .append_only = true,
         .max_bytes = RF_CHATLOG_MAX_BYTES,
         .check = check_entry,
         .watch = RF_WATCH_BY_MEMBERS},
        {.kind = RF_KIND_INBOX,
         .name = "INBOX",
         .max_lifetime_s = RF_INBOX_MAX_S,
         .check = check_note,
         .watch = RF_WATCH_BY_OWNER},
        {.kind = RF_KIND_PRESENCE,
         .name = "PRESENCE",
         .max_lifetime_s = RF_PRESENCE_MAX_S,
         .check = check_note,
         .watch = RF_WATCH_BY_ANYBODY},
        {.kind = RF_KIND_KEY_PACKAGE, .name = "KEY-PACKAGE", .check = check_note, .watch = RF_WATCH_BY_OWNER},
        {.kind = RF_KIND_DOOR, .name = "CONVERSATION-DOOR", .check = check_note},
    };
    int error = 0;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]) && error == 0; i++)
        error = rf_store_add_kind(store, &kinds[i]);
    return error;
}
