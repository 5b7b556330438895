/* sqlite.c - what the node's and the enrolment server's SQLite database share. */
#include "db/sqlite.h"

#include "base/error.h"

int sqlite_error(int rc)
{
    switch (rc & 0xff) {
    case SQLITE_NOMEM:
        return RF_ENOMEM;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return RF_EBUSY;
    default:
        return RF_EDATABASE;
    }
}

const char *sqlite_advice(int rc, const char *damaged)
{
    switch (rc & 0xff) {
    case SQLITE_FULL:
        return "the disk is full: free some space";
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return damaged;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return "another process uses the database: stop it first";
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
    case SQLITE_AUTH:
        return "the file cannot be opened: check the path and its permissions";
    case SQLITE_READONLY:
        return "the database may not be written: check the permissions of the file and of its folder";
    case SQLITE_IOERR:
        return "the disk refused to read or write: check the disk and its free space";
    default:
        return "see the reason given";
    }
}

int sqlite_int(sqlite3 *db, const char *text, int64_t *out)
{
    sqlite3_stmt *st = NULL;
    int rc = sqlite3_prepare_v2(db, text, -1, &st, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(st);
    if (rc == SQLITE_ROW) {
        *out = sqlite3_column_int64(st, 0);
        rc = SQLITE_OK;
    }
    sqlite3_finalize(st);
    return rc;
}

int sqlite_bind_bytes(sqlite3_stmt *st, int at, struct rf_view v)
{
    /* a NULL pointer would bind NULL */
    return sqlite3_bind_blob64(st, at, v.len > 0 ? (const void *)v.p : "", v.len, SQLITE_STATIC);
}
