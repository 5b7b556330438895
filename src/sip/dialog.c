/* dialog.c - one dialog of ours with a phone or a device. */
#include "sip/dialog.h"
#include <stdio.h>
#include "base/error.h"
#include "sip/bridge.h"
#include "sip/fork.h"

void dialog_tag(uint64_t tag, char out[TAG_TEXT_LEN])
{
    snprintf(out, TAG_TEXT_LEN, "%016llx", (unsigned long long)tag);
}

struct content content_of(const struct sip_msg *msg)
{
    const struct sip_hdr *type = sip_msg_hdr(msg, SIP_HDR_CONTENT_TYPE);
    struct content c = {.body = msg_body(msg)};
    if (type != NULL && c.body.len > 0)
        c.type = view_of_pl(&type->val);
    return c;
}

/* ---- life ---- */

static char *copy(struct core *core, struct rf_view v, const char *before, const char *after)
{
    size_t a = strlen(before), b = strlen(after);
    char *s = rf_alloc(core->mem, a + v.len + b + 1);
    if (s == NULL)
        return NULL;
    memcpy(s, before, a);
    if (v.len > 0)
        memcpy(s + a, v.p, v.len);
    memcpy(s + a + v.len, after, b + 1);
    return s;
}

int dialog_out(struct core *core, struct dialog *d, const char *local, const char *remote, const char *target)
{
    char tag[TAG_TEXT_LEN], call_id[2 * TAG_TEXT_LEN];

    *d = (struct dialog){.local_seq = 1 + (rand_u16() & 0x3ff)};
    dialog_tag(rand_u64(), tag);
    dialog_tag(rand_u64(), call_id);
    dialog_tag(rand_u64(), call_id + TAG_TEXT_LEN - 1);
    d->local_tag = rf_strdup(core->mem, tag);
    d->call_id = rf_strdup(core->mem, call_id);
    d->local = copy(core, rf_view_str(local), "<", ">");
    d->remote = copy(core, rf_view_str(remote), "<", ">");
    d->target = rf_strdup(core->mem, target);
    if (d->local_tag != NULL && d->call_id != NULL && d->local != NULL && d->remote != NULL &&
        d->target != NULL)
        return 0;
    dialog_deinit(core, d);
    return RF_ENOMEM;
}

/* the URI of the first Contact; len 0: none that we could use */
static struct rf_view contact_of(const struct sip_msg *msg)
{
    const struct sip_hdr *hdr = sip_msg_hdr(msg, SIP_HDR_CONTACT);
    struct sip_addr addr;
    if (hdr == NULL || sip_addr_decode(&addr, &hdr->val) != 0 || !aor_uri_clean(view_of_pl(&addr.auri)))
        return rf_view_of(NULL, 0);
    return view_of_pl(&addr.auri);
}

int dialog_in(struct core *core, struct dialog *d, const struct sip_msg *msg)
{
    struct rf_view contact = contact_of(msg);

    *d = (struct dialog){.local_seq = 1 + (rand_u16() & 0x3ff)};
    if (contact.len == 0 || !pl_isset(&msg->from.tag) || !aor_uri_clean(view_of_pl(&msg->to.auri)) ||
        !aor_uri_clean(view_of_pl(&msg->from.auri)))
        return RF_EFORMAT;
    d->call_id = copy(core, view_of_pl(&msg->callid), "", "");
    d->remote_tag = copy(core, view_of_pl(&msg->from.tag), "", "");
    d->local = copy(core, view_of_pl(&msg->to.auri), "<", ">");
    d->remote = copy(core, view_of_pl(&msg->from.auri), "<", ">");
    d->target = copy(core, contact, "", "");
    d->remote_seq = msg->cseq.num;
    d->remote_seq_known = true;
    if (d->call_id != NULL && d->remote_tag != NULL && d->local != NULL && d->remote != NULL &&
        d->target != NULL)
        return 0;
    dialog_deinit(core, d);
    return RF_ENOMEM;
}

static int replace(struct core *core, char **where, struct rf_view with)
{
    char *fresh = copy(core, with, "", "");
    if (fresh == NULL)
        return RF_ENOMEM;
    rf_free(core->mem, *where);
    *where = fresh;
    return 0;
}

int dialog_set_tag(struct core *core, struct dialog *d, uint64_t tag)
{
    char text[TAG_TEXT_LEN];
    dialog_tag(tag, text);
    return replace(core, &d->local_tag, rf_view_str(text));
}

