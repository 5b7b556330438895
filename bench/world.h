/*
 * world.h - many whole nodes (node/node.h) of one process on one loop and real sockets, and a supernode in a child process that tells what it
 * costs. The load runs on core 1, the supernode on core 0. Writes of the supernode's store are confirmed at once: no disk is measured.
 */
#ifndef RF_BENCH_WORLD_H
#define RF_BENCH_WORLD_H

#include <sys/types.h>
#include "base/list.h"
#include "io/flows.h"
#include "io/loop.h"
#include "node/node.h"
#include "support/pki.h"

struct world;

struct world_node {
    struct world *world;
    struct rf_node *node;
    struct rf_identity identity;
    struct rf_timer timer;
    struct rf_list dirty; /* in world->dirty: has something for the shell */
    char user[64];
    struct rf_addr listen; /* world->listen, unless world_listen gave it its own */
    bool joined, registered;
};

struct world {
    struct rf_pki *pki; /* borrowed */
    const struct rf_engine_ops *engine;
    struct rf_loop *loop;
    struct rf_flows *flows;
    struct rf_loop_task task;
    struct rf_timers timers;
    struct rf_rng_seeded jitter;
    struct rf_addr listen;
    enum rf_node_role role;
    struct world_node *nodes;
    size_t count, started, joined, registered;
    struct rf_list dirty;
    void (*on_input)(struct world *world); /* before bytes are handed to a node; may be NULL */
};

/* world_init makes the loop and names `count` nodes; nodes are not started. `world` must be zero. */
void world_init(struct world *world, struct rf_pki *pki, const struct rf_engine_ops *engine,
                const struct rf_addr *listen, enum rf_node_role role, const char *name, size_t count);
/* world_listen lets every node accept connections at an address of its own: the first at world->listen, the others at free ports. */
void world_listen(struct world *world);
void world_start_node(struct world *world); /* the next one */
/* world_touch must follow every call that may have changed a node. */
void world_touch(struct world_node *n);
void world_once(struct world *world, uint64_t max_wait_us);
struct rf_now world_now(const struct world *world);
/* world_join starts all, at most 64 on their way at once, and runs until all have joined; the program ends when that takes too long. */
void world_join(struct world *world, double limit_s);
void world_run(struct world *world, double seconds);

/* ---- the supernode ---- */

struct super {
    pid_t pid;
    int fd;
    struct rf_addr addr;
    struct rf_id id;
};
struct super_cost {
    double rss, heap; /* bytes: resident; in use on the heap */
    double cpu_s;
    size_t clients;
    uint64_t forwarded;
};
/* super_pki makes the overlay whose bootstrap node the supernode will be; super_start starts it and waits until it is the ring. */
void super_pki(struct super *super, struct rf_pki *pki);
void super_start(struct super *super, struct rf_pki *pki, const struct rf_engine_ops *engine);
struct super_cost super_ask(const struct super *super);
/* super_cold: from now on the supernode's certificate cache is emptied before every read (on), or not any more. */
void super_cold(const struct super *super, bool on);
void super_stop(struct super *super);

#endif
