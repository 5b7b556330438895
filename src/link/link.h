/*
 * link.h - the link table: every TLS and DTLS connection of a node, from flow to authenticated peer.
 *
 * A flow is what the shell has (one TCP connection, one path of datagrams), a link is a flow with an authenticated node at its other
 * end. Both carry the same number (rf_link_id, never reused while the node runs; a link that dials its next
 * address does so under its number). A link is of one purpose:
 *
 *   OVERLAY  RELOAD messages in FramedMessages, acknowledged (reload.md 3.2, 3.3, 3.5)
 *   APP      an application's raw bytes after an AppAttach (3.8)
 *
 * States: CONNECTING (we dial) -> HANDSHAKE -> UP -> CLOSING -> gone. Time-outs: connect, handshake; UP:
 * keep-alive, silence, idle. All names the shell needs stand in part 1, all that node/ needs in part 2. link/
 * never calls the shell: the shell drains actions.
 *
 * How an accepted connection gets its purpose: ALPN "sip/2" -> APP; ALPN "reload" -> OVERLAY; none -> APP if
 * exactly an AppAttach from that Node-ID is expected and no Attach, else OVERLAY (docs/protocol/links.md). An
 * APP link's application is the expected one; 0 if the node came with "sip/2" unasked. We offer "reload" for
 * OVERLAY, "sip/2" for applications 5060 and 5061, nothing for others.
 *
 * Two links with the same node are possible; node/ decides what to do about it. A connection to ourselves
 * (same Node-ID) is refused with RF_EDUPLICATE. A broken peer costs its own link and one counter, nothing
 * else.
 *
 * Sign of life. Every data frame is acknowledged by the peer; no acknowledgement within the RTO (RFC 6298) is
 * told by host.suspect, none for silence_us more ends the link (RF_ETIMEOUT, closed_silent), and so does
 * output that the flow has not taken for that long. On a link silent for keepalive_us in both directions
 * link/ sends a data frame that every RELOAD node acknowledges and then drops in silence: a bare forwarding
 * header (ttl 1) to one opaque ID nobody issued, eight zero bytes (RFC 6940, "Message Reception and
 * Forwarding": unknown opaque IDs are dropped). It costs 57 bytes, no signature, and reaches the peer's
 * RELOAD, not just its kernel. Received ones are acknowledged and go no further. The shell should set
 * TCP_USER_TIMEOUT as well, for what is not acknowledged on APP links.
 *
 * Links of datagrams (reload.md 3.1 types 1 and 3, docs/protocol/links.md). There is no connection: the shell has one socket for all of
 * them, so what goes out is one queue, taken by RF_FLOW_DATAGRAM actions, and what is not taken in time is lost as on any network.
 *   - A path link (rf_links_attach_path) goes over a path that somebody else found and keeps, ICE: datagrams of the flow go in by
 *     rf_links_datagram and come out with its number; where they go to is not known here, and may change (rf_links_path_changed).
 *     RF_FLOW_CLOSE says that the path is no longer needed, after its last datagram; rf_links_closed that it is lost.
 *   - An addressed link is found by the base (the shell's number for a local socket) and the remote address. It is dialled by
 *     rf_links_dial, or accepted by rf_links_datagram_from: a stranger first gets a cookie, which costs no memory, and who brings it back
 *     is limited and judged as who connects by TCP. There are no other actions for it than RF_FLOW_DATAGRAM. It does not follow its
 *     peer to another address: without connection IDs nothing in a record says which link's it could be; the peer dials anew and
 *     resumes his session. A hello with a good cookie from the address of a link is its peer beginning anew: the link ends.
 *   - Records that are damaged, replayed or of another time are dropped and counted, they end nothing.
 *   - OVERLAY: every data frame is one record, acknowledged at once, sent again until it is acknowledged (3.4): see reliable.c. A message
 *     larger than rf_link_info.max_message does not fit into a datagram: node/ has it fragmented (1.7).
 *   - Suspicion: a transmission and three more without any acknowledgement; after the fifth the link ends (RF_ETIMEOUT, closed_silent).
 *   - APP: with a peer that agrees (ALPN ringfolk-stream) the application's bytes arrive in order, all of them, or the link ends, as on TLS: ordered.c.
 *     Otherwise a record is a datagram of the application's, handed up as it came, not repeated.
 */
#ifndef RF_LINK_LINK_H
#define RF_LINK_LINK_H

#include "base/addr.h"
#include "base/counter.h"
#include "base/env.h"
#include "base/id.h"
#include "ident/ident.h"
#include "link/engine.h"

typedef uint64_t rf_link_id; /* 0 = none */

