/*
 * node.h - the one object: link table, overlay, storage, usages of one node. The daemon and the simulator run this, nothing else.
 *
 * Doorway. In: flow events, persist completions, commands, ticks, each with the time. Out: a queue that the caller drains with rf_node_next
 * after every call in, and rf_node_deadline, the time of the next tick. The node reads no clock, opens nothing, starts nothing.
 *
 * Life: new -> load (records, remembered peers) -> start -> (JOINING -> JOINED)* -> leave -> RF_NODE_OUT_LEFT -> free.
 * Callbacks of commands run inside rf_node_* calls of the shell; they may call commands again, but not rf_node_free.
 */
#ifndef RF_NODE_NODE_H
#define RF_NODE_NODE_H

#include "base/addr.h"
#include "base/env.h"
#include "conf/conf.h"
#include "ident/ident.h"
#include "link/link.h"
#include "overlay/overlay.h"
#include "overlay/persist.h"
#include "overlay/store.h"
#include "stun/credentials.h"
#include "wire/relay.h"

struct rf_node;

#define RF_NODE_COUNTERS(X)                                                                                  \
    X(attaches_bad_answer,                                                                                   \
      "Attaches and AppAttaches of ours that failed: malformed answer, or its role is not active")           \
    X(attaches_dialled, "connections that a client made itself, because who was to dial it did not come")    \
    X(attaches_refused_full, "Attaches and AppAttaches refused: no room for another link")                   \
    X(clients_admitted, "clients admitted, as home or as reserve")                                           \
    X(clients_refused_full, "clients refused and redirected: max_clients")                                   \
    X(clients_refused_rate, "clients refused and redirected: too many handshakes or dials in this second")   \
    X(reserves_closed, "links of clients in reserve closed: the room was wanted for others")                 \
    X(visitors_refused, "links closed at once: too many that are neither clients nor peers")                 \
    X(visitors_closed, "links closed: neither client nor peer after a while, and no room")                   \
    X(redirects, "redirects received")                                                                       \
    X(redirects_malformed, "refusals of our Attaches whose error_info is malformed")                         \
    X(promotions, "role auto: times this node became a supernode")                                           \
    X(demotions, "role auto: times it left the ring to be a client again")                                   \
    X(demotions_failed, "... and took its place again, since nobody took what it stores")                    \
    X(dialled_back, "clients dialled to show whether they can be reached")                                   \
    X(attaches_ice, "Attaches of ours with ICE")                                                             \
    X(paths_restarted, "times we had a path looked for anew under its link")                                 \
    X(attaches_pathless, "AppAttaches of ours for which ICE found no way")                                   \
    X(asked_away, "times a supernode of ours was about to leave and asked us to move")                       \
    X(relay_given, "credentials for our relay that were given to others")                                    \
    X(relay_refused, "requests for a relay that were refused: there is none here, or not now")               \
    X(relay_asked, "supernodes that were asked for the use of their relay")                                  \
    X(relay_searches, "looks into the overlay for a relay")                                                  \
    X(relays_refused, "connections to relays by TLS that were ended: it showed another certificate")         \
    X(relays_useless, "credentials given up because the relay made no allocation with them")                 \
    X(flows_closed, "connections closed to make room for others: max_flows")                                 \
    X(flows_refused, "connections not made or not let in: max_flows")                                        \
    X(flows_waited, "times somebody had to wait for room for a connection: max_flows")                       \
    X(returns_kept, "messages kept for clients that lost their link")                                        \
    X(returns_given, "messages that went out over a client's newer link")                                    \
    X(bindings_tried, "times it was tried how long a NAT keeps what is idle")                                \
    X(bindings_broken, "times a NAT had forgotten what was silent for no longer than it had kept before")    \
    X(bindings_shown, "pieces that clients waited for to see whether their NAT lets them in")                \
    X(bindings_refused, "questions for that that were refused, or put off: too many")                        \
    X(bindings_malformed, "pieces dropped, or connections for them ended: malformed, or another's")          \
    X(bindings_strangers, "datagrams of that sort dropped: from nobody who has asked, or from elsewhere")    \
    X(returns_strayed, "messages for a client whose link here was lost that went to its home")
RF_COUNTERS(node, RF_NODE_COUNTERS)

enum rf_node_role { RF_NODE_AUTO = 1, RF_NODE_CLIENT, RF_NODE_SUPERNODE };

