/*
 * store_lookup.c - a Fetch by a reader who does not take "there is nothing" from one node (docs/decisions/0013-retries-over-other-ways.md).
 *
 * What is found is signed by its owner, so it is told at once. That nothing is there, that nothing verifies, that the Fetch is refused or not answered may be
 * a lie, or one of a node on the way. States:
 *
 *     FIRST   as usual. Nothing -> BESIDE; no answer -> LOCATE
 *     LOCATE  a Ping to the Resource-ID tells who is in charge; no answer -> AROUND
 *     BESIDE  the Fetch goes to the Resource-ID right after who answered, to his successor, who holds a copy. Nothing there either: agreed, told; or, if lies
 *             were met lately, or what he sends does not verify, -> NEXT. He says that the resource is none of his business (so who answered was not in
 *             charge), or does not answer -> AROUND
 *     NEXT    the same once more, after that successor. Nothing: told. None of his business, or no answer -> AROUND
 *     AROUND  the usual Fetch once more, avoiding the neighbor it left over first; source-routed over who said that it is none of his business, if somebody
 *             did, and not believing those before him. Somebody else says there is nothing -> LAST; no answer: that there is nothing at all is told
 *             on the word of who said so last, but not that something was removed, for what its owner signed is not kept; else told
 *     LAST    as BESIDE, after that one; told, whatever it is
 *
 * So at most five Fetches. No timers of its own: calls end by themselves.
 */
#include "base/error.h"
#include "overlay/store_internal.h"

#define TRANSMISSIONS 3                   /* then somebody else is asked */
#define WARY_US       (600 * RF_US_PER_S) /* after a lie */

enum lookup_state { LOOKUP_FIRST = 1, LOOKUP_LOCATE, LOOKUP_BESIDE, LOOKUP_NEXT, LOOKUP_AROUND, LOOKUP_LAST };

struct lookup {
    struct rf_list list; /* in store->lookups */
    struct rf_store *store;
    enum lookup_state state;
    struct rf_id resource;
    uint32_t kind;
    struct rf_id answered; /* who said that there is nothing; len 0: nobody answered */
    struct rf_id hop;      /* the neighbor over which FIRST left */
    struct rf_id before;   /* who said so before `answered`, in NEXT and after; len 0: nobody */
    struct rf_id witness;  /* who said that `answered` is not in charge; len 0: nobody */
    bool nothing;          /* `answered` said in due form that there is nothing, nor was */
    rf_call_id call;       /* LOCATE */
    int error;             /* to be told if nobody answers */
    rf_fetched_fn done;
    void *arg;
};

static void on_fetched(void *arg, const struct rf_fetch_result *result);

static void tell(struct lookup *l, const struct rf_fetch_result *result)
{
    struct rf_mem *mem = l->store->env->mem;
    rf_list_remove(&l->list);
    l->done(l->arg, result);
    rf_free(mem, l);
}

static void tell_error(struct lookup *l, int error)
{
    struct rf_fetch_result result = {.error = error};
    tell(l, &result);
}

static void avoid(struct store_fetch_spec *spec, const struct rf_id *node)
{
    if (node->len > 0 && spec->avoid_count < RF_CALL_MAX_AVOID)
        spec->avoid[spec->avoid_count++] = *node;
}

static int ask(struct lookup *l, enum lookup_state state)
{
    bool beside = state == LOOKUP_BESIDE || state == LOOKUP_NEXT || state == LOOKUP_LAST;
    struct store_fetch_spec spec = {
        .resource = l->resource,
        .kind = l->kind,
        .aside = beside,
        .max_transmissions = TRANSMISSIONS,
        .done = on_fetched,
        .arg = l,
    };
    if (beside)
        spec.at = rf_id_add_small(&l->answered, 1);
    if (state == LOOKUP_AROUND)
        spec.via = l->witness;
    if (beside || spec.via.len > 0) {
        spec.distrust[0] = l->answered;
        spec.distrust[1] = l->before;
    }
    if (state != LOOKUP_FIRST) {
        avoid(&spec, &l->answered);
        avoid(&spec, &l->hop);
    }
    l->state = state;
    return store_fetch_start(l->store, &spec);
}

static void go_on(struct lookup *l, enum lookup_state state)
{
    int error = ask(l, state);
    if (error != 0)
        tell_error(l, error);
}

/* ---- who is in charge? ---- */

static void on_located(void *arg, const struct rf_reply *reply)
{
    struct lookup *l = arg;
    l->call = 0;
    if (reply->error == RF_ECANCELLED) {
        tell_error(l, RF_ECANCELLED);
    } else if (reply->error != 0 || reply->signer == NULL) {
        go_on(l, LOOKUP_AROUND);
    } else if (rf_id_equal(&reply->signer->node_id, &l->store->config.self)) {
        tell_error(l, l->error);
    } else {
        l->answered = reply->signer->node_id;
        go_on(l, LOOKUP_BESIDE);
    }
}

static void locate(struct lookup *l)
{
    static const uint8_t no_padding[2] = {0, 0};
    struct rf_call call = {.code = RF_CODE_PING_REQ,
                           .body = {no_padding, 2},
                           .max_transmissions = TRANSMISSIONS,
                           .done = on_located,
                           .arg = l};
    if (l->hop.len > 0)
        call.avoid[call.avoid_count++] = l->hop;
    rf_call_to_resource(&call, &l->resource);
    l->state = LOOKUP_LOCATE;
    int error = rf_overlay_call(l->store->overlay, &call, &l->call);
    if (error != 0)
        tell_error(l, error);
}

