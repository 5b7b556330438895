/*
 * store_sync.c - who needs what when the ring changes (reload.md 5.4, 5.5, 5.7).
 *
 * Each resource is in one of these situations, looked at again whenever the ring changes (a sweep through the index, some hundred
 * resources at a time) or it was touched:
 *
 *   OWN        we are responsible. Both replicas must have confirmed everything; one that has not gets it all
 *   HAND OVER  we were responsible, now another peer is: it gets everything, then COPY
 *   OFFER      we are a replica, and the home is another one than before (or we have just started): it is asked what it has, and gets
 *              what it lacks, then COPY. So what only one replica had confirmed outlives its home. Offers wait 10 to 20 s: after a join
 *              the former home hands over itself
 *   COPY       we are a replica: nothing to do
 *   FOREIGN    three predecessors lie between: it goes (what was loaded from disk is offered first)
 *
 * Work is paced: at most STORE_SYNC_PARALLEL passes at once, each one message at a time, a pause between starts; handing over comes before all else.
 * Fewer at once, and a pause as long as the last answer took, when answers take longer than a second: then we or they have more to do than they can, and
 * clients come first. What failed waits for a pause that doubles (2 s .. 60 s). A replica that took the place of a lost one is held back for 30 s: the lost one may return; Stores
 * under way go to it all the same.
 * What comes to a peer that need not hold it (a replica did not answer) stays as a third copy for two minutes, then it is FOREIGN.
 * Timers: timer (next piece of work), retry (the failed again), offer (offers), hold (replicas held back are due), stray (the third copies).
 * Events: ring changed, neighbor lost, resource touched, pass ended.
 */
#include "base/error.h"
#include "overlay/store_internal.h"

#define SYNC_PACE_US      (2 * RF_US_PER_MS)
#define SYNC_QUICK_US     (500 * RF_US_PER_MS) /* an answer: one pass more at once */
#define SYNC_SLOW_US      (1 * RF_US_PER_S)    /* half as many */
#define SYNC_REST_US      (5 * RF_US_PER_S)    /* the longest pause */
#define SYNC_SWEEP        400                  /* resources per step */
#define SYNC_RETRY_MIN_US (2 * RF_US_PER_S)
#define SYNC_RETRY_MAX_US (60 * RF_US_PER_S)
#define SYNC_HOLD_US      (30 * RF_US_PER_S) /* successor replacement hold-down */
#define SYNC_OFFER_MIN_US (10 * RF_US_PER_S)
#define SYNC_OFFER_MAX_US (20 * RF_US_PER_S)
#define SYNC_STRAY_US     (120 * RF_US_PER_S)
#define SYNC_MAX_FAILURES 10 /* then somebody else's resource is kept no longer */

struct sync_pass {
    struct rf_store *store;
    struct rf_id resource;
    struct rf_id node; /* replicas: that gets it */
    bool replica;
};

static void sync_arm(struct rf_store *store, uint64_t delay_us)
{
    struct rf_timer *timer = &store->sync->timer;
    uint64_t at = store->env->now->mono_us + delay_us;
    if (!rf_timer_is_set(timer) || timer->at_us > at)
        rf_timer_set(store->env->timers, timer, at); /* without memory the next event tries again */
}

/* A node that leaves finishes what it has begun. */
static bool in_ring(const struct rf_store *store)
{
    enum rf_topology_state state = store_ring_state(store);
    return state == RF_TOPOLOGY_JOINED || state == RF_TOPOLOGY_LEAVING;
}

/* ---- our replicas ---- */

static struct store_target *target_find(struct rf_store *store, const struct rf_id *node)
{
    for (size_t i = 0; store->sync != NULL && i < store->sync->target_count; i++)
        if (rf_id_equal(&store->sync->targets[i].node, node))
            return &store->sync->targets[i];
    return NULL;
}

static void target_remove(struct store_sync *sync, size_t at)
{
    for (size_t i = at + 1; i < sync->target_count; i++)
        sync->targets[i - 1] = sync->targets[i];
    sync->target_count--;
}

