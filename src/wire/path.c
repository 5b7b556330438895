/* path.c - the name of a path, and the way to its other end, in extensions. */
#include "wire/path.h"

#include "wire/internal.h"

#define TAG_NAME  UINT32_C(0x52467072) /* RFpr */
#define TAG_ROUTE UINT32_C(0x52467074) /* RFpt */

void rf_path_name_put(struct rf_view name, struct rf_buf *out)
{
    size_t mark = wire_exp_open(TAG_NAME, out);
    rf_buf_v(out, 1, name);
    rf_buf_close(out, mark, 4);
}

struct rf_view rf_path_name_of(struct rf_view extensions)
{
    struct rf_view in, name;
    if (!wire_exp_find(extensions, TAG_NAME, &in) || rf_view_v(&in, 1, &name) != 0 ||
        name.len > RF_PATH_NAME_MAX)
        return rf_view_of(NULL, 0);
    return name;
}

void rf_path_route_put(const struct rf_dest *dests, size_t count, struct rf_buf *out)
{
    size_t mark = wire_exp_open(TAG_ROUTE, out), list = rf_buf_open(out, 1);
    for (size_t i = 0; i < count; i++)
        rf_dest_encode(&dests[i], out);
    rf_buf_close(out, list, 1);
    rf_buf_close(out, mark, 4);
}

struct rf_view rf_path_route_of(struct rf_view extensions)
{
    struct rf_view in, route;
    if (!wire_exp_find(extensions, TAG_ROUTE, &in) || rf_view_v(&in, 1, &route) != 0)
        return rf_view_of(NULL, 0);
    return route;
}
