/* test_overlay_chord_grow.c - rings that grow: convergence to the ideal ring, lookups, joins that get in each other's way. */
#include "test_overlay_chord.h"

#include <math.h>

#include "support/chord_net.h"
#include "wire/code.h"

#define REST_S 300

static void ring_grown(struct net *net, uint64_t seed, size_t count, uint64_t gap_us)
{
    struct net_config config;
    net_config_default(&config);
    config.seed = seed;
    net_init(net, &config);
    net->watch_us = 5 * NET_S;
    for (size_t i = 0; i < count; i++) {
        size_t node = net_add(net, RF_ROLE_PEER, NULL);
        if (i < 3)
            net_boot(net, node);
        net_start(net, node, i == 0);
        net_run(net, gap_us);
    }
}

static void must_converge(struct net *net, uint64_t limit_us)
{
    assert_true(net_converge(net, limit_us) != UINT64_MAX);
}

/* Every peer finds the peers of random keys; returns the mean number of hops. */
static double lookups(struct net *net, size_t count, unsigned per_peer)
{
    size_t peers[NET_MAX_NODES];
    unsigned hops = 0, most = 0;
    assert_int_equal(net_peers(net, peers), count);
    for (size_t i = 0; i < count; i++)
        for (unsigned k = 0; k < per_peer; k++) {
            struct rf_id key;
            size_t end, right = 0;
            net_random_id(net, &key);
            int n = net_lookup(net, peers[i], &key, &end);
            while (right < count && rf_id_compare(&net->nodes[peers[right]].id, &key) < 0)
                right++;
            assert_true(n >= 0);
            assert_int_equal(end, peers[right % count]);
            hops += (unsigned)n;
            most = (unsigned)n > most ? (unsigned)n : most;
        }
    assert_true(most <= 2 + (unsigned)ceil(log2((double)count)));
    return hops / (double)(count * per_peer);
}

static void sizes(void **state)
{
    static const size_t counts[] = {1, 2, 3, 8, 50, 200};
    (void)state;
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        struct net net;
        size_t links = 0, n = counts[i];
        ring_grown(&net, 100 + i, n, NET_S);
        must_converge(&net, 20 * NET_S);
        struct net_counts grown = net_totals(&net);
        net_run(&net, REST_S * NET_S);
        assert_true(net_ideal(&net, NULL, 0));
        struct net_counts later = net_totals(&net);
        double hops = lookups(&net, n, n > 50 ? 10 : 50);
        assert_true(hops <= 0.75 * log2((double)n) + 0.01);
        for (size_t k = 0; k < n; k++)
            links += net_links_of(&net, k);
        print_message("%zu peers: %.2f hops, %.1f links per node; growing %.0f messages, %.0f kB per node; "
                      "at rest %.2f messages, %.0f bytes per node and second\n",
                      n, hops, (double)links / (double)n, (double)grown.messages / (double)n,
                      (double)grown.bytes / (double)n / 1000,
                      (double)(later.messages - grown.messages) / (double)n / REST_S,
                      (double)(later.bytes - grown.bytes) / (double)n / REST_S);
        assert_true((later.messages - grown.messages) / n < REST_S); /* less than one message a second */
        net_deinit(&net);
    }
}

/* A ring that is a minute old has lost nobody: its tables have their size at once and keep it, and its peers are quiet. */
static void young(void **state)
{
    struct net net;
    struct rf_topology_status_entry entries[64];
    (void)state;
    ring_grown(&net, 9, 50, NET_S / 10);
    must_converge(&net, 20 * NET_S);
    net_run(&net, 5 * NET_S);
    struct net_counts grown = net_totals(&net);
    for (size_t i = 0; i < 50; i++) {
        size_t successors = 0, count = rf_topology_chord.status(net.nodes[i].topology, entries, 64);
        for (size_t k = 0; k < count; k++)
            successors += entries[k].relation == 's';
        assert_in_range(successors, 5, 7); /* log2 of 50, as it is estimated */
    }
    net_run(&net, 60 * NET_S);
    struct net_counts later = net_totals(&net);
    double updates = (double)(later.requests[RF_CODE_UPDATE_REQ] - grown.requests[RF_CODE_UPDATE_REQ]) / 50;
    print_message("%.2f Updates of each peer in the first minute\n", updates);
    assert_true(updates <= 5);
    net_deinit(&net);
}

