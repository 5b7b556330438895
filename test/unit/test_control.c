/* test_control.c - the command table as a program at the socket sees it: lines in, lines out, on a ring of virtual nodes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include "base/assert.h"
#include "control/control.h"
#include "support/node_net.h"

#define S RF_US_PER_S

/* One session on node 0 and everything that it was sent, oldest first. */
struct desk {
    struct node_net net;
    struct rf_control *control;
    struct rf_session *session;
    json_t *got; /* array */
    size_t shutdowns, listens;
};

static struct rf_now desk_now(void *ctx)
{
    return ((struct desk *)ctx)->net.now;
}

static void desk_send(void *ctx, struct rf_session *session, const char *line, size_t len)
{
    struct desk *d = ctx;
    assert_ptr_equal(session, d->session);
    assert_ptr_equal(rf_session_user(session), d);
    assert_true(len > 0 && line[len - 1] == '\n');
    assert_null(memchr(line, '\n', len - 1));
    json_t *object = json_loadb(line, len, 0, NULL);
    assert_true(json_is_object(object));
    json_array_append_new(d->got, object);
}

static void desk_shutdown(void *ctx)
{
    ((struct desk *)ctx)->shutdowns++;
}

static void desk_status(void *ctx, json_t *status)
{
    json_object_set_new(status, "shutdowns", json_integer((json_int_t)((struct desk *)ctx)->shutdowns));
}

static void desk_counters(void *ctx,
                          void (*fn)(void *arg, const char *room, const char *name, const char *help,
                                     uint64_t value),
                          void *arg)
{
    fn(arg, "desk", "listens", "times that somebody began to listen", ((struct desk *)ctx)->listens);
}

static void desk_listens(void *ctx)
{
    ((struct desk *)ctx)->listens++;
}

static int desk_open(void **state)
{
    struct desk *d = calloc(1, sizeof(*d));
    assert_non_null(d);
    node_net_init(&d->net, 5, 1, &rf_engine_plain, NULL, NULL);
    for (size_t i = 0; i < 3; i++) {
        char name[8];
        snprintf(name, sizeof(name), "s%zu", i);
        node_net_add(&d->net, name, RF_NODE_SUPERNODE);
        node_net_start(&d->net, i);
        rf_node_register(d->net.nodes[i].node, true, d->net.now);
        node_net_settle(&d->net, i);
        assert_true(node_net_until(&d->net, 60 * S, node_net_all_joined, NULL));
    }
    node_net_run(&d->net, 40 * S);
    struct rf_env env = {.mem = rf_mem_system()};
    struct rf_control_host host = {.ctx = d,
                                   .now = desk_now,
                                   .send = desk_send,
                                   .shutdown = desk_shutdown,
                                   .status = desk_status,
                                   .counters = desk_counters};
    assert_int_equal(rf_control_new(&env, d->net.nodes[0].node, &host, &d->control), 0);
    d->session = rf_control_open(d->control, d);
    assert_non_null(d->session);
    d->got = json_array();
    *state = d;
    return 0;
}

/* as the daemon does: the node first, so that commands under way end while their sessions are there */
static int desk_close(void **state)
{
    struct desk *d = *state;
    node_net_deinit(&d->net);
    rf_control_free(d->control);
    json_decref(d->got);
    free(d);
    return 0;
}

static void say(struct desk *d, const char *text)
{
    rf_control_input(d->control, d->session, text, strlen(text));
    node_net_settle(&d->net, 0);
}

static json_t *last(const struct desk *d)
{
    assert_true(json_array_size(d->got) > 0);
    return json_array_get(d->got, json_array_size(d->got) - 1);
}

static bool ended(struct node_net *net, void *arg)
{
    (void)net;
    const struct desk *d = arg;
    return json_array_size(d->got) > 0 &&
           (json_object_get(last(d), "result") != NULL || json_object_get(last(d), "error") != NULL);
}

/* says the line, lets time pass until its result or error, and returns that object (borrowed until the next ask) */
static json_t *ask(struct desk *d, const char *line)
{
    json_array_clear(d->got);
    say(d, line);
    assert_true(node_net_until(&d->net, 60 * S, ended, d));
    return last(d);
}

static const char *code_of(const json_t *answer)
{
    const json_t *error = json_object_get(answer, "error");
    assert_true(error == NULL || json_string_length(json_object_get(error, "text")) > 0);
    return error != NULL ? json_string_value(json_object_get(error, "code")) : "";
}

