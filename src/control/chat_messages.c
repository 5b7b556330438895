/* chat_messages.c - commands that write: chat send, edit, delete, react; and how a message is named: by its index, or by DEVICE:SEQUENCE. */
#include <stdio.h>
#include <stdlib.h>
#include "base/text.h"
#include "control/chat_internal.h"

/* ---- which message ---- */

/* Somebody asks for a message by its index, or wants an answer of which it is a part. */
struct target {
    struct rf_mem *mem;
    struct rf_control_call *call;
    json_t *args; /* held */
    uint8_t id[RF_CONVERSATION_LEN];
    uint64_t index;
    void (*go)(struct rf_control_call *call, json_t *args, const uint8_t *id,
               const struct rf_keep_name *name);
};

static void target_free(struct target *t)
{
    json_decref(t->args);
    rf_free(t->mem, t);
}

static bool parse_number(const char *text, uint64_t *out)
{
    char *end;
    if (text[0] < '0' || text[0] > '9' || strlen(text) > 19)
        return false;
    *out = strtoull(text, &end, 10);
    return *end == '\0' && *out < RF_KEEP_MAX_INDEX;
}

static bool parse_name(const char *text, struct rf_keep_name *out)
{
    char device[RF_ID_TEXT_LEN];
    const char *colon = strchr(text, ':');
    if (colon == NULL || (size_t)(colon - text) >= sizeof(device))
        return false;
    memcpy(device, text, (size_t)(colon - text));
    device[colon - text] = '\0';
    return rf_id_parse(device, &out->device) == 0 && parse_number(colon + 1, &out->sequence) &&
           out->sequence > 0;
}

static bool is_message(const struct rf_keep_entry *e)
{
    return e->kind == RF_CHAT_KIND_TEXT || e->kind == RF_CHAT_KIND_FILE;
}

static void target_answered(void *arg, const struct rf_keep_answer *answer)
{
    struct target *t = arg;
    const struct rf_keep_entry *found = NULL;
    size_t count = 0;
    for (size_t i = 0; answer->error == 0 && i < answer->count; i++)
        if (answer->entries[i].index == t->index && is_message(&answer->entries[i])) {
            found = &answer->entries[i];
            count++;
        }
    char text[100];
    snprintf(text, sizeof(text),
             count == 0 ? "there is no message %llu in this conversation" : "several messages are at %llu",
             (unsigned long long)t->index);
    if (answer->error != 0)
        rf_call_error(t->call, answer->error, NULL, NULL);
    else if (count == 1)
        t->go(t->call, t->args, t->id, &found->name);
    else
        rf_call_error(t->call, count == 0 ? RF_ENOTFOUND : RF_ECONFLICT, text,
                      count == 0 ? "`ringfolk chat history ID` shows their numbers"
                                 : "name it DEVICE:SEQUENCE, as `ringfolk --json chat history ID` does");
    target_free(t);
}

/* goes on with the message that args[key] names */
static void with_message(struct rf_control_call *call, struct rf_chat *chat, json_t *args, const char *key,
                         const uint8_t *id,
                         void (*go)(struct rf_control_call *call, json_t *args, const uint8_t *id,
                                    const struct rf_keep_name *name))
{
    const char *word = json_string_value(json_object_get(args, key));
    struct rf_keep_name name;
    struct target *t;
    uint64_t index;
    if (parse_name(word, &name)) {
        go(call, args, id, &name);
        return;
    }
    if (!parse_number(word[0] == '#' ? word + 1 : word, &index)) {
        rf_call_error(call, RF_EINVAL, "a message is named by its number, or by DEVICE:SEQUENCE",
                      "`ringfolk chat history ID` shows the numbers");
        return;
    }
    struct rf_mem *mem = call->control->env.mem;
    if ((t = rf_zalloc(mem, sizeof(*t))) == NULL) {
        rf_call_error(call, RF_ENOMEM, NULL, NULL);
        return;
    }
    *t = (struct target){.mem = mem, .call = call, .args = json_incref(args), .index = index, .go = go};
    memcpy(t->id, id, RF_CONVERSATION_LEN);
    struct rf_keep_query query = {.type = RF_KEEP_PAGE, .from = index, .limit = 8};
    memcpy(query.conversation, id, RF_CONVERSATION_LEN);
    int error = rf_chat_query(chat, &query, target_answered, t);
    if (error == 0)
        return;
    target_free(t);
    control_chat_refuse(call, error, NULL);
}

/* ---- what all have in common ---- */

/* the message is on disk; who wants to wait hears when it is in the log */
static void kept(void *arg, const struct rf_chat_result *result)
{
    struct rf_control_call *call = arg;
    if (result->error != 0) {
        control_chat_done(arg, result);
        return;
    }
    bool wait = json_is_true(call->keep);
    json_decref(call->keep);
    call->keep = json_object();
    json_object_set_new(call->keep, "id", control_chat_id_json(result->conversation));
    json_object_set_new(call->keep, "message", control_chat_message_json(&result->name));
    if (!wait) {
        rf_call_result(call, json_incref(call->keep));
        return;
    }
    json_t *item = json_copy(call->keep);
    json_object_set_new(item, "online", json_boolean(control_chat_online(call)));
    rf_call_item(call, item);
    control_chat_wait_add(call, result);
}

