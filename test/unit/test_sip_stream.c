/* test_sip_stream.c - streams by themselves: two nodes in one loop, sound through both, an ICE restart that leads to another device with another key. */
#include "test_sip_media.h"
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/error.h"
#include "crypto/openssl/openssl.h"
#include "sip/channel.h"
#include "sip/dtls.h"
#include "sip/stream.h"
#include "sip/ways.h"

#define PATIENCE_MS 10000

struct end {
    struct core core;
    struct rf_sip_counters counters;
    struct rf_crypto *crypto;
    struct stream *stream;
    struct rf_addr phone;
    int fd; /* the phone's */
    uint16_t port;
    bool ready, flows;
    const char *why;
};

static void no_wake(struct channel *channel, void *ctx)
{
    (void)channel, (void)ctx;
}

static void on_ready(void *arg)
{
    ((struct end *)arg)->ready = true;
}
static void on_flows(void *arg)
{
    ((struct end *)arg)->flows = true;
}
static void on_failed(void *arg, const char *why)
{
    ((struct end *)arg)->why = why;
}

static void end_open(struct end *e, uint8_t other, bool controlling)
{
    const struct stream_handler handler = {
        .ready = on_ready, .flows = on_flows, .failed = on_failed, .arg = e};
    const struct rf_id node = {.len = 16, .b = {other}};
    const struct rf_addr none = {0};
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(in);

    *e = (struct end){.core = {.mem = rf_mem_system(), .seed = {1, 2}},
                      .fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0)};
    e->core.counters = &e->counters;
    assert_int_equal(channel_new(e->core.mem, NULL, no_wake, NULL, &e->core.to_node), 0);
    assert_int_equal(bind(e->fd, (struct sockaddr *)&in, len), 0);
    assert_int_equal(getsockname(e->fd, (struct sockaddr *)&in, &len), 0);
    e->phone = (struct rf_addr){.family = 4, .port = ntohs(in.sin_port), .ip = {127, 0, 0, 1}};
    e->crypto = rf_crypto_openssl_new(rf_mem_system());
    assert_int_equal(dtls_identity_new(e->core.mem, &e->core.identity), 0);
    assert_int_equal(ways_new(&e->core, e->crypto, true, &e->core.ways), 0);
    assert_int_equal(stream_open(&e->core, &node, controlling, &handler, &e->stream), 0);
    assert_int_equal(stream_listen(e->stream, AF_INET, &e->port), 0);
    stream_phone(e->stream, &e->phone, &none, &e->phone);
}

static void end_close(struct end *e)
{
    stream_free(e->stream);
    ways_free(e->core.ways);
    dtls_identity_free(e->core.mem, e->core.identity);
    rf_crypto_openssl_free(e->crypto);
    channel_free(e->core.to_node);
    close(e->fd);
}

/* ---- the loop, until something is so ---- */

struct wait {
    struct tmr tmr;
    bool (*done)(void *arg);
    void *arg;
    int left_ms;
};

static void look(void *arg)
{
    struct wait *w = arg;
    if (w->done(w->arg) || (w->left_ms -= 2) <= 0)
        re_cancel();
    else
        tmr_start(&w->tmr, 2, look, w);
}

static bool run_until(bool (*done)(void *arg), void *arg, int ms)
{
    struct wait w = {.done = done, .arg = arg, .left_ms = ms};
    tmr_init(&w.tmr);
    tmr_start(&w.tmr, 0, look, &w);
    (void)re_main(NULL);
    tmr_cancel(&w.tmr);
    return w.left_ms > 0;
}

static bool is_ready(void *arg)
{
    return ((struct end *)arg)->ready;
}
static bool is_flowing(void *arg)
{
    return ((struct end *)arg)->flows;
}

struct sound {
    struct end *from, *to;
    uint16_t seq;
};

