/*
 * watch_client.c - what this node watches, see watch.h for the states of a place.
 *
 * Requests by Resource-ID go in waves, each twice as large as the one before, and the next when three quarters of it were answered: where there are few homes, few are asked
 * twice; where each place has its own, all are asked soon.
 *
 * Who is a place's home is told by the answer to a request by the place's Resource-ID only. Homes that answered are remembered with the range that they say they are in charge
 * of: places in it that are theirs go to them in one request from then on. A range with another home's Node-ID in it counts for nothing, so that nobody takes what is others'. A
 * home that does not answer, or says that a place is elsewhere, is forgotten.
 */
#include "base/error.h"
#include "overlay/watch_internal.h"

#define ROUND_HOME  1040 /* bytes on the wire of a renewal and its answer, without places; for each place */
#define ROUND_PLACE 54
#define ROUND_PER_H 30000 /* so many bytes an hour may go into that */
#define RENEW_MIN_S 600
#define RENEW_MAX_S (WATCH_MAX_LEASE_S / 3 * 2)
#define ASK_MAX     100 /* places in one request */
#define WAVE_MIN    4   /* requests by Resource-ID */
#define WAVE_MAX    64
#define ASK_MIN_US  (2 * RF_US_PER_S)
#define ASK_MAX_US  (120 * RF_US_PER_S)
#define REFUSED_US  (600 * RF_US_PER_S)
#define DOUBT_US    (5 * RF_US_PER_S)
#define SETTLE_US   (5 * RF_US_PER_S)
#define HOMES_MAX   64

enum place_state { PLACE_WANTED = 1, PLACE_ASKED, PLACE_HELD, PLACE_REFUSED };

struct place {
    struct rf_map_node node; /* in client->places, by key */
    struct watch_key key;
    struct rf_id resource;
    uint32_t kind;
    uint64_t generation, told_generation; /* read up to there; told last */
    uint32_t next, told_next;
    bool told;
    rf_watch_fn fn;
    void *arg;
    enum place_state state;
    uint64_t due_us;   /* not ASKED: when it is to be asked about */
    uint64_t lease_us; /* HELD: of that length */
    uint64_t pause_us, doubted_us;
    struct rf_id home; /* who answered when asked by Resource-ID; len 0: not known */
    struct rf_id sure; /* who answered twice since this node is online: its replicas have the lease */
};

struct home {
    struct rf_id node, from; /* from: len 0, or in charge of what follows up to node */
};

/* A request under way. */
struct ask {
    struct rf_list list; /* in client->asks */
    struct watch_client *client;
    rf_call_id call;
    bool alone; /* by Resource-ID */
    struct rf_id node;
    size_t count;
    struct watch_key keys[];
};

struct watch_client {
    struct rf_store *store;
    struct rf_map places;
    bool freeing;
    struct home homes[HOMES_MAX];
    size_t home_count;
    struct rf_list asks;
    size_t alone;           /* of these, by Resource-ID */
    size_t wave, wave_left; /* size of the last wave; what is left of it to be sent */
    struct rf_timer timer;
};

static void pump(struct watch_client *client);

/* ---- tables ---- */

static struct rf_view place_key(const struct rf_map_node *node)
{
    return watch_key_view(&RF_CONTAINER(node, struct place, node)->key);
}

static struct place *find_key(const struct watch_client *client, const struct watch_key *key)
{
    struct rf_map_node *node = rf_map_find(&client->places, watch_key_view(key));
    return node != NULL ? RF_CONTAINER(node, struct place, node) : NULL;
}

static struct place *find(const struct watch_client *client, const struct rf_id *resource, uint32_t kind)
{
    struct watch_key key;
    if (client == NULL)
        return NULL;
    watch_key_make(&key, resource, kind);
    return find_key(client, &key);
}

/* The home of a place that can be asked about it together with others. */
static struct home *home_of(struct watch_client *client, const struct place *place)
{
    for (size_t i = 0; i < client->home_count && place->home.len > 0; i++) {
        struct home *home = &client->homes[i];
        if (rf_id_equal(&home->node, &place->home))
            return home->from.len > 0 && rf_id_between(&home->from, &place->resource, &home->node) ? home
                                                                                                   : NULL;
    }
    return NULL;
}

static void home_forget(struct watch_client *client, const struct rf_id *node)
{
    for (size_t i = client->home_count; i > 0; i--)
        if (rf_id_equal(&client->homes[i - 1].node, node))
            client->homes[i - 1] = client->homes[--client->home_count];
}

