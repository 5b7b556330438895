/*
 * store_pull.c - a new home looks at the former one first. A peer that has just joined is responsible at once, but the handover of what
 * it is responsible for may still be under way (5.5). For STORE_SETTLE_US after joining, the first request about a place therefore waits
 * until our successor, the former home, was asked what it has there; what is newer than ours is taken over. So nobody is told that his data
 * do not exist, and an array goes on at its end instead of at 0.
 *
 * States of a pull: ASKING (one Kind after another) -> the request runs as if it had just come. An answer that fails counts as nothing there.
 */
#include "base/error.h"
#include "overlay/store_internal.h"

#define STORE_SETTLE_US (30 * RF_US_PER_S)
#define PULLS_MAX       256  /* at once; beyond them requests do not wait */
#define PULLED_MAX      8192 /* places remembered */

struct store_pull {
    struct rf_list list; /* in store->pulls */
    struct rf_store *store;
    struct rf_request *request; /* deferred */
    void (*again)(struct rf_store *store, struct rf_request *request);
    struct rf_id resource, from;
    uint32_t kinds[8];
    size_t kind_count, next;
};

struct pulled {
    struct rf_map_node node;
    uint8_t len;
    uint8_t key[4 + RF_ID_MAX_LEN];
};

static struct rf_view pulled_key(const struct rf_map_node *node)
{
    const struct pulled *pulled = RF_CONTAINER(node, struct pulled, node);
    return rf_view_of(pulled->key, pulled->len);
}

static void make_key(struct pulled *out, const struct rf_id *resource, uint32_t kind)
{
    for (int i = 0; i < 4; i++)
        out->key[i] = (uint8_t)(kind >> (24 - 8 * i));
    memcpy(out->key + 4, resource->b, resource->len);
    out->len = (uint8_t)(4 + resource->len);
}

static bool was_pulled(const struct rf_store *store, const struct rf_id *resource, uint32_t kind)
{
    struct pulled key;
    make_key(&key, resource, kind);
    return rf_map_find(&store->pulled, rf_view_of(key.key, key.len)) != NULL;
}

static void mark_pulled(struct rf_store *store, const struct rf_id *resource, uint32_t kind)
{
    struct pulled *fresh =
        store->pulled.count < PULLED_MAX ? rf_zalloc(store->env.mem, sizeof(*fresh)) : NULL;
    if (fresh == NULL)
        return;
    make_key(fresh, resource, kind);
    if (rf_map_insert(&store->pulled, &fresh->node) != 0)
        rf_free(store->env.mem, fresh);
}

static void forget_pulled(struct rf_store *store)
{
    struct rf_map_node *node;
    while ((node = rf_map_drain(&store->pulled)) != NULL)
        rf_free(store->env.mem, RF_CONTAINER(node, struct pulled, node));
}

static void pull_next(struct store_pull *pull);

static void on_fetched(void *arg, const struct rf_fetch_result *result)
{
    struct store_pull *pull = arg;
    struct rf_store *store = pull->store;
    if (store->freeing || result->error == RF_ECANCELLED) {
        rf_overlay_drop(store->overlay, pull->request);
        rf_list_remove(&pull->list);
        rf_free(store->env.mem, pull);
        return;
    }
    mark_pulled(store, &pull->resource, pull->kinds[pull->next++]);
    pull_next(pull);
}

static int ask(struct store_pull *pull)
{
    struct store_fetch_spec spec = {
        .resource = pull->resource,
        .kind = pull->kinds[pull->next],
        .to_node = true,
        .node = pull->from,
        .max_transmissions = 2,
        .merge = true,
        .done = on_fetched,
        .arg = pull,
    };
    return store_fetch_start(pull->store, &spec);
}

static void pull_next(struct store_pull *pull)
{
    struct rf_store *store = pull->store;
    while (pull->next < pull->kind_count) {
        if (was_pulled(store, &pull->resource, pull->kinds[pull->next])) {
            pull->next++;
            continue;
        }
        if (ask(pull) == 0)
            return;
        mark_pulled(store, &pull->resource, pull->kinds[pull->next++]);
    }
    struct rf_request *request = pull->request;
    void (*again)(struct rf_store *, struct rf_request *) = pull->again;
    rf_list_remove(&pull->list);
    rf_free(store->env.mem, pull);
    again(store, request);
}

static size_t pulls_count(const struct rf_store *store)
{
    size_t count = 0;
    RF_LIST_EACH(&store->pulls, it)
    {
        count++;
    }
    return count;
}

bool store_pull_first(struct rf_store *store, struct rf_request *request, const struct rf_id *resource,
                      const uint32_t *kinds, size_t kind_count,
                      void (*again)(struct rf_store *store, struct rf_request *request))
{
    if (store->env.now->mono_us >= store->sync.settle_until_us) {
        if (store->pulled.count > 0)
            forget_pulled(store);
        return false;
    }
    struct rf_id from;
    size_t todo = 0;
    for (size_t i = 0; i < kind_count; i++)
        todo += !was_pulled(store, resource, kinds[i]) && rf_conf_kind(store->conf, kinds[i]) != NULL;
    if (todo == 0 || kind_count > RF_COUNT(((struct store_pull *)NULL)->kinds) ||
        pulls_count(store) >= PULLS_MAX || store_successors(store, &from, 1) == 0)
        return false;
    struct store_pull *pull = rf_zalloc(store->env.mem, sizeof(*pull));
    if (pull == NULL)
        return false;
    pull->store = store;
    pull->again = again;
    pull->resource = *resource;
    pull->from = from;
    for (size_t i = 0; i < kind_count; i++)
        if (rf_conf_kind(store->conf, kinds[i]) != NULL)
            pull->kinds[pull->kind_count++] = kinds[i];
    pull->request = rf_overlay_defer(store->overlay, request);
    if (pull->request == NULL) { /* refused already */
        rf_free(store->env.mem, pull);
        return true;
    }
    rf_list_push_back(&store->pulls, &pull->list);
    pull_next(pull);
    return true;
}

void rf_store_joined(struct rf_store *store)
{
    forget_pulled(store);
    store->sync.settle_until_us = store_single(store) ? 0 : store->env.now->mono_us + STORE_SETTLE_US;
    store_sync_ring_changed(store);
    store_writes_retry(store);
}

void store_pulls_init(struct rf_store *store)
{
    rf_list_init(&store->pulls);
    rf_map_init(&store->pulled, store->env.mem, store->env.seed, pulled_key);
}

void store_pulls_deinit(struct rf_store *store)
{
    RF_ASSERT(rf_list_empty(&store->pulls)); /* their fetches were cancelled */
    forget_pulled(store);
    rf_map_deinit(&store->pulled);
}
