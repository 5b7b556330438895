/* store_seen.c - rollback detection for readers: the newest storage_time seen at each place, of the places read last (4.4). */
#include "base/error.h"
#include "overlay/store_internal.h"

struct seen {
    struct rf_map_node node;
    struct rf_list order;
    uint64_t storage_time_ms;
    uint64_t key[2]; /* of the place, by two keyed hashes: nobody outside can make two places one */
};

static struct rf_view seen_key(const struct rf_map_node *node)
{
    const struct seen *seen = RF_CONTAINER(node, struct seen, node);
    return rf_view_of(seen->key, sizeof(seen->key));
}

static struct store_seen *seen_new(struct rf_store *store)
{
    struct store_seen *all = rf_zalloc(store->env->mem, sizeof(*all));
    if (all == NULL)
        return NULL;
    rf_map_init(&all->map, store->env->mem, store->env->seed, seen_key);
    rf_list_init(&all->order);
    return all;
}

void store_seen_deinit(struct rf_store *store)
{
    struct rf_map_node *node;
    if (store->seen == NULL)
        return;
    while ((node = rf_map_drain(&store->seen->map)) != NULL)
        rf_free(store->env->mem, RF_CONTAINER(node, struct seen, node));
    rf_map_deinit(&store->seen->map);
    rf_free(store->env->mem, store->seen);
}

static int place(struct rf_store *store, const struct rf_id *resource, uint32_t kind, struct rf_view slot,
                 uint64_t out[2])
{
    struct rf_buf buf;
    rf_buf_init(&buf, store->env->mem, RF_ID_MAX_LEN + 4 + UINT16_MAX);
    rf_buf_u32(&buf, kind);
    rf_buf_view_put(&buf, rf_id_view(resource));
    rf_buf_view_put(&buf, slot);
    uint64_t other[2] = {store->env->seed[0] ^ 0x5eed, store->env->seed[1]};
    out[0] = rf_hash64(store->env->seed, rf_buf_view(&buf));
    out[1] = rf_hash64(other, rf_buf_view(&buf));
    int error = rf_buf_error(&buf);
    rf_buf_deinit(&buf);
    return error;
}

bool store_seen_older(struct rf_store *store, const struct rf_id *resource, uint32_t kind,
                      struct rf_view slot, uint64_t storage_time_ms)
{
    uint64_t key[2];
    if (store->seen == NULL)
        store->seen = seen_new(store);
    struct store_seen *all = store->seen;
    if (all == NULL || place(store, resource, kind, slot, key) != 0)
        return false;
    struct rf_map_node *node = rf_map_find(&all->map, rf_view_of(key, sizeof(key)));
    if (node != NULL) {
        struct seen *seen = RF_CONTAINER(node, struct seen, node);
        rf_list_remove(&seen->order);
        rf_list_push_front(&all->order, &seen->order);
        bool older = storage_time_ms < seen->storage_time_ms;
        if (!older)
            seen->storage_time_ms = storage_time_ms;
        return older;
    }
    if (all->count == STORE_SEEN_MAX) {
        struct seen *oldest = RF_LIST_ENTRY(all->order.prev, struct seen, order);
        rf_list_remove(&oldest->order);
        rf_map_remove(&all->map, &oldest->node);
        rf_free(store->env->mem, oldest);
        all->count--;
    }
    struct seen *seen = rf_zalloc(store->env->mem, sizeof(*seen));
    if (seen == NULL)
        return false;
    seen->key[0] = key[0];
    seen->key[1] = key[1];
    seen->storage_time_ms = storage_time_ms;
    if (rf_map_insert(&all->map, &seen->node) != 0) {
        rf_free(store->env->mem, seen);
        return false;
    }
    rf_list_push_front(&all->order, &seen->order);
    all->count++;
    return false;
}
