/*
 * bench_nice.c - the same of libnice, as far as it lets itself be measured: memory and time of agents that have gathered (each has sockets of its own).
 *
 *     bench_nice [AGENTS, default 1000]
 */
#include <nice/agent.h>
#include <stdlib.h>

#include "harness.h"

int main(int argc, char **argv)
{
    int count = argc > 1 ? atoi(argv[1]) : 1000;
    GMainLoop *loop = g_main_loop_new(NULL, FALSE);
    NiceAgent **agents = calloc((size_t)count, sizeof(*agents));
    NiceAddress loopback;
    pin(0);
    nice_address_init(&loopback);
    nice_address_set_from_string(&loopback, "127.0.0.1");
    double rss = rss_bytes(), cpu = cpu_s();
    for (int i = 0; i < count; i++) {
        agents[i] = nice_agent_new(g_main_loop_get_context(loop), NICE_COMPATIBILITY_RFC5245);
        g_object_set(agents[i], "upnp", FALSE, "ice-tcp", FALSE, NULL);
        nice_agent_add_local_address(agents[i], &loopback);
        guint stream = nice_agent_add_stream(agents[i], 1);
        if (!nice_agent_gather_candidates(agents[i], stream))
            return 1;
    }
    while (g_main_context_iteration(g_main_loop_get_context(loop), FALSE))
        ;
    figure((cpu_s() - cpu) / count * 1e6, "nice.open.cpu_us");
    figure((rss_bytes() - rss) / count, "nice.open.bytes");
    return 0;
}
