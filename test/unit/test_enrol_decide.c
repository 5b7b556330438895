/* test_enrol_decide.c - who gets a certificate and who does not: the decision table, and what is in the certificate. */
#include "test_enrol.h"

#include <stdlib.h>
#include "ident/ident.h"

#define AUTH "failed_authentication"
#define NAME "username_not_available"
#define IDS  "Node-IDs_not_available"
#define CSR  "bad_CSR"

/* The devices and invites of the table. */
enum { D_FREE, D_NONAME, D_BOB, D_OTHER, D_RSA, D_ED, D_ALICE, D_REVOKED, D_MALLORY, D_COUNT };
enum { I_NONE, I_FREE, I_USED, I_OLD, I_BOB, I_NEW, I_DORA, I_BAD, I_COUNT };

struct table {
    struct world w;
    struct device d[D_COUNT];
    char invite[I_COUNT][RF_ENROL_INVITE_CODE_LEN + 1];
};

static const struct row {
    const char *what;
    const char *username, *password;
    int invite;
    const char *nodeids;
    int device;
    int status;
    const char *token, *reason;
} rows[] = {
    {"password", "alice", PASSWORD, 0, NULL, D_NONAME, 200, NULL, NULL},
    {"password, whole name, CSR with the name", "Alice@Example.org", PASSWORD, 0, "1", D_FREE, 200, NULL,
     NULL},
    {"name only in the CSR", NULL, PASSWORD, 0, NULL, D_FREE, 200, NULL, NULL},
    {"RSA key", "alice", PASSWORD, 0, NULL, D_RSA, 200, NULL, NULL},
    {"Ed25519 key", "alice", PASSWORD, 0, NULL, D_ED, 200, NULL, NULL},
    {"the same key again", "alice", PASSWORD, 0, NULL, D_ALICE, 200, NULL, NULL},
    {"wrong password", "alice", "wrong horse", 0, NULL, D_NONAME, 403, AUTH, "wrong user name or password"},
    {"unknown name", "zoe", PASSWORD, 0, NULL, D_NONAME, 403, AUTH, "wrong user name or password"},
    {"user without password", "bob", PASSWORD, 0, NULL, D_NONAME, 403, AUTH, "wrong user name or password"},
    {"disabled user", "dora", PASSWORD, 0, NULL, D_NONAME, 403, AUTH, "disabled"},
    {"disabled user, wrong password", "dora", "x", 0, NULL, D_NONAME, 403, AUTH,
     "wrong user name or password"},
    {"disabled user, bound invite", "dora", NULL, I_DORA, NULL, D_NONAME, 403, AUTH, "disabled"},
    {"nothing that proves anything", "alice", NULL, 0, NULL, D_NONAME, 403, AUTH, "give a password"},
    {"no name anywhere", NULL, PASSWORD, 0, NULL, D_NONAME, 403, AUTH, "give your user name"},
    {"no name anywhere, invite", NULL, NULL, I_FREE, NULL, D_NONAME, 403, AUTH, "user name"},
    {"invite for a free name", "carol", NULL, I_FREE, NULL, D_NONAME, 200, NULL, NULL},
    {"invite and password for a free name", "carol", "new one", I_FREE, NULL, D_NONAME, 200, NULL, NULL},
    {"used invite", "carol", NULL, I_USED, NULL, D_NONAME, 403, AUTH, "used already"},
    {"expired invite", "carol", NULL, I_OLD, NULL, D_NONAME, 403, AUTH, "expired"},
    {"unknown invite", "carol", NULL, I_BAD, NULL, D_NONAME, 403, AUTH, "not known"},
    {"invite for a taken name", "alice", NULL, I_FREE, NULL, D_NONAME, 403, NAME, "taken"},
    {"invite for a taken name, its password", "alice", PASSWORD, I_FREE, NULL, D_NONAME, 200, NULL, NULL},
    {"invite for a taken name, wrong password", "alice", "x", I_FREE, NULL, D_NONAME, 403, NAME, "taken"},
    {"bound invite, known user", "bob", NULL, I_BOB, NULL, D_BOB, 200, NULL, NULL},
    {"bound invite, new user", "new", NULL, I_NEW, NULL, D_NONAME, 200, NULL, NULL},
    {"bound invite, another name", "carol", NULL, I_BOB, NULL, D_NONAME, 403, AUTH, "another name"},
    {"reserved name", "echo", NULL, I_FREE, NULL, D_NONAME, 403, NAME, "service"},
    {"malformed name", "a b", PASSWORD, 0, NULL, D_NONAME, 403, NAME, "letters"},
    {"another overlay's name", "alice@example.com", PASSWORD, 0, NULL, D_NONAME, 403, NAME, "@example.org"},
    {"name that is too long",
     "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", PASSWORD, 0, NULL,
     D_NONAME, 403, NAME, "too long"},
    {"CSR names somebody else", "alice", PASSWORD, 0, NULL, D_BOB, 403, CSR, "somebody else"},
    {"CSR names another overlay", "alice", PASSWORD, 0, NULL, D_OTHER, 403, CSR, "somebody else"},
    {"key of another user's device", "bob", NULL, I_BOB, NULL, D_MALLORY, 403, CSR, "another user"},
    {"key of a revoked device", "alice", PASSWORD, 0, NULL, D_REVOKED, 403, CSR, "revoked"},
    {"no CSR", "alice", PASSWORD, 0, NULL, -1, 403, CSR, "no certificate request"},
    {"two Node-IDs", "alice", PASSWORD, 0, "2", D_NONAME, 403, IDS, "one Node-ID"},
    {"no Node-ID", "alice", PASSWORD, 0, "0", D_NONAME, 400, NULL, "decimal"},
    {"Node-IDs in words", "alice", PASSWORD, 0, "one", D_NONAME, 400, NULL, "decimal"},
    {"absurdly many Node-IDs", "alice", PASSWORD, 0, "99999999999", D_NONAME, 400, NULL, "decimal"},
    {"password that is no text", "alice", "\xff\xfe", 0, NULL, D_NONAME, 400, NULL, "UTF-8"},
};

