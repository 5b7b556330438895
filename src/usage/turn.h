/* turn.h - the TURN server usage (RFC 6940 section 9, reload.md 7.1): the Kind with its check. */
#ifndef RF_USAGE_TURN_H
#define RF_USAGE_TURN_H

#include "overlay/usage.h"

#define RF_KIND_TURN_SERVICE UINT32_C(0x2)

/*
 * rf_turn_kinds registers the Kind. Its check: a TurnServer with a usable address, whose `iteration` is the d of the Resource Name,
 * H(Node-ID ‖ d). RF_EEXIST.
 */
int rf_turn_kinds(struct rf_store *store);
/* rf_turn_resource: where the d-th entry of a server stands (d from 1). Errors: RF_ECRYPTO. */
int rf_turn_resource(struct rf_crypto *crypto, const struct rf_id *node_id, uint32_t d, struct rf_id *out);

#endif
