/* test_enrol_admin.c - the operator's side: users, invites, new versions of the document, revocation. */
#include "test_enrol.h"

#include <stdio.h>
#include <stdlib.h>
#include "enrol/admin.h"
#include "support/pki.h"

/* A signed first document in a store of its own. */
struct office {
    struct rf_pki pki;
    struct memory_store *store;
    struct rf_rng_seeded rng;
};

static void put_first(struct office *o)
{
    struct rf_conf draft = *o->pki.conf;
    assert_int_equal(rf_admin_document_first(&o->store->store, &o->pki.signer, &draft, RF_PKI_WALL_MS),
                     RF_OK);
}

static void office_init(struct office *o, int self_signed)
{
    static const char *const bootstraps[] = {"127.0.0.1:6084"};
    memset(o, 0, sizeof(*o));
    struct rf_pki_config config = {
        .no_ice = true, .bootstraps = bootstraps, .bootstrap_count = 1, .self_signed = self_signed};
    assert_int_equal(rf_pki_init(&o->pki, &config), RF_OK);
    o->store = memory_store_new();
    rf_rng_seeded_init(&o->rng, 3);
    put_first(o);
}

static void office_deinit(struct office *o)
{
    assert_false(o->store->open);
    memory_store_free(o->store);
    rf_pki_deinit(&o->pki);
}

/* newest parses the newest document; release it. */
static struct rf_conf *newest(struct office *o)
{
    const struct memory_document *row = &o->store->now.documents[o->store->now.document_count - 1];
    struct rf_conf *conf = NULL;
    assert_int_equal(rf_conf_parse(o->pki.crypto, rf_mem_system(), rf_view_of(row->xml, row->len),
                                   (struct rf_view){0}, &conf, NULL, 0),
                     RF_OK);
    assert_int_equal(conf->sequence, row->document.sequence);
    return conf;
}

static void add_device(struct office *o, uint8_t byte, uint64_t not_after_ms, struct rf_id *id)
{
    struct rf_enrol_device *row = &o->store->now.devices[o->store->now.device_count++];
    memset(row, 0, sizeof(*row));
    row->node_id.len = 16;
    memset(row->node_id.b, byte, 16);
    memset(row->key_hash, byte, sizeof(row->key_hash));
    snprintf(row->user, sizeof(row->user), "alice@example.org");
    row->not_after_ms = not_after_ms;
    *id = row->node_id;
}

static int revoke(struct office *o, const struct rf_id *ids, size_t count, uint16_t *sequence)
{
    return rf_admin_revoke(&o->store->store, o->pki.crypto, rf_mem_system(), &o->pki.signer, ids, count,
                           RF_PKI_WALL_MS, sequence);
}

static void test_users(void **state)
{
    struct office o;
    struct rf_enrol_store *s;
    (void)state;
    office_init(&o, 0);
    s = &o.store->store;
    assert_int_equal(rf_admin_user_add(s, "alice@example.org", "", 5), RF_OK);
    assert_int_equal(rf_admin_user_add(s, "alice@example.org", "hash", 6), RF_EEXIST);
    assert_int_equal(rf_admin_user_password(s, "alice@example.org", "hash"), RF_OK);
    assert_int_equal(rf_admin_user_password(s, "bob@example.org", "hash"), RF_ENOTFOUND);
    assert_int_equal(rf_admin_user_disable(s, "bob@example.org", true), RF_ENOTFOUND);
    assert_int_equal(rf_admin_user_disable(s, "alice@example.org", true), RF_OK);
    assert_true(o.store->now.users[0].disabled);
    assert_string_equal(o.store->now.users[0].password, "hash");
    assert_int_equal(o.store->now.users[0].created_ms, 5);
    assert_int_equal(rf_admin_user_disable(s, "alice@example.org", false), RF_OK);
    assert_false(o.store->now.users[0].disabled);
    office_deinit(&o);
}

