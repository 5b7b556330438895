/* relay_data.c - what travels over an allocation: ChannelData where a channel is bound, else Send and Data indications (RFC 8656, sections 11, 12). */
#include "ice/relay.h"

static uint8_t padding(size_t len)
{
    return (uint8_t)(-len & 3);
}

static void put_u16(uint8_t *p, size_t value)
{
    p[0] = (uint8_t)(value >> 8);
    p[1] = (uint8_t)value;
}

/* Send: header, XOR-PEER-ADDRESS, DATA's header; the payload follows. */
static void send_head(struct rf_ice *ice, const struct rf_addr *to, size_t len, struct rf_ice_wrap *out)
{
    uint8_t id[RF_STUN_TXN_LEN], data[4];
    struct rf_buf buf;
    rf_rng_fill(ice->env->jitter, id, sizeof(id));
    rf_buf_fixed(&buf, out->head, sizeof(out->head));
    rf_stun_begin(&buf, RF_STUN_INDICATION, RF_TURN_SEND, id);
    rf_stun_put_address(&buf, RF_TURN_XOR_PEER_ADDRESS, true, to);
    put_u16(data, RF_TURN_DATA_ATTR);
    put_u16(data + 2, len);
    rf_buf_put(&buf, data, sizeof(data));
    RF_ASSERT(rf_buf_error(&buf) == 0);
    out->head_len = (uint8_t)buf.len;
    out->pad = padding(len);
    put_u16(out->head + 2, buf.len - RF_STUN_HEADER_LEN + len + out->pad);
}

void ice_relay_wrap(struct rf_ice *ice, uint8_t way, const struct rf_addr *to, uint8_t channel, size_t len,
                    struct rf_ice_wrap *out)
{
    const struct ice_relay *relay = ice_relay_of(ice, way);
    const struct ice_grant *g = channel != ICE_NO_PERMIT ? &relay->channels[channel] : NULL;
    out->base = relay->server.stream ? RF_ICE_NO_BASE : relay->base;
    out->stream = relay->stream;
    out->remote = relay->server.addr;
    if (g == NULL || g->state != ICE_GRANT_OK || g->until_us <= ice_now(ice)) {
        send_head(ice, to, len, out);
        return;
    }
    put_u16(out->head, g->number);
    put_u16(out->head + 2, len);
    out->head_len = RF_TURN_CHANNEL_HEADER_LEN;
    out->pad = relay->server.stream ? padding(len) : 0;
}

void ice_relay_emit(struct rf_ice *ice, uint8_t way, const struct rf_addr *to, struct rf_view bytes)
{
    uint8_t whole[RF_ICE_HEAD_MAX + ICE_MSG_MAX + 4] = {0};
    struct rf_ice_wrap wrap = {0};
    if (!ice_relay_up(ice, way) || bytes.len > ICE_MSG_MAX)
        return;
    ice_relay_wrap(ice, way, to, ICE_NO_PERMIT, bytes.len, &wrap);
    memcpy(whole, wrap.head, wrap.head_len);
    memcpy(whole + wrap.head_len, bytes.p, bytes.len);
    struct rf_ice_out out = {.type = wrap.base == RF_ICE_NO_BASE ? RF_ICE_OUT_STREAM : RF_ICE_OUT_DATAGRAM,
                             .base = wrap.base,
                             .stream = wrap.stream,
                             .remote = wrap.remote};
    ice_push(ice, &out, rf_view_of(whole, wrap.head_len + bytes.len + wrap.pad));
}

struct ice_relay *ice_relay_at(const struct rf_ice *ice, const struct ice_in *in)
{
    for (size_t i = 0; i < RF_ICE_MAX_TURN; i++) {
        struct ice_relay *relay = ice->relays[i];
        if (relay == NULL || relay->state != ICE_RELAY_READY)
            continue;
        if (relay->server.stream
                ? in->stream != 0 && in->stream == relay->stream
                : in->stream == 0 && in->way == relay->base && rf_addr_equal(&in->from, &relay->server.addr))
            return relay;
    }
    return NULL;
}

enum rf_ice_in ice_relay_channel(struct rf_ice *ice, const struct ice_in *in, struct rf_view bytes,
                                 rf_ice_id *session, struct rf_view *data)
{
    const struct ice_relay *relay = ice_relay_at(ice, in);
    struct rf_view payload;
    uint16_t number;
    if (rf_turn_channel_decode(bytes, &number, &payload) != 0) {
        ice->counters.malformed++;
        return RF_ICE_IN_DONE;
    }
    const struct ice_grant *g =
        number >= RF_TURN_CHANNEL_MIN && number < RF_TURN_CHANNEL_MIN + ICE_MAX_CHANNELS
            ? &relay->channels[number - RF_TURN_CHANNEL_MIN]
            : NULL;
    if (g == NULL || (g->state != ICE_GRANT_OK && g->state != ICE_GRANT_ASKED)) {
        ice->counters.stray_channels++;
        return RF_ICE_IN_DONE;
    }
    return ice_inner(ice, ice_way_of(relay), &g->addr, payload, session, data);
}

enum rf_ice_in ice_relay_indication(struct rf_ice *ice, const struct ice_in *in,
                                    const struct rf_stun_msg *msg, rf_ice_id *session, struct rf_view *data)
{
    const struct ice_relay *relay = ice_relay_at(ice, in);
    struct rf_addr peer;
    struct rf_view payload;
    if (rf_stun_address(msg, RF_TURN_XOR_PEER_ADDRESS, true, &peer) != 0 ||
        !rf_stun_find(msg, RF_TURN_DATA_ATTR, &payload) || !ice_grant_for(relay, &peer)) {
        ice->counters.relay_dropped++;
        return RF_ICE_IN_DONE;
    }
    return ice_inner(ice, ice_way_of(relay), &peer, payload, session, data);
}
