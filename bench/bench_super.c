/*
 * bench_super.c - what one supernode does per second of CPU: messages forwarded between its clients, Fetches and Stores of SIP registrations
 * with the certificates of the signers known (warm) and unknown (cold).
 *
 *     bench_super plain|gnutls [SECONDS per figure [CLIENTS]]     default 2 s, 100 clients
 *
 * The supernode is the daemon's node and shell on real sockets (world.h); its clients are whole nodes. A forwarded message goes client ->
 * supernode -> client, each way framed and acknowledged; it is unsigned, which a forwarder does not look at, and dropped by its receiver.
 * Fetches and Stores are whole: signed by the client, verified, answered and signed by the supernode, verified by the client. Closed loop;
 * CPU is the supernode's with its system calls.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/error.h"
#include "harness.h"
#include "link/link.h"
#include "node/internal.h"
#include "world.h"

#define MESSAGE_LEN 600
#define WINDOW      1000 /* forwarded messages under way, over all links */
#define PER_CLIENT  4    /* Fetches or Stores under way per client */
#define WARM_UP_S   0.3
#define TURNS       4

struct load {
    struct world clients;
    struct super super;
    const char *name;
    double seconds;
    /* forwarding */
    uint64_t sent;
    size_t next;
    /* requests */
    bool store;
    struct rf_id *resources; /* of the clients' registrations */
    uint64_t done, failed;
};
static struct load load;
static struct rf_pki pki;

/* A figure for `count` operations that cost the supernode that much. */
static void result(const char *what, double count, double cpu, double wall)
{
    figure(count / cpu, "%s.%s_per_cpu_s", load.name, what);
    figure(cpu / count * 1e6, "%s.%s_cpu_us", load.name, what);
    figure(count / wall, "%s.%s_per_s", load.name, what);
}

/* ---- forwarding ---- */

static void message_put(const struct rf_id *to, struct rf_buf *out)
{
    struct rf_dest dest = rf_dest_node(to);
    uint8_t bytes[MESSAGE_LEN] = {RF_CODE_PING_REQ >> 8, RF_CODE_PING_REQ & 0xff};
    struct rf_buf dests;
    uint8_t dest_bytes[64];
    rf_buf_fixed(&dests, dest_bytes, sizeof(dest_bytes));
    rf_dest_encode(&dest, &dests);
    memset(bytes + 2, 0xff, 4); /* a body longer than the message: its receiver looks no further */
    struct rf_header header = {.overlay = pki.conf->overlay_hash,
                               .config_sequence = pki.conf->sequence,
                               .ttl = pki.conf->initial_ttl,
                               .fragment = RF_FRAGMENT_WHOLE,
                               .transaction_id = load.sent,
                               .dests = rf_buf_view(&dests)};
    rf_buf_reset(out);
    rf_header_encode(&header, sizeof(bytes) - RF_HEADER_MIN_LEN - dests.len, out);
    rf_buf_put(out, bytes, sizeof(bytes) - out->len);
}

static void send_one(struct rf_buf *message)
{
    struct world *w = &load.clients;
    struct world_node *from = &w->nodes[load.next];
    load.next = (load.next + 1) % w->count;
    struct rf_node *node = from->node;
    uint64_t link = rf_overlay_link_of(node->overlay, &load.super.id);
    size_t to = (load.next * 37 + 11) % w->count;
    message_put(&w->nodes[&w->nodes[to] == from ? (to + 1) % w->count : to].identity.node_id, message);
    must(rf_links_send(node->links, link, rf_buf_view(message)), "send");
    load.sent++;
    world_touch(from);
}

static uint64_t arrived(void)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < load.clients.count; i++)
        sum += rf_overlay_counters(load.clients.nodes[i].node->overlay)->dropped_malformed;
    return sum;
}

static void forward_for(double seconds)
{
    struct rf_buf message;
    uint8_t bytes[MESSAGE_LEN];
    double end = wall_s() + seconds;
    rf_buf_fixed(&message, bytes, sizeof(bytes));
    do {
        for (uint64_t here = arrived(); load.sent < here + WINDOW;)
            send_one(&message);
        rf_flows_drain(load.clients.flows);
        world_once(&load.clients, 50000);
    } while (wall_s() < end);
}

static void measure_forward(void)
{
    forward_for(WARM_UP_S);
    struct super_cost before = super_ask(&load.super);
    double begin = wall_s();
    forward_for(load.seconds);
    struct super_cost after = super_ask(&load.super);
    result("forward", (double)(after.forwarded - before.forwarded), after.cpu_s - before.cpu_s,
           wall_s() - begin);
    double end = wall_s() + 5;
    while (arrived() < load.sent && wall_s() < end)
        world_once(&load.clients, 50000);
    figure((double)(load.sent - arrived()), "%s.forward_lost", load.name);
}

/* ---- Fetch and Store ---- */

static void begin_one(struct world_node *n);

