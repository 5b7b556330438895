/*
 * config.c - configuration sequence numbers (1.6) and ConfigUpdate (3.14).
 *
 * Whoever meets an older document pushes its own: so one new document floods the overlay. A push goes back the way the request came,
 * since a node that is still joining cannot be reached otherwise.
 */
#include "overlay/internal.h"
#include "wire/method.h"

#define PUSH_AGAIN_US (10 * RF_US_PER_S) /* not earlier to the same node */
#define MAX_PUSHES    256                /* under way */

/* ---- out ---- */

struct push {
    struct rf_overlay *overlay;
    struct rf_id node;
};

static void pushed(void *arg, const struct rf_reply *reply)
{
    struct push push = *(struct push *)arg;
    struct rf_overlay *o = push.overlay;
    rf_free(o->env->mem, arg);
    o->push_count--;
    if (reply->error == 0)
        calls_exchanged(o, &push.node);
    else if (reply->error == RF_EREMOTE)
        overlay_log(o, WARN, "our configuration document was refused: %s",
                    rf_error_code_name(reply->error_code));
}

/* true: that was sent to it a moment ago, or there is no memory to remember it. Notes it otherwise. */
static bool pushed_lately(struct rf_overlay *o, enum rf_config_update_type type, const struct rf_id *node)
{
    uint16_t sequence = o->config.conf->sequence;
    if (o->pushes == NULL)
        o->pushes = rf_zalloc(o->env->mem, CONFIG_PUSHES * sizeof(*o->pushes));
    if (o->pushes == NULL)
        return true;
    for (size_t i = 0; i < CONFIG_PUSHES; i++) {
        const struct config_push *p = &o->pushes[i];
        if (rf_id_equal(&p->node, node) && p->type == type && p->sequence == sequence &&
            overlay_now(o) - p->at_us < PUSH_AGAIN_US)
            return true;
    }
    o->pushes[o->push_next] = (struct config_push){*node, (uint8_t)type, sequence, overlay_now(o)};
    o->push_next = (o->push_next + 1) % CONFIG_PUSHES;
    return false;
}

static int push_call(struct rf_overlay *o, struct rf_view body, const struct rf_id *node,
                     struct rf_view dests, uint64_t link)
{
    struct push *push = rf_alloc(o->env->mem, sizeof(*push));
    if (push == NULL)
        return RF_ENOMEM;
    *push = (struct push){o, *node};
    struct rf_call call = {
        .code = RF_CODE_CONFIG_UPDATE_REQ,
        .body = body,
        .link = link,
        .config_sequence_any = true,
        .done = pushed,
        .arg = push,
    };
    rf_call_to_node(&call, node);
    int error = calls_start(o, &call, dests, true, NULL);
    if (error != 0)
        rf_free(o->env->mem, push);
    return error;
}

void overlay_config_push(struct rf_overlay *o, enum rf_config_update_type type, const struct rf_id *node,
                         struct rf_view dests, uint64_t link)
{
    const struct rf_conf *conf = o->config.conf;
    struct rf_config_update update = {.type = (uint8_t)type,
                                      .config = conf->xml,
                                      .kinds = conf->kind_blocks,
                                      .kind_count = conf->kind_block_count};
    struct rf_buf body;
    if (o->push_count >= MAX_PUSHES || rf_id_equal(node, &o->self) || pushed_lately(o, type, node)) {
        o->counters->config_updates_limited++;
        return;
    }
    rf_buf_init(&body, o->env->mem, conf->max_message_size);
    rf_config_update_encode(&update, &body);
    int error = rf_buf_error(&body);
    if (error == 0)
        error = push_call(o, rf_buf_view(&body), node, dests, link);
    rf_buf_deinit(&body);
    if (error == 0) {
        o->push_count++;
        o->counters->config_updates_sent++;
        return;
    }
    o->counters->config_updates_limited++;
    if (error == RF_ELIMIT)
        overlay_log(o, WARN,
                    "the configuration document does not fit into a message: others must fetch it by HTTPS");
}

bool overlay_config_check(struct rf_overlay *o, struct request *request)
{
    const struct rf_message *message = request->pub.message;
    uint16_t theirs = message->header.config_sequence, ours = o->config.conf->sequence;
    bool update = theirs == RF_CONFIG_SEQUENCE_ANY && message->code == RF_CODE_CONFIG_UPDATE_REQ;
    /* what we sent to ourselves may be older than our document by now */
    if (theirs == ours || update || request->pub.link == 0)
        return true;
    if (rf_conf_sequence_newer(theirs, ours)) {
        rf_overlay_refuse_text(o, &request->pub, RF_ERROR_CONFIG_TOO_NEW,
                               "my configuration document is older");
        return false;
    }
    struct way way = request_way(request);
    struct rf_id node = request->pub.signer.node_id;
    struct rf_buf dests;
    rf_buf_init(&dests, o->env->mem, UINT16_MAX);
    send_way_put(o, &way, &dests);
    uint64_t link = request->pub.link;
    rf_overlay_refuse_text(o, &request->pub, RF_ERROR_CONFIG_TOO_OLD,
                           "a newer configuration document is coming");
    if (rf_buf_error(&dests) == 0)
        overlay_config_push(o, RF_CONFIG_UPDATE_CONFIG, &node, rf_buf_view(&dests), link);
    rf_buf_deinit(&dests);
    return false;
}

