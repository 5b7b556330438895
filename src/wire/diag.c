/* diag.c - DiagnosticsRequest and -Response, PathTrack. */
#include "wire/diag.h"

#include "wire/internal.h"

#define BASE_KIND_MAX 0x3f /* kinds that dMFlags ask for */

/* width_of is the number of bytes of a kind that is one number, 0 for others. */
static int width_of(uint16_t kind)
{
    switch (kind) {
    case RF_DIAG_STATUS_INFO:
    case RF_DIAG_UNDERLAY_HOP:
    case RF_DIAG_BATTERY_STATUS:
        return 1;
    case RF_DIAG_ROUTING_TABLE_SIZE:
    case RF_DIAG_EWMA_BYTES_SENT:
    case RF_DIAG_EWMA_BYTES_RCVD:
        return 4;
    case RF_DIAG_PROCESS_POWER:
    case RF_DIAG_UPSTREAM_BANDWIDTH:
    case RF_DIAG_DOWNSTREAM_BANDWIDTH:
    case RF_DIAG_MACHINE_UPTIME:
    case RF_DIAG_APP_UPTIME:
    case RF_DIAG_MEMORY_FOOTPRINT:
    case RF_DIAG_DATASIZE_STORED:
        return 8;
    default:
        return 0;
    }
}

const char *rf_diag_kind_name(uint16_t kind)
{
    static const char *const names[] = {
        "unknown",
        "STATUS_INFO",
        "ROUTING_TABLE_SIZE",
        "PROCESS_POWER",
        "UPSTREAM_BANDWIDTH",
        "DOWNSTREAM_BANDWIDTH",
        "SOFTWARE_VERSION",
        "MACHINE_UPTIME",
        "APP_UPTIME",
        "MEMORY_FOOTPRINT",
        "DATASIZE_STORED",
        "INSTANCES_STORED",
        "MESSAGES_SENT_RCVD",
        "EWMA_BYTES_SENT",
        "EWMA_BYTES_RCVD",
        "UNDERLAY_HOP",
        "BATTERY_STATUS",
    };
    return names[kind <= RF_DIAG_BATTERY_STATUS ? kind : 0];
}

/* double_list reads ext_length and the list, whose own length must say the same (D33). */
static int double_list(struct rf_view *in, struct rf_view *list)
{
    uint32_t ext_len;
    int error;

    if ((error = rf_view_u32(in, &ext_len)) != 0 || (error = rf_view_v(in, 4, list)) != 0)
        return error;
    return ext_len == list->len ? 0 : RF_ELENGTH;
}

static void put_double_list(struct rf_view list, struct rf_buf *out)
{
    if (list.len > UINT32_MAX)
        rf_buf_fail(out, RF_ELENGTH);
    rf_buf_u32(out, (uint32_t)list.len);
    rf_buf_v(out, 4, list);
}

int rf_diag_extension_next(struct rf_view *list, struct rf_diag_extension *out)
{
    struct rf_view at = *list;
    struct rf_diag_extension extension;
    int error;

    if ((error = rf_view_u16(&at, &extension.kind)) != 0 ||
        (error = rf_view_v(&at, 4, &extension.contents)) != 0)
        return error;
    *list = at;
    *out = extension;
    return 0;
}

void rf_diag_extension_encode(const struct rf_diag_extension *extension, struct rf_buf *out)
{
    rf_buf_u16(out, extension->kind);
    rf_buf_v(out, 4, extension->contents);
}

int rf_diag_info_next(struct rf_view *list, struct rf_diag_info *out)
{
    struct rf_view at = *list;
    struct rf_diag_info info;
    int error;

    if ((error = rf_view_u16(&at, &info.kind)) != 0 || (error = rf_view_v(&at, 2, &info.contents)) != 0)
        return error;
    *list = at;
    *out = info;
    return 0;
}

void rf_diag_info_encode(const struct rf_diag_info *info, struct rf_buf *out)
{
    rf_buf_u16(out, info->kind);
    rf_buf_v(out, 2, info->contents);
}

