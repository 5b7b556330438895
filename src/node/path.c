/*
 * path.c - ways to other nodes that ICE finds, and the DTLS links over them (reload.md 3.6-3.8; docs/protocol/paths.md).
 *
 * A path is a session of ice/ and a path link of link/. Ours begins with an AppAttach of ours (attach.c), theirs with one of somebody else's.
 *
 * Both begin with WAITING until it is known which relay we may use (path_relay.c), if that is not known already.
 * Ours: GATHERING until our candidates are known; then the request goes out, SIGNALLING until its answer; then the pairs are checked, and the link
 * waits for their hello at the same time: CHECKING. We are controlling, and the DTLS server.
 * Theirs: GATHERING, the request is deferred meanwhile; then it is answered and the pairs are checked: CHECKING; when a pair is selected the link says
 * hello. We are controlled, and the DTLS client.
 *
 * A path whose link is up is CHECKING. It goes through the other states once more, and its link lives on, when the way is looked for anew: path_restart.c.
 *
 * A path ends with its link, or when its session fails. Whose Attach it was then hears of it (node_attach_pathless): it may still ask without ICE. A
 * session whose pair changes (a relayed one becomes direct, somebody moved) keeps its link.
 *
 * Everything that comes by datagrams passes here: what is STUN or a relay's is ice/'s, what belongs to a session is its link's, and the rest is for links
 * without a path.
 */
#include "node/internal.h"
#include "wire/attach.h"

#define PATHS_MAX 1024
#define PATH_SILENT_US                                                                                       \
    (2 * RF_US_PER_S) /* who does not answer for so long is not heard, or does not hear us */
#define PATH_GIVEN_UP_US                                                                                     \
    (2 * RF_US_PER_S) /* who asks for another one after that is not waiting any more (attach_app.c) */
#define PATH_MOVE_US    (RF_US_PER_S / 2) /* a check from the new address has had several round trips */
#define PATH_CONSENT_US (5 * RF_US_PER_S) /* RFC 7675, section 5.1 */

static struct rf_view session_key(const struct rf_map_node *node)
{
    return rf_view_of(&RF_CONTAINER(node, struct path, by_session)->session, sizeof(rf_ice_id));
}

static struct rf_view link_key(const struct rf_map_node *node)
{
    return rf_view_of(&RF_CONTAINER(node, struct path, by_link)->link, sizeof(rf_link_id));
}

static struct path *path_of_session(const struct rf_node *node, rf_ice_id session)
{
    struct rf_map_node *found = rf_map_find(&node->paths->by_session, rf_view_of(&session, sizeof(session)));
    return found != NULL ? RF_CONTAINER(found, struct path, by_session) : NULL;
}

static struct path *path_of_link(const struct rf_node *node, rf_link_id link)
{
    if (node->paths == NULL)
        return NULL;
    struct rf_map_node *found = rf_map_find(&node->paths->by_link, rf_view_of(&link, sizeof(link)));
    return found != NULL ? RF_CONTAINER(found, struct path, by_link) : NULL;
}

bool node_path_usable(const struct rf_node *node)
{
    return node->paths != NULL && node->paths->bases != 0 && !node->conf->no_ice;
}

/* ---- birth and death ---- */

/* Supernodes are STUN servers on the port that they listen on (reload.md 3.7). True: one more is asked from now on. */
static bool ask_supernodes(struct rf_node *node)
{
    struct paths *paths = node->paths;
    size_t before = paths->stun_count;
    for (size_t i = 0; i < node->peer_count && paths->stun_count < NODE_PATH_STUN; i++) {
        size_t at = 0;
        while (at < paths->stun_count && !rf_addr_equal(&paths->stun[at], &node->peers[i]))
            at++;
        if (at < paths->stun_count || rf_ice_stun_add(paths->ice, &node->peers[i]) != 0)
            continue;
        if (paths->stun_count == 0)
            paths->asked_us = node->now.mono_us;
        paths->stun[paths->stun_count++] = node->peers[i];
    }
    return paths->stun_count > before;
}

