/*
 * bench_ice.c - what a session of ICE costs: a node with many sessions, each with another node, in one process and in virtual time, so that only work is measured.
 *
 *     bench_ice [SESSIONS, default 2000]
 *
 * Figures: bytes of the node's memory per session that is open, and per one that is connected; CPU from opening to selected, of one side; checks answered, strange checks
 * dropped and datagrams passed per second of CPU.
 */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "crypto/openssl/openssl.h"
#include "harness.h"
#include "ice/ice.h"
#include "stun/stun.h"

/* Memory that counts its bytes. */
static size_t counted;
static void *count_resize(void *ctx, void *p, size_t size)
{
    (void)ctx;
    counted -= p != NULL ? malloc_usable_size(p) : 0;
    if (size == 0) {
        free(p);
        return NULL;
    }
    p = realloc(p, size);
    must(p == NULL ? RF_ENOMEM : 0, "memory");
    counted += malloc_usable_size(p);
    return p;
}

struct agent {
    struct rf_env env;
    struct rf_ice *ice;
    struct rf_addr addr;
    rf_ice_id session;
    unsigned selected, ready;
};
struct world {
    struct rf_timers timers;
    struct rf_now now;
    struct rf_rng_seeded rng;
    struct rf_ice_config config;
    struct agent hub;
    struct agent *peers;
    size_t count;
};
static struct world w;
static struct rf_mem counting = {count_resize, NULL};

static void agent_init(struct agent *a, struct rf_mem *mem, uint32_t number)
{
    a->env = (struct rf_env){
        .mem = mem, .timers = &w.timers, .now = &w.now, .secret = &w.rng.rng, .jitter = &w.rng.rng};
    a->addr = (struct rf_addr){.family = 4,
                               .port = 6084,
                               .ip = {10, (uint8_t)(number >> 16), (uint8_t)(number >> 8), (uint8_t)number}};
    must(rf_ice_new(&a->env, &w.config, &a->ice), "ice");
    must(rf_ice_base_set(a->ice, 0, &a->addr, 1), "base");
}

static struct agent *at(const struct rf_addr *addr)
{
    size_t number = (size_t)addr->ip[1] << 16 | (size_t)addr->ip[2] << 8 | addr->ip[3];
    return number == 0 ? &w.hub : &w.peers[number - 1];
}

/* What an agent wants to send arrives at once. */
static bool drain(struct agent *a)
{
    struct rf_ice_out out;
    bool any = false;
    for (; rf_ice_next(a->ice, &out); any = true) {
        if (out.type == RF_ICE_OUT_DATAGRAM) {
            rf_ice_id session;
            struct rf_view data;
            (void)rf_ice_input(at(&out.remote)->ice, 0, &a->addr, out.bytes, &session, &data);
        } else if (out.type == RF_ICE_OUT_GATHERED) {
            a->ready++;
        } else if (out.type == RF_ICE_OUT_SELECTED) {
            a->selected++;
        }
    }
    return any;
}

static void pass(uint64_t us, struct agent *only)
{
    for (uint64_t until_us = w.now.mono_us + us;;) {
        uint64_t next_us = rf_timers_next(&w.timers);
        if (next_us > until_us) {
            w.now.mono_us = until_us;
            return;
        }
        if (next_us > w.now.mono_us)
            w.now.mono_us = next_us;
        rf_timers_run(&w.timers, w.now.mono_us, SIZE_MAX);
        while (drain(&w.hub) | (only != NULL && drain(only)))
            ;
    }
}

static void connect_one(struct agent *peer, rf_ice_id *session)
{
    const struct rf_ice_session_config calls = {.controlling = true}, answers = {0};
    struct rf_ice_params p;
    unsigned before = w.hub.selected;
    must(rf_ice_open(w.hub.ice, &calls, session), "open");
    must(rf_ice_open(peer->ice, &answers, &peer->session), "open");
    must(rf_ice_local(w.hub.ice, *session, &p), "local");
    must(rf_ice_start(peer->ice, peer->session, &p), "start");
    must(rf_ice_local(peer->ice, peer->session, &p), "local");
    must(rf_ice_start(w.hub.ice, *session, &p), "start");
    pass(50 * RF_US_PER_MS, peer);
    must(w.hub.selected == before + 1 && peer->selected == 1 ? 0 : RF_EUNREACHABLE, "connect");
}

