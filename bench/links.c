/* links.c - what bench_link and bench_dtls share. */
#include "links.h"

#include <malloc.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "io/clock.h"
#include "support/engine.h"
#include "support/pki.h"
#include "support/real_env.h"

#define IN_FLIGHT   64  /* handshakes at once */
#define WINDOW      256 /* frames not answered yet, over all links */
#define MESSAGE_LEN 500
#define FRAME_LINKS 100

struct links_node *nodes;
size_t node_count;
struct rf_env links_env;
struct rf_timers links_timers;
size_t links_ups, links_downs;

static const struct links_bench *bench;
static const struct rf_engine_ops *engine;
static struct rf_pki pki;
static struct rf_rng_seeded jitter;
static size_t resumed, messages;
static bool echo;
static int to_child, from_child;

/* ---- nodes ---- */

static void host_up(void *ctx, const struct rf_link_info *link)
{
    ((struct links_node *)ctx)->link = link->id;
    links_ups++;
    resumed += link->resumed;
}
static void host_message(void *ctx, rf_link_id link, struct rf_view message)
{
    struct links_node *node = ctx;
    messages++;
    if (echo)
        (void)rf_links_send(node->links, link, message);
}
static void host_down(void *ctx, const struct rf_link_info *link, int reason)
{
    (void)ctx;
    (void)link;
    if (!echo && reason != RF_ECANCELLED)
        fprintf(stderr, "bench: a link ended: %s\n", rf_error_text(reason));
    links_downs++;
}

static void node_start(struct links_node *node, size_t index, struct rf_trust *trust)
{
    const struct rf_link_host host = {.ctx = node, .up = host_up, .message = host_message, .down = host_down};
    struct rf_link_config config;
    struct rf_engine *own;
    char user[40];

    snprintf(user, sizeof user, "user%zu@example.org", index);
    *node = (struct links_node){.index = index, .trust = trust};
    must(rf_pki_node(&pki, user, NULL, RF_KEY_P256, &node->identity), "identity");
    must(engine_of(&node->identity, engine, &links_env, &own), "engine");
    rf_link_config_default(&config);
    if (bench->datagrams) {
        config.datagram_ops = engine;
        config.datagram_engine = own;
    } else {
        config.engine_ops = engine;
        config.engine = own;
    }
    config.trust = trust;
    config.self = node->identity.node_id;
    config.max_links = 20000;
    config.reserved_links = 0;
    config.max_per_address = config.accept_per_s_per_address = config.handshakes_per_s = 0;
    config.keepalive_us = 0;
    must(rf_links_new(&links_env, &config, &host, &node->links), "links");
}

static void nodes_start(size_t count, size_t cert_count)
{
    struct rf_trust *trust;

    links_env = real_env(&links_timers, bench->start(), &jitter);
    nodes = calloc(count, sizeof *nodes);
    node_count = count;
    must(nodes ? 0 : RF_ENOMEM, "nodes");
    must(rf_pki_trust(&pki, cert_count, &trust), "trust");
    for (size_t i = 0; i < count; i++)
        node_start(&nodes[i], i, trust);
    links_ups = links_downs = resumed = messages = 0;
}

/* ---- the load: a child process that obeys one-letter commands and answers each with one byte ---- */

static void dial_all(uint16_t port)
{
    size_t next = 0, before = links_ups, down_before = links_downs;

    while (links_ups - before < node_count) {
        while (next < node_count && next < links_ups - before + IN_FLIGHT) {
            must(bench->dial(&nodes[next], port), "dial");
            bench->drain(&nodes[next++]);
        }
        bench->once();
        if (links_downs != down_before)
            must(RF_ECLOSED, "a link did not come up");
    }
}

static void close_all(void)
{
    for (size_t i = 0; i < node_count; i++) {
        rf_links_close(nodes[i].links, nodes[i].link, RF_ECANCELLED);
        bench->drain(&nodes[i]);
        if (bench->datagrams && i % 64 == 0)
            usleep(1000); /* nothing says that it was heard */
    }
    bench->rest();
    links_downs = 0;
}

