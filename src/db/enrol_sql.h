/*
 * enrol_sql.h - what the two databases of enrolment share: enrol_sql.c has the SQL, one text for both, and the operations of
 * enrol/store.h; enrol_sqlite.c and enrol_postgres.c only run a statement with values and hand back its rows.
 */
#ifndef RF_DB_ENROL_SQL_H
#define RF_DB_ENROL_SQL_H

#include "db/enrol.h"

#define SQL_SCHEMA_VERSION 1
#define SQL_BUSY_MS        5000 /* how long a transaction waits for the one of another process */
#define SQL_PARAMS_MAX     8
#define SQL_COLUMNS_MAX    8
#define SQL_ERROR_SIZE     300

enum sql_type { SQL_NULL, SQL_INT, SQL_TEXT, SQL_BLOB };
struct sql_value {
    enum sql_type type;
    int64_t i;
    struct rf_view v; /* of TEXT and BLOB; borrowed while a row is shown, or while a statement runs */
};
struct sql_row {
    struct sql_value column[SQL_COLUMNS_MAX];
    size_t count;
};
typedef int sql_each(void *ctx, const struct sql_row *row);

enum sql_statement {
    SQL_USER_GET,
    SQL_USER_PUT,
    SQL_USER_EACH,
    SQL_INVITE_GET,
    SQL_INVITE_PUT,
    SQL_INVITE_PRUNE,
    SQL_DEVICE_GET,
    SQL_DEVICE_BY_KEY,
    SQL_DEVICE_PUT,
    SQL_DEVICE_EACH,
    SQL_DEVICE_EACH_OF,
    SQL_CERT_PUT,
    SQL_DOCUMENT_NUMBER,
    SQL_DOCUMENT_GET,
    SQL_DOCUMENT_PUT,
    SQL_STATEMENT_COUNT
};
extern const char *const sql_statements[SQL_STATEMENT_COUNT];

struct sql;
struct sql_driver {
    /* begin starts a transaction that excludes those of all others. */
    int (*begin)(struct sql *s);
    int (*commit)(struct sql *s);
    void (*rollback)(struct sql *s);
    /* run executes one statement; `each` (may be NULL) sees its rows; *changed (may be NULL) counts rows written. */
    int (*run)(struct sql *s, enum sql_statement statement, const struct sql_value *params, size_t count,
               sql_each *each, void *ctx, uint64_t *changed);
    /* version of the tables, 0: there are none. make_tables runs `schema`, to which it may add. Both inside a transaction. */
    int (*version)(struct sql *s, int64_t *out);
    const char *blob; /* the database's type for bytes */
    int (*make_tables)(struct sql *s, struct rf_buf *schema);
    void (*close)(struct sql *s); /* frees s too */
};
/* The front of both implementations. */
struct sql {
    struct rf_enrol_store store;
    const struct sql_driver *driver;
    struct rf_mem *mem;
    char error[SQL_ERROR_SIZE]; /* what the database said; empty after a call that succeeded */
};
/* sql_init fills in the operations. */
void sql_init(struct sql *s, struct rf_mem *mem, const struct sql_driver *driver);
/* sql_tables makes the tables if there are none and `create`. Errors as rf_enrol_db_open. */
int sql_tables(struct sql *s, bool create);

/* Open one sort; s->error is set when *out is set although the call failed (then the caller closes it). */
int sql_sqlite_open(struct rf_mem *mem, const char *path, bool create, struct sql **out);
int sql_postgres_open(struct rf_mem *mem, const char *url, bool create, struct sql **out);

#endif
