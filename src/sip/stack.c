/* stack.c - the two libre stacks: opening, closing, and who gets a message that belongs to no transaction. */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>
#include "base/error.h"
#include "sip/auth.h"
#include "sip/bridge.h"
#include "sip/call.h"
#include "sip/fork.h"
#include "sip/registrar.h"
#include "sip/side.h"
#include "sip/text.h"

#define ROW(name, help) {#name, help, offsetof(struct rf_sip_counters, name)},
RF_COUNTERS_DEFINE(sip, SIP_COUNTERS, ROW)
#undef ROW

#define HASH_SIZE 256

/* ---- helpers ---- */

struct rf_view msg_body(const struct sip_msg *msg)
{
    size_t len = mbuf_get_left(msg->mb);
    if (pl_isset(&msg->clen)) {
        size_t told = pl_u32(&msg->clen);
        len = told < len ? told : len;
    }
    return rf_view_of(mbuf_buf(msg->mb), len);
}

int msg_from_aor(const struct sip_msg *msg, char out[AOR_MAX])
{
    if (pl_strcasecmp(&msg->from.uri.scheme, "sip") != 0 && pl_strcasecmp(&msg->from.uri.scheme, "sips") != 0)
        return RF_EFORMAT;
    return aor_from_uri(view_of_pl(&msg->from.uri.user), view_of_pl(&msg->from.uri.host), out);
}

void msg_refuse(struct sip *sip, const struct sip_msg *msg, int code)
{
    (void)sip_reply(sip, msg, (uint16_t)code, fork_reason(code));
}

int msg_max_forwards(const struct sip_msg *msg)
{
    uint32_t n = pl_isset(&msg->maxfwd) ? pl_u32(&msg->maxfwd) : 70;
    return (int)(n < 71 ? n : 71) - 1;
}

struct sip *stack_of(struct core *core, const struct flow *flow)
{
    return flow->overlay ? core->overlay : core->phones;
}

const char *stack_own_uri(const struct core *core, const struct flow *flow)
{
    return flow->sips ? core->uri_sips : core->uri;
}

