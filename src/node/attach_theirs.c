/*
 * attach_theirs.c - Attaches and AppAttaches of others (reload.md 3.7, 3.8): which of them we serve, and how. What is ours is in attach.c.
 *
 * Nothing of ours with that node under way: answer and dial, or look for a path. WAITING, STANDING and GATHERING are nothing yet: no request has left. Ours is answered already:
 * Error_In_Progress. Ours is unanswered: the larger Node-ID keeps its own, if it is younger than ATTACH_CROSSING_US. Linked already: Error_In_Progress (D19), but a wanted
 * Update is sent all the same; if that link is suspect, it is replaced.
 *
 * Ours gives way only when theirs is accepted: it waits for their connection then. If that does not come about, ours is asked anew.
 *
 * One node has us dial, for one purpose, at most ATTACH_DIALS connections at a time, and has at most ATTACH_APP_CONNS application connections, and at most ATTACH_LINKS overlay links, those that are being
 * made included: more are Error_Forbidden. So nobody can fill our links, or have us knock at others' doors. More than one link has who lost the others, of which we do not know yet (is_back).
 */
#include "node/internal.h"

/*
 * An Attach of ours that has no answer after so long does not cross theirs: it is lost, or cannot reach a node that is about to join
 * again. Only a younger one counts when both sides ask at once.
 */
#define ATTACH_CROSSING_US (2 * RF_US_PER_S)
#define ATTACH_DIALS       3 /* to one node for one purpose at a time */
#define ATTACH_APP_CONNS   4 /* with one node for one application */
#define ATTACH_LINKS       3 /* overlay links with one node */

/* Is it to lead to this node: addressed to it, or to a Resource-ID for which it answered? */
static bool leads_to(const struct attach *a, const struct rf_id *them, uint16_t application)
{
    return a->application == application && rf_id_equal(a->resource ? &a->peer : &a->target, them);
}

static struct attach *attach_with(struct rf_node *node, const struct rf_id *them, uint16_t application)
{
    RF_LIST_EACH(&node->attaches, it)
    {
        struct attach *a = RF_LIST_ENTRY(it, struct attach, list);
        if (leads_to(a, them, application))
            return a;
    }
    return NULL;
}

/* Ours against theirs (3.7 handling rules 2 and 3), nothing is changed. true: theirs goes on. */
static bool theirs_wins(const struct rf_node *node, const struct rf_id *them, uint16_t application)
{
    bool larger = rf_id_compare(&node->identity.node_id, them) > 0;
    RF_LIST_EACH(&node->attaches, it)
    {
        const struct attach *a = RF_LIST_ENTRY(it, struct attach, list);
        if (!leads_to(a, them, application))
            continue;
        if (a->state == ATTACH_EXPECTING && a->promised)
            return false; /* if not promised, it is a twin, or waits for their Attach anyway */
        if (a->state == ATTACH_CALLING && larger && node->now.mono_us - a->called_us < ATTACH_CROSSING_US)
            return false;
    }
    return true;
}

void attach_give_way(struct rf_node *node, const struct rf_id *them, uint16_t application)
{
    RF_LIST_EACH(&node->attaches, it)
    {
        struct attach *a = RF_LIST_ENTRY(it, struct attach, list);
        if (!leads_to(a, them, application) || a->state == ATTACH_EXPECTING || a->state == ATTACH_STANDING)
            continue; /* one that stands is asked on: if it lives, there are two */
        attach_cancel(a);
        node_path_drop(a);
        a->state = ATTACH_EXPECTING; /* their connection is ours, too */
        a->promised = false;
        a->yields = true;
        (void)rf_env_timer_in(&node->env, &a->timer, NODE_APP_TIMEOUT_US);
    }
}

static int resume(struct attach *a)
{
    struct rf_node *node = a->node;
    rf_timer_stop(&node->timers, &a->timer);
    if (node->leaving)
        return RF_ECANCELLED;
    if (a->application != 0)
        return node_cap_room(node, FLOW_APP) ? attach_app_begin(a) : node_cap_wait(a);
    a->state = ATTACH_CALLING;
    return attach_call(a);
}

void attach_theirs_over(struct rf_node *node, const struct rf_id *them, uint16_t application)
{
    for (bool again = true; again;) { /* whoever is told may start or end others */
        again = false;
        RF_LIST_EACH(&node->attaches, it)
        {
            struct attach *a = RF_LIST_ENTRY(it, struct attach, list);
            if (!a->yields || a->state != ATTACH_EXPECTING || !leads_to(a, them, application))
                continue;
            a->yields = false;
            int error = resume(a);
            if (error != 0)
                attach_end(a, error, NULL, 0);
            again = true;
            break;
        }
    }
}

