/*
 * store_pass.c - passes stored values on to one other peer: replicas, handover, merge. One message at a time, each with values of one
 * Kind and their signers' certificates, as many as fit.
 *
 * States of a pass: SENDING (a Store is under way) -> next values -> ... -> done. The other side refuses:
 *   Error_Data_Too_Old, Error_Generation_Counter_Too_Low  it has newer values: they are fetched from it and replace ours (FETCHING),
 *                                                         then the same values go again
 *   Error_Forbidden, Error_Data_Too_Large, Error_Invalid_Message  the values go again one by one; those still refused are counted and
 *                                                         left out. Three in a row without one accepted: it wants nothing of us
 *   Error_Unknown_Kind                                    the Kind is left out
 *   everything else, no answer                            the pass failed
 * With spec.probe each Kind begins with a Stat (PROBING): what the other side has as new as ours is not sent, what it has newer is fetched.
 * No timers of its own: calls end by themselves.
 */
#include <stdlib.h>
#include "base/error.h"
#include "overlay/store_internal.h"

#define PASS_MAX_MERGES  2 /* fetches for one piece */
#define PASS_MAX_REFUSED 3 /* single values refused in a row */
#define PASS_OVER        1
#define PASS_PROBING     2

/* What the other side said that it has under the Kind at hand; sorted by slot. */
struct known {
    struct rf_view slot;
    uint64_t storage_time_ms;
    bool extra; /* we have nothing there, or (in a log) another element */
};

struct store_pass {
    struct rf_list list; /* in store->passes */
    struct rf_store *store;
    struct store_pass_spec spec; /* refs in the region */
    struct rf_region region;
    size_t next_ref; /* with refs */
    uint32_t kind;   /* without: the next value is the first of `kind` from `slot` on */
    uint8_t slot[STORE_SLOT_MAX];
    size_t slot_len;
    size_t next_ref_after, slot_len_after; /* where to go on when this piece was accepted */
    uint32_t kind_after;
    uint8_t slot_after[STORE_SLOT_MAX];
    bool end_after;
    uint32_t piece_kind;
    size_t piece_count; /* values under way */
    size_t max_values;
    size_t refused_count, refused_row;
    unsigned merges;
    rf_call_id call;
    uint64_t sent_us;
    bool fetching;
    struct known *known; /* probe: of probed_kind, in the region */
    size_t known_count, extra_count;
    bool probed;
    uint32_t probed_kind;
};

static void pass_send(struct store_pass *pass);

static void pass_end(struct store_pass *pass, int error)
{
    struct store_pass_spec spec = pass->spec;
    size_t refused = pass->refused_count;
    rf_list_remove(&pass->list);
    rf_region_deinit(&pass->region);
    rf_free(pass->store->env->mem, pass);
    spec.done(spec.arg, error, refused);
}

/* ---- choosing the values of the next message ---- */

struct piece {
    struct rf_buf values;
    struct store_bucket bucket;
    size_t count;
    uint64_t generation;
};

/* Takes the value in if there is room. False: the message is full. */
static bool piece_add(struct store_pass *pass, struct piece *piece, struct store_value *value)
{
    size_t cert_len = store_bucket_has(&piece->bucket, value->cert) ? 0 : store_cert_len(value->cert->cert);
    size_t len = piece->values.len + piece->bucket.bytes + value->data_len + cert_len;
    if (piece->count > 0 && (len > store_room(pass->store) || piece->count >= pass->max_values))
        return false;
    if (store_bucket_add(&piece->bucket, value->cert) != 0)
        return false;
    store_value_put(value, store_wall_ms(pass->store), &piece->values);
    piece->generation = value->set->generation;
    piece->count++;
    return true;
}

/* Only what lives and was verified goes out. */
static bool usable(struct rf_store *store, struct store_value *value)
{
    if (store_value_ended(value, store_wall_ms(store)))
        return false;
    if (store_value_trusted(store, value))
        return true;
    store_forget(store, value);
    return false;
}

