/*
 * store.h - the disk below a node: the storage's records and a small table of the node's own state. db/node_sqlite.c implements it
 * for the daemon. All calls are synchronous; the daemon may run them on a thread of its own, one call at a time.
 */
#ifndef RF_NODE_STORE_H
#define RF_NODE_STORE_H

#include "base/buf.h"
#include "base/error.h"
#include "overlay/persist.h"

struct rf_node_store {
    const struct rf_node_store_ops *ops;
};

/* What one rf_store_host.persist asked for. */
struct rf_node_batch {
    uint64_t token; /* not stored; the caller's */
    const struct rf_persist_op *ops;
    size_t op_count;
};

struct rf_node_store_ops {
    void (*close)(struct rf_node_store *s);
    /* load calls `each` for every record (views borrowed for the call); stops at its first non-zero return, which it returns.
     * Errors: RF_EDATABASE. */
    int (*load)(struct rf_node_store *s, int (*each)(void *ctx, const struct rf_record *record), void *ctx);
    /*
     * apply makes all batches durable in one transaction (group commit): all of them, or none.
     * Errors: RF_EDATABASE (the disk is full or broken; error_text tells), RF_EBUSY another process holds the database.
     */
    int (*apply)(struct rf_node_store *s, const struct rf_node_batch *batches, size_t batch_count);
    /* The node's own small values: remembered peers, last storage_time, the document. get appends to `out`, RF_ENOTFOUND. put with an
     * empty value removes. Durable when it returns. */
    int (*get)(struct rf_node_store *s, const char *key, struct rf_buf *out);
    int (*put)(struct rf_node_store *s, const char *key, struct rf_view value);
    /* error_text: a sentence about the last error, borrowed until the next call; never NULL. */
    const char *(*error_text)(struct rf_node_store *s);
};

#endif
