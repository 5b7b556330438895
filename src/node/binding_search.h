/*
 * binding_search.h - how long does a NAT keep what is idle? The search for that time, without messages and without a clock: what is to be tried next, and what is believed after each try.
 *
 * Known are the longest time that was kept and the shortest that was lost; it lies between them. Tries begin at a guess and double until one is lost or `most` is kept, or halve until one is kept
 * or `least` is lost; then the middle is tried, until the two are close. The shortest that was lost is tried once more in the end: what was sent may have been lost on its way, a gateway may have
 * been busy. A time that is kept although it was lost before, or lost although it was kept before, shows that the NAT has changed its mind (or is another one): what does not fit is forgotten.
 *
 * What is used is less than what was kept (binding_safe). When that turns out to be too long (binding_broken) it is halved at once, nothing that was learned counts any more, and the search begins
 * anew from there.
 */
#ifndef RF_NODE_BINDING_SEARCH_H
#define RF_NODE_BINDING_SEARCH_H

#include <stdint.h>

struct binding_search {
    uint64_t least_us, most_us; /* tries are never shorter, never longer */
    uint64_t guess_us;          /* where tries begin */
    uint64_t kept_us, lost_us;  /* 0: nothing yet */
    uint64_t halved_us; /* what is used after binding_broken, until something is kept; 0: it was not */
    uint8_t losses;     /* of lost_us */
};

/* binding_search_init: `guess_us` is brought between the two. */
void binding_search_init(struct binding_search *s, uint64_t least_us, uint64_t most_us, uint64_t guess_us);
/* binding_next: the next time to try; 0: enough is known. */
uint64_t binding_next(const struct binding_search *s);
/* binding_kept, binding_lost: what came of a try. */
void binding_kept(struct binding_search *s, uint64_t us);
void binding_lost(struct binding_search *s, uint64_t us);
/* binding_safe: how long a way may be silent, by what is known; 0: nothing is known. */
uint64_t binding_safe(const struct binding_search *s);
/* binding_broken: a binding was lost although it was silent for no longer than `used_us`. */
void binding_broken(struct binding_search *s, uint64_t used_us);

#endif
