/*
 * role_serve.c - what a supernode says and does about roles when it is asked (docs/protocol/roles.md): how full it is, dialling a client back, letting a
 * neighbor go; and the client that is asked to move. The questions come by the experimental method exp_a.
 *
 * Dialling back is the only thing that costs others something: only the address that the client comes from, over its own link, is dialled, one client
 * once in DIAL_PAUSE_US, DIALS_MAX at a time, and only while handshakes are within their budget. One connection for one signed request.
 */
#include "node/internal.h"
#include "overlay/watch.h"

#define DIAL_PAUSE_US (10 * RF_US_PER_S)
#define DIALS_MAX     16
#define DIAL_OPEN_US  (5 * RF_US_PER_S)   /* the client closes it; this is for those who do not */
#define GRANT_US      (180 * RF_US_PER_S) /* one neighbor goes at a time */

/* ---- what is known of ourselves ---- */

uint8_t node_role_load(const struct rf_node *node)
{
    const size_t *counts = node->admission.counts;
    return role_load(counts[VISITOR_HOME], counts[VISITOR_HOME] + counts[VISITOR_RESERVE], node->max_clients);
}

double node_role_ring_size(const struct rf_node *node)
{
    struct rf_topology *t;
    const struct rf_topology_ops *ops = rf_overlay_topology(node->overlay, &t);
    return ops->size(t);
}

bool node_role_side(const struct rf_node *node, char relation, struct rf_topology_status_entry *out)
{
    struct rf_topology_status_entry entries[64];
    size_t count = rf_node_ring(node, entries, RF_COUNT(entries));
    for (size_t i = 0; i < count; i++)
        if (entries[i].relation == relation && entries[i].rank == 1 && entries[i].link != 0) {
            *out = entries[i];
            return true;
        }
    return false;
}

bool node_role_neighbor(struct rf_node *node, struct rf_topology_status_entry *out)
{
    struct rf_topology_status_entry entries[64];
    size_t count = rf_node_ring(node, entries, RF_COUNT(entries)), fitting = 0;
    for (size_t i = 0; i < count; i++)
        if ((entries[i].relation == 's' || entries[i].relation == 'p') && entries[i].link != 0 &&
            rf_rng_below(node->env.jitter, ++fitting) == 0)
            *out = entries[i];
    return fitting > 0;
}

/* Candidates are counted in windows of the interval in which they ask. */
static void count_candidate(struct rf_node *node, bool one_more)
{
    struct auto_role *r = node->auto_role;
    uint64_t passed_us = node->now.mono_us - r->window_us;
    if (passed_us >= r->interval_us) {
        r->asked[0] = passed_us < 2 * r->interval_us ? r->asked[1] : 0;
        r->asked[1] = 0;
        r->window_us = node->now.mono_us;
    }
    r->asked[1] += one_more && r->asked[1] < UINT16_MAX;
}

/* ---- dialling back ---- */

static uint8_t dial_back(struct rf_node *node, const struct rf_request *request, const struct rf_addr *addr)
{
    struct auto_role *r = node->auto_role;
    struct rf_link_info link;
    rf_link_id dial;
    struct visitor *v = node_admit_visitor(node, &request->signer.node_id);
    if (v == NULL || request->link == 0 || !rf_id_equal(&request->link_node, &request->signer.node_id) ||
        rf_links_info(node->links, request->link, &link) != 0 || addr->port == 0 ||
        !rf_addr_same_ip(addr, &link.remote))
        return RF_ROLE_DIAL_STRANGER;
    if (r->dials >= DIALS_MAX || !rf_links_handshake_room(node->links) ||
        (v->dialled_us != 0 && node->now.mono_us - v->dialled_us < DIAL_PAUSE_US))
        return RF_ROLE_DIAL_LATER;
    if (rf_links_connect(node->links, addr, 1, &request->signer.node_id, RF_LINK_APP, ROLE_APPLICATION,
                         &dial) != 0)
        return RF_ROLE_DIAL_LATER;
    v->dialled_us = node->now.mono_us;
    r->dials++;
    node->counters.dialled_back++;
    return RF_ROLE_DIAL_BEGUN;
}

