/* text.c - instant texts, both ways. */
#include "sip/text.h"
#include "base/error.h"
#include "sip/bridge.h"
#include "sip/dialog.h"
#include "sip/find.h"
#include "sip/fork.h"
#include "sip/registrar.h"
#include "sip/side.h"

#define TEXT_COUNT_MS  3000  /* so long the other devices of a command's text may take when one has it */
#define TEXT_ANSWER_MS 20000 /* an answer goes back before the sender's transaction ends (32 s) */
#define TEXT_REST_MS   20000 /* so long devices that had not answered by then may go on */

struct send {
    struct rf_list list; /* in text->sends */
    struct text *text;
    struct dialog dialog; /* gives identifiers; a MESSAGE makes no dialog */
    struct sip_request *req;
};

/* ---- life ---- */

void text_reap(void *arg)
{
    struct text *t = arg;
    struct core *core = t->core;

    find_stop(core, t->find);
    RF_LIST_EACH_SAFE(&t->sends, it)
    {
        struct send *s = RF_LIST_ENTRY(it, struct send, list);
        rf_list_remove(&s->list);
        s->req = mem_deref(s->req);
        dialog_deinit(core, &s->dialog);
        rf_free(core->mem, s);
    }
    tmr_cancel(&t->limit);
    tmr_cancel(&t->reap);
    mem_deref(t->st);
    mem_deref(t->msg);
    rf_free(core->mem, t->type);
    rf_free(core->mem, t->body);
    rf_list_remove(&t->list);
    core->text_count--;
    rf_free(core->mem, t);
}

static void finish(struct text *t, int code)
{
    struct flow flow;
    if (t->done)
        return;
    t->done = true;
    bool can_reply = t->st != NULL && (!t->flow.overlay || bridge_ready(t->core, t->flow.conn, &flow) == 0);
    if (can_reply)
        (void)sip_treply(&t->st, stack_of(t->core, &t->flow), t->msg, (uint16_t)code, fork_reason(code));
    if (t->control != 0)
        side_text_done(t->core, t->control, code, t->delivered, t->kept, t->devices);
    tmr_cancel(&t->limit);
    /* the sender knows that one has it; the others are to have it as well */
    t->rest = t->delivered > 0 && t->expected > 0 && !t->core->closing;
    tmr_start(&t->reap, t->rest ? TEXT_REST_MS : 1, text_reap, t);
}

static void too_late(void *arg)
{
    struct text *t = arg;
    finish(t, t->delivered > 0 ? 200 : t->kept > 0 ? 202 : 408);
}

static void check(struct text *t)
{
    if (t->done) {
        if (t->expected == 0)
            tmr_start(&t->reap, 1, text_reap, t);
        return;
    }
    if (t->expected > 0) {
        if (t->delivered > 0 && t->control == 0)
            finish(t, 200); /* one has it: the sender need not wait for the others, which go on */
        else if (t->delivered > 0 && !t->hurry) {
            t->hurry = true; /* a command counts the devices, but not for long */
            tmr_start(&t->limit, TEXT_COUNT_MS, too_late, t);
        }
        return;
    }
    if (t->delivered > 0 || (t->kept > 0 && !t->incoming)) {
        finish(t, t->delivered > 0 ? 200 : 202);
    } else if (t->kept > 0) {
        finish(t, 202);
    } else if (t->incoming && !t->asked_to_keep && t->body != NULL) {
        t->asked_to_keep = true;
        t->expected++;
        side_text_keep(t->core, t->token, t->peer, &t->flow.node, t->body, t->body_len);
    } else {
        if (t->incoming)
            COUNT(t->core, texts_limited);
        finish(t, fork_final(t->best));
    }
}

static struct text *text_new(struct core *core, const char *peer, bool incoming)
{
    struct text *t = NULL;
    if (core->text_count < TEXTS_MAX && !core->closing)
        t = rf_zalloc(core->mem, sizeof(*t));
    if (t == NULL) {
        COUNT(core, texts_limited);
        return NULL;
    }
    t->core = core;
    t->token = ++core->next_token;
    t->incoming = incoming;
    size_t len = strlen(peer);
    memcpy(t->peer, peer, len < AOR_MAX ? len : AOR_MAX - 1);
    rf_list_init(&t->sends);
    tmr_init(&t->limit);
    tmr_init(&t->reap);
    rf_list_push_back(&core->texts, &t->list);
    core->text_count++;
    tmr_start(&t->limit, TEXT_ANSWER_MS, too_late, t);
    return t;
}

static int set_body(struct text *t, struct rf_view type, struct rf_view body)
{
    t->type = rf_zalloc(t->core->mem, type.len + 1);
    t->body = rf_zalloc(t->core->mem, body.len + 1);
    if (t->type == NULL || t->body == NULL)
        return RF_ENOMEM;
    memcpy(t->type, type.p, type.len);
    if (body.len > 0)
        memcpy(t->body, body.p, body.len);
    t->body_len = body.len;
    return 0;
}

/* The text that a MESSAGE asks for; refused already when NULL. */
static struct text *text_of_message(struct core *core, const struct sip_msg *msg, const struct flow *flow,
                                    const char *peer, bool incoming)
{
    struct sip *sip = stack_of(core, flow);
    struct content content = content_of(msg);
    struct text *t;
    int code = 0;

    if (content.body.len > TEXT_MAX_LEN)
        code = 413;
    else if (content.body.len > 0 && content.type.len == 0)
        code = 400;
    else if (msg_max_forwards(msg) < 0)
        code = 483;
    if (code != 0) {
        msg_refuse(sip, msg, code);
        return NULL;
    }
    if (extension_refused(sip, msg))
        return NULL;
    t = text_new(core, peer, incoming);
    if (t != NULL && set_body(t, content.type, content.body) == 0 &&
        sip_strans_alloc(&t->st, sip, msg, NULL, NULL) == 0) {
        t->msg = mem_ref((void *)msg);
        t->flow = *flow;
        return t;
    }
    (void)sip_treply(NULL, sip, msg, 503, "Service Unavailable");
    if (t != NULL) {
        t->done = true;
        tmr_start(&t->reap, 1, text_reap, t);
    }
    return NULL;
}

