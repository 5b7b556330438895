/*
 * ice.h - an ICE agent for all sessions of a node, with a TURN client, without I/O (RFC 8445, RFC 8656, RFC 7675).
 *
 * A node has one `struct rf_ice`. It is given every datagram that came to one of the node's UDP sockets, answers what is STUN, and tells whose the rest
 * is; what it wants done stands in a queue that the shell drains (rf_ice_next): datagrams, messages of streams to TURN servers, events of sessions. Timers
 * are those of rf_env.
 *
 * Words. A base is a local UDP address that the shell can send from, known by its number: a socket, or one address of a socket that listens on many (the
 * shell then tells them apart by IP_PKTINFO). A session is a connection with one other agent: one stream of one component, as RELOAD uses ICE. Everything
 * else is the RFC's: candidates, pairs, checks, nomination, controlling and controlled.
 *
 * Life of a session:
 *
 *   GATHERING  rf_ice_open: STUN servers are asked, allocations are made, unless both are known already from another session
 *              -> event GATHERED: rf_ice_local gives credentials and candidates to send to the other agent
 *   READY      waits for the other's; checks that come already are answered and remembered. rf_ice_start ->
 *   CHECKING   the pairs are checked, one every ta_us over all sessions, triggered ones sooner
 *              -> event SELECTED: rf_ice_send works. Or, connect_us after the start: event FAILED (RF_EUNREACHABLE)
 *   CONNECTED  candidates that are not used are freed, keep-alives go where nothing else does. A relayed session goes on checking direct pairs for a while and
 *              changes over when one works (SELECTED again; both ends take data from either way, so none is lost).
 *              -> consent not renewed for 30 s, or the relay is gone: event FAILED (RF_EEXPIRED, RF_ECLOSED)
 *   FAILED     rf_ice_close it, or rf_ice_restart
 *
 * Roaming. rf_ice_base_set with another address: who talked over this base checks again from it at once, which the other agent follows without any
 * signalling; if that does not help within move_us the event RESTART says so: rf_ice_restart, then signal. Until the restart has succeeded data go
 * the old way. A restart that has come to nothing after restart_us, while nothing came the old way either, is told by RESTART with RF_EAGAIN: once more, after a while; what is consented
 * to ends as ever. RESTART also comes while READY or CHECKING, when a base or an allocation is lost that the other agent has been told of.
 *
 * Two sessions with the same other socket (same base, same remote address) can check, but data could not be told apart: the session that is
 * selected later takes over, the earlier one fails with RF_EDUPLICATE. A second base keeps them apart (rf_ice_session_config.bases).
 */
#ifndef RF_ICE_ICE_H
#define RF_ICE_ICE_H

#include "base/addr.h"
#include "base/counter.h"
#include "base/env.h"
#include "crypto/crypto.h"

typedef uint64_t rf_ice_id; /* 0 = none; never reused */

#define RF_ICE_MAX_BASES   16
#define RF_ICE_MAX_STUN    8
#define RF_ICE_MAX_TURN    8
#define RF_ICE_MAX_PAIRS   100 /* RFC 8445, section 6.1.2.5 */
#define RF_ICE_MAX_LOCAL   32
#define RF_ICE_MAX_REMOTE  40  /* candidates of the other agent, those found by its checks included */
#define RF_ICE_TEXT_MAX    256 /* ufrag, password (RFC 8839, section 5.4) */
#define RF_ICE_MAX_PAYLOAD 65000

