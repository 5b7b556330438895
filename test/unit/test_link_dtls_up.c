/* test_link_dtls_up.c - links of datagrams come up, carry messages both ways and end; who is refused, and why. */
#include "link_net.h"
#include "test_link.h"

#include <stdio.h>
#include <string.h>
#include "base/assert.h"

static struct world w;
static struct net net;

static void assert_down(size_t i, int reason)
{
    assert_int_equal(w.node[i].downs, 1);
    assert_int_equal(w.node[i].reason, reason);
}

/* ---- addressed ---- */

static void test_addressed(void **state)
{
    rf_link_id id;

    net_begin(&net, &w, *state);
    id = net_pair(&net);
    assert_true(w.node[0].up.datagrams && !w.node[0].up.path && w.node[0].up.outgoing);
    assert_true(w.node[1].up.datagrams && !w.node[1].up.outgoing);
    assert_int_equal(w.node[1].up.base, BASE);
    assert_true(rf_id_equal(&w.node[1].up.node_id, &w.node[0].identity.node_id));
    assert_true(w.node[0].up.brief);
    assert_true(w.node[0].up.max_message > 1100 && w.node[0].up.max_message < 1200);
    assert_int_equal(counters(&w.node[1])->cookies_out, 1);
    assert_int_equal(counters(&w.node[1])->accepted, 1);
    assert_int_equal(rf_links_send(w.node[0].links, id, rf_view_str("there")), 0);
    assert_int_equal(rf_links_send(w.node[1].links, w.node[1].up.id, rf_view_str("and back")), 0);
    world_pass(&w, RF_US_PER_S);
    assert_view(rf_buf_view(&w.node[1].received), "there");
    assert_view(rf_buf_view(&w.node[0].received), "and back");
    assert_int_equal(counters(&w.node[0])->acks_in, 1);
    assert_int_equal(counters(&w.node[0])->frames_again, 0);
    rf_links_close(w.node[0].links, id, RF_ECANCELLED);
    world_pass(&w, RF_US_PER_S);
    assert_down(0, RF_ECANCELLED);
    assert_down(1, RF_ECLOSED);
    for (int i = 0; i < 2; i++)
        for (int s = RF_LINK_CONNECTING; s <= RF_LINK_CLOSING; s++)
            assert_int_equal(rf_links_count(w.node[i].links, (enum rf_link_state)s), 0);
    world_deinit(&w);
}

/* Twenty messages that leave together share datagrams, and are all acknowledged. */
static void test_together(void **state)
{
    static const uint8_t message[100] = {1};
    uint8_t bytes[100];

    net_begin(&net, &w, *state);
    rf_link_id id = net_pair(&net);
    size_t before = net.sent;
    for (int i = 0; i < 4; i++) {
        memcpy(bytes, message, sizeof message);
        bytes[1] = (uint8_t)i;
        assert_int_equal(rf_links_send(w.node[0].links, id, rf_view_of(bytes, sizeof bytes)), 0);
    }
    world_pass(&w, RF_US_PER_S);
    assert_int_equal(w.node[1].messages, 4);
    assert_int_equal(counters(&w.node[0])->acks_in, 4);
    assert_int_equal(net.sent - before, 2); /* four records one way, four the other */
    world_deinit(&w);
}

/* The largest message fits, one more byte does not. */
static void test_largest(void **state)
{
    static const uint8_t blob[5000] = {1};

    net_begin(&net, &w, *state);
    rf_link_id id = net_pair(&net);
    size_t most = w.node[0].up.max_message;
    assert_int_equal(rf_links_send(w.node[0].links, id, rf_view_of(blob, most)), 0);
    assert_int_equal(rf_links_send(w.node[0].links, id, rf_view_of(blob, most + 1)), RF_ELIMIT);
    world_pass(&w, RF_US_PER_S);
    assert_int_equal(w.node[1].received.len, most);
    assert_int_equal(net.longest, 1200);
    assert_int_equal(w.node[0].downs, 0);
    world_deinit(&w);
}

