/* chat_sqlite_query.c - pages of histories, single entries, search. */
#include <stdlib.h>

#include "db/chat_internal.h"

#define SEARCH_LOOK 4000 /* texts that one question looks at */

/* An answer in the making. */
struct answering {
    struct chat_sqlite *s;
    const struct rf_keep_query *query;
    struct rf_region *region;
    struct rf_keep_answer *answer;
    size_t cap;   /* of the answer's entries */
    size_t bytes; /* of their contents */
};

static int no_memory(struct chat_sqlite *s)
{
    return chat_broken(s, RF_ENOMEM, "out of memory");
}

/* ---- entries ---- */

/* Opens a sealed row into the region. RF_EAUTH: it is damaged. */
static int open_into(struct answering *a, const struct chat_place *place, struct rf_view sealed,
                     struct rf_view *out)
{
    size_t len = sealed.len > RF_AEAD_NONCE_LEN + RF_AEAD_TAG_LEN
                     ? sealed.len - RF_AEAD_NONCE_LEN - RF_AEAD_TAG_LEN
                     : 1;
    uint8_t *p = rf_region_alloc(a->region, len);
    struct rf_buf buf;

    if (p == NULL)
        return no_memory(a->s);
    rf_buf_fixed(&buf, p, len);
    int r = chat_open(a->s, place, sealed, &buf);
    *out = rf_buf_view(&buf);
    return r == 0 || r == RF_EAUTH ? r : chat_broken(a->s, r, rf_error_text(r));
}

static int by_time(const void *x, const void *y)
{
    const struct rf_keep_reaction *a = x, *b = y;
    if (a->time_ms != b->time_ms)
        return a->time_ms < b->time_ms ? -1 : 1;
    return 0;
}

static int reaction_open(struct answering *a, const struct rf_keep_entry *entry, int64_t id, sqlite3_stmt *st,
                         struct rf_keep_reaction *out)
{
    struct chat_place place = {.table = CHAT_REACTION, .id = (uint64_t)id, .name = chat_column(st, 0)};
    struct rf_view plain;

    if (place.name.len != CHAT_NAME_LEN)
        return RF_EAUTH;
    memcpy(place.conversation, entry->conversation, sizeof(place.conversation));
    int r = open_into(a, &place, chat_column(st, 1), &plain);
    if (r != 0)
        return r;
    return rf_view_v(&plain, 1, &out->sender) == 0 && rf_view_v(&plain, 1, &out->reaction) == 0 &&
                   rf_view_u64(&plain, &out->time_ms) == 0
               ? 0
               : RF_EAUTH;
}

static int reactions(struct answering *a, struct rf_keep_entry *entry, int64_t id)
{
    struct chat_sqlite *s = a->s;
    sqlite3_stmt *st = s->st[ST_REACTIONS];
    struct rf_keep_reaction *list = NULL;
    size_t cap = 0, count = 0;
    int rc = SQLITE_DONE, r = 0;

    sqlite3_bind_int64(st, 1, id);
    while (r == 0 && (rc = sqlite3_step(st)) == SQLITE_ROW) {
        if (count == cap) {
            struct rf_keep_reaction *more = rf_region_array(a->region, cap = 2 * cap + 4, sizeof(*list));
            if (more == NULL) {
                r = no_memory(s);
                break;
            }
            if (count > 0)
                memcpy(more, list, count * sizeof(*list));
            list = more;
        }
        r = reaction_open(a, entry, id, st, &list[count]);
        if (r == RF_EAUTH)
            r = 0; /* damaged: left out */
        else
            count++;
    }
    if (r == 0 && rc != SQLITE_DONE)
        r = chat_failed(s, rc);
    sqlite3_reset(st);
    if (count > 1)
        qsort(list, count, sizeof(*list), by_time);
    entry->reactions = list;
    entry->reaction_count = r == 0 ? count : 0;
    return r;
}

