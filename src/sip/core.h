/*
 * core.h - the SIP thread's world: two libre stacks (phones; overlay, on loopback), the registrar, the bridge, calls and texts. All of it
 * belongs to that one thread; the node's thread (side.h) is reached by notes only.
 */
#ifndef RF_SIP_CORE_H
#define RF_SIP_CORE_H

#include "base/addr.h"
#include "base/counter.h"
#include "base/log.h"
#include "base/map.h"
#include "node/node.h"
#include "sip/aor.h"
#include "sip/channel.h"
#include "sip/re.h"

#define SIP_COUNTERS(X)                                                                                      \
    X(phone_requests, "requests from phones")                                                                \
    X(phone_malformed, "datagrams at the phones' port that are no SIP message")                              \
    X(phone_refused, "requests refused: not authenticated")                                                  \
    X(phone_auth_failed, "wrong user name or password")                                                      \
    X(phone_auth_stale, "nonces that had expired")                                                           \
    X(phone_auth_replayed, "right answers that had been used before")                                        \
    X(phone_auth_limited, "passwords not even looked at: too many wrong ones from that address")             \
    X(phone_registered, "REGISTER requests that were accepted")                                              \
    X(overlay_connections, "application connections")                                                        \
    X(overlay_messages_in, "SIP messages from the overlay")                                                  \
    X(overlay_messages_out, "SIP messages to the overlay")                                                   \
    X(overlay_malformed, "connections closed: not SIP")                                                      \
    X(overlay_oversize, "connections closed: a message over the limits")                                     \
    X(overlay_flood, "connections closed: too much in too short a time")                                     \
    X(overlay_forbidden, "requests whose From is not the certificate's user")                                \
    X(overlay_stranger, "messages at the inner port that came through no connection of the node")            \
    X(calls_out, "calls placed by phones and commands")                                                      \
    X(calls_in, "calls from the overlay")                                                                    \
    X(calls_answered, "calls that were answered")                                                            \
    X(calls_limited, "calls refused: too many at the same time")                                             \
    X(texts_out, "texts sent by phones and commands")                                                        \
    X(texts_in, "texts from the overlay")                                                                    \
    X(texts_kept, "texts kept for the next listener")                                                        \
    X(texts_limited, "texts refused: too many under way, or the box is full")                                \
    X(rtp_received, "RTP packets of the daemon's own calls")                                                 \
    X(rtp_foreign, "RTP packets that came from elsewhere than the call's other end")                         \
    X(media_anchored, "media streams of answered calls that this node carries")                              \
    X(media_direct, "of these, times that a direct way to the other node was taken")                         \
    X(media_relayed, "of these, times that a way over a relay was taken")                                    \
    X(media_moved, "of these, ways found anew because an end had moved")                                     \
    X(media_restarts, "restarts of ICE that this node asked for")                                            \
    X(media_restarts_asked, "restarts of ICE that other nodes asked for")                                    \
    X(media_glare, "of both, those that met another offer and were put off")                                 \
    X(media_secured, "of these, DTLS handshakes that gave keys")                                             \
    X(media_rtp_in, "RTP and RTCP packets from other nodes, passed on to a phone")                           \
    X(media_rtp_out, "RTP and RTCP packets of phones, passed on to another node")                            \
    X(media_refused, "calls refused: their SDP could not be understood or secured")                          \
    X(media_ice_failed, "media streams that found no way to the other node")                                 \
    X(media_lost, "media streams whose way ended: no consent, or no relay any more")                         \
    X(media_dtls_failed, "DTLS handshakes that failed")                                                      \
    X(media_before_keys, "packets dropped: there were no keys yet")                                          \
    X(media_srtp_failed, "packets of other nodes dropped: not authentic")                                    \
    X(media_srtp_replayed, "packets of other nodes dropped: seen before, or too old")                        \
    X(media_no_srtp, "packets of phones dropped: no RTP, repeated, or too many sources")                     \
    X(media_unknown, "packets of other nodes dropped: neither STUN nor DTLS nor RTP")                        \
    X(media_oversize, "packets dropped: too long")                                                           \
    X(media_stranger, "packets dropped: from nobody's way")                                                  \
    X(media_foreign, "packets dropped: to a phone's port, but not from the phone's address")                 \
    X(media_no_phone, "packets dropped: it is not known where the phone listens")                            \
    X(media_unsent, "packets dropped: no way at that moment, or the system refused")                         \
    X(unexpected_responses, "responses that belong to nothing")

RF_COUNTERS(sip, SIP_COUNTERS)

#define DEVICE_ROUTE_MAX 256 /* bytes of a destination list: 8 Node-IDs and more */

