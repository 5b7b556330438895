/* test_ident_trust.c - chains, times, revocation, self-signed certificates, the cache. */
#include "test_ident.h"

/* try_cert checks a certificate, gives it back at once and returns the result. */
static int try_cert(struct rf_trust *trust, struct rf_view der, const struct rf_view *others, size_t count,
                    uint64_t wall_ms)
{
    struct rf_cert *cert = NULL;
    int r = rf_trust_cert(trust, der, others, count, wall_ms, &cert);

    assert_true((cert != NULL) == (r == 0));
    rf_cert_release(cert);
    return r;
}

static void issued_certificates_are_trusted_in_their_time(void **state)
{
    struct fixture f;
    struct authority stranger;
    struct rf_trust *trust;
    struct rf_buf der;
    struct rf_key *key;
    struct node_spec spec;
    (void)state;
    fixture_init(&f);
    rf_buf_init(&der, &f.mem.mem, 8192);
    trust = trust_new(&f, 10);
    spec = (struct node_spec){.issuer = &f.root, .ids = {id(1)}, .id_count = 1};
    key = node_cert(&f, &spec, &der);
    for (int round = 0; round < 2; round++) { /* decoded, then from the cache */
        assert_int_equal(try_cert(trust, rf_buf_view(&der), NULL, 0, NOW_MS), 0);
        assert_int_equal(try_cert(trust, rf_buf_view(&der), NULL, 0, NOW_MS - DAY_MS), 0);
        assert_int_equal(try_cert(trust, rf_buf_view(&der), NULL, 0, NOW_MS - DAY_MS - 1), RF_ENOTYET);
        assert_int_equal(try_cert(trust, rf_buf_view(&der), NULL, 0, NOW_MS + 100 * DAY_MS), 0);
        assert_int_equal(try_cert(trust, rf_buf_view(&der), NULL, 0, NOW_MS + 100 * DAY_MS + 1), RF_EEXPIRED);
    }
    f.c->ops->key_free(f.c, key);

    spec.not_after_ms = NOW_MS + 5000 * DAY_MS; /* longer than the root's */
    key = node_cert(&f, &spec, &der);
    assert_int_equal(try_cert(trust, rf_buf_view(&der), NULL, 0, NOW_MS), 0);
    assert_int_equal(try_cert(trust, rf_buf_view(&der), NULL, 0, NOW_MS + 1000 * DAY_MS + 1), RF_EEXPIRED);
    f.c->ops->key_free(f.c, key);
    spec.not_after_ms = 0;

    authority_init(&f, &stranger, &(struct authority_spec){.name = "stranger"});
    spec.issuer = &stranger;
    key = node_cert(&f, &spec, &der);
    assert_int_equal(try_cert(trust, rf_buf_view(&der), NULL, 0, NOW_MS), RF_EUNTRUSTED);
    assert_int_equal(try_cert(trust, rf_buf_view(&der), &stranger.x509.der, 1, NOW_MS), RF_EUNTRUSTED);
    f.c->ops->key_free(f.c, key);
    spec.issuer = &f.root;
    spec.sign_with = stranger.key; /* the name of our root, the signature of another */
    key = node_cert(&f, &spec, &der);
    assert_int_equal(try_cert(trust, rf_buf_view(&der), NULL, 0, NOW_MS), RF_ESIGNATURE);
    f.c->ops->key_free(f.c, key);
    spec = (struct node_spec){.ids = {id(1)}, .id_count = 1}; /* self-signed where nobody permits that */
    key = node_cert(&f, &spec, &der);
    assert_int_equal(try_cert(trust, rf_buf_view(&der), NULL, 0, NOW_MS), RF_EUNTRUSTED);
    f.c->ops->key_free(f.c, key);
    spec = (struct node_spec){.issuer = &f.root, .overlay = "example.com", .ids = {id(1)}, .id_count = 1};
    key = node_cert(&f, &spec, &der);
    assert_int_equal(try_cert(trust, rf_buf_view(&der), NULL, 0, NOW_MS), RF_EMISMATCH);
    f.c->ops->key_free(f.c, key);
    assert_int_equal(rf_trust_counters(trust)->cert_rejected, 4 + 1 + 2 + 1 + 1 + 1);
    authority_deinit(&f, &stranger);
    rf_trust_free(trust);
    rf_buf_deinit(&der);
    fixture_deinit(&f);
}