struct rf_node_config {
    struct rf_mem *mem;             /* borrowed */
    struct rf_log *log;             /* borrowed, may be NULL */
    struct rf_scratch *scratch;     /* borrowed; shared by nodes of one thread; NULL: the node has its own */
    struct rf_rng *secret, *jitter; /* borrowed */
    struct rf_crypto *crypto;       /* borrowed */
    const struct rf_engine_ops *engine_ops; /* &rf_engine_gnutls */
    /* The same for datagrams: the shell has sockets for them (rf_node_base). NULL: none, and no overlay with ICE. */
    const struct rf_engine_ops *datagram_ops;
    struct rf_conf *conf;    /* held */
    struct rf_view cert_der; /* followed by the intermediates it needs, if any; copied */
    struct rf_view key_pem;  /* copied, wiped */
    enum rf_node_role role;
    const struct rf_addr
        *listen; /* addresses others can reach us at (candidates), in order of preference; copied */
    size_t listen_count;
    const char *software;         /* copied */
    size_t max_links;             /* 0 = default */
    size_t max_links_per_address; /* 0 = default; SIZE_MAX = no limit, neither in number nor in rate */
    size_t max_store_bytes;       /* 0 = default */
    size_t max_clients;           /* supernode: clients, those in reserve included; 0 = default (4000) */
    size_t handshakes_per_s;      /* 0 = default (200); SIZE_MAX = no limit */
    size_t
        requests_per_s; /* supernode: answered in all; 0 = default (4000); SIZE_MAX = no limit, nor per link */
    /* Borrowed: counters that it shares with other nodes of the same thread, none of which is asked for its own. NULL: its own. */
    struct rf_counter_set *counters;
    struct rf_intern
        *values; /* likewise: where they keep the bytes of stored values, those of replicas once */
    /* The longest random wait before the overlay is looked for again, after a loss, a failure or a refusal. 0 = default (60 s); what is much
     * less feeds storms: it is there to show that. */
    uint64_t backoff_max_us;
    /* Role AUTO: stable after so many seconds; looks so often whether it is needed; not needed for so long as a supernode: a client again; and
     * not if so few supernodes were left. 0 = default (1200, 120, 1800, 8). */
    uint32_t auto_uptime_s, auto_interval_s, auto_idle_s, auto_min_ring;
    /* Client: connections at once, whoever makes them; 0 = default (20), at least 3, SIZE_MAX = no limit. Is no second supernode to be kept linked? */
    size_t max_flows;
    bool no_reserve;
    /* A link that is silent for so long gets a sign of life; 0 = default (60). A client learns how long its NAT keeps a connection, and is silent for as long as that allows, but no
     * longer than keepalive_max_s; 0: it does not. */
    uint32_t keepalive_s, keepalive_max_s;
};

/* rf_node_new checks identity and document. Errors: those of rf_trust_cert (own certificate), RF_EMISMATCH key and certificate or
 * overlay, RF_EUNSUPPORTED the overlay uses ICE and there is no datagram_ops, or the certificate has several Node-IDs, RF_EFORBIDDEN no clients permitted,
 * RF_EINVAL, RF_ENOMEM. */
int rf_node_new(const struct rf_node_config *config, struct rf_now now, struct rf_node **out);
void rf_node_free(struct rf_node *node);

/* ---- the shell's doorway ---- */

/*
 * rf_node_load_kinds gives the Kinds of RF_NODE_OUT_CONF in an earlier life, before the records (those of unknown Kinds are left out). Only what a
 * kind-signer of the document vouches for is taken. Errors: RF_EFORMAT, RF_ENOMEM.
 */