/* ---- what they say ---- */

static bool found(const struct rf_fetch_result *result)
{
    for (size_t i = 0; i < result->value_count && result->error == 0; i++)
        if (result->values[i].exists && !result->values[i].rollback)
            return true;
    return false;
}

/* Errors that are ours, so that asking another is of no use. */
static bool is_own(int error)
{
    return error != 0 && error != RF_EREMOTE && error != RF_ETIMEOUT && error != RF_EFORMAT &&
           error != RF_ELENGTH && error != RF_ESHORT;
}

static bool is_nothing(const struct rf_fetch_result *result)
{
    for (size_t i = 0; i < result->value_count; i++)
        if (result->values[i].exists)
            return false;
    return result->error == 0 && result->dropped_count == 0;
}

/* Nor is anything signed to tell, such as a removal. */
static bool was_never(const struct rf_fetch_result *result)
{
    for (size_t i = 0; i < result->value_count; i++)
        if (result->values[i].signer != NULL)
            return false;
    return is_nothing(result);
}

static void after_first(struct lookup *l, const struct rf_fetch_result *result)
{
    l->answered = result->responder;
    l->nothing = was_never(result);
    l->hop = result->hop;
    l->error = result->error;
    if (rf_id_equal(&l->answered, &l->store->config.self)) { /* we are in charge */
        tell(l, result);
        return;
    }
    l->store->counters->lookups_doubted++;
    if (l->answered.len == 0)
        locate(l);
    else
        go_on(l, LOOKUP_BESIDE);
}

static bool is_wary(const struct lookup *l)
{
    return l->store->env->now->mono_us < l->store->wary_until_us;
}

static void lie_seen(struct lookup *l)
{
    l->store->wary_until_us = l->store->env->now->mono_us + WARY_US;
}

static void after_beside(struct lookup *l, const struct rf_fetch_result *result)
{
    bool other = result->responder.len > 0 && !rf_id_equal(&result->responder, &l->answered) &&
                 !rf_id_equal(&result->responder, &l->before);
    bool first = l->state == LOOKUP_BESIDE;
    if (other && is_nothing(result) && !(first && is_wary(l))) {
        tell(l, result);
    } else if (other && result->error == 0 && first) {
        l->before = l->answered;
        l->answered = result->responder;
        l->nothing = l->nothing && was_never(result);
        go_on(l, LOOKUP_NEXT);
    } else {
        if (other && result->error == RF_EREMOTE && result->error_code == RF_ERROR_NOT_FOUND) {
            l->witness = result->responder;
            lie_seen(l);
        }
        go_on(l, LOOKUP_AROUND);
    }
}

static void after_around(struct lookup *l, const struct rf_fetch_result *result)
{
    struct rf_fetch_result nothing = {.responder = l->answered};
    if (result->responder.len > 0 && !rf_id_equal(&result->responder, &l->answered) &&
        !rf_id_equal(&result->responder, &l->before)) {
        l->before = l->answered;
        l->answered = result->responder;
        go_on(l, LOOKUP_LAST);
    } else {
        tell(l, l->nothing && result->error != 0 ? &nothing : result);
    }
}

static void on_fetched(void *arg, const struct rf_fetch_result *result)
{
    struct lookup *l = arg;
    bool saved = l->state != LOOKUP_FIRST && found(result);
    l->store->counters->lookups_saved += saved;
    if (result->dropped_count > 0 || result->doubted || (saved && l->answered.len > 0))
        lie_seen(l);
    if (found(result) || is_own(result->error)) {
        tell(l, result);
    } else if (l->state == LOOKUP_FIRST) {
        after_first(l, result);
    } else if (l->state == LOOKUP_BESIDE || l->state == LOOKUP_NEXT) {
        after_beside(l, result);
    } else if (l->state == LOOKUP_AROUND) {
        after_around(l, result);
    } else {
        tell(l, result);
    }
}

/* ---- beginning and end ---- */

int rf_store_client_lookup(struct rf_store *store, const struct rf_id *resource, uint32_t kind,
                           rf_fetched_fn done, void *arg)
{
    struct lookup *l = rf_zalloc(store->env->mem, sizeof(*l));
    if (l == NULL)
        return RF_ENOMEM;
    *l = (struct lookup){.store = store, .resource = *resource, .kind = kind, .done = done, .arg = arg};
    int error = ask(l, LOOKUP_FIRST);
    if (error != 0) {
        rf_free(store->env->mem, l);
        return error;
    }
    rf_list_push_back(&store->lookups, &l->list);
    return 0;
}

/* Ends one lookup with that arg, or (arg NULL) any; false: there is none. */
static bool cancel_one(struct rf_store *store, const void *arg)
{
    RF_LIST_EACH(&store->lookups, it)
    {
        struct lookup *l = RF_LIST_ENTRY(it, struct lookup, list);
        if (arg != NULL && l->arg != arg)
            continue;
        if (l->call != 0)
            rf_overlay_cancel(store->overlay, l->call);
        else
            rf_store_client_cancel(store, l); /* the Fetch under way, and with it this */
        return true;
    }
    return false;
}

void store_lookups_cancel(struct rf_store *store, const void *arg)
{
    while (cancel_one(store, arg))
        ;
}
