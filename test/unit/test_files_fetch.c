/* test_files_fetch.c - fetching: from one, from many, from those who lie, are slow or vanish; going on after a stop; disks that fail. */
#include <string.h>
#include "test_files.h"

#define MINUTE (60 * RF_US_PER_S)
#define BITS   14
#define CHUNK  ((uint64_t)1 << BITS)

static const struct rf_files_counters *counters(size_t node)
{
    return rf_files_counters(net.nodes[node].files);
}

static void test_one_source(void **state)
{
    static const uint64_t sizes[] = {1, CHUNK, CHUNK + 1, 50 * CHUNK - 3};
    (void)state;
    for (size_t i = 0; i < RF_COUNT(sizes); i++) {
        if (i > 0) {
            net_tear_down(NULL);
            net_set_up(NULL);
        }
        struct net_file *f = net_make(0, sizes[i], BITS), *g = net_fetch(1, f);
        net_source(1, g, 0);
        assert_true(net_run(MINUTE, net_fetched, &net.nodes[1]));
        assert_true(net_same(f, g));
        struct rf_files_info info = net_info(1, g);
        assert_true(info.whole && !info.fetching && info.bytes == sizes[i]);
        assert_int_equal(counters(1)->bytes_in, sizes[i]);
        assert_int_equal(counters(1)->chunks_twice, 0);
        assert_int_equal(rf_files_fetch(net.nodes[1].files, g->id, net.now), RF_EEXIST);
        assert_int_equal(net.nodes[1].no_source, 0);
    }
}

/* The connection is left alone for a while, then closed. */
static void test_connection_ends(void **state)
{
    (void)state;
    struct net_file *f = net_make(0, 3 * CHUNK, BITS), *g = net_fetch(1, f);
    net_source(1, g, 0);
    assert_true(net_run(MINUTE, net_fetched, &net.nodes[1]));
    (void)net_run(RF_US_PER_S, NULL, NULL);
    assert_true(net.conns[0].open);
    (void)net_run(30 * RF_US_PER_S, NULL, NULL);
    assert_false(net.conns[0].open);
}

static void test_many_sources(void **state)
{
    (void)state;
    struct net_file *f = net_make(0, 200 * CHUNK, BITS);
    net_give(2, f, NULL);
    net_give(3, f, NULL);
    for (size_t i = 0; i < 4; i++)
        net.nodes[i].rate = 8000; /* 8 MB/s */
    struct net_file *g = net_fetch(1, f);
    net_source(1, g, 0);
    net_source(1, g, 2);
    net_source(1, g, 3);
    uint64_t before = net.now.mono_us;
    assert_true(net_run(MINUTE, net_fetched, &net.nodes[1]));
    assert_true(net_same(f, g));
    uint64_t took = net.now.mono_us - before, alone = 200 * CHUNK / 8; /* us at 8 bytes/us */
    assert_true(took < alone * 3 / 5);
    assert_true(counters(0)->chunks_out > 30 && counters(2)->chunks_out > 30 && counters(3)->chunks_out > 30);
    assert_true(net.nodes[1].progress > 0);
}

/* Who lies is found with the first chunk, and all comes from the others. */
static void test_liars(void **state)
{
    static const enum net_vice vices[] = {NET_FLIPS, NET_PROOFS, NET_SWAPS};
    (void)state;
    for (size_t i = 0; i < RF_COUNT(vices); i++) {
        if (i > 0) {
            net_tear_down(NULL);
            net_set_up(NULL);
        }
        struct net_file *f = net_make(0, 60 * CHUNK, BITS);
        net_give(2, f, NULL);
        net.nodes[2].vice = vices[i];
        net.nodes[0].rate = 4000;
        struct net_file *g = net_fetch(1, f);
        net_source(1, g, 2);
        net_source(1, g, 0);
        assert_true(net_run(MINUTE, net_fetched, &net.nodes[1]));
        assert_true(net_same(f, g));
        assert_int_equal(net.nodes[1].bad, 1);
        assert_true(rf_id_equal(&net.nodes[1].bad_node, &net.nodes[2].id));
        assert_true(counters(1)->chunks_wrong >= 1 && counters(1)->chunks_wrong <= 8);
    }
}