int rf_node_load_kinds(struct rf_node *node, struct rf_view kinds);
/* rf_node_add_kind tells what a program knows of a Kind of its own, before the node is started (rf_store_add_kind). Borrowed for the node's life. RF_EEXIST. */
int rf_node_add_kind(struct rf_node *node, const struct rf_usage_kind *kind);
int rf_node_load(struct rf_node *node, const struct rf_record *record); /* before start */
/* rf_node_remember gives a supernode that we were linked with in an earlier life (tried before the bootstrap nodes). */
void rf_node_remember(struct rf_node *node, const struct rf_addr *addr);
/* What was learned of a network: how long its NAT keeps an idle connection (tcp), and a mapping of datagrams (udp): `kept` longest, `lost` the shortest that it did not; 0: not known. */
struct rf_node_network {
    struct rf_addr seen,
        local; /* how supernodes see this computer from there, and its own address; ports are 0 */
    uint32_t tcp_kept_ms, tcp_lost_ms, udp_kept_ms, udp_lost_ms;
    uint64_t learned_ms; /* wall clock */
};
/* rf_node_load_network gives one of RF_NODE_OUT_NETWORKS in an earlier life, in their order, before start. */
void rf_node_load_network(struct rf_node *node, const struct rf_node_network *network);
void rf_node_start(struct rf_node *node, struct rf_now now);
void rf_node_leave(struct rf_node *node, struct rf_now now);
void rf_node_tick(struct rf_node *node, struct rf_now now);
uint64_t rf_node_deadline(const struct rf_node *node); /* monotonic us, RF_NEVER */

int rf_node_accept(struct rf_node *node, const struct rf_addr *remote, const struct rf_addr *local,
                   struct rf_now now, rf_link_id *flow);
void rf_node_connected(struct rf_node *node, rf_link_id flow, const struct rf_addr *local, struct rf_now now);
void rf_node_closed(struct rf_node *node, rf_link_id flow, int reason, struct rf_now now);
void rf_node_input(struct rf_node *node, rf_link_id flow, struct rf_view bytes, struct rf_now now);
struct rf_view rf_node_output(struct rf_node *node, rf_link_id flow);
void rf_node_output_done(struct rf_node *node, rf_link_id flow, size_t len);
/*
 * rf_node_base: the shell's socket number `base` (below 16) sends and receives datagrams at this local address now, one that others may see (not
 * 0.0.0.0); NULL: not any more. Errors: RF_EINVAL, RF_EUNSUPPORTED no datagram_ops. rf_node_datagram: one came from `remote` to that socket.
 */
/*
 * rf_node_moved: this computer's addresses or its way out have changed; these it has now (ports are ignored). Links that leave from another one are given up at once, the others
 * have to show that they still lead somewhere.
 */
void rf_node_moved(struct rf_node *node, const struct rf_addr *addrs, size_t count, struct rf_now now);
int rf_node_base(struct rf_node *node, uint8_t base, const struct rf_addr *addr, struct rf_now now);
/* rf_node_spare: the shell's socket number `base` can send datagrams to home, and is for nothing else than to learn how long a NAT keeps it (its datagrams come by rf_node_datagram); -1: there is none. */
void rf_node_spare(struct rf_node *node, int base, struct rf_now now);
void rf_node_datagram(struct rf_node *node, uint8_t base, const struct rf_addr *remote, struct rf_view bytes,
                      struct rf_now now);
void rf_node_persisted(struct rf_node *node, uint64_t token, int error, struct rf_now now);
/* rf_node_renew: a renewed certificate (and its intermediates) for the same key and Node-ID. Errors as rf_node_new. */
int rf_node_renew(struct rf_node *node, struct rf_view cert_der, struct rf_now now);
/* rf_node_offer_conf: a document that the shell has; used if newer and valid. trusted_by_https: fetched and verified by the shell. Errors:
 * RF_EEXIST not newer, RF_EUNSUPPORTED it is genuine and we cannot meet it: the node leaves (3.14), those of rf_conf_parse. */
int rf_node_offer_conf(struct rf_node *node, struct rf_view xml, bool trusted_by_https, struct rf_now now);

