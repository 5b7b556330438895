/*
 * bootstrap.c - the first link into the overlay (reload.md 6.4), and who may declare itself the ring.
 *
 * A round dials, one after the other: remembered supernodes in random order, then the document's bootstrap nodes in random order; if
 * the first one's link has not brought us into the overlay, all of them in random order; before all others the home of a client that moved. Our own addresses are left out. The first link that comes up ends the round well. A round without one is told to the topology (which
 * waits, with jitter, before it asks for the next) and to people.
 *
 * First peer: only a supernode whose own address stands among the bootstrap nodes may be the ring by itself. It asks all others: a link whose node says that it
 * is not in the ring only pauses the round. The one that is listed at place i (from 0) declares itself at the end of a round in which nobody answered, when
 * FIRST_STEP * i have passed since it began to look; if some answered, all of them outside, that much must have passed when the round began. So of several
 * bootstrap nodes that start together one begins and the others find it. Two rings that began apart are merged by the
 * topology's partition check.
 */
#include "node/internal.h"

#define FIRST_STEP_US (8 * RF_US_PER_S)

static bool is_self(const struct rf_node *node, const struct rf_addr *addr)
{
    for (size_t i = 0; i < node->listen_count; i++)
        if (rf_addr_equal(&node->listen[i], addr))
            return true;
    return false;
}

/* our place among the bootstrap nodes, or -1 */
static int first_rank(const struct rf_node *node)
{
    for (size_t i = 0; i < node->conf->bootstrap_count; i++)
        if (is_self(node, &node->conf->bootstraps[i]))
            return (int)i;
    return -1;
}

bool node_may_be_first(const struct rf_node *node)
{
    return node->role == RF_NODE_SUPERNODE && first_rank(node) >= 0;
}

/* Fisher and Yates, from `begin` on */
static void shuffle_todo(struct rf_node *node, size_t begin)
{
    struct bootstrap *b = &node->bootstrap;
    for (size_t n = b->todo_count; n > begin + 1; n--) {
        size_t k = begin + rf_rng_below(node->env.jitter, n - begin);
        struct rf_addr swap = b->todo[n - 1];
        b->todo[n - 1] = b->todo[k];
        b->todo[k] = swap;
    }
}

static void add_todo(struct rf_node *node, const struct rf_addr *addrs, size_t count)
{
    struct bootstrap *b = &node->bootstrap;
    size_t begin = b->todo_count;
    for (size_t i = 0; i < count && b->todo_count < NODE_MAX_TODO; i++) {
        bool known = is_self(node, &addrs[i]);
        for (size_t k = 0; k < b->todo_count && !known; k++)
            known = rf_addr_equal(&b->todo[k], &addrs[i]);
        if (!known)
            b->todo[b->todo_count++] = addrs[i];
    }
    shuffle_todo(node, begin);
}

/* A round begins. Without memory it has nobody to try, and the next comes. */
static void fill_todo(struct rf_node *node)
{
    struct bootstrap *b = &node->bootstrap;
    size_t count = node->peer_count + node->conf->bootstrap_count;
    rf_free(node->env.mem, b->todo);
    b->todo_count = b->todo_next = 0;
    b->todo = count > 0 ? rf_alloc(node->env.mem, count * sizeof(*b->todo)) : NULL;
    if (b->todo == NULL)
        return;
    if (!node->joined) /* a partition check asks the document's nodes: whom we remember is on our side (5.8, D27) */
        add_todo(node, node->peers, node->peer_count);
    add_todo(node, node->conf->bootstraps, node->conf->bootstrap_count);
    if (!node->joined && b->wish_count++ > 0)
        shuffle_todo(node, 0);
    for (size_t i = 0; i < b->todo_count && !node->joined; i++)
        if (rf_addr_equal(&b->todo[i], &b->first)) {
            b->todo[i] = b->todo[0];
            b->todo[0] = b->first;
        }
}

static void round_over(struct rf_node *node)
{
    struct bootstrap *b = &node->bootstrap;
    b->active = false;
    b->dialling = 0;
    rf_free(node->env.mem, b->todo);
    b->todo = NULL;
    b->todo_count = b->todo_next = 0;
}

/* Whoever answered in this round was outside, and for so long nobody listed before us has begun, who had the right to. */
static bool declare_first(struct rf_node *node)
{
    const struct bootstrap *b = &node->bootstrap;
    uint64_t until_us = b->linked > 0 ? b->round_us : node->now.mono_us;
    if (node->joined || !node_may_be_first(node) || b->outside < b->linked ||
        until_us - b->started_us < FIRST_STEP_US * (uint64_t)first_rank(node))
        return false;
    rf_log_write(node->env.log, RF_LOG_INFO, "node",
                 "no other supernode is in the ring: starting the overlay as its first");
    rf_overlay_start(node->overlay, true);
    return true;
}

