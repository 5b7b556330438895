/* secret_mem.c - blocks that know their size and are wiped when they are freed or moved. */
#include "base/secret_mem.h"

#include <stdalign.h>
#include <stdint.h>
#include <string.h>

/* in front of each block, as large as alignment wants */
struct head {
    alignas(max_align_t) size_t size;
};

static void *secret_resize(void *ctx, void *ptr, size_t size)
{
    struct rf_secret_mem *secret = ctx;
    struct head *old = ptr != NULL ? (struct head *)ptr - 1 : NULL, *new = NULL;

    if (size > SIZE_MAX - sizeof(*new))
        return NULL;
    if (size > 0) {
        if ((new = rf_alloc(secret->under, sizeof(*new) + size)) == NULL)
            return NULL;
        new->size = size;
        if (old != NULL)
            memcpy(new + 1, old + 1, old->size < size ? old->size : size);
    }
    if (old != NULL)
        rf_free_secret(secret->under, old, sizeof(*old) + old->size);
    return new != NULL ? new + 1 : NULL;
}

void rf_secret_mem_init(struct rf_secret_mem *secret, struct rf_mem *under)
{
    secret->mem.resize = secret_resize;
    secret->mem.ctx = secret;
    secret->under = under;
}