struct old_dials {
    struct rf_node *node;
    rf_link_id links[DIALS_MAX];
    size_t count;
};

static void look_at_dial(void *arg, const struct rf_link_info *info)
{
    struct old_dials *old = arg;
    if (info->state == RF_LINK_UP && info->purpose == RF_LINK_APP && info->application == ROLE_APPLICATION &&
        old->node->now.mono_us - info->up_since_us >= DIAL_OPEN_US && old->count < DIALS_MAX)
        old->links[old->count++] = info->id;
}

void node_role_sweep(struct rf_node *node)
{
    struct old_dials old = {.node = node};
    if (node->auto_role->dials == 0) /* supernodes have it */
        return;
    rf_links_each(node->links, look_at_dial, &old);
    for (size_t i = 0; i < old.count; i++)
        rf_links_close(node->links, old.links[i], RF_ECLOSED);
}

/* ---- letting a neighbor go ---- */

static bool grant(struct rf_node *node, const struct rf_request *request)
{
    struct auto_role *r = node->auto_role;
    const struct rf_id *them = &request->signer.node_id;
    bool another = node->now.mono_us < r->granted_until_us && !rf_id_equal(&r->granted_to, them);
    if (!rf_id_equal(&request->link_node, them) || !rf_overlay_is_peer(node->overlay, them) || another ||
        node_state(node) != RF_TOPOLOGY_JOINED || node->leaving || node->admission.closed)
        return false;
    r->granted_to = *them;
    r->granted_until_us = node->now.mono_us + GRANT_US;
    r->low_since_us = 0; /* what it has comes to us: our turn is later */
    return true;
}

/* ---- questions ---- */

static void answer_ask(struct rf_node *node, struct rf_request *request, const struct rf_role_ask *ask)
{
    struct rf_role_said said = {0};
    struct rf_link_info link;
    uint8_t bytes[64];
    struct rf_buf buf;
    if (node->role == RF_NODE_SUPERNODE && node_state(node) == RF_TOPOLOGY_JOINED) {
        double size = node_role_ring_size(node);
        count_candidate(node, (ask->wants & RF_ROLE_CANDIDATE) != 0);
        node_admit_look(node, &request->signer.node_id); /* promoted since: it is no load any more */
        said.load = node_role_load(node);
        said.candidates = node->auto_role->asked[0] > node->auto_role->asked[1] ? node->auto_role->asked[0]
                                                                                : node->auto_role->asked[1];
        said.ring_size = size < 1 ? 1 : size < 1e9 ? (uint32_t)(size + 0.5) : UINT32_C(1000000000);
        if ((ask->wants & RF_ROLE_DIAL) != 0)
            said.dial = dial_back(node, request, &ask->address);
        if ((ask->wants & RF_ROLE_RETIRE) != 0)
            said.granted = grant(node, request);
    }
    if (rf_id_equal(&request->link_node, &request->signer.node_id) &&
        rf_links_info(node->links, request->link, &link) == 0)
        said.seen = link.remote;
    rf_buf_fixed(&buf, bytes, sizeof(bytes));
    rf_role_said_encode(&said, &buf);
    (void)rf_overlay_answer(node->overlay, request, rf_buf_view(&buf), NULL, 0); /* it will ask again */
}

/* Only who serves us can send us away; what it says goes over its own link. */
static void take_move(struct rf_node *node, struct rf_request *request, const struct rf_role_move *move)
{
    struct rf_redirect redirect = {.from = request->signer.node_id,
                                   .retry_after_us = (uint64_t)move->within_ms * RF_US_PER_MS};
    bool direct = rf_id_equal(&request->link_node, &request->signer.node_id);
    for (size_t i = 0; i < move->alternative_count && i < RF_REDIRECT_MAX; i++)
        redirect.alternatives[redirect.alternative_count++] = move->alternatives[i];
    if (!direct || node->role == RF_NODE_SUPERNODE) {
        rf_overlay_refuse_text(node->overlay, request, RF_ERROR_FORBIDDEN,
                               "who serves a client sends it away");
        return;
    }
    (void)rf_overlay_answer(node->overlay, request, rf_view_of(NULL, 0), NULL, 0);
    node->counters.asked_away++;
    rf_overlay_asked_away(node->overlay, &redirect);
}

