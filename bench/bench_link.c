/*
 * bench_link.c - what links cost a server: memory per idle link, handshakes, frames.
 *
 *     bench_link [LINKS [FRAMES]]     default 500 links, 20,000 frames
 *
 * The server is this process: rf_links behind rf_flows on loopback. The load comes from a child process in which every link is a node of its
 * own with its own certificate, so that nothing of the server's memory is shared between links. CPU is the server's (getrusage). A frame is
 * received, acknowledged and echoed. Memory per link includes the process's warming up, which shows when there are few.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/error.h"
#include "io/clock.h"
#include "io/flows.h"
#include "io/random.h"
#include "link/link.h"
#include "support/pki.h"

#define IN_FLIGHT   64  /* handshakes at once */
#define WINDOW      256 /* frames not answered yet, over all links */
#define MESSAGE_LEN 500
#define FRAME_LINKS 100

static void must(int err, const char *what)
{
    if (err == 0)
        return;
    fprintf(stderr, "bench_link: %s: %s\n", what, rf_error_text(err));
    exit(1);
}

/* ---- what both processes have ---- */

struct shell {
    struct rf_loop *loop;
    struct rf_loop_task task;
    struct rf_timers timers;
    struct rf_rng_seeded jitter;
    struct rf_env env;
    struct rf_flows *flows;
    const struct rf_engine_ops *engine;
};

/* One node; the server has one, the child many. */
struct node {
    struct shell *shell;
    struct rf_links *links;
    struct rf_trust *trust;
    struct rf_identity identity;
    uint64_t index; /* flow numbers in rf_flows are index << 32 | link */
    rf_link_id link;
    bool up;
};

static struct rf_pki pki;
static struct shell shell;
static struct node *nodes;
static size_t node_count;
/* what happened */
static size_t ups, downs, resumed, messages;
static bool echo;

static struct rf_flow_order *orders; /* ring of what nodes want */
static size_t order_first, order_count, order_cap;

static void collect(struct node *node)
{
    struct rf_flow_action action;

    for (;;) {
        rf_links_next_action(node->links, &action);
        if (action.type == RF_FLOW_NONE)
            return;
        if (order_count == order_cap)
            must(RF_ELIMIT, "order ring");
        orders[(order_first + order_count++) % order_cap] = (struct rf_flow_order){
            (enum rf_flow_order_type)action.type, node->index << 32 | action.flow, action.addr};
    }
}

static struct node *node_of(uint64_t flow)
{
    return &nodes[flow >> 32];
}

static int door_accept(void *ctx, const struct rf_addr *remote, const struct rf_addr *local, uint64_t *flow)
{
    (void)ctx;
    return rf_links_accept(nodes[0].links, remote, local, flow);
}
static void door_connected(void *ctx, uint64_t flow, const struct rf_addr *local)
{
    (void)ctx;
    rf_links_connected(node_of(flow)->links, flow & UINT32_MAX, local);
    collect(node_of(flow));
}
static void door_closed(void *ctx, uint64_t flow, int reason)
{
    (void)ctx;
    rf_links_closed(node_of(flow)->links, flow & UINT32_MAX, reason);
    collect(node_of(flow));
}
static void door_input(void *ctx, uint64_t flow, struct rf_view bytes)
{
    (void)ctx;
    rf_links_input(node_of(flow)->links, flow & UINT32_MAX, bytes);
    collect(node_of(flow));
}
static void door_next(void *ctx, struct rf_flow_order *out)
{
    (void)ctx;
    *out = (struct rf_flow_order){.type = RF_FLOW_ORDER_NONE};
    if (order_count == 0)
        return;
    *out = orders[order_first];
    order_first = (order_first + 1) % order_cap;
    order_count--;
}
static struct rf_view door_output(void *ctx, uint64_t flow)
{
    (void)ctx;
    return rf_links_output(node_of(flow)->links, flow & UINT32_MAX);
}
static void door_output_done(void *ctx, uint64_t flow, size_t len)
{
    (void)ctx;
    rf_links_output_done(node_of(flow)->links, flow & UINT32_MAX, len);
}

static void host_up(void *ctx, const struct rf_link_info *link)
{
    struct node *node = ctx;
    node->link = link->id;
    node->up = true;
    ups++;
    resumed += link->resumed;
}
static void host_message(void *ctx, rf_link_id link, struct rf_view message)
{
    struct node *node = ctx;
    messages++;
    if (echo)
        (void)rf_links_send(node->links, link, message);
}
static void host_down(void *ctx, const struct rf_link_info *link, int reason)
{
    (void)link;
    (void)reason;
    ((struct node *)ctx)->up = false;
    downs++;
}

