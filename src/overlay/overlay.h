/*
 * overlay.h - one node's place in an overlay: forwarding, transactions, dispatch, fragments, configuration sequence, admission,
 * diagnostics; with a topology plugin below. It has links only as numbers: node/ tells it of link/ and carries its bytes there.
 *
 * A message's way in: rf_overlay_receive -> header checks -> forward (most end here) -> reassembly -> verification -> transaction
 * (responses) or dispatch (requests; duplicates are answered from a cache).
 */
#ifndef RF_OVERLAY_OVERLAY_H
#define RF_OVERLAY_OVERLAY_H

#include "base/counter.h"
#include "conf/conf.h"
#include "overlay/message.h"
#include "overlay/topology.h"

#define RF_OVERLAY_COUNTERS(X)                                                                               \
    X(received, "messages received from links")                                                              \
    X(forwarded, "messages forwarded")                                                                       \
    X(delivered_requests, "requests delivered here")                                                         \
    X(delivered_responses, "responses delivered here")                                                       \
    X(sent_requests, "requests of our own")                                                                  \
    X(retransmissions, "retransmissions of our own requests")                                                \
    X(answered_from_cache, "duplicate requests answered from the cache")                                     \
    X(timeouts, "calls that nobody answered")                                                                \
    X(dropped_malformed, "dropped: malformed header or body")                                                \
    X(dropped_overlay, "dropped: foreign overlay or version")                                                \
    X(dropped_ttl, "dropped: TTL")                                                                           \
    X(dropped_no_route, "dropped: no next hop")                                                              \
    X(absent, "kept: for a node of our range that will be linked again in a moment")                         \
    X(dropped_bad_destination, "dropped: destination list breaks the rules")                                 \
    X(dropped_signature, "dropped: signature or certificate")                                                \
    X(dropped_unexpected, "responses that belong to no call of ours")                                        \
    X(dropped_wrong_responder, "responses from a node that may not answer")                                  \
    X(dropped_fragment, "dropped: fragments that conflict, exceed limits or came too late")                  \
    X(dropped_backlog, "not sent: the link was full")                                                        \
    X(fragments_received, "fragments received for reassembly")                                               \
    X(fragments_sent, "fragments sent")                                                                      \
    X(sent_brief, "messages sent without our certificate, which the other end of the link keeps")            \
    X(errors_sent, "Error responses sent")                                                                   \
    X(errors_limited, "Error responses not sent: rate limit")                                                \
    X(config_updates_sent, "ConfigUpdates sent")                                                             \
    X(config_updates_accepted, "newer documents accepted")                                                   \
    X(config_updates_refused, "documents refused")                                                           \
    X(refused_overload, "requests refused at a budget")                                                      \
    X(dropped_unknown_link, "dropped: came over a link that is not up")                                      \
    X(dropped_too_large, "dropped: larger than max-message-size, or grown beyond it on the way")             \
    X(dropped_option, "dropped: forwarding option that we would have to understand")                         \
    X(dropped_loop, "dropped: the next hop is the node it came from, or it was here several times")          \
    X(dropped_via, "dropped: a Resource-ID stands in the via list")                                          \
    X(dropped_being_answered, "duplicates of requests that are still being answered")                        \
    X(dropped_memory, "dropped: out of memory")                                                              \
    X(looped_back, "messages from this node to itself")                                                      \
    X(rerouted, "requests of our own sent again at once because their link broke")                           \
    X(detours, "transmissions of our own over another neighbor than the best, which was tried before")       \
    X(answers_doubted, "answers from too far above their Resource-ID, asked for again over another way")     \
    X(vias_compressed, "via lists kept here under an opaque ID")                                             \
    X(error_hints, "Errors about our requests from nodes on the way")                                        \
    X(refused_requests, "requests answered by an Error")                                                     \
    X(config_updates_limited, "ConfigUpdates not sent: sent recently, or larger than a message may be")
RF_COUNTERS(overlay, RF_OVERLAY_COUNTERS)

/* None of these calls back into the overlay before it returns, but for state, range_changed, neighbor_lost and configured, which may do
 * everything except rf_overlay_free. */
