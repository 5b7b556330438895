/* test_base_map.c - the hash table and SipHash. */
#include "test_base.h"

#include "base/assert.h"
#include "base/error.h"
#include "base/intern.h"
#include "base/map.h"

#define ITEM_COUNT 500

struct item {
    struct rf_map_node node;
    uint32_t key;
    int seen;
};

static const uint64_t seed[2] = {1, 2};

static struct rf_view item_key(const struct rf_map_node *node)
{
    const struct item *item = RF_CONTAINER(node, struct item, node);
    return rf_view_of(&item->key, sizeof item->key);
}

static struct item *find(const struct rf_map *map, uint32_t key)
{
    struct rf_map_node *node = rf_map_find(map, rf_view_of(&key, sizeof key));
    return node == NULL ? NULL : RF_CONTAINER(node, struct item, node);
}

/* the published vectors: key 00..0f, input 00, 01, ... of rising length (SipHash paper, reference vectors.h)
 */
static void siphash_as_published(void **state)
{
    static const struct {
        size_t len;
        uint64_t hash;
    } rows[] = {
        {0, 0x726fdb47dd0e0e31}, {1, 0x74f839c593dc67fd},  {7, 0xab0200f58b01d137},
        {8, 0x93f5f5799a932462}, {15, 0xa129ca6149be45e5},
    };
    static const uint64_t key[2] = {0x0706050403020100, 0x0f0e0d0c0b0a0908};
    uint8_t in[16];
    (void)state;
    for (size_t i = 0; i < sizeof in; i++)
        in[i] = (uint8_t)i;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_true(rf_hash64(key, rf_view_of(in, rows[i].len)) == rows[i].hash);
    assert_true(rf_hash64(key, rf_view_of(NULL, 0)) == rows[0].hash);
}

static void insert_find_remove(void **state)
{
    static struct item items[ITEM_COUNT];
    struct item twin = {.key = 3};
    struct rf_mem_test mem;
    struct rf_map map;
    (void)state;
    rf_mem_test_init(&mem);
    rf_map_init(&map, &mem.mem, seed, item_key);
    assert_null(find(&map, 3));
    assert_null(rf_map_next(&map, NULL));
    assert_null(rf_map_drain(&map));
    for (uint32_t i = 0; i < ITEM_COUNT; i++) {
        items[i].key = i;
        assert_int_equal(rf_map_insert(&map, &items[i].node), 0);
    }
    assert_int_equal(map.count, ITEM_COUNT);
    assert_int_equal(rf_map_insert(&map, &twin.node), RF_EEXIST);
    for (uint32_t i = 0; i < ITEM_COUNT; i += 2)
        rf_map_remove(&map, &items[i].node);
    for (uint32_t i = 0; i < ITEM_COUNT; i++)
        assert_ptr_equal(find(&map, i), i % 2 == 0 ? NULL : &items[i]);
    assert_null(find(&map, ITEM_COUNT));
    size_t seen = 0;
    for (struct rf_map_node *n = rf_map_next(&map, NULL); n != NULL; n = rf_map_next(&map, n), seen++)
        assert_int_equal(RF_CONTAINER(n, struct item, node)->seen++, 0);
    assert_int_equal(seen, ITEM_COUNT / 2);
    assert_int_equal(rf_map_insert(&map, &items[0].node), 0); /* a removed one can come back */
    assert_ptr_equal(find(&map, 0), &items[0]);
    rf_map_deinit(&map);
    assert_int_equal(mem.live_count, 0);
}

static void drain_returns_each_once(void **state)
{
    static struct item items[ITEM_COUNT];
    struct rf_map map;
    struct rf_map_node *node;
    size_t count = 0;
    (void)state;
    rf_map_init(&map, rf_mem_system(), seed, item_key);
    for (uint32_t i = 0; i < ITEM_COUNT; i++) {
        items[i].key = i;
        assert_int_equal(rf_map_insert(&map, &items[i].node), 0);
    }
    while ((node = rf_map_drain(&map)) != NULL) {
        struct item *item = RF_CONTAINER(node, struct item, node);
        assert_int_equal(item->seen++, 0);
        assert_null(find(&map, item->key));
        if (++count == ITEM_COUNT / 2) /* one that comes in while draining is found as well */
            for (uint32_t i = 0; i < ITEM_COUNT; i++)
                if (items[i].seen == 1) {
                    items[i].seen = 0;
                    assert_int_equal(rf_map_insert(&map, &items[i].node), 0);
                    break;
                }
    }
    assert_int_equal(count, ITEM_COUNT + 1);
    assert_int_equal(map.count, 0);
    rf_map_deinit(&map);
}

