/* test_overlay_chord_client.c - clients stay attached to the peer in charge of them, whatever happens to it. */
#include "test_overlay_chord.h"

#include "support/chord_net.h"

static void world(struct net *net, uint64_t seed, size_t peers, size_t clients)
{
    struct net_config config;
    net_config_default(&config);
    config.seed = seed;
    net_init(net, &config);
    net->watch_us = 10 * NET_S;
    for (size_t i = 0; i < peers; i++) {
        size_t node = net_add(net, RF_ROLE_PEER, NULL);
        if (i < 3)
            net_boot(net, node);
        net_start(net, node, i == 0);
        net_run(net, NET_S / 2);
    }
    assert_true(net_converge(net, 60 * NET_S) != UINT64_MAX);
    for (size_t i = 0; i < clients; i++)
        net_start(net, net_add(net, RF_ROLE_CLIENT, NULL), false);
}

static uint64_t settle(struct net *net, uint64_t limit_us)
{
    uint64_t start = net->now.mono_us;
    char why[200] = "";
    while (!net_clients_ideal(net, why, sizeof why)) {
        if (net->now.mono_us - start > limit_us) {
            print_message("seed %llu: %s\n", (unsigned long long)net->config.seed, why);
            fail();
        }
        net_run(net, NET_S / 4);
    }
    return net->now.mono_us - start;
}

/* Which peers does the client know as home and reserve? node_count: none. */
static size_t supernode_of(const struct net *net, size_t client, char relation)
{
    struct rf_topology_status_entry entries[4];
    size_t n = rf_topology_chord.status(net->nodes[client].topology, entries, 4);
    for (size_t i = 0; i < n; i++)
        if (entries[i].relation == relation)
            return net_find(net, &entries[i].node);
    return net->node_count;
}

static void attach_and_stay(void **state)
{
    static const size_t peers[] = {1, 2, 3, 12};
    (void)state;
    for (size_t i = 0; i < sizeof peers / sizeof peers[0]; i++) {
        struct net net;
        world(&net, 20 + i, peers[i], 15);
        settle(&net, 10 * NET_S);
        net_run(&net, 300 * NET_S);
        assert_true(net_clients_ideal(&net, NULL, 0));
        assert_true(net_ideal(&net, NULL, 0));
        for (size_t k = peers[i]; k < net.node_count; k++) {
            assert_true(net_links_of(&net, k) <= 2); /* home and reserve, no more */
            assert_int_equal(net.nodes[k].counts.requests[RF_CODE_JOIN_REQ], 0);
            assert_int_equal(net.nodes[k].counts.requests[RF_CODE_UPDATE_REQ], 0);
            assert_true(net.nodes[k].counts.messages < 60);
        }
        net_deinit(&net);
    }
}

static void home_moves(void **state)
{
    uint64_t worst = 0;
    (void)state;
    for (uint64_t seed = 1; seed <= 2; seed++) {
        struct net net;
        world(&net, seed, 4, 30);
        settle(&net, 20 * NET_S);
        for (int i = 0; i < 10; i++) { /* every newcomer takes clients over */
            net_start(&net, net_add(&net, RF_ROLE_PEER, NULL), false);
            assert_true(net_converge(&net, 20 * NET_S) != UINT64_MAX);
            uint64_t took = settle(&net, 15 * NET_S);
            worst = took > worst ? took : worst;
        }
        for (size_t i = 1; i < 4; i++) { /* and gives them back when it leaves */
            net_leave(&net, i);
            net_run(&net, 4 * NET_S);
            assert_true(net_converge(&net, 20 * NET_S) != UINT64_MAX);
            settle(&net, 30 * NET_S);
        }
        net_deinit(&net);
    }
    print_message("clients at their new home at most %.2f s after the ring was right again\n",
                  (double)worst / 1e6);
}

