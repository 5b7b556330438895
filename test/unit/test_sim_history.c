/*
 * test_sim_history.c - the history checker, with histories made by hand: what it must find, and what it must let pass.
 * Supernodes 0 .. 5 stand at 10.., 20.., ... 60.. of the ring; user 0's devices are the even nodes, his resource lies at 15..: in charge are 1, 2, 3.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include "base/assert.h"
#include "base/error.h"
#include "base/view.h"
#include "sim/history.h"

#define S      UINT64_C(1000000)
#define SUPERS 6
#define NODES  10
#define SETTLE 90
#define PLACE  UINT64_C(0x1500000000000000)

static struct sim_history h;
static struct sim_verdict verdict;
static uint64_t places[SUPERS];

static int begin(void **state)
{
    (void)state;
    sim_history_init(&h, rf_mem_system());
    h.node_count = NODES;
    h.super_count = SUPERS;
    h.user_count = 2;
    h.places = places;
    h.settle_us = SETTLE * S;
    for (uint32_t i = 0; i < SUPERS; i++) {
        places[i] = (uint64_t)(i + 1) << 60;
        sim_history_life(&h, i, SIM_LIFE_JOINED, 0);
    }
    return 0;
}

static int end(void **state)
{
    (void)state;
    sim_history_deinit(&h);
    return 0;
}

/* Device 2 * d of user 0 writes from begin_s to end_s; version in ms of that clock. Acknowledged by 1 and its replicas 2 and 3. */
static struct sim_write *wrote(enum sim_form form, uint32_t node, uint32_t number, double begin_s,
                               double end_s, uint64_t version, enum sim_outcome outcome)
{
    struct sim_write w = {.begin_us = (uint64_t)(begin_s * S),
                          .end_us = (uint64_t)(end_s * S),
                          .time_ms = version,
                          .first_ms = version,
                          .place = PLACE,
                          .node = node,
                          .number = number,
                          .form = (uint8_t)form,
                          .outcome = (uint8_t)outcome};
    if (outcome == SIM_ACKED) {
        w.holder_count = 3;
        for (uint32_t i = 0; i < 3; i++)
            w.holders[i] = 1 + i;
    }
    size_t at = sim_history_write(&h, &w);
    return &h.writes[at];
}

/* Node 9 reads user 0's values; node 1 answers. */
static struct sim_read *read_at(enum sim_form form, double begin_s, double end_s)
{
    return sim_history_read(&h, &(struct sim_read){.begin_us = (uint64_t)(begin_s * S),
                                                   .end_us = (uint64_t)(end_s * S),
                                                   .place = PLACE,
                                                   .node = 9,
                                                   .home = 1,
                                                   .form = (uint8_t)form});
}

static void shows(uint32_t node, uint32_t number, uint32_t slot, uint64_t version)
{
    sim_history_seen(&h, &(struct sim_seen){node, number, slot, version, true});
}

static void shows_removed(uint32_t node, uint32_t slot, uint64_t version)
{
    sim_history_seen(&h, &(struct sim_seen){node, 0, slot, version, false});
}

static void fails(uint32_t node, enum sim_life_type type, double at_s)
{
    sim_history_life(&h, node, type, (uint64_t)(at_s * S));
    sim_history_life(&h, node, SIM_LIFE_LEFT, (uint64_t)(at_s * S));
}

static void joins(uint32_t node, double at_s)
{
    sim_history_life(&h, node, SIM_LIFE_JOINED, (uint64_t)(at_s * S));
}

/* From from_s on the nodes of a bit mask are on the other side; to_s: messages go through again; one_s: one ring again. */
static void splits(unsigned mask, double from_s, double to_s, double one_s)
{
    uint8_t *sides = rf_alloc(rf_mem_system(), NODES);
    assert_non_null(sides);
    for (size_t i = 0; i < NODES; i++)
        sides[i] = mask >> i & 1;
    struct sim_split *split = sim_history_split(&h, (uint64_t)(from_s * S), sides);
    split->healed_us = (uint64_t)(to_s * S);
    split->until_us = (uint64_t)(one_s * S);
}

