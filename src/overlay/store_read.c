/*
 * store_read.c - the requests of the storage: Store (checked in store_check.c, carried out in store_write.c), Fetch, Stat, Find.
 * reload.md 4.3-4.6, 4.9.
 */
#include <stdio.h>
#include "base/error.h"
#include "overlay/store_internal.h"

#define STORE_JOB_LEN ((size_t)1 << 20) /* bytes that decoding one Store may take */

void store_refuse(struct rf_store *store, struct rf_request *request, uint16_t error_code, const char *why)
{
    rf_overlay_refuse_text(store->overlay, request, error_code, why);
}

/* A request that does not decode; or there was no memory to do it, which is worth another try. */
static void refuse_decode(struct rf_store *store, struct rf_request *request, int error)
{
    if (error == RF_ENOMEM)
        store_refuse(store, request, RF_ERROR_REQUEST_TIMEOUT, "out of memory at the moment");
    else
        rf_overlay_refuse_malformed(store->overlay, request, error, rf_error_text(error));
}

/* ---- the certificates of an answer ---- */

bool store_bucket_has(const struct store_bucket *bucket, const struct store_cert *cert)
{
    for (size_t i = bucket->count; i > 0; i--) /* most often it is the last one's */
        if (bucket->seen[i - 1] == cert)
            return true;
    return false;
}

/* cert: whose this is; NULL: an intermediate, which several may share. */
static int bucket_add_der(struct store_bucket *bucket, const struct store_cert *cert, struct rf_view der)
{
    for (size_t i = 0; i < bucket->count && cert == NULL; i++)
        if (bucket->seen[i] == NULL && rf_view_equal(bucket->certs[i], der))
            return 0;
    if (bucket->count ==
        RF_MESSAGE_MAX_CERTS - 1 - RF_CERT_MAX_CHAIN) /* the rest is for the message's own signer */
        return RF_ELIMIT;
    bucket->seen[bucket->count] = cert;
    bucket->certs[bucket->count++] = der;
    bucket->bytes += der.len + 3;
    return 0;
}

int store_bucket_add(struct store_bucket *bucket, const struct store_cert *cert)
{
    if (store_bucket_has(bucket, cert))
        return 0;
    int error = bucket_add_der(bucket, cert, cert->cert->x509.der);
    for (size_t i = 0; i < cert->cert->chain_count && error == 0; i++)
        error = bucket_add_der(bucket, NULL, cert->cert->chain[i]);
    return error;
}

/* ---- Store ---- */

static void refuse_job(struct rf_store *store, struct rf_request *request, const struct store_job *job)
{
    store->counters->stores_refused++;
    if (job->unknown_variant)
        rf_overlay_refuse_malformed(store->overlay, request, RF_EUNKNOWN, job->why);
    else if (job->info.len > 0)
        rf_overlay_refuse(store->overlay, request, job->error_code, job->info);
    else
        store_refuse(store, request, job->error_code, job->why);
}

static void store_run(struct store_job *job, struct rf_request *request, bool deferred_already)
{
    struct rf_store *store = job->store;
    if (store_check(job) != 0) {
        refuse_job(store, request, job);
        return;
    }
    struct rf_request *deferred = deferred_already ? request : rf_overlay_defer(store->overlay, request);
    if (deferred == NULL)
        return;
    store->counters->stores += !job->copy;
    store->counters->replica_stores += job->copy;
    int error = store_apply(job, deferred);
    if (error != 0) {
        store->counters->stores_refused++;
        store_refuse(store, deferred, RF_ERROR_REQUEST_TIMEOUT,
                     error == RF_ENOMEM ? "out of memory at the moment"
                                        : "the storage's disk refused to write");
    }
}

static void store_again(struct rf_store *store, struct rf_request *request);

