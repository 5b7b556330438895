/*
 * store_pull.c - a new home looks elsewhere first. A peer that has just joined is responsible at once, but the handover of what it is responsible for
 * may still be under way (5.5). For STORE_SETTLE_US after joining, and after each value that is handed to it within STORE_SETTLE_MOST_US, the first request
 * about a place therefore waits until its two successors were asked what they have there: the first was the home, if it has not just joined itself, and the
 * second its replica. What is newer than ours is taken over. So nobody is told that his data do not exist, and an array goes on at its end instead of at 0.
 * The same for places that fell to us within STORE_SETTLE_US after a neighbor was lost: our successors were replicas of theirs, as we were, and may have
 * what we have not got yet.
 *
 * States of a pull: ASKING (one Kind after another, of each the first and the second) -> the request runs as if it had just come. An error that the other
 * side tells counts as nothing there, and so does silence for a Store. A reader who comes while both are silent is refused, and asks somebody else: that
 * there is nothing, or an old value of our disk, he would believe.
 */
#include "base/error.h"
#include "overlay/store_internal.h"

#define STORE_SETTLE_US      (30 * RF_US_PER_S)
#define STORE_SETTLE_MOST_US (600 * RF_US_PER_S)
#define PULL_FROM            2
#define PULLS_MAX            256  /* at once; beyond them requests do not wait */
#define PULLED_MAX           8192 /* places remembered */

struct store_pull {
    struct rf_list list; /* in store->pulls */
    struct rf_store *store;
    struct rf_request *request; /* deferred */
    void (*again)(struct rf_store *store, struct rf_request *request);
    struct rf_id resource, from[PULL_FROM];
    size_t from_count, at; /* who is asked about the Kind at hand */
    uint32_t kinds[8];
    size_t kind_count, next;
    bool heard;   /* somebody answered about the Kind at hand */
    bool unheard; /* nobody did about one Kind at least */
};

struct pulled {
    struct rf_map_node node;
    uint8_t len;
    uint8_t key[4 + RF_ID_MAX_LEN];
};

static struct rf_view pulled_key(const struct rf_map_node *node)
{
    const struct pulled *pulled = RF_CONTAINER(node, struct pulled, node);
    return rf_view_of(pulled->key, pulled->len);
}

static void make_key(struct pulled *out, const struct rf_id *resource, uint32_t kind)
{
    for (int i = 0; i < 4; i++)
        out->key[i] = (uint8_t)(kind >> (24 - 8 * i));
    memcpy(out->key + 4, resource->b, resource->len);
    out->len = (uint8_t)(4 + resource->len);
}

static bool was_pulled(const struct rf_store *store, const struct rf_id *resource, uint32_t kind)
{
    struct pulled key;
    make_key(&key, resource, kind);
    return rf_map_find(&store->sync->pulled, rf_view_of(key.key, key.len)) != NULL;
}

static void mark_pulled(struct rf_store *store, const struct rf_id *resource, uint32_t kind)
{
    struct pulled *fresh =
        store->sync->pulled.count < PULLED_MAX ? rf_zalloc(store->env->mem, sizeof(*fresh)) : NULL;
    if (fresh == NULL)
        return;
    make_key(fresh, resource, kind);
    if (rf_map_insert(&store->sync->pulled, &fresh->node) != 0)
        rf_free(store->env->mem, fresh);
}

void store_pulls_forget(struct rf_store *store)
{
    struct rf_map_node *node;
    while (store->sync != NULL && (node = rf_map_drain(&store->sync->pulled)) != NULL)
        rf_free(store->env->mem, RF_CONTAINER(node, struct pulled, node));
}

static void pull_next(struct store_pull *pull);

static void on_fetched(void *arg, const struct rf_fetch_result *result)
{
    struct store_pull *pull = arg;
    struct rf_store *store = pull->store;
    if (store->freeing || result->error == RF_ECANCELLED) {
        rf_overlay_drop(store->overlay, pull->request);
        rf_list_remove(&pull->list);
        rf_free(store->env->mem, pull);
        return;
    }
    bool silent = result->error == RF_ETIMEOUT || result->error == RF_EUNREACHABLE;
    pull->heard = pull->heard || !silent || pull->request->message->code == RF_CODE_STORE_REQ;
    pull->at++;
    pull_next(pull);
}

static int ask(struct store_pull *pull)
{
    struct store_fetch_spec spec = {
        .resource = pull->resource,
        .kind = pull->kinds[pull->next],
        .to_node = true,
        .node = pull->from[pull->at],
        .max_transmissions = 2,
        .merge = true,
        .done = on_fetched,
        .arg = pull,
    };
    return store_fetch_start(pull->store, &spec);
}

