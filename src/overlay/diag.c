/*
 * diag.c - diagnostics, RFC 7851 (7.5): what a node tells about itself, and PathTrack.
 *
 * Who may ask for what: a node answers STATUS_INFO, ROUTING_TABLE_SIZE, SOFTWARE_VERSION and APP_UPTIME to everybody, and what the
 * function given with rf_overlay_set_diagnostics answers. A request for other things only is refused.
 */
#include "overlay/internal.h"
#include "wire/diag.h"

#define MAX_AHEAD_MS     (600 * RF_MS_PER_S) /* expiration after initiation */
#define MAX_TABLE        256
#define FIRST_LOCAL_KIND 0x40 /* extensions of a request; those below have a flag */
#define ALL_KINDS        UINT64_MAX

static size_t routing_table_size(const struct rf_overlay *o, struct rf_region *region)
{
    struct rf_topology_status_entry *entries = rf_region_array(region, MAX_TABLE, sizeof(*entries));
    size_t count = entries != NULL ? o->ops->status(o->topology, entries, MAX_TABLE) : 0, distinct = 0;
    for (size_t i = 0; i < count; i++) {
        size_t k = 0;
        while (k < i && !rf_id_equal(&entries[k].node, &entries[i].node))
            k++;
        distinct += k == i;
    }
    return distinct;
}

/* 0 idle .. 15 at a limit */
static uint64_t load(const struct rf_overlay *o)
{
    size_t deferred = o->deferred_count * 15 / (o->config.max_deferred > 0 ? o->config.max_deferred : 1);
    size_t calls = o->calls.count * 15 / (o->config.max_calls > 0 ? o->config.max_calls : 1);
    size_t most = deferred > calls ? deferred : calls;
    return most < 15 ? most : 15;
}

/* Contents of one kind. Errors: RF_ENOTFOUND unknown, or not for everybody. */
static int fill(struct rf_overlay *o, struct rf_region *region, uint16_t kind, struct rf_buf *out)
{
    switch (kind) {
    case RF_DIAG_STATUS_INFO:
        rf_diag_number_encode(kind, load(o), out);
        return 0;
    case RF_DIAG_ROUTING_TABLE_SIZE:
        rf_diag_number_encode(kind, routing_table_size(o, region), out);
        return 0;
    case RF_DIAG_APP_UPTIME:
        rf_diag_number_encode(kind, (overlay_now(o) - o->start_us) / RF_US_PER_S, out);
        return 0;
    case RF_DIAG_SOFTWARE_VERSION:
        if (o->config.software == NULL)
            return RF_ENOTFOUND;
        rf_buf_put(out, o->config.software, strlen(o->config.software) + 1);
        return 0;
    default:
        return o->diag_fill != NULL ? o->diag_fill(o->diag_arg, kind, out) : RF_ENOTFOUND;
    }
}

/* Appends one kind's DiagnosticInfo if it may be told; returns whether. */
static bool put_kind(struct rf_overlay *o, struct rf_region *region, uint16_t kind, struct rf_buf *infos)
{
    struct rf_buf contents;
    rf_buf_init(&contents, o->env->mem, UINT16_MAX);
    bool told = fill(o, region, kind, &contents) == 0 && rf_buf_error(&contents) == 0;
    if (told) {
        struct rf_diag_info info = {kind, rf_buf_view(&contents)};
        rf_diag_info_encode(&info, infos);
    }
    rf_buf_deinit(&contents);
    return told;
}

int overlay_diag_answer(struct rf_overlay *o, const struct rf_request *request, const struct rf_diag_req *req,
                        struct rf_buf *infos, struct rf_diag_ans *out)
{
    uint64_t now_ms = o->env->now->wall_ms;
    struct rf_view extensions = req->extensions;
    struct rf_diag_extension extension;
    size_t asked = 0, told = 0;
    if (req->expiration_ms <= now_ms)
        return RF_EEXPIRED;
    if (req->expiration_ms < req->initiated_ms || req->expiration_ms - req->initiated_ms > MAX_AHEAD_MS)
        return RF_EINVAL;
    for (uint16_t kind = 1; kind < FIRST_LOCAL_KIND - 1; kind++) { /* bits 0 and 63 are reserved */
        if ((req->flags & RF_DIAG_FLAG(kind)) == 0)
            continue;
        asked++;
        told += put_kind(o, request->region, kind, infos);
    }
    while (extensions.len > 0 && rf_diag_extension_next(&extensions, &extension) == 0) {
        asked++;
        told += put_kind(o, request->region, extension.kind, infos);
    }
    if (asked > 0 && told == 0 && req->flags != ALL_KINDS)
        return RF_EFORBIDDEN;
    *out = (struct rf_diag_ans){
        .expiration_ms = req->expiration_ms,
        .initiated_ms = req->initiated_ms,
        .received_ms = now_ms,
        .hop_counter = request->message->header.ttl,
        .infos = rf_buf_view(infos),
    };
    return rf_buf_error(infos);
}

