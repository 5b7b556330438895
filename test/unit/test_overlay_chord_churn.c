/* test_overlay_chord_churn.c - rings that lose nodes: crashes, leaves, silence, partitions, and what survives. */
#include "test_overlay_chord.h"

#include "support/chord_net.h"

static void ring_of(struct net *net, struct net_config *config, size_t count)
{
    net_init(net, config);
    net->watch_us = 10 * NET_S;
    for (size_t i = 0; i < count; i++) {
        size_t node = net_add(net, RF_ROLE_PEER, NULL);
        if (i < 3)
            net_boot(net, node);
        net_start(net, node, i == 0);
        net_run(net, NET_S / 2);
    }
    assert_true(net_converge(net, 60 * NET_S) != UINT64_MAX);
}

static struct net_config seeded(uint64_t seed)
{
    struct net_config config;
    net_config_default(&config);
    config.seed = seed;
    return config;
}

static uint64_t must_converge(struct net *net, uint64_t limit_us)
{
    uint64_t took = net_converge(net, limit_us);
    assert_true(took != UINT64_MAX);
    return took;
}

/* The alive peers from `first` on, `count` of them in ring order, crash at the same moment. */
static void crash_in_order(struct net *net, size_t first, size_t count, bool silent)
{
    size_t peers[NET_MAX_NODES];
    size_t n = net_peers(net, peers);
    for (size_t i = 0; i < count; i++)
        net_crash(net, peers[(first + i) % n], silent);
}

static void two_of_eight(void **state)
{
    uint64_t worst = 0, worst_silent = 0;
    (void)state;
    for (uint64_t seed = 1; seed <= 8; seed++) {
        struct net_config config = seeded(seed);
        struct net net;
        ring_of(&net, &config, 8);
        bool silent = seed % 2 == 0;
        crash_in_order(&net, seed, 1, silent);
        crash_in_order(&net, seed / 2 + 3, 1, silent);
        uint64_t took = must_converge(&net, silent ? 40 * NET_S : 5 * NET_S);
        if (silent)
            worst_silent = took > worst_silent ? took : worst_silent;
        else
            worst = took > worst ? took : worst;
        net_deinit(&net);
    }
    print_message("two of eight lost: whole again after at most %.2f s, when they fall silent %.2f s\n",
                  (double)worst / 1e6, (double)worst_silent / 1e6);
}

static void neighbors_in_a_row(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 3; seed++) {
        struct net_config config = seeded(seed);
        struct net net;
        ring_of(&net, &config, 40);
        crash_in_order(&net, seed * 5, 4 + seed, seed % 2); /* more than anybody's successor list */
        must_converge(&net, 90 * NET_S);
        net_deinit(&net);
    }
}

static void half_of_all(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 2; seed++) {
        struct net_config config = seeded(seed);
        struct net net;
        ring_of(&net, &config, 40);
        for (size_t i = 1; i < 40; i += 2)
            net_crash(&net, i, false);
        uint64_t took = must_converge(&net, 60 * NET_S);
        for (size_t i = 1; i < 40; i += 2) /* and all of them come back at once */
            net_start(&net, i, false);
        uint64_t back = must_converge(&net, 60 * NET_S);
        print_message("20 of 40 lost: whole after %.2f s; all back at once: %.2f s\n", (double)took / 1e6,
                      (double)back / 1e6);
        net_deinit(&net);
    }
}

static void random_life(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 12; seed++) {
        struct net_config config = seeded(seed);
        struct net net;
        config.loss_permille = seed % 3 == 0 ? 20 : 0;
        ring_of(&net, &config, 12);
        struct rf_rng *rng = &net.rng.rng;
        for (int step = 0; step < 40; step++) {
            size_t node =
                1 + rf_rng_below(rng, net.node_count - 1); /* node 0 stays: somebody must be there */
            bool alive = net.nodes[node].alive;
            unsigned what = (unsigned)rf_rng_below(rng, 4);
            if (what == 0)
                net_start(&net, net_add(&net, RF_ROLE_PEER, NULL), false);
            else if (!alive)
                net_start(&net, node, false);
            else if (what == 1 && net.nodes[node].state == RF_TOPOLOGY_JOINED)
                net_leave(&net, node);
            else if (net.nodes[node].state != RF_TOPOLOGY_LEAVING)
                net_crash(&net, node, what == 2);
            net_run(&net, rf_rng_below(rng, 4000) * NET_MS);
        }
        net_run(&net, 4 * NET_S);
        net.exact_rank = 3; /* what 8.2 and replication rest on; the further ones follow */
        must_converge(&net, 45 * NET_S);
        net.exact_rank = SIZE_MAX;
        must_converge(&net, 180 * NET_S);
        net_deinit(&net);
    }
}

