/*
 * presence.c - who is there. Each device stores its state under its Node-ID for a few minutes, again and again; who wants to know watches the place. A device whose entry has ended is offline: there is no Event for
 * that, so a timer of ours runs. Invisible is the same as offline: nothing is stored.
 */
#include "chat/internal.h"
#include "base/text.h"

#define LIFE_S   300
#define AGAIN_US ((uint64_t)240 * CHAT_S)

/* ---- ours ---- */

static void store(struct rf_chat *chat);

static void on_stored(void *arg, const struct rf_store_result *result)
{
    struct rf_chat *chat = RF_CONTAINER((uint8_t *)arg, struct rf_chat, availability);
    if (chat->freeing || result->error == RF_ECANCELLED)
        return;
    chat_enter(chat);
    chat->presence_storing = false;
    if (!chat->presence_stored)
        store(chat); /* changed meanwhile */
    else if (result->error != 0)
        chat_timer(chat, &chat->presence_timer, 30 * CHAT_S);
    chat_leave(chat);
}

static bool shown(const struct rf_chat *chat)
{
    return chat->availability >= RF_CHAT_ONLINE && chat->availability <= RF_CHAT_BUSY;
}

static void store(struct rf_chat *chat)
{
    struct rf_buf body, value;
    if (!chat->online || chat->presence_storing)
        return;
    rf_buf_init(&body, chat->mem, 512);
    rf_buf_init(&value, chat->mem, 512);
    rf_buf_u8(&body, chat->availability);
    rf_buf_u64(&body, chat->status_ms);
    rf_buf_view_put(&body, rf_buf_view(&chat->status));
    rf_note_encode(rf_buf_view(&body), &value);
    int error = rf_buf_error(&body) != 0 ? RF_ENOMEM : rf_buf_error(&value);
    if (error == 0)
        error = chat->config.net.store(chat->config.net.ctx, &chat->inbox, RF_KIND_PRESENCE,
                                       rf_id_view(&chat->config.identity->node_id), shown(chat),
                                       shown(chat) ? rf_buf_view(&value) : rf_view_of(NULL, 0), LIFE_S,
                                       on_stored, &chat->availability);
    rf_buf_deinit(&body);
    rf_buf_deinit(&value);
    chat->presence_storing = chat->presence_stored = error == 0;
    if (shown(chat) || error != 0)
        chat_timer(chat, &chat->presence_timer,
                   rf_rng_between(chat->env->jitter, AGAIN_US - 20 * CHAT_S, AGAIN_US));
}

static void again_fired(struct rf_timer *timer, void *arg)
{
    struct rf_chat *chat = arg;
    (void)timer;
    chat_enter(chat);
    store(chat);
    chat_leave(chat);
}

void presence_init(struct rf_chat *chat)
{
    rf_timer_init(&chat->presence_timer, again_fired, chat);
}

void presence_online(struct rf_chat *chat)
{
    if (chat->status_ms == 0)
        chat->status_ms = chat->env->now->wall_ms;
    if (shown(chat))
        store(chat);
}

void presence_stop(struct rf_chat *chat)
{
    rf_timer_stop(chat->env->timers, &chat->presence_timer);
    chat->config.net.cancel(chat->config.net.ctx, &chat->availability);
}

static void save(struct rf_chat *chat)
{
    struct rf_buf buf;
    rf_buf_init(&buf, chat->mem, 1024);
    rf_buf_u8(&buf, chat->availability);
    rf_buf_u64(&buf, chat->status_ms);
    rf_buf_view_put(&buf, rf_buf_view(&chat->status));
    if (rf_buf_error(&buf) != 0)
        save_break(chat);
    save_state(chat, NULL, PART_PRESENCE, rf_view_of(NULL, 0), rf_buf_view(&buf));
    rf_buf_deinit(&buf);
}

int presence_load(struct rf_chat *chat, struct rf_view value)
{
    if (rf_view_u8(&value, &chat->availability) != 0 || rf_view_u64(&value, &chat->status_ms) != 0)
        return RF_EFORMAT;
    chat_set(&chat->status, value);
    return rf_buf_error(&chat->status);
}

int rf_chat_set_presence(struct rf_chat *chat, enum rf_chat_availability availability, struct rf_view text)
{
    int error = chat_ready(chat);
    if (error != 0)
        return error;
    if ((unsigned)availability > RF_CHAT_INVISIBLE || !rf_utf8_valid(text))
        return RF_EINVAL;
    if (text.len > RF_CHAT_MAX_NOTE)
        return RF_ELIMIT;
    chat_enter(chat);
    bool was_shown = shown(chat);
    chat->availability = (uint8_t)availability;
    chat->status_ms = chat->env->now->wall_ms;
    chat_set(&chat->status, text);
    save(chat);
    chat->presence_stored = false;
    rf_timer_stop(chat->env->timers, &chat->presence_timer);
    if (was_shown || shown(chat))
        store(chat);
    chat_leave(chat);
    return rf_buf_error(&chat->status);
}

void rf_chat_presence(const struct rf_chat *chat, struct rf_chat_presence *out)
{
    *out = (struct rf_chat_presence){(enum rf_chat_availability)chat->availability,
                                     rf_buf_view(&chat->status), chat->status_ms};
}