void overlay_diag_refuse(struct rf_overlay *o, struct rf_request *request, int error)
{
    switch (error) {
    case RF_EEXPIRED:
        rf_overlay_refuse_text(o, request, RF_ERROR_MESSAGE_EXPIRED, "expired");
        break;
    case RF_EFORBIDDEN:
        rf_overlay_refuse_text(o, request, RF_ERROR_FORBIDDEN, "not told here");
        break;
    case RF_EINVAL:
        rf_overlay_refuse_text(o, request, RF_ERROR_INVALID_MESSAGE, "malformed diagnostics request");
        break;
    default: /* out of memory: the retransmission may fare better */
        rf_overlay_drop(o, request);
    }
}

void rf_overlay_set_diagnostics(struct rf_overlay *o,
                                int (*fill_kind)(void *arg, uint16_t kind, struct rf_buf *out), void *arg)
{
    o->diag_fill = fill_kind;
    o->diag_arg = arg;
}

/* ---- PathTrack ---- */

/* Whom we would send a message for `dest` to; ourselves: it ends here. Errors: RF_ENOTFOUND no way, RF_EFORBIDDEN not to be told. */
static int next_of(struct rf_overlay *o, const struct rf_dest *dest, struct rf_id *out)
{
    uint8_t bytes[3 + UINT8_MAX];
    struct rf_buf list;
    struct route route;
    if (dest->type != RF_DEST_NODE && dest->type != RF_DEST_RESOURCE)
        return RF_EFORBIDDEN; /* opaque IDs are not expanded for others */
    rf_buf_fixed(&list, bytes, sizeof(bytes));
    rf_dest_encode(dest, &list);
    route_find(o, rf_buf_view(&list), 1, false, &route);
    *out = o->self;
    switch (route.type) {
    case ROUTE_DELIVER:
        return 0;
    case ROUTE_FORWARD:
        *out = route.conn->info.node;
        return 0;
    case ROUTE_BAD: /* a Node-ID in our range that is not there: this is where the way ends */
        return dest->type == RF_DEST_NODE ? 0 : RF_ENOTFOUND;
    default:
        return RF_ENOTFOUND;
    }
}

static void answer_path_track(struct rf_overlay *o, struct rf_request *request,
                              const struct rf_path_track_req *req, struct rf_buf *infos, struct rf_buf *body)
{
    struct rf_path_track_ans ans;
    struct rf_id next;
    int error = overlay_diag_answer(o, request, &req->request, infos, &ans.response);
    if (error != 0) {
        overlay_diag_refuse(o, request, error);
        return;
    }
    error = next_of(o, &req->destination, &next);
    if (error != 0) {
        rf_overlay_refuse_text(o, request, error == RF_ENOTFOUND ? RF_ERROR_NOT_FOUND : RF_ERROR_FORBIDDEN,
                               "no next hop to tell");
        return;
    }
    ans.next_hop = rf_dest_node(&next);
    rf_path_track_ans_encode(&ans, body);
    if (rf_buf_error(body) == 0)
        (void)rf_overlay_answer(o, request, rf_buf_view(body), NULL, 0);
    else
        rf_overlay_drop(o, request);
}

static void on_path_track(void *arg, struct rf_request *request)
{
    struct rf_overlay *o = arg;
    struct rf_path_track_req req;
    struct rf_buf infos, body;
    int error = rf_path_track_req_decode(request->message->body, overlay_id_len(o), &req);
    if (error != 0) {
        rf_overlay_refuse_malformed(o, request, error, "malformed PathTrack");
        return;
    }
    rf_buf_init(&infos, o->env->mem, o->config.conf->max_message_size);
    rf_buf_init(&body, o->env->mem, o->config.conf->max_message_size);
    answer_path_track(o, request, &req, &infos, &body);
    rf_buf_deinit(&infos);
    rf_buf_deinit(&body);
}

int overlay_diag_init(struct rf_overlay *o)
{
    return rf_overlay_handle(o, RF_CODE_PATH_TRACK_REQ, on_path_track, o);
}
