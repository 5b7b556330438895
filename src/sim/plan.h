/* plan.h - what plan.c keeps between its turns. */
#ifndef RF_SIM_PLAN_H
#define RF_SIM_PLAN_H

#include "sim/world.h"

#define SIM_WORK_US RF_US_PER_S /* operations are planned for so long ahead */

struct sim_churn {
    bool on, spare_bootstraps, power;
    uint32_t epoch; /* ends of sessions drawn under an older one do not hold */
    double polite;  /* share of sessions that end with a Leave */
    struct rf_sim_dist session, pause;
};

struct sim_plan {
    uint16_t order[RF_SIM_MAX_STEPS]; /* the steps by time */
    size_t step_next;
    uint64_t sample_us, probe_us, work_us; /* when next */
    uint32_t epoch;
    struct sim_churn churn[2]; /* of supernodes, of clients */
};

#endif
