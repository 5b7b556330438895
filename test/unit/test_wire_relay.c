/* test_wire_relay.c - how nodes ask for a relay: the bytes of docs/protocol/relay.md, there and back; what is broken or too much; as text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "base/assert.h"
#include "base/error.h"
#include "support/wire_buf.h"
#include "wire/code.h"
#include "wire/dump_internal.h"
#include "wire/relay.h"

#define BYTES(text) rf_view_of(text, sizeof(text) - 1)

/* ---- vectors: worked out by hand from the document ---- */

#define HEAD "RFta\0\0\0\x0e\x10" /* given, for 3600 s */
#define TEXTS                                                                                                \
    "\x05"                                                                                                   \
    "9:abc"                                                                                                  \
    "\x02"                                                                                                   \
    "pw"                                                                                                     \
    "\x01"                                                                                                   \
    "r"
#define UDP                                                                                                  \
    "\x00"                                                                                                   \
    "\x01\x06\xc0\x00\x02\x05\x17\xc4"                                                                       \
    "\x00" /* 192.0.2.5:6084 */
#define TLS                                                                                                  \
    "\x02"                                                                                                   \
    "\x01\x06\xc0\x00\x02\x05\x01\xbb"                                                                       \
    "\x05"                                                                                                   \
    "a.org"
#define V6                                                                                                   \
    "\x01"                                                                                                   \
    "\x02\x12\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\x0d\x96"                                             \
    "\x00" /* TCP, [2001:db8::1]:3478 */
#define SAID HEAD TEXTS "\x00\x2f" UDP TLS V6

static void test_ask(void **state)
{
    (void)state;
    rf_relay_ask_encode(&buf);
    assert_true(rf_view_equal(rf_buf_view(&buf), rf_view_str("RFtq")));
    assert_true(rf_relay_is_ask(rf_buf_view(&buf)));
    assert_true(rf_relay_is_ask(rf_view_str("RFtq of a later version")));
    assert_false(rf_relay_is_ask(rf_view_str("RFt")));
    assert_false(rf_relay_is_ask(rf_view_str("RFta")));
    assert_false(rf_relay_is_ask(rf_view_str("RFrq")));
}

static void test_said(void **state)
{
    struct rf_relay_said said;
    struct rf_addr tcp;
    (void)state;
    assert_int_equal(rf_relay_said_decode(BYTES(SAID), &said), 0);
    assert_int_equal(said.outcome, RF_RELAY_GIVEN);
    assert_int_equal(said.lifetime_s, 3600);
    assert_true(rf_view_equal(said.user, rf_view_str("9:abc")));
    assert_true(rf_view_equal(said.password, rf_view_str("pw")));
    assert_true(rf_view_equal(said.realm, rf_view_str("r")));
    assert_int_equal(said.server_count, 3);
    assert_int_equal(said.servers[0].transport, RF_RELAY_UDP);
    assert_int_equal(said.servers[0].address.port, 6084);
    assert_int_equal(said.servers[0].name.len, 0);
    assert_int_equal(said.servers[1].transport, RF_RELAY_TLS);
    assert_true(rf_view_equal(said.servers[1].name, rf_view_str("a.org")));
    assert_int_equal(said.servers[2].transport, RF_RELAY_TCP);
    assert_int_equal(rf_addr_parse("[2001:db8::1]:3478", 0, &tcp), 0);
    assert_true(rf_addr_equal(&said.servers[2].address, &tcp));
    rf_relay_said_encode(&said, &buf);
    assert_true(rf_view_equal(rf_buf_view(&buf), BYTES(SAID)));
    for (size_t len = 0; len < buf.len; len++)
        assert_true(rf_relay_said_decode(rf_view_of(buf.p, len), &said) < 0);
    rf_buf_view_put(&buf, rf_view_str("of a later version"));
    assert_int_equal(rf_relay_said_decode(rf_buf_view(&buf), &said), 0);
}

static void test_refused(void **state)
{
    static const struct {
        struct rf_view bytes;
        enum rf_relay_outcome outcome;
    } cases[] = {{{(const uint8_t *)"RFta\1", 5}, RF_RELAY_NONE_HERE},
                 {{(const uint8_t *)"RFta\2", 5}, RF_RELAY_NOT_NOW},
                 {{(const uint8_t *)"RFta\xff", 5}, RF_RELAY_NOT_NOW},
                 {{(const uint8_t *)"RFta\1more", 9}, RF_RELAY_NONE_HERE}};
    struct rf_relay_said said;
    (void)state;
    for (size_t i = 0; i < RF_COUNT(cases); i++) {
        assert_int_equal(rf_relay_said_decode(cases[i].bytes, &said), 0);
        assert_int_equal(said.outcome, cases[i].outcome);
        assert_int_equal(said.server_count, 0);
    }
    rf_relay_said_encode(&(struct rf_relay_said){.outcome = RF_RELAY_NONE_HERE, .lifetime_s = 7}, &buf);
    assert_true(rf_view_equal(rf_buf_view(&buf), cases[0].bytes));
}

