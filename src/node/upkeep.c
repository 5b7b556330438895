/*
 * upkeep.c - what happens by itself: joined and lost, the certificate's age, remembered supernodes.
 *
 * One timer, UPKEEP_US after something was left to do, else every UPKEEP_QUIET_US and when the certificate comes of age: the certificate (told
 * once when a third of its life is left, and once when it has expired), every UPKEEP_QUIET_US links whose certificates are no longer acceptable;
 * two links with one node, addresses to remember.
 */
#include "chat/chat.h"
#include "node/internal.h"
#include "wire/diag.h"

#define UPKEEP_US          (20 * RF_US_PER_S)
#define UPKEEP_QUIET_US    (600 * RF_US_PER_S) /* the wall clock may be set: look at least that often */
#define TWIN_US            (2 * RF_US_PER_S)   /* what was on its way over the older one has arrived */
#define CLOCK_TOLERANCE_MS ((int64_t)60000)

static void check_certificate(struct rf_node *node)
{
    const struct rf_x509 *x = &node->identity.cert->x509;
    uint64_t now_ms = node->now.wall_ms, life_ms = x->not_after_ms - x->not_before_ms;
    if (now_ms >= x->not_after_ms) {
        if (!node->expired_told)
            node_event(node, RF_NODE_EVENT_EXPIRED, &node->identity.node_id, NULL, RF_EEXPIRED,
                       "the certificate has expired: other nodes refuse it until it is renewed");
        node->expired_told = true;
    } else if (x->not_after_ms - now_ms < life_ms / 3) {
        if (!node->expiring_told)
            node_event(node, RF_NODE_EVENT_EXPIRING, &node->identity.node_id, NULL, 0,
                       "the certificate expires in %llu hours",
                       (unsigned long long)((x->not_after_ms - now_ms) / 3600000));
        node->expiring_told = true;
    }
}

/* How long it may be until the next look: not beyond the moments that check_certificate tells of. */
static uint64_t quiet_us(const struct rf_node *node)
{
    const struct rf_x509 *x = &node->identity.cert->x509;
    uint64_t now_ms = node->now.wall_ms, third_ms = (x->not_after_ms - x->not_before_ms) / 3,
             us = UPKEEP_QUIET_US;
    uint64_t moments_ms[] = {x->not_after_ms - third_ms + 1, x->not_after_ms};
    for (size_t i = 0; i < RF_COUNT(moments_ms); i++)
        if (moments_ms[i] > now_ms && (moments_ms[i] - now_ms) * RF_US_PER_MS < us)
            us = (moments_ms[i] - now_ms) * RF_US_PER_MS;
    return us;
}

static void tell_peers(struct rf_node *node)
{
    if (!node->peers_dirty)
        return;
    struct node_out *o = node_out_new(node, RF_NODE_OUT_PEERS);
    struct rf_addr *copy = o != NULL ? rf_region_array(&o->region, node->peer_count, sizeof(*copy)) : NULL;
    if (copy == NULL) {
        node_out_free(node, o);
        return; /* told at the next round */
    }
    memcpy(copy, node->peers, node->peer_count * sizeof(*copy));
    o->out.peers = copy;
    o->out.peer_count = node->peer_count;
    node->peers_dirty = false;
}

/*
 * Two overlay links with one node (both dialled at once, or a bootstrap link beside an old one): one goes. Both
 * sides choose the same: what the smaller Node-ID dialled stays, when both have stood for a while; of two that one side dialled the newer one, as soon as it has stood for a moment. Of more than two all go at once but the one
 * in use and the newest other one.
 */
struct twins {
    struct rf_node *node;
    rf_link_id close[64];
    size_t close_count;
};

static bool dialled_by_smaller(const struct rf_node *node, const struct rf_link_info *link)
{
    bool we_are_smaller = rf_id_compare(&node->identity.node_id, &link->node_id) < 0;
    return link->outgoing == we_are_smaller;
}

static bool stood(const struct rf_node *node, const struct rf_link_info *link, uint64_t us)
{
    return link->state == RF_LINK_UP && link->purpose == RF_LINK_OVERLAY &&
           node->now.mono_us - link->up_since_us >= us;
}

/* Is it neither the one in use nor the newest other one? */
static bool is_beyond_two(const struct rf_node *node, const struct rf_link_info *link, rf_link_id preferred)
{
    uint64_t newest[2];
    size_t count = rf_overlay_links_of(node->overlay, &link->node_id, newest, RF_COUNT(newest));
    return count == 2 && link->id != preferred &&
           link->id != (newest[0] != preferred ? newest[0] : newest[1]);
}

static rf_link_id twin_that_goes(const struct rf_node *node, const struct rf_link_info *a,
                                 const struct rf_link_info *b)
{
    if (a->outgoing != b->outgoing) {
        bool settled = stood(node, a, UPKEEP_US) && stood(node, b, UPKEEP_US);
        return !settled ? 0 : dialled_by_smaller(node, a) ? b->id : a->id;
    }
    const struct rf_link_info *newer = a->up_since_us < b->up_since_us ? b : a;
    return !stood(node, newer, TWIN_US) || newer->suspect ? 0 : newer == a ? b->id : a->id;
}

