/*
 * store_check.c - the checks of an incoming Store in the order of reload.md 4.3 (D17); the first failure decides. Nothing is changed
 * here. Check 1, the message itself, is the overlay's.
 *
 *   2 place     replica_number 0: we are responsible. Otherwise: we may be its replica and the sender its home; or it is handed over
 *               to us as the (future) home by a peer that may have held it (docs/protocol/storage.md)
 *   3 kinds     known
 *   4 unsigned  values are refused
 *   5 rights    every value's signature and policy; replica_number 0: the request's signer too
 *   6 size      max-size, max-count, quotas
 *   7 counter   replica_number 0: 0 or ours
 *   8 newer     storage_time after that of what is replaced; byte-identical: nothing to do
 */
#include <stdio.h>
#include "base/error.h"
#include "overlay/store_internal.h"
#include "wire/value.h"

int store_job_refuse(struct store_job *job, uint16_t error_code, const char *why)
{
    job->error_code = error_code;
    if (why != job->why)
        snprintf(job->why, sizeof(job->why), "%s", why);
    return RF_EREMOTE;
}

void store_job_deinit(struct store_job *job)
{
    for (size_t i = 0; i < job->item_count; i++)
        rf_signer_deinit(&job->items[i].signer);
    job->item_count = 0;
}

/* Running out of memory is nobody's fault; the writer may repeat. */
static int job_nomem(struct store_job *job)
{
    return store_job_refuse(job, RF_ERROR_REQUEST_TIMEOUT, "out of memory at the moment");
}

/* ---- 2: place ---- */

/* Is `node` a peer in our Routing Table? */
static bool known_peer(struct rf_store *store, const struct rf_id *node)
{
    struct rf_topology_status_entry entries[256];
    struct rf_topology *t;
    const struct rf_topology_ops *topology = rf_overlay_topology(store->overlay, &t);
    size_t count = topology->status(t, entries, RF_COUNT(entries));
    for (size_t i = 0; i < count; i++)
        if (rf_id_equal(&entries[i].node, node))
            return true;
    return false;
}

/*
 * May `node` have been a home or replica of the resource, here or in a ring that was apart from ours? Then it lies not far above the
 * resource: within eight times the way to our farthest successor. Node-IDs are not chosen, so nobody gets there by wish.
 */
static bool plausible_holder(struct rf_store *store, const struct rf_id *node, const struct rf_id *resource)
{
    struct rf_id successors[STORE_MAX_SUCCESSORS];
    size_t count = store_successors(store, successors, RF_COUNT(successors));
    if (count == 0)
        return false;
    struct rf_id reach = rf_id_sub(&successors[count - 1], resource);
    struct rf_id away = rf_id_sub(node, resource);
    return rf_id_as_double(&away) <= 8 * rf_id_as_double(&reach);
}

/*
 * Is the sender, as far as we know, the resource's home, and we one of its next few successors? A home whose two replicas do not answer
 * turns to those behind them with a replica_number beyond theirs (store_write.c); they need not know yet that they are next.
 */
static bool from_home_nearby(struct rf_store *store, const struct rf_id *sender, const struct rf_id *resource)
{
    struct rf_topology_status_entry entries[256];
    struct rf_topology *t;
    const struct rf_topology_ops *topology = rf_overlay_topology(store->overlay, &t);
    size_t count = topology->status(t, entries, RF_COUNT(entries));
    unsigned rank = 0;
    for (size_t i = 0; i < count; i++)
        if (entries[i].relation == 'p' && rf_id_equal(&entries[i].node, sender))
            rank = entries[i].rank;
    if (rank == 0 || rank > STORE_FALLBACK)
        return false;
    const struct rf_id *before = &store->config.self; /* the sender's own predecessor, if we know it */
    for (size_t i = 0; i < count; i++)
        if (entries[i].relation == 'p' && entries[i].rank == rank + 1)
            before = &entries[i].node;
    return rf_id_between(before, resource, sender);
}