static void leaving(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 6; seed++) {
        struct net_config config = seeded(seed);
        struct net net;
        size_t peers[NET_MAX_NODES];
        ring_of(&net, &config, 2 + 2 * (size_t)seed);
        size_t count = net_peers(&net, peers), leaver = peers[seed % count];
        size_t next = peers[(seed + 1) % count];
        struct rf_id key = net.nodes[leaver].id, owner;
        net_leave(&net, leaver);
        net_run(&net, NET_S / 2);
        assert_int_equal(net.nodes[leaver].state, count > 1 ? RF_TOPOLOGY_IDLE : RF_TOPOLOGY_LEAVING);
        assert_false(rf_topology_chord.responsible(net.nodes[leaver].topology, &key));
        assert_true(rf_topology_chord.responsible(net.nodes[next].topology, &key));
        (void)owner;
        assert_true(net.nodes[next].neighbors_lost > 0 && net.nodes[next].range_changes > 0);
        net_run(&net, 4 * NET_S);
        assert_false(net.nodes[leaver].alive);
        must_converge(&net, 5 * NET_S);
        net_deinit(&net);
    }
}

static void everybody_leaves_in_turn(void **state)
{
    struct net_config config = seeded(3);
    struct net net;
    (void)state;
    ring_of(&net, &config, 9);
    for (size_t i = 8; i > 0; i--) {
        net_leave(&net, i);
        net_run(&net, 3500 * NET_MS);
        must_converge(&net, 5 * NET_S);
    }
    net_leave(&net, 0); /* the last one just stops */
    net_run(&net, NET_S);
    assert_int_equal(net.nodes[0].state, RF_TOPOLOGY_IDLE);
    net_deinit(&net);
}

/* All others die at once: the survivor serves on, alone, and is where the others find the ring again. */
static void sole_survivor(void **state)
{
    (void)state;
    for (size_t count = 2; count <= 10; count += 4)
        for (size_t survivor = 0; survivor < 2; survivor++) {
            struct net_config config = seeded(count);
            struct net net;
            ring_of(&net, &config, count);
            for (size_t i = 0; i < count; i++)
                if (i != survivor)
                    net_crash(&net, i, false);
            must_converge(&net, 30 * NET_S); /* a ring of one */
            assert_true(net.nodes[survivor].neighbors_lost > 0);
            for (size_t i = 0; i < count; i++)
                if (i != survivor)
                    net_start(&net, i, false);
            must_converge(&net, 30 * NET_S);
            net_deinit(&net);
        }
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

static uint64_t sum_of(const struct net *net, const char *name)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < net->node_count; i++)
        sum += net->nodes[i].alive ? counter(net, i, name) : 0;
    return sum;
}

/* Apart for ten minutes, as deployed: the halves find each other by the neighbors that they lost, soon after they can, and no dial is
 * made more often than once in 60 s and node meanwhile, after the first few. */
