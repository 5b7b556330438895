/* test_io_udp.c - datagrams of a core and its sockets; one port for a node and its relay: who gets what. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <arpa/inet.h>
#include <netinet/udp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include "base/assert.h"
#include "base/error.h"
#include "crypto/openssl/openssl.h"
#include "io/random.h"
#include "io/relay.h"
#include "io/sockaddr.h"
#include "io/sockets.h"
#include "io/udp.h"
#include "stun/stun.h"

/* ---- a core that sends back what it gets ---- */

#define KEPT 256

struct echo {
    struct rf_loop *loop;
    struct rf_udp *udp;
    struct {
        unsigned base;
        struct rf_addr remote;
        size_t len;
        uint8_t bytes[256];
    } got[KEPT];
    size_t count, sent;
    bool mute;
};

static void on_input(void *ctx, unsigned base, const struct rf_addr *remote, struct rf_view bytes)
{
    struct echo *e = ctx;
    assert_true(e->count < KEPT && bytes.len <= RF_UDP_MAX_LEN);
    e->got[e->count].base = base;
    e->got[e->count].remote = *remote;
    e->got[e->count].len = bytes.len;
    memcpy(e->got[e->count++].bytes, bytes.p, bytes.len < 256 ? bytes.len : 256);
}

static void on_drain(void *ctx)
{
    struct echo *e = ctx;
    for (; !e->mute && e->sent < e->count; e->sent++)
        rf_udp_send(e->udp, e->got[e->sent].base, &e->got[e->sent].remote,
                    rf_view_of(e->got[e->sent].bytes, e->got[e->sent].len), rf_view_of(NULL, 0), 0);
}

static void echo_start(struct echo *e)
{
    struct rf_udp_doorway door = {.ctx = e, .input = on_input, .drain = on_drain};
    memset(e, 0, sizeof(*e));
    assert_int_equal(rf_loop_new(rf_mem_system(), &e->loop), 0);
    assert_int_equal(rf_udp_new(rf_mem_system(), e->loop, &door, &e->udp), 0);
}

static void echo_end(struct echo *e)
{
    rf_udp_free(e->udp);
    rf_loop_free(e->loop);
}

/* Turns until `count` datagrams have come, or nothing more comes. */
static void turn_until(struct echo *e, size_t count)
{
    for (int i = 0; i < 200 && e->count < count; i++)
        assert_int_equal(rf_loop_once(e->loop, 20000), 0);
}

static struct rf_addr address(const char *text)
{
    struct rf_addr addr;
    assert_int_equal(rf_addr_parse(text, 0, &addr), 0);
    return addr;
}

static int client_of(const char *text)
{
    struct rf_addr addr = address(text);
    int fd;
    assert_int_equal(rf_socket_udp(&addr, false, 1 << 20, &fd), 0);
    return fd;
}

static void send_to(int fd, const struct rf_addr *to, const void *bytes, size_t len, uint16_t segment)
{
    struct sockaddr_storage sa;
    union {
        char bytes[CMSG_SPACE(sizeof(uint16_t))];
        struct cmsghdr align;
    } control = {{0}};
    struct iovec v = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = len};
    struct msghdr m = {.msg_name = &sa, .msg_iov = &v, .msg_iovlen = 1};
    m.msg_namelen = sockaddr_from_addr(to, &sa);
    if (segment != 0) {
        m.msg_control = control.bytes;
        m.msg_controllen = sizeof(control.bytes);
        struct cmsghdr *c = CMSG_FIRSTHDR(&m);
        c->cmsg_level = SOL_UDP;
        c->cmsg_type = UDP_SEGMENT;
        c->cmsg_len = CMSG_LEN(sizeof(segment));
        memcpy(CMSG_DATA(c), &segment, sizeof(segment));
    }
    assert_int_equal(sendmsg(fd, &m, 0), (ssize_t)len);
}

static bool comes(int fd, int ms)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    return poll(&p, 1, ms) == 1;
}

/* ---- there and back ---- */

