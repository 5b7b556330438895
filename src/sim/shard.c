/* shard.c - the event loop of one shard: a heap of events, a heap of wake-ups, and the mail to other shards. */
#include "base/assert.h"
#include "sim/world.h"

/* ---- memory ---- */

struct sim_event *sim_event_new(struct sim_shard *shard, enum sim_event_type type)
{
    struct sim_event *e = shard->free_events;
    if (e != NULL)
        shard->free_events = e->next;
    else
        e = rf_alloc(shard->sim->config.mem, sizeof(*e));
    RF_ASSERT(e != NULL);
    memset(e, 0, sizeof(*e));
    e->type = (uint8_t)type;
    return e;
}

void sim_event_free(struct sim_shard *shard, struct sim_event *e)
{
    if (e->type == SIM_EVENT_DATA)
        rf_free(shard->sim->config.mem, e->bytes);
    e->next = shard->free_events;
    shard->free_events = e;
}

/* ---- the heap of events, 4-ary ---- */

static bool event_before(const struct sim_event *a, const struct sim_event *b)
{
    if (a->at_us != b->at_us)
        return a->at_us < b->at_us;
    if (a->dst != b->dst)
        return a->dst < b->dst;
    if (a->src != b->src)
        return a->src < b->src;
    return a->seq < b->seq;
}

static void *grown(struct rf_sim *sim, void *old, size_t *cap, size_t size)
{
    *cap = *cap == 0 ? 1024 : *cap + *cap / 2;
    void *p = rf_resize(sim->config.mem, old, *cap * size);
    RF_ASSERT(p != NULL);
    return p;
}

void sim_heap_push(struct sim_shard *s, struct sim_event *e)
{
    if (s->heap_count + 1 >= s->heap_cap)
        s->heap = grown(s->sim, s->heap, &s->heap_cap, sizeof(s->heap[0]));
    size_t i = s->heap_count++;
    while (i > 0) {
        size_t up = (i - 1) / 4;
        if (!event_before(e, s->heap[up]))
            break;
        s->heap[i] = s->heap[up];
        i = up;
    }
    s->heap[i] = e;
}

static struct sim_event *heap_pop(struct sim_shard *s)
{
    struct sim_event *top = s->heap[0], *last = s->heap[--s->heap_count];
    size_t i = 0, n = s->heap_count;
    for (;;) {
        size_t first = 4 * i + 1, best = first;
        if (first >= n)
            break;
        for (size_t k = first + 1; k < first + 4 && k < n; k++)
            if (event_before(s->heap[k], s->heap[best]))
                best = k;
        if (!event_before(s->heap[best], last))
            break;
        s->heap[i] = s->heap[best];
        i = best;
    }
    s->heap[i] = last;
    return top;
}

void sim_event_post(struct sim_node *src, struct sim_event *e, uint32_t dst, uint64_t at_us)
{
    struct sim_shard *shard = src->shard;
    struct rf_sim *sim = shard->sim;
    e->at_us = at_us;
    e->src = src->index;
    e->dst = dst;
    e->seq = src->seq++;
    size_t to = sim->shard_of[dst];
    if (to == shard->index) {
        sim_heap_push(shard, e);
        return;
    }
    e->next = shard->mail[to];
    shard->mail[to] = e;
}

/*
 * ---- the heap of wake-ups, binary; a node knows its place in it ----
 *
 * Deadlines mostly move to a later time. The place in the heap is left as it is then, and put right when it comes to the top (wake_due): most
 * nodes have moved their deadline several times until then.
 */

static void wake_place(struct sim_shard *s, size_t slot, struct sim_wake wake)
{
    s->wakes[slot] = wake;
    wake.node->wake_slot = slot;
}

static bool wake_before(const struct sim_wake *a, const struct sim_wake *b)
{
    return a->at_us != b->at_us ? a->at_us < b->at_us : a->node->index < b->node->index;
}

static void wake_up(struct sim_shard *s, size_t slot, struct sim_wake wake)
{
    for (; slot > 1 && wake_before(&wake, &s->wakes[slot / 2]); slot /= 2)
        wake_place(s, slot, s->wakes[slot / 2]);
    wake_place(s, slot, wake);
}

static void wake_down(struct sim_shard *s, size_t slot, struct sim_wake wake)
{
    for (size_t next; (next = 2 * slot) <= s->wake_count; slot = next) {
        if (next < s->wake_count && wake_before(&s->wakes[next + 1], &s->wakes[next]))
            next++;
        if (!wake_before(&s->wakes[next], &wake))
            break;
        wake_place(s, slot, s->wakes[next]);
    }
    wake_place(s, slot, wake);
}

static void wake_remove(struct sim_shard *s, struct sim_node *n)
{
    size_t slot = n->wake_slot;
    struct sim_wake last = s->wakes[s->wake_count--];
    n->wake_slot = 0;
    if (last.node == n)
        return;
    if (slot > 1 && wake_before(&last, &s->wakes[slot / 2]))
        wake_up(s, slot, last);
    else
        wake_down(s, slot, last);
}

void sim_wake_set(struct sim_node *n, uint64_t at_us)
{
    struct sim_shard *s = n->shard;
    n->wake_us = at_us;
    if (n->wake_slot != 0 && s->wakes[n->wake_slot].at_us <= at_us)
        return;
    if (n->wake_slot != 0)
        wake_remove(s, n);
    if (at_us == RF_NEVER)
        return;
    if (s->wake_count + 2 >= s->wake_cap)
        s->wakes = grown(s->sim, s->wakes, &s->wake_cap, sizeof(s->wakes[0]));
    wake_up(s, ++s->wake_count, (struct sim_wake){at_us, n});
}

/* True: the first in the heap is due. False: its place was put right. */
static bool wake_due(struct sim_shard *s)
{
    struct sim_node *n = s->wakes[1].node;
    if (n->wake_us == s->wakes[1].at_us)
        return true;
    if (n->wake_us == RF_NEVER)
        wake_remove(s, n);
    else
        wake_down(s, 1, (struct sim_wake){n->wake_us, n});
    return false;
}

/* ---- running ---- */

uint64_t sim_shard_next(struct sim_shard *s)
{
    while (s->wake_count > 0 && !wake_due(s))
        continue;
    uint64_t at = s->heap_count > 0 ? s->heap[0]->at_us : RF_NEVER;
    if (s->wake_count > 0 && s->wakes[1].at_us < at)
        at = s->wakes[1].at_us;
    return at;
}

void rf_sim_run_shard(struct rf_sim *sim, size_t shard, uint64_t until_us)
{
    struct sim_shard *s = &sim->shards[shard];
    for (;;) {
        uint64_t wake = s->wake_count > 0 ? s->wakes[1].at_us : RF_NEVER;
        uint64_t event = s->heap_count > 0 ? s->heap[0]->at_us : RF_NEVER;
        if ((wake < event ? wake : event) >= until_us)
            break;
        if (wake < event && !wake_due(s))
            continue;
        s->events++;
        if (event <= wake) {
            struct sim_event *e = heap_pop(s);
            s->now_us = event;
            sim_host_event(&sim->nodes[e->dst], e);
        } else {
            struct sim_node *n = s->wakes[1].node;
            s->now_us = wake;
            s->wakeups++;
            wake_remove(s, n);
            sim_host_wake(n);
        }
    }
    s->now_us = until_us;
}
