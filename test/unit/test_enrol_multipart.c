/* test_enrol_multipart.c - the form reader: good and broken bodies in tables, and what the writer writes. */
#include "test_enrol.h"

#include "enrol/multipart.h"

#define TYPE "multipart/form-data; boundary=B"

struct good {
    const char *what, *type, *body;
    const char *parts; /* name=value|type; of each part */
};

static const struct good goods[] = {
    {"one", TYPE, "--B\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--B--\r\n", "a=1|;"},
    {"two, quoted boundary", "multipart/form-data; boundary=\"B\"",
     "--B\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n"
     "--B\r\nContent-Disposition: form-data; name=b\r\n\r\n2\r\n--B--",
     "a=1|;b=2|;"},
    {"case and space", "Multipart/Form-Data ;  Boundary = B ",
     "--B\r\ncontent-disposition:form-data ; filename=\"x;y\" ; NAME = \"a\" \r\n\r\n1\r\n--B--", "a=1|;"},
    {"empty value", TYPE, "--B\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n\r\n--B--", "a=|;"},
    {"empty value, its line break shared", TYPE,
     "--B\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n--B--", "a=|;"},
    {"preamble, epilogue", TYPE,
     "hello\r\n--B\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--B--\r\nbye --B", "a=1|;"},
    {"type with parameters", TYPE,
     "--B\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Disposition: form-data; "
     "name=\"a\"\r\n\r\n1\r\n--B--",
     "a=1|text/plain;"},
    {"encodings that change nothing", TYPE,
     "--B\r\nContent-Disposition: form-data; name=\"a\"\r\nContent-Transfer-Encoding: BINARY\r\nX-Other: "
     "y\r\n\r\n1\r\n--B--",
     "a=1|;"},
    {"dashes and breaks in the value", TYPE,
     "--B\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n-B\r\n-\r\n\r\n--C--\r\n--B--",
     "a=-B\r\n-\r\n\r\n--C--|;"},
    {"padding behind the delimiter", TYPE,
     "--B \t\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--B \r\nContent-Disposition: "
     "form-data; name=\"b\"\r\n\r\n2\r\n--B--",
     "a=1|;b=2|;"},
    {"no part", TYPE, "--B--", ""},
};

static void test_good(void **state)
{
    (void)state;
    for (size_t i = 0; i < RF_COUNT(goods); i++) {
        struct rf_multipart m;
        struct rf_part part;
        struct rf_buf seen;
        int e;
        rf_buf_init(&seen, rf_mem_system(), 4096);
        assert_int_equal(rf_multipart_init(&m, rf_view_str(goods[i].type), rf_view_str(goods[i].body)),
                         RF_OK);
        while ((e = rf_multipart_next(&m, &part)) == RF_OK) {
            rf_buf_view_put(&seen, part.name);
            rf_buf_u8(&seen, '=');
            rf_buf_view_put(&seen, part.value);
            rf_buf_u8(&seen, '|');
            rf_buf_view_put(&seen, part.content_type);
            rf_buf_u8(&seen, ';');
        }
        rf_buf_u8(&seen, 0);
        if (e != RF_ENOTFOUND || strcmp((const char *)seen.p, goods[i].parts) != 0)
            fail_msg("%s: error %d, parts \"%s\"", goods[i].what, e, (const char *)seen.p);
        assert_int_equal(rf_multipart_next(&m, &part), RF_ENOTFOUND); /* and stays there */
        rf_buf_deinit(&seen);
    }
}

static const struct {
    const char *what, *type, *body;
    int init, next; /* expected errors; next after any number of good parts */
} bads[] = {
    {"other type", "application/x-www-form-urlencoded", "", RF_EUNSUPPORTED, 0},
    {"no type", "", "", RF_EUNSUPPORTED, 0},
    {"other multipart", "multipart/mixed; boundary=B", "", RF_EUNSUPPORTED, 0},
    {"no boundary", "multipart/form-data", "", RF_EFORMAT, 0},
    {"empty boundary", "multipart/form-data; boundary=", "", RF_EFORMAT, 0},
    {"two boundaries", "multipart/form-data; boundary=B; boundary=C", "", RF_EFORMAT, 0},
    {"open quote", "multipart/form-data; boundary=\"B", "", RF_EFORMAT, 0},
    {"boundary with a line break", "multipart/form-data; boundary=\"B\r\nC\"", "", RF_EFORMAT, 0},
    {"boundary of 71 characters",
     "multipart/form-data; boundary=01234567890123456789012345678901234567890123456789012345678901234567890",
     "", RF_EFORMAT, 0},
    {"parameter without value", "multipart/form-data; boundary", "", RF_EFORMAT, 0},
    {"empty body", TYPE, "", RF_OK, RF_EFORMAT},
    {"another boundary", TYPE, "--C\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--C--", RF_OK,
     RF_EFORMAT},
    {"no closing delimiter", TYPE, "--B\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n", RF_OK,
     RF_EFORMAT},
    {"cut inside the closing delimiter", TYPE,
     "--B\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--B-", RF_OK, RF_EFORMAT},
    {"cut inside the headers", TYPE, "--B\r\nContent-Disposition: form-data; na", RF_OK, RF_EFORMAT},
    {"bare line feeds", TYPE, "--B\nContent-Disposition: form-data; name=\"a\"\n\n1\n--B--", RF_OK,
     RF_EFORMAT},
    {"header without colon", TYPE, "--B\r\nContent-Disposition form-data\r\n\r\n1\r\n--B--", RF_OK,
     RF_EFORMAT},
    {"no disposition", TYPE, "--B\r\nContent-Type: text/plain\r\n\r\n1\r\n--B--", RF_OK, RF_EFORMAT},
    {"no name", TYPE, "--B\r\nContent-Disposition: form-data\r\n\r\n1\r\n--B--", RF_OK, RF_EFORMAT},
    {"two names", TYPE, "--B\r\nContent-Disposition: form-data; name=a; name=b\r\n\r\n1\r\n--B--", RF_OK,
     RF_EFORMAT},
    {"escape in a name", TYPE, "--B\r\nContent-Disposition: form-data; name=\"a\\b\"\r\n\r\n1\r\n--B--",
     RF_OK, RF_EFORMAT},
    {"attachment", TYPE, "--B\r\nContent-Disposition: attachment; name=\"a\"\r\n\r\n1\r\n--B--", RF_OK,
     RF_EFORMAT},
    {"base64", TYPE,
     "--B\r\nContent-Disposition: form-data; name=\"a\"\r\nContent-Transfer-Encoding: "
     "base64\r\n\r\nMQ==\r\n--B--",
     RF_OK, RF_EUNSUPPORTED},
    {"broken second part", TYPE,
     "--B\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--B\r\n\r\n\r\n--B--", RF_OK, RF_EFORMAT},
};