static void run_job(struct store_job *job, struct rf_request *request, bool deferred)
{
    struct rf_store *store = job->store;
    int error = rf_store_req_decode(request->message->body, job->region, &job->req);
    if (error != 0) {
        store->counters->stores_refused++;
        refuse_decode(store, request, error);
        return;
    }
    job->replica_number = job->req.replica_number;
    job->copy = job->req.replica_number > 0;
    uint32_t kinds[RF_STORE_MAX_KINDS];
    struct rf_id resource;
    size_t kind_count = job->req.kind_count;
    for (size_t i = 0; i < kind_count; i++)
        kinds[i] = job->req.kinds[i].kind;
    for (size_t i = 0; i < job->req.kind_count && kind_count < RF_COUNT(kinds); i++)
        if (kinds[i] == RF_KIND_LOG) /* who may write says the roster */
            kinds[kind_count++] = RF_KIND_ROSTER;
    if (!job->copy && rf_id_from(job->req.resource, &resource) == 0 && store_responsible(store, &resource) &&
        store_pull_first(store, request, deferred, &resource, kinds, kind_count, store_again))
        return;
    store_run(job, request, deferred);
}

static void on_store(struct rf_store *store, struct rf_request *request, bool deferred)
{
    if (!store->config.peer) {
        store_refuse(store, request, RF_ERROR_NOT_FOUND, "a client stores nothing for others");
        return;
    }
    /* a region of its own: that of a deferred request goes with its answer */
    struct rf_region region;
    rf_region_init(&region, store->env->mem, STORE_JOB_LEN);
    struct store_job job = {
        .store = store,
        .region = &region,
        .writer = &request->signer,
        .direct = request->link != 0 && rf_id_equal(&request->link_node, &request->signer.node_id),
        .bucket = request->message->security.certs,
        .bucket_count = request->message->security.cert_count,
    };
    run_job(&job, request, deferred);
    store_job_deinit(&job);
    rf_region_deinit(&region);
}

static void store_again(struct rf_store *store, struct rf_request *request)
{
    on_store(store, request, true);
}

void store_on_store(void *arg, struct rf_request *request)
{
    on_store(arg, request, false);
}

/* ---- Fetch and Stat ---- */

/* In CHORD-RELOAD a Resource-ID is as long as a Node-ID. */
static int read_resource(const struct rf_store *store, struct rf_view bytes, struct rf_id *out)
{
    int error = rf_id_from(bytes, out);
    return error != 0 ? error : out->len == store->config.self.len ? 0 : RF_ELENGTH;
}

struct reading {
    struct rf_store *store;
    struct rf_request *request;
    bool stat;
    size_t room;
    struct rf_fetch_req req;
    const struct rf_kind_def *kind; /* of the specifier at hand */
    struct rf_buf values;
    struct store_bucket bucket;
};

static void put_none(struct reading *r, struct rf_view slot)
{
    if (!r->stat) {
        rf_stored_none_encode(r->kind->model, slot, &r->values);
        return;
    }
    struct rf_stored_meta meta = {.model = r->kind->model, .slot = slot};
    if (meta.model == RF_MODEL_ARRAY)
        (void)rf_view_u32(&(struct rf_view){slot.p, slot.len}, &meta.index);
    rf_stored_meta_encode(&meta, &r->values);
}

static int put_meta(struct reading *r, const struct store_value *value)
{
    struct rf_view content = store_value_content(value);
    uint8_t len[4], hash[RF_SHA256_LEN];
    for (int i = 0; i < 4; i++)
        len[i] = (uint8_t)(content.len >> (24 - 8 * i));
    struct rf_view parts[2] = {rf_view_of(len, 4), content};
    struct rf_crypto *crypto = r->store->config.crypto;
    int error = crypto->ops->hash(crypto, RF_HASH_SHA256, parts, content.len > 0 ? 2 : 1, hash);
    if (error != 0)
        return error;
    uint64_t left_s = (value->expires_ms - store_wall_ms(r->store)) / RF_MS_PER_S;
    struct rf_stored_meta meta = {
        .storage_time_ms = value->storage_time_ms,
        .lifetime_s = left_s < 1            ? 1
                      : left_s < UINT32_MAX ? (uint32_t)left_s
                                            : UINT32_MAX,
        .model = r->kind->model,
        .slot = store_value_slot(value),
        .exists = value->exists,
        .value_len = (uint32_t)content.len,
        .hash_alg = RF_HASH_SHA256,
        .hash = rf_view_of(hash, sizeof(hash)),
    };
    if (meta.model == RF_MODEL_ARRAY) {
        struct rf_view slot = meta.slot;
        (void)rf_view_u32(&slot, &meta.index);
    }
    rf_stored_meta_encode(&meta, &r->values);
    return 0;
}

