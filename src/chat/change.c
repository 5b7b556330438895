/*
 * change.c - changes of a group, one after the other. A change is wanted until it is done, over restarts:
 *
 *   LOOKUP  (users are added) the key packages of their devices are fetched
 *   ROSTER  the next roster is stored; when another admin was faster, his is fetched and the change made to that one
 *   COMMIT  a Commit with all of it is made, and sent: STEP_WAIT until the log says
 *           ... that it was taken: its Welcome is sent, and notes go to the inboxes of who was added
 *           ... that another one came first: again, on the new epoch
 *
 * Leaving is a proposal, which somebody else commits: an admin after a random moment, or, if none does, any member (TIDY). An admin then takes the leaver out of the roster.
 */
#include "chat/internal.h"
#include "base/text.h"

#define DEVICES_MAX    16 /* that one Commit adds */
#define FAILURES_MAX   8
#define LOOKUPS_MAX    5 /* of one user, that fail */
#define PACKAGE_LIFE_S ((uint64_t)366 * 24 * 3600)
#define REFRESH_MS     (UINT64_C(20) * 24 * 3600 * 1000) /* rosters live 30 days */

static void step(struct chat_conv *conv, struct chat_change *change);

static void change_fired(struct rf_timer *timer, void *arg)
{
    struct chat_conv *conv = arg;
    (void)timer;
    chat_enter(conv->chat);
    change_kick(conv);
    chat_leave(conv->chat);
}

static void tidy_fired(struct rf_timer *timer, void *arg)
{
    struct chat_conv *conv = arg;
    (void)timer;
    chat_enter(conv->chat);
    RF_LIST_EACH(&conv->changes, it)
    {
        const struct chat_change *change = RF_LIST_ENTRY(it, struct chat_change, list);
        if (change->what == CHANGE_TIDY && change->users.len == 0) {
            change_kick(conv);
            chat_leave(conv->chat);
            return;
        }
    }
    if (conv->state == RF_CHAT_MEMBER)
        (void)change_new(conv, CHANGE_TIDY, NULL, 0, rf_view_of(NULL, 0), NULL, NULL);
    chat_leave(conv->chat);
}

void change_init(struct chat_conv *conv)
{
    rf_list_init(&conv->changes);
    rf_timer_init(&conv->change_timer, change_fired, conv);
    rf_timer_init(&conv->tidy_timer, tidy_fired, conv);
}

static void change_free(struct chat_conv *conv, struct chat_change *change)
{
    rf_list_remove(&change->list);
    rf_buf_deinit(&change->users);
    rf_buf_deinit(&change->text);
    rf_buf_deinit(&change->packages);
    rf_buf_deinit(&change->roster);
    rf_free(conv->chat->mem, change);
    conv->change_count--;
}

static struct rf_view change_name(uint64_t id, uint8_t name[8])
{
    struct rf_buf buf;
    rf_buf_fixed(&buf, name, 8);
    rf_buf_u64(&buf, id);
    return rf_buf_view(&buf);
}

void change_end(struct chat_conv *conv, struct chat_change *change, int error)
{
    uint8_t name[8];
    if (change->saved)
        save_drop(conv->chat, conv, PART_CHANGE, change_name(change->id, name));
    save_done(conv->chat, conv, change->done, change->arg, error, NULL);
    change_free(conv, change);
    conv->change_busy = false;
    conv->change_pause_us = 0;
}

void change_deinit(struct chat_conv *conv, int error)
{
    rf_timer_stop(conv->chat->env->timers, &conv->change_timer);
    rf_timer_stop(conv->chat->env->timers, &conv->tidy_timer);
    conv->chat->config.net.cancel(conv->chat->config.net.ctx, &conv->changes);
    conv->change_busy = false;
    struct rf_chat_result result = {.error = error, .why = rf_error_text(error)};
    memcpy(result.conversation, conv->id, sizeof(conv->id));
    rf_chat_done_fn accept = conv->accept_done;
    conv->accept_done = NULL;
    if (accept != NULL)
        accept(conv->accept_arg, &result);
    while (!rf_list_empty(&conv->changes)) {
        struct chat_change *change = RF_LIST_ENTRY(conv->changes.next, struct chat_change, list);
        if (!conv->chat->freeing) {
            change_end(conv, change, error);
            continue;
        }
        if (change->done != NULL)
            change->done(change->arg, &result);
        change_free(conv, change);
    }
}

