/* dtls.c - the DTLS handshake that SRTP gets its keys from, on GnuTLS. */
#include "sip/dtls.h"
#include <errno.h>
#include <gnutls/crypto.h>
#include <gnutls/dtls.h>
#include <gnutls/x509.h>
#include <string.h>
#include <time.h>
#include "base/assert.h"
#include "base/error.h"

/* RFC 8827, section 6.5 asks for ECDHE with AES-128-GCM and P-256 certificates. */
#define PRIORITY                                                                                             \
    "NONE:+VERS-DTLS1.2:+AES-128-GCM:+CHACHA20-POLY1305:+AES-256-GCM:+AEAD:+ECDHE-ECDSA:+ECDHE-RSA"          \
    ":+GROUP-X25519:+GROUP-SECP256R1:+SIGN-ECDSA-SHA256:+SIGN-ECDSA-SECP256R1-SHA256:+SIGN-RSA-SHA256"       \
    ":+SIGN-RSA-PSS-RSAE-SHA256:+SIGN-ECDSA-SHA384:+SIGN-RSA-SHA384:+CTYPE-X509:+COMP-NULL:%SERVER_"         \
    "PRECEDENCE"
#define MTU          1200
#define LIFE_S       (30 * 24 * 3600)
#define EARLY_S      (24 * 3600)
#define EXPORTER     "EXTRACTOR-dtls_srtp" /* RFC 5764, section 4.2 */
#define SALT_LEN_CM  14
#define SALT_LEN_GCM 12
#define SRTP_KEY_LEN 16

struct dtls_identity {
    gnutls_certificate_credentials_t creds;
    uint8_t print[SDP_PRINT_LEN];
};

struct dtls {
    struct dtls_config config;
    gnutls_session_t session;
    struct rf_view in; /* not yet pulled; only during a call */
    enum dtls_state state;
    const char *why;
    uint64_t end_ms; /* the handshake's */
};

static uint64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* ---- the certificate ---- */

static int make_certificate(gnutls_x509_privkey_t key, gnutls_x509_crt_t crt)
{
    uint8_t serial[16], name[8];
    char text[2 * sizeof(name) + 1];
    size_t text_len = sizeof(text);
    time_t now = time(NULL);
    gnutls_datum_t raw = {name, sizeof(name)};
    bool good = gnutls_rnd(GNUTLS_RND_NONCE, serial, sizeof(serial)) == 0 &&
                gnutls_rnd(GNUTLS_RND_NONCE, name, sizeof(name)) == 0 &&
                gnutls_hex_encode(&raw, text, &text_len) == 0;
    serial[0] &= 0x7f;
    serial[0] |= 0x40;
    good = good &&
           gnutls_x509_privkey_generate(key, GNUTLS_PK_ECDSA,
                                        GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0) == 0 &&
           gnutls_x509_crt_set_version(crt, 3) == 0 &&
           gnutls_x509_crt_set_serial(crt, serial, sizeof(serial)) == 0 &&
           gnutls_x509_crt_set_activation_time(crt, now - EARLY_S) == 0 &&
           gnutls_x509_crt_set_expiration_time(crt, now + LIFE_S) == 0 &&
           gnutls_x509_crt_set_key(crt, key) == 0 &&
           gnutls_x509_crt_set_dn_by_oid(crt, GNUTLS_OID_X520_COMMON_NAME, 0, text, (unsigned)strlen(text)) ==
               0 &&
           gnutls_x509_crt_sign2(crt, crt, key, GNUTLS_DIG_SHA256, 0) == 0;
    return good ? 0 : RF_ECRYPTO;
}

int dtls_identity_new(struct rf_mem *mem, struct dtls_identity **out)
{
    struct dtls_identity *id = rf_zalloc(mem, sizeof(*id));
    gnutls_x509_privkey_t key = NULL;
    gnutls_x509_crt_t crt = NULL;
    size_t len = sizeof(id->print);
    int error = RF_ECRYPTO;

    if (id == NULL)
        return RF_ENOMEM;
    if (gnutls_x509_privkey_init(&key) == 0 && gnutls_x509_crt_init(&crt) == 0 &&
        make_certificate(key, crt) == 0 &&
        gnutls_x509_crt_get_fingerprint(crt, GNUTLS_DIG_SHA256, id->print, &len) == 0 &&
        gnutls_certificate_allocate_credentials(&id->creds) == 0 &&
        gnutls_certificate_set_x509_key(id->creds, &crt, 1, key) >= 0)
        error = 0;
    if (key != NULL)
        gnutls_x509_privkey_deinit(key);
    if (crt != NULL)
        gnutls_x509_crt_deinit(crt);
    if (error == 0)
        *out = id;
    else
        dtls_identity_free(mem, id);
    return error;
}

