/*
 * store_write.c - from a checked Store to its acknowledgement.
 *
 * States of a write: APPLIED (in memory; the disk works; a writer's own Store goes to the replicas at the same time) -> disk done and a
 * replica confirmed -> ACKNOWLEDGED. The disk fails: what it replaced is put back, the writer gets an error. No replica confirms: the
 * next successors are tried, then Error_Request_Timeout; the data stay, and store_sync.c goes on passing them to the replicas.
 * Timer: one per write that needs a replica, every second until one confirmed. Events: persisted, a replica's answer, the ring changed.
 *
 * Writes may overlap in one place. Each change keeps the value that it replaced until the disk has it; when an earlier write fails
 * after a later one replaced its value, the later one inherits what the earlier kept.
 */
#include "base/error.h"
#include "overlay/store_internal.h"

#define WRITE_RETRY_US (1 * RF_US_PER_S)
#define WRITE_MAX_LEN  ((size_t)4 * 1024 * 1024)

static void write_replicate(struct store_write *write);

/* ---- answers ---- */

static void answer(struct store_write *write, struct store_waiter *waiter)
{
    struct rf_store *store = write->store;
    struct rf_topology *t;
    const struct rf_topology_ops *topology = rf_overlay_topology(store->overlay, &t);
    struct rf_id replicas[STORE_REPLICAS];
    size_t count = waiter->copy ? 0 : topology->replicas(t, replicas, STORE_REPLICAS);
    for (size_t i = 0; i < waiter->kind_count; i++) {
        waiter->kinds[i].replicas = replicas;
        waiter->kinds[i].replica_count = count;
    }
    struct rf_store_ans ans = {waiter->kinds, waiter->kind_count};
    struct rf_buf buf;
    rf_buf_init(&buf, store->env->mem, UINT16_MAX);
    rf_store_ans_encode(&ans, &buf);
    struct rf_request *request = waiter->request;
    waiter->request = NULL;
    if (rf_buf_error(&buf) != 0) {
        store_refuse(store, request, RF_ERROR_REQUEST_TIMEOUT, "out of memory at the moment");
    } else {
        store->counters->stores_acknowledged += !waiter->copy;
        rf_overlay_answer(store->overlay, request, rf_buf_view(&buf), NULL, 0);
    }
    rf_buf_deinit(&buf);
}

static void refuse_all(struct store_write *write, bool copies_too, const char *why)
{
    for (size_t i = 0; i < write->waiter_count; i++) {
        struct store_waiter *waiter = &write->waiters[i];
        if (waiter->request == NULL || (waiter->copy && !copies_too))
            continue;
        struct rf_request *request = waiter->request;
        waiter->request = NULL;
        store_refuse(write->store, request, RF_ERROR_REQUEST_TIMEOUT, why);
    }
}

static void write_free(struct store_write *write)
{
    rf_timer_stop(write->store->env->timers, &write->timer);
    rf_list_remove(&write->list);
    rf_region_deinit(&write->region);
    rf_free(write->store->env->mem, write);
}

/* Tells who watches, when it can not be lost any more. Once for each Kind: the values of one stand together. */
static void tell(struct store_write *write)
{
    if (write->told || write->error != 0 || write->change_count == 0 ||
        (write->original && !write->replica_done && !write->gave_up))
        return;
    write->told = true;
    for (size_t i = 0; i < write->ref_count; i++)
        if (i == 0 || write->refs[i].kind != write->refs[i - 1].kind)
            store_watch_changed(write->store, &write->resource, write->refs[i].kind);
}

/* Answers whoever can be answered, and frees the write when nothing is under way any more. */
static void write_progress(struct store_write *write)
{
    if (!write->disk_done)
        return;
    tell(write);
    if (write->error != 0)
        refuse_all(write, true, "the storage's disk refused to write");
    for (size_t i = 0; i < write->waiter_count; i++) {
        struct store_waiter *waiter = &write->waiters[i];
        if (waiter->request != NULL && (waiter->copy || write->replica_done))
            answer(write, waiter);
    }
    if (write->gave_up)
        refuse_all(write, false, "no replica confirmed in time; the value is stored");
    if (write->sent_count == 0 && (write->replica_done || write->gave_up || write->error != 0))
        write_free(write);
}

