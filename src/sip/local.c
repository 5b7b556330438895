/* local.c - calls of the daemon itself. */
#include "sip/local.h"
#include <stdio.h>
#include "base/error.h"
#include "sip/anchor.h"
#include "sip/media.h"
#include "sip/registrar.h"
#include "sip/side.h"

#define POLL_MS       250
#define AFTER_FILE_MS 1000 /* what was played may still come back and be recorded */

struct local {
    struct core *core;
    struct leg *leg; /* NULL until the call exists */
    struct local_wish wish;
    struct media *media;
    struct wav_audio play;
    struct wav_writer record;
    struct mbuf *sdp;
    struct tmr end, poll;
    bool answered, begun, stopped,
        offered; /* offered: our SDP was an offer, the other side's answer is awaited */
};

static const struct rf_view sdp_type = {(const uint8_t *)"application/sdp", 15};

static struct content content_of_sdp(const struct local *local)
{
    return (struct content){sdp_type, rf_view_of(local->sdp->buf, local->sdp->end)};
}

/* ---- life ---- */

static void destroy(struct local *local)
{
    struct core *core = local->core;
    tmr_cancel(&local->end);
    tmr_cancel(&local->poll);
    media_free(core, local->media);
    rf_free(core->mem, local->play.samples);
    wav_close(&local->record);
    mem_deref(local->sdp);
    rf_free(core->mem, local);
}

void local_free(struct leg *leg)
{
    destroy(leg->local);
    leg->local = NULL;
}

static struct local *make(struct core *core)
{
    struct local *local = rf_zalloc(core->mem, sizeof(*local));
    if (local == NULL)
        return NULL;
    local->core = core;
    local->record.fd = -1;
    tmr_init(&local->end);
    tmr_init(&local->poll);
    return local;
}

static void on_end(void *arg)
{
    struct local *local = arg;
    call_end(local->leg->call, NULL, 487, "time is up");
}

static void on_file_end(void *arg)
{
    struct local *local = arg;
    call_end(local->leg->call, NULL, 487, "the file was played");
}

static void on_played(void *arg)
{
    struct local *local = arg;
    if (local->wish.for_s == 0)
        tmr_start(&local->end, AFTER_FILE_MS, on_file_end, local);
}

static void on_poll(void *arg)
{
    struct local *local = arg;
    tmr_start(&local->poll, POLL_MS, on_poll, local);
    side_control_poll(local->core, local->wish.control);
}

/* ---- audio ---- */

/* The files of a command, before anything rings. On error the command has its answer. */
static int open_files(struct local *local)
{
    const struct local_wish *wish = &local->wish;
    const char *why = "", *path = wish->play;
    char text[1200];
    int error = 0;

    if (wish->play[0] != '\0')
        error = wav_load(local->core->mem, wish->play, &local->play, &why);
    if (error == 0 && wish->record[0] != '\0') {
        path = wish->record;
        error = wav_create(&local->record, wish->record, &why);
    }
    if (error == 0)
        return 0;
    snprintf(text, sizeof(text), "%s: %s", path, why);
    side_control_error(local->core, wish->control, error, text,
                       path == wish->play ? "WAV files with 8 or 16 bit PCM can be played" : NULL);
    return error;
}

static int open_media(struct local *local, const struct content *offer)
{
    struct core *core = local->core;
    struct sa remote, ip = core->media_addr;
    struct media_config config = {
        .echo = local->wish.control == 0 && core->echo,
        .play = local->play.samples != NULL ? &local->play : NULL,
        .record = local->record.fd >= 0 ? &local->record : NULL,
        .played = on_played,
        .arg = local,
    };
    /* where the caller's audio is tells by which of our addresses it reaches us */
    if (offer != NULL && media_offered_ip(offer->body, &remote) == 0)
        (void)stack_source_for(&remote, &ip);
    config.local = ip;
    sa_set_port(&config.local, 0);
    return media_new(core, &config, &local->media);
}

static void begin(struct local *local)
{
    if (local->begun)
        return;
    local->begun = true;
    media_start(local->media);
    if (local->wish.for_s > 0)
        tmr_start(&local->end, (uint64_t)local->wish.for_s * 1000, on_end, local);
}

/* With an anchor it begins when the keys are there. */
static void went_up(struct local *local)
{
    struct call *call = local->leg->call;
    struct leg *other = local->leg == call->a ? call->b : call->a;
    local->answered = true;
    if (other == NULL || anchor_flows(other))
        begin(local);
}

void local_flows(struct leg *leg)
{
    if (leg->local != NULL && leg->local->answered && leg->local->media != NULL)
        begin(leg->local);
}