/* Nobody but a liar: the fetch does not end, and says so; an honest one who comes later ends it. */
static void test_only_a_liar(void **state)
{
    (void)state;
    struct net_file *f = net_make(0, 20 * CHUNK, BITS);
    net_give(2, f, NULL);
    net.nodes[2].vice = NET_FLIPS;
    struct net_file *g = net_fetch(1, f);
    net_source(1, g, 2);
    assert_false(net_run(5 * MINUTE, net_fetched, &net.nodes[1]));
    assert_int_equal(net.nodes[1].no_source, 1);
    assert_true(counters(1)->chunks_wrong < 8); /* it was not asked again */
    net_source(1, g, 2);
    net_source(1, g, 0);
    assert_true(net_run(MINUTE, net_fetched, &net.nodes[1]));
    assert_true(net_same(f, g));
}

/* Four that give nothing or next to nothing, and one good one, who gets his turn. */
static void test_slow_ones(void **state)
{
    static const enum net_vice vices[] = {NET_MUTE, NET_TRICKLES, NET_TALKS};
    (void)state;
    for (size_t i = 0; i < RF_COUNT(vices); i++) {
        if (i > 0) {
            net_tear_down(NULL);
            net_set_up(NULL);
        }
        net.step_us = 10000;
        struct net_file *f = net_make(0, 60 * CHUNK, BITS), *g = net_fetch(1, f);
        for (size_t n = 2; n < 6; n++) {
            net_give(n, f, NULL);
            net.nodes[n].vice = vices[i];
            net_source(1, g, n);
        }
        net_source(1, g, 0);
        assert_true(net_run(MINUTE, net_fetched, &net.nodes[1]));
        assert_true(net_same(f, g));
        assert_int_equal(net.nodes[1].bad, 0);
    }
}

/* One fast and one slow one: the slow one's last chunks are not waited for. */
static void test_endgame(void **state)
{
    (void)state;
    struct net_file *f = net_make(0, 100 * CHUNK, BITS);
    net_give(2, f, NULL);
    net.nodes[0].rate = 16000;
    net.nodes[2].rate = 4; /* a chunk in four seconds */
    struct net_file *g = net_fetch(1, f);
    net_source(1, g, 2);
    net_source(1, g, 0);
    uint64_t before = net.now.mono_us;
    assert_true(net_run(MINUTE, net_fetched, &net.nodes[1]));
    assert_true(net_same(f, g));
    assert_true(net.now.mono_us - before < 4 * RF_US_PER_S);
}

static bool half(void *file)
{
    const struct net_file *f = file;
    return net_info(1, f).bytes * 2 > f->shape.size;
}

/* The source dies in the middle, another takes over at once. */
static void test_source_dies(void **state)
{
    (void)state;
    struct net_file *f = net_make(0, 100 * CHUNK, BITS);
    net_give(2, f, NULL);
    struct rf_files_config one = {.max_active = 1};
    net_stop(1);
    net_start(1, &one);
    net.nodes[0].rate = net.nodes[2].rate = 8000;
    struct net_file *g = net_fetch(1, f);
    net_source(1, g, 0);
    net_source(1, g, 2);
    assert_true(net_run(MINUTE, half, g));
    uint64_t given = counters(0)->chunks_out + counters(2)->chunks_out;
    net_stop(counters(0)->chunks_out > 0 ? 0 : 2);
    uint64_t before = net.now.mono_us;
    assert_true(net_run(MINUTE, net_fetched, &net.nodes[1]));
    assert_true(net_same(f, g));
    assert_true(given >= 50 && net.now.mono_us - before < 3 * RF_US_PER_S);
}

