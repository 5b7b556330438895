/*
 * chat_sqlite.c - the disk below a member's conversations, in one SQLite database: opening, transactions, load.
 *
 * Tables: conversation (a small number for each id), state, mark (small sealed rows by keyed names), entry (one row per entry of a history), raw (what entries were in the log),
 * reaction, word (FTS5: keyed hashes of words, no texts), meta (salt, check of the key, numbers). What can be read without the key: how many conversations there are, which entry
 * belongs to which, its index, lengths, and the frequencies of words and of their beginnings (docs/decisions/0029-history-at-rest.md).
 * WAL with synchronous=FULL: a commit that returned is on the disk. The database is locked as long as it is open. secure_delete writes zeros over what is removed.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "db/chat_internal.h"

#define CHAT_APPLICATION_ID 0x52464348 /* "RFCH", in the file's header */
#define CHAT_SCHEMA_VERSION 1
#define CHAT_BUSY_MS        2000
#define SALT_LEN            16
#define SCRATCH_KEEP_LEN    ((size_t)1 << 20)

static const char damaged_advice[] =
    "the database is damaged: move chat.db away and keep chat.key, then this device comes back into its "
    "conversations and gets what others still have of their histories";

#define ENTRY_COLUMNS "SELECT id, conversation, idx, sealed FROM entry "

static const char *const statements[ST_COUNT] = {
    [ST_BEGIN] = "BEGIN IMMEDIATE",
    [ST_COMMIT] = "COMMIT",
    [ST_ROLLBACK] = "ROLLBACK",
    [ST_META_GET] = "SELECT value FROM meta WHERE key = ?1",
    [ST_META_PUT] = "INSERT OR REPLACE INTO meta(key, value) VALUES(?1, ?2)",
    [ST_CONVERSATIONS] = "SELECT id, name, sealed FROM conversation",
    [ST_CONVERSATION_ADD] = "INSERT INTO conversation(id, name, sealed) VALUES(?1, ?2, ?3)",
    [ST_CONVERSATION_DELETE] = "DELETE FROM conversation WHERE id = ?1",
    [ST_STATES] = "SELECT name, conversation, sealed FROM state",
    [ST_STATE_PUT] = "INSERT INTO state(name, conversation, sealed) VALUES(?1, ?2, ?3)"
                     " ON CONFLICT(name) DO UPDATE SET sealed = excluded.sealed",
    [ST_STATE_DELETE] = "DELETE FROM state WHERE name = ?1",
    [ST_STATE_FORGET] = "DELETE FROM state WHERE conversation = ?1",
    [ST_MARKS] = "SELECT name, conversation, sealed FROM mark",
    [ST_MARK_GET] = "SELECT name, conversation, sealed FROM mark WHERE name = ?1",
    [ST_MARK_PUT] = "INSERT OR REPLACE INTO mark(name, conversation, sealed) VALUES(?1, ?2, ?3)",
    [ST_MARK_FORGET] = "DELETE FROM mark WHERE conversation = ?1",
    [ST_ENTRY_GET] = ENTRY_COLUMNS "WHERE name = ?1",
    [ST_ENTRY_ADD] = "INSERT INTO entry(id, conversation, idx, name, sealed) VALUES(?1, ?2, ?3, ?4, ?5)",
    [ST_ENTRY_SET] = "UPDATE entry SET idx = ?3, sealed = ?5 WHERE id = ?1",
    [ST_ENTRY_DELETE] = "DELETE FROM entry WHERE id = ?1",
    [ST_ENTRY_UP] = ENTRY_COLUMNS "WHERE conversation = ?1 AND idx >= ?2 ORDER BY idx, id",
    [ST_ENTRY_DOWN] = ENTRY_COLUMNS "WHERE conversation = ?1 AND idx <= ?2 ORDER BY idx DESC, id DESC",
    [ST_ENTRY_COUNT] = "SELECT count(*), min(idx), max(idx) FROM entry WHERE conversation = ?1 AND idx < ?2",
    [ST_ENTRY_ABOVE] = "SELECT count(*) FROM entry WHERE conversation = ?1 AND idx > ?3 AND idx < ?2",
    [ST_ENTRY_FROM] = ENTRY_COLUMNS "WHERE id >= ?1 ORDER BY id LIMIT ?2",
    [ST_ENTRY_SCAN] = ENTRY_COLUMNS "WHERE id < ?1 AND (?2 = 0 OR conversation = ?2) ORDER BY id DESC",
    [ST_ENTRY_OF] = ENTRY_COLUMNS "WHERE conversation = ?1 ORDER BY idx LIMIT 1",
    [ST_RAW_GET] = "SELECT sealed FROM raw WHERE entry = ?1",
    [ST_RAW_PUT] = "INSERT OR REPLACE INTO raw(entry, sealed) VALUES(?1, ?2)",
    [ST_RAW_DELETE] = "DELETE FROM raw WHERE entry = ?1",
    [ST_REACTION_PUT] = "INSERT OR IGNORE INTO reaction(entry, name, sealed) VALUES(?1, ?2, ?3)",
    [ST_REACTION_DELETE] = "DELETE FROM reaction WHERE entry = ?1 AND name = ?2",
    [ST_REACTIONS] = "SELECT name, sealed FROM reaction WHERE entry = ?1",
    [ST_REACTIONS_DELETE] = "DELETE FROM reaction WHERE entry = ?1",
    [ST_WORD_ADD] = "INSERT INTO word(rowid, t) VALUES(?1, ?2)",
    [ST_WORD_DELETE] = "INSERT INTO word(word, rowid, t) VALUES('delete', ?1, ?2)",
    [ST_WORD_MERGE] = "INSERT INTO word(word, rank) VALUES('merge', ?1)",
    [ST_WORD_FIND] = "SELECT entry.id, entry.conversation, entry.idx, entry.sealed FROM word"
                     " JOIN entry ON entry.id = word.rowid WHERE word MATCH ?2 AND word.rowid < ?1"
                     " ORDER BY word.rowid DESC",
};

