/* stream.c - one anchored m= line. */
#include "sip/stream.h"
#include <netinet/in.h>
#include <unistd.h>
#include "base/assert.h"
#include "base/error.h"
#include "sip/dtls.h"
#include "sip/packets.h"
#include "sip/seal.h"
#include "sip/ways.h"

#define PORT_MIN         16384 /* below the ports that the kernel gives out by itself; as media.c's */
#define PORT_MAX         32766
#define PORT_TRIES       100
#define PACKETS_PER_TURN 32
#define SOCKET_BYTES     (128 * 1024)
#define RTP              0
#define RTCP             1

_Static_assert(PACKETS_TAIL >= SEAL_EXTRA + WAYS_TAIL, "a packet is sealed where it was read");

/* Ours, which ICE forgets once it is connected, or the other node's. */
struct half {
    char ufrag[RF_ICE_TEXT_MAX + 1], password[RF_ICE_TEXT_MAX + 1];
    struct sdp_print print; /* the other node's; and so is `setup` */
    enum sdp_setup setup;
    size_t count;
    struct rf_ice_cand candidates[RF_ICE_MAX_REMOTE];
};
_Static_assert(RF_ICE_MAX_LOCAL <= RF_ICE_MAX_REMOTE, "one struct for both");

struct phone_port {
    struct stream *stream;
    int fd; /* -1: none */
    struct sockaddr_storage to;
    socklen_t to_len; /* 0: unknown */
    bool latched;
};

struct stream {
    struct core *core;
    struct stream_handler handler;
    struct way *way;
    bool ready; /* our half is known */
    bool started, selected, has_role, active;
    bool restarted, moved; /* the way was begun anew once; it should be */
    struct half *remote, local;
    struct dtls *dtls;
    struct seal *seal;
    struct tmr tmr, report; /* the handshake's; tells that it is over */
    const char *why;        /* it failed */
    struct phone_port ports[2];
    uint16_t port;
    struct rf_addr allowed[2]; /* the phone's */
};

/* ---- failure: told by a timer, so that nobody further up the stack holds a stream that is gone ---- */

static void on_report(void *arg)
{
    struct stream *s = arg;
    s->handler.failed(s->handler.arg, s->why);
}

static void fail(struct stream *s, const char *why)
{
    if (s->why != NULL)
        return;
    s->why = why;
    tmr_cancel(&s->tmr);
    tmr_start(&s->report, 0, on_report, s);
}

/* ---- keys ---- */

static void on_dtls(struct stream *s, enum dtls_state state);

static void on_dtls_tick(void *arg)
{
    struct stream *s = arg;
    on_dtls(s, dtls_tick(s->dtls));
}

static void take_keys(struct stream *s)
{
    struct dtls_keys keys;
    int error = dtls_keys(s->dtls, &keys) ? seal_new(s->core->mem, &keys, &s->seal) : RF_ECRYPTO;
    rf_wipe(&keys, sizeof(keys));
    if (error != 0) {
        fail(s, "no keys for the media");
        return;
    }
    COUNT(s->core, media_secured);
    s->handler.flows(s->handler.arg);
}

static void on_dtls(struct stream *s, enum dtls_state state)
{
    unsigned wait_ms;
    if (state == DTLS_UP && s->seal == NULL) {
        tmr_cancel(&s->tmr);
        take_keys(s);
    } else if (state == DTLS_FAILED && s->why == NULL && s->seal == NULL) {
        COUNT(s->core, media_dtls_failed);
        core_log(s->core, RF_LOG_WARN, "the keys of a call's media could not be agreed: %s",
                 dtls_why(s->dtls));
        fail(s, "the keys of the media could not be agreed");
    } else if (state == DTLS_HANDSHAKE && (wait_ms = dtls_wait_ms(s->dtls)) > 0) {
        tmr_start(&s->tmr, wait_ms, on_dtls_tick, s);
    }
}

static void send_dtls(void *arg, struct rf_view datagram)
{
    struct stream *s = arg;
    uint8_t packet[WAYS_HEAD + DTLS_MAX_LEN + WAYS_TAIL];
    if (datagram.len > DTLS_MAX_LEN)
        return;
    memcpy(packet + WAYS_HEAD, datagram.p, datagram.len);
    (void)way_send(s->way, packet + WAYS_HEAD, datagram.len);
}

static void drop_keys(struct stream *s)
{
    tmr_cancel(&s->tmr);
    dtls_free(s->dtls);
    seal_free(s->core->mem, s->seal);
    s->dtls = NULL;
    s->seal = NULL;
}