static void fill_from_refs(struct store_pass *pass, struct piece *piece)
{
    struct store_index *index = &pass->store->index;
    size_t i = pass->next_ref;
    for (; i < pass->spec.ref_count; i++) {
        const struct store_ref *ref = &pass->spec.refs[i];
        struct store_set *set = store_index_set(index, rf_id_view(&pass->spec.resource), ref->kind);
        struct store_value *value = set != NULL ? store_set_value(set, ref->slot) : NULL;
        if (value == NULL || !usable(pass->store, value))
            continue;
        if (piece->count > 0 && ref->kind != pass->piece_kind)
            break;
        pass->piece_kind = ref->kind;
        if (!piece_add(pass, piece, value))
            break;
    }
    pass->next_ref_after = i;
    pass->end_after = i == pass->spec.ref_count;
}

/* Notes where the walk goes on: before `value`. */
static void mark_after(struct store_pass *pass, uint32_t kind, struct rf_view slot)
{
    pass->kind_after = kind;
    pass->slot_len_after = slot.len;
    if (slot.len > 0)
        memcpy(pass->slot_after, slot.p, slot.len);
    pass->end_after = false;
}

static int compare_known(const void *a, const void *b)
{
    struct rf_view x = ((const struct known *)a)->slot, y = ((const struct known *)b)->slot;
    size_t len = x.len < y.len ? x.len : y.len;
    int c = len > 0 ? memcmp(x.p, y.p, len) : 0;
    return c != 0 ? c : (x.len > y.len) - (x.len < y.len);
}

/* An element of a log that the other side has at another index: it must hear of ours to give that up. */
static bool is_elsewhere(const struct store_pass *pass, const struct store_value *value)
{
    for (size_t i = 0, left = pass->extra_count; left > 0 && i < pass->known_count; i++) {
        if (pass->known[i].extra && pass->known[i].storage_time_ms == value->storage_time_ms)
            return true;
        left -= pass->known[i].extra;
    }
    return false;
}

/* Does the other side have this, as far as it said? */
static bool has_already(const struct store_pass *pass, const struct store_value *value)
{
    if (!pass->probed || pass->probed_kind != value->set->kind || pass->known_count == 0)
        return false;
    struct known key = {.slot = store_value_slot(value)};
    const struct known *known = bsearch(&key, pass->known, pass->known_count, sizeof(*known), compare_known);
    if (known == NULL)
        return false;
    /* in a log another element may stand there, be it newer */
    return store_log(pass->store, value->set->kind)
               ? known->storage_time_ms == value->storage_time_ms && !is_elsewhere(pass, value)
               : known->storage_time_ms >= value->storage_time_ms;
}

/* The Kind where the walk stands; the order brings the access control list (0x4) before what it guards. NULL: the walk is over. */
static struct store_set *walk_set(const struct store_pass *pass, uint32_t from)
{
    struct store_resource *resource =
        store_index_resource(&pass->store->index, rf_id_view(&pass->spec.resource));
    struct store_set *set = resource != NULL ? store_set_next(resource, NULL) : NULL;
    while (set != NULL && set->kind < from)
        set = store_set_next(resource, set);
    return set;
}

/* Values of that one Kind, from where the walk stands. */
static void fill_from_walk(struct store_pass *pass, struct store_set *set, struct piece *piece)
{
    uint32_t kind = set->kind;
    struct rf_view from = rf_view_of(pass->slot, kind == pass->kind ? pass->slot_len : 0);
    struct store_value *value = store_value_at_least(set, from);
    pass->piece_kind = kind;
    while (value != NULL) {
        struct store_value *next = store_value_next(set, value);
        /* a value from disk is verified only if it goes out */
        if (!has_already(pass, value) && usable(pass->store, value) && !piece_add(pass, piece, value)) {
            mark_after(pass, kind, store_value_slot(value));
            return;
        }
        value = next;
    }
    /* forgetting the last value may have taken the set, even the resource, with it */
    set = kind < UINT32_MAX ? walk_set(pass, kind + 1) : NULL;
    pass->end_after = set == NULL;
    if (set != NULL)
        mark_after(pass, set->kind, rf_view_of(NULL, 0));
}

static void step(struct store_pass *pass)
{
    pass->next_ref = pass->next_ref_after;
    pass->kind = pass->kind_after;
    pass->slot_len = pass->slot_len_after;
    memcpy(pass->slot, pass->slot_after, pass->slot_len);
    pass->merges = 0;
}

static void advance(struct store_pass *pass)
{
    step(pass);
    if (pass->end_after)
        pass_end(pass, 0);
    else
        pass_send(pass);
}

/* ---- what the other side said ---- */

