/* test_sip_hostile.c - what strangers and members with bad intentions send: at the phones' port, over application connections. */
#include "test_sip.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct world {
    struct sip_net *net;
    struct sip_node *a, *b;
    struct phone *alice;
};

static struct world world_new(void)
{
    struct world w = {.net = net_new()};
    w.a = net_add(w.net, "alice@example.org", false);
    w.b = net_add(w.net, "bob@example.org", false);
    w.alice = phone_new(w.net, w.a, "alice", false);
    assert_int_equal(phone_register(w.alice, "secret", 600), 200);
    return w;
}

static void world_free(struct world *w)
{
    /* after all that, an ordinary text still goes through */
    size_t from = w->b->lines_len, b = w->a->lines_len;
    net_command(w->net, w->a, "{\"id\":1,\"cmd\":\"listen\"}");
    net_command(w->net, w->b,
                "{\"id\":1,\"cmd\":\"message\",\"args\":{\"name\":\"alice\",\"text\":\"still there?\"}}");
    const char *got = phone_wait(w->alice, "MESSAGE", 15000); /* behind all that is still under way */
    assert_non_null(got);
    phone_reply(w->alice, got, 200, "OK", "t", "");
    assert_true(net_wait_line(w->net, w->a, &b, "still there?", 5000));
    assert_true(net_wait_line(w->net, w->b, &from, "\"delivered\":1", 10000));
    phone_free(w->alice);
    net_free(w->net);
}