#define RF_LINK_COUNTERS(X)                                                                                  \
    X(accepted, "connections accepted")                                                                      \
    X(refused_limit, "connections refused: too many in all")                                                 \
    X(refused_address, "connections refused: too many or too fast from one address")                         \
    X(connected, "connections made")                                                                         \
    X(connect_failed, "connections that could not be made")                                                  \
    X(handshakes, "handshakes completed")                                                                    \
    X(handshakes_resumed, "of these, resumed")                                                               \
    X(handshake_failed, "handshakes that failed")                                                            \
    X(handshake_timeout, "handshakes that took too long")                                                    \
    X(cert_refused, "peers refused: certificate not acceptable")                                             \
    X(wrong_node, "peers refused: not the node that was expected")                                           \
    X(frames_in, "data frames received")                                                                     \
    X(frames_out, "data frames sent")                                                                        \
    X(acks_in, "acknowledgements received")                                                                  \
    X(acks_out, "acknowledgements sent")                                                                     \
    X(frames_bad, "links closed: malformed frame")                                                           \
    X(message_too_large, "links closed: message larger than max-message-size")                               \
    X(dropped_backlog, "messages dropped: the link's output is full")                                        \
    X(closed_silent, "links closed: no sign of life")                                                        \
    X(closed_idle, "links closed: nothing to do")                                                            \
    X(refused_handshakes, "connections refused: too many handshakes are going on")                           \
    X(refused_budget, "connections refused: too many handshakes in this second")                             \
    X(self_connect, "connections that led to ourselves")                                                     \
    X(keepalives_in, "keep-alive frames received")                                                           \
    X(keepalives_out, "keep-alive frames sent")                                                              \
    X(suspected, "times a link was suspected dead")                                                          \
    X(datagrams_in, "datagrams received")                                                                    \
    X(datagrams_out, "datagrams handed out")                                                                 \
    X(datagrams_unknown, "datagrams dropped: of no link")                                                    \
    X(datagrams_lost, "datagrams dropped: too many are not taken")                                           \
    X(records_dropped, "records dropped: damaged, replayed or of another time")                              \
    X(cookies_out, "hellos answered with a cookie")                                                          \
    X(cookies_bad, "of these, with a cookie that was not good")                                              \
    X(replaced, "links ended: their peer began anew")                                                        \
    X(flights_again, "handshake flights sent again")                                                         \
    X(frames_again, "data frames sent again")                                                                \
    X(messages_given_up, "messages dropped: never acknowledged")                                             \
    X(messages_twice, "messages dropped: received before")                                                   \
    X(keepalives_late, "keep-alives sent although the peer's was due before: what it sent was lost")         \
    X(bytes_in, "bytes received from flows")                                                                 \
    X(bytes_out, "bytes handed to flows")
RF_COUNTERS(link, RF_LINK_COUNTERS)

enum rf_link_purpose { RF_LINK_OVERLAY = 1, RF_LINK_APP = 2 };
enum rf_link_state { RF_LINK_CONNECTING = 1, RF_LINK_HANDSHAKE, RF_LINK_UP, RF_LINK_CLOSING };

struct rf_link_info {
    rf_link_id id;
    enum rf_link_state state;
    enum rf_link_purpose purpose;
    uint16_t application; /* APP: 5060, 5061, ... */
    bool outgoing;        /* we dialled */
    bool resumed;
    struct rf_addr remote, local;
    struct rf_id node_id; /* UP only */
    struct rf_cert *cert; /* UP only, borrowed while the link lives */
    /* both ends keep the certificate that the other one showed, so that messages from one to the other need not carry it; ALPN agreed on it */
    bool brief;
    bool renewed; /* ours was renewed since: the other end has an old one */
    uint64_t up_since_us;
    uint64_t rtt_us;     /* smoothed, from acknowledgements; 0 unknown */
    uint64_t heard_us;   /* links of datagrams: when something last came */
    uint64_t message_us; /* when the last message or application bytes went either way; 0 never */
    bool suspect;        /* as last told by host.suspect */
    uint64_t bytes_in, bytes_out, frames_in, frames_out;
    size_t backlog_len; /* bytes waiting for the flow; datagrams: of messages not acknowledged */
    /* bytes of one message, or of one datagram of the application's; 0 until it is UP. Only links of datagrams have less than the overlay allows. */
    size_t max_message;
    bool datagrams;
    bool path;       /* one of rf_links_attach_path; remote and local as they were last told */
    uint32_t base;   /* addressed links */
    uint32_t window; /* datagrams: messages that may be under way at once */
};

