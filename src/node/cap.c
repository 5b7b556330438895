/*
 * cap.c - how many connections a client has at once: at most max_flows, whoever makes them, because gateways count them (as "flows") and some cut off who
 * has too many. Supernodes have no such limit. docs/operating.md, docs/decisions/0023-few-flows.md.
 *
 * Kinds, the dearest first. WAY: home, and while there is none whatever may lead to one. HELD: an application's connection on which a call lives
 * (rf_node_app_hold); the call's sound counts MEDIA more, and what is IDLE or less goes for it. USED: one that is being made or carried more than a
 * keep-alive within APP_USED_US. IDLE: another of an application. RESERVE: the supernode that stands by. OTHER: the
 * way in that home has taken the place of, what only shows that we can be dialled, or how long a NAT keeps what is idle.
 *
 * What may be opened. A WAY always; when there are max_flows, another is closed for it, the least dear and of these the one unused longest, but no WAY
 * and no call.
 * Something for an application while those that are no WAY are fewer than max_flows - WAYS (a home that moves needs two for a while); else an OTHER, the
 * RESERVE or an IDLE one is closed for it. Whatever else likewise, but nothing is closed for it. An AppAttach of ours counts from its request on. If there is
 * no room it is WAITING, and tried again every WAIT_STEP_US; after WAIT_US it fails with RF_ELIMIT. An AppAttach of others is refused at once.
 * Paths (path.c). One that is being made counts more, for whom it asks and what it tries. Where max_flows is small all of them are one flow, to a relay: their links count nothing, and closing them
 * would free nothing; a call on one counts its MEDIA.
 *
 * A reserve is wanted while there is room for it beside the applications' connections, somebody can dial us, and nobody said otherwise. Who is behind a NAT holds one
 * connection when all is quiet: it remembers supernodes, and resumes the session with one of them.
 */
#include "node/internal.h"

#define APP_USED_US  (2 * RF_US_PER_S)
#define WAIT_STEP_US (RF_US_PER_S / 4)
#define WAIT_US      (20 * RF_US_PER_S)
#define WAYS         2
#define MEDIA        2 /* a call's sound: to the other side, and to a relay or to who says how we are seen */

enum kind { KIND_WAY, KIND_HELD, KIND_USED, KIND_IDLE, KIND_RESERVE, KIND_OTHER, KINDS };

struct tally {
    const struct rf_node *node;
    struct rf_id reserve;
    size_t counts[KINDS];
    size_t relayed_calls; /* held, on paths that share a flow */
    size_t shared;        /* that flow: 0 or 1, 2 for a moment */
    size_t making;        /* flows of paths that are being made */
    size_t at_the_door;   /* others make them, and who they are is not known yet */
    bool found;           /* somebody who could go: */
    enum kind kind;
    uint64_t used_us;
    rf_link_id link;
};

static bool unlimited(const struct rf_node *node)
{
    return node->role == RF_NODE_SUPERNODE || node->max_flows == SIZE_MAX;
}

static enum kind kind_of_app(const struct rf_node *node, const struct rf_link_info *info, uint64_t *used_us)
{
    const struct app_conn *conn = node_app_conn(node, info->id);
    if (info->application == ROLE_APPLICATION || info->application == BINDING_APPLICATION)
        return KIND_OTHER;
    if (conn == NULL) /* it is being made */
        return KIND_USED;
    *used_us = conn->used_us;
    if (conn->held)
        return KIND_HELD;
    return node->now.mono_us - conn->used_us < APP_USED_US ? KIND_USED : KIND_IDLE;
}

/* The one that an Attach of ours as a client makes, or waits for. */
static const struct attach *attach_of(const struct rf_node *node, const struct rf_link_info *info)
{
    RF_LIST_EACH(&node->attaches, it)
    {
        const struct attach *a = RF_LIST_ENTRY(it, struct attach, list);
        const struct rf_id *wanted = a->resource ? &a->peer : &a->target;
        if (a->application == 0 &&
            (a->dial == info->id || (info->node_id.len != 0 && rf_id_equal(wanted, &info->node_id))))
            return a;
    }
    return NULL;
}

