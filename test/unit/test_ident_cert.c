/* test_ident_cert.c - RELOAD URIs, node certificates, derived Node-IDs, the overlay's hash. */
#include "test_ident.h"

#include "base/text.h"

#define GOOD_URI "reload://0110a11ce000000000000000000000000001@example.org/"

static void uris_of_nodes_are_read(void **state)
{
    static const struct {
        const char *uri;
        int error;
    } cases[] = {
        {GOOD_URI, 0},
        {"reload://0110a11ce000000000000000000000000001@example.org", 0},  /* D6 */
        {"reload://0110A11CE000000000000000000000000001@example.org/", 0}, /* hex is hex */
        {"reload://0110a11ce000000000000000000000000001@example.org//", RF_EFORMAT},
        {"reload://0110a11ce000000000000000000000000001@example.com/", RF_EMISMATCH},
        {"reload://0110a11ce000000000000000000000000001@EXAMPLE.ORG/", RF_EMISMATCH}, /* D16 */
        {"reload://a11ce000000000000000000000000001@example.org/", RF_EFORMAT},       /* a bare Node-ID */
        {"reload://0210a11ce000000000000000000000000001@example.org/", RF_EFORMAT},   /* a resource */
        {"reload://0111a11ce000000000000000000000000001@example.org/", RF_EFORMAT},   /* another length */
        {"reload://0110a11ce0000000000000000000000000010110a11ce000000000000000000000000002@example.org/",
         RF_EFORMAT},
        {"reload://0110a11ce000000000000000000000000001@example.org/0000", RF_EFORMAT}, /* a specifier */
        {"reload://0110a11ce00000000000000000000000000@example.org/", RF_EFORMAT},
        {"reload://0110a11ce00000000000000000000000000g@example.org/", RF_EFORMAT},
        {"reload://011000000000000000000000000000000000@example.org/", RF_EFORMAT}, /* the invalid Node-ID */
        {"reload://0110ffffffffffffffffffffffffffffffff@example.org/", RF_EFORMAT}, /* the wildcard */
        {"reload://0110a11ce000000000000000000000000001@/", RF_EFORMAT},
        {"reload://0110a11ce000000000000000000000000001", RF_EFORMAT},
        {"reload:0110a11ce000000000000000000000000001@example.org/", RF_EFORMAT},
        {"http://0110a11ce000000000000000000000000001@example.org/", RF_EFORMAT},
        {"", RF_EFORMAT},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct rf_id out = {.len = 0};
        int r = rf_reload_uri_parse(rf_view_str(cases[i].uri), OVERLAY, 16, &out);

        if (r != cases[i].error)
            fail_msg("%s: %d", cases[i].uri, r);
        assert_int_equal(out.len, r == 0 ? 16 : 0);
    }
}

static void uris_of_every_length_come_back(void **state)
{
    (void)state;
    for (uint8_t len = RF_ID_MIN_LEN; len <= RF_ID_MAX_LEN; len++) {
        struct rf_id given = {.len = len}, out;
        uint8_t bytes[128];
        struct rf_buf uri;

        for (size_t i = 0; i < len && i < sizeof(given.b); i++)
            given.b[i] = (uint8_t)(i * 13 + 1);
        rf_buf_fixed(&uri, bytes, sizeof(bytes));
        rf_reload_uri_put(&uri, &given, OVERLAY);
        assert_int_equal(rf_reload_uri_parse(rf_buf_view(&uri), OVERLAY, len, &out), 0);
        assert_true(rf_id_equal(&given, &out));
        assert_int_equal(rf_reload_uri_parse(rf_buf_view(&uri), OVERLAY, len == 16 ? 17 : 16, &out),
                         RF_EFORMAT);
    }
}

/* What a certificate says, made without rf_cert_issue's care. */
struct odd {
    const char *what;
    struct rf_view email, email2;
    const char *uris[RF_CERT_MAX_NODE_IDS + 1];
    const char *common_name, *dns_name;
    int error;
};

