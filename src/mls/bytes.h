/*
 * bytes.h - MLS's way to write lengths: 1, 2 or 4 bytes, whose first two bits tell which, always the shortest form (RFC 9420, section
 * 2.1.2). All readers take from the front of `in`, which moves on; on an error it is anywhere, and the object that is read is malformed.
 */
#ifndef RF_MLS_BYTES_H
#define RF_MLS_BYTES_H

#include "base/buf.h"
#include "base/view.h"

/* mls_take_v takes a length and that many bytes. Errors: RF_EFORMAT: no such length, not its shortest form, or more than there is. */
int mls_take_v(struct rf_view *in, struct rf_view *out);
/* mls_take_u8 .. u64 take numbers, RF_EFORMAT where bytes are missing. */
int mls_take_u8(struct rf_view *in, uint8_t *out);
int mls_take_u16(struct rf_view *in, uint16_t *out);
int mls_take_u32(struct rf_view *in, uint32_t *out);
int mls_take_u64(struct rf_view *in, uint64_t *out);
/* mls_take_bytes copies exactly `len` bytes. */
int mls_take_bytes(struct rf_view *in, void *to, size_t len);
/* mls_take_optional takes the octet in front of an optional value. Errors: RF_EFORMAT another value than 0 and 1. */
int mls_take_optional(struct rf_view *in, bool *present);

/* mls_len_put writes a length; longer than 2^30 - 1 is RF_ELENGTH in the builder. mls_put_v: length and bytes. */
void mls_len_put(struct rf_buf *out, size_t len);
void mls_put_v(struct rf_buf *out, struct rf_view v);
/* mls_open begins a vector whose length mls_close writes, moving what was written since. They nest. */
size_t mls_open(struct rf_buf *out);
void mls_close(struct rf_buf *out, size_t mark);

/* mls_between: the bytes between two states of a view that is being read. */
static inline struct rf_view mls_between(struct rf_view before, struct rf_view after)
{
    return rf_view_of(before.p, before.len - after.len);
}

#define MLS_LEN_MAX 4 /* bytes of a length */
/* mls_len_bytes writes a length into an array and gives how many bytes that took. */
size_t mls_len_bytes(uint8_t out[MLS_LEN_MAX], size_t len);

#endif
