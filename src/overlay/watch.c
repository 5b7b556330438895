/*
 * watch.c - the home's half of Watch: the tables of places, watchers and leases, and the request. What happens when something changes stands in
 * watch_event.c, what when the ring does in watch_hold.c.
 */
#include "overlay/watch_internal.h"
#include "base/error.h"

#define SWEEP_US (60 * RF_US_PER_S)

/* ---- tables ---- */

void watch_key_make(struct watch_key *key, const struct rf_id *resource, uint32_t kind)
{
    for (int i = 0; i < 4; i++)
        key->bytes[i] = (uint8_t)(kind >> (24 - 8 * i));
    memcpy(key->bytes + 4, resource->b, resource->len);
    key->len = (uint8_t)(4 + resource->len);
}

static struct rf_view place_key(const struct rf_map_node *node)
{
    return watch_key_view(&RF_CONTAINER(node, struct watch_place, node)->key);
}

static struct rf_view watcher_key(const struct rf_map_node *node)
{
    return rf_id_view(&RF_CONTAINER(node, struct watch_watcher, node)->id);
}

struct watch_place *watch_place_find(const struct store_watch *watch, const struct rf_id *resource,
                                     uint32_t kind)
{
    struct watch_key key;
    watch_key_make(&key, resource, kind);
    struct rf_map_node *node = rf_map_find(&watch->places, watch_key_view(&key));
    return node != NULL ? RF_CONTAINER(node, struct watch_place, node) : NULL;
}

static struct watch_watcher *watcher_find(const struct store_watch *watch, const struct rf_id *id)
{
    struct rf_map_node *node = rf_map_find(&watch->watchers, rf_id_view(id));
    return node != NULL ? RF_CONTAINER(node, struct watch_watcher, node) : NULL;
}

static struct watch_place *place_new(struct store_watch *watch, const struct rf_id *resource, uint32_t kind)
{
    struct watch_place *place = rf_zalloc(watch->store->env->mem, sizeof(*place));
    if (place == NULL)
        return NULL;
    watch_key_make(&place->key, resource, kind);
    place->resource = *resource;
    place->kind = kind;
    rf_list_init(&place->leases);
    if (rf_map_insert(&watch->places, &place->node) == 0)
        return place;
    rf_free(watch->store->env->mem, place);
    return NULL;
}

static struct watch_watcher *watcher_new(struct store_watch *watch, const struct rf_id *id)
{
    struct watch_watcher *watcher = rf_zalloc(watch->store->env->mem, sizeof(*watcher));
    if (watcher == NULL)
        return NULL;
    watcher->watch = watch;
    watcher->id = *id;
    rf_list_init(&watcher->leases);
    rf_list_init(&watcher->due);
    rf_timer_init(&watcher->pause, watch_pause_fired, watcher);
    if (rf_map_insert(&watch->watchers, &watcher->node) == 0)
        return watcher;
    rf_free(watch->store->env->mem, watcher);
    return NULL;
}

static void place_prune(struct store_watch *watch, struct watch_place *place)
{
    if (place == NULL || place->count > 0)
        return;
    rf_map_remove(&watch->places, &place->node);
    rf_free(watch->store->env->mem, place);
}

void watch_watcher_prune(struct store_watch *watch, struct watch_watcher *watcher)
{
    if (watcher == NULL || watcher->count > 0 || watcher->call != 0)
        return;
    rf_timer_stop(watch->store->env->timers, &watcher->pause);
    rf_list_remove(&watcher->due);
    rf_map_remove(&watch->watchers, &watcher->node);
    rf_free(watch->store->env->mem, watcher);
}

static struct watch_lease *lease_find(struct watch_watcher *watcher, const struct watch_place *place)
{
    RF_LIST_EACH(&watcher->leases, it)
    {
        struct watch_lease *lease = RF_LIST_ENTRY(it, struct watch_lease, of_watcher);
        if (lease->place == place)
            return lease;
    }
    return NULL;
}

static struct watch_lease *lease_at(const struct store_watch *watch, const struct rf_id *resource,
                                    uint32_t kind, const struct rf_id *id)
{
    struct watch_place *place = watch_place_find(watch, resource, kind);
    struct watch_watcher *watcher = watcher_find(watch, id);
    return place != NULL && watcher != NULL ? lease_find(watcher, place) : NULL;
}

