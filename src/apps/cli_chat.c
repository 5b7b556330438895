/* cli_chat.c - `ringfolk chat ...`, `contact ...` and `presence`: the table, and the commands that wait until something is done. */
#include <stdio.h>
#include <string.h>
#include "apps/cli_chat.h"
#include "base/assert.h"

#define WAIT_S 15 /* if nothing else is said */

static const char *str(const json_t *object, const char *key)
{
    return cli_str(object, key, "");
}

/* ---- commands that are kept at once and done when this device is online ---- */

static void show_waiting(const json_t *begun)
{
    printf(json_is_false(json_object_get(begun, "online"))
               ? "kept: it is done as soon as this device is in the overlay\n"
               : "not done yet: ringfolkd goes on trying\n");
}

/* one line of the daemon's: the exit status, -1: more will come */
static int take_line(const struct cli *cli, const struct cli_command *self, json_t *object, json_t **begun)
{
    json_t *part;
    if ((part = json_object_get(object, "error")) != NULL)
        return cli_failure(self->name, part);
    if ((part = json_object_get(object, "item")) != NULL) {
        json_decref(*begun);
        *begun = json_incref(part);
        return -1;
    }
    if ((part = json_object_get(object, "result")) == NULL)
        return -1;
    if (cli->json) {
        cli_print_json(part);
    } else {
        cli_clean(part);
        self->result(part);
    }
    return CLI_OK;
}

/* it goes on without us */
static int leave_waiting(const struct cli *cli, json_t *begun)
{
    if (!cli->json) {
        show_waiting(begun);
        return CLI_OK;
    }
    json_object_set_new(begun, "waiting", json_true());
    cli_print_json(begun);
    return CLI_OK;
}

static int wait_for(const struct cli *cli, const struct cli_command *self, struct cli_client *client,
                    bool wait)
{
    json_t *begun = NULL;
    int status = -1;
    while (status < 0) {
        if (begun != NULL && (!wait || json_is_false(json_object_get(begun, "online")))) {
            status = leave_waiting(cli, begun);
            break;
        }
        json_t *object = cli_read(client);
        if (object != NULL)
            status = take_line(cli, self, object, &begun);
        else if (client->reader_gone)
            status = CLI_OK;
        else if (client->timed_out && begun != NULL)
            status = leave_waiting(cli, begun);
        else
            status = cli_error(self->name,
                               client->timed_out ? "the daemon does not answer" : "the daemon ended", NULL);
        json_decref(object);
    }
    json_decref(begun);
    return status;
}

static int run_waiting(const struct cli *cli, const struct cli_command *self, int argc, char **argv)
{
    struct cli_client client;
    int status;
    json_t *args = cli_args(self, argc, argv, &status);
    if (args == NULL)
        return status;
    const json_t *seconds = json_object_get(args, "wait_s");
    int wait_s = seconds != NULL ? (int)json_integer_value(seconds) : WAIT_S;
    bool wait = !json_is_true(json_object_get(args, "no_wait"));
    json_object_del(args, "wait_s");
    json_object_del(args, "no_wait");
    if (strcmp(self->name, "chat send") == 0)
        json_object_set_new(args, "wait", json_true());
    status = cli_ask(cli, self, args, &client);
    if (status >= 0)
        return status;
    client.timeout_ms = wait_s * 1000;
    status = wait_for(cli, self, &client, wait);
    (void)cli_written(self->name, &status);
    cli_disconnect(&client);
    return status;
}

/* ---- presence: its first word is a state, or a name ---- */

static int run_presence(const struct cli *cli, const struct cli_command *self, int argc, char **argv)
{
    static const char *const states[] = {"online", "away", "busy", "invisible", "offline"};
    int status;
    json_t *args = cli_args(self, argc, argv, &status);
    if (args == NULL)
        return status;
    const char *word = json_string_value(json_object_get(args, "state"));
    bool is_state = word == NULL;
    for (size_t i = 0; i < RF_COUNT(states) && !is_state; i++)
        is_state = strcmp(word, states[i]) == 0;
    if (!is_state && json_object_get(args, "text") != NULL) {
        json_decref(args);
        return cli_usage(self, "a state is online, away, busy, invisible or offline");
    }
    if (!is_state) {
        json_object_set(args, "name", json_object_get(args, "state"));
        json_object_del(args, "state");
    }
    return cli_run(cli, self, args);
}

