/*
 * test_enrol_http.c - io/https.h and io/http_client.h against each other, on loopback and ports that the kernel chooses: bodies, headers,
 * work in other threads, limits, TLS names and certificates, and the sentences of a client that meets trouble.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include "base/assert.h"
#include "crypto/openssl/openssl.h"
#include "io/clock.h"
#include "io/http_client.h"
#include "io/https.h"

#define WALL_NOW_MS ((uint64_t)time(NULL) * 1000)
#define DAY_MS      ((uint64_t)24 * 3600 * 1000)

/* ---- certificates ---- */

struct authority {
    struct rf_crypto *crypto;
    struct rf_key *key;
    struct rf_x509 cert;
    char directory[64], file[96];
};
static struct authority ca, other_ca;

static void write_file(const char *path, struct rf_view bytes)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes.p, 1, bytes.len, f), bytes.len);
    fclose(f);
}

static void pem_file(const char *path, const char *label, struct rf_view der)
{
    struct rf_buf pem;
    rf_buf_init(&pem, rf_mem_system(), 16384);
    rf_pem_put(&pem, label, der);
    write_file(path, rf_buf_view(&pem));
    rf_buf_deinit(&pem);
}

static void authority_init(struct authority *a)
{
    struct rf_buf spki, der;
    struct rf_x509_spec spec = {.common_name = rf_view_str("a CA"),
                                .is_ca = true,
                                .not_before_ms = WALL_NOW_MS - DAY_MS,
                                .not_after_ms = WALL_NOW_MS + DAY_MS,
                                .serial_lo = 1};
    rf_buf_init(&spki, rf_mem_system(), 4096);
    rf_buf_init(&der, rf_mem_system(), 4096);
    a->crypto = rf_crypto_openssl_new(rf_mem_system());
    const struct rf_crypto_ops *ops = a->crypto->ops;
    assert_int_equal(ops->key_generate(a->crypto, RF_KEY_P256, &a->key), RF_OK);
    assert_int_equal(ops->key_spki(a->crypto, a->key, &spki), RF_OK);
    assert_int_equal(ops->x509_issue(a->crypto, &spec, rf_buf_view(&spki), NULL, a->key, &der), RF_OK);
    assert_int_equal(ops->x509_decode(a->crypto, rf_buf_view(&der), &a->cert), RF_OK);
    strcpy(a->directory, "/tmp/test_enrol_http.XXXXXX");
    assert_non_null(mkdtemp(a->directory));
    snprintf(a->file, sizeof(a->file), "%s/ca.pem", a->directory);
    pem_file(a->file, "CERTIFICATE", rf_buf_view(&der));
    rf_buf_deinit(&spki);
    rf_buf_deinit(&der);
}

static void authority_deinit(struct authority *a)
{
    unlink(a->file);
    rmdir(a->directory);
    a->crypto->ops->x509_deinit(a->crypto, &a->cert);
    a->crypto->ops->key_free(a->crypto, a->key);
    rf_crypto_openssl_free(a->crypto);
}

/* make_pair appends PEM of a key and of a certificate for a DNS name (or, without one, for a node with this e-mail). */
static void make_pair(struct authority *a, const char *dns, struct rf_buf *cert_pem, struct rf_buf *key_pem,
                      struct rf_buf *der)
{
    const struct rf_crypto_ops *ops = a->crypto->ops;
    struct rf_key *key;
    struct rf_buf spki;
    struct rf_view uri = rf_view_str("reload://011000000000000000000000000000000001@example.org/");
    struct rf_x509_spec spec = {
        .not_before_ms = WALL_NOW_MS - DAY_MS, .not_after_ms = WALL_NOW_MS + DAY_MS, .serial_lo = 2};
    if (dns) {
        spec.common_name = spec.dns_names[0] = rf_view_str(dns);
        spec.dns_name_count = 1;
    } else {
        spec.email = rf_view_str("alice@example.org");
        spec.uris = &uri;
        spec.uri_count = 1;
    }
    rf_buf_init(&spki, rf_mem_system(), 4096);
    assert_int_equal(ops->key_generate(a->crypto, RF_KEY_P256, &key), RF_OK);
    assert_int_equal(ops->key_spki(a->crypto, key, &spki), RF_OK);
    assert_int_equal(ops->x509_issue(a->crypto, &spec, rf_buf_view(&spki), &a->cert, a->key, der), RF_OK);
    assert_int_equal(ops->key_to_pem(a->crypto, key, key_pem), RF_OK);
    rf_pem_put(cert_pem, "CERTIFICATE", rf_buf_view(der));
    ops->key_free(a->crypto, key);
    rf_buf_deinit(&spki);
}

