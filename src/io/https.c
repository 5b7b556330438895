/*
 * https.c - rf_https on libmicrohttpd: one polling thread, suspended connections while a worker computes.
 *
 * An exchange (one request and its response) goes
 *   READING   headers and body come in; a body that is too long is read to its end, or to DRAIN_MAX_LEN, and dropped
 *   WORKING   the handler asked for work; the connection is suspended and belongs to the worker until it resumes it
 *   ANSWERED  the response is queued; libmicrohttpd sends it and then reports the end, which frees the exchange
 */
#include "io/https.h"

#include <arpa/inet.h>
#include <gnutls/gnutls.h>
#include <microhttpd.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include "base/assert.h"
#include "base/clock.h"
#include "io/https_work.h"
#include "io/sockets.h"

#define PRIORITIES "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"
#define DRAIN_MAX_LEN                                                                                        \
    ((size_t)1024 * 1024) /* of a body that is refused anyway: so that its sender reads the answer */
#define CONN_MEMORY_LEN     ((size_t)32 * 1024) /* headers and buffers of one connection */
#define CLIENT_CERT_MAX_LEN 8192

struct rf_https {
    struct rf_mem *mem;
    struct rf_https_config config; /* its PEM strings are not kept */
    struct MHD_Daemon *daemon;
    struct https_pool pool;
    uint16_t port;
    pthread_mutex_t lock; /* of `connections`: rf_https_tick may come from any thread */
    struct rf_list connections;
};

/* What the deadline of a connection needs; the library's own connection is not ours to touch from outside. */
struct connection {
    struct rf_list list;
    int fd;
    uint64_t deadline_us; /* monotonic */
};

struct exchange {
    struct rf_https_request request; /* first: rf_https_work finds the exchange by it */
    struct rf_https *https;
    struct MHD_Connection *connection;
    struct rf_buf body;
    size_t body_seen_len; /* also what was dropped */
    uint64_t started_us;
    bool answered, promised;
    struct https_job job;
};

static uint64_t mono_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * RF_US_PER_S + (uint64_t)t.tv_nsec / 1000;
}

void rf_https_header(struct rf_https_response *response, const char *name, const char *format, ...)
{
    if (response->header_count == RF_HTTPS_HEADERS_MAX)
        return;
    va_list args;
    char *value = response->headers[response->header_count].value;
    va_start(args, format);
    vsnprintf(value, sizeof(response->headers[0].value), format, args);
    va_end(args);
    for (char *c = value; *c; c++)
        if (*c < ' ' || *c > '~')
            *c = '?';
    response->headers[response->header_count++].name = name;
}

/* ---- what a connection tells of its other side ---- */

static void peer_addr(struct MHD_Connection *connection, struct rf_addr *out)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    memset(out, 0, sizeof(*out));
    if (!info || !info->client_addr)
        return;
    if (info->client_addr->sa_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)info->client_addr;
        out->family = 4;
        out->port = ntohs(in->sin_port);
        memcpy(out->ip, &in->sin_addr, 4);
    } else if (info->client_addr->sa_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)info->client_addr;
        bool mapped = IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr);
        out->family = mapped ? 4 : 6;
        out->port = ntohs(in6->sin6_port);
        memcpy(out->ip, in6->sin6_addr.s6_addr + (mapped ? 12 : 0), mapped ? 4 : 16);
    }
}

/* peer_certificate is valid as long as the connection. GnuTLS has checked that the client owns its key (CertificateVerify). */
static struct rf_view peer_certificate(struct MHD_Connection *connection)
{
    struct rf_view none = {0};
    unsigned count = 0;
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);
    if (!info || !info->tls_session)
        return none;
    const gnutls_datum_t *chain = gnutls_certificate_get_peers((gnutls_session_t)info->tls_session, &count);
    if (!chain || count == 0 || chain[0].size > CLIENT_CERT_MAX_LEN)
        return none;
    return rf_view_of(chain[0].data, chain[0].size);
}

/*
 * ---- deadlines ----
 *
 * An accepted connection must bring a request's headers within a quarter of request_timeout_s, the TLS handshake included; then the request, from the
 * last header to the last byte of the answer, has the whole; and so has the next one on the same connection.
 */

static struct connection *connection_of(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info ? info->socket_context : NULL;
}

