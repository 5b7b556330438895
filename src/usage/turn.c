/* turn.c - the TURN server usage's Kind. */
#include "usage/turn.h"
#include <stdio.h>
#include "base/error.h"
#include "wire/value.h"

int rf_turn_resource(struct rf_crypto *crypto, const struct rf_id *node_id, uint32_t d, struct rf_id *out)
{
    uint8_t number[4] = {(uint8_t)(d >> 24), (uint8_t)(d >> 16), (uint8_t)(d >> 8), (uint8_t)d};
    struct rf_view parts[2] = {rf_id_view(node_id), rf_view_of(number, sizeof(number))};
    return rf_overlay_hash(crypto, parts, 2, node_id->len, out);
}

static int check(void *arg, const struct rf_usage_value *value, char *why, size_t why_len)
{
    (void)arg;
    struct rf_turn_value turn;
    struct rf_id resource;
    if (rf_turn_value_decode(value->data->value, &turn) != 0 || turn.address.port == 0 ||
        rf_addr_is_any(&turn.address)) {
        snprintf(why, why_len, "no TurnServer with an address");
        return RF_EFORMAT;
    }
    int error = rf_turn_resource(value->crypto, &value->signer->node_id, turn.iteration, &resource);
    if (error == 0 && !rf_id_equal(&resource, &value->resource)) {
        snprintf(why, why_len, "the iteration is not that of the Resource Name");
        error = RF_EFORBIDDEN;
    }
    return error;
}

int rf_turn_kinds(struct rf_store *store)
{
    static const struct rf_usage_kind kind = {
        .kind = RF_KIND_TURN_SERVICE, .name = "TURN-SERVICE", .findable = true, .check = check};
    return rf_store_add_kind(store, &kind);
}