static int raw(struct answering *a, struct rf_keep_entry *entry, int64_t id)
{
    sqlite3_stmt *st = a->s->st[ST_RAW_GET];
    struct chat_place place = {.table = CHAT_RAW, .id = (uint64_t)id};
    int r = 0;

    memcpy(place.conversation, entry->conversation, sizeof(place.conversation));
    sqlite3_bind_int64(st, 1, id);
    int rc = sqlite3_step(st);
    if (rc == SQLITE_ROW)
        r = open_into(a, &place, chat_column(st, 0), &entry->raw);
    else if (rc != SQLITE_DONE)
        r = chat_failed(a->s, rc);
    sqlite3_reset(st);
    if (r == RF_EAUTH)
        entry->raw = rf_view_of(NULL, 0);
    return r == RF_EAUTH ? 0 : r;
}

/* Puts an entry, whose views may lie in scratch, into the answer. */
static int answer_with(struct answering *a, const struct rf_keep_entry *entry, int64_t id)
{
    struct rf_keep_answer *answer = a->answer;

    if (answer->count == a->cap) {
        size_t cap = a->cap > 0 ? 2 * a->cap : 16;
        struct rf_keep_entry *more = rf_region_array(a->region, cap, sizeof(*more));
        if (more == NULL)
            return no_memory(a->s);
        if (answer->count > 0)
            memcpy(more, answer->entries, answer->count * sizeof(*more));
        answer->entries = more;
        a->cap = cap;
    }
    struct rf_keep_entry *out = &answer->entries[answer->count];
    int r = rf_keep_entry_copy(a->region, entry, out) == 0 ? reactions(a, out, id) : no_memory(a->s);
    if (r == 0 && a->query->raw)
        r = raw(a, out, id);
    if (r != 0)
        return r;
    a->bytes += out->text.len + out->content.len + out->raw.len;
    answer->count++;
    return 0;
}

static bool is_full(const struct answering *a)
{
    return a->answer->count >= a->query->limit || (a->query->max_bytes > 0 && a->bytes > a->query->max_bytes);
}

static struct chat_entry_row row_of(sqlite3_stmt *st)
{
    return (struct chat_entry_row){.id = sqlite3_column_int64(st, 0),
                                   .local = sqlite3_column_int64(st, 1),
                                   .index = (uint64_t)sqlite3_column_int64(st, 2),
                                   .sealed = chat_column(st, 3)};
}

/* Opens a row; if that works `want` says whether it belongs into the answer. */
static int consider(struct answering *a, const struct chat_entry_row *row,
                    int (*want)(struct answering *a, const struct rf_keep_entry *entry, const void *arg,
                                bool *out),
                    const void *arg)
{
    struct rf_keep_entry entry;
    bool wanted = true;

    rf_buf_reset(&a->s->plain);
    int r = chat_entry_open(a->s, row, &a->s->plain, &entry);
    if (r == RF_EAUTH) {
        a->answer->damaged_count++;
        return 0;
    }
    if (r == 0 && want != NULL)
        r = want(a, &entry, arg, &wanted);
    return r == 0 && wanted ? answer_with(a, &entry, row->id) : r;
}

/* ---- pages ---- */

static int page(struct answering *a)
{
    const struct rf_keep_query *q = a->query;
    struct chat_sqlite *s = a->s;
    sqlite3_stmt *st = s->st[q->backwards ? ST_ENTRY_DOWN : ST_ENTRY_UP];
    bool resumed = q->cursor.b != 0;
    uint64_t from = resumed ? q->cursor.a : q->from;
    int64_t local;
    int rc = SQLITE_DONE, r = chat_local(s, q->conversation, false, &local);

    if (r != 0)
        return r;
    sqlite3_bind_int64(st, 1, local);
    sqlite3_bind_int64(st, 2, from > RF_KEEP_MAX_INDEX ? INT64_MAX : (sqlite3_int64)from);
    while (r == 0 && (rc = sqlite3_step(st)) == SQLITE_ROW) {
        struct chat_entry_row row = row_of(st);
        uint64_t id = (uint64_t)row.id;
        if (resumed && row.index == q->cursor.a && (q->backwards ? id >= q->cursor.b : id <= q->cursor.b))
            continue; /* was in the answer before */
        if (is_full(a)) {
            a->answer->more = true;
            break;
        }
        a->answer->cursor = (struct rf_keep_cursor){row.index, id};
        r = consider(a, &row, NULL, NULL);
    }
    if (r == 0 && rc != SQLITE_DONE && rc != SQLITE_ROW)
        r = chat_failed(s, rc);
    sqlite3_reset(st);
    return r;
}

