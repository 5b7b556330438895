/*
 * candidates.h - nodes that others named in their Updates and that we are not linked with: where replacements come from when a
 * neighbor or finger is lost. Bounded; what failed lately rests for a growing while. Nothing here is believed, it is only tried.
 */
#ifndef RF_OVERLAY_CHORD_CANDIDATES_H
#define RF_OVERLAY_CHORD_CANDIDATES_H

#include "base/id.h"
#include "base/mem.h"

#define CANDIDATES_MAX      128
#define CANDIDATES_NEAR     24                            /* per side of us, never displaced by others */
#define CANDIDATE_KEEP_US   ((uint64_t)900 * 1000 * 1000) /* named that long ago: forgotten */
#define CANDIDATE_REST_US   ((uint64_t)15 * 1000 * 1000)  /* after the first failure; doubles up to */
#define CANDIDATE_REST_MAX  6                             /* ... 2^6 times that */
#define CANDIDATE_WANTED_US ((uint64_t)60 * 1000 * 1000)
#define CANDIDATE_FAILURES  2 /* from then on only what is named again is tried again */

struct candidate {
    struct rf_id node;
    struct rf_id distance; /* going up from us */
    struct rf_id informer; /* who named it last */
    uint64_t seen_us;      /* when it was named last */
    uint64_t rest_until_us;
    uint64_t lost_us;   /* what was said of it until then does not count any more */
    uint64_t wanted_us; /* since when it has belonged into our predecessors (pursue.c), 0: it does not */
    uint64_t failed_us; /* the last failure */
    unsigned failures;  /* in a row */
};

struct candidates {
    struct rf_mem *mem; /* borrowed */
    struct rf_id self;
    struct candidate *list; /* owned; by ascending distance */
    size_t count, cap, max;
    uint64_t woken_us; /* failures before that do not count for who is named after it; 0: never */
    bool
        failed_only; /* who is merely named is not put in: enough for a client, which only has to know whom to leave out */
};

/* candidates_init prepares an empty table of at most `max` (1..CANDIDATES_MAX); nothing is allocated yet. Without memory for more it
 * makes do with what it has. */
void candidates_init(struct candidates *c, struct rf_mem *mem, const struct rf_id *self, size_t max);
void candidates_deinit(struct candidates *c);
/* candidates_note remembers that `informer` named `node`. Our own ID and what is no Node-ID are ignored, with failed_only also who is not in. */
void candidates_note(struct candidates *c, const struct rf_id *node, const struct rf_id *informer,
                     uint64_t now_us);
/* candidates_failed: it could not be reached, or was lost; it rests. Put in if it is not there yet. */
void candidates_failed(struct candidates *c, const struct rf_id *node, uint64_t now_us);
/* candidates_lost: its link broke; it is tried again when somebody names it from `from_us` on. Put in if it is not there yet. */
void candidates_lost(struct candidates *c, const struct rf_id *node, uint64_t now_us, uint64_t from_us);
/* candidates_wanted: it belongs into our predecessors; returns for how long it has, anew after a minute in which it was not asked for. */
uint64_t candidates_wanted(struct candidates *c, const struct rf_id *node, uint64_t now_us);
/* candidates_rest: not before `until_us`, without counting a failure. Put in if it is not there yet. */
void candidates_rest(struct candidates *c, const struct rf_id *node, uint64_t now_us, uint64_t until_us);
/* candidates_alive: it gave a sign of life; failures are forgotten. */
void candidates_alive(struct candidates *c, const struct rf_id *node);
/* candidates_wake: what kept some from being reached is over; whoever is named from now on is tried at once, whatever failed before. */
void candidates_wake(struct candidates *c, uint64_t now_us);
const struct candidate *candidates_find(const struct candidates *c,
                                        const struct rf_id *node); /* NULL: unknown */
/* candidate_usable: named not too long ago and not resting; after several failures only if it was named since. */
uint64_t candidate_usable_at(const struct candidate *candidate,
                             uint64_t now_us); /* when its rest ends; UINT64_MAX: never */
bool candidate_usable(const struct candidate *candidate, uint64_t now_us);

#endif