static void on_connection(void *cls, struct MHD_Connection *connection, void **context,
                          enum MHD_ConnectionNotificationCode code)
{
    struct rf_https *https = cls;
    struct connection *c = *context;
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        const union MHD_ConnectionInfo *info =
            MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
        c = info ? rf_zalloc(https->mem, sizeof(*c)) : NULL;
        if (!c)
            return; /* the idle timeout is left */
        c->fd = info->connect_fd;
        c->deadline_us = mono_us() + https->config.request_timeout_s * RF_US_PER_S / 4;
        *context = c;
        pthread_mutex_lock(&https->lock);
        rf_list_push_back(&https->connections, &c->list);
        pthread_mutex_unlock(&https->lock);
    } else if (c) { /* the descriptor is closed after this call: so rf_https_tick never meets another's */
        pthread_mutex_lock(&https->lock);
        rf_list_remove(&c->list);
        pthread_mutex_unlock(&https->lock);
        rf_free(https->mem, c);
        *context = NULL;
    }
}

static void deadline_again(struct rf_https *https, struct connection *c)
{
    if (!c)
        return;
    pthread_mutex_lock(&https->lock);
    c->deadline_us = mono_us() + https->config.request_timeout_s * RF_US_PER_S;
    pthread_mutex_unlock(&https->lock);
}

void rf_https_tick(struct rf_https *https)
{
    uint64_t now_us = mono_us();
    pthread_mutex_lock(&https->lock);
    RF_LIST_EACH(&https->connections, it)
    {
        const struct connection *c = RF_LIST_ENTRY(it, struct connection, list);
        if (c->deadline_us <= now_us)
            shutdown(c->fd, SHUT_RDWR); /* the library notices, and tells on_connection */
    }
    pthread_mutex_unlock(&https->lock);
}

/* ---- exchanges ---- */

static const char *header_of(struct MHD_Connection *connection, const char *name)
{
    return MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
}

static struct exchange *exchange_new(struct rf_https *https, struct MHD_Connection *connection,
                                     const char *path, const char *method)
{
    struct exchange *x = rf_zalloc(https->mem, sizeof(*x));
    if (!x)
        return NULL;
    x->https = https;
    x->connection = connection;
    x->started_us = mono_us();
    deadline_again(https, connection_of(connection));
    rf_buf_init(&x->body, https->mem, https->config.body_max_len);
    x->request.method = method;
    x->request.path = path;
    x->request.content_type = header_of(connection, "Content-Type");
    x->request.if_none_match = header_of(connection, "If-None-Match");
    x->request.client_certificate = peer_certificate(connection);
    peer_addr(connection, &x->request.peer);
    return x;
}

/* on_completed frees; the strings of the request are gone by then, `user` is what matters. */
static void on_completed(void *cls, struct MHD_Connection *connection, void **con_cls,
                         enum MHD_RequestTerminationCode code)
{
    struct rf_https *https = cls;
    struct exchange *x = *con_cls;
    (void)code;
    deadline_again(https, connection_of(connection));
    if (!x)
        return;
    if (https->config.closed)
        https->config.closed(https->config.ctx, &x->request);
    if (x->body.p)
        rf_wipe(x->body.p, x->body.cap); /* forms carry passwords */
    rf_buf_deinit(&x->body);
    rf_free(https->mem, x);
    *con_cls = NULL;
}

/* queue sends a response: MHD_NO only when memory is short, then the connection ends. */
static enum MHD_Result queue(struct exchange *x, const struct rf_https_response *response)
{
    struct rf_https *https = x->https;
    struct MHD_Response *r = MHD_create_response_from_buffer(
        response->body.len, (void *)(uintptr_t)(response->body.len > 0 ? (const void *)response->body.p : ""),
        MHD_RESPMEM_MUST_COPY);
    if (!r)
        return MHD_NO;
    for (size_t i = 0; i < response->header_count; i++)
        MHD_add_response_header(r, response->headers[i].name, response->headers[i].value);
    enum MHD_Result result = MHD_queue_response(x->connection, (unsigned)response->status, r);
    MHD_destroy_response(r);
    x->answered = result == MHD_YES;
    if (x->answered && https->config.logged)
        https->config.logged(https->config.ctx, &x->request, response->status, response->body.len,
                             mono_us() - x->started_us);
    return result;
}