static void begin_keying(struct stream *s)
{
    if (s->dtls != NULL || !s->selected || !s->started || s->why != NULL)
        return;
    struct dtls_config config = {.mem = s->core->mem,
                                 .identity = s->core->identity,
                                 .active = s->active,
                                 .print = s->remote->print,
                                 .send = send_dtls,
                                 .arg = s};
    if (dtls_new(&config, &s->dtls) != 0)
        fail(s, "no keys for the media");
    else
        on_dtls(s, dtls_start(s->dtls));
}

/* ---- from the other node ---- */

static void set_text(char out[RF_ICE_TEXT_MAX + 1], struct rf_view text)
{
    size_t len = text.len < RF_ICE_TEXT_MAX ? text.len : RF_ICE_TEXT_MAX;
    memcpy(out, text.p, len);
    out[len] = '\0';
}

static struct rf_ice_params params_of(const struct half *half)
{
    return (struct rf_ice_params){.ufrag = rf_view_str(half->ufrag),
                                  .password = rf_view_str(half->password),
                                  .candidates = half->candidates,
                                  .candidate_count = half->count};
}

static void on_ready(void *arg)
{
    struct stream *s = arg;
    struct rf_ice_params p;
    if (way_local(s->way, &p) != 0) {
        fail(s, "out of memory");
        return;
    }
    set_text(s->local.ufrag, p.ufrag);
    set_text(s->local.password, p.password);
    s->local.count = p.candidate_count < RF_ICE_MAX_LOCAL ? p.candidate_count : RF_ICE_MAX_LOCAL;
    memcpy(s->local.candidates, p.candidates, s->local.count * sizeof(*p.candidates));
    s->ready = true;
    s->handler.ready(s->handler.arg); /* it looks whether that is news */
}

static void on_selected(void *arg)
{
    struct stream *s = arg;
    struct rf_ice_info info;
    if (way_info(s->way, &info)) {
        if (s->restarted)
            COUNT(s->core, media_moved);
        else if (info.relayed)
            COUNT(s->core, media_relayed);
        else
            COUNT(s->core, media_direct);
    }
    s->selected = true;
    begin_keying(s);
}

static void on_restart(void *arg)
{
    struct stream *s = arg;
    s->moved = true;
    if (s->handler.moved != NULL)
        s->handler.moved(s->handler.arg);
}

static void on_failed(void *arg, int error)
{
    struct stream *s = arg;
    (void)error;
    if (s->selected)
        COUNT(s->core, media_lost);
    else
        COUNT(s->core, media_ice_failed);
    fail(s, s->selected ? "the way of the media was lost" : "no way for the media was found");
}

static void to_phone(struct stream *s, uint8_t *bytes, size_t len)
{
    bool rtcp = len >= 2 && seal_is_rtcp(bytes);
    struct phone_port *port = &s->ports[rtcp ? RTCP : RTP];
    int error = seal_open(s->seal, bytes, &len, rtcp);
    if (error == RF_EDUPLICATE)
        COUNT(s->core, media_srtp_replayed);
    else if (error != 0)
        COUNT(s->core, media_srtp_failed);
    else if (port->fd < 0 || port->to_len == 0)
        COUNT(s->core, media_no_phone);
    else if (sendto(port->fd, bytes, len, MSG_DONTWAIT, (struct sockaddr *)&port->to, port->to_len) < 0)
        COUNT(s->core, media_unsent);
    else
        COUNT(s->core, media_rtp_in);
}

static void on_data(void *arg, uint8_t *bytes, size_t len)
{
    struct stream *s = arg;
    if (bytes[0] >= 20 && bytes[0] <= 63) {
        if (s->dtls != NULL)
            on_dtls(s, dtls_input(s->dtls, rf_view_of(bytes, len)));
        else
            COUNT(s->core, media_before_keys);
    } else if (bytes[0] < 128 || bytes[0] > 191) {
        COUNT(s->core, media_unknown);
    } else if (s->seal == NULL) {
        COUNT(s->core, media_before_keys);
    } else {
        to_phone(s, bytes, len);
    }
}

/* ---- from the phone ---- */

