/*
 * update.c - Updates: what we owe to whom and when it is sent, what we learn from those of others, and RouteQuery, by which an Update
 * can be asked for (reload.md 3.12, 3.13, 5.6, 5.7).
 *
 * Nothing sends an Update directly when something changes: the connection is marked with what it is owed, and the round that
 * follows (at most one in CHORD_ROUND_US) sends it. Many changes at once so cost one Update per node.
 */
#include <stdlib.h>

#include "overlay/chord/chord.h"

/* ---- what is owed ---- */

static void enlist(struct rf_topology *t, struct chord_conn *conn)
{
    if (rf_list_empty(&conn->owed))
        rf_list_push_back(&t->owed_list, &conn->owed);
}

void chord_owe_within(struct rf_topology *t, struct chord_conn *conn, enum chord_owe what, uint64_t round_us)
{
    uint64_t now = chord_now(t), owe_us = now;
    if (conn->told && now - conn->told_us < round_us)
        owe_us = conn->told_us + round_us;
    if (conn->owe == OWE_NOTHING || owe_us < conn->owe_us)
        conn->owe_us = owe_us;
    if (conn->owe < what)
        conn->owe = what;
    enlist(t, conn);
    if (t->state != RF_TOPOLOGY_JOINED)
        return; /* kept until we have a place to tell of */
    if (t->flushed_us && t->flushed_us + CHORD_ROUND_US > owe_us)
        owe_us = t->flushed_us + CHORD_ROUND_US;
    chord_alarm_soon(t, ALARM_FLUSH, owe_us > now ? owe_us - now : 0);
}

void chord_owe(struct rf_topology *t, struct chord_conn *conn, enum chord_owe what)
{
    chord_owe_within(t, conn, what, 0);
}

void chord_owe_neighbors(struct rf_topology *t)
{
    for (size_t i = 0; i < t->tables->succ_count + t->tables->pred_count; i++) {
        const struct rf_id *node =
            i < t->tables->succ_count ? &t->tables->succ[i] : &t->tables->pred[i - t->tables->succ_count];
        struct chord_conn *conn = chord_conn_find(t, node);
        if (conn)
            chord_owe(t, conn, OWE_NEIGHBORS);
    }
}

void chord_owe_range(struct rf_topology *t)
{
    RF_LIST_EACH(&t->conn_list, it)
    {
        struct chord_conn *conn = RF_LIST_ENTRY(it, struct chord_conn, list);
        if (!conn->left && !ring_is_neighbor(&t->ring, &conn->node) &&
            (!conn->peer || !t->params.self_tuning))
            chord_owe_within(t, conn, OWE_NEIGHBORS, conn->peer ? CHORD_FAR_ROUND_US : 0);
    }
}

/* Sends what is owed to neighbors, or to all the others; false: the batch is full. What can wait is left for an alarm. */
static bool flush_some(struct rf_topology *t, bool neighbors, size_t *room)
{
    RF_LIST_EACH_SAFE(&t->owed_list, it)
    {
        struct chord_conn *conn = RF_LIST_ENTRY(it, struct chord_conn, owed);
        if (conn->owe == OWE_NOTHING) {
            rf_list_remove(&conn->owed);
            continue;
        }
        if (conn->handover || ring_is_neighbor(&t->ring, &conn->node) != neighbors)
            continue;
        if (conn->owe_us > chord_now(t)) {
            chord_alarm_soon(t, ALARM_FLUSH, conn->owe_us - chord_now(t));
            continue;
        }
        if (*room == 0)
            return false;
        --*room;
        chord_update_send(t, conn, conn->owe); /* owed again if it cannot be sent */
    }
    return true;
}

void chord_flush(struct rf_topology *t)
{
    size_t room = CHORD_BATCH_COUNT;
    if (t->state != RF_TOPOLOGY_JOINED || t->params.role != RF_ROLE_PEER)
        return;
    t->flushed_us = chord_now(t);
    /* while a joiner waits for its data the others must not turn to it: only the neighbors are told */
    if (!flush_some(t, true, &room) || (t->handover_count == 0 && !flush_some(t, false, &room)))
        chord_alarm_soon(t, ALARM_FLUSH, CHORD_BATCH_US);
}

