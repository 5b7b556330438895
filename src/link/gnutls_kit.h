/*
 * gnutls_kit.h - what the two engines on GnuTLS, TLS and DTLS, share: all that does not depend on how bytes travel and how a
 * server resumes. Each tells the kit its kind, begins its own structs with these, and puts kit_* into its table where nothing is to be added.
 */
#ifndef RF_LINK_GNUTLS_KIT_H
#define RF_LINK_GNUTLS_KIT_H

#include <gnutls/gnutls.h>
#include "link/engine.h"
#include "link/saved.h"

#define KIT_ALPN_MAX      4
#define KIT_ALPN_MAX_LEN  15
#define KIT_HANDSHAKE_LEN 20480 /* one handshake message: 4 certificates of 4096 and more */
#define KIT_RECORD_LEN    16384 /* plain bytes of one record, RFC 8446 section 5.1 */
#define KIT_SIGNATURES                                                                                       \
    ":+SIGN-ECDSA-SECP256R1-SHA256:+SIGN-ECDSA-SHA256:+SIGN-EDDSA-ED25519:+SIGN-RSA-PSS-RSAE-SHA256"         \
    ":+SIGN-RSA-SHA256:+CTYPE-X509"

/* What makes TLS TLS and DTLS DTLS. */
struct kit_kind {
    const char *name, *priority;
    size_t engine_len, channel_len; /* of the structs that begin with rf_engine and rf_channel */
    unsigned flags, client_flags;   /* of gnutls_init: of both ends, of a client besides */
    bool datagrams;        /* plain records and wire datagrams each stand behind their length in two bytes */
    gnutls_pull_func pull; /* called with the channel: from `in`, */
    gnutls_push_func push; /* to `wire`: kit_push, or what ends in it */
    gnutls_pull_timeout_func pull_timeout;
    /* begin sets what a new session needs besides; a server's: how it may be resumed. Errors: of ours. */
    int (*begin)(struct rf_channel *channel);
};

/* Own certificate and key, of an engine and of all channels that began with them. */
struct kit_creds {
    size_t refs;
    gnutls_certificate_credentials_t x509;
};

struct rf_engine {
    const struct kit_kind *kind;
    const struct rf_env *env;
    gnutls_priority_t priority;
    struct kit_creds *creds;
    struct saved_set saved; /* sessions as a client, by resume key */
    uint8_t scratch[KIT_RECORD_LEN];
};

struct rf_channel {
    struct rf_engine *engine;
    struct kit_creds *creds;
    gnutls_session_t session;
    struct rf_view in;   /* wire bytes not yet pulled; only during a call */
    struct rf_buf *wire; /* where pushed bytes go; only during a call */
    uint8_t *resume_key; /* client: until its session is saved; owned */
    uint16_t resume_key_len;
    uint8_t state; /* enum rf_channel_state */
    bool server, resumed;
    uint32_t dropped; /* datagrams: records that never reached GnuTLS, or were refused by it */
    char alpn[KIT_ALPN_MAX_LEN + 1];
};

/* ---- engines: those without an explanation are what engine.h says of the name behind `kit_` ---- */

/* kit_engine_new: a zeroed struct of kind->engine_len whose front is filled; freed by kit_engine_free, which takes NULL, too. */
int kit_engine_new(const struct kit_kind *kind, const struct rf_env *env, const struct rf_view *certs,
                   size_t cert_count, struct rf_view key_pem, struct rf_engine **out);
void kit_engine_free(struct rf_engine *engine);
int kit_engine_set_identity(struct rf_engine *engine, const struct rf_view *certs, size_t cert_count,
                            struct rf_view key_pem);

/* ---- channels ---- */

int kit_channel_new(struct rf_engine *engine, bool server, const char *const *alpn, size_t alpn_count,
                    struct rf_view resume_key, struct rf_channel **out);
void kit_channel_free(struct rf_channel *channel);
/* kit_push is what GnuTLS sends: to `wire`, a datagram behind its length. */
ssize_t kit_push(gnutls_transport_ptr_t channel, const void *data, size_t len);
/* kit_fail: GnuTLS gave up with `code`; the peer gets the alert for it, the session is not resumed again. Returns our error. */
int kit_fail(struct rf_channel *channel, int code);
/* kit_handshake goes on with the handshake as far as the input leads. Errors: as channel_input. */
int kit_handshake(struct rf_channel *channel);
/* kit_read appends what the input holds to `plain`. Errors: as channel_input. */
int kit_read(struct rf_channel *channel, struct rf_buf *plain);
/* kit_save keeps a client's session, as it is now, and forgets the key that it was kept under. `worthy`: else only the latter. */
void kit_save(struct rf_channel *channel, bool worthy);
int kit_channel_close(struct rf_channel *channel, struct rf_buf *wire);
void kit_channel_refuse(struct rf_channel *channel, int error, struct rf_buf *wire);
enum rf_channel_state kit_channel_state(const struct rf_channel *channel);
size_t kit_channel_peer_certs(const struct rf_channel *channel, struct rf_view *out, size_t max);
const char *kit_channel_alpn(const struct rf_channel *channel);
bool kit_channel_resumed(const struct rf_channel *channel);
/* The entries of a table that are the same for both kinds. */
#define KIT_OPS                                                                                              \
    .channel_new = kit_channel_new, .channel_free = kit_channel_free, .channel_close = kit_channel_close,    \
    .channel_refuse = kit_channel_refuse, .channel_state = kit_channel_state,                                \
    .channel_peer_certs = kit_channel_peer_certs, .channel_alpn = kit_channel_alpn,                          \
    .channel_resumed = kit_channel_resumed

#endif
