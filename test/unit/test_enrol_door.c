/* test_enrol_door.c - paths, methods, forms and headers of the HTTP side. */
#include "test_enrol.h"

#include <stdio.h>
#include "enrol/door.h"
#include "enrol/multipart.h"

#define BOUNDARY "XbX"
#define FORM     "multipart/form-data; boundary=" BOUNDARY

static void put_document(struct world *w, uint64_t number, uint16_t sequence, const char *xml)
{
    struct memory_document *row = &w->store->now.documents[w->store->now.document_count++];
    row->document = (struct rf_enrol_document){number, sequence, WALL_MS};
    row->len = strlen(xml);
    memcpy(row->xml, xml, row->len);
}

/* ask_door does one whole request. */
static void ask_door(struct world *w, struct rf_door *door, const struct rf_door_request *request,
                     struct rf_door_answer *answer)
{
    struct rf_enrol_attempt *attempt;
    rf_door_answer_init(answer, rf_mem_system());
    rf_door_begin(door, request, &w->now, answer, &attempt);
    if (!attempt)
        return;
    rf_password_run(&attempt->job);
    rf_door_finish(door, attempt, &w->now, answer);
}

static struct rf_door_request request_for(const char *method, const char *path)
{
    struct rf_door_request r = {.method = rf_view_str(method), .path = rf_view_str(path)};
    assert_int_equal(rf_addr_parse("192.0.2.7", 0, &r.peer), RF_OK);
    return r;
}

static const struct {
    const char *method, *path, *type, *body;
    int status;
    const char *reason, *allow;
} rows[] = {
    {"GET", "/", "", "", 404, "reload-config", NULL},
    {"GET", "/.well-known/p2psip-enroll", "", "", 404, "reload-config", NULL},
    {"GET", "/.well-known/reload-config/", "", "", 404, "reload-config", NULL},
    {"POST", "/.well-known/reload-config", "", "", 405, "GET, HEAD", "GET, HEAD"},
    {"DELETE", "/.well-known/reload-config", "", "", 405, "GET, HEAD", "GET, HEAD"},
    {"GET", "/enrol", "", "", 405, "POST", "POST"},
    {"PUT", "/enrol", FORM, "--XbX--", 405, "POST", "POST"},
    {"OPTIONS", "*", "", "", 404, "reload-config", NULL},
    {"POST", "/enrol", "", "", 415, "multipart", NULL},
    {"POST", "/enrol", "application/json", "{}", 415, "multipart", NULL},
    {"POST", "/enrol", "multipart/form-data", "", 400, "malformed", NULL},
    {"POST", "/enrol", FORM, "", 400, "malformed", NULL},
    {"POST", "/enrol", FORM, "--XbX\r\nContent-Disposition: form-data; name=\"csr\"\r\n\r\nabc", 400,
     "malformed", NULL},
    {"POST", "/enrol", FORM,
     "--XbX\r\nContent-Disposition: form-data; name=\"csr\"\r\n\r\na\r\n--XbX\r\nContent-Disposition: "
     "form-data; name=\"csr\"\r\n\r\nb\r\n--XbX--",
     400, "twice", NULL},
    {"POST", "/enrol", FORM, "--XbX--", 403, "no certificate request", NULL},
};

static void test_refusals(void **state)
{
    struct world w;
    struct rf_door door;
    (void)state;
    world_init(&w);
    rf_door_init(&door, &w.mem.mem, w.crypto, &w.store->store, w.enrol);
    put_document(&w, 1, 1, "<overlay/>");
    for (size_t i = 0; i < RF_COUNT(rows); i++) {
        struct rf_door_request r = request_for(rows[i].method, rows[i].path);
        struct rf_door_answer answer;
        r.content_type = rf_view_str(rows[i].type);
        r.body = rf_view_str(rows[i].body);
        ask_door(&w, &door, &r, &answer);
        if (answer.status != rows[i].status || !strstr(answer.enrol.reason, rows[i].reason))
            fail_msg("%s %s (%zu): %d %s", rows[i].method, rows[i].path, i, answer.status,
                     answer.enrol.reason);
        assert_true(answer.body.len > 0);
        assert_string_equal(answer.content_type, "text/plain; charset=utf-8");
        if (rows[i].allow)
            assert_string_equal(answer.allow, rows[i].allow);
        else
            assert_null(answer.allow);
        if (answer.status == 403) /* exactly the token, and the sentence beside it */
            assert_true(rf_view_equal(answer.body, rf_view_str("bad_CSR")));
        rf_door_answer_deinit(&answer);
    }
    rf_door_deinit(&door);
    world_deinit(&w);
}

