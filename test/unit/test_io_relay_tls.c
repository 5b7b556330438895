/* test_io_relay_tls.c - TURN over TLS: whole messages in any records, much at once both ways, who is no TLS client, masses of handshakes, wrong certificates. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <gnutls/gnutls.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>
#include "base/assert.h"
#include "base/error.h"
#include "crypto/openssl/openssl.h"
#include "io/random.h"
#include "io/relay.h"
#include "io/sockaddr.h"
#include "io/sockets.h"
#include "stun/stun.h"
#include "support/pki.h"
#include "support/relay_stream.h"

#define WAIT_S 5

static struct rf_pki pki;
static struct rf_identity server;
static struct rf_buf chain, key;

static struct rf_relay_config config_of(void)
{
    struct rf_relay_config config = {.mem = rf_mem_system(),
                                     .threads = 1,
                                     .secret = rf_random_system(),
                                     .crypto_new = rf_crypto_openssl_new,
                                     .crypto_free = rf_crypto_openssl_free,
                                     .tls_chain = rf_buf_view(&chain),
                                     .tls_key = rf_buf_view(&key),
                                     .turn = {.realm = "r", .private_peers = true}};
    assert_int_equal(rf_addr_parse("127.0.0.1", 0, &config.listen), 0);
    config.tls = config.listen;
    return config;
}

static int set_up(void **state)
{
    (void)state;
    rf_buf_init(&chain, rf_mem_system(), 65536);
    rf_buf_init(&key, rf_mem_system(), 65536);
    assert_int_equal(rf_pki_init(&pki, &(struct rf_pki_config){.no_ice = true}), 0);
    assert_int_equal(rf_pki_node(&pki, "relay@example.org", NULL, RF_KEY_P256, &server), 0);
    rf_pem_put(&chain, "CERTIFICATE", server.cert->x509.der);
    return pki.crypto->ops->key_to_pem(pki.crypto, server.key, &key);
}

static int tear_down(void **state)
{
    (void)state;
    rf_identity_deinit(&server);
    rf_pki_deinit(&pki);
    rf_buf_deinit(&chain);
    rf_buf_deinit(&key);
    return 0;
}

/* ---- a client ---- */

struct client {
    int fd;
    gnutls_session_t session;
    gnutls_certificate_credentials_t credentials;
};

static int dial(const struct rf_relay *relay)
{
    return relay_dial(rf_relay_tls(relay), WAIT_S);
}

static int client_open(const struct rf_relay *relay, struct client *c)
{
    int code;
    c->fd = dial(relay);
    assert_int_equal(gnutls_certificate_allocate_credentials(&c->credentials), 0);
    assert_int_equal(gnutls_init(&c->session, GNUTLS_CLIENT | GNUTLS_NO_SIGNAL), 0);
    assert_int_equal(gnutls_set_default_priority(c->session), 0);
    assert_int_equal(gnutls_credentials_set(c->session, GNUTLS_CRD_CERTIFICATE, c->credentials), 0);
    gnutls_transport_set_int(c->session, c->fd);
    do
        code = gnutls_handshake(c->session);
    while (code < 0 && gnutls_error_is_fatal(code) == 0);
    return code;
}

static void client_close(struct client *c)
{
    gnutls_deinit(c->session);
    gnutls_certificate_free_credentials(c->credentials);
    close(c->fd);
}

/* A record is a message. */
static void receive(struct client *c, uint8_t *out, size_t len)
{
    ssize_t n;
    do
        n = gnutls_record_recv(c->session, out, 2 * len);
    while (n < 0 && gnutls_error_is_fatal((int)n) == 0);
    assert_int_equal(n, len);
}

static void assert_binding_answer(struct client *c, uint8_t number)
{
    uint8_t bytes[2 * RELAY_BINDING_ANSWER_LEN];
    receive(c, bytes, RELAY_BINDING_ANSWER_LEN);
    relay_assert_bound(bytes, number);
}

static void read_counters(struct rf_relay *relay, struct rf_relay_counters *counters)
{
    struct rf_turn_status status;
    rf_relay_status(relay, &status, counters);
}

/* ---- tests ---- */

static void pieces(void **state)
{
    struct rf_relay_config config = config_of();
    struct rf_relay_counters counters;
    struct rf_relay *relay;
    struct client c;
    uint8_t bytes[8 * RF_STUN_HEADER_LEN];
    (void)state;
    assert_int_equal(rf_relay_new(&config, &relay), 0);
    assert_int_equal(client_open(relay, &c), 0);
    for (size_t cut = 1; cut < RF_STUN_HEADER_LEN; cut++) {
        size_t len = relay_put_request(bytes, RF_STUN_BINDING, (uint8_t)cut);
        assert_int_equal(gnutls_record_send(c.session, bytes, cut), cut);
        assert_int_equal(gnutls_record_send(c.session, bytes + cut, len - cut), len - cut);
        assert_binding_answer(&c, (uint8_t)cut);
    }
    for (uint8_t i = 0; i < 8; i++)
        relay_put_request(bytes + i * RF_STUN_HEADER_LEN, RF_STUN_BINDING, i);
    assert_int_equal(gnutls_record_send(c.session, bytes, sizeof(bytes)), sizeof(bytes));
    for (uint8_t i = 0; i < 8; i++)
        assert_binding_answer(&c, i);
    client_close(&c);
    read_counters(relay, &counters);
    assert_int_equal(counters.streams, 1);
    assert_int_equal(counters.handshakes, 1);
    assert_int_equal(counters.handshakes_failed, 0);
    rf_relay_free(relay);
}