static enum MHD_Result refuse(struct exchange *x, int status, const char *sentence)
{
    struct rf_https_response response = {.status = status, .body = rf_view_str(sentence)};
    rf_https_header(&response, "Content-Type", "text/plain; charset=utf-8");
    rf_https_header(&response, "Ringfolk-Reason", "%s", sentence);
    if (status == 413)
        rf_https_header(&response, "Connection", "close");
    return queue(x, &response);
}

/* on_job_done runs in the worker's thread: from the resume on, the exchange is the polling thread's again. */
static void on_job_done(struct https_job *job)
{
    struct exchange *x = RF_CONTAINER(job, struct exchange, job);
    MHD_resume_connection(x->connection);
}

int rf_https_work(struct rf_https *https, struct rf_https_request *request, void (*work)(void *arg),
                  void *arg)
{
    struct exchange *x = RF_CONTAINER(request, struct exchange, request);
    RF_ASSERT(x->https == https && !x->promised);
    int e = https_pool_promise(&https->pool);
    if (e != RF_OK)
        return e;
    x->promised = true;
    x->job = (struct https_job){.work = work, .arg = arg, .done = on_job_done};
    return RF_OK;
}

static enum MHD_Result handle(struct exchange *x)
{
    struct rf_https *https = x->https;
    struct rf_https_response response = {0};
    x->promised = false;
    x->request.body = rf_buf_view(&x->body);
    int e = https->config.handle(https->config.ctx, &x->request, &response);
    RF_ASSERT((e == RF_EAGAIN) == x->promised);
    if (e == RF_EAGAIN) {
        MHD_suspend_connection(x->connection);
        https_pool_run(&https->pool, &x->job);
        return MHD_YES;
    }
    return e == RF_OK ? queue(x, &response) : refuse(x, 500, "the server failed");
}

/* too_long: the request says itself that its body is far too long, so not even the draining is worth it. */
static bool too_long(struct MHD_Connection *connection)
{
    const char *length = header_of(connection, "Content-Length");
    return length && strtoull(length, NULL, 10) > DRAIN_MAX_LEN;
}

/* room allocates once for the whole body: a buffer that grew would leave pieces of passwords behind. */
static void room(struct exchange *x)
{
    const char *length = header_of(x->connection, "Content-Length");
    size_t max = x->https->config.body_max_len;
    unsigned long long said = length ? strtoull(length, NULL, 10) : max;
    rf_buf_reserve(&x->body, said > 0 && said < max ? (size_t)said : max);
    rf_buf_reset(&x->body);
}

/* more takes a piece of the body. */
static enum MHD_Result more(struct exchange *x, const char *data, size_t *len)
{
    if (x->body_seen_len + *len > 2 * DRAIN_MAX_LEN)
        return MHD_NO;
    if (x->body_seen_len == 0)
        room(x);
    x->body_seen_len += *len;
    if (x->body_seen_len <= x->https->config.body_max_len)
        rf_buf_put(&x->body, data, *len);
    *len = 0;
    return MHD_YES;
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *data, size_t *len,
                                  void **con_cls)
{
    struct exchange *x = *con_cls;
    (void)version;
    if (!x) {
        x = *con_cls = exchange_new(cls, connection, url, method);
        if (!x)
            return MHD_NO;
        return too_long(connection) ? refuse(x, 413, "the body is too long") : MHD_YES;
    }
    if (x->answered)
        return MHD_YES;
    if (*len > 0)
        return more(x, data, len);
    if (x->body_seen_len > x->https->config.body_max_len)
        return refuse(x, 413, "the body is too long");
    if (rf_buf_error(&x->body) != RF_OK)
        return refuse(x, 503, "the server is short of memory");
    return handle(x);
}

static void on_log(void *cls, const char *format, va_list args) __attribute__((format(printf, 2, 0)));
static void on_log(void *cls, const char *format, va_list args)
{
    struct rf_https *https = cls;
    char text[256];
    vsnprintf(text, sizeof(text), format, args);
    text[strcspn(text, "\r\n")] = '\0';
    rf_log_write(https->config.log, RF_LOG_DEBUG, "https", "%s", text);
}

/* ---- the server ---- */

