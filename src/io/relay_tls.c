/* relay_tls.c - the relay's TLS, on GnuTLS. */
#include "io/relay_tls.h"

#include <gnutls/gnutls.h>
#include <string.h>

#include "base/error.h"

#define PRIORITY "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:%SERVER_PRECEDENCE"

struct relay_tls_context {
    struct rf_mem *mem;
    gnutls_certificate_credentials_t credentials;
    gnutls_priority_t priority;
};

struct relay_tls {
    struct relay_tls_context *context;
    gnutls_session_t session;
    bool up;
    bool unsent; /* GnuTLS keeps a record that the socket did not take: it is to be asked with nothing new */
};

/* ---- context ---- */

int relay_tls_context_new(struct rf_mem *mem, struct rf_view chain_pem, struct rf_view key_pem,
                          struct relay_tls_context **out)
{
    gnutls_datum_t chain = {(void *)(uintptr_t)chain_pem.p, (unsigned)chain_pem.len},
                   key = {(void *)(uintptr_t)key_pem.p, (unsigned)key_pem.len};
    struct relay_tls_context *c = rf_zalloc(mem, sizeof(*c));
    if (c == NULL)
        return RF_ENOMEM;
    c->mem = mem;
    int error = 0;
    if (gnutls_certificate_allocate_credentials(&c->credentials) != 0 ||
        gnutls_priority_init(&c->priority, PRIORITY, NULL) != 0)
        error = RF_ENOMEM;
    else if (gnutls_certificate_set_x509_key_mem(c->credentials, &chain, &key, GNUTLS_X509_FMT_PEM) != 0)
        error = RF_EFORMAT;
    if (error != 0) {
        relay_tls_context_free(c);
        return error;
    }
    *out = c;
    return 0;
}

void relay_tls_context_free(struct relay_tls_context *c)
{
    if (c == NULL)
        return;
    if (c->credentials != NULL)
        gnutls_certificate_free_credentials(c->credentials);
    if (c->priority != NULL)
        gnutls_priority_deinit(c->priority);
    rf_free(c->mem, c);
}

/* ---- sessions ---- */

int relay_tls_new(struct relay_tls_context *context, int fd, struct relay_tls **out)
{
    static const char name[] = "stun.turn"; /* RFC 7443; clients need not say it */
    gnutls_datum_t alpn = {(void *)(uintptr_t)name, sizeof(name) - 1};
    struct relay_tls *t = rf_zalloc(context->mem, sizeof(*t));
    if (t == NULL)
        return RF_ENOMEM;
    t->context = context;
    if (gnutls_init(&t->session, GNUTLS_SERVER | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL) != 0 ||
        gnutls_priority_set(t->session, context->priority) != 0 ||
        gnutls_credentials_set(t->session, GNUTLS_CRD_CERTIFICATE, context->credentials) != 0 ||
        gnutls_alpn_set_protocols(t->session, &alpn, 1, 0) != 0) {
        relay_tls_free(t);
        return RF_ENOMEM;
    }
    gnutls_transport_set_int(t->session, fd);
    *out = t;
    return 0;
}

void relay_tls_free(struct relay_tls *t)
{
    if (t == NULL)
        return;
    if (t->up)
        (void)gnutls_bye(t->session, GNUTLS_SHUT_WR);
    if (t->session != NULL)
        gnutls_deinit(t->session);
    rf_free(t->context->mem, t);
}

/* 0: it is done */
static int shake_hands(struct relay_tls *t)
{
    if (t->up)
        return 0;
    int code = gnutls_handshake(t->session);
    t->up = code == 0;
    if (code == 0)
        return 0;
    if (gnutls_error_is_fatal(code) == 0)
        return RF_EAGAIN;
    (void)gnutls_alert_send_appropriate(t->session, code);
    return RF_EAUTH;
}

int relay_tls_recv(struct relay_tls *t, void *out, size_t cap, size_t *len)
{
    int error = shake_hands(t);
    if (error != 0)
        return error;
    ssize_t n = gnutls_record_recv(t->session, out, cap);
    if (n > 0) {
        *len = (size_t)n;
        return 0;
    }
    return n < 0 && gnutls_error_is_fatal((int)n) == 0 ? RF_EAGAIN : RF_ECLOSED;
}

int relay_tls_send(struct relay_tls *t, struct rf_view bytes, size_t *sent)
{
    int error = shake_hands(t);
    if (error != 0)
        return error;
    ssize_t n = t->unsent ? gnutls_record_send(t->session, NULL, 0)
                          : gnutls_record_send(t->session, bytes.p, bytes.len);
    t->unsent = n == GNUTLS_E_AGAIN || n == GNUTLS_E_INTERRUPTED;
    if (n > 0) {
        *sent = (size_t)n;
        return 0;
    }
    return t->unsent ? RF_EAGAIN : RF_ECLOSED;
}

bool relay_tls_wants_write(const struct relay_tls *t)
{
    return !t->up && gnutls_record_get_direction(t->session) == 1;
}

bool relay_tls_pending(const struct relay_tls *t)
{
    return gnutls_record_check_pending(t->session) > 0;
}

bool relay_tls_is_up(const struct relay_tls *t)
{
    return t->up;
}
