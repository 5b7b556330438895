/*
 * check.c - are the neighbors alive, and do they see the ring as we do?
 *
 * Every 10 to 15 s the nearest two on each side have to acknowledge a frame, if nothing else went over their links; who does not is suspect, and is
 * checked at once. (All other links get a keep-alive of their own once a minute.)
 *
 * Every one to two minutes, and soon after the neighbor tables changed, the nearest on each side are checked. A check is a RouteQuery sent straight to the neighbor: it costs what a Ping costs and asks more. Our successor is asked for the way to the
 * Resource-ID after ours and must answer itself, our predecessor for the way to our own and must answer us. Another answer means
 * that one of us misses somebody: our Update goes there, and theirs is asked for.
 * A node that does not answer is checked once more, under suspicion at once given up, then it counts as failed (reload.md 5.8).
 * Decision: docs/decisions/0008-topology.md.
 */
#include "overlay/chord/chord.h"

enum { ASK_ALIVE, ASK_SUCCESSOR, ASK_PREDECESSOR };

static void disagree(struct rf_topology *t, struct chord_conn *conn, const struct rf_id *named)
{
    t->counters->checks_disagreed++;
    if (!rf_id_equal(named, &t->params.self) && !ring_find(&t->ring, named))
        candidates_note(&t->candidates, named, &conn->node, chord_now(t));
    chord_owe(t, conn, OWE_NEIGHBORS);
    chord_pull(t, conn);
    chord_pursue(t);
}

static void check_answered(struct rf_topology *t, struct chord_conn *conn, int asked,
                           const struct rf_reply *reply)
{
    struct rf_id named;
    struct chord_conn *informer = conn->missed_by.len ? chord_conn_find(t, &conn->missed_by) : NULL;
    conn->heard_us = chord_now(t);
    conn->failed_checks = 0;
    conn->missed_by = (struct rf_id){0};
    if (informer && reply->error == 0)
        chord_owe_within(t, informer, OWE_NEIGHBORS, CHORD_NEXT_ROUND_US);
    if (reply->error == RF_EREMOTE) {
        if (reply->error_code == RF_ERROR_NOT_FOUND && conn->peer && !conn->handover)
            chord_peer_lost(t, conn, LOST_DEMOTED); /* it is not in the ring (any more) */
        return;
    }
    if (rf_route_query_ans_decode(reply->body, t->params.self.len, &named))
        return;
    if (t->params.role == RF_ROLE_CLIENT) {
        chord_client_checked(t, conn, &named);
        return;
    }
    bool successor = asked == ASK_SUCCESSOR && ring_successor_rank(&t->ring, &conn->node) == 1;
    bool predecessor = asked == ASK_PREDECESSOR && ring_predecessor_rank(&t->ring, &conn->node) == 1;
    if ((successor && !rf_id_equal(&named, &conn->node)) ||
        (predecessor && !rf_id_equal(&named, &t->params.self)))
        disagree(t, conn, &named);
}

static void check_done(struct chord_call *call, const struct rf_reply *reply)
{
    struct rf_topology *t = call->t;
    struct chord_conn *conn = chord_conn_find(t, &call->node);
    if (!conn || conn->check != call)
        return;
    conn->check = NULL;
    if (reply->error == RF_ECANCELLED)
        return;
    if (reply->error == 0 || reply->error == RF_EREMOTE) {
        check_answered(t, conn, call->kind, reply);
        return;
    }
    t->counters->checks_failed++;
    conn->failed_checks++;
    if (conn->suspect || conn->failed_checks >= 2)
        chord_peer_lost(t, conn, LOST_DEAD);
    else
        chord_check(t, conn);
}

