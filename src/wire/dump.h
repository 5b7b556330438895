/*
 * dump.h - messages as text for logs and `trace`. Text from outside is escaped; lists and texts are cut when long.
 */
#ifndef RF_WIRE_DUMP_H
#define RF_WIRE_DUMP_H

#include "base/region.h"
#include "wire/contents.h"

/* rf_dump_line appends one line without newline: code, transaction ID, ttl, lists, length, signer. */
void rf_dump_line(const struct rf_message *message, struct rf_buf *out);
/*
 * rf_dump_message appends several lines: the line above, options, extensions, the body's fields, certificates. A body that
 * does not decode is told as such. `region` is used for decoding (not reset).
 */
void rf_dump_message(const struct rf_message *message, uint8_t id_len, struct rf_region *region,
                     struct rf_buf *out);
/* rf_dump_bytes decodes a whole message first; a broken one is told with its error. */
void rf_dump_bytes(struct rf_view message, uint8_t id_len, struct rf_region *region, struct rf_buf *out);

#endif
