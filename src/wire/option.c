/* option.c - forwarding options and extensive_routing_mode. */
#include "wire/addr.h"
#include "wire/header.h"
#include "wire/internal.h"

int rf_option_next(struct rf_view *list, struct rf_option *out)
{
    struct rf_view at = *list;
    struct rf_option option;
    int error;

    if ((error = rf_view_u8(&at, &option.type)) != 0 || (error = rf_view_u8(&at, &option.flags)) != 0 ||
        (error = rf_view_v(&at, 2, &option.data)) != 0)
        return error;
    *list = at;
    *out = option;
    return 0;
}

bool rf_option_find(struct rf_view list, uint8_t type, struct rf_option *out)
{
    struct rf_option option;

    while (list.len > 0 && rf_option_next(&list, &option) == 0) {
        if (option.type == type) {
            *out = option;
            return true;
        }
    }
    return false;
}

void rf_option_encode(const struct rf_option *option, struct rf_buf *out)
{
    rf_buf_u8(out, option->type);
    rf_buf_u8(out, option->flags);
    rf_buf_v(out, 2, option->data);
}

int rf_routing_mode_decode(struct rf_view data, uint8_t id_len, struct rf_routing_mode *out)
{
    struct rf_routing_mode mode = {0};
    int error;

    if ((error = rf_view_u8(&data, &mode.mode)) != 0 || (error = rf_view_u8(&data, &mode.transport)) != 0 ||
        (error = rf_ip_port_decode(&data, &mode.addr)) != 0 ||
        (error = rf_view_v(&data, 1, &mode.dests)) != 0 || (error = wire_end(data)) != 0)
        return error;
    if (mode.mode != RF_ROUTE_DRR && mode.mode != RF_ROUTE_RPR)
        return RF_EUNKNOWN;
    if ((error = rf_dest_list_check(mode.dests, id_len, &mode.dest_count)) != 0)
        return error;
    *out = mode;
    return 0;
}

void rf_routing_mode_encode(const struct rf_routing_mode *mode, struct rf_buf *out)
{
    rf_buf_u8(out, mode->mode);
    rf_buf_u8(out, mode->transport);
    rf_ip_port_encode(&mode->addr, out);
    rf_buf_v(out, 1, mode->dests);
}
