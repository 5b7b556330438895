/*
 * test_overlay_store_heal.c - several storages after something went wrong: partitions, restarts, tampered disks, revoked signers; and
 * certificates that need intermediates on all of these ways.
 */
#include "test_overlay_store_peers.h"

#include "overlay/store_internal.h"

/* ---- partitions ---- */

static void set_side(size_t a, size_t b, size_t c, int side)
{
    node(a)->side = node(b)->side = node(c)->side = side;
    sn_ring_changed(&net, NULL, NULL);
}

static void test_partition_heals(void **state)
{
    (void)state;
    store_ok(ALICE, &alice_id, KIND_SINGLE, none(), "before");
    store_ok(BOB, &bob_id, KIND_SINGLE, none(), "bob-before");
    sn_run(&net, RF_US_PER_S);
    /* {10, 80, bob} and {40, c0, alice}: alice's resource has a home on each side */
    set_side(P10, P80, BOB, 1);
    sn_run(&net, 60 * RF_US_PER_S);
    store_ok(ALICE, &alice_id, KIND_SINGLE, none(), "during"); /* on her side: home c0 */
    store_ok(BOB, &bob_id, KIND_SINGLE, none(), "bob-during");
    store_ok(BOB, &bob_id, KIND_LOG, rf_view_of("\0\0\0\1", 4), "bob-log");
    assert_string_equal(look(P80, &alice_id, KIND_SINGLE), "before");
    assert_string_equal(look(PC0, &alice_id, KIND_SINGLE), "during");
    set_side(P10, P80, BOB, 0);
    sn_run(&net, 180 * RF_US_PER_S);
    holders(&alice_id, KIND_SINGLE, "during",
            (bool[]){true, false, true, true}); /* the newer one, everywhere */
    struct sn_node *bobs = sn_owner(&net, &bob_id, 0);
    assert_string_equal(look(bobs->number, &bob_id, KIND_SINGLE), "bob-during");
    assert_string_equal(look(bobs->number, &bob_id, KIND_LOG), "1=bob-log");
    /* and quiet again */
    size_t sent = net.sent[RF_CODE_STORE_REQ];
    sn_run(&net, 600 * RF_US_PER_S);
    assert_int_equal(net.sent[RF_CODE_STORE_REQ], sent);
}

static size_t occurrences(const char *text, const char *what)
{
    size_t count = 0;
    for (; (text = strstr(text, what)) != NULL; text++)
        count++;
    return count;
}

/* Both sides append to one log while they are apart: afterwards it has all elements, the same on all of its holders. */
static void test_logs_are_joined(void **state)
{
    (void)state;
    static const struct rf_usage_kind log = {.kind = KIND_LOG, .name = "LOG", .append_only = true};
    const struct rf_view append = rf_view_of("\xff\xff\xff\xff", 4);
    struct sn_node *alice2 = sn_add(&net, "alice@example.org", "a2", false, NULL);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(rf_store_add_kind(node(i)->store, &log), 0);
    store_ok(ALICE, &alice_id, KIND_LOG, append, "common");
    struct heard heard;
    start_store(ALICE, &alice_id, KIND_LOG, rf_view_of("\0\0\0\0", 4), "replaced", 60, &heard);
    sn_run(&net, RF_US_PER_S);
    assert_int_equal(heard.result.error_code, RF_ERROR_FORBIDDEN); /* never replaced */
    alice2->side = 1;
    set_side(P10, P80, BOB, 1);
    sn_run(&net, 60 * RF_US_PER_S);
    static const char *const here[] = {"west-a", "west-b", "west-c"}, *const there[] = {"east-a", "east-b"};
    for (size_t i = 0; i < 3; i++)
        store_ok(ALICE, &alice_id, KIND_LOG, append, here[i]);
    for (size_t i = 0; i < 2; i++)
        store_ok(alice2->number, &alice_id, KIND_LOG, append, there[i]);
    alice2->side = 0;
    set_side(P10, P80, BOB, 0);
    sn_run(&net, 300 * RF_US_PER_S);
    char home[2048];
    snprintf(home, sizeof(home), "%s", kit_look(&net, node(P80), &alice_id, KIND_LOG));
    assert_non_null(strstr(home, "0=common"));
    assert_int_equal(occurrences(home, "="), 6);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(occurrences(home, here[i]), 1);
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(occurrences(home, there[i]), 1);
    assert_string_equal(kit_look(&net, node(PC0), &alice_id, KIND_LOG), home);
    assert_string_equal(kit_look(&net, node(P10), &alice_id, KIND_LOG), home);
    size_t sent = net.sent[RF_CODE_STORE_REQ];
    sn_run(&net, 600 * RF_US_PER_S);
    assert_int_equal(net.sent[RF_CODE_STORE_REQ], sent);
    /* and it can be removed from, and goes on */
    store_ok(ALICE, &alice_id, KIND_LOG, rf_view_of("\0\0\0\1", 4), NULL);
    store_ok(ALICE, &alice_id, KIND_LOG, append, "after");
    assert_non_null(strstr(kit_look(&net, node(P80), &alice_id, KIND_LOG), "6=after"));
}

