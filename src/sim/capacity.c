/*
 * capacity.c - what a supernode may use and what it uses: mega-supernodes, budgets, and supernodes that shut down by themselves when the load is
 * more than they are willing to carry (Skype's did; ours have budgets instead: docs/protocol/admission.md).
 *
 * A supernode is looked at once in shutdown_over_us, at the first event after that: its load on the CPU since the last look, the longest that input
 * has waited, its connections. Above a limit the process ends like after a kill, and starts again after a pause. Bootstrap nodes do not: they are
 * somebody's servers.
 */
#include "base/assert.h"
#include "sim/stats.h"

/* The defaults of node.h. */
#define LINKS_USUAL      12000
#define CLIENTS_USUAL    4000
#define HANDSHAKES_USUAL 200
#define REQUESTS_USUAL   4000

#define BURST_S 2.25 /* link/budget.c: so many seconds' handshakes may be done at once beyond the rate */

/* ---- how large it is ---- */

double sim_power(const struct sim_node *n)
{
    const struct rf_sim_scenario *sc = &n->shard->sim->scenario;
    return n->mega ? sc->mega_factor : 1;
}

double sim_cpu_power(const struct sim_node *n)
{
    const struct rf_sim_scenario *sc = &n->shard->sim->scenario;
    return n->super && !n->spare ? sim_power(n) * sc->super_cpu : sim_power(n);
}

/* A budget of the scenario, 0: the node's default, made fit for a node that is so many times larger. */
static size_t times(size_t value, size_t usual, double power)
{
    if (value == 0 && power != 1)
        value = usual;
    return value == 0 || value == SIZE_MAX ? value : (size_t)((double)value * power);
}

void sim_capacity_config(const struct sim_node *n, struct rf_node_config *config)
{
    const struct rf_sim_scenario *sc = &n->shard->sim->scenario;
    double power = sim_power(n), cpu = n->spare ? power / sc->super_cpu : power;
    config->backoff_max_us = sc->backoff_us;
    config->auto_uptime_s = sc->auto_uptime_s;
    config->auto_interval_s = sc->auto_interval_s;
    config->auto_idle_s = sc->auto_idle_s;
    config->auto_min_ring = (uint32_t)sc->auto_min_ring;
    if (!n->super && !n->may)
        return;
    config->max_links = times(sc->max_links, LINKS_USUAL, power);
    config->max_clients = times(sc->max_clients, CLIENTS_USUAL, power);
    config->handshakes_per_s = times(sc->handshakes_per_s, HANDSHAKES_USUAL, cpu);
    config->requests_per_s = times(sc->requests_per_s, REQUESTS_USUAL, cpu);
}

/* ---- who shuts down ---- */

static bool watched(const struct sim_node *n)
{
    const struct rf_sim_scenario *sc = &n->shard->sim->scenario;
    return n->super && !n->spare &&
           (sc->shutdown_cpu > 0 || sc->shutdown_links > 0 || sc->shutdown_queue_us > 0);
}

static bool too_much(const struct sim_node *n, uint64_t over_us)
{
    const struct rf_sim_scenario *sc = &n->shard->sim->scenario;
    double load = (double)n->watch.cpu_ns / 1000 / (double)over_us;
    return (sc->shutdown_cpu > 0 && load > sc->shutdown_cpu) ||
           (sc->shutdown_links > 0 && (double)n->end_count > (double)sc->shutdown_links * sim_power(n)) ||
           (sc->shutdown_queue_us > 0 && n->watch.queue_us > sc->shutdown_queue_us);
}

void sim_watch_begin(struct sim_node *n, uint64_t now_us)
{
    n->watch.from_us = now_us;
    n->watch.cpu_ns = n->watch.queue_us = 0;
}

void sim_watch_waited(struct sim_node *n, uint64_t us)
{
    if (us > n->watch.queue_us)
        n->watch.queue_us = us;
}

void sim_watch_look(struct sim_node *n, uint64_t now_us)
{
    const struct rf_sim_scenario *sc = &n->shard->sim->scenario;
    uint64_t over_us = now_us - n->watch.from_us;
    if (!watched(n) || n->stopping || n->leaving || over_us < sc->shutdown_over_us)
        return;
    bool much = too_much(n, over_us);
    sim_watch_begin(n, now_us);
    if (!much)
        return;
    n->stopping = true;
    n->shard->tally.shutdowns++;
    sim_plan_shutdown(n, now_us);
}

/* ---- who keeps to its budgets ---- */

void sim_capacity_sample(const struct sim_node *n, double seconds, struct sim_used *used)
{
    struct rf_node_budgets b;
    rf_node_budgets(n->node, &b);
    double clients = b.max_clients != SIZE_MAX ? (double)b.clients / (double)b.max_clients : 0;
    double most = (double)b.handshakes_per_s * (seconds + BURST_S);
    double handshakes = most > 0 ? n->now.handshakes / 4.0 / most : 0;
    used->clients = clients > used->clients ? clients : used->clients;
    used->handshakes = handshakes > used->handshakes ? handshakes : used->handshakes;
    used->most_clients = (double)b.clients > used->most_clients ? (double)b.clients : used->most_clients;
    used->over += clients > 1 || handshakes > 1;
}
