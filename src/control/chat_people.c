/* chat_people.c - the commands `contact ...` and `presence`. */
#include <stdio.h>
#include "control/chat_internal.h"

/* ---- contacts ---- */

/* A user's contact, or that there is none. */
struct contact_search {
    struct rf_view name;
    json_t *found; /* NULL: none */
    bool accepted;
};

static void look_at(void *arg, const struct rf_chat_contact *contact)
{
    struct contact_search *s = arg;
    if (!rf_view_equal(contact->user, s->name) || s->found != NULL)
        return;
    s->found = control_chat_contact_json(contact);
    s->accepted = contact->state == RF_CHAT_CONTACT_ACCEPTED;
}

static void contact_done(void *arg, const struct rf_chat_result *result)
{
    struct rf_control_call *call = arg;
    struct rf_control_chat *control = call->command->ctx;
    const char *name = json_string_value(json_object_get(call->keep, "name"));
    struct contact_search s = {.name = rf_view_str(name)};
    if (result->error != 0) {
        control_chat_done(arg, result);
        return;
    }
    struct rf_chat *chat = control->config.engine(control->config.ctx);
    if (chat != NULL)
        rf_chat_each_contact(chat, look_at, &s);
    rf_call_result(call, s.found != NULL ? s.found : json_incref(call->keep)); /* removed: only its name */
}

static const char *contact_meaning(int error, const char **hint)
{
    *hint = NULL;
    switch (error) {
    case RF_EEXIST:
        return "that is a contact of yours already";
    case RF_EFORBIDDEN:
        *hint = "unblock first: ringfolk contact remove NAME";
        return "you have blocked that user";
    case RF_ENOTFOUND:
        *hint = "`ringfolk contact list` shows who is there and who asks";
        return "there is no such contact, or nobody of that name asks";
    case RF_EINVAL:
        return "that cannot be a contact: is it your own name?";
    case RF_ELIMIT:
        *hint = "a note has up to 280 bytes, and a user up to 2000 contacts";
        return "that is too long, or too many";
    default:
        return NULL;
    }
}

/* the engine took it on (an item tells), or refused */
static void contact_started(struct rf_control_call *call, struct rf_view name, int error)
{
    const char *hint, *text = contact_meaning(error, &hint);
    if (error != 0) {
        rf_call_error(call, error, text, hint);
        return;
    }
    call->keep = json_object();
    json_object_set_new(call->keep, "name", control_json_view(name));
    json_t *item = json_copy(call->keep);
    json_object_set_new(item, "online", json_boolean(control_chat_online(call)));
    rf_call_item(call, item);
}

static void run_contact_add(void *ctx, struct rf_control_call *call, json_t *args)
{
    (void)ctx;
    char storage[CHAT_NAME_LEN];
    struct rf_view name;
    const char *note = json_string_value(json_object_get(args, "note"));
    struct rf_chat *chat = control_chat_engine(call);
    if (chat != NULL &&
        control_chat_name(call, json_string_value(json_object_get(args, "name")), storage, &name))
        contact_started(
            call, name,
            rf_chat_contact_add(chat, name, rf_view_str(note != NULL ? note : ""), contact_done, call));
}

static void run_contact(struct rf_control_call *call, json_t *args,
                        int (*fn)(struct rf_chat *chat, struct rf_view user, rf_chat_done_fn done, void *arg))
{
    char storage[CHAT_NAME_LEN];
    struct rf_view name;
    struct rf_chat *chat = control_chat_engine(call);
    if (chat != NULL &&
        control_chat_name(call, json_string_value(json_object_get(args, "name")), storage, &name))
        contact_started(call, name, fn(chat, name, contact_done, call));
}

static void run_contact_accept(void *ctx, struct rf_control_call *call, json_t *args)
{
    (void)ctx;
    run_contact(call, args, rf_chat_contact_accept);
}

static void run_contact_refuse(void *ctx, struct rf_control_call *call, json_t *args)
{
    (void)ctx;
    run_contact(call, args, rf_chat_contact_refuse);
}

static void run_contact_block(void *ctx, struct rf_control_call *call, json_t *args)
{
    (void)ctx;
    run_contact(call, args, rf_chat_contact_block);
}

static void run_contact_remove(void *ctx, struct rf_control_call *call, json_t *args)
{
    (void)ctx;
    run_contact(call, args, rf_chat_contact_remove);
}

static void add_contact(void *arg, const struct rf_chat_contact *contact)
{
    json_array_append_new(arg, control_chat_contact_json(contact));
}

