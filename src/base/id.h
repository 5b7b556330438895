/* id.h - rf_id: a Node-ID or a Resource-ID on the ring, 16 to 20 bytes big-endian, and the ring's arithmetic.
 */
#ifndef RF_BASE_ID_H
#define RF_BASE_ID_H

#include "base/view.h"

#define RF_ID_MIN_LEN 16
#define RF_ID_MAX_LEN 20

struct rf_id {
    uint8_t len; /* bytes used, 16..20; 0 = unset */
    uint8_t b[RF_ID_MAX_LEN];
};

/* rf_id_from copies 16..20 bytes. Errors: RF_ELENGTH (out unchanged). */
int rf_id_from(struct rf_view bytes, struct rf_id *out);
struct rf_view rf_id_view(const struct rf_id *id); /* borrowed from id */
bool rf_id_equal(const struct rf_id *a, const struct rf_id *b);
/* rf_id_compare orders as big-endian integers: <0, 0, >0. Both of the same length. */
int rf_id_compare(const struct rf_id *a, const struct rf_id *b);
/*
 * rf_id_lower_bound finds in a sorted array the first element whose ID is at least `id`; `count`: none is.
 * first   the ID in the array's first element, borrowed; not looked at if `count` is 0
 * stride  size of an element in bytes
 */
size_t rf_id_lower_bound(const struct rf_id *first, size_t count, size_t stride, const struct rf_id *id);
bool rf_id_is_zero(const struct rf_id *id);
bool rf_id_is_wildcard(const struct rf_id *id); /* all bits 1 */
struct rf_id rf_id_wildcard(uint8_t len);
/* All arithmetic is modulo 2^(8*len). */
struct rf_id rf_id_add(const struct rf_id *a, const struct rf_id *b);
struct rf_id rf_id_sub(const struct rf_id *a, const struct rf_id *b);
struct rf_id rf_id_add_small(const struct rf_id *a, uint32_t n);
struct rf_id rf_id_pow2(uint8_t len, unsigned bit); /* 2^bit, bit < 8*len */
/* rf_id_between: x lies after a up to and including b going up; with a == b the interval is the whole ring.
 */
bool rf_id_between(const struct rf_id *a, const struct rf_id *x, const struct rf_id *b);
/* rf_id_as_double is the ID as a fraction of the ring, 0 <= f < 1, for estimates and displays. */
double rf_id_as_double(const struct rf_id *id);

#define RF_ID_TEXT_LEN (2 * RF_ID_MAX_LEN + 1)
/* rf_id_text writes lower-case hex and NUL into `out` and returns it. */
char *rf_id_text(const struct rf_id *id, char out[RF_ID_TEXT_LEN]);
/* rf_id_parse reads 32..40 hex digits, nothing else. Errors: RF_EFORMAT, RF_ELENGTH. */
int rf_id_parse(const char *text, struct rf_id *out);

#endif
