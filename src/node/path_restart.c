/*
 * path_restart.c - the way of a path is looked for anew while its link lives on: ICE's restart (RFC 8445, section 9). RFC 6940 knows none. Ours is another Attach or AppAttach between the same
 * nodes for the same application that names the path in an extension (wire/path.h): by the ufrag of the request that it began with, which both ends know and nobody else can guess.
 *
 * Why: an end moved and the other one's NAT does not let it in (ice/ says so), a relay was lost; or the way is relayed, is in use, and LOOK_US have passed since ice/ gave up direct ones.
 *
 * Either end may ask. States, of a path whose link is up: CHECKING (at rest) -> WAITING for a relay's credentials -> GATHERING -> ours: SIGNALLING until the answer; theirs: it is answered
 * -> CHECKING. Until a new pair is selected data go the old way; if none works they stay there. Who controls and who is the DTLS server remains as it was.
 *
 * Both at once: ours has not been sent yet, or theirs is the larger Node-ID: ours gives way, and what was gathered for it goes into the answer. Else Error_In_Progress: ours is tried
 * again after RETRY_US unless theirs has led to something by then.
 *
 * The request goes to the other end's Node-ID, or, if it is a guest, the way that it named when it last signed something about this path; that of one that carries an overlay link goes round it, over another neighbor.
 *
 * A node that does not know the path answers Error_Not_Found, and it ends; so it does when the answer does not name it (they know nothing of all this). Any other failure, and checks that lead to nothing while
 * the old way leads nowhere: once more after RETRY_US, twice that, ... TRIES in all; consent decides when it is over. One path begins anew once in LEAST_US, whoever asks.
 */
#include "node/internal.h"

#define LEAST_US    (RF_US_PER_S / 2)
#define RETRY_US    RF_US_PER_S
#define TRIES       5
#define LOOK_US     (60 * RF_US_PER_S)
#define LOOK_AGAIN  10 /* times LOOK_US after the first time */
#define NEVER_ASKED 0

void path_name(struct path *p, struct rf_view ufrag)
{
    p->name_len = ufrag.len <= sizeof(p->name) ? (uint8_t)ufrag.len : 0;
    memcpy(p->name, ufrag.p, p->name_len);
}

struct rf_view path_name_of(const struct path *p)
{
    return rf_view_of(p->name, p->name_len);
}

/* ---- where the other end is ---- */

void path_route_put(const struct rf_node *node, struct rf_buf *out)
{
    struct rf_dest route[] = {rf_dest_node(&node->home), rf_dest_node(&node->identity.node_id)};
    if (node->role != RF_NODE_SUPERNODE && node->guest && node->home.len > 0)
        rf_path_route_put(route, RF_COUNT(route), out);
}

void path_route_take(struct path *p, struct rf_view extensions)
{
    struct rf_view route = rf_path_route_of(extensions);
    uint8_t id_len = p->node->conf->id_len;
    struct rf_dest last;
    size_t count;
    rf_free(p->node->env.mem, (void *)(uintptr_t)p->route.p);
    p->route = rf_view_of(NULL, 0);
    if (route.len == 0 || rf_dest_list_check(route, id_len, &count) != 0 || count > RF_CALL_MAX_DESTS ||
        rf_dest_list_repeats(route) || rf_dest_list_last(route, id_len, &last) != 0 ||
        last.type != RF_DEST_NODE || !rf_id_equal(&last.id, &p->peer))
        return;
    uint8_t *copy = rf_memdup(p->node->env.mem, route.p, route.len);
    p->route = rf_view_of(copy, copy != NULL ? route.len
                                             : 0); /* without memory it is reached as the overlay thinks */
}

static void later(struct path *p, uint64_t us)
{
    rf_timer_stop(&p->node->timers, &p->timer);
    (void)rf_env_timer_in(&p->node->env, &p->timer, us); /* without memory the old way has to do */
}

static void cancel(struct path *p)
{
    rf_call_id call = p->call;
    p->call = 0;
    if (call != 0)
        rf_overlay_cancel(p->node->overlay, call);
}

void path_restart_stop(struct path *p)
{
    cancel(p);
    rf_timer_stop(&p->node->timers, &p->timer);
}

/* At rest; whoever asked hears it. */
static void rest(struct path *p, int error)
{
    cancel(p);
    if (p->request != NULL)
        rf_overlay_refuse_text(p->node->overlay, p->request, RF_ERROR_FORBIDDEN, rf_error_text(error));
    p->request = NULL;
    p->asks = false;
    p->state = PATH_CHECKING;
}

