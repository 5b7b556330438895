/*
 * tuning.c - how long peers live here, and how many links that makes worth while.
 *
 * A link costs its making (an Attach over some hops, a handshake, an Update either way), whatever it then is used for. Where peers stay for minutes only,
 * tables of the usual size would be made anew all the time: so a node keeps the fewer links the shorter the lives that it sees, the neighbors first.
 * Neighbor tables of different sizes stand side by side then. None is larger by more than one than that of the neighbor beside it, which passes on what
 * happens further out (tables.c): so everybody hears of all in its own tables.
 *
 * What is known of a mean life:
 *   - ages: peers tell their uptime in every Update. Of lives that end by chance the median age is ln 2 times the mean, and the oldest of some peers is
 *     four or five medians old. Where nobody is, the ring itself is young: peers came, but none has gone, and their ages tell nothing.
 *   - losses, as RFC 7363 has it: linked peers x time / peers lost.
 * The estimate is that of the losses, begun with some that are made up: as if a few peers had been lost after lives as the ages tell. Where they tell nothing, it is
 * half a loss after a life that makes all links worth while: nobody takes a young ring for one that peers leave.
 * A link that the other side gave up is no loss.
 */
#include <stdlib.h>

#include "overlay/chord/chord.h"

#define LN2            0.693
#define AGES_LEAST     3 /* fewer tell nothing */
#define YOUNG          3 /* the oldest peer is less than so many medians old: by chance 1.5% of 30, 15% of 12 */
#define AGES_WEIGHT    3.0   /* losses that the ages count for */
#define UNKNOWN_S      900.0 /* a life that limits nothing ... */
#define UNKNOWN_WEIGHT 0.5   /* ... counts for so much of a loss */
#define QUIET_PART                                                                                           \
    4 /* no loss for so many times the mean wait for one: the storm is over, whatever was before (by chance 1.8%) */
#define RETUNE_PART 0.3 /* the estimate must change by that part to change anything */

struct chord_tuning *chord_tuning_own(struct rf_topology *t)
{
    if (!t->tuning)
        t->tuning = rf_zalloc(t->env->mem, sizeof(*t->tuning));
    t->counters->no_memory += !t->tuning;
    return t->tuning;
}

size_t chord_tuning_losses(const struct rf_topology *t)
{
    return t->tuning ? t->tuning->lost_count : 0;
}

void chord_tuning_lost(struct rf_topology *t)
{
    struct chord_tuning *tuning = chord_tuning_own(t);
    if (tuning)
        tuning->lost_us[tuning->lost_count++ % CHORD_LOSSES] = chord_now(t);
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

void chord_tuning_sort(double *values, size_t count)
{
    qsort(values, count, sizeof(values[0]), compare_doubles);
}

size_t chord_tuning_ages(const struct rf_topology *t, double *out, size_t max)
{
    size_t count = 0;
    RF_LIST_EACH(&t->conn_list, it)
    {
        const struct chord_conn *conn = RF_LIST_ENTRY(it, struct chord_conn, list);
        if (conn->peer && conn->uptime_us && count < max)
            out[count++] = conn->uptime_s + (double)(chord_now(t) - conn->uptime_us) / CHORD_S;
    }
    return count;
}

/* 0: not known: too few, or the ring is young. */
static double life_by_ages(const struct rf_topology *t)
{
    double ages[RING_MAX_NEIGHBORS * 4];
    size_t count = chord_tuning_ages(t, ages, RF_COUNT(ages));
    if (count < AGES_LEAST)
        return 0;
    chord_tuning_sort(ages, count);
    double median = ages[count / 2];
    return ages[count - 1] < YOUNG * median ? 0 : median / LN2;
}

double chord_life_s(const struct rf_topology *t)
{
    const struct chord_tuning *tuning = t->tuning;
    size_t count = chord_tuning_losses(t), losses = count < CHORD_LOSSES ? count : CHORD_LOSSES;
    uint64_t from_us =
        losses == CHORD_LOSSES ? tuning->lost_us[tuning->lost_count % CHORD_LOSSES] : t->start_us;
    uint64_t last_us = losses ? tuning->lost_us[(tuning->lost_count - 1) % CHORD_LOSSES] : t->start_us;
    double peers = (double)(t->ring.count + 1), by_ages = life_by_ages(t);
    double expected = by_ages > 0 ? by_ages : UNKNOWN_S;
    double weight = by_ages > 0 ? AGES_WEIGHT : UNKNOWN_WEIGHT;
    double lived = peers * (double)(chord_now(t) - from_us) / CHORD_S;
    double mean = (lived + weight * expected) / ((double)losses + weight);
    double quiet = peers * (double)(chord_now(t) - last_us) / CHORD_S / QUIET_PART;
    return mean > quiet ? mean : quiet;
}

void chord_tune(struct rf_topology *t)
{
    double links = chord_life_s(t) * CHORD_LINKS_PER_S, now = t->ring.links;
    if (links < CHORD_LINKS_LEAST)
        links = CHORD_LINKS_LEAST;
    const struct chord_conn *succ = NULL, *pred = NULL;
    if (t->ring.count) {
        succ = chord_conn_find(t, &t->ring.peers[0].node);
        pred = chord_conn_find(t, &t->ring.peers[t->ring.count - 1].node);
    }
    t->ring.successor_shown = succ ? succ->succ_named : 0;
    t->ring.predecessor_shown = pred ? pred->pred_named : 0;
    if (t->params.self_tuning)
        return; /* RFC 7363 has its own sizes */
    if (now == 0 || links < now * (1 - RETUNE_PART) || links > now * (1 + RETUNE_PART))
        t->ring.links = links;
}
