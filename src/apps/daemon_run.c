/* daemon_run.c - the node's turn in the loop: its outputs to sockets, disk, control and people. */
#include <stdio.h>
#include <string.h>
#include "apps/daemon_files.h"

/* Every round of bootstrapping tells it; people need it once a minute. */
static void say_unreachable(struct daemon *d, const char *text)
{
    uint64_t now_us = rf_loop_now(d->loop)->mono_us;
    if (now_us < d->unreachable_say_us)
        return;
    d->unreachable_say_us = now_us + 60 * RF_US_PER_S;
    rf_log_write(&d->log.log, RF_LOG_WARN, "node",
                 "no supernode reachable: %s; trying again (is the network up? a firewall in between?)",
                 text);
}

static void tell_people(struct daemon *d, const struct rf_node_out *out)
{
    char id[RF_ID_TEXT_LEN];
    const char *text = out->event.text;
    switch (out->event.type) {
    case RF_NODE_EVENT_JOINED:
        if (!d->ready_told) {
            struct rf_node_status status;
            rf_node_status(d->node, &status);
            printf("ready %s\n", rf_id_text(&status.node_id, id));
            fflush(stdout);
        }
        d->ready_told = true;
        d->unreachable_say_us = 0;
        rf_log_write(&d->log.log, RF_LOG_INFO, "node", "joined the overlay");
        break;
    case RF_NODE_EVENT_LOST:
        rf_log_write(&d->log.log, RF_LOG_WARN, "node", "lost the overlay: %s", text);
        break;
    case RF_NODE_EVENT_UNREACHABLE:
        say_unreachable(d, text);
        daemon_web_outdated(d);
        break;
    case RF_NODE_EVENT_REVOKED:
        daemon_say(d->config.user, text, NULL);
        d->status = 1;
        daemon_stop(d);
        break;
    case RF_NODE_EVENT_UNMET:
        daemon_say(
            d->config.user, text,
            "a newer ringfolkd may do that; or start again when the administrator has published another");
        d->status = 1;
        daemon_stop(d);
        break;
    case RF_NODE_EVENT_EXPIRING:
    case RF_NODE_EVENT_EXPIRED:
    case RF_NODE_EVENT_CLOCK:
        rf_log_write(&d->log.log, RF_LOG_WARN, "node", "%s", text);
        break;
    case RF_NODE_EVENT_ROLE:
        daemon_relay_role(d, out->event.number == RF_NODE_SUPERNODE);
        break;
    default:
        rf_log_write(&d->log.log, RF_LOG_DEBUG, "node", "%s %s %s", rf_node_event_name(out->event.type),
                     rf_id_text(&out->event.node_id, id), text);
        break;
    }
}

/* Everything but flows is done here; a flow's order is handed to rf_flows. */
static void next_action(void *ctx, struct rf_flow_order *order)
{
    struct daemon *d = ctx;
    struct rf_node_out out;
    memset(order, 0, sizeof(*order));
    while (rf_node_next(d->node, &out)) {
        switch (out.type) {
        case RF_NODE_OUT_FLOW:
            order->type = out.flow.type == RF_FLOW_CONNECT  ? RF_FLOW_ORDER_CONNECT
                          : out.flow.type == RF_FLOW_OUTPUT ? RF_FLOW_ORDER_OUTPUT
                                                            : RF_FLOW_ORDER_CLOSE;
            order->flow = out.flow.flow;
            order->addr = out.flow.addr;
            return;
        case RF_NODE_OUT_DATAGRAM:
            daemon_udp_send(d, &out);
            break;
        case RF_NODE_OUT_PERSIST:
            daemon_disk_persist(d, &out);
            break;
        case RF_NODE_OUT_CONF:
            daemon_disk_file(d, "overlay.xml", out.xml);
            daemon_disk_value(d, "kinds", out.kinds);
            break;
        case RF_NODE_OUT_PEERS:
            daemon_disk_peers(d, out.peers, out.peer_count);
            break;
        case RF_NODE_OUT_NETWORKS:
            daemon_disk_networks(d, out.networks, out.network_count);
            break;
        case RF_NODE_OUT_EVENT:
            if (out.event.type == RF_NODE_EVENT_LINK_UP)
                daemon_udp_follow(d);
            rf_control_node_event(d->control, &out);
            tell_people(d, &out);
            break;
        case RF_NODE_OUT_LEFT:
            d->left = true;
            break;
        case RF_NODE_OUT_NONE:
            break;
        }
    }
}

static int on_accept(void *ctx, const struct rf_addr *remote, const struct rf_addr *local, uint64_t *flow)
{
    struct daemon *d = ctx;
    return rf_node_accept(d->node, remote, local, *rf_loop_now(d->loop), flow);
}

static void on_connected(void *ctx, uint64_t flow, const struct rf_addr *local)
{
    struct daemon *d = ctx;
    rf_node_connected(d->node, flow, local, *rf_loop_now(d->loop));
}

static void on_closed(void *ctx, uint64_t flow, int reason)
{
    struct daemon *d = ctx;
    rf_node_closed(d->node, flow, reason, *rf_loop_now(d->loop));
}

static void on_input(void *ctx, uint64_t flow, struct rf_view bytes)
{
    struct daemon *d = ctx;
    rf_node_input(d->node, flow, bytes, *rf_loop_now(d->loop));
}

static struct rf_view on_output(void *ctx, uint64_t flow)
{
    return rf_node_output(((struct daemon *)ctx)->node, flow);
}

static void on_output_done(void *ctx, uint64_t flow, size_t len)
{
    rf_node_output_done(((struct daemon *)ctx)->node, flow, len);
}

const struct rf_flow_doorway *daemon_doorway(struct daemon *d, struct rf_flow_doorway *door)
{
    *door = (struct rf_flow_doorway){
        .ctx = d,
        .accept = on_accept,
        .connected = on_connected,
        .closed = on_closed,
        .input = on_input,
        .next_action = next_action,
        .output = on_output,
        .output_done = on_output_done,
    };
    return door;
}

/* SIP says its farewells, over connections that the node still has; then the node leaves. */
static void begin_to_leave(struct daemon *d)
{
    d->leaving = true;
    rf_log_write(&d->log.log, RF_LOG_INFO, "node", "leaving the overlay");
    daemon_end_sip(d);
    rf_node_leave(d->node, *rf_loop_now(d->loop));
}

uint64_t daemon_turn(void *arg)
{
    struct daemon *d = arg;
    const struct rf_now *now = rf_loop_now(d->loop);
    if (d->stopping && !d->leaving)
        begin_to_leave(d);
    if (rf_node_deadline(d->node) <= now->mono_us)
        rf_node_tick(d->node, *now);
    daemon_web_turn(d);
    rf_flows_drain(d->flows); /* this may tell that we have joined */
    uint64_t claim_us = daemon_claim_turn(d), relay_us = daemon_relay_turn(d),
             media_us = daemon_media_turn(d), files_us = daemon_files_turn(d);
    rf_flows_drain(d->flows);
    daemon_chat_turn(d);
    rf_udp_flush(d->udp);
    if (d->left)
        rf_loop_stop(d->loop);
    uint64_t node_us = d->stopping && !d->leaving ? now->mono_us : rf_node_deadline(d->node);
    if (relay_us < claim_us)
        claim_us = relay_us;
    if (media_us < claim_us)
        claim_us = media_us;
    if (files_us < claim_us)
        claim_us = files_us;
    return node_us < claim_us ? node_us : claim_us;
}

void daemon_stop(struct daemon *d)
{
    d->stopping =
        true; /* at the loop's next turn: we may be inside a command of SIP, or in the node's queue */
}