static void test_refused_lines(void **state)
{
    struct desk *d = *state;
    static const struct {
        const char *line, *code, *text; /* text: must occur in the answer's; NULL: any */
    } rows[] = {
        {"x\n", "RF_EFORMAT", "JSON"},
        {"[]\n", "RF_EFORMAT", "JSON"},
        {"{\"cmd\":\"status\"\n", "RF_EFORMAT", "JSON"},
        {"{\"cmd\":\"status\",\"cmd\":\"peers\"}\n", "RF_EFORMAT", NULL},
        {"{}\n", "RF_EFORMAT", "cmd"},
        {"{\"cmd\":7}\n", "RF_EFORMAT", "cmd"},
        {"{\"cmd\":\"status\",\"args\":[]}\n", "RF_EFORMAT", "args"},
        {"{\"cmd\":\"nothing\"}\n", "RF_EUNKNOWN", "nothing"},
        {"{\"cmd\":\"status\",\"args\":{\"a\":1}}\n", "RF_EINVAL", "\"a\" is not known"},
        {"{\"cmd\":\"ping\"}\n", "RF_EINVAL", "\"target\" is missing"},
        {"{\"cmd\":\"ping\",\"args\":{\"target\":7}}\n", "RF_EINVAL", "wrong type"},
        {"{\"cmd\":\"trace\",\"args\":{\"target\":\"a\",\"resource\":1}}\n", "RF_EINVAL", "wrong type"},
        {"{\"cmd\":\"ping\",\"args\":{\"target\":\"a b\"}}\n", "RF_EFORMAT", "user name"},
        {"{\"cmd\":\"whois\",\"args\":{\"name\":\"\"}}\n", "RF_EFORMAT", "user name"},
        {"{\"cmd\":\"fetch\",\"args\":{\"kind\":\"none\",\"name\":\"s0\"}}\n", "RF_EUNKNOWN", "Kind"},
        /* the sentence is cut within a character of the name: it must come all the same */
        {"{\"cmd\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\xc3\xa4\"}\n", "RF_EUNKNOWN",
         "no such command"},
        {"{\"cmd\":\"status\",\"args\":{\"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\xc3\xa4\":1}}\n",
         "RF_EINVAL", "is not known"},
    };
    for (size_t i = 0; i < RF_COUNT(rows); i++) {
        json_t *answer = ask(d, rows[i].line);
        assert_int_equal(json_array_size(d->got), 1);
        assert_string_equal(code_of(answer), rows[i].code);
        const char *text = json_string_value(json_object_get(json_object_get(answer, "error"), "text"));
        assert_true(rows[i].text == NULL || strstr(text, rows[i].text) != NULL);
    }
    /* the id comes back whatever it is, an empty line is no request, and nothing of all that broke the session */
    json_t *answer = ask(d, "\n\r\n{\"id\":\"x\",\"cmd\":\"nothing\"}\n");
    assert_int_equal(json_array_size(d->got), 1);
    assert_string_equal(json_string_value(json_object_get(answer, "id")), "x");
    assert_non_null(json_object_get(ask(d, "{\"cmd\":\"status\"}\r\n"), "result"));
}

static void test_cut_anywhere(void **state)
{
    struct desk *d = *state;
    static const char line[] = "{\"id\":3,\"cmd\":\"status\"}\n{\"id\":4,\"cmd\":\"help\"}\n";
    for (size_t at = 0; at < sizeof(line) - 1; at++) {
        json_array_clear(d->got);
        rf_control_input(d->control, d->session, line, at);
        rf_control_input(d->control, d->session, line + at, sizeof(line) - 1 - at);
        assert_int_equal(json_integer_value(json_object_get(json_array_get(d->got, 0), "id")), 3);
        assert_non_null(json_object_get(json_array_get(d->got, 0), "result"));
        assert_int_equal(json_integer_value(json_object_get(last(d), "id")), 4);
        assert_non_null(json_object_get(last(d), "result"));
    }
}

static void test_overlong(void **state)
{
    struct desk *d = *state;
    size_t len = (size_t)3 * 1024 * 1024;
    char *much = malloc(len);
    assert_non_null(much);
    memset(much, 'a', len);
    for (size_t done = 0; done < len; done += 16384)
        rf_control_input(d->control, d->session, much + done, 16384);
    free(much);
    assert_int_equal(json_array_size(d->got), 1); /* told once */
    assert_string_equal(code_of(last(d)), "RF_ELIMIT");
    assert_non_null(json_object_get(ask(d, "still the same line\n{\"cmd\":\"status\"}\n"), "result"));
    assert_int_equal(json_array_size(d->got), 1);
}

