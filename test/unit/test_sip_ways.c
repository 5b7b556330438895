/* test_sip_ways.c - the way to a device: forwarded users, sips, keep-alives of the connection. */
#include "test_sip.h"
#include <stdio.h>
#include <string.h>

struct world {
    struct sip_net *net;
    struct sip_node *a, *b, *c;
    struct phone *alice, *bob, *carol;
};

static struct phone *registered(struct sip_net *net, struct sip_node *node, const char *user)
{
    struct phone *phone = phone_new(net, node, user, false);
    assert_int_equal(phone_register(phone, "secret", 600), 200);
    return phone;
}

static struct world world_new(void)
{
    struct world w = {.net = net_new()};
    w.a = net_add(w.net, "alice@example.org", false);
    w.b = net_add(w.net, "bob@example.org", false);
    w.c = net_add(w.net, "carol@example.org", false);
    w.alice = registered(w.net, w.a, "alice");
    w.bob = registered(w.net, w.b, "bob");
    w.carol = registered(w.net, w.c, "carol");
    return w;
}

static void world_free(struct world *w)
{
    phone_free(w->alice);
    phone_free(w->bob);
    phone_free(w->carol);
    net_free(w->net);
}

static void forward(struct world *w, struct sip_node *node, const char *args, const char *answer)
{
    char line[200];
    size_t from = strlen(node->lines);
    snprintf(line, sizeof(line), "{\"id\":1,\"cmd\":\"forward\",\"args\":{%s}}", args);
    net_command(w->net, node, line);
    assert_true(net_wait_line(w->net, node, &from, answer, 1000));
}

static void refused(struct world *w, const char *start)
{
    struct phone_call out;
    phone_invite(w->alice, &out, "carol", SDP_A);
    assert_non_null(phone_wait(w->alice, start, 2000));
    phone_ack(w->alice, &out, out.branch);
}

/* carol's calls go to bob: his phone rings, hers does not, and his certificate may answer for it */
static void forwarded(void **state)
{
    struct world w = world_new();
    struct phone_call out, in;
    (void)state;
    forward(&w, w.c, "\"name\":\"bob\"", "{\"forward\":\"bob@example.org\"}");
    phones_connect(w.alice, &out, "carol", w.bob, &in);
    const char *invite = strstr(net_sniffed(w.net), "INVITE sip:bob@example.org SIP/2.0\r\n");
    assert_non_null(invite);
    assert_non_null(strstr(invite, "To: <sip:carol@example.org>\r\n"));
    assert_true(phone_quiet(w.carol, "INVITE", 100));
    /* the call outlives its connection, which is made again with the same device */
    net_break(w.net, w.a);
    for (int i = 0; i < 100 && net_conns(w.net) == 0; i++)
        net_turn(w.net, -1, 20);
    phones_hang_up(w.bob, &in, w.alice);
    /* over two users, and no more when it has ended */
    forward(&w, w.b, "\"name\":\"alice\"", "{\"forward\":\"alice@example.org\"}");
    forward(&w, w.b, "", "{\"forward\":\"alice@example.org\"}");
    forward(&w, w.b, "\"name\":\"\"", "{\"forward\":null}");
    forward(&w, w.c, "\"name\":\"\"", "{\"forward\":null}");
    phones_connect(w.alice, &out, "carol", w.carol, &in);
    phones_hang_up(w.alice, &out, w.carol);
    world_free(&w);
}

static void forwarded_text(void **state)
{
    struct world w = world_new();
    size_t from = 0;
    (void)state;
    forward(&w, w.c, "\"name\":\"bob\"", "{\"forward\":\"bob@example.org\"}");
    from = strlen(w.a->lines);
    net_command(w.net, w.a,
                "{\"id\":1,\"cmd\":\"message\",\"args\":{\"name\":\"carol\",\"text\":\"hello\"}}");
    assert_non_null(phone_wait(w.bob, "MESSAGE", 2000));
    phone_reply(w.bob, w.bob->got, 200, "OK", "t", "");
    assert_true(net_wait_line(w.net, w.a, &from, "\"delivered\":1", 2000));
    world_free(&w);
}

