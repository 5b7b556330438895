/* gnutls_kit.c - what the two engines on GnuTLS share: credentials, ALPN, saved sessions, errors and alerts, handshake and records. */
#include "link/gnutls_kit.h"

#include <errno.h>
#include <gnutls/x509.h>
#include "base/assert.h"
#include "base/error.h"

#define SAVED_MAX 256 /* sessions remembered as a client, about 2 kB each */

/* ---- credentials ---- */

static void creds_release(struct rf_mem *mem, struct kit_creds *creds)
{
    if (!creds || --creds->refs > 0)
        return;
    gnutls_certificate_free_credentials(creds->x509);
    rf_free(mem, creds);
}

static int creds_load(struct kit_creds *creds, const struct rf_view *certs, size_t cert_count,
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
                     struct rf_view key_pem, struct kit_creds **out)
{
    struct kit_creds *creds;
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

/* ---- engines ---- */

int kit_engine_new(const struct kit_kind *kind, const struct rf_env *env, const struct rf_view *certs,
                   size_t cert_count, struct rf_view key_pem, struct rf_engine **out)
{
    struct rf_engine *engine = rf_zalloc(env->mem, kind->engine_len);
    int err = RF_ECRYPTO;

    if (!engine)
        return RF_ENOMEM;
    engine->kind = kind;
    engine->env = env;
    saved_init(&engine->saved, env->mem, env->seed, SAVED_MAX);
    if (gnutls_priority_init(&engine->priority, kind->priority, NULL) == 0)
        err = creds_new(env->mem, certs, cert_count, key_pem, &engine->creds);
    if (err) {
        kit_engine_free(engine);
        return err;
    }
    *out = engine;
    return 0;
}

void kit_engine_free(struct rf_engine *engine)
{
    struct rf_mem *mem;

    if (!engine)
        return;
    mem = engine->env->mem;
    saved_deinit(&engine->saved);
    creds_release(mem, engine->creds);
    if (engine->priority)
        gnutls_priority_deinit(engine->priority);
    rf_free_secret(mem, engine, engine->kind->engine_len);
}

int kit_engine_set_identity(struct rf_engine *engine, const struct rf_view *certs, size_t cert_count,
                            struct rf_view key_pem)
{
    struct kit_creds *creds;
    int err = creds_new(engine->env->mem, certs, cert_count, key_pem, &creds);

    if (err)
        return err;
    creds_release(engine->env->mem, engine->creds);
    engine->creds = creds;
    saved_drop_all(&engine->saved); /* they would show the old certificate to servers */
    return 0;
}

/* ---- channels: life ---- */

void kit_channel_free(struct rf_channel *channel)
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

/* Priorities and credentials; a server asks for a certificate. */
static int set_session(gnutls_session_t session, bool server, gnutls_priority_t priority,
                       const struct kit_creds *creds)
{
    gnutls_handshake_set_max_packet_length(session, KIT_HANDSHAKE_LEN);
    if (gnutls_priority_set(session, priority) < 0 ||
        gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, creds->x509) < 0)
        return RF_ENOMEM;
    if (server) {
        gnutls_certificate_server_set_request(session, GNUTLS_CERT_REQUIRE);
        gnutls_certificate_send_x509_rdn_sequence(session, 1); /* 1: do not name CAs */
    }
    return 0;
}

static int set_alpn(gnutls_session_t session, bool server, const char *const *alpn, size_t count)
{
    gnutls_datum_t names[KIT_ALPN_MAX];

    if (count > KIT_ALPN_MAX)
        return RF_EINVAL;
    for (size_t i = 0; i < count; i++) {
        names[i].data = (unsigned char *)(uintptr_t)alpn[i];
        names[i].size = (unsigned)strlen(alpn[i]);
        if (names[i].size == 0 || names[i].size > KIT_ALPN_MAX_LEN)
            return RF_EINVAL;
    }
    /* mandatory: a peer that speaks ALPN but none of these is turned away; one that does not use it is not */
    if (count > 0 &&
        gnutls_alpn_set_protocols(session, names, (unsigned)count, server ? GNUTLS_ALPN_MANDATORY : 0) < 0)
        return RF_ENOMEM;
    return 0;
}

