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
#include <gnutls/x509.h>
#include "base/assert.h"
#include "base/error.h"
#include "base/list.h"
#include "base/map.h"

/* ECDHE-PSK: resume with a fresh key exchange only, so that a stolen ticket key opens no recorded traffic. */
#define PRIORITY                                                                                             \
    "NONE:+VERS-TLS1.3:+AES-128-GCM:+AES-256-GCM:+CHACHA20-POLY1305:+AEAD:+GROUP-X25519:+GROUP-SECP256R1"    \
    ":+SIGN-ECDSA-SECP256R1-SHA256:+SIGN-ECDSA-SHA256:+SIGN-EDDSA-ED25519:+SIGN-RSA-PSS-RSAE-SHA256"         \
    ":+SIGN-RSA-SHA256:+CTYPE-X509:+ECDHE-PSK"

#define RECORD_MAX_LEN    16384                 /* plain bytes of one record, RFC 8446 section 5.1 */
#define HANDSHAKE_MAX_LEN 20480                 /* one handshake message: 4 certificates of 4096 and more */
#define TICKET_KEY_US     (86400 * RF_US_PER_S) /* a day */
#define SAVED_MAX         256                   /* sessions remembered, about 2 kB each */
#define SAVED_MAX_LEN     16384                 /* bytes of one */
#define ALPN_MAX          4
#define ALPN_MAX_LEN      15

struct creds {
    size_t refs;
    gnutls_certificate_credentials_t x509;
};

/* A session that a client may resume. */
struct saved {
    struct rf_map_node node;
    struct rf_list lru; /* newest first */
    uint8_t *key;       /* owned */
    size_t key_len;
    uint8_t *data; /* owned, secret */
    size_t data_len;
};

struct rf_engine {
    const struct rf_env *env;
    gnutls_priority_t priority;
    struct creds *creds;
    gnutls_datum_t ticket_key;
    uint64_t ticket_key_us;
    struct rf_map saved;
    struct rf_list lru;
    uint8_t scratch[RECORD_MAX_LEN];
};

struct rf_channel {
    struct rf_engine *engine;
    struct creds *creds;
    gnutls_session_t session;
    struct rf_view in;   /* wire bytes not yet pulled; only during a call */
    struct rf_buf *wire; /* where pushed bytes go; only during a call */
    uint8_t *resume_key; /* client: until its session is saved; owned */
    uint16_t resume_key_len;
    uint8_t state; /* enum rf_channel_state */
    bool server;
    bool resumed;
    char alpn[ALPN_MAX_LEN + 1];
};

/* ---- credentials ---- */

static void creds_release(struct rf_mem *mem, struct creds *creds)
{
    if (!creds || --creds->refs > 0)
        return;
    gnutls_certificate_free_credentials(creds->x509);
    rf_free(mem, creds);
}

static int creds_load(struct creds *creds, const struct rf_view *certs, size_t cert_count,
                      struct rf_view key_pem)
{
    gnutls_datum_t pem = {(unsigned char *)(uintptr_t)key_pem.p, (unsigned)key_pem.len};
    gnutls_x509_crt_t crts[RF_ENGINE_CERTS_MAX] = {NULL};
    gnutls_x509_privkey_t key = NULL;
    int err = RF_ECRYPTO;

    for (size_t i = 0; i < cert_count; i++) {
        gnutls_datum_t der = {(unsigned char *)(uintptr_t)certs[i].p, (unsigned)certs[i].len};
        if (gnutls_x509_crt_init(&crts[i]) < 0 ||
            gnutls_x509_crt_import(crts[i], &der, GNUTLS_X509_FMT_DER) < 0)
            goto out;
    }
    if (gnutls_x509_privkey_init(&key) < 0 ||
        gnutls_x509_privkey_import2(key, &pem, GNUTLS_X509_FMT_PEM, NULL, GNUTLS_PKCS_PLAIN) < 0)
        goto out;
    if (gnutls_certificate_set_x509_key(creds->x509, crts, (int)cert_count, key) < 0)
        goto out;
    err = 0;
out:
    for (size_t i = 0; i < cert_count && crts[i]; i++)
        gnutls_x509_crt_deinit(crts[i]);
    if (key)
        gnutls_x509_privkey_deinit(key);
    return err;
}

