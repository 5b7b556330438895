/* limit.c - rf_limit: leaky buckets, each kept as the one time at which it will be full again. */
#include "enrol/limit.h"

#include "base/error.h"

#define KEY_MAX_LEN 300

struct bucket {
    struct rf_map_node node;
    struct rf_list used;
    uint64_t full_us; /* the bucket is full from then on */
    size_t key_len;
    uint8_t key[];
};

static struct rf_view bucket_key(const struct rf_map_node *node)
{
    const struct bucket *b = RF_CONTAINER(node, const struct bucket, node);
    return rf_view_of(b->key, b->key_len);
}

void rf_limit_init(struct rf_limit *limit, struct rf_mem *mem, const uint64_t seed[2], size_t max_count,
                   uint32_t burst, uint64_t refill_us)
{
    RF_ASSERT(max_count >= 1 && burst >= 1 && refill_us >= 1);
    limit->mem = mem;
    rf_map_init(&limit->map, mem, seed, bucket_key);
    rf_list_init(&limit->used);
    limit->max_count = max_count;
    limit->burst = burst;
    limit->refill_us = refill_us;
}

static void bucket_drop(struct rf_limit *limit, struct bucket *b)
{
    rf_map_remove(&limit->map, &b->node);
    rf_list_remove(&b->used);
    rf_free(limit->mem, b);
}

void rf_limit_deinit(struct rf_limit *limit)
{
    while (!rf_list_empty(&limit->used))
        bucket_drop(limit, RF_LIST_ENTRY(limit->used.next, struct bucket, used));
    rf_map_deinit(&limit->map);
}

static struct bucket *bucket_find(const struct rf_limit *limit, struct rf_view key)
{
    struct rf_map_node *node = rf_map_find(&limit->map, key);
    return node ? RF_CONTAINER(node, struct bucket, node) : NULL;
}

/* make_room forgets the bucket used longest ago when the table is full, and two that are full again at each call. */
static void make_room(struct rf_limit *limit, uint64_t now_us)
{
    for (int i = 0; i < 2 && !rf_list_empty(&limit->used); i++) {
        struct bucket *b = RF_LIST_ENTRY(limit->used.next, struct bucket, used);
        if (b->full_us > now_us)
            break;
        bucket_drop(limit, b);
    }
    while (limit->map.count >= limit->max_count)
        bucket_drop(limit, RF_LIST_ENTRY(limit->used.next, struct bucket, used));
}

static int bucket_new(struct rf_limit *limit, struct rf_view key, uint64_t now_us, struct bucket **out)
{
    make_room(limit, now_us);
    struct bucket *b = rf_alloc(limit->mem, sizeof(*b) + key.len);
    if (!b)
        return RF_ENOMEM;
    b->full_us = now_us;
    b->key_len = key.len;
    if (key.len > 0)
        memcpy(b->key, key.p, key.len);
    int e = rf_map_insert(&limit->map, &b->node);
    if (e != RF_OK) {
        rf_free(limit->mem, b);
        return e;
    }
    rf_list_push_back(&limit->used, &b->used);
    *out = b;
    return RF_OK;
}

int rf_limit_take(struct rf_limit *limit, struct rf_view key, uint32_t cost, uint64_t now_us,
                  uint64_t *wait_us)
{
    RF_ASSERT(cost >= 1 && cost <= limit->burst && key.len <= KEY_MAX_LEN);
    struct bucket *b = bucket_find(limit, key);
    if (!b) {
        int e = bucket_new(limit, key, now_us, &b);
        if (e != RF_OK)
            return e;
    }
    uint64_t full_us = (b->full_us > now_us ? b->full_us : now_us) + cost * limit->refill_us;
    uint64_t latest_us = now_us + limit->burst * limit->refill_us;
    if (full_us > latest_us) {
        *wait_us = full_us - latest_us;
        return RF_ELIMIT;
    }
    b->full_us = full_us;
    rf_list_remove(&b->used);
    rf_list_push_back(&limit->used, &b->used);
    return RF_OK;
}

void rf_limit_give(struct rf_limit *limit, struct rf_view key, uint32_t cost, uint64_t now_us)
{
    struct bucket *b = bucket_find(limit, key);
    if (!b)
        return;
    uint64_t back_us = cost * limit->refill_us;
    b->full_us = b->full_us > now_us + back_us ? b->full_us - back_us : now_us;
}
