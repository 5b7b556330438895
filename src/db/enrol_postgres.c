/*
 * enrol_postgres.c - runs the statements of enrol_sql.c on PostgreSQL through libpq, values in binary form.
 *
 * A transaction takes one advisory lock, so that transactions are serial as in SQLite. A connection that broke is made anew when the next
 * transaction begins or the next single read runs; inside a transaction a break ends it with RF_EDATABASE. A database that is there but does
 * not answer counts as a break too: everybody waits for us.
 */
#include <libpq-fe.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include "base/assert.h"
#include "db/enrol_sql.h"

#define LOCK_KEY "5930762001957" /* any number that others do not use in the same database */
#define RETRY_MS 3000            /* between tries to connect, so that not everybody waits for one */
#define ANSWER_MS                                                                                            \
    (2 * SQL_BUSY_MS + 1000) /* longer than the database's own limits, which come with a reason */
#define OID_INT8  20
#define OID_BYTEA 17
#define OID_TEXT  25

struct postgres_db {
    struct sql sql;
    PGconn *conn;
    bool in_transaction;
    uint64_t retry_ms; /* monotonic: no new connection before */
    bool silent;       /* the connection stands, but an answer is overdue: it is as good as broken */
};

static struct postgres_db *of(struct sql *s)
{
    return RF_CONTAINER(s, struct postgres_db, sql);
}

/* note keeps the first line of what the database said. */
static void note(struct postgres_db *d, const char *text)
{
    snprintf(d->sql.error, sizeof(d->sql.error), "%s", text && text[0] ? text : "PostgreSQL gave no reason");
    d->sql.error[strcspn(d->sql.error, "\r\n")] = '\0';
}

static uint64_t mono_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static bool connected(const struct postgres_db *d)
{
    return PQstatus(d->conn) == CONNECTION_OK && !d->silent;
}

/* ready waits until a result can be taken without waiting; false: no answer in time, or the connection broke. */
static bool ready(struct postgres_db *d)
{
    uint64_t end_ms = mono_ms() + ANSWER_MS;
    for (;;) {
        int unsent = PQflush(d->conn);
        if (unsent < 0 || !PQconsumeInput(d->conn))
            return false;
        if (unsent == 0 && !PQisBusy(d->conn))
            return true;
        uint64_t now_ms = mono_ms();
        struct pollfd p = {.fd = PQsocket(d->conn), .events = (short)(unsent ? POLLIN | POLLOUT : POLLIN)};
        if (now_ms >= end_ms || poll(&p, 1, (int)(end_ms - now_ms)) == 0) {
            d->silent = true;
            return false;
        }
    }
}

/* answer takes the result of what was sent (of several statements that of the last, or of the one that failed); NULL: there is none. */
static PGresult *answer(struct postgres_db *d, int sent)
{
    PGresult *last = NULL, *result;
    while (sent && ready(d) && (result = PQgetResult(d->conn)) != NULL) {
        PQclear(last);
        last = result;
    }
    if (connected(d))
        return last;
    PQclear(last);
    return NULL;
}

static int failed(struct postgres_db *d, const PGresult *result)
{
    const char *state = result ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : NULL;
    note(d, d->silent ? "PostgreSQL does not answer" : PQerrorMessage(d->conn));
    if (state &&
        (strcmp(state, "55P03") == 0 || strcmp(state, "57014") == 0)) /* lock_not_available, query_canceled */
        return RF_EBUSY;
    return RF_EDATABASE;
}

/* simple runs statements without values and throws their rows away. */
static int simple(struct postgres_db *d, const char *text)
{
    PGresult *result = answer(d, PQsendQuery(d->conn, text));
    ExecStatusType status = PQresultStatus(result);
    int e = status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK ? RF_OK : failed(d, result);
    PQclear(result);
    return e;
}

static int setup(struct postgres_db *d)
{
    char text[160];
    if (PQstatus(d->conn) != CONNECTION_OK) {
        note(d, PQerrorMessage(d->conn));
        return RF_EDATABASE;
    }
    d->silent = false;
    PQsetnonblocking(d->conn, 1);
    snprintf(text, sizeof(text),
             "SET lock_timeout = %d; SET statement_timeout = %d; SET synchronous_commit = on;", SQL_BUSY_MS,
             2 * SQL_BUSY_MS);
    return simple(d, text);
}

