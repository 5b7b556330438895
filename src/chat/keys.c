/*
 * keys.c - own key packages: a few that are used once and one of last resort, stored at H(user name) under this device's Node-ID, with the device's door key. Secrets are on disk before the package leaves. What a
 * Welcome has used is replaced; its secrets are kept for a day, since somebody else may have taken the same one.
 */
#include "chat/internal.h"

#define DAY_MS        (UINT64_C(24) * 3600 * 1000)
#define LIFE_S        (UINT64_C(90) * 24 * 3600)
#define ROTATE_MS     (7 * DAY_MS) /* the last resort */
#define KEEP_LAST_MS  (30 * DAY_MS)
#define AGAIN_US      (UINT64_C(10) * 24 * 3600 * CHAT_S)
#define SKEW_S        (24 * 3600) /* members' clocks differ */
#define KEY_FLAG_LAST 1u

static void publish(struct rf_chat *chat);

static void keys_fired(struct rf_timer *timer, void *arg)
{
    struct rf_chat *chat = arg;
    (void)timer;
    chat_enter(chat);
    chat->keys.stored = false;
    publish(chat);
    chat_leave(chat);
}

void keys_init(struct rf_chat *chat)
{
    rf_list_init(&chat->keys.all);
    rf_timer_init(&chat->keys.timer, keys_fired, chat);
}

static void key_free(struct rf_chat *chat, struct chat_key *key)
{
    rf_list_remove(&key->list);
    rf_buf_deinit(&key->message);
    rf_wipe(&key->secret, sizeof(key->secret));
    rf_free(chat->mem, key);
}

void keys_deinit(struct rf_chat *chat)
{
    rf_timer_stop(chat->env->timers, &chat->keys.timer);
    if (chat->keys.watched)
        chat->config.net.unwatch(chat->config.net.ctx, &chat->inbox, RF_KIND_KEY_PACKAGE);
    chat->config.net.cancel(chat->config.net.ctx, &chat->keys);
    while (!rf_list_empty(&chat->keys.all))
        key_free(chat, RF_LIST_ENTRY(chat->keys.all.next, struct chat_key, list));
}

static struct chat_key *key_new(struct rf_chat *chat)
{
    struct chat_key *key = rf_zalloc(chat->mem, sizeof(*key));
    if (key == NULL)
        return NULL;
    rf_buf_init(&key->message, chat->mem, 1 << 16);
    rf_list_push_back(&chat->keys.all, &key->list);
    return key;
}

static void key_save(struct rf_chat *chat, const struct chat_key *key)
{
    struct rf_buf buf;
    rf_buf_init(&buf, chat->mem, 1 << 17);
    rf_buf_u8(&buf, key->last_resort ? KEY_FLAG_LAST : 0);
    rf_buf_u64(&buf, key->made_ms);
    rf_buf_u64(&buf, key->used_ms);
    rf_buf_put(&buf, key->secret.init, sizeof(key->secret.init));
    rf_buf_put(&buf, key->secret.leaf, sizeof(key->secret.leaf));
    rf_buf_view_put(&buf, rf_buf_view(&key->message));
    if (rf_buf_error(&buf) != 0)
        save_break(chat);
    save_state(chat, NULL, PART_KEYS, rf_view_of(key->ref, sizeof(key->ref)), rf_buf_view(&buf));
    rf_buf_deinit(&buf);
}

int keys_load(struct rf_chat *chat, struct rf_view name, struct rf_view value)
{
    struct rf_view init, leaf;
    uint8_t flags = 0;
    struct chat_key *key = name.len == RF_MLS_SECRET_LEN ? key_new(chat) : NULL;
    if (key == NULL)
        return name.len == RF_MLS_SECRET_LEN ? RF_ENOMEM : RF_EFORMAT;
    if (rf_view_u8(&value, &flags) != 0 || rf_view_u64(&value, &key->made_ms) != 0 ||
        rf_view_u64(&value, &key->used_ms) != 0 ||
        rf_view_take(&value, sizeof(key->secret.init), &init) != 0 ||
        rf_view_take(&value, sizeof(key->secret.leaf), &leaf) != 0) {
        key_free(chat, key);
        return RF_EFORMAT;
    }
    key->last_resort = (flags & KEY_FLAG_LAST) != 0;
    memcpy(key->ref, name.p, name.len);
    memcpy(key->secret.init, init.p, init.len);
    memcpy(key->secret.leaf, leaf.p, leaf.len);
    rf_buf_view_put(&key->message, value);
    return rf_buf_error(&key->message);
}

/* ---- making ---- */