static void same_seed_same_run(void **state)
{
    struct net_counts first = {0};
    (void)state;
    for (int run = 0; run < 2; run++) {
        struct net net;
        ring_grown(&net, 5, 12, NET_S / 5);
        net_run(&net, 100 * NET_S);
        struct net_counts counts = net_totals(&net);
        if (run == 0)
            first = counts;
        assert_memory_equal(&first, &counts, sizeof counts);
        net_deinit(&net);
    }
}

/* The way into the ring brings a joiner fingers, although it attaches to none for their sake. */
static void fingers_at_the_join(void **state)
{
    size_t with_fingers = 0;
    uint64_t slowest_us = 0;
    (void)state;
    for (uint64_t seed = 1; seed <= 5; seed++) {
        struct net net;
        struct rf_topology_status_entry entries[64];
        size_t fingers = 0;
        ring_grown(&net, seed, 40, NET_S / 2);
        must_converge(&net, 30 * NET_S);
        size_t joiner = net_add(&net, RF_ROLE_PEER, NULL);
        uint64_t from_us = net.now.mono_us;
        net_start(&net, joiner, false);
        while (net.nodes[joiner].state != RF_TOPOLOGY_JOINED && net.now.mono_us - from_us < 10 * NET_S)
            net_run(&net, 5 * NET_MS);
        assert_int_equal(net.nodes[joiner].state, RF_TOPOLOGY_JOINED);
        if (net.now.mono_us - from_us > slowest_us)
            slowest_us = net.now.mono_us - from_us;
        size_t count = rf_topology_chord.status(net.nodes[joiner].topology, entries, 64);
        for (size_t i = 0; i < count; i++) /* without the bootstrap nodes, which a joiner knows anyway */
            fingers += entries[i].relation == 'f' && net_find(&net, &entries[i].node) >= 3;
        with_fingers += fingers > 0;
        net_deinit(&net);
    }
    print_message("%zu of 5 joiners have fingers at once, the slowest joined in %llu ms\n", with_fingers,
                  (unsigned long long)slowest_us / 1000);
    assert_true(with_fingers >= 4);
    assert_true(slowest_us < 3 * NET_S);
}

static void two_at_once(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 15; seed++) {
        struct net net;
        ring_grown(&net, seed, 1, 0);
        for (int i = 0; i < 2; i++)
            net_start(&net, net_add(&net, RF_ROLE_PEER, NULL), false);
        must_converge(&net, 10 * NET_S);
        lookups(&net, 3, 5);
        net_deinit(&net);
    }
}

static void crowd_at_once(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 2; seed++) {
        struct net net;
        ring_grown(&net, seed, 1, 0);
        for (int i = 0; i < 50; i++)
            net_start(&net, net_add(&net, RF_ROLE_PEER, NULL), false);
        must_converge(&net, 60 * NET_S);
        lookups(&net, 51, 5);
        net_deinit(&net);
    }
}

/* Joiners whose Node-IDs lie side by side, some on either side of 0, all between the same two peers. */
static void same_place(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 8; seed++) {
        struct net net;
        struct rf_id id, zero = {.len = 16}, seven = rf_id_add_small(&zero, 7);
        ring_grown(&net, seed, 4, NET_S);
        must_converge(&net, 10 * NET_S);
        id = seed % 2 ? rf_id_sub(&zero, &seven) : net.nodes[1].id;
        for (size_t i = 0; i < 12; i++) {
            id = rf_id_add_small(&id, 1);
            if (!rf_id_is_zero(&id) && !rf_id_is_wildcard(&id))
                net_start(&net, net_add(&net, RF_ROLE_PEER, &id), false);
            net_run(&net, rf_rng_below(&net.rng.rng, 100) * NET_MS);
        }
        must_converge(&net, 60 * NET_S);
        net_deinit(&net);
    }
}

