/* decode.c - the shape of a message: header, attributes, where the integrity stands. */
#include "stun/crc.h"
#include "stun/internal.h"

bool rf_stun_is(struct rf_view datagram)
{
    const uint8_t *p = datagram.p;
    return datagram.len >= RF_STUN_HEADER_LEN && (p[0] & 0xc0) == 0 && stun_u32(p + 4) == RF_STUN_COOKIE &&
           stun_u16(p + 2) % 4 == 0 && (size_t)stun_u16(p + 2) + RF_STUN_HEADER_LEN == datagram.len;
}

int rf_stun_frame(struct rf_view stream, size_t *len)
{
    if (stream.len >= 1 && (stream.p[0] & 0xc0) != 0)
        return RF_EFORMAT;
    if (stream.len < 8)
        return RF_ESHORT;
    if (stun_u32(stream.p + 4) != RF_STUN_COOKIE || stun_u16(stream.p + 2) % 4 != 0)
        return RF_EFORMAT;
    *len = RF_STUN_HEADER_LEN + stun_u16(stream.p + 2);
    return 0;
}

/* The class's two bits stand at 4 and 8 among the method's twelve (section 5). */
static void decode_type(uint16_t type, struct rf_stun_msg *out)
{
    out->class = (enum rf_stun_class)((type >> 4 & 1) | (type >> 7 & 2));
    out->method = (uint16_t)((type & 0x000f) | (type >> 1 & 0x0070) | (type >> 2 & 0x0f80));
}

/* note_attr remembers where the integrity and the fingerprint stand. */
static int note_attr(struct rf_stun_msg *msg, uint16_t type, size_t at)
{
    if (msg->fingerprint_at != 0)
        return RF_EFORMAT; /* FINGERPRINT must be the last (section 14.7) */
    if (type == RF_STUN_FINGERPRINT)
        msg->fingerprint_at = at;
    else if (type == RF_STUN_MESSAGE_INTEGRITY_SHA256 && msg->integrity256_at == 0)
        msg->integrity256_at = at;
    else if (type == RF_STUN_MESSAGE_INTEGRITY && msg->integrity_at == 0 && msg->integrity256_at == 0)
        msg->integrity_at = at;
    else
        return 0;
    if (at < msg->end_at)
        msg->end_at = at;
    return 0;
}

static int walk(struct rf_stun_msg *msg)
{
    size_t at = RF_STUN_HEADER_LEN;
    msg->end_at = msg->raw.len;
    while (at < msg->raw.len) {
        if (msg->raw.len - at < ATTR_HEADER_LEN)
            return RF_ELENGTH;
        size_t whole = ATTR_HEADER_LEN + stun_padded(stun_u16(msg->raw.p + at + 2));
        if (msg->raw.len - at < whole)
            return RF_ELENGTH;
        int error = note_attr(msg, stun_u16(msg->raw.p + at), at);
        if (error != 0)
            return error;
        at += whole;
    }
    return 0;
}

static int check_fingerprint(const struct rf_stun_msg *msg)
{
    size_t at = msg->fingerprint_at;
    if (at == 0)
        return 0;
    if (stun_u16(msg->raw.p + at + 2) != 4)
        return RF_ELENGTH;
    uint16_t len = (uint16_t)(msg->raw.len - RF_STUN_HEADER_LEN);
    return stun_u32(msg->raw.p + at + 4) == stun_fingerprint(rf_view_of(msg->raw.p, at), len) ? 0
                                                                                              : RF_EMISMATCH;
}

int rf_stun_decode(struct rf_view datagram, struct rf_stun_msg *out)
{
    if (!rf_stun_is(datagram))
        return RF_EFORMAT;
    *out = (struct rf_stun_msg){.raw = datagram};
    decode_type(stun_u16(datagram.p), out);
    memcpy(out->txn, datagram.p + 8, RF_STUN_TXN_LEN);
    int error = walk(out);
    return error != 0 ? error : check_fingerprint(out);
}

bool rf_stun_next(const struct rf_stun_msg *msg, size_t *at, uint16_t *type, struct rf_view *value)
{
    if (*at == 0)
        *at = RF_STUN_HEADER_LEN;
    if (*at >= msg->end_at)
        return false;
    size_t len = stun_u16(msg->raw.p + *at + 2);
    *type = stun_u16(msg->raw.p + *at);
    *value = rf_view_of(msg->raw.p + *at + ATTR_HEADER_LEN, len);
    *at += ATTR_HEADER_LEN + stun_padded(len);
    return true;
}

bool rf_stun_find(const struct rf_stun_msg *msg, uint16_t type, struct rf_view *value)
{
    uint16_t found;
    for (size_t at = 0; rf_stun_next(msg, &at, &found, value);)
        if (found == type)
            return true;
    return false;
}

static bool is_among(const uint16_t *types, size_t count, uint16_t type)
{
    for (size_t i = 0; i < count; i++)
        if (types[i] == type)
            return true;
    return false;
}

size_t rf_stun_unknown(const struct rf_stun_msg *msg, const uint16_t *known, size_t count,
                       uint16_t out[RF_STUN_MAX_UNKNOWN])
{
    struct rf_view value;
    uint16_t type;
    size_t found = 0;
    for (size_t at = 0; found < RF_STUN_MAX_UNKNOWN && rf_stun_next(msg, &at, &type, &value);)
        if (type < 0x8000 && !is_among(known, count, type) && !is_among(out, found, type))
            out[found++] = type;
    return found;
}