static int find(struct answering *a)
{
    struct chat_sqlite *s = a->s;
    sqlite3_stmt *st = s->st[ST_ENTRY_GET];
    uint8_t name[CHAT_NAME_LEN];
    int r = chat_entry_name(s, a->query->conversation, &a->query->name, name);

    if (r != 0)
        return r;
    sqlite_bind_bytes(st, 1, rf_view_of(name, sizeof(name)));
    int rc = sqlite3_step(st);
    if (rc == SQLITE_ROW) {
        struct chat_entry_row row = row_of(st);
        r = consider(a, &row, NULL, NULL);
    } else if (rc != SQLITE_DONE) {
        r = chat_failed(s, rc);
    }
    sqlite3_reset(st);
    return r;
}

static int count(struct answering *a)
{
    static const enum chat_statement orders[] = {ST_ENTRY_COUNT, ST_ENTRY_ABOVE};
    struct chat_sqlite *s = a->s;
    uint64_t from = a->query->from > RF_KEEP_MAX_INDEX ? RF_KEEP_MAX_INDEX : a->query->from;
    int64_t local;
    int r = chat_local(s, a->query->conversation, false, &local);

    for (size_t i = 0; i < RF_COUNT(orders) && r == 0; i++) {
        sqlite3_stmt *st = s->st[orders[i]];
        sqlite3_bind_int64(st, 1, local);
        sqlite3_bind_int64(st, 2, RF_KEEP_PENDING);
        if (orders[i] == ST_ENTRY_ABOVE)
            sqlite3_bind_int64(st, 3, (sqlite3_int64)from);
        int rc = sqlite3_step(st);
        if (rc != SQLITE_ROW) {
            r = chat_failed(s, rc == SQLITE_DONE ? SQLITE_CORRUPT : rc);
        } else if (orders[i] == ST_ENTRY_ABOVE) {
            a->answer->counted.above = (uint64_t)sqlite3_column_int64(st, 0);
        } else {
            a->answer->counted.total = (uint64_t)sqlite3_column_int64(st, 0);
            a->answer->counted.first = (uint64_t)sqlite3_column_int64(st, 1);
            a->answer->counted.last = (uint64_t)sqlite3_column_int64(st, 2);
        }
        sqlite3_reset(st);
    }
    return r;
}

/* ---- search ---- */

/* Does the entry hold what is looked for? The index may say so of one that does not: of words side by side, of long beginnings. */
static int holds(struct answering *a, const struct rf_keep_entry *entry, const void *arg, bool *out)
{
    const struct rf_keep_query *q = a->query;
    struct rf_keep_words list;

    *out = false;
    if ((q->sender.len > 0 && !rf_view_equal(q->sender, entry->sender)) || entry->sent_ms < q->from_ms ||
        (q->until_ms > 0 && entry->sent_ms > q->until_ms))
        return 0;
    rf_keep_words_init(&list, &a->s->secret.mem);
    int r = chat_words_split(&a->s->words, entry->text, &list);
    if (r == 0)
        *out = rf_keep_search_holds(arg, &list);
    else
        r = no_memory(a->s);
    rf_keep_words_deinit(&list);
    return r;
}