/* Finds or makes the peer's entry; when the table is full the oldest that is no replica goes. NULL: we are a client. */
static struct store_target *target_get(struct rf_store *store, const struct rf_id *node)
{
    struct store_sync *sync = store->sync;
    struct store_target *known = target_find(store, node);
    if (known != NULL || sync == NULL || sync->targets == NULL)
        return known;
    for (size_t i = 0; i < sync->target_count && sync->target_count == STORE_SYNC_TARGETS; i++)
        if (!sync->targets[i].replica)
            target_remove(sync, i);
    RF_ASSERT(sync->target_count < STORE_SYNC_TARGETS);
    struct store_target *fresh = &sync->targets[sync->target_count++];
    *fresh = (struct store_target){.node = *node, .number = ++sync->next_number};
    return fresh;
}

/* A peer that stops being our replica loses its number: when it comes back it is a new one. */
static void targets_refresh(struct rf_store *store)
{
    struct store_sync *sync = store->sync;
    struct rf_topology *t;
    const struct rf_topology_ops *topology = rf_overlay_topology(store->overlay, &t);
    if (sync == NULL || sync->targets == NULL)
        return; /* a client */
    if (topology->state(t) == RF_TOPOLOGY_LEAVING)
        return; /* we have no replicas any more, but remember who has what */
    struct rf_id ids[STORE_REPLICAS];
    size_t count = topology->replicas(t, ids, STORE_REPLICAS);
    uint64_t now = store->env->now->mono_us;
    for (size_t i = sync->target_count; i > 0; i--) {
        bool still = false;
        for (size_t j = 0; j < count; j++)
            still = still || rf_id_equal(&ids[j], &sync->targets[i - 1].node);
        if (sync->targets[i - 1].replica && !still)
            target_remove(sync, i - 1);
    }
    uint64_t hold = 0;
    for (size_t i = 0; i < count; i++) {
        struct store_target *target = target_get(store, &ids[i]);
        target->replica = true;
        if (target->held_until_us > now && (hold == 0 || target->held_until_us < hold))
            hold = target->held_until_us;
    }
    if (hold != 0)
        rf_timer_set(store->env->timers, &sync->hold, hold);
}

static bool has_number(const struct store_resource *resource, uint32_t number)
{
    return resource->confirmed[0] == number || resource->confirmed[1] == number;
}

bool store_sync_has(struct rf_store *store, const struct store_resource *resource, const struct rf_id *node)
{
    const struct store_target *target = target_find(store, node);
    return target != NULL && has_number(resource, target->number);
}

bool store_sync_confirmed(struct rf_store *store, const struct store_resource *resource)
{
    for (size_t i = 0; store->sync != NULL && i < store->sync->target_count; i++)
        if (store->sync->targets[i].replica && has_number(resource, store->sync->targets[i].number))
            return true;
    return false;
}

static bool is_replica_number(const struct rf_store *store, uint32_t number)
{
    for (size_t i = 0; i < store->sync->target_count; i++)
        if (store->sync->targets[i].replica && store->sync->targets[i].number == number)
            return true;
    return false;
}

void store_sync_confirm(struct rf_store *store, struct store_resource *resource, const struct rf_id *node,
                        bool has)
{
    struct store_target *target = has ? target_get(store, node) : target_find(store, node);
    if (target == NULL || has == has_number(resource, target->number))
        return;
    if (!has) {
        resource->confirmed[resource->confirmed[0] == target->number ? 0 : 1] = 0;
        return;
    }
    size_t at = resource->confirmed[0] != 0 && is_replica_number(store, resource->confirmed[0]) ? 1 : 0;
    resource->confirmed[at] = target->number;
}

void store_sync_sent(struct rf_store *store, struct store_resource *resource, const struct store_copy *copies,
                     size_t count)
{
    for (size_t i = 0; store->sync != NULL && i < store->sync->target_count; i++) {
        const struct rf_id *node = &store->sync->targets[i].node;
        bool sent = false;
        for (size_t k = 0; k < count; k++)
            sent = sent || rf_id_equal(&copies[k].node, node);
        if (!sent)
            store_sync_confirm(store, resource, node, false);
    }
}

