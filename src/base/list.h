/* list.h - rf_list: intrusive doubly linked list with a head node. The owner of the elements is whoever put
 * them in. */
#ifndef RF_BASE_LIST_H
#define RF_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>
#include "base/assert.h"

struct rf_list {
    struct rf_list *prev, *next;
};

static inline void rf_list_init(struct rf_list *l)
{
    l->prev = l->next = l;
}
static inline bool rf_list_empty(const struct rf_list *l)
{
    return l->next == l;
}
static inline void rf_list_push_back(struct rf_list *head, struct rf_list *l)
{
    l->prev = head->prev;
    l->next = head;
    head->prev->next = l;
    head->prev = l;
}
static inline void rf_list_push_front(struct rf_list *head, struct rf_list *l)
{
    rf_list_push_back(head->next, l);
}
/* rf_list_remove takes l out and leaves it as an empty list of its own; harmless when it already is one. */
static inline void rf_list_remove(struct rf_list *l)
{
    l->prev->next = l->next;
    l->next->prev = l->prev;
    rf_list_init(l);
}
#define RF_LIST_ENTRY(l, type, member) RF_CONTAINER(l, type, member)
#define RF_LIST_EACH(head, it)         for (struct rf_list *it = (head)->next; it != (head); it = it->next)
/* the body may remove `it` */
#define RF_LIST_EACH_SAFE(head, it)                                                                          \
    for (struct rf_list *it = (head)->next, *it##_next = it->next; it != (head);                             \
         it = it##_next, it##_next = it->next)

#endif
