/* doorway.c - the shell's calls in, and link/ and overlay/ speaking with each other through the node. */
#include "node/internal.h"

struct rf_node *node_enter(struct rf_node *node, struct rf_now now)
{
    /* the monotonic clock of a shell may be read a little out of order; the core's never goes back */
    if (now.mono_us < node->now.mono_us)
        now.mono_us = node->now.mono_us;
    node->now = now;
    return node;
}

int rf_node_accept(struct rf_node *node, const struct rf_addr *remote, const struct rf_addr *local,
                   struct rf_now now, rf_link_id *flow)
{
    node_enter(node, now);
    if (node->left || node->revoked)
        return RF_ECLOSED;
    int error = node_cap_accept(node);
    return error != 0 ? error : rf_links_accept(node->links, remote, local, flow);
}

void rf_node_connected(struct rf_node *node, rf_link_id flow, const struct rf_addr *local, struct rf_now now)
{
    if (!node_stream_connected(node_enter(node, now), flow, local))
        rf_links_connected(node->links, flow, local);
}

void rf_node_closed(struct rf_node *node, rf_link_id flow, int reason, struct rf_now now)
{
    if (!node_stream_closed(node_enter(node, now), flow))
        rf_links_closed(node->links, flow, reason);
}

void rf_node_input(struct rf_node *node, rf_link_id flow, struct rf_view bytes, struct rf_now now)
{
    if (!node_stream_input(node_enter(node, now), flow, bytes))
        rf_links_input(node->links, flow, bytes);
}

struct rf_view rf_node_output(struct rf_node *node, rf_link_id flow)
{
    struct rf_view out;
    return node_stream_output(node, flow, &out) ? out : rf_links_output(node->links, flow);
}

void rf_node_output_done(struct rf_node *node, rf_link_id flow, size_t len)
{
    if (!node_stream_output_done(node, flow, len))
        rf_links_output_done(node->links, flow, len);
}

void rf_node_persisted(struct rf_node *node, uint64_t token, int error, struct rf_now now)
{
    rf_store_persisted(node_enter(node, now)->store, token, error);
}

void rf_node_tick(struct rf_node *node, struct rf_now now)
{
    node_enter(node, now);
    rf_timers_run(&node->timers, node->now.mono_us, 10000);
}

uint64_t rf_node_deadline(const struct rf_node *node)
{
    return rf_timers_next(&node->timers);
}

/* ---- link/ -> overlay/ ---- */

static void link_up(void *ctx, const struct rf_link_info *link)
{
    struct rf_node *node = ctx;
    if (node_binding_link_up(node, link) || node_role_link_up(node, link))
        return;
    if (link->purpose == RF_LINK_APP) {
        node_attach_link_up(node, link);
        return;
    }
    bool bootstrap = node_bootstrap_link_up(node, link);
    if (!node_admit_link_up(node, &link->node_id)) {
        rf_links_close(node->links, link->id, RF_ELIMIT);
        return;
    }
    /* whoever we dialled listens there; who dialled us came from a port that nobody listens on */
    if (link->outgoing && !link->path && !node_attach_for_client(node, link->id)) {
        node_remember(node, &link->remote, false);
        node_redial_note(node, &link->node_id, &link->remote);
    }
    node_event(node, RF_NODE_EVENT_LINK_UP, &link->node_id, &link->remote, 0, NULL);
    node_upkeep_link_up(node, link);
    rf_link_id older = rf_overlay_link_of(node->overlay, &link->node_id);
    rf_overlay_link_up(node->overlay, link->id, &link->node_id, link->outgoing, bootstrap);
    node_returns_link_up(node, link, older);
    node_attach_link_up(node, link);
    node_redial_link_up(node, link);
    node_role_link_ready(node, link);
    node_paths_look(node);
    node_upkeep_links(node);
}

static void link_down(void *ctx, const struct rf_link_info *link, int reason)
{
    struct rf_node *node = ctx;
    bool was_up = link->node_id.len != 0;
    if (node_binding_link_down(node, link))
        return;
    node_role_link_down(node, link);
    node_path_link_down(node, link->id, reason);
    node_attach_link_down(node, link->id, false);
    node_outward_link_down(node, link->id, reason);
    if (link->purpose == RF_LINK_APP) {
        node_app_down(node, link, reason);
        return;
    }
    if (was_up) {
        bool strays = node_returns_link_down(node, link);
        node_admit_link_down(node, &link->node_id);
        node_event(node, RF_NODE_EVENT_LINK_DOWN, &link->node_id, &link->remote, reason, "%s",
                   rf_error_text(reason));
        rf_overlay_link_down(node->overlay, link->id, reason);
        if (strays)
            node_returns_stray(node, link->id);
        node_upkeep_links(node);
    }
    node_redial_link_down(node, link, reason);
    node_bootstrap_link_down(node, link, reason);
}

static void tap_frame(struct rf_node *node, rf_link_id link, bool outgoing, struct rf_view message)
{
    struct rf_link_info info;
    if (rf_links_info(node->links, link, &info) == 0)
        node->tap.frame(node->tap.ctx, outgoing, &info.remote, &info.local, message, node->now.wall_ms);
}

static void link_message(void *ctx, rf_link_id link, struct rf_view message)
{
    struct rf_node *node = ctx;
    if (node->tap.frame != NULL)
        tap_frame(node, link, false, message);
    rf_overlay_receive(node->overlay, link, message);
}

static void link_app_data(void *ctx, rf_link_id link, struct rf_view bytes)
{
    if (!node_binding_data(ctx, link, bytes))
        node_app_data(ctx, link, bytes);
}

