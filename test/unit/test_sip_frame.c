/* test_sip_frame.c - SIP messages cut out of a stream, in any cut, and what leaves for the overlay. */
#include "test_sip.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "sip/frame.h"

#define HEAD "OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/TLS b;branch=z9hG4bK1\r\n"

struct row {
    const char *bytes;
    int result;            /* of the first framer_next that says more than a message */
    unsigned count, pings; /* messages before it */
};

static const struct row rows[] = {
    /* good */
    {HEAD "Content-Length: 0\r\n\r\n", RF_ESHORT, 1, 0},
    {HEAD "content-LENGTH :  5 \r\n\r\nhello", RF_ESHORT, 1, 0},
    {HEAD "l: 5\r\n\r\nhello" HEAD "l: 0\r\n\r\n", RF_ESHORT, 2, 0},
    {"\r\n\r\n" HEAD "l: 0\r\n\r\n\r\n\r\n\r\n\r\n" HEAD "l: 2\r\n\r\nab", RF_ESHORT, 2, 3},
    {"\r\n" HEAD "l: 0\r\n\r\n", RF_ESHORT, 1, 0},
    {HEAD "Subject: folded\r\n line\r\nl: 0\r\n\r\n", RF_ESHORT, 1, 0},
    {HEAD "l: 0\r\n\r\n\r\n", RF_ESHORT, 1, 0},
    /* not finished */
    {"", RF_ESHORT, 0, 0},
    {HEAD "l: 5\r\n\r\nhell", RF_ESHORT, 0, 0},
    {HEAD, RF_ESHORT, 0, 0},
    /* broken */
    {HEAD "\r\n", RF_EFORMAT, 0, 0},                               /* no length */
    {HEAD "l: 1\r\nContent-Length: 1\r\n\r\na", RF_EFORMAT, 0, 0}, /* two */
    {HEAD "l: 1\r\nl: 2\r\n\r\na", RF_EFORMAT, 0, 0},
    {HEAD "l: -1\r\n\r\n", RF_EFORMAT, 0, 0},
    {HEAD "l: 1x\r\n\r\n", RF_EFORMAT, 0, 0},
    {HEAD "l:\r\n\r\n", RF_EFORMAT, 0, 0},
    {HEAD "l: \r\n 1\r\n\r\na", RF_EFORMAT, 0, 0}, /* folded */
    {HEAD "l: 4294967296\r\n\r\n", RF_EFORMAT, 0, 0},
    {HEAD "l: 50000\r\n\r\n", RF_ELIMIT, 0, 0},
    {HEAD "no colon\r\nl: 0\r\n\r\n", RF_EFORMAT, 0, 0},
    {HEAD "X: a\nl: 3\r\nl: 0\r\n\r\n", RF_EFORMAT, 0, 0}, /* a bare LF: libre would see another line */
    {HEAD "X: a\rb\r\nl: 0\r\n\r\n", RF_EFORMAT, 0, 0},
    {"\r\n\rx\r\n\r\n", RF_EFORMAT, 0, 0},
    {"GET / HTTP/1.1\r\nHost: x\r\n\r\n", RF_EFORMAT, 0, 0},
};

static void check_cut(const struct row *row, size_t step)
{
    struct framer f;
    unsigned pings = 0, count = 0;
    size_t len = strlen(row->bytes);
    int error = RF_ESHORT;
    framer_init(&f, rf_mem_system());
    for (size_t at = 0; at == 0 || (at < len && error == RF_ESHORT); at += step) {
        struct rf_view message;
        size_t n = len - at < step ? len - at : step;
        assert_int_equal(framer_put(&f, rf_view_of(row->bytes + at, n)), 0);
        while ((error = framer_next(&f, &message, &pings)) == 0) {
            assert_memory_equal(message.p, "OPTIONS", 7);
            count++;
        }
    }
    if (error != row->result || count != row->count || pings != row->pings)
        fail_msg("cut by %zu: %s: %s, %u messages, %u pings", step, row->bytes, rf_error_text(error), count,
                 pings);
    framer_deinit(&f);
}

static void streams(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        for (size_t step = 1; step < 200; step = step < 20 ? step + 1 : step * 3)
            check_cut(&rows[i], step);
}