static void table_init(struct table *t)
{
    struct world *w = &t->w;
    world_init(w);
    device_init(w, &t->d[D_FREE], RF_KEY_P256, "alice@example.org");
    device_init(w, &t->d[D_NONAME], RF_KEY_P256, NULL);
    device_init(w, &t->d[D_BOB], RF_KEY_P256, "bob@example.org");
    device_init(w, &t->d[D_OTHER], RF_KEY_P256, "alice@example.com");
    device_init(w, &t->d[D_RSA], RF_KEY_RSA2048, NULL);
    device_init(w, &t->d[D_ED], RF_KEY_ED25519, NULL);
    for (int i = D_ALICE; i <= D_MALLORY; i++) {
        device_init(w, &t->d[i], RF_KEY_P256, NULL);
        expect(w, &(struct ask){.username = "alice", .password = PASSWORD, .device = &t->d[i]}, 200, NULL,
               NULL, &t->d[i]);
    }
    for (size_t i = 0; i < w->store->now.device_count; i++)
        if (rf_id_equal(&w->store->now.devices[i].node_id, &t->d[D_REVOKED].node_id))
            w->store->now.devices[i].revoked_ms = WALL_MS;
    world_invite(w, NULL, 1, 0, WALL_MS + DAY_MS, t->invite[I_FREE]);
    world_invite(w, NULL, 2, 2, WALL_MS + DAY_MS, t->invite[I_USED]);
    world_invite(w, NULL, 1, 0, WALL_MS, t->invite[I_OLD]);
    world_invite(w, "bob@example.org", 1, 0, WALL_MS + DAY_MS, t->invite[I_BOB]);
    world_invite(w, "new@example.org", 1, 0, WALL_MS + DAY_MS, t->invite[I_NEW]);
    world_invite(w, "dora@example.org", 1, 0, WALL_MS + DAY_MS, t->invite[I_DORA]);
    memset(t->invite[I_BAD], '7', RF_ENROL_INVITE_CODE_LEN);
}

static void table_deinit(struct table *t)
{
    for (int i = 0; i < D_COUNT; i++)
        device_deinit(&t->w, &t->d[i]);
    world_deinit(&t->w);
}