#define ALICE VIEW_OF("alice@example.org")
#define VIEW_OF(s)                                                                                           \
    {                                                                                                        \
        (const uint8_t *)(s), sizeof(s) - 1                                                                  \
    }
#define URI(n) "reload://0110a11ce0000000000000000000000000" n "@example.org/"

static const struct odd odd_ones[] = {
    {.what = "good", .email = ALICE, .uris = {URI("01")}},
    {.what = "eight Node-IDs",
     .email = ALICE,
     .uris = {URI("01"), URI("02"), URI("03"), URI("04"), URI("05"), URI("06"), URI("07"), URI("08")}},
    {.what = "nine Node-IDs",
     .email = ALICE,
     .uris = {URI("01"), URI("02"), URI("03"), URI("04"), URI("05"), URI("06"), URI("07"), URI("08"),
              URI("09")},
     .error = RF_ELIMIT},
    {.what = "no user name", .uris = {URI("01")}, .error = RF_EFORMAT},
    {.what = "no Node-ID", .email = ALICE, .error = RF_EFORMAT},
    {.what = "one Node-ID twice", .email = ALICE, .uris = {URI("01"), URI("01")}, .error = RF_EFORMAT},
    {.what = "a web address",
     .email = ALICE,
     .uris = {URI("01"), "http://example.org/"},
     .error = RF_EFORMAT},
    {.what = "another overlay",
     .email = ALICE,
     .uris = {"reload://0110a11ce000000000000000000000000001@example.com/"},
     .error = RF_EMISMATCH},
    {.what = "two overlays",
     .email = ALICE,
     .uris = {URI("01"), "reload://0110a11ce000000000000000000000000002@example.com/"},
     .error = RF_EMISMATCH},
    {.what = "a name without domain", .email = VIEW_OF("alice"), .uris = {URI("01")}, .error = RF_EFORMAT},
    {.what = "a name with two @",
     .email = VIEW_OF("alice@a@example.org"),
     .uris = {URI("01")},
     .error = RF_EFORMAT},
    {.what = "a DNS name",
     .email = ALICE,
     .uris = {URI("01")},
     .dns_name = "example.org",
     .error = RF_EFORMAT},
    {.what = "a subject", .email = ALICE, .uris = {URI("01")}, .common_name = "alice", .error = RF_EFORMAT},
};

static void node_certificates_say_what_they_must(void **state)
{
    struct fixture f;
    struct rf_buf der, spki;
    struct rf_key *key;
    (void)state;
    fixture_init(&f);
    rf_buf_init(&der, &f.mem.mem, 8192);
    rf_buf_init(&spki, &f.mem.mem, 8192);
    assert_int_equal(f.c->ops->key_generate(f.c, RF_KEY_ED25519, &key), 0);
    assert_int_equal(f.c->ops->key_spki(f.c, key, &spki), 0);
    for (size_t i = 0; i < sizeof(odd_ones) / sizeof(odd_ones[0]); i++) {
        const struct odd *odd = &odd_ones[i];
        struct rf_view uris[RF_CERT_MAX_NODE_IDS + 1];
        struct rf_x509_spec spec = {
            .email = odd->email, .uris = uris, .serial_lo = 3, .not_after_ms = NOW_MS};
        struct rf_cert *cert = NULL;
        int r;

        while (spec.uri_count < RF_CERT_MAX_NODE_IDS + 1 && odd->uris[spec.uri_count] != NULL) {
            uris[spec.uri_count] = rf_view_str(odd->uris[spec.uri_count]);
            spec.uri_count++;
        }
        if (odd->common_name != NULL)
            spec.common_name = rf_view_str(odd->common_name);
        if (odd->dns_name != NULL) {
            spec.dns_names[0] = rf_view_str(odd->dns_name);
            spec.dns_name_count = 1;
        }
        rf_buf_reset(&der);
        assert_int_equal(f.c->ops->x509_issue(f.c, &spec, rf_buf_view(&spki), NULL, key, &der), 0);
        r = rf_cert_decode(f.c, rf_buf_view(&der), OVERLAY, 16, &cert);
        if (r != odd->error)
            fail_msg("%s: %d", odd->what, r);
        if (r == 0) {
            assert_int_equal(cert->node_id_count, spec.uri_count);
            assert_true(rf_view_equal(cert->user, odd->email));
            rf_cert_release(cert);
        }
    }
    f.c->ops->key_free(f.c, key);
    rf_buf_deinit(&der);
    rf_buf_deinit(&spki);
    fixture_deinit(&f);
}