void node_paths_lost(struct rf_node *node)
{
    struct paths *paths = node->paths;
    while (paths != NULL && paths->stun_count > 0)
        rf_ice_stun_remove(paths->ice, &paths->stun[--paths->stun_count]);
}

void node_paths_look(struct rf_node *node)
{
    if (node_path_usable(node) && node->role != RF_NODE_SUPERNODE && !node_path_thrifty(node) &&
        node_state(node) == RF_TOPOLOGY_JOINED && ask_supernodes(node))
        rf_ice_probe(node->paths->ice);
}

void node_paths_probe(struct rf_node *node)
{
    if (!node_path_usable(node) || node->role == RF_NODE_SUPERNODE || node_path_thrifty(node))
        return;
    (void)ask_supernodes(node);
    rf_ice_probe(node->paths->ice);
}

static enum rf_node_datagrams meaning(const struct rf_node *node, const struct rf_ice_behaviour *b)
{
    static const enum rf_node_datagrams means[] = {[RF_ICE_MAPPING_UNKNOWN] = RF_DATAGRAMS_UNKNOWN,
                                                   [RF_ICE_MAPPING_NONE] = RF_DATAGRAMS_OPEN,
                                                   [RF_ICE_MAPPING_INDEPENDENT] = RF_DATAGRAMS_ALIKE,
                                                   [RF_ICE_MAPPING_DEPENDENT] = RF_DATAGRAMS_VARY,
                                                   [RF_ICE_MAPPING_BLOCKED] = RF_DATAGRAMS_BLOCKED};
    bool silent =
        b->asked > 0 && b->answered == 0 && node->now.mono_us - node->paths->asked_us > PATH_SILENT_US;
    return b->mapping == RF_ICE_MAPPING_UNKNOWN && silent ? RF_DATAGRAMS_BLOCKED : means[b->mapping];
}

enum rf_node_datagrams node_path_fares(const struct rf_node *node, struct rf_addr *seen)
{
    enum rf_node_datagrams best = RF_DATAGRAMS_UNKNOWN;
    struct rf_ice_behaviour b;
    *seen = (struct rf_addr){0};
    for (uint8_t base = 0; node_path_usable(node) && base < RF_ICE_MAX_BASES; base++) {
        if ((node->paths->bases >> base & 1) == 0 || rf_ice_behaviour(node->paths->ice, base, &b) != 0)
            continue;
        enum rf_node_datagrams now = meaning(node, &b);
        if (now == RF_DATAGRAMS_UNKNOWN || (best != RF_DATAGRAMS_UNKNOWN && now >= best))
            continue;
        best = now;
        *seen = b.mapped;
    }
    return best;
}

/* What its link is on stays in use until there is something new. */
static int path_reopen(struct rf_node *node, struct path *p)
{
    if (!node_path_thrifty(node))
        (void)ask_supernodes(node);
    int error = rf_ice_restart(node->paths->ice, p->session);
    if (error == 0)
        p->state = PATH_GATHERING;
    return error;
}

int path_open(struct rf_node *node, struct path *p)
{
    if (p->up)
        return path_reopen(node, p);
    struct rf_addr seen;
    struct rf_ice_session_config config = {.controlling = p->server,
                                           .unanswered = node_path_fares(node, &seen) == RF_DATAGRAMS_BLOCKED,
                                           .consent_us = PATH_CONSENT_US};
    bool must = node_path_thrifty(node) || (p->attach != NULL && p->attach->relayed);
    if (must && !node_path_relay_known(node))
        return RF_EUNREACHABLE; /* without a relay there is none, or was none a moment ago */
    if (node_path_thrifty(node)) {
        config.relaying = RF_ICE_RELAY_ONLY;
    } else {
        (void)ask_supernodes(node);
    }
    int error = rf_ice_open(node->paths->ice, &config, &p->session);
    if (error == 0)
        error = rf_map_insert(&node->paths->by_session, &p->by_session);
    if (error == 0) {
        p->state = PATH_GATHERING;
        return 0;
    }
    rf_ice_close(node->paths->ice, p->session);
    p->session = 0;
    return error;
}

