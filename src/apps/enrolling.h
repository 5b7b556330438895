/*
 * enrolling.h - getting a configuration document and a certificate over HTTPS, in one blocking call each: what `ringfolk init`, renewal
 * and tests use. Joins enrol/client.h with io/http_client.h.
 */
#ifndef RF_APPS_ENROLLING_H
#define RF_APPS_ENROLLING_H

#include "enrol/client.h"
#include "io/http_client.h"

struct rf_enrolling {
    struct rf_mem *mem;
    struct rf_crypto *crypto;
    struct rf_rng *secret;
    const char *ca_file;                   /* --ca FILE; NULL: the system's roots */
    uint32_t timeout_ms;                   /* 0: 15 s */
    char sentence[RF_ENROL_SENTENCE_SIZE]; /* out: why the last call failed and what to do, for people */
    uint32_t retry_after_s;                /* out: with RF_EAGAIN */
};

/*
 * rf_enrolling_config fetches, parses and checks the document behind what a person typed (see rf_enrol_client_config_url).
 * current  NULL: the first document, which must be signed by one of its own signers if it names any; else the document in force: the new
 *          one must be newer and signed by a signer of `current`
 * out      one reference
 * Errors: those of rf_http_get (RF_EUNREACHABLE, RF_EUNTRUSTED, ...), RF_EREMOTE a status that is not 200, rf_conf_parse,
 * rf_conf_verify, RF_EEXIST current is still the newest.
 */
int rf_enrolling_config(struct rf_enrolling *e, const char *url, const struct rf_conf *current,
                        uint64_t wall_ms, struct rf_conf **out);
/*
 * rf_enrolling_certificate gets a certificate for `key`: from the document's enrolment servers one after the other until one answers, or
 * self-signed if the overlay permits that and has no enrolment server. out: one reference. Errors: rf_enrol_client_answer, rf_http_post.
 */
int rf_enrolling_certificate(struct rf_enrolling *e, const struct rf_conf *conf, const struct rf_key *key,
                             const struct rf_enrol_wish *wish, uint64_t wall_ms, struct rf_cert **out);

#endif
