/* channel.c - notes from one thread to another. */
#include "sip/channel.h"
#include "base/error.h"

int channel_new(struct rf_mem *mem, void *owner, void (*wake)(struct channel *channel, void *wake_ctx),
                void *wake_ctx, struct channel **out)
{
    struct channel *channel = rf_zalloc(mem, sizeof(*channel));
    if (channel == NULL)
        return RF_ENOMEM;
    channel->mem = mem;
    pthread_mutex_init(&channel->lock, NULL);
    rf_list_init(&channel->notes);
    channel->owner = owner;
    channel->wake = wake;
    channel->wake_ctx = wake_ctx;
    channel->refs = 1;
    *out = channel;
    return 0;
}

static void note_free(struct channel *channel, struct note *note)
{
    rf_free(channel->mem, note->extra);
    rf_free(channel->mem, note);
}

void channel_unref(struct channel *channel)
{
    if (channel == NULL)
        return;
    pthread_mutex_lock(&channel->lock);
    size_t left = --channel->refs;
    pthread_mutex_unlock(&channel->lock);
    if (left > 0)
        return;
    RF_LIST_EACH_SAFE(&channel->notes, it)
    {
        note_free(channel, RF_LIST_ENTRY(it, struct note, list));
    }
    pthread_mutex_destroy(&channel->lock);
    rf_free(channel->mem, channel);
}

void channel_free(struct channel *channel)
{
    if (channel == NULL)
        return;
    channel->refs = 1;
    channel_unref(channel);
}

void *channel_note(struct channel *channel, size_t size, void (*run)(void *owner, struct note *note))
{
    struct note *note = rf_zalloc(channel->mem, size);
    if (note != NULL) {
        rf_list_init(&note->list);
        note->run = run;
    }
    return note;
}

void channel_send(struct channel *channel, void *note)
{
    pthread_mutex_lock(&channel->lock);
    rf_list_push_back(&channel->notes, &((struct note *)note)->list);
    bool wake = !channel->woken;
    if (wake) {
        channel->woken = true;
        channel->refs++;
    }
    pthread_mutex_unlock(&channel->lock);
    if (wake)
        channel->wake(channel, channel->wake_ctx);
}

void channel_run(struct channel *channel)
{
    struct rf_list batch;

    rf_list_init(&batch);
    pthread_mutex_lock(&channel->lock);
    while (!rf_list_empty(&channel->notes)) {
        struct rf_list *first = channel->notes.next;
        rf_list_remove(first);
        rf_list_push_back(&batch, first);
    }
    pthread_mutex_unlock(&channel->lock);
    while (!rf_list_empty(&batch)) {
        struct note *note = RF_LIST_ENTRY(batch.next, struct note, list);
        rf_list_remove(&note->list);
        if (channel->owner != NULL)
            note->run(channel->owner, note);
        note_free(channel, note);
    }
}

void channel_drain(void *arg)
{
    struct channel *channel = arg;

    pthread_mutex_lock(&channel->lock);
    channel->woken = false;
    pthread_mutex_unlock(&channel->lock);
    channel_run(channel);
    channel_unref(channel);
}

void channel_close(struct channel *channel)
{
    channel->owner = NULL;
}