/* What link/ tells node/. Called from inside rf_links_input, _connected, _closed, _next_action and the
 * timers; must not free the rf_links and not call part 1, may call everything else. Every function may be
 * NULL. */
struct rf_link_host {
    void *ctx;
    void (*up)(void *ctx, const struct rf_link_info *link);
    /* one whole RELOAD message, borrowed during the call */
    void (*message)(void *ctx, rf_link_id link, struct rf_view message);
    /* A message larger than max_message_len is coming: `front` is its forwarding header and the two bytes behind it (the message
     * code, if it is no later fragment), borrowed during the call. May answer on the link, which ends when this returns. */
    void (*too_large)(void *ctx, rf_link_id link, struct rf_view front);
    void (*app_data)(void *ctx, rf_link_id link, struct rf_view bytes);
    /* the link is gone (or never came up: then up was not called); reason RF_E... ; `link` says what it was
     */
    void (*down)(void *ctx, const struct rf_link_info *link, int reason);
    /* suspect: no acknowledgement within the RTO (true) or acknowledged again (false), reload.md 3.5 */
    void (*suspect)(void *ctx, rf_link_id link, bool suspect);
    /* late: a sign of life of ours went out, although the peer's was due before (rf_links_lasts) */
    void (*late)(void *ctx, rf_link_id link);
    /* known: does a supernode that we know live at this address (its port aside)? Asked only when handshakes are too many; calls nothing. */
    bool (*known)(void *ctx, const struct rf_addr *remote);
};

struct rf_link_config {
    const struct rf_engine_ops *engine_ops;
    struct rf_engine *engine;                 /* taken: freed with engine_ops->engine_free */
    const struct rf_engine_ops *datagram_ops; /* the same for datagrams; NULL: no such links */
    struct rf_engine *datagram_engine;        /* taken as well */
    struct rf_trust *trust;                   /* borrowed */
    struct rf_id self;
    size_t max_message_len; /* bytes, from the configuration document */
    uint32_t overlay_hash;  /* for keep-alives; 0: none are sent */
    size_t max_links;       /* default 12000 */
    size_t reserved_links;  /* of these kept for connections that we make; default 256, at most half */
    size_t max_handshakes;  /* accepted connections not yet UP; default 1000: work that fits in a second */
    size_t max_per_address; /* links from one IP; loopback too; default 256, 0 = no limit */
    size_t accept_per_s_per_address; /* default 50; 0 = no limit */
    /* Accepted handshakes per second in all, and at once as many; ours count as well, resumed ones as a quarter. More are refused before
     * they begin, but for known supernodes. Default 200; 0 = no limit. */
    size_t handshakes_per_s;
    size_t max_backlog_len;        /* bytes of output per link; default 1 MiB */
    size_t max_backlog_total_len;  /* bytes of output of all links; default 128 MiB; beyond it a link may hold
                                      16 KiB */
    uint64_t connect_timeout_us;   /* default 5 s */
    uint64_t handshake_timeout_us; /* default 10 s */
    uint64_t
        keepalive_us; /* a link silent in both directions that long, or up to an eighth less, gets a sign of life; default 60 s */
    /* the same for addressed links of datagrams that we dialled, if that is less: mappings of NATs are short-lived; default 25 s */
    uint64_t datagram_keepalive_us;
    bool app_records;              /* applications want their datagrams as they are: no ringfolk-stream */
    size_t mtu;                    /* of datagrams, bytes of UDP; default 1200 */
    size_t max_datagram_queue_len; /* bytes of datagrams that the shell has not taken; default 4 MiB */
    uint64_t silence_us;           /* unacknowledged that long after the RTO: closed; default 30 s (3.5) */
    uint64_t app_expect_us; /* how long an expected AppAttach or Attach connection may take; default 10 s */
    uint64_t app_idle_us;   /* an APP link without a byte that long is closed; default 5 min; 0 = never */
};
/* rf_link_config_default fills the numbers above; engine, trust and self are left to the caller. */
void rf_link_config_default(struct rf_link_config *config);

struct rf_links;
/* rf_links_new: env, trust and host->ctx stay borrowed; config is copied. Errors: RF_ENOMEM. */
int rf_links_new(const struct rf_env *env, const struct rf_link_config *config,
                 const struct rf_link_host *host, struct rf_links **out);
void rf_links_free(struct rf_links *links); /* no callbacks */
const struct rf_link_counters *rf_links_counters(const struct rf_links *links);
/* rf_links_trim frees what is kept between calls to save allocations; for a node that has nothing to do for a while. */
void rf_links_trim(struct rf_links *links);
void rf_links_set_max_message(struct rf_links *links, size_t len);
/* rf_links_set_identity: a renewed certificate for new connections, as engine_set_identity of engine.h takes it.
 * Errors: RF_ECRYPTO, RF_EINVAL, RF_ENOMEM (then nothing changed). */