/* The first way leads nowhere, the second is by TCP and refused, the third works; all under one number. */
static void test_ways(void **state)
{
    struct rf_link_way ways[] = {{.addr = world_addr(3), .datagrams = true, .base = BASE},
                                 {.addr = world_addr(9)},
                                 {.addr = world_addr(1), .datagrams = true, .base = BASE}};
    rf_link_id id;

    net_begin(&net, &w, *state);
    world_node(&w, 0, NULL);
    world_node(&w, 1, NULL);
    assert_int_equal(rf_links_dial(w.node[0].links, ways, 3, NULL, RF_LINK_OVERLAY, 0, &id), 0);
    world_pass(&w, 4 * RF_US_PER_S);
    assert_int_equal(w.node[0].ups, 0);
    assert_true(counters(&w.node[0])->flights_again >= 2);
    world_pass(&w, 4 * RF_US_PER_S);
    assert_int_equal(w.node[0].ups, 1);
    assert_int_equal(w.node[0].up.id, id);
    assert_int_equal(rf_links_dial(w.node[0].links, ways, 0, NULL, RF_LINK_OVERLAY, 0, &id), RF_EINVAL);
    world_deinit(&w);
}

/* By TCP after datagrams, and an address that has a link already is passed over. */
static void test_ways_back(void **state)
{
    struct rf_link_way ways[] = {{.addr = world_addr(1), .datagrams = true, .base = BASE},
                                 {.addr = world_addr(1)}};
    rf_link_id id;

    net_begin(&net, &w, *state);
    net_pair(&net);
    assert_int_equal(rf_links_dial(w.node[0].links, ways, 2, NULL, RF_LINK_OVERLAY, 0, &id), 0);
    world_pass(&w, RF_US_PER_S);
    assert_int_equal(w.node[0].ups, 2);
    assert_false(w.node[0].up.datagrams);
    assert_int_equal(w.node[0].up.max_message, 5000);
    assert_int_equal(rf_links_dial(w.node[0].links, ways, 1, NULL, RF_LINK_OVERLAY, 0, &id), RF_EUNREACHABLE);
    world_deinit(&w);
}

static void test_nobody_there(void **state)
{
    net_begin(&net, &w, *state);
    world_node(&w, 0, NULL);
    net_dial(&net, 0, 3, NULL, RF_LINK_OVERLAY, 0);
    world_pass(&w, 6 * RF_US_PER_S);
    assert_down(0, RF_ETIMEOUT);
    assert_int_equal(counters(&w.node[0])->handshake_timeout, 1);
    world_deinit(&w);
}

/* ---- paths ---- */

static void test_path(void **state)
{
    rf_link_id id;

    net_begin(&net, &w, *state);
    world_node(&w, 0, NULL);
    world_node(&w, 1, NULL);
    id = net_attach(&net, RF_LINK_OVERLAY, 0, 40000);
    world_pass(&w, RF_US_PER_S);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(w.node[i].ups, 1);
        assert_true(w.node[i].up.datagrams && w.node[i].up.path);
        assert_int_equal(w.node[i].up.purpose, RF_LINK_OVERLAY);
        assert_int_equal(counters(&w.node[i])->cookies_out, 0);
    }
    assert_int_equal(rf_links_send(w.node[0].links, id, rf_view_str("hello")), 0);
    world_pass(&w, RF_US_PER_S);
    assert_view(rf_buf_view(&w.node[1].received), "hello");
    rf_links_closed(w.node[0].links, id, RF_EUNREACHABLE); /* ICE gave it up */
    world_pass(&w, RF_US_PER_S);
    assert_down(0, RF_EUNREACHABLE);
    rf_links_close(w.node[1].links, net.path[0].flow[1], RF_ECANCELLED);
    world_pass(&w, RF_US_PER_S);
    assert_down(1, RF_ECANCELLED);
    world_deinit(&w);
}

