/* test_control_chat_kit.c - the functions of chat/ and node/ that control/ calls, as doubles. */
#include "test_control_chat.h"
#include "base/text.h"

static struct desk *the_desk; /* the node's doubles know no other way to it */

/* ---- node/ ---- */

void rf_node_status(const struct rf_node *node, struct rf_node_status *out)
{
    (void)node;
    memset(out, 0, sizeof(*out));
    out->state = the_desk->offline ? RF_TOPOLOGY_IDLE : RF_TOPOLOGY_JOINED;
}

int rf_node_full_name(const struct rf_node *node, const char *name, struct rf_buf *out)
{
    (void)node;
    rf_buf_str(out, name);
    if (strchr(name, '@') == NULL)
        rf_buf_str(out, "@example.org");
    return rf_name_valid(rf_buf_view(out)) ? rf_buf_error(out) : RF_EFORMAT;
}

const char *rf_node_event_name(enum rf_node_event_type type)
{
    (void)type;
    return "none";
}

/* the commands of the node itself are not asked for here */
#define NEVER(...)                                                                                           \
    {                                                                                                        \
        fail_msg("not asked for in this test");                                                              \
        return __VA_ARGS__;                                                                                  \
    }
#pragma GCC diagnostic ignored "-Wunused-parameter"
void rf_node_counters(const struct rf_node *n,
                      void (*fn)(void *, const char *, const char *, const char *, uint64_t), void *arg)
    NEVER() void rf_node_each_link(const struct rf_node *n,
                                   void (*fn)(void *, const struct rf_link_info *, char), void *arg)
        NEVER() int rf_node_fetch(struct rf_node *n, const struct rf_id *r, uint32_t k, struct rf_now now,
                                  void (*done)(void *, const struct rf_fetch_result *), void *arg)
            NEVER(0) int rf_node_find_relays(struct rf_node *n, struct rf_now now,
                                             void (*found)(void *, const struct rf_node_found_relay *),
                                             void (*done)(void *, int), void *arg)
                NEVER(0) int rf_node_ping(struct rf_node *n, const struct rf_id *t, struct rf_now now,
                                          void (*done)(void *, int, uint64_t, uint64_t), void *arg)
                    NEVER(0) int rf_node_relay(struct rf_node *n, bool fresh, struct rf_now now,
                                               void (*done)(void *, const struct rf_node_relay *), void *arg)
                        NEVER(0) int rf_node_resource_of(const struct rf_node *n, struct rf_view name,
                                                         struct rf_id *out) NEVER(0) size_t
    rf_node_ring(const struct rf_node *n, struct rf_topology_status_entry *out, size_t max)
        NEVER(0) int rf_node_trace(struct rf_node *n, const struct rf_id *t, bool r, struct rf_now now,
                                   void (*hop)(void *, const struct rf_trace_hop *),
                                   void (*done)(void *, int), void *arg)
            NEVER(0) int rf_node_whois(struct rf_node *n, struct rf_view name, struct rf_now now,
                                       void (*done)(void *, const struct rf_whois *), void *arg) NEVER(0)
#pragma GCC diagnostic warning "-Wunused-parameter"

    /* ---- chat/: names ---- */

    const char *rf_chat_state_name(enum rf_chat_state state)
{
    static const char *const names[] = {"", "invited", "creating", "joining", "member", "leaving", "ended"};
    return names[state];
}

const char *rf_chat_kind_name(uint16_t kind)
{
    return kind == RF_CHAT_KIND_TEXT ? "text" : kind == RF_CHAT_KIND_JOINED ? "joined" : "unknown";
}

const char *rf_chat_contact_state_name(enum rf_chat_contact_state state)
{
    static const char *const names[] = {"", "requested", "asking", "accepted", "refused", "blocked"};
    return names[state];
}

const char *rf_chat_availability_name(enum rf_chat_availability a)
{
    static const char *const names[] = {"offline", "online", "away", "busy", "invisible"};
    return names[a];
}

/* ---- chat/: commands ---- */

/* takes the command on, in words, unless it is to fail */
static int take(struct rf_chat *chat, rf_chat_done_fn done, void *arg, const char *format, ...)
{
    va_list args;
    int error = chat->next_error;
    va_start(args, format);
    vsnprintf(chat->said, sizeof(chat->said), format, args);
    va_end(args);
    chat->next_error = 0;
    if (error == 0 && done != NULL) {
        chat->done = done;
        chat->done_arg = arg;
    }
    return error;
}

static const char *list(const struct rf_view *views, size_t count, char out[512])
{
    size_t len = 0;
    out[0] = '\0';
    for (size_t i = 0; i < count; i++)
        len += (size_t)snprintf(out + len, 512 - len, "%s%.*s", i > 0 ? "," : "", (int)views[i].len,
                                (const char *)views[i].p);
    return out;
}

