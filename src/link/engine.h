/*
 * engine.h - the contract of a secure-channel engine: TLS, DTLS, plain bytes for tests and the simulator. An
 * engine turns wire bytes into plain bytes and back, in memory; it opens no socket and never blocks.
 *
 * Engines of streams and engines of datagrams have the same table. With datagrams
 *   - `in` of channel_input is one datagram; what of it does not belong to this channel, is damaged or came
 *     before is dropped without an error;
 *   - `wire` gets whole datagrams, each behind its length in two bytes, and `plain` whole records, the same way;
 *   - channel_write makes one record of at most channel_room bytes in a datagram of its own;
 *   - nothing is sent again by itself: channel_tick does it, when link/'s clock says so (it knows the round trip
 *     and the time; the engine reads no clock for that);
 *   - `hello` judges a stranger's first datagram without keeping anything of it.
 */
#ifndef RF_LINK_ENGINE_H
#define RF_LINK_ENGINE_H

#include "base/buf.h"
#include "base/env.h"
#include "base/view.h"

#define RF_ENGINE_CERTS_MAX 4 /* of our own: the node's, and those between it and the root */

enum rf_channel_state { RF_CHANNEL_HANDSHAKE, RF_CHANNEL_UP, RF_CHANNEL_CLOSED, RF_CHANNEL_FAILED };

/* What a good first datagram said, until channel_greet. */
struct rf_hello {
    uint32_t state[3];
    uint64_t tag;    /* of this attempt: the same datagram again has the same */
    bool bad_cookie; /* after RF_EAGAIN: it had one, but not ours, or not of that address, or an old one */
};

struct rf_engine;  /* shared per node: credentials, ticket keys, session cache */
struct rf_channel; /* one connection */

struct rf_engine_ops {
    const char *name; /* "gnutls-tls13", "plain" */
    /*
     * engine_new: certs (DER, 1..RF_ENGINE_CERTS_MAX: the node's own, then the intermediates that lead from it
     * to the root, its issuer's first; all are shown in every handshake) and key (PKCS#8 PEM) of this node,
     * copied. The engine asks for and hands over the peer's certificates but does not judge them: link/ does,
     * with ident/. Errors: RF_ECRYPTO, RF_EINVAL no or too many certificates, RF_ENOMEM.
     */
    int (*engine_new)(const struct rf_env *env, const struct rf_view *certs, size_t cert_count,
                      struct rf_view key_pem, struct rf_engine **out);
    void (*engine_free)(struct rf_engine *engine); /* after all its channels */
    /*
     * engine_set_identity: from now on new channels show these certificates (renewed before the old one ran
     * out). Channels that live are not touched; sessions remembered for resumption are forgotten. Errors as
     * engine_new (then nothing changed).
     */
    int (*engine_set_identity)(struct rf_engine *engine, const struct rf_view *certs, size_t cert_count,
                               struct rf_view key_pem);
    /*
     * channel_new: server or client. alpn: protocols offered (client) or accepted (server), at most 4;
     * resume_key: client only, names the peer for session resumption (its Node-ID or address text; empty:
     * none).
     */
    int (*channel_new)(struct rf_engine *engine, bool server, const char *const *alpn, size_t alpn_count,
                       struct rf_view resume_key, struct rf_channel **out);
    void (*channel_free)(struct rf_channel *channel);
    /*
     * channel_input takes wire bytes (all of them), appends plain bytes to `plain` and wire bytes to send to
     * `wire`. Returns 0 (also when the peer said good-bye: state CLOSED) or the error that makes the channel
     * FAILED: RF_EAUTH no certificate or no proof of its key, RF_EFORMAT not the protocol, RF_EREMOTE the
     * peer sent a fatal alert, RF_ECRYPTO, RF_ENOMEM, RF_ELIMIT. `wire` may then hold an alert, `plain` what
     * came before the error.
     */
    int (*channel_input)(struct rf_channel *channel, struct rf_view in, struct rf_buf *plain,
                         struct rf_buf *wire);
    /* channel_start makes a client's first flight. channel_write encrypts plain bytes (state UP only) into
     * wire. */
    int (*channel_start)(struct rf_channel *channel, struct rf_buf *wire);
    int (*channel_write)(struct rf_channel *channel, struct rf_view plain, struct rf_buf *wire);
    int (*channel_close)(struct rf_channel *channel, struct rf_buf *wire); /* close-notify */
    /*
     * Once UP, link/ judges the peer's certificate and says either channel_admit (a server may now hand out
     * what a later resumption needs) or channel_refuse with the error (RF_EEXPIRED, RF_EREVOKED, ...; becomes
     * a fatal alert; the channel is FAILED, nothing is resumed).
     */
    int (*channel_admit)(struct rf_channel *channel, struct rf_buf *wire);
    void (*channel_refuse)(struct rf_channel *channel, int error, struct rf_buf *wire);
    enum rf_channel_state (*channel_state)(const struct rf_channel *channel);
    /* From UP on until channel_admit or channel_refuse, and borrowed until then: the peer's certificates (DER, leaf
     * first), also on resumption. */
    size_t (*channel_peer_certs)(const struct rf_channel *channel, struct rf_view *out, size_t max);
    const char *(*channel_alpn)(const struct rf_channel *channel); /* agreed protocol or "" */
    bool (*channel_resumed)(const struct rf_channel *channel);

    /* ---- engines of datagrams only: NULL in the others ---- */

    /* engine_set_mtu: no datagram of new channels is longer than that many bytes (UDP payload); 256..16384. */
    void (*engine_set_mtu)(struct rf_engine *engine, size_t mtu);
    /*
     * hello judges a datagram from an address that has no channel. peer: bytes that name the address. Returns 0: a
     * client's first datagram with a cookie that we gave to `peer`, at most two minutes old (then channel_new,
     * channel_greet and channel_input of the same datagram follow); RF_EAGAIN: one without, `wire` got the answer
     * with a cookie, never longer than the datagram; RF_EFORMAT: something else; RF_ENOMEM. Keeps no state.
     */
    int (*hello)(struct rf_engine *engine, struct rf_view peer, struct rf_view datagram, struct rf_hello *out,
                 struct rf_buf *wire);
    /* channel_greet tells a new server channel what hello found. Without it the channel takes any first datagram: for a
     * peer whose address is known to be his. */
    void (*channel_greet)(struct rf_channel *channel, const struct rf_hello *hello);
    /* channel_tick sends the last flight of a handshake again. Errors: as channel_input. */
    int (*channel_tick)(struct rf_channel *channel, struct rf_buf *wire);
    /* channel_room: bytes that one channel_write takes; UP only. channel_dropped: records that were dropped so far. */
    size_t (*channel_room)(const struct rf_channel *channel);
    uint32_t (*channel_dropped)(const struct rf_channel *channel);
};

/* TLS 1.3 on GnuTLS (link/engine_gnutls.c). */
extern const struct rf_engine_ops rf_engine_gnutls;
/* DTLS 1.2 on GnuTLS (link/engine_gnutls_dtls.c). */
extern const struct rf_engine_ops rf_engine_gnutls_dtls;
/*
 * No crypto at all: a hello that names a certificate (nobody proves to own it) and then plain bytes
 * (link/engine_plain.c). For tests, benches and the simulator only: it stands in a library of its own,
 * rf_link_plain, that no daemon links.
 */
extern const struct rf_engine_ops rf_engine_plain;
/* The same with datagrams (link/engine_plain_datagram.c). */
extern const struct rf_engine_ops rf_engine_plain_datagram;

#endif