#define RF_ICE_COUNTERS(X)                                                                                   \
    X(sessions, "sessions opened")                                                                           \
    X(selected_direct, "times a direct pair was selected")                                                   \
    X(selected_relayed, "times a relayed pair was selected")                                                 \
    X(upgraded, "of the direct ones, those that took over from a relayed one")                               \
    X(moved, "times a session changed its way because an end moved")                                         \
    X(failed, "sessions that found no way")                                                                  \
    X(lost, "sessions whose way ended: no consent, no relay")                                                \
    X(taken_over, "sessions that another one of the same address took over from")                            \
    X(checks, "connectivity checks sent, without retransmissions")                                           \
    X(retransmissions, "requests sent again")                                                                \
    X(checks_answered, "connectivity checks answered with success")                                          \
    X(role_conflicts, "role conflicts settled")                                                              \
    X(consents, "consent checks sent")                                                                       \
    X(keepalives, "keep-alive indications sent")                                                             \
    X(bindings, "Binding requests of strangers answered: we are a STUN server")                              \
    X(bindings_dropped, "of these, not answered: not a server, or too many from there")                      \
    X(malformed, "datagrams dropped: broken STUN or ChannelData")                                            \
    X(stray_responses, "responses dropped: to no request of ours, or from elsewhere")                        \
    X(stray_indications, "indications dropped: neither a keep-alive nor from our relay")                     \
    X(stray_channels, "ChannelData dropped: not from our relay, or no such channel")                         \
    X(unknown_ufrag, "checks dropped: for no session of ours")                                               \
    X(wrong_integrity, "checks and responses refused: wrong or no integrity")                                \
    X(bad_requests, "checks refused: attributes missing or unknown")                                         \
    X(asymmetric, "checks failed: the response came from elsewhere")                                         \
    X(limited, "candidates, pairs or checks dropped: too many")                                              \
    X(no_room, "datagrams not sent: the queue is full or memory is short")                                   \
    X(probes, "STUN servers asked")                                                                          \
    X(probes_failed, "STUN servers that did not answer")                                                     \
    X(allocations, "allocations made")                                                                       \
    X(allocations_failed, "allocations refused, or without answer")                                          \
    X(allocations_lost, "allocations that ended against our will")                                           \
    X(permissions_refused, "permissions or channels that a relay refused")                                   \
    X(relay_dropped, "relayed datagrams dropped: malformed, or from a peer we do not know")
RF_COUNTERS(ice, RF_ICE_COUNTERS)

struct rf_ice;

struct rf_ice_config {
    struct rf_crypto *crypto; /* borrowed */
    uint64_t ta_us;  /* between ordinary checks; default 10 ms. Triggered ones follow each other after 5 ms */
    uint64_t rto_us; /* of the first transmission; default and least 500 ms (section 14.3) */
    uint64_t gather_us;       /* how long STUN servers are waited for; default 500 ms */
    uint64_t gather_relay_us; /* how long relays are waited for while there is none; default 3 s */
    uint64_t direct_grace_us; /* how long a direct pair that works may wait for a better one; default 20 ms */
    uint64_t relay_grace_us;  /* how long a relayed pair that works waits for direct ones; default 150 ms */
    uint64_t connect_us;      /* from the start to FAILED; default 15 s */
    uint64_t
        restart_us; /* the same after a restart, when there is an old way: to the event RESTART; default 8 s */
    uint64_t move_us;       /* from a change of address to the event RESTART; default 1 s */
    uint64_t relay_idle_us; /* how long an allocation that nobody uses is kept; default 30 s */
    size_t max_sessions;    /* default 4096 */
    size_t max_queued;      /* datagrams waiting in the queue; default 4096 */
    bool
        serve; /* answer Binding requests of strangers: nodes are STUN servers to each other (reload.md 3.7) */
};
void rf_ice_config_default(struct rf_ice_config *config);

/* rf_ice_new: env and config->crypto borrowed. Errors: RF_EINVAL, RF_ENOMEM. */
int rf_ice_new(const struct rf_env *env, const struct rf_ice_config *config, struct rf_ice **out);
void rf_ice_free(struct rf_ice *ice); /* allocations are left to run out */
const struct rf_ice_counters *rf_ice_counters(const struct rf_ice *ice);

/* ---- bases and servers ---- */

/*
 * rf_ice_base_set: base number `base` (below RF_ICE_MAX_BASES) has this address now. preference: 0..65535, higher is better, two bases of one family
 * should differ (section 5.1.2.1). Known already with another address: whatever used it moves. Errors: RF_EINVAL.
 */
int rf_ice_base_set(struct rf_ice *ice, uint8_t base, const struct rf_addr *addr, uint16_t preference);
void rf_ice_base_remove(struct rf_ice *ice, uint8_t base);
/* rf_ice_stun_add: ask this server for server-reflexive addresses. Known: nothing happens. Errors: RF_EINVAL, RF_ELIMIT. */
int rf_ice_stun_add(struct rf_ice *ice, const struct rf_addr *server);
void rf_ice_stun_remove(struct rf_ice *ice, const struct rf_addr *server);

struct rf_ice_turn {
    struct rf_addr addr;
    bool stream;             /* by a stream that the shell carries (TCP, TLS); else from a base */
    uint8_t family;          /* of relayed addresses, 4 or 6; 0: 4 */
    const char *user, *pass; /* copied */
};
/* rf_ice_turn_add gives the server a number. rf_ice_turn_login: new credentials from now on. Errors: RF_EINVAL, RF_ELIMIT, RF_ENOMEM, RF_ENOTFOUND. */
int rf_ice_turn_add(struct rf_ice *ice, const struct rf_ice_turn *turn, uint8_t *server);
int rf_ice_turn_login(struct rf_ice *ice, uint8_t server, const char *user, const char *pass);
void rf_ice_turn_remove(struct rf_ice *ice, uint8_t server); /* sessions over it fail */

