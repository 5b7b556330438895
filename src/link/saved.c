/* saved.c - sessions that may be resumed. */
#include "link/saved.h"

struct saved {
    struct rf_map_node node;
    struct rf_list lru;
    uint8_t *key; /* owned */
    size_t key_len;
    uint8_t *data; /* owned, secret */
    size_t data_len;
};

static struct rf_view saved_key(const struct rf_map_node *node)
{
    const struct saved *saved = RF_CONTAINER(node, struct saved, node);
    return rf_view_of(saved->key, saved->key_len);
}

void saved_init(struct saved_set *set, struct rf_mem *mem, const uint64_t seed[2], size_t max)
{
    set->mem = mem;
    set->max = max;
    rf_map_init(&set->map, mem, seed, saved_key);
    rf_list_init(&set->lru);
}

static void saved_free(struct saved_set *set, struct saved *saved)
{
    rf_free_secret(set->mem, saved->data, saved->data_len);
    rf_free(set->mem, saved->key);
    rf_free(set->mem, saved);
}

static void drop(struct saved_set *set, struct saved *saved)
{
    rf_map_remove(&set->map, &saved->node);
    rf_list_remove(&saved->lru);
    saved_free(set, saved);
}

static struct saved *find(const struct saved_set *set, struct rf_view key)
{
    struct rf_map_node *node = rf_map_find(&set->map, key);
    return node ? RF_CONTAINER(node, struct saved, node) : NULL;
}

void saved_drop_all(struct saved_set *set)
{
    while (!rf_list_empty(&set->lru))
        drop(set, RF_LIST_ENTRY(set->lru.next, struct saved, lru));
}

void saved_deinit(struct saved_set *set)
{
    saved_drop_all(set);
    rf_map_deinit(&set->map);
}

struct rf_view saved_find(struct saved_set *set, struct rf_view key)
{
    struct saved *saved = find(set, key);

    if (!saved)
        return rf_view_of(NULL, 0);
    rf_list_remove(&saved->lru);
    rf_list_push_front(&set->lru, &saved->lru);
    return rf_view_of(saved->data, saved->data_len);
}

void saved_put(struct saved_set *set, struct rf_view key, struct rf_view data)
{
    struct saved *saved;

    saved_drop(set, key);
    if (data.len == 0 || data.len > SAVED_MAX_LEN)
        return;
    if (set->map.count >= set->max)
        drop(set, RF_LIST_ENTRY(set->lru.prev, struct saved, lru));
    saved = rf_zalloc(set->mem, sizeof *saved);
    if (!saved)
        return;
    rf_list_init(&saved->lru);
    saved->key = rf_memdup(set->mem, key.p, key.len);
    saved->key_len = key.len;
    saved->data = rf_memdup(set->mem, data.p, data.len);
    saved->data_len = saved->data ? data.len : 0;
    if (!saved->key || !saved->data || rf_map_insert(&set->map, &saved->node)) {
        saved_free(set, saved);
        return;
    }
    rf_list_push_front(&set->lru, &saved->lru);
}

void saved_drop(struct saved_set *set, struct rf_view key)
{
    struct saved *saved = find(set, key);

    if (saved)
        drop(set, saved);
}
