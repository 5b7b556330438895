/* call.c - calls: from the first INVITE to the last farewell. */
#include "sip/call.h"
#include <stdio.h>
#include "base/error.h"
#include "sip/anchor.h"
#include "sip/auth.h"
#include "sip/bridge.h"
#include "sip/fork.h"
#include "sip/local.h"
#include "sip/registrar.h"
#include "sip/side.h"

const char *call_state_name(const struct call *call)
{
    static const char *const names[] = {"calling", "ringing", "answered", "ended"};
    return names[call->state];
}

static void set_state(struct call *call, enum call_state state)
{
    if (call->state == state)
        return;
    call->state = state;
    side_call_changed(call);
    RF_LIST_EACH(&call->legs, it)
    {
        struct leg *leg = RF_LIST_ENTRY(it, struct leg, list);
        if (leg->local != NULL)
            local_call_changed(leg);
    }
}

struct call *call_by_id(struct core *core, const char *id)
{
    RF_LIST_EACH(&core->calls, it)
    {
        struct call *call = RF_LIST_ENTRY(it, struct call, list);
        if (strcmp(call->id, id) == 0 && call->state != CALL_ENDED)
            return call;
    }
    return NULL;
}

struct leg *call_other(struct leg *leg)
{
    struct call *call = leg->call;
    struct leg *other = leg == call->a ? call->b : leg == call->b ? call->a : NULL;
    return other != NULL && other->state == LEG_UP ? other : NULL;
}

/* ---- life ---- */

static void ring_timeout(void *arg)
{
    struct call *call = arg;
    call_end(call, NULL,
             call->best != 0               ? fork_final(call->best)
             : call->state == CALL_RINGING ? 480
                                           : 408,
             "nobody answered");
}

void call_reap(void *arg)
{
    struct call *call = arg;
    struct core *core = call->core;

    find_stop(core, call->find);
    relays_end(call);
    RF_LIST_EACH_SAFE(&call->legs, it)
    {
        struct leg *leg = RF_LIST_ENTRY(it, struct leg, list);
        rf_list_remove(&leg->list);
        leg_deinit(leg);
        rf_free(core->mem, leg);
    }
    tmr_cancel(&call->ring);
    tmr_cancel(&call->reap);
    rf_list_remove(&call->list);
    core->call_count--;
    rf_free(core->mem, call);
}

/* Freed by a timer, so that nobody further up the stack holds a leg that is gone. */
void call_legs_changed(struct call *call)
{
    RF_LIST_EACH(&call->legs, it)
    {
        if (RF_LIST_ENTRY(it, struct leg, list)->state != LEG_DONE)
            return;
    }
    if (call->state == CALL_ENDED)
        tmr_start(&call->reap, 1, call_reap, call);
}

static struct call *call_new(struct core *core, bool incoming, const char *peer)
{
    struct call *call = NULL;
    if (core->call_count < core->limits.calls && !core->closing)
        call = rf_zalloc(core->mem, sizeof(*call));
    if (call == NULL) {
        COUNT(core, calls_limited);
        return NULL;
    }
    call->core = core;
    call->number = (unsigned)++core->next_token;
    call->incoming = incoming;
    snprintf(call->id, sizeof(call->id), "c%u", call->number);
    snprintf(call->peer, sizeof(call->peer), "%s", peer);
    rf_list_init(&call->legs);
    rf_list_init(&call->relays);
    tmr_init(&call->ring);
    tmr_init(&call->reap);
    rf_list_push_back(&core->calls, &call->list);
    core->call_count++;
    tmr_start(&call->ring, (uint64_t)core->limits.ring_s * 1000, ring_timeout, call);
    if (incoming)
        COUNT(core, calls_in);
    else
        COUNT(core, calls_out);
    return call;
}

