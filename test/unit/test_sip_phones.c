/* test_sip_phones.c - phones at their registrar: passwords, bindings, what is refused before it costs anything. */
#include "test_sip.h"
#include <stdio.h>
#include <string.h>
#include "base/error.h"
#include "sip/registrar.h"

struct world {
    struct sip_net *net;
    struct sip_node *a;
    struct phone *phone;
};

static struct world world_new(void)
{
    struct world w = {.net = net_new()};
    w.a = net_add(w.net, "alice@example.org", false);
    w.phone = phone_new(w.net, w.a, "alice", false);
    return w;
}

static void world_free(struct world *w)
{
    phone_free(w->phone);
    net_free(w->net);
}

static void passwords(void **state)
{
    struct world w = world_new();
    struct phone *other = phone_new(w.net, w.a, "mallory", false);
    (void)state;
    assert_int_equal(phone_register(w.phone, "wrong", 600), 401);
    assert_int_equal(phone_register(other, "secret", 600), 401); /* no such user here */
    assert_int_equal(net_counter(w.a, "phone_auth_failed"), 2);
    assert_int_equal(net_counter(w.a, "phone_registered"), 0);
    assert_int_equal(phone_register(w.phone, "secret", 600), 200);
    /* guesses from the same host do not lock the registered phone out, and end in 503 */
    int code = 0;
    for (int i = 0; i < 20 && code != 503; i++)
        code = phone_register(other, "guess", 600);
    assert_int_equal(code, 503);
    assert_true(net_counter(w.a, "phone_auth_limited") > 0);
    assert_int_equal(phone_register(w.phone, "secret", 600), 200);
    phone_free(other);
    world_free(&w);
}

static void send_raw(struct phone *p, const char *method, const char *uri, const char *to, const char *extra)
{
    p->seq++;
    phone_send(p,
               "%s %s SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:%u;branch=z9hG4bKx%u;rport\r\nFrom: "
               "<sip:alice@example.org>;tag=r\r\n"
               "To: %s\r\nCall-ID: raw%u\r\nCSeq: %u %s\r\n%sContent-Length: 0\r\n\r\n",
               method, uri, p->local.port, p->seq, to, p->local.port, p->seq, method, extra);
}

/* with a fresh challenge answered */
static const char *authorized(struct phone *p, const char *method, const char *uri, const char *to,
                              const char *extra)
{
    char lines[2048];
    send_raw(p, method, uri, to, extra);
    assert_non_null(phone_wait(p, "SIP/2.0 401", 2000));
    snprintf(lines, sizeof(lines), "%s%s", phone_auth(p, "alice", "secret", method, uri), extra);
    send_raw(p, method, uri, to, lines);
    return phone_wait(p, "SIP/2.0", 2000);
}

#define ME "<sip:alice@example.org>"

static void bindings(void **state)
{
    static const struct {
        const char *uri, *to, *extra, *start, *contact; /* contact: must be listed; NULL: must have none */
    } rows[] = {
        {"sip:example.org", ME, "Contact: <sip:alice@127.0.0.1:9>;expires=100\r\n", "SIP/2.0 200",
         "<sip:alice@127.0.0.1:9>;expires=100"},
        {"sip:127.0.0.1", ME, "Contact: <sip:alice@127.0.0.1:10>\r\nExpires: 99999\r\n", "SIP/2.0 200",
         "<sip:alice@127.0.0.1:10>;expires=3600"},
        {"sip:example.org", ME, "", "SIP/2.0 200", "<sip:alice@127.0.0.1:9>"}, /* a question */
        {"sip:example.org", ME, "Contact: <sip:alice@127.0.0.1:9>;expires=0\r\n", "SIP/2.0 200",
         "<sip:alice@127.0.0.1:10>"},
        {"sip:example.org", ME, "Contact: *\r\nExpires: 10\r\n", "SIP/2.0 400", NULL},
        {"sip:example.org", ME, "Contact: *\r\n", "SIP/2.0 400", NULL},
        {"sip:example.org", ME, "Contact: *\r\nExpires: 0\r\n", "SIP/2.0 200", NULL},
        {"sip:example.org", ME, "Contact: <sip:a@127.0.0.1>;expires=5\r\n", "SIP/2.0 423", NULL},
        {"sip:example.org", ME, "Contact: <mailto:a@b>\r\n", "SIP/2.0 400", NULL},
        {"sip:example.org", "<sip:bob@example.org>", "Contact: <sip:a@127.0.0.1>\r\n", "SIP/2.0 403", NULL},
        {"sip:example.org", "<sip:alice@other.net>", "Contact: <sip:a@127.0.0.1>\r\n", "SIP/2.0 404", NULL},
        {"sip:other.net", ME, "Contact: <sip:a@127.0.0.1>\r\n", "SIP/2.0 404", NULL},
        {"sip:example.org", ME, "", "SIP/2.0 200", NULL},
    };
    struct world w = world_new();
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *got = authorized(w.phone, "REGISTER", rows[i].uri, rows[i].to, rows[i].extra);
        char contact[600];
        assert_non_null(got);
        if (strncmp(got, rows[i].start, strlen(rows[i].start)) != 0)
            fail_msg("row %zu: %s", i, got);
        if (rows[i].contact == NULL)
            assert_string_equal(header_of(got, "Contact", contact, sizeof(contact)), "");
        else
            assert_non_null(strstr(got, rows[i].contact));
    }
    world_free(&w);
}

