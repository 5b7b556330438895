/*
 * frame.h - cuts a byte stream into SIP messages (RFC 3261, section 18.3) and edits what leaves for the overlay. Strict on purpose: what
 * comes from the overlay meets this before libre: lines end with CR LF, there is exactly one Content-Length, no NUL, hard limits.
 */
#ifndef RF_SIP_FRAME_H
#define RF_SIP_FRAME_H

#include "base/buf.h"

#define FRAME_MAX_HEADER ((size_t)16 * 1024) /* start line and header fields, bytes */
#define FRAME_MAX_BODY                                                                                       \
    ((size_t)40 * 1024) /* both and a read of 8 KiB stay below libre's 64 KiB per connection */

struct framer {
    struct rf_buf
        buf; /* bytes not yet handed out; may begin with a message already handed out: `taken` bytes */
    size_t taken;
    size_t header_len; /* of the message at the front, once known; 0: not known */
    size_t body_len;
    size_t scanned; /* bytes of the header searched so far */
};

void framer_init(struct framer *f, struct rf_mem *mem);
void framer_deinit(struct framer *f);
/* framer_put appends bytes (any cut). Errors: RF_ENOMEM, RF_ELIMIT when the caller does not drain. */
int framer_put(struct framer *f, struct rf_view bytes);
/*
 * framer_next gives the next message, borrowed until the next framer_put or framer_next. pings: raised by one for each CR LF CR LF before
 * it (keep-alive, RFC 5626 section 3.5.1).
 * Errors: RF_ESHORT more bytes needed; for good, the stream is lost: RF_ELIMIT header or body too long, RF_EFORMAT.
 */
int framer_next(struct framer *f, struct rf_view *message, unsigned *pings);

/*
 * frame_outgoing writes `message` as the overlay shall see it: the top Via of a request names the overlay instead of a loopback address,
 * that of a response loses what libre noted about the loopback connection (received, rport). All else passes as it is.
 * domain: "example.org". Errors: RF_EFORMAT no Via; those of the buffer.
 */
int frame_outgoing(struct rf_view message, const char *domain, struct rf_buf *out);

#endif