/* ---- calling ---- */

void local_call(struct core *core, const char *aor, const struct local_wish *wish)
{
    struct local *local = make(core);
    struct call *call;
    int error = RF_ENOMEM;

    if (local != NULL) {
        local->wish = *wish;
        if (open_files(local) != 0) {
            destroy(local);
            return;
        }
        error = open_media(local, NULL);
        if (error == 0)
            error = media_offer(local->media, &local->sdp);
        if (error == 0)
            error = call_place(core, aor, local, content_of_sdp(local), &call);
    }
    if (error != 0) {
        side_control_error(core, wish->control, error,
                           error == RF_ELIMIT ? "too many calls at the same time" : NULL, NULL);
        if (local != NULL)
            destroy(local);
        return;
    }
    local->leg = call->a;
    local->offered = true;
    tmr_start(&local->poll, POLL_MS, on_poll, local);
    local_call_changed(call->a);
}

int local_answered(struct leg *leg, const struct content *answer)
{
    struct local *local = leg->local;
    local->offered = false;
    int error = media_accept(local->media, answer->body);
    if (error == 0)
        went_up(local);
    return error;
}

/* ---- being called ---- */

static int take_call(struct local *local)
{
    struct leg *leg = local->leg;
    struct call *call = leg->call;
    struct passed passed;
    int error = anchor_pass(call->a, leg, true, &call->offer, &passed) == 0 ? 0 : RF_EUNSUPPORTED;

    if (error == 0)
        error = open_media(local, &passed.content);
    if (error == 0) {
        local->offered = call->offer.body.len == 0;
        error = local->offered ? media_offer(local->media, &local->sdp)
                               : media_answer(local->media, passed.content.body, &local->sdp);
    }
    passed_deinit(&passed);
    if (error != 0)
        return error;
    struct content content = content_of_sdp(local);
    call_answered(leg, NULL, &content);
    if (leg->state == LEG_UP && !local->offered)
        went_up(local);
    return 0;
}

void local_ring(struct call *call)
{
    struct leg *leg = call_add_leg(call, LEG_LOCAL);
    if (leg == NULL)
        return;
    leg->local = make(call->core);
    if (leg->local == NULL) {
        leg->state = LEG_DONE;
        return;
    }
    leg->local->leg = leg;
    if (!call->core->echo) {
        side_call_ring(call);
        return;
    }
    int error = take_call(leg->local);
    if (error != 0)
        call_failed(leg, error == RF_EUNSUPPORTED || error == RF_EFORMAT ? 488 : 500, NULL);
}

void local_listeners(struct core *core, unsigned call_number, size_t count)
{
    RF_LIST_EACH(&core->calls, it)
    {
        struct call *call = RF_LIST_ENTRY(it, struct call, list);
        if (call->number != call_number)
            continue;
        RF_LIST_EACH(&call->legs, leg_it)
        {
            struct leg *leg = RF_LIST_ENTRY(leg_it, struct leg, list);
            if (leg->kind != LEG_LOCAL || leg->state != LEG_NEW)
                continue;
            if (count == 0) {
                call_failed(leg, 0, NULL); /* says nothing about the phones */
            } else {
                leg->state = LEG_RINGING;
                call_progress(leg, 180, NULL);
            }
            return;
        }
    }
}

static struct leg *ringing_leg(struct call *call)
{
    RF_LIST_EACH(&call->legs, it)
    {
        struct leg *leg = RF_LIST_ENTRY(it, struct leg, list);
        if (leg->kind == LEG_LOCAL && (leg->state == LEG_RINGING || leg->state == LEG_NEW))
            return leg;
    }
    return NULL;
}

void local_answer(struct core *core, const char *call_id, const struct local_wish *wish)
{
    struct call *call = call_by_id(core, call_id);
    struct leg *leg = call != NULL && call->b == NULL && call->incoming ? ringing_leg(call) : NULL;
    struct local *local;

    if (leg == NULL || leg->local->wish.control != 0) {
        side_control_error(core, wish->control, RF_ENOTFOUND, "no such call is ringing here",
                           "see `ringfolk calls`");
        return;
    }
    local = leg->local;
    local->wish = *wish;
    if (open_files(local) != 0) {
        rf_free(core->mem, local->play.samples);
        local->play = (struct wav_audio){0};
        local->wish = (struct local_wish){0}; /* it rings on */
        return;
    }
    tmr_start(&local->poll, POLL_MS, on_poll, local);
    int error = take_call(local);
    if (error != 0)
        call_failed(leg, error == RF_EUNSUPPORTED || error == RF_EFORMAT ? 488 : 500, NULL);
    if (error != 0)
        local_stop(leg, "no common media");
}