static void test_removal_wins_over_older(void **state)
{
    (void)state;
    struct heard heard;
    store_ok(ALICE, &alice_id, KIND_SINGLE, none(), "before");
    sn_run(&net, RF_US_PER_S);
    set_side(P10, P80, BOB, 1);
    start_store(ALICE, &alice_id, KIND_SINGLE, none(), NULL, 10, &heard); /* removed on one side only */
    sn_run(&net, 20 * RF_US_PER_S);
    assert_true(heard.done && heard.result.error == 0);
    set_side(P10, P80, BOB, 0);
    sn_run(&net, 180 * RF_US_PER_S);
    holders(&alice_id, KIND_SINGLE, "-", (bool[]){true, false, true, true}); /* not "before" again */
}

/* ---- restarts ---- */

static void test_restart(void **state)
{
    (void)state;
    store_ok(ALICE, &alice_id, KIND_SINGLE, none(), "kept");
    store_ok(ALICE, &alice_id, KIND_LOG, rf_view_of("\0\0\0\7", 4), "log");
    sn_run(&net, RF_US_PER_S);
    sn_restart(node(P80));
    sn_ring_changed(&net, node(P80), NULL);
    assert_string_equal(look(P80, &alice_id, KIND_SINGLE), "kept");
    assert_string_equal(look(P80, &alice_id, KIND_LOG), "7=log");
    sn_run(&net, 60 * RF_US_PER_S);
    holders(&alice_id, KIND_SINGLE, "kept", (bool[]){true, false, true, true});
    /* the counter goes on */
    struct heard heard;
    const struct sn_record *on = RF_LIST_ENTRY(node(P80)->disk.next, struct sn_record, list);
    uint64_t generation = on->record.generation;
    start_store(ALICE, &alice_id, KIND_SINGLE, none(), "after", 3600, &heard);
    sn_run(&net, RF_US_PER_S);
    assert_true(heard.result.generation > generation);
}

static void test_disk_was_tampered_with(void **state)
{
    (void)state;
    store_ok(ALICE, &alice_id, KIND_SINGLE, none(), "true");
    sn_run(&net, RF_US_PER_S);
    struct sn_record *on = RF_LIST_ENTRY(node(P80)->disk.next, struct sn_record, list);
    uint8_t *value = on->bytes + (on->record.stored_data.p - on->bytes) + 16 + 5;
    assert_memory_equal(value, "true", 4);
    memcpy(value, "lies", 4);
    sn_restart(node(P80));
    assert_string_equal(look(P80, &alice_id, KIND_SINGLE), "-!"); /* found out at its first use */
    sn_run(&net, RF_US_PER_S);
    assert_true(rf_list_empty(&node(P80)->disk));
    sn_ring_changed(&net, node(P80), NULL);
    struct sn_reply reply;
    struct kit_want want = {.kind = KIND_SINGLE};
    kit_fetch(&net, node(BOB), node(P80), false, &alice_id, &want, 1,
              &reply); /* as home it asks its successor first */
    assert_string_equal(look(P80, &alice_id, KIND_SINGLE), "true");
}