/* The supernode's link breaks: the reserve is home within a second, without an interruption of JOINED. */
static void failover(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 8; seed++) {
        struct net net;
        struct rf_id hop;
        world(&net, seed, 8, 10);
        settle(&net, 20 * NET_S);
        size_t client = 8 + seed % 10, home = supernode_of(&net, client, 'a'),
               reserve = supernode_of(&net, client, 'b');
        assert_true(home < 8 && reserve < 8 && home != reserve);
        uint64_t since = net.nodes[client].state_us;
        net_crash(&net, home, false);
        net_run(&net, NET_S);
        assert_int_equal(net.nodes[client].state, RF_TOPOLOGY_JOINED);
        assert_int_equal(net.nodes[client].state_us, since);
        assert_true(rf_topology_chord.next_hop(net.nodes[client].topology, &net.nodes[home].id, &hop));
        assert_int_equal(net_find(&net, &hop), supernode_of(&net, client, 'a'));
        settle(&net, 20 * NET_S);
        net_deinit(&net);
    }
}

/* A client's other way is its reserve. A peer has as many as it has links, never one that was tried, and its routing is afterwards what it was. */
static void other_ways(void **state)
{
    struct net net;
    struct rf_id tried[3], hop, again;
    (void)state;
    world(&net, 5, 16, 4);
    settle(&net, 20 * NET_S);
    for (size_t client = 16; client < 20; client++) {
        struct rf_topology *t = net.nodes[client].topology;
        const struct rf_id *key = &net.nodes[(client + 3) % 16].id;
        assert_true(rf_topology_chord.next_hop(t, key, &tried[0]));
        assert_true(rf_topology_chord.other_hop(t, key, tried, 1, NULL, &tried[1]));
        assert_int_equal(net_find(&net, &tried[1]), supernode_of(&net, client, 'b'));
        if (rf_topology_chord.other_hop(t, key, tried, 2, NULL,
                                        &hop)) /* the bootstrap node, while it is linked */
            assert_false(rf_id_equal(&hop, &tried[0]) || rf_id_equal(&hop, &tried[1]));
    }
    for (size_t peer = 0; peer < 16; peer++) {
        struct rf_topology *t = net.nodes[peer].topology;
        struct rf_id key = rf_id_add_small(&net.nodes[(peer + 8) % 16].id, 1);
        if (rf_topology_chord.responsible(t, &key)) {
            assert_false(rf_topology_chord.other_hop(t, &key, tried, 0, NULL, &hop));
            continue;
        }
        assert_true(rf_topology_chord.next_hop(t, &key, &tried[0]));
        for (size_t n = 1; n <= 3; n++) {
            assert_true(rf_topology_chord.other_hop(t, &key, tried, n, n == 3 ? &net.rng.rng : NULL, &hop));
            for (size_t i = 0; i < n; i++)
                assert_false(rf_id_equal(&hop, &tried[i]));
            assert_true(net_find(&net, &hop) < 16);
            if (n < 3)
                tried[n] = hop;
        }
        assert_true(rf_topology_chord.next_hop(t, &key, &again));
        assert_true(rf_id_equal(&again, &tried[0]));
    }
    net_deinit(&net);
}

static void silent_supernode(void **state)
{
    struct net net;
    (void)state;
    world(&net, 3, 6, 12);
    settle(&net, 20 * NET_S);
    net_crash(&net, supernode_of(&net, 7, 'a'), true);
    net.exact_rank = 3;
    assert_true(net_converge(&net, 60 * NET_S) != UINT64_MAX);
    settle(&net, 120 * NET_S); /* a client looks after its silent supernode about once a minute */
    net_deinit(&net);
}

/* Clients that were calm for hours ask their homes nothing for half an hour; that home is silent its successor knows, and tells them. */
static void silent_after_hours(void **state)
{
    struct net net;
    (void)state;
    world(&net, 6, 8, 40);
    settle(&net, 20 * NET_S);
    net_run(&net, 4 * 3600 * NET_S);
    net_crash(&net, supernode_of(&net, 9, 'a'), true);
    net.exact_rank = 3;
    settle(&net, 60 * NET_S);
    net_deinit(&net);
}

static uint64_t counter(const struct net *net, size_t node, const char *name)
{
    const struct rf_counter_desc *descs;
    size_t count;
    const void *counters = rf_topology_chord.counters(net->nodes[node].topology, &descs, &count);
    for (size_t i = 0; i < count; i++)
        if (strcmp(descs[i].name, name) == 0)
            return rf_counter_get(counters, &descs[i]);
    fail_msg("no counter %s", name);
    return 0;
}

