/*
 * anchor_restart.c - ICE begun anew within a call (RFC 8445, sections 2.4 and 9; RFC 8839, section 4.4.1.1.1): an UPDATE (RFC 3311) between the two nodes whose SDP is the one that was agreed, with
 * new credentials and candidates. The phones learn nothing of it. Fingerprint and roles are as they were, so the DTLS association and its keys stay (RFC 8842, section 5.5); packets go the old
 * way until a new one is nominated.
 *
 *   ours    NONE -> `moved` of a stream -> GATHERING -> all know their half, no other offer is under way -> ASKING -> 2xx: checks begin, NONE
 *   theirs  asked -> all know their half -> 200, checks begin. If ours gathers still, it gives way: what it gathered goes into the answer
 *
 * Both at once, ours sent: theirs gets 491, ours most likely as well; then the one who made the Call-ID tries again after 2.1 to 4 s, the other one after 0 to 2 s (RFC 3261, section 14.1; RFC 3311,
 * section 5.2). Whatever else fails for now (no connection, 5xx) is tried again as long as the call lives; a refusal is taken as such: consent decides.
 *
 * An answer that was lost with its connection: the same offer once more is answered once more.
 */
#include "base/error.h"
#include "sip/anchor_internal.h"
#include "sip/bridge.h"
#include "sip/fork.h"
#include "sip/sdp.h"

#define BUSY_MS   100   /* another offer is under way */
#define AGAIN_MS  500   /* there is no connection right now, or it failed there */
#define AGREED_MS 10000 /* the same offer again means that its answer was lost */

static void step(void *arg);

static void later(struct anchor *a, uint64_t ms)
{
    tmr_start(&a->restart.tmr, ms, step, a);
}

void anchor_restart_step(struct anchor *a)
{
    later(a, 0);
}

bool anchor_restarts(const struct leg *leg)
{
    return leg->anchor != NULL &&
           (leg->anchor->restart.state != RESTART_NONE || leg->anchor->restart.st != NULL);
}

static bool any(const struct anchor *a, bool (*is)(const struct stream *s), bool wanted)
{
    for (size_t i = 0; i < ANCHOR_MAX_STREAMS; i++)
        if (a->streams[i] != NULL && is(a->streams[i]) == wanted)
            return true;
    return false;
}

/* An offer of a phone, or of theirs that goes to one. */
static bool is_busy(const struct leg *leg, const struct leg *other)
{
    return leg->st != NULL || leg->req != NULL || leg->ok.mb != NULL || other->st != NULL ||
           other->req != NULL || other->ok.mb != NULL || relays_offer(leg->call);
}

/* What was agreed, with the half that is ours now. */
static int compose(const struct anchor *a, bool offer, struct rf_buf *out)
{
    struct sdp_stand_in stand_ins[SDP_MAX_MEDIA] = {0};
    const struct kept *ours = &a->agreed[OURS];
    struct rf_view text = rf_view_of(ours->bytes, ours->len);
    struct sdp_facts facts;
    int error = sdp_read(text, &facts);
    for (size_t i = 0; error == 0 && i < facts.count; i++)
        if (anchor_stream(a, i) != NULL && facts.media[i].port != 0)
            error = stream_stand_in(anchor_stream(a, i), offer, &stand_ins[i]);
    rf_buf_init(out, a->leg->call->core->mem, SDP_MAX_LEN);
    return error == 0 ? sdp_renew(text, stand_ins, facts.count, a->versions, out) : error;
}

static struct content content_with(const struct rf_buf *buf)
{
    return (struct content){rf_view_str("application/sdp"), rf_buf_view(buf)};
}

/* Their half, for all streams that wait for it. */
static int take(struct anchor *a, struct rf_view text, const struct sdp_facts *facts)
{
    int error = 0;
    for (size_t i = 0; i < facts->count && error == 0; i++) {
        struct stream *s = anchor_stream(a, i);
        const struct sdp_media *m = &facts->media[i];
        if (s == NULL || !stream_restarts(s))
            continue;
        if (m->port == 0 || !sdp_secure(m) || !stream_renewed(s, m))
            return RF_EFORMAT; /* an answer must bring new credentials as well */
        error = stream_remote(s, text, i, m, false);
        if (error == 0)
            error = stream_start(s);
    }
    return error;
}

/* ---- ours ---- */

static int restart_all(struct anchor *a)
{
    int error = 0;
    for (size_t i = 0; i < ANCHOR_MAX_STREAMS && error == 0; i++)
        if (a->streams[i] != NULL)
            error = stream_restart(a->streams[i]);
    a->restart.again = error != 0;
    later(a, error != 0 ? AGAIN_MS : 0);
    return error;
}

static void begin(struct anchor *a)
{
    if (restart_all(a) != 0)
        return;
    a->restart.state = RESTART_GATHERING;
    a->versions++;
    COUNT(a->leg->call->core, media_restarts);
}