/* ---- replicas ---- */

static bool tried(const struct store_write *write, const struct rf_id *node)
{
    for (size_t i = 0; i < write->copy_count; i++)
        if (rf_id_equal(&write->copies[i].node, node))
            return true;
    return false;
}

static void on_copy(void *arg, int error, size_t refused_count)
{
    struct store_copy *copy = arg;
    struct store_write *write = copy->write;
    struct rf_store *store = write->store;
    bool ok = error == 0 && refused_count == 0;
    copy->state = ok ? STORE_COPY_CONFIRMED : STORE_COPY_FAILED;
    write->sent_count--;
    store->counters->replica_confirmed += ok;
    store->counters->replica_failed += !ok;
    if (store->freeing)
        return;
    struct store_resource *resource = store_index_resource(&store->index, rf_id_view(&write->resource));
    if (resource != NULL && !ok) {
        store_sync_confirm(store, resource, &copy->node, false);
        store_sync_touch(store, resource);
    } else if (resource != NULL && write->fresh && !resource->touched && copy->number <= STORE_REPLICAS) {
        store_sync_confirm(store, resource, &copy->node, true); /* this was all there is */
    }
    if (ok)
        write->replica_done = true;
    else if (!write->replica_done)
        write_replicate(write);
    write_progress(write);
}

/* number: 1 and 2 are the replicas, what is larger stands in for them. */
static int send_copy(struct store_write *write, const struct rf_id *node, uint8_t number)
{
    struct store_copy *copy = &write->copies[write->copy_count];
    *copy = (struct store_copy){.write = write, .node = *node, .number = number, .state = STORE_COPY_SENT};
    struct store_pass_spec spec = {
        .resource = write->resource,
        .to_node = true,
        .node = *node,
        .replica_number = copy->number,
        .refs = write->refs,
        .ref_count = write->ref_count,
        .max_transmissions = 2, /* then the next successor has its turn while the writer still waits */
        .done = on_copy,
        .arg = copy,
    };
    int error = store_pass_start(write->store, &spec);
    if (error == RF_ENOTFOUND)
        write->replica_done = true; /* all of it ended or was replaced meanwhile */
    if (error != 0)
        return error;
    write->copy_count++;
    write->sent_count++;
    return 0;
}

static void write_replicate(struct store_write *write)
{
    if (!write->original || write->replica_done || write->gave_up || write->error != 0)
        return;
    if (store_single(write->store)) {
        write->replica_done = true;
        return;
    }
    struct rf_id nodes[STORE_MAX_SUCCESSORS];
    /* the first two, and as many more as have failed */
    size_t want = write->copy_count + STORE_REPLICAS;
    size_t count = store_successors(write->store, nodes, want < RF_COUNT(nodes) ? want : RF_COUNT(nodes));
    for (size_t i = 0;
         i < count && write->sent_count < STORE_REPLICAS && write->copy_count < RF_COUNT(write->copies); i++)
        if (!tried(write, &nodes[i]) && send_copy(write, &nodes[i], (uint8_t)(i + 1)) != 0)
            break;
}

/* Every second until a replica confirmed. Whoever failed may be asked again when all were. */
static void on_timer(struct rf_timer *timer, void *arg)
{
    (void)timer;
    struct store_write *write = arg;
    struct rf_store *store = write->store;
    if (write->replica_done || write->error != 0)
        return;
    if (store->env->now->mono_us >= write->deadline_us) {
        write->gave_up = true;
        write_progress(write);
        return;
    }
    if (write->sent_count == 0)
        write->copy_count = 0;
    write_replicate(write);
    if (rf_env_timer_in(store->env, &write->timer, WRITE_RETRY_US) != 0)
        write->gave_up = true;
    write_progress(write);
}

