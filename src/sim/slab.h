/*
 * slab.h - an allocator for the many small blocks of many nodes: blocks of one size stand side by side without heads between them. One for each
 * shard: no locks, so that only the shard's thread may use it while shards run.
 *
 *     chunk (a block of the allocator below)
 *     |  page, aligned to SLAB_PAGE_LEN                       |  page ...
 *     |  struct slab_page | block | block | ... of one size   |
 *
 * A block's page is found by its address. Blocks larger than SLAB_MAX_LEN have a chunk of their own, behind a page's head. Memory goes back
 * to the allocator below at the end only (that of large ones: when they are freed); an empty page serves any size.
 */
#ifndef RF_SIM_SLAB_H
#define RF_SIM_SLAB_H

#include <stdint.h>
#include "base/mem.h"

#define SLAB_PAGE_LEN    ((size_t)1 << 17)
#define SLAB_CHUNK_PAGES 32
#define SLAB_MAX_LEN     ((size_t)1 << 15)
#define SLAB_ALIGN       8 /* nothing of ours needs more */
#define SLAB_FINE_LEN                                                                                        \
    4096 /* up to there the sizes are multiples of SLAB_ALIGN, then there are eight to each doubling */
#define SLAB_SIZES (SLAB_FINE_LEN / SLAB_ALIGN + 3 * 8)

struct slab_page;
struct sim_slab {
    struct rf_mem mem;                    /* what its users are given */
    struct rf_mem *under;                 /* borrowed */
    struct slab_page *partly[SLAB_SIZES]; /* pages with room, by size */
    struct slab_page *empty;
    void **chunks; /* owned */
    size_t chunk_count, chunk_cap;
    uint8_t *fresh; /* pages of the newest chunk that were never used */
    size_t fresh_count;
    size_t live_count; /* blocks */
};

/* sim_slab_init prepares an empty one; `slab` must not move afterwards. */
void sim_slab_init(struct sim_slab *slab, struct rf_mem *under);
/* sim_slab_deinit gives all memory back; returns how many blocks were never freed (they are gone, too). */
size_t sim_slab_deinit(struct sim_slab *slab);
/* sim_slab_size: what the block, which is of some slab, takes; bytes. */
size_t sim_slab_size(const void *block);

#endif
