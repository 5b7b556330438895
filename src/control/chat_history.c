/* chat_history.c - commands that read: chat history, read, search, export. A page for each request: a program asks for the next when it has printed one. */
#include <stdio.h>
#include <stdlib.h>
#include "control/chat_internal.h"

#define PAGE_BYTES ((size_t)1024 * 1024) /* of text in an answer */

/* ---- pages ---- */

/* "a:b" in hexadecimal digits */
static json_t *cursor_json(const struct rf_keep_answer *answer)
{
    return answer->more ? json_sprintf("%llx:%llx", (unsigned long long)answer->cursor.a,
                                       (unsigned long long)answer->cursor.b)
                        : json_null();
}

static bool read_cursor(const char *text, struct rf_keep_cursor *out)
{
    char *end;
    if (text == NULL)
        return true;
    out->a = strtoull(text, &end, 16);
    if (end == text || *end != ':')
        return false;
    text = end + 1;
    out->b = strtoull(text, &end, 16);
    return end != text && *end == '\0';
}

/* a number from `least` on, or `none` if it is not there. false: the call has its answer */
static bool read_number(struct rf_control_call *call, json_t *args, const char *key, json_int_t least,
                        json_int_t most, json_int_t none, uint64_t *out)
{
    char text[100];
    const json_t *value = json_object_get(args, key);
    json_int_t number = value != NULL ? json_integer_value(value) : none;
    *out = (uint64_t)number;
    if (value == NULL || (number >= least && number <= most))
        return true;
    snprintf(text, sizeof(text), "%s is a number from %lld to %lld", key, (long long)least, (long long)most);
    rf_call_error(call, RF_EINVAL, text, NULL);
    return false;
}

/* limit, from and cursor. false: the call has its answer */
static bool read_page(struct rf_control_call *call, json_t *args, struct rf_keep_query *query)
{
    uint64_t limit, from;
    bool backwards = json_is_true(json_object_get(args, "backwards"));
    if (!read_number(call, args, "limit", 1, RF_KEEP_MAX_LIMIT, CHAT_PAGE, &limit) ||
        !read_number(call, args, "from", 0, RF_KEEP_MAX_INDEX, backwards ? RF_KEEP_MAX_INDEX : 0, &from))
        return false;
    if (!read_cursor(json_string_value(json_object_get(args, "cursor")), &query->cursor)) {
        rf_call_error(call, RF_EINVAL, "cursor is none that an answer gave", NULL);
        return false;
    }
    query->limit = (uint32_t)limit;
    query->max_bytes = PAGE_BYTES;
    query->from = from;
    query->backwards = backwards;
    return true;
}

/* messages, and where people asked for everything also who came and went, titles, ... */
static bool is_wanted(const struct rf_keep_entry *e, bool all)
{
    return all || e->kind == RF_CHAT_KIND_TEXT || e->kind == RF_CHAT_KIND_FILE ||
           e->kind == RF_CHAT_KIND_UNREADABLE;
}

static void ask(struct rf_control_call *call, struct rf_chat *chat, const struct rf_keep_query *query,
                json_t *args, void (*answered)(void *arg, const struct rf_keep_answer *answer))
{
    call->keep = json_incref(args);
    int error = rf_chat_query(chat, query, answered, call);
    if (error != 0)
        rf_call_error(call, error, NULL, NULL);
}

/* false: the call has its answer */
static bool is_answer(struct rf_control_call *call, const struct rf_keep_answer *answer)
{
    if (answer->error != 0)
        rf_call_error(call, answer->error, answer->error == RF_EINVAL ? "there is no word to look for" : NULL,
                      answer->error == RF_EINVAL ? "at least one without a minus in front, at most 16"
                                                 : NULL);
    return answer->error == 0;
}

static json_t *result_of(const struct rf_keep_answer *answer, size_t count)
{
    json_t *result = json_object();
    json_object_set_new(result, "count", json_integer((json_int_t)count));
    json_object_set_new(result, "more", json_boolean(answer->more));
    json_object_set_new(result, "cursor", cursor_json(answer));
    json_object_set_new(result, "damaged", json_integer((json_int_t)answer->damaged_count));
    return result;
}