static void dial_free(struct rf_node *node, struct dial *d)
{
    rf_list_remove(&d->list);
    node->dial_count--;
    rf_free(node->env.mem, d);
}

/* Errors: RF_ELIMIT too many are under way, or no room for another link; RF_ENOMEM. */
static int dial_new(struct rf_node *node, const struct rf_addr *addrs, size_t addr_count,
                    const struct rf_id *them, uint16_t application, struct dial **out)
{
    if (node_dials_full(node) || node_cap_take(node, application != 0 ? FLOW_APP : FLOW_OTHER) != 0)
        return RF_ELIMIT;
    struct dial *d = rf_zalloc(node->env.mem, sizeof(*d));
    if (d == NULL)
        return RF_ENOMEM;
    int error = rf_links_connect(node->links, addrs, addr_count, them,
                                 application != 0 ? RF_LINK_APP : RF_LINK_OVERLAY, application, &d->link);
    if (error != 0) {
        rf_free(node->env.mem, d);
        return error;
    }
    d->peer = *them;
    d->application = application;
    rf_list_push_back(&node->dials, &d->list);
    node->dial_count++;
    *out = d;
    return 0;
}

/* One that is under way to this node, NULL: none. count: how many, may be NULL. */
static struct dial *dial_to(struct rf_node *node, const struct rf_id *them, uint16_t application,
                            size_t *count)
{
    struct dial *found = NULL;
    RF_LIST_EACH(&node->dials, it)
    {
        struct dial *d = RF_LIST_ENTRY(it, struct dial, list);
        if (d->application != application || !rf_id_equal(&d->peer, them))
            continue;
        found = d;
        if (count != NULL)
            ++*count;
    }
    return found;
}

void attach_refuse_more(struct rf_node *node, struct rf_request *request)
{
    rf_overlay_refuse_text(node->overlay, request, RF_ERROR_FORBIDDEN, "enough are under way with you");
}

bool attach_enough(struct rf_node *node, const struct rf_id *them, uint16_t application)
{
    uint64_t links[ATTACH_LINKS];
    size_t dials = 0, conns = 0;
    (void)dial_to(node, them, application, &dials);
    dials += node_path_count(node, them, application);
    if (application == 0 &&
        dials + rf_overlay_links_of(node->overlay, them, links, ATTACH_LINKS) >= ATTACH_LINKS)
        return true;
    RF_LIST_EACH(&node->app_conns, it)
    {
        const struct app_conn *conn = RF_LIST_ENTRY(it, struct app_conn, list);
        conns += application != 0 && conn->application == application && rf_id_equal(&conn->node_id, them);
    }
    return dials >= ATTACH_DIALS || conns >= ATTACH_APP_CONNS;
}

int attach_answer(struct rf_node *node, struct rf_request *request, uint16_t application, const char *role,
                  const struct path *path)
{
    struct rf_buf body, extension;
    rf_buf_init(&body, node->env.mem, 4096);
    rf_buf_init(&extension, node->env.mem, 1024);
    int error = node_offer_put(node, application, role, false, path, &body);
    if (error == 0 && path != NULL && path->up)
        rf_path_name_put(path_name_of(path), &extension);
    if (error == 0 && path != NULL)
        path_route_put(node, &extension);
    if (error == 0 && path != NULL && !path->up && path_idle_wanted(request->message->extensions))
        path_idle_put(node, &extension);
    if (error == 0 && application == 0)
        (void)node_admit_extension(node, request, &extension);
    if (error == 0)
        error = rf_buf_error(&extension);
    if (error == 0)
        error = rf_overlay_answer_ext(node->overlay, request, rf_buf_view(&body), rf_buf_view(&extension),
                                      NULL, 0);
    else
        rf_overlay_drop(node->overlay, request); /* one that was deferred would stay */
    rf_buf_deinit(&body);
    rf_buf_deinit(&extension);
    if (error != 0)
        rf_log_write(node->env.log, RF_LOG_WARN, "node", "an Attach could not be answered: %s",
                     rf_error_text(error));
    return error;
}

int node_attach_answer_path(struct rf_node *node, struct rf_request *request, const struct path *p)
{
    return attach_answer(node, request, p->application, RF_ATTACH_ACTIVE, p);
}

