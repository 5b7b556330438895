/* stats.h - what stats.c gathers and metric.c evaluates. */
#ifndef RF_SIM_STATS_H
#define RF_SIM_STATS_H

#include "sim/world.h"

/* The fixed series, in this order; one per message code and one block per operation follow. */
enum sim_series {
    SIM_S_SUPER_UP,
    SIM_S_SUPER_JOINED,
    SIM_S_CLIENT_UP,
    SIM_S_CLIENT_JOINED,
    SIM_S_REGISTERED,
    SIM_S_LINKS_MEAN,
    SIM_S_LINKS_MAX,
    SIM_S_CPU_MEAN,
    SIM_S_CPU_P99,
    SIM_S_CPU_MAX,
    SIM_S_BYTES_MEAN,
    SIM_S_BYTES_MAX,
    SIM_S_MESSAGES_MEAN,
    SIM_S_MESSAGES_MAX,
    SIM_S_MAINTENANCE_BYTES,
    SIM_S_MAINTENANCE_MESSAGES,
    SIM_S_CLIENT_BYTES,
    SIM_S_KEEPALIVE_BYTES,
    SIM_S_ACK_BYTES,
    SIM_S_HANDSHAKE_BYTES,
    SIM_S_HANDSHAKES,
    SIM_S_RESUMED,
    SIM_S_REFUSED,
    SIM_S_RING_WRONG,
    SIM_S_REPLICAS,
    SIM_S_QUEUE_MAX,
    SIM_S_LOST,
    SIM_S_PROMOTIONS,
    SIM_S_DEMOTIONS,
    SIM_S_REACHABLE,
    SIM_S_SURVIVORS,
    SIM_S_OUTSIDERS,
    SIM_S_BUDGET_CLIENTS,
    SIM_S_BUDGET_HANDSHAKES,
    SIM_S_CLIENTS_MAX,
    SIM_S_OVER_BUDGET,
    SIM_S_SHUTDOWNS,
    SIM_S_NAT_DROPPED,
    SIM_S_NAT_RESET,
    SIM_S_OPS, /* RF_SIM_OP_COUNT times SIM_OP_SERIES */
};
enum sim_op_series {
    SIM_O_COUNT,
    SIM_O_RIGHT,
    SIM_O_WRONG,
    SIM_O_FAILED,
    SIM_O_P50,
    SIM_O_P99,
    SIM_OP_SERIES
};
#define SIM_S_METHODS    (SIM_S_OPS + RF_SIM_OP_COUNT * SIM_OP_SERIES)
#define SIM_SERIES_COUNT (SIM_S_METHODS + SIM_CODES)

/* What one sample keeps besides the series' values, for metrics over several samples. */
struct sim_sample {
    uint64_t at_us;
    struct sim_tally tally;
};
struct sim_reach { /* users of clients; of very many every n-th */
    size_t running, reachable;
    size_t survivors, survivors_reachable; /* who has been running since before the last wave of kills */
    size_t outsiders;
};
struct sim_probe {
    uint64_t at_us;
    size_t wrong, joined, up, supers_joined, supers_up;
    size_t disagree; /* resources whose replicas are not alike */
    struct sim_reach reach;
};
struct sim_wave { /* of kills */
    uint64_t begin_us, end_us;
};
struct sim_used { /* of budgets, by the supernode that uses most: 1 is all of it */
    double clients, handshakes, most_clients;
    size_t over; /* supernodes above a budget */
};

struct sim_stats {
    double *values[SIM_SERIES_COUNT]; /* cap each */
    struct sim_sample *samples;
    size_t count, cap;
    struct sim_probe *probes;
    size_t probe_count, probe_cap;
    uint64_t marks[64];
    size_t mark_count;
    struct sim_wave waves[64];
    size_t wave_count;
    char names[SIM_SERIES_COUNT][40];
    struct rf_sim_check_result results[RF_SIM_MAX_CHECKS];
    bool finished;
};

struct sim_ring;
/* reach.c; wave_us: begin of the last wave; all: not only every n-th */
void sim_reach_probe(const struct rf_sim *sim, const struct sim_ring *ring, uint64_t wave_us, bool all,
                     struct sim_reach *out);
/* capacity.c: adds what a running supernode uses */
void sim_capacity_sample(const struct sim_node *n, double seconds, struct sim_used *used);
double sim_histogram_at(const struct sim_histogram *h, double share); /* quantile in us; NaN: empty */
void sim_histogram_merge(struct sim_histogram *into, const struct sim_histogram *h);

#endif
