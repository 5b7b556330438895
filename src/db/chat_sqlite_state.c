/* chat_sqlite_state.c - conversations, the engine's states, marks. */
#include "db/chat_internal.h"

/* ---- conversations ---- */

static int conversation_add(struct chat_sqlite *s, int64_t local, const uint8_t *id)
{
    if (s->conversation_count == s->conversation_cap) {
        size_t cap = s->conversation_cap > 0 ? 2 * s->conversation_cap : 16;
        void *p = rf_resize(&s->secret.mem, s->conversations, cap * sizeof(s->conversations[0]));
        if (p == NULL)
            return chat_broken(s, RF_ENOMEM, "out of memory");
        s->conversations = p;
        s->conversation_cap = cap;
    }
    struct chat_conversation *c = &s->conversations[s->conversation_count++];
    c->local = local;
    memcpy(c->id, id, sizeof(c->id));
    return 0;
}

int chat_conversations_load(struct chat_sqlite *s)
{
    sqlite3_stmt *st = s->st[ST_CONVERSATIONS];
    int rc = SQLITE_DONE, r = 0;

    s->conversation_count = 0;
    while (r == 0 && (rc = sqlite3_step(st)) == SQLITE_ROW) {
        struct chat_place place = {.table = CHAT_CONVERSATION,
                                   .id = (uint64_t)sqlite3_column_int64(st, 0),
                                   .name = chat_column(st, 1)};
        rf_buf_reset(&s->plain);
        if (place.name.len != CHAT_NAME_LEN || chat_open(s, &place, chat_column(st, 2), &s->plain) != 0 ||
            s->plain.len != RF_KEEP_CONVERSATION_LEN)
            r = chat_failed(s, SQLITE_CORRUPT);
        else
            r = conversation_add(s, (int64_t)place.id, s->plain.p);
    }
    if (r == 0 && rc != SQLITE_DONE)
        r = chat_failed(s, rc);
    sqlite3_reset(st);
    s->stale = r != 0;
    return r;
}

int chat_conversations_fresh(struct chat_sqlite *s)
{
    return s->stale ? chat_conversations_load(s) : 0;
}

static int conversation_make(struct chat_sqlite *s, const uint8_t *id, int64_t *out)
{
    sqlite3_stmt *st = s->st[ST_CONVERSATION_ADD];
    uint8_t name[CHAT_NAME_LEN];
    int64_t local = 1;

    for (size_t i = 0; i < s->conversation_count; i++)
        if (s->conversations[i].local >= local)
            local = s->conversations[i].local + 1;
    struct chat_place place = {
        .table = CHAT_CONVERSATION, .id = (uint64_t)local, .name = rf_view_of(name, sizeof(name))};
    int r = chat_name(s, CHAT_CONVERSATION, id, 0, rf_view_of(NULL, 0), rf_view_of(NULL, 0), name);
    if (r == 0)
        r = chat_seal(s, &place, rf_view_of(id, RF_KEEP_CONVERSATION_LEN));
    if (r != 0)
        return r;
    sqlite3_bind_int64(st, 1, local);
    sqlite_bind_bytes(st, 2, place.name);
    sqlite_bind_bytes(st, 3, rf_buf_view(&s->sealed));
    if ((r = chat_step(s, ST_CONVERSATION_ADD)) == 0 && (r = conversation_add(s, local, id)) == 0)
        *out = local;
    return r;
}

int chat_local(struct chat_sqlite *s, const uint8_t id[RF_KEEP_CONVERSATION_LEN], bool make, int64_t *out)
{
    *out = 0;
    for (size_t i = 0; i < s->conversation_count; i++)
        if (memcmp(s->conversations[i].id, id, RF_KEEP_CONVERSATION_LEN) == 0) {
            *out = s->conversations[i].local;
            return 0;
        }
    return make ? conversation_make(s, id, out) : 0;
}

const uint8_t *chat_conversation(const struct chat_sqlite *s, int64_t local)
{
    for (size_t i = 0; i < s->conversation_count; i++)
        if (s->conversations[i].local == local)
            return s->conversations[i].id;
    return NULL;
}

/* ---- states ---- */

static int state_name(struct chat_sqlite *s, const struct rf_keep_state *state, uint8_t out[CHAT_NAME_LEN])
{
    return chat_name(s, CHAT_STATE, state->conversation, state->part, state->name, rf_view_of(NULL, 0), out);
}