static void test_broken(void **state)
{
    (void)state;
    for (size_t i = 0; i < RF_COUNT(bads); i++) {
        struct rf_multipart m;
        struct rf_part part;
        int e = rf_multipart_init(&m, rf_view_str(bads[i].type), rf_view_str(bads[i].body));
        if (e != bads[i].init)
            fail_msg("%s: init %d", bads[i].what, e);
        if (e != RF_OK)
            continue;
        while ((e = rf_multipart_next(&m, &part)) == RF_OK)
            ;
        if (e != bads[i].next)
            fail_msg("%s: next %d", bads[i].what, e);
    }
}

static void test_long_headers(void **state)
{
    struct rf_multipart m;
    struct rf_part part;
    struct rf_buf body;
    (void)state;
    rf_buf_init(&body, rf_mem_system(), 8192);
    rf_buf_str(&body, "--B\r\nContent-Disposition: form-data; name=\"a\"\r\nX: ");
    for (int i = 0; i < 3000; i++)
        rf_buf_u8(&body, 'x');
    rf_buf_str(&body, "\r\n\r\n1\r\n--B--");
    assert_int_equal(rf_multipart_init(&m, rf_view_str(TYPE), rf_buf_view(&body)), RF_OK);
    assert_int_equal(rf_multipart_next(&m, &part), RF_ELIMIT);
    rf_buf_deinit(&body);
}

/* Every prefix of a good body is broken, and none reads beyond its end (the sanitizer watches an exact copy). */
static void test_prefixes(void **state)
{
    const char *whole = goods[1].body;
    (void)state;
    for (size_t len = 0; len < strlen(whole); len++) {
        struct rf_multipart m;
        struct rf_part part;
        int e;
        uint8_t *copy = rf_memdup(rf_mem_system(), whole, len ? len : 1);
        assert_non_null(copy);
        assert_int_equal(rf_multipart_init(&m, rf_view_str(TYPE), rf_view_of(copy, len)), RF_OK);
        while ((e = rf_multipart_next(&m, &part)) == RF_OK)
            ;
        assert_int_equal(e, RF_EFORMAT);
        rf_free(rf_mem_system(), copy);
    }
}

static void test_written(void **state)
{
    struct rf_multipart m;
    struct rf_part part;
    struct rf_buf body;
    const uint8_t bytes[] = {0, 13, 10, 45, 45, 255};
    (void)state;
    rf_buf_init(&body, rf_mem_system(), 4096);
    rf_multipart_put(&body, "xyz", "username", NULL, rf_view_str("alice"));
    rf_multipart_put(&body, "xyz", "csr", "application/pkcs10", rf_view_of(bytes, sizeof(bytes)));
    rf_multipart_end(&body, "xyz");
    assert_int_equal(
        rf_multipart_init(&m, rf_view_str("multipart/form-data; boundary=xyz"), rf_buf_view(&body)), RF_OK);
    assert_int_equal(rf_multipart_next(&m, &part), RF_OK);
    assert_true(rf_view_equal(part.name, rf_view_str("username")) &&
                rf_view_equal(part.value, rf_view_str("alice")));
    assert_int_equal(rf_multipart_next(&m, &part), RF_OK);
    assert_true(rf_view_equal(part.content_type, rf_view_str("application/pkcs10")));
    assert_true(rf_view_equal(part.value, rf_view_of(bytes, sizeof(bytes))));
    assert_int_equal(rf_multipart_next(&m, &part), RF_ENOTFOUND);
    rf_buf_deinit(&body);
}

int test_enrol_multipart(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),     cmocka_unit_test(test_broken),  cmocka_unit_test(test_long_headers),
        cmocka_unit_test(test_prefixes), cmocka_unit_test(test_written),
    };
    return cmocka_run_group_tests_name("enrol multipart", tests, NULL, NULL);
}