/* A range in which another home lies is not all its own; one that begins at its own end is the whole ring. */
static void range_check(struct home *home, const struct home *other)
{
    if (home->from.len > 0 && rf_id_between(&home->from, &other->node, &home->node))
        home->from.len = 0;
}

static void home_learn(struct watch_client *client, const struct rf_id *node, struct rf_view from)
{
    struct home home = {.node = *node};
    home_forget(client, node);
    if (rf_id_from(from, &home.from) != 0 || home.from.len != node->len)
        home.from.len = 0;
    if (client->home_count == HOMES_MAX)
        client->home_count--;
    for (size_t i = 0; i < client->home_count; i++) {
        range_check(&home, &client->homes[i]);
        range_check(&client->homes[i], &home);
    }
    client->homes[client->home_count++] = home;
}

/* ---- what is told ---- */

static void tell(struct place *place, enum rf_watch_outcome outcome, uint64_t generation, uint32_t first,
                 uint32_t next)
{
    bool known = generation == place->generation && next == place->next;
    bool again = place->told && generation == place->told_generation && next == place->told_next;
    if (outcome == RF_WATCH_HELD && (known || again))
        return;
    struct rf_watch_told told = {.resource = place->resource,
                                 .kind = place->kind,
                                 .outcome = outcome,
                                 .generation = generation,
                                 .first = first,
                                 .next = next};
    place->told = outcome == RF_WATCH_HELD;
    place->told_generation = generation;
    place->told_next = next;
    place->fn(place->arg, &told); /* the place may be gone */
}

/* ---- answers ---- */

static void want(struct watch_client *client, struct place *place, uint64_t in_us)
{
    place->state = PLACE_WANTED;
    place->due_us = client->store->env->now->mono_us + in_us;
}

static void want_after_failure(struct watch_client *client, struct place *place)
{
    uint64_t pause = place->pause_us < ASK_MIN_US ? ASK_MIN_US : 2 * place->pause_us;
    place->pause_us = pause < ASK_MAX_US ? pause : ASK_MAX_US;
    want(client, place, rf_rng_between(client->store->env->jitter, place->pause_us / 2, place->pause_us));
}

static void held(struct watch_client *client, struct place *place, const struct rf_id *home,
                 const struct rf_watch_state *state)
{
    const struct rf_env *env = client->store->env;
    place->state = PLACE_HELD;
    place->home = *home;
    place->pause_us = 0;
    place->lease_us = (uint64_t)(state->lease_s > 60 ? state->lease_s : 60) * RF_US_PER_S;
    /* SETTLE_US: should the home die before a replica has a new lease nobody would tell until it is renewed: it is asked about once more, soon. */
    bool sure = rf_id_equal(&place->sure, home);
    place->sure = *home;
    place->due_us = env->now->mono_us + (sure ? rf_rng_between(env->jitter, place->lease_us / 100 * 60,
                                                               place->lease_us / 100 * 67)
                                              : rf_rng_between(env->jitter, SETTLE_US, 2 * SETTLE_US));
    tell(place, RF_WATCH_HELD, state->generation, state->first, state->next);
}

static void take_state(struct watch_client *client, const struct ask *ask, struct place *place,
                       const struct rf_id *home, const struct rf_watch_state *state)
{
    switch ((enum rf_watch_outcome)state->outcome) {
    case RF_WATCH_HELD:
        if (ask->alone || rf_id_equal(&place->home, home))
            held(client, place, home, state);
        else
            want_after_failure(client, place); /* not asked as this place's home */
        return;
    case RF_WATCH_FORBIDDEN:
    case RF_WATCH_FULL:
    case RF_WATCH_UNKNOWN_KIND:
        place->state = PLACE_REFUSED;
        place->due_us = client->store->env->now->mono_us + REFUSED_US;
        tell(place, (enum rf_watch_outcome)state->outcome, 0, 0, 0);
        return;
    case RF_WATCH_ELSEWHERE:
        home_forget(client, home);
        place->home.len = 0;
        if (!ask->alone) {
            want(client, place, 0);
            return;
        }
        break;
    case RF_WATCH_LATER:
    case RF_WATCH_ENDED:
    case RF_WATCH_OUTCOMES:
        break;
    }
    want_after_failure(client, place);
}

