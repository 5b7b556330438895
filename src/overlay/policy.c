/* policy.c - the access policies of RFC 6940 and RFC 7374; USER-CHAIN-ACL stands in policy_acl.c. */
#include "overlay/policy.h"
#include <stdio.h>
#include "base/error.h"
#include "overlay/policy_acl.h"
#include "overlay/policy_roster.h"

/* The reference allows more; nobody needs it, and each is a hash. */
#define POLICY_MAX_MULTIPLE 1024

int policy_refuse(char *why, size_t why_len, const char *text)
{
    if (why_len > 0)
        snprintf(why, why_len, "%s", text);
    return RF_EFORBIDDEN;
}

int policy_hash_is(const struct policy_question *q, struct rf_view first, struct rf_view second)
{
    struct rf_view parts[2] = {first, second};
    struct rf_id id;
    int error = rf_overlay_hash(q->crypto, parts, second.len > 0 ? 2 : 1, q->resource.len, &id);
    if (error != 0)
        return error;
    return rf_id_equal(&id, &q->resource) ? 0 : RF_EFORBIDDEN;
}

int policy_key_is_signer(const struct policy_question *q)
{
    if (q->kind->model != RF_MODEL_DICTIONARY)
        return RF_EFORBIDDEN;
    return rf_view_equal(q->data->slot, rf_id_view(&q->signer->node_id)) ? 0 : RF_EFORBIDDEN;
}

static int user_match(const struct policy_question *q, char *why, size_t why_len)
{
    int error = policy_hash_is(q, q->signer->cert->user, rf_view_of(NULL, 0));
    return error == RF_EFORBIDDEN
               ? policy_refuse(why, why_len, "the signer's user name does not hash to the Resource-ID")
               : error;
}

static int node_match(const struct policy_question *q, char *why, size_t why_len)
{
    int error = policy_hash_is(q, rf_id_view(&q->signer->node_id), rf_view_of(NULL, 0));
    return error == RF_EFORBIDDEN
               ? policy_refuse(why, why_len, "the signer's Node-ID does not hash to the Resource-ID")
               : error;
}

static int node_multiple(const struct policy_question *q, char *why, size_t why_len)
{
    uint32_t max =
        q->kind->max_node_multiple < POLICY_MAX_MULTIPLE ? q->kind->max_node_multiple : POLICY_MAX_MULTIPLE;
    for (uint32_t i = 1; i <= max; i++) {
        uint8_t number[4] = {(uint8_t)(i >> 24), (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i};
        int error = policy_hash_is(q, rf_id_view(&q->signer->node_id), rf_view_of(number, 4));
        if (error != RF_EFORBIDDEN)
            return error;
    }
    return policy_refuse(why, why_len, "the signer's Node-ID with no number hashes to the Resource-ID");
}

int policy_check(const struct policy_question *q, char *why, size_t why_len)
{
    int error;
    switch (q->kind->policy) {
    case RF_POLICY_USER_MATCH:
        return user_match(q, why, why_len);
    case RF_POLICY_NODE_MATCH:
        return node_match(q, why, why_len);
    case RF_POLICY_NODE_MULTIPLE:
        return node_multiple(q, why, why_len);
    case RF_POLICY_USER_NODE_MATCH:
        error = user_match(q, why, why_len);
        if (error == 0 && policy_key_is_signer(q) != 0)
            error = policy_refuse(why, why_len, "the dictionary key is not the signer's Node-ID");
        return error;
    case RF_POLICY_NODE_ID_MATCH:
        /* what the value says of the tree node is the usage's check */
        if (policy_key_is_signer(q) != 0)
            return policy_refuse(why, why_len, "the dictionary key is not the signer's Node-ID");
        return 0;
    case RF_POLICY_USER_CHAIN_ACL:
        return policy_chain_check(q, why, why_len);
    case RF_POLICY_ROSTER:
        return policy_roster_check(q, why, why_len);
    case RF_POLICY_INBOX:
        return policy_inbox_check(q, why, why_len);
    case RF_POLICY_NONE:
        break;
    }
    return policy_refuse(why, why_len, "the Kind has no access policy that is known here");
}
