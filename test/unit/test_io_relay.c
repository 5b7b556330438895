/* test_io_relay.c - the relay with real sockets on loopback: a client and a peer, one by one and in bursts that the kernel joins. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/error.h"
#include "crypto/openssl/openssl.h"
#include "io/random.h"
#include "io/relay.h"
#include "io/sockaddr.h"
#include "io/sockets.h"
#include "stun/stun.h"
#include "support/relay_stream.h"

#define WAIT_MS 10000

struct world {
    struct rf_relay *relay;
    struct rf_turn_credentials credentials;
    struct rf_crypto *crypto;
    int client, peer;
    struct rf_addr peer_addr, relayed;
    char nonce[64];
    uint8_t txn;
    uint8_t in[65536];
    size_t in_len;
    struct rf_stun_msg msg;
};

static int udp(struct rf_addr *bound)
{
    struct sockaddr_storage sa;
    struct rf_addr any;
    socklen_t len;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(rf_addr_parse("127.0.0.1", 0, &any), 0);
    len = sockaddr_from_addr(&any, &sa);
    assert_int_equal(bind(fd, (struct sockaddr *)&sa, len), 0);
    len = sizeof(sa);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
    sockaddr_to_addr(&sa, bound);
    return fd;
}

static void send_to(int fd, const struct rf_addr *to, const void *p, size_t len, size_t segment)
{
    struct sockaddr_storage sa;
    struct iovec v = {.iov_base = (void *)(uintptr_t)p, .iov_len = len};
    union {
        uint8_t bytes[CMSG_SPACE(2)];
        struct cmsghdr align;
    } control = {{0}};
    struct msghdr m = {
        .msg_name = &sa, .msg_namelen = sockaddr_from_addr(to, &sa), .msg_iov = &v, .msg_iovlen = 1};
    if (segment > 0) {
        uint16_t size = (uint16_t)segment;
        m.msg_control = control.bytes;
        m.msg_controllen = sizeof(control.bytes);
        struct cmsghdr *c = CMSG_FIRSTHDR(&m);
        c->cmsg_level = 17; /* SOL_UDP */
        c->cmsg_type = 103; /* UDP_SEGMENT */
        c->cmsg_len = CMSG_LEN(sizeof(size));
        memcpy(CMSG_DATA(c), &size, sizeof(size));
    }
    assert_int_equal(sendmsg(fd, &m, 0), len);
}

static void receive(struct world *w, int fd, struct rf_addr *from)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    struct sockaddr_storage sa;
    socklen_t len = sizeof(sa);
    assert_int_equal(poll(&p, 1, WAIT_MS), 1);
    ssize_t n = recvfrom(fd, w->in, sizeof(w->in), 0, (struct sockaddr *)&sa, &len);
    assert_true(n >= 0);
    w->in_len = (size_t)n;
    if (from != NULL)
        sockaddr_to_addr(&sa, from);
}

/* A request with `put`'s attributes, signed once the nonce is known; returns the error code. */
static int request(struct world *w, uint16_t method, void (*put)(struct world *w, struct rf_buf *out))
{
    uint8_t bytes[600], key[RF_STUN_KEY_MAX], txn[RF_STUN_TXN_LEN] = {++w->txn};
    struct rf_view user = rf_view_str(w->credentials.user), realm = rf_view_str("r"), nonce;
    struct rf_buf out;
    size_t len;
    int code = 0;
    rf_buf_fixed(&out, bytes, sizeof(bytes));
    rf_stun_begin(&out, RF_STUN_REQUEST, method, txn);
    put(w, &out);
    if (w->nonce[0] != '\0') {
        rf_stun_put(&out, RF_STUN_USERNAME, user);
        rf_stun_put(&out, RF_STUN_REALM, realm);
        rf_stun_put(&out, RF_STUN_NONCE, rf_view_str(w->nonce));
        assert_int_equal(rf_stun_long_key(w->crypto, RF_HASH_MD5, user, realm,
                                          rf_view_str(w->credentials.password), key, &len),
                         0);
        rf_stun_put_integrity(&out, w->crypto, RF_HASH_SHA1, rf_view_of(key, len));
    }
    assert_int_equal(rf_stun_end(&out), 0);
    send_to(w->client, rf_relay_address(w->relay), bytes, out.len, 0);
    receive(w, w->client, NULL);
    assert_int_equal(rf_stun_decode(rf_view_of(w->in, w->in_len), &w->msg), 0);
    if (w->msg.class == RF_STUN_ERROR)
        assert_int_equal(rf_stun_error_code(&w->msg, &code, NULL), 0);
    if (code == RF_STUN_UNAUTHENTICATED && rf_stun_find(&w->msg, RF_STUN_NONCE, &nonce))
        memcpy(w->nonce, nonce.p, nonce.len);
    return code;
}