static void test_looking(void **state)
{
    struct desk *d = *state;
    char id[RF_ID_TEXT_LEN];
    json_t *r = json_object_get(ask(d, "{\"cmd\":\"status\"}\n"), "result");
    assert_string_equal(json_string_value(json_object_get(r, "state")), "joined");
    assert_string_equal(json_string_value(json_object_get(r, "node")),
                        rf_id_text(&d->net.nodes[0].identity.node_id, id));
    r = json_object_get(ask(d, "{\"cmd\":\"peers\"}\n"), "result");
    assert_int_equal(json_integer_value(json_object_get(r, "count")), json_array_size(d->got) - 1);
    assert_true(json_array_size(d->got) >= 3);
    r = json_object_get(ask(d, "{\"cmd\":\"ring\"}\n"), "result");
    assert_int_equal(json_integer_value(json_object_get(r, "count")), json_array_size(d->got) - 1);
    r = json_object_get(ask(d, "{\"cmd\":\"counters\"}\n"), "result");
    assert_non_null(
        json_object_get(json_object_get(r, "link"), "links_up") != NULL ? r : json_object_get(r, "link"));
    /* what the shell adds */
    assert_int_equal(json_integer_value(json_object_get(json_object_get(r, "desk"), "listens")), 0);
    r = json_object_get(ask(d, "{\"cmd\":\"status\"}\n"), "result");
    assert_true(json_is_integer(json_object_get(r, "shutdowns")));
    ask(d, "{\"cmd\":\"help\"}\n");
    assert_true(json_array_size(d->got) > 10);
    for (size_t i = 0; i + 1 < json_array_size(d->got); i++)
        assert_non_null(json_object_get(json_array_get(d->got, i), "item"));
}

static void test_asking(void **state)
{
    struct desk *d = *state;
    char id[RF_ID_TEXT_LEN];
    rf_id_text(&d->net.nodes[1].identity.node_id, id);
    json_t *r = json_object_get(ask(d, "{\"cmd\":\"whois\",\"args\":{\"name\":\"s1\"}}\n"), "result");
    json_t *device = json_array_get(json_object_get(r, "devices"), 0);
    assert_string_equal(json_string_value(json_object_get(device, "node")), id);
    assert_string_equal(code_of(ask(d, "{\"cmd\":\"whois\",\"args\":{\"name\":\"nobody\"}}\n")),
                        "RF_ENOTFOUND");
    r = json_object_get(ask(d, "{\"cmd\":\"ping\",\"args\":{\"target\":\"s1\"}}\n"), "result");
    assert_string_equal(json_string_value(json_object_get(r, "node")), id);
    assert_true(json_integer_value(json_object_get(r, "rtt_us")) > 0);
    assert_string_equal(code_of(ask(d, "{\"cmd\":\"ping\",\"args\":{\"target\":\"nobody\"}}\n")),
                        "RF_ENOTFOUND");
    ask(d, "{\"id\":9,\"cmd\":\"trace\",\"args\":{\"target\":\"s2\"}}\n");
    assert_true(json_array_size(d->got) >= 2); /* a hop and the end, all with the request's id */
    for (size_t i = 0; i < json_array_size(d->got); i++)
        assert_int_equal(json_integer_value(json_object_get(json_array_get(d->got, i), "id")), 9);
    assert_non_null(json_object_get(last(d), "result"));
}

/* a Kind's name in either case, with dashes or underscores, or its number */
static void test_kinds(void **state)
{
    static const char *const kinds[] = {"SIP-REGISTRATION",
                                        "sip-registration",
                                        "Sip_Registration",
                                        "1",
                                        "0x1",
                                        "CERTIFICATE_BY_USER",
                                        "certificate-by-user",
                                        "16"};
    struct desk *d = *state;
    for (size_t i = 0; i < RF_COUNT(kinds); i++) {
        char line[120];
        snprintf(line, sizeof(line), "{\"cmd\":\"fetch\",\"args\":{\"kind\":\"%s\",\"name\":\"s1\"}}\n",
                 kinds[i]);
        json_t *r = json_object_get(ask(d, line), "result");
        assert_int_equal(json_integer_value(json_object_get(r, "count")), 1);
        assert_int_equal(json_array_size(d->got), 2);
    }
}