/* The verdict: so many of each. */
static void expect(size_t lost, size_t rolled_back, size_t vanished, size_t order, size_t trespasses)
{
    const size_t want[SIM_VERDICT_COUNT] = {lost, rolled_back, vanished, order, trespasses};
    size_t all = 0;
    assert_int_equal(sim_history_judge(&h, &verdict), 0);
    for (size_t i = 0; i < SIM_VERDICT_COUNT; i++) {
        if (verdict.counts[i] != want[i])
            fail_msg("%zu %s, not %zu: %s", verdict.counts[i], sim_verdict_names[i], want[i],
                     verdict.told_count > 0 ? verdict.told[0].text : "");
        all += want[i];
    }
    assert_int_equal(verdict.told_count, all);
}

/* ---- single values ---- */

static void test_legal(void **state)
{
    (void)state;
    read_at(SIM_FORM_VALUE, 0, 0.5); /* nothing yet */
    wrote(SIM_FORM_VALUE, 2, 1, 1, 2, 1000, SIM_ACKED);
    read_at(SIM_FORM_VALUE, 1.5, 1.6); /* not acknowledged yet: nothing is fine */
    read_at(SIM_FORM_VALUE, 3, 4);
    shows(2, 1, 0, 1000);
    wrote(SIM_FORM_VALUE, 4, 1, 5, 6, 5000, SIM_FAILED);
    read_at(SIM_FORM_VALUE, 7, 8); /* what failed may show */
    shows(4, 1, 0, 5000);
    wrote(SIM_FORM_VALUE, 2, 2, 9, 10, 9000, SIM_ACKED);
    read_at(SIM_FORM_VALUE, 9, 11); /* began before the acknowledgement */
    shows(4, 1, 0, 5000);
    read_at(SIM_FORM_VALUE, 12, 13);
    shows(2, 2, 0, 9000);
    wrote(SIM_FORM_VALUE, 4, 2, 20, 21, 8000, SIM_ACKED); /* on a slow clock, in another ring: it loses */
    read_at(SIM_FORM_VALUE, 22, 23);
    shows(2, 2, 0, 9000);
    read_at(SIM_FORM_VALUE, 30, 30)->audit = true;
    shows(2, 2, 0, 9000);
    expect(0, 0, 0, 0, 0);
    assert_int_equal(verdict.operations, 4 + 7);
    assert_int_equal(verdict.acked, 3);
    assert_int_equal(verdict.audits, 1);
    assert_int_equal(verdict.excused, 0);
}

static void test_rolled_back(void **state)
{
    (void)state;
    wrote(SIM_FORM_VALUE, 2, 1, 1, 2, 1000, SIM_ACKED);
    wrote(SIM_FORM_VALUE, 2, 2, 3, 4, 3000, SIM_ACKED);
    read_at(SIM_FORM_VALUE, 5, 6);
    shows(2, 1, 0, 1000);
    read_at(SIM_FORM_VALUE, 7, 8); /* nothing at all */
    read_at(SIM_FORM_VALUE, 9, 10);
    shows(2, 2, 0, 3000);
    expect(0, 2, 0, 0, 0);
    assert_int_equal(verdict.told[0].at_us, 5 * S);
    for (size_t i = 0; i < 2; i++) {
        assert_non_null(strstr(verdict.told[i].text, "read of user 0's value by 9"));
        assert_non_null(strstr(verdict.told[i].text, "write 2.2 (value 0 of user 0, version 3000"));
        assert_non_null(strstr(verdict.told[i].text, "in charge then 1 2 3"));
    }
}

static void test_removals(void **state)
{
    (void)state;
    wrote(SIM_FORM_ENTRY, 2, 1, 1, 2, 1000, SIM_ACKED)->key = 3;
    struct sim_write *w = wrote(SIM_FORM_ENTRY, 4, 1, 3, 4, 3500, SIM_ACKED);
    w->key = 3;
    w->removal = true;
    w->first_ms = 3000; /* its first try was too old */
    read_at(SIM_FORM_ENTRY, 5, 6);
    shows_removed(4, 3, 3500);
    read_at(SIM_FORM_ENTRY, 7, 8); /* removed, and its lifetime over: nothing */
    read_at(SIM_FORM_ENTRY, 9, 10);
    shows_removed(4, 3, 3000); /* the first try, which some node has taken: older than the one acknowledged */
    read_at(SIM_FORM_ENTRY, 11, 12);
    shows(2, 1, 3, 1000); /* it is back */
    expect(0, 2, 0, 0, 0);
}

