/* test_conf_parse.c - what the document says, and what it may not say. */
#include "test_conf.h"

#include "support/vector.h"

static void assert_text(struct rf_view got, const char *want)
{
    assert_int_equal(got.len, strlen(want));
    assert_memory_equal(got.p, want, got.len);
}

static void the_vectors_document_is_read(void **state)
{
    static const uint8_t blob_hash[32] = {0xa5, 0x55, 0x45, 0xd2, 0x85, 0xed, 0x19, 0x7b, 0x06, 0xbd, 0xad,
                                          0xd4, 0x8f, 0x8c, 0x5b, 0x26, 0x1f, 0xea, 0xf9, 0x96, 0xe0, 0x39,
                                          0x2a, 0xca, 0xfc, 0x74, 0x2a, 0x52, 0x3c, 0x67, 0x43, 0xfc};
    const struct rf_kind_def *kind;
    struct fixture f;
    struct rf_conf *conf;
    struct rf_buf xml, ca;
    uint8_t hash[32];
    char text[RF_ADDR_TEXT_LEN];
    (void)state;
    fixture_init(&f);
    rf_buf_init(&xml, &f.mem.mem, 1 << 16);
    rf_buf_init(&ca, &f.mem.mem, 1 << 16);
    rf_vector_read("config.xml", &xml);
    rf_vector_read("cert_ca", &ca);
    assert_int_equal(rf_conf_parse(f.c, &f.mem.mem, rf_buf_view(&xml), VIEW("example.org"), &conf, NULL, 0),
                     0);
    assert_int_equal(conf->blob.len, 3304);
    assert_int_equal(rf_sha256(f.c, conf->blob, hash), 0);
    assert_memory_equal(hash, blob_hash, 32);
    assert_text(conf->overlay, "example.org");
    assert_int_equal(conf->overlay_hash, 0x4e38fc3f);
    assert_int_equal(conf->sequence, 7);
    assert_int_equal(conf->expiration_ms, UINT64_C(2366841600000));
    assert_string_equal(conf->topology_plugin, "CHORD-RELOAD");
    assert_int_equal(conf->id_len, 16);
    assert_int_equal(conf->root_count, 1);
    assert_true(rf_view_equal(conf->roots[0], rf_buf_view(&ca)));
    assert_int_equal(conf->enrolment_url_count, 1);
    assert_string_equal(conf->enrolment_urls[0], "https://enrol.example.org/enrol");
    assert_int_equal(conf->self_signed, 0);
    assert_int_equal(conf->bootstrap_count, 2);
    assert_string_equal(rf_addr_text(&conf->bootstraps[0], text), "203.0.113.77:6084");
    assert_string_equal(rf_addr_text(&conf->bootstraps[1], text), "[2001:db8::77]:6084");
    assert_true(conf->clients_permitted && !conf->no_ice && conf->chord_reactive);
    assert_int_equal(conf->configuration_signer_count, 1);
    assert_int_equal(conf->kind_signers[0].b[15], 2);
    assert_int_equal(conf->bad_nodes[0].b[0], 0xda);
    assert_int_equal(conf->signature_count, 1);
    assert_int_equal(conf->kind_count, 2);
    kind = rf_conf_kind(conf, 1);
    assert_int_equal(kind->max_count, 8); /* the document's, not the default's 16 */
    assert_memory_equal(kind->block.p, "<kind name=\"SIP-REGISTRATION\">", 30);
    assert_memory_equal(kind->block.p + kind->block.len - 7, "</kind>", 7);
    kind = rf_conf_kind(conf, 0xf0000001);
    assert_int_equal(kind->model, RF_MODEL_SINGLE);
    assert_int_equal(kind->policy, RF_POLICY_USER_MATCH);
    assert_int_equal(kind->max_size, 100);
    assert_true(kind->signature.len > 300);
    assert_int_equal(rf_conf_kind(conf, 0x10)->max_count, 8); /* a default */
    assert_null(rf_conf_kind(conf, 0xf0000002));
    assert_ptr_equal(rf_conf_hold(conf), conf);
    rf_conf_release(conf);
    rf_conf_release(conf);
    rf_conf_release(NULL);
    rf_buf_deinit(&xml);
    rf_buf_deinit(&ca);
    fixture_deinit(&f);
}