static void put_transport(struct world *w, struct rf_buf *out)
{
    (void)w;
    rf_stun_put_u32(out, RF_TURN_REQUESTED_TRANSPORT, UINT32_C(17) << 24);
}

static void put_no_time(struct world *w, struct rf_buf *out)
{
    (void)w;
    rf_stun_put_u32(out, RF_TURN_LIFETIME, 0);
}

static void put_peer(struct world *w, struct rf_buf *out)
{
    rf_stun_put_u32(out, RF_TURN_CHANNEL_NUMBER, UINT32_C(0x4000) << 16);
    rf_stun_put_address(out, RF_TURN_XOR_PEER_ADDRESS, true, &w->peer_addr);
}

static struct rf_relay_config config_of(size_t threads)
{
    struct rf_relay_config config = {.mem = rf_mem_system(),
                                     .threads = threads,
                                     .secret = rf_random_system(),
                                     .crypto_new = rf_crypto_openssl_new,
                                     .crypto_free = rf_crypto_openssl_free,
                                     .turn = {.realm = "r", .private_peers = true}};
    assert_int_equal(rf_addr_parse("127.0.0.1", 0, &config.listen), 0);
    config.tcp = config.listen;
    return config;
}

static void world_init_with(struct world *w, struct rf_relay_config config)
{
    struct rf_addr own;
    memset(w, 0, sizeof(*w));
    rf_rng_fill(config.secret, config.turn.secret, RF_TURN_SECRET_LEN);
    w->crypto = rf_crypto_openssl_new(rf_mem_system());
    assert_int_equal(rf_relay_new(&config, &w->relay), 0);
    assert_int_equal(
        rf_turn_credentials(w->crypto, config.turn.secret, "u", UINT64_C(4000000000000), &w->credentials), 0);
    w->client = udp(&own);
    w->peer = udp(&w->peer_addr);
    assert_int_equal(request(w, RF_TURN_ALLOCATE, put_transport), RF_STUN_UNAUTHENTICATED);
    assert_int_equal(request(w, RF_TURN_ALLOCATE, put_transport), 0);
    assert_int_equal(rf_stun_address(&w->msg, RF_TURN_XOR_RELAYED_ADDRESS, true, &w->relayed), 0);
    assert_int_equal(request(w, RF_TURN_CHANNEL_BIND, put_peer), 0);
}

static void world_init(struct world *w, size_t threads)
{
    world_init_with(w, config_of(threads));
}

static void world_deinit(struct world *w)
{
    close(w->client);
    close(w->peer);
    rf_relay_free(w->relay);
    rf_crypto_openssl_free(w->crypto);
}

static void one_by_one(void **state)
{
    struct world w;
    struct rf_turn_status status;
    struct rf_addr from;
    (void)state;
    for (size_t threads = 1; threads <= 3; threads++) {
        world_init(&w, threads);
        send_to(w.client, rf_relay_address(w.relay), "\x40\x00\x00\x05hello", 9, 0);
        receive(&w, w.peer, &from);
        assert_true(rf_addr_equal(&from, &w.relayed));
        assert_int_equal(w.in_len, 5);
        assert_memory_equal(w.in, "hello", 5);
        send_to(w.peer, &w.relayed, "world!", 6, 0);
        receive(&w, w.client, &from);
        assert_true(rf_addr_equal(&from, rf_relay_address(w.relay)));
        assert_int_equal(w.in_len, 10);
        assert_memory_equal(w.in, "\x40\x00\x00\x06world!", 10);
        send_to(w.peer, &w.relayed, "", 0, 0);
        receive(&w, w.client, NULL);
        assert_int_equal(w.in_len, 4);
        rf_relay_status(w.relay, &status, NULL);
        assert_int_equal(status.allocations, 1);
        assert_int_equal(status.counters.to_peer, 1);
        assert_int_equal(status.counters.to_client, 2);
        world_deinit(&w);
    }
}

