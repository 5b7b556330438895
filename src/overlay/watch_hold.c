/*
 * watch_hold.c - leases follow the ring. Both replicas are given each lease that is ours within half a second after it was made or renewed, many in one message; one that
 * takes a replica's place gets all. A lease whose place is another's now goes to that peer, then it is a copy here, and goes where we need not hold one.
 *
 * Batches: one under way to each holder; `given` of a lease is the number of the batch that brought it, taken back when that one fails. Who may be home next knows what the
 * watcher knew when it was given the lease, and tells what is different: rather once too often.
 */
#include "base/error.h"
#include "overlay/watch_internal.h"

#define GIVE_SOON_US  (500 * RF_US_PER_MS)
#define GIVE_AGAIN_US (5 * RF_US_PER_S)
#define GIVE_MAX      400 /* leases in one batch */
#define RING_US       (1 * RF_US_PER_S)
#define HOLDER_HOME   2 /* holders[]: 0 and 1 are the replicas */

void watch_give_soon(struct store_watch *watch)
{
    if (!rf_timer_is_set(&watch->give))
        (void)rf_env_timer_in(watch->store->env, &watch->give, GIVE_SOON_US);
}

/* fn for every lease, which may free it; false from fn ends it. */
static void each_lease(struct store_watch *watch, bool (*fn)(void *arg, struct watch_lease *lease), void *arg)
{
    struct rf_map_node *node = rf_map_next(&watch->watchers, NULL), *next;
    for (; node != NULL; node = next) {
        struct watch_watcher *watcher = RF_CONTAINER(node, struct watch_watcher, node);
        next = rf_map_next(&watch->watchers, node);
        size_t left = watcher->count;
        for (struct rf_list *it = watcher->leases.next, *after; left > 0; left--, it = after) {
            after = it->next;
            if (!fn(arg, RF_LIST_ENTRY(it, struct watch_lease, of_watcher)))
                return;
        }
    }
}

/* ---- giving ---- */

struct batch {
    struct store_watch *watch;
    size_t at; /* holder */
    struct rf_id node;
    uint32_t number;
    struct rf_watch_lease *leases;
    size_t count, bytes, room;
    bool arrived; /* in the end */
};

/* Does the holder need it? */
static bool needs(struct batch *b, const struct watch_lease *lease)
{
    struct rf_store *store = b->watch->store;
    if (!lease->mine || lease->over || lease->given[b->at] != 0 ||
        lease->until_us <= store->env->now->mono_us + RF_US_PER_S)
        return false;
    bool ours = store_responsible(store, &lease->place->resource);
    if (b->at != HOLDER_HOME)
        return ours;
    struct rf_topology *t;
    struct rf_id owner;
    const struct rf_topology_ops *topology = rf_overlay_topology(store->overlay, &t);
    if (ours || !topology->owner(t, &lease->place->resource, &owner))
        return false;
    if (b->count == 0)
        b->node = owner;
    return rf_id_equal(&b->node, &owner); /* another's have their turn when this batch has arrived */
}

static bool add(void *arg, struct watch_lease *lease)
{
    struct batch *b = arg;
    if (!needs(b, lease))
        return true;
    size_t len =
        2 * (lease->place->resource.len + 1u) + 30 + lease->watcher->way.count * lease->watcher->id.len;
    if (b->count == GIVE_MAX || b->bytes + len > b->room)
        return false; /* the rest goes with the next batch */
    uint64_t left_us = lease->until_us - b->watch->store->env->now->mono_us;
    struct rf_watch_lease *out = &b->leases[b->count++];
    *out = (struct rf_watch_lease){
        .resource = rf_id_view(&lease->place->resource),
        .kind = lease->place->kind,
        .watcher = lease->watcher->id,
        .way = lease->watcher->way,
        .lease_s = (uint32_t)(left_us / RF_US_PER_S),
        .generation = lease->generation,
        .next = lease->next,
    };
    memcpy(out->member, lease->member, sizeof(out->member));
    b->bytes += len;
    lease->given[b->at] = b->number;
    return true;
}

/* A batch ended. What did not arrive is to be given again; what the new home has is a copy here now. */
static bool settle(void *arg, struct watch_lease *lease)
{
    const struct batch *b = arg;
    if (lease->given[b->at] != b->number)
        return true;
    if (!b->arrived)
        lease->given[b->at] = 0;
    else if (b->at == HOLDER_HOME && !store_responsible(b->watch->store, &lease->place->resource))
        lease->mine = false;
    return true;
}