/* A tower of intermediates over the root; the node's certificate is issued by the top one. */
static void intermediates_lead_to_the_root(void **state)
{
    struct fixture f;
    struct authority tower[RF_CERT_MAX_CHAIN + 1];
    struct rf_view ders[RF_CERT_MAX_CHAIN + 3];
    static const char *const names[] = {"first", "second", "third", "fourth"};
    struct rf_trust *trust;
    struct rf_buf der, other;
    struct rf_key *key, *other_key;
    (void)state;
    fixture_init(&f);
    rf_buf_init(&der, &f.mem.mem, 8192);
    rf_buf_init(&other, &f.mem.mem, 8192);
    trust = trust_new(&f, 10);
    other_key = node_cert(&f, &(struct node_spec){.issuer = &f.root, .ids = {id(9)}, .id_count = 1}, &other);
    for (size_t i = 0; i <= RF_CERT_MAX_CHAIN; i++) {
        authority_init(
            &f, &tower[i],
            &(struct authority_spec){.name = names[i], .issuer = i == 0 ? &f.root : &tower[i - 1]});
        ders[i] = tower[i].x509.der;
    }
    ders[RF_CERT_MAX_CHAIN + 1] = rf_buf_view(&other); /* no CA: passed over */
    ders[RF_CERT_MAX_CHAIN + 2] = VIEW("junk");
    for (size_t height = 1; height <= RF_CERT_MAX_CHAIN + 1; height++) {
        struct rf_cert *cert;

        key = node_cert(&f, &(struct node_spec){.issuer = &tower[height - 1], .ids = {id(1)}, .id_count = 1},
                        &der);
        if (height > RF_CERT_MAX_CHAIN) {
            assert_int_equal(try_cert(trust, rf_buf_view(&der), ders, RF_CERT_MAX_CHAIN + 3, NOW_MS),
                             RF_EUNTRUSTED);
            f.c->ops->key_free(f.c, key);
            continue;
        }
        assert_int_equal(try_cert(trust, rf_buf_view(&der), NULL, 0, NOW_MS), RF_EUNTRUSTED);
        assert_int_equal(rf_trust_cert(trust, rf_buf_view(&der), ders, RF_CERT_MAX_CHAIN + 3, NOW_MS, &cert),
                         0);
        assert_int_equal(cert->chain_count, height);
        assert_true(rf_view_equal(cert->chain[0], tower[height - 1].x509.der));
        /* a new document: the chain is known still */
        trust_configure(&f, trust, 0, NULL, 0);
        assert_int_equal(rf_trust_cert_again(trust, cert, NOW_MS), 0);
        assert_int_equal(cert->chain_count, height);
        rf_cert_release(cert);
        f.c->ops->key_free(f.c, key);
    }
    for (size_t i = 0; i <= RF_CERT_MAX_CHAIN; i++)
        authority_deinit(&f, &tower[i]);
    f.c->ops->key_free(f.c, other_key);
    rf_trust_free(trust);
    rf_buf_deinit(&der);
    rf_buf_deinit(&other);
    fixture_deinit(&f);
}

