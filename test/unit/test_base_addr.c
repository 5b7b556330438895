/* test_base_addr.c - addresses as text and their classes. */
#include "test_base.h"

#include "base/addr.h"
#include "base/error.h"

#define DEFAULT_PORT 6084

static const struct {
    const char *in;
    const char *out; /* what rf_addr_text writes */
} good[] = {
    {"192.0.2.1:5060", "192.0.2.1:5060"},
    {"192.0.2.1", "192.0.2.1:6084"},
    {"0.0.0.0:0", "0.0.0.0:0"},
    {"255.255.255.255:65535", "255.255.255.255:65535"},
    {"[2001:db8::1]:5060", "[2001:db8::1]:5060"},
    {"[2001:db8::1]", "[2001:db8::1]:6084"},
    {"2001:db8::1", "[2001:db8::1]:6084"},
    {"[2001:0DB8:0:0:0:0:0:1]:1", "[2001:db8::1]:1"},
    {"::", "[::]:6084"},
    {"[::ffff:192.0.2.1]:80", "[::ffff:192.0.2.1]:80"},
    {"[ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255]:65535",
     "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535"},
};

static const char *const broken[] = {
    "",
    ":",
    ":6084",
    "192.0.2",
    "192.0.2.256",
    "192.0.2.1:",
    "192.0.2.1:65536",
    "192.0.2.1:100000",
    "192.0.2.1:000080",
    "192.0.2.1:+80",
    "192.0.2.1:80 ",
    " 192.0.2.1",
    "192.0.2.1 ",
    "192.0.2.1.5",
    "[192.0.2.1]:80",
    "[2001:db8::1",
    "2001:db8::1]",
    "[2001:db8::1]80",
    "[2001:db8::1]:",
    "[2001:db8::1]:x",
    "[]:80",
    "[fe80::1%eth0]:80",
    "1::2::3",
    "example.org:80",
    "localhost",
    "[aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa]:80",
};

static void good_text_is_read_and_written(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        struct rf_addr addr, again;
        char text[RF_ADDR_TEXT_LEN];
        assert_int_equal(rf_addr_parse(good[i].in, DEFAULT_PORT, &addr), 0);
        assert_string_equal(rf_addr_text(&addr, text), good[i].out);
        assert_int_equal(rf_addr_parse(text, 1, &again), 0);
        assert_true(rf_addr_equal(&addr, &again));
    }
}

static void broken_text_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
        struct rf_addr addr = {.family = 9, .port = 1234};
        if (rf_addr_parse(broken[i], DEFAULT_PORT, &addr) != RF_EFORMAT)
            fail_msg("\"%s\" was not refused", broken[i]);
        assert_int_equal(addr.family, 9);
        assert_int_equal(addr.port, 1234);
    }
}

static void ip_text_has_no_port(void **state)
{
    (void)state;
    struct rf_addr addr;
    char text[RF_ADDR_TEXT_LEN];
    assert_int_equal(rf_addr_parse("[2001:db8::1]:80", 0, &addr), 0);
    assert_string_equal(rf_addr_ip_text(&addr, text), "2001:db8::1");
    assert_int_equal(rf_addr_parse("192.0.2.1:80", 0, &addr), 0);
    assert_string_equal(rf_addr_ip_text(&addr, text), "192.0.2.1");
    addr = (struct rf_addr){0};
    assert_string_equal(rf_addr_text(&addr, text), "-");
}

static struct rf_addr parsed(const char *text)
{
    struct rf_addr addr;
    assert_int_equal(rf_addr_parse(text, 0, &addr), 0);
    return addr;
}

static void equality(void **state)
{
    (void)state;
    struct rf_addr a = parsed("192.0.2.1:80"), b = parsed("192.0.2.1:81"), c = parsed("192.0.2.2:80");
    struct rf_addr d = parsed("[c000:201::]:80"); /* the same first four bytes */
    assert_true(rf_addr_equal(&a, &a));
    assert_false(rf_addr_equal(&a, &b));
    assert_true(rf_addr_same_ip(&a, &b));
    assert_false(rf_addr_same_ip(&a, &c));
    assert_false(rf_addr_same_ip(&a, &d));
    memset(a.ip + 4, 0xaa, 12); /* bytes that an IPv4 address does not use */
    assert_true(rf_addr_same_ip(&a, &b));
}

static void classes(void **state)
{
    static const struct {
        const char *text;
        bool loopback, any, private;
    } rows[] = {
        {"127.0.0.1", true, false, false},
        {"127.255.255.254", true, false, false},
        {"128.0.0.1", false, false, false},
        {"0.0.0.0", false, true, false},
        {"0.0.0.1", false, false, false},
        {"::1", true, false, false},
        {"::", false, true, false},
        {"::2", false, false, false},
        {"10.0.0.1", false, false, true},
        {"11.0.0.1", false, false, false},
        {"172.15.255.255", false, false, false},
        {"172.16.0.0", false, false, true},
        {"172.31.255.255", false, false, true},
        {"172.32.0.0", false, false, false},
        {"192.168.1.1", false, false, true},
        {"192.169.1.1", false, false, false},
        {"100.63.255.255", false, false, false},
        {"100.64.0.0", false, false, true},
        {"100.127.255.255", false, false, true},
        {"100.128.0.0", false, false, false},
        {"169.254.0.1", false, false, true},
        {"fe80::1", false, false, true},
        {"febf::1", false, false, true},
        {"fec0::1", false, false, false},
        {"fc00::1", false, false, true},
        {"fdff::1", false, false, true},
        {"fe00::1", false, false, false},
        {"2001:db8::1", false, false, false},
        {"::ffff:10.1.2.3", false, false, true},
        {"::ffff:127.0.0.1", true, false, false},
        {"::ffff:8.8.8.8", false, false, false},
    };
    struct rf_addr unset = {0};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct rf_addr addr = parsed(rows[i].text);
        if (rf_addr_is_loopback(&addr) != rows[i].loopback || rf_addr_is_any(&addr) != rows[i].any ||
            rf_addr_is_private(&addr) != rows[i].private)
            fail_msg("%s is in the wrong class", rows[i].text);
    }
    assert_false(rf_addr_is_loopback(&unset) || rf_addr_is_any(&unset) || rf_addr_is_private(&unset));
}

int test_base_addr(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_text_is_read_and_written),
        cmocka_unit_test(broken_text_is_refused),
        cmocka_unit_test(ip_text_has_no_port),
        cmocka_unit_test(equality),
        cmocka_unit_test(classes),
    };
    return cmocka_run_group_tests_name("base/addr", tests, NULL, NULL);
}
