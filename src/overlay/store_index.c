/* store_index.c - the storage's memory, see store_index.h. */
#include "overlay/store_index.h"
#include "base/error.h"

#define STORE_VALUE_OVERHEAD 160 /* bytes around a value, estimated */
#define STORE_CERT_OVERHEAD  600 /* a decoded certificate */

static struct rf_view resource_key(const struct store_tree_node *node)
{
    return rf_id_view(&RF_CONTAINER(node, struct store_resource, node)->id);
}
static struct rf_view set_key(const struct store_tree_node *node)
{
    return rf_view_of(RF_CONTAINER(node, struct store_set, node)->kind_key, 4);
}
static struct rf_view find_key(const struct store_tree_node *node)
{
    return rf_id_view(&RF_CONTAINER(node, struct store_set, find)->resource->id);
}
static struct rf_view value_key(const struct store_tree_node *node)
{
    return store_value_slot(RF_CONTAINER(node, struct store_value, node));
}
static struct rf_view cert_key(const struct rf_map_node *node)
{
    return rf_view_of(RF_CONTAINER(node, struct store_cert, node)->cert->sha256, RF_SHA256_LEN);
}
static struct rf_view account_key(const struct rf_map_node *node)
{
    const struct store_account *account = RF_CONTAINER(node, struct store_account, node);
    return rf_view_of(account->name, account->name_len);
}

static const struct store_tree_class resource_class = {resource_key}, set_class = {set_key},
                                     value_class = {value_key}, find_class = {find_key};

void store_index_init(struct store_index *index, struct rf_mem *mem, const uint64_t seed[2],
                      struct rf_intern *shared)
{
    *index = (struct store_index){.mem = mem, .shared = shared, .seed = {seed[0], seed[1]}};
}

static int tables_new(struct store_index *index)
{
    struct store_tables *tables = rf_zalloc(index->mem, sizeof(*tables));
    if (tables == NULL)
        return RF_ENOMEM;
    rf_map_init(&tables->certs, index->mem, index->seed, cert_key);
    rf_map_init(&tables->accounts, index->mem, index->seed, account_key);
    rf_timers_init(&tables->expiry, index->mem);
    index->tables = tables;
    return 0;
}

void store_index_deinit(struct store_index *index)
{
    struct store_tree_node *node;
    while ((node = store_tree_first(&index->resources)) != NULL) {
        struct store_resource *resource = RF_CONTAINER(node, struct store_resource, node);
        struct store_set *set = store_set_next(resource, NULL);
        struct store_value *value = store_value_next(set, NULL);
        store_index_take(index, value);
        store_value_free(index, value);
    }
    rf_free(index->mem, index->finders);
    if (index->tables == NULL)
        return;
    RF_ASSERT(index->tables->certs.count == 0 && index->tables->accounts.count == 0);
    rf_map_deinit(&index->tables->certs);
    rf_map_deinit(&index->tables->accounts);
    rf_timers_deinit(&index->tables->expiry);
    rf_free(index->mem, index->tables);
}

/* ---- certificates and accounts ---- */

size_t store_cert_len(const struct rf_cert *cert)
{
    size_t len = cert->x509.der.len + 3;
    for (size_t i = 0; i < cert->chain_count; i++)
        len += cert->chain[i].len + 3;
    return len;
}

static struct store_cert *cert_hold(struct store_index *index, struct rf_cert *cert)
{
    struct rf_map_node *node = rf_map_find(&index->tables->certs, rf_view_of(cert->sha256, RF_SHA256_LEN));
    if (node != NULL) {
        struct store_cert *known = RF_CONTAINER(node, struct store_cert, node);
        known->refs++;
        return known;
    }
    struct store_cert *fresh = rf_zalloc(index->mem, sizeof(*fresh));
    if (fresh == NULL)
        return NULL;
    fresh->refs = 1;
    fresh->cert = rf_cert_hold(cert);
    if (rf_map_insert(&index->tables->certs, &fresh->node) != 0) {
        rf_cert_release(fresh->cert);
        rf_free(index->mem, fresh);
        return NULL;
    }
    fresh->bytes = store_cert_len(cert) + STORE_CERT_OVERHEAD; /* the chain may change with the trust */
    index->bytes += fresh->bytes;
    return fresh;
}

