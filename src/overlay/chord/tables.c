/*
 * tables.c - what follows from a change of the neighbor tables (reload.md 5.7, 5.8).
 *
 *   a node became neighbor         it gets our neighbors-Update
 *   our successors changed         so does our first predecessor, whose next ones they are (reactive)
 *   our predecessors changed       likewise our first successor
 *   a near neighbor fell silent    so does every neighbor: only the nearest look after each other. (A link that breaks shows to everybody at once)
 *   our predecessor changed        so does everybody else in the Connection Table: clients at once, other peers some time; storage is told
 *   another change near us         storage is told; after a failure, but not a Leave, only when the hold-down is over
 *   a neighbor's link is new       it may have started anew, even without its disk: to storage it was lost and is back
 *   nobody is left                 a ring of two is now a ring of one; out of a larger ring we join again
 */
#include "overlay/chord/chord.h"

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

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

int chord_tables_set(struct rf_topology *t, bool peer)
{
    static const struct chord_tables none = {.succ_count = 0};
    struct chord_tables *tables =
        peer ? rf_zalloc(t->env->mem, sizeof(*tables)) : (struct chord_tables *)&none; /* never written to */
    if (tables == NULL)
        return RF_ENOMEM;
    if (t->tables != &none)
        rf_free(t->env->mem, t->tables);
    t->tables = tables;
    return 0;
}

static void read_tables(const struct rf_topology *t, struct chord_tables *out)
{
    out->succ_count = ring_successors(&t->ring, out->succ, RING_MAX_NEIGHBORS);
    out->pred_count = ring_predecessors(&t->ring, out->pred, RING_MAX_NEIGHBORS);
}

/* Has the node that just came been told of our tables as they were until then? Only that it stands in them now is new, and that it knows itself. */
static bool is_told(const struct rf_topology *t, const struct chord_conn *newcomer)
{
    return newcomer->told_tables == t->tables_count - 1 &&
           ring_successor_rank(&t->ring, &newcomer->node) != 1 &&
           ring_predecessor_rank(&t->ring, &newcomer->node) != 1; /* those beside us hear that we agree */
}

/* Everybody new in the tables gets our Update; nodes that stay in no table begin their time of grace. */
static void greet_neighbors(struct rf_topology *t, const struct chord_tables *old,
                            const struct chord_conn *newcomer)
{
    RF_LIST_EACH(&t->conn_list, it)
    {
        struct chord_conn *conn = RF_LIST_ENTRY(it, struct chord_conn, list);
        if (!conn->peer)
            continue;
        if (is_in(t->tables, &conn->node) && !is_in(old, &conn->node) &&
            (conn != newcomer || !is_told(t, conn)))
            chord_owe(t, conn, t->params.self_tuning ? OWE_READY : OWE_NEIGHBORS);
        if (!is_in(t->tables, &conn->node) && is_in(old, &conn->node))
            conn->needed_us = chord_now(t);
    }
}

/* The nodes beside us pass on what they learn, each to the one behind it, so that everybody hears of a change once. */
static void tell_next(struct rf_topology *t, const struct rf_id *list, size_t count)
{
    struct chord_conn *conn = count ? chord_conn_find(t, &list[0]) : NULL;
    if (conn)
        chord_owe_within(t, conn, OWE_NEIGHBORS, CHORD_NEXT_ROUND_US);
}