enum rf_node_out_type {
    RF_NODE_OUT_NONE,
    RF_NODE_OUT_FLOW,    /* do flow.type */
    RF_NODE_OUT_PERSIST, /* make ops durable, then rf_node_persisted(token) */
    RF_NODE_OUT_CONF,  /* keep this document (xml) and these Kinds (kinds; empty: none) for the next start */
    RF_NODE_OUT_PEERS, /* keep these addresses for rf_node_remember */
    RF_NODE_OUT_NETWORKS, /* keep these for rf_node_load_network */
    RF_NODE_OUT_EVENT,    /* for people and programs */
    RF_NODE_OUT_LEFT,     /* leaving is done */
    RF_NODE_OUT_DATAGRAM, /* send head, bytes and `pad` zero bytes as one datagram; if that can't be done at once, drop it */
};
enum rf_node_event_type {
    RF_NODE_EVENT_JOINED = 1,  /* node_id = our supernode for clients */
    RF_NODE_EVENT_LOST,        /* not in the overlay any more, trying again */
    RF_NODE_EVENT_UNREACHABLE, /* no bootstrap node answers; text says which and why; told once a round */
    RF_NODE_EVENT_LINK_UP,
    RF_NODE_EVENT_LINK_DOWN,
    RF_NODE_EVENT_CONF,     /* a new document is in force */
    RF_NODE_EVENT_REVOKED,  /* our own Node-ID is a bad-node: we stop */
    RF_NODE_EVENT_EXPIRING, /* certificate expires within a third of its life */
    RF_NODE_EVENT_EXPIRED,
    RF_NODE_EVENT_CLOCK, /* other nodes' clocks differ from ours by more than a minute; number = difference in ms */
    RF_NODE_EVENT_UNMET, /* a genuine newer document asks for what we lack, text says what: we leave the overlay */
    RF_NODE_EVENT_REGISTERED, /* our SIP registration and certificates are stored */
    RF_NODE_EVENT_ROLE, /* role AUTO: number = enum rf_node_role from now on, text says why; joined follows */
};
const char *rf_node_event_name(enum rf_node_event_type type); /* "joined", ... */
struct rf_node_out {
    enum rf_node_out_type type;
    struct rf_flow_action flow;
    struct {
        uint8_t base, pad;
        struct rf_addr remote;
        struct rf_view head, bytes; /* head: often empty */
    } datagram;
    uint64_t token;
    const struct rf_persist_op *ops; /* borrowed until the next rf_node_next */
    size_t op_count;
    struct rf_view xml;
    struct rf_view kinds; /* came by ConfigUpdate: bytes for rf_node_load_kinds */
    const struct rf_addr *peers;
    size_t peer_count;
    const struct rf_node_network *networks;
    size_t network_count;
    struct {
        enum rf_node_event_type type;
        struct rf_id node_id;
        struct rf_addr addr;
        int error;
        int64_t number;
        char text[256];
    } event;
};
/* rf_node_next gives the next thing to do; false when there is none. Everything in `out` is borrowed until the next call. */
bool rf_node_next(struct rf_node *node, struct rf_node_out *out);

/* ---- tap: what `ringfolkd --capture` and the simulator's trace see: every RELOAD frame in plain ---- */
struct rf_node_tap {
    void *ctx;
    void (*frame)(void *ctx, bool outgoing, const struct rf_addr *remote, const struct rf_addr *local,
                  struct rf_view message, uint64_t wall_ms);
};
void rf_node_set_tap(struct rf_node *node, const struct rf_node_tap *tap); /* copied; NULL: none */

/* ---- what the node knows ---- */

struct rf_node_status {
    struct rf_id node_id;
    struct rf_view user, overlay; /* borrowed while the node lives or until a new document */
    enum rf_node_role role;       /* now: never AUTO */
    bool auto_role;               /* it may change */
    const char *role_why;         /* in plain words; constant text */
    enum rf_topology_state state;
    struct rf_id supernode; /* clients */
    bool guest;             /* clients: the supernode is not in charge of our Node-ID */
    size_t link_count;
    size_t flow_count,
        max_flows; /* connections, those that are being made included; clients: at most, SIZE_MAX: any number */
    /* supernodes: all clients; of these in reserve; of the rest not of our range; how many may be */
    size_t client_count, reserve_count, guest_count, max_clients;
    uint64_t uptime_s;
    uint16_t conf_sequence;
    uint64_t cert_not_after_ms, cert_life_ms;
    double share; /* of the ring, 0..1 */
    struct rf_store_stats store;
    bool registered;
};
void rf_node_status(const struct rf_node *node, struct rf_node_status *out);
/* What a client has learned of the NAT in front of it; times as in rf_node_network. */
struct rf_node_bindings {
    bool known;         /* where it is */
    bool learning;      /* it is at it, or will be */
    uint64_t silent_us; /* how long its link with home is silent; 0: as any link */
    uint64_t tcp_kept_us, tcp_lost_us, udp_kept_us, udp_lost_us;
};
void rf_node_bindings(const struct rf_node *node, struct rf_node_bindings *out);
/* Of a supernode; cheaper than its status. */
struct rf_node_budgets {
    size_t clients, max_clients; /* those in reserve included; 0 of a client */
    size_t handshakes_per_s;     /* that it takes at most, 0: no limit */
};
void rf_node_budgets(const struct rf_node *node, struct rf_node_budgets *out);
/* rf_node_peek: what this node itself holds at that place, be it in charge or a replica; nobody is asked. slot: dictionary key or index (big-endian
 * 32 bits), empty for a single value. value: DataValue's bytes, borrowed until the next call; false: there is none. */
