/*
 * replicas.c - do those in charge of a resource hold the same? And at the end: what do they hold, for the history to judge.
 *
 * In charge are the first three joined supernodes from the Resource-ID on. Compared are the values of the Kinds below, one by one; one that was written
 * less than YOUNG_MS ago may be on its way. Large worlds compare only what operations write, not everybody's registration.
 */
#include <stdio.h>
#include <stdlib.h>
#include "base/assert.h"
#include "sim/ring.h"
#include "sim/stats.h"
#include "sim/work.h"

#define YOUNG_MS    20000
#define SMALL_NODES 2000
#define TOLD_MAX    5 /* resources told of in the log at each probe */

static const uint32_t kinds[] = {
    SIM_KIND_VALUE,           SIM_KIND_DICTIONARY,         SIM_KIND_LIST,
    RF_KIND_SIP_REGISTRATION, RF_KIND_CERTIFICATE_BY_NODE, RF_KIND_CERTIFICATE_BY_USER,
};

/* One value at one node. */
struct held {
    struct rf_id resource;
    uint32_t kind, holder;
    uint64_t slot, digest; /* hashes */
    bool young;
    /* of SIM_KIND_... at the end: */
    uint32_t user;
    uint8_t form;
    struct sim_seen seen;
};

struct collection {
    const struct rf_sim *sim;
    const struct sim_ring *ring;
    const struct sim_node *node; /* whose values are walked through */
    const uint64_t *users; /* the final collection: places of the users' resources; NULL: a comparison */
    struct held *held;     /* owned */
    size_t count, cap;
};

static bool in_charge(const struct sim_ring *ring, const struct rf_id *key, const struct sim_node *node)
{
    size_t at = sim_ring_at(ring, key);
    for (size_t i = 0; i < SIM_HOLDERS && i < ring->count; i++)
        if (ring->places[(at + i) % ring->count].node == node)
            return true;
    return false;
}

static struct held *collect(struct collection *c)
{
    if (c->count == c->cap) {
        c->cap = c->cap == 0 ? 1024 : 2 * c->cap;
        c->held = rf_resize(c->sim->config.mem, c->held, c->cap * sizeof(*c->held));
        RF_ASSERT(c->held != NULL);
    }
    struct held *held = &c->held[c->count++];
    memset(held, 0, sizeof(*held));
    return held;
}

static void on_held(void *arg, const struct rf_store_held *value)
{
    static const uint64_t seed[2] = {5, 6};
    struct collection *c = arg;
    uint64_t wall_ms = SIM_EPOCH_MS + c->sim->now_us / RF_US_PER_MS;
    if (c->users == NULL && !in_charge(c->ring, &value->resource, c->node))
        return;
    struct held *held = collect(c);
    held->resource = value->resource;
    held->kind = value->kind;
    held->holder = c->node->index;
    held->slot = value->slot.len <= 4 ? 0 : rf_hash64(seed, value->slot);
    for (size_t i = 0; i < value->slot.len && value->slot.len <= 4; i++)
        held->slot = held->slot << 8 | value->slot.p[i];
    held->digest = sim_mix(value->storage_time_ms ^ (uint64_t)value->exists << 63) ^
                   rf_hash64(seed, value->value) ^ rf_hash64(seed, rf_id_view(&value->signer));
    held->young = value->storage_time_ms + YOUNG_MS > wall_ms;
    if (c->users == NULL)
        return;
    held->form = value->kind == SIM_KIND_LIST         ? SIM_FORM_LIST
                 : value->kind == SIM_KIND_DICTIONARY ? SIM_FORM_ENTRY
                                                      : SIM_FORM_VALUE;
    held->user = sim_values_user(c->sim, c->users, &value->resource);
    held->seen = (struct sim_seen){.time_ms = value->storage_time_ms, .exists = value->exists};
    sim_values_seen(c->sim, (enum sim_form)held->form, held->user, value->slot, value->value, &value->signer,
                    &held->seen);
}

static void collect_all(struct collection *c, size_t kind_count)
{
    for (size_t i = 0; i < c->ring->count; i++) {
        c->node = c->ring->places[i].node;
        for (size_t k = 0; k < kind_count; k++)
            rf_node_each_held(c->node->node, kinds[k], on_held, c);
    }
}

/* ---- comparison ---- */

static int compare(uint64_t a, uint64_t b)
{
    return a < b ? -1 : a > b;
}

static int compare_places(const void *a, const void *b)
{
    const struct held *x = a, *y = b;
    int c = rf_id_compare(&x->resource, &y->resource);
    c = c != 0 ? c : compare(x->kind, y->kind);
    c = c != 0 ? c : compare(x->slot, y->slot);
    return c != 0 ? c : compare(x->holder, y->holder);
}

static bool same_place(const struct held *a, const struct held *b)
{
    return rf_id_equal(&a->resource, &b->resource) && a->kind == b->kind && a->slot == b->slot;
}

static void tell(const struct collection *c, const struct held *group, size_t count)
{
    char text[160];
    size_t at = sim_ring_at(c->ring, &group->resource), len = 0;
    for (size_t i = 0; i < SIM_HOLDERS && i < c->ring->count; i++) {
        uint32_t holder = c->ring->places[(at + i) % c->ring->count].node->index;
        const char *has = "nothing";
        for (size_t k = 0; k < count; k++)
            if (group[k].holder == holder)
                has = group[k].digest == group[0].digest ? "one value" : "another";
        len += (size_t)snprintf(text + len, sizeof(text) - len, " %u %s;", holder, has);
    }
    rf_log_write(c->sim->config.log, RF_LOG_INFO, "sim", "%.1f s: replicas of kind %x, slot %llu disagree:%s",
                 (double)c->sim->now_us / 1e6, group->kind, (unsigned long long)group->slot, text);
}

