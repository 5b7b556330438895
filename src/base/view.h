/* view.h - rf_view: borrowed bytes that shrink while they are read. All integers are big-endian. */
#ifndef RF_BASE_VIEW_H
#define RF_BASE_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct rf_view {
    const uint8_t *p;
    size_t len; /* bytes */
};

static inline struct rf_view rf_view_of(const void *p, size_t len)
{
    return (struct rf_view){(const uint8_t *)p, len};
}
static inline struct rf_view rf_view_str(const char *s)
{
    return (struct rf_view){(const uint8_t *)s, strlen(s)};
}
static inline bool rf_view_equal(struct rf_view a, struct rf_view b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.p, b.p, a.len) == 0);
}
/* rf_view_equal_secret compares in time that depends on the lengths only. */
bool rf_view_equal_secret(struct rf_view a, struct rf_view b);

/*
 * The readers take from the front of `in`. On success `in` moves on; on RF_ESHORT `in` and `out` are
 * unchanged. rf_view_bool also returns RF_EFORMAT for any byte but 0 and 1.
 */
int rf_view_u8(struct rf_view *in, uint8_t *out);
int rf_view_u16(struct rf_view *in, uint16_t *out);
int rf_view_u24(struct rf_view *in, uint32_t *out);
int rf_view_u32(struct rf_view *in, uint32_t *out);
int rf_view_u64(struct rf_view *in, uint64_t *out);
int rf_view_bool(struct rf_view *in, bool *out);
/* rf_view_take moves `len` bytes into `out` (still borrowed). */
int rf_view_take(struct rf_view *in, size_t len, struct rf_view *out);
/* rf_view_v reads a length of `width` bytes (1..4) and then that many bytes. */
int rf_view_v(struct rf_view *in, int width, struct rf_view *out);

#endif
