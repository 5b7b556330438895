/*
 * maintain.c - periodic work of a peer: the Update to each neighbor, the search for fingers, the check for a partition, and giving up
 * links that no table needs (reload.md 5.8).
 */
#include "overlay/chord/chord.h"

/* Every neighbor gets an Update once in update_interval_us; one after the other, so that they are spread. */
void chord_stabilize(struct rf_topology *t)
{
    if (t->params.self_tuning) {
        chord_selftune(t);
        return;
    }
    size_t count = t->tables->succ_count + t->tables->pred_count;
    chord_alarm_in(t, ALARM_STABILIZE, chord_about(t, t->params.update_interval_us / (count ? count : 1)));
    if (count == 0)
        return;
    size_t turn = t->stabilize_turn++ % count;
    const struct rf_id *node = turn < t->tables->succ_count ? &t->tables->succ[turn]
                                                            : &t->tables->pred[turn - t->tables->succ_count];
    struct chord_conn *conn = chord_conn_find(t, node);
    if (conn)
        chord_owe(t, conn, OWE_NEIGHBORS);
}

/* ---- fingers ---- */

static void want_finger(struct rf_topology *t, const struct rf_id *node, const struct rf_id *informer)
{
    struct chord_conn *conn = chord_conn_find(t, node);
    if (conn && !conn->peer)
        chord_pull(t, conn);
    else if (!conn)
        chord_attach(t, node, false, informer, 0, FOR_FINGER, true);
}

static void finger_pinged(struct chord_call *call, const struct rf_reply *reply)
{
    struct rf_topology *t = call->t;
    if (reply->error || !reply->signer || t->state != RF_TOPOLOGY_JOINED)
        return;
    const struct rf_id *found = &reply->signer->node_id;
    if (rf_id_equal(found, &t->params.self) || ring_find(&t->ring, found))
        return;
    size_t slot = ring_slot_of(&t->ring, found);
    if (!ring_slot_missing(&t->ring, slot) && !ring_wants_neighbor(&t->ring, found))
        return; /* the interval that was asked for is empty, and the one it lies in is not */
    t->finger_wait_us = CHORD_FINGER_LOW_US;
    want_finger(t, found, NULL);
}

/* A candidate that was named in an Update and lies in the slot. */
static const struct candidate *candidate_in(const struct rf_topology *t, size_t slot)
{
    const struct candidate *best = NULL;
    for (size_t i = 0; i < t->candidates.count; i++) {
        const struct candidate *it = &t->candidates.list[i];
        if (ring_slot_of(&t->ring, &it->node) == slot && candidate_usable(it, chord_now(t)) &&
            (!best || it->seen_us > best->seen_us))
            best = it;
    }
    return best;
}

/* Somebody is in charge of the key, and if the slot is no small one it is somebody in the slot. */
static void search_slot(struct rf_topology *t, size_t slot, const struct rf_id *key)
{
    if (ring_slot_peers(&t->ring, slot) >= CHORD_FINGER_SURE) {
        chord_attach(t, key, true, NULL, 0, FOR_FINGER, true);
        return;
    }
    t->counters->finger_pings++;
    chord_call_ping(t, key, NULL, 0, finger_pinged);
}

void chord_fingers_search(struct rf_topology *t)
{
    size_t slots = ring_slots(&t->ring), pings = 0, missing = 0;
    if (t->state != RF_TOPOLOGY_JOINED)
        return;
    for (size_t slot = 0; slot < slots; slot++) {
        if (!ring_slot_missing(&t->ring, slot))
            continue;
        missing++;
        const struct candidate *candidate = candidate_in(t, slot);
        if (candidate && !chord_attaching(t, &candidate->node)) {
            struct rf_id node = candidate->node, informer = candidate->informer;
            t->finger_wait_us = CHORD_FINGER_LOW_US;
            want_finger(t, &node, informer.len ? &informer : NULL);
        } else if (!candidate && pings < CHORD_FINGER_PINGS && rf_rng_below(t->env->jitter, 2)) {
            struct rf_id key = ring_slot_random(&t->ring, slot, t->env->jitter);
            pings++;
            search_slot(t, slot, &key);
        }
    }
    chord_alarm_in(t, ALARM_FINGERS,
                   chord_about(t, missing ? t->finger_wait_us : t->params.ping_interval_us));
    if (t->finger_wait_us < t->params.ping_interval_us)
        t->finger_wait_us *= 2;
}

/*
 * ---- nearer fingers ----
 *
 * Now and then a node of a slot that has a finger already is linked with: which of both stays is elected by their round trips, the other link
 * is given up by the sweep. The slot is that of a random key, so those are tried most that most messages take.
 */

static void try_finger(struct rf_topology *t, const struct rf_id *node, const struct rf_id *informer)
{
    t->counters->fingers_tried++;
    chord_attach(t, node, false, informer, 0, FOR_FINGER, true);
}

static void nearer_pinged(struct chord_call *call, const struct rf_reply *reply)
{
    struct rf_topology *t = call->t;
    if (reply->error || !reply->signer || t->state != RF_TOPOLOGY_JOINED)
        return;
    const struct rf_id *found = &reply->signer->node_id;
    if (!rf_id_equal(found, &t->params.self) && !chord_conn_find(t, found) &&
        ring_slot_of(&t->ring, found) == ring_slot_of(&t->ring, &call->key))
        try_finger(t, found, NULL);
}

