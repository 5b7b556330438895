/* test_link_up.c - links come up, carry messages both ways, get their purpose, resume. */
#include "test_link.h"

#include <stdlib.h>
#include <string.h>

static struct world w;

static void test_up(void **state)
{
    struct rf_link_info info;
    rf_link_id id;

    world_init(&w, *state);
    id = world_pair(&w);
    assert_int_equal(w.node[0].up.id, id);
    assert_true(w.node[0].up.outgoing);
    assert_false(w.node[1].up.outgoing);
    assert_true(rf_id_equal(&w.node[0].up.node_id, &w.node[1].identity.node_id));
    assert_true(rf_id_equal(&w.node[1].up.node_id, &w.node[0].identity.node_id));
    assert_int_equal(w.node[1].up.purpose, RF_LINK_OVERLAY);
    assert_int_equal(w.node[1].up.remote.port / 1000, 20);
    assert_int_equal(rf_links_count(w.node[0].links, RF_LINK_UP), 1);
    assert_int_equal(rf_links_count(w.node[1].links, RF_LINK_HANDSHAKE), 0);
    assert_int_equal(rf_links_info(w.node[0].links, id, &info), 0);
    assert_int_equal(info.state, RF_LINK_UP);
    assert_int_equal(info.backlog_len, 0);
    assert_int_equal(info.message_us, 0);
    assert_int_equal(counters(&w.node[0])->connected, 1);
    assert_int_equal(counters(&w.node[0])->handshakes, 1);
    assert_int_equal(counters(&w.node[1])->accepted, 1);
    assert_int_equal(counters(&w.node[1])->handshakes, 1);
    assert_int_equal(counters(&w.node[1])->bytes_in, counters(&w.node[0])->bytes_out);
    world_deinit(&w);
}

/* Two hundred messages of many sizes each way at once: they arrive whole and in order, all are acknowledged. */
static void test_messages(void **state)
{
    static uint8_t message[5000];
    struct rf_buf sent[2];
    struct rf_link_info info;
    rf_link_id id;

    world_init(&w, *state);
    id = world_pair(&w);
    rf_buf_init(&sent[0], rf_mem_system(), (size_t)16 << 20);
    rf_buf_init(&sent[1], rf_mem_system(), (size_t)16 << 20);
    for (int i = 0; i < 200; i++) {
        size_t len = 1 + rf_rng_below(&w.rng.rng, i % 10 ? 300 : sizeof message);
        rf_rng_fill(&w.rng.rng, message, len);
        assert_int_equal(
            rf_links_send(w.node[i % 2].links, i % 2 ? w.node[1].up.id : id, rf_view_of(message, len)), 0);
        rf_buf_put(&sent[i % 2], message, len);
        if (i % 7 == 0)
            world_run(&w);
    }
    world_run(&w);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(w.node[i].messages, 100);
        assert_int_equal(w.node[i].received.len, sent[!i].len);
        assert_true(rf_view_equal(rf_buf_view(&w.node[i].received), rf_buf_view(&sent[!i])));
        assert_int_equal(counters(&w.node[i])->frames_in, 100);
        assert_int_equal(counters(&w.node[i])->frames_out, 100);
        assert_int_equal(counters(&w.node[i])->acks_in, 100);
        assert_int_equal(counters(&w.node[i])->acks_out, 100);
    }
    rf_buf_deinit(&sent[0]);
    rf_buf_deinit(&sent[1]);
    assert_int_equal(rf_links_info(w.node[0].links, id, &info), 0);
    assert_true(info.rtt_us > 0);
    assert_int_equal(info.frames_out, 100);
    assert_int_equal(info.message_us, w.now.mono_us);
    world_deinit(&w);
}

/* An answer given inside host.message leaves together with the acknowledgement. */
static void test_echo(void **state)
{
    rf_link_id id;

    world_init(&w, *state);
    id = world_pair(&w);
    w.node[1].echo = true;
    for (int i = 0; i < 20; i++)
        assert_int_equal(rf_links_send(w.node[0].links, id, rf_view_str("are you there?")), 0);
    world_run(&w);
    assert_int_equal(w.node[0].messages, 20);
    assert_int_equal(counters(&w.node[0])->acks_in, 20);
    assert_int_equal(counters(&w.node[1])->acks_in, 20);
    world_deinit(&w);
}