size_t store_successors(struct rf_store *store, struct rf_id *out, size_t max)
{
    struct rf_topology *t;
    const struct rf_topology_ops *topology = rf_overlay_topology(store->overlay, &t);
    size_t count = topology->replicas(t, out, max);
    if (count == max)
        return count;
    struct rf_topology_status_entry entries[256];
    size_t entry_count = topology->status(t, entries, RF_COUNT(entries));
    for (unsigned rank = 1; rank <= STORE_MAX_SUCCESSORS && count < max; rank++)
        for (size_t i = 0; i < entry_count && count < max; i++) {
            if (entries[i].relation != 's' || entries[i].rank != rank)
                continue;
            bool known = false;
            for (size_t j = 0; j < count; j++)
                known = known || rf_id_equal(&out[j], &entries[i].node);
            if (!known)
                out[count++] = entries[i].node;
        }
    return count;
}

/* ---- the queues ---- */

static void unqueue(struct store_sync *sync, struct store_resource *resource)
{
    sync->todo_count -= resource->queue == STORE_QUEUE_TODO;
    resource->queue = STORE_QUEUE_NONE;
    rf_list_remove(&resource->work);
}

static void enqueue(struct store_sync *sync, struct store_resource *resource, enum store_queue queue)
{
    unqueue(sync, resource);
    resource->queue = (uint8_t)queue;
    if (queue == STORE_QUEUE_TODO && resource->duty == STORE_DUTY_HAND_OVER)
        rf_list_push_front(&sync->todo, &resource->work); /* who looks for it looks there from now on */
    else
        rf_list_push_back(queue == STORE_QUEUE_TODO    ? &sync->todo
                          : queue == STORE_QUEUE_LATER ? &sync->later
                                                       : &sync->offers,
                          &resource->work);
    sync->todo_count += queue == STORE_QUEUE_TODO;
}

static void set_duty(struct rf_store *store, struct store_resource *resource, enum store_duty duty)
{
    store->sync->handover_count += duty == STORE_DUTY_HAND_OVER;
    store->sync->handover_count -= resource->duty == STORE_DUTY_HAND_OVER;
    resource->duty = (uint8_t)duty;
}

void store_sync_forget(struct rf_store *store, struct store_resource *resource)
{
    if (store->sync == NULL)
        return; /* it never was in a queue */
    unqueue(store->sync, resource);
    set_duty(store, resource, STORE_DUTY_NONE);
}

static void drop(struct rf_store *store, struct store_resource *resource)
{
    store->counters->dropped_foreign++;
    size_t left = 0;
    for (struct store_set *set = store_set_next(resource, NULL); set != NULL;
         set = store_set_next(resource, set))
        left += set->values.count;
    struct rf_id id = resource->id;
    while (left-- > 0) { /* the last one takes the resource with it */
        resource = store_index_resource(&store->index, rf_id_view(&id));
        store_forget(store, store_value_next(store_set_next(resource, NULL), NULL));
    }
}

static void offers_arm(struct rf_store *store)
{
    rf_env_timer_in(store->env, &store->sync->offer,
                    rf_rng_between(store->env->jitter, SYNC_OFFER_MIN_US, SYNC_OFFER_MAX_US));
}

static void retry_arm(struct rf_store *store)
{
    struct store_sync *sync = store->sync;
    if (rf_timer_is_set(&sync->retry))
        return;
    rf_env_timer_in(store->env, &sync->retry, sync->retry_pause_us);
    sync->retry_pause_us =
        2 * sync->retry_pause_us < SYNC_RETRY_MAX_US ? 2 * sync->retry_pause_us : SYNC_RETRY_MAX_US;
}

/* The replica that has to get an own resource next, after a failure the next but one; NULL: none. */
static struct store_target *lacking(struct rf_store *store, const struct store_resource *resource)
{
    uint64_t now = store->env->now->mono_us;
    struct store_target *found[STORE_SYNC_TARGETS];
    size_t count = 0;
    for (size_t i = 0; i < store->sync->target_count; i++) {
        struct store_target *target = &store->sync->targets[i];
        if (target->replica && target->held_until_us <= now && !has_number(resource, target->number))
            found[count++] = target;
    }
    return count > 0 ? found[resource->failures % count] : NULL;
}

