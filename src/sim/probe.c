/* probe.c - is the ring right? Compares what every joined supernode believes with the sorted list of all of them. */
#include <stdio.h>
#include <stdlib.h>
#include "base/assert.h"
#include "sim/world.h"

#define ENTRIES_MAX 512

struct place {
    struct rf_id id;
    const struct sim_node *node;
};

static int place_compare(const void *a, const void *b)
{
    return rf_id_compare(&((const struct place *)a)->id, &((const struct place *)b)->id);
}

static const struct place *find(const struct place *places, size_t count, const struct rf_id *id)
{
    struct place key = {*id, NULL};
    return bsearch(&key, places, count, sizeof(*places), place_compare);
}

/* For the log: who is wrong about whom. "-" stands for a node that is not joined. */
static void tell(const struct rf_sim *sim, const struct place *places, size_t count, size_t at,
                 const struct rf_topology_status_entry *entry, size_t right)
{
    const struct place *named = find(places, count, &entry->node);
    char text[16] = "-";
    if (named != NULL)
        snprintf(text, sizeof(text), "%u", named->node->index);
    rf_log_write(sim->config.log, RF_LOG_INFO, "sim", "%.1f s: ring: %c%u of node %u is %s, should be %u%s",
                 (double)sim->now_us / 1e6, entry->relation, entry->rank, places[at].node->index, text,
                 places[right].node->index, entry->link == 0 ? " (no link)" : "");
}

/* Every successor and predecessor that a node names must stand at that distance; and it must name as many as there are, up to three. */
static bool neighbors_right(const struct rf_sim *sim, const struct place *places, size_t count, size_t at)
{
    struct rf_topology_status_entry entries[ENTRIES_MAX];
    size_t n = rf_node_ring(places[at].node->node, entries, ENTRIES_MAX);
    size_t seen[2] = {0, 0}, want = count - 1 < 3 ? count - 1 : 3;
    for (size_t i = 0; i < n; i++) {
        bool successor = entries[i].relation == 's';
        if (!successor && entries[i].relation != 'p')
            continue;
        size_t rank = entries[i].rank % count;
        size_t right = successor ? (at + rank) % count : (at + count - rank) % count;
        if (rank == 0 || !rf_id_equal(&entries[i].node, &places[right].id)) {
            tell(sim, places, count, at, &entries[i], right);
            return false;
        }
        if (rank > seen[successor])
            seen[successor] = rank;
    }
    return seen[0] >= want && seen[1] >= want;
}

size_t sim_probe_ring(const struct rf_sim *sim)
{
    struct place *places = rf_alloc(sim->config.mem, sim->scenario.supernodes * sizeof(*places));
    size_t count = 0, wrong = 0;
    RF_ASSERT(places != NULL);
    for (size_t i = 0; i < sim->scenario.supernodes; i++)
        if (sim->nodes[i].joined && !sim->nodes[i].leaving)
            places[count++] = (struct place){sim_id_of(sim, (uint32_t)i), &sim->nodes[i]};
    qsort(places, count, sizeof(*places), place_compare);
    for (size_t i = 0; i < count; i++)
        wrong += !neighbors_right(sim, places, count, i);
    rf_free(sim->config.mem, places);
    return wrong;
}