int chat_state_put(struct chat_sqlite *s, const struct rf_keep_state *state)
{
    sqlite3_stmt *st = s->st[ST_STATE_PUT];
    uint8_t name[CHAT_NAME_LEN];
    struct chat_place place = {.table = CHAT_STATE, .name = rf_view_of(name, sizeof(name))};
    int64_t local;
    int r = chat_local(s, state->conversation, true, &local);

    if (r != 0 || (r = state_name(s, state, name)) != 0)
        return r;
    memcpy(place.conversation, state->conversation, sizeof(place.conversation));
    rf_buf_reset(&s->plain);
    rf_buf_u32(&s->plain, state->part);
    rf_buf_v(&s->plain, 2, state->name);
    rf_buf_view_put(&s->plain, state->value);
    if ((r = rf_buf_error(&s->plain)) != 0)
        return chat_broken(s, r, rf_error_text(r));
    if ((r = chat_seal(s, &place, rf_buf_view(&s->plain))) != 0)
        return r;
    sqlite_bind_bytes(st, 1, place.name);
    sqlite3_bind_int64(st, 2, local);
    sqlite_bind_bytes(st, 3, rf_buf_view(&s->sealed));
    s->wiped = true;
    return chat_step(s, ST_STATE_PUT);
}

int chat_state_delete(struct chat_sqlite *s, const struct rf_keep_state *state)
{
    uint8_t name[CHAT_NAME_LEN];
    int r = state_name(s, state, name);

    if (r != 0)
        return r;
    sqlite_bind_bytes(s->st[ST_STATE_DELETE], 1, rf_view_of(name, sizeof(name)));
    s->wiped = true;
    return chat_step(s, ST_STATE_DELETE);
}

/* Opens a row of (name, conversation, sealed) of states or marks into s->plain; conversation: zeros if it is not known. RF_EAUTH: it is damaged. */
static int open_named(struct chat_sqlite *s, sqlite3_stmt *st, enum chat_table table, struct rf_view *out,
                      uint8_t conversation[RF_KEEP_CONVERSATION_LEN])
{
    struct chat_place place = {.table = table, .name = chat_column(st, 0)};
    const uint8_t *id = chat_conversation(s, sqlite3_column_int64(st, 1));

    memset(conversation, 0, RF_KEEP_CONVERSATION_LEN);
    if (id == NULL || place.name.len != CHAT_NAME_LEN)
        return RF_EAUTH;
    memcpy(conversation, id, RF_KEEP_CONVERSATION_LEN);
    memcpy(place.conversation, id, sizeof(place.conversation));
    rf_buf_reset(&s->plain);
    int r = chat_open(s, &place, chat_column(st, 2), &s->plain);
    if (r != 0)
        return r == RF_EAUTH ? r : chat_broken(s, r, rf_error_text(r));
    *out = rf_buf_view(&s->plain);
    return 0;
}

int chat_states_show(struct chat_sqlite *s, int (*each)(void *ctx, const struct rf_keep_record *record),
                     void *ctx)
{
    sqlite3_stmt *st = s->st[ST_STATES];
    int rc = SQLITE_DONE, r = 0;

    while (r == 0 && (rc = sqlite3_step(st)) == SQLITE_ROW) {
        struct rf_keep_state state;
        r = open_named(s, st, CHAT_STATE, &state.value, state.conversation);
        if (r == 0 &&
            (rf_view_u32(&state.value, &state.part) != 0 || rf_view_v(&state.value, 2, &state.name) != 0))
            r = RF_EAUTH;
        if (r == RF_EAUTH)
            r = each(ctx, &(struct rf_keep_record){.damaged = state.conversation});
        else if (r == 0)
            r = each(ctx, &(struct rf_keep_record){.state = &state});
    }
    if (r == 0 && rc != SQLITE_DONE)
        r = chat_failed(s, rc);
    sqlite3_reset(st);
    return r;
}

/* ---- marks ---- */

static int mark_open(struct rf_view plain, struct rf_keep_mark *out)
{
    return rf_view_u8(&plain, &out->kind) == 0 && rf_view_v(&plain, 1, &out->principal) == 0 &&
                   rf_view_u64(&plain, &out->index) == 0 && rf_view_u64(&plain, &out->time_ms) == 0
               ? 0
               : RF_EAUTH;
}

