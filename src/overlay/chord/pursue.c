/*
 * pursue.c - attaches to the nodes that belong into our neighbor tables: of the peers that we route through and the candidates that
 * others named, the nearest ones on both sides (reload.md 5.5 step 3, 5.7, 5.8).
 *
 * A candidate without a link gets an Attach, source-routed through who named it. One with a link that has not shown to be a
 * peer is a joiner that will announce itself, a client, or its Update was lost: after a moment it is asked for one, a few times.
 */
#include <stdlib.h>

#include "overlay/chord/chord.h"

#define PULLS         3
#define PULL_FIRST_US (CHORD_S + CHORD_S / 2)

#define SLOW_US (2 * CHORD_S) /* a candidate that takes longer does not keep the next one waiting */

struct wish {
    struct rf_id distance, node, informer;
    bool wanted, slow;
};

static int compare_wishes(const void *a, const void *b)
{
    return rf_id_compare(&((const struct wish *)a)->distance, &((const struct wish *)b)->distance);
}

static bool is_slow(const struct rf_topology *t, const struct rf_id *node)
{
    const struct chord_conn *conn = chord_conn_find(t, node);
    return chord_attach_age(t, node) > SLOW_US || (conn && conn->pulls > 0);
}

static size_t usable(const struct rf_topology *t, struct wish out[CANDIDATES_MAX])
{
    size_t n = 0;
    for (size_t i = 0; i < t->candidates.count; i++) {
        const struct candidate *it = &t->candidates.list[i];
        if (candidate_usable(it, chord_now(t)) && !ring_find(&t->ring, &it->node))
            out[n++] = (struct wish){it->distance, it->node, it->informer, false, is_slow(t, &it->node)};
    }
    qsort(out, n, sizeof(out[0]), compare_wishes);
    return n;
}

/* Marks the candidates that are among the nearest when both are put in one order. */
static void mark_successors(const struct ring *ring, struct wish *wishes, size_t count)
{
    size_t i = 0, j = 0;
    for (size_t taken = 0; taken < ring->successor_count && j < count;) {
        if (i < ring->count && rf_id_compare(&ring->peers[i].distance, &wishes[j].distance) < 0) {
            i++;
            taken++;
        } else {
            wishes[j].wanted = true;
            taken += !wishes[j++].slow;
        }
    }
}

static void mark_predecessors(const struct ring *ring, struct wish *wishes, size_t count)
{
    size_t i = ring->count, j = count;
    for (size_t taken = 0; taken < ring->predecessor_count && j > 0;) {
        if (i > 0 && rf_id_compare(&ring->peers[i - 1].distance, &wishes[j - 1].distance) > 0) {
            i--;
            taken++;
        } else {
            wishes[--j].wanted = true;
            taken += !wishes[j].slow;
        }
    }
}

/* A linked node that has not sent an Update. Returns whether it may still come. */
static bool await_update(struct rf_topology *t, struct chord_conn *conn)
{
    uint64_t now = chord_now(t);
    if (conn->left)
        return false;
    bool comes_itself =
        t->state == RF_TOPOLOGY_JOINED || (conn->attached && now - conn->up_us < PULL_FIRST_US);
    if (conn->pulls == 0 && conn->pulled_us == 0 && comes_itself) {
        conn->pulled_us = now > CHORD_PULL_US ? now - CHORD_PULL_US + PULL_FIRST_US : 1;
        return true;
    }
    if (conn->pulled_us && now - conn->pulled_us < CHORD_PULL_US)
        return true;
    if (conn->pulls >= PULLS) {
        conn->pulls = 0;
        candidates_failed(&t->candidates, &conn->node, now);
        return false;
    }
    chord_pull(t, conn);
    return true;
}

/* Wakes when the rest of a candidate ends that we would want. */
static void wake_for_resting(struct rf_topology *t)
{
    uint64_t now = chord_now(t), first = UINT64_MAX;
    for (size_t i = 0; i < t->candidates.count; i++) {
        const struct candidate *it = &t->candidates.list[i];
        uint64_t at = candidate_usable_at(it, now);
        if (at > now && at < first && !ring_find(&t->ring, &it->node) &&
            ring_wants_neighbor(&t->ring, &it->node))
            first = at;
    }
    if (first != UINT64_MAX)
        chord_alarm_soon(t, ALARM_PURSUE, first - now);
}

size_t chord_pursue(struct rf_topology *t)
{
    struct wish wishes[CANDIDATES_MAX];
    size_t pending = 0;
    bool joining = t->state == RF_TOPOLOGY_JOINING && t->join.step >= STEP_INFORM && t->ring.count > 0;
    if (t->params.role != RF_ROLE_PEER || (t->state != RF_TOPOLOGY_JOINED && !joining))
        return 0;
    size_t count = usable(t, wishes);
    mark_successors(&t->ring, wishes, count);
    mark_predecessors(&t->ring, wishes, count);
    for (size_t i = 0; i < count; i++) {
        struct wish *wish = &wishes[i];
        if (!wish->wanted)
            continue;
        struct chord_conn *conn = chord_conn_find(t, &wish->node);
        if (conn)
            pending += await_update(t, conn);
        else {
            chord_attach(t, &wish->node, false, wish->informer.len ? &wish->informer : NULL, 0, FOR_NEIGHBOR,
                         true);
            pending++;
        }
    }
    if (pending)
        chord_alarm_soon(t, ALARM_PURSUE, CHORD_PURSUE_US);
    else
        wake_for_resting(t);
    return pending;
}
