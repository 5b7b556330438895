/* test_overlay_chord_ring.c - ring tables: the answers of spec section 8.2, small rings, and a comparison with plain searches. */
#include "test_overlay_chord.h"

#include <stdlib.h>

#include "base/error.h"
#include "base/rng.h"
#include "overlay/chord/ring.h"

/* id reads hex and fills up with zeros to 16 bytes: "41" is 41000... */
static struct rf_id id(const char *hex)
{
    char text[33];
    struct rf_id out;
    memset(text, '0', 32);
    text[32] = '\0';
    memcpy(text, hex, strlen(hex));
    assert_int_equal(rf_id_parse(text, &out), 0);
    return out;
}

static void assert_id(const struct rf_id *got, const char *hex)
{
    struct rf_id wanted = id(hex);
    char a[RF_ID_TEXT_LEN], b[RF_ID_TEXT_LEN];
    assert_string_equal(rf_id_text(got, a), rf_id_text(&wanted, b));
}

static const char *const four[] = {"10", "40", "80", "c0"};

static void ring_of(struct ring *ring, const char *self, const char *const *peers, size_t count)
{
    struct rf_id me = id(self);
    ring_init(ring, rf_mem_system(), &me, 3, 3, 16);
    for (size_t i = 0; i < count; i++) {
        struct rf_id peer = id(peers[i]);
        if (!rf_id_equal(&peer, &me))
            assert_int_equal(ring_add(ring, &peer), 0);
    }
    ring_tune(ring);
}

static void spec_responsibility(void **state)
{
    static const struct {
        const char *key, *peer;
    } table[] = {
        {"41", "80"}, {"40", "40"}, {"c1", "10"}, {"05", "10"}, {"10000000000000000000000000000001", "40"},
        {"10", "10"}};
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        struct ring ring;
        ring_of(&ring, four[i], four, 4);
        for (size_t k = 0; k < sizeof table / sizeof table[0]; k++) {
            struct rf_id key = id(table[k].key), owner;
            bool ours = strcmp(table[k].peer, four[i]) == 0;
            assert_int_equal(ring_responsible(&ring, &key), ours);
            assert_int_equal(ring_owner(&ring, &key, &owner), !ours);
            if (!ours)
                assert_id(&owner, table[k].peer);
        }
        ring_deinit(&ring);
    }
}

static void spec_next_hop(void **state)
{
    static const struct {
        const char *key, *hop;
    } table[] = {
        {"90", "80"}, {"41", "40"}, {"20", "40"}, {"c0", "c0"}, {"10000000000000000000000000000001", "40"}};
    struct ring ring;
    struct rf_id hop, key;
    (void)state;
    ring_of(&ring, "10", four, 4);
    for (size_t k = 0; k < sizeof table / sizeof table[0]; k++) {
        key = id(table[k].key);
        assert_true(ring_next_hop(&ring, &key, &hop));
        assert_id(&hop, table[k].hop);
    }
    key = id("05");
    assert_true(ring_responsible(&ring, &key)); /* "to 05: itself" */
    ring_deinit(&ring);
}

static void spec_replicas(void **state)
{
    static const struct {
        const char *self;
        bool holds, from_80;
    } table[] = {{"80", true, false}, {"c0", true, true}, {"10", true, true}, {"40", false, false}};
    struct ring ring;
    struct rf_id key = id("41"), owner = id("80"), replicas[2];
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        ring_of(&ring, table[i].self, four, 4);
        assert_int_equal(ring_should_hold(&ring, &key), table[i].holds);
        assert_int_equal(ring_may_replicate(&ring, &owner, &key), table[i].from_80);
        ring_deinit(&ring);
    }
    ring_of(&ring, "80", four, 4);
    assert_int_equal(ring_successors(&ring, replicas, 2), 2);
    assert_id(&replicas[0], "c0");
    assert_id(&replicas[1], "10");
    ring_deinit(&ring);
}

