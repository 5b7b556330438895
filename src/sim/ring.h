/* ring.h - the ring as it should be: all joined supernodes in the order of their Node-IDs (probe.c). */
#ifndef RF_SIM_RING_H
#define RF_SIM_RING_H

#include "sim/world.h"

struct sim_ring_place {
    struct rf_id id;
    const struct sim_node *node;
};
struct sim_ring {
    struct sim_ring_place *places; /* owned, sorted */
    size_t count;
    struct sim_ring_place *comers; /* supernodes that run and are not joined; owned, sorted */
    size_t comer_count;
};

void sim_ring_init(const struct rf_sim *sim, struct sim_ring *ring);
void sim_ring_deinit(const struct rf_sim *sim, struct sim_ring *ring);
/* sim_ring_at: the place of who is in charge of a key; 0 in an empty ring. */
size_t sim_ring_at(const struct sim_ring *ring, const struct rf_id *key);
/* sim_ring_owner: who is in charge of a key; sim_ring_find: who has that Node-ID. NULL: nobody. */
const struct sim_node *sim_ring_owner(const struct sim_ring *ring, const struct rf_id *key);
const struct sim_node *sim_ring_find(const struct sim_ring *ring, const struct rf_id *id);
/* sim_ring_wrong: how many joined supernodes have wrong neighbors. sim_ring_settled_wrong: likewise, when those are left out everywhere who are on their way
 * into the ring: the ring is never right while somebody joins. */
size_t sim_ring_wrong(const struct rf_sim *sim, const struct sim_ring *ring);
size_t sim_ring_settled_wrong(const struct rf_sim *sim, const struct sim_ring *ring);

#endif
