/*
 * chat_sqlite_upkeep.c - what can wait: the log is cut off, so that nothing removed stays in it; the index is merged after removals, since until then it only notes that they are
 * gone; an index that was damaged is filled again.
 */
#include "db/chat_internal.h"

#define FILL_ENTRIES 500  /* entries put into the index at a time */
#define MERGE_PAGES  64   /* of the index merged at a time */
#define MERGE_EACH   5000 /* so many entries' worth of index are rewritten for one removed text at most */

/* The table may be so damaged that it cannot even be dropped: then SQLite does not let go of it unless its row in the schema goes first. */
static const char remake[] =
    "PRAGMA writable_schema = ON;"
    "DELETE FROM sqlite_schema WHERE type = 'table' AND name = 'word';"
    "PRAGMA writable_schema = RESET;"
    "DROP TABLE IF EXISTS word_data; DROP TABLE IF EXISTS word_idx; DROP TABLE IF EXISTS word_config;"
    "INSERT OR REPLACE INTO meta(key, value) VALUES('unindexed', x'0000000000000000'), ('removed', "
    "x'0000000000000000');";

int chat_index_remake(struct chat_sqlite *s)
{
    int rc = sqlite3_exec(s->db, remake, NULL, NULL, NULL);

    if (rc == SQLITE_OK)
        rc = sqlite3_exec(s->db, chat_word_schema, NULL, NULL, NULL);
    return rc == SQLITE_OK ? 0 : chat_failed(s, rc);
}

int chat_index_reset(struct chat_sqlite *s)
{
    int r = chat_begin(s);

    if (r != 0)
        return r;
    if ((r = chat_end(s, chat_index_remake(s))) == 0) {
        s->unindexed = 0;
        s->removed = 0;
        s->merging = false;
        s->wiped = true;
    }
    return r;
}

/* One entry into the index; `last` becomes its id. RF_ENOTFOUND: there is none from `from` on. */
static int fill_one(struct chat_sqlite *s, sqlite3_stmt *st, int64_t *last)
{
    struct rf_keep_entry entry;
    int rc = sqlite3_step(st);

    if (rc != SQLITE_ROW)
        return rc == SQLITE_DONE ? RF_ENOTFOUND : chat_failed(s, rc);
    struct chat_entry_row row = {.id = sqlite3_column_int64(st, 0),
                                 .local = sqlite3_column_int64(st, 1),
                                 .index = (uint64_t)sqlite3_column_int64(st, 2),
                                 .sealed = chat_column(st, 3)};
    *last = row.id;
    rf_buf_reset(&s->plain);
    int r = chat_entry_open(s, &row, &s->plain, &entry);
    if (r == RF_EAUTH)
        return 0; /* damaged */
    return r == 0 ? chat_index_add(s, row.id, entry.conversation, entry.text) : r;
}

static int fill(struct chat_sqlite *s)
{
    sqlite3_stmt *st = s->st[ST_ENTRY_FROM];
    int64_t last = s->unindexed - 1;
    int r = chat_begin(s);

    if (r != 0)
        return r;
    sqlite3_bind_int64(st, 1, s->unindexed);
    sqlite3_bind_int64(st, 2, FILL_ENTRIES);
    size_t count = 0;
    while (r == 0 && (r = fill_one(s, st, &last)) == 0)
        count++;
    sqlite3_reset(st);
    if (r == RF_ENOTFOUND)
        r = 0;
    int64_t next = count < FILL_ENTRIES ? INT64_MAX : last + 1;
    if (r == 0)
        r = chat_meta_set_number(s, "unindexed", (uint64_t)next);
    if ((r = chat_end(s, r)) == 0)
        s->unindexed = next;
    return r;
}

/* Merges a part of the index; when nothing is left to merge, no trace of what was removed is left. */
static int merge(struct chat_sqlite *s)
{
    int before = sqlite3_total_changes(s->db);
    int r = chat_begin(s);

    if (r != 0)
        return r;
    /* a negative number begins a merge of everything, positive ones go on with it */
    sqlite3_bind_int(s->st[ST_WORD_MERGE], 1, s->merging ? MERGE_PAGES : -MERGE_PAGES);
    r = chat_step(s, ST_WORD_MERGE);
    bool done = r == 0 && sqlite3_total_changes(s->db) - before < 2; /* FTS5: "no more merging" */
    if (done)
        r = chat_meta_set_number(s, "removed", 0);
    if ((r = chat_end(s, r)) == 0) {
        s->merging = !done;
        s->wiped = true;
        if (done)
            s->removed = 0;
    }
    return r;
}

bool chat_upkeep(struct rf_keep_store *store)
{
    struct chat_sqlite *s = RF_CONTAINER(store, struct chat_sqlite, store);
    int r = 0;

    s->doing = "tidy the history";
    if (s->unindexed <= s->next_id)
        r = fill(s);
    else if (s->merging || (s->removed > 0 && s->removed >= (uint64_t)s->next_id / MERGE_EACH))
        r = merge(s);
    else if (s->wiped &&
             sqlite3_wal_checkpoint_v2(s->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL) == SQLITE_OK)
        s->wiped = false;
    else
        return false;
    if (r != 0 && s->rc == SQLITE_CORRUPT_VTAB)
        r = chat_index_reset(s);
    return r == 0; /* what failed is tried with the next commit */
}