void dtls_identity_free(struct rf_mem *mem, struct dtls_identity *id)
{
    if (id == NULL)
        return;
    if (id->creds != NULL)
        gnutls_certificate_free_credentials(id->creds);
    rf_free(mem, id);
}

const uint8_t *dtls_identity_print(const struct dtls_identity *id)
{
    return id->print;
}

/* ---- transport: GnuTLS pulls the datagram of the running call ---- */

static ssize_t pull(gnutls_transport_ptr_t ptr, void *data, size_t len)
{
    struct dtls *d = ptr;
    if (d->in.len == 0) {
        gnutls_transport_set_errno(d->session, EAGAIN);
        return -1;
    }
    size_t n = d->in.len < len ? d->in.len : len;
    memcpy(data, d->in.p, n);
    d->in.len = 0; /* a datagram is taken as a whole */
    return (ssize_t)n;
}

static int pull_timeout(gnutls_transport_ptr_t ptr, unsigned ms)
{
    (void)ms;
    return ((struct dtls *)ptr)->in.len > 0;
}

static ssize_t push(gnutls_transport_ptr_t ptr, const void *data, size_t len)
{
    struct dtls *d = ptr;
    d->config.send(d->config.arg, rf_view_of(data, len));
    return (ssize_t)len;
}

/* ---- life ---- */

static int set_profiles(struct dtls *d)
{
    /* by number: this GnuTLS knows no name for GCM, but chooses by comparing numbers; the keys are exported here, not there */
    static const uint16_t profiles[] = {DTLS_AEAD_AES_128_GCM, DTLS_AES128_CM_SHA1_80};
    for (size_t i = 0; i < RF_COUNT(profiles); i++)
        if ((d->config.only_profile == 0 || d->config.only_profile == profiles[i]) &&
            gnutls_srtp_set_profile(d->session, (gnutls_srtp_profile_t)profiles[i]) != 0)
            return RF_ECRYPTO;
    return 0;
}

int dtls_new(const struct dtls_config *config, struct dtls **out)
{
    struct dtls *d = rf_zalloc(config->mem, sizeof(*d));
    unsigned flags = GNUTLS_DATAGRAM | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL | GNUTLS_NO_TICKETS |
                     (config->active ? GNUTLS_CLIENT | GNUTLS_FORCE_CLIENT_CERT : GNUTLS_SERVER);
    if (d == NULL)
        return RF_ENOMEM;
    d->config = *config;
    d->why = "the handshake is under way";
    d->end_ms = now_ms() + DTLS_GIVE_UP_MS;
    if (gnutls_init(&d->session, flags) != 0 || gnutls_priority_set_direct(d->session, PRIORITY, NULL) != 0 ||
        gnutls_credentials_set(d->session, GNUTLS_CRD_CERTIFICATE, config->identity->creds) != 0 ||
        set_profiles(d) != 0) {
        dtls_free(d);
        return RF_ECRYPTO;
    }
    if (!config->active)
        gnutls_certificate_server_set_request(d->session, GNUTLS_CERT_REQUIRE);
    gnutls_transport_set_ptr(d->session, d);
    gnutls_transport_set_pull_function(d->session, pull);
    gnutls_transport_set_pull_timeout_function(d->session, pull_timeout);
    gnutls_transport_set_push_function(d->session, push);
    gnutls_dtls_set_mtu(d->session, MTU);
    gnutls_dtls_set_timeouts(d->session, config->again_ms != 0 ? config->again_ms : DTLS_AGAIN_MS,
                             DTLS_GIVE_UP_MS);
    *out = d;
    return 0;
}

void dtls_free(struct dtls *d)
{
    if (d == NULL)
        return;
    if (d->session != NULL)
        gnutls_deinit(d->session);
    rf_free(d->config.mem, d);
}

const char *dtls_why(const struct dtls *d)
{
    return d->why;
}

/* ---- the handshake ---- */

static enum dtls_state fail(struct dtls *d, const char *why)
{
    d->state = DTLS_FAILED;
    d->why = why;
    return d->state;
}

static bool print_agrees(struct dtls *d)
{
    static const gnutls_digest_algorithm_t algs[] = {
        [SDP_SHA256] = GNUTLS_DIG_SHA256, [SDP_SHA384] = GNUTLS_DIG_SHA384, [SDP_SHA512] = GNUTLS_DIG_SHA512};
    const struct sdp_print *told = &d->config.print;
    uint8_t print[SDP_PRINT_MAX];
    unsigned count = 0;
    const gnutls_datum_t *certs = gnutls_certificate_get_peers(d->session, &count);
    return certs != NULL && count > 0 && told->hash != SDP_HASH_NONE &&
           gnutls_hash_get_len(algs[told->hash]) == told->len &&
           gnutls_hash_fast(algs[told->hash], certs[0].data, certs[0].size, print) == 0 &&
           rf_view_equal_secret(rf_view_of(print, told->len), rf_view_of(told->bytes, told->len));
}