static void cert_release(struct store_index *index, struct store_cert *cert)
{
    if (cert == NULL || --cert->refs > 0)
        return;
    index->bytes -= cert->bytes;
    rf_map_remove(&index->tables->certs, &cert->node);
    rf_cert_release(cert->cert);
    rf_free(index->mem, cert);
}

/* An account lives as long as something is charged to it. */
static struct store_account *account_charge(struct store_index *index, struct rf_view name, size_t bytes)
{
    struct rf_map_node *node = rf_map_find(&index->tables->accounts, name);
    struct store_account *account = node != NULL ? RF_CONTAINER(node, struct store_account, node) : NULL;
    if (account == NULL) {
        account = rf_zalloc(index->mem, sizeof(*account) + name.len);
        if (account == NULL)
            return NULL;
        account->name_len = name.len;
        if (name.len > 0)
            memcpy(account->name, name.p, name.len);
        if (rf_map_insert(&index->tables->accounts, &account->node) != 0) {
            rf_free(index->mem, account);
            return NULL;
        }
    }
    account->bytes += bytes;
    return account;
}

static void account_release(struct store_index *index, struct store_account *account, size_t bytes)
{
    if (account == NULL)
        return;
    account->bytes -= bytes;
    if (account->bytes == 0) {
        rf_map_remove(&index->tables->accounts, &account->node);
        rf_free(index->mem, account);
    }
}

size_t store_index_account_bytes(const struct store_index *index, struct rf_view account)
{
    struct rf_map_node *node = index->tables != NULL ? rf_map_find(&index->tables->accounts, account) : NULL;
    return node != NULL ? RF_CONTAINER(node, struct store_account, node)->bytes : 0;
}

/* ---- values ---- */

size_t store_cost(size_t slot_len, size_t data_len)
{
    return slot_len + data_len + STORE_VALUE_OVERHEAD;
}
size_t store_value_cost(const struct store_value *value)
{
    return store_cost(value->slot_len, value->data_len);
}
struct rf_view store_value_slot(const struct store_value *value)
{
    return rf_view_of(value->bytes, value->slot_len);
}
struct rf_view store_value_content(const struct store_value *value)
{
    if (value->is_cert)
        return value->cert->cert->x509.der;
    return rf_view_of(value->bytes + value->slot_len + value->content_off, value->content_len);
}

/* The StoredData in its order: what stands before DataValue's bytes, these, what comes after them. */
static void parts_of(const struct store_value *value, struct rf_view parts[3])
{
    const uint8_t *data = value->bytes + value->slot_len;
    size_t kept = value->is_cert ? 0 : value->content_len, front = value->content_off;
    parts[0] = rf_view_of(data, front);
    parts[1] = store_value_content(value);
    parts[2] = rf_view_of(data + front + kept, value->data_len - front - value->content_len);
}

void store_value_data(const struct store_value *value, struct rf_buf *out)
{
    struct rf_view parts[3];
    parts_of(value, parts);
    for (size_t i = 0; i < RF_COUNT(parts); i++)
        rf_buf_view_put(out, parts[i]);
}

int store_value_compare(const struct store_value *value, size_t off, struct rf_view bytes)
{
    struct rf_view parts[3];
    int order = 0;
    RF_ASSERT(off + bytes.len <= value->data_len);
    parts_of(value, parts);
    for (size_t i = 0; i < RF_COUNT(parts) && order == 0 && bytes.len > 0; i++) {
        if (off >= parts[i].len) {
            off -= parts[i].len;
            continue;
        }
        size_t len = parts[i].len - off < bytes.len ? parts[i].len - off : bytes.len;
        order = memcmp(parts[i].p + off, bytes.p, len);
        bytes = rf_view_of(bytes.p + len, bytes.len - len);
        off = 0;
    }
    return order;
}
bool store_value_ended(const struct store_value *value, uint64_t wall_ms)
{
    return value->expires_ms <= wall_ms;
}

/* The bytes that a value keeps: slot and StoredData, the latter without a certificate that is kept anyway. */
static void value_bytes(const struct store_value_spec *spec, bool is_cert, uint8_t *out)
{
    size_t front = is_cert ? spec->content_off : spec->data.len;
    size_t behind = spec->content_off + spec->content_len;
    if (spec->slot.len > 0)
        memcpy(out, spec->slot.p, spec->slot.len);
    memcpy(out + spec->slot.len, spec->data.p, front);
    if (is_cert && spec->data.len > behind)
        memcpy(out + spec->slot.len + front, spec->data.p + behind, spec->data.len - behind);
}

