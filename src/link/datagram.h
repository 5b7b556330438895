/* datagram.h - what a link of datagrams has besides: its address, its handshake's clock, the messages that are not acknowledged. */
#ifndef RF_LINK_DATAGRAM_H
#define RF_LINK_DATAGRAM_H

#include "base/list.h"
#include "base/map.h"
#include "link/link.h"

#define ADDRESS_KEY_LEN 23 /* base, family, port, IP */
#define SEQS_KEPT       4
#define TWICE_KEPT      32

struct rf_link;

/* A message that is not acknowledged. */
struct sent {
    struct rf_list list;      /* in waiting or flying */
    uint64_t sent_us;         /* last */
    uint32_t seqs[SEQS_KEPT]; /* of its transmissions, the last at (count - 1) % SEQS_KEPT */
    uint32_t len;
    uint8_t count; /* of transmissions */
    uint8_t bytes[];
};

struct link_datagrams {
    struct rf_link *link;
    struct rf_map_node node;      /* in links->by_address, if it is addressed */
    uint8_t key[ADDRESS_KEY_LEN]; /* all zero: a path */
    bool addressed;
    bool left;                        /* out of service: nothing is held, its address is free */
    bool heard;                       /* the peer said something */
    uint64_t heard_us;                /* last */
    uint8_t timeouts;                 /* in a row, since the last acknowledgement */
    uint32_t channel_dropped;         /* as counted so far */
    uint64_t tag;                     /* of the hello that it began with; 0: we dialled */
    uint64_t deadline_us;             /* HANDSHAKE: it ends then */
    uint64_t repeat_us, repeat_at_us; /* HANDSHAKE: the flight goes out again then, and that long after */

    /* reliable.c */
    struct rf_list waiting, flying; /* to be sent, the repeated first; sent, by their last number */
    uint32_t flying_count, window, grown, threshold;
    uint32_t recover_seq;       /* a loss of an earlier number has been answered with a smaller window */
    size_t held_len;            /* bytes of all of them */
    bool apart;                 /* what is written now goes into a datagram of its own */
    uint64_t silent_us;         /* since when there was no acknowledgement, if timeouts */
    uint64_t last_us;           /* when something was sent */
    uint64_t twice[TWICE_KEPT]; /* messages that came: 48 bits of their hash, 16 of the time */
    uint8_t twice_next;
    struct link_ordered
        *ordered; /* ordered.c; owned; NULL: its messages, or datagrams, stand for themselves */
    bool broken;  /* a piece of the stream cannot be brought over */
};

/* An application's bytes as a stream of pieces, each a message of its own. */
struct link_ordered {
    uint32_t out_place, in_place; /* of the next byte */
    struct rf_list early;         /* pieces that came before their turn, in order */
    size_t early_len;
};

/* Datagrams that the shell has not taken: a row of these, each followed by its bytes, at multiples of 8. */
struct queued {
    rf_link_id flow;
    struct rf_addr addr;
    uint32_t base, len;
    bool whole; /* nothing may be added */
};
struct datagram_queue {
    struct rf_buf buf;
    size_t off, last; /* of the first, of the last; the last may be gone */
};

#endif
