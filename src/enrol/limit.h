/*
 * limit.h - rf_limit: leaky buckets by key (an address, a name) in a table of bounded size, for rate limits.
 * A bucket holds `burst` tokens and gets one back each `refill_us`. A full bucket is the same as none and is forgotten first; when
 * the table is full of others, the one that was used longest ago goes.
 */
#ifndef RF_ENROL_LIMIT_H
#define RF_ENROL_LIMIT_H

#include "base/list.h"
#include "base/map.h"

struct rf_limit {
    struct rf_mem *mem;
    struct rf_map map;
    struct rf_list used; /* least recently used first */
    size_t max_count;
    uint32_t burst;
    uint64_t refill_us;
};

/* rf_limit_init: burst and refill_us >= 1, max_count >= 1 buckets. `seed` keys the table. */
void rf_limit_init(struct rf_limit *limit, struct rf_mem *mem, const uint64_t seed[2], size_t max_count,
                   uint32_t burst, uint64_t refill_us);
void rf_limit_deinit(struct rf_limit *limit);
/*
 * rf_limit_take takes `cost` tokens (1..burst) for `key` (at most 300 bytes, copied).
 * Errors: RF_ELIMIT too few are there, nothing is taken, and *wait_us tells after how long they would be; RF_ENOMEM.
 */
int rf_limit_take(struct rf_limit *limit, struct rf_view key, uint32_t cost, uint64_t now_us,
                  uint64_t *wait_us);
/* rf_limit_give puts tokens back, never above the burst; an unknown key is no error. */
void rf_limit_give(struct rf_limit *limit, struct rf_view key, uint32_t cost, uint64_t now_us);

#endif
