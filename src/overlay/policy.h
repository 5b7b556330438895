/*
 * policy.h - the access policies (reload.md 4.7, 7.6): may this signer have written this value at this place? The storing peer asks
 * before it stores, replicas and readers ask again.
 */
#ifndef RF_OVERLAY_POLICY_H
#define RF_OVERLAY_POLICY_H

#include "conf/conf.h"
#include "wire/stored.h"

#define RF_KIND_ACL          UINT32_C(0x4) /* ACCESS-CONTROL-LIST */
#define POLICY_MAX_ACL_ITEMS 1024          /* further items are not looked at */

/* An existing item of the resource's access control list, with who signed it. */
struct policy_acl_item {
    struct rf_view resource_name; /* with variable names, else empty */
    struct rf_view to_user;
    uint32_t kind;
    bool allow_delegation;
    struct rf_view signer_user;
};

enum policy_role {
    POLICY_VALUE = 1, /* the signer of a value in a Store with replica_number 0 */
    POLICY_REQUEST,   /* the signer of such a Store itself */
    POLICY_COPY,      /* the signer of a value in a replica's or handed over Store */
    POLICY_READ,      /* the signer of a fetched value */
};

struct policy_question {
    const struct rf_conf *conf;
    struct rf_crypto *crypto;
    const struct rf_kind_def *kind;
    struct rf_id resource;
    const struct rf_stored_data *data;
    const struct rf_signer *signer;
    enum policy_role role;
    /* USER-CHAIN-ACL only */
    const struct policy_acl_item *acl;
    size_t acl_count;
    bool old_there;          /* the slot holds a value */
    struct rf_view old_user; /* that this user wrote */
    struct rf_view roster;   /* RINGFOLK-ROSTER: the resource's; empty: none is there, or no home asks */
    bool unsettled;          /* RINGFOLK-ROSTER: that one may be behind what comes as a copy */
    uint64_t old_time_ms;    /* RINGFOLK-INBOX: storage_time of what is in the slot; 0: nothing */
};

/*
 * policy_check answers the question. why: why not, a sentence of at most why_len bytes with NUL.
 * Errors: RF_EFORBIDDEN, RF_ECRYPTO.
 */
int policy_check(const struct policy_question *q, char *why, size_t why_len);

/* policy_acl_variable_names: do the items of the list carry a resource name? As the document says for Kind 0x4. */
bool policy_acl_variable_names(const struct rf_conf *conf);

#endif
