/*
 * chord.h - bodies of Join, Leave, Update and RouteQuery, with what CHORD-RELOAD puts into them (reload.md 3.11-3.13, 5.6, 5.9).
 */
#ifndef RF_WIRE_CHORD_H
#define RF_WIRE_CHORD_H

#include "base/region.h"
#include "wire/dest.h"

/* Decoders read a whole body. Errors of all: RF_ESHORT, RF_ELENGTH, RF_EFORMAT a bool, RF_EUNKNOWN type, RF_ENOMEM. */

/* list16<NodeId>, in the region. */
struct rf_id_list {
    struct rf_id *ids;
    size_t count;
};
int rf_id_list_decode(struct rf_view *in, uint8_t id_len, struct rf_region *region, struct rf_id_list *out);
void rf_id_list_encode(const struct rf_id_list *list, struct rf_buf *out);

/* JoinReq and LeaveReq: the Node-ID and overlay_specific_data (Chord: Join none, Leave ChordLeaveData). */
struct rf_member {
    struct rf_id node;
    struct rf_view data;
};
int rf_member_decode(struct rf_view body, uint8_t id_len, struct rf_member *out);
void rf_member_encode(const struct rf_member *member, struct rf_buf *out);
/* JoinAns: overlay_specific_data only. LeaveAns and UpdateAns are empty: rf_empty_decode of method.h. */
int rf_join_ans_decode(struct rf_view body, struct rf_view *data);
void rf_join_ans_encode(struct rf_view data, struct rf_buf *out);

enum rf_chord_leave_type { RF_LEAVE_FROM_SUCC = 1, RF_LEAVE_FROM_PRED = 2 };
struct rf_chord_leave {
    uint8_t type;            /* enum rf_chord_leave_type */
    struct rf_id_list nodes; /* the leaver's successors (FROM_SUCC) or predecessors (FROM_PRED) */
};
int rf_chord_leave_decode(struct rf_view data, uint8_t id_len, struct rf_region *region,
                          struct rf_chord_leave *out);
void rf_chord_leave_encode(const struct rf_chord_leave *leave, struct rf_buf *out);

enum rf_chord_update_type { RF_UPDATE_PEER_READY = 1, RF_UPDATE_NEIGHBORS = 2, RF_UPDATE_FULL = 3 };
struct rf_chord_update {
    uint32_t uptime_s;
    uint8_t type; /* enum rf_chord_update_type */
    struct rf_id_list
        predecessors; /* NEIGHBORS, FULL; nearest first when we send, any order received (D24) */
    struct rf_id_list successors;
    struct rf_id_list fingers; /* FULL; ascending */
};
int rf_chord_update_decode(struct rf_view body, uint8_t id_len, struct rf_region *region,
                           struct rf_chord_update *out);
void rf_chord_update_encode(const struct rf_chord_update *update, struct rf_buf *out);

struct rf_route_query {
    bool send_update;
    struct rf_dest destination;
    struct rf_view data; /* empty in Chord */
};
int rf_route_query_decode(struct rf_view body, uint8_t id_len, struct rf_route_query *out);
void rf_route_query_encode(const struct rf_route_query *query, struct rf_buf *out);
/* Chord's answer: the Node-ID of the next peer, nothing else. */
int rf_route_query_ans_decode(struct rf_view body, uint8_t id_len, struct rf_id *next_peer);
void rf_route_query_ans_encode(const struct rf_id *next_peer, struct rf_buf *out);

#endif
