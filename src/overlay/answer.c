/*
 * answer.c - answering requests: at once, by an Error, or later.
 *
 * Every request is settled once: answered, refused, deferred (its copy is then settled in its place) or dropped.
 */
#include "overlay/internal.h"
#include "wire/method.h"
#include "wire/quiet.h"

static struct request *request_of(struct rf_request *pub)
{
    return RF_CONTAINER(pub, struct request, pub);
}

struct way request_way(const struct request *request)
{
    const struct rf_request *pub = &request->pub;
    return (struct way){.link = pub->link, .link_node = pub->link_node, .header = &pub->message->header};
}

static void deferred_free(struct rf_overlay *o, struct request *request)
{
    rf_list_remove(&request->list);
    o->deferred_count--;
    rf_signer_deinit(&request->pub.signer);
    rf_region_deinit(&request->region);
    rf_free(o->env->mem, request->bytes);
    rf_free(o->env->mem, request);
}

static void settle(struct rf_overlay *o, struct request *request)
{
    RF_ASSERT(!request->settled);
    request->settled = true;
    if (request->deferred)
        deferred_free(o, request);
}

static void forget(struct rf_overlay *o, const struct request *request)
{
    if (request->keep_answer)
        answers_forget(o, request->pub.message->header.transaction_id, &request->pub.signer.node_id);
}

/* ---- sizes ---- */

/* Bytes that the whole answer may have. */
static size_t max_answer_len(const struct rf_overlay *o, const struct request *request)
{
    size_t max = o->config.conf->max_message_size, asked = request->pub.message->header.max_response_len;
    return asked != 0 && asked < max ? asked : max;
}

static size_t max_signature_len(const struct rf_identity *identity)
{
    return identity->cert->x509.key_type == RF_KEY_RSA2048 ? 256 : 72;
}

size_t rf_overlay_room(struct rf_overlay *o, const struct rf_request *pub)
{
    const struct request *request = RF_CONTAINER(pub, struct request, pub);
    const struct rf_identity *identity = o->config.identity;
    struct way way = request_way(request);
    size_t len = send_response_header_len(o, &way);
    len += 2 + 4 + 4;                                        /* code, length of body, of extensions */
    len += 2 + 3 + identity->cert->x509.der.len;             /* certificates: ours, */
    for (size_t i = 0; i < identity->cert->chain_count; i++) /* and those between it and the root */
        len += 3 + identity->cert->chain[i].len;
    len += 2 + identity->signer_identity_len + 2 + max_signature_len(identity);
    size_t max = max_answer_len(o, request);
    return max > len ? max - len : 0;
}

/* ---- sending ---- */

static int send_error(struct rf_overlay *o, struct request *request, uint16_t error_code, struct rf_view info)
{
    struct rf_error_body error = {.code = error_code, .info = info};
    struct way way = request_way(request);
    uint64_t transaction_id = request->pub.message->header.transaction_id;
    struct rf_buf body;
    struct rf_view rest;
    rf_buf_init(&body, o->env->mem, 4 + (size_t)UINT16_MAX);
    rf_error_body_encode(&error, &body);
    struct pack pack = {.transaction_id = transaction_id, .code = RF_CODE_ERROR, .body = rf_buf_view(&body)};
    int status = rf_buf_error(&body);
    if (status == 0)
        status = send_pack(o, &pack, &rest);
    rf_buf_deinit(&body);
    if (status != 0)
        return status;
    if (error_code == RF_ERROR_REQUEST_TIMEOUT)
        forget(o, request); /* "try again" must not be what the next try gets from memory */
    else if (request->keep_answer)
        answers_keep(o, transaction_id, &request->pub.signer.node_id, rest);
    if (send_response(o, &way, rest) == 0)
        o->counters->errors_sent++;
    return 0;
}

/* The answer is not sent, an Error takes its place: RF_ELIMIT. */
static int too_large(struct rf_overlay *o, struct request *request)
{
    static const char text[] = "the answer is larger than asked for, or than max-message-size";
    int error = send_error(o, request, RF_ERROR_RESPONSE_TOO_LARGE, rf_view_str(text));
    o->counters->refused_requests++;
    return error != 0 ? error : RF_ELIMIT;
}

static int answer(struct rf_overlay *o, struct request *request, const struct pack *pack)
{
    struct way way = request_way(request);
    struct rf_view rest;
    int error = send_pack(o, pack, &rest);
    if (error == RF_ELIMIT)
        return too_large(o, request);
    if (error != 0)
        return error;
    if (send_response_header_len(o, &way) + rest.len > max_answer_len(o, request))
        return too_large(o, request);
    if (request->keep_answer)
        answers_keep(o, pack->transaction_id, &request->pub.signer.node_id, rest);
    (void)send_response(o, &way, rest); /* counted there; a retransmission gets it again */
    return 0;
}

