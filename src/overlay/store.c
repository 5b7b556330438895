/*
 * store.c - the storage's object: made, configured, loaded from disk, expired. The other files are named in store_internal.h.
 */
#include "base/error.h"
#include "overlay/store_internal.h"

#define STORE_EXPIRY_STEP  256                /* values that end in one go */
#define STORE_EXPIRY_CHECK (60 * RF_US_PER_S) /* the wall clock may be set: look at least that often */

#define ROW(name, help) {#name, help, offsetof(struct rf_store_counters, name)},
RF_COUNTERS_DEFINE(store, RF_STORE_COUNTERS, ROW)
#undef ROW

void rf_store_config_default(struct rf_store_config *config)
{
    *config = (struct rf_store_config){
        .peer = true,
        .max_bytes = (size_t)256 << 20,
        .max_user_bytes = (size_t)1 << 20,
        .max_lifetime_s = 30 * 24 * 3600,
    };
}

const struct rf_store_counters *rf_store_counters(const struct rf_store *store)
{
    return store->counters;
}

/* ---- the ring ---- */

bool store_responsible(const struct rf_store *store, const struct rf_id *resource)
{
    struct rf_topology *t;
    const struct rf_topology_ops *topology = rf_overlay_topology(store->overlay, &t);
    return topology->responsible(t, resource);
}

bool store_single(const struct rf_store *store)
{
    struct rf_topology *t;
    const struct rf_topology_ops *topology = rf_overlay_topology(store->overlay, &t);
    return topology->ring_is_single(t);
}

enum rf_topology_state store_ring_state(const struct rf_store *store)
{
    struct rf_topology *t;
    const struct rf_topology_ops *topology = rf_overlay_topology(store->overlay, &t);
    return topology->state(t);
}

/* ---- usages ---- */

const struct rf_usage_kind *store_usage(const struct rf_store *store, uint32_t kind)
{
    for (size_t i = 0; i < store->kind_count; i++)
        if (store->kinds[i]->kind == kind)
            return store->kinds[i];
    return NULL;
}

int rf_store_add_kind(struct rf_store *store, const struct rf_usage_kind *kind)
{
    if (store_usage(store, kind->kind) != NULL)
        return RF_EEXIST;
    const struct rf_usage_kind **more =
        rf_resize(store->env->mem, store->kinds, (store->kind_count + 1) * sizeof(*more));
    if (more == NULL)
        return RF_ENOMEM;
    store->kinds = more;
    store->kinds[store->kind_count++] = kind;
    return 0;
}

/* ---- removing values, on disk in batches ---- */

void store_forget_flush(struct rf_store *store)
{
    struct rf_persist_op ops[STORE_DEAD_BATCH];
    size_t count = store->dead_count;
    if (count == 0)
        return;
    store->dead_count = 0;
    for (size_t i = 0; i < count; i++) {
        const struct store_dead *dead = &store->dead[i];
        ops[i] = (struct rf_persist_op){
            .type = RF_PERSIST_DELETE,
            .record = {.resource = rf_id_view(&dead->resource),
                       .kind = dead->kind,
                       .slot = store_value_slot(dead->value)},
        };
    }
    /* a removal that the disk refuses comes back at the next start and ends there again */
    if (store->host.persist != NULL && !store->freeing &&
        store->host.persist(store->host.ctx, ++store->next_token, ops, count) != 0)
        store->counters->persist_failed++;
    for (size_t i = 0; i < count; i++)
        store_value_free(&store->index, store->dead[i].value);
}

void store_forget(struct rf_store *store, struct store_value *value)
{
    if (store->dead_count == store->dead_cap)
        store_forget_flush(store);
    struct store_dead *dead = &store->dead[store->dead_count++];
    *dead =
        (struct store_dead){.value = value, .resource = value->set->resource->id, .kind = value->set->kind};
    if (value->made_by != NULL)
        value->made_by->fresh = NULL;
    value->made_by = NULL;
    store_index_take(&store->index, value);
}

void store_expire(struct rf_timer *timer, void *arg)
{
    struct store_value *value = RF_CONTAINER(timer, struct store_value, expiry);
    struct rf_store *store = arg;
    if (value->set == NULL)
        return; /* kept by a Store under way; its timer not being set tells that it ended */
    store->counters->expired++;
    store_forget(store, value);
}

