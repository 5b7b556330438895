/* test_base_text.c - hex, base64, UTF-8 and names, good and broken. */
#include "test_base.h"

#include "base/error.h"
#include "base/text.h"

typedef int decode_fn(struct rf_view text, struct rf_buf *out);

static void assert_decodes(decode_fn *decode, const char *text, const char *expected, size_t len)
{
    uint8_t bytes[300];
    struct rf_buf out;
    rf_buf_fixed(&out, bytes, sizeof bytes);
    rf_buf_str(&out, "before");
    if (decode(rf_view_str(text), &out) != 0)
        fail_msg("\"%s\" was refused", text);
    assert_int_equal(out.len, 6 + len);
    assert_memory_equal(bytes + 6, expected, len);
}

static void assert_refused(decode_fn *decode, const char *text)
{
    uint8_t bytes[300];
    struct rf_buf out;
    rf_buf_fixed(&out, bytes, sizeof bytes);
    rf_buf_str(&out, "before");
    if (decode(rf_view_str(text), &out) != RF_EFORMAT)
        fail_msg("\"%s\" was not refused", text);
    assert_int_equal(out.len, 6); /* all or nothing */
    assert_int_equal(rf_buf_error(&out), 0);
}

static void hex(void **state)
{
    static const char *const broken[] = {"0", "0g", "g0", "00 11", "0x00", "00112"};
    uint8_t bytes[4];
    struct rf_buf out;
    (void)state;
    assert_decodes(rf_hex_decode, "", "", 0);
    assert_decodes(rf_hex_decode, "00fFAb09", "\x00\xff\xab\x09", 4);
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++)
        assert_refused(rf_hex_decode, broken[i]);
    rf_buf_fixed(&out, bytes, sizeof bytes);
    rf_hex_put(&out, rf_view_of("\x00\xfa", 2));
    assert_memory_equal(bytes, "00fa", 4);
    assert_int_equal(rf_buf_error(&out), 0);
    rf_buf_reset(&out);
    assert_int_equal(rf_hex_decode(rf_view_str("0011223344"), &out), RF_ELIMIT);
}

/* RFC 4648 section 10 */
static void base64_as_published(void **state)
{
    static const char *const rows[][2] = {
        {"", ""},
        {"f", "Zg=="},
        {"fo", "Zm8="},
        {"foo", "Zm9v"},
        {"foob", "Zm9vYg=="},
        {"fooba", "Zm9vYmE="},
        {"foobar", "Zm9vYmFy"},
        {"\xfb\xff\xbe", "+/++"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint8_t bytes[16];
        struct rf_buf out;
        rf_buf_fixed(&out, bytes, sizeof bytes);
        rf_base64_put(&out, rf_view_str(rows[i][0]));
        assert_true(rf_view_equal(rf_buf_view(&out), rf_view_str(rows[i][1])));
        assert_decodes(rf_base64_decode, rows[i][1], rows[i][0], strlen(rows[i][0]));
    }
}

static void base64_blanks_and_errors(void **state)
{
    static const char *const broken[] = {
        "Z",    "Zg",   "Zg=",  "Zm9",   "=",        "==",   "====",  "Z===", "Zg==Zg==", "Zm8=Zm8=",
        "Zg=v", "Zh==", "Zm9=", "Zm9v=", "Zm9v====", "Zm-_", "Zm9v!", "Zm.v", "Zg==\x0b",
    };
    (void)state;
    assert_decodes(rf_base64_decode, " Zm\n9v\r\n\tYg = =\n ", "foob", 4);
    assert_decodes(rf_base64_decode, " \n", "", 0);
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++)
        assert_refused(rf_base64_decode, broken[i]);
}

static void utf8(void **state)
{
    static const char *const good[] = {
        "",
        "plain",
        "\x7f",
        "\xc2\x80",
        "\xdf\xbf",
        "\xe0\xa0\x80",
        "\xed\x9f\xbf",
        "\xee\x80\x80",
        "\xef\xbf\xbf",
        "\xf0\x90\x80\x80",
        "\xf4\x8f\xbf\xbf",
        "gr\xc3\xbc\xc3\x9f",
    };
    static const char *const broken[] = {
        "\x80",
        "\xbf",
        "a\xc3",
        "\xc3(",
        "\xc0\x80",
        "\xc1\xbf",
        "\xe0\x9f\xbf",
        "\xe2\x82",
        "\xe2(\xa1",
        "\xed\xa0\x80",
        "\xed\xbf\xbf",
        "\xf0\x8f\xbf\xbf",
        "\xf4\x90\x80\x80",
        "\xf5\x80\x80\x80",
        "\xf8\x88\x80\x80\x80",
        "\xfe",
        "\xff",
        "\xf0\x9f\x98",
        "\xe2\x82\xac\x80",
    };
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        if (!rf_utf8_valid(rf_view_str(good[i])))
            fail_msg("good text %zu was refused", i);
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++)
        if (rf_utf8_valid(rf_view_str(broken[i])))
            fail_msg("broken text %zu was not refused", i);
    assert_false(rf_utf8_valid(rf_view_of("a\0b", 3)));
}

