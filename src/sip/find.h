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
    /* found: error 0: `count` devices will be reported; RF_ENOTFOUND: none (exists: the user is known all the same); else it failed. */
    void (*found)(void *arg, int error, bool exists, size_t count);
    /* device: exactly once for each. self: this node is that device (flow NULL, error 0); else flow, or error. Index counts from 0. */
    void (*device)(void *arg, size_t index, const struct rf_id *node, bool self, int error,
                   const struct flow *flow);
    void *arg;
};

/* find_start: the handler is called later, never inside. aor: full name. Errors: RF_ENOMEM. */
int find_start(struct core *core, const char *aor, const struct find_handler *handler, struct find **out);
/* find_stop: no more calls; also to be called when all is reported. */
void find_stop(struct core *core, struct find *find);
/* find_again asks for a connection to one device: reported as its index 0, without `found`. Errors: RF_ENOMEM. */
int find_again(struct core *core, const struct rf_id *node, const char *aor,
               const struct find_handler *handler, struct find **out);

/* From the node's thread and the bridge. */
struct find_device {
    struct rf_id node;
    bool self;
};
void find_looked_up(struct core *core, uint64_t token, int error, bool exists,
                    const struct find_device *devices, size_t count);
void find_attached(struct core *core, uint64_t token, size_t index, int error, rf_link_id conn);
void find_conn_changed(struct core *core, rf_link_id conn);

#endif
