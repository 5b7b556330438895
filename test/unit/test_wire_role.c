/* test_wire_role.c - what nodes say about roles: the bytes of docs/protocol/roles.md, there and back; what is broken or too much; as text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "base/assert.h"
#include "base/error.h"
#include "base/text.h"
#include "support/wire_buf.h"
#include "wire/code.h"
#include "wire/contents.h"
#include "wire/dump_internal.h"
#include "wire/role.h"

#define ID_LEN 16

/* ---- vectors: worked out by hand from the document ---- */

#define ASK_PLAIN "5246727102" /* RFrq, candidate */
#define ASK_DIAL                                                                                             \
    "5246727103"                                                                                             \
    "0106"                                                                                                   \
    "c0000205"                                                                                               \
    "17c4" /* candidate, dial 192.0.2.5:6084 */
#define SAID                                                                                                 \
    "52467273"                                                                                               \
    "60"                                                                                                     \
    "01"                                                                                                     \
    "00"                                                                                                     \
    "0007"                                                                                                   \
    "00000015"
#define SAID_SEEN                                                                                            \
    SAID "0106"                                                                                              \
         "c6336407"                                                                                          \
         "9c40" /* 198.51.100.7:40000 */
#define MOVE                                                                                                 \
    "52466d76"                                                                                               \
    "0000ea60"                                                                                               \
    "0010"                                                                                                   \
    "a0000000000000000000000000000001"

static struct rf_view hex(const char *text)
{
    static uint8_t bytes[256];
    size_t len = strlen(text) / 2;
    for (size_t i = 0; i < len; i++) {
        static const char digits[] = "0123456789abcdef";
        bytes[i] = (uint8_t)((strchr(digits, text[2 * i]) - digits) * 16 +
                             (strchr(digits, text[2 * i + 1]) - digits));
    }
    return rf_view_of(bytes, len);
}

static void is_written(const char *text)
{
    assert_int_equal(rf_buf_error(&buf), 0);
    assert_true(rf_view_equal(rf_buf_view(&buf), hex(text)));
}

static void test_ask(void **state)
{
    struct rf_role_ask ask;
    (void)state;
    assert_int_equal(rf_role_tag_of(hex(ASK_PLAIN)), RF_ROLE_ASK);
    assert_int_equal(rf_role_ask_decode(hex(ASK_PLAIN), &ask), 0);
    assert_int_equal(ask.wants, RF_ROLE_CANDIDATE);
    rf_role_ask_encode(&ask, &buf);
    is_written(ASK_PLAIN);
    rf_buf_reset(&buf);
    assert_int_equal(rf_role_ask_decode(hex(ASK_DIAL), &ask), 0);
    assert_int_equal(ask.wants, RF_ROLE_CANDIDATE | RF_ROLE_DIAL);
    assert_int_equal(ask.address.port, 6084);
    assert_int_equal(ask.address.ip[3], 5);
    rf_role_ask_encode(&ask, &buf);
    is_written(ASK_DIAL);
    for (size_t len = 0; len < buf.len; len++)
        assert_true(rf_role_ask_decode(rf_view_of(buf.p, len), &ask) < 0);
    rf_buf_view_put(&buf, rf_view_str("of a later version"));
    assert_int_equal(rf_role_ask_decode(rf_buf_view(&buf), &ask), 0);
}

static void test_said(void **state)
{
    struct rf_role_said said;
    (void)state;
    assert_int_equal(rf_role_said_decode(hex(SAID), &said), 0);
    assert_int_equal(said.load, 96);
    assert_int_equal(said.dial, RF_ROLE_DIAL_BEGUN);
    assert_false(said.granted);
    assert_int_equal(said.candidates, 7);
    assert_int_equal(said.ring_size, 21);
    rf_role_said_encode(&said, &buf);
    is_written(SAID);
    for (size_t len = 0; len < buf.len; len++)
        assert_true(rf_role_said_decode(rf_view_of(buf.p, len), &said) < 0);
    rf_buf_reset(&buf);
    assert_int_equal(said.seen.family, 0);
    assert_int_equal(rf_role_said_decode(hex(SAID_SEEN), &said), 0);
    assert_int_equal(said.seen.port, 40000);
    assert_int_equal(said.seen.ip[3], 7);
    rf_role_said_encode(&said, &buf);
    is_written(SAID_SEEN);
    for (size_t len = 14; len < buf.len; len++)
        assert_true(rf_role_said_decode(rf_view_of(buf.p, len), &said) < 0);
    buf.p[5] = 200; /* an outcome that we do not know */
    assert_int_equal(rf_role_said_decode(rf_buf_view(&buf), &said), 0);
    assert_int_equal(said.dial, RF_ROLE_DIAL_LATER);
    assert_int_equal(rf_role_said_decode(hex(MOVE), &said), RF_EUNKNOWN);
}

