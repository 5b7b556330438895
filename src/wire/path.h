/*
 * path.h - which path an Attach or AppAttach is about, and how its signer is reached (docs/protocol/paths.md): bytes in extensions, so that who does not know them does not notice.
 *
 *   in an Attach or AppAttach, request and answer, exp extensions, not critical    "RFpr" opaque name<0..2^8-1>
 *                                                                                  "RFpt" Destination route<0..2^8-1>
 */
#ifndef RF_WIRE_PATH_H
#define RF_WIRE_PATH_H

#include "base/buf.h"
#include "wire/dest.h"

#define RF_PATH_NAME_MAX 32 /* longer ones are not read */

/* rf_path_name_put appends the whole extension; rf_path_name_of finds it in a checked list: empty: there is none, or none that can be read. */
void rf_path_name_put(struct rf_view name, struct rf_buf *out);
struct rf_view rf_path_name_of(struct rf_view extensions);
/* rf_path_route_put, _of: likewise, the destination list that leads to whoever signed; _of does not look at its entries. */
void rf_path_route_put(const struct rf_dest *dests, size_t count, struct rf_buf *out);
struct rf_view rf_path_route_of(struct rf_view extensions);

#endif
