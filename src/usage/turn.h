/*
 * turn.h - the TURN server usage (RFC 6940 section 9, reload.md 7.1): the Kind with its check, and the entries that a node with a relay keeps stored.
 *
 * rf_turnreg: an entry for each d from 1 to turn-density (at most TURNREG_MAX), one Store at a time. Timer: the next one; when all are there, a random moment between 80 and 90
 * percent of their lifetime, then all again; after a failure a pause that grows. Without an address it removes what it stored. Offline it waits.
 */
#ifndef RF_USAGE_TURN_H
#define RF_USAGE_TURN_H

#include "base/env.h"
#include "overlay/usage.h"

#define RF_KIND_TURN_SERVICE UINT32_C(0x2)

/*
 * rf_turn_kinds registers the Kind. Its check: a TurnServer with a usable address, whose `iteration` is the d of the Resource Name,
 * H(Node-ID ‖ d). RF_EEXIST.
 */
int rf_turn_kinds(struct rf_store *store);
/* rf_turn_resource: where the d-th entry of a server stands (d from 1). Errors: RF_ECRYPTO. */
int rf_turn_resource(struct rf_crypto *crypto, const struct rf_id *node_id, uint32_t d, struct rf_id *out);

struct rf_turnreg;

struct rf_turnreg_config {
    struct rf_store *store;
    struct rf_identity *identity;
    struct rf_crypto *crypto;
    struct rf_conf *conf; /* held */
    uint32_t lifetime_s;  /* 0 = default (3600) */
};
int rf_turnreg_new(const struct rf_env *env, const struct rf_turnreg_config *config, struct rf_turnreg **out);
void rf_turnreg_free(struct rf_turnreg *reg);
/* rf_turnreg_set: our relay is at `addr` (copied); NULL: there is none any more. */
void rf_turnreg_set(struct rf_turnreg *reg, const struct rf_addr *addr);
void rf_turnreg_online(struct rf_turnreg *reg, bool online);
void rf_turnreg_configure(struct rf_turnreg *reg, struct rf_conf *conf);
/* rf_turnreg_stored is how many entries of ours are stored. */
size_t rf_turnreg_stored(const struct rf_turnreg *reg);

#endif