bool store_may_pass_on(struct store_job *job)
{
    struct rf_store *store = job->store;
    struct rf_topology *t;
    const struct rf_topology_ops *topology = rf_overlay_topology(store->overlay, &t);
    const struct rf_id *sender = &job->writer->node_id;
    if (topology->state(t) == RF_TOPOLOGY_JOINING)
        return job->direct; /* from the peer that we join at; what turns out not to be ours goes again */
    if (topology->state(t) != RF_TOPOLOGY_JOINED)
        return false;
    if (topology->may_replicate(t, sender, &job->resource))
        return true;
    if (job->replica_number > STORE_REPLICAS && from_home_nearby(store, sender, &job->resource))
        return true;
    if (topology->ring_is_single(t))
        return false; /* then there is nobody who could hold anything */
    if (topology->responsible(t, &job->resource))
        return known_peer(store, sender) || plausible_holder(store, sender, &job->resource);
    return false;
}

static int check_place(struct store_job *job)
{
    if (rf_id_from(job->req.resource, &job->resource) != 0 ||
        job->resource.len != job->store->config.self.len)
        return store_job_refuse(job, RF_ERROR_INVALID_MESSAGE,
                                "a Resource-ID of this overlay has another length");
    if (job->merge)
        return 0;
    if (!job->copy) {
        if (store_responsible(job->store, &job->resource))
            return 0;
        job->store->counters->refused_not_responsible++;
        return store_job_refuse(job, RF_ERROR_NOT_FOUND, "not responsible for this resource");
    }
    if (store_may_pass_on(job))
        return 0;
    job->store->counters->refused_forbidden++;
    return store_job_refuse(job, RF_ERROR_FORBIDDEN, "the sender is no plausible holder of this resource");
}

/* ---- 3: kinds, and what their data model makes of the bytes ---- */

static int check_kinds(struct store_job *job)
{
    uint32_t unknown[63];
    size_t unknown_count = 0;
    job->kinds = rf_region_array(job->region, job->req.kind_count, sizeof(*job->kinds));
    if (job->kinds == NULL)
        return job_nomem(job);
    for (size_t i = 0; i < job->req.kind_count; i++) {
        job->kinds[i] = rf_conf_kind(job->store->conf, job->req.kinds[i].kind);
        if (job->kinds[i] == NULL && unknown_count < RF_COUNT(unknown))
            unknown[unknown_count++] = job->req.kinds[i].kind;
    }
    if (unknown_count == 0)
        return 0;
    job->store->counters->refused_unknown_kind++;
    store_job_refuse(job, RF_ERROR_UNKNOWN_KIND, "");
    uint8_t *info = rf_region_alloc(job->region, 1 + 4 * unknown_count);
    if (info != NULL) {
        struct rf_buf buf;
        rf_buf_fixed(&buf, info, 1 + 4 * unknown_count);
        rf_unknown_kinds_encode(unknown, unknown_count, &buf);
        job->info = rf_buf_view(&buf);
    }
    return RF_EREMOTE;
}

static int decode_items(struct store_job *job)
{
    size_t count = 0;
    for (size_t i = 0; i < job->req.kind_count; i++)
        count += job->req.kinds[i].value_count;
    if (count > STORE_MAX_ITEMS)
        return store_job_refuse(job, RF_ERROR_DATA_TOO_LARGE, "too many values in one request");
    job->items = rf_region_array(job->region, count, sizeof(*job->items));
    if (job->items == NULL)
        return job_nomem(job);
    for (size_t i = 0; i < job->req.kind_count; i++) {
        struct rf_view list = job->req.kinds[i].values;
        while (list.len > 0) {
            struct store_item *item = &job->items[job->item_count];
            item->kind = job->kinds[i];
            item->kind_at = i;
            int error = rf_stored_next(&list, &item->stored);
            if (error == 0)
                error = rf_stored_data_decode(&item->stored, item->kind->model, &item->data);
            job->unknown_variant = error == RF_EUNKNOWN; /* of a SignerIdentity */
            if (error != 0)
                return store_job_refuse(job, RF_ERROR_INVALID_MESSAGE,
                                        "a value does not decode in its Kind's data model");
            if (item->data.slot.len > STORE_SLOT_MAX)
                return store_job_refuse(job, RF_ERROR_DATA_TOO_LARGE, "a dictionary key is too long");
            if (job->copy && item->kind->model == RF_MODEL_ARRAY && item->data.index == RF_ARRAY_APPEND)
                return store_job_refuse(job, RF_ERROR_INVALID_MESSAGE,
                                        "a copy of an array element without its index");
            job->item_count++;
        }
    }
    return 0;
}