int rf_diag_info_number(const struct rf_diag_info *info, uint64_t *out)
{
    int width = width_of(info->kind);
    uint64_t number = 0;

    if (width == 0)
        return RF_EINVAL;
    if (info->contents.len != (size_t)width)
        return RF_ELENGTH;
    for (int i = 0; i < width; i++)
        number = number << 8 | info->contents.p[i];
    *out = number;
    return 0;
}

void rf_diag_number_encode(uint16_t kind, uint64_t number, struct rf_buf *out)
{
    switch (width_of(kind)) {
    case 1:
        rf_buf_u8(out, (uint8_t)number);
        break;
    case 4:
        rf_buf_u32(out, (uint32_t)number);
        break;
    case 8:
        rf_buf_u64(out, number);
        break;
    default:
        rf_buf_fail(out, RF_EINVAL);
    }
}

int rf_diag_req_decode(struct rf_view in, struct rf_diag_req *out)
{
    struct rf_diag_extension extension;
    struct rf_diag_req req;
    struct rf_view at;
    int error;

    if ((error = rf_view_u64(&in, &req.expiration_ms)) != 0 ||
        (error = rf_view_u64(&in, &req.initiated_ms)) != 0 || (error = rf_view_u64(&in, &req.flags)) != 0 ||
        (error = double_list(&in, &req.extensions)) != 0 || (error = wire_end(in)) != 0)
        return error;
    for (at = req.extensions; at.len > 0;) {
        if ((error = rf_diag_extension_next(&at, &extension)) != 0)
            return error;
        if (extension.kind <= BASE_KIND_MAX)
            return RF_EFORMAT;
    }
    *out = req;
    return 0;
}

void rf_diag_req_encode(const struct rf_diag_req *req, struct rf_buf *out)
{
    rf_buf_u64(out, req->expiration_ms);
    rf_buf_u64(out, req->initiated_ms);
    rf_buf_u64(out, req->flags);
    put_double_list(req->extensions, out);
}

int rf_diag_ans_decode(struct rf_view in, struct rf_diag_ans *out)
{
    struct rf_diag_info info;
    struct rf_diag_ans ans;
    struct rf_view at;
    int error;

    if ((error = rf_view_u64(&in, &ans.expiration_ms)) != 0 ||
        (error = rf_view_u64(&in, &ans.initiated_ms)) != 0 ||
        (error = rf_view_u64(&in, &ans.received_ms)) != 0 ||
        (error = rf_view_u8(&in, &ans.hop_counter)) != 0 || (error = double_list(&in, &ans.infos)) != 0 ||
        (error = wire_end(in)) != 0)
        return error;
    for (at = ans.infos; at.len > 0;) {
        if ((error = rf_diag_info_next(&at, &info)) != 0)
            return error;
    }
    *out = ans;
    return 0;
}

void rf_diag_ans_encode(const struct rf_diag_ans *ans, struct rf_buf *out)
{
    rf_buf_u64(out, ans->expiration_ms);
    rf_buf_u64(out, ans->initiated_ms);
    rf_buf_u64(out, ans->received_ms);
    rf_buf_u8(out, ans->hop_counter);
    put_double_list(ans->infos, out);
}

int rf_path_track_req_decode(struct rf_view body, uint8_t id_len, struct rf_path_track_req *out)
{
    struct rf_path_track_req req;
    int error;

    if ((error = rf_dest_next(&body, id_len, &req.destination)) != 0 ||
        (error = rf_diag_req_decode(body, &req.request)) != 0)
        return error;
    *out = req;
    return 0;
}

int rf_path_track_ans_decode(struct rf_view body, uint8_t id_len, struct rf_path_track_ans *out)
{
    struct rf_path_track_ans ans;
    int error;

    if ((error = rf_dest_next(&body, id_len, &ans.next_hop)) != 0 ||
        (error = rf_diag_ans_decode(body, &ans.response)) != 0)
        return error;
    *out = ans;
    return 0;
}

void rf_path_track_req_encode(const struct rf_path_track_req *req, struct rf_buf *out)
{
    rf_dest_encode(&req->destination, out);
    rf_diag_req_encode(&req->request, out);
}

void rf_path_track_ans_encode(const struct rf_path_track_ans *ans, struct rf_buf *out)
{
    rf_dest_encode(&ans->next_hop, out);
    rf_diag_ans_encode(&ans->response, out);
}
