/* node.h - opens the disk below a node (node/store.h). */
#ifndef RF_DB_NODE_H
#define RF_DB_NODE_H

#include "base/mem.h"
#include "node/store.h"

/*
 * rf_node_sqlite_open opens or creates the SQLite database at `path` (WAL, synchronous=FULL).
 * error_text: on failure one sentence of at most error_text_len bytes with NUL, with what to do about it; may be NULL.
 * Errors: RF_EDATABASE cannot be opened, is damaged, or is no database of ours; RF_EVERSION written by a newer program;
 * RF_EBUSY another process has it open for writing; RF_ENOMEM.
 */
int rf_node_sqlite_open(struct rf_mem *mem, const char *path, struct rf_node_store **out, char *error_text,
                        size_t error_text_len);

#endif