void store_writes_retry(struct rf_store *store)
{
    RF_LIST_EACH_SAFE(&store->writes, it)
    {
        struct store_write *write = RF_LIST_ENTRY(it, struct store_write, list);
        if (write->replica_done || !write->original || write->gave_up || write->error != 0)
            continue;
        write_replicate(write);
        write_progress(write);
    }
}

/* ---- the disk ---- */

/* Puts back what one change replaced. */
static void undo(struct store_index *index, struct store_change *change)
{
    struct store_value *fresh = change->fresh, *old = change->old;
    if (old != NULL)
        old->kept_by = NULL;
    change->fresh = change->old = NULL;
    if (fresh == NULL) {
        store_value_free(index, old);
        return;
    }
    fresh->made_by = NULL;
    if (fresh->set == NULL) { /* a later change replaced it: that one inherits */
        struct store_change *later = fresh->kept_by;
        RF_ASSERT(later != NULL && later->old == fresh);
        later->old = old;
        if (old != NULL)
            old->kept_by = later;
        fresh->kept_by = NULL;
        store_value_free(index, fresh);
        return;
    }
    if (old != NULL && rf_timer_is_set(&old->expiry)) {
        struct store_value *out = NULL;
        /* the set exists, so this needs no memory */
        RF_ASSERT(store_index_put(index, &fresh->set->resource->id, fresh->set->kind, fresh->set->model, old,
                                  &out) == 0);
        RF_ASSERT(out == fresh);
    } else {
        store_index_take(index, fresh);
        store_value_free(index, old);
    }
    store_value_free(index, fresh);
}

/* The changes are part of the index: what they keep is let go. */
static void settle(struct store_write *write)
{
    for (size_t i = 0; i < write->change_count; i++) {
        struct store_change *change = &write->changes[i];
        if (change->fresh != NULL)
            change->fresh->made_by = NULL;
        if (change->old != NULL) {
            change->old->kept_by = NULL;
            store_value_free(&write->store->index, change->old);
        }
        change->fresh = change->old = NULL;
    }
}

void store_write_persisted(struct rf_store *store, uint64_t token, int error)
{
    RF_LIST_EACH(&store->writes, it)
    {
        struct store_write *write = RF_LIST_ENTRY(it, struct store_write, list);
        if (write->token != token || write->disk_done)
            continue;
        write->disk_done = true;
        write->error = error;
        if (error == 0) {
            settle(write);
        } else {
            store->counters->persist_failed++;
            for (size_t i = write->change_count; i > 0; i--)
                undo(&store->index, &write->changes[i - 1]);
        }
        write_progress(write);
        return;
    }
}

/* The certificate and its intermediates in one piece. */
static int record_cert(struct store_write *write, const struct rf_cert *cert, struct rf_view *out)
{
    *out = cert->x509.der;
    if (cert->chain_count == 0)
        return 0;
    size_t len = out->len;
    for (size_t i = 0; i < cert->chain_count; i++)
        len += cert->chain[i].len;
    uint8_t *all = rf_region_alloc(&write->region, len);
    if (all == NULL)
        return RF_ENOMEM;
    struct rf_buf buf;
    rf_buf_fixed(&buf, all, len);
    rf_buf_view_put(&buf, cert->x509.der);
    for (size_t i = 0; i < cert->chain_count; i++)
        rf_buf_view_put(&buf, cert->chain[i]);
    *out = rf_buf_view(&buf);
    return rf_buf_error(&buf);
}

static int fill_record(struct store_write *write, const struct store_value *value, struct rf_record *record)
{
    *record = (struct rf_record){
        .resource = rf_id_view(&value->set->resource->id),
        .kind = value->set->kind,
        .slot = store_value_slot(value),
        .generation = value->set->generation,
        .storage_time_ms = value->storage_time_ms,
        .expires_ms = value->expires_ms,
        .replica_number = value->replica_number,
        .stored_data = rf_view_of(value->bytes + value->slot_len, value->data_len), /* unless is_cert */
    };
    struct rf_buf data;
    if (value->is_cert) {
        uint8_t *bytes = rf_region_alloc(&write->region, value->data_len);
        if (bytes == NULL)
            return RF_ENOMEM;
        rf_buf_fixed(&data, bytes, value->data_len);
        store_value_data(value, &data);
        record->stored_data = rf_buf_view(&data);
    }
    return record_cert(write, value->cert->cert, &record->cert);
}