/* The Attach said who must be there. */
static void test_path_wrong_node(void **state)
{
    struct rf_id other;

    net_begin(&net, &w, *state);
    for (int i = 0; i < 2; i++)
        world_node(&w, (size_t)i, NULL);
    other = w.node[0].identity.node_id;
    other.b[3] ^= 1;
    for (int liar = 0; liar < 2; liar++) {
        const unsigned wrong = (unsigned)(counters(&w.node[liar])->wrong_node);
        struct net_path *path = &net.path[net.path_count++];
        *path = (struct net_path){.node = {&w.node[0], &w.node[1]}};
        for (int i = 1; i >= 0; i--) {
            const struct rf_link_path way = {.server = i == 1,
                                             .expect = i == liar ? &other : &w.node[!i].identity.node_id,
                                             .purpose = RF_LINK_OVERLAY};
            assert_int_equal(rf_links_attach_path(w.node[i].links, &way, &path->flow[i]), 0);
        }
        world_pass(&w, 12 * RF_US_PER_S);
        assert_int_equal(counters(&w.node[liar])->wrong_node, wrong + 1);
        assert_int_equal(w.node[liar].downs, 1 + (unsigned)(liar == 1));
    }
    assert_int_equal(w.node[0].ups, 0);
    assert_int_equal(w.node[1].ups, 1); /* the server is done first, and was content the first time */
    world_deinit(&w);
}

/* An application's datagrams: one is one, in both directions, larger ones are refused, none is repeated. */
static void test_app(void **state)
{
    rf_link_id id;
    static const uint8_t blob[1300];

    net_begin(&net, &w, *state);
    w.config.app_records = true;
    world_node(&w, 0, NULL);
    world_node(&w, 1, NULL);
    id = net_attach(&net, RF_LINK_APP, 5060, 0);
    world_pass(&w, RF_US_PER_S);
    assert_int_equal(w.node[0].ups, 1);
    assert_int_equal(w.node[1].ups, 1);
    assert_int_equal(w.node[1].up.purpose, RF_LINK_APP);
    assert_int_equal(w.node[1].up.application, 5060);
    size_t before = net.sent;
    for (int i = 0; i < 3; i++)
        assert_int_equal(rf_links_app_send(w.node[0].links, id, rf_view_str("INVITE")), 0);
    assert_int_equal(rf_links_app_send(w.node[0].links, id, rf_view_of(blob, w.node[0].up.max_message)), 0);
    assert_int_equal(rf_links_app_send(w.node[0].links, id, rf_view_of(blob, w.node[0].up.max_message + 1)),
                     RF_ELIMIT);
    assert_int_equal(rf_links_send(w.node[0].links, id, rf_view_str("x")), RF_ENOTFOUND);
    world_pass(&w, RF_US_PER_S);
    assert_int_equal(net.sent - before, 4);
    assert_int_equal(w.node[1].received.len, 18 + w.node[0].up.max_message);
    rf_buf_reset(&w.node[1].received);
    net.loss = 100;
    assert_int_equal(rf_links_app_send(w.node[0].links, id, rf_view_str("lost")), 0);
    world_pass(&w, 30 * RF_US_PER_S);
    net.loss = 0;
    assert_int_equal(rf_links_app_send(w.node[0].links, id, rf_view_str("seen")), 0);
    world_pass(&w, RF_US_PER_S);
    assert_view(rf_buf_view(&w.node[1].received), "seen");
    world_pass(&w, 400 * RF_US_PER_S);
    assert_down(0, RF_ETIMEOUT);
    assert_int_equal(counters(&w.node[0])->closed_idle, 1);
    world_deinit(&w);
}

