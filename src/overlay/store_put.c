/*
 * store_put.c - the writer's side on any node: sign a value and Store it (reload.md 4.2, 4.3).
 *
 * States: STORING -> told. Once after Error_Data_Too_Old: LOOKING (the value in that place is fetched) -> STORING again with a storage_time
 * after that one's. Arrays that are appended to never meet that error.
 */
#include "base/error.h"
#include "overlay/store_internal.h"

struct store_put {
    struct rf_list list; /* in store->stores */
    struct rf_store *store;
    struct rf_identity *identity;
    struct rf_id resource;
    struct rf_conf *conf; /* held: the Kind is in it */
    const struct rf_kind_def *kind;
    struct rf_view slot, value; /* in the region */
    struct rf_region region;
    bool exists;
    uint32_t lifetime_s;
    uint64_t storage_time_ms;
    rf_call_id call;
    bool looking, looked;
    rf_stored_fn done;
    void *arg;
};

int rf_stored_value_put(struct rf_identity *identity, const struct rf_id *resource,
                        const struct rf_kind_def *kind, struct rf_view slot, bool exists,
                        struct rf_view value, uint64_t storage_time_ms, uint32_t lifetime_s,
                        struct rf_buf *out)
{
    struct rf_buf content, signature;
    struct rf_mem *mem = identity->crypto->mem;
    rf_buf_init(&content, mem, value.len + slot.len + 16);
    rf_buf_init(&signature, mem, 2 * RF_SIGNATURE_MAX_LEN);
    rf_data_value_encode(kind->model, slot, exists, value, &content);
    int error = rf_buf_error(&content);
    if (error == 0) {
        struct rf_signed input;
        rf_signed_stored(rf_id_view(resource), kind->id, storage_time_ms, kind->model, rf_buf_view(&content),
                         &input);
        error = rf_identity_sign(identity, input.parts, input.part_count, &signature);
    }
    if (error == 0) {
        rf_stored_encode(storage_time_ms, lifetime_s, rf_buf_view(&content), rf_buf_view(&signature), out);
        error = rf_buf_error(out);
    }
    rf_buf_deinit(&content);
    rf_buf_deinit(&signature);
    return error;
}

static void put_free(struct store_put *put)
{
    rf_list_remove(&put->list);
    rf_region_deinit(&put->region);
    rf_conf_release(put->conf);
    rf_free(put->store->env->mem, put);
}

static void put_end(struct store_put *put, const struct rf_store_result *result)
{
    rf_list_remove(&put->list);
    if (put->done != NULL)
        put->done(put->arg, result);
    put_free(put);
}

static void put_failed(struct store_put *put, int error)
{
    struct rf_store_result result = {.error = error, .storage_time_ms = put->storage_time_ms};
    put_end(put, &result);
}

static int put_call(struct store_put *put);

/* ---- the value in that place is newer than our clock ---- */

static void on_looked(void *arg, const struct rf_fetch_result *fetched)
{
    struct store_put *put = arg;
    put->looking = false;
    int error = fetched->error;
    if (error == 0) {
        for (size_t i = 0; i < fetched->value_count; i++)
            if (fetched->values[i].storage_time_ms >= put->storage_time_ms)
                put->storage_time_ms = fetched->values[i].storage_time_ms + 1;
        rf_store_set_last_time(put->store, put->storage_time_ms);
        error = put_call(put);
    }
    if (error != 0)
        put_failed(put, error);
}

static int look(struct store_put *put)
{
    struct store_fetch_spec spec = {
        .resource = put->resource,
        .kind = put->kind->id,
        .slots = &put->slot,
        .slot_count = put->kind->model == RF_MODEL_SINGLE ? 0 : 1,
        .signatures_only = true,
        .done = on_looked,
        .arg = put,
    };
    put->looking = put->looked = true;
    int error = store_fetch_start(put->store, &spec);
    if (error != 0)
        put->looking = false;
    return error;
}

/* ---- answers ---- */