static void spec_fingers(void **state)
{
    static const struct {
        const char *low, *high;
    } entry[] = {{"90", "0fffffffffffffffffffffffffffffff"},
                 {"50", "8fffffffffffffffffffffffffffffff"},
                 {"30", "4fffffffffffffffffffffffffffffff"}};
    struct ring ring;
    struct rf_id me = id("10");
    (void)state;
    ring_init(&ring, rf_mem_system(), &me, 3, 3, 16);
    ring.levels = 3; /* as in a ring of eight, without cutting the entries */
    for (size_t i = 0; i < 3; i++) {
        struct rf_id low = id(entry[i].low), high = id(entry[i].high), start = ring_slot_start(&ring, i);
        struct rf_id before = rf_id_sub(&low, &(struct rf_id){.len = 16, .b[15] = 1});
        assert_id(&start, entry[i].low);
        assert_int_equal(ring_slot_of(&ring, &low), i);
        assert_int_equal(ring_slot_of(&ring, &high), i);
        assert_int_equal(ring_slot_of(&ring, &before), i + 1);
        assert_int_equal(ring_slot_entry(&ring, i), i + 1);
    }
    ring_deinit(&ring);
}

static void alone_and_two(void **state)
{
    struct ring ring;
    struct rf_id me = id("40"), other = id("80"), key = id("81"), low = id("41"), out, list[4];
    (void)state;
    ring_init(&ring, rf_mem_system(), &me, 3, 3, 16);
    assert_true(ring_responsible(&ring, &key) && ring_responsible(&ring, &me));
    assert_false(ring_next_hop(&ring, &key, &out) || ring_owner(&ring, &key, &out));
    assert_true(ring_should_hold(&ring, &key) && ring_is_whole(&ring));
    assert_true(ring_size(&ring) == 1.0);

    assert_int_equal(ring_add(&ring, &other), 0);
    ring_tune(&ring);
    assert_true(ring_responsible(&ring, &key) && !ring_responsible(&ring, &low));
    assert_true(ring_owner(&ring, &low, &out) && rf_id_equal(&out, &other));
    assert_int_equal(ring_successors(&ring, list, 4), 1);
    assert_int_equal(ring_predecessors(&ring, list, 4), 1);
    assert_int_equal(ring_successor_rank(&ring, &other), 1);
    assert_int_equal(ring_predecessor_rank(&ring, &other), 1);
    assert_true(ring_may_replicate(&ring, &other, &low));
    assert_false(ring_may_replicate(&ring, &other, &key));
    assert_true(ring_size(&ring) == 2.0);
    ring_deinit(&ring);
}

static void refused(void **state)
{
    struct ring ring;
    struct rf_id me = id("40"), zero = id("00"), all = rf_id_wildcard(16), longer = rf_id_pow2(20, 7),
                 one = id("01"), out;
    struct rf_mem_test mem;
    (void)state;
    rf_mem_test_init(&mem);
    mem.allowed = 0;
    ring_init(&ring, &mem.mem, &me, 0, 99, 999);
    assert_int_equal(ring.successor_min, 1);
    assert_int_equal(ring.predecessor_min, RING_MAX_NEIGHBORS);
    assert_int_equal(ring.finger_wanted, RING_MAX_FINGERS);
    assert_int_equal(ring_add(&ring, &me), RF_EINVAL);
    assert_int_equal(ring_add(&ring, &zero), RF_EINVAL);
    assert_int_equal(ring_add(&ring, &all), RF_EINVAL);
    assert_int_equal(ring_add(&ring, &longer), RF_EINVAL);
    assert_int_equal(ring_add(&ring, &one), RF_ENOMEM);
    mem.allowed = 1;
    assert_int_equal(ring_add(&ring, &one), 0);
    assert_int_equal(ring_add(&ring, &one), RF_EEXIST);
    assert_false(ring_responsible(&ring, &longer) || ring_next_hop(&ring, &longer, &out));
    assert_false(ring_owner(&ring, &longer, &out) || ring_as_close(&ring, &one, &longer));
    assert_false(ring_may_replicate(&ring, &longer, &one) || ring_should_hold(&ring, &longer));
    assert_false(ring_remove(&ring, &longer));
    assert_true(ring_remove(&ring, &one));
    assert_false(ring_remove(&ring, &one));
    ring_deinit(&ring);
    assert_int_equal(mem.live_count, 0);
}

