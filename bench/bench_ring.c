/*
 * bench_ring.c - a ring of N supernodes on loopback as its users see it: memory of a node, time of a Store and of a Fetch, what idling
 * sends, and how many Fetches are right while a third of the nodes is killed. bench/peer_opendht.py does the same with OpenDHT.
 *
 *     bench_ring [NODES [IDLE SECONDS [plain]]]     default 50 nodes, 60 s; plain: links without TLS, to see what that costs
 *
 * Whole nodes with GnuTLS and signed messages. A third of them lives in a child process, which ends by SIGKILL.
 */
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/select.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/error.h"
#include "harness.h"
#include "io/clock.h"
#include "io/sockets.h"
#include "node/internal.h"
#include "split.h"
#include "world.h"

#define REQUESTS   300
#define KILLED_S   30 /* how long Fetches are watched after the kill */
#define STREAMS    8  /* of them at once */
#define AT_ONCE    8  /* nodes that join at a time */
#define RESULT_MAX 100000

static struct bench {
    struct rf_pki pki;
    struct world worlds[2]; /* ours; those that are killed */
    size_t count;           /* of users in both */
    struct rf_id *resources;
    struct rf_rng_seeded rng;
    double took_ms[RESULT_MAX];
    size_t right, failed, under_way;
} b;

struct request {
    struct world_node *node;
    double began_s;
};

static int compare(const void *a, const void *c)
{
    double x = *(const double *)a, y = *(const double *)c;
    return (x > y) - (x < y);
}

static void latencies(const char *what)
{
    if (b.right > 0) {
        qsort(b.took_ms, b.right, sizeof(b.took_ms[0]), compare);
        figure(b.took_ms[b.right / 2], "ring.%s_ms", what);
        figure(b.took_ms[b.right * 95 / 100], "ring.%s_p95_ms", what);
    }
    figure((double)b.right, "ring.%s_right", what);
    figure((double)b.failed, "ring.%s_failed", what);
    b.right = b.failed = 0;
}

static void end_one(struct request *request, bool right)
{
    if (right && b.right < RESULT_MAX)
        b.took_ms[b.right++] = (wall_s() - request->began_s) * 1e3;
    b.failed += !right;
    b.under_way--;
    free(request);
}

static void fetched(void *arg, const struct rf_fetch_result *r)
{
    end_one(arg, r->error == 0 && r->value_count == 1);
}

static void stored(void *arg, const struct rf_store_result *r)
{
    end_one(arg, r->error == 0);
}

static struct request *request_new(void)
{
    struct request *request = calloc(1, sizeof(*request));
    must(request != NULL ? 0 : RF_ENOMEM, "request");
    request->node = &b.worlds[0].nodes[rf_rng_below(&b.rng.rng, b.worlds[0].count)];
    request->began_s = wall_s();
    rf_node_tick(request->node->node, world_now(&b.worlds[0]));
    b.under_way++;
    return request;
}

static void begin_fetch(void)
{
    struct request *request = request_new();
    must(rf_store_client_fetch(request->node->node->store, &b.resources[rf_rng_below(&b.rng.rng, b.count)],
                               RF_KIND_SIP_REGISTRATION, NULL, 0, fetched, request),
         "Fetch");
    world_touch(request->node);
}

static void begin_store(void)
{
    struct request *request = request_new();
    struct world_node *n = request->node;
    struct rf_sip_registration registration = {
        .type = RF_SIP_REGISTRATION_ROUTE, .dests = {rf_dest_node(&n->identity.node_id)}, .dest_count = 1};
    uint8_t bytes[256];
    struct rf_buf value;
    rf_buf_fixed(&value, bytes, sizeof(bytes));
    rf_sip_registration_encode(&registration, &value);
    must(rf_store_client_store(n->node->store, &n->node->identity, &b.resources[n - b.worlds[0].nodes],
                               RF_KIND_SIP_REGISTRATION, rf_id_view(&n->identity.node_id), true,
                               rf_buf_view(&value), 3600, stored, request),
         "Store");
    world_touch(n);
}

/* What was begun leaves now, not when the loop wakes up for something else. */
static void run(uint64_t max_wait_us)
{
    rf_flows_drain(b.worlds[0].flows);
    world_once(&b.worlds[0], max_wait_us);
}

static void one_after_the_other(void (*begin)(void), const char *what)
{
    for (size_t i = 0; i < REQUESTS; i++) {
        begin();
        while (b.under_way > 0)
            run(1000);
    }
    latencies(what);
}

static double links_of_each(void)
{
    struct rf_node_status status;
    size_t links = 0;
    for (size_t i = 0; i < b.worlds[0].count; i++) {
        rf_node_status(b.worlds[0].nodes[i].node, &status);
        links += status.link_count;
    }
    return (double)links / (double)b.worlds[0].count;
}

static double sent(void)
{
    return (double)rf_flows_counters(b.worlds[0].flows)->bytes_out;
}