static size_t give(struct rf_control_call *call, const struct rf_keep_answer *answer)
{
    bool all = json_is_true(json_object_get(call->keep, "all"));
    size_t count = 0;
    for (size_t i = 0; i < answer->count; i++)
        if (is_wanted(&answer->entries[i], all)) {
            rf_call_item(call, control_chat_entry_json(&answer->entries[i]));
            count++;
        }
    return count;
}

/* ---- history and search ---- */

static void page_answered(void *arg, const struct rf_keep_answer *answer)
{
    struct rf_control_call *call = arg;
    if (is_answer(call, answer))
        rf_call_result(call, result_of(answer, give(call, answer)));
}

static void run_history(void *ctx, struct rf_control_call *call, json_t *args)
{
    (void)ctx;
    struct rf_chat *chat;
    struct rf_chat_info info;
    struct rf_keep_query query = {.type = RF_KEEP_PAGE};
    if (!read_page(call, args, &query) || !control_chat_conversation(call, args, &chat, &info))
        return;
    memcpy(query.conversation, info.id, RF_CONVERSATION_LEN);
    ask(call, chat, &query, args, page_answered);
}

static void run_search(void *ctx, struct rf_control_call *call, json_t *args)
{
    (void)ctx;
    struct rf_chat *chat;
    struct rf_chat_info info;
    char storage[CHAT_NAME_LEN];
    struct rf_keep_query query = {.type = RF_KEEP_SEARCH};
    const char *sender = json_string_value(json_object_get(args, "sender"));
    uint8_t id[RF_ID_MAX_LEN];
    struct rf_id node;
    if (!read_page(call, args, &query) ||
        !read_number(call, args, "from_ms", 0, INT64_MAX, 0, &query.from_ms) ||
        !read_number(call, args, "until_ms", 0, INT64_MAX, 0, &query.until_ms) ||
        (chat = control_chat_engine(call)) == NULL)
        return;
    if (json_object_get(args, "id") != NULL) {
        if (!control_chat_conversation(call, args, &chat, &info))
            return;
        memcpy(query.conversation, info.id, RF_CONVERSATION_LEN);
    }
    if (sender != NULL && rf_id_parse(sender, &node) == 0) {
        struct rf_view view = rf_id_view(&node); /* a principal where names are only claims */
        memcpy(id, view.p, view.len);
        query.sender = rf_view_of(id, view.len);
    } else if (sender != NULL && !control_chat_name(call, sender, storage, &query.sender)) {
        return;
    }
    query.words = rf_view_str(json_string_value(json_object_get(args, "words")));
    query.from = 0;
    ask(call, chat, &query, args, page_answered);
}

/* ---- read: what is new, and from then on it is not ---- */

static void read_answered(void *arg, const struct rf_keep_answer *answer)
{
    struct rf_control_call *call = arg;
    uint8_t id[RF_CONVERSATION_LEN];
    uint64_t last = 0;
    bool any = false;
    if (!is_answer(call, answer))
        return;
    for (size_t i = 0; i < answer->count; i++)
        if (answer->entries[i].index != RF_KEEP_PENDING) {
            memcpy(id, answer->entries[i].conversation, sizeof(id));
            last = answer->entries[i].index;
            any = true;
        }
    struct rf_control_chat *control = call->command->ctx;
    struct rf_chat *chat = any ? control->config.engine(control->config.ctx) : NULL;
    int error = chat != NULL ? rf_chat_mark(chat, id, RF_CHAT_MARK_READ, last) : 0;
    json_t *result = result_of(answer, give(call, answer));
    json_object_set_new(result, "next", any ? json_integer((json_int_t)last + 1) : json_null());
    if (error != 0) {
        json_decref(result);
        rf_call_error(call, error, "what was read could not be marked so", NULL);
    } else {
        rf_call_result(call, result);
    }
}

static void run_read(void *ctx, struct rf_control_call *call, json_t *args)
{
    (void)ctx;
    struct rf_chat *chat;
    struct rf_chat_info info;
    struct rf_keep_query query = {.type = RF_KEEP_PAGE};
    if (!read_page(call, args, &query) || !control_chat_conversation(call, args, &chat, &info))
        return;
    memcpy(query.conversation, info.id, RF_CONVERSATION_LEN);
    query.from = query.from > info.read_index ? query.from : info.read_index;
    ask(call, chat, &query, args, read_answered);
}

