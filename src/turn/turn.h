/*
 * turn.h - the relay: a STUN and TURN server (RFC 8489, RFC 8656) without I/O.
 *
 * A relay thread of the shell owns one of these, the listening sockets it reads and one socket per allocation. In: what came from a client or from a
 * peer. Out: what to send where, at once; nothing is queued. Bytes are never copied on the data path: towards a peer the payload inside the
 * datagram goes out, towards a client a header, then what came.
 *
 * Life of an allocation: an authenticated Allocate makes it; Refresh keeps it, at most max_lifetime_s at a time; lifetime 0, its end of time, or the
 * end of its stream ends it. Permissions last 5 minutes, channels 10; both are renewed by asking again.
 *
 * Who may: only who was given credentials (rf_turn_credentials): user name "EXPIRY:NAME", password derived from it by a secret that the threads of one
 * relay share. So nothing is kept about people without an allocation, and nothing is remembered of failed attempts.
 */
#ifndef RF_TURN_TURN_H
#define RF_TURN_TURN_H

#include "base/addr.h"
#include "base/clock.h"
#include "base/counter.h"
#include "base/env.h"
#include "crypto/crypto.h"
#include "stun/credentials.h"

#define RF_TURN_COUNTERS(X)                                                                                  \
    X(requests, "STUN and TURN requests")                                                                    \
    X(bindings, "Binding requests answered")                                                                 \
    X(malformed, "datagrams dropped: neither STUN nor ChannelData, or malformed")                            \
    X(unsolicited, "STUN responses and unknown indications dropped")                                         \
    X(unauthenticated, "requests answered with 401 or 438")                                                  \
    X(unauthenticated_dropped, "requests without valid credentials not answered: too many from there")       \
    X(refused_credentials, "requests refused: wrong or expired credentials")                                 \
    X(refused_quota, "Allocates refused: the user has as many as he may")                                    \
    X(refused_capacity, "Allocates refused: no room or no port")                                             \
    X(refused_peer, "peers refused: private, loopback, multicast or otherwise not to be relayed to")         \
    X(refused_other, "requests refused with another error")                                                  \
    X(allocations, "allocations made")                                                                       \
    X(expired, "allocations that ran out")                                                                   \
    X(to_peer, "datagrams relayed to peers")                                                                 \
    X(to_client, "datagrams relayed to clients")                                                             \
    X(to_peer_bytes, "bytes relayed to peers")                                                               \
    X(to_client_bytes, "bytes relayed to clients")                                                           \
    X(no_allocation, "data dropped: no allocation, no channel")                                              \
    X(no_permission, "datagrams dropped: no permission")                                                     \
    X(over_budget, "datagrams dropped: over the user's or the relay's bandwidth")                            \
    X(client_slow, "datagrams dropped: a stream's client did not take them fast enough")
RF_COUNTERS(turn, RF_TURN_COUNTERS)

struct rf_turn;
struct rf_turn_alloc;

/* Where a client is: its address, and which socket of the shell it came by. UDP: `flow` tells listening sockets apart; streams: one each. */
struct rf_turn_from {
    struct rf_addr addr;
    uint32_t flow;
    bool stream;
};

/*
 * What the shell does for it. open makes a UDP socket at an address that peers can reach; `even`: with an even port. It gives the address and a
 * handle. Errors: RF_ELIMIT no port, RF_EUNSUPPORTED family, RF_ESYSTEM. close ends it; the shell may still hold what it read for it.
 */
struct rf_turn_host {
    void *ctx;
    int (*open)(void *ctx, struct rf_turn_alloc *alloc, uint8_t family, bool even, struct rf_addr *relayed,
                void **socket);
    void (*close)(void *ctx, void *socket);
};

struct rf_turn_config {
    struct rf_crypto *crypto; /* borrowed */
    const struct rf_turn_host *host;
    uint8_t secret[RF_TURN_SECRET_LEN];
    const char *realm, *software; /* copied; software NULL: not told */
    size_t max_allocations;       /* 0: default, 1000 */
    size_t max_per_user;          /* 0: default, 10 */
    uint64_t bytes_per_s;         /* in all, both ways together; 0: no limit */
    uint64_t user_bytes_per_s;    /* per user name behind "EXPIRY:"; 0: no limit */
    uint32_t max_lifetime_s;      /* 0: default, 3600 */
    bool
        private_peers; /* also relay to private, loopback and link-local addresses: for tests and closed networks */
};

/* rf_turn_new: env borrowed; its timers are the relay's own. Errors: RF_EINVAL (realm), RF_ENOMEM. */
int rf_turn_new(const struct rf_env *env, const struct rf_turn_config *config, struct rf_turn **out);
void rf_turn_free(struct rf_turn *turn); /* closes the sockets of all allocations */
/*
 * rf_turn_rotate: credentials are made by this secret from now on. Those made by the one before go on being good; those of older ones are not, and an
 * allocation that was made with them can not be refreshed any more.
 */
void rf_turn_rotate(struct rf_turn *turn, const uint8_t secret[RF_TURN_SECRET_LEN]);

/* ---- the data path ---- */

enum rf_turn_act_type {
    RF_TURN_NOTHING = 0,
    RF_TURN_REPLY,   /* send `bytes` to the client */
    RF_TURN_TO_PEER, /* send `bytes` from `socket` to `peer` */
};
struct rf_turn_act {
    enum rf_turn_act_type type;
    struct rf_view bytes; /* REPLY: borrowed until the next call; TO_PEER: inside the input */
    void *socket;
    struct rf_addr peer;
};
/* rf_turn_client: a datagram, or a framed message of a stream (rf_stun_frame, rf_turn_channel_frame), from a client. */
void rf_turn_client(struct rf_turn *turn, const struct rf_turn_from *from, struct rf_view datagram,
                    struct rf_turn_act *out);
/* What goes to a client: head, then the payload, then `pad` zero bytes. */
#define RF_TURN_HEAD_MAX 48
struct rf_turn_wrap {
    const struct rf_turn_from *to; /* borrowed while the allocation lives */
    uint8_t head_len, pad;
    uint8_t head[RF_TURN_HEAD_MAX];
};
/* rf_turn_peer: `len` bytes came from `peer` to an allocation's socket. false: they are dropped. */
bool rf_turn_peer(struct rf_turn *turn, struct rf_turn_alloc *alloc, const struct rf_addr *peer, size_t len,
                  struct rf_turn_wrap *out);

/* ---- streams ---- */

/*
 * rf_turn_frame tells how long the message at the front of a stream is, header and padding included; it need not be there whole. Errors: RF_ESHORT
 * more bytes are needed to know, RF_EFORMAT it is neither STUN nor ChannelData.
 */
int rf_turn_frame(struct rf_view stream, size_t *len);
/* rf_turn_gone: a stream has ended, and with it its allocation. rf_turn_has: is there one? */
void rf_turn_gone(struct rf_turn *turn, const struct rf_turn_from *from);
bool rf_turn_has(struct rf_turn *turn, const struct rf_turn_from *from);
/* rf_turn_slow counts a datagram that a stream had no room for. */
void rf_turn_slow(struct rf_turn *turn);

/* ---- what it knows ---- */

struct rf_turn_status {
    size_t allocations, users;
    struct rf_turn_counters counters;
};
void rf_turn_status(const struct rf_turn *turn, struct rf_turn_status *out);

#endif