/* A client that is settled does next to nothing by the clock; a new home makes it look more often again. */
static void calm(void **state)
{
    struct net net;
    uint64_t seen[6 + 12];
    (void)state;
    world(&net, 4, 6, 12);
    settle(&net, 20 * NET_S);
    net_run(&net, 1200 * NET_S);
    for (size_t i = 6; i < net.node_count; i++) {
        assert_in_range(counter(&net, i, "checks"), 3, 6); /* after 1, 3, 7 and 15 minutes, about */
        seen[i] = counter(&net, i, "checks");
    }
    net_run(&net, 3600 * NET_S);
    for (size_t i = 6; i < net.node_count; i++) {
        assert_in_range(counter(&net, i, "checks") - seen[i], 1, 4); /* then every half an hour */
        seen[i] = counter(&net, i, "checks");
    }
    size_t home = supernode_of(&net, 7, 'a');
    net_crash(&net, home, false);
    settle(&net, 60 * NET_S);
    net_run(&net, 120 * NET_S);
    assert_true(counter(&net, 7, "checks") > seen[7]);
    net_deinit(&net);
}

/* All supernodes go at once and come back: nobody storms, everybody is back. */
static void outage(void **state)
{
    struct net net;
    (void)state;
    world(&net, 5, 6, 60);
    settle(&net, 30 * NET_S);
    for (size_t i = 0; i < 6; i++)
        net_crash(&net, i, false);
    struct net_counts before = net_totals(&net);
    net_run(&net, 120 * NET_S);
    for (size_t i = 6; i < net.node_count; i++)
        assert_int_equal(net.nodes[i].state, RF_TOPOLOGY_JOINING);
    struct net_counts after = net_totals(&net);
    assert_true(after.messages - before.messages < 60 * 20);
    for (size_t i = 0; i < 6; i++)
        net_start(&net, i, i == 0);
    assert_true(net_converge(&net, 60 * NET_S) != UINT64_MAX);
    uint64_t took = settle(&net, 90 * NET_S);
    print_message("60 clients back %.1f s after the ring is\n", (double)took / 1e6);
    net_deinit(&net);
}

/* Half of the supernodes are gone in the same moment. */
static void half_outage(void **state)
{
    uint64_t worst = 0;
    (void)state;
    for (uint64_t seed = 1; seed <= 2; seed++) {
        struct net net;
        world(&net, seed, 20, 100);
        settle(&net, 30 * NET_S);
        for (size_t i = 1; i < 20; i += 2)
            net_crash(&net, i, false);
        uint64_t took = settle(&net, 60 * NET_S);
        worst = took > worst ? took : worst;
        net.exact_rank = 3;
        assert_true(net_converge(&net, 30 * NET_S) != UINT64_MAX);
        net_deinit(&net);
    }
    print_message(
        "10 of 20 supernodes lost: all 100 clients at their right home and with a reserve after %.1f s\n",
        (double)worst / 1e6);
}

static void before_there_is_a_ring(void **state)
{
    struct net net;
    struct net_config config;
    (void)state;
    net_config_default(&config);
    net_init(&net, &config);
    net_boot(&net, net_add(&net, RF_ROLE_PEER, NULL));
    for (int i = 0; i < 5; i++)
        net_start(&net, net_add(&net, RF_ROLE_CLIENT, NULL), false);
    net_run(&net, 200 * NET_S);
    for (size_t i = 1; i <= 5; i++)
        assert_int_equal(net.nodes[i].state, RF_TOPOLOGY_JOINING);
    net_start(&net, 0, true);
    settle(&net, 70 * NET_S);
    net_leave(&net, 2); /* a client leaves without a word to the ring */
    net_run(&net, NET_S);
    assert_int_equal(net.nodes[2].state, RF_TOPOLOGY_IDLE);
    net_deinit(&net);
}

int test_overlay_chord_client(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(attach_and_stay),
        cmocka_unit_test(home_moves),
        cmocka_unit_test(failover),
        cmocka_unit_test(other_ways),
        cmocka_unit_test(silent_supernode),
        cmocka_unit_test(silent_after_hours),
        cmocka_unit_test(calm),
        cmocka_unit_test(outage),
        cmocka_unit_test(half_outage),
        cmocka_unit_test(before_there_is_a_ring),
    };
    return cmocka_run_group_tests_name("overlay_chord_client", tests, NULL, NULL);
}