static int persist(struct store_write *write)
{
    struct rf_store *store = write->store;
    if (store->host.persist == NULL || write->change_count == 0) {
        settle(write);
        write->disk_done = true;
        return 0;
    }
    struct rf_persist_op *ops = rf_region_array(&write->region, write->change_count, sizeof(*ops));
    if (ops == NULL)
        return RF_ENOMEM;
    for (size_t i = 0; i < write->change_count; i++) {
        ops[i].type = RF_PERSIST_PUT;
        int error = fill_record(write, write->changes[i].fresh, &ops[i].record);
        if (error != 0)
            return error;
    }
    return store->host.persist(store->host.ctx, write->token, ops, write->change_count);
}

/* ---- applying ---- */

static int new_value(struct store_job *job, const struct store_item *item, struct store_value **out)
{
    struct rf_store *store = job->store;
    struct store_value_spec spec = {
        .slot = item->slot,
        .data = item->stored.raw,
        .content_off = item->data.value.len > 0 ? (size_t)(item->data.value.p - item->stored.raw.p) : 0,
        .content_len = item->data.value.len,
        .account = rf_principal(&item->signer),
        .signer = item->signer.node_id,
        .cert = item->signer.cert,
        .storage_time_ms = item->data.storage_time_ms,
        .expires_ms = item->expires_ms,
        .replica_number = job->replica_number,
        .exists = item->data.exists,
        .checked = true,
        .expire = store_expire,
        .arg = store,
    };
    struct rf_buf buf;
    rf_buf_init(&buf, store->env->mem, item->stored.raw.len);
    int error = 0;
    if (item->relabel) {
        struct rf_view slot = item->slot;
        uint32_t at = 0;
        error = rf_view_u32(&slot, &at);
        rf_stored_relabel(&item->data, at, item->data.lifetime_s, &buf);
        spec.data = rf_buf_view(&buf);
        error = error != 0 ? error : rf_buf_error(&buf);
    }
    error = error != 0 ? error : store_value_new(&store->index, &spec, out);
    rf_buf_deinit(&buf);
    return error;
}

static struct store_write *write_new(struct store_job *job)
{
    struct rf_store *store = job->store;
    struct store_write *write = rf_zalloc(store->env->mem, sizeof(*write));
    if (write == NULL)
        return NULL;
    write->store = store;
    write->token = ++store->next_token;
    write->resource = job->resource;
    rf_region_init(&write->region, store->env->mem, WRITE_MAX_LEN);
    rf_list_init(&write->list);
    rf_timer_init(&write->timer, on_timer, write);
    write->changes = rf_region_array(&write->region, job->item_count, sizeof(*write->changes));
    write->refs = rf_region_array(&write->region, job->item_count, sizeof(*write->refs));
    bool ok = write->changes != NULL && write->refs != NULL;
    for (size_t i = 0; i < job->item_count && ok; i++) {
        struct rf_view slot = rf_region_copy(&write->region, job->items[i].slot);
        write->refs[write->ref_count++] = (struct store_ref){job->items[i].kind->id, slot};
        ok = slot.p != NULL || slot.len == 0;
    }
    if (ok)
        return write;
    rf_region_deinit(&write->region);
    rf_free(store->env->mem, write);
    return NULL;
}