/* ---- what results look like ---- */

static void show_made(const json_t *r)
{
    char id[40];
    printf("%s  write with: ringfolk chat send %s TEXT\n", chat_short(r, id), id);
}

static void show_sent(const json_t *r)
{
    printf("sent, number %lld\n", (long long)json_integer_value(json_object_get(r, "index")));
}

static void show_kept(const json_t *r)
{
    (void)r;
    puts("done here; the others see it as soon as it reaches them");
}

static void show_done(const json_t *r)
{
    (void)r;
    puts("done");
}

static void show_joined(const json_t *r)
{
    char id[40];
    printf("you are in; what was said: ringfolk chat history %s\n", chat_short(r, id));
}

static void show_left(const json_t *r)
{
    (void)r;
    puts("you are leaving; it has ended for you when another member's device has seen that");
}

static void show_muted(const json_t *r)
{
    puts(json_is_true(json_object_get(r, "muted")) ? "muted" : "not muted any more");
}

static void show_contact_result(const json_t *r)
{
    if (str(r, "state")[0] != '\0')
        chat_show_contact(r);
    else
        printf("%s is forgotten\n", str(r, "name"));
}

/* ---- the table ---- */

#define ID_ROW                                                                                               \
    {                                                                                                        \
        "ID", NULL, "the first digits of its id, or @NAME for the chat of two with somebody", "id", 's'      \
    }
#define NAME_ROW                                                                                             \
    {                                                                                                        \
        "NAME", NULL, "a user, e.g. bob or bob@example.org", "name", 's'                                     \
    }
#define NAMES_ROW                                                                                            \
    {                                                                                                        \
        "NAME...", NULL, "users, e.g. bob carol", "names", 'm'                                               \
    }
#define MESSAGE_ROW                                                                                          \
    {                                                                                                        \
        "MESSAGE", NULL, "its number, as `ringfolk chat history` shows it", "message", 's'                   \
    }
#define NOTE_ROW                                                                                             \
    {                                                                                                        \
        "--note", "TEXT", "up to 280 bytes that are read before the answer", "note", 's'                     \
    }
#define ALL_ROW                                                                                              \
    {                                                                                                        \
        "--all", NULL, "also who came and went, titles, devices", "all", 'b'                                 \
    }
#define WAIT_ROWS                                                                                            \
    {"--wait", "SECONDS", "how long to wait until it is done (15); it goes on afterwards", "wait_s", 'n'},   \
    {                                                                                                        \
        "--no-wait", NULL, "do not wait until it is done", "no_wait", 'b'                                    \
    }

static const struct app_option list_options[] = {{0}};
static const struct app_option name_options[] = {NAME_ROW, WAIT_ROWS};
static const struct app_option add_options[] = {NAME_ROW, NOTE_ROW, WAIT_ROWS};
static const struct app_option presence_options[] = {
    {"STATE|NAME", NULL,
     "online, away, busy, invisible or offline: you from now on; or a contact; without it: you", "state",
     'o'},
    {"TEXT", NULL, "beside the state, up to 280 bytes", "text", 'o'}};

static const struct app_option new_options[] = {{"TITLE", NULL, "up to 255 bytes", "title", 's'},
                                                {"NAME...", NULL, "users to invite", "names", 'M'},
                                                NOTE_ROW,
                                                WAIT_ROWS};
static const struct app_option invite_options[] = {ID_ROW, NAMES_ROW, NOTE_ROW, WAIT_ROWS};
static const struct app_option kick_options[] = {ID_ROW, NAMES_ROW, WAIT_ROWS};
static const struct app_option id_wait_options[] = {ID_ROW, WAIT_ROWS};
static const struct app_option id_options[] = {ID_ROW};
static const struct app_option role_options[] = {
    ID_ROW, NAME_ROW, {"ROLE", NULL, "admin or member", "role", 's'}, WAIT_ROWS};
static const struct app_option rename_options[] = {
    ID_ROW, {"TITLE", NULL, "up to 255 bytes", "title", 's'}, WAIT_ROWS};