/* the engine took it on, or refused: of what was remembered for an answer nothing is left then */
static void given(struct rf_control_call *call, struct rf_chat *chat, const uint8_t *id, int error)
{
    struct rf_chat_info info;
    if (error != 0)
        control_chat_refuse(call, error, rf_chat_find(chat, id, &info) ? &info : NULL);
}

static struct rf_view text_of(json_t *args, const char *key)
{
    const char *text = json_string_value(json_object_get(args, key));
    return rf_view_str(text != NULL ? text : "");
}

/* ---- send ---- */

static void send_text(struct rf_control_call *call, json_t *args, const uint8_t *id,
                      const struct rf_keep_name *reply_to)
{
    struct rf_chat_text text = {.text = text_of(args, "text")};
    struct chat_users mentioned;
    struct rf_chat *chat = control_chat_engine(call);
    if (chat == NULL || !control_chat_users_read(call, json_object_get(args, "mentions"), id, &mentioned))
        return;
    if (reply_to != NULL)
        text.reply_to = *reply_to;
    text.mentions = mentioned.views;
    text.mention_count = mentioned.count;
    call->keep = json_boolean(json_is_true(json_object_get(args, "wait")));
    int error = rf_chat_send(chat, id, &text, kept, call);
    control_chat_users_free(&mentioned);
    if (error == RF_EINVAL && text.text.len == 0)
        rf_call_error(call, error, "the text is empty", NULL);
    else
        given(call, chat, id, error);
}

static void run_send(void *ctx, struct rf_control_call *call, json_t *args)
{
    (void)ctx;
    struct rf_chat *chat;
    struct rf_chat_info info;
    if (!control_chat_conversation(call, args, &chat, &info))
        return;
    if (json_object_get(args, "reply_to") != NULL)
        with_message(call, chat, args, "reply_to", info.id, send_text);
    else
        send_text(call, args, info.id, NULL);
}

/* ---- edit, delete, react ---- */

static void edit(struct rf_control_call *call, json_t *args, const uint8_t *id,
                 const struct rf_keep_name *name)
{
    struct rf_chat *chat = control_chat_engine(call);
    if (chat == NULL)
        return;
    given(call, chat, id, rf_chat_edit(chat, id, name, text_of(args, "text"), kept, call));
}

static void delete_it(struct rf_control_call *call, json_t *args, const uint8_t *id,
                      const struct rf_keep_name *name)
{
    (void)args;
    struct rf_chat *chat = control_chat_engine(call);
    if (chat == NULL)
        return;
    given(call, chat, id, rf_chat_delete(chat, id, name, kept, call));
}

static void react(struct rf_control_call *call, json_t *args, const uint8_t *id,
                  const struct rf_keep_name *name)
{
    struct rf_chat *chat = control_chat_engine(call);
    bool on = !json_is_true(json_object_get(args, "remove"));
    if (chat == NULL)
        return;
    given(call, chat, id, rf_chat_react(chat, id, name, text_of(args, "reaction"), on, kept, call));
}

static void run_edit(void *ctx, struct rf_control_call *call, json_t *args)
{
    (void)ctx;
    struct rf_chat *chat;
    struct rf_chat_info info;
    if (control_chat_conversation(call, args, &chat, &info))
        with_message(call, chat, args, "message", info.id, edit);
}

static void run_delete(void *ctx, struct rf_control_call *call, json_t *args)
{
    (void)ctx;
    struct rf_chat *chat;
    struct rf_chat_info info;
    if (control_chat_conversation(call, args, &chat, &info))
        with_message(call, chat, args, "message", info.id, delete_it);
}

static void run_react(void *ctx, struct rf_control_call *call, json_t *args)
{
    (void)ctx;
    struct rf_chat *chat;
    struct rf_chat_info info;
    if (control_chat_conversation(call, args, &chat, &info))
        with_message(call, chat, args, "message", info.id, react);
}

/* ---- the table ---- */

#define ID_ARG                                                                                               \
    {                                                                                                        \
        "id", 's', true, "a conversation's id, its unique beginning, or @NAME"                               \
    }
#define MESSAGE_ARG                                                                                          \
    {                                                                                                        \
        "message", 's', true, "its number (index), or DEVICE:SEQUENCE"                                       \
    }

static const struct rf_control_arg send_args[] = {
    ID_ARG,
    {"text", 's', true, "1 to 65536 bytes"},
    {"reply_to", 's', false, "a message, as in chat edit"},
    {"mentions", 'a', false, "members"},
    {"wait", 'b', false, "the result comes when it is in the log; before that an item when it is on disk"},
};
static const struct rf_control_arg edit_args[] = {ID_ARG, MESSAGE_ARG, {"text", 's', true, "the new text"}};
static const struct rf_control_arg delete_args[] = {ID_ARG, MESSAGE_ARG};
static const struct rf_control_arg react_args[] = {
    ID_ARG, MESSAGE_ARG, {"reaction", 's', true, "up to 64 bytes"}, {"remove", 'b', false, "take it back"}};

#define ARGS(table) table, RF_COUNT(table)

const struct rf_command control_chat_message_commands[] = {
    {"chat send", "write a message", ARGS(send_args), run_send, NULL},
    {"chat edit", "change an own message", ARGS(edit_args), run_edit, NULL},
    {"chat delete", "delete an own message; as an admin any", ARGS(delete_args), run_delete, NULL},
    {"chat react", "react to a message", ARGS(react_args), run_react, NULL},
};
const size_t control_chat_message_command_count = RF_COUNT(control_chat_message_commands);
