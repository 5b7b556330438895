/*
 * store.h - what the enrolment server remembers, behind one small table of functions. db/enrol_sqlite.c and db/enrol_postgres.c
 * implement it; tests have one in memory. All calls are synchronous.
 *
 *   user      a name; perhaps a password (argon2 text); many devices
 *   invite    the right to enrol, known by the SHA-256 of its code only; counted uses, an end, perhaps for one name only
 *   device    a Node-ID with the key it belongs to; stays through renewals; may be revoked
 *   cert      one issued certificate of a device, by serial number; never changed, never removed
 *   document  one version of the signed configuration document; the highest number is the valid one
 *
 * Several processes work on one store at the same time. Between begin and commit nobody else writes (transactions are serial), so
 * get-decide-put needs no further care. A commit that returned RF_OK survives the death of the process and of the machine.
 * All of the functions return RF_OK or: RF_EDATABASE the database failed (then the transaction is gone), RF_EBUSY another process
 * held it for too long, RF_ENOMEM, and what is said at each. Names are complete and lower-case, `alice@example.org`.
 */
#ifndef RF_ENROL_STORE_H
#define RF_ENROL_STORE_H

#include "base/buf.h"
#include "base/error.h"
#include "base/id.h"

#define RF_ENROL_NAME_SIZE     256 /* bytes with NUL of a user name */
#define RF_ENROL_PASSWORD_SIZE 192 /* bytes with NUL of an encoded password hash */
#define RF_ENROL_HASH_LEN      32  /* SHA-256 */

struct rf_enrol_user {
    char name[RF_ENROL_NAME_SIZE];
    char password[RF_ENROL_PASSWORD_SIZE]; /* "$argon2id$..."; empty: nobody knows a password */
    bool disabled;                         /* may neither enrol nor renew */
    uint64_t created_ms;
};

struct rf_enrol_invite {
    uint8_t hash[RF_ENROL_HASH_LEN]; /* SHA-256 of the code */
    char user[RF_ENROL_NAME_SIZE];   /* for this name only; empty: for any free name */
    uint32_t uses_max, uses;         /* 1..; uses <= uses_max */
    uint64_t expires_ms, created_ms;
};

struct rf_enrol_device {
    struct rf_id node_id;
    char user[RF_ENROL_NAME_SIZE];
    uint8_t key_hash[RF_ENROL_HASH_LEN]; /* SHA-256 of the SubjectPublicKeyInfo; unique */
    uint64_t created_ms;
    uint64_t not_after_ms; /* of the newest certificate */
    uint64_t revoked_ms;   /* 0: not revoked */
};

struct rf_enrol_cert {
    uint64_t serial_hi, serial_lo;
    struct rf_id node_id;
    uint64_t issued_ms, not_before_ms, not_after_ms;
    struct rf_view der; /* borrowed */
};

struct rf_enrol_document {
    uint64_t number; /* 1, 2, 3 ... never wraps, unlike the sequence; 0: there is none */
    uint16_t sequence;
    uint64_t created_ms;
};

struct rf_enrol_store {
    const struct rf_enrol_store_ops *ops;
};

struct rf_enrol_store_ops {
    void (*free)(struct rf_enrol_store *s); /* closes; an open transaction is rolled back */

    int (*begin)(struct rf_enrol_store *s);
    int (*commit)(struct rf_enrol_store *s);
    void (*rollback)(struct rf_enrol_store *s); /* harmless without a transaction */

    /* get: RF_ENOTFOUND. put inserts, or replaces the one with the same key. `each` calls back in the order of the keys, read-only,
     * and stops at the first non-zero return, which it returns. */
    int (*user_get)(struct rf_enrol_store *s, const char *name, struct rf_enrol_user *out);
    int (*user_put)(struct rf_enrol_store *s, const struct rf_enrol_user *user);
    int (*user_each)(struct rf_enrol_store *s, int (*each)(void *ctx, const struct rf_enrol_user *user),
                     void *ctx);

    int (*invite_get)(struct rf_enrol_store *s, const uint8_t hash[RF_ENROL_HASH_LEN],
                      struct rf_enrol_invite *out);
    int (*invite_put)(struct rf_enrol_store *s, const struct rf_enrol_invite *invite);
    /* invite_prune forgets all that expired before `before_ms`. */
    int (*invite_prune)(struct rf_enrol_store *s, uint64_t before_ms);

    int (*device_get)(struct rf_enrol_store *s, const struct rf_id *node_id, struct rf_enrol_device *out);
    int (*device_by_key)(struct rf_enrol_store *s, const uint8_t key_hash[RF_ENROL_HASH_LEN],
                         struct rf_enrol_device *out);
    /* device_put: RF_ECONFLICT when another device has that key. */
    int (*device_put)(struct rf_enrol_store *s, const struct rf_enrol_device *device);
    /* user NULL: all devices. */
    int (*device_each)(struct rf_enrol_store *s, const char *user,
                       int (*each)(void *ctx, const struct rf_enrol_device *device), void *ctx);

    /* cert_put: RF_ECONFLICT when the serial number exists. */
    int (*cert_put)(struct rf_enrol_store *s, const struct rf_enrol_cert *cert);

    /* document_get fills `out` with the newest document; its text is appended to `xml` only if its number is not `known`.
     * RF_ENOTFOUND there is none. document_put: RF_ECONFLICT when that number exists. */
    int (*document_get)(struct rf_enrol_store *s, uint64_t known, struct rf_enrol_document *out,
                        struct rf_buf *xml);
    int (*document_put)(struct rf_enrol_store *s, const struct rf_enrol_document *document,
                        struct rf_view xml);
};

#endif