static void certificates_are_shared_and_bounded(void **state)
{
    static uint8_t long_one[RF_CERT_MAX_LEN + 1];
    struct fixture f;
    struct rf_buf der;
    struct rf_cert *cert;
    struct rf_key *key;
    struct rf_id other = id(9);
    (void)state;
    fixture_init(&f);
    rf_buf_init(&der, rf_mem_system(), 8192);
    key = node_cert(&f, &(struct node_spec){.issuer = &f.root, .ids = {id(1), id(2)}, .id_count = 2}, &der);
    assert_int_equal(rf_cert_decode(f.c, rf_buf_view(&der), OVERLAY, 16, &cert), 0);
    assert_ptr_equal(rf_cert_hold(cert), cert);
    rf_cert_release(cert);
    assert_true(rf_cert_has_node_id(cert, &cert->node_ids[1]));
    assert_false(rf_cert_has_node_id(cert, &other));
    rf_cert_release(cert);
    rf_cert_release(NULL);
    assert_int_equal(rf_cert_decode(f.c, rf_view_of(long_one, sizeof(long_one)), OVERLAY, 16, &cert),
                     RF_ELIMIT);
    for (size_t allowed = 0; allowed < 3; allowed++) {
        f.mem.allowed = allowed;
        assert_int_equal(rf_cert_decode(f.c, rf_buf_view(&der), OVERLAY, 16, &cert), RF_ENOMEM);
    }
    f.mem.allowed = SIZE_MAX;
    f.c->ops->key_free(f.c, key);
    rf_buf_deinit(&der);
    fixture_deinit(&f);
}

static void nonsense_is_not_certified(void **state)
{
    struct rf_id ids[9] = {id(1), id(2), id(3), id(4), id(5), id(6), id(7), id(8), id(9)};
    struct rf_cert_spec good = {.user = VIEW("a@example.org"),
                                .overlay = OVERLAY,
                                .node_ids = ids,
                                .node_id_count = 1,
                                .not_before_ms = NOW_MS,
                                .not_after_ms = NOW_MS + DAY_MS,
                                .serial_lo = 1},
                        bad;
    struct fixture f;
    struct rf_buf der, spki;
    (void)state;
    fixture_init(&f);
    rf_buf_init(&der, &f.mem.mem, 8192);
    rf_buf_init(&spki, &f.mem.mem, 8192);
    assert_int_equal(f.c->ops->key_spki(f.c, f.root.key, &spki), 0);
#define ISSUE(spec) rf_cert_issue(f.c, &(spec), rf_buf_view(&spki), NULL, f.root.key, &der)
    assert_int_equal(ISSUE(good), 0);
    bad = good;
    bad.node_id_count = 0;
    assert_int_equal(ISSUE(bad), RF_EINVAL);
    bad.node_id_count = 9;
    assert_int_equal(ISSUE(bad), RF_EINVAL);
    bad = good;
    bad.user = VIEW("nobody");
    assert_int_equal(ISSUE(bad), RF_EINVAL);
    bad = good;
    bad.overlay = VIEW("no overlay");
    assert_int_equal(ISSUE(bad), RF_EINVAL);
    bad = good;
    bad.not_after_ms = NOW_MS - 1;
    assert_int_equal(ISSUE(bad), RF_EINVAL);
    bad = good;
    bad.serial_lo = 0;
    assert_int_equal(ISSUE(bad), RF_EINVAL);
    rf_buf_deinit(&der);
    rf_buf_deinit(&spki);
    fixture_deinit(&f);
}

static void assert_id(const struct rf_id *got, const char *hex)
{
    char text[RF_ID_TEXT_LEN];

    assert_string_equal(rf_id_text(got, text), hex);
}

