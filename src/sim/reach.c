/*
 * reach.c - who of the users can be reached at this moment, by what is true in the whole world: the registration that the peer in charge of his name
 * holds names a way, and that way ends at a supernode that is in the ring and linked with him. And who is outside though he has run for a while.
 */
#include "base/assert.h"
#include "sim/ring.h"
#include "sim/stats.h"

#define REACH_MOST 20000u /* so many users are looked at in one probe, every n-th; other ones in the next */
#define OUTSIDE_US (60 * RF_US_PER_S)

/* NULL: the registration leads to him; else why it does not. An entry [himself] leads to the peer in charge of his Node-ID, [host, himself] over the host. */
static const char *unreached(const struct rf_sim *sim, const struct sim_ring *ring, const struct sim_node *n)
{
    struct rf_id resource, host, self = sim_id_of(sim, n->index);
    char name[48];
    if (!n->joined)
        return "he is not joined";
    sim_user_of(n, name);
    if (ring->count == 0)
        return "there is no ring";
    /* any node knows the place of a name; his own may be asleep */
    if (rf_node_resource_of(ring->places[0].node->node, rf_view_str(name), &resource) != 0)
        return "his name has no hash";
    const struct sim_node *keeper = sim_ring_owner(ring, &resource), *home;
    if (keeper == NULL || !rf_node_peek_registration(keeper->node, &resource, &self, &host))
        return n->registered ? "his registration is not where it belongs" : "he is not registered yet";
    bool guest = !rf_id_equal(&host, &self);
    home = guest ? sim_ring_find(ring, &host) : sim_ring_owner(ring, &self);
    if (home == NULL)
        return "his host is gone";
    if (home != n && !sim_conn_linked(n, home->index)) /* promoted: he is in the ring himself */
        return guest ? "he has left his host" : "he has no link with the peer in charge of him";
    return NULL;
}

static bool reached(const struct rf_sim *sim, const struct sim_ring *ring, const struct sim_node *n)
{
    const char *why = unreached(sim, ring, n);
    if (why != NULL && sim->config.log != NULL)
        rf_log_write(sim->config.log, RF_LOG_INFO, "sim",
                     "%.1f s: user %u, running for %.1f s, cannot be reached: %s", (double)sim->now_us / 1e6,
                     n->index, (double)(sim->now_us - n->started_us) / 1e6, why);
    return why == NULL;
}

static bool outside(const struct sim_node *n, uint64_t now_us)
{
    return n->node != NULL && !n->joined && !n->leaving && now_us - n->started_us >= OUTSIDE_US;
}

void sim_reach_probe(const struct rf_sim *sim, const struct sim_ring *ring, uint64_t wave_us, bool all,
                     struct sim_reach *out)
{
    size_t supers = sim->scenario.supernodes, clients = sim->scenario.clients;
    size_t users = sim->scenario.registered < clients ? sim->scenario.registered : clients;
    size_t step = all ? 1 : (clients + REACH_MOST - 1) / REACH_MOST;
    memset(out, 0, sizeof(*out));
    for (size_t i = 0; i < supers; i++)
        out->outsiders += outside(&sim->nodes[i], sim->now_us);
    for (size_t i = step > 1 ? sim->now_us / RF_US_PER_S % step : 0; i < clients; i += step) {
        const struct sim_node *n = &sim->nodes[supers + i];
        out->outsiders += outside(n, sim->now_us) ? step : 0;
        if (n->node == NULL || i >= users)
            continue;
        bool good = reached(sim, ring, n), survivor = n->started_us < wave_us;
        out->running++;
        out->reachable += good;
        out->survivors += survivor;
        out->survivors_reachable += survivor && good;
    }
}
