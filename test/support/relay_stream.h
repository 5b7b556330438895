/* relay_stream.h - clients of a relay by TCP and TLS, as tests need them: a connection, small requests, their answers. */
#ifndef RF_TEST_SUPPORT_RELAY_STREAM_H
#define RF_TEST_SUPPORT_RELAY_STREAM_H

#include <sys/socket.h>
#include <sys/time.h>

#include "io/sockaddr.h"
#include "stun/stun.h"

#define RELAY_BINDING_ANSWER_LEN (RF_STUN_HEADER_LEN + 12)

/* relay_dial connects; reading fails after wait_s. */
static inline int relay_dial(const struct rf_addr *addr, time_t wait_s)
{
    struct sockaddr_storage sa;
    socklen_t len = sockaddr_from_addr(addr, &sa);
    struct timeval wait = {.tv_sec = wait_s};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&sa, len), 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)), 0);
    return fd;
}

/* relay_put_request writes a request without attributes, `number` in its transaction ID, and tells its length. */
static inline size_t relay_put_request(uint8_t out[RF_STUN_HEADER_LEN], uint16_t method, uint8_t number)
{
    uint8_t txn[RF_STUN_TXN_LEN] = {number};
    struct rf_buf request;
    rf_buf_fixed(&request, out, RF_STUN_HEADER_LEN);
    rf_stun_begin(&request, RF_STUN_REQUEST, method, txn);
    assert_int_equal(rf_stun_end(&request), 0);
    return request.len;
}

/* relay_assert_bound: is that the good answer to Binding request `number`? */
static inline void relay_assert_bound(const uint8_t bytes[RELAY_BINDING_ANSWER_LEN], uint8_t number)
{
    struct rf_stun_msg m;
    assert_int_equal(rf_stun_decode(rf_view_of(bytes, RELAY_BINDING_ANSWER_LEN), &m), 0);
    assert_int_equal(m.class, RF_STUN_SUCCESS);
    assert_int_equal(m.txn[0], number);
}

#endif
