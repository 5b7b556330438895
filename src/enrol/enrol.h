/*
 * enrol.h - the enrolment machine: request -> decision -> certificate (reload.md 6.3, docs/protocol/enrolment.md).
 *
 * One attempt has two states. rf_enrol_begin checks all that is cheap (rates, the CSR with its own signature, the name's grammar, the
 * invite, the old certificate) and either answers or leaves the attempt WAITING for one password computation (attempt->job). The
 * shell runs that job wherever it likes (rf_password_run) and gives the attempt back to rf_enrol_finish, which decides again from what
 * the store says then, in one transaction, issues, records, and answers. What is answered was recorded before. There are no timers:
 * an attempt that the shell gives up is freed with rf_enrol_attempt_free.
 *
 * Who may have a certificate:
 *   password          of an existing user that is not disabled
 *   invite            for a free name: makes the user, with the password if one was given, and counts one use;
 *                     bound to a name: that user, new or not, and the password is set if one was given
 *   old certificate   that we issued, not expired, not revoked, and a CSR by the same key: renewal, the Node-ID stays
 * A key belongs to one device: the same key again (an answer was lost) gets the same Node-ID, even when its invite is used up by that
 * very attempt; for another user it is refused. A certificate carries one Node-ID.
 *
 * Not thread-safe: one thread at a time; only the jobs may run elsewhere.
 */
#ifndef RF_ENROL_ENROL_H
#define RF_ENROL_ENROL_H

#include "base/addr.h"
#include "base/clock.h"
#include "base/counter.h"
#include "base/log.h"
#include "base/rng.h"
#include "crypto/crypto.h"
#include "enrol/password.h"
#include "enrol/store.h"

#define RF_ENROL_CSR_MAX_LEN 4096
#define RF_ENROL_REASON_SIZE 256
#define RF_ENROL_DEVICES_MAX 64 /* of a user, with a valid certificate and not revoked */
#define RF_ENROL_VALIDITY_MS ((uint64_t)90 * 24 * 3600 * 1000)
#define RF_ENROL_BACKDATE_MS                                                                                 \
    ((uint64_t)5 * 60 * 1000)       /* notBefore lies that far back, for clocks behind ours */
#define RF_ENROL_INVITE_CODE_LEN 26 /* characters of a code, base32, 130 random bits */

#define RF_ENROL_COUNTERS(X)                                                                                 \
    X(issued, "certificates issued to new devices")                                                          \
    X(renewed, "certificates issued to known devices")                                                       \
    X(users_created, "users made by an invite")                                                              \
    X(refused_auth, "refused: wrong password, invite or old certificate")                                    \
    X(refused_name, "refused: name not available")                                                           \
    X(refused_node_ids, "refused: more Node-IDs wanted than we give")                                        \
    X(refused_csr, "refused: broken, oversize or foreign certificate request")                               \
    X(refused_form, "refused: the request is malformed")                                                     \
    X(limited_address, "refused: too many attempts from one address")                                        \
    X(limited_name, "refused: too many attempts for one name")                                               \
    X(failed, "failed for a reason of ours: database, memory, signing")
RF_COUNTERS(enrol, RF_ENROL_COUNTERS)

struct rf_enrol; /* owned; rf_enrol_free */

struct rf_enrol_limits {
    uint32_t address_burst; /* tokens; an attempt costs 1, one that is refused 5 */
    uint64_t address_refill_us;
    uint32_t name_burst; /* wrong passwords for one name from one network (an IPv4 address, a /64) */
    uint64_t name_refill_us;
    uint32_t name_all_burst; /* for one name from everywhere: a guesser alone cannot use these up */
    uint64_t name_all_refill_us;
    size_t max_count; /* buckets of each sort */
};
#define RF_ENROL_LIMITS_DEFAULT                                                                              \
    ((struct rf_enrol_limits){200, RF_US_PER_S, 10, 30 * RF_US_PER_S, 100, 3 * RF_US_PER_S, 65536})

struct rf_enrol_config {
    const char *overlay;  /* lower-case; copied */
    uint8_t id_len;       /* Node-ID bytes, 16..20 */
    uint64_t validity_ms; /* of certificates; cut at the CA's end */
    struct rf_password_cost cost;
    struct rf_enrol_limits limits;
    uint64_t seed[2]; /* keys hash tables */
};

/* rf_enrol_new: everything is borrowed until rf_enrol_free; `ca` with its `ca_key` signs. Errors: RF_EINVAL, RF_ENOMEM. */
int rf_enrol_new(struct rf_mem *mem, struct rf_crypto *crypto, struct rf_enrol_store *store,
                 struct rf_rng *secret, struct rf_log *log, const struct rf_x509 *ca,
                 const struct rf_key *ca_key, const struct rf_enrol_config *config, struct rf_enrol **out);