/* This node dies in the middle and goes on from what its disk has. */
static void test_goes_on(void **state)
{
    uint8_t have[64] = {0};
    (void)state;
    struct net_file *f = net_make(0, 100 * CHUNK, BITS), *g = net_fetch(1, f);
    net.nodes[0].rate = 8000;
    net_source(1, g, 0);
    assert_true(net_run(MINUTE, half, g));
    uint64_t had = net_info(1, g).bytes;
    for (uint32_t i = 0; i < 100; i++) /* what its disk would know */
        if (memcmp(g->plain + i * CHUNK, f->plain + i * CHUNK, CHUNK) == 0)
            rf_file_bit_set(have, i);
    net_stop(1);
    net_start(1, NULL);
    struct rf_files_file again = {.shape = g->shape, .have = have};
    memcpy(again.id, g->id, 32);
    memcpy(again.secret, g->secret, 32);
    assert_int_equal(rf_files_add(net.nodes[1].files, &again), 0);
    assert_true(net_info(1, g).bytes >= had && !net_info(1, g).fetching);
    assert_int_equal(rf_files_fetch(net.nodes[1].files, g->id, net.now), 0);
    net_source(1, g, 0);
    assert_true(net_run(MINUTE, net_fetched, &net.nodes[1]));
    assert_true(net_same(f, g));
    assert_true(counters(1)->bytes_in <= g->shape.size - had);
}

/* Two who fetch at the same time from a third one give each other what they have. */
static void test_swarm(void **state)
{
    (void)state;
    struct net_file *f = net_make(0, 300 * CHUNK, BITS);
    net.step_us = 5000;
    net.nodes[0].rate = 2500;
    struct net_file *g = net_fetch(1, f), *h = net_fetch(2, f);
    net_source(1, g, 0);
    net_source(1, g, 2);
    net_source(2, h, 0);
    net_source(2, h, 1);
    assert_true(net_run(MINUTE, net_fetched, &net.nodes[1]));
    assert_true(net_run(MINUTE, net_fetched, &net.nodes[2]) && net_same(f, g) && net_same(f, h));
    assert_true(counters(1)->chunks_out + counters(2)->chunks_out > 150);
}

/* A source that has a part only gives that part; the rest comes from elsewhere. */
static void test_part(void **state)
{
    uint8_t have[64] = {0};
    (void)state;
    for (uint32_t i = 0; i < 50; i++)
        rf_file_bit_set(have, 2 * i);
    struct net_file *f = net_make(0, 100 * CHUNK, BITS);
    net_give(2, f, have);
    struct net_file *g = net_fetch(1, f);
    net_source(1, g, 2);
    assert_false(net_run(20 * RF_US_PER_S, net_fetched, &net.nodes[1]));
    assert_int_equal(net_info(1, g).bytes, 50 * CHUNK);
    net_source(1, g, 0);
    assert_true(net_run(MINUTE, net_fetched, &net.nodes[1]));
    assert_true(net_same(f, g));
    assert_int_equal(counters(0)->chunks_out, 50);
}

static void test_disk_full(void **state)
{
    (void)state;
    struct net_file *f = net_make(0, 60 * CHUNK, BITS), *g = net_fetch(1, f);
    net.nodes[0].rate = 8000;
    net_source(1, g, 0);
    assert_true(net_run(MINUTE, half, g));
    net.nodes[1].disk_error = RF_ESYSTEM;
    assert_false(net_run(2 * MINUTE, net_fetched, &net.nodes[1]));
    assert_true(net.nodes[1].stalled >= 2 && net.nodes[1].stalled < 6); /* tried again, not hammered */
    assert_int_equal(net.nodes[1].error, RF_ESYSTEM);
    assert_true(net_info(1, g).stalled || net.nodes[1].stalled > 0);
    assert_int_equal(net.nodes[1].bad, 0); /* no fault of the source */
    net.nodes[1].disk_error = 0;
    assert_int_equal(rf_files_fetch(net.nodes[1].files, g->id, net.now), 0); /* "there is room now" */
    assert_true(net_run(MINUTE, net_fetched, &net.nodes[1]));
    assert_true(net_same(f, g));
}

