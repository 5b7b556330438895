/* test_usage_own.c - our own certificate and registration kept stored: first time, refreshed, renewed, after failures, removed. */
#include "test_usage.h"

static struct rf_id by_user(void)
{
    return sn_hash(&un.net, "alice@example.org");
}

static struct rf_id by_node(void)
{
    struct rf_view part = rf_id_view(&un_node(UALICE)->identity.node_id);
    struct rf_id id;
    assert_int_equal(rf_overlay_hash(un.net.pki.crypto, &part, 1, 16, &id), 0);
    return id;
}

static bool certs_stored(void *arg)
{
    (void)arg;
    return rf_certs_stored(un_certs(UALICE));
}
static bool registered(void *arg)
{
    (void)arg;
    return rf_sipreg_registered(un_sipreg(UALICE));
}
static bool unregistered(void *arg)
{
    return !registered(arg);
}

static size_t stores(void)
{
    return un.net.sent[RF_CODE_STORE_REQ];
}

/* Lets days pass in steps of minutes. */
static void days(unsigned n)
{
    for (unsigned i = 0; i < n * 24; i++)
        sn_run(&un.net, 3600 * RF_US_PER_S);
}

static void test_certificates(void **state)
{
    (void)state;
    struct rf_id user = by_user(), node = by_node();
    sn_run(&un.net, 60 * RF_US_PER_S);
    assert_int_equal(un_count(&user, RF_KIND_CERTIFICATE_BY_USER), 0); /* not before the node is online */
    rf_certs_online(un_certs(UALICE), true);
    assert_true(un_wait(certs_stored, NULL, 5));
    assert_int_equal(un_count(&user, RF_KIND_CERTIFICATE_BY_USER), 1);
    assert_int_equal(un_count(&node, RF_KIND_CERTIFICATE_BY_NODE), 1);
    /* her other device appends its own */
    rf_certs_online(un_certs(UALICE2), true);
    sn_run(&un.net, 5 * RF_US_PER_S);
    assert_int_equal(un_count(&user, RF_KIND_CERTIFICATE_BY_USER), 2);
    /* back online: nothing is stored anew */
    size_t before = stores();
    for (int i = 0; i < 5; i++) {
        rf_certs_online(un_certs(UALICE), false);
        rf_certs_online(un_certs(UALICE), true);
        sn_run(&un.net, 60 * RF_US_PER_S);
    }
    assert_int_equal(stores(), before);
    /* for weeks the entries are there, once each, written again in their place */
    for (int week = 0; week < 3; week++) {
        days(7);
        assert_int_equal(un_count(&user, RF_KIND_CERTIFICATE_BY_USER), 2);
        assert_int_equal(un_count(&node, RF_KIND_CERTIFICATE_BY_NODE), 1);
    }
    assert_in_range(stores() - before, 4 * 3, 4 * 3 * 4 + 20); /* a few each, with the copies */
}

static void test_certificates_after_restart(void **state)
{
    (void)state;
    struct rf_id user = by_user();
    rf_certs_online(un_certs(UALICE), true);
    assert_true(un_wait(certs_stored, NULL, 5));
    size_t before = stores();
    un_usages_stop(UALICE);
    sn_restart(un_node(UALICE));
    un_usages_start(UALICE);
    rf_certs_online(un_certs(UALICE), true);
    assert_true(un_wait(certs_stored, NULL, 5));
    assert_int_equal(stores(), before); /* looked, found, let be */
    assert_int_equal(un_count(&user, RF_KIND_CERTIFICATE_BY_USER), 1);
}

static void test_certificate_renewed(void **state)
{
    (void)state;
    struct rf_id user = by_user();
    struct rf_identity *identity = &un_node(UALICE)->identity, fresh;
    rf_certs_online(un_certs(UALICE), true);
    assert_true(un_wait(certs_stored, NULL, 5));
    assert_int_equal(
        rf_pki_node(&un.net.pki, "alice@example.org", &identity->node_id, RF_KEY_ED25519, &fresh), 0);
    rf_identity_deinit(identity);
    *identity = fresh;
    rf_certs_renewed(un_certs(UALICE));
    assert_false(rf_certs_stored(un_certs(UALICE)));
    assert_true(un_wait(certs_stored, NULL, 5));
    assert_int_equal(un_count(&user, RF_KIND_CERTIFICATE_BY_USER),
                     2); /* old and new, as long as the old one lives */
    days(8);
    assert_int_equal(un_count(&user, RF_KIND_CERTIFICATE_BY_USER), 1);
}