static void on_said(void *arg, const struct rf_reply *reply)
{
    struct ask *ask = arg;
    struct watch_client *client = ask->client;
    struct rf_watch_said said = {.state_count = 0};
    rf_list_remove(&ask->list);
    client->alone -= ask->alone;
    int error = reply->error;
    if (error == 0)
        error = rf_watch_said_decode(reply->body, reply->region, &said);
    if (error == 0)
        home_learn(client, &reply->signer->node_id, said.from);
    else if (!ask->alone)
        home_forget(client, &ask->node);
    for (size_t i = 0; i < ask->count && !client->freeing; i++) {
        struct place *place = find_key(client, &ask->keys[i]);
        if (place == NULL || place->state != PLACE_ASKED)
            continue; /* removed meanwhile; or added again, then it is asked about once more */
        if (error == 0 && i < said.state_count)
            take_state(client, ask, place, &reply->signer->node_id, &said.states[i]);
        else if (error != 0 && !ask->alone)
            want(client, place, 0); /* by Resource-ID */
        else
            want_after_failure(client, place);
    }
    rf_free(client->store->env->mem, ask);
    if (!client->freeing)
        pump(client);
}

/* ---- requests ---- */

static int send_ask(struct watch_client *client, struct ask *ask, const struct rf_watch_ask *body,
                    const struct rf_id *resource)
{
    struct rf_store *store = client->store;
    struct rf_call call = {.code = RF_CODE_EXP_A_REQ, .done = on_said, .arg = ask};
    struct rf_buf buf;
    if (ask->alone)
        rf_call_to_resource(&call, resource);
    else
        rf_call_to_node(&call, &ask->node);
    call.max_transmissions = ask->alone ? 0 : 2; /* then by Resource-ID */
    rf_buf_init(&buf, store->env->mem, store->conf->max_message_size);
    rf_watch_ask_encode(body, &buf);
    call.body = rf_buf_view(&buf);
    int error = rf_buf_error(&buf);
    error = error != 0 ? error : rf_overlay_call(store->overlay, &call, &ask->call);
    rf_buf_deinit(&buf);
    return error;
}

static size_t max_items(const struct watch_client *client)
{
    size_t fits = store_room(client->store) / (WATCH_KEY_MAX + 16);
    return fits < ASK_MAX ? fits : ASK_MAX;
}

/* Does it go along to this home, since it is due, or soon? */
static bool goes_along(struct watch_client *client, const struct place *place, const struct home *home,
                       uint64_t now)
{
    bool due = place->state == PLACE_HELD ? place->due_us <= now + place->lease_us / 4
                                          : place->state != PLACE_ASKED && place->due_us <= now;
    return due && home_of(client, place) == home;
}

/* May another request by Resource-ID go out? */
static bool in_wave(struct watch_client *client)
{
    if (client->wave_left == 0 && client->alone <= client->wave / 4) {
        client->wave = client->wave == 0 ? WAVE_MIN : 2 * client->wave;
        client->wave = client->wave < WAVE_MAX ? client->wave : WAVE_MAX;
        client->wave_left = client->wave;
    }
    return client->wave_left > 0;
}

/*
 * How long a lease is wished: where few requests renew everything, short ones, since a home may be lost with all who hold its leases, and nobody would know. At first no
 * home is known, so the first ones are short.
 */
static uint32_t lease_s(const struct watch_client *client)
{
    size_t places = client->places.count;
    size_t homes = client->home_count < HOMES_MAX ? client->home_count : places;
    uint64_t renew = (homes * ROUND_HOME + places * ROUND_PLACE) * UINT64_C(3600) / ROUND_PER_H;
    renew = renew > RENEW_MIN_S ? renew : RENEW_MIN_S;
    renew = renew < RENEW_MAX_S ? renew : RENEW_MAX_S;
    return (uint32_t)(renew + renew / 2);
}

/* Asks about the place, and what goes along. False: not now. */
static bool ask_about(struct watch_client *client, struct place *first)
{
    struct rf_store *store = client->store;
    const struct home *home = home_of(client, first);
    size_t max = home != NULL ? max_items(client) : 1;
    if (home == NULL && !in_wave(client))
        return false;
    struct rf_watch_item items[ASK_MAX];
    struct rf_watch_ask body = {.lease_s = lease_s(client), .way = store->way, .items = items};
    struct ask *ask = rf_zalloc(store->env->mem, sizeof(*ask) + max * sizeof(ask->keys[0]));
    if (ask == NULL)
        return false;
    ask->client = client;
    ask->alone = home == NULL;
    if (home != NULL)
        ask->node = home->node;
    struct rf_map_node *node = home != NULL ? rf_map_next(&client->places, NULL) : &first->node;
    for (; node != NULL && ask->count < max; node = rf_map_next(&client->places, node)) {
        struct place *place = RF_CONTAINER(node, struct place, node);
        if (home != NULL && !goes_along(client, place, home, store->env->now->mono_us))
            continue;
        items[ask->count] = (struct rf_watch_item){.resource = rf_id_view(&place->resource),
                                                   .kind = place->kind,
                                                   .generation = place->generation,
                                                   .next = place->next};
        ask->keys[ask->count++] = place->key;
    }
    body.item_count = ask->count;
    if (ask->count == 0 || send_ask(client, ask, &body, &first->resource) != 0) {
        rf_free(store->env->mem, ask);
        return false;
    }
    for (size_t i = 0; i < ask->count; i++)
        find_key(client, &ask->keys[i])->state = PLACE_ASKED;
    store->counters->watch_requests++;
    client->alone += ask->alone;
    client->wave_left -= ask->alone;
    rf_list_push_back(&client->asks, &ask->list);
    return true;
}