struct leg *call_add_leg(struct call *call, enum leg_kind kind)
{
    struct leg *leg = rf_zalloc(call->core->mem, sizeof(*leg));
    if (leg == NULL)
        return NULL;
    leg->call = call;
    leg->kind = kind;
    leg->number = ++call->leg_count;
    tmr_init(&leg->ok.again);
    tmr_init(&leg->ok.give_up);
    rf_list_push_back(&call->legs, &leg->list);
    return leg;
}

static void cancelled(void *arg)
{
    struct leg *leg = arg;
    call_end(leg->call, NULL, 487, "cancelled by the caller");
}

/* The call that an INVITE asks for, with its leg `a`; refused already when NULL. */
static struct call *call_of_invite(struct core *core, const struct sip_msg *msg, const struct flow *flow,
                                   const char *peer, bool incoming)
{
    struct sip *sip = stack_of(core, flow);
    struct call *call = NULL;
    struct leg *leg = NULL;
    int code = 503;

    if (extension_refused(sip, msg))
        return NULL;
    if (msg_max_forwards(msg) < 0)
        code = 483;
    else if ((call = call_new(core, incoming, peer)) != NULL &&
             (leg = call_add_leg(call, flow->overlay ? LEG_OVERLAY : LEG_PHONE)) != NULL) {
        code = dialog_in(core, &leg->dialog, msg) == 0 ? 0 : 400;
        if (code == 0 && sip_strans_alloc(&leg->st, sip, msg, cancelled, leg) != 0)
            code = 500;
    }
    if (code == 0) {
        leg->flow = *flow;
        leg->msg = mem_ref((void *)msg);
        leg->state = LEG_CALLING;
        call->a = leg;
        call->offer = content_of(msg);
        (void)sip_treply(&leg->st, sip, msg, 100, "Trying");
        return call;
    }
    (void)sip_treply(NULL, sip, msg, (uint16_t)code, fork_reason(code));
    if (call != NULL) {
        call->state = CALL_ENDED;
        if (leg != NULL)
            leg->state = LEG_DONE;
        call_legs_changed(call);
    }
    return NULL;
}

/* ---- who is called ---- */

/* With no leg and no device left that might answer, the caller hears the best of what came. */
static void check_exhausted(struct call *call)
{
    if (call->state == CALL_ENDED || call->b != NULL || call->expected > 0 || call->find != NULL)
        return;
    RF_LIST_EACH(&call->legs, it)
    {
        struct leg *leg = RF_LIST_ENTRY(it, struct leg, list);
        if (leg != call->a && leg->state != LEG_DONE)
            return;
    }
    int code = fork_final(call->best);
    call_end(call, NULL, code,
             code == 486 || code == 600   ? "busy"
             : code == 603                ? "rejected"
             : code == 404 || code == 604 ? "no such user"
             : code == 482 || code == 483 ? "forwarded in a circle or too often"
             : code == 488 || code == 606 ? "no common media"
                                          : "not available");
}

static void ring_phone(void *arg, const struct binding *b)
{
    struct call *call = arg;
    struct leg *leg;
    bool is_caller = call->a->kind == LEG_PHONE && b->flow.tp == call->a->flow.tp &&
                     sa_cmp(&b->flow.addr, &call->a->flow.addr, SA_ALL);
    if (is_caller || call->state == CALL_ENDED || (leg = call_add_leg(call, LEG_PHONE)) == NULL)
        return;
    leg->flow = b->flow;
    char remote[AOR_URI_MAX];
    aor_to_uri(call->incoming ? call->peer : call->core->aor, false, remote);
    if (dialog_out(call->core, &leg->dialog, remote, call->core->uri, b->contact) != 0 || leg_map(leg) != 0) {
        leg->state = LEG_DONE;
        return;
    }
    leg_invite(leg);
}

/* Our own user's phones; and the daemon itself for calls from outside. */
static void ring_own(struct call *call)
{
    call->expected++; /* nobody is exhausted while the list is walked */
    registrar_each(call->core, ring_phone, call);
    if (call->incoming && call->state != CALL_ENDED)
        local_ring(call);
    call->expected--;
    check_exhausted(call);
}