void rf_enrol_free(struct rf_enrol *enrol);
const struct rf_enrol_counters *rf_enrol_counters(const struct rf_enrol *enrol);

/* A request; borrowed while rf_enrol_begin runs. Absent fields are empty. */
struct rf_enrol_request {
    struct rf_addr peer;
    struct rf_view username, password, invite, nodeids;
    struct rf_view csr;         /* DER */
    struct rf_view certificate; /* the old certificate, DER: of the form, or of the TLS client */
};

/* An answer as HTTP wants it. */
struct rf_enrol_answer {
    int status;                        /* 200, 400, 403, 429, 500, 503 */
    const char *token;                 /* 403: the body, one of the four tokens; else NULL */
    char reason[RF_ENROL_REASON_SIZE]; /* a sentence for people, printable ASCII; empty with 200 */
    uint32_t retry_after_s;            /* 429, 503 */
    struct rf_buf certificate;         /* 200: DER; owned by whoever inited the answer */
    char user[RF_ENROL_NAME_SIZE];     /* for the log: the name, once it is well-formed; else empty */
    struct rf_id node_id;              /* 200: issued for; else len 0 */
};
void rf_enrol_answer_init(struct rf_enrol_answer *answer, struct rf_mem *mem);
void rf_enrol_answer_deinit(struct rf_enrol_answer *answer);

/* What entitles an attempt. */
enum rf_enrol_grant {
    RF_ENROL_BY_PASSWORD = 1,
    RF_ENROL_BY_INVITE, /* for a free name, or bound to the name */
    RF_ENROL_BY_KEY,    /* of a device that has a valid certificate: renewal */
};
struct rf_enrol_attempt {
    struct rf_password_job job; /* to run before rf_enrol_finish */
    struct rf_mem *mem;
    struct rf_addr peer;
    enum rf_enrol_grant grant;
    char user[RF_ENROL_NAME_SIZE];
    uint8_t invite_hash[RF_ENROL_HASH_LEN];
    bool
        has_invite; /* also with BY_PASSWORD: the name was taken, the password may prove it is the same person */
    bool decoy;     /* the job only takes time: there is nothing to verify against */
    uint8_t key_hash[RF_ENROL_HASH_LEN];
    struct rf_view spki; /* owned copy */
};

/*
 * rf_enrol_begin starts an attempt at `now`. *attempt NULL: `answer` is complete. Else it waits for (*attempt)->job, is owned by the
 * caller and goes to rf_enrol_finish or rf_enrol_attempt_free.
 */
void rf_enrol_begin(struct rf_enrol *enrol, const struct rf_enrol_request *request, const struct rf_now *now,
                    struct rf_enrol_answer *answer, struct rf_enrol_attempt **attempt);
/* rf_enrol_finish takes the attempt, whose job has run, and completes `answer`. */
void rf_enrol_finish(struct rf_enrol *enrol, struct rf_enrol_attempt *attempt, const struct rf_now *now,
                     struct rf_enrol_answer *answer);
void rf_enrol_attempt_free(struct rf_enrol_attempt *attempt); /* wipes; NULL allowed */

/*
 * rf_enrol_name makes the complete name of `text`: "Alice" or "alice@Example.ORG" -> "alice@example.org". ASCII letters are folded to
 * lower case, so that no two names differ in case only. The local part is 1..64 of a-z 0-9 . _ + -, the first a letter or digit, dots not
 * at the end and not one after another.
 * Errors: RF_EFORMAT, RF_EMISMATCH another overlay's domain, RF_ELIMIT too long.
 */
int rf_enrol_name(struct rf_view text, const char *overlay, char out[RF_ENROL_NAME_SIZE]);
/* rf_enrol_name_reserved: echo and other service names; only `user add` may make these users. */
bool rf_enrol_name_reserved(const char *name);

/* rf_enrol_invite_code makes a code: 130 random bits in Crockford's base32, lower-case, NUL-terminated. */
void rf_enrol_invite_code(struct rf_rng *secret, char out[RF_ENROL_INVITE_CODE_LEN + 1]);
/*
 * rf_enrol_invite_hash is what the store keeps of a code: SHA-256 of its plain form. Letter case, spaces, hyphens and the confusion of
 * o with 0 and of i and l with 1 do not matter. Errors: RF_EFORMAT no code, RF_ECRYPTO.
 */
int rf_enrol_invite_hash(struct rf_crypto *crypto, struct rf_view code, uint8_t out[RF_ENROL_HASH_LEN]);

#endif
