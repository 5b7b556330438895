/* cache.c - certificates already checked, least recently used first to go. */
#include "ident/trust.h"

static struct rf_view entry_key(const struct rf_map_node *node)
{
    const struct cert_cache_entry *entry =
        (const struct cert_cache_entry *)((const char *)node - offsetof(struct cert_cache_entry, node));

    return rf_view_of(entry->cert->sha256, RF_SHA256_LEN);
}

static struct rf_view alias_key(const struct rf_map_node *node)
{
    const struct cert_cache_alias *alias =
        (const struct cert_cache_alias *)((const char *)node - offsetof(struct cert_cache_alias, node));

    return rf_view_of(alias->hash, RF_SHA256_LEN);
}

void cert_cache_init(struct cert_cache *cache, struct rf_mem *mem, const uint64_t seed[2], size_t limit)
{
    cache->mem = mem;
    cache->limit = limit;
    rf_map_init(&cache->by_hash, mem, seed, entry_key);
    rf_map_init(&cache->by_alias, mem, seed, alias_key);
    rf_list_init(&cache->lru);
}

/* entry_free frees what hangs on an entry that is in no table any more. */
static void entry_free(struct cert_cache *cache, struct cert_cache_entry *entry)
{
    rf_cert_release(entry->cert);
    rf_free(cache->mem, entry->aliases);
    rf_free(cache->mem, entry);
}

static void entry_drop(struct cert_cache *cache, struct cert_cache_entry *entry)
{
    for (size_t i = 0; entry->aliases != NULL && i < entry->cert->node_id_count; i++)
        rf_map_remove(&cache->by_alias, &entry->aliases[i].node);
    rf_map_remove(&cache->by_hash, &entry->node);
    rf_list_remove(&entry->lru);
    entry_free(cache, entry);
}

void cert_cache_clear(struct cert_cache *cache)
{
    while (!rf_list_empty(&cache->lru))
        entry_drop(cache, RF_LIST_ENTRY(cache->lru.next, struct cert_cache_entry, lru));
}

void cert_cache_deinit(struct cert_cache *cache)
{
    cert_cache_clear(cache);
    rf_map_deinit(&cache->by_hash);
    rf_map_deinit(&cache->by_alias);
}

static void touch(struct cert_cache *cache, struct cert_cache_entry *entry)
{
    rf_list_remove(&entry->lru);
    rf_list_push_front(&cache->lru, &entry->lru);
}

struct cert_cache_entry *cert_cache_find(struct cert_cache *cache, const uint8_t sha256[RF_SHA256_LEN])
{
    struct rf_map_node *node = rf_map_find(&cache->by_hash, rf_view_of(sha256, RF_SHA256_LEN));
    struct cert_cache_entry *entry;

    if (node == NULL)
        return NULL;
    entry = RF_CONTAINER(node, struct cert_cache_entry, node);
    touch(cache, entry);
    return entry;
}

struct cert_cache_alias *cert_cache_find_alias(struct cert_cache *cache, const uint8_t hash[RF_SHA256_LEN])
{
    struct rf_map_node *node = rf_map_find(&cache->by_alias, rf_view_of(hash, RF_SHA256_LEN));
    struct cert_cache_alias *alias;

    if (node == NULL)
        return NULL;
    alias = RF_CONTAINER(node, struct cert_cache_alias, node);
    touch(cache, alias->entry);
    return alias;
}

/* put_aliases names a certificate by each of its Node-IDs. On an error none of the names stays. */
static int put_aliases(struct cert_cache *cache, struct cert_cache_entry *entry)
{
    size_t count = entry->cert->node_id_count, done = 0;
    int r = 0;

    if (count < 2)
        return 0;
    if ((entry->aliases = rf_zalloc(cache->mem, count * sizeof(*entry->aliases))) == NULL)
        return RF_ENOMEM;
    for (; done < count && r == 0; done++) {
        struct cert_cache_alias *alias = &entry->aliases[done];

        alias->entry = entry;
        alias->node_id = entry->cert->node_ids[done];
        r = cert_node_hash(entry->cert, &alias->node_id, alias->hash);
        if (r == 0)
            r = rf_map_insert(&cache->by_alias, &alias->node);
    }
    if (r == 0)
        return 0;
    for (size_t i = 0; i + 1 < done; i++) /* the last one tried is not in */
        rf_map_remove(&cache->by_alias, &entry->aliases[i].node);
    return r;
}

void cert_cache_put(struct cert_cache *cache, struct rf_cert *cert, uint64_t from_ms, uint64_t until_ms)
{
    struct cert_cache_entry *entry = cert_cache_find(cache, cert->sha256);

    if (entry != NULL)
        entry_drop(cache, entry);
    if (cache->limit == 0 || (entry = rf_zalloc(cache->mem, sizeof(*entry))) == NULL)
        return;
    entry->cert = rf_cert_hold(cert);
    entry->from_ms = from_ms;
    entry->until_ms = until_ms;
    rf_list_init(&entry->lru);
    if (put_aliases(cache, entry) != 0) {
        entry_free(cache, entry);
        return;
    }
    if (rf_map_insert(&cache->by_hash, &entry->node) != 0) {
        for (size_t i = 0; entry->aliases != NULL && i < cert->node_id_count; i++)
            rf_map_remove(&cache->by_alias, &entry->aliases[i].node);
        entry_free(cache, entry);
        return;
    }
    rf_list_push_front(&cache->lru, &entry->lru);
    if (cache->by_hash.count > cache->limit)
        entry_drop(cache, RF_LIST_ENTRY(cache->lru.prev, struct cert_cache_entry, lru));
}