/* ---- a server that tells what it was asked ---- */

struct server {
    struct rf_https *https;
    struct rf_buf cert, key, der;
    char url[96];
    uint8_t client_cert[4096];
    size_t client_cert_len;
    atomic_int handled, works, closed, logged, last_status;
    pthread_mutex_t gate; /* held by a test: work waits */
    struct rf_https_config config;
};

static void work(void *arg)
{
    struct server *s = arg;
    pthread_mutex_lock(&s->gate);
    pthread_mutex_unlock(&s->gate);
}

static int handle(void *ctx, struct rf_https_request *in, struct rf_https_response *out)
{
    struct server *s = ctx;
    s->handled++;
    out->status = 200;
    out->body = in->body;
    assert_int_equal(in->peer.family, 4);
    if (in->client_certificate.len > 0 && in->client_certificate.len <= sizeof(s->client_cert)) {
        memcpy(s->client_cert, in->client_certificate.p, in->client_certificate.len);
        s->client_cert_len = in->client_certificate.len;
    }
    if (strcmp(in->path, "/work") == 0 && !in->user) {
        s->works++;
        in->user = malloc(1); /* freed in on_closed */
        if (rf_https_work(s->https, in, work, s) == RF_OK)
            return RF_EAGAIN;
        out->status = 503;
        rf_https_header(out, "Retry-After", "%d", 7);
    } else if (strcmp(in->path, "/headers") == 0) {
        rf_https_header(out, "Content-Type", "%s", in->content_type ? in->content_type : "none");
        rf_https_header(out, "ETag", "%s", in->if_none_match ? in->if_none_match : "none");
        rf_https_header(out, "Ringfolk-Reason", "%s", "a\r\nX: b\x80");
        for (int i = 0; i < 20; i++)
            rf_https_header(out, "X-Many", "%d", i);
    } else if (strcmp(in->path, "/fail") == 0)
        return RF_EDATABASE;
    else if (strcmp(in->path, "/long") == 0) {
        static char text[70000];
        memset(text, 'x', sizeof(text));
        out->body = rf_view_of(text, sizeof(text));
    }
    return RF_OK;
}

static void on_closed(void *ctx, struct rf_https_request *in)
{
    ((struct server *)ctx)->closed++;
    free(in->user);
}

static void on_logged(void *ctx, const struct rf_https_request *in, int status, size_t body_len,
                      uint64_t took_us)
{
    struct server *s = ctx;
    (void)in;
    (void)body_len;
    assert_true(took_us < 60000000);
    s->logged++;
    s->last_status = status;
}

static void server_init(struct server *s, const char *dns, const char *client_ca_pem)
{
    memset(s, 0, sizeof(*s));
    rf_buf_init(&s->cert, rf_mem_system(), 16384);
    rf_buf_init(&s->key, rf_mem_system(), 16384);
    rf_buf_init(&s->der, rf_mem_system(), 16384);
    make_pair(&ca, dns, &s->cert, &s->key, &s->der);
    rf_buf_u8(&s->cert, 0);
    rf_buf_u8(&s->key, 0);
    pthread_mutex_init(&s->gate, NULL);
    s->config = (struct rf_https_config){
        .listen = {.family = 4, .ip = {127, 0, 0, 1}},
        .cert_pem = (const char *)s->cert.p,
        .key_pem = (const char *)s->key.p,
        .client_ca_pem = client_ca_pem,
        .body_max_len = 1000,
        .connections_max = 50,
        .connections_per_address_max = 50,
        .idle_timeout_s = 10,
        .request_timeout_s = 4,
        .workers = 2,
        .queue_max = 1,
        .ctx = s,
        .handle = handle,
        .closed = on_closed,
        .logged = on_logged,
    };
    assert_int_equal(rf_https_start(rf_mem_system(), &s->config, &s->https), RF_OK);
    snprintf(s->url, sizeof(s->url), "https://%s:%u", strcmp(dns, "localhost") == 0 ? dns : "127.0.0.1",
             rf_https_port(s->https));
}