static void as_close(void **state)
{
    struct ring ring;
    struct rf_id key = id("41"), right = id("80"), wrong = id("c0"), better = id("50"), self = id("10");
    (void)state;
    ring_of(&ring, "10", four, 4);
    assert_true(ring_as_close(&ring, &right, &key));
    assert_true(ring_as_close(&ring, &better, &key)); /* somebody new whom we do not know yet */
    assert_false(ring_as_close(&ring, &wrong, &key));
    assert_false(ring_as_close(&ring, &self, &key));
    ring_deinit(&ring);
}

static void suspects_are_avoided(void **state)
{
    struct ring ring;
    struct rf_id key = id("90"), out, node = id("80");
    (void)state;
    ring_of(&ring, "10", four, 4);
    ring_find(&ring, &node)->avoid = true;
    assert_true(ring_next_hop(&ring, &key, &out));
    assert_id(&out, "40");
    for (size_t i = 0; i < ring.count; i++)
        ring.peers[i].avoid = true;
    assert_true(ring_next_hop(&ring, &key, &out)); /* nothing better there */
    assert_id(&out, "80");
    ring_deinit(&ring);
}

/* ---- the quickest way ---- */

static const char *best_hop(struct ring *ring, const char *key_text)
{
    static const char *const names[] = {"40", "80", "c0", "e0"};
    struct rf_id key = id(key_text), out;
    assert_true(ring_best_hop(ring, &key, &out));
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct rf_id named = id(names[i]);
        if (rf_id_equal(&named, &out))
            return names[i];
    }
    return "another";
}

/* A ring of about 128 of which 40, 80 and c0 are known, and our neighbors on both sides. */
static void wide_ring(struct ring *ring)
{
    static const char *const peers[] = {"10", "12", "14", "16", "18", "1a", "1c", "1e", "20", "0e",
                                        "0c", "0a", "08", "06", "04", "02", "01", "40", "80", "c0"};
    ring_of(ring, peers[0], peers, sizeof peers / sizeof peers[0]);
    assert_false(ring_is_whole(ring));
    assert_true(ring->size > 100 && ring->size < 150);
}

static void straight_to_the_owner(void **state)
{
    struct ring ring;
    struct rf_id node = id("80"), near = id("7f"), wide = id("42"), key = id("7f80"), out;
    (void)state;
    wide_ring(&ring);
    assert_string_equal(best_hop(&ring, "15"), "another"); /* our neighbor 16 */
    assert_string_equal(best_hop(&ring, "7f80"), "40");    /* who is in charge is not known */
    ring_named(&ring, &node, &near, NULL);
    assert_string_equal(best_hop(&ring, "7f80"), "80");
    assert_string_equal(best_hop(&ring, "7e"), "40"); /* before its range */
    ring_find(&ring, &node)->avoid = true;
    assert_string_equal(best_hop(&ring, "7f80"), "40");
    ring_find(&ring, &node)->avoid = false;
    ring_named(&ring, &node, &wide, NULL); /* a quarter of the ring is not believed */
    assert_string_equal(best_hop(&ring, "7f80"), "40");
    ring_named(&ring, &node, NULL, NULL);
    assert_string_equal(best_hop(&ring, "7f80"), "40");
    for (size_t i = 0; i < ring.count; i++)
        ring.peers[i].avoid = true;
    assert_true(ring_best_hop(&ring, &key, &out)); /* nothing better there */
    ring_deinit(&ring);
}