/* Appends a value. A value loaded from disk is verified first; one that is bad goes, as if it had never been. */
static int put_value(struct reading *r, struct store_value *value, bool *there)
{
    *there = false;
    if (store_value_ended(value, store_wall_ms(r->store)))
        return 0;
    if (!store_value_trusted(r->store, value)) {
        store_forget(r->store, value);
        return 0;
    }
    *there = true;
    if (r->stat)
        return put_meta(r, value);
    store_value_put(value, store_wall_ms(r->store), &r->values);
    return store_bucket_add(&r->bucket, value->cert);
}

static struct store_set *reading_set(const struct reading *r)
{
    return store_index_set(&r->store->index, r->req.resource, r->kind->id);
}

/* One slot: what is there, or a synthesized nonexistent value. */
static int put_slot(struct reading *r, struct rf_view slot)
{
    struct store_set *set = reading_set(r);
    struct store_value *value = set != NULL ? store_set_value(set, slot) : NULL;
    bool there = false;
    int error = value != NULL ? put_value(r, value, &there) : 0;
    if (error == 0 && !there)
        put_none(r, slot);
    return error;
}

/* The slots from `from` on, up to `to` (empty: no bound). count: how many there were. */
static int put_slots(struct reading *r, struct rf_view from, struct rf_view to, size_t *count)
{
    struct store_set *set = reading_set(r);
    struct store_value *value = set != NULL ? store_value_at_least(set, from) : NULL;
    int error = 0;
    *count = 0;
    while (value != NULL && error == 0) {
        struct store_value *next = store_value_next(set, value);
        struct rf_view slot = store_value_slot(value);
        if (to.len > 0 && memcmp(slot.p, to.p, 4) > 0)
            break;
        bool there;
        error = put_value(r, value, &there);
        *count += there;
        value = next;
        if (r->values.len + r->bucket.bytes > r->room)
            return RF_ELIMIT; /* no need to go on */
    }
    return error;
}

static void index_bytes(uint32_t index, uint8_t out[4])
{
    for (int i = 0; i < 4; i++)
        out[i] = (uint8_t)(index >> (24 - 8 * i));
}

static int put_range(struct reading *r, const struct rf_array_range *range)
{
    struct store_set *set = reading_set(r);
    uint32_t last = set != NULL && set->values.count > 0 ? store_set_end(set) - 1 : 0;
    uint8_t from[4], to[4];
    index_bytes(range->first == RF_ARRAY_LAST ? last : range->first, from);
    index_bytes(range->last == RF_ARRAY_LAST ? last : range->last, to);
    size_t count = 0;
    int error = 0;
    if (memcmp(from, to, 4) <= 0)
        error = put_slots(r, rf_view_of(from, 4), rf_view_of(to, 4), &count);
    if (error == 0 && count == 0) {
        index_bytes(range->first, from);
        put_none(r, rf_view_of(from, 4));
    }
    return error;
}

static int put_selection(struct reading *r, const struct rf_selection *selection)
{
    int error = 0;
    size_t count;
    switch (r->kind->model) {
    case RF_MODEL_SINGLE:
        return put_slot(r, rf_view_of(NULL, 0));
    case RF_MODEL_ARRAY:
        for (size_t i = 0; i < selection->range_count && error == 0; i++)
            error = put_range(r, &selection->ranges[i]);
        return error;
    case RF_MODEL_DICTIONARY:
        if (selection->key_count == 0)
            return put_slots(r, rf_view_of(NULL, 0), rf_view_of(NULL, 0), &count);
        for (size_t i = 0; i < selection->key_count && error == 0; i++)
            error = put_slot(r, selection->keys[i]);
        return error;
    }
    return RF_EINVAL;
}

