/*
 * attach.c - Attach and AppAttach without ICE (reload.md 3.6-3.8): the requester listens and is the TLS server, the answerer dials.
 *
 * Ours, as the requester: CALLING, from the request to its answer; EXPECTING, from the answer until the answerer's connection is up (the
 * timer bounds it; an AppAttach is asked once more when nobody has come after a third of that time: somebody waits for it). Error_In_Progress means that the other side's own Attach, or a link that stands already, will do: EXPECTING, or
 * done at once. An overlay Attach ends in rf_overlay_attached, an AppAttach in its own `done`.
 *
 * Theirs, as the answerer (3.7): no Attach of ours to them pending: answer and dial. Ours is answered already: Error_In_Progress. Ours is
 * unanswered: the larger Node-ID keeps its own, if it is younger than ATTACH_CROSSING_US. Linked already: Error_In_Progress (D19), but a wanted Update is sent all the same;
 * if that link is suspect, it is replaced. One node has us dial, for one purpose, at most ATTACH_DIALS connections at a time, and has at most
 * ATTACH_APP_CONNS application connections: more are Error_In_Progress. So nobody can fill our links, or have us knock at others' doors.
 */
#include "node/internal.h"
#include "wire/attach.h"

/*
 * An Attach of ours that has no answer after so long does not cross theirs: it is lost, or cannot reach a node that is about to join
 * again. Only a younger one counts when both sides ask at once.
 */
#define ATTACH_CROSSING_US (2 * RF_US_PER_S)
#define ATTACH_MAX         256
#define ATTACH_CANDIDATES  8 /* of theirs that we try */
#define ATTACH_DIALS       3 /* to one node for one purpose at a time */
#define ATTACH_APP_CONNS   4 /* with one node for one application */

static void attach_free(struct attach *a)
{
    struct rf_node *node = a->node;
    rf_timer_stop(&node->timers, &a->timer);
    rf_list_remove(&a->list);
    node->attach_count--;
    rf_free(node->env.mem, (void *)(uintptr_t)a->user.p);
    rf_free(node->env.mem, (void *)(uintptr_t)a->route.p);
    rf_free(node->env.mem, a);
}

/* Ends the call, if one is under way; attach_replied then sees a->call == 0 and leaves `a` alone. */
static void attach_cancel(struct attach *a)
{
    rf_call_id call = a->call;
    a->call = 0;
    if (call != 0)
        rf_overlay_cancel(a->node->overlay, call);
}

/* Ends an attach: takes it out first, because whoever is told may start the next. */
static void attach_end(struct attach *a, int error, const struct rf_id *peer, rf_link_id conn)
{
    struct rf_node *node = a->node;
    struct rf_id target = a->target;
    uint16_t application = a->application;
    void (*done)(void *arg, int error, rf_link_id conn) = a->done;
    void *arg = a->arg;
    attach_cancel(a);
    attach_free(a);
    if (application == 0)
        rf_overlay_attached(node->overlay, &target, error == 0 ? peer : NULL, error);
    else if (done != NULL)
        done(arg, error, conn);
}

static bool user_fits(const struct rf_node *node, const struct attach *a, rf_link_id link)
{
    struct rf_link_info info;
    if (a->user.len == 0)
        return true;
    return rf_links_info(node->links, link, &info) == 0 && info.cert != NULL &&
           rf_view_equal(a->user, info.cert->user);
}

static void attach_app_ready(struct attach *a, rf_link_id link, const struct rf_id *peer)
{
    attach_end(a, user_fits(a->node, a, link) ? 0 : RF_EAUTH, peer, link);
}

static int attach_call(struct attach *a, const struct rf_id *via, struct rf_view route, uint64_t link);

/* They answered, but did not come: their dialling failed, and nobody tells us. */
static bool attach_again(struct attach *a)
{
    if (a->application == 0 || a->peer.len == 0 || a->again)
        return false;
    a->again = true;
    a->promised = false;
    a->state = ATTACH_CALLING;
    return attach_call(a, NULL, a->route, 0) == 0;
}