void store_expiry_arm(struct rf_store *store)
{
    const struct store_tables *tables = store->index.tables;
    uint64_t next_ms = tables != NULL ? rf_timers_next(&tables->expiry) : RF_NEVER;
    if (next_ms == RF_NEVER) {
        rf_timer_stop(store->env->timers, &store->expiry_timer);
        return;
    }
    uint64_t now_ms = store_wall_ms(store);
    uint64_t left_ms = next_ms > now_ms ? next_ms - now_ms : 0;
    uint64_t delay =
        left_ms < STORE_EXPIRY_CHECK / RF_US_PER_MS ? left_ms * RF_US_PER_MS : STORE_EXPIRY_CHECK;
    rf_env_timer_in(store->env, &store->expiry_timer, delay); /* without memory the next Store tries again */
}

static void on_expiry(struct rf_timer *timer, void *arg)
{
    (void)timer;
    struct rf_store *store = arg;
    rf_timers_run(&store->index.tables->expiry, store_wall_ms(store), STORE_EXPIRY_STEP);
    store_forget_flush(store);
    store_expiry_arm(store);
}

/* ---- values that are verified late or anew ---- */

bool store_value_trusted(struct rf_store *store, struct store_value *value)
{
    if (value->checked)
        return true;
    const struct rf_cert *cert = value->cert->cert;
    struct rf_view bucket[1 + RF_CERT_MAX_CHAIN] = {cert->x509.der};
    for (size_t i = 0; i < cert->chain_count; i++)
        bucket[1 + i] = cert->chain[i];
    struct rf_stored stored;
    struct rf_stored_data data;
    struct rf_signer signer;
    struct rf_buf bytes;
    rf_buf_init(&bytes, store->env->mem, value->data_len);
    store_value_data(value, &bytes);
    struct rf_view list = rf_buf_view(&bytes);
    int error = rf_buf_error(&bytes);
    error = error != 0 ? error : rf_stored_next(&list, &stored);
    error = error != 0 ? error : rf_stored_data_decode(&stored, value->set->model, &data);
    error = error != 0 ? error
                       : store_verify(store, &value->set->resource->id, value->set->kind, &data, bucket,
                                      1 + cert->chain_count, &signer);
    rf_buf_deinit(&bytes);
    if (error != 0)
        return false;
    value->signer = signer.node_id;
    value->checked = true;
    rf_signer_deinit(&signer);
    return true;
}

/* Under a new document: is the Kind still what it was, and the signer's certificate still good? */
static bool still_good(struct rf_store *store, struct store_value *value)
{
    const struct rf_kind_def *kind = rf_conf_kind(store->conf, value->set->kind);
    return kind != NULL && kind->model == value->set->model &&
           rf_trust_cert_again(store->config.trust, value->cert->cert, store_wall_ms(store)) == 0;
}

static struct store_value *first_bad(struct rf_store *store, struct store_resource *resource)
{
    for (struct store_set *set = store_set_next(resource, NULL); set != NULL;
         set = store_set_next(resource, set))
        for (struct store_value *v = store_value_next(set, NULL); v != NULL; v = store_value_next(set, v))
            if (!still_good(store, v))
                return v;
    return NULL;
}

int rf_store_configure(struct rf_store *store, struct rf_conf *conf)
{
    rf_conf_hold(conf);
    rf_conf_release(store->conf);
    store->conf = store->config.conf = conf;
    struct rf_id id = {.len = 0};
    struct store_resource *resource;
    while ((resource = store_resource_after(&store->index, &id)) != NULL) {
        struct store_value *bad;
        id = resource->id;
        /* the resource goes with its last value */
        while (resource != NULL && (bad = first_bad(store, resource)) != NULL) {
            store_forget(store, bad);
            resource = store_index_resource(&store->index, rf_id_view(&id));
        }
    }
    store_forget_flush(store);
    return 0;
}

/* ---- loading ---- */

static int load_value(struct rf_store *store, const struct rf_record *record, const struct rf_kind_def *kind,
                      struct rf_cert *cert, struct store_value **out)
{
    struct rf_view list = record->stored_data;
    struct rf_stored stored;
    struct rf_stored_data data;
    int error = rf_stored_next(&list, &stored);
    error = error != 0 ? error : rf_stored_data_decode(&stored, kind->model, &data);
    if (error != 0 || list.len > 0 || !rf_view_equal(data.slot, record->slot) ||
        data.storage_time_ms != record->storage_time_ms)
        return RF_EFORMAT;
    struct rf_signer signer = {.cert = cert, .node_id = cert->node_ids[0]};
    uint64_t end = cert->x509.not_after_ms;
    struct store_value_spec spec = {
        .slot = record->slot,
        .data = record->stored_data,
        .content_off = data.value.len > 0 ? (size_t)(data.value.p - record->stored_data.p) : 0,
        .content_len = data.value.len,
        .account = rf_principal(&signer),
        .signer = signer.node_id,
        .cert = cert,
        .storage_time_ms = record->storage_time_ms,
        .expires_ms = record->expires_ms < end ? record->expires_ms : end,
        .replica_number = record->replica_number,
        .exists = data.exists,
        .expire = store_expire,
        .arg = store,
    };
    return store_value_new(&store->index, &spec, out);
}