static void test_cancel_and_remove(void **state)
{
    (void)state;
    struct net_file *f = net_make(0, 100 * CHUNK, BITS), *g = net_fetch(1, f);
    net.nodes[0].rate = 8000;
    net_source(1, g, 0);
    assert_true(net_run(MINUTE, half, g));
    rf_files_cancel(net.nodes[1].files, g->id);
    (void)net_run(5 * RF_US_PER_S, NULL, NULL);
    uint64_t had = net_info(1, g).bytes;
    assert_true(had < g->shape.size && !net_info(1, g).fetching);
    assert_int_equal(rf_files_fetch(net.nodes[1].files, g->id, net.now), 0);
    net_source(1, g, 0);
    (void)net_run(20000, NULL, NULL);
    rf_files_remove(net.nodes[1].files, g->id);
    (void)net_run(5 * RF_US_PER_S, NULL, NULL);
    assert_int_equal(net.nodes[1].fetched, 0);
}

/* The table tells whether it has what the store has. */
static void test_is(void **state)
{
    uint8_t have[64] = {0};
    (void)state;
    rf_file_bit_set(have, 3);
    struct net_file *f = net_make(0, 10 * CHUNK, BITS);
    net_give(2, f, have);
    struct rf_files_file file = {.shape = f->shape};
    memcpy(file.id, f->id, 32);
    memcpy(file.secret, f->secret, 32);
    assert_true(rf_files_is(net.nodes[0].files, &file) && !rf_files_is(net.nodes[2].files, &file) &&
                !rf_files_is(net.nodes[1].files, &file));
    file.have = have;
    assert_true(!rf_files_is(net.nodes[0].files, &file) && rf_files_is(net.nodes[2].files, &file));
    file.secret[31] ^= 1;
    assert_false(rf_files_is(net.nodes[2].files, &file));
    file.secret[31] ^= 1;
    file.shape.size--;
    assert_false(rf_files_is(net.nodes[2].files, &file));
    file.shape.size++;
    rf_file_bit_set(have, 4);
    assert_false(rf_files_is(net.nodes[2].files, &file));
}

/* What the disk lost is fetched again. */
static void test_lost(void **state)
{
    uint8_t have[64] = {0};
    (void)state;
    rf_file_bit_set(have, 99);
    struct net_file *f = net_make(0, 100 * CHUNK, BITS), *g = net_fetch(1, f);
    net.nodes[0].rate = 8000;
    net_source(1, g, 0);
    assert_true(net_run(MINUTE, half, g));
    uint64_t had = counters(1)->bytes_in;
    memset(g->plain, 0, 60 * CHUNK);
    rf_files_lost(net.nodes[1].files, g->id, have);
    assert_true(net_info(1, g).bytes <= CHUNK);
    assert_true(net_run(MINUTE, net_fetched, &net.nodes[1]));
    assert_true(net_same(f, g));
    assert_true(counters(1)->bytes_in >= f->shape.size + had - CHUNK);
}

/* Memory that fails at any moment costs time, and breaks nothing. */
static void test_no_memory(void **state)
{
    (void)state;
    struct net_file *f = net_make(0, 30 * CHUNK, BITS), *g = net_fetch(1, f);
    net_source(1, g, 0);
    for (size_t i = 0; i < 200; i++) {
        net.mem.allowed = i % 7;
        (void)net_run(3 * 1000, net_fetched, &net.nodes[1]);
    }
    net.mem.allowed = SIZE_MAX;
    assert_true(net.nodes[1].fetched > 0 || net_run(5 * MINUTE, net_fetched, &net.nodes[1]));
    assert_true(net_same(f, g));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, net_set_up, net_tear_down)

int test_files_fetch(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_one_source),
        TEST(test_connection_ends),
        TEST(test_many_sources),
        TEST(test_liars),
        TEST(test_only_a_liar),
        TEST(test_slow_ones),
        TEST(test_endgame),
        TEST(test_source_dies),
        TEST(test_goes_on),
        TEST(test_swarm),
        TEST(test_part),
        TEST(test_disk_full),
        TEST(test_cancel_and_remove),
        TEST(test_is),
        TEST(test_lost),
        TEST(test_no_memory),
    };
    return cmocka_run_group_tests_name("fetch", tests, NULL, NULL);
}