static int creds_new(struct rf_mem *mem, const struct rf_view *certs, size_t cert_count,
                     struct rf_view key_pem, struct creds **out)
{
    struct creds *creds;
    int err;

    if (cert_count == 0 || cert_count > RF_ENGINE_CERTS_MAX)
        return RF_EINVAL;
    creds = rf_zalloc(mem, sizeof *creds);
    if (!creds)
        return RF_ENOMEM;
    if (gnutls_certificate_allocate_credentials(&creds->x509) < 0) {
        rf_free(mem, creds);
        return RF_ENOMEM;
    }
    creds->refs = 1;
    err = creds_load(creds, certs, cert_count, key_pem);
    if (err) {
        creds_release(mem, creds);
        return err;
    }
    *out = creds;
    return 0;
}

/* ---- sessions that a client remembers ---- */

static struct rf_view saved_key(const struct rf_map_node *node)
{
    const struct saved *saved = RF_CONTAINER(node, struct saved, node);
    return rf_view_of(saved->key, saved->key_len);
}

static void saved_free(struct rf_engine *engine, struct saved *saved)
{
    rf_free_secret(engine->env->mem, saved->data, saved->data_len);
    rf_free(engine->env->mem, saved->key);
    rf_free(engine->env->mem, saved);
}

static void saved_drop(struct rf_engine *engine, struct saved *saved)
{
    rf_map_remove(&engine->saved, &saved->node);
    rf_list_remove(&saved->lru);
    saved_free(engine, saved);
}

static struct saved *saved_find(struct rf_engine *engine, struct rf_view key)
{
    struct rf_map_node *node = rf_map_find(&engine->saved, key);
    return node ? RF_CONTAINER(node, struct saved, node) : NULL;
}

static void saved_drop_all(struct rf_engine *engine)
{
    while (!rf_list_empty(&engine->lru))
        saved_drop(engine, RF_LIST_ENTRY(engine->lru.next, struct saved, lru));
}

/* Out of memory only costs a full handshake later. */
static void saved_put(struct rf_engine *engine, struct rf_view key, const gnutls_datum_t *data)
{
    struct saved *saved = saved_find(engine, key);

    if (saved)
        saved_drop(engine, saved);
    if (engine->saved.count >= SAVED_MAX)
        saved_drop(engine, RF_LIST_ENTRY(engine->lru.prev, struct saved, lru));
    saved = rf_zalloc(engine->env->mem, sizeof *saved);
    if (!saved)
        return;
    rf_list_init(&saved->lru);
    saved->key = rf_memdup(engine->env->mem, key.p, key.len);
    saved->key_len = key.len;
    saved->data = rf_memdup(engine->env->mem, data->data, data->size);
    saved->data_len = saved->data ? data->size : 0;
    if (!saved->key || !saved->data || rf_map_insert(&engine->saved, &saved->node)) {
        saved_free(engine, saved);
        return;
    }
    rf_list_push_front(&engine->lru, &saved->lru);
}

/* ---- engine ---- */

static void engine_free(struct rf_engine *engine)
{
    struct rf_mem *mem;

    if (!engine)
        return;
    mem = engine->env->mem;
    saved_drop_all(engine);
    rf_map_deinit(&engine->saved);
    creds_release(mem, engine->creds);
    if (engine->priority)
        gnutls_priority_deinit(engine->priority);
    if (engine->ticket_key.data) {
        rf_wipe(engine->ticket_key.data, engine->ticket_key.size);
        gnutls_free(engine->ticket_key.data);
    }
    rf_free_secret(mem, engine, sizeof *engine);
}

