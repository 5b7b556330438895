/* relay.c - requests within an answered call, passed from one leg to the other: INFO, UPDATE, MESSAGE, ... and re-INVITE. */
#include "base/error.h"
#include "sip/anchor.h"
#include "sip/call.h"
#include "sip/fork.h"
#include "sip/local.h"

#define RELAYS_MAX 16 /* under way in one call */

struct relay {
    struct rf_list list; /* in call->relays */
    struct leg *from;
    struct sip_strans *st;
    struct sip_msg *msg;
    struct sip_request *req;
};

static void relay_free(struct relay *relay)
{
    rf_list_remove(&relay->list);
    relay->req = mem_deref(relay->req);
    mem_deref(relay->st);
    mem_deref(relay->msg);
    rf_free(relay->from->call->core->mem, relay);
}

static void relay_answer(struct relay *relay, int code, const struct sip_msg *from,
                         const struct content *content)
{
    struct leg *leg = relay->from;
    char contact[AOR_URI_MAX + 80];
    struct core *core = leg->call->core;
    bool refresh = code < 300 && pl_strcmp(&relay->msg->met, "UPDATE") == 0 &&
                   stack_contact(core, &leg->flow, contact, sizeof(contact)) == 0;

    if (leg_can_reply(leg))
        (void)reply_passing(core, stack_of(core, &leg->flow), &relay->st, NULL, relay->msg, code, from,
                            refresh ? contact : NULL, content);
    relay_free(relay);
}

void relays_end(struct call *call)
{
    RF_LIST_EACH_SAFE(&call->relays, it)
    {
        relay_answer(RF_LIST_ENTRY(it, struct relay, list), 481, NULL, NULL);
    }
}

static bool carries_session(const struct pl *method)
{
    return pl_strcmp(method, "UPDATE") == 0;
}

bool relays_offer(const struct call *call)
{
    RF_LIST_EACH(&call->relays, it)
    {
        if (carries_session(&RF_LIST_ENTRY(it, struct relay, list)->msg->met))
            return true;
    }
    return false;
}

/* Between the nodes a restart of ICE is under way, which phones know nothing about: its offer goes first. */
static bool must_wait(const struct leg *leg, const struct leg *other)
{
    bool waits = anchor_restarts(leg) || anchor_restarts(other);
    if (waits)
        COUNT(leg->call->core, media_glare);
    return waits;
}

static void relay_response(int err, const struct sip_msg *msg, void *arg)
{
    struct relay *relay = arg;
    struct leg *other = call_other(relay->from);
    struct passed passed;
    if (err == 0 && msg->scode < 200)
        return;
    if (err != 0 || other == NULL || !carries_session(&relay->msg->met)) {
        relay_answer(relay, err != 0 ? 408 : msg->scode, err != 0 ? NULL : msg, NULL);
        return;
    }
    const struct content content = content_of(msg);
    int code = anchor_pass(other, relay->from, false, &content, &passed);
    if (code == 0)
        relay_answer(relay, msg->scode, msg, &passed.content);
    else
        relay_answer(relay, code, NULL, NULL);
    passed_deinit(&passed);
}

static const char *method_of(const struct sip_msg *msg)
{
    static const char *const passed[] = {"INFO", "UPDATE", "MESSAGE", "OPTIONS", "NOTIFY"};
    for (size_t i = 0; i < RF_COUNT(passed); i++)
        if (pl_strcmp(&msg->met, passed[i]) == 0)
            return passed[i];
    return NULL;
}

static void relay_to_local(struct relay *relay, struct leg *other, const struct request *r)
{
    struct content answer = {0};
    struct passed passed = {0};
    int code = local_request(other, r->method, &r->content, &answer);
    int bad =
        answer.body.len > 0 ? anchor_pass(other, relay->from, r->content.body.len == 0, &answer, &passed) : 0;
    relay_answer(relay, bad != 0 ? bad : code, NULL,
                 bad == 0 && answer.body.len > 0 ? &passed.content : &answer);
    passed_deinit(&passed);
}

static void relay_to_leg(struct relay *relay, struct leg *other, struct request *r)
{
    r->seq = ++other->dialog.local_seq;
    if (dialog_send(other->call->core, &other->dialog, &other->flow, r, &relay->req, relay_response, relay) !=
        0)
        relay_answer(relay, 500, NULL, NULL);
}

void relay_request(struct leg *leg, const struct sip_msg *msg)
{
    struct core *core = leg->call->core;
    struct sip *sip = stack_of(core, &leg->flow);
    struct leg *other = call_other(leg);
    struct request r = {.method = method_of(msg), .passed = msg, .content = content_of(msg)};
    struct relay *relay;
    size_t count = 0;

    RF_LIST_EACH(&leg->call->relays, it)
    {
        count++;
    }
    if (r.method == NULL || count >= RELAYS_MAX) {
        /* REFER and the like would have to mean the other leg's dialog */
        (void)sip_treply(NULL, sip, msg, r.method == NULL ? 501 : 503,
                         r.method == NULL ? "Not Implemented" : "Busy");
        return;
    }
    if (carries_session(&msg->met) && r.content.body.len > 0 && must_wait(leg, other)) {
        (void)sip_treply(NULL, sip, msg, 491, "Request Pending");
        return;
    }
    relay = rf_zalloc(core->mem, sizeof(*relay));
    if (relay == NULL || sip_strans_alloc(&relay->st, sip, msg, NULL, NULL) != 0) {
        rf_free(core->mem, relay);
        msg_refuse(sip, msg, 500);
        return;
    }
    relay->from = leg;
    relay->msg = mem_ref((void *)msg);
    rf_list_push_back(&leg->call->relays, &relay->list);
    if (strcmp(r.method, "UPDATE") == 0) {
        r.contact = true;
        (void)dialog_learn(core, &leg->dialog, msg);
    }
    struct passed passed = {.content = r.content};
    int code = carries_session(&msg->met) ? anchor_pass(leg, other, true, &r.content, &passed) : 0;
    r.content = passed.content;
    if (code != 0)
        relay_answer(relay, code, NULL, NULL);
    else if (other->kind == LEG_LOCAL)
        relay_to_local(relay, other, &r);
    else
        relay_to_leg(relay, other, &r);
    passed_deinit(&passed);
}