static void tell_unreachable(struct rf_node *node)
{
    const struct bootstrap *b = &node->bootstrap;
    char text[RF_ADDR_TEXT_LEN];
    if (b->todo_count == 0)
        node_event(node, RF_NODE_EVENT_UNREACHABLE, NULL, NULL, RF_EUNREACHABLE,
                   "the configuration document names no bootstrap node that we could try");
    else
        node_event(node, RF_NODE_EVENT_UNREACHABLE, NULL, &b->last_addr, b->last_error,
                   "none of %zu supernodes answers; the last one tried was %s: %s", b->todo_count,
                   rf_addr_text(&b->last_addr, text), rf_error_text(b->last_error));
}

static void round_failed(struct rf_node *node)
{
    bool first = declare_first(node);
    if (!first && !node->joined &&
        node->bootstrap.linked == 0) /* joined: a partition check, and nothing is lost */
        tell_unreachable(node);
    round_over(node);
    if (!first)
        rf_overlay_bootstrap_failed(node->overlay);
}

static void dial_next(struct rf_node *node)
{
    struct bootstrap *b = &node->bootstrap;
    while (b->todo_next < b->todo_count) {
        b->last_addr = b->todo[b->todo_next++];
        b->last_error = node_cap_take(node, FLOW_WAY);
        if (b->last_error == 0)
            b->last_error =
                rf_links_connect(node->links, &b->last_addr, 1, NULL, RF_LINK_OVERLAY, 0, &b->dialling);
        if (b->last_error == 0)
            return;
    }
    round_failed(node);
}

void node_bootstrap_wish(void *ctx)
{
    struct rf_node *node = ctx;
    struct bootstrap *b = &node->bootstrap;
    if (b->active || node->leaving)
        return;
    if (node->joined || b->todo == NULL) {
        if (b->round_count++ == 0)
            b->started_us = node->now.mono_us;
        b->round_us = node->now.mono_us;
        b->linked = b->outside = 0;
        fill_todo(node);
    }
    b->active = true;
    dial_next(node);
}

bool node_bootstrap_outside(void *ctx)
{
    struct rf_node *node = ctx;
    struct bootstrap *b = &node->bootstrap;
    b->outside += b->outside < b->linked;
    return b->todo != NULL;
}

bool node_bootstrap_link_up(struct rf_node *node, const struct rf_link_info *link)
{
    struct bootstrap *b = &node->bootstrap;
    if (!b->active || link->id != b->dialling)
        return false;
    b->linked++;
    if (node->joined || !node_may_be_first(node))
        round_over(node);
    b->active = false; /* who may begin asks the others as well, when this one leads nowhere */
    b->dialling = 0;
    return true;
}

void node_bootstrap_link_down(struct rf_node *node, const struct rf_link_info *link, int reason)
{
    struct bootstrap *b = &node->bootstrap;
    if (!b->active || link->id != b->dialling)
        return;
    b->dialling = 0;
    b->last_error = reason;
    dial_next(node);
}

/* ---- remembered supernodes ---- */

void node_remember(struct rf_node *node, const struct rf_addr *addr, bool hint)
{
    size_t at = node->peer_count, to = hint ? node->peer_count : 0;
    if (addr->family == 0 || is_self(node, addr))
        return;
    for (size_t i = 0; i < node->peer_count; i++)
        if (rf_addr_equal(&node->peers[i], addr))
            at = i;
    if (at < node->peer_count && (hint || at == 0))
        return;                 /* known, or already the newest */
    if (at == NODE_MAX_PEERS) { /* the oldest goes; a hint takes the place of some older one */
        at = hint ? NODE_MAX_PEERS / 2 + rf_rng_below(node->env.jitter, NODE_MAX_PEERS / 2)
                  : NODE_MAX_PEERS - 1;
        to = hint ? at : 0;
    } else if (at == node->peer_count) {
        struct rf_addr *peers = rf_resize(node->env.mem, node->peers, (at + 1) * sizeof(*peers));
        if (peers == NULL)
            return; /* another time */
        node->peers = peers;
        node->peer_count++;
    }
    memmove(&node->peers[to + 1], &node->peers[to], (at - to) * sizeof(node->peers[0]));
    node->peers[to] = *addr;
    node->peers_dirty = true;
    node_upkeep_soon(node);
}

bool node_knows(void *ctx, const struct rf_addr *remote)
{
    const struct rf_node *node = ctx;
    for (size_t i = 0; i < node->peer_count; i++)
        if (node->peers[i].family == remote->family &&
            memcmp(node->peers[i].ip, remote->ip, remote->family == 4 ? 4 : 16) == 0)
            return true;
    return false;
}

void rf_node_remember(struct rf_node *node, const struct rf_addr *addr)
{
    node_remember(node, addr, false);
    node->peers_dirty = false; /* that is where it came from */
}

void node_bootstrap_deinit(struct rf_node *node)
{
    rf_free(node->env.mem, node->bootstrap.todo);
    rf_free(node->env.mem, node->peers);
}