void change_again(struct chat_conv *conv)
{
    conv->chat->config.net.cancel(conv->chat->config.net.ctx, &conv->changes);
    conv->change_busy = false;
    RF_LIST_EACH(&conv->changes, it)
    {
        RF_LIST_ENTRY(it, struct chat_change, list)->step = STEP_NEW;
    }
}

/* ---- wanted ---- */

static struct chat_change *change_make(struct chat_conv *conv, enum change_what what, uint64_t id)
{
    struct chat_change *change = rf_zalloc(conv->chat->mem, sizeof(*change));
    if (change == NULL)
        return NULL;
    change->id = id;
    change->what = what;
    change->step = STEP_NEW;
    rf_buf_init(&change->users, conv->chat->mem, (size_t)1 << 20);
    rf_buf_init(&change->text, conv->chat->mem, 4096);
    rf_buf_init(&change->packages, conv->chat->mem, (size_t)4 << 20);
    rf_buf_init(&change->roster, conv->chat->mem, 65536);
    struct rf_list *at = &conv->changes; /* in order of id */
    while (at->prev != &conv->changes && RF_LIST_ENTRY(at->prev, struct chat_change, list)->id > id)
        at = at->prev;
    rf_list_push_back(at, &change->list);
    conv->change_count++;
    return change;
}

static void change_save(struct chat_conv *conv, struct chat_change *change)
{
    struct rf_buf buf;
    uint8_t name[8];
    rf_buf_init(&buf, conv->chat->mem, (size_t)2 << 20);
    rf_buf_u8(&buf, (uint8_t)change->what);
    rf_buf_v(&buf, 4, rf_buf_view(&change->users));
    rf_buf_v(&buf, 2, rf_buf_view(&change->text));
    if (rf_buf_error(&buf) != 0)
        save_break(conv->chat);
    save_state(conv->chat, conv, PART_CHANGE, change_name(change->id, name), rf_buf_view(&buf));
    change->saved = true;
    conv->dirty |= DIRTY_CORE;
    rf_buf_deinit(&buf);
}

int change_new(struct chat_conv *conv, enum change_what what, const struct rf_view *users, size_t user_count,
               struct rf_view text, rf_chat_done_fn done, void *arg)
{
    if (conv->change_count >= CHAT_MAX_CHANGES)
        return RF_EBUSY;
    struct chat_change *change = change_make(conv, what, conv->change_id);
    if (change == NULL)
        return RF_ENOMEM;
    for (size_t i = 0; i < user_count; i++)
        rf_buf_v(&change->users, 1, users[i]);
    rf_buf_view_put(&change->text, text);
    int error = rf_buf_error(&change->users) != 0 ? RF_ENOMEM : rf_buf_error(&change->text);
    if (error != 0) {
        change_free(conv, change);
        return error;
    }
    conv->change_id++;
    change->done = done;
    change->arg = arg;
    if (what != CHANGE_TIDY || user_count > 0)
        change_save(conv, change);
    change_kick(conv);
    return 0;
}

int change_load(struct chat_conv *conv, struct rf_view name, struct rf_view value)
{
    uint64_t id = 0;
    uint8_t what = 0;
    struct rf_view users, text;
    if (rf_view_u64(&name, &id) != 0 || name.len != 0 || rf_view_u8(&value, &what) != 0 ||
        what < CHANGE_ADD || what > CHANGE_TIDY || rf_view_v(&value, 4, &users) != 0 ||
        rf_view_v(&value, 2, &text) != 0)
        return RF_EFORMAT;
    struct chat_change *change = change_make(conv, (enum change_what)what, id);
    if (change == NULL)
        return RF_ENOMEM;
    rf_buf_view_put(&change->users, users);
    rf_buf_view_put(&change->text, text);
    change->saved = true;
    return rf_buf_error(&change->users) != 0 || rf_buf_error(&change->text) != 0 ? RF_ENOMEM : 0;
}

