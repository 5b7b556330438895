/* intern.c - see intern.h. */
#include "base/intern.h"

#include "base/assert.h"

static struct rf_view bytes_of(const struct rf_map_node *node)
{
    return rf_interned_view(RF_CONTAINER(node, struct rf_interned, node));
}

void rf_intern_init(struct rf_intern *intern, struct rf_mem *mem, const uint64_t seed[2])
{
    intern->mem = mem;
    rf_map_init(&intern->map, mem, seed, bytes_of);
}

void rf_intern_deinit(struct rf_intern *intern)
{
    RF_ASSERT(intern->map.count == 0);
    rf_map_deinit(&intern->map);
}

struct rf_interned *rf_intern_get(struct rf_intern *intern, struct rf_view bytes)
{
    struct rf_map_node *found = rf_map_find(&intern->map, bytes);
    struct rf_interned *fresh;

    if (found != NULL) {
        struct rf_interned *known = RF_CONTAINER(found, struct rf_interned, node);

        known->refs++;
        return known;
    }
    if (bytes.len > UINT32_MAX || (fresh = rf_alloc(intern->mem, sizeof(*fresh) + bytes.len)) == NULL)
        return NULL;
    fresh->refs = 1;
    fresh->len = (uint32_t)bytes.len;
    if (bytes.len > 0)
        memcpy(fresh->bytes, bytes.p, bytes.len);
    if (rf_map_insert(&intern->map, &fresh->node) == 0)
        return fresh;
    rf_free(intern->mem, fresh);
    return NULL;
}

bool rf_intern_put(struct rf_intern *intern, struct rf_interned *interned)
{
    if (interned == NULL || --interned->refs > 0)
        return false;
    rf_map_remove(&intern->map, &interned->node);
    rf_free(intern->mem, interned);
    return true;
}
