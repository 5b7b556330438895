/*
 * store_log.c - elements of logs. An element is its bytes; its index is the home's choice and not signed. While two homes are apart each may give the
 * same element an index of its own (a replica of both brought it to the second), so that one list can come to hold it twice. The home keeps
 * the first; replicas follow their home.
 */
#include <stdlib.h>
#include "overlay/store_internal.h"

#define LOG_LOOKED 4096 /* so many of the newest elements are compared with one that comes */

bool store_log(const struct rf_store *store, uint32_t kind)
{
    const struct rf_usage_kind *usage = store_usage(store, kind);
    return usage != NULL && usage->append_only;
}

bool store_same_bytes(const struct store_value *old, const struct rf_stored_data *data)
{
    size_t skip = data->model == RF_MODEL_ARRAY ? 4 : 0;
    size_t value_len = data->value_raw.len - skip;
    if (old->storage_time_ms != data->storage_time_ms ||
        old->data_len != 16 + skip + value_len + data->signature_raw.len)
        return false;
    return store_value_compare(old, 16 + skip + value_len, data->signature_raw) == 0 &&
           store_value_compare(old, 16 + skip, rf_view_of(data->value_raw.p + skip, value_len)) == 0;
}

/* From `node` back to older ones, at most `left` of them. */
static struct store_value *find_back(struct store_tree_node *node, const struct rf_stored_data *data,
                                     size_t *left)
{
    for (; node != NULL && *left > 0; --*left, node = store_tree_prev(node)) {
        struct store_value *value = RF_CONTAINER(node, struct store_value, node);
        if (store_same_bytes(value, data))
            return value;
    }
    return NULL;
}

struct store_value *store_log_find(const struct store_set *set, const struct rf_stored_data *data)
{
    size_t left = LOG_LOOKED;
    return find_back(store_tree_last(&set->values), data, &left);
}

void store_log_follow(struct rf_store *store, const struct rf_id *resource, const struct store_item *item)
{
    struct store_set *set = store_index_set(&store->index, rf_id_view(resource), item->kind->id);
    struct store_value *kept = set != NULL ? store_set_value(set, item->data.slot) : NULL;
    if (kept == NULL || !store_same_bytes(kept, &item->data))
        return;
    size_t left = LOG_LOOKED;
    struct store_tree_node *node = store_tree_last(&set->values);
    struct store_value *found;
    while ((found = find_back(node, &item->data, &left)) != NULL) {
        node = store_tree_prev(&found->node);
        if (found != kept) /* the kept one holds the set */
            store_forget(store, found);
    }
}

/* ---- retention ---- */

bool store_log_retains(const struct rf_store *store, uint32_t kind)
{
    const struct rf_usage_kind *usage = store_usage(store, kind);
    return usage != NULL && usage->append_only && usage->max_bytes > 0;
}

void store_log_retain(struct rf_store *store, const struct rf_id *resource, uint32_t kind)
{
    struct store_set *set = store_index_set(&store->index, rf_id_view(resource), kind);
    const struct rf_kind_def *def = rf_conf_kind(store->conf, kind);
    if (set == NULL || def == NULL || set->model != RF_MODEL_ARRAY || !store_log_retains(store, kind))
        return;
    size_t max_bytes = store_usage(store, kind)->max_bytes;
    while (set->values.count > 1 && (set->values.count > def->max_count || set->bytes > max_bytes)) {
        store->counters->retired++;
        store_forget(store, store_value_next(set, NULL)); /* the last one keeps the set */
    }
}

/* ---- elements that stand twice ---- */

static int compare_elements(const void *a, const void *b)
{
    const struct store_value *x = *(struct store_value *const *)a, *y = *(struct store_value *const *)b;
    if (x->storage_time_ms != y->storage_time_ms)
        return x->storage_time_ms < y->storage_time_ms ? -1 : 1;
    return memcmp(store_value_slot(x).p, store_value_slot(y).p, 4);
}

static bool are_twins(const struct store_value *a, const struct store_value *b)
{
    const size_t head = 16 + 4; /* length, time, lifetime; the index */
    if (a->storage_time_ms != b->storage_time_ms || a->data_len != b->data_len || a->data_len < head ||
        !a->exists || !b->exists || a->is_cert || b->is_cert)
        return false;
    struct rf_view rest = rf_view_of(b->bytes + b->slot_len + head, b->data_len - head);
    return store_value_compare(a, head, rest) == 0;
}

static bool untwin_set(struct rf_store *store, struct store_resource *resource, struct store_set *set)
{
    size_t count = 0, total = set->values.count;
    struct store_value **all = rf_alloc(store->env->mem, total * sizeof(struct store_value *));
    if (all == NULL)
        return false;
    for (struct store_value *v = store_value_next(set, NULL); v != NULL; v = store_value_next(set, v))
        all[count++] = v;
    qsort(all, count, sizeof(all[0]), compare_elements);
    bool done = true;
    for (size_t i = 0; i < count; i++) {
        if (all[i] == NULL)
            continue;
        for (size_t k = i + 1;
             k < count && (all[k] == NULL || all[k]->storage_time_ms == all[i]->storage_time_ms); k++) {
            if (all[k] == NULL || !are_twins(all[i], all[k]))
                continue;
            if (all[i]->made_by != NULL) { /* the disk may refuse it yet */
                done = false;
                continue;
            }
            resource->confirmed[0] = resource->confirmed[1] = 0;
            store_forget(store, all[k]);
            all[k] = NULL;
        }
    }
    rf_free(store->env->mem, all);
    return done;
}

bool store_log_untwin(struct rf_store *store, struct store_resource *resource)
{
    bool done = true;
    for (struct store_set *set = store_set_next(resource, NULL); set != NULL;
         set = store_set_next(resource, set)) /* no set goes: the first of each element stays */
        if (set->model == RF_MODEL_ARRAY && store_log(store, set->kind))
            done = untwin_set(store, resource, set) && done;
    resource->twins = !done;
    return done;
}
