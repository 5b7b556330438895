/* slab.c - see slab.h. */
#include "sim/slab.h"

#include <stdbool.h>
#include <string.h>

#include "base/assert.h"

#define HEAD_LEN 64 /* of a page: keeps blocks aligned */

struct slab_block { /* while it is free */
    struct slab_block *next;
};
struct slab_page {
    struct sim_slab *slab;
    struct slab_page *next, *prev; /* in partly[]; `next` also in empty */
    struct slab_block *free;
    void *base;        /* of a large block: what the allocator below gave */
    size_t size;       /* of its blocks */
    uint32_t used;     /* blocks */
    uint32_t begun_at; /* no block from there on was ever used */
};
_Static_assert(sizeof(struct slab_page) <= HEAD_LEN, "the head has room for it");

/* The number of the size that `size` bytes, at most SLAB_MAX_LEN, fit in, and that size. */
static size_t size_number(size_t size, size_t *fits)
{
    if (size <= SLAB_FINE_LEN) {
        size_t number = (size + SLAB_ALIGN - 1) / SLAB_ALIGN;
        *fits = number * SLAB_ALIGN;
        return number - 1;
    }
    size_t number = SLAB_FINE_LEN / SLAB_ALIGN, step = SLAB_FINE_LEN / 8, low = SLAB_FINE_LEN;
    for (; size > 2 * low; low *= 2, step *= 2)
        number += 8;
    size_t steps = (size - low + step - 1) / step; /* 1..8 */
    *fits = low + steps * step;
    return number + steps - 1;
}

static struct slab_page *page_of(const void *block)
{
    return (struct slab_page *)((uintptr_t)block & ~(uintptr_t)(SLAB_PAGE_LEN - 1));
}

/* Memory from below with `len` bytes behind the first address in it that is a page's. */
static uint8_t *aligned(struct sim_slab *slab, size_t len, void **base)
{
    *base = len > SIZE_MAX - SLAB_PAGE_LEN ? NULL : rf_alloc(slab->under, len + SLAB_PAGE_LEN);
    if (*base == NULL)
        return NULL;
    size_t over = (uintptr_t)*base & (SLAB_PAGE_LEN - 1);
    return (uint8_t *)*base + (over != 0 ? SLAB_PAGE_LEN - over : 0);
}

static bool chunk_new(struct sim_slab *slab)
{
    if (slab->chunk_count == slab->chunk_cap) {
        size_t cap = slab->chunk_cap == 0 ? 16 : 2 * slab->chunk_cap;
        void **chunks = rf_resize(slab->under, slab->chunks, cap * sizeof(*chunks));
        if (chunks == NULL)
            return false;
        slab->chunks = chunks;
        slab->chunk_cap = cap;
    }
    slab->fresh = aligned(slab, SLAB_CHUNK_PAGES * SLAB_PAGE_LEN, &slab->chunks[slab->chunk_count]);
    if (slab->fresh == NULL)
        return false;
    slab->chunk_count++;
    slab->fresh_count = SLAB_CHUNK_PAGES;
    return true;
}

static void partly_add(struct slab_page **first, struct slab_page *page)
{
    page->prev = NULL;
    page->next = *first;
    if (*first != NULL)
        (*first)->prev = page;
    *first = page;
}

static void partly_remove(struct slab_page **first, struct slab_page *page)
{
    *(page->prev != NULL ? &page->prev->next : first) = page->next;
    if (page->next != NULL)
        page->next->prev = page->prev;
}

static bool is_full(const struct slab_page *page)
{
    return page->free == NULL && page->begun_at + page->size > SLAB_PAGE_LEN;
}

static struct slab_page *page_new(struct sim_slab *slab, size_t size)
{
    struct slab_page *page = slab->empty;
    if (page != NULL) {
        slab->empty = page->next;
    } else {
        if (slab->fresh_count == 0 && !chunk_new(slab))
            return NULL;
        page = (struct slab_page *)(void *)slab->fresh;
        slab->fresh += SLAB_PAGE_LEN;
        slab->fresh_count--;
    }
    *page = (struct slab_page){.slab = slab, .size = size, .begun_at = HEAD_LEN};
    return page;
}

static void *large_new(struct sim_slab *slab, size_t size)
{
    void *base;
    uint8_t *at = size > SIZE_MAX - HEAD_LEN ? NULL : aligned(slab, HEAD_LEN + size, &base);
    if (at == NULL)
        return NULL;
    *(struct slab_page *)(void *)at = (struct slab_page){.slab = slab, .base = base, .size = size};
    slab->live_count++;
    return at + HEAD_LEN;
}

static void *block_new(struct sim_slab *slab, size_t size)
{
    if (size > SLAB_MAX_LEN)
        return large_new(slab, size);
    size_t number = size_number(size, &size);
    struct slab_page *page = slab->partly[number];
    if (page == NULL) {
        page = page_new(slab, size);
        if (page == NULL)
            return NULL;
        partly_add(&slab->partly[number], page);
    }
    void *block = page->free;
    if (block != NULL) {
        page->free = page->free->next;
    } else {
        block = (uint8_t *)page + page->begun_at;
        page->begun_at += (uint32_t)size;
    }
    page->used++;
    slab->live_count++;
    if (is_full(page))
        partly_remove(&slab->partly[number], page);
    return block;
}

static void block_free(struct sim_slab *slab, void *block)
{
    struct slab_page *page = page_of(block);
    size_t size;
    RF_ASSERT(page->slab == slab); /* else it is another shard's */
    slab->live_count--;
    if (page->base != NULL) {
        rf_free(slab->under, page->base);
        return;
    }
    struct slab_page **partly = &slab->partly[size_number(page->size, &size)];
    struct slab_block *freed = block;
    if (is_full(page))
        partly_add(partly, page);
    freed->next = page->free;
    page->free = freed;
    if (--page->used > 0)
        return;
    partly_remove(partly, page);
    page->next = slab->empty;
    slab->empty = page;
}

static void *slab_resize(void *ctx, void *block, size_t size)
{
    struct sim_slab *slab = ctx;
    if (block == NULL)
        return block_new(slab, size);
    if (size == 0) {
        block_free(slab, block);
        return NULL;
    }
    size_t old = sim_slab_size(block), fits = size;
    if (size <= SLAB_MAX_LEN)
        (void)size_number(size, &fits);
    if (fits == old)
        return block;
    void *moved = block_new(slab, size);
    if (moved == NULL)
        return NULL;
    memcpy(moved, block, size < old ? size : old);
    block_free(slab, block);
    return moved;
}

void sim_slab_init(struct sim_slab *slab, struct rf_mem *under)
{
    *slab = (struct sim_slab){.mem = {slab_resize, slab}, .under = under};
}

size_t sim_slab_deinit(struct sim_slab *slab)
{
    for (size_t i = 0; i < slab->chunk_count; i++)
        rf_free(slab->under, slab->chunks[i]);
    rf_free(slab->under, slab->chunks);
    slab->chunks = NULL;
    slab->chunk_count = 0;
    return slab->live_count;
}

size_t sim_slab_size(const void *block)
{
    return page_of(block)->size;
}