static void halves_dial_each_other(void **state)
{
    uint64_t worst = 0;
    (void)state;
    for (uint64_t seed = 1; seed <= 2; seed++) {
        struct net_config config = seeded(seed);
        struct net net;
        size_t early = 0, late = 0;
        ring_of(&net, &config, 60);
        net.watch_us = 30 * NET_S;
        for (size_t i = 0; i < 60; i++)
            net.nodes[i].group = i < 30; /* all bootstrap nodes on one side */
        net_run(&net, 300 * NET_S);
        for (size_t i = 0; i < 60; i++)
            early += net.nodes[i].redials;
        net_run(&net, 300 * NET_S);
        for (size_t i = 0; i < 60; i++)
            late += net.nodes[i].redials;
        assert_true(early > 60 * 3);
        assert_true(late - early > 60 * 3 && late - early < 60 * 7);
        for (size_t i = 0; i < 60; i++)
            net.nodes[i].group = 0;
        uint64_t took = must_converge(&net, 60 * NET_S);
        worst = took > worst ? took : worst;
        assert_true(sum_of(&net, "redials_answered") > 0);
        net_deinit(&net);
    }
    print_message("two halves of 60, apart for 600 s, are one at most %.1f s after the network healed\n",
                  (double)worst / 1e6);
}

/*
 * Two rings that grew up side by side and know nothing of each other: only the partition check finds the other one. From there it runs
 * around the ring by Updates, and begins anew wherever another check finds something.
 */
static void strangers_merge(void **state)
{
    struct net_config config = seeded(12);
    struct net net;
    (void)state;
    config.no_redial = true;
    net_init(&net, &config);
    for (size_t i = 0; i < 120; i++) {
        size_t node = net_add(&net, RF_ROLE_PEER, NULL);
        net.nodes[node].group = (unsigned)(i % 2);
        if (i < 4)
            net_boot(&net, node);
        net_start(&net, node, i < 2);
        net_run(&net, NET_S / 2);
    }
    net_run(&net, 120 * NET_S);
    uint64_t found = sum_of(&net, "partitions_found");
    for (size_t i = 0; i < 120; i++)
        net.nodes[i].group = 0;
    uint64_t waited = 0;
    while (sum_of(&net, "partitions_found") == found && waited < 300) {
        net_run(&net, NET_S);
        waited++;
    }
    uint64_t took = must_converge(&net, 60 * NET_S);
    assert_true(waited < 300);
    print_message("two rings of 60 that began apart: found after %llu s, one %.1f s later, by %llu checks\n",
                  (unsigned long long)waited, (double)took / 1e6,
                  (unsigned long long)(sum_of(&net, "partitions_found") - found));
    net_deinit(&net);
}

/* One that dies alone is not dialled; neither is who leaves. */
static void single_losses_are_not_dialled(void **state)
{
    struct net_config config = seeded(5);
    struct net net;
    size_t peers[NET_MAX_NODES];
    (void)state;
    ring_of(&net, &config, 24);
    net_peers(&net, peers);
    net_crash(&net, peers[7], false);
    for (size_t i = 12; i < 16; i++)
        net_leave(&net, peers[i]);
    net_run(&net, 300 * NET_S);
    for (size_t i = 0; i < 24; i++)
        assert_int_equal(net.nodes[i].redials, 0);
    must_converge(&net, NET_S);
    net_deinit(&net);
}

/* However large the ring, all its peers together make a few partition checks a minute. */
static void partition_checks_are_few(void **state)
{
    (void)state;
    for (size_t count = 3; count <= 48; count *= 4) {
        struct net_config config = seeded(count);
        struct net net;
        ring_of(&net, &config, count);
        uint64_t before = sum_of(&net, "partition_checks");
        net_run(&net, 1200 * NET_S);
        uint64_t made = sum_of(&net, "partition_checks") - before;
        assert_true(made > 20 && made < 20 * 8); /* about 4 a minute, 3 of 3 peers */
        net_deinit(&net);
    }
}