static int lease_new(struct store_watch *watch, const struct rf_id *resource, uint32_t kind,
                     const struct rf_id *id, struct watch_lease **out)
{
    struct watch_place *place = watch_place_find(watch, resource, kind);
    struct watch_watcher *watcher = watcher_find(watch, id);
    if (watch->lease_count >= WATCH_MAX_LEASES || (place != NULL && place->count >= WATCH_MAX_PER_PLACE) ||
        (watcher != NULL && watcher->count >= WATCH_MAX_PER_WATCHER))
        return RF_ELIMIT;
    struct watch_lease *lease = rf_zalloc(watch->store->env->mem, sizeof(*lease));
    place = place != NULL ? place : lease != NULL ? place_new(watch, resource, kind) : NULL;
    watcher = watcher != NULL ? watcher : place != NULL ? watcher_new(watch, id) : NULL;
    if (lease == NULL || place == NULL || watcher == NULL) {
        place_prune(watch, place);
        rf_free(watch->store->env->mem, lease);
        return RF_ENOMEM;
    }
    lease->place = place;
    lease->watcher = watcher;
    rf_list_init(&lease->of_taken);
    rf_list_push_back(&place->leases, &lease->of_place);
    rf_list_push_back(&watcher->leases, &lease->of_watcher);
    place->count++;
    watcher->count++;
    watch->lease_count++;
    if (!rf_timer_is_set(&watch->sweep))
        (void)rf_env_timer_in(watch->store->env, &watch->sweep, SWEEP_US);
    *out = lease;
    return 0;
}

/* ---- leases that were taken, not asked for ---- */

/* It is asked for now, or goes. */
static void untake(struct store_watch *watch, struct watch_lease *lease)
{
    if (lease->giver == NULL)
        return;
    rf_list_remove(&lease->of_taken);
    lease->giver->count--;
    watch->taken_count--;
    lease->giver = NULL;
}

/* Frees a taken lease where what is asked for does not fit; false: none is in the way. */
static bool push_out(struct store_watch *watch, const struct rf_id *resource, uint32_t kind,
                     const struct rf_id *id)
{
    struct watch_place *place = watch_place_find(watch, resource, kind);
    struct watch_watcher *watcher = watcher_find(watch, id);
    bool place_full = place != NULL && place->count >= WATCH_MAX_PER_PLACE;
    bool watcher_full = watcher != NULL && watcher->count >= WATCH_MAX_PER_WATCHER;
    if (!place_full && !watcher_full && watch->lease_count < WATCH_MAX_LEASES)
        return false; /* not for want of room */
    RF_LIST_EACH(&watch->taken, it)
    {
        struct watch_lease *lease = RF_LIST_ENTRY(it, struct watch_lease, of_taken);
        if ((place_full && lease->place != place) ||
            (!place_full && watcher_full && lease->watcher != watcher))
            continue;
        watch->store->counters->leases_pushed_out++;
        watch_lease_free(watch, lease);
        return true;
    }
    return false;
}

int watch_lease_get(struct store_watch *watch, const struct rf_id *resource, uint32_t kind,
                    const struct rf_id *id, struct watch_lease **out)
{
    int error = 0;
    *out = lease_at(watch, resource, kind, id);
    if (*out == NULL)
        do
            error = lease_new(watch, resource, kind, id, out);
        while (error == RF_ELIMIT && push_out(watch, resource, kind, id));
    if (error == 0)
        untake(watch, *out);
    return error;
}

static struct watch_giver *giver_get(struct store_watch *watch, const struct rf_id *node)
{
    struct watch_giver *unused = NULL;
    for (size_t i = 0; i < WATCH_GIVERS; i++) {
        struct watch_giver *giver = &watch->givers[i];
        if (giver->count > 0 && rf_id_equal(&giver->node, node))
            return giver;
        if (giver->count == 0)
            unused = giver;
    }
    if (unused != NULL)
        unused->node = *node;
    return unused;
}

int watch_lease_take(struct store_watch *watch, const struct rf_id *resource, uint32_t kind,
                     const struct rf_id *id, const struct rf_id *node, struct watch_lease **out)
{
    *out = lease_at(watch, resource, kind, id);
    if (*out != NULL)
        return 0;
    struct watch_giver *giver = giver_get(watch, node);
    if (giver == NULL || giver->count >= WATCH_MAX_PER_GIVER || watch->taken_count >= WATCH_MAX_TAKEN)
        return RF_ELIMIT;
    int error = lease_new(watch, resource, kind, id, out);
    if (error != 0)
        return error;
    (*out)->giver = giver;
    giver->count++;
    watch->taken_count++;
    rf_list_push_back(&watch->taken, &(*out)->of_taken);
    return 0;
}

