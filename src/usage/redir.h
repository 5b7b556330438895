/* redir.h - ReDiR (RFC 7374, reload.md 7.4): the tree's arithmetic and the Kind with its check. */
#ifndef RF_USAGE_REDIR_H
#define RF_USAGE_REDIR_H

#include "overlay/usage.h"

#define RF_KIND_REDIR          UINT32_C(0x104)
#define RF_REDIR_BRANCHING     10 /* default */
#define RF_REDIR_MAX_BRANCHING 65535

/* rf_redir_node: j = floor(key * b^level / 2^k), the tree node of `level` that `key` belongs to. Errors: RF_EINVAL b < 2 or too large,
 * RF_ELIMIT the number is larger than a u16 holds (pitfall 30). */
int rf_redir_node(const struct rf_id *key, uint32_t branching, unsigned level, uint16_t *out);
/* rf_redir_interval: b' = floor(key * b^(level+1) / 2^k) mod b, the interval inside that tree node. RF_EINVAL. */
int rf_redir_interval(const struct rf_id *key, uint32_t branching, unsigned level, uint32_t *out);
/* rf_redir_resource: where a tree node stands, H(namespace ‖ level ‖ node). Errors: RF_ECRYPTO. */
int rf_redir_resource(struct rf_crypto *crypto, struct rf_view name_space, uint16_t level, uint16_t node,
                      uint8_t id_len, struct rf_id *out);
/* rf_redir_kinds registers the Kind. Its check is the part of NODE-ID-MATCH that the value decides: the tree node that it names has this
 * Resource-ID, and the signer's Node-ID lies in it. RF_EEXIST. */
int rf_redir_kinds(struct rf_store *store);

#endif
