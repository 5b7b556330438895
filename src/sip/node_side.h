/*
 * node_side.h - struct rf_sip: what belongs to the node's thread, and the doors between its files. The SIP thread sees `core` only.
 */
#ifndef RF_SIP_NODE_SIDE_H
#define RF_SIP_NODE_SIDE_H

#include <pthread.h>
#include "sip/core.h"
#include "sip/sip.h"
#include "sip/text.h"

#define CONN_BURST ((double)1024 * 1024) /* bytes at once from one connection ... */
#define CONN_RATE  ((double)512 * 1024)  /* ... and so many more each second */

/* A command of the control socket that the SIP thread works on. */
struct control {
    struct rf_list list;
    uint64_t number;
    struct rf_control_call *call;
};

/* A question to the node; outlives rf_sip when the node answers late. */
struct pending {
    struct rf_list list;
    struct rf_sip *sip; /* NULL: gone */
    struct rf_mem *mem;
    uint64_t token;
    size_t index;
};

/* An application connection as this thread sees it. */
struct conn_rate {
    struct rf_list list;
    rf_link_id id;
    double tokens; /* bytes */
    uint64_t last_us;
};

/* One of the node's applications that are ours. */
struct side {
    struct rf_sip *sip;
    uint16_t application; /* 0: not taken */
};

struct kept_text {
    struct rf_list list;
    json_t *fields; /* of its event; owned */
};

struct rf_sip {
    struct rf_sip_config config; /* its strings are not valid after rf_sip_new */
    struct rf_sip_counters counters;
    struct channel *to_node, *to_sip;
    struct core core; /* the SIP thread's */
    struct rf_list controls, pendings, conns, kept;
    size_t kept_count;
    uint64_t next_control;
    struct rf_command *commands; /* owned table for rf_control_add */
    size_t command_count;
    struct rf_addr listening;
    pthread_t thread;
    bool has_thread;
    struct side sides[2]; /* sip, sips */
    struct note *quit;    /* allocated in advance: ending must not fail */
    struct tmr farewell;  /* the SIP thread's */
    uint64_t farewell_until_ms;
    /* the thread's start and end */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool started, finished; /* guarded by lock */
    int start_error;
    const char *password; /* until the thread has started */
    char *why;
    size_t why_len;
};

/* overlay.c */
int overlay_open(struct rf_sip *sip);
void overlay_close(struct rf_sip *sip);
void overlay_lookup(struct rf_sip *sip, uint64_t token, const char *aor);
void overlay_attach(struct rf_sip *sip, uint64_t token, size_t index, const struct device *device);

/* commands.c */
int commands_open(struct rf_sip *sip);
void commands_close(struct rf_sip *sip); /* unfinished ones get RF_ECLOSED */
/* control_take: the call of a command that ends now; NULL when it is unknown. control_peek: one that goes on. */
struct rf_control_call *control_take(struct rf_sip *sip, uint64_t number);
struct rf_control_call *control_peek(struct rf_sip *sip, uint64_t number);
void kept_texts_flush(struct rf_sip *sip); /* somebody listens now */

#endif