static int make(struct rf_chat *chat, bool last_resort)
{
    struct rf_mls_profile profile;
    struct rf_mls_key_package_info info;
    uint64_t now_s = chat->env->now->wall_ms / RF_MS_PER_S;
    struct chat_key *key = key_new(chat);
    if (key == NULL)
        return RF_ENOMEM;
    key->last_resort = last_resort;
    key->made_ms = chat->env->now->wall_ms;
    int error = group_profile(chat, &profile);
    if (error == 0)
        error = rf_mls_key_package_new(&chat->mls, chat->suite, &profile, now_s - SKEW_S, now_s + LIFE_S,
                                       last_resort, &key->secret, &key->message);
    if (error == 0)
        error = rf_mls_key_package_check(&chat->mls, rf_buf_view(&key->message), now_s, 0, &info);
    if (error != 0) {
        key_free(chat, key);
        return error;
    }
    memcpy(key->ref, info.ref, sizeof(key->ref));
    key_save(chat, key);
    return 0;
}

static bool is_old(const struct rf_chat *chat, const struct chat_key *key)
{
    uint64_t now_ms = chat->env->now->wall_ms;
    if (key->used_ms != 0)
        return now_ms > key->used_ms + (key->last_resort ? KEEP_LAST_MS : DAY_MS);
    return now_ms > key->made_ms + LIFE_S * RF_MS_PER_S;
}

/* As many as fit into one message with the one of last resort. */
static size_t one_time_count(const struct rf_chat *chat)
{
    size_t one = chat->credential.len + 700, room = chat->conf->max_message_size;
    size_t used = 3000 + one;
    size_t count = room > used ? (room - used) / one : 0;
    return count < KEYS_ONE_TIME ? count : KEYS_ONE_TIME;
}

/* What is too old goes, what is missing is made. true: something new is to be stored. */
static bool fill_up(struct rf_chat *chat)
{
    size_t count = 0, last = 0;
    bool made = false;
    uint64_t now_ms = chat->env->now->wall_ms;
    RF_LIST_EACH_SAFE(&chat->keys.all, it)
    {
        struct chat_key *key = RF_LIST_ENTRY(it, struct chat_key, list);
        if (is_old(chat, key)) {
            save_drop(chat, NULL, PART_KEYS, rf_view_of(key->ref, sizeof(key->ref)));
            key_free(chat, key);
            continue;
        }
        if (key->last_resort && key->used_ms == 0 && now_ms > key->made_ms + ROTATE_MS) {
            key->used_ms = now_ms;
            key_save(chat, key);
        }
        count += !key->last_resort && key->used_ms == 0;
        last += key->last_resort && key->used_ms == 0;
    }
    for (; last < 1 && chat->broken == 0; last++)
        made |= make(chat, true) == 0;
    for (; count < one_time_count(chat) && chat->broken == 0; count++)
        made |= make(chat, false) == 0;
    return made;
}

/* ---- storing ---- */

static void on_stored(void *arg, const struct rf_store_result *result)
{
    struct chat_keys *keys = arg;
    struct rf_chat *chat = RF_CONTAINER(keys, struct rf_chat, keys);
    if (chat->freeing || result->error == RF_ECANCELLED)
        return;
    chat_enter(chat);
    keys->storing = false;
    if (result->error != 0) {
        keys->stored = false;
        chat_timer(chat, &keys->timer, chat_backoff(chat, &keys->pause_us));
    } else if (!keys->stored) { /* changed meanwhile */
        publish(chat);
    } else {
        keys->pause_us = 0;
        chat_timer(chat, &keys->timer, rf_rng_between(chat->env->jitter, AGAIN_US / 2, AGAIN_US));
    }
    chat_leave(chat);
}

static void put_offer(struct rf_chat *chat, struct rf_buf *out)
{
    struct rf_buf list, body;
    size_t count = 0;
    struct offer offer = {.suite = chat->suite, .door = rf_view_of(chat->door.public, chat->door.public_len)};
    rf_buf_init(&list, chat->mem, 1 << 16);
    rf_buf_init(&body, chat->mem, 1 << 17);
    RF_LIST_EACH(&chat->keys.all, it)
    {
        struct chat_key *key = RF_LIST_ENTRY(it, struct chat_key, list);
        if (key->used_ms != 0 || (!key->last_resort && count++ >= one_time_count(chat)))
            continue;
        if (key->last_resort)
            offer.last_resort = rf_buf_view(&key->message);
        else
            rf_buf_v(&list, 2, rf_buf_view(&key->message));
    }
    offer.packages = rf_buf_view(&list);
    offer_encode(&offer, &body);
    rf_note_encode(rf_buf_view(&body), out);
    if (rf_buf_error(&list) != 0 || rf_buf_error(&body) != 0)
        rf_buf_fail(out, RF_ENOMEM);
    rf_buf_deinit(&list);
    rf_buf_deinit(&body);
}