/* ---- sending ---- */

static void update_done(struct chord_call *call, const struct rf_reply *reply)
{
    struct rf_topology *t = call->t;
    struct chord_conn *conn = chord_conn_find(t, &call->node);
    if (!conn || conn->update != call)
        return;
    conn->update = NULL;
    if (reply->message && (reply->error == 0 || reply->error == RF_EREMOTE))
        conn->heard_us = chord_now(t);
    else if (reply->error == RF_ETIMEOUT && conn->peer && conn->link == call->link)
        chord_check(t, conn);
}

static uint32_t uptime_s(const struct rf_topology *t)
{
    return (uint32_t)((chord_now(t) - t->start_us) / CHORD_S);
}

#define UPDATE_MAX_LEN (16 + 2 * RING_MAX_NEIGHBORS * RF_ID_MAX_LEN + RING_MAX_FINGERS * RF_ID_MAX_LEN)

static struct rf_view update_body(struct rf_topology *t, enum chord_owe what, uint8_t bytes[UPDATE_MAX_LEN])
{
    struct rf_id fingers[RING_MAX_FINGERS];
    struct rf_chord_update update = {.uptime_s = uptime_s(t), .type = RF_UPDATE_PEER_READY};
    struct rf_buf buf;
    if (what >= OWE_NEIGHBORS) {
        update.type = RF_UPDATE_NEIGHBORS;
        update.predecessors = (struct rf_id_list){t->tables->pred, t->tables->pred_count};
        update.successors = (struct rf_id_list){t->tables->succ, t->tables->succ_count};
    }
    if (what == OWE_FULL) {
        update.type = RF_UPDATE_FULL;
        update.fingers = (struct rf_id_list){fingers, ring_fingers(&t->ring, fingers, RING_MAX_FINGERS)};
    }
    rf_buf_fixed(&buf, bytes, UPDATE_MAX_LEN);
    rf_chord_update_encode(&update, &buf);
    RF_ASSERT(rf_buf_error(&buf) == 0);
    return rf_buf_view(&buf);
}

void chord_update_send(struct rf_topology *t, struct chord_conn *conn, enum chord_owe what)
{
    uint8_t body[UPDATE_MAX_LEN];
    struct rf_call call = {
        .code = RF_CODE_UPDATE_REQ, .link = conn->link, .body = update_body(t, what, body)};
    if (t->host.rtt) { /* else round trips are known by the answers only */
        call.quiet = true;
        call.max_transmissions = 1;
        call.interval_us = CHORD_QUIET_CALL_US;
    }
    rf_call_to_node(&call, &conn->node);
    if (conn->update)
        chord_call_cancel(conn->update); /* an older one must not arrive after this */
    conn->update = chord_call(t, &call, update_done);
    if (!conn->update) { /* no memory, or too many calls: still owed */
        conn->owe = what;
        conn->owe_us = chord_now(t) + CHORD_ROUND_US;
        enlist(t, conn);
        chord_alarm_soon(t, ALARM_FLUSH, CHORD_ROUND_US);
        return;
    }
    conn->owe = OWE_NOTHING;
    conn->told = true;
    conn->told_us = chord_now(t);
    if (what >= OWE_NEIGHBORS)
        conn->told_tables = t->tables_count;
    if (conn->unnamed) /* now it will, whether it tells us or not */
        conn->named_us = chord_now(t);
    conn->unnamed = false;
    t->counters->updates_sent++;
}

/* ---- receiving ---- */

struct by_distance {
    struct rf_id distance, node;
};

static int compare_distance(const void *a, const void *b)
{
    return rf_id_compare(&((const struct by_distance *)a)->distance,
                         &((const struct by_distance *)b)->distance);
}

