/*
 * bench_clients.c - what an idle attached client costs a supernode: bytes of process memory, traffic, and the time to take them all in.
 *
 * usage: bench_clients [N]     N clients (default 1000; 10000 is the figure of docs/benchmarks.md)
 *
 * A child process is the supernode: the daemon's node and shell on real sockets, its store in memory only. This process is N whole client
 * nodes on one loop. Loopback, ports by the kernel; it ends by itself.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include "io/clock.h"
#include "io/flows.h"
#include "io/loop.h"
#include "io/random.h"
#include "io/sockets.h"
#include "node/node.h"
#include "support/pki.h"

#define IN_FLIGHT 64
#define IDLE_US   (20 * RF_US_PER_S)

struct client {
    struct bench *bench;
    struct rf_node *node;
    struct rf_identity identity;
    struct rf_timer timer;
    bool dirty, joined;
};

struct bench {
    struct rf_loop *loop;
    struct rf_flows *flows;
    struct rf_loop_task task;
    struct rf_timers timers;
    struct rf_pki pki;
    struct rf_rng_seeded jitter;
    struct rf_addr listen;
    struct client *clients; /* the supernode: one */
    size_t count, started, joined, dirty_at;
    bool server, stop_when_joined;
    int parent_fd;
};

static uint64_t flow_of(size_t index, rf_link_id link)
{
    return (uint64_t)index << 40 | link;
}
static struct client *client_of(struct bench *b, uint64_t flow)
{
    return &b->clients[flow >> 40];
}
static rf_link_id link_of(uint64_t flow)
{
    return flow & ((UINT64_C(1) << 40) - 1);
}

static void touch(struct client *c)
{
    c->dirty = true;
    uint64_t at = rf_node_deadline(c->node);
    if (at == RF_NEVER)
        rf_timer_stop(&c->bench->timers, &c->timer);
    else if (rf_timer_set(&c->bench->timers, &c->timer, at) != 0)
        abort();
}

static int on_accept(void *ctx, const struct rf_addr *remote, const struct rf_addr *local, uint64_t *flow)
{
    struct bench *b = ctx;
    rf_link_id link;
    int error = rf_node_accept(b->clients[0].node, remote, local, *rf_loop_now(b->loop), &link);
    if (error == 0)
        *flow = flow_of(0, link);
    touch(&b->clients[0]);
    return error;
}

static void on_connected(void *ctx, uint64_t flow, const struct rf_addr *local)
{
    struct bench *b = ctx;
    rf_node_connected(client_of(b, flow)->node, link_of(flow), local, *rf_loop_now(b->loop));
    touch(client_of(b, flow));
}

static void on_closed(void *ctx, uint64_t flow, int reason)
{
    struct bench *b = ctx;
    rf_node_closed(client_of(b, flow)->node, link_of(flow), reason, *rf_loop_now(b->loop));
    touch(client_of(b, flow));
}

static void on_input(void *ctx, uint64_t flow, struct rf_view bytes)
{
    struct bench *b = ctx;
    rf_node_input(client_of(b, flow)->node, link_of(flow), bytes, *rf_loop_now(b->loop));
    touch(client_of(b, flow));
}

static struct rf_view on_output(void *ctx, uint64_t flow)
{
    return rf_node_output(client_of(ctx, flow)->node, link_of(flow));
}

static void on_output_done(void *ctx, uint64_t flow, size_t len)
{
    rf_node_output_done(client_of(ctx, flow)->node, link_of(flow), len);
}

/* false: this client has nothing more */
static bool client_action(struct bench *b, struct client *c, struct rf_flow_order *order)
{
    struct rf_node_out out;
    while (rf_node_next(c->node, &out)) {
        if (out.type == RF_NODE_OUT_PERSIST)
            rf_node_persisted(c->node, out.token, 0, *rf_loop_now(b->loop));
        if (out.type == RF_NODE_OUT_EVENT && out.event.type == RF_NODE_EVENT_JOINED && !c->joined) {
            c->joined = true;
            b->joined++;
        }
        if (out.type != RF_NODE_OUT_FLOW)
            continue;
        order->type = out.flow.type == RF_FLOW_CONNECT  ? RF_FLOW_ORDER_CONNECT
                      : out.flow.type == RF_FLOW_OUTPUT ? RF_FLOW_ORDER_OUTPUT
                                                        : RF_FLOW_ORDER_CLOSE;
        order->flow = flow_of((size_t)(c - b->clients), out.flow.flow);
        order->addr = out.flow.addr;
        return true;
    }
    c->dirty = false;
    touch(c);
    c->dirty = false;
    return false;
}