static void on_given(void *arg, const struct rf_reply *reply)
{
    struct watch_holder *holder = arg;
    struct store_watch *watch = holder->watch;
    holder->call = 0;
    if (watch->store->freeing)
        return;
    struct batch b = {.watch = watch,
                      .at = (size_t)(holder - watch->holders),
                      .number = holder->batch,
                      .arrived = reply->error == 0};
    each_lease(watch, settle, &b);
    if (!rf_timer_is_set(&watch->give))
        (void)rf_env_timer_in(watch->store->env, &watch->give, reply->error == 0 ? 0 : GIVE_AGAIN_US);
    if (b.at == HOLDER_HOME && reply->error == 0 && !rf_timer_is_set(&watch->ring))
        (void)rf_env_timer_in(watch->store->env, &watch->ring, RING_US); /* what need not be held goes */
}

static int send_batch(struct batch *b)
{
    struct rf_store *store = b->watch->store;
    struct watch_holder *holder = &b->watch->holders[b->at];
    struct rf_watch_hold hold = {.leases = b->leases, .lease_count = b->count};
    struct rf_call call = {
        .code = RF_CODE_EXP_A_REQ, .dest_count = 1, .max_transmissions = 2, .done = on_given, .arg = holder};
    struct rf_buf body;
    rf_buf_init(&body, store->env->mem, store->conf->max_message_size);
    rf_watch_hold_encode(&hold, &body);
    call.dests[0] = rf_dest_node(&b->node);
    call.body = rf_buf_view(&body);
    int error = rf_buf_error(&body);
    error = error != 0 ? error : rf_overlay_call(store->overlay, &call, &holder->call);
    rf_buf_deinit(&body);
    return error;
}

static void give(struct store_watch *watch, size_t at)
{
    struct rf_store *store = watch->store;
    struct watch_holder *holder = &watch->holders[at];
    if (holder->call != 0 || (at != HOLDER_HOME && holder->node.len == 0))
        return;
    struct batch b = {.watch = watch, .at = at, .node = holder->node, .room = store_room(store)};
    b.number = holder->batch = ++watch->next_batch != 0 ? watch->next_batch : ++watch->next_batch;
    b.leases = rf_alloc(store->env->mem, GIVE_MAX * sizeof(*b.leases));
    if (b.leases != NULL)
        each_lease(watch, add, &b);
    if (b.leases == NULL || (b.count > 0 && send_batch(&b) != 0)) {
        each_lease(watch, settle, &b);
        if (!rf_timer_is_set(&watch->give))
            (void)rf_env_timer_in(store->env, &watch->give, GIVE_AGAIN_US);
    } else {
        store->counters->leases_given += b.count;
    }
    rf_free(store->env->mem, b.leases);
}

static bool take_back(void *arg, struct watch_lease *lease)
{
    lease->given[*(const size_t *)arg] = 0;
    return true;
}

/* Is it a replica of ours, one that has no place yet? Then it has one now. */
static bool take_place(struct rf_id ids[STORE_REPLICAS], bool placed[STORE_REPLICAS],
                       const struct rf_id *node)
{
    for (size_t i = 0; i < STORE_REPLICAS; i++)
        if (!placed[i] && node->len > 0 && rf_id_equal(&ids[i], node))
            return placed[i] = true;
    return false;
}

/* Each replica keeps its place in holders[] as long as it is one. */
static void find_holders(struct store_watch *watch)
{
    struct rf_topology *t;
    struct rf_id ids[STORE_REPLICAS] = {{.len = 0}};
    bool placed[STORE_REPLICAS] = {false};
    const struct rf_topology_ops *topology = rf_overlay_topology(watch->store->overlay, &t);
    (void)topology->replicas(t, ids, STORE_REPLICAS);
    for (size_t at = 0; at < STORE_REPLICAS; at++)
        if (!take_place(ids, placed, &watch->holders[at].node))
            watch->holders[at].node.len = 0;
    for (size_t at = 0; at < STORE_REPLICAS; at++) {
        struct watch_holder *holder = &watch->holders[at];
        for (size_t i = 0; i < STORE_REPLICAS && holder->node.len == 0 && holder->call == 0; i++) {
            if (placed[i] || ids[i].len == 0)
                continue;
            placed[i] = true;
            holder->node = ids[i];
            each_lease(watch, take_back, &at);
        }
    }
}