int rf_links_set_identity(struct rf_links *links, const struct rf_view *certs, size_t cert_count,
                          struct rf_view key_pem);

/* ---- part 1: the shell's side (through node/) ---- */

/* rf_links_accept: a connection arrived. Errors: RF_ELIMIT (refuse it, counted), RF_ENOMEM. */
int rf_links_accept(struct rf_links *links, const struct rf_addr *remote, const struct rf_addr *local,
                    rf_link_id *flow);
/* rf_links_connected: the connection that an RF_FLOW_CONNECT action asked for is there; rf_links_closed: it
 * is gone or never came (reason RF_ECLOSED, RF_EUNREACHABLE, RF_ETIMEOUT). Unknown flows are ignored: the
 * link may have gone meanwhile. */
void rf_links_connected(struct rf_links *links, rf_link_id flow, const struct rf_addr *local);
void rf_links_closed(struct rf_links *links, rf_link_id flow, int reason);
void rf_links_input(struct rf_links *links, rf_link_id flow, struct rf_view bytes);

/* rf_links_datagram: one came over the path of a path link. Unknown flows are ignored. */
void rf_links_datagram(struct rf_links *links, rf_link_id flow, struct rf_view bytes);
/* rf_links_datagram_from: one came from that address to the socket `base`, and belongs to no path. */
void rf_links_datagram_from(struct rf_links *links, uint32_t base, const struct rf_addr *remote,
                            struct rf_view bytes);

enum rf_flow_action_type { RF_FLOW_NONE, RF_FLOW_CONNECT, RF_FLOW_OUTPUT, RF_FLOW_CLOSE, RF_FLOW_DATAGRAM };
struct rf_flow_action {
    enum rf_flow_action_type type;
    rf_link_id flow;
    struct rf_addr addr;  /* CONNECT, DATAGRAM: where to; DATAGRAM of a path link: family 0 */
    uint32_t base;        /* DATAGRAM with an address: from which socket */
    struct rf_view bytes; /* DATAGRAM, borrowed until the next call of rf_links_* */
};
/*
 * rf_links_next_action gives the next thing to do, RF_FLOW_NONE when there is nothing. OUTPUT: the flow has
 * bytes now (told again only after rf_links_output was emptied); CLOSE: as soon as rf_links_output is empty
 * (also: unknown flow) close the connection; read no more from it. A second CLOSE comes if that takes too
 * long: rf_links_output is empty then. CONNECT may come for a number whose connection was closed. DATAGRAM: send it, or drop it;
 * flow 0: an answer to a stranger.
 */
void rf_links_next_action(struct rf_links *links, struct rf_flow_action *out);
/* rf_links_output: bytes to send on the flow, borrowed until the next call; rf_links_output_done: that many
 * were sent. */
struct rf_view rf_links_output(struct rf_links *links, rf_link_id flow);
void rf_links_output_done(struct rf_links *links, rf_link_id flow, size_t len);

/* ---- part 2: node/'s side ---- */

/*
 * rf_links_connect dials `addrs` one after the other until one handshake succeeds; host.up or host.down
 * tells. expect: the Node-ID that must be there, NULL: whoever has a valid certificate (bootstrap). purpose
 * APP needs `application`. Errors: RF_EINVAL no address, RF_ELIMIT, RF_ENOMEM.
 */
int rf_links_connect(struct rf_links *links, const struct rf_addr *addrs, size_t addr_count,
                     const struct rf_id *expect, enum rf_link_purpose purpose, uint16_t application,
                     rf_link_id *out);
/* One way to a node: an address to connect to, or to send datagrams to from the socket `base`. */
struct rf_link_way {
    struct rf_addr addr;
    bool datagrams;
    uint32_t base;
};
/* rf_links_dial: the same with ways of both sorts. One by datagrams whose address has a link already is passed over.
 * Errors: also RF_EUNREACHABLE none could be begun. */
int rf_links_dial(struct rf_links *links, const struct rf_link_way *ways, size_t way_count,
                  const struct rf_id *expect, enum rf_link_purpose purpose, uint16_t application,
                  rf_link_id *out);
/*
 * rf_links_attach_path begins a path link: server (we sent the Attach) waits for the peer's hello, the other end sends it now. expect: the
 * Node-ID that must be there, never NULL. rtt_us: a round trip that was measured on the path, 0 unknown. remote, local: for rf_link_info
 * and logs, NULL unknown. host.up or host.down tells. Errors: RF_ELIMIT, RF_ENOMEM, RF_EUNSUPPORTED no engine.
 */
