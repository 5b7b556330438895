/* fetch.c - the asking side of Fetch and Stat: specifiers and what they select; Find. */
#include "wire/internal.h"
#include "wire/store.h"

int rf_specifier_decode(struct rf_view *in, struct rf_specifier *out)
{
    struct rf_view at = *in;
    struct rf_specifier specifier;
    int error;

    if ((error = rf_view_u32(&at, &specifier.kind)) != 0 ||
        (error = rf_view_u64(&at, &specifier.generation)) != 0 ||
        (error = rf_view_v(&at, 2, &specifier.model_specifier)) != 0)
        return error;
    *in = at;
    *out = specifier;
    return 0;
}

void rf_specifier_encode(const struct rf_specifier *specifier, struct rf_buf *out)
{
    rf_buf_u32(out, specifier->kind);
    rf_buf_u64(out, specifier->generation);
    rf_buf_v(out, 2, specifier->model_specifier);
}

int rf_fetch_req_decode(struct rf_view body, struct rf_region *region, struct rf_fetch_req *out)
{
    struct rf_fetch_req req = {0};
    struct rf_specifier specifier;
    struct rf_view list, at;
    int error;

    if ((error = wire_resource(&body, &req.resource)) != 0 || (error = rf_view_v(&body, 2, &list)) != 0 ||
        (error = wire_end(body)) != 0)
        return error;
    for (at = list; at.len > 0; req.specifier_count++) {
        if (req.specifier_count == RF_STORE_MAX_KINDS)
            return RF_ELIMIT;
        if ((error = rf_specifier_decode(&at, &specifier)) != 0)
            return error;
    }
    req.specifiers = rf_region_array(region, req.specifier_count, sizeof *req.specifiers);
    if (req.specifiers == NULL)
        return RF_ENOMEM;
    for (size_t n = 0; list.len > 0; n++) {
        if ((error = rf_specifier_decode(&list, &req.specifiers[n])) != 0)
            return error;
        for (size_t i = 0; i < n; i++) {
            if (req.specifiers[i].kind == req.specifiers[n].kind)
                return RF_EDUPLICATE;
        }
    }
    *out = req;
    return 0;
}

void rf_fetch_req_encode(const struct rf_fetch_req *req, struct rf_buf *out)
{
    size_t mark;

    wire_resource_put(req->resource, out);
    mark = rf_buf_open(out, 2);
    for (size_t i = 0; i < req->specifier_count; i++)
        rf_specifier_encode(&req->specifiers[i], out);
    rf_buf_close(out, mark, 2);
}

/* ---- what a specifier selects ---- */

static int decode_ranges(struct rf_view list, struct rf_region *region, struct rf_selection *out)
{
    size_t count = list.len / 8;

    if (list.len % 8 != 0)
        return RF_ELENGTH;
    if (count > RF_FETCH_MAX_RANGES)
        return RF_ELIMIT;
    if ((out->ranges = rf_region_array(region, count, sizeof *out->ranges)) == NULL)
        return RF_ENOMEM;
    for (; out->range_count < count; out->range_count++) {
        struct rf_array_range *range = &out->ranges[out->range_count];
        if (rf_view_u32(&list, &range->first) != 0 || rf_view_u32(&list, &range->last) != 0)
            return RF_ELENGTH;
        if (range->first > range->last)
            return RF_EFORMAT;
        for (size_t i = 0; i < out->range_count; i++) {
            if (out->ranges[i].first <= range->last && range->first <= out->ranges[i].last)
                return RF_EFORMAT;
        }
    }
    return 0;
}

static int decode_keys(struct rf_view list, struct rf_region *region, struct rf_selection *out)
{
    struct rf_view at, key;
    size_t count = 0;
    int error;

    for (at = list; at.len > 0; count++) {
        if ((error = rf_view_v(&at, 2, &key)) != 0)
            return error;
    }
    if ((out->keys = rf_region_array(region, count, sizeof *out->keys)) == NULL)
        return RF_ENOMEM;
    for (; list.len > 0; out->key_count++) {
        if ((error = rf_view_v(&list, 2, &out->keys[out->key_count])) != 0)
            return error;
    }
    return 0;
}

int rf_selection_decode(struct rf_view model_specifier, enum rf_model model, struct rf_region *region,
                        struct rf_selection *out)
{
    struct rf_selection selection = {0};
    struct rf_view list;
    int error;

