/* channel.c - ChannelData: a number, a length, data (RFC 8656, section 12.4). */
#include "stun/internal.h"

int rf_turn_channel_decode(struct rf_view datagram, uint16_t *number, struct rf_view *data)
{
    if (!rf_turn_is_channel(datagram))
        return RF_EFORMAT;
    size_t len = stun_u16(datagram.p + 2);
    if (len > datagram.len - RF_TURN_CHANNEL_HEADER_LEN)
        return RF_ELENGTH;
    *number = stun_u16(datagram.p);
    *data = rf_view_of(datagram.p + RF_TURN_CHANNEL_HEADER_LEN, len);
    return 0;
}

int rf_turn_channel_frame(struct rf_view stream, size_t *len)
{
    if (stream.len >= 1 && (stream.p[0] < 64 || stream.p[0] > 127))
        return RF_EFORMAT;
    if (stream.len < RF_TURN_CHANNEL_HEADER_LEN)
        return RF_ESHORT;
    *len = RF_TURN_CHANNEL_HEADER_LEN + stun_padded(stun_u16(stream.p + 2));
    return 0;
}