static const char schema[] =
    "CREATE TABLE meta(key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE conversation(id INTEGER PRIMARY KEY, name BLOB NOT NULL UNIQUE, sealed BLOB NOT NULL);"
    "CREATE TABLE state(name BLOB NOT NULL UNIQUE, conversation INTEGER NOT NULL, sealed BLOB NOT NULL);"
    "CREATE INDEX state_of ON state(conversation);"
    "CREATE TABLE mark(name BLOB PRIMARY KEY, conversation INTEGER NOT NULL, sealed BLOB NOT NULL)"
    " WITHOUT ROWID;"
    "CREATE INDEX mark_of ON mark(conversation);"
    "CREATE TABLE entry(id INTEGER PRIMARY KEY, conversation INTEGER NOT NULL, idx INTEGER NOT NULL,"
    " name BLOB NOT NULL UNIQUE, sealed BLOB NOT NULL);"
    "CREATE INDEX entry_at ON entry(conversation, idx);"
    "CREATE TABLE raw(entry INTEGER PRIMARY KEY, sealed BLOB NOT NULL);"
    "CREATE TABLE reaction(entry INTEGER NOT NULL, name BLOB NOT NULL, sealed BLOB NOT NULL,"
    " PRIMARY KEY(entry, name)) WITHOUT ROWID;";

/* Names of 8 letters stand for the words. No positions and no lengths are kept, so that nothing can be read off them; what must stand side by side is looked at in the text. */
const char chat_word_schema[] =
    "CREATE VIRTUAL TABLE word USING fts5(t, content='', columnsize=0, detail=none, tokenize='ascii');";

static struct chat_sqlite *of(struct rf_keep_store *store)
{
    return RF_CONTAINER(store, struct chat_sqlite, store);
}

/* ---- errors ---- */

int chat_failed(struct chat_sqlite *s, int rc)
{
    bool own = s->db == NULL || rc != sqlite3_extended_errcode(s->db); /* noted by us, not by SQLite */
    s->rc = rc;
    snprintf(s->error, sizeof(s->error), "%s: %s (%s)", s->doing, sqlite_advice(rc, damaged_advice),
             own ? sqlite3_errstr(rc) : sqlite3_errmsg(s->db));
    return sqlite_error(rc);
}

int chat_broken(struct chat_sqlite *s, int error, const char *why)
{
    s->rc = SQLITE_OK;
    snprintf(s->error, sizeof(s->error), "%s: %s", s->doing, why);
    return error;
}

/* ---- statements ---- */