/* What one specifier asks for, as a Kind of the answer. The values stand in the region. */
static int read_kind(struct reading *r, const struct rf_specifier *specifier, struct rf_kind_values *out)
{
    struct rf_selection selection;
    r->kind = rf_conf_kind(r->store->conf, specifier->kind);
    int error =
        rf_selection_decode(specifier->model_specifier, r->kind->model, r->request->region, &selection);
    if (error != 0)
        return error == RF_ENOMEM ? error : RF_EFORMAT;
    struct store_set *set = reading_set(r);
    *out = (struct rf_kind_values){.kind = specifier->kind, .generation = set != NULL ? set->generation : 0};
    if (specifier->generation != 0 && specifier->generation == out->generation)
        return 0;
    size_t from = r->values.len;
    error = put_selection(r, &selection);
    if (error == 0)
        error = rf_buf_error(&r->values);
    if (error != 0)
        return error;
    out->values = rf_region_copy(r->request->region, rf_view_of(r->values.p + from, r->values.len - from));
    return out->values.p == NULL && out->values.len > 0 ? RF_ENOMEM : 0;
}

static bool refuse_unknown_kinds(struct reading *r)
{
    uint32_t unknown[63];
    size_t count = 0;
    for (size_t i = 0; i < r->req.specifier_count && count < RF_COUNT(unknown); i++)
        if (rf_conf_kind(r->store->conf, r->req.specifiers[i].kind) == NULL)
            unknown[count++] = r->req.specifiers[i].kind;
    if (count == 0)
        return false;
    uint8_t bytes[256];
    struct rf_buf info;
    rf_buf_fixed(&info, bytes, sizeof(bytes));
    rf_unknown_kinds_encode(unknown, count, &info);
    rf_overlay_refuse(r->store->overlay, r->request, RF_ERROR_UNKNOWN_KIND, rf_buf_view(&info));
    return true;
}

static int read_all(struct reading *r, struct rf_fetch_ans *ans)
{
    ans->kind_count = r->req.specifier_count;
    ans->kinds = rf_region_array(r->request->region, ans->kind_count, sizeof(*ans->kinds));
    int error = ans->kinds == NULL ? RF_ENOMEM : 0;
    for (size_t i = 0; i < ans->kind_count && error == 0; i++)
        error = read_kind(r, &r->req.specifiers[i], &ans->kinds[i]);
    return error;
}

static void answer_read(struct reading *r)
{
    struct rf_store *store = r->store;
    struct rf_fetch_ans ans;
    r->room = rf_overlay_room(store->overlay, r->request);
    rf_buf_init(&r->values, store->env->mem, r->room + 1); /* no more than can be answered */
    int error = read_all(r, &ans);
    struct rf_buf body;
    rf_buf_init(&body, store->env->mem, r->room);
    if (error == 0) {
        rf_fetch_ans_encode(&ans, &body);
        error = rf_buf_error(&body);
    }
    if (error == 0 && body.len + r->bucket.bytes > r->room)
        error = RF_ELIMIT;
    if (error == 0) {
        store->counters->fetches += !r->stat;
        store->counters->stats += r->stat;
        rf_overlay_answer(store->overlay, r->request, rf_buf_view(&body), r->bucket.certs, r->bucket.count);
    } else if (error == RF_ELIMIT) {
        store_refuse(store, r->request, RF_ERROR_RESPONSE_TOO_LARGE,
                     "the values do not fit: ask for fewer at once");
    } else if (error == RF_EFORMAT) {
        store_refuse(store, r->request, RF_ERROR_INVALID_MESSAGE,
                     "a specifier does not fit its Kind's data model");
    } else {
        store_refuse(store, r->request, RF_ERROR_REQUEST_TIMEOUT, "out of memory at the moment");
    }
    rf_buf_deinit(&body);
    rf_buf_deinit(&r->values);
    store_forget_flush(store);
}

static void fetch_again(struct rf_store *store, struct rf_request *request);
static void stat_again(struct rf_store *store, struct rf_request *request);

static bool should_hold(const struct rf_store *store, const struct rf_id *resource)
{
    struct rf_topology *t;
    const struct rf_topology_ops *topology = rf_overlay_topology(store->overlay, &t);
    return t != NULL && topology->should_hold(t, resource);
}