static void on_found(void *arg, int code, size_t count)
{
    struct call *call = arg;
    if (code == 0) {
        call->expected = count;
        return;
    }
    call->best = code;
    find_stop(call->core, call->find);
    call->find = NULL;
    check_exhausted(call);
}

/* To names who was dialled, the request URI whoever the device belongs to: they differ after a forwarding. */
static int invite_device(struct call *call, const struct device *device, const struct flow *flow)
{
    struct leg *leg = call_add_leg(call, LEG_OVERLAY);
    char dialled[AOR_URI_MAX], target[AOR_URI_MAX];
    if (leg == NULL)
        return RF_ENOMEM;
    leg->flow = *flow;
    leg->device = *device;
    aor_to_uri(call->peer, flow->sips, dialled);
    aor_to_uri(device->aor, flow->sips, target);
    int error = dialog_out(call->core, &leg->dialog, stack_own_uri(call->core, flow), dialled, target);
    if (error == 0)
        error = leg_map(leg);
    if (error == 0)
        leg_invite(leg);
    else
        leg->state = LEG_DONE;
    return error;
}

static void on_device(void *arg, const struct device *device, int error, const struct flow *flow)
{
    struct call *call = arg;

    if (--call->expected == 0) {
        find_stop(call->core, call->find);
        call->find = NULL;
    }
    if (call->state == CALL_ENDED || call->b != NULL)
        return;
    if (device->self) {
        ring_own(call);
        return;
    }
    if (error != 0)
        call->best = fork_better(call->best, 480);
    else if (invite_device(call, device, flow) == 0)
        return;
    check_exhausted(call);
}

static int seek(struct call *call)
{
    const struct find_handler handler = {on_found, on_device, call};
    return find_start(call->core, call->peer, &handler, &call->find);
}

void call_from_phone(struct core *core, const struct sip_msg *msg)
{
    char aor[AOR_MAX];
    struct flow flow = flow_of_phone(msg);
    struct pl domain;
    struct call *call;
    int error = RF_ENOTFOUND;

    pl_set_str(&domain, core->domain);
    if (stack_is_host(core, msg, &msg->uri.host))
        error = aor_from_uri(view_of_pl(&msg->uri.user), view_of_pl(&domain), aor);
    if (error != 0) {
        (void)sip_treply(NULL, core->phones, msg, 404,
                         error == RF_ENOTFOUND ? "Not In This Overlay Yet" : "Not Found");
        return;
    }
    call = call_of_invite(core, msg, &flow, aor, false);
    if (call == NULL)
        return;
    side_call_changed(call);
    if (seek(call) != 0)
        call_end(call, NULL, 500, "out of memory");
}

static void anchored(struct leg *leg)
{
    if (leg->call->state == CALL_SETUP)
        ring_own(leg->call);
}

void call_from_overlay(struct core *core, const struct sip_msg *msg, const struct flow *flow,
                       const struct device *from)
{
    struct call *call = call_of_invite(core, msg, flow, from->aor, true);
    if (call == NULL)
        return;
    call->a->device = *from;
    int error = 0;
    if (anchor_wants(core, call->offer.body, true)) {
        error = anchor_new(call->a, call->offer.body, anchored);
        if (error == 0)
            return; /* rings as soon as our half of the media is known */
    }
    if (error != 0)
        call_end(call, NULL, error == RF_EFORMAT || error == RF_EUNSUPPORTED ? 488 : 500, "no common media");
    else
        ring_own(call);
}

