/*
 * store_client.c - the reader's side on any node: Fetch, with everything verified (reload.md 4.4). Storing stands in store_put.c.
 *
 * A fetch is a stack of pieces: all of a Kind, a range of an array, some keys of a dictionary. A piece whose answer would be too large is
 * cut: a range in halves (its end is looked up first) until a piece fits, which tells how large the others may be; all of a dictionary into its keys (told by Stat), keys in halves.
 * States: ASKING (a call for the piece on top is under way) -> ... -> the Kind needs the access control list: LISTING (a fetch of its own)
 * -> checked, told, gone. No timers of its own: calls end by themselves.
 *
 * Values with a bad signature, certificate or policy, outside what was asked for, or twice in one place are dropped and counted.
 */
#include "base/error.h"
#include "overlay/store_internal.h"
#include "wire/value.h"

#define FETCH_MAX_LEN   ((size_t)8 << 20) /* bytes that one fetch may collect */
#define FETCH_MAX_CALLS 512
#define FETCH_MAX_STACK 64

enum piece_type {
    PIECE_ALL = 1, /* single value, or a whole dictionary */
    PIECE_RANGE,   /* array: first..last */
    PIECE_END,     /* array: only the last element, to learn its index; then first..that */
    PIECE_KEYS,    /* keys[from..to) */
    PIECE_STAT,    /* dictionary: learn the keys */
};
struct piece {
    enum piece_type type;
    uint32_t first, last;
    size_t from, to;
};

struct store_fetch {
    struct rf_list list; /* in store->fetches */
    struct rf_store *store;
    struct store_fetch_spec spec; /* slots copied */
    struct rf_conf *conf;         /* held: the Kind is in it */
    const struct rf_kind_def *kind;
    struct rf_region region;
    struct piece stack[FETCH_MAX_STACK];
    size_t depth;
    struct rf_view *keys; /* PIECE_KEYS */
    size_t key_count;
    size_t calls;
    uint32_t page; /* so many indexes of an array most likely fit into one answer; 0: not known */
    rf_call_id call;
    bool listing;
    struct rf_fetched_value *values;
    struct rf_stored_data *datas; /* one per value */
    struct rf_signer *signers;    /* one reference each, cert NULL: synthesized */
    size_t value_count, value_cap;
    size_t dropped_count;
    uint64_t generation;
    struct rf_id responder, hop;
    bool doubted;
    uint16_t error_code;
};

static void fetch_next(struct store_fetch *fetch);

/* ---- the end ---- */

static void fetch_free(struct store_fetch *fetch)
{
    for (size_t i = 0; i < fetch->value_count; i++)
        rf_signer_deinit(&fetch->signers[i]);
    rf_list_remove(&fetch->list);
    rf_region_deinit(&fetch->region);
    rf_conf_release(fetch->conf);
    rf_free(fetch->store->env->mem, fetch);
}

static void fetch_end(struct store_fetch *fetch, int error)
{
    struct rf_fetch_result result = {
        .error = error,
        .error_code = error == RF_EREMOTE ? fetch->error_code : 0,
        .generation = fetch->generation,
        .values = fetch->values,
        .value_count = error == 0 ? fetch->value_count : 0,
        .dropped_count = fetch->dropped_count,
        .responder = fetch->responder,
        .hop = fetch->hop,
        .doubted = fetch->doubted,
    };
    rf_list_remove(&fetch->list); /* it can not be cancelled any more */
    fetch->spec.done(fetch->spec.arg, &result);
    fetch_free(fetch);
}

/* ---- access: once everything is here ---- */

static void drop_value(struct store_fetch *fetch, size_t at)
{
    rf_signer_deinit(&fetch->signers[at]);
    for (size_t i = at + 1; i < fetch->value_count; i++) {
        fetch->values[i - 1] = fetch->values[i];
        fetch->datas[i - 1] = fetch->datas[i];
        fetch->signers[i - 1] = fetch->signers[i];
    }
    fetch->value_count--;
    fetch->dropped_count++;
}