static void no_more_than_sixteen(void **state)
{
    struct world w = world_new();
    char contact[100];
    (void)state;
    for (int i = 0; i < 17; i++) {
        snprintf(contact, sizeof(contact), "Contact: <sip:alice@127.0.0.1:%d>\r\n", 9000 + i);
        const char *got = authorized(w.phone, "REGISTER", "sip:example.org", ME, contact);
        assert_memory_equal(got, i < 16 ? "SIP/2.0 200" : "SIP/2.0 503", 11);
    }
    world_free(&w);
}

/* an older request of the same registration changes nothing */
static void out_of_order(void **state)
{
    struct world w = world_new();
    char contact[300];
    (void)state;
    assert_memory_equal(authorized(w.phone, "REGISTER", "sip:example.org", ME,
                                   "Contact: <sip:a@127.0.0.1:9>;expires=100\r\n"),
                        "SIP/2.0 200", 11);
    w.phone->seq -= 2;
    const char *got =
        authorized(w.phone, "REGISTER", "sip:example.org", ME, "Contact: <sip:a@127.0.0.1:9>;expires=0\r\n");
    assert_memory_equal(got, "SIP/2.0 200", 11); /* the same number: a repetition */
    header_of(got, "Contact", contact, sizeof(contact));
    assert_non_null(strstr(contact, "expires=100"));
    w.phone->seq -= 3;
    got =
        authorized(w.phone, "REGISTER", "sip:example.org", ME, "Contact: <sip:a@127.0.0.1:9>;expires=0\r\n");
    assert_memory_equal(got, "SIP/2.0 500", 11);
    world_free(&w);
}

static void requests_without_password(void **state)
{
    static const struct {
        const char *method, *start;
    } rows[] = {{"INVITE", "SIP/2.0 401"},    {"MESSAGE", "SIP/2.0 401"}, {"OPTIONS", "SIP/2.0 200"},
                {"SUBSCRIBE", "SIP/2.0 405"}, {"PUBLISH", "SIP/2.0 405"}, {"CANCEL", "SIP/2.0 481"},
                {"BYE", "SIP/2.0 405"},       {"NONSENSE", "SIP/2.0 405"}};
    struct world w = world_new();
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        send_raw(w.phone, rows[i].method, "sip:bob@example.org", "<sip:bob@example.org>", "");
        const char *got = phone_wait(w.phone, "SIP/2.0", 2000);
        assert_non_null(got);
        assert_memory_equal(got, rows[i].start, 11);
    }
    send_raw(w.phone, "BYE", "sip:bob@example.org", "<sip:bob@example.org>;tag=0123456789abcdef", "");
    assert_non_null(phone_wait(w.phone, "SIP/2.0 481", 2000));
    send_raw(w.phone, "ACK", "sip:bob@example.org", "<sip:bob@example.org>;tag=0123456789abcdef", "");
    assert_true(phone_quiet(w.phone, "SIP/2.0", 100));
    assert_int_equal(net_conns(w.net), 0); /* nothing reached the overlay */
    world_free(&w);
}