static void attach_due(struct rf_timer *timer, void *arg)
{
    (void)timer;
    struct attach *a = arg;
    const struct rf_id *peer = a->resource ? &a->peer : &a->target;
    if (attach_again(a))
        return;
    if (a->application == 0 && peer->len != 0 && rf_overlay_link_of(a->node->overlay, peer) != 0) {
        struct rf_id copy = *peer;
        attach_end(a, 0, &copy, 0);
    } else {
        attach_end(a, RF_ETIMEOUT, NULL, 0);
    }
}

static struct attach *attach_new(struct rf_node *node, const struct rf_id *target, bool resource,
                                 uint16_t application)
{
    struct attach *a = node->attach_count < ATTACH_MAX ? rf_zalloc(node->env.mem, sizeof(*a)) : NULL;
    if (a == NULL)
        return NULL;
    a->node = node;
    a->state = ATTACH_CALLING;
    a->target = *target;
    a->resource = resource;
    a->application = application;
    rf_timer_init(&a->timer, attach_due, a);
    rf_list_push_back(&node->attaches, &a->list);
    node->attach_count++;
    return a;
}

static void attach_expect(struct attach *a, uint64_t time_us)
{
    a->state = ATTACH_EXPECTING;
    if (rf_env_timer_in(&a->node->env, &a->timer, time_us) != 0)
        attach_end(a, RF_ENOMEM, NULL, 0);
}

/* another of ours for the same target and purpose */
static struct attach *attach_twin(struct rf_node *node, const struct rf_id *target, bool resource,
                                  uint16_t application)
{
    RF_LIST_EACH(&node->attaches, it)
    {
        struct attach *a = RF_LIST_ENTRY(it, struct attach, list);
        if (a->application == application && a->resource == resource && rf_id_equal(&a->target, target))
            return a;
    }
    return NULL;
}

/* ---- our candidates, their candidates ---- */

static size_t own_candidates(const struct rf_node *node, struct rf_ice_candidate *out)
{
    static const char *const foundations[NODE_MAX_LISTEN] = {"1", "2", "3", "4", "5", "6", "7", "8"};
    for (size_t i = 0; i < node->listen_count; i++)
        out[i] = (struct rf_ice_candidate){
            .addr = node->listen[i],
            .overlay_link = RF_OVERLAY_LINK_TLS_TCP_FH_NO_ICE,
            .foundation = rf_view_str(foundations[i]),
            .priority = (UINT32_C(126) << 24) | ((uint32_t)(65535 - i) << 8) | 255,
            .type = RF_ICE_HOST,
        };
    return node->listen_count;
}

static int body_put(const struct rf_node *node, uint16_t application, const char *role, bool send_update,
                    struct rf_buf *out)
{
    struct rf_ice_candidate candidates[NODE_MAX_LISTEN];
    size_t count = own_candidates(node, candidates);
    if (application == 0) {
        struct rf_attach body = {.role = rf_view_str(role),
                                 .candidates = candidates,
                                 .candidate_count = count,
                                 .send_update = send_update};
        rf_attach_encode(&body, out);
    } else {
        struct rf_app_attach body = {.application = application,
                                     .role = rf_view_str(role),
                                     .candidates = candidates,
                                     .candidate_count = count};
        rf_app_attach_encode(&body, out);
    }
    return rf_buf_error(out);
}

/* their addresses that we can dial, best first */
static size_t usable_addrs(const struct rf_ice_candidate *candidates, size_t count,
                           struct rf_addr out[ATTACH_CANDIDATES])
{
    uint32_t priorities[ATTACH_CANDIDATES];
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        const struct rf_ice_candidate *c = &candidates[i];
        if (c->overlay_link != RF_OVERLAY_LINK_TLS_TCP_FH_NO_ICE || c->addr.family == 0 ||
            c->addr.port == 0 || rf_addr_is_any(&c->addr))
            continue;
        size_t at = n;
        while (at > 0 && priorities[at - 1] < c->priority)
            at--;
        if (at == ATTACH_CANDIDATES)
            continue;
        n += n < ATTACH_CANDIDATES;
        memmove(&priorities[at + 1], &priorities[at], (n - at - 1) * sizeof(priorities[0]));
        memmove(&out[at + 1], &out[at], (n - at - 1) * sizeof(out[0]));
        priorities[at] = c->priority;
        out[at] = c->addr;
    }
    return n;
}

