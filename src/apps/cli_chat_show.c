/* cli_chat_show.c - conversations, messages, members, contacts and presence as people read them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "apps/cli_chat.h"

static bool is_true(const json_t *object, const char *key)
{
    return json_is_true(json_object_get(object, key));
}

static long long num(const json_t *object, const char *key)
{
    return (long long)json_integer_value(json_object_get(object, key));
}

static const char *str(const json_t *object, const char *key)
{
    return cli_str(object, key, "");
}

/* ---- small words ---- */

void chat_clean(json_t *object)
{
    const char *text = json_string_value(json_object_get(object, "text"));
    json_t *lines = text != NULL ? json_array() : NULL;
    for (const char *end; text != NULL; text = end != NULL ? end + 1 : NULL) {
        end = strchr(text, '\n');
        json_array_append_new(lines,
                              end != NULL ? json_stringn(text, (size_t)(end - text)) : json_string(text));
    }
    if (lines != NULL)
        json_object_set_new(object, "lines", lines);
    cli_clean(object);
}

const char *chat_who(const char *principal, char out[80])
{
    size_t len = strcspn(principal, "@");
    if (principal[len] == '\0' && len >= 32 && strspn(principal, "0123456789abcdef") == len)
        len = 8;
    snprintf(out, 80, "%.*s", (int)(len < 70 ? len : 70), principal);
    return out;
}

const char *chat_when(const char *text, char out[32])
{
    struct tm utc = {0}, here, today;
    time_t now = time(NULL);
    const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &utc);
    if (rest == NULL) {
        snprintf(out, 32, "?");
        return out;
    }
    time_t at = timegm(&utc);
    localtime_r(&at, &here);
    localtime_r(&now, &today);
    bool is_today = here.tm_year == today.tm_year && here.tm_yday == today.tm_yday;
    strftime(out, 32, is_today ? "%H:%M" : "%Y-%m-%d %H:%M", &here);
    return out;
}

const char *chat_short(const json_t *object, char out[40])
{
    const char *given = json_string_value(json_object_get(object, "short"));
    snprintf(out, 40, "%.*s", given != NULL ? 32 : 8, given != NULL ? given : str(object, "id"));
    return out;
}

/* the lines of a text, those behind the first indented as far */
static void show_lines(const json_t *object, int indent)
{
    size_t i;
    const json_t *line, *lines = json_object_get(object, "lines");
    json_array_foreach(lines, i, line)
        printf("%s%*s%s", i > 0 ? "\n" : "", i > 0 ? indent : 0, "", json_string_value(line));
}

/* "alice, bob" of lines with principals */
static void show_people(const json_t *object)
{
    size_t i;
    char who[80];
    const json_t *line, *lines = json_object_get(object, "lines");
    json_array_foreach(lines, i, line)
        printf("%s%s", i > 0 ? ", " : "", chat_who(json_string_value(line), who));
}

/* ---- entries ---- */

static void show_reactions(const json_t *entry, int indent)
{
    size_t i;
    char who[80];
    const json_t *r;
    json_array_foreach(json_object_get(entry, "reactions"), i, r)
    {
        if (i == 0)
            printf("\n%*s", indent, "");
        printf("%s%s %s", i > 0 ? ", " : "", str(r, "reaction"), chat_who(str(r, "from"), who));
    }
}

/* what happened, if it is no message. How it is said: the words before, whether these are people, the words behind; %s: who did it */
static const struct {
    const char *kind, *before, *behind;
    bool people;
} happenings[] = {
    {"created", "%s made this conversation: ", "", false},
    {"joined", "%s brought in ", "", true},
    {"left", "", " left (by %s)", true},
    {"title", "%s called it: ", "", false},
    {"topic", "%s set the topic: ", "", false},
    {"admins", "%s changed the admins, now: ", "", true},
    {"unreadable", "%s wrote something that this device's keys do not open", "", false},
};

static void show_words(const char *format, const char *who)
{
    const char *at = strstr(format, "%s");
    if (at == NULL)
        printf("%s", format);
    else
        printf("%.*s%s%s", (int)(at - format), format, who, at + 2);
}

static void show_happening(const json_t *entry, const char *who)
{
    const char *kind = str(entry, "kind");
    size_t i = 0, count = sizeof(happenings) / sizeof(happenings[0]);
    while (i < count && strcmp(happenings[i].kind, kind) != 0)
        i++;
    printf("-- ");
    show_words(i < count ? happenings[i].before : "%s: ", who);
    if (i < count && happenings[i].people)
        show_people(entry);
    else
        show_lines(entry, 0);
    show_words(i < count ? happenings[i].behind : "", who);
}

