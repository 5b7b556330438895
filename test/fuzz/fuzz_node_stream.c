/*
 * fuzz_node_stream.c - a relay's stream gets any bytes, cut anywhere: node/stream.c finds the messages, ice/ takes them. The input is a row of steps: a byte that says what, a length, bytes.
 * The same bytes cut otherwise are the same messages, so what ice/ counts at the end must not depend on where they were cut.
 */
#include <stdlib.h>

#include "crypto/fake/fake.h"
#include "node/internal.h"

#define FLOW (NODE_FLOW_STREAM | 1)

struct world {
    struct rf_rng_seeded rng;
    struct rf_conf conf;
    struct rf_node node;
};

static void world_init(struct world *w, struct rf_crypto_fake_config *fake)
{
    struct rf_addr relay = {.family = 4, .port = 3478, .ip = {45, 0, 0, 1}};
    struct rf_node *node = &w->node;
    rf_rng_seeded_init(&w->rng, 1);
    fake->rng = &w->rng.rng;
    *node = (struct rf_node){.now = {.mono_us = 1000000, .wall_ms = 1000000}, .conf = &w->conf};
    node->env = (struct rf_env){.mem = rf_mem_system(),
                                .timers = &node->timers,
                                .now = &node->now,
                                .secret = &w->rng.rng,
                                .jitter = &w->rng.rng};
    node->crypto = rf_crypto_fake_new(rf_mem_system(), fake);
    rf_timers_init(&node->timers, rf_mem_system());
    if (node->crypto == NULL || node_paths_init(node) != 0)
        abort();
    struct rf_ice_turn turn = {.addr = relay, .stream = true, .user = "u", .pass = "p"};
    struct rf_ice_session_config session = {.controlling = true};
    struct rf_node_out out;
    rf_ice_id id;
    uint8_t number;
    if (rf_ice_turn_add(node->paths->ice, &turn, &number) != 0 ||
        rf_ice_open(node->paths->ice, &session, &id) != 0)
        abort();
    node->now.mono_us += RF_US_PER_S / 10;
    rf_timers_run(&node->timers, node->now.mono_us, 100);
    while (node_path_next(node, &out))
        ;
    if (!node_stream_connected(node, FLOW, &relay) || node->paths->stream_count != 1)
        abort();
    (void)node_path_next(node, &out); /* its Allocate is under way */
}

static void world_deinit(struct world *w)
{
    node_paths_deinit(&w->node);
    if (rf_timers_next(&w->node.timers) != RF_NEVER)
        abort();
    rf_timers_deinit(&w->node.timers);
    rf_crypto_fake_free(w->node.crypto);
}

static void feed(struct world *w, struct rf_view bytes, size_t piece)
{
    while (bytes.len > 0) {
        size_t len = piece < bytes.len ? piece : bytes.len;
        uint8_t *copy = malloc(len); /* of its own size, so that reading beyond shows */
        if (copy == NULL)
            abort();
        memcpy(copy, bytes.p, len);
        if (!node_stream_input(&w->node, FLOW, rf_view_of(copy, len)))
            abort();
        free(copy);
        bytes = rf_view_of(bytes.p + len, bytes.len - len);
    }
}

/* The shell: what is to be done with the flow, and how much of the output it takes. */
static void shell(struct world *w, uint8_t takes)
{
    struct rf_flow_action action;
    struct rf_view out;
    while (node_stream_next(&w->node, &action))
        if (action.flow != FLOW)
            abort();
    if (!node_stream_output(&w->node, FLOW, &out))
        abort();
    if (out.len > 0)
        (void)node_stream_output_done(&w->node, FLOW, out.len * takes / UINT8_MAX);
}

static void step(struct world *w, struct rf_view *in)
{
    uint8_t what, len;
    struct rf_view bytes;
    if (rf_view_u8(in, &what) != 0 || rf_view_u8(in, &len) != 0 ||
        rf_view_take(in, len < in->len ? len : in->len, &bytes) != 0)
        abort();
    switch (what % 8) {
    case 0:
        node_stream_put(&w->node, 1, bytes);
        break;
    case 1:
        node_stream_disconnect(&w->node, 1);
        break;
    case 2:
        (void)node_stream_closed(&w->node, FLOW);
        break;
    case 3:
        shell(w, len);
        break;
    case 4:
        w->node.now.mono_us += (uint64_t)len * RF_US_PER_S / 16;
        rf_timers_run(&w->node.timers, w->node.now.mono_us, 100);
        break;
    default:
        feed(w, bytes, what >= 128 ? SIZE_MAX : (what >> 3) + (size_t)1);
        break;
    }
}

/* What came of these bytes in all: is the stream still there, and what did ice/ count? */
static struct rf_ice_counters outcome(struct rf_view bytes, size_t piece, bool *up)
{
    static struct world w;
    struct rf_crypto_fake_config fake = {0};
    world_init(&w, &fake);
    feed(&w, bytes, piece);
    struct rf_ice_counters counters = *rf_ice_counters(w.node.paths->ice);
    *up = w.node.paths->stream_count > 0;
    world_deinit(&w);
    return counters;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct world w;
    struct rf_crypto_fake_config fake = {0};
    struct rf_view in = rf_view_of(data, size);
    bool whole_up, cut_up;
    struct rf_ice_counters whole = outcome(in, SIZE_MAX, &whole_up), cut = outcome(in, 1, &cut_up);
    if (whole_up != cut_up || memcmp(&whole, &cut, sizeof(whole)) != 0)
        abort();
    world_init(&w, &fake);
    while (in.len >= 2)
        step(&w, &in);
    world_deinit(&w);
    return 0;
}