/* ---- 4 and 5: signatures and rights ---- */

static int check_signed(struct store_job *job)
{
    for (size_t i = 0; i < job->item_count; i++) {
        const struct rf_signature *signature = &job->items[i].data.signature;
        if (signature->identity.type != RF_IDENTITY_NONE &&
            (signature->hash_alg != 0 || signature->sig_alg != 0))
            continue;
        job->store->counters->refused_forbidden++;
        return store_job_refuse(job, RF_ERROR_FORBIDDEN, "a value is not signed");
    }
    return 0;
}

int store_verify(struct rf_store *store, const struct rf_id *resource, uint32_t kind,
                 const struct rf_stored_data *data, const struct rf_view *bucket, size_t bucket_count,
                 struct rf_signer *out)
{
    struct rf_signed input;
    rf_signed_stored(rf_id_view(resource), kind, data->storage_time_ms, data->model, data->value_raw, &input);
    return rf_verify(store->config.trust, bucket, bucket_count, &data->signature, input.parts,
                     input.part_count, store_wall_ms(store), out);
}

/* Gives an element the index after the last one, and after those that this very request appends. */
static int append_item(struct store_job *job, struct store_item *item, const struct store_set *set)
{
    item->old = set != NULL ? store_log_find(set, &item->data) : NULL;
    uint32_t end = set != NULL ? store_set_end(set) : 0;
    for (const struct store_item *other = job->items; other < item; other++)
        end += other->kind == item->kind && other->relabel && !other->same;
    if (end == RF_ARRAY_APPEND)
        return store_job_refuse(job, RF_ERROR_DATA_TOO_LARGE, "the array has no index left");
    for (int b = 0; b < 4; b++)
        item->index_bytes[b] = (uint8_t)(end >> (24 - 8 * b));
    item->slot = item->old != NULL ? store_value_slot(item->old) : rf_view_of(item->index_bytes, 4);
    item->relabel = true;
    return 0;
}

static bool is_log(const struct store_job *job, const struct store_item *item)
{
    return item->kind->model == RF_MODEL_ARRAY && store_log(job->store, item->kind->id);
}

/* Another element of a log stands at the index: two homes gave it away while they were apart. */
static int log_conflict(struct store_job *job, struct store_item *item, const struct store_set *set)
{
    if (!job->copy) {
        job->store->counters->refused_forbidden++;
        return store_job_refuse(job, RF_ERROR_FORBIDDEN, "elements of a log are not replaced");
    }
    if (store_responsible(job->store, &job->resource))
        return append_item(job, item, set);
    /* A replica follows its home, but not before the home has got what this one took in while it was home itself. */
    const struct store_resource *resource = set->resource;
    bool known_home = job->writer != NULL && rf_id_equal(&resource->home, &job->writer->node_id);
    if (!resource->own && resource->duty == STORE_DUTY_NONE && known_home)
        return 0;
    job->store->counters->refused_too_old++;
    return store_job_refuse(job, RF_ERROR_DATA_TOO_OLD, "another element stands there, fetch it first");
}

/* Nothing stands at the index, but the element may be here at another one: its way led over a home that gave it that index. */
static void find_moved(struct store_item *item, const struct store_set *set)
{
    struct store_value *moved = item->data.exists ? store_log_find(set, &item->data) : NULL;
    if (moved == NULL)
        return;
    item->old = moved;
    item->slot = store_value_slot(moved);
}

