/* test_usage.c - the usages: values, names and trees without a net, and what all of their tests share. */
#include "test_usage.h"

struct usage_net un;

struct sn_node *un_node(size_t number)
{
    return &un.net.nodes[number];
}
struct rf_sipreg *un_sipreg(size_t number)
{
    return rf_usages_sipreg(un.usages[number]);
}
struct rf_certs *un_certs(size_t number)
{
    return rf_usages_certs(un.usages[number]);
}

static void on_registered(void *arg, bool registered)
{
    *(int *)arg = registered;
}

void un_usages_start(size_t number)
{
    struct sn_node *n = un_node(number);
    struct rf_usages_config config = {
        .store = n->store,
        .identity = &n->identity,
        .crypto = un.net.pki.crypto,
        .trust = n->trust,
        .conf = un.net.pki.conf,
        .registered = on_registered,
        .arg = &un.registered[number],
    };
    un.registered[number] = -1;
    assert_int_equal(rf_usages_new(&n->env, &config, &un.usages[number]), 0);
}

void un_usages_stop(size_t number)
{
    rf_usages_free(un.usages[number]);
    un.usages[number] = NULL;
}

int usage_setup(void **state)
{
    static const struct {
        const char *user, *id;
        bool peer;
    } nodes[USAGE_NODES] = {
        {"p40@example.org", "40", true},    {"p80@example.org", "80", true},
        {"pc0@example.org", "c0", true},    {"alice@example.org", "a1", false},
        {"alice@example.org", "a2", false}, {"bob@example.org", "b0", false},
        {"carol@example.org", "ca", false}, {"dave@example.org", "da", false},
    };
    (void)state;
    sn_init(&un.net, NULL, 0);
    for (size_t i = 0; i < USAGE_NODES; i++) {
        sn_add(&un.net, nodes[i].user, nodes[i].id, nodes[i].peer, NULL);
        un_usages_start(i);
    }
    sn_ring_changed(&un.net, NULL, NULL);
    sn_run(&un.net, RF_US_PER_S);
    return 0;
}

int usage_teardown(void **state)
{
    (void)state;
    for (size_t i = 0; i < USAGE_NODES; i++)
        un_usages_stop(i);
    sn_deinit(&un.net);
    return 0;
}

bool un_wait(bool (*cond)(void *arg), void *arg, unsigned s)
{
    for (unsigned i = 0; i < 10 * s && !cond(arg); i++)
        sn_run(&un.net, 100000);
    return cond(arg);
}

struct done {
    bool done;
    uint16_t code;
    int error;
    size_t count;
};

static bool is_done(void *arg)
{
    return ((struct done *)arg)->done;
}

static void on_stored(void *arg, const struct rf_store_result *result)
{
    *(struct done *)arg = (struct done){.done = true, .code = result->error_code, .error = result->error};
}

uint16_t un_store(size_t writer, const struct rf_id *resource, uint32_t kind, struct rf_view slot,
                  struct rf_view value, uint32_t lifetime_s)
{
    struct done done = {.done = false};
    struct sn_node *n = un_node(writer);
    assert_int_equal(rf_store_client_store(n->store, &n->identity, resource, kind, slot, value.len > 0, value,
                                           lifetime_s, on_stored, &done),
                     0);
    assert_true(un_wait(is_done, &done, 60));
    assert_true(done.error == 0 || done.error == RF_EREMOTE);
    return done.code;
}

static void on_fetched(void *arg, const struct rf_fetch_result *result)
{
    struct done *done = arg;
    *done = (struct done){.done = true, .error = result->error};
    for (size_t i = 0; i < result->value_count; i++)
        done->count += result->values[i].exists;
}

size_t un_count(const struct rf_id *resource, uint32_t kind)
{
    struct done done = {.done = false};
    assert_int_equal(rf_store_client_fetch(un_node(UDAVE)->store, resource, kind, NULL, 0, on_fetched, &done),
                     0);
    assert_true(un_wait(is_done, &done, 60));
    assert_int_equal(done.error, 0);
    return done.count;
}

/* ---- values ---- */

static struct rf_id node_id(uint8_t first)
{
    return (struct rf_id){.len = 16, .b = {first, [15] = 1}};
}