static const struct app_option topic_options[] = {
    ID_ROW, {"TOPIC", NULL, "up to 1024 bytes", "topic", 's'}, WAIT_ROWS};
static const struct app_option mute_options[] = {ID_ROW, {"--off", NULL, "not any more", "off", 'b'}};

static const struct app_option send_options[] = {
    ID_ROW,
    {"TEXT", NULL, "1 to 65536 bytes; put -- before one that begins like an option", "text", 's'},
    {"--reply", "MESSAGE", "the number of the message that it answers", "reply_to", 's'},
    {"--mention", "NAME", "a member to whose attention it is brought; may be given several times", "mentions",
     'r'},
    WAIT_ROWS};
static const struct app_option edit_options[] = {
    ID_ROW, MESSAGE_ROW, {"TEXT", NULL, "the new one", "text", 's'}};
static const struct app_option delete_options[] = {ID_ROW, MESSAGE_ROW};
static const struct app_option react_options[] = {ID_ROW,
                                                  MESSAGE_ROW,
                                                  {"REACTION", NULL, "e.g. an emoji", "reaction", 's'},
                                                  {"--remove", NULL, "take it back", "remove", 'b'}};
static const struct app_option history_options[] = {ID_ROW,
                                                    {"--last", "N", "only the last N", "last", 'i'},
                                                    {"--from", "NUMBER", "from that message on", "from", 'i'},
                                                    ALL_ROW};
static const struct app_option read_options[] = {ID_ROW, ALL_ROW};
static const struct app_option search_options[] = {
    {"WORD...", NULL,
     "all of them; also '\"a phrase\"', begin*, and behind -- those that must not be there: -word", "words",
     'm'},
    {"--in", "ID", "only in that conversation", "id", 's'},
    {"--sender", "NAME", "only what that user wrote", "sender", 's'},
    {"--since", "DATE", "not before, e.g. 2026-11-22 or \"2026-11-22 14:05\"", "since", 's'},
    {"--until", "DATE", "not after", "until", 's'},
    {"--last", "N", "at most N; the newest come first", "last", 'i'}};
static const struct app_option export_options[] = {
    ID_ROW,
    {"FILE", NULL, "a new one; without it to standard output", "file", 'o'},
    {"--text", NULL, "for people to read, instead of JSON lines", "text", 'b'}};

#define OPTIONS(table) table, RF_COUNT(table)
#define NO_OPTIONS     list_options, 0
#define ADMINS         "you are no admin of it, or it has ended for you"
#define NO_CHAT        "there is no such conversation"