static int find_slot(struct store_job *job, struct store_item *item)
{
    struct rf_store *store = job->store;
    struct store_set *set = store_index_set(&store->index, job->req.resource, item->kind->id);
    int error = 0;
    item->slot = item->data.slot;
    if (item->kind->model == RF_MODEL_ARRAY && item->data.index == RF_ARRAY_APPEND)
        error = append_item(job, item, set);
    else if (set != NULL)
        item->old = store_set_value(set, item->slot);
    if (item->old != NULL && store_value_ended(item->old, store_wall_ms(store)))
        item->old = NULL;
    if (item->old == NULL && job->copy && set != NULL && is_log(job, item) &&
        store_responsible(store, &job->resource))
        find_moved(item, set);
    item->same = item->old != NULL && store_same_bytes(item->old, &item->data);
    if (error != 0 || item->same || item->old == NULL || !item->old->exists || !item->data.exists ||
        !is_log(job, item))
        return error;
    error = log_conflict(job, item, set);
    item->same = error == 0 && item->old != NULL && store_same_bytes(item->old, &item->data);
    return error;
}

/* Finds what lives in each value's slot; appended elements get their index. */
static int find_slots(struct store_job *job)
{
    for (size_t i = 0; i < job->item_count; i++) {
        struct store_item *item = &job->items[i];
        int error = find_slot(job, item);
        if (error != 0)
            return error;
        /* A replica that has an element at an index that another home gave it follows the one that it has now. */
        item->follows = job->copy && !job->merge && item->data.exists && is_log(job, item) &&
                        !store_responsible(job->store, &job->resource);
        for (size_t j = 0; j < i; j++)
            if (job->items[j].kind == item->kind && rf_view_equal(job->items[j].slot, item->slot))
                return store_job_refuse(job, RF_ERROR_INVALID_MESSAGE, "two values for one place");
    }
    return 0;
}

int store_acl_load(struct rf_store *store, const struct rf_id *resource, struct rf_region *region,
                   struct policy_acl_item **out, size_t *count)
{
    struct store_set *set = store_index_set(&store->index, rf_id_view(resource), RF_KIND_ACL);
    bool names = policy_acl_variable_names(store->conf);
    *count = 0;
    *out = rf_region_array(region, set != NULL ? set->existing_count : 0, sizeof(**out));
    if (*out == NULL)
        return RF_ENOMEM;
    if (set == NULL)
        return 0;
    struct store_value *next;
    for (struct store_value *v = store_value_next(set, NULL); v != NULL; v = next) {
        next = store_value_next(set, v);
        struct rf_acl_value acl;
        if (!v->exists || store_value_ended(v, store_wall_ms(store)) ||
            rf_acl_value_decode(store_value_content(v), names, &acl) != 0 || !store_value_trusted(store, v))
            continue;
        (*out)[(*count)++] = (struct policy_acl_item){
            .resource_name = acl.resource_name,
            .to_user = acl.to_user,
            .kind = acl.kind,
            .allow_delegation = acl.allow_delegation,
            .signer_user = v->cert->cert->user,
        };
    }
    return 0;
}

struct rf_view store_roster(struct rf_store *store, struct rf_view resource)
{
    struct store_set *set = store_index_set(&store->index, resource, RF_KIND_ROSTER);
    struct store_value *value = set != NULL ? store_value_next(set, NULL) : NULL;
    if (value == NULL || !value->exists || store_value_ended(value, store_wall_ms(store)) ||
        !store_value_trusted(store, value))
        return rf_view_of(NULL, 0);
    return store_value_content(value);
}

/* What the policies of conversations look at. Copies are asked for by the roster of their home only. */
static int fill_roster(struct store_job *job, const struct store_item *item, struct policy_question *q)
{
    if (item->kind->policy != RF_POLICY_ROSTER ||
        (job->copy && (item->same || !store_responsible(job->store, &job->resource))))
        return 0;
    q->roster = store_roster(job->store, job->req.resource);
    q->unsettled = store_unsettled(job->store);
    if (job->copy || q->roster.len > 0 || item->kind->id == RF_KIND_ROSTER || !q->unsettled)
        return 0;
    return store_job_refuse(job, RF_ERROR_REQUEST_TIMEOUT, "the roster may be on its way here");
}

