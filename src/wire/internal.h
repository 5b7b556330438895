/* internal.h - what the decoders of this folder share. Not for others. */
#ifndef RF_WIRE_INTERNAL_H
#define RF_WIRE_INTERNAL_H

#include "base/buf.h"
#include "base/error.h"
#include "base/id.h"
#include "base/view.h"
#include "wire/code.h"
#include "wire/contents.h"

/* wire_exp_find gives what stands in the experimental extension with that tag (the first four bytes), behind it. False: there is none. */
static inline bool wire_exp_find(struct rf_view extensions, uint32_t tag, struct rf_view *out)
{
    struct rf_extension extension;
    uint32_t found;
    while (extensions.len > 0 && rf_extension_next(&extensions, &extension) == 0) {
        *out = extension.contents;
        if (extension.type == RF_EXTENSION_EXP && rf_view_u32(out, &found) == 0 && found == tag)
            return true;
    }
    return false;
}

/* wire_exp_open begins such an extension, not critical; its contents are written then, and closed: rf_buf_close(out, mark, 4). */
static inline size_t wire_exp_open(uint32_t tag, struct rf_buf *out)
{
    rf_buf_u16(out, RF_EXTENSION_EXP);
    rf_buf_bool(out, false);
    size_t mark = rf_buf_open(out, 4);
    rf_buf_u32(out, tag);
    return mark;
}

/* wire_end: a structure must fill its bytes: RF_ELENGTH if some are left. */
static inline int wire_end(struct rf_view rest)
{
    return rest.len == 0 ? 0 : RF_ELENGTH;
}

/* wire_node_id takes all of `bytes` as a Node-ID; id_len 0 accepts 16..20. All zero is never on the wire. */
static inline int wire_node_id(struct rf_view bytes, uint8_t id_len, struct rf_id *out)
{
    struct rf_id id;

    if ((id_len != 0 && bytes.len != id_len) || rf_id_from(bytes, &id) != 0)
        return RF_ELENGTH;
    if (rf_id_is_zero(&id))
        return RF_EFORMAT;
    *out = id;
    return 0;
}

/* wire_id reads a raw Node-ID of id_len bytes. */
static inline int wire_id(struct rf_view *in, uint8_t id_len, struct rf_id *out)
{
    struct rf_view at = *in, bytes;
    int error = rf_view_take(&at, id_len, &bytes);

    if (error == 0 && (error = wire_node_id(bytes, id_len, out)) == 0)
        *in = at;
    return error;
}

/* wire_id_put appends a raw Node-ID. RF_EINVAL in `out`: it is unset. */
static inline void wire_id_put(const struct rf_id *id, struct rf_buf *out)
{
    if (id->len == 0)
        rf_buf_fail(out, RF_EINVAL);
    rf_buf_view_put(out, rf_id_view(id));
}

/* wire_resource reads a ResourceId, v8 of at most 254 bytes. */
static inline int wire_resource(struct rf_view *in, struct rf_view *out)
{
    struct rf_view at = *in, bytes;
    int error = rf_view_v(&at, 1, &bytes);
    if (error != 0)
        return error;
    if (bytes.len > 254)
        return RF_ELENGTH;
    *in = at;
    *out = bytes;
    return 0;
}

/* wire_resource_put is its inverse. */
static inline void wire_resource_put(struct rf_view resource, struct rf_buf *out)
{
    if (resource.len > 254)
        rf_buf_fail(out, RF_ELENGTH);
    rf_buf_v(out, 1, resource);
}

#endif
