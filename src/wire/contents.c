/* contents.c - message contents, extensions, and the whole message. */
#include "wire/contents.h"

#include "wire/internal.h"

int rf_extension_next(struct rf_view *list, struct rf_extension *out)
{
    struct rf_view at = *list;
    struct rf_extension extension;
    int error;

    if ((error = rf_view_u16(&at, &extension.type)) != 0 ||
        (error = rf_view_bool(&at, &extension.critical)) != 0 ||
        (error = rf_view_v(&at, 4, &extension.contents)) != 0)
        return error;
    *list = at;
    *out = extension;
    return 0;
}

bool rf_extension_find(struct rf_view list, uint16_t type, struct rf_extension *out)
{
    struct rf_extension extension;

    while (list.len > 0 && rf_extension_next(&list, &extension) == 0) {
        if (extension.type == type) {
            *out = extension;
            return true;
        }
    }
    return false;
}

void rf_extension_encode(const struct rf_extension *extension, struct rf_buf *out)
{
    rf_buf_u16(out, extension->type);
    rf_buf_bool(out, extension->critical);
    rf_buf_v(out, 4, extension->contents);
}

void rf_contents_encode(uint16_t code, struct rf_view body, struct rf_view extensions, struct rf_buf *out)
{
    rf_buf_u16(out, code);
    rf_buf_v(out, 4, body);
    rf_buf_v(out, 4, extensions);
}

int rf_self_tuning_decode(struct rf_view contents, struct rf_self_tuning *out)
{
    struct rf_self_tuning data;
    int error;

    if ((error = rf_view_u32(&contents, &data.network_size)) != 0 ||
        (error = rf_view_u32(&contents, &data.join_rate)) != 0 ||
        (error = rf_view_u32(&contents, &data.leave_rate)) != 0 || (error = wire_end(contents)) != 0)
        return error;
    *out = data;
    return 0;
}

void rf_self_tuning_encode(const struct rf_self_tuning *data, struct rf_buf *out)
{
    rf_buf_u32(out, data->network_size);
    rf_buf_u32(out, data->join_rate);
    rf_buf_u32(out, data->leave_rate);
}

int rf_message_decode_rest(struct rf_view rest, struct rf_message *out)
{
    const uint8_t *start = rest.p;
    struct rf_extension extension;
    struct rf_view list;
    int error;

    if ((error = rf_view_u16(&rest, &out->code)) != 0 || (error = rf_view_v(&rest, 4, &out->body)) != 0 ||
        (error = rf_view_v(&rest, 4, &out->extensions)) != 0)
        return error;
    if (out->code == 0)
        return RF_EFORMAT;
    out->contents = rf_view_of(start, (size_t)(rest.p - start));
    out->extension_count = 0;
    for (list = out->extensions; list.len > 0; out->extension_count++) {
        if ((error = rf_extension_next(&list, &extension)) != 0)
            return error;
    }
    return rf_security_decode(rest, &out->security);
}

int rf_message_decode(struct rf_view message, uint8_t id_len, struct rf_message *out)
{
    int error = rf_header_decode(&message, id_len, &out->header);

    if (error != 0)
        return error;
    if (!rf_header_is_whole(&out->header))
        return RF_EAGAIN;
    return rf_message_decode_rest(message, out);
}

void rf_message_encode(const struct rf_header *header, struct rf_view contents, struct rf_view security,
                       struct rf_buf *out)
{
    rf_header_encode(header, contents.len + security.len, out);
    rf_buf_view_put(out, contents);
    rf_buf_view_put(out, security);
}
