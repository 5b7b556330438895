/*
 * watch.h - Watch and Event (docs/protocol/conversations.md): being told when something changes at a place, that is, under one Kind at one resource. The home's
 * half answers Watch, holds the leases, tells the watchers and gives the leases to whoever may be home next. The watcher's half, on any node, knows the places that
 * this node watches, asks their homes about many at once, renews, and is told.
 *
 * A place that this node watches is in one of these states:
 *
 *   WANTED   to be asked about: it was just added, the node came online, the lease is due, the home is another one or did not answer. Places whose home is known
 *            go into one request to it; of the others a growing number at a time go alone, by Resource-ID, and who answers is the home
 *   ASKED    a request is under way
 *   HELD     the home tells us. At two thirds of the lease WANTED again, with what else that home holds and is due soon
 *   REFUSED  told with the outcome; asked again after 10 minutes
 *
 * Timers: one, for the earliest place. What fails waits 2 s, doubled up to 2 min. An Event by a node that is not the place's home makes it WANTED, at most every 5 s.
 */
#ifndef RF_OVERLAY_WATCH_H
#define RF_OVERLAY_WATCH_H

#include "overlay/message.h"
#include "overlay/usage.h"
#include "wire/event.h"

/*
 * rf_store_watch_request takes a request of method exp_a if it is one of Watch, and answers it. False: it is none. Who registers exp_a
 * asks here first.
 */
bool rf_store_watch_request(struct rf_store *store, struct rf_request *request);

struct rf_watch_stats {
    size_t places, held; /* that we watch; of these with a lease */
    size_t leases, watchers,
        watched; /* of others, at this home or for it: leases, whose, and of how many places */
};
void rf_watch_stats(const struct rf_store *store, struct rf_watch_stats *out);

#endif
