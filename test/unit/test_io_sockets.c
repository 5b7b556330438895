/* test_io_sockets.c - TCP sockets on loopback; the kernel chooses the ports. */
#include "test_io.h"

#include <poll.h>
#include <string.h>
#include "base/error.h"
#include "io/addresses.h"
#include "io/sockets.h"

static void wait_for(int fd, short events)
{
    struct pollfd p = {.fd = fd, .events = events};
    assert_int_equal(poll(&p, 1, 5000), 1);
}

static struct rf_addr addr_of(const char *text)
{
    struct rf_addr addr;
    assert_int_equal(rf_addr_parse(text, 0, &addr), 0);
    return addr;
}

static void exchange(const struct rf_addr *listen_at, const char *connect_to)
{
    struct rf_addr bound, remote, local, to = addr_of(connect_to), here;
    int listener, a, b;
    size_t len;
    char buf[16];

    assert_int_equal(rf_socket_listen(listen_at, &listener, &bound), 0);
    assert_true(bound.port != 0);
    assert_int_equal(rf_socket_accept(listener, &a, &remote, &local), RF_EAGAIN);
    to.port = bound.port;
    assert_int_equal(rf_socket_connect(&to, &b), 0);
    wait_for(b, POLLOUT);
    assert_int_equal(rf_socket_connected(b, &here), 0);
    wait_for(listener, POLLIN);
    assert_int_equal(rf_socket_accept(listener, &a, &remote, &local), 0);
    assert_true(rf_addr_equal(&remote, &here));
    assert_true(rf_addr_equal(&local, &to));
    assert_int_equal(rf_socket_recv(a, buf, sizeof buf, &len), RF_EAGAIN);
    assert_int_equal(rf_socket_send(b, rf_view_str("hello"), &len), 0);
    assert_int_equal(len, 5);
    wait_for(a, POLLIN);
    assert_int_equal(rf_socket_recv(a, buf, sizeof buf, &len), 0);
    assert_memory_equal(buf, "hello", 5);
    rf_socket_close(b);
    wait_for(a, POLLIN);
    assert_int_equal(rf_socket_recv(a, buf, sizeof buf, &len), RF_ECLOSED);
    rf_socket_close(a);
    rf_socket_close(listener);
}

static void test_exchange(void **state)
{
    struct rf_addr v4 = addr_of("127.0.0.1:0"), any6 = addr_of("[::]:0");

    (void)state;
    exchange(&v4, "127.0.0.1:0");
    exchange(&any6, "127.0.0.1:0"); /* dual stack: the peer shows up as IPv4 */
}

static void no_change(void *arg)
{
    (void)arg;
}

/* This computer's addresses: loopback is one of them. */
static void test_addresses(void **state)
{
    struct rf_addr addrs[64], loopback;
    struct rf_addresses watch;
    struct rf_loop *loop;
    bool found = false;
    (void)state;
    assert_int_equal(rf_addr_parse("127.0.0.1:0", 0, &loopback), 0);
    size_t count = rf_addresses_list(addrs, RF_COUNT(addrs));
    assert_true(count <= RF_COUNT(addrs));
    for (size_t i = 0; i < count; i++) {
        found |= rf_addr_same_ip(&addrs[i], &loopback);
        assert_int_equal(addrs[i].port, 0);
    }
    assert_true(found);
    assert_int_equal(rf_addresses_list(addrs, 1), 1);
    assert_int_equal(rf_loop_new(rf_mem_system(), &loop), 0);
    assert_int_equal(rf_addresses_watch(&watch, loop, no_change, NULL), 0);
    rf_addresses_stop(&watch);
    rf_addresses_stop(&watch);
    rf_loop_free(loop);
}

static void test_refused(void **state)
{
    struct rf_addr at = addr_of("127.0.0.1:0"), bound, local;
    int listener, second, fd, err;

    (void)state;
    assert_int_equal(rf_socket_listen(&at, &listener, &bound), 0);
    assert_int_equal(rf_socket_listen(&bound, &second, NULL), RF_EEXIST);
    rf_socket_close(listener); /* now nobody listens there */
    err = rf_socket_connect(&bound, &fd);
    if (err == 0) {
        wait_for(fd, POLLOUT);
        err = rf_socket_connected(fd, &local);
        rf_socket_close(fd);
    }
    assert_int_equal(err, RF_EUNREACHABLE);
    assert_int_equal(rf_socket_connect(&(struct rf_addr){0}, &fd), RF_EINVAL);
    assert_int_equal(rf_socket_listen(&(struct rf_addr){0}, &fd, NULL), RF_EINVAL);
    at = addr_of("192.0.2.1:0"); /* not an address of this machine */
    assert_int_equal(rf_socket_listen(&at, &fd, NULL), RF_EUNREACHABLE);
}

/* The last bytes reach a peer that has itself sent something nobody read. */
static void test_finish(void **state)
{
    struct rf_addr at = addr_of("127.0.0.1:0"), bound, remote, local;
    int listener, a, b;
    size_t len;
    char buf[16];

    (void)state;
    assert_int_equal(rf_socket_listen(&at, &listener, &bound), 0);
    assert_int_equal(rf_socket_connect(&bound, &b), 0);
    wait_for(listener, POLLIN);
    assert_int_equal(rf_socket_accept(listener, &a, &remote, &local), 0);
    assert_int_equal(rf_socket_send(b, rf_view_str("unread"), &len), 0);
    wait_for(a, POLLIN);
    assert_int_equal(rf_socket_send(a, rf_view_str("alert"), &len), 0);
    rf_socket_finish(a);
    rf_socket_close(a);
    wait_for(b, POLLIN);
    assert_int_equal(rf_socket_recv(b, buf, sizeof buf, &len), 0);
    assert_int_equal(len, 5);
    assert_int_equal(rf_socket_recv(b, buf, sizeof buf, &len), RF_ECLOSED);
    rf_socket_close(b);
    rf_socket_close(listener);
}

int test_io_sockets(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exchange),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_finish),
    };
    return cmocka_run_group_tests_name("io sockets", tests, NULL, NULL);
}
