/* enrolling.c - fetching the configuration document and a certificate: enrol/client.h over io/http_client.h. */
#include "apps/enrolling.h"

#include <stdio.h>

#define BODY_MAX_LEN     ((size_t)32 * 1024)
#define SELF_SIGNED_MS   ((uint64_t)5 * 365 * 24 * 3600 * 1000) /* nobody renews these, so they live long */
#define OVERLAY_NAME_MAX 256

static void say(struct rf_enrolling *e, const char *what, const char *why)
{
    snprintf(e->sentence, sizeof(e->sentence), "%s%s%s", what, why[0] ? ": " : "", why);
}

static void overlay_name(const struct rf_conf *conf, char out[OVERLAY_NAME_MAX])
{
    size_t len = conf->overlay.len < OVERLAY_NAME_MAX ? conf->overlay.len : 0;
    if (len > 0)
        memcpy(out, conf->overlay.p, len);
    out[len] = '\0';
}

/* ---- the document ---- */

/* By a signer of the document in force, or, since HTTPS vouches for it, by one that the new document names itself: so an
 * operator can change the signers' keys (6.1). */
static int verify(struct rf_enrolling *e, const struct rf_conf *current, const struct rf_conf *next,
                  uint64_t wall_ms)
{
    if (current && rf_conf_verify_alone(e->crypto, e->mem, current, next, wall_ms) == RF_OK)
        return RF_OK;
    return rf_conf_verify_alone(e->crypto, e->mem, NULL, next, wall_ms);
}

/* accept parses and checks what was fetched. A running node wants to see a document that it cannot meet, too: it has to leave then. */
static int accept(struct rf_enrolling *e, struct rf_view xml, const struct rf_conf *current, uint64_t wall_ms,
                  struct rf_conf **out)
{
    char why[160] = "";
    struct rf_conf *next = NULL;
    int error = current ? rf_conf_examine(e->crypto, e->mem, xml, current->overlay, &next, why, sizeof(why))
                        : rf_conf_parse(e->crypto, e->mem, xml, (struct rf_view){0}, &next, why, sizeof(why));
    if (error != RF_OK) {
        say(e, "the configuration document cannot be used", why[0] ? why : rf_error_text(error));
        return error;
    }
    if (current && !rf_conf_sequence_newer(next->sequence, current->sequence)) {
        say(e, "the configuration document is no newer than ours", "");
        error = RF_EEXIST;
    } else if ((error = verify(e, current, next, wall_ms)) != RF_OK)
        say(e, "the configuration document's signature is not accepted; is this machine's clock right?",
            rf_error_text(error));
    if (error == RF_OK)
        *out = next;
    else
        rf_conf_release(next);
    return error;
}

int rf_enrolling_config(struct rf_enrolling *e, const char *text, const struct rf_conf *current,
                        uint64_t wall_ms, struct rf_conf **out)
{
    char url[RF_ENROL_URL_SIZE], name[OVERLAY_NAME_MAX] = "";
    struct rf_http_config http = {
        .ca_file = e->ca_file, .timeout_ms = e->timeout_ms, .body_max_len = RF_CONF_MAX_LEN};
    struct rf_http_reply reply;
    e->sentence[0] = '\0';
    e->retry_after_s = 0;
    int error = rf_enrol_client_config_url(text, url);
    if (error != RF_OK) {
        say(e, "not the address of an overlay", "give https://HOST:PORT");
        return error;
    }
    if (current) {
        overlay_name(current, name);
        http.tls_name = name;
    }
    rf_http_reply_init(&reply, e->mem);
    error = rf_http_get(&http, url, NULL, &reply);
    if (error != RF_OK)
        say(e, "the configuration document cannot be fetched", reply.error);
    else if (reply.status != 200) {
        snprintf(e->sentence, sizeof(e->sentence), "%.150s answered with HTTP status %d%s%.120s", url,
                 reply.status, reply.reason[0] ? ": " : "", reply.reason);
        e->retry_after_s = reply.retry_after_s;
        error = RF_EREMOTE;
    } else
        error = accept(e, rf_buf_view(&reply.body), current, wall_ms, out);
    rf_http_reply_deinit(&reply);
    return error;
}

