/*
 * buf.h - rf_buf: a growing builder of bytes. Errors are sticky: after the first failure every put does
 * nothing, and rf_buf_error tells; so a codec writes all fields and checks once.
 */
#ifndef RF_BASE_BUF_H
#define RF_BASE_BUF_H

#include "base/mem.h"
#include "base/view.h"

struct rf_buf {
    struct rf_mem *mem; /* borrowed; NULL: fixed storage that must not grow */
    uint8_t *p;         /* owned when mem is set */
    size_t len;         /* bytes written */
    size_t cap;         /* bytes there */
    size_t max;         /* never grows beyond: RF_ELIMIT */
    int error;          /* sticky */
};

/* rf_buf_init prepares an empty growing builder; `max` in bytes. Nothing is allocated yet. */
void rf_buf_init(struct rf_buf *buf, struct rf_mem *mem, size_t max);
/* rf_buf_fixed builds into `cap` bytes at `p` (borrowed); more is RF_ELIMIT. */
void rf_buf_fixed(struct rf_buf *buf, void *p, size_t cap);
/* rf_buf_deinit frees what the builder owns; rf_buf_reset empties it and keeps the memory. */
void rf_buf_deinit(struct rf_buf *buf);
void rf_buf_reset(struct rf_buf *buf);
/* rf_buf_error returns 0, RF_ENOMEM, RF_ELIMIT, or what rf_buf_fail was given first. */
int rf_buf_error(const struct rf_buf *buf);
void rf_buf_fail(struct rf_buf *buf, int error);
/* rf_buf_view is what was written so far, borrowed until the next put. */
struct rf_view rf_buf_view(const struct rf_buf *buf);
/* rf_buf_steal hands the bytes over (to be freed with rf_free of the same mem); the builder is empty then. */
uint8_t *rf_buf_steal(struct rf_buf *buf, size_t *len);

void rf_buf_u8(struct rf_buf *buf, uint8_t v);
void rf_buf_u16(struct rf_buf *buf, uint16_t v);
void rf_buf_u24(struct rf_buf *buf, uint32_t v);
void rf_buf_u32(struct rf_buf *buf, uint32_t v);
void rf_buf_u64(struct rf_buf *buf, uint64_t v);
void rf_buf_bool(struct rf_buf *buf, bool v);
void rf_buf_put(struct rf_buf *buf, const void *p, size_t len);
void rf_buf_view_put(struct rf_buf *buf, struct rf_view v);
void rf_buf_str(struct rf_buf *buf, const char *s);
void rf_buf_printf(struct rf_buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* rf_buf_v writes the length in `width` bytes (1..4), then the bytes; too long for the width is RF_ELENGTH.
 */
void rf_buf_v(struct rf_buf *buf, int width, struct rf_view v);
/* rf_buf_reserve returns room for exactly `len` bytes that count as written, or NULL after an error. */
uint8_t *rf_buf_reserve(struct rf_buf *buf, size_t len);
/* rf_buf_open leaves `width` bytes (1..4) for a length; rf_buf_close fills in the bytes written since. */
size_t rf_buf_open(struct rf_buf *buf, int width);
void rf_buf_close(struct rf_buf *buf, size_t mark, int width);

#endif