static void test_registration_codec(void **state)
{
    (void)state;
    struct rf_id one = node_id(0xa1), two = node_id(0xb0);
    struct rf_sip_registration in = {.type = RF_SIP_REGISTRATION_ROUTE,
                                     .contact_prefs = rf_view_str("(sip.schemes=SIP)"),
                                     .dests = {rf_dest_node(&one), rf_dest_node(&two)},
                                     .dest_count = 2};
    struct rf_sip_registration out;
    struct rf_buf buf;
    rf_buf_init(&buf, rf_mem_system(), 4096);
    rf_sip_registration_encode(&in, &buf);
    assert_int_equal(rf_sip_registration_decode(rf_buf_view(&buf), 16, &out), 0);
    assert_int_equal(out.type, RF_SIP_REGISTRATION_ROUTE);
    assert_int_equal(out.dest_count, 2);
    assert_true(rf_id_equal(&out.dests[1].id, &two));
    assert_true(rf_view_equal(out.contact_prefs, in.contact_prefs));
    for (size_t len = 0; len < buf.len; len++)
        assert_int_equal(rf_sip_registration_decode(rf_view_of(buf.p, len), 16, &out), RF_EFORMAT);
    rf_buf_reset(&buf);
    in = (struct rf_sip_registration){.type = RF_SIP_REGISTRATION_URI,
                                      .uri = rf_view_str("sip:bob@example.org")};
    rf_sip_registration_encode(&in, &buf);
    assert_int_equal(rf_sip_registration_decode(rf_buf_view(&buf), 16, &out), 0);
    assert_true(rf_view_equal(out.uri, in.uri));
    rf_buf_reset(&buf);
    in.uri = rf_view_str("\xff\xfe");
    rf_sip_registration_encode(&in, &buf);
    assert_int_equal(rf_sip_registration_decode(rf_buf_view(&buf), 16, &out), RF_EFORMAT);
    rf_buf_reset(&buf); /* more destinations than anybody needs */
    uint8_t dests[9 * 18];
    struct rf_buf list;
    rf_buf_fixed(&list, dests, sizeof(dests));
    for (uint8_t i = 0; i < 9; i++) {
        struct rf_id id = node_id((uint8_t)(i + 1));
        struct rf_dest dest = rf_dest_node(&id);
        rf_dest_encode(&dest, &list);
    }
    struct rf_sip_value raw = {.type = RF_SIP_VALUE_ROUTE, .dests = rf_buf_view(&list)};
    rf_sip_value_encode(&raw, &buf);
    assert_int_equal(rf_sip_registration_decode(rf_buf_view(&buf), 16, &out), RF_ELIMIT);
    rf_buf_deinit(&buf);
}

static void test_aor_of_uri(void **state)
{
    (void)state;
    static const struct {
        const char *uri, *aor; /* NULL: refused */
    } rows[] = {
        {"bob@example.org", "bob@example.org"},
        {"sip:bob@example.org", "bob@example.org"},
        {"SIPS:bob@example.org", "bob@example.org"},
        {"sip:bob@example.org;transport=tcp", "bob@example.org"},
        {"sip:bob@example.org?subject=x", "bob@example.org"},
        {"sip:bob@example.org;a=b?c=d", "bob@example.org"},
        {"sip:example.org", NULL},
        {"sip:", NULL},
        {"", NULL},
        {"sip:bob@", NULL},
        {"sip:@example.org", NULL},
        {"sip:bob@example.org:5060", NULL},
        {"tel:+4912345", NULL},
    };
    for (size_t i = 0; i < RF_COUNT(rows); i++) {
        struct rf_view aor = {NULL, 0};
        int error = rf_sip_uri_aor(rf_view_str(rows[i].uri), &aor);
        if ((error == 0) != (rows[i].aor != NULL) ||
            (error == 0 && !rf_view_equal(aor, rf_view_str(rows[i].aor))))
            fail_msg("%s: %d %.*s", rows[i].uri, error, (int)aor.len, (const char *)aor.p);
    }
}