static void arm(struct watch_client *client, uint64_t at_us)
{
    const struct rf_env *env = client->store->env;
    if (at_us == RF_NEVER)
        rf_timer_stop(env->timers, &client->timer);
    else
        (void)rf_timer_set(env->timers, &client->timer, at_us);
}

/* Asks about what is due. */
static void pump(struct watch_client *client)
{
    uint64_t now = client->store->env->now->mono_us, next = RF_NEVER;
    bool waits = false;
    if (!client->store->online) {
        arm(client, RF_NEVER);
        return;
    }
    for (struct rf_map_node *node = rf_map_next(&client->places, NULL); node != NULL;
         node = rf_map_next(&client->places, node)) {
        struct place *place = RF_CONTAINER(node, struct place, node);
        if (place->state == PLACE_ASKED)
            continue;
        if (place->due_us <= now && ask_about(client, place))
            continue;
        waits = waits || place->due_us <= now;
        /* what waits for others' answers is looked at when they come; should it be memory, in a while */
        uint64_t at = place->due_us > now ? place->due_us : now + ASK_MIN_US;
        next = at < next ? at : next;
    }
    if (!waits) /* the next time begins with a small wave */
        client->wave = client->wave_left = 0;
    arm(client, next);
}

static void on_timer(struct rf_timer *timer, void *arg)
{
    (void)timer;
    pump(arg);
}

/* ---- Events ---- */

static bool take_news(struct watch_client *client, const struct rf_id *from, const struct rf_watch_news *news)
{
    struct rf_store *store = client->store;
    uint64_t now = store->env->now->mono_us;
    struct rf_id resource;
    struct place *place =
        rf_id_from(news->resource, &resource) == 0 ? find(client, &resource, news->kind) : NULL;
    if (place == NULL) {
        store->counters->events_doubted++;
        return false;
    }
    bool home = place->home.len > 0 && rf_id_equal(&place->home, from);
    store->counters->events_taken += home;
    store->counters->events_doubted += !home;
    if (home && news->what == RF_WATCH_CHANGED) {
        tell(place, RF_WATCH_HELD, news->generation, news->first, news->next);
        return true;
    }
    if (place->state == PLACE_ASKED ||
        (!home && place->doubted_us != 0 && now < place->doubted_us + DOUBT_US))
        return true;
    place->doubted_us = now;
    home_forget(client, &place->home); /* there may be another one */
    want(client, place, 0);
    arm(client, now);
    return true;
}

void watch_on_event(struct rf_store *store, struct rf_request *request)
{
    struct rf_watch_event event;
    size_t known = 0;
    int error = rf_watch_event_decode(request->message->body, request->region, &event);
    if (error != 0) {
        store_refuse(store, request, error == RF_ENOMEM ? RF_ERROR_REQUEST_TIMEOUT : RF_ERROR_INVALID_MESSAGE,
                     rf_error_text(error));
        return;
    }
    struct rf_id from = request->signer.node_id;
    for (size_t i = 0; i < event.news_count && store->places != NULL; i++)
        known += take_news(store->places, &from, &event.news[i]);
    if (known == 0)
        store_refuse(store, request, RF_ERROR_NOT_FOUND, "nothing of that is watched here");
    else
        (void)rf_overlay_answer(store->overlay, request, rf_view_of(NULL, 0), NULL, 0);
}

/* ---- doors ---- */

static struct watch_client *client_of(struct rf_store *store)
{
    if (store->places != NULL)
        return store->places;
    struct watch_client *client = rf_zalloc(store->env->mem, sizeof(*client));
    if (client == NULL)
        return NULL;
    client->store = store;
    rf_map_init(&client->places, store->env->mem, store->env->seed, place_key);
    rf_list_init(&client->asks);
    rf_timer_init(&client->timer, on_timer, client);
    store->places = client;
    return client;
}

