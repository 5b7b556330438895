/* wire_again_body.c - the bodies of the methods, decoded and encoded again. */
#include "base/error.h"
#include "support/wire_again.h"
#include "wire/attach.h"
#include "wire/chord.h"
#include "wire/diag.h"
#include "wire/method.h"
#include "wire/store.h"

static int again_attach(struct wire_again *a, struct rf_view body, struct rf_buf *out)
{
    struct rf_attach attach;
    int error = rf_attach_decode(body, a->region, &attach);

    if (error != 0)
        return error;
    a->lossy = a->lossy || attach.skipped_count > 0;
    rf_attach_encode(&attach, out);
    return 0;
}

static int again_app_attach(struct wire_again *a, struct rf_view body, struct rf_buf *out)
{
    struct rf_app_attach attach;
    int error = rf_app_attach_decode(body, a->region, &attach);

    if (error != 0)
        return error;
    a->lossy = a->lossy || attach.skipped_count > 0;
    rf_app_attach_encode(&attach, out);
    return 0;
}

/* again_kinds replaces each Kind's list of values by the list encoded again (in the region). */
static int again_kinds(struct wire_again *a, struct rf_kind_values *kinds, size_t count, bool metadata)
{
    int error = 0;

    for (size_t i = 0; error == 0 && i < count; i++) {
        enum rf_model model = rf_kind_model(kinds[i].kind);
        struct rf_buf list;
        rf_buf_init(&list, rf_mem_system(), 1 << 24);
        error = metadata ? wire_again_meta(a, model, kinds[i].values, &list)
                         : wire_again_stored(a, kinds[i].kind, model, kinds[i].values, &list);
        kinds[i].values = rf_region_copy(a->region, rf_buf_view(&list));
        rf_buf_deinit(&list);
        if (error == 0 && kinds[i].values.p == NULL)
            error = RF_ENOMEM;
    }
    return error;
}

static int again_store_req(struct wire_again *a, struct rf_view body, struct rf_buf *out)
{
    struct rf_store_req req;
    int error = rf_store_req_decode(body, a->region, &req);

    if (error == 0 && (error = again_kinds(a, req.kinds, req.kind_count, false)) == 0)
        rf_store_req_encode(&req, out);
    return error;
}

static int again_store_ans(struct wire_again *a, struct rf_view body, struct rf_buf *out)
{
    struct rf_store_ans ans;
    int error = rf_store_ans_decode(body, a->id_len, a->region, &ans);

    if (error == 0)
        rf_store_ans_encode(&ans, out);
    return error;
}

static int again_fetch_req(struct wire_again *a, struct rf_view body, struct rf_buf *out)
{
    struct rf_selection selection;
    struct rf_fetch_req req;
    int error = rf_fetch_req_decode(body, a->region, &req);

    if (error != 0)
        return error;
    for (size_t i = 0; i < req.specifier_count; i++) {
        struct rf_specifier *s = &req.specifiers[i];
        enum rf_model model = rf_kind_model(s->kind);
        struct rf_buf bytes;
        error = rf_selection_decode(s->model_specifier, model, a->region, &selection);
        if (error != 0 && a->strict)
            return error;
        if (error != 0)
            continue;
        rf_buf_init(&bytes, rf_mem_system(), 1 << 17);
        rf_selection_encode(&selection, model, &bytes);
        s->model_specifier = rf_region_copy(a->region, rf_buf_view(&bytes));
        rf_buf_deinit(&bytes);
    }
    rf_fetch_req_encode(&req, out);
    return 0;
}

static int again_fetch_ans(struct wire_again *a, struct rf_view body, struct rf_buf *out)
{
    struct rf_fetch_ans ans;
    int error = rf_fetch_ans_decode(body, a->region, &ans);

    if (error == 0 && (error = again_kinds(a, ans.kinds, ans.kind_count, false)) == 0)
        rf_fetch_ans_encode(&ans, out);
    return error;
}

static int again_stat_ans(struct wire_again *a, struct rf_view body, struct rf_buf *out)
{
    struct rf_fetch_ans ans;
    int error = rf_fetch_ans_decode(body, a->region, &ans);

    if (error == 0 && (error = again_kinds(a, ans.kinds, ans.kind_count, true)) == 0)
        rf_fetch_ans_encode(&ans, out);
    return error;
}

static int again_find_req(struct wire_again *a, struct rf_view body, struct rf_buf *out)
{
    struct rf_find_req req;
    int error = rf_find_req_decode(body, a->region, &req);

    if (error == 0)
        rf_find_req_encode(&req, out);
    return error;
}

