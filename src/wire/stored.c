/* stored.c - StoredData and its metadata in the three data models. */
#include "wire/stored.h"

#include "base/assert.h"
#include "wire/code.h"
#include "wire/internal.h"

#define INDEX_LEN 4

enum rf_model rf_kind_model(uint32_t kind)
{
    switch (kind) {
    case RF_KIND_SIP_REGISTRATION:
    case RF_KIND_REDIR:
        return RF_MODEL_DICTIONARY;
    case RF_KIND_TURN_SERVICE:
        return RF_MODEL_SINGLE;
    case RF_KIND_CERTIFICATE_BY_NODE:
    case RF_KIND_CERTIFICATE_BY_USER:
    case RF_KIND_ACCESS_CONTROL_LIST:
        return RF_MODEL_ARRAY;
    default:
        return (enum rf_model)0;
    }
}

const char *rf_model_name(enum rf_model model)
{
    switch (model) {
    case RF_MODEL_SINGLE:
        return "SINGLE";
    case RF_MODEL_ARRAY:
        return "ARRAY";
    case RF_MODEL_DICTIONARY:
        return "DICTIONARY";
    }
    return "unknown";
}

/* decode_slot reads what stands before a DataValue or MetaData. */
static int decode_slot(struct rf_view *in, enum rf_model model, struct rf_view *slot, uint32_t *index)
{
    struct rf_view bytes;
    int error;

    *index = 0;
    switch (model) {
    case RF_MODEL_SINGLE:
        *slot = rf_view_of(in->p, 0);
        return 0;
    case RF_MODEL_ARRAY:
        if ((error = rf_view_take(in, INDEX_LEN, slot)) != 0)
            return error;
        bytes = *slot;
        return rf_view_u32(&bytes, index);
    case RF_MODEL_DICTIONARY:
        return rf_view_v(in, 2, slot);
    }
    return RF_EINVAL;
}

static void encode_slot(enum rf_model model, struct rf_view slot, struct rf_buf *out)
{
    switch (model) {
    case RF_MODEL_SINGLE:
        if (slot.len != 0)
            break;
        return;
    case RF_MODEL_ARRAY:
        if (slot.len != INDEX_LEN)
            break;
        rf_buf_view_put(out, slot);
        return;
    case RF_MODEL_DICTIONARY:
        rf_buf_v(out, 2, slot);
        return;
    }
    rf_buf_fail(out, RF_EINVAL);
}

int rf_stored_next(struct rf_view *list, struct rf_stored *out)
{
    struct rf_view at = *list, body;
    struct rf_stored stored;
    int error;

    if ((error = rf_view_v(&at, 4, &body)) != 0)
        return error;
    if (rf_view_u64(&body, &stored.storage_time_ms) != 0 || rf_view_u32(&body, &stored.lifetime_s) != 0)
        return RF_ELENGTH;
    stored.raw = rf_view_of(list->p, (size_t)(at.p - list->p));
    stored.rest = body;
    *list = at;
    *out = stored;
    return 0;
}

int rf_stored_list_check(struct rf_view list, size_t *count)
{
    struct rf_stored stored;
    size_t n = 0;

    for (; list.len > 0; n++) {
        int error = rf_stored_next(&list, &stored);
        if (error != 0)
            return error;
    }
    if (count != NULL)
        *count = n;
    return 0;
}

int rf_stored_data_decode(const struct rf_stored *stored, enum rf_model model, struct rf_stored_data *out)
{
    struct rf_stored_data data = {
        .storage_time_ms = stored->storage_time_ms, .lifetime_s = stored->lifetime_s, .model = model};
    struct rf_view at = stored->rest;
    int error;

    if ((error = decode_slot(&at, model, &data.slot, &data.index)) != 0 ||
        (error = rf_view_bool(&at, &data.exists)) != 0 || (error = rf_view_v(&at, 4, &data.value)) != 0)
        return error;
    if (!data.exists && data.value.len > 0)
        return RF_EFORMAT;
    data.value_raw = rf_view_of(stored->rest.p, (size_t)(at.p - stored->rest.p));
    data.signature_raw = at;
    if ((error = rf_signature_decode(&at, &data.signature)) != 0 || (error = wire_end(at)) != 0)
        return error;
    *out = data;
    return 0;
}