static int ticket_key_renew(struct rf_engine *engine)
{
    gnutls_datum_t key;

    if (gnutls_session_ticket_key_generate(&key) < 0)
        return RF_ECRYPTO;
    if (engine->ticket_key.data) {
        rf_wipe(engine->ticket_key.data, engine->ticket_key.size);
        gnutls_free(engine->ticket_key.data);
    }
    engine->ticket_key = key;
    engine->ticket_key_us = engine->env->now->mono_us;
    return 0;
}

static int engine_new(const struct rf_env *env, const struct rf_view *certs, size_t cert_count,
                      struct rf_view key_pem, struct rf_engine **out)
{
    struct rf_engine *engine = rf_zalloc(env->mem, sizeof *engine);
    int err = RF_ECRYPTO;

    if (!engine)
        return RF_ENOMEM;
    engine->env = env;
    rf_map_init(&engine->saved, env->mem, env->seed, saved_key);
    rf_list_init(&engine->lru);
    if (gnutls_priority_init(&engine->priority, PRIORITY, NULL) < 0)
        goto fail;
    err = ticket_key_renew(engine);
    if (err)
        goto fail;
    err = creds_new(env->mem, certs, cert_count, key_pem, &engine->creds);
    if (err)
        goto fail;
    *out = engine;
    return 0;
fail:
    engine_free(engine);
    return err;
}

static int engine_set_identity(struct rf_engine *engine, const struct rf_view *certs, size_t cert_count,
                               struct rf_view key_pem)
{
    struct creds *creds;
    int err = creds_new(engine->env->mem, certs, cert_count, key_pem, &creds);

    if (err)
        return err;
    creds_release(engine->env->mem, engine->creds);
    engine->creds = creds;
    saved_drop_all(engine); /* they would show the old certificate to servers */
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

static ssize_t transport_push(gnutls_transport_ptr_t ptr, const void *data, size_t len)
{
    struct rf_channel *channel = ptr;

    if (channel->wire)
        rf_buf_put(channel->wire, data, len);
    if (!channel->wire || rf_buf_error(channel->wire)) {
        gnutls_transport_set_errno(channel->session, ENOMEM);
        return -1;
    }
    return (ssize_t)len;
}

/* GnuTLS asks this only when it would block; it never has to with GNUTLS_NONBLOCK. */
static int transport_pull_timeout(gnutls_transport_ptr_t ptr, unsigned ms)
{
    struct rf_channel *channel = ptr;
    (void)ms;
    return channel->in.len > 0;
}

/* ---- channel: life ---- */

static void channel_free(struct rf_channel *channel)
{
    struct rf_mem *mem;

    if (!channel)
        return;
    mem = channel->engine->env->mem;
    if (channel->session)
        gnutls_deinit(channel->session);
    creds_release(mem, channel->creds);
    rf_free(mem, channel->resume_key);
    rf_free(mem, channel);
}

static int set_alpn(struct rf_channel *channel, const char *const *alpn, size_t count)
{
    gnutls_datum_t names[ALPN_MAX];

    if (count > ALPN_MAX)
        return RF_EINVAL;
    for (size_t i = 0; i < count; i++) {
        names[i].data = (unsigned char *)(uintptr_t)alpn[i];
        names[i].size = (unsigned)strlen(alpn[i]);
        if (names[i].size == 0 || names[i].size > ALPN_MAX_LEN)
            return RF_EINVAL;
    }
    /* mandatory: a peer that speaks ALPN but none of these is turned away; one that does not use it is not */
    if (count > 0 && gnutls_alpn_set_protocols(channel->session, names, (unsigned)count,
                                               channel->server ? GNUTLS_ALPN_MANDATORY : 0) < 0)
        return RF_ENOMEM;
    return 0;
}

static int set_resumption(struct rf_channel *channel, struct rf_view resume_key)
{
    struct rf_engine *engine = channel->engine;
    struct saved *saved;

    if (channel->server) {
        if (engine->env->now->mono_us - engine->ticket_key_us > TICKET_KEY_US)
            (void)ticket_key_renew(engine); /* failing: the old one stays */
        return gnutls_session_ticket_enable_server(channel->session, &engine->ticket_key) < 0 ? RF_ECRYPTO
                                                                                              : 0;
    }
    if (resume_key.len == 0 || resume_key.len > UINT16_MAX)
        return 0;
    channel->resume_key = rf_memdup(engine->env->mem, resume_key.p, resume_key.len);
    if (!channel->resume_key)
        return RF_ENOMEM;
    channel->resume_key_len = (uint16_t)resume_key.len;
    saved = saved_find(engine, resume_key);
    if (saved) {
        rf_list_remove(&saved->lru);
        rf_list_push_front(&engine->lru, &saved->lru);
        if (gnutls_session_set_data(channel->session, saved->data, saved->data_len) < 0)
            saved_drop(engine, saved); /* expired */
    }
    return 0;
}

static int channel_new(struct rf_engine *engine, bool server, const char *const *alpn, size_t alpn_count,
                       struct rf_view resume_key, struct rf_channel **out)
{
    const unsigned flags =
        GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL | GNUTLS_NO_AUTO_SEND_TICKET | GNUTLS_NO_TICKETS_TLS12 |
        (server ? GNUTLS_SERVER : GNUTLS_CLIENT | GNUTLS_FORCE_CLIENT_CERT | GNUTLS_KEY_SHARE_TOP);
    struct rf_channel *channel = rf_zalloc(engine->env->mem, sizeof *channel);
    int err = RF_ENOMEM;