/* Cuts the next DER element off: tag SEQUENCE, a length in the short form or of up to three bytes. */
static int next_der(struct rf_view *in, struct rf_view *out)
{
    struct rf_view at = *in;
    uint8_t tag = 0, first = 0, byte = 0;
    if (rf_view_u8(&at, &tag) != 0 || tag != 0x30 || rf_view_u8(&at, &first) != 0 || first > 0x83)
        return RF_EFORMAT;
    size_t len = first < 0x80 ? first : 0;
    for (int i = first < 0x80 ? 0 : first - 0x80; i > 0; i--) {
        if (rf_view_u8(&at, &byte) != 0)
            return RF_EFORMAT;
        len = len << 8 | byte;
    }
    size_t head = in->len - at.len;
    return rf_view_take(in, head + len, out) != 0 ? RF_EFORMAT : 0;
}

/* The record's certificate, checked as of now. */
static int load_cert(struct rf_store *store, struct rf_view all, struct rf_cert **out)
{
    struct rf_view der, others[RF_CERT_MAX_CHAIN];
    size_t count = 0;
    int error = next_der(&all, &der);
    while (error == 0 && all.len > 0)
        error = count == RF_CERT_MAX_CHAIN ? RF_ELIMIT : next_der(&all, &others[count++]);
    return error != 0 ? error
                      : rf_trust_cert(store->config.trust, der, others, count, store_wall_ms(store), out);
}

int rf_store_load(struct rf_store *store, const struct rf_record *record)
{
    const struct rf_kind_def *kind = rf_conf_kind(store->conf, record->kind);
    struct rf_id id;
    if (record->expires_ms <= store_wall_ms(store))
        return RF_EEXPIRED;
    if (kind == NULL)
        return RF_EUNKNOWN;
    if (rf_id_from(record->resource, &id) != 0 || id.len != store->config.self.len)
        return RF_EFORMAT;
    struct rf_cert *cert = NULL;
    int error = load_cert(store, record->cert, &cert);
    if (error != 0)
        return error;
    struct store_value *value = NULL, *old = NULL;
    error = load_value(store, record, kind, cert, &value);
    rf_cert_release(cert);
    if (error == 0)
        error = store_index_put(&store->index, &id, record->kind, kind->model, value, &old);
    if (error != 0) {
        store_value_free(&store->index, value);
        return error;
    }
    store_value_free(&store->index, old); /* the same record twice */
    if (record->generation > value->set->generation)
        value->set->generation = record->generation;
    if (value->set->generation == 0)
        value->set->generation = 1;
    if (record->replica_number == 0)
        value->set->resource->own = true; /* if it is no more, store_sync.c passes it on */
    value->set->resource->loaded = true;
    if (record->storage_time_ms > store->last_time_ms && rf_id_equal(&value->signer, &store->config.self))
        store->last_time_ms = record->storage_time_ms;
    store_expiry_arm(store);
    return 0;
}

void rf_store_persisted(struct rf_store *store, uint64_t token, int error)
{
    store_write_persisted(store, token, error);
}

/* ---- what others ask ---- */

void rf_store_stats(const struct rf_store *store, struct rf_store_stats *out)
{
    *out = (struct rf_store_stats){
        .resource_count = store->index.resources.count,
        .value_count = store->index.value_count,
        .bytes = store->index.bytes,
    };
    for (struct store_tree_node *n = store_tree_first(&store->index.resources); n != NULL;
         n = store_tree_next(n))
        out->own_count += store_responsible(store, &RF_CONTAINER(n, struct store_resource, node)->id);
}

bool rf_store_peek(const struct rf_store *store, const struct rf_id *resource, uint32_t kind,
                   struct rf_view slot, struct rf_view *value)
{
    const struct store_set *set = store_index_set(&store->index, rf_id_view(resource), kind);
    const struct store_value *found = set != NULL ? store_set_value(set, slot) : NULL;
    if (found == NULL || !found->exists || store_value_ended(found, store->env->now->wall_ms))
        return false;
    *value = store_value_content(found);
    return true;
}

static void each_of(const struct rf_store *store, const struct store_set *set,
                    void (*fn)(void *arg, const struct rf_store_held *held), void *arg)
{
    for (struct store_value *v = store_value_next(set, NULL); v != NULL; v = store_value_next(set, v)) {
        if (store_value_ended(v, store->env->now->wall_ms))
            continue;
        struct rf_store_held held = {
            .resource = set->resource->id,
            .kind = set->kind,
            .slot = store_value_slot(v),
            .value = store_value_content(v),
            .signer = v->signer,
            .generation = set->generation,
            .storage_time_ms = v->storage_time_ms,
            .exists = v->exists,
        };
        fn(arg, &held);
    }
}