static void server_deinit(struct server *s)
{
    rf_https_stop(s->https);
    assert_int_equal(s->closed >= s->logged, 1); /* each request has an end, also those that had no answer */
    pthread_mutex_destroy(&s->gate);
    rf_buf_deinit(&s->cert);
    rf_buf_deinit(&s->key);
    rf_buf_deinit(&s->der);
}

/* get or post (body not NULL) with the usual settings. */
static int ask(const struct server *s, const char *path, const char *body, struct rf_http_reply *reply)
{
    char url[160];
    const struct rf_http_config config = {.ca_file = ca.file};
    snprintf(url, sizeof(url), "%s%s", s->url, path);
    rf_http_reply_init(reply, rf_mem_system());
    return body ? rf_http_post(&config, url, "text/plain", "text/plain", rf_view_str(body), reply)
                : rf_http_get(&config, url, "\"tag\"", reply);
}

/* ---- tests ---- */

static void test_bodies(void **state)
{
    struct server s;
    struct rf_http_reply reply;
    (void)state;
    server_init(&s, "localhost", NULL);
    assert_int_equal(ask(&s, "/echo?secret=1", "hello", &reply), RF_OK);
    assert_int_equal(reply.status, 200);
    assert_true(rf_view_equal(rf_buf_view(&reply.body), rf_view_str("hello")));
    rf_http_reply_deinit(&reply);
    assert_int_equal(ask(&s, "/echo", "", &reply), RF_OK);
    assert_int_equal(reply.body.len, 0);
    rf_http_reply_deinit(&reply);
    char *longer = calloc(1, 1002);
    memset(longer, 'x', 1000);
    assert_int_equal(ask(&s, "/echo", longer, &reply), RF_OK);
    assert_int_equal(reply.status, 200);
    assert_int_equal(reply.body.len, 1000);
    rf_http_reply_deinit(&reply);
    longer[1000] = 'x'; /* one too many: the handler never sees it */
    int handled = s.handled;
    assert_int_equal(ask(&s, "/echo", longer, &reply), RF_OK);
    assert_int_equal(reply.status, 413);
    assert_string_equal(reply.reason, "the body is too long");
    assert_int_equal(s.handled, handled);
    rf_http_reply_deinit(&reply);
    free(longer);
    assert_int_equal(ask(&s, "/fail", NULL, &reply), RF_OK);
    assert_int_equal(reply.status, 500);
    assert_int_equal(s.last_status, 500);
    rf_http_reply_deinit(&reply);
    server_deinit(&s);
}

static void test_headers(void **state)
{
    struct server s;
    struct rf_http_reply reply;
    (void)state;
    server_init(&s, "localhost", NULL);
    assert_int_equal(ask(&s, "/headers", NULL, &reply), RF_OK);
    assert_string_equal(reply.content_type, "none");
    assert_string_equal(reply.etag, "\"tag\"");
    assert_string_equal(reply.reason, "a??X: b?"); /* nothing smuggles a line in */
    rf_http_reply_deinit(&reply);
    assert_int_equal(ask(&s, "/headers", "x", &reply), RF_OK);
    assert_string_equal(reply.content_type, "text/plain");
    rf_http_reply_deinit(&reply);
    server_deinit(&s);
}

struct asking {
    pthread_t thread;
    const struct server *server;
    int error, status;
    uint32_t retry_after_s;
};