static void test_expired_while_down(void **state)
{
    (void)state;
    struct heard heard;
    start_store(ALICE, &alice_id, KIND_SINGLE, none(), "short", 30, &heard);
    sn_run(&net, RF_US_PER_S);
    node(P80)->alive = false;
    net.wall_base_ms += 40000;
    sn_run(&net, 1000);
    sn_restart(node(P80));
    struct rf_store_stats stats;
    rf_store_stats(node(P80)->store, &stats);
    assert_int_equal(stats.value_count, 0);
}

/* ---- intermediate certificates ---- */

/* alice's certificate comes from an authority that the root has appointed. */
static void appoint(struct rf_key **key, struct rf_x509 *authority, struct rf_identity *alice)
{
    struct rf_crypto *c = net.pki.crypto;
    struct rf_x509_spec spec = {.common_name = rf_view_str("branch"),
                                .is_ca = true,
                                .not_before_ms = RF_PKI_WALL_MS - 1000,
                                .not_after_ms = RF_PKI_WALL_MS + UINT64_C(86400000),
                                .serial_lo = 1000};
    struct rf_cert_spec leaf = {.user = rf_view_str("alice@example.org"),
                                .overlay = rf_view_str("example.org"),
                                .node_ids = &alice->node_id,
                                .node_id_count = 1,
                                .not_before_ms = spec.not_before_ms,
                                .not_after_ms = spec.not_after_ms,
                                .serial_lo = 1001};
    struct rf_buf spki, der;
    rf_buf_init(&spki, rf_mem_system(), 4096);
    rf_buf_init(&der, rf_mem_system(), 4096);
    assert_int_equal(c->ops->key_generate(c, RF_KEY_P256, key), 0);
    assert_int_equal(c->ops->key_spki(c, *key, &spki), 0);
    assert_int_equal(c->ops->x509_issue(c, &spec, rf_buf_view(&spki), &net.pki.ca, net.pki.ca_key, &der), 0);
    assert_int_equal(c->ops->x509_decode(c, rf_buf_view(&der), authority), 0);
    rf_buf_reset(&spki);
    rf_buf_reset(&der);
    assert_int_equal(c->ops->key_spki(c, alice->key, &spki), 0);
    assert_int_equal(rf_cert_issue(c, &leaf, rf_buf_view(&spki), authority, *key, &der), 0);
    rf_cert_release(alice->cert);
    assert_int_equal(rf_trust_cert(node(ALICE)->trust, rf_buf_view(&der), &authority->der, 1, RF_PKI_WALL_MS,
                                   &alice->cert),
                     0);
    assert_int_equal(alice->cert->chain_count, 1);
    struct rf_identity renamed; /* its SignerIdentity names the new certificate */
    assert_int_equal(rf_identity_init(&renamed, c, alice->key, alice->cert, &alice->node_id), 0);
    rf_cert_release(alice->cert);
    *alice = renamed;
    rf_buf_deinit(&spki);
    rf_buf_deinit(&der);
}

static void on_fetched(void *arg, const struct rf_fetch_result *result)
{
    size_t *good = arg;
    *good = result->error == 0 && result->dropped_count == 0 ? result->value_count : 99;
}