static void next_action(void *ctx, struct rf_flow_order *order)
{
    struct bench *b = ctx;
    memset(order, 0, sizeof(*order));
    for (size_t seen = 0; seen < b->started; seen++) {
        struct client *c = &b->clients[b->dirty_at];
        if (c->dirty && client_action(b, c, order))
            return;
        b->dirty_at = (b->dirty_at + 1) % b->started;
    }
}

static void timer_fired(struct rf_timer *timer, void *arg)
{
    (void)timer;
    struct client *c = arg;
    rf_node_tick(c->node, *rf_loop_now(c->bench->loop));
    touch(c);
}

static void start_one(struct bench *b)
{
    struct client *c = &b->clients[b->started];
    struct rf_buf pem;
    struct rf_crypto *crypto = b->pki.crypto;
    rf_buf_init(&pem, rf_mem_system(), 65536);
    if (crypto->ops->key_to_pem(crypto, c->identity.key, &pem) != 0)
        abort();
    struct rf_node_config config = {
        .mem = rf_mem_system(),
        .secret = rf_random_system(),
        .jitter = &b->jitter.rng,
        .crypto = crypto,
        .engine_ops = &rf_engine_gnutls,
        .conf = b->pki.conf,
        .cert_der = c->identity.cert->x509.der,
        .key_pem = rf_buf_view(&pem),
        .role = b->server ? RF_NODE_SUPERNODE : RF_NODE_CLIENT,
        .listen = &b->listen,
        .listen_count = 1,
        .max_links_per_address = SIZE_MAX,
    };
    struct rf_now now = *rf_loop_now(b->loop);
    if (rf_node_new(&config, now, &c->node) != 0) {
        fprintf(stderr, "bench_clients: a node could not be made\n");
        exit(1);
    }
    rf_buf_deinit(&pem);
    c->bench = b;
    rf_timer_init(&c->timer, timer_fired, c);
    b->started++;
    rf_node_start(c->node, now);
    touch(c);
}

static uint64_t turn(void *arg)
{
    struct bench *b = arg;
    rf_timers_run(&b->timers, rf_loop_now(b->loop)->mono_us, SIZE_MAX);
    while (b->started < b->count && b->started - b->joined < IN_FLIGHT)
        start_one(b);
    rf_flows_drain(b->flows);
    if (b->stop_when_joined && b->joined == b->count)
        rf_loop_stop(b->loop);
    return rf_timers_next(&b->timers);
}

static void bench_init(struct bench *b)
{
    struct rf_flow_doorway door = {b,        on_accept,   on_connected, on_closed,
                                   on_input, next_action, on_output,    on_output_done};
    uint64_t seed[2] = {1, 2};
    rf_timers_init(&b->timers, rf_mem_system());
    rf_random_seed(&b->jitter);
    if (rf_loop_new(rf_mem_system(), &b->loop) != 0 ||
        rf_flows_new(rf_mem_system(), b->loop, &door, NULL, seed, &b->flows) != 0)
        abort();
    b->task = (struct rf_loop_task){.turn = turn, .arg = b};
    rf_loop_task_add(b->loop, &b->task);
}

static size_t rss_kb(void)
{
    char line[256];
    size_t kb = 0;
    FILE *f = fopen("/proc/self/status", "re");
    while (f != NULL && fgets(line, sizeof(line), f) != NULL)
        if (sscanf(line, "VmRSS: %zu", &kb) == 1)
            break;
    if (f != NULL)
        fclose(f);
    return kb;
}

