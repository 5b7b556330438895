/* policy_acl.h - what the policy*.c share. Not for others. */
#ifndef RF_OVERLAY_POLICY_ACL_H
#define RF_OVERLAY_POLICY_ACL_H

#include "overlay/policy.h"

int policy_refuse(char *why, size_t why_len, const char *text); /* RF_EFORBIDDEN */
/* Is H(first ‖ second) the Resource-ID? 0, RF_EFORBIDDEN, RF_ECRYPTO. */
int policy_hash_is(const struct policy_question *q, struct rf_view first, struct rf_view second);
/* Is the dictionary key the Node-ID that signed? 0, RF_EFORBIDDEN. */
int policy_key_is_signer(const struct policy_question *q);
/* USER-CHAIN-ACL. */
int policy_chain_check(const struct policy_question *q, char *why, size_t why_len);

#endif
