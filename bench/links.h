/*
 * links.h - what bench_link and bench_dtls share: nodes that have nothing but links, a child process in which every link is a node of its own
 * and that makes the load, and the figures of the server, which is this process.
 */
#ifndef RF_BENCH_LINKS_H
#define RF_BENCH_LINKS_H

#include "base/error.h"
#include "harness.h"
#include "link/link.h"

struct links_node {
    struct rf_links *links;
    struct rf_trust *trust;
    struct rf_identity identity;
    rf_link_id link;
    size_t index;
    int fd; /* the bench's */
};

/* How the bytes of links travel, and over which engines. */
struct links_bench {
    bool datagrams;
    struct {
        const char *name; /* of its figures */
        const struct rf_engine_ops *ops;
    } engine[2];
    const struct rf_now *(*start)(void); /* a new process begins; returns its clock */
    uint16_t (*listen)(void);            /* the server, nodes[0]; returns its port */
    void (*watch)(int fd);               /* `once` returns when there is something to read, too */
    void (*ready)(void);                 /* the child's nodes are there */
    int (*dial)(struct links_node *node, uint16_t port);
    void (*drain)(struct links_node *node); /* takes what its links want to do */
    void (*once)(void);                     /* waits a little for something, and does it */
    void (*rest)(void);                     /* the child has closed all; until that is done */
    bool
        touch; /* a frame over each link before its memory is measured: until then GnuTLS keeps the last flight */
};

extern struct links_node *nodes;
extern size_t node_count;
extern struct rf_env links_env;
extern struct rf_timers links_timers;
/* what happened */
extern size_t links_ups, links_downs;

/* links_main: [LINKS [FRAMES]]; the program's exit code. */
int links_main(int argc, char **argv, const struct links_bench *how);

#endif