/* attach: ours, NULL: the request is theirs. */
static int path_new(struct rf_node *node, struct attach *attach, const struct rf_id *peer,
                    uint16_t application, struct path **out)
{
    struct paths *paths = node->paths;
    struct path *p = paths->count < PATHS_MAX ? rf_zalloc(node->env.mem, sizeof(*p)) : NULL;
    if (p == NULL)
        return paths->count < PATHS_MAX ? RF_ENOMEM : RF_ELIMIT;
    p->node = node;
    p->begun_us = node->now.mono_us;
    path_restart_init(p);
    if (attach != NULL && attach->route.len > 0) /* without memory it is reached as the overlay thinks */
        p->route.p = rf_memdup(node->env.mem, attach->route.p, attach->route.len);
    p->route.len = p->route.p != NULL ? attach->route.len : 0;
    p->server = attach != NULL;
    p->attach = attach;
    p->state = PATH_WAITING;
    p->peer = *peer;
    p->application = application;
    int error = node_path_relay(node) ? path_open(node, p) : 0;
    if (error != 0) {
        rf_free(node->env.mem, (void *)(uintptr_t)p->route.p);
        rf_free(node->env.mem, p);
        return error;
    }
    rf_list_push_back(&paths->all, &p->list);
    paths->count++;
    *out = p;
    return 0;
}

static void path_free(struct rf_node *node, struct path *p)
{
    struct paths *paths = node->paths;
    if (p->attach != NULL)
        p->attach->path = NULL;
    if (p->request != NULL)
        rf_overlay_drop(node->overlay, p->request);
    if (p->link != 0)
        rf_map_remove(&paths->by_link, &p->by_link);
    if (p->session != 0) {
        rf_map_remove(&paths->by_session, &p->by_session);
        rf_ice_close(paths->ice, p->session);
    }
    path_restart_stop(p);
    rf_list_remove(&p->list);
    paths->count--;
    rf_free(node->env.mem, (void *)(uintptr_t)p->route.p);
    rf_free(node->env.mem, p);
}

/* It failed. A link that is on it ends with it. Whose it was is told last: it may ask anew. */
void path_end(struct rf_node *node, struct path *p, int error)
{
    struct attach *a = p->attach;
    p->attach = NULL;
    if (a != NULL)
        a->path = NULL;
    if (p->link != 0)
        rf_links_closed(node->links, p->link, error);
    if (p->request != NULL)
        rf_overlay_refuse_text(node->overlay, p->request, RF_ERROR_FORBIDDEN, rf_error_text(error));
    p->request = NULL;
    struct rf_id peer = p->peer;
    uint16_t application = p->application;
    bool theirs = !p->server && !p->up;
    path_free(node, p);
    if (a != NULL)
        node_attach_pathless(a, error);
    if (theirs)
        attach_theirs_over(node, &peer, application);
}

void node_paths_open(struct rf_node *node)
{
    bool again = true;
    while (again) { /* whoever is told that there is none may end others */
        again = false;
        RF_LIST_EACH(&node->paths->all, it)
        {
            struct path *p = RF_LIST_ENTRY(it, struct path, list);
            int error = p->state == PATH_WAITING ? path_open(node, p) : 0;
            if (error == 0)
                continue;
            if (p->up)
                path_restart_failed(p, error);
            else
                path_end(node, p, error);
            again = true;
            break;
        }
    }
}

static int path_link(struct rf_node *node, struct path *p)
{
    struct rf_ice_info info;
    int error = rf_ice_info(node->paths->ice, p->session, &info);
    struct rf_link_path path = {.server = p->server,
                                .expect = &p->peer,
                                .purpose = p->application != 0 ? RF_LINK_APP : RF_LINK_OVERLAY,
                                .application = p->application};
    if (error == 0 && info.selected) {
        path.rtt_us = info.rtt_us;
        path.remote = &info.remote;
    }
    if (error == 0)
        error = rf_links_attach_path(node->links, &path, &p->link);
    if (error != 0)
        return error;
    error = rf_map_insert(&node->paths->by_link, &p->by_link);
    if (error != 0) {
        rf_links_close(node->links, p->link, error);
        p->link = 0;
    }
    return error;
}

/* ---- candidates ---- */