static void test_echo(void **state)
{
    static const char *const places[] = {"127.0.0.1:0", "[::1]:0"};
    struct echo e;
    struct rf_addr bound[2], from;
    unsigned base;
    char text[16], back[32];
    (void)state;
    echo_start(&e);
    for (unsigned i = 0; i < 2; i++) {
        struct rf_addr at = address(places[i]);
        assert_int_equal(rf_udp_open(e.udp, &at, &base, &bound[i]), 0);
        assert_int_equal(base, i);
        assert_true(bound[i].port != 0);
    }
    for (unsigned i = 0; i < 2; i++) {
        int fd = client_of(places[i]);
        struct rf_addr own;
        assert_int_equal(sockaddr_local(fd, &own), 0);
        for (int k = 0; k < 100; k++) { /* more than a batch */
            int len = snprintf(text, sizeof(text), "%d", k);
            send_to(fd, &bound[i], text, (size_t)len, 0);
        }
        turn_until(&e, (i + 1) * 100);
        assert_int_equal(e.count, (i + 1) * 100);
        assert_int_equal(e.got[e.count - 1].base, i);
        assert_true(rf_addr_equal(&e.got[e.count - 1].remote, &own));
        for (int k = 0; k < 100; k++) {
            assert_true(comes(fd, 1000));
            ssize_t n = recv(fd, back, sizeof(back) - 1, 0);
            back[n > 0 ? n : 0] = '\0';
            snprintf(text, sizeof(text), "%d", k);
            assert_string_equal(back, text);
        }
        close(fd);
    }
    memset(&from, 0, sizeof(from));
    assert_int_equal(rf_udp_counters(e.udp)->received, 200);
    assert_int_equal(rf_udp_counters(e.udp)->sent, 200);
    assert_int_equal(rf_udp_counters(e.udp)->send_failed, 0);
    echo_end(&e);
}

static void test_limits(void **state)
{
    static uint8_t big[RF_UDP_MAX_LEN + 1];
    struct echo e;
    struct rf_addr at = address("127.0.0.1:0"), bound, other = address("192.0.2.1:9");
    unsigned base;
    (void)state;
    echo_start(&e);
    assert_int_equal(rf_udp_open(e.udp, &other, &base, NULL), RF_EUNREACHABLE);
    for (unsigned i = 0; i < RF_UDP_BASES; i++)
        assert_int_equal(rf_udp_open(e.udp, &at, &base, &bound), 0);
    assert_int_equal(rf_udp_open(e.udp, &at, &base, NULL), RF_ELIMIT);
    rf_udp_close(e.udp, 1); /* its number is free again */
    rf_udp_close(e.udp, 1);
    rf_udp_close(e.udp, RF_UDP_BASES);
    assert_int_equal(rf_udp_open(e.udp, &at, &base, &bound), 0);
    assert_int_equal(base, 1);
    e.mute = true;
    int fd = client_of("127.0.0.1:0");
    send_to(fd, &bound, big, sizeof(big), 0);
    send_to(fd, &bound, big, sizeof(big) - 1, 0);
    turn_until(&e, 1);
    assert_int_equal(e.count, 1);
    assert_int_equal(e.got[0].len, RF_UDP_MAX_LEN);
    assert_int_equal(rf_udp_counters(e.udp)->too_long, 1);
    /* to nowhere, from nowhere, too long: lost, and counted */
    struct rf_addr own, nowhere = {0};
    assert_int_equal(sockaddr_local(fd, &own), 0);
    rf_udp_send(e.udp, base, &nowhere, rf_view_str("x"), rf_view_str(""), 0);
    rf_udp_send(e.udp, RF_UDP_BASES, &own, rf_view_str("x"), rf_view_str(""), 0);
    rf_udp_send(e.udp, base, &own, rf_view_str("x"), rf_view_of(big, RF_UDP_MAX_LEN), 0);
    assert_int_equal(rf_udp_counters(e.udp)->send_failed, 3);
    rf_udp_send(e.udp, base, &own, rf_view_str("head"), rf_view_str("body"), 3);
    rf_udp_send(e.udp, 0, &own, rf_view_str(""), rf_view_str("another"),
                0); /* another base: what waits goes first */
    assert_true(comes(fd, 1000));
    assert_int_equal(recv(fd, big, sizeof(big), 0), 11);
    assert_memory_equal(big, "headbody\0\0\0", 11);
    rf_udp_flush(e.udp);
    assert_true(comes(fd, 1000));
    assert_int_equal(recv(fd, big, sizeof(big), 0), 7);
    assert_int_equal(rf_udp_counters(e.udp)->sent, 2);
    close(fd);
    echo_end(&e);
}

