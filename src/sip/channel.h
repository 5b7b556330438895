/*
 * channel.h - notes from one thread to another: a locked list; the receiver is woken when it becomes non-empty. A note is one allocation with
 * a function that runs in the receiving thread.
 */
#ifndef RF_SIP_CHANNEL_H
#define RF_SIP_CHANNEL_H

#include <pthread.h>
#include "base/list.h"
#include "base/mem.h"

struct note {
    struct rf_list list;
    /* run in the receiver's thread; owner is the channel's. The channel frees the note and `extra` afterwards, also when it was never run. */
    void (*run)(void *owner, struct note *note);
    void *extra; /* a second block, may be NULL */
};

struct channel {
    struct rf_mem *mem;
    pthread_mutex_t lock;
    struct rf_list notes;
    void *owner; /* NULL: closed, notes are freed unrun; set and read in the receiver's thread */
    bool woken;  /* a wake-up is under way */
    size_t refs; /* the two ends and wake-ups under way */
    /* wake: called by the sending thread with one reference that channel_drain gives back. */
    void (*wake)(struct channel *channel, void *wake_ctx);
    void *wake_ctx;
};

int channel_new(struct rf_mem *mem, void *owner, void (*wake)(struct channel *channel, void *wake_ctx),
                void *wake_ctx, struct channel **out);
/* channel_note allocates a note of `size` bytes (a struct that begins with struct note), zeroed. NULL: refused. */
void *channel_note(struct channel *channel, size_t size, void (*run)(void *owner, struct note *note));
void channel_send(struct channel *channel, void *note); /* takes the note */
/* channel_run runs what is there. channel_drain also gives the wake-up's reference back. Both in the receiver's thread. */
void channel_run(struct channel *channel);
void channel_drain(void *channel);
/* channel_close: nothing is run from now on. In the receiver's thread. */
void channel_close(struct channel *channel);
void channel_unref(struct channel *channel);
/* channel_free: no other end and no wake-up is left that could give its reference back. */
void channel_free(struct channel *channel);

#endif