static void on_merged(void *arg, const struct rf_fetch_result *result)
{
    struct store_pass *pass = arg;
    pass->fetching = false;
    if (result->error != 0)
        pass_end(pass, result->error);
    else
        pass_send(pass);
}

static void merge(struct store_pass *pass)
{
    struct store_fetch_spec spec = {
        .resource = pass->spec.resource,
        .kind = pass->piece_kind,
        .to_node = pass->spec.to_node,
        .node = pass->spec.node,
        .max_transmissions = pass->spec.max_transmissions,
        .merge = true,
        .done = on_merged,
        .arg = pass,
    };
    pass->fetching = true;
    int error = ++pass->merges > PASS_MAX_MERGES ? RF_ECONFLICT : store_fetch_start(pass->store, &spec);
    if (error != 0) {
        pass->fetching = false;
        pass_end(pass, error);
    }
}

/* What follows the ring goes at the pace of its answers; a writer's Store waits for nobody. */
static void note_pace(const struct store_pass *pass)
{
    if (pass->spec.refs == NULL && !pass->store->freeing)
        store_sync_answered(pass->store, pass->store->env->now->mono_us - pass->sent_us);
}

static void on_values_refused(struct store_pass *pass)
{
    if (pass->piece_count > 1) {
        pass->max_values = 1;
        pass_send(pass);
        return;
    }
    pass->refused_count++;
    if (++pass->refused_row >= PASS_MAX_REFUSED)
        pass_end(pass, RF_EFORBIDDEN);
    else
        advance(pass);
}

static void on_kind_refused(struct store_pass *pass)
{
    pass->refused_count += pass->piece_count;
    if (pass->spec.refs == NULL && !pass->end_after && pass->kind_after == pass->piece_kind) {
        mark_after(pass, pass->piece_kind + 1, rf_view_of(NULL, 0));
        pass->end_after = pass->piece_kind == UINT32_MAX;
    }
    advance(pass);
}

/* ---- probing ---- */

/* Which of a log's slots, as the other side has them, are others than here. */
static void mark_extras(struct store_pass *pass, const struct store_set *set)
{
    pass->extra_count = 0;
    for (size_t i = 0; i < pass->known_count && store_log(pass->store, set->kind); i++) {
        struct known *known = &pass->known[i];
        const struct store_value *ours = store_set_value(set, known->slot);
        known->extra = ours == NULL || ours->storage_time_ms != known->storage_time_ms;
        pass->extra_count += known->extra;
    }
}

static int keep_metas(struct store_pass *pass, const struct rf_reply *reply, struct store_set *set)
{
    struct rf_fetch_ans ans;
    size_t count = 0;
    int error = rf_fetch_ans_decode(reply->body, reply->region, &ans);
    if (error == 0 && (ans.kind_count != 1 || ans.kinds[0].kind != pass->probed_kind))
        error = RF_EFORMAT;
    error = error != 0 ? error : rf_stored_list_check(ans.kinds[0].values, &count);
    pass->known = error == 0 ? rf_region_array(&pass->region, count, sizeof(*pass->known)) : NULL;
    if (pass->known == NULL)
        return error != 0 ? error : RF_ENOMEM;
    struct rf_view list = ans.kinds[0].values;
    while (list.len > 0) {
        struct rf_stored_meta meta;
        error = rf_stored_meta_next(&list, set->model, &meta);
        struct rf_view slot = error == 0 ? rf_region_copy(&pass->region, meta.slot) : rf_view_of(NULL, 0);
        if (error != 0 || (slot.p == NULL && meta.slot.len > 0))
            return error != 0 ? error : RF_ENOMEM;
        pass->known[pass->known_count++] = (struct known){slot, meta.storage_time_ms, false};
    }
    qsort(pass->known, pass->known_count, sizeof(*pass->known), compare_known);
    mark_extras(pass, set);
    return 0;
}

/* Is something newer there than here, or another element of a log? Then it is fetched before ours goes out. */
static bool they_are_newer(const struct store_pass *pass, const struct store_set *set)
{
    bool log = store_log(pass->store, set->kind);
    for (size_t i = 0; i < pass->known_count; i++) {
        struct store_value *ours = store_set_value(set, pass->known[i].slot);
        uint64_t theirs_ms = pass->known[i].storage_time_ms;
        if (ours != NULL && (log ? theirs_ms != ours->storage_time_ms : theirs_ms > ours->storage_time_ms))
            return true;
    }
    return false;
}