/* Many records before the first answer is read; the relay's socket fills up meanwhile. */
static void much_at_once(void **state)
{
    enum { COUNT = 150 };
    struct rf_relay_config config = config_of();
    struct rf_relay *relay;
    struct client c;
    uint8_t bytes[RF_STUN_HEADER_LEN];
    (void)state;
    assert_int_equal(rf_relay_new(&config, &relay), 0);
    assert_int_equal(client_open(relay, &c), 0);
    for (int i = 0; i < COUNT; i++) {
        size_t len = relay_put_request(bytes, RF_STUN_BINDING, (uint8_t)i);
        assert_int_equal(gnutls_record_send(c.session, bytes, len), len);
    }
    for (int i = 0; i < COUNT; i++)
        assert_binding_answer(&c, (uint8_t)i);
    client_close(&c);
    rf_relay_free(relay);
}

static void no_tls_client(void **state)
{
    struct rf_relay_config config = config_of();
    struct rf_relay_counters counters;
    struct rf_relay *relay;
    struct client c;
    uint8_t bytes[64];
    (void)state;
    assert_int_equal(rf_relay_new(&config, &relay), 0);
    for (int i = 0; i < 3; i++) {
        int fd = dial(relay);
        size_t len = relay_put_request(bytes, RF_STUN_BINDING, 1);
        if (i == 1)
            memcpy(bytes, "GET / HTTP/1.1\r\n\r\n", len = 18);
        assert_int_equal(send(fd, bytes, len, MSG_NOSIGNAL), len);
        if (i == 2)
            shutdown(fd, SHUT_RDWR);
        while (recv(fd, bytes, sizeof(bytes), 0) > 0) /* an alert, then the end */
            continue;
        close(fd);
    }
    assert_int_equal(client_open(relay, &c), 0); /* TLS, but what is said is no TURN */
    assert_int_equal(gnutls_record_send(c.session, "GET / HTTP/1.1", 14), 14);
    assert_true(gnutls_record_recv(c.session, bytes, sizeof(bytes)) <= 0);
    client_close(&c);
    read_counters(relay, &counters);
    assert_int_equal(counters.streams, 4);
    assert_int_equal(counters.handshakes, 1);
    assert_int_equal(counters.handshakes_failed, 3);
    rf_relay_free(relay);
}

/* 50 in a second, then they are turned away; who has a stream keeps it. */
static void masses(void **state)
{
    enum { COUNT = 120 };
    struct rf_relay_config config = config_of();
    struct rf_relay_counters counters;
    struct rf_relay *relay;
    struct client c;
    uint8_t bytes[RF_STUN_HEADER_LEN];
    int fds[COUNT];
    (void)state;
    assert_int_equal(rf_relay_new(&config, &relay), 0);
    assert_int_equal(client_open(relay, &c), 0);
    for (int i = 0; i < COUNT; i++)
        fds[i] = dial(relay);
    size_t len = relay_put_request(bytes, RF_STUN_BINDING, 7);
    assert_int_equal(gnutls_record_send(c.session, bytes, len), len);
    assert_binding_answer(&c, 7);
    read_counters(relay, &counters);
    assert_int_equal(counters.streams, COUNT + 1);
    assert_true(counters.streams_refused >= COUNT - 110 && counters.streams_refused < COUNT);
    for (int i = 0; i < COUNT; i++)
        close(fds[i]);
    client_close(&c);
    rf_relay_free(relay);
}

/* Another relay has the port, though it would share it. */
static void taken(void **state)
{
    struct rf_relay_config config = config_of();
    struct rf_relay *relay, *other = NULL;
    (void)state;
    config.threads = 2;
    assert_int_equal(rf_relay_new(&config, &relay), 0);
    config.tls = *rf_relay_tls(relay);
    assert_int_equal(rf_relay_new(&config, &other), RF_EEXIST);
    rf_relay_free(relay);
    assert_int_equal(rf_relay_new(&config, &other), 0);
    rf_relay_free(other);
}

static void wrong_certificates(void **state)
{
    struct rf_identity other;
    struct rf_buf other_key;
    struct rf_relay_config config = config_of();
    struct rf_relay *relay = NULL;
    (void)state;
    rf_buf_init(&other_key, rf_mem_system(), 65536);
    assert_int_equal(rf_pki_node(&pki, "other@example.org", NULL, RF_KEY_P256, &other), 0);
    assert_int_equal(pki.crypto->ops->key_to_pem(pki.crypto, other.key, &other_key), 0);
    config.tls_key = rf_buf_view(&other_key);
    assert_int_equal(rf_relay_new(&config, &relay), RF_EFORMAT);
    config.tls_key = rf_view_str("no key");
    assert_int_equal(rf_relay_new(&config, &relay), RF_EFORMAT);
    config = config_of();
    config.tls_chain = rf_view_of(NULL, 0);
    assert_int_equal(rf_relay_new(&config, &relay), RF_EFORMAT);
    rf_identity_deinit(&other);
    rf_buf_deinit(&other_key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces), cmocka_unit_test(much_at_once), cmocka_unit_test(no_tls_client),
        cmocka_unit_test(masses), cmocka_unit_test(taken),        cmocka_unit_test(wrong_certificates),
    };
    return cmocka_run_group_tests_name("relay over TLS", tests, set_up, tear_down);
}