/* ---- ours ---- */

/* Is the connection with a->peer there? Then the attach ends well. */
static bool attach_ready(struct attach *a)
{
    struct rf_node *node = a->node;
    struct rf_id peer = a->peer;
    if (a->application == 0) {
        if (rf_overlay_link_of(node->overlay, &peer) == 0)
            return false;
        attach_end(a, 0, &peer, 0);
        return true;
    }
    struct app_conn *conn = node_app_conn_of(node, &peer, a->application);
    if (conn == NULL)
        return false;
    attach_app_ready(a, conn->link, &peer);
    return true;
}

/* Who answers our Attach is in the ring, and listens there; it may name others. */
static void remember_answerer(struct rf_node *node, const struct rf_attach *answer,
                              const struct rf_message *message)
{
    struct rf_addr addrs[ATTACH_CANDIDATES], others[RF_ADMIT_SUPERNODES];
    size_t count = rf_admit_supernodes_of(message->extensions, others);
    for (size_t i = 0; i < count; i++)
        node_remember(node, &others[i], true);
    if (usable_addrs(answer->candidates, answer->candidate_count, addrs) > 0)
        node_remember(node, &addrs[0], false);
}

/* The request was refused at a budget, in words that we understand: the topology knows what to do. */
static bool attach_refused(struct attach *a, const struct rf_reply *reply)
{
    struct rf_node *node = a->node;
    struct rf_admit_busy busy;
    struct rf_redirect redirect = {0};
    struct rf_id target = a->target;
    if (reply->error != RF_EREMOTE || reply->error_code != RF_ERROR_EXP_A || a->wish == RF_ADMIT_NONE ||
        reply->signer == NULL)
        return false;
    int error = rf_admit_busy_decode(reply->error_info, node->conf->id_len, &busy);
    if (error != 0) {
        node->counters.redirects_malformed++;
        return false;
    }
    node->counters.redirects++;
    for (size_t i = 0; i < busy.supernode_count; i++)
        node_remember(node, &busy.supernodes[i], true);
    redirect.from = reply->signer->node_id;
    redirect.retry_after_us = busy.retry_after_ms * RF_US_PER_MS;
    for (size_t i = 0; i < busy.alternative_count && i < RF_REDIRECT_MAX; i++)
        redirect.alternatives[redirect.alternative_count++] = busy.alternatives[i];
    attach_free(a);
    rf_overlay_refused(node->overlay, &target, &redirect);
    return true;
}

/* Is it a well-formed answer, of one who is going to dial? Where its candidates are does not matter to us. */
static int check_answer(const struct attach *a, const struct rf_reply *reply)
{
    struct rf_attach overlay = {0};
    struct rf_app_attach app = {0};
    int error = a->application == 0 ? rf_attach_decode(reply->body, reply->region, &overlay)
                                    : rf_app_attach_decode(reply->body, reply->region, &app);
    struct rf_view role = a->application == 0 ? overlay.role : app.role;
    if (error == 0 && a->application == 0)
        remember_answerer(a->node, &overlay, reply->message);
    return error == 0 && !rf_view_equal(role, rf_view_str(RF_ATTACH_ACTIVE)) ? RF_EFORMAT : error;
}

