/* test_sip_texts.c - instant texts: phone to phone, command to listener, kept for later, refused. */
#include "test_sip.h"
#include <stdio.h>
#include <string.h>

struct world {
    struct sip_net *net;
    struct sip_node *a, *b, *b2;
    struct phone *alice;
};

static struct world world_new(void)
{
    struct world w = {.net = net_new()};
    w.a = net_add(w.net, "alice@example.org", false);
    w.b = net_add(w.net, "bob@example.org", false);
    w.b2 = net_add(w.net, "bob@example.org", false);
    w.alice = phone_new(w.net, w.a, "alice", false);
    assert_int_equal(phone_register(w.alice, "secret", 600), 200);
    return w;
}

static void world_free(struct world *w)
{
    phone_free(w->alice);
    net_free(w->net);
}

static const char *text_from_phone(struct phone *p, const char *to, const char *type, const char *text)
{
    char uri[200];
    const char *auth = "";
    snprintf(uri, sizeof(uri), "sip:%s@example.org", to);
    for (int tries = 0;; tries++) {
        p->seq++;
        phone_send(
            p,
            "MESSAGE %s SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:%u;branch=z9hG4bKm%u;rport\r\n"
            "From: <sip:%s@example.org>;tag=m\r\nTo: <%s>\r\nCall-ID: m%u\r\nCSeq: %u MESSAGE\r\n%s%s%s%s"
            "Content-Length: %zu\r\n\r\n%s",
            uri, p->local.port, p->seq, p->user, uri, p->seq, p->seq, auth,
            type[0] != '\0' ? "Content-Type: " : "", type, type[0] != '\0' ? "\r\n" : "", strlen(text), text);
        const char *got = phone_wait(p, "SIP/2.0", 4000);
        assert_non_null(got);
        if (tries > 0 || strncmp(got, "SIP/2.0 401", 11) != 0)
            return got;
        auth = phone_auth(p, p->user, "secret", "MESSAGE", uri);
    }
}

static void phone_to_phones(void **state)
{
    struct world w = world_new();
    struct phone *bob = phone_new(w.net, w.b, "bob", false), *bob2 = phone_new(w.net, w.b2, "bob", false);
    static char request[sizeof(bob->got)];
    (void)state;
    assert_int_equal(phone_register(bob, "secret", 600), 200);
    assert_int_equal(phone_register(bob2, "secret", 600), 200);
    /* both devices get it; one of them accepts: that is enough */
    const char *uri = "sip:bob@example.org";
    w.alice->seq++;
    phone_send(w.alice,
               "MESSAGE %s SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:%u;branch=z9hG4bKq;rport\r\nFrom: "
               "<sip:alice@example.org>;tag=m\r\n"
               "To: <%s>\r\nCall-ID: q\r\nCSeq: 1 MESSAGE\r\nContent-Length: 0\r\n\r\n",
               uri, w.alice->local.port, uri);
    assert_non_null(phone_wait(w.alice, "SIP/2.0 401", 2000));
    phone_send(w.alice,
               "MESSAGE %s SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:%u;branch=z9hG4bKq2;rport\r\nFrom: "
               "<sip:alice@example.org>;tag=m\r\n"
               "To: <%s>\r\nCall-ID: q\r\nCSeq: 2 MESSAGE\r\n%sContent-Type: text/plain\r\nContent-Length: "
               "9\r\n\r\nGr\xc3\xbc\xc3\x9f Gott",
               uri, w.alice->local.port, uri, phone_auth(w.alice, "alice", "secret", "MESSAGE", uri));
    struct phone *both[] = {bob, bob2};
    for (int i = 0; i < 2; i++) {
        assert_non_null(phone_wait(both[i], "MESSAGE sip:bob@127.0.0.1", 2000));
        snprintf(request, sizeof(request), "%s", both[i]->got);
        assert_non_null(strstr(request, "\r\n\r\nGr\xc3\xbc\xc3\x9f Go"));
        assert_non_null(strstr(request, "From: <sip:alice@example.org>"));
        phone_reply(both[i], request, i == 0 ? 200 : 486, "Well", "t", "");
    }
    assert_non_null(phone_wait(w.alice, "SIP/2.0 200", 3000));
    phone_free(bob);
    phone_free(bob2);
    world_free(&w);
}

/* A device whose connection takes longer gets the text, too, when the sender knows already that another one has it. */
static void late_device(void **state)
{
    struct world w = world_new();
    struct phone *bob = phone_new(w.net, w.b, "bob", false), *bob2 = phone_new(w.net, w.b2, "bob", false);
    (void)state;
    assert_int_equal(phone_register(bob, "secret", 600), 200);
    assert_int_equal(phone_register(bob2, "secret", 600), 200);
    net_late(w.b2, true);
    const char *uri = "sip:bob@example.org";
    for (unsigned tries = 1; tries <= 2; tries++) {
        phone_send(w.alice,
                   "MESSAGE %s SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:%u;branch=z9hG4bKl%u;rport\r\nFrom: "
                   "<sip:alice@example.org>;tag=m\r\nTo: <%s>\r\nCall-ID: l\r\nCSeq: %u MESSAGE\r\n"
                   "%sContent-Type: text/plain\r\nContent-Length: 4\r\n\r\nlate",
                   uri, w.alice->local.port, tries, uri, tries,
                   tries == 1 ? "" : phone_auth(w.alice, "alice", "secret", "MESSAGE", uri));
        if (tries == 1)
            assert_non_null(phone_wait(w.alice, "SIP/2.0 401", 2000));
    }
    assert_non_null(phone_wait(bob, "MESSAGE sip:bob@127.0.0.1", 2000));
    char request[sizeof(bob->got)];
    snprintf(request, sizeof(request), "%s", bob->got);
    phone_reply(bob, request, 200, "OK", "t", "");
    assert_non_null(phone_wait(w.alice, "SIP/2.0 200", 3000));
    assert_true(net_asked(w.b2));
    assert_true(phone_quiet(bob2, "MESSAGE", 50));
    net_late(w.b2, false);
    assert_non_null(phone_wait(bob2, "MESSAGE sip:bob@127.0.0.1", 2000));
    assert_non_null(strstr(bob2->got, "\r\n\r\nlate"));
    phone_reply(bob2, bob2->got, 200, "OK", "t", "");
    phone_free(bob);
    phone_free(bob2);
    world_free(&w);
}

