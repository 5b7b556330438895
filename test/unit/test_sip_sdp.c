/* test_sip_sdp.c - what is read in an SDP, and the same SDP with other places in it. */
#include "test_sip_media.h"
#include <stdio.h>
#include <string.h>
#include "base/error.h"
#include "sip/sdp.h"

#define HEAD "v=0\r\no=alice 17 4 IN IP4 192.0.2.7\r\ns=-\r\nc=IN IP4 192.0.2.7\r\nt=0 0\r\n"
#define PRINT                                                                                                \
    "00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:10:11:12:13:14:15:16:17:18:19:1a:1b:1c:1d:1e:1f"
#define SECURE                                                                                               \
    "m=audio 5000 UDP/TLS/RTP/SAVP "                                                                         \
    "0\r\na=rtcp-mux\r\na=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuv\r\n"                            \
    "a=fingerprint:sha-256 " PRINT "\r\na=setup:actpass\r\n"

static void test_reading(void **state)
{
    static const struct {
        const char *text;
        int error;
        size_t count;
        enum sdp_proto proto;
        uint16_t port, rtcp_port;
        const char *ip; /* of RTP; "" none */
    } rows[] = {
        {HEAD "m=audio 40000 RTP/AVP 0\r\n", 0, 1, SDP_AVP, 40000, 40001, "192.0.2.7"},
        {HEAD "m=audio 40000 RTP/AVPF 0\r\nc=IN IP4 192.0.2.9\r\n", 0, 1, SDP_AVPF, 40000, 40001,
         "192.0.2.9"},
        {HEAD "m=audio 40000 rtp/avp 0\r\na=rtcp:50000\r\n", 0, 1, SDP_AVP, 40000, 50000, "192.0.2.7"},
        {HEAD "m=audio 40000 RTP/AVP 0\r\na=rtcp:50000 IN IP4 192.0.2.8\r\n", 0, 1, SDP_AVP, 40000, 50000,
         "192.0.2.7"},
        {HEAD "m=audio 40000 RTP/AVP 0\r\nc=IN IP6 2001:db8::7\r\n", 0, 1, SDP_AVP, 40000, 40001,
         "2001:db8::7"},
        {HEAD "m=audio 40000 RTP/AVP 0\r\nc=IN IP4 host.example.org\r\n", 0, 1, SDP_AVP, 40000, 40001, ""},
        {HEAD "m=audio 0 RTP/AVP 0\r\n", 0, 1, SDP_AVP, 0, 1, "192.0.2.7"},
        {HEAD "m=audio 40000/2 RTP/AVP 0\r\n", 0, 1, SDP_OTHER, 1, 2, "192.0.2.7"},
        {HEAD "m=audio 40000 RTP/SAVP 0\r\n", 0, 1, SDP_OTHER, 40000, 40001, "192.0.2.7"},
        {HEAD "m=message 40000 TCP/MSRP *\r\n", 0, 1, SDP_OTHER, 40000, 40001, "192.0.2.7"},
        {"v=0\no=- 1 1 IN IP4 192.0.2.7\ns=-\nc=IN IP4 192.0.2.7\nt=0 0\nm=audio 9 RTP/AVP 0\n", 0, 1,
         SDP_AVP, 9, 10, "192.0.2.7"},
        {HEAD, 0, 0, 0, 0, 0, ""},
        {HEAD "m=audio 1 RTP/AVP 0\r\nm=video 2 RTP/AVP 97", 0, 2, SDP_AVP, 1, 2, "192.0.2.7"},
        {"", RF_EFORMAT, 0, 0, 0, 0, ""},
        {"v=1\r\n", RF_EFORMAT, 0, 0, 0, 0, ""},
        {HEAD "m=audio\r\n", RF_EFORMAT, 0, 0, 0, 0, ""},
        {HEAD "m=audio 1 RTP/AVP\r\n", RF_EFORMAT, 0, 0, 0, 0, ""},
        {HEAD "m=audio x RTP/AVP 0\r\n", RF_EFORMAT, 0, 0, 0, 0, ""},
        {HEAD "m=audio 65536 RTP/AVP 0\r\n", RF_EFORMAT, 0, 0, 0, 0, ""},
        {HEAD "m=audio -1 RTP/AVP 0\r\n", RF_EFORMAT, 0, 0, 0, 0, ""},
        {HEAD "hello\r\n", RF_EFORMAT, 0, 0, 0, 0, ""},
        {"v=0\r\no=- 1\r\n", RF_EFORMAT, 0, 0, 0, 0, ""},
        {HEAD "A=b\r\n", RF_EFORMAT, 0, 0, 0, 0, ""},
        {HEAD "a=in\rside\r\n", RF_EFORMAT, 0, 0, 0, 0, ""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct sdp_facts facts;
        char ip[RF_ADDR_TEXT_LEN] = "";
        int error = sdp_read(rf_view_str(rows[i].text), &facts);
        if (error != rows[i].error)
            fail_msg("row %zu: %d", i, error);
        if (error != 0)
            continue;
        assert_int_equal(facts.count, rows[i].count);
        if (facts.count == 0)
            continue;
        const struct sdp_media *m = &facts.media[0];
        if (m->rtp.family != 0)
            rf_addr_ip_text(&m->rtp, ip);
        if (m->proto != rows[i].proto || m->port != rows[i].port || m->rtcp.port != rows[i].rtcp_port ||
            strcmp(ip, rows[i].ip) != 0)
            fail_msg("row %zu: proto %d port %u rtcp %u ip %s", i, m->proto, m->port, m->rtcp.port, ip);
    }
    char nul[] = HEAD "a=x\0y\r\n";
    struct sdp_facts facts;
    assert_int_equal(sdp_read(rf_view_of(nul, sizeof(nul) - 1), &facts), RF_EFORMAT);
    char many[2048] = HEAD;
    for (int i = 0; i <= SDP_MAX_MEDIA; i++)
        strcat(many, "m=audio 1 RTP/AVP 0\r\n");
    assert_int_equal(sdp_read(rf_view_str(many), &facts), RF_ELIMIT);
}

/* what may be answered with DTLS-SRTP, and what may not */
static void test_secure(void **state)
{
    static const struct {
        const char *text;
        bool secure;
        enum sdp_setup setup;
        enum sdp_hash hash;
    } rows[] = {
        {HEAD SECURE, true, SDP_ACTPASS, SDP_SHA256},
        {HEAD "a=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuv\r\na=fingerprint:SHA-256 " PRINT
              "\r\na=setup:passive\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=rtcp-mux\r\n",
         true, SDP_PASSIVE, SDP_SHA256},
        {HEAD "a=fingerprint:sha-1 00:11\r\n" SECURE "a=fingerprint:sha-512 00:11\r\n", true, SDP_ACTPASS,
         SDP_SHA256},
        {HEAD "m=audio 9 RTP/AVP 0\r\n", false, SDP_SETUP_NONE, SDP_HASH_NONE},
        {HEAD SECURE "a=setup:holdconn\r\n", false, SDP_HOLDCONN, SDP_SHA256},
        {HEAD "m=audio 5000 UDP/TLS/RTP/SAVP "
              "0\r\na=rtcp-mux\r\na=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuv\r\n"
              "a=fingerprint:md5 00:11\r\na=setup:actpass\r\n",
         false, SDP_ACTPASS, SDP_HASH_NONE},
        {HEAD "m=audio 5000 UDP/TLS/RTP/SAVP 0\r\na=rtcp-mux\r\na=fingerprint:sha-256 " PRINT "\r\n", false,
         SDP_SETUP_NONE, SDP_SHA256},
        {HEAD "m=audio 5000 UDP/TLS/RTP/SAVP 0\r\na=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuv\r\n"
              "a=fingerprint:sha-256 " PRINT "\r\n",
         false, SDP_SETUP_NONE, SDP_SHA256}, /* no rtcp-mux */
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct sdp_facts facts;
        assert_int_equal(sdp_read(rf_view_str(rows[i].text), &facts), 0);
        const struct sdp_media *m = &facts.media[0];
        if (sdp_secure(m) != rows[i].secure || m->setup != rows[i].setup || m->print.hash != rows[i].hash)
            fail_msg("row %zu: %d %d %d", i, sdp_secure(m), m->setup, m->print.hash);
        for (uint8_t k = 0; m->print.hash != SDP_HASH_NONE && k < 32; k++)
            assert_int_equal(m->print.bytes[k], k);
    }
    static const char *const bad[] = {
        "sha-256 00:01", "sha-256", "", "sha-256 " PRINT ":20",
        "sha-256 "
        "0g:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:10:11:12:13:14:15:16:17:18:19:1a:1b:1c:1d:1e:1f"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char text[600];
        struct sdp_facts facts;
        snprintf(text, sizeof(text), HEAD "m=audio 9 UDP/TLS/RTP/SAVP 0\r\na=fingerprint:%s\r\n", bad[i]);
        assert_int_equal(sdp_read(rf_view_str(text), &facts), 0);
        assert_int_equal(facts.media[0].print.hash, SDP_HASH_NONE);
    }
}

static void test_candidates(void **state)
{
    static const char text[] = HEAD
        "a=candidate:9 1 UDP 1 192.0.2.1 1 typ host\r\n" /* of no m= line */
        "m=audio 9 UDP/TLS/RTP/SAVP 0\r\n"
        "a=candidate:1 1 UDP 2130706431 192.0.2.1 40000 typ host\r\n"
        "a=candidate:2 1 udp 1694498815 203.0.113.1 40001 typ srflx raddr 192.0.2.1 rport 40000 generation 0 "
        "network-cost 50\r\n"
        "a=candidate:3 1 UDP 100 2001:db8::1 40002 typ relay raddr 203.0.113.1 rport 40001\r\n"
        "a=candidate:4 2 UDP 100 192.0.2.1 40003 typ host\r\n"            /* RTCP: muxed */
        "a=candidate:5 1 TCP 100 192.0.2.1 9 typ host tcptype active\r\n" /* no UDP */
        "a=candidate:6 1 UDP 100 4f3a.local 40004 typ host\r\n"           /* a name */
        "a=candidate:7 1 UDP 0 192.0.2.1 40005 typ host\r\n"              /* no priority */
        "a=candidate:8 1 UDP 100 192.0.2.1 0 typ host\r\n"                /* no port */
        "a=candidate:9 1 UDP 4294967296 192.0.2.1 40006 typ host\r\n"     /* too much of it */
        "a=candidate:123456789012345678901234567890123 1 UDP 1 192.0.2.1 40007 typ host\r\n" /* 33 characters */
        "a=candidate:10 1 UDP 1 192.0.2.1 40008 typ prflx\r\n"
        "a=candidate:11 1 UDP 1 192.0.2.1 40008\r\n"
        "a=candidate\r\n"
        "m=video 9 UDP/TLS/RTP/SAVP 97\r\n"
        "a=candidate:1 1 UDP 7 192.0.2.1 50000 typ host\r\n";
    struct rf_ice_cand c[8];
    (void)state;
    assert_int_equal(sdp_candidates(rf_view_str(text), 0, c, 8), 3);
    assert_int_equal(c[0].kind, RF_ICE_KIND_HOST);
    assert_int_equal(c[0].addr.port, 40000);
    assert_true(c[0].priority == 2130706431);
    assert_string_equal(c[0].foundation, "1");
    assert_int_equal(c[1].kind, RF_ICE_KIND_SRFLX);
    assert_int_equal(c[2].kind, RF_ICE_KIND_RELAY);
    assert_int_equal(c[2].addr.family, 6);
    assert_int_equal(sdp_candidates(rf_view_str(text), 0, c, 2), 2);
    assert_int_equal(sdp_candidates(rf_view_str(text), 1, c, 8), 1);
    assert_int_equal(c[0].addr.port, 50000);
    assert_int_equal(sdp_candidates(rf_view_str(text), 2, c, 8), 0);
}

static const struct rf_ice_cand told[] = {{.addr = {.family = 4, .port = 1000, .ip = {10, 0, 0, 1}},
                                           .priority = 300,
                                           .kind = RF_ICE_KIND_HOST,
                                           .foundation = "1"},
                                          {.addr = {.family = 4, .port = 2000, .ip = {203, 0, 113, 1}},
                                           .related = {.family = 4, .port = 1000, .ip = {10, 0, 0, 1}},
                                           .priority = 200,
                                           .kind = RF_ICE_KIND_SRFLX,
                                           .foundation = "2"}};

static struct sdp_stand_in secure_one(void)
{
    static uint8_t print[SDP_PRINT_LEN];
    for (uint8_t i = 0; i < SDP_PRINT_LEN; i++)
        print[i] = i;
    struct sdp_stand_in s = {.secure = true,
                             .ice = {rf_view_str("uuuu"), rf_view_str("pppppppppppppppppppppp"), told, 2},
                             .setup = SDP_ACTPASS,
                             .print = print};
    s.addr = sdp_default(&s.ice);
    s.port = s.addr.port;
    return s;
}

static void check_rewrite(const char *text, const struct sdp_stand_in *s, size_t count, const char *want)
{
    struct rf_buf out;
    rf_buf_init(&out, rf_mem_system(), 65536);
    assert_int_equal(sdp_rewrite(rf_view_str(text), s, count, &out), 0);
    rf_buf_u8(&out, 0);
    assert_string_equal((const char *)out.p, want);
    rf_buf_deinit(&out);
}

static void test_rewriting(void **state)
{
    static const char phone[] =
        HEAD "b=AS:80\r\nk=clear:secret\r\na=group:BUNDLE 0\r\na=tool:x\r\nm=audio 40000 RTP/AVP 0 "
             "101\r\ni=talk\r\nc=IN IP4 192.0.2.9\r\n"
             "b=AS:64\r\na=rtpmap:101 telephone-event/8000\r\na=rtcp:40005\r\na=crypto:1 X "
             "inline:k\r\na=ptime:20\r\na=sendonly\r\n"
             "m=video 40002 RTP/AVPF 97\r\na=rtpmap:97 VP8/90000\r\n";
    static const char between[] =
        "v=0\r\no=alice 17 4 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nb=AS:80\r\na=tool:x\r\n"
        "m=audio 2000 UDP/TLS/RTP/SAVP 0 101\r\ni=talk\r\nc=IN IP4 203.0.113.1\r\nb=AS:64\r\n"
        "a=ice-ufrag:uuuu\r\na=ice-pwd:pppppppppppppppppppppp\r\na=ice-options:ice2\r\na=fingerprint:sha-256 "
        "00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:10:11:12:13:14:15:16:17:18:19:1A:1B:1C:1D:1E:1F\r\n"
        "a=setup:actpass\r\na=rtcp-mux\r\na=candidate:1 1 UDP 300 10.0.0.1 1000 typ host\r\n"
        "a=candidate:2 1 UDP 200 203.0.113.1 2000 typ srflx raddr 10.0.0.1 rport 1000\r\n"
        "a=rtpmap:101 telephone-event/8000\r\na=ptime:20\r\na=sendonly\r\n"
        "m=video 0 UDP/TLS/RTP/SAVPF 97\r\nc=IN IP4 0.0.0.0\r\na=rtpmap:97 VP8/90000\r\n";
    static const char back[] =
        "v=0\r\no=alice 17 4 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nb=AS:80\r\na=tool:x\r\n"
        "m=audio 30000 RTP/AVP 0 101\r\ni=talk\r\nc=IN IP6 2001:db8::1\r\nb=AS:64\r\n"
        "a=rtpmap:101 telephone-event/8000\r\na=ptime:20\r\na=sendonly\r\n"
        "m=video 0 RTP/AVPF 97\r\nc=IN IP4 0.0.0.0\r\na=rtpmap:97 VP8/90000\r\n";
    struct sdp_stand_in out[2] = {secure_one(), {.secure = true}};
    struct sdp_stand_in in[2] = {
        {.port = 30000, .addr = {.family = 6, .ip = {0x20, 0x01, 0x0d, 0xb8, [15] = 1}}}, {0}};
    (void)state;
    check_rewrite(phone, out, 2, between);
    check_rewrite(between, in, 2, back);
    struct sdp_facts facts;
    assert_int_equal(sdp_read(rf_view_str(between), &facts), 0);
    assert_true(sdp_secure(&facts.media[0]));
    struct rf_buf buf;
    rf_buf_init(&buf, rf_mem_system(), 65536);
    assert_int_equal(sdp_rewrite(rf_view_str(phone), out, 1, &buf), RF_ELENGTH);
    rf_buf_reset(&buf);
    assert_int_equal(sdp_rewrite(rf_view_str(HEAD), out, 1, &buf), RF_ELENGTH);
    rf_buf_deinit(&buf);
    rf_buf_init(&buf, rf_mem_system(), 200);
    assert_int_equal(sdp_rewrite(rf_view_str(phone), out, 2, &buf), RF_ELIMIT);
    rf_buf_deinit(&buf);
}

int test_sip_sdp(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reading),
        cmocka_unit_test(test_secure),
        cmocka_unit_test(test_candidates),
        cmocka_unit_test(test_rewriting),
    };
    return cmocka_run_group_tests_name("sip sdp", tests, NULL, NULL);
}
