/* ping.c - Ping with Diagnostic_Ping, and Probe (3.9, 3.10, 7.5): answered by the transport itself. */
#include "overlay/internal.h"
#include "wire/diag.h"
#include "wire/method.h"

#define PING_ANS_LEN 16

/* The answer to a Diagnostic_Ping, as an encoded extension. Errors: those of overlay_diag_answer. */
static int diag_extension_put(struct rf_overlay *o, struct rf_request *request, struct rf_view contents,
                              struct rf_buf *out)
{
    struct rf_diag_req req;
    struct rf_diag_ans ans;
    struct rf_buf infos, response;
    if (rf_diag_req_decode(contents, &req) != 0)
        return RF_EINVAL;
    rf_buf_init(&infos, o->env->mem, o->config.conf->max_message_size);
    rf_buf_init(&response, o->env->mem, o->config.conf->max_message_size);
    int error = overlay_diag_answer(o, request, &req, &infos, &ans);
    if (error == 0) {
        rf_diag_ans_encode(&ans, &response);
        struct rf_extension extension = {RF_EXTENSION_DIAGNOSTIC_PING, false, rf_buf_view(&response)};
        rf_extension_encode(&extension, out);
        error = rf_buf_error(&response) != 0 ? rf_buf_error(&response) : rf_buf_error(out);
    }
    rf_buf_deinit(&response);
    rf_buf_deinit(&infos);
    return error;
}

static void on_ping(void *arg, struct rf_request *request)
{
    struct rf_overlay *o = arg;
    uint8_t bytes[PING_ANS_LEN];
    struct rf_extension asked;
    struct rf_view padding;
    struct rf_buf body, extensions;
    int error = rf_ping_req_decode(request->message->body, &padding);
    if (error != 0) {
        rf_overlay_refuse_malformed(o, request, error, "malformed Ping");
        return;
    }
    rf_buf_init(&extensions, o->env->mem, o->config.conf->max_message_size);
    if (!request->to_wildcard &&
        rf_extension_find(request->message->extensions, RF_EXTENSION_DIAGNOSTIC_PING, &asked))
        error = diag_extension_put(o, request, asked.contents, &extensions);
    if (error != 0) {
        overlay_diag_refuse(o, request, error);
    } else {
        struct rf_ping_ans ans = {rf_rng_u64(o->env->jitter), o->env->now->wall_ms};
        rf_buf_fixed(&body, bytes, sizeof(bytes));
        rf_ping_ans_encode(&ans, &body);
        (void)rf_overlay_answer_ext(o, request, rf_buf_view(&body), rf_buf_view(&extensions), NULL, 0);
    }
    rf_buf_deinit(&extensions);
}

static bool probe_info(const struct rf_overlay *o, uint8_t type, struct rf_probe_info *out)
{
    size_t resource_count;
    *out = (struct rf_probe_info){.type = type};
    switch (type) {
    case RF_PROBE_RESPONSIBLE_SET:
        out->number = overlay_is_peer(o) ? (uint32_t)(o->ops->share(o->topology) * 1e9) : 0;
        return true;
    case RF_PROBE_NUM_RESOURCES:
        if (o->resource_count == NULL)
            return false;
        resource_count = o->resource_count(o->resource_arg);
        out->number = resource_count < UINT32_MAX ? (uint32_t)resource_count : UINT32_MAX;
        return true;
    case RF_PROBE_UPTIME:
        out->number = (uint32_t)((overlay_now(o) - o->start_us) / RF_US_PER_S);
        return true;
    default:
        return false;
    }
}

/* self_tuning_data in a ProbeReq: taken, and answered by ours (RFC 7363). */
static void exchange_tuning(struct rf_overlay *o, const struct rf_request *request, struct rf_buf *out)
{
    struct rf_extension extension;
    struct rf_self_tuning data;
    uint8_t bytes[16];
    struct rf_buf contents;
    if (o->ops->tuning == NULL || o->ops->tuned == NULL ||
        !rf_extension_find(request->message->extensions, RF_EXTENSION_SELF_TUNING_DATA, &extension) ||
        rf_self_tuning_decode(extension.contents, &data) != 0)
        return;
    if (o->ops->is_peer != NULL && o->ops->is_peer(o->topology, &request->signer.node_id))
        o->ops->tuned(o->topology, &data);
    if (!o->ops->tuning(o->topology, &data))
        return;
    rf_buf_fixed(&contents, bytes, sizeof(bytes));
    rf_self_tuning_encode(&data, &contents);
    extension = (struct rf_extension){RF_EXTENSION_SELF_TUNING_DATA, false, rf_buf_view(&contents)};
    rf_extension_encode(&extension, out);
}

static void on_probe(void *arg, struct rf_request *request)
{
    struct rf_overlay *o = arg;
    struct rf_view types;
    int error = rf_probe_req_decode(request->message->body, &types);
    if (error != 0) {
        rf_overlay_refuse_malformed(o, request, error, "malformed Probe");
        return;
    }
    struct rf_probe_info infos[UINT8_MAX];
    size_t count = 0;
    for (size_t i = 0; i < types.len; i++) /* in the order in which they were asked for */
        count += probe_info(o, types.p[i], &infos[count]);
    struct rf_buf body, extensions;
    uint8_t extension_bytes[32];
    rf_buf_init(&body, o->env->mem, o->config.conf->max_message_size);
    rf_buf_fixed(&extensions, extension_bytes, sizeof(extension_bytes));
    exchange_tuning(o, request, &extensions);
    rf_probe_ans_encode(infos, count, &body);
    if (rf_buf_error(&body) == 0)
        (void)rf_overlay_answer_ext(o, request, rf_buf_view(&body), rf_buf_view(&extensions), NULL, 0);
    else
        rf_overlay_refuse_text(o, request, RF_ERROR_INVALID_MESSAGE, "asked for too much");
    rf_buf_deinit(&body);
}

int overlay_ping_init(struct rf_overlay *o)
{
    int error = rf_overlay_handle(o, RF_CODE_PING_REQ, on_ping, o);
    return error != 0 ? error : rf_overlay_handle(o, RF_CODE_PROBE_REQ, on_probe, o);
}

void rf_overlay_set_resource_count(struct rf_overlay *o, size_t (*count)(void *arg), void *arg)
{
    o->resource_count = count;
    o->resource_arg = arg;
}