int call_place(struct core *core, const char *aor, struct local *local, struct content offer,
               struct call **out)
{
    struct call *call = call_new(core, false, aor);
    if (call == NULL)
        return RF_ELIMIT;
    call->a = call_add_leg(call, LEG_LOCAL);
    if (call->a == NULL || seek(call) != 0) {
        call->state = CALL_ENDED;
        if (call->a != NULL)
            call->a->state = LEG_DONE;
        call_legs_changed(call);
        return RF_ENOMEM;
    }
    call->a->state = LEG_CALLING;
    call->a->local = local;
    call->offer = offer;
    *out = call;
    side_call_changed(call);
    return 0;
}

/* ---- what the called legs say ---- */

/* The tag under which the caller knows what a called leg says: different for each remote dialog (RFC 3261, 12.1: forks are told apart). */
static uint64_t tag_for(const struct leg *leg)
{
    struct call *call = leg->call;
    const char *remote = leg->dialog.remote_tag != NULL ? leg->dialog.remote_tag : "";
    char text[64];
    int n = snprintf(text, sizeof(text), "%u.%u.%.40s", call->number, leg->number, remote);
    return rf_hash64(call->core->seed, rf_view_of(text, (size_t)n));
}

void call_progress(struct leg *leg, int code, const struct sip_msg *msg)
{
    struct call *call = leg->call;
    struct leg *a = call->a;
    char contact[AOR_URI_MAX + 80];

    if (call->state == CALL_ENDED || call->b != NULL)
        return;
    if (code == 180 || code == 183 || code == 182)
        set_state(call, CALL_RINGING);
    if (a->st == NULL || code < 180) /* 181 (forwarded) is passed on, too */
        return;
    struct content content = msg != NULL ? content_of(msg) : (struct content){0};
    struct passed passed = {.content = content};
    bool anchored_leg = leg->anchor != NULL || a->anchor != NULL;
    if (anchored_leg && (call->offer.body.len == 0 || anchor_pass(leg, a, false, &content, &passed) != 0))
        passed.content = (struct content){0}; /* early media that cannot be: it rings all the same */
    a->msg->tag = tag_for(leg);
    if (stack_contact(call->core, &a->flow, contact, sizeof(contact)) == 0)
        (void)reply_passing(call->core, stack_of(call->core, &a->flow), &a->st, NULL, a->msg, code, msg,
                            contact, &passed.content);
    passed_deinit(&passed);
}

static void cancel_others(struct call *call, const struct leg *except)
{
    RF_LIST_EACH(&call->legs, it)
    {
        struct leg *leg = RF_LIST_ENTRY(it, struct leg, list);
        if (leg == except || leg == call->a || leg->state == LEG_DONE)
            continue;
        anchor_free(leg);
        if (leg->kind == LEG_LOCAL)
            local_stop(leg, "answered elsewhere");
        else
            leg_cancel(leg);
    }
}

static void answered_local(struct leg *leg, struct leg *a, const struct content *content)
{
    struct call *call = leg->call;
    a->state = LEG_UP;
    leg_ack(leg, NULL);
    int error = local_answered(a, content);
    set_state(call, CALL_UP);
    if (error != 0)
        call_end(call, NULL, 488, "no common media");
}

static void answered_leg(struct leg *leg, struct leg *a, const struct sip_msg *msg,
                         const struct content *content)
{
    struct call *call = leg->call;
    a->msg->tag = tag_for(leg);
    if (dialog_set_tag(call->core, &a->dialog, a->msg->tag) != 0 || leg_map(a) != 0) {
        call_end(call, NULL, 500, "out of memory");
        return;
    }
    leg_accept(a, msg, content);
    if (call->state != CALL_ENDED)
        set_state(call, CALL_UP);
}