int dialog_learn(struct core *core, struct dialog *d, const struct sip_msg *msg)
{
    struct rf_view contact = contact_of(msg);
    int error = 0;

    if (!msg->req && pl_isset(&msg->to.tag))
        error = replace(core, &d->remote_tag, view_of_pl(&msg->to.tag));
    if (error == 0 && contact.len > 0)
        error = replace(core, &d->target, contact);
    return error;
}

static bool same(const char *ours, const struct pl *theirs)
{
    return ours != NULL && rf_view_equal(rf_view_str(ours), view_of_pl(theirs));
}

int dialog_accepts(struct dialog *d, const struct sip_msg *msg)
{
    if (!same(d->call_id, &msg->callid) || !same(d->local_tag, &msg->to.tag) ||
        !same(d->remote_tag, &msg->from.tag))
        return RF_ENOTFOUND;
    if (pl_strcmp(&msg->met, "ACK") == 0)
        return 0; /* carries its INVITE's number */
    if (d->remote_seq_known && msg->cseq.num <= d->remote_seq)
        return RF_EDUPLICATE;
    d->remote_seq = msg->cseq.num;
    d->remote_seq_known = true;
    return 0;
}

void dialog_deinit(struct core *core, struct dialog *d)
{
    rf_free(core->mem, d->call_id);
    rf_free(core->mem, d->local_tag);
    rf_free(core->mem, d->remote_tag);
    rf_free(core->mem, d->local);
    rf_free(core->mem, d->remote);
    rf_free(core->mem, d->target);
    *d = (struct dialog){0};
}

/* ---- headers that travel end to end ---- */

static bool token_in(const struct pl *list, const char *token)
{
    return re_regex(list->p, list->l, token) == 0;
}

static int passed_header(struct mbuf *mb, const struct sip_hdr *hdr)
{
    switch (hdr->id) {
    case SIP_HDR_SUBJECT:
    case SIP_HDR_PRIORITY:
    case SIP_HDR_ORGANIZATION:
    case SIP_HDR_DATE:
    case SIP_HDR_IN_REPLY_TO:
    case SIP_HDR_REASON:
    case SIP_HDR_SESSION_EXPIRES:
    case SIP_HDR_MIN_SE:
    case SIP_HDR_RETRY_AFTER:
    case SIP_HDR_WARNING:
    case SIP_HDR_CONTENT_DISPOSITION:
    case SIP_HDR_CONTENT_LANGUAGE:
    case SIP_HDR_CONTENT_ENCODING:
    case SIP_HDR_MIME_VERSION:
    case SIP_HDR_ACCEPT:
    case SIP_HDR_EVENT:
    case SIP_HDR_SUBSCRIPTION_STATE:
        return mbuf_printf(mb, "%r: %r\r\n", &hdr->name, &hdr->val);
    case SIP_HDR_SUPPORTED:
        return token_in(&hdr->val, "timer") ? mbuf_write_str(mb, "Supported: timer\r\n") : 0;
    case SIP_HDR_REQUIRE: /* nothing else came past extension_refused */
        return token_in(&hdr->val, "timer") ? mbuf_write_str(mb, "Require: timer\r\n") : 0;
    default:
        if (pl_strcasecmp(&hdr->name, "Info-Package") == 0 || pl_strcasecmp(&hdr->name, "Recv-Info") == 0)
            return mbuf_printf(mb, "%r: %r\r\n", &hdr->name, &hdr->val);
        return 0;
    }
}

int passed_headers(struct mbuf *mb, const struct sip_msg *msg)
{
    int error = 0;
    for (const struct le *le = list_head(&msg->hdrl); le != NULL && error == 0; le = le->next)
        error = passed_header(mb, le->data);
    return error;
}

struct rf_view bad_extension(const struct sip_msg *msg)
{
    for (const struct le *le = list_head(&msg->hdrl); le != NULL; le = le->next) {
        const struct sip_hdr *hdr = le->data;
        struct pl rest = hdr->val, token;
        if (hdr->id != SIP_HDR_REQUIRE)
            continue;
        while (re_regex(rest.p, rest.l, "[^, \t]+", &token) == 0) {
            if (pl_strcasecmp(&token, "timer") != 0)
                return view_of_pl(&token);
            pl_advance(&rest, token.p + token.l - rest.p);
        }
    }
    return rf_view_of(NULL, 0);
}

bool extension_refused(struct sip *sip, const struct sip_msg *msg)
{
    struct rf_view token = bad_extension(msg);
    if (token.len > 0)
        (void)sip_treplyf(NULL, NULL, sip, msg, false, 420, "Bad Extension",
                          "Unsupported: %b\r\nContent-Length: 0\r\n\r\n", token.p, token.len);
    return token.len > 0;
}

/* ---- sending ---- */

#define ALLOW "Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, MESSAGE\r\n"

