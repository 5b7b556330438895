/* test_conf_write.c - documents written are read again as what they were, and verify; the test PKI. */
#include "test_conf.h"

#include "support/pki.h"

static const char *sip_patterns[] = {"a<b>&\"c\"", ".*"};
static const char *share_patterns[] = {"$USER-x@$DOMAIN"};
static struct rf_kind_def kinds[] = {
    {.id = RF_KIND_SIP_REGISTRATION,
     .model = RF_MODEL_DICTIONARY,
     .policy = RF_POLICY_USER_NODE_MATCH,
     .max_count = 3,
     .max_size = 4,
     .domain_restricted = true,
     .domain_enable = true,
     .domain_patterns = sip_patterns,
     .domain_pattern_count = 2},
    {.id = 0xf0000007,
     .model = RF_MODEL_ARRAY,
     .policy = RF_POLICY_USER_CHAIN_ACL,
     .max_count = 5,
     .max_size = 6,
     .variable_names = true,
     .name_patterns = share_patterns,
     .name_pattern_count = 1},
    {.id = 0xf0000008,
     .model = RF_MODEL_SINGLE,
     .policy = RF_POLICY_NODE_MULTIPLE,
     .max_count = 1,
     .max_size = 9,
     .max_node_multiple = 11},
    {.id = RF_KIND_REDIR,
     .model = RF_MODEL_DICTIONARY,
     .policy = RF_POLICY_NODE_ID_MATCH,
     .max_count = 1,
     .max_size = 9,
     .branching_factor = 12},
};

static void fill(struct rf_conf *draft, void *arg)
{
    static char *urls[] = {(char *)"https://enrol.example.org/?a=b&c=<d>"};
    static char *extensions[] = {(char *)"urn:ietf:params:xml:ns:p2p:config-chord"};
    static struct rf_id bad = {.len = 20, .b = {1, 2, 3}};

    (void)arg;
    draft->expiration_ms = UINT64_C(2366841600000);
    draft->enrolment_urls = urls;
    draft->enrolment_url_count = 1;
    draft->mandatory_extensions = extensions;
    draft->mandatory_extension_count = 1;
    draft->bad_nodes = &bad;
    draft->bad_node_count = 1;
    draft->turn_density = 0;
    draft->clients_permitted = false;
    draft->chord_reactive = false;
    draft->chord_update_interval_s = 5;
    draft->chord_ping_interval_s = 6;
    draft->max_message_size = 70000;
    draft->initial_ttl = 40;
    draft->reliability_timer_ms = 700;
}

static void everything_written_is_read_again(void **state)
{
    static const char *const bootstraps[] = {"192.0.2.1:77", "[2001:db8::1]:6084"};
    struct rf_pki_config config = {.id_len = 20,
                                   .no_ice = true,
                                   .bootstraps = bootstraps,
                                   .bootstrap_count = 2,
                                   .sequence = 65534,
                                   .kinds = kinds,
                                   .kind_count = 4,
                                   .adjust = fill};
    const struct rf_kind_def *kind;
    struct rf_pki pki;
    struct rf_trust *trust;
    char text[RF_ADDR_TEXT_LEN];
    (void)state;
    assert_int_equal(rf_pki_init(&pki, &config), 0);
    struct rf_conf *c = pki.conf;
    assert_int_equal(c->id_len, 20);
    assert_int_equal(c->sequence, 65534);
    assert_int_equal(c->expiration_ms, UINT64_C(2366841600000));
    assert_true(c->no_ice && !c->clients_permitted && !c->chord_reactive);
    assert_string_equal(c->enrolment_urls[0], "https://enrol.example.org/?a=b&c=<d>");
    assert_string_equal(c->mandatory_extensions[0], "urn:ietf:params:xml:ns:p2p:config-chord");
    assert_string_equal(rf_addr_text(&c->bootstraps[0], text), "192.0.2.1:77");
    assert_string_equal(rf_addr_text(&c->bootstraps[1], text), "[2001:db8::1]:6084");
    assert_int_equal(c->bad_nodes[0].b[2], 3);
    assert_int_equal(c->turn_density, 0);
    assert_int_equal(c->chord_update_interval_s, 5);
    assert_int_equal(c->chord_ping_interval_s, 6);
    assert_int_equal(c->max_message_size, 70000);
    assert_int_equal(c->initial_ttl, 40);
    assert_int_equal(c->reliability_timer_ms, 700);
    assert_int_equal(c->kind_count, 4);
    for (size_t i = 0; i < 4; i++) {
        kind = rf_conf_kind(c, kinds[i].id);
        assert_int_equal(kind->model, kinds[i].model);
        assert_int_equal(kind->policy, kinds[i].policy);
        assert_int_equal(kind->max_count, kinds[i].max_count);
        assert_int_equal(kind->max_size, kinds[i].max_size);
        assert_int_equal(kind->max_node_multiple, kinds[i].max_node_multiple);
        assert_int_equal(kind->branching_factor, kinds[i].branching_factor);
        assert_int_equal(kind->domain_pattern_count, kinds[i].domain_pattern_count);
        assert_int_equal(kind->name_pattern_count, kinds[i].name_pattern_count);
    }
    assert_string_equal(rf_conf_kind(c, 1)->domain_patterns[0], sip_patterns[0]);
    assert_string_equal(rf_conf_kind(c, 0xf0000007)->name_patterns[0], share_patterns[0]);
    assert_int_equal(rf_pki_trust(&pki, 10, &trust), 0);
    assert_int_equal(rf_conf_verify(NULL, c, trust, pki.wall_ms), 0);
    assert_int_equal(rf_conf_verify(c, c, trust, pki.wall_ms), 0);
    rf_trust_free(trust);
    rf_pki_deinit(&pki);
}