static void tell_storage(struct rf_topology *t, const struct chord_tables *old, enum chord_loss loss)
{
    const struct chord_tables *now = t->tables;
    bool range = !same(now->pred, now->pred_count, old->pred, old->pred_count, 1);
    bool holders = !same(now->pred, now->pred_count, old->pred, old->pred_count, 3) ||
                   !same(now->succ, now->succ_count, old->succ, old->succ_count, 2);
    if (range)
        t->counters->range_changes++;
    if (range || (holders && (loss == NO_LOSS || loss == LOSS_BY_LEAVE))) {
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
    t->counters->rejoins++;
    chord_maintain_stop(t);
    chord_set_state(t, RF_TOPOLOGY_JOINING);
    chord_join_start(t, rf_rng_below(t->env->jitter, CHORD_BACKOFF_US));
}

/* newcomer: who was put into the ring just now, and is all that changed; NULL: nobody. */
static void settle(struct rf_topology *t, enum chord_loss loss, const struct chord_conn *newcomer)
{
    struct chord_tables old = *t->tables;
    chord_tune(t);
    ring_tune(&t->ring);
    if (ring_grows(&t->ring))
        chord_alarm_soon(t, ALARM_PURSUE, 0);
    if (t->params.role == RF_ROLE_CLIENT)
        return;
    read_tables(t, t->tables);
    if (t->state != RF_TOPOLOGY_JOINED)
        return;
    if (old.succ_count > 1 || old.pred_count > 1)
        t->crowd_us = chord_now(t);
    bool succ = !same(old.succ, old.succ_count, t->tables->succ, t->tables->succ_count, RING_MAX_NEIGHBORS);
    bool pred = !same(old.pred, old.pred_count, t->tables->pred, t->tables->pred_count, RING_MAX_NEIGHBORS);
    if (!succ && !pred)
        return;
    t->tables_count++;
    if (t->ring.count == 0)
        lost_everybody(t, loss);
    if (t->state == RF_TOPOLOGY_JOINED) {
        chord_agree_soon(t);
        greet_neighbors(t, &old, newcomer);
        if (t->params.reactive && succ)
            tell_next(t, t->tables->pred, t->tables->pred_count);
        if (t->params.reactive && pred)
            tell_next(t, t->tables->succ, t->tables->succ_count);
        if (t->params.reactive && loss == LOSS_BY_SILENCE)
            chord_owe_neighbors(t);
        if (!same(old.pred, old.pred_count, t->tables->pred, t->tables->pred_count, 1))
            chord_owe_range(t);
    }
    tell_storage(t, &old, loss); /* last: it may call us */
}

void chord_settle(struct rf_topology *t, enum chord_loss loss)
{
    settle(t, loss, NULL);
}

/* Who links with us routes by the neighbors that we name, where peers live long enough for that to stay true. */
static enum chord_owe greeting(const struct rf_topology *t)
{
    return chord_life_s(t) < CHORD_NEARER_LIFE_S ? OWE_READY : OWE_NEIGHBORS;
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
        t->counters->no_memory += error == RF_ENOMEM;
        conn->peer = false; /* until its next Update */
        return;
    }
    ring_find(&t->ring, &conn->node)->avoid = conn->suspect;
    ring_measured(&t->ring, &conn->node, conn->rtt_us);
    conn->needed_us = chord_now(t);
    if (t->state == RF_TOPOLOGY_JOINED && t->params.role == RF_ROLE_PEER && !conn->told)
        chord_owe(t, conn, greeting(t));
    settle(t, NO_LOSS, conn);
}

/* What is remembered of a node that is gone: when to try it again. */
static void remember_lost(struct rf_topology *t, const struct rf_id *node, enum chord_lost how)
{
    uint64_t now = chord_now(t);
    if (how == LOST_LINK || how == LOST_RELEASED)
        candidates_lost(&t->candidates, node, now, now + CHORD_REATTACH_US);
    if (how == LOST_DEAD || how == LOST_LEFT)
        candidates_failed(&t->candidates, node, now);
}