int node_path_put(const struct path *p, struct path_params *out)
{
    struct rf_ice_params params;
    int error = rf_ice_local(p->node->paths->ice, p->session, &params);
    if (error != 0)
        return error;
    out->ufrag = params.ufrag;
    out->password = params.password;
    out->count = params.candidate_count < RF_COUNT(out->candidates) ? params.candidate_count
                                                                    : RF_COUNT(out->candidates);
    for (size_t i = 0; i < out->count; i++) {
        const struct rf_ice_cand *c = &params.candidates[i];
        out->candidates[i] = (struct rf_ice_candidate){.addr = c->addr,
                                                       .overlay_link = RF_OVERLAY_LINK_DTLS_UDP_SR,
                                                       .foundation = rf_view_str(c->foundation),
                                                       .priority = c->priority,
                                                       .type = c->kind,
                                                       .related = c->related};
        if (c->kind != RF_ICE_KIND_HOST && c->related.family == 0)
            out->candidates[i].related = c->addr; /* RELOAD has no word for "not told" */
    }
    return 0;
}

/* Theirs, as ice/ wants them. */
int path_start(struct path *p, const struct offer *body)
{
    struct rf_ice_cand cands[RF_ICE_MAX_REMOTE];
    struct rf_ice_params params = {.ufrag = body->ufrag, .password = body->password, .candidates = cands};
    for (size_t i = 0; i < body->candidate_count && params.candidate_count < RF_COUNT(cands); i++) {
        const struct rf_ice_candidate *c = &body->candidates[i];
        struct rf_ice_cand *to = &cands[params.candidate_count];
        if (c->overlay_link != RF_OVERLAY_LINK_DTLS_UDP_SR || c->foundation.len > RF_ICE_FOUNDATION_MAX)
            continue;
        *to = (struct rf_ice_cand){
            .addr = c->addr, .related = c->related, .priority = c->priority, .kind = c->type};
        memcpy(to->foundation, c->foundation.p, c->foundation.len);
        params.candidate_count++;
    }
    return rf_ice_start(p->node->paths->ice, p->session, &params);
}

bool node_path_offered(const struct offer *offer)
{
    for (size_t i = 0; i < offer->candidate_count; i++)
        if (offer->candidates[i].overlay_link == RF_OVERLAY_LINK_DTLS_UDP_SR)
            return true;
    return false;
}

/* ---- ours ---- */

int node_path_ask(struct attach *a)
{
    return path_new(a->node, a, &a->target, a->application, &a->path);
}

int node_path_answered(struct attach *a, const struct offer *answer, struct rf_view extensions)
{
    struct path *p = a->path;
    p->peer = a->peer;
    path_route_take(p, extensions);
    path_idle_take(p, extensions);
    int error = path_start(p, answer);
    if (error == 0)
        error = path_link(a->node, p); /* their hello may be here before we know what is selected */
    if (error == 0)
        p->state = PATH_CHECKING;
    return error;
}

bool node_path_made(const struct rf_node *node, const struct path *p)
{
    struct rf_link_info info;
    return p->link != 0 && rf_links_info(node->links, p->link, &info) == 0 && info.state == RF_LINK_UP;
}

void node_path_drop(struct attach *a)
{
    struct path *p = a->path;
    if (p == NULL)
        return;
    p->attach = NULL;
    a->path = NULL;
    if (p->link == 0)
        path_free(a->node, p);
    else if (!node_path_made(a->node, p))
        rf_links_close(a->node->links, p->link, RF_ECANCELLED); /* told later, and the path goes then */
}

/* ---- theirs ---- */

void node_path_owe(struct rf_node *node, const struct rf_id *peer)
{
    if (node->paths == NULL)
        return;
    RF_LIST_EACH(&node->paths->all, it)
    {
        struct path *p = RF_LIST_ENTRY(it, struct path, list);
        p->owes_update =
            p->owes_update || (!p->server && !p->up && p->application == 0 && rf_id_equal(&p->peer, peer));
    }
}

bool node_path_owes(const struct rf_node *node, const struct rf_id *peer)
{
    if (node->paths == NULL)
        return false;
    RF_LIST_EACH(&node->paths->all, it)
    {
        const struct path *p = RF_LIST_ENTRY(it, struct path, list);
        if (p->owes_update && !p->up && rf_id_equal(&p->peer, peer))
            return true;
    }
    return false;
}

