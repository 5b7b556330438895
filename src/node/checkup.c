/*
 * checkup.c - what a node can find out about its place in the network when somebody asks (`ringfolk doctor`).
 *
 * One check at a time. Two questions go to home (of a supernode: to a neighbor): a Ping, for the clocks, and the question about roles
 * (docs/protocol/roles.md), for the address that home sees, and, if we listen where supernodes could dial, with the request to do so. Home says that it
 * dials: its connection shows that we can be reached; none within DIAL_US: that we cannot. All is over after CHECK_US.
 */
#include "node/internal.h"

#define CHECK_US  (8 * RF_US_PER_S)
#define DIAL_US   (5 * RF_US_PER_S)
#define SETTLE_US (12 * RF_US_PER_S) /* more than a connection is expected for (link.h) */

struct checkup {
    struct rf_node *node;
    struct rf_node_checkup result;
    struct rf_timer timer;
    rf_call_id call;       /* the question about roles, 0: none */
    bool pinging, waiting; /* for an answer; for a connection */
    bool late;             /* DIAL_US have passed */
    bool
        settled; /* nobody is expected for an Attach of ours any more: a connection that comes is what we asked for */
    void (*done)(void *arg, const struct rf_node_checkup *checkup);
    void *arg;
};

static void end(struct checkup *c, int error)
{
    struct rf_node *node = c->node;
    node->checkup = NULL;
    c->result.datagrams = node_path_fares(node, &c->result.datagrams_seen);
    rf_timer_stop(&node->timers, &c->timer);
    if (c->call != 0) {
        rf_call_id call = c->call;
        c->call = 0;
        rf_overlay_cancel(node->overlay, call);
    }
    c->result.error = error;
    c->done(c->arg, &c->result);
    rf_free(node->env.mem, c);
}

static void end_if_all_is_known(struct checkup *c)
{
    if (c->call == 0 && !c->pinging && !c->waiting)
        end(c, 0);
}

static void due(struct rf_timer *timer, void *arg)
{
    (void)timer;
    struct checkup *c = arg;
    if (c->waiting)
        c->result.reach = RF_REACH_NO;
    c->waiting = false;
    bool missing = c->call != 0 || c->pinging, again = missing && !c->late;
    c->late = true;
    if (again && rf_env_timer_in(&c->node->env, &c->timer, CHECK_US - DIAL_US) == 0)
        return;
    c->result.silent = c->result.supernode.len > 0 && c->pinging;
    end(c, 0);
}

/* The Ping cannot be called off: its answer may come when another check is under way. */
static void pinged(void *arg, int error, uint64_t rtt_us, uint64_t their_wall_ms)
{
    struct rf_node *node = arg;
    struct checkup *c = node->checkup;
    if (c == NULL || !c->pinging)
        return;
    c->pinging = false;
    if (error == 0 && their_wall_ms <= INT64_MAX) {
        c->result.rtt_us = rtt_us;
        c->result.clock_known = true;
        c->result.clock_ms =
            (int64_t)their_wall_ms - (int64_t)(node->now.wall_ms - rtt_us / 2 / RF_US_PER_MS);
    }
    end_if_all_is_known(c);
}

static void said(void *arg, const struct rf_reply *reply)
{
    struct checkup *c = arg;
    struct rf_role_said said;
    if (c->call == 0)
        return; /* called off */
    c->call = 0;
    if (reply->error == 0 && rf_role_said_decode(reply->body, &said) == 0) {
        c->result.seen = said.seen;
        if (said.dial == RF_ROLE_DIAL_BEGUN && c->result.reach != RF_REACH_YES)
            c->waiting = true;
        else if (said.dial == RF_ROLE_DIAL_STRANGER)
            c->result.reach = RF_REACH_ELSEWHERE;
    }
    end_if_all_is_known(c);
}

void node_checkup_dialled(struct rf_node *node, const struct rf_id *by)
{
    struct checkup *c = node->checkup;
    if (c == NULL || !rf_id_equal(by, &c->result.supernode))
        return;
    c->result.reach = RF_REACH_YES;
    c->waiting = false;
    end_if_all_is_known(c);
}

