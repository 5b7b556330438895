/* value.h - the texts in elements and attributes as values: white space around them does not count. */
#ifndef RF_CONF_VALUE_H
#define RF_CONF_VALUE_H

#include "base/buf.h"
#include "base/id.h"
#include "base/region.h"

/* value_trim takes XML white space off both ends. */
struct rf_view value_trim(struct rf_view text);
bool value_is(struct rf_view text, const char *word); /* after trimming */
/* The readers trim. Errors: RF_EFORMAT; out is unchanged then. */
int value_bool(struct rf_view text, bool *out); /* true false 1 0 */
/* value_uint reads xsd:int and its kin: decimal, a leading + or zeros allowed, min <= value <= max. */
int value_uint(struct rf_view text, uint64_t min, uint64_t max, uint64_t *out);
/* value_id reads 2 * id_len hex digits. */
int value_id(struct rf_view text, uint8_t id_len, struct rf_id *out);
/* value_time reads RFC 3339 ("2045-01-01T00:00:00Z", fractions and offsets allowed) as milliseconds since 1970 UTC. */
int value_time(struct rf_view text, uint64_t *out);
/* value_base64 decodes at most max_len bytes into the region; nothing at all is RF_EFORMAT. Also RF_ENOMEM. */
int value_base64(struct rf_region *region, struct rf_view text, size_t max_len, struct rf_view *out);
/* value_string copies into the region with a NUL behind; NULL: no memory. */
char *value_string(struct rf_region *region, struct rf_view text);

/* value_put_time writes RFC 3339 in UTC with whole seconds. */
void value_put_time(struct rf_buf *out, uint64_t ms);
/* value_put_text writes text or attribute value with `& < > "` as references. */
void value_put_text(struct rf_buf *out, struct rf_view text);

#endif