void watch_lease_free(struct store_watch *watch, struct watch_lease *lease)
{
    struct watch_place *place = lease->place;
    struct watch_watcher *watcher = lease->watcher;
    untake(watch, lease);
    rf_list_remove(&lease->of_place);
    rf_list_remove(&lease->of_watcher);
    place->count--;
    watcher->count--;
    watch->lease_count--;
    rf_free(watch->store->env->mem, lease);
    place_prune(watch, place);
    watch_watcher_prune(watch, watcher);
}

void watch_watcher_clear(struct store_watch *watch, struct watch_watcher *watcher)
{
    for (size_t left = watcher->count; left > 0; left--)
        watch_lease_free(watch, RF_LIST_ENTRY(watcher->leases.next, struct watch_lease, of_watcher));
}

void watch_look(struct rf_store *store, const struct rf_id *resource, uint32_t kind, uint64_t *generation,
                uint32_t *first, uint32_t *next)
{
    const struct store_set *set = store_index_set(&store->index, rf_id_view(resource), kind);
    *generation = set != NULL ? set->generation : 0;
    *first = *next = 0;
    if (set == NULL)
        return;
    *next = (uint32_t)set->existing_count;
    const struct store_value *lowest = store_value_next(set, NULL);
    if (set->model != RF_MODEL_ARRAY || lowest == NULL)
        return;
    struct rf_view slot = store_value_slot(lowest);
    (void)rf_view_u32(&slot, first);
    *next = store_set_end(set);
}

/* ---- what has ended ---- */

static void sweep_fired(struct rf_timer *timer, void *arg)
{
    struct store_watch *watch = arg;
    uint64_t now = watch->store->env->now->mono_us;
    struct rf_map_node *node = rf_map_next(&watch->watchers, NULL), *next;
    (void)timer;
    for (; node != NULL; node = next) {
        struct watch_watcher *watcher = RF_CONTAINER(node, struct watch_watcher, node);
        next = rf_map_next(&watch->watchers, node);
        size_t left = watcher->count;
        for (struct rf_list *it = watcher->leases.next, *after; left > 0; left--, it = after) {
            struct watch_lease *lease = RF_LIST_ENTRY(it, struct watch_lease, of_watcher);
            after = it->next;
            if (lease->until_us > now)
                continue;
            watch->store->counters->watches_ended++;
            watch_lease_free(watch, lease); /* the last one takes the watcher with it, then left is 1 */
        }
    }
    if (watch->lease_count > 0)
        (void)rf_env_timer_in(watch->store->env, &watch->sweep, SWEEP_US);
}

/* ---- the request ---- */

struct asking {
    struct store_watch *watch;
    const struct rf_request *request;
    struct rf_watch_ask ask;
};

/* Who may watch: 0, or why not. */
static enum rf_watch_outcome may_watch(const struct asking *a, const struct rf_id *resource,
                                       enum rf_watch_rule rule, uint8_t member[RF_ROSTER_TAG_LEN])
{
    struct rf_store *store = a->watch->store;
    struct rf_crypto *crypto = store->config.crypto;
    const struct rf_signer *signer = &a->request->signer;
    struct rf_roster roster;
    struct rf_id id;
    memset(member, 0, RF_ROSTER_TAG_LEN);
    if (rule == RF_WATCH_BY_ANYBODY)
        return RF_WATCH_HELD;
    if (rule == RF_WATCH_BY_OWNER) {
        if (rf_overlay_hash(crypto, &signer->cert->user, 1, resource->len, &id) != 0)
            return RF_WATCH_LATER;
        return rf_id_equal(&id, resource) ? RF_WATCH_HELD : RF_WATCH_FORBIDDEN;
    }
    struct rf_view bytes = store_roster(store, rf_id_view(resource));
    if (bytes.len == 0)
        return store_unsettled(store) ? RF_WATCH_LATER : RF_WATCH_FORBIDDEN;
    if (rf_roster_decode(bytes, &roster) != 0 || rf_roster_tag_of(crypto, &roster, signer, member) != 0)
        return RF_WATCH_LATER;
    return rf_roster_has(roster.admins, member) || rf_roster_has(roster.members, member) ? RF_WATCH_HELD
                                                                                         : RF_WATCH_FORBIDDEN;
}

static void end_lease(const struct asking *a, const struct rf_id *resource, uint32_t kind)
{
    struct watch_lease *lease = lease_at(a->watch, resource, kind, &a->request->signer.node_id);
    if (lease == NULL)
        return;
    a->watch->store->counters->watches_ended++;
    watch_lease_free(a->watch, lease);
}