int chat_step(struct chat_sqlite *s, enum chat_statement which)
{
    int rc = sqlite3_step(s->st[which]);
    /* an index that has lost its list of contents writes over them, when it is told or when all is committed */
    if ((rc & 0xff) == SQLITE_CONSTRAINT &&
        (which == ST_COMMIT || (which >= ST_WORD_ADD && which <= ST_WORD_MERGE)))
        rc = SQLITE_CORRUPT_VTAB;
    int r = rc == SQLITE_DONE ? 0 : chat_failed(s, rc == SQLITE_ROW ? SQLITE_CORRUPT : rc);
    sqlite3_reset(s->st[which]);
    return r;
}

struct rf_view chat_column(sqlite3_stmt *st, int column)
{
    const void *p = sqlite3_column_blob(st, column);
    return rf_view_of(p, (size_t)sqlite3_column_bytes(st, column));
}

int chat_meta_get(struct chat_sqlite *s, const char *key, uint8_t *out, size_t len)
{
    sqlite3_stmt *st = s->st[ST_META_GET];
    int r = RF_ENOTFOUND;

    sqlite3_bind_text(st, 1, key, -1, SQLITE_STATIC);
    int rc = sqlite3_step(st);
    if (rc == SQLITE_ROW) {
        struct rf_view value = chat_column(st, 0);
        r = value.len == len ? 0 : chat_failed(s, SQLITE_CORRUPT);
        if (r == 0)
            memcpy(out, value.p, len);
    } else if (rc != SQLITE_DONE) {
        r = chat_failed(s, rc);
    }
    sqlite3_reset(st);
    return r;
}

int chat_meta_put(struct chat_sqlite *s, const char *key, const uint8_t *bytes, size_t len)
{
    sqlite3_bind_text(s->st[ST_META_PUT], 1, key, -1, SQLITE_STATIC);
    sqlite_bind_bytes(s->st[ST_META_PUT], 2, rf_view_of(bytes, len));
    return chat_step(s, ST_META_PUT);
}

int chat_meta_number(struct chat_sqlite *s, const char *key, uint64_t *out)
{
    uint8_t bytes[8];
    struct rf_view v = rf_view_of(bytes, sizeof(bytes));
    int r = chat_meta_get(s, key, bytes, sizeof(bytes));

    if (r == 0)
        (void)rf_view_u64(&v, out);
    return r == RF_ENOTFOUND ? 0 : r;
}

int chat_meta_set_number(struct chat_sqlite *s, const char *key, uint64_t value)
{
    uint8_t bytes[8];
    struct rf_buf buf;

    rf_buf_fixed(&buf, bytes, sizeof(bytes));
    rf_buf_u64(&buf, value);
    return chat_meta_put(s, key, bytes, sizeof(bytes));
}

/* ---- transactions ---- */

int chat_begin(struct chat_sqlite *s)
{
    return chat_step(s, ST_BEGIN);
}

int chat_end(struct chat_sqlite *s, int error)
{
    char text[CHAT_ERROR_LEN];
    int rc;

    if (error == 0 && (error = chat_step(s, ST_COMMIT)) == 0)
        return 0;
    memcpy(text, s->error, sizeof(text));
    rc = s->rc;
    if (!sqlite3_get_autocommit(s->db)) /* some errors roll back by themselves */
        (void)chat_step(s, ST_ROLLBACK);
    (void)chat_conversations_load(s); /* those made meanwhile are none */
    memcpy(s->error, text, sizeof(text));
    s->rc = rc;
    return error;
}

static int apply_op(struct chat_sqlite *s, const struct rf_keep_op *op)
{
    switch (op->type) {
    case RF_KEEP_STATE_PUT:
        return chat_state_put(s, &op->state);
    case RF_KEEP_STATE_DELETE:
        return chat_state_delete(s, &op->state);
    case RF_KEEP_ENTRY_PUT:
        return chat_entry_put(s, &op->entry);
    case RF_KEEP_MARK:
        return chat_mark_put(s, &op->mark);
    case RF_KEEP_FORGET:
        return chat_forget(s, op->change.conversation);
    default:
        return chat_entry_change(s, op->type, &op->change);
    }
}

/* Scratch that one large row made large is given back. */
static void scratch_trim(struct rf_buf *buf)
{
    if (buf->cap <= SCRATCH_KEEP_LEN)
        return;
    struct rf_mem *mem = buf->mem;
    rf_buf_deinit(buf);
    rf_buf_init(buf, mem, SIZE_MAX);
}