static int again_find_ans(struct wire_again *a, struct rf_view body, struct rf_buf *out)
{
    struct rf_find_ans ans;
    int error = rf_find_ans_decode(body, a->region, &ans);

    if (error == 0)
        rf_find_ans_encode(&ans, out);
    return error;
}

static int again_join_req(struct wire_again *a, struct rf_view body, struct rf_buf *out)
{
    struct rf_member member;
    int error = rf_member_decode(body, a->id_len, &member);

    if (error == 0)
        rf_member_encode(&member, out);
    return error;
}

static int again_join_ans(struct wire_again *a, struct rf_view body, struct rf_buf *out)
{
    struct rf_view data;
    int error = rf_join_ans_decode(body, &data);

    (void)a;
    if (error == 0)
        rf_join_ans_encode(data, out);
    return error;
}

static int again_leave_req(struct wire_again *a, struct rf_view body, struct rf_buf *out)
{
    struct rf_chord_leave leave;
    struct rf_member member;
    struct rf_buf data;
    int error = rf_member_decode(body, a->id_len, &member);

    if (error != 0)
        return error;
    rf_buf_init(&data, rf_mem_system(), 1 << 17);
    error = rf_chord_leave_decode(member.data, a->id_len, a->region, &leave);
    if (error == 0) {
        rf_chord_leave_encode(&leave, &data);
        member.data = rf_buf_view(&data);
    } else if (!a->strict) {
        error = 0;
    }
    rf_member_encode(&member, out);
    rf_buf_deinit(&data);
    return error;
}

static int again_update_req(struct wire_again *a, struct rf_view body, struct rf_buf *out)
{
    struct rf_chord_update update;
    int error = rf_chord_update_decode(body, a->id_len, a->region, &update);

    if (error == 0)
        rf_chord_update_encode(&update, out);
    return error;
}

static int again_route_query_req(struct wire_again *a, struct rf_view body, struct rf_buf *out)
{
    struct rf_route_query query;
    int error = rf_route_query_decode(body, a->id_len, &query);

    if (error == 0)
        rf_route_query_encode(&query, out);
    return error;
}

static int again_route_query_ans(struct wire_again *a, struct rf_view body, struct rf_buf *out)
{
    struct rf_id next_peer;
    int error = rf_route_query_ans_decode(body, a->id_len, &next_peer);

    if (error == 0)
        rf_route_query_ans_encode(&next_peer, out);
    return error;
}

static int again_ping_req(struct wire_again *a, struct rf_view body, struct rf_buf *out)
{
    struct rf_view padding;
    int error = rf_ping_req_decode(body, &padding);

    (void)a;
    if (error == 0)
        rf_ping_req_encode(padding, out);
    return error;
}

static int again_ping_ans(struct wire_again *a, struct rf_view body, struct rf_buf *out)
{
    struct rf_ping_ans ans;
    int error = rf_ping_ans_decode(body, &ans);

    (void)a;
    if (error == 0)
        rf_ping_ans_encode(&ans, out);
    return error;
}

static int again_probe_req(struct wire_again *a, struct rf_view body, struct rf_buf *out)
{
    struct rf_view types;
    int error = rf_probe_req_decode(body, &types);

    (void)a;
    if (error == 0)
        rf_probe_req_encode(types, out);
    return error;
}

static int again_probe_ans(struct wire_again *a, struct rf_view body, struct rf_buf *out)
{
    struct rf_probe_info *infos;
    struct rf_view list;
    size_t n = 0;
    int error = rf_probe_ans_decode(body, &list);

    if (error != 0)
        return error;
    if ((infos = rf_region_array(a->region, list.len / 2 + 1, sizeof *infos)) == NULL)
        return RF_ENOMEM;
    while (list.len > 0) {
        if ((error = rf_probe_info_next(&list, &infos[n])) != 0)
            return error;
        n++;
    }
    rf_probe_ans_encode(infos, n, out);
    return 0;
}

static int again_config_update(struct wire_again *a, struct rf_view body, struct rf_buf *out)
{
    struct rf_config_update update;
    int error = rf_config_update_decode(body, a->region, &update);

    if (error == 0)
        rf_config_update_encode(&update, out);
    return error;
}

