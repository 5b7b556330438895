/*
 * admit.c - whom a supernode serves (docs/protocol/admission.md): who of the nodes linked with us is a client of ours, how many those may be, and what
 * those are told for whom there is no room. Clients admit everybody.
 *
 * A visitor is a node that is linked with us, or that we have just promised to dial. Kinds:
 *   NEW      its link came up by itself (somebody's first link into the overlay), or it asked without saying what it is
 *   HOME     a client that we have admitted;  RESERVE  one that has its home elsewhere and a link here to fall back on: it gives way to a HOME
 *   PEER     it is in the ring: it counts to no budget here
 * Events. An Attach of a client (one with a wish): HOME or RESERVE, or refused: at max_clients, reserves at three quarters of that, when
 * handshakes are too many in this second, or when a link is dialled for too many others. An Attach without a wish is never refused here: a joiner must not
 * suffer from clients. A link up: NEW, or as it was promised; too many NEW: closed. Its last link down: gone.
 * One timer, every SWEEP_US (of who is settled, every minute, and when it asks how full we are): who is in the ring now is PEER; a NEW one that is no peer after PROVE_US is a client like others if there is
 * room, and is closed if there is none; a promise that came to nothing is forgotten.
 */
#include "node/internal.h"
#include "wire/admit.h"

#define SWEEP_US           (5 * RF_US_PER_S)
#define SWEEP_ALL          12 /* every so many sweeps all are looked at */
#define PROVE_US           (90 * RF_US_PER_S)
#define PROMISE_US         (20 * RF_US_PER_S)
#define RETRY_FULL_US      (10 * RF_US_PER_S) /* asked again not before a random time from that to twice that */
#define RETRY_HANDSHAKE_US RF_US_PER_S
#define NEW_DEFAULT        1000

static struct rf_view visitor_key(const struct rf_map_node *node)
{
    return rf_id_view(&RF_CONTAINER(node, struct visitor, by_node)->node);
}

struct visitor *node_admit_visitor(const struct rf_node *node, const struct rf_id *id)
{
    struct rf_map_node *found = rf_map_find(&node->admission.visitors, rf_id_view(id));
    return found != NULL ? RF_CONTAINER(found, struct visitor, by_node) : NULL;
}

static void set_kind(struct rf_node *node, struct visitor *v, enum visitor_kind kind)
{
    node->admission.counts[v->kind]--;
    node->admission.counts[kind]++;
    v->kind = kind;
    v->since_us = node->now.mono_us;
    uint64_t link = rf_overlay_link_of(node->overlay, &v->node);
    if (link != 0) {
        rf_links_slow(node->links, link, node_admit_quiet(node, &v->node));
        node_returns_admitted(node, link, kind != VISITOR_PEER);
    }
}

static struct visitor *add(struct rf_node *node, const struct rf_id *id, enum visitor_kind kind)
{
    struct visitor *v = rf_zalloc(node->env.mem, sizeof(*v));
    if (v == NULL)
        return NULL;
    v->node = *id;
    v->kind = kind;
    v->since_us = node->now.mono_us;
    if (rf_map_insert(&node->admission.visitors, &v->by_node) != 0) {
        rf_free(node->env.mem, v);
        return NULL;
    }
    node->admission.counts[kind]++;
    node->admission.promised++;
    return v;
}

static void drop(struct rf_node *node, struct visitor *v)
{
    node->admission.counts[v->kind]--;
    node->admission.promised -= v->links == 0;
    rf_map_remove(&node->admission.visitors, &v->by_node);
    rf_free(node->env.mem, v);
}

static size_t clients(const struct rf_node *node)
{
    return node->admission.counts[VISITOR_HOME] + node->admission.counts[VISITOR_RESERVE];
}

/* ---- refusing ---- */

