/* candidates.c - nodes that others named: a small table without order. */
#include "overlay/chord/candidates.h"

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

static struct candidate *find(struct candidates *c, const struct rf_id *node)
{
    for (size_t i = 0; i < c->count; i++)
        if (rf_id_equal(&c->list[i].node, node))
            return &c->list[i];
    return NULL;
}

const struct candidate *candidates_find(const struct candidates *c, const struct rf_id *node)
{
    return find((struct candidates *)(uintptr_t)c, node);
}

uint64_t candidate_usable_at(const struct candidate *candidate, uint64_t now_us)
{
    bool hopeless = candidate->failures >= CANDIDATE_FAILURES && candidate->seen_us <= candidate->failed_us;
    return hopeless || now_us - candidate->seen_us > CANDIDATE_KEEP_US ? UINT64_MAX
                                                                       : candidate->rest_until_us;
}

bool candidate_usable(const struct candidate *candidate, uint64_t now_us)
{
    return candidate_usable_at(candidate, now_us) <= now_us;
}

/* Is it one of those nearest to us on one side, among all in the table? */
static bool is_near(const struct candidates *c, const struct candidate *candidate)
{
    size_t below = 0;
    for (size_t i = 0; i < c->count; i++)
        below += rf_id_compare(&c->list[i].distance, &candidate->distance) < 0;
    return below < CANDIDATES_NEAR || below + CANDIDATES_NEAR >= c->count;
}

/* The one to give up: outdated before far before near; among equals the one named longest ago. */
static struct candidate *victim(struct candidates *c, uint64_t now_us)
{
    struct candidate *worst = NULL;
    unsigned worst_class = 0;
    for (size_t i = 0; i < c->count; i++) {
        struct candidate *it = &c->list[i];
        bool stale = now_us - it->seen_us > CANDIDATE_KEEP_US;
        unsigned class = stale ? 3 : is_near(c, it) ? 1 : 2;
        if (!worst || class > worst_class || (class == worst_class && it->seen_us < worst->seen_us)) {
            worst = it;
            worst_class = class;
        }
    }
    return worst;
}

static bool has_room(struct candidates *c)
{
    if (c->count < c->cap)
        return true;
    size_t cap = c->cap ? 2 * c->cap : 8;
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
    struct candidate *slot = has_room(c) ? &c->list[c->count++] : victim(c, now_us);
    if (slot)
        *slot = (struct candidate){.node = *node, .distance = rf_id_sub(node, &c->self), .seen_us = now_us};
    return slot;
}

void candidates_note(struct candidates *c, const struct rf_id *node, const struct rf_id *informer,
                     uint64_t now_us)
{
    struct candidate *it = find(c, node);
    if (!it)
        it = add(c, node, now_us);
    if (!it)
        return;
    it->informer = *informer;
    it->seen_us = now_us;
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

void candidates_rest(struct candidates *c, const struct rf_id *node, uint64_t now_us, uint64_t until_us)
{
    struct candidate *it = find(c, node);
    if (!it)
        it = add(c, node, now_us);
    if (it && it->rest_until_us < until_us)
        it->rest_until_us = until_us;
}

void candidates_alive(struct candidates *c, const struct rf_id *node)
{
    struct candidate *it = find(c, node);
    if (it) {
        it->failures = 0;
        it->rest_until_us = 0;
    }
}