static void test_gruu(void **state)
{
    (void)state;
    struct rf_id one = node_id(0xa1), two = node_id(0xb0);
    struct rf_dest dests[2] = {rf_dest_node(&one), rf_dest_node(&two)}, out[RF_SIP_MAX_DESTS];
    struct rf_view owner;
    size_t count = 0;
    for (size_t n = 1; n <= 2; n++) {
        struct rf_buf buf;
        rf_buf_init(&buf, rf_mem_system(), 1024);
        rf_sip_gruu_put(rf_view_str("alice@example.org"), dests, n, &buf);
        assert_null(memchr(buf.p + 21, '=', buf.len - 21));
        assert_int_equal(rf_sip_gruu_decode(rf_buf_view(&buf), 16, out, &owner, &count), 0);
        assert_int_equal(count, n);
        assert_true(rf_dest_equal(&out[n - 1], &dests[n - 1]));
        assert_true(rf_view_equal(owner, rf_view_str("alice@example.org")));
        rf_buf_deinit(&buf);
    }
    /* 0110 and the Node-ID */
    assert_int_equal(
        rf_sip_gruu_decode(rf_view_str("sip:alice@example.org;x=1;gr=ARChAAAAAAAAAAAAAAAAAAAB;y"), 16, out,
                           &owner, &count),
        0);
    assert_true(rf_id_equal(&out[0].id, &one));
    static const struct {
        const char *uri;
        int error;
    } bad[] = {
        {"alice@example.org", RF_ENOTFOUND},
        {"alice@example.org;gruu=ARCh", RF_ENOTFOUND},
        {"alice@example.org;gr=", RF_EFORMAT},
        {"alice@example.org;gr=!!!!", RF_EFORMAT},
        {"alice@example.org;gr=ARChAAAA", RF_EFORMAT},
        {"nobody;gr=ARChAAAAAAAAAAAAAAAAAAAB", RF_EFORMAT},
        {"alice@example.org;gr=AwUEAQIDBA~~", RF_EFORMAT}, /* somebody's opaque ID */
    };
    for (size_t i = 0; i < RF_COUNT(bad); i++)
        if (rf_sip_gruu_decode(rf_view_str(bad[i].uri), 16, out, &owner, &count) != bad[i].error)
            fail_msg("%s", bad[i].uri);
}

static void test_prefs(void **state)
{
    (void)state;
    static const struct {
        const char *prefs;
        bool sips;
    } rows[] = {
        {"", false},
        {"(sip.schemes=SIP)", false},
        {"(sip.schemes=SIPS)", true},
        {" ( SIP.Schemes = sips ) ", true},
        {"(sip.schemes=\"SIPS\")", true},
        {"(sip.schemes=<sips>)", true},
        {"(|(sip.schemes=SIP)(sip.schemes=SIPS))", false},
        {"(& (sip.schemes=SIPS) (sip.audio=TRUE))", true},
        {"(& (sip.schemes=SIPS) (| (sip.methods=INVITE) (sip.mobility=fixed)))", true},
        {"(& (sip.audio=TRUE) (sip.methods=INVITE))", false},
        {"(! (sip.schemes=SIP))", true},
        {"(! (sip.schemes=SIPS))", false},
        {"(! (sip.audio=TRUE))", false},
        {"(& (sip.schemes=SIP) (sip.schemes=SIPS))", false}, /* cannot be had: sip then */
        {"(sip.schemes=TEL)", false},
        {"(sip.schemes=SIPS", false},
        {"(sip.schemes=SIPS))", false},
        {"sip.schemes=SIPS", false},
        {"(&(sip.schemes=SIPS)", false},
        {"((sip.schemes=SIPS))", false},
        {"(((((((((((((((((((((((((((((((((((((((((((((((", false},
        {"(!(!(!(!(!(!(!(!(!(!(!(!(!(!(!(!(!(!(!(!(sip.schemes=SIPS)))))))))))))))))))))", false},
    };
    for (size_t i = 0; i < RF_COUNT(rows); i++)
        if (rf_sip_prefs_sips(rf_view_str(rows[i].prefs)) != rows[i].sips)
            fail_msg("%s", rows[i].prefs);
}

static void test_domains(void **state)
{
    (void)state;
    static const char *patterns[] = {"dht\\.example\\.com", ".*\\.my\\.example", "(broken"};
    struct rf_conf conf = {.overlay = rf_view_str("example.org")};
    static const struct {
        bool restricted, enable;
        const char *aor;
        int error;
    } rows[] = {
        {false, false, "bob@anything.net", 0},
        {false, true, "bob@anything.net", 0},
        {false, false, "no address", RF_EFORMAT},
        {true, false, "bob@example.org", 0},
        {true, false, "bob@EXAMPLE.org", 0},
        {true, false, "bob@sub.example.org", RF_EFORBIDDEN},
        {true, false, "bob@example.com", RF_EFORBIDDEN},
        {true, true, "bob@dht.example.com", 0},
        {true, true, "bob@dhtxexample.com", RF_EFORBIDDEN},
        {true, true, "bob@x.dht.example.com", RF_EFORBIDDEN}, /* the whole domain must match */
        {true, true, "bob@dht.example.com.evil.net", RF_EFORBIDDEN},
        {true, true, "bob@a.b.my.example", 0},
        {true, true, "bob@my.example", RF_EFORBIDDEN},
        {true, true, "bob@example.org", RF_EFORBIDDEN},
    };
    for (size_t i = 0; i < RF_COUNT(rows); i++) {
        struct rf_kind_def kind = {.domain_restricted = rows[i].restricted,
                                   .domain_enable = rows[i].enable,
                                   .domain_patterns = patterns,
                                   .domain_pattern_count = RF_COUNT(patterns)};
        if (rf_sip_aor_allowed(&conf, &kind, rf_view_str(rows[i].aor)) != rows[i].error)
            fail_msg("%zu: %s", i, rows[i].aor);
    }
}