/* Not ours, not any more, or never. */
static void evaluate_foreign(struct rf_store *store, struct store_resource *resource)
{
    struct rf_topology *t;
    const struct rf_topology_ops *topology = rf_overlay_topology(store->overlay, &t);
    bool hold = topology->should_hold(t, &resource->id);
    struct rf_id home = {.len = 0};
    bool known = topology->owner(t, &resource->id, &home);
    if (resource->own) {
        /* often the new home is one of our replicas and has it all: when we leave, when a lost peer is back */
        bool has = known && store_sync_has(store, resource, &home);
        resource->own = resource->loaded = false;
        resource->failures = 0;
        set_duty(store, resource, has ? STORE_DUTY_NONE : STORE_DUTY_HAND_OVER);
    } else if (resource->loaded || (hold && known && !rf_id_equal(&home, &resource->home)) ||
               (!hold && !resource->parting)) {
        resource->loaded = false;
        resource->failures = 0;
        if (resource->duty == STORE_DUTY_NONE)
            set_duty(store, resource, STORE_DUTY_OFFER);
    }
    resource->parting = !hold;
    if (known)
        resource->home = home;
    if (resource->duty == STORE_DUTY_HAND_OVER && resource->queue != STORE_QUEUE_LATER) {
        enqueue(store->sync, resource, STORE_QUEUE_TODO);
    } else if (resource->duty == STORE_DUTY_OFFER && resource->queue == STORE_QUEUE_NONE) {
        enqueue(store->sync, resource, STORE_QUEUE_OFFERS);
        if (!rf_timer_is_set(&store->sync->offer))
            offers_arm(store);
    } else if (resource->duty == STORE_DUTY_NONE) {
        unqueue(store->sync, resource);
        if (!hold)
            drop(store, resource);
    }
}

/* Looks at one resource; it may be gone afterwards. */
static void evaluate(struct rf_store *store, struct store_resource *resource)
{
    if (resource->busy || !in_ring(store))
        return;
    if (!store_responsible(store, &resource->id)) {
        evaluate_foreign(store, resource);
        return;
    }
    store_sync_own(store, resource);
    resource->home.len = 0;
    set_duty(store, resource, STORE_DUTY_NONE);
    if (resource->twins && !store_log_untwin(store, resource)) {
        enqueue(store->sync, resource, STORE_QUEUE_LATER);
        retry_arm(store);
        return;
    }
    if (lacking(store, resource) == NULL)
        unqueue(store->sync, resource);
    else if (resource->queue != STORE_QUEUE_LATER)
        enqueue(store->sync, resource, STORE_QUEUE_TODO);
}

void store_sync_own(struct rf_store *store, struct store_resource *resource)
{
    if (resource->own)
        return;
    resource->own = resource->loaded = resource->twins = true;
    resource->own_us = store->env->now->mono_us;
    resource->confirmed[0] = resource->confirmed[1] = 0; /* maybe from when it was ours before */
}

void store_sync_touch(struct rf_store *store, struct store_resource *resource)
{
    resource->touched = true;
    if (resource->busy || store->sync == NULL)
        return; /* looked at when the pass under way ends */
    if (resource->queue == STORE_QUEUE_NONE)
        enqueue(store->sync, resource, STORE_QUEUE_TODO);
    sync_arm(store, SYNC_PACE_US);
}

/* ---- passing on ---- */

static void later(struct rf_store *store, struct store_resource *resource)
{
    struct store_sync *sync = store->sync;
    if (resource->failures < UINT8_MAX)
        resource->failures++;
    if (!resource->own && resource->failures >= SYNC_MAX_FAILURES)
        set_duty(store, resource, STORE_DUTY_NONE); /* nobody takes it */
    enqueue(sync, resource, STORE_QUEUE_LATER);
    retry_arm(store);
}

