/*
 * path.h - which path an Attach or AppAttach is about (docs/protocol/paths.md): bytes in an extension, so that who does not know them does not notice.
 *
 *   in an Attach or AppAttach, request and answer, exp extension, not critical     "RFpr" opaque name<0..2^8-1>
 */
#ifndef RF_WIRE_PATH_H
#define RF_WIRE_PATH_H

#include "base/buf.h"

#define RF_PATH_NAME_MAX 32 /* longer ones are not read */

/* rf_path_name_put appends the whole extension; rf_path_name_of finds it in a checked list: empty: there is none, or none that can be read. */
void rf_path_name_put(struct rf_view name, struct rf_buf *out);
struct rf_view rf_path_name_of(struct rf_view extensions);

#endif
