/* history_fault.c - which failures excuse that something acknowledged is not seen. See history.h for the rules. */
#include <stdio.h>
#include "sim/history.h"

static bool fault(const struct sim_life *life)
{
    return life->type == SIM_LIFE_FAILED || life->type == SIM_LIFE_WIPED;
}

/* ---- splits ---- */

bool sim_split_at(const struct sim_history *h, uint64_t from_us, uint64_t to_us)
{
    for (size_t i = 0; i < h->split_count; i++)
        if (h->splits[i].from_us <= to_us && from_us < h->splits[i].until_us)
            return true;
    return false;
}

static bool other_side(const struct sim_history *h, const struct sim_split *split, uint32_t a, uint32_t b)
{
    return a < h->node_count && b < h->node_count && split->sides[a] != split->sides[b];
}

/* Was the reader apart from who answered, or from any who held it? Those in charge when the split began count as holders of what is older. */
static bool parted(const struct sim_history *h, const struct sim_excuse_query *q)
{
    const struct sim_write *w = q->write;
    const struct sim_read *r = q->read;
    uint32_t near[SIM_HOLDERS];
    for (size_t i = 0; i < h->split_count; i++) {
        const struct sim_split *split = &h->splits[i];
        if (split->from_us > r->end_us || r->begin_us >= split->until_us)
            continue;
        bool apart = r->end_us >= split->healed_us || other_side(h, split, r->node, r->home) ||
                     other_side(h, split, r->node, w->node) || other_side(h, split, r->node, q->shown_by);
        for (size_t k = 0; k < w->holder_count; k++)
            apart = apart || other_side(h, split, r->node, w->holders[k]);
        size_t count = sim_holders_at(h, w->place, split->from_us, near);
        for (size_t k = 0; k < count; k++)
            apart = apart || other_side(h, split, r->node, near[k]);
        if (apart)
            return true;
    }
    return false;
}

/* ---- who was in charge ---- */

size_t sim_holders_at(const struct sim_history *h, uint64_t place, uint64_t at_us, uint32_t out[SIM_HOLDERS])
{
    size_t count = 0;
    memset(h->joined, 0, h->super_count);
    for (size_t i = 0; i < h->life_count && h->lives[i].at_us <= at_us; i++)
        h->joined[h->lives[i].node] = h->lives[i].type == SIM_LIFE_JOINED;
    for (uint32_t n = 0; n < h->super_count; n++) {
        if (!h->joined[n])
            continue;
        size_t at = count < SIM_HOLDERS ? count++ : SIM_HOLDERS;
        for (; at > 0 && h->places[n] - place < h->places[out[at - 1]] - place; at--)
            if (at < SIM_HOLDERS)
                out[at] = out[at - 1];
        if (at < SIM_HOLDERS)
            out[at] = n;
    }
    return count;
}

/* ---- all at once ---- */

/* When did the node fail first in [from, to]? RF_NEVER: it did not. */
static const struct sim_life *failed_in(const struct sim_history *h, uint32_t node, uint64_t from_us,
                                        uint64_t to_us, bool wiped)
{
    for (size_t i = 0; i < h->life_count && h->lives[i].at_us <= to_us; i++)
        if (h->lives[i].node == node && h->lives[i].at_us >= from_us &&
            (wiped ? h->lives[i].type == SIM_LIFE_WIPED : fault(&h->lives[i])))
            return &h->lives[i];
    return NULL;
}

static uint64_t back_after(const struct sim_history *h, uint32_t node, uint64_t at_us)
{
    for (size_t i = 0; i < h->life_count; i++)
        if (h->lives[i].node == node && h->lives[i].at_us > at_us && h->lives[i].type == SIM_LIFE_JOINED)
            return h->lives[i].at_us;
    return RF_NEVER;
}

/* Did all of them fail from `first` on, within the time to make new copies; and is the read too early for what came back? */
static bool all_failed(const struct sim_history *h, const struct sim_life *first, const uint32_t *nodes,
                       size_t count, const struct sim_read *r)
{
    bool wiped = true, named = false;
    uint64_t back_us = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t to_us = first->at_us + h->settle_us < r->end_us ? first->at_us + h->settle_us : r->end_us;
        const struct sim_life *f = failed_in(h, nodes[i], first->at_us, to_us, false);
        if (f == NULL)
            return false;
        wiped = wiped && failed_in(h, nodes[i], first->at_us, to_us, true) != NULL;
        uint64_t back = back_after(h, nodes[i], f->at_us);
        back_us = back > back_us ? back : back_us;
        named = named || nodes[i] == first->node;
    }
    if (count == 0 || !named)
        return false;
    return wiped || back_us == RF_NEVER || r->begin_us < back_us + h->settle_us;
}

static bool replicas_failed(const struct sim_history *h, const struct sim_excuse_query *q)
{
    const struct sim_write *w = q->write;
    for (size_t i = 0; i < h->life_count && h->lives[i].at_us <= q->read->end_us; i++) {
        const struct sim_life *first = &h->lives[i];
        if (!fault(first) || first->at_us < w->begin_us)
            continue;
        uint32_t near[SIM_HOLDERS];
        size_t count = sim_holders_at(h, w->place, first->at_us - 1, near);
        bool young = first->at_us < w->end_us + h->settle_us && w->holder_count > 0;
        if (young ? all_failed(h, first, w->holders, w->holder_count, q->read)
                  : all_failed(h, first, near, count, q->read))
            return true;
    }
    return false;
}

bool sim_excused(const struct sim_history *h, const struct sim_excuse_query *q)
{
    bool home_failed = q->shown_by != SIM_NODE_NONE &&
                       failed_in(h, q->shown_by, q->write->begin_us, q->read->end_us, false) != NULL;
    return home_failed || parted(h, q) || replicas_failed(h, q);
}

/* ---- for people ---- */

static void tell_nodes(char *text, const char *what, const uint32_t *nodes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        sim_text_add(text, "%s%u", i == 0 ? what : " ", nodes[i]);
}

static bool among(const uint32_t *nodes, size_t count, uint32_t node)
{
    for (size_t i = 0; i < count; i++)
        if (nodes[i] == node)
            return true;
    return false;
}

void sim_faults_text(const struct sim_history *h, const struct sim_write *write, const struct sim_read *read,
                     char text[SIM_TEXT_LEN])
{
    static const char *const what[] = {"", "joined", "left", "failed", "wiped"};
    uint32_t near[3 * SIM_HOLDERS];
    size_t then = sim_holders_at(h, write->place, write->end_us, near);
    size_t now = sim_holders_at(h, write->place, read->begin_us, near + then), count = then + now;
    tell_nodes(text, "in charge then ", near, then);
    tell_nodes(text, ", now ", near + then, now);
    for (size_t i = 0; i < write->holder_count; i++)
        near[count++] = write->holders[i];
    for (size_t i = 0; i < h->life_count; i++) {
        const struct sim_life *life = &h->lives[i], *before = i > 0 ? &h->lives[i - 1] : life;
        bool twice = life->type == SIM_LIFE_LEFT && before->node == life->node &&
                     before->at_us == life->at_us && before != life; /* it failed, so it is not joined */
        if (among(near, count, life->node) && !twice && life->at_us >= write->begin_us &&
            life->at_us <= read->end_us)
            sim_text_add(text, ", %.1f s %u %s", (double)life->at_us / 1e6, life->node, what[life->type]);
    }
}
