/* usages.h - all usages of a node in one hand: their Kinds registered at the storage, their refreshes running. */
#ifndef RF_USAGE_USAGES_H
#define RF_USAGE_USAGES_H

#include "usage/certs.h"
#include "usage/sipreg.h"

struct rf_usages;

struct rf_usages_config {
    struct rf_store *store;       /* borrowed; freed after the usages */
    struct rf_identity *identity; /* borrowed; may change its content, then rf_usages_renewed */
    struct rf_crypto *crypto;
    struct rf_trust *trust;
    struct rf_conf *conf;                           /* held */
    void (*registered)(void *arg, bool registered); /* our SIP registration; may be NULL */
    void *arg;
};
/* rf_usages_new registers every Kind (certificates, SIP, TURN, ReDiR, ACL, conversations). Errors: RF_ENOMEM, RF_EEXIST. */
int rf_usages_new(const struct rf_env *env, const struct rf_usages_config *config, struct rf_usages **out);
void rf_usages_free(struct rf_usages *usages);
void rf_usages_configure(struct rf_usages *usages, struct rf_conf *conf);
/* rf_usages_online: the node joined the overlay or lost it. Certificates are stored from then on; the registration if it is set. */
void rf_usages_online(struct rf_usages *usages, bool online);
void rf_usages_renewed(struct rf_usages *usages);
struct rf_certs *rf_usages_certs(struct rf_usages *usages);
struct rf_sipreg *rf_usages_sipreg(struct rf_usages *usages);

#endif
