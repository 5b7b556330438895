/*
 * join.c - a peer looks for its place in the ring (reload.md 5.5).
 *
 * Steps. WAIT (back-off) -> BOOTSTRAP: a link to some bootstrap node -> LOCATE: a RouteQuery tells whether it is in the ring and the admitting
 * peer (AP) itself; if not, Attach to the Resource-ID after ours, which reaches AP -> INFORM: its Update -> NEIGHBORS: Attaches to everybody who belongs into our neighbor table, which send their Updates -> REQUEST:
 * JoinReq to our nearest successor, which is AP -> PLACE: AP's Update that names us as its predecessor -> SETTLE: predecessors nearer than
 * those we know, which this Update names, are attached to -> JOINED (chord_joined).
 * Events. A bootstrap link up or failed; an Attach ended; an Update; the JoinAns; a link lost; the alarm when a step takes too long.
 * What goes wrong. AP refuses since somebody else came between: LOCATE again. AP lost: its successor among those we know, or again from the
 * start. No Update of AP: it is asked for one, then the successors are found one by one with Pings. Anything else: WAIT, full jitter.
 * A node that was in the ring before and finds no bootstrap node any more goes on alone and merges later (partition check).
 */
#include "overlay/chord/chord.h"

#define BOOTSTRAP_US (30 * CHORD_S)
#define LOCATE_US    (20 * CHORD_S)
#define INFORM_US    (2 * CHORD_S)
#define NEIGHBORS_US (8 * CHORD_S)
#define REQUEST_US   (2 * CHORD_S) /* a JoinReq's transmissions */
#define PLACE_US     (6 * CHORD_S)
#define SETTLE_US    (4 * CHORD_S)
#define CHAIN_COUNT  3

/* A bootstrap node that is not in the ring: the next one is asked at a random moment until then; when there is none, after a back-off that doubles so often. */
#define OUTSIDE_NEXT_US   (100 * CHORD_MS)
#define OUTSIDE_DOUBLINGS 3

static void go(struct rf_topology *t, enum chord_step step, uint64_t timeout_us)
{
    t->join.step = step;
    t->join.asked = 0;
    chord_alarm_in(t, ALARM_JOIN, timeout_us);
}

static void drop_call(struct rf_topology *t)
{
    struct chord_call *call = t->join.call;
    t->join.call = NULL;
    if (call)
        chord_call_cancel(call);
}

static void retry_after(struct rf_topology *t, uint64_t wait_us)
{
    struct rf_id after = rf_id_add_small(&t->params.self, 1);
    drop_call(t);
    chord_attach_forget(t, &after);
    t->counters->join_retries++;
    go(t, STEP_WAIT, wait_us);
}

static void retry(struct rf_topology *t)
{
    retry_after(t, chord_backoff(t, t->join.attempts++));
}

/* The bootstrap node is not in the ring either. Somebody is about to begin it, so that it is looked for more often than one that cannot be reached. */
static void retry_outside(struct rf_topology *t)
{
    if (t->host.outside && t->host.outside(t->host.ctx))
        retry_after(t, rf_rng_below(t->env->jitter, OUTSIDE_NEXT_US));
    else
        retry_after(
            t, chord_backoff(t, t->join.outside < OUTSIDE_DOUBLINGS ? t->join.outside++ : OUTSIDE_DOUBLINGS));
}

static void begin(struct rf_topology *t)
{
    t->join.refused = 0;
    if (t->ring.count > 0) { /* peers came back to us meanwhile, or a retry: no bootstrap is needed */
        struct chord_conn *next = chord_conn_find(t, &t->ring.peers[0].node);
        if (next && t->join.attempts % 2 == 0) {
            chord_pull(t, next);
            go(t, STEP_NEIGHBORS, NEIGHBORS_US);
            chord_join_step(t);
            return;
        }
    }
    go(t, STEP_BOOTSTRAP, BOOTSTRAP_US);
    t->host.bootstrap(t->host.ctx);
}

void chord_join_start(struct rf_topology *t, uint64_t delay_us)
{
    drop_call(t);
    t->join = (struct chord_join){0};
    go(t, STEP_WAIT, delay_us);
}

void chord_join_stop(struct rf_topology *t)
{
    drop_call(t);
    t->join = (struct chord_join){0};
    chord_alarm_stop(t, ALARM_JOIN);
}

static void attach_to_place(struct rf_topology *t)
{
    struct rf_id after = rf_id_add_small(&t->params.self, 1);
    if (!chord_attach(t, &after, true, NULL, t->join.boot_link, FOR_PLACE, false))
        retry(t);
}