static void send_frames(size_t frames, size_t links)
{
    static uint8_t message[MESSAGE_LEN];
    static uint64_t number; /* no two are the same, as those of an overlay */
    size_t sent = 0;

    messages = 0;
    while (messages < frames) {
        while (sent < frames && sent < messages + WINDOW) {
            struct links_node *node = &nodes[sent++ % links];
            number++;
            memcpy(message, &number, sizeof number);
            must(rf_links_send(node->links, node->link, rf_view_of(message, sizeof message)), "send");
            bench->drain(node);
        }
        bench->once();
    }
}

static void child(size_t count, size_t frames, uint16_t port, int in, int out)
{
    char command;

    echo = false;
    nodes_start(count, 16);
    bench->ready();
    if (write(out, "k", 1) != 1)
        exit(1);
    while (read(in, &command, 1) == 1) {
        bench->once(); /* the clock stood still */
        if (command == 'd')
            dial_all(port);
        else if (command == 'c')
            close_all();
        else if (command == 'o')
            send_frames(count, count);
        else if (command == 'f')
            send_frames(frames, count < FRAME_LINKS ? count : FRAME_LINKS);
        if (write(out, "k", 1) != 1)
            break;
    }
    _exit(0);
}

/* ---- the server and its figures ---- */

static void await(void)
{
    struct pollfd polled = {.fd = from_child, .events = POLLIN};
    char byte;

    while (poll(&polled, 1, 0) == 0)
        bench->once();
    if (read(from_child, &byte, 1) != 1)
        must(RF_ECLOSED, "the child is gone");
    bench->once(); /* what the child sent before it answered */
}

/* Runs a command in the child; returns the server's CPU seconds. */
static double measure(char command)
{
    double before = cpu_s();
    if (write(to_child, &command, 1) != 1)
        must(RF_ECLOSED, "the child is gone");
    await();
    return cpu_s() - before;
}

static pid_t fork_load(size_t count, size_t frames, uint16_t port)
{
    int to[2], from[2];
    pid_t pid;

    must(pipe(to) || pipe(from) ? RF_ESYSTEM : 0, "pipe");
    pid = fork();
    if (pid == 0) {
        close(to[1]);
        close(from[0]);
        child(count, frames, port, to[0], from[1]); /* the parent's loop is left alone */
    }
    close(to[0]);
    close(from[1]);
    to_child = to[1];
    from_child = from[0];
    bench->watch(from_child);
    await();
    return pid;
}

static void run(const char *name, size_t count, size_t frames)
{
    double rss, full, again, cpu;
    pid_t pid;

    nodes_start(1, count + 16); /* before the fork: the child's nodes get other Node-IDs */
    pid = fork_load(count, frames, bench->listen());
    echo = true;
    rss = rss_bytes();
    full = measure('d');
    if (bench->touch) {
        measure('o');
        malloc_trim(0);
    }
    rss = (rss_bytes() - rss) / (double)count;
    printf("%s.link_rss_bytes %.0f\n", name, rss);
    printf("%s.full_handshakes_per_cpu_s %.0f\n", name, (double)count / full);
    cpu = measure('f');
    printf("%s.frames_per_cpu_s %.0f\n", name, (double)frames / cpu);
    measure('c');
    resumed = 0;
    again = measure('d');
    printf("%s.second_handshakes_per_cpu_s %.0f\n", name, (double)count / again);
    printf("%s.second_handshakes_resumed %zu\n", name, resumed);
    close(to_child);
    waitpid(pid, NULL, 0);
}

int links_main(int argc, char **argv, const struct links_bench *how)
{
    size_t count = argc > 1 ? strtoul(argv[1], NULL, 10) : 500;
    size_t frames = argc > 2 ? strtoul(argv[2], NULL, 10) : 20000;
    struct rf_now now;
    int status = 0;

    if (count == 0 || count > 19000 || frames == 0) {
        fprintf(stderr, "usage: %s [LINKS 1..19000 [FRAMES]]\n", argv[0]);
        return 2;
    }
    bench = how;
    setvbuf(stdout, NULL, _IOLBF, 0);
    rf_clock_read(&now);
    must(rf_pki_init(&pki, &(struct rf_pki_config){.overlay = "example.org", .wall_ms = now.wall_ms}), "pki");
    for (size_t i = 0; i < 2 && status == 0; i++) { /* each engine in a fresh process */
        pid_t pid = fork();
        if (pid == 0) {
            engine = bench->engine[i].ops;
            run(bench->engine[i].name, count, frames);
            exit(0);
        }
        waitpid(pid, &status, 0);
    }
    return status == 0 ? 0 : 1;
}