/* A value with its bytes, else zeroed. */
static struct store_value *value_alloc(struct store_index *index, const struct store_value_spec *spec,
                                       bool is_cert)
{
    size_t len = spec->slot.len + spec->data.len - (is_cert ? spec->content_len : 0);
    struct store_value *value = rf_zalloc(index->mem, sizeof(*value) + (index->shared == NULL ? len : 0));
    uint8_t *bytes = NULL;
    if (value == NULL)
        return NULL;
    if (index->shared == NULL) {
        value_bytes(spec, is_cert, value->own);
        value->bytes = value->own;
        return value;
    }
    if ((bytes = rf_alloc(index->mem, len)) != NULL) {
        value_bytes(spec, is_cert, bytes);
        value->shared = rf_intern_get(index->shared, rf_view_of(bytes, len));
    }
    rf_free(index->mem, bytes);
    if (value->shared == NULL) {
        rf_free(index->mem, value);
        return NULL;
    }
    value->bytes = value->shared->bytes;
    return value;
}

static void value_release(struct store_index *index, struct store_value *value)
{
    if (value->shared != NULL)
        (void)rf_intern_put(index->shared, value->shared);
    rf_free(index->mem, value);
}

int store_value_new(struct store_index *index, const struct store_value_spec *spec, struct store_value **out)
{
    /* length, storage_time, lifetime: what the StoredData begins with */
    if (spec->slot.len > STORE_SLOT_MAX || spec->data.len > UINT32_MAX || spec->data.len < 16)
        return RF_ELIMIT;
    if (index->tables == NULL && tables_new(index) != 0)
        return RF_ENOMEM;
    const uint8_t *content = spec->data.p + spec->content_off;
    bool is_cert = rf_view_equal(rf_view_of(content, spec->content_len), spec->cert->x509.der);
    struct store_value *value = value_alloc(index, spec, is_cert);
    if (value == NULL)
        return RF_ENOMEM;
    value->is_cert = is_cert;
    value->storage_time_ms = spec->storage_time_ms;
    value->expires_ms = spec->expires_ms;
    value->signer = spec->signer;
    value->exists = spec->exists;
    value->checked = spec->checked;
    value->replica_number = spec->replica_number;
    value->slot_len = (uint16_t)spec->slot.len;
    value->data_len = (uint32_t)spec->data.len;
    value->content_off = (uint32_t)spec->content_off;
    value->content_len = (uint32_t)spec->content_len;
    rf_timer_init(&value->expiry, spec->expire, spec->arg);
    value->cert = cert_hold(index, spec->cert);
    value->account =
        value->cert != NULL ? account_charge(index, spec->account, store_value_cost(value)) : NULL;
    if (value->account == NULL ||
        rf_timer_set(&index->tables->expiry, &value->expiry, value->expires_ms) != 0) {
        account_release(index, value->account, store_value_cost(value));
        cert_release(index, value->cert);
        value_release(index, value);
        return RF_ENOMEM;
    }
    /* set once: putting a value in never needs memory for its timer */
    index->bytes += store_value_cost(value);
    *out = value;
    return 0;
}

void store_value_free(struct store_index *index, struct store_value *value)
{
    if (value == NULL)
        return;
    RF_ASSERT(value->set == NULL);
    rf_timer_stop(&index->tables->expiry, &value->expiry);
    index->bytes -= store_value_cost(value);
    account_release(index, value->account, store_value_cost(value));
    cert_release(index, value->cert);
    value_release(index, value);
}

void store_value_put(const struct store_value *value, uint64_t wall_ms, struct rf_buf *out)
{
    uint64_t left_ms = value->expires_ms > wall_ms ? value->expires_ms - wall_ms : 0;
    uint64_t left_s = left_ms / 1000;
    size_t at = out->len;
    struct rf_buf lifetime;
    store_value_data(value, out);
    if (rf_buf_error(out) != 0)
        return;
    rf_buf_fixed(&lifetime, out->p + at + 12, 4);
    rf_buf_u32(&lifetime, left_s < 1 ? 1 : left_s > UINT32_MAX ? UINT32_MAX : (uint32_t)left_s);
}

/* ---- looking ---- */

struct store_resource *store_index_resource(const struct store_index *index, struct rf_view id)
{
    struct store_tree_node *node = store_tree_find(&index->resources, &resource_class, id);
    return node != NULL ? RF_CONTAINER(node, struct store_resource, node) : NULL;
}