static void on_passed(void *arg, int error, size_t refused_count)
{
    struct sync_pass pass = *(struct sync_pass *)arg;
    struct rf_store *store = pass.store;
    /*
     * Refused one by one: the other side wants them under no circumstances, or while the ring changes it does not know yet that it is in charge,
     * or who we are. So they go again some times before they count as unwanted.
     */
    bool refused = error == 0 && refused_count > 0;
    rf_free(store->env->mem, arg);
    store->sync->running--;
    if (store->freeing)
        return;
    struct store_resource *resource = store_index_resource(&store->index, rf_id_view(&pass.resource));
    if (pass.replica) {
        store->counters->replica_confirmed += error == 0 && !refused;
        store->counters->replica_failed += error != 0 || refused;
    }
    sync_arm(store, SYNC_PACE_US);
    if (resource == NULL)
        return;
    resource->busy = false;
    if (error != 0 || (refused && resource->failures < SYNC_MAX_FAILURES)) {
        later(store, resource);
        return;
    }
    resource->failures = 0;
    store->sync->retry_pause_us = SYNC_RETRY_MIN_US;
    if (pass.replica && !resource->touched) {
        store_sync_confirm(store, resource, &pass.node, true);
    } else if (!pass.replica && !resource->own && !resource->touched) {
        store->counters->handed_over += resource->duty == STORE_DUTY_HAND_OVER;
        set_duty(store, resource, STORE_DUTY_NONE);
    }
    evaluate(store, resource);
}

/* Where to: a replica that lacks it, or the home. False: nobody needs it any more. */
static bool aim(struct rf_store *store, const struct store_resource *resource, struct store_pass_spec *spec)
{
    struct rf_topology *t;
    const struct rf_topology_ops *topology = rf_overlay_topology(store->overlay, &t);
    if (!resource->own) {
        /* a home that we do not know is found by routing to the resource */
        spec->to_node = topology->owner(t, &resource->id, &spec->node);
        spec->probe = resource->duty == STORE_DUTY_OFFER;
        return resource->duty != STORE_DUTY_NONE;
    }
    struct store_target *target = lacking(store, resource);
    if (target == NULL)
        return false;
    struct rf_id ids[STORE_REPLICAS];
    size_t count = topology->replicas(t, ids, STORE_REPLICAS);
    spec->replica_number = count > 1 && rf_id_equal(&ids[1], &target->node) ? 2 : 1;
    spec->to_node = true;
    spec->node = target->node;
    spec->probe = resource->loaded || target->returning; /* most likely it has all of it from before */
    return true;
}

/* Starts what the resource needs; it has been taken off the queue. */
static void start(struct rf_store *store, struct store_resource *resource)
{
    struct store_pass_spec spec = {.resource = resource->id, .replica_number = 1, .done = on_passed};
    if (!aim(store, resource, &spec))
        return;
    struct sync_pass *pass = rf_zalloc(store->env->mem, sizeof(*pass));
    if (pass == NULL) {
        later(store, resource);
        return;
    }
    *pass = (struct sync_pass){
        .store = store, .resource = resource->id, .node = spec.node, .replica = resource->own};
    spec.arg = pass;
    resource->touched = false;
    resource->busy = true;
    store->sync->running++;
    int error = store_pass_start(store, &spec);
    if (error == 0)
        return;
    /* values that ended may have taken the resource along */
    resource = store_index_resource(&store->index, rf_id_view(&pass->resource));
    rf_free(store->env->mem, pass);
    store->sync->running--;
    if (resource == NULL)
        return;
    resource->busy = false;
    later(store, resource);
}

void store_sync_answered(struct rf_store *store, uint64_t took_us)
{
    struct store_sync *sync = store->sync;
    uint64_t now = store->env->now->mono_us;
    if (sync == NULL)
        return;
    if (took_us < SYNC_QUICK_US) {
        if (++sync->quick >= sync->window) {
            sync->window += sync->window < STORE_SYNC_PARALLEL;
            sync->quick = 0;
        }
    } else if (took_us >= SYNC_SLOW_US) {
        if (now - sync->slow_us >= took_us) /* not for each of those that waited together */
            sync->window = sync->window > 1 ? sync->window / 2 : 1;
        sync->slow_us = now;
        sync->quick = 0;
        if (sync->window == 1)
            sync->rest_until_us = now + (took_us < SYNC_REST_US ? took_us : SYNC_REST_US);
    }
}

