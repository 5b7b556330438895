/*
 * attach.c - Attach and AppAttach (reload.md 3.6-3.8). Without ICE the requester listens and is the TLS server, and the answerer dials.
 * With ICE, in overlays that have it, both ends look for a path: path.c. An AppAttach is asked with ICE first, and again without if that comes to nothing; an Attach without first, since
 * supernodes can be dialled, and again with ICE when it is refused, when nobody comes and nobody can be dialled, or at once if nobody could dial us.
 *
 * Ours, as the requester: with ICE GATHERING first; CALLING, from the request to its answer; EXPECTING, from the answer until the answerer's connection is up (the
 * timer bounds it; an AppAttach is asked once more when nobody has come after a third of that time: somebody waits for it). Error_In_Progress means that the other side's own Attach, or a link that stands already, will do: EXPECTING, or
 * done at once. An overlay Attach ends in rf_overlay_attached, an AppAttach in its own `done`.
 *
 * Those of others: attach_theirs.c.
 */
#include "node/internal.h"

#define ATTACH_MAX 256
#define ATTACH_PEER_TRIES                                                                                    \
    2 /* transmissions to a peer of the ring: who does not answer is probably gone, and was named by somebody who did not know yet */

void attach_free(struct attach *a)
{
    struct rf_node *node = a->node;
    rf_timer_stop(&node->timers, &a->timer);
    rf_list_remove(&a->list);
    node->attach_count--;
    node_path_drop(a);
    node_outward_drop(a);
    rf_free(node->env.mem, (void *)(uintptr_t)a->user.p);
    rf_free(node->env.mem, (void *)(uintptr_t)a->route.p);
    rf_free(node->env.mem, a);
}

/* Ends the call, if one is under way; attach_replied then sees a->call == 0 and leaves `a` alone. */
void attach_cancel(struct attach *a)
{
    rf_call_id call = a->call;
    a->call = 0;
    if (call != 0)
        rf_overlay_cancel(a->node->overlay, call);
}

/* Ends an attach: takes it out first, because whoever is told may start the next. */
void attach_end(struct attach *a, int error, const struct rf_id *peer, rf_link_id conn)
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

void attach_app_ready(struct attach *a, rf_link_id link, const struct rf_id *peer)
{
    attach_end(a, user_fits(a->node, a, link) ? 0 : RF_EAUTH, peer, link);
}

bool attach_ice(struct attach *a)
{
    struct rf_node *node = a->node;
    if (a->application != 0 || a->iced || node->leaving || !node_path_usable(node) ||
        node_cap_take(node, a->wish == RF_ADMIT_HOME ? FLOW_WAY : FLOW_OTHER) != 0 || node_path_ask(a) != 0)
        return false;
    attach_cancel(a);
    rf_timer_stop(&node->timers, &a->timer);
    node->counters.attaches_ice++;
    a->iced = true;
    a->promised = a->passive = false;
    a->state = ATTACH_GATHERING;
    return true;
}

/* Nobody has come. Without ICE: they answered, so with it they may. With ICE: they have time until the last try would be over. */
static bool ice_due(struct attach *a)
{
    uint64_t since_us = a->node->now.mono_us - a->called_us;
    if (a->application != 0 || a->state != ATTACH_EXPECTING || a->peer.len == 0)
        return false;
    if (attach_ice(a)) {
        a->uncome = true;
        return true;
    }
    if (a->path == NULL || since_us >= NODE_APP_TIMEOUT_US)
        return false;
    attach_expect(a, NODE_APP_TIMEOUT_US - since_us);
    return true;
}

static void attach_due(struct rf_timer *timer, void *arg)
{
    (void)timer;
    struct attach *a = arg;
    const struct rf_id *peer = a->resource ? &a->peer : &a->target;
    if (a->state == ATTACH_WAITING) {
        node_cap_due(a);
        return;
    }
    if (a->application == 0 && peer->len != 0 && rf_overlay_link_of(a->node->overlay, peer) != 0) {
        struct rf_id copy = *peer;
        attach_end(a, 0, &copy, 0);
    } else if (!attach_app_due(a) && !node_outward_due(a) && !ice_due(a)) {
        attach_end(a, RF_ETIMEOUT, NULL, 0);
    }
}

