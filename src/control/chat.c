/* chat.c - what the chat commands share: their life, which conversation and which users are meant, what the engine's errors mean to people. */
#include <ctype.h>
#include <stdio.h>
#include "base/text.h"
#include "control/chat_internal.h"

/* ---- life ---- */

static int add_table(struct rf_control_chat *chat, const struct rf_command *table, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (chat->command_count == CHAT_COMMANDS_MAX)
            return RF_ELIMIT;
        struct rf_command *command = &chat->commands[chat->command_count];
        *command = table[i];
        command->ctx = chat;
        int error = rf_control_add(chat->config.control, command);
        if (error != 0)
            return error;
        chat->command_count++;
    }
    return 0;
}

int rf_control_chat_new(const struct rf_control_chat_config *config, struct rf_control_chat **out)
{
    struct rf_control_chat *chat = rf_zalloc(config->mem, sizeof(*chat));
    if (chat == NULL)
        return RF_ENOMEM;
    chat->config = *config;
    rf_list_init(&chat->waiting);
    int error = add_table(chat, control_chat_group_commands, control_chat_group_command_count);
    if (error == 0)
        error = add_table(chat, control_chat_message_commands, control_chat_message_command_count);
    if (error == 0)
        error = add_table(chat, control_chat_history_commands, control_chat_history_command_count);
    if (error == 0)
        error = add_table(chat, control_chat_people_commands, control_chat_people_command_count);
    if (error != 0)
        rf_control_chat_free(chat);
    else
        *out = chat;
    return error;
}

void rf_control_chat_free(struct rf_control_chat *chat)
{
    if (chat == NULL)
        return;
    control_chat_wait_end(chat);
    while (chat->command_count > 0)
        rf_control_remove(chat->config.control, &chat->commands[--chat->command_count]);
    rf_free(chat->config.mem, chat);
}

struct rf_chat *control_chat_engine(struct rf_control_call *call)
{
    struct rf_control_chat *chat = call->command->ctx;
    struct rf_chat *engine = chat->config.engine(chat->config.ctx);
    if (engine == NULL)
        rf_call_error(call, RF_EUNSUPPORTED, "this device takes no part in conversations",
                      "the log of ringfolkd says why");
    return engine;
}

bool control_chat_online(const struct rf_control_call *call)
{
    struct rf_node_status status;
    rf_node_status(call->control->node, &status);
    return status.state == RF_TOPOLOGY_JOINED;
}

/* ---- errors ---- */

/* NULL: nothing better than what the list of errors says */
static const char *meaning(int error, const struct rf_chat_info *info, const char **hint)
{
    *hint = NULL;
    switch (error) {
    case RF_ENOTFOUND:
        *hint = "`ringfolk chat list` shows what there is";
        return "there is no such conversation";
    case RF_ENOTYET:
        *hint = info != NULL && info->state == RF_CHAT_INVITED
                    ? "accept the invitation first: ringfolk chat accept ID"
                    : "it goes on by itself while this device is online; try again in a moment";
        return info != NULL && info->state == RF_CHAT_INVITED
                   ? "you are invited to this conversation, and not in it"
                   : "this device is still on its way into the conversation";
    case RF_ECLOSED:
        *hint = "its history can still be read: ringfolk chat history ID";
        return info != NULL && info->state == RF_CHAT_LEAVING ? "you are leaving this conversation"
                                                              : "this conversation has ended for you";
    case RF_EFORBIDDEN:
        *hint = "`ringfolk chat members ID` shows who is one";
        return "only an admin of the conversation may do that";
    case RF_EBUSY:
        *hint = "wait until this device is online, and try again";
        return "too many changes of this conversation wait to be made";
    case RF_ELIMIT:
        *hint = "titles have up to 255 bytes, topics 1024, notes 280, texts 65536";
        return "that is too long, or too many";
    default:
        return NULL;
    }
}

void control_chat_refuse(struct rf_control_call *call, int error, const struct rf_chat_info *info)
{
    const char *hint, *text = meaning(error, info, &hint);
    rf_call_error(call, error, text, hint);
}