/* Begins to dial, then answers: who could not be dialled is not told that he will be. False: it was refused. */
static bool answer_and_dial(struct rf_node *node, struct rf_request *request,
                            const struct rf_ice_candidate *candidates, size_t candidate_count,
                            uint16_t application)
{
    struct rf_addr addrs[NODE_OFFER_ADDRS];
    size_t count = node_offer_addrs(candidates, candidate_count, addrs);
    struct rf_id them = request->signer.node_id;
    struct dial *dial = NULL;
    if (attach_enough(node, &them, application)) {
        attach_refuse_more(node, request);
        return false;
    }
    if (count == 0) {
        rf_overlay_refuse_text(node->overlay, request, RF_ERROR_INVALID_MESSAGE,
                               "no TLS-TCP-FH-NO-ICE candidate that could be dialled");
        return false;
    }
    int error = dial_new(node, addrs, count, &them, application, &dial);
    if (error == 0)
        dial->client = application == 0 && rf_admit_wish_of(request->message->extensions) != RF_ADMIT_NONE;
    if (error != 0) {
        node->counters.attaches_refused_full++;
        rf_overlay_refuse_text(node->overlay, request, RF_ERROR_FORBIDDEN, "no room for another link");
        return false;
    }
    error = attach_answer(node, request, application, RF_ATTACH_ACTIVE, NULL);
    if (error != 0)
        rf_links_close(node->links, dial->link, error);
    return error == 0;
}

/* A client that nobody can dial is going to dial us: it has a place here (node_admit), and is waited for. */
static bool dials_us(const struct rf_node *node, const struct rf_request *request)
{
    return node->role == RF_NODE_SUPERNODE && node->listen_count > 0 &&
           rf_admit_wish_of(request->message->extensions) != RF_ADMIT_NONE &&
           rf_admit_dials_of(request->message->extensions);
}

static bool answer_and_wait(struct rf_node *node, struct rf_request *request)
{
    return attach_answer(node, request, 0, RF_ATTACH_PASSIVE, NULL) == 0;
}

/* The overlay's link with a node is one that is not suspect, if there is one. */
static bool linked_soundly(const struct rf_node *node, const struct rf_id *them)
{
    struct rf_link_info info;
    return rf_links_info(node->links, rf_overlay_link_of(node->overlay, them), &info) == 0 && !info.suspect;
}

/* The Update that their Attach asks for goes out when the link that is being made is up. */
static void owe_update(struct rf_node *node, const struct rf_id *them)
{
    struct dial *dial = dial_to(node, them, 0, NULL);
    struct attach *ours = attach_with(node, them, 0);
    struct visitor *visitor = node_admit_visitor(node, them);
    if (visitor != NULL)
        visitor->owes_update = true;
    node_path_owe(node, them);
    if (dial != NULL)
        dial->owes_update = true;
    else if (ours != NULL)
        ours->owes_update = true;
}

/* In requests the role must be "passive" (3.7): who offers, listens. Refuses the request if it is not. */
static bool role_is(struct rf_node *node, struct rf_request *request, struct rf_view role)
{
    if (rf_view_equal(role, rf_view_str(RF_ATTACH_PASSIVE)))
        return true;
    rf_overlay_refuse_text(node->overlay, request, RF_ERROR_INVALID_MESSAGE, "the role is not passive");
    return false;
}

/* A client that has a link with us asks over it: one that asks over somebody else has lost it, and we did not hear of that. */
static bool is_back(const struct rf_request *request)
{
    return rf_admit_wish_of(request->message->extensions) != RF_ADMIT_NONE &&
           !rf_id_equal(&request->link_node, &request->signer.node_id);
}

/* One that we want to serve. False: it was refused. */
static bool serve(struct rf_node *node, struct rf_request *request, const struct offer *body)
{
    bool app = body->application != 0;
    if (!node_path_usable(node) || !node_path_offered(body)) {
        if (app && node_outward_asked(node, request))
            return node_outward_answer(node, request, body->application);
        if (!app && dials_us(node, request))
            return answer_and_wait(node, request);
        return answer_and_dial(node, request, body->candidates, body->candidate_count, body->application);
    }
    node_path_make_room(node, &request->signer.node_id, body->application, ATTACH_DIALS);
    if (attach_enough(node, &request->signer.node_id, body->application))
        attach_refuse_more(node, request);
    else if (node_cap_take(node, app ? FLOW_APP : FLOW_OTHER) != 0)
        rf_overlay_refuse_text(node->overlay, request, RF_ERROR_FORBIDDEN, "no room for another link");
    else
        return node_path_asked(node, request, body->application);
    return false;
}

