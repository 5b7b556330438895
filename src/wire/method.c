/* method.c - Ping, Probe, ConfigUpdate, Error. */
#include "wire/method.h"

#include "wire/internal.h"

int rf_empty_decode(struct rf_view body)
{
    return wire_end(body);
}

/* decode_one reads a body that is a single v8 or v16. */
static int decode_one(struct rf_view body, int width, struct rf_view *out)
{
    struct rf_view bytes;
    int error;

    if ((error = rf_view_v(&body, width, &bytes)) != 0 || (error = wire_end(body)) != 0)
        return error;
    *out = bytes;
    return 0;
}

int rf_ping_req_decode(struct rf_view body, struct rf_view *padding)
{
    return decode_one(body, 2, padding);
}

void rf_ping_req_encode(struct rf_view padding, struct rf_buf *out)
{
    rf_buf_v(out, 2, padding);
}

int rf_ping_ans_decode(struct rf_view body, struct rf_ping_ans *out)
{
    struct rf_ping_ans ans;
    int error;

    if ((error = rf_view_u64(&body, &ans.response_id)) != 0 ||
        (error = rf_view_u64(&body, &ans.time_ms)) != 0 || (error = wire_end(body)) != 0)
        return error;
    *out = ans;
    return 0;
}

void rf_ping_ans_encode(const struct rf_ping_ans *ans, struct rf_buf *out)
{
    rf_buf_u64(out, ans->response_id);
    rf_buf_u64(out, ans->time_ms);
}

/* ---- Probe ---- */

int rf_probe_req_decode(struct rf_view body, struct rf_view *types)
{
    return decode_one(body, 1, types);
}

void rf_probe_req_encode(struct rf_view types, struct rf_buf *out)
{
    rf_buf_v(out, 1, types);
}

static bool probe_is_number(uint8_t type)
{
    return type == RF_PROBE_RESPONSIBLE_SET || type == RF_PROBE_NUM_RESOURCES || type == RF_PROBE_UPTIME;
}

int rf_probe_info_next(struct rf_view *infos, struct rf_probe_info *out)
{
    struct rf_view at = *infos, value;
    struct rf_probe_info info = {0};
    int error;

    if ((error = rf_view_u8(&at, &info.type)) != 0 || (error = rf_view_v(&at, 1, &info.value)) != 0)
        return error;
    if (info.type == 0)
        return RF_EFORMAT;
    value = info.value;
    if (probe_is_number(info.type) && (rf_view_u32(&value, &info.number) != 0 || value.len > 0))
        return RF_ELENGTH;
    *infos = at;
    *out = info;
    return 0;
}

int rf_probe_ans_decode(struct rf_view body, struct rf_view *infos)
{
    struct rf_probe_info info;
    struct rf_view list, at;
    int error = decode_one(body, 2, &list);

    if (error != 0)
        return error;
    for (at = list; at.len > 0;) {
        if ((error = rf_probe_info_next(&at, &info)) != 0)
            return error;
    }
    *infos = list;
    return 0;
}

void rf_probe_ans_encode(const struct rf_probe_info *infos, size_t info_count, struct rf_buf *out)
{
    size_t mark = rf_buf_open(out, 2);

    for (size_t i = 0; i < info_count; i++) {
        rf_buf_u8(out, infos[i].type);
        if (probe_is_number(infos[i].type)) {
            rf_buf_u8(out, 4);
            rf_buf_u32(out, infos[i].number);
        } else {
            rf_buf_v(out, 1, infos[i].value);
        }
    }
    rf_buf_close(out, mark, 2);
}

/* ---- ConfigUpdate ---- */

/* decode_kind_blocks reads list24<v16>. */
static int decode_kind_blocks(struct rf_view list, struct rf_region *region, struct rf_config_update *out)
{
    struct rf_view at, block;
    int error;

    for (at = list; at.len > 0; out->kind_count++) {
        if ((error = rf_view_v(&at, 2, &block)) != 0)
            return error;
    }
    if ((out->kinds = rf_region_array(region, out->kind_count, sizeof *out->kinds)) == NULL)
        return RF_ENOMEM;
    for (size_t n = 0; list.len > 0; n++) {
        if ((error = rf_view_v(&list, 2, &out->kinds[n])) != 0)
            return error;
    }
    return 0;
}

int rf_config_update_decode(struct rf_view body, struct rf_region *region, struct rf_config_update *out)
{
    struct rf_config_update update = {0};
    struct rf_view rest, content;
    int error;

    if ((error = rf_view_u8(&body, &update.type)) != 0)
        return error;
    if (update.type != RF_CONFIG_UPDATE_CONFIG && update.type != RF_CONFIG_UPDATE_KIND)
        return RF_EUNKNOWN;
    if ((error = rf_view_v(&body, 4, &rest)) != 0 || (error = wire_end(body)) != 0)
        return error;
    /* the document, or the list of blocks: both begin with a length of three bytes */
    if (rf_view_v(&rest, 3, &content) != 0 || rest.len > 0)
        return RF_ELENGTH;
    if (update.type == RF_CONFIG_UPDATE_CONFIG)
        update.config = content;
    else if ((error = decode_kind_blocks(content, region, &update)) != 0)
        return error;
    *out = update;
    return 0;
}

void rf_config_update_encode(const struct rf_config_update *update, struct rf_buf *out)
{
    size_t rest, list;

    rf_buf_u8(out, update->type);
    rest = rf_buf_open(out, 4);
    if (update->type == RF_CONFIG_UPDATE_CONFIG) {
        rf_buf_v(out, 3, update->config);
    } else if (update->type == RF_CONFIG_UPDATE_KIND) {
        list = rf_buf_open(out, 3);
        for (size_t i = 0; i < update->kind_count; i++)
            rf_buf_v(out, 2, update->kinds[i]);
        rf_buf_close(out, list, 3);
    } else {
        rf_buf_fail(out, RF_EINVAL);
    }
    rf_buf_close(out, rest, 4);
}

/* ---- Error ---- */

int rf_error_body_decode(struct rf_view body, struct rf_error_body *out)
{
    struct rf_error_body e;
    int error;

    if ((error = rf_view_u16(&body, &e.code)) != 0 || (error = rf_view_v(&body, 2, &e.info)) != 0 ||
        (error = wire_end(body)) != 0)
        return error;
    *out = e;
    return 0;
}

void rf_error_body_encode(const struct rf_error_body *error, struct rf_buf *out)
{
    rf_buf_u16(out, error->code);
    rf_buf_v(out, 2, error->info);
}

int rf_unknown_kinds_decode(struct rf_view info, struct rf_region *region, uint32_t **kinds,
                            size_t *kind_count)
{
    struct rf_view list;
    uint32_t *all;
    size_t n = 0;
    int error = decode_one(info, 1, &list);

    if (error != 0)
        return error;
    if (list.len % 4 != 0)
        return RF_ELENGTH;
    if ((all = rf_region_array(region, list.len / 4, sizeof *all)) == NULL)
        return RF_ENOMEM;
    while (list.len > 0) {
        if ((error = rf_view_u32(&list, &all[n++])) != 0)
            return error;
    }
    *kinds = all;
    *kind_count = n;
    return 0;
}

void rf_unknown_kinds_encode(const uint32_t *kinds, size_t kind_count, struct rf_buf *out)
{
    size_t mark = rf_buf_open(out, 1);

    for (size_t i = 0; i < kind_count; i++)
        rf_buf_u32(out, kinds[i]);
    rf_buf_close(out, mark, 1);
}