static int check_policy(struct store_job *job, const struct store_item *item, const struct rf_signer *signer,
                        enum policy_role role)
{
    struct policy_question q = {
        .conf = job->store->conf,
        .crypto = job->store->config.crypto,
        .kind = item->kind,
        .resource = job->resource,
        .data = &item->data,
        .signer = signer,
        .role = role,
    };
    if (item->kind->policy == RF_POLICY_USER_CHAIN_ACL) {
        if (!job->acl_loaded &&
            store_acl_load(job->store, &job->resource, job->region, &job->acl, &job->acl_count) != 0)
            return job_nomem(job);
        job->acl_loaded = true;
        q.acl = job->acl;
        q.acl_count = job->acl_count;
        q.old_there = item->old != NULL && item->old->exists;
        if (q.old_there)
            q.old_user = item->old->cert->cert->user;
    }
    if (item->old != NULL && item->old->exists && !item->same)
        q.old_time_ms = item->old->storage_time_ms;
    if (fill_roster(job, item, &q) != 0)
        return RF_EREMOTE;
    int error = policy_check(&q, job->why, sizeof(job->why));
    if (error == 0)
        return 0;
    if (error != RF_EFORBIDDEN)
        return job_nomem(job);
    job->store->counters->refused_forbidden++;
    return store_job_refuse(job, RF_ERROR_FORBIDDEN, job->why);
}

static int check_usage(struct store_job *job, const struct store_item *item)
{
    const struct rf_usage_kind *usage = store_usage(job->store, item->kind->id);
    if (usage == NULL || usage->check == NULL || !item->data.exists)
        return 0;
    struct rf_usage_value value = {
        .conf = job->store->conf,
        .kind = item->kind,
        .crypto = job->store->config.crypto,
        .resource = job->resource,
        .data = &item->data,
        .signer = &item->signer,
    };
    snprintf(job->why, sizeof(job->why), "the value is not what its Kind asks for");
    int error = usage->check(usage->arg, &value, job->why, sizeof(job->why));
    if (error == 0)
        return 0;
    job->store->counters->refused_forbidden += error == RF_EFORBIDDEN;
    return store_job_refuse(job, error == RF_EFORBIDDEN ? RF_ERROR_FORBIDDEN : RF_ERROR_INVALID_MESSAGE,
                            job->why);
}

/* A value that is here already, byte for byte, was verified when it came; only its certificate may have been revoked since, and then
 * rf_store_configure threw it out. */
static int check_signer(struct store_job *job, struct store_item *item)
{
    if (item->same && item->old->checked) {
        item->signer.cert = rf_cert_hold(item->old->cert->cert);
        item->signer.node_id = item->old->signer;
        return 0;
    }
    int error = store_verify(job->store, &job->resource, item->kind->id, &item->data, job->bucket,
                             job->bucket_count, &item->signer);
    if (error == 0)
        return 0;
    if (error == RF_ENOMEM)
        return job_nomem(job);
    item->signer.cert = NULL;
    job->store->counters->refused_forbidden++;
    snprintf(job->why, sizeof(job->why), "a value's signature: %s", rf_error_text(error));
    return store_job_refuse(job, RF_ERROR_FORBIDDEN, job->why);
}

static int check_rights(struct store_job *job)
{
    for (size_t i = 0; i < job->item_count; i++) {
        struct store_item *item = &job->items[i];
        int error = check_signer(job, item);
        if (error == 0)
            error = check_policy(job, item, &item->signer, job->copy ? POLICY_COPY : POLICY_VALUE);
        if (error == 0 && !job->copy)
            error = check_policy(job, item, job->writer, POLICY_REQUEST);
        if (error == 0)
            error = check_usage(job, item);
        if (error != 0)
            return error;
    }
    return 0;
}

/* ---- 6: size, count, quotas ---- */

static int too_large(struct store_job *job, const char *why)
{
    job->store->counters->refused_too_large++;
    return store_job_refuse(job, RF_ERROR_DATA_TOO_LARGE, why);
}