/* Joins all of a world, some at a time, and has them registered. */
static void settle(struct world *w, double limit_s)
{
    double end = wall_s() + limit_s;
    world_listen(w);
    while (w->joined < w->count) {
        while (w->started < w->count && w->started < w->joined + AT_ONCE)
            world_start_node(w);
        world_once(w, 100000);
        must(wall_s() < end ? 0 : RF_ETIMEOUT, "joining");
    }
    for (size_t i = 0; i < w->count; i++) {
        rf_node_register(w->nodes[i].node, true, world_now(w));
        world_touch(&w->nodes[i]);
    }
    while (w->registered < w->count) {
        world_once(w, 100000);
        must(wall_s() < end ? 0 : RF_ETIMEOUT, "registering");
    }
}

/* The child: joins when told, says that it has, and runs until it is killed. */
static pid_t fork_others(int *tell, int *told)
{
    int to[2], from[2];
    char byte = 1;
    must(pipe(to) == 0 && pipe(from) == 0 ? 0 : RF_ESYSTEM, "pipe");
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        must(read(to[0], &byte, 1) == 1 ? 0 : RF_ECLOSED, "the parent");
        settle(&b.worlds[1], 120);
        must(write(from[1], &byte, 1) == 1 ? 0 : RF_ECLOSED, "the parent");
        world_run(&b.worlds[1], 3600);
        _exit(0);
    }
    *tell = to[1];
    *told = from[0];
    return pid;
}

static void join_all(int tell, int told)
{
    double before = rss_bytes(), heap = (double)mallinfo2().uordblks, begin = wall_s();
    char byte = 1;
    settle(&b.worlds[0], 120);
    must(write(tell, &byte, 1) == 1 ? 0 : RF_ECLOSED, "the child");
    figure(wall_s() - begin, "ring.join_two_thirds_s");
    fd_set set;
    struct timeval none = {0, 0};
    do {
        world_once(&b.worlds[0], 20000);
        FD_ZERO(&set);
        FD_SET(told, &set);
    } while (select(told + 1, &set, NULL, NULL, &none) == 0);
    figure(wall_s() - begin, "ring.join_s");
    world_run(&b.worlds[0], 5); /* what joining still has to say */
    figure((rss_bytes() - before) / (double)b.worlds[0].count, "ring.rss_bytes");
    figure(((double)mallinfo2().uordblks - heap) / (double)b.worlds[0].count, "ring.heap_bytes");
    figure(links_of_each(), "ring.links");
}

static void fetch_while_killed(pid_t others)
{
    double end = wall_s() + KILLED_S;
    kill(others, SIGKILL);
    waitpid(others, NULL, 0);
    while (wall_s() < end || b.under_way > 0) {
        while (wall_s() < end && b.under_way < STREAMS && b.right < RESULT_MAX)
            begin_fetch();
        run(1000);
    }
    double right = (double)b.right, failed = (double)b.failed;
    latencies("killed");
    figure(100 * right / (right + failed), "ring.killed_right_percent");
}

int main(int argc, char **argv)
{
    struct super first; /* only its free port is of interest */
    size_t nodes = argc > 1 ? strtoul(argv[1], NULL, 10) : 50;
    double idle_s = argc > 2 ? strtod(argv[2], NULL) : 60;
    const struct rf_engine_ops *engine =
        argc > 3 && strcmp(argv[3], "plain") == 0 ? &rf_engine_plain : &rf_engine_gnutls;
    if (nodes < 9 || nodes > 90 || idle_s <= 0) {
        fprintf(stderr, "usage: bench_ring [NODES 9..90 [IDLE SECONDS [plain]]]\n");
        return 2;
    }
    super_pki(&first, &b.pki);
    rf_rng_seeded_init(&b.rng, 1);
    struct rf_addr any = first.addr;
    any.port = 0;
    size_t killed = nodes / 3;
    world_init(&b.worlds[0], &b.pki, engine, &first.addr, RF_NODE_SUPERNODE, "ours", nodes - killed);
    world_init(&b.worlds[1], &b.pki, engine, &any, RF_NODE_SUPERNODE, "killed", killed);
    int tell, told;
    pid_t others = fork_others(&tell, &told);
    join_all(tell, told);

    b.count = nodes;
    b.resources = calloc(nodes, sizeof(*b.resources));
    must(b.resources != NULL ? 0 : RF_ENOMEM, "resources");
    for (size_t i = 0; i < nodes; i++) {
        const struct world_node *n =
            i < nodes - killed ? &b.worlds[0].nodes[i] : &b.worlds[1].nodes[i - (nodes - killed)];
        must(rf_node_resource_of(b.worlds[0].nodes[0].node, rf_view_str(n->user), &b.resources[i]), "name");
    }
    split_signatures(b.pki.crypto);
    one_after_the_other(begin_store, "put");
    split_signatures_told("put", REQUESTS);
    one_after_the_other(begin_fetch, "get");
    split_signatures_told("get", REQUESTS);
    world_run(&b.worlds[0], 10);
    double bytes = sent();
    split_begin(&b.worlds[0]);
    world_run(&b.worlds[0], idle_s);
    figure((sent() - bytes) / (double)b.worlds[0].count * 60 / idle_s, "ring.idle_bytes_per_min");
    split_end(&b.worlds[0], idle_s);
    fetch_while_killed(others);
    fflush(stdout);
    _exit(0);
}