static int ask(struct checkup *c)
{
    struct rf_node *node = c->node;
    bool unknown = node->role == RF_NODE_CLIENT && c->result.reach != RF_REACH_YES;
    const struct rf_addr *own = unknown && c->settled ? node_role_address(node) : NULL;
    struct rf_role_ask body = {.wants = own != NULL ? RF_ROLE_DIAL : 0};
    uint8_t bytes[64];
    struct rf_buf buf;
    if (own != NULL) {
        body.address = *own;
        (void)rf_links_expect(node->links, &c->result.supernode, RF_LINK_APP, ROLE_APPLICATION);
    }
    rf_buf_fixed(&buf, bytes, sizeof(bytes));
    rf_role_ask_encode(&body, &buf);
    struct rf_call call = {.code = RF_CODE_EXP_A_REQ,
                           .body = rf_buf_view(&buf),
                           .link = rf_overlay_link_of(node->overlay, &c->result.supernode),
                           .max_transmissions = 3,
                           .done = said,
                           .arg = c};
    rf_call_to_node(&call, &c->result.supernode);
    return rf_overlay_call(node->overlay, &call, &c->call);
}

/* A connection that a supernode made, and which stands. */
static void look_at_link(void *arg, const struct rf_link_info *info)
{
    struct checkup *c = arg;
    if (info->state == RF_LINK_UP && info->purpose == RF_LINK_OVERLAY && node_was_dialled(info) &&
        rf_overlay_is_peer(c->node->overlay, &info->node_id))
        c->result.reach = RF_REACH_YES;
}

/* Who is asked: home, or some neighbor; and what is known without asking. False: there is nobody. */
static bool look_around(struct checkup *c)
{
    struct rf_node *node = c->node;
    struct rf_topology_status_entry entries[64];
    struct rf_link_info link;
    rf_link_id way = 0;
    size_t count = rf_node_ring(node, entries, RF_COUNT(entries));
    for (size_t i = 0; i < count; i++) {
        bool home = entries[i].relation == 'a' || (entries[i].relation == 's' && way == 0);
        if (home && entries[i].link != 0) {
            c->result.supernode = entries[i].node;
            way = entries[i].link;
        }
        if (entries[i].relation == 'b' && entries[i].link != 0)
            c->result.reserve = entries[i].node;
    }
    if (rf_links_info(node->links, way, &link) != 0)
        return false;
    c->settled = node->attach_count == 0 && node->now.mono_us - link.up_since_us >= SETTLE_US;
    c->result.local = link.local;
    c->result.remote = link.remote;
    rf_links_each(node->links, look_at_link, c);
    if (c->result.reach == RF_REACH_YES)
        return true;
    if (node->role == RF_NODE_CLIENT && node_role_address(node) == NULL)
        c->result.reach = RF_REACH_NOWHERE;
    else if (node_outward(node))
        c->result.reach = RF_REACH_NO;
    return true;
}

int rf_node_checkup(struct rf_node *node, struct rf_now now,
                    void (*done)(void *arg, const struct rf_node_checkup *checkup), void *arg)
{
    node_enter(node, now);
    if (node->checkup != NULL)
        return RF_EBUSY;
    struct checkup *c = rf_zalloc(node->env.mem, sizeof(*c));
    if (c == NULL)
        return RF_ENOMEM;
    *c = (struct checkup){.node = node, .done = done, .arg = arg};
    c->result.joined = node_state(node) == RF_TOPOLOGY_JOINED;
    c->result.way_error = node->bootstrap.last_error;
    c->result.way = node->bootstrap.last_addr;
    rf_timer_init(&c->timer, due, c);
    bool somebody = c->result.joined && look_around(c);
    int error = rf_env_timer_in(&node->env, &c->timer, somebody ? DIAL_US : 0);
    if (error != 0) {
        rf_free(node->env.mem, c);
        return error;
    }
    node->checkup = c;
    if (!somebody)
        return 0; /* told at the next tick */
    node_paths_probe(node);
    c->pinging = rf_node_ping(node, &c->result.supernode, now, pinged, node) == 0;
    if (ask(c) != 0)
        c->call = 0;
    return 0; /* if neither could be sent: told by the timer */
}

void node_checkup_deinit(struct rf_node *node)
{
    if (node->checkup != NULL)
        end(node->checkup, RF_ECANCELLED);
}
