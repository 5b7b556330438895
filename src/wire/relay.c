/* relay.c - the codec of what nodes say about relays. */
#include "wire/relay.h"

#include "wire/addr.h"
#include "wire/internal.h"

#define TAG_ASK  UINT32_C(0x52467471) /* RFtq */
#define TAG_SAID UINT32_C(0x52467461) /* RFta */

const char *rf_relay_transport_name(enum rf_relay_transport transport)
{
    static const char *const names[RF_RELAY_TRANSPORTS] = {"udp", "tcp", "tls"};
    return names[transport];
}

bool rf_relay_is_ask(struct rf_view body)
{
    uint32_t tag;
    return rf_view_u32(&body, &tag) == 0 && tag == TAG_ASK;
}

void rf_relay_ask_encode(struct rf_buf *out)
{
    rf_buf_u32(out, TAG_ASK);
}

static int take_text(struct rf_view *in, struct rf_view *out)
{
    int error = rf_view_v(in, 1, out);
    return error == 0 && out->len > RF_RELAY_TEXT_MAX ? RF_ELIMIT : error;
}

/* *known: we can use it. */
static int take_server(struct rf_view *in, struct rf_relay_server *out, bool *known)
{
    uint8_t transport;
    int error = rf_view_u8(in, &transport);
    if (error == 0)
        error = rf_ip_port_decode(in, &out->address);
    if (error == 0)
        error = take_text(in, &out->name);
    if (error != 0)
        return error;
    out->transport = transport;
    *known = transport < RF_RELAY_TRANSPORTS && out->address.family != 0 && out->address.port != 0;
    return 0;
}

int rf_relay_said_decode(struct rf_view body, struct rf_relay_said *out)
{
    struct rf_view list;
    uint32_t tag;
    uint8_t outcome = RF_RELAY_GIVEN;
    *out = (struct rf_relay_said){.outcome = RF_RELAY_NOT_NOW};
    if (rf_view_u32(&body, &tag) != 0 || tag != TAG_SAID)
        return RF_EUNKNOWN;
    int error = rf_view_u8(&body, &outcome);
    if (error != 0 || outcome != RF_RELAY_GIVEN) {
        out->outcome = outcome == RF_RELAY_NONE_HERE ? RF_RELAY_NONE_HERE : RF_RELAY_NOT_NOW;
        return error;
    }
    error = rf_view_u32(&body, &out->lifetime_s);
    if (error == 0)
        error = take_text(&body, &out->user);
    if (error == 0)
        error = take_text(&body, &out->password);
    if (error == 0)
        error = take_text(&body, &out->realm);
    if (error == 0)
        error = rf_view_v(&body, 2, &list);
    while (error == 0 && list.len > 0) {
        struct rf_relay_server server;
        bool known;
        error = take_server(&list, &server, &known);
        if (error == 0 && known && out->server_count < RF_RELAY_SERVERS)
            out->servers[out->server_count++] = server;
    }
    if (error == 0)
        out->outcome = RF_RELAY_GIVEN;
    return error;
}

void rf_relay_said_encode(const struct rf_relay_said *said, struct rf_buf *out)
{
    rf_buf_u32(out, TAG_SAID);
    rf_buf_u8(out, (uint8_t)said->outcome);
    if (said->outcome != RF_RELAY_GIVEN)
        return;
    rf_buf_u32(out, said->lifetime_s);
    rf_buf_v(out, 1, said->user);
    rf_buf_v(out, 1, said->password);
    rf_buf_v(out, 1, said->realm);
    size_t mark = rf_buf_open(out, 2);
    for (size_t i = 0; i < said->server_count; i++) {
        rf_buf_u8(out, (uint8_t)said->servers[i].transport);
        rf_ip_port_encode(&said->servers[i].address, out);
        rf_buf_v(out, 1, said->servers[i].name);
    }
    rf_buf_close(out, mark, 2);
}