/* ---- re-INVITE: a relay whose transactions are the legs' own ---- */

static void reinvite_response(int err, const struct sip_msg *msg, void *arg)
{
    struct leg *to = arg, *from = call_other(to);
    struct core *core = to->call->core;

    if (from == NULL || from->st == NULL) {
        if (err == 0 && msg->scode >= 200 && msg->scode < 300) {
            to->ack = (struct acknowledged){.due = true, .seq = to->req_seq};
            leg_ack(to, NULL);
        }
        return;
    }
    if (err == 0 && msg->scode < 200) {
        const struct content none = {0};
        bool anchored = from->anchor != NULL || to->anchor != NULL; /* its SDP waits for the 2xx */
        if (msg->scode > 100)
            (void)reply_passing(core, stack_of(core, &from->flow), &from->st, NULL, from->msg, msg->scode,
                                msg, NULL, anchored ? &none : NULL);
        return;
    }
    if (err != 0 || msg->scode >= 300) {
        int code = err != 0 ? 408 : msg->scode;
        (void)reply_passing(core, stack_of(core, &from->flow), &from->st, NULL, from->msg, code,
                            err != 0 ? NULL : msg, NULL, NULL);
        if (code == 481 || code == 408) /* that dialog is gone (RFC 3261, 12.2.1.2) */
            call_end(to->call, NULL, code, "the other side is gone");
        return;
    }
    (void)dialog_learn(core, &to->dialog, msg);
    rf_free(core->mem, to->ack.type);
    rf_free(core->mem, to->ack.body);
    to->ack = (struct acknowledged){.due = true, .seq = to->req_seq};
    const struct content content = content_of(msg), offered = content_of(from->msg);
    struct passed passed;
    int code = anchor_pass(to, from, offered.body.len == 0, &content, &passed);
    if (code == 0)
        leg_accept(from, msg, &passed.content);
    else
        call_end(to->call, NULL, code, "no common media");
    passed_deinit(&passed);
}

static void reinvite_cancelled(void *arg)
{
    struct leg *other = call_other(arg);
    if (other != NULL && other->req != NULL)
        sip_request_cancel(other->req); /* its 487 comes back through reinvite_response */
}

/* 0, or the code to refuse it with. */
static int reinvite_local(struct leg *leg, struct leg *other, const struct content *offer)
{
    struct content answer = {0};
    struct passed passed;
    int code = local_request(other, "INVITE", offer, &answer);
    if (code >= 300)
        return code;
    code = anchor_pass(other, leg, offer->body.len == 0, &answer, &passed);
    if (code == 0)
        leg_accept(leg, NULL, &passed.content);
    passed_deinit(&passed);
    return code;
}

void relay_reinvite(struct leg *leg, const struct sip_msg *msg)
{
    struct core *core = leg->call->core;
    struct sip *sip = stack_of(core, &leg->flow);
    struct leg *other = call_other(leg);
    struct request r = {.method = "INVITE", .passed = msg, .content = content_of(msg), .contact = true};

    if (leg->st != NULL || leg->ok.mb != NULL || leg->req != NULL || other->st != NULL ||
        other->req != NULL || other->ok.mb != NULL || must_wait(leg, other)) {
        (void)sip_treply(NULL, sip, msg, 491, "Request Pending");
        return;
    }
    if (sip_strans_alloc(&leg->st, sip, msg, reinvite_cancelled, leg) != 0) {
        msg_refuse(sip, msg, 500);
        return;
    }
    leg->call->offer = (struct content){0}; /* was borrowed from the first INVITE */
    mem_deref(leg->msg);
    leg->msg = mem_ref((void *)msg);
    (void)sip_treply(&leg->st, sip, msg, 100, "Trying");
    (void)dialog_learn(core, &leg->dialog, msg);
    struct passed passed;
    int code = anchor_pass(leg, other, true, &r.content, &passed);
    r.content = passed.content;
    r.seq = other->req_seq = ++other->dialog.local_seq;
    if (code == 0 && other->kind == LEG_LOCAL)
        code = reinvite_local(leg, other, &r.content);
    else if (code == 0 &&
             dialog_send(core, &other->dialog, &other->flow, &r, &other->req, reinvite_response, other) != 0)
        code = 500;
    passed_deinit(&passed);
    if (code != 0 && leg->st != NULL)
        (void)sip_treply(&leg->st, sip, msg, (uint16_t)code, fork_reason(code));
}