static uint64_t turn(void *arg)
{
    (void)arg;
    rf_timers_run(&shell.timers, rf_loop_now(shell.loop)->mono_us, 1000);
    rf_flows_drain(shell.flows);
    return rf_timers_next(&shell.timers);
}

static void shell_start(const struct rf_engine_ops *engine)
{
    const struct rf_flow_doorway door = {NULL,       door_accept, door_connected, door_closed,
                                         door_input, door_next,   door_output,    door_output_done};
    const uint64_t seed[2] = {3, 4};

    memset(&shell, 0, sizeof shell);
    must(rf_loop_new(rf_mem_system(), &shell.loop), "loop");
    rf_timers_init(&shell.timers, rf_mem_system());
    rf_random_seed(&shell.jitter);
    shell.env = (struct rf_env){.mem = rf_mem_system(),
                                .timers = &shell.timers,
                                .now = rf_loop_now(shell.loop),
                                .secret = rf_random_system(),
                                .jitter = &shell.jitter.rng,
                                .seed = {5, 6}};
    shell.engine = engine;
    must(rf_flows_new(rf_mem_system(), shell.loop, &door, NULL, seed, &shell.flows), "flows");
    shell.task = (struct rf_loop_task){.turn = turn};
    rf_loop_task_add(shell.loop, &shell.task);
}

static void node_start(struct node *node, size_t index, struct rf_trust *trust)
{
    const struct rf_link_host host = {.ctx = node, .up = host_up, .message = host_message, .down = host_down};
    struct rf_link_config config;
    struct rf_buf pem;
    char user[40];

    snprintf(user, sizeof user, "user%zu@example.org", index);
    *node = (struct node){.shell = &shell, .index = index, .trust = trust};
    must(rf_pki_node(&pki, user, NULL, RF_KEY_P256, &node->identity), "identity");
    rf_link_config_default(&config);
    config.engine_ops = shell.engine;
    config.trust = trust;
    config.self = node->identity.node_id;
    config.max_links = 20000;
    config.reserved_links = 0;
    config.max_per_address = config.accept_per_s_per_address = config.handshakes_per_s = 0;
    config.keepalive_us = 0;
    rf_buf_init(&pem, rf_mem_system(), 10000);
    must(pki.crypto->ops->key_to_pem(pki.crypto, node->identity.key, &pem), "key");
    must(shell.engine->engine_new(&shell.env, &node->identity.cert->x509.der, 1, rf_buf_view(&pem),
                                  &config.engine),
         "engine");
    rf_buf_deinit(&pem);
    must(rf_links_new(&shell.env, &config, &host, &node->links), "links");
}

static void nodes_start(size_t count, size_t cert_count)
{
    struct rf_trust *trust;

    nodes = calloc(count, sizeof *nodes);
    node_count = count;
    order_cap = 8 * count + 4096;
    orders = calloc(order_cap, sizeof *orders);
    must(nodes && orders ? 0 : RF_ENOMEM, "nodes");
    must(rf_pki_trust(&pki, cert_count, &trust), "trust");
    for (size_t i = 0; i < count; i++)
        node_start(&nodes[i], i, trust);
    ups = downs = resumed = messages = 0;
}

static void once(void)
{
    must(rf_loop_once(shell.loop, 100000), "loop");
}

/* ---- the load: a child process that obeys one-letter commands and answers each with one byte ---- */

static void dial_all(const struct rf_addr *server)
{
    size_t next = 0, before = ups, down_before = downs;

    while (ups - before < node_count) {
        while (next < node_count && next < ups - before + IN_FLIGHT) {
            rf_link_id id;
            must(rf_links_connect(nodes[next].links, server, 1, NULL, RF_LINK_OVERLAY, 0, &id), "connect");
            collect(&nodes[next++]);
        }
        rf_flows_drain(shell.flows);
        once();
        if (downs != down_before)
            must(RF_ECLOSED, "a link did not come up");
    }
}

static void close_all(void)
{
    size_t before = downs;

    for (size_t i = 0; i < node_count; i++) {
        rf_links_close(nodes[i].links, nodes[i].link, RF_ECANCELLED);
        collect(&nodes[i]);
    }
    rf_flows_drain(shell.flows);
    while (downs - before < node_count || rf_flows_count(shell.flows) > 0)
        once();
    downs = before;
}

static void send_frames(size_t frames)
{
    static uint8_t message[MESSAGE_LEN];
    size_t sent = 0, links = node_count < FRAME_LINKS ? node_count : FRAME_LINKS;

    messages = 0;
    while (messages < frames) {
        while (sent < frames && sent < messages + WINDOW) {
            struct node *node = &nodes[sent++ % links];
            must(rf_links_send(node->links, node->link, rf_view_of(message, sizeof message)), "send");
            collect(node);
        }
        rf_flows_drain(shell.flows);
        once();
    }
}