static void defaults_hold_where_nothing_is_said(void **state)
{
    struct fixture f;
    struct rf_conf *conf;
    (void)state;
    fixture_init(&f);
    assert_int_equal(
        parse(&f, "<overlay " NS "><configuration instance-name=\" example.org \"/></overlay>", &conf), 0);
    assert_text(conf->overlay, "example.org");
    assert_int_equal(conf->sequence, 0);
    assert_true(conf->expiration_ms == UINT64_MAX);
    assert_string_equal(conf->topology_plugin, "CHORD-RELOAD");
    assert_int_equal(conf->id_len, 16);
    assert_int_equal(conf->turn_density, 1);
    assert_true(conf->clients_permitted && !conf->no_ice && conf->chord_reactive);
    assert_int_equal(conf->chord_update_interval_s, 600);
    assert_int_equal(conf->chord_ping_interval_s, 3600);
    assert_int_equal(conf->max_message_size, 5000);
    assert_int_equal(conf->initial_ttl, 100);
    assert_int_equal(conf->reliability_timer_ms, 3000);
    assert_int_equal(conf->self_signed, 0);
    assert_int_equal(conf->root_count + conf->enrolment_url_count + conf->bootstrap_count + conf->kind_count +
                         conf->configuration_signer_count + conf->kind_signer_count + conf->bad_node_count +
                         conf->mandatory_extension_count + conf->signature_count,
                     0);
    rf_conf_release(conf);
    fixture_deinit(&f);
}

static void every_element_is_read(void **state)
{
    static const char text[] = DOC(
        "\n<bad-node> a11ce000000000000000000000000001ff </bad-node>" /* before the length that it has */
        "<node-id-length> 17 </node-id-length>\n<!-- comment --><self-signed-permitted digest='sha1'>\n1\n"
        "</self-signed-permitted><bootstrap-node address='::1' port='1'/><bootstrap-node address='10.0.0.1' "
        "port='65535'>"
        "</bootstrap-node><turn-density>0</turn-density><clients-permitted>0</"
        "clients-permitted><no-ice>true</no-ice>"
        "<c:chord-update-interval>60</c:chord-update-interval><c:chord-ping-interval>61</"
        "c:chord-ping-interval>"
        "<c:chord-reactive>false</c:chord-reactive><c:chord-something>x</c:chord-something>"
        "<max-message-size>100000</max-message-size><initial-ttl>30</initial-ttl>"
        "<overlay-reliability-timer>200</overlay-reliability-timer><overlay-link-protocol>NEW</"
        "overlay-link-protocol>"
        "<overlay-link-protocol> TLS "
        "</overlay-link-protocol><enrollment-server>https://a/b?c=d&amp;e</enrollment-server>"
        "<mandatory-extension> urn:ietf:params:xml:ns:p2p:config-chord </mandatory-extension>"
        "<x:unknown xmlns:x='urn:x' a='b'>text<x:more/></x:unknown>");
    struct fixture f;
    struct rf_conf *conf;
    (void)state;
    fixture_init(&f);
    assert_int_equal(parse(&f, text, &conf), 0);
    assert_int_equal(conf->id_len, 17);
    assert_int_equal(conf->bad_nodes[0].len, 17);
    assert_int_equal(conf->self_signed, RF_DIGEST_SHA1);
    assert_int_equal(conf->bootstraps[0].family, 6);
    assert_int_equal(conf->bootstraps[0].port, 1);
    assert_int_equal(conf->bootstraps[1].port, 65535);
    assert_int_equal(conf->turn_density, 0);
    assert_true(!conf->clients_permitted && conf->no_ice && !conf->chord_reactive);
    assert_int_equal(conf->chord_update_interval_s, 60);
    assert_int_equal(conf->chord_ping_interval_s, 61);
    assert_int_equal(conf->max_message_size, 100000);
    assert_int_equal(conf->initial_ttl, 30);
    assert_int_equal(conf->reliability_timer_ms, 200);
    assert_string_equal(conf->enrolment_urls[0], "https://a/b?c=d&e");
    assert_int_equal(conf->mandatory_extension_count, 1);
    rf_conf_release(conf);
    fixture_deinit(&f);
}

