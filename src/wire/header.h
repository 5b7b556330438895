/*
 * header.h - the forwarding header (reload.md 2.3), its options (2.4), the way of a message through a forwarding node,
 * and fragments (1.7).
 *
 *      0  relo_token d2454c4f          4  overlay: last 4 bytes of SHA-1(name)
 *      8  configuration_sequence      10  version 0x0a    11  ttl
 *     12  fragment                    16  length of the whole message
 *     20  transaction_id (8)          28  max_response_length
 *     32  via_list_length             34  destination_list_length    36  options_length
 *     38  via list, destination list, options
 */
#ifndef RF_WIRE_HEADER_H
#define RF_WIRE_HEADER_H

#include "base/addr.h"
#include "wire/code.h"
#include "wire/dest.h"

#define RF_RELO_TOKEN          UINT32_C(0xd2454c4f)
#define RF_RELO_VERSION        0x0a
#define RF_HEADER_MIN_LEN      38
#define RF_CONFIG_SEQUENCE_ANY 65535 /* with ConfigUpdate, always accepted (1.6) */

/* The fragment field: bit 31 always, bit 30 last fragment, bits 23..0 offset of the piece. */
#define RF_FRAGMENT_ALWAYS      UINT32_C(0x80000000)
#define RF_FRAGMENT_LAST        UINT32_C(0x40000000)
#define RF_FRAGMENT_WHOLE       UINT32_C(0xc0000000)
#define RF_FRAGMENT_OFFSET_MASK UINT32_C(0x00ffffff)
#define RF_FRAGMENT_MIN_LEN     256 /* bytes of data in each fragment that we make */

struct rf_header {
    uint32_t overlay;
    uint16_t config_sequence;
    uint8_t ttl;
    uint32_t fragment;
    uint64_t transaction_id;
    uint32_t max_response_len; /* bytes; 0 = no limit */
    struct rf_view via;        /* lists as received: whole entries, borrowed */
    struct rf_view dests;
    struct rf_view options;
    /* filled by the decoder only */
    uint32_t length;   /* bytes of the whole message */
    size_t header_len; /* bytes of this header */
    size_t via_count, dest_count, option_count;
};

/*
 * rf_header_decode reads the forwarding header at the front of one received message.
 * message  the whole message, borrowed; on success moved past the header, on error unchanged
 * out      filled on success; its lists point into those bytes. Every entry of them is well formed; the destination
 *          list has at least one.
 * Errors: RF_ESHORT bytes are missing, RF_EFORMAT foreign token, fragment bit or empty destination list, RF_EVERSION,
 * RF_ELENGTH a length disagrees with the bytes, RF_EUNKNOWN destination type, RF_ELIMIT a list is too long.
 */
int rf_header_decode(struct rf_view *message, uint8_t id_len, struct rf_header *out);
/*
 * Of a message whose end is not there: rf_header_len tells how many bytes its header has in all, from the first RF_HEADER_MIN_LEN
 * (RF_ESHORT fewer are there, RF_EFORMAT foreign token, RF_EVERSION); rf_header_decode_front is rf_header_decode, but compares the length of
 * the message with nothing.
 */
int rf_header_len(struct rf_view in, size_t *out);
int rf_header_decode_front(struct rf_view *message, uint8_t id_len, struct rf_header *out);
/*
 * rf_header_encode appends the header of a message whose further bytes (contents and security block, or one piece of them)
 * are `rest_len` long. Counts and lengths in `header` are not looked at. Errors in `out`: RF_ELENGTH a list is too long.
 */
void rf_header_encode(const struct rf_header *header, size_t rest_len, struct rf_buf *out);

/* How a message leaves a node that forwards it. All zero: with ttl - 1 only. */
struct rf_forwarding {
    size_t drop_count;         /* entries taken off the front of the destination list */
    struct rf_view prepend;    /* encoded entries put there instead, e.g. what an opaque ID stood for */
    bool replace_via;          /* the via list received is left out (kept here under an opaque ID) */
    const struct rf_dest *via; /* appended to the via list; NULL: nothing */
};
/*
 * rf_header_forward appends to `out` the message as it goes to the next hop: ttl less one, lists changed as `how` says,
 * lengths computed anew, everything else copied verbatim. Nothing is allocated beyond `out`.
 * message  the whole message that `header` was decoded from; must not lie in `out`
 * Errors (`out` is then as before or failed): RF_EEXPIRED ttl is 0, RF_EINVAL fewer entries than drop_count or none left,
 * RF_ELIMIT a list would become too long; those of `out`.
 */
int rf_header_forward(struct rf_view message, const struct rf_header *header, const struct rf_forwarding *how,
                      struct rf_buf *out);

/* ---- options ---- */

struct rf_option {
    uint8_t type;
    uint8_t flags; /* enum rf_option_flag */
    struct rf_view data;
};
/* rf_option_next reads one option from the front of the list. Errors: RF_ESHORT. */
int rf_option_next(struct rf_view *list, struct rf_option *out);
bool rf_option_find(struct rf_view list, uint8_t type, struct rf_option *out); /* the first of its type */
void rf_option_encode(const struct rf_option *option, struct rf_buf *out);

/* extensive_routing_mode, RFC 7263 and 7264 (reload.md 2.4). */
enum rf_route_mode { RF_ROUTE_DRR = 1, RF_ROUTE_RPR = 2 };
struct rf_routing_mode {
    uint8_t mode;         /* enum rf_route_mode */
    uint8_t transport;    /* enum rf_overlay_link */
    struct rf_addr addr;  /* where the responder sends to; family 0: a type of address unknown to us */
    struct rf_view dests; /* checked list; right: DRR 1, RPR 2 entries, all of type node */
    size_t dest_count;
};
/* Errors: RF_ESHORT, RF_ELENGTH, RF_EUNKNOWN mode or destination type, RF_ELIMIT. */
int rf_routing_mode_decode(struct rf_view data, uint8_t id_len, struct rf_routing_mode *out);
void rf_routing_mode_encode(const struct rf_routing_mode *mode, struct rf_buf *out);

/* ---- fragments ---- */

static inline bool rf_header_is_whole(const struct rf_header *header)
{
    return (header->fragment & (RF_FRAGMENT_LAST | RF_FRAGMENT_OFFSET_MASK)) == RF_FRAGMENT_LAST;
}
/* What one received fragment is of the data after the header. */
struct rf_piece {
    uint32_t offset;
    bool last;
    struct rf_view data; /* borrowed */
};
/* rf_piece_of describes the piece; `rest` is what rf_header_decode left. RF_ELENGTH: empty, or beyond 2^24 - 1. */
int rf_piece_of(const struct rf_header *header, struct rf_view rest, struct rf_piece *out);

/* A message being split; all borrowed while it goes on. */
struct rf_split {
    const struct rf_header *header;
    struct rf_view rest; /* of the data, still to be given out */
    uint32_t offset;     /* of it */
    size_t piece_len;    /* bytes in each fragment, */
    size_t longer_count; /* in the next so many one more */
};
/*
 * rf_split_start prepares to cut a message (or a fragment of one) into equal fragments of at most max_len bytes each,
 * header included. One that fits is given back as one piece.
 * Errors: RF_ELIMIT fewer than 256 bytes of data would go into each: do not fragment here. RF_ELENGTH beyond 2^24 - 1.
 */
int rf_split_start(struct rf_split *split, const struct rf_header *header, struct rf_view rest,
                   size_t max_len);
/* rf_split_next appends the next fragment; false: there is none left. */
bool rf_split_next(struct rf_split *split, struct rf_buf *out);

#endif