static void test_invites(void **state)
{
    struct office o;
    struct rf_admin_invite wish = {.uses = 3, .lifetime_ms = 1000};
    char code[RF_ENROL_INVITE_CODE_LEN + 1], other[RF_ENROL_INVITE_CODE_LEN + 1];
    uint8_t hash[RF_ENROL_HASH_LEN];
    (void)state;
    office_init(&o, 0);
    struct rf_enrol_store *s = &o.store->store;
    assert_int_equal(rf_admin_invite(s, o.pki.crypto, &o.rng.rng, &wish, 5000, code), RF_OK);
    assert_int_equal(rf_enrol_invite_hash(o.pki.crypto, rf_view_str(code), hash), RF_OK);
    const struct rf_enrol_invite *row = &o.store->now.invites[0];
    assert_memory_equal(row->hash, hash, sizeof(hash));
    assert_int_equal(row->uses_max, 3);
    assert_int_equal(row->uses, 0);
    assert_int_equal(row->expires_ms, 6000);
    assert_string_equal(row->user, "");
    wish.user = "bob@example.org";
    assert_int_equal(rf_admin_invite(s, o.pki.crypto, &o.rng.rng, &wish, 6001, other),
                     RF_OK); /* and the first is forgotten */
    assert_int_equal(o.store->now.invite_count, 1);
    assert_string_equal(row->user, "bob@example.org");
    assert_string_not_equal(code, other);
    const struct rf_admin_invite bad[] = {
        {.uses = 0, .lifetime_ms = 1}, {.uses = 1}, {.uses = RF_ADMIN_INVITE_USES_MAX + 1, .lifetime_ms = 1}};
    for (size_t i = 0; i < RF_COUNT(bad); i++)
        assert_int_equal(rf_admin_invite(s, o.pki.crypto, &o.rng.rng, &bad[i], 0, code), RF_EINVAL);
    office_deinit(&o);
}

static void test_first_once(void **state)
{
    struct office o;
    (void)state;
    office_init(&o, 0);
    struct rf_conf draft = *o.pki.conf;
    assert_int_equal(rf_admin_document_first(&o.store->store, &o.pki.signer, &draft, RF_PKI_WALL_MS),
                     RF_EEXIST);
    assert_int_equal(o.store->now.document_count, 1);
    office_deinit(&o);
}

struct settings_row {
    const char *key, *value;
    int error;
};
static const struct settings_row settings[] = {
    {"max-message-size", "6000", RF_OK},
    {"max-message-size", "999", RF_EINVAL},
    {"max-message-size", "16777216", RF_EINVAL},
    {"max-message-size", "", RF_EINVAL},
    {"max-message-size", "5e3", RF_EINVAL},
    {"max-message-size", "-5", RF_EINVAL},
    {"max-message-size", "99999999999999999999", RF_EINVAL},
    {"initial-ttl", "50", RF_OK},
    {"initial-ttl", "256", RF_EINVAL},
    {"overlay-reliability-timer", "200", RF_OK},
    {"overlay-reliability-timer", "199", RF_EINVAL},
    {"chord-update-interval", "30", RF_OK},
    {"chord-ping-interval", "60", RF_OK},
    {"chord-reactive", "false", RF_OK},
    {"chord-reactive", "maybe", RF_EINVAL},
    {"turn-density", "0", RF_OK},
    {"clients-permitted", "0", RF_OK},
    {"no-ice", "false", RF_OK},
    {"enrollment-server", "https://enrol.example.org/enrol", RF_OK},
    {"enrollment-server", "http://enrol.example.org/enrol", RF_EINVAL},
    {"enrollment-server", "https://a/<b>", RF_EINVAL},
    {"enrollment-server", "https://", RF_EINVAL},
    {"instance-name", "x", RF_EUNKNOWN},
    {"", "", RF_EUNKNOWN},
};

static int change_setting(void *ctx, struct rf_conf *draft, struct rf_region *region)
{
    const struct settings_row *row = ctx;
    return rf_admin_conf_set(draft, row->key, row->value, region);
}

static int change(struct office *o, rf_admin_change *function, const void *ctx, uint16_t *sequence)
{
    return rf_admin_document_change(&o->store->store, o->pki.crypto, rf_mem_system(), &o->pki.signer,
                                    function, (void *)(uintptr_t)ctx, RF_PKI_WALL_MS, sequence);
}