/* The peer that admits a joiner dies, earlier or later during the join. */
static void admitting_peer_dies(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 30; seed += 2) {
        struct net net;
        size_t peers[NET_MAX_NODES];
        ring_grown(&net, seed, 8, NET_S);
        must_converge(&net, 10 * NET_S);
        size_t joiner = net_add(&net, RF_ROLE_PEER, NULL), ap = 0;
        size_t count = net_peers(&net, peers);
        while (ap < count && rf_id_compare(&net.nodes[peers[ap]].id, &net.nodes[joiner].id) < 0)
            ap++;
        net_start(&net, joiner, false);
        net_run(&net, seed * 40 * NET_MS);
        net_crash(&net, peers[ap % count], seed % 3 == 0);
        must_converge(&net, 60 * NET_S);
        net_run(&net, 120 * NET_S); /* by then the dead one is in nobody's reach either */
        lookups(&net, 8, 5);
        net_deinit(&net);
    }
}

/* The joiner gets its place only when its data are there, or after some seconds. */
static void place_after_data(void **state)
{
    static const struct {
        size_t pending;
        uint64_t least_us, most_us;
    } table[] = {{1, 0, 2 * NET_S}, {20, 900 * NET_MS, 3 * NET_S}, {100000, 2500 * NET_MS, 5 * NET_S}};
    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct net net;
        struct net_config config;
        struct rf_id key;
        size_t end;
        net_config_default(&config);
        config.use_handover = true;
        net_init(&net, &config);
        net_boot(&net, net_add(&net, RF_ROLE_PEER, NULL));
        net_start(&net, 0, true);
        net.nodes[0].handover_pending = table[i].pending;
        uint64_t start = net.now.mono_us;
        size_t joiner = net_add(&net, RF_ROLE_PEER, NULL);
        net_start(&net, joiner, false);
        while (net.nodes[joiner].state != RF_TOPOLOGY_JOINED && net.now.mono_us - start < 20 * NET_S) {
            net_run(&net, 10 * NET_MS);
            key = net.nodes[joiner].id;
            int hops = net_lookup(&net, 0, &key, &end); /* never at a third place, never in circles */
            assert_true(hops < 2);
        }
        uint64_t took = net.now.mono_us - start;
        assert_true(took >= table[i].least_us && took <= table[i].most_us);
        assert_true(net.nodes[0].range_changes > 0);
        must_converge(&net, 5 * NET_S);
        net_deinit(&net);
    }
}

static void without_a_bootstrap_node(void **state)
{
    struct net net;
    struct net_config config;
    (void)state;
    net_config_default(&config);
    net_init(&net, &config);
    for (size_t i = 0; i < 5; i++)
        net_start(&net, net_add(&net, RF_ROLE_PEER, NULL), false);
    net_run(&net, 300 * NET_S);
    for (size_t i = 0; i < 5; i++) /* nobody declares itself the ring */
        assert_int_equal(net.nodes[i].state, RF_TOPOLOGY_JOINING);
    size_t first = net_add(&net, RF_ROLE_PEER, NULL);
    net_boot(&net, first);
    net_start(&net, first, true);
    must_converge(&net, 120 * NET_S);
    net_deinit(&net);
}

int test_overlay_chord_grow(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes),
        cmocka_unit_test(young),
        cmocka_unit_test(same_seed_same_run),
        cmocka_unit_test(fingers_at_the_join),
        cmocka_unit_test(two_at_once),
        cmocka_unit_test(crowd_at_once),
        cmocka_unit_test(same_place),
        cmocka_unit_test(admitting_peer_dies),
        cmocka_unit_test(place_after_data),
        cmocka_unit_test(without_a_bootstrap_node),
    };
    return cmocka_run_group_tests_name("overlay_chord_grow", tests, NULL, NULL);
}
