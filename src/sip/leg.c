/* leg.c - one SIP leg of a call: its INVITE, its answer, ACK, BYE, and the loss of its connection. */
#include "base/error.h"
#include "sip/anchor.h"
#include "sip/bridge.h"
#include "sip/call.h"
#include "sip/fork.h"
#include "sip/local.h"

#define T1_MS 500
#define T2_MS 4000

static void stop_accepted(struct leg *leg)
{
    tmr_cancel(&leg->ok.again);
    tmr_cancel(&leg->ok.give_up);
    leg->ok.mb = mem_deref(leg->ok.mb);
    leg->ok.msg = mem_deref(leg->ok.msg);
}

static void forget_ack(struct leg *leg)
{
    struct rf_mem *mem = leg->call->core->mem;
    rf_free(mem, leg->ack.type);
    rf_free(mem, leg->ack.body);
    leg->ack = (struct acknowledged){0};
}

void leg_deinit(struct leg *leg)
{
    struct core *core = leg->call->core;
    if (leg->mapped)
        rf_map_remove(&core->legs, &leg->node);
    anchor_free(leg);
    stop_accepted(leg);
    forget_ack(leg);
    leg->req = mem_deref(leg->req);
    leg->st = mem_deref(leg->st);
    leg->msg = mem_deref(leg->msg);
    find_stop(core, leg->find);
    if (leg->local != NULL)
        local_free(leg);
    dialog_deinit(core, &leg->dialog);
}

int leg_map(struct leg *leg)
{
    int error = rf_map_insert(&leg->call->core->legs, &leg->node);
    leg->mapped = error == 0;
    return error;
}

struct leg *leg_by_tag(struct core *core, const struct pl *tag)
{
    struct rf_map_node *node = pl_isset(tag) ? rf_map_find(&core->legs, view_of_pl(tag)) : NULL;
    return node != NULL ? RF_CONTAINER(node, struct leg, node) : NULL;
}

/* ---- a leg that we call ---- */

static void invite_response(int err, const struct sip_msg *msg, void *arg)
{
    struct leg *leg = arg;
    struct call *call = leg->call;

    if (err != 0 || msg == NULL) {
        call_failed(leg, err == ETIMEDOUT ? 408 : 480, NULL);
        return;
    }
    if (msg->scode < 200) {
        if (leg->state == LEG_CANCELLING || msg->scode == 100)
            return;
        if (dialog_learn(call->core, &leg->dialog, msg) != 0)
            return;
        leg->state = LEG_RINGING;
        call_progress(leg, msg->scode, msg);
        return;
    }
    if (msg->scode >= 300) {
        call_failed(leg, msg->scode, msg);
        return;
    }
    leg->ack.due = true;
    leg->ack.seq = leg->req_seq;
    if (dialog_learn(call->core, &leg->dialog, msg) != 0) {
        call_failed(leg, 500, NULL);
        return;
    }
    struct content content = content_of(msg);
    call_answered(leg, msg, &content);
}

static void send_invite(struct leg *leg)
{
    struct call *call = leg->call;
    struct request invite = {.method = "INVITE", .contact = true};
    struct passed passed;

    if (leg->state != LEG_CALLING || leg->req != NULL || call->state == CALL_ENDED || call->b != NULL)
        return; /* its end came while its half of the media was gathered */
    int code = anchor_pass(call->a, leg, true, &call->offer, &passed);
    invite.content = passed.content;
    invite.passed = call->a->msg;
    invite.seq = leg->req_seq = ++leg->dialog.local_seq;
    if (code == 0 &&
        dialog_send(call->core, &leg->dialog, &leg->flow, &invite, &leg->req, invite_response, leg) != 0)
        code = 480;
    passed_deinit(&passed);
    if (code != 0)
        call_failed(leg, code, NULL);
}

void leg_invite(struct leg *leg)
{
    struct call *call = leg->call;
    leg->state = LEG_CALLING;
    if (leg->kind != LEG_OVERLAY || !anchor_wants(call->core, call->offer.body, false)) {
        send_invite(leg);
        return;
    }
    int error = anchor_new(leg, call->offer.body, send_invite);
    if (error != 0)
        call_failed(leg, error == RF_EFORMAT || error == RF_EUNSUPPORTED ? 488 : 500, NULL);
}

void leg_cancel(struct leg *leg)
{
    if (leg->state == LEG_NEW || leg->req == NULL) {
        leg->state = LEG_DONE;
        call_legs_changed(leg->call);
    } else if (leg->state == LEG_CALLING || leg->state == LEG_RINGING) {
        leg->state = LEG_CANCELLING; /* until its final response: it may still be a 200 */
        sip_request_cancel(leg->req);
    }
}

