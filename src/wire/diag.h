/*
 * diag.h - diagnostics, RFC 7851 (reload.md 7.5): DiagnosticsRequest and -Response, which travel in the Diagnostic_Ping
 * extension and in PathTrack, and PathTrack's bodies.
 */
#ifndef RF_WIRE_DIAG_H
#define RF_WIRE_DIAG_H

#include "wire/dest.h"

/* The base information: kind n is asked for by bit n of dMFlags. */
enum rf_diag_kind {
    RF_DIAG_STATUS_INFO = 0x01,          /* u8, low 4 bits: load */
    RF_DIAG_ROUTING_TABLE_SIZE = 0x02,   /* u32 */
    RF_DIAG_PROCESS_POWER = 0x03,        /* u64 MIPS */
    RF_DIAG_UPSTREAM_BANDWIDTH = 0x04,   /* u64 kbit/s */
    RF_DIAG_DOWNSTREAM_BANDWIDTH = 0x05, /* u64 kbit/s */
    RF_DIAG_SOFTWARE_VERSION = 0x06,     /* ASCII, one NUL at the end */
    RF_DIAG_MACHINE_UPTIME = 0x07,       /* u64 s */
    RF_DIAG_APP_UPTIME = 0x08,           /* u64 s */
    RF_DIAG_MEMORY_FOOTPRINT = 0x09,     /* u64 KiB */
    RF_DIAG_DATASIZE_STORED = 0x0a,      /* u64 bytes */
    RF_DIAG_INSTANCES_STORED = 0x0b,     /* (u32 kind, u64) pairs */
    RF_DIAG_MESSAGES_SENT_RCVD = 0x0c,   /* (u16 code, u64 sent, u64 received) */
    RF_DIAG_EWMA_BYTES_SENT = 0x0d,      /* u32 bytes/s */
    RF_DIAG_EWMA_BYTES_RCVD = 0x0e,      /* u32 bytes/s */
    RF_DIAG_UNDERLAY_HOP = 0x0f,         /* u8 */
    RF_DIAG_BATTERY_STATUS = 0x10,       /* u8, top bit 0: on battery */
};
#define RF_DIAG_FLAG(kind) (UINT64_C(1) << (kind))
const char *rf_diag_kind_name(uint16_t kind);

/* Decoders of whole structures. Errors: RF_ESHORT, RF_ELENGTH (also ext_length unlike the list's length, D33), RF_EFORMAT a
 * kind below 0x40 among a request's extensions. */

struct rf_diag_req {
    uint64_t expiration_ms;
    uint64_t initiated_ms;
    uint64_t flags;            /* dMFlags */
    struct rf_view extensions; /* checked list; rf_diag_extension_next */
};
struct rf_diag_extension {
    uint16_t kind;
    struct rf_view contents;
};
int rf_diag_req_decode(struct rf_view in, struct rf_diag_req *out);
void rf_diag_req_encode(const struct rf_diag_req *req, struct rf_buf *out);
int rf_diag_extension_next(struct rf_view *list, struct rf_diag_extension *out);
void rf_diag_extension_encode(const struct rf_diag_extension *extension, struct rf_buf *out);

struct rf_diag_ans {
    uint64_t expiration_ms;
    uint64_t initiated_ms;
    uint64_t received_ms;
    uint8_t hop_counter;  /* the TTL of the request as received */
    struct rf_view infos; /* checked list; rf_diag_info_next */
};
struct rf_diag_info {
    uint16_t kind;
    struct rf_view contents;
};
int rf_diag_ans_decode(struct rf_view in, struct rf_diag_ans *out);
void rf_diag_ans_encode(const struct rf_diag_ans *ans, struct rf_buf *out);
int rf_diag_info_next(struct rf_view *list, struct rf_diag_info *out);
void rf_diag_info_encode(const struct rf_diag_info *info, struct rf_buf *out);
/* rf_diag_info_number reads the number of a kind that is one (width by kind). RF_EINVAL another kind, RF_ELENGTH. */
int rf_diag_info_number(const struct rf_diag_info *info, uint64_t *out);
/* rf_diag_number_encode appends the contents of a kind that is a number. RF_EINVAL in `out`: another kind. */
void rf_diag_number_encode(uint16_t kind, uint64_t number, struct rf_buf *out);

/* PathTrackReq: what is looked for, and the questions; PathTrackAns: the next hop, or the responder itself at the end. */
struct rf_path_track_req {
    struct rf_dest destination;
    struct rf_diag_req request;
};
struct rf_path_track_ans {
    struct rf_dest next_hop;
    struct rf_diag_ans response;
};
int rf_path_track_req_decode(struct rf_view body, uint8_t id_len, struct rf_path_track_req *out);
int rf_path_track_ans_decode(struct rf_view body, uint8_t id_len, struct rf_path_track_ans *out);
void rf_path_track_req_encode(const struct rf_path_track_req *req, struct rf_buf *out);
void rf_path_track_ans_encode(const struct rf_path_track_ans *ans, struct rf_buf *out);

#endif