struct store_resource *store_resource_after(const struct store_index *index, const struct rf_id *id)
{
    if (id->len == 0) {
        struct store_tree_node *first = store_tree_first(&index->resources);
        return first != NULL ? RF_CONTAINER(first, struct store_resource, node) : NULL;
    }
    struct store_tree_node *node = store_tree_at_least(&index->resources, &resource_class, rf_id_view(id));
    if (node != NULL && rf_id_equal(&RF_CONTAINER(node, struct store_resource, node)->id, id))
        node = store_tree_next(node);
    return node != NULL ? RF_CONTAINER(node, struct store_resource, node) : NULL;
}

static void kind_bytes(uint32_t kind, uint8_t out[4])
{
    for (int i = 0; i < 4; i++)
        out[i] = (uint8_t)(kind >> (24 - 8 * i));
}

struct store_set *store_resource_set(const struct store_resource *resource, uint32_t kind)
{
    uint8_t key[4];
    kind_bytes(kind, key);
    struct store_tree_node *node = store_tree_find(&resource->sets, &set_class, rf_view_of(key, 4));
    return node != NULL ? RF_CONTAINER(node, struct store_set, node) : NULL;
}

struct store_set *store_index_set(const struct store_index *index, struct rf_view id, uint32_t kind)
{
    struct store_resource *resource = store_index_resource(index, id);
    return resource != NULL ? store_resource_set(resource, kind) : NULL;
}

struct store_value *store_set_value(const struct store_set *set, struct rf_view slot)
{
    struct store_tree_node *node = store_tree_find(&set->values, &value_class, slot);
    return node != NULL ? RF_CONTAINER(node, struct store_value, node) : NULL;
}

struct store_value *store_value_at_least(const struct store_set *set, struct rf_view slot)
{
    struct store_tree_node *node = store_tree_at_least(&set->values, &value_class, slot);
    return node != NULL ? RF_CONTAINER(node, struct store_value, node) : NULL;
}

struct store_set *store_set_next(const struct store_resource *resource, const struct store_set *set)
{
    struct store_tree_node *node =
        set == NULL ? store_tree_first(&resource->sets) : store_tree_next(&set->node);
    return node != NULL ? RF_CONTAINER(node, struct store_set, node) : NULL;
}

struct store_value *store_value_next(const struct store_set *set, const struct store_value *value)
{
    struct store_tree_node *node =
        value == NULL ? store_tree_first(&set->values) : store_tree_next(&value->node);
    return node != NULL ? RF_CONTAINER(node, struct store_value, node) : NULL;
}

uint32_t store_set_end(const struct store_set *set)
{
    struct store_tree_node *node = store_tree_last(&set->values);
    if (node == NULL)
        return 0;
    struct rf_view slot = store_value_slot(RF_CONTAINER(node, struct store_value, node));
    uint32_t last = 0;
    RF_ASSERT(rf_view_u32(&slot, &last) == 0);
    return last + 1;
}

/* ---- changing ---- */

static struct store_tree *finder_tree(struct store_index *index, uint32_t kind)
{
    for (size_t i = 0; i < index->finder_count; i++)
        if (index->finders[i].kind == kind)
            return &index->finders[i].tree;
    return NULL;
}

/* The trees of a finder move with the array, which is fine: nodes never point to their tree. */
static int finder_add(struct store_index *index, uint32_t kind)
{
    if (finder_tree(index, kind) != NULL)
        return 0;
    struct store_finder *more =
        rf_resize(index->mem, index->finders, (index->finder_count + 1) * sizeof(*index->finders));
    if (more == NULL)
        return RF_ENOMEM;
    index->finders = more;
    index->finders[index->finder_count++] = (struct store_finder){.kind = kind};
    return 0;
}

static struct store_resource *resource_new(struct store_index *index, const struct rf_id *id)
{
    struct store_resource *resource = rf_zalloc(index->mem, sizeof(*resource));
    if (resource == NULL)
        return NULL;
    resource->id = *id;
    rf_list_init(&resource->work);
    RF_ASSERT(store_tree_insert(&index->resources, &resource_class, &resource->node) == 0);
    return resource;
}

