/*
 * ring.h - the ring as one node sees it: the peers that it may route through, in the order of their distance from us going up. The
 * neighbor tables and the finger table are read off that order. Pure data: no messages, no time.
 *
 *     self --- s1 --- s2 --- s3 --- ... fingers ... --- p3 --- p2 --- p1 --- (self)
 *     index     0      1      2                    n-3    n-2    n-1
 *
 * In a small ring one peer stands in several tables. We ourselves stand in none. reload.md 5.1, 5.3, 5.4.
 */
#ifndef RF_OVERLAY_CHORD_RING_H
#define RF_OVERLAY_CHORD_RING_H

#include "base/id.h"
#include "base/mem.h"
#include "base/rng.h"

#define RING_MAX_PEERS     512 /* linked peers that are remembered, in all */
#define RING_MAX_NEIGHBORS 16  /* per side */
#define RING_MAX_FINGERS   128

/* ---- measured: docs/decisions/0012-fingers-and-routing.md ---- */
#define RING_LARGE_LEVELS 9  /* from 2^8 peers on ... */
#define RING_LARGE_SPLIT  2  /* ... every finger entry is cut into 2^2 slots at least (digits of base 4) */
#define RING_HUGE_LEVELS  12 /* from 2^11 on ... */
#define RING_HUGE_SPLIT   3  /* ... into 2^3 */
/* Hops more for e times as many peers in between. Measured are 0.35; more than that keeps the shortest of the next hops from making the way longer. */
#define RING_HOPS_PER_E     0.55
#define RING_RANGE_MAX      16   /* times the mean: a peer that claims a larger range is not believed */
#define RING_REACH_SHARE    0.75 /* of the peers that it named: some may have changed since */
#define RING_NEIGHBOR_SHARE 0.22 /* of few links, for the neighbors of each side */
#define RING_MAX_STRIDE     3
#define RING_FINGER_STAYS   0.8 /* another finger must be that much nearer */

struct ring_peer {
    struct rf_id node;
    struct rf_id distance; /* node - self modulo 2^k, never 0 */
    struct rf_id before;   /* the nearest predecessor that it named last, len 0: not known */
    float reach;           /* part of the ring below it whose peers it named last, 0: not known */
    uint32_t rtt_us;       /* to it and back, 0: not measured */
    bool avoid;            /* under suspicion: routing goes around it while it can */
    bool finger;           /* elected for its slot */
};

struct ring {
    struct rf_mem *mem; /* borrowed */
    struct rf_id self;
    size_t successor_min, predecessor_min;     /* wanted at least, 1..RING_MAX_NEIGHBORS */
    size_t finger_wanted;                      /* finger slots wanted at least, 0..RING_MAX_FINGERS */
    size_t successor_count, predecessor_count; /* wanted now: more in a large ring (ring_tune) */
    unsigned levels;                           /* finger entries in use: ceil(log2 of the ring's size) */
    unsigned split_bits;                       /* every finger entry is cut into 2^split_bits slots */
    unsigned stride;                           /* a finger is wanted in every stride-th entry only */
    /* Tables that are to grow do so when everybody is linked who then belongs in (ring_grown): else they would name who stands further away. */
    bool waits;                                /* ... if this is set */
    size_t successor_goal, predecessor_goal;   /* at least the counts */
    size_t successor_ready, predecessor_ready; /* up to that everybody is linked */
    size_t successor_shown,
        predecessor_shown;   /* how many of them the neighbor beside us names on its far side, 0: not known */
    double links;            /* worth keeping in all (tuning.c), 0: no limit */
    struct ring_peer *peers; /* owned, by ascending distance */
    size_t count, cap;
    double size;         /* peers in the whole ring as of the last ring_tune, by estimate */
    uint64_t rtt_sum_us; /* of those whose rtt_us is known, and */
    size_t rtt_count;    /* how many those are */
};

/* ring_init prepares an empty table (we are alone). Sizes are cut to the limits above. Nothing is allocated yet. */
void ring_init(struct ring *ring, struct rf_mem *mem, const struct rf_id *self, size_t successor_min,
               size_t predecessor_min, size_t finger_wanted);
void ring_deinit(struct ring *ring);

/*
 * ring_add puts a peer in. Errors: RF_EEXIST it is in, RF_EINVAL our own ID, an ID that is no Node-ID or of another length, RF_ELIMIT full
 * and not nearer than what is there, RF_ENOMEM.
 */
int ring_add(struct ring *ring, const struct rf_id *node);
/* ring_remove takes a peer out; false: it was not in. */
bool ring_remove(struct ring *ring, const struct rf_id *node);
struct ring_peer *ring_find(const struct ring *ring,
                            const struct rf_id *node); /* NULL: not in; valid until add/remove */