/* ---- one port ---- */

static const struct {
    const char *bytes;
    size_t len;
    bool relays;
} kinds[] = {
    {"\x00\x01\x00\x00", 4, false}, /* Binding request */
    {"\x00\x11\x00\x00", 4, false}, /* Binding indication */
    {"\x01\x01\x00\x00", 4, false}, /* Binding success */
    {"\x01\x11\x00\x00", 4, false}, /* Binding error */
    {"\x00\x03\x00\x00", 4, true},  /* Allocate */
    {"\x00\x04\x00\x00", 4, true},  /* Refresh */
    {"\x00\x16\x00\x00", 4, true},  /* Send indication */
    {"\x00\x08\x00\x00", 4, true},  /* CreatePermission */
    {"\x00\x09\x00\x00", 4, true},  /* ChannelBind */
    {"\x01\x13\x00\x00", 4, true},  /* Allocate error */
    {"\x20\x01\x00\x00", 4, false}, /* not STUN: method bits that are like Binding's */
    {"\x3e\xef\x00\x00", 4, false},
    {"\x14\xfe\xfd\x00", 4, false}, /* DTLS ChangeCipherSpec */
    {"\x16\xfe\xfd\x00", 4, false}, /* DTLS handshake */
    {"\x17\xfe\xfd\x00", 4, false},
    {"\x2f\x00\x00\x00", 4, false}, /* DTLS 1.3 */
    {"\x3f\xff\x00\x00", 4, false},
    {"\x40\x00\x00\x00", 4, true}, /* ChannelData */
    {"\x4f\xff\x00\x00", 4, true},
    {"\x7f\xff\x00\x00", 4, true},  /* RFC 5766 */
    {"\x80\x00\x00\x00", 4, false}, /* RTP */
    {"\xff\xff\x00\x00", 4, false},
    {"", 0, false},
    {"\x40", 1, false},
    {"\x40\x00", 2, true},
};

static void test_kinds(void **state)
{
    (void)state;
    for (size_t i = 0; i < RF_COUNT(kinds); i++)
        if (rf_udp_is_relays(rf_view_of(kinds[i].bytes, kinds[i].len)) != kinds[i].relays)
            fail_msg("kind %zu", i);
}

/* What is sent there comes to this socket of the group: 0 the base, 1.. the relay's; -1: none. */
static int who_gets(struct echo *e, const int *fds, size_t threads)
{
    size_t before = e->count;
    char bytes[64];
    for (int tries = 0; tries < 100; tries++) {
        assert_int_equal(rf_loop_once(e->loop, 0), 0);
        if (e->count > before)
            return 0;
        for (size_t i = 0; i < threads; i++)
            if (comes(fds[i], 0)) {
                (void)!recv(fds[i], bytes, sizeof(bytes), 0);
                return (int)i + 1;
            }
        usleep(200);
    }
    return -1;
}

