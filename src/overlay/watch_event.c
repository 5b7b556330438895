/*
 * watch_event.c - telling the watchers.
 *
 * A watcher is QUIET; DUE (a lease of its has news; it stands in a line, of which a limited number goes out in each step); TOLD (an Event is under way). Acknowledged: QUIET, or
 * PAUSING until 500 ms after the Event was sent, if there is more by then. Not acknowledged: PAUSING for 10 s, then 60 s, 10 min, 30 min, then it is dropped with all its leases.
 * What changes meanwhile is told with the next Event. Timers: tell (the line moves), pause (of a watcher). Events: a change, the end of a call.
 */
#include "base/error.h"
#include "overlay/watch_internal.h"

#define TELL_STEP      64 /* Events in one step */
#define TELL_STEP_US   (10 * RF_US_PER_MS)
#define TELL_MAX_CALLS 1024 /* under way */
#define TELL_PAUSE_US  (500 * RF_US_PER_MS)
#define TELL_SHORT_US  (1 * RF_US_PER_S) /* it could not be sent */
#define TELL_MAX_TRIES 5
#define TELL_MAX_NEWS  512 /* in one Event */

static const uint64_t pauses[TELL_MAX_TRIES] = {0, 10 * RF_US_PER_S, 60 * RF_US_PER_S, 600 * RF_US_PER_S,
                                                1800 * RF_US_PER_S};

static void line_moves(struct store_watch *watch)
{
    if (!rf_timer_is_set(&watch->tell) && !rf_list_empty(&watch->due))
        (void)rf_env_timer_in(watch->store->env, &watch->tell, 0);
}

static bool has_news(const struct watch_watcher *watcher)
{
    RF_LIST_EACH(&watcher->leases, it)
    {
        const struct watch_lease *lease = RF_LIST_ENTRY(it, struct watch_lease, of_watcher);
        if (lease->mine && (lease->news || lease->over))
            return true;
    }
    return false;
}

/* Into the line, unless it stands there, waits, or is being told. */
static void due(struct watch_watcher *watcher)
{
    struct store_watch *watch = watcher->watch;
    const struct rf_env *env = watch->store->env;
    if (watcher->call != 0 || rf_timer_is_set(&watcher->pause) || !rf_list_empty(&watcher->due))
        return;
    uint64_t next_us = watcher->sent_us != 0 ? watcher->sent_us + TELL_PAUSE_US : 0;
    if (next_us > env->now->mono_us) {
        (void)rf_env_timer_in(env, &watcher->pause, next_us - env->now->mono_us);
        return;
    }
    rf_list_push_back(&watch->due, &watcher->due);
    line_moves(watch);
}

void watch_pause_fired(struct rf_timer *timer, void *arg)
{
    struct watch_watcher *watcher = arg;
    (void)timer;
    if (has_news(watcher))
        due(watcher);
}

void watch_watcher_back(struct watch_watcher *watcher)
{
    if (watcher->failures == 0)
        return;
    watcher->failures = 0;
    rf_timer_stop(watcher->watch->store->env->timers, &watcher->pause);
    if (has_news(watcher))
        due(watcher);
}

void watch_news(struct store_watch *watch, struct watch_lease *lease)
{
    (void)watch;
    lease->news = true;
    due(lease->watcher);
}

/* ---- the end of an Event ---- */

/* What was in it: acknowledged, or (again) to be told, or not wanted. */
static void settle(struct store_watch *watch, struct watch_watcher *watcher, bool acknowledged, bool unwanted)
{
    size_t left = watcher->count;
    for (struct rf_list *it = watcher->leases.next, *after; left > 0; left--, it = after) {
        struct watch_lease *lease = RF_LIST_ENTRY(it, struct watch_lease, of_watcher);
        after = it->next;
        if (!lease->sent)
            continue;
        lease->sent = false;
        if (unwanted || (acknowledged && lease->over)) {
            watch->store->counters->watches_ended++;
            watch_lease_free(watch, lease);
        } else if (acknowledged) {
            lease->generation = lease->sent_generation;
            lease->next = lease->sent_next;
        } else {
            lease->news = true;
        }
    }
}

static void on_told(void *arg, const struct rf_reply *reply)
{
    struct watch_watcher *watcher = arg;
    struct store_watch *watch = watcher->watch;
    struct rf_store *store = watch->store;
    watch->calls--;
    if (store->freeing)
        return;
    bool unwanted = reply->error == RF_EREMOTE && reply->error_code == RF_ERROR_NOT_FOUND;
    bool failed = reply->error != 0 && !unwanted;
    store->counters->events_failed += failed;
    watcher->failures = failed ? watcher->failures + 1 : 0;
    if (watcher->failures >= TELL_MAX_TRIES) {
        store->counters->watchers_dropped++;
        store->counters->watches_ended += watcher->count;
        watch_watcher_clear(watch, watcher);
    } else {
        settle(watch, watcher, !failed && !unwanted, unwanted);
    }
    watcher->call = 0;
    line_moves(watch);
    if (watcher->count == 0)
        watch_watcher_prune(watch, watcher);
    else if (failed)
        (void)rf_env_timer_in(store->env, &watcher->pause, pauses[watcher->failures]);
    else if (has_news(watcher))
        due(watcher);
}