int stack_source_for(const struct sa *dst, struct sa *out)
{
    struct sa to = *dst;
    int fd = socket(sa_af(dst), SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int error = RF_ESYSTEM;

    if (sa_port(&to) == 0)
        sa_set_port(&to, 9); /* nothing is sent */
    sa_init(out, sa_af(dst));
    out->len = sizeof(out->u);
    if (fd >= 0 && connect(fd, &to.u.sa, to.len) == 0 && getsockname(fd, &out->u.sa, &out->len) == 0)
        error = 0;
    if (fd >= 0)
        close(fd);
    sa_set_port(out, 0);
    return error;
}

int stack_contact(struct core *core, const struct flow *flow, char *out, size_t max)
{
    struct sa local = core->phones_addr;
    char user[AOR_URI_MAX];

    if (flow->overlay)
        return re_snprintf(out, max, "%s", stack_own_uri(core, flow)) < 0 ? RF_ELIMIT : 0;
    if (sa_is_any(&local)) { /* the address by which that phone sees us */
        uint16_t port = sa_port(&local);
        if (stack_source_for(&flow->addr, &local) != 0)
            return RF_ESYSTEM;
        sa_set_port(&local, port);
    }
    aor_to_uri(core->aor, false, user);
    *strrchr(user, '@') = '\0';
    return re_snprintf(out, max, "%s@%J%s", user, &local, sip_transp_param(flow->tp)) < 0 ? RF_ELIMIT : 0;
}

bool stack_is_host(struct core *core, const struct sip_msg *msg, const struct pl *host)
{
    struct sa addr, local;
    if (pl_strcasecmp(host, core->domain) == 0 || pl_strcasecmp(host, "localhost") == 0)
        return true;
    if (sa_set(&addr, host, 0) != 0)
        return false;
    if (sa_is_loopback(&addr) || sa_cmp(&addr, &core->phones_addr, SA_ADDR))
        return true;
    return stack_source_for(&msg->src, &local) == 0 && sa_cmp(&addr, &local, SA_ADDR);
}

#define ALLOWED "Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, REGISTER, MESSAGE, INFO, UPDATE\r\n"

static void answer_options(struct sip *sip, const struct sip_msg *msg)
{
    (void)sip_replyf(sip, msg, 200, "OK",
                     ALLOWED
                     "Accept: application/sdp, text/plain\r\nSupported: timer\r\nContent-Length: 0\r\n\r\n");
}

static void refuse_method(struct sip *sip, const struct sip_msg *msg)
{
    (void)sip_replyf(sip, msg, 405, "Method Not Allowed", ALLOWED "Content-Length: 0\r\n\r\n");
}

static bool is(const struct sip_msg *msg, const char *method)
{
    return pl_strcmp(&msg->met, method) == 0;
}

/* ---- phones ---- */

/* A datagram that is no SIP message never reaches libre, which would write a line to stderr for each. */
static bool guard_receive(struct sa *src, struct mbuf *mb, void *arg)
{
    struct core *core = arg;
    struct sip_msg *msg = NULL;
    size_t pos = mb->pos;
    bool keep_alive = mbuf_get_left(mb) <= 4;
    int err = keep_alive ? EBADMSG : sip_msg_decode(&msg, mb);

    (void)src;
    if (err == 0 && pl_isset(&msg->clen) && pl_u32(&msg->clen) > mbuf_get_left(mb))
        err = EBADMSG; /* cut short (RFC 3261, 18.3) */
    if (err == 0 && (!pl_isset(&msg->via.branch) || !pl_isset(&msg->callid) || !pl_isset(&msg->cseq.met) ||
                     !pl_isset(&msg->from.auri) || !pl_isset(&msg->to.auri)))
        err = EBADMSG;
    mem_deref(msg);
    mb->pos = pos;
    if (err != 0 && !keep_alive)
        COUNT(core, phone_malformed);
    return err != 0;
}

/* libre keeps its UDP socket to itself; a message of ours that it receives carries it. */
static bool is_probe(struct core *core, const struct sip_msg *msg)
{
    if (core->guard != NULL || msg->tp != SIP_TRANSP_UDP || pl_strcmp(&msg->callid, core->probe_id) != 0)
        return false;
    if (udp_register_helper(&core->guard, msg->sock, 0, NULL, guard_receive, core) != 0)
        core->guard = NULL;
    return true;
}

/* From the address that its dialog lives on, or proved by password (then the dialog has moved there). */
static bool owns_leg(struct core *core, struct leg *leg, const struct sip_msg *msg)
{
    if (leg->kind != LEG_PHONE)
        return false;
    if (leg->flow.tp == msg->tp && sa_cmp(&leg->flow.addr, &msg->src, SA_ALL))
        return true;
    if (is(msg, "ACK") || !auth_admit(core, msg))
        return false;
    leg->flow = flow_of_phone(msg);
    return true;
}

static bool complete(const struct sip_msg *msg)
{
    return pl_isset(&msg->via.branch) && pl_isset(&msg->callid) && pl_isset(&msg->cseq.met) &&
           pl_isset(&msg->from.auri) && pl_isset(&msg->from.tag) && pl_isset(&msg->to.auri) &&
           pl_cmp(&msg->met, &msg->cseq.met) == 0;
}

static bool phone_request(const struct sip_msg *msg, void *arg)
{
    struct core *core = arg;
    struct leg *leg;

    if (is_probe(core, msg))
        return true;
    COUNT(core, phone_requests);
    if (!complete(msg) || core->closing) {
        msg_refuse(core->phones, msg, core->closing ? 503 : 400);
    } else if (pl_isset(&msg->to.tag)) {
        leg = leg_by_tag(core, &msg->to.tag);
        if (leg == NULL || leg->kind != LEG_PHONE)
            msg_refuse(core->phones, msg, 481); /* nothing is sent for an ACK */
        else if (owns_leg(core, leg, msg))
            leg_request(core, leg, msg);
    } else if (is(msg, "ACK")) {
        return true;
    } else if (is(msg, "CANCEL")) {
        msg_refuse(core->phones, msg, 481);
    } else if (is(msg, "OPTIONS")) {
        answer_options(core->phones, msg);
    } else if (!is(msg, "REGISTER") && !is(msg, "INVITE") && !is(msg, "MESSAGE")) {
        refuse_method(core->phones, msg);
    } else if (auth_admit(core, msg)) {
        if (is(msg, "REGISTER"))
            registrar_request(core, msg);
        else if (is(msg, "INVITE"))
            call_from_phone(core, msg);
        else
            text_from_phone(core, msg);
    }
    return true;
}

/* ---- overlay ---- */

/* For us: the request URI names our user. */
static bool for_us(struct core *core, const struct sip_msg *msg)
{
    char aor[AOR_MAX];
    return aor_from_uri(view_of_pl(&msg->uri.user), view_of_pl(&msg->uri.host), aor) == 0 &&
           aor_equal(aor, core->aor);
}

static void overlay_dialog_request(struct core *core, const struct bridge_conn *conn,
                                   const struct sip_msg *msg)
{
    struct leg *leg = leg_by_tag(core, &msg->to.tag);
    if (leg == NULL || leg->kind != LEG_OVERLAY || !rf_id_equal(&leg->flow.node, &conn->node) ||
        strcmp(leg->device.aor, conn->user) != 0) {
        msg_refuse(core->overlay, msg, 481);
        return;
    }
    leg_request(core, leg, msg);
}

static void overlay_first_request(struct core *core, const struct bridge_conn *conn,
                                  const struct sip_msg *msg)
{
    char from[AOR_MAX];
    struct flow flow;

    if (msg_from_aor(msg, from) != 0 || !aor_equal(from, conn->user)) {
        COUNT(core, overlay_forbidden);
        core_log(core, RF_LOG_WARN, "%s claims to be somebody else", conn->user);
        msg_refuse(core->overlay, msg, 403);
    } else if (is(msg, "OPTIONS")) {
        answer_options(core->overlay, msg);
    } else if (!is(msg, "INVITE") && !is(msg, "MESSAGE")) {
        refuse_method(core->overlay, msg);
    } else if (!for_us(core, msg)) {
        msg_refuse(core->overlay, msg, 404);
    } else if (bridge_ready(core, conn->id, &flow) != 0) {
        msg_refuse(core->overlay, msg, 503);
    } else if (is(msg, "INVITE")) {
        struct device device = {.node = conn->node, .application = conn->application};
        memcpy(device.aor, conn->user, sizeof(device.aor));
        call_from_overlay(core, msg, &flow, &device);
    } else {
        text_from_overlay(core, msg, &flow, conn->user);
    }
}

static bool overlay_request(const struct sip_msg *msg, void *arg)
{
    struct core *core = arg;
    const struct bridge_conn *conn = bridge_at(core, &msg->src);

    if (conn == NULL) {
        COUNT(core, overlay_stranger);
        msg_refuse(core->overlay, msg, 403);
    } else if (!complete(msg) || core->closing) {
        msg_refuse(core->overlay, msg, core->closing ? 503 : 400);
    } else if (pl_isset(&msg->to.tag)) {
        overlay_dialog_request(core, conn, msg);
    } else if (is(msg, "CANCEL")) {
        msg_refuse(core->overlay, msg, 481);
    } else if (!is(msg, "ACK")) {
        overlay_first_request(core, conn, msg);
    }
    return true;
}

static bool stray_response(const struct sip_msg *msg, void *arg)
{
    struct core *core = arg;
    struct leg *leg = leg_by_tag(core, &msg->from.tag);
    if (leg != NULL)
        leg_stray_response(leg, msg);
    else
        COUNT(core, unexpected_responses);
    return true;
}

/* ---- opening and closing ---- */

/* libre keeps a table by descriptor number, with 1024 entries unless told otherwise; the rest of the process may have many open. */
static void allow_descriptors(void)
{
    struct rlimit limit;
    int n = 1024;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
        n = limit.rlim_cur > 65536 ? 65536 : (int)limit.rlim_cur;
    (void)fd_setsize(n);
}

static int to_sa(const struct rf_addr *addr, struct sa *out)
{
    char text[RF_ADDR_TEXT_LEN];
    rf_addr_ip_text(addr, text);
    return sa_set_str(out, text, addr->port);
}

static int send_probe(struct core *core)
{
    struct udp_sock *us = NULL;
    struct mbuf *mb = mbuf_alloc(512);
    struct sa dst = core->phones_addr, src;
    char tag[TAG_TEXT_LEN];

    if (sa_is_any(&dst))
        sa_set_str(&dst, sa_af(&dst) == AF_INET6 ? "::1" : "127.0.0.1", sa_port(&core->phones_addr));
    src = dst;
    sa_set_port(&src, 0);
    dialog_tag(rand_u64(), tag);
    snprintf(core->probe_id, sizeof(core->probe_id), "probe-%s", tag);
    int err = mb == NULL ? ENOMEM : udp_listen(&us, &src, NULL, NULL);
    if (err == 0)
        err = mbuf_printf(mb,
                          "OPTIONS sip:probe SIP/2.0\r\nVia: SIP/2.0/UDP %J;branch=z9hG4bK%s;rport\r\n"
                          "From: <sip:probe@localhost>;tag=1\r\nTo: <sip:probe@localhost>\r\nCall-ID: %s\r\n"
                          "CSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n",
                          &src, tag, core->probe_id);
    if (err == 0) {
        mb->pos = 0;
        err = udp_send(us, &dst, mb);
    }
    mem_deref(us);
    mem_deref(mb);
    return err;
}

/*
 * Two small messages in a row must not wait for each other (Nagle's algorithm against delayed acknowledgements: 40 ms). libre gives no access
 * to its listening sockets, so they are found by their address; what they accept inherits the option.
 */
static void without_delay(const struct sa *listening)
{
    struct rlimit limit;
    int on = 1, accepts;
    int most = getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < 65536 ? (int)limit.rlim_cur : 65536;

    for (int fd = 0; fd < most; fd++) {
        struct sa local;
        socklen_t len = sizeof(accepts);
        sa_init(&local, AF_UNSPEC);
        local.len = sizeof(local.u);
        if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &accepts, &len) == 0 && accepts != 0 &&
            getsockname(fd, &local.u.sa, &local.len) == 0 && sa_cmp(&local, listening, SA_ALL))
            (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    }
}