/* The bootstrap node says where the way to our place begins, or that it is not in the ring itself. */
static void boot_answered(struct chord_call *call, const struct rf_reply *reply)
{
    struct rf_topology *t = call->t;
    struct rf_id next;
    if (t->join.call != call)
        return;
    t->join.call = NULL;
    if (t->join.step != STEP_LOCATE)
        return;
    struct chord_conn *mute = reply->error == RF_ETIMEOUT ? chord_conn_find(t, &call->node) : NULL;
    if (mute &&
        !mute->peer) { /* it took our link and says nothing: the next round makes a new one, here or elsewhere */
        t->join.boot = (struct rf_id){0};
        t->join.boot_link = 0;
        chord_conn_release(t, mute);
    }
    bool outside = reply->error == RF_EREMOTE && reply->error_code == RF_ERROR_NOT_FOUND;
    if (outside)
        retry_outside(t);
    else if (reply->error && reply->error != RF_EREMOTE)
        retry(t);
    else if (reply->error == 0 && rf_route_query_ans_decode(reply->body, t->params.self.len, &next) == 0 &&
             rf_id_equal(&next, &t->join.boot))
        chord_join_attached(t, &next, 0);
    else
        attach_to_place(t);
}

static void locate(struct rf_topology *t)
{
    struct rf_id after = rf_id_add_small(&t->params.self, 1);
    struct rf_dest place = rf_dest_resource(&after);
    struct chord_conn *boot = chord_conn_find(t, &t->join.boot);
    drop_call(t);
    go(t, STEP_LOCATE, LOCATE_US);
    t->join.call = boot ? chord_call_route_query(t, boot, &place, false, 3, boot_answered) : NULL;
    if (!t->join.call)
        retry(t);
}

void chord_join_through(struct rf_topology *t, const struct chord_conn *through)
{
    drop_call(t);
    t->join = (struct chord_join){.boot = through->node, .boot_link = through->link};
    locate(t);
}

void chord_join_bootstrap(struct rf_topology *t, struct chord_conn *boot)
{
    if (t->join.step != STEP_BOOTSTRAP)
        return;
    if (boot) {
        t->join.boot_failures = 0;
        t->join.boot = boot->node;
        t->join.boot_link = boot->link;
        locate(t);
        return;
    }
    t->join.boot_failures++;
    if (t->was_joined && t->ring.count == 0 && t->join.boot_failures >= CHORD_RESUME_TRIES) {
        chord_log(t, WARN, "nobody can be reached: going on alone");
        chord_alone(t);
    } else
        retry(t);
}

/* ---- without an Update of AP: Ping the Resource-ID after ours, then the one after who answers, ... ---- */

static void chain_answered(struct chord_call *call, const struct rf_reply *reply);

static void chain_next(struct rf_topology *t, const struct rf_id *from)
{
    struct rf_id after = rf_id_add_small(from, 1);
    t->join.call = chord_call_ping(t, &after, NULL, t->join.boot_link, chain_answered);
    if (!t->join.call && t->join.chain == 0)
        retry(t);
}

static void chain_answered(struct chord_call *call, const struct rf_reply *reply)
{
    struct rf_topology *t = call->t;
    if (t->join.call != call)
        return;
    t->join.call = NULL;
    bool found = reply->error == 0 && reply->signer && !rf_id_equal(&reply->signer->node_id, &t->params.self);
    if (!found && t->join.chain == 0) {
        retry(t);
        return;
    }
    if (found) {
        candidates_note(&t->candidates, &reply->signer->node_id, &t->join.boot, chord_now(t));
        if (++t->join.chain < CHAIN_COUNT)
            chain_next(t, &reply->signer->node_id);
    }
    chord_pursue(t);
    chord_join_step(t);
}

static void chain_start(struct rf_topology *t)
{
    if (!chord_conn_find(t, &t->join.boot)) {
        retry(t);
        return;
    }
    drop_call(t);
    go(t, STEP_NEIGHBORS, 2 * NEIGHBORS_US);
    t->join.chain = 0;
    chain_next(t, &t->params.self);
}

void chord_join_attached(struct rf_topology *t, const struct rf_id *node, int error)
{
    if (t->state != RF_TOPOLOGY_JOINING || t->join.step != STEP_LOCATE)
        return;
    if (error) {
        chain_start(t);
        return;
    }
    if (rf_id_equal(node, &t->params.self)) {
        retry(t);
        return;
    }
    t->join.admitting = *node;
    go(t, STEP_INFORM, INFORM_US);
    struct chord_conn *ap = chord_conn_find(t, node);
    if (ap && rf_id_equal(node, &t->join.boot))
        chord_pull(t, ap); /* it was linked already: no new link makes it send its Update */
    chord_join_step(t);
}

/* ---- the request ---- */

static void join_answered(struct chord_call *call, const struct rf_reply *reply)
{
    struct rf_topology *t = call->t;
    if (t->join.call != call)
        return;
    t->join.call = NULL;
    if (t->state != RF_TOPOLOGY_JOINING || t->join.step != STEP_REQUEST)
        return;
    struct chord_conn *ap = chord_conn_find(t, &call->node);
    if (reply->error == RF_ETIMEOUT && ap)
        chord_peer_lost(t, ap, LOST_DEAD); /* goes on with its successor, or again from the start */
    else if (reply->error == 0)
        go(t, STEP_PLACE, PLACE_US);
    else if (reply->error == RF_EREMOTE && ++t->join.refused <= CHORD_REFUSED_MAX &&
             chord_conn_find(t, &t->join.boot))
        go(t, STEP_LOCATE,
           rf_rng_between(t->env->jitter, 50 * CHORD_MS, 400 * CHORD_MS)); /* the alarm locates */
    else
        retry(t);
}

