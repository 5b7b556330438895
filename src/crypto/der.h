/*
 * der.h - DER (X.690), the part of it that certificates need: a strict reader over views and a writer over
 * builders. Strict: definite lengths in their shortest form, one-byte tags, shortest integers, booleans of 00
 * and ff.
 */
#ifndef RF_CRYPTO_DER_H
#define RF_CRYPTO_DER_H

#include "base/buf.h"
#include "base/view.h"

#define RF_DER_BOOLEAN      0x01
#define RF_DER_INTEGER      0x02
#define RF_DER_BIT_STRING   0x03
#define RF_DER_OCTET_STRING 0x04
#define RF_DER_NULL         0x05
#define RF_DER_OID          0x06
#define RF_DER_UTF8_STRING  0x0c
#define RF_DER_UTC_TIME     0x17
#define RF_DER_TIME         0x18
#define RF_DER_SEQUENCE     0x30
#define RF_DER_SET          0x31
/* context-specific: [n] primitive and constructed */
#define RF_DER_CONTEXT(n)             (0x80 | (n))
#define RF_DER_CONTEXT_CONSTRUCTED(n) (0xa0 | (n))

/*
 * All readers take one element from the front of `in`, which moves on; on an error `in` and the outputs are
 * unchanged. The only error is RF_EFORMAT: not DER, cut short, or another tag than asked for.
 */

/* rf_der_any takes any element. whole (may be NULL): with tag and length; body (may be NULL): without. */
int rf_der_any(struct rf_view *in, uint8_t *tag, struct rf_view *whole, struct rf_view *body);
/* rf_der_take takes an element of this tag and gives its body. */
int rf_der_take(struct rf_view *in, uint8_t tag, struct rf_view *body);
/* rf_der_next_is: another element follows and has this tag. */
bool rf_der_next_is(struct rf_view in, uint8_t tag);
/* rf_der_bool takes a BOOLEAN. */
int rf_der_bool(struct rf_view *in, bool *out);
/* rf_der_uint takes an INTEGER that is not negative; `magnitude` has no leading zeros (empty for 0). */
int rf_der_uint(struct rf_view *in, struct rf_view *magnitude);
/* rf_der_bits takes a BIT STRING of whole bytes. */
int rf_der_bits(struct rf_view *in, struct rf_view *out);
/* rf_der_time takes a UTCTime or GeneralizedTime in the form of RFC 5280, section 4.1.2.5, as milliseconds
 * since 1970 UTC. */
int rf_der_time(struct rf_view *in, uint64_t *ms);

/* rf_der_open begins an element; rf_der_close ends it and makes room for its length. They nest. */
size_t rf_der_open(struct rf_buf *out, uint8_t tag);
void rf_der_close(struct rf_buf *out, size_t mark);
/* rf_der_put writes an element with this body; rf_der_put_uint an INTEGER of a magnitude; rf_der_put_bits a
 * BIT STRING. */
void rf_der_put(struct rf_buf *out, uint8_t tag, struct rf_view body);
void rf_der_put_uint(struct rf_buf *out, struct rf_view magnitude);
void rf_der_put_bits(struct rf_buf *out, struct rf_view bits);
/* rf_der_put_time writes UTCTime up to 2049 and GeneralizedTime after (whole seconds, cut); from the year
 * 10000 on it is RF_EINVAL in the builder. */
void rf_der_put_time(struct rf_buf *out, uint64_t ms);

#endif