/* Behind a 1:1 NAT: the client is told the address outside, with the port here. */
static void told_another_address(void **state)
{
    static const struct rf_addr outside = {.family = 4, .ip = {198, 51, 100, 7}};
    struct rf_relay_config config = config_of(1);
    struct rf_addr from;
    struct world w;
    (void)state;
    config.told[0] = outside;
    world_init_with(&w, config);
    assert_true(rf_addr_same_ip(&w.relayed, &outside));
    send_to(w.client, rf_relay_address(w.relay), "\x40\x00\x00\x05hello", 9, 0);
    receive(&w, w.peer, &from);
    assert_int_equal(from.port, w.relayed.port);
    assert_true(rf_addr_is_loopback(&from));
    send_to(w.peer, &from, "world!", 6, 0);
    receive(&w, w.client, NULL);
    assert_memory_equal(w.in, "\x40\x00\x00\x06world!", 10);
    world_deinit(&w);
}

/* 50 datagrams in one call each way, the last one shorter: they arrive one by one, whole and in order. */
static void bursts(void **state)
{
    enum { COUNT = 50, LEN = 200, LAST = 120 };
    static uint8_t burst[COUNT * (LEN + 4)];
    struct world w;
    (void)state;
    world_init(&w, 1);
    for (int i = 0; i < COUNT; i++) {
        uint8_t *p = burst + i * (LEN + 4);
        int len = i == COUNT - 1 ? LAST : LEN;
        memcpy(p, (uint8_t[]){0x40, 0x00, 0x00, (uint8_t)len}, 4);
        memset(p + 4, i, LEN);
    }
    send_to(w.client, rf_relay_address(w.relay), burst, (COUNT - 1) * (LEN + 4) + LAST + 4, LEN + 4);
    for (int i = 0; i < COUNT; i++) {
        receive(&w, w.peer, NULL);
        assert_int_equal(w.in_len, i == COUNT - 1 ? LAST : LEN);
        assert_int_equal(w.in[0], i);
        assert_int_equal(w.in[w.in_len - 1], i);
    }
    for (int i = 0; i < COUNT; i++)
        memset(burst + i * LEN, i, LEN);
    send_to(w.peer, &w.relayed, burst, (COUNT - 1) * LEN + LAST, LEN);
    for (int i = 0; i < COUNT; i++) {
        receive(&w, w.client, NULL);
        assert_int_equal(w.in_len, 4 + (i == COUNT - 1 ? LAST : LEN));
        assert_int_equal(w.in[3], w.in_len - 4);
        assert_int_equal(w.in[4], i);
        assert_int_equal(w.in[w.in_len - 1], i);
    }
    world_deinit(&w);
}

/* Both ways at once: what one socket brought still stands when it leaves, whatever other sockets brought meanwhile. */
static void both_ways(void **state)
{
    enum { ROUNDS = 200, COUNT = 8, LEN = 100 };
    struct world w;
    uint8_t out[4 + LEN];
    (void)state;
    world_init(&w, 1);
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < COUNT; i++) {
            memcpy(out, (uint8_t[]){0x40, 0x00, 0x00, LEN}, 4);
            memset(out + 4, round, LEN);
            send_to(w.client, rf_relay_address(w.relay), out, sizeof(out), 0);
            memset(out, ~round, LEN);
            send_to(w.peer, &w.relayed, out, LEN, 0);
        }
        for (int i = 0; i < COUNT; i++) {
            receive(&w, w.peer, NULL);
            assert_int_equal(w.in_len, LEN);
            assert_int_equal(w.in[0], (uint8_t)round);
            assert_int_equal(w.in[LEN - 1], (uint8_t)round);
            receive(&w, w.client, NULL);
            assert_int_equal(w.in_len, 4 + LEN);
            assert_int_equal(w.in[4], (uint8_t)~round);
            assert_int_equal(w.in[3 + LEN], (uint8_t)~round);
        }
    }
    world_deinit(&w);
}