static void forwarded_without_end(void **state)
{
    struct world w = world_new();
    size_t from;
    (void)state;
    forward(&w, w.c, "\"name\":\"carol\"", "RF_EINVAL");
    forward(&w, w.c, "\"name\":\"b b\"", "RF_EFORMAT");
    forward(&w, w.c, "\"name\":\"bob\"", "{\"forward\":\"bob@example.org\"}");
    forward(&w, w.b, "\"name\":\"carol\"", "{\"forward\":\"carol@example.org\"}");
    refused(&w, "SIP/2.0 482 Loop Detected");
    from = strlen(w.a->lines);
    net_command(w.net, w.a, "{\"id\":1,\"cmd\":\"message\",\"args\":{\"name\":\"carol\",\"text\":\"x\"}}");
    assert_true(net_wait_line(w.net, w.a, &from, "RF_ELIMIT", 2000));
    from = strlen(w.a->lines);
    net_command(w.net, w.a, "{\"id\":1,\"cmd\":\"call\",\"args\":{\"name\":\"carol\"}}");
    assert_true(net_wait_line(w.net, w.a, &from, "forwarded in a circle", 2000));
    /* to somebody who is not there */
    forward(&w, w.c, "\"name\":\"bob\"", "{\"forward\":\"bob@example.org\"}");
    forward(&w, w.b, "\"name\":\"nobody\"", "{\"forward\":\"nobody@example.org\"}");
    refused(&w, "SIP/2.0 480");
    world_free(&w);
}

/* a device that takes sips only: application 5061, and sips in every URI (D32) */
static void sips(void **state)
{
    struct world w = world_new();
    struct phone_call out, in;
    (void)state;
    net_prefer_sips(w.b);
    phones_connect(w.alice, &out, "bob", w.bob, &in);
    const char *wire = net_sniffed(w.net);
    assert_non_null(strstr(wire, "INVITE sips:bob@example.org SIP/2.0\r\nVia: SIP/2.0/TLS example.org;"));
    assert_non_null(strstr(wire, "To: <sips:bob@example.org>"));
    assert_non_null(strstr(wire, "From: <sips:alice@example.org>;tag="));
    assert_non_null(strstr(wire, "Contact: <sips:alice@example.org>"));
    assert_non_null(strstr(wire, "Contact: <sips:bob@example.org>"));
    assert_null(strstr(wire, "<sip:"));
    assert_null(strstr(in.invite, "sips:")); /* phones register with sip */
    phones_hang_up(w.bob, &in, w.alice);
    /* the other way goes over a connection of its own */
    phones_connect(w.bob, &in, "alice", w.alice, &out);
    assert_int_equal(net_conns(w.net), 2);
    phones_hang_up(w.alice, &out, w.bob);
    world_free(&w);
}

/* CR LF CR LF both ways each second in these tests, answered with CR LF (RFC 5626, 3.5.1) */
static void kept_alive(void **state)
{
    struct world w = world_new();
    struct phone_call out, in;
    size_t rounds = 0;
    (void)state;
    phones_connect(w.alice, &out, "bob", w.bob, &in);
    size_t before = strlen(net_sniffed(w.net));
    for (int i = 0; i < 300 && rounds < 24;
         i++) { /* three seconds: two rounds of two questions and answers */
        net_turn(w.net, -1, 10);
        rounds = strlen(net_sniffed(w.net)) - before;
    }
    const char *wire = net_sniffed(w.net) + before;
    assert_true(rounds >= 24);
    assert_int_equal(strspn(wire, "\r\n"), strlen(wire)); /* nothing else was said */
    assert_int_equal(net_counter(w.a, "overlay_malformed") + net_counter(w.b, "overlay_malformed"), 0);
    phones_hang_up(w.alice, &out, w.bob);
    world_free(&w);
}

/* the other end is gone without a word: found out, and the call goes on over a connection made anew */
static void dead_connection(void **state)
{
    struct world w = world_new();
    struct phone_call out, in;
    (void)state;
    phones_connect(w.alice, &out, "bob", w.bob, &in);
    for (int i = 0; i < 60; i++) /* both have asked and answered */
        net_turn(w.net, -1, 100);
    net_mute(w.net, true);
    uint64_t before = net_counter(w.a, "overlay_connections") + net_counter(w.b, "overlay_connections");
    uint64_t now = before;
    for (int i = 0; i < 60 && now == before; i++) {
        net_turn(w.net, -1, 100);
        now = net_counter(w.a, "overlay_connections") + net_counter(w.b, "overlay_connections");
    }
    assert_true(now > before);
    net_mute(w.net, false);
    phones_hang_up(w.bob, &in, w.alice);
    world_free(&w);
}

int test_sip_ways(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forwarded),
        cmocka_unit_test(forwarded_text),
        cmocka_unit_test(forwarded_without_end),
        cmocka_unit_test(sips),
        cmocka_unit_test(kept_alive),
        cmocka_unit_test(dead_connection),
    };
    return cmocka_run_group_tests_name("sip ways", tests, NULL, NULL);
}
