/*
 * returns.c - messages for a client that is on its way back: it went to another network, or a gateway forgot its connection, and in a moment it will be linked with its home again.
 *
 * Who asked it something asks again after three seconds (reload.md 1.4), and so on; as its home we need not make them wait. Only a supernode does this, and only for those whose home it is;
 * but a client likewise sends again over a newer link with its home what the older one has not acknowledged. A supernode that is linked with somebody else's client, in reserve or since that one came (back) in
 * over it, has another way: by way of the home.
 *
 * Events.
 *   It is a client: what its link has not acknowledged is kept (rf_links_keep).
 *   A client's link whose home we are not becomes suspect, or ends: what it has not acknowledged goes to its home. What comes from then on does so anyway (overlay/route.c).
 *   A newer link of it comes up: what the older one has not acknowledged goes out over the newer one as well. The older one has to show that it lives; if it does not it is closed.
 *   Its last link ends: it is ABSENT for ABSENT_US. What was not acknowledged waits for it, and so does what comes for it (rf_overlay_host.absent), up to ONE_MAX and ONE_LEN_MAX of it, ALL_LEN_MAX
 *   for all. More is dropped, as all of it would be without this.
 *   It is linked again: what waited goes out, in the order in which it came.
 *   ABSENT_US are over, or we are no supernode any more: it is dropped.
 * Requests may arrive twice so, and are answered from memory then (1.5).
 */
#include "node/internal.h"

#define ABSENT_US   (10 * RF_US_PER_S) /* a move takes a second or two */
#define ONE_MAX     32
#define ONE_LEN_MAX 65536
#define ALL_LEN_MAX ((size_t)4 << 20)
#define COUNT_MAX   4096 /* absent at once */

struct waiting {
    struct rf_list list;
    rf_link_id from; /* the link it came over; 0: it was sent already, and goes out as it is */
    size_t len;
    uint8_t bytes[];
};

struct absent {
    struct rf_map_node by_node;
    struct rf_list list; /* in returns->all */
    struct rf_id node;
    uint64_t until_us;
    struct rf_list waiting;
    size_t count, len;
};

struct returns {
    struct rf_node *node;
    struct rf_map by_node;
    struct rf_list all; /* the first is the first to be given up */
    size_t len;
    struct rf_timer timer;
};

static struct rf_view absent_key(const struct rf_map_node *node)
{
    return rf_id_view(&RF_CONTAINER(node, struct absent, by_node)->node);
}

static struct absent *find(const struct returns *r, const struct rf_id *id)
{
    struct rf_map_node *found = r != NULL ? rf_map_find(&r->by_node, rf_id_view(id)) : NULL;
    return found != NULL ? RF_CONTAINER(found, struct absent, by_node) : NULL;
}

static void forget(struct returns *r, struct absent *a)
{
    struct rf_mem *mem = r->node->env.mem;
    RF_LIST_EACH_SAFE(&a->waiting, it)
    {
        rf_free(mem, RF_LIST_ENTRY(it, struct waiting, list));
    }
    r->len -= a->len;
    rf_list_remove(&a->list);
    rf_map_remove(&r->by_node, &a->by_node);
    rf_free(mem, a);
}

static void due(struct rf_timer *timer, void *arg)
{
    struct returns *r = arg;
    while (!rf_list_empty(&r->all)) {
        struct absent *first = RF_LIST_ENTRY(r->all.next, struct absent, list);
        if (first->until_us > r->node->now.mono_us) {
            (void)rf_env_timer_in(&r->node->env, timer, first->until_us - r->node->now.mono_us);
            return; /* without memory: at the next one's turn */
        }
        forget(r, first);
    }
}

static struct returns *get(struct rf_node *node)
{
    struct returns *r = node->returns;
    if (r != NULL)
        return r;
    r = rf_zalloc(node->env.mem, sizeof(*r));
    if (r == NULL)
        return NULL;
    r->node = node;
    rf_map_init(&r->by_node, node->env.mem, node->env.seed, absent_key);
    rf_list_init(&r->all);
    rf_timer_init(&r->timer, due, r);
    return node->returns = r;
}

static bool keep(struct returns *r, struct absent *a, rf_link_id from, struct rf_view message)
{
    if (a->count == ONE_MAX || a->len + message.len > ONE_LEN_MAX || r->len + message.len > ALL_LEN_MAX)
        return false;
    struct waiting *w = rf_alloc(r->node->env.mem, sizeof(*w) + message.len);
    if (w == NULL)
        return false;
    w->from = from;
    w->len = message.len;
    memcpy(w->bytes, message.p, message.len);
    rf_list_push_back(&a->waiting, &w->list);
    a->count++;
    a->len += message.len;
    r->len += message.len;
    r->node->counters.returns_kept++;
    return true;
}

bool node_returns_absent(void *ctx, const struct rf_id *id, uint64_t link, struct rf_view message)
{
    struct rf_node *node = ctx;
    struct absent *a = find(node->returns, id);
    return a != NULL && keep(node->returns, a, link, message);
}

/* ---- links of clients ---- */

void node_returns_admitted(struct rf_node *node, rf_link_id link, bool keep)
{
    rf_links_keep(node->links, link, keep);
}

struct stray {
    struct rf_node *node;
    rf_link_id link;
};

static void send_round(void *arg, struct rf_view message)
{
    struct stray *s = arg;
    s->node->counters.returns_strayed += rf_overlay_reroute(s->node->overlay, s->link, message) == 0;
}

void node_returns_stray(struct rf_node *node, rf_link_id link)
{
    struct stray s = {.node = node, .link = link};
    rf_links_kept(node->links, link, send_round, &s);
    rf_links_keep(node->links, link, false); /* once is enough */
}

