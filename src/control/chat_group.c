/* chat_group.c - commands that make conversations and change who and what they are: chat new, with, invite, accept, refuse, leave, kick, role, rename, topic, mute,
 * forget, members, list. */
#include "control/chat_internal.h"

static struct rf_view text_of(json_t *args, const char *key)
{
    const char *text = json_string_value(json_object_get(args, key));
    return text != NULL ? rf_view_str(text) : rf_view_of(NULL, 0);
}

/* the engine took it on, or refused */
static void started(struct rf_control_call *call, int error, const uint8_t *id,
                    const struct rf_chat_info *info)
{
    if (error != 0)
        control_chat_refuse(call, error, info);
    else
        control_chat_begun(call, id);
}

/* ---- making ---- */

static void create(struct rf_control_call *call, json_t *args, bool direct, json_t *words)
{
    struct chat_users users;
    uint8_t id[RF_CONVERSATION_LEN];
    struct rf_chat *chat = control_chat_engine(call);
    if (chat == NULL || !control_chat_users_read(call, words, NULL, &users))
        return;
    int error = rf_chat_create(chat, text_of(args, "title"), direct, users.views, users.count,
                               text_of(args, "note"), id, control_chat_done, call);
    control_chat_users_free(&users);
    if (error == RF_EEXIST && direct) {
        json_t *result = json_object();
        json_object_set_new(result, "id", control_chat_id_json(id));
        rf_call_result(call, result);
    } else if (error == RF_EINVAL && direct) {
        rf_call_error(call, error, "a chat of two needs another user than yourself", NULL);
    } else {
        started(call, error, id, NULL);
    }
}

static void run_new(void *ctx, struct rf_control_call *call, json_t *args)
{
    (void)ctx;
    create(call, args, false, json_object_get(args, "names"));
}

static void run_with(void *ctx, struct rf_control_call *call, json_t *args)
{
    (void)ctx;
    json_t *words = json_array();
    json_array_append(words, json_object_get(args, "name"));
    create(call, args, true, words);
    json_decref(words);
}

/* ---- changing who is in it ---- */

static void run_invite(void *ctx, struct rf_control_call *call, json_t *args)
{
    (void)ctx;
    struct rf_chat *chat;
    struct rf_chat_info info;
    struct chat_users users;
    if (!control_chat_conversation(call, args, &chat, &info) ||
        !control_chat_users_read(call, json_object_get(args, "names"), NULL, &users))
        return;
    int error = rf_chat_invite(chat, info.id, users.views, users.count, text_of(args, "note"),
                               control_chat_done, call);
    control_chat_users_free(&users);
    started(call, error, info.id, &info);
}

static void run_kick(void *ctx, struct rf_control_call *call, json_t *args)
{
    (void)ctx;
    struct rf_chat *chat;
    struct rf_chat_info info;
    struct chat_users users;
    if (!control_chat_conversation(call, args, &chat, &info) ||
        !control_chat_users_read(call, json_object_get(args, "names"), info.id, &users))
        return;
    int error = rf_chat_kick(chat, info.id, users.views, users.count, control_chat_done, call);
    control_chat_users_free(&users);
    started(call, error, info.id, &info);
}

static void run_role(void *ctx, struct rf_control_call *call, json_t *args)
{
    (void)ctx;
    struct rf_chat *chat;
    struct rf_chat_info info;
    struct chat_users users;
    const char *role = json_string_value(json_object_get(args, "role"));
    bool admin = strcmp(role, "admin") == 0;
    if (!admin && strcmp(role, "member") != 0) {
        rf_call_error(call, RF_EINVAL, "a role is admin or member", NULL);
        return;
    }
    json_t *words = json_array();
    json_array_append(words, json_object_get(args, "name"));
    bool good = control_chat_conversation(call, args, &chat, &info) &&
                control_chat_users_read(call, words, info.id, &users);
    json_decref(words);
    if (!good)
        return;
    int error = rf_chat_set_role(chat, info.id, users.views[0],
                                 admin ? RF_CHAT_ADMIN_ROLE : RF_CHAT_MEMBER_ROLE, control_chat_done, call);
    control_chat_users_free(&users);
    started(call, error, info.id, &info);
}

