/* binding.c - the codec of what is said about a NAT's bindings. */
#include "wire/binding.h"

#include "wire/addr.h"
#include "wire/internal.h"

#define TAG_ASK  UINT32_C(0x52466271) /* RFbq */
#define TAG_SAID UINT32_C(0x52466261) /* RFba */
#define TAG_IDLE UINT32_C(0x52467069) /* RFpi */
#define MAGIC    UINT32_C(0xf2524662)

/* ---- over the overlay ---- */

bool rf_binding_is_ask(struct rf_view body)
{
    uint32_t tag;
    return rf_view_u32(&body, &tag) == 0 && tag == TAG_ASK;
}

/* Moves past the tag; RF_EUNKNOWN: it is another. */
static int take_tag(struct rf_view *in, uint32_t wanted)
{
    uint32_t tag;
    return rf_view_u32(in, &tag) != 0 || tag != wanted ? RF_EUNKNOWN : 0;
}

int rf_binding_ask_decode(struct rf_view body, struct rf_binding_ask *out)
{
    *out = (struct rf_binding_ask){0};
    int error = take_tag(&body, TAG_ASK);
    if (error == 0)
        error = rf_view_u8(&body, &out->wants);
    if (error == 0)
        error = rf_view_u32(&body, &out->silent_ms);
    if (out->wants > RF_BINDING_DATAGRAM)
        out->wants = RF_BINDING_NOTHING;
    return error;
}

void rf_binding_ask_encode(const struct rf_binding_ask *ask, struct rf_buf *out)
{
    rf_buf_u32(out, TAG_ASK);
    rf_buf_u8(out, ask->wants);
    rf_buf_u32(out, ask->silent_ms);
}

int rf_binding_said_decode(struct rf_view body, struct rf_binding_said *out)
{
    struct rf_view token;
    *out = (struct rf_binding_said){0};
    int error = take_tag(&body, TAG_SAID);
    if (error == 0)
        error = rf_view_u8(&body, &out->outcome);
    if (error == 0)
        error = rf_view_u32(&body, &out->silent_ms);
    if (error == 0)
        error = rf_view_v(&body, 1, &token);
    if (error == 0 && token.len != 0 && token.len != sizeof(out->token))
        error = RF_ELENGTH;
    if (error == 0 && body.len > 0)
        error = rf_ip_port_decode(&body, &out->seen);
    if (error != 0)
        return error;
    if (out->outcome > RF_BINDING_LATER || (out->outcome == RF_BINDING_GIVEN && token.len == 0))
        out->outcome = RF_BINDING_LATER;
    if (out->outcome == RF_BINDING_GIVEN)
        memcpy(out->token, token.p, token.len);
    return 0;
}

void rf_binding_said_encode(const struct rf_binding_said *said, struct rf_buf *out)
{
    rf_buf_u32(out, TAG_SAID);
    rf_buf_u8(out, said->outcome);
    rf_buf_u32(out, said->silent_ms);
    rf_buf_v(out, 1, rf_view_of(said->token, said->outcome == RF_BINDING_GIVEN ? sizeof(said->token) : 0));
    if (said->seen.family != 0)
        rf_ip_port_encode(&said->seen, out);
}

/* ---- over what is looked at ---- */

bool rf_binding_is_piece(struct rf_view bytes)
{
    uint32_t magic;
    return rf_view_u32(&bytes, &magic) == 0 && magic == MAGIC;
}

int rf_binding_piece_decode(struct rf_view bytes, struct rf_binding_piece *out)
{
    struct rf_view token;
    *out = (struct rf_binding_piece){0};
    int error = take_tag(&bytes, MAGIC);
    if (error == 0)
        error = rf_view_u8(&bytes, &out->kind);
    if (error == 0)
        error = rf_view_take(&bytes, sizeof(out->token), &token);
    if (error == 0)
        error = rf_view_u32(&bytes, &out->wait_ms);
    if (error != 0)
        return error;
    memcpy(out->token, token.p, token.len);
    return out->kind >= RF_BINDING_QUESTION && out->kind <= RF_BINDING_LAST ? 0 : RF_EUNKNOWN;
}

void rf_binding_piece_encode(const struct rf_binding_piece *piece, struct rf_buf *out)
{
    rf_buf_u32(out, MAGIC);
    rf_buf_u8(out, piece->kind);
    rf_buf_put(out, piece->token, sizeof(piece->token));
    rf_buf_u32(out, piece->wait_ms);
}

/* ---- in an Attach ---- */

void rf_binding_idle_put(uint16_t idle_s, struct rf_buf *out)
{
    size_t mark = wire_exp_open(TAG_IDLE, out);
    rf_buf_u16(out, idle_s);
    rf_buf_close(out, mark, 4);
}

uint16_t rf_binding_idle_of(struct rf_view extensions)
{
    struct rf_view in;
    uint16_t idle_s;
    if (!wire_exp_find(extensions, TAG_IDLE, &in) || rf_view_u16(&in, &idle_s) != 0)
        return 0;
    return idle_s;
}