struct rf_overlay_host {
    void *ctx;
    /* send one message on a link, copied. Returns 0, RF_EAGAIN (full), RF_ENOTFOUND. */
    int (*send)(void *ctx, uint64_t link, struct rf_view message);
    /*
     * max_message: bytes of the largest message that the link takes, a link of datagrams for instance; 0: whatever the overlay allows. Asked when it comes up. Larger messages go
     * over it in fragments, whoever sent them; only their destination puts them together (1.7). May be NULL: 0.
     */
    size_t (*max_message)(void *ctx, uint64_t link);
    /*
     * kept_cert: did the two ends of a link that just came up agree to keep the certificates that they showed each other, so that messages between
     * them need not carry them? Returns that of the other end, borrowed; NULL: no such agreement. *ours: it has the certificate that our identity has
     * now. May be NULL: certificates stand in every message. docs/protocol/links.md.
     */
    struct rf_cert *(*kept_cert)(void *ctx, uint64_t link, bool *ours);
    /*
     * absent: a message came over `link` for a node of our range that is not linked with us. True: the host keeps a copy and gives it to rf_overlay_receive once more when the node is
     * linked again. May be NULL: it is dropped, as if false.
     */
    bool (*absent)(void *ctx, const struct rf_id *node, uint64_t link, struct rf_view message);
    /* topology's wishes, see rf_topology_host */
    void (*attach)(void *ctx, const struct rf_id *target, bool resource, const struct rf_id *via,
                   uint64_t link, bool send_update);
    void (*admit)(void *ctx, const struct rf_id *target, bool resource, const struct rf_id *via,
                  uint64_t link, bool reserve);                     /* may be NULL */
    void (*homed)(void *ctx, const struct rf_id *home, bool guest); /* may be NULL */
    bool (*reserve)(void *ctx);                                     /* may be NULL */
    int (*redial)(void *ctx, const struct rf_id *node);             /* may be NULL */
    void (*bootstrap)(void *ctx);
    bool (*outside)(void *ctx); /* as in topology.h */
    void (*disconnect)(void *ctx, uint64_t link);
    void (*keepalive)(void *ctx, uint64_t link, uint64_t quiet_us); /* may be NULL */
    uint32_t (*rtt)(void *ctx, uint64_t link);                      /* may be NULL */
    void (*state)(void *ctx, enum rf_topology_state state);
    void (*range_changed)(void *ctx);
    void (*neighbor_lost)(void *ctx, const struct rf_id *node);
    size_t (*handover_pending)(void *ctx); /* see rf_topology_host; may be NULL */
    /* a newer, verified document, or further Kinds, came by ConfigUpdate: borrowed; node/ saves it, then calls rf_overlay_configure on all
     * rooms. With conf->unmet it cannot be put in force: the node leaves (3.14). */
    void (*configured)(void *ctx, struct rf_conf *conf);
};

struct rf_overlay_config {
    struct rf_conf *conf; /* held */
    struct rf_crypto *crypto;
    struct rf_trust *trust;
    struct rf_identity *identity;
    enum rf_topology_role role;
    const struct rf_topology_ops *topology;
    size_t max_calls;          /* under way at once, default 4096 */
    size_t max_deferred;       /* default 4096 */
    size_t max_cached_answers; /* default 8192, and at most 16 MiB */
    size_t max_fragment_bytes; /* in reassembly, in all; default 4 MiB */
    /* delivered here, per link; default 500; maintenance (Join, Leave, Update, Ping, replica Stores of
     * neighbors) goes first */
    uint32_t max_requests_per_s;
    /* delivered here in all, 0 (or no limit per link) = no limit; default 4000. Maintenance counts and is not refused; clients that come (Attach) are refused
     * from half of it on. */
    uint32_t max_requests_per_s_total;
    uint64_t backoff_max_us; /* as in struct rf_topology_params; 0 = default */
    const char *software;    /* for diagnostics, "ringfolk 0.1" */
};
void rf_overlay_config_default(struct rf_overlay_config *config);

int rf_overlay_new(const struct rf_env *env, const struct rf_overlay_config *config,
                   const struct rf_overlay_host *host, struct rf_overlay **out);
void rf_overlay_free(struct rf_overlay *overlay); /* pending calls end with RF_ECANCELLED */
/* rf_overlay_trim frees what is kept between messages to save allocations; for a node that has nothing to do for a while. Not from inside a
 * callback of the overlay. */
void rf_overlay_trim(struct rf_overlay *overlay);
const struct rf_overlay_counters *rf_overlay_counters(const struct rf_overlay *overlay);

void rf_overlay_start(struct rf_overlay *overlay, bool first); /* join; first: we are the ring */
void rf_overlay_leave(struct rf_overlay *overlay);
/* rf_overlay_retire: a peer leaves the ring to go on as a client; state IDLE follows when storage has handed over, or after a minute. */
void rf_overlay_retire(struct rf_overlay *overlay);
/* rf_overlay_become: a running node goes on in this role, with its links; state JOINING. A peer in the ring retires first.
 * Errors: RF_ENOMEM, of a client that is to be a peer: nothing changes. */
int rf_overlay_become(struct rf_overlay *overlay, enum rf_topology_role role);
/* rf_overlay_asked_away: a supernode of this client is about to leave. */
void rf_overlay_asked_away(struct rf_overlay *overlay, const struct rf_redirect *redirect);
/* rf_overlay_moved: this computer has other addresses, or another way out; told before links are closed for that. */
void rf_overlay_moved(struct rf_overlay *overlay);
/* rf_overlay_configure: use a new document (held). Sequence, limits, timers, topology intervals. */
void rf_overlay_configure(struct rf_overlay *overlay, struct rf_conf *conf);

/* ---- links, from node/ ----
 * Two links to one node are fine: messages take the newest one that is not suspect. The topology hears of a node's first link
 * (link_up), of its last one going (link_down), and link_up once more whenever another link is to be used from now on. */