/* Makes the values and puts them in; on error nothing is left of them. */
static int put_values(struct store_job *job, struct store_write *write)
{
    struct store_index *index = &job->store->index;
    int error = 0;
    for (size_t i = 0; i < job->item_count && error == 0; i++) {
        const struct store_item *item = &job->items[i];
        if (item->same)
            continue;
        struct store_value *fresh = NULL, *old = NULL;
        error = new_value(job, item, &fresh);
        if (error != 0)
            break;
        error = store_index_put(index, &job->resource, item->kind->id, item->kind->model, fresh, &old);
        if (error != 0) {
            store_value_free(index, fresh);
            break;
        }
        struct store_change *change = &write->changes[write->change_count++];
        *change = (struct store_change){write, fresh, old};
        fresh->made_by = change;
        if (old != NULL)
            old->kept_by = change;
    }
    for (size_t i = write->change_count; i > 0 && error != 0; i--)
        undo(index, &write->changes[i - 1]);
    return error;
}

/*
 * Counters: a writer's change makes a new one. It is taken from the clock where that is larger, so that a counter never comes twice for
 * different contents, neither after everything expired nor on two sides of a partition. Copies bring theirs along.
 */
static void set_generations(struct store_job *job, bool own)
{
    for (size_t i = 0; i < job->req.kind_count; i++) {
        struct store_set *set =
            store_index_set(&job->store->index, job->req.resource, job->req.kinds[i].kind);
        bool changed = false, replaced = false;
        for (size_t j = 0; j < job->item_count; j++)
            if (job->items[j].kind_at == i && !job->items[j].same) {
                changed = true;
                replaced = replaced || job->items[j].old != NULL;
            }
        if (set == NULL || !changed)
            continue;
        uint64_t now = store_wall_ms(job->store);
        uint64_t given = job->req.kinds[i].generation;
        if (!job->copy)
            set->generation = set->generation + 1 > now ? set->generation + 1 : now;
        else if (given > set->generation)
            set->generation = given;
        else if (own && replaced)
            set->generation++; /* a merge changed what readers know under the old counter */
        if (set->generation == 0)
            set->generation = 1;
    }
}

static bool add_waiter(struct store_job *job, struct store_write *write, struct rf_request *request)
{
    if (write->waiter_count == STORE_MAX_FOLLOWERS)
        return false;
    struct store_waiter waiter = {.request = request, .copy = job->copy, .kind_count = job->req.kind_count};
    waiter.kinds = rf_region_array(&write->region, waiter.kind_count, sizeof(*waiter.kinds));
    if (waiter.kinds == NULL)
        return false;
    for (size_t i = 0; i < waiter.kind_count; i++) {
        struct store_set *set =
            store_index_set(&job->store->index, job->req.resource, job->req.kinds[i].kind);
        waiter.kinds[i] = (struct rf_store_ans_kind){.kind = job->req.kinds[i].kind,
                                                     .generation = set != NULL ? set->generation : 0};
    }
    write->waiters[write->waiter_count++] = waiter;
    return true;
}

/* The Store under way that a repeated request is about, if that is all it is about. */
static struct store_write *pending_same(const struct store_job *job)
{
    struct store_write *write = NULL;
    for (size_t i = 0; i < job->item_count; i++) {
        const struct store_item *item = &job->items[i];
        if (!item->same)
            return NULL;
        if (item->old->made_by != NULL)
            write = item->old->made_by->write;
    }
    return write;
}

/* Counts what is here already; its bytes were verified just now, if not before. */
static size_t count_same(const struct store_job *job)
{
    size_t count = 0;
    for (size_t i = 0; i < job->item_count; i++)
        if (job->items[i].same) {
            job->items[i].old->checked = true;
            job->items[i].old->signer = job->items[i].signer.node_id;
            count++;
        }
    return count;
}

/* Has who sent this an element of a log at another index than we? Then it lacks what we have. */
static bool elsewhere(const struct store_job *job)
{
    for (size_t i = 0; i < job->item_count && job->copy; i++)
        if (!rf_view_equal(job->items[i].slot, job->items[i].data.slot))
            return true;
    return false;
}

