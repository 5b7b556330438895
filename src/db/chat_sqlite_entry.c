/* chat_sqlite_entry.c - entries of histories: put, changed, deleted; their reactions; what the index is told of them. */
#include "db/chat_internal.h"

/* An entry that is there; its views point into s->plain. */
struct found {
    int64_t id;   /* 0: there is none */
    bool damaged; /* it cannot be read */
    uint64_t index;
    struct rf_keep_entry entry;
};

int chat_entry_name(struct chat_sqlite *s, const uint8_t *conversation, const struct rf_keep_name *name,
                    uint8_t out[CHAT_NAME_LEN])
{
    return chat_name(s, CHAT_ENTRY, conversation, name->sequence, rf_id_view(&name->device),
                     rf_view_of(NULL, 0), out);
}

static struct chat_place place_of(enum chat_table table, const uint8_t *conversation, int64_t id)
{
    struct chat_place place = {.table = table, .id = (uint64_t)id};

    memcpy(place.conversation, conversation, sizeof(place.conversation));
    return place;
}

int chat_entry_open(struct chat_sqlite *s, const struct chat_entry_row *row, struct rf_buf *plain,
                    struct rf_keep_entry *out)
{
    const uint8_t *conversation = chat_conversation(s, row->local);
    size_t before = plain->len;

    if (conversation == NULL)
        return RF_EAUTH;
    struct chat_place place = place_of(CHAT_ENTRY, conversation, row->id);
    place.index = row->index;
    int r = chat_open(s, &place, row->sealed, plain);
    if (r == 0)
        r = rf_keep_entry_decode(rf_view_of(plain->p + before, plain->len - before), out);
    if (r == RF_ENOMEM || r == RF_ECRYPTO)
        return chat_broken(s, r, rf_error_text(r));
    if (r != 0)
        return RF_EAUTH;
    memcpy(out->conversation, conversation, sizeof(out->conversation));
    out->index = row->index;
    return 0;
}

/* ---- the index ---- */

static int index_tell(struct chat_sqlite *s, enum chat_statement which, int64_t id,
                      const uint8_t *conversation, struct rf_view text)
{
    sqlite3_stmt *st = s->st[which];

    rf_buf_reset(&s->tokens);
    int r = chat_words_tokens(&s->words, conversation, text, &s->tokens);
    if (r != 0)
        return chat_broken(s, r, rf_error_text(r));
    sqlite3_bind_int64(st, 1, id);
    sqlite3_bind_text64(st, 2, (const char *)s->tokens.p, s->tokens.len, SQLITE_STATIC, SQLITE_UTF8);
    return chat_step(s, which);
}

int chat_index_add(struct chat_sqlite *s, int64_t id, const uint8_t *conversation, struct rf_view text)
{
    return text.len > 0 ? index_tell(s, ST_WORD_ADD, id, conversation, text) : 0;
}

static int index_remove(struct chat_sqlite *s, const struct found *f)
{
    if (f->id == 0 || f->damaged || f->entry.text.len == 0 || f->id >= s->unindexed)
        return 0;
    s->removed++;
    int r = chat_meta_set_number(s, "removed", s->removed);
    return r == 0 ? index_tell(s, ST_WORD_DELETE, f->id, f->entry.conversation, f->entry.text) : r;
}

/* ---- rows ---- */

static int find(struct chat_sqlite *s, const uint8_t *conversation, const struct rf_keep_name *name,
                struct found *out)
{
    sqlite3_stmt *st = s->st[ST_ENTRY_GET];
    uint8_t bytes[CHAT_NAME_LEN];
    int r = chat_entry_name(s, conversation, name, bytes);

    memset(out, 0, sizeof(*out));
    if (r != 0)
        return r;
    sqlite_bind_bytes(st, 1, rf_view_of(bytes, sizeof(bytes)));
    int rc = sqlite3_step(st);
    if (rc == SQLITE_ROW) {
        struct chat_entry_row row = {.id = sqlite3_column_int64(st, 0),
                                     .local = sqlite3_column_int64(st, 1),
                                     .index = (uint64_t)sqlite3_column_int64(st, 2),
                                     .sealed = chat_column(st, 3)};
        rf_buf_reset(&s->plain);
        r = chat_entry_open(s, &row, &s->plain, &out->entry);
        out->id = row.id;
        out->index = row.index;
        out->damaged = r == RF_EAUTH;
        if (out->damaged)
            r = 0;
    } else if (rc != SQLITE_DONE) {
        r = chat_failed(s, rc);
    }
    sqlite3_reset(st);
    return r;
}