static void intermediates_must_be_allowed_to_issue(void **state)
{
    struct fixture f;
    struct authority limited, below, expired, namesake;
    struct rf_trust *trust;
    struct rf_buf der;
    struct rf_key *key;
    struct rf_view ders[2];
    (void)state;
    fixture_init(&f);
    rf_buf_init(&der, &f.mem.mem, 8192);
    trust = trust_new(&f, 10);
    authority_init(&f, &limited,
                   &(struct authority_spec){.name = "limited", .issuer = &f.root, .no_sub_ca = true});
    authority_init(&f, &below, &(struct authority_spec){.name = "below", .issuer = &limited});
    authority_init(
        &f, &expired,
        &(struct authority_spec){.name = "expired", .issuer = &f.root, .not_after_ms = NOW_MS - 1000});
    authority_init(&f, &namesake, &(struct authority_spec){.name = "limited"});
    ders[0] = below.x509.der;
    ders[1] = limited.x509.der;

    key = node_cert(&f, &(struct node_spec){.issuer = &limited, .ids = {id(1)}, .id_count = 1}, &der);
    assert_int_equal(try_cert(trust, rf_buf_view(&der), ders, 2, NOW_MS), 0);
    /* another CA of the same name stands in front of the right one */
    trust_configure(&f, trust, 0, NULL, 0);
    ders[0] = namesake.x509.der;
    assert_int_equal(try_cert(trust, rf_buf_view(&der), ders, 1, NOW_MS), RF_ESIGNATURE);
    assert_int_equal(try_cert(trust, rf_buf_view(&der), ders, 2, NOW_MS), 0);
    ders[0] = below.x509.der;
    f.c->ops->key_free(f.c, key);
    key = node_cert(&f, &(struct node_spec){.issuer = &below, .ids = {id(1)}, .id_count = 1}, &der);
    assert_int_equal(try_cert(trust, rf_buf_view(&der), ders, 2, NOW_MS), RF_EUNTRUSTED); /* path length 0 */
    f.c->ops->key_free(f.c, key);
    key = node_cert(&f, &(struct node_spec){.issuer = &expired, .ids = {id(1)}, .id_count = 1}, &der);
    assert_int_equal(try_cert(trust, rf_buf_view(&der), &expired.x509.der, 1, NOW_MS), RF_EUNTRUSTED);
    assert_int_equal(try_cert(trust, rf_buf_view(&der), &expired.x509.der, 1, NOW_MS - 1000), 0);
    assert_int_equal(try_cert(trust, rf_buf_view(&der), NULL, 0, NOW_MS),
                     RF_EEXPIRED); /* cached, with its chain's window */
    f.c->ops->key_free(f.c, key);
    authority_deinit(&f, &limited);
    authority_deinit(&f, &below);
    authority_deinit(&f, &expired);
    authority_deinit(&f, &namesake);
    rf_trust_free(trust);
    rf_buf_deinit(&der);
    fixture_deinit(&f);
}

/* A node is no CA: what it signs is worth nothing, even if the name fits. */
static void nodes_cannot_issue(void **state)
{
    struct fixture f;
    struct rf_trust *trust;
    struct rf_buf issuer_der, der;
    struct authority node;
    struct rf_key *key;
    (void)state;
    fixture_init(&f);
    rf_buf_init(&der, &f.mem.mem, 8192);
    rf_buf_init(&issuer_der, &f.mem.mem, 8192);
    trust = trust_new(&f, 10);
    node.key =
        node_cert(&f, &(struct node_spec){.issuer = &f.root, .ids = {id(1)}, .id_count = 1}, &issuer_der);
    assert_int_equal(f.c->ops->x509_decode(f.c, rf_buf_view(&issuer_der), &node.x509), 0);
    key = node_cert(&f, &(struct node_spec){.issuer = &node, .ids = {id(2)}, .id_count = 1}, &der);
    assert_int_equal(try_cert(trust, rf_buf_view(&der), &node.x509.der, 1, NOW_MS), RF_EUNTRUSTED);
    f.c->ops->key_free(f.c, key);
    authority_deinit(&f, &node);
    rf_trust_free(trust);
    rf_buf_deinit(&der);
    rf_buf_deinit(&issuer_der);
    fixture_deinit(&f);
}