/* two phones of one user: both ring, and one calls the other by the user's own name */
static void several_phones(void **state)
{
    struct world w = world_new();
    struct phone *second = phone_new(w.net, w.a, "alice", true);
    struct phone_call out, in;
    (void)state;
    assert_int_equal(phone_register(w.phone, "secret", 600), 200);
    assert_int_equal(phone_register(second, "secret", 600), 200);
    phone_invite(w.phone, &out, "alice", SDP_A);
    assert_true(phone_take(second, &in, 2000));
    assert_true(phone_quiet(w.phone, "INVITE", 200)); /* not the caller itself */
    phone_reply(second, in.invite, 200, "OK", in.to_tag, SDP_B);
    assert_non_null(phone_wait(w.phone, "SIP/2.0 200", 2000));
    phone_answered(w.phone, &out);
    phone_ack(w.phone, &out, "z9hG4bKack");
    assert_non_null(phone_wait(second, "ACK", 2000));
    phone_bye(second, &in);
    assert_non_null(phone_wait(w.phone, "BYE", 2000));
    size_t from = 0;
    net_command(w.net, w.a, "{\"id\":1,\"cmd\":\"phones\"}");
    assert_true(net_wait_line(w.net, w.a, &from, "\"transport\":\"UDP\"", 2000));
    assert_true(net_wait_line(w.net, w.a, &from, "\"transport\":\"TCP\"", 2000));
    assert_true(net_wait_line(w.net, w.a, &from, "\"result\"", 2000));
    phone_free(second);
    world_free(&w);
}

static void told_in_words(void **state)
{
    struct sip_net *net = net_new();
    struct sip_node *a = net_add(net, "alice@example.org", false);
    struct rf_sip_config config = {.mem = rf_mem_system(), .user = "alice@example.org"};
    struct rf_sip *sip = NULL;
    char why[200];
    (void)state;
    /* what is missing or in use is told in words */
    config.listen = a->phones;
    assert_int_not_equal(rf_sip_new(&config, &sip, why, sizeof(why)), 0);
    assert_non_null(strstr(why, "password"));
    config.password = "x";
    config.node = a->node;
    assert_int_not_equal(rf_sip_new(&config, &sip, why, sizeof(why)), 0);
    assert_non_null(strstr(why, "in use"));
    config.listen = (struct rf_addr){.family = 4, .port = 5060, .ip = {192, 0, 2, 1}};
    assert_int_not_equal(rf_sip_new(&config, &sip, why, sizeof(why)), 0);
    assert_non_null(strstr(why, "cannot be used"));
    config.user = "not a name";
    assert_int_not_equal(rf_sip_new(&config, &sip, NULL, 0), 0);
    net_free(net);
}

/* every allocation of the start refused in turn: an error, nothing left behind; the port is free again */
static void memory_runs_out_at_the_start(void **state)
{
    struct sip_net *net = net_new();
    struct sip_node *a = net_add(net, "alice@example.org", false);
    struct rf_addr listen = {.family = 4, .ip = {127, 0, 0, 1}};
    int error = RF_ENOMEM;
    size_t allowed = 0;
    (void)state;
    for (; error != 0 && allowed < 100; allowed++) {
        struct rf_mem_test mem;
        struct rf_sip *sip = NULL;
        char why[200] = "";
        rf_mem_test_init(&mem);
        mem.allowed = allowed;
        error = net_start(net, a, &mem.mem, listen, &sip, why, sizeof(why));
        if (error != 0) {
            assert_int_equal(error, RF_ENOMEM);
            assert_true(why[0] != '\0');
        } else {
            net_stop(net, sip);
        }
        assert_int_equal(mem.live_count, 0);
    }
    assert_int_equal(error, 0);
    assert_true(allowed > 5);
    net_free(net);
}

int test_sip_phones(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(passwords),
        cmocka_unit_test(bindings),
        cmocka_unit_test(no_more_than_sixteen),
        cmocka_unit_test(out_of_order),
        cmocka_unit_test(requests_without_password),
        cmocka_unit_test(several_phones),
        cmocka_unit_test(told_in_words),
        cmocka_unit_test(memory_runs_out_at_the_start),
    };
    return cmocka_run_group_tests_name("sip phones", tests, NULL, NULL);
}
