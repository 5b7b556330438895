/* test_node_watch.c - Watch and Event between whole nodes: over links and the ring's routing, to guests, and past the death of a home. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "base/assert.h"
#include "node/internal.h"
#include "overlay/store_internal.h"
#include "support/node_net.h"
#include "usage/chatlog.h"

#define S       RF_US_PER_S
#define SUPERS  5
#define CLIENTS 10

enum { ALICE = SUPERS, NODES = SUPERS + CLIENTS };

static struct node_net net;
static uint8_t id[RF_CONVERSATION_LEN];
static struct rf_id resource;
static const uint8_t nonce[RF_CONVERSATION_NONCE_LEN] = {1, 2, 3};

/* full: three of the supernodes take one client each. */
static void world_init(bool full)
{
    char user[16];
    node_net_init(&net, 5, 2, &rf_engine_plain, NULL, NULL);
    for (size_t i = 0; i < NODES; i++) {
        snprintf(user, sizeof(user), "%c%zu", i < SUPERS ? 's' : 'c', i);
        node_net_add(&net, user, i < SUPERS ? RF_NODE_SUPERNODE : RF_NODE_CLIENT);
        net.nodes[i].max_clients = full && i >= 2 && i < SUPERS ? 1 : 0;
        node_net_start(&net, i);
        assert_true(node_net_until(&net, 120 * S, node_net_all_joined, NULL));
    }
    struct rf_crypto *crypto = net.pki.crypto;
    assert_int_equal(
        rf_conversation_id(crypto, rf_view_of(nonce, sizeof(nonce)), rf_view_str(net.nodes[ALICE].user), id),
        0);
    assert_int_equal(rf_conversation_resource(crypto, id, net.pki.conf->id_len, &resource), 0);
}

static struct rf_store *store_of(size_t i)
{
    return net.nodes[i].node->store;
}

/* ---- storing ---- */

static bool stored, refused;

static void on_stored(void *arg, const struct rf_store_result *result)
{
    (void)arg;
    stored = true;
    refused = result->error != 0;
}

static bool is_stored(struct node_net *n, void *arg)
{
    (void)n, (void)arg;
    return stored;
}

static void store(size_t writer, uint32_t kind, struct rf_view slot, struct rf_view value)
{
    stored = false;
    assert_int_equal(rf_store_client_store(store_of(writer), &net.nodes[writer].node->identity, &resource,
                                           kind, slot, true, value, 86400, on_stored, NULL),
                     0);
    node_net_settle(&net, writer);
    assert_true(node_net_until(&net, 60 * S, is_stored, NULL));
    assert_false(refused);
}

static void append(size_t writer, uint64_t sequence)
{
    uint8_t bytes[32];
    struct rf_buf buf;
    struct rf_entry entry = {sequence, rf_view_str("hello")};
    rf_buf_fixed(&buf, bytes, sizeof(bytes));
    rf_entry_encode(&entry, &buf);
    store(writer, RF_KIND_LOG, rf_view_of("\xff\xff\xff\xff", 4), rf_buf_view(&buf));
}

/* Alice is admin, all other clients are members. */
static void found(void)
{
    uint8_t tags[CLIENTS][RF_ROSTER_TAG_LEN], zeros[RF_ROSTER_HASH_LEN] = {0}, bytes[512];
    struct rf_buf buf;
    for (size_t i = 0; i < CLIENTS; i++)
        assert_int_equal(
            rf_conversation_tag(net.pki.crypto, id, rf_view_str(net.nodes[ALICE + i].user), tags[i]), 0);
    for (size_t i = 1; i < CLIENTS; i++) /* in order */
        for (size_t k = i; k > 1 && memcmp(tags[k - 1], tags[k], RF_ROSTER_TAG_LEN) > 0; k--)
            for (size_t b = 0; b < RF_ROSTER_TAG_LEN; b++) {
                uint8_t swap = tags[k][b];
                tags[k][b] = tags[k - 1][b];
                tags[k - 1][b] = swap;
            }
    struct rf_roster roster = {.nonce = rf_view_of(nonce, sizeof(nonce)),
                               .creator = rf_view_str(net.nodes[ALICE].user),
                               .previous = rf_view_of(zeros, sizeof(zeros)),
                               .admins = rf_view_of(tags[0], RF_ROSTER_TAG_LEN),
                               .members = rf_view_of(tags[1], (CLIENTS - 1) * RF_ROSTER_TAG_LEN)};
    rf_buf_fixed(&buf, bytes, sizeof(bytes));
    rf_roster_encode(&roster, &buf);
    assert_int_equal(rf_buf_error(&buf), 0);
    store(ALICE, RF_KIND_ROSTER, rf_view_of(NULL, 0), rf_buf_view(&buf));
}

/* ---- watching ---- */

static uint32_t known[NODES];

static void on_told(void *arg, const struct rf_watch_told *told)
{
    uint32_t *next = arg;
    assert_int_equal(told->outcome, RF_WATCH_HELD);
    *next = told->next;
}

static bool all_know(struct node_net *n, void *arg)
{
    (void)n;
    for (size_t i = ALICE + 1; i < NODES; i++)
        if (known[i] != *(const uint32_t *)arg)
            return false;
    return true;
}

static void watch_all(void)
{
    memset(known, 0, sizeof(known));
    for (size_t i = ALICE + 1; i < NODES; i++) {
        assert_int_equal(rf_watch_add(store_of(i), &resource, RF_KIND_LOG, 0, 0, on_told, &known[i]), 0);
        node_net_settle(&net, i);
    }
    node_net_run(&net, 5 * S);
}

/* The supernode in charge of the conversation. */
static size_t home(void)
{
    for (size_t i = 0; i < SUPERS; i++) {
        if (net.nodes[i].node != NULL && store_responsible(store_of(i), &resource))
            return i;
    }
    fail_msg("nobody is in charge");
    return 0;
}

static void test_told(void **state)
{
    (void)state;
    world_init(false);
    found();
    watch_all();
    for (uint32_t i = 1; i <= 3; i++) {
        append(ALICE, i);
        uint64_t at_us = net.now.mono_us;
        assert_true(node_net_until(&net, 10 * S, all_know, &i));
        assert_in_range(net.now.mono_us - at_us, 0, 2 * S);
        node_net_run(&net, S);
    }
    /* the home dies; nobody but its replica tells them */
    node_net_kill(&net, home());
    append(ALICE, 4);
    assert_true(node_net_until(&net, 120 * S, all_know, &(uint32_t){4}));
    append(ALICE, 5);
    assert_true(node_net_until(&net, 120 * S, all_know, &(uint32_t){5}));
    node_net_deinit(&net);
}

/* Who is no client of its home is told over the one that it is a guest of. */
static void test_guests(void **state)
{
    size_t guests = 0;
    (void)state;
    world_init(true);
    node_net_run(&net, 60 * S);
    for (size_t i = ALICE + 1; i < NODES; i++) {
        guests += net.nodes[i].node->guest;
        assert_int_equal(store_of(i)->way.count, net.nodes[i].node->guest);
    }
    assert_true(guests > 0);
    found();
    watch_all();
    append(ALICE, 1);
    assert_true(node_net_until(&net, 10 * S, all_know, &(uint32_t){1}));
    node_net_deinit(&net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_told), cmocka_unit_test(test_guests)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