/* Peers that we are linked with, at random: who refuses does not know how full they are. */
size_t node_admit_alternatives(struct rf_node *node, const struct rf_id *them,
                               struct rf_id out[RF_ADMIT_ALTERNATIVES])
{
    struct rf_topology_status_entry entries[128];
    size_t count = rf_node_ring(node, entries, RF_COUNT(entries)), chosen = 0;
    for (; count > 0 && chosen < RF_ADMIT_ALTERNATIVES; count--) {
        size_t at = rf_rng_below(node->env.jitter, count);
        bool known = entries[at].link == 0 || rf_id_equal(&entries[at].node, them);
        for (size_t i = 0; i < chosen && !known; i++)
            known = rf_id_equal(&out[i], &entries[at].node); /* neighbor and finger at once */
        if (!known)
            out[chosen++] = entries[at].node;
        entries[at] = entries[count - 1];
    }
    return chosen;
}

/* Some of the supernodes that we remember, as many as fit; each with the same chance. */
static size_t choose_supernodes(struct rf_node *node, struct rf_addr out[RF_ADMIT_SUPERNODES])
{
    size_t chosen = 0, left = node->peer_count;
    for (size_t i = 0; i < node->peer_count && chosen < RF_ADMIT_SUPERNODES; i++, left--)
        if (rf_rng_below(node->env.jitter, left) < RF_ADMIT_SUPERNODES - chosen)
            out[chosen++] = node->peers[i];
    return chosen;
}

static void refuse(struct rf_node *node, struct rf_request *request, uint64_t retry_after_us)
{
    struct rf_admit_busy busy = {0};
    uint8_t bytes[1024];
    struct rf_buf info;
    uint64_t after_us = rf_rng_between(node->env.jitter, retry_after_us, 2 * retry_after_us);
    busy.retry_after_ms = (uint32_t)(after_us / RF_US_PER_MS);
    busy.alternative_count = node_admit_alternatives(node, &request->signer.node_id, busy.alternatives);
    busy.supernode_count = choose_supernodes(node, busy.supernodes);
    rf_buf_fixed(&info, bytes, sizeof(bytes));
    rf_admit_busy_encode(&busy, &info);
    RF_ASSERT(rf_buf_error(&info) == 0);
    rf_overlay_refuse(node->overlay, request, RF_ERROR_EXP_A, rf_buf_view(&info));
}

/* Room for one whose home we are to be: a client in reserve has another place. */
static bool close_reserve(struct rf_node *node)
{
    for (struct rf_map_node *it = NULL; (it = rf_map_next(&node->admission.visitors, it)) != NULL;) {
        struct visitor *v = RF_CONTAINER(it, struct visitor, by_node);
        if (v->kind != VISITOR_RESERVE)
            continue;
        uint64_t link = rf_overlay_link_of(node->overlay, &v->node);
        node->counters.reserves_closed++;
        set_kind(node, v, VISITOR_NEW); /* until the link is gone */
        if (link != 0)
            rf_links_close(node->links, link, RF_ELIMIT);
        return true;
    }
    return false;
}

static bool has_room(struct rf_node *node, enum visitor_kind kind)
{
    size_t max = node->max_clients;
    if (node->admission.closed)
        return false;
    if (kind == VISITOR_RESERVE)
        return clients(node) < max - max / 4;
    return clients(node) < max || close_reserve(node);
}

bool node_dials_full(const struct rf_node *node)
{
    return node->dial_count >= NODE_MAX_DIALS && node->handshakes_per_s != SIZE_MAX;
}

bool node_admit(struct rf_node *node, struct rf_request *request, bool dials)
{
    enum rf_admit_wish wish = rf_admit_wish_of(request->message->extensions);
    struct rf_id them = request->signer.node_id;
    struct visitor *v = node_admit_visitor(node, &them);
    enum visitor_kind kind = wish == RF_ADMIT_RESERVE ? VISITOR_RESERVE : VISITOR_HOME;
    if (node->role != RF_NODE_SUPERNODE || wish == RF_ADMIT_NONE)
        return true;
    bool counted = v != NULL && (v->kind == VISITOR_HOME || v->kind == VISITOR_RESERVE);
    if (dials && (node_dials_full(node) || !rf_links_handshake_room(node->links))) {
        node->counters.clients_refused_rate++;
        refuse(node, request, RETRY_HANDSHAKE_US);
        return false;
    }
    if (node->admission.closed || (!counted && !has_room(node, kind))) {
        node->counters.clients_refused_full++;
        refuse(node, request, RETRY_FULL_US);
        return false;
    }
    if (v == NULL)
        v = add(node, &them, kind); /* without memory it is NEW when its link is there */
    else
        set_kind(node, v, kind);
    node->counters.clients_admitted += !counted;
    return true;
}