static void test_broken(void **state)
{
    static const struct {
        struct rf_view bytes;
        int error;
    } cases[] = {
#define CASE(text, error) {{(const uint8_t *)(text), sizeof(text) - 1}, error}
        CASE("", RF_EUNKNOWN),
        CASE("RFtq", RF_EUNKNOWN),
        CASE("RFrs\1\1\0\0\0\0\0\0\0", RF_EUNKNOWN),
        CASE("RFta", RF_ESHORT),
        CASE(HEAD, RF_ESHORT),
        CASE(HEAD TEXTS, RF_ESHORT),
        CASE(HEAD TEXTS "\x00\x01\x00", RF_ESHORT), /* a server of one byte */
        CASE(HEAD TEXTS "\x00\x0a\x00\x01\x05\xc0\x00\x02\x05\x17\xc4\x00", RF_ELENGTH), /* IPv4 of five */
        CASE(HEAD TEXTS "\x00\x0a\x00\x00\x06\xc0\x00\x02\x05\x17\xc4\x00", RF_EFORMAT), /* address type 0 */
        CASE(HEAD TEXTS "\x00\x0a\x00\x01\x06\xc0\x00\x02\x05\x17\xc4\x01",
             RF_ESHORT), /* its name is longer */
    };
    struct rf_relay_said said;
    (void)state;
    for (size_t i = 0; i < RF_COUNT(cases); i++) {
        int error = rf_relay_said_decode(cases[i].bytes, &said);
        if (error != cases[i].error)
            fail_msg("case %zu: %d", i, error);
        assert_int_equal(said.outcome, RF_RELAY_NOT_NOW);
    }
}

/* hundreds of servers, unknown kinds of them, texts without end */
static void test_too_much(void **state)
{
    struct rf_relay_said said;
    (void)state;
    rf_buf_view_put(&buf, BYTES(HEAD TEXTS));
    size_t mark = rf_buf_open(&buf, 2);
    rf_buf_view_put(&buf, BYTES("\x09\x01\x06\xc0\x00\x02\x05\x17\xc4\x00")); /* transport 9 */
    rf_buf_view_put(&buf, BYTES("\x00\x07\x02\xc0\x00\x00"));                 /* address type 7 */
    rf_buf_view_put(&buf, BYTES("\x00\x01\x06\xc0\x00\x02\x05\x00\x00\x00")); /* port 0 */
    for (unsigned i = 0; i < 500; i++)
        rf_buf_view_put(&buf, BYTES(UDP));
    rf_buf_close(&buf, mark, 2);
    assert_int_equal(rf_relay_said_decode(rf_buf_view(&buf), &said), 0);
    assert_int_equal(said.server_count, RF_RELAY_SERVERS);
    assert_int_equal(said.servers[0].address.port, 6084);
    rf_buf_reset(&buf);
    rf_buf_view_put(&buf, BYTES(HEAD));
    mark = rf_buf_open(&buf, 1);
    for (unsigned i = 0; i < RF_RELAY_TEXT_MAX + 1; i++)
        rf_buf_u8(&buf, 'x');
    rf_buf_close(&buf, mark, 1);
    rf_buf_view_put(&buf, BYTES("\x02"
                                "pw"
                                "\x01"
                                "r"
                                "\0\0"));
    assert_int_equal(rf_relay_said_decode(rf_buf_view(&buf), &said), RF_ELIMIT);
}

/* The password does not go into logs and traces. */
static void test_text(void **state)
{
    struct dump dump = {.out = &buf, .region = NULL, .id_len = 16};
    (void)state;
    assert_int_equal(dump_body(&dump, RF_CODE_EXP_A_REQ, rf_view_str("RFtq")), 0);
    assert_int_equal(dump_body(&dump, RF_CODE_EXP_A_ANS, BYTES(SAID)), 0);
    assert_int_equal(dump_body(&dump, RF_CODE_EXP_A_ANS, BYTES("RFta\1")), 0);
    assert_true(rf_view_equal(
        rf_buf_view(&buf),
        rf_view_str(
            "  relay_ask\n"
            "  relay_said user \"9:abc\" realm \"r\" for 3600 s udp 192.0.2.5:6084 tls 192.0.2.5:443 tcp "
            "[2001:db8::1]:3478\n"
            "  relay_said outcome 1\n")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_ask, setup, teardown),
        cmocka_unit_test_setup_teardown(test_said, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_broken, setup, teardown),
        cmocka_unit_test_setup_teardown(test_too_much, setup, teardown),
        cmocka_unit_test_setup_teardown(test_text, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
