/*
 * intern.h - rf_intern: byte strings that many keep and nobody changes, each once in memory, shared by counting references. For those who live in one
 * thread: nodes that play in one process keep copies of the same values.
 */
#ifndef RF_BASE_INTERN_H
#define RF_BASE_INTERN_H

#include "base/map.h"

struct rf_interned {
    struct rf_map_node node;
    uint32_t refs, len;
    uint8_t bytes[]; /* aligned to 8 */
};

struct rf_intern {
    struct rf_mem *mem; /* borrowed */
    struct rf_map map;
};

/* rf_intern_init prepares an empty one; `seed` as of a map. */
void rf_intern_init(struct rf_intern *intern, struct rf_mem *mem, const uint64_t seed[2]);
/* rf_intern_deinit: every reference must have been given back. */
void rf_intern_deinit(struct rf_intern *intern);
/* rf_intern_get gives one reference to bytes equal to these (copied if they are new). NULL: out of memory, or longer than 2^32 - 1. */
struct rf_interned *rf_intern_get(struct rf_intern *intern, struct rf_view bytes);
/* rf_intern_put gives a reference back; true: it was the last one, the bytes are gone. NULL is allowed. */
bool rf_intern_put(struct rf_intern *intern, struct rf_interned *interned);
static inline struct rf_view rf_interned_view(const struct rf_interned *interned)
{
    return rf_view_of(interned->bytes, interned->len);
}

#endif
