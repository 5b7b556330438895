/* test_usage_kinds.c - what a storing peer takes under each registered Kind, and what its check refuses. */
#include "test_usage.h"

static struct rf_view id_of(size_t n)
{
    return rf_id_view(&un_node(n)->identity.node_id);
}

static struct rf_id hash_id(size_t n)
{
    struct rf_view part = id_of(n);
    struct rf_id id;
    assert_int_equal(rf_overlay_hash(un.net.pki.crypto, &part, 1, 16, &id), 0);
    return id;
}

static struct rf_view append(void)
{
    return rf_view_of("\xff\xff\xff\xff", 4);
}

static void test_certificates(void **state)
{
    (void)state;
    struct rf_id by_node = hash_id(UALICE), by_user = sn_hash(&un.net, "alice@example.org");
    struct rf_view alice = un_node(UALICE)->identity.cert->x509.der,
                   alice2 = un_node(UALICE2)->identity.cert->x509.der;
    struct rf_view bob = un_node(UBOB)->identity.cert->x509.der;
    const struct {
        const struct rf_id *resource;
        uint32_t kind;
        struct rf_view value;
        uint16_t code;
    } rows[] = {
        {&by_node, RF_KIND_CERTIFICATE_BY_NODE, alice, 0},
        {&by_node, RF_KIND_CERTIFICATE_BY_NODE, alice2, RF_ERROR_FORBIDDEN}, /* her other device's */
        {&by_node, RF_KIND_CERTIFICATE_BY_NODE, bob, RF_ERROR_FORBIDDEN},
        {&by_node, RF_KIND_CERTIFICATE_BY_NODE, {alice.p, alice.len - 1}, RF_ERROR_INVALID_MESSAGE},
        {&by_user, RF_KIND_CERTIFICATE_BY_USER, alice, 0},
        {&by_user, RF_KIND_CERTIFICATE_BY_USER, alice2, 0}, /* the same user */
        {&by_user, RF_KIND_CERTIFICATE_BY_USER, bob, RF_ERROR_FORBIDDEN},
        {&by_user, RF_KIND_CERTIFICATE_BY_USER, rf_view_str("junk"), RF_ERROR_INVALID_MESSAGE},
        {&by_user, RF_KIND_CERTIFICATE_BY_NODE, alice, RF_ERROR_FORBIDDEN},
    };
    for (size_t i = 0; i < RF_COUNT(rows); i++)
        if (un_store(UALICE, rows[i].resource, rows[i].kind, append(), rows[i].value, 600) != rows[i].code)
            fail_msg("row %zu", i);
}

static void test_turn(void **state)
{
    (void)state;
    struct rf_id d1, d2;
    const struct rf_id *id = &un_node(U40)->identity.node_id;
    assert_int_equal(rf_turn_resource(un.net.pki.crypto, id, 1, &d1), 0);
    assert_int_equal(rf_turn_resource(un.net.pki.crypto, id, 2, &d2), 0);
    const struct {
        size_t writer;
        const struct rf_id *resource;
        uint8_t iteration;
        const char *addr;
        uint16_t code;
    } rows[] = {
        {U40, &d1, 1, "192.0.2.1:3478", 0},
        {U40, &d2, 2, "[2001:db8::1]:3478", 0},
        {U40, &d2, 1, "192.0.2.1:3478", RF_ERROR_FORBIDDEN},
        {U80, &d1, 1, "192.0.2.1:3478", RF_ERROR_FORBIDDEN},
        {U40, &d1, 1, "0.0.0.0:3478", RF_ERROR_INVALID_MESSAGE},
        {U40, &d1, 1, "192.0.2.1:0", RF_ERROR_INVALID_MESSAGE},
    };
    for (size_t i = 0; i < RF_COUNT(rows); i++) {
        struct rf_turn_value turn = {.iteration = rows[i].iteration};
        uint8_t bytes[64];
        struct rf_buf value;
        rf_buf_fixed(&value, bytes, sizeof(bytes));
        assert_int_equal(rf_addr_parse(rows[i].addr, 0, &turn.address), 0);
        rf_turn_value_encode(&turn, &value);
        if (un_store(rows[i].writer, rows[i].resource, RF_KIND_TURN_SERVICE, rf_view_of(NULL, 0),
                     rf_buf_view(&value), 600) != rows[i].code)
            fail_msg("row %zu", i);
    }
}