/* those that need the conversation only */
typedef int (*plain_fn)(struct rf_chat *chat, const uint8_t id[RF_CONVERSATION_LEN], rf_chat_done_fn done,
                        void *arg);

static void run_plain(struct rf_control_call *call, json_t *args, plain_fn fn)
{
    struct rf_chat *chat;
    struct rf_chat_info info;
    if (control_chat_conversation(call, args, &chat, &info))
        started(call, fn(chat, info.id, control_chat_done, call), info.id, &info);
}

static void run_accept(void *ctx, struct rf_control_call *call, json_t *args)
{
    (void)ctx;
    run_plain(call, args, rf_chat_accept);
}

static void run_refuse(void *ctx, struct rf_control_call *call, json_t *args)
{
    (void)ctx;
    run_plain(call, args, rf_chat_refuse);
}

static void run_leave(void *ctx, struct rf_control_call *call, json_t *args)
{
    (void)ctx;
    struct rf_chat *chat;
    struct rf_chat_info info;
    if (!control_chat_conversation(call, args, &chat, &info))
        return;
    int error = rf_chat_leave(chat, info.id, control_chat_done, call);
    if (error == RF_EFORBIDDEN)
        rf_call_error(call, error, "you are the only admin of this conversation",
                      "name another one first: ringfolk chat role ID NAME admin");
    else
        started(call, error, info.id, &info);
}

static void run_forget(void *ctx, struct rf_control_call *call, json_t *args)
{
    (void)ctx;
    struct rf_chat *chat;
    struct rf_chat_info info;
    if (!control_chat_conversation(call, args, &chat, &info))
        return;
    if (info.state != RF_CHAT_ENDED)
        rf_call_error(call, RF_ENOTYET, "only a conversation that has ended can be forgotten",
                      "leave it first: ringfolk chat leave ID");
    else
        started(call, rf_chat_forget(chat, info.id, control_chat_done, call), info.id, &info);
}

/* ---- changing what it is ---- */

static void run_rename(void *ctx, struct rf_control_call *call, json_t *args)
{
    (void)ctx;
    struct rf_chat *chat;
    struct rf_chat_info info;
    if (control_chat_conversation(call, args, &chat, &info))
        started(call, rf_chat_set_title(chat, info.id, text_of(args, "title"), control_chat_done, call),
                info.id, &info);
}

static void run_topic(void *ctx, struct rf_control_call *call, json_t *args)
{
    (void)ctx;
    struct rf_chat *chat;
    struct rf_chat_info info;
    if (control_chat_conversation(call, args, &chat, &info))
        started(call, rf_chat_set_topic(chat, info.id, text_of(args, "topic"), control_chat_done, call),
                info.id, &info);
}

static void run_mute(void *ctx, struct rf_control_call *call, json_t *args)
{
    (void)ctx;
    struct rf_chat *chat;
    struct rf_chat_info info;
    bool off = json_is_true(json_object_get(args, "off"));
    if (!control_chat_conversation(call, args, &chat, &info))
        return;
    int error = rf_chat_mute(chat, info.id, !off);
    if (error != 0) {
        control_chat_refuse(call, error, &info);
        return;
    }
    json_t *result = json_object();
    json_object_set_new(result, "id", control_chat_id_json(info.id));
    json_object_set_new(result, "muted", json_boolean(!off));
    rf_call_result(call, result);
}

/* ---- looking ---- */

struct member_list {
    json_t *list;
};

static void add_member(void *arg, const struct rf_chat_user *user)
{
    json_array_append_new(((struct member_list *)arg)->list, control_chat_user_json(user));
}