void path_restart_failed(struct path *p, int error)
{
    bool theirs = p->request != NULL; /* of theirs they could have any number fail */
    rest(p, error);
    p->wanted = p->tries < TRIES;
    if (!p->wanted)
        return;
    later(p, RETRY_US << p->tries);
    p->tries += !theirs;
}

/* The checks have led to nothing, and the old way leads nowhere. Whoever asked asks once more; the other end does if it does not hear of that. */
void path_restart_vain(struct path *p)
{
    bool theirs = p->served_us > p->asked_us;
    if (p->state != PATH_CHECKING || !node_path_made(p->node, p) || p->tries == TRIES)
        return;
    p->wanted = true;
    later(p, RETRY_US << (p->tries + theirs));
    p->tries++;
}

static void begin(struct path *p)
{
    p->state = PATH_WAITING;
    int error = node_path_relay(p->node) ? path_open(p->node, p) : 0;
    if (error != 0)
        path_restart_failed(p, error);
}

/* ---- ours ---- */

void path_restart(struct path *p)
{
    struct rf_node *node = p->node;
    uint64_t since_us = node->now.mono_us - p->asked_us;
    if (p->state == PATH_WAITING || p->state == PATH_GATHERING || node->leaving || p->name_len == 0)
        return; /* what is gathered now is of now */
    rest(p, RF_ECANCELLED);
    if (p->asked_us != NEVER_ASKED && since_us < LEAST_US) {
        p->wanted = true;
        later(p, LEAST_US - since_us);
        return;
    }
    p->asked_us = node->now.mono_us;
    p->wanted = false;
    p->asks = true;
    node->counters.paths_restarted++;
    begin(p);
}

/* It is relayed, and somebody uses it: is there a direct way by now? */
static bool worth_a_look(const struct path *p)
{
    struct rf_node *node = p->node;
    struct rf_ice_info ice;
    struct rf_link_info link;
    return rf_ice_info(node->paths->ice, p->session, &ice) == 0 && ice.relayed &&
           rf_links_info(node->links, p->link, &link) == 0 && link.message_us != 0 &&
           node->now.mono_us - link.message_us < LOOK_US;
}

static void restart_due(struct rf_timer *timer, void *arg)
{
    struct path *p = arg;
    (void)timer;
    if (!node_path_made(p->node, p) || !node_path_usable(p->node))
        return;
    if (p->wanted) {
        path_restart(p);
        return;
    }
    later(p, LOOK_US * LOOK_AGAIN);
    if (worth_a_look(p))
        path_restart(p);
}

void path_restart_watch(struct path *p, const struct rf_ice_info *info)
{
    p->tries = 0;
    p->wanted = false;
    if (p->server && info->relayed && !node_path_thrifty(p->node) && !rf_timer_is_set(&p->timer))
        later(p, LOOK_US);
}

void path_restart_init(struct path *p)
{
    rf_timer_init(&p->timer, restart_due, p);
}

/* Their answer; errors: RF_ENOTFOUND it is not about this path. */
static int take_answer(struct path *p, const struct rf_reply *reply)
{
    struct offer offer;
    if (!rf_id_equal(&reply->signer->node_id, &p->peer) ||
        !rf_view_equal(rf_path_name_of(reply->message->extensions), path_name_of(p)))
        return RF_ENOTFOUND;
    int error = node_offer_get(p->application != 0, reply->body, reply->region, &offer);
    if (error == 0 && !rf_view_equal(offer.role, rf_view_str(RF_ATTACH_ACTIVE)))
        error = RF_EFORMAT;
    if (error == 0)
        path_route_take(p, reply->message->extensions);
    return error == 0 ? path_start(p, &offer) : error;
}

static void replied(void *arg, const struct rf_reply *reply)
{
    struct path *p = arg;
    if (p->call == 0)
        return; /* cancelled */
    p->call = 0;
    int error = reply->error;
    if (error == RF_EREMOTE && reply->signer != NULL && reply->error_code == RF_ERROR_NOT_FOUND)
        error = RF_ENOTFOUND;
    else if (error == 0)
        error = take_answer(p, reply);
    if (error == RF_ENOTFOUND) {
        rf_links_close(p->node->links, p->link,
                       RF_ECLOSED); /* not path_end: the answer may have come over it */
    } else if (error == RF_EREMOTE && reply->signer != NULL && reply->error_code == RF_ERROR_IN_PROGRESS) {
        rest(
            p,
            error); /* theirs is, or was a moment ago; what came of that is not known here, so ours is not given up */
        p->wanted = true;
        later(p, RETRY_US);
    } else if (error != 0) {
        path_restart_failed(p, error);
    } else {
        p->asks = false;
        p->state = PATH_CHECKING;
    }
}

