/* candidates.c - nodes that others named: a small table in the order of their distance. */
#include "overlay/chord/candidates.h"

#include <string.h>

void candidates_init(struct candidates *c, struct rf_mem *mem, const struct rf_id *self, size_t max)
{
    *c = (struct candidates){.mem = mem, .self = *self, .max = max};
}

void candidates_deinit(struct candidates *c)
{
    rf_free(c->mem, c->list);
    c->list = NULL;
    c->count = c->cap = 0;
}

/* The first index whose distance is at least `distance`. */
static size_t lower_bound(const struct candidates *c, const struct rf_id *distance)
{
    return c->count == 0 ? 0 : rf_id_lower_bound(&c->list->distance, c->count, sizeof(c->list[0]), distance);
}

static struct candidate *find(struct candidates *c, const struct rf_id *node)
{
    if (node->len != c->self.len)
        return NULL;
    struct rf_id distance = rf_id_sub(node, &c->self);
    size_t i = lower_bound(c, &distance);
    return i < c->count && rf_id_equal(&c->list[i].node, node) ? &c->list[i] : NULL;
}

const struct candidate *candidates_find(const struct candidates *c, const struct rf_id *node)
{
    return find((struct candidates *)(uintptr_t)c, node);
}

uint64_t candidate_usable_at(const struct candidate *candidate, uint64_t now_us)
{
    bool hopeless = candidate->failures >= CANDIDATE_FAILURES && candidate->seen_us <= candidate->failed_us;
    return hopeless || candidate->seen_us < candidate->lost_us ||
                   now_us - candidate->seen_us > CANDIDATE_KEEP_US
               ? UINT64_MAX
               : candidate->rest_until_us;
}

bool candidate_usable(const struct candidate *candidate, uint64_t now_us)
{
    return candidate_usable_at(candidate, now_us) <= now_us;
}

/* The one to give up: outdated before far before near; among equals the one named longest ago. There is at least one. */
static size_t victim(const struct candidates *c, uint64_t now_us)
{
    size_t worst = 0;
    unsigned worst_class = 0;
    for (size_t i = 0; i < c->count; i++) {
        const struct candidate *it = &c->list[i];
        bool stale = now_us - it->seen_us > CANDIDATE_KEEP_US;
        bool near = i < CANDIDATES_NEAR || i + CANDIDATES_NEAR >= c->count;
        unsigned class = stale ? 3 : near ? 1 : 2;
        if (class > worst_class || (class == worst_class && it->seen_us < c->list[worst].seen_us)) {
            worst = i;
            worst_class = class;
        }
    }
    return worst;
}

static bool has_room(struct candidates *c)
{
    if (c->count < c->cap)
        return true;
    size_t cap = c->cap ? 2 * c->cap : 2;
    if (cap > c->max)
        cap = c->max;
    struct candidate *list = cap > c->cap ? rf_resize(c->mem, c->list, cap * sizeof(list[0])) : NULL;
    if (!list)
        return false;
    c->list = list;
    c->cap = cap;
    return true;
}

static struct candidate *add(struct candidates *c, const struct rf_id *node, uint64_t now_us)
{
    if (node->len != c->self.len || rf_id_equal(node, &c->self) || rf_id_is_zero(node) ||
        rf_id_is_wildcard(node))
        return NULL;
    struct candidate *list = c->list;
    if (!has_room(c)) {
        if (c->count == 0)
            return NULL;
        size_t gone = victim(c, now_us);
        c->count--;
        memmove(&list[gone], &list[gone + 1], (c->count - gone) * sizeof(list[0]));
    }
    struct candidate new = {.node = *node, .distance = rf_id_sub(node, &c->self), .seen_us = now_us};
    size_t at = lower_bound(c, &new.distance);
    list = c->list;
    memmove(&list[at + 1], &list[at], (c->count - at) * sizeof(list[0]));
    c->count++;
    list[at] = new;
    return &list[at];
}

void candidates_note(struct candidates *c, const struct rf_id *node, const struct rf_id *informer,
                     uint64_t now_us)
{
    struct candidate *it = find(c, node);
    if (!it && !c->failed_only)
        it = add(c, node, now_us);
    if (!it)
        return;
    it->informer = *informer;
    it->seen_us = now_us;
    if (c->woken_us && it->failed_us < c->woken_us) {
        it->failures = 0;
        it->rest_until_us = 0;
    }
}

void candidates_failed(struct candidates *c, const struct rf_id *node, uint64_t now_us)
{
    struct candidate *it = find(c, node);
    if (!it)
        it = add(c, node, now_us);
    if (!it)
        return;
    it->failed_us = now_us;
    it->rest_until_us = now_us + (CANDIDATE_REST_US << it->failures);
    if (it->failures < CANDIDATE_REST_MAX)
        it->failures++;
}

void candidates_lost(struct candidates *c, const struct rf_id *node, uint64_t now_us, uint64_t from_us)
{
    struct candidate *it = find(c, node);
    if (!it)
        it = add(c, node, now_us);
    if (it)
        it->lost_us = it->rest_until_us = from_us;
}

uint64_t candidates_wanted(struct candidates *c, const struct rf_id *node, uint64_t now_us)
{
    struct candidate *it = find(c, node);
    if (!it)
        return UINT64_MAX;
    if (now_us - it->wanted_us > CANDIDATE_WANTED_US)
        it->wanted_us = now_us;
    return now_us - it->wanted_us;
}

void candidates_rest(struct candidates *c, const struct rf_id *node, uint64_t now_us, uint64_t until_us)
{
    struct candidate *it = find(c, node);
    if (!it)
        it = add(c, node, now_us);
    if (it && it->rest_until_us < until_us)
        it->rest_until_us = until_us;
}

void candidates_wake(struct candidates *c, uint64_t now_us)
{
    c->woken_us = now_us;
}

void candidates_alive(struct candidates *c, const struct rf_id *node)
{
    struct candidate *it = find(c, node);
    if (it) {
        it->failures = 0;
        it->rest_until_us = it->lost_us = it->wanted_us = 0;
    }
}
