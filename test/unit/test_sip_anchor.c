/* test_sip_anchor.c - calls whose media the nodes carry: RTP in, SRTP between, RTP out. */
#include "test_sip_anchor.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* ---- sound ---- */

static int udp_at(uint16_t port, uint8_t last)
{
    struct sockaddr_in in = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(0x7f000000U + last)};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd >= 0 && bind(fd, (struct sockaddr *)&in, sizeof(in)) != 0) {
        close(fd);
        fd = -1;
    }
    return fd;
}

void sound_open(struct sound *s)
{
    *s = (struct sound){.fds = {-1, -1}};
    for (uint16_t port = (uint16_t)(33000 + getpid() % 5000 * 4); s->fds[1] < 0; port += 2) {
        s->fds[0] = udp_at(port, 1);
        s->fds[1] = s->fds[0] >= 0 ? udp_at(port + 1, 1) : -1;
        s->port = port;
        if (s->fds[1] < 0 && s->fds[0] >= 0)
            close(s->fds[0]);
    }
    snprintf(s->sdp, sizeof(s->sdp),
             "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio %u RTP/AVP 0 "
             "101\r\n"
             "a=rtpmap:101 telephone-event/8000\r\na=sendrecv\r\n",
             (unsigned)s->port);
}

void sound_close(struct sound *s)
{
    close(s->fds[0]);
    close(s->fds[1]);
}

uint16_t sound_port(const char *message)
{
    const char *m = strstr(message, "m=audio ");
    return m != NULL ? (uint16_t)strtoul(m + 8, NULL, 10) : 0;
}

void sound_send(struct sound *s, bool rtcp, const char *text, int from)
{
    uint8_t packet[256] = {0x80, rtcp ? 200 : 0, (uint8_t)(s->seq >> 8), (uint8_t)s->seq};
    size_t head = rtcp ? 8 : 12, len = (strlen(text) + 3) / 4 * 4;
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)(s->to + rtcp)),
                             .sin_addr.s_addr = htonl(0x7f000001)};
    s->seq++;
    if (rtcp) { /* its length in words, less one */
        packet[2] = 0;
        packet[3] = (uint8_t)((head + len) / 4 - 1);
    }
    packet[head - 1] = 9; /* SSRC */
    memcpy(packet + head, text, strlen(text));
    (void)sendto(from >= 0 ? from : s->fds[rtcp], packet, head + len, 0, (struct sockaddr *)&to, sizeof(to));
}

static bool got(struct sound *s, bool rtcp, const char *text)
{
    uint8_t packet[512];
    ssize_t n;
    while ((n = recv(s->fds[rtcp], packet, sizeof(packet) - 1, 0)) > 0) {
        size_t head = rtcp ? 8 : 12;
        packet[n] = 0;
        if ((size_t)n >= head + strlen(text) && memcmp(packet + head, text, strlen(text)) == 0)
            return true;
    }
    return false;
}

bool sound_arrives(struct sip_net *net, struct sound *from, struct sound *to, bool rtcp, int ms)
{
    static unsigned number;
    char text[40];
    snprintf(text, sizeof(text), "sound number %u", ++number);
    for (uint64_t t = 0; t < patience(ms) / 20; t++) {
        sound_send(from, rtcp, text, -1);
        net_turn(net, to->fds[rtcp], 20);
        if (got(to, rtcp, text))
            return true;
    }
    return false;
}

/* ---- the world ---- */

struct anchor_world anchor_world_new(void)
{
    struct anchor_world w = {.net = net_new()};
    net_anchor(w.net, true);
    w.a = net_add(w.net, "alice@example.org", false);
    w.b = net_add(w.net, "bob@example.org", false);
    w.alice = phone_new(w.net, w.a, "alice", false);
    w.bob = phone_new(w.net, w.b, "bob", false);
    assert_int_equal(phone_register(w.alice, "secret", 60), 200);
    assert_int_equal(phone_register(w.bob, "secret", 60), 200);
    sound_open(&w.at_alice);
    sound_open(&w.at_bob);
    return w;
}

void anchor_world_free(struct anchor_world *w)
{
    sound_close(&w->at_alice);
    sound_close(&w->at_bob);
    phone_free(w->alice);
    phone_free(w->bob);
    net_free(w->net);
}

