/* test_node_faults.c - whole nodes when things go wrong: crashes, disks that refuse, partitions, revocation, garbage. */
#include "unit/test_node.h"

#include <stdlib.h>

static size_t index_of(const struct node_net *net, const struct rf_id *id)
{
    for (size_t i = 0; i < net->count; i++)
        if (rf_id_equal(&net->nodes[i].identity.node_id, id))
            return i;
    fail_msg("no such node");
    return 0;
}

/* the supernode whose ID comes next after that of `i` */
static size_t next_on_ring(const struct node_net *net, size_t i)
{
    size_t best = i;
    struct rf_id best_distance = {0};
    for (size_t k = 0; k < net->count; k++) {
        if (k == i || net->nodes[k].node == NULL || net->nodes[k].role != RF_NODE_SUPERNODE)
            continue;
        struct rf_id d = rf_id_sub(&net->nodes[k].identity.node_id, &net->nodes[i].identity.node_id);
        if (best == i || rf_id_compare(&d, &best_distance) < 0) {
            best = k;
            best_distance = d;
        }
    }
    return best;
}

/* The home of a registration and its first replica die in the same moment: the second replica has it. */
void test_two_killed(void **state)
{
    (void)state;
    for (uint64_t seed = 20; seed < 24; seed++) {
        struct node_net net;
        struct rf_id where;
        test_net(&net, seed, 8, &rf_engine_plain);
        size_t alice = test_client(&net, "alice");
        test_client(&net, "bob");
        node_net_run(&net, 40 * S); /* replicas are where they belong */
        assert_int_equal(test_whois(&net, alice, "bob@example.org", &where), 1);
        size_t home = index_of(&net, &where), heir = next_on_ring(&net, home);
        node_net_kill(&net, home);
        node_net_kill(&net, heir);
        uint64_t killed_us = net.now.mono_us;
        int found = 0;
        while (found != 1 && net.now.mono_us < killed_us + 60 * S) {
            found = test_whois(&net, alice, "bob@example.org", &where);
            if (found != 1)
                node_net_run(&net, S);
        }
        assert_int_equal(found, 1);
        assert_true(net.now.mono_us - killed_us < 30 * S);
        assert_true(node_net_until(&net, 60 * S, test_ring_right, NULL));
        node_net_deinit(&net);
    }
}

/* One supernode that is all there is: what it acknowledged is there after kill -9. */
void test_restart_keeps_records(void **state)
{
    (void)state;
    struct node_net net;
    test_net(&net, 30, 1, &rf_engine_plain);
    size_t alice = test_client(&net, "alice");
    node_net_kill(&net, alice); /* she cannot store again */
    node_net_kill(&net, 0);
    node_net_run(&net, 5 * S);
    node_net_start(&net, 0);
    assert_true(node_net_until(&net, 60 * S, node_net_all_joined, NULL));
    assert_int_equal(test_whois(&net, 0, "alice@example.org", NULL), 1);
    node_net_deinit(&net);
}

/* The power fails everywhere at once, and comes back. */
void test_all_restart(void **state)
{
    (void)state;
    for (uint64_t seed = 40; seed < 43; seed++) {
        struct node_net net;
        test_net(&net, seed, 6, &rf_engine_plain);
        size_t alice = test_client(&net, "alice"), bob = test_client(&net, "bob");
        node_net_run(&net, 60 * S);
        for (size_t i = 0; i < net.count; i++)
            node_net_kill(&net, i);
        node_net_run(&net, 10 * S);
        for (size_t i = 0; i < 6; i++)
            node_net_start(&net, i);
        node_net_start(&net, alice);
        (void)bob; /* stays away: what he stored must be there */
        assert_true(node_net_until(&net, 180 * S, node_net_all_joined, NULL));
        assert_true(node_net_until(&net, 300 * S, test_ring_right, NULL));
        assert_int_equal(test_whois(&net, alice, "bob@example.org", NULL), 1);
        node_net_deinit(&net);
    }
}

/* A disk that refuses: the writer is told, nothing is acknowledged, and service resumes when it works again. */
void test_disk_refuses(void **state)
{
    (void)state;
    struct node_net net;
    test_net(&net, 50, 1, &rf_engine_plain);
    net.nodes[0].disk_fails = true;
    size_t alice = node_net_add(&net, "alice", RF_NODE_CLIENT);
    node_net_start(&net, alice);
    rf_node_register(net.nodes[alice].node, true, net.now);
    node_net_settle(&net, alice);
    assert_false(node_net_until(&net, 60 * S, test_registered, &alice));
    assert_true(node_net_joined(&net, alice));
    assert_int_equal(test_whois(&net, 0, "alice@example.org", NULL), RF_ENOTFOUND);
    assert_true(node_net_counter(&net, 0, "store", "persist_failed") > 0);
    net.nodes[0].disk_fails = false;
    assert_true(node_net_until(&net, 700 * S, test_registered, &alice));
    assert_int_equal(test_whois(&net, 0, "alice@example.org", NULL), 1);
    node_net_deinit(&net);
}