#define TEXT(view) (int)(view).len, (const char *)(view).p

int rf_chat_create(struct rf_chat *chat, struct rf_view title, bool direct, const struct rf_view *users,
                   size_t count, struct rf_view note, uint8_t id[RF_CONVERSATION_LEN], rf_chat_done_fn done,
                   void *arg)
{
    char names[512];
    memset(id, 0, RF_CONVERSATION_LEN);
    id[0] = 0xee;
    return take(chat, done, arg, "create %d [%.*s] %s [%.*s]", direct, TEXT(title), list(users, count, names),
                TEXT(note));
}

int rf_chat_invite(struct rf_chat *chat, const uint8_t id[RF_CONVERSATION_LEN], const struct rf_view *users,
                   size_t count, struct rf_view note, rf_chat_done_fn done, void *arg)
{
    char names[512];
    return take(chat, done, arg, "invite %02x %s [%.*s]", id[0], list(users, count, names), TEXT(note));
}

int rf_chat_kick(struct rf_chat *chat, const uint8_t id[RF_CONVERSATION_LEN], const struct rf_view *users,
                 size_t count, rf_chat_done_fn done, void *arg)
{
    char names[512];
    return take(chat, done, arg, "kick %02x %s", id[0], list(users, count, names));
}

#define PLAIN(name)                                                                                          \
    int rf_chat_##name(struct rf_chat *chat, const uint8_t id[RF_CONVERSATION_LEN], rf_chat_done_fn done,    \
                       void *arg)                                                                            \
    {                                                                                                        \
        return take(chat, done, arg, #name " %02x", id[0]);                                                  \
    }
PLAIN(accept)
PLAIN(refuse)
PLAIN(leave)
PLAIN(forget)

int rf_chat_set_role(struct rf_chat *chat, const uint8_t id[RF_CONVERSATION_LEN], struct rf_view user,
                     enum rf_chat_role role, rf_chat_done_fn done, void *arg)
{
    return take(chat, done, arg, "role %02x %.*s %d", id[0], TEXT(user), role);
}

int rf_chat_set_title(struct rf_chat *chat, const uint8_t id[RF_CONVERSATION_LEN], struct rf_view title,
                      rf_chat_done_fn done, void *arg)
{
    return take(chat, done, arg, "title %02x %.*s", id[0], TEXT(title));
}

int rf_chat_set_topic(struct rf_chat *chat, const uint8_t id[RF_CONVERSATION_LEN], struct rf_view topic,
                      rf_chat_done_fn done, void *arg)
{
    return take(chat, done, arg, "topic %02x %.*s", id[0], TEXT(topic));
}

int rf_chat_mute(struct rf_chat *chat, const uint8_t id[RF_CONVERSATION_LEN], bool muted)
{
    return take(chat, NULL, NULL, "mute %02x %d", id[0], muted);
}

int rf_chat_mark(struct rf_chat *chat, const uint8_t id[RF_CONVERSATION_LEN], enum rf_chat_mark kind,
                 uint64_t index)
{
    return take(chat, NULL, NULL, "mark %02x %d %llu", id[0], kind, (unsigned long long)index);
}

int rf_chat_send(struct rf_chat *chat, const uint8_t id[RF_CONVERSATION_LEN], const struct rf_chat_text *text,
                 rf_chat_done_fn done, void *arg)
{
    char names[512];
    return take(chat, done, arg, "send %02x [%.*s] to %llu %s", id[0], TEXT(text->text),
                (unsigned long long)(text->reply_to.device.len != 0 ? text->reply_to.sequence : 0),
                list(text->mentions, text->mention_count, names));
}

int rf_chat_edit(struct rf_chat *chat, const uint8_t id[RF_CONVERSATION_LEN], const struct rf_keep_name *name,
                 struct rf_view text, rf_chat_done_fn done, void *arg)
{
    return take(chat, done, arg, "edit %02x %llu [%.*s]", id[0], (unsigned long long)name->sequence,
                TEXT(text));
}

int rf_chat_delete(struct rf_chat *chat, const uint8_t id[RF_CONVERSATION_LEN],
                   const struct rf_keep_name *name, rf_chat_done_fn done, void *arg)
{
    return take(chat, done, arg, "delete %02x %llu", id[0], (unsigned long long)name->sequence);
}

int rf_chat_react(struct rf_chat *chat, const uint8_t id[RF_CONVERSATION_LEN],
                  const struct rf_keep_name *name, struct rf_view reaction, bool on, rf_chat_done_fn done,
                  void *arg)
{
    return take(chat, done, arg, "react %02x %llu %.*s %d", id[0], (unsigned long long)name->sequence,
                TEXT(reaction), on);
}

int rf_chat_contact_add(struct rf_chat *chat, struct rf_view user, struct rf_view note, rf_chat_done_fn done,
                        void *arg)
{
    return take(chat, done, arg, "add %.*s [%.*s]", TEXT(user), TEXT(note));
}

#define CONTACT(name)                                                                                        \
    int rf_chat_contact_##name(struct rf_chat *chat, struct rf_view user, rf_chat_done_fn done, void *arg)   \
    {                                                                                                        \
        return take(chat, done, arg, #name " %.*s", TEXT(user));                                             \
    }
CONTACT(accept)
CONTACT(refuse)
CONTACT(block)
CONTACT(remove)

int rf_chat_set_presence(struct rf_chat *chat, enum rf_chat_availability availability, struct rf_view text)
{
    chat->own = (struct rf_chat_presence){.availability = availability};
    return take(chat, NULL, NULL, "presence %d [%.*s]", availability, TEXT(text));
}

/* ---- chat/: looking ---- */

bool rf_chat_find(const struct rf_chat *chat, const uint8_t id[RF_CONVERSATION_LEN], struct rf_chat_info *out)
{
    for (size_t i = 0; i < chat->chat_count; i++)
        if (memcmp(chat->chats[i].id, id, RF_CONVERSATION_LEN) == 0) {
            *out = chat->chats[i];
            return true;
        }
    return false;
}

void rf_chat_each(const struct rf_chat *chat, void (*fn)(void *arg, const struct rf_chat_info *info),
                  void *arg)
{
    for (size_t i = 0; i < chat->chat_count; i++)
        fn(arg, &chat->chats[i]);
}

int rf_chat_each_user(const struct rf_chat *chat, const uint8_t id[RF_CONVERSATION_LEN],
                      void (*fn)(void *arg, const struct rf_chat_user *user), void *arg)
{
    struct rf_chat_info info;
    if (!rf_chat_find(chat, id, &info))
        return RF_ENOTFOUND;
    for (size_t i = 0; i < chat->user_count; i++)
        fn(arg, &chat->users[i]);
    return 0;
}

void rf_chat_each_contact(const struct rf_chat *chat,
                          void (*fn)(void *arg, const struct rf_chat_contact *contact), void *arg)
{
    for (size_t i = 0; i < chat->contact_count; i++)
        fn(arg, &chat->contacts[i]);
}

void rf_chat_presence(const struct rf_chat *chat, struct rf_chat_presence *out)
{
    *out = chat->own;
}

int rf_chat_query(struct rf_chat *chat, const struct rf_keep_query *query,
                  void (*done)(void *arg, const struct rf_keep_answer *answer), void *arg)
{
    int error = chat->next_error;
    chat->next_error = 0;
    if (error != 0)
        return error;
    assert_null(chat->answered);
    rf_region_reset(&chat->region);
    assert_int_equal(rf_keep_query_copy(&chat->region, query, &chat->query), 0);
    chat->answered = done;
    chat->answered_arg = arg;
    return 0;
}

/* ---- the desk ---- */

static void *counted_resize(void *ctx, void *p, size_t size)
{
    struct desk *d = ctx;
    if (size != 0 && d->left == 0)
        return NULL;
    if (size != 0 && d->left != SIZE_MAX)
        d->left--;
    return rf_mem_system()->resize(rf_mem_system()->ctx, p, size);
}

static struct rf_now desk_now(void *ctx)
{
    (void)ctx;
    return (struct rf_now){0};
}

static void desk_send(void *ctx, struct rf_session *session, const char *line, size_t len)
{
    struct desk *d = ctx;
    assert_ptr_equal(session, d->session);
    json_t *object = json_loadb(line, len, 0, NULL);
    assert_true(json_is_object(object));
    json_array_append_new(d->got, object);
}

static void desk_shutdown(void *ctx)
{
    (void)ctx;
}

static struct rf_chat *desk_engine(void *ctx)
{
    struct desk *d = ctx;
    return d->no_engine ? NULL : &d->engine;
}

int desk_open(void **state)
{
    struct desk *d = calloc(1, sizeof(*d));
    assert_non_null(d);
    the_desk = d;
    d->left = SIZE_MAX;
    d->mem = (struct rf_mem){.resize = counted_resize, .ctx = d};
    d->env = (struct rf_env){.mem = &d->mem};
    struct rf_control_host host = {.ctx = d, .now = desk_now, .send = desk_send, .shutdown = desk_shutdown};
    assert_int_equal(rf_control_new(&d->env, NULL, &host, &d->control), 0);
    struct rf_control_chat_config config = {
        .mem = &d->mem, .control = d->control, .engine = desk_engine, .ctx = d};
    assert_int_equal(rf_control_chat_new(&config, &d->chat), 0);
    d->session = rf_control_open(d->control, d);
    d->got = json_array();
    rf_region_init(&d->engine.region, rf_mem_system(), 1 << 20);
    assert_int_equal(rf_keep_mem_new(rf_mem_system(), &d->engine.store), 0);
    *state = d;
    return 0;
}

int desk_close(void **state)
{
    struct desk *d = *state;
    d->left = SIZE_MAX;
    if (d->engine.done != NULL)
        desk_done(d, RF_ECANCELLED, "", 0);
    rf_control_chat_free(d->chat);
    rf_control_free(d->control);
    json_decref(d->got);
    rf_region_deinit(&d->engine.region);
    d->engine.store->ops->close(d->engine.store);
    free(d);
    return 0;
}

struct rf_chat_info *desk_chat(struct desk *d, const char *digits, const char *title,
                               enum rf_chat_state state)
{
    struct rf_chat_info *info = &d->engine.chats[d->engine.chat_count++];
    char text[2 * RF_CONVERSATION_LEN + 1];
    struct rf_buf id;
    snprintf(text, sizeof(text), "%s00000000000000000000000000000000", digits);
    rf_buf_fixed(&id, info->id, RF_CONVERSATION_LEN);
    assert_int_equal(rf_hex_decode(rf_view_str(text), &id), 0);
    info->state = state;
    info->title = rf_view_str(title);
    info->creator = rf_view_str("alice@example.org");
    info->user_count = 2;
    return info;
}

void desk_say(struct desk *d, const char *cmd, const char *args)
{
    char line[8192];
    int len = snprintf(line, sizeof(line), "{\"cmd\":\"%s\",\"args\":{%s}}\n", cmd, args);
    assert_true(len > 0 && (size_t)len < sizeof(line));
    for (char *c = line; *c != '\0'; c++)
        *c = (char)(*c == '\'' ? '"' : *c);
    json_array_clear(d->got);
    rf_control_input(d->control, d->session, line, (size_t)len);
    while (d->engine.answered != NULL) {
        struct rf_keep_answer answer = {0};
        struct rf_region region;
        void (*fn)(void *arg, const struct rf_keep_answer *answer) = d->engine.answered;
        d->engine.answered = NULL;
        rf_region_init(&region, rf_mem_system(), 64 << 20);
        d->engine.store->ops->query(d->engine.store, &d->engine.query, &region, &answer);
        if (d->engine.answer_error != 0)
            answer = (struct rf_keep_answer){.error = d->engine.answer_error};
        fn(d->engine.answered_arg, &answer);
        rf_region_deinit(&region);
    }
}

void desk_done(struct desk *d, int error, const char *why, uint64_t sequence)
{
    struct rf_chat_result result = {.error = error, .why = why};
    rf_chat_done_fn done = d->engine.done;
    assert_non_null(done);
    d->engine.done = NULL;
    if (d->engine.chat_count > 0)
        memcpy(result.conversation, d->engine.chats[0].id, RF_CONVERSATION_LEN);
    if (sequence != 0) {
        result.name.sequence = sequence;
        result.name.device = (struct rf_id){.len = 16, .b = {1}};
    }
    done(d->engine.done_arg, &result);
}

void desk_entry(struct desk *d, uint64_t index, uint16_t kind, const char *sender, const char *text)
{
    struct rf_keep_op op = {.type = RF_KEEP_ENTRY_PUT};
    memcpy(op.entry.conversation, d->engine.chats[0].id, RF_CONVERSATION_LEN);
    op.entry.index = index;
    op.entry.kind = kind;
    op.entry.sender = rf_view_str(sender);
    op.entry.name = (struct rf_keep_name){.device = {.len = 16, .b = {1}},
                                          .sequence = index == RF_KEEP_PENDING ? 1000 : index + 1};
    op.entry.sent_ms = 1000 * op.entry.name.sequence;
    op.entry.text = rf_view_str(text);
    struct rf_keep_batch batch = {&op, 1};
    assert_int_equal(d->engine.store->ops->apply(d->engine.store, &batch, 1), 0);
}

json_t *desk_last(const struct desk *d)
{
    assert_true(json_array_size(d->got) > 0);
    return json_array_get(d->got, json_array_size(d->got) - 1);
}

const char *desk_code(const struct desk *d)
{
    const json_t *error = json_object_get(desk_last(d), "error");
    return error != NULL ? json_string_value(json_object_get(error, "code")) : "";
}

const char *desk_text(const struct desk *d, const char *key)
{
    const char *text = json_string_value(json_object_get(json_object_get(desk_last(d), "error"), key));
    return text != NULL ? text : "";
}