void anchor_connect(struct anchor_world *w, struct phone_call *out, struct phone_call *in)
{
    phone_invite(w->alice, out, "bob", w->at_alice.sdp);
    assert_true(phone_take(w->bob, in, 3000));
    w->at_bob.to = sound_port(in->invite);
    phone_reply(w->bob, in->invite, 200, "OK", in->to_tag, w->at_bob.sdp);
    assert_non_null(phone_wait(w->alice, "SIP/2.0 200", 3000));
    w->at_alice.to = sound_port(w->alice->got);
    phone_answered(w->alice, out);
    phone_ack(w->alice, out, "z9hG4bKack");
    assert_non_null(phone_wait(w->bob, "ACK", 3000));
}

uint64_t anchor_wait_counter(struct anchor_world *w, struct sip_node *node, const char *name, uint64_t least,
                             int ms)
{
    for (uint64_t t = 0; t < patience(ms) / 10 && net_counter(node, name) < least; t++)
        net_turn(w->net, -1, 10);
    return net_counter(node, name);
}

/* ---- calls ---- */

static void sound_both_ways(void **state)
{
    struct anchor_world w = anchor_world_new();
    struct phone_call out, in;
    (void)state;
    anchor_connect(&w, &out, &in);
    /* a phone sees its own node, and no more than it understands */
    assert_int_not_equal(w.at_bob.to, 0);
    assert_int_not_equal(w.at_bob.to, w.at_alice.port);
    assert_int_equal(w.at_bob.to % 2, 0);
    assert_non_null(strstr(in.invite, " RTP/AVP 0 101\r\n"));
    assert_non_null(strstr(in.invite, "a=rtpmap:101 telephone-event/8000\r\n"));
    assert_null(strstr(in.invite, "fingerprint"));
    assert_null(strstr(in.invite, "candidate"));
    assert_int_not_equal(w.at_alice.to, w.at_bob.port);
    /* between the nodes nothing is plain */
    const char *wire = net_sniffed(w.net);
    assert_non_null(strstr(wire, " UDP/TLS/RTP/SAVP 0 101\r\n"));
    assert_null(strstr(wire, " RTP/AVP "));
    assert_non_null(strstr(wire, "a=setup:actpass\r\n"));
    assert_non_null(strstr(wire, "a=setup:active\r\n"));
    assert_non_null(strstr(wire, "a=rtcp-mux\r\n"));
    assert_non_null(strstr(wire, " typ host\r\n"));

    assert_true(sound_arrives(w.net, &w.at_alice, &w.at_bob, false, 3000));
    assert_true(sound_arrives(w.net, &w.at_bob, &w.at_alice, false, 1000));
    assert_true(sound_arrives(w.net, &w.at_alice, &w.at_bob, true, 1000));
    assert_true(sound_arrives(w.net, &w.at_bob, &w.at_alice, true, 1000));
    assert_int_equal(net_counter(w.a, "media_secured"), 1);
    assert_int_equal(net_counter(w.b, "media_secured"), 1);
    assert_int_equal(net_counter(w.a, "media_direct"), 1);
    assert_int_equal(net_counter(w.b, "media_srtp_failed"), 0);
    phones_hang_up(w.alice, &out, w.bob);
    /* the end frees the ports: nobody takes a packet there */
    uint64_t before = net_counter(w.a, "media_rtp_out");
    assert_false(sound_arrives(w.net, &w.at_alice, &w.at_bob, false, 100));
    assert_int_equal(net_counter(w.a, "media_rtp_out"), before);
    anchor_world_free(&w);
}

/* who may send to a phone's port, and where its own packets are sent to */
static void the_phone_alone(void **state)
{
    struct anchor_world w = anchor_world_new();
    struct phone_call out, in;
    (void)state;
    anchor_connect(&w, &out, &in);
    assert_true(sound_arrives(w.net, &w.at_alice, &w.at_bob, false, 3000));
    int other_host = udp_at(0, 2);
    sound_send(&w.at_alice, false, "from 127.0.0.2", other_host);
    assert_int_equal(anchor_wait_counter(&w, w.a, "media_foreign", 1, 2000), 1);
    sound_send(&w.at_alice, false, "short", other_host);
    (void)send(other_host, "x", 1, 0);
    assert_int_equal(anchor_wait_counter(&w, w.a, "media_foreign", 2, 2000), 2);
    close(other_host);
    /* no RTP */
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(w.at_alice.to), .sin_addr.s_addr = htonl(0x7f000001)};
    assert_int_equal(
        sendto(w.at_alice.fds[0], "hello, no RTP here", 18, 0, (struct sockaddr *)&to, sizeof(to)), 18);
    assert_int_equal(anchor_wait_counter(&w, w.a, "media_no_srtp", 1, 2000), 1);
    assert_true(sound_arrives(w.net, &w.at_alice, &w.at_bob, false, 1000));
    phones_hang_up(w.bob, &in, w.alice);
    anchor_world_free(&w);
}