/* From below the key is stepped over only to who named the peers around it; from above the way leads down. */
static void either_side(void **state)
{
    struct ring ring;
    struct rf_id node = id("80"), before = id("7f"), far = id("78");
    (void)state;
    wide_ring(&ring);
    ring_named(&ring, &node, &before, NULL);
    assert_string_equal(best_hop(&ring, "7c"), "40");
    ring_named(&ring, &node, &before, &far);
    assert_string_equal(best_hop(&ring, "7c"), "80");
    assert_string_equal(best_hop(&ring, "79"), "40"); /* only three quarters of what it named count */
    assert_string_equal(best_hop(&ring, "bf"), "c0");
    ring_deinit(&ring);
}

static void short_round_trips(void **state)
{
    struct ring ring;
    struct rf_id forty = id("40"), eighty = id("80"), hundred = id("60");
    (void)state;
    wide_ring(&ring);
    assert_int_equal(ring_add(&ring, &hundred), 0);
    ring_tune(&ring);
    assert_string_equal(best_hop(&ring, "72"), "another"); /* 60, the nearest */
    ring_measured(&ring, &hundred, 300000);
    ring_measured(&ring, &forty, 10000);
    ring_measured(&ring, &eighty, 10000);
    assert_int_equal(ring.rtt_count, 3);
    assert_string_equal(best_hop(&ring, "72"), "40"); /* further to go, and sooner there */
    ring_measured(&ring, &hundred, 12000);
    assert_string_equal(best_hop(&ring, "72"), "another");
    assert_true(ring_remove(&ring, &hundred));
    assert_int_equal(ring.rtt_count, 2);
    assert_int_equal(ring.rtt_sum_us, 20000);
    ring_deinit(&ring);
}

/* Of two in a slot the nearer one is elected, if it is clearly nearer. */
static void near_fingers(void **state)
{
    struct ring ring;
    struct rf_id one = id("80"), two = id("81");
    (void)state;
    wide_ring(&ring);
    assert_int_equal(ring_add(&ring, &two), 0);
    ring_tune(&ring);
    assert_int_equal(ring_slot_of(&ring, &one), ring_slot_of(&ring, &two));
    assert_true(ring_find(&ring, &one)->finger && !ring_find(&ring, &two)->finger);
    ring_measured(&ring, &one, 100000);
    ring_measured(&ring, &two, 90000);
    ring_elect(&ring);
    assert_true(ring_find(&ring, &one)->finger);
    assert_true(ring_slot_far_finger(&ring, ring_slot_of(&ring, &one)));
    ring_measured(&ring, &two, 20000);
    ring_elect(&ring);
    assert_true(ring_find(&ring, &two)->finger && !ring_find(&ring, &one)->finger);
    assert_false(ring_slot_far_finger(&ring, ring_slot_of(&ring, &one)));
    ring_deinit(&ring);
}

/* ---- random rings, compared with searches that are too simple to be wrong ---- */

#define MANY 300

static int by_id(const void *a, const void *b)
{
    return rf_id_compare(a, b);
}

/* The peer in charge of `key` in the sorted list of all. */
static const struct rf_id *in_charge(const struct rf_id *all, size_t count, const struct rf_id *key)
{
    for (size_t i = 0; i < count; i++)
        if (rf_id_compare(&all[i], key) >= 0)
            return &all[i];
    return &all[0];
}

static void check_key(const struct ring *ring, const struct rf_id *all, size_t count, const struct rf_id *key)
{
    const struct rf_id *owner = in_charge(all, count, key);
    struct rf_id hop, told;
    bool ours = rf_id_equal(owner, &ring->self);
    assert_int_equal(ring_responsible(ring, key), ours);
    assert_true(ring_as_close(ring, owner, key) || ours);
    if (ring_owner(ring, key, &told))
        assert_true(rf_id_equal(&told, owner));
    else
        assert_true(ours || !ring_is_whole(ring));
    assert_int_equal(ring_next_hop(ring, key, &hop), count > 1);
    if (count > 1 && !ours) {
        struct rf_id before = rf_id_sub(key, &ring->self), after = rf_id_sub(key, &hop);
        assert_true(rf_id_compare(&after, &before) < 0 || rf_id_equal(&hop, owner));
    }
    size_t at = 0, mine = 0;
    for (size_t i = 0; i < count; i++) {
        at = rf_id_equal(&all[i], owner) ? i : at;
        mine = rf_id_equal(&all[i], &ring->self) ? i : mine;
    }
    assert_int_equal(ring_should_hold(ring, key), (mine + count - at) % count < 3);
    if (!ours && (mine + count - at) % count < 3)
        assert_true(ring_may_replicate(ring, owner, key));
}