static bool allowed(struct store_fetch *fetch, size_t at, const struct policy_acl_item *acl, size_t acl_count)
{
    struct rf_store *store = fetch->store;
    char why[STORE_MAX_WHY];
    struct policy_question q = {
        .conf = store->conf,
        .crypto = store->config.crypto,
        .kind = fetch->kind,
        .resource = fetch->spec.resource,
        .data = &fetch->datas[at],
        .signer = &fetch->signers[at],
        .role = POLICY_READ,
        .acl = acl,
        .acl_count = acl_count,
    };
    if (policy_check(&q, why, sizeof(why)) != 0)
        return false;
    const struct rf_usage_kind *usage = store_usage(store, fetch->kind->id);
    struct rf_usage_value value = {
        .conf = store->conf,
        .kind = fetch->kind,
        .crypto = store->config.crypto,
        .resource = fetch->spec.resource,
        .data = &fetch->datas[at],
        .signer = &fetch->signers[at],
    };
    return usage == NULL || usage->check == NULL || !q.data->exists ||
           usage->check(usage->arg, &value, why, sizeof(why)) == 0;
}

static void check_access(struct store_fetch *fetch, const struct policy_acl_item *acl, size_t acl_count)
{
    struct rf_store *store = fetch->store;
    for (size_t i = fetch->value_count; i > 0; i--) {
        struct rf_fetched_value *value = &fetch->values[i - 1];
        if (fetch->signers[i - 1].cert == NULL || fetch->spec.signatures_only)
            continue;
        if (!allowed(fetch, i - 1, acl, acl_count)) {
            drop_value(fetch, i - 1);
            continue;
        }
        value->rollback = store_seen_older(store, &fetch->spec.resource, fetch->kind->id, value->slot,
                                           value->storage_time_ms);
    }
    for (size_t i = 0; i < fetch->value_count; i++)
        fetch->values[i].signer = fetch->signers[i].cert != NULL ? &fetch->signers[i] : NULL;
}

/* The list's items out of fetched values. */
static struct policy_acl_item *acl_items(struct store_fetch *fetch, const struct rf_fetched_value *values,
                                         size_t count, size_t *item_count)
{
    struct policy_acl_item *items = rf_region_array(&fetch->region, count, sizeof(*items));
    bool names = policy_acl_variable_names(fetch->store->conf);
    *item_count = 0;
    for (size_t i = 0; i < count && items != NULL; i++) {
        struct rf_acl_value acl;
        if (!values[i].exists || values[i].signer == NULL ||
            rf_acl_value_decode(values[i].value, names, &acl) != 0)
            continue;
        items[(*item_count)++] = (struct policy_acl_item){
            .resource_name = acl.resource_name,
            .to_user = acl.to_user,
            .kind = acl.kind,
            .allow_delegation = acl.allow_delegation,
            .signer_user = values[i].signer->cert->user,
        };
    }
    return items;
}

/* Items that no chain justifies are of no use in a chain either: each is looked at through the items that lead to it. So it does no
 * harm that they are all in here. */
static void on_listed(void *arg, const struct rf_fetch_result *result)
{
    struct store_fetch *fetch = arg;
    fetch->listing = false;
    if (result->error != 0) {
        fetch->error_code = result->error_code;
        fetch_end(fetch, result->error);
        return;
    }
    size_t count;
    struct policy_acl_item *items = acl_items(fetch, result->values, result->value_count, &count);
    check_access(fetch, items, items != NULL ? count : 0);
    fetch_end(fetch, items != NULL ? 0 : RF_ENOMEM);
}

