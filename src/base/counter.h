/*
 * counter.h - named event counters. A room declares X(name, "help") once; gets a struct of uint64_t and a
 * table from it:
 *
 *     #define FORWARD_COUNTERS(X) X(sent, "messages sent") X(dropped_ttl, "dropped: TTL exceeded")
 *     RF_COUNTERS(forward, FORWARD_COUNTERS)     // struct rf_forward_counters, rf_forward_counter_descs[],
 * ..._count
 *
 * Where they are: an object asks rf_counters_open for them. With a set it gets those that all objects given this set share: many nodes in one
 * process, of which nobody asks each by itself, keep a kilobyte less each. Without one they are the object's own.
 */
#ifndef RF_BASE_COUNTER_H
#define RF_BASE_COUNTER_H

#include <stddef.h>
#include <stdint.h>
#include "base/mem.h"

struct rf_counter_desc {
    const char *name;
    const char *help;
    size_t offset; /* of the uint64_t in the struct */
};

#define RF_COUNTER_FIELD_(name, help) uint64_t name;
#define RF_COUNTERS(room, LIST)                                                                              \
    struct rf_##room##_counters {                                                                            \
        LIST(RF_COUNTER_FIELD_)                                                                              \
    };                                                                                                       \
    extern const struct rf_counter_desc rf_##room##_counter_descs[];                                         \
    extern const size_t rf_##room##_counter_count;
/* RF_COUNTERS_DEFINE(room, LIST) stands once in a .c file; the list is repeated there through a room-local X.
 */
#define RF_COUNTERS_DEFINE(room, LIST, ROW)                                                                  \
    const struct rf_counter_desc rf_##room##_counter_descs[] = {LIST(ROW)};                                  \
    const size_t rf_##room##_counter_count =                                                                 \
        sizeof(rf_##room##_counter_descs) / sizeof(rf_##room##_counter_descs[0]);

/* rf_counter_get reads the counter that `desc` names out of its struct. */
static inline uint64_t rf_counter_get(const void *counters, const struct rf_counter_desc *desc)
{
    return *(const uint64_t *)((const char *)counters + desc->offset);
}

#define RF_COUNTER_ROOMS 8
struct rf_counter_set {
    struct rf_mem *mem; /* borrowed */
    struct {
        const struct rf_counter_desc *descs; /* tells whose: each room's table is there once */
        void *counters;                      /* owned */
    } rooms[RF_COUNTER_ROOMS];
};
void rf_counter_set_init(struct rf_counter_set *set, struct rf_mem *mem);
void rf_counter_set_deinit(struct rf_counter_set *set); /* when all who were given it are gone */
/*
 * rf_counters_open gives the counters that `descs` describe, `size` bytes: the set's, or, if that is NULL, own ones out of `mem`, zeroed.
 * NULL: out of memory, or more rooms than a set has place for. rf_counters_close ends their use; NULL allowed.
 */
void *rf_counters_open(struct rf_counter_set *set, struct rf_mem *mem, const struct rf_counter_desc *descs,
                       size_t size);
void rf_counters_close(struct rf_counter_set *set, struct rf_mem *mem, void *counters);

#endif