static const struct {
    const char *text;
    int error;
} wrong_values[] = {
    {DOC("<node-id-length>15</node-id-length>"), RF_EFORMAT},
    {DOC("<node-id-length>21</node-id-length>"), RF_EFORMAT},
    {DOC("<node-id-length>16</node-id-length><node-id-length>16</node-id-length>"), RF_EFORMAT},
    {DOC("<topology-plugin>OTHER</topology-plugin>"), RF_EUNSUPPORTED},
    {DOC("<topology-plug-in>CHORD-RELOAD</topology-plug-in>"), RF_EFORMAT}, /* D40 */
    {DOC("<root-cert>!</root-cert>"), RF_EFORMAT},
    {DOC("<root-cert></root-cert>"), RF_EFORMAT},
    {DOC("<enrollment-server>http://enrol.example.org/</enrollment-server>"), RF_EFORMAT},
    {DOC("<enrollment-server>https://</enrollment-server>"), RF_EFORMAT},
    {DOC("<enrollment-server>https://a b/</enrollment-server>"), RF_EFORMAT},
    {DOC("<self-signed-permitted>true</self-signed-permitted>"), RF_EFORMAT},
    {DOC("<self-signed-permitted digest='md5'>true</self-signed-permitted>"), RF_EFORMAT},
    {DOC("<self-signed-permitted digest='sha1'>maybe</self-signed-permitted>"), RF_EFORMAT},
    {DOC("<bootstrap-node/>"), RF_EFORMAT},
    {DOC("<bootstrap-node address='example.org'/>"), RF_EFORMAT},
    {DOC("<bootstrap-node address='1.2.3.4:5'/>"), RF_EFORMAT},
    {DOC("<bootstrap-node address='[::1]'/>"), RF_EFORMAT},
    {DOC("<bootstrap-node address='[::1]:5'/>"), RF_EFORMAT},
    {DOC("<bootstrap-node address='1.2.3.4' port='0'/>"), RF_EFORMAT},
    {DOC("<bootstrap-node address='1.2.3.4' port='65536'/>"), RF_EFORMAT},
    {DOC("<bootstrap-node address='1.2.3.4' prot='1'/>"), RF_EFORMAT},
    {DOC("<turn-density>256</turn-density>"), RF_EFORMAT},
    {DOC("<no-ice>no</no-ice>"), RF_EFORMAT},
    {DOC("<shared-secret>abc</shared-secret>"), RF_EUNSUPPORTED},
    {DOC("<max-message-size>999</max-message-size>"), RF_EFORMAT},
    {DOC("<max-message-size>4294967296</max-message-size>"), RF_EFORMAT},
    {DOC("<initial-ttl>0</initial-ttl>"), RF_EFORMAT},
    {DOC("<initial-ttl>256</initial-ttl>"), RF_EFORMAT},
    {DOC("<overlay-reliability-timer>199</overlay-reliability-timer>"), RF_EFORMAT},
    {DOC("<overlay-link-protocol>NEW</overlay-link-protocol>"), RF_EUNSUPPORTED},
    {DOC("<overlay-link-protocol/>"), RF_EFORMAT},
    {DOC("<c:chord-update-interval>0</c:chord-update-interval>"), RF_EFORMAT},
    {DOC("<c:chord-reactive>maybe</c:chord-reactive>"), RF_EFORMAT},
    {DOC("<kind-signer>b0b0000000000000000000000000000</kind-signer>"), RF_EFORMAT},
    {DOC("<configuration-signer>b0b0000000000000000000000000000200</configuration-signer>"), RF_EFORMAT},
    {DOC("<bad-node>zzb00000000000000000000000000002</bad-node>"), RF_EFORMAT},
    {DOC("<mandatory-extension>urn:new</mandatory-extension>"), RF_EUNSUPPORTED},
    {DOC("<no-such-element/>"), RF_EFORMAT},
    {DOC("text"), RF_EFORMAT},
    {"<overlay " NS "><configuration/></overlay>", RF_EFORMAT},
    {"<overlay " NS "><configuration instance-name=''/></overlay>", RF_EFORMAT},
    {"<overlay " NS "><configuration instance-name='a b'/></overlay>", RF_EFORMAT},
    {"<overlay " NS "><configuration instance-name='example.com'/></overlay>", RF_ENOTFOUND},
    {"<overlay " NS "/>", RF_ENOTFOUND},
    {"<overlay " NS "><configuration instance-name='example.org'/><configuration "
     "instance-name='example.org'/></overlay>",
     RF_EFORMAT},
    {"<overlay " NS "><configuration instance-name='example.org' sequence='65535'/></overlay>", RF_EFORMAT},
    {"<overlay " NS "><configuration instance-name='example.org' sequence='-1'/></overlay>", RF_EFORMAT},
    {"<overlay " NS "><configuration instance-name='example.org' expiration='soon'/></overlay>", RF_EFORMAT},
    {"<overlay " NS "><configuration instance-name='example.org' sequense='1'/></overlay>", RF_EFORMAT},
    {"<overlay " NS "><configuration instance-name='example.org'/><signature>!</signature></overlay>",
     RF_EFORMAT},
    {"<overlay " NS "><configuration instance-name='example.org'/><other/></overlay>", RF_EFORMAT},
    {"<configuration " NS " instance-name='example.org'/>", RF_EFORMAT},
};