/* a phone that sends from elsewhere than its SDP says is answered there (symmetric RTP) */
static void symmetric(void **state)
{
    struct anchor_world w = anchor_world_new();
    struct phone_call out, in;
    struct sound real;
    (void)state;
    sound_open(&real);
    anchor_connect(&w, &out, &in);
    real.to = w.at_bob.to; /* bob's phone is at `real`, its SDP names at_bob */
    assert_true(sound_arrives(w.net, &real, &w.at_alice, false, 3000));
    assert_true(sound_arrives(w.net, &w.at_alice, &real, false, 1000));
    phones_hang_up(w.alice, &out, w.bob);
    sound_close(&real);
    anchor_world_free(&w);
}

/* hold and resume: the way and the keys stay, the directions pass, another port of the phone is learned */
static void hold_and_resume(void **state)
{
    struct anchor_world w = anchor_world_new();
    struct phone_call out, in, again;
    struct sound moved;
    (void)state;
    anchor_connect(&w, &out, &in);
    assert_true(sound_arrives(w.net, &w.at_alice, &w.at_bob, false, 3000));
    char *direction = strstr(w.at_bob.sdp, "a=sendrecv");
    memcpy(direction, "a=inactive", 10);
    phone_within(w.bob, &in, "INVITE", "Content-Type: application/sdp\r\n", w.at_bob.sdp);
    assert_true(phone_take(w.alice, &again, 3000));
    assert_non_null(strstr(again.invite, "a=inactive"));
    assert_int_equal(sound_port(again.invite), w.at_alice.to); /* the same port pair as before */
    memcpy(strstr(w.at_alice.sdp, "a=sendrecv"), "a=inactive", 10);
    phone_reply(w.alice, again.invite, 200, "OK", NULL, w.at_alice.sdp);
    assert_non_null(phone_wait(w.bob, "SIP/2.0 200", 3000));
    phone_ack(w.bob, &in, "z9hG4bKack2");
    assert_non_null(phone_wait(w.alice, "ACK", 3000));

    sound_open(&moved);
    moved.to = w.at_bob.to;
    phone_within(w.bob, &in, "UPDATE", "Content-Type: application/sdp\r\n", moved.sdp);
    assert_non_null(phone_wait(w.alice, "UPDATE", 3000));
    phone_reply(w.alice, w.alice->got, 200, "OK", NULL, w.at_alice.sdp);
    assert_non_null(phone_wait(w.bob, "SIP/2.0 200", 3000));
    assert_true(sound_arrives(w.net, &w.at_alice, &moved, false, 3000)); /* it has not sent yet from there */
    assert_true(sound_arrives(w.net, &moved, &w.at_alice, false, 3000));
    assert_int_equal(net_counter(w.a, "media_secured"), 1);
    phones_hang_up(w.alice, &out, w.bob);
    sound_close(&moved);
    anchor_world_free(&w);
}