void rf_overlay_link_up(struct rf_overlay *overlay, uint64_t link, const struct rf_id *node, bool outgoing,
                        bool bootstrap);
void rf_overlay_link_down(struct rf_overlay *overlay, uint64_t link, int reason);
void rf_overlay_link_suspect(struct rf_overlay *overlay, uint64_t link, bool suspect);
void rf_overlay_attached(struct rf_overlay *overlay, const struct rf_id *target, const struct rf_id *node,
                         int error);
/* rf_overlay_refused: an admit() was refused at a budget; in place of rf_overlay_attached. */
void rf_overlay_refused(struct rf_overlay *overlay, const struct rf_id *target,
                        const struct rf_redirect *redirect);
/* rf_overlay_is_peer: is this linked node in the ring, as far as we know? */
bool rf_overlay_is_peer(const struct rf_overlay *overlay, const struct rf_id *node);
void rf_overlay_bootstrap_failed(struct rf_overlay *overlay);
/* rf_overlay_update_wanted: see rf_topology_ops.update_wanted; node/ answers Attach and tells. */
void rf_overlay_update_wanted(struct rf_overlay *overlay, const struct rf_id *node);
/* rf_overlay_receive takes one message from a link; borrowed. */
void rf_overlay_receive(struct rf_overlay *overlay, uint64_t link, struct rf_view message);
/* rf_overlay_resend sends, over a link that is up, a message that left before over another one to the same node; in fragments if that one takes less. Errors: RF_ENOTFOUND no such link,
 * those of host.send. */
int rf_overlay_resend(struct rf_overlay *overlay, uint64_t link, struct rf_view message);
/* rf_overlay_reroute sends a message that left over `link`, which is suspect or gone, to the node at whose end that was, by way of others. Errors: RF_EUNREACHABLE there is no other way, those of
 * rf_header_decode and host.send. */
int rf_overlay_reroute(struct rf_overlay *overlay, uint64_t link, struct rf_view message);
/* rf_overlay_too_large: a message larger than max-message-size is coming over a link that will be closed for it (1.8). `front` (borrowed): its
 * header and the message code. A request is answered by Error_Message_Too_Large. */
void rf_overlay_too_large(struct rf_overlay *overlay, uint64_t link, struct rf_view front);

/* ---- asked by node/, store ---- */
const struct rf_topology_ops *rf_overlay_topology(const struct rf_overlay *overlay, struct rf_topology **t);
const struct rf_conf *rf_overlay_conf(const struct rf_overlay *overlay);
const struct rf_id *rf_overlay_self(const struct rf_overlay *overlay);
/* the link to a directly connected node, 0 = none */
uint64_t rf_overlay_link_of(const struct rf_overlay *overlay, const struct rf_id *node);
/* rf_overlay_links_of: the newest links to that node, at most `max`, the newest first; returns how many */
size_t rf_overlay_links_of(const struct rf_overlay *overlay, const struct rf_id *node, uint64_t *out,
                           size_t max);
size_t rf_overlay_conns(const struct rf_overlay *overlay, struct rf_conn *out, size_t max);

/*
 * rf_overlay_set_diagnostics gives the functions that fill DiagnosticsResponse kinds (7.5) that overlay/ cannot know (stored bytes, ...):
 * `fill` appends DiagnosticInfo contents for `kind` into out and returns 0, or RF_ENOTFOUND.
 */
void rf_overlay_set_diagnostics(struct rf_overlay *overlay,
                                int (*fill)(void *arg, uint16_t kind, struct rf_buf *out), void *arg);

/* rf_overlay_set_resource_count gives the function that Probe asks for num_resources (3.10). */
void rf_overlay_set_resource_count(struct rf_overlay *overlay, size_t (*count)(void *arg), void *arg);

/* One hop of a PathTrack trace. */
struct rf_trace_hop {
    unsigned hop; /* 1 = our first hop */
    struct rf_id node;
    uint64_t rtt_us;      /* of the PathTrack to that node */
    uint64_t received_ms; /* its wall clock when it received the request */
    bool responsible;     /* the end */
    int error;            /* 0, RF_ETIMEOUT, RF_EREMOTE */
    uint16_t error_code;
    uint32_t routing_table_size, uptime_s; /* if it told */
};
/*
 * rf_overlay_trace follows the path to a Resource-ID or Node-ID hop by hop; hop() for each, done() once, neither from inside this call.
 * done: 0 the end was found; RF_ENOTFOUND the path ends at a node that is not the one looked for; RF_EUNREACHABLE no way out of here; RF_ELIMIT
 * a loop, or more than 32 hops; the last hop's error; RF_ECANCELLED. Errors: those of rf_overlay_call.
 */
int rf_overlay_trace(struct rf_overlay *overlay, const struct rf_id *target, bool resource,
                     void (*hop)(void *arg, const struct rf_trace_hop *hop),
                     void (*done)(void *arg, int error), void *arg);

#endif