static void twin_look(void *arg, const struct rf_link_info *info)
{
    struct twins *t = arg;
    struct rf_link_info other;
    if (info->state != RF_LINK_UP || info->purpose != RF_LINK_OVERLAY)
        return;
    rf_link_id preferred = rf_overlay_link_of(t->node->overlay, &info->node_id);
    if (preferred == info->id || rf_links_info(t->node->links, preferred, &other) != 0)
        return;
    rf_link_id goes =
        is_beyond_two(t->node, info, preferred) ? info->id : twin_that_goes(t->node, info, &other);
    if (goes != 0 && t->close_count < RF_COUNT(t->close))
        t->close[t->close_count++] = goes;
    else
        t->node->twins = true; /* another time */
}

static void close_twins(struct rf_node *node)
{
    struct twins twins = {.node = node, .close_count = RF_COUNT(twins.close)};
    if (!node->twins)
        return;
    while (twins.close_count == RF_COUNT(twins.close)) { /* those that were closed are not up any more */
        node->twins = false;
        twins.close_count = 0;
        rf_links_each(node->links, twin_look, &twins);
        for (size_t i = 0; i < twins.close_count; i++)
            rf_links_close(node->links, twins.close[i], RF_EDUPLICATE);
    }
}

static void upkeep_fired(struct rf_timer *timer, void *arg)
{
    struct rf_node *node = arg;
    check_certificate(node);
    if (node->now.mono_us - node->rechecked_us >= UPKEEP_QUIET_US) {
        node->rechecked_us = node->now.mono_us;
        rf_links_recheck(node->links);
    }
    close_twins(node);
    tell_peers(node);
    rf_links_trim(node->links);
    rf_overlay_trim(node->overlay);
    bool more = node->twins || node->peers_dirty;
    (void)rf_env_timer_in(&node->env, timer,
                          more ? UPKEEP_US : quiet_us(node)); /* it was set before: cannot fail */
}

void node_upkeep_soon(struct rf_node *node)
{
    if (rf_timer_is_set(&node->upkeep_timer) && node->upkeep_timer.at_us > node->now.mono_us + UPKEEP_US)
        (void)rf_env_timer_in(&node->env, &node->upkeep_timer, UPKEEP_US);
}

static bool is_home(const struct rf_node *node, const struct rf_link_info *link)
{
    return node->home.len > 0 && rf_id_equal(&node->home, &link->node_id);
}

void node_upkeep_link_up(struct rf_node *node, const struct rf_link_info *link)
{
    bool kept = is_home(node, link);
    if (node->role == RF_NODE_SUPERNODE) {
        const struct visitor *v = node_admit_visitor(node, &link->node_id);
        rf_links_slow(node->links, link->id, node_admit_quiet(node, &link->node_id));
        kept = v != NULL && v->kind != VISITOR_PEER;
    }
    node_returns_admitted(node, link->id, kept);
    if (rf_overlay_link_of(node->overlay, &link->node_id) == 0)
        return;
    node->twins = true;
    node_upkeep_soon(node);
}

/* What a client is linked with besides its home stands by. That home is silent the reserve will tell, if it is the one that takes home's place. */
static uint8_t quiet_of(const struct rf_node *node, const struct rf_link_info *link)
{
    struct rf_conn conns[2];
    if (node->role == RF_NODE_SUPERNODE || node->home.len == 0)
        return 1;
    if (!is_home(node, link))
        return NODE_QUIET_RESERVE;
    bool alone = node->guest || rf_overlay_conns(node->overlay, conns, RF_COUNT(conns)) < 2;
    return alone ? 1 : NODE_QUIET_HOME;
}

static void set_quiet(void *arg, const struct rf_link_info *link)
{
    struct rf_node *node = arg;
    rf_links_slow(node->links, link->id, quiet_of(node, link));
}

static void set_homed(void *arg, const struct rf_link_info *link)
{
    struct rf_node *node = arg;
    set_quiet(node, link);
    node_returns_admitted(node, link->id, is_home(node, link));
}

void node_upkeep_links(struct rf_node *node)
{
    if (node->role != RF_NODE_SUPERNODE)
        rf_links_each(node->links, set_quiet, node);
    node_binding_look(node);
}

void node_upkeep_homed(struct rf_node *node, const struct rf_id *home)
{
    node->home = *home;
    rf_links_each(node->links, set_homed, node);
    node_binding_look(node);
}

/* ---- what overlay/ asks of the whole node for Probe and diagnostics ---- */

static size_t count_resources(void *arg)
{
    struct rf_store_stats stats;
    rf_store_stats(((struct rf_node *)arg)->store, &stats);
    return stats.resource_count;
}

static int fill_diagnostics(void *arg, uint16_t kind, struct rf_buf *out)
{
    struct rf_store_stats stats;
    if (kind != RF_DIAG_DATASIZE_STORED)
        return RF_ENOTFOUND;
    rf_store_stats(((struct rf_node *)arg)->store, &stats);
    rf_buf_u64(out, stats.bytes);
    return 0;
}

