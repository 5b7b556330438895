/* internal.h - what enrol.c (is the request in order?) and decide.c (may it have a certificate?) share. */
#ifndef RF_ENROL_INTERNAL_H
#define RF_ENROL_INTERNAL_H

#include "enrol/enrol.h"
#include "enrol/limit.h"

#define TOKEN_AUTH     "failed_authentication"
#define TOKEN_NAME     "username_not_available"
#define TOKEN_NODE_IDS "Node-IDs_not_available"
#define TOKEN_CSR      "bad_CSR"

#define COST_ATTEMPT                                                                                         \
    1 /* tokens of an address; all of COST_REFUSED is taken first and the difference given back on success */
#define COST_REFUSED 5

struct rf_enrol {
    struct rf_mem *mem;
    struct rf_crypto *crypto;
    struct rf_enrol_store *store;
    struct rf_rng *secret;
    struct rf_log *log;
    const struct rf_x509 *ca;
    const struct rf_key *ca_key;
    char overlay[RF_ENROL_NAME_SIZE];
    uint8_t id_len;
    uint64_t validity_ms;
    struct rf_password_cost cost;
    struct rf_limit addresses, names, names_all; /* by network; by name and network; by name */
    char decoy[RF_ENROL_PASSWORD_SIZE];          /* an encoded hash that no password fits */
    struct rf_enrol_counters counters;
};

/* answer_refuse completes an answer with a status, a token (403 only, else NULL) and a sentence, and counts. */
void answer_refuse(struct rf_enrol_answer *answer, uint64_t *counter, int status, const char *token,
                   const char *format, ...) __attribute__((format(printf, 5, 6)));
/* answer_failed completes an answer after an error of ours: 503 for the store, 500 else. */
void answer_failed(struct rf_enrol *enrol, struct rf_enrol_answer *answer, int error);

/* network_of: what one customer has: an IPv4 address, or an IPv6 /64. Borrowed. */
struct rf_view network_of(const struct rf_addr *peer);

/* decide_grant settles what entitles the attempt, as far as the store can tell now; false: `answer` is complete. */
bool decide_grant(struct rf_enrol *enrol, struct rf_enrol_attempt *attempt, struct rf_view password,
                  const struct rf_now *now, struct rf_enrol_answer *answer);
/* decide_issue decides finally and issues, in one transaction; completes `answer`. */
void decide_issue(struct rf_enrol *enrol, struct rf_enrol_attempt *attempt, const struct rf_now *now,
                  struct rf_enrol_answer *answer);

#endif