const struct cli_command cli_chat_commands[] = {
    {"contact add", "contact add NAME [--note TEXT]", "ask a user to be a contact, or accept one who asks",
     OPTIONS(add_options), "nobody of that name", run_waiting, NULL, show_contact_result, NULL},
    {"contact accept", "contact accept NAME", "accept who asks", OPTIONS(name_options),
     "nobody of that name asks", run_waiting, NULL, show_contact_result, NULL},
    {"contact refuse", "contact refuse NAME", "refuse who asks; he may ask again", OPTIONS(name_options),
     "nobody of that name asks", run_waiting, NULL, show_contact_result, NULL},
    {"contact block", "contact block NAME", "hear nothing of a user any more, on all your devices",
     OPTIONS(name_options), NULL, run_waiting, NULL, show_contact_result, NULL},
    {"contact remove", "contact remove NAME", "forget a contact, or that he is blocked",
     OPTIONS(name_options), "no such contact", run_waiting, NULL, show_contact_result, NULL},
    {"contact list", "contact list", "your contacts, how they are, and who asks", NO_OPTIONS, NULL, NULL,
     chat_show_contact, NULL, "nobody yet: ringfolk contact add NAME"},
    {"presence", "presence [STATE [TEXT] | NAME]", "say how you are, or see how a contact is",
     OPTIONS(presence_options), "that user is no contact", run_presence, NULL, chat_show_presence, NULL},
    {"chat list", "chat list", "your conversations, and those you are invited to", NO_OPTIONS, NULL, NULL,
     chat_show_chat, NULL, "none yet: ringfolk chat new TITLE NAME..., or ringfolk chat with NAME"},
    {"chat new", "chat new TITLE [NAME...] [--note TEXT]", "make a conversation and invite users",
     OPTIONS(new_options), "nobody of that name", run_waiting, NULL, show_made, NULL},
    {"chat with", "chat with NAME [--note TEXT]", "the chat of two with a user; it is made if there is none",
     OPTIONS(add_options), "nobody of that name", run_waiting, NULL, show_made, NULL},
    {"chat invite", "chat invite ID NAME... [--note TEXT]", "bring more users in", OPTIONS(invite_options),
     ADMINS, run_waiting, NULL, show_done, NULL},
    {"chat accept", "chat accept ID", "accept an invitation", OPTIONS(id_wait_options), NO_CHAT, run_waiting,
     NULL, show_joined, NULL},
    {"chat join", "chat join ID", "the same: accept an invitation", OPTIONS(id_wait_options), NO_CHAT,
     run_waiting, NULL, show_joined, NULL},
    {"chat refuse", "chat refuse ID", "refuse an invitation", OPTIONS(id_wait_options), NO_CHAT, run_waiting,
     NULL, show_done, NULL},
    {"chat leave", "chat leave ID", "leave a conversation, with all your devices", OPTIONS(id_wait_options),
     "you are its only admin", run_waiting, NULL, show_left, NULL},
    {"chat send", "chat send ID TEXT [--reply MESSAGE] [--mention NAME]...",
     "write a message; it is sent when it can be", OPTIONS(send_options), NO_CHAT ", or it has ended for you",
     run_waiting, NULL, show_sent, NULL},
    {"chat read", "chat read ID [--all]", "what is new; from then on it is not", OPTIONS(read_options),
     NO_CHAT, chat_run_read, NULL, NULL, NULL},
    {"chat history", "chat history ID [--last N | --from NUMBER] [--all]", "what was said",
     OPTIONS(history_options), NO_CHAT, chat_run_history, NULL, NULL, NULL},
    {"chat search", "chat search WORD... [--in ID] [--sender NAME] [--since DATE] [--until DATE] [--last N]",
     "find messages, newest first", OPTIONS(search_options), NULL, chat_run_search, NULL, NULL, NULL},
    {"chat edit", "chat edit ID MESSAGE TEXT", "change a message of yours", OPTIONS(edit_options),
     "there is no such message", NULL, NULL, show_kept, NULL},
    {"chat delete", "chat delete ID MESSAGE", "delete a message of yours, or as an admin any",
     OPTIONS(delete_options), "there is no such message", NULL, NULL, show_kept, NULL},
    {"chat react", "chat react ID MESSAGE REACTION [--remove]", "react to a message", OPTIONS(react_options),
     "there is no such message", NULL, NULL, show_kept, NULL},
    {"chat members", "chat members ID", "who is in it", OPTIONS(id_options), NO_CHAT, NULL, chat_show_member,
     NULL, "nobody is in it"},
    {"chat kick", "chat kick ID NAME...", "remove members (admins)", OPTIONS(kick_options), ADMINS,
     run_waiting, NULL, show_done, NULL},
    {"chat role", "chat role ID NAME admin|member", "make somebody an admin, or not any more (admins)",
     OPTIONS(role_options), ADMINS, run_waiting, NULL, show_done, NULL},
    {"chat rename", "chat rename ID TITLE", "give it another title (admins)", OPTIONS(rename_options), ADMINS,
     run_waiting, NULL, show_done, NULL},
    {"chat topic", "chat topic ID TOPIC", "say what it is about (admins)", OPTIONS(topic_options), ADMINS,
     run_waiting, NULL, show_done, NULL},
    {"chat mute", "chat mute ID [--off]", "remember that it is not to disturb you", OPTIONS(mute_options),
     NO_CHAT, NULL, NULL, show_muted, NULL},
    {"chat export", "chat export ID [FILE] [--text]", "the whole history, for keeping or reading elsewhere",
     OPTIONS(export_options), "the file is there already, or cannot be written", chat_run_export, NULL, NULL,
     NULL},
    {"chat forget", "chat forget ID", "remove one that has ended, with its history, from this device",
     OPTIONS(id_wait_options), "it has not ended", run_waiting, NULL, show_done, NULL},
};
const size_t cli_chat_command_count = RF_COUNT(cli_chat_commands);