static void wrong_values_are_refused(void **state)
{
    struct fixture f;
    struct rf_conf *conf;
    (void)state;
    fixture_init(&f);
    for (size_t i = 0; i < sizeof(wrong_values) / sizeof(wrong_values[0]); i++) {
        int r = parse(&f, wrong_values[i].text, &conf);

        if (r != wrong_values[i].error)
            fail_msg("%zu: %s: %d", i, wrong_values[i].text, r);
    }
    fixture_deinit(&f);
}

/* CHORD-SELF-TUNING (RFC 7363) is the other topology that we know. */
static void self_tuning(void **state)
{
    static const char text[] =
        DOC("<topology-plugin>CHORD-SELF-TUNING</topology-plugin>"
            "<mandatory-extension>urn:ietf:params:xml:ns:p2p:self-tuning</mandatory-extension>"
            "<number-of-peers-to-probe "
            "xmlns='urn:ietf:params:xml:ns:p2p:self-tuning'>7</number-of-peers-to-probe>");
    struct fixture f;
    struct rf_conf *conf;
    (void)state;
    fixture_init(&f);
    assert_int_equal(parse(&f, text, &conf), 0);
    assert_true(conf->self_tuning);
    assert_int_equal(conf->peers_to_probe, 7);
    rf_conf_release(conf);
    assert_int_equal(parse(&f, DOC(""), &conf), 0);
    assert_false(conf->self_tuning);
    assert_int_equal(conf->peers_to_probe, 4);
    rf_conf_release(conf);
    fixture_deinit(&f);
}

static void the_right_configuration_is_chosen(void **state)
{
    static const char text[] =
        "<overlay " NS "><configuration instance-name='a.org' sequence='1'/><signature>QUFB</signature>"
        "<configuration instance-name='b.org' sequence='2'/><signature>QkJC</signature>"
        "<x:y xmlns:x='urn:x'/><signature algorithm='rsa-sha1'> QkJD\n</signature></overlay>";
    struct fixture f;
    struct rf_conf *conf;
    (void)state;
    fixture_init(&f);
    assert_int_equal(rf_conf_parse(f.c, &f.mem.mem, VIEW(text), VIEW("b.org"), &conf, NULL, 0), 0);
    assert_int_equal(conf->sequence, 2);
    assert_int_equal(conf->signature_count, 2);
    assert_text(conf->signatures[0], "BBB");
    assert_text(conf->signatures[1], "BBC");
    rf_conf_release(conf);
    assert_int_equal(rf_conf_parse(f.c, &f.mem.mem, VIEW(text), rf_view_of(NULL, 0), &conf, NULL, 0), 0);
    assert_int_equal(conf->sequence, 1);
    assert_int_equal(conf->signature_count, 1);
    rf_conf_release(conf);
    fixture_deinit(&f);
}

#define KINDS(kind) DOC("<required-kinds><kind-block>" kind "</kind-block></required-kinds>")
#define RULES       "<data-model>SINGLE</data-model><access-control>USER-MATCH</access-control>"
#define LIMITS      "<max-count>1</max-count><max-size>2</max-size>"
#define SIP_NS      " xmlns:sip='urn:ietf:params:xml:ns:p2p:config-base:sip'"
#define SHARE_NS    " xmlns:share='urn:ietf:params:xml:ns:p2p:config-base:share'"
#define REDIR_NS    " xmlns:redir='urn:ietf:params:xml:ns:p2p:redir'"