void call_answered(struct leg *leg, const struct sip_msg *msg, const struct content *content)
{
    struct call *call = leg->call;
    struct leg *a = call->a;

    if (call->state == CALL_ENDED ||
        call->b != NULL) { /* too late: another one was faster, or the caller is gone */
        if (leg->kind != LEG_LOCAL) {
            leg_ack(leg, NULL);
            leg_bye(leg);
        }
        return;
    }
    call->b = leg;
    leg->state = LEG_UP;
    tmr_cancel(&call->ring);
    find_stop(call->core, call->find);
    call->find = NULL;
    call->expected = 0;
    cancel_others(call, leg);
    COUNT(call->core, calls_answered);
    struct passed passed;
    int code = anchor_pass(leg, a, call->offer.body.len == 0, content, &passed);
    if (code != 0)
        call_end(call, NULL, code, "no common media");
    else if (a->kind == LEG_LOCAL)
        answered_local(leg, a, &passed.content);
    else
        answered_leg(leg, a, msg, &passed.content);
    passed_deinit(&passed);
}

void call_failed(struct leg *leg, int code, const struct sip_msg *msg)
{
    struct call *call = leg->call;
    (void)msg;
    leg->state = LEG_DONE;
    if (leg != call->a)
        anchor_free(leg);
    if (call->state != CALL_ENDED && call->b == NULL && !leg->refused) {
        leg->refused = true;
        call->best = fork_better(call->best, code);
        if (fork_ends_all(code)) {
            find_stop(call->core, call->find);
            call->find = NULL;
            call->expected = 0;
            call_end(call, NULL, fork_final(call->best), code == 603 ? "rejected" : "busy");
        } else {
            check_exhausted(call);
        }
    }
    call_legs_changed(call);
}

void call_media_failed(struct leg *leg, const char *why)
{
    struct call *call = leg->call;
    if (call->state == CALL_ENDED)
        return;
    if (leg == call->a || leg == call->b) {
        call_end(call, NULL, 480, why);
    } else { /* an early one of several */
        anchor_free(leg);
        leg_cancel(leg);
    }
}

void call_end(struct call *call, struct leg *by, int code, const char *reason)
{
    if (call->state == CALL_ENDED)
        return;
    tmr_cancel(&call->ring);
    find_stop(call->core, call->find);
    call->find = NULL;
    call->expected = 0;
    call->reason = reason;
    set_state(call, CALL_ENDED);
    relays_end(call);
    RF_LIST_EACH(&call->legs, it)
    {
        struct leg *leg = RF_LIST_ENTRY(it, struct leg, list);
        anchor_free(leg);
        if (leg == by || leg->state == LEG_DONE)
            continue;
        if (leg->kind == LEG_LOCAL)
            local_stop(leg, reason);
        else if (leg->state == LEG_UP)
            leg_bye(leg);
        else if (leg == call->a)
            leg_reject(leg, code, NULL);
        else
            leg_cancel(leg);
    }
    call_legs_changed(call);
}

/* ---- all calls ---- */

void calls_end_all(struct core *core)
{
    RF_LIST_EACH_SAFE(&core->calls, it)
    {
        call_end(RF_LIST_ENTRY(it, struct call, list), NULL, 503, "this node ends");
    }
}

void calls_conn_lost(struct core *core, rf_link_id conn)
{
    RF_LIST_EACH_SAFE(&core->calls, it)
    {
        struct call *call = RF_LIST_ENTRY(it, struct call, list);
        RF_LIST_EACH_SAFE(&call->legs, leg_it)
        {
            struct leg *leg = RF_LIST_ENTRY(leg_it, struct leg, list);
            if (leg->kind == LEG_OVERLAY && leg->flow.conn == conn && leg->state != LEG_DONE)
                leg_conn_lost(leg);
        }
    }
}

bool calls_use_conn(struct core *core, rf_link_id conn)
{
    RF_LIST_EACH(&core->calls, it)
    {
        struct call *call = RF_LIST_ENTRY(it, struct call, list);
        RF_LIST_EACH(&call->legs, leg_it)
        {
            struct leg *leg = RF_LIST_ENTRY(leg_it, struct leg, list);
            if (leg->kind == LEG_OVERLAY && leg->flow.conn == conn && leg->state != LEG_DONE)
                return true;
        }
    }
    return false;
}
