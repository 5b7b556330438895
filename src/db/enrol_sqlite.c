/*
 * enrol_sqlite.c - runs the statements of enrol_sql.c on SQLite: WAL, so that the server reads while the command line writes, and
 * synchronous=FULL, so that a commit is on the disk.
 */
#include <stdio.h>
#include "base/assert.h"
#include "db/enrol_sql.h"
#include "db/sqlite.h"

#define APPLICATION_ID 0x52464e45 /* "RFNE", in the file's header */

struct sqlite_db {
    struct sql sql;
    sqlite3 *db;
    sqlite3_stmt *statement[SQL_STATEMENT_COUNT];
};

static struct sqlite_db *of(struct sql *s)
{
    return RF_CONTAINER(s, struct sqlite_db, sql);
}

static int failed(struct sqlite_db *d, int rc)
{
    snprintf(d->sql.error, sizeof(d->sql.error), "%s", d->db ? sqlite3_errmsg(d->db) : sqlite3_errstr(rc));
    return (rc & 0xff) == SQLITE_CANTOPEN ? RF_ENOTFOUND : sqlite_error(rc);
}

static int db_exec(struct sql *s, const char *text)
{
    int rc = sqlite3_exec(of(s)->db, text, NULL, NULL, NULL);
    return rc == SQLITE_OK ? RF_OK : failed(of(s), rc);
}

static int db_begin(struct sql *s)
{
    return db_exec(s, "BEGIN IMMEDIATE");
}

static void db_rollback(struct sql *s)
{
    if (!sqlite3_get_autocommit(of(s)->db))
        sqlite3_exec(of(s)->db, "ROLLBACK", NULL, NULL, NULL);
}

static int db_commit(struct sql *s)
{
    int e = db_exec(s, "COMMIT");
    if (e != RF_OK)
        db_rollback(s);
    return e;
}

static int bind(sqlite3_stmt *st, int at, const struct sql_value *value)
{
    switch (value->type) {
    case SQL_INT:
        return sqlite3_bind_int64(st, at, value->i);
    case SQL_TEXT:
        return sqlite3_bind_text64(st, at, (const char *)value->v.p, value->v.len, SQLITE_STATIC,
                                   SQLITE_UTF8);
    case SQL_BLOB:
        return sqlite_bind_bytes(st, at, value->v);
    case SQL_NULL:
        break;
    }
    return sqlite3_bind_null(st, at);
}

static void read_row(sqlite3_stmt *st, struct sql_row *row)
{
    row->count = (size_t)sqlite3_column_count(st);
    RF_ASSERT(row->count <= SQL_COLUMNS_MAX);
    for (int i = 0; i < (int)row->count; i++) {
        struct sql_value *value = &row->column[i];
        memset(value, 0, sizeof(*value));
        int type = sqlite3_column_type(st, i);
        if (type == SQLITE_INTEGER) {
            value->type = SQL_INT;
            value->i = sqlite3_column_int64(st, i);
        } else if (type == SQLITE_TEXT || type == SQLITE_BLOB) {
            value->type = type == SQLITE_TEXT ? SQL_TEXT : SQL_BLOB;
            const void *p =
                type == SQLITE_TEXT ? (const void *)sqlite3_column_text(st, i) : sqlite3_column_blob(st, i);
            value->v = rf_view_of(p ? p : "", (size_t)sqlite3_column_bytes(st, i));
        }
    }
}

static int step(struct sqlite_db *d, sqlite3_stmt *st, sql_each *each, void *ctx)
{
    struct sql_row row;
    int rc, e = RF_OK;
    while (e == RF_OK && (rc = sqlite3_step(st)) != SQLITE_DONE) {
        if (rc != SQLITE_ROW)
            return failed(d, rc);
        read_row(st, &row);
        e = each ? each(ctx, &row) : RF_OK;
    }
    return e;
}

static int db_run(struct sql *s, enum sql_statement statement, const struct sql_value *params, size_t count,
                  sql_each *each, void *ctx, uint64_t *changed)
{
    struct sqlite_db *d = of(s);
    sqlite3_stmt **st = &d->statement[statement];
    int rc = SQLITE_OK;
    RF_ASSERT(count <= SQL_PARAMS_MAX);
    if (!*st)
        rc = sqlite3_prepare_v3(d->db, sql_statements[statement], -1, SQLITE_PREPARE_PERSISTENT, st, NULL);
    for (size_t i = 0; i < count && rc == SQLITE_OK; i++)
        rc = bind(*st, (int)i + 1, &params[i]);
    int e = rc == SQLITE_OK ? step(d, *st, each, ctx) : failed(d, rc);
    if (e == RF_OK && changed)
        *changed = (uint64_t)sqlite3_changes64(d->db);
    sqlite3_reset(*st);
    sqlite3_clear_bindings(*st);
    return e;
}

static void db_close(struct sql *s)
{
    struct sqlite_db *d = of(s);
    for (size_t i = 0; i < SQL_STATEMENT_COUNT; i++)
        sqlite3_finalize(d->statement[i]);
    sqlite3_close(d->db);
    rf_free(s->mem, d);
}

static int db_version(struct sql *s, int64_t *out)
{
    int rc = sqlite_int(of(s)->db, "PRAGMA user_version", out);
    return rc == SQLITE_OK ? RF_OK : failed(of(s), rc);
}

static int db_make_tables(struct sql *s, struct rf_buf *schema)
{
    rf_buf_printf(schema, "PRAGMA application_id=%d; PRAGMA user_version=%d;", APPLICATION_ID,
                  SQL_SCHEMA_VERSION);
    rf_buf_u8(schema, 0);
    return rf_buf_error(schema) == RF_OK ? db_exec(s, (const char *)schema->p) : RF_ENOMEM;
}

static const struct sql_driver driver = {
    .begin = db_begin,
    .commit = db_commit,
    .rollback = db_rollback,
    .run = db_run,
    .version = db_version,
    .blob = "BLOB",
    .make_tables = db_make_tables,
    .close = db_close,
};

int sql_sqlite_open(struct rf_mem *mem, const char *path, bool create, struct sql **out)
{
    struct sqlite_db *d = rf_zalloc(mem, sizeof(*d));
    if (!d)
        return RF_ENOMEM;
    sql_init(&d->sql, mem, &driver);
    *out = &d->sql;
    int rc = sqlite3_open_v2(
        path, &d->db, SQLITE_OPEN_READWRITE | (create ? SQLITE_OPEN_CREATE : 0) | SQLITE_OPEN_FULLMUTEX,
        NULL);
    if (rc != SQLITE_OK)
        return failed(d, rc);
    sqlite3_extended_result_codes(d->db, 1);
    sqlite3_busy_timeout(d->db, SQL_BUSY_MS);
    int e = db_exec(&d->sql, "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;");
    return e == RF_OK ? sql_tables(&d->sql, create) : e;
}