size_t node_path_count(const struct rf_node *node, const struct rf_id *peer, uint16_t application)
{
    size_t count = 0;
    if (node->paths == NULL)
        return 0;
    RF_LIST_EACH(&node->paths->all, it)
    {
        const struct path *p = RF_LIST_ENTRY(it, struct path, list);
        count += !p->server && p->application == application && rf_id_equal(&p->peer, peer) &&
                 !node_path_made(node, p);
    }
    return count;
}

void node_path_make_room(struct rf_node *node, const struct rf_id *peer, uint16_t application, size_t max)
{
    if (node->paths == NULL || node_path_count(node, peer, application) < max)
        return;
    RF_LIST_EACH(&node->paths->all, it) /* the oldest first */
    {
        struct path *p = RF_LIST_ENTRY(it, struct path, list);
        if (p->server || p->application != application || !rf_id_equal(&p->peer, peer) ||
            node_path_made(node, p))
            continue;
        if (node->now.mono_us - p->begun_us >= PATH_GIVEN_UP_US)
            path_end(node, p, RF_ECANCELLED);
        return;
    }
}

bool node_path_asked(struct rf_node *node, struct rf_request *request, uint16_t application)
{
    struct path *p;
    struct rf_id them = request->signer.node_id;
    int error = path_new(node, NULL, &them, application, &p);
    if (error != 0) {
        node->counters.attaches_refused_full++;
        rf_overlay_refuse_text(node->overlay, request, RF_ERROR_FORBIDDEN, "no room for another link");
        return false;
    }
    path_route_take(p, request->message->extensions);
    p->request = rf_overlay_defer(node->overlay, request);
    if (p->request != NULL)
        return true;
    path_free(node, p);
    return false;
}

/* Our candidates are known: the request is answered, and the checks begin. */
int path_answer(struct rf_node *node, struct path *p)
{
    struct rf_request *request = p->request;
    struct rf_region region;
    struct offer offer;
    rf_region_init(&region, node->env.mem, (size_t)256 * 1024);
    int error = node_offer_get(p->application != 0, request->message->body, &region, &offer);
    if (error == 0 && !p->up) {
        path_name(p, offer.ufrag);
        path_idle_take(p, request->message->extensions);
    }
    if (error == 0)
        error = path_start(p, &offer);
    rf_region_deinit(&region);
    if (error != 0)
        return error;
    p->request = NULL;
    p->state = PATH_CHECKING;
    return node_attach_answer_path(node, request, p);
}

/* ---- events of sessions ---- */

static void path_gathered(struct rf_node *node, struct path *p)
{
    int error = 0;
    if (p->state != PATH_GATHERING)
        return;
    if (p->up) {
        path_restart_gathered(p);
        return;
    }
    if (p->server) {
        struct rf_ice_params params;
        if (rf_ice_local(node->paths->ice, p->session, &params) == 0)
            path_name(p, params.ufrag);
        p->state = PATH_SIGNALLING;
        error = p->attach != NULL ? node_attach_gathered(p->attach) : RF_ECANCELLED;
    } else {
        error = path_answer(node, p);
    }
    if (error != 0)
        path_end(node, p, error);
}

static void path_selected(struct rf_node *node, struct path *p)
{
    struct rf_ice_info info;
    int error = 0;
    if (p->link == 0)
        error = path_link(node, p);
    else if (rf_ice_info(node->paths->ice, p->session, &info) == 0)
        rf_links_path_changed(node->links, p->link, &info.remote, NULL, info.rtt_us);
    if (error != 0)
        path_end(node, p, error);
    else if (rf_ice_info(node->paths->ice, p->session, &info) == 0)
        path_restart_watch(p, &info);
}