static void attach_replied(void *arg, const struct rf_reply *reply)
{
    struct attach *a = arg;
    struct rf_node *node = a->node;
    if (a->call == 0)
        return; /* cancelled: see attach_cancel */
    a->call = 0;
    bool in_progress =
        reply->error == RF_EREMOTE && reply->error_code == RF_ERROR_IN_PROGRESS && reply->signer != NULL;
    if (attach_refused(a, reply))
        return;
    if (reply->error != 0 && !in_progress) {
        attach_end(a, reply->error, NULL, 0);
        return;
    }
    int error = in_progress ? 0 : check_answer(a, reply);
    if (error != 0) {
        node->counters.attaches_bad_answer += error != RF_ENOMEM;
        attach_end(a, error, NULL, 0);
        return;
    }
    a->peer = reply->signer->node_id;
    if (attach_ready(a))
        return; /* the connection was faster than the answer, or stands from before */
    a->promised = !in_progress;
    error = 0;
    if (!in_progress)
        error = rf_links_expect(node->links, &a->peer, a->application != 0 ? RF_LINK_APP : RF_LINK_OVERLAY,
                                a->application);
    if (error != 0)
        attach_end(a, error, NULL, 0);
    else
        attach_expect(a, a->application != 0 && !a->again ? NODE_APP_AGAIN_US : NODE_APP_TIMEOUT_US);
}

/* The way to a->target. route: an encoded list, or empty. Errors: RF_EINVAL it does not lead there, RF_ELIMIT. */
static int address(const struct attach *a, struct rf_view route, struct rf_call *call)
{
    if (a->resource)
        rf_call_to_resource(call, &a->target);
    else if (route.len == 0)
        rf_call_to_node(call, &a->target);
    while (route.len > 0) {
        if (call->dest_count == RF_CALL_MAX_DESTS)
            return RF_ELIMIT;
        if (rf_dest_next(&route, a->node->conf->id_len, &call->dests[call->dest_count++]) != 0)
            return RF_EINVAL;
    }
    const struct rf_dest *last = &call->dests[call->dest_count - 1];
    return a->resource || (last->type == RF_DEST_NODE && rf_id_equal(&last->id, &a->target)) ? 0 : RF_EINVAL;
}

static int attach_call(struct attach *a, const struct rf_id *via, struct rf_view route, uint64_t link)
{
    struct rf_node *node = a->node;
    struct rf_buf body, wish;
    uint8_t wish_bytes[32];
    a->called_us = node->now.mono_us;
    rf_buf_init(&body, node->env.mem, 4096);
    rf_buf_fixed(&wish, wish_bytes, sizeof(wish_bytes));
    if (a->wish != RF_ADMIT_NONE)
        rf_admit_wish_put(a->wish, &wish);
    int error = body_put(node, a->application, RF_ATTACH_PASSIVE, a->send_update, &body);
    struct rf_call call = {
        .code = a->application != 0 ? RF_CODE_APP_ATTACH_REQ : RF_CODE_ATTACH_REQ,
        .body = rf_buf_view(&body),
        .extensions = rf_buf_view(&wish),
        .link = link,
        .done = attach_replied,
        .arg = a,
    };
    if (error == 0)
        error = address(a, route, &call);
    if (error == 0 && via != NULL)
        rf_call_via(&call, via);
    if (error == 0 && !a->resource) /* their connection may be here before their answer */
        error = rf_links_expect(node->links, &a->target, a->application != 0 ? RF_LINK_APP : RF_LINK_OVERLAY,
                                a->application);
    if (error == 0)
        error = rf_overlay_call(node->overlay, &call, &a->call);
    rf_buf_deinit(&body);
    return error;
}

static void attach_begin(struct rf_node *node, const struct rf_id *target, bool resource,
                         const struct rf_id *via, uint64_t link, bool send_update, enum rf_admit_wish wish)
{
    if (node->leaving || attach_twin(node, target, resource, 0) != NULL)
        return; /* under way: told when that one ends */
    struct attach *a = attach_new(node, target, resource, 0);
    if (a == NULL) {
        rf_log_write(node->env.log, RF_LOG_WARN, "node", "too many Attaches under way");
        return; /* the topology asks again at its next round */
    }
    a->send_update = send_update;
    a->wish = wish;
    if (wish == RF_ADMIT_NONE && !resource && rf_overlay_link_of(node->overlay, target) != 0) {
        attach_expect(a, 0); /* linked: told at the next tick, never from inside this call */
        return;
    }
    if (attach_call(a, via, rf_view_of(NULL, 0), link) != 0)
        attach_expect(a, 0); /* likewise: fails at the next tick */
}