static void resource_prune(struct store_index *index, struct store_resource *resource)
{
    if (resource->sets.count > 0)
        return;
    if (index->resource_gone != NULL)
        index->resource_gone(index->arg, resource);
    rf_list_remove(&resource->work);
    store_tree_remove(&index->resources, &resource->node);
    rf_free(index->mem, resource);
}

static struct store_set *set_new(struct store_index *index, struct store_resource *resource, uint32_t kind,
                                 enum rf_model model)
{
    if (finder_add(index, kind) != 0)
        return NULL;
    struct store_set *set = rf_zalloc(index->mem, sizeof(*set));
    if (set == NULL)
        return NULL;
    set->resource = resource;
    set->kind = kind;
    kind_bytes(kind, set->kind_key);
    set->model = model;
    RF_ASSERT(store_tree_insert(&resource->sets, &set_class, &set->node) == 0);
    RF_ASSERT(store_tree_insert(finder_tree(index, kind), &find_class, &set->find) == 0);
    index->set_count++;
    return set;
}

static void detach(struct store_index *index, struct store_value *value)
{
    struct store_set *set = value->set;
    store_tree_remove(&set->values, &value->node);
    value->set = NULL;
    set->existing_count -= value->exists;
    set->bytes -= value->data_len;
    index->value_count--;
}

int store_index_put(struct store_index *index, const struct rf_id *id, uint32_t kind, enum rf_model model,
                    struct store_value *value, struct store_value **old)
{
    struct store_resource *resource = store_index_resource(index, rf_id_view(id));
    if (resource == NULL && (resource = resource_new(index, id)) == NULL)
        return RF_ENOMEM;
    struct store_set *set = store_resource_set(resource, kind);
    if (set == NULL && (set = set_new(index, resource, kind, model)) == NULL) {
        resource_prune(index, resource);
        return RF_ENOMEM;
    }
    *old = store_set_value(set, store_value_slot(value));
    if (*old != NULL)
        detach(index, *old);
    RF_ASSERT(store_tree_insert(&set->values, &value_class, &value->node) == 0);
    value->set = set;
    set->existing_count += value->exists;
    set->bytes += value->data_len;
    index->value_count++;
    return 0;
}

void store_index_take(struct store_index *index, struct store_value *value)
{
    struct store_set *set = value->set;
    struct store_resource *resource = set->resource;
    detach(index, value);
    if (set->values.count > 0)
        return;
    store_tree_remove(finder_tree(index, set->kind), &set->find);
    store_tree_remove(&resource->sets, &set->node);
    rf_free(index->mem, set);
    index->set_count--;
    resource_prune(index, resource);
}

/* ---- Find ---- */

/* How far apart on the ring, the shorter way. */
static struct rf_id distance(const struct rf_id *a, const struct rf_id *b)
{
    struct rf_id up = rf_id_sub(a, b);
    struct rf_id down = rf_id_sub(b, a);
    return rf_id_compare(&up, &down) < 0 ? up : down;
}

/* From `node` on, around the ring: the first with a value that exists. A few steps, then it is as if there were none. */
static const struct store_set *holding(const struct store_tree *tree, struct store_tree_node *node, bool up)
{
    for (size_t steps = 0; steps < 64; steps++) {
        if (node == NULL)
            node = up ? store_tree_first(tree) : store_tree_last(tree);
        const struct store_set *set = RF_CONTAINER(node, struct store_set, find);
        if (set->existing_count > 0)
            return set;
        node = up ? store_tree_next(node) : store_tree_prev(node);
    }
    return NULL;
}

bool store_index_nearest(const struct store_index *index, const struct rf_id *id, uint32_t kind,
                         struct rf_id *out)
{
    const struct store_tree *tree = NULL;
    for (size_t i = 0; i < index->finder_count && tree == NULL; i++)
        if (index->finders[i].kind == kind)
            tree = &index->finders[i].tree;
    if (tree == NULL || tree->root == NULL)
        return false;
    const struct store_set *a = holding(tree, store_tree_at_least(tree, &find_class, rf_id_view(id)), true);
    const struct store_set *b = holding(tree, store_tree_before(tree, &find_class, rf_id_view(id)), false);
    if (a == NULL || b == NULL) {
        a = a != NULL ? a : b;
    } else {
        struct rf_id to_a = distance(&a->resource->id, id), to_b = distance(&b->resource->id, id);
        a = rf_id_compare(&to_a, &to_b) <= 0 ? a : b;
    }
    if (a != NULL)
        *out = a->resource->id;
    return a != NULL;
}
