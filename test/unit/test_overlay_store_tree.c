/* test_overlay_store_tree.c - the ordered tree against a plain array, under many random insertions and removals. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include "base/assert.h"
#include "base/error.h"
#include "base/rng.h"
#include "overlay/store_tree.h"

struct item {
    struct store_tree_node node;
    uint8_t key[4];
    size_t len;
    bool in;
};
#define ITEMS 400
static struct item items[ITEMS]; /* in the order of their keys */

static struct rf_view key_of(const struct store_tree_node *node)
{
    const struct item *item = RF_CONTAINER(node, struct item, node);
    return rf_view_of(item->key, item->len);
}

static const struct store_tree_class class = {key_of};

static void make_items(void)
{
    /* 00, 00 00, 00 01, 01, 01 00 ...: a prefix stands before what it begins */
    for (size_t i = 0; i < ITEMS; i++) {
        items[i] = (struct item){.len = i % 4 == 0 ? 1 : 2};
        items[i].key[0] = (uint8_t)(i / 4);
        items[i].key[1] = (uint8_t)(i % 4 == 0 ? 0 : i % 4 - 1);
    }
}

static size_t depth(const struct store_tree_node *n)
{
    if (n == NULL)
        return 0;
    assert_true(n->left == NULL ||
                (n->left->up == n && store_tree_priority(n->left) <= store_tree_priority(n)));
    assert_true(n->right == NULL ||
                (n->right->up == n && store_tree_priority(n->right) <= store_tree_priority(n)));
    size_t a = depth(n->left), b = depth(n->right);
    return 1 + (a > b ? a : b);
}

static struct store_tree_node *nth_in(size_t from, int step)
{
    for (size_t i = from; i < ITEMS; i = (size_t)((long)i + step))
        if (items[i].in)
            return &items[i].node;
    return NULL;
}

static void check(const struct store_tree *tree)
{
    size_t count = 0;
    struct store_tree_node *n = store_tree_first(tree);
    for (size_t i = 0; i < ITEMS; i++) {
        struct rf_view key = rf_view_of(items[i].key, items[i].len);
        assert_ptr_equal(store_tree_find(tree, &class, key), items[i].in ? &items[i].node : NULL);
        assert_ptr_equal(store_tree_at_least(tree, &class, key), nth_in(i, 1));
        assert_ptr_equal(store_tree_before(tree, &class, key), i == 0 ? NULL : nth_in(i - 1, -1));
        if (!items[i].in)
            continue;
        count++;
        assert_ptr_equal(n, &items[i].node);
        assert_ptr_equal(store_tree_prev(n), i == 0 ? NULL : nth_in(i - 1, -1));
        n = store_tree_next(n);
    }
    assert_null(n);
    assert_int_equal(tree->count, count);
    assert_ptr_equal(store_tree_last(tree), nth_in(ITEMS - 1, -1));
}

static void test_random(void **state)
{
    (void)state;
    struct store_tree tree = {.root = NULL};
    struct rf_rng_seeded rng;
    rf_rng_seeded_init(&rng, 7);
    make_items();
    check(&tree);
    for (int round = 0; round < 3000; round++) {
        struct item *item = &items[rf_rng_below(&rng.rng, ITEMS)];
        bool insert = rf_rng_below(&rng.rng, 3000) > (uint64_t)round / 2; /* grows, then shrinks */
        if (insert) {
            struct item twin = *item;
            assert_int_equal(store_tree_insert(&tree, &class, item->in ? &twin.node : &item->node),
                             item->in ? RF_EEXIST : 0);
            item->in = true;
        } else if (item->in) {
            store_tree_remove(&tree, &item->node);
            item->in = false;
        }
        if (round % 100 == 0)
            check(&tree);
    }
    check(&tree);
    while (tree.root != NULL) {
        struct item *item = RF_CONTAINER(tree.root, struct item, node);
        store_tree_remove(&tree, &item->node);
        item->in = false;
    }
    check(&tree);
}

static void test_not_deep(void **state)
{
    (void)state;
    struct store_tree tree = {.root = NULL};
    make_items();
    for (size_t i = 0; i < ITEMS; i++) /* ascending: a plain tree would become a list */
        assert_int_equal(store_tree_insert(&tree, &class, &items[i].node), 0);
    assert_true(depth(tree.root) < 40);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_not_deep),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