void rf_data_value_encode(enum rf_model model, struct rf_view slot, bool exists, struct rf_view value,
                          struct rf_buf *out)
{
    encode_slot(model, slot, out);
    if (!exists && value.len > 0)
        rf_buf_fail(out, RF_EINVAL);
    rf_buf_bool(out, exists);
    rf_buf_v(out, 4, value);
}

void rf_stored_encode(uint64_t storage_time_ms, uint32_t lifetime_s, struct rf_view value_raw,
                      struct rf_view signature_raw, struct rf_buf *out)
{
    size_t mark = rf_buf_open(out, 4);

    rf_buf_u64(out, storage_time_ms);
    rf_buf_u32(out, lifetime_s);
    rf_buf_view_put(out, value_raw);
    rf_buf_view_put(out, signature_raw);
    rf_buf_close(out, mark, 4);
}

void rf_stored_data_encode(const struct rf_stored_data *data, struct rf_buf *out)
{
    size_t mark = rf_buf_open(out, 4);

    rf_buf_u64(out, data->storage_time_ms);
    rf_buf_u32(out, data->lifetime_s);
    rf_data_value_encode(data->model, data->slot, data->exists, data->value, out);
    rf_signature_encode(&data->signature, out);
    rf_buf_close(out, mark, 4);
}

void rf_stored_relabel(const struct rf_stored_data *data, uint32_t index, uint32_t lifetime_s,
                       struct rf_buf *out)
{
    size_t mark = rf_buf_open(out, 4);
    struct rf_view value = data->value_raw, old;

    rf_buf_u64(out, data->storage_time_ms);
    rf_buf_u32(out, lifetime_s);
    if (data->model == RF_MODEL_ARRAY) {
        RF_ASSERT(rf_view_take(&value, INDEX_LEN, &old) == 0);
        rf_buf_u32(out, index);
    }
    rf_buf_view_put(out, value);
    rf_buf_view_put(out, data->signature_raw);
    rf_buf_close(out, mark, 4);
}

void rf_stored_none_encode(enum rf_model model, struct rf_view slot, struct rf_buf *out)
{
    struct rf_stored_data data = {.model = model, .slot = slot, .signature = rf_signature_none};

    rf_stored_data_encode(&data, out);
}

void rf_signed_stored(struct rf_view resource, uint32_t kind, uint64_t storage_time_ms, enum rf_model model,
                      struct rf_view value_raw, struct rf_signed *out)
{
    struct rf_buf head;
    struct rf_view value = value_raw, index;

    rf_buf_fixed(&head, out->head, sizeof out->head);
    rf_buf_u32(&head, kind);
    rf_buf_u64(&head, storage_time_ms);
    if (model == RF_MODEL_ARRAY) {
        RF_ASSERT(rf_view_take(&value, INDEX_LEN, &index) == 0);
        rf_buf_u32(&head, 0);
    }
    out->parts[0] = resource;
    out->parts[1] = rf_buf_view(&head);
    out->parts[2] = value;
    out->part_count = 3;
}

int rf_stored_meta_next(struct rf_view *list, enum rf_model model, struct rf_stored_meta *out)
{
    struct rf_view at = *list;
    struct rf_stored stored;
    struct rf_stored_meta meta = {.model = model};
    int error;

    if ((error = rf_stored_next(&at, &stored)) != 0)
        return error;
    meta.storage_time_ms = stored.storage_time_ms;
    meta.lifetime_s = stored.lifetime_s;
    if ((error = decode_slot(&stored.rest, model, &meta.slot, &meta.index)) != 0 ||
        (error = rf_view_bool(&stored.rest, &meta.exists)) != 0 ||
        (error = rf_view_u32(&stored.rest, &meta.value_len)) != 0 ||
        (error = rf_view_u8(&stored.rest, &meta.hash_alg)) != 0 ||
        (error = rf_view_v(&stored.rest, 1, &meta.hash)) != 0 || (error = wire_end(stored.rest)) != 0)
        return error;
    *list = at;
    *out = meta;
    return 0;
}

void rf_stored_meta_encode(const struct rf_stored_meta *meta, struct rf_buf *out)
{
    size_t mark = rf_buf_open(out, 4);

    rf_buf_u64(out, meta->storage_time_ms);
    rf_buf_u32(out, meta->lifetime_s);
    encode_slot(meta->model, meta->slot, out);
    rf_buf_bool(out, meta->exists);
    rf_buf_u32(out, meta->value_len);
    rf_buf_u8(out, meta->hash_alg);
    rf_buf_v(out, 1, meta->hash);
    rf_buf_close(out, mark, 4);
}