int rf_watch_add(struct rf_store *store, const struct rf_id *resource, uint32_t kind, uint64_t generation,
                 uint32_t next, rf_watch_fn fn, void *arg)
{
    struct watch_client *client = client_of(store);
    if (find(client, resource, kind) != NULL)
        return RF_EEXIST;
    if (client != NULL && client->places.count >= RF_WATCH_MAX_PLACES)
        return RF_ELIMIT;
    struct place *place = client != NULL ? rf_zalloc(store->env->mem, sizeof(*place)) : NULL;
    if (place == NULL)
        return RF_ENOMEM;
    watch_key_make(&place->key, resource, kind);
    place->resource = *resource;
    place->kind = kind;
    place->generation = generation;
    place->next = next;
    place->fn = fn;
    place->arg = arg;
    want(client, place, 0);
    int error = rf_map_insert(&client->places, &place->node);
    if (error != 0)
        rf_free(store->env->mem, place);
    else if (store->online)
        arm(client, store->env->now->mono_us); /* with what else is added now */
    return error;
}

void rf_watch_known(struct rf_store *store, const struct rf_id *resource, uint32_t kind, uint64_t generation,
                    uint32_t next)
{
    struct place *place = find(store->places, resource, kind);
    if (place == NULL)
        return;
    place->generation = generation;
    place->next = next;
}

void rf_watch_remove(struct rf_store *store, const struct rf_id *resource, uint32_t kind)
{
    struct watch_client *client = store->places;
    struct place *place = find(client, resource, kind);
    if (place == NULL)
        return;
    if (place->state == PLACE_HELD && store->online) {
        struct rf_watch_item item = {.resource = rf_id_view(resource), .kind = kind};
        struct rf_watch_ask ask = {.lease_s = 0, .items = &item, .item_count = 1};
        struct rf_call call = {.code = RF_CODE_EXP_A_REQ, .max_transmissions = 2};
        uint8_t bytes[128];
        struct rf_buf buf;
        rf_buf_fixed(&buf, bytes, sizeof(bytes));
        rf_watch_ask_encode(&ask, &buf);
        rf_call_to_node(&call, &place->home);
        call.body = rf_buf_view(&buf);
        (void)rf_overlay_call(store->overlay, &call, NULL); /* else an Event will be refused */
    }
    rf_map_remove(&client->places, &place->node);
    rf_free(store->env->mem, place);
}

/* Everything is asked about anew; what is under way ends by itself. */
static void want_all(struct watch_client *client)
{
    for (struct rf_map_node *node = rf_map_next(&client->places, NULL); node != NULL;
         node = rf_map_next(&client->places, node)) {
        struct place *place = RF_CONTAINER(node, struct place, node);
        place->pause_us = 0;
        place->sure.len = 0;
        if (place->state != PLACE_ASKED)
            want(client, place, 0);
    }
    if (client->store->online)
        arm(client, client->store->env->now->mono_us);
}

void rf_watch_online(struct rf_store *store, bool online)
{
    if (store->online == online)
        return;
    store->online = online;
    if (store->places != NULL && online)
        want_all(store->places);
    else if (store->places != NULL)
        arm(store->places, RF_NEVER);
}

void rf_watch_set_way(struct rf_store *store, const struct rf_watch_way *way)
{
    bool same = store->way.count == way->count;
    for (size_t i = 0; same && i < way->count; i++)
        same = rf_id_equal(&store->way.nodes[i], &way->nodes[i]);
    if (same)
        return;
    store->way = *way;
    if (store->places != NULL)
        want_all(store->places);
}

void watch_client_stats(const struct rf_store *store, struct rf_watch_stats *out)
{
    if (store->places == NULL)
        return;
    const struct rf_map *places = &store->places->places;
    out->places = places->count;
    for (struct rf_map_node *node = rf_map_next(places, NULL); node != NULL; node = rf_map_next(places, node))
        out->held += RF_CONTAINER(node, struct place, node)->state == PLACE_HELD;
}

void watch_client_free(struct rf_store *store)
{
    struct watch_client *client = store->places;
    struct rf_map_node *node;
    if (client == NULL)
        return;
    client->freeing = true;
    RF_LIST_EACH_SAFE(&client->asks, it)
    {
        rf_overlay_cancel(store->overlay, RF_LIST_ENTRY(it, struct ask, list)->call);
    }
    while ((node = rf_map_drain(&client->places)) != NULL)
        rf_free(store->env->mem, RF_CONTAINER(node, struct place, node));
    rf_map_deinit(&client->places);
    rf_timer_stop(store->env->timers, &client->timer);
    rf_free(store->env->mem, client);
    store->places = NULL;
}