void node_attach_wish(void *ctx, const struct rf_id *target, bool resource, const struct rf_id *via,
                      uint64_t link, bool send_update)
{
    attach_begin(ctx, target, resource, via, link, send_update, RF_ADMIT_NONE);
}

void node_attach_admit(void *ctx, const struct rf_id *target, bool resource, const struct rf_id *via,
                       uint64_t link, bool reserve)
{
    attach_begin(ctx, target, resource, via, link, true, reserve ? RF_ADMIT_RESERVE : RF_ADMIT_HOME);
}

int node_attach_app(struct rf_node *node, const struct rf_app_target *target,
                    void (*done)(void *arg, int error, rf_link_id conn), void *arg)
{
    struct rf_view user = target->user;
    bool twin = attach_twin(node, &target->node_id, false, target->application) != NULL;
    struct attach *a = attach_new(node, &target->node_id, false, target->application);
    if (a == NULL)
        return RF_ELIMIT;
    a->user = rf_view_of(user.len > 0 ? rf_memdup(node->env.mem, user.p, user.len) : NULL, user.len);
    a->route = rf_view_of(target->route.len > 0 ? rf_memdup(node->env.mem, target->route.p, target->route.len)
                                                : NULL,
                          target->route.len);
    int error =
        (user.len > 0 && a->user.p == NULL) || (a->route.len > 0 && a->route.p == NULL) ? RF_ENOMEM : 0;
    if (error == 0 && twin) {
        a->state = ATTACH_EXPECTING; /* the connection that the other one makes is good for both */
        error = rf_env_timer_in(&node->env, &a->timer, NODE_APP_TIMEOUT_US + 5 * RF_US_PER_S);
    } else if (error == 0) {
        error = attach_call(a, NULL, target->route, 0);
    }
    if (error != 0) {
        attach_free(a);
        return error;
    }
    a->done = done;
    a->arg = arg;
    return 0;
}

/* ---- theirs ---- */

/* One of ours that is to lead to this node: it is addressed to it, or to a Resource-ID for which it answered. */
static struct attach *attach_with(struct rf_node *node, const struct rf_id *them, uint16_t application)
{
    RF_LIST_EACH(&node->attaches, it)
    {
        struct attach *a = RF_LIST_ENTRY(it, struct attach, list);
        if (a->application == application && rf_id_equal(a->resource ? &a->peer : &a->target, them))
            return a;
    }
    return NULL;
}