static void link_too_large(void *ctx, rf_link_id link, struct rf_view front)
{
    rf_overlay_too_large(((struct rf_node *)ctx)->overlay, link, front);
}

static void link_suspect(void *ctx, rf_link_id link, bool suspect)
{
    rf_overlay_link_suspect(((struct rf_node *)ctx)->overlay, link, suspect);
    node_binding_suspect(ctx, link, suspect);
    node_returns_suspect(ctx, link, suspect);
    if (suspect)
        node_redial_suspect(ctx, link);
}

/* ---- overlay/ -> link/ ---- */

static int overlay_send(void *ctx, uint64_t link, struct rf_view message)
{
    struct rf_node *node = ctx;
    int error = rf_links_send(node->links, link, message);
    if (error == 0 && node->tap.frame != NULL)
        tap_frame(node, link, true, message);
    return error;
}

static size_t overlay_max_message(void *ctx, uint64_t link)
{
    struct rf_link_info info;
    if (rf_links_info(((struct rf_node *)ctx)->links, link, &info) != 0)
        return 0;
    return info.datagrams ? info.max_message : 0; /* over TLS what the document allows, whenever it changes */
}

static struct rf_cert *overlay_kept_cert(void *ctx, uint64_t link, bool *ours)
{
    struct rf_link_info info;
    if (rf_links_info(((struct rf_node *)ctx)->links, link, &info) != 0 || !info.brief)
        return NULL;
    *ours = !info.renewed;
    return info.cert;
}

static void overlay_disconnect(void *ctx, uint64_t link)
{
    rf_links_close(((struct rf_node *)ctx)->links, link, RF_ECLOSED);
}

static void overlay_keepalive(void *ctx, uint64_t link, uint64_t quiet_us)
{
    rf_links_keepalive(((struct rf_node *)ctx)->links, link, quiet_us);
}

static uint32_t overlay_rtt(void *ctx, uint64_t link)
{
    struct rf_link_info info;
    if (rf_links_info(((struct rf_node *)ctx)->links, link, &info) != 0)
        return 0;
    return info.rtt_us < UINT32_MAX ? (uint32_t)info.rtt_us : UINT32_MAX;
}

static void overlay_range_changed(void *ctx)
{
    rf_store_range_changed(((struct rf_node *)ctx)->store);
}

static void overlay_neighbor_lost(void *ctx, const struct rf_id *id)
{
    rf_store_neighbor_lost(((struct rf_node *)ctx)->store, id);
}

/* A guest is found only through its home: that is what its registration has to say. */
static void overlay_homed(void *ctx, const struct rf_id *home, bool guest)
{
    struct rf_node *node = ctx;
    struct rf_dest route[] = {rf_dest_node(home), rf_dest_node(&node->identity.node_id)};
    node->guest = guest;
    node_upkeep_homed(node, home);
    (void)rf_sipreg_route(rf_usages_sipreg(node->usages), route, guest ? RF_COUNT(route) : 0); /* fits */
}

static bool overlay_reserve(void *ctx)
{
    return node_cap_reserve(ctx);
}

void node_at_home(struct rf_node *node)
{
    node->guest = false;
    (void)rf_sipreg_route(rf_usages_sipreg(node->usages), NULL, 0); /* which does not fail */
}

static size_t overlay_handover_pending(void *ctx)
{
    return rf_store_handover_pending(((struct rf_node *)ctx)->store);
}

/* ---- store -> shell ---- */

static int store_persist(void *ctx, uint64_t token, const struct rf_persist_op *ops, size_t op_count)
{
    struct rf_node *node = ctx;
    struct node_out *o = node_out_new(node, RF_NODE_OUT_PERSIST);
    if (o == NULL)
        return RF_ENOMEM;
    struct rf_persist_op *copy;
    int error = rf_persist_copy(&o->region, ops, op_count, &copy);
    if (error != 0) {
        node_out_free(node, o);
        return error;
    }
    o->out.token = token;
    o->out.ops = copy;
    o->out.op_count = op_count;
    return 0;
}

const struct rf_link_host *node_link_host(struct rf_node *node, struct rf_link_host *host)
{
    *host = (struct rf_link_host){
        .ctx = node,
        .up = link_up,
        .message = link_message,
        .too_large = link_too_large,
        .app_data = link_app_data,
        .down = link_down,
        .suspect = link_suspect,
        .late = node_binding_late,
        .known = node_knows,
    };
    return host;
}

const struct rf_overlay_host *node_overlay_host(struct rf_node *node, struct rf_overlay_host *host)
{
    *host = (struct rf_overlay_host){
        .ctx = node,
        .send = overlay_send,
        .max_message = overlay_max_message,
        .kept_cert = overlay_kept_cert,
        .absent = node_returns_absent,
        .attach = node_attach_wish,
        .admit = node_attach_admit,
        .homed = overlay_homed,
        .reserve = overlay_reserve,
        .redial = node_redial_wish,
        .bootstrap = node_bootstrap_wish,
        .outside = node_bootstrap_outside,
        .disconnect = overlay_disconnect,
        .keepalive = overlay_keepalive,
        .rtt = overlay_rtt,
        .state = node_state_changed,
        .range_changed = overlay_range_changed,
        .neighbor_lost = overlay_neighbor_lost,
        .handover_pending = overlay_handover_pending,
        .configured = node_configured,
    };
    return host;
}

const struct rf_store_host *node_store_host(struct rf_node *node, struct rf_store_host *host)
{
    *host = (struct rf_store_host){.ctx = node, .persist = store_persist};
    return host;
}
