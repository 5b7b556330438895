/*
 * tables.c - what follows from a change of the neighbor tables (reload.md 5.7, 5.8).
 *
 *   a node became neighbor         it gets our neighbors-Update
 *   any change, reactive           so does every neighbor
 *   our predecessor changed        so does everybody in the Connection Table, clients included; storage is told
 *   another change near us         storage is told; after a failure only when the hold-down is over
 *   nobody is left                 a ring of two is now a ring of one; out of a larger ring we join again
 */
#include "overlay/chord/chord.h"

static bool has(const struct rf_id *list, size_t count, const struct rf_id *id)
{
    for (size_t i = 0; i < count; i++)
        if (rf_id_equal(&list[i], id))
            return true;
    return false;
}

static bool same(const struct rf_id *a, size_t a_count, const struct rf_id *b, size_t b_count, size_t first)
{
    size_t n = a_count < first ? a_count : first;
    if (n != (b_count < first ? b_count : first))
        return false;
    for (size_t i = 0; i < n; i++)
        if (!rf_id_equal(&a[i], &b[i]))
            return false;
    return true;
}

static bool is_in(const struct chord_tables *tables, const struct rf_id *id)
{
    return has(tables->succ, tables->succ_count, id) || has(tables->pred, tables->pred_count, id);
}

static void read_tables(const struct rf_topology *t, struct chord_tables *out)
{
    out->succ_count = ring_successors(&t->ring, out->succ, RING_MAX_NEIGHBORS);
    out->pred_count = ring_predecessors(&t->ring, out->pred, RING_MAX_NEIGHBORS);
}

/* Everybody new in the tables gets our Update; nodes that stay in no table begin their time of grace. */
static void greet_neighbors(struct rf_topology *t, const struct chord_tables *old)
{
    RF_LIST_EACH(&t->conn_list, it)
    {
        struct chord_conn *conn = RF_LIST_ENTRY(it, struct chord_conn, list);
        if (!conn->peer)
            continue;
        if (is_in(&t->tables, &conn->node) && !is_in(old, &conn->node))
            chord_owe(t, conn, OWE_NEIGHBORS);
        if (!is_in(&t->tables, &conn->node) && is_in(old, &conn->node))
            conn->needed_us = chord_now(t);
    }
}

static void tell_storage(struct rf_topology *t, const struct chord_tables *old, enum chord_loss loss)
{
    const struct chord_tables *now = &t->tables;
    bool range = !same(now->pred, now->pred_count, old->pred, old->pred_count, 1);
    bool holders = !same(now->pred, now->pred_count, old->pred, old->pred_count, 3) ||
                   !same(now->succ, now->succ_count, old->succ, old->succ_count, 2);
    if (range)
        t->counters.range_changes++;
    if (range || (holders && loss == NO_LOSS)) {
        chord_alarm_stop(t, ALARM_HOLD);
        t->host.range_changed(t->host.ctx);
    } else if (holders)
        chord_alarm_soon(t, ALARM_HOLD, t->params.hold_down_us);
}

/* Nobody is left. Was it a ring of two, or did we fall out of a larger one a moment ago? */
static void lost_everybody(struct rf_topology *t, enum chord_loss loss)
{
    bool crowd = t->crowd_us && chord_now(t) - t->crowd_us < CHORD_CROWD_US;
    if (t->first || !crowd || loss == LOSS_BY_LEAVE) {
        chord_log(t, INFO, "no other peer is left: alone in the ring");
        t->alone_wait_us = CHORD_ALONE_US;
        chord_alarm_in(t, ALARM_PARTITION, chord_about(t, CHORD_S));
        return;
    }
    chord_log(t, WARN, "all peers of the ring are lost: joining again");
    t->counters.rejoins++;
    chord_maintain_stop(t);
    chord_set_state(t, RF_TOPOLOGY_JOINING);
    chord_join_start(t, rf_rng_below(t->env.jitter, CHORD_BACKOFF_US));
}

void chord_settle(struct rf_topology *t, enum chord_loss loss)
{
    struct chord_tables old = t->tables;
    ring_tune(&t->ring);
    read_tables(t, &t->tables);
    if (t->state != RF_TOPOLOGY_JOINED || t->params.role == RF_ROLE_CLIENT)
        return;
    if (old.succ_count > 1 || old.pred_count > 1)
        t->crowd_us = chord_now(t);
    if (same(old.succ, old.succ_count, t->tables.succ, t->tables.succ_count, RING_MAX_NEIGHBORS) &&
        same(old.pred, old.pred_count, t->tables.pred, t->tables.pred_count, RING_MAX_NEIGHBORS))
        return;
    if (t->ring.count == 0)
        lost_everybody(t, loss);
    if (t->state == RF_TOPOLOGY_JOINED) {
        chord_agree_soon(t);
        greet_neighbors(t, &old);
        if (t->params.reactive)
            chord_owe_neighbors(t);
        if (!same(old.pred, old.pred_count, t->tables.pred, t->tables.pred_count, 1))
            chord_owe_all(t);
    }
    tell_storage(t, &old, loss); /* last: it may call us */
}

void chord_peer_up(struct rf_topology *t, struct chord_conn *conn)
{
    conn->peer = true;
    conn->pulls = 0;
    candidates_alive(&t->candidates, &conn->node);
    int error = ring_add(&t->ring, &conn->node);
    if (error == RF_EEXIST)
        return;
    if (error) {
        t->counters.no_memory += error == RF_ENOMEM;
        conn->peer = false; /* until its next Update */
        return;
    }
    ring_find(&t->ring, &conn->node)->avoid = conn->suspect;
    ring_measured(&t->ring, &conn->node, conn->rtt_us);
    conn->needed_us = chord_now(t);
    if (t->state == RF_TOPOLOGY_JOINED && t->params.role == RF_ROLE_PEER && !conn->told)
        chord_owe(t, conn, OWE_READY);
    chord_settle(t, NO_LOSS);
}