/* Somebody who passes it on: the link with the peer may be the one that leads nowhere now. */
static void detour(const struct path *p, struct rf_call *call)
{
    struct rf_topology_status_entry entries[8];
    size_t count = rf_node_ring(p->node, entries, RF_COUNT(entries));
    for (size_t i = 0; i < count; i++)
        if (entries[i].link != 0 && !rf_id_equal(&entries[i].node, &p->peer)) {
            rf_call_via(call, &entries[i].node);
            return;
        }
}

static int call_address(const struct path *p, struct rf_call *call)
{
    struct rf_view route = p->route;
    while (route.len > 0) {
        if (call->dest_count == RF_CALL_MAX_DESTS)
            return RF_ELIMIT;
        if (rf_dest_next(&route, p->node->conf->id_len, &call->dests[call->dest_count++]) != 0)
            return RF_EINVAL;
    }
    if (call->dest_count > 0)
        return 0;
    rf_call_to_node(call, &p->peer);
    if (rf_overlay_link_of(p->node->overlay, &p->peer) != 0)
        detour(p, call);
    return 0;
}

static int ask(struct path *p)
{
    struct rf_node *node = p->node;
    struct rf_buf body, extension;
    uint8_t extension_bytes[256];
    struct rf_call call = {
        .code = p->application != 0 ? RF_CODE_APP_ATTACH_REQ : RF_CODE_ATTACH_REQ, .done = replied, .arg = p};
    rf_buf_init(&body, node->env.mem, 4096);
    rf_buf_fixed(&extension, extension_bytes, sizeof(extension_bytes));
    rf_path_name_put(path_name_of(p), &extension);
    path_route_put(node, &extension);
    int error = node_offer_put(node, p->application, RF_ATTACH_PASSIVE, false, p, &body);
    if (error == 0)
        error = call_address(p, &call);
    call.body = rf_buf_view(&body);
    call.extensions = rf_buf_view(&extension);
    p->state = PATH_SIGNALLING;
    if (error == 0)
        error = rf_overlay_call(node->overlay, &call, &p->call);
    rf_buf_deinit(&body);
    return error;
}

/* ---- theirs ---- */

void path_restart_gathered(struct path *p)
{
    int error = p->request != NULL ? path_answer(p->node, p) : p->asks ? ask(p) : RF_ECANCELLED;
    if (error != 0)
        path_restart_failed(p, error);
}

static struct path *path_named(const struct rf_node *node, struct rf_view name, const struct rf_id *peer,
                               uint16_t application)
{
    RF_LIST_EACH(&node->paths->all, it)
    {
        struct path *p = RF_LIST_ENTRY(it, struct path, list);
        if (p->application == application && rf_id_equal(&p->peer, peer) &&
            rf_view_equal(path_name_of(p), name) && node_path_made(node, p))
            return p;
    }
    return NULL;
}

/* Is it now, or does ours go on, or was there one a moment ago? */
static bool may_begin(const struct path *p)
{
    const struct rf_node *node = p->node;
    bool larger = rf_id_compare(&node->identity.node_id, &p->peer) > 0;
    return p->request == NULL && !(p->asks && p->state == PATH_SIGNALLING && larger) &&
           (p->served_us == NEVER_ASKED || node->now.mono_us - p->served_us >= LEAST_US);
}

bool node_path_restart_asked(struct rf_node *node, struct rf_request *request, uint16_t application)
{
    struct rf_view name = rf_path_name_of(request->message->extensions);
    if (name.len == 0 || node->paths == NULL)
        return false;
    struct path *p = path_named(node, name, &request->signer.node_id, application);
    if (p == NULL || !node_path_usable(node)) {
        rf_overlay_refuse_text(node->overlay, request, RF_ERROR_NOT_FOUND, "no such path");
        return true;
    }
    if (!may_begin(p)) {
        rf_overlay_refuse_text(node->overlay, request, RF_ERROR_IN_PROGRESS, "the path is looked for");
        return true;
    }
    path_route_take(p, request->message->extensions);
    p->request = rf_overlay_defer(node->overlay, request);
    if (p->request == NULL)
        return true;
    p->served_us = node->now.mono_us;
    p->asks = p->wanted = false;
    if (p->state == PATH_SIGNALLING) {
        cancel(p);
        path_restart_gathered(p); /* for ours, which gives way */
    } else if (p->state == PATH_CHECKING) {
        begin(p);
    }
    return true;
}