static int look(struct answering *a, sqlite3_stmt *st, const struct rf_keep_search *words)
{
    int64_t before = a->query->cursor.a != 0 ? (int64_t)a->query->cursor.a : INT64_MAX;
    int rc = SQLITE_DONE, r = 0;

    sqlite3_bind_int64(st, 1, before);
    for (size_t looked = 0; r == 0 && (rc = sqlite3_step(st)) == SQLITE_ROW; looked++) {
        if (is_full(a) || looked == SEARCH_LOOK) {
            a->answer->more = true;
            break;
        }
        struct chat_entry_row row = row_of(st);
        a->answer->cursor = (struct rf_keep_cursor){(uint64_t)row.id, 1};
        r = consider(a, &row, holds, words);
    }
    if (r == 0 && rc != SQLITE_DONE && rc != SQLITE_ROW)
        r = chat_failed(a->s, rc);
    sqlite3_reset(st);
    return r;
}

static int search(struct answering *a)
{
    static const uint8_t none[RF_KEEP_CONVERSATION_LEN];
    const uint8_t *conversation =
        memcmp(a->query->conversation, none, sizeof(none)) != 0 ? a->query->conversation : NULL;
    struct chat_sqlite *s = a->s;
    struct rf_keep_search words;
    int64_t local = 0;
    int r = rf_keep_search_parse(&s->secret.mem, chat_words_split, &s->words, a->query->words, &words);

    if (r != 0) {
        rf_keep_search_deinit(&words);
        return chat_broken(s, r, r == RF_EINVAL ? "no word to look for, or too many" : rf_error_text(r));
    }
    rf_buf_reset(&s->tokens);
    r = chat_words_match(&s->words, &words, conversation, &s->tokens);
    if (r == 0 && conversation != NULL)
        r = chat_local(s, conversation, false, &local);
    if (r == 0 && conversation != NULL && local == 0) {
        rf_keep_search_deinit(&words);
        return 0; /* nothing is known of it */
    }
    if (r == 0 && s->tokens.len > 0 && s->unindexed > s->next_id) {
        sqlite3_bind_text64(s->st[ST_WORD_FIND], 2, (const char *)s->tokens.p, s->tokens.len, SQLITE_STATIC,
                            SQLITE_UTF8);
        r = look(a, s->st[ST_WORD_FIND], &words);
        if (r != 0 && s->rc == SQLITE_CORRUPT_VTAB) /* it is made anew; until then all texts are looked at */
            r = chat_index_reset(s) == 0 ? RF_EAGAIN : r;
    }
    if (r == RF_EAGAIN || (r == 0 && (s->tokens.len == 0 || s->unindexed <= s->next_id))) {
        sqlite3_bind_int64(s->st[ST_ENTRY_SCAN], 2, local);
        a->answer->count = 0;
        a->answer->more = false;
        r = look(a, s->st[ST_ENTRY_SCAN], &words);
    }
    rf_keep_search_deinit(&words);
    return r;
}

void chat_query(struct rf_keep_store *store, const struct rf_keep_query *query, struct rf_region *region,
                struct rf_keep_answer *answer)
{
    struct chat_sqlite *s = RF_CONTAINER(store, struct chat_sqlite, store);
    struct answering a = {.s = s, .query = query, .region = region, .answer = answer};

    memset(answer, 0, sizeof(*answer));
    s->doing = query->type == RF_KEEP_SEARCH ? "search the history" : "read the history";
    bool lists = query->type == RF_KEEP_PAGE || query->type == RF_KEEP_SEARCH;
    if ((answer->error = chat_conversations_fresh(s)) != 0)
        return;
    if (lists && (query->limit == 0 || query->limit > RF_KEEP_MAX_LIMIT))
        answer->error = chat_broken(s, RF_EINVAL, "the limit is out of range");
    else if (query->type == RF_KEEP_PAGE)
        answer->error = page(&a);
    else if (query->type == RF_KEEP_FIND)
        answer->error = find(&a);
    else if (query->type == RF_KEEP_SEARCH)
        answer->error = search(&a);
    else if (query->type == RF_KEEP_COUNT)
        answer->error = count(&a);
    else
        answer->error = chat_broken(s, RF_EINVAL, "no such question");
    if (answer->error != 0)
        answer->count = 0;
}
