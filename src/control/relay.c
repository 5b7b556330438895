/* relay.c - commands about relays: services lists those that the overlay knows of, relay gets credentials for one. */
#include "control/internal.h"

/* ---- services ---- */

static void found(void *arg, const struct rf_node_found_relay *relay)
{
    json_t *o = json_object();
    json_object_set_new(o, "type", json_string("turn"));
    json_object_set_new(o, "node", control_json_id(&relay->node));
    json_object_set_new(o, "user", control_json_view(relay->user));
    json_object_set_new(o, "address", control_json_addr(&relay->addr));
    json_object_set_new(o, "lifetime_s", json_integer(relay->lifetime_s));
    rf_call_item(arg, o);
}

static void found_all(void *arg, int error)
{
    if (error != 0)
        rf_call_error(arg, error, NULL, "try again");
    else
        rf_call_result(arg, json_object());
}

void control_services(void *ctx, struct rf_control_call *call, json_t *args)
{
    (void)ctx;
    const char *type = json_string_value(json_object_get(args, "type"));
    int error = type != NULL && strcmp(type, "turn") != 0
                    ? RF_EUNKNOWN
                    : rf_node_find_relays(rf_call_node(call), rf_call_now(call), found, found_all, call);
    if (error != 0)
        rf_call_error(call, error, error == RF_EUNKNOWN ? "no service of that type is known here" : NULL,
                      error == RF_EUNKNOWN ? "types: turn (relays)" : NULL);
}

/* ---- relay ---- */

static json_t *server_json(const struct rf_relay_server *server)
{
    json_t *o = json_object();
    json_object_set_new(o, "transport", json_string(rf_relay_transport_name(server->transport)));
    json_object_set_new(o, "address", control_json_addr(&server->address));
    if (server->name.len > 0)
        json_object_set_new(o, "name", control_json_view(server->name));
    return o;
}

static void given(void *arg, const struct rf_node_relay *relay)
{
    struct rf_control_call *call = arg;
    if (relay->error != 0) {
        rf_call_error(call, relay->error,
                      relay->error == RF_ENOTFOUND ? "no supernode was found that has a relay" : NULL,
                      "try again");
        return;
    }
    uint64_t left_us = relay->expires_us - rf_call_now(call).mono_us;
    json_t *r = json_object(), *servers = json_array();
    for (size_t i = 0; i < relay->given.server_count; i++)
        json_array_append_new(servers, server_json(&relay->given.servers[i]));
    json_object_set_new(r, "node", control_json_id(&relay->node));
    json_object_set_new(r, "user", control_json_view(relay->given.user));
    json_object_set_new(r, "password", control_json_view(relay->given.password));
    json_object_set_new(r, "realm", control_json_view(relay->given.realm));
    json_object_set_new(r, "expires_s", json_integer((json_int_t)(left_us / RF_US_PER_S)));
    json_object_set_new(r, "servers", servers);
    rf_call_result(call, r);
}

void control_relay(void *ctx, struct rf_control_call *call, json_t *args)
{
    (void)ctx;
    bool fresh = json_is_true(json_object_get(args, "fresh"));
    int error = rf_node_relay(rf_call_node(call), fresh, rf_call_now(call), given, call);
    if (error != 0)
        rf_call_error(call, error, NULL, NULL);
}