/* credentials_valid: certificate and key can be read and fit; libmicrohttpd would only say that it did not start. */
static bool credentials_valid(const struct rf_https_config *config)
{
    gnutls_certificate_credentials_t credentials;
    gnutls_datum_t cert = {(void *)(uintptr_t)config->cert_pem, (unsigned)strlen(config->cert_pem)};
    gnutls_datum_t key = {(void *)(uintptr_t)config->key_pem, (unsigned)strlen(config->key_pem)};
    if (gnutls_certificate_allocate_credentials(&credentials) != 0)
        return false;
    int e = gnutls_certificate_set_x509_key_mem(credentials, &cert, &key, GNUTLS_X509_FMT_PEM);
    gnutls_certificate_free_credentials(credentials);
    return e >= 0;
}

static struct MHD_Daemon *start_daemon(struct rf_https *https, int fd)
{
    const struct rf_https_config *c = &https->config;
    struct MHD_OptionItem options[] = {
        {MHD_OPTION_LISTEN_SOCKET, fd, NULL},
        {MHD_OPTION_HTTPS_MEM_CERT, 0, (void *)(uintptr_t)c->cert_pem},
        {MHD_OPTION_HTTPS_MEM_KEY, 0, (void *)(uintptr_t)c->key_pem},
        {MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)(uintptr_t)PRIORITIES},
        {MHD_OPTION_CONNECTION_LIMIT, (intptr_t)c->connections_max, NULL},
        {MHD_OPTION_PER_IP_CONNECTION_LIMIT, (intptr_t)c->connections_per_address_max, NULL},
        {MHD_OPTION_CONNECTION_TIMEOUT, (intptr_t)c->idle_timeout_s, NULL},
        {MHD_OPTION_CONNECTION_MEMORY_LIMIT, (intptr_t)CONN_MEMORY_LEN, NULL},
        {MHD_OPTION_STRICT_FOR_CLIENT, 1, NULL},
        {MHD_OPTION_NOTIFY_CONNECTION, (intptr_t)on_connection, https},
        {c->client_ca_pem ? MHD_OPTION_HTTPS_MEM_TRUST : MHD_OPTION_END, 0,
         (void *)(uintptr_t)c->client_ca_pem},
        {MHD_OPTION_END, 0, NULL},
    };
    return MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_EPOLL | MHD_USE_TLS |
                                MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG,
                            0, NULL, NULL, on_request, https, MHD_OPTION_EXTERNAL_LOGGER, on_log, https,
                            MHD_OPTION_NOTIFY_COMPLETED, on_completed, https, MHD_OPTION_ARRAY, options,
                            MHD_OPTION_END);
}

int rf_https_start(struct rf_mem *mem, const struct rf_https_config *config, struct rf_https **out)
{
    RF_ASSERT(config->workers >= 1 && config->workers <= 64 && config->request_timeout_s >= 1);
    int fd = -1;
    struct rf_https *https = rf_zalloc(mem, sizeof(*https));
    if (!https)
        return RF_ENOMEM;
    https->mem = mem;
    https->config = *config;
    pthread_mutex_init(&https->lock, NULL);
    rf_list_init(&https->connections);
    struct rf_addr bound = config->listen;
    /* we open the socket ourselves: the library would not tell why it cannot */
    int e = credentials_valid(config) ? rf_socket_listen(&config->listen, &fd, &bound) : RF_EFORMAT;
    https->port = bound.port;
    if (e == RF_OK)
        e = https_pool_init(&https->pool, mem, config->workers, config->queue_max);
    if (e == RF_OK) {
        https->daemon = start_daemon(https, fd);
        e = https->daemon ? RF_OK : RF_ESYSTEM;
    }
    https->config.cert_pem = https->config.key_pem = https->config.client_ca_pem = NULL;
    if (e == RF_OK) {
        *out = https;
        return RF_OK;
    }
    if (fd >= 0)
        rf_socket_close(fd);
    https_pool_deinit(&https->pool);
    pthread_mutex_destroy(&https->lock);
    rf_free(mem, https);
    return e;
}

void rf_https_stop(struct rf_https *https)
{
    if (!https)
        return;
    https_pool_drain(&https->pool); /* no connection is suspended after that, as the library demands */
    MHD_stop_daemon(https->daemon);
    https_pool_deinit(&https->pool);
    pthread_mutex_destroy(&https->lock);
    rf_free(https->mem, https);
}

uint16_t rf_https_port(const struct rf_https *https)
{
    return https->port;
}
