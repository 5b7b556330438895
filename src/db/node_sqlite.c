/*
 * node_sqlite.c - the disk below a node, in one SQLite database.
 *
 * Tables: value (one row per stored value), cert (each signer's certificate once), state (the node's own small values).
 * WAL with synchronous=FULL: a commit that returned is on the disk. The database is locked as long as it is open, so that two daemons
 * can never share one home. What ended long ago and certificates that no value needs any more go when the database is opened.
 */
#include <stdio.h>
#include "base/assert.h"
#include "db/node.h"
#include "db/sqlite.h"

#define NODE_APPLICATION_ID 0x52464e44 /* "RFND", in the file's header */
#define NODE_SCHEMA_VERSION 1
#define NODE_BUSY_MS        2000
#define NODE_ERROR_LEN      400

enum node_statement {
    ST_BEGIN,
    ST_COMMIT,
    ST_ROLLBACK,
    ST_PUT,
    ST_DELETE,
    ST_CERT_ADD,
    ST_CERT_ID,
    ST_LOAD,
    ST_STATE_GET,
    ST_STATE_PUT,
    ST_STATE_DELETE,
    ST_COUNT
};

static const char *const statements[ST_COUNT] = {
    [ST_BEGIN] = "BEGIN IMMEDIATE",
    [ST_COMMIT] = "COMMIT",
    [ST_ROLLBACK] = "ROLLBACK",
    [ST_PUT] = "INSERT OR REPLACE INTO value"
               "(resource, kind, slot, generation, storage_time, expires, replica, cert, data)"
               " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    [ST_DELETE] = "DELETE FROM value WHERE resource = ?1 AND kind = ?2 AND slot = ?3",
    [ST_CERT_ADD] = "INSERT OR IGNORE INTO cert(der) VALUES(?1)",
    [ST_CERT_ID] = "SELECT id FROM cert WHERE der = ?1",
    [ST_LOAD] = ("SELECT resource, kind, slot, generation, storage_time, expires, replica, data, der"
                 " FROM value JOIN cert ON value.cert = cert.id"),
    [ST_STATE_GET] = "SELECT value FROM state WHERE key = ?1",
    [ST_STATE_PUT] = "INSERT OR REPLACE INTO state(key, value) VALUES(?1, ?2)",
    [ST_STATE_DELETE] = "DELETE FROM state WHERE key = ?1",
};

static const char schema[] =
    "CREATE TABLE cert(id INTEGER PRIMARY KEY, der BLOB NOT NULL UNIQUE);"
    "CREATE TABLE value(resource BLOB NOT NULL, kind INTEGER NOT NULL, slot BLOB NOT NULL,"
    " generation INTEGER NOT NULL, storage_time INTEGER NOT NULL, expires INTEGER NOT NULL,"
    " replica INTEGER NOT NULL, cert INTEGER NOT NULL REFERENCES cert(id), data BLOB NOT NULL,"
    " PRIMARY KEY(resource, kind, slot)) WITHOUT ROWID;"
    "CREATE TABLE state(key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;";

/* What ended while the node was down, with a week's grace for a clock that is wrong; then certificates that nothing needs. */
static const char tidy[] = "DELETE FROM value WHERE expires >= 0 AND expires < (CAST(strftime('%s', 'now') "
                           "AS INTEGER) - 604800) * 1000;"
                           "DELETE FROM cert WHERE id NOT IN (SELECT cert FROM value);";

static const char node_damaged[] = "the database is damaged: move it away, other supernodes hold copies";

struct node_sqlite {
    struct rf_node_store store;
    struct rf_mem *mem;
    sqlite3 *db;
    sqlite3_stmt *st[ST_COUNT];
    char error[NODE_ERROR_LEN];
};

/* Notes what failed for error_text and returns our error number. */
static int node_failed(struct node_sqlite *s, const char *what, int rc)
{
    snprintf(s->error, sizeof(s->error), "%s: %s (%s)", what, sqlite_advice(rc, node_damaged),
             s->db != NULL ? sqlite3_errmsg(s->db) : sqlite3_errstr(rc));
    return sqlite_error(rc);
}