bool rf_node_peek(const struct rf_node *node, const struct rf_id *resource, uint32_t kind,
                  struct rf_view slot, struct rf_view *value);
/* rf_node_peek_registration: the same for a device's SIP registration. host: the first node on the way to it, the device itself when it is no guest. */
bool rf_node_peek_registration(const struct rf_node *node, const struct rf_id *resource,
                               const struct rf_id *device, struct rf_id *host);
/* rf_node_each_held is rf_store_each (overlay/store.h). */
void rf_node_each_held(const struct rf_node *node, uint32_t kind,
                       void (*fn)(void *arg, const struct rf_store_held *held), void *arg);
const struct rf_conf *rf_node_conf(const struct rf_node *node);
void rf_node_each_link(const struct rf_node *node,
                       void (*fn)(void *arg, const struct rf_link_info *info, char relation),
                       void *arg); /* relation as in rf_topology_status_entry, 'c' client, '-' other */
size_t rf_node_ring(const struct rf_node *node, struct rf_topology_status_entry *out, size_t max);
/* rf_node_counters calls fn for every counter of every room ("link", "frames_in", 17). */
void rf_node_counters(const struct rf_node *node,
                      void (*fn)(void *arg, const char *room, const char *name, const char *help,
                                 uint64_t value),
                      void *arg);

/* ---- commands: each calls back exactly once unless it returns an error itself ---- */

/* A user name as people type it ("bob" or "bob@example.org") -> "bob@example.org" in out (RF_EFORMAT, RF_ELIMIT). */
int rf_node_full_name(const struct rf_node *node, const char *name, struct rf_buf *out);

/*
 * rf_node_forward: from now on our own registration sends callers on to `aor` ("carol@example.org"; empty: no more). It stands until it is
 * changed, not over a restart. Errors: RF_EFORMAT no AOR, RF_EINVAL ourselves, RF_ENOMEM. rf_node_forwarded: "" for none; borrowed.
 */
int rf_node_forward(struct rf_node *node, struct rf_view aor, struct rf_now now);
const char *rf_node_forwarded(const struct rf_node *node);

/* One device of a user, from its SIP registration. */
struct rf_device {
    struct rf_id node_id;
    struct rf_view
        aor; /* whose registration it is: the name asked for, or one it forwards to; its certificate names it. Borrowed */
    struct rf_view route;   /* encoded destination list to it (reload.md 2.2), node_id last; borrowed */
    uint16_t application;   /* for calls: 5060, or 5061 when its contact_prefs want sips only (7.3) */
    uint64_t registered_ms; /* storage_time */
    uint64_t expires_ms;
    uint8_t cert_sha256[RF_SHA256_LEN];
    bool self; /* it is us */
};
struct rf_whois {
    int error; /* 0; RF_ENOTFOUND nobody of that name is registered; RF_ELIMIT no end of forwardings */
    struct rf_view name; /* the one asked for */
    const struct rf_device *devices;
    size_t device_count;
    bool
        exists; /* a certificate is stored under that name (false: unknown user -> 404, true: offline -> 480) */
    bool loop;              /* with RF_ELIMIT: forwarded in a circle (-> 482), else too often (-> 483) */
    struct rf_id resource;  /* H(name) */
    struct rf_id responder; /* where it is stored */
    uint64_t took_us;
};
int rf_node_whois(struct rf_node *node, struct rf_view full_name, struct rf_now now,
                  void (*done)(void *arg, const struct rf_whois *whois), void *arg);
/* ping: over the overlay to a Node-ID. */
int rf_node_ping(struct rf_node *node, const struct rf_id *target, struct rf_now now,
                 void (*done)(void *arg, int error, uint64_t rtt_us, uint64_t their_wall_ms), void *arg);