static void *ask_work(void *arg)
{
    struct asking *a = arg;
    struct rf_http_reply reply;
    a->error = ask(a->server, "/work", "payload", &reply);
    a->status = reply.status;
    a->retry_after_s = reply.retry_after_s;
    if (a->status == 200)
        a->error |= rf_view_equal(rf_buf_view(&reply.body), rf_view_str("payload")) ? 0 : RF_EFORMAT;
    rf_http_reply_deinit(&reply);
    return NULL;
}

/* Two workers and one place to wait: of five that come together three get through, and nobody else is held up. */
static void test_work(void **state)
{
    struct server s;
    struct asking asking[5];
    struct rf_http_reply reply;
    int good = 0, busy = 0;
    (void)state;
    server_init(&s, "localhost", NULL);
    pthread_mutex_lock(&s.gate);
    for (size_t i = 0; i < RF_COUNT(asking); i++) {
        asking[i] = (struct asking){.server = &s};
        assert_int_equal(pthread_create(&asking[i].thread, NULL, ask_work, &asking[i]), 0);
    }
    do { /* the server answers while the workers are stuck */
        assert_int_equal(ask(&s, "/echo", "x", &reply), RF_OK);
        assert_int_equal(reply.status, 200);
        rf_http_reply_deinit(&reply);
        usleep(5000);
    } while (s.works < 5);
    pthread_mutex_unlock(&s.gate);
    for (size_t i = 0; i < RF_COUNT(asking); i++) {
        pthread_join(asking[i].thread, NULL);
        assert_int_equal(asking[i].error, RF_OK);
        good += asking[i].status == 200;
        busy += asking[i].status == 503 && asking[i].retry_after_s == 7;
    }
    assert_int_equal(good + busy, 5);
    assert_true(good >= 3);
    server_deinit(&s);
}

/* Stopping waits for the work that runs, and what the client still gets is its affair. */
static void test_stop_while_working(void **state)
{
    struct server s;
    struct asking asking = {.server = &s};
    (void)state;
    server_init(&s, "localhost", NULL);
    pthread_mutex_lock(&s.gate);
    assert_int_equal(pthread_create(&asking.thread, NULL, ask_work, &asking), 0);
    for (int i = 0; s.works == 0 && i < 5000; i++)
        usleep(1000);
    assert_int_equal(s.works, 1);
    pthread_mutex_unlock(&s.gate);
    server_deinit(&s);
    pthread_join(asking.thread, NULL);
}

/* A client that leaves while its work is done, and one that leaves in the middle of its body. */
static void test_clients_leave(void **state)
{
    struct server s;
    struct rf_http_reply reply;
    char url[160];
    const struct rf_http_config impatient = {.ca_file = ca.file, .timeout_ms = 300};
    (void)state;
    server_init(&s, "localhost", NULL);
    pthread_mutex_lock(&s.gate);
    snprintf(url, sizeof(url), "%s/work", s.url);
    rf_http_reply_init(&reply, rf_mem_system());
    assert_int_equal(rf_http_post(&impatient, url, "a/b", "a/b", rf_view_str("x"), &reply), RF_ETIMEOUT);
    assert_non_null(strstr(reply.error, "no answer in time"));
    rf_http_reply_deinit(&reply);
    pthread_mutex_unlock(&s.gate);
    for (int i = 0; i < 5; i++) {
        struct sockaddr_in to = {.sin_family = AF_INET,
                                 .sin_port = htons(rf_https_port(s.https)),
                                 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        assert_int_equal(connect(fd, (void *)&to, sizeof(to)), 0);
        assert_true(write(fd, "\x16\x03\x01\x02", (size_t)i) == i); /* the beginning of a TLS hello */
        close(fd);
    }
    assert_int_equal(ask(&s, "/echo", "still here", &reply), RF_OK);
    rf_http_reply_deinit(&reply);
    server_deinit(&s);
}

/*
 * One byte every 20 ms, in a TLS hello that never ends: never idle, and yet over when its time is. A client that keeps its connection for many
 * requests is none of these.
 */
static void test_slow_clients_end(void **state)
{
    struct server s;
    struct rf_http_reply reply;
    (void)state;
    server_init(&s, "localhost", NULL);
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons(rf_https_port(s.https)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (void *)&to, sizeof(to)), 0);
    assert_int_equal(write(fd, "\x16\x03\x01\x3f\xff\x01\x00\x3f\xfb", 9), 9);
    struct rf_now began, now;
    bool over = false;
    rf_clock_read(&began);
    do {
        char byte = 0;
        struct pollfd closed = {fd, POLLIN, 0};
        rf_https_tick(s.https);
        (void)poll(&closed, 1, 20); /* a byte every 20 ms */
        over = recv(fd, &byte, 1, MSG_DONTWAIT) == 0 || send(fd, &byte, 1, MSG_NOSIGNAL) != 1;
        rf_clock_read(&now);
    } while (!over && now.mono_us - began.mono_us < 60 * RF_US_PER_S);
    assert_true(over);
    assert_true(now.mono_us - began.mono_us >
                800000); /* not before the second that a handshake has was over */
    close(fd);
    assert_int_equal(ask(&s, "/echo", "x", &reply), RF_OK);
    assert_int_equal(reply.status, 200);
    rf_http_reply_deinit(&reply);
    server_deinit(&s);
}

