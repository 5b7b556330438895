/* role.c - the codec of what nodes say about roles. */
#include "wire/role.h"

#include "wire/addr.h"
#include "wire/internal.h"

#define TAG_ASK  UINT32_C(0x52467271) /* RFrq */
#define TAG_SAID UINT32_C(0x52467273) /* RFrs */
#define TAG_MOVE UINT32_C(0x52466d76) /* RFmv */

enum rf_role_tag rf_role_tag_of(struct rf_view body)
{
    uint32_t tag;
    if (rf_view_u32(&body, &tag) != 0)
        return RF_ROLE_NONE;
    return tag == TAG_ASK ? RF_ROLE_ASK : tag == TAG_MOVE ? RF_ROLE_MOVE : RF_ROLE_NONE;
}

/* Moves past the tag; RF_EUNKNOWN: it is another. */
static int take_tag(struct rf_view *in, uint32_t wanted)
{
    uint32_t tag;
    return rf_view_u32(in, &tag) != 0 || tag != wanted ? RF_EUNKNOWN : 0;
}

/* ---- ask ---- */

int rf_role_ask_decode(struct rf_view body, struct rf_role_ask *out)
{
    *out = (struct rf_role_ask){0};
    int error = take_tag(&body, TAG_ASK);
    if (error == 0)
        error = rf_view_u8(&body, &out->wants);
    if (error == 0 && (out->wants & RF_ROLE_DIAL) != 0)
        error = rf_ip_port_decode(&body, &out->address);
    return error;
}

void rf_role_ask_encode(const struct rf_role_ask *ask, struct rf_buf *out)
{
    rf_buf_u32(out, TAG_ASK);
    rf_buf_u8(out, ask->wants);
    if ((ask->wants & RF_ROLE_DIAL) != 0)
        rf_ip_port_encode(&ask->address, out);
}

/* ---- said ---- */

int rf_role_said_decode(struct rf_view body, struct rf_role_said *out)
{
    uint8_t granted = 0;
    *out = (struct rf_role_said){0};
    int error = take_tag(&body, TAG_SAID);
    if (error == 0)
        error = rf_view_u8(&body, &out->load);
    if (error == 0)
        error = rf_view_u8(&body, &out->dial);
    if (error == 0)
        error = rf_view_u8(&body, &granted);
    if (error == 0)
        error = rf_view_u16(&body, &out->candidates);
    if (error == 0)
        error = rf_view_u32(&body, &out->ring_size);
    if (error == 0 && body.len > 0)
        error = rf_ip_port_decode(&body, &out->seen);
    if (out->dial > RF_ROLE_DIAL_STRANGER)
        out->dial = RF_ROLE_DIAL_LATER;
    out->granted = granted != 0;
    return error;
}

void rf_role_said_encode(const struct rf_role_said *said, struct rf_buf *out)
{
    rf_buf_u32(out, TAG_SAID);
    rf_buf_u8(out, said->load);
    rf_buf_u8(out, said->dial);
    rf_buf_u8(out, said->granted);
    rf_buf_u16(out, said->candidates);
    rf_buf_u32(out, said->ring_size);
    if (said->seen.family != 0)
        rf_ip_port_encode(&said->seen, out);
}

/* ---- move ---- */

int rf_role_move_decode(struct rf_view body, uint8_t id_len, struct rf_role_move *out)
{
    struct rf_view ids;
    struct rf_id id;
    *out = (struct rf_role_move){0};
    int error = take_tag(&body, TAG_MOVE);
    if (error == 0)
        error = rf_view_u32(&body, &out->within_ms);
    if (error == 0)
        error = rf_view_v(&body, 2, &ids);
    if (error == 0 && ids.len % id_len != 0)
        error = RF_ELENGTH;
    while (error == 0 && ids.len > 0) {
        error = wire_id(&ids, id_len, &id);
        if (error == 0 && !rf_id_is_wildcard(&id) && out->alternative_count < RF_ROLE_ALTERNATIVES)
            out->alternatives[out->alternative_count++] = id;
    }
    return error;
}

void rf_role_move_encode(const struct rf_role_move *move, struct rf_buf *out)
{
    rf_buf_u32(out, TAG_MOVE);
    rf_buf_u32(out, move->within_ms);
    size_t mark = rf_buf_open(out, 2);
    for (size_t i = 0; i < move->alternative_count; i++)
        wire_id_put(&move->alternatives[i], out);
    rf_buf_close(out, mark, 2);
}
