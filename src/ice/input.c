/* input.c - whose a datagram is: the agent's own, data of a session, or nobody's. RFC 7983 tells STUN (0..3) from ChannelData (64..79) from the rest. */
#include "ice/relay.h"

static enum rf_ice_in data_from(struct rf_ice *ice, uint8_t way, const struct rf_addr *from,
                                struct rf_view bytes, rf_ice_id *session, struct rf_view *data)
{
    const struct ice_tuple *tuple = ice_tuple_find(ice, way, from);
    if (tuple == NULL)
        return RF_ICE_IN_OTHER;
    *session = tuple->session->id;
    *data = bytes;
    return RF_ICE_IN_DATA;
}

static enum rf_ice_in stun(struct rf_ice *ice, const struct ice_in *in, struct rf_view bytes,
                           rf_ice_id *session, struct rf_view *data)
{
    struct rf_stun_msg msg;
    if (rf_stun_decode(bytes, &msg) != 0) {
        ice->counters.malformed++;
        return RF_ICE_IN_DONE;
    }
    if (msg.class == RF_STUN_SUCCESS || msg.class == RF_STUN_ERROR)
        ice_txn_answer(ice, in, &msg);
    else if (msg.class == RF_STUN_REQUEST && msg.method == RF_STUN_BINDING && in->stream == 0)
        ice_answer(ice, in, &msg);
    else if (msg.class == RF_STUN_INDICATION && msg.method == RF_TURN_DATA && ice_relay_at(ice, in) != NULL)
        return ice_relay_indication(ice, in, &msg, session, data);
    else if (msg.class != RF_STUN_INDICATION || msg.method != RF_STUN_BINDING)
        ice->counters.stray_indications++;
    return RF_ICE_IN_DONE;
}

enum rf_ice_in ice_inner(struct rf_ice *ice, uint8_t way, const struct rf_addr *from, struct rf_view bytes,
                         rf_ice_id *session, struct rf_view *data)
{
    struct ice_in in = {.way = way, .from = *from};
    if (rf_stun_is(bytes))
        return stun(ice, &in, bytes, session, data);
    enum rf_ice_in what = data_from(ice, way, from, bytes, session, data);
    if (what != RF_ICE_IN_DATA)
        ice->counters.relay_dropped++;
    return what == RF_ICE_IN_DATA ? what : RF_ICE_IN_DONE;
}

static enum rf_ice_in input(struct rf_ice *ice, const struct ice_in *in, struct rf_view bytes,
                            rf_ice_id *session, struct rf_view *data)
{
    if (rf_turn_is_channel(bytes) && ice_relay_at(ice, in) != NULL)
        return ice_relay_channel(ice, in, bytes, session, data);
    if (rf_stun_is(bytes))
        return stun(ice, in, bytes, session, data);
    if (in->stream != 0 || bytes.len == 0 || bytes.p[0] < 4) {
        ice->counters.malformed++;
        return RF_ICE_IN_DONE;
    }
    enum rf_ice_in what = data_from(ice, in->way, &in->from, bytes, session, data);
    if (what == RF_ICE_IN_DATA || !rf_turn_is_channel(bytes))
        return what;
    ice->counters.stray_channels++;
    return RF_ICE_IN_DONE;
}

enum rf_ice_in rf_ice_input(struct rf_ice *ice, uint8_t base, const struct rf_addr *remote,
                            struct rf_view datagram, rf_ice_id *session, struct rf_view *bytes)
{
    struct ice_in in = {.way = base, .from = *remote};
    if (base >= RF_ICE_MAX_BASES || ice->bases[base].addr.family == 0)
        return RF_ICE_IN_OTHER;
    return input(ice, &in, datagram, session, bytes);
}

enum rf_ice_in rf_ice_stream_input(struct rf_ice *ice, uint32_t stream, struct rf_view message,
                                   rf_ice_id *session, struct rf_view *bytes)
{
    for (uint8_t i = 0; i < RF_ICE_MAX_TURN; i++) {
        const struct ice_relay *relay = ice->relays[i];
        if (relay == NULL || stream == 0 || relay->stream != stream)
            continue;
        struct ice_in in = {
            .way = (uint8_t)(RF_ICE_MAX_BASES + i), .from = relay->server.addr, .stream = stream};
        return input(ice, &in, message, session, bytes);
    }
    return RF_ICE_IN_DONE;
}