static int read_answer(struct store_put *put, const struct rf_reply *reply, struct rf_store_result *result)
{
    struct rf_store_ans ans;
    int error = rf_store_ans_decode(reply->body, put->resource.len, reply->region, &ans);
    if (error != 0)
        return error;
    if (ans.kind_count != 1 || ans.kinds[0].kind != put->kind->id)
        return RF_EFORMAT;
    result->generation = ans.kinds[0].generation;
    result->responder = reply->signer->node_id;
    for (size_t i = 0; i < ans.kinds[0].replica_count && i < RF_COUNT(result->replicas); i++)
        result->replicas[result->replica_count++] = ans.kinds[0].replicas[i];
    return 0;
}

static void on_reply(void *arg, const struct rf_reply *reply)
{
    struct store_put *put = arg;
    put->call = 0;
    struct rf_store_result result = {
        .error = reply->error,
        .error_code = reply->error_code,
        .error_info = reply->error_info,
        .storage_time_ms = put->storage_time_ms,
    };
    bool too_old = reply->error == RF_EREMOTE && reply->error_code == RF_ERROR_DATA_TOO_OLD;
    if (too_old && !put->looked && look(put) == 0)
        return;
    if (reply->error == 0)
        result.error = read_answer(put, reply, &result);
    put_end(put, &result);
}

static int put_call(struct store_put *put)
{
    struct rf_store *store = put->store;
    struct rf_buf value, body;
    rf_buf_init(&value, store->env->mem, store->conf->max_message_size);
    rf_buf_init(&body, store->env->mem, store->conf->max_message_size);
    int error = rf_stored_value_put(put->identity, &put->resource, put->kind, put->slot, put->exists,
                                    put->value, put->storage_time_ms, put->lifetime_s, &value);
    struct rf_kind_values values = {.kind = put->kind->id, .values = rf_buf_view(&value)};
    struct rf_store_req req = {.resource = rf_id_view(&put->resource), .kinds = &values, .kind_count = 1};
    if (error == 0) {
        rf_store_req_encode(&req, &body);
        error = rf_buf_error(&body);
    }
    struct rf_call out = {
        .code = RF_CODE_STORE_REQ, .body = rf_buf_view(&body), .done = on_reply, .arg = put};
    rf_call_to_resource(&out, &put->resource);
    error = error != 0 ? error : rf_overlay_call(store->overlay, &out, &put->call);
    rf_buf_deinit(&value);
    rf_buf_deinit(&body);
    return error;
}

int rf_store_client_store(struct rf_store *store, struct rf_identity *identity, const struct rf_id *resource,
                          uint32_t kind, struct rf_view slot, bool exists, struct rf_view value,
                          uint32_t lifetime_s, rf_stored_fn done, void *arg)
{
    const struct rf_kind_def *def = rf_conf_kind(store->conf, kind);
    if (def == NULL)
        return RF_EUNKNOWN;
    struct store_put *put = rf_zalloc(store->env->mem, sizeof(*put));
    if (put == NULL)
        return RF_ENOMEM;
    put->store = store;
    put->identity = identity;
    put->resource = *resource;
    put->conf = rf_conf_hold(store->conf);
    put->kind = def;
    put->exists = exists;
    put->lifetime_s = lifetime_s;
    put->done = done;
    put->arg = arg;
    rf_list_init(&put->list);
    rf_region_init(&put->region, store->env->mem, slot.len + value.len + 64);
    put->slot = rf_region_copy(&put->region, slot);
    put->value = rf_region_copy(&put->region, value);
    uint64_t now = store_wall_ms(store);
    put->storage_time_ms = now > store->last_time_ms ? now : store->last_time_ms + 1;
    store->last_time_ms = put->storage_time_ms;
    bool copied = (put->slot.p != NULL || slot.len == 0) && (put->value.p != NULL || value.len == 0);
    int error = copied ? put_call(put) : RF_ENOMEM;
    if (error != 0) {
        put_free(put);
        return error;
    }
    rf_list_push_back(&store->stores, &put->list);
    return 0;
}

void store_puts_cancel(struct rf_store *store, const void *arg)
{
    bool found = true;
    while (found) {
        found = false;
        RF_LIST_EACH(&store->stores, it)
        {
            struct store_put *put = RF_LIST_ENTRY(it, struct store_put, list);
            if (arg != NULL && put->arg != arg)
                continue;
            if (put->looking)
                rf_store_client_cancel(store, put); /* ends the fetch, and with it this one */
            else
                rf_overlay_cancel(store->overlay, put->call);
            found = true;
            break;
        }
    }
}