static void fetched(void *arg, const struct rf_fetch_result *r)
{
    load.done++;
    load.failed += r->error != 0 || r->value_count != 1;
    begin_one(arg);
}

static void stored(void *arg, const struct rf_store_result *r)
{
    load.done++;
    load.failed += r->error != 0;
    begin_one(arg);
}

static int begin_store(struct world_node *n)
{
    struct rf_sip_registration registration = {
        .type = RF_SIP_REGISTRATION_ROUTE, .dests = {rf_dest_node(&n->identity.node_id)}, .dest_count = 1};
    struct rf_buf value;
    uint8_t bytes[256];
    rf_buf_fixed(&value, bytes, sizeof(bytes));
    rf_sip_registration_encode(&registration, &value);
    return rf_store_client_store(n->node->store, &n->node->identity, &load.resources[n - load.clients.nodes],
                                 RF_KIND_SIP_REGISTRATION, rf_id_view(&n->identity.node_id), true,
                                 rf_buf_view(&value), 3600, stored, n);
}

static void begin_one(struct world_node *n)
{
    const struct world *w = &load.clients;
    size_t other = ((size_t)(n - w->nodes) * 31 + (size_t)load.done * 17) % w->count;
    must(load.store ? begin_store(n)
                    : rf_store_client_fetch(n->node->store, &load.resources[other], RF_KIND_SIP_REGISTRATION,
                                            NULL, 0, fetched, n),
         "request");
}

/* The kinds of requests, measured in turns: what else the machine does meanwhile then falls on all of them. */
static struct phase {
    const char *what;
    bool store, cold;
    double count, cpu, wall;
} phases[] = {{.what = "fetch_warm"},
              {.what = "fetch_cold", .cold = true},
              {.what = "store_warm", .store = true},
              {.what = "store_cold", .store = true, .cold = true}};

static void requests(struct phase *p, double seconds)
{
    struct world *w = &load.clients;
    load.store = p->store;
    super_cold(&load.super, p->cold);
    world_run(w, WARM_UP_S);
    uint64_t done = load.done;
    struct super_cost before = super_ask(&load.super);
    double begin = wall_s();
    world_run(w, seconds);
    struct super_cost after = super_ask(&load.super);
    p->count += (double)(load.done - done);
    p->cpu += after.cpu_s - before.cpu_s;
    p->wall += wall_s() - begin;
}

static void measure_requests(void)
{
    struct world *w = &load.clients;
    load.resources = calloc(w->count, sizeof(*load.resources));
    must(load.resources != NULL ? 0 : RF_ENOMEM, "resources");
    for (size_t i = 0; i < w->count; i++) {
        struct world_node *n = &w->nodes[i];
        must(rf_node_resource_of(n->node, rf_view_str(n->user), &load.resources[i]), "resource");
        rf_node_register(n->node, true, world_now(w));
        world_touch(n);
    }
    double end = wall_s() + 60;
    while (w->registered < w->count) {
        world_once(w, 100000);
        must(wall_s() < end ? 0 : RF_ETIMEOUT, "registering");
    }
    for (size_t i = 0; i < w->count * PER_CLIENT; i++) {
        rf_node_tick(w->nodes[i % w->count].node, world_now(w));
        begin_one(&w->nodes[i % w->count]);
        world_touch(&w->nodes[i % w->count]);
    }
    for (size_t turn = 0; turn < TURNS; turn++)
        for (size_t i = 0; i < RF_COUNT(phases); i++)
            requests(&phases[i], load.seconds / TURNS);
    for (size_t i = 0; i < RF_COUNT(phases); i++)
        result(phases[i].what, phases[i].count, phases[i].cpu, phases[i].wall);
    figure((double)load.failed, "%s.requests_failed", load.name);
}

int main(int argc, char **argv)
{
    bool plain = argc > 1 && strcmp(argv[1], "plain") == 0;
    size_t count = argc > 3 ? strtoul(argv[3], NULL, 10) : 100;
    load.seconds = argc > 2 ? strtod(argv[2], NULL) : 2;
    if ((!plain && (argc < 2 || strcmp(argv[1], "gnutls") != 0)) || load.seconds <= 0 || count < 2 ||
        count > 10000) {
        fprintf(stderr, "usage: bench_super plain|gnutls [SECONDS [CLIENTS 2..10000]]\n");
        return 2;
    }
    load.name = plain ? "plain" : "gnutls";
    const struct rf_engine_ops *engine = plain ? &rf_engine_plain : &rf_engine_gnutls;
    super_pki(&load.super, &pki);
    super_start(&load.super, &pki, engine);
    struct rf_addr nowhere = load.super.addr;
    nowhere.port = 1;
    world_init(&load.clients, &pki, engine, &nowhere, RF_NODE_CLIENT, "user", count);
    world_join(&load.clients, 60);
    world_run(&load.clients, 1); /* what joining still has to say */
    measure_forward();
    if (!plain)
        measure_requests();
    super_stop(&load.super);
    fflush(stdout);
    _exit(load.failed == 0 ? 0 : 1);
}
