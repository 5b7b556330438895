/* binding_search.c - the search for the time that a NAT keeps what is idle; see its header. */
#include "node/binding_search.h"

#include <stdbool.h>

#define SURE 2 /* losses of one time */

static uint64_t within(const struct binding_search *s, uint64_t us)
{
    return us < s->least_us ? s->least_us : us > s->most_us ? s->most_us : us;
}

/* Closer than that is not worth a try: what is used is a fifth below what was kept. */
static bool close_enough(const struct binding_search *s)
{
    return s->lost_us - s->kept_us <= s->kept_us / 4;
}

void binding_search_init(struct binding_search *s, uint64_t least_us, uint64_t most_us, uint64_t guess_us)
{
    *s = (struct binding_search){.least_us = least_us, .most_us = most_us < least_us ? least_us : most_us};
    s->guess_us = within(s, guess_us);
}

uint64_t binding_next(const struct binding_search *s)
{
    uint64_t again_us = s->losses < SURE ? s->lost_us : 0;
    if (s->kept_us == 0 && s->lost_us == 0)
        return s->guess_us;
    if (s->kept_us == 0)
        return s->lost_us > s->least_us ? within(s, s->lost_us / 2) : again_us;
    if (s->lost_us == 0)
        return s->kept_us < s->most_us ? within(s, 2 * s->kept_us) : 0;
    return close_enough(s) ? again_us : s->kept_us + (s->lost_us - s->kept_us) / 2;
}

void binding_kept(struct binding_search *s, uint64_t us)
{
    s->halved_us = 0;
    if (us > s->kept_us)
        s->kept_us = us;
    if (s->lost_us <= s->kept_us)
        s->lost_us = s->losses = 0;
}

void binding_lost(struct binding_search *s, uint64_t us)
{
    if (us == s->lost_us && s->losses < SURE)
        s->losses++;
    if (s->lost_us == 0 || us < s->lost_us) {
        s->lost_us = us;
        s->losses = 1;
    }
    if (s->kept_us >= s->lost_us)
        s->kept_us = 0;
}

uint64_t binding_safe(const struct binding_search *s)
{
    uint64_t lost_us = s->lost_us / 2;
    if (s->kept_us != 0)
        return s->kept_us / 5 * 4;
    if (s->halved_us != 0 && (lost_us == 0 || s->halved_us < lost_us))
        return s->halved_us;
    return lost_us / 5 * 4; /* not proven yet, and the best that can be done */
}

void binding_broken(struct binding_search *s, uint64_t used_us)
{
    uint64_t half_us = used_us / 2;
    binding_search_init(s, s->least_us, s->most_us, half_us);
    s->halved_us = half_us;
}
