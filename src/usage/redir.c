/* redir.c - ReDiR's tree and Kind. */
#include "usage/redir.h"
#include <stdio.h>
#include "base/error.h"
#include "wire/value.h"

#define REDIR_MAX_LEVEL 16

/* One digit of key / 2^k in base b: multiplies the fraction `bytes` by b and returns what comes out on the left. */
static uint32_t digit(uint8_t *bytes, size_t len, uint32_t branching)
{
    uint32_t carry = 0;
    for (size_t i = len; i > 0; i--) {
        uint32_t x = bytes[i - 1] * branching + carry;
        bytes[i - 1] = (uint8_t)x;
        carry = x >> 8;
    }
    return carry;
}

int rf_redir_node(const struct rf_id *key, uint32_t branching, unsigned level, uint16_t *out)
{
    struct rf_id left = *key;
    uint32_t node = 0;
    if (branching < 2 || branching > RF_REDIR_MAX_BRANCHING)
        return RF_EINVAL;
    for (unsigned i = 0; i < level; i++) {
        node = node * branching + digit(left.b, left.len, branching);
        if (i >= REDIR_MAX_LEVEL || node > UINT16_MAX)
            return RF_ELIMIT;
    }
    *out = (uint16_t)node;
    return 0;
}

int rf_redir_interval(const struct rf_id *key, uint32_t branching, unsigned level, uint32_t *out)
{
    struct rf_id left = *key;
    if (branching < 2 || branching > RF_REDIR_MAX_BRANCHING || level > REDIR_MAX_LEVEL)
        return RF_EINVAL;
    for (unsigned i = 0; i <= level; i++)
        *out = digit(left.b, left.len, branching);
    return 0;
}

int rf_redir_resource(struct rf_crypto *crypto, struct rf_view name_space, uint16_t level, uint16_t node,
                      uint8_t id_len, struct rf_id *out)
{
    uint8_t numbers[4] = {(uint8_t)(level >> 8), (uint8_t)level, (uint8_t)(node >> 8), (uint8_t)node};
    struct rf_view parts[2] = {name_space, rf_view_of(numbers, sizeof(numbers))};
    return rf_overlay_hash(crypto, parts, 2, id_len, out);
}

static int check(void *arg, const struct rf_usage_value *value, char *why, size_t why_len)
{
    (void)arg;
    struct rf_redir_value redir;
    if (rf_redir_value_decode(value->data->value, value->resource.len, &redir) != 0) {
        snprintf(why, why_len, "no RedirServiceProvider");
        return RF_EFORMAT;
    }
    struct rf_id resource;
    int error = rf_redir_resource(value->crypto, redir.name_space, redir.level, redir.node,
                                  value->resource.len, &resource);
    if (error != 0)
        return error;
    if (!rf_id_equal(&resource, &value->resource)) {
        snprintf(why, why_len, "namespace, level and node do not hash to the Resource-ID");
        return RF_EFORBIDDEN;
    }
    uint32_t branching =
        value->kind->branching_factor != 0 ? value->kind->branching_factor : RF_REDIR_BRANCHING;
    uint16_t node = 0;
    error = rf_redir_node(&value->signer->node_id, branching, redir.level, &node);
    if (error == 0 && node == redir.node)
        return 0;
    snprintf(why, why_len, "the signer's Node-ID does not lie in that tree node");
    return RF_EFORBIDDEN;
}

int rf_redir_kinds(struct rf_store *store)
{
    static const struct rf_usage_kind kind = {
        .kind = RF_KIND_REDIR, .name = "REDIR", .findable = true, .check = check};
    return rf_store_add_kind(store, &kind);
}