static void on_exp_a(void *arg, struct rf_request *request)
{
    struct rf_node *node = arg;
    struct rf_view body = request->message->body;
    struct rf_role_ask ask;
    struct rf_role_move move;
    int error = RF_EINVAL;
    if (node_relay_answer(node, request) || node_binding_asked(node, request) ||
        rf_store_watch_request(node->store, request))
        return;
    switch (rf_role_tag_of(body)) {
    case RF_ROLE_ASK:
        error = rf_role_ask_decode(body, &ask);
        if (error == 0)
            answer_ask(node, request, &ask);
        break;
    case RF_ROLE_MOVE:
        error = rf_role_move_decode(body, node->conf->id_len, &move);
        if (error == 0)
            take_move(node, request, &move);
        break;
    case RF_ROLE_NONE:
        break;
    }
    if (error != 0)
        rf_overlay_refuse_text(node->overlay, request, RF_ERROR_INVALID_MESSAGE,
                               "not an experiment that is known here");
}

int node_role_handle(struct rf_node *node)
{
    return rf_overlay_handle(node->overlay, RF_CODE_EXP_A_REQ, on_exp_a, node);
}

/* ---- clients that have to move ---- */

static void moved(void *arg, const struct rf_reply *reply)
{
    (void)arg, (void)reply; /* it goes, or its link is closed in the end */
}

void node_role_send_move(struct rf_node *node, const struct rf_id *client, uint64_t within_us)
{
    struct rf_role_move move = {.within_ms = (uint32_t)(within_us / RF_US_PER_MS)};
    uint8_t bytes[256];
    struct rf_buf buf;
    _Static_assert(RF_ROLE_ALTERNATIVES == RF_ADMIT_ALTERNATIVES, "chosen by the same function");
    move.alternative_count = node_admit_alternatives(node, client, move.alternatives);
    rf_buf_fixed(&buf, bytes, sizeof(bytes));
    rf_role_move_encode(&move, &buf);
    struct rf_call call = {.code = RF_CODE_EXP_A_REQ,
                           .body = rf_buf_view(&buf),
                           .link = rf_overlay_link_of(node->overlay, client),
                           .max_transmissions = 3,
                           .done = moved,
                           .arg = node};
    rf_call_to_node(&call, client);
    if (call.link != 0)
        (void)rf_overlay_call(node->overlay, &call, NULL);
}

/* ---- in words ---- */

static const char *why_not(const struct rf_node *node)
{
    const struct auto_role *r = node->auto_role;
    if (node_state(node) != RF_TOPOLOGY_JOINED)
        return "client: not joined yet";
    if (node->now.mono_us < r->not_before_us)
        return "client: was a supernode not long ago";
    if (node->now.mono_us - node->started_us < r->uptime_us)
        return "client: not up for long enough";
    return "client: listens on no address that all others could dial";
}

const char *node_role_why(const struct rf_node *node)
{
    const struct auto_role *r = node->auto_role;
    switch (r != NULL ? r->step : ROLE_FIXED) {
    case ROLE_FIXED:
        break;
    case ROLE_WAITING:
        return why_not(node);
    case ROLE_PROBING:
        return "client: not known to be reachable, supernodes are asked to connect";
    case ROLE_READY:
        return r->needed ? "client: reachable, stable, needed" : "client: reachable, stable, not needed";
    case ROLE_CHOSEN:
    case ROLE_JOINING:
        return "reachable, stable, needed: becoming a supernode";
    case ROLE_SERVING:
        return r->low_since_us != 0 ? "supernode: promoted, not needed any more"
                                    : "supernode: promoted, needed";
    case ROLE_MOVING:
        return "supernode: not needed, asking clients to move";
    case ROLE_RETIRING:
        return "supernode: not needed, handing over what is stored here";
    }
    return node->role == RF_NODE_SUPERNODE ? "supernode: as configured" : "client: as configured";
}