/* ---- the certificate ---- */

/* ask posts the form to one server. *answered: it was there, so no other needs to be asked. */
static int ask(struct rf_enrolling *e, const struct rf_http_config *http, const char *url,
               const char *content_type, struct rf_view body, const struct rf_conf *conf,
               const struct rf_key *key, struct rf_view username, uint64_t wall_ms, struct rf_cert **out,
               bool *answered)
{
    struct rf_http_reply reply;
    rf_http_reply_init(&reply, e->mem);
    int error = rf_http_post(http, url, content_type, RF_ENROL_ACCEPT, body, &reply);
    *answered = error == RF_OK;
    if (error != RF_OK)
        say(e, "the enrolment server cannot be asked", reply.error);
    else {
        struct rf_enrol_reply answer = {.status = reply.status,
                                        .content_type = rf_view_str(reply.content_type),
                                        .reason = rf_view_str(reply.reason),
                                        .retry_after_s = reply.retry_after_s,
                                        .body = rf_buf_view(&reply.body)};
        error = rf_enrol_client_answer(e->crypto, key, conf, username, &answer, wall_ms, out, e->sentence);
        e->retry_after_s = reply.retry_after_s;
    }
    rf_http_reply_deinit(&reply);
    return error;
}

static int enrol(struct rf_enrolling *e, const struct rf_conf *conf, const struct rf_key *key,
                 const struct rf_enrol_wish *wish, uint64_t wall_ms, struct rf_cert **out)
{
    char content_type[RF_ENROL_CONTENT_TYPE_SIZE], name[OVERLAY_NAME_MAX];
    struct rf_http_config http = {.ca_file = e->ca_file, .timeout_ms = e->timeout_ms, .tls_name = name};
    struct rf_buf body;
    bool answered = false;
    overlay_name(conf, name);
    rf_buf_init(&body, e->mem, BODY_MAX_LEN);
    rf_buf_reserve(&body,
                   BODY_MAX_LEN); /* at once: a buffer that grew would leave pieces of the password behind */
    rf_buf_reset(&body);
    int error = rf_enrol_client_request(e->crypto, key, conf, e->secret, wish, &body, content_type);
    if (error == RF_EFORMAT || error == RF_EINVAL)
        say(e, "not a user name of this overlay",
            "letters, digits and . _ + - with a letter or digit first, like alice or alice@OVERLAY");
    else if (error != RF_OK)
        say(e, "the certificate request cannot be made", rf_error_text(error));
    for (size_t i = 0; error == RF_OK && !answered && i < conf->enrolment_url_count; i++) {
        error = ask(e, &http, conf->enrolment_urls[i], content_type, rf_buf_view(&body), conf, key,
                    wish->username, wall_ms, out, &answered);
        if (!answered && i + 1 < conf->enrolment_url_count)
            error = RF_OK; /* the next one may be there */
    }
    if (body.p)
        rf_wipe(body.p, body.cap);
    rf_buf_deinit(&body);
    return error;
}

int rf_enrolling_certificate(struct rf_enrolling *e, const struct rf_conf *conf, const struct rf_key *key,
                             const struct rf_enrol_wish *wish, uint64_t wall_ms, struct rf_cert **out)
{
    e->sentence[0] = '\0';
    e->retry_after_s = 0;
    if (conf->enrolment_url_count > 0)
        return enrol(e, conf, key, wish, wall_ms, out);
    int error = rf_enrol_client_self_signed(e->crypto, key, conf, e->secret, wish->username, wall_ms,
                                            SELF_SIGNED_MS, out);
    if (error == RF_EFORBIDDEN)
        say(e, "this overlay names no enrolment server and permits no self-signed certificates",
            "ask its operator");
    else if (error == RF_EFORMAT)
        say(e, "not a user name of this overlay",
            "letters, digits and . _ + - with a letter or digit first, like alice or alice@OVERLAY");
    else if (error != RF_OK)
        say(e, "the certificate cannot be made", rf_error_text(error));
    return error;
}