/* ---- the caller's leg ---- */

void leg_reject(struct leg *leg, int code, const struct sip_msg *from)
{
    if (leg->st != NULL)
        (void)reply_passing(leg->call->core, stack_of(leg->call->core, &leg->flow), &leg->st, NULL, leg->msg,
                            code, from, NULL, NULL);
    leg->state = LEG_DONE;
}

/* Replies go out on what their request came in by; libre would make a new connection to a port of the peer's choice when that is gone. */
bool leg_can_reply(const struct leg *leg)
{
    struct flow flow;
    return !leg->flow.overlay || bridge_ready(leg->call->core, leg->flow.conn, &flow) == 0;
}

static void send_again(void *arg)
{
    struct leg *leg = arg;
    struct core *core = leg->call->core;

    if (leg_can_reply(leg))
        (void)sip_send(stack_of(core, &leg->flow), leg->ok.msg->sock, leg->ok.msg->tp, &leg->ok.dst,
                       leg->ok.mb);
    leg->ok.delay_ms = leg->ok.delay_ms * 2 < T2_MS ? leg->ok.delay_ms * 2 : T2_MS;
    tmr_start(&leg->ok.again, leg->ok.delay_ms, send_again, leg);
}

static void give_up(void *arg)
{
    struct leg *leg = arg;
    stop_accepted(leg);
    call_end(leg->call, NULL, 408, "the other side did not confirm");
}

void leg_accept(struct leg *leg, const struct sip_msg *from, const struct content *content)
{
    struct core *core = leg->call->core;
    char contact[AOR_URI_MAX + 80];
    struct pl rport;

    stop_accepted(leg);
    leg->state = LEG_UP;
    if (leg->st == NULL || !leg_can_reply(leg) ||
        stack_contact(core, &leg->flow, contact, sizeof(contact)) != 0 ||
        reply_passing(core, stack_of(core, &leg->flow), &leg->st, &leg->ok.mb, leg->msg, 200, from, contact,
                      content) != 0) {
        call_end(leg->call, NULL, 500, "the answer could not be sent");
        return;
    }
    leg->ok.msg = mem_ref(leg->msg);
    leg->ok.seq = leg->msg->cseq.num;
    sip_reply_addr(&leg->ok.dst, leg->msg, msg_param_exists(&leg->msg->via.params, "rport", &rport) == 0);
    leg->ok.delay_ms = T1_MS;
    tmr_start(&leg->ok.again, T1_MS, send_again, leg);
    tmr_start(&leg->ok.give_up, 64 * T1_MS, give_up, leg);
}

/* ---- ACK and BYE ---- */

static void send_ack(struct leg *leg)
{
    struct request ack = {.method = "ACK", .seq = leg->ack.seq};
    if (leg->ack.body != NULL) {
        ack.content.body = rf_view_of(leg->ack.body, leg->ack.body_len);
        ack.content.type = rf_view_str(leg->ack.type);
    }
    (void)dialog_send(leg->call->core, &leg->dialog, &leg->flow, &ack, NULL, NULL, NULL);
}

void leg_ack(struct leg *leg, const struct content *content)
{
    struct rf_mem *mem = leg->call->core->mem;
    if (!leg->ack.due || leg->ack.sent)
        return;
    leg->ack.sent = true;
    if (content != NULL && content->body.len > 0 && content->type.len > 0) {
        leg->ack.type = rf_zalloc(mem, content->type.len + 1);
        leg->ack.body = rf_memdup(mem, content->body.p, content->body.len);
        leg->ack.body_len = content->body.len;
        if (leg->ack.type != NULL)
            memcpy(leg->ack.type, content->type.p, content->type.len);
        else
            leg->ack.body_len = 0;
    }
    send_ack(leg);
}

void leg_bye(struct leg *leg)
{
    struct core *core = leg->call->core;

    if (leg->find != NULL) { /* no connection right now: as soon as there is one */
        leg->bye_due = true;
        leg->state = LEG_CANCELLING;
        return;
    }
    leg_ack(leg, NULL);
    if (leg->st != NULL)
        (void)sip_treply(&leg->st, stack_of(core, &leg->flow), leg->msg, 487, "Request Terminated");
    leg->req = mem_deref(leg->req);
    stop_accepted(leg);
    leg->state = LEG_DONE;
    dialog_bye(core, &leg->dialog, &leg->flow);
    call_legs_changed(leg->call);
}

