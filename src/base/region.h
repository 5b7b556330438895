/* region.h - rf_region: many small allocations that are freed at once. A decoded message lives in one. */
#ifndef RF_BASE_REGION_H
#define RF_BASE_REGION_H

#include "base/mem.h"
#include "base/view.h"

struct rf_region_chunk;
struct rf_region {
    struct rf_mem *mem; /* borrowed */
    struct rf_region_chunk *chunks;
    size_t used_len; /* bytes handed out */
    size_t max_len;  /* hard limit */
};

/* rf_region_init prepares an empty region that hands out at most `max_len` bytes. Nothing is allocated yet.
 */
void rf_region_init(struct rf_region *region, struct rf_mem *mem, size_t max_len);
void rf_region_deinit(struct rf_region *region);
/* rf_region_reset frees all but keeps one chunk for reuse. */
void rf_region_reset(struct rf_region *region);
/* rf_region_alloc returns zeroed memory aligned for any type, or NULL (memory or limit); size 0 gives a valid
 * pointer. */
void *rf_region_alloc(struct rf_region *region, size_t size);
/* rf_region_array is rf_region_alloc of count * size with an overflow check. */
void *rf_region_array(struct rf_region *region, size_t count, size_t size);
/* rf_region_copy copies bytes; the result's p is NULL when refused and v.len > 0. */
struct rf_view rf_region_copy(struct rf_region *region, struct rf_view v);

#endif
