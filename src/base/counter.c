/* counter.c - see counter.h. */
#include "base/counter.h"

void rf_counter_set_init(struct rf_counter_set *set, struct rf_mem *mem)
{
    *set = (struct rf_counter_set){.mem = mem};
}

void rf_counter_set_deinit(struct rf_counter_set *set)
{
    for (size_t i = 0; i < RF_COUNTER_ROOMS; i++)
        rf_free(set->mem, set->rooms[i].counters);
    *set = (struct rf_counter_set){.mem = set->mem};
}

void *rf_counters_open(struct rf_counter_set *set, struct rf_mem *mem, const struct rf_counter_desc *descs,
                       size_t size)
{
    size_t i = 0;

    if (set == NULL)
        return rf_zalloc(mem, size);
    while (i < RF_COUNTER_ROOMS && set->rooms[i].counters != NULL && set->rooms[i].descs != descs)
        i++;
    if (i == RF_COUNTER_ROOMS)
        return NULL;
    if (set->rooms[i].counters == NULL) {
        set->rooms[i].counters = rf_zalloc(set->mem, size);
        set->rooms[i].descs = descs;
    }
    return set->rooms[i].counters;
}

void rf_counters_close(struct rf_counter_set *set, struct rf_mem *mem, void *counters)
{
    if (set == NULL)
        rf_free(mem, counters);
}
