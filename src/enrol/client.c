/* client.c - the client's side of enrolment: URLs, the form, the answer, certificates of self-signed overlays. */
#include "enrol/client.h"

#include <stdio.h>
#include "base/assert.h"
#include "base/text.h"
#include "enrol/enrol.h"
#include "enrol/multipart.h"

#define CONFIG_PATH      "/.well-known/reload-config"
#define BOUNDARY_LEN     32 /* hex digits */
#define CSR_MAX_LEN      4096
#define REFRESH_LEAST_MS ((uint64_t)10 * 60 * RF_MS_PER_S)

/* ---- URLs ---- */

static bool scheme_https(const char *text, size_t len)
{
    static const char https[] = "https";
    if (len != sizeof(https) - 1)
        return false;
    for (size_t i = 0; i < len; i++)
        if ((text[i] | 0x20) != https[i])
            return false;
    return true;
}

int rf_enrol_client_config_url(const char *text, char out[RF_ENROL_URL_SIZE])
{
    const char *rest = strstr(text, "://");
    if (rest && !scheme_https(text, (size_t)(rest - text)))
        return RF_EINVAL;
    rest = rest ? rest + 3 : text;
    for (const char *c = rest; *c; c++)
        if (*c <= ' ' || *c >= 127)
            return RF_EFORMAT;
    size_t host_len = strcspn(rest, "/?#");
    if (host_len == 0 || memchr(rest, '@', host_len))
        return RF_EFORMAT;
    bool bare = rest[host_len] == '\0' || strcmp(rest + host_len, "/") == 0;
    int len = bare ? snprintf(out, RF_ENROL_URL_SIZE, "https://%.*s%s", (int)host_len, rest, CONFIG_PATH)
                   : snprintf(out, RF_ENROL_URL_SIZE, "https://%s", rest);
    return len < RF_ENROL_URL_SIZE ? RF_OK : RF_ELIMIT;
}

/* ---- the request ---- */

/* full_name makes the complete name for the document's overlay. */
static int full_name(const struct rf_conf *conf, struct rf_view username, char out[RF_ENROL_NAME_SIZE])
{
    char overlay[RF_ENROL_NAME_SIZE];
    if (conf->overlay.len >= sizeof(overlay))
        return RF_ELIMIT;
    memcpy(overlay, conf->overlay.p, conf->overlay.len);
    overlay[conf->overlay.len] = '\0';
    return rf_enrol_name(username, overlay, out);
}

static void put_field(struct rf_buf *body, const char *boundary, const char *name, struct rf_view value)
{
    if (value.len > 0)
        rf_multipart_put(body, boundary, name, NULL, value);
}

int rf_enrol_client_request(struct rf_crypto *crypto, const struct rf_key *key, const struct rf_conf *conf,
                            struct rf_rng *rng, const struct rf_enrol_wish *wish, struct rf_buf *body,
                            char content_type[RF_ENROL_CONTENT_TYPE_SIZE])
{
    char name[RF_ENROL_NAME_SIZE], boundary[BOUNDARY_LEN + 1];
    uint8_t random[BOUNDARY_LEN / 2];
    struct rf_buf csr, text;
    if (wish->username.len == 0)
        return RF_EINVAL;
    int e = full_name(conf, wish->username, name);
    if (e != RF_OK)
        return RF_EFORMAT;
    rf_rng_fill(rng, random, sizeof(random));
    rf_buf_fixed(&text, boundary, BOUNDARY_LEN);
    rf_hex_put(&text, rf_view_of(random, sizeof(random)));
    boundary[BOUNDARY_LEN] = '\0';
    rf_buf_init(&csr, crypto->mem, CSR_MAX_LEN);
    e = crypto->ops->csr_create(crypto, key, rf_view_str(name), &csr);
    if (e == RF_OK)
        e = rf_buf_error(&csr);
    if (e == RF_OK) {
        put_field(body, boundary, "username", rf_view_str(name));
        put_field(body, boundary, "password", wish->password);
        put_field(body, boundary, "invite", wish->invite);
        if (wish->certificate.len > 0)
            rf_multipart_put(body, boundary, "certificate", RF_ENROL_ACCEPT, wish->certificate);
        rf_multipart_put(body, boundary, "csr", "application/pkcs10", rf_buf_view(&csr));
        rf_multipart_end(body, boundary);
        e = rf_buf_error(body);
    }
    rf_buf_deinit(&csr);
    snprintf(content_type, RF_ENROL_CONTENT_TYPE_SIZE, "multipart/form-data; boundary=%s", boundary);
    return e;
}