/* An application's stream: what is sent arrives whole and in order, through loss; nothing arrives for too long: it ends. One end that knows no streams: datagrams. */
static void test_app_stream(void **state)
{
    static uint8_t blob[100000];
    rf_link_id id;
    size_t len = 0;

    net_begin(&net, &w, *state);
    world_node(&w, 0, NULL);
    world_node(&w, 1, NULL);
    for (size_t i = 0; i < sizeof blob; i++)
        blob[i] = (uint8_t)(i * 7 ^ i >> 9);
    id = net_attach(&net, RF_LINK_APP, 5060, 0);
    world_pass(&w, RF_US_PER_S);
    assert_int_equal(w.node[1].up.purpose, RF_LINK_APP);
    net.loss = 20;
    for (size_t at = 0; at < sizeof blob; at += len) {
        len = at % 5000 + 1 < sizeof blob - at ? at % 5000 + 1 : sizeof blob - at;
        assert_int_equal(rf_links_app_send(w.node[0].links, id, rf_view_of(blob + at, len)), 0);
    }
    world_pass(&w, 100 * RF_US_PER_S);
    assert_int_equal(w.node[1].received.len, sizeof blob);
    assert_memory_equal(w.node[1].received.p, blob, sizeof blob);
    net.loss = 100;
    assert_int_equal(rf_links_app_send(w.node[0].links, id, rf_view_str("into the void")), 0);
    world_pass(&w, 100 * RF_US_PER_S);
    assert_down(0, RF_ETIMEOUT);
    assert_int_equal(counters(&w.node[0])->closed_silent, 1);
    world_deinit(&w);
    for (int i = 0; i < 2; i++) {
        net_begin(&net, &w, *state);
        w.config.app_records = i == 0;
        world_node(&w, 0, NULL);
        w.config.app_records = i == 1;
        world_node(&w, 1, NULL);
        id = net_attach(&net, RF_LINK_APP, 5060, 0);
        world_pass(&w, RF_US_PER_S);
        assert_int_equal(rf_links_app_send(w.node[0].links, id, rf_view_of(blob, 5000)), RF_ELIMIT);
        assert_int_equal(rf_links_app_send(w.node[0].links, id, rf_view_str("one")), 0);
        world_pass(&w, RF_US_PER_S);
        assert_view(rf_buf_view(&w.node[1].received), "one");
        world_deinit(&w);
    }
}

/* A SIP client on a path that was attached for RELOAD, and the other way round. */
static void test_path_wrong_purpose(void **state)
{
    net_begin(&net, &w, *state);
    world_node(&w, 0, NULL);
    world_node(&w, 1, NULL);
    for (int k = 0; k < 2; k++) {
        struct net_path *path = &net.path[net.path_count++];
        *path = (struct net_path){.node = {&w.node[0], &w.node[1]}};
        for (int i = 1; i >= 0; i--) {
            const struct rf_link_path way = {.server = i == 1,
                                             .expect = &w.node[!i].identity.node_id,
                                             .purpose = i == k ? RF_LINK_APP : RF_LINK_OVERLAY,
                                             .application = i == k ? 5060 : 0};
            assert_int_equal(rf_links_attach_path(w.node[i].links, &way, &path->flow[i]), 0);
        }
        world_pass(&w, 12 * RF_US_PER_S);
        assert_int_equal(w.node[1].ups, 0);
        assert_int_equal(w.node[1].reason, RF_EMISMATCH);
    }
    world_deinit(&w);
}

/* ---- who is refused ---- */

static void test_wrong_node(void **state)
{
    net_begin(&net, &w, *state);
    for (size_t i = 0; i < 2; i++)
        world_node(&w, i, NULL);
    net_dial(&net, 0, 1, &w.node[0].identity.node_id, RF_LINK_OVERLAY, 0);
    world_pass(&w, RF_US_PER_S);
    assert_down(0, RF_EMISMATCH);
    assert_int_equal(counters(&w.node[0])->wrong_node, 1);
    assert_int_equal(w.node[1].downs, w.node[1].ups);
    world_deinit(&w);
}

static void test_expired(void **state)
{
    net_begin(&net, &w, *state);
    for (size_t i = 0; i < 2; i++)
        world_node(&w, i, NULL);
    w.now.wall_ms += UINT64_C(400) * 86400 * 1000;
    net_dial(&net, 0, 1, NULL, RF_LINK_OVERLAY, 0);
    world_pass(&w, RF_US_PER_S);
    assert_down(1, RF_EEXPIRED);
    assert_down(0, RF_EREMOTE); /* it was told */
    assert_int_equal(w.node[0].ups + w.node[1].ups, 0);
    assert_int_equal(counters(&w.node[1])->cert_refused, 1);
    world_deinit(&w);
}