    switch (model) {
    case RF_MODEL_SINGLE:
        error = wire_end(model_specifier);
        break;
    case RF_MODEL_ARRAY:
    case RF_MODEL_DICTIONARY:
        if ((error = rf_view_v(&model_specifier, 2, &list)) != 0 || (error = wire_end(model_specifier)) != 0)
            return error;
        error = model == RF_MODEL_ARRAY ? decode_ranges(list, region, &selection)
                                        : decode_keys(list, region, &selection);
        break;
    default:
        error = RF_EINVAL;
    }
    if (error == 0)
        *out = selection;
    return error;
}

void rf_selection_encode(const struct rf_selection *selection, enum rf_model model, struct rf_buf *out)
{
    size_t mark;

    if (model == RF_MODEL_SINGLE)
        return;
    mark = rf_buf_open(out, 2);
    if (model == RF_MODEL_ARRAY) {
        for (size_t i = 0; i < selection->range_count; i++) {
            rf_buf_u32(out, selection->ranges[i].first);
            rf_buf_u32(out, selection->ranges[i].last);
        }
    } else if (model == RF_MODEL_DICTIONARY) {
        for (size_t i = 0; i < selection->key_count; i++)
            rf_buf_v(out, 2, selection->keys[i]);
    } else {
        rf_buf_fail(out, RF_EINVAL);
    }
    rf_buf_close(out, mark, 2);
}

/* ---- Find ---- */

int rf_find_req_decode(struct rf_view body, struct rf_region *region, struct rf_find_req *out)
{
    struct rf_find_req req = {0};
    struct rf_view list;
    int error;

    if ((error = wire_resource(&body, &req.resource)) != 0 || (error = rf_view_v(&body, 1, &list)) != 0 ||
        (error = wire_end(body)) != 0)
        return error;
    if (list.len % 4 != 0)
        return RF_ELENGTH;
    if ((req.kinds = rf_region_array(region, list.len / 4, sizeof *req.kinds)) == NULL)
        return RF_ENOMEM;
    for (; list.len > 0; req.kind_count++) {
        if ((error = rf_view_u32(&list, &req.kinds[req.kind_count])) != 0)
            return error;
        for (size_t i = 0; i < req.kind_count; i++) {
            if (req.kinds[i] == req.kinds[req.kind_count])
                return RF_EDUPLICATE;
        }
    }
    *out = req;
    return 0;
}

void rf_find_req_encode(const struct rf_find_req *req, struct rf_buf *out)
{
    size_t mark;

    wire_resource_put(req->resource, out);
    mark = rf_buf_open(out, 1);
    for (size_t i = 0; i < req->kind_count; i++)
        rf_buf_u32(out, req->kinds[i]);
    rf_buf_close(out, mark, 1);
}

static int find_kind_next(struct rf_view *in, struct rf_find_kind *out)
{
    int error = rf_view_u32(in, &out->kind);

    return error != 0 ? error : wire_resource(in, &out->closest);
}

int rf_find_ans_decode(struct rf_view body, struct rf_region *region, struct rf_find_ans *out)
{
    struct rf_find_ans ans = {0};
    struct rf_find_kind kind;
    struct rf_view list, at;
    int error;

    if ((error = rf_view_v(&body, 2, &list)) != 0 || (error = wire_end(body)) != 0)
        return error;
    for (at = list; at.len > 0; ans.kind_count++) {
        if (ans.kind_count == RF_STORE_MAX_KINDS)
            return RF_ELIMIT;
        if ((error = find_kind_next(&at, &kind)) != 0)
            return error;
    }
    if ((ans.kinds = rf_region_array(region, ans.kind_count, sizeof *ans.kinds)) == NULL)
        return RF_ENOMEM;
    for (size_t n = 0; list.len > 0; n++) {
        if ((error = find_kind_next(&list, &ans.kinds[n])) != 0)
            return error;
        for (size_t i = 0; i < n; i++) {
            if (ans.kinds[i].kind == ans.kinds[n].kind)
                return RF_EDUPLICATE;
        }
    }
    *out = ans;
    return 0;
}

void rf_find_ans_encode(const struct rf_find_ans *ans, struct rf_buf *out)
{
    size_t mark = rf_buf_open(out, 2);

    for (size_t i = 0; i < ans->kind_count; i++) {
        rf_buf_u32(out, ans->kinds[i].kind);
        wire_resource_put(ans->kinds[i].closest, out);
    }
    rf_buf_close(out, mark, 2);
}
