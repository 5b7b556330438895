/*
 * bench_forward.c - how many messages per second one supernode's overlay forwards, without TLS and sockets.
 *
 *     bench_forward [MESSAGES [LINKS]]     default 2,000,000 messages, 1,000 links
 *
 * Requests to a directly connected node and to Resource-IDs (asked of a topology whose answer costs nothing), and responses; 600 bytes
 * each, spread over all links. What goes out is copied once, as a link would do. CPU time of one core.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include "base/error.h"
#include "overlay/overlay.h"
#include "support/pki.h"

#define MESSAGE_LEN 600
#define VARIANTS    1024 /* different messages of each type */

struct rf_topology {
    size_t link_count;
};

static struct rf_topology topology;
static uint8_t taken[2 * MESSAGE_LEN];
static uint64_t sent;

static void must(int error, const char *what)
{
    if (error == 0)
        return;
    fprintf(stderr, "bench_forward: %s: %s\n", what, rf_error_text(error));
    exit(1);
}

/* Node i of those we are linked with. */
static struct rf_id node_id(size_t i)
{
    uint64_t place = (i + 1) * UINT64_C(0x9e3779b97f4a7c15);
    struct rf_id id = {.len = 16};
    memcpy(id.b, &place, sizeof(place));
    id.b[15] = 1;
    return id;
}

static int topology_create(const struct rf_env *env, const struct rf_topology_params *params,
                           const struct rf_topology_host *host, struct rf_topology **out)
{
    (void)env, (void)params, (void)host;
    *out = &topology;
    return 0;
}

static void topology_destroy(struct rf_topology *t)
{
    (void)t;
}

static void topology_link_up(struct rf_topology *t, const struct rf_conn *conn, bool bootstrap)
{
    (void)t, (void)conn, (void)bootstrap;
}

static bool topology_responsible(const struct rf_topology *t, const struct rf_id *key)
{
    (void)t, (void)key;
    return false;
}

static bool topology_next_hop(const struct rf_topology *t, const struct rf_id *key, struct rf_id *out)
{
    *out = node_id((key->b[0] | (size_t)key->b[1] << 8) % t->link_count);
    return true;
}

static const struct rf_topology_ops ops = {
    .name = "BENCH",
    .create = topology_create,
    .destroy = topology_destroy,
    .link_up = topology_link_up,
    .responsible = topology_responsible,
    .in_range = topology_responsible,
    .next_hop = topology_next_hop,
};

static int host_send(void *ctx, uint64_t link, struct rf_view message)
{
    (void)ctx, (void)link;
    memcpy(taken, message.p, message.len);
    sent++;
    return 0;
}

enum type { TO_NODE, TO_RESOURCE, RESPONSE };

/* A request that two others forwarded already, or its response. */
static void make(const struct rf_conf *conf, const struct rf_id *self, size_t links, enum type type, size_t i,
                 struct rf_buf *out)
{
    uint8_t via_bytes[64], dest_bytes[64];
    struct rf_buf via, dests;
    struct rf_id a = node_id(links + i), b = node_id(links + i + 1), to = node_id((i * 7 + 1) % links);
    struct rf_dest entries[2] = {rf_dest_node(&a), rf_dest_node(&b)};
    struct rf_dest dest = type == TO_RESOURCE ? rf_dest_resource(&to) : rf_dest_node(&to),
                   own = rf_dest_node(self);
    rf_buf_fixed(&via, via_bytes, sizeof(via_bytes));
    rf_buf_fixed(&dests, dest_bytes, sizeof(dest_bytes));
    for (size_t k = 0; k < 2 && type != RESPONSE; k++)
        rf_dest_encode(&entries[k], &via);
    if (type == RESPONSE)
        rf_dest_encode(&own, &dests);
    rf_dest_encode(&dest, &dests);
    struct rf_header header = {
        .overlay = conf->overlay_hash,
        .config_sequence = conf->sequence,
        .ttl = 90,
        .fragment = RF_FRAGMENT_WHOLE,
        .transaction_id = i,
        .via = rf_buf_view(&via),
        .dests = rf_buf_view(&dests),
    };
    uint8_t rest[MESSAGE_LEN] = {0, (uint8_t)(RF_CODE_FETCH_REQ + (type == RESPONSE))};
    size_t header_len = RF_HEADER_MIN_LEN + via.len + dests.len;
    rf_buf_init(out, rf_mem_system(), 2 * MESSAGE_LEN);
    rf_header_encode(&header, MESSAGE_LEN - header_len, out);
    rf_buf_put(out, rest, MESSAGE_LEN - header_len);
    must(rf_buf_error(out), "message");
}