static void test_untrusted(void **state)
{
    struct rf_pki other;

    net_begin(&net, &w, *state);
    assert_int_equal(rf_pki_init(&other, &(struct rf_pki_config){.overlay = "example.org"}), 0);
    world_node(&w, 0, &other);
    world_node(&w, 1, NULL);
    net_dial(&net, 0, 1, NULL, RF_LINK_OVERLAY, 0);
    world_pass(&w, 12 * RF_US_PER_S);
    assert_int_equal(w.node[0].ups + w.node[1].ups, 0);
    assert_int_equal(counters(&w.node[1])->cert_refused, 1);
    assert_down(0, RF_EREMOTE);
    world_deinit(&w);
    rf_pki_deinit(&other);
}

static void test_self(void **state)
{
    net_begin(&net, &w, *state);
    world_node(&w, 0, NULL);
    net_dial(&net, 0, 0, NULL, RF_LINK_OVERLAY, 0);
    world_pass(&w, 12 * RF_US_PER_S);
    assert_int_equal(w.node[0].ups, 0);
    assert_true(w.node[0].downs >= 1);
    world_deinit(&w);
}

/* The next link between the two costs less. */
static void test_resumed(void **state)
{
    net_begin(&net, &w, *state);
    rf_link_id id = net_pair(&net);
    const bool can = *state == &rf_engine_gnutls_dtls;
    rf_links_close(w.node[0].links, id, RF_ECANCELLED);
    world_pass(&w, RF_US_PER_S);
    net_dial(&net, 0, 1, NULL, RF_LINK_OVERLAY, 0);
    world_pass(&w, RF_US_PER_S);
    assert_int_equal(w.node[0].ups, 2);
    assert_int_equal(w.node[1].up.resumed, can);
    assert_int_equal(counters(&w.node[1])->handshakes_resumed, can);
    /* and it is judged again */
    rf_links_close(w.node[0].links, w.node[0].up.id, RF_ECANCELLED);
    world_pass(&w, RF_US_PER_S);
    w.now.wall_ms += UINT64_C(400) * 86400 * 1000;
    net_dial(&net, 0, 1, NULL, RF_LINK_OVERLAY, 0);
    world_pass(&w, RF_US_PER_S);
    assert_int_equal(w.node[0].ups, 2);
    assert_true(w.node[0].reason == RF_EEXPIRED || w.node[1].reason == RF_EEXPIRED);
    world_deinit(&w);
}

/* Who renewed his certificate shows the new one. */
static void test_renewed(void **state)
{
    struct rf_buf pem;
    const struct rf_identity *self = &w.node[0].identity;

    net_begin(&net, &w, *state);
    net_pair(&net);
    rf_buf_init(&pem, rf_mem_system(), 65536);
    assert_int_equal(self->crypto->ops->key_to_pem(self->crypto, self->key, &pem), 0);
    assert_int_equal(rf_links_set_identity(w.node[0].links, &self->cert->x509.der, 1, rf_buf_view(&pem)), 0);
    rf_buf_deinit(&pem);
    struct rf_link_info info;
    assert_int_equal(rf_links_info(w.node[0].links, w.node[0].up.id, &info), 0);
    assert_true(info.renewed);
    for (int i = 0; i < 2; i++) {
        rf_links_close(w.node[0].links, w.node[0].up.id, RF_ECANCELLED);
        world_pass(&w, RF_US_PER_S);
        net_dial(&net, 0, 1, NULL, RF_LINK_OVERLAY, 0);
        world_pass(&w, RF_US_PER_S);
        assert_int_equal(w.node[1].ups, (unsigned)i + 2);
        assert_int_equal(w.node[1].up.resumed, i == 1 && *state == &rf_engine_gnutls_dtls);
    }
    world_deinit(&w);
}

/* Chains that take several datagrams, some of which are lost. */
static void test_intermediates(void **state)
{
    (void)state;
    for (size_t below = 1; below <= 3; below++) {
        world_init(&w, &rf_engine_plain);
        net_init(&net, &w, &rf_engine_gnutls_dtls);
        net.delay_us = 20000;
        net.loss = 10 * (unsigned)below;
        w.config.mtu = 512;
        for (size_t i = 0; i < below; i++)
            assert_int_equal(rf_pki_below(&w.pki), 0);
        world_node(&w, 0, NULL);
        world_node(&w, 1, NULL);
        net_attach(&net, RF_LINK_OVERLAY, 0, 40000);
        world_pass(&w, 10 * RF_US_PER_S);
        for (int i = 0; i < 2; i++) {
            struct rf_link_info info;
            assert_int_equal(w.node[i].ups, 1);
            assert_int_equal(rf_links_info(w.node[i].links, w.node[i].up.id, &info), 0);
            assert_int_equal(info.cert->chain_count, below);
        }
        assert_true(net.longest <= 512);
        world_deinit(&w);
    }
}

