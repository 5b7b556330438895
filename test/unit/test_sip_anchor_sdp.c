/* test_sip_anchor_sdp.c - which calls are anchored, and what becomes of the others. */
#include "test_sip_anchor.h"
#include <stdio.h>
#include <string.h>

#define HEAD "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
#define PRINT                                                                                                \
    "00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:10:11:12:13:14:15:16:17:18:19:1A:1B:1C:1D:1E:1F"

static int final_code(struct phone *phone)
{
    const char *got = phone_wait(phone, "SIP/2.0 4", 3000);
    int code = 0;
    return got != NULL && sscanf(got, "SIP/2.0 %d", &code) == 1 ? code : 0;
}

/* SDPs of a phone that cannot be carried are refused before anybody's phone rings */
static void refused(void **state)
{
    static const char *const rows[] = {
        "no SDP at all",
        "v=0\r\nthis is broken\r\n",
        HEAD
        "m=audio 40000 RTP/SAVP 0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:abc\r\n", /* keys in the open */
        HEAD "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n",
        HEAD "m=audio 0 RTP/AVP 0\r\n",
    };
    struct anchor_world w = anchor_world_new();
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct phone_call out;
        phone_invite(w.alice, &out, "bob", rows[i]);
        assert_int_equal(final_code(w.alice), 488);
        phone_ack(w.alice, &out, out.branch);
    }
    assert_true(phone_quiet(w.bob, "INVITE", 100));
    anchor_world_free(&w);
}

/* audio and video are carried, each on its own way; what is no RTP is refused in its place */
static void several_lines(void **state)
{
    struct anchor_world w = anchor_world_new();
    struct phone_call out, in;
    char offer[1024];
    (void)state;
    snprintf(offer, sizeof(offer),
             HEAD "m=audio %u RTP/AVP 0\r\nm=application 5000 TCP/X y\r\nm=video 41000 RTP/AVPF "
                  "97\r\na=rtpmap:97 VP8/90000\r\n",
             (unsigned)w.at_alice.port);
    phone_invite(w.alice, &out, "bob", offer);
    assert_true(phone_take(w.bob, &in, 3000));
    assert_non_null(strstr(in.invite, "m=application 0 TCP/X y\r\n"));
    const char *video = strstr(in.invite, "m=video ");
    assert_non_null(video);
    assert_non_null(strstr(video, " RTP/AVPF 97\r\n"));
    assert_int_not_equal(strncmp(video, "m=video 0", 9), 0);
    w.at_bob.to = sound_port(in.invite);
    char answer[1024];
    snprintf(answer, sizeof(answer),
             HEAD "m=audio %u RTP/AVP 0\r\nm=application 0 TCP/X y\r\nm=video 0 RTP/AVPF 97\r\n",
             (unsigned)w.at_bob.port);
    phone_reply(w.bob, in.invite, 200, "OK", in.to_tag, answer);
    assert_non_null(phone_wait(w.alice, "SIP/2.0 200", 3000));
    assert_non_null(strstr(w.alice->got, "m=video 0 "));
    assert_non_null(strstr(w.alice->got, "m=application 0 "));
    w.at_alice.to = sound_port(w.alice->got);
    phone_answered(w.alice, &out);
    phone_ack(w.alice, &out, "z9hG4bKack");
    assert_non_null(phone_wait(w.bob, "ACK", 3000));
    assert_true(sound_arrives(w.net, &w.at_alice, &w.at_bob, false, 3000));
    assert_int_equal(net_counter(w.a, "media_anchored"), 1);
    phones_hang_up(w.alice, &out, w.bob);
    anchor_world_free(&w);
}

/* a phone that brings DTLS-SRTP itself: its SDP passes as it is, as it did before */
static void secure_phone(void **state)
{
    static const char offer[] =
        HEAD "m=audio 40000 UDP/TLS/RTP/SAVP "
             "0\r\na=rtcp-mux\r\na=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuv\r\n"
             "a=setup:actpass\r\na=fingerprint:sha-256 " PRINT
             "\r\na=candidate:1 1 UDP 1 127.0.0.1 40000 typ host\r\n";
    struct anchor_world w = anchor_world_new();
    struct phone_call out, in;
    (void)state;
    phone_invite(w.alice, &out, "bob", offer);
    assert_true(phone_take(w.bob, &in, 3000));
    assert_non_null(strstr(net_sniffed(w.net), offer)); /* bob's node answers for his plain phone */
    assert_non_null(strstr(in.invite, " RTP/AVP 0\r\n"));
    phone_reply(w.bob, in.invite, 486, "Busy Here", in.to_tag, "");
    assert_int_equal(final_code(w.alice), 486);
    anchor_world_free(&w);
}

/* an older node: its plain offer passes as it is, and so does the answer */
static void older_node(void **state)
{
    struct anchor_world w = anchor_world_new();
    struct phone_call out, in;
    (void)state;
    net_anchor(w.net, false);
    struct sip_node *old = net_add(w.net, "olga@example.org", false);
    struct phone *olga = phone_new(w.net, old, "olga", false);
    assert_int_equal(phone_register(olga, "secret", 60), 200);
    phones_connect(olga, &out, "bob", w.bob, &in); /* compares both SDPs */
    assert_non_null(strstr(in.invite, SDP_A));
    assert_int_equal(net_counter(w.b, "media_anchored"), 0);
    phones_hang_up(olga, &out, w.bob);
    phone_free(olga);
    anchor_world_free(&w);
}

int test_sip_anchor_sdp(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refused),
        cmocka_unit_test(several_lines),
        cmocka_unit_test(secure_phone),
        cmocka_unit_test(older_node),
    };
    return cmocka_run_group_tests_name("sip anchored SDPs", tests, NULL, NULL);
}