static void test_settings(void **state)
{
    struct office o;
    (void)state;
    office_init(&o, 0);
    for (size_t i = 0; i < RF_COUNT(settings); i++) {
        uint16_t sequence = 0;
        size_t before = o.store->now.document_count;
        int e = change(&o, change_setting, &settings[i], &sequence);
        if (e != settings[i].error)
            fail_msg("%s = %s: %d", settings[i].key, settings[i].value, e);
        assert_int_equal(o.store->now.document_count, before + (e == RF_OK));
        if (before == MEMORY_DOCUMENTS - 1 && e == RF_OK) { /* go on with the newest in a store with room */
            o.store->now.documents[0] = o.store->now.documents[before];
            o.store->now.document_count = 1;
        }
        if (e == RF_OK)
            assert_non_null(strstr(rf_admin_conf_keys(), settings[i].key));
    }
    struct rf_conf *conf = newest(&o);
    assert_int_equal(conf->max_message_size, 6000);
    assert_int_equal(conf->initial_ttl, 50);
    assert_int_equal(conf->reliability_timer_ms, 200);
    assert_int_equal(conf->chord_update_interval_s, 30);
    assert_int_equal(conf->chord_ping_interval_s, 60);
    assert_false(conf->chord_reactive || conf->clients_permitted || conf->no_ice);
    assert_int_equal(conf->turn_density, 0);
    assert_int_equal(conf->enrolment_url_count, 1);
    assert_string_equal(conf->enrolment_urls[0], "https://enrol.example.org/enrol");
    assert_int_equal(conf->bootstrap_count, 1); /* what nobody touched is as it was */
    assert_int_equal(conf->sequence, 11);
    rf_conf_release(conf);
    office_deinit(&o);
}

static int add_bootstrap(void *ctx, struct rf_conf *draft, struct rf_region *region)
{
    return rf_admin_bootstrap_add(draft, ctx, region);
}

static int remove_bootstrap(void *ctx, struct rf_conf *draft, struct rf_region *region)
{
    return rf_admin_bootstrap_remove(draft, ctx, region);
}

static void test_bootstraps(void **state)
{
    struct office o;
    struct rf_addr a, b;
    uint16_t sequence = 0;
    (void)state;
    office_init(&o, 0);
    assert_int_equal(rf_addr_parse("[2001:db8::1]:7000", 0, &a), RF_OK);
    assert_int_equal(rf_addr_parse("127.0.0.1:6084", 0, &b), RF_OK);
    assert_int_equal(change(&o, add_bootstrap, &b, NULL), RF_EEXIST);
    assert_int_equal(change(&o, remove_bootstrap, &a, NULL), RF_ENOTFOUND);
    assert_int_equal(o.store->now.document_count, 1);
    assert_int_equal(change(&o, add_bootstrap, &a, &sequence), RF_OK);
    assert_int_equal(sequence, 2);
    assert_int_equal(change(&o, remove_bootstrap, &b, &sequence), RF_OK);
    struct rf_conf *conf = newest(&o);
    assert_int_equal(conf->bootstrap_count, 1);
    assert_true(rf_addr_equal(&conf->bootstraps[0], &a));
    rf_conf_release(conf);
    office_deinit(&o);
}

/* Each new document is one that a node which knows the last one accepts. */
static void test_chain_of_documents(void **state)
{
    struct office o;
    struct rf_trust *trust;
    struct rf_id id[2];
    (void)state;
    office_init(&o, 0);
    struct rf_conf *last = newest(&o);
    for (int i = 0; i < 2; i++) {
        uint16_t sequence;
        add_device(&o, (uint8_t)(0xd0 + i), RF_PKI_WALL_MS + DAY_MS, &id[i]);
        assert_int_equal(revoke(&o, &id[i], 1, &sequence), RF_OK);
        struct rf_conf *next = newest(&o);
        assert_true(rf_conf_sequence_newer(next->sequence, last->sequence));
        assert_int_equal(rf_pki_trust(&o.pki, 8, &trust), RF_OK);
        assert_int_equal(rf_conf_trust(last, trust), RF_OK);
        assert_int_equal(rf_conf_verify(last, next, trust, RF_PKI_WALL_MS), RF_OK);
        assert_int_equal(rf_conf_trust(next, trust), RF_OK);
        assert_true(rf_trust_is_bad_node(trust, &id[i]));
        rf_trust_free(trust);
        rf_conf_release(last);
        last = next;
    }
    assert_int_equal(last->bad_node_count, 2);
    rf_conf_release(last);
    office_deinit(&o);
}