static void test_move(void **state)
{
    struct rf_role_move move;
    (void)state;
    assert_int_equal(rf_role_tag_of(hex(MOVE)), RF_ROLE_MOVE);
    assert_int_equal(rf_role_move_decode(hex(MOVE), ID_LEN, &move), 0);
    assert_int_equal(move.within_ms, 60000);
    assert_int_equal(move.alternative_count, 1);
    assert_int_equal(move.alternatives[0].b[15], 1);
    rf_role_move_encode(&move, &buf);
    is_written(MOVE);
    for (size_t len = 0; len < buf.len; len++)
        assert_true(rf_role_move_decode(rf_view_of(buf.p, len), ID_LEN, &move) < 0);
    assert_int_equal(rf_role_move_decode(rf_buf_view(&buf), 20, &move), RF_ELENGTH);
}

/* thousands of alternatives; a list with what is no Node-ID */
static void test_liars(void **state)
{
    struct rf_role_move move;
    (void)state;
    rf_buf_u32(&buf, UINT32_C(0x52466d76));
    rf_buf_u32(&buf, 0);
    size_t mark = rf_buf_open(&buf, 2);
    for (unsigned i = 0; i < 3000; i++) {
        rf_buf_u64(&buf, i + 1);
        rf_buf_u64(&buf, 7);
    }
    rf_buf_close(&buf, mark, 2);
    assert_int_equal(rf_role_move_decode(rf_buf_view(&buf), ID_LEN, &move), 0);
    assert_int_equal(move.alternative_count, RF_ROLE_ALTERNATIVES);
    memset(buf.p + 10, 0, ID_LEN);
    assert_int_equal(rf_role_move_decode(rf_buf_view(&buf), ID_LEN, &move), RF_EFORMAT);
    assert_int_equal(rf_role_tag_of(rf_view_str("RFx")), RF_ROLE_NONE);
    assert_int_equal(rf_role_tag_of(rf_view_str("chat")), RF_ROLE_NONE);
}

static void test_text(void **state)
{
    static const struct {
        uint16_t code;
        const char *bytes, *text;
    } cases[] = {
        {RF_CODE_EXP_A_REQ, ASK_PLAIN, "  role_ask wants candidate\n"},
        {RF_CODE_EXP_A_REQ, ASK_DIAL, "  role_ask wants candidate dial 192.0.2.5:6084\n"},
        {RF_CODE_EXP_A_REQ, MOVE,
         "  role_move within 60000 ms\n  alternatives [a0000000000000000000000000000001]\n"},
        {RF_CODE_EXP_A_ANS, SAID, "  role_said load 96/128 dial 1 granted 0 candidates 7 ring_size 21\n"},
        {RF_CODE_EXP_A_ANS, SAID_SEEN,
         "  role_said load 96/128 dial 1 granted 0 candidates 7 ring_size 21 seen 198.51.100.7:40000\n"},
        {RF_CODE_EXP_A_ANS, "", ""},
        {RF_CODE_EXP_A_REQ, "63686174", "  body 63686174\n"},
    };
    (void)state;
    for (size_t i = 0; i < RF_COUNT(cases); i++) {
        struct dump dump = {.out = &buf, .region = NULL, .id_len = ID_LEN};
        rf_buf_reset(&buf);
        assert_int_equal(dump_body(&dump, cases[i].code, hex(cases[i].bytes)), 0);
        assert_true(rf_view_equal(rf_buf_view(&buf), rf_view_str(cases[i].text)));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_ask, setup, teardown),
        cmocka_unit_test_setup_teardown(test_said, setup, teardown),
        cmocka_unit_test_setup_teardown(test_move, setup, teardown),
        cmocka_unit_test_setup_teardown(test_liars, setup, teardown),
        cmocka_unit_test_setup_teardown(test_text, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