static void random_rings(void **state)
{
    static const size_t sizes[] = {1, 2, 3, 4, 7, 8, 20, MANY};
    struct rf_rng_seeded seeded;
    struct rf_id all[MANY];
    (void)state;
    rf_rng_seeded_init(&seeded, 11);
    for (size_t round = 0; round < 8 * sizeof sizes / sizeof sizes[0]; round++) {
        size_t count = sizes[round % 8];
        struct ring ring;
        for (size_t i = 0; i < count; i++) {
            all[i] = (struct rf_id){.len = 16};
            rf_rng_fill(&seeded.rng, all[i].b, 16);
        }
        ring_init(&ring, rf_mem_system(), &all[0], 3, 3, 16);
        for (size_t i = 1; i < count; i++)
            assert_int_equal(ring_add(&ring, &all[i]), 0);
        for (size_t i = 1; i < count; i += 3) { /* some leave and come back */
            assert_true(ring_remove(&ring, &all[i]));
            assert_int_equal(ring_add(&ring, &all[i]), 0);
        }
        for (int i = 0; i < 10; i++)
            ring_tune(&ring);
        qsort(all, count, sizeof all[0], by_id);
        for (size_t i = 0; i < 200; i++) {
            struct rf_id key = {.len = 16};
            rf_rng_fill(&seeded.rng, key.b, 16);
            check_key(&ring, all, count, i < count ? &all[i] : &key);
        }
        ring_deinit(&ring);
    }
}

static void random_fingers(void **state)
{
    struct rf_rng_seeded seeded;
    struct ring ring;
    struct rf_id node = {.len = 16}, fingers[RING_MAX_FINGERS];
    (void)state;
    rf_rng_seeded_init(&seeded, 12);
    rf_rng_fill(&seeded.rng, node.b, 16);
    ring_init(&ring, rf_mem_system(), &node, 3, 3, 64);
    for (size_t i = 0; i < MANY; i++) {
        rf_rng_fill(&seeded.rng, node.b, 16);
        assert_int_equal(ring_add(&ring, &node), 0);
        ring_tune(&ring);
    }
    double size = ring_size(&ring);
    assert_true(size > MANY / 3.0 && size < MANY * 4.0);
    assert_true(ring.successor_count >= 7 && ring.successor_count <= 11);
    size_t count = ring_fingers(&ring, fingers, RING_MAX_FINGERS);
    assert_true(count > 16 && count <= 64);
    for (size_t i = 1; i < count; i++)
        assert_true(rf_id_compare(&fingers[i - 1], &fingers[i]) < 0);
    assert_true(ring_slots(&ring) <= 64);
    for (size_t slot = 0; slot < ring_slots(&ring); slot++) {
        size_t in_slot = 0;
        for (size_t i = 0; i < count; i++)
            in_slot += ring_slot_of(&ring, &fingers[i]) == slot;
        assert_true(in_slot <= 1);
        for (int i = 0; i < 20; i++) {
            node = ring_slot_random(&ring, slot, &seeded.rng);
            assert_int_equal(ring_slot_of(&ring, &node), slot);
        }
        if (in_slot == 1)
            assert_false(ring_slot_missing(&ring, slot));
    }
    ring_deinit(&ring);
}