/* The nearest nodes of `list` seen from `from`, going up or down; without `from` itself and what is no Node-ID. */
static size_t nearest(struct rf_topology *t, const struct rf_id *from, const struct rf_id_list *list, bool up,
                      struct rf_id out[RING_MAX_NEIGHBORS])
{
    enum { MOST = 64 };
    struct by_distance sorted[MOST];
    size_t n = 0, count = 0;
    for (size_t i = 0; i < list->count && n < MOST; i++) {
        const struct rf_id *id = &list->ids[i];
        if (rf_id_equal(id, from) || rf_id_is_zero(id) || rf_id_is_wildcard(id) || id->len != from->len)
            continue;
        sorted[n++] = (struct by_distance){up ? rf_id_sub(id, from) : rf_id_sub(from, id), *id};
    }
    qsort(sorted, n, sizeof(sorted[0]), compare_distance);
    for (size_t i = 0; i < n && count < RING_MAX_NEIGHBORS; i++)
        if (i == 0 || !rf_id_equal(&sorted[i].node, &sorted[i - 1].node))
            out[count++] = sorted[i].node;
    t->counters->hints_ignored += list->count - count;
    return count;
}

static void read_news(struct rf_topology *t, const struct rf_id *from, const struct rf_chord_update *update,
                      struct chord_news *out)
{
    out->lists = update->type != RF_UPDATE_PEER_READY;
    out->succ_count = nearest(t, from, &update->successors, true, out->succ);
    out->pred_count = nearest(t, from, &update->predecessors, false, out->pred);
    out->fingers = &update->fingers;
}

/* Remembers whom the Update names, unless its sender has named too many that were not there. */
static void note_hints(struct rf_topology *t, const struct chord_conn *from, const struct chord_news *news)
{
    uint64_t now = chord_now(t);
    if (from->bad_hints >= CHORD_MAX_BAD_HINTS) {
        t->counters->hints_ignored += news->succ_count + news->pred_count + news->fingers->count;
        return;
    }
    for (size_t i = 0; i < news->succ_count; i++)
        if (!ring_find(&t->ring, &news->succ[i]))
            candidates_note(&t->candidates, &news->succ[i], &from->node, now);
    for (size_t i = 0; i < news->pred_count; i++)
        if (!ring_find(&t->ring, &news->pred[i]))
            candidates_note(&t->candidates, &news->pred[i], &from->node, now);
    for (size_t i = 0; i < news->fingers->count && i < RING_MAX_FINGERS; i++) {
        const struct rf_id *finger = &news->fingers->ids[i];
        size_t slot = ring_slot_of(&t->ring, finger);
        if (ring_slot_missing(&t->ring, slot) || ring_wants_neighbor(&t->ring, finger))
            candidates_note(&t->candidates, finger, &from->node, now);
    }
}

static bool lists(const struct rf_id *list, size_t count, const struct rf_id *node)
{
    for (size_t i = 0; i < count; i++)
        if (rf_id_equal(&list[i], node))
            return true;
    return false;
}

/* Would the sender have named `node` if it knew it? */
static bool is_missed(const struct rf_topology *t, const struct rf_id *from, const struct chord_news *news,
                      const struct rf_id *node)
{
    bool short_succ = news->succ_count < t->ring.successor_min;
    bool short_pred = news->pred_count < t->ring.predecessor_min;
    bool succ = short_succ || rf_id_between(from, node, &news->succ[news->succ_count - 1]);
    bool pred = short_pred || rf_id_between(&news->pred[news->pred_count - 1], node, from);
    return (succ && !lists(news->succ, news->succ_count, node)) ||
           (pred && !lists(news->pred, news->pred_count, node));
}