static enum rf_watch_outcome hold(const struct asking *a, const struct rf_id *resource, uint32_t kind,
                                  const uint8_t member[RF_ROSTER_TAG_LEN], struct rf_watch_state *state)
{
    struct rf_store *store = a->watch->store;
    struct watch_lease *lease = NULL;
    int error = watch_lease_get(a->watch, resource, kind, &a->request->signer.node_id, &lease);
    if (error != 0)
        return error == RF_ELIMIT ? RF_WATCH_FULL : RF_WATCH_LATER;
    state->lease_s = a->ask.lease_s < WATCH_MAX_LEASE_S ? a->ask.lease_s : WATCH_MAX_LEASE_S;
    watch_look(store, resource, kind, &state->generation, &state->first, &state->next);
    lease->until_us = store->env->now->mono_us + (uint64_t)state->lease_s * RF_US_PER_S;
    lease->generation = state->generation;
    lease->next = state->next;
    lease->news = lease->over = lease->sent = false;
    lease->mine = true;
    lease->watcher->way = a->ask.way;
    watch_watcher_back(lease->watcher);
    memcpy(lease->member, member, RF_ROSTER_TAG_LEN);
    memset(lease->given, 0, sizeof(lease->given));
    return RF_WATCH_HELD;
}

static enum rf_watch_outcome watch_item(const struct asking *a, const struct rf_watch_item *item,
                                        struct rf_watch_state *state)
{
    struct rf_store *store = a->watch->store;
    const struct rf_usage_kind *usage = store_usage(store, item->kind);
    uint8_t member[RF_ROSTER_TAG_LEN];
    struct rf_id resource;
    if (rf_id_from(item->resource, &resource) != 0 || resource.len != store->config.self.len ||
        !store_responsible(store, &resource))
        return RF_WATCH_ELSEWHERE;
    if (usage == NULL || usage->watch == RF_WATCH_BY_NOBODY || rf_conf_kind(store->conf, item->kind) == NULL)
        return RF_WATCH_UNKNOWN_KIND;
    if (a->ask.lease_s == 0) {
        end_lease(a, &resource, item->kind);
        return RF_WATCH_ENDED;
    }
    enum rf_watch_outcome outcome = may_watch(a, &resource, usage->watch, member);
    if (outcome == RF_WATCH_HELD)
        outcome = hold(a, &resource, item->kind, member, state);
    store->counters->watches += outcome == RF_WATCH_HELD;
    store->counters->watches_refused += outcome == RF_WATCH_FORBIDDEN || outcome == RF_WATCH_FULL;
    return outcome;
}

/* The Resource-ID behind which our range begins; all of the ring: our own Node-ID. */
static struct rf_view range_start(const struct rf_store *store, struct rf_id *out)
{
    struct rf_topology_status_entry entries[256];
    struct rf_topology *t;
    const struct rf_topology_ops *topology = rf_overlay_topology(store->overlay, &t);
    size_t count = topology->status(t, entries, RF_COUNT(entries));
    *out = (struct rf_id){.len = 0};
    if (topology->ring_is_single(t))
        *out = store->config.self;
    for (size_t i = 0; i < count; i++)
        if (entries[i].relation == 'p' && entries[i].rank == 1)
            *out = entries[i].node;
    return rf_id_view(out);
}

static void answer_ask(struct asking *a, struct rf_request *request)
{
    struct rf_store *store = a->watch->store;
    struct rf_id from;
    struct rf_watch_said said = {.from = range_start(store, &from), .state_count = a->ask.item_count};
    said.states = rf_region_array(request->region, said.state_count, sizeof(*said.states));
    if (said.states == NULL) {
        store_refuse(store, request, RF_ERROR_REQUEST_TIMEOUT, "out of memory at the moment");
        return;
    }
    for (size_t i = 0; i < a->ask.item_count; i++)
        said.states[i].outcome = (uint8_t)watch_item(a, &a->ask.items[i], &said.states[i]);
    store_forget_flush(store); /* a roster of the disk may have been bad */
    if (a->watch->lease_count > 0)
        watch_give_soon(a->watch);
    struct rf_buf body;
    rf_buf_init(&body, store->env->mem, UINT16_MAX);
    rf_watch_said_encode(&said, &body);
    if (rf_buf_error(&body) != 0)
        store_refuse(store, request, RF_ERROR_REQUEST_TIMEOUT, "out of memory at the moment");
    else
        (void)rf_overlay_answer(store->overlay, request, rf_buf_view(&body), NULL, 0);
    rf_buf_deinit(&body);
}