struct got {
    bool done;
    int error;
    size_t count, dropped;
    uint8_t sha[8][RF_SHA256_LEN];
};
static bool got_it(void *arg)
{
    return ((struct got *)arg)->done;
}
static void on_certs(void *arg, const struct rf_certs_result *r)
{
    struct got *got = arg;
    *got = (struct got){.done = true, .error = r->error, .count = r->cert_count, .dropped = r->dropped_count};
    for (size_t i = 0; i < r->cert_count && i < 8; i++)
        memcpy(got->sha[i], r->certs[i]->sha256, RF_SHA256_LEN);
}

static void test_fetch_certificates(void **state)
{
    (void)state;
    struct got got = {.done = false};
    rf_certs_online(un_certs(UALICE), true);
    rf_certs_online(un_certs(UALICE2), true);
    sn_run(&un.net, 5 * RF_US_PER_S);
    assert_int_equal(rf_certs_fetch_user(un_certs(UBOB), rf_view_str("alice@example.org"), on_certs, &got),
                     0);
    assert_true(un_wait(got_it, &got, 10));
    assert_int_equal(got.error, 0);
    assert_int_equal(got.count, 2);
    got.done = false;
    assert_int_equal(rf_certs_fetch_node(un_certs(UBOB), &un_node(UALICE)->identity.node_id, on_certs, &got),
                     0);
    assert_true(un_wait(got_it, &got, 10));
    assert_int_equal(got.count, 1);
    assert_memory_equal(got.sha[0], un_node(UALICE)->identity.cert->sha256, RF_SHA256_LEN);
    got.done = false;
    assert_int_equal(rf_certs_fetch_user(un_certs(UBOB), rf_view_str("nobody@example.org"), on_certs, &got),
                     0);
    assert_true(un_wait(got_it, &got, 10));
    assert_int_equal(got.error, RF_ENOTFOUND);
    got.done = false;
    assert_int_equal(rf_certs_fetch_user(un_certs(UBOB), rf_view_str("alice@example.org"), on_certs, &got),
                     0);
    un_usages_stop(UBOB); /* what is under way is told so */
    assert_true(got.done);
    assert_int_equal(got.error, RF_ECANCELLED);
}

/* ---- registration ---- */

static void test_register(void **state)
{
    (void)state;
    struct rf_id user = by_user();
    rf_sipreg_set(un_sipreg(UALICE), true);
    sn_run(&un.net, 10 * RF_US_PER_S);
    assert_false(registered(NULL)); /* not online yet */
    rf_sipreg_online(un_sipreg(UALICE), true);
    assert_true(un_wait(registered, NULL, 5));
    assert_int_equal(un.registered[UALICE], 1);
    assert_int_equal(un_count(&user, RF_KIND_SIP_REGISTRATION), 1);
    rf_sipreg_online(un_sipreg(UALICE2), true);
    rf_sipreg_set(un_sipreg(UALICE2), true);
    sn_run(&un.net, 5 * RF_US_PER_S);
    assert_int_equal(un_count(&user, RF_KIND_SIP_REGISTRATION), 2);
    /* it never runs out while we are online, at a modest price */
    size_t before = stores();
    for (int hour = 0; hour < 24; hour++) {
        sn_run(&un.net, 3600 * RF_US_PER_S);
        assert_int_equal(un_count(&user, RF_KIND_SIP_REGISTRATION), 2);
        assert_true(registered(NULL));
    }
    assert_in_range(stores() - before, 2 * 24 * 3, 2 * 35 * 3 + 6);
    /* reconnecting costs nothing */
    before = stores();
    for (int i = 0; i < 10; i++) {
        rf_sipreg_online(un_sipreg(UALICE), false);
        sn_run(&un.net, RF_US_PER_S);
        rf_sipreg_online(un_sipreg(UALICE), true);
        sn_run(&un.net, RF_US_PER_S);
    }
    assert_true(stores() - before <= 6); /* unless one was due */
    /* off */
    rf_sipreg_set(un_sipreg(UALICE), false);
    assert_true(un_wait(unregistered, NULL, 5));
    assert_int_equal(un.registered[UALICE], 0);
    assert_int_equal(un_count(&user, RF_KIND_SIP_REGISTRATION), 1);
    rf_sipreg_set(un_sipreg(UALICE), true);
    assert_true(un_wait(registered, NULL, 5));
}