bool node_admit_extension(struct rf_node *node, const struct rf_request *request, struct rf_buf *out)
{
    struct rf_addr supernodes[RF_ADMIT_SUPERNODES];
    if (node->role != RF_NODE_SUPERNODE || rf_admit_wish_of(request->message->extensions) == RF_ADMIT_NONE)
        return false;
    size_t count = choose_supernodes(node, supernodes);
    if (count > 0)
        rf_admit_supernodes_put(supernodes, count, out);
    return count > 0;
}

/* ---- links ---- */

bool node_admit_link_up(struct rf_node *node, const struct rf_id *id)
{
    struct visitor *v = node_admit_visitor(node, id);
    if (node->role != RF_NODE_SUPERNODE)
        return true;
    if (v == NULL && node->max_clients != SIZE_MAX && node->admission.counts[VISITOR_NEW] >= NEW_DEFAULT) {
        node->counters.visitors_refused++;
        return false;
    }
    if (v == NULL)
        v = add(node, id, VISITOR_NEW);
    if (v != NULL)
        node->admission.promised -= v->links++ == 0;
    return v != NULL;
}

void node_admit_link_down(struct rf_node *node, const struct rf_id *id)
{
    struct visitor *v = node_admit_visitor(node, id);
    if (v == NULL || v->links == 0 || --v->links > 0)
        return;
    node->admission.promised++;
    drop(node, v);
}

uint8_t node_admit_quiet(const struct rf_node *node, const struct rf_id *id)
{
    const struct visitor *v = node_admit_visitor(node, id);
    if (v == NULL)
        return 1;
    return v->kind == VISITOR_RESERVE ? NODE_QUIET_RESERVE : v->kind == VISITOR_HOME ? NODE_QUIET_HOME : 1;
}

static void link_of_client(void *arg, const struct rf_link_info *info)
{
    struct rf_node *node = arg;
    if (info->state == RF_LINK_UP && info->purpose == RF_LINK_OVERLAY)
        (void)node_admit_link_up(node, &info->node_id); /* there is room: a client has few links */
}

void node_admit_links(struct rf_node *node)
{
    rf_links_each(node->links, link_of_client, node);
}

/* ---- before we are a client ourselves ---- */

#define ASK_AWAY_STEP 32 /* clients asked at once */

bool node_admit_ask_away(struct rf_node *node, uint64_t until_us)
{
    size_t asked = 0;
    uint64_t left_us = until_us > node->now.mono_us ? until_us - node->now.mono_us : 0;
    for (struct rf_map_node *it = NULL; (it = rf_map_next(&node->admission.visitors, it)) != NULL;) {
        struct visitor *v = RF_CONTAINER(it, struct visitor, by_node);
        if ((v->kind != VISITOR_HOME && v->kind != VISITOR_RESERVE) || v->asked_away ||
            asked == ASK_AWAY_STEP)
            continue;
        v->asked_away = true;
        asked++;
        node_role_send_move(node, &v->node, left_us);
    }
    return clients(node) == 0;
}

/* ---- the sweep ---- */

struct leaving {
    struct rf_id ids[64];
    size_t count;
};

/* Is there nothing to decide about it for now? Who is settled is looked at once a minute only: they are many. */
static bool settled(const struct visitor *v)
{
    return v->links > 0 && v->kind != VISITOR_NEW;
}

/* true: it has to go */
static bool look_at(struct rf_node *node, struct visitor *v)
{
    uint64_t age_us = node->now.mono_us - v->since_us;
    bool peer = rf_overlay_is_peer(node->overlay, &v->node);
    if (v->links == 0)
        return age_us >= PROMISE_US;
    if (peer != (v->kind == VISITOR_PEER))
        set_kind(node, v, peer ? VISITOR_PEER : VISITOR_NEW);
    else if (v->kind == VISITOR_NEW && age_us >= PROVE_US) {
        if (clients(node) >= node->max_clients || node->admission.closed)
            return true;
        set_kind(node, v, VISITOR_HOME);
    }
    return false;
}