void chord_fingers_nearer(struct rf_topology *t)
{
    struct rf_id key = {.len = t->params.self.len};
    uint64_t wait_us = CHORD_NEARER_US << (t->nearer_tries / CHORD_NEARER_TRIES);
    bool rare = wait_us >= t->params.update_interval_us;
    t->nearer_tries += !rare;
    chord_alarm_in(t, ALARM_NEARER, chord_about(t, rare ? t->params.update_interval_us : wait_us));
    if (chord_life_s(t) < CHORD_NEARER_LIFE_S)
        return;
    rf_rng_fill(t->env->jitter, key.b, key.len);
    size_t slot = ring_slot_of(&t->ring, &key);
    if (ring_is_whole(&t->ring) || !ring_slot_far_finger(&t->ring, slot))
        return;
    const struct candidate *candidate = candidate_in(t, slot);
    if (candidate && !chord_conn_find(t, &candidate->node) && rf_rng_below(t->env->jitter, 2)) {
        struct rf_id node = candidate->node, informer = candidate->informer;
        try_finger(t, &node, informer.len ? &informer : NULL);
        return;
    }
    chord_call_ping(t, &key, NULL, 0, nearer_pinged);
}

/* ---- partition check: does a bootstrap node see the ring as we do? (D27) ---- */

static void partition_answered(struct chord_call *call, const struct rf_reply *reply)
{
    struct rf_topology *t = call->t;
    if (reply->error || !reply->signer || t->state != RF_TOPOLOGY_JOINED)
        return;
    struct rf_id found = reply->signer->node_id;
    bool same_ring = rf_id_equal(&found, &t->params.self) ||
                     (t->tables->succ_count > 0 && rf_id_equal(&found, &t->tables->succ[0]));
    if (same_ring)
        return;
    t->counters->partitions_found++;
    chord_log(t, WARN, "a bootstrap node knows another peer in our place: merging");
    struct chord_conn *conn = chord_conn_find(t, &found);
    if (conn) {
        chord_owe(t, conn, OWE_NEIGHBORS);
        chord_pull(t, conn);
    } else
        chord_attach(t, &found, false, &call->key, call->link, FOR_PARTITION, false);
}

/*
 * All peers together make about CHORD_PARTITION_COUNT checks in CHORD_PARTITION_US, however many they are: each one's turn is drawn. So a large ring
 * does not drown the bootstrap nodes, and a ring that has a twin hears of it within a minute or so.
 */
static bool has_turn(struct rf_topology *t)
{
    double chance = CHORD_PARTITION_COUNT / t->ring.size;
    return t->ring.count == 0 || chance >= 1 || rf_rng_below(t->env->jitter, 1000000) < chance * 1e6;
}

void chord_partition_check(struct rf_topology *t)
{
    uint64_t most = t->params.update_interval_us, wait;
    most = most < CHORD_PARTITION_US ? most : CHORD_PARTITION_US;
    wait = most;
    if (t->ring.count == 0 && t->alone_wait_us < most) {
        wait = t->alone_wait_us;
        t->alone_wait_us *= 2;
    }
    chord_alarm_in(t, ALARM_PARTITION, rf_rng_between(t->env->jitter, wait / 2, wait + wait / 2));
    if (!has_turn(t))
        return;
    t->counters->partition_checks++;
    t->partition_waiting = true;
    t->host.bootstrap(t->host.ctx);
}

void chord_partition_link(struct rf_topology *t, struct chord_conn *boot)
{
    struct rf_id after = rf_id_add_small(&t->params.self, 1);
    t->partition_waiting = false;
    struct chord_call *call = chord_call_ping(t, &after, &boot->node, boot->link, partition_answered);
    if (call)
        call->key = boot->node;
}

/* ---- links that nobody needs ---- */

static bool is_needed(const struct rf_topology *t, const struct chord_conn *conn)
{
    if (t->state == RF_TOPOLOGY_JOINING && rf_id_equal(&conn->node, &t->join.boot))
        return true;
    /* the other side's tables may be larger than ours: it repeats what it needs once in update_interval_us */
    if (conn->named_us && chord_now(t) - conn->named_us < 2 * t->params.update_interval_us)
        return true;
    const struct ring_peer *peer = ring_find(&t->ring, &conn->node);
    return peer && (peer->finger || ring_is_neighbor(&t->ring, &conn->node));
}

void chord_sweep(struct rf_topology *t)
{
    uint64_t now = chord_now(t);
    if (t->params.role == RF_ROLE_CLIENT) {
        chord_client_sweep(t);
        return;
    }
    chord_alarm_in(t, ALARM_SWEEP, chord_about(t, CHORD_SWEEP_US));
    chord_attaches_expire(t);
    if (t->params.role == RF_ROLE_PEER) { /* lives get longer or shorter: so may the tables */
        chord_settle(t, NO_LOSS);
        chord_pursue(t);
    }
    RF_LIST_EACH_SAFE(&t->conn_list, it)
    {
        struct chord_conn *conn = RF_LIST_ENTRY(it, struct chord_conn, list);
        conn->bad_hints /= 2;
        if (is_needed(t, conn) || conn->handover)
            conn->needed_us = now;
        if (!conn->wanted || conn->check || now - conn->needed_us < CHORD_GRACE_US)
            continue;
        t->counters->links_released++;
        ring_remove(&t->ring, &conn->node); /* in no table: nothing else changes */
        chord_conn_release(t, conn);
    }
}