static int apply_once(struct chat_sqlite *s, const struct rf_keep_batch *batches, size_t batch_count)
{
    int r = chat_begin(s);

    if (r != 0)
        return r;
    for (size_t i = 0; i < batch_count && r == 0; i++)
        for (size_t k = 0; k < batches[i].op_count && r == 0; k++) {
            r = apply_op(s, &batches[i].ops[k]);
            if (rf_buf_error(&s->plain) != 0 || rf_buf_error(&s->sealed) != 0 ||
                rf_buf_error(&s->tokens) != 0)
                rf_buf_reset(&s->plain), rf_buf_reset(&s->sealed), rf_buf_reset(&s->tokens);
        }
    return chat_end(s, r);
}

static int sqlite_apply(struct rf_keep_store *store, const struct rf_keep_batch *batches, size_t batch_count)
{
    struct chat_sqlite *s = of(store);
    int r = 0;

    s->doing = "write to the history";
    for (size_t i = 0; i < batch_count && r == 0; i++)
        if ((r = rf_keep_ops_check(batches[i].ops, batches[i].op_count)) != 0)
            return chat_broken(s, r, "a change is malformed or breaks a limit");
    r = apply_once(s, batches, batch_count);
    if (r != 0 &&
        s->rc == SQLITE_CORRUPT_VTAB) { /* only the index is damaged: it is made anew from the texts */
        if ((r = chat_index_reset(s)) == 0)
            r = apply_once(s, batches, batch_count);
    }
    scratch_trim(&s->plain);
    scratch_trim(&s->sealed);
    scratch_trim(&s->tokens);
    return r;
}

static int sqlite_load(struct rf_keep_store *store,
                       int (*each)(void *ctx, const struct rf_keep_record *record), void *ctx)
{
    struct chat_sqlite *s = of(store);

    s->doing = "read the state of conversations";
    int r = chat_conversations_fresh(s);
    if (r == 0)
        r = chat_states_show(s, each, ctx);
    if (r == 0)
        r = chat_marks_show(s, each, ctx);
    scratch_trim(&s->plain);
    return r;
}

static const char *sqlite_error_text(struct rf_keep_store *store)
{
    return of(store)->error;
}

static void sqlite_close(struct rf_keep_store *store)
{
    struct chat_sqlite *s = of(store);

    for (size_t i = 0; i < ST_COUNT; i++)
        sqlite3_finalize(s->st[i]);
    chat_words_deinit(&s->words);
    sqlite3_close(s->db);
    rf_buf_deinit(&s->plain);
    rf_buf_deinit(&s->sealed);
    rf_buf_deinit(&s->tokens);
    rf_free(&s->secret.mem, s->conversations);
    rf_free_secret(s->mem, s, sizeof(*s));
}

static const struct rf_keep_store_ops sqlite_ops = {
    .close = sqlite_close,
    .load = sqlite_load,
    .apply = sqlite_apply,
    .query = chat_query,
    .upkeep = chat_upkeep,
    .error_text = sqlite_error_text,
};

/* ---- opening ---- */

static int exec(struct chat_sqlite *s, const char *sql)
{
    int rc = sqlite3_exec(s->db, sql, NULL, NULL, NULL);
    return rc == SQLITE_OK ? 0 : chat_failed(s, rc);
}

/* The file is this user's and nobody else reads it; there is one afterwards. SQLite makes its other files with the same rights. */
static int open_file(struct chat_sqlite *s, const char *path)
{
    struct stat st;
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

    if (fd < 0) {
        bool denied = errno == EACCES && stat(path, &st) == 0 && st.st_uid != geteuid();
        if (denied)
            return chat_broken(s, RF_EFORBIDDEN,
                               "the file belongs to another user: run as that one, or choose another home");
        return chat_failed(s, errno == ENOSPC  ? SQLITE_FULL
                              : errno == EROFS ? SQLITE_READONLY
                                               : SQLITE_CANTOPEN);
    }
    int r = 0;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        r = chat_failed(s, SQLITE_CANTOPEN);
    else if (st.st_uid != geteuid())
        r = chat_broken(s, RF_EFORBIDDEN,
                        "the file belongs to another user: run as that one, or choose another home");
    else if ((st.st_mode & 077) != 0 && fchmod(fd, 0600) != 0)
        r = chat_failed(s, SQLITE_PERM);
    close(fd);
    return r;
}

