/*
 * watch_internal.h - the inside of Watch, shared by watch*.c and (its doors) by store*.c.
 *
 *   watch.c        the home's tables and the Watch request      watch_event.c  telling the watchers
 *   watch_hold.c   leases follow the ring                       watch_client.c what this node watches
 *
 * A lease belongs to one place and one watcher. It is `mine` while this node is in charge of the place; else it is kept for who is.
 * A watcher is due when one of its leases has news; then at most one Event is under way to it.
 */
#ifndef RF_OVERLAY_WATCH_INTERNAL_H
#define RF_OVERLAY_WATCH_INTERNAL_H

#include "overlay/store_internal.h"
#include "overlay/watch.h"

#define WATCH_MAX_PER_WATCHER 1024
#define WATCH_MAX_PER_PLACE   8192
#define WATCH_MAX_LEASES      65536
#define WATCH_MAX_TAKEN       (WATCH_MAX_LEASES / 4) /* of these taken from others, not asked for here */
#define WATCH_MAX_PER_GIVER   (WATCH_MAX_TAKEN / 2)  /* who are two, rarely more */
#define WATCH_GIVERS          16
#define WATCH_MAX_LEASE_S     (6 * 3600)
#define WATCH_KEY_MAX         (4 + RF_ID_MAX_LEN)
#define WATCH_HOLDERS         3 /* our two replicas; who becomes home in our place */

struct watch_key { /* kind, Resource-ID */
    uint8_t len;
    uint8_t bytes[WATCH_KEY_MAX];
};

struct watch_place {
    struct rf_map_node node; /* in watch->places, by key */
    struct watch_key key;
    struct rf_id resource;
    uint32_t kind;
    struct rf_list leases; /* watch_lease.of_place */
    size_t count;
};

struct watch_watcher {
    struct rf_map_node node; /* in watch->watchers, by id */
    struct store_watch *watch;
    struct rf_id id;
    struct rf_watch_way way;
    struct rf_list leases; /* watch_lease.of_watcher */
    size_t count;
    struct rf_list due; /* in watch->due, or alone */
    struct rf_timer pause;
    uint64_t sent_us;  /* the last Event; 0: none */
    rf_call_id call;   /* of the Event under way, 0: none */
    unsigned failures; /* in a row */
};

struct watch_lease {
    struct rf_list of_place, of_watcher;
    struct rf_list of_taken;   /* in watch->taken; alone: asked for here */
    struct watch_giver *giver; /* whom it was taken from first; NULL: asked for here */
    struct watch_place *place;
    struct watch_watcher *watcher;
    uint64_t until_us;
    uint64_t generation, sent_generation; /* that the watcher knows of; that is under way */
    uint32_t next, sent_next;
    uint8_t member[RF_ROSTER_TAG_LEN];
    bool mine;
    bool news, sent;               /* to be told; in the Event under way */
    bool over;                     /* to be told that it has ended */
    uint32_t given[WATCH_HOLDERS]; /* number of the batch that brought it there; 0: it is to be given */
};

/* One that gets leases: a batch under way. */
struct watch_holder {
    struct store_watch *watch;
    struct rf_id node; /* len 0: nobody */
    uint32_t batch;    /* number of the last */
    rf_call_id call;   /* 0: none */
};

/* One that gave leases. */
struct watch_giver {
    struct rf_id node;
    size_t count; /* of those that are here; 0: free */
};

struct store_watch {
    struct rf_store *store;
    struct rf_map places, watchers;
    size_t lease_count;
    struct rf_list taken; /* watch_lease.of_taken, the longest here first */
    size_t taken_count;
    struct watch_giver givers[WATCH_GIVERS];
    struct rf_list due; /* watch_watcher.due, first come first served */
    size_t calls;       /* Events under way */
    struct rf_timer tell;
    struct rf_timer sweep; /* what has ended */
    struct rf_timer ring;  /* the ring changed: look through all */
    struct rf_timer give;
    struct watch_holder holders[WATCH_HOLDERS];
    uint32_t next_batch;
};

/* ---- watch.c ---- */

/* watch_of gives the home's half, made at the first need. NULL: no memory. */
struct store_watch *watch_of(struct rf_store *store);
void watch_key_make(struct watch_key *key, const struct rf_id *resource, uint32_t kind);
static inline struct rf_view watch_key_view(const struct watch_key *key)
{
    return rf_view_of(key->bytes, key->len);
}
/* watch_lease_get finds or makes a lease that its watcher asks for; where it is full one that was taken makes room. Errors: RF_ELIMIT, RF_ENOMEM. */
int watch_lease_get(struct store_watch *watch, const struct rf_id *resource, uint32_t kind,
                    const struct rf_id *watcher, struct watch_lease **out);
/* watch_lease_take finds a lease or makes one that `giver` passes on, within his share and that of all who do. Errors: RF_ELIMIT, RF_ENOMEM. */
int watch_lease_take(struct store_watch *watch, const struct rf_id *resource, uint32_t kind,
                     const struct rf_id *watcher, const struct rf_id *giver, struct watch_lease **out);
void watch_lease_free(struct store_watch *watch, struct watch_lease *lease); /* and what is empty then */
/* watch_watcher_clear ends all leases of a watcher to whom an Event is under way, who therefore stays; watch_watcher_prune ends one without either. */
void watch_watcher_clear(struct store_watch *watch, struct watch_watcher *watcher);
void watch_watcher_prune(struct store_watch *watch, struct watch_watcher *watcher);
struct watch_place *watch_place_find(const struct store_watch *watch, const struct rf_id *resource,
                                     uint32_t kind); /* NULL: nobody watches it */
/* What is at a place now. */
void watch_look(struct rf_store *store, const struct rf_id *resource, uint32_t kind, uint64_t *generation,
                uint32_t *first, uint32_t *next);

/* ---- watch_event.c ---- */

/* watch_news: the lease's watcher is to be told. */
void watch_news(struct store_watch *watch, struct watch_lease *lease);
void watch_tell_fired(struct rf_timer *timer, void *arg);  /* store_watch.tell */
void watch_pause_fired(struct rf_timer *timer, void *arg); /* watch_watcher.pause */
/* watch_watcher_back: it asks, so it is there: what was to wait because it did not answer is told now. */
void watch_watcher_back(struct watch_watcher *watcher);

/* ---- watch_hold.c ---- */

/* watch_give_soon: leases are to be given to others. */
void watch_give_soon(struct store_watch *watch);
void watch_give_fired(struct rf_timer *timer, void *arg);
void watch_ring_fired(struct rf_timer *timer, void *arg);
void watch_on_hold(struct store_watch *watch, struct rf_request *request);

/* ---- watch_client.c ---- */

void watch_on_event(struct rf_store *store, struct rf_request *request);
void watch_client_free(struct rf_store *store);
void watch_client_stats(const struct rf_store *store, struct rf_watch_stats *out);

#endif