void control_chat_begun(struct rf_control_call *call, const uint8_t id[RF_CONVERSATION_LEN])
{
    json_decref(call->keep);
    call->keep = json_object();
    json_object_set_new(call->keep, "id", control_chat_id_json(id));
    struct rf_control_chat *control = call->command->ctx;
    struct rf_chat *chat = control->config.engine(control->config.ctx);
    char text[CHAT_ID_TEXT_LEN];
    if (chat != NULL)
        json_object_set_new(call->keep, "short", json_string(control_chat_short_id(chat, id, text)));
    json_t *item = json_copy(call->keep);
    json_object_set_new(item, "online", json_boolean(control_chat_online(call)));
    rf_call_item(call, item);
}

void control_chat_done(void *arg, const struct rf_chat_result *result)
{
    struct rf_control_call *call = arg;
    const char *why = result->why != NULL && result->why[0] != '\0' ? result->why : NULL;
    if (result->error != 0)
        rf_call_error(call, result->error, why, NULL);
    else
        rf_call_result(call, json_incref(call->keep));
}

/* ---- which conversation ---- */

struct search {
    const char *prefix; /* hex digits, or NULL */
    size_t prefix_len;
    struct rf_view peer; /* or the chat of two with him */
    uint8_t id[RF_CONVERSATION_LEN];
    size_t found;
};

static bool begins_with(const uint8_t *id, const char *prefix, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned digit = i % 2 == 0 ? id[i / 2] >> 4 : id[i / 2] & 15;
        if ("0123456789abcdef"[digit] != tolower((unsigned char)prefix[i]))
            return false;
    }
    return true;
}

static void look_at(void *arg, const struct rf_chat_info *info)
{
    struct search *s = arg;
    if (s->prefix != NULL ? begins_with(info->id, s->prefix, s->prefix_len)
                          : info->direct && rf_view_equal(info->peer, s->peer)) {
        memcpy(s->id, info->id, RF_CONVERSATION_LEN);
        s->found++;
    }
}

/* where names are only claims a contact knows which conversation is his */
static void look_at_contact(void *arg, const struct rf_chat_contact *contact)
{
    struct search *s = arg;
    if (!contact->has_direct || !rf_view_equal(contact->user, s->peer))
        return;
    memcpy(s->id, contact->direct, RF_CONVERSATION_LEN);
    s->found++;
}

/* one of them, or the call has its answer */
static bool search_ended(struct rf_control_call *call, const struct search *s, const char *word)
{
    char text[200];
    if (s->found == 1)
        return true;
    snprintf(text, sizeof(text),
             s->found > 1        ? "several conversations begin with %.80s"
             : s->prefix == NULL ? "there is no chat of two with %.80s"
                                 : "no conversation begins with %.80s",
             word);
    rf_call_error(call, s->found > 1 ? RF_ECONFLICT : RF_ENOTFOUND, text,
                  s->found > 1        ? "write more of its digits; `ringfolk chat list` shows them"
                  : s->prefix == NULL ? "begin one with: ringfolk chat with NAME"
                                      : "`ringfolk chat list` shows what there is");
    return false;
}

static bool find(struct rf_control_call *call, const struct rf_chat *chat, const char *word, struct search *s)
{
    char storage[CHAT_NAME_LEN];
    size_t len = strlen(word);
    memset(s, 0, sizeof(*s));
    if (strchr(word, '@') != NULL) {
        if (!control_chat_name(call, word, storage, &s->peer))
            return false;
        rf_chat_each(chat, look_at, s);
        if (s->found == 0)
            rf_chat_each_contact(chat, look_at_contact, s);
    } else if (len > 0 && len <= 2 * RF_CONVERSATION_LEN && strspn(word, "0123456789abcdefABCDEF") == len) {
        s->prefix = word;
        s->prefix_len = len;
        rf_chat_each(chat, look_at, s);
    } else {
        rf_call_error(call, RF_EINVAL,
                      "a conversation is named by the digits of its id, or by @NAME for the chat of two",
                      "`ringfolk chat list` shows what there is");
        return false;
    }
    return search_ended(call, s, word);
}

bool control_chat_conversation(struct rf_control_call *call, json_t *args, struct rf_chat **chat,
                               struct rf_chat_info *out)
{
    struct search s;
    const char *word = json_string_value(json_object_get(args, "id"));
    if ((*chat = control_chat_engine(call)) == NULL || !find(call, *chat, word, &s))
        return false;
    if (rf_chat_find(*chat, s.id, out))
        return true;
    control_chat_refuse(call, RF_ENOTFOUND, NULL);
    return false;
}