static void test_entries_are_apart(void **state)
{
    (void)state;
    wrote(SIM_FORM_ENTRY, 2, 1, 1, 2, 1000, SIM_ACKED)->key = 0;
    wrote(SIM_FORM_ENTRY, 2, 2, 1, 2, 1001, SIM_ACKED)->key = 1;
    read_at(SIM_FORM_ENTRY, 3, 4);
    shows(2, 1, 0, 1000);
    shows(2, 2, 1, 1001);
    read_at(SIM_FORM_ENTRY, 5, 6); /* one of the two */
    shows(2, 1, 0, 1000);
    expect(0, 1, 0, 0, 0);
}

static void test_lost(void **state)
{
    (void)state;
    wrote(SIM_FORM_VALUE, 2, 1, 1, 2, 1000, SIM_ACKED);
    read_at(SIM_FORM_VALUE, 500, 500)->audit = true;
    expect(1, 0, 0, 0, 0);
}

static void test_vanished(void **state)
{
    (void)state;
    wrote(SIM_FORM_VALUE, 2, 1, 1, 2, 1000, SIM_ACKED);
    wrote(SIM_FORM_VALUE, 2, 2, 3, 40, 3000, SIM_FAILED);
    read_at(SIM_FORM_VALUE, 5, 6);
    shows(2, 2, 0, 3000);
    read_at(SIM_FORM_VALUE, 5.5, 6.5); /* at the same time: either is fine */
    shows(2, 1, 0, 1000);
    read_at(SIM_FORM_VALUE, 7, 8);
    shows(2, 1, 0, 1000);
    expect(0, 0, 1, 0, 0);
}

static void test_vanished_with_its_home(void **state)
{
    (void)state;
    wrote(SIM_FORM_VALUE, 2, 2, 3, 40, 3000, SIM_FAILED);
    read_at(SIM_FORM_VALUE, 5, 6); /* node 1 shows it, and is gone */
    shows(2, 2, 0, 3000);
    fails(1, SIM_LIFE_FAILED, 6.5);
    read_at(SIM_FORM_VALUE, 7, 8);
    expect(0, 0, 0, 0, 0);
    assert_int_equal(verdict.excused, 1);
}

/* ---- excuses ---- */

static void old_write(void)
{
    wrote(SIM_FORM_VALUE, 2, 1, 1, 2, 1000, SIM_ACKED);
}

static void test_two_of_three_failed(void **state)
{
    (void)state;
    old_write();
    fails(1, SIM_LIFE_WIPED, 300);
    fails(3, SIM_LIFE_WIPED, 301);
    read_at(SIM_FORM_VALUE, 310, 311);
    expect(0, 1, 0, 0, 0);
    assert_non_null(strstr(verdict.told[0].text, "now 2 4 5"));
    assert_non_null(strstr(verdict.told[0].text, "300.0 s 1 wiped"));
}

static void test_all_failed_at_once(void **state)
{
    (void)state;
    old_write();
    fails(1, SIM_LIFE_WIPED, 300);
    fails(3, SIM_LIFE_WIPED, 301);
    fails(2, SIM_LIFE_WIPED, 300 + SETTLE - 1);
    read_at(SIM_FORM_VALUE, 400, 401);
    read_at(SIM_FORM_VALUE, 9000, 9001); /* for ever */
    read_at(SIM_FORM_VALUE, 9999, 9999)->audit = true;
    expect(0, 0, 0, 0, 0);
    assert_int_equal(verdict.excused, 3);
}

static void test_failed_one_after_another(void **state)
{
    (void)state;
    old_write(); /* there was time for a new copy before the last one */
    fails(1, SIM_LIFE_WIPED, 300);
    fails(3, SIM_LIFE_WIPED, 301);
    fails(2, SIM_LIFE_WIPED, 300 + SETTLE + 2);
    read_at(SIM_FORM_VALUE, 500, 501);
    expect(0, 1, 0, 0, 0);
}