/* ---- sessions ---- */

enum rf_ice_relaying { RF_ICE_RELAY_IF_NEEDED = 0, RF_ICE_RELAY_NEVER, RF_ICE_RELAY_ONLY };
struct rf_ice_session_config {
    bool controlling;
    enum rf_ice_relaying relaying;
    bool unanswered;       /* no STUN server is known to answer: they are asked, and not waited for */
    uint16_t bases;        /* bit per base that may be used; 0: all */
    uint64_t keepalive_us; /* nothing sent for so long: a Binding indication; default 15 s when 0 */
    uint64_t
        consent_us; /* about how often consent is asked for (RFC 7675: 5 s); 0: not: what runs over the session notices itself when it is dead */
};
/* rf_ice_open. Errors: RF_ELIMIT, RF_ENOMEM. */
int rf_ice_open(struct rf_ice *ice, const struct rf_ice_session_config *config, rf_ice_id *out);
void rf_ice_close(struct rf_ice *ice, rf_ice_id id); /* unknown: nothing */
/*
 * rf_ice_idle: both ends agreed that nothing has to go over this session for idle_us while nobody uses it: consent is asked for that often then. 0, or less than keepalive_us: as before. It ends when our end moves.
 * Without consent, unknown: nothing.
 */
void rf_ice_idle(struct rf_ice *ice, rf_ice_id id, uint64_t idle_us);

/* rf_ice_ask: is the other agent still there? Consent is asked for now, too; rf_ice_info.heard_us tells of its answer. Nothing selected, unknown: nothing. */
void rf_ice_ask(struct rf_ice *ice, rf_ice_id id);

/* The numbers are RELOAD's (reload.md 3.7); 3 is never sent. */
enum rf_ice_kind {
    RF_ICE_KIND_HOST = 1,
    RF_ICE_KIND_SRFLX = 2,
    RF_ICE_KIND_PRFLX = 3,
    RF_ICE_KIND_RELAY = 4
};
#define RF_ICE_FOUNDATION_MAX 32
struct rf_ice_cand {
    struct rf_addr addr, related; /* related: SRFLX and RELAY; family 0: not told */
    uint32_t priority;
    uint8_t kind; /* enum rf_ice_kind */
    char foundation[RF_ICE_FOUNDATION_MAX + 1];
};
struct rf_ice_params {
    struct rf_view ufrag, password;
    const struct rf_ice_cand *candidates;
    size_t candidate_count;
};
/* rf_ice_local: what to send to the other agent; borrowed until the next call for this session. Errors: RF_ENOTFOUND, RF_EAGAIN still gathering. */
int rf_ice_local(struct rf_ice *ice, rf_ice_id id, struct rf_ice_params *out);
/*
 * rf_ice_start: the other agent's (copied), for a session that is READY. Candidates that cannot be used (unknown kind, no address, too many) are skipped
 * and counted. Errors: RF_ENOTFOUND, RF_EAGAIN still gathering, RF_EBUSY started already, RF_EINVAL ufrag or password, RF_ENOMEM.
 */
int rf_ice_start(struct rf_ice *ice, rf_ice_id id, const struct rf_ice_params *remote);
/* rf_ice_add_remote: one more. Errors: RF_ENOTFOUND, RF_EAGAIN not CHECKING, RF_EINVAL, RF_ELIMIT. */
int rf_ice_add_remote(struct rf_ice *ice, rf_ice_id id, const struct rf_ice_cand *candidate);
/* rf_ice_restart: new credentials, GATHERING again; what is selected stays in use meanwhile. Errors: RF_ENOTFOUND, RF_ENOMEM. */
int rf_ice_restart(struct rf_ice *ice, rf_ice_id id);

enum rf_ice_state {
    RF_ICE_GATHERING = 1,
    RF_ICE_READY,
    RF_ICE_CHECKING,
    RF_ICE_CONNECTED,
    RF_ICE_FAILED,
};
struct rf_ice_info {
    enum rf_ice_state state;
    bool controlling;
    bool selected, relayed;          /* relayed: at either end */
    uint8_t local_kind, remote_kind; /* enum rf_ice_kind, of the selected pair */
    uint8_t base;                    /* that data leave from, RF_ICE_NO_BASE by a stream */
    struct rf_addr remote;           /* the other agent's address as we see it */
    uint64_t rtt_us;                 /* 0 unknown */
    uint64_t heard_us;               /* when something last came this way */
    size_t pair_count;
};
#define RF_ICE_NO_BASE 0xff
int rf_ice_info(const struct rf_ice *ice, rf_ice_id id, struct rf_ice_info *out); /* RF_ENOTFOUND */