void change_tidy_soon(struct chat_conv *conv, bool now)
{
    struct rf_chat *chat = conv->chat;
    bool admin = conv_is_admin(conv, chat->principal);
    uint64_t low = admin ? CHAT_S / 2 : 4 * CHAT_S,
             high = admin ? 3 * CHAT_S : 10 * CHAT_S + conv->users.count * CHAT_S / 10;
    uint64_t delay = now ? 0 : rf_rng_between(chat->env->jitter, low, high);
    if (conv->state != RF_CHAT_MEMBER || (rf_timer_is_set(&conv->tidy_timer) && !now))
        return;
    chat_timer(chat, &conv->tidy_timer, delay);
}

/* ---- pausing ---- */

static void pause(struct chat_conv *conv)
{
    conv->change_busy = false;
    chat_timer(conv->chat, &conv->change_timer, chat_backoff(conv->chat, &conv->change_pause_us));
}

struct chat_change *change_front(struct chat_conv *conv)
{
    return rf_list_empty(&conv->changes) ? NULL : RF_LIST_ENTRY(conv->changes.next, struct chat_change, list);
}

/* The conversation of an answer; its list of changes is what the overlay's calls are named by. */
static struct chat_conv *conv_of(void *arg)
{
    return RF_CONTAINER((struct rf_list *)arg, struct chat_conv, changes);
}

/* ---- LOOKUP ---- */

static struct rf_view choose_package(struct rf_chat *chat, const struct offer *offer)
{
    struct rf_view list = offer->packages, one = offer->last_resort;
    size_t count = 0;
    while (rf_view_v(&list, 2, &one) == 0)
        count++;
    if (count == 0)
        return offer->last_resort;
    list = offer->packages;
    for (uint64_t i = rf_rng_below(chat->env->jitter, count) + 1; i > 0; i--)
        (void)rf_view_v(&list, 2, &one);
    return one;
}

/* One device of a user: its key package goes into the list, if it is good and not in the group already. true: the device can be in the group, or is. */
static bool take_offer(struct chat_conv *conv, struct chat_change *change,
                       const struct rf_fetched_value *value, struct rf_view name)
{
    struct rf_chat *chat = conv->chat;
    struct rf_mls_key_package_info info;
    struct rf_cert *cert = NULL;
    struct rf_view content;
    struct offer offer;
    if (!value->exists || value->signer == NULL || rf_note_decode(value->value, &content) != 0 ||
        !rf_view_equal(value->signer->cert->user, name))
        return false;
    if (group_device(conv, &value->signer->node_id) != NULL)
        return true;
    if (offer_decode(content, &offer) != 0 || offer.suite != rf_mls_suite(conv->group))
        return false;
    struct rf_view package = choose_package(chat, &offer);
    int error = rf_mls_key_package_check(&chat->mls, package, chat->env->now->wall_ms / RF_MS_PER_S,
                                         PACKAGE_LIFE_S, &info);
    if (error == 0)
        error = rules_cert(chat, info.who.credential, &cert);
    if (error == 0 && !rf_id_equal(&cert->node_ids[0], &value->signer->node_id))
        error = RF_EMISMATCH;
    if (error == 0) {
        rf_buf_v(&change->packages, 1, chat_principal_of(cert));
        rf_buf_v(&change->packages, 2, package);
        change->device_count++;
    } else {
        chat->counters.key_packages_refused++;
    }
    rf_cert_release(cert);
    return error == 0;
}

/* In a self-signed overlay a name is a claim: when devices of several claim it, nobody can say who is meant. */
static bool several_claim(const struct rf_fetch_result *result)
{
    const struct rf_signer *first = NULL;
    for (size_t i = 0; i < result->value_count; i++) {
        const struct rf_fetched_value *v = &result->values[i];
        if (!v->exists || v->signer == NULL)
            continue;
        if (first != NULL &&
            !rf_view_equal(chat_principal_of(first->cert), chat_principal_of(v->signer->cert)))
            return true;
        first = v->signer;
    }
    return false;
}