static void path_event(struct rf_node *node, const struct rf_ice_out *event)
{
    struct path *p = path_of_session(node, event->session);
    if (p == NULL)
        return;
    if (event->type == RF_ICE_OUT_GATHERED)
        path_gathered(node, p);
    else if (event->type == RF_ICE_OUT_SELECTED)
        path_selected(node, p);
    else if (event->type == RF_ICE_OUT_RESTART && event->error == RF_EAGAIN)
        path_restart_vain(p);
    else if (event->type == RF_ICE_OUT_RESTART && node_path_made(node, p))
        path_restart(p); /* an end has moved */
    else if (event->type == RF_ICE_OUT_FAILED) {
        if (event->error == RF_EEXPIRED && p->idle_s > 0)
            node_binding_doubt(node);
        if (event->error == RF_EUNREACHABLE && p->server) /* whoever calls us could make us believe it */
            node_path_stuck(node);
        path_end(node, p, event->error);
    }
}

/* ---- links on paths ---- */

void node_path_link_up(struct rf_node *node, rf_link_id link)
{
    struct path *p = path_of_link(node, link);
    if (p == NULL)
        return;
    p->up = true;
    path_idle_up(p);
}

/* Its last datagrams still go out: RF_FLOW_CLOSE ends the path. */
void node_path_link_down(struct rf_node *node, rf_link_id link, int reason)
{
    struct path *p = path_of_link(node, link);
    struct attach *a = p != NULL ? p->attach : NULL;
    if (p != NULL && !p->server && !p->up)
        attach_theirs_over(node, &p->peer, p->application);
    if (a == NULL)
        return;
    p->attach = NULL;
    a->path = NULL;
    node_attach_pathless(a, reason);
}

bool node_path_action(struct rf_node *node, struct rf_node_out *out)
{
    struct rf_flow_action *flow = &out->flow;
    struct path *p = path_of_link(node, flow->flow);
    if (flow->type == RF_FLOW_CLOSE && p != NULL) {
        path_free(node, p);
        return false;
    }
    if (flow->type != RF_FLOW_DATAGRAM)
        return true;
    struct rf_ice_wrap *wrap = &node->paths->wrap;
    out->type = RF_NODE_OUT_DATAGRAM;
    out->datagram.bytes = flow->bytes;
    if (flow->addr.family != 0) {
        out->datagram.base = (uint8_t)flow->base;
        out->datagram.remote = flow->addr;
        return true;
    }
    if (p == NULL || rf_ice_send(node->paths->ice, p->session, flow->bytes.len, wrap) != 0)
        return false; /* lost: there is no way yet, or not any more */
    if (wrap->base == RF_ICE_NO_BASE) {
        node_stream_send(node, wrap, flow->bytes);
        return false;
    }
    out->datagram.base = wrap->base;
    out->datagram.remote = wrap->remote;
    out->datagram.head = rf_view_of(wrap->head, wrap->head_len);
    out->datagram.pad = wrap->pad;
    return true;
}

/* ---- the shell's doors ---- */

int rf_node_base(struct rf_node *node, uint8_t base, const struct rf_addr *addr, struct rf_now now)
{
    struct paths *paths = node_enter(node, now)->paths;
    if (paths == NULL)
        return RF_EUNSUPPORTED;
    if (addr == NULL && base < RF_ICE_MAX_BASES) {
        rf_ice_base_remove(paths->ice, base);
        paths->bases &= (uint16_t) ~(1U << base);
        return 0;
    }
    int error =
        addr == NULL ? RF_EINVAL : rf_ice_base_set(paths->ice, base, addr, (uint16_t)(UINT16_MAX - base));
    if (error == 0)
        paths->bases |= (uint16_t)(1U << base);
    return error;
}

static void path_data(struct rf_node *node, rf_ice_id session, struct rf_view bytes)
{
    struct path *p = path_of_session(node, session);
    if (p != NULL && p->link != 0)
        rf_links_datagram(node->links, p->link, bytes);
}

void rf_node_datagram(struct rf_node *node, uint8_t base, const struct rf_addr *remote, struct rf_view bytes,
                      struct rf_now now)
{
    rf_ice_id session;
    node_enter(node, now);
    if (node->paths == NULL || node->left || node->revoked)
        return;
    if (node_binding_datagram(node, base, remote, bytes))
        return;
    switch (rf_ice_input(node->paths->ice, base, remote, bytes, &session, &bytes)) {
    case RF_ICE_IN_DONE:
        break;
    case RF_ICE_IN_DATA:
        path_data(node, session, bytes);
        break;
    case RF_ICE_IN_OTHER:
        rf_links_datagram_from(node->links, base, remote, bytes);
        break;
    }
}