static void test_events(void **state)
{
    struct desk *d = *state;
    struct rf_node_out out = {.type = RF_NODE_OUT_EVENT,
                              .event = {.type = RF_NODE_EVENT_LOST, .error = RF_ETIMEOUT}};
    rf_control_node_event(d->control, &out);
    assert_int_equal(json_array_size(d->got), 0); /* nobody listens */
    rf_control_on_listen(d->control, desk_listens, d);
    assert_non_null(json_object_get(ask(d, "{\"cmd\":\"listen\"}\n"), "result"));
    assert_int_equal(d->listens, 1);
    assert_int_equal(rf_control_listeners(d->control), 1);
    memset(out.event.text, 'a', sizeof(out.event.text) - 2);
    out.event.text[sizeof(out.event.text) - 2] = (char)0xc3; /* cut within a character */
    rf_control_node_event(d->control, &out);
    json_t *event = json_object_get(last(d), "event");
    assert_string_equal(json_string_value(json_object_get(event, "type")), "lost");
    assert_string_equal(json_string_value(json_object_get(event, "error")), "RF_ETIMEOUT");
    assert_int_equal(json_string_length(json_object_get(event, "text")), sizeof(out.event.text) - 1);
    ask(d, "{\"cmd\":\"shutdown\"}\n");
    assert_int_equal(d->shutdowns, 1);
}

/* the program goes away while its commands are under way: they end unheard */
static void test_gone(void **state)
{
    struct desk *d = *state;
    say(d, "{\"cmd\":\"ping\",\"args\":{\"target\":\"s1\"}}\n{\"cmd\":\"whois\",\"args\":{\"name\":\"s2\"}}\n"
           "{\"cmd\":\"trace\",\"args\":{\"target\":\"s2\"}}\n");
    assert_int_equal(json_array_size(d->got), 0);
    rf_control_close(d->control, d->session);
    d->session = rf_control_open(d->control, d);
    node_net_run(&d->net, 60 * S);
    assert_int_equal(json_array_size(d->got), 0);
    assert_non_null(json_object_get(ask(d, "{\"cmd\":\"status\"}\n"), "result"));
}

/* the node ends while commands are under way: each is told so, once */
static void test_node_ends(void **state)
{
    struct desk *d = *state;
    say(d, "{\"id\":1,\"cmd\":\"ping\",\"args\":{\"target\":\"s1\"}}\n"
           "{\"id\":2,\"cmd\":\"whois\",\"args\":{\"name\":\"s2\"}}\n"
           "{\"id\":3,\"cmd\":\"trace\",\"args\":{\"target\":\"s2\"}}\n"
           "{\"id\":4,\"cmd\":\"fetch\",\"args\":{\"kind\":\"SIP-REGISTRATION\",\"name\":\"s2\"}}\n");
    node_net_kill(&d->net, 0);
    for (size_t i = 0; i < json_array_size(d->got); i++)
        if (json_object_get(json_array_get(d->got, i), "result") == NULL)
            assert_string_equal(code_of(json_array_get(d->got, i)), "RF_ECANCELLED");
    assert_int_equal(json_array_size(d->got), 4);
}

/* one session cannot ask without end */
static void test_too_many(void **state)
{
    struct desk *d = *state;
    static const char ping[] = "{\"cmd\":\"ping\",\"args\":{\"target\":\"s1\"}}\n";
    for (size_t i = 0; i < 256; i++)
        rf_control_input(d->control, d->session, ping, sizeof(ping) - 1);
    size_t refused = json_array_size(d->got);
    assert_int_equal(refused, 0);
    say(d, "{\"cmd\":\"status\"}\n");
    assert_string_equal(code_of(last(d)), "RF_EBUSY");
    node_net_run(&d->net, 60 * S);
    assert_int_equal(json_array_size(d->got), 257);
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, desk_open, desk_close)
    const struct CMUnitTest tests[] = {
        T(test_refused_lines), T(test_cut_anywhere), T(test_overlong), T(test_looking),   T(test_asking),
        T(test_kinds),         T(test_events),       T(test_gone),     T(test_node_ends), T(test_too_many),
    };
    cmocka_set_test_filter(getenv("TEST_FILTER"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
