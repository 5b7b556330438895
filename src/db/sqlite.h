/* sqlite.h - what the node's and the enrolment server's SQLite database share. */
#ifndef RF_DB_SQLITE_H
#define RF_DB_SQLITE_H

#include <sqlite3.h>
#include "base/view.h"

/* sqlite_error turns a result of SQLite into ours: RF_ENOMEM, RF_EBUSY, else RF_EDATABASE. */
int sqlite_error(int rc);
/* sqlite_advice: what a person can do about a failure, as a sentence without a full stop; `damaged` where the file is. */
const char *sqlite_advice(int rc, const char *damaged);
/* sqlite_int runs a statement that answers with one number. Returns SQLite's result, SQLITE_OK when `out` is filled. */
int sqlite_int(sqlite3 *db, const char *text, int64_t *out);
/* sqlite_bind_bytes binds a view, which stays borrowed until the statement is reset; one without bytes is an empty value, not NULL. */
int sqlite_bind_bytes(sqlite3_stmt *st, int at, struct rf_view v);

#endif