static struct rf_view column_view(sqlite3_stmt *st, int column)
{
    const void *p = sqlite3_column_blob(st, column);
    return rf_view_of(p, (size_t)sqlite3_column_bytes(st, column));
}

/* Runs a statement that returns no rows. */
static int step(struct node_sqlite *s, enum node_statement which)
{
    int rc = sqlite3_step(s->st[which]);
    sqlite3_reset(s->st[which]);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static void rollback(struct node_sqlite *s)
{
    if (!sqlite3_get_autocommit(s->db)) /* some errors roll back by themselves */
        step(s, ST_ROLLBACK);
}

static int cert_id(struct node_sqlite *s, struct rf_view der, sqlite3_int64 *id)
{
    sqlite_bind_bytes(s->st[ST_CERT_ADD], 1, der);
    int rc = step(s, ST_CERT_ADD);
    if (rc != SQLITE_OK)
        return rc;
    sqlite3_stmt *st = s->st[ST_CERT_ID];
    sqlite_bind_bytes(st, 1, der);
    rc = sqlite3_step(st);
    if (rc == SQLITE_ROW) {
        *id = sqlite3_column_int64(st, 0);
        rc = SQLITE_OK;
    } else if (rc == SQLITE_DONE) {
        rc = SQLITE_CORRUPT;
    }
    sqlite3_reset(st);
    return rc;
}

static int put(struct node_sqlite *s, const struct rf_record *record)
{
    sqlite3_int64 cert = 0;
    int rc = cert_id(s, record->cert, &cert);
    if (rc != SQLITE_OK)
        return rc;
    sqlite3_stmt *st = s->st[ST_PUT];
    sqlite_bind_bytes(st, 1, record->resource);
    sqlite3_bind_int64(st, 2, record->kind);
    sqlite_bind_bytes(st, 3, record->slot);
    sqlite3_bind_int64(st, 4, (sqlite3_int64)record->generation);
    sqlite3_bind_int64(st, 5, (sqlite3_int64)record->storage_time_ms);
    sqlite3_bind_int64(st, 6, (sqlite3_int64)record->expires_ms);
    sqlite3_bind_int(st, 7, record->replica_number);
    sqlite3_bind_int64(st, 8, cert);
    sqlite_bind_bytes(st, 9, record->stored_data);
    return step(s, ST_PUT);
}

static int delete (struct node_sqlite *s, const struct rf_record *record)
{
    sqlite3_stmt *st = s->st[ST_DELETE];
    sqlite_bind_bytes(st, 1, record->resource);
    sqlite3_bind_int64(st, 2, record->kind);
    sqlite_bind_bytes(st, 3, record->slot);
    return step(s, ST_DELETE);
}

static int apply_batch(struct node_sqlite *s, const struct rf_node_batch *batch)
{
    int rc = SQLITE_OK;
    for (size_t i = 0; i < batch->op_count && rc == SQLITE_OK; i++) {
        const struct rf_persist_op *op = &batch->ops[i];
        rc = op->type == RF_PERSIST_PUT ? put(s, &op->record) : delete (s, &op->record);
    }
    return rc;
}

static int sqlite_apply(struct rf_node_store *store, const struct rf_node_batch *batches, size_t batch_count)
{
    struct node_sqlite *s = (struct node_sqlite *)store;
    int rc = step(s, ST_BEGIN);
    if (rc != SQLITE_OK)
        return node_failed(s, "begin a transaction", rc);
    for (size_t i = 0; i < batch_count && rc == SQLITE_OK; i++)
        rc = apply_batch(s, &batches[i]);
    if (rc == SQLITE_OK)
        rc = step(s, ST_COMMIT);
    if (rc == SQLITE_OK)
        return 0;
    int error = node_failed(s, "write stored values", rc);
    rollback(s);
    return error;
}

static int sqlite_load(struct rf_node_store *store, int (*each)(void *ctx, const struct rf_record *record),
                       void *ctx)
{
    struct node_sqlite *s = (struct node_sqlite *)store;
    sqlite3_stmt *st = s->st[ST_LOAD];
    int error = 0;
    int rc;
    while ((rc = sqlite3_step(st)) == SQLITE_ROW && error == 0) {
        struct rf_record record = {
            .resource = column_view(st, 0),
            .kind = (uint32_t)sqlite3_column_int64(st, 1),
            .slot = column_view(st, 2),
            .generation = (uint64_t)sqlite3_column_int64(st, 3),
            .storage_time_ms = (uint64_t)sqlite3_column_int64(st, 4),
            .expires_ms = (uint64_t)sqlite3_column_int64(st, 5),
            .replica_number = (uint8_t)sqlite3_column_int(st, 6),
            .stored_data = column_view(st, 7),
            .cert = column_view(st, 8),
        };
        error = each(ctx, &record);
    }
    if (error == 0 && rc != SQLITE_DONE)
        error = node_failed(s, "read stored values", rc);
    sqlite3_reset(st);
    return error;
}

static int sqlite_get(struct rf_node_store *store, const char *key, struct rf_buf *out)
{
    struct node_sqlite *s = (struct node_sqlite *)store;
    sqlite3_stmt *st = s->st[ST_STATE_GET];
    sqlite3_bind_text(st, 1, key, -1, SQLITE_STATIC);
    int rc = sqlite3_step(st);
    int error = RF_ENOTFOUND;
    if (rc == SQLITE_ROW) {
        rf_buf_view_put(out, column_view(st, 0));
        error = rf_buf_error(out);
    } else if (rc != SQLITE_DONE) {
        error = node_failed(s, "read the node's state", rc);
    }
    sqlite3_reset(st);
    return error;
}

static int sqlite_put(struct rf_node_store *store, const char *key, struct rf_view value)
{
    struct node_sqlite *s = (struct node_sqlite *)store;
    enum node_statement which = value.len > 0 ? ST_STATE_PUT : ST_STATE_DELETE;
    sqlite3_bind_text(s->st[which], 1, key, -1, SQLITE_STATIC);
    if (value.len > 0)
        sqlite_bind_bytes(s->st[which], 2, value);
    int rc = step(s, which);
    return rc == SQLITE_OK ? 0 : node_failed(s, "write the node's state", rc);
}

static const char *sqlite_error_text(struct rf_node_store *store)
{
    return ((struct node_sqlite *)store)->error;
}

static void sqlite_close(struct rf_node_store *store)
{
    struct node_sqlite *s = (struct node_sqlite *)store;
    for (size_t i = 0; i < ST_COUNT; i++)
        sqlite3_finalize(s->st[i]);
    sqlite3_close(s->db);
    rf_free(s->mem, s);
}

static const struct rf_node_store_ops sqlite_ops = {
    .close = sqlite_close,
    .load = sqlite_load,
    .apply = sqlite_apply,
    .get = sqlite_get,
    .put = sqlite_put,
    .error_text = sqlite_error_text,
};

/* ---- opening ---- */

static int exec(struct node_sqlite *s, const char *sql)
{
    return sqlite3_exec(s->db, sql, NULL, NULL, NULL);
}

/* quick_check answers with one row "ok", or with what is wrong. */
static int check_pages(struct node_sqlite *s)
{
    sqlite3_stmt *st = NULL;
    int rc = sqlite3_prepare_v2(s->db, "PRAGMA quick_check(1)", -1, &st, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(st);
    if (rc == SQLITE_ROW) {
        const unsigned char *text = sqlite3_column_text(st, 0);
        rc = text != NULL && strcmp((const char *)text, "ok") == 0 ? SQLITE_OK : SQLITE_CORRUPT;
    }
    sqlite3_finalize(st);
    return rc;
}

/* A new file gets the schema; an existing one must be ours and of a version that we know. */
static int open_schema(struct node_sqlite *s)
{
    int64_t application = 0, version = 0, tables = 0;
    int rc = sqlite_int(s->db, "PRAGMA application_id", &application);
    if (rc == SQLITE_OK)
        rc = sqlite_int(s->db, "PRAGMA user_version", &version);
    if (rc == SQLITE_OK)
        rc = sqlite_int(s->db, "SELECT count(*) FROM sqlite_master", &tables);
    if (rc != SQLITE_OK)
        return node_failed(s, "open the database", rc);
    if (tables > 0 && application != NODE_APPLICATION_ID) {
        snprintf(s->error, sizeof(s->error),
                 "open the database: the file is no database of a node: choose another path");
        return RF_EDATABASE;
    }
    if (version > NODE_SCHEMA_VERSION) {
        snprintf(s->error, sizeof(s->error),
                 "open the database: it was written by a newer version of this program (format %lld, known "
                 "%d): update",
                 (long long)version, NODE_SCHEMA_VERSION);
        return RF_EVERSION;
    }
    if (tables == 0) {
        char header[96];
        snprintf(header, sizeof(header), "PRAGMA application_id = %d; PRAGMA user_version = %d;",
                 NODE_APPLICATION_ID, NODE_SCHEMA_VERSION);
        if ((rc = exec(s, "BEGIN IMMEDIATE")) == SQLITE_OK && (rc = exec(s, schema)) == SQLITE_OK &&
            (rc = exec(s, header)) == SQLITE_OK)
            rc = exec(s, "COMMIT");
        if (rc != SQLITE_OK)
            return node_failed(s, "create the database", rc);
    }
    return 0;
}

static int open_prepare(struct node_sqlite *s)
{
    int rc = SQLITE_OK;
    for (size_t i = 0; i < ST_COUNT && rc == SQLITE_OK; i++)
        rc = sqlite3_prepare_v3(s->db, statements[i], -1, SQLITE_PREPARE_PERSISTENT, &s->st[i], NULL);
    return rc == SQLITE_OK ? 0 : node_failed(s, "open the database", rc);
}

static int open_db(struct node_sqlite *s, const char *path)
{
    int rc = sqlite3_open_v2(path, &s->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_FULLMUTEX,
                             NULL);
    if (rc != SQLITE_OK)
        return node_failed(s, "open the database", rc);
    sqlite3_extended_result_codes(s->db, 1);
    sqlite3_busy_timeout(s->db, NODE_BUSY_MS);
    /* EXCLUSIVE before WAL: the lock is held until close, and no shared memory file is needed */
    if ((rc = exec(s, "PRAGMA locking_mode = EXCLUSIVE")) != SQLITE_OK ||
        (rc = exec(s, "PRAGMA journal_mode = WAL")) != SQLITE_OK ||
        (rc = exec(s, "PRAGMA synchronous = FULL")) != SQLITE_OK ||
        (rc = exec(s, "PRAGMA foreign_keys = OFF")) != SQLITE_OK ||
        (rc = exec(s, "BEGIN IMMEDIATE; COMMIT")) != SQLITE_OK || (rc = check_pages(s)) != SQLITE_OK)
        return node_failed(s, "open the database", rc);
    int error = open_schema(s);
    if (error == 0)
        error = open_prepare(s);
    if (error != 0)
        return error;
    rc = exec(s, tidy);
    return rc == SQLITE_OK ? 0 : node_failed(s, "tidy the database", rc);
}

int rf_node_sqlite_open(struct rf_mem *mem, const char *path, struct rf_node_store **out, char *error_text,
                        size_t error_text_len)
{
    struct node_sqlite *s = rf_zalloc(mem, sizeof(*s));
    if (s == NULL)
        return RF_ENOMEM;
    s->store.ops = &sqlite_ops;
    s->mem = mem;
    int error = open_db(s, path);
    if (error != 0) {
        if (error_text != NULL && error_text_len > 0)
            snprintf(error_text, error_text_len, "%s", s->error);
        sqlite_close(&s->store);
        return error;
    }
    *out = &s->store;
    return 0;
}