static void fetch_done(struct store_fetch *fetch)
{
    bool chain =
        fetch->kind->policy == RF_POLICY_USER_CHAIN_ACL && !fetch->spec.signatures_only && !fetch->spec.merge;
    if (chain && fetch->kind->id != RF_KIND_ACL && fetch->value_count > 0) {
        struct store_fetch_spec spec = {
            .resource = fetch->spec.resource,
            .kind = RF_KIND_ACL,
            .to_node = fetch->spec.to_node,
            .node = fetch->spec.node,
            .aside = fetch->spec.aside,
            .at = fetch->spec.at,
            .signatures_only = true,
            .done = on_listed,
            .arg = fetch,
        };
        fetch->listing = true;
        int error = store_fetch_start(fetch->store, &spec);
        if (error != 0) {
            fetch->listing = false;
            fetch_end(fetch, error);
        }
        return;
    }
    struct policy_acl_item *items = NULL;
    size_t count = 0;
    for (size_t i = 0; i < fetch->value_count; i++)
        fetch->values[i].signer = fetch->signers[i].cert != NULL ? &fetch->signers[i] : NULL;
    if (chain)
        items = acl_items(fetch, fetch->values, fetch->value_count, &count);
    check_access(fetch, items, items != NULL ? count : 0);
    fetch_end(fetch, 0);
}

/* ---- one answer ---- */

static bool asked_for(const struct store_fetch *fetch, const struct piece *piece,
                      const struct rf_stored_data *data)
{
    switch (piece->type) {
    case PIECE_RANGE: /* as it was sent to be appended, it has no place yet; nothing is kept so */
        return data->index >= piece->first && data->index <= piece->last &&
               !(data->exists && data->index == RF_ARRAY_LAST);
    case PIECE_KEYS:
        for (size_t i = piece->from; i < piece->to; i++)
            if (rf_view_equal(fetch->keys[i], data->slot))
                return true;
        return false;
    default:
        return true;
    }
}

static bool have_slot(const struct store_fetch *fetch, struct rf_view slot)
{
    for (size_t i = 0; i < fetch->value_count; i++)
        if (rf_view_equal(fetch->values[i].slot, slot))
            return true;
    return false;
}

static int grow(struct store_fetch *fetch)
{
    if (fetch->value_count < fetch->value_cap)
        return 0;
    size_t cap = fetch->value_cap > 0 ? 2 * fetch->value_cap : 16;
    struct rf_fetched_value *values = rf_region_array(&fetch->region, cap, sizeof(*values));
    struct rf_stored_data *datas = rf_region_array(&fetch->region, cap, sizeof(*datas));
    struct rf_signer *signers = rf_region_array(&fetch->region, cap, sizeof(*signers));
    if (values == NULL || datas == NULL || signers == NULL)
        return RF_ENOMEM;
    if (fetch->value_count > 0) {
        memcpy(values, fetch->values, fetch->value_count * sizeof(*values));
        memcpy(datas, fetch->datas, fetch->value_count * sizeof(*datas));
        memcpy(signers, fetch->signers, fetch->value_count * sizeof(*signers));
    }
    fetch->values = values;
    fetch->datas = datas;
    fetch->signers = signers;
    fetch->value_cap = cap;
    return 0;
}

/* Keeps a decoded and verified value; takes the signer's reference. Its bytes are copied. */
static int keep(struct store_fetch *fetch, const struct rf_stored *stored, struct rf_signer *signer)
{
    struct rf_view raw = rf_region_copy(&fetch->region, stored->raw);
    struct rf_stored copy;
    int error = raw.p == NULL ? RF_ENOMEM : grow(fetch);
    error = error != 0 ? error : rf_stored_next(&raw, &copy);
    struct rf_stored_data *data = error == 0 ? &fetch->datas[fetch->value_count] : NULL;
    error = error != 0 ? error : rf_stored_data_decode(&copy, fetch->kind->model, data);
    if (error != 0) {
        rf_signer_deinit(signer);
        return error;
    }
    fetch->signers[fetch->value_count] = *signer;
    fetch->values[fetch->value_count++] = (struct rf_fetched_value){
        .slot = data->slot,
        .exists = data->exists,
        .value = data->value,
        .storage_time_ms = data->storage_time_ms,
        .lifetime_s = data->lifetime_s,
    };
    return 0;
}