static void datagrams(void **state)
{
    static const char *const bad[] = {
        "x",
        "\r\n\r\n\r\n\r\n\r\n\r\n",
        "INVITE\r\n\r\n",
        "INVITE sip:bob@example.org SIP/2.0\r\n\r\n",
        "INVITE sip:bob@example.org SIP/2.0\r\nVia: SIP/2.0/UDP x\r\nFrom: <sip:a@b>\r\nTo: "
        "<sip:a@b>\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\n\r\n",
        "INVITE sip:bob@example.org SIP/2.0\r\nVia: \r\nFrom: \r\nTo: \r\nCall-ID: \r\nCSeq: \r\n\r\n",
        "OPTIONS sip:a SIP/2.0\r\nVia: SIP/2.0/UDP x;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\nTo: "
        "<sip:a@b>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\nContent-Length: 999\r\n\r\nshort",
        "SIP/2.0 99999 x\r\n\r\n",
        "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    };
    struct world w = world_new();
    (void)state;
    uint64_t before = net_counter(w.a, "phone_malformed");
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        phone_send(w.alice, "%s", bad[i]);
    srand(1);
    for (int i = 0; i < 200; i++) {
        char noise[600];
        for (size_t k = 0; k < sizeof(noise); k++)
            noise[k] = (char)(rand() % 255 + 1);
        noise[20 + rand() % 500] = '\0';
        phone_send(w.alice, "%s%s", i % 2 ? "INVITE sip:b@example.org SIP/2.0\r\nVia: " : "", noise);
        if (i % 10 == 9) /* the socket's buffer is small */
            net_turn(w.net, -1, 5);
    }
    /* a response to nothing, a well-formed request as a barrier */
    phone_send(w.alice, "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP x;branch=z9hG4bK1\r\nFrom: "
                        "<sip:a@b>;tag=1\r\nTo: <sip:a@b>\r\nCall-ID: 1\r\n"
                        "CSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n");
    phone_send(w.alice, "OPTIONS sip:a@example.org SIP/2.0\r\nVia: SIP/2.0/UDP "
                        "x;branch=z9hG4bK2;rport\r\nFrom: <sip:a@b>;tag=1\r\n"
                        "To: <sip:a@b>\r\nCall-ID: barrier\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n");
    const char *got;
    do
        got = phone_wait(w.alice, "SIP/2.0 200", 3000);
    while (got != NULL && strstr(got, "barrier") == NULL);
    assert_non_null(got);
    assert_true(net_counter(w.a, "phone_malformed") >= before + 150);
    assert_true(net_counter(w.a, "unexpected_responses") >= 1);
    world_free(&w);
}

/* a phone over TCP that sends what it likes loses its connection and nothing else */
static void streams(void **state)
{
    struct world w = world_new();
    static char big[200000];
    (void)state;
    memset(big, 'a', sizeof(big) - 1);
    for (int i = 0; i < 3; i++) {
        struct phone *p = phone_new(w.net, w.a, "alice", true);
        const char *text = i == 0 ? "INVITE sip:b SIP/2.0\r\nnonsense\r\n\r\n"
                           : i == 1
                               ? big
                               : "REGISTER sip:example.org SIP/2.0\r\nContent-Length: 4294967295\r\n\r\n";
        (void)!send(p->fd, text, strlen(text), MSG_NOSIGNAL);
        for (int k = 0; k < 10; k++)
            net_turn(w.net, -1, 10);
        phone_free(p);
    }
    world_free(&w);
}

/* members of the overlay: bob's device speaks for somebody else, or nonsense */
static void members(void **state)
{
#define FROM(user)                                                                                           \
    "Via: SIP/2.0/TLS example.org;branch=z9hG4bK" user "\r\nFrom: <sip:" user "@example.org>;tag=1\r\n"
#define REST "Call-ID: h\r\nCSeq: 1 %s\r\nContent-Length: 0\r\n\r\n"
    struct world w = world_new();
    static char big[40000];
    (void)state;
    static const char lie[] = "INVITE sip:alice@example.org SIP/2.0\r\n" FROM(
        "carol") "To: <sip:alice@example.org>\r\n"
                 "Contact: <sip:carol@example.org>\r\nCall-ID: h\r\nCSeq: 1 INVITE\r\nContent-Length: "
                 "0\r\n\r\n";
    net_inject(w.net, w.b, w.a, lie, sizeof(lie) - 1);
    assert_true(phone_quiet(w.alice, "INVITE", 300));
    assert_int_equal(net_counter(w.a, "overlay_forbidden"), 1);
    assert_non_null(strstr(net_sniffed(w.net), "SIP/2.0 403"));
    /* for somebody who does not live here */
    static const char stray[] = "INVITE sip:carol@example.org SIP/2.0\r\n" FROM(
        "bob") "To: <sip:carol@example.org>\r\n"
               "Contact: <sip:bob@example.org>\r\nCall-ID: h\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n";
    net_inject(w.net, w.b, w.a, stray, sizeof(stray) - 1);
    assert_true(phone_quiet(w.alice, "INVITE", 200));
    assert_non_null(strstr(net_sniffed(w.net), "SIP/2.0 404"));
    /* with a Contact that would become lines of our own requests */
    static const char folded[] = "INVITE sip:alice@example.org SIP/2.0\r\n" FROM(
        "bob") "To: <sip:alice@example.org>\r\nContact: <sip:bob@example.org\r\n Route: <sip:x>\r\n"
               "Call-ID: f\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n";
    net_inject(w.net, w.b, w.a, folded, sizeof(folded) - 1);
    assert_true(phone_quiet(w.alice, "INVITE", 200));
    assert_non_null(strstr(net_sniffed(w.net), "SIP/2.0 400"));
    /* in a dialog that is not theirs */
    static const char bye[] = "BYE sip:alice@example.org SIP/2.0\r\n" FROM(
        "bob") "To: <sip:alice@example.org>;tag=0123456789abcdef\r\n"
               "Call-ID: h\r\nCSeq: 1 BYE\r\nContent-Length: 0\r\n\r\n";
    net_inject(w.net, w.b, w.a, bye, sizeof(bye) - 1);
    assert_true(phone_quiet(w.alice, "BYE", 200));
    assert_non_null(strstr(net_sniffed(w.net), "SIP/2.0 481"));
    assert_int_equal(net_conns(w.net), 1);
    /* not SIP, and too long: the connection ends */
    net_inject(w.net, w.b, w.a, "GET / HTTP/1.1\r\n\r\n", 18);
    assert_true(phone_quiet(w.alice, "INVITE", 100));
    assert_int_equal(net_counter(w.a, "overlay_malformed"), 1);
    assert_int_equal(net_conns(w.net), 0);
    memset(big, 'a', sizeof(big));
    net_inject(w.net, w.b, w.a, big, sizeof(big));
    assert_true(phone_quiet(w.alice, "INVITE", 100));
    assert_int_equal(net_counter(w.a, "overlay_oversize"), 1);
    world_free(&w);
}

static void flood_of_a_member(void **state)
{
    struct world w = world_new();
    static char all[64000];
    size_t len = 0;
    (void)state;
    for (int i = 0; i < 400 && len < sizeof(all) - 400; i++)
        len += (size_t)snprintf(
            all + len, sizeof(all) - len,
            "OPTIONS sip:alice@example.org SIP/2.0\r\nVia: SIP/2.0/TLS x;branch=z9hG4bK%d\r\n"
            "From: <sip:bob@example.org>;tag=1\r\nTo: <sip:a@b>\r\nCall-ID: %d\r\nCSeq: 1 OPTIONS\r\nl: "
            "0\r\n\r\n",
            i, i);
    net_inject(w.net, w.b, w.a, all, len);
    net_inject(w.net, w.b, w.a, all, len);
    assert_true(phone_quiet(w.alice, "INVITE", 300));
    assert_int_equal(net_counter(w.a, "overlay_flood"), 1);
    assert_int_equal(net_conns(w.net), 0);
    world_free(&w);
}

/* a certificate for another name than the one looked for: no connection, 480 */
static void wrong_certificate(void **state)
{
    struct world w = world_new();
    struct phone_call out;
    (void)state;
    net_lie(w.b, "carol@example.org");
    phone_invite(w.alice, &out, "bob", SDP_A);
    assert_non_null(phone_wait(w.alice, "SIP/2.0 480", 2000));
    phone_ack(w.alice, &out, out.branch);
    net_lie(w.b, "bob@example.org");
    world_free(&w);
}

/* another program of this host finds the inner port: nothing there believes it */
static void stranger_at_the_inner_port(void **state)
{
    struct world w = world_new();
    char line[256];
    int found = 0;
    (void)state;
    FILE *f = fopen("/proc/self/net/tcp", "r"); /* listeners of this process among all of this host */
    assert_non_null(f);
    while (fgets(line, sizeof(line), f) != NULL) {
        unsigned ip, port, state_number;
        if (sscanf(line, " %*d: %x:%x %*x:%*x %x", &ip, &port, &state_number) != 3 || state_number != 10 ||
            port == w.a->phones.port || port == w.b->phones.port || ip != htonl(0x7f000001))
            continue;
        static const char request[] = "INVITE sip:alice@example.org SIP/2.0\r\n" FROM(
            "bob") "To: <sip:alice@example.org>\r\n"
                   "Contact: <sip:bob@example.org>\r\nCall-ID: h\r\nCSeq: 1 INVITE\r\nContent-Length: "
                   "0\r\n\r\n";
        struct sockaddr_in to = {
            .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr = {htonl(0x7f000001)}};
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        if (connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0 &&
            send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL) > 0)
            found += phone_quiet(w.alice, "INVITE", 60);
        close(fd);
        if (net_counter(w.a, "overlay_stranger") > 0)
            break;
    }
    fclose(f);
    assert_true(found > 0);
    assert_int_equal(net_counter(w.a, "overlay_stranger"), 1);
    assert_int_equal(net_counter(w.a, "calls_in"), 0);
    world_free(&w);
}