/* ---- trees: the reference's own numbers (8.1, 8.2) ---- */

static void test_redir_tree(void **state)
{
    (void)state;
    struct rf_id alice = {.len = 16, .b = {0xa1, 0x1c, 0xe0, [15] = 1}};
    static const uint16_t nodes[] = {0, 6, 62, 629, 6293};
    uint16_t node;
    uint32_t interval;
    for (unsigned level = 0; level < RF_COUNT(nodes); level++) {
        assert_int_equal(rf_redir_node(&alice, 10, level, &node), 0);
        assert_int_equal(node, nodes[level]);
        assert_int_equal(rf_redir_interval(&alice, 10, level, &interval), 0);
        if (level + 1 < RF_COUNT(nodes))
            assert_int_equal(interval, nodes[level + 1] % 10);
    }
    struct rf_id top = rf_id_wildcard(16);
    assert_int_equal(rf_redir_node(&top, 10, 5, &node), RF_ELIMIT); /* 99999 */
    assert_int_equal(rf_redir_node(&top, 10, 4, &node), 0);
    assert_int_equal(node, 9999);
    assert_int_equal(rf_redir_node(&top, 10, 4000000000, &node), RF_ELIMIT);
    assert_int_equal(rf_redir_node(&alice, 1, 1, &node), RF_EINVAL);
    assert_int_equal(rf_redir_node(&alice, 65536, 1, &node), RF_EINVAL);
    /* b = 2: level 0 has [0,7][8,15] of the leading four bits, level 1 node 0 has [0,3][4,7] */
    static const struct {
        uint8_t first;
        uint16_t level1;
        uint32_t interval0, interval1;
    } rows[] = {{0x00, 0, 0, 0}, {0x30, 0, 0, 0}, {0x40, 0, 0, 1},
                {0x70, 0, 0, 1}, {0x80, 1, 1, 0}, {0xf0, 1, 1, 1}};
    for (size_t i = 0; i < RF_COUNT(rows); i++) {
        struct rf_id id = {.len = 16, .b = {rows[i].first}};
        assert_int_equal(rf_redir_node(&id, 2, 1, &node), 0);
        assert_int_equal(node, rows[i].level1);
        assert_int_equal(rf_redir_interval(&id, 2, 0, &interval), 0);
        assert_int_equal(interval, rows[i].interval0);
        assert_int_equal(rf_redir_interval(&id, 2, 1, &interval), 0);
        assert_int_equal(interval, rows[i].interval1);
    }
}

static void test_resources(void **state)
{
    (void)state;
    struct rf_pki pki;
    struct rf_id id, bob = {.len = 16, .b = {0xb0, 0xb0, [15] = 2}},
                     alice = {.len = 16, .b = {0xa1, 0x1c, 0xe0, [15] = 1}};
    char text[RF_ID_TEXT_LEN];
    assert_int_equal(rf_pki_init(&pki, &(struct rf_pki_config){.no_ice = true}), 0);
    assert_int_equal(rf_turn_resource(pki.crypto, &bob, 3, &id), 0);
    assert_string_equal(rf_id_text(&id, text), "d9a0baf887509df3d02f340fece66a4d");
    assert_int_equal(rf_redir_resource(pki.crypto, rf_view_str("turn-server"), 2, 62, 16, &id), 0);
    assert_string_equal(rf_id_text(&id, text), "a002f6a41410a152b30245707ca075c9");
    assert_int_equal(rf_acl_index(&alice, 0), 0x00000100);
    assert_int_equal(rf_acl_index(&alice, 255), 0x000001ff);
    rf_pki_deinit(&pki);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_registration_codec),
        cmocka_unit_test(test_aor_of_uri),
        cmocka_unit_test(test_gruu),
        cmocka_unit_test(test_prefs),
        cmocka_unit_test(test_domains),
        cmocka_unit_test(test_redir_tree),
        cmocka_unit_test(test_resources),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    failed += run_usage_kind_tests();
    failed += run_usage_own_tests();
    failed += run_usage_lookup_tests();
    return failed;
}
