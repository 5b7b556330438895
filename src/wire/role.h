/*
 * role.h - what nodes say to each other about roles (docs/protocol/roles.md): bodies of the experimental method exp_a, told apart by a tag of four
 * letters, so that the method stays free for others. Bytes behind what we know are ignored.
 *
 *   exp_a request   "RFrq" u8 wants, and with RF_ROLE_DIAL: IpAddressPort address
 *   exp_a answer    "RFrs" u8 load, u8 dial, u8 granted, u16 candidates, u32 ring_size, IpAddressPort seen (may be missing)
 *   exp_a request   "RFmv" u32 within_ms, NodeId alternatives<0..2^16-1>; its answer is empty
 */
#ifndef RF_WIRE_ROLE_H
#define RF_WIRE_ROLE_H

#include "base/addr.h"
#include "base/buf.h"
#include "base/id.h"

#define RF_ROLE_ALTERNATIVES 8 /* at most: more are not read */
#define RF_ROLE_FULL         128 /* load: as many clients as it may have; 255: that, or more than twice as many */

enum rf_role_tag { RF_ROLE_NONE, RF_ROLE_ASK, RF_ROLE_MOVE };

/* What a question is about, besides the load; bits. */
#define RF_ROLE_DIAL      1u /* connect with me at `address` */
#define RF_ROLE_CANDIDATE 2u /* I can become a supernode */
#define RF_ROLE_RETIRE    4u /* I would like to become a client again: may I? */

struct rf_role_ask {
    uint8_t wants;
    struct rf_addr address; /* with RF_ROLE_DIAL */
};

/* What came of RF_ROLE_DIAL. */
enum rf_role_dial {
    RF_ROLE_DIAL_NOT,      /* was not asked for */
    RF_ROLE_DIAL_BEGUN,    /* it is dialling: the connection comes, or it does not */
    RF_ROLE_DIAL_LATER,    /* too many dials: ask again later */
    RF_ROLE_DIAL_STRANGER, /* the address is not the one that you come from, or you come over others */
};

struct rf_role_said {
    uint8_t load;        /* RF_ROLE_FULL: full */
    uint8_t dial;        /* enum rf_role_dial; unknown ones are as LATER */
    bool granted;        /* RF_ROLE_RETIRE: you may */
    uint16_t candidates; /* that asked it lately */
    uint32_t ring_size;  /* supernodes, by estimate; 0: it is none itself */
    struct rf_addr seen; /* where the asker's link comes from; family 0: it does not say */
};

struct rf_role_move {
    uint32_t within_ms; /* be gone by then */
    struct rf_id alternatives[RF_ROLE_ALTERNATIVES];
    size_t alternative_count;
};

/* rf_role_tag_of tells which request a body of exp_a is; RF_ROLE_NONE: none of ours. */
enum rf_role_tag rf_role_tag_of(struct rf_view body);
/* The decoders' errors: RF_EUNKNOWN another tag; RF_ESHORT, RF_ELENGTH, RF_EFORMAT malformed. The address of an unknown family has family 0. */
int rf_role_ask_decode(struct rf_view body, struct rf_role_ask *out);
void rf_role_ask_encode(const struct rf_role_ask *ask, struct rf_buf *out);
int rf_role_said_decode(struct rf_view body, struct rf_role_said *out);
void rf_role_said_encode(const struct rf_role_said *said, struct rf_buf *out);
int rf_role_move_decode(struct rf_view body, uint8_t id_len, struct rf_role_move *out);
void rf_role_move_encode(const struct rf_role_move *move, struct rf_buf *out);

#endif