/* Three addresses: nobody there, somebody else, the right one. */
static void test_dial_in_turn(void **state)
{
    struct rf_addr addrs[3] = {world_addr(3), world_addr(2), world_addr(1)};
    rf_link_id id;

    world_init(&w, *state);
    for (size_t i = 0; i < 3; i++)
        world_node(&w, i, NULL);
    assert_int_equal(
        rf_links_connect(w.node[0].links, addrs, 3, &w.node[1].identity.node_id, RF_LINK_OVERLAY, 0, &id), 0);
    world_run(&w);
    assert_int_equal(w.node[0].ups, 1);
    assert_int_equal(w.node[0].downs, 0);
    assert_int_equal(w.node[0].up.id, id);
    assert_true(rf_addr_equal(&w.node[0].up.remote, &addrs[2]));
    assert_int_equal(counters(&w.node[0])->connect_failed, 1);
    assert_int_equal(counters(&w.node[0])->wrong_node, 1);
    assert_int_equal(rf_links_send(w.node[0].links, id, rf_view_str("hello")), 0);
    world_run(&w);
    assert_view(rf_buf_view(&w.node[1].received), "hello");
    assert_int_equal(
        rf_links_count(w.node[2].links, RF_LINK_UP) + rf_links_count(w.node[2].links, RF_LINK_CLOSING), 0);
    world_deinit(&w);
}

/* An address that swallows everything costs connect_timeout_us, then the next is tried. */
static void test_dial_after_timeout(void **state)
{
    struct rf_addr addrs[2] = {world_addr(2), world_addr(1)};
    rf_link_id id;

    world_init(&w, *state);
    for (size_t i = 0; i < 3; i++)
        world_node(&w, i, NULL);
    w.node[2].deaf = true;
    assert_int_equal(rf_links_connect(w.node[0].links, addrs, 2, NULL, RF_LINK_OVERLAY, 0, &id), 0);
    world_pass(&w, w.config.connect_timeout_us - 1000);
    assert_int_equal(w.node[0].ups, 0);
    assert_int_equal(rf_links_count(w.node[0].links, RF_LINK_CONNECTING), 1);
    world_pass(&w, 1000);
    assert_int_equal(w.node[0].ups, 1);
    assert_true(rf_id_equal(&w.node[0].up.node_id, &w.node[1].identity.node_id));
    world_deinit(&w);
}

/* ---- purpose ---- */

struct purpose_row {
    enum rf_link_purpose wanted; /* of the client */
    uint16_t application;
    enum rf_link_purpose expected[2]; /* what the server expects of that node; 0: nothing */
    enum rf_link_purpose got;
    uint16_t got_application;
};

static const struct purpose_row purpose_rows[] = {
    {RF_LINK_OVERLAY, 0, {0, 0}, RF_LINK_OVERLAY, 0},
    {RF_LINK_OVERLAY, 0, {RF_LINK_OVERLAY, 0}, RF_LINK_OVERLAY, 0},
    {RF_LINK_OVERLAY, 0, {RF_LINK_APP, 0}, RF_LINK_OVERLAY, 0}, /* it said "reload" */
    {RF_LINK_APP, 5060, {RF_LINK_APP, 0}, RF_LINK_APP, 7000},   /* as expected, whatever the client thinks */
    {RF_LINK_APP, 5061, {RF_LINK_OVERLAY, 0}, RF_LINK_APP, 0},  /* it said "sip/2" */
    {RF_LINK_APP, 7000, {RF_LINK_APP, 0}, RF_LINK_APP, 7000},   /* says nothing: as expected */
    {RF_LINK_APP, 7000, {RF_LINK_APP, RF_LINK_OVERLAY}, RF_LINK_OVERLAY, 0},
    {RF_LINK_APP, 7000, {0, 0}, RF_LINK_OVERLAY, 0},
};

static void test_purpose(void **state)
{
    for (size_t i = 0; i < sizeof purpose_rows / sizeof *purpose_rows; i++) {
        const struct purpose_row *row = &purpose_rows[i];
        struct rf_addr addr = world_addr(1);
        rf_link_id id;

        world_init(&w, *state);
        world_node(&w, 0, NULL);
        world_node(&w, 1, NULL);
        for (int k = 0; k < 2; k++)
            if (row->expected[k])
                assert_int_equal(
                    rf_links_expect(w.node[1].links, &w.node[0].identity.node_id, row->expected[k], 7000), 0);
        assert_int_equal(
            rf_links_connect(w.node[0].links, &addr, 1, NULL, row->wanted, row->application, &id), 0);
        world_run(&w);
        assert_int_equal(w.node[0].up.purpose, row->wanted);
        assert_int_equal(w.node[0].up.application, row->application);
        assert_int_equal(w.node[1].up.purpose, row->got);
        assert_int_equal(w.node[1].up.application, row->got_application);
        world_deinit(&w);
    }
}