static void shared(const char *at_text, const char *client_text, const char *to_text)
{
    enum { THREADS = 3, CLIENTS = 40 };
    struct echo e;
    struct rf_addr at = address(at_text), bound, to = address(to_text);
    int fds[THREADS], used[THREADS] = {0};
    unsigned base;
    echo_start(&e);
    e.mute = true;
    assert_int_equal(rf_udp_open(e.udp, &at, &base, &bound), 0);
    to.port = bound.port;
    assert_int_equal(rf_udp_share(e.udp, base, THREADS), 0);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(rf_socket_udp(&bound, true, 1 << 16, &fds[i]), 0);
    for (size_t c = 0; c < CLIENTS; c++) {
        int fd = client_of(client_text);
        struct rf_addr own;
        assert_int_equal(sockaddr_local(fd, &own), 0);
        send_to(fd, &to, "\x40\x00", 2, 0); /* tells the address that we come from */
        size_t mine = rf_udp_thread_of(&own, THREADS);
        assert_int_equal(who_gets(&e, fds, THREADS), (int)mine + 1);
        used[mine]++;
        for (size_t k = c % 3; k < RF_COUNT(kinds); k += 3) {
            e.count = 0;
            send_to(fd, &to, kinds[k].bytes, kinds[k].len, 0);
            int who = who_gets(&e, fds, THREADS);
            if (who != (kinds[k].relays ? (int)mine + 1 : 0))
                fail_msg("%s: kind %zu: %d, not %zu", client_text, k, who, mine + 1);
        }
        close(fd);
    }
    for (size_t i = 0; i < THREADS; i++) {
        assert_true(used[i] > 3); /* shared out */
        close(fds[i]);
    }
    int fd = client_of(client_text); /* the relay is gone: the base gets all */
    for (size_t k = 0; k < RF_COUNT(kinds); k++) {
        e.count = 0;
        send_to(fd, &to, kinds[k].bytes, kinds[k].len, 0);
        assert_int_equal(who_gets(&e, fds, 0), 0);
    }
    close(fd);
    echo_end(&e);
}

static void test_shared(void **state)
{
    (void)state;
    shared("127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0");
    shared("[::1]:0", "[::1]:0", "[::1]:0");
    shared("[::]:0", "127.0.0.1:0", "127.0.0.1:0");
    shared("[::]:0", "[::1]:0", "[::1]:0");
}

/* ---- beside a real relay ---- */

static void on_stray(void *ctx, const struct rf_addr *from, struct rf_view bytes)
{
    rf_udp_hand(ctx, 0, from, bytes);
}

static struct rf_relay *relay_beside(struct echo *e, struct rf_addr *bound, size_t threads)
{
    struct rf_relay_config config = {.mem = rf_mem_system(),
                                     .threads = threads,
                                     .secret = rf_random_system(),
                                     .crypto_new = rf_crypto_openssl_new,
                                     .crypto_free = rf_crypto_openssl_free,
                                     .stray = on_stray,
                                     .stray_ctx = e->udp,
                                     .turn = {.realm = "r", .private_peers = true}};
    struct rf_addr at = address("127.0.0.1:0");
    struct rf_relay *relay;
    unsigned base;
    assert_int_equal(rf_udp_open(e->udp, &at, &base, bound), 0);
    assert_int_equal(rf_udp_share(e->udp, base, threads), 0);
    config.listen = *bound;
    assert_int_equal(rf_relay_new(&config, &relay), 0);
    return relay;
}

static size_t put_request(uint8_t *out, size_t cap, uint16_t method)
{
    static const uint8_t txn[RF_STUN_TXN_LEN] = "transaction";
    struct rf_buf buf;
    rf_buf_fixed(&buf, out, cap);
    rf_stun_begin(&buf, RF_STUN_REQUEST, method, txn);
    assert_int_equal(rf_stun_end(&buf), 0);
    return buf.len;
}