/* quick_check of the small tables that everything depends on; it answers with one row "ok", or with what is wrong. Of histories damaged rows are noticed when they are read. */
static int check_tables(struct chat_sqlite *s)
{
    static const char *const checks[] = {"PRAGMA quick_check(meta)", "PRAGMA quick_check(conversation)",
                                         "PRAGMA quick_check(state)", "PRAGMA quick_check(mark)"};
    int r = 0;

    for (size_t i = 0; i < RF_COUNT(checks) && r == 0; i++) {
        sqlite3_stmt *st = NULL;
        int rc = sqlite3_prepare_v2(s->db, checks[i], -1, &st, NULL);
        if (rc == SQLITE_OK)
            rc = sqlite3_step(st);
        if (rc == SQLITE_ROW) {
            const unsigned char *text = sqlite3_column_text(st, 0);
            rc = text != NULL && strcmp((const char *)text, "ok") == 0 ? SQLITE_OK : SQLITE_CORRUPT;
        }
        if (rc != SQLITE_OK)
            r = chat_failed(s, rc);
        sqlite3_finalize(st);
    }
    return r;
}

/* A new file gets the schema; an existing one must be ours and of a version that we know. */
static int open_schema(struct chat_sqlite *s, bool *is_new)
{
    int64_t application = 0, version = 0, tables = 0;
    char text[160];
    int rc = sqlite_int(s->db, "PRAGMA application_id", &application), r;

    if (rc == SQLITE_OK)
        rc = sqlite_int(s->db, "PRAGMA user_version", &version);
    if (rc == SQLITE_OK)
        rc = sqlite_int(s->db, "SELECT count(*) FROM sqlite_master", &tables);
    if (rc != SQLITE_OK)
        return chat_failed(s, rc);
    *is_new = tables == 0;
    if (tables > 0 && application != CHAT_APPLICATION_ID)
        return chat_broken(s, RF_EDATABASE, "the file is no database of conversations: choose another path");
    if (version > CHAT_SCHEMA_VERSION) {
        snprintf(text, sizeof(text),
                 "it was written by a newer version of this program (format %lld, known %d): update",
                 (long long)version, CHAT_SCHEMA_VERSION);
        return chat_broken(s, RF_EVERSION, text);
    }
    if (tables > 0)
        return check_tables(s);
    snprintf(text, sizeof(text), "PRAGMA application_id = %d; PRAGMA user_version = %d;", CHAT_APPLICATION_ID,
             CHAT_SCHEMA_VERSION);
    if ((r = exec(s, schema)) == 0 && (r = exec(s, chat_word_schema)) == 0)
        r = exec(s, text);
    return r;
}

/* The file's keys; a new file gets its salt and what the key is checked by. */
static int open_keys(struct chat_sqlite *s, const uint8_t key[RF_CHAT_KEY_LEN], bool is_new)
{
    static const struct chat_place place = {.table = CHAT_CHECK};
    uint8_t salt[SALT_LEN], check[RF_AEAD_NONCE_LEN + RF_AEAD_TAG_LEN];
    int r = 0;

    if (is_new) {
        rf_rng_fill(s->rng, salt, sizeof(salt));
        r = chat_meta_put(s, "salt", salt, sizeof(salt));
    } else if ((r = chat_meta_get(s, "salt", salt, sizeof(salt))) == RF_ENOTFOUND) {
        r = chat_failed(s, SQLITE_CORRUPT);
    }
    if (r != 0)
        return r;
    if ((r = chat_keys_derive(s->crypto, key, rf_view_of(salt, sizeof(salt)), &s->keys)) != 0)
        return chat_broken(s, r, rf_error_text(r));
    if (is_new) {
        r = chat_seal(s, &place, rf_view_of(NULL, 0));
        return r == 0 ? chat_meta_put(s, "check", s->sealed.p, s->sealed.len) : r;
    }
    if ((r = chat_meta_get(s, "check", check, sizeof(check))) == RF_ENOTFOUND)
        return chat_failed(s, SQLITE_CORRUPT);
    if (r == 0 && (r = chat_open(s, &place, rf_view_of(check, sizeof(check)), &s->plain)) == RF_EAUTH)
        return chat_broken(s, r,
                           "chat.key is not the key that it was made with: put that one back, or move "
                           "chat.db away and begin a new history");
    return r;
}