static void merge(struct store_fetch *fetch, const struct rf_reply *reply,
                  const struct rf_kind_values *values, const struct rf_stored *stored)
{
    struct rf_kind_values one = {
        .kind = values->kind, .generation = values->generation, .values = stored->raw, .value_count = 1};
    struct store_job job = {
        .store = fetch->store,
        .region = reply->region,
        .bucket = reply->message->security.certs,
        .bucket_count = reply->message->security.cert_count,
        .copy = true,
        .replica_number = 1,
        .merge = true,
        .req = {.resource = rf_id_view(&fetch->spec.resource),
                .replica_number = 1,
                .kinds = &one,
                .kind_count = 1},
    };
    if (store_check(&job) == 0)
        (void)store_apply(&job, NULL); /* what does not work now comes again by synchronization */
    store_job_deinit(&job);
}

static int take_value(struct store_fetch *fetch, const struct piece *piece, const struct rf_reply *reply,
                      const struct rf_kind_values *values, const struct rf_stored *stored)
{
    struct rf_stored_data data;
    struct rf_signer signer = {.cert = NULL};
    if (rf_stored_data_decode(stored, fetch->kind->model, &data) != 0 || !asked_for(fetch, piece, &data) ||
        have_slot(fetch, data.slot)) {
        fetch->dropped_count++;
        return 0;
    }
    if (rf_signature_is_none(&data.signature)) {
        fetch->dropped_count += data.exists;
        return data.exists || fetch->spec.merge ? 0 : keep(fetch, stored, &signer);
    }
    if (fetch->spec.merge) {
        merge(fetch, reply, values, stored);
        return 0;
    }
    int error = store_verify(fetch->store, &fetch->spec.resource, fetch->kind->id, &data,
                             reply->message->security.certs, reply->message->security.cert_count, &signer);
    if (error == RF_ENOMEM)
        return error;
    if (error != 0) {
        fetch->dropped_count++;
        return 0;
    }
    return keep(fetch, stored, &signer);
}

static int push(struct store_fetch *fetch, struct piece piece)
{
    if (fetch->depth == FETCH_MAX_STACK)
        return RF_ELIMIT;
    fetch->stack[fetch->depth++] = piece;
    return 0;
}

/* The last element's index bounds what is cut in halves. */
static int take_end(struct store_fetch *fetch, const struct piece *piece, struct rf_view values)
{
    struct rf_stored stored;
    struct rf_stored_data data;
    if (values.len == 0 || rf_stored_next(&values, &stored) != 0 ||
        rf_stored_data_decode(&stored, fetch->kind->model, &data) != 0)
        return RF_EFORMAT;
    if (data.index < piece->first || data.index == RF_ARRAY_LAST)
        return 0; /* nothing there any more */
    return push(fetch, (struct piece){.type = PIECE_RANGE, .first = piece->first, .last = data.index});
}

static int take_keys(struct store_fetch *fetch, struct rf_view metas)
{
    size_t count = 0;
    int error = rf_stored_list_check(metas, &count);
    fetch->keys = rf_region_array(&fetch->region, count, sizeof(*fetch->keys));
    if (error == 0 && fetch->keys == NULL)
        error = RF_ENOMEM;
    while (error == 0 && metas.len > 0) {
        struct rf_stored_meta meta;
        error = rf_stored_meta_next(&metas, fetch->kind->model, &meta);
        if (error != 0)
            break;
        struct rf_view key = rf_region_copy(&fetch->region, meta.slot);
        if (key.p == NULL && meta.slot.len > 0)
            error = RF_ENOMEM;
        else
            fetch->keys[fetch->key_count++] = key;
    }
    if (error == 0 && fetch->key_count > 0)
        error = push(fetch, (struct piece){.type = PIECE_KEYS, .from = 0, .to = fetch->key_count});
    return error;
}