/* Is it a client whose home is another supernode? */
static bool is_elsewhere(const struct rf_node *node, const struct rf_id *id)
{
    const struct visitor *v = node_admit_visitor(node, id);
    return node->role == RF_NODE_SUPERNODE && !node->leaving && v != NULL &&
           (v->kind == VISITOR_NEW || v->kind == VISITOR_RESERVE);
}

struct older {
    struct rf_node *node;
    struct absent *absent;
    rf_link_id newer;
};

static void send_again(void *arg, struct rf_view message)
{
    struct older *o = arg;
    o->node->counters.returns_given += rf_overlay_resend(o->node->overlay, o->newer, message) == 0;
}

static void wait_for_it(void *arg, struct rf_view message)
{
    struct older *o = arg;
    (void)keep(o->node->returns, o->absent, 0, message);
}

/* All that waits goes out; it is no longer absent before the first of it does. */
static void give(struct rf_node *node, struct absent *a, rf_link_id link)
{
    struct rf_list waiting;
    rf_list_init(&waiting);
    while (!rf_list_empty(&a->waiting)) {
        struct rf_list *first = a->waiting.next;
        rf_list_remove(first);
        rf_list_push_back(&waiting, first);
    }
    forget(node->returns, a);
    while (!rf_list_empty(&waiting)) {
        struct waiting *w = RF_LIST_ENTRY(waiting.next, struct waiting, list);
        struct rf_view message = rf_view_of(w->bytes, w->len);
        rf_list_remove(&w->list);
        if (w->from != 0)
            rf_overlay_receive(node->overlay, w->from, message);
        else
            (void)rf_overlay_resend(node->overlay, link, message);
        node->counters.returns_given++;
        rf_free(node->env.mem, w);
    }
}

/* Is it a client of ours, or our home? */
static bool concerns_us(const struct rf_node *node, const struct rf_id *id)
{
    const struct visitor *v = node_admit_visitor(node, id);
    if (node->role == RF_NODE_SUPERNODE)
        return v != NULL && v->kind != VISITOR_PEER;
    return node->home.len > 0 && rf_id_equal(id, &node->home);
}

void node_returns_link_up(struct rf_node *node, const struct rf_link_info *link, rf_link_id older)
{
    struct older o = {.node = node, .newer = link->id};
    struct absent *a = find(node->returns, &link->node_id);
    struct rf_link_info info;
    if (a != NULL)
        give(node, a, link->id);
    if (older == 0 || link->outgoing == (node->role == RF_NODE_SUPERNODE) ||
        !concerns_us(node, &link->node_id) || rf_links_info(node->links, older, &info) != 0)
        return;
    rf_links_kept(node->links, older, send_again, &o);
    if (info.suspect)
        rf_links_close(node->links, older, RF_EDUPLICATE);
    else
        rf_links_keepalive(node->links, older, 0);
}

void node_returns_suspect(struct rf_node *node, rf_link_id link, bool suspect)
{
    struct rf_link_info info;
    if (rf_links_info(node->links, link, &info) != 0 || !concerns_us(node, &info.node_id))
        return;
    rf_link_id best = rf_overlay_link_of(node->overlay, &info.node_id);
    if (suspect && best != 0 && best != link)
        rf_links_close(node->links, link, RF_EDUPLICATE);
    else if (suspect && is_elsewhere(node, &info.node_id))
        node_returns_stray(node, link);
    else if (!suspect)
        rf_links_keep(node->links, link, true);
}

bool node_returns_link_down(struct rf_node *node, const struct rf_link_info *link)
{
    const struct visitor *v = node_admit_visitor(node, &link->node_id);
    struct returns *r = NULL;
    if (is_elsewhere(node, &link->node_id))
        return true;
    if (node->role == RF_NODE_SUPERNODE && !node->leaving && v != NULL && v->kind == VISITOR_HOME &&
        v->links == 1)
        r = get(node);
    if (r == NULL || r->by_node.count >= COUNT_MAX || find(r, &link->node_id) != NULL)
        return false;
    struct absent *a = rf_zalloc(node->env.mem, sizeof(*a));
    if (a == NULL)
        return false;
    a->node = link->node_id;
    a->until_us = node->now.mono_us + ABSENT_US;
    rf_list_init(&a->waiting);
    uint64_t first_us =
        rf_list_empty(&r->all) ? a->until_us : RF_LIST_ENTRY(r->all.next, struct absent, list)->until_us;
    if ((!rf_timer_is_set(&r->timer) && rf_timer_set(&node->timers, &r->timer, first_us) != 0) ||
        rf_map_insert(&r->by_node, &a->by_node) != 0) {
        rf_free(node->env.mem, a);
        return false;
    }
    rf_list_push_back(&r->all, &a->list);
    struct older o = {.node = node, .absent = a};
    rf_links_kept(node->links, link->id, wait_for_it, &o);
    return false;
}

/* ---- the end ---- */

void node_returns_stop(struct rf_node *node)
{
    struct returns *r = node->returns;
    while (r != NULL && !rf_list_empty(&r->all))
        forget(r, RF_LIST_ENTRY(r->all.next, struct absent, list));
    if (r != NULL)
        rf_timer_stop(&node->timers, &r->timer);
}

void node_returns_deinit(struct rf_node *node)
{
    node_returns_stop(node);
    if (node->returns == NULL)
        return;
    rf_map_deinit(&node->returns->by_node);
    rf_free(node->env.mem, node->returns);
    node->returns = NULL;
}