struct rf_link_path {
    bool server;
    const struct rf_id *expect;
    enum rf_link_purpose purpose;
    uint16_t application;
    uint64_t rtt_us;
    const struct rf_addr *remote, *local;
};
int rf_links_attach_path(struct rf_links *links, const struct rf_link_path *path, rf_link_id *out);
/* rf_links_path_changed: the path leads over other addresses now. What is not acknowledged is sent again at once, and the window begins anew. */
void rf_links_path_changed(struct rf_links *links, rf_link_id flow, const struct rf_addr *remote,
                           const struct rf_addr *local, uint64_t rtt_us);
/* rf_links_expect: after an Attach/AppAttach answer a connection from `node` is due (we are the TLS server);
 * it is forgotten after app_expect_us, which begin anew if it was expected already. Errors: RF_ENOMEM. */
int rf_links_expect(struct rf_links *links, const struct rf_id *node, enum rf_link_purpose purpose,
                    uint16_t application);
/*
 * rf_links_send frames and sends one RELOAD message on a link that is UP. Errors: RF_ENOTFOUND, RF_EAGAIN the
 * backlog is full (dropped, counted), RF_ELIMIT larger than rf_link_info.max_message. rf_links_app_send: the same with an
 * application's bytes; of datagrams one is one.
 */
int rf_links_send(struct rf_links *links, rf_link_id link, struct rf_view message);
int rf_links_app_send(struct rf_links *links, rf_link_id link, struct rf_view bytes);
/* rf_links_keepalive has the peer of an overlay link that is UP show that it lives: a keep-alive goes out if nothing went either way for `quiet_us`
 * and no acknowledgement is due anyway. No acknowledgement within the RTO: host.suspect, as ever. Another link or none: nothing. */
void rf_links_keepalive(struct rf_links *links, rf_link_id link, uint64_t quiet_us);
/* rf_links_prod has the peer of a link of datagrams acknowledge something, unless it owes that already: rf_link_info.backlog_len is 0 when it has. Without data frames: nothing. */
void rf_links_prod(struct rf_links *links, rf_link_id link);
/* rf_links_slow: this overlay link may be silent for `times` keepalive_us (1, as at first, to 3): whose death others notice, or one that only
 * stands by. Unknown: nothing. */
void rf_links_slow(struct rf_links *links, rf_link_id link, uint8_t times);
/*
 * rf_links_lasts: the way of this link is known to last for `us` of silence: an overlay link is silent that long instead of what rf_links_slow says, or up to an eighth of
 * keepalive_us less; an application's connection that long instead of app_idle_us. 0: as before. second: the peer's sign of life is due sooner: host.late tells when it did not come. Unknown: nothing.
 */
void rf_links_lasts(struct rf_links *links, rf_link_id link, uint64_t us, bool second);
/*
 * rf_links_keep: messages sent over this overlay link from now on are kept until they are acknowledged, a few of them, the newest; with `keep` false none are, and
 * those that were are forgotten. rf_links_kept gives those, the oldest first, also from inside host.down; fn may send them over another link. Links of datagrams, an unknown one: none.
 */
void rf_links_keep(struct rf_links *links, rf_link_id link, bool keep);
void rf_links_kept(const struct rf_links *links, rf_link_id link,
                   void (*fn)(void *arg, struct rf_view message), void *arg);
/* rf_links_close ends a link politely; host.down follows from the next rf_links_next_action or timer, with
 * `reason`. */
void rf_links_close(struct rf_links *links, rf_link_id link, int reason);
/* rf_links_info copies; RF_ENOTFOUND. rf_links_each calls fn for every link. rf_links_count counts those in a
 * state. */
int rf_links_info(const struct rf_links *links, rf_link_id link, struct rf_link_info *out);
void rf_links_each(const struct rf_links *links, void (*fn)(void *arg, const struct rf_link_info *info),
                   void *arg);
size_t rf_links_count(const struct rf_links *links, enum rf_link_state state);
/* rf_links_handshake_room: is there time for another handshake, of a stranger's, in this second? */
bool rf_links_handshake_room(const struct rf_links *links);
/* rf_links_handshakes_per_s: the budget, 0: no limit. */
size_t rf_links_handshakes_per_s(const struct rf_links *links);
/* rf_links_recheck closes every link whose certificate is no longer acceptable (new configuration, expiry).
 */
void rf_links_recheck(struct rf_links *links);

#endif