static int take_answer(struct store_fetch *fetch, const struct piece *piece, const struct rf_reply *reply)
{
    struct rf_fetch_ans ans;
    int error = rf_fetch_ans_decode(reply->body, reply->region, &ans);
    if (error != 0)
        return error;
    if (ans.kind_count != 1 || ans.kinds[0].kind != fetch->kind->id)
        return RF_EFORMAT;
    struct rf_view list = ans.kinds[0].values;
    fetch->generation = ans.kinds[0].generation;
    if (piece->type == PIECE_STAT)
        return take_keys(fetch, list);
    if (piece->type == PIECE_END)
        return take_end(fetch, piece, list);
    while (error == 0 && list.len > 0) {
        struct rf_stored stored;
        error = rf_stored_next(&list, &stored);
        error = error != 0 ? error : take_value(fetch, piece, reply, &ans.kinds[0], &stored);
    }
    return error;
}

/* ---- pieces ---- */

static int cut(struct store_fetch *fetch, const struct piece *piece)
{
    struct piece low = *piece, high = *piece;
    if (piece->type == PIECE_ALL && fetch->kind->model == RF_MODEL_DICTIONARY)
        return push(fetch, (struct piece){.type = PIECE_STAT});
    if (piece->type == PIECE_RANGE && piece->last == RF_ARRAY_LAST)
        return push(fetch, (struct piece){.type = PIECE_END, .first = piece->first});
    if (piece->type == PIECE_RANGE && piece->last > piece->first) {
        low.last = piece->first + (piece->last - piece->first) / 2;
        high.first = low.last + 1;
    } else if (piece->type == PIECE_KEYS && piece->to - piece->from > 1) {
        low.to = piece->from + (piece->to - piece->from) / 2;
        high.from = low.to;
    } else {
        return RF_EREMOTE;
    }
    int error = push(fetch, high);
    return error != 0 ? error : push(fetch, low);
}

/* A range fitted: how many indexes would have? An eighth is left for larger elements. */
static void learn_page(struct store_fetch *fetch, const struct piece *piece, const struct rf_reply *reply)
{
    if (piece->type != PIECE_RANGE || piece->last == RF_ARRAY_LAST)
        return;
    uint64_t count = (uint64_t)piece->last - piece->first + 1, len = reply->body.len + 1;
    uint64_t room = store_room(fetch->store);
    for (size_t i = 0; i < reply->message->security.cert_count; i++) /* the same for more */
        room -= reply->message->security.certs[i].len < room ? reply->message->security.certs[i].len : room;
    uint64_t page = count * (room - room / 8) / len;
    page = page < 4 * count ? page : 4 * count; /* there may be gaps */
    fetch->page = page < 1 ? 1 : page < INT32_MAX ? (uint32_t)page : INT32_MAX;
}

static void on_reply(void *arg, const struct rf_reply *reply)
{
    struct store_fetch *fetch = arg;
    fetch->call = 0;
    struct piece piece = fetch->stack[--fetch->depth];
    int error = reply->error;
    fetch->error_code = reply->error_code;
    fetch->hop = reply->hop;
    fetch->doubted = fetch->doubted || reply->doubted;
    if (reply->signer != NULL)
        fetch->responder = reply->signer->node_id;
    if (error == 0) {
        learn_page(fetch, &piece, reply);
        error = take_answer(fetch, &piece, reply);
    } else if (error == RF_EREMOTE && reply->error_code == RF_ERROR_RESPONSE_TOO_LARGE) {
        error = cut(fetch, &piece);
    }
    if (error != 0)
        fetch_end(fetch, error);
    else
        fetch_next(fetch);
}

static int select_piece(struct store_fetch *fetch, const struct piece *piece, struct rf_buf *out)
{
    struct rf_array_range range = {piece->first, piece->last};
    if (piece->type == PIECE_END)
        range = (struct rf_array_range){RF_ARRAY_LAST, RF_ARRAY_LAST};
    struct rf_selection selection = {.ranges = &range};
    selection.range_count = piece->type == PIECE_RANGE || piece->type == PIECE_END;
    if (piece->type == PIECE_KEYS) {
        selection.keys = fetch->keys + piece->from;
        selection.key_count = piece->to - piece->from;
    }
    rf_selection_encode(&selection, fetch->kind->model, out);
    return rf_buf_error(out);
}