static void the_text_is_stable(void **state)
{
    struct rf_pki pki;
    struct rf_conf *again;
    (void)state;
    assert_int_equal(rf_pki_init(&pki, &(struct rf_pki_config){.kinds = kinds, .kind_count = 4}), 0);
    assert_int_equal(rf_pki_document(&pki, 1, NULL, NULL, &again), 0);
    assert_true(rf_view_equal(pki.conf->xml, again->xml)); /* the signer's key is Ed25519 */
    rf_conf_release(again);
    rf_pki_deinit(&pki);
}

static void spoil(struct rf_conf *draft, void *arg)
{
    switch (*(int *)arg) {
    case 0:
        draft->overlay = rf_view_str("no name");
        break;
    case 1:
        draft->initial_ttl = 0;
        break;
    case 2:
        draft->id_len = 15;
        break;
    case 3:
        draft->reliability_timer_ms = 5;
        break;
    case 4:
        draft->overlay = rf_view_str("a\"><b c=\"");
        break;
    case 5:
        draft->sequence = 65535;
        break;
    case 6:
        draft->bootstraps[0].family = 0;
        draft->bootstrap_count = 1;
        break;
    case 7:
        kinds[2].policy = RF_POLICY_NONE;
        break;
    case 8:
        kinds[2].max_count = 0;
        break;
    default:
        break;
    }
}

static void bad_drafts_are_not_written(void **state)
{
    (void)state;
    for (int i = 0; i <= 8; i++) {
        struct rf_kind_def kept = kinds[2];
        struct rf_pki pki;

        assert_int_equal(rf_pki_init(&pki,
                                     &(struct rf_pki_config){
                                         .kinds = kinds, .kind_count = 3, .adjust = spoil, .adjust_arg = &i}),
                         RF_EINVAL);
        kinds[2] = kept;
    }
}

/* Fifty nodes of each sort of overlay: all trusted, all different. */
static void the_pki_makes_many_nodes(void **state)
{
    enum { NODES = 50 };
    (void)state;
    for (int rule = 0; rule <= RF_DIGEST_SHA256; rule++) {
        struct rf_identity nodes[NODES];
        struct rf_mem_test mem;
        struct rf_pki pki;
        struct rf_trust *trust;

        rf_mem_test_init(&mem);
        assert_int_equal(rf_pki_init(&pki, &(struct rf_pki_config){.self_signed = rule, .mem = &mem.mem}), 0);
        assert_int_equal(pki.conf->self_signed, rule);
        assert_int_equal(rf_pki_trust(&pki, NODES, &trust), 0);
        assert_int_equal(rf_conf_verify(NULL, pki.conf, trust, pki.wall_ms), 0);
        for (size_t i = 0; i < NODES; i++) {
            struct rf_cert *cert;
            char user[32];

            snprintf(user, sizeof(user), "user%zu@example.org", i);
            assert_int_equal(
                rf_pki_node(&pki, user, NULL, i % 2 == 0 ? RF_KEY_P256 : RF_KEY_ED25519, &nodes[i]), 0);
            assert_int_equal(rf_trust_cert(trust, nodes[i].cert->x509.der, NULL, 0, pki.wall_ms, &cert), 0);
            rf_cert_release(cert);
            for (size_t k = 0; k < i; k++)
                assert_false(rf_id_equal(&nodes[i].node_id, &nodes[k].node_id));
        }
        for (size_t i = 0; i < NODES; i++)
            rf_identity_deinit(&nodes[i]);
        rf_trust_free(trust);
        rf_pki_deinit(&pki);
        assert_int_equal(mem.live_count, 0);
    }
}

static void the_pki_certifies_wanted_node_ids(void **state)
{
    struct rf_id ids[2] = {{.len = 16, .b = {0x10, [15] = 1}}, {.len = 16, .b = {0x40, [15] = 2}}};
    struct rf_identity one, two;
    struct rf_pki pki;
    (void)state;
    assert_int_equal(rf_pki_init(&pki, &(struct rf_pki_config){.overlay = "example.com"}), 0);
    assert_int_equal(rf_pki_node(&pki, "a@example.com", &ids[1], RF_KEY_P256, &one), 0);
    assert_true(rf_id_equal(&one.node_id, &ids[1]));
    assert_int_equal(rf_pki_node_multi(&pki, "b@example.com", ids, 2, RF_KEY_ED25519, &two), 0);
    assert_int_equal(two.cert->node_id_count, 2);
    assert_true(rf_id_equal(&two.node_id, &ids[0]));
    rf_identity_deinit(&one);
    rf_identity_deinit(&two);
    rf_pki_deinit(&pki);
    assert_int_equal(rf_pki_init(&pki, &(struct rf_pki_config){.self_signed = RF_DIGEST_SHA256}), 0);
    assert_int_equal(rf_pki_node(&pki, "a@example.org", &ids[0], RF_KEY_P256, &one), RF_EINVAL);
    rf_pki_deinit(&pki);
}

int test_conf_write(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_written_is_read_again),  cmocka_unit_test(the_text_is_stable),
        cmocka_unit_test(bad_drafts_are_not_written),        cmocka_unit_test(the_pki_makes_many_nodes),
        cmocka_unit_test(the_pki_certifies_wanted_node_ids),
    };
    return cmocka_run_group_tests_name("write", tests, NULL, NULL);
}
