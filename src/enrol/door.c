/* door.c - HTTP requests to the enrolment server: the configuration document and the enrolment form. */
#include "enrol/door.h"

#include <stdio.h>
#include "base/assert.h"
#include "base/text.h"
#include "conf/conf.h"
#include "enrol/multipart.h"

#define CONFIG_TYPE   "application/p2p-overlay+xml"
#define CERT_TYPE     "application/pkix-cert"
#define TEXT_TYPE     "text/plain; charset=utf-8"
#define PARTS_MAX     16
#define ETAG_HASH_LEN 16

void rf_door_answer_init(struct rf_door_answer *answer, struct rf_mem *mem)
{
    memset(answer, 0, sizeof(*answer));
    rf_enrol_answer_init(&answer->enrol, mem);
}

void rf_door_answer_deinit(struct rf_door_answer *answer)
{
    rf_enrol_answer_deinit(&answer->enrol);
}

void rf_door_init(struct rf_door *door, struct rf_mem *mem, struct rf_crypto *crypto,
                  struct rf_enrol_store *store, struct rf_enrol *enrol)
{
    memset(door, 0, sizeof(*door));
    door->enrol = enrol;
    door->store = store;
    door->crypto = crypto;
    rf_buf_init(&door->xml, mem, RF_CONF_MAX_LEN);
}

void rf_door_deinit(struct rf_door *door)
{
    rf_buf_deinit(&door->xml);
}

/* refused makes the body of an answer that is no 200: the token alone, which the grammar asks for, else the sentence. */
static void refused(struct rf_door_answer *answer)
{
    answer->status = answer->enrol.status;
    answer->content_type = TEXT_TYPE;
    answer->body = rf_view_str(answer->enrol.token ? answer->enrol.token : answer->enrol.reason);
}

void rf_door_refuse(struct rf_door_answer *answer, int status, const char *sentence)
{
    answer->enrol.status = status;
    snprintf(answer->enrol.reason, sizeof(answer->enrol.reason), "%s", sentence);
    refused(answer);
}

static bool is(struct rf_view v, const char *s)
{
    return rf_view_equal(v, rf_view_str(s));
}

/* ---- the document ---- */

/* refresh takes the newest document from the store, where another process may have put it. */
static int refresh(struct rf_door *door)
{
    struct rf_enrol_document document;
    struct rf_buf xml;
    uint8_t hash[RF_SHA256_LEN];
    rf_buf_init(&xml, door->xml.mem, RF_CONF_MAX_LEN);
    int e = door->store->ops->document_get(door->store, door->document.number, &document, &xml);
    if (e == RF_OK && document.number != door->document.number) {
        e = rf_sha256(door->crypto, rf_buf_view(&xml), hash);
        if (e == RF_OK) {
            struct rf_buf etag;
            rf_buf_fixed(&etag, door->etag, sizeof(door->etag) - 1);
            rf_buf_u8(&etag, '"');
            rf_hex_put(&etag, rf_view_of(hash, ETAG_HASH_LEN));
            rf_buf_u8(&etag, '"');
            door->etag[etag.len] = '\0';
            rf_buf_deinit(&door->xml);
            door->xml = xml;
            door->document = document;
            return RF_OK;
        }
    }
    rf_buf_deinit(&xml);
    return e;
}

/* etag_listed: If-None-Match is "*" or a list of tags, weak or strong (RFC 9110, section 13.1.2). A tag of ours never is part of another. */
static bool etag_listed(struct rf_view list, const char *etag)
{
    return is(list, "*") || (list.len > 0 && memmem(list.p, list.len, etag, strlen(etag)));
}

static void get_config(struct rf_door *door, const struct rf_door_request *request,
                       struct rf_door_answer *answer)
{
    int e = refresh(door);
    if (e == RF_ENOTFOUND) {
        rf_door_refuse(answer, 404, "this overlay has no configuration document yet");
        return;
    }
    if (e != RF_OK && door->document.number == 0) {
        rf_door_refuse(answer, 503, "the server's database does not answer; try again later");
        answer->enrol.retry_after_s = 5;
        return;
    }
    /* a database that is down for a while does not hide the document that was valid a moment ago */
    memcpy(answer->etag, door->etag, sizeof(answer->etag));
    if (etag_listed(request->if_none_match, door->etag)) {
        answer->status = 304;
        return;
    }
    answer->status = 200;
    answer->content_type = CONFIG_TYPE;
    answer->body = rf_buf_view(&door->xml);
}