/* A neighbor of ours that the sender should have named and did not may be dead: it is looked after at once. If it lives, the sender is told. */
static void check_missed(struct rf_topology *t, const struct rf_id *from, const struct chord_news *news)
{
    struct chord_tables tables = *t->tables; /* a check may change them */
    for (size_t i = 0; i < tables.succ_count + tables.pred_count; i++) {
        const struct rf_id *node =
            i < tables.succ_count ? &tables.succ[i] : &tables.pred[i - tables.succ_count];
        if (rf_id_equal(node, from) || !is_missed(t, from, news, node))
            continue;
        struct chord_conn *conn = chord_conn_find(t, node);
        if (!conn)
            continue;
        if (chord_now(t) - conn->heard_us > CHORD_S) {
            conn->missed_by = *from;
            chord_check(t, conn);
        } else if (chord_conn_find(t, from))
            chord_owe_within(t, chord_conn_find(t, from), OWE_NEIGHBORS, CHORD_NEXT_ROUND_US);
    }
}

static void take_news(struct rf_topology *t, struct chord_conn *conn, const struct chord_news *news)
{
    struct rf_id from = conn->node;
    bool knows_us = !is_missed(t, &from, news, &t->params.self);
    if (news->lists) {
        bool beside = (news->succ_count && rf_id_equal(&news->succ[0], &t->params.self)) ||
                      (news->pred_count && rf_id_equal(&news->pred[0], &t->params.self));
        conn->agreed_us = beside ? chord_now(t) : 0;
        conn->succ_named = (uint8_t)news->succ_count;
        conn->pred_named = (uint8_t)news->pred_count;
        conn->successor = news->succ_count ? news->succ[0] : (struct rf_id){0};
        bool named = lists(news->succ, news->succ_count, &t->params.self) ||
                     lists(news->pred, news->pred_count, &t->params.self);
        conn->named_us = named ? chord_now(t) : 0;
        conn->unnamed = !knows_us;
        chord_lost_back(t, &from); /* whom it names may be there again as well */
        note_hints(t, conn, news);
    }
    chord_peer_up(t, conn);
    if (news->lists)
        ring_named(&t->ring, &from, news->pred_count ? &news->pred[0] : NULL,
                   news->pred_count ? &news->pred[news->pred_count - 1] : NULL);
    if (t->params.role == RF_ROLE_CLIENT) {
        chord_client_news(t, conn, news);
        return;
    }
    if (news->lists) {
        if (!knows_us && t->state == RF_TOPOLOGY_JOINED && chord_now(t) - conn->told_us > CHORD_S)
            chord_owe(t, conn, OWE_NEIGHBORS);
        check_missed(t, &from, news);
        conn = chord_conn_find(t, &from);
        if (conn)
            chord_join_news(t, conn, news);
    }
    chord_pursue(t);
    chord_join_step(t);
}

void chord_on_update(void *arg, struct rf_request *request)
{
    struct rf_topology *t = arg;
    struct rf_chord_update update;
    struct chord_news news;
    int error = rf_chord_update_decode(request->message->body, t->params.self.len, request->region, &update);
    if (error) {
        t->counters->updates_refused++;
        rf_overlay_refuse_malformed(t->host.overlay, request, error, "malformed Update");
        return;
    }
    if (request->link == 0 || !rf_id_equal(&request->link_node, &request->signer.node_id)) {
        t->counters->updates_refused++;
        rf_overlay_refuse_text(t->host.overlay, request, RF_ERROR_FORBIDDEN,
                               "an Update needs a link of its own");
        return;
    }
    struct rf_id from = request->link_node;
    uint64_t link = request->link;
    rf_overlay_answer(t->host.overlay, request, rf_view_of(NULL, 0), NULL, 0);
    struct chord_conn *conn = chord_conn_touch(t, &from, link);
    if (!conn || t->state == RF_TOPOLOGY_IDLE || t->state == RF_TOPOLOGY_LEAVING)
        return;
    conn->left = false; /* links keep the order: it is back */
    t->counters->updates_received++;
    conn->heard_us = chord_now(t);
    conn->uptime_s = update.uptime_s;
    conn->uptime_us = chord_now(t);
    read_news(t, &from, &update, &news);
    take_news(t, conn, &news);
}

/* ---- RouteQuery ---- */

