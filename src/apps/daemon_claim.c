/*
 * daemon_claim.c - is our name taken? In a self-signed overlay names are claims: anybody's key may carry ours. Nothing can be refused, for another
 * device of the same person looks the same. So the daemon looks under the name when it has joined, and again after 5, 20, 80 ... seconds, at last
 * every hour (in a young ring not everything is found at once), and says aloud which other keys it finds there; `ringfolk status` keeps showing
 * them (reload.md 2.9, 6.3).
 */
#include <stdio.h>
#include "apps/daemon.h"
#include "base/civil.h"
#include "usage/certs.h"

#define PAUSE_MIN_US (5 * RF_US_PER_S)
#define PAUSE_MAX_US (3600 * RF_US_PER_S)

static bool known(const struct daemon *d, const struct rf_id *node_id)
{
    for (size_t i = 0; i < d->claimant_count; i++)
        if (rf_id_equal(&d->claimants[i], node_id))
            return true;
    return false;
}

static void say_claimed(const struct daemon *d, const struct rf_fetched_value *value)
{
    char id[RF_ID_TEXT_LEN], why[200];
    struct rf_civil c = rf_civil_from_ms(value->storage_time_ms);
    snprintf(why, sizeof(why),
             "this name is claimed by another key, too: node %s, stored %04d-%02d-%02d %02d:%02d:%02d UTC",
             rf_id_text(&value->signer->node_id, id), c.year, c.month, c.day, c.hour, c.minute, c.second);
    (void)daemon_say(
        d->config.user, why,
        "in this overlay nobody guarantees names. If that is no other device of yours, people may "
        "reach either of you: take another name, in a new home");
}

static void looked(void *arg, const struct rf_fetch_result *result)
{
    struct daemon *d = arg;
    struct rf_node_status status;
    d->claim_busy = false;
    if (d->stopping || result->error == RF_ECANCELLED)
        return;
    rf_node_status(d->node, &status);
    for (size_t i = 0; i < result->value_count; i++) {
        const struct rf_fetched_value *value = &result->values[i];
        if (!value->exists || value->signer == NULL ||
            !rf_view_equal(value->signer->cert->user, status.user) ||
            rf_id_equal(&value->signer->node_id, &status.node_id) || known(d, &value->signer->node_id) ||
            d->claimant_count == RF_COUNT(d->claimants))
            continue;
        d->claimants[d->claimant_count++] = value->signer->node_id;
        say_claimed(d, value);
    }
}

uint64_t daemon_claim_turn(struct daemon *d)
{
    const struct rf_now *now = rf_loop_now(d->loop);
    struct rf_node_status status;
    struct rf_id resource;
    if (rf_node_conf(d->node)->self_signed == 0 || d->claim_busy || d->stopping || !d->ready_told)
        return RF_NEVER; /* what changes that makes another turn */
    if (now->mono_us < d->claim_at_us)
        return d->claim_at_us;
    d->claim_pause_us = d->claim_pause_us == 0                 ? PAUSE_MIN_US
                        : d->claim_pause_us < PAUSE_MAX_US / 4 ? d->claim_pause_us * 4
                                                               : PAUSE_MAX_US;
    d->claim_at_us = now->mono_us + d->claim_pause_us;
    rf_node_status(d->node, &status);
    if (rf_node_resource_of(d->node, status.user, &resource) == 0)
        d->claim_busy = rf_node_fetch(d->node, &resource, RF_KIND_CERTIFICATE_BY_USER, *now, looked, d) == 0;
    return d->claim_at_us;
}

void daemon_claim_status(const struct daemon *d, json_t *status)
{
    char id[RF_ID_TEXT_LEN];
    json_t *list = json_array();
    if (rf_node_conf(d->node)->self_signed == 0) {
        json_decref(list);
        return;
    }
    for (size_t i = 0; i < d->claimant_count; i++)
        json_array_append_new(list, json_string(rf_id_text(&d->claimants[i], id)));
    json_object_set_new(status, "name_claimed_by", list);
}
