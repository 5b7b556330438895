/* test_sim_outage.c - what the scenarios of outages measure with: who can be reached, budgets, supernodes that shut down, large ones. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include "sim/world.h"

#define S RF_US_PER_S

static struct rf_sim_scenario scenario;

static struct rf_sim_step *step(enum rf_sim_step_type type, uint64_t at_s, enum rf_sim_group group)
{
    struct rf_sim_step *s = &scenario.steps[scenario.step_count++];
    *s = (struct rf_sim_step){.type = type, .at_us = at_s * S, .group = group};
    return s;
}

/* `supernodes` started within 10 s, then `clients` within 10 s. */
static void begin(size_t supernodes, size_t clients, uint64_t duration_s)
{
    rf_sim_scenario_default(&scenario);
    scenario.supernodes = supernodes;
    scenario.clients = clients;
    scenario.bootstraps = 2;
    scenario.duration_us = duration_s * S;
    scenario.probe_us = scenario.sample_us = 5 * S;
    step(RF_SIM_STEP_START, 0, RF_SIM_SUPERNODES)->over_us = 10 * S;
    step(RF_SIM_STEP_START, 10, RF_SIM_CLIENTS)->over_us = 10 * S;
}

static void kill_at(uint64_t at_s, enum rf_sim_group group, double fraction, double pause_s)
{
    struct rf_sim_step *s = step(RF_SIM_STEP_KILL, at_s, group);
    s->fraction = fraction;
    s->pause.median_s = pause_s;
    s->spare_bootstraps = true;
}

static struct rf_sim *run(size_t shards)
{
    struct rf_sim_config config = {.mem = rf_mem_system(), .seed = 3, .shards = shards, .trace = true};
    struct rf_sim *sim;
    uint64_t until_us;
    assert_int_equal(rf_sim_new(&config, &scenario, &sim), 0);
    while (rf_sim_plan(sim, &until_us))
        for (size_t i = 0; i < rf_sim_shards(sim); i++)
            rf_sim_run_shard(sim, i, until_us);
    rf_sim_finish(sim);
    return sim;
}

static double between(const struct rf_sim *sim, const char *name, uint64_t from_s, uint64_t to_s)
{
    double value = -1;
    assert_int_equal(rf_sim_metric(sim, name, from_s * S, to_s * S, &value), 0);
    return value;
}

static int error_of(const struct rf_sim *sim, const char *name, uint64_t from_s)
{
    double value;
    return rf_sim_metric(sim, name, from_s * S, 0, &value);
}

/* ---- who can be reached ---- */

static void test_reachable(void **state)
{
    (void)state;
    begin(8, 40, 300);
    scenario.probe_us = scenario.sample_us = S;
    kill_at(120, RF_SIM_SUPERNODES, 0.6, 30);
    kill_at(120, RF_SIM_CLIENTS, 0.5, 60);
    struct rf_sim *sim = run(1);
    assert_true(between(sim, "users.reachable:min", 60, 119) == 100);
    assert_true(between(sim, "survivors.reachable:min", 120, 180) < 100);
    assert_true(between(sim, "reachable.heal_s", 120, 0) > 0);
    assert_true(between(sim, "reachable.heal999_s", 120, 0) >= between(sim, "reachable.heal_s", 120, 0));
    assert_true(between(sim, "users.reachable:last", 0, 0) == 100);
    assert_true(between(sim, "outsiders:last", 0, 0) == 0);
    assert_int_equal(error_of(sim, "reachable.heal_s", 130), RF_ESHORT); /* no wave ended after that */
    assert_int_equal(error_of(sim, "reachable.soon", 0), RF_ENOTFOUND);
    rf_sim_free(sim);
}

/* Who is on its way into the ring does not make it wrong; who fell silent and is named still does. */
static void test_ring_while_joining(void **state)
{
    (void)state;
    begin(24, 0, 260);
    scenario.steps[0].count = 8;
    scenario.probe_us = scenario.sample_us = S;
    step(RF_SIM_STEP_START, 60, RF_SIM_SUPERNODES)->over_us = 60 * S;
    struct rf_sim_step *kill = step(RF_SIM_STEP_KILL, 200, RF_SIM_SUPERNODES);
    kill->fraction = 0.3;
    kill->power = true;
    kill->spare_bootstraps = true;
    struct rf_sim *sim = run(1);
    assert_true(between(sim, "supernodes.joined:last", 60, 199) == 24);
    assert_true(between(sim, "ring.wrong:max", 60, 199) == 0);
    assert_true(between(sim, "ring.wrong:max", 200, 260) > 0);
    assert_true(between(sim, "ring.wrong:last", 200, 260) == 0);
    rf_sim_free(sim);
}

/* Cut off, a client cannot be reached, however often it is looked up; and stays outside. */
static void test_unreachable(void **state)
{
    (void)state;
    begin(4, 20, 300);
    step(RF_SIM_STEP_CUT, 60, RF_SIM_CLIENTS)->fraction = 0.5;
    struct rf_sim *sim = run(1);
    assert_true(between(sim, "users.reachable:last", 0, 0) <= 50);
    assert_true(between(sim, "outsiders:last", 0, 0) == 10);
    rf_sim_free(sim);
}

