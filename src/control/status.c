/* status.c - commands that only look: status, peers, ring, counters. */
#include "control/internal.h"

static const char *role_name(enum rf_node_role role)
{
    return role == RF_NODE_SUPERNODE ? "supernode" : role == RF_NODE_CLIENT ? "client" : "auto";
}

static const char *state_name(enum rf_topology_state state)
{
    switch (state) {
    case RF_TOPOLOGY_IDLE:
        return "idle";
    case RF_TOPOLOGY_JOINING:
        return "joining";
    case RF_TOPOLOGY_JOINED:
        return "joined";
    case RF_TOPOLOGY_LEAVING:
        return "leaving";
    }
    return "unknown";
}

static const char *relation_name(char relation)
{
    switch (relation) {
    case 'p':
        return "predecessor";
    case 's':
        return "successor";
    case 'f':
        return "finger";
    case 'a':
        return "supernode";
    case 'b':
        return "reserve";
    case 'c':
        return "client";
    }
    return "other";
}

void control_status(void *ctx, struct rf_control_call *call, json_t *args)
{
    (void)ctx, (void)args;
    struct rf_node_status s;
    rf_node_status(rf_call_node(call), &s);
    struct rf_now now = rf_call_now(call);
    json_t *r = json_object();
    json_object_set_new(r, "node", control_json_id(&s.node_id));
    json_object_set_new(r, "user", control_json_view(s.user));
    json_object_set_new(r, "overlay", control_json_view(s.overlay));
    json_object_set_new(r, "role", json_string(role_name(s.role)));
    json_object_set_new(r, "role_auto", json_boolean(s.auto_role));
    json_object_set_new(r, "role_why", json_string(s.role_why));
    json_object_set_new(r, "state", json_string(state_name(s.state)));
    json_object_set_new(r, "supernode", control_json_id(&s.supernode));
    json_object_set_new(r, "links", json_integer((json_int_t)s.link_count));
    json_object_set_new(r, "flows", json_integer((json_int_t)s.flow_count));
    json_object_set_new(r, "max_flows",
                        s.max_flows != SIZE_MAX ? json_integer((json_int_t)s.max_flows) : json_null());
    json_object_set_new(r, "guest", json_boolean(s.guest));
    json_object_set_new(r, "clients", json_integer((json_int_t)s.client_count));
    json_object_set_new(r, "clients_in_reserve", json_integer((json_int_t)s.reserve_count));
    json_object_set_new(r, "guests", json_integer((json_int_t)s.guest_count));
    json_object_set_new(r, "max_clients", json_integer((json_int_t)s.max_clients));
    json_object_set_new(r, "uptime_s", json_integer((json_int_t)s.uptime_s));
    json_object_set_new(r, "configuration_sequence", json_integer(s.conf_sequence));
    json_object_set_new(r, "certificate_expires", control_json_time(s.cert_not_after_ms));
    json_object_set_new(r, "certificate_valid", json_boolean(s.cert_not_after_ms > now.wall_ms));
    json_object_set_new(r, "registered", json_boolean(s.registered));
    json_object_set_new(r, "share_of_ring", json_real(s.share));
    if (call->control->host.status != NULL)
        call->control->host.status(call->control->host.ctx, r);
    json_object_set_new(r, "stored",
                        json_pack("{sI sI sI sI}", "resources", (json_int_t)s.store.resource_count,
                                  "own_resources", (json_int_t)s.store.own_count, "values",
                                  (json_int_t)s.store.value_count, "bytes", (json_int_t)s.store.bytes));
    rf_call_result(call, r);
}

static void add_peer(void *arg, const struct rf_link_info *info, char relation)
{
    json_t *list = arg;
    json_t *p = json_object();
    json_object_set_new(p, "node", control_json_id(&info->node_id));
    json_object_set_new(p, "user", info->cert != NULL ? control_json_view(info->cert->user) : json_null());
    json_object_set_new(p, "address", control_json_addr(&info->remote));
    json_object_set_new(p, "relation", json_string(relation_name(relation)));
    json_object_set_new(p, "purpose", json_string(info->purpose == RF_LINK_APP ? "application" : "overlay"));
    json_object_set_new(p, "outgoing", json_boolean(info->outgoing));
    json_object_set_new(p, "over", json_string(info->path ? "path" : info->datagrams ? "datagrams" : "tcp"));
    json_object_set_new(p, "resumed", json_boolean(info->resumed));
    json_object_set_new(p, "rtt_us", json_integer((json_int_t)info->rtt_us));
    json_object_set_new(p, "bytes_in", json_integer((json_int_t)info->bytes_in));
    json_object_set_new(p, "bytes_out", json_integer((json_int_t)info->bytes_out));
    json_array_append_new(list, p);
}

void control_peers(void *ctx, struct rf_control_call *call, json_t *args)
{
    (void)ctx, (void)args;
    json_t *list = json_array();
    rf_node_each_link(rf_call_node(call), add_peer, list);
    for (size_t i = 0; i < json_array_size(list); i++)
        rf_call_item(call, json_incref(json_array_get(list, i)));
    json_t *result = json_pack("{sI}", "count", (json_int_t)json_array_size(list));
    json_decref(list);
    rf_call_result(call, result);
}

void control_ring(void *ctx, struct rf_control_call *call, json_t *args)
{
    (void)ctx, (void)args;
    static const size_t max = 512;
    struct rf_topology_status_entry *entries = rf_zalloc(call->control->env.mem, max * sizeof(*entries));
    if (entries == NULL) {
        rf_call_error(call, RF_ENOMEM, NULL, NULL);
        return;
    }
    size_t count = rf_node_ring(rf_call_node(call), entries, max);
    for (size_t i = 0; i < count; i++) {
        json_t *e = json_object();
        json_object_set_new(e, "node", control_json_id(&entries[i].node));
        json_object_set_new(e, "relation", json_string(relation_name(entries[i].relation)));
        json_object_set_new(e, "rank", json_integer(entries[i].rank));
        json_object_set_new(e, "linked", json_boolean(entries[i].link != 0));
        json_object_set_new(e, "uptime_s", json_integer(entries[i].uptime_s));
        rf_call_item(call, e);
    }
    rf_free(call->control->env.mem, entries);
    struct rf_node_status s;
    rf_node_status(rf_call_node(call), &s);
    json_t *r = json_object();
    json_object_set_new(r, "node", control_json_id(&s.node_id));
    json_object_set_new(r, "state", json_string(state_name(s.state)));
    json_object_set_new(r, "share_of_ring", json_real(s.share));
    json_object_set_new(r, "count", json_integer((json_int_t)count));
    rf_call_result(call, r);
}

static void add_counter(void *arg, const char *room, const char *name, const char *help, uint64_t value)
{
    (void)help;
    json_t *rooms = arg;
    json_t *r = json_object_get(rooms, room);
    if (r == NULL) {
        r = json_object();
        json_object_set_new(rooms, room, r);
    }
    json_object_set_new(r, name, json_integer((json_int_t)value));
}

void control_counters(void *ctx, struct rf_control_call *call, json_t *args)
{
    (void)ctx, (void)args;
    json_t *rooms = json_object();
    const struct rf_control_host *host = &call->control->host;
    rf_node_counters(rf_call_node(call), add_counter, rooms);
    if (host->counters != NULL)
        host->counters(host->ctx, add_counter, rooms);
    rf_call_result(call, rooms);
}