    if (!channel)
        return RF_ENOMEM;
    channel->engine = engine;
    channel->server = server;
    channel->creds = engine->creds;
    channel->creds->refs++;
    if (gnutls_init(&channel->session, flags) < 0)
        goto fail;
    gnutls_transport_set_ptr(channel->session, channel);
    gnutls_transport_set_pull_function(channel->session, transport_pull);
    gnutls_transport_set_push_function(channel->session, transport_push);
    gnutls_transport_set_pull_timeout_function(channel->session, transport_pull_timeout);
    gnutls_handshake_set_max_packet_length(channel->session, HANDSHAKE_MAX_LEN);
    if (gnutls_priority_set(channel->session, engine->priority) < 0 ||
        gnutls_credentials_set(channel->session, GNUTLS_CRD_CERTIFICATE, channel->creds->x509) < 0)
        goto fail;
    if (server) {
        gnutls_certificate_server_set_request(channel->session, GNUTLS_CERT_REQUIRE);
        gnutls_certificate_send_x509_rdn_sequence(channel->session, 1); /* 1: do not name CAs */
    }
    err = set_alpn(channel, alpn, alpn_count);
    if (!err)
        err = set_resumption(channel, resume_key);
    if (err)
        goto fail;
    *out = channel;
    return 0;
fail:
    channel_free(channel);
    return err;
}

/* ---- channel: handshake and records ---- */

static int error_of(struct rf_channel *channel, int code)
{
    switch (code) {
    case GNUTLS_E_FATAL_ALERT_RECEIVED:
        rf_log_write(channel->engine->env->log, RF_LOG_INFO, "link", "peer sent TLS alert: %s",
                     gnutls_alert_get_name(gnutls_alert_get(channel->session)));
        return RF_EREMOTE;
    case GNUTLS_E_CERTIFICATE_REQUIRED:
    case GNUTLS_E_NO_CERTIFICATE_FOUND:
    case GNUTLS_E_CERTIFICATE_ERROR:
    case GNUTLS_E_PK_SIG_VERIFY_FAILED:
        return RF_EAUTH;
    case GNUTLS_E_MEMORY_ERROR:
        return RF_ENOMEM;
    case GNUTLS_E_PUSH_ERROR:
        return channel->wire && rf_buf_error(channel->wire) ? rf_buf_error(channel->wire) : RF_ENOMEM;
    case GNUTLS_E_RANDOM_FAILED:
    case GNUTLS_E_INTERNAL_ERROR:
        return RF_ECRYPTO;
    default:
        return RF_EFORMAT;
    }
}

static int channel_fail(struct rf_channel *channel, int code)
{
    struct rf_engine *engine = channel->engine;
    int err = error_of(channel, code);

    rf_log_write(engine->env->log, RF_LOG_DEBUG, "link", "TLS: %s", gnutls_strerror(code));
    if (code != GNUTLS_E_FATAL_ALERT_RECEIVED && code != GNUTLS_E_PUSH_ERROR)
        (void)gnutls_alert_send_appropriate(channel->session, code);
    if (channel->resume_key) {
        struct saved *saved = saved_find(engine, rf_view_of(channel->resume_key, channel->resume_key_len));
        if (saved)
            saved_drop(engine, saved);
    }
    channel->state = RF_CHANNEL_FAILED;
    return err;
}

#define STALLS_MAX 8

/*
 * GnuTLS wants to be called again: because the input ran out, or for reasons of its own while some is left,
 * but not for ever. True: call again. False: `*code` is 0 (wait for more input) or an error.
 */
static bool again(struct rf_channel *channel, size_t left_before, int *stalls, int *code)
{
    if (*code >= 0 || gnutls_error_is_fatal(*code))
        return false;
    if (channel->in.len == 0) {
        *code = 0;
        return false;
    }
    *stalls = channel->in.len < left_before ? 0 : *stalls + 1;
    if (*stalls <= STALLS_MAX)
        return true;
    *code = GNUTLS_E_INTERNAL_ERROR;
    return false;
}

static int handshake(struct rf_channel *channel)
{
    gnutls_datum_t alpn;
    int code, stalls = 0;
    size_t left;
    bool waiting;

    do {
        left = channel->in.len;
        code = gnutls_handshake(channel->session);
        waiting = code < 0;
    } while (again(channel, left, &stalls, &code));
    if (code < 0)
        return channel_fail(channel, code);
    if (waiting)
        return 0;
    channel->resumed = gnutls_session_is_resumed(channel->session) != 0;
    if (gnutls_alpn_get_selected_protocol(channel->session, &alpn) == 0 && alpn.size <= ALPN_MAX_LEN)
        memcpy(channel->alpn, alpn.data, alpn.size); /* zeroed by channel_new */
    channel->state = RF_CHANNEL_UP;
    return 0;
}

/* Keeps the session once its ticket is there (before that GnuTLS would wait for it). */
static void save_session(struct rf_channel *channel)
{
    struct rf_engine *engine = channel->engine;
    gnutls_datum_t data = {NULL, 0};

    if (!channel->resume_key || !(gnutls_session_get_flags(channel->session) & GNUTLS_SFLAGS_SESSION_TICKET))
        return;
    if (gnutls_session_get_data2(channel->session, &data) == 0 && data.size <= SAVED_MAX_LEN)
        saved_put(engine, rf_view_of(channel->resume_key, channel->resume_key_len), &data);
    if (data.data) {
        rf_wipe(data.data, data.size);
        gnutls_free(data.data);
    }
    rf_free(engine->env->mem, channel->resume_key);
    channel->resume_key = NULL;
}

static int read_records(struct rf_channel *channel, struct rf_buf *plain)
{
    uint8_t *scratch = channel->engine->scratch;
    int code, stalls = 0;

    for (;;) {
        size_t left = channel->in.len;

        code = (int)gnutls_record_recv(channel->session, scratch, RECORD_MAX_LEN);
        if (code == 0) {
            channel->state = RF_CHANNEL_CLOSED;
            return 0;
        }
        if (code > 0) {
            rf_buf_put(plain, scratch, (size_t)code);
            if (rf_buf_error(plain)) {
                channel->state = RF_CHANNEL_FAILED;
                return rf_buf_error(plain);
            }
        } else if (!again(channel, left, &stalls, &code)) {
            return code < 0 ? channel_fail(channel, code) : 0;
        }
    }
}

static int channel_input(struct rf_channel *channel, struct rf_view in, struct rf_buf *plain,
                         struct rf_buf *wire)
{
    int err = 0;