/* Every row starts from the same store; what was refused changes nothing in it. */
static void test_table(void **state)
{
    struct table t = {0};
    struct memory_tables *start = malloc(sizeof(*start));
    (void)state;
    assert_non_null(start);
    table_init(&t);
    *start = t.w.store->now;
    for (size_t i = 0; i < RF_COUNT(rows); i++) {
        const struct row *r = &rows[i];
        struct device got = {0};
        struct ask ask = {.username = r->username,
                          .password = r->password,
                          .nodeids = r->nodeids,
                          .invite = r->invite ? t.invite[r->invite] : NULL,
                          .device = r->device >= 0 ? &t.d[r->device] : NULL};
        t.w.store->now = *start;
        t.w.now.mono_us += 1000000000; /* no row is limited by those before */
        rf_buf_init(&got.certificate, rf_mem_system(), 8192);
        print_message("           %s\n", r->what);
        expect(&t.w, &ask, r->status, r->token, r->reason, &got);
        if (r->status == 200)
            assert_int_equal(t.w.store->now.cert_count, start->cert_count + 1);
        else
            assert_memory_equal(&t.w.store->now, start, sizeof(*start));
        rf_buf_deinit(&got.certificate);
    }
    table_deinit(&t);
    free(start);
}

/* The certificate is what reload.md 2.9 asks for, and a node of the overlay accepts it. */
static void test_certificate(void **state)
{
    struct table t = {0};
    struct world *w = &t.w;
    struct rf_trust *trust;
    struct rf_cert *cert;
    struct device *d = &t.d[D_FREE];
    (void)state;
    table_init(&t);
    expect(w, &(struct ask){.username = "alice", .password = PASSWORD, .device = d}, 200, NULL, NULL, d);
    struct rf_trust_config config = {
        .overlay = rf_view_str(OVERLAY), .id_len = 16, .roots = &w->ca.der, .root_count = 1};
    assert_int_equal(rf_trust_new(w->crypto, rf_mem_system(), w->config.seed, 8, &trust), RF_OK);
    assert_int_equal(rf_trust_configure(trust, &config), RF_OK);
    assert_int_equal(rf_trust_cert(trust, rf_buf_view(&d->certificate), NULL, 0, WALL_MS, &cert), RF_OK);
    assert_true(rf_view_equal(cert->user, rf_view_str("alice@example.org")));
    assert_int_equal(cert->node_id_count, 1);
    assert_true(rf_id_equal(&cert->node_ids[0], &d->node_id));
    assert_true(cert->x509.subject_empty && !cert->x509.is_ca && !cert->x509.other_names);
    assert_int_equal(cert->x509.not_before_ms, WALL_MS - RF_ENROL_BACKDATE_MS);
    assert_int_equal(cert->x509.not_after_ms, WALL_MS + RF_ENROL_VALIDITY_MS);
    const struct rf_enrol_cert *row = &w->store->now.certs[w->store->now.cert_count - 1].cert;
    assert_true(rf_view_equal(row->der, rf_buf_view(&d->certificate)));
    assert_true(rf_id_equal(&row->node_id, &d->node_id));
    assert_int_equal(row->not_after_ms, cert->x509.not_after_ms);
    rf_cert_release(cert);
    rf_trust_free(trust);
    table_deinit(&t);
}

/* Several devices of one user have Node-IDs of their own; serial numbers differ always. */
static void test_devices(void **state)
{
    struct table t = {0};
    struct world *w = &t.w;
    (void)state;
    table_init(&t);
    assert_false(rf_id_equal(&t.d[D_ALICE].node_id, &t.d[D_REVOKED].node_id));
    struct rf_id before = t.d[D_ALICE].node_id;
    size_t devices = w->store->now.device_count;
    expect(w, &(struct ask){.username = "alice", .password = PASSWORD, .device = &t.d[D_ALICE]}, 200, NULL,
           NULL, &t.d[D_ALICE]);
    assert_true(rf_id_equal(&t.d[D_ALICE].node_id, &before));
    assert_int_equal(w->store->now.device_count, devices);
    const struct memory_tables *now = &w->store->now;
    for (size_t i = 0; i < now->cert_count; i++)
        for (size_t j = i + 1; j < now->cert_count; j++)
            assert_false(now->certs[i].cert.serial_hi == now->certs[j].cert.serial_hi &&
                         now->certs[i].cert.serial_lo == now->certs[j].cert.serial_lo);
    assert_int_equal(rf_enrol_counters(w->enrol)->renewed, 1);
    table_deinit(&t);
}