static void refused(struct anchor *a, int code)
{
    struct leg *leg = a->leg;
    if (code == 481 || code == 408) { /* that dialog is gone (RFC 3261, 12.2.1.2) */
        call_end(leg->call, NULL, code, "the other side is gone");
        return;
    }
    a->restart.state = RESTART_NONE;
    core_log(leg->call->core, RF_LOG_WARN, "another way for the media of %s was refused: %d", leg->call->id,
             code);
}

/* RFC 3261, section 14.1: units of 10 ms */
static uint64_t glare_ms(const struct leg *leg)
{
    bool made_call_id = leg != leg->call->a;
    return 10 * (made_call_id ? 210 + (uint64_t)rand_u32() % 191 : (uint64_t)rand_u32() % 201);
}

static void responded(int err, const struct sip_msg *msg, void *arg)
{
    struct anchor *a = arg;
    struct leg *leg = a->leg;
    struct sdp_facts facts;
    if (err == 0 && msg->scode < 200)
        return;
    a->restart.state = RESTART_GATHERING; /* until it is known that there is no need to ask again */
    if (err != 0 || msg->scode >= 500) {
        later(a, AGAIN_MS);
    } else if (msg->scode == 491) {
        COUNT(leg->call->core, media_glare);
        a->restart.wait_ms = tmr_jiffies() + glare_ms(leg);
        later(a, 0);
    } else if (msg->scode >= 300) {
        refused(a, msg->scode);
    } else {
        const struct content content = content_of(msg);
        int error = anchor_is_sdp(content.type) ? sdp_read(content.body, &facts) : RF_EFORMAT;
        a->restart.state = RESTART_NONE;
        (void)dialog_learn(leg->call->core, &leg->dialog, msg);
        if (error == 0)
            error = take(a, content.body, &facts);
        if (error != 0)
            refused(a, 488);
        else
            later(a, 0); /* moved again meanwhile? */
    }
}

static void ask(struct anchor *a)
{
    struct leg *leg = a->leg;
    struct core *core = leg->call->core;
    struct request r = {.method = "UPDATE", .contact = true};
    struct rf_buf buf;
    int error = compose(a, true, &buf);
    if (error == 0) {
        r.content = content_with(&buf);
        r.seq = ++leg->dialog.local_seq;
        error = dialog_send(core, &leg->dialog, &leg->flow, &r, &a->restart.req, responded, a);
    }
    rf_buf_deinit(&buf);
    if (error == 0)
        a->restart.state = RESTART_ASKING;
    else
        later(a, AGAIN_MS);
}

/* ---- theirs ---- */

static void forget_theirs(struct anchor *a)
{
    a->restart.st = mem_deref(a->restart.st);
    a->restart.msg = mem_deref(a->restart.msg);
}

static void reply(struct anchor *a, int code, const struct content *content)
{
    struct leg *leg = a->leg;
    struct core *core = leg->call->core;
    char contact[AOR_URI_MAX + 80];
    bool good = code < 300 && stack_contact(core, &leg->flow, contact, sizeof(contact)) == 0;
    if (leg_can_reply(leg))
        (void)reply_passing(core, stack_of(core, &leg->flow), &a->restart.st, NULL, a->restart.msg, code,
                            NULL, good ? contact : NULL, content);
    forget_theirs(a);
}

static void answer(struct anchor *a)
{
    struct rf_buf buf;
    a->versions += a->restart.state == RESTART_NONE; /* else ours has counted already */
    int error = compose(a, false, &buf);
    struct content content = content_with(&buf);
    reply(a, error == 0 ? 200 : 500, error == 0 ? &content : NULL);
    rf_buf_deinit(&buf);
    for (size_t i = 0; i < ANCHOR_MAX_STREAMS && error == 0; i++)
        if (a->streams[i] != NULL && stream_restarts(a->streams[i]))
            error = stream_start(a->streams[i]);
    a->restart.state = RESTART_NONE; /* theirs was ours, too */
    if (error != 0)
        call_media_failed(a->leg, "no common media");
}

static struct rf_view view_of(const struct kept *kept)
{
    return rf_view_of(kept->bytes, kept->len);
}

static bool is_repeated(const struct anchor *a, const struct sip_msg *msg, struct rf_view body)
{
    return a->restart.last.len > 0 && tmr_jiffies() < a->restart.last_ms + AGREED_MS &&
           rf_view_equal(view_of(&a->restart.last), body) &&
           sip_msg_hdr(msg, SIP_HDR_SESSION_EXPIRES) == NULL; /* that one is the phone's */
}