/* Values that existed, and will, under one Kind. Removed ones do not count (pitfall 22). */
static int check_count(struct store_job *job, size_t kind_at)
{
    struct store_set *set =
        store_index_set(&job->store->index, job->req.resource, job->req.kinds[kind_at].kind);
    size_t before = set != NULL ? set->existing_count : 0, after = before;
    for (size_t i = 0; i < job->item_count; i++) {
        const struct store_item *item = &job->items[i];
        if (item->kind_at != kind_at || item->same)
            continue;
        after += item->data.exists;
        after -= item->old != NULL && item->old->exists;
    }
    if (store_log_retains(job->store, job->req.kinds[kind_at].kind))
        return 0;
    return after > before && after > job->kinds[kind_at]->max_count
               ? too_large(job, "more values than max-count")
               : 0;
}

static int check_quota(struct store_job *job)
{
    const struct rf_store_config *config = &job->store->config;
    /* copies keep what was accepted elsewhere: they have the last tenth of the room and a user's data thrice over */
    size_t node_max = job->copy ? config->max_bytes : config->max_bytes - config->max_bytes / 10;
    size_t user_max = job->copy ? 3 * config->max_user_bytes : config->max_user_bytes;
    size_t total = 0;
    for (size_t i = 0; i < job->item_count; i++) {
        const struct store_item *item = &job->items[i];
        if (item->same || !item->data.exists)
            continue; /* what is removed can always be removed */
        struct rf_view account = rf_principal(&item->signer);
        size_t user = 0;
        for (size_t j = 0; j <= i; j++) {
            const struct store_item *other = &job->items[j];
            if (!other->same && other->data.exists && rf_view_equal(rf_principal(&other->signer), account))
                user += store_cost(other->slot.len, other->stored.raw.len) -
                        (other->old != NULL && rf_view_equal(rf_view_of(other->old->account->name,
                                                                        other->old->account->name_len),
                                                             account)
                             ? store_value_cost(other->old)
                             : 0);
        }
        total += store_cost(item->slot.len, item->stored.raw.len);
        /* the difference may be negative, as unsigned arithmetic has it */
        if (((ptrdiff_t)user > 0 &&
             store_index_account_bytes(&job->store->index, account) + user > user_max) ||
            job->store->index.bytes + total > node_max) {
            job->store->counters->refused_quota++;
            return store_job_refuse(job, RF_ERROR_DATA_TOO_LARGE, "the quota is used up");
        }
    }
    return 0;
}

static int check_size(struct store_job *job)
{
    size_t room = store_room(job->store);
    for (size_t i = 0; i < job->item_count; i++) {
        const struct store_item *item = &job->items[i];
        if (item->data.value.len > item->kind->max_size)
            return too_large(job, "a value is longer than max-size");
        /* it must fit into a message of ours with its certificate, or it could be neither fetched nor replicated */
        if (item->stored.raw.len + store_cert_len(item->signer.cert) > room)
            return too_large(job, "a value does not fit into one message with its certificate");
    }
    for (size_t i = 0; i < job->req.kind_count; i++) {
        int error = check_count(job, i);
        if (error != 0)
            return error;
    }
    return check_quota(job);
}

/* ---- 7 and 8: counters and times ---- */

static int generation_error(struct store_job *job)
{
    struct rf_store_ans ans = {.kind_count = job->req.kind_count};
    ans.kinds = rf_region_array(job->region, ans.kind_count, sizeof(*ans.kinds));
    size_t len = 2 + ans.kind_count * (4 + 8 + 2);
    uint8_t *info = rf_region_alloc(job->region, len);
    if (ans.kinds == NULL || info == NULL)
        return job_nomem(job);
    for (size_t i = 0; i < ans.kind_count; i++) {
        struct store_set *set =
            store_index_set(&job->store->index, job->req.resource, job->req.kinds[i].kind);
        ans.kinds[i] = (struct rf_store_ans_kind){.kind = job->req.kinds[i].kind,
                                                  .generation = set != NULL ? set->generation : 0};
    }
    struct rf_buf buf;
    rf_buf_fixed(&buf, info, len);
    rf_store_ans_encode(&ans, &buf);
    job->store->counters->refused_generation++;
    store_job_refuse(job, RF_ERROR_GENERATION_COUNTER_TOO_LOW, "");
    job->info = rf_buf_view(&buf);
    return RF_EREMOTE;
}