static void on_offers(void *arg, const struct rf_fetch_result *result)
{
    struct chat_conv *conv = conv_of(arg);
    struct chat_change *change = change_front(conv);
    struct rf_view name;
    bool found = false;
    if (conv->chat->freeing || result->error == RF_ECANCELLED)
        return;
    chat_enter(conv->chat);
    conv->change_busy = false;
    bool failed = result->error != 0 && result->error != RF_ENOTFOUND;
    if (change == NULL || change->step != STEP_LOOKUP || conv->group == NULL ||
        (failed && ++change->failures < LOOKUPS_MAX)) {
        pause(conv);
        chat_leave(conv->chat);
        return;
    }
    (void)rf_view_v(&change->rest, 1, &name);
    change->failures = 0;
    if (failed) {
        change->error = RF_EUNREACHABLE; /* the others need not wait for him, nor what comes next */
    } else if (several_claim(result) && !rf_view_equal(name, conv->chat->config.identity->cert->user)) {
        change->error = RF_ECONFLICT;
    } else {
        for (size_t i = 0; i < result->value_count; i++)
            found |= take_offer(conv, change, &result->values[i], name);
        if (!found && !rf_view_equal(name, conv->chat->config.identity->cert->user))
            change->error = RF_ENOTFOUND;
    }
    step(conv, change);
    chat_leave(conv->chat);
}

/* Is the name in front of `rest` among those before it? */
static bool named_before(const struct chat_change *change, struct rf_view rest)
{
    struct rf_view list = rf_buf_view(&change->users), name, one;
    if (rf_view_v(&rest, 1, &name) != 0)
        return false;
    while (rf_view_v(&list, 1, &one) == 0 && one.p < name.p)
        if (rf_view_equal(one, name))
            return true;
    return false;
}

static void lookup(struct chat_conv *conv, struct chat_change *change)
{
    struct rf_chat *chat = conv->chat;
    struct rf_view rest, name;
    struct rf_id resource;
    while (named_before(change, change->rest))
        (void)rf_view_v(&change->rest, 1, &name);
    rest = change->rest;
    if (change->device_count >= DEVICES_MAX || rf_view_v(&rest, 1, &name) != 0) {
        change->step = STEP_ROSTER;
        step(conv, change);
        return;
    }
    int error = chat_resource_of(chat, name, &resource);
    if (error == 0)
        error = chat->config.net.lookup(chat->config.net.ctx, &resource, RF_KIND_KEY_PACKAGE, on_offers,
                                        &conv->changes);
    conv->change_busy = error == 0;
    if (error != 0)
        pause(conv);
}

/* ---- ROSTER ---- */

static void on_roster(void *arg, const struct rf_fetch_result *result)
{
    struct chat_conv *conv = conv_of(arg);
    struct chat_change *change = change_front(conv);
    if (conv->chat->freeing || result->error == RF_ECANCELLED)
        return;
    chat_enter(conv->chat);
    conv->change_busy = false;
    bool good = false;
    for (size_t i = 0; i < result->value_count && result->error == 0; i++)
        good = roster_adopt(conv, &result->values[i]);
    if (change != NULL && good && conv->group != NULL) {
        change->looked = true;
        step(conv, change);
    } else {
        pause(conv);
    }
    chat_leave(conv->chat);
}

static void roster_fetch(struct chat_conv *conv)
{
    struct rf_chat_net *net = &conv->chat->config.net;
    int error = net->lookup(net->ctx, &conv->resource, RF_KIND_ROSTER, on_roster, &conv->changes);
    conv->change_busy = error == 0;
    if (error != 0)
        pause(conv);
}

static void roster_refused(struct chat_conv *conv, struct chat_change *change,
                           const struct rf_store_result *r)
{
    bool refused = r->error == RF_EREMOTE && r->error_code == RF_ERROR_FORBIDDEN;
    if (refused && ++change->failures >= FAILURES_MAX)
        change_end(conv, change, RF_EFORBIDDEN);
    else if (refused && (!change->looked || change->failures < FAILURES_MAX))
        roster_fetch(conv); /* another admin was faster */
    else
        pause(conv);
}

static void on_roster_stored(void *arg, const struct rf_store_result *result)
{
    struct chat_conv *conv = conv_of(arg);
    struct chat_change *change = change_front(conv);
    if (conv->chat->freeing || result->error == RF_ECANCELLED)
        return;
    chat_enter(conv->chat);
    conv->change_busy = false;
    if (change == NULL || change->step != STEP_ROSTER || conv->group == NULL) {
        change_kick(conv);
    } else if (result->error != 0) {
        roster_refused(conv, change, result);
        if (!conv->change_busy && !rf_timer_is_set(&conv->change_timer))
            change_kick(conv);
    } else {
        chat_set(&conv->roster, rf_buf_view(&change->roster));
        conv->roster_stored_ms = conv->chat->env->now->wall_ms;
        conv->dirty |= DIRTY_ROSTER | DIRTY_CORE;
        conv->change_pause_us = 0;
        change->step = STEP_COMMIT;
        step(conv, change);
    }
    chat_leave(conv->chat);
}