/* UDP first; with port 0 the kernel chooses it and TCP takes the same one, so that a few tries may be needed. */
static int open_phones(struct core *core, const struct rf_addr *listen, char *why, size_t why_len)
{
    struct sa want;
    int err = to_sa(listen, &want);

    for (int tries = 0; err == 0 && tries < 20; tries++) {
        err = sip_alloc(&core->phones, NULL, HASH_SIZE, HASH_SIZE, HASH_SIZE, core->software, NULL, core);
        if (err == 0)
            err = sip_transp_add(core->phones, SIP_TRANSP_UDP, &want);
        if (err == 0)
            err = sip_transp_laddr(core->phones, &core->phones_addr, SIP_TRANSP_UDP, &want);
        if (err == 0)
            err = sip_transp_add(core->phones, SIP_TRANSP_TCP, &core->phones_addr);
        if (err == 0)
            break;
        core->phones = mem_deref(core->phones);
        if (listen->port != 0 || err != EADDRINUSE)
            break;
        err = 0;
    }
    if (err == 0 && core->phones != NULL)
        without_delay(&core->phones_addr);
    if (err == 0 && core->phones != NULL)
        err = sip_listen(NULL, core->phones, true, phone_request, core) |
              sip_listen(NULL, core->phones, false, stray_response, core) | send_probe(core);
    if (err == 0 && core->phones != NULL)
        return 0;
    char text[RF_ADDR_TEXT_LEN];
    rf_addr_text(listen, text);
    if (err == EADDRINUSE)
        snprintf(why, why_len,
                 "SIP address %s is in use by another program; choose another one or end that program", text);
    else
        snprintf(why, why_len, "SIP address %s cannot be used: %s", text, strerror(err));
    return RF_ESYSTEM;
}

