/*
 * side.h - what the SIP thread asks of the node's thread: lookups, connections, events, answers of commands. Each function makes a note and
 * returns; nothing is called back inside. Answers come as notes to find.h, bridge.h, local.h and text.h.
 */
#ifndef RF_SIP_SIDE_H
#define RF_SIP_SIDE_H

#include "sip/call.h"
#include "sip/core.h"
#include "sip/media.h"

/* Errors of both: RF_ENOMEM. Answered by find_looked_up and find_attached. */
int side_lookup(struct core *core, uint64_t token, const char *aor);
int side_attach(struct core *core, uint64_t token, size_t index, const struct device *device);

void side_conn_send(struct core *core, rf_link_id conn, struct rf_view bytes);
void side_conn_close(struct core *core, rf_link_id conn);
void side_conn_hold(struct core *core, rf_link_id conn, bool held); /* rf_node_app_hold */

/* side_call_changed tells listeners; an incoming call's ringing is told by side_call_ring, answered by local_listeners. */
void side_call_changed(const struct call *call);
void side_call_ring(const struct call *call);

/* Texts: show tells listeners, keep puts it into the box; both are answered by text_heard. */
void side_text_show(struct core *core, uint64_t token, const char *from, const struct rf_id *device,
                    const char *text, size_t len);
void side_text_keep(struct core *core, uint64_t token, const char *from, const struct rf_id *device,
                    const char *text, size_t len);
/* The end of a `message` command. code: a SIP code, 2xx good. */
void side_text_done(struct core *core, uint64_t control, int code, size_t delivered, size_t kept,
                    size_t devices);

/* Commands, by the number that the node's side gave them. Each is ended once: by error, call_result or done. */
void side_control_poll(struct core *core, uint64_t control);
void side_control_error(struct core *core, uint64_t control, int error, const char *text, const char *hint);
void side_control_call_state(struct core *core, uint64_t control, const struct call *call);
void side_control_call_result(struct core *core, uint64_t control, const char *id, const char *reason,
                              const struct media_stats *stats);
void side_control_phone(struct core *core, uint64_t control, const char *contact, const char *address,
                        const char *transport, unsigned expires_s);
void side_control_done(struct core *core, uint64_t control);

#endif