/* ---- in ---- */

enum rf_ice_in { RF_ICE_IN_DONE, RF_ICE_IN_DATA, RF_ICE_IN_OTHER };
/*
 * rf_ice_input: a datagram came. DONE: it was for us (or garbage that looked so). DATA: `bytes`, which lie inside the datagram, are data of `session`; they are for whoever uses
 * it. OTHER: neither STUN nor ChannelData, and from nobody we know.
 */
enum rf_ice_in rf_ice_input(struct rf_ice *ice, uint8_t base, const struct rf_addr *remote,
                            struct rf_view datagram, rf_ice_id *session, struct rf_view *bytes);
/* Streams that RF_ICE_OUT_CONNECT asked for, by their number. A message is framed: what rf_stun_frame or rf_turn_channel_frame says is one. */
void rf_ice_stream_up(struct rf_ice *ice, uint32_t stream);
void rf_ice_stream_down(struct rf_ice *ice, uint32_t stream); /* closed, or it could not be made */
enum rf_ice_in rf_ice_stream_input(struct rf_ice *ice, uint32_t stream, struct rf_view message,
                                   rf_ice_id *session, struct rf_view *bytes);

/* ---- out ---- */

enum rf_ice_out_type {
    RF_ICE_OUT_DATAGRAM = 1, /* send `bytes` from `base` to `remote` */
    RF_ICE_OUT_STREAM,       /* send `bytes` on `stream` */
    RF_ICE_OUT_CONNECT,      /* connect `stream` to server `server`, at `remote` */
    RF_ICE_OUT_DISCONNECT,   /* close `stream`, once what was sent is out */
    RF_ICE_OUT_GATHERED,     /* events of `session` */
    RF_ICE_OUT_SELECTED,
    RF_ICE_OUT_RESTART,
    RF_ICE_OUT_FAILED,   /* for `error` */
    RF_ICE_OUT_UNSERVED, /* of server `server`: it made no allocation: RF_EAUTH not with these credentials, RF_ELIMIT it refused, RF_EUNREACHABLE no answer */
};
struct rf_ice_out {
    enum rf_ice_out_type type;
    uint8_t base, server;
    int error;
    uint32_t stream;
    rf_ice_id session;
    struct rf_addr remote;
    struct rf_view bytes;
};
/* rf_ice_next takes the next thing to do; false: nothing. `bytes` are borrowed until the next call of any function here. */
bool rf_ice_next(struct rf_ice *ice, struct rf_ice_out *out);

/* ---- data ---- */

/* How `len` bytes of payload travel: head, payload, `pad` zero bytes; as one datagram from `base` to `remote`, or (base is RF_ICE_NO_BASE) on `stream`. */
#define RF_ICE_HEAD_MAX 48
struct rf_ice_wrap {
    uint8_t base, head_len, pad;
    uint32_t stream;
    struct rf_addr remote;
    uint8_t head[RF_ICE_HEAD_MAX];
};
/* rf_ice_send: nothing is copied or allocated. Errors: RF_ENOTFOUND, RF_EAGAIN nothing is selected, or its base is gone, RF_ELENGTH more than RF_ICE_MAX_PAYLOAD. */
int rf_ice_send(struct rf_ice *ice, rf_ice_id id, size_t len, struct rf_ice_wrap *out);

/* ---- what the answers of STUN servers tell about a base ---- */

enum rf_ice_mapping {
    RF_ICE_MAPPING_UNKNOWN = 0, /* no answer yet, or only one server was asked */
    RF_ICE_MAPPING_NONE,        /* no NAT: the base's own address */
    RF_ICE_MAPPING_INDEPENDENT, /* one address for all (RFC 4787, section 4.1) */
    RF_ICE_MAPPING_DEPENDENT,   /* another address for each server: "symmetric" */
    RF_ICE_MAPPING_BLOCKED,     /* asked, and nobody answered */
};
struct rf_ice_behaviour {
    enum rf_ice_mapping mapping;
    bool preserves_port;
    struct rf_addr mapped;   /* as the first server sees us; family 0: unknown */
    uint8_t asked, answered; /* servers */
    uint64_t rtt_us;         /* to the nearest one */
};
/* rf_ice_behaviour: errors RF_EINVAL no such base. rf_ice_probe asks the servers again, all of them, from every base. */
int rf_ice_behaviour(const struct rf_ice *ice, uint8_t base, struct rf_ice_behaviour *out);
void rf_ice_probe(struct rf_ice *ice);

#endif
