/* test_node_links.c - a node's links: messages that are too large, certificates below intermediates. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "base/assert.h"
#include "node/internal.h"
#include "support/node_net.h"
#include "wire/method.h"

#define S RF_US_PER_S

static struct node_net net;

/* One supernode, and then others that join it. */
static void start(size_t supernodes, size_t clients)
{
    for (size_t i = 0; i < supernodes + clients; i++) {
        char name[] = {i < supernodes ? 's' : 'c', (char)('0' + i), 0};
        node_net_add(&net, name, i < supernodes ? RF_NODE_SUPERNODE : RF_NODE_CLIENT);
    }
    for (size_t i = 0; i < net.count; i++) {
        node_net_start(&net, i);
        assert_true(node_net_until(&net, 60 * S, node_net_all_joined, NULL));
    }
    node_net_run(&net, 40 * S);
}

/* ---- messages that are too large ---- */

struct seen {
    unsigned errors;
    uint16_t code;
    uint64_t transaction_id;
};

static void see_errors(void *ctx, bool outgoing, const struct rf_addr *remote, const struct rf_addr *local,
                       struct rf_view bytes, uint64_t wall_ms)
{
    struct seen *seen = ctx;
    struct rf_message message;
    struct rf_error_body body;
    (void)remote, (void)local, (void)wall_ms;
    if (outgoing || rf_message_decode(bytes, 16, &message) != 0 || !rf_code_is_error(message.code))
        return;
    assert_int_equal(rf_error_body_decode(message.body, &body), 0);
    seen->errors++;
    seen->code = body.code;
    seen->transaction_id = message.header.transaction_id;
}

/* node 1 sends 6000 bytes that begin like a message of this code */
static void send_large(uint16_t code)
{
    static uint8_t bytes[6000];
    struct rf_dest dest = rf_dest_node(&net.nodes[0].identity.node_id);
    struct rf_node *node = net.nodes[1].node;
    uint8_t dest_bytes[64];
    struct rf_buf dests, message;
    rf_buf_fixed(&dests, dest_bytes, sizeof(dest_bytes));
    rf_dest_encode(&dest, &dests);
    struct rf_header header = {.overlay = node->conf->overlay_hash,
                               .config_sequence = node->conf->sequence,
                               .ttl = 10,
                               .fragment = RF_FRAGMENT_WHOLE,
                               .transaction_id = 4711,
                               .dests = rf_buf_view(&dests)};
    rf_buf_fixed(&message, bytes, sizeof(bytes));
    rf_header_encode(&header, sizeof(bytes) - RF_HEADER_MIN_LEN - dests.len, &message);
    rf_buf_u16(&message, code);
    assert_int_equal(rf_buf_error(&message), 0);
    rf_links_set_max_message(node->links, sizeof(bytes));
    uint64_t link = rf_overlay_link_of(node->overlay, &net.nodes[0].identity.node_id);
    assert_int_equal(rf_links_send(node->links, link, rf_view_of(bytes, sizeof(bytes))), 0);
    node_net_settle(&net, 1);
    node_net_run(&net, S);
}

static void test_too_large(void **state)
{
    (void)state;
    struct seen seen = {0};
    node_net_init(&net, 1, 1, &rf_engine_gnutls, NULL, NULL);
    start(2, 0);
    rf_node_set_tap(net.nodes[1].node, &(struct rf_node_tap){.ctx = &seen, .frame = see_errors});
    send_large(RF_CODE_PING_REQ);
    assert_int_equal(seen.errors, 1);
    assert_int_equal(seen.code, RF_ERROR_MESSAGE_TOO_LARGE);
    assert_true(seen.transaction_id == 4711);
    assert_int_equal(node_net_counter(&net, 0, "link", "message_too_large"), 1);
    assert_true(net.nodes[1].events[RF_NODE_EVENT_LINK_DOWN] >= 1);
    /* a response is nobody's business */
    assert_true(node_net_until(&net, 60 * S, node_net_all_joined, NULL));
    node_net_run(&net, 40 * S);
    send_large(RF_CODE_PING_ANS);
    assert_int_equal(seen.errors, 1);
    assert_int_equal(node_net_counter(&net, 0, "link", "message_too_large"), 2);
    node_net_deinit(&net);
}

/* ---- intermediates ---- */

static void test_intermediates(void **state)
{
    (void)state;
    struct rf_node *alone;
    node_net_init(&net, 2, 1, &rf_engine_gnutls, NULL, NULL);
    assert_int_equal(rf_pki_below(&net.pki), 0);
    assert_int_equal(rf_pki_below(&net.pki), 0);
    start(2, 1);
    for (size_t i = 0; i < 3; i++) {
        assert_true(node_net_joined(&net, i));
        assert_int_equal(net.nodes[i].node->identity.cert->chain_count, 2);
    }
    /* renewed with what it needs, and without */
    struct net_node *n = &net.nodes[1];
    assert_int_equal(rf_node_renew(n->node, rf_buf_view(&n->cert), net.now), 0);
    struct rf_node_config config = {.mem = rf_mem_system(),
                                    .secret = &net.rng.rng,
                                    .jitter = &net.rng.rng,
                                    .crypto = net.pki.crypto,
                                    .engine_ops = &rf_engine_gnutls,
                                    .conf = net.pki.conf,
                                    .cert_der = n->identity.cert->x509.der,
                                    .key_pem = rf_buf_view(&n->key_pem),
                                    .role = RF_NODE_CLIENT};
    assert_int_equal(rf_node_new(&config, net.now, &alone), RF_EUNTRUSTED);
    config.cert_der = rf_view_of(n->cert.p, n->cert.len - 1);
    assert_int_equal(rf_node_new(&config, net.now, &alone), RF_EFORMAT);
    node_net_kill(&net, 0); /* the others must find each other anew */
    node_net_start(&net, 0);
    assert_true(node_net_until(&net, 120 * S, node_net_all_joined, NULL));
    node_net_deinit(&net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_too_large),
        cmocka_unit_test(test_intermediates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
