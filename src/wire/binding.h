/*
 * binding.h - what a client and its home say to each other about the bindings of the NAT between them (docs/protocol/bindings.md): how long their link may be silent, and with what help
 * the client finds out how long the NAT keeps an idle connection, or an idle mapping of datagrams. Bytes behind what we know are ignored.
 *
 *   exp_a request   "RFbq" u8 wants, u32 silent_ms
 *   exp_a answer    "RFba" u8 outcome, u32 silent_ms, opaque token<0..2^8-1> (16 bytes, or none), IpAddressPort seen (may be missing)
 *
 * A piece travels as a datagram, or as the bytes of a connection made for that. A question by datagram is filled up with zeros to RF_BINDING_QUESTION_LEN, which with its headers is as long as all that may
 * come of it: one NOTED, and the LAST three times. The first byte is none of STUN's, ChannelData's, DTLS's or RTP's (RFC 7983).
 *
 *   u32 0xf2524662 | u8 kind | opaque token[16] | u32 wait_ms
 */
#ifndef RF_WIRE_BINDING_H
#define RF_WIRE_BINDING_H

#include "base/addr.h"
#include "base/buf.h"

#define RF_BINDING_TOKEN_LEN    16
#define RF_BINDING_PIECE_LEN    25
#define RF_BINDING_QUESTION_LEN 200
#define RF_BINDING_ANSWERS      3 /* times that LAST is sent */

enum rf_binding_wants {
    RF_BINDING_NOTHING, /* only the link is spoken of; unknown ones are as this */
    RF_BINDING_CONNECTION,
    RF_BINDING_DATAGRAM,
};
struct rf_binding_ask {
    uint8_t wants;      /* enum rf_binding_wants */
    uint32_t silent_ms; /* our link may be silent for so long; 0: as long as any */
};

enum rf_binding_outcome {
    RF_BINDING_NOT,   /* nothing was asked for */
    RF_BINDING_GIVEN, /* `token` is good for it */
    RF_BINDING_LATER, /* too many ask; unknown ones are as this */
};
struct rf_binding_said {
    uint8_t outcome;    /* enum rf_binding_outcome */
    uint32_t silent_ms; /* that is how long home is silent from now on; 0: as long as on any link */
    uint8_t token[RF_BINDING_TOKEN_LEN]; /* with GIVEN */
    struct rf_addr seen;                 /* where the asker's link comes from; family 0: it does not say */
};

/* rf_binding_is_ask: is the body of an exp_a request this question? The decoders' errors: RF_EUNKNOWN another tag; RF_ESHORT, RF_ELENGTH, RF_EFORMAT malformed. */
bool rf_binding_is_ask(struct rf_view body);
int rf_binding_ask_decode(struct rf_view body, struct rf_binding_ask *out);
void rf_binding_ask_encode(const struct rf_binding_ask *ask, struct rf_buf *out);
int rf_binding_said_decode(struct rf_view body, struct rf_binding_said *out);
void rf_binding_said_encode(const struct rf_binding_said *said, struct rf_buf *out);

enum rf_binding_kind { RF_BINDING_QUESTION = 1, RF_BINDING_NOTED, RF_BINDING_LAST };
struct rf_binding_piece {
    uint8_t kind; /* enum rf_binding_kind */
    uint8_t token[RF_BINDING_TOKEN_LEN];
    uint32_t wait_ms; /* that the answer is to come after */
};
/* rf_binding_is_piece looks at the first bytes only. */
bool rf_binding_is_piece(struct rf_view bytes);
/* rf_binding_piece_decode: bytes behind it are ignored. Errors: RF_EUNKNOWN none, or of another kind; RF_ESHORT. */
int rf_binding_piece_decode(struct rf_view bytes, struct rf_binding_piece *out);
void rf_binding_piece_encode(const struct rf_binding_piece *piece, struct rf_buf *out);

/*
 * An extension of an Attach or AppAttach with ICE and of its answer, exp, not critical: how long the path may be idle before its sender's NAT forgets it, in seconds, so how far consent of an
 * idle path may be stretched for its sake:   "RFpi" u16 idle_s
 */
void rf_binding_idle_put(uint16_t idle_s, struct rf_buf *out);
uint16_t rf_binding_idle_of(struct rf_view extensions); /* 0: there is none, or none that can be read */

#endif