static void test_device_limit(void **state)
{
    struct table t = {0};
    struct world *w = &t.w;
    (void)state;
    table_init(&t);
    while (w->store->now.device_count < RF_ENROL_DEVICES_MAX + 1) { /* one is revoked and does not count */
        struct rf_enrol_device *row = &w->store->now.devices[w->store->now.device_count++];
        *row = w->store->now.devices[0];
        row->node_id.b[0] = (uint8_t)w->store->now.device_count;
        row->key_hash[0] = (uint8_t)w->store->now.device_count;
        row->node_id.b[1] = row->key_hash[1] = 0xaa;
    }
    expect(w, &(struct ask){.username = "alice", .password = PASSWORD, .device = &t.d[D_FREE]}, 403, IDS,
           "64 devices", NULL);
    w->store->now.devices[5].not_after_ms = WALL_MS; /* expired ones do not count either */
    expect(w, &(struct ask){.username = "alice", .password = PASSWORD, .device = &t.d[D_FREE]}, 200, NULL,
           NULL, NULL);
    table_deinit(&t);
}

/* What an invite leaves behind: the user, the password, one use. */
static void test_invite_effects(void **state)
{
    struct table t = {0};
    struct world *w = &t.w;
    struct device second;
    char code[RF_ENROL_INVITE_CODE_LEN + 1];
    (void)state;
    table_init(&t);
    world_invite(w, NULL, 2, 0, WALL_MS + DAY_MS, code);
    size_t at = w->store->now.invite_count - 1;
    device_init(w, &second, RF_KEY_P256, NULL);
    expect(w,
           &(struct ask){
               .username = "carol", .password = "carols own", .invite = code, .device = &t.d[D_NONAME]},
           200, NULL, NULL, NULL);
    assert_int_equal(w->store->now.invites[at].uses, 1);
    assert_non_null(world_user(w, "carol@example.org"));
    assert_int_equal(rf_enrol_counters(w->enrol)->users_created, 1);
    expect(w, &(struct ask){.username = "carol", .password = "carols own", .device = &second}, 200, NULL,
           NULL, NULL);
    expect(w, &(struct ask){.username = "erin", .invite = code, .device = &second}, 403, CSR, "another user",
           NULL);
    assert_int_equal(w->store->now.invites[at].uses, 1); /* what was refused used nothing */
    assert_null(world_user(w, "erin@example.org"));
    device_deinit(w, &second);
    device_init(w, &second, RF_KEY_P256, NULL);
    expect(w, &(struct ask){.username = "erin", .invite = code, .device = &second}, 200, NULL, NULL, NULL);
    assert_int_equal(w->store->now.invites[at].uses, 2);
    assert_string_equal(world_user(w, "erin@example.org")->password, "");
    /* the answer was lost: the same key asks again with the used-up invite, and gets the same Node-ID */
    struct device again = {0};
    rf_buf_init(&again.certificate, rf_mem_system(), 8192);
    expect(w, &(struct ask){.username = "erin", .invite = code, .device = &second}, 200, NULL, NULL, &again);
    assert_int_equal(w->store->now.invites[at].uses, 2);
    expect(w, &(struct ask){.username = "erin", .invite = code, .device = &t.d[D_FREE]}, 403, CSR, NULL,
           NULL);
    expect(w, &(struct ask){.username = "frank", .invite = code, .device = &second}, 403, AUTH,
           "used already", NULL);
    rf_buf_deinit(&again.certificate);
    /* a bound invite with a password sets it, also for a user that had another */
    world_invite(w, "alice@example.org", 1, 0, WALL_MS + DAY_MS, code);
    expect(
        w,
        &(struct ask){.username = "alice", .password = "a new one", .invite = code, .device = &t.d[D_FREE]},
        200, NULL, NULL, NULL);
    expect(w, &(struct ask){.username = "alice", .password = PASSWORD, .device = &t.d[D_FREE]}, 403, AUTH,
           NULL, NULL);
    expect(w, &(struct ask){.username = "alice", .password = "a new one", .device = &t.d[D_FREE]}, 200, NULL,
           NULL, NULL);
    device_deinit(w, &second);
    table_deinit(&t);
}

