/* test_conf_xml.c - where the signed bytes are, whatever the document does to hide them; and what XML is refused. */
#include "test_conf.h"

#define CONF_A "<configuration instance-name=\"example.org\">"
#define CONF_Z "</configuration>"

/* Documents that contain the blob `[...]` exactly as marked by BLOB. */
#define BLOB CONF_A "<!-- not </configuration> yet -->" CONF_Z

static void blobs_are_cut_exactly(void **state)
{
    static const struct {
        const char *text, *blob;
    } cases[] = {
        {"<overlay " NS ">" CONF_A CONF_Z "</overlay>", CONF_A CONF_Z},
        {"<?xml version=\"1.0\"?>\r\n<overlay " NS ">\r\n" CONF_A "\r\n" CONF_Z "\r\n</overlay>\r\n",
         CONF_A "\r\n" CONF_Z},
        {"\xef\xbb\xbf<overlay " NS ">" CONF_A CONF_Z "</overlay>", CONF_A CONF_Z},
        {"<!-- " CONF_A CONF_Z " --><overlay " NS "><!-- " CONF_A " -->" BLOB "<!-- " CONF_Z " --></overlay>",
         BLOB},
        {"<overlay " NS ">" CONF_A "<topology-plugin><![CDATA[CHORD-RELOAD]]></topology-plugin>" CONF_Z
         "</overlay>",
         CONF_A "<topology-plugin><![CDATA[CHORD-RELOAD]]></topology-plugin>" CONF_Z},
        {"<overlay " NS ">" CONF_A "<x:a xmlns:x=\"urn:x\"><![CDATA[" CONF_Z "]]></x:a>" CONF_Z "</overlay>",
         CONF_A "<x:a xmlns:x=\"urn:x\"><![CDATA[" CONF_Z "]]></x:a>" CONF_Z},
        {"<overlay " NS "><?pi " CONF_A "?>" CONF_A "<?pi " CONF_Z "?>" CONF_Z "</overlay>",
         CONF_A "<?pi " CONF_Z "?>" CONF_Z},
        {"<overlay " NS "><configuration instance-name='example.org' x:b='>' xmlns:x='urn:x'/></overlay>",
         "<configuration instance-name='example.org' x:b='>' xmlns:x='urn:x'/>"},
        {"<b:overlay xmlns:b=\"urn:ietf:params:xml:ns:p2p:config-base\"><b:configuration "
         "instance-name=\"example.org\">"
         "</b:configuration ></b:overlay>",
         "<b:configuration instance-name=\"example.org\"></b:configuration >"},
        /* another overlay's stands in front; a foreign element has the same local name */
        {"<overlay " NS "><configuration instance-name=\"example.com\"/><configuration xmlns=\"urn:x\" "
         "instance-name=\"example.org\"/>" CONF_A CONF_Z "</overlay>",
         CONF_A CONF_Z},
    };
    struct fixture f;
    (void)state;
    fixture_init(&f);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct rf_conf *conf;

        if (parse(&f, cases[i].text, &conf) != 0)
            fail_msg("%s", cases[i].text);
        if (!rf_view_equal(conf->blob, rf_view_str(cases[i].blob)))
            fail_msg("%s: %.*s", cases[i].text, (int)conf->blob.len, (const char *)conf->blob.p);
        assert_true(rf_view_equal(conf->xml, rf_view_str(cases[i].text)));
        assert_true(conf->blob.p > conf->xml.p && conf->blob.p < conf->xml.p + conf->xml.len);
        rf_conf_release(conf);
    }
    fixture_deinit(&f);
}

