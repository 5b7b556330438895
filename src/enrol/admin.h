/*
 * admin.h - what an operator does: users, invites, revocation, changes of the configuration document. Each call is one transaction of
 * its own on the store. No state; every number and time is an argument.
 */
#ifndef RF_ENROL_ADMIN_H
#define RF_ENROL_ADMIN_H

#include "conf/conf.h"
#include "enrol/enrol.h"

/* rf_admin_user_add makes a user. password_hash: encoded, or empty. Errors: RF_EEXIST and those of the store. */
int rf_admin_user_add(struct rf_enrol_store *store, const char *name, const char *password_hash,
                      uint64_t wall_ms);
/* rf_admin_user_disable sets or clears `disabled`; rf_admin_user_password replaces the password. Errors: RF_ENOTFOUND. */
int rf_admin_user_disable(struct rf_enrol_store *store, const char *name, bool disabled);
int rf_admin_user_password(struct rf_enrol_store *store, const char *name, const char *password_hash);

/*
 * rf_admin_invite makes an invite and writes its code (NUL-terminated) to `code`; only its hash is stored.
 * user: bound to this name, or NULL; uses 1..1000000; lifetime_ms >= 1. Expired invites are forgotten on the way.
 */
#define RF_ADMIN_INVITE_USES_MAX 1000000
struct rf_admin_invite {
    const char *user;
    uint32_t uses;
    uint64_t lifetime_ms;
};
int rf_admin_invite(struct rf_enrol_store *store, struct rf_crypto *crypto, struct rf_rng *secret,
                    const struct rf_admin_invite *wish, uint64_t wall_ms,
                    char code[RF_ENROL_INVITE_CODE_LEN + 1]);

/*
 * rf_admin_document_first writes and stores the first document (number 1) from `draft` (as rf_conf_write takes it).
 * Errors: RF_EEXIST there is one, those of rf_conf_write and of the store.
 */
int rf_admin_document_first(struct rf_enrol_store *store, struct rf_identity *signer,
                            const struct rf_conf *draft, uint64_t wall_ms);
/*
 * rf_admin_document_change reads the newest document, lets `change` alter a shallow copy of it (arrays are replaced, not written to),
 * adds 1 to the sequence, signs, checks and stores it. bad-nodes whose certificates have expired are left out on the way.
 * change   returns RF_OK or an error, which is returned; what it allocates in `region` lives long enough
 * sequence (may be NULL) of the new document
 * Errors: those of `change`, RF_ENOTFOUND there is no document yet, rf_conf_parse, rf_conf_write, rf_conf_verify (the signer has no right,
 * or its certificate has expired), the store.
 */
typedef int rf_admin_change(void *ctx, struct rf_conf *draft, struct rf_region *region);
int rf_admin_document_change(struct rf_enrol_store *store, struct rf_crypto *crypto, struct rf_mem *mem,
                             struct rf_identity *signer, rf_admin_change *change, void *ctx, uint64_t wall_ms,
                             uint16_t *sequence);
/*
 * rf_admin_document_due: is less than half of the newest document's life left? Its life is what it had when it was
 * signed; every later version gets the same (a change may set draft->expiration_ms to another).
 * rf_admin_document_renew signs it anew, as above, if it is due: nodes fetch a document before it expires (reload.md 6.2).
 * Errors: RF_EEXIST it is not due, or does not expire; and those of rf_admin_document_change.
 */
int rf_admin_document_due(struct rf_enrol_store *store, struct rf_crypto *crypto, struct rf_mem *mem,
                          uint64_t wall_ms);
int rf_admin_document_renew(struct rf_enrol_store *store, struct rf_crypto *crypto, struct rf_mem *mem,
                            struct rf_identity *signer, uint64_t wall_ms, uint16_t *sequence);
/*
 * rf_admin_revoke marks devices as revoked and puts their Node-IDs as bad-node into a new document, in one transaction.
 * A self-signed overlay knows no devices: there any Node-ID can be revoked.
 * Errors: RF_ENOTFOUND no such device, RF_EEXIST all are revoked already, RF_EFORBIDDEN the signer itself, and those above.
 */
int rf_admin_revoke(struct rf_enrol_store *store, struct rf_crypto *crypto, struct rf_mem *mem,
                    struct rf_identity *signer, const struct rf_id *node_ids, size_t count, uint64_t wall_ms,
                    uint16_t *sequence);

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