/* Neither a path nor an address without an engine for datagrams; no more links than may be. */
static void test_not_begun(void **state)
{
    const struct rf_link_way way = {.addr = world_addr(1), .datagrams = true, .base = BASE};
    struct rf_link_path path = {.purpose = RF_LINK_OVERLAY};
    struct rf_addr from = world_addr(1);
    rf_link_id id;

    net_begin(&net, &w, *state);
    w.datagram_engine = NULL;
    world_node(&w, 0, NULL);
    path.expect = &w.node[0].identity.node_id;
    assert_int_equal(rf_links_attach_path(w.node[0].links, &path, &id), RF_EUNSUPPORTED);
    assert_int_equal(rf_links_dial(w.node[0].links, &way, 1, NULL, RF_LINK_OVERLAY, 0, &id), RF_EUNREACHABLE);
    rf_links_datagram_from(w.node[0].links, BASE, &from, rf_view_str("\x16what is this?"));
    rf_links_datagram(w.node[0].links, 77, rf_view_str("\x16what is this?"));
    assert_int_equal(counters(&w.node[0])->datagrams_in, 0);
    w.datagram_engine = *state;
    w.config.max_links = 1;
    world_node(&w, 1, NULL);
    path.server = true;
    assert_int_equal(rf_links_attach_path(w.node[1].links, &path, &id), 0);
    assert_int_equal(rf_links_attach_path(w.node[1].links, &path, &id), RF_ELIMIT);
    assert_int_equal(rf_links_dial(w.node[1].links, &way, 1, NULL, RF_LINK_OVERLAY, 0, &id), RF_ELIMIT);
    world_pass(&w, 11 * RF_US_PER_S); /* nobody comes over the path */
    assert_down(1, RF_ETIMEOUT);
    assert_int_equal(rf_links_count(w.node[1].links, RF_LINK_HANDSHAKE), 0);
    world_deinit(&w);
}

/* Of a path as well, whose peer is known by his Node-ID. */
static void test_path_resumed(void **state)
{
    net_begin(&net, &w, *state);
    world_node(&w, 0, NULL);
    world_node(&w, 1, NULL);
    for (int i = 0; i < 2; i++) {
        rf_link_id id = net_attach(&net, RF_LINK_OVERLAY, 0, 40000);
        world_pass(&w, RF_US_PER_S);
        assert_int_equal(w.node[0].ups, (unsigned)i + 1);
        assert_int_equal(w.node[0].up.resumed, i == 1 && *state == &rf_engine_gnutls_dtls);
        rf_links_close(w.node[0].links, id, RF_ECANCELLED);
        world_pass(&w, RF_US_PER_S);
    }
    world_deinit(&w);
}

int test_link_dtls_up(void)
{
    const struct CMUnitTest tests[] = {
        both_datagram_engines(test_addressed),
        both_datagram_engines(test_together),
        both_datagram_engines(test_largest),
        both_datagram_engines(test_ways),
        both_datagram_engines(test_ways_back),
        both_datagram_engines(test_nobody_there),
        both_datagram_engines(test_path),
        both_datagram_engines(test_path_wrong_node),
        both_datagram_engines(test_app),
        both_datagram_engines(test_app_stream),
        both_datagram_engines(test_path_wrong_purpose),
        both_datagram_engines(test_wrong_node),
        both_datagram_engines(test_expired),
        both_datagram_engines(test_untrusted),
        both_datagram_engines(test_self),
        both_datagram_engines(test_resumed),
        both_datagram_engines(test_renewed),
        cmocka_unit_test(test_intermediates),
        both_datagram_engines(test_not_begun),
        both_datagram_engines(test_path_resumed),
    };
    return cmocka_run_group_tests_name("datagram links: up", tests, NULL, NULL);
}