static void test_disks_come_back(void **state)
{
    (void)state;
    old_write();
    for (uint32_t i = 1; i <= 3; i++)
        fails(i, SIM_LIFE_FAILED, 300);
    for (uint32_t i = 1; i <= 3; i++)
        joins(i, 400);
    read_at(SIM_FORM_VALUE, 320, 321);              /* while they are away */
    read_at(SIM_FORM_VALUE, 400 + SETTLE - 1, 491); /* while they bring it back */
    read_at(SIM_FORM_VALUE, 400 + SETTLE + 1, 492); /* now it must be there */
    expect(0, 1, 0, 0, 0);
    assert_int_equal(verdict.excused, 2);
}

static void test_young_write(void **state)
{
    (void)state;
    /* acknowledged in a ring that saw 4 and 5 in charge: these count, soon after */
    struct sim_write *w = wrote(SIM_FORM_VALUE, 2, 1, 100, 101, 1000, SIM_ACKED);
    w->holder_count = 2;
    w->holders[0] = 4;
    w->holders[1] = 5;
    fails(4, SIM_LIFE_WIPED, 102);
    fails(5, SIM_LIFE_WIPED, 103);
    read_at(SIM_FORM_VALUE, 110, 111);
    expect(0, 0, 0, 0, 0);
    assert_int_equal(verdict.excused, 1);
}

static void test_split(void **state)
{
    (void)state;
    old_write();
    splits(1u << 9, 100, 200, 300); /* the reader is apart */
    read_at(SIM_FORM_VALUE, 99, 99.5)->home = 5;
    read_at(SIM_FORM_VALUE, 150, 151)->home = 9;
    read_at(SIM_FORM_VALUE, 250, 251); /* not one ring yet */
    read_at(SIM_FORM_VALUE, 301, 302);
    expect(0, 2, 0, 0, 0); /* before it, and after it */
    assert_int_equal(verdict.told[0].at_us, 99 * S);
    assert_int_equal(verdict.told[1].at_us, 301 * S);
    assert_int_equal(verdict.excused, 2);
}

static void test_split_of_others(void **state)
{
    (void)state;
    old_write();
    splits(1u << 5, 100, 200, 300); /* reader, writer and holders are together */
    read_at(SIM_FORM_VALUE, 150, 151);
    expect(0, 1, 0, 0, 0);
}

/* ---- lists ---- */

static void three_elements(void)
{
    wrote(SIM_FORM_LIST, 2, 1, 1, 2, 1000, SIM_ACKED);
    wrote(SIM_FORM_LIST, 4, 1, 3, 4, 3000, SIM_ACKED);
    wrote(SIM_FORM_LIST, 2, 2, 5, 6, 5000, SIM_FAILED);
}

static void test_list(void **state)
{
    (void)state;
    three_elements();
    read_at(SIM_FORM_LIST, 2.5, 2.6);
    shows(2, 1, 0, 1000);
    read_at(SIM_FORM_LIST, 7, 8); /* whether what failed is in it or not */
    shows(2, 1, 0, 1000);
    shows(4, 1, 1, 3000);
    read_at(SIM_FORM_LIST, 9, 10);
    shows(2, 1, 0, 1000);
    shows(4, 1, 1, 3000);
    shows(2, 2, 2, 5000);
    expect(0, 0, 0, 0, 0);
}

static void test_element_gone(void **state)
{
    (void)state;
    three_elements();
    read_at(SIM_FORM_LIST, 7, 8);
    shows(2, 1, 0, 1000);
    shows(4, 1, 1, 3000);
    shows(2, 2, 2, 5000);
    read_at(SIM_FORM_LIST, 9, 10); /* what failed was there, and is not any more */
    shows(2, 1, 0, 1000);
    shows(4, 1, 1, 3000);
    read_at(SIM_FORM_LIST, 11, 12); /* nor what was acknowledged */
    shows(2, 1, 0, 1000);
    shows(2, 2, 2, 5000);
    read_at(SIM_FORM_LIST, 20, 20)->audit = true;
    shows(2, 1, 0, 1000);
    shows(2, 2, 2, 5000);
    expect(1, 1, 1, 0, 0);
}

