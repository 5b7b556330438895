/*
 * engine_gnutls.c - the TLS engine: TLS 1.3 with certificates on both sides, on GnuTLS with memory transport.
 *
 * One engine holds what all channels share: parsed priorities, credentials (own certificate and key), the
 * ticket key of a server and the sessions a client remembers. GnuTLS verifies nothing beyond the proof of the
 * key: link/ judges the certificates with ident/. An idle channel owns no buffer of ours; GnuTLS keeps about
 * 11 kB for it.
 *
 * Resumption. A server gives an admitted client one ticket that holds the whole session, the client's
 * certificate included, so it keeps no state; GnuTLS turns the key under it over by itself, and we replace
 * the key behind that once a day. A client keeps the newest session of each resume key, the least recently
 * used go first; the server's certificate stands in the session. The certificates of a resumed session are as
 * old as the session, therefore link/ judges them every time, and a refusal forgets the session.
 */
#include "link/engine.h"

#include <errno.h>
#include <gnutls/gnutls.h>
#include "base/assert.h"
#include "base/error.h"
#include "link/gnutls_kit.h"

/* ECDHE-PSK: resume with a fresh key exchange only, so that a stolen ticket key opens no recorded traffic. */
#define PRIORITY                                                                                             \
    "NONE:+VERS-TLS1.3:+AES-128-GCM:+AES-256-GCM:+CHACHA20-POLY1305:+AEAD:+GROUP-X25519:+GROUP-"             \
    "SECP256R1" KIT_SIGNATURES ":+ECDHE-PSK"

#define TICKET_KEY_US (86400 * RF_US_PER_S) /* a day */

struct tls_engine {
    struct rf_engine base;
    gnutls_datum_t ticket_key;
    uint64_t ticket_key_us;
};

static struct tls_engine *tls_engine(struct rf_engine *engine)
{
    return RF_CONTAINER(engine, struct tls_engine, base);
}

/* ---- engine ---- */

static void ticket_key_drop(struct tls_engine *engine)
{
    if (!engine->ticket_key.data)
        return;
    rf_wipe(engine->ticket_key.data, engine->ticket_key.size);
    gnutls_free(engine->ticket_key.data);
}

static void engine_free(struct rf_engine *engine)
{
    if (engine)
        ticket_key_drop(tls_engine(engine));
    kit_engine_free(engine);
}

static int ticket_key_renew(struct tls_engine *engine)
{
    gnutls_datum_t key;

    if (gnutls_session_ticket_key_generate(&key) < 0)
        return RF_ECRYPTO;
    ticket_key_drop(engine);
    engine->ticket_key = key;
    engine->ticket_key_us = engine->base.env->now->mono_us;
    return 0;
}

/* ---- transport: GnuTLS pulls from the input of the running call and pushes into its output ---- */

static ssize_t transport_pull(gnutls_transport_ptr_t ptr, void *data, size_t len)
{
    struct rf_channel *channel = ptr;

    if (channel->in.len == 0) {
        gnutls_transport_set_errno(channel->session, EAGAIN);
        return -1;
    }
    if (len > channel->in.len)
        len = channel->in.len;
    memcpy(data, channel->in.p, len);
    channel->in.p += len;
    channel->in.len -= len;
    return (ssize_t)len;
}

/* GnuTLS asks this only when it would block; it never has to with GNUTLS_NONBLOCK. */
static int transport_pull_timeout(gnutls_transport_ptr_t ptr, unsigned ms)
{
    struct rf_channel *channel = ptr;
    (void)ms;
    return channel->in.len > 0;
}

/* A server hands out tickets, a client needs nothing. */
static int channel_begin(struct rf_channel *channel)
{
    struct tls_engine *engine = tls_engine(channel->engine);

    if (!channel->server)
        return 0;
    if (engine->base.env->now->mono_us - engine->ticket_key_us > TICKET_KEY_US)
        (void)ticket_key_renew(engine); /* failing: the old one stays */
    return gnutls_session_ticket_enable_server(channel->session, &engine->ticket_key) < 0 ? RF_ECRYPTO : 0;
}

static const struct kit_kind tls_kind = {
    .name = "TLS",
    .priority = PRIORITY,
    .engine_len = sizeof(struct tls_engine),
    .channel_len = sizeof(struct rf_channel),
    .flags = GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL | GNUTLS_NO_AUTO_SEND_TICKET | GNUTLS_NO_TICKETS_TLS12,
    .client_flags = GNUTLS_KEY_SHARE_TOP,
    .pull = transport_pull,
    .push = kit_push,
    .pull_timeout = transport_pull_timeout,
    .begin = channel_begin,
};

static int engine_new(const struct rf_env *env, const struct rf_view *certs, size_t cert_count,
                      struct rf_view key_pem, struct rf_engine **out)
{
    struct rf_engine *engine;
    int err = kit_engine_new(&tls_kind, env, certs, cert_count, key_pem, &engine);

    if (err)
        return err;
    err = ticket_key_renew(tls_engine(engine));
    if (err) {
        engine_free(engine);
        return err;
    }
    *out = engine;
    return 0;
}

/* ---- channel ---- */

/* Keeps the session once its ticket is there (before that GnuTLS would wait for it). */
static void save_session(struct rf_channel *channel)
{
    if (channel->resume_key && gnutls_session_get_flags(channel->session) & GNUTLS_SFLAGS_SESSION_TICKET)
        kit_save(channel, true);
}

static int channel_input(struct rf_channel *channel, struct rf_view in, struct rf_buf *plain,
                         struct rf_buf *wire)
{
    int err = 0;

    channel->in = in;
    channel->wire = wire;
    if (channel->state == RF_CHANNEL_HANDSHAKE)
        err = kit_handshake(channel);
    if (!err && channel->state == RF_CHANNEL_UP)
        err = kit_read(channel, plain);
    if (!err)
        save_session(channel);
    channel->in = (struct rf_view){NULL, 0};
    channel->wire = NULL;
    return err;
}

static int channel_start(struct rf_channel *channel, struct rf_buf *wire)
{
    int err;

    RF_ASSERT(!channel->server && channel->state == RF_CHANNEL_HANDSHAKE);
    channel->wire = wire;
    err = kit_handshake(channel);
    channel->wire = NULL;
    return err;
}

static int channel_write(struct rf_channel *channel, struct rf_view plain, struct rf_buf *wire)
{
    int err = 0;

    RF_ASSERT(channel->state == RF_CHANNEL_UP);
    channel->wire = wire;
    while (plain.len > 0 && !err) {
        ssize_t n = gnutls_record_send(channel->session, plain.p, plain.len);
        if (n >= 0) {
            plain.p += n;
            plain.len -= (size_t)n;
        } else if (gnutls_error_is_fatal((int)n)) {
            err = kit_fail(channel, (int)n);
        }
    }
    channel->wire = NULL;
    return err;
}

static int channel_admit(struct rf_channel *channel, struct rf_buf *wire)
{
    int code = 0;

    if (channel->state != RF_CHANNEL_UP || !channel->server)
        return 0;
    channel->wire = wire;
    code = gnutls_session_ticket_send(channel->session, 1, 0);
    channel->wire = NULL;
    return code < 0 && gnutls_error_is_fatal(code) ? kit_fail(channel, code) : 0;
}

const struct rf_engine_ops rf_engine_gnutls = {
    .name = "gnutls-tls13",
    .engine_new = engine_new,
    .engine_free = engine_free,
    .engine_set_identity = kit_engine_set_identity,
    .channel_input = channel_input,
    .channel_start = channel_start,
    .channel_write = channel_write,
    .channel_admit = channel_admit,
    KIT_OPS,
};
