/* settings.h - the settings of the simulator that every scenario has, with their units, limits and places in struct rf_sim_scenario. */
#ifndef RF_SIM_SETTINGS_H
#define RF_SIM_SETTINGS_H

#include "base/view.h"
#include "sim/sim.h"

enum sim_setting_type {
    SIM_COUNT, /* size_t */
    SIM_TIME,  /* seconds; uint64_t of microseconds */
    SIM_TIME_32,
    SIM_SECONDS, /* seconds; uint32_t */
    SIM_NUMBER_32,
    SIM_RATE, /* uint64_t */
    SIM_REAL,
    SIM_SWITCH, /* 0 or 1; bool */
};

struct sim_setting {
    const char *name, *meaning;
    enum sim_setting_type type;
    size_t offset;
    double least, most;
};
extern const struct sim_setting sim_settings[];
extern const size_t sim_setting_count;

/* sim_setting_find: the setting of that name ("nodes" is another name of supernodes), NULL if there is none. */
const struct sim_setting *sim_setting_find(struct rf_view name);
double sim_setting_get(const struct sim_setting *setting, const struct rf_sim_scenario *scenario);
/* sim_setting_put: false when the value is not between the setting's limits. */
bool sim_setting_put(const struct sim_setting *setting, double value, struct rf_sim_scenario *scenario);

#endif