static void order_depends_on_the_seed_only(void **state)
{
    static struct item first[100], second[100];
    static const uint64_t other_seed[2] = {1, 3};
    struct rf_map a, b;
    bool differs = false;
    (void)state;
    for (int round = 0; round < 2; round++) {
        rf_map_init(&a, rf_mem_system(), seed, item_key);
        rf_map_init(&b, rf_mem_system(), round == 0 ? seed : other_seed, item_key);
        for (uint32_t i = 0; i < 100; i++) {
            first[i].key = second[i].key = i;
            assert_int_equal(rf_map_insert(&a, &first[i].node), 0);
            assert_int_equal(rf_map_insert(&b, &second[i].node), 0);
        }
        struct rf_map_node *x = NULL, *y = NULL;
        while ((x = rf_map_next(&a, x)) != NULL) {
            y = rf_map_next(&b, y);
            bool same = RF_CONTAINER(x, struct item, node)->key == RF_CONTAINER(y, struct item, node)->key;
            if (round == 0)
                assert_true(same);
            differs |= !same;
        }
        rf_map_deinit(&a);
        rf_map_deinit(&b);
    }
    assert_true(differs);
}

static void refused_memory_keeps_the_map_whole(void **state)
{
    static struct item items[ITEM_COUNT];
    (void)state;
    for (size_t allowed = 0; allowed < 4; allowed++) {
        struct rf_mem_test mem;
        struct rf_map map;
        rf_mem_test_init(&mem);
        mem.allowed = allowed;
        rf_map_init(&map, &mem.mem, seed, item_key);
        for (uint32_t i = 0; i < ITEM_COUNT; i++) {
            items[i].key = i;
            assert_int_equal(rf_map_insert(&map, &items[i].node), allowed == 0 ? RF_ENOMEM : 0);
        }
        for (uint32_t i = 0; i < ITEM_COUNT; i++)
            assert_ptr_equal(find(&map, i), allowed == 0 ? NULL : &items[i]);
        rf_map_deinit(&map);
        assert_int_equal(mem.live_count, 0);
    }
}

static void bytes_are_interned(void **state)
{
    struct rf_mem_test mem;
    struct rf_intern intern;
    (void)state;
    rf_mem_test_init(&mem);
    rf_intern_init(&intern, &mem.mem, seed);
    struct rf_interned *a = rf_intern_get(&intern, rf_view_str("certificate"));
    size_t live = mem.live_count;
    struct rf_interned *b = rf_intern_get(&intern, rf_view_str("certificate"));
    struct rf_interned *other = rf_intern_get(&intern, rf_view_str("certificat"));
    struct rf_interned *nothing = rf_intern_get(&intern, rf_view_of(NULL, 0));
    assert_non_null(a);
    assert_ptr_equal(a, b);
    assert_ptr_not_equal(a, other);
    assert_true(rf_view_equal(rf_interned_view(a), rf_view_str("certificate")));
    assert_int_equal(nothing->len, 0);
    assert_int_equal(mem.live_count, live + 2);
    mem.allowed = 0; /* what is there needs no memory */
    assert_ptr_equal(rf_intern_get(&intern, rf_view_str("certificate")), a);
    assert_null(rf_intern_get(&intern, rf_view_str("new")));
    assert_false(rf_intern_put(&intern, a));
    assert_false(rf_intern_put(&intern, a));
    assert_true(rf_intern_put(&intern, a));
    assert_true(rf_intern_put(&intern, other));
    assert_true(rf_intern_put(&intern, nothing));
    assert_false(rf_intern_put(&intern, NULL));
    rf_intern_deinit(&intern);
    assert_int_equal(mem.live_count, 0);
}

int test_base_map(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(siphash_as_published),
        cmocka_unit_test(insert_find_remove),
        cmocka_unit_test(drain_returns_each_once),
        cmocka_unit_test(order_depends_on_the_seed_only),
        cmocka_unit_test(refused_memory_keeps_the_map_whole),
        cmocka_unit_test(bytes_are_interned),
    };
    return cmocka_run_group_tests_name("base/map", tests, NULL, NULL);
}
