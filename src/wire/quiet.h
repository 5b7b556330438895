/*
 * quiet.h - "no answer is needed": an extension of a request whose sender only wants it to arrive, which the acknowledgement of its frame shows.
 * Not critical, so who does not know it answers as always; an Error is sent in any case.
 *
 *   exp extension, not critical     "RFna"
 */
#ifndef RF_WIRE_QUIET_H
#define RF_WIRE_QUIET_H

#include "base/buf.h"

#define RF_QUIET_LEN 11 /* of the whole extension */

/* rf_quiet_put appends the whole extension; rf_quiet_of finds it in a checked list. Bytes behind the tag are ignored. */
void rf_quiet_put(struct rf_buf *out);
bool rf_quiet_of(struct rf_view extensions);

#endif