static void bad_nodes_are_revoked(void **state)
{
    struct rf_id bad[4] = {id(7), id(3), id(200), {.len = 20, .b = {1}}};
    struct rf_id three = id(3), four = id(4);
    struct fixture f;
    struct rf_trust *trust;
    struct rf_buf der;
    struct rf_cert *cert;
    struct rf_key *key;
    (void)state;
    fixture_init(&f);
    rf_buf_init(&der, &f.mem.mem, 8192);
    trust = trust_new(&f, 10);
    key = node_cert(&f, &(struct node_spec){.issuer = &f.root, .ids = {id(4), id(3)}, .id_count = 2}, &der);
    assert_int_equal(rf_trust_cert(trust, rf_buf_view(&der), NULL, 0, NOW_MS, &cert), 0);
    assert_false(rf_trust_is_bad_node(trust, &three));
    trust_configure(&f, trust, 0, bad, 4);
    assert_true(rf_trust_is_bad_node(trust, &three));
    assert_false(rf_trust_is_bad_node(trust, &four));
    assert_int_equal(rf_trust_cert_again(trust, cert, NOW_MS), RF_EREVOKED);
    assert_int_equal(try_cert(trust, rf_buf_view(&der), NULL, 0, NOW_MS), RF_EREVOKED);
    trust_configure(&f, trust, 0, bad, 1);
    assert_int_equal(rf_trust_cert_again(trust, cert, NOW_MS), 0);
    rf_cert_release(cert);
    f.c->ops->key_free(f.c, key);
    rf_trust_free(trust);
    rf_buf_deinit(&der);
    fixture_deinit(&f);
}

/* self_cert makes a self-signed certificate with derived Node-IDs; `bend` spoils the last one. */
static void self_cert(struct fixture *f, enum rf_digest_rule rule, size_t count, bool backwards, bool bend,
                      struct rf_buf *der)
{
    struct rf_cert_spec spec = {.user = VIEW("c@example.org"),
                                .overlay = OVERLAY,
                                .node_id_count = count,
                                .not_before_ms = NOW_MS - DAY_MS,
                                .not_after_ms = NOW_MS + DAY_MS,
                                .serial_lo = 5};
    struct rf_id ids[RF_CERT_MAX_NODE_IDS];
    struct rf_key *key;
    struct rf_buf spki;

    rf_buf_init(&spki, &f->mem.mem, 4096);
    assert_int_equal(f->c->ops->key_generate(f->c, RF_KEY_P256, &key), 0);
    assert_int_equal(f->c->ops->key_spki(f->c, key, &spki), 0);
    for (uint32_t i = 0; i < count; i++)
        assert_int_equal(rf_node_id_derive(f->c, rule, rf_buf_view(&spki), count == 1 ? 0 : i + 1, 16,
                                           &ids[backwards ? count - 1 - i : i]),
                         0);
    ids[count - 1].b[3] ^= bend;
    spec.node_ids = ids;
    rf_buf_reset(der);
    assert_int_equal(rf_cert_issue(f->c, &spec, rf_buf_view(&spki), NULL, key, der), 0);
    f->c->ops->key_free(f->c, key);
    rf_buf_deinit(&spki);
}

