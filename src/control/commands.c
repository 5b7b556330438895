/* commands.c - the command table of control/ and the commands that ask the overlay: whois, ping, trace, fetch; listen and shutdown. */
#include <stdio.h>
#include <string.h>
#include "base/text.h"
#include "control/internal.h"

/* ---- whois ---- */

static json_t *device_json(const struct rf_device *d)
{
    json_t *o = json_object();
    json_object_set_new(o, "node", control_json_id(&d->node_id));
    json_object_set_new(o, "user",
                        control_json_view(d->aor)); /* another one than asked for after a forwarding */
    json_object_set_new(o, "certificate_sha256", control_json_hex(rf_view_of(d->cert_sha256, RF_SHA256_LEN)));
    json_object_set_new(o, "registered", control_json_time(d->registered_ms));
    json_object_set_new(o, "expires", control_json_time(d->expires_ms));
    json_object_set_new(o, "self", json_boolean(d->self));
    return o;
}

static void whois_done(void *arg, const struct rf_whois *w)
{
    struct rf_control_call *call = arg;
    if (w->error == RF_ENOTFOUND) {
        rf_call_error(call, RF_ENOTFOUND,
                      w->exists ? "the user exists but no device of theirs is online"
                                : "nobody of that name is known",
                      w->exists ? NULL : "check the spelling; names are user@overlay");
        return;
    }
    if (w->error == RF_ELIMIT) {
        rf_call_error(call, RF_ELIMIT, "they forward their calls in a circle, or too often", NULL);
        return;
    }
    if (w->error != 0) {
        rf_call_error(call, w->error, NULL, "try again");
        return;
    }
    json_t *r = json_object();
    json_t *devices = json_array();
    for (size_t i = 0; i < w->device_count; i++)
        json_array_append_new(devices, device_json(&w->devices[i]));
    json_object_set_new(r, "name", control_json_view(w->name));
    json_object_set_new(r, "presence", json_string(w->device_count > 0 ? "online" : "offline"));
    json_object_set_new(r, "devices", devices);
    json_object_set_new(r, "resource", control_json_id(&w->resource));
    json_object_set_new(r, "stored_at", control_json_id(&w->responder));
    json_object_set_new(r, "took_us", json_integer((json_int_t)w->took_us));
    rf_call_result(call, r);
}

static int full_name(struct rf_control_call *call, const char *name, struct rf_buf *out, uint8_t storage[300])
{
    rf_buf_fixed(out, storage, 300);
    return rf_node_full_name(rf_call_node(call), name, out);
}

static void run_whois(void *ctx, struct rf_control_call *call, json_t *args)
{
    (void)ctx;
    uint8_t storage[300];
    struct rf_buf name;
    int error = full_name(call, json_string_value(json_object_get(args, "name")), &name, storage);
    if (error == 0)
        error = rf_node_whois(rf_call_node(call), rf_buf_view(&name), rf_call_now(call), whois_done, call);
    if (error != 0)
        rf_call_error(call, error, error == RF_EFORMAT ? "that is no user name" : NULL, NULL);
}

/* ---- ping and trace take a Node-ID or a name ---- */

struct target_call {
    struct rf_control_call *call;
    void (*go)(struct rf_control_call *call, const struct rf_id *node);
};

static void target_found(void *arg, const struct rf_whois *w)
{
    struct target_call *t = arg;
    struct rf_control_call *call = t->call;
    void (*go)(struct rf_control_call * call, const struct rf_id *node) = t->go;
    rf_free(call->control->env.mem, t);
    if (w->error != 0 || w->device_count == 0)
        whois_done(call, w);
    else
        go(call, &w->devices[0].node_id);
}

static void with_target(struct rf_control_call *call, json_t *args,
                        void (*go)(struct rf_control_call *call, const struct rf_id *node))
{
    const char *text = json_string_value(json_object_get(args, "target"));
    struct rf_id id;
    if (rf_id_parse(text, &id) == 0) {
        go(call, &id);
        return;
    }
    uint8_t storage[300];
    struct rf_buf name;
    int error = full_name(call, text, &name, storage);
    struct target_call *t = error == 0 ? rf_alloc(call->control->env.mem, sizeof(*t)) : NULL;
    if (error == 0 && t == NULL)
        error = RF_ENOMEM;
    if (error == 0) {
        *t = (struct target_call){call, go};
        error = rf_node_whois(rf_call_node(call), rf_buf_view(&name), rf_call_now(call), target_found, t);
        if (error != 0)
            rf_free(call->control->env.mem, t);
    }
    if (error != 0)
        rf_call_error(call, error,
                      error == RF_EFORMAT ? "neither a Node-ID (32 hex digits) nor a user name" : NULL, NULL);
}

static void ping_done(void *arg, int error, uint64_t rtt_us, uint64_t their_wall_ms)
{
    struct rf_control_call *call = arg;
    if (error != 0) {
        rf_call_error(call, error, NULL,
                      error == RF_ETIMEOUT ? "the node is offline or the path to it is broken" : NULL);
        return;
    }
    json_t *r = json_pack("{sI}", "rtt_us", (json_int_t)rtt_us);
    json_object_set_new(r, "node", json_incref(call->keep));
    json_object_set_new(r, "their_time", control_json_time(their_wall_ms));
    rf_call_result(call, r);
}

