/* value.c - the values of the registered Kinds. */
#include "wire/value.h"

#include "wire/addr.h"
#include "wire/internal.h"

enum { NAME_PATTERN = 1 }; /* the only type of ResourceNameExtension */

int rf_sip_value_decode(struct rf_view value, uint8_t id_len, struct rf_sip_value *out)
{
    struct rf_sip_value sip = {0};
    struct rf_view data;
    size_t count;
    int error;

    if ((error = rf_view_u8(&value, &sip.type)) != 0 || (error = rf_view_v(&value, 2, &data)) != 0 ||
        (error = wire_end(value)) != 0)
        return error;
    switch (sip.type) {
    case RF_SIP_VALUE_URI:
        error = rf_view_v(&data, 2, &sip.uri);
        break;
    case RF_SIP_VALUE_ROUTE:
        if ((error = rf_view_v(&data, 2, &sip.contact_prefs)) != 0 ||
            (error = rf_view_v(&data, 2, &sip.dests)) != 0 ||
            (error = rf_dest_list_check(sip.dests, id_len, &count)) != 0)
            return error;
        error = count > 0 ? 0 : RF_EFORMAT;
        break;
    default:
        return RF_EUNKNOWN;
    }
    if (error != 0 || (error = wire_end(data)) != 0)
        return error;
    *out = sip;
    return 0;
}

void rf_sip_value_encode(const struct rf_sip_value *sip, struct rf_buf *out)
{
    size_t mark;

    rf_buf_u8(out, sip->type);
    mark = rf_buf_open(out, 2);
    if (sip->type == RF_SIP_VALUE_URI) {
        rf_buf_v(out, 2, sip->uri);
    } else if (sip->type == RF_SIP_VALUE_ROUTE) {
        rf_buf_v(out, 2, sip->contact_prefs);
        rf_buf_v(out, 2, sip->dests);
    } else {
        rf_buf_fail(out, RF_EINVAL);
    }
    rf_buf_close(out, mark, 2);
}

int rf_turn_value_decode(struct rf_view value, struct rf_turn_value *out)
{
    struct rf_turn_value turn;
    int error;

    if ((error = rf_view_u8(&value, &turn.iteration)) != 0 ||
        (error = rf_ip_port_decode(&value, &turn.address)) != 0 || (error = wire_end(value)) != 0)
        return error;
    if (turn.address.family == 0)
        return RF_EUNKNOWN;
    *out = turn;
    return 0;
}

void rf_turn_value_encode(const struct rf_turn_value *turn, struct rf_buf *out)
{
    rf_buf_u8(out, turn->iteration);
    rf_ip_port_encode(&turn->address, out);
}

int rf_redir_value_decode(struct rf_view value, uint8_t id_len, struct rf_redir_value *out)
{
    struct rf_redir_value redir;
    int error;

    if ((error = rf_view_u8(&value, &redir.type)) != 0 || (error = rf_view_v(&value, 2, &redir.dests)) != 0 ||
        (error = rf_dest_list_check(redir.dests, id_len, NULL)) != 0 ||
        (error = rf_view_v(&value, 2, &redir.name_space)) != 0 ||
        (error = rf_view_u16(&value, &redir.level)) != 0 || (error = rf_view_u16(&value, &redir.node)) != 0 ||
        (error = rf_view_v(&value, 2, &redir.extension)) != 0 || (error = wire_end(value)) != 0)
        return error;
    *out = redir;
    return 0;
}

void rf_redir_value_encode(const struct rf_redir_value *redir, struct rf_buf *out)
{
    rf_buf_u8(out, redir->type);
    rf_buf_v(out, 2, redir->dests);
    rf_buf_v(out, 2, redir->name_space);
    rf_buf_u16(out, redir->level);
    rf_buf_u16(out, redir->node);
    rf_buf_v(out, 2, redir->extension);
}

int rf_resource_name_decode(struct rf_view *in, struct rf_view *name)
{
    struct rf_view at = *in, data, bytes;
    uint8_t type;
    int error;

    if ((error = rf_view_u8(&at, &type)) != 0 || (error = rf_view_v(&at, 2, &data)) != 0)
        return error;
    if (type != NAME_PATTERN)
        return RF_EUNKNOWN;
    if (rf_view_v(&data, 2, &bytes) != 0 || data.len > 0)
        return RF_ELENGTH;
    *in = at;
    *name = bytes;
    return 0;
}

void rf_resource_name_encode(struct rf_view name, struct rf_buf *out)
{
    size_t mark;

    rf_buf_u8(out, NAME_PATTERN);
    mark = rf_buf_open(out, 2);
    rf_buf_v(out, 2, name);
    rf_buf_close(out, mark, 2);
}

int rf_acl_value_decode(struct rf_view value, bool variable_names, struct rf_acl_value *out)
{
    struct rf_acl_value acl = {.has_name = variable_names};
    int error;

    if (variable_names && (error = rf_resource_name_decode(&value, &acl.resource_name)) != 0)
        return error;
    if ((error = rf_view_v(&value, 2, &acl.to_user)) != 0 || (error = rf_view_u32(&value, &acl.kind)) != 0 ||
        (error = rf_view_bool(&value, &acl.allow_delegation)) != 0 || (error = wire_end(value)) != 0)
        return error;
    *out = acl;
    return 0;
}

void rf_acl_value_encode(const struct rf_acl_value *acl, struct rf_buf *out)
{
    if (acl->has_name)
        rf_resource_name_encode(acl->resource_name, out);
    rf_buf_v(out, 2, acl->to_user);
    rf_buf_u32(out, acl->kind);
    rf_buf_bool(out, acl->allow_delegation);
}
