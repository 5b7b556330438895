/* cli_chat_event.c - what `ringfolk listen` prints of conversations, contacts and presence. */
#include <stdio.h>
#include <string.h>
#include "apps/cli_chat.h"

static const char *str(const json_t *object, const char *key)
{
    return cli_str(object, key, "");
}

/* "Team", or who it is with */
static const char *called(const json_t *event, char out[80])
{
    if (str(event, "title")[0] != '\0')
        return str(event, "title");
    if (str(event, "peer")[0] != '\0')
        return chat_who(str(event, "peer"), out);
    return chat_short(event, out);
}

static void show_entry(const json_t *e)
{
    char where[80], who[80], id[40];
    const char *kind = str(e, "kind");
    printf("%s (%s", called(e, where), chat_short(e, id));
    if (json_is_integer(json_object_get(e, "index")))
        printf(" #%lld", (long long)json_integer_value(json_object_get(e, "index")));
    printf(") %s", chat_who(str(e, "from"), who));
    if (strcmp(kind, "text") == 0)
        printf(": %s\n", str(e, "text"));
    else
        printf(" [%s] %s\n", kind, str(e, "text"));
}

static void show_invited(const json_t *e)
{
    char where[80], who[80], id[40];
    printf("%s invites you to %s", chat_who(str(e, "user"), who), called(e, where));
    if (str(e, "text")[0] != '\0')
        printf(": %s", str(e, "text"));
    printf("\n  -> ringfolk chat accept %s (or refuse)\n", chat_short(e, id));
}

static void show_contact(const json_t *e)
{
    char who[80];
    const char *state = str(e, "state");
    chat_who(str(e, "name"), who);
    if (strcmp(state, "asking") == 0)
        printf("%s asks to be a contact%s%s\n  -> ringfolk contact accept %s (or refuse, block)\n",
               str(e, "name"), str(e, "text")[0] != '\0' ? ": " : "", str(e, "text"), who);
    else
        printf("contact %s: %s\n", str(e, "name"), state);
}

static void show_mark(const json_t *e)
{
    char where[80], who[80];
    printf("%s: %s has %s up to #%lld\n", called(e, where), chat_who(str(e, "user"), who),
           strcmp(str(e, "mark"), "read") == 0 ? "read" : "received",
           (long long)json_integer_value(json_object_get(e, "index")));
}

bool cli_chat_event(const json_t *e)
{
    char where[80];
    const char *type = str(e, "type");
    if (strcmp(type, "chat_entry") == 0)
        show_entry(e);
    else if (strcmp(type, "chat_invited") == 0)
        show_invited(e);
    else if (strcmp(type, "chat_mark") == 0)
        show_mark(e);
    else if (strcmp(type, "contact") == 0)
        show_contact(e);
    else if (strcmp(type, "presence") == 0)
        chat_show_presence(e);
    else if (strcmp(type, "chat") == 0)
        printf("%s: %s\n", called(e, where), str(e, "state"));
    else if (strcmp(type, "chat_changed") == 0)
        printf("%s: a message was changed\n", called(e, where));
    else if (strcmp(type, "chat_missed") == 0)
        printf("%s: %lld entries were gone from the overlay before this device came\n", called(e, where),
               (long long)json_integer_value(json_object_get(e, "count")));
    else if (strcmp(type, "chat_doubt") == 0)
        printf("%s: DOUBT about where it is kept: %s\n", called(e, where), str(e, "text"));
    else if (strcmp(type, "chat_rejoined") == 0)
        printf("%s: this device had lost its place and came in again; what was said between is lost to it\n",
               called(e, where));
    else if (strcmp(type, "chat_disk") == 0)
        printf(json_is_null(json_object_get(e, "error"))
                   ? "the disk takes what is written again\n"
                   : "THE DISK REFUSES what is written (full?): nothing is read or sent until it takes it\n");
    else
        return false;
    return true;
}