static void child(size_t count, size_t frames, const struct rf_addr *server, int in, int out)
{
    char command;

    nodes_start(count, 16);
    if (write(out, "k", 1) != 1)
        exit(1);
    while (read(in, &command, 1) == 1) {
        if (command == 'd')
            dial_all(server);
        else if (command == 'c')
            close_all();
        else if (command == 'f')
            send_frames(frames);
        if (write(out, "k", 1) != 1)
            break;
    }
    _exit(0);
}

/* ---- the server and its figures ---- */

struct load {
    pid_t pid;
    int to, from;
    bool answered;
};

static void answered(void *arg, int fd, unsigned events)
{
    struct load *load = arg;
    char byte;

    (void)events;
    if (read(fd, &byte, 1) != 1)
        must(RF_ECLOSED, "the child is gone");
    load->answered = true;
}

static void await(struct load *load)
{
    while (!load->answered)
        once();
    load->answered = false;
}

static double cpu_s(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static double rss_bytes(void)
{
    long pages = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (!file || fscanf(file, "%ld %ld", &pages, &resident) != 2)
        must(RF_ESYSTEM, "statm");
    fclose(file);
    return (double)resident * (double)sysconf(_SC_PAGESIZE);
}

/* Runs a command in the child; returns the server's CPU seconds. */
static double measure(struct load *load, char command)
{
    double before = cpu_s();
    if (write(load->to, &command, 1) != 1)
        must(RF_ECLOSED, "the child is gone");
    await(load);
    return cpu_s() - before;
}

static void fork_load(struct load *load, size_t count, size_t frames, const struct rf_engine_ops *engine)
{
    struct rf_addr at = {.family = 4, .ip = {127, 0, 0, 1}};
    int to[2], from[2];

    must(rf_flows_listen(shell.flows, &at, &at), "listen");
    must(pipe(to) || pipe(from) ? RF_ESYSTEM : 0, "pipe");
    load->pid = fork();
    if (load->pid == 0) {
        echo = false;
        shell_start(engine); /* the parent's loop is left alone */
        close(to[1]);
        close(from[0]);
        child(count, frames, &at, to[0], from[1]);
    }
    close(to[0]);
    close(from[1]);
    load->to = to[1];
    load->from = from[0];
    must(rf_loop_watch(shell.loop, load->from, RF_LOOP_READ, answered, load), "watch");
    await(load);
}

static void bench(const char *name, const struct rf_engine_ops *engine, size_t count, size_t frames)
{
    struct load load = {0};
    double rss, full, again, cpu;

    shell_start(engine);
    nodes_start(1, count + 16); /* before the fork: the child's nodes get other Node-IDs */
    fork_load(&load, count, frames, engine);
    echo = true;
    rss = rss_bytes();
    full = measure(&load, 'd');
    usleep(100000);
    rss = (rss_bytes() - rss) / (double)count;
    printf("%s.link_rss_bytes %.0f\n", name, rss);
    printf("%s.full_handshakes_per_cpu_s %.0f\n", name, (double)count / full);
    cpu = measure(&load, 'f');
    printf("%s.frames_per_cpu_s %.0f\n", name, (double)frames / cpu);
    measure(&load, 'c');
    resumed = 0;
    again = measure(&load, 'd');
    printf("%s.second_handshakes_per_cpu_s %.0f\n", name, (double)count / again);
    printf("%s.second_handshakes_resumed %zu\n", name, resumed);
    close(load.to);
    waitpid(load.pid, NULL, 0);
}

int main(int argc, char **argv)
{
    size_t count = argc > 1 ? strtoul(argv[1], NULL, 10) : 500;
    size_t frames = argc > 2 ? strtoul(argv[2], NULL, 10) : 20000;
    struct rf_now now;
    pid_t pid;
    int status = 0;

    if (count == 0 || count > 19000 || frames == 0) {
        fprintf(stderr, "usage: bench_link [LINKS 1..19000 [FRAMES]]\n");
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    rf_clock_read(&now);
    must(rf_pki_init(&pki, &(struct rf_pki_config){.overlay = "example.org", .wall_ms = now.wall_ms}), "pki");
    pid = fork(); /* each engine in a fresh process */
    if (pid == 0) {
        bench("plain", &rf_engine_plain, count, frames);
        return 0;
    }
    waitpid(pid, &status, 0);
    bench("gnutls", &rf_engine_gnutls, count, frames);
    return status == 0 ? 0 : 1;
}
