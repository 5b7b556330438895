/* dump_internal.h - what dump.c and dump_body.c share. */
#ifndef RF_WIRE_DUMP_INTERNAL_H
#define RF_WIRE_DUMP_INTERNAL_H

#include "base/region.h"
#include "wire/contents.h"
#include "wire/diag.h"

#define DUMP_HEX_MAX  32 /* bytes shown of binary data */
#define DUMP_TEXT_MAX 96 /* bytes shown of texts */

struct dump {
    struct rf_buf *out;
    struct rf_region *region;
    uint8_t id_len;
};

void dump_hex(struct rf_view bytes, struct rf_buf *out);
void dump_text(struct rf_view text, struct rf_buf *out); /* quoted and escaped */
void dump_signature(const struct rf_signature *signature, struct rf_buf *out);
void dump_diag_req(const struct rf_diag_req *req, struct rf_buf *out);
void dump_diag_ans(const struct rf_diag_ans *ans, struct rf_buf *out);
/* dump_body prints the fields of a method's body. Returns its decoder's error. */
int dump_body(const struct dump *dump, uint16_t code, struct rf_view body);

#endif
