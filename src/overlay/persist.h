/* persist.h - what of the storage must outlive the process: records, as the disk sees them. */
#ifndef RF_OVERLAY_PERSIST_H
#define RF_OVERLAY_PERSIST_H

#include "base/region.h"
#include "base/view.h"

/* One stored value. All views are borrowed for the call that carries the record. */
struct rf_record {
    struct rf_view resource; /* raw Resource-ID */
    uint32_t kind;
    struct rf_view slot;        /* SINGLE: empty; ARRAY: u32 index big-endian; DICTIONARY: the key */
    uint64_t generation;        /* of the (resource, kind) after this change */
    uint64_t storage_time_ms;   /* writer's clock */
    uint64_t expires_ms;        /* wall clock */
    uint8_t replica_number;     /* 0: we were responsible when it came */
    struct rf_view stored_data; /* the whole StoredData as received (real array index filled in) */
    struct rf_view
        cert; /* the value signer's certificate, DER, followed by the intermediates that it needs */
};

enum rf_persist_type {
    RF_PERSIST_PUT = 1,    /* insert or replace (resource, kind, slot) */
    RF_PERSIST_DELETE = 2, /* resource, kind, slot are set; the rest is not */
};
struct rf_persist_op {
    enum rf_persist_type type;
    struct rf_record record;
};

/*
 * rf_persist_copy copies changes with all that they point to.
 * out   on success an array of op_count, in `region`, as are the bytes
 * Errors: RF_ENOMEM (what was copied by then stays in the region).
 */
int rf_persist_copy(struct rf_region *region, const struct rf_persist_op *ops, size_t op_count,
                    struct rf_persist_op **out);

#endif
