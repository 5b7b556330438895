/* store.c - Store, and the lists of Kinds with values that Fetch and Stat answer with. */
#include "wire/store.h"

#include "wire/internal.h"

/* kind_values_next reads kind, generation and a list of structures that begin with their length. */
static int kind_values_next(struct rf_view *in, struct rf_kind_values *out)
{
    int error;

    if ((error = rf_view_u32(in, &out->kind)) != 0 || (error = rf_view_u64(in, &out->generation)) != 0 ||
        (error = rf_view_v(in, 4, &out->values)) != 0)
        return error;
    return rf_stored_list_check(out->values, &out->value_count);
}

/* decode_kinds reads all of `list` into the region. */
static int decode_kinds(struct rf_view list, struct rf_region *region, struct rf_kind_values **out,
                        size_t *count)
{
    struct rf_kind_values kind, *kinds;
    struct rf_view at;
    size_t n = 0;
    int error;

    for (at = list; at.len > 0; n++) {
        if (n == RF_STORE_MAX_KINDS)
            return RF_ELIMIT;
        if ((error = kind_values_next(&at, &kind)) != 0)
            return error;
    }
    if ((kinds = rf_region_array(region, n, sizeof *kinds)) == NULL)
        return RF_ENOMEM;
    *count = n;
    for (n = 0; list.len > 0; n++) {
        if ((error = kind_values_next(&list, &kinds[n])) != 0)
            return error;
        for (size_t i = 0; i < n; i++) {
            if (kinds[i].kind == kinds[n].kind)
                return RF_EDUPLICATE;
        }
    }
    *out = kinds;
    return 0;
}

static void encode_kinds(const struct rf_kind_values *kinds, size_t count, struct rf_buf *out)
{
    size_t mark = rf_buf_open(out, 4);

    for (size_t i = 0; i < count; i++) {
        rf_buf_u32(out, kinds[i].kind);
        rf_buf_u64(out, kinds[i].generation);
        rf_buf_v(out, 4, kinds[i].values);
    }
    rf_buf_close(out, mark, 4);
}

int rf_store_req_decode(struct rf_view body, struct rf_region *region, struct rf_store_req *out)
{
    struct rf_store_req req;
    struct rf_view list;
    int error;

    if ((error = wire_resource(&body, &req.resource)) != 0 ||
        (error = rf_view_u8(&body, &req.replica_number)) != 0 || (error = rf_view_v(&body, 4, &list)) != 0 ||
        (error = wire_end(body)) != 0 ||
        (error = decode_kinds(list, region, &req.kinds, &req.kind_count)) != 0)
        return error;
    *out = req;
    return 0;
}

void rf_store_req_encode(const struct rf_store_req *req, struct rf_buf *out)
{
    wire_resource_put(req->resource, out);
    rf_buf_u8(out, req->replica_number);
    encode_kinds(req->kinds, req->kind_count, out);
}

/* ans_kind_next reads one StoreKindResponse; the replicas stay bytes. */
static int ans_kind_next(struct rf_view *in, struct rf_store_ans_kind *out, struct rf_view *replicas)
{
    int error;

    if ((error = rf_view_u32(in, &out->kind)) != 0 || (error = rf_view_u64(in, &out->generation)) != 0)
        return error;
    return rf_view_v(in, 2, replicas);
}

/* decode_replicas turns list16<NodeId> without its length into an array. */
static int decode_replicas(struct rf_view list, uint8_t id_len, struct rf_region *region,
                           struct rf_store_ans_kind *out)
{
    int error;

    if (id_len < RF_ID_MIN_LEN || id_len > RF_ID_MAX_LEN)
        return RF_EINVAL;
    if (list.len % id_len != 0)
        return RF_ELENGTH;
    out->replica_count = list.len / id_len;
    out->replicas = rf_region_array(region, out->replica_count, sizeof *out->replicas);
    if (out->replicas == NULL)
        return RF_ENOMEM;
    for (size_t i = 0; i < out->replica_count; i++) {
        if ((error = wire_id(&list, id_len, &out->replicas[i])) != 0)
            return error;
    }
    return 0;
}

int rf_store_ans_decode(struct rf_view body, uint8_t id_len, struct rf_region *region,
                        struct rf_store_ans *out)
{
    struct rf_store_ans_kind kind, *kinds;
    struct rf_view list, at, replicas;
    size_t n = 0;
    int error;

    if ((error = rf_view_v(&body, 2, &list)) != 0 || (error = wire_end(body)) != 0)
        return error;
    for (at = list; at.len > 0; n++) {
        if (n == RF_STORE_MAX_KINDS)
            return RF_ELIMIT;
        if ((error = ans_kind_next(&at, &kind, &replicas)) != 0)
            return error;
    }
    if ((kinds = rf_region_array(region, n, sizeof *kinds)) == NULL)
        return RF_ENOMEM;
    for (n = 0; list.len > 0; n++) {
        if ((error = ans_kind_next(&list, &kinds[n], &replicas)) != 0 ||
            (error = decode_replicas(replicas, id_len, region, &kinds[n])) != 0)
            return error;
        for (size_t i = 0; i < n; i++) {
            if (kinds[i].kind == kinds[n].kind)
                return RF_EDUPLICATE;
        }
    }
    *out = (struct rf_store_ans){.kinds = kinds, .kind_count = n};
    return 0;
}

void rf_store_ans_encode(const struct rf_store_ans *ans, struct rf_buf *out)
{
    size_t mark = rf_buf_open(out, 2);

    for (size_t i = 0; i < ans->kind_count; i++) {
        const struct rf_store_ans_kind *kind = &ans->kinds[i];
        size_t replicas;
        rf_buf_u32(out, kind->kind);
        rf_buf_u64(out, kind->generation);
        replicas = rf_buf_open(out, 2);
        for (size_t j = 0; j < kind->replica_count; j++)
            wire_id_put(&kind->replicas[j], out);
        rf_buf_close(out, replicas, 2);
    }
    rf_buf_close(out, mark, 2);
}

int rf_fetch_ans_decode(struct rf_view body, struct rf_region *region, struct rf_fetch_ans *out)
{
    struct rf_fetch_ans ans;
    struct rf_view list;
    int error;

    if ((error = rf_view_v(&body, 4, &list)) != 0 || (error = wire_end(body)) != 0 ||
        (error = decode_kinds(list, region, &ans.kinds, &ans.kind_count)) != 0)
        return error;
    *out = ans;
    return 0;
}

void rf_fetch_ans_encode(const struct rf_fetch_ans *ans, struct rf_buf *out)
{
    encode_kinds(ans->kinds, ans->kind_count, out);
}