static void domains(void **state)
{
    static const char *const good[] = {"example.org", "localhost", "a", "1.2", "EXAMPLE.Org", "x-y.z--w.q"};
    static const char *const broken[] = {"",    ".",    "a.",   ".a",  "a..b", "-a",
                                         "a-",  "a-.b", "a.-b", "a_b", "a b",  "gr\xc3\xbc\xc3\x9f",
                                         "a/b", "a@b"};
    char label[70], name[300];
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        if (!rf_domain_valid(rf_view_str(good[i])))
            fail_msg("\"%s\" was refused", good[i]);
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++)
        if (rf_domain_valid(rf_view_str(broken[i])))
            fail_msg("\"%s\" was not refused", broken[i]);
    memset(label, 'a', sizeof label);
    assert_true(rf_domain_valid(rf_view_of(label, 63)));
    assert_false(rf_domain_valid(rf_view_of(label, 64)));
    for (size_t i = 0; i < sizeof name; i++)
        name[i] = i % 2 == 0 ? 'a' : '.';
    assert_true(rf_domain_valid(rf_view_of(name, 253)));
    assert_false(rf_domain_valid(rf_view_of(name, 255)));
}

static void names(void **state)
{
    static const char *const good[] = {
        "alice@example.org",        "a@b",
        "Alice.B+c@example.org",    "gr\xc3\xbc\xc3\x9fig@example.org",
        "\xe4\xba\xba@example.org", "\xf0\x9f\x98\x80@example.org",
        "'o!#$%&*/=?^_`{|}~@x",
    };
    static const char *const broken[] = {
        "",
        "alice",
        "@example.org",
        "alice@",
        "alice@@example.org",
        "al@ice@example.org",
        "al ice@example.org",
        " alice@example.org",
        "al\tice@example.org",
        "al\x7fice@example.org",
        "al\xc2\x85ice@x",
        "al\xc2\xa0ice@x", /* next line, no-break space */
        "al\xe2\x80\x8bice@x",
        "al\xe2\x80\xaeice@x", /* zero-width space, right-to-left override */
        "al\xe3\x80\x80ice@x",
        "\xef\xbb\xbfyou@x", /* ideographic space, byte order mark */
        "al\xef\xbf\xbeice@x",
        "al\xee\x80\x80ice@x", /* noncharacter, private use */
        "al\xf0\xaf\xbf\xbfice@x",
        "al\xc3ice@x", /* noncharacter of plane 2, broken UTF-8 */
        "alice@exa mple.org",
        "alice@example.org.",
        "alice@gr\xc3\xbc\xc3\x9f.org",
    };
    char longest[256];
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        if (!rf_name_valid(rf_view_str(good[i])))
            fail_msg("\"%s\" was refused", good[i]);
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++)
        if (rf_name_valid(rf_view_str(broken[i])))
            fail_msg("\"%s\" was not refused", broken[i]);
    memset(longest, 'a', sizeof longest);
    memcpy(longest + 242, "@example.org", 12);
    assert_true(rf_name_valid(rf_view_of(longest, 254)));
    memcpy(longest + 242, "a@example.org", 13);
    assert_false(rf_name_valid(rf_view_of(longest, 255)));
    assert_true(rf_view_equal(rf_name_domain(rf_view_str("alice@example.org")), rf_view_str("example.org")));
    assert_int_equal(rf_name_domain(rf_view_str("alice")).len, 0);
}

int test_base_text(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hex),
        cmocka_unit_test(base64_as_published),
        cmocka_unit_test(base64_blanks_and_errors),
        cmocka_unit_test(utf8),
        cmocka_unit_test(domains),
        cmocka_unit_test(names),
    };
    return cmocka_run_group_tests_name("base/text", tests, NULL, NULL);
}