static int call(struct store_fetch *fetch, const struct piece *piece)
{
    struct rf_store *store = fetch->store;
    struct rf_buf selection, body;
    rf_buf_init(&selection, store->env->mem, UINT16_MAX);
    rf_buf_init(&body, store->env->mem, UINT16_MAX * 2);
    int error = ++fetch->calls > FETCH_MAX_CALLS ? RF_ELIMIT : select_piece(fetch, piece, &selection);
    struct rf_specifier specifier = {.kind = fetch->kind->id, .model_specifier = rf_buf_view(&selection)};
    struct rf_fetch_req req = {
        .resource = rf_id_view(&fetch->spec.resource), .specifiers = &specifier, .specifier_count = 1};
    if (error == 0) {
        rf_fetch_req_encode(&req, &body);
        error = rf_buf_error(&body);
    }
    struct rf_call out = {
        .code = piece->type == PIECE_STAT ? RF_CODE_STAT_REQ : RF_CODE_FETCH_REQ,
        .body = rf_buf_view(&body),
        .max_transmissions = fetch->spec.max_transmissions,
        .done = on_reply,
        .arg = fetch,
    };
    memcpy(out.avoid, fetch->spec.avoid, sizeof(out.avoid));
    out.avoid_count = fetch->spec.avoid_count;
    memcpy(out.distrust, fetch->spec.distrust, sizeof(out.distrust));
    if (fetch->spec.via.len > 0)
        rf_call_to_node(&out, &fetch->spec.via);
    if (fetch->spec.to_node)
        rf_call_to_node(&out, &fetch->spec.node);
    else
        rf_call_to_resource(&out, fetch->spec.aside ? &fetch->spec.at : &fetch->spec.resource);
    error = error != 0 ? error : rf_overlay_call(store->overlay, &out, &fetch->call);
    rf_buf_deinit(&selection);
    rf_buf_deinit(&body);
    return error;
}

/* Of a range on top that is too long only a page is asked for. */
static void cut_page(struct store_fetch *fetch)
{
    struct piece *top = &fetch->stack[fetch->depth - 1], low = *top;
    if (fetch->page == 0 || top->type != PIECE_RANGE || top->last == RF_ARRAY_LAST ||
        top->last - top->first < fetch->page || fetch->depth == FETCH_MAX_STACK)
        return;
    low.last = top->first + fetch->page - 1;
    top->first = low.last + 1;
    fetch->stack[fetch->depth++] = low;
}

static void fetch_next(struct store_fetch *fetch)
{
    if (fetch->depth == 0) {
        fetch_done(fetch);
        return;
    }
    cut_page(fetch);
    int error = call(fetch, &fetch->stack[fetch->depth - 1]);
    if (error != 0)
        fetch_end(fetch, error);
}

/* ---- beginning ---- */

static int copy_slots(struct store_fetch *fetch)
{
    const struct store_fetch_spec *spec = &fetch->spec;
    fetch->keys = rf_region_array(&fetch->region, spec->slot_count, sizeof(*fetch->keys));
    if (fetch->keys == NULL)
        return RF_ENOMEM;
    for (size_t i = 0; i < spec->slot_count; i++) {
        struct rf_view key = rf_region_copy(&fetch->region, spec->slots[i]);
        if (key.p == NULL && spec->slots[i].len > 0)
            return RF_ENOMEM;
        fetch->keys[fetch->key_count++] = key;
    }
    return push(fetch, (struct piece){.type = PIECE_KEYS, .from = 0, .to = fetch->key_count});
}