static void test_revoke(void **state)
{
    struct office o;
    struct rf_id id[3], stranger = {.len = 16, .b = {1}};
    uint16_t sequence = 0;
    (void)state;
    office_init(&o, 0);
    for (int i = 0; i < 3; i++)
        add_device(&o, (uint8_t)(0xd0 + i), RF_PKI_WALL_MS + (uint64_t)(i + 1) * DAY_MS, &id[i]);
    struct memory_tables *start = malloc(sizeof(*start));
    assert_non_null(start);
    *start = o.store->now;
    const struct rf_id with_stranger[] = {id[0], stranger}, with_signer[] = {id[0], o.pki.signer.node_id};
    assert_int_equal(revoke(&o, &stranger, 1, &sequence), RF_ENOTFOUND);
    assert_int_equal(revoke(&o, with_stranger, 2, &sequence), RF_ENOTFOUND);
    assert_int_equal(revoke(&o, with_signer, 2, &sequence), RF_EFORBIDDEN);
    assert_memory_equal(&o.store->now, start, sizeof(*start)); /* all or nothing */
    free(start);
    assert_int_equal(revoke(&o, id, 2, &sequence), RF_OK);
    assert_int_equal(sequence, 2);
    assert_int_equal(o.store->now.devices[0].revoked_ms, RF_PKI_WALL_MS);
    assert_int_equal(o.store->now.devices[2].revoked_ms, 0);
    assert_int_equal(revoke(&o, id, 2, &sequence), RF_EEXIST);
    assert_int_equal(revoke(&o, id, 3, &sequence), RF_OK); /* the third one is new */
    struct rf_conf *conf = newest(&o);
    assert_int_equal(conf->bad_node_count, 3);
    rf_conf_release(conf);
    /* a day and a half later the first two certificates are dead by themselves: the next document leaves out the first */
    struct rf_addr addr;
    assert_int_equal(rf_addr_parse("127.0.0.2:1", 0, &addr), RF_OK);
    assert_int_equal(rf_admin_document_change(&o.store->store, o.pki.crypto, rf_mem_system(), &o.pki.signer,
                                              add_bootstrap, &addr, RF_PKI_WALL_MS + DAY_MS + DAY_MS / 2,
                                              NULL),
                     RF_OK);
    conf = newest(&o);
    assert_int_equal(conf->bad_node_count, 2);
    assert_true(rf_id_equal(&conf->bad_nodes[0], &id[1]));
    rf_conf_release(conf);
    office_deinit(&o);
}

/* A self-signed overlay has no devices in the store, yet Node-IDs to shut out. */
static void test_revoke_self_signed(void **state)
{
    struct office o;
    struct rf_id stranger = {.len = 16, .b = {1, 2, 3}};
    uint16_t sequence = 0;
    (void)state;
    office_init(&o, RF_DIGEST_SHA256);
    assert_int_equal(revoke(&o, &stranger, 1, &sequence), RF_OK);
    assert_int_equal(revoke(&o, &stranger, 1, &sequence), RF_EEXIST);
    struct rf_conf *conf = newest(&o);
    assert_int_equal(conf->bad_node_count, 1);
    assert_int_equal(conf->sequence, 2);
    rf_conf_release(conf);
    office_deinit(&o);
}

/* 65534 is followed by 0; the number in the store goes on counting. */
static void test_sequence_wraps(void **state)
{
    struct office o;
    struct rf_conf *conf;
    struct rf_addr addr;
    uint16_t sequence = 1;
    (void)state;
    office_init(&o, 0);
    assert_int_equal(rf_pki_document(&o.pki, 65534, NULL, NULL, &conf), RF_OK);
    struct memory_document *row = &o.store->now.documents[0];
    row->document.sequence = 65534;
    row->len = conf->xml.len;
    memcpy(row->xml, conf->xml.p, conf->xml.len);
    rf_conf_release(conf);
    assert_int_equal(rf_addr_parse("127.0.0.2:1", 0, &addr), RF_OK);
    assert_int_equal(change(&o, add_bootstrap, &addr, &sequence), RF_OK);
    assert_int_equal(sequence, 0);
    assert_int_equal(o.store->now.documents[1].document.number, 2);
    office_deinit(&o);
}

static int set_expiration(void *ctx, struct rf_conf *draft, struct rf_region *region)
{
    (void)region;
    draft->expiration_ms = *(const uint64_t *)ctx;
    return RF_OK;
}

static int renew(struct office *o, uint64_t wall_ms, uint16_t *sequence)
{
    return rf_admin_document_renew(&o->store->store, o->pki.crypto, rf_mem_system(), &o->pki.signer, wall_ms,
                                   sequence);
}

/* check_expires: the newest document expires so many days after RF_PKI_WALL_MS, in whole seconds. */
static void check_expires(struct office *o, uint64_t days)
{
    struct rf_conf *conf = newest(o);
    assert_in_range(conf->expiration_ms, RF_PKI_WALL_MS + days * DAY_MS - 999,
                    RF_PKI_WALL_MS + days * DAY_MS);
    rf_conf_release(conf);
}

