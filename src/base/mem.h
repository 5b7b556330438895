/* mem.h - the memory interface that every object is given, so that tests can count and refuse allocations. */
#ifndef RF_BASE_MEM_H
#define RF_BASE_MEM_H

#include <stddef.h>

struct rf_mem {
    /* resize(ctx, NULL, n) allocates n > 0 bytes, resize(ctx, p, n) moves p, resize(ctx, p, 0) frees; NULL =
     * refused */
    void *(*resize)(void *ctx, void *ptr, size_t size);
    void *ctx;
};

/* rf_mem_system returns the allocator over malloc (a constant object, borrowed forever). */
struct rf_mem *rf_mem_system(void);

/* rf_alloc returns `size` bytes (size >= 1), or NULL. rf_zalloc the same, zeroed. */
void *rf_alloc(struct rf_mem *mem, size_t size);
void *rf_zalloc(struct rf_mem *mem, size_t size);
/* rf_resize moves `ptr` (NULL allowed) to `size` bytes >= 1; on NULL the old block is untouched. */
void *rf_resize(struct rf_mem *mem, void *ptr, size_t size);
/* rf_free frees `ptr`; NULL is allowed. rf_free_secret wipes `size` bytes first. */
void rf_free(struct rf_mem *mem, void *ptr);
void rf_free_secret(struct rf_mem *mem, void *ptr, size_t size);
/* rf_wipe overwrites `size` bytes in a way that the compiler keeps. */
void rf_wipe(void *ptr, size_t size);
/* rf_strdup / rf_memdup copy into a new block (the string with its NUL); NULL = refused. */
char *rf_strdup(struct rf_mem *mem, const char *s);
void *rf_memdup(struct rf_mem *mem, const void *ptr, size_t size);

/* A counting allocator for tests: live blocks, and after `allowed` further allocations every one is refused.
 */
struct rf_mem_test {
    struct rf_mem mem;
    size_t live_count;
    size_t allowed; /* SIZE_MAX = no limit */
};
void rf_mem_test_init(struct rf_mem_test *test);

#endif
