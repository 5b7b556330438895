/*
 * trace.c - following a path hop by hop with PathTrack (7.5).
 *
 * We know our own next hop and ask it for its own, then that one, source-routed through the one that named it, and so on, until a
 * node names itself: it is responsible. STARTED until the first tick, then one call at a time; ends when the end is found, a call
 * fails, a node comes up twice, or after MAX_HOPS.
 */
#include "overlay/internal.h"
#include "wire/diag.h"

#define MAX_TRACES         64
#define MAX_HOPS           32
#define TRANSMISSIONS      4
#define INTERVAL_US        (1 * RF_US_PER_S)
#define EXPIRES_MS         (60 * RF_MS_PER_S)
#define PATH_TRACK_REQ_LEN 128 /* at most, without extensions */

struct trace {
    struct rf_list list;
    struct rf_overlay *overlay;
    struct rf_timer timer;
    struct rf_dest target;
    bool calling;
    struct rf_id hops[MAX_HOPS];
    size_t hop_count; /* the last of them is being asked */
    void (*hop)(void *arg, const struct rf_trace_hop *hop);
    void (*done)(void *arg, int error);
    void *arg;
};

static void trace_end(struct trace *trace, int error)
{
    struct rf_overlay *o = trace->overlay;
    void (*done)(void *arg, int error) = trace->done;
    void *arg = trace->arg;
    rf_timer_stop(o->env->timers, &trace->timer);
    rf_list_remove(&trace->list);
    rf_free(o->env->mem, trace);
    if (done != NULL)
        done(arg, error);
}

static void tell_hop(const struct trace *trace, const struct rf_trace_hop *hop)
{
    if (trace->hop != NULL)
        trace->hop(trace->arg, hop);
}

static void read_infos(struct rf_view infos, struct rf_trace_hop *out)
{
    struct rf_diag_info info;
    uint64_t number;
    while (infos.len > 0 && rf_diag_info_next(&infos, &info) == 0) {
        if (rf_diag_info_number(&info, &number) != 0)
            continue;
        if (info.kind == RF_DIAG_ROUTING_TABLE_SIZE)
            out->routing_table_size = (uint32_t)number;
        else if (info.kind == RF_DIAG_APP_UPTIME)
            out->uptime_s = number < UINT32_MAX ? (uint32_t)number : UINT32_MAX;
    }
}

static void trace_ask(struct trace *trace);

/* The answer is there: the end, or one more to ask. */
static void trace_go_on(struct trace *trace, const struct rf_trace_hop *hop, const struct rf_id *next)
{
    bool found = trace->target.type == RF_DEST_RESOURCE || rf_id_equal(&hop->node, &trace->target.id);
    bool responsible = hop->responsible;
    tell_hop(trace, hop);
    if (responsible) {
        trace_end(trace, found ? 0 : RF_ENOTFOUND);
        return;
    }
    for (size_t i = 0; i < trace->hop_count; i++) {
        if (rf_id_equal(&trace->hops[i], next)) {
            trace_end(trace, RF_ELIMIT);
            return;
        }
    }
    if (trace->hop_count == MAX_HOPS) {
        trace_end(trace, RF_ELIMIT);
        return;
    }
    trace->hops[trace->hop_count++] = *next;
    trace_ask(trace);
}

static void trace_replied(void *arg, const struct rf_reply *reply)
{
    struct trace *trace = arg;
    const struct rf_id *asked = &trace->hops[trace->hop_count - 1];
    struct rf_trace_hop hop = {.hop = (unsigned)trace->hop_count, .node = *asked, .error = reply->error};
    struct rf_path_track_ans ans;
    trace->calling = false;
    if (reply->error == RF_ECANCELLED) {
        trace_end(trace, RF_ECANCELLED);
        return;
    }
    hop.rtt_us = reply->rtt_us;
    hop.error_code = reply->error_code;
    if (hop.error == 0)
        hop.error = rf_path_track_ans_decode(reply->body, trace->overlay->self.len, &ans);
    if (hop.error == 0 && ans.next_hop.type != RF_DEST_NODE)
        hop.error = RF_EFORMAT;
    if (hop.error != 0) {
        tell_hop(trace, &hop);
        trace_end(trace, hop.error);
        return;
    }
    hop.received_ms = ans.response.received_ms;
    read_infos(ans.response.infos, &hop);
    hop.responsible = rf_id_equal(&ans.next_hop.id, asked);
    trace_go_on(trace, &hop, &ans.next_hop.id);
}