static void ping_go(struct rf_control_call *call, const struct rf_id *node)
{
    call->keep = control_json_id(node);
    int error = rf_node_ping(rf_call_node(call), node, rf_call_now(call), ping_done, call);
    if (error != 0)
        rf_call_error(call, error, NULL, NULL);
}

static void run_ping(void *ctx, struct rf_control_call *call, json_t *args)
{
    (void)ctx;
    with_target(call, args, ping_go);
}

static void trace_hop(void *arg, const struct rf_trace_hop *hop)
{
    json_t *o = json_object();
    json_object_set_new(o, "hop", json_integer(hop->hop));
    json_object_set_new(o, "node", control_json_id(&hop->node));
    if (hop->error == 0) {
        json_object_set_new(o, "rtt_us", json_integer((json_int_t)hop->rtt_us));
        json_object_set_new(o, "received", control_json_time(hop->received_ms));
        json_object_set_new(o, "responsible", json_boolean(hop->responsible));
        json_object_set_new(o, "routing_table_size", json_integer(hop->routing_table_size));
        json_object_set_new(o, "uptime_s", json_integer(hop->uptime_s));
    } else {
        json_object_set_new(o, "error", json_string(rf_error_text(hop->error)));
    }
    rf_call_item(arg, o);
}

static void trace_done(void *arg, int error)
{
    struct rf_control_call *call = arg;
    if (error == RF_ENOTFOUND)
        rf_call_error(call, error, "no node has this Node-ID now",
                      "the last hop shown is responsible for that part of the ring");
    else if (error != 0)
        rf_call_error(call, error, NULL, NULL);
    else
        rf_call_result(call, json_pack("{sO}", "target", call->keep));
}

static void trace_go(struct rf_control_call *call, const struct rf_id *node)
{
    call->keep = control_json_id(node);
    int error =
        rf_node_trace(rf_call_node(call), node, false, rf_call_now(call), trace_hop, trace_done, call);
    if (error != 0)
        rf_call_error(call, error, NULL, NULL);
}

static void run_trace(void *ctx, struct rf_control_call *call, json_t *args)
{
    (void)ctx;
    /* "resource": true traces to where the name's data are stored instead of to the user's device */
    if (!json_is_true(json_object_get(args, "resource"))) {
        with_target(call, args, trace_go);
        return;
    }
    uint8_t storage[300];
    struct rf_buf name;
    struct rf_id resource;
    int error = full_name(call, json_string_value(json_object_get(args, "target")), &name, storage);
    if (error == 0)
        error = rf_node_resource_of(rf_call_node(call), rf_buf_view(&name), &resource);
    if (error == 0) {
        call->keep = control_json_id(&resource);
        error = rf_node_trace(rf_call_node(call), &resource, true, rf_call_now(call), trace_hop, trace_done,
                              call);
    }
    if (error != 0)
        rf_call_error(call, error, NULL, NULL);
}

/* ---- fetch ---- */

static void fetch_done(void *arg, const struct rf_fetch_result *f)
{
    struct rf_control_call *call = arg;
    if (f->error != 0) {
        rf_call_error(call, f->error, NULL, NULL);
        return;
    }
    for (size_t i = 0; i < f->value_count; i++) {
        const struct rf_fetched_value *v = &f->values[i];
        json_t *o = json_object();
        json_object_set_new(o, "slot", control_json_hex(v->slot));
        json_object_set_new(o, "exists", json_boolean(v->exists));
        json_object_set_new(o, "value", control_json_hex(v->value));
        json_object_set_new(o, "storage_time", control_json_time(v->storage_time_ms));
        json_object_set_new(o, "lifetime_s", json_integer(v->lifetime_s));
        if (v->signer != NULL) {
            json_object_set_new(o, "signer", control_json_view(v->signer->cert->user));
            json_object_set_new(o, "signer_node", control_json_id(&v->signer->node_id));
        }
        rf_call_item(call, o);
    }
    json_t *r = json_object();
    json_object_set_new(r, "generation", json_integer((json_int_t)f->generation));
    json_object_set_new(r, "count", json_integer((json_int_t)f->value_count));
    json_object_set_new(r, "dropped", json_integer((json_int_t)f->dropped_count));
    json_object_set_new(r, "stored_at", control_json_id(&f->responder));
    rf_call_result(call, r);
}

/* by name as people type it: "sip-registration", "certificate-by-user"; or by number */
static uint32_t kind_of(const char *text)
{
    static const char dashes[] = {0, '-', '_'}; /* what both of them become; first nothing */
    uint32_t kind = rf_conf_kind_by_name(text);
    char name[64];
    for (size_t k = 0; k < RF_COUNT(dashes) && kind == 0 && strlen(text) < sizeof(name); k++) {
        strcpy(name, text);
        for (char *c = name; *c != '\0'; c++)
            *c = (char)(*c >= 'a' && *c <= 'z'                       ? *c - 'a' + 'A'
                        : (*c == '-' || *c == '_') && dashes[k] != 0 ? dashes[k]
                                                                     : *c);
        kind = rf_conf_kind_by_name(name);
    }
    return kind;
}

