/*
 * leave.c - leaving the ring, and what a Leave of another node does (reload.md 5.9).
 *
 * Leaving: our successors are told of our predecessors and the other way round; from then on we are responsible for nothing and pass on what comes;
 * storage hands over what it has. IDLE follows when all Leaves are answered, or after CHORD_LEAVE_US.
 */
#include "overlay/chord/chord.h"

static void leave_answered(struct chord_call *call, const struct rf_reply *reply)
{
    struct rf_topology *t = call->t;
    (void)reply;
    if (t->leaves > 0 && --t->leaves == 0)
        chord_alarm_in(t, ALARM_LEAVE, 0);
}

/* To a predecessor of ours we are a successor: it gets our successors. */
static void send_leave(struct rf_topology *t, const struct rf_id *node, uint8_t type)
{
    struct chord_conn *conn = chord_conn_find(t, node);
    struct rf_chord_leave leave = {.type = type};
    struct rf_call call = {.code = RF_CODE_LEAVE_REQ, .max_transmissions = 2, .interval_us = CHORD_S};
    uint8_t data[16 + RING_MAX_NEIGHBORS * RF_ID_MAX_LEN], body[sizeof(data) + 32];
    struct rf_buf inner, outer;
    if (!conn)
        return;
    leave.nodes = type == RF_LEAVE_FROM_SUCC ? (struct rf_id_list){t->tables->succ, t->tables->succ_count}
                                             : (struct rf_id_list){t->tables->pred, t->tables->pred_count};
    rf_buf_fixed(&inner, data, sizeof(data));
    rf_chord_leave_encode(&leave, &inner);
    rf_buf_fixed(&outer, body, sizeof(body));
    rf_member_encode(&(struct rf_member){t->params.self, rf_buf_view(&inner)}, &outer);
    RF_ASSERT(rf_buf_error(&inner) == 0 && rf_buf_error(&outer) == 0);
    call.body = rf_buf_view(&outer);
    call.link = conn->link;
    rf_call_to_node(&call, node);
    if (chord_call(t, &call, leave_answered))
        t->leaves++;
}

void chord_leave(struct rf_topology *t)
{
    bool was_in = t->state == RF_TOPOLOGY_JOINED && t->params.role == RF_ROLE_PEER;
    if (t->state == RF_TOPOLOGY_IDLE || t->state == RF_TOPOLOGY_LEAVING)
        return;
    chord_maintain_stop(t);
    chord_join_stop(t);
    t->leaves = 0;
    t->state = RF_TOPOLOGY_LEAVING;
    RF_LIST_EACH(&t->conn_list, it)
    { /* no Update of ours may arrive after the Leave */
        struct chord_conn *conn = RF_LIST_ENTRY(it, struct chord_conn, list);
        conn->owe = OWE_NOTHING;
        if (conn->update)
            chord_call_cancel(conn->update);
    }
    if (was_in) {
        for (size_t i = 0; i < t->tables->pred_count; i++)
            send_leave(t, &t->tables->pred[i], RF_LEAVE_FROM_SUCC);
        for (size_t i = 0; i < t->tables->succ_count; i++)
            send_leave(t, &t->tables->succ[i], RF_LEAVE_FROM_PRED);
    }
    chord_alarm_in(t, ALARM_LEAVE, t->leaves ? CHORD_LEAVE_US : 0);
    t->host.state(t->host.ctx, RF_TOPOLOGY_LEAVING);
    if (was_in)
        t->host.range_changed(t->host.ctx);
}

void chord_leave_done(struct rf_topology *t)
{
    if (chord_retire_waits(t))
        chord_alarm_in(t, ALARM_LEAVE, CHORD_RETIRE_TRY_US);
    else if (t->state == RF_TOPOLOGY_LEAVING)
        chord_set_state(t, RF_TOPOLOGY_IDLE);
}

void chord_on_leave(void *arg, struct rf_request *request)
{
    struct rf_topology *t = arg;
    struct rf_member member;
    struct rf_chord_leave leave = {0};
    struct rf_id from = request->link_node;
    int error = rf_member_decode(request->message->body, t->params.self.len, &member);
    if (!error && member.data.len > 0)
        error = rf_chord_leave_decode(member.data, t->params.self.len, request->region, &leave);
    if (error) {
        rf_overlay_refuse_malformed(t->host.overlay, request, error, "malformed Leave");
        return;
    }
    if (!rf_id_equal(&member.node, &request->signer.node_id) || request->link == 0 ||
        !rf_id_equal(&member.node, &request->link_node)) {
        rf_overlay_refuse_text(t->host.overlay, request, RF_ERROR_FORBIDDEN,
                               "a node leaves for itself and over its own link");
        return;
    }
    rf_overlay_answer(t->host.overlay, request, rf_view_of(NULL, 0), NULL, 0);
    struct chord_conn *conn = chord_conn_find(t, &from);
    if (!conn)
        return;
    t->counters->leaves_received++;
    conn->heard_us = chord_now(t);
    for (size_t i = 0; i < leave.nodes.count && i < RING_MAX_NEIGHBORS; i++)
        if (!ring_find(&t->ring, &leave.nodes.ids[i]))
            candidates_note(&t->candidates, &leave.nodes.ids[i], &(struct rf_id){0},
                            chord_now(t)); /* not via the leaver */
    if (conn->left)
        return;
    conn->left = true;
    chord_peer_lost(t, conn, LOST_LEFT);
}