/* ring_named: the peer's Update named `before` as its nearest predecessor and `far` as its farthest; NULL: none. No peer of that ID: nothing. */
void ring_named(struct ring *ring, const struct rf_id *node, const struct rf_id *before,
                const struct rf_id *far);
/* ring_measured: a round trip to the peer took `rtt_us`. No peer of that ID: nothing. */
void ring_measured(struct ring *ring, const struct rf_id *node, uint32_t rtt_us);
/* ring_tune adapts the wanted sizes to the estimated size of the ring and elects the fingers. To be called after changes. */
void ring_tune(struct ring *ring);
/* ring_elect elects the fingers anew: of several in a slot a neighbor, else the one with the shortest round trip. To be called after measurements. */
void ring_elect(struct ring *ring);

/* ring_grows: the tables are to grow. ring_grown: all that is known of their new size is linked; true: ring_tune will enlarge them. */
bool ring_grows(const struct ring *ring);
bool ring_grown(struct ring *ring);

/* The neighbor tables, nearest first; out has room for `max`; returns how many. */
size_t ring_successors(const struct ring *ring, struct rf_id *out, size_t max);
size_t ring_predecessors(const struct ring *ring, struct rf_id *out, size_t max);
/* The elected fingers, numerically ascending (5.6). */
size_t ring_fingers(const struct ring *ring, struct rf_id *out, size_t max);
/* The peer's place: 1 = nearest, 0 = not in that table. */
size_t ring_successor_rank(const struct ring *ring, const struct rf_id *node);
size_t ring_predecessor_rank(const struct ring *ring, const struct rf_id *node);
bool ring_is_neighbor(const struct ring *ring, const struct rf_id *node);
/* Would `node`, not in yet, be taken into a neighbor table? */
bool ring_wants_neighbor(const struct ring *ring, const struct rf_id *node);
/* Do the two neighbor tables meet, so that all peers stand in them? */
bool ring_is_whole(const struct ring *ring);
/* ring_size estimates the number of peers, ourselves included, from the density of the neighbors. 1 = alone. */
double ring_size(const struct ring *ring);

/* 5.3. Keys whose length is not the ring's belong to nobody. */
bool ring_responsible(const struct ring *ring, const struct rf_id *key);
/* ring_next_hop: rules 2 and 3; false: alone. */
bool ring_next_hop(const struct ring *ring, const struct rf_id *key, struct rf_id *out);
/*
 * ring_best_hop: the peer from which the way to `key` is probably the shortest in time (docs/decisions/0012-fingers-and-routing.md); false: alone.
 * 1. the neighbor in charge of the key; 2. a linked peer that is in charge as its own Update showed; 3. among those nearer to the key,
 * the one with the least round trip plus what is expected to follow; 4. ring_next_hop.
 */
bool ring_best_hop(const struct ring *ring, const struct rf_id *key, struct rf_id *out);
/* ring_owner: the neighbor in charge of `key`, as far as the neighbor tables show it; false: we are, or they do not. */
bool ring_owner(const struct ring *ring, const struct rf_id *key, struct rf_id *out);
/* ring_as_close: no neighbor is nearer to being in charge of `key` than `signer` (2.8 rule 4). */
bool ring_as_close(const struct ring *ring, const struct rf_id *signer, const struct rf_id *key);
/* ring_may_replicate: `sender` may be in charge of `key` and we one of its two replicas (4.3 check 2). */
bool ring_may_replicate(const struct ring *ring, const struct rf_id *sender, const struct rf_id *key);
/* ring_should_hold: fewer than three predecessors lie between `key` and us (5.7). */
bool ring_should_hold(const struct ring *ring, const struct rf_id *key);

/* ---- fingers: slot numbers run from 0 (the far half's first part) to ring_slots() - 1 ---- */
size_t ring_slots(const struct ring *ring);
/* ring_slot_of returns the slot of a Node-ID, or ring_slots() if it lies too near for one. */
size_t ring_slot_of(const struct ring *ring, const struct rf_id *node);
unsigned ring_slot_entry(const struct ring *ring, size_t slot); /* the RFC's i, from 1 */
/* ring_slot_missing: no peer is known there, and the neighbor tables do not show that none exists. */
bool ring_slot_missing(const struct ring *ring, size_t slot);
/* ring_slot_far_finger: the slot's finger is no neighbor, and its round trip is known to be more than half of the mean one. */
bool ring_slot_far_finger(const struct ring *ring, size_t slot);
/* ring_slot_random draws an ID inside the slot; ring_slot_start is its lowest ID. */
struct rf_id ring_slot_random(const struct ring *ring, size_t slot, struct rf_rng *rng);
double ring_slot_peers(const struct ring *ring, size_t slot); /* in it by estimate */
struct rf_id ring_slot_start(const struct ring *ring, size_t slot);

#endif
