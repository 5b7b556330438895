/* anchor.c - the SDPs of an anchored leg. */
#include "sip/anchor_internal.h"
#include <strings.h>
#include "base/error.h"
#include "sip/local.h"
#include "sip/sdp.h"
#include "sip/stream.h"
#include "sip/ways.h"

/* ---- life ---- */

static void tell_ready(void *arg)
{
    struct anchor *a = arg;
    a->ready(a->leg);
}

static void on_stream_ready(void *arg)
{
    struct anchor *a = arg;
    for (size_t i = 0; i < ANCHOR_MAX_STREAMS; i++)
        if (a->streams[i] != NULL && !stream_is_ready(a->streams[i]))
            return;
    if (a->was_told)
        anchor_restart_step(a);
    else
        tmr_start(&a->told, 0, tell_ready, a);
    a->was_told = true;
}

static void on_stream_failed(void *arg, const char *why)
{
    struct anchor *a = arg;
    if (!a->was_told) { /* gathering failed: memory is short */
        a->was_told = true;
        if (a->leg != a->leg->call->a) {
            call_failed(a->leg, 500, NULL);
            return;
        }
    }
    call_media_failed(a->leg, why);
}

bool anchor_flows(const struct leg *leg)
{
    for (size_t i = 0; leg->anchor != NULL && i < ANCHOR_MAX_STREAMS; i++)
        if (leg->anchor->streams[i] != NULL && !stream_flows(leg->anchor->streams[i]))
            return false;
    return true;
}

static void on_stream_flows(void *arg)
{
    struct call *call = ((struct anchor *)arg)->leg->call;
    if (anchor_flows(((struct anchor *)arg)->leg) && call->a->kind == LEG_LOCAL)
        local_flows(call->a);
    else if (anchor_flows(((struct anchor *)arg)->leg) && call->b != NULL && call->b->kind == LEG_LOCAL)
        local_flows(call->b);
}

static void on_stream_moved(void *arg)
{
    anchor_restart_step(arg);
}

static bool usable(const struct sdp_media *m, bool incoming)
{
    return m->port != 0 && (incoming ? sdp_secure(m) : sdp_is_plain(m));
}

bool anchor_wants(struct core *core, struct rf_view offer, bool incoming)
{
    struct sdp_facts facts;
    if (core->ways == NULL)
        return false;
    if (offer.len > 0 && sdp_read(offer, &facts) != 0)
        return true; /* to be refused */
    for (size_t i = 0; offer.len > 0 && i < facts.count; i++)
        if (sdp_secure(&facts.media[i]))
            return incoming;
    return offer.len == 0 || !incoming;
}

int anchor_new(struct leg *leg, struct rf_view offer, void (*ready)(struct leg *leg))
{
    struct core *core = leg->call->core;
    struct sdp_facts facts = {.count = 1};
    bool incoming = leg == leg->call->a;
    size_t count = 0;

    if (offer.len > 0 && sdp_read(offer, &facts) != 0)
        return RF_EFORMAT;
    struct anchor *a = rf_zalloc(core->mem, sizeof(*a));
    if (a == NULL)
        return RF_ENOMEM;
    a->leg = leg;
    a->ready = ready;
    tmr_init(&a->told);
    tmr_init(&a->restart.tmr);
    leg->anchor = a;
    const struct stream_handler handler = {on_stream_ready, on_stream_flows, on_stream_failed,
                                           on_stream_moved, a};
    int error = 0;
    for (size_t i = 0; i < facts.count && i < ANCHOR_MAX_STREAMS && error == 0; i++)
        if (offer.len == 0 || usable(&facts.media[i], incoming)) {
            error = stream_open(core, &leg->flow.node, !incoming, &handler, &a->streams[i]);
            count++;
        }
    if (error == 0 && count == 0)
        error = RF_EUNSUPPORTED;
    if (error != 0)
        anchor_free(leg);
    return error;
}

void anchor_free(struct leg *leg)
{
    struct anchor *a = leg->anchor;
    if (a == NULL)
        return;
    leg->anchor = NULL;
    tmr_cancel(&a->told);
    anchor_restart_end(a);
    for (size_t i = 0; i < ANCHOR_MAX_STREAMS; i++)
        stream_free(a->streams[i]);
    for (size_t i = 0; i < RF_COUNT(a->agreed); i++) {
        kept_free(leg->call->core, &a->agreed[i]);
        kept_free(leg->call->core, &a->offered[i]);
    }
    rf_free(leg->call->core->mem, a);
}

/* ---- what SDPs become ---- */

static struct rf_addr addr_of(const struct sa *sa)
{
    struct rf_addr addr = {.port = sa_port(sa)};
    if (sa_af(sa) == AF_INET6) {
        addr.family = 6;
        sa_in6(sa, addr.ip);
    } else if (sa_af(sa) == AF_INET) {
        uint32_t ip = sa_in(sa);
        const uint8_t bytes[4] = {(uint8_t)(ip >> 24), (uint8_t)(ip >> 16), (uint8_t)(ip >> 8), (uint8_t)ip};
        addr.family = 4;
        memcpy(addr.ip, bytes, sizeof(bytes));
    }
    return addr;
}

/* The daemon's own audio is on this machine, whose other addresses come and go. */
static int loopback(const struct core *core, struct sa *out)
{
    bool v6 = sa_af(&core->media_addr) == AF_INET6;
    return sa_set_str(out, v6 ? "::1" : "127.0.0.1", 0) == 0 ? 0 : RF_ESYSTEM;
}

/* Our address as a phone sees it. */
static int address_for(const struct leg *inner, struct sa *out)
{
    if (inner->kind == LEG_PHONE)
        return stack_source_for(&inner->flow.addr, out);
    return loopback(inner->call->core, out);
}

