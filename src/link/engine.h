/*
 * engine.h - the contract of a secure-channel engine: TLS now, DTLS later, plain bytes for tests and the simulator.
 * An engine turns wire bytes into plain bytes and back, in memory; it opens no socket and never blocks.
 */
#ifndef RF_LINK_ENGINE_H
#define RF_LINK_ENGINE_H

#include "base/buf.h"
#include "base/env.h"
#include "base/view.h"

enum rf_channel_state { RF_CHANNEL_HANDSHAKE, RF_CHANNEL_UP, RF_CHANNEL_CLOSED, RF_CHANNEL_FAILED };

struct rf_engine;  /* shared per node: credentials, ticket keys, session cache */
struct rf_channel; /* one connection */

struct rf_engine_ops {
    const char *name; /* "gnutls-tls13", "plain" */
    /*
     * engine_new: cert (DER) and key (PKCS#8 PEM) of this node, copied. The engine asks for and hands over the peer's certificate
     * but does not judge it: link/ does, with ident/. Errors: RF_ECRYPTO, RF_ENOMEM.
     */
    int (*engine_new)(const struct rf_env *env, struct rf_view cert_der, struct rf_view key_pem, struct rf_engine **out);
    void (*engine_free)(struct rf_engine *engine);
    /*
     * channel_new: server or client. alpn: protocols offered (client) or accepted (server), at most 4; resume_key: client only, names
     * the peer for session resumption (its Node-ID or address text; empty: none).
     */
    int (*channel_new)(struct rf_engine *engine, bool server, const char *const *alpn, size_t alpn_count,
                       struct rf_view resume_key, struct rf_channel **out);
    void (*channel_free)(struct rf_channel *channel);
    /*
     * channel_input takes wire bytes (all of them), appends plain bytes to `plain` and wire bytes to send to `wire`.
     * Returns 0 or the error that makes the channel FAILED (RF_EAUTH, RF_EFORMAT, RF_ECLOSED ...); `wire` may then hold an alert.
     */
    int (*channel_input)(struct rf_channel *channel, struct rf_view in, struct rf_buf *plain, struct rf_buf *wire);
    /* channel_start makes a client's first flight. channel_write encrypts plain bytes (state UP only) into wire. */
    int (*channel_start)(struct rf_channel *channel, struct rf_buf *wire);
    int (*channel_write)(struct rf_channel *channel, struct rf_view plain, struct rf_buf *wire);
    int (*channel_close)(struct rf_channel *channel, struct rf_buf *wire); /* close-notify */
    enum rf_channel_state (*channel_state)(const struct rf_channel *channel);
    /* Valid from UP on, borrowed until channel_free: the peer's certificates (DER, leaf first), also on resumption. */
    size_t (*channel_peer_certs)(const struct rf_channel *channel, struct rf_view *out, size_t max);
    const char *(*channel_alpn)(const struct rf_channel *channel); /* agreed protocol or "" */
    bool (*channel_resumed)(const struct rf_channel *channel);
};

/* TLS 1.3 on GnuTLS (link/engine_gnutls.c) and plain bytes with a hello that names a certificate (link/engine_plain.c). */
extern const struct rf_engine_ops rf_engine_gnutls;
extern const struct rf_engine_ops rf_engine_plain;

#endif