static void expect_error(const struct rf_http_config *config, const char *url, int error, const char *part)
{
    struct rf_http_reply reply;
    rf_http_reply_init(&reply, rf_mem_system());
    int e = rf_http_get(config, url, NULL, &reply);
    if (e != error || !strstr(reply.error, part))
        fail_msg("%s: %d \"%s\", expected %d \"%s\"", url, e, reply.error, error, part);
    rf_http_reply_deinit(&reply);
}

static void test_trouble(void **state)
{
    struct server s;
    char url[160], none[128];
    struct rf_http_config good = {.ca_file = ca.file}, wrong_ca = {.ca_file = other_ca.file}, no_ca = {0},
                          small = good;
    (void)state;
    server_init(&s, "localhost", NULL);
    snprintf(none, sizeof(none), "%s.none", ca.file);
    const struct rf_http_config missing_ca = {.ca_file = none};
    expect_error(&good, "http://localhost/", RF_EINVAL, "only https");
    expect_error(&good, "gopher://localhost/", RF_EINVAL, "only https");
    expect_error(&good, "https://", RF_EINVAL, "");
    expect_error(&missing_ca, s.url, RF_ENOTFOUND, "cannot be read");
    expect_error(&wrong_ca, s.url, RF_EUNTRUSTED, "not trusted");
    expect_error(&no_ca, s.url, RF_EUNTRUSTED, "not trusted");
    snprintf(url, sizeof(url), "https://127.0.0.1:%u/",
             rf_https_port(s.https)); /* the certificate is for localhost only */
    expect_error(&good, url, RF_EUNTRUSTED, "not trusted");
    small.body_max_len = 69999;
    snprintf(url, sizeof(url), "%s/long", s.url);
    expect_error(&small, url, RF_ELIMIT, "too long");
    rf_https_stop(s.https);
    s.https = NULL;
    expect_error(&good, s.url, RF_EUNREACHABLE, "nobody answers");
    server_deinit(&s);
}

/* A server that knows only the overlay's name, met at an address (D25). */
static void test_overlay_name(void **state)
{
    struct server s;
    struct rf_http_reply reply;
    struct rf_http_config config = {.ca_file = ca.file, .tls_name = "example.org"};
    (void)state;
    server_init(&s, "example.org", NULL);
    rf_http_reply_init(&reply, rf_mem_system());
    assert_int_equal(rf_http_get(&config, s.url, NULL, &reply), RF_OK);
    assert_int_equal(reply.status, 200);
    rf_http_reply_deinit(&reply);
    config.tls_name = "example.com";
    expect_error(&config, s.url, RF_EUNTRUSTED, "not trusted");
    config.tls_name = "example.org";
    config.ca_file = other_ca.file;
    expect_error(&config, s.url, RF_EUNTRUSTED, "not trusted");
    server_deinit(&s);
}