static void self_signed_node_ids_are_recomputed(void **state)
{
    static const struct {
        enum rf_digest_rule made, permitted;
        size_t count;
        bool backwards, bend;
        int error;
    } cases[] = {
        {RF_DIGEST_SHA1, RF_DIGEST_SHA1, 1, false, false, 0},
        {RF_DIGEST_SHA256, RF_DIGEST_SHA256, 1, false, false, 0},
        {RF_DIGEST_SHA256, RF_DIGEST_SHA256, 8, false, false, 0},
        {RF_DIGEST_SHA256, RF_DIGEST_SHA256, 3, true, false, 0},
        {RF_DIGEST_SHA256, RF_DIGEST_SHA1, 1, false, false, RF_EUNTRUSTED},
        {RF_DIGEST_SHA1, RF_DIGEST_SHA256, 2, false, false, RF_EUNTRUSTED},
        {RF_DIGEST_SHA256, RF_DIGEST_SHA256, 1, false, true, RF_EUNTRUSTED},
        {RF_DIGEST_SHA256, RF_DIGEST_SHA256, 4, false, true, RF_EUNTRUSTED},
    };
    struct fixture f;
    struct rf_trust *trust;
    struct rf_buf der;
    struct rf_key *key;
    (void)state;
    fixture_init(&f);
    rf_buf_init(&der, &f.mem.mem, 8192);
    trust = trust_new(&f, 10);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        trust_configure(&f, trust, (int)cases[i].permitted, NULL, 0);
        self_cert(&f, cases[i].made, cases[i].count, cases[i].backwards, cases[i].bend, &der);
        assert_int_equal(try_cert(trust, rf_buf_view(&der), NULL, 0, NOW_MS), cases[i].error);
        der.p[der.len - 1] ^= 1; /* in the signature */
        assert_int_equal(try_cert(trust, rf_buf_view(&der), NULL, 0, NOW_MS),
                         cases[i].error != 0 ? cases[i].error : RF_ESIGNATURE);
    }
    /* what the root issued is good in a mixed overlay */
    key = node_cert(&f, &(struct node_spec){.issuer = &f.root, .ids = {id(1)}, .id_count = 1}, &der);
    assert_int_equal(try_cert(trust, rf_buf_view(&der), NULL, 0, NOW_MS), 0);
    f.c->ops->key_free(f.c, key);
    rf_trust_free(trust);
    rf_buf_deinit(&der);
    fixture_deinit(&f);
}

static void the_cache_forgets_the_least_recent(void **state)
{
    enum { CERTS = 5, LIMIT = 3 };
    struct fixture f;
    struct rf_trust *trust;
    struct rf_buf ders[CERTS];
    struct rf_cert *held;
    (void)state;
    fixture_init(&f);
    trust = trust_new(&f, LIMIT);
    for (uint8_t i = 0; i < CERTS; i++) {
        struct node_spec spec = {
            .issuer = &f.root, .ids = {id(i), id((uint8_t)(i + 100))}, .id_count = i % 2 + 1u};

        rf_buf_init(&ders[i], &f.mem.mem, 8192);
        f.c->ops->key_free(f.c, node_cert(&f, &spec, &ders[i]));
    }
#define TRY(i) assert_int_equal(try_cert(trust, rf_buf_view(&ders[i]), NULL, 0, NOW_MS), 0)
#define COUNTED(decoded, hits)                                                                               \
    assert_int_equal(rf_trust_counters(trust)->cert_decoded, decoded);                                       \
    assert_int_equal(rf_trust_counters(trust)->cert_cache_hits, hits)
    assert_int_equal(rf_trust_cert(trust, rf_buf_view(&ders[0]), NULL, 0, NOW_MS, &held), 0);
    TRY(1);
    TRY(2);
    TRY(0);
    COUNTED(3, 1);
    TRY(3); /* 1 goes */
    TRY(0);
    TRY(2);
    TRY(3);
    COUNTED(4, 4);
    TRY(1); /* 0 goes */
    TRY(4); /* 2 goes */
    COUNTED(6, 4);
    TRY(0); /* 3 goes */
    TRY(1);
    COUNTED(7, 5);
    assert_int_equal(held->node_ids[0].b[15], 0); /* whoever holds one keeps it */
    assert_int_equal(rf_trust_cert_again(trust, held, NOW_MS), 0);
    rf_cert_release(held);
    rf_trust_free(trust);
    trust = trust_new(&f, 0); /* no cache at all */
    TRY(1);
    TRY(1);
    COUNTED(2, 0);
    rf_trust_free(trust);
    for (size_t i = 0; i < CERTS; i++)
        rf_buf_deinit(&ders[i]);
    fixture_deinit(&f);
}

