/*
 * stored.h - StoredData, DataValue and their metadata in the three data models (reload.md 4.2, 4.5).
 *
 *     StoredData       length u32 | storage_time u64 | lifetime u32 | StoredDataValue | Signature
 *     StoredDataValue  SINGLE: DataValue   ARRAY: index u32, DataValue   DICTIONARY: key v16, DataValue
 *     DataValue        exists bool | value v32
 *
 * The model is the Kind's and not on the wire: lists of StoredData are checked and walked without it (rf_stored_next), a
 * value is decoded with it (rf_stored_data_decode).
 *
 * A slot names a value under its Kind: SINGLE: empty; ARRAY: the index as 4 bytes big-endian; DICTIONARY: the key.
 */
#ifndef RF_WIRE_STORED_H
#define RF_WIRE_STORED_H

#include "wire/contents.h"

enum rf_model { RF_MODEL_SINGLE = 1, RF_MODEL_ARRAY = 2, RF_MODEL_DICTIONARY = 3 };
#define RF_ARRAY_APPEND UINT32_C(0xffffffff) /* index in a Store: at the end */
#define RF_ARRAY_LAST   UINT32_C(0xffffffff) /* bound of a range: the last element */

/* rf_kind_model: the model of a registered Kind (4.8), 0 for others. */
enum rf_model rf_kind_model(uint32_t kind);
const char *rf_model_name(enum rf_model model); /* "SINGLE", ... */

/* One StoredData of a list, as it stands there. */
struct rf_stored {
    struct rf_view raw; /* with its length: can be put into another message as it is */
    uint64_t storage_time_ms;
    uint32_t lifetime_s;
    struct rf_view rest; /* StoredDataValue ‖ Signature */
};
/* rf_stored_next reads one from the front of the list, which moves on. Errors: RF_ESHORT, RF_ELENGTH. */
int rf_stored_next(struct rf_view *list, struct rf_stored *out);
/* rf_stored_list_check walks a list and counts. Errors: those of rf_stored_next. */
int rf_stored_list_check(struct rf_view list, size_t *count);

struct rf_stored_data {
    uint64_t storage_time_ms;
    uint32_t lifetime_s;
    enum rf_model model;
    struct rf_view slot; /* see above */
    uint32_t index;      /* ARRAY */
    bool exists;
    struct rf_view value;
    struct rf_signature signature;
    struct rf_view value_raw;     /* StoredDataValue as received */
    struct rf_view signature_raw; /* Signature as received */
};
/*
 * rf_stored_data_decode decodes value and signature; all borrowed from stored.
 * Errors: RF_ESHORT, RF_ELENGTH bytes are left over, RF_EFORMAT a bool, or a value where none exists; RF_EUNKNOWN identity
 * type; RF_EINVAL model.
 */
int rf_stored_data_decode(const struct rf_stored *stored, enum rf_model model, struct rf_stored_data *out);

/* rf_data_value_encode appends a StoredDataValue. RF_EINVAL in `out`: the slot does not fit the model, or a value that does
 * not exist. */
void rf_data_value_encode(enum rf_model model, struct rf_view slot, bool exists, struct rf_view value,
                          struct rf_buf *out);
/* rf_stored_encode appends a StoredData from an encoded StoredDataValue and an encoded Signature. */
void rf_stored_encode(uint64_t storage_time_ms, uint32_t lifetime_s, struct rf_view value_raw,
                      struct rf_view signature_raw, struct rf_buf *out);
/* rf_stored_data_encode appends it from the decoded fields alone (the raw views are not looked at). */
void rf_stored_data_encode(const struct rf_stored_data *data, struct rf_buf *out);
/* rf_stored_relabel appends `stored` (ARRAY) with another index and lifetime: what the storing peer gives back. The
 * signature still holds, since it covers index 0 and no lifetime. For other models `index` is not used. */
void rf_stored_relabel(const struct rf_stored_data *data, uint32_t index, uint32_t lifetime_s,
                       struct rf_buf *out);
/* rf_stored_none_encode appends a synthesized nonexistent value (4.6). */
void rf_stored_none_encode(enum rf_model model, struct rf_view slot, struct rf_buf *out);

/*
 * rf_signed_stored lists what the signature of a stored value covers, but the SignerIdentity: Resource-ID bytes ‖ kind ‖
 * storage_time ‖ StoredDataValue with array index 0 (reload.md 2.6, D1). value_raw: an encoded StoredDataValue.
 */
void rf_signed_stored(struct rf_view resource, uint32_t kind, uint64_t storage_time_ms, enum rf_model model,
                      struct rf_view value_raw, struct rf_signed *out);

/* ---- metadata ---- */

struct rf_stored_meta {
    uint64_t storage_time_ms;
    uint32_t lifetime_s;
    enum rf_model model;
    struct rf_view slot;
    uint32_t index;
    bool exists;
    uint32_t value_len; /* bytes */
    uint8_t hash_alg;
    struct rf_view hash; /* of the value with its 4 length bytes */
};
/* rf_stored_meta_next reads one StoredMetaData from the front of the list. Errors: RF_ESHORT, RF_ELENGTH, RF_EFORMAT,
 * RF_EINVAL model. rf_stored_list_check walks such lists too. */
int rf_stored_meta_next(struct rf_view *list, enum rf_model model, struct rf_stored_meta *out);
void rf_stored_meta_encode(const struct rf_stored_meta *meta, struct rf_buf *out);

#endif