/* Is there a mark of this name that has come as far? */
static int mark_stands(struct chat_sqlite *s, struct rf_view name, uint64_t index, bool *out)
{
    sqlite3_stmt *st = s->st[ST_MARK_GET];
    struct rf_keep_mark old;
    struct rf_view plain;
    int r = 0;

    *out = false;
    sqlite_bind_bytes(st, 1, name);
    int rc = sqlite3_step(st);
    if (rc == SQLITE_ROW) {
        r = open_named(s, st, CHAT_MARK, &plain, old.conversation);
        if (r == 0 && (r = mark_open(plain, &old)) == 0)
            *out = old.index >= index;
        if (r == RF_EAUTH)
            r = 0; /* damaged: the new one takes its place */
    } else if (rc != SQLITE_DONE) {
        r = chat_failed(s, rc);
    }
    sqlite3_reset(st);
    return r;
}

int chat_mark_put(struct chat_sqlite *s, const struct rf_keep_mark *mark)
{
    sqlite3_stmt *st = s->st[ST_MARK_PUT];
    uint8_t name[CHAT_NAME_LEN];
    struct chat_place place = {.table = CHAT_MARK, .name = rf_view_of(name, sizeof(name))};
    bool stands = false;
    int64_t local;
    int r = chat_local(s, mark->conversation, true, &local);

    if (r == 0)
        r = chat_name(s, CHAT_MARK, mark->conversation, mark->kind, mark->principal, rf_view_of(NULL, 0),
                      name);
    if (r == 0)
        r = mark_stands(s, place.name, mark->index, &stands);
    if (r != 0 || stands)
        return r;
    memcpy(place.conversation, mark->conversation, sizeof(place.conversation));
    rf_buf_reset(&s->plain);
    rf_buf_u8(&s->plain, mark->kind);
    rf_buf_v(&s->plain, 1, mark->principal);
    rf_buf_u64(&s->plain, mark->index);
    rf_buf_u64(&s->plain, mark->time_ms);
    if ((r = rf_buf_error(&s->plain)) != 0)
        return chat_broken(s, r, rf_error_text(r));
    if ((r = chat_seal(s, &place, rf_buf_view(&s->plain))) != 0)
        return r;
    sqlite_bind_bytes(st, 1, place.name);
    sqlite3_bind_int64(st, 2, local);
    sqlite_bind_bytes(st, 3, rf_buf_view(&s->sealed));
    return chat_step(s, ST_MARK_PUT);
}

int chat_marks_show(struct chat_sqlite *s, int (*each)(void *ctx, const struct rf_keep_record *record),
                    void *ctx)
{
    sqlite3_stmt *st = s->st[ST_MARKS];
    int rc = SQLITE_DONE, r = 0;

    while (r == 0 && (rc = sqlite3_step(st)) == SQLITE_ROW) {
        struct rf_keep_mark mark;
        struct rf_view plain;
        r = open_named(s, st, CHAT_MARK, &plain, mark.conversation);
        if (r == 0)
            r = mark_open(plain, &mark);
        if (r == RF_EAUTH)
            r = 0; /* damaged: left out, the next one is taken */
        else if (r == 0)
            r = each(ctx, &(struct rf_keep_record){.mark = &mark});
    }
    if (r == 0 && rc != SQLITE_DONE)
        r = chat_failed(s, rc);
    sqlite3_reset(st);
    return r;
}

/* ---- forgetting ---- */

int chat_forget(struct chat_sqlite *s, const uint8_t conversation[RF_KEEP_CONVERSATION_LEN])
{
    static const enum chat_statement orders[] = {ST_STATE_FORGET, ST_MARK_FORGET, ST_CONVERSATION_DELETE};
    int64_t local;
    int r = chat_local(s, conversation, false, &local);

    if (r != 0 || local == 0)
        return r;
    if ((r = chat_entries_forget(s, local)) != 0)
        return r;
    for (size_t i = 0; i < RF_COUNT(orders) && r == 0; i++) {
        sqlite3_bind_int64(s->st[orders[i]], 1, local);
        r = chat_step(s, orders[i]);
    }
    s->wiped = true;
    for (size_t i = 0; r == 0 && i < s->conversation_count; i++)
        if (s->conversations[i].local == local) {
            s->conversations[i] = s->conversations[--s->conversation_count];
            break;
        }
    return r;
}