static bool from_phone(struct stream *s, struct phone_port *port, const struct sockaddr_storage *ss,
                       socklen_t len)
{
    struct rf_addr from = ways_addr(ss);
    bool good = false;
    for (size_t i = 0; i < RF_COUNT(s->allowed); i++)
        good = good || (s->allowed[i].family != 0 && rf_addr_same_ip(&s->allowed[i], &from));
    if (good && !port->latched) {
        port->latched = true;
        memcpy(&port->to, ss, sizeof(port->to));
        port->to_len = len;
    }
    return good;
}

static void to_node(struct stream *s, uint8_t *bytes, size_t len, bool rtcp)
{
    if (s->seal == NULL)
        COUNT(s->core, media_before_keys);
    else if (seal_close(s->seal, bytes, &len, rtcp) != 0)
        COUNT(s->core, media_no_srtp);
    else if (way_send(s->way, bytes, len) != 0)
        COUNT(s->core, media_unsent);
    else
        COUNT(s->core, media_rtp_out);
}

static void on_phone(int flags, void *arg)
{
    struct phone_port *port = arg;
    struct stream *s = port->stream;
    struct packets *p = ways_packets(s->core->ways);
    size_t count = PACKETS_MAX;
    (void)flags;
    for (size_t n = 0; n < PACKETS_PER_TURN && count == PACKETS_MAX; n += count) {
        count = packets_read(p, port->fd);
        for (size_t i = 0; i < count; i++) {
            if (packets_len(p, i) > WAYS_MAX_PACKET)
                COUNT(s->core, media_oversize);
            else if (!from_phone(s, port, &p->from[i], packets_from_len(p, i)))
                COUNT(s->core, media_foreign);
            else
                to_node(s, packets_bytes(p, i), packets_len(p, i), port == &s->ports[RTCP]);
        }
    }
}

/* ---- the phone's port pair ---- */

static void close_port(struct phone_port *port)
{
    if (port->fd < 0)
        return;
    fd_close(port->fd);
    close(port->fd);
    port->fd = -1;
}