static const struct {
    const char *text;
    int error;
} wrong_kinds[] = {
    {KINDS("<kind id='4026531841'>" RULES LIMITS "</kind>"), 0},
    {KINDS("<kind id='4026531841'>" RULES LIMITS
           "<x:a xmlns:x='urn:x'/></kind><kind-signature>QUFB</kind-signature>"),
     0},
    {KINDS(""), RF_EFORMAT},
    {KINDS("<kind>" RULES LIMITS "</kind>"), RF_EFORMAT},
    {KINDS("<kind id='1' name='SIP-REGISTRATION'>" RULES LIMITS "</kind>"), RF_EFORMAT},
    {KINDS("<kind id='0'>" RULES LIMITS "</kind>"), RF_EFORMAT},
    {KINDS("<kind id='4294967295'>" RULES LIMITS "</kind>"), RF_EFORMAT},
    {KINDS("<kind id='0xf0000001'>" RULES LIMITS "</kind>"), RF_EFORMAT},
    {KINDS("<kind name='NO-SUCH'>" RULES LIMITS "</kind>"), RF_EUNSUPPORTED},
    {KINDS("<kind id='5'>" RULES "</kind>"), RF_EFORMAT},
    {KINDS("<kind id='5'>" LIMITS "</kind>"), RF_EFORMAT},
    {KINDS("<kind id='5'>" RULES LIMITS "<max-size>3</max-size></kind>"), RF_EFORMAT},
    {KINDS("<kind id='5'>" RULES LIMITS "<min-size>3</min-size></kind>"), RF_EFORMAT},
    {KINDS("<kind id='5'>" RULES LIMITS "text</kind>"), RF_EFORMAT},
    {KINDS("<kind id='5'>" RULES "<max-count>0</max-count><max-size>2</max-size></kind>"), RF_EFORMAT},
    {KINDS("<kind id='5'>" RULES "<max-count>1</max-count><max-size>2147483648</max-size></kind>"),
     RF_EFORMAT},
    {KINDS("<kind id='5'><data-model>TREE</data-model><access-control>USER-MATCH</access-control>" LIMITS
           "</kind>"),
     RF_EUNSUPPORTED},
    {KINDS("<kind id='5'><data-model>SINGLE</data-model><access-control>EXP-MATCH</access-control>" LIMITS
           "</kind>"),
     RF_EUNSUPPORTED},
    {KINDS("<kind "
           "id='5'><data-model>ARRAY</data-model><access-control>USER-NODE-MATCH</access-control>" LIMITS
           "</kind>"),
     RF_EFORMAT},
    {KINDS("<kind "
           "id='5'><data-model>SINGLE</data-model><access-control>NODE-MULTIPLE</access-control>" LIMITS
           "</kind>"),
     RF_EFORMAT},
    {KINDS("<kind "
           "id='5'><data-model>SINGLE</data-model><access-control>NODE-MULTIPLE</access-control>" LIMITS
           "<max-node-multiple>0</max-node-multiple></kind>"),
     RF_EFORMAT},
    {KINDS("<kind "
           "id='5'><data-model>SINGLE</data-model><access-control>NODE-MULTIPLE</access-control>" LIMITS
           "<max-node-multiple>3</max-node-multiple></kind>"),
     0},
    {KINDS("<kind id='5'>" RULES LIMITS "</kind><kind id='6'>" RULES LIMITS "</kind>"), RF_EFORMAT},
    {KINDS("<kind id='5'>" RULES LIMITS "</kind><kind-signature>?</kind-signature>"), RF_EFORMAT},
    {KINDS("<kind id='5'>" RULES LIMITS
           "</kind><kind-signature>QUFB</kind-signature><kind-signature>QUFB</kind-signature>"),
     RF_EFORMAT},
    {KINDS("<kind id='5'>" RULES LIMITS "</kind><other/>"), RF_EFORMAT},
    {KINDS("<kind id='5'>" RULES LIMITS "</kind></kind-block><kind-block><kind id='5'>" RULES LIMITS
           "</kind>"),
     RF_EFORMAT},
    {KINDS("<kind id='5'" SIP_NS ">" RULES LIMITS "<sip:domain-restriction enable='perhaps'/></kind>"),
     RF_EFORMAT},
    {KINDS("<kind id='5'" SIP_NS ">" RULES LIMITS
           "<sip:domain-restriction/><sip:domain-restrictions/></kind>"),
     RF_EFORMAT},
    {KINDS("<kind id='5'" SIP_NS ">" RULES LIMITS
           "<sip:domain-restriction><sip:pattern/></sip:domain-restriction></kind>"),
     RF_EFORMAT},
    {KINDS("<kind id='5'" REDIR_NS ">" RULES LIMITS
           "<redir:branching-factor>1</redir:branching-factor></kind>"),
     RF_EFORMAT},
};

static void wrong_kinds_are_refused(void **state)
{
    struct fixture f;
    struct rf_conf *conf;
    (void)state;
    fixture_init(&f);
    for (size_t i = 0; i < sizeof(wrong_kinds) / sizeof(wrong_kinds[0]); i++) {
        int r = parse(&f, wrong_kinds[i].text, &conf);

        if (r != wrong_kinds[i].error)
            fail_msg("%zu: %s: %d", i, wrong_kinds[i].text, r);
        rf_conf_release(conf);
    }
    fixture_deinit(&f);
}