/* ---- the form ---- */

struct field {
    const char *name;
    struct rf_view *value;
    bool seen;
};

/* read_form fills the request from the form's parts; unknown parts are left alone. Errors: those of rf_multipart_*, RF_EDUPLICATE. */
static int read_form(struct rf_view content_type, struct rf_view body, struct rf_enrol_request *out)
{
    struct field fields[] = {
        {"username", &out->username, false},       {"password", &out->password, false},
        {"invite", &out->invite, false},           {"nodeids", &out->nodeids, false},
        {"certificate", &out->certificate, false}, {"csr", &out->csr, false},
    };
    struct rf_multipart m;
    struct rf_part part;
    int e = rf_multipart_init(&m, content_type, body);
    for (size_t count = 0; e == RF_OK; count++) {
        e = count < PARTS_MAX ? rf_multipart_next(&m, &part) : RF_ELIMIT;
        for (size_t i = 0; e == RF_OK && i < RF_COUNT(fields); i++) {
            if (!is(part.name, fields[i].name))
                continue;
            if (fields[i].seen)
                return RF_EDUPLICATE;
            fields[i].seen = true;
            *fields[i].value = part.value;
        }
    }
    return e == RF_ENOTFOUND ? RF_OK : e;
}

static void form_broken(struct rf_door_answer *answer, int error)
{
    switch (error) {
    case RF_EUNSUPPORTED:
        rf_door_refuse(answer, 415, "send multipart/form-data with binary parts");
        break;
    case RF_ELIMIT:
        rf_door_refuse(answer, 400, "the form has too many parts or too long headers");
        break;
    case RF_EDUPLICATE:
        rf_door_refuse(answer, 400, "a part of the form is there twice");
        break;
    default:
        rf_door_refuse(answer, 400,
                       "the form is malformed: multipart/form-data with a closing boundary is needed");
        break;
    }
}

/* enrolled copies what the machine answered into HTTP's words. */
static void enrolled(struct rf_door_answer *answer)
{
    if (answer->enrol.status != 200) {
        refused(answer);
        return;
    }
    answer->status = 200;
    answer->content_type = CERT_TYPE;
    answer->body = rf_buf_view(&answer->enrol.certificate);
}

static void post_enrol(struct rf_door *door, const struct rf_door_request *request, const struct rf_now *now,
                       struct rf_door_answer *answer, struct rf_enrol_attempt **attempt)
{
    struct rf_enrol_request form = {.peer = request->peer};
    if (!door->enrol) {
        rf_door_refuse(answer, 404, "this overlay is self-signed: every node makes its own certificate");
        return;
    }
    int e = request->body.len > RF_DOOR_BODY_MAX_LEN ? RF_ELIMIT
                                                     : read_form(request->content_type, request->body, &form);
    if (e != RF_OK) {
        form_broken(answer, e);
        return;
    }
    if (form.certificate.len == 0)
        form.certificate = request->client_certificate;
    rf_enrol_begin(door->enrol, &form, now, &answer->enrol, attempt);
    if (!*attempt)
        enrolled(answer);
}

static void wrong_method(struct rf_door_answer *answer, const char *allow)
{
    char sentence[80];
    snprintf(sentence, sizeof(sentence), "only %s is understood here", allow);
    rf_door_refuse(answer, 405, sentence);
    answer->allow = allow;
}

void rf_door_begin(struct rf_door *door, const struct rf_door_request *request, const struct rf_now *now,
                   struct rf_door_answer *answer, struct rf_enrol_attempt **attempt)
{
    *attempt = NULL;
    if (is(request->path, RF_DOOR_CONFIG_PATH)) {
        if (is(request->method, "GET") || is(request->method, "HEAD"))
            get_config(door, request, answer);
        else
            wrong_method(answer, "GET, HEAD");
    } else if (is(request->path, RF_DOOR_ENROL_PATH)) {
        if (is(request->method, "POST"))
            post_enrol(door, request, now, answer, attempt);
        else
            wrong_method(answer, "POST");
    } else
        rf_door_refuse(answer, 404, "nothing is here; the configuration document is at " RF_DOOR_CONFIG_PATH);
}

void rf_door_finish(struct rf_door *door, struct rf_enrol_attempt *attempt, const struct rf_now *now,
                    struct rf_door_answer *answer)
{
    rf_enrol_finish(door->enrol, attempt, now, &answer->enrol);
    enrolled(answer);
}