/* Both answer at one port; one is ended and begun anew beside the other. */
static void test_beside_relay(void **state)
{
    struct echo e;
    struct rf_addr bound;
    uint8_t bytes[600];
    struct rf_turn_status status;
    (void)state;
    echo_start(&e);
    struct rf_relay *relay = relay_beside(&e, &bound, 2);
    for (int i = 0; i < 8; i++) {
        int fd = client_of("127.0.0.1:0");
        size_t len = put_request(bytes, sizeof(bytes), RF_TURN_ALLOCATE);
        send_to(fd, &bound, bytes, len, 0);
        assert_true(comes(fd, 2000));
        assert_true(recv(fd, bytes, sizeof(bytes), 0) > 20 && bytes[0] == 0x01 && bytes[1] == 0x13); /* 401 */
        send_to(fd, &bound, "\x16\xfe\xfd hello", 9, 0);
        turn_until(&e, (size_t)i + 1);
        assert_int_equal(e.count, i + 1);
        assert_true(comes(fd, 2000));
        assert_int_equal(recv(fd, bytes, sizeof(bytes), 0), 9);
        close(fd);
    }
    rf_relay_status(relay, &status, NULL);
    assert_int_equal(status.counters.requests, 8);
    assert_int_equal(status.counters.malformed, 0);
    rf_relay_free(relay);
    e.count = e.sent = 0;
    int fd = client_of("127.0.0.1:0");
    send_to(fd, &bound, bytes, put_request(bytes, sizeof(bytes), RF_TURN_ALLOCATE), 0);
    turn_until(&e, 1);
    assert_int_equal(e.count, 1);
    close(fd);
    echo_end(&e);
}

/* The sender joins ChannelData, DTLS and Binding: each comes to whom it is for. */
static void test_joined(void **state)
{
    enum { COUNT = 12, LEN = 24 };
    uint8_t burst[COUNT * LEN] = {0};
    struct echo e;
    struct rf_addr bound;
    struct rf_turn_status status;
    (void)state;
    echo_start(&e);
    e.mute = true;
    struct rf_relay *relay = relay_beside(&e, &bound, 2);
    for (size_t i = 0; i < COUNT; i++) {
        uint8_t *p = burst + i * LEN;
        memcpy(p, i % 3 == 0 ? "\x40\x00\x00\x14" : i % 3 == 1 ? "\x17\xfe\xfd\x00" : "\x00\x01\x00\x04", 4);
        p[LEN - 1] = (uint8_t)i;
    }
    int fd = client_of("127.0.0.1:0");
    send_to(fd, &bound, burst, sizeof(burst), LEN);
    turn_until(&e, 8);
    assert_int_equal(e.count, 8);
    for (size_t i = 0; i < 8; i++) {
        assert_int_equal(e.got[i].len, LEN);
        assert_int_equal(e.got[i].bytes[LEN - 1], i / 2 * 3 + i % 2 + 1); /* in order */
    }
    rf_relay_status(relay, &status, NULL);
    assert_int_equal(status.counters.no_allocation, 4);
    assert_int_equal(status.counters.malformed, 0);
    assert_int_equal(rf_udp_counters(e.udp)->handed + rf_udp_counters(e.udp)->received, 8);
    close(fd);
    rf_relay_free(relay);
    echo_end(&e);
}

/* More than there is room for at once: dropped and counted; then it goes on. */
static void test_handed_over(void **state)
{
    static const uint8_t big[RF_UDP_MAX_LEN + 1];
    struct rf_addr remote = address("192.0.2.7:7");
    struct echo e;
    (void)state;
    echo_start(&e);
    e.mute = true;
    for (int i = 0; i < 70; i++)
        rf_udp_hand(e.udp, 0, &remote, rf_view_str("x"));
    turn_until(&e, 64);
    assert_int_equal(e.count, 64);
    assert_int_equal(rf_udp_counters(e.udp)->handed, 64);
    assert_int_equal(rf_udp_counters(e.udp)->hand_dropped, 6);
    rf_udp_hand(e.udp, 0, &remote, rf_view_of(big, sizeof(big)));
    rf_udp_hand(e.udp, 0, &remote, rf_view_str("y"));
    turn_until(&e, 65);
    assert_int_equal(e.count, 65);
    assert_true(rf_addr_equal(&e.got[64].remote, &remote) && e.got[64].bytes[0] == 'y');
    rf_udp_hand(e.udp, 0, &remote, rf_view_str("on the way when all ends"));
    echo_end(&e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_echo),         cmocka_unit_test(test_limits),
        cmocka_unit_test(test_kinds),        cmocka_unit_test(test_shared),
        cmocka_unit_test(test_beside_relay), cmocka_unit_test(test_joined),
        cmocka_unit_test(test_handed_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
