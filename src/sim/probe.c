/* probe.c - is the ring right? Compares what every joined supernode believes with the sorted list of all of them. */
#include <stdio.h>
#include <stdlib.h>
#include "base/assert.h"
#include "sim/ring.h"

#define ENTRIES_MAX 512
#define RANKS       16 /* of neighbors that a node names at most */
#define RANKS_LEAST 3  /* ... and at least, if there are so many */
#define SETTLED_US  (5 * RF_US_PER_S)

static int place_compare(const void *a, const void *b)
{
    return rf_id_compare(&((const struct sim_ring_place *)a)->id, &((const struct sim_ring_place *)b)->id);
}

static const struct sim_ring_place *find(const struct sim_ring_place *places, size_t count,
                                         const struct rf_id *id)
{
    struct sim_ring_place key = {*id, NULL};
    return bsearch(&key, places, count, sizeof(*places), place_compare);
}

const struct sim_node *sim_ring_find(const struct sim_ring *ring, const struct rf_id *id)
{
    const struct sim_ring_place *place = ring->count > 0 ? find(ring->places, ring->count, id) : NULL;
    return place != NULL ? place->node : NULL;
}

size_t sim_ring_at(const struct sim_ring *ring, const struct rf_id *key)
{
    size_t low = 0, high = ring->count;
    while (low < high) { /* the first that is not below the key */
        size_t middle = (low + high) / 2;
        if (rf_id_compare(&ring->places[middle].id, key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return ring->count > 0 ? low % ring->count : 0;
}

const struct sim_node *sim_ring_owner(const struct sim_ring *ring, const struct rf_id *key)
{
    return ring->count > 0 ? ring->places[sim_ring_at(ring, key)].node : NULL;
}

/* For the log: who is wrong about whom. "-" stands for a node that is not joined. */
static void tell(const struct rf_sim *sim, const struct sim_ring_place *places, size_t count, size_t at,
                 const struct rf_topology_status_entry *entry, size_t right)
{
    const struct sim_ring_place *named = find(places, count, &entry->node);
    char text[16] = "-";
    if (named != NULL)
        snprintf(text, sizeof(text), "%u", named->node->index);
    rf_log_write(sim->config.log, RF_LOG_INFO, "sim", "%.1f s: ring: %c%u of node %u is %s, should be %u%s",
                 (double)sim->now_us / 1e6, entry->relation, entry->rank, places[at].node->index, text,
                 places[right].node->index, entry->link == 0 ? " (no link)" : "");
}

/* Nobody is left out, or those who joined less than SETTLED_US ago or are about to. */
static bool is_left_out(const struct rf_sim *sim, const struct sim_node *node, bool settled)
{
    return settled && (!node->joined || sim->now_us - node->joined_us < SETTLED_US);
}

/* Who a node names at each rank, and at which one it ends. */
struct named {
    const struct rf_topology_status_entry *at[RANKS + 1];
    size_t last;
};

/* Every one that a node names on one side must stand there, and it must name as many as there are, up to three. */
static bool side_right(const struct rf_sim *sim, const struct sim_ring *ring, size_t self,
                       const struct named *named, bool up, bool settled)
{
    size_t place = self, step = up ? 1 : ring->count - 1, seen = 0, rank = 1;
    for (;;) {
        do
            place = (place + step) % ring->count;
        while (place != self && is_left_out(sim, ring->places[place].node, settled));
        while (rank <= named->last && named->at[rank] != NULL && settled) {
            const struct rf_id *id = &named->at[rank]->node;
            const struct sim_ring_place *known = find(ring->places, ring->count, id);
            if (known != NULL ? !is_left_out(sim, known->node, settled)
                              : find(ring->comers, ring->comer_count, id) == NULL)
                break;
            seen++;
            rank++;
        }
        if (rank > named->last)
            return place == self || seen >= RANKS_LEAST;
        if (named->at[rank] == NULL)
            return false;
        if (place == self || !rf_id_equal(&named->at[rank]->node, &ring->places[place].id)) {
            if (settled)
                tell(sim, ring->places, ring->count, self, named->at[rank], place);
            return false;
        }
        seen++;
        rank++;
    }
}

static bool neighbors_right(const struct rf_sim *sim, const struct sim_ring *ring, size_t self, bool settled)
{
    struct rf_topology_status_entry entries[ENTRIES_MAX];
    struct named named[2] = {0};
    size_t n = rf_node_ring(ring->places[self].node->node, entries, ENTRIES_MAX);
    if (is_left_out(sim, ring->places[self].node, settled))
        return true;
    for (size_t i = 0; i < n; i++) {
        struct named *side = &named[entries[i].relation == 's'];
        if ((entries[i].relation != 's' && entries[i].relation != 'p') || entries[i].rank > RANKS)
            continue;
        side->at[entries[i].rank] = &entries[i];
        side->last = entries[i].rank > side->last ? entries[i].rank : side->last;
    }
    return side_right(sim, ring, self, &named[1], true, settled) &&
           side_right(sim, ring, self, &named[0], false, settled);
}

static struct sim_ring_place *places_of(const struct rf_sim *sim, bool (*belongs)(const struct sim_node *n),
                                        size_t *count)
{
    struct sim_ring_place *places = rf_alloc(sim->config.mem, sim_super_end(sim) * sizeof(*places));
    RF_ASSERT(places != NULL);
    *count = 0;
    for (size_t i = 0; i < sim_super_end(sim); i++)
        if (sim_is_super(&sim->nodes[i]) && belongs(&sim->nodes[i]))
            places[(*count)++] = (struct sim_ring_place){sim_id_of(sim, (uint32_t)i), &sim->nodes[i]};
    qsort(places, *count, sizeof(*places), place_compare);
    return places;
}

static bool is_in(const struct sim_node *n)
{
    return n->joined && !n->leaving;
}

static bool is_comer(const struct sim_node *n)
{
    return n->node != NULL && !n->joined && !n->leaving;
}

void sim_ring_init(const struct rf_sim *sim, struct sim_ring *ring)
{
    ring->places = places_of(sim, is_in, &ring->count);
    ring->comers = places_of(sim, is_comer, &ring->comer_count);
}

void sim_ring_deinit(const struct rf_sim *sim, struct sim_ring *ring)
{
    rf_free(sim->config.mem, ring->places);
    rf_free(sim->config.mem, ring->comers);
}

static size_t count_wrong(const struct rf_sim *sim, const struct sim_ring *ring, bool settled)
{
    size_t wrong = 0;
    for (size_t i = 0; i < ring->count; i++)
        wrong += ring->places[i].node->liar == NULL && !neighbors_right(sim, ring, i, settled);
    return wrong;
}

size_t sim_ring_wrong(const struct rf_sim *sim, const struct sim_ring *ring)
{
    return count_wrong(sim, ring, false);
}

size_t sim_ring_settled_wrong(const struct rf_sim *sim, const struct sim_ring *ring)
{
    return count_wrong(sim, ring, true);
}