/* Requests that the kernel joined are answered each. */
static void joined_requests(void **state)
{
    struct world w;
    uint8_t three[60], txn[RF_STUN_TXN_LEN] = {0};
    struct rf_buf out;
    (void)state;
    world_init(&w, 1);
    for (int i = 0; i < 3; i++) {
        txn[0] = (uint8_t)(200 + i);
        rf_buf_fixed(&out, three + 20 * i, 20);
        rf_stun_begin(&out, RF_STUN_REQUEST, RF_STUN_BINDING, txn);
        assert_int_equal(rf_stun_end(&out), 0);
    }
    send_to(w.client, rf_relay_address(w.relay), three, sizeof(three), 20);
    for (int i = 0; i < 3; i++) {
        receive(&w, w.client, NULL);
        assert_int_equal(rf_stun_decode(rf_view_of(w.in, w.in_len), &w.msg), 0);
        assert_int_equal(w.msg.class, RF_STUN_SUCCESS);
        assert_int_equal(w.msg.txn[0], 200 + i);
    }
    world_deinit(&w);
}

/* ---- by TCP ---- */

static int dial(struct world *w)
{
    return relay_dial(rf_relay_tcp(w->relay), WAIT_MS / 1000);
}

static size_t binding_request(uint8_t out[RF_STUN_HEADER_LEN], uint8_t number)
{
    return relay_put_request(out, RF_STUN_BINDING, number);
}

static void assert_binding_answer(int fd, uint8_t number)
{
    uint8_t bytes[RELAY_BINDING_ANSWER_LEN];
    assert_int_equal(recv(fd, bytes, sizeof(bytes), MSG_WAITALL), sizeof(bytes));
    relay_assert_bound(bytes, number);
}

/* Cut anywhere, or several at once: a message is a message. */
static void stream_pieces(void **state)
{
    struct world w;
    uint8_t bytes[3 * RF_STUN_HEADER_LEN];
    (void)state;
    world_init(&w, 2);
    int fd = dial(&w);
    for (size_t cut = 1; cut < RF_STUN_HEADER_LEN; cut++) {
        size_t len = binding_request(bytes, (uint8_t)cut);
        assert_int_equal(send(fd, bytes, cut, 0), cut);
        assert_int_equal(send(fd, bytes + cut, len - cut, 0), len - cut);
        assert_binding_answer(fd, (uint8_t)cut);
    }
    for (uint8_t i = 0; i < 3; i++)
        binding_request(bytes + i * RF_STUN_HEADER_LEN, (uint8_t)(100 + i));
    assert_int_equal(send(fd, bytes, sizeof(bytes), 0), sizeof(bytes));
    for (uint8_t i = 0; i < 3; i++)
        assert_binding_answer(fd, (uint8_t)(100 + i));
    close(fd);
    world_deinit(&w);
}

/* Accepted by somebody else, with some bytes read already: it goes on from there, in any thread; and in the end, too. */
static void stream_taken(void **state)
{
    struct world w;
    struct rf_addr at = {.family = 4, .ip = {127, 0, 0, 1}}, bound, remote, local;
    uint8_t bytes[3 * RF_STUN_HEADER_LEN];
    int listener, fds[6], accepted;
    (void)state;
    world_init(&w, 2);
    assert_int_equal(rf_socket_listen(&at, &listener, &bound), 0);
    for (uint8_t i = 0; i < 6; i++) {
        struct sockaddr_storage sa;
        struct timeval wait = {.tv_sec = WAIT_MS / 1000};
        socklen_t len = sockaddr_from_addr(&bound, &sa);
        fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(connect(fds[i], (struct sockaddr *)&sa, len), 0);
        assert_int_equal(setsockopt(fds[i], SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)), 0);
        assert_int_equal(rf_socket_accept(listener, &accepted, &remote, &local), 0);
        binding_request(bytes, i);
        binding_request(bytes + RF_STUN_HEADER_LEN, (uint8_t)(i + 50));
        rf_relay_take(w.relay, accepted, &remote,
                      rf_view_of(bytes, 5 * i + 3)); /* a part, one, or more than one */
        if (i == 5)
            break;
        assert_int_equal(send(fds[i], bytes + 5 * i + 3, sizeof(bytes) / 3 * 2 - 5 * i - 3, 0),
                         sizeof(bytes) / 3 * 2 - 5 * i - 3);
        assert_binding_answer(fds[i], i);
        assert_binding_answer(fds[i], (uint8_t)(i + 50));
    }
    world_deinit(&w); /* the last one may be on its way */
    for (size_t i = 0; i < 6; i++)
        close(fds[i]);
    rf_socket_close(listener);
}