static enum kind kind_of(const struct tally *t, const struct rf_link_info *info, uint64_t *used_us)
{
    const struct rf_node *node = t->node;
    const struct attach *a;
    *used_us = info->message_us;
    if (info->purpose == RF_LINK_APP)
        return kind_of_app(node, info, used_us);
    if (node_state(node) != RF_TOPOLOGY_JOINED || info->id == node->bootstrap.dialling ||
        info->id == node->redial.dialling)
        return KIND_WAY;
    if (info->node_id.len != 0 && rf_id_equal(&info->node_id, &node->home))
        return KIND_WAY;
    if (info->node_id.len != 0 && rf_id_equal(&info->node_id, &t->reserve))
        return KIND_RESERVE;
    a = attach_of(node, info);
    if (a != NULL)
        return a->wish == RF_ADMIT_RESERVE ? KIND_RESERVE : KIND_WAY;
    return node_was_dialled(info) && info->state == RF_LINK_HANDSHAKE && node->attach_count > 0 ? KIND_USED
                                                                                                : KIND_OTHER;
}

static void look(void *arg, const struct rf_link_info *info)
{
    struct tally *t = arg;
    uint64_t used_us;
    if (info->state == RF_LINK_CLOSING)
        return;
    if (info->path && node_path_thrifty(t->node)) {
        const struct app_conn *conn = node_app_conn(t->node, info->id);
        t->relayed_calls += conn != NULL && conn->held;
        return;
    }
    enum kind kind = kind_of(t, info, &used_us);
    t->counts[kind]++;
    t->at_the_door += node_was_dialled(info) && info->state == RF_LINK_HANDSHAKE;
    if (t->found && (kind < t->kind || (kind == t->kind && used_us >= t->used_us)))
        return;
    t->found = true;
    t->kind = kind;
    t->used_us = used_us;
    t->link = info->id;
}

/* Connections that AppAttaches of ours are going to bring. */
static size_t announced(const struct rf_node *node)
{
    size_t count = 0;
    RF_LIST_EACH(&node->attaches, it)
    {
        const struct attach *a = RF_LIST_ENTRY(it, struct attach, list);
        bool counted = a->dial != 0 || /* as a link, or in the flow that paths share */
                       (a->path != NULL && (a->path->link != 0 || node_path_thrifty(node)));
        count += a->application != 0 && a->state != ATTACH_WAITING && !counted;
    }
    return count;
}

static void take_stock(const struct rf_node *node, struct tally *t)
{
    struct rf_topology_status_entry entries[8];
    size_t count = rf_node_ring(node, entries, RF_COUNT(entries));
    *t = (struct tally){.node = node};
    for (size_t i = 0; i < count; i++)
        if (entries[i].relation == 'b')
            t->reserve = entries[i].node;
    rf_links_each(node->links, look, t);
    t->counts[KIND_OTHER] += node_binding_flows(node);
    if (node_path_thrifty(node))
        t->shared = node_path_flows(node);
    else
        t->making = node_path_flows(node);
    size_t coming = announced(node);
    t->counts[KIND_USED] += coming > t->at_the_door ? coming - t->at_the_door : 0;
}

static size_t flows_of(const struct tally *t)
{
    size_t sum = t->shared + t->making;
    for (int kind = 0; kind < KINDS; kind++)
        sum += t->counts[kind];
    return sum;
}

static size_t media_of(const struct tally *t)
{
    return MEDIA * (t->counts[KIND_HELD] + t->relayed_calls);
}

static bool is_full(const struct tally *t, enum flow_use use)
{
    size_t flows = flows_of(t), max = t->node->max_flows;
    if (use == FLOW_APP && t->shared > 0) /* which it can share */
        max++;
    return flows >= max || (use != FLOW_WAY && flows + media_of(t) - t->counts[KIND_WAY] + WAYS >= max);
}