/* the offer comes with the 200, the answer with the ACK */
static void late_offer(void **state)
{
    struct anchor_world w = anchor_world_new();
    struct phone_call out, in;
    (void)state;
    phone_invite(w.alice, &out, "bob", "");
    assert_true(phone_take(w.bob, &in, 3000));
    assert_null(strstr(in.invite, "m=audio"));
    phone_reply(w.bob, in.invite, 200, "OK", in.to_tag, w.at_bob.sdp);
    assert_non_null(phone_wait(w.alice, "SIP/2.0 200", 3000));
    w.at_alice.to = sound_port(w.alice->got);
    phone_answered(w.alice, &out);
    phone_send(
        w.alice,
        "ACK %s SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:%u;branch=z9hG4bKlate;rport\r\nFrom: <%s>;tag=%s\r\n"
        "To: <%s>;tag=%s\r\nCall-ID: %s\r\nCSeq: %u ACK\r\nContent-Type: application/sdp\r\n"
        "Content-Length: %zu\r\n\r\n%s",
        out.peer, w.alice->local.port, out.local, out.from_tag, out.remote, out.to_tag, out.call_id, out.seq,
        strlen(w.at_alice.sdp), w.at_alice.sdp);
    assert_non_null(phone_wait(w.bob, "ACK", 3000));
    w.at_bob.to = sound_port(w.bob->got);
    assert_true(sound_arrives(w.net, &w.at_alice, &w.at_bob, false, 3000));
    assert_true(sound_arrives(w.net, &w.at_bob, &w.at_alice, false, 1000));
    phones_hang_up(w.bob, &in, w.alice);
    anchor_world_free(&w);
}

/* early media: the answer comes with the 183, sound before anybody picks up */
static void early_media(void **state)
{
    struct anchor_world w = anchor_world_new();
    struct phone_call out, in;
    (void)state;
    phone_invite(w.alice, &out, "bob", w.at_alice.sdp);
    assert_true(phone_take(w.bob, &in, 3000));
    w.at_bob.to = sound_port(in.invite);
    phone_reply(w.bob, in.invite, 183, "Session Progress", in.to_tag, w.at_bob.sdp);
    assert_non_null(phone_wait(w.alice, "SIP/2.0 183", 3000));
    w.at_alice.to = sound_port(w.alice->got);
    assert_true(sound_arrives(w.net, &w.at_bob, &w.at_alice, false, 3000));
    phone_reply(w.bob, in.invite, 200, "OK", in.to_tag, w.at_bob.sdp);
    assert_non_null(phone_wait(w.alice, "SIP/2.0 200", 3000));
    assert_int_equal(sound_port(w.alice->got), w.at_alice.to);
    phone_answered(w.alice, &out);
    phone_ack(w.alice, &out, "z9hG4bKack");
    assert_true(sound_arrives(w.net, &w.at_alice, &w.at_bob, false, 1000));
    assert_int_equal(net_counter(w.a, "media_secured"), 1);
    phones_hang_up(w.alice, &out, w.bob);
    anchor_world_free(&w);
}

/* two devices of bob ring, each with a half of its own; the second one answers */
static void forked(void **state)
{
    struct anchor_world w = anchor_world_new();
    struct sip_node *second = net_add(w.net, "bob@example.org", false);
    struct phone *bob2 = phone_new(w.net, second, "bob", false);
    struct phone_call out, in, in2;
    (void)state;
    assert_int_equal(phone_register(bob2, "secret", 60), 200);
    phone_invite(w.alice, &out, "bob", w.at_alice.sdp);
    assert_true(phone_take(w.bob, &in, 3000));
    assert_true(phone_take(bob2, &in2, 3000));
    phone_reply(w.bob, in.invite, 180, "Ringing", in.to_tag, "");
    assert_non_null(phone_wait(w.alice, "SIP/2.0 180", 3000));
    w.at_bob.to = sound_port(in2.invite);
    phone_reply(bob2, in2.invite, 200, "OK", in2.to_tag, w.at_bob.sdp);
    assert_non_null(phone_wait(w.alice, "SIP/2.0 200", 3000));
    w.at_alice.to = sound_port(w.alice->got);
    phone_answered(w.alice, &out);
    phone_ack(w.alice, &out, "z9hG4bKack");
    assert_non_null(phone_wait(w.bob, "CANCEL", 3000));
    phone_reply(w.bob, w.bob->got, 200, "OK", NULL, "");
    phone_reply(w.bob, in.invite, 487, "Request Terminated", in.to_tag, "");
    assert_true(sound_arrives(w.net, &w.at_alice, &w.at_bob, false, 3000));
    assert_true(sound_arrives(w.net, &w.at_bob, &w.at_alice, false, 1000));
    assert_int_equal(net_counter(w.b, "media_secured"), 0);
    assert_int_equal(net_counter(second, "media_secured"), 1);
    phones_hang_up(w.alice, &out, bob2);
    phone_free(bob2);
    anchor_world_free(&w);
}

#define TOGETHER 10 /* more than an agent of ice/ has slots for */