/* ---- one MESSAGE of ours ---- */

static void on_response(int err, const struct sip_msg *msg, void *arg)
{
    struct send *s = arg;
    struct text *t = s->text;

    if (err == 0 && msg->scode < 200)
        return;
    int code = err != 0 ? 408 : msg->scode;
    if (code == 202)
        t->kept++;
    else if (code < 300)
        t->delivered++;
    else
        t->best = fork_better(t->best, code);
    t->expected--;
    check(t);
}

static void send_to(struct text *t, const struct flow *flow, const char *local, const char *remote,
                    const char *target)
{
    struct core *core = t->core;
    struct request r = {.method = "MESSAGE", .seq = 1};
    struct send *s = rf_zalloc(core->mem, sizeof(*s));

    if (s == NULL)
        return;
    s->text = t;
    if (dialog_out(core, &s->dialog, local, remote, target) != 0) {
        rf_free(core->mem, s);
        return;
    }
    rf_list_push_back(&t->sends, &s->list);
    r.passed = t->msg;
    r.content = (struct content){rf_view_str(t->type), rf_view_of(t->body, t->body_len)};
    t->expected++;
    if (dialog_send(core, &s->dialog, flow, &r, &s->req, on_response, s) != 0) {
        t->expected--;
        t->best = fork_better(t->best, 480);
    }
}

/* ---- outgoing ---- */

static void on_found(void *arg, int code, size_t count)
{
    struct text *t = arg;
    t->expected--; /* the lookup */
    t->expected += count;
    t->devices = count;
    t->best = code;
    if (code != 0)
        check(t);
}

static void on_device(void *arg, const struct device *device, int error, const struct flow *flow)
{
    struct text *t = arg;
    char dialled[AOR_URI_MAX], target[AOR_URI_MAX];

    if (!t->done || t->rest) {
        if (device->self) {
            t->devices--; /* texts to oneself are for the other devices */
        } else if (error != 0) {
            t->best = fork_better(t->best, 480);
        } else {
            aor_to_uri(t->peer, flow->sips, dialled);
            aor_to_uri(device->aor, flow->sips, target);
            send_to(t, flow, stack_own_uri(t->core, flow), dialled, target);
        }
    }
    t->expected--;
    check(t);
}

static int seek(struct text *t)
{
    const struct find_handler handler = {on_found, on_device, t};
    COUNT(t->core, texts_out);
    t->expected = 1;
    return find_start(t->core, t->peer, &handler, &t->find);
}

void text_from_phone(struct core *core, const struct sip_msg *msg)
{
    char aor[AOR_MAX];
    struct flow flow = flow_of_phone(msg);
    struct pl domain;
    struct text *t;

    pl_set_str(&domain, core->domain);
    if (!stack_is_host(core, msg, &msg->uri.host) ||
        aor_from_uri(view_of_pl(&msg->uri.user), view_of_pl(&domain), aor) != 0) {
        (void)sip_treply(NULL, core->phones, msg, 404, "Not In This Overlay Yet");
        return;
    }
    t = text_of_message(core, msg, &flow, aor, false);
    if (t != NULL && seek(t) != 0)
        finish(t, 500);
}

int text_place(struct core *core, const char *aor, struct rf_view text, uint64_t token)
{
    struct text *t = text.len <= TEXT_MAX_LEN ? text_new(core, aor, false) : NULL;
    if (t == NULL)
        return RF_ELIMIT;
    if (set_body(t, rf_view_str("text/plain;charset=utf-8"), text) != 0 || seek(t) != 0) {
        t->done = true;
        tmr_start(&t->reap, 1, text_reap, t);
        return RF_ENOMEM;
    }
    t->control = token;
    return 0;
}

/* ---- incoming ---- */

static void send_to_phone(void *arg, const struct binding *b)
{
    struct text *t = arg;
    char remote[AOR_URI_MAX];
    aor_to_uri(t->peer, false, remote);
    send_to(t, &b->flow, remote, t->core->uri, b->contact);
}

void text_from_overlay(struct core *core, const struct sip_msg *msg, const struct flow *flow,
                       const char *from)
{
    struct text *t = text_of_message(core, msg, flow, from, true);
    if (t == NULL)
        return;
    COUNT(core, texts_in);
    t->expected = 1; /* the question */
    registrar_each(core, send_to_phone, t);
    side_text_show(core, t->token, t->peer, &flow->node, t->body, t->body_len);
}

void text_heard(struct core *core, uint64_t token, size_t listeners, bool kept)
{
    RF_LIST_EACH(&core->texts, it)
    {
        struct text *t = RF_LIST_ENTRY(it, struct text, list);
        if (t->token != token)
            continue;
        t->delivered += listeners > 0;
        t->kept += kept;
        if (kept)
            COUNT(core, texts_kept);
        t->expected -= t->expected > 0;
        check(t);
        return;
    }
}

void texts_end_all(struct core *core)
{
    RF_LIST_EACH_SAFE(&core->texts, it)
    {
        struct text *t = RF_LIST_ENTRY(it, struct text, list);
        finish(t, 503);
        tmr_start(&t->reap, 1, text_reap, t);
    }
}