/* ping_route: along a destination list as struct rf_device has it, for example. Errors: RF_EINVAL, RF_ELIMIT: of the list; those of rf_overlay_call. */
int rf_node_ping_route(struct rf_node *node, struct rf_view route, struct rf_now now,
                       void (*done)(void *arg, int error, uint64_t rtt_us, uint64_t their_wall_ms),
                       void *arg);
int rf_node_trace(struct rf_node *node, const struct rf_id *target, bool resource, struct rf_now now,
                  void (*hop)(void *arg, const struct rf_trace_hop *hop), void (*done)(void *arg, int error),
                  void *arg);
/* fetch: values of a Kind at a resource, verified. resource_name is hashed (5.2) unless `resource` is given. */
int rf_node_fetch(struct rf_node *node, const struct rf_id *resource, uint32_t kind, struct rf_now now,
                  void (*done)(void *arg, const struct rf_fetch_result *result), void *arg);
int rf_node_resource_of(const struct rf_node *node, struct rf_view resource_name, struct rf_id *out);
/* store: one value, signed by us; arguments and errors as rf_store_client_store (overlay/usage.h). */
int rf_node_store(struct rf_node *node, const struct rf_id *resource, uint32_t kind, struct rf_view slot,
                  bool exists, struct rf_view value, uint32_t lifetime_s, struct rf_now now,
                  rf_stored_fn done, void *arg);

/* ---- relays (docs/protocol/relay.md) ---- */

/*
 * rf_node_serve_relay: the shell runs a relay for others from now on; again with a new secret when it is rotated. NULL: it runs none any more. Whoever asks with
 * a certificate of the overlay gets credentials by this secret. The relay is advertised (TURN-SERVICE) by its first UDP server when this node is a supernode and others can
 * dial that address, as far as they are known; `quiet`: not at all. Errors: RF_EINVAL too many servers or too long texts, RF_ENOMEM.
 */
struct rf_node_relay_offer {
    uint8_t secret[RF_TURN_SECRET_LEN];
    uint32_t lifetime_s; /* of the credentials; 0 = default (3600) */
    const char *realm;
    const struct rf_relay_server *servers;
    size_t server_count;
    bool quiet;
};
int rf_node_serve_relay(struct rf_node *node, const struct rf_node_relay_offer *offer, struct rf_now now);

/* What a node was given. */
struct rf_node_relay {
    int error;                  /* 0; RF_ENOTFOUND no relay was found; RF_ECANCELLED */
    struct rf_id node;          /* whose relay it is */
    struct rf_relay_said given; /* its texts are borrowed for the callback */
    uint64_t expires_us;        /* monotonic: no new allocation from then on */
};
/*
 * rf_node_relay finds a relay and the credentials to use it: those at hand, if they are good for long enough; else supernodes that we are linked with are asked, then
 * some that are found in the overlay. fresh: what was at hand did not work. Errors: RF_ENOMEM, RF_ECLOSED not in the overlay. done exactly once, never from
 * inside this call.
 */
int rf_node_relay(struct rf_node *node, bool fresh, struct rf_now now,
                  void (*done)(void *arg, const struct rf_node_relay *relay), void *arg);
/* rf_node_relay_at_hand: the credentials that were given last; false: there are none, or they have expired. Borrowed until the next rf_node_* call. */
bool rf_node_relay_at_hand(const struct rf_node *node, struct rf_now now, struct rf_node_relay *out);

/* A relay that the overlay knows of. */
struct rf_node_found_relay {
    struct rf_id node;
    struct rf_view user; /* whose; borrowed */
    struct rf_addr addr;
    uint32_t lifetime_s; /* as stored */
};
/*
 * rf_node_find_relays looks for TURN-SERVICE entries at random places of the ring: `each` for every node that has one, `done` at the end (0, RF_ECANCELLED, or the error that
 * all looks ended with). Errors: RF_ENOMEM, RF_ECLOSED not in the overlay. Neither is called from inside this call.
 */
int rf_node_find_relays(struct rf_node *node, struct rf_now now,
                        void (*each)(void *arg, const struct rf_node_found_relay *found),
                        void (*done)(void *arg, int error), void *arg);