void rf_store_each(const struct rf_store *store, uint32_t kind,
                   void (*fn)(void *arg, const struct rf_store_held *held), void *arg)
{
    for (size_t i = 0; i < store->index.finder_count; i++) {
        const struct store_finder *finder = &store->index.finders[i];
        if (finder->kind != kind)
            continue;
        for (struct store_tree_node *n = store_tree_first(&finder->tree); n != NULL; n = store_tree_next(n))
            each_of(store, RF_CONTAINER(n, struct store_set, find), fn, arg);
    }
}

uint64_t rf_store_last_time(const struct rf_store *store)
{
    return store->last_time_ms;
}

void rf_store_set_last_time(struct rf_store *store, uint64_t storage_time_ms)
{
    if (storage_time_ms > store->last_time_ms)
        store->last_time_ms = storage_time_ms;
}

/* ---- life ---- */

static void resource_gone(void *arg, struct store_resource *resource)
{
    store_sync_forget(arg, resource);
}

static int add_methods(struct rf_store *store)
{
    static const struct {
        uint16_t code;
        rf_request_fn fn;
    } methods[] = {
        {RF_CODE_STORE_REQ, store_on_store},
        {RF_CODE_FETCH_REQ, store_on_fetch},
        {RF_CODE_STAT_REQ, store_on_stat},
        {RF_CODE_FIND_REQ, store_on_find},
    };
    int error = 0;
    for (size_t i = 0; i < RF_COUNT(methods) && error == 0; i++)
        error = rf_overlay_handle(store->overlay, methods[i].code, methods[i].fn, store);
    return error;
}

int rf_store_new(const struct rf_env *env, const struct rf_store_config *config, struct rf_overlay *overlay,
                 const struct rf_store_host *host, struct rf_store **out)
{
    struct rf_store *store = rf_zalloc(env->mem, sizeof(*store));
    if (store == NULL)
        return RF_ENOMEM;
    store->env = env;
    store->config = *config;
    store->conf = rf_conf_hold(config->conf);
    store->overlay = overlay;
    store->host = *host;
    store_index_init(&store->index, env->mem, env->seed, env->values);
    store->index.resource_gone = resource_gone;
    store->index.arg = store;
    rf_timer_init(&store->expiry_timer, on_expiry, store);
    rf_list_init(&store->writes);
    rf_list_init(&store->passes);
    rf_list_init(&store->fetches);
    rf_list_init(&store->lookups);
    rf_list_init(&store->stores);
    rf_list_init(&store->pulls);
    store->dead_cap = config->peer ? STORE_DEAD_BATCH : STORE_DEAD_CLIENT;
    store->dead = rf_alloc(env->mem, store->dead_cap * sizeof(*store->dead));
    store->counters = rf_env_counters(env, rf_store_counter_descs, sizeof(*store->counters));
    int error = store->dead != NULL && store->counters != NULL ? store_sync_init(store) : RF_ENOMEM;
    if (error == 0)
        error = add_methods(store);
    if (error != 0) {
        rf_store_free(store);
        return error;
    }
    *out = store;
    return 0;
}

int rf_store_set_peer(struct rf_store *store, bool peer)
{
    size_t cap = peer ? STORE_DEAD_BATCH : STORE_DEAD_CLIENT;
    if (peer == store->config.peer)
        return 0;
    store_forget_flush(store);
    int error = store_sync_set_peer(store, peer);
    if (error != 0)
        return error;
    struct store_dead *dead = rf_resize(store->env->mem, store->dead, cap * sizeof(*dead));
    if (dead == NULL && peer)
        return RF_ENOMEM;
    if (dead != NULL) {
        store->dead = dead;
        store->dead_cap = cap;
    }
    store->config.peer = peer;
    return 0;
}

void rf_store_free(struct rf_store *store)
{
    if (store == NULL)
        return;
    store->freeing = true;
    store_watch_free(store);
    store_passes_deinit(store);
    store_clients_deinit(store);
    store_pulls_deinit(store);
    store_writes_deinit(store);
    store_sync_deinit(store);
    store_seen_deinit(store);
    rf_timer_stop(store->env->timers, &store->expiry_timer);
    store_forget_flush(store);
    store_index_deinit(&store->index);
    rf_free(store->env->mem, store->dead);
    rf_free(store->env->mem, store->sync);
    rf_free(store->env->mem, store->kinds);
    rf_env_counters_close(store->env, store->counters);
    rf_conf_release(store->conf);
    rf_free(store->env->mem, store);
}
