/* super.c - the supernode under measurement, in a process of its own. */
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/error.h"
#include "harness.h"
#include "ident/trust.h"
#include "io/clock.h"
#include "io/sockets.h"
#include "node/internal.h"
#include "world.h"

void super_pki(struct super *super, struct rf_pki *pki)
{
    static char at[RF_ADDR_TEXT_LEN];
    static const char *bootstraps[1] = {at};
    struct rf_now now;
    int fd;
    must(rf_addr_parse("127.0.0.1:0", 0, &super->addr), "address");
    must(rf_socket_listen(&super->addr, &fd, &super->addr), "a free port");
    rf_socket_close(fd);
    rf_addr_text(&super->addr, at);
    rf_clock_read(&now);
    must(rf_pki_init(pki, &(struct rf_pki_config){.no_ice = true,
                                                  .bootstraps = bootstraps,
                                                  .bootstrap_count = 1,
                                                  .wall_ms = now.wall_ms}),
         "pki");
}

static void cache_clear(struct world *w)
{
    cert_cache_clear(&w->nodes[0].node->trust->cache);
}

static void on_question(void *arg, int fd, unsigned events)
{
    (void)events;
    struct world *w = arg;
    const struct rf_node *node = w->nodes[0].node;
    struct rf_node_status status;
    char byte;
    if (read(fd, &byte, 1) != 1)
        exit(0); /* the load is gone */
    if (byte == 'c' || byte == 'w')
        w->on_input = byte == 'c' ? cache_clear : NULL;
    rf_node_status(node, &status);
    dprintf(fd, "%.0f %zu %.6f %zu %llu\n", rss_bytes(), mallinfo2().uordblks, cpu_s(), status.client_count,
            (unsigned long long)rf_overlay_counters(node->overlay)->forwarded);
}

static void run(struct world *w, const struct super *super, int fd)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    pin(0);
    must(rf_flows_listen(w->flows, &super->addr, NULL), "listen");
    world_start_node(w);
    while (w->joined == 0)
        world_once(w, 100000);
    must(rf_loop_watch(w->loop, fd, RF_LOOP_READ, on_question, w), "watch");
    must(rf_loop_run(w->loop), "loop");
    exit(0);
}

void super_start(struct super *super, struct rf_pki *pki, const struct rf_engine_ops *engine)
{
    static struct world world; /* the child's; the parent only makes the identity, so that Node-IDs differ */
    int pair[2];
    memset(&world, 0, sizeof(world));
    world_init(&world, pki, engine, &super->addr, RF_NODE_SUPERNODE, "super", 1);
    super->id = world.nodes[0].identity.node_id;
    must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0 ? 0 : RF_ESYSTEM, "socketpair");
    fflush(stdout);
    super->pid = fork();
    if (super->pid == 0) {
        close(pair[0]);
        run(&world, super, pair[1]);
    }
    close(pair[1]);
    super->fd = pair[0];
    pin(1);
    (void)super_ask(super); /* answered once it has joined */
}

static struct super_cost ask(const struct super *super, char byte)
{
    struct super_cost cost = {0};
    char text[160];
    unsigned long long forwarded = 0;
    if (write(super->fd, &byte, 1) != 1)
        must(RF_ECLOSED, "the supernode");
    ssize_t n = read(super->fd, text, sizeof(text) - 1);
    text[n > 0 ? n : 0] = '\0';
    if (sscanf(text, "%lf %lf %lf %zu %llu", &cost.rss, &cost.heap, &cost.cpu_s, &cost.clients, &forwarded) !=
        5)
        must(RF_ECLOSED, "the supernode");
    cost.forwarded = forwarded;
    return cost;
}

struct super_cost super_ask(const struct super *super)
{
    return ask(super, '?');
}

void super_cold(const struct super *super, bool on)
{
    (void)ask(super, on ? 'c' : 'w');
}

void super_stop(struct super *super)
{
    close(super->fd);
    waitpid(super->pid, NULL, 0);
}