void chord_peer_lost(struct rf_topology *t, struct chord_conn *conn, enum chord_lost how)
{
    struct rf_id node = conn->node;
    bool was_neighbor = is_in(t->tables, &node);
    bool was_peer = conn->peer;
    bool is_watched =
        was_neighbor && (has(t->tables->succ, smaller(t->tables->succ_count, CHORD_WATCHED), &node) ||
                         has(t->tables->pred, smaller(t->tables->pred_count, CHORD_WATCHED), &node));
    conn->peer = false;
    conn->owe = OWE_NOTHING;
    if (conn->handover) {
        conn->handover = false;
        t->handover_count--;
    }
    if (how == LOST_DEAD)
        chord_conn_release(t, conn);
    else if (how == LOST_LINK || how == LOST_RELEASED)
        chord_conn_free(t, conn);
    if (how == LOST_LINK || how == LOST_RELEASED || how == LOST_DEAD)
        chord_attaches_lost(t, &node);
    const struct ring_peer *peer = ring_find(&t->ring, &node);
    bool was_finger = peer && peer->finger;
    if (how == LOST_LEFT && was_neighbor && t->state == RF_TOPOLOGY_JOINED && t->params.role == RF_ROLE_PEER)
        t->host.neighbor_lost(t->host.ctx, &node); /* now: it will not return, so nobody stands in for it */
    bool was_in_ring = ring_remove(&t->ring, &node);
    if (was_peer)
        remember_lost(t, &node, how);
    if (was_neighbor && t->state == RF_TOPOLOGY_JOINED && t->params.role == RF_ROLE_PEER) {
        t->counters->neighbors_lost++;
        memmove(&t->lost_us[1], &t->lost_us[0], sizeof(t->lost_us) - sizeof(t->lost_us[0]));
        t->lost_us[0] = chord_now(t);
        if (how != LOST_LEFT)
            t->host.neighbor_lost(t->host.ctx, &node);
        if (how == LOST_LINK || how == LOST_RELEASED || how == LOST_DEAD)
            chord_lost_note(t, &node);
    }
    if (was_in_ring && how != LOST_DEMOTED && how != LOST_RELEASED)
        chord_tuning_lost(t);
    if (was_in_ring)
        chord_settle(t, how == LOST_LEFT                 ? LOSS_BY_LEAVE
                        : how == LOST_DEAD && is_watched ? LOSS_BY_SILENCE
                                                         : LOSS_BY_FAILURE);
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

void chord_peer_anew(struct rf_topology *t, const struct rf_id *node)
{
    if (t->state != RF_TOPOLOGY_JOINED || t->params.role != RF_ROLE_PEER || !is_in(t->tables, node))
        return;
    t->host.neighbor_lost(t->host.ctx, node);
    chord_alarm_soon(t, ALARM_HOLD, 0);
}

void chord_joined(struct rf_topology *t)
{
    bool again = t->was_joined;
    chord_join_stop(t);
    t->was_joined = true;
    t->counters->joins++;
    read_tables(t, t->tables);
    t->tables_count++;
    t->state = RF_TOPOLOGY_JOINED; /* before anything is sent: what is asked back must see it */
    RF_LIST_EACH(&t->conn_list, it)
    {
        struct chord_conn *conn = RF_LIST_ENTRY(it, struct chord_conn, list);
        if (is_in(t->tables, &conn->node))
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
    uint64_t random_check = rf_rng_between(t->env->jitter, CHORD_S, CHORD_CHECK_HIGH_US);
    t->finger_wait_us = CHORD_FINGER_LOW_US;
    chord_alarm_in(t, ALARM_CHECK, random_check);
    chord_agree_soon(t);
    chord_alarm_in(t, ALARM_STABILIZE, chord_about(t, CHORD_S * 20));
    chord_alarm_in(t, ALARM_FINGERS, chord_about(t, CHORD_S));
    t->nearer_tries = 0;
    chord_alarm_in(t, ALARM_NEARER, chord_about(t, CHORD_NEARER_US));
    chord_alarm_soon(t, ALARM_SWEEP, CHORD_SWEEP_US);
    uint64_t partition = t->ring.count ? chord_about(t, CHORD_PARTITION_US) : chord_about(t, CHORD_ALONE_US);
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