static void too_many_calls(void **state)
{
    struct world w = world_new();
    static struct phone_call out[210];
    (void)state;
    struct phone *bob = phone_new(w.net, w.b, "bob", false);
    assert_int_equal(phone_register(bob, "secret", 600), 200);
    for (size_t i = 0; i < 210; i++)
        phone_invite(w.alice, &out[i], "bob", SDP_A);
    assert_non_null(phone_wait(w.alice, "SIP/2.0 503", 2000)); /* the last one; earlier ones passed unseen */
    assert_int_equal(net_counter(w.a, "calls_limited"), 10);
    assert_int_equal(net_counter(w.a, "calls_out"), 200);
    /* all ring out after three seconds */
    size_t ended = 0;
    while (ended < 200 && phone_wait(w.alice, "SIP/2.0 4", 5000) != NULL)
        ended++;
    assert_true(ended >= 200);
    phone_free(bob);
    world_free(&w);
}

/* memory is refused now and then, everywhere: calls and texts fail, nothing breaks, and afterwards all is well */
static void memory_is_short(void **state)
{
    struct world w = world_new();
    struct phone *bob = phone_new(w.net, w.b, "bob", false);
    (void)state;
    for (unsigned seed = 0; seed < 40; seed++) {
        struct phone_call out, in;
        net_starve(w.net, 6 + seed, seed);
        (void)phone_register(bob, "secret", 600);
        phone_invite(w.alice, &out, "bob", SDP_A);
        net_command(w.net, w.a, "{\"id\":1,\"cmd\":\"message\",\"args\":{\"name\":\"bob\",\"text\":\"x\"}}");
        net_command(w.net, w.b, "{\"id\":1,\"cmd\":\"call\",\"args\":{\"name\":\"alice\",\"for\":1}}");
        if (phone_take(bob, &in, 60)) {
            phone_reply(bob, in.invite, 200, "OK", in.to_tag, SDP_B);
            if (phone_wait(w.alice, "SIP/2.0 200", 60) != NULL) {
                phone_answered(w.alice, &out);
                phone_ack(w.alice, &out, "z9hG4bKack");
            }
        }
        if (seed % 8 == 0)
            net_break(w.net, w.b);
        net_turn(w.net, -1, 20);
    }
    net_starve(w.net, 0, 0);
    assert_int_equal(phone_register(bob, "secret", 0), 200);
    phone_free(bob);
    world_free(&w);
}

int test_sip_hostile(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(datagrams),         cmocka_unit_test(streams),
        cmocka_unit_test(members),           cmocka_unit_test(flood_of_a_member),
        cmocka_unit_test(wrong_certificate), cmocka_unit_test(stranger_at_the_inner_port),
        cmocka_unit_test(too_many_calls),    cmocka_unit_test(memory_is_short),
    };
    return cmocka_run_group_tests_name("sip hostile", tests, NULL, NULL);
}