struct attach *attach_new(struct rf_node *node, const struct rf_id *target, bool resource,
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

void attach_expect(struct attach *a, uint64_t time_us)
{
    a->state = ATTACH_EXPECTING;
    if (rf_env_timer_in(&a->node->env, &a->timer, time_us) != 0)
        attach_end(a, RF_ENOMEM, NULL, 0);
}

/* another of ours for the same target and purpose */
struct attach *attach_twin(struct rf_node *node, const struct rf_id *target, bool resource,
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
static void remember_answerer(struct attach *a, const struct rf_id *them, const struct offer *answer,
                              const struct rf_message *message)
{
    struct rf_node *node = a->node;
    struct rf_addr addrs[NODE_OFFER_ADDRS], others[RF_ADMIT_SUPERNODES];
    size_t count = rf_admit_supernodes_of(message->extensions, others);
    for (size_t i = 0; i < count; i++)
        node_remember(node, &others[i], true);
    count = node_offer_addrs(answer->candidates, answer->candidate_count, addrs);
    if (count == 0)
        return;
    node_outward_note(a, addrs, count);
    node_remember(node, &addrs[0], false);
    node_redial_note(node, them, &addrs[0]);
}

/* Where the other device listens: of use if nobody can dial us. */
static void note_addresses(struct attach *a, const struct offer *answer)
{
    struct rf_addr addrs[NODE_OFFER_ADDRS];
    size_t count = node_offer_addrs(answer->candidates, answer->candidate_count, addrs);
    if (count > 0)
        node_outward_note(a, addrs, count);
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

/* Is it a well-formed answer, of one who is going to dial, or whom we said we would? */
static int check_answer(struct attach *a, const struct rf_reply *reply)
{
    struct offer offer;
    int error = node_offer_get(a->application != 0, reply->body, reply->region, &offer);
    bool active = error == 0 && rf_view_equal(offer.role, rf_view_str(RF_ATTACH_ACTIVE));
    if (error == 0 && a->application != 0)
        note_addresses(a, &offer);
    if (error == 0 && a->application == 0)
        remember_answerer(a, &reply->signer->node_id, &offer, reply->message);
    if (active && a->path != NULL && !a->again)
        return node_path_answered(a, &offer, reply->message->extensions);
    a->passive = error == 0 && a->outward && rf_view_equal(offer.role, rf_view_str(RF_ATTACH_PASSIVE));
    return error == 0 && !a->passive && !active ? RF_EFORMAT : error;
}

/* With them there is no ICE, whatever way there may be: a relay would not help. */
static void attach_no_ice(struct attach *a, int error)
{
    a->relayed = true;
    node_path_drop(a);
    node_attach_pathless(a, error);
}

/* A node without ICE refuses what has no candidates for it. */
static bool attach_without_ice(struct attach *a, const struct rf_reply *reply)
{
    if (a->path == NULL || a->again || reply->error != RF_EREMOTE ||
        (reply->error_code != RF_ERROR_INVALID_MESSAGE && reply->error_code != RF_ERROR_FORBIDDEN))
        return false;
    attach_no_ice(a, reply->error);
    return true;
}

/* A node with ICE only refuses what has no candidates for it. */
static bool attach_with_ice(struct attach *a, const struct rf_reply *reply)
{
    return a->path == NULL && reply->error == RF_EREMOTE &&
           (reply->error_code == RF_ERROR_INVALID_MESSAGE || reply->error_code == RF_ERROR_FORBIDDEN) &&
           attach_ice(a);
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
    if (attach_refused(a, reply) || attach_without_ice(a, reply) || attach_with_ice(a, reply))
        return;
    if (in_progress)
        node_path_drop(a); /* theirs makes it */
    if (reply->error != 0 && !in_progress) {
        attach_end(a, reply->error, NULL, 0);
        return;
    }
    a->peer = reply->signer->node_id;
    int error = in_progress ? 0 : check_answer(a, reply);
    if (error != 0) {
        node->counters.attaches_bad_answer += error != RF_ENOMEM;
        if (a->path != NULL && !a->again)
            attach_no_ice(a, error);
        else
            attach_end(a, error, NULL, 0);
        return;
    }
    if (attach_ready(a))
        return; /* the connection was faster than the answer, or stands from before */
    a->promised = !in_progress && !a->passive;
    error = 0;
    if (!in_progress)
        error = rf_links_expect(node->links, &a->peer, a->application != 0 ? RF_LINK_APP : RF_LINK_OVERLAY,
                                a->application);
    if (error != 0)
        attach_end(a, error, NULL, 0);
    else if (in_progress || (a->path != NULL && !a->again) || !node_outward_expect(a))
        attach_expect(a, attach_patience_us(a));
}

/* The way to a->target. Errors: RF_EINVAL its route does not lead there, RF_ELIMIT. */
static int address(const struct attach *a, struct rf_call *call)
{
    struct rf_view route = a->route;
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

int attach_call(struct attach *a)
{
    struct rf_node *node = a->node;
    struct rf_buf body, extensions;
    uint8_t extension_bytes[256];
    const struct path *path = a->again ? NULL : a->path;
    a->called_us = node->now.mono_us;
    rf_buf_init(&body, node->env.mem, 4096);
    rf_buf_fixed(&extensions, extension_bytes, sizeof(extension_bytes));
    bool dials = a->outward && path == NULL; /* with ICE nobody has to */
    if (a->wish != RF_ADMIT_NONE || dials)
        rf_admit_wish_put(a->wish, dials, &extensions);
    if (path != NULL)
        path_route_put(node, &extensions);
    if (path != NULL)
        path_idle_put(node, &extensions);
    int error = node_offer_put(node, a->application, RF_ATTACH_PASSIVE, a->send_update, path, &body);
    struct rf_call call = {
        .code = a->application != 0 ? RF_CODE_APP_ATTACH_REQ : RF_CODE_ATTACH_REQ,
        .body = rf_buf_view(&body),
        .extensions = rf_buf_view(&extensions),
        .link = a->over,
        .done = attach_replied,
        .arg = a,
    };
    if (a->application == 0 && a->wish == RF_ADMIT_NONE && !a->resource)
        call.max_transmissions = ATTACH_PEER_TRIES;
    if (error == 0)
        error = address(a, &call);
    if (error == 0 && a->via.len != 0)
        rf_call_via(&call, &a->via);
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
    a->outward = wish != RF_ADMIT_NONE && node_outward(node);
    if (via != NULL)
        a->via = *via;
    a->over = link;
    if (wish == RF_ADMIT_NONE && !resource && rf_overlay_link_of(node->overlay, target) != 0) {
        attach_expect(a, 0); /* linked: told at the next tick, never from inside this call */
        return;
    }
    if (wish == RF_ADMIT_NONE && (node->listen_count == 0 || node_outward(node)) && attach_ice(a))
        return; /* nobody could dial us */
    if (attach_call(a) != 0)
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

/* ---- links coming and going ---- */

void node_attach_link_up(struct rf_node *node, const struct rf_link_info *link)
{
    bool app = link->purpose == RF_LINK_APP;
    bool asked = app && attach_twin(node, &link->node_id, false, link->application) != NULL;
    rf_link_id id = link->id;
    struct rf_id peer = link->node_id;
    uint16_t application = app ? link->application : 0;
    bool owed = !app && attach_update_owed(node, &peer);
    if (link->path)
        node_path_link_up(node, id);
    node_attach_link_down(node, id, true); /* if we dialled it: it is not under way any more */
    node_outward_link_up(node, link);
    if (app)
        node_app_up(node, link, asked);
    else
        attach_drop_other_dials(node, &peer, id);
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
            if (a->uncome && link->path)
                node->undialled_us = node->now.mono_us; /* until somebody dials us: outward.c */
            if (app)
                attach_app_ready(a, id, &peer);
            else
                attach_end(a, 0, &peer, 0);
            again = true;
            break;
        }
    }
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
    attach_theirs_deinit(node);
}