void watch_give_fired(struct rf_timer *timer, void *arg)
{
    struct store_watch *watch = arg;
    (void)timer;
    find_holders(watch);
    for (size_t at = 0; at < WATCH_HOLDERS && watch->lease_count > 0; at++)
        give(watch, at);
}

/* ---- taking ---- */

/* Has the watcher one of ours? Then he told us himself, or the home before us did, over which nodes he is reached. */
static bool has_ours(struct watch_watcher *watcher)
{
    RF_LIST_EACH(&watcher->leases, it)
    {
        if (RF_LIST_ENTRY(it, struct watch_lease, of_watcher)->mine)
            return true;
    }
    return false;
}

static bool take(struct store_watch *watch, struct rf_request *request, const struct rf_watch_lease *given)
{
    struct rf_store *store = watch->store;
    struct store_job job = {.store = store,
                            .writer = &request->signer,
                            .replica_number = 1,
                            .direct = request->link != 0 &&
                                      rf_id_equal(&request->link_node, &request->signer.node_id)};
    const struct rf_usage_kind *usage = store_usage(store, given->kind);
    struct watch_lease *lease = NULL;
    if (rf_id_from(given->resource, &job.resource) != 0 || job.resource.len != store->config.self.len ||
        usage == NULL || usage->watch == RF_WATCH_BY_NOBODY || !store_may_pass_on(&job))
        return false;
    if (given->lease_s == 0 || watch_lease_take(watch, &job.resource, given->kind, &given->watcher,
                                                &request->signer.node_id, &lease) != 0)
        return false;
    uint32_t lease_s = given->lease_s < WATCH_MAX_LEASE_S ? given->lease_s : WATCH_MAX_LEASE_S;
    uint64_t until_us = store->env->now->mono_us + (uint64_t)lease_s * RF_US_PER_S;
    if (lease->mine && store_responsible(store, &job.resource)) /* asked for here since */
        return true;
    lease->until_us = until_us;
    lease->generation = given->generation;
    lease->next = given->next;
    if (!has_ours(lease->watcher))
        lease->watcher->way = given->way;
    memcpy(lease->member, given->member, sizeof(lease->member));
    memset(lease->given, 0, sizeof(lease->given));
    lease->mine = store_responsible(store, &job.resource);
    if (lease->mine)
        watch_news(watch, lease); /* if it is different here */
    return true;
}

void watch_on_hold(struct store_watch *watch, struct rf_request *request)
{
    struct rf_store *store = watch->store;
    struct rf_watch_hold hold;
    size_t taken = 0;
    int error = rf_watch_hold_decode(request->message->body, store->config.self.len, request->region, &hold);
    if (error != 0) {
        store_refuse(store, request, error == RF_ENOMEM ? RF_ERROR_REQUEST_TIMEOUT : RF_ERROR_INVALID_MESSAGE,
                     rf_error_text(error));
        return;
    }
    for (size_t i = 0; i < hold.lease_count; i++)
        taken += take(watch, request, &hold.leases[i]);
    store->counters->leases_taken += taken;
    store->counters->leases_refused += hold.lease_count - taken;
    if (taken > 0)
        watch_give_soon(watch); /* should they be ours */
    if (taken == 0 && hold.lease_count > 0)
        store_refuse(store, request, RF_ERROR_FORBIDDEN, "not from a home that these places may have");
    else
        (void)rf_overlay_answer(store->overlay, request, rf_view_of(NULL, 0), NULL, 0);
}

/* ---- the ring changed ---- */

static bool look(void *arg, struct watch_lease *lease)
{
    struct store_watch *watch = arg;
    struct rf_topology *t;
    const struct rf_topology_ops *topology = rf_overlay_topology(watch->store->overlay, &t);
    const struct rf_id *resource = &lease->place->resource;
    if (topology->responsible(t, resource)) {
        lease->given[HOLDER_HOME] = 0;
        if (lease->mine)
            return true;
        lease->mine = true;
        memset(lease->given, 0, sizeof(lease->given));
        watch_news(watch, lease);
    } else if (!lease->mine && !topology->should_hold(t, resource)) {
        watch_lease_free(watch, lease);
    }
    return true;
}

void watch_ring_fired(struct rf_timer *timer, void *arg)
{
    struct store_watch *watch = arg;
    (void)timer;
    each_lease(watch, look, watch);
    watch_give_soon(watch);
}

void store_watch_ring(struct rf_store *store)
{
    if (store->watch != NULL && store->watch->lease_count > 0 && !rf_timer_is_set(&store->watch->ring))
        (void)rf_env_timer_in(store->env, &store->watch->ring, RING_US);
}