static void run_members(void *ctx, struct rf_control_call *call, json_t *args)
{
    (void)ctx;
    struct rf_chat *chat;
    struct rf_chat_info info;
    struct member_list members = {json_array()};
    int error = RF_ENOTFOUND;
    bool found = control_chat_conversation(call, args, &chat, &info);
    if (found)
        error = rf_chat_each_user(chat, info.id, add_member, &members);
    for (size_t i = 0; error == 0 && i < json_array_size(members.list); i++)
        rf_call_item(call, json_incref(json_array_get(members.list, i)));
    if (error == 0)
        rf_call_result(call, json_pack("{so sI}", "id", control_chat_id_json(info.id), "count",
                                       (json_int_t)json_array_size(members.list)));
    else if (found)
        control_chat_refuse(call, error, &info);
    json_decref(members.list);
}

/* A list under way: for each conversation with something to read its messages are counted, one question after the other. */
struct listing {
    struct rf_control_call *call;
    uint8_t (*ids)[RF_CONVERSATION_LEN];
    size_t count, cap, at;
};

#define UNREAD_MAX 100 /* what is counted up to */

static void count_id(void *arg, const struct rf_chat_info *info)
{
    (void)info;
    ((struct listing *)arg)->cap++;
}

static void take_id(void *arg, const struct rf_chat_info *info)
{
    struct listing *l = arg;
    if (l->count < l->cap)
        memcpy(l->ids[l->count++], info->id, RF_CONVERSATION_LEN);
}

static void listing_end(struct listing *l, json_t *result, int error)
{
    struct rf_control_call *call = l->call;
    struct rf_mem *mem = call->control->env.mem;
    rf_free(mem, l->ids);
    rf_free(mem, l);
    if (error != 0)
        rf_call_error(call, error, NULL, NULL);
    else
        rf_call_result(call, result);
}

static void list_item(struct listing *l, const struct rf_chat *chat, const struct rf_chat_info *info,
                      size_t unread)
{
    json_t *item = control_chat_info_json(chat, info);
    json_object_set_new(item, "unread", json_integer((json_int_t)unread));
    rf_call_item(l->call, item);
    l->at++;
}

static void list_on(struct listing *l);

static void unread_answered(void *arg, const struct rf_keep_answer *answer)
{
    struct listing *l = arg;
    struct rf_control_chat *control = l->call->command->ctx;
    struct rf_chat_info info;
    size_t unread = 0;
    if (answer->error != 0) {
        listing_end(l, NULL, answer->error);
        return;
    }
    for (size_t i = 0; i < answer->count; i++) {
        const struct rf_keep_entry *e = &answer->entries[i];
        unread += (e->kind == RF_CHAT_KIND_TEXT || e->kind == RF_CHAT_KIND_FILE) && e->deleted_ms == 0 &&
                  (e->flags & RF_CHAT_FLAG_OWN) == 0;
    }
    struct rf_chat *chat = control->config.engine(control->config.ctx);
    if (chat != NULL && rf_chat_find(chat, l->ids[l->at], &info))
        list_item(l, chat, &info, unread);
    else
        l->at++; /* forgotten meanwhile */
    list_on(l);
}

/* until one has to be asked about, or all are told */
static void list_on(struct listing *l)
{
    struct rf_control_chat *control = l->call->command->ctx;
    struct rf_chat *chat = control->config.engine(control->config.ctx);
    struct rf_chat_info info;
    while (l->at < l->count) {
        const uint8_t *id = l->ids[l->at];
        if (chat == NULL || !rf_chat_find(chat, id, &info)) {
            l->at++;
            continue;
        }
        if (info.read_index >= info.next_index) {
            list_item(l, chat, &info, 0);
            continue;
        }
        struct rf_keep_query query = {.type = RF_KEEP_PAGE, .from = info.read_index, .limit = UNREAD_MAX};
        memcpy(query.conversation, id, RF_CONVERSATION_LEN);
        int error = rf_chat_query(chat, &query, unread_answered, l);
        if (error != 0)
            listing_end(l, NULL, error);
        return;
    }
    listing_end(l, json_pack("{sI}", "count", (json_int_t)l->count), 0);
}

