/*
 * counter.h - named event counters. A room declares X(name, "help") once; gets a struct of uint64_t and a
 * table from it:
 *
 *     #define FORWARD_COUNTERS(X) X(sent, "messages sent") X(dropped_ttl, "dropped: TTL exceeded")
 *     RF_COUNTERS(forward, FORWARD_COUNTERS)     // struct rf_forward_counters, rf_forward_counter_descs[],
 * ..._count
 */
#ifndef RF_BASE_COUNTER_H
#define RF_BASE_COUNTER_H

#include <stddef.h>
#include <stdint.h>

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

#endif
