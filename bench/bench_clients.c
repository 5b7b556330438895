/*
 * bench_clients.c - what an idle attached client costs a supernode: bytes of process memory, traffic, and the CPU to take it in.
 *
 *     bench_clients [N [IDLE SECONDS]]     default 1000 clients, 20 s
 *
 * The supernode is the daemon's node and shell on real sockets in a child process; this process is N whole client nodes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "harness.h"
#include "world.h"

static double traffic(const struct world *w)
{
    const struct rf_flows_counters *c = rf_flows_counters(w->flows);
    return (double)(c->bytes_in + c->bytes_out);
}

int main(int argc, char **argv)
{
    static struct world clients;
    static struct rf_pki pki;
    struct super super;
    size_t count = argc > 1 ? strtoul(argv[1], NULL, 10) : 1000;
    double idle_s = argc > 2 ? strtod(argv[2], NULL) : 20;
    if (count == 0 || count > 15000 || idle_s <= 0) {
        fprintf(stderr, "usage: bench_clients [CLIENTS 1..15000 [IDLE SECONDS]]\n");
        return 2;
    }
    super_pki(&super, &pki);
    super_start(&super, &pki, &rf_engine_gnutls);
    struct rf_addr nowhere = super.addr;
    nowhere.port = 1; /* nobody dials clients here */
    world_init(&clients, &pki, &rf_engine_gnutls, &nowhere, RF_NODE_CLIENT, "user", count);

    struct super_cost before = super_ask(&super);
    double begin = wall_s();
    world_join(&clients, 60 + (double)count / 20);
    double joined_s = wall_s() - begin;
    struct super_cost joined = super_ask(&super);
    world_run(&clients, 2); /* what joining still has to say */
    struct super_cost settled = super_ask(&super);
    double bytes = traffic(&clients);
    world_run(&clients, idle_s);
    bytes = traffic(&clients) - bytes;
    struct super_cost idle = super_ask(&super);

    double n = (double)count;
    figure((double)idle.clients, "clients.attached");
    figure(joined_s, "clients.join_s");
    figure((idle.rss - before.rss) / n, "clients.rss_bytes");
    figure((idle.heap - before.heap) / n, "clients.heap_bytes");
    figure((joined.rss - before.rss) / n, "clients.rss_bytes_joined");
    figure((joined.cpu_s - before.cpu_s) * 1e6 / n, "clients.join_cpu_us");
    figure(bytes / n * 60 / idle_s, "clients.idle_bytes_per_min");
    figure((idle.cpu_s - settled.cpu_s) * 1e6 / n * 60 / idle_s, "clients.idle_cpu_us_per_min");
    super_stop(&super);
    fflush(stdout);
    _exit(idle.clients == count ? 0 : 1); /* ten thousand nodes need not be taken apart */
}