static void show_entry(const json_t *entry, int indent)
{
    char who[80], by[80], when[32];
    const char *kind = str(entry, "kind");
    chat_who(str(entry, "from"), who);
    if (json_is_integer(json_object_get(entry, "index")))
        indent += printf("%5lld  ", num(entry, "index"));
    else
        indent += printf("    -  ");
    indent += printf("%s  ", chat_when(str(entry, "time"), when));
    if (json_is_string(json_object_get(entry, "deleted"))) {
        printf("-- a message of %s, deleted by %s\n", who, chat_who(str(entry, "deleted_by"), by));
        return;
    }
    if (strcmp(kind, "text") == 0) {
        printf("%s%s: ", who, json_object_get(entry, "reply_to") != NULL ? " (in reply)" : "");
        show_lines(entry, indent);
    } else if (strcmp(kind, "file") == 0) {
        printf("%s sent the file ", who);
        show_lines(entry, indent);
    } else {
        show_happening(entry, who);
    }
    printf("%s%s", json_object_get(entry, "edited") != NULL ? "  (edited)" : "",
           json_is_null(json_object_get(entry, "index")) ? "  (not sent yet)" : "");
    show_reactions(entry, indent);
    putchar('\n');
}

void chat_show_entry(const json_t *entry)
{
    show_entry(entry, 0);
}

void chat_show_found(const json_t *entry)
{
    char id[40];
    show_entry(entry, printf("%s ", chat_short(entry, id)));
}

/* ---- lists ---- */

static const char *title_of(const json_t *chat, char out[80])
{
    if (is_true(chat, "direct") && str(chat, "title")[0] == '\0')
        return chat_who(str(chat, "peer"), out);
    return str(chat, "title")[0] != '\0' ? str(chat, "title") : "(no title)";
}

void chat_show_chat(const json_t *chat)
{
    char id[40], who[80];
    const char *state = str(chat, "state");
    chat_short(chat, id);
    printf("%s  %s", id, title_of(chat, who));
    if (strcmp(state, "invited") == 0) {
        printf("\n        %s invites you", chat_who(str(chat, "inviter"), who));
        if (str(chat, "note")[0] != '\0')
            printf(": %s", str(chat, "note"));
        printf("\n        -> ringfolk chat accept %s (or refuse)\n", id);
        return;
    }
    if (is_true(chat, "direct"))
        printf("  (two)");
    else
        printf("  (%lld members)", num(chat, "users"));
    if (num(chat, "unread") > 0)
        printf("  %s%lld new", num(chat, "unread") >= 100 ? "at least " : "", num(chat, "unread"));
    if (num(chat, "unsent") > 0)
        printf("  %lld not sent yet", num(chat, "unsent"));
    if (num(chat, "behind") > 0)
        printf("  %lld on the way", num(chat, "behind"));
    if (strcmp(state, "member") != 0)
        printf("  %s", strcmp(state, "creating") == 0  ? "being made"
                       : strcmp(state, "joining") == 0 ? "on the way into it"
                       : strcmp(state, "leaving") == 0 ? "being left"
                       : strcmp(state, "ended") == 0   ? "has ended"
                                                       : state);
    printf("%s%s\n", is_true(chat, "muted") ? "  muted" : "",
           is_true(chat, "doubted") ? "  DOUBTED: where it is kept somebody was seen to lie" : "");
    if (str(chat, "topic")[0] != '\0')
        printf("        %s\n", str(chat, "topic"));
}

void chat_show_member(const json_t *member)
{
    printf("%-7s %s%s  %lld device%s\n", str(member, "role"), str(member, "name"),
           is_true(member, "self") ? " (you)" : "", num(member, "devices"),
           num(member, "devices") == 1 ? "" : "s");
    if (strcmp(str(member, "name"), str(member, "principal")) != 0)
        printf("        key %s; the name is a claim\n", str(member, "principal"));
}

static void show_presence_words(const json_t *presence)
{
    char when[32];
    const char *state = str(presence, "state");
    printf("%s", strcmp(state, "busy") == 0 ? "busy, do not disturb" : state);
    if (json_is_string(json_object_get(presence, "since")) && strcmp(state, "offline") != 0)
        printf(" since %s", chat_when(str(presence, "since"), when));
    if (str(presence, "text")[0] != '\0')
        printf(": %s", str(presence, "text"));
}

void chat_show_contact(const json_t *contact)
{
    char who[80], id[40];
    const char *state = str(contact, "state"), *name = str(contact, "name");
    printf("%-20s ", name);
    chat_who(name, who);
    if (strcmp(state, "accepted") == 0)
        show_presence_words(json_object_get(contact, "presence"));
    else if (strcmp(state, "requested") == 0)
        printf("asked; no answer yet");
    else if (strcmp(state, "asking") == 0)
        printf("asks to be a contact%s%s\n%21s-> ringfolk contact accept %s (or refuse, block)",
               str(contact, "note")[0] != '\0' ? ": " : "", str(contact, "note"), "", who);
    else
        printf("%s", state);
    if (json_is_string(json_object_get(contact, "chat"))) {
        snprintf(id, sizeof(id), "%.8s", str(contact, "chat"));
        printf("  (chat %s)", id);
    }
    putchar('\n');
}

void chat_show_presence(const json_t *presence)
{
    if (str(presence, "name")[0] != '\0')
        printf("%s is ", str(presence, "name"));
    else
        printf("you are ");
    show_presence_words(presence);
    putchar('\n');
}