static int roster_store(struct chat_conv *conv, struct rf_view value, rf_stored_fn done)
{
    struct rf_chat_net *net = &conv->chat->config.net;
    int error = net->store(net->ctx, &conv->resource, RF_KIND_ROSTER, rf_view_of(NULL, 0), true, value,
                           CHAT_LOG_S, done, &conv->changes);
    conv->change_busy = error == 0;
    if (error != 0)
        pause(conv);
    return error;
}

static void roster(struct chat_conv *conv, struct chat_change *change)
{
    if (!conv_is_admin(conv, conv->chat->principal)) {
        change->step = STEP_COMMIT; /* what a member may commit needs no roster */
        step(conv, change);
        return;
    }
    if (conv->roster.len == 0) {
        roster_fetch(conv);
        return;
    }
    int error = roster_next(conv, change, &change->roster);
    if (error == RF_EEXIST) {
        change->step = STEP_COMMIT;
        step(conv, change);
    } else if (error != 0) {
        change_end(conv, change, error);
        change_kick(conv);
    } else {
        (void)roster_store(conv, rf_buf_view(&change->roster), on_roster_stored);
    }
}

/* ---- COMMIT ---- */

struct plan {
    struct rf_mls_change *changes;
    size_t count, cap;
    struct rf_buf extensions;
};

static struct rf_mls_change *plan_add(struct rf_chat *chat, struct plan *plan, enum rf_mls_change_type type)
{
    if (plan->count == plan->cap) {
        size_t cap = plan->cap == 0 ? 16 : 2 * plan->cap;
        struct rf_mls_change *changes = rf_resize(chat->mem, plan->changes, cap * sizeof(*changes));
        if (changes == NULL)
            return NULL;
        plan->changes = changes;
        plan->cap = cap;
    }
    plan->changes[plan->count] = (struct rf_mls_change){.type = type};
    return &plan->changes[plan->count++];
}

static int plan_devices(struct chat_conv *conv, const struct chat_change *change, struct plan *plan)
{
    struct rf_view list = rf_buf_view(&change->packages), principal, package;
    struct rf_mls_key_package_info info;
    uint32_t leaf;
    while (rf_view_v(&list, 1, &principal) == 0 && rf_view_v(&list, 2, &package) == 0) {
        int error = rf_mls_key_package_check(
            &conv->chat->mls, package, conv->chat->env->now->wall_ms / RF_MS_PER_S, PACKAGE_LIFE_S, &info);
        if (error != 0 || rf_mls_find_member(conv->group, info.who.signature_key, &leaf))
            continue; /* somebody else has brought him in meanwhile */
        struct rf_mls_change *c = plan_add(conv->chat, plan, RF_MLS_ADD);
        if (c == NULL)
            return RF_ENOMEM;
        c->key_package = package;
    }
    return 0;
}

static int plan_removals(struct chat_conv *conv, const struct chat_change *change, struct plan *plan)
{
    for (uint32_t i = 0; i < conv->leaf_count; i++) {
        struct rf_view list = rf_buf_view(&change->users), one;
        while (conv->leaves[i].user != NULL && rf_view_v(&list, 1, &one) == 0) {
            if (!rf_view_equal(one, conv->leaves[i].user->principal))
                continue;
            struct rf_mls_change *c = plan_add(conv->chat, plan, RF_MLS_REMOVE);
            if (c == NULL)
                return RF_ENOMEM;
            c->leaf = i;
            break;
        }
    }
    return 0;
}