static int open_port(struct phone_port *port, uint8_t family, uint16_t number)
{
    struct rf_addr any = {.family = family, .port = number};
    struct sockaddr_storage ss;
    socklen_t len = ways_sockaddr(&any, &ss);
    int bytes = SOCKET_BYTES, on = 1;
    int fd = socket(ss.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return RF_ESYSTEM;
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
    if (family == 6)
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
    if (bind(fd, (struct sockaddr *)&ss, len) != 0 || fd_listen(fd, FD_READ, on_phone, port) != 0) {
        close(fd);
        return RF_ESYSTEM;
    }
    port->fd = fd;
    return 0;
}

int stream_listen(struct stream *s, int family, uint16_t *port)
{
    uint8_t f = family == AF_INET6 ? 6 : 4;
    for (int tries = 0; s->port == 0 && tries < PORT_TRIES; tries++) {
        uint16_t number = (uint16_t)(PORT_MIN + (rand_u32() % ((PORT_MAX - PORT_MIN) / 2)) * 2);
        if (open_port(&s->ports[RTP], f, number) == 0 &&
            open_port(&s->ports[RTCP], f, (uint16_t)(number + 1)) == 0)
            s->port = number;
        else
            close_port(&s->ports[RTP]);
    }
    *port = s->port;
    return s->port != 0 ? 0 : RF_ESYSTEM;
}

static void point_at(struct phone_port *port, const struct rf_addr *addr)
{
    port->latched = false;
    port->to_len =
        addr->family != 0 && addr->port != 0 && !rf_addr_is_any(addr) ? ways_sockaddr(addr, &port->to) : 0;
}

void stream_phone(struct stream *s, const struct rf_addr *rtp, const struct rf_addr *rtcp,
                  const struct rf_addr *sip)
{
    point_at(&s->ports[RTP], rtp);
    point_at(&s->ports[RTCP], rtcp);
    s->allowed[0] = *rtp;
    s->allowed[1] = *sip;
}

/* ---- the two halves ---- */

bool stream_is_ready(const struct stream *s)
{
    return s->ready;
}

bool stream_flows(const struct stream *s)
{
    return s->seal != NULL;
}

static enum sdp_setup our_setup(struct stream *s, bool offer)
{
    if (offer)
        return SDP_ACTPASS;
    if (!s->has_role) { /* RFC 5763, section 5: the answerer should be active */
        s->has_role = true;
        s->active = s->remote == NULL || s->remote->setup != SDP_ACTIVE;
    }
    return s->active ? SDP_ACTIVE : SDP_PASSIVE;
}

int stream_stand_in(struct stream *s, bool offer, struct sdp_stand_in *out)
{
    if (!s->ready)
        return RF_EAGAIN;
    out->ice = params_of(&s->local);
    out->secure = true;
    out->addr = sdp_default(&out->ice);
    out->port = out->addr.port != 0 ? out->addr.port : 9;
    out->setup = our_setup(s, offer);
    out->print = dtls_identity_print(s->core->identity);
    return 0;
}

static bool says(const char *known, struct rf_view told)
{
    return rf_view_equal(rf_view_str(known), told);
}

static bool same_print(const struct sdp_print *a, const struct sdp_print *b)
{
    return a->hash == b->hash && a->len == b->len && memcmp(a->bytes, b->bytes, a->len) == 0;
}

int stream_restart(struct stream *s)
{
    int error = way_restart(s->way);
    if (error != 0)
        return error;
    s->started = s->ready = s->moved = false;
    s->restarted = true;
    return 0;
}

bool stream_restarts(const struct stream *s)
{
    return s->restarted && !s->started;
}

bool stream_moved(const struct stream *s)
{
    return s->moved;
}

bool stream_renewed(const struct stream *s, const struct sdp_media *m)
{
    return s->remote == NULL || !says(s->remote->ufrag, m->ufrag) || !says(s->remote->password, m->password);
}

static int changed(struct stream *s, const struct sdp_media *m, bool offer)
{
    bool creds = stream_renewed(s, m);
    bool print = !same_print(&s->remote->print, &m->print);
    if ((creds || print) && !offer && s->started)
        return RF_EFORBIDDEN;
    if (creds && s->started) {
        int error = stream_restart(s);
        if (error != 0)
            return error;
    }
    if (print) {
        drop_keys(s);
        s->has_role = false;
        s->selected = s->selected && !creds; /* the handshake waits for the new way */
    }
    return 0;
}

int stream_remote(struct stream *s, struct rf_view sdp, size_t index, const struct sdp_media *m, bool offer)
{
    if (m->ufrag.len > RF_ICE_TEXT_MAX || m->password.len > RF_ICE_TEXT_MAX)
        return RF_EINVAL;
    int error = s->remote != NULL ? changed(s, m, offer) : 0;
    if (error != 0)
        return error;
    if (s->remote == NULL && (s->remote = rf_zalloc(s->core->mem, sizeof(*s->remote))) == NULL)
        return RF_ENOMEM;
    struct half *r = s->remote;
    set_text(r->ufrag, m->ufrag);
    set_text(r->password, m->password);
    r->print = m->print;
    r->setup = m->setup;
    r->count = sdp_candidates(sdp, index, r->candidates, RF_ICE_MAX_REMOTE);
    if (!offer && !s->has_role) {
        s->has_role = true;
        s->active = m->setup == SDP_PASSIVE;
    }
    return 0;
}

int stream_start(struct stream *s)
{
    if (s->started || s->why != NULL)
        return 0;
    if (s->remote == NULL)
        return RF_EINVAL;
    struct rf_ice_params params = params_of(s->remote);
    int error = way_start(s->way, &params);
    if (error != 0)
        return error;
    s->started = true;
    if (!s->restarted)
        COUNT(s->core, media_anchored);
    begin_keying(s);
    return 0;
}

/* ---- life ---- */

int stream_open(struct core *core, const struct rf_id *node, bool controlling,
                const struct stream_handler *handler, struct stream **out)
{
    struct stream *s = rf_zalloc(core->mem, sizeof(*s));
    if (s == NULL)
        return RF_ENOMEM;
    s->core = core;
    s->handler = *handler;
    tmr_init(&s->tmr);
    tmr_init(&s->report);
    for (size_t i = 0; i < RF_COUNT(s->ports); i++)
        s->ports[i] = (struct phone_port){.stream = s, .fd = -1};
    struct way_handler way = {on_ready, on_selected, on_restart, on_failed, on_data, s};
    int error = way_open(core->ways, node, controlling, &way, &s->way);
    if (error != 0)
        stream_free(s);
    else
        *out = s;
    return error;
}

void stream_free(struct stream *s)
{
    if (s == NULL)
        return;
    drop_keys(s);
    tmr_cancel(&s->report);
    close_port(&s->ports[RTP]);
    close_port(&s->ports[RTCP]);
    way_close(s->way);
    if (s->remote != NULL)
        rf_free_secret(s->core->mem, s->remote, sizeof(*s->remote));
    rf_free_secret(s->core->mem, s, sizeof(*s));
}