/* Two halves lose sight of each other, become rings of their own, and are one again when they can be. */
static void partition_and_merge(void **state)
{
    uint64_t worst = 0, worst_claim = 0;
    (void)state;
    for (uint64_t seed = 1; seed <= 3; seed++) {
        struct net_config config = seeded(seed);
        struct net net;
        config.params.update_interval_us = 60 * NET_S; /* also the partition check's */
        ring_of(&net, &config, 24);
        net.watch_us = 20 * NET_S;
        for (size_t i = 0; i < 24; i++)
            net.nodes[i].group =
                (unsigned)(seed % 2 ? i % 2
                                    : i >= 12); /* interleaved, or one group with all bootstrap nodes */
        net_run(&net, 300 * NET_S);
        for (size_t i = 0; i < 24; i++)
            assert_int_equal(net.nodes[i].state, RF_TOPOLOGY_JOINED);
        assert_false(net_ideal(&net, NULL, 0));
        for (size_t i = 0; i < 24; i++)
            net.nodes[i].group = 0;
        uint64_t took = must_converge(&net, 240 * NET_S);
        worst = took > worst ? took : worst;
        worst_claim = net.worst_claim_us > worst_claim ? net.worst_claim_us : worst_claim;
        net_deinit(&net);
    }
    assert_true(worst_claim > 0); /* the watch sees something: for a moment two linked peers claim the same */
    print_message(
        "two rings of 12 are one at most %.1f s after the network healed (checks every 60 s); linked peers "
        "claim the same keys for at most %.2f s\n",
        (double)worst / 1e6, (double)worst_claim / 1e6);
}

/* Two rings that never knew of each other: both were told that they are the first. */
static void two_first_nodes(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 2; seed++) {
        struct net_config config = seeded(seed);
        struct net net;
        config.params.update_interval_us = 60 * NET_S;
        net_init(&net, &config);
        for (size_t i = 0; i < 16; i++) {
            size_t node = net_add(&net, RF_ROLE_PEER, NULL);
            net.nodes[node].group = (unsigned)(i % 2);
            if (i < 4)
                net_boot(&net, node);
            net_start(&net, node, i < 2);
            net_run(&net, NET_S);
        }
        net_run(&net, 30 * NET_S);
        for (size_t i = 0; i < 16; i++)
            net.nodes[i].group = 0;
        must_converge(&net, 240 * NET_S);
        net_deinit(&net);
    }
}

static void cut_links_heal(void **state)
{
    struct net_config config = seeded(9);
    struct net net;
    (void)state;
    ring_of(&net, &config, 12);
    for (size_t a = 0; a < 12; a++)
        for (size_t b = a + 1; b < 12; b++)
            if (net_linked(&net, a, b) && (a + b) % 3 == 0)
                net_cut(&net, a, b);
    must_converge(&net, 20 * NET_S);
    net_deinit(&net);
}

static void periodic_only(void **state)
{
    struct net_config config = seeded(4);
    struct net net;
    (void)state;
    config.params.reactive = false;
    config.params.update_interval_us = 30 * NET_S;
    net_init(&net, &config);
    for (size_t i = 0; i < 16; i++) {
        size_t node = net_add(&net, RF_ROLE_PEER, NULL);
        if (i < 3)
            net_boot(&net, node);
        net_start(&net, node, i == 0);
        net_run(&net, 5 * NET_S);
    }
    must_converge(&net, 180 * NET_S);
    crash_in_order(&net, 2, 3, true);
    must_converge(&net, 240 * NET_S);
    net_deinit(&net);
}

/* Ten peers that have known each other for a minute, in ring order. */
static void quiet_ring(struct net *net, uint64_t seed, size_t peers[NET_MAX_NODES])
{
    struct net_config config = seeded(seed);
    ring_of(net, &config, 10);
    net_run(net, 60 * NET_S);
    net_peers(net, peers);
}

/* After a failed successor the storage waits for the hold-down; a failed predecessor is told at once. */
static void hold_down(void **state)
{
    struct net net;
    size_t peers[NET_MAX_NODES];
    (void)state;
    quiet_ring(&net, 6, peers);
    struct rf_overlay *before = &net.nodes[peers[4]], *after = &net.nodes[peers[6]];
    size_t told_before = before->range_changes, told_after = after->range_changes;
    net_crash(&net, peers[5], false);
    net_run(&net, NET_S);
    assert_true(after->range_changes > told_after);
    assert_int_equal(before->range_changes, told_before);
    net_run(&net, 25 * NET_S);
    assert_int_equal(before->range_changes, told_before);
    net_run(&net, 10 * NET_S);
    assert_true(before->range_changes > told_before);
    net_deinit(&net);
}