static bool query_answer(const struct rf_topology *t, const struct rf_dest *dest, struct rf_id *out)
{
    if (dest->id.len != t->params.self.len)
        return false;
    bool ours = rf_id_equal(&dest->id, &t->params.self) ||
                (dest->type == RF_DEST_RESOURCE && chord_responsible(t, &dest->id));
    if (ours) {
        *out = t->params.self;
        return true;
    }
    if (dest->type == RF_DEST_NODE && chord_conn_find(t, &dest->id)) {
        *out = dest->id;
        return true;
    }
    return chord_next_hop(t, &dest->id, out);
}

static void stranger_told(struct chord_call *call, const struct rf_reply *reply)
{
    (void)call;
    (void)reply; /* it may refuse an Update that did not come over a link of our own */
}

/* The Update for an asker that we are not linked with goes the way its request came, once: it is asked for, not owed. */
static void tell_stranger(struct rf_topology *t, const struct rf_id *asker, const struct rf_id *via,
                          uint64_t link)
{
    uint8_t body[UPDATE_MAX_LEN];
    struct rf_call call = {.code = RF_CODE_UPDATE_REQ,
                           .link = link,
                           .body = update_body(t, OWE_FULL, body),
                           .max_transmissions = 1};
    rf_call_to_node(&call, asker);
    rf_call_via(&call, via);
    if (chord_call(t, &call, stranger_told))
        t->counters->updates_sent++;
}

void chord_on_route_query(void *arg, struct rf_request *request)
{
    struct rf_topology *t = arg;
    struct rf_route_query query;
    struct rf_id next;
    uint8_t body[RF_ID_MAX_LEN];
    struct rf_buf buf;
    int error = rf_route_query_decode(request->message->body, t->params.self.len, &query);
    if (error) {
        rf_overlay_refuse_malformed(t->host.overlay, request, error, "malformed RouteQuery");
        return;
    }
    if (t->state != RF_TOPOLOGY_JOINED || t->params.role != RF_ROLE_PEER) {
        rf_overlay_refuse_text(t->host.overlay, request, RF_ERROR_NOT_FOUND, "not in the ring");
        return;
    }
    if (!query_answer(t, &query.destination, &next)) {
        rf_overlay_refuse_text(t->host.overlay, request, RF_ERROR_FORBIDDEN,
                               "no next hop for that destination");
        return;
    }
    struct rf_id from = request->signer.node_id, via = request->link_node;
    uint64_t link = request->link;
    struct chord_conn *asker = rf_id_equal(&via, &from) ? chord_conn_find(t, &via) : NULL;
    rf_buf_fixed(&buf, body, sizeof(body));
    rf_route_query_ans_encode(&next, &buf);
    rf_overlay_answer(t->host.overlay, request, rf_buf_view(&buf), NULL, 0);
    t->counters->route_queries++;
    if (!asker) {
        if (query.send_update && link != 0 && !rf_id_equal(&via, &from))
            tell_stranger(t, &from, &via, link);
        return;
    }
    asker->heard_us = chord_now(t);
    if (query.send_update && !asker->handover) {
        if (!asker->told || chord_now(t) - asker->told_us > CHORD_ROUND_US)
            chord_update_send(t, asker, OWE_FULL);
        else
            chord_owe(t, asker, OWE_FULL);
    }
}

static void pull_done(struct chord_call *call, const struct rf_reply *reply)
{
    struct chord_conn *conn = chord_conn_find(call->t, &call->node);
    if (conn && (reply->error == 0 || reply->error == RF_EREMOTE))
        conn->heard_us = chord_now(call->t);
}

void chord_pull(struct rf_topology *t, struct chord_conn *conn)
{
    struct rf_dest itself = rf_dest_node(&conn->node);
    if (conn->pulled_us && chord_now(t) - conn->pulled_us < CHORD_PULL_US)
        return;
    conn->pulled_us = chord_now(t);
    conn->pulls++;
    chord_call_route_query(t, conn, &itself, true, 3, pull_done);
}
