/*
 * control.h - the command table behind the CLI's socket (later HTTP and WebSocket): requests and results are JSON objects.
 *
 * A session is one connected program. It sends {"id": N, "cmd": "ping", "args": {...}}; it gets any number of {"id": N, "item": {...}} and one
 * {"id": N, "result": {...}} or {"id": N, "error": {"code": "RF_...", "text": "what: why", "hint": "..."}}; and, after `listen`,
 * {"event": {...}} lines. One JSON object per line (docs/protocol/control.md).
 */
#ifndef RF_CONTROL_CONTROL_H
#define RF_CONTROL_CONTROL_H

#include <jansson.h>
#include "base/env.h"
#include "node/node.h"

struct rf_control;
struct rf_session;      /* one connected program */
struct rf_control_call; /* one command under way; ends with exactly one result or error */

struct rf_control_arg {
    const char *name;
    char type; /* 's' string, 'i' integer, 'b' boolean, 'a' array of strings */
    bool required;
    const char *help;
};
struct rf_command {
    const char *name; /* "ping" */
    const char *help; /* one line */
    const struct rf_control_arg *args;
    size_t arg_count;
    /* run: args are checked against the table. Must end the call sooner or later. */
    void (*run)(void *ctx, struct rf_control_call *call, json_t *args);
    void *ctx;
};

struct rf_control_host {
    void *ctx;
    struct rf_now (*now)(void *ctx);
    /* send one line (with its newline) to a session; borrowed */
    void (*send)(void *ctx, struct rf_session *session, const char *line, size_t len);
    void (*shutdown)(void *ctx); /* the `shutdown` command */
    void (*status)(void *ctx,
                   json_t *status); /* adds what the shell knows to the answer of `status`; may be NULL */
    /* counters of the shell, for the command of that name, as in rf_node_counters; may be NULL */
    void (*counters)(void *ctx,
                     void (*fn)(void *arg, const char *room, const char *name, const char *help,
                                uint64_t value),
                     void *arg);
};

int rf_control_new(const struct rf_env *env, struct rf_node *node, const struct rf_control_host *host,
                   struct rf_control **out);
void rf_control_free(struct rf_control *control);
/* rf_control_add: a further command (sip/ brings message, call, ...); the struct must live as long as `control`. */
int rf_control_add(struct rf_control *control, const struct rf_command *command);
void rf_control_remove(struct rf_control *control,
                       const struct rf_command *command); /* its calls have ended */

struct rf_session *rf_control_open(struct rf_control *control, void *user);
void *rf_session_user(struct rf_session *session);
/* rf_control_input: bytes from a session (any cut); a line over 1 MiB or that is no JSON object earns an error line. */
void rf_control_input(struct rf_control *control, struct rf_session *session, const char *bytes, size_t len);
void rf_control_close(struct rf_control *control, struct rf_session *session); /* its calls go on unheard */

/* For commands. Each takes over (steals) the reference on its json. */
void rf_call_item(struct rf_control_call *call, json_t *item);
void rf_call_result(struct rf_control_call *call, json_t *result);
void rf_call_error(struct rf_control_call *call, int error, const char *text, const char *hint);
/* rf_call_cancelled: the session is gone; cheap to ask. */
bool rf_call_cancelled(const struct rf_control_call *call);
struct rf_node *rf_call_node(struct rf_control_call *call);
struct rf_now rf_call_now(struct rf_control_call *call);

/* rf_control_event sends to all listening sessions: {"event": type, ...fields}; steals fields. */
void rf_control_event(struct rf_control *control, const char *type, json_t *fields);
void rf_control_node_event(struct rf_control *control, const struct rf_node_out *out); /* RF_NODE_OUT_EVENT */
size_t rf_control_listeners(const struct rf_control *control); /* sessions that get events */
/* rf_control_on_listen: fn(ctx) is called whenever a session has begun to listen; one party, NULL: none any more. */
void rf_control_on_listen(struct rf_control *control, void (*fn)(void *ctx), void *ctx);

#endif