/* What is remembered of a node that is gone: when to try it again. */
static void remember_lost(struct rf_topology *t, const struct rf_id *node, enum chord_lost how)
{
    uint64_t now = chord_now(t);
    if (how == LOST_LINK)
        candidates_rest(&t->candidates, node, now, now + chord_about(t, CHORD_REATTACH_US));
    if (how == LOST_DEAD || how == LOST_LEFT)
        candidates_failed(&t->candidates, node, now);
}

void chord_peer_lost(struct rf_topology *t, struct chord_conn *conn, enum chord_lost how)
{
    struct rf_id node = conn->node;
    bool was_neighbor = is_in(&t->tables, &node);
    bool was_peer = conn->peer;
    conn->peer = false;
    conn->owe = OWE_NOTHING;
    if (conn->handover) {
        conn->handover = false;
        t->handover_count--;
    }
    if (how == LOST_DEAD)
        chord_conn_release(t, conn);
    else if (how == LOST_LINK)
        chord_conn_free(t, conn);
    if (how == LOST_LINK || how == LOST_DEAD)
        chord_attaches_lost(t, &node);
    const struct ring_peer *peer = ring_find(&t->ring, &node);
    bool was_finger = peer && peer->finger;
    bool was_in_ring = ring_remove(&t->ring, &node);
    if (was_peer)
        remember_lost(t, &node, how);
    if (was_neighbor && t->state == RF_TOPOLOGY_JOINED && t->params.role == RF_ROLE_PEER) {
        t->counters.neighbors_lost++;
        memmove(&t->lost_us[1], &t->lost_us[0], sizeof(t->lost_us) - sizeof(t->lost_us[0]));
        t->lost_us[0] = chord_now(t);
        t->host.neighbor_lost(t->host.ctx, &node);
    }
    if (was_in_ring)
        chord_settle(t, how == LOST_LEFT ? LOSS_BY_LEAVE : LOSS_BY_FAILURE);
    if (t->params.role == RF_ROLE_CLIENT)
        chord_client_lost(t, &node);
    else {
        chord_join_lost(t, &node);
        chord_pursue(t);
        if (t->state == RF_TOPOLOGY_JOINED && (was_finger || was_neighbor)) {
            t->finger_wait_us = CHORD_FINGER_LOW_US;
            chord_alarm_soon(t, ALARM_FINGERS, chord_about(t, CHORD_S));
        }
    }
}

void chord_joined(struct rf_topology *t)
{
    bool again = t->was_joined;
    chord_join_stop(t);
    t->was_joined = true;
    t->counters.joins++;
    read_tables(t, &t->tables);
    t->state = RF_TOPOLOGY_JOINED; /* before anything is sent: what is asked back must see it */
    RF_LIST_EACH(&t->conn_list, it)
    {
        struct chord_conn *conn = RF_LIST_ENTRY(it, struct chord_conn, list);
        if (is_in(&t->tables, &conn->node))
            chord_owe(t, conn, OWE_NEIGHBORS);
        else if (conn->peer)
            chord_owe(t, conn, OWE_READY);
        else if (conn->owe != OWE_NOTHING)
            chord_alarm_soon(t, ALARM_FLUSH, 0); /* asked while we had no place */
    }
    chord_flush(t);
    chord_log(t, INFO, "%s the ring: %zu peers known", again ? "back in" : "in", t->ring.count);
    chord_maintain_start(t);
    t->host.state(t->host.ctx, RF_TOPOLOGY_JOINED);
    t->host.range_changed(t->host.ctx);
}

void chord_alone(struct rf_topology *t)
{
    t->alone_wait_us = CHORD_ALONE_US;
    chord_joined(t);
}

void chord_maintain_start(struct rf_topology *t)
{
    uint64_t random_check = rf_rng_between(t->env.jitter, CHORD_S, CHORD_CHECK_HIGH_US);
    t->finger_wait_us = CHORD_FINGER_LOW_US;
    chord_alarm_in(t, ALARM_CHECK, random_check);
    chord_agree_soon(t);
    chord_alarm_in(t, ALARM_STABILIZE, chord_about(t, CHORD_S * 20));
    chord_alarm_in(t, ALARM_FINGERS, chord_about(t, CHORD_S));
    t->nearer_tries = 0;
    chord_alarm_in(t, ALARM_NEARER, chord_about(t, CHORD_NEARER_US));
    chord_alarm_soon(t, ALARM_SWEEP, CHORD_SWEEP_US);
    uint64_t partition =
        t->ring.count ? chord_about(t, t->params.update_interval_us) : chord_about(t, CHORD_ALONE_US);
    chord_alarm_in(t, ALARM_PARTITION, partition);
    chord_alarm_soon(t, ALARM_PURSUE, CHORD_PURSUE_US);
}

void chord_maintain_stop(struct rf_topology *t)
{
    static const enum chord_alarm alarms[] = {ALARM_FLUSH,     ALARM_CHECK,   ALARM_AGREE,
                                              ALARM_STABILIZE, ALARM_FINGERS, ALARM_NEARER,
                                              ALARM_PARTITION, ALARM_HOLD,    ALARM_HANDOVER};
    for (size_t i = 0; i < RF_COUNT(alarms); i++)
        chord_alarm_stop(t, alarms[i]);
    t->partition_waiting = false;
}