static void test_intermediates(void **state)
{
    (void)state;
    struct rf_key *key = NULL;
    struct rf_x509 authority;
    appoint(&key, &authority, &node(ALICE)->identity);
    store_ok(ALICE, &alice_id, KIND_SINGLE, none(), "kept");
    store_ok(ALICE, &alice_id, KIND_LOG, rf_view_of("\0\0\0\0", 4), "log");
    sn_run(&net, RF_US_PER_S);
    for (int restarted = 0; restarted < 2; restarted++) {
        holders(&alice_id, KIND_SINGLE, "kept", (bool[]){true, false, true, true});
        assert_int_equal(rf_conf_trust(net.pki.conf, node(BOB)->trust), 0); /* who never saw the authority */
        size_t good = 0;
        assert_int_equal(
            rf_store_client_fetch(node(BOB)->store, &alice_id, KIND_LOG, NULL, 0, on_fetched, &good), 0);
        sn_run(&net, RF_US_PER_S);
        assert_int_equal(good, 1);
        for (size_t i = 0; i < 4; i++)
            assert_int_equal(rf_conf_trust(net.pki.conf, node(i)->trust), 0);
        sn_restart(node(P80));
        sn_ring_changed(&net, node(P80), NULL);
        sn_run(&net, 60 * RF_US_PER_S);
    }
    net.pki.crypto->ops->x509_deinit(net.pki.crypto, &authority);
    net.pki.crypto->ops->key_free(net.pki.crypto, key);
}

/* ---- a new document ---- */

static void revoke(struct rf_conf *draft, void *arg)
{
    draft->bad_nodes = arg;
    draft->bad_node_count = 1;
}

static void test_revoked(void **state)
{
    (void)state;
    struct rf_conf *next = NULL;
    store_ok(ALICE, &alice_id, KIND_SINGLE, none(), "hers");
    store_ok(ALICE, &alice_id, KIND_LOG, rf_view_of("\0\0\0\1", 4), "hers");
    store_ok(BOB, &bob_id, KIND_SINGLE, none(), "his");
    struct rf_id bad = node(ALICE)->identity.node_id;
    assert_int_equal(rf_pki_document(&net.pki, 9, revoke, &bad, &next), 0);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(rf_conf_trust(next, node(i)->trust), 0);
        assert_int_equal(rf_store_configure(node(i)->store, next), 0);
    }
    rf_conf_release(next);
    for (size_t i = 0; i < 4; i++) {
        assert_string_equal(look(i, &alice_id, KIND_SINGLE), "-!");
        assert_string_equal(look(i, &alice_id, KIND_LOG), "0=-!");
    }
    assert_string_equal(look(sn_owner(&net, &bob_id, 0)->number, &bob_id, KIND_SINGLE), "his");
    sn_run(&net, RF_US_PER_S);
    size_t left = 0;
    for (size_t i = 0; i < 4; i++)
        RF_LIST_EACH(&node(i)->disk, it)
        {
            left++;
        }
    assert_int_equal(left, 3); /* bob's three copies */
}

/* ---- quotas ---- */

/* Whose quota a value counts for: the user's, where an authority vouches for the name, else that node's own (pitfall 24). */
static void test_accounts(void **state)
{
    (void)state;
    for (int self_signed = 0; self_signed < 2; self_signed++) {
        struct rf_pki pki;
        struct rf_identity first, second;
        struct rf_pki_config config = {.self_signed = self_signed ? RF_DIGEST_SHA256 : 0};
        assert_int_equal(rf_pki_init(&pki, &config), 0);
        assert_int_equal(rf_pki_node(&pki, "alice@example.org", NULL, RF_KEY_ED25519, &first), 0);
        assert_int_equal(rf_pki_node(&pki, "alice@example.org", NULL, RF_KEY_ED25519, &second), 0);
        struct rf_signer a = {first.cert, first.node_id}, b = {second.cert, second.node_id};
        struct rf_view of_a = store_account_of(&a);
        assert_int_equal(rf_view_equal(of_a, store_account_of(&b)), !self_signed);
        assert_true(
            rf_view_equal(of_a, self_signed ? rf_id_view(&a.node_id) : rf_view_str("alice@example.org")));
        rf_identity_deinit(&first);
        rf_identity_deinit(&second);
        rf_pki_deinit(&pki);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_partition_heals),
        TEST(test_logs_are_joined),
        TEST(test_removal_wins_over_older),
        TEST(test_restart),
        TEST(test_disk_was_tampered_with),
        TEST(test_expired_while_down),
        TEST(test_intermediates),
        TEST(test_revoked),
        TEST(test_accounts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
