/* region.c - chunks of memory handed out piece by piece. Under ASan the gaps between pieces are poisoned. */
#include "base/region.h"

#include <stdint.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define REGION_ASAN 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(REGION_ASAN)
#include <sanitizer/asan_interface.h>
#define POISON(p, len)   ASAN_POISON_MEMORY_REGION(p, len)
#define UNPOISON(p, len) ASAN_UNPOISON_MEMORY_REGION(p, len)
#define GAP_LEN          ALIGN /* between two pieces, so that running over the end is seen */
#else
#define POISON(p, len)   ((void)(p))
#define UNPOISON(p, len) ((void)(p))
#define GAP_LEN          ((size_t)0)
#endif

#define ALIGN           _Alignof(max_align_t)
#define CHUNK_FIRST_CAP ((size_t)1024)
#define CHUNK_MAX_CAP   ((size_t)65536)

struct rf_region_chunk {
    struct rf_region_chunk *next; /* the older one */
    size_t cap;                   /* bytes in data */
    size_t len;                   /* bytes of data in use */
    _Alignas(max_align_t) uint8_t data[];
};

void rf_region_init(struct rf_region *region, struct rf_mem *mem, size_t max_len)
{
    *region = (struct rf_region){.mem = mem, .max_len = max_len};
}

static void free_chunks(struct rf_region *region, struct rf_region_chunk *chunk)
{
    while (chunk != NULL) {
        struct rf_region_chunk *next = chunk->next;
        UNPOISON(chunk->data, chunk->cap);
        rf_free(region->mem, chunk);
        chunk = next;
    }
}

void rf_region_deinit(struct rf_region *region)
{
    free_chunks(region, region->chunks);
    region->chunks = NULL;
    region->used_len = 0;
}

void rf_region_reset(struct rf_region *region)
{
    struct rf_region_chunk *chunk = region->chunks;
    region->used_len = 0;
    if (chunk == NULL)
        return;
    free_chunks(region, chunk->next); /* the newest is the largest */
    chunk->next = NULL;
    chunk->len = 0;
    POISON(chunk->data, chunk->cap);
}

/* add_chunk puts a chunk in front that has room for `len` bytes. */
static struct rf_region_chunk *add_chunk(struct rf_region *region, size_t len)
{
    size_t cap = CHUNK_FIRST_CAP;
    if (region->chunks != NULL)
        cap = region->chunks->cap * 2;
    if (cap > CHUNK_MAX_CAP)
        cap = CHUNK_MAX_CAP;
    if (cap < len)
        cap = len;
    struct rf_region_chunk *chunk = rf_alloc(region->mem, sizeof *chunk + cap);
    if (chunk == NULL)
        return NULL;
    chunk->next = region->chunks;
    chunk->cap = cap;
    chunk->len = 0;
    POISON(chunk->data, cap);
    region->chunks = chunk;
    return chunk;
}

void *rf_region_alloc(struct rf_region *region, size_t size)
{
    static const max_align_t nothing; /* what zero bytes point at */
    if (size == 0)
        return (void *)&nothing;
    if (size > region->max_len - region->used_len)
        return NULL;
    if (size > SIZE_MAX / 2)
        return NULL;
    size_t len = (size + ALIGN - 1) / ALIGN * ALIGN + GAP_LEN;
    struct rf_region_chunk *chunk = region->chunks;
    if (chunk == NULL || len > chunk->cap - chunk->len)
        chunk = add_chunk(region, len);
    if (chunk == NULL)
        return NULL;
    void *p = chunk->data + chunk->len;
    chunk->len += len;
    region->used_len += size;
    UNPOISON(p, size);
    memset(p, 0, size);
    return p;
}

void *rf_region_array(struct rf_region *region, size_t count, size_t size)
{
    if (size != 0 && count > SIZE_MAX / size)
        return NULL;
    return rf_region_alloc(region, count * size);
}

struct rf_view rf_region_copy(struct rf_region *region, struct rf_view v)
{
    void *p = rf_region_alloc(region, v.len);
    if (p != NULL && v.len > 0)
        memcpy(p, v.p, v.len);
    return rf_view_of(p, v.len);
}
