/*
 * wire_again.h - decodes RELOAD bytes into their structures and encodes them again from these alone, field by field. What the strict
 * decoders accept must come out as the same bytes. For the unit tests and the fuzz targets of wire/.
 */
#ifndef RF_TEST_SUPPORT_WIRE_AGAIN_H
#define RF_TEST_SUPPORT_WIRE_AGAIN_H

#include "base/region.h"
#include "wire/contents.h"
#include "wire/stored.h"

struct wire_again {
    uint8_t id_len;
    struct rf_region *region;
    bool
        strict; /* what lies inside (stored values, extensions' contents, error_info, ...) must decode too, else its error */
    bool lossy; /* set: something was skipped as the decoders may (unknown types of addresses) */
};

/* Each returns the decoder's error; out then has something or nothing. */
int wire_again_message(struct wire_again *again, struct rf_view message, struct rf_buf *out);
int wire_again_body(struct wire_again *again, uint16_t code, struct rf_view body, struct rf_buf *out);
int wire_again_stored(struct wire_again *again, uint32_t kind, enum rf_model model, struct rf_view list,
                      struct rf_buf *out);
int wire_again_meta(struct wire_again *again, enum rf_model model, struct rf_view list, struct rf_buf *out);
/* a value of a registered Kind; others are copied */
int wire_again_value(struct wire_again *again, uint32_t kind, struct rf_view value, struct rf_buf *out);
int wire_again_dests(struct wire_again *again, struct rf_view list, struct rf_buf *out);
/* DiagnosticsRequest and -Response with their inner lists */
int wire_again_diag_req(struct wire_again *again, struct rf_view in, struct rf_buf *out);
int wire_again_diag_ans(struct wire_again *again, struct rf_view in, struct rf_buf *out);

#endif