/* ---- the answer ---- */

static void say(char sentence[RF_ENROL_SENTENCE_SIZE], const char *what, struct rf_view reason)
{
    size_t len = reason.len < 200 ? reason.len : 200;
    int at = snprintf(sentence, RF_ENROL_SENTENCE_SIZE, "%s%s", what, len > 0 ? ": " : "");
    for (size_t i = 0; i < len && at < RF_ENROL_SENTENCE_SIZE - 1; i++) {
        uint8_t c = reason.p[i]; /* the server's words go to a terminal */
        sentence[at++] = (char)(c >= ' ' && c < 127 ? c : '?');
    }
    sentence[at] = '\0';
}

static struct rf_view trimmed(struct rf_view v)
{
    while (v.len > 0 && (v.p[v.len - 1] == '\n' || v.p[v.len - 1] == '\r' || v.p[v.len - 1] == ' '))
        v.len--;
    return v;
}

static int read_token(const struct rf_enrol_reply *reply, char sentence[RF_ENROL_SENTENCE_SIZE])
{
    static const struct {
        const char *token;
        int error;
        const char *what;
    } tokens[] = {
        {"failed_authentication", RF_EAUTH, "the enrolment server did not accept your password or invite"},
        {"username_not_available", RF_EEXIST, "the enrolment server cannot give you this name"},
        {"Node-IDs_not_available", RF_ELIMIT, "the enrolment server gives you no further Node-ID"},
        {"bad_CSR", RF_EFORMAT, "the enrolment server did not accept the certificate request"},
    };
    struct rf_view body = trimmed(reply->body);
    for (size_t i = 0; i < RF_COUNT(tokens); i++)
        if (rf_view_equal(body, rf_view_str(tokens[i].token))) {
            say(sentence, tokens[i].what, reply->reason);
            return tokens[i].error;
        }
    say(sentence, "the enrolment server refused", reply->reason);
    return RF_EREMOTE;
}

static int read_refusal(const struct rf_enrol_reply *reply, char sentence[RF_ENROL_SENTENCE_SIZE])
{
    char what[96];
    if (reply->status == 403)
        return read_token(reply, sentence);
    if (reply->status == 429 || reply->status == 503) {
        if (reply->retry_after_s > 0)
            snprintf(what, sizeof(what), "the enrolment server asks to try again in %u seconds",
                     reply->retry_after_s);
        else
            snprintf(what, sizeof(what), "the enrolment server asks to try again later");
        say(sentence, what, reply->reason);
        return RF_EAGAIN;
    }
    if (reply->status == 404)
        snprintf(what, sizeof(what), "there is no enrolment server at this address");
    else
        snprintf(what, sizeof(what), "the enrolment server answered with HTTP status %d", reply->status);
    say(sentence, what, reply->reason);
    return RF_EREMOTE;
}

/* check_certificate finds out whether it is what we asked for: our key, our name. */
static int check_certificate(struct rf_crypto *crypto, const struct rf_key *key, const struct rf_conf *conf,
                             struct rf_view username, const struct rf_cert *cert,
                             char sentence[RF_ENROL_SENTENCE_SIZE])
{
    char name[RF_ENROL_NAME_SIZE];
    struct rf_buf spki;
    rf_buf_init(&spki, crypto->mem, 2048);
    int e = crypto->ops->key_spki(crypto, key, &spki);
    if (e == RF_OK && !rf_view_equal(rf_buf_view(&spki), cert->x509.spki)) {
        say(sentence, "the enrolment server's certificate is for another key than ours", (struct rf_view){0});
        e = RF_EMISMATCH;
    }
    rf_buf_deinit(&spki);
    if (e != RF_OK)
        return e;
    e = full_name(conf, username, name);
    if (e == RF_OK && rf_view_equal(rf_view_str(name), cert->user))
        return RF_OK;
    say(sentence, "the enrolment server's certificate is for another name", cert->user);
    return RF_EMISMATCH;
}

static void say_untrusted(char sentence[RF_ENROL_SENTENCE_SIZE], int error)
{
    const char *what = "the enrolment server's certificate cannot be used";
    if (error == RF_ENOTYET)
        what = "the new certificate is not valid yet; is this machine's clock right?";
    else if (error == RF_EEXPIRED)
        what = "the new certificate has expired already; is this machine's clock right?";
    else if (error == RF_EUNTRUSTED || error == RF_ESIGNATURE)
        what = "the enrolment server's certificate does not lead to a root of the configuration document";
    say(sentence, what, rf_view_str(rf_error_text(error)));
}