/* ---- which users ---- */

bool control_chat_name(struct rf_control_call *call, const char *word, char storage[CHAT_NAME_LEN],
                       struct rf_view *out)
{
    struct rf_buf name;
    char text[160];
    rf_buf_fixed(&name, storage, CHAT_NAME_LEN);
    int error = rf_node_full_name(rf_call_node(call), word[0] == '@' ? word + 1 : word, &name);
    *out = rf_buf_view(&name);
    if (error == 0)
        return true;
    snprintf(text, sizeof(text), "%.80s is no user name", word);
    rf_call_error(call, error, error == RF_EFORMAT ? text : NULL, "names are user, or user@overlay");
    return false;
}

struct member_search {
    const char *word;
    struct rf_view name;
    struct rf_region *region;
    struct rf_view found; /* in region */
    size_t count;
};

static bool same_hex(struct rf_view bytes, const char *text)
{
    struct rf_id id;
    return rf_id_parse(text, &id) == 0 && rf_view_equal(rf_id_view(&id), bytes);
}

static void look_at_member(void *arg, const struct rf_chat_user *user)
{
    struct member_search *m = arg;
    if (!rf_view_equal(user->principal, m->name) && !rf_view_equal(user->name, m->name) &&
        !same_hex(user->principal, m->word))
        return;
    m->count++;
    m->found = rf_region_copy(m->region, user->principal);
}

static bool find_member(struct rf_control_call *call, const struct rf_chat *chat, const uint8_t *id,
                        const char *word, struct rf_region *region, struct rf_view *out)
{
    char storage[CHAT_NAME_LEN], text[160];
    struct rf_buf name;
    struct member_search m = {.word = word, .region = region};
    rf_buf_fixed(&name, storage, sizeof(storage));
    if (rf_node_full_name(rf_call_node(call), word[0] == '@' ? word + 1 : word, &name) == 0)
        m.name = rf_buf_view(&name);
    int error = rf_chat_each_user(chat, id, look_at_member, &m);
    if (error != 0) {
        control_chat_refuse(call, error, NULL);
        return false;
    }
    *out = m.found;
    if (m.count == 1 && m.found.p != NULL)
        return true;
    snprintf(text, sizeof(text),
             m.count == 0 ? "%.80s is no member of this conversation"
                          : "several members call themselves %.80s",
             word);
    rf_call_error(call,
                  m.count == 0   ? RF_ENOTFOUND
                  : m.count == 1 ? RF_ENOMEM
                                 : RF_ECONFLICT,
                  m.count == 1 ? NULL : text,
                  m.count == 0 ? "`ringfolk chat members ID` shows who is" : "write the Node-ID instead");
    return false;
}

static bool read_user(struct rf_control_call *call, const uint8_t *id, const char *word,
                      struct chat_users *users, struct rf_view *out)
{
    char storage[CHAT_NAME_LEN];
    struct rf_view name;
    if (id != NULL) {
        struct rf_chat *chat = control_chat_engine(call);
        return chat != NULL && find_member(call, chat, id, word, &users->region, out);
    }
    if (!control_chat_name(call, word, storage, &name))
        return false;
    *out = rf_region_copy(&users->region, name);
    if (out->p != NULL)
        return true;
    rf_call_error(call, RF_ENOMEM, NULL, NULL);
    return false;
}

bool control_chat_users_read(struct rf_control_call *call, json_t *words, const uint8_t *id,
                             struct chat_users *out)
{
    size_t count = json_array_size(words);
    memset(out, 0, sizeof(*out));
    if (count > RF_CHAT_MAX_USERS) {
        control_chat_refuse(call, RF_ELIMIT, NULL);
        return false;
    }
    rf_region_init(&out->region, call->control->env.mem, (size_t)8 * 1024 * 1024);
    out->views = rf_region_array(&out->region, count + 1, sizeof(*out->views));
    bool good = out->views != NULL;
    if (!good)
        rf_call_error(call, RF_ENOMEM, NULL, NULL);
    for (; good && out->count < count; out->count++)
        good = read_user(call, id, json_string_value(json_array_get(words, out->count)), out,
                         &out->views[out->count]);
    if (!good)
        control_chat_users_free(out);
    return good;
}

void control_chat_users_free(struct chat_users *users)
{
    rf_region_deinit(&users->region);
}