/* Each of two waves counts: the second one's is the longer, since all supernodes are away for 20 s. */
static void test_waves(void **state)
{
    (void)state;
    begin(6, 30, 360);
    kill_at(60, RF_SIM_SUPERNODES, 0.25, 5);
    kill_at(160, RF_SIM_SUPERNODES, 1, 20);
    scenario.steps[scenario.step_count - 1].spare_bootstraps = false;
    struct rf_sim *sim = run(1);
    double first = between(sim, "reachable.heal_s", 60, 159), both = between(sim, "reachable.heal_s", 60, 0);
    assert_true(first < 20 && both >= 20);
    rf_sim_free(sim);
}

/* Two thirds of the clients are guests: only the way in their registration leads to them. */
static void test_calls(void **state)
{
    (void)state;
    begin(6, 60, 180);
    scenario.max_clients = 20;
    struct rf_sim_step *s = step(RF_SIM_STEP_WORK, 60, RF_SIM_ALL);
    s->op = RF_SIM_OP_CALL;
    s->rate = 5;
    struct rf_sim *sim = run(2);
    assert_true(between(sim, "call.ended", 0, 0) > 400);
    assert_true(between(sim, "call.right_share", 0, 0) == 1);
    assert_true(between(sim, "users.reachable:last", 0, 0) == 100);
    assert_true(between(sim, "budget.clients:max", 0, 0) > 90); /* somebody is full, and nobody above it */
    assert_true(between(sim, "supernodes.over_budget:max", 0, 0) == 0);
    rf_sim_free(sim);
}

/* ---- limits ---- */

static void test_shutdown(void **state)
{
    (void)state;
    begin(6, 60, 120);
    scenario.shutdown_links = 12;
    scenario.shutdown_pause_us = 5 * S;
    struct rf_sim *sim = run(1);
    uint64_t hash = rf_sim_trace_hash(sim);
    assert_true(between(sim, "shutdowns:sum", 0, 0) > 2);
    assert_true(between(sim, "supernodes.up:min", 20, 0) >= 2); /* bootstrap nodes stay */
    assert_true(between(sim, "supernodes.up:min", 20, 0) < 6);
    rf_sim_free(sim);
    sim = run(3);
    assert_true(rf_sim_trace_hash(sim) == hash);
    rf_sim_free(sim);
    scenario.shutdown_links = 1000;
    sim = run(1);
    assert_true(between(sim, "shutdowns:sum", 0, 0) == 0);
    rf_sim_free(sim);
    scenario.shutdown_links = 0;
    scenario.shutdown_cpu = 1e-6;
    sim = run(1);
    assert_true(between(sim, "shutdowns:sum", 0, 0) > 2);
    rf_sim_free(sim);
}

static void test_mega(void **state)
{
    (void)state;
    begin(10, 0, 30);
    scenario.mega = 0.2;
    scenario.mega_factor = 20;
    scenario.max_clients = 50;
    struct rf_sim *sim = run(1);
    size_t large = 0;
    for (size_t i = 0; i < 10; i++) {
        struct rf_node_budgets b;
        rf_node_budgets(sim->nodes[i].node, &b);
        assert_int_equal(b.max_clients, sim->nodes[i].mega ? 1000 : 50);
        assert_int_equal(b.handshakes_per_s, sim->nodes[i].mega ? 4000 : 200);
        large += sim->nodes[i].mega;
    }
    assert_int_equal(large, 2);
    rf_sim_free(sim);
}

/* All supernodes away for a minute: who waits for at most 100 ms is back long before those who back off. */
static void test_backoff(void **state)
{
    (void)state;
    double heal_s[2];
    for (int i = 0; i < 2; i++) {
        begin(4, 40, 400);
        scenario.bootstraps = 1;
        scenario.sample_us = scenario.probe_us = S;
        scenario.backoff_us = i == 0 ? 0 : S / 10;
        kill_at(60, RF_SIM_SUPERNODES, 1, 60);
        scenario.steps[scenario.step_count - 1].spare_bootstraps = false;
        step(RF_SIM_STEP_MARK, 120, RF_SIM_ALL);
        struct rf_sim *sim = run(1);
        heal_s[i] = between(sim, "joined.heal_s", 120, 0);
        rf_sim_free(sim);
    }
    assert_true(heal_s[1] + 5 < heal_s[0]);
}

/* ---- the way back to normal ---- */

static void test_settles(void **state)
{
    (void)state;
    begin(6, 30, 300);
    kill_at(150, RF_SIM_CLIENTS, 1, 5);
    step(RF_SIM_STEP_MARK, 150, RF_SIM_ALL);
    struct rf_sim_step *s = step(RF_SIM_STEP_WORK, 30, RF_SIM_ALL);
    s->rate = 1;
    s = step(RF_SIM_STEP_WORK, 150, RF_SIM_ALL);
    s->rate = 10;
    struct rf_sim *sim = run(1);
    assert_true(between(sim, "handshakes:max", 150, 0) > 5);
    assert_true(between(sim, "handshake.bytes:settle_s", 150, 0) > 0);
    assert_int_equal(error_of(sim, "lookup.count:settle_s", 150), RF_ESHORT); /* it goes on */
    rf_sim_free(sim);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reachable),
        cmocka_unit_test(test_unreachable),
        cmocka_unit_test(test_ring_while_joining),
        cmocka_unit_test(test_waves),
        cmocka_unit_test(test_calls),
        cmocka_unit_test(test_shutdown),
        cmocka_unit_test(test_mega),
        cmocka_unit_test(test_backoff),
        cmocka_unit_test(test_settles),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