static int check_generation(struct store_job *job)
{
    for (size_t i = 0; i < job->req.kind_count; i++) {
        uint64_t given = job->req.kinds[i].generation;
        struct store_set *set =
            store_index_set(&job->store->index, job->req.resource, job->req.kinds[i].kind);
        if (job->copy && given == 0 && !job->merge)
            return store_job_refuse(job, RF_ERROR_INVALID_MESSAGE, "a copy without a generation counter");
        if (!job->copy && given != 0 && given != (set != NULL ? set->generation : 0))
            return generation_error(job);
    }
    return 0;
}

/* Two values of one moment: on both sides of a former partition the same one must win. The larger bytes do. */
static bool wins_tie(const struct store_job *job, const struct store_item *item)
{
    struct rf_view new = item->stored.raw;
    if (!job->copy || item->data.storage_time_ms != item->old->storage_time_ms)
        return false;
    if (item->old->data_len != new.len)
        return new.len > item->old->data_len;
    return store_value_compare(item->old, 16, rf_view_of(new.p + 16, new.len - 16)) <
           0; /* without the lifetime */
}

static int check_time(struct store_job *job)
{
    for (size_t i = 0; i < job->item_count; i++) {
        const struct store_item *item = &job->items[i];
        if (item->same || item->old == NULL || item->data.storage_time_ms > item->old->storage_time_ms)
            continue;
        if (wins_tie(job, item))
            continue;
        if (job->copy && is_log(job, item) && !store_responsible(job->store, &job->resource))
            continue; /* the home decides what stands at which index */
        job->store->counters->refused_too_old++;
        return store_job_refuse(job, RF_ERROR_DATA_TOO_OLD, "storage_time is not newer than what is stored");
    }
    return 0;
}

/* When each value ends: its lifetime from now, but not beyond its certificate; a removal stays at least as long as what it removes. */
static void set_expiry(struct store_job *job)
{
    uint64_t now = store_wall_ms(job->store);
    for (size_t i = 0; i < job->item_count; i++) {
        struct store_item *item = &job->items[i];
        const struct rf_usage_kind *usage = store_usage(job->store, item->kind->id);
        uint64_t max_s = job->store->config.max_lifetime_s;
        if (usage != NULL && usage->max_lifetime_s != 0 && usage->max_lifetime_s < max_s)
            max_s = usage->max_lifetime_s;
        uint64_t max_ms = max_s * RF_MS_PER_S;
        uint64_t left_ms = (uint64_t)item->data.lifetime_s * RF_MS_PER_S;
        item->expires_ms = now + (left_ms < max_ms ? left_ms : max_ms);
        if (!item->data.exists && item->old != NULL && item->old->expires_ms > item->expires_ms)
            item->expires_ms = item->old->expires_ms;
        /* The lifetime is not signed. Whoever passes a value on to its home can not make it live for ever. */
        if (job->copy && store_responsible(job->store, &job->resource) && item->expires_ms > now &&
            item->data.storage_time_ms < UINT64_MAX - max_ms &&
            item->data.storage_time_ms + max_ms < item->expires_ms)
            item->expires_ms = item->data.storage_time_ms + max_ms;
        if (item->signer.cert->x509.not_after_ms < item->expires_ms)
            item->expires_ms = item->signer.cert->x509.not_after_ms;
    }
}

int store_check(struct store_job *job)
{
    int error = check_place(job);
    if (error == 0)
        error = check_kinds(job);
    if (error == 0)
        error = decode_items(job);
    if (error == 0)
        error = check_signed(job);
    if (error == 0)
        error = find_slots(job);
    if (error == 0)
        error = check_rights(job);
    if (error == 0)
        error = check_size(job);
    if (error == 0)
        error = check_generation(job);
    if (error == 0)
        error = check_time(job);
    if (error == 0)
        set_expiry(job);
    return error;
}
