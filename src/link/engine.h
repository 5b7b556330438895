/*
 * engine.h - the contract of a secure-channel engine: TLS now, DTLS later, plain bytes for tests and the
 * simulator. An engine turns wire bytes into plain bytes and back, in memory; it opens no socket and never
 * blocks.
 */
#ifndef RF_LINK_ENGINE_H
#define RF_LINK_ENGINE_H

#include "base/buf.h"
#include "base/env.h"
#include "base/view.h"

#define RF_ENGINE_CERTS_MAX 4 /* of our own: the node's, and those between it and the root */

enum rf_channel_state { RF_CHANNEL_HANDSHAKE, RF_CHANNEL_UP, RF_CHANNEL_CLOSED, RF_CHANNEL_FAILED };

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
};

/* TLS 1.3 on GnuTLS (link/engine_gnutls.c). */
extern const struct rf_engine_ops rf_engine_gnutls;
/*
 * No crypto at all: a hello that names a certificate (nobody proves to own it) and then plain bytes
 * (link/engine_plain.c). For tests, benches and the simulator only: it stands in a library of its own,
 * rf_link_plain, that no daemon links.
 */
extern const struct rf_engine_ops rf_engine_plain;

#endif