static void command_to_listener(void **state)
{
    struct world w = world_new();
    size_t a = 0, b = 0;
    (void)state;
    net_hide(w.b2, true);
    net_command(w.net, w.b, "{\"id\":1,\"cmd\":\"listen\"}");
    assert_true(net_wait_line(w.net, w.b, &b, "\"result\"", 1000));
    net_command(w.net, w.a,
                "{\"id\":7,\"cmd\":\"message\",\"args\":{\"name\":\"bob\",\"text\":\"hello \\u00fc\"}}");
    assert_true(
        net_wait_line(w.net, w.b, &b, "\"from\":\"alice@example.org\",\"text\":\"hello \xc3\xbc\"", 2000));
    assert_true(net_wait_line(w.net, w.b, &b, "\"type\":\"message\"", 1000));
    assert_true(net_wait_line(w.net, w.a, &a,
                              "{\"id\":7,\"result\":{\"delivered\":1,\"devices\":1,\"kept\":0}}", 2000));
    world_free(&w);
}

static void kept_for_the_next_listener(void **state)
{
    struct world w = world_new();
    size_t a = 0, b = 0;
    (void)state;
    net_hide(w.b2, true);
    for (int i = 0; i < 101; i++) {
        char command[200];
        snprintf(command, sizeof(command),
                 "{\"id\":%d,\"cmd\":\"message\",\"args\":{\"name\":\"bob\",\"text\":\"text %d.\"}}", i, i);
        net_command(w.net, w.a, command);
        assert_true(net_wait_line(
            w.net, w.a, &a, i < 100 ? "\"delivered\":1,\"devices\":1,\"kept\":1" : "RF_EUNREACHABLE", 4000));
    }
    assert_int_equal(net_counter(w.b, "texts_kept"), 100);
    net_command(w.net, w.b, "{\"id\":1,\"cmd\":\"listen\"}");
    assert_true(net_wait_line(w.net, w.b, &b, "\"text\":\"text 0.\"", 1000));
    assert_true(net_wait_line(w.net, w.b, &b, "\"text\":\"text 99.\"", 1000));
    assert_false(net_wait_line(w.net, w.b, &b, "\"text\"", 50));
    world_free(&w);
}

static void refused(void **state)
{
    struct world w = world_new();
    static char big[20000];
    size_t a = 0;
    (void)state;
    memset(big, 'x', 17000);
    assert_memory_equal(text_from_phone(w.alice, "nobody", "text/plain", "x"), "SIP/2.0 404", 11);
    assert_memory_equal(text_from_phone(w.alice, "bob", "", "x"), "SIP/2.0 400", 11);
    net_hide(w.b, true);
    net_hide(w.b2, true);
    assert_memory_equal(text_from_phone(w.alice, "bob", "text/plain", "x"), "SIP/2.0 480", 11);
    net_command(w.net, w.a, "{\"id\":1,\"cmd\":\"message\",\"args\":{\"name\":\"bob\",\"text\":\"x\"}}");
    assert_true(net_wait_line(w.net, w.a, &a, "no device of theirs is online", 2000));
    net_command(w.net, w.a, "{\"id\":2,\"cmd\":\"message\",\"args\":{\"name\":\"nobody\",\"text\":\"x\"}}");
    assert_true(net_wait_line(w.net, w.a, &a, "RF_ENOTFOUND", 2000));
    net_command(w.net, w.a, "{\"id\":3,\"cmd\":\"message\",\"args\":{\"name\":\"b b\",\"text\":\"x\"}}");
    assert_true(net_wait_line(w.net, w.a, &a, "RF_EFORMAT", 2000));
    net_command(w.net, w.a, "{\"id\":4,\"cmd\":\"message\",\"args\":{\"name\":\"bob\",\"text\":\"\"}}");
    assert_true(net_wait_line(w.net, w.a, &a, "RF_ELIMIT", 2000));
    /* over TCP, where there is room for it */
    struct phone *tcp = phone_new(w.net, w.a, "alice", true);
    assert_memory_equal(text_from_phone(tcp, "bob", "text/plain", big), "SIP/2.0 413", 11);
    phone_free(tcp);
    world_free(&w);
}

int test_sip_texts(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(phone_to_phones),
        cmocka_unit_test(late_device),
        cmocka_unit_test(command_to_listener),
        cmocka_unit_test(kept_for_the_next_listener),
        cmocka_unit_test(refused),
    };
    return cmocka_run_group_tests_name("sip texts", tests, NULL, NULL);
}