/* A client goes on with the session that it saved for that peer. */
static int set_resumption(struct rf_channel *channel, struct rf_view resume_key)
{
    struct rf_engine *engine = channel->engine;
    struct rf_view saved;

    if (channel->server || resume_key.len == 0 || resume_key.len > UINT16_MAX)
        return 0;
    channel->resume_key = rf_memdup(engine->env->mem, resume_key.p, resume_key.len);
    if (!channel->resume_key)
        return RF_ENOMEM;
    channel->resume_key_len = (uint16_t)resume_key.len;
    saved = saved_find(&engine->saved, resume_key);
    if (saved.len > 0 && gnutls_session_set_data(channel->session, saved.p, saved.len) < 0)
        saved_drop(&engine->saved, resume_key); /* expired */
    return 0;
}

int kit_channel_new(struct rf_engine *engine, bool server, const char *const *alpn, size_t alpn_count,
                    struct rf_view resume_key, struct rf_channel **out)
{
    const struct kit_kind *kind = engine->kind;
    struct rf_channel *channel = rf_zalloc(engine->env->mem, kind->channel_len);
    int err = RF_ENOMEM;

    if (!channel)
        return RF_ENOMEM;
    channel->engine = engine;
    channel->server = server;
    channel->creds = engine->creds;
    channel->creds->refs++;
    if (gnutls_init(&channel->session, kind->flags | (server ? GNUTLS_SERVER
                                                             : GNUTLS_CLIENT | GNUTLS_FORCE_CLIENT_CERT |
                                                                   kind->client_flags)) < 0)
        goto fail;
    gnutls_transport_set_ptr(channel->session, channel);
    gnutls_transport_set_pull_function(channel->session, kind->pull);
    gnutls_transport_set_push_function(channel->session, kind->push);
    gnutls_transport_set_pull_timeout_function(channel->session, kind->pull_timeout);
    err = set_session(channel->session, server, engine->priority, channel->creds);
    if (!err)
        err = set_alpn(channel->session, server, alpn, alpn_count);
    if (!err)
        err = kind->begin(channel);
    if (!err)
        err = set_resumption(channel, resume_key);
    if (err)
        goto fail;
    *out = channel;
    return 0;
fail:
    kit_channel_free(channel);
    return err;
}

static struct rf_view resume_key_of(const struct rf_channel *channel)
{
    return rf_view_of(channel->resume_key, channel->resume_key_len);
}

void kit_save(struct rf_channel *channel, bool worthy)
{
    gnutls_datum_t data = {NULL, 0};

    if (worthy && gnutls_session_get_data2(channel->session, &data) == 0)
        saved_put(&channel->engine->saved, resume_key_of(channel), rf_view_of(data.data, data.size));
    if (data.data) {
        rf_wipe(data.data, data.size);
        gnutls_free(data.data);
    }
    rf_free(channel->engine->env->mem, channel->resume_key);
    channel->resume_key = NULL;
}

/* ---- errors ---- */

/* An error of GnuTLS as one of ours. `wire`: where output went, NULL: nowhere. */
static int error_of(gnutls_session_t session, struct rf_log *log, const struct rf_buf *wire, int code)
{
    switch (code) {
    case GNUTLS_E_FATAL_ALERT_RECEIVED:
        rf_log_write(log, RF_LOG_INFO, "link", "peer sent TLS alert: %s",
                     gnutls_alert_get_name(gnutls_alert_get(session)));
        return RF_EREMOTE;
    case GNUTLS_E_CERTIFICATE_REQUIRED:
    case GNUTLS_E_NO_CERTIFICATE_FOUND:
    case GNUTLS_E_CERTIFICATE_ERROR:
    case GNUTLS_E_PK_SIG_VERIFY_FAILED:
        return RF_EAUTH;
    case GNUTLS_E_MEMORY_ERROR:
        return RF_ENOMEM;
    case GNUTLS_E_PUSH_ERROR:
        return wire && rf_buf_error(wire) ? rf_buf_error(wire) : RF_ENOMEM;
    case GNUTLS_E_RANDOM_FAILED:
    case GNUTLS_E_INTERNAL_ERROR:
        return RF_ECRYPTO;
    default:
        return RF_EFORMAT;
    }
}