/* Connections of two applications from the same node at once: each is taken for what it is. */
static void test_two_applications(void **state)
{
    static const uint16_t orders[2][2] = {{5061, 61453}, {61453, 5061}};

    for (size_t i = 0; i < 4; i++) {
        struct rf_addr addr = world_addr(1);
        const uint16_t wanted = orders[i / 2][i % 2];
        rf_link_id id;

        world_init(&w, *state);
        world_node(&w, 0, NULL);
        world_node(&w, 1, NULL);
        for (size_t k = 0; k < 2; k++)
            assert_int_equal(
                rf_links_expect(w.node[1].links, &w.node[0].identity.node_id, RF_LINK_APP, orders[i / 2][k]),
                0);
        assert_int_equal(rf_links_connect(w.node[0].links, &addr, 1, NULL, RF_LINK_APP, wanted, &id), 0);
        world_run(&w);
        assert_int_equal(w.node[1].up.purpose, RF_LINK_APP);
        assert_int_equal(w.node[1].up.application, wanted);
        world_deinit(&w);
    }
}

static void test_expectation_ends(void **state)
{
    struct rf_addr addr = world_addr(1);
    rf_link_id id;

    world_init(&w, *state);
    world_node(&w, 0, NULL);
    world_node(&w, 1, NULL);
    assert_int_equal(rf_links_expect(w.node[1].links, &w.node[0].identity.node_id, RF_LINK_APP, 7000), 0);
    world_pass(&w, w.config.app_expect_us);
    assert_int_equal(rf_links_connect(w.node[0].links, &addr, 1, NULL, RF_LINK_APP, 7000, &id), 0);
    world_run(&w);
    assert_int_equal(w.node[1].up.purpose, RF_LINK_OVERLAY);
    world_deinit(&w);
}

static void test_app_bytes(void **state)
{
    struct rf_addr addr = world_addr(1);
    static uint8_t blob[100000];
    rf_link_id id;

    world_init(&w, *state);
    world_node(&w, 0, NULL);
    world_node(&w, 1, NULL);
    w.node[1].echo = true;
    assert_int_equal(rf_links_connect(w.node[0].links, &addr, 1, NULL, RF_LINK_APP, 5060, &id), 0);
    world_run(&w);
    assert_int_equal(rf_links_send(w.node[0].links, id, rf_view_str("x")),
                     RF_ENOTFOUND); /* no frames on it */
    assert_int_equal(rf_links_app_send(w.node[0].links, id, rf_view_str("INVITE sip:bob")), 0);
    world_run(&w);
    assert_view(rf_buf_view(&w.node[1].received), "INVITE sip:bob");
    assert_view(rf_buf_view(&w.node[0].received), "INVITE sip:bob");
    rf_rng_fill(&w.rng.rng, blob, sizeof blob);
    assert_int_equal(rf_links_app_send(w.node[0].links, id, rf_view_of(blob, sizeof blob)), 0);
    world_run(&w);
    assert_int_equal(w.node[0].received.len, 14 + sizeof blob);
    assert_memory_equal(w.node[0].received.p + 14, blob, sizeof blob);
    assert_int_equal(counters(&w.node[0])->acks_in, 0);
    world_deinit(&w);
}

/* ---- resumption (TLS only) ---- */

static void connect_again(bool resumed)
{
    unsigned ups = w.node[0].ups;
    rf_link_id id = world_connect(&w, 0, 1, NULL);

    world_run(&w);
    assert_int_equal(w.node[0].ups, ups + 1);
    assert_int_equal(w.node[0].up.resumed, resumed);
    assert_int_equal(w.node[1].up.resumed, resumed);
    assert_true(rf_id_equal(&w.node[0].up.node_id, &w.node[1].identity.node_id));
    assert_true(rf_id_equal(&w.node[1].up.node_id, &w.node[0].identity.node_id));
    assert_int_equal(rf_links_send(w.node[0].links, id, rf_view_str("again")), 0);
    rf_links_close(w.node[0].links, id, RF_ECANCELLED);
    world_run(&w);
}

