/*
 * certs.h - the certificate store usage (reload.md 7.2): this node's certificate kept under its Node-ID and under its user name, and
 * the certificates of others fetched from there.
 *
 * States of a copy (there are two, by node and by user): WANTED (not stored, or due) -> STORING (a Store is under way) -> STORED.
 * Timers: one per copy: the first Store comes a short random time after the node is online, a refresh at 80-90 % of the lifetime, a
 * retry after a failure with a doubling, jittered pause (5 s .. 10 min). Events: online, offline, renewed, stored, failed.
 * The array is looked at first: an entry of ours is written again in its place; else the certificate is appended.
 */
#ifndef RF_USAGE_CERTS_H
#define RF_USAGE_CERTS_H

#include "base/env.h"
#include "overlay/usage.h"

#define RF_KIND_CERTIFICATE_BY_NODE UINT32_C(0x3)
#define RF_KIND_CERTIFICATE_BY_USER UINT32_C(0x10)

struct rf_certs;

struct rf_certs_config {
    struct rf_store *store;       /* borrowed */
    struct rf_identity *identity; /* borrowed; its content may change by rf_certs_renewed */
    struct rf_crypto *crypto;
    struct rf_trust *trust;
    struct rf_conf *conf; /* held */
    uint32_t lifetime_s;  /* of our entries; 0 = 7 days */
};
int rf_certs_new(const struct rf_env *env, const struct rf_certs_config *config, struct rf_certs **out);
void rf_certs_free(struct rf_certs *certs);
/* rf_certs_kinds registers both Kinds with their check: the value is a certificate of that very node or user. RF_EEXIST. */
int rf_certs_kinds(struct rf_store *store);
void rf_certs_configure(struct rf_certs *certs, struct rf_conf *conf);
/* rf_certs_online: the node joined (or lost) the overlay. Online again, nothing is stored anew before it is due. */
void rf_certs_online(struct rf_certs *certs, bool online);
/* rf_certs_renewed: the identity has a new certificate; the old entry stays until its lifetime ends. */
void rf_certs_renewed(struct rf_certs *certs);
/* rf_certs_stored: both copies are acknowledged. */
bool rf_certs_stored(const struct rf_certs *certs);

struct rf_certs_result {
    int error; /* 0; RF_ENOTFOUND nothing there; as in rf_fetch_result */
    struct rf_cert *const
        *certs; /* trusted now, of the asked name or node; borrowed in the callback (hold what you keep) */
    const uint64_t *storage_times_ms; /* one per certificate */
    size_t cert_count;
    size_t dropped_count; /* values that were no such certificate */
    struct rf_id resource, responder;
};
typedef void (*rf_certs_fn)(void *arg, const struct rf_certs_result *result);
/* Fetch all certificates of a user ("bob@example.org") or of a Node-ID. Errors: those of rf_store_client_fetch. */
int rf_certs_fetch_user(struct rf_certs *certs, struct rf_view user, rf_certs_fn done, void *arg);
int rf_certs_fetch_node(struct rf_certs *certs, const struct rf_id *node_id, rf_certs_fn done, void *arg);

#endif