static bool is_heard(void *arg)
{
    struct sound *s = arg;
    uint8_t packet[64] = {0x80, 0, (uint8_t)(s->seq >> 8), (uint8_t)s->seq, [11] = 5, [12] = 'h', 'i'},
            got[64];
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(s->from->port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    s->seq++;
    (void)sendto(s->from->fd, packet, sizeof(packet), 0, (struct sockaddr *)&to, sizeof(to));
    ssize_t n = recv(s->to->fd, got, sizeof(got), 0);
    return n == (ssize_t)sizeof(got) && memcmp(got + 12, packet + 12, sizeof(got) - 12) == 0;
}

static void assert_heard(struct end *from, struct end *to, uint16_t seq)
{
    struct sound s = {from, to, seq};
    assert_true(run_until(is_heard, &s, PATIENCE_MS));
}

/* ---- offer and answer ---- */

static int tell(struct end *from, struct end *to, bool offer)
{
    static const char text[] = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\n";
    struct sdp_stand_in s = {0};
    struct sdp_facts facts;
    struct rf_buf out;
    rf_buf_init(&out, rf_mem_system(), 65536);
    assert_int_equal(stream_stand_in(from->stream, offer, &s), 0);
    assert_int_equal(sdp_rewrite(rf_view_str(text), &s, 1, &out), 0);
    assert_int_equal(sdp_read(rf_buf_view(&out), &facts), 0);
    int error = stream_remote(to->stream, rf_buf_view(&out), 0, &facts.media[0], offer);
    rf_buf_deinit(&out);
    return error;
}

static void connect_ends(struct end *a, struct end *b)
{
    assert_true(run_until(is_ready, a, PATIENCE_MS));
    assert_true(run_until(is_ready, b, PATIENCE_MS));
    assert_int_equal(tell(a, b, true), 0);
    assert_int_equal(tell(b, a, false), 0);
    assert_int_equal(stream_start(b->stream), 0);
    assert_int_equal(stream_start(a->stream), 0);
    assert_true(run_until(is_flowing, a, PATIENCE_MS));
    assert_true(run_until(is_flowing, b, PATIENCE_MS));
}

/* a offers to b; then a third device offers to a within the same dialog: other credentials, another key */
static void restarted(void **state)
{
    static struct end a, b, c;
    (void)state;
    end_open(&a, 2, true);
    end_open(&b, 1, false);
    connect_ends(&a, &b);
    assert_heard(&a, &b, 1);
    assert_heard(&b, &a, 1);

    end_open(&c, 1, false);
    assert_true(run_until(is_ready, &c, PATIENCE_MS));
    a.ready = a.flows = false;
    assert_int_equal(tell(&c, &a, true), 0);
    struct sdp_stand_in s = {0};
    if (!stream_is_ready(a.stream))
        assert_int_equal(stream_stand_in(a.stream, false, &s), RF_EAGAIN);
    assert_true(run_until(is_ready, &a, PATIENCE_MS));
    assert_int_equal(tell(&a, &c, false), 0);
    assert_int_equal(stream_start(a.stream), 0);
    assert_int_equal(stream_start(c.stream), 0);
    assert_true(run_until(is_flowing, &a, PATIENCE_MS));
    assert_true(run_until(is_flowing, &c, PATIENCE_MS));
    assert_heard(&a, &c, 100);
    assert_heard(&c, &a, 1);
    assert_int_equal(a.counters.media_secured, 2);
    assert_null(a.why);
    end_close(&a);
    end_close(&b);
    end_close(&c);
}

/* an answer must not change what stands */
static void changed_answer(void **state)
{
    static struct end a, b, c;
    (void)state;
    end_open(&a, 2, true);
    end_open(&b, 1, false);
    connect_ends(&a, &b);
    end_open(&c, 1, false);
    assert_true(run_until(is_ready, &c, PATIENCE_MS));
    assert_int_equal(tell(&a, &c, true), 0);
    assert_int_equal(tell(&c, &a, false), RF_EFORBIDDEN);
    assert_int_equal(tell(&b, &a, false), 0);
    assert_heard(&a, &b, 1);
    end_close(&a);
    end_close(&b);
    end_close(&c);
}

int test_sip_stream(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(restarted),
        cmocka_unit_test(changed_answer),
    };
    if (libre_init() != 0)
        return 1;
    int failed = cmocka_run_group_tests_name("sip streams", tests, NULL, NULL);
    libre_close();
    return failed;
}