/* ---- the contacts' ---- */

static void tell(struct chat_peer *peer)
{
    struct rf_chat_presence presence = {(enum rf_chat_availability)peer->availability,
                                        rf_buf_view(&peer->status), peer->status_ms};
    struct rf_chat_event event = {
        .type = RF_CHAT_EVENT_PRESENCE, .user = rf_buf_view(&peer->name), .presence = &presence};
    save_event(peer->chat, &event);
}

static void look(struct chat_peer *peer);

static void presence_fired(struct rf_timer *timer, void *arg)
{
    struct chat_peer *peer = RF_CONTAINER(timer, struct chat_peer, presence_timer);
    (void)arg;
    chat_enter(peer->chat);
    look(peer);
    chat_leave(peer->chat);
}

/* Of all devices the most available one: online before away before busy. */
static uint8_t take_device(const struct rf_fetched_value *value, struct rf_view *text, uint64_t *since_ms)
{
    struct rf_view content;
    uint8_t availability = 0;
    if (!value->exists || value->signer == NULL || rf_note_decode(value->value, &content) != 0 ||
        rf_view_u8(&content, &availability) != 0 || rf_view_u64(&content, since_ms) != 0 ||
        availability < RF_CHAT_ONLINE || availability > RF_CHAT_BUSY || content.len > RF_CHAT_MAX_NOTE ||
        !rf_utf8_valid(content))
        return RF_CHAT_OFFLINE;
    *text = content;
    return availability;
}

static void take(struct chat_peer *peer, const struct rf_fetch_result *result)
{
    struct rf_chat *chat = peer->chat;
    uint8_t best = RF_CHAT_OFFLINE;
    struct rf_view text = {NULL, 0};
    uint64_t since_ms = chat->env->now->wall_ms, left_s = 0;
    for (size_t i = 0; i < result->value_count; i++) {
        struct rf_view its_text = {NULL, 0};
        uint64_t its_since = 0;
        uint8_t its = take_device(&result->values[i], &its_text, &its_since);
        if (its == RF_CHAT_OFFLINE ||
            !rf_view_equal(result->values[i].signer->cert->user, rf_buf_view(&peer->name)))
            continue;
        if (result->values[i].lifetime_s > left_s)
            left_s = result->values[i].lifetime_s;
        if (best != RF_CHAT_OFFLINE && its > best)
            continue;
        best = its;
        text = its_text;
        since_ms = its_since;
    }
    if (best != RF_CHAT_OFFLINE)
        chat_timer(chat, &peer->presence_timer, (left_s + 2) * CHAT_S);
    if (best == peer->availability && rf_view_equal(text, rf_buf_view(&peer->status)))
        return;
    peer->availability = best;
    peer->status_ms = since_ms;
    chat_set(&peer->status, text);
    tell(peer);
}

static void on_looked(void *arg, const struct rf_fetch_result *result)
{
    struct chat_peer *peer = RF_CONTAINER((struct rf_timer *)arg, struct chat_peer, presence_timer);
    struct rf_chat *chat = peer->chat;
    if (chat->freeing || result->error == RF_ECANCELLED)
        return;
    chat_enter(chat);
    peer->asking = false;
    if (result->error != 0 && result->error != RF_ENOTFOUND) {
        chat_timer(chat, &peer->presence_timer, 30 * CHAT_S);
    } else {
        take(peer, result);
        chat->config.net.known(chat->config.net.ctx, &peer->resource, RF_KIND_PRESENCE, result->generation,
                               (uint32_t)result->value_count);
    }
    chat_leave(chat);
}

static void look(struct chat_peer *peer)
{
    struct rf_chat_net *net = &peer->chat->config.net;
    if (!peer->asking && peer->watched && peer->chat->online)
        peer->asking =
            net->lookup(net->ctx, &peer->resource, RF_KIND_PRESENCE, on_looked, &peer->presence_timer) == 0;
}

static void on_told(void *arg, const struct rf_watch_told *told)
{
    struct chat_peer *peer = RF_CONTAINER((struct rf_timer *)arg, struct chat_peer, presence_timer);
    if (peer->chat->freeing || told->outcome != RF_WATCH_HELD)
        return;
    chat_enter(peer->chat);
    look(peer);
    chat_leave(peer->chat);
}

void presence_watch(struct chat_peer *peer, bool on)
{
    struct rf_chat *chat = peer->chat;
    struct rf_chat_net *net = &chat->config.net;
    if (on && !peer->watched && chat->online) {
        rf_timer_init(&peer->presence_timer, presence_fired, peer);
        peer->watched = net->watch(net->ctx, &peer->resource, RF_KIND_PRESENCE, 0, 0, on_told,
                                   &peer->presence_timer) == 0;
    } else if (!on && peer->watched) {
        net->unwatch(net->ctx, &peer->resource, RF_KIND_PRESENCE);
        net->cancel(net->ctx, &peer->presence_timer);
        rf_timer_stop(chat->env->timers, &peer->presence_timer);
        peer->watched = peer->asking = false;
        peer->availability = RF_CHAT_OFFLINE;
    }
}
