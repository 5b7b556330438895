/*
 * relay.h - how a node asks a supernode for the use of its relay (docs/protocol/relay.md): bodies of the experimental method exp_a, told apart by a tag
 * of four letters. Bytes behind what we know are ignored.
 *
 *   exp_a request   "RFtq"
 *   exp_a answer    "RFta" u8 outcome, and if it is 0:
 *                   u32 lifetime_s, opaque user<0..2^8-1>, password<0..2^8-1>, realm<0..2^8-1>, RelayServer servers<0..2^16-1>
 *   RelayServer     u8 transport, IpAddressPort address, opaque name<0..2^8-1>
 */
#ifndef RF_WIRE_RELAY_H
#define RF_WIRE_RELAY_H

#include "base/addr.h"
#include "base/buf.h"

#define RF_RELAY_SERVERS  8   /* at most: more are not read */
#define RF_RELAY_TEXT_MAX 128 /* bytes of a user, a password, a name; longer ones are not taken */

enum rf_relay_outcome {
    RF_RELAY_GIVEN,
    RF_RELAY_NONE_HERE, /* it has no relay */
    RF_RELAY_NOT_NOW    /* ask another one, or this one later */
};

/* How a relay is spoken with; the numbers are those of the bytes. */
enum rf_relay_transport { RF_RELAY_UDP, RF_RELAY_TCP, RF_RELAY_TLS, RF_RELAY_TRANSPORTS };

struct rf_relay_server {
    enum rf_relay_transport transport;
    struct rf_addr address;
    struct rf_view name; /* TLS: what its certificate is for; may be empty */
};

struct rf_relay_said {
    enum rf_relay_outcome outcome; /* unknown ones are as NOT_NOW; if it is not GIVEN nothing else is there */
    uint32_t lifetime_s;
    struct rf_view user, password, realm; /* borrowed */
    struct rf_relay_server servers[RF_RELAY_SERVERS];
    size_t server_count;
};

/* rf_relay_is_ask: is this body of exp_a the question? */
bool rf_relay_is_ask(struct rf_view body);
void rf_relay_ask_encode(struct rf_buf *out);
/*
 * rf_relay_said_decode reads the answer; views borrow from `body`. Servers of transports or address families that we do not know are left out.
 * Errors: RF_EUNKNOWN another tag; RF_ELIMIT a text is too long; RF_ESHORT, RF_ELENGTH, RF_EFORMAT malformed.
 */
int rf_relay_said_decode(struct rf_view body, struct rf_relay_said *out);
void rf_relay_said_encode(const struct rf_relay_said *said, struct rf_buf *out);
/* rf_relay_transport_name: "udp", "tcp", "tls". */
const char *rf_relay_transport_name(enum rf_relay_transport transport);

#endif