static void drop_stream(struct anchor *a, size_t i)
{
    stream_free(a->streams[i]);
    a->streams[i] = NULL;
}

struct stream *anchor_stream(const struct anchor *a, size_t i)
{
    return i < ANCHOR_MAX_STREAMS ? a->streams[i] : NULL;
}

/* From the other node to a phone. */
static int inward(struct anchor *a, const struct leg *inner, bool offer, struct rf_view text,
                  const struct sdp_facts *facts, struct sdp_stand_in *out)
{
    struct sa local;
    size_t used = 0;
    int error = address_for(inner, &local);
    for (size_t i = 0; i < facts->count && error == 0; i++) {
        struct stream *s = anchor_stream(a, i);
        if (s == NULL)
            continue;
        if (!usable(&facts->media[i], true)) {
            if (!offer ||
                a->leg->call->b != NULL) /* refused, or ended; while phones ring it may yet be answered */
                drop_stream(a, i);
            continue;
        }
        error = stream_remote(s, text, i, &facts->media[i], offer);
        if (error == 0 && !offer)
            error = stream_start(s);
        if (error == 0)
            error = stream_listen(s, sa_af(&local), &out[i].port);
        out[i].addr = addr_of(&local);
        used++;
    }
    return error == 0 && used == 0 && facts->count > 0 ? RF_EUNSUPPORTED : error;
}

static struct rf_addr at_port(const struct sa *ip, uint16_t port)
{
    struct rf_addr addr = addr_of(ip);
    addr.port = port;
    return addr;
}

/* From a phone to the other node. */
static int outward(struct anchor *a, const struct leg *inner, bool offer, const struct sdp_facts *facts,
                   struct sdp_stand_in *out)
{
    struct rf_addr sip = {0};
    struct sa local;
    size_t used = 0;
    int error = 0;
    if (inner->kind == LEG_PHONE)
        sip = addr_of(&inner->flow.addr);
    for (size_t i = 0; i < facts->count && error == 0; i++) {
        struct stream *s = anchor_stream(a, i);
        const struct sdp_media *m = &facts->media[i];
        if (s == NULL)
            continue;
        if (!usable(m, false)) {
            if (!offer)
                drop_stream(a, i);
            continue;
        }
        error = stream_stand_in(s, offer, &out[i]);
        if (error == 0 && !offer)
            error = stream_start(s);
        struct rf_addr rtp = m->rtp, rtcp = m->rtcp;
        if (inner->kind == LEG_LOCAL && loopback(inner->call->core, &local) == 0) {
            rtp = at_port(&local, rtp.port);
            rtcp = at_port(&local, rtcp.port);
        }
        stream_phone(s, &rtp, &rtcp, &sip);
        used++;
    }
    return error == 0 && used == 0 && facts->count > 0 ? RF_EUNSUPPORTED : error;
}

/* ---- what was agreed ---- */

void kept_free(struct core *core, struct kept *kept)
{
    rf_free(core->mem, kept->bytes);
    *kept = (struct kept){0};
}

/* An offer counts when its answer has come. */
static int keep(struct anchor *a, enum side side, bool offer, struct rf_view text)
{
    struct core *core = a->leg->call->core;
    enum side other = side == OURS ? THEIRS : OURS;
    struct kept copy = {rf_memdup(core->mem, text.p, text.len), text.len};
    struct kept *to = offer ? &a->offered[side] : &a->agreed[side];
    if (copy.bytes == NULL)
        return RF_ENOMEM;
    kept_free(core, to);
    *to = copy;
    if (!offer && a->offered[other].len > 0) {
        kept_free(core, &a->agreed[other]);
        a->agreed[other] = a->offered[other];
        a->offered[other] = (struct kept){0};
    }
    return 0;
}

bool anchor_is_sdp(struct rf_view type)
{
    static const char name[] = "application/sdp";
    return type.len >= sizeof(name) - 1 && strncasecmp((const char *)type.p, name, sizeof(name) - 1) == 0 &&
           (type.len == sizeof(name) - 1 || strchr("; \t", type.p[sizeof(name) - 1]) != NULL);
}

int anchor_pass(struct leg *from, struct leg *to, bool offer, const struct content *content,
                struct passed *out)
{
    struct core *core = from->call->core;
    struct anchor *a = from->anchor != NULL ? from->anchor : to->anchor;
    struct sdp_stand_in stand_ins[SDP_MAX_MEDIA] = {0};
    struct sdp_facts facts;

    *out = (struct passed){.content = *content};
    if (a == NULL || content->body.len == 0)
        return 0;
    if (!anchor_is_sdp(content->type))
        return 415;
    int error = sdp_read(content->body, &facts);
    if (error == 0 && a == from->anchor)
        error = inward(a, to, offer, content->body, &facts, stand_ins);
    else if (error == 0)
        error = outward(a, from, offer, &facts, stand_ins);
    rf_buf_init(&out->buf, core->mem, SDP_MAX_LEN);
    if (error == 0)
        error =
            sdp_renew(content->body, stand_ins, facts.count, a == from->anchor ? 0 : a->versions, &out->buf);
    if (error == 0)
        error = keep(a, a == from->anchor ? THEIRS : OURS, offer, content->body);
    out->content.body = error == 0 ? rf_buf_view(&out->buf) : rf_view_of(NULL, 0);
    if (error == 0)
        return 0;
    COUNT(core, media_refused);
    return error == RF_ENOMEM || error == RF_ESYSTEM || error == RF_EAGAIN ? 500 : 488;
}

void passed_deinit(struct passed *passed)
{
    rf_buf_deinit(&passed->buf);
}