static int open_overlay(struct core *core)
{
    struct sa any;
    int err = sip_alloc(&core->overlay, NULL, HASH_SIZE, HASH_SIZE, HASH_SIZE, core->software, NULL, core);
    if (err == 0)
        err = sa_set_str(&any, "127.0.0.1", 0);
    if (err == 0)
        err = sip_transp_add(core->overlay, SIP_TRANSP_TCP, &any);
    if (err == 0)
        err = sip_transp_laddr(core->overlay, &core->overlay_addr, SIP_TRANSP_TCP, &any);
    if (err == 0)
        without_delay(&core->overlay_addr);
    if (err == 0)
        err = sip_listen(NULL, core->overlay, true, overlay_request, core) |
              sip_listen(NULL, core->overlay, false, stray_response, core);
    return err;
}

int stack_open(struct core *core, const struct rf_addr *listen, char *why, size_t why_len)
{
    allow_descriptors();
    if (listen->family != 0 && open_phones(core, listen, why, why_len) != 0)
        return RF_ESYSTEM;
    int err = open_overlay(core);
    if (err != 0)
        snprintf(why, why_len, "no SIP port on 127.0.0.1: %s", strerror(err));
    return err == 0 ? 0 : RF_ESYSTEM;
}

void stack_close(struct core *core)
{
    core->guard = mem_deref(core->guard);
    if (core->phones != NULL)
        sip_close(core->phones, true);
    if (core->overlay != NULL)
        sip_close(core->overlay, true);
    core->phones = mem_deref(core->phones);
    core->overlay = mem_deref(core->overlay);
}