static void on_attach(void *arg, struct rf_request *request)
{
    struct rf_node *node = arg;
    struct rf_id them = request->signer.node_id;
    struct offer body;
    int error = node_offer_get(false, request->message->body, request->region, &body);
    if (error != 0) {
        rf_overlay_refuse_malformed(node->overlay, request, error, "malformed Attach");
        return;
    }
    bool linked = linked_soundly(node, &them) && !is_back(request);
    if (rf_id_equal(&them, &node->identity.node_id))
        rf_overlay_refuse_text(node->overlay, request, RF_ERROR_INVALID_MESSAGE, "an Attach to oneself");
    else if (!role_is(node, request, body.role) || node_path_restart_asked(node, request, 0))
        return;
    else if (!node_admit(node, request, !linked))
        return;
    else if (linked || !theirs_wins(node, &them, 0))
        rf_overlay_refuse_text(node->overlay, request, RF_ERROR_IN_PROGRESS,
                               linked ? "linked already" : "under way");
    else if (serve(node, request, &body))
        attach_give_way(node, &them, 0);
    if (body.send_update && linked)
        rf_overlay_update_wanted(node->overlay, &them);
    else if (body.send_update)
        owe_update(node, &them);
}

static void on_app_attach(void *arg, struct rf_request *request)
{
    struct rf_node *node = arg;
    struct rf_id them = request->signer.node_id;
    struct offer body;
    int error = node_offer_get(true, request->message->body, request->region, &body);
    if (error != 0)
        rf_overlay_refuse_malformed(node->overlay, request, error, "malformed AppAttach");
    else if (node_app_find(node, body.application) == NULL)
        rf_overlay_refuse_text(node->overlay, request, RF_ERROR_NOT_FOUND, "no such application here");
    else if (rf_id_equal(&them, &node->identity.node_id))
        rf_overlay_refuse_text(node->overlay, request, RF_ERROR_INVALID_MESSAGE, "an AppAttach to oneself");
    else if (!role_is(node, request, body.role) || node_path_restart_asked(node, request, body.application))
        return;
    else if (!theirs_wins(node, &them, body.application))
        rf_overlay_refuse_text(node->overlay, request, RF_ERROR_IN_PROGRESS, "under way");
    else if (serve(node, request, &body))
        attach_give_way(node, &them, body.application);
}

/* ---- their connections ---- */

bool attach_update_owed(struct rf_node *node, const struct rf_id *peer)
{
    struct visitor *visitor = node_admit_visitor(node, peer);
    bool owed = (visitor != NULL && visitor->owes_update) || node_path_owes(node, peer);
    if (visitor != NULL)
        visitor->owes_update = false;
    RF_LIST_EACH(&node->dials, it)
    {
        const struct dial *d = RF_LIST_ENTRY(it, struct dial, list);
        owed = owed || (d->owes_update && rf_id_equal(&d->peer, peer));
    }
    RF_LIST_EACH(&node->attaches, it)
    {
        const struct attach *a = RF_LIST_ENTRY(it, struct attach, list);
        owed = owed || (a->owes_update && rf_id_equal(a->resource ? &a->peer : &a->target, peer));
    }
    return owed;
}

bool node_attach_for_client(const struct rf_node *node, rf_link_id link)
{
    RF_LIST_EACH(&node->dials, it)
    {
        const struct dial *d = RF_LIST_ENTRY(it, struct dial, list);
        if (d->link == link)
            return d->client;
    }
    return false;
}

void node_attach_link_down(struct rf_node *node, rf_link_id link, bool up)
{
    RF_LIST_EACH_SAFE(&node->dials, it)
    {
        struct dial *d = RF_LIST_ENTRY(it, struct dial, list);
        struct rf_id peer = d->peer;
        uint16_t application = d->application;
        if (d->link != link)
            continue;
        dial_free(node, d);
        if (!up)
            attach_theirs_over(node, &peer, application);
        return; /* each has its own link */
    }
}

/* An overlay link with this node is up: other connections that we are still making to it would be twins. */
void attach_drop_other_dials(struct rf_node *node, const struct rf_id *peer, rf_link_id link)
{
    RF_LIST_EACH(&node->dials, it)
    {
        const struct dial *d = RF_LIST_ENTRY(it, struct dial, list);
        if (d->application == 0 && d->link != link && rf_id_equal(&d->peer, peer))
            rf_links_close(node->links, d->link, RF_EDUPLICATE); /* told later: see node_attach_link_down */
    }
}

int node_attach_init(struct rf_node *node)
{
    int error = rf_overlay_handle(node->overlay, RF_CODE_ATTACH_REQ, on_attach, node);
    if (error == 0)
        error = rf_overlay_handle(node->overlay, RF_CODE_APP_ATTACH_REQ, on_app_attach, node);
    return error;
}

void attach_theirs_deinit(struct rf_node *node)
{
    RF_LIST_EACH_SAFE(&node->dials, it)
    {
        dial_free(node, RF_LIST_ENTRY(it, struct dial, list));
    }
}