static void run_contact_list(void *ctx, struct rf_control_call *call, json_t *args)
{
    (void)ctx, (void)args;
    struct rf_chat *chat = control_chat_engine(call);
    if (chat == NULL)
        return;
    json_t *list = json_array();
    rf_chat_each_contact(chat, add_contact, list);
    for (size_t i = 0; i < json_array_size(list); i++)
        rf_call_item(call, json_incref(json_array_get(list, i)));
    rf_call_result(call, json_pack("{sI}", "count", (json_int_t)json_array_size(list)));
    json_decref(list);
}

/* ---- presence ---- */

static void presence_of(struct rf_control_call *call, const struct rf_chat *chat, const char *word)
{
    char storage[CHAT_NAME_LEN];
    struct contact_search s = {0};
    if (!control_chat_name(call, word, storage, &s.name))
        return;
    rf_chat_each_contact(chat, look_at, &s);
    if (s.accepted) {
        json_t *result = json_copy(json_object_get(s.found, "presence"));
        json_object_set(result, "name", json_object_get(s.found, "name"));
        rf_call_result(call, result);
    } else {
        rf_call_error(call, RF_ENOTFOUND, "only contacts show each other how they are",
                      "ask with: ringfolk contact add NAME; `ringfolk whois NAME` tells of devices");
    }
    json_decref(s.found);
}

static bool read_state(const char *text, enum rf_chat_availability *out)
{
    for (int a = RF_CHAT_OFFLINE; a <= RF_CHAT_INVISIBLE; a++)
        if (strcmp(text, rf_chat_availability_name((enum rf_chat_availability)a)) == 0) {
            *out = (enum rf_chat_availability)a;
            return true;
        }
    return false;
}

/* false: the call has its answer */
static bool set_presence(struct rf_control_call *call, struct rf_chat *chat, const char *state,
                         const char *text)
{
    enum rf_chat_availability availability;
    if (!read_state(state, &availability)) {
        rf_call_error(call, RF_EINVAL, "a state is online, away, busy, invisible or offline", NULL);
        return false;
    }
    int error = rf_chat_set_presence(chat, availability, rf_view_str(text != NULL ? text : ""));
    if (error != 0)
        rf_call_error(call, error, error == RF_ELIMIT ? "the text has more than 280 bytes" : NULL, NULL);
    return error == 0;
}

static void run_presence(void *ctx, struct rf_control_call *call, json_t *args)
{
    (void)ctx;
    const char *name = json_string_value(json_object_get(args, "name"));
    const char *state = json_string_value(json_object_get(args, "state"));
    const char *text = json_string_value(json_object_get(args, "text"));
    struct rf_chat_presence own;
    struct rf_chat *chat = control_chat_engine(call);
    if (chat == NULL)
        return;
    if (name != NULL && state == NULL && text == NULL) {
        presence_of(call, chat, name);
        return;
    }
    if (name != NULL || (text != NULL && state == NULL)) {
        rf_call_error(call, RF_EINVAL, "either a name, or a state and perhaps a text", NULL);
        return;
    }
    if (state != NULL && !set_presence(call, chat, state, text))
        return;
    rf_chat_presence(chat, &own);
    rf_call_result(call, control_chat_presence_json(&own));
}

/* ---- the table ---- */

#define NAME_ARG                                                                                             \
    {                                                                                                        \
        "name", 's', true, "a user"                                                                          \
    }
static const struct rf_control_arg name_args[] = {NAME_ARG};
static const struct rf_control_arg add_args[] = {NAME_ARG, {"note", 's', false, "what is read there"}};
static const struct rf_control_arg presence_args[] = {
    {"name", 's', false, "of this contact; without any argument: ours"},
    {"state", 's', false, "online, away, busy, invisible or offline: ours from now on"},
    {"text", 's', false, "up to 280 bytes, beside the state"},
};

#define ARGS(table) table, RF_COUNT(table)

const struct rf_command control_chat_people_commands[] = {
    {"contact add", "ask a user", ARGS(add_args), run_contact_add, NULL},
    {"contact accept", "who asks", ARGS(name_args), run_contact_accept, NULL},
    {"contact refuse", "who asks", ARGS(name_args), run_contact_refuse, NULL},
    {"contact block", "hear nothing of a user any more", ARGS(name_args), run_contact_block, NULL},
    {"contact remove", "forget a user, blocked or not", ARGS(name_args), run_contact_remove, NULL},
    {"contact list", "who is there, who asks", NULL, 0, run_contact_list, NULL},
    {"presence", "how a contact is, or we are", ARGS(presence_args), run_presence, NULL},
};
const size_t control_chat_people_command_count = RF_COUNT(control_chat_people_commands);