static void test_runs_out_offline(void **state)
{
    (void)state;
    rf_sipreg_online(un_sipreg(UALICE), true);
    rf_sipreg_set(un_sipreg(UALICE), true);
    assert_true(un_wait(registered, NULL, 5));
    un_node(UALICE)->side = 7; /* cut off, without noticing */
    sn_run(&un.net, 3500 * RF_US_PER_S);
    assert_true(registered(NULL)); /* others still find it */
    sn_run(&un.net, 700 * RF_US_PER_S);
    assert_false(registered(NULL));
    size_t before = stores();
    sn_run(&un.net, 3600 * RF_US_PER_S);
    assert_in_range(stores() - before, 10, 5 * 3600 / 150); /* it goes on trying, less and less often */
    un_node(UALICE)->side = 0;
    assert_true(un_wait(registered, NULL, 400));
}

static struct done_remove {
    bool done;
    int error;
} removed;
static void on_removed(void *arg, int error)
{
    (void)arg;
    assert_false(removed.done);
    removed = (struct done_remove){true, error};
}
static bool was_removed(void *arg)
{
    (void)arg;
    return removed.done;
}

static void test_remove(void **state)
{
    (void)state;
    struct rf_id user = by_user();
    rf_sipreg_online(un_sipreg(UALICE), true);
    rf_sipreg_set(un_sipreg(UALICE), true);
    assert_true(un_wait(registered, NULL, 5));
    removed.done = false;
    assert_int_equal(rf_sipreg_remove(un_sipreg(UALICE), on_removed, NULL), 0);
    assert_int_equal(rf_sipreg_remove(un_sipreg(UALICE), on_removed, NULL), RF_EBUSY);
    assert_true(un_wait(was_removed, NULL, 5));
    assert_int_equal(removed.error, 0);
    assert_int_equal(un_count(&user, RF_KIND_SIP_REGISTRATION), 0);
    /* nothing to remove: told all the same */
    removed.done = false;
    assert_int_equal(rf_sipreg_remove(un_sipreg(UALICE), on_removed, NULL), 0);
    assert_true(was_removed(NULL));
    /* while the first Store is under way: it is removed when that ends */
    rf_sipreg_set(un_sipreg(UALICE), true);
    sn_run(&un.net, 505 * RF_US_PER_MS);
    removed.done = false;
    assert_int_equal(rf_sipreg_remove(un_sipreg(UALICE), on_removed, NULL), 0);
    assert_true(un_wait(was_removed, NULL, 20));
    assert_int_equal(un_count(&user, RF_KIND_SIP_REGISTRATION), 0);
    /* not reachable: told so */
    rf_sipreg_set(un_sipreg(UALICE), true);
    assert_true(un_wait(registered, NULL, 5));
    rf_sipreg_online(un_sipreg(UALICE), false);
    removed.done = false;
    assert_int_equal(rf_sipreg_remove(un_sipreg(UALICE), on_removed, NULL), 0);
    assert_true(removed.done);
    assert_int_equal(removed.error, RF_EUNREACHABLE);
}

static void test_route(void **state)
{
    (void)state;
    struct rf_id other = un_node(U80)->identity.node_id;
    struct rf_dest dests[2] = {rf_dest_node(&other), rf_dest_node(&un_node(UALICE)->identity.node_id)};
    struct rf_dest opaque = rf_dest_opaque(rf_view_str("x"));
    rf_sipreg_online(un_sipreg(UALICE), true);
    rf_sipreg_set(un_sipreg(UALICE), true);
    assert_true(un_wait(registered, NULL, 5));
    size_t before = stores();
    assert_int_equal(rf_sipreg_route(un_sipreg(UALICE), dests, 2), 0);
    sn_run(&un.net, RF_US_PER_S);
    assert_true(stores() > before); /* at once */
    before = stores();
    assert_int_equal(rf_sipreg_route(un_sipreg(UALICE), dests, 2), 0); /* the same */
    sn_run(&un.net, 60 * RF_US_PER_S);
    assert_int_equal(stores(), before);
    assert_int_equal(rf_sipreg_route(un_sipreg(UALICE), dests, 9), RF_ELIMIT);
    assert_int_equal(rf_sipreg_route(un_sipreg(UALICE), &opaque, 1), RF_EINVAL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, usage_setup, usage_teardown)

int run_usage_own_tests(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_certificates),
        TEST(test_certificates_after_restart),
        TEST(test_certificate_renewed),
        TEST(test_fetch_certificates),
        TEST(test_register),
        TEST(test_runs_out_offline),
        TEST(test_remove),
        TEST(test_route),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