/* The supernode answers each byte on its socket with its memory, its CPU time and its links. */
static void on_question(void *arg, int fd, unsigned events)
{
    (void)events;
    struct bench *b = arg;
    char byte;
    if (read(fd, &byte, 1) != 1) {
        rf_loop_stop(b->loop);
        return;
    }
    struct rf_node_status status;
    struct rusage usage;
    rf_node_status(b->clients[0].node, &status);
    getrusage(RUSAGE_SELF, &usage);
    double cpu = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                 (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
    dprintf(fd, "%zu %f %zu\n", rss_kb(), cpu, status.client_count);
}

struct answer {
    size_t rss_kb, clients;
    double cpu_s;
};

static struct answer ask(int fd)
{
    struct answer a = {0};
    char text[128];
    if (write(fd, "?", 1) != 1)
        exit(1);
    ssize_t n = read(fd, text, sizeof(text) - 1);
    text[n > 0 ? n : 0] = '\0';
    if (sscanf(text, "%zu %lf %zu", &a.rss_kb, &a.cpu_s, &a.clients) != 3)
        exit(1);
    return a;
}

static void run_server(struct bench *b, int fd)
{
    b->server = true;
    b->count = 1;
    bench_init(b);
    if (rf_flows_listen(b->flows, &b->listen, NULL) != 0 ||
        rf_loop_watch(b->loop, fd, RF_LOOP_READ, on_question, b) != 0)
        exit(1);
    rf_loop_run(b->loop);
    exit(0);
}

static struct rf_addr free_addr(void)
{
    struct rf_addr addr;
    int fd;
    if (rf_addr_parse("127.0.0.1:0", 0, &addr) != 0 || rf_socket_listen(&addr, &fd, &addr) != 0)
        exit(1);
    rf_socket_close(fd);
    return addr;
}

int main(int argc, char **argv)
{
    static struct bench b, server;
    int pair[2];
    char at[RF_ADDR_TEXT_LEN];
    const char *bootstraps[1] = {at};
    b.count = argc > 1 ? (size_t)strtoul(argv[1], NULL, 10) : 1000;
    b.listen = free_addr();
    rf_addr_text(&b.listen, at);
    struct rf_now now;
    rf_clock_read(&now);
    if (b.count == 0 || b.count > 15000 || socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0 ||
        rf_pki_init(&b.pki, &(struct rf_pki_config){.no_ice = true,
                                                    .bootstraps = bootstraps,
                                                    .bootstrap_count = 1,
                                                    .wall_ms = now.wall_ms}) != 0)
        return 1;
    server.pki = b.pki;
    server.listen = b.listen;
    server.clients = calloc(1, sizeof(*server.clients));
    if (rf_pki_node(&b.pki, "super@example.org", NULL, RF_KEY_P256, &server.clients[0].identity) != 0)
        return 1;
    pid_t child = fork();
    if (child == 0) {
        close(pair[0]);
        run_server(&server, pair[1]);
    }
    close(pair[1]);
    b.clients = calloc(b.count, sizeof(*b.clients));
    for (size_t i = 0; i < b.count; i++) {
        char name[64];
        snprintf(name, sizeof(name), "user%zu@example.org", i);
        if (rf_pki_node(&b.pki, name, NULL, RF_KEY_P256, &b.clients[i].identity) != 0)
            return 1;
    }
    sleep(3); /* the supernode has joined its own ring; the time is not measured */
    struct answer before = ask(pair[0]);
    b.listen.port = 1; /* clients: nobody dials them here */
    bench_init(&b);
    struct rf_now begin, end;
    rf_clock_read(&begin);
    b.stop_when_joined = true;
    rf_loop_run(b.loop);
    rf_clock_read(&end);
    struct answer joined = ask(pair[0]);
    b.stop_when_joined = false;
    uint64_t until = end.mono_us + IDLE_US,
             bytes = rf_flows_counters(b.flows)->bytes_in + rf_flows_counters(b.flows)->bytes_out;
    do {
        rf_loop_once(b.loop, 100000);
        rf_clock_read(&now);
    } while (now.mono_us < until);
    struct answer idle = ask(pair[0]);
    bytes = rf_flows_counters(b.flows)->bytes_in + rf_flows_counters(b.flows)->bytes_out - bytes;
    double n = (double)b.count;
    printf("%zu clients joined in %.1f s; %zu are attached\n", b.count,
           (double)(end.mono_us - begin.mono_us) / 1e6, idle.clients);
    printf("supernode memory per idle client   %8.2f kB (right after joining %.2f kB)\n",
           (double)(idle.rss_kb - before.rss_kb) / n, (double)(joined.rss_kb - before.rss_kb) / n);
    printf("supernode CPU per client to join   %8.2f ms\n", (joined.cpu_s - before.cpu_s) * 1000 / n);
    printf("idle traffic per client            %8.1f bytes/min\n",
           (double)bytes / n * 60e6 / (double)IDLE_US);
    close(pair[0]);
    waitpid(child, NULL, 0);
    _exit(0); /* ten thousand nodes need not be taken apart */
}