static void on_read(struct rf_store *store, struct rf_request *request, bool stat, bool deferred)
{
    struct reading r = {.store = store, .request = request, .stat = stat};
    if (!store->config.peer) {
        store_refuse(store, request, RF_ERROR_NOT_FOUND, "a client stores nothing for others");
        return;
    }
    struct rf_id resource;
    int error = rf_fetch_req_decode(request->message->body, request->region, &r.req);
    error = error != 0 ? error : read_resource(store, r.req.resource, &resource);
    if (error != 0) {
        refuse_decode(store, request, error);
        return;
    }
    /* whoever asks us by Node-ID wants to know what we hold, be it a copy; who comes by another Resource-ID, a copy that we should hold */
    bool aside = request->to_resource && !rf_id_equal(&request->resource, &resource);
    if (aside ? !should_hold(store, &resource)
              : request->to_resource && !store_responsible(store, &resource)) {
        store->counters->refused_not_responsible++;
        store_refuse(store, request, RF_ERROR_NOT_FOUND, "not responsible for this resource");
        return;
    }
    if (refuse_unknown_kinds(&r))
        return;
    uint32_t kinds[RF_STORE_MAX_KINDS];
    for (size_t i = 0; i < r.req.specifier_count; i++)
        kinds[i] = r.req.specifiers[i].kind;
    bool ours = request->to_resource && (!aside || store_responsible(store, &resource));
    if (aside && !ours && store_unsettled(store)) { /* what we hold may be old, or nothing */
        store_refuse(store, request, RF_ERROR_REQUEST_TIMEOUT,
                     "the ring has changed: copies may be on their way");
        return;
    }
    if (ours && store_pull_first(store, request, deferred, &resource, kinds, r.req.specifier_count,
                                 stat ? stat_again : fetch_again))
        return;
    answer_read(&r);
}

static void fetch_again(struct rf_store *store, struct rf_request *request)
{
    on_read(store, request, false, true);
}

static void stat_again(struct rf_store *store, struct rf_request *request)
{
    on_read(store, request, true, true);
}

void store_on_fetch(void *arg, struct rf_request *request)
{
    on_read(arg, request, false, false);
}

void store_on_stat(void *arg, struct rf_request *request)
{
    on_read(arg, request, true, false);
}

/* ---- Find ---- */

static bool findable(const struct rf_store *store, uint32_t kind)
{
    const struct rf_usage_kind *usage = store_usage(store, kind);
    return usage == NULL || usage->findable;
}

void store_on_find(void *arg, struct rf_request *request)
{
    struct rf_store *store = arg;
    struct rf_find_req req;
    struct rf_id resource;
    if (!store->config.peer) {
        store_refuse(store, request, RF_ERROR_NOT_FOUND, "a client stores nothing for others");
        return;
    }
    int error = rf_find_req_decode(request->message->body, request->region, &req);
    error = error != 0 ? error : read_resource(store, req.resource, &resource);
    if (error != 0) {
        refuse_decode(store, request, error);
        return;
    }
    if (!store_responsible(store, &resource)) {
        store->counters->refused_not_responsible++;
        store_refuse(store, request, RF_ERROR_NOT_FOUND, "not responsible for this resource");
        return;
    }
    struct rf_find_ans ans = {.kinds = rf_region_array(request->region, req.kind_count, sizeof(*ans.kinds))};
    struct rf_id *closest = rf_region_array(request->region, req.kind_count, sizeof(*closest));
    if (ans.kinds == NULL || closest == NULL) {
        store_refuse(store, request, RF_ERROR_REQUEST_TIMEOUT, "out of memory at the moment");
        return;
    }
    for (size_t i = 0; i < req.kind_count; i++) {
        if (!findable(store, req.kinds[i]))
            continue;
        struct rf_id *at = &closest[ans.kind_count];
        if (!store_index_nearest(&store->index, &resource, req.kinds[i], at))
            *at = (struct rf_id){.len = resource.len}; /* all zero: none (D22) */
        ans.kinds[ans.kind_count++] = (struct rf_find_kind){.kind = req.kinds[i], .closest = rf_id_view(at)};
    }
    struct rf_buf body;
    rf_buf_init(&body, store->env->mem, UINT16_MAX);
    rf_find_ans_encode(&ans, &body);
    store->counters->finds++;
    rf_overlay_answer(store->overlay, request, rf_buf_view(&body), NULL, 0);
    rf_buf_deinit(&body);
}