/* again_error: the two codes whose error_info has a structure. */
static int again_error(struct wire_again *a, struct rf_view body, struct rf_buf *out)
{
    struct rf_error_body e;
    struct rf_buf info;
    uint32_t *kinds;
    size_t count;
    int inner = RF_EUNKNOWN, error = rf_error_body_decode(body, &e);

    if (error != 0)
        return error;
    rf_buf_init(&info, rf_mem_system(), 1 << 17);
    if (e.code == RF_ERROR_UNKNOWN_KIND) {
        if ((inner = rf_unknown_kinds_decode(e.info, a->region, &kinds, &count)) == 0)
            rf_unknown_kinds_encode(kinds, count, &info);
        error = inner;
    } else if (e.code == RF_ERROR_GENERATION_COUNTER_TOO_LOW) {
        error = inner = again_store_ans(a, e.info, &info);
    }
    if (inner == 0)
        e.info = rf_buf_view(&info);
    rf_error_body_encode(&e, out);
    rf_buf_deinit(&info);
    return a->strict ? error : 0;
}

/* same_diag: a diagnostics structure taken apart to its inner lists comes out the same. */
static int same_diag(struct wire_again *a, struct rf_view in,
                     int (*again)(struct wire_again *a, struct rf_view in, struct rf_buf *out))
{
    struct rf_buf bytes;
    int error;

    rf_buf_init(&bytes, rf_mem_system(), 1 << 24);
    error = again(a, in, &bytes);
    if (error == 0 && !rf_view_equal(rf_buf_view(&bytes), in))
        error = RF_EMISMATCH;
    rf_buf_deinit(&bytes);
    return error;
}

static int again_path_track_req(struct wire_again *a, struct rf_view body, struct rf_buf *out)
{
    struct rf_path_track_req req;
    int error = rf_path_track_req_decode(body, a->id_len, &req);

    if (error != 0 || (error = rf_dest_list_skip(&body, a->id_len, 1)) != 0)
        return error;
    rf_path_track_req_encode(&req, out);
    return same_diag(a, body, wire_again_diag_req);
}

static int again_path_track_ans(struct wire_again *a, struct rf_view body, struct rf_buf *out)
{
    struct rf_path_track_ans ans;
    int error = rf_path_track_ans_decode(body, a->id_len, &ans);

    if (error != 0 || (error = rf_dest_list_skip(&body, a->id_len, 1)) != 0)
        return error;
    rf_path_track_ans_encode(&ans, out);
    return same_diag(a, body, wire_again_diag_ans);
}

static int again_empty(struct wire_again *a, struct rf_view body, struct rf_buf *out)
{
    (void)a;
    (void)out;
    return rf_empty_decode(body);
}

int wire_again_body(struct wire_again *again, uint16_t code, struct rf_view body, struct rf_buf *out)
{
    static const struct {
        uint16_t code;
        int (*run)(struct wire_again *a, struct rf_view body, struct rf_buf *out);
    } table[] = {
        {RF_CODE_PROBE_REQ, again_probe_req},
        {RF_CODE_PROBE_ANS, again_probe_ans},
        {RF_CODE_ATTACH_REQ, again_attach},
        {RF_CODE_ATTACH_ANS, again_attach},
        {RF_CODE_STORE_REQ, again_store_req},
        {RF_CODE_STORE_ANS, again_store_ans},
        {RF_CODE_FETCH_REQ, again_fetch_req},
        {RF_CODE_FETCH_ANS, again_fetch_ans},
        {RF_CODE_FIND_REQ, again_find_req},
        {RF_CODE_FIND_ANS, again_find_ans},
        {RF_CODE_JOIN_REQ, again_join_req},
        {RF_CODE_JOIN_ANS, again_join_ans},
        {RF_CODE_LEAVE_REQ, again_leave_req},
        {RF_CODE_LEAVE_ANS, again_empty},
        {RF_CODE_UPDATE_REQ, again_update_req},
        {RF_CODE_UPDATE_ANS, again_empty},
        {RF_CODE_ROUTE_QUERY_REQ, again_route_query_req},
        {RF_CODE_ROUTE_QUERY_ANS, again_route_query_ans},
        {RF_CODE_PING_REQ, again_ping_req},
        {RF_CODE_PING_ANS, again_ping_ans},
        {RF_CODE_STAT_REQ, again_fetch_req},
        {RF_CODE_STAT_ANS, again_stat_ans},
        {RF_CODE_APP_ATTACH_REQ, again_app_attach},
        {RF_CODE_APP_ATTACH_ANS, again_app_attach},
        {RF_CODE_CONFIG_UPDATE_REQ, again_config_update},
        {RF_CODE_CONFIG_UPDATE_ANS, again_empty},
        {RF_CODE_PATH_TRACK_REQ, again_path_track_req},
        {RF_CODE_PATH_TRACK_ANS, again_path_track_ans},
        {RF_CODE_ERROR, again_error},
    };

    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (table[i].code == code)
            return table[i].run(again, body, out);
    }
    return RF_EUNKNOWN;
}
