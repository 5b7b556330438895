/* scratch.c - buffers that are used within one call. */
#include "base/scratch.h"

#define SCRATCH_MAX_LEN ((size_t)32 * 1024 * 1024) /* frames and fragments count to 2^24 - 1 */

static void each(struct rf_scratch *scratch, void (*fn)(struct rf_buf *buf, struct rf_mem *mem),
                 struct rf_mem *mem)
{
    fn(&scratch->plain, mem);
    fn(&scratch->frame, mem);
    fn(&scratch->acks, mem);
    fn(&scratch->out, mem);
    fn(&scratch->piece, mem);
    fn(&scratch->contents, mem);
    fn(&scratch->rest, mem);
    fn(&scratch->brief, mem);
    fn(&scratch->lists, mem);
}

static void make(struct rf_buf *buf, struct rf_mem *mem)
{
    rf_buf_init(buf, mem, SCRATCH_MAX_LEN);
}

static void empty(struct rf_buf *buf, struct rf_mem *mem)
{
    (void)mem;
    rf_buf_deinit(buf);
}

void rf_scratch_init(struct rf_scratch *scratch, struct rf_mem *mem)
{
    scratch->shared = true;
    each(scratch, make, mem);
}

void rf_scratch_trim(struct rf_scratch *scratch)
{
    each(scratch, empty, NULL);
}

struct rf_scratch *rf_scratch_share(struct rf_scratch *given, struct rf_mem *mem)
{
    struct rf_scratch *own = given == NULL ? rf_alloc(mem, sizeof(*own)) : NULL;
    if (own == NULL)
        return given;
    rf_scratch_init(own, mem);
    own->shared = false;
    return own;
}

void rf_scratch_leave(struct rf_scratch *scratch, struct rf_mem *mem)
{
    if (scratch == NULL || scratch->shared)
        return;
    rf_scratch_trim(scratch);
    rf_free(mem, scratch);
}
