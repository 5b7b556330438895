/*
 * log.c - reading a log. The home tells by Watch that there is more; what lies between is fetched in batches and taken in the order of the indexes (entry.c), the next batch when the last one is on disk.
 *
 * Who is being joined reads without taking: he looks for the Welcome that opens with one of his key packages, and then begins behind the Commit that it belongs to.
 *
 * Trust. Entries are signed, but the home says which there are and in what order. So every message carries what its writer had seen: a chain of hashes over all entries below an index. Who has another
 * value there was told something else, and people are told so (RF_CHAT_EVENT_DOUBT).
 */
#include <stdlib.h>
#include "chat/internal.h"

#define WINDOW_MIN   16
#define WINDOW_FIRST 128
#define WINDOW_MAX   512
#define SHRUNK_US    (10 * CHAT_S) /* so long a log must be shorter than what was read, until it is read anew */

static bool reads(const struct chat_conv *conv)
{
    return conv->state == RF_CHAT_JOINING || conv->state == RF_CHAT_MEMBER || conv->state == RF_CHAT_LEAVING;
}

static uint32_t position(const struct chat_conv *conv)
{
    return conv->group != NULL ? conv->next : conv->scan > conv->next ? conv->scan : conv->next;
}

static void read_fired(struct rf_timer *timer, void *arg)
{
    struct chat_conv *conv = arg;
    (void)timer;
    chat_enter(conv->chat);
    log_kick(conv);
    chat_leave(conv->chat);
}

/*
 * The home's log ends before the place that we have read to: all of it had expired, or it was lost, and it began anew, or a home told of entries that never were. It is read from its beginning; what was read before
 * is known by its sequences, and by its epochs. Not at once, since words of a home may overtake one another.
 */
static void shrunk_fired(struct rf_timer *timer, void *arg)
{
    struct chat_conv *conv = arg;
    (void)timer;
    if (conv->told_next >= position(conv) || !conv->watched || !reads(conv))
        return;
    chat_enter(conv->chat);
    conv->log_next = conv->told_next;
    conv->scan = conv->scan != 0 ? conv->log_first : 0;
    conv->next = conv->ring_from = conv->log_first;
    conv->chain_known = false;
    conv->dirty |= DIRTY_CORE;
    log_kick(conv);
    out_kick(conv);
    chat_leave(conv->chat);
}

void log_init(struct chat_conv *conv)
{
    rf_timer_init(&conv->shrunk_timer, shrunk_fired, conv);
    conv->window = WINDOW_FIRST;
    rf_timer_init(&conv->read_timer, read_fired, conv);
}

bool log_caught_up(const struct chat_conv *conv)
{
    return conv->watched && conv->log_next <= position(conv) && !conv->fetching;
}

/* ---- watching ---- */

static void on_told(void *arg, const struct rf_watch_told *told)
{
    struct chat_conv *conv = arg;
    struct rf_chat *chat = conv->chat;
    if (chat->freeing || (told->outcome != RF_WATCH_HELD && told->outcome != RF_WATCH_FORBIDDEN))
        return;
    chat_enter(chat);
    conv->barred = told->outcome == RF_WATCH_FORBIDDEN;
    if (conv->barred) { /* out of the roster: the Commit that says so is in the log, or will be */
        chat_timer(chat, &conv->read_timer, 2 * CHAT_S);
        chat_leave(chat);
        return;
    }
    conv->log_first = told->first < told->next ? told->first : told->next;
    conv->generation = told->generation;
    conv->told_next = told->next;
    if (told->next > conv->log_next)
        conv->log_next = told->next;
    if (told->next < position(conv) && !rf_timer_is_set(&conv->shrunk_timer))
        chat_timer(chat, &conv->shrunk_timer, SHRUNK_US);
    log_kick(conv);
    chat_leave(chat);
}

void log_watch(struct chat_conv *conv, bool on)
{
    struct rf_chat_net *net = &conv->chat->config.net;
    on = on && reads(conv);
    if (on && !conv->watched && conv->chat->online) {
        conv->watched = net->watch(net->ctx, &conv->resource, RF_KIND_LOG, 0, 0, on_told, conv) == 0;
        if (!conv->watched)
            chat_timer(conv->chat, &conv->read_timer, 10 * CHAT_S);
    } else if (!on && conv->watched) {
        net->unwatch(net->ctx, &conv->resource, RF_KIND_LOG);
        conv->watched = conv->barred = false;
    }
}

void log_stop(struct chat_conv *conv)
{
    struct rf_chat_net *net = &conv->chat->config.net;
    log_watch(conv, false);
    rf_timer_stop(conv->chat->env->timers, &conv->read_timer);
    rf_timer_stop(conv->chat->env->timers, &conv->shrunk_timer);
    net->cancel(net->ctx, conv);
}

/* ---- doubts ---- */

void log_doubt(struct chat_conv *conv, const char *text)
{
    struct rf_chat_event event = {
        .type = RF_CHAT_EVENT_DOUBT, .of_conversation = true, .text = rf_view_str(text)};
    memcpy(event.conversation, conv->id, sizeof(conv->id));
    conv->chat->counters.doubts++;
    if (conv->doubted)
        return; /* people know; a member could say so at each message */
    conv->doubted = true;
    conv->dirty |= DIRTY_CORE;
    save_event(conv->chat, &event);
}