/* What the group should say of itself: title, topic, and the roster that stands at the home. */
static int plan_shape(struct chat_conv *conv, const struct chat_change *change, struct plan *plan)
{
    struct rf_chat *chat = conv->chat;
    struct shape before, next;
    struct rf_roster roster_now;
    uint8_t hash[RF_SHA256_LEN];
    int error = group_shape(conv, &before);
    if (error != 0 || !conv_is_admin(conv, chat->principal))
        return error;
    next = before;
    if (conv->roster.len > 0 && rf_roster_decode(rf_buf_view(&conv->roster), &roster_now) == 0 &&
        roster_now.sequence >= before.sequence) {
        error = rf_sha256(chat->config.crypto, rf_buf_view(&conv->roster), hash);
        next.sequence = roster_now.sequence;
        next.roster_hash = rf_view_of(hash, sizeof(hash));
        next.admins = roster_now.admins;
    }
    if (change->what == CHANGE_TITLE)
        next.title = rf_buf_view(&change->text);
    if (change->what == CHANGE_TOPIC)
        next.topic = rf_buf_view(&change->text);
    if (error != 0 || (rf_view_equal(next.roster_hash, before.roster_hash) &&
                       rf_view_equal(next.title, before.title) && rf_view_equal(next.topic, before.topic)))
        return error;
    shape_extensions(&next, &plan->extensions);
    struct rf_mls_change *c = plan_add(chat, plan, RF_MLS_EXTENSIONS);
    if (c == NULL || rf_buf_error(&plan->extensions) != 0)
        return RF_ENOMEM;
    c->extensions = rf_buf_view(&plan->extensions);
    return 0;
}

static int send_commit(struct chat_conv *conv, struct chat_change *change, const struct plan *plan)
{
    struct rf_mls_commit_options options = {.tree_in_welcome = true};
    struct rf_buf message;
    rf_buf_init(&message, conv->chat->mem, RF_MLS_MESSAGE_MAX_LEN);
    int error = rf_mls_commit(conv->group, plan->changes, plan->count, &options, &message);
    if (error == 0)
        error = out_message(conv, OUT_HANDSHAKE, rf_buf_view(&message), NULL);
    if (error == RF_ELIMIT)
        rf_mls_commit_drop(conv->group); /* too long for a log; it has not left */
    rf_buf_deinit(&message);
    if (error == 0)
        change->step = STEP_WAIT;
    return error;
}

static void next_round(struct chat_conv *conv, struct chat_change *change)
{
    rf_buf_reset(&change->packages);
    change->device_count = 0;
    change->looked = false;
    if (change->what == CHANGE_ADD && change->rest.len > 0) {
        change->step = STEP_LOOKUP;
        return;
    }
    change_end(conv, change, change->error);
}

static void commit(struct chat_conv *conv, struct chat_change *change)
{
    struct rf_chat *chat = conv->chat;
    struct plan plan = {.count = 0};
    int error = 0;
    if (rf_mls_commit_pending(conv->group)) {
        change->step = STEP_WAIT;
        return;
    }
    rf_buf_init(&plan.extensions, chat->mem, 1 << 17);
    if (change->what == CHANGE_ADD)
        error = plan_devices(conv, change, &plan);
    else if (change->what == CHANGE_REMOVE)
        error = plan_removals(conv, change, &plan);
    if (error == 0)
        error = plan_shape(conv, change, &plan);
    bool renews = change->what == CHANGE_TIDY && rf_mls_sent(conv->group) >= CHAT_SENT_MAX;
    bool empty = plan.count == 0 && rf_mls_proposals(conv->group) == 0 && !renews;
    if (error == 0 && !empty)
        error = send_commit(conv, change, &plan);
    rf_free(chat->mem, plan.changes);
    rf_buf_deinit(&plan.extensions);
    if (error == RF_ENOMEM)
        save_break(chat);
    else if (error != 0)
        change_end(conv, change, error);
    else if (empty)
        next_round(conv, change);
    if (error != 0 || empty)
        change_kick(conv);
    else
        out_kick(conv);
}

/* ---- what the log said ---- */

static void send_welcome(struct chat_conv *conv, uint32_t index)
{
    struct rf_view message = rf_mls_welcome(conv->group);
    struct rf_buf out;
    if (message.len == 0)
        return;
    rf_buf_init(&out, conv->chat->mem, RF_MLS_INFO_MAX_LEN);
    welcome_encode(&(struct welcome){index, rf_view_of(conv->chain, CHAT_CHAIN_LEN), message}, &out);
    int error = rf_buf_error(&out);
    if (error == 0)
        error = out_message(conv, OUT_WELCOME, rf_buf_view(&out), NULL);
    if (error == RF_ENOMEM)
        save_break(conv->chat);
    rf_mls_welcome_drop(conv->group); /* too long a one: who was added comes in by the door */
    rf_buf_deinit(&out);
}

