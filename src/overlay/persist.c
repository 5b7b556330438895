/* persist.c - copies of records, for those who keep them longer than the call that brought them. */
#include "overlay/persist.h"

#include "base/assert.h"
#include "base/error.h"

static int copy_view(struct rf_region *region, struct rf_view *v)
{
    struct rf_view copy = rf_region_copy(region, *v);
    bool refused = v->len > 0 && copy.p == NULL;
    *v = copy;
    return refused ? RF_ENOMEM : 0;
}

static int copy_record(struct rf_region *region, struct rf_record *record)
{
    struct rf_view *const views[] = {&record->resource, &record->slot, &record->stored_data, &record->cert};
    int error = 0;
    for (size_t i = 0; i < RF_COUNT(views) && error == 0; i++)
        error = copy_view(region, views[i]);
    return error;
}

int rf_persist_copy(struct rf_region *region, const struct rf_persist_op *ops, size_t op_count,
                    struct rf_persist_op **out)
{
    struct rf_persist_op *copy = rf_region_array(region, op_count, sizeof(*copy));
    int error = copy == NULL ? RF_ENOMEM : 0;
    for (size_t i = 0; i < op_count && error == 0; i++) {
        copy[i] = ops[i];
        error = copy_record(region, &copy[i].record);
    }
    if (error == 0)
        *out = copy;
    return error;
}