static void sessions(rf_ice_id *ids)
{
    const struct rf_ice_session_config config = {.controlling = true};
    size_t before = counted;
    for (size_t i = 0; i < w.count; i++)
        must(rf_ice_open(w.hub.ice, &config, &ids[i]), "open");
    figure((double)(counted - before) / (double)w.count, "ice.open.bytes");
    for (size_t i = 0; i < w.count; i++)
        rf_ice_close(w.hub.ice, ids[i]);
    drain(&w.hub);
    before = counted;
    double cpu = cpu_s();
    for (size_t i = 0; i < w.count; i++)
        connect_one(&w.peers[i], &ids[i]);
    figure((cpu_s() - cpu) / 2 / (double)w.count * 1e6, "ice.connect.cpu_us");
    figure((double)(counted - before) / (double)w.count, "ice.connected.bytes");
}

/* ---- floods ---- */

static double per_cpu_s(struct rf_view bytes, unsigned count)
{
    struct rf_addr from = w.peers[0].addr;
    struct rf_ice_out out;
    rf_ice_id session;
    struct rf_view data;
    double cpu = cpu_s();
    for (unsigned i = 0; i < count; i++) {
        (void)rf_ice_input(w.hub.ice, 0, &from, bytes, &session, &data);
        while (rf_ice_next(w.hub.ice, &out))
            ;
    }
    return count / (cpu_s() - cpu);
}

static void check_of(struct rf_buf *out, const struct rf_ice_params *p, const char *ufrag)
{
    static const uint8_t txn[RF_STUN_TXN_LEN] = {1};
    char user[64];
    snprintf(user, sizeof(user), "%.*s:%s", (int)p->ufrag.len, (const char *)p->ufrag.p, "peer");
    rf_stun_begin(out, RF_STUN_REQUEST, RF_STUN_BINDING, txn);
    rf_stun_put(out, RF_STUN_USERNAME, rf_view_str(ufrag != NULL ? ufrag : user));
    rf_stun_put_u32(out, RF_ICE_PRIORITY, 1);
    rf_stun_put_u64(out, RF_ICE_CONTROLLED, 1);
    rf_stun_put_integrity(out, w.config.crypto, RF_HASH_SHA1, p->password);
    rf_stun_put_fingerprint(out);
    must(rf_stun_end(out), "check");
}

static void floods(void)
{
    const struct rf_ice_session_config config = {.controlling = true};
    uint8_t room[300], data[300] = {22, 254, 253};
    struct rf_ice_params p;
    struct rf_buf out;
    rf_ice_id id;
    must(rf_ice_open(w.hub.ice, &config, &id), "open");
    must(rf_ice_local(w.hub.ice, id, &p), "local");
    rf_buf_fixed(&out, room, sizeof(room));
    check_of(&out, &p, NULL);
    figure(per_cpu_s(rf_buf_view(&out), 200000), "ice.checks_answered_per_cpu_s");
    rf_buf_fixed(&out, room, sizeof(room));
    check_of(&out, &p, "AAAAAAAA:peer");
    figure(per_cpu_s(rf_buf_view(&out), 2000000), "ice.strange_checks_per_cpu_s");
    figure(per_cpu_s(rf_view_of(data, 200), 10000000), "ice.datagrams_in_per_cpu_s");
    rf_ice_close(w.hub.ice, id);
}

static void datagrams_out(const rf_ice_id *ids)
{
    const unsigned count = 10000000;
    struct rf_ice_wrap wrap;
    double cpu = cpu_s();
    for (unsigned i = 0; i < count; i++)
        must(rf_ice_send(w.hub.ice, ids[i % w.count], 200, &wrap), "send");
    figure(count / (cpu_s() - cpu), "ice.datagrams_out_per_cpu_s");
}

int main(int argc, char **argv)
{
    pin(0);
    w.count = argc > 1 ? (size_t)atoi(argv[1]) : 2000;
    w.now = (struct rf_now){.mono_us = 1000000, .wall_ms = 1000000};
    w.peers = calloc(w.count, sizeof(*w.peers));
    rf_ice_id *ids = calloc(w.count, sizeof(*ids));
    rf_timers_init(&w.timers, rf_mem_system());
    rf_rng_seeded_init(&w.rng, 1);
    rf_ice_config_default(&w.config);
    w.config.max_sessions = w.count + 1;
    w.config.crypto = rf_crypto_openssl_new(rf_mem_system());
    must(w.config.crypto == NULL || w.peers == NULL || ids == NULL ? RF_ENOMEM : 0, "memory");
    agent_init(&w.hub, &counting, 0);
    for (size_t i = 0; i < w.count; i++)
        agent_init(&w.peers[i], rf_mem_system(), (uint32_t)i + 1);
    sessions(ids);
    floods();
    datagrams_out(ids);
    rf_ice_free(w.hub.ice);
    for (size_t i = 0; i < w.count; i++)
        rf_ice_free(w.peers[i].ice);
    free(w.peers);
    free(ids);
    rf_timers_deinit(&w.timers);
    rf_crypto_openssl_free(w.config.crypto);
    return 0;
}