static void trace_ask(struct trace *trace)
{
    struct rf_overlay *o = trace->overlay;
    uint64_t now_ms = o->env->now->wall_ms;
    struct rf_path_track_req req = {
        .destination = trace->target,
        .request = {.expiration_ms = now_ms + EXPIRES_MS,
                    .initiated_ms = now_ms,
                    .flags = RF_DIAG_FLAG(RF_DIAG_ROUTING_TABLE_SIZE) | RF_DIAG_FLAG(RF_DIAG_APP_UPTIME)},
    };
    uint8_t bytes[PATH_TRACK_REQ_LEN];
    struct rf_buf body;
    rf_buf_fixed(&body, bytes, sizeof(bytes));
    rf_path_track_req_encode(&req, &body);
    struct rf_call call = {
        .code = RF_CODE_PATH_TRACK_REQ,
        .body = rf_buf_view(&body),
        .max_transmissions = TRANSMISSIONS,
        .interval_us = INTERVAL_US,
        .done = trace_replied,
        .arg = trace,
    };
    rf_call_to_node(&call, &trace->hops[trace->hop_count - 1]);
    if (trace->hop_count > 1)
        rf_call_via(&call, &trace->hops[trace->hop_count - 2]);
    int error = rf_buf_error(&body);
    if (error == 0)
        error = rf_overlay_call(o, &call, NULL);
    if (error == 0)
        trace->calling = true;
    else
        trace_end(trace, error);
}

static void trace_start(struct rf_timer *timer, void *arg)
{
    struct trace *trace = arg;
    struct rf_overlay *o = trace->overlay;
    uint8_t bytes[3 + UINT8_MAX];
    struct rf_buf list;
    struct route route;
    (void)timer;
    rf_buf_fixed(&list, bytes, sizeof(bytes));
    rf_dest_encode(&trace->target, &list);
    route_find(o, rf_buf_view(&list), 1, true, &route);
    if (route.type == ROUTE_DELIVER) {
        struct rf_trace_hop hop = {
            .hop = 1, .node = o->self, .received_ms = o->env->now->wall_ms, .responsible = true};
        hop.uptime_s = (uint32_t)((overlay_now(o) - o->start_us) / RF_US_PER_S);
        tell_hop(trace, &hop);
        trace_end(trace, 0);
    } else if (route.type == ROUTE_FORWARD) {
        trace->hops[trace->hop_count++] = route.conn->info.node;
        trace_ask(trace);
    } else {
        trace_end(trace, RF_EUNREACHABLE);
    }
}

int rf_overlay_trace(struct rf_overlay *o, const struct rf_id *target, bool resource,
                     void (*hop)(void *arg, const struct rf_trace_hop *hop),
                     void (*done)(void *arg, int error), void *arg)
{
    size_t count = 0;
    if (o->closing)
        return RF_ECLOSED;
    if (target->len != o->self.len)
        return RF_EINVAL;
    RF_LIST_EACH(&o->traces, it)
    count++;
    if (count >= MAX_TRACES)
        return RF_ELIMIT;
    struct trace *trace = rf_zalloc(o->env->mem, sizeof(*trace));
    if (trace == NULL)
        return RF_ENOMEM;
    trace->overlay = o;
    trace->target = resource ? rf_dest_resource(target) : rf_dest_node(target);
    trace->hop = hop;
    trace->done = done;
    trace->arg = arg;
    rf_timer_init(&trace->timer, trace_start, trace);
    int error = rf_env_timer_in(o->env, &trace->timer, 0);
    if (error != 0) {
        rf_free(o->env->mem, trace);
        return error;
    }
    rf_list_push_back(&o->traces, &trace->list);
    return 0;
}

/* Those that wait for an answer have ended with their calls. */
void overlay_traces_deinit(struct rf_overlay *o)
{
    while (!rf_list_empty(&o->traces))
        trace_end(RF_LIST_ENTRY(o->traces.next, struct trace, list), RF_ECANCELLED);
}