/* Both nodes are certified by an authority below the root: each shows what the other needs to trust it, resumed as well. */
static void test_intermediates(void **state)
{
    for (size_t below = 1; below <= RF_CERT_MAX_CHAIN; below++) {
        world_init(&w, *state);
        for (size_t i = 0; i < below; i++)
            assert_int_equal(rf_pki_below(&w.pki), 0);
        rf_links_close(w.node[0].links, world_pair(&w), RF_ECLOSED);
        world_run(&w);
        world_connect(&w, 0, 1, NULL);
        world_run(&w);
        for (int i = 0; i < 2; i++) {
            struct rf_link_info info;
            assert_int_equal(w.node[i].ups, 2);
            assert_int_equal(rf_links_info(w.node[i].links, w.node[i].up.id, &info), 0);
            assert_int_equal(info.cert->chain_count, below);
        }
        world_deinit(&w);
    }
}

/* The same, but the certificate is shown alone: nobody can trust it. */
static void test_intermediates_missing(void **state)
{
    struct rf_buf pem;
    const struct rf_identity *self = &w.node[0].identity;

    world_init(&w, *state);
    assert_int_equal(rf_pki_below(&w.pki), 0);
    world_node(&w, 0, NULL);
    world_node(&w, 1, NULL);
    rf_buf_init(&pem, rf_mem_system(), 65536);
    assert_int_equal(self->crypto->ops->key_to_pem(self->crypto, self->key, &pem), 0);
    assert_int_equal(rf_links_set_identity(w.node[0].links, &self->cert->x509.der, 1, rf_buf_view(&pem)), 0);
    rf_buf_deinit(&pem);
    world_connect(&w, 0, 1, NULL);
    world_run(&w);
    assert_int_equal(w.node[1].ups, 0);
    assert_int_equal(w.node[1].reason, RF_EUNTRUSTED);
    assert_int_equal(counters(&w.node[1])->cert_refused, 1);
    world_deinit(&w);
}

static void test_resumption(void **state)
{
    struct rf_buf pem;
    const struct rf_identity *self = &w.node[0].identity;

    (void)state;
    world_init(&w, &rf_engine_gnutls);
    world_pair(&w);
    connect_again(true);
    connect_again(true);
    assert_int_equal(counters(&w.node[1])->handshakes_resumed, 2);
    assert_int_equal(w.node[1].messages, 2);
    /* a renewed certificate must be shown */
    rf_buf_init(&pem, rf_mem_system(), 65536);
    assert_int_equal(self->crypto->ops->key_to_pem(self->crypto, self->key, &pem), 0);
    assert_int_equal(rf_links_set_identity(w.node[0].links, &self->cert->x509.der, 1, rf_buf_view(&pem)), 0);
    assert_true(rf_links_set_identity(w.node[0].links, &self->cert->x509.der, 1, rf_view_str("no key")) < 0);
    rf_buf_deinit(&pem);
    connect_again(false);
    connect_again(true);
    /* the server's ticket key does not live for ever */
    world_pass(&w, 25 * 3600 * RF_US_PER_S);
    connect_again(false);
    world_deinit(&w);
}

/* A session does not carry a node past its certificate: refused on resumption, and then the session is forgotten. */
static void test_resumption_is_judged(void **state)
{
    struct rf_trust_config trust = {.overlay = rf_view_str("example.org"), .id_len = 16, .root_count = 1};

    (void)state;
    world_init(&w, &rf_engine_gnutls);
    world_pair(&w);
    connect_again(true);
    trust.roots = &w.pki.ca.der;
    trust.bad_nodes = &w.node[0].identity.node_id;
    trust.bad_node_count = 1;
    assert_int_equal(rf_trust_configure(w.node[1].trust, &trust), 0);
    world_connect(&w, 0, 1, NULL);
    world_run(&w);
    assert_int_equal(counters(&w.node[1])->cert_refused, 1);
    assert_int_equal(w.node[1].reason, RF_EREVOKED);
    assert_int_equal(w.node[0].reason, RF_EREMOTE);
    trust.bad_node_count = 0;
    assert_int_equal(rf_trust_configure(w.node[1].trust, &trust), 0);
    connect_again(false);
    connect_again(true);
    world_deinit(&w);
}

int test_link_up(void)
{
    const struct CMUnitTest tests[] = {
        both_engines(test_up),
        both_engines(test_messages),
        both_engines(test_echo),
        both_engines(test_dial_in_turn),
        both_engines(test_dial_after_timeout),
        both_engines(test_purpose),
        both_engines(test_two_applications),
        both_engines(test_expectation_ends),
        both_engines(test_app_bytes),
        both_engines(test_intermediates),
        both_engines(test_intermediates_missing),
        cmocka_unit_test(test_resumption),
        cmocka_unit_test(test_resumption_is_judged),
    };
    return cmocka_run_group_tests_name("link up", tests, NULL, NULL);
}