static void test_redir(void **state)
{
    (void)state;
    /* alice's Node-ID begins with a1: level 1 node 6, level 2 node 62 */
    static const struct {
        size_t writer, key;
        uint16_t at_level, at_node; /* the Resource-ID */
        uint16_t level, node;       /* what the value says */
        const char *name_space;
        uint16_t code;
    } rows[] = {
        {UALICE, UALICE, 2, 62, 2, 62, "turn-server", 0},
        {UALICE, UALICE, 1, 6, 1, 6, "turn-server", 0},
        {UALICE, UALICE, 0, 0, 0, 0, "turn-server", 0},
        {UALICE, UALICE, 2, 63, 2, 63, "turn-server", RF_ERROR_FORBIDDEN}, /* another part of the ring */
        {UALICE, UALICE, 2, 62, 2, 62, "voice-mail",
         RF_ERROR_FORBIDDEN}, /* stored under turn-server's name */
        {UALICE, UALICE, 2, 62, 1, 6, "turn-server", RF_ERROR_FORBIDDEN},
        {UALICE, UBOB, 2, 62, 2, 62, "turn-server", RF_ERROR_FORBIDDEN}, /* another's key */
    };
    for (size_t i = 0; i < RF_COUNT(rows); i++) {
        struct rf_id resource;
        struct rf_dest dest = rf_dest_node(&un_node(UALICE)->identity.node_id);
        uint8_t dest_bytes[32], bytes[256];
        struct rf_buf dests, value;
        rf_buf_fixed(&dests, dest_bytes, sizeof(dest_bytes));
        rf_buf_fixed(&value, bytes, sizeof(bytes));
        rf_dest_encode(&dest, &dests);
        struct rf_redir_value redir = {.dests = rf_buf_view(&dests),
                                       .name_space = rf_view_str(rows[i].name_space),
                                       .level = rows[i].level,
                                       .node = rows[i].node};
        rf_redir_value_encode(&redir, &value);
        assert_int_equal(rf_redir_resource(un.net.pki.crypto, rf_view_str("turn-server"), rows[i].at_level,
                                           rows[i].at_node, 16, &resource),
                         0);
        if (un_store(rows[i].writer, &resource, RF_KIND_REDIR, id_of(rows[i].key), rf_buf_view(&value),
                     600) != rows[i].code)
            fail_msg("row %zu", i);
    }
    struct rf_id resource;
    assert_int_equal(rf_redir_resource(un.net.pki.crypto, rf_view_str("turn-server"), 2, 62, 16, &resource),
                     0);
    assert_int_equal(un_store(UALICE, &resource, RF_KIND_REDIR, id_of(UALICE), rf_view_str("junk"), 600),
                     RF_ERROR_INVALID_MESSAGE);
    assert_int_equal(un_store(UALICE, &resource, RF_KIND_REDIR, id_of(UALICE), rf_view_of(NULL, 0), 600),
                     0); /* removal */
}

static void test_sip(void **state)
{
    (void)state;
    struct rf_id resource = sn_hash(&un.net, "alice@example.org");
    struct rf_sip_registration route = {.type = RF_SIP_REGISTRATION_ROUTE,
                                        .dests = {rf_dest_node(&un_node(UALICE)->identity.node_id)},
                                        .dest_count = 1};
    struct rf_sip_registration uri = {.type = RF_SIP_REGISTRATION_URI, .uri = rf_view_str("bob@example.org")};
    struct rf_buf buf;
    rf_buf_init(&buf, rf_mem_system(), 4096);
    rf_sip_registration_encode(&route, &buf);
    assert_int_equal(
        un_store(UALICE, &resource, RF_KIND_SIP_REGISTRATION, id_of(UALICE), rf_buf_view(&buf), 600), 0);
    assert_int_equal(
        un_store(UALICE, &resource, RF_KIND_SIP_REGISTRATION, id_of(UALICE2), rf_buf_view(&buf), 600),
        RF_ERROR_FORBIDDEN);
    assert_int_equal(un_store(UBOB, &resource, RF_KIND_SIP_REGISTRATION, id_of(UBOB), rf_buf_view(&buf), 600),
                     RF_ERROR_FORBIDDEN);
    rf_buf_reset(&buf);
    rf_sip_registration_encode(&uri, &buf);
    assert_int_equal(
        un_store(UALICE2, &resource, RF_KIND_SIP_REGISTRATION, id_of(UALICE2), rf_buf_view(&buf), 600), 0);
    assert_int_equal(
        un_store(UALICE, &resource, RF_KIND_SIP_REGISTRATION, id_of(UALICE), rf_view_str("\1\0\1x"), 600),
        RF_ERROR_INVALID_MESSAGE);
    assert_int_equal(un_count(&resource, RF_KIND_SIP_REGISTRATION), 2);
    rf_buf_deinit(&buf);
}

static void test_acl(void **state)
{
    (void)state;
    struct rf_id resource = sn_hash(&un.net, "alice@example.org");
    static const struct {
        const char *to;
        uint32_t kind;
        uint16_t code;
    } rows[] = {
        {"alice@example.org", 0xf0000001, 0},
        {"not a name", 0xf0000001, RF_ERROR_INVALID_MESSAGE},
        {"bob@example.org", 0, RF_ERROR_INVALID_MESSAGE},
    };
    for (uint8_t i = 0; i < RF_COUNT(rows); i++) {
        uint32_t index = rf_acl_index(&un_node(UALICE)->identity.node_id, i);
        uint8_t slot[4] = {(uint8_t)(index >> 24), (uint8_t)(index >> 16), (uint8_t)(index >> 8),
                           (uint8_t)index},
                bytes[128];
        struct rf_acl_value acl = {
            .to_user = rf_view_str(rows[i].to), .kind = rows[i].kind, .allow_delegation = true};
        struct rf_buf value;
        rf_buf_fixed(&value, bytes, sizeof(bytes));
        rf_acl_value_encode(&acl, &value);
        if (un_store(UALICE, &resource, RF_KIND_ACCESS_CONTROL_LIST, rf_view_of(slot, 4), rf_buf_view(&value),
                     600) != rows[i].code)
            fail_msg("row %u", i);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, usage_setup, usage_teardown)

int run_usage_kind_tests(void)
{
    const struct CMUnitTest tests[] = {TEST(test_certificates), TEST(test_turn), TEST(test_redir),
                                       TEST(test_sip), TEST(test_acl)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