/* Seals the entry into its row: a new one, or the one that is there. */
static int write_row(struct chat_sqlite *s, int64_t id, bool is_new, const struct rf_keep_entry *entry)
{
    sqlite3_stmt *st = s->st[is_new ? ST_ENTRY_ADD : ST_ENTRY_SET];
    struct chat_place place = place_of(CHAT_ENTRY, entry->conversation, id);
    uint8_t name[CHAT_NAME_LEN];
    struct rf_buf plain;
    int64_t local;
    int r = chat_local(s, entry->conversation, true, &local);

    if (r != 0 || (r = chat_entry_name(s, entry->conversation, &entry->name, name)) != 0)
        return r;
    place.index = entry->index;
    rf_buf_init(&plain, &s->secret.mem, SIZE_MAX); /* not s->plain: the entry may point there */
    rf_keep_entry_encode(entry, &plain);
    if ((r = rf_buf_error(&plain)) != 0)
        r = chat_broken(s, r, rf_error_text(r));
    else
        r = chat_seal(s, &place, rf_buf_view(&plain));
    rf_buf_deinit(&plain);
    if (r != 0)
        return r;
    sqlite3_bind_int64(st, 1, id);
    sqlite3_bind_int64(st, 2, local);
    sqlite3_bind_int64(st, 3, (sqlite3_int64)entry->index);
    sqlite_bind_bytes(st, 4, rf_view_of(name, sizeof(name)));
    sqlite_bind_bytes(st, 5, rf_buf_view(&s->sealed));
    if (!is_new)
        s->wiped = true;
    return chat_step(s, is_new ? ST_ENTRY_ADD : ST_ENTRY_SET);
}

static int by_id(struct chat_sqlite *s, enum chat_statement which, int64_t id)
{
    sqlite3_bind_int64(s->st[which], 1, id);
    return chat_step(s, which);
}

static int raw_put(struct chat_sqlite *s, int64_t id, const struct rf_keep_entry *entry)
{
    sqlite3_stmt *st = s->st[ST_RAW_PUT];
    struct chat_place place = place_of(CHAT_RAW, entry->conversation, id);
    int r = chat_seal(s, &place, entry->raw);

    if (r != 0)
        return r;
    sqlite3_bind_int64(st, 1, id);
    sqlite_bind_bytes(st, 2, rf_buf_view(&s->sealed));
    return chat_step(s, ST_RAW_PUT);
}

int chat_entry_put(struct chat_sqlite *s, const struct rf_keep_entry *entry)
{
    struct found old;
    int r = find(s, entry->conversation, &entry->name, &old);

    if (r == 0)
        r = index_remove(s, &old);
    if (r != 0)
        return r;
    int64_t id = old.id != 0 ? old.id : s->next_id++;
    r = write_row(s, id, old.id == 0, entry);
    if (r == 0 && id < s->unindexed)
        r = chat_index_add(s, id, entry->conversation, entry->text);
    if (r == 0 && entry->raw.len > 0)
        r = raw_put(s, id, entry);
    else if (r == 0 && old.id != 0)
        r = by_id(s, ST_RAW_DELETE, id);
    if (r == 0 && old.id != 0 && entry->deleted_ms != 0)
        r = by_id(s, ST_REACTIONS_DELETE, id);
    return r;
}

/* ---- changes ---- */

static int move(struct chat_sqlite *s, struct found *f, uint64_t index)
{
    if (f->damaged || f->entry.index == index)
        return 0;
    f->entry.index = index;
    return write_row(s, f->id, false, &f->entry);
}

static int edit(struct chat_sqlite *s, struct found *f, const struct rf_keep_change *change)
{
    if (f->damaged || f->entry.deleted_ms != 0)
        return 0;
    int r = index_remove(s, f);
    f->entry.text = change->text;
    f->entry.content = change->content;
    f->entry.edited_ms = change->time_ms;
    if (r == 0)
        r = write_row(s, f->id, false, &f->entry);
    if (r == 0 && f->id < s->unindexed)
        r = chat_index_add(s, f->id, f->entry.conversation, f->entry.text);
    return r;
}

