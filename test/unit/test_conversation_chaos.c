/*
 * test_conversation_chaos.c - members write while peers die and come back, the net splits and heals, messages get lost, and members come and go; one seed decides
 * everything. Then everything heals, and it must hold:
 *
 *   - every acknowledged entry stands in the log exactly once; home and both replicas have the very same
 *   - who watches knows of the last entry, and no peer but home and replicas holds leases
 *   - nothing moves any more but renewals
 */
#include "test_conversation.h"

#define ENTRIES_MAX 400

static struct rf_rng_seeded rng;
static struct cv_heard heard[ENTRIES_MAX];
static size_t entry_count;
static uint32_t known_next[CV_NODES];

static uint64_t dice(uint64_t sides)
{
    return rf_rng_below(&rng.rng, sides);
}

static void on_told(void *arg, const struct rf_watch_told *told)
{
    size_t number = (size_t)((uint32_t *)arg - known_next);
    if (told->outcome != RF_WATCH_HELD)
        return;
    known_next[number] = told->next;
    rf_watch_known(cv_node(number)->store, &told->resource, told->kind, told->generation, told->next);
}

static unsigned loss_percent;
static bool lose(void *arg, struct sn_node *from, struct sn_node *to, uint16_t code)
{
    (void)arg, (void)from, (void)to, (void)code;
    return dice(100) < loss_percent;
}

static size_t alive(void)
{
    size_t count = 0;
    for (size_t i = 0; i < PEERS; i++)
        count += cv_node(i)->alive;
    return count;
}

static void set_sides(bool whole)
{
    for (size_t i = 0; i < net.count; i++)
        cv_node(i)->side = whole ? 0 : (int)dice(2);
    sn_ring_changed(&net, NULL, NULL);
}

static void random_fault(void)
{
    size_t at = dice(PEERS);
    switch (dice(6)) {
    case 0:
    case 1:
        if (cv_node(at)->alive && alive() > 3) {
            sn_kill(cv_node(at));
            sn_ring_changed(&net, NULL, cv_node(at));
        }
        break;
    case 2:
    case 3:
        if (!cv_node(at)->alive) {
            cv_restart(at);
            sn_ring_changed(&net, cv_node(at), NULL);
        }
        break;
    default:
        set_sides(dice(2) != 0);
    }
}

static void entry_by(size_t writer)
{
    char text[32];
    assert_true(entry_count < ENTRIES_MAX);
    snprintf(text, sizeof(text), "<%zu>", entry_count);
    cv_start(writer, entry_count + 1, text, &heard[entry_count]);
    entry_count++;
}

static void check(void)
{
    char text[32];
    size_t home = cv_home(), acked = 0, holders = 0, next = 0;
    const char *log = cv_log(home);
    for (size_t i = 0; i < entry_count; i++) {
        assert_true(heard[i].done);
        snprintf(text, sizeof(text), "<%zu>", i);
        acked += heard[i].error == 0;
        size_t count = cv_count(log, text);
        if (count > 1 || (heard[i].error == 0 && count == 0))
            fail_msg("%s is there %zu times: %s", text, count, log);
    }
    assert_true(acked > entry_count / 5);
    for (size_t i = 0; i < PEERS; i++) {
        const char *there = cv_log(i);
        holders += there[0] != '\0';
        if (there[0] != '\0' && strcmp(there, log) != 0)
            fail_msg("peer %zu has \"%s\"\nthe home \"%s\"", i, there, log);
    }
    assert_int_equal(holders, 3);
    const struct store_set *set =
        store_index_set(&cv_node(home)->store->index, rf_id_view(&cv.resource), RF_KIND_LOG);
    next = store_set_end(set);
    for (size_t i = ALICE; i <= CAROL; i++)
        if (known_next[i] != next)
            fail_msg("node %zu knows of %u entries of %zu", i, known_next[i], next);
}

static void run_seed(uint64_t seed)
{
    conversation_setup_with(NULL, 0, NULL);
    rf_rng_seeded_init(&rng, seed);
    entry_count = 0;
    memset(known_next, 0, sizeof(known_next));
    assert_int_equal(cv_change(ALICE, CV_LIST(ALICE), CV_LIST(BOB, CAROL)), 0);
    for (size_t i = ALICE; i <= MALLORY; i++) {
        assert_int_equal(
            rf_watch_add(cv_node(i)->store, &cv.resource, RF_KIND_LOG, 0, 0, on_told, &known_next[i]), 0);
        rf_watch_online(cv_node(i)->store, true);
    }
    net.lose = lose;
    for (int round = 0; round < 120; round++) {
        loss_percent = round % 30 < 20 ? 3 : 25;
        entry_by(ALICE + dice(MALLORY - ALICE + 1));
        if (dice(4) == 0)
            random_fault();
        sn_run(&net, rf_rng_between(&rng.rng, 10000, 8 * RF_US_PER_S));
    }
    loss_percent = 0;
    for (size_t i = 0; i < PEERS; i++)
        if (!cv_node(i)->alive)
            cv_restart(i);
    set_sides(true);
    sn_run(&net, 400 * RF_US_PER_S);
    entry_by(ALICE);
    sn_run(&net, 2600 * RF_US_PER_S); /* who was out of reach for long is told again after half an hour */
    check();
    size_t sent = net.sent[RF_CODE_STORE_REQ] + net.sent[RF_CODE_FETCH_REQ];
    sn_run(&net, 600 * RF_US_PER_S);
    assert_int_equal(net.sent[RF_CODE_STORE_REQ] + net.sent[RF_CODE_FETCH_REQ], sent);
    assert_int_equal(known_next[MALLORY], 0);
    sn_deinit(&net);
}

static void test_seeds(void **state)
{
    /* 48: the home died before it had given its leases to anybody; 195: a peer lost another neighbor while it asked for what it should have */
    static const uint64_t seeds[] = {1, 48, 195};
    const char *one = getenv("CONVERSATION_CHAOS_SEED"); /* to look at others */
    (void)state;
    for (size_t i = 0; i < (one != NULL ? 1 : RF_COUNT(seeds)); i++) {
        uint64_t seed = one != NULL ? strtoull(one, NULL, 10) : seeds[i];
        print_message("seed %llu\n", (unsigned long long)seed);
        run_seed(seed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_seeds)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