static enum dtls_state finished(struct dtls *d)
{
    gnutls_srtp_profile_t profile;
    if (!print_agrees(d))
        return fail(d, "the certificate is not the one that was told");
    if (gnutls_srtp_get_selected_profile(d->session, &profile) != 0 ||
        ((unsigned)profile != DTLS_AEAD_AES_128_GCM && (unsigned)profile != DTLS_AES128_CM_SHA1_80))
        return fail(d, "no SRTP profile in common");
    if (gnutls_session_ext_master_secret_status(d->session) == 0)
        return fail(
            d,
            "no extended master secret"); /* RFC 8827, section 6.5: the exporter is tied to both certificates */
    d->state = DTLS_UP;
    d->why = "up";
    return d->state;
}

static enum dtls_state go_on(struct dtls *d)
{
    for (int i = 0; i < 64;
         i++) { /* what is not fatal, and records left in the datagram, call for another turn */
        size_t left = d->in.len;
        int code = gnutls_handshake(d->session);
        if (code == 0)
            return finished(d);
        if (code == GNUTLS_E_AGAIN || code == GNUTLS_E_INTERRUPTED) {
            if (left == 0 || d->in.len == left)
                return d->state;
            continue;
        }
        if (code == GNUTLS_E_TIMEDOUT)
            return fail(d, "no answer");
        if (code == GNUTLS_E_FATAL_ALERT_RECEIVED)
            return fail(d, "the other side refused");
        if (gnutls_error_is_fatal(code)) {
            (void)gnutls_alert_send_appropriate(d->session, code);
            return fail(d, gnutls_strerror(code));
        }
    }
    return d->state;
}

enum dtls_state dtls_start(struct dtls *d)
{
    return d->config.active && d->state == DTLS_HANDSHAKE ? go_on(d) : d->state;
}

enum dtls_state dtls_input(struct dtls *d, struct rf_view datagram)
{
    uint8_t unused[64];
    if (d->state == DTLS_FAILED || datagram.len > DTLS_MAX_LEN)
        return d->state;
    d->in = datagram;
    if (d->state == DTLS_HANDSHAKE)
        (void)go_on(d);
    else
        for (int i = 0; i < 8 && gnutls_record_recv(d->session, unused, sizeof(unused)) > 0; i++)
            ; /* repetitions of the last flight are answered in there; nobody sends anything else of worth */
    d->in.len = 0;
    return d->state;
}

enum dtls_state dtls_tick(struct dtls *d)
{
    if (d->state != DTLS_HANDSHAKE)
        return d->state;
    if (now_ms() >= d->end_ms)
        return fail(d, "no answer");
    return go_on(d);
}

unsigned dtls_wait_ms(struct dtls *d)
{
    if (d->state != DTLS_HANDSHAKE)
        return 0;
    unsigned ms = gnutls_dtls_get_timeout(d->session);
    return ms == 0 ? 1 : ms < 1000 ? ms : 1000;
}

bool dtls_keys(struct dtls *d, struct dtls_keys *out)
{
    uint8_t raw[2 * DTLS_KEY_MAX];
    gnutls_srtp_profile_t profile;
    if (d->state != DTLS_UP || gnutls_srtp_get_selected_profile(d->session, &profile) != 0)
        return false;
    size_t salt = (unsigned)profile == DTLS_AEAD_AES_128_GCM ? SALT_LEN_GCM : SALT_LEN_CM;
    /* client key, server key, client salt, server salt */
    if (gnutls_prf_rfc5705(d->session, sizeof(EXPORTER) - 1, EXPORTER, 0, NULL, 2 * (SRTP_KEY_LEN + salt),
                           (char *)raw) != 0)
        return false;
    *out = (struct dtls_keys){.profile = (uint16_t)profile, .key_len = (uint8_t)(SRTP_KEY_LEN + salt)};
    uint8_t *client = d->config.active ? out->ours : out->theirs,
            *server = d->config.active ? out->theirs : out->ours;
    memcpy(client, raw, SRTP_KEY_LEN);
    memcpy(server, raw + SRTP_KEY_LEN, SRTP_KEY_LEN);
    memcpy(client + SRTP_KEY_LEN, raw + 2 * SRTP_KEY_LEN, salt);
    memcpy(server + SRTP_KEY_LEN, raw + 2 * SRTP_KEY_LEN + salt, salt);
    rf_wipe(raw, sizeof(raw));
    return true;
}