/* After a Leave it is told at once: nobody returns from it. */
static void no_hold_down_after_leave(void **state)
{
    struct net net;
    size_t peers[NET_MAX_NODES];
    (void)state;
    quiet_ring(&net, 6, peers);
    struct rf_overlay *before = &net.nodes[peers[4]];
    size_t told = before->range_changes, lost = before->neighbors_lost;
    net_leave(&net, peers[5]);
    net_run(&net, NET_S);
    assert_int_equal(before->neighbors_lost, lost + 1);
    assert_true(before->range_changes > told);
    net_deinit(&net);
}

/* A peer loses power and is back, maybe without its disk, before its home knows that their link is dead: the home's storage hears of it. */
static void back_before_missed(void **state)
{
    struct net net;
    size_t peers[NET_MAX_NODES];
    (void)state;
    quiet_ring(&net, 7, peers);
    struct rf_overlay *home = &net.nodes[peers[4]];
    size_t lost = home->neighbors_lost, told = home->range_changes;
    net_link(&net, peers[5], peers[4]); /* that it is in the ring again already is all that its home sees */
    net_run(&net, NET_S / 2);
    assert_int_equal(home->neighbors_lost, lost + 1);
    assert_true(home->range_changes > told);
    assert_true(net_ideal(&net, NULL, 0));
    net_deinit(&net);
}

/* Links that no table needs are given up; those that others asked for stay. */
static void links_are_released(void **state)
{
    struct net_config config = seeded(8);
    struct net net;
    size_t most = 0;
    (void)state;
    ring_of(&net, &config, 60);
    size_t client = net_add(&net, RF_ROLE_CLIENT, NULL);
    net_start(&net, client, false);
    net_run(&net, 1200 * NET_S);
    for (size_t i = 0; i < 60; i++)
        most = net_links_of(&net, i) > most ? net_links_of(&net, i) : most;
    assert_true(most < 55); /* not everybody with everybody */
    assert_true(net_links_of(&net, client) == 2);
    assert_true(net_ideal(&net, NULL, 0));
    net_deinit(&net);
}

/* ... and so do those that only the other side's tables need, also if all that it was told is that we are in the ring. */
static void needed_links_stay(void **state)
{
    (void)state;
    for (uint64_t seed = 56; seed <= 60; seed++) { /* 58 failed */
        struct net_config config = seeded(seed);
        struct net net;
        ring_of(&net, &config, 11 + seed % 8);
        net_start(&net, net_add(&net, RF_ROLE_PEER, NULL), false);
        must_converge(&net, 20 * NET_S);
        for (int i = 0; i < 12; i++) {
            char why[200] = "";
            net_run(&net, 10 * NET_S);
            if (!net_ideal(&net, why, sizeof(why)))
                fail_msg("seed %u, %d s later: %s", (unsigned)seed, 10 * (i + 1), why);
        }
        net_deinit(&net);
    }
}

int test_overlay_chord_churn(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_of_eight),
        cmocka_unit_test(neighbors_in_a_row),
        cmocka_unit_test(half_of_all),
        cmocka_unit_test(random_life),
        cmocka_unit_test(leaving),
        cmocka_unit_test(everybody_leaves_in_turn),
        cmocka_unit_test(sole_survivor),
        cmocka_unit_test(partition_and_merge),
        cmocka_unit_test(halves_dial_each_other),
        cmocka_unit_test(strangers_merge),
        cmocka_unit_test(single_losses_are_not_dialled),
        cmocka_unit_test(partition_checks_are_few),
        cmocka_unit_test(two_first_nodes),
        cmocka_unit_test(cut_links_heal),
        cmocka_unit_test(periodic_only),
        cmocka_unit_test(hold_down),
        cmocka_unit_test(no_hold_down_after_leave),
        cmocka_unit_test(back_before_missed),
        cmocka_unit_test(links_are_released),
        cmocka_unit_test(needed_links_stay),
    };
    return cmocka_run_group_tests_name("overlay_chord_churn", tests, NULL, NULL);
}