static void limits(void **state)
{
    struct framer f;
    struct rf_view message;
    unsigned pings = 0;
    char *big = malloc(2 * FRAME_MAX_HEADER);
    (void)state;
    /* a header that does not end */
    framer_init(&f, rf_mem_system());
    memset(big, 'a', 2 * FRAME_MAX_HEADER);
    assert_int_equal(framer_put(&f, rf_view_of(big, FRAME_MAX_HEADER)), 0);
    assert_int_equal(framer_next(&f, &message, &pings), RF_ESHORT);
    assert_int_equal(framer_put(&f, rf_view_of(big, 1)), 0);
    assert_int_equal(framer_next(&f, &message, &pings), RF_ELIMIT);
    framer_deinit(&f);
    /* the largest one, and a NUL in it */
    for (int nul = 0; nul < 2; nul++) {
        framer_init(&f, rf_mem_system());
        int n = snprintf(big, 2 * FRAME_MAX_HEADER, HEAD "l: 0\r\nX: ");
        memset(big + n, 'a', FRAME_MAX_HEADER - (size_t)n - 4);
        memcpy(big + FRAME_MAX_HEADER - 4, "\r\n\r\n", 4);
        if (nul)
            big[n + 100] = '\0';
        assert_int_equal(framer_put(&f, rf_view_of(big, FRAME_MAX_HEADER)), 0);
        assert_int_equal(framer_next(&f, &message, &pings), nul ? RF_EFORMAT : 0);
        framer_deinit(&f);
    }
    /* somebody who is not drained */
    framer_init(&f, rf_mem_system());
    int error = 0;
    for (int i = 0; i < 100 && error == 0; i++)
        error = framer_put(&f, rf_view_of(big, FRAME_MAX_HEADER));
    assert_int_equal(error, RF_ELIMIT);
    framer_deinit(&f);
    free(big);
}

static void outgoing(void **state)
{
    static const struct {
        const char *in, *out;
    } edits[] = {
        {"INVITE sip:b@x SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1:4711;branch=z9hG4bKa;rport\r\nTo: "
         "<sip:b@x>\r\n\r\nbody",
         "INVITE sip:b@x SIP/2.0\r\nVia: SIP/2.0/TLS example.org;branch=z9hG4bKa\r\nTo: "
         "<sip:b@x>\r\n\r\nbody"},
        {"SIP/2.0 200 OK\r\nTo: x\r\nv: SIP/2.0/TLS "
         "example.org;branch=z9hG4bKa;rport=5;received=127.0.0.1\r\n\r\n",
         "SIP/2.0 200 OK\r\nTo: x\r\nVia: SIP/2.0/TLS example.org;branch=z9hG4bKa\r\n\r\n"},
        {"SIP/2.0 200 OK\r\nVia: SIP/2.0/TLS y;received=127.0.0.1;branch=b;ttl=1\r\nVia: SIP/2.0/UDP "
         "z;received=1.2.3.4\r\n\r\n",
         "SIP/2.0 200 OK\r\nVia: SIP/2.0/TLS y;branch=b;ttl=1\r\nVia: SIP/2.0/UDP "
         "z;received=1.2.3.4\r\n\r\n"},
        {"SIP/2.0 200 OK\r\nTo: x\r\n\r\nVia: not a header\r\n", NULL},
        {"nothing", NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(edits) / sizeof(edits[0]); i++) {
        struct rf_buf out;
        rf_buf_init(&out, rf_mem_system(), 4096);
        int error = frame_outgoing(rf_view_str(edits[i].in), "example.org", &out);
        assert_int_equal(error, edits[i].out != NULL ? 0 : RF_EFORMAT);
        if (error == 0)
            assert_true(rf_view_equal(rf_buf_view(&out), rf_view_str(edits[i].out)));
        rf_buf_deinit(&out);
    }
}

static void memory_runs_out(void **state)
{
    (void)state;
    for (size_t allowed = 0; allowed < 2; allowed++) {
        struct rf_mem_test mem;
        struct framer f;
        struct rf_view message;
        unsigned pings = 0;
        rf_mem_test_init(&mem);
        mem.allowed = allowed;
        framer_init(&f, &mem.mem);
        int error = framer_put(&f, rf_view_str(rows[0].bytes));
        assert_int_equal(error, allowed == 0 ? RF_ENOMEM : 0);
        if (error == 0)
            assert_int_equal(framer_next(&f, &message, &pings), 0);
        framer_deinit(&f);
        assert_int_equal(mem.live_count, 0);
    }
}

int test_sip_frame(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(streams),
        cmocka_unit_test(limits),
        cmocka_unit_test(outgoing),
        cmocka_unit_test(memory_runs_out),
    };
    return cmocka_run_group_tests_name("sip frame", tests, NULL, NULL);
}