void leg_stray_response(struct leg *leg, const struct sip_msg *msg)
{
    bool again = msg->scode >= 200 && msg->scode < 300 && pl_strcmp(&msg->cseq.met, "INVITE") == 0 &&
                 leg->ack.sent && msg->cseq.num == leg->ack.seq && leg->dialog.remote_tag != NULL &&
                 pl_strcmp(&msg->to.tag, leg->dialog.remote_tag) == 0;
    if (again)
        send_ack(leg); /* a 2xx is repeated until its ACK arrives (RFC 3261, 13.2.2.4) */
    else
        COUNT(leg->call->core, unexpected_responses);
}

/* ---- requests inside the dialog ---- */

static void on_ack(struct leg *leg, const struct sip_msg *msg)
{
    struct leg *other = call_other(leg);
    struct content content = content_of(msg);

    if (leg->ok.mb == NULL || msg->cseq.num != leg->ok.seq)
        return;
    stop_accepted(leg);
    if (other == NULL)
        return;
    struct passed passed;
    int code = anchor_pass(leg, other, false, &content, &passed);
    if (other->kind == LEG_LOCAL)
        local_acked(other, &passed.content);
    else
        leg_ack(other, &passed.content);
    passed_deinit(&passed);
    if (code != 0)
        call_end(leg->call, NULL, code, "no common media");
}

static void on_bye(struct leg *leg, const struct sip_msg *msg)
{
    struct core *core = leg->call->core;
    struct sip *sip = stack_of(core, &leg->flow);

    (void)sip_treply(NULL, sip, msg, 200, "OK");
    if (leg->st != NULL)
        (void)sip_treply(&leg->st, sip, leg->msg, 487, "Request Terminated");
    leg->req = mem_deref(leg->req);
    stop_accepted(leg);
    if (leg->state == LEG_UP) {
        leg->state = LEG_DONE;
        call_end(leg->call, leg, 487, "hung up by the other side");
        call_legs_changed(leg->call);
    } else if (leg->state != LEG_DONE) {
        call_failed(leg, 480, NULL);
    }
}

void leg_request(struct core *core, struct leg *leg, const struct sip_msg *msg)
{
    struct sip *sip = stack_of(core, &leg->flow);
    bool ack = pl_strcmp(&msg->met, "ACK") == 0;
    int error = dialog_accepts(&leg->dialog, msg);

    if (error == 0 && ack) {
        on_ack(leg, msg);
        return;
    }
    if (ack)
        return;
    if (error != 0) {
        msg_refuse(sip, msg, error == RF_EDUPLICATE ? 500 : 481);
        return;
    }
    if (extension_refused(sip, msg))
        return;
    if (pl_strcmp(&msg->met, "BYE") == 0) {
        on_bye(leg, msg);
    } else if (leg->state != LEG_UP || call_other(leg) == NULL) {
        msg_refuse(sip, msg, leg->state == LEG_DONE ? 481 : 500);
    } else if (anchor_restart_asked(leg, msg)) {
        return;
    } else if (pl_strcmp(&msg->met, "INVITE") == 0) {
        relay_reinvite(leg, msg);
    } else {
        relay_request(leg, msg);
    }
}

/* ---- the connection with a device is gone ---- */

static void unreachable(struct leg *leg)
{
    leg->state = LEG_DONE;
    call_end(leg->call, leg, 480, "the connection was lost");
    call_legs_changed(leg->call);
}

static void no_found(void *arg, int code, size_t count)
{
    (void)arg, (void)code, (void)count;
}

static void reconnected(void *arg, const struct device *device, int error, const struct flow *flow)
{
    struct leg *leg = arg;
    (void)device;
    find_stop(leg->call->core, leg->find);
    leg->find = NULL;
    if (error != 0) {
        unreachable(leg);
        return;
    }
    leg->flow = *flow;
    if (leg->bye_due)
        leg_bye(leg);
}

void leg_conn_lost(struct leg *leg)
{
    struct call *call = leg->call;
    const struct find_handler handler = {no_found, reconnected, leg};

    leg->req = mem_deref(leg->req);
    leg->st = mem_deref(leg->st);
    anchor_conn_lost(leg);
    if (leg->state == LEG_UP && leg->find == NULL && !call->core->closing &&
        find_again(call->core, &leg->device, &handler, &leg->find) == 0)
        return;
    if (leg->state == LEG_UP || leg == call->a)
        unreachable(leg);
    else if (leg->state == LEG_CANCELLING)
        call_failed(leg, 487, NULL);
    else
        call_failed(leg, 480, NULL);
}
