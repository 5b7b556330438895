/*
 * lost.c - neighbors that vanished in one wave are looked for where they were (docs/decisions/0015-merging-rings.md).
 *
 * Who loses a fourth of its neighbors within some minutes, none of them with a word, may be on one side of a cut: the others live on in a ring of
 * their own, and no message finds them, because messages are routed in our ring only. So these neighbors are remembered and dialled
 * directly, at the addresses that the host knows, until one answers; its tables then name those who are near us over there.
 *
 * States of an entry. FRESH: lost, but not in a wave; forgotten after CHORD_WAVE_US -> KEPT: dialled in turn -> gone: it is in our tables
 * again, it left, or CHORD_LOST_KEEP_US are over.
 * One alarm: a dial after 5, 10, 20, 40, 60, 60 ... s, jittered; a new wave, and a dial that succeeds, begin anew.
 * A link that came about so is asked for its Update, and gets ours. A host that remembers no addresses (host.redial is NULL): nothing of this.
 */
#include "overlay/chord/chord.h"

struct lost {
    struct rf_id node;
    uint64_t at_us;
    bool kept;
};

struct chord_losses {
    struct lost list[CHORD_LOST_MAX];
    size_t count, turn;
    uint64_t wait_us;
};

static void forget(struct chord_losses *lost, size_t at)
{
    lost->list[at] = lost->list[--lost->count];
}

void chord_lost_deinit(struct rf_topology *t)
{
    rf_free(t->env->mem, t->lost);
    t->lost = NULL;
}

static void expire(const struct rf_topology *t)
{
    for (size_t i = t->lost->count; i > 0; i--) {
        const struct lost *it = &t->lost->list[i - 1];
        if (chord_now(t) - it->at_us > (it->kept ? CHORD_LOST_KEEP_US : CHORD_WAVE_US) ||
            ring_find(&t->ring, &it->node))
            forget(t->lost, i - 1);
    }
}

/* One of a wave is back: the cut is over, and others who could not be reached lately may be there again, too. */
void chord_lost_back(struct rf_topology *t, const struct rf_id *node)
{
    for (size_t i = t->lost ? t->lost->count : 0; i > 0; i--) {
        if (!rf_id_equal(&t->lost->list[i - 1].node, node))
            continue;
        if (t->lost->list[i - 1].kept)
            candidates_wake(&t->candidates, chord_now(t));
        forget(t->lost, i - 1);
    }
}

/* The new entry; when the table is full that of whom was lost first. */
static struct lost *entry_for(struct rf_topology *t, const struct rf_id *node)
{
    struct chord_losses *lost = t->lost;
    struct lost *oldest = &lost->list[0];
    for (size_t i = 0; i < lost->count; i++) {
        if (rf_id_equal(&lost->list[i].node, node))
            return &lost->list[i];
        if (lost->list[i].at_us < oldest->at_us)
            oldest = &lost->list[i];
    }
    return lost->count < CHORD_LOST_MAX ? &lost->list[lost->count++] : oldest;
}

static void keep(struct rf_topology *t)
{
    for (size_t i = 0; i < t->lost->count; i++)
        if (chord_now(t) - t->lost->list[i].at_us <= CHORD_WAVE_US)
            t->lost->list[i].kept = true;
    t->lost->wait_us = CHORD_REDIAL_US;
    chord_alarm_soon(t, ALARM_LOST, chord_about(t, CHORD_REDIAL_US));
}

void chord_lost_note(struct rf_topology *t, const struct rf_id *node)
{
    if (!t->host.redial)
        return;
    if (!t->lost) {
        t->lost = rf_zalloc(t->env->mem, sizeof(*t->lost));
        t->counters->no_memory += !t->lost;
        if (!t->lost)
            return;
    }
    expire(t);
    *entry_for(t, node) = (struct lost){.node = *node, .at_us = chord_now(t)};
    size_t wave = 0, left = t->tables->succ_count + t->tables->pred_count;
    for (size_t i = 0; i < t->lost->count; i++)
        wave += chord_now(t) - t->lost->list[i].at_us <= CHORD_WAVE_US;
    if (wave * CHORD_WAVE_PART >= left)
        keep(t);
}

/* The next one to dial, in turn; NULL: none is kept. */
static struct lost *next_kept(struct chord_losses *lost)
{
    for (size_t i = 0; i < lost->count; i++) {
        struct lost *it = &lost->list[(lost->turn + i) % lost->count];
        if (it->kept) {
            lost->turn = (lost->turn + i + 1) % lost->count;
            return it;
        }
    }
    return NULL;
}

void chord_lost_look(struct rf_topology *t)
{
    if (!t->lost)
        return;
    expire(t);
    struct lost *it = next_kept(t->lost);
    if (!it)
        return;
    chord_alarm_in(t, ALARM_LOST, chord_about(t, t->lost->wait_us));
    if (t->lost->wait_us < CHORD_REDIAL_MAX_US)
        t->lost->wait_us =
            2 * t->lost->wait_us < CHORD_REDIAL_MAX_US ? 2 * t->lost->wait_us : CHORD_REDIAL_MAX_US;
    if (t->state != RF_TOPOLOGY_JOINED)
        return; /* the joiner does its own dialling */
    struct rf_id node = it->node;
    struct chord_conn *conn = chord_conn_find(t, &node);
    if (conn) /* it came by itself, and has not said yet that it is in the ring */
        chord_pull(t, conn);
    else
        t->counters->redials += chord_redial(t, &node); /* else nobody knows where it was */
}

void chord_lost_found(struct rf_topology *t, struct chord_conn *conn)
{
    t->counters->redials_answered++;
    if (t->lost) {
        t->lost->wait_us = CHORD_REDIAL_US;
        chord_alarm_soon(t, ALARM_LOST, chord_about(t, CHORD_REDIAL_US));
    }
    chord_owe(t, conn, OWE_NEIGHBORS);
    chord_pull(t, conn);
}