static int first_pieces(struct store_fetch *fetch)
{
    const struct store_fetch_spec *spec = &fetch->spec;
    struct piece all = {.type = PIECE_ALL};
    int error = 0;
    switch (fetch->kind->model) {
    case RF_MODEL_SINGLE:
        return push(fetch, all);
    case RF_MODEL_DICTIONARY:
        return spec->slot_count == 0 ? push(fetch, all) : copy_slots(fetch);
    case RF_MODEL_ARRAY:
        if (spec->ranged)
            return push(fetch, (struct piece){.type = PIECE_RANGE, .first = spec->first, .last = spec->last});
        if (spec->slot_count == 0)
            return push(fetch, (struct piece){.type = PIECE_RANGE, .first = 0, .last = RF_ARRAY_LAST});
        for (size_t i = spec->slot_count; i > 0 && error == 0; i--) {
            struct rf_view slot = spec->slots[i - 1];
            uint32_t index;
            error = rf_view_u32(&slot, &index) != 0 || slot.len > 0 ? RF_EINVAL : 0;
            error = error != 0
                        ? error
                        : push(fetch, (struct piece){.type = PIECE_RANGE, .first = index, .last = index});
        }
        return error;
    }
    return RF_EINVAL;
}

int store_fetch_start(struct rf_store *store, const struct store_fetch_spec *spec)
{
    const struct rf_kind_def *kind = rf_conf_kind(store->conf, spec->kind);
    if (kind == NULL)
        return RF_EUNKNOWN;
    if (spec->ranged && (kind->model != RF_MODEL_ARRAY || spec->first > spec->last))
        return RF_EINVAL;
    struct store_fetch *fetch = rf_zalloc(store->env->mem, sizeof(*fetch));
    if (fetch == NULL)
        return RF_ENOMEM;
    fetch->store = store;
    fetch->spec = *spec;
    fetch->conf = rf_conf_hold(store->conf);
    fetch->kind = kind;
    rf_region_init(&fetch->region, store->env->mem, FETCH_MAX_LEN);
    rf_list_init(&fetch->list);
    int error = first_pieces(fetch);
    fetch->spec.slots = NULL;
    error = error != 0 ? error : call(fetch, &fetch->stack[fetch->depth - 1]);
    if (error != 0) {
        fetch_free(fetch);
        return error;
    }
    rf_list_push_back(&store->fetches, &fetch->list);
    return 0;
}

int rf_store_client_fetch(struct rf_store *store, const struct rf_id *resource, uint32_t kind,
                          const struct rf_view *slots, size_t slot_count, rf_fetched_fn done, void *arg)
{
    struct store_fetch_spec spec = {.resource = *resource,
                                    .kind = kind,
                                    .slots = slots,
                                    .slot_count = slot_count,
                                    .done = done,
                                    .arg = arg};
    return store_fetch_start(store, &spec);
}

int rf_store_client_fetch_range(struct rf_store *store, const struct rf_id *resource, uint32_t kind,
                                uint32_t first, uint32_t last, rf_fetched_fn done, void *arg)
{
    struct store_fetch_spec spec = {.resource = *resource,
                                    .kind = kind,
                                    .ranged = true,
                                    .first = first,
                                    .last = last,
                                    .done = done,
                                    .arg = arg};
    return store_fetch_start(store, &spec);
}

/* Ends one fetch with that arg, or (arg NULL) any; false: there is none. */
static bool cancel_one(struct rf_store *store, const void *arg)
{
    RF_LIST_EACH(&store->fetches, it)
    {
        struct store_fetch *fetch = RF_LIST_ENTRY(it, struct store_fetch, list);
        if (arg != NULL && fetch->spec.arg != arg)
            continue;
        if (fetch->listing)
            while (cancel_one(store, fetch)) /* which ends the list's fetch, and with it this one */
                ;
        else
            rf_overlay_cancel(store->overlay, fetch->call);
        return true;
    }
    return false;
}

void rf_store_client_cancel(struct rf_store *store, const void *arg)
{
    store_lookups_cancel(store, arg);
    while (cancel_one(store, arg))
        ;
    store_puts_cancel(store, arg);
}

void store_clients_deinit(struct rf_store *store)
{
    store_lookups_cancel(store, NULL);
    while (cancel_one(store, NULL))
        ;
    store_puts_cancel(store, NULL);
}