static int open_numbers(struct chat_sqlite *s)
{
    uint64_t unindexed = INT64_MAX;
    int64_t last = 0;
    int rc = sqlite_int(s->db, "SELECT coalesce(max(id), 0) FROM entry", &last);

    if (rc != SQLITE_OK)
        return chat_failed(s, rc);
    s->next_id = last + 1;
    int r = chat_meta_number(s, "unindexed", &unindexed);
    s->unindexed = (int64_t)unindexed;
    return r == 0 ? chat_meta_number(s, "removed", &s->removed) : r;
}

static int prepare(struct chat_sqlite *s)
{
    for (size_t i = 0; i < ST_COUNT; i++) {
        sqlite3_finalize(s->st[i]);
        int rc = sqlite3_prepare_v3(s->db, statements[i], -1, SQLITE_PREPARE_PERSISTENT, &s->st[i], NULL);
        if (rc != SQLITE_OK)
            return chat_failed(s, rc);
    }
    return 0;
}

static int open_db(struct chat_sqlite *s, const char *path, const uint8_t key[RF_CHAT_KEY_LEN])
{
    bool is_new = false;
    int r = open_file(s, path);
    if (r != 0)
        return r;
    int rc = sqlite3_open_v2(path, &s->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_FULLMUTEX, NULL);
    if (rc != SQLITE_OK)
        return chat_failed(s, rc);
    sqlite3_extended_result_codes(s->db, 1);
    sqlite3_busy_timeout(s->db, CHAT_BUSY_MS);
    /* EXCLUSIVE before WAL: the lock is held until close, and no shared memory file is needed */
    if ((r = exec(s, "PRAGMA locking_mode = EXCLUSIVE")) != 0 ||
        (r = exec(s, "PRAGMA journal_mode = WAL")) != 0 || (r = exec(s, "PRAGMA synchronous = FULL")) != 0 ||
        (r = exec(s, "PRAGMA secure_delete = ON")) != 0 || (r = exec(s, "PRAGMA temp_store = MEMORY")) != 0 ||
        (r = exec(s, "PRAGMA cache_size = -8000")) != 0 || (r = exec(s, "BEGIN IMMEDIATE")) != 0)
        return r;
    if ((r = open_schema(s, &is_new)) == 0 && (r = prepare(s)) != 0 && (s->rc & 0xff) == SQLITE_CORRUPT &&
        (r = chat_index_remake(s)) == 0) /* the index is the only table that is looked into by then */
        r = prepare(s);
    if (r == 0)
        r = open_keys(s, key, is_new);
    if (r == 0)
        r = exec(s, "COMMIT");
    if (r != 0)
        return r; /* closing rolls back */
    rc = chat_words_init(&s->words, &s->secret.mem, s->crypto, s->db, s->keys.word);
    if (rc != SQLITE_OK)
        return chat_failed(s, rc);
    if ((r = open_numbers(s)) == 0)
        r = chat_conversations_load(s);
    s->wiped = true; /* the log may still have what an earlier life removed */
    return r;
}

int rf_chat_sqlite_open(struct rf_mem *mem, struct rf_crypto *crypto, struct rf_rng *rng, const char *path,
                        const uint8_t key[RF_CHAT_KEY_LEN], struct rf_keep_store **out, char *error_text,
                        size_t error_text_len)
{
    struct chat_sqlite *s = rf_zalloc(mem, sizeof(*s));

    if (s == NULL)
        return RF_ENOMEM;
    s->store.ops = &sqlite_ops;
    s->mem = mem;
    s->crypto = crypto;
    s->rng = rng;
    s->doing = "open the database of conversations";
    rf_secret_mem_init(&s->secret, mem);
    rf_buf_init(&s->plain, &s->secret.mem, SIZE_MAX);
    rf_buf_init(&s->sealed, mem, SIZE_MAX);
    rf_buf_init(&s->tokens, mem, SIZE_MAX);
    int error = open_db(s, path, key);
    if (error != 0) {
        if (error_text != NULL && error_text_len > 0)
            snprintf(error_text, error_text_len, "%s", s->error);
        sqlite_close(&s->store);
        return error;
    }
    *out = &s->store;
    return 0;
}