static void kinds_have_extensions(void **state)
{
    static const char text[] = DOC(
        "<required-kinds><kind-block><kind name='SIP-REGISTRATION'" SIP_NS "><data-model>SINGLE</data-model>"
        "<access-control>EXP-MATCH</access-control>" LIMITS "<sip:domain-restriction enable='true'>"
        "<sip:pattern> dht\\.example\\.com </sip:pattern><sip:pattern>.*\\.my\\.example</sip:pattern>"
        "</sip:domain-restriction></kind></kind-block><kind-block><kind id='5'" SHARE_NS
        "><data-model>ARRAY</data-model>"
        "<access-control>USER-CHAIN-ACL</access-control>" LIMITS "<share:variable-resource-names enable='1'>"
        "<share:pattern>.*-conf-$USER@$DOMAIN</share:pattern></share:variable-resource-names></kind></"
        "kind-block>"
        "</required-kinds><redir:branching-factor" REDIR_NS ">4</redir:branching-factor>");
    struct fixture f;
    struct rf_conf *conf;
    const struct rf_kind_def *kind;
    (void)state;
    fixture_init(&f);
    assert_int_equal(parse(&f, text, &conf), 0);
    kind = rf_conf_kind(conf, 1);
    assert_int_equal(kind->model,
                     RF_MODEL_DICTIONARY); /* the reference's, whatever the document says (4.8) */
    assert_int_equal(kind->policy, RF_POLICY_USER_NODE_MATCH);
    assert_int_equal(kind->max_size, 2);
    assert_true(kind->domain_restricted && kind->domain_enable);
    assert_int_equal(kind->domain_pattern_count, 2);
    assert_string_equal(kind->domain_patterns[0], "dht\\.example\\.com");
    assert_string_equal(kind->domain_patterns[1], ".*\\.my\\.example");
    kind = rf_conf_kind(conf, 5);
    assert_true(kind->variable_names && !kind->domain_restricted);
    assert_string_equal(kind->name_patterns[0], ".*-conf-$USER@$DOMAIN");
    kind = rf_conf_kind(conf, RF_KIND_REDIR); /* no block of its own (D48) */
    assert_int_equal(kind->branching_factor, 4);
    assert_int_equal(kind->max_count, 1000);
    rf_conf_release(conf);
    assert_int_equal(
        parse(&f,
              DOC("<redir:branching-factor" REDIR_NS ">4</redir:branching-factor><required-kinds><kind-block>"
                  "<kind name='REDIR'" REDIR_NS ">" RULES LIMITS
                  "<redir:branching-factor>8</redir:branching-factor></kind></kind-block></required-kinds>"),
              &conf),
        0);
    assert_int_equal(rf_conf_kind(conf, RF_KIND_REDIR)->branching_factor, 8);
    rf_conf_release(conf);
    fixture_deinit(&f);
}

static void refused_memory_is_reported(void **state)
{
    struct fixture f;
    struct rf_buf xml;
    struct rf_conf *conf;
    int r = RF_ENOMEM;
    (void)state;
    fixture_init(&f);
    rf_buf_init(&xml, rf_mem_system(), 1 << 16);
    rf_vector_read("config.xml", &xml);
    for (size_t allowed = 0; r != 0; allowed++) {
        f.mem.allowed = allowed;
        r = rf_conf_parse(f.c, &f.mem.mem, rf_buf_view(&xml), VIEW("example.org"), &conf, NULL, 0);
        assert_true(r == 0 || r == RF_ENOMEM);
    }
    rf_conf_release(conf);
    f.mem.allowed = SIZE_MAX;
    rf_buf_deinit(&xml);
    fixture_deinit(&f);
}

int test_conf_parse(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_vectors_document_is_read), cmocka_unit_test(defaults_hold_where_nothing_is_said),
        cmocka_unit_test(every_element_is_read),        cmocka_unit_test(self_tuning),
        cmocka_unit_test(wrong_values_are_refused),     cmocka_unit_test(the_right_configuration_is_chosen),
        cmocka_unit_test(wrong_kinds_are_refused),      cmocka_unit_test(kinds_have_extensions),
        cmocka_unit_test(refused_memory_is_reported),
    };
    return cmocka_run_group_tests_name("parse", tests, NULL, NULL);
}