/*
 * alive makes the connection anew if it broke earlier. Everybody waits for that, up to the connect_timeout: so while the database is away
 * it is tried now and then only.
 */
static int alive(struct postgres_db *d)
{
    uint64_t start_ms = mono_ms();
    if (connected(d))
        return RF_OK;
    if (start_ms < d->retry_ms)
        return failed(d, NULL);
    PQreset(d->conn);
    int e = setup(d);
    uint64_t now_ms = mono_ms();
    d->retry_ms = e == RF_OK ? 0 : now_ms + RETRY_MS + 4 * (now_ms - start_ms);
    return e;
}

static int begin_once(struct postgres_db *d)
{
    int e = alive(d);
    if (e == RF_OK)
        e = simple(d, "BEGIN");
    if (e != RF_OK)
        return e;
    d->in_transaction = true;
    return simple(d, "SELECT pg_advisory_xact_lock(" LOCK_KEY ")");
}

static void db_rollback(struct sql *s)
{
    struct postgres_db *d = of(s);
    if (d->in_transaction && connected(d))
        PQclear(answer(d, PQsendQuery(d->conn, "ROLLBACK")));
    d->in_transaction = false;
}

static int db_begin(struct sql *s)
{
    int e = begin_once(of(s));
    if (e == RF_OK)
        return RF_OK;
    db_rollback(s);
    if (connected(of(s)) || of(s)->silent)
        return e;
    e = begin_once(of(s)); /* the break was noticed only now */
    if (e != RF_OK)
        db_rollback(s);
    return e;
}

/* A COMMIT of a transaction that failed before is answered with ROLLBACK and no error: its tag tells. */
static int db_commit(struct sql *s)
{
    struct postgres_db *d = of(s);
    PGresult *result = answer(d, PQsendQuery(d->conn, "COMMIT"));
    int e = PQresultStatus(result) == PGRES_COMMAND_OK ? RF_OK : failed(d, result);
    if (e == RF_OK && strcmp(PQcmdStatus(result), "COMMIT") != 0) {
        note(d, "the transaction was rolled back");
        e = RF_EDATABASE;
    }
    PQclear(result);
    d->in_transaction = false;
    return e;
}

static void put_int(uint8_t out[8], int64_t i)
{
    for (int b = 0; b < 8; b++)
        out[b] = (uint8_t)((uint64_t)i >> (56 - 8 * b));
}

static int read_row(struct postgres_db *d, const PGresult *result, int at, struct sql_row *row)
{
    row->count = (size_t)PQnfields(result);
    RF_ASSERT(row->count <= SQL_COLUMNS_MAX);
    for (int i = 0; i < (int)row->count; i++) {
        struct sql_value *value = &row->column[i];
        struct rf_view bytes = rf_view_of(PQgetvalue(result, at, i), (size_t)PQgetlength(result, at, i));
        Oid type = PQftype(result, i);
        uint64_t number = 0;
        memset(value, 0, sizeof(*value));
        if (PQgetisnull(result, at, i))
            continue;
        value->v = bytes;
        value->type = type == OID_TEXT ? SQL_TEXT : SQL_BLOB;
        if (type != OID_INT8)
            continue;
        value->type = SQL_INT;
        if (rf_view_u64(&bytes, &number) != RF_OK) {
            note(d, "PostgreSQL sent a number of another size");
            return RF_EDATABASE;
        }
        value->i = (int64_t)number;
    }
    return RF_OK;
}

static PGresult *execute(struct postgres_db *d, enum sql_statement statement, const struct sql_value *params,
                         size_t count)
{
    Oid types[SQL_PARAMS_MAX];
    const char *values[SQL_PARAMS_MAX];
    int lengths[SQL_PARAMS_MAX], formats[SQL_PARAMS_MAX];
    uint8_t ints[SQL_PARAMS_MAX][8];
    RF_ASSERT(count <= SQL_PARAMS_MAX);
    for (size_t i = 0; i < count; i++) {
        bool number = params[i].type == SQL_INT;
        put_int(ints[i], params[i].i);
        types[i] = number ? OID_INT8 : params[i].type == SQL_TEXT ? OID_TEXT : OID_BYTEA;
        values[i] = number ? (const char *)ints[i] : params[i].v.len > 0 ? (const char *)params[i].v.p : "";
        lengths[i] = number ? 8 : (int)params[i].v.len;
        formats[i] = 1;
    }
    return answer(d, PQsendQueryParams(d->conn, sql_statements[statement], (int)count, types, values, lengths,
                                       formats, 1));
}