/* checkup: what can be found out about the node's place in the network, within 8 s. Errors: RF_EBUSY one is under way, RF_ENOMEM. */
enum rf_node_reach {
    RF_REACH_UNKNOWN,
    RF_REACH_YES,       /* a supernode has connected with us */
    RF_REACH_NO,        /* it was to, and did not come */
    RF_REACH_NOWHERE,   /* we listen on no address that all supernodes could dial */
    RF_REACH_ELSEWHERE, /* our own address is not the one that supernodes see us at: they dial no other */
};
/* How datagrams fare, as supernodes answer them; of the socket that fares best. */
enum rf_node_datagrams {
    RF_DATAGRAMS_UNKNOWN, /* an overlay without ICE, or nobody was asked yet */
    RF_DATAGRAMS_OPEN,    /* seen at the address that they are sent from */
    RF_DATAGRAMS_ALIKE,   /* all see the same address: devices are reached directly through this NAT */
    RF_DATAGRAMS_VARY,    /* each sees another one: "symmetric" */
    RF_DATAGRAMS_BLOCKED, /* nobody answers */
};
struct rf_node_checkup {
    int error; /* RF_ECANCELLED: the node ended; RF_ENOMEM */
    bool joined;
    int way_error; /* not joined: why the last one who was tried did not answer; 0: nobody was tried yet */
    struct rf_addr way;              /* ... and who that was */
    struct rf_id supernode, reserve; /* a client's; of a supernode: its successor. len 0: none */
    struct rf_addr local, remote,
        seen;    /* the link's ends as we see them; ours as the supernode sees it, family 0: it did not say */
    bool silent; /* the supernode has not answered in time */
    uint64_t rtt_us;
    bool clock_known;
    int64_t clock_ms; /* the supernode's clock minus ours */
    enum rf_node_reach reach;
    enum rf_node_datagrams datagrams;
    struct rf_addr datagrams_seen; /* at which address; family 0: unknown */
};
int rf_node_checkup(struct rf_node *node, struct rf_now now,
                    void (*done)(void *arg, const struct rf_node_checkup *checkup), void *arg);

/* ---- application connections (AppAttach) ---- */

/*
 * One party per application ID: up() for connections that others or we made, data() for their bytes, down() at the end.
 * peer: whose certificate was checked; borrowed. For outgoing ones up() comes before rf_node_app_attach's done.
 */
struct rf_node_app {
    void *ctx;
    void (*up)(void *ctx, rf_link_id conn, const struct rf_id *node_id, struct rf_view user, bool outgoing);
    void (*data)(void *ctx, rf_link_id conn, struct rf_view bytes);
    void (*down)(void *ctx, rf_link_id conn, int reason);
};
int rf_node_set_app(struct rf_node *node, uint16_t application, const struct rf_node_app *app); /* copied */
void rf_node_unset_app(struct rf_node *node, uint16_t application); /* it hears nothing any more */
/* Whom an application connection is for; views are borrowed for the call. */
struct rf_app_target {
    struct rf_id node_id; /* the answering certificate must carry it ... */
    struct rf_view user;  /* ... and this name, unless empty */
    struct rf_view route; /* encoded destination list, node_id last; empty: the overlay finds node_id */
    uint16_t application;
};
/* app_attach makes a connection to a device, or gives the one that stands. Errors: RF_EINVAL ourselves, an application that nobody has taken
 * here or a route that leads elsewhere, RF_EAUTH the standing connection is another user's, RF_ELIMIT, RF_ENOMEM. done: RF_ELIMIT max_flows are in use. */
int rf_node_app_attach(struct rf_node *node, const struct rf_app_target *target, struct rf_now now,
                       void (*done)(void *arg, int error, rf_link_id conn), void *arg);
int rf_node_app_send(struct rf_node *node, rf_link_id conn, struct rf_view bytes, struct rf_now now);
/* app_room: bytes that may be sent now without piling up more than half a MiB for a peer that does not take them; it grows again with the flow's output, or acknowledgements. 0: none, or no such connection. */
size_t rf_node_app_room(const struct rf_node *node, rf_link_id conn);
/* app_hold: this connection is needed even while nothing goes over it (a call): no room is made at its cost. An unknown one is ignored. */
void rf_node_app_hold(struct rf_node *node, rf_link_id conn, bool held, struct rf_now now);
void rf_node_app_close(struct rf_node *node, rf_link_id conn, struct rf_now now);
/* rf_node_register keeps our SIP registration stored while on (default on for nodes with a phone or a user's daemon). */
void rf_node_register(struct rf_node *node, bool on, struct rf_now now);

#endif