    channel->in = in;
    channel->wire = wire;
    if (channel->state == RF_CHANNEL_HANDSHAKE)
        err = handshake(channel);
    if (!err && channel->state == RF_CHANNEL_UP)
        err = read_records(channel, plain);
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
    err = handshake(channel);
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
            err = channel_fail(channel, (int)n);
        }
    }
    channel->wire = NULL;
    return err;
}

static int channel_close(struct rf_channel *channel, struct rf_buf *wire)
{
    int code;

    if (channel->state != RF_CHANNEL_UP)
        return 0;
    channel->wire = wire;
    code = gnutls_bye(channel->session, GNUTLS_SHUT_WR);
    channel->wire = NULL;
    channel->state = RF_CHANNEL_CLOSED;
    return code < 0 ? RF_ECRYPTO : 0;
}

/* ---- channel: the peer ---- */

static int channel_admit(struct rf_channel *channel, struct rf_buf *wire)
{
    int code = 0;

    if (channel->state != RF_CHANNEL_UP || !channel->server)
        return 0;
    channel->wire = wire;
    code = gnutls_session_ticket_send(channel->session, 1, 0);
    channel->wire = NULL;
    return code < 0 && gnutls_error_is_fatal(code) ? channel_fail(channel, code) : 0;
}

static gnutls_alert_description_t alert_of(int error)
{
    switch (error) {
    case RF_EEXPIRED:
    case RF_ENOTYET:
        return GNUTLS_A_CERTIFICATE_EXPIRED;
    case RF_EREVOKED:
        return GNUTLS_A_CERTIFICATE_REVOKED;
    case RF_EUNTRUSTED:
        return GNUTLS_A_UNKNOWN_CA;
    case RF_EFORMAT:
    case RF_ESIGNATURE:
        return GNUTLS_A_BAD_CERTIFICATE;
    case RF_ENOMEM:
        return GNUTLS_A_INTERNAL_ERROR;
    default:
        return GNUTLS_A_ACCESS_DENIED;
    }
}

