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
    SIM_S_QUEUE_MAX,
    SIM_S_LOST,
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
struct sim_probe {
    uint64_t at_us;
    size_t wrong, joined, up, supers_joined, supers_up;
};

struct sim_stats {
    double *values[SIM_SERIES_COUNT]; /* cap each */
    struct sim_sample *samples;
    size_t count, cap;
    struct sim_probe *probes;
    size_t probe_count, probe_cap;
    uint64_t marks[64];
    size_t mark_count;
    char names[SIM_SERIES_COUNT][40];
    struct rf_sim_check_result results[RF_SIM_MAX_CHECKS];
    bool finished;
};

double sim_histogram_at(const struct sim_histogram *h, double share); /* quantile in us; NaN: empty */
void sim_histogram_merge(struct sim_histogram *into, const struct sim_histogram *h);

#endif