/* What the change means for the replicas. fresh: nothing was there before. */
static void note_change(struct store_job *job, struct store_write *write, bool fresh)
{
    struct rf_store *store = job->store;
    struct store_resource *resource = store_index_resource(&store->index, job->req.resource);
    const struct rf_id *giver = job->writer != NULL ? &job->writer->node_id : NULL;
    if (resource != NULL && resource->own && giver != NULL && elsewhere(job)) {
        store_sync_confirm(store, resource, giver, false);
        store_sync_touch(store, resource);
    }
    if (resource == NULL || write->change_count == 0)
        return;
    if (!store_responsible(store, &job->resource)) {
        resource->own = false;
        store_sync_stray(store, resource);
    } else {
        store_sync_own(store, resource);
        resource->twins = resource->twins || job->copy;
    }
    if (fresh && !resource->own && job->writer != NULL)
        resource->home = job->writer->node_id;
    if (!job->copy || !resource->own)
        return; /* this Store brings it to the replicas itself, or its home does */
    store_settle_on(store);
    /* handed over or merged: our replicas need it as well, but for one that it comes from */
    bool giver_has = giver != NULL && (fresh || store_sync_has(store, resource, giver));
    resource->confirmed[0] = resource->confirmed[1] = 0;
    if (giver_has)
        store_sync_confirm(store, resource, giver, true);
    store_sync_touch(store, resource);
}

int store_apply(struct store_job *job, struct rf_request *request)
{
    struct rf_store *store = job->store;
    store->counters->duplicates += count_same(job);
    struct store_write *write = pending_same(job);
    if (write != NULL && request != NULL && add_waiter(job, write, request)) {
        write_progress(write);
        return 0;
    }
    store_forget_flush(store);
    write = write_new(job);
    if (write == NULL)
        return RF_ENOMEM;
    bool fresh = store_index_resource(&store->index, job->req.resource) == NULL;
    int error = put_values(job, write);
    if (error == 0) {
        set_generations(job, store_responsible(store, &job->resource));
        if (request != NULL && !add_waiter(job, write, request))
            error = RF_ENOMEM;
        error = error != 0 ? error : persist(write);
        for (size_t i = write->change_count; i > 0 && error != 0; i--)
            undo(&store->index, &write->changes[i - 1]);
    }
    if (error != 0) {
        store->counters->persist_failed += error == RF_EDATABASE;
        rf_region_deinit(&write->region);
        rf_free(store->env->mem, write);
        return error;
    }
    rf_list_push_back(&store->writes, &write->list);
    for (size_t i = 0; i < job->item_count; i++)
        if (job->items[i].follows)
            store_log_follow(store, &job->resource, &job->items[i]);
    for (size_t i = 0; i < job->req.kind_count; i++)
        store_log_retain(store, &job->resource, job->req.kinds[i].kind);
    store_forget_flush(store);
    store_expiry_arm(store);
    write->fresh = fresh;
    note_change(job, write, fresh);
    struct store_resource *resource = store_index_resource(&store->index, job->req.resource);
    write->original = !job->copy && job->item_count > 0;
    write->replica_done = !write->original || (write->change_count == 0 && resource != NULL &&
                                               store_sync_confirmed(store, resource));
    write->deadline_us =
        store->env->now->mono_us + (uint64_t)store->conf->reliability_timer_ms * 4500; /* 4.5 of them */
    write_replicate(write);
    if (write->original && write->change_count > 0 && resource != NULL)
        store_sync_sent(store, resource, write->copies, write->copy_count);
    if (!write->replica_done && rf_env_timer_in(store->env, &write->timer, WRITE_RETRY_US) != 0)
        write->gave_up = true;
    write_progress(write);
    return 0;
}

void store_writes_deinit(struct rf_store *store)
{
    RF_LIST_EACH_SAFE(&store->writes, it)
    {
        struct store_write *write = RF_LIST_ENTRY(it, struct store_write, list);
        for (size_t i = 0; i < write->waiter_count; i++)
            if (write->waiters[i].request != NULL)
                rf_overlay_drop(store->overlay, write->waiters[i].request);
        settle(write);
        write_free(write);
    }
}
