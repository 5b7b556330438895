/* relay.c - requests within an answered call, passed from one leg to the other: INFO, UPDATE, MESSAGE, ... and re-INVITE. */
#include "base/error.h"
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

static void relay_response(int err, const struct sip_msg *msg, void *arg)
{
    struct relay *relay = arg;
    if (err == 0 && msg->scode < 200)
        return;
    relay_answer(relay, err != 0 ? 408 : msg->scode, err != 0 ? NULL : msg, NULL);
}

static const char *method_of(const struct sip_msg *msg)
{
    static const char *const passed[] = {"INFO", "UPDATE", "MESSAGE", "OPTIONS", "NOTIFY"};
    for (size_t i = 0; i < RF_COUNT(passed); i++)
        if (pl_strcmp(&msg->met, passed[i]) == 0)
            return passed[i];
    return NULL;
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
    if (other->kind == LEG_LOCAL) {
        struct content answer = {0};
        int code = local_request(other, r.method, &r.content, &answer);
        relay_answer(relay, code, NULL, &answer);
        return;
    }
    r.seq = ++other->dialog.local_seq;
    if (dialog_send(core, &other->dialog, &other->flow, &r, &relay->req, relay_response, relay) != 0)
        relay_answer(relay, 500, NULL, NULL);
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
        if (msg->scode > 100)
            (void)reply_passing(core, stack_of(core, &from->flow), &from->st, NULL, from->msg, msg->scode,
                                msg, NULL, NULL);
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
    leg_accept(from, msg, NULL);
}

static void reinvite_cancelled(void *arg)
{
    struct leg *other = call_other(arg);
    if (other != NULL && other->req != NULL)
        sip_request_cancel(other->req); /* its 487 comes back through reinvite_response */
}

void relay_reinvite(struct leg *leg, const struct sip_msg *msg)
{
    struct core *core = leg->call->core;
    struct sip *sip = stack_of(core, &leg->flow);
    struct leg *other = call_other(leg);
    struct request r = {.method = "INVITE", .passed = msg, .content = content_of(msg), .contact = true};

    if (leg->st != NULL || leg->ok.mb != NULL || leg->req != NULL || other->st != NULL ||
        other->req != NULL || other->ok.mb != NULL) {
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
    if (other->kind == LEG_LOCAL) {
        struct content answer = {0};
        int code = local_request(other, "INVITE", &r.content, &answer);
        if (code < 300)
            leg_accept(leg, NULL, &answer);
        else if (leg->st != NULL)
            (void)sip_treply(&leg->st, sip, msg, (uint16_t)code, fork_reason(code));
        return;
    }
    r.seq = other->req_seq = ++other->dialog.local_seq;
    if (dialog_send(core, &other->dialog, &other->flow, &r, &other->req, reinvite_response, other) != 0 &&
        leg->st != NULL)
        (void)sip_treply(&leg->st, sip, msg, 500, "Server Internal Error");
}