/* reload.md 8.1 */
static void carols_node_ids_are_derived(void **state)
{
    static const char spki_hex[] =
        "302a300506032b65700321007d1606122a17b847b3d350eb7c54f67d5d9f16af902ba8db3864d728ca196aee";
    uint8_t bytes[64];
    struct fixture f;
    struct rf_buf spki;
    struct rf_id out;
    (void)state;
    fixture_init(&f);
    rf_buf_fixed(&spki, bytes, sizeof(bytes));
    assert_int_equal(rf_hex_decode(VIEW(spki_hex), &spki), 0);
    assert_int_equal(rf_node_id_derive(f.c, RF_DIGEST_SHA1, rf_buf_view(&spki), 0, 16, &out), 0);
    assert_id(&out, "d728c759e367c930c9aad68b62cf1bd7");
    assert_int_equal(rf_node_id_derive(f.c, RF_DIGEST_SHA256, rf_buf_view(&spki), 0, 16, &out), 0);
    assert_id(&out, "d2c7e809d9840dbb0661d15cb4e09725");
    assert_int_equal(rf_node_id_derive(f.c, RF_DIGEST_SHA256, rf_buf_view(&spki), 1, 16, &out), 0);
    assert_id(&out, "0604ae7369dab633ebae1598fd0d2f73");
    assert_int_equal(rf_node_id_derive(f.c, RF_DIGEST_SHA256, rf_buf_view(&spki), 2, 16, &out), 0);
    assert_id(&out, "d78c296045314d35557f68c116e27b7e");
    assert_int_equal(rf_node_id_derive(f.c, RF_DIGEST_SHA1, rf_buf_view(&spki), 0, 20, &out), 0);
    assert_int_equal(out.len, 20);
    assert_int_equal(rf_node_id_derive(f.c, (enum rf_digest_rule)0, rf_buf_view(&spki), 0, 16, &out),
                     RF_EINVAL);
    fixture_deinit(&f);
}

/* reload.md 8.1 */
static void names_are_hashed(void **state)
{
    static const uint8_t bob[16] = {0xb0, 0xb0, [15] = 2}, alice[16] = {0xa1, 0x1c, 0xe0, [15] = 1};
    struct rf_view name = VIEW("alice@example.org"), node = rf_view_of(alice, 16);
    struct rf_view turn[2] = {rf_view_of(bob, 16), VIEW("\x00\x00\x00\x03")};
    struct rf_view redir[3] = {VIEW("turn-server"), VIEW("\x00\x02"), VIEW("\x00\x3e")};
    struct fixture f;
    struct rf_id out;
    uint32_t overlay;
    (void)state;
    fixture_init(&f);
    assert_int_equal(rf_overlay_hash(f.c, &name, 1, 16, &out), 0);
    assert_id(&out, "45a6b241a242c97f0492d382c390dfa3");
    assert_int_equal(rf_overlay_hash(f.c, &node, 1, 16, &out), 0);
    assert_id(&out, "9992c6d95bf79279a757e59c2a44f4e7");
    assert_int_equal(rf_overlay_hash(f.c, turn, 2, 16, &out), 0);
    assert_id(&out, "d9a0baf887509df3d02f340fece66a4d");
    assert_int_equal(rf_overlay_hash(f.c, redir, 3, 16, &out), 0);
    assert_id(&out, "a002f6a41410a152b30245707ca075c9");
    assert_int_equal(rf_overlay_hash32(f.c, OVERLAY, &overlay), 0);
    assert_int_equal(overlay, 0x4e38fc3f);
    fixture_deinit(&f);
}

int test_ident_cert(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(uris_of_nodes_are_read),
        cmocka_unit_test(uris_of_every_length_come_back),
        cmocka_unit_test(node_certificates_say_what_they_must),
        cmocka_unit_test(certificates_are_shared_and_bounded),
        cmocka_unit_test(nonsense_is_not_certified),
        cmocka_unit_test(carols_node_ids_are_derived),
        cmocka_unit_test(names_are_hashed),
    };
    return cmocka_run_group_tests_name("cert", tests, NULL, NULL);
}
