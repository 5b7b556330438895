/* acl.h - access control lists of shared resources (ShaRe, RFC 8076, reload.md 7.6): the Kind with its check, and the writer's index.
 * Who may write is the policy USER-CHAIN-ACL in overlay/. */
#ifndef RF_USAGE_ACL_H
#define RF_USAGE_ACL_H

#include "overlay/usage.h"

#define RF_KIND_ACCESS_CONTROL_LIST UINT32_C(0x4)

/* rf_acl_index: the index that `writer` uses for his `counter`-th entry of a shared array: last 24 bits of the Node-ID, then the counter. */
uint32_t rf_acl_index(const struct rf_id *writer, uint8_t counter);
/* rf_acl_kinds registers the Kind. Its check: the item is well formed and names a user and a Kind. RF_EEXIST. */
int rf_acl_kinds(struct rf_store *store);

#endif