/* ---- an Event ---- */

/* Everything that is new to the watcher. Returns how much. */
static size_t gather(struct watch_watcher *watcher, struct rf_watch_news *news)
{
    struct rf_store *store = watcher->watch->store;
    uint64_t now = store->env->now->mono_us;
    size_t count = 0;
    RF_LIST_EACH(&watcher->leases, it)
    {
        struct watch_lease *lease = RF_LIST_ENTRY(it, struct watch_lease, of_watcher);
        if (!lease->mine || (!lease->news && !lease->over) || count == TELL_MAX_NEWS)
            continue;
        lease->news = false;
        if (lease->until_us <= now)
            continue;
        struct rf_watch_news *one = &news[count];
        *one = (struct rf_watch_news){.resource = rf_id_view(&lease->place->resource),
                                      .kind = lease->place->kind,
                                      .what = lease->over ? RF_WATCH_OVER : RF_WATCH_CHANGED};
        watch_look(store, &lease->place->resource, lease->place->kind, &one->generation, &one->first,
                   &one->next);
        if (!lease->over && one->generation == lease->generation && one->next == lease->next)
            continue; /* it was told, or was taken back */
        lease->sent = true;
        lease->sent_generation = one->generation;
        lease->sent_next = one->next;
        count++;
    }
    return count;
}

static int send_event(struct watch_watcher *watcher, const struct rf_watch_event *event)
{
    struct rf_store *store = watcher->watch->store;
    struct rf_call call = {
        .code = RF_CODE_EXP_A_REQ, .max_transmissions = 2, .done = on_told, .arg = watcher};
    struct rf_buf body;
    for (size_t i = 0; i < watcher->way.count; i++)
        if (!rf_id_equal(&watcher->way.nodes[i], &store->config.self))
            call.dests[call.dest_count++] = rf_dest_node(&watcher->way.nodes[i]);
    call.dests[call.dest_count++] = rf_dest_node(&watcher->id);
    rf_buf_init(&body, store->env->mem, store->conf->max_message_size);
    rf_watch_event_encode(event, &body);
    call.body = rf_buf_view(&body);
    int error = rf_buf_error(&body);
    error = error != 0 ? error : rf_overlay_call(store->overlay, &call, &watcher->call);
    rf_buf_deinit(&body);
    return error;
}

static void tell(struct watch_watcher *watcher)
{
    struct store_watch *watch = watcher->watch;
    struct rf_watch_news news[TELL_MAX_NEWS];
    struct rf_watch_event event = {.news = news, .news_count = gather(watcher, news)};
    if (event.news_count == 0)
        return;
    if (send_event(watcher, &event) != 0) {
        settle(watch, watcher, false, false);
        (void)rf_env_timer_in(watch->store->env, &watcher->pause, TELL_SHORT_US);
        return;
    }
    watch->store->counters->events++;
    watch->calls++;
    watcher->sent_us = watch->store->env->now->mono_us;
}

void watch_tell_fired(struct rf_timer *timer, void *arg)
{
    struct store_watch *watch = arg;
    (void)timer;
    for (size_t i = 0; i < TELL_STEP && watch->calls < TELL_MAX_CALLS && !rf_list_empty(&watch->due); i++) {
        struct watch_watcher *watcher = RF_LIST_ENTRY(watch->due.next, struct watch_watcher, due);
        rf_list_remove(&watcher->due);
        tell(watcher);
    }
    if (!rf_list_empty(&watch->due) && watch->calls < TELL_MAX_CALLS) /* else the end of a call goes on */
        (void)rf_env_timer_in(watch->store->env, &watch->tell, TELL_STEP_US);
}

/* ---- a change ---- */

/* Whose tag is not in the roster any more watches no longer. */
static void check_members(struct store_watch *watch, const struct rf_id *resource, uint32_t kind)
{
    struct watch_place *place = watch_place_find(watch, resource, kind);
    const struct rf_usage_kind *usage = store_usage(watch->store, kind);
    struct rf_roster roster;
    if (place == NULL || usage == NULL || usage->watch != RF_WATCH_BY_MEMBERS ||
        rf_roster_decode(store_roster(watch->store, rf_id_view(resource)), &roster) != 0)
        return;
    RF_LIST_EACH(&place->leases, it)
    {
        struct watch_lease *lease = RF_LIST_ENTRY(it, struct watch_lease, of_place);
        if (rf_roster_has(roster.admins, lease->member) || rf_roster_has(roster.members, lease->member))
            continue;
        lease->over = true;
        watch_news(watch, lease);
    }
}

void store_watch_changed(struct rf_store *store, const struct rf_id *resource, uint32_t kind)
{
    struct store_watch *watch = store->watch;
    if (watch == NULL || watch->lease_count == 0 || !store_responsible(store, resource))
        return;
    struct watch_place *place = watch_place_find(watch, resource, kind);
    if (place != NULL)
        RF_LIST_EACH(&place->leases, it)
        {
            struct watch_lease *lease = RF_LIST_ENTRY(it, struct watch_lease, of_place);
            lease->mine = true;
            watch_news(watch, lease);
        }
    if (kind == RF_KIND_ROSTER) {
        check_members(watch, resource, RF_KIND_ROSTER);
        check_members(watch, resource, RF_KIND_LOG);
    }
}
