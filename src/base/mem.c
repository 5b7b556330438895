/* mem.c - the system's allocator behind rf_mem, the helpers over it, and the counting allocator of the tests.
 */
#include "base/mem.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "base/assert.h"

static void *system_resize(void *ctx, void *ptr, size_t size)
{
    (void)ctx;
    if (size == 0) {
        free(ptr);
        return NULL;
    }
    return realloc(ptr, size);
}

struct rf_mem *rf_mem_system(void)
{
    static const struct rf_mem mem = {system_resize, NULL};
    return (struct rf_mem *)&mem; /* never written to */
}

void *rf_alloc(struct rf_mem *mem, size_t size)
{
    RF_ASSERT(size > 0);
    return mem->resize(mem->ctx, NULL, size);
}

void *rf_zalloc(struct rf_mem *mem, size_t size)
{
    void *p = rf_alloc(mem, size);
    if (p != NULL)
        memset(p, 0, size);
    return p;
}

void *rf_resize(struct rf_mem *mem, void *ptr, size_t size)
{
    RF_ASSERT(size > 0);
    return mem->resize(mem->ctx, ptr, size);
}

void rf_free(struct rf_mem *mem, void *ptr)
{
    if (ptr != NULL)
        mem->resize(mem->ctx, ptr, 0);
}

void rf_free_secret(struct rf_mem *mem, void *ptr, size_t size)
{
    if (ptr != NULL)
        rf_wipe(ptr, size);
    rf_free(mem, ptr);
}

void rf_wipe(void *ptr, size_t size)
{
    explicit_bzero(ptr, size);
}

char *rf_strdup(struct rf_mem *mem, const char *s)
{
    return rf_memdup(mem, s, strlen(s) + 1);
}

void *rf_memdup(struct rf_mem *mem, const void *ptr, size_t size)
{
    void *p = rf_alloc(mem, size > 0 ? size : 1);
    if (p != NULL && size > 0)
        memcpy(p, ptr, size);
    return p;
}

static void *test_resize(void *ctx, void *ptr, size_t size)
{
    struct rf_mem_test *test = ctx;
    if (size == 0) {
        RF_ASSERT(test->live_count > 0);
        test->live_count--;
        free(ptr);
        return NULL;
    }
    if (test->allowed == 0)
        return NULL;
    void *p = realloc(ptr, size);
    if (p == NULL)
        return NULL;
    if (test->allowed != SIZE_MAX)
        test->allowed--;
    if (ptr == NULL)
        test->live_count++;
    return p;
}

void rf_mem_test_init(struct rf_mem_test *test)
{
    test->mem.resize = test_resize;
    test->mem.ctx = test;
    test->live_count = 0;
    test->allowed = SIZE_MAX;
}
