/*
 * admin.h - what an operator does: users, invites, revocation, changes of the configuration document. Each call is one transaction of
 * its own on the store. No state; every number and time is an argument.
 */
#ifndef RF_ENROL_ADMIN_H
#define RF_ENROL_ADMIN_H

#include "conf/conf.h"
#include "enrol/enrol.h"

/* rf_admin_user_add makes a user. password_hash: encoded, or empty. Errors: RF_EEXIST and those of the store. */
int rf_admin_user_add(struct rf_enrol_store *store, const char *name, const char *password_hash, uint64_t wall_ms);
/* rf_admin_user_disable sets or clears `disabled`; rf_admin_user_password replaces the password. Errors: RF_ENOTFOUND. */
int rf_admin_user_disable(struct rf_enrol_store *store, const char *name, bool disabled);
int rf_admin_user_password(struct rf_enrol_store *store, const char *name, const char *password_hash);

/*
 * rf_admin_invite makes an invite and writes its code (NUL-terminated) to `code`; only its hash is stored.
 * user: bound to this name, or NULL; uses 1..1000000; lifetime_ms >= 1. Expired invites are forgotten on the way.
 */
struct rf_admin_invite {
    const char *user;
    uint32_t uses;
    uint64_t lifetime_ms;
};
int rf_admin_invite(struct rf_enrol_store *store, struct rf_crypto *crypto, struct rf_rng *secret,
                    const struct rf_admin_invite *wish, uint64_t wall_ms, char code[RF_ENROL_INVITE_CODE_LEN + 1]);
/* rf_enrol_invite_hash is what the store keeps of a code; letter case, spaces and hyphens in the code do not matter. */
int rf_enrol_invite_hash(struct rf_crypto *crypto, struct rf_view code, uint8_t out[RF_ENROL_HASH_LEN]);

/*
 * rf_admin_document_first writes and stores the first document (number 1) from `draft` (as rf_conf_write takes it).
 * Errors: RF_EEXIST there is one, those of rf_conf_write and of the store.
 */
int rf_admin_document_first(struct rf_enrol_store *store, struct rf_identity *signer, const struct rf_conf *draft,
                            uint64_t wall_ms);
/*
 * rf_admin_document_change reads the newest document, lets `change` alter a shallow copy of it (arrays are replaced, not written to),
 * adds 1 to the sequence, signs, checks and stores it. bad-nodes whose certificates have expired are left out on the way.
 * change   returns RF_OK, RF_EEXIST (nothing to do: RF_OK, no new document) or an error, which is returned
 * sequence (may be NULL) of the document that is valid afterwards
 */
int rf_admin_document_change(struct rf_enrol_store *store, struct rf_crypto *crypto, struct rf_mem *mem,
                             struct rf_identity *signer, int (*change)(void *ctx, struct rf_conf *draft), void *ctx,
                             uint64_t wall_ms, uint16_t *sequence);
/*
 * rf_admin_revoke marks devices as revoked and puts their Node-IDs as bad-node into a new document, in one transaction.
 * Errors: RF_ENOTFOUND no such device, RF_EEXIST all are revoked already, RF_EFORBIDDEN the signer itself, RF_ELIMIT more than 64.
 */
int rf_admin_revoke(struct rf_enrol_store *store, struct rf_crypto *crypto, struct rf_mem *mem, struct rf_identity *signer,
                    const struct rf_id *node_ids, size_t count, uint64_t wall_ms, uint16_t *sequence);

/* rf_admin_bootstrap_add / _remove change the list of bootstrap nodes. Errors: RF_EEXIST, RF_ENOTFOUND, and those above. */
int rf_admin_bootstrap_add(struct rf_conf *draft, const struct rf_addr *addr, struct rf_region *region);
int rf_admin_bootstrap_remove(struct rf_conf *draft, const struct rf_addr *addr, struct rf_region *region);
/*
 * rf_admin_conf_set sets one value of the document by its element's name: max-message-size, initial-ttl, overlay-reliability-timer,
 * chord-update-interval, chord-ping-interval, chord-reactive, turn-density, clients-permitted, no-ice, enrollment-server.
 * Errors: RF_EUNKNOWN no such key, RF_EINVAL the value is out of range.
 */
int rf_admin_conf_set(struct rf_conf *draft, const char *key, const char *value, struct rf_region *region);
/* rf_admin_conf_keys: the names that rf_admin_conf_set knows, comma separated (borrowed). */
const char *rf_admin_conf_keys(void);

#endif