int rf_enrol_client_answer(struct rf_crypto *crypto, const struct rf_key *key, const struct rf_conf *conf,
                           struct rf_view username, const struct rf_enrol_reply *reply, uint64_t wall_ms,
                           struct rf_cert **out, char sentence[RF_ENROL_SENTENCE_SIZE])
{
    static const uint64_t seed[2]; /* one certificate in an empty cache: nothing to protect */
    struct rf_trust *trust = NULL;
    struct rf_cert *cert = NULL;
    sentence[0] = '\0';
    if (reply->status != 200)
        return read_refusal(reply, sentence);
    int e = rf_trust_new(crypto, crypto->mem, seed, 4, &trust);
    if (e == RF_OK)
        e = rf_conf_trust(conf, trust);
    if (e == RF_OK)
        e = rf_trust_cert(trust, reply->body, NULL, 0, wall_ms, &cert);
    if (e != RF_OK)
        say_untrusted(sentence, e);
    else
        e = check_certificate(crypto, key, conf, username, cert, sentence);
    if (e == RF_OK)
        *out = cert;
    else
        rf_cert_release(cert);
    if (trust)
        rf_trust_free(trust);
    return e;
}

/* ---- self-signed ---- */

int rf_enrol_client_self_signed(struct rf_crypto *crypto, const struct rf_key *key,
                                const struct rf_conf *conf, struct rf_rng *rng, struct rf_view username,
                                uint64_t wall_ms, uint64_t validity_ms, struct rf_cert **out)
{
    char name[RF_ENROL_NAME_SIZE];
    uint8_t uri[128 + RF_ENROL_NAME_SIZE];
    struct rf_id node_id;
    struct rf_buf spki, der, text;
    if (conf->self_signed == 0)
        return RF_EFORBIDDEN;
    if (full_name(conf, username, name) != RF_OK)
        return RF_EFORMAT;
    rf_buf_init(&spki, crypto->mem, 2048);
    rf_buf_init(&der, crypto->mem, RF_CERT_MAX_LEN);
    rf_buf_fixed(&text, uri, sizeof(uri));
    int e = crypto->ops->key_spki(crypto, key, &spki);
    if (e == RF_OK)
        e = rf_node_id_derive(crypto, (enum rf_digest_rule)conf->self_signed, rf_buf_view(&spki), 0,
                              conf->id_len, &node_id);
    if (e != RF_OK)
        goto out;
    rf_reload_uri_put(&text, &node_id, conf->overlay);
    struct rf_view uri_view = rf_buf_view(&text);
    uint64_t from_ms = wall_ms > RF_ENROL_BACKDATE_MS ? wall_ms - RF_ENROL_BACKDATE_MS : 0;
    struct rf_x509_spec spec = {.email = rf_view_str(name),
                                .uris = &uri_view,
                                .uri_count = 1,
                                .not_before_ms = from_ms - from_ms % RF_MS_PER_S,
                                .not_after_ms = wall_ms + validity_ms - (wall_ms + validity_ms) % RF_MS_PER_S,
                                .serial_hi = rf_rng_u64(rng) >> 1 | 1,
                                .serial_lo = rf_rng_u64(rng)};
    e = crypto->ops->x509_issue(crypto, &spec, rf_buf_view(&spki), NULL, key, &der);
    if (e == RF_OK)
        e = rf_cert_decode(crypto, rf_buf_view(&der), conf->overlay, conf->id_len, out);
out:
    rf_buf_deinit(&der);
    rf_buf_deinit(&spki);
    return e;
}

uint64_t rf_enrol_client_renew_at(const struct rf_cert *cert, struct rf_rng *jitter)
{
    uint64_t from_ms = cert->x509.not_before_ms, life_ms = cert->x509.not_after_ms - from_ms;
    return from_ms + life_ms / 3 * 2 + rf_rng_below(jitter, life_ms / 10 + 1);
}

uint64_t rf_enrol_client_refresh_at(uint64_t expiration_ms, uint64_t every_ms, uint64_t wall_ms,
                                    struct rf_rng *jitter)
{
    uint64_t at_ms = wall_ms + every_ms + rf_rng_below(jitter, every_ms / 4);
    if (expiration_ms <= wall_ms || at_ms < expiration_ms)
        return at_ms;
    uint64_t least_ms = every_ms < REFRESH_LEAST_MS ? every_ms : REFRESH_LEAST_MS;
    at_ms = wall_ms + 1 + rf_rng_below(jitter, expiration_ms - wall_ms);
    return at_ms > wall_ms + least_ms ? at_ms : wall_ms + least_ms;
}