/* Ours against theirs (3.7 handling rules 2 and 3). true: theirs goes on. */
static bool theirs_wins(struct rf_node *node, const struct rf_id *them, uint16_t application)
{
    struct attach *ours = attach_with(node, them, application);
    if (ours == NULL)
        return true;
    if (ours->state == ATTACH_EXPECTING)
        return !ours->promised; /* else it is a twin, or waits for their Attach anyway */
    bool crossing = node->now.mono_us - ours->called_us < ATTACH_CROSSING_US;
    if (crossing && rf_id_compare(&node->identity.node_id, them) > 0)
        return false;
    attach_cancel(ours);
    ours->state = ATTACH_EXPECTING; /* their connection is ours, too */
    (void)rf_env_timer_in(&node->env, &ours->timer, NODE_APP_TIMEOUT_US);
    return true;
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
    if (node->dial_count >= NODE_MAX_DIALS)
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

/* Has this node had us dial, or connected with us, as often as it may? */
static bool dialled_enough(struct rf_node *node, const struct rf_id *them, uint16_t application)
{
    size_t dials = 0, conns = 0;
    (void)dial_to(node, them, application, &dials);
    RF_LIST_EACH(&node->app_conns, it)
    {
        const struct app_conn *conn = RF_LIST_ENTRY(it, struct app_conn, list);
        conns += application != 0 && conn->application == application && rf_id_equal(&conn->node_id, them);
    }
    return dials >= ATTACH_DIALS || conns >= ATTACH_APP_CONNS;
}

static int answer_active(struct rf_node *node, struct rf_request *request, uint16_t application)
{
    struct rf_buf body, extension;
    rf_buf_init(&body, node->env.mem, 4096);
    rf_buf_init(&extension, node->env.mem, 1024);
    int error = body_put(node, application, RF_ATTACH_ACTIVE, false, &body);
    if (error == 0 && application == 0 && node_admit_extension(node, request, &extension))
        error = rf_buf_error(&extension);
    if (error == 0)
        error = rf_overlay_answer_ext(node->overlay, request, rf_buf_view(&body), rf_buf_view(&extension),
                                      NULL, 0);
    rf_buf_deinit(&body);
    rf_buf_deinit(&extension);
    return error;
}

/* Begins to dial, then answers: who could not be dialled is not told that he will be. */
static void answer_and_dial(struct rf_node *node, struct rf_request *request,
                            const struct rf_ice_candidate *candidates, size_t candidate_count,
                            uint16_t application)
{
    struct rf_addr addrs[ATTACH_CANDIDATES];
    size_t count = usable_addrs(candidates, candidate_count, addrs);
    struct rf_id them = request->signer.node_id;
    struct dial *dial = NULL;
    if (dialled_enough(node, &them, application)) {
        rf_overlay_refuse_text(node->overlay, request, RF_ERROR_IN_PROGRESS, "enough are under way");
        return;
    }
    if (count == 0) {
        rf_overlay_refuse_text(node->overlay, request, RF_ERROR_INVALID_MESSAGE,
                               "no TLS-TCP-FH-NO-ICE candidate that could be dialled");
        return;
    }
    int error = dial_new(node, addrs, count, &them, application, &dial);
    if (error == 0)
        dial->client = application == 0 && rf_admit_wish_of(request->message->extensions) != RF_ADMIT_NONE;
    if (error != 0) {
        node->counters.attaches_refused_full++;
        rf_overlay_refuse_text(node->overlay, request, RF_ERROR_FORBIDDEN, "no room for another link");
        return;
    }
    error = answer_active(node, request, application);
    if (error == 0)
        return;
    rf_log_write(node->env.log, RF_LOG_WARN, "node", "an Attach could not be answered: %s",
                 rf_error_text(error));
    rf_links_close(node->links, dial->link, error);
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

static void on_attach(void *arg, struct rf_request *request)
{
    struct rf_node *node = arg;
    struct rf_id them = request->signer.node_id;
    struct rf_attach body;
    int error = rf_attach_decode(request->message->body, request->region, &body);
    if (error != 0) {
        rf_overlay_refuse_malformed(node->overlay, request, error, "malformed Attach");
        return;
    }
    bool linked = linked_soundly(node, &them);
    if (rf_id_equal(&them, &node->identity.node_id))
        rf_overlay_refuse_text(node->overlay, request, RF_ERROR_INVALID_MESSAGE, "an Attach to oneself");
    else if (!role_is(node, request, body.role))
        return;
    else if (!node_admit(node, request, !linked))
        return;
    else if (linked || !theirs_wins(node, &them, 0))
        rf_overlay_refuse_text(node->overlay, request, RF_ERROR_IN_PROGRESS,
                               linked ? "linked already" : "under way");
    else
        answer_and_dial(node, request, body.candidates, body.candidate_count, 0);
    if (body.send_update && linked)
        rf_overlay_update_wanted(node->overlay, &them);
    else if (body.send_update)
        owe_update(node, &them);
}

static void on_app_attach(void *arg, struct rf_request *request)
{
    struct rf_node *node = arg;
    struct rf_app_attach body;
    int error = rf_app_attach_decode(request->message->body, request->region, &body);
    if (error != 0)
        rf_overlay_refuse_malformed(node->overlay, request, error, "malformed AppAttach");
    else if (node_app_find(node, body.application) == NULL)
        rf_overlay_refuse_text(node->overlay, request, RF_ERROR_NOT_FOUND, "no such application here");
    else if (rf_id_equal(&request->signer.node_id, &node->identity.node_id))
        rf_overlay_refuse_text(node->overlay, request, RF_ERROR_INVALID_MESSAGE, "an AppAttach to oneself");
    else if (!role_is(node, request, body.role))
        return;
    else if (!theirs_wins(node, &request->signer.node_id, body.application))
        rf_overlay_refuse_text(node->overlay, request, RF_ERROR_IN_PROGRESS, "under way");
    else
        answer_and_dial(node, request, body.candidates, body.candidate_count, body.application);
}

/* ---- links coming and going ---- */

static bool update_owed(struct rf_node *node, const struct rf_id *peer)
{
    bool owed = false;
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

void node_attach_link_down(struct rf_node *node, rf_link_id link)
{
    RF_LIST_EACH_SAFE(&node->dials, it)
    {
        struct dial *d = RF_LIST_ENTRY(it, struct dial, list);
        if (d->link == link)
            dial_free(node, d);
    }
}

/* An overlay link with this node is up: other connections that we are still making to it would be twins. */
static void drop_other_dials(struct rf_node *node, const struct rf_id *peer, rf_link_id link)
{
    RF_LIST_EACH(&node->dials, it)
    {
        const struct dial *d = RF_LIST_ENTRY(it, struct dial, list);
        if (d->application == 0 && d->link != link && rf_id_equal(&d->peer, peer))
            rf_links_close(node->links, d->link, RF_EDUPLICATE); /* told later: see node_attach_link_down */
    }
}

void node_attach_link_up(struct rf_node *node, const struct rf_link_info *link)
{
    bool app = link->purpose == RF_LINK_APP;
    bool asked = app && attach_twin(node, &link->node_id, false, link->application) != NULL;
    rf_link_id id = link->id;
    struct rf_id peer = link->node_id;
    uint16_t application = app ? link->application : 0;
    bool owed = !app && update_owed(node, &peer);
    node_attach_link_down(node, id); /* if we dialled it: it is not under way any more */
    if (app)
        node_app_up(node, link, asked);
    else
        drop_other_dials(node, &peer, id);
    if (owed)
        rf_overlay_update_wanted(node->overlay, &peer);
    /* whoever is told may start or end others: begin again after each */
    for (bool again = true; again;) {
        again = false;
        RF_LIST_EACH(&node->attaches, it)
        {
            struct attach *a = RF_LIST_ENTRY(it, struct attach, list);
            const struct rf_id *wanted = a->resource ? &a->peer : &a->target;
            if (a->application != application || !rf_id_equal(wanted, &peer))
                continue;
            if (app)
                attach_app_ready(a, id, &peer);
            else
                attach_end(a, 0, &peer, 0);
            again = true;
            break;
        }
    }
}

int node_attach_init(struct rf_node *node)
{
    int error = rf_overlay_handle(node->overlay, RF_CODE_ATTACH_REQ, on_attach, node);
    if (error == 0)
        error = rf_overlay_handle(node->overlay, RF_CODE_APP_ATTACH_REQ, on_app_attach, node);
    return error;
}

void node_attach_deinit(struct rf_node *node)
{
    RF_LIST_EACH_SAFE(&node->attaches, it)
    {
        struct attach *a = RF_LIST_ENTRY(it, struct attach, list);
        attach_cancel(a);
        if (a->done != NULL)
            a->done(a->arg, RF_ECANCELLED, 0);
        attach_free(a);
    }
    RF_LIST_EACH_SAFE(&node->dials, it)
    {
        dial_free(node, RF_LIST_ENTRY(it, struct dial, list));
    }
}