/* ---- renewal ---- */

static void test_renewal(void **state)
{
    struct table t = {0};
    struct world *w = &t.w;
    struct device *d = &t.d[D_ALICE];
    struct rf_id before;
    (void)state;
    table_init(&t);
    before = d->node_id;
    w->now.wall_ms += 60 * DAY_MS;
    const struct ask renew = {.device = d, .certificate = d};
    expect(w, &renew, 200, NULL, NULL, d);
    assert_true(rf_id_equal(&d->node_id, &before));
    expect(w, &(struct ask){.username = "alice", .device = d, .certificate = d}, 200, NULL, NULL, d);
    expect(w, &(struct ask){.username = "bob", .device = d, .certificate = d}, 403, AUTH, NULL, NULL);
    expect(w, &(struct ask){.device = &t.d[D_NONAME], .certificate = d}, 403, CSR, "another key", NULL);
    w->now.wall_ms += 89 * DAY_MS; /* the renewed one lives on, the first one would be dead */
    expect(w, &renew, 200, NULL, NULL, d);
    w->now.wall_ms += 90 * DAY_MS;
    expect(w, &renew, 403, AUTH, "expired", NULL);
    expect(w, &(struct ask){.username = "alice", .password = PASSWORD, .device = d}, 200, NULL, NULL,
           d); /* the way back */
    assert_true(rf_id_equal(&d->node_id, &before));
    world_user(w, "alice@example.org")->disabled = true;
    expect(w, &renew, 403, AUTH, "disabled", NULL);
    world_user(w, "alice@example.org")->disabled = false;
    for (size_t i = 0; i < w->store->now.device_count; i++)
        if (rf_id_equal(&w->store->now.devices[i].node_id, &before))
            w->store->now.devices[i].revoked_ms = 1;
    expect(w, &renew, 403, AUTH, "revoked", NULL);
    table_deinit(&t);
}

/* A certificate of another CA, or the CA's own, renews nothing. */
static void test_renewal_foreign(void **state)
{
    struct table t = {0};
    struct world other;
    struct world *w = &t.w;
    struct device d;
    (void)state;
    table_init(&t);
    world_init(&other);
    device_init(&other, &d, RF_KEY_P256, NULL);
    expect(&other, &(struct ask){.username = "alice", .password = PASSWORD, .device = &d}, 200, NULL, NULL,
           &d);
    expect(w, &(struct ask){.device = &d, .certificate = &d}, 403, AUTH, "not issued here", NULL);
    rf_buf_reset(&d.certificate);
    rf_buf_view_put(&d.certificate, w->ca.der);
    expect(w, &(struct ask){.device = &d, .certificate = &d}, 403, AUTH, "not issued here", NULL);
    rf_buf_reset(&d.certificate);
    rf_buf_str(&d.certificate, "nonsense");
    expect(w, &(struct ask){.device = &d, .certificate = &d}, 403, AUTH, "malformed", NULL);
    device_deinit(&other, &d);
    world_deinit(&other);
    table_deinit(&t);
}

/* No certificate outlives the CA. */
static void test_ca_end(void **state)
{
    struct table t = {0};
    struct world *w = &t.w;
    struct rf_x509 cert;
    struct device *d = &t.d[D_FREE];
    (void)state;
    table_init(&t);
    w->now.wall_ms = w->ca.not_after_ms - 10 * DAY_MS;
    expect(w, &(struct ask){.username = "alice", .password = PASSWORD, .device = d}, 200, NULL, NULL, d);
    assert_int_equal(w->crypto->ops->x509_decode(w->crypto, rf_buf_view(&d->certificate), &cert), RF_OK);
    assert_int_equal(cert.not_after_ms, w->ca.not_after_ms);
    w->crypto->ops->x509_deinit(w->crypto, &cert);
    table_deinit(&t);
}

int test_enrol_decide(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),           cmocka_unit_test(test_certificate),
        cmocka_unit_test(test_devices),         cmocka_unit_test(test_device_limit),
        cmocka_unit_test(test_invite_effects),  cmocka_unit_test(test_renewal),
        cmocka_unit_test(test_renewal_foreign), cmocka_unit_test(test_ca_end),
    };
    return cmocka_run_group_tests_name("enrol decisions", tests, NULL, NULL);
}