void local_acked(struct leg *leg, const struct content *content)
{
    struct local *local = leg->local;
    if (!local->offered)
        return;
    local->offered = false;
    if (media_accept(local->media, content->body) != 0)
        call_end(leg->call, NULL, 488, "no common media");
    else if (!local->answered)
        went_up(local);
}

/* ---- within the call ---- */

int local_request(struct leg *leg, const char *method, const struct content *content, struct content *answer)
{
    struct local *local = leg->local;
    bool invite = strcmp(method, "INVITE") == 0;
    struct mbuf *sdp = NULL;

    if (!invite && strcmp(method, "UPDATE") != 0)
        return strcmp(method, "MESSAGE") == 0 ? 405 : 200;
    if (content->body.len == 0 && !invite)
        return 200; /* a session refresh */
    int error = content->body.len == 0 ? media_offer(local->media, &sdp)
                                       : media_answer(local->media, content->body, &sdp);
    if (error != 0)
        return 488;
    local->offered = content->body.len == 0;
    mem_deref(local->sdp);
    local->sdp = sdp;
    *answer = content_of_sdp(local);
    return 200;
}

void local_call_changed(struct leg *leg)
{
    struct local *local = leg->local;
    struct call *call = leg->call;
    if (local->wish.control != 0 && call->state != CALL_ENDED)
        side_control_call_state(local->core, local->wish.control, call);
}

void local_stop(struct leg *leg, const char *reason)
{
    struct local *local = leg->local;
    struct media_stats stats = {0};
    bool had_media = local->answered;

    leg->state = LEG_DONE;
    call_legs_changed(leg->call);
    if (local->stopped)
        return;
    local->stopped = true;
    tmr_cancel(&local->end);
    tmr_cancel(&local->poll);
    if (local->media != NULL)
        media_stats(local->media, &stats);
    media_free(local->core, local->media);
    local->media = NULL;
    wav_close(&local->record);
    if (local->wish.control == 0)
        return;
    if (had_media || strncmp(reason, "hung up", 7) == 0)
        side_control_call_result(local->core, local->wish.control, leg->call->id, reason,
                                 had_media ? &stats : NULL);
    else
        side_control_error(local->core, local->wish.control, RF_EREMOTE, reason, NULL);
}

/* ---- the other commands ---- */

void local_hangup(struct core *core, const char *call_id, uint64_t control)
{
    struct call *call = call_by_id(core, call_id);
    if (call == NULL) {
        side_control_error(core, control, RF_ENOTFOUND, "no such call", "see `ringfolk calls`");
        return;
    }
    bool reject = call->incoming && call->b == NULL;
    const char *reason = reject ? "rejected" : "hung up";
    char id[sizeof(call->id)];
    memcpy(id, call->id, sizeof(id));
    call_end(call, NULL, reject ? 603 : 487, reason);
    side_control_call_result(core, control, id, reason, NULL);
}

void local_cancelled(struct core *core, uint64_t control)
{
    RF_LIST_EACH(&core->calls, it)
    {
        struct call *call = RF_LIST_ENTRY(it, struct call, list);
        RF_LIST_EACH(&call->legs, leg_it)
        {
            struct leg *leg = RF_LIST_ENTRY(leg_it, struct leg, list);
            if (leg->local != NULL && leg->local->wish.control == control && !leg->local->stopped) {
                call_end(call, NULL, 487, "hung up: its command is gone");
                return;
            }
        }
    }
}

void local_list(struct core *core, uint64_t control)
{
    RF_LIST_EACH(&core->calls, it)
    {
        const struct call *call = RF_LIST_ENTRY(it, struct call, list);
        if (call->state != CALL_ENDED)
            side_control_call_state(core, control, call);
    }
    side_control_done(core, control);
}

struct list_phones {
    struct core *core;
    uint64_t control;
};

static void list_phone(void *arg, const struct binding *b)
{
    struct list_phones *l = arg;
    char address[80];
    if (re_snprintf(address, sizeof(address), "%J", &b->flow.addr) < 0)
        return;
    side_control_phone(l->core, l->control, b->contact, address, b->flow.tp == SIP_TRANSP_TCP ? "TCP" : "UDP",
                       (unsigned)((b->until_ms - tmr_jiffies() + 999) / 1000));
}

void local_phones(struct core *core, uint64_t control)
{
    struct list_phones l = {core, control};
    registrar_each(core, list_phone, &l);
    side_control_done(core, control);
}
