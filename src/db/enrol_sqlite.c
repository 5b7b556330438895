/*
 * enrol_sqlite.c - runs the statements of enrol_sql.c on SQLite: WAL, so that the server reads while the command line writes, and
 * synchronous=FULL, so that a commit is on the disk.
 */
#include <sqlite3.h>
#include <stdio.h>
#include "base/assert.h"
#include "db/enrol_sql.h"

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
    switch (rc & 0xff) {
    case SQLITE_NOMEM:
        return RF_ENOMEM;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return RF_EBUSY;
    case SQLITE_CANTOPEN:
        return RF_ENOTFOUND;
    default:
        return RF_EDATABASE;
    }
}

static int exec(struct sqlite_db *d, const char *text)
{
    int rc = sqlite3_exec(d->db, text, NULL, NULL, NULL);
    return rc == SQLITE_OK ? RF_OK : failed(d, rc);
}

static int db_begin(struct sql *s)
{
    return exec(of(s), "BEGIN IMMEDIATE");
}

static void db_rollback(struct sql *s)
{
    if (!sqlite3_get_autocommit(of(s)->db))
        sqlite3_exec(of(s)->db, "ROLLBACK", NULL, NULL, NULL);
}

static int db_commit(struct sql *s)
{
    int e = exec(of(s), "COMMIT");
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
    case SQL_BLOB: /* a NULL pointer would bind NULL instead of no bytes */
        return sqlite3_bind_blob64(st, at, value->v.len > 0 ? (const void *)value->v.p : "", value->v.len,
                                   SQLITE_STATIC);
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

static const struct sql_driver driver = {db_begin, db_commit, db_rollback, db_run, db_close};

static int pragma_int(struct sqlite_db *d, const char *text, int *out)
{
    sqlite3_stmt *st = NULL;
    int rc = sqlite3_prepare_v2(d->db, text, -1, &st, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(st);
    if (rc == SQLITE_ROW)
        *out = sqlite3_column_int(st, 0);
    sqlite3_finalize(st);
    return rc == SQLITE_ROW ? RF_OK : failed(d, rc);
}

/* make_tables runs in a transaction of its own, so that of two processes only one makes them. */
static int make_tables(struct sqlite_db *d, bool create)
{
    int version = 0;
    struct rf_buf text;
    rf_buf_init(&text, d->sql.mem, 8192);
    int e = exec(d, "BEGIN IMMEDIATE");
    if (e == RF_OK)
        e = pragma_int(d, "PRAGMA user_version", &version);
    if (e == RF_OK && version == 0 && !create) {
        snprintf(d->sql.error, sizeof(d->sql.error), "the database is empty");
        e = RF_ENOTFOUND;
    } else if (e == RF_OK && version == 0) {
        sql_schema(&text, "BLOB");
        rf_buf_printf(&text, "PRAGMA application_id=%d; PRAGMA user_version=%d;", APPLICATION_ID,
                      SQL_SCHEMA_VERSION);
        rf_buf_u8(&text, 0);
        e = rf_buf_error(&text) == RF_OK ? exec(d, (const char *)text.p) : RF_ENOMEM;
    } else if (e == RF_OK && version > SQL_SCHEMA_VERSION) {
        snprintf(d->sql.error, sizeof(d->sql.error),
                 "the database was made by a newer version of this program");
        e = RF_EVERSION;
    }
    if (e == RF_OK)
        e = db_commit(&d->sql);
    else
        db_rollback(&d->sql);
    rf_buf_deinit(&text);
    return e;
}

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
    int e = exec(d, "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;");
    return e == RF_OK ? make_tables(d, create) : e;
}