static void broken_roots_change_nothing(void **state)
{
    struct fixture f;
    struct rf_trust *trust;
    struct rf_buf der, node_der;
    struct rf_view roots[2];
    struct rf_trust_config config = {.overlay = OVERLAY, .id_len = 16, .roots = roots, .root_count = 2};
    (void)state;
    fixture_init(&f);
    rf_buf_init(&der, &f.mem.mem, 8192);
    rf_buf_init(&node_der, &f.mem.mem, 8192);
    trust = trust_new(&f, 10);
    f.c->ops->key_free(
        f.c, node_cert(&f, &(struct node_spec){.issuer = &f.root, .ids = {id(1)}, .id_count = 1}, &der));
    roots[0] = f.root.x509.der;
    roots[1] = VIEW("no certificate");
    assert_int_equal(rf_trust_configure(trust, &config), RF_EFORMAT);
    roots[1] = rf_buf_view(&der);
    assert_int_equal(rf_trust_configure(trust, &config), RF_EUNTRUSTED); /* no CA */
    for (size_t allowed = 0; allowed < 5; allowed++) {
        f.mem.allowed = allowed;
        assert_int_equal(rf_trust_configure(trust, &config), RF_ENOMEM);
    }
    f.mem.allowed = SIZE_MAX;
    assert_int_equal(try_cert(trust, rf_buf_view(&der), NULL, 0, NOW_MS), 0);
    rf_trust_free(trust);
    rf_trust_free(NULL);
    rf_buf_deinit(&der);
    rf_buf_deinit(&node_der);
    fixture_deinit(&f);
}

/* Whatever allocation is refused: an error or a result, never a wrong answer or a leak. */
static void refused_memory_is_survived(void **state)
{
    struct fixture f;
    struct authority middle;
    struct rf_buf der;
    struct rf_key *key;
    bool done = false;
    (void)state;
    fixture_init(&f);
    rf_buf_init(&der, rf_mem_system(), 8192);
    authority_init(&f, &middle, &(struct authority_spec){.name = "middle", .issuer = &f.root});
    key = node_cert(&f, &(struct node_spec){.issuer = &middle, .ids = {id(1), id(2)}, .id_count = 2}, &der);
    for (size_t allowed = 0; !done; allowed++) {
        struct rf_trust *trust = trust_new(&f, 10);
        int r;

        f.mem.allowed = allowed;
        r = try_cert(trust, rf_buf_view(&der), &middle.x509.der, 1, NOW_MS);
        assert_true(r == 0 || r == RF_ENOMEM || r == RF_EUNTRUSTED);
        f.mem.allowed = SIZE_MAX;
        done = r == 0;
        assert_int_equal(try_cert(trust, rf_buf_view(&der), &middle.x509.der, 1, NOW_MS), 0);
        rf_trust_free(trust);
        assert_true(allowed < 30);
    }
    f.c->ops->key_free(f.c, key);
    authority_deinit(&f, &middle);
    rf_buf_deinit(&der);
    fixture_deinit(&f);
}

int test_ident_trust(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(issued_certificates_are_trusted_in_their_time),
        cmocka_unit_test(intermediates_lead_to_the_root),
        cmocka_unit_test(intermediates_must_be_allowed_to_issue),
        cmocka_unit_test(nodes_cannot_issue),
        cmocka_unit_test(bad_nodes_are_revoked),
        cmocka_unit_test(self_signed_node_ids_are_recomputed),
        cmocka_unit_test(the_cache_forgets_the_least_recent),
        cmocka_unit_test(broken_roots_change_nothing),
        cmocka_unit_test(refused_memory_is_survived),
    };
    return cmocka_run_group_tests_name("trust", tests, NULL, NULL);
}
