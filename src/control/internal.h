/* internal.h - the inside of control/. */
#ifndef RF_CONTROL_INTERNAL_H
#define RF_CONTROL_INTERNAL_H

#include "base/list.h"
#include "control/control.h"

#define CONTROL_MAX_LINE     ((size_t)1024 * 1024)
#define CONTROL_MAX_OUTPUT   ((size_t)8 * 1024 * 1024) /* one line */
#define CONTROL_MAX_COMMANDS 64
#define CONTROL_MAX_CALLS    256 /* under way in one session */

struct rf_session {
    struct rf_list list; /* in control->sessions */
    void *user;
    struct rf_buf line; /* what came of the next line so far */
    bool overlong;      /* the line is too long: skip to its end */
    bool listening;
    size_t call_count;
};

struct rf_control_call {
    struct rf_list list; /* in control->calls */
    struct rf_control *control;
    struct rf_session *session; /* NULL: gone */
    json_t *id;                 /* owned, may be NULL */
    const struct rf_command *command;
    json_t *keep; /* for commands that gather items; owned, may be NULL */
};

struct rf_control {
    struct rf_env env;
    struct rf_node *node;
    struct rf_control_host host;
    struct rf_list sessions, calls;
    const struct rf_command *commands[CONTROL_MAX_COMMANDS];
    size_t command_count;
    void (*on_listen)(void *ctx); /* may be NULL */
    void *on_listen_ctx;
};

/* json.c: values as people and scripts see them */
json_t *control_json_id(const struct rf_id *id);
json_t *control_json_view(struct rf_view text); /* invalid UTF-8 becomes hex */
/* control_json_cut: a sentence; snprintf may have cut it or a name in it within a character: the bytes of such become '?' */
json_t *control_json_cut(const char *text);
json_t *control_json_hex(struct rf_view bytes);
json_t *control_json_addr(const struct rf_addr *addr);
json_t *control_json_time(uint64_t wall_ms); /* RFC 3339, UTC */
/* control_error_name: "RF_ETIMEOUT" */
const char *control_error_name(int error);

/* commands.c, status.c, relay.c */
extern const struct rf_command control_commands[];
extern const size_t control_command_count;
void control_status(void *ctx, struct rf_control_call *call, json_t *args);
void control_peers(void *ctx, struct rf_control_call *call, json_t *args);
void control_ring(void *ctx, struct rf_control_call *call, json_t *args);
void control_counters(void *ctx, struct rf_control_call *call, json_t *args);
void control_services(void *ctx, struct rf_control_call *call, json_t *args);
void control_relay(void *ctx, struct rf_control_call *call, json_t *args);

#endif
