/*
 * sim_memory.c - the memory of large runs: what is large, that is the chunks of the shards' slabs and the tables of all nodes, lies in huge pages. Nodes are
 * visited in the order of time, each after thousands of others, so that with small pages half of what a visit costs is looking up addresses.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include "apps/sim_main.h"

#define HUGE_PAGE_LEN ((size_t)2 << 20)

static void *resize(void *ctx, void *block, size_t size)
{
    (void)ctx;
    if (size == 0) {
        free(block);
        return NULL;
    }
    if (block != NULL || size < HUGE_PAGE_LEN)
        return realloc(block, size);
    void *huge = NULL;
    if (posix_memalign(&huge, HUGE_PAGE_LEN, size) != 0)
        return NULL;
    (void)madvise(huge, size, MADV_HUGEPAGE); /* without them it is slower, and works */
    return huge;
}

struct rf_mem *sim_memory(void)
{
    static struct rf_mem mem = {resize, NULL};
    return &mem;
}