static void run_fetch(void *ctx, struct rf_control_call *call, json_t *args)
{
    (void)ctx;
    const char *kind_text = json_string_value(json_object_get(args, "kind"));
    const char *name_text = json_string_value(json_object_get(args, "name"));
    uint32_t kind = kind_of(kind_text);
    struct rf_id resource;
    uint8_t storage[300];
    struct rf_buf name;
    int error = kind == 0 ? RF_EUNKNOWN : 0;
    if (error == 0 && rf_id_parse(name_text, &resource) == 0) {
        /* Kinds under a Node-ID hash its bytes; a Resource-ID itself is asked for with "resource" */
        if (!json_is_true(json_object_get(args, "resource")))
            error = rf_node_resource_of(rf_call_node(call), rf_id_view(&resource), &resource);
    } else if (error == 0) {
        error = full_name(call, name_text, &name, storage);
        if (error == 0)
            error = rf_node_resource_of(rf_call_node(call), rf_buf_view(&name), &resource);
    }
    if (error == 0)
        error = rf_node_fetch(rf_call_node(call), &resource, kind, rf_call_now(call), fetch_done, call);
    if (error != 0)
        rf_call_error(call, error, error == RF_EUNKNOWN ? "no such Kind in this overlay" : NULL,
                      error == RF_EUNKNOWN
                          ? "Kinds: SIP-REGISTRATION, CERTIFICATE_BY_USER, CERTIFICATE_BY_NODE, ..."
                          : NULL);
}

/* ---- listen, shutdown, help ---- */

static void run_listen(void *ctx, struct rf_control_call *call, json_t *args)
{
    (void)ctx, (void)args;
    struct rf_control *control = call->control;
    call->session->listening = true;
    rf_call_result(call, json_object());
    if (control->on_listen != NULL)
        control->on_listen(control->on_listen_ctx);
}

static void run_shutdown(void *ctx, struct rf_control_call *call, json_t *args)
{
    (void)ctx, (void)args;
    struct rf_control *control = call->control;
    rf_call_result(call, json_object());
    control->host.shutdown(control->host.ctx);
}

static void run_help(void *ctx, struct rf_control_call *call, json_t *args)
{
    (void)ctx, (void)args;
    struct rf_control *control = call->control;
    for (size_t i = 0; i < control->command_count; i++) {
        const struct rf_command *c = control->commands[i];
        json_t *list = json_array();
        for (size_t k = 0; k < c->arg_count; k++)
            json_array_append_new(list, json_pack("{ss sb ss}", "name", c->args[k].name, "required",
                                                  c->args[k].required, "help", c->args[k].help));
        rf_call_item(call, json_pack("{ss ss so}", "command", c->name, "help", c->help, "args", list));
    }
    rf_call_result(call, json_object());
}

static const struct rf_control_arg name_arg[] = {{"name", 's', true, "a user, e.g. bob or bob@example.org"}};
static const struct rf_control_arg ping_args[] = {{"target", 's', true, "a Node-ID or a user"}};
static const struct rf_control_arg trace_args[] = {
    {"target", 's', true, "a Node-ID or a user"},
    {"resource", 'b', false, "trace to where the user's data are stored"},
};
static const struct rf_control_arg fetch_args[] = {
    {"kind", 's', true, "a Kind's name or number"},
    {"name", 's', true, "a user, or a Node-ID"},
    {"resource", 'b', false, "the name is a Resource-ID itself"},
};
static const struct rf_control_arg services_args[] = {{"type", 's', false, "turn; without it all"}};
static const struct rf_control_arg relay_args[] = {
    {"fresh", 'b', false, "what was given before did not work"}};

const struct rf_command control_commands[] = {
    {"status", "this node: who, where, since when", NULL, 0, control_status, NULL},
    {"peers", "the links of this node", NULL, 0, control_peers, NULL},
    {"ring", "what this node knows of the ring", NULL, 0, control_ring, NULL},
    {"counters", "every counter of every room", NULL, 0, control_counters, NULL},
    {"whois", "a user's devices", name_arg, RF_COUNT(name_arg), run_whois, NULL},
    {"ping", "round trip over the overlay", ping_args, RF_COUNT(ping_args), run_ping, NULL},
    {"trace", "every hop of the path", trace_args, RF_COUNT(trace_args), run_trace, NULL},
    {"fetch", "stored values, verified", fetch_args, RF_COUNT(fetch_args), run_fetch, NULL},
    {"services", "services that the overlay knows of", services_args, RF_COUNT(services_args),
     control_services, NULL},
    {"relay", "credentials for a relay", relay_args, RF_COUNT(relay_args), control_relay, NULL},
    {"listen", "get events from now on", NULL, 0, run_listen, NULL},
    {"help", "the commands", NULL, 0, run_help, NULL},
    {"shutdown", "leave the overlay and end", NULL, 0, run_shutdown, NULL},
};
const size_t control_command_count = RF_COUNT(control_commands);
