/*
 * client.h - the other side of enrolment, for `ringfolk init` and for renewal: build the request, read the answer. No I/O: the caller
 * posts what rf_enrol_client_request made (io/http_client.h) and hands over what came back. apps/enrolling.h does all of it in one call.
 *
 *   rf_enrol_client_config_url("https://host:8443")   -> GET that, rf_conf_parse
 *   conf->enrolment_url_count > 0: rf_enrol_client_request -> POST to conf->enrolment_urls[i] -> rf_enrol_client_answer -> certificate
 *   conf->self_signed:             rf_enrol_client_self_signed -> certificate
 */
#ifndef RF_ENROL_CLIENT_H
#define RF_ENROL_CLIENT_H

#include "base/rng.h"
#include "conf/conf.h"

#define RF_ENROL_URL_SIZE          512
#define RF_ENROL_CONTENT_TYPE_SIZE 128
#define RF_ENROL_SENTENCE_SIZE     320
#define RF_ENROL_ACCEPT            "application/pkix-cert"

/*
 * rf_enrol_client_config_url makes the URL of the configuration document of what a person typed: "https://host:8443", "host:8443" and
 * "https://host:8443/" get /.well-known/reload-config; a longer path stays as it is. Errors: RF_EINVAL http:// or another scheme,
 * RF_EFORMAT, RF_ELIMIT.
 */
int rf_enrol_client_config_url(const char *text, char out[RF_ENROL_URL_SIZE]);

/* What to ask for; absent fields are empty. */
struct rf_enrol_wish {
    struct rf_view username; /* "alice" or "alice@example.org"; required */
    struct rf_view password, invite;
    struct rf_view certificate; /* DER of the certificate to renew */
};
/*
 * rf_enrol_client_request appends the form to `body` (it holds the password: wipe it) and writes its Content-Type.
 * key signs the CSR. rng makes the boundary. Errors: RF_EINVAL no username, RF_EFORMAT not a name of this overlay, RF_ECRYPTO, RF_ENOMEM.
 */
int rf_enrol_client_request(struct rf_crypto *crypto, const struct rf_key *key, const struct rf_conf *conf,
                            struct rf_rng *rng, const struct rf_enrol_wish *wish, struct rf_buf *body,
                            char content_type[RF_ENROL_CONTENT_TYPE_SIZE]);

/* What the server answered. */
struct rf_enrol_reply {
    int status;
    struct rf_view content_type; /* header values, empty if absent */
    struct rf_view reason;       /* Ringfolk-Reason */
    uint32_t retry_after_s;      /* 0 if absent */
    struct rf_view body;
};
/*
 * rf_enrol_client_answer reads the answer. On 200 it checks the certificate: chain to a root-cert of `conf`, validity at wall_ms, our
 * key, the user name that was asked for. out: one reference.
 * sentence: filled on failure with one sentence for people.
 * Errors: RF_EAUTH failed_authentication, RF_EEXIST username_not_available, RF_ELIMIT Node-IDs_not_available, RF_EFORMAT bad_CSR,
 * RF_EAGAIN 429 or 503, RF_EREMOTE any other refusal, RF_EUNTRUSTED and others of rf_trust_cert for a wrong certificate, RF_EMISMATCH
 * a certificate for another key or name, RF_ENOTYET the own clock is probably wrong.
 */
int rf_enrol_client_answer(struct rf_crypto *crypto, const struct rf_key *key, const struct rf_conf *conf,
                           struct rf_view username, const struct rf_enrol_reply *reply, uint64_t wall_ms,
                           struct rf_cert **out, char sentence[RF_ENROL_SENTENCE_SIZE]);

/*
 * rf_enrol_client_self_signed makes the certificate of a self-signed overlay: Node-ID derived from the key.
 * serial: from `rng`. Errors: RF_EFORBIDDEN the overlay does not permit it, RF_EFORMAT the name, RF_ECRYPTO, RF_ENOMEM.
 */
int rf_enrol_client_self_signed(struct rf_crypto *crypto, const struct rf_key *key,
                                const struct rf_conf *conf, struct rf_rng *rng, struct rf_view username,
                                uint64_t wall_ms, uint64_t validity_ms, struct rf_cert **out);

/* rf_enrol_client_renew_at: when to renew a certificate, at two thirds of its life plus up to a tenth by `jitter`. */
uint64_t rf_enrol_client_renew_at(const struct rf_cert *cert, struct rf_rng *jitter);
/*
 * rf_enrol_client_refresh_at: when to ask for a newer document: every_ms from now, plus up to a quarter of that by `jitter`; but a document that
 * expires earlier is asked for at a random time before (reload.md 6.2), not twice within ten minutes (or every_ms, if that is less). One that
 * has expired goes on to be used, for its server may be away: it is asked for as any other.
 * expiration_ms: UINT64_MAX if it does not expire; every_ms at least 4.
 */
uint64_t rf_enrol_client_refresh_at(uint64_t expiration_ms, uint64_t every_ms, uint64_t wall_ms,
                                    struct rf_rng *jitter);

#endif
