/*
 * secret_mem.h - an allocator over another one that wipes every block before it gives it back, also when a block is moved: whoever keeps
 * secrets in growing buffers and tables gives these such an rf_mem, and nothing of them stays behind in freed memory.
 */
#ifndef RF_BASE_SECRET_MEM_H
#define RF_BASE_SECRET_MEM_H

#include "base/mem.h"

struct rf_secret_mem {
    struct rf_mem mem;    /* to be given to those who keep secrets */
    struct rf_mem *under; /* borrowed */
};

/* rf_secret_mem_init: `under` must outlive all blocks; the struct must not move as long as there are any. */
void rf_secret_mem_init(struct rf_secret_mem *secret, struct rf_mem *under);

#endif
