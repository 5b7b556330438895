/*
 * find.h - from a name to connections with its devices: lookup in the overlay, then one AppAttach for each device, all at once.
 * States of a find: ASKED (lookup) -> ATTACHING (each device on its own) -> done when every device has been reported.
 * Events: lookup answered, attach answered, connection changed. No timer of its own: node/ bounds both.
 */
#ifndef RF_SIP_FIND_H
#define RF_SIP_FIND_H

#include "sip/core.h"

#define FIND_MAX_DEVICES 32

struct find;

struct find_handler {
    /* found: code 0: `count` devices will be reported; else there is none, for the reason that the SIP code tells: 404 unknown, 480 known but
     * not there (or the overlay did not answer), 482 forwarded in a circle, 483 forwarded too often. */
    void (*found)(void *arg, int code, size_t count);
    /* device: exactly once for each. It is this node (self: flow NULL, error 0), or there is a flow, or an error. Borrowed. */
    void (*device)(void *arg, const struct device *device, int error, const struct flow *flow);
    void *arg;
};

/* find_start: the handler is called later, never inside. aor: full name. Errors: RF_ENOMEM. */
int find_start(struct core *core, const char *aor, const struct find_handler *handler, struct find **out);
/* find_stop: no more calls; also to be called when all is reported. */
void find_stop(struct core *core, struct find *find);
/* find_again asks for a connection to one device: reported without `found`. Errors: RF_ENOMEM. */
int find_again(struct core *core, const struct device *device, const struct find_handler *handler,
               struct find **out);

/* From the node's thread and the bridge. find_looked_up: code as in `found`. */
void find_looked_up(struct core *core, uint64_t token, int code, const struct device *devices, size_t count);
void find_attached(struct core *core, uint64_t token, size_t index, int error, rf_link_id conn);
void find_conn_changed(struct core *core, rf_link_id conn);

#endif