static void request(struct rf_topology *t)
{
    struct rf_member member = {.node = t->params.self};
    struct rf_call call = {.code = RF_CODE_JOIN_REQ, .max_transmissions = 3, .interval_us = REQUEST_US};
    uint8_t body[64];
    struct rf_buf buf;
    struct chord_conn *ap = t->ring.count ? chord_conn_find(t, &t->ring.peers[0].node) : NULL;
    if (!ap) {
        retry(t);
        return;
    }
    t->join.admitting = ap->node;
    unsigned asked = t->join.asked;
    go(t, STEP_REQUEST, 4 * REQUEST_US);
    t->join.asked = asked + 1;
    rf_buf_fixed(&buf, body, sizeof(body));
    rf_member_encode(&member, &buf);
    call.body = rf_buf_view(&buf);
    call.link = ap->link;
    rf_call_to_node(&call, &ap->node);
    drop_call(t);
    t->join.call = chord_call(t, &call, join_answered);
    if (!t->join.call)
        retry(t);
}

/* Does a node that others named, and that we have not reached yet, lie between our predecessor and us? */
static bool predecessor_missing(const struct rf_topology *t)
{
    for (size_t i = 0; i < t->candidates.count; i++) {
        const struct candidate *it = &t->candidates.list[i];
        if (!candidate_usable(it, chord_now(t)) || ring_find(&t->ring, &it->node))
            continue;
        if (t->ring.count == 0 ||
            rf_id_compare(&it->distance, &t->ring.peers[t->ring.count - 1].distance) > 0)
            return true;
    }
    return false;
}

void chord_join_step(struct rf_topology *t)
{
    if (t->state != RF_TOPOLOGY_JOINING || t->params.role != RF_ROLE_PEER)
        return;
    if (t->join.step == STEP_BOOTSTRAP && t->ring.count > 0)
        go(t, STEP_NEIGHBORS, NEIGHBORS_US);
    if (t->join.step == STEP_INFORM && ring_find(&t->ring, &t->join.admitting))
        go(t, STEP_NEIGHBORS, NEIGHBORS_US);
    if (t->join.step == STEP_NEIGHBORS && !t->join.call && t->ring.count > 0 && chord_pursue(t) == 0)
        request(t);
    if (t->join.step == STEP_SETTLE && !predecessor_missing(t))
        chord_joined(t);
}

void chord_join_news(struct rf_topology *t, struct chord_conn *from, const struct chord_news *news)
{
    bool asked = t->join.step == STEP_REQUEST || t->join.step == STEP_PLACE;
    if (t->state != RF_TOPOLOGY_JOINING || !asked || !rf_id_equal(&from->node, &t->join.admitting))
        return;
    for (size_t i = 0; i < news->pred_count; i++)
        if (rf_id_equal(&news->pred[i], &t->params.self)) {
            go(t, STEP_SETTLE, SETTLE_US);
            return; /* chord_join_step follows when the neighbors it named are pursued */
        }
}

void chord_join_lost(struct rf_topology *t, const struct rf_id *node)
{
    if (t->state != RF_TOPOLOGY_JOINING)
        return;
    enum chord_step step = t->join.step;
    if (rf_id_equal(node, &t->join.boot)) {
        t->join.boot = (struct rf_id){0};
        t->join.boot_link = 0;
        if (step == STEP_LOCATE) {
            retry(t);
            return;
        }
    }
    if (rf_id_equal(node, &t->join.admitting) &&
        (step == STEP_INFORM || step == STEP_REQUEST || step == STEP_PLACE)) {
        if (t->ring.count == 0) {
            retry(t);
            return;
        }
        drop_call(t);
        go(t, STEP_NEIGHBORS, NEIGHBORS_US);
        chord_join_step(t);
    } else if (step == STEP_NEIGHBORS || step == STEP_SETTLE)
        chord_join_step(t);
}

void chord_join_alarm(struct rf_topology *t)
{
    struct chord_conn *ap = chord_conn_find(t, &t->join.admitting);
    switch (t->join.step) {
    case STEP_WAIT:
        begin(t);
        break;
    case STEP_BOOTSTRAP:
        chord_join_bootstrap(t, NULL);
        break;
    case STEP_LOCATE:
        if (t->join.refused && chord_conn_find(t, &t->join.boot))
            locate(t);
        else
            chain_start(t);
        break;
    case STEP_INFORM:
        if (t->join.asked == 0 && ap) {
            chord_pull(t, ap);
            go(t, STEP_INFORM, INFORM_US);
            t->join.asked = 1;
        } else
            chain_start(t);
        break;
    case STEP_NEIGHBORS:
        drop_call(t);
        request(t);
        break;
    case STEP_PLACE:
        if (t->join.asked < 3)
            request(t);
        else
            retry(t);
        break;
    case STEP_SETTLE:
        chord_joined(t);
        break;
    case STEP_REQUEST:
        retry(t);
        break;
    case STEP_REDIRECTED: /* a client's */
    case STEP_NONE:
        break;
    }
}