static void on_probed(void *arg, const struct rf_reply *reply)
{
    struct store_pass *pass = arg;
    struct store_set *set = walk_set(pass, pass->probed_kind);
    pass->call = 0;
    note_pace(pass);
    bool too_large = reply->error == RF_EREMOTE && reply->error_code == RF_ERROR_RESPONSE_TOO_LARGE;
    if (reply->error != 0 && !too_large) {
        pass_end(pass, reply->error);
        return;
    }
    bool ours = set != NULL && set->kind == pass->probed_kind;
    int error = ours && !too_large ? keep_metas(pass, reply, set) : 0;
    if (error != 0)
        pass_end(pass, error);
    else if (ours && they_are_newer(pass, set))
        merge(pass);
    else
        pass_send(pass);
}

static int send_request(struct store_pass *pass, uint16_t code, struct rf_view body,
                        const struct store_bucket *bucket, rf_reply_fn done)
{
    struct rf_call out = {
        .code = code,
        .body = body,
        .certs = bucket != NULL ? bucket->certs : NULL,
        .cert_count = bucket != NULL ? bucket->count : 0,
        .max_transmissions = pass->spec.max_transmissions,
        .done = done,
        .arg = pass,
    };
    if (pass->spec.to_node)
        rf_call_to_node(&out, &pass->spec.node);
    else
        rf_call_to_resource(&out, &pass->spec.resource);
    pass->sent_us = pass->store->env->now->mono_us;
    return rf_overlay_call(pass->store->overlay, &out, &pass->call);
}

static int probe(struct store_pass *pass, const struct store_set *set)
{
    struct rf_array_range range = {0, RF_ARRAY_LAST};
    struct rf_selection selection = {.ranges = &range, .range_count = 1};
    uint8_t selected[16], bytes[128];
    struct rf_buf selector, body;
    rf_buf_fixed(&selector, selected, sizeof(selected));
    rf_buf_fixed(&body, bytes, sizeof(bytes));
    rf_selection_encode(&selection, set->model, &selector);
    struct rf_specifier specifier = {.kind = set->kind, .model_specifier = rf_buf_view(&selector)};
    struct rf_fetch_req req = {rf_id_view(&pass->spec.resource), &specifier, 1};
    rf_fetch_req_encode(&req, &body);
    pass->known = NULL;
    pass->known_count = pass->extra_count = 0;
    pass->probed = true;
    pass->probed_kind = pass->piece_kind = set->kind;
    pass->piece_count = 0;
    int error = rf_buf_error(&body);
    return error != 0 ? error : send_request(pass, RF_CODE_STAT_REQ, rf_buf_view(&body), NULL, on_probed);
}

static void on_reply(void *arg, const struct rf_reply *reply)
{
    struct store_pass *pass = arg;
    pass->call = 0;
    note_pace(pass);
    if (reply->error == 0) {
        pass->refused_row = 0;
        advance(pass);
        return;
    }
    if (reply->error != RF_EREMOTE) {
        pass_end(pass, reply->error);
        return;
    }
    switch (reply->error_code) {
    case RF_ERROR_DATA_TOO_OLD:
    case RF_ERROR_GENERATION_COUNTER_TOO_LOW:
        merge(pass);
        return;
    case RF_ERROR_FORBIDDEN:
    case RF_ERROR_DATA_TOO_LARGE:
    case RF_ERROR_INVALID_MESSAGE:
        on_values_refused(pass);
        return;
    case RF_ERROR_UNKNOWN_KIND:
        on_kind_refused(pass);
        return;
    default:
        pass_end(pass, RF_EREMOTE);
    }
}

/* ---- sending ---- */

static int call(struct store_pass *pass, const struct piece *piece)
{
    struct rf_store *store = pass->store;
    struct rf_kind_values values = {
        .kind = pass->piece_kind, .generation = piece->generation, .values = rf_buf_view(&piece->values)};
    struct rf_store_req req = {
        .resource = rf_id_view(&pass->spec.resource),
        .replica_number = pass->spec.replica_number,
        .kinds = &values,
        .kind_count = 1,
    };
    struct rf_buf body;
    rf_buf_init(&body, store->env->mem, store->conf->max_message_size);
    rf_store_req_encode(&req, &body);
    int error = rf_buf_error(&body);
    if (error == 0)
        error = send_request(pass, RF_CODE_STORE_REQ, rf_buf_view(&body), &piece->bucket, on_reply);
    rf_buf_deinit(&body);
    return error;
}

