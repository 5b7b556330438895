/*
 * method.h - bodies of the small methods: Ping, Probe, ConfigUpdate, Error, and the empty answers (reload.md 1.12, 3.9, 3.10,
 * 3.14).
 */
#ifndef RF_WIRE_METHOD_H
#define RF_WIRE_METHOD_H

#include "base/buf.h"
#include "base/region.h"
#include "wire/code.h"

/* Decoders read a whole body. Errors of all: RF_ESHORT, RF_ELENGTH, and what is said there. */

/* LeaveAns, UpdateAns, ConfigUpdateAns: nothing may be there. RF_ELENGTH. */
int rf_empty_decode(struct rf_view body);

int rf_ping_req_decode(struct rf_view body,
                       struct rf_view *padding); /* padding: 0..65535 bytes of anything */
void rf_ping_req_encode(struct rf_view padding, struct rf_buf *out);
struct rf_ping_ans {
    uint64_t response_id; /* random */
    uint64_t time_ms;     /* since 1970 UTC */
};
int rf_ping_ans_decode(struct rf_view body, struct rf_ping_ans *out);
void rf_ping_ans_encode(const struct rf_ping_ans *ans, struct rf_buf *out);

/* ProbeReq: the wanted types, one byte each (enum rf_probe_type), at most 255. */
int rf_probe_req_decode(struct rf_view body, struct rf_view *types);
void rf_probe_req_encode(struct rf_view types, struct rf_buf *out);
/* ProbeAns: a list of ProbeInformation; unknown types are told as they are. */
struct rf_probe_info {
    uint8_t type;
    struct rf_view value;
    uint32_t number; /* of the three known types, which are u32; else 0 */
};
/* rf_probe_ans_decode checks every entry; read them with rf_probe_info_next. RF_EFORMAT: type 0. */
int rf_probe_ans_decode(struct rf_view body, struct rf_view *infos);
int rf_probe_info_next(struct rf_view *infos, struct rf_probe_info *out);
/* rf_probe_ans_encode appends a body: `number` of the three known types, `value` of others. */
void rf_probe_ans_encode(const struct rf_probe_info *infos, size_t info_count, struct rf_buf *out);

enum rf_config_update_type { RF_CONFIG_UPDATE_CONFIG = 1, RF_CONFIG_UPDATE_KIND = 2 };
struct rf_config_update {
    uint8_t type;          /* enum rf_config_update_type */
    struct rf_view config; /* CONFIG: the XML document */
    struct rf_view *kinds; /* KIND: kind-block elements, in the region */
    size_t kind_count;
};
int rf_config_update_decode(struct rf_view body, struct rf_region *region,
                            struct rf_config_update *out); /* RF_EUNKNOWN type, RF_ENOMEM */
void rf_config_update_encode(const struct rf_config_update *update, struct rf_buf *out);

struct rf_error_body {
    uint16_t code;       /* enum rf_error_code, or unknown */
    struct rf_view info; /* text, or as 1.12 says for the code */
};
int rf_error_body_decode(struct rf_view body, struct rf_error_body *out);
void rf_error_body_encode(const struct rf_error_body *error, struct rf_buf *out);
/* The info of Error_Unknown_Kind: list8 of Kind-IDs, at most 63. (That of Error_Generation_Counter_Too_Low is a StoreAns.) */
int rf_unknown_kinds_decode(struct rf_view info, struct rf_region *region, uint32_t **kinds,
                            size_t *kind_count);
void rf_unknown_kinds_encode(const uint32_t *kinds, size_t kind_count, struct rf_buf *out);

#endif