static void full_table_keeps_neighbors(void **state)
{
    struct rf_rng_seeded seeded;
    struct ring ring;
    struct rf_id me = id("80"), node = {.len = 16}, near, list[RING_MAX_NEIGHBORS];
    (void)state;
    rf_rng_seeded_init(&seeded, 13);
    ring_init(&ring, rf_mem_system(), &me, 3, 3, 16);
    while (ring.count < RING_MAX_PEERS) {
        rf_rng_fill(&seeded.rng, node.b, 16);
        assert_int_equal(ring_add(&ring, &node), 0);
        ring_tune(&ring);
    }
    node = id("00000000000000000000000000000001");
    assert_int_equal(ring_add(&ring, &node), RF_ELIMIT);
    near = rf_id_add_small(&me, 1);
    assert_true(ring_wants_neighbor(&ring, &near));
    assert_int_equal(ring_add(&ring, &near), 0);
    assert_int_equal(ring.count, RING_MAX_PEERS);
    ring_successors(&ring, list, 1);
    assert_true(rf_id_equal(&list[0], &near));
    near = id("7fffffffffffffffffffffffffffffff");
    assert_int_equal(ring_add(&ring, &near), 0);
    ring_predecessors(&ring, list, 1);
    assert_true(rf_id_equal(&list[0], &near));
    assert_true(ring_size(&ring) <= 1e9);
    ring_deinit(&ring);
}

/* Where few links are worth while, the tables are small and fingers thin; they grow when their new members are linked. */
static void few_links(void **state)
{
    struct rf_rng_seeded seeded;
    struct ring ring;
    struct rf_id me = id("80"), node = {.len = 16}, fingers[RING_MAX_FINGERS];
    (void)state;
    rf_rng_seeded_init(&seeded, 14);
    ring_init(&ring, rf_mem_system(), &me, 3, 3, 16);
    for (int i = 0; i < 200; i++) {
        rf_rng_fill(&seeded.rng, node.b, 16);
        assert_int_equal(ring_add(&ring, &node), 0);
    }
    ring_tune(&ring);
    size_t many = ring_fingers(&ring, fingers, RING_MAX_FINGERS);
    assert_true(ring.successor_count >= 7 && ring.predecessor_count >= 7 && many >= 8);
    assert_int_equal(ring.stride, 1);
    ring.links = 14;
    ring_tune(&ring);
    assert_true(ring.successor_count <= 5 && ring.successor_count >= 3);
    assert_true(ring.stride > 1 && ring.split_bits == 0);
    assert_true(ring_fingers(&ring, fingers, RING_MAX_FINGERS) <= 4);
    for (size_t slot = 0; slot < ring_slots(&ring);
         slot++) /* 200 peers leave none of the far ones empty, but not all are wanted */
        assert_false(ring_slot_missing(&ring, slot));
    /* growing: first the goal, the tables when told that all are linked, and never beyond what the neighbor shows */
    size_t now = ring.successor_count;
    ring.links = 0;
    ring.waits = true;
    ring.successor_shown = now;
    ring_tune(&ring);
    assert_int_equal(ring.successor_count, now);
    assert_int_equal(ring.successor_goal, now + 1);
    assert_true(ring_grows(&ring) && ring_grown(&ring));
    ring_tune(&ring);
    assert_int_equal(ring.successor_count, now + 1);
    ring_deinit(&ring);
}

int test_overlay_chord_ring(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(spec_responsibility),
        cmocka_unit_test(spec_next_hop),
        cmocka_unit_test(straight_to_the_owner),
        cmocka_unit_test(either_side),
        cmocka_unit_test(short_round_trips),
        cmocka_unit_test(near_fingers),
        cmocka_unit_test(spec_replicas),
        cmocka_unit_test(spec_fingers),
        cmocka_unit_test(alone_and_two),
        cmocka_unit_test(refused),
        cmocka_unit_test(as_close),
        cmocka_unit_test(suspects_are_avoided),
        cmocka_unit_test(random_rings),
        cmocka_unit_test(random_fingers),
        cmocka_unit_test(full_table_keeps_neighbors),
        cmocka_unit_test(few_links),
    };
    return cmocka_run_group_tests_name("overlay_chord_ring", tests, NULL, NULL);
}