/* Which alert tells the peer that it is refused for `error`. */
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

ssize_t kit_push(gnutls_transport_ptr_t ptr, const void *data, size_t len)
{
    struct rf_channel *channel = ptr;

    if (channel->wire && channel->engine->kind->datagrams)
        rf_buf_v(channel->wire, 2, rf_view_of(data, len));
    else if (channel->wire)
        rf_buf_put(channel->wire, data, len);
    if (!channel->wire || rf_buf_error(channel->wire)) {
        gnutls_transport_set_errno(channel->session, ENOMEM);
        return -1;
    }
    return (ssize_t)len;
}

int kit_fail(struct rf_channel *channel, int code)
{
    struct rf_engine *engine = channel->engine;
    int err = error_of(channel->session, engine->env->log, channel->wire, code);

    rf_log_write(engine->env->log, RF_LOG_DEBUG, "link", "%s: %s", engine->kind->name, gnutls_strerror(code));
    if (code != GNUTLS_E_FATAL_ALERT_RECEIVED && code != GNUTLS_E_PUSH_ERROR)
        (void)gnutls_alert_send_appropriate(channel->session, code);
    if (channel->resume_key)
        saved_drop(&engine->saved, resume_key_of(channel));
    if (channel->server)
        gnutls_db_remove_session(channel->session); /* if it keeps sessions */
    channel->state = RF_CHANNEL_FAILED;
    return err;
}

/* ---- channels: handshake and records ---- */

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

int kit_handshake(struct rf_channel *channel)
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
        return kit_fail(channel, code);
    if (waiting)
        return 0;
    channel->resumed = gnutls_session_is_resumed(channel->session) != 0;
    if (gnutls_alpn_get_selected_protocol(channel->session, &alpn) == 0 && alpn.size <= KIT_ALPN_MAX_LEN)
        memcpy(channel->alpn, alpn.data, alpn.size);
    channel->state = RF_CHANNEL_UP;
    return 0;
}

int kit_read(struct rf_channel *channel, struct rf_buf *plain)
{
    const bool datagrams = channel->engine->kind->datagrams;
    uint8_t *scratch = channel->engine->scratch;
    int code, stalls = 0;

    for (;;) {
        const size_t left = channel->in.len;
        const uint32_t dropped = channel->dropped;

        code = (int)gnutls_record_recv(channel->session, scratch, KIT_RECORD_LEN);
        if (code == 0) {
            channel->state = RF_CHANNEL_CLOSED;
            return 0;
        }
        if (code > 0) {
            if (datagrams)
                rf_buf_v(plain, 2, rf_view_of(scratch, (size_t)code));
            else
                rf_buf_put(plain, scratch, (size_t)code);
            if (rf_buf_error(plain)) {
                channel->state = RF_CHANNEL_FAILED;
                return rf_buf_error(plain);
            }
        } else {
            channel->dropped +=
                datagrams && code == GNUTLS_E_AGAIN && channel->in.len < left && channel->dropped == dropped;
            if (!again(channel, left, &stalls, &code))
                return code < 0 ? kit_fail(channel, code) : 0;
        }
    }
}

int kit_channel_close(struct rf_channel *channel, struct rf_buf *wire)
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

/* ---- channels: the peer ---- */

void kit_channel_refuse(struct rf_channel *channel, int error, struct rf_buf *wire)
{
    if (channel->state != RF_CHANNEL_UP)
        return;
    channel->wire = wire;
    (void)gnutls_alert_send(channel->session, GNUTLS_AL_FATAL, alert_of(error));
    /* forgets the session, too; sends no second alert */
    (void)kit_fail(channel, GNUTLS_E_PUSH_ERROR);
    channel->wire = NULL;
}

enum rf_channel_state kit_channel_state(const struct rf_channel *channel)
{
    return (enum rf_channel_state)channel->state;
}

size_t kit_channel_peer_certs(const struct rf_channel *channel, struct rf_view *out, size_t max)
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

const char *kit_channel_alpn(const struct rf_channel *channel)
{
    return channel->alpn;
}

bool kit_channel_resumed(const struct rf_channel *channel)
{
    return channel->resumed;
}