/* ---- export: lines for a file ---- */

static void export_answered(void *arg, const struct rf_keep_answer *answer)
{
    struct rf_control_call *call = arg;
    bool text = json_is_true(json_object_get(call->keep, "text"));
    int zone_min = (int)json_integer_value(json_object_get(call->keep, "zone_min"));
    struct rf_buf out;
    if (!is_answer(call, answer))
        return;
    rf_buf_init(&out, call->control->env.mem, (size_t)4 * 1024 * 1024);
    for (size_t i = 0; i < answer->count; i++) {
        const struct rf_keep_entry *e = &answer->entries[i];
        rf_buf_reset(&out);
        if (text)
            rf_keep_export_text(e, e->kind == RF_CHAT_KIND_TEXT ? NULL : rf_chat_kind_name(e->kind), zone_min,
                                &out);
        else
            rf_keep_export_json(e, rf_chat_kind_name(e->kind), &out);
        json_t *item = json_object();
        json_object_set_new(item, "lines", control_json_view(rf_buf_view(&out)));
        rf_call_item(call, item);
    }
    int error = rf_buf_error(&out);
    rf_buf_deinit(&out);
    if (error != 0)
        rf_call_error(call, error, NULL, NULL);
    else
        rf_call_result(call, result_of(answer, answer->count));
}

static void run_export(void *ctx, struct rf_control_call *call, json_t *args)
{
    (void)ctx;
    struct rf_chat *chat;
    struct rf_chat_info info;
    uint64_t zone;
    struct rf_keep_query query = {.type = RF_KEEP_PAGE};
    if (!read_page(call, args, &query) || !read_number(call, args, "zone_min", -1440, 1440, 0, &zone) ||
        !control_chat_conversation(call, args, &chat, &info))
        return;
    memcpy(query.conversation, info.id, RF_CONVERSATION_LEN);
    ask(call, chat, &query, args, export_answered);
}

/* ---- the table ---- */

#define ID_ARG                                                                                               \
    {                                                                                                        \
        "id", 's', true, "a conversation's id, its unique beginning, or @NAME"                               \
    }
#define PAGE_ARGS                                                                                            \
    {"limit", 'i', false, "entries of the answer, 1 to 1000"},                                               \
    {                                                                                                        \
        "cursor", 's', false, "from the answer before"                                                       \
    }
#define ALL_ARG                                                                                              \
    {                                                                                                        \
        "all", 'b', false, "besides messages: who came and went, titles, devices"                            \
    }

static const struct rf_control_arg history_args[] = {
    ID_ARG,
    PAGE_ARGS,
    ALL_ARG,
    {"from", 'i', false, "index to begin at"},
    {"backwards", 'b', false, "from there, or from the end, to older ones"},
};
static const struct rf_control_arg read_args[] = {
    ID_ARG, PAGE_ARGS, ALL_ARG, {"from", 'i', false, "not what is before it: `next` of the answer before"}};
static const struct rf_control_arg search_args[] = {
    {"words", 's', true, "word \"a phrase\" begin* -without"},
    {"id", 's', false, "only there"},
    {"sender", 's', false, "only his"},
    {"from_ms", 'i', false, "sent then or later, ms since 1970"},
    {"until_ms", 'i', false, "sent then or before"},
    PAGE_ARGS,
};
static const struct rf_control_arg export_args[] = {
    ID_ARG,
    PAGE_ARGS,
    {"text", 'b', false, "for people to read instead of JSON"},
    {"zone_min", 'i', false, "minutes that its times are ahead of UTC"},
};

#define ARGS(table) table, RF_COUNT(table)

const struct rf_command control_chat_history_commands[] = {
    {"chat history", "a page of the messages", ARGS(history_args), run_history, NULL},
    {"chat read", "a page of what is new, which is marked as read", ARGS(read_args), run_read, NULL},
    {"chat search", "messages with these words", ARGS(search_args), run_search, NULL},
    {"chat export", "a page of lines for a file", ARGS(export_args), run_export, NULL},
};
const size_t control_chat_history_command_count = RF_COUNT(control_chat_history_commands);