static int put_content(struct mbuf *mb, const struct content *c)
{
    int error = 0;
    if (c->body.len > 0 && c->type.len > 0)
        error = mbuf_printf(mb, "Content-Type: %b\r\n", c->type.p, c->type.len);
    error |= mbuf_printf(mb, "Content-Length: %zu\r\n\r\n", c->body.len);
    if (c->body.len > 0)
        error |= mbuf_write_mem(mb, c->body.p, c->body.len);
    return error;
}

static int put_request(struct core *core, struct mbuf *mb, const struct dialog *d, const struct flow *flow,
                       const struct request *r)
{
    char contact[AOR_URI_MAX + 80];
    int hops = r->passed != NULL ? msg_max_forwards(r->passed) : 70;
    int error = mbuf_printf(mb, "Max-Forwards: %d\r\nTo: %s", hops > 0 ? hops : 0, d->remote);

    if (d->remote_tag != NULL)
        error |= mbuf_printf(mb, ";tag=%s", d->remote_tag);
    error |= mbuf_printf(mb, "\r\nFrom: %s;tag=%s\r\nCall-ID: %s\r\nCSeq: %u %s\r\n", d->local, d->local_tag,
                         d->call_id, r->seq, r->method);
    if (r->contact) {
        if (stack_contact(core, flow, contact, sizeof(contact)) != 0)
            return EINVAL;
        error |= mbuf_printf(mb, "Contact: <%s>\r\n" ALLOW, contact);
    }
    if (core->software != NULL)
        error |= mbuf_printf(mb, "User-Agent: %s\r\n", core->software);
    if (r->passed != NULL)
        error |= passed_headers(mb, r->passed);
    if (r->extra != NULL)
        error |= mbuf_write_str(mb, r->extra);
    return error | put_content(mb, &r->content);
}

int dialog_send(struct core *core, const struct dialog *d, const struct flow *flow, const struct request *r,
                struct sip_request **reqp, sip_resp_h *resp, void *arg)
{
    char route_text[96];
    struct pl route_pl;
    struct uri route;
    struct mbuf *mb = mbuf_alloc(1024);
    bool ack = strcmp(r->method, "ACK") == 0;
    struct flow now;

    if (mb == NULL)
        return RF_ENOMEM;
    if (flow->overlay &&
        bridge_ready(core, flow->conn, &now) != 0) { /* its loopback port may be anybody's by now */
        mem_deref(mb);
        return RF_ECLOSED;
    }
    int error = re_snprintf(route_text, sizeof(route_text), "sip:%J;transport=%s", &flow->addr,
                            flow->tp == SIP_TRANSP_TCP ? "tcp" : "udp") < 0;
    pl_set_str(&route_pl, route_text);
    error = error || uri_decode(&route, &route_pl) != 0 || put_request(core, mb, d, flow, r) != 0;
    mb->pos = 0;
    if (!error)
        error = sip_request(reqp, stack_of(core, flow), !ack, r->method, -1, d->target, -1, &route, mb, 0,
                            NULL, resp, arg);
    mem_deref(mb);
    return error ? RF_ESYSTEM : 0;
}

void dialog_bye(struct core *core, struct dialog *d, const struct flow *flow)
{
    struct request bye = {.method = "BYE", .seq = ++d->local_seq};
    (void)dialog_send(core, d, flow, &bye, NULL, NULL, NULL);
}

int reply_passing(struct core *core, struct sip *sip, struct sip_strans **st, struct mbuf **mbp,
                  const struct sip_msg *msg, int code, const struct sip_msg *from, const char *contact,
                  const struct content *content)
{
    struct content c = content != NULL ? *content : from != NULL ? content_of(from) : (struct content){0};
    struct mbuf *mb = mbuf_alloc(512);
    char reason[64];
    int error;

    (void)core;
    if (mb == NULL) {
        *st = mem_deref(*st);
        return RF_ENOMEM;
    }
    if (from != NULL && from->scode == code && from->reason.l > 0)
        snprintf(reason, sizeof(reason), "%.*s", (int)from->reason.l, from->reason.p);
    else
        snprintf(reason, sizeof(reason), "%s", fork_reason(code));
    error = contact != NULL ? mbuf_printf(mb, "Contact: <%s>\r\n" ALLOW, contact) : 0;
    if (from != NULL)
        error |= passed_headers(mb, from);
    error |= put_content(mb, &c);
    if (error == 0)
        error = sip_treplyf(st, mbp, sip, msg, false, (uint16_t)code, reason, "%b", mb->buf, mb->end);
    else
        *st = mem_deref(*st);
    mem_deref(mb);
    return error != 0 ? RF_ESYSTEM : 0;
}