/* ---- the machine ---- */

static void sweep(struct rf_store *store)
{
    struct store_sync *sync = store->sync;
    struct store_index *index = &store->index;
    for (size_t i = 0; i < SYNC_SWEEP; i++) {
        struct store_resource *resource = store_resource_after(index, &sync->cursor);
        if (resource == NULL) {
            sync->sweeping = false;
            break;
        }
        sync->cursor = resource->id;
        evaluate(store, resource);
    }
    store_forget_flush(store);
}

static void on_timer(struct rf_timer *timer, void *arg)
{
    (void)timer;
    struct rf_store *store = arg;
    struct store_sync *sync = store->sync;
    if (!in_ring(store))
        return; /* rf_store_joined starts it again */
    if (sync->sweeping)
        sweep(store);
    uint64_t now = store->env->now->mono_us;
    bool rests = now < sync->rest_until_us;
    for (size_t looked = sync->todo_count;
         looked > 0 && sync->todo_count > 0 && !rests && sync->running < sync->window; looked--) {
        struct store_resource *resource = RF_LIST_ENTRY(sync->todo.next, struct store_resource, work);
        struct rf_id id = resource->id;
        evaluate(store, resource); /* things may have changed since it was queued */
        resource = store_index_resource(&store->index, rf_id_view(&id));
        if (resource == NULL || resource->queue != STORE_QUEUE_TODO)
            continue;
        unqueue(sync, resource);
        start(store, resource);
    }
    store_forget_flush(store);
    if (sync->sweeping || (sync->todo_count > 0 && sync->running < sync->window))
        sync_arm(store, rests && !sync->sweeping ? sync->rest_until_us - now : SYNC_PACE_US);
}

static void on_retry(struct rf_timer *timer, void *arg)
{
    (void)timer;
    struct rf_store *store = arg;
    while (!rf_list_empty(&store->sync->later))
        enqueue(store->sync, RF_LIST_ENTRY(store->sync->later.next, struct store_resource, work),
                STORE_QUEUE_TODO);
    sync_arm(store, 0);
}

static void on_offer(struct rf_timer *timer, void *arg)
{
    (void)timer;
    struct rf_store *store = arg;
    while (!rf_list_empty(&store->sync->offers))
        enqueue(store->sync, RF_LIST_ENTRY(store->sync->offers.next, struct store_resource, work),
                STORE_QUEUE_TODO);
    sync_arm(store, 0);
}

static void restart_sweep(struct rf_store *store)
{
    store->sync->sweeping = true;
    store->sync->cursor.len = 0;
    sync_arm(store, 0);
}

static void on_stray(struct rf_timer *timer, void *arg)
{
    (void)timer;
    restart_sweep(arg);
}

void store_sync_stray(struct rf_store *store, const struct store_resource *resource)
{
    struct rf_topology *t;
    const struct rf_topology_ops *topology = rf_overlay_topology(store->overlay, &t);
    if (store->sync != NULL && !rf_timer_is_set(&store->sync->stray) &&
        !topology->should_hold(t, &resource->id))
        rf_env_timer_in(store->env, &store->sync->stray, SYNC_STRAY_US);
}

static void on_hold(struct rf_timer *timer, void *arg)
{
    (void)timer;
    struct rf_store *store = arg;
    targets_refresh(store);
    restart_sweep(store);
}

void store_sync_ring_changed(struct rf_store *store)
{
    if (store->sync == NULL || !in_ring(store))
        return;
    targets_refresh(store);
    store_watch_ring(store);
    store->sync->retry_pause_us = SYNC_RETRY_MIN_US;
    on_retry(NULL, store); /* the way may be free now */
    if (!rf_list_empty(&store->sync->offers))
        offers_arm(store); /* later: not while the ring moves */
    restart_sweep(store);
}