/* The range has one port. Who comes too late is told so, who has it keeps it, and when it is given back it can be had. */
static void ports_run_out(void **state)
{
    struct rf_relay_config config = config_of(1);
    struct rf_turn_status status;
    struct rf_addr free_one;
    struct world w;
    (void)state;
    close(udp(&free_one));
    config.port_low = config.port_high = free_one.port;
    world_init_with(&w, config);
    assert_int_equal(w.relayed.port, free_one.port);
    int first = w.client, late = udp(&free_one);
    char nonce[sizeof(w.nonce)];
    memcpy(nonce, w.nonce, sizeof(nonce));
    w.client = late;
    w.nonce[0] = '\0';
    assert_int_equal(request(&w, RF_TURN_ALLOCATE, put_transport), RF_STUN_UNAUTHENTICATED);
    for (int i = 0; i < 3; i++)
        assert_int_equal(request(&w, RF_TURN_ALLOCATE, put_transport), RF_TURN_INSUFFICIENT_CAPACITY);
    send_to(first, rf_relay_address(w.relay), "\x40\x00\x00\x05hello", 9, 0);
    receive(&w, w.peer, NULL);
    assert_memory_equal(w.in, "hello", 5);
    rf_relay_status(w.relay, &status, NULL);
    assert_int_equal(status.counters.refused_capacity, 3);
    assert_int_equal(status.allocations, 1);
    char own[sizeof(w.nonce)];
    memcpy(own, w.nonce, sizeof(own));
    memcpy(w.nonce, nonce, sizeof(nonce));
    w.client = first;
    assert_int_equal(request(&w, RF_TURN_REFRESH, put_no_time), 0);
    memcpy(w.nonce, own, sizeof(own));
    w.client = late;
    assert_int_equal(request(&w, RF_TURN_ALLOCATE, put_transport), 0);
    close(first);
    world_deinit(&w);
}

/* What is no message of ours, or too long to be one, ends the stream at once. */
static void stream_nonsense(void **state)
{
    static const uint8_t http[] = "GET / HTTP/1.1\r\n", far[] = {0x40, 0x00, 0xff, 0xff, 0, 0};
    struct world w;
    uint8_t byte;
    (void)state;
    world_init(&w, 1);
    for (int i = 0; i < 2; i++) {
        int fd = dial(&w);
        size_t len = i == 0 ? sizeof(http) - 1 : sizeof(far);
        assert_int_equal(send(fd, i == 0 ? http : far, len, 0), len);
        assert_true(recv(fd, &byte, 1, 0) <= 0);
        close(fd);
    }
    world_deinit(&w);
}

static void bad_configurations(void **state)
{
    struct rf_relay_config config = {.mem = rf_mem_system(),
                                     .secret = rf_random_system(),
                                     .crypto_new = rf_crypto_openssl_new,
                                     .crypto_free = rf_crypto_openssl_free,
                                     .turn = {.realm = "r"}};
    struct rf_relay *relay;
    (void)state;
    assert_int_equal(rf_addr_parse("0.0.0.0", 0, &config.listen), 0);
    assert_int_equal(rf_relay_new(&config, &relay), RF_EINVAL); /* what would peers be told? */
    assert_int_equal(rf_addr_parse("192.0.2.1", 0, &config.listen), 0);
    assert_int_equal(rf_relay_new(&config, &relay), RF_EUNREACHABLE); /* not ours */
    assert_int_equal(rf_addr_parse("127.0.0.1", 0, &config.listen), 0);
    config.threads = RF_RELAY_MAX_THREADS + 1;
    assert_int_equal(rf_relay_new(&config, &relay), RF_EINVAL);
    config.threads = 1;
    config.port_low = 50000;
    assert_int_equal(rf_relay_new(&config, &relay), RF_EINVAL);
    config.port_low = 0;
    config.turn.realm = "";
    assert_int_equal(rf_relay_new(&config, &relay), RF_EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_by_one),      cmocka_unit_test(told_another_address),
        cmocka_unit_test(ports_run_out),   cmocka_unit_test(bursts),
        cmocka_unit_test(both_ways),       cmocka_unit_test(joined_requests),
        cmocka_unit_test(stream_taken),    cmocka_unit_test(stream_pieces),
        cmocka_unit_test(stream_nonsense), cmocka_unit_test(bad_configurations),
    };
    return cmocka_run_group_tests_name("io relay", tests, NULL, NULL);
}