/* A document that expires is signed anew when half of its life is over, and lives as long again; so does every other change of it. */
static void test_document_renewal(void **state)
{
    struct office o;
    struct rf_addr addr;
    uint16_t first, sequence = 0;
    uint64_t until_ms = RF_PKI_WALL_MS + 10 * DAY_MS, never_ms = UINT64_MAX;
    (void)state;
    office_init(&o, 0);
    assert_int_equal(renew(&o, RF_PKI_WALL_MS + 1000 * DAY_MS, &sequence),
                     RF_EEXIST); /* it does not expire */
    assert_int_equal(change(&o, set_expiration, &until_ms, &first), RF_OK);
    check_expires(&o, 10);
    assert_int_equal(renew(&o, RF_PKI_WALL_MS + 5 * DAY_MS - 1000, &sequence), RF_EEXIST);
    assert_int_equal(o.store->now.document_count, 2);
    assert_int_equal(renew(&o, RF_PKI_WALL_MS + 6 * DAY_MS, &sequence), RF_OK);
    assert_int_equal(sequence, first + 1);
    check_expires(&o, 16);
    assert_int_equal(renew(&o, RF_PKI_WALL_MS + 7 * DAY_MS, &sequence),
                     RF_EEXIST); /* another process was here */
    assert_int_equal(renew(&o, RF_PKI_WALL_MS + 20 * DAY_MS + 1, &sequence),
                     RF_OK); /* nobody served meanwhile */
    check_expires(&o, 30);
    assert_int_equal(rf_addr_parse("127.0.0.2:1", 0, &addr), RF_OK);
    assert_int_equal(change(&o, add_bootstrap, &addr, &sequence), RF_OK); /* at RF_PKI_WALL_MS */
    check_expires(&o, 10);
    assert_int_equal(change(&o, set_expiration, &never_ms, &sequence), RF_OK);
    assert_int_equal(renew(&o, RF_PKI_WALL_MS + 1000 * DAY_MS, &sequence), RF_EEXIST);
    office_deinit(&o);
}

/* A signer that the document does not name must not be able to put a document there. */
static void test_foreign_signer(void **state)
{
    struct office o;
    struct rf_identity other;
    struct rf_addr addr;
    (void)state;
    office_init(&o, 0);
    assert_int_equal(rf_pki_node(&o.pki, "eve@example.org", NULL, RF_KEY_P256, &other), RF_OK);
    assert_int_equal(rf_addr_parse("127.0.0.2:1", 0, &addr), RF_OK);
    int e = rf_admin_document_change(&o.store->store, o.pki.crypto, rf_mem_system(), &other, add_bootstrap,
                                     &addr, RF_PKI_WALL_MS, NULL);
    assert_int_equal(e, RF_EFORBIDDEN);
    assert_int_equal(o.store->now.document_count, 1);
    rf_identity_deinit(&other);
    office_deinit(&o);
}

static void test_store_fails(void **state)
{
    struct office o;
    struct rf_id id;
    uint16_t sequence;
    size_t at = 0;
    int e;
    (void)state;
    office_init(&o, 0);
    add_device(&o, 0xd0, RF_PKI_WALL_MS + DAY_MS, &id);
    struct memory_tables *start = malloc(sizeof(*start));
    assert_non_null(start);
    *start = o.store->now;
    do {
        o.store->calls = 0;
        o.store->fail_at = ++at;
        e = revoke(&o, &id, 1, &sequence);
        if (e != RF_OK) {
            assert_int_equal(e, RF_EDATABASE);
            assert_memory_equal(&o.store->now, start, sizeof(*start));
        }
        assert_true(at < 30);
    } while (e != RF_OK);
    assert_true(at > 5);
    free(start);
    office_deinit(&o);
}

int test_enrol_admin(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_users),          cmocka_unit_test(test_invites),
        cmocka_unit_test(test_first_once),     cmocka_unit_test(test_settings),
        cmocka_unit_test(test_bootstraps),     cmocka_unit_test(test_chain_of_documents),
        cmocka_unit_test(test_revoke),         cmocka_unit_test(test_revoke_self_signed),
        cmocka_unit_test(test_sequence_wraps), cmocka_unit_test(test_foreign_signer),
        cmocka_unit_test(test_store_fails),    cmocka_unit_test(test_document_renewal),
    };
    return cmocka_run_group_tests_name("enrol admin", tests, NULL, NULL);
}