static void test_two_orders(void **state)
{
    (void)state;
    three_elements();
    read_at(SIM_FORM_LIST, 7, 8);
    shows(2, 1, 0, 1000);
    shows(4, 1, 1, 3000);
    read_at(SIM_FORM_LIST, 9, 10);
    shows(4, 1, 0, 3000);
    shows(2, 1, 1, 1000);
    expect(0, 0, 0, 2, 0);
    assert_non_null(strstr(verdict.told[0].text, "it stood elsewhere before"));
}

static void test_index_given_twice(void **state)
{
    (void)state;
    three_elements();
    read_at(SIM_FORM_LIST, 3.5, 3.6);
    shows(2, 1, 0, 1000);
    shows(4, 1, 1, 3000);
    wrote(SIM_FORM_LIST, 4, 2, 20, 21, 20000, SIM_ACKED);
    read_at(SIM_FORM_LIST, 22, 23);
    shows(2, 1, 0, 1000);
    shows(4, 2, 1, 20000);
    shows(4, 1, 2, 3000);
    expect(0, 0, 0, 2, 0);
}

static void test_element_twice(void **state)
{
    (void)state;
    three_elements();
    read_at(SIM_FORM_LIST, 7, 8);
    shows(2, 1, 0, 1000);
    shows(4, 1, 1, 3000);
    shows(2, 1, 2, 1000);
    expect(0, 0, 0, 1, 0);
    assert_non_null(strstr(verdict.told[0].text, "twice, the second time at 2"));
}

static void test_order_after_a_split(void **state)
{
    (void)state;
    three_elements();
    splits(0x0f, 100, 200, 300);
    read_at(SIM_FORM_LIST, 7, 8);
    shows(2, 1, 0, 1000);
    shows(4, 1, 1, 3000);
    read_at(SIM_FORM_LIST, 150, 151); /* not judged */
    shows(4, 1, 0, 3000);
    shows(2, 1, 1, 1000);
    read_at(SIM_FORM_LIST, 310, 311); /* elements may have moved once */
    shows(4, 1, 0, 3000);
    shows(2, 1, 1, 1000);
    read_at(SIM_FORM_LIST, 320, 321); /* but not again */
    shows(2, 1, 0, 1000);
    shows(4, 1, 1, 3000);
    expect(0, 0, 0, 2, 0);
}

static void test_order_begins_anew(void **state)
{
    (void)state;
    three_elements();
    read_at(SIM_FORM_LIST, 7, 8);
    shows(2, 1, 0, 1000);
    shows(4, 1, 1, 3000);
    for (uint32_t i = 1; i <= 3; i++)
        fails(i, SIM_LIFE_WIPED, 300);
    wrote(SIM_FORM_LIST, 4, 2, 310, 311, 310000, SIM_ACKED);
    read_at(SIM_FORM_LIST, 320, 321);
    shows(4, 2, 0, 310000);
    expect(0, 0, 0, 0, 0);
}

static void test_order_of_the_unacknowledged(void **state)
{
    (void)state;
    wrote(SIM_FORM_LIST, 2, 1, 1, 40, 1000, SIM_FAILED);
    read_at(SIM_FORM_LIST, 2, 3);
    shows(2, 1, 0, 1000);
    fails(1, SIM_LIFE_FAILED, 4); /* with the only one who had it */
    wrote(SIM_FORM_LIST, 4, 1, 10, 11, 3000, SIM_ACKED);
    read_at(SIM_FORM_LIST, 12, 13);
    shows(4, 1, 0, 3000);
    joins(1, 20); /* and its disk: it goes to the end */
    read_at(SIM_FORM_LIST, 300, 301);
    shows(4, 1, 0, 3000);
    shows(2, 1, 1, 1000);
    expect(0, 0, 0, 0, 0);
    assert_true(verdict.excused > 0);
}

/* ---- rights ---- */