/* Entries that the log does not have any more, or that the home does not give. */
static void missed(struct chat_conv *conv, uint32_t until)
{
    struct rf_chat_event event = {
        .type = RF_CHAT_EVENT_MISSED, .of_conversation = true, .count = until - conv->next};
    memcpy(event.conversation, conv->id, sizeof(conv->id));
    conv->chat->counters.entries_missed += until - conv->next;
    conv->chain_known = false;
    conv->next = conv->ring_from = until;
    conv->dirty |= DIRTY_CORE;
    save_event(conv->chat, &event);
}

/* ---- reading ---- */

static uint32_t index_of(const struct rf_fetched_value *value)
{
    struct rf_view slot = value->slot;
    uint32_t index = UINT32_MAX;
    return rf_view_u32(&slot, &index) != 0 || slot.len != 0 ? UINT32_MAX : index;
}

static int compare_values(const void *a, const void *b)
{
    uint32_t x = index_of(a), y = index_of(b);
    return x < y ? -1 : x > y;
}

static void take_all(struct chat_conv *conv, const struct rf_fetch_result *result)
{
    for (size_t i = 0; i < result->value_count && reads(conv) && conv->group != NULL; i++) {
        const struct rf_fetched_value *v = &result->values[i];
        uint32_t index = index_of(v);
        if (!v->exists || v->signer == NULL || index == UINT32_MAX || index < conv->next ||
            index >= conv->log_next)
            continue;
        if (index > conv->next && conv->next < conv->log_first)
            missed(conv, index < conv->log_first ? index : conv->log_first);
        if (index > conv->next) {
            log_doubt(conv, "the home gives entries behind others that it does not give");
            missed(conv, index);
        }
        entry_take(conv, v, index);
    }
}

static void scan_all(struct chat_conv *conv, const struct rf_fetch_result *result)
{
    for (size_t i = 0; i < result->value_count && conv->state == RF_CHAT_JOINING && conv->group == NULL;
         i++) {
        const struct rf_fetched_value *v = &result->values[i];
        uint32_t index = index_of(v);
        if (!v->exists || v->signer == NULL || index == UINT32_MAX || index < conv->scan ||
            index >= conv->log_next)
            continue;
        conv->scan = index + 1;
        conv->dirty |= DIRTY_CORE;
        if (entry_scan(conv, v))
            return;
    }
}

/* More was wanted than a region holds, or the answer did not come: a smaller window, later. */
static void read_failed(struct chat_conv *conv, int error)
{
    if (error == RF_ELIMIT || error == RF_ENOMEM)
        conv->window = conv->window / 4 < WINDOW_MIN ? WINDOW_MIN : conv->window / 4;
    chat_timer(conv->chat, &conv->read_timer, chat_backoff(conv->chat, &conv->pause_us));
}

static void on_range(void *arg, const struct rf_fetch_result *result)
{
    struct chat_conv *conv = arg;
    struct rf_chat *chat = conv->chat;
    if (chat->freeing || result->error == RF_ECANCELLED)
        return;
    chat_enter(chat);
    conv->fetching = false;
    if (result->error != 0) {
        read_failed(conv, result->error);
        chat_leave(chat);
        return;
    }
    uint32_t before = position(conv);
    chat->counters.entries_unverified += result->dropped_count;
    qsort(result->values, result->value_count, sizeof(*result->values), compare_values);
    if (conv->group != NULL)
        take_all(conv, result);
    else
        scan_all(conv, result);
    if (position(conv) == before && conv->log_next > before) {
        if (conv->barred || conv->told_next <= before)
            conv->log_next = before; /* nothing is there: what we appended stood there already */
        if (conv->log_first > before && conv->group != NULL)
            missed(conv, conv->log_first); /* all of it has gone */
        read_failed(conv, 0);
    } else {
        conv->pause_us = 0;
        conv->window = conv->window >= WINDOW_MAX / 2 ? WINDOW_MAX : 2 * conv->window;
    }
    log_kick(conv);
    out_kick(conv);
    change_kick(conv);
    chat_leave(chat);
}

void log_kick(struct chat_conv *conv)
{
    struct rf_chat *chat = conv->chat;
    struct rf_chat_net *net = &chat->config.net;
    uint32_t from = position(conv);
    if (!chat->online || chat->freeing || chat->broken != 0 || !reads(conv))
        return;
    log_watch(conv, true);
    if (conv->fetching || rf_timer_is_set(&conv->read_timer) || chat->disk.flying != NULL)
        return;
    if (conv->barred && conv->log_next <= from)
        conv->log_next = from + conv->window;
    if (conv->log_next <= from) {
        if (conv->state == RF_CHAT_JOINING && conv->group == NULL)
            door_look(conv);
        if (conv->watched)
            net->known(net->ctx, &conv->resource, RF_KIND_LOG, conv->generation, from);
        return;
    }
    uint32_t last = conv->log_next - from > conv->window ? from + conv->window - 1 : conv->log_next - 1;
    int error = net->range(net->ctx, &conv->resource, RF_KIND_LOG, from, last, on_range, conv);
    conv->fetching = error == 0;
    if (error != 0)
        read_failed(conv, error);
}
