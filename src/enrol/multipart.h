/* multipart.h - multipart/form-data (RFC 7578, RFC 2046): a reader over a complete body, and a writer. */
#ifndef RF_ENROL_MULTIPART_H
#define RF_ENROL_MULTIPART_H

#include "base/buf.h"
#include "base/error.h"

#define RF_MULTIPART_BOUNDARY_MAX 70 /* RFC 2046 */

/* One part; all views point into the body. */
struct rf_part {
    struct rf_view name;         /* of Content-Disposition: form-data, without quotes */
    struct rf_view content_type; /* empty if absent; without parameters */
    struct rf_view value;
};

struct rf_multipart {
    struct rf_view rest;                           /* what was not read yet */
    char delimiter[RF_MULTIPART_BOUNDARY_MAX + 5]; /* "\r\n--boundary" */
    size_t delimiter_len;
    bool first, ended;
};

/*
 * rf_multipart_init takes the boundary from a Content-Type header's value and starts reading `body` (borrowed).
 * Errors: RF_EUNSUPPORTED the type is not multipart/form-data, RF_EFORMAT no or a broken boundary.
 */
int rf_multipart_init(struct rf_multipart *m, struct rf_view content_type, struct rf_view body);
/*
 * rf_multipart_next reads the next part. Content-Transfer-Encoding may be absent, binary, 7bit or 8bit.
 * Errors: RF_ENOTFOUND after the last part, RF_EFORMAT (also when the closing delimiter is missing), RF_ELIMIT headers above 2 KiB,
 * RF_EUNSUPPORTED another transfer encoding.
 */
int rf_multipart_next(struct rf_multipart *m, struct rf_part *out);

/* rf_multipart_put appends one part; content_type may be NULL. rf_multipart_end closes. The boundary must occur in no value. */
void rf_multipart_put(struct rf_buf *out, const char *boundary, const char *name, const char *content_type,
                      struct rf_view value);
void rf_multipart_end(struct rf_buf *out, const char *boundary);

#endif