static bool succeeded(const PGresult *result)
{
    return PQresultStatus(result) == PGRES_COMMAND_OK || PQresultStatus(result) == PGRES_TUPLES_OK;
}

static int db_run(struct sql *s, enum sql_statement statement, const struct sql_value *params, size_t count,
                  sql_each *each, void *ctx, uint64_t *changed)
{
    struct postgres_db *d = of(s);
    struct sql_row row;
    int e = d->in_transaction ? RF_OK : alive(d);
    if (e != RF_OK)
        return e;
    PGresult *result = execute(d, statement, params, count);
    if (!succeeded(result) && !d->in_transaction && !connected(d) && !d->silent && alive(d) == RF_OK) {
        PQclear(result);
        result = execute(d, statement, params, count);
    }
    if (!succeeded(result))
        e = failed(d, result);
    for (int i = 0; e == RF_OK && each && i < PQntuples(result); i++) {
        e = read_row(d, result, i, &row);
        if (e == RF_OK)
            e = each(ctx, &row);
    }
    if (e == RF_OK && changed)
        *changed = strtoull(PQcmdTuples(result), NULL, 10);
    PQclear(result);
    return e;
}

static void db_close(struct sql *s)
{
    PQfinish(of(s)->conn);
    rf_free(s->mem, of(s));
}

static void ignore_notice(void *arg, const PGresult *result)
{
    (void)arg;
    (void)result;
}

static int db_version(struct sql *s, int64_t *out)
{
    struct postgres_db *d = of(s);
    PGresult *result = answer(d, PQsendQuery(d->conn, "SELECT to_regclass('enrol_meta') IS NULL"));
    bool none = PQntuples(result) == 1 && PQgetvalue(result, 0, 0)[0] == 't';
    int e = succeeded(result) ? RF_OK : failed(d, result);
    PQclear(result);
    *out = 0;
    if (e != RF_OK || none)
        return e;
    result = answer(d, PQsendQuery(d->conn, "SELECT value FROM enrol_meta WHERE key = 'version'"));
    if (!succeeded(result))
        e = failed(d, result);
    else if (PQntuples(result) == 1)
        *out = atoi(PQgetvalue(result, 0, 0));
    PQclear(result);
    return e;
}

static int db_make_tables(struct sql *s, struct rf_buf *schema)
{
    rf_buf_u8(schema, 0);
    return rf_buf_error(schema) == RF_OK ? simple(of(s), (const char *)schema->p) : RF_ENOMEM;
}

static const struct sql_driver driver = {
    .begin = db_begin,
    .commit = db_commit,
    .rollback = db_rollback,
    .run = db_run,
    .version = db_version,
    .blob = "BYTEA",
    .make_tables = db_make_tables,
    .close = db_close,
};

int sql_postgres_open(struct rf_mem *mem, const char *url, bool create, struct sql **out)
{
    /* what stands in the URL wins over what stands before it */
    const char *const keys[] = {"connect_timeout", "tcp_user_timeout", "application_name",
                                "client_encoding", "dbname",           NULL};
    const char *const values[] = {"3", "10000", "ringfolk-enrol", "UTF8", url, NULL};
    struct postgres_db *d = rf_zalloc(mem, sizeof(*d));
    if (!d)
        return RF_ENOMEM;
    sql_init(&d->sql, mem, &driver);
    *out = &d->sql;
    d->conn = PQconnectdbParams(keys, values, 1);
    if (!d->conn)
        return RF_ENOMEM;
    PQsetNoticeReceiver(d->conn, ignore_notice, NULL);
    int e = setup(d);
    return e == RF_OK ? sql_tables(&d->sql, create) : e;
}
