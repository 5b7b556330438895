/*
 * event.h - Watch and Event (docs/protocol/conversations.md): whoever watches a place is told when something changes there. Bodies of the experimental
 * method exp_a, told apart by a tag of four letters. Bytes behind what we know are ignored.
 *
 *   exp_a request   "RFwq" u32 lease_s | way list8 of NodeId | list16 WatchItem            to the home of the first item
 *   WatchItem       resource v8 | u32 kind | u64 generation | u32 next                     what the watcher knows; 0: nothing
 *   exp_a answer    "RFws" from v8 | list16 WatchState                                     one for each item, in their order
 *   WatchState      u8 outcome, and if it is RF_WATCH_HELD: u32 lease_s | u64 generation | u32 first | u32 next
 *
 *   exp_a request   "RFev" list16 WatchNews                                                to the watcher; the answer is empty
 *   WatchNews       resource v8 | u32 kind | u8 what | u64 generation | u32 first | u32 next
 *
 *   exp_a request   "RFwh" list16 WatchLease                                               from a home to who keeps its leases; the answer is empty
 *   WatchLease      resource v8 | u32 kind | watcher NodeId | way list8 of NodeId | member 8 bytes | u32 lease_s | u64 generation | u32 next
 *                   lease_s 0: it has ended
 *
 * A NodeId is as long as the overlay's node-id-length says.
 */
#ifndef RF_WIRE_EVENT_H
#define RF_WIRE_EVENT_H

#include "base/buf.h"
#include "base/id.h"
#include "base/region.h"
#include "wire/conversation.h"

#define RF_WATCH_MAX_ITEMS 1024 /* in one message */
#define RF_WATCH_MAX_WAY   2    /* nodes that a way names */

enum rf_watch_tag { RF_WATCH_NONE, RF_WATCH_ASK, RF_WATCH_EVENT, RF_WATCH_HOLD };
#define RF_WATCH_TAG_ASK   UINT32_C(0x52467771) /* RFwq */
#define RF_WATCH_TAG_SAID  UINT32_C(0x52467773) /* RFws */
#define RF_WATCH_TAG_EVENT UINT32_C(0x52466576) /* RFev */
#define RF_WATCH_TAG_HOLD  UINT32_C(0x52467768) /* RFwh */

/* rf_watch_tag_of tells which request a body of exp_a is; RF_WATCH_NONE: none of ours. */
enum rf_watch_tag rf_watch_tag_of(struct rf_view body);

/* Decoders read a whole body; arrays live in the region, views borrow from the body. Errors of all: RF_EUNKNOWN another tag; RF_ESHORT, RF_ELENGTH,
 * RF_EFORMAT malformed; RF_ELIMIT too many items, or a way is too long; RF_ENOMEM. */

/* Over which nodes a watcher is reached, nearest to the home first; none: by its Node-ID. */
struct rf_watch_way {
    struct rf_id nodes[RF_WATCH_MAX_WAY];
    size_t count;
};

struct rf_watch_item {
    struct rf_view resource;
    uint32_t kind;
    uint64_t generation; /* last known, 0: none */
    uint32_t next;       /* array: index after the last known element; else 0 */
};
struct rf_watch_ask {
    uint32_t lease_s; /* wished; 0: watch these no longer */
    struct rf_watch_way way;
    struct rf_watch_item *items;
    size_t item_count;
};
int rf_watch_ask_decode(struct rf_view body, uint8_t id_len, struct rf_region *region,
                        struct rf_watch_ask *out);
void rf_watch_ask_encode(const struct rf_watch_ask *ask, struct rf_buf *out);

enum rf_watch_outcome {
    RF_WATCH_HELD,         /* watched; what stands there follows */
    RF_WATCH_ENDED,        /* as asked with lease_s 0 */
    RF_WATCH_ELSEWHERE,    /* not in charge of it: ask by Resource-ID */
    RF_WATCH_FORBIDDEN,    /* the Kind's rule says no */
    RF_WATCH_FULL,         /* a limit of this home */
    RF_WATCH_LATER,        /* the home does not know yet what it has: again in a moment */
    RF_WATCH_UNKNOWN_KIND, /* no such Kind, or one that is not watched */
    RF_WATCH_OUTCOMES
};
struct rf_watch_state {
    uint8_t outcome;     /* enum rf_watch_outcome; unknown ones are as LATER */
    uint32_t lease_s;    /* granted */
    uint64_t generation; /* 0: nothing is there */
    uint32_t first;      /* array: the lowest index that is left; else 0 */
    uint32_t next;       /* array: the index after the last element; else how many values exist */
};
struct rf_watch_said {
    struct rf_view
        from; /* the answering home is in charge of what lies behind this Resource-ID up to its own Node-ID; may be empty */
    struct rf_watch_state *states;
    size_t state_count;
};
int rf_watch_said_decode(struct rf_view body, struct rf_region *region, struct rf_watch_said *out);
void rf_watch_said_encode(const struct rf_watch_said *said, struct rf_buf *out);

enum rf_watch_what {
    RF_WATCH_CHANGED = 1, /* something new is there */
    RF_WATCH_OVER,        /* the lease has ended: no right any more, or dropped by a limit */
};
struct rf_watch_news {
    struct rf_view resource;
    uint32_t kind;
    uint8_t what; /* enum rf_watch_what; unknown ones are as CHANGED */
    uint64_t generation;
    uint32_t first, next;
};
struct rf_watch_event {
    struct rf_watch_news *news;
    size_t news_count;
};
int rf_watch_event_decode(struct rf_view body, struct rf_region *region, struct rf_watch_event *out);
void rf_watch_event_encode(const struct rf_watch_event *event, struct rf_buf *out);

struct rf_watch_lease {
    struct rf_view resource;
    uint32_t kind;
    struct rf_id watcher;
    struct rf_watch_way way;
    uint8_t
        member[RF_ROSTER_TAG_LEN]; /* the watcher's tag in the roster; zeros: the Kind does not ask for one */
    uint32_t lease_s;              /* left */
    uint64_t generation;           /* that the watcher knows of */
    uint32_t next;
};
struct rf_watch_hold {
    struct rf_watch_lease *leases;
    size_t lease_count;
};
int rf_watch_hold_decode(struct rf_view body, uint8_t id_len, struct rf_region *region,
                         struct rf_watch_hold *out);
void rf_watch_hold_encode(const struct rf_watch_hold *hold, struct rf_buf *out);

#endif