void chord_check(struct rf_topology *t, struct chord_conn *conn)
{
    struct rf_dest dest = rf_dest_node(&conn->node);
    int asked = ASK_ALIVE;
    if (conn->check || t->state == RF_TOPOLOGY_IDLE || t->state == RF_TOPOLOGY_LEAVING)
        return;
    struct rf_id after = rf_id_add_small(&t->params.self, 1);
    if (t->params.role == RF_ROLE_CLIENT)
        dest = rf_dest_resource(&after);
    else if (t->state != RF_TOPOLOGY_JOINED)
        asked = ASK_ALIVE;
    else if (ring_successor_rank(&t->ring, &conn->node) == 1) {
        asked = ASK_SUCCESSOR;
        dest = rf_dest_resource(&after);
    } else if (ring_predecessor_rank(&t->ring, &conn->node) == 1) {
        asked = ASK_PREDECESSOR;
        dest = rf_dest_resource(&t->params.self);
    }
    conn->check = chord_call_route_query(t, conn, &dest, false, CHORD_CHECK_TRIES, check_done);
    if (conn->check)
        conn->check->kind = asked;
    t->counters->checks++;
}

static void check_if_quiet(struct rf_topology *t, const struct rf_id *node, uint64_t quiet_us)
{
    struct chord_conn *conn = chord_conn_find(t, node);
    if (conn && chord_now(t) - conn->heard_us >= quiet_us)
        chord_check(t, conn);
}

/* Has it shown by an Update since our tables changed that it sees us beside it? Then there is nothing to ask. */
static void ask_agreement(struct rf_topology *t, const struct rf_id *node, uint64_t quiet_us)
{
    const struct chord_conn *conn = chord_conn_find(t, node);
    if (conn && quiet_us == 0 && conn->agreed_us > t->changed_us)
        return;
    check_if_quiet(t, node, quiet_us);
}

static void keep_alive(struct rf_topology *t, const struct rf_id *node)
{
    struct chord_conn *conn = chord_conn_find(t, node);
    if (!t->host.keepalive)
        check_if_quiet(t, node, CHORD_QUIET_US);
    else if (conn && !conn->check)
        t->host.keepalive(t->host.ctx, conn->link, CHORD_QUIET_US);
}

void chord_check_round(struct rf_topology *t)
{
    chord_alarm_in(t, ALARM_CHECK, rf_rng_between(t->env->jitter, CHORD_CHECK_LOW_US, CHORD_CHECK_HIGH_US));
    if (t->params.role == RF_ROLE_CLIENT) {
        chord_client_check(t);
        return;
    }
    struct chord_tables tables = *t->tables; /* a check may change them */
    for (size_t i = 0; i < CHORD_WATCHED; i++) {
        if (i < tables.succ_count)
            keep_alive(t, &tables.succ[i]);
        if (i < tables.pred_count)
            keep_alive(t, &tables.pred[i]);
    }
}

void chord_agree_round(struct rf_topology *t)
{
    uint64_t quiet_us = t->agree_soon ? 0 : CHORD_AGREE_QUIET_US;
    t->agree_soon = false;
    chord_alarm_in(t, ALARM_AGREE, rf_rng_between(t->env->jitter, CHORD_AGREE_LOW_US, CHORD_AGREE_HIGH_US));
    if (t->tables->succ_count == 0)
        return;
    struct rf_id succ = t->tables->succ[0], pred = t->tables->pred[0], next;
    ask_agreement(t, &succ, quiet_us);
    ask_agreement(t, &pred, quiet_us);
    if (t->ring.count > 2) { /* and the others in turn */
        next = t->ring.peers[t->check_turn++ % t->ring.count].node;
        check_if_quiet(t, &next, CHORD_AGREE_QUIET_US);
    }
}

bool chord_hectic(const struct rf_topology *t)
{
    uint64_t oldest_us = t->lost_us[CHORD_HECTIC - 1];
    return oldest_us && chord_now(t) - oldest_us < CHORD_HECTIC_US;
}

void chord_agree_soon(struct rf_topology *t)
{
    uint64_t soon_us = chord_hectic(t) ? CHORD_AGREE_SOON_US / 5 : CHORD_AGREE_SOON_US;
    t->agree_soon = true;
    t->changed_us = chord_now(t);
    chord_alarm_soon(t, ALARM_AGREE, soon_us / 2 + rf_rng_below(t->env->jitter, soon_us));
}
