/* test_wire_binding.c - what is said about a NAT's bindings: the bytes of docs/protocol/bindings.md, there and back; what is broken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "base/error.h"
#include "base/text.h"
#include "support/wire_buf.h"
#include "wire/binding.h"
#include "wire/contents.h"
#include "wire/path.h"

/* ---- vectors: worked out by hand from the document ---- */

#define TOKEN "000102030405060708090a0b0c0d0e0f"
#define ASK                                                                                                  \
    "52466271"                                                                                               \
    "02"                                                                                                     \
    "0000ea60" /* RFbq, a datagram, 60 s */
#define SAID                                                                                                 \
    "52466261"                                                                                               \
    "01"                                                                                                     \
    "0000bb80"                                                                                               \
    "10" TOKEN "0106"                                                                                        \
    "c6336407"                                                                                               \
    "9c40" /* RFba, given, 48 s, 198.51.100.7:40000 */
#define SAID_NOT                                                                                             \
    "52466261"                                                                                               \
    "00"                                                                                                     \
    "00000000"                                                                                               \
    "00"
#define PIECE "f252466201" TOKEN "00007530" /* a question, 30 s */
#define IDLE                                                                                                 \
    "0001"                                                                                                   \
    "00"                                                                                                     \
    "00000006"                                                                                               \
    "52467069"                                                                                               \
    "0078" /* exp, not critical, RFpi, 120 s */

static struct rf_view hex(const char *text)
{
    static uint8_t bytes[4][256];
    static unsigned next;
    uint8_t *to = bytes[next++ % 4];
    size_t len = strlen(text) / 2;
    for (size_t i = 0; i < len; i++) {
        static const char digits[] = "0123456789abcdef";
        to[i] = (uint8_t)((strchr(digits, text[2 * i]) - digits) * 16 +
                          (strchr(digits, text[2 * i + 1]) - digits));
    }
    return rf_view_of(to, len);
}

static void is_written(const char *text)
{
    assert_int_equal(rf_buf_error(&buf), 0);
    assert_true(rf_view_equal(rf_buf_view(&buf), hex(text)));
    rf_buf_reset(&buf);
}

static void test_ask(void **state)
{
    (void)state;
    struct rf_binding_ask ask;
    assert_int_equal(rf_binding_ask_decode(hex(ASK), &ask), 0);
    assert_true(rf_binding_is_ask(hex(ASK)));
    assert_int_equal(ask.wants, RF_BINDING_DATAGRAM);
    assert_int_equal(ask.silent_ms, 60000);
    rf_binding_ask_encode(&ask, &buf);
    is_written(ASK);
    assert_int_equal(rf_binding_ask_decode(hex("52466271"
                                               "77"
                                               "00000001"
                                               "aabb"),
                                           &ask),
                     0); /* wants what we do not know, says more */
    assert_int_equal(ask.wants, RF_BINDING_NOTHING);
    assert_false(rf_binding_is_ask(hex("52467271")));
    assert_false(rf_binding_is_ask(hex("5246")));
    assert_int_equal(rf_binding_ask_decode(hex(SAID), &ask), RF_EUNKNOWN);
}

static void test_said(void **state)
{
    (void)state;
    struct rf_binding_said said;
    assert_int_equal(rf_binding_said_decode(hex(SAID), &said), 0);
    assert_int_equal(said.outcome, RF_BINDING_GIVEN);
    assert_int_equal(said.silent_ms, 48000);
    assert_memory_equal(said.token, hex(TOKEN).p, 16);
    assert_int_equal(said.seen.port, 40000);
    rf_binding_said_encode(&said, &buf);
    is_written(SAID);
    assert_int_equal(rf_binding_said_decode(hex(SAID_NOT), &said), 0);
    assert_int_equal(said.outcome, RF_BINDING_NOT);
    assert_int_equal(said.seen.family, 0);
    rf_binding_said_encode(&said, &buf);
    is_written(SAID_NOT);
    assert_int_equal(rf_binding_said_decode(hex("52466261"
                                                "01"
                                                "00000000"
                                                "00"),
                                            &said),
                     0); /* given, and nothing was: come again */
    assert_int_equal(said.outcome, RF_BINDING_LATER);
    assert_int_equal(rf_binding_said_decode(hex("52466261"
                                                "09"
                                                "00000000"
                                                "00"),
                                            &said),
                     0);
    assert_int_equal(said.outcome, RF_BINDING_LATER);
    assert_int_equal(rf_binding_said_decode(hex("52466261"
                                                "01"
                                                "00000000"
                                                "03000102"),
                                            &said),
                     RF_ELENGTH); /* a token of another length */
}

static void test_piece(void **state)
{
    (void)state;
    struct rf_binding_piece piece;
    assert_int_equal(hex(PIECE).len, RF_BINDING_PIECE_LEN);
    assert_int_equal(rf_binding_piece_decode(hex(PIECE), &piece), 0);
    assert_true(rf_binding_is_piece(hex(PIECE)));
    assert_int_equal(piece.kind, RF_BINDING_QUESTION);
    assert_int_equal(piece.wait_ms, 30000);
    rf_binding_piece_encode(&piece, &buf);
    is_written(PIECE);
    assert_int_equal(rf_binding_piece_decode(hex(PIECE "000000"), &piece), 0); /* filled up */
    assert_int_equal(rf_binding_piece_decode(hex("f252466209" TOKEN "00007530"), &piece), RF_EUNKNOWN);
    assert_int_equal(rf_binding_piece_decode(hex("f252466200" TOKEN "00007530"), &piece), RF_EUNKNOWN);
    assert_int_equal(rf_binding_piece_decode(hex("f252466301" TOKEN "00007530"), &piece), RF_EUNKNOWN);
}

static void test_idle(void **state)
{
    (void)state;
    rf_binding_idle_put(120, &buf);
    uint8_t name[] = {'a', 'b'};
    struct rf_view both;
    assert_int_equal(rf_binding_idle_of(rf_buf_view(&buf)), 120);
    rf_path_name_put(rf_view_of(name, 2), &buf);
    both = rf_buf_view(&buf);
    assert_int_equal(rf_binding_idle_of(both), 120);
    assert_int_equal(rf_path_name_of(both).len, 2);
    assert_int_equal(rf_binding_idle_of(rf_view_of(NULL, 0)), 0);
    rf_buf_reset(&buf);
}

/* Cut anywhere: an error, and nothing read beyond. */
static void test_cut(void **state)
{
    (void)state;
    struct rf_binding_ask ask;
    struct rf_binding_said said;
    struct rf_binding_piece piece;
    for (size_t len = 0; len < hex(ASK).len; len++)
        assert_int_not_equal(rf_binding_ask_decode(rf_view_of(hex(ASK).p, len), &ask), 0);
    for (size_t len = 0; len < hex(SAID).len; len++) {
        int error = rf_binding_said_decode(rf_view_of(hex(SAID).p, len), &said);
        assert_true(error != 0 || len == hex(SAID).len - 8); /* without `seen` it is whole */
    }
    for (size_t len = 0; len < hex(PIECE).len; len++)
        assert_int_not_equal(rf_binding_piece_decode(rf_view_of(hex(PIECE).p, len), &piece), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_ask, setup, teardown),
        cmocka_unit_test_setup_teardown(test_said, setup, teardown),
        cmocka_unit_test_setup_teardown(test_piece, setup, teardown),
        cmocka_unit_test_setup_teardown(test_idle, setup, teardown),
        cmocka_unit_test(test_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