static void test_document(void **state)
{
    struct world w;
    struct rf_door door;
    struct rf_door_answer answer;
    struct rf_door_request r = request_for("GET", "/.well-known/reload-config");
    char etag[40], list[128];
    (void)state;
    world_init(&w);
    rf_door_init(&door, &w.mem.mem, w.crypto, &w.store->store, w.enrol);
    ask_door(&w, &door, &r, &answer);
    assert_int_equal(answer.status, 404);
    rf_door_answer_deinit(&answer);
    put_document(&w, 1, 1, "<overlay>one</overlay>");
    ask_door(&w, &door, &r, &answer);
    assert_int_equal(answer.status, 200);
    assert_string_equal(answer.content_type, "application/p2p-overlay+xml");
    assert_true(rf_view_equal(answer.body, rf_view_str("<overlay>one</overlay>")));
    assert_int_equal(strlen(answer.etag), 34);
    memcpy(etag, answer.etag, sizeof(etag));
    rf_door_answer_deinit(&answer);
    snprintf(list, sizeof(list), "\"other\", W/%s", etag);
    const struct {
        const char *if_none_match;
        int status;
    } conditions[] = {{etag, 304}, {list, 304}, {"*", 304}, {"\"other\"", 200}, {"", 200}};
    for (size_t i = 0; i < RF_COUNT(conditions); i++) {
        r.if_none_match = rf_view_str(conditions[i].if_none_match);
        ask_door(&w, &door, &r, &answer);
        assert_int_equal(answer.status, conditions[i].status);
        assert_string_equal(answer.etag, etag);
        assert_true((answer.body.len == 0) == (answer.status == 304));
        rf_door_answer_deinit(&answer);
    }
    /* another process puts a new one: no restart is needed */
    put_document(&w, 2, 2, "<overlay>two</overlay>");
    r.if_none_match = rf_view_str(etag);
    ask_door(&w, &door, &r, &answer);
    assert_int_equal(answer.status, 200);
    assert_true(rf_view_equal(answer.body, rf_view_str("<overlay>two</overlay>")));
    assert_string_not_equal(answer.etag, etag);
    rf_door_answer_deinit(&answer);
    /* the database is away for a moment: the document is still served */
    r.if_none_match = (struct rf_view){0};
    w.store->calls = 0;
    w.store->fail_at = 1;
    ask_door(&w, &door, &r, &answer);
    assert_int_equal(answer.status, 200);
    assert_true(rf_view_equal(answer.body, rf_view_str("<overlay>two</overlay>")));
    rf_door_answer_deinit(&answer);
    rf_door_deinit(&door);
    /* but a server that never saw one says 503 */
    rf_door_init(&door, &w.mem.mem, w.crypto, &w.store->store, w.enrol);
    w.store->calls = 0;
    ask_door(&w, &door, &r, &answer);
    assert_int_equal(answer.status, 503);
    assert_true(answer.enrol.retry_after_s > 0);
    rf_door_answer_deinit(&answer);
    rf_door_deinit(&door);
    world_deinit(&w);
}

static void put(struct rf_buf *body, const char *name, const char *value)
{
    rf_multipart_put(body, BOUNDARY, name, NULL, rf_view_str(value));
}