/* ---- in ---- */

static void refuse(struct rf_overlay *o, struct rf_request *request, int error, const char *text)
{
    bool format =
        error == RF_EFORMAT || error == RF_ELIMIT || error == RF_EUNSUPPORTED || error == RF_ENOTFOUND;
    o->counters->config_updates_refused++;
    overlay_log(o, WARN, "a ConfigUpdate is refused: %s%s%s", rf_error_text(error),
                text[0] != '\0' ? ": " : "", text);
    rf_overlay_refuse_text(o, request, format ? RF_ERROR_INVALID_MESSAGE : RF_ERROR_FORBIDDEN,
                           text[0] != '\0' ? text : rf_error_text(error));
}

/* Answered first: what comes of the new document may take the link, or us, out of the overlay. */
static void accept_conf(struct rf_overlay *o, struct rf_request *request, struct rf_conf *next)
{
    o->counters->config_updates_accepted++;
    (void)rf_overlay_answer(o, request, rf_view_of(NULL, 0), NULL, 0);
    if (o->host.configured != NULL)
        o->host.configured(o->host.ctx, next);
}

/* What is new here is dear: XML, and signatures in it. A link may bring a bit of that each second. */
static bool too_many(struct rf_overlay *o, struct rf_request *request)
{
    struct conn *conn = conns_find(o, request->link);
    if (conn == NULL ||
        bucket_take(&conn->documents, overlay_now(o), OVERLAY_DOCUMENTS_PER_S, 4 * OVERLAY_DOCUMENTS_PER_S))
        return false;
    o->counters->refused_overload++;
    rf_overlay_refuse_text(o, request, RF_ERROR_REQUEST_TIMEOUT, "too many documents: try again later");
    return true;
}

static void take_document(struct rf_overlay *o, struct rf_request *request, struct rf_view xml)
{
    const struct rf_conf *conf = o->config.conf;
    struct rf_conf *next = NULL;
    char text[160] = "";
    if (rf_view_equal(xml, conf->xml)) {
        (void)rf_overlay_answer(o, request, rf_view_of(NULL, 0), NULL, 0);
        return;
    }
    if (too_many(o, request))
        return;
    /* one that we cannot meet is examined, too: if it is genuine, we leave */
    int error = rf_conf_examine(o->config.crypto, o->env->mem, xml, conf->overlay, &next, text, sizeof(text));
    bool newer = error == 0 && rf_conf_sequence_newer(next->sequence, conf->sequence);
    if (error == 0 && newer)
        error = rf_conf_verify(conf, next, o->config.trust, o->env->now->wall_ms);
    if (error != 0)
        refuse(o, request, error, text);
    else if (newer)
        accept_conf(o, request, next);
    else /* we have it, or a later one */
        (void)rf_overlay_answer(o, request, rf_view_of(NULL, 0), NULL, 0);
    rf_conf_release(next);
}

static bool has_blocks(const struct rf_conf *conf, const struct rf_config_update *update)
{
    for (size_t i = 0; i < update->kind_count; i++) {
        size_t k = 0;
        while (k < conf->kind_block_count && !rf_view_equal(conf->kind_blocks[k], update->kinds[i]))
            k++;
        if (k == conf->kind_block_count)
            return false;
    }
    return true;
}

static void take_kinds(struct rf_overlay *o, struct rf_request *request,
                       const struct rf_config_update *update)
{
    struct rf_conf *next = NULL;
    char text[160] = "";
    if (has_blocks(o->config.conf, update)) {
        (void)rf_overlay_answer(o, request, rf_view_of(NULL, 0), NULL, 0);
        return;
    }
    if (too_many(o, request))
        return;
    int error = rf_conf_with_kinds(o->config.conf, o->config.crypto, o->config.trust, o->env->now->wall_ms,
                                   update->kinds, update->kind_count, &next, text, sizeof(text));
    if (error != 0)
        refuse(o, request, error, text);
    else
        accept_conf(o, request, next);
    rf_conf_release(next);
}

static void on_config_update(void *arg, struct rf_request *request)
{
    struct rf_overlay *o = arg;
    struct rf_config_update update;
    int error = rf_config_update_decode(request->message->body, request->region, &update);
    if (error != 0)
        rf_overlay_refuse_malformed(o, request, error, "malformed ConfigUpdate");
    else if (update.type == RF_CONFIG_UPDATE_CONFIG)
        take_document(o, request, update.config);
    else
        take_kinds(o, request, &update);
}

int overlay_config_init(struct rf_overlay *o)
{
    return rf_overlay_handle(o, RF_CODE_CONFIG_UPDATE_REQ, on_config_update, o);
}
