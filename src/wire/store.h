/*
 * store.h - bodies of Store, Fetch, Stat and Find (reload.md 4.3-4.5, 4.9).
 *
 *     StoreReq   resource v8 | replica_number u8 | list32 (kind u32 | generation u64 | list32 StoredData)
 *     StoreAns   list16 (kind u32 | generation u64 | list16 NodeId)
 *     FetchReq   resource v8 | list16 (kind u32 | generation u64 | model specifier v16)         StatReq the same
 *     FetchAns   list32 (kind u32 | generation u64 | list32 StoredData)     StatAns the same with StoredMetaData
 *     FindReq    resource v8 | list8 kind u32          FindAns  list16 (kind u32 | closest v8)
 */
#ifndef RF_WIRE_STORE_H
#define RF_WIRE_STORE_H

#include "wire/stored.h"

#define RF_STORE_MAX_KINDS  256 /* in one message */
#define RF_FETCH_MAX_RANGES 256 /* ArrayRanges in one specifier */

/* What a message says under one Kind. */
struct rf_kind_values {
    uint32_t kind;
    uint64_t generation;
    struct rf_view
        values; /* StoreReq, FetchAns: checked list of StoredData, rf_stored_next; StatAns: of StoredMetaData */
    size_t value_count; /* not looked at by the encoder */
};

/* Decoders read a whole body, arrays live in the region. Errors of all: RF_ESHORT, RF_ELENGTH, RF_ELIMIT too many Kinds,
 * RF_EDUPLICATE a Kind stands twice, RF_ENOMEM. */

struct rf_store_req {
    struct rf_view resource; /* Resource-ID, 0..254 bytes */
    uint8_t replica_number;
    struct rf_kind_values *kinds;
    size_t kind_count;
};
int rf_store_req_decode(struct rf_view body, struct rf_region *region, struct rf_store_req *out);
void rf_store_req_encode(const struct rf_store_req *req, struct rf_buf *out);

struct rf_store_ans_kind {
    uint32_t kind;
    uint64_t generation;
    struct rf_id *replicas;
    size_t replica_count;
};
struct rf_store_ans {
    struct rf_store_ans_kind *kinds;
    size_t kind_count;
};
int rf_store_ans_decode(struct rf_view body, uint8_t id_len, struct rf_region *region,
                        struct rf_store_ans *out);
void rf_store_ans_encode(const struct rf_store_ans *ans, struct rf_buf *out);

/* StoredDataSpecifier. */
struct rf_specifier {
    uint32_t kind;
    uint64_t generation;            /* last seen, 0 = always send */
    struct rf_view model_specifier; /* its shape is the Kind's model's: rf_selection_decode */
};
struct rf_fetch_req { /* and StatReq */
    struct rf_view resource;
    struct rf_specifier *specifiers;
    size_t specifier_count;
};
int rf_fetch_req_decode(struct rf_view body, struct rf_region *region, struct rf_fetch_req *out);
void rf_fetch_req_encode(const struct rf_fetch_req *req, struct rf_buf *out);
/* One specifier alone, from the front of `in` (RELOAD URIs). Errors: RF_ESHORT. */
int rf_specifier_decode(struct rf_view *in, struct rf_specifier *out);
void rf_specifier_encode(const struct rf_specifier *specifier, struct rf_buf *out);

/* What a specifier asks for. */
struct rf_array_range {
    uint32_t first, last; /* both included; RF_ARRAY_LAST = the last element */
};
struct rf_selection {
    struct rf_array_range *ranges; /* ARRAY: none overlap */
    size_t range_count;
    struct rf_view *keys; /* DICTIONARY: none = all */
    size_t key_count;
};
/*
 * rf_selection_decode reads a model specifier. Errors: RF_ESHORT, RF_ELENGTH (also bytes where SINGLE has none), RF_EFORMAT
 * first > last or overlapping ranges, RF_ELIMIT, RF_EINVAL model, RF_ENOMEM.
 */
int rf_selection_decode(struct rf_view model_specifier, enum rf_model model, struct rf_region *region,
                        struct rf_selection *out);
/* rf_selection_encode appends the model specifier without its length. */
void rf_selection_encode(const struct rf_selection *selection, enum rf_model model, struct rf_buf *out);

struct rf_fetch_ans { /* and StatAns, which has metadata in `values` */
    struct rf_kind_values *kinds;
    size_t kind_count;
};
int rf_fetch_ans_decode(struct rf_view body, struct rf_region *region, struct rf_fetch_ans *out);
void rf_fetch_ans_encode(const struct rf_fetch_ans *ans, struct rf_buf *out);

struct rf_find_req {
    struct rf_view resource;
    uint32_t *kinds;
    size_t kind_count;
};
int rf_find_req_decode(struct rf_view body, struct rf_region *region, struct rf_find_req *out);
void rf_find_req_encode(const struct rf_find_req *req, struct rf_buf *out);

struct rf_find_kind {
    uint32_t kind;
    struct rf_view closest; /* Resource-ID; all zero or empty: none (D22) */
};
struct rf_find_ans {
    struct rf_find_kind *kinds;
    size_t kind_count;
};
int rf_find_ans_decode(struct rf_view body, struct rf_region *region, struct rf_find_ans *out);
void rf_find_ans_encode(const struct rf_find_ans *ans, struct rf_buf *out);

#endif