static void pull_next(struct store_pull *pull)
{
    struct rf_store *store = pull->store;
    while (pull->next < pull->kind_count) {
        if (was_pulled(store, &pull->resource, pull->kinds[pull->next])) {
            pull->next++;
            continue;
        }
        if (pull->at < pull->from_count && ask(pull) == 0)
            return;
        bool answered = pull->heard || pull->at < pull->from_count; /* or we are short of memory */
        if (answered)
            mark_pulled(store, &pull->resource, pull->kinds[pull->next]);
        pull->unheard = pull->unheard || !answered;
        pull->heard = false;
        pull->at = 0;
        pull->next++;
    }
    struct rf_request *request = pull->request;
    void (*again)(struct rf_store *, struct rf_request *) = pull->again;
    bool unheard = pull->unheard;
    rf_list_remove(&pull->list);
    rf_free(store->env->mem, pull);
    if (unheard)
        store_refuse(store, request, RF_ERROR_REQUEST_TIMEOUT, "who had this before does not answer");
    else
        again(store, request);
}

static size_t pulls_count(const struct rf_store *store)
{
    size_t count = 0;
    RF_LIST_EACH(&store->pulls, it)
    {
        count++;
    }
    return count;
}

void store_settle_on(struct rf_store *store)
{
    struct store_sync *sync = store->sync;
    uint64_t now = store->env->now->mono_us;
    if (sync != NULL && sync->joined_us != 0 && now < sync->joined_us + STORE_SETTLE_MOST_US)
        sync->settle_until_us = now + STORE_SETTLE_US;
}

bool store_unsettled(const struct rf_store *store)
{
    const struct store_sync *sync = store->sync;
    uint64_t now = store->env->now->mono_us;
    /* who stands in for a lost peer gets its copies after the hold-down time only */
    if (sync == NULL)
        return false; /* a client, which is in charge of nothing */
    return now < sync->settle_until_us || (sync->lost_us != 0 && now < sync->lost_us + 2 * STORE_SETTLE_US);
}

/* Have we been in charge of the place, and of all that belongs there, for long enough? */
static bool settled(struct rf_store *store, const struct rf_id *resource)
{
    const struct store_sync *sync = store->sync;
    uint64_t now = store->env->now->mono_us;
    if (sync == NULL)
        return true;
    if (now < sync->settle_until_us)
        return false;
    if (sync->lost_us == 0 || now >= sync->lost_us + STORE_SETTLE_US) {
        if (store->sync->pulled.count > 0)
            store_pulls_forget(store);
        return true;
    }
    const struct store_resource *here = store_index_resource(&store->index, rf_id_view(resource));
    return here != NULL && here->own && here->own_us < sync->lost_us;
}

bool store_pull_first(struct rf_store *store, struct rf_request *request, bool deferred,
                      const struct rf_id *resource, const uint32_t *kinds, size_t kind_count,
                      void (*again)(struct rf_store *store, struct rf_request *request))
{
    if (settled(store, resource))
        return false;
    struct rf_id from[PULL_FROM];
    size_t todo = 0, from_count = 0;
    for (size_t i = 0; i < kind_count; i++)
        todo += !was_pulled(store, resource, kinds[i]) && rf_conf_kind(store->conf, kinds[i]) != NULL;
    if (todo == 0 || kind_count > RF_COUNT(((struct store_pull *)NULL)->kinds) ||
        pulls_count(store) >= PULLS_MAX || (from_count = store_successors(store, from, PULL_FROM)) == 0)
        return false;
    struct store_pull *pull = rf_zalloc(store->env->mem, sizeof(*pull));
    if (pull == NULL)
        return false;
    pull->store = store;
    pull->again = again;
    pull->resource = *resource;
    memcpy(pull->from, from, sizeof(from));
    pull->from_count = from_count;
    for (size_t i = 0; i < kind_count; i++)
        if (rf_conf_kind(store->conf, kinds[i]) != NULL)
            pull->kinds[pull->kind_count++] = kinds[i];
    pull->request = deferred ? request : rf_overlay_defer(store->overlay, request);
    if (pull->request == NULL) { /* refused already */
        rf_free(store->env->mem, pull);
        return true;
    }
    rf_list_push_back(&store->pulls, &pull->list);
    pull_next(pull);
    return true;
}

void rf_store_joined(struct rf_store *store)
{
    store_pulls_forget(store);
    if (store->sync != NULL) {
        store->sync->joined_us = store_single(store) ? 0 : store->env->now->mono_us;
        store->sync->settle_until_us = store_single(store) ? 0 : store->env->now->mono_us + STORE_SETTLE_US;
    }
    store_sync_ring_changed(store);
    store_writes_retry(store);
}

void store_pulls_init(struct rf_store *store)
{
    rf_map_init(&store->sync->pulled, store->env->mem, store->env->seed, pulled_key);
}

void store_pulls_deinit(struct rf_store *store)
{
    RF_ASSERT(rf_list_empty(&store->pulls)); /* their fetches were cancelled */
    store_pulls_forget(store);
    if (store->sync != NULL)
        rf_map_deinit(&store->sync->pulled);
}