static void test_trespasses(void **state)
{
    (void)state;
    wrote(SIM_FORM_VALUE, 2, 1, 1, 2, 1000, SIM_ACKED);
    wrote(SIM_FORM_VALUE, 3, 1, 3, 4, 3000, SIM_REFUSED)->trespass = true; /* refused: all is well */
    read_at(SIM_FORM_VALUE, 5, 6);
    shows(2, 1, 0, 1000);
    expect(0, 0, 0, 0, 0);
    read_at(SIM_FORM_VALUE, 7, 8); /* but here it is */
    shows(3, 1, 0, 3000);
    wrote(SIM_FORM_VALUE, 5, 1, 9, 10, 9000, SIM_ACKED)->trespass = true; /* and here it was taken */
    read_at(SIM_FORM_VALUE, 11, 12);
    shows(SIM_NODE_NONE, 0, 0, 9000); /* forged */
    read_at(SIM_FORM_VALUE, 13, 14);
    shows(2, 77, 0, 9000); /* never written */
    read_at(SIM_FORM_LIST, 15, 16);
    shows(2, 1, 0, 1000); /* written elsewhere */
    read_at(SIM_FORM_VALUE, 17, 18);
    shows_removed(2, 0, 9000); /* never removed */
    struct sim_read *r = read_at(SIM_FORM_VALUE, 20, 20);
    r->rights = true; /* some node holds it */
    shows(3, 1, 0, 3000);
    expect(0, 0, 0, 0, 7);
}

/* ---- what the world noted piecemeal ---- */

static void test_merge(void **state)
{
    (void)state;
    struct sim_history part;
    sim_history_init(&part, rf_mem_system());
    wrote(SIM_FORM_VALUE, 2, 1, 1, 2, 1000, SIM_ACKED);
    read_at(SIM_FORM_VALUE, 3, 4);
    shows(2, 1, 0, 1000);
    sim_history_merge(&part, &h);
    sim_history_merge(&part, &h);
    assert_int_equal(part.write_count, 2);
    assert_int_equal(part.read_count, 2);
    assert_int_equal(part.seen_count, 2);
    assert_int_equal(part.reads[1].from, 1);
    assert_int_equal(part.life_count, 2 * SUPERS);
    sim_history_deinit(&part);
}

static void test_holders(void **state)
{
    (void)state;
    uint32_t nodes[SIM_HOLDERS];
    fails(2, SIM_LIFE_FAILED, 10);
    joins(2, 20);
    bool joined[SUPERS + 1];
    h.joined = joined;
    static const struct {
        uint64_t place;
        double at_s;
        uint32_t nodes[SIM_HOLDERS];
    } rows[] = {{PLACE, 5, {1, 2, 3}},
                {PLACE, 15, {1, 3, 4}},
                {PLACE, 25, {1, 2, 3}},
                {UINT64_C(0x5000000000000000), 5, {4, 5, 0}}, /* its own place, and over the top */
                {UINT64_C(0xf000000000000000), 5, {0, 1, 2}}};
    for (size_t i = 0; i < RF_COUNT(rows); i++) {
        assert_int_equal(sim_holders_at(&h, rows[i].place, (uint64_t)(rows[i].at_s * S), nodes), 3);
        assert_memory_equal(nodes, rows[i].nodes, sizeof(nodes));
    }
    h.joined = NULL;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_legal),
        TEST(test_rolled_back),
        TEST(test_removals),
        TEST(test_entries_are_apart),
        TEST(test_lost),
        TEST(test_vanished),
        TEST(test_vanished_with_its_home),
        TEST(test_two_of_three_failed),
        TEST(test_all_failed_at_once),
        TEST(test_failed_one_after_another),
        TEST(test_disks_come_back),
        TEST(test_young_write),
        TEST(test_split),
        TEST(test_split_of_others),
        TEST(test_list),
        TEST(test_element_gone),
        TEST(test_two_orders),
        TEST(test_index_given_twice),
        TEST(test_element_twice),
        TEST(test_order_after_a_split),
        TEST(test_order_begins_anew),
        TEST(test_order_of_the_unacknowledged),
        TEST(test_trespasses),
        TEST(test_merge),
        TEST(test_holders),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
