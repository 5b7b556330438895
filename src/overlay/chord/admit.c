/*
 * admit.c - the admitting peer (reload.md 5.5 steps 5 to 8).
 *
 * A JoinReq is accepted when the joiner's Node-ID lies in our range. The joiner then stands in the ring as our predecessor, storage is told to
 * hand over what is no longer ours, and only when that is done (host.handover_pending is 0, at most CHORD_HANDOVER_US) the joiner gets the
 * Update that gives it its place. Our neighbors are told at once, everybody else together with the joiner.
 */
#include "overlay/chord/chord.h"

static void place(struct rf_topology *t, struct chord_conn *conn)
{
    conn->handover = false;
    t->handover_count--;
    chord_update_send(t, conn, OWE_NEIGHBORS);
    chord_alarm_soon(t, ALARM_FLUSH, 0);
}

void chord_handover_poll(struct rf_topology *t)
{
    bool pending = t->host.handover_pending && t->host.handover_pending(t->host.ctx) > 0;
    RF_LIST_EACH(&t->conn_list, it)
    {
        struct chord_conn *conn = RF_LIST_ENTRY(it, struct chord_conn, list);
        if (conn->handover && (!pending || chord_now(t) - conn->handover_us >= CHORD_HANDOVER_US))
            place(t, conn);
    }
    if (t->handover_count)
        chord_alarm_in(t, ALARM_HANDOVER, CHORD_HANDOVER_TRY_US);
}

static void admit(struct rf_topology *t, struct chord_conn *conn)
{
    conn->left = false;
    conn->told = false;
    if (!conn->handover) {
        conn->handover = true;
        t->handover_count++;
    }
    conn->handover_us = chord_now(t);
    conn->heard_us = chord_now(t);
    chord_peer_up(t, conn);
    chord_alarm_soon(t, ALARM_HANDOVER, t->host.handover_pending ? CHORD_HANDOVER_TRY_US : 0);
}

static void refuse(struct rf_topology *t, struct rf_request *request, uint16_t code, const char *why)
{
    t->counters->joins_refused++;
    rf_overlay_refuse_text(t->host.overlay, request, code, why);
}

void chord_on_join(void *arg, struct rf_request *request)
{
    struct rf_topology *t = arg;
    struct rf_member member;
    uint8_t body[8];
    struct rf_buf buf;
    if (rf_member_decode(request->message->body, t->params.self.len, &member)) {
        refuse(t, request, RF_ERROR_INVALID_MESSAGE, "malformed Join");
        return;
    }
    if (!rf_id_equal(&member.node, &request->signer.node_id) || request->link == 0 ||
        !rf_id_equal(&member.node, &request->link_node)) {
        refuse(t, request, RF_ERROR_FORBIDDEN, "a node joins for itself and over its own link");
        return;
    }
    if (t->params.role != RF_ROLE_PEER || t->state != RF_TOPOLOGY_JOINED) {
        refuse(t, request, RF_ERROR_NOT_FOUND, "not in the ring");
        return;
    }
    struct chord_conn *conn = chord_conn_touch(t, &member.node, request->link);
    if (!conn) {
        refuse(t, request, RF_ERROR_FORBIDDEN, "no room");
        return;
    }
    bool ours = chord_responsible(t, &member.node) || ring_predecessor_rank(&t->ring, &member.node) == 1;
    if (!ours) {
        refuse(t, request, RF_ERROR_NOT_FOUND, "another peer is in charge of that place");
        chord_owe(t, conn, OWE_FULL); /* which tells it who */
        return;
    }
    rf_buf_fixed(&buf, body, sizeof(body));
    rf_join_ans_encode(rf_view_of(NULL, 0), &buf);
    if (rf_overlay_answer(t->host.overlay, request, rf_buf_view(&buf), NULL, 0))
        return;
    t->counters->joins_accepted++;
    admit(t, conn);
}