void node_upkeep_init(struct rf_node *node)
{
    rf_overlay_set_resource_count(node->overlay, count_resources, node);
    rf_overlay_set_diagnostics(node->overlay, fill_diagnostics, node);
    rf_timer_init(&node->upkeep_timer, upkeep_fired, node);
}

void node_upkeep_start(struct rf_node *node)
{
    check_certificate(node);
    node->rechecked_us = node->now.mono_us;
    (void)rf_env_timer_in(&node->env, &node->upkeep_timer, UPKEEP_US);
}

void node_upkeep_stop(struct rf_node *node)
{
    rf_timer_stop(&node->timers, &node->upkeep_timer);
    tell_peers(node);
}

/* ---- the clock, compared with the first node that answers after a join ---- */

static void clock_seen(void *arg, int error, uint64_t rtt_us, uint64_t their_wall_ms)
{
    struct rf_node *node = arg;
    if (error != 0 || node->clock_told)
        return;
    if (their_wall_ms > INT64_MAX)
        return; /* no clock says that */
    int64_t ours = (int64_t)(node->now.wall_ms - rtt_us / 2 / RF_US_PER_MS);
    int64_t difference = (int64_t)their_wall_ms - ours;
    if (difference > -CLOCK_TOLERANCE_MS && difference < CLOCK_TOLERANCE_MS)
        return;
    node->clock_told = true;
    struct node_out *told = node_event(
        node, RF_NODE_EVENT_CLOCK, NULL, NULL, 0,
        "this computer's clock is %lld s %s the overlay's: set it, or what this node stores may be refused",
        (long long)(difference < 0 ? -difference : difference) / 1000,
        difference < 0 ? "ahead of" : "behind");
    if (told != NULL)
        told->out.event.number = difference;
}

static void check_clock(struct rf_node *node)
{
    struct rf_conn conns[8];
    size_t count = rf_overlay_conns(node->overlay, conns, RF_COUNT(conns));
    if (count > 0)
        (void)rf_node_ping(node, &conns[0].node, node->now, clock_seen, node);
}

void node_state_changed(void *ctx, enum rf_topology_state state)
{
    struct rf_node *node = ctx;
    switch (state) {
    case RF_TOPOLOGY_JOINED: {
        struct rf_node_status status;
        rf_node_status(node, &status);
        node->bootstrap.round_count = node->bootstrap.wish_count = 0;
        node->bootstrap.first = (struct rf_addr){0};
        node_event(node, RF_NODE_EVENT_JOINED, &status.supernode, NULL, 0, NULL);
        if (node->role == RF_NODE_SUPERNODE && node->guest)
            node_at_home(node);
        rf_store_joined(node->store);
        rf_usages_online(node->usages, true);
        if (node->chat != NULL)
            rf_chat_online(node->chat, true);
        node_relay_online(node, true);
        node_paths_look(node);
        check_clock(node);
        break;
    }
    case RF_TOPOLOGY_JOINING:
        if (node_role_changes(node))
            break; /* those that it was linked with still are: it can be reached */
        if (node->joined)
            node_event(node, RF_NODE_EVENT_LOST, NULL, NULL, RF_EUNREACHABLE, "trying to get back");
        rf_usages_online(node->usages, false);
        if (node->chat != NULL)
            rf_chat_online(node->chat, false);
        node_relay_online(node, false);
        node->home = (struct rf_id){0};
        node_paths_lost(node);
        break;
    case RF_TOPOLOGY_IDLE:
        node_left_overlay(node);
        break;
    case RF_TOPOLOGY_LEAVING:
        break;
    }
    node->joined = state == RF_TOPOLOGY_JOINED;
}

int rf_node_renew(struct rf_node *node, struct rf_view cert_der, struct rf_now now)
{
    node_enter(node, now);
    struct rf_cert *cert = NULL;
    /* The key stays the same one: groups of conversations have borrowed it. */
    struct rf_key *key = node->identity.key;
    struct rf_identity renewed;
    int error = node_own_cert(node, cert_der, &cert);
    if (error == 0 && !rf_cert_has_node_id(cert, &node->identity.node_id))
        error = RF_EMISMATCH;
    if (error == 0)
        error = rf_identity_init(&renewed, node->crypto, key, cert, &node->identity.node_id);
    rf_cert_release(cert);
    if (error != 0)
        return error;
    struct rf_view certs[RF_ENGINE_CERTS_MAX];
    size_t cert_count = node_shown_certs(renewed.cert, certs);
    error = rf_links_set_identity(node->links, certs, cert_count, node->key_pem);
    if (error != 0) {
        renewed.key = NULL;
        rf_identity_deinit(&renewed);
        return error;
    }
    node->identity.key = NULL;
    rf_identity_deinit(&node->identity);
    node->identity = renewed;
    node->expired_told = node->expiring_told = false;
    node_upkeep_soon(node);
    rf_usages_renewed(node->usages);
    if (node->chat != NULL)
        rf_chat_renewed(node->chat);
    return 0; /* links that stand keep the old certificate until they are made anew */
}
