/* history.c - what is noted while a simulation runs: growing arrays. */
#include "sim/history.h"

#include <stdarg.h>
#include <stdio.h>
#include "base/assert.h"

void sim_history_init(struct sim_history *h, struct rf_mem *mem)
{
    memset(h, 0, sizeof(*h));
    h->mem = mem;
}

void sim_history_deinit(struct sim_history *h)
{
    if (h->mem == NULL)
        return;
    for (size_t i = 0; i < h->split_count; i++)
        rf_free(h->mem, h->splits[i].sides);
    rf_free(h->mem, h->writes);
    rf_free(h->mem, h->reads);
    rf_free(h->mem, h->seen);
    rf_free(h->mem, h->lives);
    rf_free(h->mem, h->splits);
    memset(h, 0, sizeof(*h));
}

/* Room for `more` further ones. */
static void *grow(struct sim_history *h, void *array, size_t size, size_t count, size_t more, size_t *cap)
{
    if (count + more <= *cap)
        return array;
    while (*cap < count + more)
        *cap = *cap == 0 ? 64 : 2 * *cap;
    array = rf_resize(h->mem, array, *cap * size);
    RF_ASSERT(array != NULL);
    return array;
}

size_t sim_history_write(struct sim_history *h, const struct sim_write *write)
{
    h->writes = grow(h, h->writes, sizeof(*write), h->write_count, 1, &h->write_cap);
    h->writes[h->write_count] = *write;
    return h->write_count++;
}

struct sim_read *sim_history_read(struct sim_history *h, const struct sim_read *read)
{
    h->reads = grow(h, h->reads, sizeof(*read), h->read_count, 1, &h->read_cap);
    struct sim_read *fresh = &h->reads[h->read_count++];
    *fresh = *read;
    fresh->from = h->seen_count;
    fresh->count = 0;
    return fresh;
}

void sim_history_seen(struct sim_history *h, const struct sim_seen *seen)
{
    RF_ASSERT(h->read_count > 0);
    h->seen = grow(h, h->seen, sizeof(*seen), h->seen_count, 1, &h->seen_cap);
    h->seen[h->seen_count++] = *seen;
    h->reads[h->read_count - 1].count++;
}

void sim_history_life(struct sim_history *h, uint32_t node, enum sim_life_type type, uint64_t at_us)
{
    h->lives = grow(h, h->lives, sizeof(*h->lives), h->life_count, 1, &h->life_cap);
    h->lives[h->life_count++] = (struct sim_life){at_us, node, (uint8_t)type};
}

struct sim_split *sim_history_split(struct sim_history *h, uint64_t from_us, uint8_t *sides)
{
    h->splits = grow(h, h->splits, sizeof(*h->splits), h->split_count, 1, &h->split_cap);
    h->splits[h->split_count] = (struct sim_split){from_us, RF_NEVER, RF_NEVER, sides};
    return &h->splits[h->split_count++];
}

void sim_history_merge(struct sim_history *into, const struct sim_history *from)
{
    for (size_t i = 0; i < from->write_count; i++)
        sim_history_write(into, &from->writes[i]);
    for (size_t i = 0; i < from->read_count; i++) {
        sim_history_read(into, &from->reads[i]);
        for (size_t k = 0; k < from->reads[i].count; k++)
            sim_history_seen(into, &from->seen[from->reads[i].from + k]);
    }
    for (size_t i = 0; i < from->life_count; i++)
        sim_history_life(into, from->lives[i].node, (enum sim_life_type)from->lives[i].type,
                         from->lives[i].at_us);
}

void sim_text_add(char text[SIM_TEXT_LEN], const char *format, ...)
{
    size_t at = strlen(text);
    va_list args;
    va_start(args, format);
    vsnprintf(text + at, SIM_TEXT_LEN - at, format, args);
    va_end(args);
}