void rf_store_neighbor_lost(struct rf_store *store, const struct rf_id *node)
{
    struct store_sync *sync = store->sync;
    struct store_target *target = target_find(store, node);
    if (sync == NULL)
        return;
    sync->lost_us = store->env->now->mono_us;
    store_pulls_forget(store);
    if (target != NULL) {
        /* Should it come back, be it in a second, then maybe without what it had: it is asked, and not held back. */
        target->number = ++sync->next_number;
        target->replica = false;
        target->returning = true;
        target->held_until_us = 0;
    }
    /* Who stands in for it is held back. Not so who joins now. */
    struct rf_id ids[STORE_REPLICAS];
    size_t count = sync->targets != NULL ? store_successors(store, ids, STORE_REPLICAS) : 0;
    for (size_t i = 0; i < count; i++)
        if (target_find(store, &ids[i]) == NULL)
            target_get(store, &ids[i])->held_until_us = sync->lost_us + SYNC_HOLD_US;
}

void rf_store_range_changed(struct rf_store *store)
{
    store_sync_ring_changed(store);
    store_writes_retry(store);
}

size_t rf_store_handover_pending(const struct rf_store *store)
{
    const struct store_sync *sync = store->sync;
    if (sync == NULL)
        return 0;
    size_t pending = sync->handover_count + sync->sweeping;
    if (store_ring_state(store) == RF_TOPOLOGY_LEAVING)
        pending += sync->todo_count + sync->running;
    return pending;
}

/* Of one who was no peer before. */
static int sync_new(struct rf_store *store)
{
    struct store_sync *sync = rf_zalloc(store->env->mem, sizeof(*sync));
    if (sync == NULL)
        return RF_ENOMEM;
    rf_list_init(&sync->todo);
    rf_list_init(&sync->later);
    rf_list_init(&sync->offers);
    rf_timer_init(&sync->timer, on_timer, store);
    rf_timer_init(&sync->retry, on_retry, store);
    rf_timer_init(&sync->hold, on_hold, store);
    rf_timer_init(&sync->offer, on_offer, store);
    rf_timer_init(&sync->stray, on_stray, store);
    sync->retry_pause_us = SYNC_RETRY_MIN_US;
    sync->window = STORE_SYNC_PARALLEL;
    store->sync = sync;
    store_pulls_init(store);
    return 0;
}

static int targets_new(struct rf_store *store)
{
    if (store->sync == NULL && sync_new(store) != 0)
        return RF_ENOMEM;
    if (store->sync->targets == NULL)
        store->sync->targets =
            rf_alloc(store->env->mem, STORE_SYNC_TARGETS * sizeof(store->sync->targets[0]));
    return store->sync->targets != NULL ? 0 : RF_ENOMEM;
}

int store_sync_init(struct rf_store *store)
{
    return store->config.peer ? targets_new(store) : 0;
}

void store_sync_deinit(struct rf_store *store)
{
    struct store_sync *sync = store->sync;
    if (sync == NULL)
        return;
    rf_timer_stop(store->env->timers, &sync->timer);
    rf_timer_stop(store->env->timers, &sync->retry);
    rf_timer_stop(store->env->timers, &sync->hold);
    rf_timer_stop(store->env->timers, &sync->offer);
    rf_timer_stop(store->env->timers, &sync->stray);
    rf_free(store->env->mem, sync->targets);
    sync->targets = NULL;
    sync->target_count = 0;
}

static void drop_all(struct rf_store *store)
{
    struct store_tree_node *node;
    while ((node = store_tree_first(&store->index.resources)) != NULL)
        drop(store, RF_CONTAINER(node, struct store_resource, node));
    store_forget_flush(store);
}

int store_sync_set_peer(struct rf_store *store, bool peer)
{
    struct store_sync *sync = store->sync;
    if (peer)
        return targets_new(store);
    drop_all(store);
    sync->sweeping = false;
    rf_free(store->env->mem, sync->targets);
    sync->targets = NULL;
    sync->target_count = 0;
    return 0;
}
