/* attach.c - Attach, AppAttach, IceCandidate. */
#include "wire/attach.h"

#include "wire/addr.h"
#include "wire/internal.h"

int rf_ice_extension_next(struct rf_view *list, struct rf_ice_extension *out)
{
    struct rf_view at = *list;
    struct rf_ice_extension extension;
    int error;

    if ((error = rf_view_v(&at, 2, &extension.name)) != 0 ||
        (error = rf_view_v(&at, 2, &extension.value)) != 0)
        return error;
    *list = at;
    *out = extension;
    return 0;
}

void rf_ice_extension_encode(const struct rf_ice_extension *extension, struct rf_buf *out)
{
    rf_buf_v(out, 2, extension->name);
    rf_buf_v(out, 2, extension->value);
}

/* candidate_next reads one IceCandidate; usable: its addresses are of types we know. */
static int candidate_next(struct rf_view *in, struct rf_ice_candidate *out, bool *usable)
{
    struct rf_ice_extension extension;
    struct rf_view list;
    int error;

    *out = (struct rf_ice_candidate){0};
    if ((error = rf_ip_port_decode(in, &out->addr)) != 0 ||
        (error = rf_view_u8(in, &out->overlay_link)) != 0 ||
        (error = rf_view_v(in, 1, &out->foundation)) != 0 || (error = rf_view_u32(in, &out->priority)) != 0 ||
        (error = rf_view_u8(in, &out->type)) != 0)
        return error;
    *usable = out->addr.family != 0;
    switch (out->type) {
    case RF_ICE_HOST:
        break;
    case RF_ICE_SRFLX:
    case RF_ICE_RELAY:
        if ((error = rf_ip_port_decode(in, &out->related)) != 0)
            return error;
        *usable = *usable && out->related.family != 0;
        break;
    default:
        return RF_EUNKNOWN;
    }
    if ((error = rf_view_v(in, 2, &out->extensions)) != 0)
        return error;
    for (list = out->extensions; list.len > 0;) {
        if ((error = rf_ice_extension_next(&list, &extension)) != 0)
            return error;
    }
    return 0;
}

struct candidates {
    struct rf_ice_candidate *all;
    size_t count, skipped_count;
};

/* decode_candidates reads list16<IceCandidate>: once to count, once to keep. */
static int decode_candidates(struct rf_view *in, struct rf_region *region, struct candidates *out)
{
    struct rf_view list, at;
    struct rf_ice_candidate candidate;
    bool usable;
    int error = rf_view_v(in, 2, &list);

    if (error != 0)
        return error;
    *out = (struct candidates){0};
    for (at = list; at.len > 0;) {
        if ((error = candidate_next(&at, &candidate, &usable)) != 0)
            return error;
        if (usable)
            out->count++;
        else
            out->skipped_count++;
    }
    out->all = rf_region_array(region, out->count, sizeof *out->all);
    if (out->all == NULL)
        return RF_ENOMEM;
    for (size_t n = 0; list.len > 0;) {
        if ((error = candidate_next(&list, &candidate, &usable)) != 0)
            return error;
        if (usable)
            out->all[n++] = candidate;
    }
    return 0;
}

static void encode_candidates(const struct rf_ice_candidate *candidates, size_t count, struct rf_buf *out)
{
    size_t mark = rf_buf_open(out, 2);

    for (size_t i = 0; i < count; i++) {
        const struct rf_ice_candidate *c = &candidates[i];
        if (c->type != RF_ICE_HOST && c->type != RF_ICE_SRFLX && c->type != RF_ICE_RELAY)
            rf_buf_fail(out, RF_EINVAL);
        rf_ip_port_encode(&c->addr, out);
        rf_buf_u8(out, c->overlay_link);
        rf_buf_v(out, 1, c->foundation);
        rf_buf_u32(out, c->priority);
        rf_buf_u8(out, c->type);
        if (c->type != RF_ICE_HOST)
            rf_ip_port_encode(&c->related, out);
        rf_buf_v(out, 2, c->extensions);
    }
    rf_buf_close(out, mark, 2);
}

int rf_attach_decode(struct rf_view body, struct rf_region *region, struct rf_attach *out)
{
    struct candidates candidates;
    struct rf_attach attach = {0};
    int error;

    if ((error = rf_view_v(&body, 1, &attach.ufrag)) != 0 ||
        (error = rf_view_v(&body, 1, &attach.password)) != 0 ||
        (error = rf_view_v(&body, 1, &attach.role)) != 0 ||
        (error = decode_candidates(&body, region, &candidates)) != 0 ||
        (error = rf_view_bool(&body, &attach.send_update)) != 0 || (error = wire_end(body)) != 0)
        return error;
    attach.candidates = candidates.all;
    attach.candidate_count = candidates.count;
    attach.skipped_count = candidates.skipped_count;
    *out = attach;
    return 0;
}

int rf_app_attach_decode(struct rf_view body, struct rf_region *region, struct rf_app_attach *out)
{
    struct candidates candidates;
    struct rf_app_attach attach = {0};
    int error;

    if ((error = rf_view_v(&body, 1, &attach.ufrag)) != 0 ||
        (error = rf_view_v(&body, 1, &attach.password)) != 0 ||
        (error = rf_view_u16(&body, &attach.application)) != 0 ||
        (error = rf_view_v(&body, 1, &attach.role)) != 0 ||
        (error = decode_candidates(&body, region, &candidates)) != 0 || (error = wire_end(body)) != 0)
        return error;
    attach.candidates = candidates.all;
    attach.candidate_count = candidates.count;
    attach.skipped_count = candidates.skipped_count;
    *out = attach;
    return 0;
}

void rf_attach_encode(const struct rf_attach *attach, struct rf_buf *out)
{
    rf_buf_v(out, 1, attach->ufrag);
    rf_buf_v(out, 1, attach->password);
    rf_buf_v(out, 1, attach->role);
    encode_candidates(attach->candidates, attach->candidate_count, out);
    rf_buf_bool(out, attach->send_update);
}

void rf_app_attach_encode(const struct rf_app_attach *attach, struct rf_buf *out)
{
    rf_buf_v(out, 1, attach->ufrag);
    rf_buf_v(out, 1, attach->password);
    rf_buf_u16(out, attach->application);
    rf_buf_v(out, 1, attach->role);
    encode_candidates(attach->candidates, attach->candidate_count, out);
}