static void on_ask(struct store_watch *watch, struct rf_request *request)
{
    struct asking a = {.watch = watch, .request = request};
    int error =
        rf_watch_ask_decode(request->message->body, watch->store->config.self.len, request->region, &a.ask);
    if (error == RF_ENOMEM)
        store_refuse(watch->store, request, RF_ERROR_REQUEST_TIMEOUT, "out of memory at the moment");
    else if (error != 0)
        store_refuse(watch->store, request, RF_ERROR_INVALID_MESSAGE, rf_error_text(error));
    else
        answer_ask(&a, request);
}

bool rf_store_watch_request(struct rf_store *store, struct rf_request *request)
{
    enum rf_watch_tag tag = rf_watch_tag_of(request->message->body);
    if (tag == RF_WATCH_NONE)
        return false;
    if (tag == RF_WATCH_EVENT) {
        watch_on_event(store, request);
        return true;
    }
    if (!store->config.peer) {
        store_refuse(store, request, RF_ERROR_NOT_FOUND, "a client stores nothing for others");
        return true;
    }
    struct store_watch *watch = watch_of(store);
    if (watch == NULL)
        store_refuse(store, request, RF_ERROR_REQUEST_TIMEOUT, "out of memory at the moment");
    else if (tag == RF_WATCH_ASK)
        on_ask(watch, request);
    else
        watch_on_hold(watch, request);
    return true;
}

/* ---- life ---- */

struct store_watch *watch_of(struct rf_store *store)
{
    if (store->watch != NULL)
        return store->watch;
    struct store_watch *watch = rf_zalloc(store->env->mem, sizeof(*watch));
    if (watch == NULL)
        return NULL;
    watch->store = store;
    rf_map_init(&watch->places, store->env->mem, store->env->seed, place_key);
    rf_map_init(&watch->watchers, store->env->mem, store->env->seed, watcher_key);
    rf_list_init(&watch->due);
    rf_list_init(&watch->taken);
    rf_timer_init(&watch->tell, watch_tell_fired, watch);
    rf_timer_init(&watch->sweep, sweep_fired, watch);
    rf_timer_init(&watch->ring, watch_ring_fired, watch);
    rf_timer_init(&watch->give, watch_give_fired, watch);
    for (size_t i = 0; i < WATCH_HOLDERS; i++)
        watch->holders[i].watch = watch;
    store->watch = watch;
    return watch;
}

void rf_watch_stats(const struct rf_store *store, struct rf_watch_stats *out)
{
    *out = (struct rf_watch_stats){.places = 0};
    watch_client_stats(store, out);
    if (store->watch == NULL)
        return;
    out->leases = store->watch->lease_count;
    out->watchers = store->watch->watchers.count;
    out->watched = store->watch->places.count;
}

static void watch_end_calls(struct store_watch *watch)
{
    struct rf_overlay *overlay = watch->store->overlay;
    for (size_t i = 0; i < WATCH_HOLDERS; i++)
        if (watch->holders[i].call != 0)
            rf_overlay_cancel(overlay, watch->holders[i].call);
    for (struct rf_map_node *node = rf_map_next(&watch->watchers, NULL); node != NULL;
         node = rf_map_next(&watch->watchers, node)) {
        struct watch_watcher *watcher = RF_CONTAINER(node, struct watch_watcher, node);
        if (watcher->call != 0)
            rf_overlay_cancel(overlay, watcher->call);
    }
}

void store_watch_free(struct rf_store *store)
{
    struct store_watch *watch = store->watch;
    struct rf_mem *mem = store->env->mem;
    struct rf_map_node *node;
    watch_client_free(store);
    if (watch == NULL)
        return;
    watch_end_calls(watch); /* store->freeing: nothing follows from their ends */
    while ((node = rf_map_drain(&watch->watchers)) != NULL) {
        struct watch_watcher *watcher = RF_CONTAINER(node, struct watch_watcher, node);
        RF_LIST_EACH_SAFE(&watcher->leases, it)
        {
            rf_free(mem, RF_LIST_ENTRY(it, struct watch_lease, of_watcher));
        }
        rf_timer_stop(store->env->timers, &watcher->pause);
        rf_free(mem, watcher);
    }
    while ((node = rf_map_drain(&watch->places)) != NULL)
        rf_free(mem, RF_CONTAINER(node, struct watch_place, node));
    rf_map_deinit(&watch->watchers);
    rf_map_deinit(&watch->places);
    rf_timer_stop(store->env->timers, &watch->tell);
    rf_timer_stop(store->env->timers, &watch->sweep);
    rf_timer_stop(store->env->timers, &watch->ring);
    rf_timer_stop(store->env->timers, &watch->give);
    rf_free(mem, watch);
    store->watch = NULL;
}