static void store_now(struct rf_chat *chat, const struct chat_after *after)
{
    struct rf_buf value;
    (void)after;
    if (!chat->online || chat->keys.storing || chat->keys.stored)
        return;
    rf_buf_init(&value, chat->mem, 1 << 17);
    put_offer(chat, &value);
    int error = rf_buf_error(&value);
    if (error == 0)
        error = chat->config.net.store(chat->config.net.ctx, &chat->inbox, RF_KIND_KEY_PACKAGE,
                                       rf_id_view(&chat->config.identity->node_id), true, rf_buf_view(&value),
                                       CHAT_LOG_S, on_stored, &chat->keys);
    rf_buf_deinit(&value);
    chat->keys.storing = chat->keys.stored = error == 0;
    if (error != 0)
        chat_timer(chat, &chat->keys.timer, chat_backoff(chat, &chat->keys.pause_us));
}

static void publish(struct rf_chat *chat)
{
    if (!chat->online || chat->freeing || chat->broken != 0)
        return;
    if (fill_up(chat))
        chat->keys.stored = false;
    if (!chat->keys.stored && !chat->keys.storing)
        (void)save_after(chat, NULL, store_now);
}

/* ---- our other devices ---- */

/* A device of ours that is in the overlay is brought into all conversations that it is not in. */
static void bring_in(struct rf_chat *chat, const struct rf_id *device)
{
    struct rf_view own = chat->config.identity->cert->user;
    RF_LIST_EACH_SAFE(&chat->order, it)
    {
        struct chat_conv *conv = RF_LIST_ENTRY(it, struct chat_conv, list);
        bool wanted = false;
        RF_LIST_EACH(&conv->changes, c)
        {
            const struct chat_change *change = RF_LIST_ENTRY(c, const struct chat_change, list);
            wanted |= change->what == CHANGE_ADD && change->users.len == own.len + 1;
        }
        if (conv->state == RF_CHAT_MEMBER && conv->group != NULL && !wanted &&
            group_device(conv, device) == NULL)
            (void)change_new(conv, CHANGE_ADD, &own, 1, rf_view_of(NULL, 0), NULL, NULL);
    }
}

static void on_own(void *arg, const struct rf_fetch_result *result)
{
    struct rf_chat *chat = RF_CONTAINER((struct chat_keys *)arg, struct rf_chat, keys);
    if (chat->freeing || result->error == RF_ECANCELLED)
        return;
    chat_enter(chat);
    chat->keys.looking = false;
    for (size_t i = 0; i < result->value_count && result->error == 0; i++) {
        const struct rf_fetched_value *v = &result->values[i];
        if (v->exists && v->signer != NULL &&
            rf_view_equal(chat_principal_of(v->signer->cert), chat->principal) &&
            !rf_id_equal(&v->signer->node_id, &chat->config.identity->node_id))
            bring_in(chat, &v->signer->node_id);
    }
    if (result->error == 0)
        chat->config.net.known(chat->config.net.ctx, &chat->inbox, RF_KIND_KEY_PACKAGE, result->generation,
                               (uint32_t)result->value_count);
    chat_leave(chat);
}

static void on_told(void *arg, const struct rf_watch_told *told)
{
    struct rf_chat *chat = RF_CONTAINER((struct chat_keys *)arg, struct rf_chat, keys);
    if (chat->freeing || told->outcome != RF_WATCH_HELD || chat->keys.looking)
        return;
    chat_enter(chat);
    chat->keys.looking = chat->config.net.lookup(chat->config.net.ctx, &chat->inbox, RF_KIND_KEY_PACKAGE,
                                                 on_own, &chat->keys) == 0;
    chat_leave(chat);
}

void keys_online(struct rf_chat *chat)
{
    struct rf_chat_net *net = &chat->config.net;
    publish(chat);
    if (!chat->keys.watched)
        chat->keys.watched =
            net->watch(net->ctx, &chat->inbox, RF_KIND_KEY_PACKAGE, 0, 0, on_told, &chat->keys) == 0;
}

void keys_changed(struct rf_chat *chat)
{
    RF_LIST_EACH(&chat->keys.all, it)
    {
        struct chat_key *key = RF_LIST_ENTRY(it, struct chat_key, list);
        if (key->used_ms == 0) {
            key->used_ms = chat->env->now->wall_ms;
            key_save(chat, key);
        }
    }
    chat->keys.stored = false;
    publish(chat);
}

struct chat_key *keys_find(struct rf_chat *chat, struct rf_view welcome)
{
    RF_LIST_EACH(&chat->keys.all, it)
    {
        struct chat_key *key = RF_LIST_ENTRY(it, struct chat_key, list);
        if (rf_mls_welcome_names(welcome, key->ref))
            return key;
    }
    return NULL;
}

void keys_used(struct rf_chat *chat, struct chat_key *key)
{
    if (key->used_ms == 0) {
        key->used_ms = chat->env->now->wall_ms;
        key_save(chat, key);
    }
    chat->keys.stored = false;
    publish(chat);
}