/* Fills one piece. Without anything to send from here on, the walk goes to the next Kind (RF_EAGAIN) or is over (PASS_OVER). */
static int fill(struct store_pass *pass, struct piece *piece)
{
    if (pass->spec.refs != NULL) {
        fill_from_refs(pass, piece);
        return piece->count == 0 ? PASS_OVER : 0;
    }
    struct store_set *set = walk_set(pass, pass->kind);
    if (set == NULL)
        return PASS_OVER;
    if (pass->spec.probe && (!pass->probed || pass->probed_kind != set->kind))
        return probe(pass, set) == 0 ? PASS_PROBING : RF_ENOMEM;
    fill_from_walk(pass, set, piece);
    if (piece->count > 0)
        return 0;
    step(pass);
    return pass->end_after ? PASS_OVER : RF_EAGAIN;
}

/* PASS_OVER: nothing is left to send. Otherwise 0 or an error. */
static int send_piece(struct store_pass *pass)
{
    int error;
    do {
        struct piece piece = {.count = 0};
        rf_buf_init(&piece.values, pass->store->env->mem, pass->store->conf->max_message_size);
        error = fill(pass, &piece);
        store_forget_flush(pass->store);
        if (error == 0) {
            pass->piece_count = piece.count;
            error = rf_buf_error(&piece.values);
            error = error != 0 ? error : call(pass, &piece);
        }
        rf_buf_deinit(&piece.values);
    } while (error == RF_EAGAIN);
    return error == PASS_PROBING ? 0 : error;
}

static void pass_send(struct store_pass *pass)
{
    int error = send_piece(pass);
    while (error == RF_ELIMIT && pass->piece_count > 1) {
        pass->max_values = pass->piece_count / 2; /* the message was too long after all */
        error = send_piece(pass);
    }
    if (error != 0)
        pass_end(pass, error == PASS_OVER ? 0 : error);
}

/* The first piece goes out at once; when that fails or there is nothing to send, `done` must not be called from inside: a call that is
 * not made is told by the return value. */
int store_pass_start(struct rf_store *store, const struct store_pass_spec *spec)
{
    struct store_pass *pass = rf_zalloc(store->env->mem, sizeof(*pass));
    if (pass == NULL)
        return RF_ENOMEM;
    pass->store = store;
    pass->spec = *spec;
    pass->max_values = SIZE_MAX;
    rf_region_init(&pass->region, store->env->mem, (size_t)1 << 20);
    rf_list_init(&pass->list);
    int error = 0;
    if (spec->refs != NULL) {
        struct store_ref *refs = rf_region_array(&pass->region, spec->ref_count, sizeof(*refs));
        for (size_t i = 0; i < spec->ref_count && refs != NULL && error == 0; i++) {
            refs[i] =
                (struct store_ref){spec->refs[i].kind, rf_region_copy(&pass->region, spec->refs[i].slot)};
            if (refs[i].slot.p == NULL && spec->refs[i].slot.len > 0)
                error = RF_ENOMEM;
        }
        pass->spec.refs = refs;
        error = refs == NULL ? RF_ENOMEM : error;
    }
    error = error != 0 ? error : send_piece(pass);
    while (error == RF_ELIMIT && pass->piece_count > 1) {
        pass->max_values = pass->piece_count / 2;
        error = send_piece(pass);
    }
    if (error != 0) {
        rf_region_deinit(&pass->region);
        rf_free(store->env->mem, pass);
        return error == PASS_OVER ? RF_ENOTFOUND : error;
    }
    rf_list_push_back(&store->passes, &pass->list);
    return 0;
}

void store_passes_deinit(struct rf_store *store)
{
    RF_LIST_EACH_SAFE(&store->passes, it)
    {
        struct store_pass *pass = RF_LIST_ENTRY(it, struct store_pass, list);
        rf_call_id id = pass->call;
        if (id != 0)
            rf_overlay_cancel(store->overlay, id); /* ends the pass */
        else if (!pass->fetching)
            pass_end(pass, RF_ECANCELLED); /* fetches end with store_clients_deinit */
    }
}