struct core_limits {
    size_t calls, phones;
    unsigned ring_s, keepalive_s;
};

/* A device that has answered or may: the way to it, and whom its certificate must name. */
struct device {
    struct rf_id node;
    bool self; /* it is this node */
    uint16_t application;
    char aor[AOR_MAX];  /* the user asked for, or one that they forward to */
    uint16_t route_len; /* 0: the overlay finds it */
    uint8_t route[DEVICE_ROUTE_MAX];
};

/* Where requests of a dialog or a transaction go. */
struct flow {
    bool overlay;
    bool sips; /* overlay: the connection is of application 5061, so its URIs say sips (D32) */
    enum sip_transp tp;
    struct sa addr;    /* phones: theirs; overlay: the bridge's loopback end, valid while `conn` is up */
    rf_link_id conn;   /* overlay */
    struct rf_id node; /* overlay */
};

struct core {
    struct rf_mem *mem;
    struct channel *to_node, *to_sip; /* borrowed from struct rf_sip */
    struct rf_sip_counters *counters; /* written with COUNT only */
    char aor[AOR_MAX];                /* "alice@example.org" */
    char uri[AOR_URI_MAX];            /* "sip:alice@example.org" ... */
    char uri_sips[AOR_URI_MAX];       /* ... "sips:alice@example.org" */
    char user[AOR_MAX];               /* "alice" */
    const char *domain;               /* in `aor` */
    char *software;                   /* may be NULL */
    uint64_t seed[2];                 /* keys hash tables and tags */
    struct core_limits limits;
    bool echo;
    struct sa media_addr; /* IP for RTP that we offer */

    struct sip *phones, *overlay; /* phones: NULL without a phone side */
    struct sa phones_addr, overlay_addr;
    struct mqueue *mqueue;
    char probe_id[40]; /* Call-ID of the probe that finds the phones' UDP socket */
    struct udp_helper *guard;

    struct auth *auth;
    struct registrar *registrar;
    struct bridge *bridge;
    struct ways *ways;              /* of media to other nodes; NULL: media go as the SDPs say */
    struct dtls_identity *identity; /* shown there */
    struct rf_list finds;           /* struct find */
    struct rf_list calls;           /* struct call */
    struct rf_list texts;           /* struct text */
    struct rf_map legs;             /* by local tag: every dialog's request finds its leg */
    size_t call_count, text_count;
    uint64_t next_token;
    bool closing;
};

#define COUNT(core, name) ((void)__atomic_fetch_add(&(core)->counters->name, 1, __ATOMIC_RELAXED))

/* core_log hands a line to the node's thread, which owns the log. */
void core_log(struct core *core, enum rf_log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* ---- stack.c ---- */

/* stack_open makes both libre stacks in the running thread. listen: family 0 for none. Errors: RF_ESYSTEM with `why` (a sentence), RF_ENOMEM. */
int stack_open(struct core *core, const struct rf_addr *listen, char *why, size_t why_len);
void stack_close(struct core *core);
struct sip *stack_of(struct core *core, const struct flow *flow);
/* stack_own_uri: our user's address as it stands in From and Contact on that flow. Borrowed. */
const char *stack_own_uri(const struct core *core, const struct flow *flow);
/* stack_contact writes the URI that a flow's other end shall use for us: "sip:alice@192.0.2.1:5060;transport=tcp" or "sip:alice@example.org". */
int stack_contact(struct core *core, const struct flow *flow, char *out, size_t max);
/* stack_source_for: the local address from which the system reaches `dst` (port 0). Errors: RF_ESYSTEM. */
int stack_source_for(const struct sa *dst, struct sa *out);
/* stack_is_host: a host part that phones use for this node or its overlay. */
bool stack_is_host(struct core *core, const struct sip_msg *msg, const struct pl *host);

/* ---- small helpers around libre's types ---- */

static inline struct rf_view view_of_pl(const struct pl *pl)
{
    return rf_view_of(pl->p, pl->p != NULL ? pl->l : 0);
}
static inline struct flow flow_of_phone(const struct sip_msg *msg)
{
    return (struct flow){.tp = msg->tp, .addr = msg->src};
}
/* The body of a message as its Content-Length says. */
struct rf_view msg_body(const struct sip_msg *msg);
/* Who sent it, as an address of record. Errors: those of aor_from_uri. */
int msg_from_aor(const struct sip_msg *msg, char out[AOR_MAX]);
/* A statically worded answer without a transaction. */
void msg_refuse(struct sip *sip, const struct sip_msg *msg, int code);
/* msg_max_forwards: what is left for the next hop; -1 when this request must not go on (483). */
int msg_max_forwards(const struct sip_msg *msg);

#endif
