/*
 * pursue.c - attaches to the nodes that belong into our neighbor tables: of the peers that we route through and the candidates that
 * others named, the nearest ones on both sides (reload.md 5.5 step 3, 5.7, 5.8).
 *
 * A candidate without a link gets an Attach, source-routed through who named it. One with a link that has not shown to be a
 * peer is a joiner that will announce itself, a client, or its Update was lost: after a moment it is asked for one, a few times.
 */
#include "overlay/chord/chord.h"

#define PULLS         3
#define PULL_FIRST_US (CHORD_S + CHORD_S / 2)

#define SLOW_US (2 * CHORD_S) /* a candidate that takes longer does not keep the next one waiting */

struct wish {
    const struct candidate *candidate;
    bool wanted;
    bool behind; /* wanted as predecessor, and not as successor */
};

struct wanted {
    struct candidate candidate;
    bool behind;
};

static bool is_slow(const struct rf_topology *t, const struct rf_id *node)
{
    const struct chord_conn *conn = chord_conn_find(t, node);
    return chord_attach_age(t, node) > SLOW_US || (conn && conn->pulls > 0);
}

/* Those that may be tried now, by ascending distance; there may be peers of the ring among them. */
static size_t usable(const struct rf_topology *t, struct wish out[CANDIDATES_MAX])
{
    size_t n = 0;
    for (size_t i = 0; i < t->candidates.count; i++)
        if (candidate_usable(&t->candidates.list[i], chord_now(t)))
            out[n++] = (struct wish){.candidate = &t->candidates.list[i]};
    return n;
}

/* Marks the candidates that are among the nearest when both are put in one order. */
static void mark_successors(const struct rf_topology *t, struct wish *wishes, size_t count)
{
    const struct ring *ring = &t->ring;
    size_t i = 0, j = 0;
    size_t most = ring->successor_goal > ring->successor_count ? ring->successor_goal : ring->successor_count;
    for (size_t taken = 0; taken < most && j < count;) {
        int order =
            i < ring->count ? rf_id_compare(&ring->peers[i].distance, &wishes[j].candidate->distance) : 1;
        j += order == 0; /* is in the ring */
        if (order <= 0) {
            i++;
            taken++;
        } else {
            wishes[j].wanted = true;
            taken += !is_slow(t, &wishes[j++].candidate->node);
        }
    }
}

static void mark_predecessors(const struct rf_topology *t, struct wish *wishes, size_t count)
{
    const struct ring *ring = &t->ring;
    size_t i = ring->count, j = count;
    size_t most =
        ring->predecessor_goal > ring->predecessor_count ? ring->predecessor_goal : ring->predecessor_count;
    for (size_t taken = 0; taken < most && j > 0;) {
        int order =
            i > 0 ? rf_id_compare(&ring->peers[i - 1].distance, &wishes[j - 1].candidate->distance) : -1;
        j -= order == 0;
        if (order >= 0) {
            i--;
            taken++;
        } else {
            struct wish *wish = &wishes[--j];
            wish->behind = !wish->wanted;
            wish->wanted = true;
            taken += !is_slow(t, &wish->candidate->node);
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

/*
 * When a peer goes, others move up at the ends of two tables: to each new successor belongs a new predecessor, and both want the same link. The one below
 * attaches; the one above waits a moment for it, but for its very first predecessor.
 */
static bool yields(struct rf_topology *t, const struct wanted *wish)
{
    if (t->state != RF_TOPOLOGY_JOINED || !wish->behind)
        return false;
    const struct ring_peer *first = t->ring.count ? &t->ring.peers[t->ring.count - 1] : NULL;
    if (!first || rf_id_compare(&wish->candidate.distance, &first->distance) > 0)
        return false;
    return candidates_wanted(&t->candidates, &wish->candidate.node, chord_now(t)) < CHORD_YIELD_US;
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

/* The candidates that belong into our tables, copied: trying one may change the table. */
static size_t wanted(const struct rf_topology *t, struct wanted out[CANDIDATES_MAX])
{
    struct wish wishes[CANDIDATES_MAX];
    size_t count = usable(t, wishes), n = 0;
    mark_successors(t, wishes, count);
    mark_predecessors(t, wishes, count);
    for (size_t i = 0; i < count; i++)
        if (wishes[i].wanted)
            out[n++] = (struct wanted){*wishes[i].candidate, wishes[i].behind};
    return n;
}

size_t chord_pursue(struct rf_topology *t)
{
    struct wanted list[CANDIDATES_MAX];
    size_t pending = 0;
    bool joining = t->state == RF_TOPOLOGY_JOINING && t->join.step >= STEP_INFORM && t->ring.count > 0;
    if (t->params.role != RF_ROLE_PEER || (t->state != RF_TOPOLOGY_JOINED && !joining))
        return 0;
    size_t count = wanted(t, list);
    for (size_t i = 0; i < count; i++) {
        const struct candidate *wish = &list[i].candidate;
        struct chord_conn *conn = chord_conn_find(t, &wish->node);
        if (conn)
            pending += await_update(t, conn);
        else if (yields(t, &list[i]))
            pending++;
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
    if (pending == 0 && ring_grown(&t->ring))
        chord_settle(t, NO_LOSS);
    return pending;
}
