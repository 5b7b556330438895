/*
 * saved.h - sessions that may be resumed: bytes under a key, the least recently used go first. A client keeps one per peer, a DTLS server
 * one per session ID.
 */
#ifndef RF_LINK_SAVED_H
#define RF_LINK_SAVED_H

#include "base/list.h"
#include "base/map.h"

#define SAVED_MAX_LEN 16384 /* bytes of one */

struct saved_set {
    struct rf_mem *mem;
    struct rf_map map;
    struct rf_list lru; /* newest first */
    size_t max;
};

/* saved_init prepares an empty set of at most `max`; seed keys its hash table. saved_deinit frees all, wiped. */
void saved_init(struct saved_set *set, struct rf_mem *mem, const uint64_t seed[2], size_t max);
void saved_deinit(struct saved_set *set);
/* saved_find gives the bytes under `key`, borrowed until the set changes, len 0: none. It counts as a use. */
struct rf_view saved_find(struct saved_set *set, struct rf_view key);
/* saved_put keeps a copy, in the place of what stood under that key. Out of memory, or too long: nothing stands there then. */
void saved_put(struct saved_set *set, struct rf_view key, struct rf_view data);
void saved_drop(struct saved_set *set, struct rf_view key);
void saved_drop_all(struct saved_set *set);

#endif