int rf_overlay_answer_ext(struct rf_overlay *o, struct rf_request *pub, struct rf_view body,
                          struct rf_view extensions, const struct rf_view *certs, size_t cert_count)
{
    struct request *request = request_of(pub);
    const struct rf_message *message = pub->message;
    struct pack pack = {
        message->header.transaction_id, message->code + 1, body, extensions, certs, cert_count};
    bool needed =
        !rf_quiet_of(message->extensions); /* else a duplicate is one that is being answered, for ever */
    int error = needed ? answer(o, request, &pack) : 0;
    if (error != 0 && error != RF_ELIMIT)
        forget(o, request); /* the retransmission is handled anew */
    settle(o, request);
    return error;
}

int rf_overlay_answer(struct rf_overlay *o, struct rf_request *request, struct rf_view body,
                      const struct rf_view *certs, size_t cert_count)
{
    return rf_overlay_answer_ext(o, request, body, rf_view_of(NULL, 0), certs, cert_count);
}

int rf_overlay_refuse(struct rf_overlay *o, struct rf_request *pub, uint16_t error_code, struct rf_view info)
{
    struct request *request = request_of(pub);
    struct way way = request_way(request);
    size_t fixed_len = send_response_header_len(o, &way) + 512; /* of an Error without its info, about */
    if (fixed_len + info.len > max_answer_len(o, request) && info.len > 256)
        info = rf_view_of(NULL, 0);
    int error = send_error(o, request, error_code, info);
    o->counters->refused_requests++;
    if (error != 0)
        forget(o, request);
    settle(o, request);
    return error;
}

int rf_overlay_refuse_text(struct rf_overlay *o, struct rf_request *request, uint16_t error_code,
                           const char *text)
{
    return rf_overlay_refuse(o, request, error_code, rf_view_str(text));
}

void rf_overlay_refuse_malformed(struct rf_overlay *o, struct rf_request *request, int error,
                                 const char *text)
{
    if (error != RF_EUNKNOWN) {
        rf_overlay_refuse_text(o, request, RF_ERROR_INVALID_MESSAGE, text);
        return;
    }
    o->counters->dropped_malformed++;
    rf_overlay_drop(o, request);
}

/* ---- later ---- */

/* Copies lists and contents of `from` and decodes them again in their new place. */
static int copy_message(struct rf_overlay *o, const struct request *from, struct request *to)
{
    const struct rf_header *h = &from->pub.message->header;
    size_t lists_len = h->via.len + h->dests.len + h->options.len;
    struct rf_buf buf;
    to->bytes = rf_alloc(o->env->mem, lists_len + from->rest.len);
    if (to->bytes == NULL)
        return RF_ENOMEM;
    rf_buf_fixed(&buf, to->bytes, lists_len + from->rest.len);
    rf_buf_view_put(&buf, h->via);
    rf_buf_view_put(&buf, h->dests);
    rf_buf_view_put(&buf, h->options);
    rf_buf_view_put(&buf, from->rest);
    to->message.header = *h;
    to->message.header.via = rf_view_of(to->bytes, h->via.len);
    to->message.header.dests = rf_view_of(to->bytes + h->via.len, h->dests.len);
    to->message.header.options = rf_view_of(to->bytes + h->via.len + h->dests.len, h->options.len);
    to->rest = rf_view_of(to->bytes + lists_len, from->rest.len);
    return rf_message_decode_rest(to->rest, &to->message);
}

struct rf_request *rf_overlay_defer(struct rf_overlay *o, struct rf_request *pub)
{
    struct request *from = request_of(pub), *to = NULL;
    RF_ASSERT(!from->settled && !from->deferred);
    if (o->deferred_count < o->config.max_deferred)
        to = rf_zalloc(o->env->mem, sizeof(*to));
    if (to == NULL || copy_message(o, from, to) != 0) {
        if (to != NULL)
            rf_free(o->env->mem, to->bytes);
        rf_free(o->env->mem, to);
        o->counters->refused_overload++;
        (void)rf_overlay_refuse_text(o, pub, RF_ERROR_REQUEST_TIMEOUT, "too many requests are waiting");
        return NULL;
    }
    to->pub = *pub;
    to->pub.message = &to->message;
    to->pub.region = &to->region;
    to->pub.signer.cert = rf_cert_hold(pub->signer.cert);
    rf_region_init(&to->region, o->env->mem, OVERLAY_REGION_LEN(to->rest.len));
    to->deferred = true;
    to->keep_answer = from->keep_answer;
    from->settled = true;
    rf_list_push_back(&o->deferred, &to->list);
    o->deferred_count++;
    return &to->pub;
}

void rf_overlay_drop(struct rf_overlay *o, struct rf_request *pub)
{
    struct request *request = request_of(pub);
    forget(o, request);
    settle(o, request);
}

void requests_deinit(struct rf_overlay *o)
{
    while (!rf_list_empty(&o->deferred))
        deferred_free(o, RF_LIST_ENTRY(o->deferred.next, struct request, list));
}