/* The network splits in halves for ten minutes and heals: soon one ring again, because lost neighbors are dialled where they were. */
void test_partition(void **state)
{
    (void)state;
    struct node_net net;
    test_net(&net, 60, 8, &rf_engine_plain);
    node_net_partition(&net, true);
    node_net_run(&net, 600 * S);
    node_net_partition(&net, false);
    assert_true(node_net_until(&net, 90 * S, test_ring_right, NULL));
    node_net_deinit(&net);
}

static void revoke(struct rf_conf *draft, void *arg)
{
    draft->bad_nodes = arg;
    draft->bad_node_count = 1;
}

static bool everybody_has(struct node_net *net, void *arg)
{
    for (size_t i = 0; i < net->count; i++)
        if (net->nodes[i].node != NULL && rf_node_conf(net->nodes[i].node)->sequence != *(uint16_t *)arg)
            return false;
    return true;
}

/* A document that revokes one node is given to one supernode: it spreads by ConfigUpdate, and the node is out. */
void test_revoked(void **state)
{
    (void)state;
    struct node_net net;
    struct rf_conf *next;
    uint16_t sequence = 2;
    test_net(&net, 70, 5, &rf_engine_plain);
    size_t alice = test_client(&net, "alice"), mallory = test_client(&net, "mallory");
    struct rf_id bad = net.nodes[mallory].identity.node_id;
    assert_int_equal(rf_pki_document(&net.pki, sequence, revoke, &bad, &next), 0);
    assert_int_equal(rf_node_offer_conf(net.nodes[3].node, next->xml, false, net.now), 0);
    node_net_settle(&net, 3);
    assert_int_equal(rf_node_offer_conf(net.nodes[3].node, next->xml, false, net.now), RF_EEXIST);
    rf_conf_release(next);
    node_net_run(&net, 30 * S);
    assert_int_equal(test_whois(&net, alice, "mallory@example.org", NULL), RF_ENOTFOUND);
    assert_false(node_net_joined(&net, mallory) && net.nodes[mallory].events[RF_NODE_EVENT_REVOKED] == 0);
    node_net_kill(&net, mallory);
    assert_true(node_net_until(&net, 900 * S, everybody_has, &sequence));
    node_net_deinit(&net);
}

void test_graceful_leave(void **state)
{
    (void)state;
    struct node_net net;
    test_net(&net, 80, 5, &rf_engine_plain);
    size_t alice = test_client(&net, "alice"), bob = test_client(&net, "bob");
    node_net_leave(&net, bob);
    node_net_run(&net, 2 * S);
    assert_int_equal(test_whois(&net, alice, "bob@example.org", NULL),
                     RF_ENOTFOUND); /* unregistered, not expired */
    node_net_leave(&net, 2);
    assert_true(node_net_until(&net, 20 * S, test_ring_right, NULL));
    assert_int_equal(test_whois(&net, alice, "alice@example.org", NULL), 1);
    node_net_deinit(&net);
}

/* Strangers' bytes at the door of a running supernode: their own connection goes, others do not notice. */
void test_garbage(void **state)
{
    (void)state;
    struct node_net net;
    test_net(&net, 90, 3, &rf_engine_gnutls);
    size_t alice = test_client(&net, "alice");
    struct rf_addr stranger;
    assert_int_equal(rf_addr_parse("10.9.9.9:5000", 0, &stranger), 0);
    for (unsigned round = 0; round < 60; round++) {
        rf_link_id flow;
        uint8_t bytes[600];
        size_t len = 1 + rf_rng_below(&net.rng.rng, sizeof(bytes));
        rf_rng_fill(&net.rng.rng, bytes, len);
        stranger.port = (uint16_t)(5000 + round);
        if (rf_node_accept(net.nodes[1].node, &stranger, &net.nodes[1].addr, net.now, &flow) != 0)
            continue;
        if (round % 3 == 0) { /* a TLS record header in front, so that the engine reads on */
            bytes[0] = 22;
            bytes[1] = 3;
        }
        rf_node_input(net.nodes[1].node, flow, rf_view_of(bytes, len), net.now);
        node_net_settle(&net, 1);
        rf_node_closed(net.nodes[1].node, flow, RF_ECLOSED, net.now);
        node_net_settle(&net, 1);
        node_net_run(&net, 100000);
    }
    assert_true(node_net_counter(&net, 1, "link", "handshake_failed") > 0);
    assert_true(node_net_all_joined(&net, NULL));
    assert_int_equal(test_whois(&net, alice, "alice@example.org", NULL), 1);
    node_net_deinit(&net);
}