void change_committed(struct chat_conv *conv, bool own, bool beaten, uint32_t index)
{
    struct chat_change *change = change_front(conv);
    if (beaten)
        conv->chat->counters.commits_beaten++;
    if (own)
        door_soon(conv);
    if (own)
        send_welcome(conv, index);
    else
        out_drop(conv, OUT_HANDSHAKE); /* Commits and Proposals die with their epoch */
    rf_timer_stop(conv->chat->env->timers, &conv->tidy_timer);
    if (conv->state == RF_CHAT_LEAVING)
        (void)change_leave(conv);
    if (change != NULL && change->step == STEP_WAIT && own)
        change->step =
            STEP_COMMIT; /* it may have been that of another change: what is left to do, says the plan */
    else if (change != NULL && change->step >= STEP_ROSTER)
        change->step = STEP_ROSTER;
}

/* ---- the way through it ---- */

static void begin(struct chat_conv *conv, struct chat_change *change)
{
    if (change->what == CHANGE_ADD) {
        change->rest = rf_buf_view(&change->users);
        rf_buf_reset(&change->packages);
        change->device_count = 0;
        change->step = STEP_LOOKUP;
    } else {
        change->step = STEP_ROSTER;
    }
    if (change->what == CHANGE_TIDY && rf_mls_proposals(conv->group) > 0)
        change->step = STEP_COMMIT;
}

static void leave_now(struct chat_conv *conv, struct chat_change *change)
{
    int error = change_leave(conv);
    if (error == 0)
        conv_set_state(conv, RF_CHAT_LEAVING);
    if (error == RF_ENOMEM)
        save_break(conv->chat);
    change_end(conv, change, error);
}

static void step(struct chat_conv *conv, struct chat_change *change)
{
    RF_ASSERT(conv->group != NULL);
    if (change->step == STEP_NEW)
        begin(conv, change);
    if (change->what == CHANGE_LEAVE)
        leave_now(conv, change);
    else if (change->step == STEP_LOOKUP)
        lookup(conv, change);
    else if (change->step == STEP_ROSTER)
        roster(conv, change);
    else if (change->step == STEP_COMMIT)
        commit(conv, change);
}

/* ---- the first roster, and keeping it alive ---- */

static void on_created(void *arg, const struct rf_store_result *result)
{
    struct chat_conv *conv = conv_of(arg);
    if (conv->chat->freeing || result->error == RF_ECANCELLED)
        return;
    chat_enter(conv->chat);
    conv->change_busy = false;
    if (result->error != 0) {
        pause(conv);
    } else {
        conv->roster_stored_ms = conv->chat->env->now->wall_ms;
        conv->change_pause_us = 0;
        conv->dirty |= DIRTY_CORE;
        if (conv->state == RF_CHAT_CREATING)
            conv_set_state(conv, RF_CHAT_MEMBER);
        log_kick(conv);
        change_kick(conv);
    }
    chat_leave(conv->chat);
}

void roster_refresh(struct chat_conv *conv)
{
    if (conv->chat->env->now->wall_ms < conv->roster_stored_ms + REFRESH_MS || conv->roster.len == 0 ||
        !conv_is_admin(conv, conv->chat->principal))
        return;
    (void)roster_store(conv, rf_buf_view(&conv->roster), on_created);
}

void change_kick(struct chat_conv *conv)
{
    struct rf_chat *chat = conv->chat;
    struct chat_change *change = change_front(conv);
    if (!chat->online || chat->freeing || chat->broken != 0 || conv->change_busy ||
        rf_timer_is_set(&conv->change_timer))
        return;
    if (conv->state == RF_CHAT_CREATING && conv->kept)
        (void)roster_store(conv, rf_buf_view(&conv->roster), on_created);
    if (conv->state != RF_CHAT_MEMBER || conv->group == NULL || !log_caught_up(conv) || conv->change_busy)
        return;
    if (change != NULL)
        step(conv, change);
    else
        roster_refresh(conv);
}