/* Every stream's credentials are new, or none's. */
static bool is_restart(const struct anchor *a, const struct sdp_facts *facts, bool repeated)
{
    size_t renewed = 0, used = 0;
    for (size_t i = 0; i < facts->count; i++) {
        const struct stream *s = anchor_stream(a, i);
        if (s == NULL)
            continue;
        if (facts->media[i].port == 0 || !sdp_secure(&facts->media[i]))
            return false;
        used++;
        renewed += stream_renewed(s, &facts->media[i]) || stream_restarts(s);
    }
    return used > 0 && (renewed == used || (repeated && renewed == 0));
}

static int begin_theirs(struct anchor *a, const struct sip_msg *msg, struct rf_view body,
                        const struct sdp_facts *facts)
{
    struct core *core = a->leg->call->core;
    int error = 0;
    for (size_t i = 0; i < facts->count && error == 0; i++)
        if (anchor_stream(a, i) != NULL)
            error = stream_remote(anchor_stream(a, i), body, i, &facts->media[i], true);
    kept_free(core, &a->restart.last);
    a->restart.last = (struct kept){rf_memdup(core->mem, body.p, body.len), body.len};
    a->restart.last_ms = tmr_jiffies();
    if (error == 0 && a->restart.last.bytes == NULL)
        error = RF_ENOMEM;
    if (a->restart.last.bytes == NULL)
        a->restart.last.len = 0;
    (void)dialog_learn(core, &a->leg->dialog, msg);
    return error;
}

bool anchor_restart_asked(struct leg *leg, const struct sip_msg *msg)
{
    struct anchor *a = leg->anchor;
    struct core *core = leg->call->core;
    struct sip *sip = stack_of(core, &leg->flow);
    const struct content content = content_of(msg);
    struct sdp_facts facts;
    if (a == NULL || pl_strcmp(&msg->met, "UPDATE") != 0 || content.body.len == 0 ||
        !anchor_is_sdp(content.type) || sdp_read(content.body, &facts) != 0 ||
        !sdp_same_session(content.body, view_of(&a->agreed[THEIRS])) ||
        !is_restart(a, &facts, is_repeated(a, msg, content.body)))
        return false;
    COUNT(core, media_restarts_asked);
    if (a->restart.state == RESTART_ASKING || a->restart.st != NULL || is_busy(leg, call_other(leg))) {
        COUNT(core, media_glare);
        (void)sip_treply(NULL, sip, msg, 491, "Request Pending");
        return true;
    }
    if (sip_strans_alloc(&a->restart.st, sip, msg, NULL, NULL) != 0) {
        msg_refuse(sip, msg, 500);
        return true;
    }
    a->restart.msg = mem_ref((void *)msg);
    if (begin_theirs(a, msg, content.body, &facts) != 0)
        reply(a, 500, NULL);
    else
        later(a, 0);
    return true;
}

/* ---- both ---- */

static void go_on(struct anchor *a, const struct leg *other)
{
    uint64_t now_ms = tmr_jiffies();
    bool again = a->restart.again || any(a, stream_moved, true);
    if (a->restart.state == RESTART_NONE && a->restart.st == NULL) {
        if (is_busy(a->leg, other) || a->agreed[OURS].len == 0)
            later(a, BUSY_MS);
        else
            begin(a);
    } else if (again) {
        (void)restart_all(a); /* it has moved once more: what was gathered is of the place before */
    } else if (any(a, stream_is_ready, false)) {
        return; /* comes back here with the last one */
    } else if (a->restart.st != NULL) {
        answer(a);
    } else if (now_ms < a->restart.wait_ms) {
        later(a, a->restart.wait_ms - now_ms);
    } else if (is_busy(a->leg, other)) {
        later(a, BUSY_MS);
    } else {
        ask(a);
    }
}

static void step(void *arg)
{
    struct anchor *a = arg;
    const struct leg *leg = a->leg, *other = call_other(a->leg);
    bool wanted = a->restart.again || any(a, stream_moved, true);
    if (a->restart.state == RESTART_ASKING ||
        (a->restart.state == RESTART_NONE && a->restart.st == NULL && !wanted))
        return; /* the answer goes on; there is nothing to do */
    if (leg->call->state != CALL_UP || leg->state != LEG_UP || other == NULL)
        later(a, BUSY_MS);
    else
        go_on(a, other);
}

void anchor_conn_lost(struct leg *leg)
{
    struct anchor *a = leg->anchor;
    if (a == NULL)
        return;
    forget_theirs(a);
    if (a->restart.state != RESTART_ASKING)
        return;
    a->restart.req = mem_deref(a->restart.req);
    a->restart.state = RESTART_GATHERING;
    later(a, AGAIN_MS);
}

void anchor_restart_end(struct anchor *a)
{
    tmr_cancel(&a->restart.tmr);
    if (a->restart.st != NULL)
        reply(a, 481, NULL);
    a->restart.req = mem_deref(a->restart.req);
    kept_free(a->leg->call->core, &a->restart.last);
}