static int delete_entry(struct chat_sqlite *s, struct found *f, const struct rf_keep_change *change)
{
    int r = index_remove(s, f);

    if (f->damaged) { /* nobody can read it any more, and nothing of it is to stay */
        memset(&f->entry, 0, sizeof(f->entry));
        memcpy(f->entry.conversation, change->conversation, sizeof(f->entry.conversation));
        f->entry.name = change->target;
        f->entry.index = f->index;
    } else if (f->entry.deleted_ms != 0) {
        return 0;
    }
    f->entry.text = f->entry.content = rf_view_of(NULL, 0);
    f->entry.deleted_ms = change->time_ms;
    f->entry.deleted_by = change->by;
    if (r == 0)
        r = write_row(s, f->id, false, &f->entry);
    if (r == 0)
        r = by_id(s, ST_RAW_DELETE, f->id);
    return r == 0 ? by_id(s, ST_REACTIONS_DELETE, f->id) : r;
}

static int remove_id(struct chat_sqlite *s, int64_t id)
{
    static const enum chat_statement orders[] = {ST_RAW_DELETE, ST_REACTIONS_DELETE, ST_ENTRY_DELETE};
    int r = 0;

    s->wiped = true;
    for (size_t i = 0; i < RF_COUNT(orders) && r == 0; i++)
        r = by_id(s, orders[i], id);
    return r;
}

static int react(struct chat_sqlite *s, const struct found *f, bool on, const struct rf_keep_change *change)
{
    sqlite3_stmt *st = s->st[on ? ST_REACTION_PUT : ST_REACTION_DELETE];
    struct chat_place place = place_of(CHAT_REACTION, change->conversation, f->id);
    uint8_t name[CHAT_NAME_LEN];
    int r =
        chat_name(s, CHAT_REACTION, change->conversation, (uint64_t)f->id, change->by, change->text, name);

    if (r != 0 || (!f->damaged && f->entry.deleted_ms != 0))
        return r;
    sqlite3_bind_int64(st, 1, f->id);
    sqlite_bind_bytes(st, 2, rf_view_of(name, sizeof(name)));
    if (!on) {
        s->wiped = true;
        return chat_step(s, ST_REACTION_DELETE);
    }
    place.name = rf_view_of(name, sizeof(name));
    rf_buf_reset(&s->plain);
    rf_buf_v(&s->plain, 1, change->by);
    rf_buf_v(&s->plain, 1, change->text);
    rf_buf_u64(&s->plain, change->time_ms);
    if ((r = rf_buf_error(&s->plain)) != 0)
        return chat_broken(s, r, rf_error_text(r));
    if ((r = chat_seal(s, &place, rf_buf_view(&s->plain))) != 0)
        return r;
    sqlite_bind_bytes(st, 3, rf_buf_view(&s->sealed));
    return chat_step(s, ST_REACTION_PUT);
}

int chat_entry_change(struct chat_sqlite *s, enum rf_keep_op_type type, const struct rf_keep_change *change)
{
    struct found f;
    int r = find(s, change->conversation, &change->target, &f);

    if (r != 0 || f.id == 0)
        return r;
    switch (type) {
    case RF_KEEP_ENTRY_MOVE:
        return move(s, &f, change->index);
    case RF_KEEP_ENTRY_EDIT:
        return edit(s, &f, change);
    case RF_KEEP_ENTRY_DELETE:
        return delete_entry(s, &f, change);
    case RF_KEEP_ENTRY_REMOVE:
        r = index_remove(s, &f);
        return r == 0 ? remove_id(s, f.id) : r;
    case RF_KEEP_REACT:
    case RF_KEEP_UNREACT:
        return react(s, &f, type == RF_KEEP_REACT, change);
    default:
        return chat_broken(s, RF_EINVAL, "no such change");
    }
}

int chat_entries_forget(struct chat_sqlite *s, int64_t local)
{
    sqlite3_stmt *st = s->st[ST_ENTRY_OF];
    int r = 0;

    while (r ==
           0) { /* the first one, until there is none: a row is not removed under a statement that reads it */
        struct found f = {.id = 0};
        sqlite3_bind_int64(st, 1, local);
        int rc = sqlite3_step(st);
        if (rc == SQLITE_ROW) {
            struct chat_entry_row row = {.id = sqlite3_column_int64(st, 0),
                                         .local = local,
                                         .index = (uint64_t)sqlite3_column_int64(st, 2),
                                         .sealed = chat_column(st, 3)};
            rf_buf_reset(&s->plain);
            f.id = row.id;
            r = chat_entry_open(s, &row, &s->plain, &f.entry);
            f.damaged = r == RF_EAUTH;
            if (f.damaged)
                r = 0;
        } else if (rc != SQLITE_DONE) {
            r = chat_failed(s, rc);
        }
        sqlite3_reset(st);
        if (rc != SQLITE_ROW || r != 0)
            return r;
        if ((r = index_remove(s, &f)) == 0)
            r = remove_id(s, f.id);
    }
    return r;
}
