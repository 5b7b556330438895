/*
 * map.h - rf_map: hash table with intrusive nodes and keyed hashing (outsiders choose the keys).
 * The map owns its bucket array only. Iteration order is stable for a given seed and history.
 */
#ifndef RF_BASE_MAP_H
#define RF_BASE_MAP_H

#include "base/mem.h"
#include "base/view.h"

struct rf_map_node {
    struct rf_map_node *next;
    uint64_t hash;
};

struct rf_map {
    struct rf_mem *mem;
    struct rf_map_node **buckets;
    size_t bucket_count; /* 0 or a power of two */
    size_t count;
    size_t first; /* no bucket before this one holds a node */
    uint64_t seed[2];
    struct rf_view (*key)(const struct rf_map_node *node); /* the node's key bytes */
};

/* rf_map_init prepares an empty map; `seed` are 16 bytes that keep the bucket order unguessable; `key` reads
 * a node's key. */
void rf_map_init(struct rf_map *map, struct rf_mem *mem, const uint64_t seed[2],
                 struct rf_view (*key)(const struct rf_map_node *node));
/* rf_map_deinit frees the buckets, not the nodes. */
void rf_map_deinit(struct rf_map *map);
/* rf_map_find returns the node with that key, or NULL. */
struct rf_map_node *rf_map_find(const struct rf_map *map, struct rf_view key);
/*
 * rf_map_insert puts a node in, borrowed until it is removed; its key must not change while it is in.
 * Errors: RF_EEXIST the key is there already, RF_ENOMEM (only for the first node: later the chains just get
 * longer).
 */
int rf_map_insert(struct rf_map *map, struct rf_map_node *node);
/* rf_map_remove takes a node out that is in. */
void rf_map_remove(struct rf_map *map, struct rf_map_node *node);
/* rf_map_next iterates: NULL starts, NULL ends. Removing the node just returned is allowed only through
 * rf_map_drain. */
struct rf_map_node *rf_map_next(const struct rf_map *map, const struct rf_map_node *node);
/* rf_map_drain removes and returns any node, NULL when empty. */
struct rf_map_node *rf_map_drain(struct rf_map *map);

/* rf_hash64 is SipHash-2-4 of the bytes. */
uint64_t rf_hash64(const uint64_t seed[2], struct rf_view bytes);

#endif