size_t sim_replicas_disagree(const struct rf_sim *sim, const struct sim_ring *ring)
{
    struct collection c = {.sim = sim, .ring = ring};
    size_t want = ring->count < SIM_HOLDERS ? ring->count : SIM_HOLDERS, wrong = 0;
    const struct held *last = NULL; /* of a resource that was counted */
    collect_all(&c, sim->node_count <= SMALL_NODES ? RF_COUNT(kinds) : 3);
    if (c.count > 0)
        qsort(c.held, c.count, sizeof(c.held[0]), compare_places);
    for (size_t i = 0, k; i < c.count; i = k) {
        bool young = false, same = true;
        for (k = i; k < c.count && same_place(&c.held[i], &c.held[k]); k++) {
            young = young || c.held[k].young;
            same = same && c.held[k].digest == c.held[i].digest;
        }
        if (young || (same && k - i == want) ||
            (last != NULL && rf_id_equal(&last->resource, &c.held[i].resource) &&
             last->kind == c.held[i].kind))
            continue;
        last = &c.held[i];
        if (++wrong <= TOLD_MAX)
            tell(&c, &c.held[i], k - i);
    }
    rf_free(sim->config.mem, c.held);
    return wrong;
}

/* ---- the end ---- */

static int compare_users(const void *a, const void *b)
{
    const struct held *x = a, *y = b;
    int c = compare(x->user, y->user);
    c = c != 0 ? c : compare(x->form, y->form);
    c = c != 0 ? c : compare(x->slot, y->slot);
    c = c != 0 ? c : compare(y->seen.time_ms, x->seen.time_ms); /* the newest first */
    return c != 0 ? c : compare(x->holder, y->holder);
}

static bool shown_already(const struct sim_history *h, const struct sim_read *read, const struct held *held)
{
    for (size_t i = 0; i < read->count; i++) {
        const struct sim_seen *seen = &h->seen[read->from + i];
        if (held->form == SIM_FORM_LIST
                ? seen->exists && seen->node == held->seen.node && seen->number == held->seen.number
                : seen->slot == held->seen.slot)
            return true;
    }
    return false;
}

/* What those in charge of a user's values of one form hold, if the ring is right what the first of them does. */
static void audit(struct collection *c, struct sim_history *h, uint32_t user, uint8_t form, bool right)
{
    struct rf_id id;
    const struct sim_node *home = NULL;
    if (sim_values_resource(c->sim, user, &id) == 0)
        home = sim_ring_owner(c->ring, &id);
    struct sim_read *read =
        sim_history_read(h, &(struct sim_read){.begin_us = c->sim->now_us,
                                               .end_us = c->sim->now_us,
                                               .place = c->users[user],
                                               .node = SIM_NODE_NONE,
                                               .user = user,
                                               .home = home != NULL ? home->index : SIM_NODE_NONE,
                                               .form = form,
                                               .audit = true});
    for (size_t i = 0; i < c->count; i++) {
        const struct held *held = &c->held[i];
        if (held->user != user || held->form != form ||
            (right && home != NULL && held->holder != home->index) ||
            (!right && shown_already(h, read, held)))
            continue;
        sim_history_seen(h, &held->seen);
    }
}

static void audit_rights(const struct collection *c, struct sim_history *h)
{
    for (size_t i = 0; i < c->count; i++) {
        const struct held *held = &c->held[i];
        sim_history_read(h, &(struct sim_read){.begin_us = c->sim->now_us,
                                               .end_us = c->sim->now_us,
                                               .node = SIM_NODE_NONE,
                                               .user = held->user,
                                               .home = held->holder,
                                               .form = held->form,
                                               .rights = true});
        sim_history_seen(h, &held->seen);
    }
}

void sim_replicas_audit(const struct rf_sim *sim, struct sim_history *h)
{
    struct sim_ring ring;
    uint64_t *users = rf_alloc(sim->config.mem, sim->user_count * sizeof(*users));
    bool *wrote = rf_zalloc(sim->config.mem, sim->user_count * SIM_FORM_COUNT);
    RF_ASSERT(users != NULL && wrote != NULL);
    for (uint32_t i = 0; i < sim->user_count; i++)
        users[i] = sim_values_place(sim, i);
    for (size_t i = 0; i < h->write_count; i++)
        wrote[h->writes[i].user * SIM_FORM_COUNT + h->writes[i].form] = true;
    sim_ring_init(sim, &ring);
    struct collection c = {.sim = sim, .ring = &ring, .users = users};
    collect_all(&c, SIM_FORM_COUNT);
    if (c.count > 0)
        qsort(c.held, c.count, sizeof(c.held[0]), compare_users);
    bool right = ring.count > 0 && sim_ring_wrong(sim, &ring) == 0;
    for (uint32_t i = 0; i < sim->user_count; i++)
        for (uint8_t form = 0; form < SIM_FORM_COUNT; form++)
            if (wrote[i * SIM_FORM_COUNT + form])
                audit(&c, h, i, form, right);
    audit_rights(&c, h);
    sim_ring_deinit(sim, &ring);
    rf_free(sim->config.mem, c.held);
    rf_free(sim->config.mem, users);
    rf_free(sim->config.mem, wrote);
}