static void run_list(void *ctx, struct rf_control_call *call, json_t *args)
{
    (void)ctx, (void)args;
    struct rf_mem *mem = call->control->env.mem;
    struct rf_chat *chat = control_chat_engine(call);
    if (chat == NULL)
        return;
    struct listing *l = rf_zalloc(mem, sizeof(*l));
    if (l != NULL) {
        rf_chat_each(chat, count_id, l);
        l->ids = rf_zalloc(mem, (l->cap + 1) * sizeof(*l->ids));
    }
    if (l == NULL || l->ids == NULL) {
        rf_free(mem, l);
        rf_call_error(call, RF_ENOMEM, NULL, NULL);
        return;
    }
    l->call = call;
    rf_chat_each(chat, take_id, l);
    list_on(l);
}

/* ---- the table ---- */

#define ID_ARG                                                                                               \
    {                                                                                                        \
        "id", 's', true, "a conversation's id, its unique beginning, or @NAME"                               \
    }
#define NOTE_ARG                                                                                             \
    {                                                                                                        \
        "note", 's', false, "what the invited read before they accept"                                       \
    }

static const struct rf_control_arg id_args[] = {ID_ARG};
static const struct rf_control_arg new_args[] = {
    {"title", 's', true, "up to 255 bytes"}, {"names", 'a', false, "users to invite"}, NOTE_ARG};
static const struct rf_control_arg with_args[] = {{"name", 's', true, "a user"}, NOTE_ARG};
static const struct rf_control_arg invite_args[] = {ID_ARG, {"names", 'a', true, "users"}, NOTE_ARG};
static const struct rf_control_arg kick_args[] = {ID_ARG, {"names", 'a', true, "members"}};
static const struct rf_control_arg role_args[] = {
    ID_ARG, {"name", 's', true, "a member"}, {"role", 's', true, "admin or member"}};
static const struct rf_control_arg rename_args[] = {ID_ARG, {"title", 's', true, "up to 255 bytes"}};
static const struct rf_control_arg topic_args[] = {ID_ARG, {"topic", 's', true, "up to 1024 bytes"}};
static const struct rf_control_arg mute_args[] = {ID_ARG, {"off", 'b', false, "no more"}};

#define ARGS(table) table, RF_COUNT(table)

const struct rf_command control_chat_group_commands[] = {
    {"chat new", "make a conversation and invite users", ARGS(new_args), run_new, NULL},
    {"chat with", "the chat of two with a user; made if there is none", ARGS(with_args), run_with, NULL},
    {"chat invite", "bring users in", ARGS(invite_args), run_invite, NULL},
    {"chat accept", "an invitation", ARGS(id_args), run_accept, NULL},
    {"chat join", "the same as chat accept", ARGS(id_args), run_accept, NULL},
    {"chat refuse", "an invitation", ARGS(id_args), run_refuse, NULL},
    {"chat leave", "go out of it, with all devices", ARGS(id_args), run_leave, NULL},
    {"chat kick", "remove members", ARGS(kick_args), run_kick, NULL},
    {"chat role", "make somebody an admin, or not any more", ARGS(role_args), run_role, NULL},
    {"chat rename", "another title", ARGS(rename_args), run_rename, NULL},
    {"chat topic", "another topic", ARGS(topic_args), run_topic, NULL},
    {"chat mute", "remember that it is not to disturb", ARGS(mute_args), run_mute, NULL},
    {"chat forget", "remove one that has ended from this device", ARGS(id_args), run_forget, NULL},
    {"chat members", "who is in it", ARGS(id_args), run_members, NULL},
    {"chat list", "the conversations of this user", NULL, 0, run_list, NULL},
};
const size_t control_chat_group_command_count = RF_COUNT(control_chat_group_commands);