/* several calls between the same two nodes at the same time */
static void at_the_same_time(void **state)
{
    struct anchor_world w = anchor_world_new();
    struct phone_call out[TOGETHER], in[TOGETHER];
    struct sound a[TOGETHER], b[TOGETHER];
    (void)state;
    for (size_t i = 0; i < TOGETHER; i++) {
        sound_open(&a[i]);
        sound_open(&b[i]);
        phone_invite(w.alice, &out[i], "bob", a[i].sdp);
        assert_true(phone_take(w.bob, &in[i], 3000));
        b[i].to = sound_port(in[i].invite);
        phone_reply(w.bob, in[i].invite, 200, "OK", in[i].to_tag, b[i].sdp);
        assert_non_null(phone_wait(w.alice, "SIP/2.0 200", 3000));
        a[i].to = sound_port(w.alice->got);
        phone_answered(w.alice, &out[i]);
        phone_ack(w.alice, &out[i], "z9hG4bKack");
        assert_non_null(phone_wait(w.bob, "ACK", 3000));
    }
    for (size_t i = 0; i < TOGETHER; i++) {
        assert_true(sound_arrives(w.net, &a[i], &b[i], false, 3000));
        assert_true(sound_arrives(w.net, &b[i], &a[i], false, 3000));
    }
    for (size_t i = 0; i < TOGETHER; i++) {
        phones_hang_up(w.alice, &out[i], w.bob);
        sound_close(&a[i]);
        sound_close(&b[i]);
    }
    assert_int_equal(net_counter(w.b, "media_srtp_failed"), 0);
    anchor_world_free(&w);
}

/* somebody between the nodes who changes what SDP says about the key: the call ends, and says why */
static void wrong_fingerprint(void **state)
{
    struct anchor_world w = anchor_world_new();
    struct phone_call out, in;
    (void)state;
    net_tamper(w.net, "a=fingerprint:sha-256 ");
    anchor_connect(&w, &out, &in);
    assert_non_null(phone_wait(w.alice, "BYE", 5000));
    phone_reply(w.alice, w.alice->got, 200, "OK", NULL, "");
    assert_non_null(phone_wait(w.bob, "BYE", 5000));
    phone_reply(w.bob, w.bob->got, 200, "OK", NULL, "");
    assert_true(net_counter(w.a, "media_dtls_failed") + net_counter(w.b, "media_dtls_failed") > 0);
    assert_int_equal(net_counter(w.a, "media_rtp_out") + net_counter(w.b, "media_rtp_out"), 0);
    anchor_world_free(&w);
}

/* memory refused at every third place and rarer: calls fail or work, nothing leaks and nothing breaks */
static void short_of_memory(void **state)
{
    struct anchor_world w = anchor_world_new();
    (void)state;
    for (unsigned seed = 1; seed <= 6; seed++) {
        struct phone_call out, in;
        net_starve(w.net, 30 + 10 * seed, seed);
        phone_invite(w.alice, &out, "bob", w.at_alice.sdp);
        if (phone_take(w.bob, &in, 300)) {
            phone_reply(w.bob, in.invite, 200, "OK", in.to_tag, w.at_bob.sdp);
            if (phone_wait(w.alice, "SIP/2.0 200", 300) != NULL) {
                phone_answered(w.alice, &out);
                phone_ack(w.alice, &out, "z9hG4bKack");
                (void)sound_arrives(w.net, &w.at_alice, &w.at_bob, false, 100);
                phone_bye(w.alice, &out);
            }
        } else {
            phone_cancel(w.alice, &out, "bob");
        }
        net_starve(w.net, 0, 0);
        net_turn(w.net, -1, 50);
    }
    anchor_world_free(&w);
}

int test_sip_anchor(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sound_both_ways),
        cmocka_unit_test(the_phone_alone),
        cmocka_unit_test(symmetric),
        cmocka_unit_test(hold_and_resume),
        cmocka_unit_test(late_offer),
        cmocka_unit_test(early_media),
        cmocka_unit_test(forked),
        cmocka_unit_test(at_the_same_time),
        cmocka_unit_test(wrong_fingerprint),
        cmocka_unit_test(short_of_memory),
    };
    return cmocka_run_group_tests_name("sip anchor", tests, NULL, NULL);
}