/* The client's certificate comes through as it is; the server asks, but does not insist. */
static void test_client_certificate(void **state)
{
    struct server s;
    struct rf_http_reply reply;
    struct rf_buf cert, key, der, ca_pem;
    char cert_file[96], key_file[96];
    (void)state;
    rf_buf_init(&cert, rf_mem_system(), 16384);
    rf_buf_init(&key, rf_mem_system(), 16384);
    rf_buf_init(&der, rf_mem_system(), 16384);
    rf_buf_init(&ca_pem, rf_mem_system(), 16384);
    rf_pem_put(&ca_pem, "CERTIFICATE", ca.cert.der);
    rf_buf_u8(&ca_pem, 0);
    make_pair(&ca, NULL, &cert, &key, &der);
    snprintf(cert_file, sizeof(cert_file), "%s/client.pem", ca.directory);
    snprintf(key_file, sizeof(key_file), "%s/client.key", ca.directory);
    write_file(cert_file, rf_buf_view(&cert));
    write_file(key_file, rf_buf_view(&key));
    server_init(&s, "localhost", (const char *)ca_pem.p);
    assert_int_equal(ask(&s, "/echo", NULL, &reply), RF_OK);
    rf_http_reply_deinit(&reply);
    assert_int_equal(s.client_cert_len, 0);
    const struct rf_http_config config = {
        .ca_file = ca.file, .client_cert_file = cert_file, .client_key_file = key_file};
    rf_http_reply_init(&reply, rf_mem_system());
    assert_int_equal(rf_http_get(&config, s.url, NULL, &reply), RF_OK);
    assert_int_equal(reply.status, 200);
    rf_http_reply_deinit(&reply);
    assert_true(rf_view_equal(rf_view_of(s.client_cert, s.client_cert_len), rf_buf_view(&der)));
    server_deinit(&s);
    unlink(cert_file);
    unlink(key_file);
    rf_buf_deinit(&cert);
    rf_buf_deinit(&key);
    rf_buf_deinit(&der);
    rf_buf_deinit(&ca_pem);
}

static void test_start_fails(void **state)
{
    struct server s, other;
    struct rf_https *https = NULL;
    (void)state;
    server_init(&s, "localhost", NULL);
    server_init(&other, "localhost", NULL);
    struct rf_https_config config = s.config;
    config.listen.port = rf_https_port(other.https);
    assert_int_equal(rf_https_start(rf_mem_system(), &config, &https), RF_EEXIST);
    config.listen.port = 0;
    config.key_pem = (const char *)other.key.p; /* of another certificate */
    assert_int_equal(rf_https_start(rf_mem_system(), &config, &https), RF_EFORMAT);
    config.key_pem = "nonsense";
    assert_int_equal(rf_https_start(rf_mem_system(), &config, &https), RF_EFORMAT);
    config.key_pem = (const char *)s.key.p;
    config.listen.ip[0] = 203; /* not our address */
    assert_int_equal(rf_https_start(rf_mem_system(), &config, &https), RF_EUNREACHABLE);
    assert_null(https);
    rf_https_stop(NULL);
    server_deinit(&other);
    server_deinit(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bodies),        cmocka_unit_test(test_headers),
        cmocka_unit_test(test_work),          cmocka_unit_test(test_stop_while_working),
        cmocka_unit_test(test_clients_leave), cmocka_unit_test(test_trouble),
        cmocka_unit_test(test_overlay_name),  cmocka_unit_test(test_client_certificate),
        cmocka_unit_test(test_start_fails),   cmocka_unit_test(test_slow_clients_end),
    };
    authority_init(&ca);
    authority_init(&other_ca);
    int failed = cmocka_run_group_tests_name("HTTPS server and client", tests, NULL, NULL);
    authority_deinit(&ca);
    authority_deinit(&other_ca);
    return failed == 0 ? 0 : 1;
}