static double cpu_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void measure(struct rf_overlay *o, const struct rf_conf *conf, const struct rf_id *self, size_t links,
                    enum type type, const char *name, size_t count)
{
    static struct rf_buf messages[VARIANTS];
    for (size_t i = 0; i < VARIANTS; i++)
        make(conf, self, links, type, i, &messages[i]);
    uint64_t before = sent;
    double start = cpu_seconds();
    for (size_t i = 0; i < count; i++)
        rf_overlay_receive(o, 1 + (i * 13) % links, rf_buf_view(&messages[i % VARIANTS]));
    double took = cpu_seconds() - start;
    printf("%-24s %10.0f forwarded/s per core, %5.0f ns each, %llu of %zu sent\n", name, (double)count / took,
           took / (double)count * 1e9, (unsigned long long)(sent - before), count);
    for (size_t i = 0; i < VARIANTS; i++)
        rf_buf_deinit(&messages[i]);
}

int main(int argc, char **argv)
{
    size_t count = argc > 1 ? strtoul(argv[1], NULL, 10) : 2000000;
    size_t links = argc > 2 ? strtoul(argv[2], NULL, 10) : 1000;
    struct rf_pki pki;
    struct rf_identity identity;
    struct rf_trust *trust;
    struct rf_overlay *o;
    struct rf_timers timers;
    struct rf_now now = {RF_US_PER_S, RF_PKI_WALL_MS};
    struct rf_rng_seeded rng;
    struct rf_overlay_config config;
    must(rf_pki_init(&pki, &(struct rf_pki_config){.no_ice = true}), "pki");
    must(rf_pki_node(&pki, "a@example.org", NULL, RF_KEY_P256, &identity), "node");
    must(rf_pki_trust(&pki, 100, &trust), "trust");
    rf_rng_seeded_init(&rng, 1);
    rf_timers_init(&timers, rf_mem_system());
    struct rf_env env = {.mem = rf_mem_system(),
                         .timers = &timers,
                         .now = &now,
                         .secret = &rng.rng,
                         .jitter = &rng.rng,
                         .seed = {1, 2}};
    struct rf_overlay_host host = {.send = host_send};
    rf_overlay_config_default(&config);
    config.conf = pki.conf;
    config.crypto = pki.crypto;
    config.trust = trust;
    config.identity = &identity;
    config.role = RF_ROLE_PEER;
    config.topology = &ops;
    topology.link_count = links;
    must(rf_overlay_new(&env, &config, &host, &o), "overlay");
    for (size_t i = 0; i < links; i++) {
        struct rf_id id = node_id(i);
        rf_overlay_link_up(o, i + 1, &id, false, false);
    }
    measure(o, pki.conf, &identity.node_id, links, TO_NODE, "request to a client", count);
    measure(o, pki.conf, &identity.node_id, links, TO_RESOURCE, "request to a key", count);
    measure(o, pki.conf, &identity.node_id, links, RESPONSE, "response", count);
    rf_overlay_free(o);
    rf_trust_free(trust);
    rf_identity_deinit(&identity);
    rf_timers_deinit(&timers);
    rf_pki_deinit(&pki);
    return 0;
}