static void test_form(void **state)
{
    struct world w;
    struct rf_door door;
    struct rf_door_answer answer;
    struct device d;
    struct rf_buf body;
    struct rf_door_request r = request_for("POST", "/enrol");
    (void)state;
    world_init(&w);
    device_init(&w, &d, RF_KEY_P256, "alice@example.org");
    rf_door_init(&door, &w.mem.mem, w.crypto, &w.store->store, w.enrol);
    rf_buf_init(&body, rf_mem_system(), 65536);
    put(&body, "username", "alice");
    put(&body, "password", PASSWORD);
    put(&body, "nodeids", "1");
    put(&body, "comment", "parts of other versions are left alone");
    rf_multipart_put(&body, BOUNDARY, "csr", "application/pkcs10", rf_buf_view(&d.csr));
    rf_multipart_end(&body, BOUNDARY);
    r.content_type = rf_view_str(FORM);
    r.body = rf_buf_view(&body);
    ask_door(&w, &door, &r, &answer);
    assert_int_equal(answer.status, 200);
    assert_string_equal(answer.content_type, "application/pkix-cert");
    rf_buf_view_put(&d.certificate, answer.body);
    rf_door_answer_deinit(&answer);
    /* renewal: the certificate in the form, then the one of the TLS client */
    for (int tls = 0; tls < 2; tls++) {
        rf_buf_reset(&body);
        if (tls)
            r.client_certificate = rf_buf_view(&d.certificate);
        else
            rf_multipart_put(&body, BOUNDARY, "certificate", "application/pkix-cert",
                             rf_buf_view(&d.certificate));
        rf_multipart_put(&body, BOUNDARY, "csr", "application/pkcs10", rf_buf_view(&d.csr));
        rf_multipart_end(&body, BOUNDARY);
        r.body = rf_buf_view(&body);
        ask_door(&w, &door, &r, &answer);
        assert_int_equal(answer.status, 200);
        rf_door_answer_deinit(&answer);
    }
    /* a password beside the TLS certificate decides */
    rf_buf_reset(&body);
    put(&body, "username", "alice");
    put(&body, "password", "wrong");
    rf_multipart_put(&body, BOUNDARY, "csr", "application/pkcs10", rf_buf_view(&d.csr));
    rf_multipart_end(&body, BOUNDARY);
    r.body = rf_buf_view(&body);
    ask_door(&w, &door, &r, &answer);
    assert_int_equal(answer.status, 403);
    assert_true(rf_view_equal(answer.body, rf_view_str("failed_authentication")));
    rf_door_answer_deinit(&answer);
    rf_buf_deinit(&body);
    device_deinit(&w, &d);
    rf_door_deinit(&door);
    world_deinit(&w);
}

static void test_form_limits(void **state)
{
    struct world w;
    struct rf_door door;
    struct rf_door_answer answer;
    struct rf_buf body;
    struct rf_door_request r = request_for("POST", "/enrol");
    char name[16];
    (void)state;
    world_init(&w);
    rf_door_init(&door, &w.mem.mem, w.crypto, &w.store->store, w.enrol);
    rf_buf_init(&body, rf_mem_system(), 65536);
    for (int i = 0; i < 20; i++) {
        snprintf(name, sizeof(name), "p%d", i);
        put(&body, name, "x");
    }
    rf_multipart_end(&body, BOUNDARY);
    r.content_type = rf_view_str(FORM);
    r.body = rf_buf_view(&body);
    ask_door(&w, &door, &r, &answer);
    assert_int_equal(answer.status, 400);
    assert_non_null(strstr(answer.enrol.reason, "too many parts"));
    rf_door_answer_deinit(&answer);
    assert_non_null(rf_buf_reserve(&body, RF_DOOR_BODY_MAX_LEN));
    memset(body.p, 'x', body.len);
    r.body = rf_buf_view(&body);
    ask_door(&w, &door, &r, &answer);
    assert_int_equal(answer.status, 400);
    rf_door_answer_deinit(&answer);
    rf_buf_deinit(&body);
    rf_door_deinit(&door);
    world_deinit(&w);
}

static void test_self_signed(void **state)
{
    struct world w;
    struct rf_door door;
    struct rf_door_answer answer;
    struct rf_door_request r = request_for("POST", "/enrol");
    (void)state;
    world_init(&w);
    rf_door_init(&door, &w.mem.mem, w.crypto, &w.store->store, NULL);
    ask_door(&w, &door, &r, &answer);
    assert_int_equal(answer.status, 404);
    assert_non_null(strstr(answer.enrol.reason, "self-signed"));
    rf_door_answer_deinit(&answer);
    rf_door_deinit(&door);
    world_deinit(&w);
}

int test_enrol_door(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refusals),    cmocka_unit_test(test_document),    cmocka_unit_test(test_form),
        cmocka_unit_test(test_form_limits), cmocka_unit_test(test_self_signed),
    };
    return cmocka_run_group_tests_name("enrol door", tests, NULL, NULL);
}