static void channel_refuse(struct rf_channel *channel, int error, struct rf_buf *wire)
{
    if (channel->state != RF_CHANNEL_UP)
        return;
    channel->wire = wire;
    (void)gnutls_alert_send(channel->session, GNUTLS_AL_FATAL, alert_of(error));
    /* forgets the session, too; sends no second alert */
    (void)channel_fail(channel, GNUTLS_E_PUSH_ERROR);
    channel->wire = NULL;
}

static enum rf_channel_state channel_state(const struct rf_channel *channel)
{
    return (enum rf_channel_state)channel->state;
}

static size_t channel_peer_certs(const struct rf_channel *channel, struct rf_view *out, size_t max)
{
    unsigned count = 0;
    const gnutls_datum_t *certs;

    if (gnutls_certificate_type_get2(channel->session, GNUTLS_CTYPE_PEERS) != GNUTLS_CRT_X509)
        return 0;
    certs = gnutls_certificate_get_peers(channel->session, &count);
    if (!certs)
        return 0;
    for (size_t i = 0; i < count && i < max; i++)
        out[i] = rf_view_of(certs[i].data, certs[i].size);
    return count < max ? count : max;
}

static const char *channel_alpn(const struct rf_channel *channel)
{
    return channel->alpn;
}

static bool channel_resumed(const struct rf_channel *channel)
{
    return channel->resumed;
}

const struct rf_engine_ops rf_engine_gnutls = {
    .name = "gnutls-tls13",
    .engine_new = engine_new,
    .engine_free = engine_free,
    .engine_set_identity = engine_set_identity,
    .channel_new = channel_new,
    .channel_free = channel_free,
    .channel_input = channel_input,
    .channel_start = channel_start,
    .channel_write = channel_write,
    .channel_close = channel_close,
    .channel_admit = channel_admit,
    .channel_refuse = channel_refuse,
    .channel_state = channel_state,
    .channel_peer_certs = channel_peer_certs,
    .channel_alpn = channel_alpn,
    .channel_resumed = channel_resumed,
};
