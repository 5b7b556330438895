/* enrol.h - opens the enrolment server's database: SQLite or PostgreSQL behind enrol/store.h. */
#ifndef RF_DB_ENROL_H
#define RF_DB_ENROL_H

#include "enrol/store.h"

/*
 * rf_enrol_db_open opens a database and makes its tables if it has none.
 * where   "sqlite:PATH", or "postgresql://..." as libpq takes it
 * create  false: the tables must be there already
 * out     owned; store->ops->free. Used by one thread at a time; a lost PostgreSQL connection is made anew outside of transactions
 * error   (may be NULL) one sentence on failure, at most error_len bytes with NUL; holds no password
 * Errors: RF_EINVAL another sort of address, RF_ENOTFOUND no tables or no file, RF_EVERSION tables of a newer program, RF_EDATABASE, RF_EBUSY,
 * RF_ENOMEM.
 */
int rf_enrol_db_open(struct rf_mem *mem, const char *where, bool create, struct rf_enrol_store **out,
                     char *error, size_t error_len);
/* rf_enrol_db_error: what the database said when the last call failed, empty if it did not (borrowed until the next call). For logs. */
const char *rf_enrol_db_error(const struct rf_enrol_store *store);

#endif
