/* map.c - the hash table with intrusive nodes, and SipHash-2-4. */
#include "base/map.h"

#include "base/assert.h"
#include "base/error.h"

#define MAP_FIRST_BUCKET_COUNT ((size_t)2) /* most maps of an idle node hold one or two */

void rf_map_init(struct rf_map *map, struct rf_mem *mem, const uint64_t seed[2],
                 struct rf_view (*key)(const struct rf_map_node *node))
{
    *map = (struct rf_map){.mem = mem, .seed = {seed[0], seed[1]}, .key = key};
}

void rf_map_deinit(struct rf_map *map)
{
    rf_free(map->mem, map->buckets);
    map->buckets = NULL;
    map->bucket_count = map->count = map->first = 0;
}

static size_t bucket_of(const struct rf_map *map, uint64_t hash)
{
    return (size_t)hash & (map->bucket_count - 1);
}

static struct rf_map_node *find_hashed(const struct rf_map *map, uint64_t hash, struct rf_view key)
{
    if (map->bucket_count == 0)
        return NULL;
    for (struct rf_map_node *n = map->buckets[bucket_of(map, hash)]; n != NULL; n = n->next)
        if (n->hash == hash && rf_view_equal(map->key(n), key))
            return n;
    return NULL;
}

struct rf_map_node *rf_map_find(const struct rf_map *map, struct rf_view key)
{
    return map->count == 0 ? NULL : find_hashed(map, rf_hash64(map->seed, key), key);
}

/* grow doubles the buckets. Refused memory matters only when there are none yet: else the chains get longer.
 */
static int grow(struct rf_map *map)
{
    size_t old_count = map->bucket_count;
    size_t count = old_count == 0 ? MAP_FIRST_BUCKET_COUNT : old_count * 2;
    struct rf_map_node **old = map->buckets;
    if (count > SIZE_MAX / sizeof *old)
        return 0;
    struct rf_map_node **buckets = rf_zalloc(map->mem, count * sizeof *buckets);
    if (buckets == NULL)
        return old_count == 0 ? RF_ENOMEM : 0;
    map->buckets = buckets;
    map->bucket_count = count;
    map->first = 0;
    for (size_t i = 0; i < old_count; i++) {
        for (struct rf_map_node *n = old[i], *next; n != NULL; n = next) {
            size_t b = bucket_of(map, n->hash);
            next = n->next;
            n->next = buckets[b];
            buckets[b] = n;
        }
    }
    rf_free(map->mem, old);
    return 0;
}

int rf_map_insert(struct rf_map *map, struct rf_map_node *node)
{
    struct rf_view key = map->key(node);
    uint64_t hash = rf_hash64(map->seed, key);
    if (find_hashed(map, hash, key) != NULL)
        return RF_EEXIST;
    if (map->count >= map->bucket_count && grow(map) != 0)
        return RF_ENOMEM;
    size_t b = bucket_of(map, hash);
    node->hash = hash;
    node->next = map->buckets[b];
    map->buckets[b] = node;
    map->count++;
    if (b < map->first)
        map->first = b;
    return 0;
}

void rf_map_remove(struct rf_map *map, struct rf_map_node *node)
{
    RF_ASSERT(map->count > 0);
    struct rf_map_node **at = &map->buckets[bucket_of(map, node->hash)];
    while (*at != node) {
        RF_ASSERT(*at != NULL);
        at = &(*at)->next;
    }
    *at = node->next;
    node->next = NULL;
    map->count--;
}

struct rf_map_node *rf_map_next(const struct rf_map *map, const struct rf_map_node *node)
{
    size_t b = map->first;
    if (map->count == 0)
        return NULL;
    if (node != NULL) {
        if (node->next != NULL)
            return node->next;
        b = bucket_of(map, node->hash) + 1;
    }
    for (; b < map->bucket_count; b++)
        if (map->buckets[b] != NULL)
            return map->buckets[b];
    return NULL;
}

struct rf_map_node *rf_map_drain(struct rf_map *map)
{
    struct rf_map_node *node = rf_map_next(map, NULL);
    if (node == NULL)
        return NULL;
    map->first = bucket_of(map, node->hash); /* all before it are empty: draining stays linear */
    map->buckets[map->first] = node->next;
    node->next = NULL;
    map->count--;
    return node;
}

static uint64_t rotl(uint64_t v, int bits)
{
    return v << bits | v >> (64 - bits);
}

static void sip_rounds(uint64_t v[4], int count)
{
    while (count-- > 0) {
        v[0] += v[1];
        v[1] = rotl(v[1], 13) ^ v[0];
        v[0] = rotl(v[0], 32);
        v[2] += v[3];
        v[3] = rotl(v[3], 16) ^ v[2];
        v[0] += v[3];
        v[3] = rotl(v[3], 21) ^ v[0];
        v[2] += v[1];
        v[1] = rotl(v[1], 17) ^ v[2];
        v[2] = rotl(v[2], 32);
    }
}

static uint64_t read_le(const uint8_t *p, size_t len)
{
    uint64_t v = 0;
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    if (len == 8) {
        memcpy(&v, p, 8);
        return v;
    }
#endif
    while (len-- > 0)
        v = v << 8 | p[len];
    return v;
}

/* Aumasson and Bernstein, "SipHash: a fast short-input PRF" */
uint64_t rf_hash64(const uint64_t seed[2], struct rf_view bytes)
{
    uint64_t v[4] = {seed[0] ^ 0x736f6d6570736575, seed[1] ^ 0x646f72616e646f6d, seed[0] ^ 0x6c7967656e657261,
                     seed[1] ^ 0x7465646279746573};
    size_t rest = bytes.len;
    const uint8_t *p = bytes.p;
    for (; rest >= 8; rest -= 8, p += 8) {
        uint64_t m = read_le(p, 8);
        v[3] ^= m;
        sip_rounds(v, 2);
        v[0] ^= m;
    }
    uint64_t last = (uint64_t)bytes.len << 56 | read_le(p, rest);
    v[3] ^= last;
    sip_rounds(v, 2);
    v[0] ^= last;
    v[2] ^= 0xff;
    sip_rounds(v, 4);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}