void node_admit_look(struct rf_node *node, const struct rf_id *id)
{
    struct visitor *v = node_admit_visitor(node, id);
    if (v != NULL && v->links > 0 && v->kind != VISITOR_PEER && rf_overlay_is_peer(node->overlay, id))
        set_kind(node, v, VISITOR_PEER);
}

static void send_away(struct rf_node *node, struct visitor *v)
{
    if (v->links == 0) {
        drop(node, v);
        return;
    }
    node->counters.visitors_closed++;
    uint64_t link = rf_overlay_link_of(node->overlay, &v->node);
    if (link != 0)
        rf_links_close(node->links, link, RF_ELIMIT);
}

static void sweep_fired(struct rf_timer *timer, void *arg)
{
    struct rf_node *node = arg;
    struct leaving leaving = {.count = 0};
    bool all = ++node->admission.sweeps % SWEEP_ALL == 0;
    bool any = all || node->admission.promised > 0 || node->admission.counts[VISITOR_NEW] > 0;
    for (struct rf_map_node *it = NULL; any && (it = rf_map_next(&node->admission.visitors, it)) != NULL;) {
        struct visitor *v = RF_CONTAINER(it, struct visitor, by_node);
        if ((all || !settled(v)) && look_at(node, v) && leaving.count < RF_COUNT(leaving.ids))
            leaving.ids[leaving.count++] = v->node;
    }
    for (size_t i = 0; i < leaving.count; i++)
        send_away(node, node_admit_visitor(node, &leaving.ids[i]));
    node_role_sweep(node);
    (void)rf_env_timer_in(&node->env, timer, SWEEP_US); /* it was set before: cannot fail */
}

/* ---- life ---- */

void node_admit_init(struct rf_node *node)
{
    rf_map_init(&node->admission.visitors, node->env.mem, node->env.seed, visitor_key);
    rf_timer_init(&node->admission.timer, sweep_fired, node);
}

int node_admit_start(struct rf_node *node)
{
    return node->role == RF_NODE_SUPERNODE ? rf_env_timer_in(&node->env, &node->admission.timer, SWEEP_US)
                                           : 0;
}

void node_admit_stop(struct rf_node *node)
{
    struct rf_map_node *it;
    rf_timer_stop(&node->timers, &node->admission.timer);
    while ((it = rf_map_drain(&node->admission.visitors)) != NULL)
        rf_free(node->env.mem, RF_CONTAINER(it, struct visitor, by_node));
    memset(node->admission.counts, 0, sizeof(node->admission.counts));
    node->admission.promised = 0;
    node->admission.closed = false;
}

void node_admit_deinit(struct rf_node *node)
{
    node_admit_stop(node);
    rf_map_deinit(&node->admission.visitors);
}

void rf_node_budgets(const struct rf_node *node, struct rf_node_budgets *out)
{
    bool serves = node->role == RF_NODE_SUPERNODE;
    *out = (struct rf_node_budgets){
        .clients = serves ? clients(node) : 0,
        .max_clients = serves ? node->max_clients : 0,
        .handshakes_per_s = rf_links_handshakes_per_s(node->links),
    };
}

void node_admit_status(const struct rf_node *node, struct rf_node_status *out)
{
    struct rf_topology *t;
    const struct rf_topology_ops *ops = rf_overlay_topology(node->overlay, &t);
    out->client_count = clients(node);
    out->reserve_count = node->admission.counts[VISITOR_RESERVE];
    out->max_clients = node->role == RF_NODE_SUPERNODE ? node->max_clients : 0;
    for (struct rf_map_node *it = NULL; (it = rf_map_next(&node->admission.visitors, it)) != NULL;) {
        const struct visitor *v = RF_CONTAINER(it, struct visitor, by_node);
        out->guest_count += v->kind == VISITOR_HOME && !ops->in_range(t, &v->node);
    }
}