bool node_cap_room(struct rf_node *node, enum flow_use use)
{
    struct tally t;
    if (unlimited(node))
        return true;
    for (take_stock(node, &t); is_full(&t, use); take_stock(node, &t)) {
        enum kind dearest = use == FLOW_WAY ? KIND_USED : KIND_IDLE;
        if (use != FLOW_OTHER && node_binding_yield(node))
            continue;
        if (use == FLOW_OTHER || !t.found || t.kind < dearest)
            return false;
        node->counters.flows_closed++;
        rf_links_close(node->links, t.link, RF_ELIMIT);
    }
    return true;
}

void node_cap_held(struct rf_node *node)
{
    struct tally t;
    if (unlimited(node))
        return;
    for (take_stock(node, &t);
         flows_of(&t) + media_of(&t) > node->max_flows && t.found && t.kind >= KIND_IDLE;
         take_stock(node, &t)) {
        node->counters.flows_closed++;
        rf_links_close(node->links, t.link, RF_ELIMIT);
    }
}

int node_cap_take(struct rf_node *node, enum flow_use use)
{
    if (node_cap_room(node, use))
        return 0;
    node->counters.flows_refused++;
    return RF_ELIMIT;
}

/* Who comes is known only after the handshake; somebody may be expected, whose place is counted already. */
int node_cap_accept(struct rf_node *node)
{
    struct tally t;
    if (unlimited(node))
        return 0;
    RF_LIST_EACH(&node->attaches, it)
    {
        const struct attach *a = RF_LIST_ENTRY(it, struct attach, list);
        if (a->application == 0 && a->wish == RF_ADMIT_HOME)
            return node_cap_take(node, FLOW_WAY);
    }
    take_stock(node, &t);
    return announced(node) > t.at_the_door ? 0 : node_cap_take(node, FLOW_OTHER);
}

bool node_cap_reserve(const struct rf_node *node)
{
    struct tally t;
    if (unlimited(node))
        return true;
    if (node->no_reserve || node->undialled_us != 0)
        return false;
    take_stock(node, &t);
    return t.counts[KIND_HELD] + t.shared + media_of(&t) + t.counts[KIND_USED] + t.counts[KIND_IDLE] + WAYS <
           node->max_flows;
}

static void count_path(void *arg, const struct rf_link_info *info)
{
    *(size_t *)arg += info->path && info->state != RF_LINK_CLOSING;
}

size_t node_cap_flows(const struct rf_node *node)
{
    size_t media = node_binding_flows(node), sharing = 0;
    if (!unlimited(node) && node_path_thrifty(node)) {
        rf_links_each(node->links, count_path, &sharing);
        media += node_path_flows(node);
    }
    RF_LIST_EACH(&node->app_conns, it)
    {
        media += RF_LIST_ENTRY(it, struct app_conn, list)->held ? MEDIA : 0;
    }
    return media - sharing + rf_links_count(node->links, RF_LINK_CONNECTING) +
           rf_links_count(node->links, RF_LINK_HANDSHAKE) + rf_links_count(node->links, RF_LINK_UP);
}

/* ---- an AppAttach of ours that waits for room ---- */

int node_cap_wait(struct attach *a)
{
    a->state = ATTACH_WAITING;
    a->called_us = a->node->now.mono_us;
    a->node->counters.flows_waited++;
    return rf_env_timer_in(&a->node->env, &a->timer, WAIT_STEP_US);
}

void node_cap_due(struct attach *a)
{
    struct rf_node *node = a->node;
    int error = 0;
    if (!node_cap_room(node, FLOW_APP))
        error = node->now.mono_us - a->called_us < WAIT_US ? RF_EAGAIN : RF_ELIMIT;
    if (error == RF_EAGAIN && rf_env_timer_in(&node->env, &a->timer, WAIT_STEP_US) == 0)
        return;
    node->counters.flows_refused += error != 0;
    if (error == 0)
        error = attach_app_begin(a);
    if (error != 0)
        attach_end(a, error == RF_EAGAIN ? RF_ENOMEM : error, NULL, 0);
}