static void what_is_no_plain_xml_is_refused(void **state)
{
    static const char *const cases[] = {
        "",
        " ",
        "not xml",
        "<overlay " NS ">" CONF_A CONF_Z,                        /* no end */
        "<overlay " NS ">" CONF_A CONF_Z "</overlay><overlay/>", /* two roots */
        "<overlay " NS ">" CONF_A CONF_Z "</overlay>junk",
        "junk<overlay " NS ">" CONF_A CONF_Z "</overlay>",
        "<overlay " NS "><configuration instance-name=\"example.org\"></overlay></configuration>",
        "<overlay " NS ">" CONF_A "&unknown;" CONF_Z "</overlay>",
        "<overlay " NS ">" CONF_A "<a & b/>" CONF_Z "</overlay>",
        "<overlay " NS
        "><configuration instance-name=\"example.org\" instance-name=\"example.org\"/></overlay>",
        "<overlay " NS "><configuration instance-name=\"<\"/></overlay>",
        "<overlay " NS "><configuration instance-name=example.org/></overlay>",
        "<!DOCTYPE overlay><overlay " NS ">" CONF_A CONF_Z "</overlay>",
        "<!DOCTYPE overlay [<!ENTITY a \"b\">]><overlay " NS ">" CONF_A CONF_Z "</overlay>",
        "<!DOCTYPE overlay SYSTEM \"file:///etc/passwd\"><overlay " NS ">" CONF_A CONF_Z "</overlay>",
        "<?xml version=\"1.0\" encoding=\"UTF-16\"?><overlay " NS ">" CONF_A CONF_Z "</overlay>",
        "<?xml version=\"1.0\" encoding='ISO-8859-1'?><overlay " NS ">" CONF_A CONF_Z "</overlay>",
        "<?xml version=\"1.0\" encoding=\"UTF-8?><overlay " NS ">" CONF_A CONF_Z "</overlay>",
        "<overlay " NS ">" CONF_A "\xff" CONF_Z "</overlay>",
        "<overlay " NS ">" CONF_A "\xc0\x80" CONF_Z "</overlay>",
        "<overlay " NS ">" CONF_A "<!-- -- -->" CONF_Z "</overlay>",
        "<overlay " NS ">" CONF_A "<!-- " CONF_Z "</overlay>",
        "<overlay " NS ">" CONF_A "<![CDATA[" CONF_Z "</overlay>",
        "<overlay " NS ">" CONF_A "<?pi " CONF_Z "</overlay>",
        "<overlay " NS ">" CONF_A "]]>" CONF_Z "</overlay>",
        "<overlay " NS ">" CONF_A "&#0;" CONF_Z "</overlay>",
        "<x:overlay>" CONF_A CONF_Z "</x:overlay>", /* an unknown prefix */
        "<overlay>" CONF_A CONF_Z "</overlay>",     /* no namespace */
        "<",
        "<o",
        "</overlay>",
        "<!",
    };
    struct fixture f;
    struct rf_conf *conf;
    (void)state;
    fixture_init(&f);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        if (parse(&f, cases[i], &conf) != RF_EFORMAT)
            fail_msg("%zu: %s", i, cases[i]);
    fixture_deinit(&f);
}

/* repeat makes head, count times `piece`, tail. */
static int parse_repeated(struct fixture *f, const char *head, const char *piece, size_t count,
                          const char *tail)
{
    struct rf_buf text;
    struct rf_conf *conf = NULL;
    int r;

    rf_buf_init(&text, rf_mem_system(), 4 << 20);
    rf_buf_str(&text, head);
    for (size_t i = 0; i < count; i++)
        rf_buf_str(&text, piece);
    rf_buf_str(&text, tail);
    assert_int_equal(rf_buf_error(&text), 0);
    r = rf_conf_parse(f->c, &f->mem.mem, rf_buf_view(&text), VIEW("example.org"), &conf, NULL, 0);
    rf_conf_release(conf);
    rf_buf_deinit(&text);
    return r;
}

static void sizes_are_limited(void **state)
{
    struct fixture f;
    (void)state;
    fixture_init(&f);
    assert_int_equal(parse_repeated(&f, "<overlay " NS ">" CONF_A, " ", 900000, CONF_Z "</overlay>"), 0);
    assert_int_equal(parse_repeated(&f, "<overlay " NS ">" CONF_A, " ", RF_CONF_MAX_LEN, CONF_Z "</overlay>"),
                     RF_ELIMIT);
    assert_int_equal(
        parse_repeated(&f, "<overlay " NS ">" CONF_A, "<a xmlns=\"\"/>", 15000, CONF_Z "</overlay>"), 0);
    assert_int_equal(
        parse_repeated(&f, "<overlay " NS ">" CONF_A, "<a xmlns=\"\"/>", 20000, CONF_Z "</overlay>"),
        RF_ELIMIT);
    assert_int_equal(parse_repeated(&f, "<overlay " NS ">" CONF_A "<a xmlns=\"\">", "<a>", 100, "</overlay>"),
                     RF_ELIMIT);
    assert_int_equal(
        parse_repeated(&f, "<overlay " NS ">" CONF_A "<a xmlns=\"\"", " b=\"\"", 100, "/></overlay>"),
        RF_ELIMIT);
    assert_int_equal(parse_repeated(&f, "<overlay " NS ">" CONF_A, "&#10;", 100000, CONF_Z "</overlay>"), 0);
    fixture_deinit(&f);
}

int test_conf_xml(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(blobs_are_cut_exactly),
        cmocka_unit_test(what_is_no_plain_xml_is_refused),
        cmocka_unit_test(sizes_are_limited),
    };
    return cmocka_run_group_tests_name("xml", tests, NULL, NULL);
}