void node_path_stream_message(struct rf_node *node, uint32_t stream, struct rf_view message)
{
    rf_ice_id session;
    if (rf_ice_stream_input(node->paths->ice, stream, message, &session, &message) == RF_ICE_IN_DATA)
        path_data(node, session, message);
}

/* What ice/ wants done; its events are dealt with on the way. */
bool node_path_next(struct rf_node *node, struct rf_node_out *out)
{
    struct rf_ice_out ice;
    while (node->paths != NULL && rf_ice_next(node->paths->ice, &ice)) {
        switch (ice.type) {
        case RF_ICE_OUT_DATAGRAM:
            out->type = RF_NODE_OUT_DATAGRAM;
            out->datagram.base = ice.base;
            out->datagram.remote = ice.remote;
            out->datagram.bytes = ice.bytes;
            return true;
        case RF_ICE_OUT_STREAM:
            node_stream_put(node, ice.stream, ice.bytes);
            break;
        case RF_ICE_OUT_CONNECT:
            node_stream_connect(node, ice.stream, &ice.remote);
            break;
        case RF_ICE_OUT_DISCONNECT:
            node_stream_disconnect(node, ice.stream);
            break;
        case RF_ICE_OUT_UNSERVED:
            node_path_relay_unserved(node, ice.server, ice.error);
            break;
        default:
            path_event(node, &ice);
            break;
        }
    }
    return false;
}

/* ---- all of them ---- */

static void end_unmade(struct rf_node *node)
{
    for (bool again = true; again;) { /* whoever is told may end others */
        again = false;
        RF_LIST_EACH(&node->paths->all, it)
        {
            struct path *p = RF_LIST_ENTRY(it, struct path, list);
            if (node_path_made(node, p))
                continue;
            path_end(node, p, RF_EUNSUPPORTED);
            again = true;
            break;
        }
    }
}

void node_paths_configure(struct rf_node *node)
{
    struct paths *paths = node->paths;
    if (paths == NULL || !node->conf->no_ice)
        return;
    end_unmade(node);
    RF_LIST_EACH(&paths->all, it)
    {
        rf_links_close(node->links, RF_LIST_ENTRY(it, struct path, list)->link, RF_EUNSUPPORTED);
    }
    node_paths_lost(node);
    node_path_relays_forget(node);
}

int node_paths_init(struct rf_node *node)
{
    struct rf_ice_config config;
    struct paths *paths = rf_zalloc(node->env.mem, sizeof(*paths));
    if (paths == NULL)
        return RF_ENOMEM;
    rf_map_init(&paths->by_session, node->env.mem, node->env.seed, session_key);
    rf_map_init(&paths->by_link, node->env.mem, node->env.seed, link_key);
    rf_list_init(&paths->streams);
    rf_list_init(&paths->all);
    rf_ice_config_default(&config);
    config.crypto = node->crypto;
    config.serve = true;
    config.max_sessions = PATHS_MAX;
    config.move_us = PATH_MOVE_US;
    int error = rf_ice_new(&node->env, &config, &paths->ice);
    if (error != 0) {
        rf_free(node->env.mem, paths);
        return error;
    }
    node->paths = paths;
    return 0;
}

void node_paths_deinit(struct rf_node *node)
{
    struct paths *paths = node->paths;
    if (paths == NULL)
        return;
    RF_LIST_EACH_SAFE(&paths->all, it)
    {
        struct path *p = RF_LIST_ENTRY(it, struct path, list);
        p->request = NULL; /* the overlay, which is gone, dropped it */
        path_free(node, p);
    }
    node_streams_deinit(node);
    rf_timer_stop(&node->timers, &paths->relay_timer);
    rf_map_deinit(&paths->by_session);
    rf_map_deinit(&paths->by_link);
    rf_ice_free(paths->ice);
    rf_free(node->env.mem, paths);
    node->paths = NULL;
}
